//! Sources: when each is asked, what it said of itself, and what happened last.

use std::collections::HashMap;
use std::time::Duration;

use super::hosts::{self, Lent, PLACED, Placed};
use super::imported::{Arrivals, Taken, keep_arrivals};
use super::sql::{Tx, args};
use super::{Result, Store, StoreError};
use crate::model::Timestamp;
use crate::model::source::Addresses;

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
    /// What stood there last: `feed` or `page`.
    pub kind: Option<String>,
    /// The feed that the page at this address names.
    pub found: Option<String>,
    /// Where it says it is for good.
    pub moved_to: Option<String>,
    /// In so many answers in a row.
    pub moved_times: i64,
    /// The host it is asked at, without its port.
    #[serde(skip)]
    pub host: Option<String>,
    /// Validator, as it came.
    pub etag: Option<String>,
    /// Validator, as it came.
    pub last_modified: Option<String>,
    /// As it calls itself.
    pub title: Option<String>,
    /// Its page for people.
    pub home: Option<String>,
    /// What the feed says of when not to ask, as `import` keeps it.
    pub rests: Option<String>,
    /// First fetch that brought entries, in microseconds, and all there were.
    pub baseline_at: Option<i64>,
    /// First time that a feed was read there, with entries or without.
    pub read_at: Option<i64>,
    /// Last answer that was no failure.
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
    /// Where it may be asked.
    pub fn addresses(&self) -> Addresses<'_> {
        let (found, moved_to) = (self.found.as_deref(), self.moved_to.as_deref());
        Addresses { url: &self.url, found, moved_to, moved_times: self.moved_times, failures: self.failures }
    }

    /// How it stands.
    pub fn standing(&self) -> Result<SourceState> {
        SourceState::from_word(&self.state).ok_or_else(|| StoreError::Corrupt(format!("the state {:?} of source {}", self.state, self.id)))
    }
}

/// What one fetch leaves behind, beside entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The address that answered.
    pub url: String,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Validators went along.
    pub is_conditional: bool,
    /// Length of the body, unpacked.
    pub bytes: usize,
    /// Validators of the answer; those of before stay when nothing came with them.
    pub etag: Option<String>,
    /// The other one.
    pub last_modified: Option<String>,
    /// A body was read: the answer's validators take the place of those of before, also when it has none.
    pub has_body: bool,
    /// How many entries the feed has that was read; nothing where none was.
    pub entries: Option<usize>,
    /// Its document ended too early, or was too long: there may be others.
    pub is_cut: bool,
    /// As it calls itself.
    pub title: Option<String>,
    /// Its page for people.
    pub home: Option<String>,
    /// What stands there: `feed` or `page`.
    pub kind: Option<&'static str>,
    /// The feed that its page names.
    pub found: Option<String>,
    /// Where it says it is for good.
    pub moved_to: Option<String>,
    /// What the feed says of when not to ask.
    pub rests: Option<String>,
    /// It failed.
    pub failed: bool,
    /// It is gone for good.
    pub gone: bool,
    /// What happened, in words.
    pub said: String,
}

impl Asked {
    /// Whether what stands in the feed now is what was there before us. Of one that is cut it is not all, until it brings nothing more, or for so long that
    /// it is always cut.
    fn is_baseline(&self, row: &SourceRow, arrivals: &Arrivals, now: Timestamp) -> bool {
        let is_always_cut = || row.read_at.is_some_and(|read| now.since(Timestamp(read)) > CUT_MAX);
        let is_all = !self.is_cut || arrivals.list.iter().all(|arrival| arrival.known.is_some()) || is_always_cut();
        self.entries.is_some_and(|entries| entries > 0) && is_all
    }
}

/// One request of the past.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct AskRow {
    /// When, in microseconds.
    pub at: i64,
    /// The address that answered.
    pub url: String,
    /// HTTP status, if there was an answer.
    pub status: Option<i64>,
    /// 1 when validators went along.
    pub conditional: i64,
    /// Length of the body, unpacked.
    pub bytes: i64,
    /// What happened.
    pub said: String,
    /// When it was to be asked again.
    pub next_at: i64,
}

/// A feed that is cut is waited for so long to show itself whole.
const CUT_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Requests that are remembered of each Source.
const ASKS_MAX: u32 = 20;

pub(super) const COLUMNS: &str = "id, url, kind, found, moved_to, moved_times, host, etag, last_modified, title, home, rests, baseline_at, read_at, fetched_at, changed_at, next_at, failures, state, said";

impl Store {
    /// Makes a row for each Source of the configuration, `(id, address)`. One whose address is another is asked anew, without validators; what it brought stays.
    pub async fn sync_sources(&self, sources: &[(&str, &str)], now: Timestamp) -> Result<()> {
        let sql = format!("SELECT {PLACED} FROM sources");
        let placed: Vec<Placed> = self.engine.read().await?.rows(sql, args![]).await?;
        let known: HashMap<&str, &str> = placed.iter().map(|placed| (placed.id.as_str(), placed.url.as_str())).collect();
        let others: Vec<&(&str, &str)> = sources.iter().filter(|(id, url)| known.get(id) != Some(url)).collect();
        let misplaced: Vec<Placed> = hosts::misplaced(placed);
        if others.is_empty() && misplaced.is_empty() {
            return Ok(());
        }
        let mut tx = self.engine.write().await?;
        hosts::in_line(&mut tx).await?;
        let mut anew = misplaced;
        for &(id, url) in others {
            let sql = format!(
                "INSERT INTO sources (id, url, moved_times, next_at, failures, state) VALUES ($1, $2, 0, $3, 0, 'active')
                 ON CONFLICT (id) DO UPDATE SET url = excluded.url, kind = NULL, found = NULL, moved_to = NULL, moved_times = 0, rests = NULL, etag = NULL, last_modified = NULL,
                     next_at = excluded.next_at, failures = 0, state = 'active', said = NULL WHERE sources.url <> excluded.url RETURNING {PLACED}"
            );
            anew.extend(tx.row::<Placed>(sql, args![id, url, now]).await?);
        }
        hosts::place(&mut tx, &anew, true).await?;
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

    /// When the last Source is due, or the last host free, whichever is later.
    pub async fn last_source_at(&self) -> Result<Option<Timestamp>> {
        let sql =
            "SELECT MAX(at) FROM (SELECT MAX(next_at) AS at FROM sources WHERE state = 'active' UNION ALL SELECT MAX(next_at) FROM hosts
             UNION ALL SELECT MAX(until) FROM hosts WHERE until > 0 UNION ALL SELECT MAX(wanted) FROM hosts WHERE wanted > 0) AS last";
        let row: Option<(Option<i64>,)> = self.engine.read().await?.row(sql, args![]).await?;
        Ok(row.and_then(|(at,)| at).map(Timestamp))
    }

    /// Has Sources that would be asked after `latest` be asked now, and frees the hosts that nobody could ask before.
    pub async fn put_right(&self, latest: Timestamp, now: Timestamp) -> Result<()> {
        let mut tx = self.engine.write().await?;
        hosts::in_line(&mut tx).await?;
        tx.run("UPDATE sources SET next_at = $1 WHERE state = 'active' AND next_at > $2", args![now, latest]).await?;
        let sql = "UPDATE hosts SET until = 0, wanted = 0, next_at = $1 WHERE next_at > $2 OR until > $2 OR wanted > $2";
        tx.run(sql, args![now, latest]).await?;
        tx.commit().await
    }

    /// When the next Source is due whose host is not being asked, or, where that is sooner, the lease of one that is ends.
    pub async fn next_source_at(&self) -> Result<Option<Timestamp>> {
        let sql = "SELECT MIN(next_at) FROM hosts";
        let row: Option<(Option<i64>,)> = self.engine.read().await?.row(sql, args![]).await?;
        Ok(row.and_then(|(at,)| at).map(Timestamp))
    }

    /// Keeps what a fetch left behind and brought, and when to ask again, in one transaction: no entry is kept without the validators it came with,
    /// nor they without it. Refused when somebody else has taken the Source since: then that one's answer counts, and no entry is new twice. Others may ask
    /// the host from then on.
    pub async fn keep_answer(&self, lent: &Lent, asked: &Asked, arrivals: &Arrivals, next_at: Timestamp, now: Timestamp) -> Result<Taken> {
        let id = lent.source.id.as_str();
        let mut tx = self.engine.write().await?;
        hosts::in_line(&mut tx).await?;
        if !hosts::lock(&mut tx, lent).await? {
            hosts::release(&mut tx, lent).await?;
            tx.commit().await?;
            return Err(StoreError::Fenced);
        }
        let (taken, entries) = keep_arrivals(&mut tx, id, arrivals, now).await?;
        let change = Change {
            entries: entries.as_deref(),
            is_something: taken.is_something(),
            is_baseline: asked.is_baseline(&lent.source, arrivals, now),
        };
        let placed = record(&mut tx, id, asked, &change, next_at, now).await?;
        hosts::place(&mut tx, &placed, false).await?;
        log(&mut tx, id, asked, &taken, next_at, now).await?;
        hosts::release(&mut tx, lent).await?;
        tx.commit().await?;
        Ok(taken)
    }

    /// The last requests of a Source, the newest first.
    pub async fn asks(&self, id: &str) -> Result<Vec<AskRow>> {
        let sql = "SELECT at, url, status, conditional, bytes, said, next_at FROM source_asks WHERE source_id = $1 ORDER BY at DESC";
        self.engine.read().await?.rows(sql, args![id]).await
    }

    /// Pauses a Source, or lets it go on when its time comes; false when there is none.
    pub async fn set_source(&self, id: &str, state: SourceState) -> Result<bool> {
        let mut tx = self.engine.write().await?;
        let sql = format!("UPDATE sources SET state = $2, failures = 0 WHERE id = $1 RETURNING {PLACED}");
        let changed: Vec<Placed> = tx.rows(sql, args![id, state.word()]).await?;
        hosts::place(&mut tx, &changed, true).await?;
        tx.commit().await?;
        Ok(!changed.is_empty())
    }
}

/// What a fetch changed about its Source.
struct Change<'a> {
    /// The numbers of the entries that stand in the feed now.
    entries: Option<&'a str>,
    /// It brought something.
    is_something: bool,
    /// What it brought was there before us.
    is_baseline: bool,
}

/// Gives where it stands then.
async fn record(tx: &mut Tx, id: &str, asked: &Asked, change: &Change<'_>, next_at: Timestamp, now: Timestamp) -> Result<Vec<Placed>> {
    let state = if asked.gone { SourceState::Gone } else { SourceState::Active };
    let sql = format!(
        "UPDATE sources SET
             etag = CASE WHEN $2 = 1 THEN $3 ELSE COALESCE($3, etag) END,
             last_modified = CASE WHEN $2 = 1 THEN $4 ELSE COALESCE($4, last_modified) END,
             title = COALESCE($5, title), home = COALESCE($6, home), found = COALESCE($7, found),
             moved_times = CASE WHEN $9 = 1 THEN moved_times WHEN $8 IS NULL THEN 0 WHEN moved_to = $8 THEN moved_times + 1 ELSE 1 END,
             moved_to = CASE WHEN $9 = 1 THEN moved_to ELSE $8 END,
             failures = CASE WHEN $9 = 1 THEN failures + 1 ELSE 0 END,
             fetched_at = CASE WHEN $9 = 1 THEN fetched_at ELSE $10 END,
             changed_at = CASE WHEN $11 = 1 THEN $10 ELSE changed_at END,
             baseline_at = CASE WHEN $18 = 1 THEN COALESCE(baseline_at, $10) ELSE baseline_at END,
             read_at = CASE WHEN $19 = 1 THEN COALESCE(read_at, $10) ELSE read_at END,
             next_at = $12, said = $13, rests = COALESCE($15, rests), kind = COALESCE($16, kind),
             entries = COALESCE($17, entries),
             state = CASE WHEN state = 'active' OR state = 'gone' AND $9 = 0 THEN $14 ELSE state END
         WHERE id = $1 RETURNING {PLACED}"
    );
    let (etag, last_modified, title) = (asked.etag.as_deref(), asked.last_modified.as_deref(), asked.title.as_deref());
    let (home, found, moved_to) = (asked.home.as_deref(), asked.found.as_deref(), asked.moved_to.as_deref());
    let said = asked.said.as_str();
    let args = args![
        id,
        asked.has_body,
        etag,
        last_modified,
        title,
        home,
        found,
        moved_to,
        asked.failed,
        now,
        change.is_something,
        next_at,
        said,
        state.word(),
        asked.rests.as_deref(),
        asked.kind,
        change.entries,
        change.is_baseline,
        asked.entries.is_some()
    ];
    tx.rows(sql, args).await
}

/// Notes the request, and forgets the oldest.
async fn log(tx: &mut Tx, id: &str, asked: &Asked, taken: &Taken, next_at: Timestamp, now: Timestamp) -> Result<()> {
    let said = if taken.is_something() { format!("{}: {}", asked.said, taken.words()) } else { asked.said.clone() };
    let sql =
        "INSERT INTO source_asks (source_id, at, url, status, conditional, bytes, said, next_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (source_id, at) DO UPDATE SET said = excluded.said";
    let status = asked.status.map(u32::from);
    tx.run(sql, args![id, now, asked.url.as_str(), status, asked.is_conditional, asked.bytes, said, next_at]).await?;
    let sql = "DELETE FROM source_asks WHERE source_id = $1
         AND at < (SELECT MIN(at) FROM (SELECT at FROM source_asks WHERE source_id = $2 ORDER BY at DESC LIMIT $3) AS newest)";
    tx.run(sql, args![id, id, ASKS_MAX]).await.map(|_| ())
}
