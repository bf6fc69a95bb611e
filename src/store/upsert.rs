//! Bringing many people onto a List at once: look all of them up, decide in memory, write what changed.

use std::collections::HashMap;

use super::imports::ImportTag;
use super::sql::{CHUNK_IN_ORDER, Tx, Value, args, in_list, pieces, value_rows};
use super::subscribers::{NewSubscriber, Upserted, parse_attributes, parse_tags, tags_text};
use super::suppressions::suppressed;
use super::{Result, Store, StoreError};
use crate::model::{Consent, ListId, SubscriptionState, Timestamp};

/// Rows in one INSERT: ten values each stay far below SQLite's limit of 32,766.
const INSERT_ROWS: usize = 256;

/// How a batch arrives.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Onto this List.
    pub list: &'a ListId,
    /// In this state. Who arrives as unsubscribed is kept as such, so that nothing later brings them in.
    pub state: SubscriptionState,
    /// Kept with each Subscription: where it came from.
    pub source: &'a str,
    /// The import that brings them: its tag goes to everybody it makes or changes.
    pub import: Option<&'a ImportTag>,
    /// Only say what would happen.
    pub dry_run: bool,
    /// The present instant.
    pub now: Timestamp,
}

/// A person as the batch knows them so far.
struct Known {
    id: i64,
    name: Option<String>,
    attributes: serde_json::Map<String, serde_json::Value>,
    language: Option<String>,
    timezone: Option<String>,
    /// As the store keeps them.
    tags: String,
    /// The import that made them.
    import: Option<i64>,
    /// Where they stand on the List.
    state: Option<SubscriptionState>,
    /// Where they stood before the batch.
    before: Option<SubscriptionState>,
    /// The row that made them, when they are new.
    made_by: Option<usize>,
    changed: bool,
}

impl Known {
    /// Whether where they stand is to be written.
    fn moved(&self) -> bool {
        self.state != self.before
    }
}

type KnownRow = (i64, String, Option<String>, String, Option<String>, Option<String>, String, Option<i64>, Option<i64>);

impl Store {
    /// Brings a batch onto `list` in state `state`: what [`Store::bring`] does for people who come by no import.
    pub async fn upsert_subscribers(
        &self,
        rows: &[NewSubscriber],
        list: &ListId,
        state: SubscriptionState,
        source: &str,
        dry_run: bool,
        now: Timestamp,
    ) -> Result<Vec<Upserted>> {
        self.bring(rows, &Arrival { list, state, source, import: None, dry_run, now }).await
    }

    /// Brings a batch of people onto a List, in one transaction: at most a few thousand rows a call.
    /// Suppressed addresses, erased people and people who left are never revived. The results are in the order of the rows.
    /// In a dry run nothing is written and the results are what they would be.
    pub async fn bring(&self, rows: &[NewSubscriber], how: &Arrival<'_>) -> Result<Vec<Upserted>> {
        let keys: Vec<String> = rows.iter().map(|row| row.email.key()).collect();
        let mut tx = if how.dry_run { self.engine.read().await? } else { self.engine.write().await? };
        if !how.dry_run {
            // Where several processes import, one does at a time: what is looked up now must hold when it is written.
            let sql = format!("SELECT next FROM counters WHERE name = 'subscriber'{}", tx.locked());
            tx.row::<(i64,)>(sql, args![]).await?;
        }
        let suppressed = suppressed(&mut tx, &keys).await?;
        let mut known = look_up(&mut tx, &keys, how.list).await?;
        let mut results = Vec::with_capacity(rows.len());
        for (n, (row, key)) in rows.iter().zip(&keys).enumerate() {
            results.push(if suppressed.contains(key) { Upserted::Suppressed } else { decide(&mut known, key, n, row, how) });
        }
        if !how.dry_run {
            number_new(&mut tx, &mut known).await?;
            insert_people(&mut tx, rows, &known, how).await?;
            update_people(&mut tx, &known, how).await?;
            write_subscriptions(&mut tx, &known, how).await?;
            remember_moves(&mut tx, &known, how).await?;
            let kept = rows.iter().zip(&keys).zip(&results).filter(|(_, result)| **result != Upserted::Suppressed);
            let told = kept.filter_map(|((row, key), _)| Some((known.get(key)?.id, row.consent.as_ref()?)));
            write_consents(&mut tx, &told.collect::<Vec<_>>(), how).await?;
            tx.commit().await?;
        }
        Ok(results)
    }
}

/// The people of the batch that are there, by address, with where they stand on the List.
async fn look_up(tx: &mut Tx, keys: &[String], list: &ListId) -> Result<HashMap<String, Known>> {
    let mut known = HashMap::with_capacity(keys.len());
    for keys in keys.chunks(CHUNK_IN_ORDER) {
        let mut args = args![list];
        let sql = format!(
            "SELECT s.id, s.email_key, s.name, s.attributes, s.language, s.timezone, s.tags, s.made_by, x.state FROM subscribers s
             LEFT JOIN subscriptions x ON x.subscriber_id = s.id AND x.list_id = $1 WHERE s.email_key IN ({})",
            in_list(&mut args, keys.iter().map(String::as_str))
        );
        for (id, key, name, attributes, language, timezone, tags, import, state) in tx.rows::<KnownRow>(sql, args).await? {
            let attributes =
                parse_attributes(&attributes).ok_or_else(|| StoreError::Corrupt(format!("the attributes of subscriber {id}")))?;
            let state = state.and_then(SubscriptionState::from_code);
            let person =
                Known { id, name, attributes, language, timezone, tags, import, state, before: state, made_by: None, changed: false };
            known.insert(key, person);
        }
    }
    Ok(known)
}

/// What becomes of one row; the person is brought up to date in memory.
fn decide(known: &mut HashMap<String, Known>, key: &str, n: usize, row: &NewSubscriber, how: &Arrival<'_>) -> Upserted {
    let tag = how.import.map(|import| import.tag.as_str());
    let leaves = how.state == SubscriptionState::Unsubscribed;
    let Some(person) = known.get_mut(key) else {
        let person = Known {
            id: 0,
            name: row.name.clone(),
            attributes: row.attributes.clone(),
            language: row.language.clone(),
            timezone: row.timezone.clone(),
            tags: tags_text(row.tags.iter().map(String::as_str).filter(|known| Some(*known) != tag).chain(tag)),
            import: how.import.map(|import| import.id),
            state: Some(how.state),
            before: None,
            made_by: Some(n),
            changed: false,
        };
        known.insert(key.to_owned(), person);
        return if leaves { Upserted::Unsubscribed } else { Upserted::New };
    };
    if person.state == Some(SubscriptionState::Unsubscribed) {
        return Upserted::Unsubscribed;
    }
    let before = person.state;
    let changed = merge(person, row);
    person.state = Some(moved(before, how.state));
    let touched = changed || person.state != before;
    let tagged = touched && tag.is_some_and(|tag| add_tag(person, tag));
    person.changed |= changed || tagged;
    if leaves {
        return Upserted::Unsubscribed;
    }
    match before {
        None => Upserted::New,
        Some(_) if touched => Upserted::Updated,
        Some(_) => Upserted::Unchanged,
    }
}

/// What is told replaces what was known; what is not told stays. Whether anything changed.
fn merge(person: &mut Known, row: &NewSubscriber) -> bool {
    let mut changed = false;
    for (old, new) in [(&mut person.name, &row.name), (&mut person.language, &row.language), (&mut person.timezone, &row.timezone)] {
        if new.is_some() && old != new {
            old.clone_from(new);
            changed = true;
        }
    }
    for (key, value) in &row.attributes {
        if person.attributes.get(key) != Some(value) {
            person.attributes.insert(key.clone(), value.clone());
            changed = true;
        }
    }
    for tag in &row.tags {
        changed |= add_tag(person, tag);
    }
    changed
}

/// Adds a tag; false when it was there.
fn add_tag(person: &mut Known, tag: &str) -> bool {
    let known = parse_tags(&person.tags).any(|known| known == tag);
    if !known {
        person.tags = tags_text(parse_tags(&person.tags).chain([tag]));
    }
    !known
}

/// The rule of imports: who confirmed stays confirmed, who was asked may be confirmed, and anybody may be taken off.
const fn moved(before: Option<SubscriptionState>, wanted: SubscriptionState) -> SubscriptionState {
    match (before, wanted) {
        (Some(SubscriptionState::Confirmed), SubscriptionState::Pending) => SubscriptionState::Confirmed,
        (Some(SubscriptionState::Unsubscribed), _) => SubscriptionState::Unsubscribed,
        (_, wanted) => wanted,
    }
}

/// Numbers the new people in the order of their rows.
async fn number_new(tx: &mut Tx, known: &mut HashMap<String, Known>) -> Result<()> {
    let mut new: Vec<&mut Known> = known.values_mut().filter(|person| person.made_by.is_some()).collect();
    if new.is_empty() {
        return Ok(());
    }
    new.sort_unstable_by_key(|person| person.made_by);
    let first = tx.numbers("subscriber", new.len()).await?;
    for (id, person) in (first..).zip(new) {
        person.id = id;
    }
    Ok(())
}

async fn insert_people(tx: &mut Tx, rows: &[NewSubscriber], known: &HashMap<String, Known>, how: &Arrival<'_>) -> Result<()> {
    let mut new: Vec<(&String, &Known, &NewSubscriber)> =
        known.iter().filter_map(|(key, person)| Some((key, person, rows.get(person.made_by?)?))).collect();
    new.sort_unstable_by_key(|(_, person, _)| person.id);
    for people in pieces(&new, INSERT_ROWS) {
        let mut args = Vec::with_capacity(people.len() * 10);
        let rows = value_rows(
            &mut args,
            people.iter().map(|(key, person, row)| {
                [
                    person.id.into(),
                    key.as_str().into(),
                    row.email.as_str().into(),
                    person.name.as_deref().into(),
                    json(person).into(),
                    person.language.as_deref().into(),
                    person.timezone.as_deref().into(),
                    Value::from(row.joined_at.unwrap_or(how.now)),
                    person.tags.as_str().into(),
                    person.import.into(),
                ]
            }),
        );
        let sql = format!(
            "INSERT INTO subscribers (id, email_key, email, name, attributes, language, timezone, created_at, tags, made_by) VALUES {rows}"
        );
        tx.run(sql, args).await?;
    }
    Ok(())
}

async fn update_people(tx: &mut Tx, known: &HashMap<String, Known>, how: &Arrival<'_>) -> Result<()> {
    let import = how.import.map(|import| import.id);
    let changed: Vec<&Known> = known.values().filter(|person| person.changed && person.made_by.is_none()).collect();
    for people in pieces(&changed, INSERT_ROWS) {
        let mut args = Vec::with_capacity(people.len() * 7);
        let rows = value_rows(
            &mut args,
            people.iter().map(|person| {
                // Who is changed by the import that made them is still as it left them.
                let touched = if import.is_some() && person.import == import { None } else { Some(how.now) };
                [
                    Value::from(person.id),
                    person.name.as_deref().into(),
                    json(person).into(),
                    person.language.as_deref().into(),
                    person.timezone.as_deref().into(),
                    person.tags.as_str().into(),
                    touched.into(),
                ]
            }),
        );
        let sql = format!(
            "WITH told (id, name, attributes, language, timezone, tags, changed_at) AS (VALUES {rows})
             UPDATE subscribers SET name = told.name, attributes = told.attributes, language = told.language, timezone = told.timezone,
                 tags = told.tags, changed_at = COALESCE(told.changed_at, subscribers.changed_at)
             FROM told WHERE subscribers.id = told.id"
        );
        tx.run(sql, args).await?;
    }
    Ok(())
}

async fn write_subscriptions(tx: &mut Tx, known: &HashMap<String, Known>, how: &Arrival<'_>) -> Result<()> {
    let mut moved: Vec<&Known> = known.values().filter(|person| person.moved()).collect();
    moved.sort_unstable_by_key(|person| person.id);
    for people in pieces(&moved, INSERT_ROWS) {
        let mut args = Vec::with_capacity(people.len() * 5);
        let rows = value_rows(
            &mut args,
            people.iter().map(|person| {
                let state = person.state.map(SubscriptionState::code);
                [how.list.into(), person.id.into(), Value::from(state), how.source.into(), how.now.into()]
            }),
        );
        let sql = format!(
            "INSERT INTO subscriptions (list_id, subscriber_id, state, source, changed_at) VALUES {rows}
             ON CONFLICT (list_id, subscriber_id) DO UPDATE SET state = excluded.state, source = excluded.source, changed_at = excluded.changed_at"
        );
        tx.run(sql, args).await?;
    }
    Ok(())
}

/// Keeps whom an import confirmed who was pending before, so that undoing it can put them back.
async fn remember_moves(tx: &mut Tx, known: &HashMap<String, Known>, how: &Arrival<'_>) -> Result<()> {
    let Some(import) = how.import else { return Ok(()) };
    let confirmed =
        |person: &&Known| person.before == Some(SubscriptionState::Pending) && person.state == Some(SubscriptionState::Confirmed);
    let moved: Vec<&Known> = known.values().filter(confirmed).collect();
    for people in pieces(&moved, INSERT_ROWS) {
        let mut args = Vec::with_capacity(people.len() * 3);
        let rows = value_rows(&mut args, people.iter().map(|person| [import.id.into(), how.list.into(), Value::from(person.id)]));
        let sql = format!(
            "INSERT INTO import_moves (import_id, list_id, subscriber_id) VALUES {rows} ON CONFLICT (import_id, list_id, subscriber_id) DO NOTHING"
        );
        tx.run(sql, args).await?;
    }
    Ok(())
}

/// Keeps when and how people agreed. The first record of a person and List stays.
async fn write_consents(tx: &mut Tx, told: &[(i64, &Consent)], how: &Arrival<'_>) -> Result<()> {
    for consents in pieces(told, INSERT_ROWS) {
        let mut args = Vec::with_capacity(consents.len() * 8);
        let rows = value_rows(
            &mut args,
            consents.iter().map(|(id, consent)| {
                [
                    Value::from(*id),
                    how.list.into(),
                    consent.source.as_deref().unwrap_or(how.source).into(),
                    consent.asked_at.into(),
                    consent.asked_ip.as_deref().into(),
                    consent.confirmed_at.into(),
                    consent.confirmed_ip.as_deref().into(),
                    consent.wording.as_deref().into(),
                ]
            }),
        );
        let sql = format!(
            "INSERT INTO consents (subscriber_id, list_id, source, asked_at, asked_ip, confirmed_at, confirmed_ip, wording) VALUES {rows}
             ON CONFLICT (subscriber_id, list_id) DO NOTHING"
        );
        tx.run(sql, args).await?;
    }
    Ok(())
}

fn json(person: &Known) -> String {
    serde_json::Value::Object(person.attributes.clone()).to_string()
}
