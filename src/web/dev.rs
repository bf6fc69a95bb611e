//! The guard of the pages of `dev`: their buttons act on a real store, and only they press them.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Where a request comes from, as browsers tell of themselves.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Under `no-referrer` a browser would not name us as the origin of our own forms either.
const TO_US_ALONE: HeaderValue = HeaderValue::from_static("same-origin");

/// Refuses a POST that a page of another site made the writer's browser send.
pub(super) async fn own_posts(request: Request, next: Next) -> Response {
    if request.method() == Method::POST && !is_own(request.headers()) {
        return (StatusCode::FORBIDDEN, "another site sent this request; the buttons are on the pages under /dev/\n").into_response();
    }
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::REFERRER_POLICY, TO_US_ALONE);
    response
}

/// Whether one of our pages sent it, or no browser at all.
fn is_own(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(FETCH_SITE) {
        return matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    let from = origin.as_ref().and_then(Uri::authority).map(|authority| authority.as_str());
    from.is_some() && from == headers.get(header::HOST).and_then(|host| host.to_str().ok())
}
