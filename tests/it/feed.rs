//! Tests of the feed room, through its door.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, FixedOffset};
use postrider::config::{Config, OnUnknown, SendPolicy, StoreUrl, WebPolicy};
use postrider::feed::{self, Body, Site as Files};
use postrider::model::article::{Asset, Attachment, Image, MailOptions, Origin};
use postrider::model::feed::{Feed, FeedFormat, Hub};
use postrider::model::{Article, ArticleId, Library, Site, Timestamp};
use proptest::prelude::*;

const ALL: [FeedFormat; 3] = [FeedFormat::Rss, FeedFormat::Atom, FeedFormat::Json];

// ---- values made by hand ----

fn at(text: &str) -> DateTime<FixedOffset> {
    DateTime::parse_from_rfc3339(text).expect("a date of the test")
}

/// Sunday noon, after everything the tests publish.
fn now() -> Timestamp {
    Timestamp::from_datetime(&at("2026-11-22T12:00:00Z"))
}

fn feed_of(id: &str) -> Feed {
    Feed {
        id: id.to_owned(),
        title: None,
        formats: ALL.to_vec(),
        tags: Vec::new(),
        sources: Vec::new(),
        authors: Vec::new(),
        limit: 30,
        full: true,
        hub: None,
        was: Vec::new(),
    }
}

fn config_at(url: &str) -> Config {
    Config {
        file: PathBuf::from("config.toml"),
        root: PathBuf::new(),
        site: Site {
            title: "The Harbour Letter".to_owned(),
            url: url.parse().unwrap(),
            description: "News from the quay & the boats".to_owned(),
            language: "en".to_owned(),
            timezone: chrono_tz::Europe::Berlin,
            author: Some("Ann Example".to_owned()),
            postal_address: None,
            icon: Some("https://example.org/icon.png".to_owned()),
        },
        content_dir: PathBuf::from("content"),
        templates_dir: PathBuf::from("no-such-folder"),
        store: StoreUrl::Sqlite(PathBuf::from("postrider.db")),
        listen: "127.0.0.1:4000".parse().unwrap(),
        web: WebPolicy::default(),
        allow_private: Vec::new(),
        metrics: None,
        send: SendPolicy { on_unknown: OnUnknown::Resend },
        leave_at: None,
        dkim: None,
        relays: Vec::new(),
        lists: Vec::new(),
        digests: Vec::new(),
        feeds: vec![feed_of("main")],
        gone_feeds: Vec::new(),
        sources: Vec::new(),
        written: Vec::new(),
    }
}

fn config() -> Config {
    config_at("https://example.org/")
}

fn article(slug: &str, date: &str) -> Article {
    Article {
        id: ArticleId(format!("{slug}.md")),
        slug: slug.to_owned(),
        title: format!("About {slug}"),
        path: format!("/{slug}/"),
        url: format!("https://example.org/{slug}/"),
        canonical_url: None,
        origin: None,
        summary: format!("What {slug} is."),
        html: format!("<p>The text of {slug}.</p>"),
        text: format!("The text of {slug}.\n"),
        published: Some(at(date)),
        updated: None,
        expires: None,
        corrected: None,
        draft: false,
        authors: Vec::new(),
        tags: Vec::new(),
        language: None,
        image: None,
        attachments: Vec::new(),
        aliases: Vec::new(),
        assets: Vec::new(),
        mail: MailOptions::default(),
        file: PathBuf::from(format!("content/{slug}.md")),
        words: 440,
    }
}

/// `count` Articles, an hour apart, the newest last: `a0000`, `a0001` …
fn many(count: usize) -> Vec<Article> {
    let start = at("2025-01-01T09:00:00+01:00");
    let one = |i: usize| {
        let mut article = article(&format!("a{i:04}"), "2025-01-01T09:00:00+01:00");
        article.published = Some(start + chrono::Duration::hours(i as i64));
        article
    };
    (0..count).map(one).collect()
}

/// Three Articles with everything an Article can have.
fn rich() -> Vec<Article> {
    let mut first = article("tides", "2026-11-01T08:30:00+01:00");
    first.title = "Tides & <time>".to_owned();
    first.html = "<p>See <a href=\"https://example.org/quay/\">the quay</a> and <a href=\"#fn-1\">a note</a>.</p>\
                  <pre style=\"background-color:#ffffff;\"><code><span style=\"color:#323232;position:fixed\">let x = 1;</span></code></pre>\
                  <p><img src=\"chart.png\" alt=\"Chart\" onerror=\"x()\"></p><script>alert(1)</script>"
        .to_owned();
    first.updated = Some(at("2026-11-03T10:00:00+01:00"));
    first.authors = vec!["Ann Example <ann@example.org>".to_owned(), "Bo Example".to_owned()];
    first.tags = vec!["Sea".to_owned(), "R&D".to_owned()];
    first.image = Some(Image {
        url: "https://example.org/tides/chart.png".to_owned(),
        alt: "Chart".to_owned(),
        width: None,
        height: None,
        media_type: Some("image/png".to_owned()),
        length_bytes: Some(1234),
    });
    first.aliases = vec!["/old/tides.html".to_owned(), "/2019/tides/".to_owned(), "/../../etc/passwd".to_owned()];
    let mut second = article("quay", "2026-11-10T09:00:00+05:45");
    second.language = Some("ar".to_owned());
    second.tags = vec!["sea".to_owned(), "日本語".to_owned()];
    let mut third = article("boats", "2026-11-12T07:00:00Z");
    third.id = ArticleId("boats:https://boats.example.com/?p=7".to_owned());
    third.path = String::new();
    third.url = "https://boats.example.com/seven".to_owned();
    third.origin = Some(Origin {
        source: "boats".to_owned(),
        title: "Boats & Co".to_owned(),
        url: "https://boats.example.com/".to_owned(),
        feed: Some("https://boats.example.com/feed".to_owned()),
        also: Vec::new(),
        seen_at: None,
        number: 0,
    });
    let attachment = |name: &str, media_type: Option<&str>, length_bytes| Attachment {
        url: format!("https://boats.example.com/{name}"),
        media_type: media_type.map(str::to_owned),
        length_bytes,
    };
    third.attachments =
        vec![attachment("notes.pdf", Some("application/pdf"), None), attachment("seven.mp3", Some("audio"), Some(4_000_000))];
    vec![first, second, third]
}

fn publish(config: &Config, articles: Vec<Article>) -> Files {
    feed::publish(config, &Library::new(articles), now()).expect("the articles can be published")
}

fn text<'a>(site: &'a Files, path: &str) -> &'a str {
    match &site.get(path).unwrap_or_else(|| panic!("{path} is published; there are {:?}", site.keys().collect::<Vec<_>>())).body {
        Body::Bytes(bytes) => std::str::from_utf8(bytes).expect("UTF-8"),
        Body::File(file) => panic!("{path} is copied from {}", file.display()),
    }
}

// ---- strict readers: what the W3C validator, and the crates' own parsers, must say ----

/// Tag names, attributes and texts of a document, in order. Panics where XML is not well-formed.
#[derive(Debug, PartialEq)]
enum Xml {
    Open(String, BTreeMap<String, String>),
    Close(String),
    Text(String),
}

fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(i) = rest.find('&') {
        out.push_str(&rest[..i]);
        let end = rest[i..].find(';').map(|end| i + end).unwrap_or_else(|| panic!("a bare & in {text:?}"));
        let c = match &rest[i + 1..end] {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let code = match number.strip_prefix("#x") {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.trim_start_matches('#').parse(),
                };
                let c = code.ok().and_then(char::from_u32).unwrap_or_else(|| panic!("unknown entity &{number};"));
                assert!(is_xml_char(c), "&{number}; is no XML character");
                c
            }
        };
        out.push(c);
        rest = &rest[end + 1..];
    }
    out + rest
}

fn parse_xml(document: &str) -> Vec<Xml> {
    assert!(document.chars().all(is_xml_char), "a character XML does not allow");
    let mut rest = document.strip_prefix("<?xml version=\"1.0\" encoding=\"utf-8\"?>").expect("an XML declaration");
    let (mut events, mut open) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        if let Some(data) = rest.strip_prefix("<![CDATA[") {
            let end = data.find("]]>").expect("CDATA ends");
            events.push(Xml::Text(data[..end].to_owned()));
            rest = &data[end + 3..];
        } else if let Some(tag) = rest.strip_prefix("</") {
            let end = tag.find('>').expect("a tag ends");
            assert_eq!(open.pop().as_deref(), Some(&tag[..end]), "tags nest");
            events.push(Xml::Close(tag[..end].to_owned()));
            rest = &tag[end + 1..];
        } else if let Some(tag) = rest.strip_prefix('<') {
            let end = tag.find('>').expect("a tag ends");
            let (inner, empty) = tag[..end].strip_suffix('/').map_or((&tag[..end], false), |inner| (inner, true));
            let name = inner.split_whitespace().next().expect("a tag has a name").to_owned();
            events.push(Xml::Open(name.clone(), attributes(&inner[name.len()..])));
            if empty {
                events.push(Xml::Close(name))
            } else {
                open.push(name)
            }
            rest = &tag[end + 1..];
        } else {
            let end = rest.find('<').unwrap_or(rest.len());
            assert!(!rest[..end].contains("]]>"), "]]> in text");
            events.push(Xml::Text(unescape(&rest[..end])));
            rest = &rest[end..];
        }
    }
    assert!(open.is_empty(), "every tag is closed");
    events
}

fn attributes(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("an attribute in {text:?}"));
        let (value, after) = after.split_once('"').expect("an attribute ends");
        assert!(!value.contains('<'), "a < in an attribute");
        assert!(found.insert(name.trim().to_owned(), unescape(value)).is_none(), "attribute {name} twice");
        rest = after.trim_start();
    }
    found
}

/// Elements as (path, attributes, text), with the texts of children left out.
type Element = (String, BTreeMap<String, String>, String);

fn elements(document: &str) -> Vec<Element> {
    let mut stack: Vec<Element> = Vec::new();
    let mut all = Vec::new();
    for event in parse_xml(document) {
        match event {
            Xml::Open(name, attributes) => {
                let path = stack.last().map_or(name.clone(), |(path, ..)| format!("{path}/{name}"));
                stack.push((path, attributes, String::new()));
            }
            Xml::Text(text) => {
                if let Some((.., all)) = stack.last_mut() {
                    all.push_str(&text);
                }
            }
            Xml::Close(_) => all.push(stack.pop().unwrap()),
        }
    }
    all
}

fn texts<'a>(all: &'a [Element], path: &str) -> Vec<&'a str> {
    all.iter().filter(|(at, ..)| at == path).map(|(.., text)| text.as_str()).collect()
}

fn is_absolute(url: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b";/?:@&=+$.-_!~*'()%,#".contains(&b);
    url.bytes().all(fits)
        && url::Url::parse(url).is_ok_and(|url| url.scheme() != "tag" || !url.cannot_be_a_base() || url.path().contains(':'))
}

fn check_rss(document: &str, own: &str) {
    let all = elements(document);
    let one = |path: &str| {
        let found = texts(&all, path);
        assert_eq!(found.len(), 1, "{path} is there once in {own}");
        found[0].to_owned()
    };
    for path in ["rss/channel/title", "rss/channel/link", "rss/channel/description", "rss/channel/language", "rss/channel/docs"] {
        assert!(!one(path).is_empty(), "{path} is not empty");
    }
    assert!(one("rss/channel/ttl").parse::<u32>().unwrap() > 0);
    let selves: Vec<&Element> =
        all.iter().filter(|(path, attributes, _)| path == "rss/channel/atom:link" && attributes["rel"] == "self").collect();
    assert_eq!(selves.len(), 1, "one atom:link rel=self");
    assert_eq!(selves[0].1["href"], own, "rel=self is the feed's own address");
    assert_eq!(selves[0].1["type"], "application/rss+xml");
    if let Some(title) = texts(&all, "rss/channel/image/title").first() {
        assert_eq!(*title, one("rss/channel/title"), "the image repeats the title");
        assert_eq!(one("rss/channel/image/link"), one("rss/channel/link"), "the image repeats the link");
    }
    let items = all.iter().filter(|(path, ..)| path == "rss/channel/item").count();
    let last_meta = all.iter().rposition(|(path, ..)| path == "rss/channel/atom:link").unwrap();
    let first_item = all.iter().position(|(path, ..)| path == "rss/channel/item/title").unwrap_or(usize::MAX);
    assert!(last_meta < first_item, "channel elements come before items");
    for path in ["title", "link", "description", "guid"] {
        let found = texts(&all, &format!("rss/channel/item/{path}"));
        assert_eq!(found.len(), items, "every item has a {path}");
        assert!(found.iter().all(|text| !text.trim().is_empty()), "no {path} is empty");
    }
    assert!(texts(&all, "rss/channel/item/author").is_empty(), "names go into dc:creator, author is for addresses");
    let guids = texts(&all, "rss/channel/item/guid");
    assert_eq!(guids.iter().collect::<BTreeSet<_>>().len(), guids.len(), "no guid twice");
    for (path, attributes, text) in &all {
        match path.rsplit('/').next().unwrap() {
            "pubDate" | "lastBuildDate" => check_rfc822(text),
            "link" | "url" => assert!(is_absolute(text), "{path} {text:?} is absolute"),
            "guid" => assert!(
                attributes.get("isPermaLink").is_some_and(|is| is == "false") || text.starts_with("http"),
                "a permalink can be opened: {text}"
            ),
            "atom:link" => assert!(is_absolute(&attributes["href"]), "{path} is absolute"),
            "enclosure" => {
                assert!(attributes["length"].parse::<u64>().is_ok() && attributes["type"].contains('/') && is_absolute(&attributes["url"]));
            }
            "encoded" | "content:encoded" => check_html(text),
            "atom:updated" => check_rfc3339(text),
            _ => {}
        }
    }
}

/// `Sun, 01 Nov 2026 08:30:00 +0100`, the weekday right, a zone of whole or half hours.
fn check_rfc822(text: &str) {
    let parsed = DateTime::parse_from_str(text, "%a, %d %b %Y %H:%M:%S %z").unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(parsed.offset().local_minus_utc() % 1800, 0, "{text}: the validator knows no such zone");
}

fn check_rfc3339(text: &str) {
    assert!(at(text) >= at("1970-01-01T00:00:00Z"), "{text}");
}

/// No relative address, no script, in content.
fn check_html(html: &str) {
    for bad in ["<script", "<style", "<iframe", "javascript:", " onerror", " onclick", "position:"] {
        assert!(!html.contains(bad), "{bad} in {html}");
    }
    for name in ["href=\"", "src=\""] {
        for value in html.split(name).skip(1) {
            let value = value.split('"').next().unwrap();
            assert!(url::Url::parse(value).is_ok(), "{name}{value} is relative");
        }
    }
}

fn check_atom(document: &str, own: &str) {
    let all = elements(document);
    for path in ["feed/title", "feed/id", "feed/updated"] {
        assert_eq!(texts(&all, path).len(), 1, "{path} is there once");
    }
    let links: Vec<&BTreeMap<String, String>> =
        all.iter().filter(|(path, ..)| path == "feed/link").map(|(_, attributes, _)| attributes).collect();
    let selves: Vec<&str> = links.iter().filter(|link| link["rel"] == "self").map(|link| link["href"].as_str()).collect();
    assert_eq!(selves, [own], "rel=self is the feed's own address");
    let entries = all.iter().filter(|(path, ..)| path == "feed/entry").count();
    for path in ["title", "id", "updated"] {
        assert_eq!(texts(&all, &format!("feed/entry/{path}")).len(), entries, "every entry has a {path}");
    }
    let ids = texts(&all, "feed/entry/id");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "no id twice");
    assert!(ids.iter().all(|id| is_absolute(id)), "every id is an address: {ids:?}");
    assert!(!texts(&all, "feed/author/name").is_empty(), "the feed has an author");
    for (path, attributes, text) in &all {
        match path.rsplit('/').next().unwrap() {
            "updated" | "published" => assert!(at(text) >= at("1990-01-01T00:00:00Z"), "{text} is plausible"),
            "name" | "title" => assert!(!text.trim().is_empty(), "{path} is not empty"),
            "link" => assert!(is_absolute(&attributes["href"]), "{path} is absolute"),
            "content" => {
                assert_eq!(attributes["type"], "html");
                check_html(text);
            }
            _ => {}
        }
        let plain = attributes.get("type").is_none_or(|kind| kind == "text")
            && ["feed/title", "feed/entry/title", "feed/entry/summary"].contains(&path.as_str());
        assert!(!plain || !text.contains(['<', '&']), "{path} could be taken for markup: {text:?}");
    }
}

fn check_json(document: &str, own: &str) {
    let feed: serde_json::Value = serde_json::from_str(document).unwrap();
    assert_eq!(feed["version"], "https://jsonfeed.org/version/1.1");
    assert_eq!(feed["feed_url"], own);
    let mut ids = BTreeSet::new();
    for item in feed["items"].as_array().expect("items") {
        assert!(ids.insert(item["id"].as_str().expect("an id is text").to_owned()), "no id twice");
        assert!(item["content_html"].is_string() || item["content_text"].is_string(), "an item has content");
        assert!(is_absolute(item["url"].as_str().unwrap()));
        item["date_published"].as_str().into_iter().for_each(check_rfc3339);
    }
}

/// Every feed of the site against the strict readers, feed-rs, and the reading side of the crates. How many there were.
fn check_feeds(site: &Files, base: &str) -> usize {
    let mut count = 0;
    for path in site.keys() {
        let own: String = format!("{base}{}", path.split('/').map(percent).collect::<Vec<_>>().join("/"));
        let entries = if path.ends_with("rss.xml") {
            check_rss(text(site, path), &own);
            text(site, path).parse::<rss::Channel>().unwrap_or_else(|error| panic!("{path}: {error}")).items.len()
        } else if path.ends_with("atom.xml") {
            check_atom(text(site, path), &own);
            text(site, path).parse::<atom_syndication::Feed>().unwrap_or_else(|error| panic!("{path}: {error}")).entries.len()
        } else if path.ends_with("feed.json") {
            check_json(text(site, path), &own);
            serde_json::from_str::<serde_json::Value>(text(site, path)).unwrap()["items"].as_array().unwrap().len()
        } else {
            continue;
        };
        let read = feed_rs::parser::parse(text(site, path).as_bytes()).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(read.entries.len(), entries, "feed-rs reads every entry of {path}");
        count += 1;
    }
    count
}

fn percent(part: &str) -> String {
    part.bytes()
        .map(|b| if b.is_ascii_alphanumeric() || b"-._~".contains(&b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

// ---- feeds ----

#[test]
fn every_feed_is_valid_and_has_every_entry() {
    let mut config = config();
    config.feeds[0].hub = Some(Hub::At("https://hub.example.org/".to_owned()));
    let site = publish(&config, rich());
    // main twice, tags Sea, R&D and 日本語, authors Ann, Bo and the foreign feed: each in three formats.
    assert_eq!(check_feeds(&site, "https://example.org/"), 3 * (2 + 3 + 3));
    let feed = feed_rs::parser::parse(text(&site, "atom.xml").as_bytes()).unwrap();
    let titles: Vec<&str> = feed.entries.iter().map(|entry| entry.title.as_ref().unwrap().content.as_str()).collect();
    assert_eq!(titles, ["About boats", "About quay", "Tides &amp; &lt;time&gt;"], "newest first; markup in a title stays text");
    assert!(feed.links.iter().any(|link| link.rel.as_deref() == Some("hub")), "the hub is announced");
}

#[test]
fn rss_reads_as_written() {
    insta::assert_snapshot!("feed_rss", text(&publish(&config(), rich()), "rss.xml"));
}

#[test]
fn atom_reads_as_written() {
    insta::assert_snapshot!("feed_atom", text(&publish(&config(), rich()), "atom.xml"));
}

#[test]
fn json_reads_as_written() {
    // Readers get it without spaces; people read it with them.
    let feed: serde_json::Value = serde_json::from_str(text(&publish(&config(), rich()), "feed.json")).unwrap();
    insta::assert_snapshot!("feed_json", serde_json::to_string_pretty(&feed).unwrap());
}

#[test]
fn drafts_scheduled_expired_and_skipped_articles_never_leak() {
    let mut draft = article("secretdraft", "2026-11-01T00:00:00Z");
    draft.draft = true;
    let future = article("secretfuture", "2026-11-23T00:00:00Z");
    let mut expired = article("secretexpired", "2026-10-01T00:00:00Z");
    expired.expires = Some(at("2026-11-01T00:00:00Z"));
    let mut skipped = article("pageonly", "2026-11-02T00:00:00Z");
    skipped.mail.skip_feed = true;
    for hidden in [&mut draft, &mut expired, &mut skipped] {
        hidden.tags = vec!["secrettag".to_owned()];
        hidden.aliases = vec!["/secretalias/".to_owned()];
    }
    skipped.tags.clear();
    skipped.aliases.clear();
    let site = publish(&config(), vec![draft, future, expired, skipped, article("open", "2026-11-03T00:00:00Z")]);
    for (path, page) in &site {
        let Body::Bytes(bytes) = &page.body else { continue };
        let text = String::from_utf8_lossy(bytes);
        assert!(!path.contains("secret") && !text.contains("secret"), "{path} tells a secret");
        let is_feed = ["rss.xml", "atom.xml", "feed.json"].iter().any(|name| path.ends_with(name));
        assert!(!is_feed || !text.contains("pageonly"), "{path} has an article that is not for feeds");
    }
    assert!(site.contains_key("pageonly/index.html"), "an article that feeds skip still has its page");
}

#[test]
fn the_same_input_gives_the_same_bytes_whatever_the_time() {
    let library = Library::new(rich());
    let first = feed::publish(&config(), &library, now()).unwrap();
    let year_later = now().plus(std::time::Duration::from_secs(31_536_000));
    let second = feed::publish(&config(), &library, year_later).unwrap();
    assert!(first == second, "the site depends on the time of the build");
}

#[test]
fn a_library_tells_when_the_site_becomes_another_by_itself() {
    let mut announced = article("announced", "2026-12-01T06:00:00Z");
    announced.expires = Some(at("2026-12-03T06:00:00Z"));
    let mut corrected = article("corrected", "2026-11-01T00:00:00Z");
    corrected.updated = Some(at("2026-12-02T06:00:00Z"));
    let library = Library::new(vec![announced, corrected]);
    let (mut moment, mut moments, mut sites) = (now(), Vec::new(), vec![feed::publish(&config(), &library, now()).unwrap()]);
    while let Some(next) = library.next_change(moment) {
        let before = Timestamp(next.0 - 1);
        assert!(feed::publish(&config(), &library, before).unwrap() == sites[sites.len() - 1], "nothing changes before {}", next.rfc3339());
        sites.push(feed::publish(&config(), &library, next).unwrap());
        assert!(sites[sites.len() - 1] != sites[sites.len() - 2], "something changes at {}", next.rfc3339());
        moments.push(next.rfc3339());
        moment = next;
    }
    assert_eq!(moments, ["2026-12-01T06:00:00Z", "2026-12-02T06:00:00Z", "2026-12-03T06:00:00Z"]);
}

#[test]
fn an_announced_change_counts_only_once_it_has_come() {
    let mut article = article("tides", "2026-11-01T00:00:00Z");
    article.updated = Some(at("2026-12-24T00:00:00Z"));
    let library = Library::new(vec![article]);
    let updated =
        |now| feed_rs::parser::parse(text(&feed::publish(&config(), &library, now).unwrap(), "atom.xml").as_bytes()).unwrap().updated;
    assert_eq!(updated(now()).unwrap().to_rfc3339(), "2026-11-01T00:00:00+00:00");
    let after = Timestamp::from_datetime(&at("2026-12-25T00:00:00Z"));
    assert_eq!(updated(after).unwrap().to_rfc3339(), "2026-12-24T00:00:00+00:00");
}

#[test]
fn an_entry_keeps_its_id_when_its_title_changes() {
    let ids = |articles: Vec<Article>| -> Vec<String> {
        let site = publish(&config(), articles);
        feed_rs::parser::parse(text(&site, "atom.xml").as_bytes()).unwrap().entries.into_iter().map(|entry| entry.id).collect()
    };
    let mut renamed = rich();
    renamed.iter_mut().for_each(|article| article.title = "Another".to_owned());
    assert_eq!(ids(rich()), ids(renamed));
    assert_eq!(ids(rich())[0], "https://boats.example.com/?p=7", "a foreign entry keeps its own id");
}

#[test]
fn feeds_choose_by_tag_source_and_author() {
    let mut config = config();
    for (id, set) in [("sea", 0), ("own", 1), ("boats", 2), ("bo", 3)] {
        let mut feed = feed_of(id);
        match set {
            0 => feed.tags = vec!["SEA".to_owned()],
            1 => feed.sources = vec!["own".to_owned()],
            2 => feed.sources = vec!["boats".to_owned()],
            _ => feed.authors = vec!["Bo Example".to_owned()],
        }
        config.feeds.push(feed);
    }
    let site = publish(&config, rich());
    let links = |id: &str| -> Vec<String> {
        let feed: rss::Channel = text(&site, &format!("feeds/{id}/rss.xml")).parse().unwrap();
        feed.items.into_iter().map(|item| item.link.unwrap().rsplit('/').find(|part| !part.is_empty()).unwrap().to_owned()).collect()
    };
    assert_eq!(links("sea"), ["quay", "tides"]);
    assert_eq!(links("own"), ["quay", "tides"]);
    assert_eq!(links("boats"), ["seven"]);
    assert_eq!(links("bo"), ["tides"]);
}

#[test]
fn a_summary_feed_has_no_bodies() {
    let mut config = config();
    config.feeds[0].full = false;
    let site = publish(&config, rich());
    check_feeds(&site, "https://example.org/");
    for path in ["rss.xml", "atom.xml", "feed.json"] {
        assert!(!text(&site, path).contains("The text of quay"), "{path} has a body");
        assert!(text(&site, path).contains("What quay is"), "{path} has the summary");
    }
}

#[test]
fn an_article_without_date_title_or_summary_is_published_all_the_same() {
    let mut bare = article("bare", "2026-11-01T00:00:00Z");
    (bare.published, bare.title, bare.summary, bare.html) = (None, "\u{1}".to_owned(), String::new(), String::new());
    let site = publish(&config(), vec![bare]);
    check_feeds(&site, "https://example.org/");
    assert!(text(&site, "rss.xml").contains("<title>bare</title>"));
}

#[test]
fn a_site_without_articles_has_valid_feeds() {
    let site = publish(&config(), Vec::new());
    assert_eq!(check_feeds(&site, "https://example.org/"), 6);
    assert!(text(&site, "index.html").contains("Nothing is published yet"));
}

// ---- archives (RFC 5005) ----

/// Follows `prev-archive` from the current document; the ids seen, and how many documents there were.
fn walk(site: &Files, first: &str) -> (BTreeSet<String>, usize) {
    let (mut ids, mut documents, mut path) = (BTreeSet::new(), 0, first.to_owned());
    loop {
        let feed = feed_rs::parser::parse(text(site, &path).as_bytes()).unwrap();
        ids.extend(feed.entries.iter().map(|entry| entry.id.clone()));
        documents += 1;
        assert!(documents < 100, "the archives lead in a circle");
        let all = elements(text(site, &path));
        let older = all.iter().find(|(_, attributes, _)| attributes.get("rel").is_some_and(|rel| rel == "prev-archive"));
        match older {
            Some((_, attributes, _)) => path = attributes["href"].strip_prefix("https://example.org/").unwrap().to_owned(),
            None => return (ids, documents),
        }
    }
}

#[test]
fn archives_hold_what_the_window_does_not() {
    let site = publish(&config(), many(200));
    check_feeds(&site, "https://example.org/");
    for first in ["atom.xml", "rss.xml", "feeds/main/atom.xml"] {
        let (ids, documents) = walk(&site, first);
        assert_eq!(ids.len(), 200, "every article can be reached from {first}");
        assert_eq!(documents, 1 + 6, "170 articles beyond the window in archives of 30");
    }
    let current = text(&site, "atom.xml").parse::<atom_syndication::Feed>().unwrap();
    assert_eq!(current.entries.len(), 30, "the window has `limit` entries");
    for number in 1..=6 {
        for name in ["atom.xml", "rss.xml"] {
            let archive = text(&site, &format!("feeds/main/archive/{number}/{name}"));
            assert!(archive.contains("fh:archive") && archive.contains("\"current\""), "an archive says so and where the feed is");
        }
    }
    let mut next = serde_json::from_str::<serde_json::Value>(text(&site, "feed.json")).unwrap();
    let mut items = 0;
    while let Some(url) = next["next_url"].as_str().map(str::to_owned) {
        next = serde_json::from_str(text(&site, url.strip_prefix("https://example.org/").unwrap())).unwrap();
        items += next["items"].as_array().unwrap().len();
    }
    assert_eq!(items, 180, "JSON Feed leads to the same archives");
}

#[test]
fn archive_documents_never_change_once_written() {
    let archives =
        |count: usize| -> Files { publish(&config(), many(count)).into_iter().filter(|(path, _)| path.contains("/archive/")).collect() };
    let mut before = archives(31);
    assert!(!before.is_empty(), "one article beyond the window makes an archive");
    for count in [32, 60, 61, 95] {
        let after = archives(count);
        for (path, page) in &before {
            assert!(after.get(path) == Some(page), "{path} changed when {count} articles were there");
        }
        before = after;
    }
}

#[test]
fn archive_documents_stay_under_half_a_megabyte() {
    let mut articles = many(90);
    articles.iter_mut().for_each(|article| article.html = "<p>\"a\" &amp; 'b' &lt;c&gt;</p>".repeat(1000));
    let site = publish(&config(), articles);
    for (path, page) in site.iter().filter(|(path, _)| path.contains("/archive/")) {
        let Body::Bytes(bytes) = &page.body else { unreachable!() };
        assert!(bytes.len() <= 512 * 1024, "{path} has {} bytes", bytes.len());
    }
    assert_eq!(walk(&site, "atom.xml").0.len(), 90);
}

// ---- many sources in one feed ----

/// An entry that was imported; `id` is what its source calls it.
fn imported(source: &str, id: &str, name: &str) -> Article {
    let home = format!("https://{source}.example.com/");
    let mut article = article(name, "2026-11-05T07:00:00Z");
    article.id = ArticleId(format!("{source}:{id}"));
    article.path = String::new();
    article.url = format!("{home}{name}");
    article.origin = Some(Origin {
        source: source.to_owned(),
        title: format!("The {source} & Co"),
        url: home,
        feed: None,
        also: Vec::new(),
        seen_at: None,
        number: 0,
    });
    article
}

/// Three sources, each with another kind of id, and one of our own.
fn combined() -> Vec<Article> {
    vec![
        imported("boats", "https://boats.example.com/?p=7", "seven"),
        imported("ropes", "12", "twelve"),
        imported("lamps", "urn:uuid:60a76c80-d399-11d9-b93c-0003939e0af6", "lit"),
        article("tides", "2026-11-06T07:00:00Z"),
    ]
}

/// What the three formats say of the entry with this title: its guid, source and address.
fn said_of(site: &Files, title: &str) -> [(String, Option<String>, String); 3] {
    let rss = rss::Channel::read_from(text(site, "rss.xml").as_bytes()).expect("RSS");
    let item = rss.items().iter().find(|item| item.title() == Some(title)).unwrap_or_else(|| panic!("no {title:?} in RSS"));
    let source = item.source().map(|source| format!("{} {}", source.title().unwrap_or_default(), source.url()));
    let of_rss = (item.guid().expect("a guid").value().to_owned(), source, item.link().unwrap_or_default().to_owned());
    let atom = atom_syndication::Feed::read_from(text(site, "atom.xml").as_bytes()).expect("Atom");
    let entry = atom.entries().iter().find(|entry| entry.title().as_str() == title).unwrap_or_else(|| panic!("no {title:?} in Atom"));
    let source = entry.source().map(|source| format!("{} {}", source.title().as_str().replace("&amp;", "&"), source.links()[0].href()));
    let of_atom = (entry.id().to_owned(), source, entry.links()[0].href().to_owned());
    let json: serde_json::Value = serde_json::from_str(text(site, "feed.json")).expect("JSON");
    let item =
        json["items"].as_array().unwrap().iter().find(|item| item["title"] == title).unwrap_or_else(|| panic!("no {title:?} in JSON"));
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let (key, source) = item.as_object().unwrap().iter().find(|(key, _)| key.contains("source")).unzip();
    assert_eq!(source.is_some(), item.get("external_url").is_some(), "what is foreign says where it is: {key:?}");
    let source = source.map(|source| format!("{} {}", word(&source["title"]), word(&source["url"])));
    let address = item.get("external_url").unwrap_or(&item["url"]);
    [of_rss, of_atom, (word(&item["id"]), source, word(address))]
}

#[test]
fn a_combined_feed_says_of_every_entry_whose_it_is_and_where() {
    let site = publish(&config(), combined());
    for (name, id, home) in [
        ("seven", "https://boats.example.com/?p=7", "boats"),
        ("twelve", "tag:example.org,2026:ropes%3A12", "ropes"),
        ("lit", "urn:uuid:60a76c80-d399-11d9-b93c-0003939e0af6", "lamps"),
    ] {
        let source = Some(format!("The {home} & Co https://{home}.example.com/"));
        let expected = (id.to_owned(), source, format!("https://{home}.example.com/{name}"));
        assert_eq!(said_of(&site, &format!("About {name}")), [expected.clone(), expected.clone(), expected]);
    }
    let own = ("https://example.org/tides/".to_owned(), None, "https://example.org/tides/".to_owned());
    assert_eq!(said_of(&site, "About tides"), [own.clone(), own.clone(), own]);
}

#[test]
fn an_entry_keeps_its_guid_whatever_its_source_changes() {
    let before = publish(&config(), combined());
    let mut articles = combined();
    for article in articles.iter_mut().filter(|article| article.origin.is_some()) {
        article.title = format!("{}, edited", article.title);
        article.html = "<p>Other words.</p>".to_owned();
        article.summary = "Other words.".to_owned();
        article.url = article.url.replace("https://", "http://");
        article.tags = vec!["new".to_owned()];
        article.authors = vec!["Somebody Else".to_owned()];
        article.published = Some(at("2026-11-04T07:00:00Z"));
        article.updated = Some(at("2026-11-09T07:00:00Z"));
        article.origin.as_mut().unwrap().title = "Another name".to_owned();
    }
    let after = publish(&config(), articles);
    for name in ["seven", "twelve", "lit"] {
        let (old, new) = (said_of(&before, &format!("About {name}")), said_of(&after, &format!("About {name}, edited")));
        assert_eq!(old.map(|(guid, ..)| guid), new.map(|(guid, ..)| guid));
    }
}

#[test]
fn a_feed_of_some_sources_has_those_alone() {
    let titles = |sources: &[&str]| {
        let mut config = config();
        config.feeds[0].sources = sources.iter().map(|source| (*source).to_owned()).collect();
        let site = publish(&config, combined());
        let rss = rss::Channel::read_from(text(&site, "rss.xml").as_bytes()).expect("RSS");
        rss.items().iter().map(|item| item.title().unwrap_or_default().replace("About ", "")).collect::<Vec<_>>()
    };
    assert_eq!(titles(&["own"]), ["tides"]);
    assert_eq!(titles(&["ropes", "lamps"]), ["lit", "twelve"]);
    assert_eq!(titles(&["boats", "own"]), ["tides", "seven"]);
    assert_eq!(titles(&[]).len(), 4);
}

// ---- pages ----

#[test]
fn links_among_pages_work_under_any_prefix() {
    for base in ["https://example.org/", "https://example.org/letter/"] {
        let mut articles = rich();
        articles.extend(many(120));
        for article in articles.iter_mut().filter(|article| article.origin.is_none()) {
            article.url = format!("{base}{}", article.path.trim_start_matches('/'));
            article.html = article.html.replace("https://example.org/", base);
        }
        articles[0].assets = vec![Asset { file: PathBuf::from("chart.png"), path: "/tides/chart.png".to_owned() }];
        articles[0].html = articles[0].html.replace("chart.png", &format!("{base}tides/chart.png"));
        let site = publish(&config_at(base), articles);
        let mut links = 0;
        for path in site.keys().filter(|path| path.ends_with(".html")) {
            for target in local_links(text(&site, path)) {
                let file = resolve(path, &target);
                assert!(site.contains_key(&file), "{path} links to {target}, which is {file}, which is not there");
                links += 1;
            }
        }
        assert!(links > 1000, "the test has seen the links");
    }
}

/// Relative addresses in `href`, `src` and a refresh.
fn local_links(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    for name in [" href=\"", " src=\"", "; url="] {
        for value in html.split(name).skip(1) {
            let value = value.split('"').next().unwrap().split('#').next().unwrap();
            if !value.is_empty() && !value.contains("://") {
                found.push(value.to_owned());
            }
        }
    }
    found
}

/// The file a browser would ask for.
fn resolve(from: &str, link: &str) -> String {
    let url = url::Url::parse(&format!("https://x.test/{from}")).unwrap().join(link).unwrap();
    let path = percent_decode(url.path().trim_start_matches('/'));
    if path.is_empty() || path.ends_with('/') { format!("{path}index.html") } else { path }
}

fn percent_decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

#[test]
fn an_article_page_reads_as_written() {
    let mut articles = rich();
    articles.iter_mut().for_each(|article| article.assets.clear());
    let site = publish(&config(), articles);
    let stylesheet = site.keys().find(|path| path.starts_with("assets/site-")).expect("a stylesheet");
    let page = text(&site, "tides/index.html").replace(stylesheet.as_str(), "assets/site-HASH.css");
    insta::assert_snapshot!("page_article", page);
}

#[test]
fn a_german_site_speaks_german() {
    let mut config = config();
    config.site.language = "de-AT".to_owned();
    let site = publish(&config, rich());
    let article = text(&site, "tides/index.html");
    for said in [
        "Zum Text springen",
        ">Artikel</a>",
        "1. November 2026",
        "2 Min.",
        "geändert am",
        "Neuer",
        "Alle Feeds",
        "aria-label=\"Weitere Artikel\"",
    ] {
        assert!(article.contains(said), "{said} is not in {article}");
    }
    assert!(text(&site, "tags/sea/index.html").contains("Schlagwort") && text(&site, "authors/bo-example/index.html").contains("Von"));
    assert!(text(&site, "feeds/index.html").contains("<title>Feeds") && text(&site, "feeds/index.html").contains("Nach Schlagwort"));
    let words = [
        "Articles",
        "Newer",
        "Older",
        "All feeds",
        "changed",
        "Tagged",
        "Skip to",
        " min<",
        "Follow",
        "By tag",
        "Copy an address",
        "November 1",
    ];
    for (path, page) in site.iter().filter(|(path, _)| path.ends_with(".html")) {
        let postrider::feed::Body::Bytes(html) = &page.body else { continue };
        let html = String::from_utf8_lossy(html);
        for english in words {
            assert!(!html.contains(english), "{path} says {english:?}: {html}");
        }
    }
}

#[test]
fn every_text_of_pages_and_mails_is_there_in_german_and_takes_the_same_values() {
    let keys = |text: &str| -> std::collections::BTreeMap<String, std::collections::BTreeSet<String>> {
        let mut found: std::collections::BTreeMap<String, std::collections::BTreeSet<String>> = Default::default();
        let mut key = String::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, _)) = line.split_once(" =").filter(|_| !line.starts_with([' ', '}'])) {
                key = name.to_owned();
                found.entry(key.clone()).or_default();
            }
            let values = line.split("{ $").skip(1).map(|rest| rest.split([' ', '}']).next().unwrap().to_owned());
            if let Some(known) = found.get_mut(&key) {
                known.extend(values);
            }
        }
        found
    };
    let english = keys(include_str!("../../templates/locales/en.ftl"));
    assert!(english.len() > 100 && english["archive-found"].contains("words"), "the texts have been read: {english:?}");
    assert_eq!(keys(include_str!("../../templates/locales/de.ftl")), english);
}

#[test]
fn pages_carry_language_direction_and_no_script() {
    let site = publish(&config(), rich());
    assert!(text(&site, "quay/index.html").contains("<html lang=\"ar\" dir=\"rtl\">"), "an Arabic article is set from right to left");
    assert!(text(&site, "index.html").contains("<html lang=\"en\" dir=\"ltr\">"));
    for path in ["index.html", "quay/index.html", "feeds/index.html", "tags/sea/index.html"] {
        assert!(!text(&site, path).contains("<script") && !text(&site, path).contains("<style"), "{path} needs a strict CSP loosened");
    }
    assert!(text(&site, "index.html").contains("rel=\"alternate\" type=\"application/rss+xml\""), "readers find the feed");
}

#[test]
fn old_paths_lead_to_the_article_and_never_out_of_the_site() {
    let site = publish(&config(), rich());
    assert!(text(&site, "old/tides.html").contains("url=../tides/"));
    assert!(text(&site, "2019/tides/index.html").contains("<link rel=\"canonical\" href=\"https://example.org/tides/\">"));
    assert!(site.keys().all(|path| !path.contains("..") && !path.starts_with('/')), "no path leads out: {:?}", site.keys());
}

#[test]
fn two_articles_at_one_path_are_a_fault() {
    let mut second = article("tides", "2026-11-02T00:00:00Z");
    second.id = ArticleId("other.md".to_owned());
    let library = Library::new(vec![article("tides", "2026-11-01T00:00:00Z"), second]);
    let faults = feed::publish(&config(), &library, now()).unwrap_err();
    assert_eq!(faults.0[0].code, "path-taken", "{faults}");
}

#[test]
fn a_summary_of_a_build_reads_well() {
    let summary = feed::summary(&config(), &Library::new(rich()), now());
    assert_eq!(summary.to_string(), "3 articles, 3 feeds");
}

// ---- any text at all ----

/// Text with everything that has broken a feed before.
fn any_text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "\0",
        "\u{1}",
        "\u{b}",
        "\u{1f}",
        "\u{7f}",
        "\u{85}",
        "\u{9f}",
        "\u{fffe}",
        "\u{ffff}",
        "\u{fffd}",
        "\u{fdd0}",
        "\u{fdd1}",
        "\u{fdef}",
        "\u{1fffe}",
        "]]>",
        "<![CDATA[",
        "&",
        "&amp;",
        "&#x0;",
        "&bogus;",
        "<",
        "</p>",
        "<b>",
        "<script>",
        "\"",
        "'",
        "\r",
        "\r\n",
        "\n",
        "\u{2028}",
        "\u{202e}",
        "שלום",
        "مرحبا",
        "🏴‍☠️",
        "👩‍👩‍👧",
        "e\u{301}",
        "\u{feff}",
        "%",
        "--",
        "<!--",
        "-->",
        "{{ x }}",
        "{% if %}",
        "..",
        "/",
    ]);
    let piece = prop_oneof![3 => special.prop_map(str::to_owned), 2 => any::<char>().prop_map(String::from), 2 => "[a-zA-Z ]{0,8}"];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn any_article() -> impl Strategy<Value = Article> {
    let texts = (any_text(), any_text(), any_text(), any_text());
    let lists = (prop::collection::vec(any_text(), 0..3), prop::collection::vec(any_text(), 0..3));
    (texts, lists, any::<bool>(), 0_i64..1_700_000_000).prop_map(|((title, summary, html, id), (authors, tags), foreign, secs)| {
        let mut article = article("slug", "2026-11-01T00:00:00Z");
        article.id = ArticleId(id.clone());
        article.published = Some(DateTime::from_timestamp(secs, 0).unwrap().fixed_offset());
        article.html = format!("<p>{html}</p><a href=\"{id}\">x</a>");
        (article.title, article.summary, article.authors, article.tags) = (title, summary, authors, tags);
        if foreign {
            article.path = String::new();
            article.origin = Some(Origin {
                source: "other".to_owned(),
                title: id.clone(),
                url: id,
                feed: None,
                also: Vec::new(),
                seen_at: None,
                number: 0,
            });
        }
        article
    })
}

/// Gives each Article a path of its own, as `content` does.
fn apart(mut articles: Vec<Article>) -> Vec<Article> {
    for (i, article) in articles.iter_mut().enumerate() {
        article.slug = format!("s{i}");
        article.id.0.push_str(&format!("/{i}"));
        article.url = format!("https://example.org/s{i}/");
        if article.origin.is_none() {
            article.path = format!("/s{i}/");
        }
    }
    articles
}

/// What the validator's plausible dates would say is not asked of random dates.
fn check_well_formed(site: &Files) {
    for (path, page) in site {
        let Body::Bytes(bytes) = &page.body else { continue };
        let text = std::str::from_utf8(bytes).expect("UTF-8");
        if path.ends_with(".xml") {
            parse_xml(text);
        }
        if path.ends_with("rss.xml") || path.ends_with("atom.xml") || path.ends_with("feed.json") {
            feed_rs::parser::parse(&bytes[..]).unwrap_or_else(|error| panic!("{path}: {error}\n{text}"));
        }
        if path.ends_with("rss.xml") {
            text.parse::<rss::Channel>().unwrap_or_else(|error| panic!("{path}: {error}"));
        } else if path.ends_with("atom.xml") {
            text.parse::<atom_syndication::Feed>().unwrap_or_else(|error| panic!("{path}: {error}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_text_gives_well_formed_feeds(articles in prop::collection::vec(any_article(), 1..6)) {
        let site = publish(&config(), apart(articles));
        check_well_formed(&site);
    }
}

/// Writes 1,000 random-Unicode articles to `POSTRIDER_FEEDS_OUT` for scripts/check_feeds.py.
#[test]
#[ignore = "writes a folder for scripts/check_feeds.py"]
fn a_thousand_articles_of_any_text() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config as Runs, TestRng, TestRunner};
    let mut runner = TestRunner::new_with_rng(Runs::default(), TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha));
    let articles = (0..1000).map(|_| any_article().new_tree(&mut runner).unwrap().current()).collect();
    let mut config = config();
    config.feeds[0].limit = 1000;
    let site = publish(&config, apart(articles));
    check_well_formed(&site);
    if let Some(out) = std::env::var_os("POSTRIDER_FEEDS_OUT") {
        feed::write(&site, Path::new(&out)).unwrap();
    }
}

/// Prints how long 10,000 articles take. Run it in release.
#[test]
#[ignore = "a measurement, for release builds"]
fn ten_thousand_articles_measured() {
    let mut articles = many(10_000);
    for (i, article) in articles.iter_mut().enumerate() {
        article.tags = vec![format!("tag{}", i % 50), format!("other{}", i % 7)];
        article.html = "<h2>A heading</h2><p>Some words of <em>text</em> with <a href=\"https://example.com/x\">a link</a> &amp; more, enough to fill a paragraph as people write them.</p><ul><li>one</li><li>two</li></ul>".repeat(10);
    }
    let library = Library::new(articles);
    let config = config();
    for _ in 0..3 {
        let start = std::time::Instant::now();
        let site = feed::publish(&config, &library, now()).unwrap();
        let bytes: usize = site.values().map(|page| if let Body::Bytes(bytes) = &page.body { bytes.len() } else { 0 }).sum();
        println!("{} files, {} MB in {:?}", site.len(), bytes / 1_000_000, start.elapsed());
    }
}

// ---- writing ----

fn page(text: &str) -> feed::Page {
    feed::Page { content_type: "text/plain", body: Body::Bytes(text.as_bytes().to_vec().into()), feed: None }
}

fn files(list: &[(&str, &str)]) -> Files {
    list.iter().map(|(path, text)| ((*path).to_owned(), page(text))).collect()
}

fn tree(out: &Path) -> BTreeSet<String> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/"));
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(out, out, &mut found);
    found
}

#[test]
fn unchanged_files_are_not_touched() {
    let out = tempfile::tempdir().unwrap();
    let site = publish(&config(), rich());
    assert_eq!(feed::write(&site, out.path()).unwrap(), site.len(), "the first build writes every file");
    let before = fs::metadata(out.path().join("rss.xml")).unwrap().modified().unwrap();
    assert_eq!(feed::write(&site, out.path()).unwrap(), 0, "the second writes none");
    assert_eq!(fs::metadata(out.path().join("rss.xml")).unwrap().modified().unwrap(), before);
}

#[test]
fn the_first_build_comes_as_a_whole_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let (site, out) = (publish(&config(), rich()), folder.path().join("new/public"));
    assert_eq!(feed::write(&site, &out).unwrap(), site.len(), "every file is written");
    let built: BTreeSet<String> = site.keys().cloned().chain([".postrider-build.json".to_owned()]).collect();
    assert_eq!(tree(&folder.path().join("new")), built.iter().map(|path| format!("public/{path}")).collect());
    assert_eq!(feed::write(&site, &out).unwrap(), 0, "the next build knows what this one wrote");
}

#[test]
fn only_files_of_earlier_builds_are_removed() {
    let out = tempfile::tempdir().unwrap();
    feed::write(&files(&[("a/index.html", "a"), ("b/index.html", "b")]), out.path()).unwrap();
    fs::write(out.path().join("b/CNAME"), "mine").unwrap();
    fs::write(out.path().join("robots.txt"), "mine").unwrap();
    let changed = feed::write(&files(&[("c.html", "c")]), out.path()).unwrap();
    assert_eq!(changed, 3, "one written, two removed");
    assert_eq!(tree(out.path()), BTreeSet::from([".postrider-build.json", "b/CNAME", "c.html", "robots.txt"].map(str::to_owned)));
    assert!(!out.path().join("a").exists(), "a folder that became empty goes too");
}

#[test]
fn a_file_may_become_a_folder_and_back() {
    let out = tempfile::tempdir().unwrap();
    for site in [files(&[("x", "file")]), files(&[("x/y", "folder")]), files(&[("x", "file")])] {
        feed::write(&site, out.path()).unwrap();
        for (path, page) in &site {
            let Body::Bytes(bytes) = &page.body else { unreachable!() };
            assert_eq!(&fs::read(out.path().join(path)).unwrap(), bytes);
        }
    }
}

#[test]
fn a_forged_manifest_removes_nothing_outside() {
    let out = tempfile::tempdir().unwrap();
    let inside = out.path().join("site");
    fs::create_dir(&inside).unwrap();
    fs::write(out.path().join("precious"), "mine").unwrap();
    fs::write(inside.join(".postrider-build.json"), r#"{"files":["../precious","/etc/hostname"]}"#).unwrap();
    feed::write(&files(&[("a", "a")]), &inside).unwrap();
    assert!(out.path().join("precious").exists());
}

#[test]
fn assets_are_copied_and_a_missing_one_is_named() {
    let out = tempfile::tempdir().unwrap();
    let picture = out.path().join("chart.png");
    fs::write(&picture, b"picture").unwrap();
    let mut tides = article("tides", "2026-11-01T00:00:00Z");
    tides.assets = vec![Asset { file: picture.clone(), path: "/tides/chart.png".to_owned() }];
    let site = publish(&config(), vec![tides]);
    feed::write(&site, &out.path().join("public")).unwrap();
    assert_eq!(fs::read(out.path().join("public/tides/chart.png")).unwrap(), b"picture");
    fs::remove_file(&picture).unwrap();
    let error = feed::write(&site, &out.path().join("public")).unwrap_err();
    assert!(error.to_string().contains("chart.png"), "{error}");
}

#[test]
fn a_reader_never_sees_half_a_file() {
    let out = tempfile::tempdir().unwrap();
    let long = |c: &str| files(&[("feed", &c.repeat(300_000)), ("b/other", &c.repeat(1000))]);
    let versions = [long("a"), long("b")];
    feed::write(&versions[0], out.path()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                let text = fs::read(out.path().join("feed")).expect("the file is always there");
                assert!(text.len() == 300_000 && text.iter().all(|b| *b == text[0]), "half a file: {} bytes", text.len());
                reads += 1;
            }
            reads
        });
        let builders: Vec<_> = (0..2)
            .map(|start| {
                let (versions, out) = (&versions, out.path());
                scope.spawn(move || {
                    for i in 0..40 {
                        feed::write(&versions[(start + i) % 2], out).expect("builds may race");
                    }
                })
            })
            .collect();
        builders.into_iter().for_each(|builder| builder.join().unwrap());
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0, "the reader has read");
    });
    assert_eq!(
        tree(out.path()),
        BTreeSet::from([".postrider-build.json", "b/other", "feed"].map(str::to_owned)),
        "nothing temporary stays"
    );
}
