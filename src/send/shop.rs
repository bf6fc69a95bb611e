//! What may be sent now, and which connection takes which message: a lane for each Issue, a door for each relay.
//!
//! Lanes take turns, so a big Issue holds up no small one; in a lane the first message goes whose domain may have it. Everything here is short:
//! lanes hold only what is granted, so that looking through them costs little, and what has to wait for long goes back into the ledger.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::crew::{Job, Report};
use super::domains::{Answer, Domains};
use super::pace::{Day, Pace};
use crate::model::Relay;

/// So many results at most wait for their Issue to listen.
const HEARD_TOGETHER: usize = 15;

/// Lanes and doors, shared by all connections.
pub struct Shop {
    inner: Mutex<Inner>,
    /// Something may go that could not before.
    pub changed: Notify,
    /// The store should give out more time.
    pub asked: Notify,
}

pub(super) struct Inner {
    pub(super) lanes: Vec<Lane>,
    lane_last: u64,
    /// Which lane is next.
    pub(super) turn: usize,
    pub(super) doors: Vec<Door>,
    /// What the store is to be asked for, and what it is being asked for.
    pub(super) asks: BTreeSet<Ask>,
    pub(super) asking: BTreeSet<Ask>,
}

/// The messages of one Issue that may be sent.
pub(super) struct Lane {
    pub(super) id: u64,
    /// What its Issue has not heard yet.
    pub(super) reports: Vec<Report>,
    bell: Arc<Notify>,
    /// Its Issue listens again soon by itself.
    pub(super) patient: bool,
    pub(super) jobs: VecDeque<Job>,
    /// Intents without a recorded result.
    pub(super) open: usize,
    /// More that is not held back by its domain is on its way here.
    pub(super) expecting: bool,
    /// Nothing of it is sent any more; what is on its way is awaited.
    pub(super) closing: bool,
}

/// What is known of one relay's pace.
pub(super) struct Door {
    pub(super) relay: Relay,
    /// Connections ready for mail.
    pub(super) live: usize,
    /// Messages taken, divided by the weight: the door with the least is next.
    pub(super) share: f64,
    /// Since when it waits for the others to have theirs.
    pub(super) waits_since: Option<Instant>,
    /// It does not keep up, so nobody waits for it.
    pub(super) behind: bool,
    /// A connection that rested is coming back.
    called: bool,
    pub(super) pace: Option<Pace>,
    pub(super) day: Day,
    pub(super) domains: Domains,
}

/// Time the store is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// A slice of the pace of this relay.
    Pace(usize),
    /// A block of its messages of today.
    Day(usize),
    /// A slice of the pace of this domain there.
    Domain(usize, String),
}

/// The answer to a connection that asks for a message.
pub enum Pop {
    /// This one.
    Job(Box<Job>),
    /// None now; look again when something changes, or at this instant.
    Wait(Option<Instant>),
    /// This relay takes no more today.
    Leave,
    /// Nothing is sent any more.
    Closed,
}

impl Shop {
    /// Nothing to send, nobody there.
    pub fn new(relays: &[Relay]) -> Self {
        let door = |relay: &Relay| Door {
            pace: relay.rate.map(Pace::new),
            domains: Domains::new(relay),
            relay: relay.clone(),
            live: 0,
            share: 0.0,
            waits_since: None,
            behind: false,
            called: false,
            day: Day::default(),
        };
        let doors = relays.iter().map(door).collect();
        let inner = Inner { lanes: Vec::new(), lane_last: 0, turn: 0, doors, asks: BTreeSet::new(), asking: BTreeSet::new() };
        Self { inner: Mutex::new(inner), changed: Notify::new(), asked: Notify::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new lane, until it is dropped.
    pub fn open_lane(self: &Arc<Self>) -> super::lane::Counter {
        let bell = Arc::new(Notify::new());
        let mut inner = self.lock();
        inner.lane_last += 1;
        let id = inner.lane_last;
        let (reports, jobs) = (Vec::new(), VecDeque::new());
        inner.lanes.push(Lane { id, reports, bell: bell.clone(), patient: false, jobs, open: 0, expecting: true, closing: false });
        super::lane::Counter::new(self.clone(), id, bell)
    }

    /// Whether no Issue is being sent.
    pub fn is_closed(&self) -> bool {
        self.lock().lanes.is_empty()
    }

    /// Whether nothing of this lane is sent any more.
    pub fn is_closing(&self, lane: u64) -> bool {
        self.lock().lanes.iter().find(|known| known.id == lane).is_none_or(|lane| lane.closing)
    }

    /// Tells all lanes.
    pub fn tell(&self, report: impl Fn() -> Report) {
        for lane in &mut self.lock().lanes {
            lane.tell(report());
        }
    }

    /// A connection to a relay came about.
    pub fn came(&self, relay: usize) {
        let mut inner = self.lock();
        let busiest = inner
            .doors
            .iter()
            .filter(|door| door.live > 0 && door.relay.weight > 0 && !door.behind)
            .map(|door| door.share)
            .reduce(f64::min);
        let door = &mut inner.doors[relay];
        // One that was away does not make up for it.
        if let (0, Some(least)) = (door.live, busiest) {
            door.share = door.share.max(least);
            door.behind = false;
        }
        door.live += 1;
        drop(inner);
        self.tell(|| Report::Up);
    }

    /// How many there are to it.
    pub fn live(&self, relay: usize) -> usize {
        self.lock().doors[relay].live
    }

    /// It is gone.
    pub fn went(&self, relay: usize) {
        self.lock().doors[relay].live -= 1;
        self.tell(|| Report::Gone);
        self.changed.notify_waiters();
    }

    /// A message for a connection to `relay`.
    pub fn pop(&self, relay: usize, now: Instant) -> Pop {
        let mut inner = self.lock();
        let popped = inner.pop(relay, now);
        let asks = !inner.asks.is_empty();
        // It may be the turn of a door that waits.
        let turns = matches!(popped, Pop::Job(_)) && inner.doors.iter().any(|door| door.waits_since.is_some());
        drop(inner);
        if asks {
            self.asked.notify_one();
        }
        if turns {
            self.changed.notify_waiters();
        }
        popped
    }

    /// Calls a connection to `relay` back from its rest when there is a message for it; otherwise tells when to look again, unless something changes.
    pub fn call(self: &Arc<Self>, relay: usize, now: Instant) -> Result<Call, Option<Instant>> {
        let mut inner = self.lock();
        if inner.doors[relay].called {
            return Err(None);
        }
        let looked = inner.look(relay, now);
        let asks = !inner.asks.is_empty();
        inner.doors[relay].called = !matches!(looked, Err(Pop::Wait(_)));
        drop(inner);
        if asks {
            self.asked.notify_one();
        }
        match looked {
            Err(Pop::Wait(until)) => Err(until),
            _ => Ok(Call { shop: self.clone(), relay }),
        }
    }

    /// A message is through, or did not go.
    pub fn end(&self, job: &Job, answer: Answer, now: Instant, jitter: f64) {
        let mut inner = self.lock();
        if let Some(door) = inner.doors.get_mut(job.relay) {
            door.domains.end(job.mail.to.domain(), now - job.begun, answer, now, jitter);
            if answer == Answer::None {
                door.day.give_back();
            }
        }
        // Whoever waits has nothing to look at while nothing is there.
        let waiting = inner.lanes.iter().any(|lane| !lane.jobs.is_empty());
        drop(inner);
        if waiting {
            self.changed.notify_waiters();
        }
    }

    /// Reports a result to its lane; when the lane is gone, recovery judges it.
    pub fn report(&self, job: &Job, report: Report) {
        if let Some(lane) = self.lock().lanes.iter_mut().find(|lane| lane.id == job.lane) {
            lane.tell(report);
        }
    }

    /// Back to the head of its lane; given back when nothing of that is sent any more.
    pub fn again(&self, job: Job) -> Option<Job> {
        let mut inner = self.lock();
        match inner.lanes.iter_mut().find(|lane| lane.id == job.lane && !lane.closing) {
            Some(lane) => lane.jobs.push_front(job),
            None => return Some(job),
        }
        drop(inner);
        self.changed.notify_waiters();
        None
    }

    /// All connections were cut off: nothing is on its way.
    pub fn forget_flights(&self) {
        self.lock().doors.iter_mut().for_each(|door| door.domains.forget_flights());
    }

    /// Until when a relay takes nothing more, if today's allowance is used up.
    pub fn full_until(&self, relay: usize, now: Instant) -> Option<Instant> {
        self.lock().doors[relay].day.full_until(now)
    }
}

/// A connection that comes back from its rest; only when it has come, or was dropped, the next is called.
pub struct Call {
    shop: Arc<Shop>,
    relay: usize,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.shop.lock().doors[self.relay].called = false;
        self.shop.changed.notify_waiters();
    }
}

impl Lane {
    /// Leaves a report, and calls its Issue unless that listens soon by itself: to wake somebody for each result costs more than the result.
    pub(super) fn tell(&mut self, report: Report) {
        let can_wait = matches!(report, Report::Done(..)) && self.patient && !self.jobs.is_empty() && self.reports.len() < HEARD_TOGETHER;
        self.reports.push(report);
        if !can_wait {
            self.bell.notify_one();
        }
    }
}
