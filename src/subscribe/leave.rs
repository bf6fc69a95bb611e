//! Leaving a List by a signed link or by mail, and taking it back.

use crate::model::link::{Grant, LinkKey, Purpose};
use crate::model::{ListId, Subscriber, SubscriptionState, Timestamp};
use crate::store::{Result, Store};

/// What a link did, for the page that says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// The person.
    pub subscriber: Subscriber,
    /// The List.
    pub list: ListId,
    /// False when it was so already: links are pressed twice, and mail programs press them too.
    pub changed: bool,
}

/// Takes the person a token means off its List, at once and as often as asked. Nothing when the token is not ours or the person is gone.
pub async fn unsubscribe(store: &Store, key: &LinkKey, token: &str, now: Timestamp) -> Result<Option<Changed>> {
    match key.verify(Purpose::Unsubscribe, token) {
        Some(grant) => change(store, &grant, SubscriptionState::Unsubscribed, now).await,
        None => Ok(None),
    }
}

/// The same for the token of an address that somebody wrote to. The List is not in it, so the Lists the person is on are tried.
pub async fn unsubscribe_by_mail(store: &Store, key: &LinkKey, token: &str, now: Timestamp) -> Result<Option<Changed>> {
    let Some(claimed) = LinkKey::short_claim(token) else { return Ok(None) };
    let Some(subscriber) = store.subscriber(claimed).await? else { return Ok(None) };
    let Some(person) = store.person(&subscriber.email).await? else { return Ok(None) };
    match key.verify_short(token, person.subscriptions.iter().map(|one| &one.list)) {
        Some(grant) => set(store, &grant, SubscriptionState::Unsubscribed, &source("mail", grant.issue.0), now).await,
        None => Ok(None),
    }
}

/// Takes [`unsubscribe`] back, with the same token. Only who had left comes back: it confirms nobody.
pub async fn resubscribe(store: &Store, key: &LinkKey, token: &str, now: Timestamp) -> Result<Option<Changed>> {
    match key.verify(Purpose::Unsubscribe, token) {
        Some(grant) => change(store, &grant, SubscriptionState::Confirmed, now).await,
        None => Ok(None),
    }
}

/// Where the Subscription that a grant means stands; nothing when the person is gone or never was on the List.
pub async fn standing(store: &Store, grant: &Grant) -> Result<Option<SubscriptionState>> {
    let Some(subscriber) = store.subscriber(grant.subscriber).await? else { return Ok(None) };
    let person = store.person(&subscriber.email).await?;
    Ok(person.and_then(|person| person.subscriptions.into_iter().find(|one| one.list == grant.list)).map(|one| one.state))
}

/// Leaves, or comes back after leaving, by a link.
async fn change(store: &Store, grant: &Grant, wanted: SubscriptionState, now: Timestamp) -> Result<Option<Changed>> {
    set(store, grant, wanted, &source("link", grant.issue.0), now).await
}

async fn set(store: &Store, grant: &Grant, wanted: SubscriptionState, source: &str, now: Timestamp) -> Result<Option<Changed>> {
    let Some(subscriber) = store.subscriber(grant.subscriber).await? else { return Ok(None) };
    let before = standing(store, grant).await?;
    let allowed = wanted == SubscriptionState::Unsubscribed || before == Some(SubscriptionState::Unsubscribed);
    let changed = allowed && store.set_subscription(grant.subscriber, &grant.list, wanted, source, now).await?;
    Ok(Some(Changed { subscriber, list: grant.list.clone(), changed }))
}

/// Where a change came from, as the person's record keeps it.
fn source(way: &str, issue: i64) -> String {
    if issue == 0 { way.to_owned() } else { format!("{way}:issue-{issue}") }
}
