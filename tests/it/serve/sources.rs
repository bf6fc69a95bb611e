//! The pages of `dev` for those who look after Sources: what they show, and what only their buttons do.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use postrider::import::overview::{self, Items};
use postrider::store::sources::SourceRow;

use crate::support::http::{Reply, Served, ask, exchange};
use crate::support::web::{Answer, Web};

const HOUR: Duration = Duration::from_secs(3_600);
const REASON: &str = "the feed may have changed its ids";

/// Eight entries of `source`, dated long before the publication's clock.
fn feed(source: &str, kind: &str) -> String {
    let item = |n: u32| {
        format!(
            "<item><title>{source} {kind} {n}</title><link>http://{source}.example.org/{kind}-{n}</link><guid isPermaLink=\"false\">{kind}-{n}</guid>\
             <pubDate>{n:02} Nov 2026 10:00:00 GMT</pubDate><description>What the keeper of {source} wrote down, {kind}, on day {n}.</description></item>"
        )
    };
    let items: String = (1..=8).map(item).collect();
    format!(
        "<rss version=\"2.0\"><channel><title>The {source} light</title><link>http://{source}.example.org/</link>{items}</channel></rss>"
    )
}

/// Every feed has the entries of one kind; the test says which. Each path is a Source of its own.
async fn lights() -> (Web, Arc<Mutex<&'static str>>) {
    let kind = Arc::new(Mutex::new("old"));
    let now = kind.clone();
    let web = Web::start(move |hit| {
        let kind = *now.lock().unwrap();
        Answer::cached(hit, Some(&format!("\"{kind}\"")), None, feed(hit.path.trim_start_matches('/'), kind))
    })
    .await;
    (web, kind)
}

fn source(web: &Web, id: &str) -> String {
    format!("[[source]]\nid = \"{id}\"\nurl = \"{}\"\n", web.url(&format!("/{id}")))
}

const MAY_REACH: &str = "[fetch]\nallow_private = [\"127.0.0.1\"]\n";

async fn standing(served: &Served) -> Vec<(SourceRow, Items)> {
    overview::configured(&served.app.config, &served.app.store).await.unwrap()
}

/// What the page that a button led to says it did.
fn said(reply: &Reply) -> String {
    assert_eq!(reply.status, 303, "a button was expected to lead to a page: {}", reply.text());
    let address = url::Url::parse("http://test").unwrap().join(reply.header("location")).unwrap();
    let said = address.query_pairs().find(|(name, _)| name == "said");
    said.map(|(_, words)| words.into_owned()).expect("the page is told what was done")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_shown_with_the_reason_and_waits_for_one_of_three_buttons() {
    let (web, kind) = lights().await;
    let sources: String = ["light", "bay", "cape"].map(|id| source(&web, id)).concat();
    let served = Served::dev(&format!("{MAY_REACH}{sources}")).await;
    let list = served.get("/dev/sources", &[]).await.text();
    assert!(list.contains("3 sources") && list.contains("not fetched yet"), "{list}");
    assert_eq!(said(&served.post("/dev/sources", "").await), "3 sources asked: 24 new");
    // The sites move: other ids, addresses and words, and dates of long ago.
    *kind.lock().unwrap() = "moved";
    served.pass(HOUR);
    assert_eq!(said(&served.post("/dev/sources/light/fetch", "").await), "light: 8 entries; 8 held");
    served.pass(HOUR);
    assert_eq!(said(&served.post("/dev/sources", "").await), "3 sources asked: 16 held");
    assert!(web.hits().iter().skip(3).all(|hit| hit.is_conditional()), "a button asks with what the last answer gave");

    let list = served.get("/dev/sources", &[]).await.text();
    assert!(list.contains("3 sources, 24 entries held") && list.contains("The light light"), "{list}");
    let page = served.get("/dev/sources/light", &[]).await.text();
    assert!(page.contains("8 entries are held") && page.contains("light moved 3") && page.contains(REASON), "{page}");
    assert!(
        page.contains("href=\"http:&#x2F;&#x2F;light.example.org&#x2F;moved-3\" rel=\"noopener noreferrer\"")
            || page.contains("href=\"http://light.example.org/moved-3\" rel=\"noopener noreferrer\""),
        "{page}"
    );
    assert!(
        page.contains(">304<") && page.contains(">conditional<") && page.contains(">full<") && page.contains("8 entries: 8 held"),
        "{page}"
    );

    for (id, button, words, kept, dropped) in [
        ("light", "mail", "light: 8 held entries taken up; the next issue may bring them", 16, 0),
        ("bay", "no-mail", "bay: 8 held entries taken up; not mailed", 16, 0),
        ("cape", "drop", "cape: 8 held entries left out", 8, 8),
    ] {
        let pressed = served.post(&format!("/dev/sources/{id}/held"), &format!("verdict={button}")).await;
        assert_eq!(said(&pressed), words);
        let items = standing(&served).await.into_iter().find(|(row, _)| row.id == id).unwrap().1;
        assert_eq!(items, Items { kept, held: 0, dropped, merged: 0 }, "{id}");
        let news = served.app.store.imported(true, None, 100).await.unwrap();
        let mailed = news.iter().filter(|entry| entry.source == id).count();
        assert_eq!(mailed, if button == "mail" { 8 } else { 0 }, "{id}: what may be mailed");
    }
    let page = served.get("/dev/sources/cape", &[]).await.text();
    assert!(!page.contains("are held") && page.contains("the editor left it out"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_a_post_presses_a_button_of_a_source() {
    let (web, kind) = lights().await;
    let served = Served::dev(&format!("{MAY_REACH}{}", source(&web, "light"))).await;
    served.post("/dev/sources/light/fetch", "").await;
    *kind.lock().unwrap() = "moved";
    served.post("/dev/sources/light/fetch", "").await;
    let (before, asked) = (standing(&served).await, web.hits().len());
    assert_eq!(before[0].1.held, 8);
    for path in [
        "/dev/sources",
        "/dev/sources/light",
        "/dev/sources/light/fetch",
        "/dev/sources/light/pause",
        "/dev/sources/light/resume",
        "/dev/sources/light/held",
        "/dev/sources/light/held?verdict=mail",
    ] {
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
            let reply = ask(served.address, method, path, &[], "verdict=mail").await;
            assert!([200, 204, 405].contains(&reply.status), "{method} {path}: {}", reply.status);
            assert_eq!(standing(&served).await, before, "{method} {path} was expected to change nothing");
        }
    }
    let pressed = served.post("/dev/sources/light/held", "verdict=everything").await;
    assert!([400, 422].contains(&pressed.status), "a verdict nobody knows: {}", pressed.status);
    assert_eq!((standing(&served).await, web.hits().len()), (before, asked));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_cannot_press_a_button_of_dev() {
    let (web, _) = lights().await;
    let served = Served::dev(&format!("{MAY_REACH}{}", source(&web, "light"))).await;
    let before = standing(&served).await;
    let buttons = [
        ("/dev/sources", ""),
        ("/dev/sources/light/fetch", ""),
        ("/dev/sources/light/pause", ""),
        ("/dev/sources/light/held", "verdict=mail"),
        ("/dev/inbox/clear", ""),
    ];
    for (path, body) in buttons {
        for header in [
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
            ("Origin", "https://evil.example"),
            ("Origin", "http://localhost.evil.example"),
            ("Origin", "null"),
        ] {
            let reply = ask(served.address, "POST", path, &[header], body).await;
            assert_eq!(reply.status, 403, "POST {path} with {header:?}");
        }
    }
    assert_eq!((standing(&served).await, web.hits().len()), (before, 0), "nothing was changed and nobody asked");
    // Our own pages let a browser say that it comes from them.
    let page = served.get("/dev/sources", &[]).await;
    assert_eq!(page.header("referrer-policy"), "same-origin");
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    let own = format!("http://{}", served.address);
    for header in [("Sec-Fetch-Site", "same-origin"), ("Origin", own.as_str())] {
        let reply = ask(served.address, "POST", "/dev/sources/light/pause", &[header], "").await;
        assert_eq!(reply.status, 303, "POST with {header:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_another_site_that_leads_here_is_shown_nothing_of_dev_and_presses_nothing() {
    let (web, _) = lights().await;
    let served = Served::dev(&format!("{MAY_REACH}{}", source(&web, "light"))).await;
    let before = standing(&served).await;
    let pages = ["/dev/inbox", "/dev/inbox/1", "/dev/inbox/1/source", "/dev/sources", "/dev/sources/light"];
    let buttons = ["/dev/inbox/clear", "/dev/inbox/deliver/weekly", "/dev/sources", "/dev/sources/light/fetch", "/dev/sources/light/pause"];
    let asked =
        pages.iter().flat_map(|path| [("GET", *path), ("HEAD", *path), ("OPTIONS", *path)]).chain(buttons.map(|path| ("POST", path)));
    for (method, path) in asked {
        for host in [
            "evil.example",
            "evil.example:4000",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.7",
            "[2001:db8::7]:4000",
            "a b",
        ] {
            // To the browser the other site is the one it is on.
            let origin = format!("http://{host}");
            let headers = [("Host", host), ("Sec-Fetch-Site", "same-origin"), ("Origin", origin.as_str())];
            let reply = ask(served.address, method, path, &headers, "").await;
            assert!(reply.status == 403 || reply.status == 400 && host == "a b", "{method} {path} as {host}: {}", reply.status);
            assert!(method == "HEAD" || !reply.text().contains("light"), "{method} {path} as {host} tells: {}", reply.text());
        }
    }
    let both = format!("GET http://evil.example/dev/sources HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", served.address);
    let none = "GET /dev/sources HTTP/1.0\r\n\r\n".to_owned();
    for request in [both, none] {
        let reply = Reply::parse(&exchange(served.address, request.as_bytes()).await).unwrap();
        assert_eq!(reply.status, 403, "{request}");
    }
    assert_eq!((standing(&served).await, web.hits().len()), (before, 0), "nothing was changed and nobody asked");
    let refused = served.get("/dev/sources", &[("Host", "evil.example")]).await.text();
    assert!(refused.contains("answer on this machine alone: open http://localhost:"), "{refused}");
    for host in
        ["localhost", "LocalHost:4000", "localhost.", "127.0.0.1", "127.0.0.1:4000", "[::1]", "[::1]:4000", "[::ffff:127.0.0.1]:4000"]
    {
        assert_eq!(served.get("/dev/sources", &[("Host", host)]).await.status, 200, "{host} is this machine");
    }
    assert_eq!(served.get("/", &[("Host", "letter.example.com")]).await.status, 200, "what is published has any name");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_write_is_shown_as_words() {
    let hostile = "\"&gt;&amp;lt;script&amp;gt;alert(1)&amp;lt;/script&amp;gt;&amp;lt;img src=x onerror=alert(1)&amp;gt;";
    let item = |n: u32, link: &str| {
        format!(
            "<item><title>{hostile} advert {n}</title><link>{link}</link><guid isPermaLink=\"false\">{n}</guid><description>{hostile}</description></item>"
        )
    };
    let items =
        [item(1, "javascript:alert(1)"), item(2, "data:text/html,x"), item(3, "http://light.example.org/\"&gt;&lt;b onclick=x")].concat();
    let body = format!("<rss version=\"2.0\"><channel><title>{hostile}</title><link>javascript:alert(2)</link>{items}</channel></rss>");
    let web = Web::start(move |_| Answer::ok(body.clone())).await;
    let served = Served::dev(&format!("{MAY_REACH}{}exclude = [\"advert\"]\n", source(&web, "light"))).await;
    let done = said(&served.post("/dev/sources/light/fetch", "").await);
    assert!(done.contains("3 left out"), "{done}");
    for path in ["/dev/sources", "/dev/sources/light", "/dev/sources?said=%3Cscript%3E", "/dev/sources/light?said=%22%3E%3Cscript%3E"] {
        let page = served.get(path, &[]).await.text();
        assert!(page.contains("&lt;script&gt;"), "{path} was expected to show the words: {page}");
        for tag in ["<script", "<img", "<b ", "href=\"javascript", "href=\"data:text"] {
            assert!(!page.contains(tag), "{path} has {tag}: {page}");
        }
    }
    let page = served.get("/dev/sources/light", &[]).await.text();
    assert!(page.contains("it has the word &quot;advert&quot;") || page.contains("it has the word &#34;advert&#34;"), "{page}");
    for link in page.split("<a ").skip(1).filter_map(|rest| rest.split('>').next()).filter(|link| link.contains("http:")) {
        assert!(link.contains(&served.app.config.site.url.to_string()) || link.contains("rel=\"noopener noreferrer\""), "{link}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_paused_and_resumed_and_a_private_address_is_never_asked() {
    let (web, _) = lights().await;
    let inside = "[[source]]\nid = \"inside\"\nurl = \"http://192.168.7.7/feed.xml\"\n";
    let served = Served::dev(&format!("{MAY_REACH}{}{inside}", source(&web, "light"))).await;
    let pressed = served.post("/dev/sources/light/pause?from=list", "").await;
    assert!(pressed.header("location").starts_with("/dev/sources?"), "back to the list: {}", pressed.header("location"));
    assert_eq!(said(&pressed), "light is not asked until it is resumed");
    let list = served.get("/dev/sources", &[]).await.text();
    assert!(list.contains(">paused<") && list.contains("action=\"/dev/sources/light/resume?from=list\""), "{list}");
    let done = said(&served.post("/dev/sources", "").await);
    assert!(done.starts_with("inside: not fetched:") && done.contains("private address"), "{done}");
    assert!(web.hits().is_empty(), "what is paused is left alone by the button for all");
    let page = served.get("/dev/sources/inside", &[]).await.text();
    assert!(page.contains("failed: ") && page.contains("private address"), "{page}");
    assert_eq!(said(&served.post("/dev/sources/light/resume", "").await), "light is asked in its turn");
    assert_eq!(said(&served.post("/dev/sources", "").await), "2 sources asked: 8 new; 1 could not be fetched");
    for (method, path) in [("GET", "/dev/sources/lihgt"), ("POST", "/dev/sources/lihgt/fetch"), ("POST", "/dev/sources/lihgt/pause")] {
        assert_eq!(ask(served.address, method, path, &[], "").await.status, 404, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_source_the_page_says_how_to_add_one() {
    let served = Served::dev("").await;
    let inbox = served.get("/dev/inbox", &[]).await.text();
    assert!(inbox.contains("href=\"/dev/sources\""), "the inbox leads there: {inbox}");
    let page = served.get("/dev/sources", &[]).await.text();
    assert!(page.contains("No source yet") && page.contains("postrider sources add https://example.org/"), "{page}");
    assert!(page.contains("href=\"/dev/inbox\"") && !page.contains("<button"), "{page}");
    assert_eq!(said(&served.post("/dev/sources", "").await), "there is no source to ask");
}
