//! Progress: whenever something is due, a relay is healthy and nothing pauses, something comes of it soon. And nobody runs in circles meanwhile.

use std::time::Duration;

use postrider::model::{DeliveryState, IssueStatus};
use tokio::time::Instant;

use super::books::{Books, Row};
use super::scene::Inner;
use super::weather::{Kind, Trouble, Weather};

/// An Issue that could go on does so within this: a pause between two looks, the way to a relay that was away, and a rest for what is due soon.
const PROGRESS_MAX: Duration = Duration::from_secs(60);
/// Whoever looks more seldom was not there meanwhile.
const LOOKS_APART: Duration = Duration::from_secs(8);
/// More statements than these in one second are made in a circle.
const ASKED_MAX: usize = 3_000;
/// So many connections in a minute without a message are made in a circle.
const VAIN_MAX: usize = 100;

/// What is watched of one Issue.
#[derive(Clone, Copy)]
pub struct Pulse {
    changes: u64,
    /// Since when it could go on and nothing has come of it.
    since: Instant,
    looked: Instant,
}

/// What is counted, and since when.
#[derive(Clone, Copy)]
pub struct Tally {
    since: Instant,
    count: usize,
}

impl Tally {
    /// One more; how many in this stretch of time.
    fn add(&mut self, stretch: Duration) -> usize {
        if self.since.elapsed() >= stretch {
            *self = Self::default();
        }
        self.count += 1;
        self.count
    }

    pub fn clear(&mut self) {
        self.count = 0;
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self { since: Instant::now(), count: 0 }
    }
}

impl Inner {
    /// A worker looks around: is every Issue that could go on going on?
    pub fn feel_pulse(&mut self) {
        if self.plan.troubles.is_empty() {
            return;
        }
        let now = Instant::now();
        let (fair, patience) = (self.is_fair(), self.may_be_stuck());
        self.pulses.resize(self.shelf.len(), Pulse { changes: 0, since: now, looked: now });
        for n in 0..self.shelf.len() {
            let (changes, due) = (self.shelf[n].changes, self.due(&self.shelf[n]));
            let pulse = &mut self.pulses[n];
            if !fair || due <= patience || changes != pulse.changes || now - pulse.looked > LOOKS_APART {
                (pulse.changes, pulse.since) = (changes, now);
            }
            pulse.looked = now;
            if now - pulse.since > PROGRESS_MAX {
                let (id, first) = (self.shelf[n].id.0, self.first_due(&self.shelf[n]));
                self.wrong(format!(
                    "PROGRESS: issue {id} has {due} to send ({first} is the first), a relay is healthy and nothing pauses, and for {PROGRESS_MAX:?} nobody of it was \
                     accepted, refused or put off"
                ));
            }
        }
    }

    /// Whether mail can go on, as far as it is not the workers' own fault when it does not.
    fn is_fair(&self) -> bool {
        let ill = |nth: usize| self.trouble_of(nth).is_some_and(|trouble| trouble.kind != Kind::Refuses);
        let mut relays = self.plan.relays.iter().enumerate();
        let healthy = relays.any(|(nth, relay)| relay.weight > 0 && !ill(nth));
        let honest = self.workers.iter().all(|worker| worker.skew_micros == 0);
        healthy && honest && !self.store_is_down() && self.plan.weather == Weather::default()
    }

    /// So many Deliveries may hang with relays that do not answer.
    fn may_be_stuck(&self) -> usize {
        let hang = self.plan.relays.iter().enumerate().filter(|(nth, _)| self.trouble_of(*nth).is_some_and(|it| it.kind == Kind::Hangs));
        hang.map(|(_, relay)| relay.connections * relay.window.max(2)).sum::<usize>() * self.workers.len()
    }

    /// How many of an Issue's Deliveries could go: none waits for its time, its domain's pace, a person or a dead worker's lease.
    fn due(&self, books: &Books) -> usize {
        self.all_due(books).count()
    }

    fn first_due(&self, books: &Books) -> String {
        self.all_due(books).next().map(|row| format!("{}, {:?}", row.subscriber.email.as_str(), row.state)).unwrap_or_default()
    }

    fn all_due<'a>(&'a self, books: &'a Books) -> impl Iterator<Item = &'a Row> {
        let due = move |row: &&Row| match row.state {
            DeliveryState::Queued => true,
            // Whoever was refused is known to be; the verdict may wait for others.
            DeliveryState::Attempting if self.refused.contains(&row.subscriber.id) => false,
            DeliveryState::Leased | DeliveryState::Attempting => row.lease.is_some_and(|epoch| self.is_at_work(self.owner(epoch))),
            _ => false,
        };
        let paced = move |row: &&Row| self.plan.domain_pace.is_some() && row.subscriber.email.domain() != "example.com";
        let sending = books.status == IssueStatus::Sending;
        books.rows.values().filter(move |row| sending && !paced(row)).filter(due)
    }

    /// What befalls a relay now.
    pub fn trouble_of(&self, relay: usize) -> Option<Trouble> {
        let now = self.elapsed();
        let is_now =
            |trouble: &&Trouble| trouble.kind != Kind::StoreDown && trouble.relay == relay && trouble.from <= now && now < trouble.until;
        self.plan.troubles.iter().find(is_now).copied().filter(|_| !self.calm)
    }

    /// Whether the store refuses everything now.
    pub fn store_is_down(&self) -> bool {
        let now = self.elapsed();
        let is_now = |trouble: &Trouble| trouble.kind == Kind::StoreDown && trouble.from <= now && now < trouble.until;
        !self.calm && self.plan.troubles.iter().any(is_now)
    }

    /// A worker makes a statement; true when it makes them in a circle.
    pub fn asked(&mut self, worker: usize) -> bool {
        let spins = self.asked.entry(worker).or_default().add(Duration::from_secs(1)) > ASKED_MAX;
        if spins {
            self.wrong(format!("worker {worker} asks the store more than {ASKED_MAX} times a second"));
        }
        spins
    }

    /// A worker has connected; true when it does so in a circle.
    pub fn connected(&mut self, worker: usize, relay: usize) -> bool {
        let spins = self.vain.entry((worker, relay)).or_default().add(Duration::from_secs(60)) > VAIN_MAX;
        if spins {
            self.wrong(format!("worker {worker} has connected to relay {relay} {VAIN_MAX} times in a minute, and for no message"));
        }
        spins
    }
}
