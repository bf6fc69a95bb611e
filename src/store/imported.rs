//! What Sources brought, and by which keys it is known.

use std::collections::{HashMap, HashSet};

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

/// The entries of one fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Those there is something to write of.
    pub list: Vec<Arrival>,
    /// The numbers of all, in the order of the feed; nothing stands for the next new one of the list.
    pub order: Vec<Option<i64>>,
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
    /// How many new entries became this.
    const fn of(&mut self, state: ImportState) -> &mut u64 {
        match state {
            ImportState::Kept => &mut self.new,
            ImportState::Held => &mut self.held,
            ImportState::Dropped => &mut self.dropped,
            ImportState::Merged => &mut self.merged,
        }
    }

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
    /// First seen, or approved to be mailed.
    pub seen_at: Timestamp,
    /// When it became what it is.
    pub changed_at: Timestamp,
    /// Its address as a key.
    pub canonical: Option<String>,
    /// Its text as a key.
    pub content: Option<String>,
    /// The Article as JSON.
    pub article: String,
}

/// By what entries of several Sources are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sameness {
    /// Their address.
    Page,
    /// Their title and text.
    Text,
}

impl Sameness {
    const fn column(self) -> &'static str {
        match self {
            Self::Page => "canonical",
            Self::Text => "content",
        }
    }
}

/// Rows in one INSERT: eleven values each stay far below SQLite's limit of 32,766.
const INSERT_ROWS: usize = 256;

/// Keys of one kind that are kept of an entry: a text with a counter in it has another at every fetch.
const KEYS_MAX: i64 = 8;

type Columns = (i64, String, i64, Option<String>, i64, i64, i64, Option<String>, Option<String>, String);

const COLUMNS: &str = "id, source_id, state, reason, is_news, seen_at, changed_at, canonical, content, article";

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

    /// The numbers of the entries that stood in the feed of a Source last, in their order.
    pub async fn last_entries(&self, source: &str) -> Result<Vec<i64>> {
        let row: Option<(Option<String>,)> =
            self.engine.read().await?.row("SELECT entries FROM sources WHERE id = $1", args![source]).await?;
        let entries = row.and_then(|(entries,)| entries).unwrap_or_default();
        entries
            .split_whitespace()
            .map(|number| number.parse().map_err(|_| StoreError::Corrupt(format!("entry {number:?} of {source}"))))
            .collect()
    }

    /// Entries by their numbers.
    pub async fn imported_by_number(&self, numbers: &[i64]) -> Result<Vec<Imported>> {
        let mut tx = self.engine.read().await?;
        let mut found = Vec::with_capacity(numbers.len());
        for numbers in pieces(numbers, CHUNK_IN_ORDER) {
            let mut args = args![];
            let list = in_list(&mut args, numbers.iter().copied());
            let sql = format!("SELECT {COLUMNS} FROM imported WHERE id IN ({list})");
            found.extend(tx.rows::<Columns>(sql, args).await?);
        }
        found.into_iter().map(imported).collect()
    }

    /// A number that changes with what was imported: whatever changes it takes a number.
    pub async fn imported_stamp(&self) -> Result<i64> {
        let row: Option<(i64,)> = self.engine.read().await?.row("SELECT next FROM counters WHERE name = 'imported'", args![]).await?;
        Ok(row.map(|(next,)| next).unwrap_or_default())
    }

    /// What was imported and became an Article, or is the same as one of another Source: what is news, or what is not; what changed last first, and of what
    /// changed together the first of the feed, after `before`, the last of the rows given before; at most `limit`.
    pub async fn imported(&self, is_news: bool, before: Option<(Timestamp, i64)>, limit: u32) -> Result<Vec<Imported>> {
        let (at, id) = before.unwrap_or((Timestamp(i64::MAX), i64::MIN));
        let sql = format!(
            "SELECT {COLUMNS} FROM imported WHERE state IN (0, 3) AND is_news = $1 AND changed_at <= $2 AND (changed_at < $2 OR id > $3)
             ORDER BY changed_at DESC, id LIMIT $4"
        );
        let rows: Vec<Columns> = self.engine.read().await?.rows(sql, args![is_news, at, id, limit]).await?;
        rows.into_iter().map(imported).collect()
    }

    /// The Articles that others are the same as, by their pages, or by their texts: key → number of the first, and whether any that has it is news.
    pub async fn firsts(&self, by: Sameness, keys: &[&str]) -> Result<HashMap<String, (i64, bool)>> {
        let mut tx = self.engine.read().await?;
        let (mut firsts, column) = (HashMap::new(), by.column());
        for keys in pieces(keys, CHUNK_IN_ORDER) {
            let mut args = args![];
            let list = in_list(&mut args, keys.iter().copied());
            let sql =
                format!("SELECT {column}, MIN(id), MAX(is_news) FROM imported WHERE {column} IN ({list}) AND state = 0 GROUP BY {column}");
            firsts.extend(tx.rows::<(String, i64, i64)>(sql, args).await?.into_iter().map(|(key, id, is_news)| (key, (id, is_news == 1))));
        }
        Ok(firsts)
    }

    /// What waits for the editor, or was left out, of a Source.
    pub async fn not_kept(&self, source: &str, limit: u32) -> Result<Vec<Imported>> {
        let sql = format!("SELECT {COLUMNS} FROM imported WHERE state <> 0 AND source_id = $1 ORDER BY state, id DESC LIMIT $2");
        let rows: Vec<Columns> = self.engine.read().await?.rows(sql, args![source, limit]).await?;
        rows.into_iter().map(imported).collect()
    }

    /// Makes Articles of what was held; with `as_news` it may be mailed, as what came now: nobody had it before, whatever was mailed since. What another
    /// Source has brought meanwhile is no Article of its own, and makes news of that one only with `as_news`. How many became what.
    pub async fn approve_held(&self, source: &str, as_news: bool, now: Timestamp) -> Result<Taken> {
        let mut tx = self.engine.write().await?;
        tx.numbers("imported", 1).await?;
        let sql = "SELECT id, canonical, content FROM imported WHERE source_id = $1 AND state = 1";
        let held: Vec<(i64, Option<String>, Option<String>)> = tx.rows(sql, args![source]).await?;
        let pages =
            elsewhere(&mut tx, source, Sameness::Page, held.iter().filter_map(|(_, canonical, _)| canonical.as_deref()).collect()).await?;
        let texts =
            elsewhere(&mut tx, source, Sameness::Text, held.iter().filter_map(|(.., content)| content.as_deref()).collect()).await?;
        let mut taken = Taken::default();
        let sql = "UPDATE imported SET is_news = $2, seen_at = CASE WHEN $3 = 1 THEN $4 ELSE seen_at END, changed_at = $5
             WHERE source_id = $1 AND state = 1";
        tx.run(sql, args![source, as_news, as_news, now, now]).await?;
        for (id, canonical, content) in &held {
            if let Some(before) = first_elsewhere(&pages, &texts, canonical.as_deref(), content.as_deref()) {
                let sql = "UPDATE imported SET state = 3, reason = $2 WHERE id = $1";
                taken.merged += tx.run(sql, args![*id, had_it_first(before)]).await?;
            }
        }
        let sql = "UPDATE imported SET state = 0, reason = NULL WHERE source_id = $1 AND state = 1";
        taken.new = tx.run(sql, args![source]).await?;
        tx.commit().await?;
        Ok(taken)
    }

    /// Leaves out what was held. How many.
    pub async fn drop_held(&self, source: &str, now: Timestamp) -> Result<u64> {
        let mut tx = self.engine.write().await?;
        tx.numbers("imported", 1).await?;
        let sql = "UPDATE imported SET state = 2, reason = 'the editor left it out', changed_at = $2 WHERE source_id = $1 AND state = 1";
        let dropped = tx.run(sql, args![source, now]).await?;
        tx.commit().await?;
        Ok(dropped)
    }

    /// How many entries of each Source, or of one, stand how: `(source, state, count)`.
    pub async fn imported_counts(&self, source: Option<&str>) -> Result<Vec<(String, ImportState, u64)>> {
        let (only, args) = source.map_or(("", args![]), |source| ("WHERE source_id = $1", args![source]));
        let sql = format!("SELECT source_id, state, COUNT(*) FROM imported {only} GROUP BY source_id, state ORDER BY source_id, state");
        let rows: Vec<(String, i64, i64)> = self.engine.read().await?.rows(sql, args).await?;
        rows.into_iter().map(|(source, code, n)| Ok((source, state(code)?, n.unsigned_abs()))).collect()
    }
}

/// Keeps what one fetch brought: new entries with their keys, and new words of known ones. A handful of statements, however many entries there are.
/// Gives what became of them, and the numbers of all as they are kept of the Source, if there are any.
pub(super) async fn keep_arrivals(tx: &mut Tx, source: &str, arrivals: &Arrivals, now: Timestamp) -> Result<(Taken, Option<String>)> {
    let new: Vec<&Arrival> = arrivals.list.iter().filter(|arrival| arrival.known.is_none()).collect();
    let (mut taken, mut first) = (Taken::default(), 0);
    if !arrivals.list.is_empty() {
        first = tx.numbers("imported", new.len().max(1)).await?;
        taken = insert(tx, source, &new, first, now).await?;
    }
    let mut numbers = first..;
    let mut keys: Vec<(i64, &str)> = Vec::new();
    for arrival in &arrivals.list {
        if let Some(id) = arrival.known {
            taken.changed += update(tx, id, arrival, now).await?;
        }
        let Some(id) = arrival.known.or_else(|| numbers.next()) else { break };
        keys.extend(arrival.keys.iter().map(|key| (id, key.as_str())));
    }
    keep_keys(tx, source, &keys, now).await?;
    // A new one has no old keys.
    let known: Vec<i64> = arrivals.list.iter().filter_map(|arrival| arrival.known).collect();
    forget_keys(tx, &known).await?;
    let mut numbers = first..;
    let order: Vec<String> = arrivals.order.iter().filter_map(|known| known.or_else(|| numbers.next())).map(|id| id.to_string()).collect();
    // A feed that is empty for a moment has lost nothing.
    Ok((taken, Some(order.join(" ")).filter(|order| !order.is_empty())))
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

/// Makes the rows of new entries, numbered from `first`; gives what became of them. One that another Source had first is no Article of its own.
async fn insert(tx: &mut Tx, source: &str, new: &[&Arrival], first: i64, now: Timestamp) -> Result<Taken> {
    let mut taken = Taken::default();
    let kept = || new.iter().filter(|arrival| arrival.state == ImportState::Kept);
    let pages = elsewhere(tx, source, Sameness::Page, kept().filter_map(|arrival| arrival.canonical.as_deref()).collect()).await?;
    let texts = elsewhere(tx, source, Sameness::Text, kept().filter_map(|arrival| arrival.content.as_deref()).collect()).await?;
    let numbered: Vec<(i64, &Arrival)> = (first..).zip(new.iter().copied()).collect();
    for piece in pieces(&numbered, INSERT_ROWS) {
        let mut args = Vec::with_capacity(piece.len() * 11);
        let rows = piece.iter().map(|(id, arrival)| {
            let before = first_elsewhere(&pages, &texts, arrival.canonical.as_deref(), arrival.content.as_deref());
            let (state, reason) = match before.filter(|_| arrival.state == ImportState::Kept) {
                Some(before) => (ImportState::Merged, Some(had_it_first(before))),
                None => (arrival.state, arrival.reason.clone()),
            };
            *taken.of(state) += 1;
            let (canonical, content) = (arrival.canonical.as_deref(), arrival.content.as_deref());
            let (facts, article) = (arrival.facts.as_str(), arrival.article.as_deref().unwrap_or("{}"));
            [
                (*id).into(),
                source.into(),
                state.code().into(),
                reason.into(),
                arrival.is_news.into(),
                canonical.into(),
                content.into(),
                facts.into(),
                now.into(),
                now.into(),
                article.into(),
            ]
        });
        let rows = value_rows(&mut args, rows);
        let sql = format!(
            "INSERT INTO imported (id, source_id, state, reason, is_news, canonical, content, facts, seen_at, changed_at, article) VALUES {rows}"
        );
        tx.run(sql, args).await?;
    }
    Ok(taken)
}

/// The Sources that have Articles with these addresses, or texts: key → the one that had it first.
async fn elsewhere(tx: &mut Tx, source: &str, by: Sameness, keys: Vec<&str>) -> Result<HashMap<String, String>> {
    let (mut first, column): (HashMap<String, (i64, String)>, _) = (HashMap::new(), by.column());
    for keys in pieces(&keys, CHUNK_IN_ORDER) {
        let mut args = args![];
        let list = in_list(&mut args, keys.iter().copied());
        args.push(source.into());
        let sql = format!(
            "SELECT {column}, id, source_id FROM imported WHERE {column} IN ({list}) AND source_id <> ${} AND state = 0",
            args.len()
        );
        for (key, id, source) in tx.rows::<(String, i64, String)>(sql, args).await? {
            let known = first.entry(key).or_insert_with(|| (id, source.clone()));
            if id < known.0 {
                *known = (id, source);
            }
        }
    }
    Ok(first.into_iter().map(|(key, (_, source))| (key, source)).collect())
}

/// The Source that had an entry first, by its page or by its text.
fn first_elsewhere<'a>(
    pages: &'a HashMap<String, String>,
    texts: &'a HashMap<String, String>,
    canonical: Option<&str>,
    content: Option<&str>,
) -> Option<&'a str> {
    canonical.and_then(|key| pages.get(key)).or_else(|| texts.get(content?)).map(String::as_str)
}

fn had_it_first(source: &str) -> String {
    format!("{source} had it first")
}

/// A key stays with whoever had it first; a page with its title goes to whoever has it now, since a feed may give both to one thing after the other.
async fn keep_keys(tx: &mut Tx, source: &str, keys: &[(i64, &str)], now: Timestamp) -> Result<()> {
    // One statement takes a row but once.
    let mut once = HashSet::new();
    let keys: Vec<(i64, &str)> = keys.iter().copied().filter(|(_, key)| once.insert(*key)).collect();
    for piece in pieces(&keys, CHUNK_IN_ORDER) {
        let mut args = Vec::with_capacity(piece.len() * 4);
        let rows = value_rows(&mut args, piece.iter().map(|(id, key)| [source.into(), (*key).into(), (*id).into(), now.into()]));
        let sql = format!(
            "INSERT INTO imported_keys (source_id, key, imported_id, seen_at) VALUES {rows}
             ON CONFLICT (source_id, key) DO UPDATE SET imported_id = excluded.imported_id
             WHERE SUBSTR(imported_keys.key, 1, 5) = 'page ' AND imported_keys.imported_id <> excluded.imported_id"
        );
        tx.run(sql, args).await?;
    }
    Ok(())
}

/// Forgets the oldest keys of these entries, of each kind; never a guid or a link.
async fn forget_keys(tx: &mut Tx, entries: &[i64]) -> Result<()> {
    for piece in pieces(entries, CHUNK_IN_ORDER) {
        let mut args = args![];
        let list = in_list(&mut args, piece.iter().copied());
        args.push(KEYS_MAX.into());
        let sql = format!(
            "DELETE FROM imported_keys WHERE imported_id IN ({list}) AND SUBSTR(key, 1, 5) NOT IN ('guid ', 'link ')
                 AND (SELECT COUNT(*) FROM imported_keys newer WHERE newer.imported_id = imported_keys.imported_id
                     AND SUBSTR(newer.key, 1, 5) = SUBSTR(imported_keys.key, 1, 5) AND newer.seen_at > imported_keys.seen_at) >= ${}",
            args.len()
        );
        tx.run(sql, args).await?;
    }
    Ok(())
}

fn imported((id, source, code, reason, is_news, seen_at, changed_at, canonical, content, article): Columns) -> Result<Imported> {
    let (state, seen_at, changed_at) = (state(code)?, Timestamp(seen_at), Timestamp(changed_at));
    Ok(Imported { id, source, state, reason, is_news: is_news == 1, seen_at, changed_at, canonical, content, article })
}

fn state(code: i64) -> Result<ImportState> {
    ImportState::from_code(code).ok_or_else(|| StoreError::Corrupt(format!("import state {code}")))
}
