//! The books of one claim: what is composed, what is granted, what is reported, and when a commit is worth it. Pure but for its timer.

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;

use tokio::time::Sleep;

use super::content::Mail;
use super::crew::Job;
use super::issue::{GROUP_WAIT, UNRECORDED_MAX, maybe};
use super::press::Press;
use super::reply::no_reply;
use crate::model::outcome::{FailureClass, Outcome};
use crate::model::{SubscriberId, Timestamp};
use crate::store::deliveries::{Lease, Leased, Record};

/// A commit is made as soon as so many results wait: half of what may, so that sending goes on meanwhile.
const GROUP_FULL: usize = UNRECORDED_MAX / 2;

/// A composed Delivery.
pub struct Made {
    subscriber: SubscriberId,
    attempts: u32,
    mail: Result<Mail, String>,
}

impl Made {
    /// Composes it.
    pub fn new(press: &Press, leased: &Leased, date: Timestamp) -> Self {
        Self { subscriber: leased.subscriber.id, attempts: leased.attempts, mail: press.mail(leased, date) }
    }

    /// It could not be composed.
    pub fn broken(leased: &Leased, reason: &str) -> Self {
        Self { subscriber: leased.subscriber.id, attempts: leased.attempts, mail: Err(reason.to_owned()) }
    }
}

/// What goes into one commit.
pub struct Group {
    /// Results.
    pub records: Vec<Record>,
    /// Deliveries that want an intent.
    pub jobs: Vec<Job>,
}

/// The books of one claim.
pub struct Batch {
    /// The claim.
    pub lease: Lease,
    /// Rings when the oldest result has waited long enough.
    pub timer: Timer,
    total: usize,
    settled: usize,
    composed: usize,
    wanted: VecDeque<Job>,
    /// Intents that are durable, without a recorded result.
    granted: HashSet<SubscriberId>,
    pending: Vec<Record>,
    /// Messages that may be in flight at once.
    in_flight: usize,
    /// How many intents may be open: grows when connections starve, shrinks when they do not, so that a slow relay has few open intents.
    ahead: usize,
}

impl Batch {
    /// Nothing done yet.
    pub fn new(lease: Lease, total: usize, in_flight: usize) -> Self {
        Self {
            lease,
            timer: Timer::default(),
            total,
            settled: 0,
            composed: 0,
            wanted: VecDeque::new(),
            granted: HashSet::new(),
            pending: Vec::new(),
            in_flight,
            ahead: (2 * in_flight).min(UNRECORDED_MAX + in_flight),
        }
    }

    /// Whether the claim can be given back; when `ending`, what was never granted does not count.
    pub fn is_settled(&self, ending: bool) -> bool {
        self.pending.is_empty() && if ending { self.granted.is_empty() && self.wanted.is_empty() } else { self.settled >= self.total }
    }

    /// Whether every claimed Delivery has its result, but for `held` that the alarm holds back.
    pub fn all_reported_but(&self, held: usize) -> bool {
        self.settled + self.pending.len() + held >= self.total
    }

    /// Whether more composed messages should be taken in.
    pub fn takes_more(&self) -> bool {
        self.wanted.len() < UNRECORDED_MAX && self.composed < self.total
    }

    /// Takes composed messages; gives the results of those that could not be composed: they stop nobody else.
    pub fn take(&mut self, made: Option<Vec<Made>>) -> Vec<(SubscriberId, u32, Outcome)> {
        let mut broken = Vec::new();
        for made in made.into_iter().flatten() {
            self.composed += 1;
            let Made { subscriber, attempts, mail } = made;
            match mail {
                Ok(mail) => self.wanted.push_back(Job { subscriber, attempts, mail, tries: 0 }),
                Err(reason) => {
                    let outcome = Outcome::Failed { class: FailureClass::Compose, reply: no_reply("compose", &reason) };
                    broken.push((subscriber, attempts, outcome));
                }
            }
        }
        broken
    }

    /// Adds results to be recorded.
    pub fn add(&mut self, records: Vec<Record>) {
        if !records.is_empty() {
            self.timer.start();
        }
        self.pending.extend(records);
    }

    /// Forgets what was composed and not granted: it goes back with the claim.
    pub fn drop_wanted(&mut self) {
        self.wanted.clear();
    }

    /// How many intents fit, counting what the next commit records as done.
    pub fn room(&self) -> usize {
        let open = self.granted.len().saturating_sub(self.pending.len());
        self.wanted.len().min(self.ahead.saturating_sub(open))
    }

    /// Whether to commit now: connections starve, enough results wait, the oldest has waited long enough, or no other will come to join it.
    pub fn wants_commit(&self, grants: usize, ready: usize, held: usize) -> bool {
        let complete = !self.pending.is_empty() && self.granted.len() <= self.pending.len() + held;
        (grants > 0 && ready == 0) || self.pending.len() >= GROUP_FULL || (self.timer.rang && !self.pending.is_empty()) || complete
    }

    /// The next commit's content.
    pub fn group(&mut self, grants: usize, ready: usize) -> Group {
        let most = UNRECORDED_MAX + self.in_flight;
        if grants > 0 && ready == 0 {
            self.ahead = (self.ahead * 2).min(most);
        } else if self.timer.rang {
            self.ahead = (self.ahead - self.ahead / 8).max(2 * self.in_flight).min(most);
        }
        self.timer.stop();
        Group { records: std::mem::take(&mut self.pending), jobs: self.wanted.drain(..grants.min(self.wanted.len())).collect() }
    }

    /// The commit is durable: books it, and gives what may be sent.
    pub fn granted(&mut self, group: Group, standing: &[SubscriberId]) -> Vec<Job> {
        for record in &group.records {
            self.granted.remove(&record.subscriber);
        }
        self.settled += group.records.len() + group.jobs.len() - standing.len();
        self.granted.extend(standing);
        group.jobs.into_iter().filter(|job| self.granted.contains(&job.subscriber)).collect()
    }
}

/// The oldest unrecorded result's patience.
#[derive(Default)]
pub struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    rang: bool,
}

impl Timer {
    fn start(&mut self) {
        if self.sleep.is_none() && !self.rang {
            self.sleep = Some(Box::pin(tokio::time::sleep(GROUP_WAIT)));
        }
    }

    fn stop(&mut self) {
        *self = Self::default();
    }

    /// Waits for it; for ever when it is not running.
    pub async fn wait(&mut self) {
        maybe(&mut self.sleep).await;
    }

    /// It has rung.
    pub fn ring(&mut self) {
        *self = Self { sleep: None, rang: true };
    }
}
