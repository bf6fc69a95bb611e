//! A store for one test: an SQLite file, or with TEST_STORE=postgres a database of a PostgreSQL server that the tests start.
//! A test that takes its store from here is told about both engines.

use postrider::config::{PostgresUrl, StoreUrl};
use postrider::model::Timestamp;
use postrider::store::Store;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

use super::postgres::Postgres;

/// Where the store of one test is; the file goes away with it.
pub struct Place {
    url: StoreUrl,
    _folder: TempDir,
}

impl Place {
    /// A new place with nothing in it.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match on_postgres() {
            true => StoreUrl::Postgres(PostgresUrl::parse(&Postgres::shared().database()).unwrap()),
            false => StoreUrl::Sqlite(folder.path().join("p.db")),
        };
        Self { url, _folder: folder }
    }

    /// The file, where it is one.
    pub fn file(&self) -> Option<&std::path::Path> {
        match &self.url {
            StoreUrl::Sqlite(file) => Some(file),
            StoreUrl::Postgres(_) => None,
        }
    }

    /// Changes it as no program of ours does.
    pub async fn by_hand(&self, sql: &'static str) {
        match &self.url {
            StoreUrl::Sqlite(file) => {
                let mut store = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await.unwrap();
                sqlx::query(sql).execute(&mut store).await.unwrap();
            }
            StoreUrl::Postgres(url) => {
                let mut address = url.address().clone();
                address.set_password(url.password()).unwrap();
                let mut store = PgConnection::connect(address.as_str()).await.unwrap();
                sqlx::query(sql).execute(&mut store).await.unwrap();
            }
        }
    }

    /// Opens it. Leases are measured on the clock of the test.
    pub async fn open(&self, now: Timestamp) -> Store {
        Store::open(&self.url, now).await.unwrap().on_the_callers_clock()
    }
}

/// What stands in the config.toml of a test under `[store]`.
pub fn url_for_config() -> String {
    if on_postgres() { Postgres::shared().database() } else { "sqlite://postrider.db".to_owned() }
}

/// Which engine this run of the tests is about.
pub fn on_postgres() -> bool {
    match std::env::var("TEST_STORE").as_deref() {
        Ok("postgres") => true,
        Ok("sqlite") | Err(_) => false,
        Ok(other) => panic!("TEST_STORE is sqlite or postgres, not {other:?}"),
    }
}
