//! Opening a PostgreSQL database: the session's settings, and what can be wrong in words.

use std::io::ErrorKind;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection};

use super::sql::{Engine, LeaseClock};
use super::{Result, StoreError};
use crate::config::PostgresUrl;

/// Connections of one process: a sender, and the pages, counts and imports beside it.
const CONNECTIONS: u32 = 8;
/// The first connection is for a person who waits, or for a service that is to say what is wrong.
const FIRST_TIMEOUT: Duration = Duration::from_secs(10);
/// Later ones wait out a restart of the server: refused connections are tried again for so long.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(60);
/// What every session asks for:
/// * an intent is durable before its mail leaves, also where the server's default is to answer sooner;
/// * a worker that hangs (or a machine that is gone) in the middle of a transaction must not hold its locks longer than a lease lasts;
/// * expanding an Issue keeps the suppressed in memory;
/// * storage of today reads at random nearly as fast as in order, and a stale estimate must not turn the ledger's indexes off.
const SESSION: &str = "SET synchronous_commit = on; SET idle_in_transaction_session_timeout = '10s'; SET work_mem = '64MB'; \
     SET random_page_cost = 1.1; SET client_min_messages = warning";

/// Connects, says what is wrong if anything is, and brings the tables up to date.
pub(super) async fn open(url: &PostgresUrl, migrations: &Migrator) -> Result<Engine> {
    let options = options(url)?;
    let mut first = connect(url, &options).await?;
    first.execute(SESSION).await.map_err(|error| in_words(url, &error))?;
    migrations.run(&mut first).await.map_err(|error| migration_in_words(url, error))?;
    // Its end changes nothing any more.
    drop(first.close().await);
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(SESSION).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options);
    Ok(Engine::Postgres(pool, LeaseClock::Database))
}

/// Whether there are no tables of ours yet.
pub(super) async fn is_new(url: &PostgresUrl) -> Result<bool> {
    let mut first = connect(url, &options(url)?).await?;
    let sql = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = 'counters'";
    let (tables,): (i64,) = sqlx::query_as(sql).fetch_one(&mut first).await.map_err(|error| in_words(url, &error))?;
    drop(first.close().await);
    Ok(tables == 0)
}

fn options(url: &PostgresUrl) -> Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url.address().as_str()).map_err(|error| StoreError::Open(format!("{url}: {error}")))?;
    let options = options.application_name("postrider").statement_cache_capacity(256).disable_statement_logging();
    Ok(match url.password() {
        Some(password) => options.password(password),
        None => options,
    })
}

async fn connect(url: &PostgresUrl, options: &PgConnectOptions) -> Result<PgConnection> {
    match tokio::time::timeout(FIRST_TIMEOUT, options.connect()).await {
        Ok(connection) => connection.map_err(|error| in_words(url, &error)),
        Err(_) => Err(StoreError::Remote(format!("{url}: no answer within {} s", FIRST_TIMEOUT.as_secs()))),
    }
}

/// The commonest refusals (postgresql.org/docs/current/errcodes-appendix.html), with what to do. The URL never has the password in it.
fn in_words(url: &PostgresUrl, error: &sqlx::Error) -> StoreError {
    let words = match error {
        sqlx::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
            "nobody answers there; is PostgreSQL running, and does it listen on this address?".to_owned()
        }
        sqlx::Error::Io(error) => format!("it cannot be reached: {error}"),
        sqlx::Error::Tls(error) => format!("TLS: {error}"),
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some("28P01") => "the password is wrong; give it by password_file, or the whole url as POSTRIDER_STORE__URL".to_owned(),
            Some("28000") => format!("this user may not log in: {}", error.message()),
            Some("3D000") => format!("{}; create it: createdb NAME", error.message()),
            Some("42501") => format!("{}; the user must own the database, or may create tables in it", error.message()),
            Some("53300") => "it has no connection left; raise max_connections, or run fewer workers".to_owned(),
            Some("57P03") => "it is starting up or shutting down; try again in a moment".to_owned(),
            Some("25006") => "it is read-only; is this a standby?".to_owned(),
            _ => error.message().to_owned(),
        },
        other => other.to_string(),
    };
    StoreError::Remote(format!("{url}: {words}"))
}

fn migration_in_words(url: &PostgresUrl, error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(_) => StoreError::Open(format!("{url}: it was made by a newer Postrider; update this one")),
        MigrateError::VersionMismatch(n) => {
            StoreError::Open(format!("{url}: its table version {n} differs from ours; it was made by another build"))
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => in_words(url, &error),
        other => StoreError::Open(format!("{url}: {other}")),
    }
}
