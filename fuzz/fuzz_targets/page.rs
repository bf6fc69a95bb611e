//! Any bytes are a page or none: never a panic, never a hang, and nothing that runs comes out.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use postrider::import::pages::extract;
use url::Url;

static BASE: LazyLock<Option<Url>> = LazyLock::new(|| Url::parse("https://example.org/page").ok());

fuzz_target!(|data: &[u8]| {
    if let Ok(page) = extract(data, Some("text/html"), BASE.as_ref()) {
        let html = page.html.to_lowercase();
        for live in ["<script", "<iframe", "<object", "<embed", "<style", "<form"] {
            assert!(!html.contains(live), "{live} came through");
        }
    }
});
