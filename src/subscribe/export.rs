//! Subscribers as CSV: the same columns that import reads, one row for each person and List.

use std::io::Write;

use crate::model::{ListId, SubscriberId};
use crate::store::subscribers::Person;
use crate::store::{Result, Store, StoreError};

/// How spreadsheets know a formula by its first character; such cells get a `'` in front.
pub(super) const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];
/// People read at a time.
const PAGE: u32 = 1_000;
const HEADER: [&str; 8] = ["email", "name", "list", "state", "language", "timezone", "joined", "attributes"];

/// Writes the people of `list`, or all of them, as CSV; how many rows. A suppressed person's state is `suppressed`,
/// so that no import elsewhere mails them again.
pub async fn export(store: &Store, list: Option<&ListId>, out: impl Write + Send) -> Result<u64> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(HEADER).map_err(unwritten)?;
    let (mut rows, mut after) = (0, SubscriberId(0));
    loop {
        let people = store.people(list, after, PAGE).await?;
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
fn rows_of(person: &Person, list: Option<&ListId>) -> Vec<[String; 8]> {
    let row = |id: &str, state: &str| {
        let one = &person.subscriber;
        let attributes =
            if one.attributes.is_empty() { String::new() } else { serde_json::Value::Object(one.attributes.clone()).to_string() };
        let state = if person.suppressed.is_some() { "suppressed" } else { state };
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        [
            one.email.to_string(),
            text(&one.name),
            id.to_owned(),
            state.to_owned(),
            text(&one.language),
            text(&one.timezone),
            one.created_at.rfc3339(),
            attributes,
        ]
    };
    if person.subscriptions.is_empty() {
        return vec![row("", "")];
    }
    let wanted = person.subscriptions.iter().filter(|one| list.is_none_or(|list| one.list == *list));
    wanted.map(|one| row(one.list.as_str(), one.state.word())).collect()
}

fn escaped(cell: &str) -> String {
    if cell.starts_with(FORMULA) { format!("'{cell}") } else { cell.to_owned() }
}

fn unwritten(error: csv::Error) -> StoreError {
    StoreError::Refused(format!("the export cannot be written: {error}"))
}
