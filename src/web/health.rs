//! Whether the process lives, and whether it should be sent requests.

use std::time::Duration;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::State;

/// A store that takes longer is of no use to a reader either.
const STORE_WITHIN: Duration = Duration::from_secs(2);

/// The process lives.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// The store answers and the site is there; otherwise what is missing.
pub async fn ready(Shared(state): Shared<State>) -> Response {
    let not_yet = |why: &str| (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response();
    if state.stop.is_cancelled() {
        return not_yet("draining: this process is about to end");
    }
    if state.shelves.get().is_empty() {
        return not_yet("the site is not published yet");
    }
    match tokio::time::timeout(STORE_WITHIN, state.desk.store.meta("ready")).await {
        Ok(Ok(_)) => "ready\n".into_response(),
        Ok(Err(error)) => {
            tracing::warn!("not ready: {error}");
            not_yet("the store does not answer; the log says why")
        }
        Err(_) => not_yet("the store does not answer in time"),
    }
}
