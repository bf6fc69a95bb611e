//! What the send stage takes from the world besides its ledger and its clock: the way to a relay, chance, and threads for slow work.
//! The simulator in the tests puts a world under one seed in its place.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::connect::{ConnectError, Tcp};
use super::wire::Duplex;
use crate::model::Relay;

/// A stream to a relay on which nothing has been said.
pub struct Dialled {
    /// The stream.
    pub stream: Box<dyn Duplex>,
    /// Whether it stays on this machine, so that a password may go over it in the clear.
    pub local: bool,
}

/// The way to a relay: [`Tcp`], or the simulator's.
pub trait Dial: Send + Sync {
    /// Opens a stream to `relay`, waiting at most `wait` for each of its addresses.
    fn dial<'a>(&'a self, relay: &'a Relay, wait: Duration) -> BoxFuture<'a, Result<Dialled, ConnectError>>;
}

/// The world a [`super::Sender`] works in.
#[derive(Clone)]
pub struct World {
    /// How relays are reached.
    pub dial: Arc<dyn Dial>,
    /// Jitter: a number from 0 to 1, another each time.
    pub chance: Arc<dyn Fn() -> f64 + Send + Sync>,
    /// Whether slow work has threads of its own. Without them it is done at once, and every run under one seed is the same.
    pub threads: bool,
}

impl Default for World {
    /// The real one.
    fn default() -> Self {
        Self { dial: Arc::new(Tcp), chance: Arc::new(rand::random), threads: true }
    }
}

impl World {
    /// Does slow work where it holds up no connection. A panic in it is told as an error.
    pub async fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
        if !self.threads {
            return Ok(work());
        }
        tokio::task::spawn_blocking(work).await.map_err(|bug| bug.to_string())
    }
}

/// The present by the runtime's timers, which only distances of time are measured with. A paused runtime, as in the simulator, stands still.
pub fn instant() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// Waits until an instant; for ever when there is none.
pub async fn until_then(then: Option<tokio::time::Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then).await,
        None => std::future::pending().await,
    }
}
