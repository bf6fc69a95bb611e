//! How Sources stand, in words and numbers, and what the editor may do with what is held: one set for `sources` and the pages of `dev`.

use std::collections::HashMap;

use url::Url;

use super::article::is_web;
use super::{Stored, Told};
use crate::config::Config;
use crate::model::source::Source;
use crate::model::{Site, Timestamp};
use crate::store::imported::{ImportState, Imported, Taken};
use crate::store::sources::{SourceRow, SourceState};
use crate::store::{Result, Store};

/// Nearer than half a day, a time of day is of one day only.
const NEAR_MICROS: u64 = 12 * 3_600 * 1_000_000;

/// How many entries of a Source stand how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Items {
    /// Articles.
    pub kept: u64,
    /// Waiting for the editor.
    pub held: u64,
    /// Left out.
    pub dropped: u64,
    /// Known from elsewhere.
    pub merged: u64,
}

impl Items {
    const fn set(&mut self, state: ImportState, n: u64) {
        match state {
            ImportState::Kept => self.kept = n,
            ImportState::Held => self.held = n,
            ImportState::Dropped => self.dropped = n,
            ImportState::Merged => self.merged = n,
        }
    }

    /// In words, all of them: "3 kept, 0 held, 1 left out, 0 known from elsewhere".
    pub fn words(&self) -> String {
        format!("{} kept, {} held, {} left out, {} known from elsewhere", self.kept, self.held, self.dropped, self.merged)
    }
}

/// The Sources that config.toml has, in its order, called as it calls them, with their counts.
pub async fn configured(config: &Config, store: &Store) -> Result<Vec<(SourceRow, Items)>> {
    let mut rows: HashMap<String, SourceRow> = store.sources().await?.into_iter().map(|row| (row.id.clone(), row)).collect();
    let rows: Vec<SourceRow> = config.sources.iter().filter_map(|source| Some(called(source, rows.remove(&source.id)?))).collect();
    let mut all: HashMap<String, Items> = HashMap::new();
    for (source, state, n) in store.imported_counts(None).await? {
        all.entry(source).or_default().set(state, n);
    }
    let with_items = |row: SourceRow| {
        let items = all.get(&row.id).copied().unwrap_or_default();
        (row, items)
    };
    Ok(rows.into_iter().map(with_items).collect())
}

/// One of them.
pub async fn one(config: &Config, store: &Store, id: &str) -> Result<Option<(SourceRow, Items)>> {
    let Some(source) = config.sources.iter().find(|source| source.id == id) else { return Ok(None) };
    let Some(row) = store.source(id).await? else { return Ok(None) };
    let mut items = Items::default();
    for (_, state, n) in store.imported_counts(Some(id)).await? {
        items.set(state, n);
    }
    Ok(Some((called(source, row), items)))
}

/// The title that config.toml gives comes before the one that the Source has told.
fn called(source: &Source, row: SourceRow) -> SourceRow {
    SourceRow { title: source.title.clone().or(row.title), ..row }
}

/// The address a Source is really asked at.
pub fn asked_at(row: &SourceRow) -> &str {
    row.addresses().asked()
}

/// How a Source stands, in words.
pub fn status(row: &SourceRow) -> Result<String> {
    let said = row.said.as_deref().unwrap_or("not fetched yet");
    Ok(match (row.standing()?, row.failures) {
        (SourceState::Paused, _) => "paused".to_owned(),
        (SourceState::Gone, _) => "gone for good (410)".to_owned(),
        (SourceState::Active, 0) => said.to_owned(),
        (SourceState::Active, 1) => format!("failed: {said}"),
        (SourceState::Active, n) => format!("failed {n} times: {said}"),
    })
}

/// A moment in the site's zone, without what is the same for all.
pub fn short(site: &Site, at: Option<i64>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| Timestamp(at).in_zone(site.timezone).format("%d %b %H:%M").to_string())
}

/// A moment in the site's zone in a word: the time of day when no other day's could be meant, else the day.
pub fn brief(site: &Site, at: Option<i64>, now: Timestamp) -> String {
    let format = |at: i64| if at.abs_diff(now.0) < NEAR_MICROS { "%H:%M" } else { "%d %b" };
    at.map_or_else(|| "-".to_owned(), |at| Timestamp(at).in_zone(site.timezone).format(format(at)).to_string())
}

/// When a Source is asked next, with the moment as `shown` writes it.
pub fn next(row: &SourceRow, now: Timestamp, shown: impl Fn(Option<i64>) -> String) -> Result<String> {
    Ok(match row.standing()? {
        SourceState::Active if row.next_at <= now.0 => "now".to_owned(),
        SourceState::Active => shown(Some(row.next_at)),
        SourceState::Paused | SourceState::Gone => "-".to_owned(),
    })
}

/// An entry that became no Article.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NotKept {
    /// Its title.
    pub title: String,
    /// Its page, when that is one of the web.
    pub url: Option<String>,
    /// What became of it.
    pub state: ImportState,
    /// Why.
    pub reason: Option<String>,
}

/// What is held of a Source, then what was left out, the newest first; at most `limit`.
pub async fn not_kept(store: &Store, id: &str, limit: u32) -> Result<Vec<NotKept>> {
    let described = |entry: Imported| {
        let stored = Stored::read(&entry.article);
        let url = stored.as_ref().and_then(|stored| web_address(&stored.url));
        let title = stored.map(|stored| stored.title).unwrap_or_default();
        NotKept { title, url, state: entry.state, reason: entry.reason }
    };
    Ok(store.not_kept(id, limit).await?.into_iter().map(described).collect())
}

/// An address that a page of ours may link to: of the web, and nothing else.
pub fn web_address(address: &str) -> Option<String> {
    Url::parse(address).ok().filter(is_web).map(String::from)
}

impl Told {
    /// What a fetch came to, in words.
    pub fn words(&self) -> String {
        let Self { source, asked, taken, is_baseline, .. } = self;
        if asked.failed {
            return format!("{source}: not fetched: {}", asked.said);
        }
        let first = if *is_baseline && taken.new > 0 { " (what stands there at first is not mailed)" } else { "" };
        format!("{source}: {}; {}{first}", asked.said, taken.words())
    }
}

/// What the editor wants with what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is taken up, and may be mailed.
    Mail,
    /// It is taken up, and mailed to nobody.
    NoMail,
    /// It is left out.
    Drop,
}

impl Verdict {
    /// Does it to all that a Source has held. How many became what.
    pub async fn pass(self, store: &Store, id: &str, now: Timestamp) -> Result<Taken> {
        match self {
            Self::Mail => store.approve_held(id, true, now).await,
            Self::NoMail => store.approve_held(id, false, now).await,
            Self::Drop => Ok(Taken { dropped: store.drop_held(id, now).await?, ..Taken::default() }),
        }
    }

    /// What was done, in words.
    pub fn words(self, id: &str, taken: &Taken) -> String {
        let (n, merged) = (taken.new + taken.dropped, taken.merged);
        let done = match self {
            Self::Mail => "taken up; the next issue may bring them",
            Self::NoMail => "taken up; not mailed",
            Self::Drop => "left out",
        };
        let done = match n {
            0 if merged == 0 => return format!("{id}: nothing is held"),
            0 => format!("{id}: no held entry {done}"),
            1 => format!("{id}: 1 held entry {done}"),
            _ => format!("{id}: {n} held entries {done}"),
        };
        if merged == 0 { done } else { format!("{done}; {merged} known from elsewhere meanwhile") }
    }
}
