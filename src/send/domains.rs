//! What one relay knows of the recipient domains behind it: their pace, their connections, their patience, and who is slow. Pure: the time is an argument.
//!
//! A domain that answers slowly would soon have every connection to itself, because the fast ones leave. So, while mail for others waits, all slow
//! domains together get a twentieth of the connections' time; and a domain nobody has heard of yet gets one connection until it has answered.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::pace::{Backoff, Pace, Turn};
use crate::model::Relay;
use crate::model::relay::{Rate, of_domain};

/// Domains remembered; the unremarkable ones are forgotten first. About 200 bytes each.
const KNOWN_MAX: usize = 10_000;
/// A domain that has not answered within this is no longer waited for, and slower ones may be slow.
const PATIENCE: Duration = Duration::from_millis(200);
/// Slow is this many times slower than the others.
const SLOW_FACTOR: f64 = 4.0;
/// The share of the connections' time that all slow domains get while others wait.
const SLOW_SHARE: f64 = 0.05;
/// A slow domain is looked out for so long after it was last seen to be slow.
const UNEVEN: Duration = Duration::from_secs(60);
/// A domain is slower than others only as long as others are faster: when none was for so long, the relay itself is slow, or nothing else is left.
const OTHERS_LAST: Duration = Duration::from_secs(5);
/// One message counts at most for so many times the mean before it: a machine that slept is no slow domain.
const OUTLIER: f64 = 3.0;
/// How much the newest message counts in a mean.
const NEWEST: f64 = 0.2;
/// Mail that is put back waits at least so long: each return costs two writes.
const PARK_MIN: Duration = Duration::from_secs(5);
/// After "slow down" is over, waiting mail comes back at this distance.
const PARK_STEP: Duration = Duration::from_millis(50);

/// Whether a message to a domain may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Now.
    Open,
    /// Now, if no mail for others waits, or in the slow domains' share of the time.
    Slow,
    /// Not before this instant.
    At(Instant),
    /// When another message to it is through.
    Shut,
    /// When the store has given out more of its pace.
    Ask,
}

/// How a message ended, as far as its domain is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Accepted.
    Accepted,
    /// "Slow down".
    Throttled,
    /// Refused, or deferred for another reason.
    Refused,
    /// It never got there.
    None,
}

/// The domains behind one relay.
#[derive(Debug)]
pub struct Domains {
    rates: BTreeMap<String, Rate>,
    connections: BTreeMap<String, usize>,
    known: HashMap<String, Domain>,
    /// Mean seconds of a message to a domain that is not slow; nothing before the first answer.
    usual: Option<f64>,
    /// The last two domains that were as fast as usual, the later first, and when.
    fast: VecDeque<(String, Instant)>,
    /// When the slow ones' share of the time allows the next.
    slow_next: Option<Instant>,
    /// Until when some domain is known to be slow or to back off.
    uneven_until: Option<Instant>,
    /// Connections there were last.
    live: usize,
}

#[derive(Debug, Default)]
struct Domain {
    pace: Option<Pace>,
    most: Option<usize>,
    busy: usize,
    /// When it became busy, or was last heard of.
    since: Option<Instant>,
    /// Mean seconds of a message; nothing before the first answer.
    mean: Option<f64>,
    backoff: Option<Backoff>,
    /// Until when mail that was put back is spread already.
    parked: Option<Instant>,
}

impl Domains {
    /// Of a relay that nothing was sent to yet.
    pub fn new(relay: &Relay) -> Self {
        let (rates, connections) = (relay.domain_rates.clone(), relay.domain_connections.clone());
        Self { rates, connections, known: HashMap::new(), usual: None, fast: VecDeque::new(), slow_next: None, uneven_until: None, live: 1 }
    }

    /// Whether a message to `domain` may go.
    pub fn gate(&mut self, domain: &str, now: Instant) -> Gate {
        let usual = self.usual(domain, now);
        let Some(known) = self.known(domain, now) else { return Gate::Open };
        if let Some(backoff) = known.backoff.filter(|backoff| backoff.holds(now)) {
            return Gate::At(backoff.until);
        }
        if known.most.is_some_and(|most| known.busy >= most) {
            return Gate::Shut;
        }
        match known.pace.as_mut().map(|pace| pace.turn(now)) {
            Some(Turn::At(at)) => return Gate::At(at),
            Some(Turn::Ask) => return Gate::Ask,
            Some(Turn::Now) | None => {}
        }
        match (known.mean, known.since) {
            (None, Some(since)) if known.busy > 0 && now < since + PATIENCE => Gate::At(since + PATIENCE),
            _ if known.is_slow(usual, now) => {
                self.uneven_until = self.uneven_until.max(Some(now + UNEVEN));
                Gate::Slow
            }
            _ => Gate::Open,
        }
    }

    /// How long a message to others than `domain` usually takes, in seconds, if there are any.
    fn usual(&self, domain: &str, now: Instant) -> Option<f64> {
        let other = self.fast.iter().find(|(other, _)| other != domain);
        self.usual.filter(|_| other.is_some_and(|(_, at)| now < *at + OTHERS_LAST))
    }

    fn was_fast(&mut self, domain: &str, now: Instant) {
        match self.fast.front_mut() {
            Some((last, at)) if last == domain => *at = now,
            _ => {
                self.fast.push_front((domain.to_owned(), now));
                self.fast.truncate(2);
            }
        }
    }

    /// Whether there may be slow domains.
    pub fn has_slow(&self, now: Instant) -> bool {
        self.uneven_until.is_some_and(|until| now < until)
    }

    /// Whether any domain may be held back: where none is, nobody need ask for each.
    pub fn has_limits(&self, now: Instant) -> bool {
        !self.rates.is_empty() || !self.connections.is_empty() || self.has_slow(now)
    }

    /// Whether the slow ones' share of the time allows another; when not, from when on.
    pub fn slow_turn(&self, now: Instant) -> Turn {
        self.slow_next.filter(|next| *next > now).map_or(Turn::Now, Turn::At)
    }

    /// A message to `domain` goes over one of `live` connections; `slow` when its gate said so and others wait.
    pub fn begin(&mut self, domain: &str, slow: bool, live: usize, now: Instant) {
        self.live = live;
        if self.known(domain, now).is_none() {
            self.make_room(now);
        }
        // One with limits is there by now and was not forgotten since.
        let known = self.known.entry(domain.to_owned()).or_default();
        if known.busy == 0 || known.mean.is_some() {
            known.since = Some(now);
        }
        known.busy += 1;
        if let Some(pace) = &mut known.pace {
            pace.take(now);
        }
        if slow {
            let takes = known.mean.unwrap_or(1.0).max(PATIENCE.as_secs_f64());
            self.slow_next = Some(self.slow_next.map_or(now, |next| next.max(now)) + share_of(takes, live));
        }
    }

    /// It is through, after `took`.
    pub fn end(&mut self, domain: &str, took: Duration, answer: Answer, now: Instant, jitter: f64) {
        let (usual, live) = (self.usual(domain, now), self.live);
        let Some(known) = self.known.get_mut(domain) else { return };
        known.busy = known.busy.saturating_sub(1);
        if answer == Answer::None {
            return;
        }
        let took = took.as_secs_f64();
        let counts = |before: f64| took.min(PATIENCE.as_secs_f64().max(OUTLIER * before));
        let mean = |before: Option<f64>| before.map_or(took, |before| before + NEWEST * (counts(before) - before));
        known.mean = Some(mean(known.mean));
        match answer {
            Answer::Accepted => known.backoff = known.backoff.and_then(Backoff::accepted),
            Answer::Throttled => known.backoff = Some(Backoff::throttled(known.backoff, now, jitter)),
            Answer::Refused | Answer::None => {}
        }
        let backs_off = known.backoff.map(|backoff| backoff.until);
        if known.is_slow(usual, now) {
            self.uneven_until = self.uneven_until.max(Some(now + UNEVEN));
            // The first, of which nobody could know, is charged when it is through.
            self.slow_next = self.slow_next.or_else(|| Some(now + share_of(took, live)));
        } else {
            self.usual = Some(mean(self.usual));
            self.was_fast(domain, now);
        }
        self.uneven_until = self.uneven_until.max(backs_off);
    }

    /// How many messages to `domain` are worth having ready at once; nothing when it goes like all others.
    pub fn limit(&mut self, domain: &str, live: usize, now: Instant) -> Option<usize> {
        let usual = self.usual(domain, now);
        let known = self.known(domain, now)?;
        if known.backoff.is_some_and(|backoff| backoff.holds(now)) {
            return Some(0);
        }
        let paced = known.pace.as_ref().map(|pace| 1 + (0.25 / pace.interval().as_secs_f64()).min(15.0) as usize);
        let capped = known.most.map(|most| 2 * most);
        let slow = known.is_slow(usual, now).then_some(live.max(1));
        [paced, capped, slow].into_iter().flatten().min()
    }

    /// How many more of them are worth keeping here: as many as go before one that is put back would return.
    pub fn room(&mut self, domain: &str, live: usize, now: Instant) -> usize {
        let Some(known) = self.known(domain, now) else { return 0 };
        (PARK_MIN.as_secs_f64() / known.step(live).as_secs_f64().max(0.001)) as usize
    }

    /// How long a message to `domain` that finds no room here should wait, each a little longer than the one before.
    pub fn park(&mut self, domain: &str, live: usize, now: Instant) -> Duration {
        let Some(known) = self.known(domain, now) else { return PARK_MIN };
        let backoff = known.backoff.filter(|backoff| backoff.holds(now));
        let step = if backoff.is_some() { PARK_STEP } else { known.step(live) };
        let first = backoff.map_or(now + PARK_MIN, |backoff| backoff.until);
        let at = known.parked.map_or(first, |parked| first.max(parked + step));
        known.parked = Some(at);
        at - now
    }

    /// Whether `domain` asked us to slow down.
    pub fn is_backing_off(&self, domain: &str, now: Instant) -> bool {
        self.known.get(domain).and_then(|known| known.backoff).is_some_and(|backoff| backoff.holds(now))
    }

    /// The pace of `domain` when a slice should be asked for.
    pub fn wants_slice(&mut self, domain: &str, now: Instant) -> Option<Duration> {
        self.known(domain, now)?.pace.as_ref().filter(|pace| pace.wants_slice(now)).map(Pace::slice_length)
    }

    /// A slice of its pace.
    pub fn grant(&mut self, domain: &str, from: Instant) {
        if let Some(pace) = self.known(domain, from).and_then(|known| known.pace.as_mut()) {
            pace.grant(from);
        }
    }

    /// What is known of a domain; one with limits of its own is known from the first.
    fn known(&mut self, domain: &str, now: Instant) -> Option<&mut Domain> {
        if !self.known.contains_key(domain) {
            let pace = of_domain(&self.rates, domain).map(|rate| Pace::new(*rate));
            let most = of_domain(&self.connections, domain).copied();
            if pace.is_none() && most.is_none() {
                return None;
            }
            self.make_room(now);
            self.known.insert(domain.to_owned(), Domain { pace, most, ..Domain::default() });
        }
        self.known.get_mut(domain)
    }

    /// Nothing is on its way any more.
    pub fn forget_flights(&mut self) {
        self.known.values_mut().for_each(|known| known.busy = 0);
    }

    /// Before a domain is added: forgets what may be forgotten when there are too many.
    fn make_room(&mut self, now: Instant) {
        let matters = |known: &Domain| known.busy > 0 || known.backoff.is_some_and(|backoff| backoff.holds(now));
        if self.known.len() >= KNOWN_MAX {
            self.known.retain(|_, known| matters(known) || known.pace.is_some());
        }
        if self.known.len() >= KNOWN_MAX {
            self.known.retain(|_, known| matters(known));
        }
    }
}

impl Domain {
    /// The time from one message to the next, when as many go as may.
    fn step(&self, live: usize) -> Duration {
        let by_pace = self.pace.as_ref().map(Pace::interval).unwrap_or_default();
        let by_answers = Duration::from_secs_f64(self.mean.unwrap_or_default() / self.most.unwrap_or(live).max(1) as f64);
        by_pace.max(by_answers)
    }

    /// Slow is: much slower than the others, on the mean or by the one that has not answered yet.
    fn is_slow(&self, usual: Option<f64>, now: Instant) -> bool {
        let waiting = self.since.filter(|_| self.busy > 0 && self.mean.is_none()).map(|since| (now - since).as_secs_f64());
        let (Some(usual), Some(takes)) = (usual, self.mean.or(waiting)) else { return false };
        takes >= PATIENCE.as_secs_f64() && takes > SLOW_FACTOR * usual
    }
}

/// How long the slow ones' share of `live` connections needs for a message of so many seconds.
fn share_of(seconds: f64, live: usize) -> Duration {
    Duration::from_secs_f64(seconds / (SLOW_SHARE * live.max(1) as f64))
}
