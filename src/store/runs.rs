//! Runs: due moments of Schedules, each once by a unique (schedule, instant) key.

use std::time::Duration;

use super::sql::args;
use super::{Result, Store, StoreError};
use crate::model::Timestamp;

/// How a Run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunResult {
    /// It made this Issue.
    Issue(crate::model::IssueId),
    /// Nothing to send, or let go: the reason.
    Nothing(String),
}

impl Store {
    /// Claims the Run of `schedule` at `due`; false when somebody has it already. Claiming and finishing are one each.
    pub async fn claim_run(&self, schedule: &str, due: Timestamp, now: Timestamp) -> Result<bool> {
        let mut tx = self.engine.write().await?;
        let sql = "INSERT INTO runs (schedule, due_at, claimed_at) VALUES ($1, $2, $3) ON CONFLICT (schedule, due_at) DO NOTHING";
        let claimed = tx.run(sql, args![schedule, due, now]).await?;
        tx.commit().await?;
        Ok(claimed > 0)
    }

    /// Records how a claimed Run ended.
    pub async fn finish_run(&self, schedule: &str, due: Timestamp, result: &RunResult, now: Timestamp) -> Result<()> {
        let (issue, note) = match result {
            RunResult::Issue(issue) => (Some(*issue), None),
            RunResult::Nothing(why) => (None, Some(why.as_str())),
        };
        let mut tx = self.engine.write().await?;
        let sql = "UPDATE runs SET finished_at = $3, issue_id = $4, note = $5 WHERE schedule = $1 AND due_at = $2";
        if tx.run(sql, args![schedule, due, now, issue, note]).await? == 0 {
            return Err(StoreError::Refused(format!("the run of {schedule} due {} was never claimed", due.rfc3339())));
        }
        tx.commit().await
    }

    /// The latest due moment of `schedule` that was claimed.
    pub async fn last_run(&self, schedule: &str) -> Result<Option<Timestamp>> {
        let mut tx = self.engine.read().await?;
        let row: Option<(Option<i64>,)> = tx.row("SELECT MAX(due_at) FROM runs WHERE schedule = $1", args![schedule]).await?;
        Ok(row.and_then(|(due,)| due).map(Timestamp))
    }

    /// Takes over the Runs that were claimed `age` or longer ago and never finished, oldest first. Each is given once in `age`, whoever asks.
    pub async fn take_over_runs(&self, schedule: &str, age: Duration, now: Timestamp) -> Result<Vec<Timestamp>> {
        let mut tx = self.engine.write().await?;
        let sql = "UPDATE runs SET claimed_at = $3 WHERE schedule = $1 AND finished_at IS NULL AND claimed_at + $2 <= $3 RETURNING due_at";
        let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
        let mut rows: Vec<(i64,)> = tx.rows(sql, args![schedule, age, now]).await?;
        tx.commit().await?;
        rows.sort_unstable();
        Ok(rows.into_iter().map(|(due,)| Timestamp(due)).collect())
    }

    /// Runs that were claimed and never finished (a crash between the two), oldest first.
    pub async fn open_runs(&self, schedule: &str) -> Result<Vec<Timestamp>> {
        let mut tx = self.engine.read().await?;
        let sql = "SELECT due_at FROM runs WHERE schedule = $1 AND finished_at IS NULL ORDER BY due_at";
        let rows: Vec<(i64,)> = tx.rows(sql, args![schedule]).await?;
        Ok(rows.into_iter().map(|(due,)| Timestamp(due)).collect())
    }
}
