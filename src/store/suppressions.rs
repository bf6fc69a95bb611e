//! Suppressions: addresses we must not mail; they outlive Subscriptions and imports.
//!
//! Of an erased person the address itself may not stay, so a keyed hash of it does: `hmac:` and hexadecimal digits, where an address would stand.
//! Whoever asks whether an address is suppressed asks here, so that nobody can forget the hashes.

use std::collections::{HashMap, HashSet};

use super::sql::{CHUNK_IN_ORDER, Tx, args, in_list, pieces, value_rows};
use super::{Result, Store, meta};
use crate::model::link::LinkKey;
use crate::model::{EmailAddress, Timestamp};

/// What a hash begins with; no address does, for want of an `@`.
const HASH: &str = "hmac:";
/// The fact that hashes have to be looked at: kept from the first erased person on.
const ERASED: &str = "erased";
/// Rows in one INSERT.
const INSERT_ROWS: usize = 256;

/// One suppressed address.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Suppression {
    /// The address, in lower case, or a hash of it.
    pub email: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub created_at: Timestamp,
}

impl Suppression {
    /// Whether the person was erased, so that the address is no longer known.
    pub fn is_hash(&self) -> bool {
        self.email.starts_with(HASH)
    }
}

impl Store {
    /// Suppresses an address; the first reason stays. True when it was not suppressed before.
    pub async fn suppress(&self, email: &EmailAddress, reason: &str, now: Timestamp) -> Result<bool> {
        Ok(self.suppress_all(&[(email.clone(), reason.to_owned())], false, now).await? == [true])
    }

    /// Suppresses a batch in one transaction: for each, whether it was not suppressed before. With `dry_run` nothing is written.
    pub async fn suppress_all(&self, rows: &[(EmailAddress, String)], dry_run: bool, now: Timestamp) -> Result<Vec<bool>> {
        let keys: Vec<String> = rows.iter().map(|(email, _)| email.key()).collect();
        let mut tx = if dry_run { self.engine.read().await? } else { self.engine.write().await? };
        let mut known = suppressed(&mut tx, &keys).await?;
        let mut new = Vec::new();
        let fresh: Vec<bool> = keys.iter().map(|key| known.insert(key.clone())).collect();
        for ((key, (_, reason)), fresh) in keys.iter().zip(rows).zip(&fresh) {
            if *fresh {
                new.push((key, reason));
            }
        }
        if dry_run {
            return Ok(fresh);
        }
        for new in pieces(&new, INSERT_ROWS) {
            let mut args = Vec::with_capacity(new.len() * 3);
            let rows = value_rows(&mut args, new.iter().map(|(key, reason)| [key.as_str().into(), reason.as_str().into(), now.into()]));
            let sql = format!("INSERT INTO suppressions (email, reason, created_at) VALUES {rows} ON CONFLICT (email) DO NOTHING");
            tx.run(sql, args).await?;
        }
        tx.commit().await?;
        Ok(fresh)
    }

    /// Lifts a suppression, also that of an erased person; true when there was one.
    pub async fn unsuppress(&self, email: &EmailAddress) -> Result<bool> {
        let hash = hash(&self.link_key().await?, &email.key());
        let mut tx = self.engine.write().await?;
        let lifted = tx.run("DELETE FROM suppressions WHERE email IN ($1, $2)", args![email.key(), hash]).await?;
        tx.commit().await?;
        Ok(lifted > 0)
    }

    /// The suppression of an address, if there is one: by itself, or by the hash that erasing left.
    pub async fn suppression(&self, email: &EmailAddress) -> Result<Option<Suppression>> {
        let hash = hash(&self.link_key().await?, &email.key());
        let sql = "SELECT email, reason, created_at FROM suppressions WHERE email IN ($1, $2) ORDER BY email LIMIT 1";
        let row: Option<(String, String, i64)> = self.engine.read().await?.row(sql, args![email.key(), hash]).await?;
        Ok(row.map(|(email, reason, at)| Suppression { email, reason, created_at: Timestamp(at) }))
    }

    /// All of them in the order of their addresses, above `after` (an address), at most `limit`: pages through any number.
    pub async fn suppressions(&self, after: &str, limit: u32) -> Result<Vec<Suppression>> {
        let mut tx = self.engine.read().await?;
        let sql = "SELECT email, reason, created_at FROM suppressions WHERE email > $1 ORDER BY email LIMIT $2";
        let rows: Vec<(String, String, i64)> = tx.rows(sql, args![after.to_lowercase(), limit]).await?;
        Ok(rows.into_iter().map(|(email, reason, at)| Suppression { email, reason, created_at: Timestamp(at) }).collect())
    }
}

/// Puts a hash in the place of an address that is being forgotten.
pub(super) async fn veil(tx: &mut Tx, key: &LinkKey, email_key: &str, now: Timestamp) -> Result<()> {
    tx.run("DELETE FROM suppressions WHERE email = $1", args![email_key]).await?;
    let sql = "INSERT INTO suppressions (email, reason, created_at) VALUES ($1, $2, $3) ON CONFLICT (email) DO NOTHING";
    tx.run(sql, args![hash(key, email_key), "erased", now]).await?;
    tx.run("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", args![ERASED, "1"]).await.map(|_| ())
}

/// What stays of an erased address: nobody can read it, and whoever has the store's key and the address can tell that they belong together.
pub(super) fn hash(key: &LinkKey, email_key: &str) -> String {
    let mac = key.mac(&[b"erased", email_key.as_bytes()]);
    mac.iter().fold(HASH.to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// Which of the addresses (in lower case) are suppressed, by themselves or by a hash.
pub(super) async fn suppressed(tx: &mut Tx, keys: &[String]) -> Result<HashSet<String>> {
    let mut found = look_up(tx, keys).await?;
    // Most stores have erased nobody, and a million hashes take a second.
    let any: Option<(String,)> = tx.row("SELECT value FROM meta WHERE name = $1", args![ERASED]).await?;
    if any.is_some()
        && let Some(key) = meta::link_key(tx).await?
    {
        let by_hash: HashMap<String, &String> = keys.iter().map(|address| (hash(&key, address), address)).collect();
        let hashes: Vec<String> = by_hash.keys().cloned().collect();
        let erased = look_up(tx, &hashes).await?;
        found.extend(erased.iter().filter_map(|hash| by_hash.get(hash).map(|address| (*address).clone())));
    }
    Ok(found)
}

/// Which of these stand in the table.
async fn look_up(tx: &mut Tx, keys: &[String]) -> Result<HashSet<String>> {
    let mut found = HashSet::new();
    for keys in keys.chunks(CHUNK_IN_ORDER) {
        let mut args = Vec::new();
        let sql = format!("SELECT email FROM suppressions WHERE email IN ({})", in_list(&mut args, keys.iter().map(String::as_str)));
        found.extend(tx.rows::<(String,)>(sql, args).await?.into_iter().map(|(email,)| email));
    }
    Ok(found)
}
