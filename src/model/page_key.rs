//! What makes two web addresses one page: they are compared without what differs between ways to write or share them.

use sha2::{Digest as _, Sha256};
use url::Url;

use super::Article;

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
    // Medium's feeds write `source=rss-…`.
    let is_tracker =
        |name: &str, value: &str| name.starts_with("utm_") || TRACKERS.contains(&name) || name == "source" && value.starts_with("rss");
    let mut query: Vec<String> =
        url.query_pairs().filter(|(name, value)| !is_tracker(name, value)).map(|(name, value)| format!("{name}={value}")).collect();
    query.sort_unstable();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    format!("{host}{port}{path}{query}")
}

/// Longer keys are kept as their hash: an index takes no text of any length.
const KEY_BYTES_MAX: usize = 400;
/// Names of places that tell how a link was made and not what it leads to.
const NO_PLACES: [&str; 6] = ["more", "top", "comments", "respond", "content", "main"];

/// The pages an Article stands for, as keys: its address and the one it prefers, each with the place on it. None of a home page, its feed's or any other:
/// that is no Article's own. A Source that is a page is its Article.
pub fn own_pages(article: &Article) -> Vec<String> {
    let home = article.origin.as_ref().filter(|origin| origin.feed.is_some()).and_then(|origin| web(&origin.url)).map(|url| page_key(&url));
    let urls = [Some(article.url.as_str()), article.canonical_url.as_deref()];
    let mut keys: Vec<String> = Vec::new();
    for url in urls.into_iter().flatten().filter_map(web) {
        let (page, place) = (page_key(&url), place(&url));
        if place.is_none() && (!page.contains(['/', '?']) || home.as_ref() == Some(&page)) {
            continue;
        }
        let key = place.map_or_else(|| page.clone(), |place| format!("{page}#{place}"));
        let key = if key.len() > KEY_BYTES_MAX { hashed(&key) } else { key };
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// The place on the page that a link leads to: lists of changes link all their entries to one page.
fn place(url: &Url) -> Option<&str> {
    let place = url.fragment().filter(|place| !place.is_empty() && !place.starts_with(":~:"))?;
    // `more-123`, `xtor=RSS-1`
    let name = place.split(['-', '=']).next().unwrap_or(place);
    (!NO_PLACES.contains(&name) && !place.contains('=')).then_some(place)
}

fn web(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

fn hashed(key: &str) -> String {
    let digits: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}
