//! Builds everything from `Config`; start, drain, stop; holds the one clock.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::fetch::Fetch;
use crate::inbox::Inbox;
use crate::model::link::LinkKey;
use crate::model::{Clock, Timestamp};
use crate::store::Store;
use crate::telemetry;
use crate::web;
use crate::worker::{self, Desk, Role};

/// The clock of the machine: the only place in the program that reads it.
pub fn system_clock() -> Clock {
    Clock::new(|| Timestamp::from_datetime(&chrono::Utc::now()))
}

/// The monotonic clock of the machine, for measurements.
fn monotonic() -> std::time::Duration {
    static START: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
    START.elapsed()
}

/// A stopwatch, for figures such as "in 9 ms".
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts it.
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> std::time::Duration {
        self.0.elapsed()
    }
}

/// The opened application: what every command that touches the store works with.
#[derive(Debug, Clone)]
pub struct App {
    /// The checked configuration.
    pub config: Arc<Config>,
    /// The clock.
    pub clock: Clock,
    /// The store, with its Lists as the configuration declares them.
    pub store: Store,
    /// Signs links.
    pub key: LinkKey,
    /// Template sources by name.
    pub templates: Arc<BTreeMap<String, String>>,
    /// Reaches other servers.
    pub fetch: Fetch,
}

impl App {
    /// Opens the store and brings its Lists in step with the configuration and with the CSV files it names.
    pub async fn open(config: Config, templates: BTreeMap<String, String>, clock: Clock) -> anyhow::Result<Self> {
        let store = Store::open(&config.store, clock.now()).await?;
        if let Some(issues) = store.hold_what_a_copy_would_send(clock.now()).await? {
            tracing::warn!(issues, "this store was put back from a copy or moved here: what is due waits for `postrider issues resume`");
        }
        store.sync_lists(&config.lists, clock.now()).await?;
        let sources: Vec<(&str, &str)> = config.sources.iter().map(|source| (source.id.as_str(), source.url.as_str())).collect();
        store.sync_sources(&sources, clock.now()).await?;
        for said in worker::sync_subscribers(&config, &store, clock.now()).await? {
            tracing::info!("{said}");
        }
        let key = store.link_key().await?;
        let fetch = Fetch::guarded(Some(config.site.url.as_str()), &config.allow_private)?;
        Ok(Self { config: Arc::new(config), clock, store, key, templates: Arc::new(templates), fetch })
    }

    /// What the service's loops share.
    pub fn desk(&self, is_confined: bool) -> Desk {
        Desk {
            config: self.config.clone(),
            clock: self.clock.clone(),
            store: self.store.clone(),
            key: self.key.clone(),
            templates: self.templates.clone(),
            site: worker::PublishedSite::default(),
            fetch: self.fetch.clone(),
            is_confined,
        }
    }

    /// Runs the service until `stop` is cancelled; then drains and returns. `listening` is told the address when the web role is up.
    pub async fn serve(
        &self,
        roles: &[Role],
        inbox: Option<Inbox>,
        stop: CancellationToken,
        listening: impl FnOnce(SocketAddr),
    ) -> anyhow::Result<()> {
        let desk = self.desk(inbox.is_some());
        let mut tasks = tokio::task::JoinSet::new();
        let inbox_absent = inbox.is_none();
        let publishes = roles.contains(&Role::Web) || roles.contains(&Role::Schedule);
        if publishes {
            // In development nothing is written: the site is served from memory.
            let out = inbox.is_none().then(|| self.config.root.join("public"));
            let seen = worker::look(&desk).await;
            let mut past = worker::Past::default();
            past.look(&desk).await;
            let next = worker::publish_once(&desk, &past, out.as_deref()).await?;
            tasks.spawn(worker::keep_published(desk.clone(), past, out, seen, next, stop.clone()));
        }
        if roles.contains(&Role::Web) || roles.contains(&Role::Send) {
            tasks.spawn(worker::keep_sign_ups(desk.clone(), stop.clone()));
        }
        if roles.contains(&Role::Web) {
            let listener = listen(self.config.listen).await?;
            listening(listener.local_addr()?);
            tasks.spawn(web::serve(listener, desk.clone(), inbox, stop.clone()));
            if inbox_absent {
                tasks.spawn(worker::keep_hubs(desk.clone(), stop.clone()));
            }
        }
        if let Some(address) = self.config.metrics.filter(|_| inbox_absent) {
            let listener = listen(address).await.map_err(|error| error.context("[metrics] listen"))?;
            tracing::info!("metrics at http://{}/metrics", listener.local_addr()?);
            telemetry::metrics::measure_with(monotonic);
            tasks.spawn(web::metrics::serve(listener, desk.clone(), stop.clone()));
        }
        if roles.contains(&Role::Schedule) {
            tasks.spawn(worker::keep_schedules(desk.clone(), stop.clone()));
        }
        if roles.contains(&Role::Fetch) && !self.config.sources.is_empty() {
            tasks.spawn(worker::keep_fetching(desk.clone(), stop.clone()));
        }
        if roles.contains(&Role::Send) {
            tasks.spawn(worker::keep_sending(desk.clone(), stop.clone()));
        }
        let result = first_failure(&mut tasks, &stop).await;
        self.store.close().await;
        result
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<tokio::net::TcpListener> {
    let listener = tokio::net::TcpListener::bind(address).await;
    listener.map_err(|error| anyhow::anyhow!("cannot listen on {address}: {error}"))
}

/// Waits for all tasks; the first that fails stops the others.
async fn first_failure(tasks: &mut tokio::task::JoinSet<anyhow::Result<()>>, stop: &CancellationToken) -> anyhow::Result<()> {
    let mut result = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.unwrap_or_else(|panic| Err(anyhow::anyhow!("a part of the service stopped by a bug: {panic}")));
        if ended.is_err() {
            stop.cancel();
            result = result.and(ended);
        }
    }
    result
}

/// Cancelled by SIGTERM or SIGINT; a second SIGINT ends the process at once.
pub fn stop_on_signals() -> CancellationToken {
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else { return };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        token.cancel();
        interrupt.recv().await;
        std::process::exit(130);
    });
    stop
}
