//! The archive's search: `/archive/weekly/?q=tide`. Every other page of the archive is a file of the site.

use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};

use super::accept::{Accept, Encoding};
use super::{State, shelf, site};

/// The Issues of a public List, or those of them in which the words stand. A List that is not public is no page, whatever is asked.
pub async fn list(Shared(state): Shared<State>, Path(list): Path<String>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let field = |name: &str| {
        let query = uri.query().unwrap_or_default();
        url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let Some(query) = field("q").filter(|query| !query.trim().is_empty()) else {
        return site::file(Shared(state), method, uri, headers).await;
    };
    let number = field("page").and_then(|page| page.parse().ok()).unwrap_or(1);
    let archive = state.desk.site.archive();
    let found = tokio::task::spawn_blocking(move || archive.search(&list, &query, number)).await;
    match found {
        Ok(Some(Ok(html))) => packed(html, Accept::of(&headers)),
        Ok(None) => site::file(Shared(state), method, uri, headers).await,
        Ok(Some(Err(faults))) => failed(&faults.to_string()),
        Err(error) => failed(&error.to_string()),
    }
}

/// The page, packed for whoever takes that: fifty Issues with what was found in each are long.
fn packed(html: String, accept: Accept) -> Response {
    let vary = [(header::VARY, "Accept-Encoding")];
    if accept.weight(Encoding::Gzip) > 0
        && let Ok(bytes) = shelf::packed(Encoding::Gzip, html.as_bytes())
    {
        let about = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_ENCODING, Encoding::Gzip.name())];
        return (vary, about, bytes).into_response();
    }
    (vary, Html(html)).into_response()
}

fn failed(why: &str) -> Response {
    tracing::error!("the archive cannot be searched: {why}");
    (StatusCode::INTERNAL_SERVER_ERROR, "this search did not work; the log says why\n").into_response()
}
