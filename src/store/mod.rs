//! The only SQL: one typed pool inside one [`Store`], one file a noun. Methods are grouped by noun in the other files of this folder.

pub mod deliveries;
pub mod issues;
pub mod lists;
pub mod meta;
pub mod paces;
pub mod runs;
pub mod subscribers;
pub mod suppressions;

mod audience;
mod leases;
mod open;
mod sql;
mod standing;
mod upsert;

use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;

use crate::config::StoreUrl;
use crate::model::Timestamp;
use sql::Engine;

/// The one store of a publication. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    engine: Engine,
    lock_file: PathBuf,
}

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
    #[error("the store failed: {0}")]
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
    pub async fn open(url: &StoreUrl, _now: Timestamp) -> Result<Self> {
        let StoreUrl::Sqlite(file) = url;
        let engine = open::sqlite(file).await?;
        let mut lock_file = file.clone().into_os_string();
        lock_file.push(".lock");
        Ok(Self { engine, lock_file: lock_file.into() })
    }

    /// Closes every connection; what was committed is on disk.
    pub async fn close(&self) {
        self.engine.close().await;
    }

    /// Becomes the one process that sends from this SQLite file, until the guard is dropped.
    /// Leases of earlier processes are dead from then on. Fails with [`StoreError::Busy`] when another process holds it.
    pub fn sender_lock(&self) -> Result<SenderLock> {
        let failed = |error: std::io::Error| StoreError::Open(format!("{}: {error}", self.lock_file.display()));
        // The lock is the kernel's and ends with the process, however it ends; the empty file stays and means nothing.
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&self.lock_file).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(SenderLock(Some(file))),
            Err(TryLockError::WouldBlock) => Err(StoreError::Busy),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// Proof that this process may send. Drop it to let another.
#[derive(Debug)]
pub struct SenderLock(#[allow(dead_code)] Option<File>);
