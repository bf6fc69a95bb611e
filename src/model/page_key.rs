//! What makes two web addresses one page: they are compared without what differs between ways to write or share them.

use url::Url;

/// Parameters that tell where a click came from and not what is shown.
const TRACKERS: [&str; 14] = [
    "fbclid", "gclid", "dclid", "msclkid", "mc_cid", "mc_eid", "igshid", "yclid", "ref_src", "_hsenc", "_hsmi", "mkt_tok", "vero_id",
    "wickedid",
];

/// Host without www and port, path without a last slash, query without trackers and in order; no scheme, no fragment.
/// `https://www.example.org/a/?utm_source=x&b=1#top` is `example.org/a?b=1`.
pub fn page_key(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default().to_lowercase();
    let host = host.strip_prefix("www.").unwrap_or(&host);
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path = url.path().trim_end_matches('/');
    let is_tracker = |name: &str| name.starts_with("utm_") || TRACKERS.contains(&name);
    let mut query: Vec<String> =
        url.query_pairs().filter(|(name, _)| !is_tracker(name)).map(|(name, value)| format!("{name}={value}")).collect();
    query.sort_unstable();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    format!("{host}{port}{path}{query}")
}
