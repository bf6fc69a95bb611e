//! The answer to a request for a file in memory: all of it, what is new in it, or that nothing is.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;

use super::accept::{Accept, Encoding};
use super::shelf::{Form, Ready, etag};
use crate::model::Timestamp;

/// RFC 3229: which kind of delta a client takes, which it got, and what it is to be added to.
const A_IM: HeaderName = HeaderName::from_static("a-im");
const IM: HeaderName = HeaderName::from_static("im");
const DELTA_BASE: HeaderName = HeaderName::from_static("delta-base");
const IM_USED: u16 = 226;

/// Answers a GET or HEAD. No body is copied: it is counted.
pub(super) fn answer(ready: &Ready, request: &HeaderMap) -> Response<Bytes> {
    let accept = Accept::of(request);
    let Some(form) = best(ready, accept) else { return not_acceptable() };
    if let Some(headers) = unchanged(ready, form, accept, request) {
        return response(StatusCode::NOT_MODIFIED, headers, Bytes::new());
    }
    if let Some(news) = news(ready, accept, request) {
        return news;
    }
    response(StatusCode::OK, form.headers.clone(), form.body.clone())
}

/// The form a client likes best; of those it likes the same, the smallest.
fn best(ready: &Ready, accept: Accept) -> Option<&Form> {
    let liked = ready.forms().filter(|form| accept.weight(form.encoding) > 0);
    liked.max_by_key(|form| (accept.weight(form.encoding), std::cmp::Reverse(form.body.len())))
}

/// The headers of "304 Not Modified" when the client has what there is. Its word on ETags is the better one and stands alone.
///
/// Any encoding it takes will do: a reader that has the brotli form keeps it, though after a restart only the plain one is ready yet.
fn unchanged(ready: &Ready, form: &Form, accept: Accept, request: &HeaderMap) -> Option<HeaderMap> {
    if !request.contains_key(header::IF_NONE_MATCH) {
        let since = parse_date(request.get(header::IF_MODIFIED_SINCE)?)?;
        return (ready.changed? <= since).then(|| form.unchanged.clone());
    }
    for tag in tags(request) {
        if tag == "*" {
            return Some(form.unchanged.clone());
        }
        let Some(encoding) = tag.strip_prefix(ready.tag.as_str()).and_then(Encoding::of_suffix) else { continue };
        if encoding == form.encoding {
            return Some(form.unchanged.clone());
        }
        if accept.weight(encoding) > 0 {
            let mut headers = form.unchanged.clone();
            headers.insert(header::ETAG, HeaderValue::from_str(&etag(&ready.tag, encoding)).ok()?);
            return Some(headers);
        }
    }
    None
}

/// "226 IM Used": only the entries that changed since a version the client names, if it asks for that and we remember the version.
fn news(ready: &Ready, accept: Accept, request: &HeaderMap) -> Option<Response<Bytes>> {
    ready.feed.as_ref()?;
    let asks = request.get_all(A_IM).iter().flat_map(|value| value.to_str().unwrap_or_default().split(',')).any(is_feed);
    if !asks || accept.weight(Encoding::Identity) == 0 {
        return None;
    }
    let (base, delta) = tags(request).find_map(|tag| {
        let version = tag.split('-').next().unwrap_or_default();
        Some((tag, ready.since(version)?))
    })?;
    let mut headers = ready.plain.headers.clone();
    headers.insert(IM, HeaderValue::from_static("feed"));
    headers.insert(DELTA_BASE, HeaderValue::from_str(&format!("\"{base}\"")).ok()?);
    // For this client alone: a cache that does not know the status must not give it to another.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, im"));
    headers.insert(header::VARY, HeaderValue::from_static("A-IM, Accept-Encoding, If-None-Match"));
    Some(response(StatusCode::from_u16(IM_USED).ok()?, headers, delta))
}

/// `feed`, with any weight but 0.
fn is_feed(manipulation: &str) -> bool {
    let mut parts = manipulation.split(';').map(str::trim);
    let refused = |part: &str| part.strip_prefix("q=").is_some_and(|weight| weight.trim().parse::<f64>().is_ok_and(|weight| weight <= 0.0));
    parts.next().is_some_and(|name| name.eq_ignore_ascii_case("feed")) && !parts.any(refused)
}

/// The tags of `If-None-Match`, without quotes; a weak one names the same content (RFC 9110, 13.1.2).
fn tags(request: &HeaderMap) -> impl Iterator<Item = &str> {
    let lists = request.get_all(header::IF_NONE_MATCH).iter().flat_map(|value| value.to_str().unwrap_or_default().split(','));
    lists.map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'))
}

/// A date of HTTP, in any of its three layouts.
pub(super) fn parse_date(value: &HeaderValue) -> Option<Timestamp> {
    let text = value.to_str().ok()?.trim();
    let at = chrono::DateTime::parse_from_rfc2822(text).map(|at| at.timestamp()).ok();
    let local = |layout| chrono::NaiveDateTime::parse_from_str(text, layout).ok().map(|at| at.and_utc().timestamp());
    at.or_else(|| local("%A, %d-%b-%y %H:%M:%S GMT")).or_else(|| local("%a %b %e %H:%M:%S %Y")).map(Timestamp::from_secs)
}

fn not_acceptable() -> Response<Bytes> {
    let words = "this file is to be had plain, and with gzip, br or zstd; the request takes none of these\n";
    let mut headers = super::headers::always();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    response(StatusCode::NOT_ACCEPTABLE, headers, Bytes::from_static(words.as_bytes()))
}

fn response(status: StatusCode, headers: HeaderMap, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
