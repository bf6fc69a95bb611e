//! A store that was put back from a copy knows nothing of what was sent since.
//!
//! An SQLite file is found out by a small file beside it that holds the highest lease number this machine has seen: a store that is behind it, or that
//! has sent without it, is a copy. A PostgreSQL database is found out by a note in itself that tells where its tables were made: tables made anew
//! from a dump have other numbers than the note, which came with the dump.

use std::io::Write as _;
use std::path::PathBuf;

use super::sql::args;
use super::{Result, Store, StoreError};
use crate::model::Timestamp;

/// Since when Runs that were due before are held, in microseconds.
const RESTORED_AT: &str = "restored-at";
/// Where the tables of a database were when it was last looked at.
const HOME: &str = "home";
/// The cluster, and the number that a table got when it was made, which no other table of the cluster ever had.
const HOME_NOW: &str =
    "SELECT CAST(system_identifier AS TEXT) || ' ' || CAST(CAST(CAST('meta' AS regclass) AS oid) AS TEXT) FROM pg_control_system()";
/// Why an Issue of a copy waits.
const HELD: &str = "this store was put back from a copy, so this may have gone out already; look, then resume or cancel it";

/// What is to be noted once the Issues of a copy are held, so that it is no copy any more.
enum Note {
    Lease(i64),
    Home(String),
}

impl Store {
    /// Looks whether this store is a copy put back. If so, every Issue that would go out now is held for a person, and [`Self::restored_at`]
    /// holds the Runs that were due before `now`. Gives how many Issues are held; nothing when it is no copy.
    pub async fn hold_what_a_copy_would_send(&self, now: Timestamp) -> Result<Option<u64>> {
        let found = if self.is_shared() { self.is_made_anew().await? } else { self.is_behind().await? };
        let Some(note) = found else { return Ok(None) };
        let held = self.hold_due(now).await?;
        self.set_meta(RESTORED_AT, &now.0.to_string()).await?;
        // Last, so that a crash before it only does the same again.
        match note {
            Note::Lease(last) => self.write_seen(last)?,
            Note::Home(home) => self.set_meta(HOME, &home).await?,
        }
        Ok(Some(held))
    }

    /// Whether the file is behind what this machine has seen.
    async fn is_behind(&self) -> Result<Option<Note>> {
        // The file first: it follows the store, so that a worker in between makes it no copy.
        let seen = self.seen();
        let row: Option<(i64,)> = self.engine.read().await?.row("SELECT next - 1 FROM counters WHERE name = 'lease'", args![]).await?;
        let last = row.map_or(0, |(last,)| last);
        if seen.map_or(last == 0, |seen| last >= seen) {
            if seen.is_none() {
                self.remember(last);
            }
            return Ok(None);
        }
        Ok(Some(Note::Lease(last)))
    }

    /// Whether the tables are not those that the note in them is about.
    async fn is_made_anew(&self) -> Result<Option<Note>> {
        let now = match self.engine.read().await?.row::<(String,)>(HOME_NOW, args![]).await {
            // Databases that only resemble PostgreSQL may not know: then a copy is not found out, and everything else works.
            Err(StoreError::Database(sqlx::Error::Database(error))) => {
                tracing::debug!("whether this database was put back from a copy cannot be told: {error}");
                return Ok(None);
            }
            answer => answer?.map(|(home,)| home),
        };
        match (self.meta(HOME).await?, now) {
            (Some(before), Some(now)) if before != now => Ok(Some(Note::Home(now))),
            (None, Some(now)) => self.set_meta(HOME, &now).await.map(|()| None),
            _ => Ok(None),
        }
    }

    /// When this store was found to be a copy put back: what was due before may have gone out already.
    pub async fn restored_at(&self) -> Result<Option<Timestamp>> {
        Ok(self.meta(RESTORED_AT).await?.and_then(|at| at.parse().ok()).map(Timestamp))
    }

    async fn hold_due(&self, now: Timestamp) -> Result<u64> {
        let mut tx = self.engine.write().await?;
        let sql = "UPDATE issues SET status = 'paused', reason = $2
             WHERE finished_at IS NULL AND (status = 'sending' OR (status = 'scheduled' AND (scheduled_at IS NULL OR scheduled_at <= $1)))";
        let held = tx.run(sql, args![now, HELD]).await?;
        tx.commit().await?;
        Ok(held)
    }

    /// Notes beside the store that lease `epoch` was given. Later than the store itself, so the note is never ahead of it.
    pub(super) fn remember(&self, epoch: i64) {
        if let Err(error) = self.write_seen(epoch) {
            // Without the note a copy is not found out; that is no reason to stop sending.
            tracing::warn!("{error}");
        }
    }

    /// Beside the file; a database server has no place beside it.
    fn seen_file(&self) -> Option<PathBuf> {
        self.lock_file.as_ref().map(|lock| lock.with_extension("seen"))
    }

    fn seen(&self) -> Option<i64> {
        std::fs::read_to_string(self.seen_file()?).ok()?.trim().parse().ok()
    }

    /// Whole or not at all: a reader in between must not see half a number.
    fn write_seen(&self, epoch: i64) -> Result<()> {
        let Some(file) = self.seen_file() else { return Ok(()) };
        let fresh = file.with_extension("seen-new");
        let write = || -> std::io::Result<()> {
            std::fs::File::create(&fresh)?.write_all(epoch.to_string().as_bytes())?;
            std::fs::rename(&fresh, &file)
        };
        write().map_err(|error| StoreError::Open(format!("{}: {error}", file.display())))
    }
}
