//! What Sources brought, and by which keys it is known.

use std::collections::HashMap;

use super::sql::{CHUNK, Tx, args, in_list, pieces, value_rows};
use super::{Result, Store, StoreError};
use crate::model::Timestamp;

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ImportState {
    /// It is an Article.
    Kept,
    /// It waits for the editor.
    Held,
    /// A filter left it out.
    Dropped,
    /// It is the same as one of another Source.
    Merged,
}

impl ImportState {
    const ALL: [Self; 4] = [Self::Kept, Self::Held, Self::Dropped, Self::Merged];

    const fn code(self) -> i64 {
        self as i64
    }

    fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }
}

/// One entry as it arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its number, when it is known.
    pub known: Option<i64>,
    /// Every key it has now.
    pub keys: Vec<String>,
    /// What becomes of it; of one that is known nothing changes.
    pub state: ImportState,
    /// Why, unless it is kept.
    pub reason: Option<String>,
    /// Whether it may be mailed.
    pub is_news: bool,
    /// Its address as a key, to find it in other Sources.
    pub canonical: Option<String>,
    /// Its text as a key.
    pub content: Option<String>,
    /// The Article as JSON.
    pub article: String,
}

/// What is kept of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Its number.
    pub id: i64,
    /// The Source.
    pub source: String,
    /// What became of it.
    pub state: ImportState,
    /// Why, unless it is kept.
    pub reason: Option<String>,
    /// Whether it may be mailed.
    pub is_news: bool,
    /// First seen.
    pub seen_at: Timestamp,
    /// The Article as JSON.
    pub article: String,
}

type Columns = (i64, String, i64, Option<String>, i64, i64, String);

impl Store {
    /// Which of these keys a Source's entries are known by.
    pub async fn known_keys(&self, source: &str, keys: &[String]) -> Result<HashMap<String, i64>> {
        let mut tx = self.engine.read().await?;
        let mut known = HashMap::new();
        for keys in pieces(keys, CHUNK) {
            let mut args = args![source];
            let list = in_list(&mut args, keys.iter().map(String::as_str));
            let sql = format!("SELECT key, imported_id FROM imported_keys WHERE source_id = $1 AND key IN ({list})");
            known.extend(tx.rows::<(String, i64)>(sql, args).await?);
        }
        Ok(known)
    }

    /// The entry of another Source that has this address, or this text, and is an Article.
    pub async fn same_elsewhere(&self, source: &str, canonical: Option<&str>, content: Option<&str>) -> Result<Option<(i64, String)>> {
        let sql = "SELECT id, source_id FROM imported WHERE source_id <> $1 AND state = 0 AND (canonical = $2 OR content = $3) ORDER BY id LIMIT 1";
        self.engine.read().await?.row(sql, args![source, canonical, content]).await
    }

    /// Keeps what one fetch brought, in one transaction: new entries with their keys, and new words of known ones. How many are new, and how many changed.
    pub async fn keep_arrivals(&self, source: &str, arrivals: &[Arrival], now: Timestamp) -> Result<(u64, u64)> {
        let (mut new, mut changed) = (0, 0);
        let mut tx = self.engine.write().await?;
        for arrival in arrivals {
            let id = match arrival.known {
                Some(id) => {
                    let sql = "UPDATE imported SET article = $2, changed_at = $3 WHERE id = $1 AND article <> $2";
                    changed += tx.run(sql, args![id, arrival.article.as_str(), now]).await?;
                    id
                }
                None => {
                    new += 1;
                    insert(&mut tx, source, arrival, now).await?
                }
            };
            keep_keys(&mut tx, source, id, &arrival.keys).await?;
        }
        tx.commit().await?;
        Ok((new, changed))
    }

    /// What these Sources brought and became an Article, the newest first, at most `limit`.
    pub async fn imported(&self, sources: &[&str], limit: u32) -> Result<Vec<Imported>> {
        if sources.is_empty() {
            return Ok(Vec::new());
        }
        let mut args = args![limit];
        let list = in_list(&mut args, sources.iter().copied());
        let sql = format!(
            "SELECT id, source_id, state, reason, is_news, seen_at, article FROM imported WHERE state = 0 AND source_id IN ({list})
             ORDER BY id DESC LIMIT $1"
        );
        let rows: Vec<Columns> = self.engine.read().await?.rows(sql, args).await?;
        rows.into_iter().map(imported).collect()
    }

    /// What waits for the editor, or was left out, of a Source.
    pub async fn not_kept(&self, source: &str, limit: u32) -> Result<Vec<Imported>> {
        let sql = "SELECT id, source_id, state, reason, is_news, seen_at, article FROM imported WHERE state <> 0 AND source_id = $1
             ORDER BY state, id DESC LIMIT $2";
        let rows: Vec<Columns> = self.engine.read().await?.rows(sql, args![source, limit]).await?;
        rows.into_iter().map(imported).collect()
    }

    /// Makes Articles of what was held; with `as_news` it may be mailed. How many.
    pub async fn approve_held(&self, source: &str, as_news: bool, now: Timestamp) -> Result<u64> {
        let mut tx = self.engine.write().await?;
        let sql = "UPDATE imported SET state = 0, reason = NULL, is_news = $2, changed_at = $3 WHERE source_id = $1 AND state = 1";
        let approved = tx.run(sql, args![source, as_news, now]).await?;
        tx.commit().await?;
        Ok(approved)
    }

    /// How many entries of each Source stand how: `(source, state, count)`.
    pub async fn imported_counts(&self) -> Result<Vec<(String, ImportState, u64)>> {
        let sql = "SELECT source_id, state, COUNT(*) FROM imported GROUP BY source_id, state ORDER BY source_id, state";
        let rows: Vec<(String, i64, i64)> = self.engine.read().await?.rows(sql, args![]).await?;
        rows.into_iter().map(|(source, code, n)| Ok((source, state(code)?, n.unsigned_abs()))).collect()
    }
}

async fn insert(tx: &mut Tx, source: &str, arrival: &Arrival, now: Timestamp) -> Result<i64> {
    let id = tx.numbers("imported", 1).await?;
    let sql = "INSERT INTO imported (id, source_id, state, reason, is_news, canonical, content, seen_at, changed_at, article)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)";
    let (reason, canonical, content) = (arrival.reason.as_deref(), arrival.canonical.as_deref(), arrival.content.as_deref());
    let args = args![id, source, arrival.state.code(), reason, arrival.is_news, canonical, content, now, arrival.article.as_str()];
    tx.run(sql, args).await?;
    Ok(id)
}

/// A key stays with whoever had it first.
async fn keep_keys(tx: &mut Tx, source: &str, id: i64, keys: &[String]) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut args = Vec::new();
    let rows = value_rows(&mut args, keys.iter().map(|key| [source.into(), key.as_str().into(), id.into()]));
    let sql = format!("INSERT INTO imported_keys (source_id, key, imported_id) VALUES {rows} ON CONFLICT (source_id, key) DO NOTHING");
    tx.run(sql, args).await.map(|_| ())
}

fn imported((id, source, code, reason, is_news, seen_at, article): Columns) -> Result<Imported> {
    Ok(Imported { id, source, state: state(code)?, reason, is_news: is_news == 1, seen_at: Timestamp(seen_at), article })
}

fn state(code: i64) -> Result<ImportState> {
    ImportState::from_code(code).ok_or_else(|| StoreError::Corrupt(format!("import state {code}")))
}
