//! Lease Deliveries, pace, speak SMTP, record Outcomes.
//!
//! [`Sender`] is the door. An Issue's run (`issue`) claims, composes and commits; its connections (`crew`) speak SMTP (`smtp`, `transaction`, `wire`).
//! Two seams, `ledger` and `world`, let the simulator in the tests drive all of it under one seed.

pub mod alarm;
mod batch;
pub mod breaker;
pub mod classify;
pub mod connect;
pub mod content;
mod crew;
pub mod domains;
pub mod hello;
mod issue;
pub mod ladder;
mod lane;
pub mod ledger;
pub mod pace;
mod patience;
mod press;
mod relays;
pub mod reply;
mod reserve;
pub mod retry;
mod shop;
pub mod smtp;
mod tcp;
pub mod transaction;
mod turn;
pub mod wary;
mod window;
pub mod wire;
pub mod world;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use self::connect::Trust;
use self::content::Mail;
use self::crew::Crew;
use self::issue::{End, Means, Run};
use self::ladder::Memory;
use self::ledger::{InUse, Ledger};
use self::press::Press;
use self::relays::Relays;
use self::shop::Shop;
use self::smtp::{Mode, Timeouts};
use self::world::World;
use crate::compose;
use crate::config::{Config, OnUnknown};
use crate::model::link::LinkKey;
use crate::model::outcome::{FailureClass, Outcome};
use crate::model::{Clock, Dkim, EmailAddress, IssueId, Relay};
use crate::store::{Store, StoreError};

pub use self::issue::{GROUP_WAIT, UNRECORDED_MAX};

/// How often the service looks for something due.
const LOOK: Duration = Duration::from_secs(1);
/// So many Issues are sent at once; more wait until one of them is through. Each needs some megabytes.
const ISSUES_MAX: usize = 16;
/// A probe is for a person who waits.
const PROBE_WAIT: Duration = Duration::from_secs(10);
/// So is a message outside the ledger: a relay that does not even greet within this is not waited for.
const ONE_WAIT: Duration = Duration::from_secs(30);

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
    dkim: Option<Arc<Dkim>>,
    leave_at: Option<EmailAddress>,
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
        .signing(config.dkim.clone())
        .naming(config.leave_at.clone())
    }

    /// Every message it sends is signed from now on, if there is somebody to sign.
    #[must_use]
    pub fn signing(self, dkim: Option<Arc<Dkim>>) -> Self {
        Self { dkim, ..self }
    }

    /// Every message it sends names the address for leaving from now on, if there is one.
    #[must_use]
    pub fn naming(self, leave_at: Option<EmailAddress>) -> Self {
        Self { leave_at, ..self }
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
        let store: Arc<dyn Ledger> = Arc::new(store);
        let memory = Memory { ledger: store.clone(), clock: clock.clone() };
        let crew = crew(relays, &trust, &timeouts, &world, memory);
        let worker = format!("{}-{:08x}", std::process::id(), rand::random::<u32>());
        let means =
            Means { store, relays: crew.0, crew: crew.1, clock, world, worker, in_use: InUse::default(), on_unknown, patient: false };
        Self { means, relays: relays.to_vec(), trust, timeouts, key, site_url: site_url.to_owned(), dkim: None, leave_at: None }
    }

    /// The same in another world.
    pub fn within(mut self, world: World) -> Self {
        let memory = Memory { ledger: self.means.store.clone(), clock: self.means.clock.clone() };
        (self.means.relays, self.means.crew) = crew(&self.relays, &self.trust, &self.timeouts, &world, memory);
        self.means.world = world;
        self
    }

    /// Delivers an Issue until nothing of it is due, it is paused or cancelled, or `stop` is cancelled. Then everything read is recorded.
    pub async fn run_issue(&self, issue: IssueId, stop: &CancellationToken) -> Result<(), SendError> {
        self.deliver(issue, stop, self.means.clone()).await
    }

    /// Delivers whatever is due, several Issues side by side, until `stop` is cancelled. They share the connections and take turns.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), SendError> {
        let means = Means { patient: true, ..self.means.clone() };
        let mut going = FuturesUnordered::new();
        let mut under_way = BTreeSet::new();
        let mut first = true;
        while !stop.is_cancelled() {
            let mut look = std::pin::pin!(self.look(&means, !std::mem::take(&mut first), &stop));
            let due = loop {
                tokio::select! {
                    biased;
                    Some((issue, ended)) = going.next() => {
                        under_way.remove(&issue);
                        say_if_interrupted(ended);
                    }
                    due = &mut look => break due,
                }
            };
            for issue in due {
                if !stop.is_cancelled() && under_way.len() < ISSUES_MAX && under_way.insert(issue) {
                    let (means, stop) = (means.clone(), stop.clone());
                    going.push(async move { (issue, self.deliver(issue, &stop, means).await) });
                }
            }
        }
        while let Some((_, ended)) = going.next().await {
            say_if_interrupted(ended);
        }
        Ok(())
    }

    /// One look at the ledger, after a wait: takes leases back from the dead; gives every Issue that has something due.
    async fn look(&self, means: &Means, wait: bool, stop: &CancellationToken) -> Vec<IssueId> {
        if wait && tokio::time::timeout(LOOK, stop.cancelled()).await.is_ok() {
            return Vec::new();
        }
        let look = async {
            let now = means.clock.now();
            // A clock that jumps makes our own leases look over while we are at work under them.
            means.store.recover_others(&means.in_use.epochs(), means.on_unknown, now).await?;
            means.store.sendable_issues(means.clock.now()).await
        };
        look.await.unwrap_or_else(|error| {
            say_if_interrupted(Err(error.into()));
            Vec::new()
        })
    }

    async fn deliver(&self, issue: IssueId, stop: &CancellationToken, means: Means) -> Result<(), SendError> {
        let store = &means.store;
        // A scheduled Issue whose time has come becomes `sending` by this.
        store.sendable_issues(means.clock.now()).await?;
        let frozen = store.frozen(issue).await?;
        let press = Arc::new(Press::new(issue, frozen, self.key.clone(), self.site_url.clone(), self.dkim.clone(), self.leave_at.clone()));
        if !self.compile(issue, &press, &means).await? {
            return Ok(());
        }
        let mut waited = false;
        loop {
            let before = store.counts(issue).await?;
            let run = Run::new(means.clone(), issue, press.clone(), before.sent > 0);
            match run.until_nothing_is_due(stop).await? {
                End::Unreachable(reason) => return Err(SendError::Unreachable(reason)),
                End::Stopped | End::Halted | End::Full(..) => return Ok(()),
                End::NothingDue => {}
            }
            let now = store.counts(issue).await?;
            waited &= now == before;
            // A Delivery cut after the final dot is due again soon: worth waiting for, but not twice for nothing.
            let wait = issue::wait_for(store.next_due().await?, means.clock.now()).filter(|_| now.deferred > 0 && !waited);
            let Some(wait) = wait else { return Ok(()) };
            waited = true;
            if !means.rest(issue, wait, stop).await {
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

    /// Signs and sends one message that is in no ledger, through the first relay that can be had.
    pub async fn send_one(&self, from: &EmailAddress, to: &EmailAddress, mut message: Vec<u8>) -> Outcome {
        let signed = self.dkim.as_ref().map_or(Ok(()), |dkim| compose::sign(dkim, self.means.clock.now(), &mut message));
        let mail = match signed.map_err(|error| error.to_string()).and_then(|()| Mail::new(from.clone(), to.clone(), message)) {
            Ok(mail) => mail,
            Err(reason) => return Outcome::Failed { class: FailureClass::Compose, reply: reply::no_reply("compose", &reason) },
        };
        let timeouts = Timeouts {
            connect: self.timeouts.connect.min(ONE_WAIT),
            greeting: self.timeouts.greeting.min(ONE_WAIT),
            ..self.timeouts.clone()
        };
        let mut last = reply::no_reply("connect", "there is no relay");
        for relay in &self.relays {
            match connect::connect_through(&*self.means.world.dial, relay, &self.trust, Mode::Sequential, &timeouts).await {
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

fn say_if_interrupted(ended: Result<(), SendError>) {
    if let Err(error) = ended {
        tracing::error!("sending was interrupted: {error}");
    }
}

/// Relays nobody knows anything of yet, and the connections to them.
fn crew(relays: &[Relay], trust: &Trust, timeouts: &Timeouts, world: &World, memory: Memory) -> (Arc<Relays>, Arc<Crew>) {
    let shop = Arc::new(Shop::new(relays));
    let relays = Arc::new(Relays::new(relays, shop.clone(), trust.clone(), timeouts.clone(), world.clone(), memory));
    (relays.clone(), Arc::new(Crew::new(relays, shop)))
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
