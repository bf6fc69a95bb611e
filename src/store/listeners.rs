//! Listeners: who is to be told that a feed has changed, when, and that a change is told once.

use std::time::Duration;

use super::sql::args;
use super::{Result, Store};
use crate::model::Timestamp;

/// How long somebody who is telling a listener has for it, before another may try.
const CLAIM: Duration = Duration::from_secs(180);
/// How many are told in one go: as many as are done well before their claims end.
const BATCH: u32 = 32;
/// The end of time, for what has no lease.
const NEVER: Timestamp = Timestamp(i64::MAX);

/// Who listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerKind {
    /// A subscriber of our hub: it gets the feed.
    Subscriber,
    /// Another hub: it gets the feed's address.
    Hub,
}

/// A listener somebody has the task of telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The feed's address.
    pub topic: String,
    /// The address to tell.
    pub callback: String,
    /// Who listens there.
    pub kind: ListenerKind,
    /// Signs what a subscriber gets.
    pub secret: Option<String>,
    /// How often it was told in vain.
    pub tries: u32,
    /// The claim: whoever records an end under another is too late.
    claim: Timestamp,
}

/// A subscription that was asked for and confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewListener<'a> {
    /// The feed's address.
    pub topic: &'a str,
    /// The address to tell.
    pub callback: &'a str,
    /// Its host.
    pub host: &'a str,
    /// Signs what it gets.
    pub secret: Option<&'a str>,
    /// The end of the lease.
    pub until: Timestamp,
}

impl Store {
    /// Notes the present `version` of the feed `topic`. When it is another than before, everybody who listens is due: the subscribers of
    /// our hub, or the hub at the address `elsewhere`. True then.
    pub async fn note_topic(&self, topic: &str, version: &str, elsewhere: Option<&str>, now: Timestamp) -> Result<bool> {
        let mut tx = self.engine.write().await?;
        let sql = "INSERT INTO topics (url, version) VALUES ($1, $2)
             ON CONFLICT (url) DO UPDATE SET version = excluded.version WHERE topics.version <> excluded.version";
        if tx.run(sql, args![topic, version]).await? == 0 {
            return Ok(false);
        }
        if let Some(hub) = elsewhere {
            let sql = "INSERT INTO listeners (topic, callback, kind, host, until_at, due_at, tries) VALUES ($1, $2, 1, '', $3, $4, 0)
                 ON CONFLICT (topic, callback) DO UPDATE SET kind = 1, until_at = excluded.until_at, due_at = excluded.due_at, tries = 0";
            tx.run(sql, args![topic, hub, NEVER, now]).await?;
        } else {
            let sql = "UPDATE listeners SET due_at = $2, tries = 0 WHERE topic = $1 AND kind = 0 AND until_at > $3";
            tx.run(sql, args![topic, now, now]).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Claims some of those who are due. Each is given to one caller, who then has some minutes.
    pub async fn claim_listeners(&self, now: Timestamp) -> Result<Vec<Due>> {
        type Row = (String, String, i64, Option<String>, i64, i64);
        let mut tx = self.engine.read().await?;
        let sql = "SELECT topic, callback, kind, secret, tries, due_at FROM listeners
             WHERE due_at <= $1 AND until_at > $2 ORDER BY due_at LIMIT $3";
        let rows: Vec<Row> = tx.rows(sql, args![now, now, BATCH]).await?;
        drop(tx);
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let claim = now.plus(CLAIM);
        let mut claimed = Vec::new();
        let mut tx = self.engine.write().await?;
        for (topic, callback, kind, secret, tries, due) in rows {
            let sql = "UPDATE listeners SET due_at = $1 WHERE topic = $2 AND callback = $3 AND due_at = $4";
            if tx.run(sql, args![claim, topic.as_str(), callback.as_str(), due]).await? > 0 {
                let kind = if kind == 0 { ListenerKind::Subscriber } else { ListenerKind::Hub };
                claimed.push(Due { topic, callback, kind, secret, tries: u32::try_from(tries).unwrap_or_default(), claim });
            }
        }
        tx.commit().await?;
        Ok(claimed)
    }

    /// Records that a listener was told, or is given up for this change. A change that came meanwhile stays due.
    pub async fn listener_told(&self, due: &Due) -> Result<()> {
        let mut tx = self.engine.write().await?;
        let sql = "UPDATE listeners SET due_at = NULL, tries = 0 WHERE topic = $1 AND callback = $2 AND due_at = $3";
        tx.run(sql, args![due.topic.as_str(), due.callback.as_str(), due.claim]).await?;
        tx.commit().await
    }

    /// Puts a listener off until `next`. A change that came meanwhile stays due at once.
    pub async fn listener_put_off(&self, due: &Due, next: Timestamp) -> Result<()> {
        let mut tx = self.engine.write().await?;
        let sql = "UPDATE listeners SET due_at = $1, tries = tries + 1 WHERE topic = $2 AND callback = $3 AND due_at = $4";
        tx.run(sql, args![next, due.topic.as_str(), due.callback.as_str(), due.claim]).await?;
        tx.commit().await
    }

    /// Keeps a subscription, or renews it with its new lease and secret; false when its host has `host_max` others, or there are `max` in all.
    pub async fn keep_listener(&self, new: &NewListener<'_>, host_max: u32, max: u32, now: Timestamp) -> Result<bool> {
        let mut tx = self.engine.write().await?;
        let sql = "SELECT COUNT(*), COUNT(CASE WHEN host = $1 THEN 1 END) FROM listeners
             WHERE kind = 0 AND until_at > $2 AND (topic <> $3 OR callback <> $4)";
        let row: Option<(i64, i64)> = tx.row(sql, args![new.host, now, new.topic, new.callback]).await?;
        let (all, of_host) = row.unwrap_or_default();
        if all >= i64::from(max) || of_host >= i64::from(host_max) {
            return Ok(false);
        }
        let sql = "INSERT INTO listeners (topic, callback, kind, host, secret, until_at, tries) VALUES ($1, $2, 0, $3, $4, $5, 0)
             ON CONFLICT (topic, callback) DO UPDATE SET kind = 0, host = excluded.host, secret = excluded.secret, until_at = excluded.until_at";
        tx.run(sql, args![new.topic, new.callback, new.host, new.secret, new.until]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends a subscription, or forgets a hub.
    pub async fn end_listener(&self, topic: &str, callback: &str) -> Result<()> {
        let mut tx = self.engine.write().await?;
        tx.run("DELETE FROM listeners WHERE topic = $1 AND callback = $2", args![topic, callback]).await?;
        tx.commit().await
    }

    /// Removes the subscriptions whose leases are over.
    pub async fn end_leases_of_listeners(&self, now: Timestamp) -> Result<u64> {
        let mut tx = self.engine.write().await?;
        let ended = tx.run("DELETE FROM listeners WHERE until_at <= $1", args![now]).await?;
        tx.commit().await?;
        Ok(ended)
    }
}
