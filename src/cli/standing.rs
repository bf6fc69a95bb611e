//! Where an Issue stands, as people and programs read it. Every number comes from the ledger.

use serde_json::{Value, json};

use super::output::{duration, number, table, wrapped};
use super::{Failure, issues};
use crate::app::App;
use crate::model::{Counts, DeliveryState, FailureClass, Fault, IssueId, IssueStatus, Pace, Timestamp};
use crate::store::deliveries::Trouble;
use crate::store::issues::IssueRow;
use crate::store::numbers::{DomainGroup, ReasonGroup};

/// How many groups are told of each kind; the largest.
const GROUPS: u32 = 20;
/// How many Deliveries in trouble JSON output names.
const TROUBLES: u32 = 20;

/// An Issue with everything the ledger knows of it.
pub struct Standing {
    row: IssueRow,
    counts: Counts,
    /// While it is being sent.
    pace: Option<Pace>,
    next_tries: Option<(Timestamp, Timestamp)>,
    reasons: Vec<ReasonGroup>,
    domains: Vec<DomainGroup>,
    troubles: Vec<Trouble>,
    now: Timestamp,
    zone: chrono_tz::Tz,
}

impl Standing {
    /// As it is now.
    pub async fn read(app: &App, id: IssueId) -> Result<Self, Failure> {
        let (store, now) = (&app.store, app.clock.now());
        let row = store.issue(id).await?.ok_or_else(|| Fault::error("unknown-issue", format!("there is no issue {}", id.0)))?;
        let pace = if row.status == IssueStatus::Sending { Some(store.pace(id, now).await?) } else { None };
        Ok(Self {
            counts: store.counts(id).await?,
            pace,
            next_tries: store.next_tries(id).await?,
            reasons: store.reasons(id, GROUPS).await?,
            domains: store.domains(id, GROUPS).await?,
            troubles: store.troubles(id, TROUBLES).await?,
            zone: app.config.site.timezone,
            now,
            row,
        })
    }

    /// How long until the queue is empty, at the present pace.
    fn time_left(&self) -> Option<std::time::Duration> {
        self.pace?.time_for(self.counts.queued + self.counts.leased)
    }

    /// What a person may do next, if anything.
    fn hint(&self) -> Option<String> {
        let id = self.row.id.0;
        let again = |group: &ReasonGroup| match group.state {
            DeliveryState::Unknown => true,
            DeliveryState::Failed => group.class != Some(FailureClass::Address),
            _ => false,
        };
        match self.row.status {
            IssueStatus::Paused => Some(format!("`postrider issues resume {id}` goes on where it stood")),
            IssueStatus::Scheduled => Some("`postrider run` sends it then".to_owned()),
            IssueStatus::Done | IssueStatus::Cancelled if self.counts.cancelled > 0 || self.reasons.iter().any(again) => {
                Some(format!("`postrider issues retry {id}` sends to the rest"))
            }
            _ => None,
        }
    }

    /// As JSON: what [`issues::json`] has, and more. The keys are a contract, told in docs/delivery.
    pub fn json(&self) -> Value {
        let mut data = issues::json(&self.row, &self.counts);
        let time_left = self.time_left();
        let at = |at: Timestamp| at.rfc3339();
        data["hint"] = self.hint().into();
        data["rate_per_second"] = self.pace.map(|pace| (pace.per_second * 10.0).round() / 10.0).into();
        data["seconds_left"] = time_left.map(|left| left.as_secs()).into();
        data["ends_at"] = time_left.map(|left| at(self.now.plus(left))).into();
        data["next_try_at"] = self.next_tries.map(|(first, _)| at(first)).into();
        data["last_try_at"] = self.next_tries.map(|(_, last)| at(last)).into();
        data["by_reason"] = self.reasons.iter().map(reason_json).collect();
        data["by_domain"] = serde_json::to_value(&self.domains).unwrap_or_default();
        let trouble = |trouble: &Trouble| {
            let mut data = serde_json::to_value(trouble).unwrap_or_default();
            data["next_at"] = trouble.next_at.map(at).into();
            data
        };
        data["troubles"] = self.troubles.iter().map(trouble).collect();
        data
    }

    /// As lines of text, at most 80 columns wide where words allow.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = wrapped(&format!("issue {:<4}", self.row.id.0), &self.row.subject);
        lines.extend(wrapped("status    ", &status_words(&self.row)));
        lines.extend(self.hint().map(|hint| wrapped("          ", &hint)).unwrap_or_default());
        let row = &self.row;
        let times =
            [("frozen", Some(row.created_at)), ("goes out", row.scheduled_at), ("started", row.started_at), ("ended", row.finished_at)];
        for (name, at) in times.into_iter().filter_map(|(name, at)| Some((name, at?))) {
            lines.push(format!("{name:<10}{}", at.in_zone(self.zone).format("%a %-d %b %Y %H:%M:%S %Z")));
        }
        lines.extend(wrapped("counts    ", &identity(&self.counts)));
        let waiting = self.counts.queued + self.counts.leased > 0;
        lines.extend(self.pace.filter(|_| waiting).map(|pace| format!("pace      {}", self.pace_words(pace))));
        lines.extend(self.next_tries.map(|(first, last)| format!("again     {}", self.tries_words(first, last))));
        if !self.reasons.is_empty() {
            lines.push(String::new());
            lines.extend(self.reasons.iter().flat_map(reason_lines));
        }
        if !self.domains.is_empty() {
            lines.push(String::new());
            lines.push(domain_table(&self.domains));
        }
        lines
    }

    fn pace_words(&self, pace: Pace) -> String {
        let left = self.time_left().map(|left| format!(", about {} left", duration(left))).unwrap_or_default();
        format!("{} now{left}", rate(pace))
    }

    fn tries_words(&self, first: Timestamp, last: Timestamp) -> String {
        let at = |at: Timestamp| {
            let (at, today) = (at.in_zone(self.zone), self.now.in_zone(self.zone).date_naive());
            at.format(if at.date_naive() == today { "%H:%M" } else { "%a %-d %b %H:%M" }).to_string()
        };
        let when = if at(first) == at(last) { format!("at {}", at(first)) } else { format!("from {} to {}", at(first), at(last)) };
        format!("{} tried again {when}", number(self.counts.deferred))
    }
}

/// The status with its reason, as a sentence begins: "paused by hand", "paused: the relay refused …".
pub fn status_words(row: &IssueRow) -> String {
    match row.reason.as_deref() {
        None => row.status.word().to_owned(),
        Some(why) if why.starts_with(row.status.word()) => why.to_owned(),
        Some(why) => format!("{}: {why}", row.status.word()),
    }
}

/// "412/s", "24/min" for a slow relay.
pub fn rate(pace: Pace) -> String {
    let per_second = pace.per_second;
    if per_second >= 1.0 || per_second == 0.0 {
        format!("{}/s", number(per_second.round() as u64))
    } else {
        format!("{:.0}/min", per_second * 60.0)
    }
}

/// The ledger's identity in words: "12 planned = 9 sent + 3 waiting".
fn identity(counts: &Counts) -> String {
    let parts: Vec<String> = issues::parts(counts).into_iter().map(|(n, words)| format!("{} {words}", number(n))).collect();
    let planned = number(counts.planned);
    if parts.is_empty() { format!("{planned} planned") } else { format!("{planned} planned = {}", parts.join(" + ")) }
}

/// Why, in words: "no such mailbox", or the reason a Delivery was left out.
fn says(group: &ReasonGroup) -> &'static str {
    match (group.state, group.class) {
        (_, Some(class)) => class.says(),
        (DeliveryState::Skipped, None) => "left out",
        (DeliveryState::Unknown, None) => "cut off before the answer",
        // Nobody refused it: a pace or a warm-up holds it, or the answer was lost and it is sent again.
        (DeliveryState::Deferred, None) => "put off",
        _ => "no reason was given",
    }
}

/// What was said most often, with its code.
fn said(group: &ReasonGroup) -> String {
    [group.code.map(|code| code.to_string()), group.reply.clone()].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn reason_json(group: &ReasonGroup) -> Value {
    let ReasonGroup { state, class, code, reply, count } = group;
    json!({"state": state, "class": class, "says": says(group), "code": code, "reply": reply, "count": count})
}

fn reason_lines(group: &ReasonGroup) -> Vec<String> {
    let state = if group.state == DeliveryState::Unknown { "in doubt" } else { group.state.word() };
    let head = format!("{:>9} {state:<9} ", number(group.count));
    let said = said(group);
    wrapped(&head, &if said.is_empty() { says(group).to_owned() } else { format!("{}: {said}", says(group)) })
}

fn domain_table(domains: &[DomainGroup]) -> String {
    let mut rows = vec![["domain", "deferred", "failed", "in doubt"].map(str::to_owned).to_vec()];
    rows.extend(domains.iter().map(|group| {
        let DomainGroup { domain, deferred, failed, unknown } = group;
        vec![domain.clone(), number(*deferred), number(*failed), number(*unknown)]
    }));
    table(&rows)
}
