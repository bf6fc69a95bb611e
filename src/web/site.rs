//! The published site, from memory: strong validators, 304, and the feeds' own media types.

use std::hash::{Hash as _, Hasher as _};

use axum::extract::State as Shared;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::State;
use crate::feed::{Body, Page};

/// A file of the site, or a page that says there is none.
pub async fn file(Shared(state): Shared<State>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return (StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n").into_response();
    }
    let site = state.desk.site.get();
    let Some(path) = percent_encoding::percent_decode_str(uri.path()).decode_utf8().ok() else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    // The site may live under a prefix (https://example.org/letter/); here it is served at the root and at that prefix.
    let prefix = state.desk.config.site.url.path();
    let path = path.strip_prefix(prefix).unwrap_or(&path).trim_start_matches('/');
    let candidates = [path.to_owned(), format!("{}index.html", slashed(path))];
    match candidates.iter().find_map(|name| site.get(name).map(|page| (name, page))) {
        Some((name, _)) if name != path && !path.is_empty() && !path.ends_with('/') => redirect(uri.path()),
        Some((_, page)) => send(page, &headers).await,
        None => missing(&site, &headers).await,
    }
}

/// `a` → `a/`, the root stays empty.
fn slashed(path: &str) -> String {
    if path.is_empty() || path.ends_with('/') { path.to_owned() } else { format!("{path}/") }
}

/// `/a` → `/a/`: only ever a path of this site, never another host.
fn redirect(path: &str) -> Response {
    let to = format!("/{}/", path.trim_matches('/'));
    (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, to)]).into_response()
}

async fn send(page: &Page, headers: &HeaderMap) -> Response {
    let bytes = match &page.body {
        Body::Bytes(bytes) => bytes.clone(),
        Body::File(file) => match tokio::fs::read(file).await {
            Ok(bytes) => bytes,
            Err(_) => return StatusCode::NOT_FOUND.into_response(),
        },
    };
    let tag = etag(&bytes);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let validators = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "public, max-age=300".to_owned())];
    if known.is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag || one.trim() == "*")) {
        return (StatusCode::NOT_MODIFIED, validators).into_response();
    }
    (validators, [(header::CONTENT_TYPE, page.content_type), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], bytes).into_response()
}

async fn missing(site: &crate::feed::Site, headers: &HeaderMap) -> Response {
    match site.get("404.html") {
        Some(page) => {
            let mut response = send(page, headers).await;
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
        None => (StatusCode::NOT_FOUND, "there is no such page here\n").into_response(),
    }
}

/// A strong validator of the content: the same bytes have the same tag after a restart.
fn etag(bytes: &[u8]) -> String {
    // SipHash with its fixed default keys, twice with different prefixes: 128 bits, stable over restarts of the same build.
    let half = |salt: u8| {
        let mut hasher = std::hash::DefaultHasher::new();
        salt.hash(&mut hasher);
        bytes.hash(&mut hasher);
        hasher.finish()
    };
    format!("\"{:016x}{:016x}\"", half(0), half(1))
}
