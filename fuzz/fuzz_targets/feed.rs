//! Any bytes are a feed or none: never a panic, never a hang, never more than the limits.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use postrider::import::reader::{MAX_ENTRIES, MAX_PER_ENTRY, read};
use url::Url;

static BASE: LazyLock<Option<Url>> = LazyLock::new(|| Url::parse("https://example.org/feed.xml").ok());
const TYPES: [Option<&str>; 5] =
    [None, Some("application/rss+xml"), Some("text/xml; charset=windows-1252"), Some("application/json"), Some("text/xml; charset=utf-16")];

fuzz_target!(|data: &[u8]| {
    // The first byte chooses what the server says it is.
    let Some((choice, document)) = data.split_first() else { return };
    let content_type = TYPES[usize::from(*choice) % TYPES.len()];
    if let Ok(feed) = read(document, content_type, BASE.as_ref()) {
        assert!(feed.entries.len() <= MAX_ENTRIES);
        for entry in &feed.entries {
            assert!(
                entry.authors.len() <= MAX_PER_ENTRY && entry.categories.len() <= MAX_PER_ENTRY && entry.enclosures.len() <= MAX_PER_ENTRY
            );
        }
    }
});
