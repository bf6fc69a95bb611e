//! The only SQL: one typed pool inside one [`Store`], one file a noun. Methods are grouped by noun in the other files of this folder.

pub mod archive;
pub mod carried;
pub mod choosers;
pub mod deliveries;
pub mod hosts;
pub mod imported;
pub mod imports;
pub mod issues;
mod last;
pub mod listeners;
pub mod lists;
pub mod meta;
pub mod moves;
pub mod numbers;
pub mod paces;
pub mod person;
pub mod preferences;
pub mod runs;
pub mod sign_ups;
pub mod sources;
pub mod subscribers;
pub mod suppressions;
pub mod upsert;

mod audience;
mod leases;
mod open;
mod postgres;
mod restored;
mod segment;
mod sql;
mod standing;
mod strikes;

use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;

use crate::config::StoreUrl;
use crate::model::Timestamp;
use sql::{Engine, LeaseClock};

/// The one store of a publication. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    engine: Engine,
    /// What one process at a time may hold; a store that several may send from has none.
    lock_file: Option<PathBuf>,
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
    /// The database is on another machine, or in another process, and cannot be used: why.
    #[error("the database cannot be used: {0}")]
    Remote(String),
    /// Opening or migrating.
    #[error("cannot open the store: {0}")]
    Open(String),
}

/// Shorthand.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

impl Store {
    /// Opens the store, makes its tables when it is new, and brings them up to date.
    pub async fn open(url: &StoreUrl, _now: Timestamp) -> Result<Self> {
        match url {
            StoreUrl::Sqlite(file) => {
                let mut lock_file = file.clone().into_os_string();
                lock_file.push(".lock");
                Ok(Self { engine: open::sqlite(file).await?, lock_file: Some(lock_file.into()) })
            }
            StoreUrl::Postgres(url) => Ok(Self { engine: postgres::open(url, &open::MIGRATIONS).await?, lock_file: None }),
        }
    }

    /// Whether nothing has been made there yet. Looking makes nothing.
    pub async fn is_new(url: &StoreUrl) -> Result<bool> {
        match url {
            StoreUrl::Sqlite(file) => Ok(!file.exists()),
            StoreUrl::Postgres(url) => postgres::is_new(url).await,
        }
    }

    /// The same store, measuring leases on the clock of its caller also where it has one of its own: for tests, which live in their own time.
    pub fn on_the_callers_clock(self) -> Self {
        let engine = match self.engine {
            Engine::Postgres(pool, _) => Engine::Postgres(pool, LeaseClock::Caller),
            sqlite @ Engine::Sqlite { .. } => sqlite,
        };
        Self { engine, ..self }
    }

    /// Whether several processes may send from this store.
    pub const fn is_shared(&self) -> bool {
        self.engine.is_shared()
    }

    /// Closes every connection; what was committed is on disk.
    pub async fn close(&self) {
        self.engine.close().await;
    }

    /// Permission to send, until the guard is dropped. From an SQLite file one process sends: leases of earlier ones are dead from then on,
    /// and [`StoreError::Busy`] says that another is at work. From PostgreSQL any number may.
    pub fn sender_lock(&self) -> Result<SenderLock> {
        let Some(path) = &self.lock_file else { return Ok(SenderLock(None)) };
        let failed = |error: std::io::Error| StoreError::Open(format!("{}: {error}", path.display()));
        // The lock is the kernel's and ends with the process, however it ends; the empty file stays and means nothing.
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(SenderLock(Some(file))),
            Err(TryLockError::WouldBlock) => Err(StoreError::Busy),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// Proof that this process may send. Drop it to let another.
#[derive(Debug)]
pub struct SenderLock(Option<File>);

impl SenderLock {
    /// Whether no other process can be sending, so that every lease there is belongs to a dead one.
    pub const fn is_alone(&self) -> bool {
        self.0.is_some()
    }
}
