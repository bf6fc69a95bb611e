//! Suppressions: addresses we must not mail; they outlive Subscriptions and imports.

use super::sql::args;
use super::{Result, Store};
use crate::model::{EmailAddress, Timestamp};

/// One suppressed address.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Suppression {
    /// The address, in lower case.
    pub email: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub created_at: Timestamp,
}

impl Store {
    /// Suppresses an address; the first reason stays. True when it was not suppressed before.
    pub async fn suppress(&self, email: &EmailAddress, reason: &str, now: Timestamp) -> Result<bool> {
        let mut tx = self.engine.write().await?;
        let sql = "INSERT INTO suppressions (email, reason, created_at) VALUES ($1, $2, $3) ON CONFLICT (email) DO NOTHING";
        let added = tx.run(sql, args![email.key(), reason, now]).await?;
        tx.commit().await?;
        Ok(added > 0)
    }

    /// Lifts a suppression; true when there was one.
    pub async fn unsuppress(&self, email: &EmailAddress) -> Result<bool> {
        let mut tx = self.engine.write().await?;
        let lifted = tx.run("DELETE FROM suppressions WHERE email = $1", args![email.key()]).await?;
        tx.commit().await?;
        Ok(lifted > 0)
    }

    /// All of them in the order of their addresses, above `after` (an address), at most `limit`: pages through any number.
    pub async fn suppressions(&self, after: &str, limit: u32) -> Result<Vec<Suppression>> {
        let mut tx = self.engine.read().await?;
        let sql = "SELECT email, reason, created_at FROM suppressions WHERE email > $1 ORDER BY email LIMIT $2";
        let rows: Vec<(String, String, i64)> = tx.rows(sql, args![after.to_lowercase(), limit]).await?;
        Ok(rows.into_iter().map(|(email, reason, at)| Suppression { email, reason, created_at: Timestamp(at) }).collect())
    }
}
