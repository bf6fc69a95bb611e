//! Who would get an Issue: the dry run's numbers and names.

use super::issues::{Audience, AudienceMember};
use super::sql::{Tx, Value, args};
use super::standing::{decided, each_once, left_out, rank};
use super::{Result, Store, StoreError, segment};
use crate::model::{Condition, ListId, SubscriptionState};

/// `subscriber_id IN …` of those whose address is suppressed: few against the rest, so they are looked up from their side.
pub(super) const SUPPRESSED: &str = "SELECT s.id FROM suppressions p JOIN subscribers s ON s.email_key = p.email";

impl Store {
    /// Who would get an Issue to these Lists, only those meant by `only`, counted. The first List on which a person stands decides;
    /// one on which they never confirmed decides only when there is no other.
    pub async fn audience(&self, lists: &[ListId], only: Option<&Condition>) -> Result<Audience> {
        let lists = each_once(lists);
        if lists.is_empty() {
            return Ok(Audience::default());
        }
        let mut args = Vec::new();
        let deciding = deciding(&mut args, &lists);
        let mut tx = self.engine.read().await?;
        let inside =
            only.map_or("1".to_owned(), |only| format!("CASE WHEN subscriber_id IN ({}) THEN 1 ELSE 0 END", meant(&tx, &mut args, only)));
        let sql = format!(
            "SELECT rank, suppressed, inside, COUNT(*) FROM (
                 SELECT rank % 10 AS rank, CAST(CASE WHEN subscriber_id IN ({SUPPRESSED}) THEN 1 ELSE 0 END AS BIGINT) AS suppressed,
                     CAST({inside} AS BIGINT) AS inside FROM ({deciding}) AS d
             ) AS t GROUP BY rank, suppressed, inside"
        );
        let mut audience = Audience::default();
        for (state, suppressed, inside, n) in tx.rows::<(i64, i64, i64, i64)>(sql, args).await? {
            let n = n.unsigned_abs();
            match (SubscriptionState::from_code(state), suppressed, inside) {
                (Some(SubscriptionState::Pending), ..) => audience.pending += n,
                (Some(SubscriptionState::Confirmed), 0, 0) => audience.outside += n,
                (Some(SubscriptionState::Confirmed), 0, _) => audience.recipients += n,
                (Some(SubscriptionState::Confirmed), ..) => audience.suppressed += n,
                (Some(SubscriptionState::Unsubscribed) | None, ..) => audience.unsubscribed += n,
            }
        }
        Ok(audience)
    }

    /// The same by name, above `after` (an address), at most `limit`.
    pub async fn audience_members(
        &self,
        lists: &[ListId],
        only: Option<&Condition>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<AudienceMember>> {
        let lists = each_once(lists);
        if lists.is_empty() {
            return Ok(Vec::new());
        }
        let mut args = Vec::new();
        let rank = rank(&mut args, &lists);
        args.extend(args![after.to_lowercase(), limit]);
        let (after, limit) = (args.len() - 1, args.len());
        let mut tx = self.engine.read().await?;
        let inside = only.map_or("1".to_owned(), |only| format!("CASE WHEN {} THEN 1 ELSE 0 END", segment::sql(&tx, &mut args, only)));
        // Walks the addresses in order and looks each person up, so that a page costs the same at the end as at the start.
        let sql = format!(
            "SELECT email, rank, reason, inside FROM (
                 SELECT s.email, s.email_key, p.reason, CAST({inside} AS BIGINT) AS inside,
                     (SELECT MIN({rank}) FROM subscriptions WHERE subscriber_id = s.id AND list_id IN ({})) AS rank
                 FROM subscribers s LEFT JOIN suppressions p ON p.email = s.email_key WHERE s.email_key > ${after}
             ) AS t WHERE rank IS NOT NULL ORDER BY email_key LIMIT ${limit}",
            all(&lists)
        );
        let rows: Vec<(String, i64, Option<String>, i64)> = tx.rows(sql, args).await?;
        rows.into_iter()
            .map(|(email, rank, reason, inside)| {
                let (list, state) = decided(rank, &lists).ok_or_else(|| StoreError::Corrupt(format!("the subscription of {email}")))?;
                let left_out =
                    left_out(None, Some(state), reason.as_deref()).or_else(|| (inside == 0).then(|| "outside the segment".to_owned()));
                Ok(AudienceMember { email, list: list.clone(), left_out })
            })
            .collect()
    }
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
