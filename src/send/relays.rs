//! The Relays as they are known to be at this moment: which to try, how far to trust it, how fast to go.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::connect::{ConnectError, ConnectFault, Trust, connect_through};
use super::ladder::{Ladder, Memory};
use super::pace::Pacer;
use super::retry;
use super::smtp::{Connection, Mode, Timeouts};
use super::wary::Wary;
use super::world::World;
use crate::model::{Relay, Timestamp};
use crate::telemetry::metrics::{self, Phase, Timer};

/// All Relays, in order of preference.
pub struct Relays {
    relays: Vec<Arc<Known>>,
    trust: Trust,
    timeouts: Timeouts,
    world: World,
    memory: Memory,
    /// A relay may be tried again.
    cooled: Arc<Notify>,
}

/// One Relay and what we have learnt about it.
pub struct Known {
    relay: Relay,
    pacer: Option<Pacer>,
    ladder: Mutex<Ladder>,
    wary: Wary,
    /// What earlier processes learnt was looked up.
    recalled: AtomicBool,
    /// Failures in a row: to connect, or to get anything accepted.
    failures: AtomicU32,
    /// Left alone for now.
    cooling: AtomicBool,
    /// Held while connecting, so that one connection finds out for all.
    dialing: tokio::sync::Mutex<()>,
    fault: Mutex<Option<ConnectError>>,
}

impl Relays {
    /// Knows nothing bad yet.
    pub fn new(relays: &[Relay], trust: Trust, timeouts: Timeouts, world: World, memory: Memory) -> Self {
        let relays = relays.iter().map(|relay| Arc::new(Known::new(relay.clone()))).collect();
        Self { relays, trust, timeouts, world, memory, cooled: Arc::default() }
    }

    /// Most connections that could be open at once through the preferred relay.
    pub fn connections(&self) -> usize {
        self.relays.first().map_or(1, |known| known.relay.connections.max(1))
    }

    /// Most messages that could be in flight at once: so many intents may be open besides the results that wait to be recorded.
    pub fn in_flight(&self) -> usize {
        let window = self.relays.iter().map(|known| known.relay.window.max(1)).max();
        self.connections() * window.unwrap_or(1)
    }

    /// Connects to the first relay that can be had; tells `down` each time none can, and waits.
    pub async fn connect(&self, down: impl Fn(Vec<ConnectError>)) -> (Arc<Known>, Connection) {
        loop {
            // Listening begins before the look, so that a relay that cools in between is not missed.
            let mut cooled = std::pin::pin!(self.cooled.notified());
            cooled.as_mut().enable();
            for known in &self.relays {
                if let Some(connection) = known.try_connect(self).await {
                    return (known.clone(), connection);
                }
            }
            down(self.relays.iter().filter_map(|known| lock(&known.fault).clone()).collect());
            cooled.await;
        }
    }
}

impl Known {
    fn new(relay: Relay) -> Self {
        Self {
            pacer: relay.rate.map(Pacer::new),
            ladder: Mutex::new(Ladder::new(top(&relay))),
            wary: Wary::default(),
            recalled: AtomicBool::new(false),
            relay,
            failures: AtomicU32::new(0),
            cooling: AtomicBool::new(false),
            dialing: tokio::sync::Mutex::new(()),
            fault: Mutex::default(),
        }
    }

    /// What is measured of this relay.
    pub fn meter(&self) -> Arc<metrics::Relay> {
        metrics::relay(&self.relay.name)
    }

    /// The pace of this relay, if it has one.
    pub fn pacer(&self) -> Option<&Pacer> {
        self.pacer.as_ref()
    }

    /// Something was accepted: whatever was wrong is over.
    pub fn accepted(&self) {
        self.failures.store(0, SeqCst);
    }

    async fn try_connect(self: &Arc<Self>, relays: &Relays) -> Option<Connection> {
        let dialing = self.dialing.lock().await;
        if self.cooling.load(SeqCst) {
            return None;
        }
        let mode = self.mode(&relays.memory).await;
        let timer = Timer::start();
        match connect_through(&*relays.world.dial, &self.relay, &relays.trust, mode, &relays.timeouts).await {
            Ok(connection) => {
                timer.phase(Phase::Connect);
                self.meter().tried(true);
                *lock(&self.fault) = None;
                Some(connection)
            }
            Err(error) => {
                self.meter().tried(false);
                if error.fault == ConnectFault::Tls {
                    // Somebody may be stripping it: that is worth a person's attention, and mail waits rather than go in plain text.
                    tracing::error!(relay = self.relay.name, phase = error.reply.phase, "no TLS, so no mail: {}", error.reply.text);
                } else {
                    tracing::warn!(relay = self.relay.name, phase = error.reply.phase, "no connection: {}", error.reply.text);
                }
                *lock(&self.fault) = Some(error);
                drop(dialing);
                self.cool(relays);
                None
            }
        }
    }

    /// Leaves the relay alone for a while, longer each time.
    pub fn leave_alone(self: &Arc<Self>, relays: &Relays) {
        self.cool(relays);
    }

    fn cool(self: &Arc<Self>, relays: &Relays) {
        if self.cooling.swap(true, SeqCst) {
            return;
        }
        let failures = self.failures.fetch_add(1, SeqCst).saturating_add(1);
        let wait: Duration = retry::reconnect_delay(failures, (relays.world.chance)());
        let (known, cooled) = (self.clone(), relays.cooled.clone());
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            known.cooling.store(false, SeqCst);
            cooled.notify_waiters();
        });
    }

    /// How this relay's recipients' domains behave.
    pub fn wary(&self) -> &Wary {
        &self.wary
    }

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

    /// The server showed that it does not stand the mode `from`: from now on less is sent ahead. Left alone when there is nothing lower.
    pub async fn step_down(self: &Arc<Self>, from: Mode, relays: &Relays) {
        self.learn(relays, from, Ladder::step_down).await;
    }

    /// The same when it happens the second time within an hour.
    pub async fn strike(self: &Arc<Self>, from: Mode, relays: &Relays) {
        self.learn(relays, from, Ladder::strike).await;
    }

    async fn learn(self: &Arc<Self>, relays: &Relays, from: Mode, lesson: fn(&mut Ladder, Mode, Timestamp) -> bool) {
        let now = relays.memory.clock.now();
        let (note, lower) = {
            let mut ladder = lock(&self.ladder);
            let before = ladder.mode(now);
            let lower = lesson(&mut ladder, from, now);
            (ladder.note().filter(|_| ladder.mode(now) < before), lower)
        };
        if let Some(note) = note {
            tracing::warn!(
                relay = self.relay.name,
                mode = note,
                "the server does not stand so much sent ahead of its answers; less for a day"
            );
            if let Err(error) = relays.memory.keep(&self.host(), &note).await {
                tracing::warn!(relay = self.relay.name, "what was learnt of it is not kept: {error}");
            }
        }
        if !lower {
            self.leave_alone(relays);
        }
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
