//! Sources → Articles: feeds and pages of others are asked politely, read tolerantly, cleaned, and told apart.
//!
//! The way of one fetch: `turns` takes the Sources whose time has come, each with its host, which nobody else asks meanwhile; `ask` makes the request and judges
//! the answer; `take` finds out which entries are known (`identity`), which are wanted (`filter`) and whether the feed has changed its ways (`guard`);
//! `article` cleans what is new. One commit keeps entries, validators and the time to ask again (`patience`). `shelf` makes Articles of all that is kept.

pub mod address;
pub mod article;
mod ask;
mod body;
mod brief;
mod controls;
mod filter;
pub mod guard;
pub mod identity;
pub mod ids;
pub mod opml;
pub mod overview;
pub mod pages;
pub mod patience;
pub mod reader;
pub mod robots;
mod shelf;
mod take;
mod turns;

use std::collections::{BTreeMap, HashMap};
use std::slice;
use std::sync::{Arc, Mutex};

pub use article::{Stored, for_mail, summary};
pub use shelf::articles;

use crate::config::Config;
use crate::fetch::Fetch;
use crate::model::source::Source;
use crate::model::{Clock, Timestamp};
use crate::store::hosts::Lent;
use crate::store::imported::{Arrivals, Taken};
use crate::store::sources::Asked;
use crate::store::{Result, Store, StoreError};

/// What each site allows, and when it said so.
type RobotsBySite = HashMap<String, (Timestamp, Arc<robots::Robots>)>;

/// Asks Sources. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Importer {
    store: Store,
    fetch: Fetch,
    clock: Clock,
    sources: Arc<BTreeMap<String, Arc<Source>>>,
    robots: Arc<Mutex<RobotsBySite>>,
}

/// What one fetch came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The Source.
    pub source: String,
    /// The request.
    pub asked: Asked,
    /// What became of the entries.
    pub taken: Taken,
    /// These are the first entries of a feed, which were there before us: they are not mailed.
    pub is_baseline: bool,
    /// When it is asked again.
    pub next_at: Timestamp,
    /// It was not asked at all: somebody else kept its host busy.
    pub is_put_off: bool,
}

impl Importer {
    /// An importer of the Sources that are configured.
    pub fn new(config: &Config, store: Store, fetch: Fetch, clock: Clock) -> Self {
        let sources = config.sources.iter().map(|source| (source.id.clone(), Arc::new(source.clone()))).collect();
        Self { store, fetch, clock, sources: Arc::new(sources), robots: Arc::default() }
    }

    /// Asks a Source that was taken, and keeps what came of it; nothing when somebody else has taken it meanwhile.
    async fn ask(&self, lent: &Lent) -> Result<Option<Told>> {
        let row = &lent.source;
        let Some(source) = self.sources.get(&row.id) else {
            return self.store.give_back(slice::from_ref(lent), None).await.map(|()| None);
        };
        let Some(mut answer) = self.while_held(lent, self.request(source, row)).await else { return Ok(None) };
        let is_baseline = row.baseline_at.is_none() && matches!(answer.brought, ask::Brought::Feed(..));
        let now = self.clock.now();
        let arrivals = self.take(source, row, answer.brought, now).await?.unwrap_or_else(|| {
            // Without its validators it is asked for in full again, and nothing of it is lost.
            answer.asked = ask::unreadable(answer.asked.clone());
            Arrivals::default()
        });
        let next_at = patience::next(source.every, &answer.wishes, &answer.asked, row.failures, rand::random(), now);
        let taken = match self.store.keep_answer(lent, &answer.asked, &arrivals, next_at, now).await {
            Err(StoreError::Fenced) => return Ok(None),
            kept => kept?,
        };
        let told = Told { source: row.id.clone(), asked: answer.asked, taken, is_baseline, next_at, is_put_off: false };
        say(&told);
        Ok(Some(told))
    }
}

/// The politeness log: every request, what it came to, and when the next one is due.
fn say(told: &Told) {
    let Told { source, asked, taken, next_at, .. } = told;
    let (status, conditional, bytes, next) = (asked.status.unwrap_or_default(), asked.is_conditional, asked.bytes, next_at.rfc3339());
    if asked.gone {
        tracing::warn!(source, status, next, "gone for good; it is not asked any more: take it out of config.toml, or give it another url");
    } else if asked.failed {
        tracing::warn!(source, status, conditional, next, "not fetched: {}", asked.said);
    } else {
        tracing::info!(source, status, conditional, bytes, next, "asked: {}", taken.words());
    }
    if taken.held > 0 {
        let held = taken.held;
        tracing::warn!(source, held, "entries look new and are old; they wait for `postrider sources approve {source}`");
    }
}
