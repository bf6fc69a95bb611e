//! Foreign articles on their way into a mailbox: three feeds and one page are asked, and what is new comes in one mail, each article once.

use super::mail_server::MailServer;
use super::publication::{Publication, said};
use crate::support::files::Files;

const READER: &str = "ann@inbox.test";
const BODY: &str = "The ferry had been late for three days, and nobody on the quay could say why; then the fog went, and there it lay.";

fn rss(items: &[(&str, &str, &str)]) -> String {
    let items: String = items
        .iter()
        .map(|(guid, title, date)| {
            format!(
                "<item><title>{title}</title><link>@/boats/{guid}</link><guid isPermaLink=\"false\">{guid}</guid><pubDate>{date}</pubDate>\
                 <description>{title}. {BODY}</description></item>"
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>Boats and Quays</title><link>@/boats/</link>{items}</channel></rss>"
    )
}

fn atom(entries: &[(&str, &str)], now: &str) -> String {
    let entries: String = entries
        .iter()
        .map(|(id, title)| {
            format!(
                "<entry><title>{title}</title><id>tag:mill.example,2026:{id}</id><link href=\"@/mill/{id}\"/><updated>{now}</updated>\
                 <author><name>Jo Miller</name></author><content type=\"html\">&lt;p&gt;{title}: {BODY}&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;</content></entry>"
            )
        })
        .collect();
    format!(
        "<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>The Mill</title><id>tag:mill</id><updated>2026-11-20T10:00:00Z</updated>{entries}</feed>"
    )
}

fn json(items: &[(&str, &str, &str)]) -> String {
    let items: Vec<serde_json::Value> = items
        .iter()
        .map(|(id, title, link)| serde_json::json!({"id": id, "title": title, "url": link, "content_html": format!("<p>{title}, and {BODY}</p>")}))
        .collect();
    serde_json::json!({"version": "https://jsonfeed.org/version/1.1", "title": "All Around the Bay", "items": items}).to_string()
}

fn page() -> String {
    let words: String =
        (1..=6).map(|n| format!("<p>{n}. {BODY} It was the talk of the town, and of the towns around it, for weeks.</p>")).collect();
    format!(
        "<html lang=en><head><title>How the pier was built | Old Stones</title><meta property=og:site_name content=\"Old Stones\"></head>\
         <body><nav>Search this site</nav><article><h1>How the pier was built</h1>{words}</article><footer>Report abuse</footer></body></html>"
    )
}

/// The three feeds as they stand at first, and with what appears afterwards.
fn publish(publication: &Publication, home: &str, is_later: bool) {
    // What is new and dated long ago would be held for the editor.
    let now = chrono::Utc::now().to_rfc2822();
    let mut boats = vec![("b1", "An old ferry", "Mon, 16 Nov 2026 08:00:00 GMT")];
    let mut mill = vec![("m1", "Old flour")];
    let mut bay = vec![("j1", "An old wreck", "@/bay/1".to_owned())];
    if is_later {
        boats.extend([("b2", "The ferry is back", now.as_str()), ("b3", "A new crane", now.as_str())]);
        mill.push(("m2", "The wheel turns again"));
        // Another site tells the same story under the same address.
        bay.extend([
            ("j2", "The ferry is back", "@/boats/b2?utm_source=bay".to_owned()),
            ("j3", "Seals on the sand", "@/bay/3".to_owned()),
        ]);
    }
    let bay: Vec<(&str, &str, &str)> = bay.iter().map(|(id, title, link)| (*id, *title, link.as_str())).collect();
    for (file, text) in [
        ("boats.xml", rss(&boats)),
        ("mill.xml", atom(&mill, &chrono::Utc::now().to_rfc3339())),
        ("bay.json", json(&bay)),
        ("pier.html", page()),
    ] {
        publication.write(&format!("web/{file}"), &text.replace('@', home));
    }
}

#[test]
#[ignore = "needs Postfix and Dovecot: run scripts/test"]
fn three_feeds_and_a_page_become_one_mail_with_each_article_once() {
    let server = MailServer::start();
    let publication = Publication::new(&format!("url = \"{}\"", server.relay_url()));
    publication.write("web/robots.txt", "User-agent: *\nDisallow: /private/\n");
    let files = Files::serve(&publication.path("web"));
    publish(&publication, &files.url, false);
    let sources: String = [("boats", "boats.xml"), ("mill", "mill.xml"), ("bay", "bay.json"), ("pier", "pier.html")]
        .map(|(id, file)| format!("\n[[source]]\nid = \"{id}\"\nurl = \"{}/{file}\"\n", files.url))
        .concat();
    let config = publication.read("config.toml");
    publication.write("config.toml", &format!("{config}\n[fetch]\nallow_private = [\"127.0.0.1\"]\n{sources}"));
    publication.import(&[(READER.to_owned(), "Ann".to_owned())]);

    let first = publication.json(&["sources", "fetch"]);
    assert_eq!(first.as_array().map(Vec::len), Some(4), "{first}");
    publish(&publication, &files.url, true);
    publication.json(&["sources", "fetch"]);
    let again = publication.json(&["sources", "fetch"]);
    assert!(again.as_array().unwrap().iter().all(|one| one["status"] == 304), "what has not changed is not sent again: {again}");

    let issue = publication.json(&["send", "weekly", "--yes"]);
    assert_eq!(issue["sent"], 1, "{issue}");
    let mails = server.mailboxes([READER]).remove(READER).unwrap_or_default();
    let [mail] = &mails[..] else { panic!("one mail was expected, there are {}", mails.len()) };
    let html = mail.html.as_deref().unwrap_or_default();
    for title in ["The ferry is back", "A new crane", "The wheel turns again", "Seals on the sand", "How the pier was built"] {
        assert_eq!(html.matches(&format!(">{title}<")).count(), 1, "{title} was expected once in\n{html}");
    }
    for title in ["An old ferry", "Old flour", "An old wreck"] {
        assert!(!html.contains(title), "{title} stood there at the first fetch and is no news");
    }
    assert!(!html.contains("<script") && !html.contains("alert("), "something live came through:\n{html}");
    for name in ["Boats and Quays", "The Mill", "All Around the Bay", "Old Stones"] {
        assert!(html.contains(name), "the source {name} is not named");
    }

    let unconditional = |path: &str| files.asked().iter().filter(|asked| **asked == format!("200 {path}")).count();
    assert_eq!(
        ["/boats.xml", "/mill.xml", "/bay.json"].map(unconditional),
        [2, 2, 2],
        "at first, and when it changed: {:?}",
        files.asked()
    );
    assert_eq!(unconditional("/robots.txt"), 3, "each command asks once what may be fetched: {:?}", files.asked());
    let nothing = publication.run(&["send", "weekly", "--yes"]);
    assert!(said(&nothing).contains("no new article since the last issue"), "{}", said(&nothing));
    assert_eq!(server.mailboxes([READER])[READER].len(), 1, "nothing is mailed twice");
}
