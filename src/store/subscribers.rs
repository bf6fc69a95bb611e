//! Subscribers and their Subscriptions.

use serde_json::{Map, Value};

use super::{Result, Store};
use crate::model::{EmailAddress, ListId, Subscriber, SubscriberId, SubscriptionState, Timestamp};

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
    /// The person left this List: nothing was revived.
    Unsubscribed,
}

/// A person with all their Subscriptions and, if so, why they are suppressed.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Person {
    /// The person.
    pub subscriber: Subscriber,
    /// Their Subscriptions.
    pub subscriptions: Vec<SubscriptionRow>,
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
        let _ = (rows, list, state, source, dry_run, now);
        todo!()
    }

    /// The person with this address.
    pub async fn person(&self, email: &EmailAddress) -> Result<Option<Person>> {
        let _ = email;
        todo!()
    }

    /// The Subscriber with this number.
    pub async fn subscriber(&self, id: SubscriberId) -> Result<Option<Subscriber>> {
        let _ = id;
        todo!()
    }

    /// People on `list` (or all) with number above `after`, in order, at most `limit`: pages through any number.
    pub async fn people(&self, list: Option<&ListId>, after: SubscriberId, limit: u32) -> Result<Vec<Person>> {
        let _ = (list, after, limit);
        todo!()
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
        let _ = (id, list, state, source, now);
        todo!()
    }
}
