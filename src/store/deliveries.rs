//! The ledger: Deliveries, their leases, intents and results. See docs/delivery for the promise it keeps.

use std::collections::{BTreeMap, HashSet};

use super::issues::{Standing, finish, status};
use super::sql::{CHUNK, Tx, Value, args, in_list, pieces, value_rows};
use super::standing::{left_out, skip};
use super::{Result, Store, StoreError, strikes};
use crate::model::outcome::Reply;
use crate::model::{
    DeliveryState, FailureClass, IssueId, IssueStatus, ListId, Notice, Outcome, Subscriber, SubscriberId, SubscriptionState, Timestamp,
};
use crate::telemetry::metrics::Timer;

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
    /// Which of the Articles, if not those everybody gets ([`crate::model::Share`]).
    pub part: Option<String>,
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

/// What a [`Record`] makes of its row.
struct Settled {
    subscriber: SubscriberId,
    state: DeliveryState,
    attempts: i64,
    class: Option<FailureClass>,
    reply: Option<Reply>,
    next_at: Option<Timestamp>,
}

impl Store {
    /// Scheduled Issues whose time has come become `sending`; gives the Issues that have Deliveries to claim at `now`.
    pub async fn sendable_issues(&self, now: Timestamp) -> Result<Vec<IssueId>> {
        let mut tx = self.engine.read().await?;
        let stale =
            "SELECT id FROM issues i WHERE finished_at IS NULL AND ((status = 'scheduled' AND (scheduled_at IS NULL OR scheduled_at <= $1))
             OR (status = 'sending' AND NOT EXISTS (SELECT 1 FROM deliveries WHERE issue_id = i.id AND state = 0)
                 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE issue_id = i.id AND state = 4)
                 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE issue_id = i.id AND lease IS NOT NULL)))";
        let due: Vec<(i64,)> = tx.rows(stale, args![now]).await?;
        if !due.is_empty() {
            drop(tx);
            self.start(&due, now).await?;
            tx = self.engine.read().await?;
        }
        let sql = "SELECT id FROM issues i WHERE status = 'sending' AND finished_at IS NULL
             AND (EXISTS (SELECT 1 FROM deliveries WHERE issue_id = i.id AND state = 0)
                 OR EXISTS (SELECT 1 FROM deliveries WHERE issue_id = i.id AND state = 4 AND next_at <= $1)) ORDER BY id";
        let rows: Vec<(i64,)> = tx.rows(sql, args![now]).await?;
        Ok(rows.into_iter().map(|(id,)| IssueId(id)).collect())
    }

    /// Starts what is due; one that has nobody to go to is done at once.
    async fn start(&self, issues: &[(i64,)], now: Timestamp) -> Result<()> {
        let mut tx = self.engine.write().await?;
        for &(id,) in issues {
            let sql = "UPDATE issues SET status = 'sending' WHERE id = $1 AND status = 'scheduled' AND (scheduled_at IS NULL OR scheduled_at <= $2)";
            status(&mut tx, IssueId(id)).await?;
            tx.run(sql, args![id, now]).await?;
            finish(&mut tx, IssueId(id), now).await?;
        }
        tx.commit().await
    }

    /// When something will be due that is not now: the earliest scheduled Issue or deferred Delivery.
    pub async fn next_due(&self) -> Result<Option<Timestamp>> {
        let mut tx = self.engine.read().await?;
        let sql = "SELECT MIN(at) FROM (
                 SELECT COALESCE(scheduled_at, created_at) AS at FROM issues WHERE status = 'scheduled' AND finished_at IS NULL
                 UNION ALL
                 SELECT (SELECT MIN(next_at) FROM deliveries WHERE issue_id = i.id AND state = 4) AS at
                 FROM issues i WHERE status = 'sending' AND finished_at IS NULL
             ) AS t";
        let row: Option<(Option<i64>,)> = tx.row(sql, args![]).await?;
        Ok(row.and_then(|(at,)| at).map(Timestamp))
    }

    /// One durable commit with the results of the last group and the intents of the next. Gives the intents that stand: a Delivery whose
    /// reader has left or whose Issue was paused or cancelled meanwhile is not among them (it became skipped, queued or cancelled) and must not be sent.
    /// [`super::StoreError::Fenced`], with nothing written, when the lease was taken away. One whose time is over and that nobody took is good:
    /// a clock that jumps, or a store that was away for long, makes no duplicates.
    /// Committing the same again changes nothing, so a commit whose answer was lost can be repeated.
    pub async fn commit(&self, lease: &Lease, results: &[Record], intents: &[SubscriberId], now: Timestamp) -> Result<Vec<SubscriberId>> {
        let timer = Timer::start();
        let mut tx = self.engine.write().await?;
        let issue = fence(&mut tx, lease).await?;
        record(&mut tx, lease, results, issue.status == IssueStatus::Cancelled, now).await?;
        let standing = intend(&mut tx, lease, intents, issue, now).await?;
        tx.commit().await?;
        timer.commit();
        Ok(standing)
    }

    /// Deliveries of an Issue that are not as they should be, at most `limit`.
    pub async fn troubles(&self, issue: IssueId, limit: u32) -> Result<Vec<Trouble>> {
        let mut tx = self.engine.read().await?;
        let sql = "SELECT COALESCE(s.email, '(erased)'), d.state, d.class, d.code, d.reply, d.next_at
             FROM deliveries d LEFT JOIN subscribers s ON s.id = d.subscriber_id
             WHERE d.issue_id = $1 AND d.state IN (4, 5, 6, 7) ORDER BY d.state, d.subscriber_id LIMIT $2";
        type Columns = (String, i64, Option<String>, Option<i64>, Option<String>, Option<i64>);
        let rows: Vec<Columns> = tx.rows(sql, args![issue, limit]).await?;
        let trouble = |(email, state, class, code, reply, next_at): Columns| {
            let state = DeliveryState::from_code(state).and_then(trouble_word).unwrap_or("unknown").to_owned();
            Trouble { email, state, class, code, reply, next_at: next_at.map(Timestamp) }
        };
        Ok(rows.into_iter().map(trouble).collect())
    }
}

/// The lease must exist (whoever takes its Deliveries deletes it); gives where its Issue stands. Both stay so until the transaction ends:
/// the Issue is held first, then the lease, in the order of recovery.
pub(super) async fn fence(tx: &mut Tx, lease: &Lease) -> Result<Standing> {
    let held = tx.held();
    let sql = format!("SELECT i.status, i.notice FROM issues i JOIN leases l ON l.issue_id = i.id WHERE l.epoch = $1 AND i.id = $2{held}");
    tx.row(sql, args![lease.epoch, lease.issue]).await?.ok_or(StoreError::Fenced).and_then(Standing::read)
}

/// Writes results onto the rows this lease holds. What it does not hold any more was already recorded.
async fn record(tx: &mut Tx, lease: &Lease, results: &[Record], cancelled: bool, now: Timestamp) -> Result<()> {
    let settled = results.iter().map(|result| settle(result, cancelled));
    let (sent, mut others): (Vec<Settled>, Vec<Settled>) = settled.partition(|row| row.state == DeliveryState::Sent);
    // In one order everywhere: two workers that suppress the same addresses must not wait for each other.
    others.sort_by_key(|row| row.subscriber);
    for sent in sent.chunks(CHUNK) {
        let mut args = args![lease.issue, lease.epoch, now];
        let ids = in_list(&mut args, sent.iter().map(|row| row.subscriber));
        let sql = format!(
            "UPDATE deliveries SET state = 3, attempts = attempts + 1, lease = NULL, changed_at = $3, class = NULL, code = NULL, reply = NULL
             WHERE issue_id = $1 AND subscriber_id IN ({ids}) AND lease = $2"
        );
        tx.run(sql, args).await?;
    }
    for row in &others {
        suppress_dead(tx, lease, row, now).await?;
    }
    for others in pieces(&others, 16) {
        let mut args = args![lease.issue, lease.epoch, now];
        let rows = value_rows(&mut args, others.iter().map(columns));
        let sql = format!(
            "WITH result (id, state, attempts, class, code, reply, next_at) AS (VALUES {rows})
             UPDATE deliveries SET state = result.state, attempts = deliveries.attempts + result.attempts, lease = NULL, changed_at = $3,
                 class = result.class, code = result.code, reply = result.reply, next_at = result.next_at
             FROM result WHERE deliveries.issue_id = $1 AND deliveries.subscriber_id = result.id AND deliveries.lease = $2"
        );
        tx.run(sql, args).await?;
    }
    Ok(())
}

/// The rule of results: what each Outcome makes of a Delivery. Only of a cancelled Issue nothing is put back into the queue.
fn settle(record: &Record, cancelled: bool) -> Settled {
    use DeliveryState as S;
    let again = |state: S| if cancelled { S::Cancelled } else { state };
    let (state, class, reply) = match (&record.outcome, record.next_at) {
        (Outcome::Sent(reply), _) => (S::Sent, None, Some(reply)),
        (Outcome::Deferred { class, reply, .. }, Some(_)) => (again(S::Deferred), Some(*class), Some(reply)),
        (Outcome::Deferred { class, reply, .. }, None) => (S::Failed, Some(*class), Some(reply)),
        (Outcome::Failed { class, reply }, _) => (S::Failed, Some(*class), Some(reply)),
        (Outcome::Unknown(reply), Some(_)) if !cancelled => (S::Deferred, None, Some(reply)),
        (Outcome::Unknown(reply), _) => (S::Unknown, None, Some(reply)),
        (Outcome::Waits(reply), Some(_)) => (again(S::Deferred), None, Some(reply)),
        (Outcome::NotSent | Outcome::Waits(_), _) => (again(S::Queued), None, None),
    };
    Settled {
        subscriber: record.subscriber,
        state,
        attempts: i64::from(!matches!(record.outcome, Outcome::NotSent | Outcome::Waits(_))),
        class,
        reply: reply.cloned(),
        next_at: record.next_at.filter(|_| state == S::Deferred),
    }
}

fn columns(row: &Settled) -> [Value; 7] {
    let code = row.reply.as_ref().map(|reply| i64::from(reply.code)).filter(|code| *code > 0);
    [
        row.subscriber.into(),
        row.state.into(),
        row.attempts.into(),
        row.class.map(FailureClass::word).into(),
        code.into(),
        row.reply.as_ref().map(words).into(),
        row.next_at.into(),
    ]
}

/// The reply as people read it, with its enhanced code in front once.
fn words(reply: &Reply) -> String {
    match &reply.enhanced {
        Some(enhanced) if !reply.text.starts_with(enhanced.as_str()) => format!("{enhanced} {}", reply.text),
        _ => reply.text.clone(),
    }
}

/// An address that was refused for its own fault is never mailed again, on any List; one refused without a reason, or full, only when that repeats.
async fn suppress_dead(tx: &mut Tx, lease: &Lease, row: &Settled, now: Timestamp) -> Result<()> {
    let (DeliveryState::Failed, Some(class), Some(reply)) = (row.state, row.class, &row.reply) else { return Ok(()) };
    let said = format!("{} {}", reply.code, words(reply));
    let reason = match class {
        FailureClass::Address => Some(format!("hard bounce: {said}")),
        _ => strikes::verdict(tx, row.subscriber, class, reply, now).await?.map(|why| format!("{why}, at last: {said}")),
    };
    let Some(reason) = reason else { return Ok(()) };
    let sql = "INSERT INTO suppressions (email, reason, created_at)
         SELECT s.email_key, $4, $5 FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id
         WHERE d.issue_id = $1 AND d.subscriber_id = $2 AND d.lease = $3
         ON CONFLICT (email) DO NOTHING";
    tx.run(sql, args![lease.issue, row.subscriber, lease.epoch, reason, now]).await.map(|_| ())
}

/// Makes intents durable for those who still get it; gives them in their order.
async fn intend(tx: &mut Tx, lease: &Lease, intents: &[SubscriberId], issue: Standing, now: Timestamp) -> Result<Vec<SubscriberId>> {
    let mut standing = HashSet::new();
    for intents in intents.chunks(CHUNK) {
        if issue.status != IssueStatus::Sending {
            let state = if issue.status == IssueStatus::Cancelled { DeliveryState::Cancelled } else { DeliveryState::Queued };
            give_back(tx, lease, intents, state, now).await?;
            continue;
        }
        let stay = look_again(tx, lease, intents, issue.notice, now).await?;
        let mut args = args![lease.issue, lease.epoch, now];
        let ids = in_list(&mut args, stay.iter().copied());
        let sql =
            format!("UPDATE deliveries SET state = 2, changed_at = $3 WHERE issue_id = $1 AND subscriber_id IN ({ids}) AND lease = $2");
        let held = tx.run(sql, args).await?;
        standing.extend(if held == stay.len() as u64 { stay } else { intended(tx, lease, &stay).await? });
    }
    Ok(intents.iter().copied().filter(|id| standing.contains(id)).collect())
}

/// Those of `intents` whose rows this lease still holds: others were recorded by the same commit made before, whose answer was lost.
async fn intended(tx: &mut Tx, lease: &Lease, intents: &[SubscriberId]) -> Result<Vec<SubscriberId>> {
    let mut args = args![lease.issue, lease.epoch];
    let ids = in_list(&mut args, intents.iter().copied());
    let sql = format!("SELECT subscriber_id FROM deliveries WHERE issue_id = $1 AND subscriber_id IN ({ids}) AND lease = $2");
    Ok(tx.rows::<(i64,)>(sql, args).await?.into_iter().map(|(id,)| SubscriberId(id)).collect())
}

/// Those of `intents` whose readers still get it; the others become skipped. Only these are read: a row costs more than its look-up.
async fn look_again(
    tx: &mut Tx,
    lease: &Lease,
    intents: &[SubscriberId],
    notice: Option<Notice>,
    now: Timestamp,
) -> Result<Vec<SubscriberId>> {
    let mut args = args![lease.issue, lease.epoch];
    let ids = in_list(&mut args, intents.iter().copied());
    args.push(now.into());
    let now_at = args.len();
    let confirmed = SubscriptionState::Confirmed.code();
    // Whoever is not read here stays.
    let stays = match notice {
        Some(Notice::Confirm) => format!("x.state <> {confirmed}"),
        Some(Notice::Move | Notice::Moving) => "x.state IS NOT NULL".to_owned(),
        Some(Notice::Welcome | Notice::Known) | None => format!("x.state = {confirmed}"),
    };
    let sql = format!(
        "SELECT d.subscriber_id, x.state, p.reason, s.paused_until FROM deliveries d
         LEFT JOIN subscribers s ON s.id = d.subscriber_id
         LEFT JOIN subscriptions x ON x.list_id = d.list_id AND x.subscriber_id = d.subscriber_id
         LEFT JOIN suppressions p ON p.email = s.email_key
         WHERE d.issue_id = $1 AND d.subscriber_id IN ({ids}) AND d.lease = $2
             AND (x.state IS NULL OR NOT {stays} OR p.reason IS NOT NULL OR s.paused_until > ${now_at})"
    );
    let mut left = HashSet::new();
    let mut gone: BTreeMap<String, Vec<SubscriberId>> = BTreeMap::new();
    for (id, state, suppressed, paused) in tx.rows::<(i64, Option<i64>, Option<String>, Option<i64>)>(sql, args).await? {
        let paused = paused.map(Timestamp).filter(|until| *until > now);
        if let Some(reason) = left_out(notice, state.and_then(SubscriptionState::from_code), suppressed.as_deref(), paused) {
            left.insert(SubscriberId(id));
            gone.entry(reason).or_default().push(SubscriberId(id));
        }
    }
    skip(tx, lease.issue, gone, now).await?;
    Ok(intents.iter().copied().filter(|id| !left.contains(id)).collect())
}

/// What was asked for and may not be sent now goes back; also what was intended by the same commit made before, whose answer was lost.
async fn give_back(tx: &mut Tx, lease: &Lease, intents: &[SubscriberId], state: DeliveryState, now: Timestamp) -> Result<()> {
    let mut args = args![lease.issue, lease.epoch, now, state];
    let ids = in_list(&mut args, intents.iter().copied());
    let sql = format!(
        "UPDATE deliveries SET state = $4, lease = NULL, changed_at = $3 WHERE issue_id = $1 AND subscriber_id IN ({ids}) AND lease = $2 AND state IN (1, 2)"
    );
    tx.run(sql, args).await.map(|_| ())
}

const fn trouble_word(state: DeliveryState) -> Option<&'static str> {
    match state {
        DeliveryState::Failed => Some("failed"),
        DeliveryState::Deferred => Some("deferred"),
        DeliveryState::Unknown => Some("unknown"),
        DeliveryState::Skipped => Some("skipped"),
        _ => None,
    }
}
