//! HTTP: the published site, the links in mails, and the local inbox of `dev`.
//!
//! A GET never changes state: link scanners follow every link in a mail. Handlers that change something answer POST and end in `_post`.

pub mod client;
mod inbox;
mod join;
mod limits;
mod links;
pub mod metrics;
mod site;
mod tongue;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::inbox::Inbox;
use crate::template;
use crate::worker::Desk;

/// Forms here have two fields; anything larger is not for us.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Nothing from elsewhere, no script, no frame around us. Highlighted code in articles carries inline styles.
const CSP: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src * data:; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'";

/// What handlers share.
#[derive(Clone)]
struct State {
    desk: Desk,
    inbox: Option<Inbox>,
    tera: Arc<tera::Tera>,
    limits: limits::Limits,
}

/// Serves until `stop` is cancelled; open requests are finished.
pub async fn serve(listener: TcpListener, desk: Desk, inbox: Option<Inbox>, stop: CancellationToken) -> anyhow::Result<()> {
    let tera = Arc::new(template::engine(&desk.templates)?);
    let router = router(State { desk, inbox, tera, limits: limits::Limits::default() });
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await?;
    Ok(())
}

fn router(state: State) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/unsubscribe/{token}", get(links::unsubscribe).post(links::unsubscribe_post))
        .route("/resubscribe/{token}", get(links::unsubscribe).post(links::resubscribe_post))
        .route("/preferences/{token}", get(links::preferences).post(links::preferences_post))
        .route("/view/{token}", get(links::view))
        .route("/subscribe", get(join::lists).post(join::join_post))
        .route("/subscribe/{list}", get(join::list))
        .route("/api/subscribe", axum::routing::post(join::api_post).options(join::api_options))
        .route("/confirm/{token}", get(join::confirm).post(join::confirm_post));
    if state.inbox.is_some() {
        router = router
            .route("/dev/inbox", get(inbox::list))
            .route("/dev/inbox/clear", axum::routing::post(inbox::clear_post))
            .route("/dev/inbox/deliver/{digest}", axum::routing::post(inbox::deliver_post))
            .route("/dev/inbox/{seq}", get(inbox::message))
            .route("/dev/inbox/{seq}/html", get(inbox::html))
            .route("/dev/inbox/{seq}/source", get(inbox::source));
    }
    let fixed = |name: HeaderName, value: &'static str| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    router
        .fallback(site::file)
        .layer(fixed(header::CONTENT_SECURITY_POLICY, CSP))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
        .layer(RequestBodyLimitLayer::new(BODY_BYTES_MAX))
        .with_state(state)
}

/// A page of ours from a template under `web/`.
fn page(state: &State, name: &str, context: &tera::Context) -> Response {
    match template::render(&state.tera, name, context) {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!("the page {name} cannot be made: {error}");
            (axum::http::StatusCode::INTERNAL_SERVER_ERROR, "this page cannot be shown; the log says why\n").into_response()
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
    context
}
