//! What a reader chose for themselves, and keeping it.

use super::sql::{Tx, args};
use super::subscribers::{parse_tags, topics_text};
use super::{Result, Store, StoreError};
use crate::model::{ListId, Rhythm, SubscriberId, SubscriptionState, Timestamp};

/// Where a change on the page of preferences comes from, as the person's record keeps it.
const SOURCE: &str = "preferences";

/// How a person wants the mails of a List.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Preference {
    /// The List.
    pub list: ListId,
    /// How often.
    pub rhythm: Rhythm,
    /// The topics they want; all, when absent.
    pub topics: Option<Vec<String>>,
    /// When they first chose.
    pub since: Timestamp,
}

/// What somebody wants of one List.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListWish {
    /// The List.
    pub list: ListId,
    /// Whether they want it at all.
    pub on: bool,
    /// How often.
    pub rhythm: Rhythm,
    /// The topics they want; all, when absent.
    pub topics: Option<Vec<String>>,
    /// What they were shown, for the record of what they agreed to.
    pub wording: String,
}

/// Everything on the page of preferences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// Name, fit for a header.
    pub name: Option<String>,
    /// BCP 47 language.
    pub language: Option<String>,
    /// IANA zone.
    pub timezone: Option<String>,
    /// No mail before this instant.
    pub paused_until: Option<Timestamp>,
    /// The Lists the page showed.
    pub lists: Vec<ListWish>,
}

pub(super) type PreferenceRow = (i64, String, i64, Option<String>, i64);

/// Reads a row of `preferences`.
pub(super) fn preference((_, list, rhythm, topics, since): PreferenceRow) -> Result<Preference> {
    Ok(Preference {
        list: ListId::parse(&list).map_err(StoreError::Corrupt)?,
        rhythm: Rhythm::from_code(rhythm).ok_or_else(|| StoreError::Corrupt(format!("rhythm {rhythm}")))?,
        topics: topics.map(|topics| parse_tags(&topics).map(str::to_owned).collect()),
        since: Timestamp(since),
    })
}

impl Store {
    /// Keeps what a person wants; false when the person is gone. A Subscription they take up here is confirmed: the link came to their mailbox.
    pub async fn keep_wish(&self, id: SubscriberId, wish: &Wish, ip: Option<&str>, now: Timestamp) -> Result<bool> {
        let mut tx = self.engine.write().await?;
        let sql = "UPDATE subscribers SET name = $2, language = $3, timezone = $4, paused_until = $5, changed_at = $6 WHERE id = $1";
        let (name, language, timezone) = (wish.name.as_deref(), wish.language.as_deref(), wish.timezone.as_deref());
        if tx.run(sql, args![id, name, language, timezone, wish.paused_until, now]).await? == 0 {
            return Ok(false);
        }
        for list in &wish.lists {
            keep_list(&mut tx, id, list, ip, now).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Which part of an Issue a reader was to get; nothing when it is what everybody got.
    pub async fn part(&self, issue: crate::model::IssueId, id: SubscriberId) -> Result<Option<String>> {
        let sql = "SELECT part FROM deliveries WHERE issue_id = $1 AND subscriber_id = $2";
        let row: Option<(Option<String>,)> = self.engine.read().await?.row(sql, args![issue, id]).await?;
        Ok(row.and_then(|(part,)| part))
    }
}

async fn keep_list(tx: &mut Tx, id: SubscriberId, wish: &ListWish, ip: Option<&str>, now: Timestamp) -> Result<()> {
    if wish.on {
        take_up(tx, id, wish, ip, now).await?;
    } else {
        let left = SubscriptionState::Unsubscribed.code();
        let sql =
            "UPDATE subscriptions SET state = $3, source = $4, changed_at = $5 WHERE list_id = $1 AND subscriber_id = $2 AND state <> $3";
        tx.run(sql, args![&wish.list, id, left, SOURCE, now]).await?;
    }
    let topics = wish.topics.as_deref().map(topics_text);
    let rhythm = wish.rhythm.code();
    if wish.rhythm == Rhythm::Each && topics.is_none() {
        // Who wants what everybody gets needs no row; one there is stays, because it tells where they stand.
        let sql = "UPDATE preferences SET rhythm = $3, topics = NULL WHERE list_id = $1 AND subscriber_id = $2";
        return tx.run(sql, args![&wish.list, id, rhythm]).await.map(|_| ());
    }
    let sql = "INSERT INTO preferences (list_id, subscriber_id, rhythm, topics, since) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (list_id, subscriber_id) DO UPDATE SET rhythm = excluded.rhythm, topics = excluded.topics";
    tx.run(sql, args![&wish.list, id, rhythm, topics, now]).await.map(|_| ())
}

/// They get the List from now on, and what they agreed to is kept when they did not get it before.
async fn take_up(tx: &mut Tx, id: SubscriberId, wish: &ListWish, ip: Option<&str>, now: Timestamp) -> Result<()> {
    let confirmed = SubscriptionState::Confirmed.code();
    let sql = "INSERT INTO subscriptions (list_id, subscriber_id, state, source, changed_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (list_id, subscriber_id) DO UPDATE SET state = excluded.state, source = excluded.source, changed_at = excluded.changed_at
         WHERE subscriptions.state <> excluded.state";
    if tx.run(sql, args![&wish.list, id, confirmed, SOURCE, now]).await? == 0 {
        return Ok(());
    }
    let sql = "INSERT INTO consents (subscriber_id, list_id, source, asked_at, asked_ip, confirmed_at, confirmed_ip, wording)
         VALUES ($1, $2, $3, $4, $5, $4, $5, $6)
         ON CONFLICT (subscriber_id, list_id) DO UPDATE SET source = excluded.source, asked_at = excluded.asked_at, asked_ip = excluded.asked_ip,
             confirmed_at = excluded.confirmed_at, confirmed_ip = excluded.confirmed_ip, wording = excluded.wording";
    tx.run(sql, args![id, &wish.list, SOURCE, now, ip, wish.wording.as_str()]).await.map(|_| ())
}
