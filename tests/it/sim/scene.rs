//! All that one simulation shares: chance, the ledger, the workers' lives, what the relay took, and the judge who compares.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Waker};
use std::time::Duration;

use postrider::config::OnUnknown;
use postrider::model::{DeliveryState, SubscriberId, Timestamp};
use postrider::send::UNRECORDED_MAX;
use postrider::store::deliveries::Recovered;
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::books::Books;
use super::line::Line;
use super::weather::Plan;

/// The instant a simulation begins.
pub const BEGIN: Timestamp = Timestamp(1_790_000_000_000_000);
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
    message_id: String,
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
    pub books: Books,
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
    intents: HashMap<(usize, SubscriberId), Intent>,
    owners: HashMap<i64, usize>,
    /// Whose last Attempt may have arrived without our knowing.
    doubtful: BTreeSet<SubscriberId>,
    /// What a worker may still send under intents that were taken from it: since when.
    lapsed: HashMap<(usize, SubscriberId), Instant>,
    pace: BTreeMap<usize, VecDeque<Instant>>,
    begun: Instant,
    story: Option<Vec<String>>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Scene(Arc<Mutex<Inner>>);

impl Scene {
    pub fn new(rng: StdRng, plan: Plan, books: Books, told: bool) -> Self {
        let by_address = books.rows.values().map(|row| (row.subscriber.email.as_str().to_owned(), row.subscriber.id)).collect();
        Self(Arc::new(Mutex::new(Inner {
            rng,
            plan,
            books,
            workers: Vec::new(),
            calm: false,
            refused: BTreeSet::new(),
            dead_addresses: BTreeSet::new(),
            left: BTreeSet::new(),
            cancelled_ever: false,
            fault: None,
            by_address,
            copies: Vec::new(),
            intents: HashMap::new(),
            owners: HashMap::new(),
            doubtful: BTreeSet::new(),
            lapsed: HashMap::new(),
            pace: BTreeMap::new(),
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

    /// Something that must never be. The first counts.
    pub fn wrong(&mut self, what: String) {
        self.tell(|| format!("WRONG: {what}"));
        self.fault.get_or_insert(what);
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
        self.books.rows[&who].subscriber.email.as_str().to_owned()
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
        let before = self.books.leases();
        let recovered = self.books.take_back(all, spared, on_unknown, now);
        self.taken_from_owners(&before);
        if recovered != Recovered::default() {
            self.tell(|| format!("worker {worker} finds {} never begun and {} in doubt", recovered.requeued, recovered.unknown));
        }
        recovered
    }

    /// Recovery was made: those of the leases `before` that are no more were taken from their owners, whose open work is in doubt from here on.
    fn taken_from_owners(&mut self, before: &[i64]) {
        let left = self.books.leases();
        for lease in before.iter().filter(|lease| !left.contains(lease)) {
            let owner = self.owners[lease];
            let honest = self.workers.iter().all(|worker| worker.skew_micros == 0) && self.plan.weather.store_is_well();
            let life = &self.workers[owner];
            if honest && !life.dead && !life.frozen_ever && life.doubts.is_empty() {
                self.wrong(format!("lease {lease} of worker {owner} ran out, and the worker was alive and well"));
            }
            self.doubt(owner);
        }
    }

    /// MAIL was said: the pace is kept.
    pub fn paced(&mut self, worker: usize) {
        let Some(pace) = self.plan.pace else { return };
        let now = Instant::now();
        let times = self.pace.entry(worker).or_default();
        times.push_back(now);
        while times.front().is_some_and(|at| now - *at > PACE_WINDOW) {
            times.pop_front();
        }
        let most = (pace as usize) * 2 + 2 * self.plan.connections + 2;
        if times.len() > most {
            let count = times.len();
            self.wrong(format!("worker {worker} began {count} messages in 2 s; its pace is {pace}/s"));
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
        if let Some(other) = self.copies.iter().find(|copy| copy.who == who && copy.message_id != message_id) {
            let other = other.message_id.clone();
            self.wrong(format!("{} got two Message-IDs: {other} and {message_id}", self.name(who)));
        }
        if self.intents.get_mut(&(worker, who)).is_some_and(|intent| std::mem::replace(&mut intent.taken, true)) {
            self.wrong(format!("worker {worker} sent to {} twice under one intent", self.name(who)));
        }
        let lapsed = self.lapsed.get(&(worker, who)).copied();
        self.copies.push(Copy { at: now, who, worker, message_id, line: line.clone(), answer: None, lapsed });
        self.in_flight(worker);
        self.copies.len() - 1
    }

    /// Were the worker killed now, so many would come twice.
    fn in_flight(&mut self, worker: usize) {
        let mut by_lease: BTreeMap<i64, BTreeSet<SubscriberId>> = BTreeMap::new();
        for copy in self.copies.iter().filter(|copy| copy.worker == worker) {
            let row = &self.books.rows[&copy.who];
            let taken = self.intents.get(&(worker, copy.who)).is_some_and(|intent| intent.taken);
            if let (DeliveryState::Attempting, Some(lease), true) = (row.state, row.lease, taken) {
                by_lease.entry(lease).or_default().insert(copy.who);
            }
        }
        let most = self.plan.connections + UNRECORDED_MAX;
        if let Some(count) = by_lease.values().map(BTreeSet::len).find(|count| *count > most) {
            self.wrong(format!("{count} messages of worker {worker} are taken and not recorded; {most} are promised"));
        }
    }

    /// The relay has written its 250 for a message; `mark` is where it ends.
    pub fn answered(&mut self, copy: usize, mark: usize) {
        self.copies[copy].answer = Some(mark);
    }

    /// When all is over: everybody has what the relay's own record says, and nobody got more than is allowed.
    pub fn judge(&mut self) {
        let counts = self.books.counts();
        if !counts.add_up() || !counts.is_finished() {
            self.wrong(format!("something is left to do: {counts:?}"));
        }
        for who in self.books.rows.keys().copied().collect::<Vec<_>>() {
            let copies = self.copies.iter().filter(|copy| copy.who == who).count();
            let row = &self.books.rows[&who];
            let (state, suppressed) = (row.state, self.dead_addresses.contains(row.subscriber.email.as_str()));
            let lie = match state {
                DeliveryState::Sent => (copies == 0).then_some("is recorded as sent, and the relay never took it"),
                DeliveryState::Failed => (!self.refused.contains(&who)).then_some("is recorded as failed, and the relay never refused it"),
                DeliveryState::Skipped => (!self.left.contains(&who) && !suppressed).then_some("was skipped, and has not left"),
                DeliveryState::Cancelled => (!self.cancelled_ever).then_some("is cancelled, and nobody did"),
                DeliveryState::Unknown => (!self.doubtful(who)).then_some("is held as unknown, and nothing about it was in doubt"),
                _ => Some("has no end"),
            };
            if let Some(lie) = lie {
                self.wrong(format!("{} {lie} ({state:?}, {copies} copies)", self.name(who)));
            }
        }
        self.judge_duplicates();
    }

    fn doubtful(&self, who: SubscriberId) -> bool {
        // A copy whose answer was read is in doubt only when its worker died or gave up after it.
        self.doubtful.contains(&who)
            && !self.copies.iter().any(|copy| {
                copy.who == who && self.was_read(copy) && !self.workers[copy.worker].doubts.iter().any(|doubt| *doubt >= copy.at)
            })
    }

    fn was_read(&self, copy: &Copy) -> bool {
        copy.answer.is_some_and(|mark| copy.line.had(mark))
    }

    /// A second copy is allowed when the answer to the first never came, or its worker died (or gave up) after it, or when one of the two was sent under an
    /// intent that had been taken from its worker before it knew; and then only so many times.
    fn judge_duplicates(&mut self) {
        let mut charged: BTreeMap<(usize, Instant), usize> = BTreeMap::new();
        let mut wrong = Vec::new();
        for (n, copy) in self.copies.iter().enumerate() {
            let Some(before) = self.copies[..n].iter().rev().find(|before| before.who == copy.who) else { continue };
            if !self.was_read(before) {
                continue;
            }
            let doubts = self.workers[before.worker].doubts.iter();
            let after_first = || doubts.into_iter().find(|doubt| **doubt >= before.at && **doubt <= copy.at).map(|at| (before.worker, *at));
            let lapsed = |copy: &Copy| copy.lapsed.map(|at| (copy.worker, at));
            match lapsed(before).or_else(|| lapsed(copy)).or_else(after_first) {
                Some(doubt) => *charged.entry(doubt).or_default() += 1,
                None => wrong.push(format!("{} got it twice, and the answer to the first was read", self.name(copy.who))),
            }
        }
        let most = self.plan.connections + UNRECORDED_MAX;
        if let Some(count) = charged.values().copied().find(|count| *count > most) {
            wrong.push(format!("one death sent {count} messages twice; {most} are promised"));
        }
        for wrong in wrong {
            self.wrong(wrong);
        }
    }

    /// A worker that was allowed to stop has recorded every answer it read.
    pub fn judge_stopped(&mut self, worker: usize) {
        let open = |copy: &&Copy| {
            let row = &self.books.rows[&copy.who];
            let intended = self.intents.get(&(worker, copy.who)).is_some_and(|intent| intent.taken);
            copy.worker == worker && intended && row.state == DeliveryState::Attempting && self.was_read(copy)
        };
        let doubts = !self.workers[worker].doubts.is_empty();
        if let Some(who) = self.copies.iter().filter(|_| !doubts).find(open).map(|copy| copy.who) {
            self.wrong(format!("worker {worker} stopped and did not record that {} was taken", self.name(who)));
        }
    }

    pub fn copies(&self) -> usize {
        self.copies.len()
    }
}
