//! What may be sent now, and which connection takes which message: a lane for each Issue, a door for each relay.
//!
//! Lanes take turns, so a big Issue holds up no small one; in a lane the first message goes whose domain may have it. Everything here is short:
//! lanes hold only what is granted, so that looking through them costs little, and what has to wait for long goes back into the ledger.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::crew::{Job, Report};
use super::domains::{Answer, Domains, Gate};
use super::pace::{Day, Pace, Turn};
use crate::model::Relay;

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
    turn: usize,
    pub(super) doors: Vec<Door>,
    /// What the store is to be asked for, and what it is being asked for.
    pub(super) asks: BTreeSet<Ask>,
    pub(super) asking: BTreeSet<Ask>,
}

/// The messages of one Issue that may be sent.
pub(super) struct Lane {
    pub(super) id: u64,
    reports: UnboundedSender<Report>,
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
    share: f64,
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
    pub fn open_lane(self: &Arc<Self>, reports: UnboundedSender<Report>) -> super::lane::Counter {
        let mut inner = self.lock();
        inner.lane_last += 1;
        let id = inner.lane_last;
        inner.lanes.push(Lane { id, reports, jobs: VecDeque::new(), open: 0, expecting: true, closing: false });
        super::lane::Counter::new(self.clone(), id)
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
        for lane in &self.lock().lanes {
            lane.tell(report());
        }
    }

    /// A connection to a relay came about.
    pub fn came(&self, relay: usize) {
        let mut inner = self.lock();
        let busiest = inner.doors.iter().filter(|door| door.live > 0 && door.relay.weight > 0).map(|door| door.share).reduce(f64::min);
        let door = &mut inner.doors[relay];
        // One that was away does not make up for it.
        if let (0, Some(least)) = (door.live, busiest) {
            door.share = door.share.max(least);
        }
        door.live += 1;
        drop(inner);
        self.tell(|| Report::Up);
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
        let shared = inner.doors.iter().filter(|door| door.relay.weight > 0 && door.live > 0).count() > 1;
        drop(inner);
        if asks {
            self.asked.notify_one();
        }
        if shared && matches!(popped, Pop::Job(_)) {
            // It may be another door's turn now.
            self.changed.notify_waiters();
        }
        popped
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
        drop(inner);
        self.changed.notify_waiters();
    }

    /// Reports a result to its lane; when the lane is gone, recovery judges it.
    pub fn report(&self, job: &Job, report: Report) {
        if let Some(lane) = self.lock().lanes.iter().find(|lane| lane.id == job.lane) {
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

impl Lane {
    pub(super) fn tell(&self, report: Report) {
        // Nobody listens any more only when the run was cut off; recovery judges what was on its way.
        let _ = self.reports.send(report);
    }
}

impl Inner {
    fn pop(&mut self, relay: usize, now: Instant) -> Pop {
        if self.lanes.is_empty() {
            return Pop::Closed;
        }
        if self.lanes.iter().all(|lane| lane.jobs.is_empty()) {
            return Pop::Wait(None);
        }
        if let Some(wait) = self.door_holds(relay, now) {
            return wait;
        }
        match self.choose(relay, now) {
            Ok((lane, at, slow)) => self.take(relay, lane, at, slow, now),
            Err(wait) => Pop::Wait(wait),
        }
    }

    /// What keeps any message at all from going through this door now.
    fn door_holds(&mut self, relay: usize, now: Instant) -> Option<Pop> {
        let (asks, asking) = (&mut self.asks, &self.asking);
        let mut ask = |what: Ask| {
            if !asking.contains(&what) {
                asks.insert(what);
            }
        };
        let door = &mut self.doors[relay];
        if door.relay.warm_up.is_some() {
            match door.day.turn(now) {
                Turn::Now => {}
                Turn::At(_) => return Some(Pop::Leave),
                Turn::Ask => {
                    ask(Ask::Day(relay));
                    return Some(Pop::Wait(None));
                }
            }
        }
        if let Some(pace) = &mut door.pace {
            let turn = pace.turn(now);
            if pace.wants_slice(now) {
                ask(Ask::Pace(relay));
            }
            match turn {
                Turn::Now => {}
                Turn::At(at) => return Some(Pop::Wait(Some(at))),
                Turn::Ask => return Some(Pop::Wait(None)),
            }
        }
        (!self.is_turn_of(relay, now)).then_some(Pop::Wait(None))
    }

    /// Whether this door has not had more than its share, as far as the others keep up: one that its own pace holds back leaves its share to them.
    fn is_turn_of(&mut self, relay: usize, now: Instant) -> bool {
        if self.doors[relay].relay.weight == 0 {
            return true;
        }
        let mut least: Option<f64> = None;
        for (i, door) in self.doors.iter_mut().enumerate() {
            let held = door.pace.as_mut().is_some_and(|pace| pace.turn(now) != Turn::Now) || door.day.full_until(now).is_some();
            if i != relay && door.relay.weight > 0 && door.live > 0 && !held {
                least = Some(least.map_or(door.share, |least| least.min(door.share)));
            }
        }
        let lead = |door: &Door| door.live.max(1) as f64 / f64::from(door.relay.weight);
        let furthest = self.doors.iter().filter(|door| door.relay.weight > 0).map(lead).fold(0.0, f64::max);
        let door = &mut self.doors[relay];
        // As many ahead as it has connections: they are on their way at the same time.
        let ahead = door.live.max(1) as f64 / f64::from(door.relay.weight);
        match least {
            Some(least) => {
                // What the others left to it is not held against them, nor against it.
                door.share = door.share.max(least - ahead - furthest);
                door.share < least + ahead
            }
            None => true,
        }
    }

    /// Which message goes: lane, place, and whether it is charged to the slow ones' share. Otherwise when to look again.
    fn choose(&mut self, relay: usize, now: Instant) -> Result<(usize, usize, bool), Option<Instant>> {
        let lanes = self.lanes.len();
        let (mut open, mut slow, mut wait) = (None, None, None);
        for turn in 0..lanes {
            let lane = (self.turn + turn) % lanes;
            for at in 0..self.lanes[lane].jobs.len() {
                let job = &self.lanes[lane].jobs[at];
                let door = &mut self.doors[relay];
                let domain = job.mail.to.domain();
                match door.domains.gate(domain, now) {
                    Gate::Open => open = open.or(Some((lane, at))),
                    Gate::Slow => slow = slow.or(Some((lane, at))),
                    Gate::At(when) => wait = Some(wait.map_or(when, |wait: Instant| wait.min(when))),
                    Gate::Shut => {}
                    Gate::Ask => drop(
                        self.asking.contains(&Ask::Domain(relay, domain.to_owned()))
                            || self.asks.insert(Ask::Domain(relay, domain.to_owned())),
                    ),
                }
                // Once a free one is found, only a slow one whose turn it is would come before it.
                if self.is_chosen(relay, open.is_some(), slow.is_some(), now) {
                    break;
                }
            }
            if self.is_chosen(relay, open.is_some(), slow.is_some(), now) {
                break;
            }
        }
        self.settle_choice(relay, open, slow, wait, now)
    }

    /// Whether looking further would change nothing: a slow one whose turn it is comes first, then a free one.
    fn is_chosen(&self, relay: usize, open: bool, slow: bool, now: Instant) -> bool {
        let domains = &self.doors[relay].domains;
        (slow && domains.slow_turn(now) == Turn::Now) || (open && (slow || !domains.has_slow(now)))
    }

    fn settle_choice(
        &self,
        relay: usize,
        open: Option<(usize, usize)>,
        slow: Option<(usize, usize)>,
        wait: Option<Instant>,
        now: Instant,
    ) -> Result<(usize, usize, bool), Option<Instant>> {
        let turn = self.doors[relay].domains.slow_turn(now);
        let others_come = self.lanes.iter().any(|lane| lane.expecting);
        match (open, slow, turn) {
            (_, Some((lane, at)), Turn::Now) => Ok((lane, at, true)),
            (Some((lane, at)), _, _) => Ok((lane, at, false)),
            (None, Some((lane, at)), _) if !others_come => Ok((lane, at, false)),
            (None, Some(_), Turn::At(when)) => Err(Some(wait.map_or(when, |wait| wait.min(when)))),
            _ => Err(wait),
        }
    }

    fn take(&mut self, relay: usize, lane: usize, at: usize, slow: bool, now: Instant) -> Pop {
        let Some(mut job) = self.lanes[lane].jobs.remove(at) else { return Pop::Wait(None) };
        self.turn = (lane + 1) % self.lanes.len();
        let door = &mut self.doors[relay];
        if let Some(pace) = &mut door.pace {
            pace.take(now);
        }
        door.day.take();
        if door.relay.weight > 0 {
            door.share += 1.0 / f64::from(door.relay.weight);
        }
        let domain = job.mail.to.domain();
        door.domains.begin(domain, slow, door.live, now);
        if door.domains.wants_slice(domain, now).is_some() {
            let ask = Ask::Domain(relay, domain.to_owned());
            if !self.asking.contains(&ask) {
                self.asks.insert(ask);
            }
        }
        (job.relay, job.begun) = (relay, now);
        Pop::Job(Box::new(job))
    }

    /// How many messages to `domain` are worth having ready; nothing when some relay takes them like all others.
    pub(super) fn limit(&mut self, domain: &str, now: Instant) -> Option<usize> {
        let mut sum = None;
        for door in self.doors.iter_mut().filter(|door| door.live > 0) {
            if !door.domains.has_limits(now) {
                return None;
            }
            sum = Some(sum.unwrap_or(0) + door.domains.limit(domain, door.live, now)?);
        }
        sum
    }

    /// How many messages to each domain wait in the lanes.
    pub(super) fn queued(&self) -> HashMap<String, usize> {
        let mut queued = HashMap::new();
        for job in self.lanes.iter().flat_map(|lane| &lane.jobs) {
            *queued.entry(job.mail.to.domain().to_owned()).or_default() += 1;
        }
        queued
    }
}
