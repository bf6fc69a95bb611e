//! Where a person stands with the Lists of an Issue. Freezing, the dry run, claiming and the last look before an intent
//! must never disagree about it, so the rule is written once.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Result;
use super::sql::{CHUNK, Tx, Value, args, in_list};
use crate::model::{IssueId, ListId, Notice, SubscriberId, SubscriptionState, Timestamp};

/// More Lists than any Issue names; a pending Subscription ranks behind all of them.
const PENDING_BEHIND: usize = 100_000;

/// An SQL expression over `subscriptions` rows that orders a person's Subscriptions by who decides, with the state in its last
/// digit: the first List in order decides, but one on which they never confirmed only when no other says anything.
/// The Lists become the first of `args`.
pub(super) fn rank(args: &mut Vec<Value>, lists: &[ListId]) -> String {
    debug_assert!(args.is_empty(), "the lists are the first arguments");
    args.extend(lists.iter().map(Value::from));
    rank_over(lists)
}

/// The same over Lists that are the first arguments already.
pub(super) fn rank_over(lists: &[ListId]) -> String {
    let mut position = String::from("CASE list_id");
    for i in 0..lists.len() {
        let _ = write!(position, " WHEN ${} THEN {i}", i + 1);
    }
    let pending = SubscriptionState::Pending.code();
    format!("(({position} END) + CASE WHEN state = {pending} THEN {PENDING_BEHIND} ELSE 0 END) * 10 + state")
}

/// The inverse of [`rank`]: which List decides, and what it says.
pub(super) fn decided(rank: i64, lists: &[ListId]) -> Option<(&ListId, SubscriptionState)> {
    let position = usize::try_from(rank / 10).ok()? % PENDING_BEHIND;
    Some((lists.get(position)?, SubscriptionState::from_code(rank % 10)?))
}

/// The Lists in order, each once.
pub(super) fn each_once(lists: &[ListId]) -> Vec<ListId> {
    let mut seen = std::collections::HashSet::new();
    lists.iter().filter(|list| seen.insert(*list)).cloned().collect()
}

/// The List that decides about a person, by their `rank`, as an SQL expression. The Lists are the first arguments of the statement.
pub(super) fn decided_list(lists: &[ListId]) -> String {
    let list: String = (0..lists.len()).map(|position| format!(" WHEN {position} THEN ${}", position + 1)).collect();
    // A rank is position * 10 + state.
    format!("CASE rank / 10{list} END")
}

/// Why a person does not get it, in the words reports use; nothing when they do. A notice has its own rule of whom it is for.
pub(super) fn left_out(
    notice: Option<Notice>,
    state: Option<SubscriptionState>,
    suppressed: Option<&str>,
    paused_until: Option<Timestamp>,
) -> Option<String> {
    if let (Some(notice), Some(state)) = (notice, state) {
        return match suppressed {
            _ if !notice.goes_to(state) => Some(state.word().to_owned()),
            Some(reason) => Some(format!("suppressed: {reason}")),
            None => None,
        };
    }
    match (state, suppressed) {
        (None | Some(SubscriptionState::Unsubscribed), _) => Some("unsubscribed".to_owned()),
        (Some(SubscriptionState::Pending), _) => Some("pending".to_owned()),
        (Some(SubscriptionState::Confirmed), Some(reason)) => Some(format!("suppressed: {reason}")),
        (Some(SubscriptionState::Confirmed), None) => paused_until.map(paused),
    }
}

/// That somebody asked for no mail before an instant.
pub(super) fn paused(until: Timestamp) -> String {
    // It is midnight somewhere; half a day more falls on that day in all zones but the last.
    format!("paused until {}", until.plus(std::time::Duration::from_secs(12 * 3_600)).utc().date_naive())
}

/// Marks Deliveries `skipped`, by reason.
pub(super) async fn skip(tx: &mut Tx, issue: IssueId, reasons: BTreeMap<String, Vec<SubscriberId>>, now: Timestamp) -> Result<()> {
    for (reason, people) in reasons {
        for people in people.chunks(CHUNK) {
            let mut args = args![issue, now, reason.as_str()];
            let ids = in_list(&mut args, people.iter().copied());
            let sql = format!(
                "UPDATE deliveries SET state = 7, lease = NULL, next_at = NULL, changed_at = $2, class = NULL, code = NULL, reply = $3
                 WHERE issue_id = $1 AND subscriber_id IN ({ids})"
            );
            tx.run(sql, args).await?;
        }
    }
    Ok(())
}
