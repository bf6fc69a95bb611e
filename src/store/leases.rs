//! Leases: claiming Deliveries, keeping them, giving them back, and taking them from the dead.

use std::collections::BTreeMap;
use std::time::Duration;

use super::deliveries::{Lease, Leased, Recovered, fence};
use super::issues::{Standing, finish, held_status, status};
use super::sql::{CHUNK_IN_ORDER, Tx, args, in_list};
use super::standing::{left_out, skip};
use super::subscribers::{SubscriberRow, subscriber};
use super::{Result, Store, StoreError};
use crate::config::OnUnknown;
use crate::model::{DeliveryState, IssueId, IssueStatus, ListId, Notice, SubscriberId, SubscriptionState, Timestamp};

/// So many who do not get it any more are passed over in one transaction; whoever else wants to write has a turn then.
const SKIPPED_MAX: usize = 2_048;
/// The least that is claimed at a time where workers share: fewer would be composed and committed at a loss.
const CLAIM_MIN: u32 = 16;

/// A Delivery that could be claimed, with what decides whether it still should be. The person is missing once erased.
#[derive(sqlx::FromRow)]
struct Candidate {
    subscriber_id: i64,
    list_id: String,
    attempts: i64,
    part: Option<String>,
    state: Option<i64>,
    reason: Option<String>,
    paused_until: Option<i64>,
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
        loop {
            let (claimed, more) = self.claim_once(issue, worker, limit, length, now).await?;
            if claimed.is_some() || !more {
                return Ok(claimed);
            }
        }
    }

    /// One transaction of a claim; and whether others are to be looked at when it found nobody to mail.
    async fn claim_once(
        &self,
        issue: IssueId,
        worker: &str,
        limit: u32,
        length: Duration,
        now: Timestamp,
    ) -> Result<(Option<(Lease, Vec<Leased>)>, bool)> {
        let apart = if self.engine.is_shared() { Some(self.number_of_lease().await?) } else { None };
        let mut tx = self.engine.write().await?;
        let standing = begun_status(&mut tx, issue, now).await?;
        if standing.status != IssueStatus::Sending {
            return Ok((None, false));
        }
        let limit = fair_part(&mut tx, issue, limit, now).await?;
        let epoch = match apart {
            Some(epoch) => epoch,
            None => tx.numbers("lease", 1).await?,
        };
        let (claimed, more) = fill(&mut tx, (issue, standing.notice), epoch, limit, now).await?;
        if claimed.is_empty() {
            tx.commit().await?;
            self.finish_if_over(issue, now).await?;
            return Ok((None, more));
        }
        let sql = format!(
            "INSERT INTO leases (epoch, worker, issue_id, until_at) VALUES ($1, $2, $3, {} + $5) RETURNING until_at",
            tx.clock("$4")
        );
        let until: Option<(i64,)> = tx.row(sql, args![epoch, worker, issue, now, micros(length)]).await?;
        let until = Timestamp(until.ok_or(sqlx::Error::RowNotFound)?.0);
        tx.commit().await?;
        self.remember(epoch);
        Ok((Some((Lease { epoch, issue, until }, claimed)), more))
    }

    /// Claims up to `limit` Deliveries more under a lease there is. None when nothing is left or the Issue is not being sent.
    /// [`super::StoreError::Fenced`] when the lease is over.
    pub async fn claim_more(&self, lease: &Lease, limit: u32, now: Timestamp) -> Result<Vec<Leased>> {
        loop {
            let mut tx = self.engine.write().await?;
            let standing = fence(&mut tx, lease).await?;
            if standing.status != IssueStatus::Sending {
                return Ok(Vec::new());
            }
            let limit = fair_part(&mut tx, lease.issue, limit, now).await?;
            let (claimed, more) = fill(&mut tx, (lease.issue, standing.notice), lease.epoch, limit, now).await?;
            tx.commit().await?;
            if !claimed.is_empty() || !more {
                return Ok(claimed);
            }
        }
    }

    /// Everything queued of an Issue waits until `until`, with the reason: no relay takes it before. How many.
    pub async fn hold_queued(&self, issue: IssueId, until: Timestamp, reason: &str, now: Timestamp) -> Result<u64> {
        let mut tx = self.engine.write().await?;
        if held_status(&mut tx, issue).await?.status != IssueStatus::Sending {
            return Ok(0);
        }
        let sql = "UPDATE deliveries SET state = 4, next_at = $2, changed_at = $3, class = NULL, code = NULL, reply = $4
             WHERE issue_id = $1 AND state = 0";
        let held = tx.run(sql, args![issue, until, now, reason]).await?;
        tx.commit().await?;
        Ok(held)
    }

    /// The number of a new lease, in a transaction of its own: where several workers claim, none waits for the others' claims.
    /// A number that then is not used is lost, which harms nothing.
    async fn number_of_lease(&self) -> Result<i64> {
        let mut tx = self.engine.write().await?;
        let epoch = tx.numbers("lease", 1).await?;
        tx.commit().await?;
        Ok(epoch)
    }

    /// Makes a lease last for `length` from now. [`super::StoreError::Fenced`] when somebody took it away.
    pub async fn renew(&self, lease: &Lease, length: Duration, now: Timestamp) -> Result<Lease> {
        let mut tx = self.engine.write().await?;
        let clock = tx.clock("$4");
        let sql = format!("UPDATE leases SET until_at = {clock} + $3 WHERE epoch = $1 AND issue_id = $2 RETURNING until_at");
        let until: Option<(i64,)> = tx.row(sql, args![lease.epoch, lease.issue, micros(length), now]).await?;
        let (until,) = until.ok_or(StoreError::Fenced)?;
        tx.commit().await?;
        Ok(Lease { until: Timestamp(until), ..*lease })
    }

    /// Gives a lease back: what is still leased becomes queued; the Issue becomes `done` when nothing is left to do.
    /// An intent without a result stays, for [`Store::recover`] to judge when the lease is over.
    pub async fn release(&self, lease: &Lease, now: Timestamp) -> Result<()> {
        let mut tx = self.engine.write().await?;
        let status = held_status(&mut tx, lease.issue).await?.status;
        requeue(&mut tx, lease.epoch, lease.issue, status, now).await?;
        let sql = "DELETE FROM leases WHERE epoch = $1 AND issue_id = $2
             AND NOT EXISTS (SELECT 1 FROM deliveries WHERE issue_id = $2 AND lease = $1)";
        tx.run(sql, args![lease.epoch, lease.issue]).await?;
        tx.commit().await?;
        self.finish_if_over(lease.issue, now).await
    }

    /// Takes back leases that are over; with `all`, every lease (the caller is alone, so their owners are dead).
    pub async fn recover(&self, all: bool, on_unknown: OnUnknown, now: Timestamp) -> Result<Recovered> {
        self.take_back(all, &[], on_unknown, now).await
    }

    /// Takes back leases that are over, but none of those `in_use` by the caller: who asks while it sends under them is alive, whatever its clock says.
    pub async fn recover_others(&self, in_use: &[i64], on_unknown: OnUnknown, now: Timestamp) -> Result<Recovered> {
        self.take_back(false, in_use, on_unknown, now).await
    }

    async fn take_back(&self, all: bool, spared: &[i64], on_unknown: OnUnknown, now: Timestamp) -> Result<Recovered> {
        let mut recovered = Recovered::default();
        let mut tx = self.engine.read().await?;
        let mut args = args![now, all];
        // No lease has the number 0; a list must have something in it.
        let spared = in_list(&mut args, spared.iter().copied().chain([0]));
        let clock = tx.clock("$1");
        let over =
            format!("SELECT epoch, issue_id FROM leases WHERE (until_at <= {clock} OR $2 = 1) AND epoch NOT IN ({spared}) ORDER BY epoch");
        let dead: Vec<(i64, i64)> = tx.rows(over, args).await?;
        drop(tx);
        for (epoch, issue) in dead {
            let mut tx = self.engine.write().await?;
            let issue = IssueId(issue);
            // The Issue first and then the lease, as in a commit: two that wait for each other would wait for ever.
            let (status, _) = status(&mut tx, issue).await?;
            // Asked again, because it may have been renewed, or taken by somebody else, since the first look.
            let sql = format!("SELECT epoch FROM leases WHERE epoch = $3 AND (until_at <= {} OR $2 = 1){}", tx.clock("$1"), tx.locked());
            if tx.row::<(i64,)>(sql, args![now, all, epoch]).await?.is_none() {
                continue;
            }
            recovered.requeued += requeue(&mut tx, epoch, issue, status, now).await?;
            recovered.unknown += judge(&mut tx, epoch, issue, on_unknown, status, now).await?;
            tx.run("DELETE FROM leases WHERE epoch = $1", args![epoch]).await?;
            finish(&mut tx, issue, now).await?;
            tx.commit().await?;
        }
        Ok(recovered)
    }
}

/// Where an Issue stands, begun by this claim if it was not. Others may hold it in the same way; nobody pauses or cancels it meanwhile.
async fn begun_status(tx: &mut Tx, issue: IssueId, now: Timestamp) -> Result<Standing> {
    // First of all, because a row that is held by two cannot be changed by either.
    let sql = "UPDATE issues SET started_at = $2 WHERE id = $1 AND started_at IS NULL AND status = 'sending'";
    tx.run(sql, args![issue, now]).await?;
    held_status(tx, issue).await
}

/// Where several workers claim, none takes more than a quarter of its share of what is left, so that a small Issue is shared too and all end together.
async fn fair_part(tx: &mut Tx, issue: IssueId, limit: u32, now: Timestamp) -> Result<u32> {
    let Tx::Postgres(..) = tx else { return Ok(limit) };
    // No more of the queue is counted than makes a difference: a claim must cost the same in an Issue of ten and of a million.
    let sql = format!(
        "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM deliveries WHERE issue_id = $1 AND state = 0 LIMIT $2 * GREATEST(w.workers, 1)) AS q), w.workers
         FROM (SELECT COUNT(DISTINCT worker) AS workers FROM leases WHERE issue_id = $1 AND until_at > {}) AS w",
        tx.clock("$3")
    );
    let row: Option<(i64, i64)> = tx.row(sql, args![issue, i64::from(limit) * 4, now]).await?;
    let (left, workers) = row.unwrap_or_default();
    let part = left / (4 * workers.max(1));
    Ok(limit.min(u32::try_from(part).unwrap_or(limit).max(CLAIM_MIN)))
}

pub(super) fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

/// Leases up to `limit` Deliveries whose readers still get it, and skips those who do not, and those whose rows cannot be read: they stop nobody else.
/// Gives what was leased, and whether it ended early because so many were skipped.
async fn fill(
    tx: &mut Tx,
    (issue, notice): (IssueId, Option<Notice>),
    epoch: i64,
    limit: u32,
    now: Timestamp,
) -> Result<(Vec<Leased>, bool)> {
    let (mut claimed, mut skipped) = (Vec::new(), 0);
    loop {
        let wanted = (limit as usize).saturating_sub(claimed.len());
        let candidates = candidates(tx, issue, wanted, now).await?;
        let last = candidates.len() < wanted;
        let fresh = claimed.len();
        let mut gone: BTreeMap<String, Vec<SubscriberId>> = BTreeMap::new();
        for candidate in candidates {
            let id = SubscriberId(candidate.subscriber_id);
            let paused = candidate.paused_until.map(Timestamp).filter(|until| *until > now);
            let reason = left_out(notice, candidate.state.and_then(SubscriptionState::from_code), candidate.reason.as_deref(), paused);
            match reason.map_or_else(|| leased(candidate), Err) {
                Ok(leased) => claimed.push(leased),
                Err(reason) => {
                    skipped += 1;
                    gone.entry(reason).or_default().push(id);
                }
            }
        }
        skip(tx, issue, gone, now).await?;
        for leased in claimed[fresh..].chunks(CHUNK_IN_ORDER) {
            let mut args = args![epoch, now, issue];
            let ids = in_list(&mut args, leased.iter().map(|leased| leased.subscriber.id));
            let sql = format!(
                "UPDATE deliveries SET state = 1, lease = $1, next_at = NULL, changed_at = $2 WHERE issue_id = $3 AND subscriber_id IN ({ids})"
            );
            tx.run(sql, args).await?;
        }
        if last || claimed.len() >= limit as usize {
            return Ok((claimed, false));
        }
        if skipped >= SKIPPED_MAX {
            return Ok((claimed, true));
        }
    }
}

/// The next Deliveries in turn: first those that waited for their second try, then the queue.
async fn candidates(tx: &mut Tx, issue: IssueId, limit: usize, now: Timestamp) -> Result<Vec<Candidate>> {
    let claimed = tx.claimed();
    let sql = format!(
        "SELECT d.subscriber_id, d.list_id, d.attempts, d.part, x.state, p.reason,
             s.paused_until, s.email, s.name, s.attributes, s.language, s.timezone, s.created_at
         FROM (SELECT * FROM (SELECT subscriber_id, list_id, attempts, part FROM deliveries
                   WHERE issue_id = $1 AND state = 4 AND next_at <= $2 ORDER BY next_at LIMIT $3{claimed}) AS due
               UNION ALL
               SELECT * FROM (SELECT subscriber_id, list_id, attempts, part FROM deliveries
                   WHERE issue_id = $1 AND state = 0 ORDER BY subscriber_id LIMIT $3{claimed}) AS waiting
               LIMIT $3) AS d
         LEFT JOIN subscribers s ON s.id = d.subscriber_id
         LEFT JOIN subscriptions x ON x.list_id = d.list_id AND x.subscriber_id = s.id
         LEFT JOIN suppressions p ON p.email = s.email_key"
    );
    tx.rows(sql, args![issue, now, limit]).await
}

/// What composing needs of a row, or why it cannot be read: it was changed by another program, or an older version took what this one does not.
fn leased(row: Candidate) -> Result<Leased, String> {
    let columns: SubscriberRow = (
        row.subscriber_id,
        row.email.ok_or("the subscriber is gone, a subscription is left")?,
        row.name,
        row.attributes.unwrap_or_default(),
        row.language,
        row.timezone,
        row.created_at.unwrap_or_default(),
    );
    Ok(Leased {
        subscriber: subscriber(columns).map_err(|error| error.to_string())?,
        list: ListId::parse(&row.list_id)?,
        attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
        part: row.part,
    })
}

/// What was claimed and never intended goes back to the queue, or is cancelled with its Issue. How many.
async fn requeue(tx: &mut Tx, epoch: i64, issue: IssueId, status: IssueStatus, now: Timestamp) -> Result<u64> {
    let state = if status == IssueStatus::Cancelled { DeliveryState::Cancelled } else { DeliveryState::Queued };
    let sql = "UPDATE deliveries SET state = $3, lease = NULL, changed_at = $4 WHERE issue_id = $1 AND lease = $2 AND state = 1";
    tx.run(sql, args![issue, epoch, state, now]).await
}

/// What was intended and has no result may have arrived: it is sent again or held. How many.
async fn judge(tx: &mut Tx, epoch: i64, issue: IssueId, on_unknown: OnUnknown, status: IssueStatus, now: Timestamp) -> Result<u64> {
    let state = match on_unknown {
        OnUnknown::Resend if status != IssueStatus::Cancelled => DeliveryState::Queued,
        OnUnknown::Resend | OnUnknown::Hold => DeliveryState::Unknown,
    };
    let sql = "UPDATE deliveries SET state = $3, lease = NULL, attempts = attempts + 1, changed_at = $4,
         reply = 'stopped before the answer was read' WHERE issue_id = $1 AND lease = $2 AND state = 2";
    tx.run(sql, args![issue, epoch, state, now]).await
}
