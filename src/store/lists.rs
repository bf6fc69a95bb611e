//! Lists as config.toml declares them, with how many people are on each.

use super::sql::args;
use super::{Result, Store, StoreError};
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
        let mut tx = self.engine.write().await?;
        tx.run("UPDATE lists SET active = 0 WHERE active = 1", args![]).await?;
        for (position, list) in lists.iter().enumerate() {
            let sql = "INSERT INTO lists (id, name, position, active, changed_at) VALUES ($1, $2, $3, 1, $4)
                 ON CONFLICT (id) DO UPDATE SET name = excluded.name, position = excluded.position, active = 1, changed_at = excluded.changed_at";
            tx.run(sql, args![&list.id, list.name.as_str(), position, now]).await?;
        }
        tx.commit().await
    }

    /// The counts of every active List, in configuration order.
    pub async fn list_counts(&self) -> Result<Vec<ListCounts>> {
        let sql = "SELECT l.id,
                 COALESCE(SUM(CASE WHEN x.state = 1 THEN 1 ELSE 0 END), 0),
                 COALESCE(SUM(CASE WHEN x.state = 0 THEN 1 ELSE 0 END), 0),
                 COALESCE(SUM(CASE WHEN x.state = 2 THEN 1 ELSE 0 END), 0)
             FROM lists l LEFT JOIN subscriptions x ON x.list_id = l.id WHERE l.active = 1 GROUP BY l.id, l.position ORDER BY l.position";
        let mut tx = self.engine.read().await?;
        let rows: Vec<(String, i64, i64, i64)> = tx.rows(sql, args![]).await?;
        rows.into_iter()
            .map(|(id, confirmed, pending, unsubscribed)| {
                Ok(ListCounts {
                    id: ListId::parse(&id).map_err(StoreError::Corrupt)?,
                    confirmed: confirmed.unsigned_abs(),
                    pending: pending.unsigned_abs(),
                    unsubscribed: unsubscribed.unsigned_abs(),
                })
            })
            .collect()
    }
}
