//! Addresses as people type them: one a feed can be asked at, or what is wrong and what to type instead.

use url::{ParseError, Url};

/// An address that cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct WrongAddress {
    /// What is wrong with it.
    pub cause: String,
    /// What to type.
    pub hint: String,
}

/// An address a feed or a page can be fetched from. A password in it is repeated nowhere.
pub fn parse(text: &str) -> Result<Url, WrongAddress> {
    let wrong = |cause: String, hint: String| Err(WrongAddress { cause, hint });
    let text = text.trim();
    let url = match Url::parse(text) {
        Ok(url) if has_scheme(&url) => url,
        // `example.org:8080/feed` reads as one of the scheme `example.org`.
        Ok(_) | Err(ParseError::RelativeUrlWithoutBase) => return wrong("it does not begin with https://".to_owned(), in_full(text)),
        Err(error) => return wrong(error.to_string(), in_full("")),
    };
    let cause = format!("it begins with {}: in place of https:", url.scheme());
    match url.scheme() {
        "http" | "https" if url.username().is_empty() && url.password().is_none() => Ok(url),
        "http" | "https" => wrong("it contains a user or a password".to_owned(), format!("write {}", bare(&url))),
        "feed" => {
            let rest = url.as_str().trim_start_matches("feed:").trim_start_matches('/');
            let has_own = rest.starts_with("https://") || rest.starts_with("http://");
            wrong(cause, if has_own { parse(rest).map_or_else(|inner| inner.hint, |url| format!("write {url}")) } else { in_full(rest) })
        }
        "file" => {
            let path = url.path();
            wrong(cause, format!("a source stands on the web, at https://…; to look at the file: postrider sources read {path}"))
        }
        _ if url.host_str().is_some_and(|host| !host.is_empty()) => {
            wrong(cause, format!("write {}, if it stands on the web, too", bare(&url)))
        }
        _ => wrong(cause, in_full("")),
    }
}

/// Whether what stands before the colon is a scheme, and no host with a port.
fn has_scheme(url: &Url) -> bool {
    let has_port = || url.path().split('/').next().is_some_and(|port| !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()));
    !url.scheme().contains('.') && (url.has_host() || !url.cannot_be_a_base() || !has_port())
}

/// The address with https:// before it, where that makes one.
fn in_full(text: &str) -> String {
    let full = Url::parse(&format!("https://{}", text.trim_start_matches('/'))).ok();
    match full.filter(|url| url.host_str().is_some_and(|host| host.contains('.') || host == "localhost")) {
        Some(url) => format!("write {}", bare(&url)),
        None => "write it in full: https://example.org/feed.xml".to_owned(),
    }
}

/// The address on the web without a user and a password.
fn bare(url: &Url) -> String {
    let scheme = if url.scheme() == "http" { "http" } else { "https" };
    let port = url.port().filter(|_| matches!(url.scheme(), "http" | "https")).map(|port| format!(":{port}")).unwrap_or_default();
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{}{port}{}{query}", url.host_str().unwrap_or_default(), url.path())
}
