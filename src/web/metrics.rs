//! `/metrics`, on a listener of its own: a proxy in front of the public pages comes from this machine too, so nothing there could tell a
//! monitor from the world.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::model::IssueStatus;
use crate::telemetry::metrics::{self, Ledger};
use crate::worker::Desk;

/// The media type of the text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves until `stop` is cancelled.
pub async fn serve(listener: TcpListener, desk: Desk, stop: CancellationToken) -> anyhow::Result<()> {
    let router = Router::new().route("/metrics", get(move || scrape(desk.clone()))).fallback(async || StatusCode::NOT_FOUND);
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await?;
    Ok(())
}

async fn scrape(desk: Desk) -> Response {
    let ledger = match ledger(&desk).await {
        Ok(ledger) => Some(ledger),
        Err(error) => {
            tracing::warn!("the ledger could not be read for /metrics: {error}");
            None
        }
    };
    ([(header::CONTENT_TYPE, TEXT)], metrics::text(ledger.as_ref())).into_response()
}

async fn ledger(desk: &Desk) -> crate::store::Result<Ledger> {
    let open = desk.store.open_work(desk.clock.now()).await?;
    let count = |status| open.issues.iter().find(|(other, _)| *other == status).map_or(0, |(_, n)| *n);
    let issues = IssueStatus::ALL.into_iter().map(|status| (status.word(), count(status))).collect();
    Ok(Ledger { issues, planned: open.counts.planned, deliveries: open.counts.parts().to_vec(), due: open.due })
}
