//! The ledger: Deliveries, their leases, intents and results. See docs/delivery for the promise it keeps.

use std::time::Duration;

use super::{Result, Store};
use crate::config::OnUnknown;
use crate::model::{IssueId, ListId, Outcome, Subscriber, SubscriberId, Timestamp};

/// A Worker's claim on some Deliveries of one Issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Its number: only records made under the current one are taken.
    pub epoch: i64,
    /// The Issue.
    pub issue: IssueId,
    /// Over at this instant unless renewed.
    pub until: Timestamp,
}

/// A claimed Delivery with all that composing needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Leased {
    /// To whom.
    pub subscriber: Subscriber,
    /// As a member of this List.
    pub list: ListId,
    /// Attempts so far.
    pub attempts: u32,
}

/// The result of one Attempt, to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whose Delivery.
    pub subscriber: SubscriberId,
    /// What became of it.
    pub outcome: Outcome,
    /// For a deferred one: when again. When absent it failed for good (too old).
    pub next_at: Option<Timestamp>,
}

/// What recovery found after a crash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Claimed, nothing left us: back in the queue.
    pub requeued: u64,
    /// Intent durable, result not: queued again, or held, by `on_unknown`.
    pub unknown: u64,
}

/// A failed, deferred or unknown Delivery, for reports.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Trouble {
    /// Address.
    pub email: String,
    /// `failed`, `deferred`, `unknown` or `skipped`.
    pub state: String,
    /// Class word, if any.
    pub class: Option<String>,
    /// SMTP code, if any.
    pub code: Option<i64>,
    /// The reply's text, or the reason.
    pub reply: Option<String>,
    /// When it is tried again.
    pub next_at: Option<Timestamp>,
}

impl Store {
    /// Scheduled Issues whose time has come become `sending`; gives the Issues that have Deliveries to claim at `now`.
    pub async fn sendable_issues(&self, now: Timestamp) -> Result<Vec<IssueId>> {
        let _ = now;
        todo!()
    }

    /// When something will be due that is not now: the earliest scheduled Issue or deferred Delivery.
    pub async fn next_due(&self) -> Result<Option<Timestamp>> {
        todo!()
    }

    /// Claims up to `limit` Deliveries (queued, or deferred and due) under a new lease. People who left, or were suppressed, since the Issue was
    /// frozen become `skipped` here. Nothing to claim gives `None`.
    pub async fn claim(
        &self,
        issue: IssueId,
        worker: &str,
        limit: u32,
        length: Duration,
        now: Timestamp,
    ) -> Result<Option<(Lease, Vec<Leased>)>> {
        let _ = (issue, worker, limit, length, now);
        todo!()
    }

    /// Makes a lease last until `now + length`. [`super::StoreError::Fenced`] when it is over.
    pub async fn renew(&self, lease: &Lease, length: Duration, now: Timestamp) -> Result<Lease> {
        let _ = (lease, length, now);
        todo!()
    }

    /// One durable commit with the results of the last group and the intents of the next. Gives the intents that stand: a Delivery whose
    /// reader has left or whose Issue was paused or cancelled meanwhile is not among them (it became skipped, queued or cancelled) and must not be sent.
    /// [`super::StoreError::Fenced`], with nothing written, when the lease is over.
    pub async fn commit(&self, lease: &Lease, results: &[Record], intents: &[SubscriberId], now: Timestamp) -> Result<Vec<SubscriberId>> {
        let _ = (lease, results, intents, now);
        todo!()
    }

    /// Gives a lease back: what is still leased becomes queued; the Issue becomes `done` when nothing is left to do.
    pub async fn release(&self, lease: &Lease, now: Timestamp) -> Result<()> {
        let _ = (lease, now);
        todo!()
    }

    /// Takes back leases that are over; with `all`, every lease (the caller holds the sender lock, so their owners are dead).
    pub async fn recover(&self, all: bool, on_unknown: OnUnknown, now: Timestamp) -> Result<Recovered> {
        let _ = (all, on_unknown, now);
        todo!()
    }

    /// Deliveries of an Issue that are not as they should be, at most `limit`.
    pub async fn troubles(&self, issue: IssueId, limit: u32) -> Result<Vec<Trouble>> {
        let _ = (issue, limit);
        todo!()
    }
}
