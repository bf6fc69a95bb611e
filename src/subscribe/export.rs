//! Subscribers as CSV: the same columns that import reads, one row for each person and List.

use std::io::Write;

use super::values::tags_cell;
use crate::model::{Condition, Consent, ListId, SubscriberId, Timestamp};
use crate::store::subscribers::{Person, SubscriptionRow};
use crate::store::{Result, Store, StoreError};

/// How spreadsheets know a formula by its first character; such cells get a `'` in front.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];
/// People read at a time.
const PAGE: u32 = 1_000;
const HEADER: [&str; 14] = [
    "email",
    "name",
    "list",
    "state",
    "language",
    "timezone",
    "joined",
    "tags",
    "consent_source",
    "asked_at",
    "asked_ip",
    "confirmed_at",
    "confirmed_ip",
    "attributes",
];

/// Writes the people of `list`, or all of them, as CSV, only those meant by `only`; how many rows. A suppressed person's state is `suppressed`,
/// so that no import elsewhere mails them again.
pub async fn export(store: &Store, list: Option<&ListId>, only: Option<&Condition>, out: impl Write + Send) -> Result<u64> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(HEADER).map_err(unwritten)?;
    let (mut rows, mut after) = (0, SubscriberId(0));
    loop {
        let people = store.people_in(list, only, after, PAGE).await?;
        let Some(last) = people.last() else { break };
        after = last.subscriber.id;
        for person in &people {
            for row in rows_of(person, list) {
                csv.write_record(row.iter().map(|cell| escaped(cell))).map_err(unwritten)?;
                rows += 1;
            }
        }
    }
    csv.flush().map_err(|error| StoreError::Refused(format!("the export cannot be written: {error}")))?;
    Ok(rows)
}

/// A person without any Subscription is a row without a List.
fn rows_of(person: &Person, list: Option<&ListId>) -> Vec<[String; HEADER.len()]> {
    if person.subscriptions.is_empty() {
        return vec![row(person, None)];
    }
    let wanted = person.subscriptions.iter().filter(|one| list.is_none_or(|list| one.list == *list));
    wanted.map(|one| row(person, Some(one))).collect()
}

fn row(person: &Person, subscription: Option<&SubscriptionRow>) -> [String; HEADER.len()] {
    let one = &person.subscriber;
    let attributes = if one.attributes.is_empty() { String::new() } else { serde_json::Value::Object(one.attributes.clone()).to_string() };
    let state = if person.suppressed.is_some() { "suppressed" } else { subscription.map_or("", |one| one.state.word()) };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let moment = |at: Option<Timestamp>| at.map(Timestamp::rfc3339).unwrap_or_default();
    let kept = person.consents.iter().find(|row| subscription.is_some_and(|one| one.list == row.list));
    let nothing = Consent::default();
    let consent = kept.map_or(&nothing, |row| &row.consent);
    [
        one.email.to_string(),
        text(&one.name),
        subscription.map_or("", |one| one.list.as_str()).to_owned(),
        state.to_owned(),
        text(&one.language),
        text(&one.timezone),
        one.created_at.rfc3339(),
        tags_cell(&person.tags),
        text(&consent.source),
        moment(consent.asked_at),
        text(&consent.asked_ip),
        moment(consent.confirmed_at),
        text(&consent.confirmed_ip),
        attributes,
    ]
}

/// A cell that no spreadsheet calculates; [`unescaped`] gives it back as it was.
pub(super) fn escaped(cell: &str) -> String {
    if is_formula(cell) { format!("'{cell}") } else { cell.to_owned() }
}

/// The inverse of [`escaped`].
pub(super) fn unescaped(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(cell)
}

/// Also behind quotes, so that escaping twice can be undone twice.
fn is_formula(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(FORMULA)
}

fn unwritten(error: csv::Error) -> StoreError {
    StoreError::Refused(format!("the export cannot be written: {error}"))
}
