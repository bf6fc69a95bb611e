//! The circuit breaker of a relay. Pure: the time and the jitter are arguments.
//!
//! It opens at the first failure, because another relay, or a short wait, costs nothing; each failure in a row doubles the time it stays open.
//! Then one connection tries for all, and the relay is back when that one is accepted.

use std::time::Duration;

use tokio::time::Instant;

use super::retry;

/// Failures in a row from which people are told that the relay is down.
const DOWN_AFTER: u32 = 3;

/// Whether a relay may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum May {
    /// Yes.
    Dial,
    /// Not before this instant.
    At(Instant),
    /// Somebody is finding out.
    Wait,
}

/// What is known of one relay.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    /// Failures in a row: to connect, or to get anything accepted.
    failures: u32,
    /// Left alone until then.
    open_until: Option<Instant>,
    /// A connection came about since the last failure.
    proven: bool,
    /// Since when one is finding out.
    probing: Option<Instant>,
}

impl Breaker {
    /// Whether to connect now.
    pub fn may(&self, now: Instant) -> May {
        match self.open_until {
            Some(until) if now < until => May::At(until),
            _ if self.probing.is_some() && !self.proven => May::Wait,
            _ => May::Dial,
        }
    }

    /// A connection is tried.
    pub fn dial(&mut self, now: Instant) {
        self.probing = Some(now);
    }

    /// Since when somebody is finding out.
    pub fn probing_since(&self) -> Option<Instant> {
        self.probing
    }

    /// It came about.
    pub fn connected(&mut self) {
        (self.probing, self.proven, self.open_until) = (None, true, None);
    }

    /// The try was given up without an answer.
    pub fn gave_up(&mut self) {
        self.probing = None;
    }

    /// It did not, or the connection ended in a way that is the relay's fault. Gives how long the relay is left alone, unless it is already.
    pub fn failed(&mut self, now: Instant, jitter: f64) -> Option<Duration> {
        (self.probing, self.proven) = (None, false);
        if self.open_until.is_some_and(|until| now < until) {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        let wait = retry::reconnect_delay(self.failures, jitter);
        self.open_until = Some(now + wait);
        Some(wait)
    }

    /// Something was accepted: whatever was wrong is over.
    pub fn accepted(&mut self) {
        self.failures = 0;
    }

    /// Whether nothing bad is known of it.
    pub fn is_unblemished(&self) -> bool {
        self.failures == 0
    }

    /// Whether it is up for all that is known.
    pub fn is_up(&self) -> bool {
        self.proven || self.failures == 0
    }

    /// Whether it failed so often in a row that people should know.
    pub fn is_down(&self) -> bool {
        self.failures >= DOWN_AFTER
    }
}
