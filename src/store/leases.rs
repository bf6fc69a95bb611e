//! Leases: claiming Deliveries, keeping them, giving them back, and taking them from the dead.

use std::collections::BTreeMap;
use std::time::Duration;

use super::deliveries::{Lease, Leased, Recovered, fence};
use super::issues::{finish, status};
use super::sql::{CHUNK_IN_ORDER, Tx, args, in_list};
use super::standing::{left_out, skip};
use super::subscribers::{SubscriberRow, subscriber};
use super::{Result, Store, StoreError};
use crate::config::OnUnknown;
use crate::model::{DeliveryState, IssueId, IssueStatus, ListId, SubscriberId, SubscriptionState, Timestamp};

/// A Delivery that could be claimed, with what decides whether it still should be. The person is missing once erased.
#[derive(sqlx::FromRow)]
struct Candidate {
    subscriber_id: i64,
    list_id: String,
    attempts: i64,
    state: Option<i64>,
    reason: Option<String>,
    email: Option<String>,
    name: Option<String>,
    attributes: Option<String>,
    language: Option<String>,
    timezone: Option<String>,
    created_at: Option<i64>,
}

impl Store {
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
        let mut tx = self.engine.write().await?;
        if status(&mut tx, issue).await?.0 != IssueStatus::Sending {
            return Ok(None);
        }
        let lease = Lease { epoch: tx.numbers("lease", 1).await?, issue, until: now.plus(length) };
        let claimed = fill(&mut tx, &lease, limit, now).await?;
        if claimed.is_empty() {
            finish(&mut tx, issue, now).await?;
            tx.commit().await?;
            return Ok(None);
        }
        let sql = "INSERT INTO leases (epoch, worker, issue_id, until_at) VALUES ($1, $2, $3, $4)";
        tx.run(sql, args![lease.epoch, worker, issue, lease.until]).await?;
        tx.run("UPDATE issues SET started_at = $2 WHERE id = $1 AND started_at IS NULL", args![issue, now]).await?;
        tx.commit().await?;
        Ok(Some((lease, claimed)))
    }

    /// Claims up to `limit` Deliveries more under a lease there is. None when nothing is left or the Issue is not being sent.
    /// [`super::StoreError::Fenced`] when the lease is over.
    pub async fn claim_more(&self, lease: &Lease, limit: u32, now: Timestamp) -> Result<Vec<Leased>> {
        let mut tx = self.engine.write().await?;
        if fence(&mut tx, lease, now).await? != IssueStatus::Sending {
            return Ok(Vec::new());
        }
        let claimed = fill(&mut tx, lease, limit, now).await?;
        tx.commit().await?;
        Ok(claimed)
    }

    /// Everything queued of an Issue waits until `until`, with the reason: no relay takes it before. How many.
    pub async fn hold_queued(&self, issue: IssueId, until: Timestamp, reason: &str, now: Timestamp) -> Result<u64> {
        let mut tx = self.engine.write().await?;
        if status(&mut tx, issue).await?.0 != IssueStatus::Sending {
            return Ok(0);
        }
        let sql = "UPDATE deliveries SET state = 4, next_at = $2, changed_at = $3, class = NULL, code = NULL, reply = $4
             WHERE issue_id = $1 AND state = 0";
        let held = tx.run(sql, args![issue, until, now, reason]).await?;
        tx.commit().await?;
        Ok(held)
    }

    /// Makes a lease last until `now + length`. [`super::StoreError::Fenced`] when it is over.
    pub async fn renew(&self, lease: &Lease, length: Duration, now: Timestamp) -> Result<Lease> {
        let until = now.plus(length);
        let mut tx = self.engine.write().await?;
        let sql = "UPDATE leases SET until_at = $3 WHERE epoch = $1 AND issue_id = $2 AND until_at > $4";
        if tx.run(sql, args![lease.epoch, lease.issue, until, now]).await? == 0 {
            return Err(StoreError::Fenced);
        }
        tx.commit().await?;
        Ok(Lease { until, ..*lease })
    }

    /// Gives a lease back: what is still leased becomes queued; the Issue becomes `done` when nothing is left to do.
    /// An intent without a result stays, for [`Store::recover`] to judge when the lease is over.
    pub async fn release(&self, lease: &Lease, now: Timestamp) -> Result<()> {
        let mut tx = self.engine.write().await?;
        requeue(&mut tx, lease.epoch, lease.issue, now).await?;
        let sql = "DELETE FROM leases WHERE epoch = $1 AND issue_id = $2
             AND NOT EXISTS (SELECT 1 FROM deliveries WHERE issue_id = $2 AND lease = $1)";
        tx.run(sql, args![lease.epoch, lease.issue]).await?;
        finish(&mut tx, lease.issue, now).await?;
        tx.commit().await
    }

    /// Takes back leases that are over; with `all`, every lease (the caller holds the sender lock, so their owners are dead).
    pub async fn recover(&self, all: bool, on_unknown: OnUnknown, now: Timestamp) -> Result<Recovered> {
        let over = "SELECT epoch, issue_id FROM leases WHERE until_at <= $1 OR $2 = 1 ORDER BY epoch";
        let dead: Vec<(i64, i64)> = self.engine.read().await?.rows(over, args![now, all]).await?;
        let mut recovered = Recovered::default();
        if dead.is_empty() {
            return Ok(recovered);
        }
        let mut tx = self.engine.write().await?;
        // Asked again, because a lease may have been renewed since the first look.
        for (epoch, issue) in tx.rows::<(i64, i64)>(over, args![now, all]).await? {
            let issue = IssueId(issue);
            recovered.requeued += requeue(&mut tx, epoch, issue, now).await?;
            recovered.unknown += judge(&mut tx, epoch, issue, on_unknown, now).await?;
            tx.run("DELETE FROM leases WHERE epoch = $1", args![epoch]).await?;
            finish(&mut tx, issue, now).await?;
        }
        tx.commit().await?;
        Ok(recovered)
    }
}

/// Leases up to `limit` Deliveries whose readers still get it, and skips those who do not.
async fn fill(tx: &mut Tx, lease: &Lease, limit: u32, now: Timestamp) -> Result<Vec<Leased>> {
    let mut claimed = Vec::new();
    loop {
        let wanted = (limit as usize).saturating_sub(claimed.len());
        let candidates = candidates(tx, lease.issue, wanted, now).await?;
        let last = candidates.len() < wanted;
        if candidates.is_empty() {
            return Ok(claimed);
        }
        let fresh = claimed.len();
        let mut gone: BTreeMap<String, Vec<SubscriberId>> = BTreeMap::new();
        for candidate in candidates {
            match left_out(candidate.state.and_then(SubscriptionState::from_code), candidate.reason.as_deref()) {
                None => claimed.push(leased(candidate)?),
                Some(reason) => gone.entry(reason).or_default().push(SubscriberId(candidate.subscriber_id)),
            }
        }
        skip(tx, lease.issue, gone, now).await?;
        for leased in claimed[fresh..].chunks(CHUNK_IN_ORDER) {
            let mut args = args![lease.epoch, now, lease.issue];
            let ids = in_list(&mut args, leased.iter().map(|leased| leased.subscriber.id));
            let sql = format!(
                "UPDATE deliveries SET state = 1, lease = $1, next_at = NULL, changed_at = $2 WHERE issue_id = $3 AND subscriber_id IN ({ids})"
            );
            tx.run(sql, args).await?;
        }
        if last {
            return Ok(claimed);
        }
    }
}

/// The next Deliveries in turn: first those that waited for their second try, then the queue.
async fn candidates(tx: &mut Tx, issue: IssueId, limit: usize, now: Timestamp) -> Result<Vec<Candidate>> {
    let sql = "SELECT d.subscriber_id, d.list_id, d.attempts, x.state, p.reason, s.email, s.name, s.attributes, s.language, s.timezone, s.created_at
         FROM (SELECT * FROM (SELECT subscriber_id, list_id, attempts FROM deliveries
                   WHERE issue_id = $1 AND state = 4 AND next_at <= $2 ORDER BY next_at LIMIT $3) AS due
               UNION ALL
               SELECT * FROM (SELECT subscriber_id, list_id, attempts FROM deliveries
                   WHERE issue_id = $1 AND state = 0 ORDER BY subscriber_id LIMIT $3) AS waiting
               LIMIT $3) AS d
         LEFT JOIN subscribers s ON s.id = d.subscriber_id
         LEFT JOIN subscriptions x ON x.list_id = d.list_id AND x.subscriber_id = s.id
         LEFT JOIN suppressions p ON p.email = s.email_key";
    tx.rows(sql, args![issue, now, limit]).await
}

fn leased(row: Candidate) -> Result<Leased> {
    let erased = || StoreError::Corrupt(format!("subscriber {}", row.subscriber_id));
    let columns: SubscriberRow = (
        row.subscriber_id,
        row.email.ok_or_else(erased)?,
        row.name,
        row.attributes.unwrap_or_default(),
        row.language,
        row.timezone,
        row.created_at.unwrap_or_default(),
    );
    Ok(Leased {
        subscriber: subscriber(columns)?,
        list: ListId::parse(&row.list_id).map_err(StoreError::Corrupt)?,
        attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
    })
}

/// What was claimed and never intended goes back to the queue, or is cancelled with its Issue. How many.
async fn requeue(tx: &mut Tx, epoch: i64, issue: IssueId, now: Timestamp) -> Result<u64> {
    let cancelled = status(tx, issue).await?.0 == IssueStatus::Cancelled;
    let state = if cancelled { DeliveryState::Cancelled } else { DeliveryState::Queued };
    let sql = "UPDATE deliveries SET state = $3, lease = NULL, changed_at = $4 WHERE issue_id = $1 AND lease = $2 AND state = 1";
    tx.run(sql, args![issue, epoch, state, now]).await
}

/// What was intended and has no result may have arrived: it is sent again or held. How many.
async fn judge(tx: &mut Tx, epoch: i64, issue: IssueId, on_unknown: OnUnknown, now: Timestamp) -> Result<u64> {
    let cancelled = status(tx, issue).await?.0 == IssueStatus::Cancelled;
    let state = match on_unknown {
        OnUnknown::Resend if !cancelled => DeliveryState::Queued,
        OnUnknown::Resend | OnUnknown::Hold => DeliveryState::Unknown,
    };
    let sql = "UPDATE deliveries SET state = $3, lease = NULL, attempts = attempts + 1, changed_at = $4,
         reply = 'stopped before the answer was read' WHERE issue_id = $1 AND lease = $2 AND state = 2";
    tx.run(sql, args![issue, epoch, state, now]).await
}
