//! Issues: frozen mailings, their status, and which Articles they carried.

use chrono_tz::Tz;

use super::audience::{SUPPRESSED, deciding, meant};
use super::carried::{self, Remembered};
use super::sql::{CHUNK, Tx, args, pieces, value_rows};
use super::standing::{decided_list, each_once};
use super::{Result, Store, StoreError, choosers};
use crate::model::schedule::{FIRST_ZONE, same_clock};
use crate::model::{Condition, Edition, Frozen, IssueId, IssueStatus, ListId, Notice, SubscriptionState, Timestamp};

/// What freezing hands over.
#[derive(Debug, Clone)]
pub struct NewIssue {
    /// Digest id, when it is one of a Digest.
    pub digest: Option<String>,
    /// Subject as people read it in lists of Issues (rendered without a reader).
    pub subject: String,
    /// Everything needed to render it.
    pub frozen: Frozen,
    /// Ids of its Articles: none may be in another Issue of the same Digest.
    pub articles: Vec<String>,
    /// Lists it goes to; a person on several gets it as a member of the first.
    pub lists: Vec<ListId>,
    /// Not before this instant; at once when absent.
    pub scheduled_at: Option<Timestamp>,
    /// Waits for a person, with the reason, until it is resumed.
    pub hold: Option<String>,
    /// Only to those of the Lists who are meant by this, at the moment of making.
    pub only: Option<Condition>,
    /// Who gets which of its Articles.
    pub edition: Edition,
    /// Each reader gets it at the hour of their own clock.
    pub local: Option<LocalHour>,
    /// What its Digest remembers of it beside the Articles.
    pub remembered: Remembered,
}

/// An hour on the clocks of many zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalHour {
    /// When it comes first ([`FIRST_ZONE`]).
    pub first: Timestamp,
    /// The zone of those who told none.
    pub zone: Tz,
}

/// An Issue as lists of Issues show it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct IssueRow {
    /// Number.
    pub id: IssueId,
    /// Digest id, if of one.
    pub digest: Option<String>,
    /// Which number of its Digest.
    pub number: i64,
    /// Subject.
    pub subject: String,
    /// Where it stands.
    pub status: IssueStatus,
    /// Why it is paused, in words.
    pub reason: Option<String>,
    /// Frozen at.
    pub created_at: Timestamp,
    /// Goes out at.
    pub scheduled_at: Option<Timestamp>,
    /// First Delivery claimed at.
    pub started_at: Option<Timestamp>,
    /// Done or cancelled at.
    pub finished_at: Option<Timestamp>,
}

/// Why people on the Lists of an Issue would not get it, and how many would.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Audience {
    /// Would get it.
    pub recipients: u64,
    /// Have not confirmed.
    pub pending: u64,
    /// Have left.
    pub unsubscribed: u64,
    /// Are suppressed.
    pub suppressed: u64,
    /// Would get it, but are outside the segment.
    pub outside: u64,
    /// Asked for no mail for a while.
    pub paused: u64,
    /// Get it later, at the rhythm they chose.
    pub later: u64,
    /// Chose topics, and nothing in it is on them.
    pub off_topic: u64,
}

/// One person of an audience, for a dry run that names names.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AudienceMember {
    /// Address.
    pub email: String,
    /// The List that decides.
    pub list: ListId,
    /// Why not, or nothing when they would get it: `pending`, `unsubscribed`, `suppressed: REASON`, `outside the segment`.
    pub left_out: Option<String>,
}

/// The columns of [`IssueRow`], in its order.
const COLUMNS: &str = "id, digest, number, subject, status, reason, created_at, scheduled_at, started_at, finished_at";
type Columns = (i64, Option<String>, i64, String, String, Option<String>, i64, Option<i64>, Option<i64>, Option<i64>);

/// An Issue to so many changes what the planner should know of the tables.
const MANY: i64 = 1_000;

impl Store {
    /// Keeps a new Issue and makes its Deliveries (confirmed and not suppressed, at this moment) in one transaction.
    /// Refused when an Article of it is already in another Issue of the same Digest, or when another Issue of the Digest took
    /// its number meanwhile.
    pub async fn create_issue(&self, new: &NewIssue, now: Timestamp) -> Result<IssueId> {
        let frozen = serde_json::to_string(&new.frozen).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let status = if new.hold.is_some() { IssueStatus::Paused } else { IssueStatus::Scheduled };
        let mut tx = self.engine.write().await?;
        // The number first: whoever makes another Issue waits here until this one is kept or refused.
        let id = IssueId(tx.numbers("issue", 1).await?);
        let number = number_of(&mut tx, new).await?;
        carried::keep(&mut tx, id, new).await?;
        let planned = plan(&mut tx, id, new, now).await?;
        let sql = "INSERT INTO issues (id, digest, number, subject, status, reason, planned, created_at, scheduled_at, frozen, whole)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
        let (digest, hold, whole) = (new.digest.as_deref(), new.hold.as_deref(), new.only.is_none() && new.edition.is_for_all());
        let args = args![id, digest, number, new.subject.as_str(), status.word(), hold, planned, now, new.scheduled_at, frozen, whole];
        tx.run(sql, args).await?;
        tx.commit().await?;
        if planned >= MANY {
            self.engine.learn_sizes().await;
        }
        Ok(id)
    }

    /// The next number an Issue of `digest` would have.
    pub async fn next_number(&self, digest: Option<&str>) -> Result<u64> {
        let Some(digest) = digest else { return Ok(1) };
        let number = next_number(&mut self.engine.read().await?, digest).await?;
        Ok(number.unsigned_abs())
    }

    /// One Issue.
    pub async fn issue(&self, id: IssueId) -> Result<Option<IssueRow>> {
        let mut tx = self.engine.read().await?;
        let row = tx.row::<Columns>(format!("SELECT {COLUMNS} FROM issues WHERE id = $1"), args![id]).await?;
        row.map(issue_row).transpose()
    }

    /// The newest Issues first; a notice only while it is paused, which somebody should know.
    pub async fn issues(&self, limit: u32) -> Result<Vec<IssueRow>> {
        let mut tx = self.engine.read().await?;
        let rows = tx
            .rows::<Columns>(
                format!("SELECT {COLUMNS} FROM issues WHERE notice IS NULL OR status = 'paused' ORDER BY id DESC LIMIT $1"),
                args![limit],
            )
            .await?;
        rows.into_iter().map(issue_row).collect()
    }

    /// What an Issue froze.
    pub async fn frozen(&self, id: IssueId) -> Result<Frozen> {
        let mut tx = self.engine.read().await?;
        let row: Option<(String,)> = tx.row("SELECT frozen FROM issues WHERE id = $1", args![id]).await?;
        let (json,) = row.ok_or_else(|| missing(id))?;
        serde_json::from_str(&json).map_err(|error| StoreError::Corrupt(format!("what issue {} froze: {error}", id.0)))
    }

    /// The instant the last Issue of `digest` was frozen.
    pub async fn last_issue_at(&self, digest: &str) -> Result<Option<Timestamp>> {
        let mut tx = self.engine.read().await?;
        let row: Option<(Option<i64>,)> = tx.row("SELECT MAX(created_at) FROM issues WHERE digest = $1", args![digest]).await?;
        Ok(row.and_then(|(at,)| at).map(Timestamp))
    }

    /// Stops an Issue (scheduled or sending) with the reason.
    pub async fn pause_issue(&self, id: IssueId, reason: &str, _now: Timestamp) -> Result<()> {
        let mut tx = self.engine.write().await?;
        match status(&mut tx, id).await? {
            (IssueStatus::Scheduled | IssueStatus::Sending, _) => {}
            (IssueStatus::Paused, why) => return refused(id, &format!("already paused: {}", why.unwrap_or_default())),
            (over, _) => return refused(id, &format!("{}; nothing to pause", over.word())),
        }
        tx.run("UPDATE issues SET status = 'paused', reason = $2 WHERE id = $1", args![id, reason]).await?;
        tx.commit().await
    }

    /// Lets a paused Issue go on where it stood.
    pub async fn resume_issue(&self, id: IssueId, now: Timestamp) -> Result<()> {
        let mut tx = self.engine.write().await?;
        match status(&mut tx, id).await?.0 {
            IssueStatus::Paused => {}
            other => return refused(id, &format!("{}, not paused; nothing to resume", other.word())),
        }
        let sql = "UPDATE issues SET reason = NULL,
             status = CASE WHEN started_at IS NULL AND scheduled_at > $2 THEN 'scheduled' ELSE 'sending' END WHERE id = $1";
        tx.run(sql, args![id, now]).await?;
        tx.commit().await
    }

    /// Calls an Issue off: everything queued or deferred becomes cancelled.
    pub async fn cancel_issue(&self, id: IssueId, now: Timestamp) -> Result<()> {
        let mut tx = self.engine.write().await?;
        if let (over @ (IssueStatus::Done | IssueStatus::Cancelled), _) = status(&mut tx, id).await? {
            return refused(id, &format!("{}; nothing to cancel", over.word()));
        }
        for open in ["state = 0", "state = 4"] {
            let sql = format!("UPDATE deliveries SET state = 8, next_at = NULL, changed_at = $2 WHERE issue_id = $1 AND {open}");
            tx.run(sql, args![id, now]).await?;
        }
        tx.run("UPDATE issues SET status = 'cancelled', reason = NULL, finished_at = $2 WHERE id = $1", args![id, now]).await?;
        tx.commit().await
    }

    /// Sends to the rest: failed (but not by the address's own fault), unknown and cancelled Deliveries become queued again, as if never tried: one
    /// that was given up for its age has all its tries again. How many.
    /// When there are any, the Issue is sending again, whatever it was.
    pub async fn retry_issue(&self, id: IssueId, now: Timestamp) -> Result<u64> {
        let mut tx = self.engine.write().await?;
        if status(&mut tx, id).await?.0 == IssueStatus::Scheduled {
            return refused(id, "scheduled; nothing to retry yet");
        }
        let sql = "UPDATE deliveries SET state = 0, attempts = 0, next_at = NULL, changed_at = $2
             WHERE issue_id = $1 AND (state IN (6, 8) OR (state = 5 AND (class IS NULL OR class <> 'address')))";
        let queued = tx.run(sql, args![id, now]).await?;
        if queued > 0 {
            tx.run("UPDATE issues SET status = 'sending', reason = NULL, finished_at = NULL WHERE id = $1", args![id]).await?;
        }
        tx.commit().await?;
        Ok(queued)
    }
}

/// That an Issue has nothing left to do, over its `id` in `$1`.
const NOTHING_LEFT: &str = "NOT EXISTS (SELECT 1 FROM deliveries WHERE issue_id = $1 AND state = 0)
         AND NOT EXISTS (SELECT 1 FROM deliveries WHERE issue_id = $1 AND state = 4)
         AND NOT EXISTS (SELECT 1 FROM deliveries WHERE issue_id = $1 AND lease IS NOT NULL)";

impl Store {
    /// An Issue that is being sent and has nothing left to do is done. Looks first, because to change an Issue makes all its workers wait.
    pub(super) async fn finish_if_over(&self, id: IssueId, now: Timestamp) -> Result<()> {
        let sql = format!("SELECT id FROM issues WHERE id = $1 AND status = 'sending' AND {NOTHING_LEFT}");
        if self.engine.read().await?.row::<(i64,)>(sql, args![id]).await?.is_none() {
            return Ok(());
        }
        let mut tx = self.engine.write().await?;
        // Whoever is queueing something for it right now is awaited by this, and seen by the statement after it.
        status(&mut tx, id).await?;
        finish(&mut tx, id, now).await?;
        tx.commit().await
    }
}

/// An Issue that is being sent and has nothing left to do is done. Call it when [`status`] has locked it.
pub(super) async fn finish(tx: &mut Tx, id: IssueId, now: Timestamp) -> Result<()> {
    let sql = format!(
        "UPDATE issues SET status = 'done', reason = NULL, finished_at = $2 WHERE id = $1 AND status = 'sending' AND {NOTHING_LEFT}"
    );
    tx.run(sql, args![id, now]).await.map(|_| ())
}

/// Where an Issue stands, and why; nobody else changes that, or records anything of it, before the transaction ends.
pub(super) async fn status(tx: &mut Tx, id: IssueId) -> Result<(IssueStatus, Option<String>)> {
    let sql = format!("SELECT status, reason FROM issues WHERE id = $1{}", tx.locked());
    let row: Option<(String, Option<String>)> = tx.row(sql, args![id]).await?;
    let (word, reason) = row.ok_or_else(|| missing(id))?;
    Ok((IssueStatus::from_word(&word).ok_or_else(|| StoreError::Corrupt(format!("issue status {word:?}")))?, reason))
}

/// Where an Issue stands; nobody changes that before the transaction ends, but others may record what they did.
pub(super) async fn held_status(tx: &mut Tx, id: IssueId) -> Result<Standing> {
    let sql = format!("SELECT status, notice FROM issues WHERE id = $1{}", tx.held());
    tx.row(sql, args![id]).await?.ok_or_else(|| missing(id)).and_then(Standing::read)
}

/// Where an Issue stands, and which notice it is, if it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// Where it stands.
    pub(super) status: IssueStatus,
    /// Which notice.
    pub(super) notice: Option<Notice>,
}

impl Standing {
    /// From the columns `status` and `notice`.
    pub(super) fn read((word, notice): (String, Option<String>)) -> Result<Self> {
        let status = IssueStatus::from_word(&word).ok_or_else(|| StoreError::Corrupt(format!("issue status {word:?}")))?;
        let known = |key: String| Notice::from_key(&key).ok_or_else(|| StoreError::Corrupt(format!("notice {key:?}")));
        Ok(Self { status, notice: notice.map(known).transpose()? })
    }
}

async fn next_number(tx: &mut Tx, digest: &str) -> Result<i64> {
    let row: Option<(i64,)> = tx.row("SELECT COALESCE(MAX(number), 0) + 1 FROM issues WHERE digest = $1", args![digest]).await?;
    Ok(row.map_or(1, |(number,)| number))
}

/// The number it was frozen with, which readers will see; it must still be free.
async fn number_of(tx: &mut Tx, new: &NewIssue) -> Result<i64> {
    let frozen = i64::try_from(new.frozen.number).unwrap_or(i64::MAX);
    let Some(digest) = &new.digest else { return Ok(frozen) };
    let next = next_number(tx, digest).await?;
    if frozen == next {
        return Ok(next);
    }
    Err(StoreError::Refused(format!("number {frozen} of digest {digest} is not the next one ({next}); freeze the issue again")))
}

/// One Delivery for each person who gets it; how many.
async fn plan(tx: &mut Tx, id: IssueId, new: &NewIssue, now: Timestamp) -> Result<i64> {
    let lists = each_once(&new.lists);
    if lists.is_empty() {
        return Ok(0);
    }
    let mut planned = choosers::expand(tx, id, new, &lists, now).await?;
    if new.edition.is_for_all() {
        planned += expand(tx, id, &lists, new.only.as_ref(), now).await?;
    }
    if let Some(local) = new.local {
        wait_for_clocks(tx, id, local, now).await?;
    }
    Ok(i64::try_from(planned).unwrap_or(i64::MAX))
}

/// One Delivery for each person who gets what everybody gets. One statement, so that it sees one moment; in the order of the keys, because
/// PostgreSQL may find the people in the order of a hash table, and a million entries all over an index take it twice as long as at its end.
async fn expand(tx: &mut Tx, id: IssueId, lists: &[ListId], only: Option<&Condition>, now: Timestamp) -> Result<u64> {
    let mut args = Vec::new();
    let deciding = deciding(&mut args, lists);
    args.extend(args![id, now, SubscriptionState::Confirmed.code()]);
    let [issue, now, confirmed] = std::array::from_fn(|n| format!("${}", lists.len() + 1 + n));
    let meant = only.map(|only| format!(" AND subscriber_id IN ({})", meant(tx, &mut args, only))).unwrap_or_default();
    let (list, left_out) = (decided_list(lists), choosers::left_out(lists, &now));
    let sql = format!(
        "INSERT INTO deliveries (issue_id, subscriber_id, list_id, state, attempts, changed_at)
         SELECT {issue}, subscriber_id, {list}, 0, 0, {now} FROM ({deciding}) AS d
         WHERE rank % 10 = {confirmed} AND subscriber_id NOT IN ({SUPPRESSED}){left_out}{meant} ORDER BY subscriber_id"
    );
    tx.run(sql, args).await
}

/// Who is ahead of the hour on their own clock waits for it.
async fn wait_for_clocks(tx: &mut Tx, id: IssueId, local: LocalHour, now: Timestamp) -> Result<()> {
    let sql =
        "SELECT DISTINCT COALESCE(s.timezone, '') FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id WHERE d.issue_id = $1";
    let zones: Vec<(String,)> = tx.rows(sql, args![id]).await?;
    let hour = local.first.in_zone(FIRST_ZONE).format("%H:%M");
    let waits: Vec<(String, Timestamp, String)> = zones
        .into_iter()
        .map(|(name,)| {
            let zone: Tz = name.parse().unwrap_or(local.zone);
            (name, same_clock(local.first, FIRST_ZONE, zone), format!("waits until it is {hour} in {zone}"))
        })
        .filter(|(_, at, _)| *at > now)
        .collect();
    for waits in pieces(&waits, CHUNK) {
        let mut args = args![id, now];
        let rows = value_rows(&mut args, waits.iter().map(|(zone, at, why)| [zone.as_str().into(), (*at).into(), why.as_str().into()]));
        let sql = format!(
            "WITH wait (zone, at, why) AS (VALUES {rows})
             UPDATE deliveries SET state = 4, next_at = wait.at, reply = wait.why, changed_at = $2
             FROM wait, subscribers s WHERE deliveries.issue_id = $1 AND s.id = deliveries.subscriber_id AND COALESCE(s.timezone, '') = wait.zone"
        );
        tx.run(sql, args).await?;
    }
    Ok(())
}

fn issue_row(row: Columns) -> Result<IssueRow> {
    let (id, digest, number, subject, status, reason, created_at, scheduled_at, started_at, finished_at) = row;
    Ok(IssueRow {
        id: IssueId(id),
        digest,
        number,
        subject,
        status: IssueStatus::from_word(&status).ok_or_else(|| StoreError::Corrupt(format!("issue status {status:?}")))?,
        reason,
        created_at: Timestamp(created_at),
        scheduled_at: scheduled_at.map(Timestamp),
        started_at: started_at.map(Timestamp),
        finished_at: finished_at.map(Timestamp),
    })
}

pub(super) fn missing(id: IssueId) -> StoreError {
    StoreError::Refused(format!("there is no issue {}", id.0))
}

fn refused<T>(id: IssueId, words: &str) -> Result<T> {
    Err(StoreError::Refused(format!("issue {} is {words}", id.0)))
}
