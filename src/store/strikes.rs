//! When an address is given up that was never refused for its own fault: a refusal without a reason on two days, or a mailbox
//! that stays full. The ledger itself is the memory: what became of earlier Deliveries to the same person.

use super::Result;
use super::sql::{Tx, args};
use crate::model::outcome::Reply;
use crate::model::{DeliveryState, FailureClass, SubscriberId, Timestamp};

/// A day, as far as "on different days" goes.
const DAY_MICROS: i64 = 86_400_000_000;
/// A full mailbox counts half after this many days.
const HALF_LIFE_DAYS: f64 = 30.0;
/// So much, this time included, gives a mailbox up: four Issues in a row within a month, each retried for five days.
const MAILBOX_MAX: f64 = 3.0;
/// More of a person's history than this decides nothing.
const HISTORY_MAX: u32 = 50;

/// Why the address is to be suppressed now that a Delivery to it failed with `reply`; nothing when it is not.
pub(super) async fn verdict(
    tx: &mut Tx,
    subscriber: SubscriberId,
    class: FailureClass,
    reply: &Reply,
    now: Timestamp,
) -> Result<Option<String>> {
    match class {
        FailureClass::Other => {
            let before = history(tx, subscriber, class).await?;
            let another_day = before.iter().any(|past| past.at.0.div_euclid(DAY_MICROS) != now.0.div_euclid(DAY_MICROS));
            Ok(another_day.then(|| "refused for good on different days".to_owned()))
        }
        FailureClass::Mailbox if about_mailbox(reply.enhanced.as_deref()) => {
            let mut before = history(tx, subscriber, class).await?;
            before.retain(|past| about_mailbox(past.reply.as_deref()));
            let weight = 1.0 + before.iter().map(|past| weight(past.at, now)).sum::<f64>();
            Ok((weight >= MAILBOX_MAX).then(|| format!("the mailbox took nothing of {} issues in a row", before.len() + 1)))
        }
        _ => Ok(None),
    }
}

/// An earlier Delivery that failed in the same way.
struct Past {
    at: Timestamp,
    reply: Option<String>,
}

/// What failed with this class since the last mail the person took, newest first.
async fn history(tx: &mut Tx, subscriber: SubscriberId, class: FailureClass) -> Result<Vec<Past>> {
    // By way of the Issues, because a person's Deliveries are found by the key (issue, subscriber) alone.
    let sql = "SELECT d.state, d.class, d.reply, d.changed_at FROM issues i
         JOIN deliveries d ON d.issue_id = i.id AND d.subscriber_id = $1
         WHERE d.state = 3 OR d.state = 5 ORDER BY d.changed_at DESC, d.issue_id DESC LIMIT $2";
    let rows: Vec<(i64, Option<String>, Option<String>, i64)> = tx.rows(sql, args![subscriber, HISTORY_MAX]).await?;
    let since = rows.into_iter().take_while(|(state, ..)| *state != DeliveryState::Sent.code());
    let alike = since.filter(|(_, kept, ..)| kept.as_deref() == Some(class.word()));
    Ok(alike.map(|(_, _, reply, at)| Past { at: Timestamp(at), reply }).collect())
}

/// A reply that speaks of this mailbox (x.2.x). A relay that is short of space says x.3.x, to everybody.
fn about_mailbox(enhanced: Option<&str>) -> bool {
    enhanced.is_some_and(|code| code.starts_with("4.2.") || code.starts_with("5.2."))
}

/// A strike fades: one now, a half after [`HALF_LIFE_DAYS`].
fn weight(at: Timestamp, now: Timestamp) -> f64 {
    let days = now.since(at).as_secs_f64() / 86_400.0;
    0.5_f64.powf(days / HALF_LIFE_DAYS)
}
