//! The ledger as a worker of a simulation meets it: the books, behind a store that takes its time, fails, answers late or not at all.

use std::time::Duration;

use postrider::config::OnUnknown;
use postrider::model::{Counts, Frozen, IssueId, SubscriberId, Timestamp};
use postrider::send::ledger::{Answer, Ledger};
use postrider::store::deliveries::{Lease, Leased, Record, Recovered};
use postrider::store::issues::IssueRow;
use postrider::store::paces::Slice;
use postrider::store::{Result, StoreError};
use rand::RngExt as _;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::books::Books;
use super::scene::{Inner, Scene};

/// One worker's way to the ledger.
#[derive(Clone)]
pub struct Desk {
    pub scene: Scene,
    pub worker: usize,
}

/// What becomes of one statement.
struct Fate {
    before: Duration,
    fails: bool,
    answer_lost: bool,
}

impl Desk {
    /// Lets `work` be done on the books. It is done by the store, which goes on when the worker dies meanwhile.
    fn ask<T: Send + 'static>(&self, what: &'static str, work: impl FnOnce(&mut Inner) -> Result<T> + Send + 'static) -> Answer<'_, T> {
        Box::pin(async move {
            self.may_act().await;
            self.queue().await;
            let fate = self.fate();
            let result = if fate.before.is_zero() {
                self.done(what, &fate, work)
            } else {
                let (tell, told) = oneshot::channel();
                let desk = self.clone();
                tokio::spawn(async move {
                    sleep(fate.before).await;
                    // Nobody waits for the answer when the worker has died.
                    let _ = tell.send(desk.done(what, &fate, work));
                });
                told.await.unwrap()
            };
            self.may_act().await;
            result
        })
    }

    /// Takes back leases that are over, or all.
    pub fn recover(&self, all: bool, on_unknown: OnUnknown, now: Timestamp) -> Answer<'_, Recovered> {
        let worker = self.worker;
        self.ask("recovery", move |inner| Ok(inner.take_back(worker, all, |_| false, on_unknown, now)))
    }

    fn done<T>(&self, what: &'static str, fate: &Fate, work: impl FnOnce(&mut Inner) -> Result<T>) -> Result<T> {
        let mut inner = self.scene.lock();
        // On SQLite a statement is done by the process that asks, and dies with it.
        let dead = inner.plan.alone && inner.is_dead(self.worker);
        let result = if fate.fails || dead { Err(failed()) } else { work(&mut inner) };
        let result = if fate.answer_lost && result.is_ok() { Err(failed()) } else { result };
        if let Err(error) = &result {
            inner.tell(|| {
                let lost = if fate.answer_lost { "done, its answer lost" } else { "refused" };
                format!("the store, to worker {}: {what} {lost}: {error}", self.worker)
            });
            // Whoever hears this gives up what is on its way. Any other error is to be borne without that.
            if matches!(error, StoreError::Fenced) {
                inner.doubt(self.worker);
            }
        }
        result
    }

    /// A worker that asks without end at one instant is told off, and made to wait so that the simulation ends.
    async fn queue(&self) {
        let too_much = self.scene.lock().asked(self.worker);
        if too_much {
            sleep(Duration::from_secs(1)).await;
        }
    }

    async fn may_act(&self) {
        std::future::poll_fn(|cx| if self.scene.may_act(self.worker, cx) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending })
            .await;
    }

    fn fate(&self) -> Fate {
        let scene = &self.scene;
        let mut before = scene.lock().plan.store_takes;
        let (slow, hangs) = (scene.happens(|weather| weather.store_slow), scene.happens(|weather| weather.store_hangs));
        if slow {
            before += Duration::from_millis(scene.draw(|rng| rng.random_range(20..5_000)));
        }
        if hangs {
            before += Duration::from_secs(scene.draw(|rng| rng.random_range(100..400)));
        }
        let fails = scene.happens(|weather| weather.store_fails) || scene.lock().store_is_down();
        let answer_lost = scene.happens(|weather| weather.store_answer_lost);
        Fate { before, fails, answer_lost }
    }
}

fn failed() -> StoreError {
    StoreError::Database(sqlx::Error::PoolTimedOut)
}

fn on_books<T>(id: IssueId, work: impl FnOnce(&mut Books) -> T + Send) -> impl FnOnce(&mut Inner) -> Result<T> + Send {
    move |inner| Ok(work(inner.book(id)))
}

impl Ledger for Desk {
    fn sendable_issues(&self, now: Timestamp) -> Answer<'_, Vec<IssueId>> {
        self.ask("looking for work", move |inner| {
            inner.feel_pulse();
            Ok(inner.shelf.iter_mut().flat_map(|books| books.sendable(now)).collect())
        })
    }

    fn next_due(&self) -> Answer<'_, Option<Timestamp>> {
        self.ask("looking ahead", |inner| Ok(inner.shelf.iter().filter_map(Books::next_due).min()))
    }

    fn issue(&self, id: IssueId) -> Answer<'_, Option<IssueRow>> {
        self.ask("looking at the issue", move |inner| {
            inner.feel_pulse();
            Ok(Some(inner.book(id).row()))
        })
    }

    fn frozen(&self, id: IssueId) -> Answer<'_, Frozen> {
        self.ask("reading the issue", on_books(id, |books| books.frozen.clone()))
    }

    fn counts(&self, id: IssueId) -> Answer<'_, Counts> {
        self.ask("counting", on_books(id, |books| books.counts()))
    }

    fn pause_issue<'a>(&'a self, id: IssueId, reason: &'a str, _now: Timestamp) -> Answer<'a, ()> {
        let (reason, worker) = (reason.to_owned(), self.worker);
        self.ask("pausing", move |inner| {
            inner.tell(|| format!("worker {worker} pauses issue {}: {reason}", id.0));
            inner.book(id).pause(&reason)
        })
    }

    fn claim<'a>(
        &'a self,
        issue: IssueId,
        _worker: &'a str,
        limit: u32,
        length: Duration,
        now: Timestamp,
    ) -> Answer<'a, Option<(Lease, Vec<Leased>)>> {
        let worker = self.worker;
        self.ask("claim", move |inner| {
            let claimed = inner.book(issue).claim(limit, length, now);
            if let Some((lease, leased)) = &claimed {
                inner.tell(|| format!("worker {worker} claims {} of issue {} under lease {}", leased.len(), issue.0, lease.epoch));
                inner.claimed(worker, lease.epoch, leased.iter().map(|leased| leased.subscriber.id));
            }
            Ok(claimed)
        })
    }

    fn claim_more<'a>(&'a self, lease: &'a Lease, limit: u32, now: Timestamp) -> Answer<'a, Vec<Leased>> {
        let (lease, worker) = (*lease, self.worker);
        self.ask("claim of more", move |inner| {
            let leased = inner.book(lease.issue).claim_more(&lease, limit, now)?;
            if !leased.is_empty() {
                inner.tell(|| format!("worker {worker} claims {} more under lease {}", leased.len(), lease.epoch));
                inner.claimed(worker, lease.epoch, leased.iter().map(|leased| leased.subscriber.id));
            }
            Ok(leased)
        })
    }

    fn renew<'a>(&'a self, lease: &'a Lease, length: Duration, now: Timestamp) -> Answer<'a, Lease> {
        let lease = *lease;
        self.ask("renewal", move |inner| inner.book(lease.issue).renew(&lease, length, now))
    }

    fn release<'a>(&'a self, lease: &'a Lease, now: Timestamp) -> Answer<'a, ()> {
        let (lease, worker) = (*lease, self.worker);
        self.ask("release", move |inner| {
            inner.tell(|| format!("worker {worker} gives lease {} back", lease.epoch));
            inner.book(lease.issue).release(&lease, now);
            Ok(())
        })
    }

    fn reserve_slices<'a>(&'a self, slices: &'a [Slice], now: Timestamp) -> Answer<'a, Vec<Timestamp>> {
        let slices = slices.to_vec();
        self.ask("slices of time", move |inner| Ok(inner.shelf[0].reserve_slices(&slices, now)))
    }

    fn recover_others<'a>(&'a self, in_use: &'a [i64], on_unknown: OnUnknown, now: Timestamp) -> Answer<'a, Recovered> {
        let (worker, in_use) = (self.worker, in_use.to_vec());
        self.ask("recovery", move |inner| Ok(inner.take_back(worker, false, |epoch| in_use.contains(&epoch), on_unknown, now)))
    }

    fn commit<'a>(
        &'a self,
        lease: &'a Lease,
        results: &'a [Record],
        intents: &'a [SubscriberId],
        _now: Timestamp,
    ) -> Answer<'a, Vec<SubscriberId>> {
        let (lease, results, intents, worker) = (*lease, results.to_vec(), intents.to_vec(), self.worker);
        self.ask("commit", move |inner| {
            let standing = inner.book(lease.issue).commit(&lease, &results, &intents)?;
            let recorded: Vec<SubscriberId> = results.iter().map(|result| result.subscriber).collect();
            inner.tell(|| format!("worker {worker} records {} and intends {} of {}", recorded.len(), standing.len(), intents.len()));
            inner.committed(worker, &recorded, &standing);
            Ok(standing)
        })
    }
}
