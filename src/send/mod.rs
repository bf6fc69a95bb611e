//! Lease Deliveries, pace, speak SMTP, record Outcomes.
//!
//! [`Sender`] is the door. An Issue's run (`issue`) claims, composes and commits; its connections (`crew`) speak SMTP (`smtp`, `transaction`, `wire`).
//! Two seams, `ledger` and `world`, let the simulator in the tests drive all of it under one seed.

pub mod alarm;
mod batch;
pub mod classify;
pub mod connect;
pub mod content;
mod crew;
pub mod hello;
mod issue;
pub mod ledger;
pub mod pace;
mod press;
mod relays;
pub mod reply;
pub mod retry;
pub mod smtp;
pub mod transaction;
pub mod wire;
pub mod world;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::connect::Trust;
use self::content::Mail;
use self::issue::{End, Means, Run};
use self::ledger::Ledger;
use self::press::Press;
use self::relays::Relays;
use self::smtp::{Mode, Timeouts};
use self::world::World;
use crate::config::{Config, OnUnknown};
use crate::model::link::LinkKey;
use crate::model::outcome::{FailureClass, Outcome};
use crate::model::{Clock, EmailAddress, IssueId, Relay};
use crate::store::{Store, StoreError};

pub use self::issue::{GROUP_WAIT, UNRECORDED_MAX};

/// How often the service looks for something due.
const LOOK: Duration = Duration::from_secs(1);
/// A probe is for a person who waits.
const PROBE_WAIT: Duration = Duration::from_secs(10);

/// Why sending ended early. Nothing is lost in any case.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No relay can be had: why.
    #[error("no relay can be reached: {0}")]
    Unreachable(String),
    /// The store failed, or somebody else took the Deliveries over.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Delivers what the ledger holds.
pub struct Sender {
    means: Means,
    relays: Vec<Relay>,
    trust: Trust,
    timeouts: Timeouts,
    key: LinkKey,
    site_url: String,
}

impl Sender {
    /// A sender on this store, through the relays of this configuration. Must be called inside the runtime: paces begin to count.
    pub fn new(store: Store, config: &Config, key: LinkKey, clock: Clock) -> Self {
        Self::with(
            store,
            &config.relays,
            config.send.on_unknown,
            config.site.url.as_str(),
            key,
            clock,
            Trust::default(),
            Timeouts::default(),
        )
    }

    /// The same from its parts, for tests and benches: other trust and other time limits.
    #[allow(clippy::too_many_arguments)]
    pub fn with(
        store: impl Ledger + 'static,
        relays: &[Relay],
        on_unknown: OnUnknown,
        site_url: &str,
        key: LinkKey,
        clock: Clock,
        trust: Trust,
        timeouts: Timeouts,
    ) -> Self {
        let world = World::default();
        let known = Arc::new(Relays::new(relays, trust.clone(), timeouts.clone(), world.clone()));
        let worker = format!("{}-{:08x}", std::process::id(), rand::random::<u32>());
        let means = Means { store: Arc::new(store), relays: known, clock, world, worker, on_unknown, patient: false };
        Self { means, relays: relays.to_vec(), trust, timeouts, key, site_url: site_url.to_owned() }
    }

    /// The same in another world.
    pub fn within(mut self, world: World) -> Self {
        self.means.relays = Arc::new(Relays::new(&self.relays, self.trust.clone(), self.timeouts.clone(), world.clone()));
        self.means.world = world;
        self
    }

    /// Delivers an Issue until nothing of it is due, it is paused or cancelled, or `stop` is cancelled. Then everything read is recorded.
    pub async fn run_issue(&self, issue: IssueId, stop: &CancellationToken) -> Result<(), SendError> {
        self.deliver(issue, stop, self.means.clone()).await
    }

    /// Delivers whatever is due, Issue after Issue, until `stop` is cancelled.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), SendError> {
        let means = Means { patient: true, ..self.means.clone() };
        while !stop.is_cancelled() {
            if let Err(error) = self.round(&means, &stop).await {
                tracing::error!("sending was interrupted: {error}");
            }
            // Stopped or not: the loop's condition tells.
            let _ = tokio::time::timeout(LOOK, stop.cancelled()).await;
        }
        Ok(())
    }

    /// One look at the ledger: takes leases back from the dead, then delivers every Issue that has something due.
    async fn round(&self, means: &Means, stop: &CancellationToken) -> Result<(), SendError> {
        means.store.recover(false, means.on_unknown, means.clock.now()).await?;
        for issue in means.store.sendable_issues(means.clock.now()).await? {
            self.deliver(issue, stop, means.clone()).await?;
        }
        Ok(())
    }

    async fn deliver(&self, issue: IssueId, stop: &CancellationToken, means: Means) -> Result<(), SendError> {
        let store = &means.store;
        // A scheduled Issue whose time has come becomes `sending` by this.
        store.sendable_issues(means.clock.now()).await?;
        let press = Arc::new(Press::new(issue, store.frozen(issue).await?, self.key.clone(), self.site_url.clone()));
        if !self.compile(issue, &press, &means).await? {
            return Ok(());
        }
        let mut waited = false;
        loop {
            let before = store.counts(issue).await?;
            let run = Run::new(means.clone(), issue, press.clone(), before.sent > 0);
            match run.until_nothing_is_due(stop).await? {
                End::Unreachable(reason) => return Err(SendError::Unreachable(reason)),
                End::Stopped | End::Halted => return Ok(()),
                End::NothingDue => {}
            }
            let now = store.counts(issue).await?;
            waited &= now == before;
            // A Delivery cut after the final dot is due again soon: worth waiting for, but not twice for nothing.
            let wait = issue::wait_for(store.next_due().await?, means.clock.now()).filter(|_| now.deferred > 0 && !waited);
            let Some(wait) = wait else { return Ok(()) };
            waited = true;
            if tokio::time::timeout(wait, stop.cancelled()).await.is_ok() {
                return Ok(());
            }
        }
    }

    /// Compiles the Issue for all its Lists; one that cannot be is paused before any mail leaves.
    async fn compile(&self, issue: IssueId, press: &Arc<Press>, means: &Means) -> Result<bool, SendError> {
        let pressed = press.clone();
        let reason = match means.world.aside(move || pressed.compile_all()).await {
            Ok(Ok(())) => return Ok(true),
            Ok(Err(faults)) => faults.to_string(),
            Err(bug) => bug,
        };
        tracing::error!(issue = issue.0, "cannot be composed: {reason}");
        match means.store.pause_issue(issue, &format!("it cannot be composed: {reason}"), means.clock.now()).await {
            Err(StoreError::Refused(_)) | Ok(()) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends one message that is in no ledger, through the first relay that can be had.
    pub async fn send_one(&self, from: &EmailAddress, to: &EmailAddress, message: Vec<u8>) -> Outcome {
        let mail = match Mail::new(from.clone(), to.clone(), &message) {
            Ok(mail) => mail,
            Err(reason) => return Outcome::Failed { class: FailureClass::Compose, reply: reply::no_reply("compose", &reason) },
        };
        let mut last = reply::no_reply("connect", "there is no relay");
        for relay in &self.relays {
            match connect::connect(relay, &self.trust, Mode::Sequential, &Timeouts::default()).await {
                Ok(mut connection) => {
                    let delivered = connection.send(&[&mail]).await;
                    connection.quit().await;
                    return delivered.outcome;
                }
                Err(error) => last = error.reply,
            }
        }
        Outcome::Deferred { class: FailureClass::Relay, reply: last, retry_after: None }
    }
}

/// Connects to a relay, secures, logs in and quits; tells what it offers, or what went wrong.
pub async fn probe(relay: &Relay) -> Result<String, String> {
    let wait = PROBE_WAIT;
    let timeouts = Timeouts { connect: wait, greeting: wait, ..Timeouts::default() };
    match connect::connect(relay, &Trust::default(), Mode::Pipe1, &timeouts).await {
        Ok(connection) => {
            let says = connection.describe();
            connection.quit().await;
            Ok(says)
        }
        Err(error) => Err(error.to_string()),
    }
}
