//! Suppressions: addresses we must not mail; they outlive Subscriptions and imports.

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
    /// Suppresses an address; the first reason stays.
    pub async fn suppress(&self, email: &EmailAddress, reason: &str, now: Timestamp) -> Result<bool> {
        let _ = (email, reason, now);
        todo!()
    }

    /// Lifts a suppression; true when there was one.
    pub async fn unsuppress(&self, email: &EmailAddress) -> Result<bool> {
        let _ = email;
        todo!()
    }

    /// All of them, oldest first, above `after` (an address), at most `limit`.
    pub async fn suppressions(&self, after: &str, limit: u32) -> Result<Vec<Suppression>> {
        let _ = (after, limit);
        todo!()
    }
}
