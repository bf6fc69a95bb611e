//! Lists as config.toml declares them, with how many people are on each.

use super::{Result, Store};
use crate::model::{List, ListId, Timestamp};

/// How many Subscriptions of a List stand where.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ListCounts {
    /// The List.
    pub id: ListId,
    /// Confirmed (suppressed addresses among them).
    pub confirmed: u64,
    /// Pending.
    pub pending: u64,
    /// Unsubscribed.
    pub unsubscribed: u64,
}

impl Store {
    /// Makes the store's Lists those of the configuration. A List that is gone keeps its Subscriptions, inactive.
    pub async fn sync_lists(&self, lists: &[List], now: Timestamp) -> Result<()> {
        let _ = (lists, now);
        todo!()
    }

    /// The counts of every active List, in configuration order.
    pub async fn list_counts(&self) -> Result<Vec<ListCounts>> {
        todo!()
    }
}
