//! What the public archive may show: mailings to whole Lists that have left and were not called off.

use super::sql::args;
use super::{Result, Store, StoreError};
use crate::model::{Frozen, IssueId, PastIssue, Timestamp};

impl Store {
    /// The mailings that went, or go, or are about to go, to all of their Lists, newest first. Whether anything of them has left is another question:
    /// [`Store::has_left`]. One that was called off is not among them, also when it was in mid-send: so an editor takes back what was wrong.
    pub async fn whole_issues(&self) -> Result<Vec<IssueId>> {
        let sql = "SELECT id FROM issues WHERE whole = 1 AND status IN ('sending', 'paused', 'done') ORDER BY id DESC";
        let rows: Vec<(i64,)> = self.engine.read().await?.rows(sql, args![]).await?;
        Ok(rows.into_iter().map(|(id,)| IssueId(id)).collect())
    }

    /// Whether a Delivery of an Issue has been sent.
    pub async fn has_left(&self, id: IssueId) -> Result<bool> {
        let sql = "SELECT subscriber_id FROM deliveries WHERE issue_id = $1 AND state = 3 LIMIT 1";
        Ok(self.engine.read().await?.row::<(i64,)>(sql, args![id]).await?.is_some())
    }

    /// What the archive shows of an Issue; nothing of one that only brought earlier Articles to those who read at their own rhythm.
    pub async fn past_issue(&self, id: IssueId) -> Result<Option<PastIssue>> {
        let sql = "SELECT digest, subject, COALESCE(started_at, created_at), frozen FROM issues WHERE id = $1";
        let row: Option<(Option<String>, String, i64, String)> = self.engine.read().await?.row(sql, args![id]).await?;
        let Some((digest, subject, sent_at, frozen)) = row else { return Ok(None) };
        let frozen: Frozen =
            serde_json::from_str(&frozen).map_err(|error| StoreError::Corrupt(format!("what issue {} froze: {error}", id.0)))?;
        if frozen.fresh == Some(0) {
            return Ok(None);
        }
        Ok(Some(PastIssue::new(id, digest.is_none(), subject, Timestamp(sent_at), frozen)))
    }
}
