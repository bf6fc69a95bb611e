//! A feed whose every field is an attack: what is mailed, republished and shown of it runs nothing.

use super::commands::Desk;
use super::pages::harmless::{VECTORS, live};

fn escaped(text: &str) -> String {
    text.chars()
        .filter(|c| *c >= ' ')
        .collect::<String>()
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn feed(count: usize) -> String {
    let item = |(n, vector): (usize, &&str)| {
        let vector = escaped(vector);
        format!(
            "<item><title>{vector}</title><link>@/{n}?{vector}</link><guid isPermaLink=\"false\">{n} {vector}</guid><pubDate>20 Nov 2026 10:00:00 GMT</pubDate>\
             <dc:creator>{vector}</dc:creator><category>{vector}</category><description>{vector}</description>\
             <content:encoded>&lt;p&gt;Words, and more of them, before what does not belong here.&lt;/p&gt;{vector}</content:encoded></item>"
        )
    };
    let items: String = VECTORS.iter().enumerate().take(count).map(item).collect();
    let title = escaped("<script>alert('title')</script><img src=x onerror=alert(1)>The Lighthouse");
    format!(
        "<rss version=\"2.0\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:content=\"http://purl.org/rss/1.0/modules/content/\"><channel>\
         <title>{title}</title><link>javascript:alert(1)</link>{items}</channel></rss>"
    )
}

/// The document without its head, whose style is our own.
fn body(html: &str) -> &str {
    let start = html.find("<body").unwrap_or_else(|| panic!("no body in {html}"));
    &html[start..]
}

/// What mails say in `style` is ours: css-inline wrote it. Everything else is held against the rules.
fn assert_harmless(name: &str, html: &str) {
    let doc = dom_query::Document::from(html);
    doc.select("[style]").remove_attr("style");
    doc.select("link, form[action^='/'], form[method], input, button").remove();
    assert_eq!(live(&doc.select("body").inner_html()), None, "{name}:\n{html}");
}

#[test]
fn no_field_of_a_hostile_feed_comes_to_life_in_a_digest_a_letter_a_feed_or_a_page() {
    let desk = Desk::new();
    desk.source("light", "feed.xml", "");
    let config = desk.read("pub/config.toml").replace("id = \"weekly\"\nlists", "id = \"weekly\"\nlimit = 100\nsections = \"tag\"\nlists");
    std::fs::write(desk.path().join("pub/config.toml"), config).unwrap();
    desk.write("web/feed.xml", &feed(1));
    desk.say(&["sources", "fetch"]);
    desk.write("web/feed.xml", &feed(VECTORS.len()));
    // The dates are older than the last fetch, so an editor has to let them in.
    desk.say(&["sources", "fetch"]);
    desk.say(&["sources", "approve", "light"]);

    desk.say(&["preview", "weekly"]);
    let issue = desk.read("pub/preview/issue.html");
    assert!(issue.matches("The Lighthouse").count() > VECTORS.len() / 2, "the digest has the entries:\n{issue}");
    assert_harmless("the digest", body(&issue));
    for n in [2, 10, 20, VECTORS.len()] {
        desk.say(&["preview", &format!("light-{n}")]);
        let letter = desk.read("pub/preview/issue.html");
        assert!(letter.contains("before what does not belong here"), "the letter has the text:\n{letter}");
        assert_harmless("a letter", body(&letter));
    }
    desk.say(&["build"]);
    let json: serde_json::Value = serde_json::from_str(&desk.read("pub/public/feed.json")).unwrap();
    let items = json["items"].as_array().unwrap();
    assert!(items.len() > 20, "the feed has the entries: {}", items.len());
    for item in items {
        assert_harmless("a feed", &format!("<body>{}</body>", item["content_html"].as_str().unwrap()));
        for address in ["url", "external_url"] {
            assert!(item[address].as_str().is_none_or(|url| url.starts_with("http")), "{item}");
        }
    }
    // Our own links are relative there.
    let front = desk.read("pub/public/index.html").replace("href=\"./", "href=\"https://letter.example.com/").replace("href=\"#main\"", "");
    assert_harmless("the front page", body(&front));
    for name in ["rss.xml", "atom.xml"] {
        let text = desk.read(&format!("pub/public/{name}"));
        let read = postrider::import::reader::read(text.as_bytes(), None, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(read.entries.len() > 20, "{name} is whole");
        read.entries
            .iter()
            .for_each(|entry| assert_harmless(name, &format!("<body>{}</body>", entry.content.as_deref().unwrap_or_default())));
    }
}
