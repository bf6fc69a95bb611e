//! Telling those who are due.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use url::Url;

use super::{Topic, Topics};
use crate::fetch::{Fetch, HeaderMap, HeaderName, HeaderValue, Message, Method, Response};
use crate::model::{Clock, Timestamp};
use crate::store::listeners::{Due, ListenerKind};
use crate::store::{Result, Store};

/// At once; each has its time limit, so a slow one holds up few.
const TOLD_AT_ONCE: usize = 8;
/// When one that could not be told is told again; after the last it hears of the next change only.
const AGAIN_AFTER_SECS: [u64; 7] = [30, 120, 600, 1_800, 7_200, 21_600, 43_200];
const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature");

/// What became of telling somebody.
enum Told {
    Done,
    /// It does not want to be told any more.
    Leave,
    Again(String),
}

/// Tells everybody who is due, until nobody is.
pub async fn tell(store: &Store, fetch: &Fetch, topics: &Topics, clock: &Clock) -> Result<()> {
    store.end_leases_of_listeners(clock.now()).await?;
    loop {
        let due = store.claim_listeners(clock.now()).await?;
        if due.is_empty() {
            return Ok(());
        }
        let told = stream::iter(due).map(|due| async move {
            let told = one(fetch, topics, &due).await;
            record(store, &due, told, clock.now()).await
        });
        for recorded in told.buffer_unordered(TOLD_AT_ONCE).collect::<Vec<_>>().await {
            recorded?;
        }
    }
}

async fn one(fetch: &Fetch, topics: &Topics, due: &Due) -> Told {
    // A feed that is not there now may be there again, and its subscribers with it, until their leases end.
    let Some(topic) = topics.get(&due.topic) else { return Told::Done };
    let message = match due.kind {
        ListenerKind::Hub if topic.hub == due.callback => ping(topic),
        ListenerKind::Subscriber if topic.is_ours => content(topic, due),
        _ => return Told::Leave,
    };
    let Some(message) = message else { return Told::Leave };
    match fetch.tell(message).await {
        Ok(Response { status: 200..300, .. }) => Told::Done,
        Ok(Response { status: 410, .. }) if due.kind == ListenerKind::Subscriber => Told::Leave,
        Ok(Response { status, .. }) => Told::Again(format!("HTTP status {status}")),
        Err(error) => Told::Again(error.to_string()),
    }
}

/// What a hub is told: the address of the feed.
fn ping(topic: &Topic) -> Option<Message> {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("hub.mode", "publish"), ("hub.url", &topic.url), ("hub.topic", &topic.url)])
        .finish();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    Some(Message { method: Method::POST, url: Url::parse(&topic.hub).ok()?, headers, body: Bytes::from(form) })
}

/// What a subscriber is told: the feed itself, with where it came from, signed.
fn content(topic: &Topic, due: &Due) -> Option<Message> {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(topic.content_type));
    headers.insert("link", HeaderValue::from_str(&format!("<{}>; rel=\"hub\", <{}>; rel=\"self\"", topic.hub, topic.url)).ok()?);
    if let Some(secret) = &due.secret {
        headers.insert(SIGNATURE, HeaderValue::from_str(&signature(secret, &topic.body)?).ok()?);
    }
    Some(Message { method: Method::POST, url: Url::parse(&due.callback).ok()?, headers, body: topic.body.clone() })
}

/// `sha256=…` (WebSub, 8).
fn signature(secret: &str, body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("sha256={digits}"))
}

async fn record(store: &Store, due: &Due, told: Told, now: Timestamp) -> Result<()> {
    match told {
        Told::Done => store.listener_told(due).await,
        Told::Leave => store.end_listener(&due.topic, &due.callback).await,
        Told::Again(why) => match AGAIN_AFTER_SECS.get(due.tries as usize) {
            Some(secs) => {
                tracing::info!(topic = due.topic, again_after_s = secs, "a listener could not be told: {why}");
                store.listener_put_off(due, now.plus(Duration::from_secs(*secs))).await
            }
            None => {
                tracing::warn!(
                    topic = due.topic,
                    "a listener was told in vain {} times, and is let go for this change: {why}",
                    due.tries + 1
                );
                store.listener_told(due).await
            }
        },
    }
}
