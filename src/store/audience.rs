//! Who would get an Issue: the dry run's numbers and names.

use super::issues::{Audience, AudienceMember};
use super::sql::{Value, args};
use super::standing::{decided, each_once, left_out, rank};
use super::{Result, Store, StoreError};
use crate::model::{ListId, SubscriptionState};

/// `subscriber_id IN …` of those whose address is suppressed: few against the rest, so they are looked up from their side.
pub(super) const SUPPRESSED: &str = "SELECT s.id FROM suppressions p JOIN subscribers s ON s.email_key = p.email";

impl Store {
    /// Who would get an Issue to these Lists, counted. The first List on which a person stands decides;
    /// one on which they never confirmed decides only when there is no other.
    pub async fn audience(&self, lists: &[ListId]) -> Result<Audience> {
        let lists = each_once(lists);
        if lists.is_empty() {
            return Ok(Audience::default());
        }
        let mut args = Vec::new();
        let sql = format!(
            "SELECT rank, suppressed, COUNT(*) FROM (
                 SELECT rank % 10 AS rank, CAST(CASE WHEN subscriber_id IN ({SUPPRESSED}) THEN 1 ELSE 0 END AS BIGINT) AS suppressed FROM ({}) AS d
             ) AS t GROUP BY rank, suppressed",
            deciding(&mut args, &lists)
        );
        let mut tx = self.engine.read().await?;
        let mut audience = Audience::default();
        for (state, suppressed, n) in tx.rows::<(i64, i64, i64)>(sql, args).await? {
            let n = n.unsigned_abs();
            match (SubscriptionState::from_code(state), suppressed) {
                (Some(SubscriptionState::Pending), _) => audience.pending += n,
                (Some(SubscriptionState::Confirmed), 0) => audience.recipients += n,
                (Some(SubscriptionState::Confirmed), _) => audience.suppressed += n,
                (Some(SubscriptionState::Unsubscribed) | None, _) => audience.unsubscribed += n,
            }
        }
        Ok(audience)
    }

    /// The same by name, above `after` (an address), at most `limit`.
    pub async fn audience_members(&self, lists: &[ListId], after: &str, limit: u32) -> Result<Vec<AudienceMember>> {
        let lists = each_once(lists);
        if lists.is_empty() {
            return Ok(Vec::new());
        }
        let mut args = Vec::new();
        let rank = rank(&mut args, &lists);
        args.extend(args![after.to_lowercase(), limit]);
        let (after, limit) = (args.len() - 1, args.len());
        // Walks the addresses in order and looks each person up, so that a page costs the same at the end as at the start.
        let sql = format!(
            "SELECT email, rank, reason FROM (
                 SELECT s.email, s.email_key, p.reason, (SELECT MIN({rank}) FROM subscriptions WHERE subscriber_id = s.id AND list_id IN ({})) AS rank
                 FROM subscribers s LEFT JOIN suppressions p ON p.email = s.email_key WHERE s.email_key > ${after}
             ) AS t WHERE rank IS NOT NULL ORDER BY email_key LIMIT ${limit}",
            all(&lists)
        );
        let mut tx = self.engine.read().await?;
        let rows: Vec<(String, i64, Option<String>)> = tx.rows(sql, args).await?;
        rows.into_iter()
            .map(|(email, rank, reason)| {
                let (list, state) = decided(rank, &lists).ok_or_else(|| StoreError::Corrupt(format!("the subscription of {email}")))?;
                Ok(AudienceMember { email, list: list.clone(), left_out: left_out(None, Some(state), reason.as_deref()) })
            })
            .collect()
    }
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
