//! The Relays as they are known to be at this moment: which to try, how far to trust it, how fast to go.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::connect::{ConnectError, Trust, connect_through};
use super::pace::Pacer;
use super::retry;
use super::smtp::{Connection, Mode, Timeouts};
use super::world::World;
use crate::model::Relay;
use crate::telemetry::metrics::{self, Phase, Timer};

/// All Relays, in order of preference.
pub struct Relays {
    relays: Vec<Arc<Known>>,
    trust: Trust,
    timeouts: Timeouts,
    world: World,
    /// A relay may be tried again.
    cooled: Arc<Notify>,
}

/// One Relay and what we have learnt about it.
pub struct Known {
    relay: Relay,
    pacer: Option<Pacer>,
    mode: Mutex<Mode>,
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
    pub fn new(relays: &[Relay], trust: Trust, timeouts: Timeouts, world: World) -> Self {
        let relays = relays.iter().map(|relay| Arc::new(Known::new(relay.clone()))).collect();
        Self { relays, trust, timeouts, world, cooled: Arc::default() }
    }

    /// Most connections that could be open at once through the preferred relay.
    pub fn connections(&self) -> usize {
        self.relays.first().map_or(1, |known| known.relay.connections.max(1))
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
            mode: Mutex::new(if relay.pipelining { Mode::Pipe1 } else { Mode::Sequential }),
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
        let mode = *lock(&self.mode);
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
                tracing::warn!(relay = self.relay.name, phase = error.reply.phase, "no connection: {}", error.reply.text);
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

    /// The server and we lost count of each other: from now on less is sent ahead. Left alone when there is nothing lower.
    pub fn step_down(self: &Arc<Self>, relays: &Relays) {
        let lowest = {
            let mut mode = lock(&self.mode);
            let was = *mode;
            *mode = was.lower();
            was == Mode::Sequential
        };
        tracing::warn!(relay = self.relay.name, "the server lost count of pipelined commands; sending less ahead");
        if lowest {
            self.leave_alone(relays);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
