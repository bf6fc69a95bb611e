//! What the send stage asks of the ledger. [`Store`] is the ledger; the simulator in the tests is the other one, and they are proved to answer alike.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::config::OnUnknown;
use crate::model::{Counts, Frozen, IssueId, SubscriberId, Timestamp};
use crate::store::deliveries::{Lease, Leased, Record, Recovered};
use crate::store::issues::IssueRow;
use crate::store::paces::Slice;
use crate::store::{Result, Store};

/// The ledger's answer, when it comes.
pub type Answer<'a, T> = BoxFuture<'a, Result<T>>;

/// The ledger as the send stage knows it; each function is told in full at the function of [`Store`] with its name.
pub trait Ledger: Send + Sync {
    /// Whether other workers may take from it too.
    fn is_shared(&self) -> bool {
        false
    }
    /// Issues that have something to claim at `now`; scheduled ones whose time has come are started.
    fn sendable_issues(&self, now: Timestamp) -> Answer<'_, Vec<IssueId>>;
    /// When something will be due that is not now.
    fn next_due(&self) -> Answer<'_, Option<Timestamp>>;
    /// One Issue.
    fn issue(&self, id: IssueId) -> Answer<'_, Option<IssueRow>>;
    /// What an Issue froze.
    fn frozen(&self, id: IssueId) -> Answer<'_, Frozen>;
    /// How many of its Deliveries stand where.
    fn counts(&self, id: IssueId) -> Answer<'_, Counts>;
    /// Stops an Issue with the reason.
    fn pause_issue<'a>(&'a self, id: IssueId, reason: &'a str, now: Timestamp) -> Answer<'a, ()>;
    /// Claims Deliveries under a new lease.
    fn claim<'a>(
        &'a self,
        issue: IssueId,
        worker: &'a str,
        limit: u32,
        length: Duration,
        now: Timestamp,
    ) -> Answer<'a, Option<(Lease, Vec<Leased>)>>;
    /// Makes a lease last longer.
    fn renew<'a>(&'a self, lease: &'a Lease, length: Duration, now: Timestamp) -> Answer<'a, Lease>;
    /// Gives a lease back.
    fn release<'a>(&'a self, lease: &'a Lease, now: Timestamp) -> Answer<'a, ()>;
    /// Takes back leases that are over, but none of those `in_use` by who asks.
    fn recover_others<'a>(&'a self, in_use: &'a [i64], on_unknown: OnUnknown, now: Timestamp) -> Answer<'a, Recovered>;
    /// Results and intents in one durable step; the intents that stand.
    fn commit<'a>(
        &'a self,
        lease: &'a Lease,
        results: &'a [Record],
        intents: &'a [SubscriberId],
        now: Timestamp,
    ) -> Answer<'a, Vec<SubscriberId>>;
    /// Claims more under a lease there is. A ledger that cannot gives none, and what is left is claimed anew.
    fn claim_more<'a>(&'a self, _lease: &'a Lease, _limit: u32, _now: Timestamp) -> Answer<'a, Vec<Leased>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
    /// Everything queued waits until an instant. A ledger that cannot holds none, and it is tried again at the next look.
    fn hold_queued<'a>(&'a self, _issue: IssueId, _until: Timestamp, _reason: &'a str, _now: Timestamp) -> Answer<'a, u64> {
        Box::pin(std::future::ready(Ok(0)))
    }
    /// Gives out slices of time, each once.
    fn reserve_slices<'a>(&'a self, slices: &'a [Slice], now: Timestamp) -> Answer<'a, Vec<Timestamp>>;
    /// Gives out messages of a day. A ledger without memory gives all.
    fn reserve_messages<'a>(&'a self, _relay: &'a str, _day: i64, wanted: u64, _most: u64) -> Answer<'a, u64> {
        Box::pin(std::future::ready(Ok(wanted)))
    }

    /// A small fact kept under `key`. A ledger that keeps none has forgotten it.
    fn fact<'a>(&'a self, _key: &'a str) -> Answer<'a, Option<String>> {
        Box::pin(std::future::ready(Ok(None)))
    }
    /// Keeps a small fact.
    fn keep_fact<'a>(&'a self, _key: &'a str, _value: &'a str) -> Answer<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// The leases under which this process works at the moment. Its other ones, such as one whose claim was answered too late, are nobody's.
#[derive(Debug, Clone, Default)]
pub struct InUse(Arc<Mutex<BTreeSet<i64>>>);

/// A lease in use, until this is dropped.
pub struct Held(InUse, i64);

impl InUse {
    /// The lease `epoch` is in use from now on.
    pub fn hold(&self, epoch: i64) -> Held {
        self.lock().insert(epoch);
        Held(self.clone(), epoch)
    }

    /// Their numbers.
    pub fn epochs(&self) -> Vec<i64> {
        self.lock().iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

impl Ledger for Store {
    fn is_shared(&self) -> bool {
        self.is_shared()
    }

    fn sendable_issues(&self, now: Timestamp) -> Answer<'_, Vec<IssueId>> {
        Box::pin(self.sendable_issues(now))
    }

    fn next_due(&self) -> Answer<'_, Option<Timestamp>> {
        Box::pin(self.next_due())
    }

    fn issue(&self, id: IssueId) -> Answer<'_, Option<IssueRow>> {
        Box::pin(self.issue(id))
    }

    fn frozen(&self, id: IssueId) -> Answer<'_, Frozen> {
        Box::pin(self.frozen(id))
    }

    fn counts(&self, id: IssueId) -> Answer<'_, Counts> {
        Box::pin(self.counts(id))
    }

    fn pause_issue<'a>(&'a self, id: IssueId, reason: &'a str, now: Timestamp) -> Answer<'a, ()> {
        Box::pin(self.pause_issue(id, reason, now))
    }

    fn claim<'a>(
        &'a self,
        issue: IssueId,
        worker: &'a str,
        limit: u32,
        length: Duration,
        now: Timestamp,
    ) -> Answer<'a, Option<(Lease, Vec<Leased>)>> {
        Box::pin(self.claim(issue, worker, limit, length, now))
    }

    fn renew<'a>(&'a self, lease: &'a Lease, length: Duration, now: Timestamp) -> Answer<'a, Lease> {
        Box::pin(self.renew(lease, length, now))
    }

    fn release<'a>(&'a self, lease: &'a Lease, now: Timestamp) -> Answer<'a, ()> {
        Box::pin(self.release(lease, now))
    }

    fn recover_others<'a>(&'a self, in_use: &'a [i64], on_unknown: OnUnknown, now: Timestamp) -> Answer<'a, Recovered> {
        Box::pin(self.recover_others(in_use, on_unknown, now))
    }

    fn commit<'a>(
        &'a self,
        lease: &'a Lease,
        results: &'a [Record],
        intents: &'a [SubscriberId],
        now: Timestamp,
    ) -> Answer<'a, Vec<SubscriberId>> {
        Box::pin(self.commit(lease, results, intents, now))
    }

    fn claim_more<'a>(&'a self, lease: &'a Lease, limit: u32, now: Timestamp) -> Answer<'a, Vec<Leased>> {
        Box::pin(self.claim_more(lease, limit, now))
    }

    fn hold_queued<'a>(&'a self, issue: IssueId, until: Timestamp, reason: &'a str, now: Timestamp) -> Answer<'a, u64> {
        Box::pin(self.hold_queued(issue, until, reason, now))
    }

    fn reserve_slices<'a>(&'a self, slices: &'a [Slice], now: Timestamp) -> Answer<'a, Vec<Timestamp>> {
        Box::pin(self.reserve_slices(slices, now))
    }

    fn reserve_messages<'a>(&'a self, relay: &'a str, day: i64, wanted: u64, most: u64) -> Answer<'a, u64> {
        Box::pin(self.reserve_messages(relay, day, wanted, most))
    }

    fn fact<'a>(&'a self, key: &'a str) -> Answer<'a, Option<String>> {
        Box::pin(self.meta(key))
    }

    fn keep_fact<'a>(&'a self, key: &'a str, value: &'a str) -> Answer<'a, ()> {
        Box::pin(self.set_meta(key, value))
    }
}
