//! A ledger that is the store, but answers late or not at all where a test wants it to.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postrider::config::OnUnknown;
use postrider::model::relay::Rate;
use postrider::model::{Counts, Frozen, IssueId, Relay, SubscriberId, Timestamp};
use postrider::send::Sender;
use postrider::send::connect::Trust;
use postrider::send::ledger::{Answer, Ledger};
use postrider::send::smtp::Timeouts;
use postrider::store::deliveries::{Lease, Leased, Record, Recovered};
use postrider::store::issues::IssueRow;
use postrider::store::paces::Slice;
use postrider::store::{Store, StoreError};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::ledger::{Desk, HTML, letter, to};
use crate::support::smtp::{Act, FULL, Server};

/// What the test takes away from the store.
struct Awkward {
    store: Store,
    /// So many claims are made without their answer being heard.
    lost_claims: AtomicUsize,
    /// Time is given out only as far as this allows.
    slices: Semaphore,
    slices_asked: AtomicUsize,
    /// Who asked last.
    asker: Mutex<Option<tokio::task::Id>>,
    slices_given: AtomicUsize,
}

impl Awkward {
    fn new(store: &Store, lost_claims: usize, slices: usize) -> Arc<Self> {
        Arc::new(Self {
            store: store.clone(),
            lost_claims: AtomicUsize::new(lost_claims),
            slices: Semaphore::new(slices),
            slices_asked: AtomicUsize::new(0),
            asker: Mutex::new(None),
            slices_given: AtomicUsize::new(0),
        })
    }
}

/// The test keeps one handle, the sender the other.
struct Handle(Arc<Awkward>);

impl Ledger for Handle {
    fn sendable_issues(&self, now: Timestamp) -> Answer<'_, Vec<IssueId>> {
        Box::pin(self.0.store.sendable_issues(now))
    }

    fn next_due(&self) -> Answer<'_, Option<Timestamp>> {
        Box::pin(self.0.store.next_due())
    }

    fn issue(&self, id: IssueId) -> Answer<'_, Option<IssueRow>> {
        Box::pin(self.0.store.issue(id))
    }

    fn frozen(&self, id: IssueId) -> Answer<'_, Frozen> {
        Box::pin(self.0.store.frozen(id))
    }

    fn counts(&self, id: IssueId) -> Answer<'_, Counts> {
        Box::pin(self.0.store.counts(id))
    }

    fn pause_issue<'a>(&'a self, id: IssueId, reason: &'a str, now: Timestamp) -> Answer<'a, ()> {
        Box::pin(self.0.store.pause_issue(id, reason, now))
    }

    fn claim<'a>(
        &'a self,
        issue: IssueId,
        worker: &'a str,
        limit: u32,
        length: Duration,
        now: Timestamp,
    ) -> Answer<'a, Option<(Lease, Vec<Leased>)>> {
        Box::pin(async move {
            let claimed = self.0.store.claim(issue, worker, limit, length, now).await;
            let lost = self.0.lost_claims.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
            if lost { Err(StoreError::Database(sqlx::Error::PoolTimedOut)) } else { claimed }
        })
    }

    fn renew<'a>(&'a self, lease: &'a Lease, length: Duration, now: Timestamp) -> Answer<'a, Lease> {
        Box::pin(self.0.store.renew(lease, length, now))
    }

    fn release<'a>(&'a self, lease: &'a Lease, now: Timestamp) -> Answer<'a, ()> {
        Box::pin(self.0.store.release(lease, now))
    }

    fn recover_others<'a>(&'a self, in_use: &'a [i64], on_unknown: OnUnknown, now: Timestamp) -> Answer<'a, Recovered> {
        Box::pin(self.0.store.recover_others(in_use, on_unknown, now))
    }

    fn commit<'a>(
        &'a self,
        lease: &'a Lease,
        results: &'a [Record],
        intents: &'a [SubscriberId],
        now: Timestamp,
    ) -> Answer<'a, Vec<SubscriberId>> {
        Box::pin(self.0.store.commit(lease, results, intents, now))
    }

    fn reserve_slices<'a>(&'a self, slices: &'a [Slice], now: Timestamp) -> Answer<'a, Vec<Timestamp>> {
        Box::pin(async move {
            *self.0.asker.lock().unwrap() = tokio::task::try_id();
            self.0.slices_asked.fetch_add(1, SeqCst);
            self.0.slices.acquire().await.unwrap().forget();
            let given = self.0.store.reserve_slices(slices, now).await;
            self.0.slices_given.fetch_add(1, SeqCst);
            given
        })
    }
}

fn sender(desk: &Desk, ledger: &Arc<Awkward>, relay: Relay) -> Sender {
    let (clock, wait) = (desk.clock(), Duration::from_secs(5));
    let timeouts = Timeouts { connect: wait, greeting: wait, envelope: wait, data: wait, block: wait, last: wait };
    let ledger = Handle(ledger.clone());
    Sender::with(ledger, &[relay], OnUnknown::Resend, "https://example.org/", desk.key.clone(), clock, Trust::default(), timeouts)
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(20), "still not after 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_taken_back_in_time_while_another_issue_is_under_way() {
    let desk = Desk::new(120).await;
    let second = desk.store.create_issue(&letter(HTML), desk.now()).await.unwrap();
    let server = Server::start(FULL, |event| if event.verb == "DOT" { Act::Late(Duration::from_millis(50)) } else { Act::Usual }).await;
    let relay = Relay { connections: 1, messages_per_connection: 10_000, ..to(&server) };
    let ledger = Awkward::new(&desk.store, 1, 0);
    let (sender, stop) = (sender(&desk, &ledger, relay), CancellationToken::new());
    let token = stop.clone();
    let task = tokio::spawn(async move { sender.run(token).await });
    until("one issue is under way and the other one's claim is lost", async || {
        !server.recipients().is_empty() && ledger.lost_claims.load(SeqCst) == 0
    })
    .await;
    // Both leases are over by the clock now; one of them has an owner who works.
    desk.later(Duration::from_secs(600));
    until("both issues go out", async || {
        let [one, other] = [desk.counts().await.sent, desk.store.counts(second).await.unwrap().sent];
        assert!(one.max(other) < 120, "one issue was sent to its end ({one} and {other}) before the other one's people were taken back");
        one > 0 && other > 0
    })
    .await;
    stop.cancel();
    task.await.unwrap().unwrap();
    let mut recipients = server.recipients();
    recipients.sort();
    assert!(recipients.chunk_by(|one, other| one == other).all(|same| same.len() <= 2), "nobody gets an issue twice");
}

#[tokio::test]
async fn an_issue_that_ends_while_time_is_asked_for_neither_makes_the_others_ask_twice_nor_leaves_them_without() {
    for asker_ends in [false, true] {
        let desk = Desk::new(20).await;
        let second = desk.store.create_issue(&letter(HTML), desk.now()).await.unwrap();
        let server = Server::start(FULL, |_| Act::Usual).await;
        // Two messages a slice, which lasts 1.3 s; the next slice is asked for as soon as the first message has gone.
        let relay = Relay { rate: Some(Rate::parse("90/min").unwrap()), ..to(&server) };
        let ledger = Awkward::new(&desk.store, 0, 1);
        let sender = Arc::new(sender(&desk, &ledger, relay));
        let runs = [desk.issue, second].map(|issue| {
            let sender = sender.clone();
            tokio::spawn(async move { sender.run_issue(issue, &CancellationToken::new()).await })
        });
        until("the second slice is asked for", async || ledger.slices_asked.load(SeqCst) == 2).await;
        let asker = *ledger.asker.lock().unwrap();
        let ending = runs.iter().find(|run| (Some(run.id()) == asker) == asker_ends).expect("one of the two asks");
        ending.abort();
        tokio::time::sleep(Duration::from_millis(100)).await;
        ledger.slices.add_permits(100);
        until("the second slice is given", async || ledger.slices_given.load(SeqCst) >= 2).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let given = ledger.slices_given.load(SeqCst);
        assert_eq!(given, 2, "the third slice would lie where the second does (the one that asked ended: {asker_ends})");
        runs.iter().for_each(|run| run.abort());
    }
}
