//! The public pages in a real browser: nothing inaccessible, nothing from elsewhere, nothing large, and no script needed.

use std::process::{Command, Stdio};

use postrider::model::IssueId;
use postrider::model::link::{Grant, Purpose};
use postrider::subscribe::join::stamp;
use serde_json::{Value, json};

use super::*;

/// Over the wire, without pictures.
const PAGE_BYTES_MAX: u64 = 20 * 1024;

/// Whether axe-core has looked and found nothing, and nothing sticks out at the side.
fn is_accessible(seen: &Value) -> bool {
    seen["rules"].as_u64().is_some_and(|held| held > 10) && seen["violations"] == json!([]) && seen["overflow"] == 0
}

/// Everything Chromium has to say of these pages, one entry for each page and view.
fn looked_at(room: &Room, pages: &[Value], locale: &str) -> Vec<Value> {
    let base = format!("http://{}", room.served.address);
    // To look at the pages oneself: POSTRIDER_SHOTS=/tmp/shots and run this test.
    let task = json!({"base": base, "pages": pages, "locale": locale, "shots": std::env::var("POSTRIDER_SHOTS").ok()});
    let mut browser = Command::new("node")
        .arg("tests/peers/look_at_pages.mjs")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is not installed: run scripts/setup");
    serde_json::to_writer(browser.stdin.take().unwrap(), &task).unwrap();
    let out = browser.wait_with_output().unwrap();
    assert!(out.status.success(), "the browser failed");
    let seen: Vec<Value> = String::from_utf8(out.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(seen.len(), pages.len() * 5, "five views of each page");
    seen
}

/// The public pages, each with its status and its heading.
struct Pages(Vec<(Value, u64, &'static str)>);

impl Pages {
    fn add(&mut self, name: &str, path: impl Into<String>, status: u64, heading: &'static str) {
        self.0.push((json!({"name": name, "path": path.into()}), status, heading));
    }

    fn form(&mut self, name: &str, path: impl Into<String>, form: &Value, status: u64, heading: &'static str) {
        self.0.push((json!({"name": name, "path": path.into(), "form": form}), status, heading));
    }
}

/// Every public page of a publication with two issues, and of a person who has just signed up. The actions on that person come in their order.
async fn all(room: &Room) -> Pages {
    let (app, key) = (&room.served.app, &room.served.app.key);
    let stamp = stamp(key, Timestamp::from_secs(room.now().secs() - 10));
    let form = json!({"email": "zoe@reader.test", "list": "weekly", "stamp": stamp});
    let sent = room.served.post("/subscribe", &format!("email=zoe%40reader.test&list=weekly&stamp={stamp}")).await;
    assert_eq!(sent.status, 200, "{sent:?}");
    let notice = IssueId(1_000_000_000_000);
    until("the sign-up is looked at", async || app.store.issue(notice).await.unwrap()).await;
    let zoe = app.store.person(&EmailAddress::parse("zoe@reader.test").unwrap()).await.unwrap().expect("she is pending");
    let link = |purpose: Purpose, issue: IssueId| {
        let grant = Grant { issue, subscriber: zoe.subscriber.id, list: id("weekly") };
        format!("/{}/{}", purpose.path(), key.token(purpose, &grant))
    };
    let nothing = json!({});
    let mut pages = Pages(Vec::new());
    pages.add("articles", "/", 200, "The Test Letter");
    pages.add("article", "/ropes/", 200, "On ropes");
    pages.add("feeds", "/feeds/", 200, "Feeds");
    pages.add("archive", "/archive/", 200, "Archive");
    pages.add("issues", "/archive/weekly/", 200, "Harbour Weekly");
    pages.add("found", "/archive/weekly/?q=harbour", 200, "Harbour Weekly");
    pages.add("not-found", "/archive/weekly/?q=nothing", 200, "Harbour Weekly");
    pages.add("none-yet", "/archive/boats/", 200, "Boats only");
    pages.add("issue", "/archive/weekly/1/", 200, "The week");
    pages.add("letter", "/archive/weekly/2/", 200, "On tides");
    pages.add("subscribe", "/subscribe/weekly", 200, "Harbour Weekly");
    pages.add("subscribe-all", "/subscribe", 200, "Subscribe");
    pages.form("sent", "/subscribe", &form, 200, "Check your mail");
    pages.form("once-more", "/subscribe", &json!({"email": "zoe@reader.test", "list": "weekly"}), 200, "Harbour Weekly");
    pages.form("wrong", "/subscribe", &json!({"email": "zoe@reader", "list": "weekly", "stamp": stamp}), 422, "Harbour Weekly");
    pages.add("confirm", link(Purpose::Confirm, notice), 200, "Subscribe to Harbour Weekly?");
    pages.add("expired", link(Purpose::Confirm, IssueId(0)), 200, "This link is too old.");
    pages.form("joined", link(Purpose::Confirm, notice), &nothing, 200, "Welcome.");
    pages.add("leave", link(Purpose::Unsubscribe, notice), 200, "Leave Harbour Weekly?");
    pages.form("left", link(Purpose::Unsubscribe, notice), &nothing, 200, "You have left Harbour Weekly.");
    let back = link(Purpose::Unsubscribe, notice).replace("/unsubscribe/", "/resubscribe/");
    pages.form("back", back, &nothing, 200, "Welcome back.");
    pages.add("preferences", link(Purpose::Preferences, notice), 200, "Your subscription");
    let wishes = json!({"shown": "weekly", "on": "weekly", "name": "Zoë", "pause": "not a day"});
    pages.form("wish", link(Purpose::Preferences, notice), &wishes, 422, "Your subscription");
    pages.add("no-move", link(Purpose::Move, IssueId(0)), 200, "This link is too old.");
    pages.add("invalid", "/unsubscribe/x", 404, "This link does not work.");
    pages
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and axe-core: run scripts/test"]
async fn every_public_page_is_accessible_small_and_our_own_in_light_and_dark_and_on_a_phone_and_needs_no_script() {
    let room = Room::new().await;
    room.send(&room.digest(1)).await;
    room.send(&room.letter("tides", &["weekly"])).await;
    room.page("/archive/weekly/2/").await;
    room.served.packed().await;
    let pages = all(&room).await;
    let asked: Vec<Value> = pages.0.iter().map(|(page, ..)| page.clone()).collect();
    let seen = looked_at(&room, &asked, "en-US");
    let mut faults = Vec::new();
    for (views, (_, status, heading)) in seen.chunks(5).zip(&pages.0) {
        for seen in views {
            let said = seen["heading"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
            // An answer that is an error is told of by the browser too; that is no fault of the page.
            let mut errors = seen["errors"].as_array().unwrap().clone();
            errors.retain(|error| *status == 200 || !error.as_str().unwrap().contains("Failed to load resource"));
            let sound = seen["status"] == *status
                && said == *heading
                && errors.is_empty()
                && seen["elsewhere"] == json!([])
                && seen["bytes"].as_u64().is_some_and(|bytes| bytes > 0 && bytes <= PAGE_BYTES_MAX)
                && (seen["view"] == "no-script" || is_accessible(seen));
            if !sound {
                faults.push(format!("expected {status} {heading:?}: {seen:#}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let largest = seen.iter().filter_map(|seen| Some((seen["bytes"].as_u64()?, seen["page"].to_string()))).max();
    println!("the largest page: {largest:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run scripts/test"]
async fn no_payload_runs_in_chromium() {
    let room = Room::new().await;
    let mut new = room.letter("tides", &["weekly"]);
    new.subject = PAYLOADS.concat();
    let article = &mut new.frozen.articles[0];
    (article.html, article.title, article.text) = (PAYLOADS.concat(), PAYLOADS.concat(), format!("word {}", PAYLOADS.concat()));
    room.send(&new).await;
    room.page("/archive/weekly/1/").await;
    let question: String = url::form_urlencoded::byte_serialize(PAYLOADS[1].as_bytes()).collect();
    let pages = [
        json!({"name": "payload-letter", "path": "/archive/weekly/1/"}),
        json!({"name": "payload-issues", "path": "/archive/weekly/"}),
        json!({"name": "payload-found", "path": "/archive/weekly/?q=word"}),
        json!({"name": "payload-asked", "path": format!("/archive/weekly/?q={question}")}),
    ];
    for seen in looked_at(&room, &pages, "en-US") {
        // The picture `x` is asked of this site and is not there; nothing else is said, and nothing runs.
        let mut errors = seen["errors"].as_array().unwrap().clone();
        errors.retain(|error| !error.as_str().unwrap().contains("404"));
        assert!(errors.is_empty() && seen["elsewhere"] == json!([]), "{seen:#}");
    }
}
