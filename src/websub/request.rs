//! Requests to our hub: to be told, or not any more. Nothing is believed before the callback itself has confirmed it.

use std::time::Duration;

use bytes::Bytes;
use url::Url;

use crate::fetch::{Fetch, HeaderMap, Message, Method};
use crate::model::Clock;
use crate::store::listeners::NewListener;
use crate::store::{Result, Store};

/// A subscription is renewed by whoever still wants it.
const LEASE_SECS_DEFAULT: u64 = 10 * 86_400;
const LEASE_SECS_MIN: u64 = 300;
const LEASE_SECS_MAX: u64 = 30 * 86_400;
/// The specification's own limit.
const SECRET_BYTES_MAX: usize = 199;
/// What a store row and a log line may hold of an address.
const ADDRESS_BYTES_MAX: usize = 2_000;
/// Subscriptions of one host: a large reader has one for each format of each feed.
const OF_A_HOST_MAX: u32 = 200;
/// Subscriptions in all: what is told within some minutes.
const IN_ALL_MAX: u32 = 20_000;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// To be told from now on.
    Subscribe,
    /// Not to be told any more.
    Unsubscribe,
}

impl Mode {
    const fn word(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
        }
    }
}

/// A request to our hub, well-formed.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is asked for.
    pub mode: Mode,
    /// The feed's address.
    pub topic: String,
    /// Where to be told.
    pub callback: Url,
    /// For how long.
    pub lease: Duration,
    /// What signs it.
    pub secret: Option<String>,
}

impl Request {
    /// Reads the fields of a form; what is wrong with them is said in words.
    pub fn parse(fields: &[(String, String)], fetch: &Fetch) -> Result<Self, String> {
        let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let mode = match field("hub.mode") {
            Some("subscribe") => Mode::Subscribe,
            Some("unsubscribe") => Mode::Unsubscribe,
            Some(_) => return Err("hub.mode is subscribe or unsubscribe; this hub is told of changes by its own feeds".to_owned()),
            None => return Err("hub.mode is missing: subscribe or unsubscribe".to_owned()),
        };
        let topic = field("hub.topic").filter(|topic| !topic.is_empty()).ok_or("hub.topic is missing: the address of a feed")?;
        let callback = field("hub.callback").ok_or("hub.callback is missing: the address to be told at")?;
        if topic.len() > ADDRESS_BYTES_MAX || callback.len() > ADDRESS_BYTES_MAX {
            return Err(format!("an address here has at most {ADDRESS_BYTES_MAX} bytes"));
        }
        let callback = Url::parse(callback).map_err(|error| format!("hub.callback is not an address: {error}"))?;
        fetch.check(&callback).map_err(|error| format!("hub.callback cannot be used: {error}"))?;
        let secret = field("hub.secret").filter(|secret| !secret.is_empty()).map(str::to_owned);
        if secret.as_ref().is_some_and(|secret| secret.len() > SECRET_BYTES_MAX) {
            return Err(format!("hub.secret has more than {SECRET_BYTES_MAX} bytes"));
        }
        let secs = match field("hub.lease_seconds").filter(|secs| !secs.is_empty()) {
            None => LEASE_SECS_DEFAULT,
            Some(secs) => secs.parse::<u64>().map_err(|_| "hub.lease_seconds is not a number".to_owned())?,
        };
        let lease = Duration::from_secs(secs.clamp(LEASE_SECS_MIN, LEASE_SECS_MAX));
        Ok(Self { mode, topic: topic.to_owned(), callback, lease, secret })
    }

    /// What the callback is asked or told: the fields of the request and `more`.
    fn to_callback(&self, mode: &str, more: &[(&str, &str)]) -> Message {
        let mut url = self.callback.clone();
        url.query_pairs_mut().append_pair("hub.mode", mode).append_pair("hub.topic", &self.topic).extend_pairs(more);
        Message { method: Method::GET, url, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// Whether the callback confirms that it asked.
    async fn is_meant(&self, fetch: &Fetch) -> bool {
        let challenge: String = rand::random::<[u8; 16]>().iter().map(|byte| format!("{byte:02x}")).collect();
        let lease = self.lease.as_secs().to_string();
        let mut more = vec![("hub.challenge", challenge.as_str())];
        if self.mode == Mode::Subscribe {
            more.push(("hub.lease_seconds", &lease));
        }
        let answer = fetch.tell(self.to_callback(self.mode.word(), &more)).await;
        answer.is_ok_and(|answer| (200..300).contains(&answer.status) && answer.body.trim_ascii() == challenge.as_bytes())
    }

    async fn deny(&self, fetch: &Fetch, reason: &str) {
        // That it was told is a courtesy; it asks again or it does not.
        let _ = fetch.tell(self.to_callback("denied", &[("hub.reason", reason)])).await;
    }
}

/// Asks the callback whether it asked, and then does as it wishes. A topic that is not ours is denied. True when something was done.
pub async fn settle(store: &Store, fetch: &Fetch, request: &Request, is_ours: bool, clock: &Clock) -> Result<bool> {
    let (topic, callback) = (request.topic.as_str(), request.callback.as_str());
    if !is_ours && request.mode == Mode::Subscribe {
        request.deny(fetch, "this hub has no such topic").await;
        return Ok(false);
    }
    if !request.is_meant(fetch).await {
        tracing::debug!(topic, "a request to the hub was not confirmed by its callback");
        return Ok(false);
    }
    if request.mode == Mode::Unsubscribe {
        store.end_listener(topic, callback).await?;
        return Ok(true);
    }
    let now = clock.now();
    let host = request.callback.host_str().unwrap_or_default();
    let new = NewListener { topic, callback, host, secret: request.secret.as_deref(), until: now.plus(request.lease) };
    let kept = store.keep_listener(&new, OF_A_HOST_MAX, IN_ALL_MAX, now).await?;
    if !kept {
        request.deny(fetch, "this hub has too many subscriptions of this host").await;
    }
    Ok(kept)
}
