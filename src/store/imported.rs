//! What Sources brought, and by which keys it is known.

use std::collections::HashMap;

use super::sql::{CHUNK_IN_ORDER, Tx, args, in_list, pieces, value_rows};
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
    /// Hash of the entry as it came.
    pub facts: String,
    /// The Article as JSON; of a known one `None` leaves it as it is.
    pub article: Option<String>,
}

/// What became of the entries of one fetch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Taken {
    /// New Articles.
    pub new: u64,
    /// Articles with new words.
    pub changed: u64,
    /// New entries that wait for the editor.
    pub held: u64,
    /// New entries a filter left out.
    pub dropped: u64,
    /// New entries that another Source had already.
    pub merged: u64,
}

impl Taken {
    /// Whether anything came.
    pub const fn is_something(&self) -> bool {
        self.new + self.changed + self.held + self.dropped + self.merged > 0
    }

    /// This and what came of another fetch.
    pub const fn and(&self, other: &Self) -> Self {
        Self {
            new: self.new + other.new,
            changed: self.changed + other.changed,
            held: self.held + other.held,
            dropped: self.dropped + other.dropped,
            merged: self.merged + other.merged,
        }
    }

    /// In words: "2 new, 1 held".
    pub fn words(&self) -> String {
        let all = [
            (self.new, "new"),
            (self.changed, "changed"),
            (self.held, "held"),
            (self.dropped, "left out"),
            (self.merged, "known from elsewhere"),
        ];
        let said: Vec<String> = all.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        if said.is_empty() { "nothing new".to_owned() } else { said.join(", ") }
    }
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
    /// The entries of a Source that are known by these keys: key → number and hash.
    pub async fn known_keys(&self, source: &str, keys: &[String]) -> Result<HashMap<String, (i64, String)>> {
        let mut tx = self.engine.read().await?;
        let mut known = HashMap::new();
        for keys in pieces(keys, CHUNK_IN_ORDER) {
            let mut args = args![source];
            let list = in_list(&mut args, keys.iter().map(String::as_str));
            let sql = format!(
                "SELECT k.key, k.imported_id, i.facts FROM imported_keys k JOIN imported i ON i.id = k.imported_id
                 WHERE k.source_id = $1 AND k.key IN ({list})"
            );
            known.extend(tx.rows::<(String, i64, String)>(sql, args).await?.into_iter().map(|(key, id, facts)| (key, (id, facts))));
        }
        Ok(known)
    }

    /// Entries by their numbers.
    pub async fn imported_by_number(&self, numbers: &[i64]) -> Result<Vec<Imported>> {
        let mut tx = self.engine.read().await?;
        let mut found = Vec::with_capacity(numbers.len());
        for numbers in pieces(numbers, CHUNK_IN_ORDER) {
            let mut args = args![];
            let list = in_list(&mut args, numbers.iter().copied());
            let sql = format!("SELECT id, source_id, state, reason, is_news, seen_at, article FROM imported WHERE id IN ({list})");
            found.extend(tx.rows::<Columns>(sql, args).await?);
        }
        found.into_iter().map(imported).collect()
    }

    /// A number that changes with what was imported.
    pub async fn imported_stamp(&self) -> Result<i64> {
        let row: Option<(Option<i64>,)> = self.engine.read().await?.row("SELECT MAX(changed_at) FROM imported", args![]).await?;
        Ok(row.and_then(|(at,)| at).unwrap_or_default())
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

    /// Leaves out what was held. How many.
    pub async fn drop_held(&self, source: &str, now: Timestamp) -> Result<u64> {
        let mut tx = self.engine.write().await?;
        let sql = "UPDATE imported SET state = 2, reason = 'the editor left it out', changed_at = $2 WHERE source_id = $1 AND state = 1";
        let dropped = tx.run(sql, args![source, now]).await?;
        tx.commit().await?;
        Ok(dropped)
    }

    /// How many entries of each Source stand how: `(source, state, count)`.
    pub async fn imported_counts(&self) -> Result<Vec<(String, ImportState, u64)>> {
        let sql = "SELECT source_id, state, COUNT(*) FROM imported GROUP BY source_id, state ORDER BY source_id, state";
        let rows: Vec<(String, i64, i64)> = self.engine.read().await?.rows(sql, args![]).await?;
        rows.into_iter().map(|(source, code, n)| Ok((source, state(code)?, n.unsigned_abs()))).collect()
    }
}

/// Keeps what one fetch brought: new entries with their keys, and new words of known ones.
pub(super) async fn keep_arrivals(tx: &mut Tx, source: &str, arrivals: &[Arrival], now: Timestamp) -> Result<Taken> {
    let mut taken = Taken::default();
    for arrival in arrivals {
        let id = match arrival.known {
            Some(id) => {
                taken.changed += update(tx, id, arrival, now).await?;
                id
            }
            None => {
                let (id, state) = insert(tx, source, arrival, now).await?;
                match state {
                    ImportState::Kept => taken.new += 1,
                    ImportState::Held => taken.held += 1,
                    ImportState::Dropped => taken.dropped += 1,
                    ImportState::Merged => taken.merged += 1,
                }
                id
            }
        };
        keep_keys(tx, source, id, &arrival.keys).await?;
    }
    Ok(taken)
}

async fn update(tx: &mut Tx, id: i64, arrival: &Arrival, now: Timestamp) -> Result<u64> {
    let Some(article) = &arrival.article else {
        tx.run("UPDATE imported SET facts = $2 WHERE id = $1 AND facts <> $3", args![id, arrival.facts.as_str(), arrival.facts.as_str()])
            .await?;
        return Ok(0);
    };
    let (canonical, content) = (arrival.canonical.as_deref(), arrival.content.as_deref());
    let sql = "UPDATE imported SET article = $2, facts = $3, canonical = $4, content = $5, changed_at = $6 WHERE id = $1";
    tx.run(sql, args![id, article.as_str(), arrival.facts.as_str(), canonical, content, now]).await
}

/// Makes the row of a new entry. One that another Source had first is no Article of its own.
async fn insert(tx: &mut Tx, source: &str, arrival: &Arrival, now: Timestamp) -> Result<(i64, ImportState)> {
    let (mut state, mut reason) = (arrival.state, arrival.reason.clone());
    if state == ImportState::Kept
        && let Some(first) = same_elsewhere(tx, source, arrival.canonical.as_deref(), arrival.content.as_deref()).await?
    {
        state = ImportState::Merged;
        reason = Some(format!("{first} had it first"));
    }
    let id = tx.numbers("imported", 1).await?;
    let sql = "INSERT INTO imported (id, source_id, state, reason, is_news, canonical, content, facts, seen_at, changed_at, article)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let (canonical, content) = (arrival.canonical.as_deref(), arrival.content.as_deref());
    let (facts, article) = (arrival.facts.as_str(), arrival.article.as_deref().unwrap_or("{}"));
    tx.run(sql, args![id, source, state.code(), reason, arrival.is_news, canonical, content, facts, now, now, article]).await?;
    Ok((id, state))
}

/// The Source that has an Article with this address, or this text.
async fn same_elsewhere(tx: &mut Tx, source: &str, canonical: Option<&str>, content: Option<&str>) -> Result<Option<String>> {
    for (column, key) in [("canonical", canonical), ("content", content)] {
        let Some(key) = key else { continue };
        let sql = format!("SELECT source_id FROM imported WHERE {column} = $1 AND source_id <> $2 AND state = 0 ORDER BY id LIMIT 1");
        if let Some((first,)) = tx.row::<(String,)>(sql, args![key, source]).await? {
            return Ok(Some(first));
        }
    }
    Ok(None)
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
