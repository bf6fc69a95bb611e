//! The only SQL: one typed pool inside one [`Store`], one file a noun. Methods are grouped by noun in the other files of this folder.

pub mod deliveries;
pub mod issues;
pub mod lists;
pub mod meta;
pub mod runs;
pub mod subscribers;
pub mod suppressions;

use crate::config::StoreUrl;
use crate::model::Timestamp;

/// The one store of a publication. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {}

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The lease a record was made under is over: somebody else may have taken its Deliveries. Nothing was written.
    #[error("the lease is over: another worker may have taken these deliveries")]
    Fenced,
    /// Another process sends from this store (SQLite takes one).
    #[error("another process is sending from this store")]
    Busy,
    /// What was asked for does not fit the state: said in words.
    #[error("{0}")]
    Refused(String),
    /// The database itself.
    #[error("the store failed")]
    Database(#[from] sqlx::Error),
    /// A row that cannot be read.
    #[error("a row of the store cannot be read: {0}")]
    Corrupt(String),
    /// Opening or migrating.
    #[error("cannot open the store: {0}")]
    Open(String),
}

/// Shorthand.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

impl Store {
    /// Opens the store, makes it when it is new, and brings its tables up to date.
    pub async fn open(url: &StoreUrl, now: Timestamp) -> Result<Self> {
        let _ = (url, now);
        todo!()
    }

    /// Closes every connection; what was committed is on disk.
    pub async fn close(&self) {
        todo!()
    }

    /// Becomes the one process that sends from this SQLite file, until the guard is dropped.
    /// Leases of earlier processes are dead from then on. Fails with [`StoreError::Busy`] when another process holds it.
    pub fn sender_lock(&self) -> Result<SenderLock> {
        todo!()
    }
}

/// Proof that this process may send. Drop it to let another.
#[derive(Debug)]
pub struct SenderLock(#[allow(dead_code)] Option<std::fs::File>);
