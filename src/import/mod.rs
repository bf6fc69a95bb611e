//! Sources → Articles: feeds and pages of others are asked politely, read tolerantly, cleaned, and told apart.
//!
//! The way of one fetch: `turns` takes the Sources whose time has come and asks each host one thing at a time; `ask` makes the request and judges
//! the answer; `take` finds out which entries are known (`identity`), which are wanted (`filter`) and whether the feed has changed its ways (`guard`);
//! `article` cleans what is new. One commit keeps entries, validators and the time to ask again (`patience`).

pub mod article;
mod ask;
mod body;
mod brief;
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
mod take;
mod turns;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

pub use article::{Stored, for_mail, summary};

use crate::config::Config;
use crate::fetch::Fetch;
use crate::model::source::Source;
use crate::model::{Article, Clock, Timestamp};
use crate::store::imported::{Arrivals, Taken};
use crate::store::sources::{Asked, SourceRow};
use crate::store::{Result, Store, StoreError};

/// Articles of Sources that a Library holds at most, the last that came: older ones were mailed long ago, and no feed reaches back so far.
const ARTICLES_MAX: usize = 10_000;
/// So many are read at once.
const ARTICLES_PAGE: u32 = 1_000;

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
}

impl Importer {
    /// An importer of the Sources that are configured.
    pub fn new(config: &Config, store: Store, fetch: Fetch, clock: Clock) -> Self {
        let sources = config.sources.iter().map(|source| (source.id.clone(), Arc::new(source.clone()))).collect();
        Self { store, fetch, clock, sources: Arc::new(sources), robots: Arc::default() }
    }

    /// Takes one Source and asks it now, due or not.
    pub async fn ask_now(&self, id: &str) -> Result<Option<Told>> {
        match self.store.claim_source(id, turns::LEASE, self.clock.now()).await? {
            Some(row) => self.ask(&row).await,
            None => Ok(None),
        }
    }

    /// Asks a Source that was taken, and keeps what came of it; nothing when somebody else has taken it meanwhile.
    pub async fn ask(&self, row: &SourceRow) -> Result<Option<Told>> {
        let Some(source) = self.sources.get(&row.id) else { return Ok(None) };
        let mut answer = self.request(source, row).await;
        let is_baseline = row.baseline_at.is_none() && matches!(answer.brought, ask::Brought::Feed(..));
        let now = self.clock.now();
        let arrivals = self.take(source, row, answer.brought, now).await?.unwrap_or_else(|| {
            // Without its validators it is asked for in full again, and nothing of it is lost.
            answer.asked = ask::unreadable(answer.asked.clone());
            Arrivals::default()
        });
        let next_at = patience::next(source.every, &answer.wishes, &answer.asked, row.failures, rand::random(), now);
        let taken = match self.store.keep_answer(row, &answer.asked, &arrivals, next_at, now).await {
            Err(StoreError::Fenced) => return Ok(None),
            kept => kept?,
        };
        let told = Told { source: row.id.clone(), asked: answer.asked, taken, is_baseline, next_at };
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

/// The Articles that the configured Sources brought, the last that came first. What its Source, or its row, no longer knows is left out.
pub async fn articles(config: &Config, store: &Store) -> Result<Vec<Article>> {
    if config.sources.is_empty() {
        return Ok(Vec::new());
    }
    let rows: HashMap<String, SourceRow> = store.sources().await?.into_iter().map(|row| (row.id.clone(), row)).collect();
    let by_id: HashMap<&str, &Source> = config.sources.iter().map(|source| (source.id.as_str(), source)).collect();
    let (mut articles, mut before) = (Vec::new(), i64::MAX);
    while articles.len() < ARTICLES_MAX {
        let page = store.imported(before, ARTICLES_PAGE).await?;
        let Some(last) = page.last() else { break };
        before = last.id;
        for kept in &page {
            let (Some(source), Some(row)) = (by_id.get(kept.source.as_str()), rows.get(&kept.source)) else { continue };
            match Stored::read(&kept.article) {
                Some(stored) => articles.push(stored.article(source, row, kept, &config.site)),
                None => tracing::error!(source = kept.source, entry = kept.id, "an imported article cannot be read"),
            }
        }
    }
    articles.truncate(ARTICLES_MAX);
    Ok(articles)
}
