//! The guard of the pages of `dev`: only who sits at this machine sees them, and only their buttons act on its store.
//!
//! A page of another site may have a name that leads here a second later (DNS rebinding). A browser then takes us for that site and tells nothing of
//! where a request comes from; but it says the name. So these pages answer to the names of this machine alone.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Where a request comes from, as browsers tell of themselves.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Under `no-referrer` a browser would not name us as the origin of our own forms either.
const TO_US_ALONE: HeaderValue = HeaderValue::from_static("same-origin");

/// Refuses what was asked under the name of another machine, and a POST that a page of another site made the writer's browser send.
pub(super) async fn ours_alone(State(listen): State<SocketAddr>, request: Request, next: Next) -> Response {
    if !is_this_machine(&request, listen.ip()) {
        let words = format!("the pages under /dev/ answer on this machine alone: open http://localhost:{}/dev/inbox\n", listen.port());
        return (StatusCode::FORBIDDEN, words).into_response();
    }
    if request.method() == Method::POST && !is_own(request.headers()) {
        return (StatusCode::FORBIDDEN, "another site sent this request; the buttons are on the pages under /dev/\n").into_response();
    }
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::REFERRER_POLICY, TO_US_ALONE);
    response
}

/// Whether all that a request says of whom it is for names this machine.
fn is_this_machine(request: &Request, listen: IpAddr) -> bool {
    let hosts = request.headers().get_all(header::HOST);
    let mut named =
        hosts.iter().map(|host| Authority::try_from(host.as_bytes()).ok()).chain(request.uri().authority().cloned().map(Some)).peekable();
    named.peek().is_some() && named.all(|host| host.is_some_and(|host| is_here(host.host(), listen)))
}

/// Whether a host of an address is this machine. No name can lead an address elsewhere: where we listen on all of ours, each will do.
fn is_here(host: &str, listen: IpAddr) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(ip) => ip.is_loopback() || ip == listen.to_canonical() || listen.is_unspecified(),
        Err(_) => host.strip_suffix('.').unwrap_or(host).eq_ignore_ascii_case("localhost"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_listens_on_every_address_any_of_them_is_this_machine_and_no_name_is() {
        let every: [IpAddr; 2] = ["0.0.0.0", "::"].map(|ip| ip.parse().unwrap());
        let one: IpAddr = "192.0.2.7".parse().unwrap();
        for (host, on_every, on_one) in [
            ("192.0.2.7", true, true),
            ("[::ffff:192.0.2.7]", true, true),
            ("192.0.2.8", true, false),
            ("[2001:db8::7]", true, false),
            ("localhost", true, true),
            ("127.0.0.1", true, true),
            ("evil.example", false, false),
            ("192.0.2.7.evil.example", false, false),
            ("localhost.evil.example", false, false),
            ("3221225991", false, false),
            ("", false, false),
        ] {
            assert_eq!(every.map(|listen| is_here(host, listen)), [on_every; 2], "{host:?}, on every address");
            assert_eq!(is_here(host, one), on_one, "{host:?}, on one address");
        }
    }
}
