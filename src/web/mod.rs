//! HTTP: the published site, the hub, the links in mails, and the pages of `dev`: its inbox and the Sources.
//!
//! Every request comes in through the door (door.rs). All routes stand in [`router`], all headers in headers.rs.
//! A GET, HEAD or OPTIONS never changes state: link scanners follow every link in a mail. Handlers that change something answer POST
//! and end in `_post`.

mod accept;
mod answer;
mod archive;
pub mod client;
mod dev;
mod door;
mod files;
mod headers;
mod health;
mod hub;
mod inbox;
mod join;
mod limits;
mod links;
mod listen;
pub mod metrics;
mod preferences;
mod shelf;
mod site;
mod sources;
mod tongue;
mod zones;

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use hyper_util::service::TowerToHyperService;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::limit::RequestBodyLimitLayer;

use crate::inbox::Inbox;
use crate::template;
use crate::worker::{Changes, Desk};
use door::Hall;
use shelf::{Shelf, Shelves};

/// Forms here have a few fields; anything larger is not for us.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Requests to the hub whose callbacks are being asked; further ones are told to come back.
const HUB_REQUESTS_MAX: usize = 32;

/// The stylesheet of our own pages.
static STYLESHEET: LazyLock<Asset> = LazyLock::new(|| Asset::new("pages", "css", "text/css", include_str!("../../assets/pages.css")));
/// What computes the proof of work in a browser.
static PROOF: LazyLock<Asset> = LazyLock::new(|| Asset::new("proof", "js", "text/javascript", include_str!("../../assets/proof.js")));

/// A file that our own pages load.
struct Asset {
    /// From the root; the name changes with the content.
    path: String,
    content_type: String,
    text: &'static str,
}

impl Asset {
    fn new(name: &str, ending: &str, content_type: &str, text: &'static str) -> Self {
        let digits: String = Sha256::digest(text).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Self { path: format!("assets/{name}-{digits}.{ending}"), content_type: format!("{content_type}; charset=utf-8"), text }
    }

    /// It, for ever.
    fn answer(&self) -> Response {
        let headers = [(header::CONTENT_TYPE, self.content_type.as_str()), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
        (headers, self.text).into_response()
    }
}

/// What handlers share.
#[derive(Clone)]
struct State {
    desk: Desk,
    inbox: Option<Inbox>,
    tera: Arc<tera::Tera>,
    limits: limits::Limits,
    shelves: Shelves,
    hub_requests: Arc<Semaphore>,
    /// Sources are asked by one button at a time.
    asking: Arc<Semaphore>,
    stop: CancellationToken,
}

/// Serves until `stop` is cancelled; open requests are finished.
pub async fn serve(listener: TcpListener, desk: Desk, inbox: Option<Inbox>, stop: CancellationToken) -> anyhow::Result<()> {
    let tera = Arc::new(template::engine(&desk.templates)?);
    let (shelves, mut changes) = (Shelves::default(), desk.site.changes());
    let site = changes.borrow_and_update().clone();
    refill(&shelves, site).await?;
    let policy = desk.config.web.clone();
    let prefix = desk.config.site.url.path().to_owned();
    let keeper = tokio::spawn(keep_shelves(shelves.clone(), changes, stop.clone()));
    let hub_requests = Arc::new(Semaphore::new(HUB_REQUESTS_MAX));
    let asking = Arc::new(Semaphore::new(1));
    let limits = limits::Limits::default();
    let listen = listener.local_addr()?;
    let router = router(State { desk, inbox, tera, limits, shelves: shelves.clone(), hub_requests, asking, stop: stop.clone() }, listen);
    let hall = Hall {
        shelves,
        router: TowerToHyperService::new(router),
        trusted: policy.trusted_proxies.clone(),
        prefix,
        request_within: policy.request_within,
    };
    listen::serve(listener, Arc::new(hall), &policy, stop).await;
    keeper.await??;
    Ok(())
}

/// Every route. What is on none of them is a file of the site, or nothing.
fn router(state: State, listen: SocketAddr) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/hub", post(hub::request_post))
        .route(&format!("/{}", STYLESHEET.path), get(|| async { STYLESHEET.answer() }))
        .route(&format!("/{}", PROOF.path), get(|| async { PROOF.answer() }))
        .route("/unsubscribe/{token}", get(links::unsubscribe).post(links::unsubscribe_post))
        .route("/resubscribe/{token}", get(links::unsubscribe).post(links::resubscribe_post))
        .route("/preferences/{token}", get(preferences::preferences).post(preferences::preferences_post))
        .route("/preferences/{token}/address", post(preferences::address_post))
        .route("/preferences/{token}/data", get(preferences::data))
        .route("/preferences/{token}/erase", post(preferences::erase_post))
        .route("/move/{token}", get(preferences::moving).post(preferences::moving_post))
        .route("/view/{token}", get(links::view))
        .route("/archive/{list}/", get(archive::list))
        .route("/subscribe", get(join::lists).post(join::join_post))
        .route("/subscribe/{list}", get(join::list))
        .route("/api/subscribe", get(join::api).post(join::api_post).options(join::api_options))
        .route("/confirm/{token}", get(join::confirm).post(join::confirm_post));
    if state.inbox.is_some() {
        let dev = Router::new()
            .route("/dev/inbox", get(inbox::list))
            .route("/dev/inbox/clear", post(inbox::clear_post))
            .route("/dev/inbox/deliver/{digest}", post(inbox::deliver_post))
            .route("/dev/inbox/{seq}", get(inbox::message))
            .route("/dev/inbox/{seq}/html", get(inbox::html))
            .route("/dev/inbox/{seq}/source", get(inbox::source))
            .route("/dev/sources", get(sources::list).post(sources::fetch_all_post))
            .route("/dev/sources/{id}", get(sources::one))
            .route("/dev/sources/{id}/fetch", post(sources::fetch_post))
            .route("/dev/sources/{id}/pause", post(sources::pause_post))
            .route("/dev/sources/{id}/resume", post(sources::resume_post))
            .route("/dev/sources/{id}/held", post(sources::held_post));
        router = router.merge(dev.route_layer(axum::middleware::from_fn_with_state(listen, dev::ours_alone)));
    }
    router.fallback(site::file).layer(RequestBodyLimitLayer::new(BODY_BYTES_MAX)).with_state(state)
}

/// Makes the shelf of a site.
async fn refill(shelves: &Shelves, site: Arc<crate::feed::Site>) -> anyhow::Result<()> {
    let old = shelves.get();
    shelves.set(tokio::task::spawn_blocking(move || Shelf::new(&site, &old)).await?);
    Ok(())
}

/// Follows the published site, and packs in the background what is on the shelf.
async fn keep_shelves(shelves: Shelves, mut changes: Changes, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        let (shelf, enough) = (shelves.get(), stop.child_token());
        let packing = tokio::task::spawn_blocking({
            let enough = enough.clone();
            move || shelf.pack(&enough)
        });
        let changed = tokio::select! {
            changed = changes.changed() => changed.is_ok(),
            () = stop.cancelled() => false,
        };
        enough.cancel();
        packing.await?;
        if !changed {
            return Ok(());
        }
        let now = changes.borrow_and_update().clone();
        refill(&shelves, now).await?;
    }
}

/// A page of ours from a template under `web/`.
fn page(state: &State, name: &str, context: &tera::Context) -> Response {
    match template::render(&state.tera, name, context) {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!("the page {name} cannot be made: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, "this page cannot be shown; the log says why\n").into_response()
        }
    }
}

/// What every page of ours is told.
fn context(state: &State) -> tera::Context {
    let site = &state.desk.config.site;
    let mut context = tera::Context::new();
    context.insert("site_title", &site.title);
    context.insert("site_url", site.url.as_str());
    context.insert("language", &site.language);
    context.insert("stylesheet", &own_path(state, &STYLESHEET));
    context.insert("root", site.url.path());
    context
}

/// Where a page finds a file of ours.
fn own_path(state: &State, asset: &Asset) -> String {
    format!("{}{}", state.desk.config.site.url.path(), asset.path)
}
