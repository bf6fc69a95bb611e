//! Subscribers and their Subscriptions.

use serde_json::{Map, Value};

use super::preferences::{Preference, PreferenceRow, preference};
use super::sql::{Tx, args};
use super::{Result, Store, StoreError, segment};
use crate::model::{Condition, Consent, EmailAddress, ListId, Subscriber, SubscriberId, SubscriptionState, Timestamp};

/// One row to bring in.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSubscriber {
    /// Address.
    pub email: EmailAddress,
    /// Name, already checked.
    pub name: Option<String>,
    /// Attributes; merged over those that are there.
    pub attributes: Map<String, Value>,
    /// Language, if told.
    pub language: Option<String>,
    /// Zone, if told.
    pub timezone: Option<String>,
    /// When they joined elsewhere, if told.
    pub joined_at: Option<Timestamp>,
    /// Tags, each parsed; added to those that are there.
    pub tags: Vec<String>,
    /// When and how they agreed, if told. What is kept already stays.
    pub consent: Option<Consent>,
}

impl NewSubscriber {
    /// Somebody of whom only the address is known.
    pub fn new(email: EmailAddress) -> Self {
        Self { email, name: None, attributes: Map::new(), language: None, timezone: None, joined_at: None, tags: Vec::new(), consent: None }
    }
}

/// What became of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upserted {
    /// Not known before, or not on this List before.
    New,
    /// Known; something changed.
    Updated,
    /// Known; nothing changed.
    Unchanged,
    /// The address is suppressed: nothing was written.
    Suppressed,
    /// The person left this List, now or before: nothing was revived.
    Unsubscribed,
}

/// A person with all their Subscriptions and, if so, why they are suppressed.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Person {
    /// The person.
    pub subscriber: Subscriber,
    /// Their Subscriptions.
    pub subscriptions: Vec<SubscriptionRow>,
    /// Their tags.
    pub tags: Vec<String>,
    /// When and how they agreed to Lists.
    pub consents: Vec<ConsentRow>,
    /// How they want the mails of Lists, where they chose.
    pub preferences: Vec<Preference>,
    /// They want no mail before this instant.
    pub paused_until: Option<Timestamp>,
    /// Reason of a suppression.
    pub suppressed: Option<String>,
}

/// One Subscription of a person.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SubscriptionRow {
    /// The List.
    pub list: ListId,
    /// Where it stands.
    pub state: SubscriptionState,
    /// Where it came from: `cli`, `import:2026-11-22-1`, `form`.
    pub source: String,
    /// Since when it is as it is.
    pub changed_at: Timestamp,
}

/// When and how a person agreed to a List.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ConsentRow {
    /// The List.
    pub list: ListId,
    /// What is known of it.
    #[serde(flatten)]
    pub consent: Consent,
}

/// The columns of a [`Subscriber`], in its order.
const COLUMNS: &str = "s.id, s.email, s.name, s.attributes, s.language, s.timezone, s.created_at";
/// A row of [`COLUMNS`].
pub(super) type SubscriberRow = (i64, String, Option<String>, String, Option<String>, Option<String>, i64);

impl Store {
    /// The person with this address.
    pub async fn person(&self, email: &EmailAddress) -> Result<Option<Person>> {
        let mut tx = self.engine.read().await?;
        let sql = format!("SELECT {COLUMNS} FROM subscribers s WHERE s.email_key = $1");
        let found: Vec<SubscriberRow> = tx.rows(sql, args![email.key()]).await?;
        Ok(persons(&mut tx, found).await?.pop())
    }

    /// The Subscriber with this number.
    pub async fn subscriber(&self, id: SubscriberId) -> Result<Option<Subscriber>> {
        let mut tx = self.engine.read().await?;
        let row: Option<SubscriberRow> = tx.row(format!("SELECT {COLUMNS} FROM subscribers s WHERE s.id = $1"), args![id]).await?;
        row.map(subscriber).transpose()
    }

    /// People on `list` (or all) with number above `after`, in order, at most `limit`: pages through any number.
    pub async fn people(&self, list: Option<&ListId>, after: SubscriberId, limit: u32) -> Result<Vec<Person>> {
        self.people_in(list, None, after, limit).await
    }

    /// The same, only those who are meant by `only`.
    pub async fn people_in(&self, list: Option<&ListId>, only: Option<&Condition>, after: SubscriberId, limit: u32) -> Result<Vec<Person>> {
        let mut tx = self.engine.read().await?;
        let mut args = args![after, limit];
        let from = match list {
            None => "subscribers s WHERE s.id > $1".to_owned(),
            Some(list) => {
                args.push(list.into());
                "subscriptions x JOIN subscribers s ON s.id = x.subscriber_id WHERE x.list_id = $3 AND x.subscriber_id > $1".to_owned()
            }
        };
        let meant = only.map(|only| format!(" AND {}", segment::sql(&tx, &mut args, only))).unwrap_or_default();
        let order = if list.is_some() { "x.subscriber_id" } else { "s.id" };
        let sql = format!("SELECT {COLUMNS} FROM {from}{meant} ORDER BY {order} LIMIT $2");
        let found: Vec<SubscriberRow> = tx.rows(sql, args).await?;
        persons(&mut tx, found).await
    }

    /// Changes the state of a Subscription that exists; true when it was another before.
    pub async fn set_subscription(
        &self,
        id: SubscriberId,
        list: &ListId,
        state: SubscriptionState,
        source: &str,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.engine.write().await?;
        let sql =
            "UPDATE subscriptions SET state = $3, source = $4, changed_at = $5 WHERE list_id = $1 AND subscriber_id = $2 AND state <> $3";
        let changed = tx.run(sql, args![list, id, state.code(), source, now]).await?;
        tx.commit().await?;
        Ok(changed > 0)
    }
}

/// Reads a row of [`COLUMNS`].
pub(super) fn subscriber(row: SubscriberRow) -> Result<Subscriber> {
    let (id, email, name, attributes, language, timezone, created_at) = row;
    let corrupt = |what: &str| StoreError::Corrupt(format!("the {what} of subscriber {id}"));
    Ok(Subscriber {
        id: SubscriberId(id),
        email: EmailAddress::parse(&email).map_err(|_| corrupt("address"))?,
        name,
        attributes: parse_attributes(&attributes).ok_or_else(|| corrupt("attributes"))?,
        language,
        timezone,
        created_at: Timestamp(created_at),
    })
}

/// Reads the attributes' JSON; most people have none.
pub(super) fn parse_attributes(json: &str) -> Option<Map<String, Value>> {
    if json == "{}" { Some(Map::new()) } else { serde_json::from_str(json).ok() }
}

/// Tags as the store keeps them: between line breaks, so that each can be looked for.
pub(super) fn tags_text<'t>(tags: impl IntoIterator<Item = &'t str>) -> String {
    let mut text = String::new();
    for tag in tags {
        if text.is_empty() {
            text.push('\n');
        }
        text.push_str(tag);
        text.push('\n');
    }
    text
}

/// Topics as the store keeps them: like tags, but that none is wanted is not the same as all.
pub(super) fn topics_text(topics: &[String]) -> String {
    if topics.is_empty() { "\n".to_owned() } else { tags_text(topics.iter().map(String::as_str)) }
}

/// Reads [`tags_text`].
pub(super) fn parse_tags(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').filter(|tag| !tag.is_empty())
}

type ConsentColumns = (i64, String, String, Option<i64>, Option<String>, Option<i64>, Option<String>, Option<String>);

/// Reads a row of `consents`.
fn consent((_, list, source, asked_at, asked_ip, confirmed_at, confirmed_ip, wording): ConsentColumns) -> Result<ConsentRow> {
    let consent = Consent {
        source: Some(source),
        asked_at: asked_at.map(Timestamp),
        asked_ip,
        confirmed_at: confirmed_at.map(Timestamp),
        confirmed_ip,
        wording,
    };
    Ok(ConsentRow { list: ListId::parse(&list).map_err(StoreError::Corrupt)?, consent })
}

/// Adds Subscriptions, tags, consents and suppressions to people in the order of their numbers.
async fn persons(tx: &mut Tx, found: Vec<SubscriberRow>) -> Result<Vec<Person>> {
    let (Some(first), Some(last)) = (found.first().map(|row| row.0), found.last().map(|row| row.0)) else {
        return Ok(Vec::new());
    };
    let mut people = Vec::with_capacity(found.len());
    for row in found {
        people.push(Person {
            subscriber: subscriber(row)?,
            subscriptions: Vec::new(),
            tags: Vec::new(),
            consents: Vec::new(),
            preferences: Vec::new(),
            paused_until: None,
            suppressed: None,
        });
    }
    let sql = "SELECT subscriber_id, list_id, state, source, changed_at FROM subscriptions
         WHERE subscriber_id BETWEEN $1 AND $2 ORDER BY subscriber_id, list_id";
    let mut at = 0;
    for (id, list, state, source, changed_at) in tx.rows::<(i64, String, i64, String, i64)>(sql, args![first, last]).await? {
        while people.get(at).is_some_and(|person| person.subscriber.id.0 < id) {
            at += 1;
        }
        let Some(person) = people.get_mut(at).filter(|person| person.subscriber.id.0 == id) else { continue };
        let list = ListId::parse(&list).map_err(StoreError::Corrupt)?;
        let state = SubscriptionState::from_code(state).ok_or_else(|| StoreError::Corrupt(format!("subscription state {state}")))?;
        person.subscriptions.push(SubscriptionRow { list, state, source, changed_at: Timestamp(changed_at) });
    }
    more(tx, &mut people, first, last).await?;
    Ok(people)
}

/// Adds what most people have none of.
async fn more(tx: &mut Tx, people: &mut [Person], first: i64, last: i64) -> Result<()> {
    let at = |people: &[Person], id: i64| people.binary_search_by_key(&id, |person| person.subscriber.id.0).ok();
    let sql = "SELECT s.id, p.reason FROM subscribers s JOIN suppressions p ON p.email = s.email_key WHERE s.id BETWEEN $1 AND $2";
    for (id, reason) in tx.rows::<(i64, String)>(sql, args![first, last]).await? {
        if let Some(at) = at(people, id) {
            people[at].suppressed = Some(reason);
        }
    }
    let sql = "SELECT id, tags FROM subscribers WHERE id BETWEEN $1 AND $2 AND tags <> ''";
    for (id, tags) in tx.rows::<(i64, String)>(sql, args![first, last]).await? {
        if let Some(at) = at(people, id) {
            people[at].tags = parse_tags(&tags).map(str::to_owned).collect();
        }
    }
    let sql = "SELECT subscriber_id, list_id, source, asked_at, asked_ip, confirmed_at, confirmed_ip, wording FROM consents
         WHERE subscriber_id BETWEEN $1 AND $2 ORDER BY subscriber_id, list_id";
    for row in tx.rows::<ConsentColumns>(sql, args![first, last]).await? {
        if let Some(at) = at(people, row.0) {
            people[at].consents.push(consent(row)?);
        }
    }
    let sql = "SELECT id, paused_until FROM subscribers WHERE id BETWEEN $1 AND $2 AND paused_until IS NOT NULL";
    for (id, until) in tx.rows::<(i64, i64)>(sql, args![first, last]).await? {
        if let Some(at) = at(people, id) {
            people[at].paused_until = Some(Timestamp(until));
        }
    }
    let sql = "SELECT subscriber_id, list_id, rhythm, topics, since FROM preferences WHERE subscriber_id BETWEEN $1 AND $2 ORDER BY subscriber_id, list_id";
    for row in tx.rows::<PreferenceRow>(sql, args![first, last]).await? {
        if let Some(at) = at(people, row.0) {
            people[at].preferences.push(preference(row)?);
        }
    }
    Ok(())
}
