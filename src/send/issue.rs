//! One run of one Issue: claim, compose, commit intents and results in groups, until nothing is due.
//!
//! The promise: an intent is durable before DATA, and at most [`UNRECORDED_MAX`] results plus the messages in flight (one a connection, or its window) are unrecorded at any instant,
//! so that is the most a crash can send twice.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::alarm::{Alarm, Judged};
use super::batch::{Batch, Grants, Made, Parked};
use super::connect::{ConnectError, ConnectFault};
use super::crew::{Crew, Report};
use super::lane::{Counter, Standing};
use super::ledger::{InUse, Ledger};
use super::patience::surely;
use super::press::Press;
use super::relays::Relays;
use super::reply::no_reply;
use super::reserve::reserve;
use super::retry;
use super::world::{World, instant};
use crate::config::OnUnknown;
use crate::model::{Clock, IssueId, IssueStatus, Outcome, SubscriberId, Timestamp};
use crate::store::deliveries::{Lease, Leased, Record};
use crate::store::{Result, StoreError};
use crate::telemetry::metrics;

/// Results that may wait to be recorded; sending waits when there are so many.
pub const UNRECORDED_MAX: usize = 64;
/// A result waits at most this long for others to share its commit.
pub const GROUP_WAIT: Duration = Duration::from_millis(25);
/// Deliveries claimed at a time: some megabytes of memory, and what another worker cannot take meanwhile.
const CLAIM_MAX: u32 = 512;
/// How long a claim lasts unless renewed; renewed at a third. One that nobody has taken meanwhile is good for longer, and nobody else waits
/// for its end, because the next process on the same file takes everything over at once.
const LEASE: Duration = Duration::from_secs(120);
/// More is claimed when so many fit: small claims cost as much as big ones.
const CLAIM_MIN: usize = 128;
/// A day has begun for certain so long after its midnight.
const DAY_BEGUN: Duration = Duration::from_secs(1);
/// The same where other workers wait for what a dead one held: they go on within 30 s, and two renewals may be lost before a living one is taken for dead.
const LEASE_SHARED: Duration = Duration::from_secs(20);
/// Deliveries composed in one go on a thread of their own.
const COMPOSE_CHUNK: usize = 16;
/// A stop waits so long for the answers to final dots; with the last commit it must stay under 10 s.
const DRAIN: Duration = Duration::from_secs(8);
/// Connections then have this long to say QUIT.
const LEAVE: Duration = Duration::from_secs(1);
/// So often no relay at all could be had before a run that is not patient gives up.
const DOWNS_MAX: u32 = 3;
/// A Delivery cut after the final dot is sent again after this: the relay has restarted by then. Later tries wait as deferred ones do.
const UNKNOWN_WAIT: Duration = Duration::from_secs(10);
/// So often a run asks whether its Issue was paused or cancelled: with the next message border, a run obeys within a second.
const STATUS_LOOK: Duration = Duration::from_millis(250);

/// What a run works with.
#[derive(Clone)]
pub struct Means {
    /// The ledger.
    pub store: Arc<dyn Ledger>,
    /// The relays as known.
    pub relays: Arc<Relays>,
    /// The connections to them, which all Issues share.
    pub crew: Arc<Crew>,
    /// The time.
    pub clock: Clock,
    /// Chance and threads.
    pub world: World,
    /// This process's name in leases.
    pub worker: String,
    /// Its leases.
    pub in_use: InUse,
    /// What becomes of a Delivery cut after the final dot.
    pub on_unknown: OnUnknown,
    /// Whether to wait for a relay for ever.
    pub patient: bool,
}

impl Means {
    /// Whether the Issue may not be sent any more. A store that cannot tell says no: the next commit finds out, and sends nothing until it can.
    async fn halted(&self, issue: IssueId) -> bool {
        self.store.issue(issue).await.is_ok_and(|row| row.is_none_or(|row| row.status != IssueStatus::Sending))
    }

    /// Rests for `time`, or until told to stop or the Issue is paused or cancelled; then false.
    pub async fn rest(&self, issue: IssueId, time: Duration, stop: &CancellationToken) -> bool {
        let halted = async {
            let mut look = looks();
            while !self.halted(issue).await {
                look.tick().await;
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => false,
            () = halted => false,
            () = tokio::time::sleep(time) => true,
        }
    }
}

/// Ticks for looking at an Issue's status, the first after a while.
fn looks() -> tokio::time::Interval {
    let mut look = tokio::time::interval(STATUS_LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    look.reset();
    look
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Nothing more is due now.
    NothingDue,
    /// Told to stop.
    Stopped,
    /// The Issue was paused or cancelled.
    Halted,
    /// No relay can be had: why.
    Unreachable(String),
    /// No relay takes more before this instant: why.
    Full(Timestamp, String),
}

/// One run.
pub struct Run {
    means: Means,
    issue: IssueId,
    press: Arc<Press>,
    lane: Counter,
    alarm: Alarm,
    ever_up: bool,
    downs: u32,
    /// How often in a row waiting could not have helped.
    hopeless: u32,
    stop: CancellationToken,
    /// How long a claim lasts.
    lease: Duration,
    /// Set once the run is to end; nothing new is granted from then on.
    end: Option<End>,
}

impl Run {
    /// Prepares; `accepted_ever` tells whether a relay accepted anything of this Issue before.
    pub fn new(means: Means, issue: IssueId, press: Arc<Press>, accepted_ever: bool) -> Self {
        let lane = means.crew.shop.open_lane();
        let alarm = Alarm::new(accepted_ever);
        let ever_up = lane.live() > 0;
        let lease = if means.store.is_shared() { LEASE_SHARED } else { LEASE };
        let stop = CancellationToken::new();
        Self { means, issue, press, lane, alarm, ever_up, downs: 0, hopeless: 0, lease, stop, end: None }
    }

    /// Delivers claim after claim. On an error (fenced, or the store failed) everything is dropped and nothing more is recorded.
    pub async fn until_nothing_is_due(self, stop: &CancellationToken) -> Result<End> {
        let crew = self.means.crew.clone();
        let ended = self.all_claims(stop).await;
        // The lane is closed by now; when it was the last, the connections say QUIT.
        crew.leave(LEAVE).await;
        ended
    }

    async fn all_claims(mut self, stop: &CancellationToken) -> Result<End> {
        self.stop = stop.clone();
        loop {
            if stop.is_cancelled() {
                self.end.get_or_insert(End::Stopped);
            }
            if self.end.is_some() {
                break;
            }
            let Means { store, worker, clock, .. } = &self.means;
            let claimed = self.surely(|| Box::pin(store.claim(self.issue, worker, CLAIM_MAX, self.lease, clock.now()))).await?;
            let Some((lease, leased)) = claimed else { break };
            self.batch(lease, leased, stop).await?;
        }
        if let Some(End::Full(until, reason)) = &self.end {
            let Means { store, clock, .. } = &self.means;
            self.surely(|| Box::pin(store.hold_queued(self.issue, *until, reason, clock.now()))).await?;
        }
        Ok(self.end.unwrap_or(End::NothingDue))
    }

    /// One claim from its first message to its release. More is claimed under the same lease as room comes, so that slow Deliveries hold up no others.
    async fn batch(&mut self, lease: Lease, leased: Vec<Leased>, stop: &CancellationToken) -> Result<()> {
        let _held = self.means.in_use.hold(lease.epoch);
        let mut batch = Batch::new(lease, self.means.relays.in_flight());
        let mut made = self.begin(&mut batch, leased).await;
        let mut renew = tokio::time::interval(self.lease / 3);
        renew.reset();
        let mut look = looks();
        let (mut exhausted, mut winding_up, mut drain) = (false, false, None);
        let (shop, bell) = (self.lane.shop().clone(), self.lane.bell().clone());
        while !batch.is_settled(self.end.is_some()) {
            self.hear_all(&mut batch).await?;
            if self.end.is_some() && !winding_up {
                made.close();
                self.wind_up(&mut batch);
                winding_up = true;
                continue;
            }
            self.look_at_alarm(&mut batch).await?;
            if !exhausted && self.end.is_none() && batch.is_composed() && batch.unsettled() + CLAIM_MIN <= CLAIM_MAX as usize {
                let room = CLAIM_MAX as usize - batch.unsettled();
                let more = self.more(&batch.lease, room).await?;
                exhausted = more.is_empty();
                made = self.begin(&mut batch, more).await;
                continue;
            }
            let expecting = self.end.is_none() && (batch.has_more() || !exhausted);
            let standing = self.lane.stand(expecting, batch.timer.is_running(), UNRECORDED_MAX + self.means.relays.in_flight(), instant());
            let grants = self.grants_now(&batch, &standing);
            if batch.wants_commit(&grants, standing.ready, self.alarm.held()) {
                self.commit(&mut batch, grants, standing.ready).await?;
                continue;
            }
            tokio::select! {
                biased;
                // Only a process that must end gives up waiting; after a pause every answer is awaited, so that nothing is in doubt.
                () = stop.cancelled(), if drain.is_none() => {
                    self.end.get_or_insert(End::Stopped);
                    drain = Some(Box::pin(tokio::time::sleep(DRAIN)));
                }
                () = maybe(&mut drain) => break,
                _ = renew.tick() => {
                    let Means { store, clock, .. } = &self.means;
                    batch.lease = self.surely(|| Box::pin(store.renew(&batch.lease, self.lease, clock.now()))).await?;
                }
                _ = look.tick(), if self.end.is_none() => {
                    self.look_around(&batch).await;
                    // Something may have become due meanwhile, and whoever waits for the store to give out time asks again.
                    exhausted = false;
                    shop.changed.notify_waiters();
                }
                () = bell.notified() => {}
                made = made.recv(), if batch.takes_more() && self.end.is_none() => self.take(made, &mut batch).await?,
                () = shop.asked.notified() => reserve(&shop, &*self.means.store, &self.means.clock).await,
                () = batch.timer.wait() => batch.timer.ring(),
            }
        }
        self.hear_all(&mut batch).await?;
        if batch.has_results() {
            // Given up on what has no answer; what has one is recorded.
            self.commit(&mut batch, Grants::default(), 0).await?;
        }
        let Means { store, clock, .. } = &self.means;
        self.surely(|| Box::pin(store.release(&batch.lease, clock.now()))).await
    }

    /// Whether the Issue may still be sent, and whether there is anybody to send it.
    async fn look_around(&mut self, batch: &Batch) {
        if self.means.halted(self.issue).await {
            self.end.get_or_insert(End::Halted);
        } else if let Some(until) = self.means.relays.full_until().filter(|_| self.lane.live() == 0) {
            // Told to all when it happened, but an Issue that began later did not hear it.
            self.full(until);
        } else {
            // A connection that was leaving when this Issue began is not there any more.
            self.means.crew.grow(batch.unsettled()).await;
        }
    }

    /// Claims more under the same lease.
    async fn more(&self, lease: &Lease, room: usize) -> Result<Vec<Leased>> {
        let (Means { store, clock, .. }, room) = (&self.means, u32::try_from(room).unwrap_or(CLAIM_MAX));
        self.surely(|| Box::pin(store.claim_more(lease, room, clock.now()))).await
    }

    /// Begins with what was claimed: connections for it, and composing.
    async fn begin(&self, batch: &mut Batch, leased: Vec<Leased>) -> mpsc::Receiver<Vec<Made>> {
        batch.claimed(leased.len());
        self.means.crew.grow(leased.len()).await;
        self.compose(leased)
    }

    /// Composes in chunks beside the sending, two at a time, a little ahead of the sending.
    fn compose(&self, leased: Vec<Leased>) -> mpsc::Receiver<Vec<Made>> {
        let (to, made) = mpsc::channel(2);
        if leased.is_empty() {
            return made;
        }
        let (press, clock, world) = (self.press.clone(), self.means.clock.clone(), self.means.world.clone());
        tokio::spawn(async move {
            use futures_util::StreamExt as _;
            let leased = Arc::new(leased);
            let jobs = futures_util::stream::iter((0..leased.len()).step_by(COMPOSE_CHUNK)).map(|from| {
                let chunk = from..leased.len().min(from + COMPOSE_CHUNK);
                let (press, date, all, spare, again) = (press.clone(), clock.now(), leased.clone(), leased.clone(), chunk.clone());
                let (world, make) = (world.clone(), move || all[chunk].iter().map(|leased| Made::new(&press, leased, date)).collect());
                // A panic while composing is a bug of ours; it must not stop the others.
                let broken = move |bug: String| spare[again].iter().map(|leased| Made::broken(leased, &bug)).collect();
                async move { world.aside(make).await.unwrap_or_else(broken) }
            });
            let mut jobs = std::pin::pin!(jobs.buffered(2));
            while let Some(chunk) = jobs.next().await {
                if to.send(chunk).await.is_err() {
                    return;
                }
            }
        });
        made
    }

    /// Which intents may be granted now: none while no connection could take them.
    fn grants_now(&self, batch: &Batch, standing: &Standing) -> Grants {
        if standing.live == 0 || self.end.is_some() {
            return Grants::default();
        }
        batch.room(&self.lane, standing, self.alarm.held())
    }

    /// Results and intents in one durable step; then the intents that stand may be sent.
    async fn commit(&mut self, batch: &mut Batch, grants: Grants, ready: usize) -> Result<()> {
        let group = batch.group(grants, ready);
        let intents: Vec<SubscriberId> = group.jobs.iter().map(|job| job.subscriber).collect();
        let Means { store, clock, .. } = &self.means;
        let standing = self.surely(|| Box::pin(store.commit(&batch.lease, &group.records, &intents, clock.now()))).await?;
        group.records.iter().for_each(|record| metrics::outcome(&record.outcome, record.next_at.is_some()));
        let dropped = standing.len() < intents.len();
        let jobs = batch.granted(group, &standing);
        self.lane.extend(jobs, batch.open(self.alarm.held()));
        let mut parked = batch.sort(&self.lane);
        parked.extend(self.lane.pull(instant()));
        self.park(parked, batch);
        if dropped && self.end.is_none() {
            let row = self.surely(|| Box::pin(self.means.store.issue(self.issue))).await?;
            if row.is_none_or(|row| row.status != IssueStatus::Sending) {
                self.end = Some(End::Halted);
            }
        }
        Ok(())
    }

    /// These wait in the ledger until their domain's turn comes.
    fn park(&self, parked: Vec<Parked>, batch: &mut Batch) {
        let (now, here) = (self.means.clock.now(), instant());
        let record = |parked: Parked| Record {
            subscriber: parked.subscriber,
            outcome: Outcome::Waits(no_reply("pace", &self.lane.why(&parked.domain, here))),
            next_at: Some(now.plus(parked.wait)),
        };
        batch.add(parked.into_iter().map(record).collect());
    }

    /// A step of the ledger, until it is made.
    async fn surely<'a, T>(&self, step: impl Fn() -> BoxFuture<'a, Result<T>>) -> Result<T> {
        surely(self.issue, &self.stop, step).await
    }

    async fn take(&mut self, made: Option<Vec<Made>>, batch: &mut Batch) -> Result<()> {
        let (broken, parked) = batch.take(&self.lane, made);
        self.park(parked, batch);
        for (subscriber, attempts, outcome) in broken {
            self.hear(Report::Done(subscriber, attempts, outcome), batch).await?;
        }
        Ok(())
    }

    /// Everything there is to hear: looking at the lane once for many results costs less than once for each.
    async fn hear_all(&mut self, batch: &mut Batch) -> Result<()> {
        for report in self.lane.hear() {
            self.hear(report, batch).await?;
        }
        Ok(())
    }

    async fn hear(&mut self, report: Report, batch: &mut Batch) -> Result<()> {
        match report {
            Report::Up => {
                self.ever_up = true;
                (self.downs, self.hopeless) = (0, 0);
            }
            Report::Gone | Report::Room => {}
            Report::Down(errors) if self.lane.live() == 0 => self.down(&errors, batch).await?,
            Report::Down(_) => {}
            Report::Full(until) => self.full(until),
            Report::Done(subscriber, attempts, outcome) => {
                let record = self.record(subscriber, attempts, outcome);
                self.judged(|alarm| alarm.judge(record), batch).await?;
            }
        }
        Ok(())
    }

    /// The relays take no more today: what is left waits in the ledger.
    fn full(&mut self, until: Instant) {
        // A little later: two clocks may differ, and a moment before midnight it is still today.
        let at = self.means.clock.now().plus(until - instant() + DAY_BEGUN);
        let names = self.means.relays.names_with_warm_up().join(", ");
        let reason = format!("relay {names} has sent what its warm-up allows for today; goes on at {}", at.rfc3339());
        if self.end.is_none() {
            tracing::warn!(issue = self.issue.0, "waits: {reason}");
            self.end = Some(End::Full(at, reason));
        }
    }

    /// What is written of a result: a deferred one gets its next time, or none when it is too old.
    fn record(&self, subscriber: SubscriberId, attempts: u32, outcome: Outcome) -> Record {
        let now = self.means.clock.now();
        let wait = match &outcome {
            Outcome::Deferred { retry_after, .. } => {
                retry::delay(attempts, (self.means.world.chance)()).map(|delay| delay.max(retry_after.unwrap_or_default()))
            }
            Outcome::Unknown(_) if self.means.on_unknown == OnUnknown::Resend && attempts == 0 => Some(UNKNOWN_WAIT),
            Outcome::Unknown(_) if self.means.on_unknown == OnUnknown::Resend => retry::delay(attempts, (self.means.world.chance)()),
            _ => None,
        };
        Record { subscriber, outcome, next_at: wait.map(|wait| now.plus(wait)) }
    }

    /// At the end of a batch what was held back gets its verdict.
    async fn look_at_alarm(&mut self, batch: &mut Batch) -> Result<()> {
        if self.end.is_some() {
            batch.add(self.alarm.give_back());
        } else if self.alarm.held() > 0 && batch.all_reported_but(self.alarm.held()) {
            self.judged(Alarm::finish, batch).await?;
        }
        Ok(())
    }

    async fn judged(&mut self, verdict: impl FnOnce(&mut Alarm) -> Judged, batch: &mut Batch) -> Result<()> {
        match verdict(&mut self.alarm) {
            Judged::Record(records) => batch.add(records),
            Judged::Pause(reason, records) => {
                batch.add(records);
                // First of all nothing more goes: the store may take its time.
                self.wind_up(batch);
                self.pause(&reason).await?;
            }
        }
        Ok(())
    }

    /// No relay can be had: nothing stays granted, and where waiting cannot help the Issue pauses.
    async fn down(&mut self, errors: &[ConnectError], batch: &mut Batch) -> Result<()> {
        self.downs += 1;
        let hopeless = !errors.is_empty() && errors.iter().all(|error| error.fault != ConnectFault::Unreachable);
        self.hopeless = if hopeless { self.hopeless + 1 } else { 0 };
        let reason = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        batch.add(self.lane.drain(false).into_iter().map(|job| not_sent(job.subscriber)).collect());
        // A relay that loses its TLS for a moment gets a few tries; a login or a flat refusal does not mend itself.
        let tries = if errors.iter().any(|error| error.fault == ConnectFault::Tls) { DOWNS_MAX } else { 1 };
        if self.hopeless >= tries {
            return self.pause(&format!("no relay takes our mail: {reason}. Nothing is lost: mend it, then resume")).await;
        }
        if !self.means.patient && !self.ever_up && self.downs >= DOWNS_MAX {
            self.end.get_or_insert(End::Unreachable(reason));
        }
        Ok(())
    }

    async fn pause(&mut self, reason: &str) -> Result<()> {
        tracing::error!(issue = self.issue.0, "paused: {reason}");
        self.end.get_or_insert(End::Halted);
        let Means { store, clock, .. } = &self.means;
        match self.surely(|| Box::pin(store.pause_issue(self.issue, reason, clock.now()))).await {
            // Somebody paused or cancelled it first: that is as good.
            Err(StoreError::Refused(_)) => Ok(()),
            result => result,
        }
    }

    /// Nothing new is begun: what waits goes back, what is on its way is awaited.
    fn wind_up(&mut self, batch: &mut Batch) {
        batch.drop_wanted();
        batch.add(self.lane.drain(true).into_iter().map(|job| not_sent(job.subscriber)).collect());
        batch.add(self.alarm.give_back());
    }
}

/// Back to the queue, no Attempt counted.
fn not_sent(subscriber: SubscriberId) -> Record {
    Record { subscriber, outcome: Outcome::NotSent, next_at: None }
}

/// Waits for a timer that may not be set.
pub async fn maybe(timer: &mut Option<std::pin::Pin<Box<tokio::time::Sleep>>>) {
    match timer {
        Some(timer) => timer.as_mut().await,
        None => std::future::pending().await,
    }
}

/// How soon a Delivery of an Issue must be due again for a run to wait for it.
pub const NEAR: Duration = Duration::from_secs(30);

/// How long to wait for `due`, when that is soon.
pub fn wait_for(due: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    due.map(|due| due.since(now)).filter(|wait| *wait <= NEAR)
}
