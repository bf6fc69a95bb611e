//! How fast mail may go: the even pace of a rate, the allowance of a day, and the patience after "slow down". Pure: the time is an argument.
//!
//! A pace is not counted here alone. The store gives time out in slices (`paces`), each to one process and once, so neither a crash loop nor many
//! workers together go faster than the rate. A process that dies takes at most one slice with it.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::outcome::{Outcome, Reply};
use crate::model::relay::Rate;

/// A message may use up so much time that passed unused: timers are no finer, and more would be a burst.
const LATENESS: Duration = Duration::from_millis(10);
/// A slice is about this long, or as long as one message needs.
const SLICE: Duration = Duration::from_secs(1);
/// First patience after "slow down", and the longest.
const BACKOFF_FIRST: Duration = Duration::from_secs(10);
const BACKOFF_MAX: Duration = Duration::from_secs(3600);
/// Levels at which the longest is reached.
const BACKOFF_LEVELS: u32 = 10;

/// Whether a message may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Now.
    Now,
    /// Not before this instant.
    At(Instant),
    /// When the store has given out more.
    Ask,
}

/// An even pace within slices of time.
#[derive(Debug, Clone)]
pub struct Pace {
    interval: Duration,
    /// Messages in a slice.
    messages: u32,
    /// The slice in use: when its next message may go, and its end.
    slice: Option<(Instant, Instant)>,
    /// The slice after it, when there is one already.
    following: Option<Instant>,
}

impl Pace {
    /// Nothing is given out yet.
    pub fn new(rate: Rate) -> Self {
        let messages = (SLICE.as_secs_f64() * rate.per_second()).round().clamp(1.0, f64::from(u32::MAX)) as u32;
        Self { interval: rate.interval(), messages, slice: None, following: None }
    }

    /// How long a slice is.
    pub fn slice_length(&self) -> Duration {
        self.interval * self.messages
    }

    /// The time from one message to the next.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// A slice that begins at `from` is ours.
    pub fn grant(&mut self, from: Instant) {
        if self.slice.is_none() {
            self.slice = Some((from, from + self.slice_length()));
        } else {
            self.following = Some(from);
        }
    }

    /// Whether it is time to ask for the next slice, given that mail waits: early, so that the answer is there when it is needed.
    pub fn wants_slice(&self, now: Instant) -> bool {
        self.following.is_none() && self.slice.is_none_or(|(next, end)| next.max(now) + self.slice_length() / 2 >= end)
    }

    /// Whether a message may go.
    pub fn turn(&mut self, now: Instant) -> Turn {
        self.move_on(now);
        match self.slice {
            None => Turn::Ask,
            Some((next, _)) if next <= now => Turn::Now,
            Some((next, _)) => Turn::At(next),
        }
    }

    /// Counts a message that goes now.
    pub fn take(&mut self, now: Instant) {
        if let Some((next, _)) = &mut self.slice {
            *next = (*next).max(now.checked_sub(LATENESS).unwrap_or(now)) + self.interval;
        }
        self.move_on(now);
    }

    /// Leaves a slice that is used up or over. What was not used is lost: nothing is saved up.
    fn move_on(&mut self, now: Instant) {
        while let Some((next, _)) = self.slice.filter(|(next, end)| *next >= *end || now >= *end + LATENESS) {
            // The distance between two messages holds over the border, too.
            self.slice = self.following.take().map(|from| (from.max(next), from + self.slice_length()));
        }
    }
}

/// What a relay may still send on the present day, in blocks that the store gives out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Day {
    left: u64,
    ends: Option<Instant>,
    full: bool,
}

impl Day {
    /// Whether a message may go; [`Turn::At`] tomorrow when today's are used up.
    pub fn turn(&mut self, now: Instant) -> Turn {
        match self.ends {
            Some(ends) if now < ends && self.left > 0 => Turn::Now,
            Some(ends) if now < ends && self.full => Turn::At(ends),
            _ => Turn::Ask,
        }
    }

    /// A block of messages for the day that ends at `ends`; an empty one means that there are no more.
    pub fn grant(&mut self, messages: u64, ends: Instant) {
        *self = Self { left: messages, ends: Some(ends), full: messages == 0 };
    }

    /// When mail may go again, if today's is used up.
    pub fn full_until(&self, now: Instant) -> Option<Instant> {
        self.ends.filter(|ends| self.full && self.left == 0 && now < *ends)
    }

    /// Counts a message.
    pub fn take(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    /// One that was counted did not leave.
    pub fn give_back(&mut self) {
        // A day without a limit has all there are.
        self.left = self.left.saturating_add(u64::from(self.ends.is_some()));
    }
}

/// How much is asked for at once of a day's `most`: a crash loses at most so much of it.
pub fn day_block(most: u64) -> u64 {
    (most / 50).max(1)
}

/// Patience with a domain that asked us to slow down: it doubles each time, and mail that is accepted shortens it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    level: u32,
    /// Nothing goes before this.
    pub until: Instant,
}

impl Backoff {
    /// "Slow down" was said; `before` is the patience there was.
    pub fn throttled(before: Option<Self>, now: Instant, jitter: f64) -> Self {
        match before {
            // Said on several connections at once it is still said once.
            Some(before) if now < before.until => before,
            before => {
                let level = before.map_or(0, |before| before.level + 1).min(BACKOFF_LEVELS);
                let wait = (BACKOFF_FIRST * 2_u32.pow(level)).min(BACKOFF_MAX);
                Self { level, until: now + wait.mul_f64(1.0 + 0.25 * jitter.clamp(0.0, 1.0)) }
            }
        }
    }

    /// Mail was accepted: one step back; nothing is left of the first.
    pub fn accepted(self) -> Option<Self> {
        (self.level > 0).then(|| Self { level: self.level - 1, ..self })
    }

    /// Whether nothing may go.
    pub fn holds(self, now: Instant) -> bool {
        now < self.until
    }
}

/// Whether a refusal speaks of our speed rather than of this Delivery: 421, 4.7.x (but for greylisting, which is about this pair of addresses) and
/// a server that is short of room or overloaded.
pub fn asks_to_slow_down(outcome: &Outcome) -> bool {
    let Outcome::Deferred { reply, .. } = outcome else { return false };
    let enhanced = reply.enhanced.as_deref().unwrap_or_default();
    match reply.code {
        421 => true,
        450 | 451 if enhanced.starts_with("4.7.") => !speaks_of_greylisting(reply),
        450..=452 => enhanced.starts_with("4.3.") || enhanced == "4.4.5",
        _ => false,
    }
}

fn speaks_of_greylisting(reply: &Reply) -> bool {
    let text = reply.text.to_ascii_lowercase();
    text.contains("greylist") || text.contains("graylist")
}
