//! Small facts about the publication itself: its signing key.

use super::{Result, Store};
use crate::model::link::LinkKey;

impl Store {
    /// The key that signs links; 32 random bytes made at the first call and kept.
    pub async fn link_key(&self) -> Result<LinkKey> {
        todo!()
    }

    /// A small fact kept under `key`.
    pub async fn meta(&self, key: &str) -> Result<Option<String>> {
        let _ = key;
        todo!()
    }

    /// Keeps a small fact.
    pub async fn set_meta(&self, key: &str, value: &str) -> Result<()> {
        let _ = (key, value);
        todo!()
    }
}
