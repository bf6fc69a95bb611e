//! What a stranger's feed or page may cost: a small document never becomes a large one, and brings no control characters in.

use postrider::fetch::{Fetch, FetchError};
use postrider::import::pages::{self, Page, Profile, Rules};
use postrider::import::reader::{self, Entry, Feed};
use url::Url;

use super::commands::Desk;
use crate::support::web::{Answer, Web};

const PROSE: &str =
    "<p>This is a paragraph of an article, with commas, and with words, and more words, so that it is found, and read to its end.</p>";

fn url(text: &str) -> Url {
    Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn read(text: &str) -> Feed {
    reader::read(text.as_bytes(), None, Some(&url("https://example.com/feed"))).unwrap_or_else(|error| panic!("a feed: {error}"))
}

/// Bytes an entry takes up.
fn weight(entry: &Entry) -> usize {
    let texts =
        [&entry.id, &entry.title, &entry.link, &entry.content, &entry.summary, &entry.base, &entry.image, &entry.language, &entry.comments];
    let files = entry.enclosures.iter().map(|file| file.url.len()).sum::<usize>();
    files + texts.into_iter().flatten().map(String::len).sum::<usize>()
}

fn extract(head: &str, body: &str) -> Page {
    let html = format!("<html><head><title>T</title>{head}</head><body><article>{}{body}{PROSE}</article></body></html>", PROSE.repeat(4));
    pages::extract(html.as_bytes(), None, Some(&url("https://example.com/page"))).unwrap_or_else(|error| panic!("an article: {error}"))
}

#[test]
fn a_base_of_a_megabyte_is_none_and_its_entries_do_not_repeat_it() {
    let long = "x".repeat(1_000_000);
    let items = "<item><link>a</link></item>".repeat(20_000);
    let feed = read(&format!("<rss xml:base=\"https://example.org/{long}/\"><channel>{items}</channel></rss>"));
    assert_eq!(feed.entries.len(), 20_000);
    assert_eq!(feed.entries[0].link.as_deref(), Some("https://example.com/a"), "the base before it holds");
    let bytes: usize = feed.entries.iter().map(weight).sum();
    assert!(bytes < 2_000_000, "the entries have {bytes} bytes");
    // The same by the address of the document.
    let feed = reader::read(
        format!("<rss><channel>{items}</channel></rss>").as_bytes(),
        None,
        Some(&url(&format!("https://example.org/{long}/"))),
    );
    assert!(feed.unwrap().entries.iter().map(weight).sum::<usize>() < 2_000_000, "no entry repeats the address of its feed");
}

#[test]
fn relative_addresses_make_a_feed_longer_up_to_a_bound_only() {
    let base = format!("https://example.org/{}/", "x".repeat(2000));
    let files: String = (0..60).map(|n| format!("<enclosure url=\"{n}\"/>")).collect();
    let feed = read(&format!("<rss xml:base=\"{base}\"><channel>{}</channel></rss>", format!("<item>{files}</item>").repeat(1_000)));
    let bytes: usize = feed.entries.iter().flat_map(|entry| &entry.enclosures).map(|file| file.url.len()).sum();
    assert!((30_000_000..40_000_000).contains(&bytes), "60,000 addresses have {bytes} bytes; absolute they would have 120 MB");
    assert_eq!(feed.entries[0].enclosures[59].url, format!("{base}59"));
    assert_eq!(feed.entries[999].enclosures[59].url, "59", "what is beyond the bound stays as it is");
}

#[test]
fn what_a_feed_says_of_itself_is_short_because_each_of_its_articles_repeats_it() {
    let long = "é".repeat(500_000);
    let xml = format!(
        "<rss><channel><title>{long}</title><language>{long}</language><link>https://example.org/{long}</link><managingEditor>{long}</managingEditor></channel></rss>"
    );
    let json = format!(
        r#"{{"version":"https://jsonfeed.org/version/1.1","title":"{long}","language":"{long}","home_page_url":"https://example.org/{long}","author":{{"name":"{long}"}},"items":[]}}"#
    );
    for text in [xml, json] {
        let feed = read(&text);
        assert!(
            feed.title.as_ref().is_some_and(|title| (4_000..=4_096).contains(&title.len()) && title.ends_with('é')),
            "{:?}",
            feed.title
        );
        assert_eq!((feed.language, feed.link, feed.author), (None, None, None));
    }
}

#[test]
fn no_way_in_brings_control_characters() {
    let stray = |text: &str| text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n'));
    let json = read(
        r#"{"version":"https://jsonfeed.org/version/1.1","title":"a\u0000b\u001b[31m","items":[{"id":"n\u0000x","title":"c\u009bd\u007f","content_html":"<p>e\u0007f","tags":["g\u0001"],"authors":[{"name":"h\u0002"}]}]}"#,
    );
    let references = "&#0;&#7;&#27;&#127;&#x9b;&#129;\u{9b}\u{7f}\u{81}";
    let xml = read(&format!(
        "<rss><channel><title>a{references}b</title><item><guid>n{references}x</guid><title>c{references}d</title><author>h{references}</author>\
         <category>g{references}</category></item></channel></rss>"
    ));
    for feed in [&json, &xml] {
        let entry = &feed.entries[0];
        let author = entry.authors[0].display();
        for text in [feed.title.as_deref(), entry.id.as_deref(), entry.title.as_deref(), Some(&*entry.categories[0].term), Some(&author)] {
            let text = text.unwrap_or_else(|| panic!("a text is missing in {feed:?}"));
            assert!(!stray(text), "{text:?}");
        }
    }
    assert_eq!((json.title.as_deref(), json.entries[0].id.as_deref()), (Some("ab[31m"), Some("nx")));
    for profile in [Profile::Mail, Profile::Feed, Profile::Archive] {
        let html = format!("<p title='t{references}'>e{references}f</p><form{references}>g{references}");
        let (html, text) = pages::clean(&html, &Rules { profile, base: None, images: true }).unwrap();
        assert!(!stray(&html) && !stray(&text) && text.starts_with('e') && text.contains('f'), "{html:?} {text:?}");
    }
    let head = format!(
        "<meta name=author content='A{references}'><meta name=description content='d{references}'><meta property=og:site_name content='s{references}'>\
         <script type='application/ld+json'>{{\"@type\":\"Article\",\"headline\":\"H\\u0000\\u001b[2J\"}}</script>"
    );
    let page = extract(&head, &format!("<p>x{references}y</p><pre>z{references}</pre>"));
    let fields = [Some(page.title), page.author, page.description, page.site_name, Some(page.html), Some(page.text), Some(page.markdown)];
    for text in fields {
        let text = text.expect("the page has them all");
        assert!(!stray(&text), "{text:?}");
    }
}

#[test]
fn an_entry_whose_id_holds_a_nul_is_the_same_entry_when_it_is_edited() {
    let desk = Desk::new();
    desk.source("light", "feed.json", "");
    let feed = |items: &[(&str, &str)]| {
        let item = |(id, text): &(&str, &str)| {
            format!(
                r#"{{"id":"{id}\u0000x","url":"@/{id}","title":"Of {id}\u001b[31m","content_html":"<p>{text}, and some words that make it a paragraph of its own.</p>","date_published":"2026-11-20T10:00:00Z"}}"#
            )
        };
        let items: Vec<String> = items.iter().map(item).collect();
        format!(r#"{{"version":"https://jsonfeed.org/version/1.1","title":"The Lighthouse\u001b[2J","items":[{}]}}"#, items.join(","))
    };
    desk.write("web/feed.json", &feed(&[("one", "The lamp was lit"), ("two", "The book was kept")]));
    desk.say(&["sources", "fetch"]);
    desk.write("web/feed.json", &feed(&[("one", "The lamp was lit at six"), ("two", "The book was kept")]));
    let told: serde_json::Value = serde_json::from_str(&desk.say(&["--json", "sources", "fetch"])).unwrap();
    assert_eq!((&told[0]["items"]["new"], &told[0]["items"]["changed"]), (&0.into(), &1.into()), "{told}");
    for shown in [desk.say(&["sources", "show", "light"]), desk.say(&["sources", "list"])] {
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    }
    assert!(desk.say(&["sources", "show", "light"]).contains("The Lighthouse"), "its title is shown");
}

#[tokio::test]
async fn a_redirect_to_an_address_of_many_kilobytes_is_refused_in_words() {
    let web = Web::start(|hit| match hit.path.as_str() {
        "/" => Answer::to(301, format!("/{}", "x".repeat(60_000))),
        "/short" => Answer::to(301, format!("/{}", "x".repeat(1_500))),
        _ => Answer::ok("home"),
    })
    .await;
    let fetch = Fetch::new(None, true).unwrap();
    let refused = fetch.get(&web.url("/")).await;
    assert!(matches!(&refused, Err(FetchError::Address(why)) if why.contains("longer than 2048 bytes")), "{refused:?}");
    assert_eq!(web.hits().len(), 1, "nobody asked there");
    assert_eq!(fetch.get(&web.url("/short")).await.unwrap().body, b"home");
}

#[test]
fn a_page_with_a_long_base_and_many_links_stays_small() {
    let pictures = "<img src=a> ".repeat(5_000);
    for length in [16_000, 2_000] {
        let page = extract(&format!("<base href='https://example.com/{}/'>", "x".repeat(length)), &pictures);
        let bytes = [&page.html, &page.text, &page.markdown].map(String::len);
        assert!(bytes.iter().all(|bytes| *bytes < 5_000_000), "{} bytes became {bytes:?}", pictures.len());
        assert!(page.html.contains("<img"), "the first pictures have an address");
    }
    let page = extract("<base href='/deep/'>", "<p><a href=b>b</a></p>");
    assert!(page.html.contains("href=\"https://example.com/deep/b\""), "an honest base holds: {}", page.html);
}

#[test]
fn tables_lists_and_quotes_of_a_small_page_stay_small() {
    let table = format!("<table><tr>{}{}</table>", "<td>x".repeat(6_000), "<tr><td>x".repeat(6_000));
    let list = format!("{}{}", "<ol start=999999><li>".repeat(85), "x<br>".repeat(20_000));
    for body in [table, list] {
        let page = extract("", &body);
        assert!(page.markdown.len() < 20 * body.len(), "{} bytes became {}", body.len(), page.markdown.len());
    }
}
