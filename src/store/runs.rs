//! Runs: due moments of Schedules, each once by a unique (schedule, instant) key.

use super::{Result, Store};
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
        let _ = (schedule, due, now);
        todo!()
    }

    /// Records how a claimed Run ended.
    pub async fn finish_run(&self, schedule: &str, due: Timestamp, result: &RunResult, now: Timestamp) -> Result<()> {
        let _ = (schedule, due, result, now);
        todo!()
    }

    /// The latest due moment of `schedule` that was claimed.
    pub async fn last_run(&self, schedule: &str) -> Result<Option<Timestamp>> {
        let _ = schedule;
        todo!()
    }

    /// Runs that were claimed and never finished (a crash between the two), oldest first.
    pub async fn open_runs(&self, schedule: &str) -> Result<Vec<Timestamp>> {
        let _ = schedule;
        todo!()
    }
}
