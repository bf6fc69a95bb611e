//! Opening the store file: what can be wrong with it is said in words before SQLite says it in codes.

use std::path::Path;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::sql::Engine;
use super::{Result, StoreError};

/// Numbered, forward only, compiled in.
pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long a statement waits for another process that writes: a backup or an import may hold the file for a while.
const BUSY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a task waits for a connection of ours; longer than [`BUSY_TIMEOUT`], so that the file's own error is seen first.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(90);
/// Connections that read: pages, counts and exports beside one sender.
const READERS: u32 = 4;
/// Rows the database's thread reads ahead of ours: a whole claim, so that the two do not wake each other for every few rows.
const ROWS_AHEAD: usize = 1_024;
/// Page cache of the writing connection: an import of a million addresses touches its index at random.
const WRITER_CACHE_KIB: &str = "-65536";

/// Opens or makes the file, and brings its tables up to date.
pub(super) async fn sqlite(file: &Path) -> Result<Engine> {
    check_place(file)?;
    let said = |error: sqlx::Error| StoreError::Open(format!("{}: {}", file.display(), in_words(&error)));
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(false)
        .row_buffer_size(ROWS_AHEAD)
        .statement_cache_capacity(256);
    // A commit that failed on a full or broken disk leaves a connection whose transaction SQLite has ended and the driver has not: it begins no other.
    let pool = || {
        SqlitePoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).idle_timeout(None).max_lifetime(None).before_acquire(|connection, _| {
            let sound = !connection.is_in_transaction();
            Box::pin(async move { Ok(sound) })
        })
    };
    // What is deleted is overwritten, as far as that costs no more writing: who is erased is not to be found in the file.
    let writer = options.clone().pragma("cache_size", WRITER_CACHE_KIB).pragma("secure_delete", "FAST");
    let write = pool().max_connections(1).connect_with(writer).await.map_err(said)?;
    MIGRATIONS.run(&write).await.map_err(|error| migration_in_words(file, error))?;
    let reader = options.create_if_missing(false).pragma("query_only", "ON");
    let read = pool().max_connections(READERS).connect_lazy_with(reader);
    Ok(Engine::Sqlite { write, read })
}

/// The folder must be there and the file, when it is, must be a file we may write.
fn check_place(file: &Path) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(StoreError::Open(format!("{}: the folder {} does not exist; create it first", file.display(), folder.display())));
    }
    let Ok(about) = std::fs::metadata(file) else {
        return Ok(());
    };
    if about.is_dir() {
        return Err(StoreError::Open(format!("{} is a folder, not a file", file.display())));
    }
    if about.permissions().readonly() {
        return Err(StoreError::Open(format!("{} is read-only; the user who runs Postrider must be able to write it", file.display())));
    }
    Ok(())
}

/// SQLite's commonest refusals, by their result codes (sqlite.org/rescode.html).
fn in_words(error: &sqlx::Error) -> String {
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<i64>().ok());
    match code.map(|code| code & 0xff) {
        Some(5 | 6) => "another program has locked it".to_owned(),
        Some(8) => "it cannot be written: is the disk mounted read-only?".to_owned(),
        Some(11) => "it is damaged; restore it from a backup".to_owned(),
        Some(13) => "the disk is full".to_owned(),
        Some(14) => "it cannot be opened; may this user read and write the file and its folder?".to_owned(),
        Some(26) => "it is not a Postrider store (not an SQLite file)".to_owned(),
        _ => error.to_string(),
    }
}

fn migration_in_words(file: &Path, error: MigrateError) -> StoreError {
    let words = match error {
        MigrateError::VersionMissing(_) => "it was made by a newer Postrider; update this one".to_owned(),
        MigrateError::VersionMismatch(n) => format!("its table version {n} differs from ours; it was made by another build"),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => in_words(&error),
        other => other.to_string(),
    };
    StoreError::Open(format!("{}: {words}", file.display()))
}
