//! Bringing many people onto a List at once: look all of them up, decide in memory, write what changed.

use std::collections::{HashMap, HashSet};

use super::sql::{CHUNK_IN_ORDER, Tx, Value, args, in_list, pieces, value_rows};
use super::subscribers::{NewSubscriber, Upserted, parse_attributes};
use super::{Result, Store, StoreError};
use crate::model::{ListId, SubscriptionState, Timestamp};

/// Rows in one INSERT: eight values each stay far below SQLite's limit of 32,766.
const INSERT_ROWS: usize = 256;

/// A person as the batch knows them so far.
struct Known {
    id: i64,
    name: Option<String>,
    attributes: serde_json::Map<String, serde_json::Value>,
    language: Option<String>,
    timezone: Option<String>,
    /// Where they stand on the List.
    state: Option<SubscriptionState>,
    /// The row that made them, when they are new.
    made_by: Option<usize>,
    changed: bool,
    moved: bool,
}

type KnownRow = (i64, String, Option<String>, String, Option<String>, Option<String>, Option<i64>);

impl Store {
    /// Brings a batch onto `list` in state `state`, in one transaction: at most a few thousand rows a call.
    /// Suppressed addresses and people who left are never revived. The results are in the order of the rows.
    /// With `dry_run` nothing is written and the results are what they would be.
    pub async fn upsert_subscribers(
        &self,
        rows: &[NewSubscriber],
        list: &ListId,
        state: SubscriptionState,
        source: &str,
        dry_run: bool,
        now: Timestamp,
    ) -> Result<Vec<Upserted>> {
        let keys: Vec<String> = rows.iter().map(|row| row.email.key()).collect();
        let mut tx = if dry_run { self.engine.read().await? } else { self.engine.write().await? };
        if !dry_run {
            // Where several processes import, one does at a time: what is looked up now must hold when it is written.
            let sql = format!("SELECT next FROM counters WHERE name = 'subscriber'{}", tx.locked());
            tx.row::<(i64,)>(sql, args![]).await?;
        }
        let suppressed = suppressed(&mut tx, &keys).await?;
        let mut known = look_up(&mut tx, &keys, list).await?;
        let mut results = Vec::with_capacity(rows.len());
        for (n, (row, key)) in rows.iter().zip(&keys).enumerate() {
            results.push(if suppressed.contains(key) { Upserted::Suppressed } else { decide(&mut known, key, n, row, state) });
        }
        if !dry_run {
            number_new(&mut tx, &mut known).await?;
            insert_people(&mut tx, rows, &known, now).await?;
            update_people(&mut tx, &known).await?;
            write_subscriptions(&mut tx, &known, list, source, now).await?;
            tx.commit().await?;
        }
        Ok(results)
    }
}

/// Which of the addresses are suppressed.
async fn suppressed(tx: &mut Tx, keys: &[String]) -> Result<HashSet<String>> {
    let mut found = HashSet::new();
    for keys in keys.chunks(CHUNK_IN_ORDER) {
        let mut args = Vec::new();
        let sql = format!("SELECT email FROM suppressions WHERE email IN ({})", in_list(&mut args, keys.iter().map(String::as_str)));
        found.extend(tx.rows::<(String,)>(sql, args).await?.into_iter().map(|(email,)| email));
    }
    Ok(found)
}

/// The people of the batch that are there, by address, with where they stand on the List.
async fn look_up(tx: &mut Tx, keys: &[String], list: &ListId) -> Result<HashMap<String, Known>> {
    let mut known = HashMap::with_capacity(keys.len());
    for keys in keys.chunks(CHUNK_IN_ORDER) {
        let mut args = args![list];
        let sql = format!(
            "SELECT s.id, s.email_key, s.name, s.attributes, s.language, s.timezone, x.state FROM subscribers s
             LEFT JOIN subscriptions x ON x.subscriber_id = s.id AND x.list_id = $1 WHERE s.email_key IN ({})",
            in_list(&mut args, keys.iter().map(String::as_str))
        );
        for (id, key, name, attributes, language, timezone, state) in tx.rows::<KnownRow>(sql, args).await? {
            let attributes =
                parse_attributes(&attributes).ok_or_else(|| StoreError::Corrupt(format!("the attributes of subscriber {id}")))?;
            let state = state.and_then(SubscriptionState::from_code);
            known.insert(key, Known { id, name, attributes, language, timezone, state, made_by: None, changed: false, moved: false });
        }
    }
    Ok(known)
}

/// What becomes of one row; the person is brought up to date in memory.
fn decide(known: &mut HashMap<String, Known>, key: &str, n: usize, row: &NewSubscriber, state: SubscriptionState) -> Upserted {
    let Some(person) = known.get_mut(key) else {
        let person = Known {
            id: 0,
            name: row.name.clone(),
            attributes: row.attributes.clone(),
            language: row.language.clone(),
            timezone: row.timezone.clone(),
            state: Some(state),
            made_by: Some(n),
            changed: false,
            moved: true,
        };
        known.insert(key.to_owned(), person);
        return Upserted::New;
    };
    if person.state == Some(SubscriptionState::Unsubscribed) {
        return Upserted::Unsubscribed;
    }
    let changed = merge(person, row);
    person.changed |= changed;
    let before = person.state;
    person.state = Some(moved(before, state));
    person.moved |= person.state != before;
    match before {
        None => Upserted::New,
        Some(_) if changed || person.state != before => Upserted::Updated,
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
    changed
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

async fn insert_people(tx: &mut Tx, rows: &[NewSubscriber], known: &HashMap<String, Known>, now: Timestamp) -> Result<()> {
    let mut new: Vec<(&String, &Known, &NewSubscriber)> =
        known.iter().filter_map(|(key, person)| Some((key, person, rows.get(person.made_by?)?))).collect();
    new.sort_unstable_by_key(|(_, person, _)| person.id);
    for people in pieces(&new, INSERT_ROWS) {
        let mut args = Vec::with_capacity(people.len() * 8);
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
                    Value::from(row.joined_at.unwrap_or(now)),
                ]
            }),
        );
        let sql = format!("INSERT INTO subscribers (id, email_key, email, name, attributes, language, timezone, created_at) VALUES {rows}");
        tx.run(sql, args).await?;
    }
    Ok(())
}

async fn update_people(tx: &mut Tx, known: &HashMap<String, Known>) -> Result<()> {
    let changed: Vec<&Known> = known.values().filter(|person| person.changed && person.made_by.is_none()).collect();
    for people in pieces(&changed, INSERT_ROWS) {
        let mut args = Vec::with_capacity(people.len() * 5);
        let rows = value_rows(
            &mut args,
            people.iter().map(|person| {
                [
                    Value::from(person.id),
                    person.name.as_deref().into(),
                    json(person).into(),
                    person.language.as_deref().into(),
                    person.timezone.as_deref().into(),
                ]
            }),
        );
        let sql = format!(
            "WITH told (id, name, attributes, language, timezone) AS (VALUES {rows})
             UPDATE subscribers SET name = told.name, attributes = told.attributes, language = told.language, timezone = told.timezone
             FROM told WHERE subscribers.id = told.id"
        );
        tx.run(sql, args).await?;
    }
    Ok(())
}

async fn write_subscriptions(tx: &mut Tx, known: &HashMap<String, Known>, list: &ListId, source: &str, now: Timestamp) -> Result<()> {
    let mut moved: Vec<&Known> = known.values().filter(|person| person.moved).collect();
    moved.sort_unstable_by_key(|person| person.id);
    for people in pieces(&moved, INSERT_ROWS) {
        let mut args = Vec::with_capacity(people.len() * 5);
        let rows = value_rows(
            &mut args,
            people.iter().map(|person| {
                let state = person.state.map(SubscriptionState::code);
                [list.into(), person.id.into(), Value::from(state), source.into(), now.into()]
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

fn json(person: &Known) -> String {
    serde_json::Value::Object(person.attributes.clone()).to_string()
}
