//! The headers of every answer, in one place.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Of every page of ours: nothing from elsewhere, no script but ours, no inline style, no frame around us.
pub const PAGE_CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The same for a page with sound or film of its own.
pub const MEDIA_CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// A mail is shown as mail programs show it: inline styles hold, pictures load, nothing runs, and no frame but ours may hold it.
pub const MAIL_CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src * data:; sandbox allow-popups allow-popups-to-escape-sandbox; frame-ancestors 'self'";
/// A picture that is opened by itself may be a document with scripts (SVG): none runs.
pub const PICTURE_CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
/// Pages of ours that show frames of ours: the inbox of `dev`.
pub const FRAME_CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What everything has: no guessing of types, and no word to other sites of where a reader came from.
const ALWAYS: [(HeaderName, &str); 2] = [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::REFERRER_POLICY, "no-referrer")];

/// A mark on answers that have all their headers already.
#[derive(Clone, Copy)]
pub(super) struct Dressed;

/// The beginning of an answer's headers.
pub(super) fn always() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12);
    headers.extend(ALWAYS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers
}

/// Adds what a handler left out: pages for one reader are kept by nobody, and held to the policy.
pub(super) fn dress(headers: &mut HeaderMap) {
    let defaults = ALWAYS.into_iter().chain([(header::CONTENT_SECURITY_POLICY, PAGE_CSP), (header::CACHE_CONTROL, "no-store")]);
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
