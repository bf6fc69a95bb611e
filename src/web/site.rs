//! The published site for every request no route is made for: its files, its old addresses, and the page that says there is none.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::State;
use super::answer::answer;
use super::headers::Dressed;
use super::shelf::{Item, Shelf};
use crate::config::Config;
use crate::model::feed::{Feed, FeedFormat};

/// What files of the site may be asked with.
const METHODS: &str = "GET, HEAD, OPTIONS";
/// What a path in `Location` writes otherwise.
const UNSAFE: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`').add(b'{').add(b'}').add(b'%').add(b'\\');

/// A file of the site, where else it is, or a page that says there is none.
pub async fn file(Shared(state): Shared<State>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let shelf = state.shelves.get();
    let Some(path) = path_of(uri.path()) else { return missing(&shelf) };
    if !matches!(method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, METHODS)], "only GET and HEAD\n").into_response();
    }
    let inside = if path.is_empty() || path.ends_with('/') { path.to_string() } else { format!("{path}/") };
    if let Some(item) = shelf.get(&path) {
        return give(item, &method, &headers).await;
    }
    match shelf.get(&format!("{inside}index.html")) {
        Some(item) if inside == *path => give(item, &method, &headers).await,
        Some(_) => moved(&state.desk.config, &inside),
        None => former(&state.desk.config, &path, &shelf).unwrap_or_else(|| missing(&shelf)),
    }
}

/// The path of a file as the shelf knows it; nothing for what no file of ours can be called. It is decoded once, and what is not the one
/// way to write a path (`//`, `.`, `..`, a backslash, NUL) leads nowhere: there is no second name to slip past a check with.
pub(super) fn path_of(raw: &str) -> Option<Cow<'_, str>> {
    let path = percent_decode_str(raw.strip_prefix('/')?).decode_utf8().ok()?;
    let odd = path.starts_with('/') || path.contains("//") || path.contains(['\\', '\0']);
    let leaves = path.split('/').any(|part| part == ".." || part == ".");
    (!odd && !leaves).then_some(path)
}

async fn give(item: &Item, method: &Method, headers: &HeaderMap) -> Response {
    if *method == Method::OPTIONS {
        return options(item);
    }
    let mut response = match item {
        Item::Ready(ready) => answer(ready, headers).map(Body::from),
        Item::Large(large) => super::files::answer(large, method, headers).await,
    };
    response.extensions_mut().insert(Dressed);
    response
}

/// What may be asked; for feeds also what a browser asks before a page elsewhere may read them.
fn options(item: &Item) -> Response {
    let mut response = (StatusCode::NO_CONTENT, [(header::ALLOW, METHODS)]).into_response();
    if matches!(item, Item::Ready(ready) if ready.feed.is_some()) {
        let allowed = [
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "A-IM, If-Modified-Since, If-None-Match"),
            (header::ACCESS_CONTROL_MAX_AGE, "86400"),
        ];
        response.headers_mut().extend(allowed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    }
    response
}

/// Leads to another path of this site, never to another host: it begins with one slash, the site's own prefix.
fn moved(config: &Config, path: &str) -> Response {
    let to = format!("{}{}", config.site.url.path(), utf8_percent_encode(path, UNSAFE));
    (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, to)]).into_response()
}

/// The answer at an address a feed had: where it is now, or that it is gone.
fn former(config: &Config, path: &str, shelf: &Shelf) -> Option<Response> {
    let (id, rest) = match path.strip_prefix("feeds/") {
        Some(below) => below.split_once('/').unwrap_or((below, "")),
        None => ("main", path),
    };
    let at_root = !path.starts_with("feeds/");
    if at_root && !is_window(rest) {
        return None;
    }
    if config.gone_feeds.iter().any(|gone| gone == id) {
        return Some(
            (StatusCode::GONE, "This feed has ended and will not come back. Please remove it from your reader.\n").into_response(),
        );
    }
    let feed = config.feeds.iter().find(|feed| feed.was.iter().any(|was| was == id))?;
    Some(moved(config, &now_at(feed, rest, shelf)))
}

/// Where the document `rest` of a renamed feed is now; its first format when it has none of that name.
fn now_at(feed: &Feed, rest: &str, shelf: &Shelf) -> String {
    let folder = if feed.id == "main" && is_window(rest) { String::new() } else { format!("feeds/{}/", feed.id) };
    let same = format!("{folder}{rest}");
    if shelf.get(&same).is_some() {
        return same;
    }
    let folder = if feed.id == "main" { String::new() } else { format!("feeds/{}/", feed.id) };
    format!("{folder}{}", feed.formats.first().map_or("", |format| format.file_name()))
}

/// Whether a document with this name is the current one of a feed, not an archive.
fn is_window(name: &str) -> bool {
    [FeedFormat::Rss, FeedFormat::Atom, FeedFormat::Json].iter().any(|format| format.file_name() == name)
}

fn missing(shelf: &Arc<Shelf>) -> Response {
    match shelf.get("404.html") {
        Some(Item::Ready(ready)) => {
            let page = [(header::CONTENT_TYPE, ready.content_type)];
            (StatusCode::NOT_FOUND, page, Body::from(ready.plain.body.clone())).into_response()
        }
        _ => (StatusCode::NOT_FOUND, "there is no such page here\n").into_response(),
    }
}
