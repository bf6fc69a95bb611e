//! The last Issue of a List, for those who join after it.

use super::sql::args;
use super::{Result, Store, StoreError};
use crate::model::{Frozen, IssueId, ListId, Notice, SubscriberId};

/// Of Lists together, so many of the newest mailings are looked at.
const LOOK_BACK: u32 = 50;

impl Store {
    /// The newest mailing that went, or goes, to all of a List; not one to a part of it, and none that nobody has got yet.
    pub async fn last_issue(&self, list: &ListId) -> Result<Option<(IssueId, Frozen)>> {
        let mut tx = self.engine.read().await?;
        let sql = "SELECT id FROM issues WHERE whole = 1 AND status IN ('sending', 'done') ORDER BY id DESC LIMIT $1";
        for (id,) in tx.rows::<(i64,)>(sql, args![LOOK_BACK]).await? {
            let row: Option<(String,)> = tx.row("SELECT frozen FROM issues WHERE id = $1", args![id]).await?;
            let Some((json,)) = row else { continue };
            let frozen: Frozen =
                serde_json::from_str(&json).map_err(|error| StoreError::Corrupt(format!("what issue {id} froze: {error}")))?;
            // Only of an Issue that went to this List every reader would have to be looked at when nobody got it, and then they are few.
            let sent = "SELECT subscriber_id FROM deliveries WHERE issue_id = $1 AND list_id = $2 AND state = 3 LIMIT 1";
            if frozen.lists.contains_key(list) && tx.row::<(i64,)>(sent, args![id, list]).await?.is_some() {
                return Ok(Some((IssueId(id), frozen)));
            }
        }
        Ok(None)
    }

    /// Whether a person has had an Issue of a List, or will have it: itself, or in a welcome to that List.
    pub async fn has_had(&self, issue: IssueId, list: &ListId, person: SubscriberId) -> Result<bool> {
        let mut tx = self.engine.read().await?;
        let sql = "SELECT state FROM deliveries WHERE issue_id = $1 AND subscriber_id = $2 AND state NOT IN (5, 7, 8)";
        if tx.row::<(i64,)>(sql, args![issue, person]).await?.is_some() {
            return Ok(true);
        }
        // A list's id holds `_`, which LIKE takes for any letter, and nobody has many notices.
        let sql =
            "SELECT i.notice FROM issues i JOIN deliveries d ON d.issue_id = i.id AND d.subscriber_id = $1 WHERE i.notice IS NOT NULL";
        let welcome = format!("{} {list} ", Notice::Welcome.word());
        Ok(tx.rows::<(String,)>(sql, args![person]).await?.iter().any(|(key,)| key.starts_with(&welcome)))
    }
}
