//! Sources: when each is asked, what it said of itself, and what happened last.

use std::time::Duration;

use super::sql::args;
use super::{Result, Store, StoreError};
use crate::model::Timestamp;

/// How a Source stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceState {
    /// It is asked in its turn.
    Active,
    /// It is not asked, by hand.
    Paused,
    /// It says that it is gone for good (410).
    Gone,
}

impl SourceState {
    const ALL: [Self; 3] = [Self::Active, Self::Paused, Self::Gone];

    /// The word the store keeps.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Gone => "gone",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A Source as the store knows it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, sqlx::FromRow)]
pub struct SourceRow {
    /// As config.toml names it.
    pub id: String,
    /// Its address as config.toml gave it last.
    pub url: String,
    /// Where it says it is for good.
    pub moved_to: Option<String>,
    /// In so many answers in a row.
    pub moved_times: i64,
    /// Validator, as it came.
    pub etag: Option<String>,
    /// Validator, as it came.
    pub last_modified: Option<String>,
    /// As it calls itself.
    pub title: Option<String>,
    /// Its page for people.
    pub home: Option<String>,
    /// First fetch that brought entries, in microseconds.
    pub baseline_at: Option<i64>,
    /// Last answer of any kind.
    pub fetched_at: Option<i64>,
    /// Last that brought something.
    pub changed_at: Option<i64>,
    /// Not asked before.
    pub next_at: i64,
    /// In a row.
    pub failures: i64,
    /// `active`, `paused` or `gone`.
    pub state: String,
    /// What happened last, in words.
    pub said: Option<String>,
}

impl SourceRow {
    /// How it stands.
    pub fn standing(&self) -> Result<SourceState> {
        SourceState::from_word(&self.state).ok_or_else(|| StoreError::Corrupt(format!("the state {:?} of source {}", self.state, self.id)))
    }
}

/// What one fetch leaves behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Validators of the answer; those of before stay when nothing came with them.
    pub etag: Option<String>,
    /// The other one.
    pub last_modified: Option<String>,
    /// The answer's validators take the place of those of before, also when it has none.
    pub has_body: bool,
    /// As it calls itself.
    pub title: Option<String>,
    /// Its page for people.
    pub home: Option<String>,
    /// Where it says it is for good.
    pub moved_to: Option<String>,
    /// It failed.
    pub failed: bool,
    /// It is gone for good.
    pub gone: bool,
    /// It brought something new or changed.
    pub changed: bool,
    /// What happened, in words.
    pub said: String,
}

const COLUMNS: &str =
    "id, url, moved_to, moved_times, etag, last_modified, title, home, baseline_at, fetched_at, changed_at, next_at, failures, state, said";

impl Store {
    /// Makes a row for each Source of the configuration, `(id, address)`. One whose address is another is asked anew, without validators; what it brought stays.
    pub async fn sync_sources(&self, sources: &[(&str, &str)], now: Timestamp) -> Result<()> {
        let mut tx = self.engine.write().await?;
        for &(id, url) in sources {
            let sql = "INSERT INTO sources (id, url, moved_times, next_at, failures, state) VALUES ($1, $2, 0, $3, 0, 'active')
                 ON CONFLICT (id) DO UPDATE SET url = excluded.url, moved_to = NULL, moved_times = 0, etag = NULL, last_modified = NULL,
                     next_at = excluded.next_at, failures = 0, state = 'active', said = NULL WHERE sources.url <> excluded.url";
            tx.run(sql, args![id, url, now]).await?;
        }
        tx.commit().await
    }

    /// All that were ever configured, by id.
    pub async fn sources(&self) -> Result<Vec<SourceRow>> {
        self.engine.read().await?.rows(format!("SELECT {COLUMNS} FROM sources ORDER BY id"), args![]).await
    }

    /// One of them.
    pub async fn source(&self, id: &str) -> Result<Option<SourceRow>> {
        self.engine.read().await?.row(format!("SELECT {COLUMNS} FROM sources WHERE id = $1"), args![id]).await
    }

    /// Takes up to `limit` Sources whose time has come, the longest waiting first; nobody else is given them for `lease`. One whose worker dies is given again
    /// then, and not at a restart.
    pub async fn claim_sources(&self, limit: u32, lease: Duration, now: Timestamp) -> Result<Vec<SourceRow>> {
        let mut tx = self.engine.write().await?;
        let sql =
            format!("SELECT {COLUMNS} FROM sources WHERE state = 'active' AND next_at <= $1 ORDER BY next_at LIMIT $2{}", tx.claimed());
        let due: Vec<SourceRow> = tx.rows(sql, args![now, limit]).await?;
        for source in &due {
            tx.run("UPDATE sources SET next_at = $2 WHERE id = $1", args![source.id.as_str(), now.plus(lease)]).await?;
        }
        tx.commit().await?;
        Ok(due)
    }

    /// When the next Source is due.
    pub async fn next_source_at(&self) -> Result<Option<Timestamp>> {
        let sql = "SELECT MIN(next_at) FROM sources WHERE state = 'active'";
        let row: Option<(Option<i64>,)> = self.engine.read().await?.row(sql, args![]).await?;
        Ok(row.and_then(|(at,)| at).map(Timestamp))
    }

    /// Keeps what a fetch left behind, and when to ask again.
    pub async fn record_asked(&self, id: &str, asked: &Asked, next_at: Timestamp, now: Timestamp) -> Result<()> {
        let mut tx = self.engine.write().await?;
        let state = if asked.gone { SourceState::Gone } else { SourceState::Active };
        let sql = "UPDATE sources SET
                 etag = CASE WHEN $2 = 1 THEN $3 ELSE COALESCE($3, etag) END,
                 last_modified = CASE WHEN $2 = 1 THEN $4 ELSE COALESCE($4, last_modified) END,
                 title = COALESCE($5, title), home = COALESCE($6, home),
                 moved_times = CASE WHEN $7 IS NULL THEN 0 WHEN moved_to = $7 THEN moved_times + 1 ELSE 1 END, moved_to = $7,
                 failures = CASE WHEN $8 = 1 THEN failures + 1 ELSE 0 END,
                 fetched_at = $9, changed_at = CASE WHEN $10 = 1 THEN $9 ELSE changed_at END,
                 baseline_at = CASE WHEN $2 = 1 AND $8 = 0 THEN COALESCE(baseline_at, $9) ELSE baseline_at END,
                 next_at = $11, said = $12, state = CASE WHEN state = 'active' THEN $13 ELSE state END
             WHERE id = $1";
        let (etag, last_modified, title) = (asked.etag.as_deref(), asked.last_modified.as_deref(), asked.title.as_deref());
        let (home, moved_to) = (asked.home.as_deref(), asked.moved_to.as_deref());
        let args = args![
            id,
            asked.has_body,
            etag,
            last_modified,
            title,
            home,
            moved_to,
            asked.failed,
            now,
            asked.changed,
            next_at,
            asked.said.as_str(),
            state.word()
        ];
        tx.run(sql, args).await?;
        tx.commit().await
    }

    /// Pauses a Source, or lets it go on at once; false when there is none.
    pub async fn set_source(&self, id: &str, state: SourceState, now: Timestamp) -> Result<bool> {
        let mut tx = self.engine.write().await?;
        let sql = "UPDATE sources SET state = $2, next_at = $3, failures = 0 WHERE id = $1";
        let changed = tx.run(sql, args![id, state.word(), now]).await?;
        tx.commit().await?;
        Ok(changed > 0)
    }
}
