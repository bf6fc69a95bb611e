//! The books of one claim: what is composed, what is granted, what is reported, and when a commit is worth it. Pure but for its timer.

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Sleep;

use super::content::Mail;
use super::crew::Job;
use super::issue::{GROUP_WAIT, UNRECORDED_MAX, maybe};
use super::lane::{Counter, Place, Standing};
use super::press::Press;
use super::reply::no_reply;
use super::world::instant;
use crate::model::outcome::{FailureClass, Outcome};
use crate::model::{SubscriberId, Timestamp};
use crate::store::deliveries::{Lease, Leased, Record};

/// A commit is made as soon as so many results wait: half of what may, so that sending goes on meanwhile.
const GROUP_FULL: usize = UNRECORDED_MAX / 2;
/// Besides two for each connection, so many messages to domains that are held back may be ready at once.
const HELD_READY: usize = 16;

/// A composed Delivery.
pub struct Made {
    subscriber: SubscriberId,
    attempts: u32,
    mail: Result<Mail, String>,
}

/// A Delivery that has to wait in the ledger: whose, for which domain, and for how long.
pub struct Parked {
    /// Whose.
    pub subscriber: SubscriberId,
    /// The domain that is held back.
    pub domain: String,
    /// How long.
    pub wait: Duration,
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

/// What may be granted.
#[derive(Debug, Default)]
pub struct Grants {
    /// So many of those that are free to go.
    free: usize,
    /// Of those whose domains are held back, the ones at these places.
    held: Vec<usize>,
}

impl Grants {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.free == 0 && self.held.is_empty()
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
    /// The same for domains that are held back; these come when their domains allow.
    held: VecDeque<Job>,
    /// Intents that are durable, without a recorded result.
    granted: HashSet<SubscriberId>,
    pending: Vec<Record>,
    /// How many of these are results of intents.
    pending_granted: usize,
    /// Messages that may be in flight at once.
    in_flight: usize,
    /// How many intents may be open: grows when connections starve, shrinks when they do not, so that a slow relay has few open intents.
    ahead: usize,
}

impl Batch {
    /// Nothing done yet.
    pub fn new(lease: Lease, in_flight: usize) -> Self {
        Self {
            lease,
            timer: Timer::default(),
            total: 0,
            settled: 0,
            composed: 0,
            wanted: VecDeque::new(),
            held: VecDeque::new(),
            granted: HashSet::new(),
            pending: Vec::new(),
            pending_granted: 0,
            in_flight,
            ahead: (2 * in_flight).min(UNRECORDED_MAX + in_flight),
        }
    }

    /// So many more were claimed.
    pub fn claimed(&mut self, more: usize) {
        self.total += more;
    }

    /// How many claimed Deliveries have no recorded result.
    pub fn unsettled(&self) -> usize {
        self.total - self.settled
    }

    /// Whether everything claimed is composed, so that more may be claimed.
    pub fn is_composed(&self) -> bool {
        self.composed >= self.total
    }

    /// Whether more of what is free to go is here or to be composed.
    pub fn has_more(&self) -> bool {
        !self.wanted.is_empty() || !self.is_composed()
    }

    /// Whether the claim can be given back; when `ending`, what was never granted does not count.
    pub fn is_settled(&self, ending: bool) -> bool {
        self.pending.is_empty()
            && if ending { self.granted.is_empty() && self.wanted.is_empty() && self.held.is_empty() } else { self.settled >= self.total }
    }

    /// Whether every claimed Delivery has its result, but for `held` that the alarm holds back.
    pub fn all_reported_but(&self, held: usize) -> bool {
        self.settled + self.pending.len() + held >= self.total
    }

    /// Whether more composed messages should be taken in.
    pub fn takes_more(&self) -> bool {
        self.wanted.len() < UNRECORDED_MAX && self.composed < self.total
    }

    /// Takes composed messages. Gives the results of those that could not be composed (they stop nobody else), and those that have to wait.
    pub fn take(&mut self, lane: &Counter, made: Option<Vec<Made>>) -> (Vec<(SubscriberId, u32, Outcome)>, Vec<Parked>) {
        let (mut broken, mut parked) = (Vec::new(), Vec::new());
        for made in made.into_iter().flatten() {
            self.composed += 1;
            let Made { subscriber, attempts, mail } = made;
            match mail {
                Ok(mail) => {
                    let job = Job { lane: lane.id(), subscriber, attempts, mail, tries: 0, relay: 0, begun: instant() };
                    parked.extend(self.place(lane, job));
                }
                Err(reason) => {
                    let outcome = Outcome::Failed { class: FailureClass::Compose, reply: no_reply("compose", &reason) };
                    broken.push((subscriber, attempts, outcome));
                }
            }
        }
        (broken, parked)
    }

    /// Looks again at what was free to go: a domain may be held back since. Gives those that have to wait.
    pub fn sort(&mut self, lane: &Counter) -> Vec<Parked> {
        std::mem::take(&mut self.wanted).into_iter().filter_map(|job| self.place(lane, job)).collect()
    }

    fn place(&mut self, lane: &Counter, job: Job) -> Option<Parked> {
        match lane.place(job.mail.to.domain(), &self.held, instant()) {
            Place::Free => self.wanted.push_back(job),
            Place::Held => self.held.push_back(job),
            Place::Parked(wait) => return Some(Parked { subscriber: job.subscriber, domain: job.mail.to.domain().to_owned(), wait }),
        }
        None
    }

    /// Adds results to be recorded.
    pub fn add(&mut self, records: Vec<Record>) {
        if !records.is_empty() {
            self.timer.start();
        }
        self.pending_granted += records.iter().filter(|record| self.granted.contains(&record.subscriber)).count();
        self.pending.extend(records);
    }

    /// Forgets what was composed and not granted: it goes back with the claim.
    pub fn drop_wanted(&mut self) {
        self.wanted.clear();
        self.held.clear();
    }

    /// Which intents fit, counting what the next commit records as done. Of what waits in the lane, `held` are held back by their domains and
    /// keep others out only where the promise of open intents demands it; at most half of what is `allowed` is ever held back. What the alarm
    /// holds back, `alarmed`, has its answer: it is in no doubt and keeps nobody out, or else the alarm could wait for ever for one more.
    pub fn room(&self, lane: &Counter, standing: &Standing, alarmed: usize) -> Grants {
        let Standing { held, allowed, .. } = *standing;
        let open = self.open(alarmed).saturating_sub(self.pending_granted);
        let left = allowed.saturating_sub(open);
        let free = self.wanted.len().min(self.ahead.min(allowed).saturating_sub(open.saturating_sub(held))).min(left);
        let held_room = (2 * self.in_flight + HELD_READY).min(allowed / 2).saturating_sub(held).min(left - free);
        Grants { free, held: lane.grantable(&self.held, held_room, instant()) }
    }

    /// Whether to commit now: connections starve, enough results wait, the oldest has waited long enough, or no other will come to join it.
    pub fn wants_commit(&self, grants: &Grants, ready: usize, alarmed: usize) -> bool {
        let complete = !self.pending.is_empty() && self.granted.len() <= self.pending_granted + alarmed;
        (!grants.is_empty() && ready == 0) || self.pending.len() >= GROUP_FULL || (self.timer.rang && !self.pending.is_empty()) || complete
    }

    /// The next commit's content.
    pub fn group(&mut self, grants: Grants, ready: usize) -> Group {
        let most = UNRECORDED_MAX + self.in_flight;
        if grants.free > 0 && ready == 0 {
            self.ahead = (self.ahead * 2).min(most);
        } else if self.timer.rang {
            self.ahead = (self.ahead - self.ahead / 8).max(2 * self.in_flight).min(most);
        }
        self.timer.stop();
        self.pending_granted = 0;
        let mut jobs: Vec<Job> = self.wanted.drain(..grants.free.min(self.wanted.len())).collect();
        // From the back, so that the places before stay what they are.
        jobs.extend(grants.held.iter().rev().filter_map(|at| self.held.remove(*at)));
        Group { records: std::mem::take(&mut self.pending), jobs }
    }

    /// Intents in doubt: those without a recorded result, but for the `alarmed` that the alarm holds back.
    pub fn open(&self, alarmed: usize) -> usize {
        self.granted.len().saturating_sub(alarmed)
    }

    /// Whether results wait to be recorded.
    pub fn has_results(&self) -> bool {
        !self.pending.is_empty()
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

    /// Whether it will ring.
    pub fn is_running(&self) -> bool {
        self.sleep.is_some()
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
