//! What an address leads to: a feed, or a page and the feeds it names.

use url::Url;

use super::{PageError, bounds, charset, meta};

/// Feeds taken from one page: some name one for each of their tags.
const FEEDS_MAX: usize = 50;
/// Where feeds live on sites that do not name them, most usual first.
const WELL_KNOWN: [&str; 8] = ["/feed", "/rss.xml", "/atom.xml", "/feed.xml", "/index.xml", "/feed.json", "/rss", "/feeds/posts/default"];
/// How much of a document is looked at to tell a feed from a page.
const SNIFF_BYTES_MAX: usize = 4096;

/// The kind of feed that a page says it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedKind {
    /// RSS, of any version.
    Rss,
    /// Atom.
    Atom,
    /// JSON Feed.
    Json,
    /// A well-known place: only asking tells.
    Unknown,
}

/// A feed that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFeed {
    /// Where it is.
    pub url: Url,
    /// What it is said to be.
    pub kind: FeedKind,
    /// What the page calls it.
    pub title: Option<String>,
}

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A feed.
    Feed,
    /// A page.
    Page,
}

/// The feeds of a page, best first: those it names (comment feeds last), then well-known places worth asking.
pub fn discover(html: &[u8], base: &Url) -> Result<Vec<FoundFeed>, PageError> {
    if html.len() > super::INPUT_BYTES_MAX {
        return Err(PageError::TooLarge);
    }
    let text = charset::decode(html, None, super::top_level_domain(Some(base)));
    let doc = bounds::page(&text)?;
    let base = meta::base_of(&doc, Some(base)).unwrap_or_else(|| base.clone());
    let mut found: Vec<FoundFeed> = Vec::new();
    for link in doc.select("link[href][rel], a[href][type]").nodes() {
        if found.len() == FEEDS_MAX {
            break;
        }
        let related = link.attr("rel").is_some_and(|rel| {
            rel.split_ascii_whitespace().any(|it| it.eq_ignore_ascii_case("alternate") || it.eq_ignore_ascii_case("feed"))
        });
        let Some(kind) = link.attr("type").and_then(|it| kind_of_type(&it)).filter(|_| related || link.has_name("a")) else { continue };
        let Some(url) = link.attr("href").and_then(|href| base.join(href.trim()).ok()) else { continue };
        let known = found.iter().any(|feed| feed.url == url);
        if matches!(url.scheme(), "http" | "https") && !known {
            let title = link.attr("title").map(|title| title.trim().to_owned()).filter(|title| !title.is_empty());
            found.push(FoundFeed { url, kind, title });
        }
    }
    found.sort_by_key(is_of_comments);
    if found.is_empty() {
        found = WELL_KNOWN
            .iter()
            .filter_map(|path| base.join(path).ok())
            .map(|url| FoundFeed { url, kind: FeedKind::Unknown, title: None })
            .collect();
    }
    Ok(found)
}

fn is_of_comments(feed: &FoundFeed) -> bool {
    let title = feed.title.as_deref().unwrap_or_default().to_lowercase();
    ["comment", "kommentar", "commentaire", "comentario"].iter().any(|word| title.contains(word) || feed.url.path().contains(word))
}

fn kind_of_type(value: &str) -> Option<FeedKind> {
    match value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/rss+xml" | "application/rdf+xml" | "text/rss+xml" | "application/x-rss+xml" | "application/rss" => Some(FeedKind::Rss),
        "application/atom+xml" | "application/x.atom+xml" => Some(FeedKind::Atom),
        "application/feed+json" => Some(FeedKind::Json),
        _ => None,
    }
}

/// Tells a feed from a page. What the document begins with counts for more than its header: feeds served as `text/html` are common.
pub fn looks_like(bytes: &[u8], content_type: Option<&str>) -> Kind {
    let head = &bytes[..bytes.len().min(SNIFF_BYTES_MAX)];
    let text = charset::decode(head, content_type, None);
    let trimmed = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\0');
    if trimmed.starts_with('{') {
        let is_feed = text.contains("jsonfeed.org/version") || text.contains("\"items\"");
        return if is_feed || says_feed(content_type) { Kind::Feed } else { Kind::Page };
    }
    match first_element(trimmed) {
        Some(name) if ["rss", "feed", "rdf", "channel"].iter().any(|it| local(name).eq_ignore_ascii_case(it)) => Kind::Feed,
        Some(name) if ["html", "head", "body", "div", "p", "script"].iter().any(|it| local(name).eq_ignore_ascii_case(it)) => Kind::Page,
        _ if says_feed(content_type) => Kind::Feed,
        _ => Kind::Page,
    }
}

fn says_feed(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|value| kind_of_type(value).is_some())
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// The name of the first element, behind declarations and comments.
fn first_element(mut text: &str) -> Option<&str> {
    loop {
        let at = text.find('<')?;
        text = &text[at + 1..];
        if let Some(comment) = text.strip_prefix("!--") {
            text = &comment[comment.find("-->")? + 3..];
        } else if text.starts_with(['!', '?']) {
            text = &text[text.find('>')? + 1..];
        } else {
            let end = text.find(|c: char| c.is_whitespace() || c == '>' || c == '/').unwrap_or(text.len());
            return Some(&text[..end]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds_a_page_names_are_found_and_comment_feeds_come_last() {
        let html = br#"<base href="/b/"><link rel="alternate" type="application/rss+xml" title="Comments" href="/comments/feed">
            <link rel="ALTERNATE home" type="application/atom+xml; charset=utf-8" title=" Posts " href="atom"><link rel=alternate type=application/feed+json href=j>
            <link rel=alternate hreflang=de type=text/html href=/de><link rel=stylesheet type=application/rss+xml href=x>
            <link rel=alternate type=application/rss+xml href="javascript:x">"#;
        let found = discover(html, &Url::parse("https://example.com/a").expect("a base")).expect("within bounds");
        let urls: Vec<_> = found.iter().map(|feed| feed.url.as_str()).collect();
        assert_eq!(urls, ["https://example.com/b/atom", "https://example.com/b/j", "https://example.com/comments/feed"]);
        assert_eq!((found[0].kind, found[0].title.as_deref()), (FeedKind::Atom, Some("Posts")));
    }

    #[test]
    fn a_page_that_names_none_has_places_worth_asking() {
        let found = discover(b"<p>x", &Url::parse("https://example.com/a/b").expect("a base")).expect("within bounds");
        assert_eq!(found[0].url.as_str(), "https://example.com/feed");
        assert!(found.iter().all(|feed| feed.kind == FeedKind::Unknown));
    }

    #[test]
    fn documents_are_told_by_what_they_begin_with() {
        for feed in [
            "<?xml version='1.0'?><!-- x --><rss>",
            " \n<rdf:RDF xmlns='x'>",
            "<feed>",
            "{\"version\":\"https://jsonfeed.org/version/1.1\"",
            "<!DOCTYPE rss><rss>",
        ] {
            assert_eq!(looks_like(feed.as_bytes(), Some("text/html")), Kind::Feed, "{feed}");
        }
        for page in ["<!doctype html><html>", "<?xml version='1.0'?><html>", "{\"a\":1}", "plain text", ""] {
            assert_eq!(looks_like(page.as_bytes(), Some("text/xml")), Kind::Page, "{page}");
        }
        assert_eq!(looks_like(b"<weird>", Some("application/rss+xml; charset=utf-8")), Kind::Feed);
        assert_eq!(looks_like(b"\xff\xfe<\0r\0s\0s\0>\0", None), Kind::Feed);
    }
}
