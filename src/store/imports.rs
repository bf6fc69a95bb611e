//! Imports: each has a tag of its own, and can be taken back as far as nobody has done anything since.

use super::sql::{Tx, args};
use super::{Result, Store};
use crate::model::Timestamp;

/// People looked at in one transaction of an undo: senders and pages are not kept waiting longer than for a batch of an import.
const STEP: i64 = 20_000;

/// An import under way, or over.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ImportTag {
    /// Its number.
    #[serde(skip)]
    pub id: i64,
    /// Its tag: `import:2026-11-22-1`.
    pub tag: String,
}

/// What undoing an import did, and what it left.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Undone {
    /// People it had made: gone.
    pub people: u64,
    /// Subscriptions it had made: gone.
    pub subscriptions: u64,
    /// Subscriptions it had confirmed: pending again.
    pub pending: u64,
    /// People it had made who have left a List or were kept out of it: they stay, so that nothing brings them back in.
    pub opted_out: u64,
    /// People it had made who were mailed since: they stay.
    pub mailed: u64,
    /// People it had made who are on other Lists, or were changed by somebody else since: they stay.
    pub changed: u64,
    /// People who were there before, whose details it had brought up to date: they stay as they are.
    pub known: u64,
}

impl Store {
    /// Begins the next import of a day (`2026-11-22`).
    pub async fn begin_import(&self, day: &str, file: &str, now: Timestamp) -> Result<ImportTag> {
        let mut tx = self.engine.write().await?;
        // The number first: whoever begins another waits here until this one has its tag.
        let id = tx.numbers("import", 1).await?;
        let sql = "SELECT COUNT(*) FROM imports WHERE tag LIKE $1";
        let (before,): (i64,) = tx.row(sql, args![format!("import:{day}-%")]).await?.unwrap_or_default();
        let tag = format!("import:{day}-{}", before + 1);
        let sql = "INSERT INTO imports (id, tag, file, started_at) VALUES ($1, $2, $3, $4)";
        tx.run(sql, args![id, tag.as_str(), file, now]).await?;
        tx.commit().await?;
        Ok(ImportTag { id, tag })
    }

    /// Notes that an import read its file to the end.
    pub async fn finish_import(&self, import: &ImportTag, now: Timestamp) -> Result<()> {
        let mut tx = self.engine.write().await?;
        tx.run("UPDATE imports SET finished_at = $2 WHERE id = $1", args![import.id, now]).await?;
        tx.commit().await
    }

    /// The tags of the newest imports that were not undone.
    pub async fn import_tags(&self, limit: u32) -> Result<Vec<String>> {
        let sql = "SELECT tag FROM imports WHERE undone_at IS NULL ORDER BY id DESC LIMIT $1";
        let rows: Vec<(String,)> = self.engine.read().await?.rows(sql, args![limit]).await?;
        Ok(rows.into_iter().map(|(tag,)| tag).collect())
    }

    /// Takes back what the import with this tag did: the people it made that nobody touched since, and the Subscriptions it made or confirmed.
    /// An unsubscribe or a suppression stays, wherever it came from. Nothing when there was no such import; again does nothing more.
    pub async fn undo_import(&self, tag: &str, now: Timestamp) -> Result<Option<Undone>> {
        let row: Option<(i64,)> = self.engine.read().await?.row("SELECT id FROM imports WHERE tag = $1", args![tag]).await?;
        let Some((id,)) = row else { return Ok(None) };
        let import = ImportTag { id, tag: tag.to_owned() };
        let sql = "SELECT MIN(id), MAX(id) FROM subscribers";
        let ends: Option<(Option<i64>, Option<i64>)> = self.engine.read().await?.row(sql, args![]).await?;
        let mut undone = Undone::default();
        if let Some((Some(first), Some(last))) = ends {
            let mut after = first - 1;
            while after < last {
                let mut tx = self.engine.write().await?;
                undo(&mut tx, &import, (after, after + STEP), now, &mut undone).await?;
                tx.commit().await?;
                after += STEP;
            }
        }
        let mut tx = self.engine.write().await?;
        tx.run("UPDATE imports SET undone_at = COALESCE(undone_at, $2) WHERE id = $1", args![id, now]).await?;
        tx.commit().await?;
        Ok(Some(undone))
    }
}

/// Takes back what an import did to the people with numbers above `after`, up to `last`.
async fn undo(tx: &mut Tx, import: &ImportTag, (after, last): (i64, i64), now: Timestamp, undone: &mut Undone) -> Result<()> {
    let tag = import.tag.as_str();
    let moved = "EXISTS (SELECT 1 FROM import_moves m WHERE m.import_id = $4 AND m.list_id = subscriptions.list_id
             AND m.subscriber_id = subscriptions.subscriber_id)";
    let sql = format!(
        "UPDATE subscriptions SET state = 0, source = $5, changed_at = $6
         WHERE subscriber_id > $1 AND subscriber_id <= $2 AND source = $3 AND state = 1 AND {moved}"
    );
    undone.pending += tx.run(sql, args![after, last, tag, import.id, format!("undo:{tag}"), now]).await?;
    let sql = "DELETE FROM subscriptions WHERE subscriber_id > $1 AND subscriber_id <= $2 AND source = $3 AND state IN (0, 1)";
    undone.subscriptions += tx.run(sql, args![after, last, tag]).await?;
    let sql = "DELETE FROM consents WHERE subscriber_id > $1 AND subscriber_id <= $2
         AND NOT EXISTS (SELECT 1 FROM subscriptions x WHERE x.subscriber_id = consents.subscriber_id AND x.list_id = consents.list_id)";
    tx.run(sql, args![after, last]).await?;
    let left = left(tx, import, after, last).await?;
    let sql = format!("DELETE FROM subscribers WHERE id > $1 AND id <= $2 AND made_by = $3 AND ({UNTOUCHED})");
    undone.people += tx.run(sql, args![after, last, import.id]).await?;
    undone.opted_out += left.opted_out;
    undone.mailed += left.mailed;
    undone.changed += left.changed;
    undone.known += left.known;
    Ok(())
}

/// That a row of `subscribers` was touched by nobody: what stands with them is nothing, and nothing was sent to them.
const UNTOUCHED: &str = "changed_at IS NULL AND NOT EXISTS (SELECT 1 FROM subscriptions x WHERE x.subscriber_id = subscribers.id)
     AND NOT EXISTS (SELECT 1 FROM issues i JOIN deliveries d ON d.issue_id = i.id AND d.subscriber_id = subscribers.id)";

/// Who of the range stays, by reason: the first that holds.
async fn left(tx: &mut Tx, import: &ImportTag, after: i64, last: i64) -> Result<Undone> {
    let sql = format!(
        "SELECT CASE WHEN made_by IS NULL OR made_by <> $3 THEN 'known'
             WHEN EXISTS (SELECT 1 FROM subscriptions x WHERE x.subscriber_id = subscribers.id AND x.state = 2) THEN 'opted out'
             WHEN EXISTS (SELECT 1 FROM issues i JOIN deliveries d ON d.issue_id = i.id AND d.subscriber_id = subscribers.id) THEN 'mailed'
             ELSE 'changed' END AS why, COUNT(*)
         FROM subscribers WHERE id > $1 AND id <= $2 AND ((made_by = $3 AND NOT ({UNTOUCHED}))
             OR ((made_by IS NULL OR made_by <> $3) AND tags LIKE $4)) GROUP BY 1"
    );
    let mut left = Undone::default();
    for (why, n) in tx.rows::<(String, i64)>(sql, args![after, last, import.id, format!("%\n{}\n%", import.tag)]).await? {
        let n = n.unsigned_abs();
        match why.as_str() {
            "known" => left.known += n,
            "opted out" => left.opted_out += n,
            "mailed" => left.mailed += n,
            _ => left.changed += n,
        }
    }
    Ok(left)
}
