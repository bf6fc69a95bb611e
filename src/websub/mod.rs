//! WebSub (W3C, 2018): who listens to our feeds is told when they change, so that nobody has to ask.
//!
//! A feed names its hub. Another's hub gets the feed's address; of our own hub each subscriber gets the feed itself, signed with its secret.
//! Who is due stands in the store: a change is told once, over restarts, and by one of many processes.

mod deliver;
mod request;

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::model::Timestamp;
use crate::store::{Result, Store};

pub use deliver::tell;
pub use request::{Mode, Request, settle};

/// A feed document that has a hub.
#[derive(Debug, Clone)]
pub struct Topic {
    /// Its address.
    pub url: String,
    /// The hub's address.
    pub hub: String,
    /// Whether that is our own.
    pub is_ours: bool,
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: Bytes,
}

/// The feed documents that have a hub, by their addresses.
pub type Topics = BTreeMap<String, Topic>;

/// Notes which topics are not what they were when they were noted last: whoever listens to them is due.
pub async fn note(store: &Store, topics: impl Iterator<Item = &Topic>, now: Timestamp) -> Result<()> {
    for topic in topics {
        let version: String = Sha256::digest(&topic.body).iter().map(|byte| format!("{byte:02x}")).collect();
        let elsewhere = (!topic.is_ours).then_some(topic.hub.as_str());
        if store.note_topic(&topic.url, &version, elsewhere, now).await? {
            tracing::debug!(topic = topic.url, "changed; its hub is told");
        }
    }
    Ok(())
}
