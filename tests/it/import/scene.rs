//! A publication with Sources, a web that scripts them, and a clock that is moved by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::SecondsFormat;
use postrider::config::Config;
use postrider::fetch::{Fetch, Lookup, Rules};
use postrider::import::Importer;
use postrider::model::{Clock, Timestamp};
use postrider::store::Store;
use postrider::template;
use postrider::worker::{Desk, PublishedSite};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::http::write_config;
use crate::support::store::Place;
use crate::support::web::{Answer, Hit, Web};

/// 2026-11-02, a Monday, 12:00:00 UTC.
pub const START: Timestamp = Timestamp::from_secs(1_793_620_800);

/// Sources, and what they are asked at.
pub struct Scene {
    pub web: Web,
    pub config: Config,
    pub store: Store,
    pub importer: Importer,
    place: Place,
    fetch: Fetch,
    clock: Clock,
    now: Arc<AtomicI64>,
    _dir: TempDir,
}

impl Scene {
    /// `sources` are the `[[source]]` tables; `PORT` in them is the port of the web, and every name of a host leads there.
    pub async fn new(sources: &str, answer: impl Fn(&Hit) -> Answer + Send + Sync + 'static) -> Self {
        let now = Arc::new(AtomicI64::new(START.0));
        let told = now.clone();
        let clock = Clock::new(move || Timestamp(told.load(Ordering::Relaxed)));
        let web = Web::on("127.0.0.1", clock.clone(), answer).await;
        let dir = tempfile::tempdir().unwrap();
        write_config(dir.path(), &sources.replace("PORT", &web.address.port().to_string()));
        let (config, _) = Config::load(&dir.path().join("config.toml"), std::iter::empty()).unwrap_or_else(|faults| panic!("{faults}"));
        let fetch = fetch();
        let place = Place::new();
        let store = open(&place, &config, START).await;
        let importer = Importer::new(&config, store.clone(), fetch.clone(), clock.clone());
        Self { web, config, store, importer, place, fetch, clock, now, _dir: dir }
    }

    /// What the worker's loops share, with the Lists of the configuration in the store.
    pub async fn desk(&self) -> Desk {
        self.store.sync_lists(&self.config.lists, self.now()).await.unwrap();
        Desk {
            config: Arc::new(self.config.clone()),
            clock: self.clock.clone(),
            store: self.store.clone(),
            key: self.store.link_key().await.unwrap(),
            templates: Arc::new(template::load(&self.config.templates_dir).unwrap()),
            site: PublishedSite::default(),
            fetch: self.fetch.clone(),
            is_confined: false,
        }
    }

    /// Somebody changes the store.
    pub async fn by_hand(&self, sql: &'static str) {
        self.place.by_hand(sql).await;
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Time passes.
    pub fn pass(&self, time: Duration) {
        self.now.store(self.now().plus(time).0, Ordering::Relaxed);
    }

    /// It is `at`, unless it is later.
    pub fn pass_until(&self, at: Timestamp) {
        self.now.fetch_max(at.0, Ordering::Relaxed);
    }

    /// The clock was wrong, and is set back.
    pub fn set_back(&self, at: Timestamp) {
        self.now.store(at.0, Ordering::Relaxed);
    }

    /// Asks all Sources that are due.
    pub async fn ask(&self) -> usize {
        self.importer.ask_due(&CancellationToken::new()).await.unwrap()
    }

    /// Another process on the same store, whose clock is so far ahead of ours.
    pub async fn beside(&self, ahead: Duration) -> Beside {
        let told = self.now.clone();
        let clock = Clock::new(move || Timestamp(told.load(Ordering::Relaxed)).plus(ahead));
        let store = open(&self.place, &self.config, clock.now()).await;
        Beside { importer: Importer::new(&self.config, store.clone(), fetch(), clock), store }
    }

    /// The process ends, and another begins.
    pub async fn restart(&mut self) {
        self.store.close().await;
        self.store = open(&self.place, &self.config, self.now()).await;
        self.importer = Importer::new(&self.config, self.store.clone(), self.fetch.clone(), self.clock.clone());
    }
}

/// Another process at work on the same store.
pub struct Beside {
    pub store: Store,
    pub importer: Importer,
}

impl Beside {
    /// Asks all Sources that are due.
    pub async fn ask(&self) -> usize {
        self.importer.ask_due(&CancellationToken::new()).await.unwrap()
    }
}

/// Knows nothing of what another one asks.
fn fetch() -> Fetch {
    let lookup: Lookup = Arc::new(|_| Box::pin(async { Ok(vec!["127.0.0.1".parse().unwrap()]) }));
    let rules = Rules { allowed: vec!["127.0.0.1/32".parse().unwrap()], lookup, ..Rules::default() };
    Fetch::with(Some("https://letter.example.com"), rules).unwrap()
}

/// As the program does when it begins.
async fn open(place: &Place, config: &Config, now: Timestamp) -> Store {
    let store = place.open(now).await;
    let sources: Vec<(&str, &str)> = config.sources.iter().map(|source| (source.id.as_str(), source.url.as_str())).collect();
    store.sync_sources(&sources, now).await.unwrap();
    store
}

/// A date as HTTP and RSS write it.
pub fn http_date(at: Timestamp) -> String {
    at.utc().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A date as Atom writes it.
pub fn atom_date(at: Timestamp) -> String {
    at.utc().to_rfc3339_opts(SecondsFormat::Secs, true)
}
