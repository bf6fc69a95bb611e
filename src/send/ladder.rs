//! How much may be sent ahead to one host: a ladder of modes. It is climbed down when the host does not stand one, and what was learnt is kept for
//! a day. Pure but for [`Memory`], which asks the ledger.

use std::sync::Arc;
use std::time::Duration;

use super::ledger::Ledger;
use super::smtp::Mode;
use crate::model::{Clock, Timestamp};
use crate::store::Result;

/// So long a host is spared what it did not stand.
pub const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// What may be chance counts when it happens twice within this.
pub const TWICE_WITHIN: Duration = Duration::from_secs(3600);

/// The place of one host on the ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    top: Mode,
    lowered: Option<(Mode, Timestamp)>,
    struck: Option<Timestamp>,
}

impl Ladder {
    /// A host nothing bad is known of.
    pub fn new(top: Mode) -> Self {
        Self { top, lowered: None, struck: None }
    }

    /// The mode to use now.
    pub fn mode(&self, now: Timestamp) -> Mode {
        self.lowered.filter(|(_, until)| now < *until).map_or(self.top, |(mode, _)| mode.min(self.top))
    }

    /// A connection in the mode `from` showed that the host does not stand it. False when there is nothing lower.
    pub fn step_down(&mut self, from: Mode, now: Timestamp) -> bool {
        // Connections that found out at the same time take one step together.
        if from.lower() < self.mode(now) {
            self.lowered = Some((from.lower(), now.plus(REMEMBERED)));
        }
        self.struck = None;
        from != Mode::Sequential
    }

    /// What may be chance: a step down the second time within an hour. False when it was the second time and there is nothing lower.
    pub fn strike(&mut self, from: Mode, now: Timestamp) -> bool {
        match self.struck.replace(now) {
            Some(before) if now.since(before) <= TWICE_WITHIN => self.step_down(from, now),
            _ => true,
        }
    }

    /// What is worth keeping, for the store.
    pub fn note(&self) -> Option<String> {
        self.lowered.map(|(mode, until)| format!("{} {}", mode.word(), until.0))
    }

    /// Takes a kept note up again; one that cannot be read is as good as none.
    pub fn recall(&mut self, note: &str) {
        let lowered = note.split_once(' ').and_then(|(mode, until)| Some((Mode::from_word(mode)?, Timestamp(until.parse().ok()?))));
        self.lowered = lowered.or(self.lowered);
    }
}

/// What was learnt about hosts, kept over restarts.
#[derive(Clone)]
pub struct Memory {
    /// Where it is kept.
    pub ledger: Arc<dyn Ledger>,
    /// The time.
    pub clock: Clock,
}

impl Memory {
    /// The note about a host.
    pub async fn recall(&self, host: &str) -> Result<Option<String>> {
        let key = key(host);
        self.ledger.fact(&key).await
    }

    /// Keeps the note about a host.
    pub async fn keep(&self, host: &str, note: &str) -> Result<()> {
        let key = key(host);
        self.ledger.keep_fact(&key, note).await
    }
}

fn key(host: &str) -> String {
    format!("smtp_mode {host}")
}
