//! `/hub`: requests to be told when a feed changes.

use axum::extract::{Form, State as Shared};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::State;
use super::client::client_ip;
use super::limits::{hour_left, network};
use crate::model::feed::Hub;
use crate::websub::{self, Request};

/// Takes a request; what comes of it, its callback hears.
pub async fn request_post(Shared(state): Shared<State>, parts: Parts, Form(fields): Form<Vec<(String, String)>>) -> Response {
    if !state.desk.config.feeds.iter().any(|feed| feed.hub == Some(Hub::Own)) {
        return (StatusCode::NOT_FOUND, "there is no hub here\n").into_response();
    }
    let request = match Request::parse(&fields, &state.desk.fetch) {
        Ok(request) => request,
        Err(why) => return (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    };
    let now = state.desk.clock.now();
    if !state.limits.hub_asks.allows(network(client_ip(&parts)), now) {
        let later = [(header::RETRY_AFTER, hour_left(now).to_string())];
        return (StatusCode::TOO_MANY_REQUESTS, later, "too many requests to the hub come from your network\n").into_response();
    }
    let Ok(place) = state.hub_requests.clone().try_acquire_owned() else {
        let later = [(header::RETRY_AFTER, "30")];
        return (StatusCode::SERVICE_UNAVAILABLE, later, "too many requests at once; please try again\n").into_response();
    };
    tokio::spawn(async move {
        let desk = &state.desk;
        let is_ours = crate::worker::topics(&desk.config, &desk.site.get()).get(&request.topic).is_some_and(|topic| topic.is_ours);
        if let Err(error) = websub::settle(&desk.store, &desk.fetch, &request, is_ours, &desk.clock).await {
            tracing::warn!("a request to the hub was lost: {error}");
        }
        drop(place);
    });
    (StatusCode::ACCEPTED, "the callback is asked now\n").into_response()
}
