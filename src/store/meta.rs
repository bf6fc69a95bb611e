//! Small facts about the publication itself: its signing key.

use super::sql::{Tx, args};
use super::{Result, Store, StoreError};
use crate::model::link::LinkKey;

/// Under which name the signing key is kept, in hexadecimal; a renewed one behind those before it, with blanks between.
const LINK_KEY: &str = "link_key";

impl Store {
    /// The key that signs links; 32 random bytes made at the first call and kept.
    pub async fn link_key(&self) -> Result<LinkKey> {
        let kept = match self.meta(LINK_KEY).await? {
            Some(kept) => kept,
            None => self.new_link_key().await?,
        };
        parse(&kept)
    }

    /// A new key signs from now on, in every process that is started from now on. Those before it stay good as [`LinkKey`] says.
    pub async fn renew_link_key(&self) -> Result<LinkKey> {
        self.link_key().await?;
        let mut tx = self.engine.write().await?;
        let kept: Option<(String,)> = tx.row(format!("SELECT value FROM meta WHERE name = $1{}", tx.locked()), args![LINK_KEY]).await?;
        let (kept,) = kept.ok_or_else(corrupt)?;
        let all = format!("{kept} {}", random_hex());
        let key = parse(&all)?;
        tx.run("UPDATE meta SET value = $2 WHERE name = $1", args![LINK_KEY, all]).await?;
        tx.commit().await?;
        Ok(key)
    }

    /// Keeps fresh bytes unless somebody was faster, and gives what is kept.
    async fn new_link_key(&self) -> Result<String> {
        let mut tx = self.engine.write().await?;
        tx.run("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", args![LINK_KEY, random_hex()]).await?;
        let kept: Option<(String,)> = tx.row("SELECT value FROM meta WHERE name = $1", args![LINK_KEY]).await?;
        tx.commit().await?;
        kept.map(|(value,)| value).ok_or_else(corrupt)
    }

    /// A small fact kept under `key`.
    pub async fn meta(&self, key: &str) -> Result<Option<String>> {
        let mut tx = self.engine.read().await?;
        let row: Option<(String,)> = tx.row("SELECT value FROM meta WHERE name = $1", args![key]).await?;
        Ok(row.map(|(value,)| value))
    }

    /// Keeps a small fact.
    pub async fn set_meta(&self, key: &str, value: &str) -> Result<()> {
        let mut tx = self.engine.write().await?;
        let sql = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        tx.run(sql, args![key, value]).await?;
        tx.commit().await
    }
}

/// The key that signs links, where there is one already.
pub(super) async fn link_key(tx: &mut Tx) -> Result<Option<LinkKey>> {
    let kept: Option<(String,)> = tx.row("SELECT value FROM meta WHERE name = $1", args![LINK_KEY]).await?;
    kept.map(|(kept,)| parse(&kept)).transpose()
}

/// The keys in the order in which they were made.
fn parse(kept: &str) -> Result<LinkKey> {
    let mut secrets = kept.split(' ').map(|hex| from_hex(hex).filter(|secret| !secret.is_empty()).ok_or_else(corrupt));
    let first = LinkKey::new(&secrets.next().ok_or_else(corrupt)??);
    secrets.try_fold(first, |key, secret| Ok(key.renewed(&secret?)))
}

fn random_hex() -> String {
    let bytes: [u8; 32] = rand::random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn corrupt() -> StoreError {
    StoreError::Corrupt("the link key".to_owned())
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks_exact(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
