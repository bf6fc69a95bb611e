//! A feed with fewer entries: only those a reader does not have yet (RFC 3229, `A-IM: feed`).
//!
//! It is cut from the finished document, so that what is left is byte for byte what everybody else reads.

use std::collections::HashSet;
use std::ops::Range;

use sha2::{Digest as _, Sha256};

use crate::model::feed::FeedFormat;

/// What tells one entry, with all its content, from any other.
pub type Fingerprint = [u8; 16];

/// The fingerprints of the entries of a document of ours.
pub fn entries(format: FeedFormat, document: &[u8]) -> Vec<Fingerprint> {
    match format {
        FeedFormat::Rss | FeedFormat::Atom => spans(format, document).into_iter().map(|span| fingerprint(&document[span])).collect(),
        FeedFormat::Json => {
            let feed = parsed(document);
            items(&feed).map(|item| fingerprint(item.to_string().as_bytes())).collect()
        }
    }
}

/// The document without the entries a reader has already.
pub fn without(format: FeedFormat, document: &[u8], known: &HashSet<Fingerprint>) -> Vec<u8> {
    if format == FeedFormat::Json {
        let mut feed = parsed(document);
        if let Some(items) = feed.get_mut("items").and_then(serde_json::Value::as_array_mut) {
            items.retain(|item| !known.contains(&fingerprint(item.to_string().as_bytes())));
        }
        return feed.to_string().into_bytes();
    }
    let mut out = Vec::new();
    let mut done = 0;
    for span in spans(format, document).into_iter().filter(|span| known.contains(&fingerprint(&document[span.clone()]))) {
        out.extend_from_slice(&document[done..span.start]);
        done = span.end;
    }
    out.extend_from_slice(&document[done..]);
    out
}

fn fingerprint(entry: &[u8]) -> Fingerprint {
    let mut print = Fingerprint::default();
    print.copy_from_slice(&Sha256::digest(entry)[..16]);
    print
}

fn parsed(document: &[u8]) -> serde_json::Value {
    serde_json::from_slice(document).unwrap_or_default()
}

fn items(feed: &serde_json::Value) -> impl Iterator<Item = &serde_json::Value> {
    feed.get("items").and_then(serde_json::Value::as_array).into_iter().flatten()
}

/// Where the entries of an XML document stand. Outside CDATA our writers escape every `<` that is not markup.
fn spans(format: FeedFormat, document: &[u8]) -> Vec<Range<usize>> {
    let (open, close): (&[u8], &[u8]) = if format == FeedFormat::Rss { (b"<item>", b"</item>") } else { (b"<entry>", b"</entry>") };
    let mut spans = Vec::new();
    let mut start = None;
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'<', &document[at..]) {
        at += found;
        let rest = &document[at..];
        if rest.starts_with(b"<![CDATA[") {
            let Some(end) = memchr::memmem::find(rest, b"]]>") else { break };
            at += end;
        } else if rest.starts_with(open) {
            start = Some(at);
        } else if rest.starts_with(close) {
            spans.extend(start.take().map(|start| start..at + close.len()));
        }
        at += 1;
    }
    spans
}
