//! The Relays as they are known to be at this moment: which to connect to, and how far to trust it.
//!
//! Those with a weight share the mail; one without stands by until none of these can be had. A relay that fails is left alone for a while by its
//! breaker, and the connections that it would have had go to another.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::breaker::{Breaker, May};
use super::connect::{ConnectError, ConnectFault, Trust, connect_through};
use super::ladder::{Ladder, Memory};
use super::shop::Shop;
use super::smtp::{Connection, Mode, Timeouts};
use super::wary::Wary;
use super::world::{World, instant, until_then};
use crate::model::{Relay, Timestamp};
use crate::telemetry::metrics::{self, Phase, Timer};

/// A relay that is being found out about is waited for so long before another stands in.
const STAND_IN_AFTER: Duration = Duration::from_secs(10);
/// The one connection that finds out whether a relay is back waits at most so long for each answer before there is mail.
const PROBE_GREETING: Duration = Duration::from_secs(30);
/// A relay that said "too many connections" is asked for no more than it had for so long.
const FEWER: Duration = Duration::from_secs(300);
/// A connection that leaves to find out has so long to say QUIT where it was.
const ENVOY_WAIT: Duration = Duration::from_secs(10);

/// All Relays, in order of preference.
pub struct Relays {
    known: Vec<Known>,
    shop: Arc<Shop>,
    trust: Trust,
    timeouts: Timeouts,
    world: World,
    memory: Memory,
    /// A relay may be tried again, or has room.
    changed: Notify,
}

/// One Relay and what we have learnt about it.
struct Known {
    relay: Relay,
    state: Mutex<State>,
    ladder: Mutex<Ladder>,
    wary: Wary,
    /// What earlier processes learnt was looked up.
    recalled: AtomicBool,
}

struct State {
    breaker: Breaker,
    /// Connections there are or will be.
    open: usize,
    /// It said "too many" to more connections than these, and is not asked for more before this instant.
    most: Option<(usize, Instant)>,
    /// A connection that stands by for it is on its way to find out whether it is back, if it gets there by then.
    envoy: Option<Instant>,
    fault: Option<ConnectError>,
}

/// How one relay looks to somebody who wants a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// There is room.
    Free,
    /// It is up and has as many connections as it may, or takes no more of them before this instant.
    Taken(Option<Instant>),
    /// It is left alone until then, or somebody is finding out.
    Down(Option<Instant>),
    /// It takes no more mail until then.
    Full(Instant),
}

/// What somebody who wants a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// Connect to this relay.
    Dial(usize),
    /// Wait until something changes, at most until then.
    Wait(Option<Instant>),
    /// No relay takes mail before this instant.
    Full(Instant),
}

/// What keeps everybody from sending.
#[derive(Debug)]
pub enum Trouble {
    /// No relay can be had: why, one reason a relay.
    Down(Vec<ConnectError>),
    /// None takes mail before this instant: the allowance of the day is used up.
    Full(Instant),
}

/// A connection's place at its relay; free again when dropped.
pub struct Place {
    relays: Arc<Relays>,
    /// Which relay.
    pub relay: usize,
    connected: bool,
}

impl Relays {
    /// Knows nothing bad yet.
    pub fn new(relays: &[Relay], shop: Arc<Shop>, trust: Trust, timeouts: Timeouts, world: World, memory: Memory) -> Self {
        let known = |relay: &Relay| {
            let state = Mutex::new(State { breaker: Breaker::default(), open: 0, most: None, envoy: None, fault: None });
            let ladder = Mutex::new(Ladder::new(top(relay)));
            Known { relay: relay.clone(), state, ladder, wary: Wary::default(), recalled: AtomicBool::new(false) }
        };
        Self { known: relays.iter().map(known).collect(), shop, trust, timeouts, world, memory, changed: Notify::new() }
    }

    /// Most connections that are open at once.
    pub fn connections(&self) -> usize {
        let shared: usize = self.known.iter().filter(|known| known.relay.weight > 0).map(|known| known.relay.connections).sum();
        if shared > 0 { shared } else { self.known.first().map_or(1, |known| known.relay.connections.max(1)) }
    }

    /// Most messages that could be in flight at once: so many intents may be open besides the results that wait to be recorded.
    pub fn in_flight(&self) -> usize {
        let window = self.known.iter().map(|known| known.relay.window.max(1)).max();
        self.connections() * window.unwrap_or(1)
    }

    /// What is measured of a relay.
    pub fn meter(&self, relay: usize) -> Arc<metrics::Relay> {
        metrics::relay(&self.known[relay].relay.name)
    }

    /// How its recipients' domains behave.
    pub fn wary(&self, relay: usize) -> &Wary {
        &self.known[relay].wary
    }

    /// Names of the relays that have an allowance a day.
    pub fn names_with_warm_up(&self) -> Vec<&str> {
        self.known.iter().filter(|known| known.relay.warm_up.is_some()).map(|known| known.relay.name.as_str()).collect()
    }

    /// Jitter: a number from 0 to 1.
    pub fn chance(&self) -> f64 {
        (self.world.chance)()
    }

    /// Connects to a relay, however long that takes; `trouble` is told each time none can be had.
    pub async fn connect(self: &Arc<Self>, trouble: impl Fn(Trouble)) -> (Place, Connection) {
        loop {
            // Listening begins before the look, so that nothing that changes in between is missed.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let until = match self.choose(instant()) {
                Choice::Dial(relay) => match self.dial(relay).await {
                    Some(connected) => return connected,
                    None => {
                        if let Some(errors) = self.faults_when_down() {
                            trouble(Trouble::Down(errors));
                        }
                        continue;
                    }
                },
                Choice::Wait(until) => until,
                Choice::Full(until) => {
                    trouble(Trouble::Full(until));
                    Some(until)
                }
            };
            tokio::select! {
                biased;
                () = changed => {}
                () = until_then(until) => {}
            }
        }
    }

    /// Whether a connection to this relay should be given up because one that it stands by for is back, or may be: one finds out for all.
    pub fn is_wanted_elsewhere(&self, relay: usize) -> bool {
        if self.known[relay].relay.weight > 0 {
            return false;
        }
        let now = instant();
        let wants = |other: &usize| {
            let mut state = self.state(*other);
            let first = state.envoy.is_none_or(|until| until <= now);
            if first && !state.breaker.is_up() {
                state.envoy = Some(now + ENVOY_WAIT);
            }
            first || state.breaker.is_up()
        };
        self.sharing().filter(|other| self.look(*other, now) == Look::Free).any(|other| wants(&other))
    }

    /// From when on mail is taken again, when every relay has sent what it may today.
    pub fn full_until(&self) -> Option<Instant> {
        match self.choose(instant()) {
            Choice::Full(until) => Some(until),
            Choice::Dial(_) | Choice::Wait(_) => None,
        }
    }

    /// Something was accepted.
    pub fn accepted(&self, relay: usize) {
        self.state(relay).breaker.accepted();
    }

    /// Leaves the relay alone for a while, longer each time.
    pub fn leave_alone(&self, relay: usize) {
        let mut state = self.state(relay);
        if let Some(wait) = state.breaker.failed(instant(), self.chance()) {
            let name = &self.known[relay].relay.name;
            if state.breaker.is_down() {
                tracing::error!(relay = name, wait_s = wait.as_secs(), "the relay fails again and again; it is left alone");
            } else {
                tracing::warn!(relay = name, "the relay is left alone for a moment");
            }
        }
    }

    /// The server showed that it does not stand the mode `from`: from now on less is sent ahead. Left alone when there is nothing lower.
    pub async fn step_down(&self, relay: usize, from: Mode) {
        self.learn(relay, from, Ladder::step_down).await;
    }

    /// The same when it happens the second time within an hour.
    pub async fn strike(&self, relay: usize, from: Mode) {
        self.learn(relay, from, Ladder::strike).await;
    }

    async fn learn(&self, relay: usize, from: Mode, lesson: fn(&mut Ladder, Mode, Timestamp) -> bool) {
        let (now, known) = (self.memory.clock.now(), &self.known[relay]);
        let (note, lower) = {
            let mut ladder = lock(&known.ladder);
            let before = ladder.mode(now);
            let lower = lesson(&mut ladder, from, now);
            (ladder.note().filter(|_| ladder.mode(now) < before), lower)
        };
        if let Some(note) = note {
            let name = &known.relay.name;
            tracing::warn!(relay = name, mode = note, "the server does not stand so much sent ahead of its answers; less for a day");
            if let Err(error) = self.memory.keep(&known.host(), &note).await {
                tracing::warn!(relay = name, "what was learnt of it is not kept: {error}");
            }
        }
        if !lower {
            self.leave_alone(relay);
        }
    }

    fn state(&self, relay: usize) -> MutexGuard<'_, State> {
        lock(&self.known[relay].state)
    }

    /// Relays that share the mail.
    fn sharing(&self) -> impl Iterator<Item = usize> {
        (0..self.known.len()).filter(|relay| self.known[*relay].relay.weight > 0)
    }

    fn look(&self, relay: usize, now: Instant) -> Look {
        if let Some(until) = self.shop.full_until(relay, now) {
            return Look::Full(until);
        }
        let state = self.state(relay);
        let fewer = state.most.filter(|(_, until)| now < *until);
        let most = fewer.map_or(usize::MAX, |(most, _)| most).min(self.known[relay].relay.connections).max(1);
        // Nobody stands in for a relay that is only being found out about, unless that takes long.
        let found_out_by = state.breaker.probing_since().map(|since| since + STAND_IN_AFTER);
        match state.breaker.may(now) {
            May::Dial if state.open < most => Look::Free,
            May::Dial => Look::Taken(fewer.map(|(_, until)| until)),
            May::At(at) if state.open > 0 => Look::Taken(Some(at)),
            May::At(at) => Look::Down(Some(at)),
            May::Wait if state.breaker.is_unblemished() && found_out_by.is_some_and(|by| now < by) => Look::Taken(found_out_by),
            May::Wait => Look::Down(None),
        }
    }

    /// Those that share come first; the others one after the other, each only when none before it is up.
    fn choose(&self, now: Instant) -> Choice {
        let standing_by = (0..self.known.len()).filter(|relay| self.known[*relay].relay.weight == 0).map(|relay| vec![relay]);
        let (mut soonest, mut full): (Option<Instant>, Option<Instant>) = (None, None);
        let mut any_down = self.known.is_empty();
        for tier in std::iter::once(self.sharing().collect()).chain(standing_by) {
            let looks: Vec<(usize, Look)> = tier.into_iter().map(|relay| (relay, self.look(relay, now))).collect();
            let free = looks.iter().filter(|(_, look)| *look == Look::Free).map(|(relay, _)| *relay);
            if let Some(relay) = free.min_by_key(|relay| self.state(*relay).open) {
                return Choice::Dial(relay);
            }
            let mut up = false;
            for (_, look) in looks {
                let (at, into) = match look {
                    Look::Taken(at) => {
                        up = true;
                        (at, &mut soonest)
                    }
                    Look::Down(at) => {
                        any_down = true;
                        (at, &mut soonest)
                    }
                    Look::Full(at) => (Some(at), &mut full),
                    Look::Free => continue,
                };
                *into = [*into, at].into_iter().flatten().min();
            }
            if up {
                return Choice::Wait(soonest);
            }
        }
        match full {
            Some(until) if !any_down => Choice::Full(until),
            _ => Choice::Wait(soonest),
        }
    }

    async fn dial(self: &Arc<Self>, relay: usize) -> Option<(Place, Connection)> {
        let mut timeouts = self.timeouts.clone();
        let mut place = {
            let mut state = self.state(relay);
            state.open += 1;
            state.envoy = None;
            state.breaker.dial(instant());
            if !state.breaker.is_up() {
                // All wait for this one: a relay that is back answers soon.
                timeouts.greeting = timeouts.greeting.min(PROBE_GREETING);
            }
            Place { relays: self.clone(), relay, connected: false }
        };
        let mode = self.known[relay].mode(&self.memory).await;
        let (timer, known) = (Timer::start(), &self.known[relay].relay);
        match connect_through(&*self.world.dial, known, &self.trust, mode, &timeouts).await {
            Ok(connection) => {
                timer.phase(Phase::Connect);
                self.meter(relay).tried(true);
                let mut state = self.state(relay);
                state.breaker.connected();
                state.fault = None;
                drop(state);
                place.connected = true;
                self.shop.came(relay);
                self.changed.notify_waiters();
                Some((place, connection))
            }
            Err(error) => {
                self.meter(relay).tried(false);
                let live = self.shop.live(relay);
                if error.reply.code == 421 && live > 0 {
                    // It serves others of us: this is one too many, and no fault.
                    tracing::info!(relay = known.name, connections = live, "the relay takes no more connections than these");
                    let mut state = self.state(relay);
                    state.breaker.connected();
                    state.most = Some((live, instant() + FEWER));
                    return None;
                }
                if error.fault == ConnectFault::Tls {
                    // Somebody may be stripping it: that is worth a person's attention, and mail waits rather than go in plain text.
                    tracing::error!(relay = known.name, phase = error.reply.phase, "no TLS, so no mail: {}", error.reply.text);
                } else {
                    tracing::warn!(relay = known.name, phase = error.reply.phase, "no connection: {}", error.reply.text);
                }
                self.state(relay).fault = Some(error);
                self.leave_alone(relay);
                None
            }
        }
    }

    /// The reasons, when no relay at all is up or worth a try.
    fn faults_when_down(&self) -> Option<Vec<ConnectError>> {
        let now = instant();
        let up = (0..self.known.len()).any(|relay| matches!(self.look(relay, now), Look::Free | Look::Taken(_)));
        (!up).then(|| (0..self.known.len()).filter_map(|relay| self.state(relay).fault.clone()).collect())
    }
}

impl Known {
    /// The mode to connect in, with what earlier processes learnt about the host.
    async fn mode(&self, memory: &Memory) -> Mode {
        if !self.recalled.swap(true, SeqCst) {
            match memory.recall(&self.host()).await {
                Ok(note) => note.iter().for_each(|note| lock(&self.ladder).recall(note)),
                Err(error) => tracing::warn!(relay = self.relay.name, "what is known of it cannot be read: {error}"),
            }
        }
        lock(&self.ladder).mode(memory.clock.now())
    }

    fn host(&self) -> String {
        format!("{}:{}", self.relay.host, self.relay.port)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.relays.state(self.relay);
        state.open = state.open.saturating_sub(1);
        if !self.connected {
            state.breaker.gave_up();
        }
        drop(state);
        if self.connected {
            self.relays.shop.went(self.relay);
        }
        self.relays.changed.notify_waiters();
    }
}

/// The most that may be sent ahead to this relay.
fn top(relay: &Relay) -> Mode {
    match relay {
        Relay { pipelining: false, .. } => Mode::Sequential,
        Relay { window: 1.., .. } => Mode::Window,
        _ => Mode::Pipe1,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
