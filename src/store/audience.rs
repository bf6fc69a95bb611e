//! Who would get an Issue: the dry run's numbers and names.

use super::choosers::{self, Asked, PAUSED};
use super::issues::{Audience, AudienceMember, NewIssue};
use super::sql::{Tx, Value, args};
use super::standing::{decided, each_once, left_out, rank, rank_over};
use super::{Result, Store, StoreError, segment};
use crate::model::{Condition, ListId, Share, SubscriptionState, Timestamp};

/// `subscriber_id IN …` of those whose address is suppressed: few against the rest, so they are looked up from their side.
pub(super) const SUPPRESSED: &str = "SELECT s.id FROM suppressions p JOIN subscribers s ON s.email_key = p.email";

impl Store {
    /// Who would get an Issue, counted. The first List on which a person stands decides;
    /// one on which they never confirmed decides only when there is no other.
    pub async fn audience(&self, new: &NewIssue, now: Timestamp) -> Result<Audience> {
        let lists = each_once(&new.lists);
        if lists.is_empty() {
            return Ok(Audience::default());
        }
        let mut tx = self.engine.read().await?;
        let mut audience = standing(&mut tx, &lists, new.only.as_ref(), now).await?;
        let groups = choosers::groups(&mut tx, &asked(new, &lists, now)).await?;
        let alike = audience.recipients - groups.iter().map(|group| group.people).sum::<u64>().min(audience.recipients);
        if !new.edition.is_for_all() {
            audience.later += alike;
            audience.recipients -= alike;
        }
        for group in groups {
            let left_out = match group.share(&new.edition) {
                Share::Later => &mut audience.later,
                Share::Nothing if !new.edition.articles.is_empty() => &mut audience.off_topic,
                _ => continue,
            };
            *left_out += group.people;
            audience.recipients = audience.recipients.saturating_sub(group.people);
        }
        Ok(audience)
    }

    /// The same by name, above `after` (an address), at most `limit`.
    pub async fn audience_members(&self, new: &NewIssue, after: &str, limit: u32, now: Timestamp) -> Result<Vec<AudienceMember>> {
        let lists = each_once(&new.lists);
        if lists.is_empty() {
            return Ok(Vec::new());
        }
        let mut args = Vec::new();
        let mut tx = self.engine.read().await?;
        let chosen = choosers::query(&tx, &mut args, &asked(new, &lists, now));
        args.extend(args![after.to_lowercase(), limit]);
        let (after, limit) = (args.len() - 1, args.len());
        let inside =
            new.only.as_ref().map_or("1".to_owned(), |only| format!("CASE WHEN {} THEN 1 ELSE 0 END", segment::sql(&tx, &mut args, only)));
        let rank = rank_over(&lists);
        // Walks the addresses in order and looks each person up, so that a page costs the same at the end as at the start.
        let sql = format!(
            "SELECT t.email, t.rank, t.reason, t.inside, t.paused_until, c.rhythm, c.topics, c.behind FROM (
                 SELECT s.id, s.email, s.email_key, s.paused_until, p.reason, CAST({inside} AS BIGINT) AS inside,
                     (SELECT MIN({rank}) FROM subscriptions WHERE subscriber_id = s.id AND list_id IN ({})) AS rank
                 FROM subscribers s LEFT JOIN suppressions p ON p.email = s.email_key WHERE s.email_key > ${after}
             ) AS t LEFT JOIN ({chosen}) AS c ON c.subscriber_id = t.id WHERE t.rank IS NOT NULL ORDER BY t.email_key LIMIT ${limit}",
            all(&lists)
        );
        let rows: Vec<MemberRow> = tx.rows(sql, args).await?;
        rows.into_iter().map(|row| member(row, new, &lists, now)).collect()
    }
}

/// One person of an audience as the query gives them.
#[derive(sqlx::FromRow)]
struct MemberRow {
    email: String,
    rank: i64,
    reason: Option<String>,
    inside: i64,
    paused_until: Option<i64>,
    rhythm: Option<i64>,
    topics: Option<String>,
    behind: Option<i64>,
}

fn member(row: MemberRow, new: &NewIssue, lists: &[ListId], now: Timestamp) -> Result<AudienceMember> {
    let (list, state) = decided(row.rank, lists).ok_or_else(|| StoreError::Corrupt(format!("the subscription of {}", row.email)))?;
    let paused = row.paused_until.map(Timestamp).filter(|until| *until > now);
    let outside = || (row.inside == 0).then(|| "outside the segment".to_owned());
    let share = match (row.rhythm, row.behind) {
        (Some(rhythm), Some(behind)) => choosers::choosers((list.to_string(), rhythm, row.topics.clone(), behind, 1))?.share(&new.edition),
        _ if new.edition.is_for_all() => Share::Whole,
        _ => Share::Later,
    };
    let chose = || match share {
        Share::Later => Some("not their turn".to_owned()),
        Share::Nothing if !new.edition.articles.is_empty() => Some("none of their topics".to_owned()),
        _ => None,
    };
    let left_out = left_out(None, Some(state), row.reason.as_deref(), paused).or_else(outside).or_else(chose);
    Ok(AudienceMember { email: row.email, list: list.clone(), left_out })
}

fn asked<'a>(new: &'a NewIssue, lists: &'a [ListId], now: Timestamp) -> Asked<'a> {
    Asked { digest: new.digest.as_deref(), lists, only: new.only.as_ref(), earlier: &new.edition.earlier, now }
}

/// Who stands how with the Lists, before anybody chose.
async fn standing(tx: &mut Tx, lists: &[ListId], only: Option<&Condition>, now: Timestamp) -> Result<Audience> {
    let mut args = Vec::new();
    let deciding = deciding(&mut args, lists);
    args.push(now.into());
    let paused = format!("CASE WHEN subscriber_id IN ({PAUSED} > ${}) THEN 1 ELSE 0 END", args.len());
    let inside =
        only.map_or("1".to_owned(), |only| format!("CASE WHEN subscriber_id IN ({}) THEN 1 ELSE 0 END", meant(tx, &mut args, only)));
    let sql = format!(
        "SELECT rank, suppressed, inside, paused, COUNT(*) FROM (
             SELECT rank % 10 AS rank, CAST(CASE WHEN subscriber_id IN ({SUPPRESSED}) THEN 1 ELSE 0 END AS BIGINT) AS suppressed,
                 CAST({inside} AS BIGINT) AS inside, CAST({paused} AS BIGINT) AS paused FROM ({deciding}) AS d
         ) AS t GROUP BY rank, suppressed, inside, paused"
    );
    let mut audience = Audience::default();
    for (state, suppressed, inside, paused, n) in tx.rows::<(i64, i64, i64, i64, i64)>(sql, args).await? {
        let n = n.unsigned_abs();
        match (SubscriptionState::from_code(state), suppressed, inside, paused) {
            (Some(SubscriptionState::Pending), ..) => audience.pending += n,
            (Some(SubscriptionState::Confirmed), 0, 0, _) => audience.outside += n,
            (Some(SubscriptionState::Confirmed), 0, _, 0) => audience.recipients += n,
            (Some(SubscriptionState::Confirmed), 0, ..) => audience.paused += n,
            (Some(SubscriptionState::Confirmed), ..) => audience.suppressed += n,
            (Some(SubscriptionState::Unsubscribed) | None, ..) => audience.unsubscribed += n,
        }
    }
    Ok(audience)
}

/// A query of the `id`s of the people whom a condition means; its values go behind `args`.
pub(super) fn meant(tx: &Tx, args: &mut Vec<Value>, only: &Condition) -> String {
    format!("SELECT s.id FROM subscribers s WHERE {}", segment::sql(tx, args, only))
}

/// A query of `(subscriber_id, rank)`, one row for each person on any of the Lists. The Lists become the first of `args`.
pub(super) fn deciding(args: &mut Vec<Value>, lists: &[ListId]) -> String {
    let rank = rank(args, lists);
    // Nobody stands on one List twice, and grouping a million rows takes as long as reading them.
    if lists.len() == 1 {
        return format!("SELECT subscriber_id, {rank} AS rank FROM subscriptions WHERE list_id = $1");
    }
    format!("SELECT subscriber_id, MIN({rank}) AS rank FROM subscriptions WHERE list_id IN ({}) GROUP BY subscriber_id", all(lists))
}

/// The placeholders of the Lists, which are the first of the arguments.
fn all(lists: &[ListId]) -> String {
    (1..=lists.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}
