//! Whose turn it is: which of the messages that may be sent goes next through a relay's door, if any may.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::domains::Gate;
use super::pace::Turn;
use super::shop::{Ask, Door, Inner, Pop};

/// A relay that shares the mail is waited for so long. One that has not taken a message by then does not keep up, and the others go on without it.
const KEEPS_UP: Duration = Duration::from_millis(100);

impl Inner {
    /// A message for a connection to `relay`.
    pub(super) fn pop(&mut self, relay: usize, now: Instant) -> Pop {
        match self.look(relay, now) {
            Ok((lane, at, slow)) => self.take(relay, lane, at, slow, now),
            Err(pop) => pop,
        }
    }

    /// Which message would go now: lane, place, and whether it is charged to the slow ones' share. Otherwise why none does.
    pub(super) fn look(&mut self, relay: usize, now: Instant) -> Result<(usize, usize, bool), Pop> {
        if self.lanes.is_empty() {
            return Err(Pop::Closed);
        }
        if self.lanes.iter().all(|lane| lane.jobs.is_empty()) {
            self.doors[relay].waits_since = None;
            return Err(Pop::Wait(None));
        }
        match self.door_holds(relay, now) {
            Some(pop) => Err(pop),
            None => self.choose(relay, now).map_err(Pop::Wait),
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
        self.waits_for_others(relay, now).map(|until| Pop::Wait(Some(until)))
    }

    /// Until when this door waits for others, because it has had more than its share. It does not wait for those that their own pace holds back,
    /// nor longer than a moment for those that do not keep up.
    fn waits_for_others(&mut self, relay: usize, now: Instant) -> Option<Instant> {
        let ahead = self.doors[relay].lead()?;
        let (least, furthest) = (self.least_share(relay, now)?, self.doors.iter().filter_map(Door::lead).fold(0.0, f64::max));
        let door = &mut self.doors[relay];
        // What the others left to it is not held against them, nor against it.
        door.share = door.share.max(least - ahead - furthest);
        if door.share < least + ahead {
            door.waits_since = None;
            return None;
        }
        let until = *door.waits_since.get_or_insert(now) + KEEPS_UP;
        if now < until {
            return Some(until);
        }
        let share = door.share;
        door.waits_since = None;
        for (i, other) in self.doors.iter_mut().enumerate() {
            other.behind |= i != relay && other.share + ahead <= share;
        }
        None
    }

    /// The least share that any door has had, of those that keep up, but for `except`.
    fn least_share(&mut self, except: usize, now: Instant) -> Option<f64> {
        let mut least: Option<f64> = None;
        for (i, door) in self.doors.iter_mut().enumerate() {
            if i != except && door.relay.weight > 0 && door.live > 0 && !door.behind && !door.is_held(now) {
                least = Some(least.map_or(door.share, |least| least.min(door.share)));
            }
        }
        least
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
        if std::mem::take(&mut door.behind) {
            // It does not make up for what it did not keep up with.
            let least = self.least_share(relay, now);
            let door = &mut self.doors[relay];
            door.share = least.map_or(door.share, |least| door.share.max(least));
        }
        let door = &mut self.doors[relay];
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
        for door in self.open_doors() {
            if !door.domains.has_limits(now) {
                return None;
            }
            sum = Some(sum.unwrap_or(0) + door.domains.limit(domain, door.live, now)?);
        }
        sum
    }

    /// How long a message to `domain` that finds no room here should wait.
    pub(super) fn park(&mut self, domain: &str, now: Instant) -> Duration {
        self.open_doors().map(|door| door.domains.park(domain, door.live, now)).min().unwrap_or_default()
    }

    /// Doors with connections; before there is any connection, all: their limits are known already.
    fn open_doors(&mut self) -> impl Iterator<Item = &mut Door> {
        let none = self.doors.iter().all(|door| door.live == 0);
        self.doors.iter_mut().filter(move |door| none || door.live > 0)
    }

    /// How many messages of a lane are held back by their domains.
    pub(super) fn held(&mut self, lane: usize, now: Instant) -> usize {
        let domains: Vec<String> = self.lanes[lane].jobs.iter().map(|job| job.mail.to.domain().to_owned()).collect();
        domains.iter().filter(|domain| self.limit(domain, now).is_some()).count()
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

impl Door {
    /// How far it may be ahead of the others: by as many as are on their way at the same time. Nothing when it only stands by.
    fn lead(&self) -> Option<f64> {
        (self.relay.weight > 0).then(|| self.live.max(1) as f64 / f64::from(self.relay.weight))
    }

    /// Whether its own pace, or its day, holds it back.
    fn is_held(&mut self, now: Instant) -> bool {
        self.pace.as_mut().is_some_and(|pace| pace.turn(now) != Turn::Now) || self.day.full_until(now).is_some()
    }
}
