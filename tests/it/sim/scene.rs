//! All that one simulation shares: chance, the ledger, the workers' lives, what the relay took, and the judge who compares.

mod judge;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Waker};
use std::time::Duration;

use postrider::config::OnUnknown;
use postrider::model::{DeliveryState, IssueId, SubscriberId, Timestamp};
use postrider::send::UNRECORDED_MAX;
use postrider::store::deliveries::Recovered;
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::books::{Books, Row};
use super::line::Line;
use super::pulse::{Pulse, Tally};
use super::weather::Plan;

/// The instant a simulation begins.
pub const BEGIN: Timestamp = Timestamp(1_790_000_000_000_000);
/// The readers of an Issue have their numbers from a range of its own.
pub const PEOPLE_MAX: i64 = 10_000;
/// Longest stretch in which the pace is counted.
const PACE_WINDOW: Duration = Duration::from_secs(2);

/// One life of a worker: a restarted one is another.
#[derive(Default)]
pub struct Worker {
    dead: bool,
    frozen: bool,
    steps: u64,
    dies_at: Option<u64>,
    frozen_ever: bool,
    /// It was told to stop and has.
    pub ended: bool,
    pub died: Arc<Notify>,
    /// Its clock is so much off.
    pub skew_micros: i64,
    /// When it died, or a run of it ended in an error: what was on its way is in doubt.
    doubts: Vec<Instant>,
    wakers: Vec<Waker>,
}

/// A message the relay has taken.
struct Copy {
    at: Instant,
    who: SubscriberId,
    worker: usize,
    line: Line,
    /// Where its answer ends; nothing until it is given.
    answer: Option<usize>,
    /// When the lease it was sent under was taken from its worker, if that was before.
    lapsed: Option<Instant>,
}

/// An intent that is durable and has no recorded result.
struct Intent {
    taken: bool,
}

pub struct Inner {
    pub rng: StdRng,
    pub plan: Plan,
    /// One for each Issue.
    pub shelf: Vec<Books>,
    pub workers: Vec<Worker>,
    pub calm: bool,
    /// The relay's own record of permanent refusals.
    pub refused: BTreeSet<SubscriberId>,
    pub dead_addresses: BTreeSet<String>,
    pub left: BTreeSet<SubscriberId>,
    pub cancelled_ever: bool,
    pub fault: Option<String>,
    by_address: HashMap<String, SubscriberId>,
    copies: Vec<Copy>,
    message_ids: HashMap<SubscriberId, String>,
    intents: HashMap<(usize, SubscriberId), Intent>,
    owners: HashMap<i64, usize>,
    /// Whose last Attempt may have arrived without our knowing.
    doubtful: BTreeSet<SubscriberId>,
    /// What a worker may still send under intents that were taken from it: since when.
    lapsed: HashMap<(usize, SubscriberId), Instant>,
    pace: BTreeMap<(usize, usize), VecDeque<Instant>>,
    pub(super) pulses: Vec<Pulse>,
    pub(super) asked: HashMap<usize, Tally>,
    pub(super) vain: HashMap<(usize, usize), Tally>,
    begun: Instant,
    story: Option<Vec<String>>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Scene(Arc<Mutex<Inner>>);

impl Scene {
    pub fn new(rng: StdRng, plan: Plan, shelf: Vec<Books>, told: bool) -> Self {
        let rows = shelf.iter().flat_map(|books| books.rows.values());
        let by_address = rows.map(|row| (row.subscriber.email.as_str().to_owned(), row.subscriber.id)).collect();
        Self(Arc::new(Mutex::new(Inner {
            rng,
            plan,
            shelf,
            workers: Vec::new(),
            calm: false,
            refused: BTreeSet::new(),
            dead_addresses: BTreeSet::new(),
            left: BTreeSet::new(),
            cancelled_ever: false,
            fault: None,
            by_address,
            copies: Vec::new(),
            message_ids: HashMap::new(),
            intents: HashMap::new(),
            owners: HashMap::new(),
            doubtful: BTreeSet::new(),
            lapsed: HashMap::new(),
            pace: BTreeMap::new(),
            pulses: Vec::new(),
            asked: HashMap::new(),
            vain: HashMap::new(),
            begun: Instant::now(),
            story: told.then(Vec::new),
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// A line of the story, when somebody wants to read it.
    pub fn tell(&self, line: impl FnOnce() -> String) {
        self.lock().tell(line);
    }

    /// True so many times in a thousand; never once all is calm.
    pub fn happens(&self, rate: impl Fn(&super::weather::Weather) -> u32) -> bool {
        let mut inner = self.lock();
        let rate = rate(&inner.plan.weather);
        !inner.calm && rate > 0 && inner.rng.random_ratio(rate, 1000)
    }

    pub fn draw<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.lock().rng)
    }

    /// The time as this worker's clock has it.
    pub fn now(&self, worker: usize) -> Timestamp {
        let inner = self.lock();
        let skew = inner.workers[worker].skew_micros;
        Timestamp(inner.now().0 + skew)
    }

    /// Whether a worker may do something that others see. The dead never may again; the frozen are woken later.
    pub fn may_act(&self, worker: usize, cx: &Context<'_>) -> bool {
        let mut inner = self.lock();
        if inner.step(worker) || inner.workers[worker].dead {
            return false;
        }
        let worker = &mut inner.workers[worker];
        if worker.frozen {
            worker.wakers.push(cx.waker().clone());
        }
        !worker.frozen
    }

    /// When a worker's next step is its last and that is a write: how much of it still leaves.
    pub fn last_words(&self, worker: usize, length: usize) -> Option<usize> {
        let mut inner = self.lock();
        let life = &inner.workers[worker];
        if life.dead || life.frozen || life.dies_at != Some(life.steps + 1) {
            return None;
        }
        inner.step(worker);
        Some(inner.rng.random_range(0..=length))
    }

    pub fn freeze(&self, worker: usize, frozen: bool) {
        let mut inner = self.lock();
        inner.tell(|| format!("worker {worker} {}", if frozen { "is frozen" } else { "thaws" }));
        inner.workers[worker].frozen = frozen;
        inner.workers[worker].frozen_ever |= frozen;
        for waker in std::mem::take(&mut inner.workers[worker].wakers) {
            waker.wake();
        }
    }
}

impl Inner {
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            let at = self.begun.elapsed();
            let line = format!("{:02}:{:02}.{:03} {}", at.as_secs() / 60, at.as_secs() % 60, at.subsec_millis(), line());
            story.push(line);
        }
    }

    pub fn story(&mut self) -> Vec<String> {
        self.story.take().unwrap_or_default()
    }

    /// The true time.
    pub fn now(&self) -> Timestamp {
        BEGIN.plus(self.begun.elapsed())
    }

    /// Since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// What the ledger has of an Issue.
    pub fn book(&mut self, issue: IssueId) -> &mut Books {
        &mut self.shelf[issue.0 as usize - 1]
    }

    /// What the ledger has of a Delivery.
    pub fn row(&self, who: SubscriberId) -> &Row {
        &self.shelf[((who.0 - 1) / PEOPLE_MAX) as usize].rows[&who]
    }

    /// Everybody, in order.
    pub fn everybody(&self) -> Vec<SubscriberId> {
        self.shelf.iter().flat_map(|books| books.rows.keys().copied()).collect()
    }

    /// The leases there are.
    pub fn leases(&self) -> Vec<i64> {
        self.shelf.iter().flat_map(Books::leases).collect()
    }

    /// Whose lease it is.
    pub fn owner(&self, lease: i64) -> usize {
        self.owners[&lease]
    }

    /// Whether a worker is alive, awake and not stopped.
    pub fn is_at_work(&self, worker: usize) -> bool {
        let worker = &self.workers[worker];
        !worker.dead && !worker.frozen && !worker.ended
    }

    /// Something that must never be. The first counts.
    pub fn wrong(&mut self, what: String) {
        if self.fault.is_none() {
            self.tell(|| format!("WRONG: {what}"));
            self.fault = Some(what);
        }
    }

    pub fn new_worker(&mut self) -> usize {
        self.workers.push(Worker::default());
        self.workers.len() - 1
    }

    /// Kills a worker after so many more steps; at once with 0.
    pub fn doom(&mut self, worker: usize, after: u64) {
        let life = &mut self.workers[worker];
        life.dies_at = Some(life.steps + after);
        if after == 0 {
            self.die(worker);
        }
    }

    pub fn is_dead(&self, worker: usize) -> bool {
        self.workers[worker].dead
    }

    fn step(&mut self, worker: usize) -> bool {
        let life = &mut self.workers[worker];
        life.steps += 1;
        let dies = !life.dead && life.dies_at == Some(life.steps);
        if dies {
            self.die(worker);
        }
        dies
    }

    fn die(&mut self, worker: usize) {
        self.tell(|| format!("worker {worker} is killed"));
        self.workers[worker].dead = true;
        self.workers[worker].died.notify_one();
        self.doubt(worker);
    }

    /// Whatever this worker had on its way is in doubt from here on.
    pub fn doubt(&mut self, worker: usize) {
        self.workers[worker].doubts.push(Instant::now());
        let open: Vec<SubscriberId> = self.intents.keys().filter(|(owner, _)| *owner == worker).map(|(_, who)| *who).collect();
        self.lapsed.extend(open.iter().map(|who| ((worker, *who), Instant::now())));
        self.doubtful.extend(open);
    }

    pub fn name(&self, who: SubscriberId) -> String {
        self.row(who).subscriber.email.as_str().to_owned()
    }

    pub fn who(&self, address: &str) -> Option<SubscriberId> {
        self.by_address.get(address).copied()
    }

    /// The ledger has made these intents of `worker` durable, and recorded those results.
    pub fn committed(&mut self, worker: usize, recorded: &[SubscriberId], intended: &[SubscriberId]) {
        for who in recorded {
            self.intents.remove(&(worker, *who));
        }
        for who in intended {
            self.intents.entry((worker, *who)).or_insert(Intent { taken: false });
        }
        // The store has done what the dead asked for.
        if self.workers[worker].dead {
            self.doubtful.extend(intended);
        }
    }

    /// The ledger has given these to `worker` anew: whatever it intended before counts no more.
    pub fn claimed(&mut self, worker: usize, lease: i64, who: impl Iterator<Item = SubscriberId>) {
        self.owners.insert(lease, worker);
        for who in who {
            self.intents.remove(&(worker, who));
            self.lapsed.remove(&(worker, who));
        }
    }

    /// Recovery by `worker`, which spares some owners.
    pub fn take_back(
        &mut self,
        worker: usize,
        all: bool,
        spared: impl Fn(i64) -> bool,
        on_unknown: OnUnknown,
        now: Timestamp,
    ) -> Recovered {
        let before = self.leases();
        let mut recovered = Recovered::default();
        for books in &mut self.shelf {
            let one = books.take_back(all, &spared, on_unknown, now);
            recovered.requeued += one.requeued;
            recovered.unknown += one.unknown;
        }
        self.taken_from_owners(&before);
        if recovered != Recovered::default() {
            self.tell(|| format!("worker {worker} finds {} never begun and {} in doubt", recovered.requeued, recovered.unknown));
        }
        recovered
    }

    /// Recovery was made: those of the leases `before` that are no more were taken from their owners, whose open work is in doubt from here on.
    fn taken_from_owners(&mut self, before: &[i64]) {
        let left = self.leases();
        for lease in before.iter().filter(|lease| !left.contains(lease)) {
            let owner = self.owners[lease];
            let honest = self.workers.iter().all(|worker| worker.skew_micros == 0) && self.plan.store_is_well();
            let life = &self.workers[owner];
            if honest && !life.dead && !life.frozen_ever && life.doubts.is_empty() {
                self.wrong(format!("lease {lease} of worker {owner} ran out, and the worker was alive and well"));
            }
            self.doubt(owner);
        }
    }

    /// MAIL was said: the pace is kept.
    pub fn paced(&mut self, worker: usize, relay: usize) {
        self.vain.entry((worker, relay)).or_default().clear();
        let Some(pace) = self.plan.pace else { return };
        let now = Instant::now();
        let times = self.pace.entry((worker, relay)).or_default();
        times.push_back(now);
        while times.front().is_some_and(|at| now - *at > PACE_WINDOW) {
            times.pop_front();
        }
        let most = (pace as usize) * 2 + 2 * self.plan.relays[relay].connections * self.plan.relays[relay].window.max(1) + 2;
        if times.len() > most {
            let count = times.len();
            self.wrong(format!("worker {worker} began {count} messages in 2 s at relay {relay}; its pace is {pace}/s"));
        }
    }

    /// The first bytes of a message for `who` have come.
    pub fn content_begins(&mut self, worker: usize, who: SubscriberId) {
        if !self.intents.contains_key(&(worker, who)) {
            let name = self.name(who);
            self.wrong(format!("worker {worker} sends to {name} without a durable intent"));
        }
        // What has begun may have gone out whole: the relay need not have read it all.
        self.doubtful.insert(who);
    }

    /// The relay has taken a message. Gives its number for [`Self::answered`].
    pub fn accept(&mut self, worker: usize, who: SubscriberId, message_id: String, line: &Line) -> usize {
        let now = Instant::now();
        let first = self.message_ids.entry(who).or_insert_with(|| message_id.clone());
        if *first != message_id {
            let other = first.clone();
            self.wrong(format!("{} got two Message-IDs: {other} and {message_id}", self.name(who)));
        }
        if self.intents.get_mut(&(worker, who)).is_some_and(|intent| std::mem::replace(&mut intent.taken, true)) {
            self.wrong(format!("worker {worker} sent to {} twice under one intent", self.name(who)));
        }
        let lapsed = self.lapsed.get(&(worker, who)).copied();
        self.copies.push(Copy { at: now, who, worker, line: line.clone(), answer: None, lapsed });
        self.in_flight(worker);
        self.copies.len() - 1
    }

    /// Were the worker killed now, so many would come twice.
    fn in_flight(&mut self, worker: usize) {
        let mut by_lease: BTreeMap<i64, BTreeSet<SubscriberId>> = BTreeMap::new();
        for ((_, who), _) in self.intents.iter().filter(|((owner, _), intent)| *owner == worker && intent.taken) {
            let row = self.row(*who);
            if let (DeliveryState::Attempting, Some(lease)) = (row.state, row.lease) {
                by_lease.entry(lease).or_default().insert(*who);
            }
        }
        let most = self.plan.in_flight() + UNRECORDED_MAX;
        if let Some(count) = by_lease.values().map(BTreeSet::len).find(|count| *count > most) {
            self.wrong(format!("{count} messages of worker {worker} are taken and not recorded; {most} are promised"));
        }
    }

    /// The relay has written its 250 for a message; `mark` is where it ends.
    pub fn answered(&mut self, copy: usize, mark: usize) {
        self.copies[copy].answer = Some(mark);
    }

    /// All that this worker has on its way may arrive without our knowing.
    pub fn may_arrive(&mut self, worker: usize) {
        let open: Vec<SubscriberId> = self.intents.keys().filter(|(owner, _)| *owner == worker).map(|(_, who)| *who).collect();
        self.doubtful.extend(open);
    }

    /// How much longer than usual the answer for somebody takes: for those at the last of several domains.
    pub fn slowness_of(&self, who: SubscriberId) -> Duration {
        let slow = self.plan.domains > 1 && self.row(who).subscriber.email.domain() == super::play::domain(self.plan.domains - 1);
        if slow { self.plan.slow_domain } else { Duration::ZERO }
    }

    /// When messages to a domain were taken.
    pub fn taken_at(&self, domain: &str) -> Vec<Instant> {
        self.copies.iter().filter(|copy| self.row(copy.who).subscriber.email.domain() == domain).map(|copy| copy.at).collect()
    }

    pub fn copies(&self) -> usize {
        self.copies.len()
    }
}
