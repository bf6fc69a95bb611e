//! The pages an Article stands for, as keys that are the same for every way to write their addresses.

use sha2::{Digest as _, Sha256};
use url::Url;

use crate::model::{Article, page_key};

/// Longer keys are kept as their hash: an index takes no text of any length.
const KEY_BYTES_MAX: usize = 400;

/// The keys of its address and of the address it prefers. None of a home page, its Source's or any other: that is no Article's own.
pub(super) fn pages(article: &Article) -> Vec<String> {
    let home = article.origin.as_ref().and_then(|origin| web(&origin.url)).map(|url| page_key(&url));
    let urls = [Some(article.url.as_str()), article.canonical_url.as_deref()];
    let mut keys: Vec<String> = Vec::new();
    for url in urls.into_iter().flatten().filter_map(web) {
        let key = page_key(&url);
        if !key.contains(['/', '?']) || home.as_ref() == Some(&key) {
            continue;
        }
        let key = if key.len() > KEY_BYTES_MAX { hashed(&key) } else { key };
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

fn web(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

fn hashed(key: &str) -> String {
    let digits: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}
