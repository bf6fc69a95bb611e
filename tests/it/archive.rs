//! The public archive: what it shows, what it never shows, and its search. Issues are made, sent and read through the real rooms.

use std::io::Read as _;
use std::sync::Arc;

use lol_html::{RewriteStrSettings, element, rewrite_str};
use postrider::content;
use postrider::digest::{Planned, Press};
use postrider::model::outcome::Reply as Reply250;
use postrider::model::{EmailAddress, IssueId, ListId, Outcome, Segment, SubscriptionState, Timestamp};
use postrider::send::Sender;
use postrider::store::deliveries::Record;
use postrider::store::issues::NewIssue;
use postrider::store::subscribers::NewSubscriber;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::http::{Reply, Served, ask, until};
use crate::support::smtp::{Act, Event, FULL, Server};

mod pages;

/// Two public lists, and one that is nobody's business.
const LISTS: &str = r#"name = "Harbour Weekly"
description = "Every Friday"
[[list]]
id = "inner"
name = "The Inner Circle"
from = "The Test Letter <desk@letter.example.com>"
public = false
[[list]]
id = "boats"
name = "Boats only"
from = "The Test Letter <desk@letter.example.com>"
[[digest]]
id = "weekly"
lists = ["weekly"]
subject = "The week{% if subscriber.name %} for {{ subscriber.name }} at {{ subscriber.email }}{% endif %}"
"#;

/// A publication with an archive, and a relay that takes its mail.
struct Room {
    served: Served,
    relay: Server,
}

impl Room {
    async fn new() -> Self {
        Self::with("").await
    }

    /// With more at the end of its configuration.
    async fn with(more: &str) -> Self {
        let relay = Server::start(FULL, |_: &Event| Act::Usual).await;
        let served = Served::new(&format!("{LISTS}[[relay]]\nname = \"local\"\nurl = \"smtp://{}?tls=none\"\n{more}", relay.addr)).await;
        let room = Self { served, relay };
        for list in ["weekly", "inner", "boats"] {
            let email = EmailAddress::parse("ann.secret@reader.test").unwrap();
            let ann = NewSubscriber { name: Some("Ann Reader".to_owned()), ..NewSubscriber::new(email) };
            let store = &room.served.app.store;
            store.upsert_subscribers(&[ann], &id(list), SubscriptionState::Confirmed, "test", false, room.now()).await.unwrap();
        }
        room
    }

    fn now(&self) -> Timestamp {
        self.served.app.clock.now()
    }

    /// A letter of an article to these lists.
    fn letter(&self, article: &str, lists: &[&str]) -> NewIssue {
        let app = &self.served.app;
        let (library, _) = content::load(&app.config);
        let article = library.find(article).unwrap_or_else(|| panic!("there is no article {article}"));
        let lists: Vec<ListId> = lists.iter().map(|list| id(list)).collect();
        Press { config: &app.config, templates: &app.templates, now: self.now() }.letter(article, &lists).unwrap().new
    }

    /// The next issue of the digest, with everything there is.
    fn digest(&self, number: u64) -> NewIssue {
        let app = &self.served.app;
        let (library, _) = content::load(&app.config);
        let press = Press { config: &app.config, templates: &app.templates, now: self.now() };
        let recipe = app.config.digest("weekly").unwrap();
        press.digest(recipe, &Planned::of(&app.config, library.all().to_vec(), &recipe.lists), number).unwrap().new
    }

    async fn make(&self, new: &NewIssue) -> IssueId {
        self.served.app.store.create_issue(new, self.now()).await.unwrap()
    }

    /// Makes an issue and delivers it to the end.
    async fn send(&self, new: &NewIssue) -> IssueId {
        let issue = self.make(new).await;
        self.deliver(issue).await;
        issue
    }

    async fn deliver(&self, issue: IssueId) {
        let app = &self.served.app;
        app.store.sendable_issues(self.now()).await.unwrap();
        let sender = Sender::new(app.store.clone(), &app.config, app.key.clone(), app.clock.clone());
        sender.run_issue(issue, &CancellationToken::new()).await.unwrap();
    }

    async fn get(&self, path: &str) -> Reply {
        self.served.get(path, &[]).await
    }

    /// A page, once it is there.
    async fn page(&self, path: &str) -> String {
        until(&format!("{path} is there"), async || Some(self.get(path).await).filter(|reply| reply.status == 200)).await.text()
    }

    /// Every page that may name a list or an issue, as it is now.
    async fn everything(&self) -> String {
        let mut all = String::new();
        for path in [
            "/",
            "/archive/",
            "/archive/weekly/",
            "/archive/boats/",
            "/archive/weekly/?q=a",
            "/archive/boats/?q=a",
            "/feeds/",
            "/subscribe",
            "/sitemap.xml",
            "/tides/",
        ] {
            let reply = self.get(path).await;
            assert_eq!(reply.status, 200, "{path}");
            all.push_str(&reply.text());
        }
        all
    }
}

fn id(list: &str) -> ListId {
    ListId::parse(list).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_that_was_sent_is_in_the_archive_for_everybody_and_says_nothing_of_any_reader() {
    let room = Room::new().await;
    let empty = room.page("/archive/weekly/").await;
    assert!(empty.contains("Nothing has been sent yet"), "{empty}");
    room.send(&room.digest(1)).await;
    assert!(String::from_utf8_lossy(&room.relay.accepted()[0].content).contains("The week for Ann Reader"), "she was mailed by name");
    let letter = room.send(&room.letter("tides", &["weekly"])).await;
    let letter_page = room.page(&format!("/archive/weekly/{}/", letter.0)).await;
    let issue = room.page("/archive/weekly/1/").await;
    assert!(issue.contains("<h1>The week</h1>") && issue.contains("No. 1"), "{issue}");
    assert!(
        issue.contains("<a href=\"../../../tides/\">On tides</a>") && issue.contains("On ropes"),
        "the articles are named and linked: {issue}"
    );
    assert!(issue.contains("<link rel=\"canonical\" href=\"https://letter.example.com/archive/weekly/1/\">"), "{issue}");
    assert!(issue.contains("<html lang=\"en\"") && issue.contains("type=\"application/atom+xml\"") && issue.contains("Newer"), "{issue}");
    assert!(issue.contains("href=\"../../../subscribe/weekly\""), "whoever likes it can subscribe: {issue}");
    assert!(
        letter_page.contains("The tide waits for nobody") && letter_page.contains("Older"),
        "a letter is there as a whole: {letter_page}"
    );

    let index = room.page("/archive/weekly/").await;
    assert!(index.find("On tides</a></h2>").unwrap() < index.find("The week</a></h2>").unwrap(), "the newest first: {index}");
    let everything = room.everything().await + &issue + &letter_page;
    for personal in ["Ann", "secret", "reader.test", "reader@example.com", "/unsubscribe/", "/preferences/", "/view/", "/confirm/"] {
        assert!(!everything.contains(personal), "{personal} is in the archive");
    }
    for (from, to) in
        [("/", "./archive/"), ("/tides/", "../archive/"), ("/feeds/", "../archive/"), ("/subscribe/weekly", "/archive/weekly/")]
    {
        assert!(room.get(from).await.text().contains(&format!("href=\"{to}\"")), "{from} leads to the archive");
    }
    let sitemap = room.get("/sitemap.xml").await.text();
    assert!(sitemap.contains("https://letter.example.com/archive/weekly/1/") && sitemap.contains("<lastmod>2026-"), "{sitemap}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_archive_are_kept_by_readers_like_all_pages_and_outlive_changes_and_restarts() {
    let room = Room::new().await;
    room.send(&room.digest(1)).await;
    room.page("/archive/weekly/1/").await;
    let path = "/archive/weekly/1/";
    let reply = room.get(path).await;
    let tag = reply.header("etag").to_owned();
    assert!(tag.len() >= 34 && reply.header("cache-control") == "public, max-age=300", "{reply:?}");
    assert!(reply.header("content-security-policy").starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{reply:?}");
    let again = room.served.get(path, &[("If-None-Match", &tag)]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let head = ask(room.served.address, "HEAD", path, &[], "").await;
    assert_eq!((head.status, head.header("content-length")), (200, reply.body.len().to_string().as_str()));
    assert_eq!(room.get("/archive/weekly/1").await.header("location"), "/archive/weekly/1/", "a page has one address");
    assert_eq!(ask(room.served.address, "POST", "/archive/weekly/", &[], "q=x").await.status, 405);
    assert_eq!(ask(room.served.address, "OPTIONS", "/archive/weekly/", &[], "").await.status, 204);

    room.served.article("tides", "A new title", "2026-11-01", "New words.");
    std::fs::remove_file(room.served.dir.path().join("content/ropes.md")).unwrap();
    until("the site has changed", async || room.get("/tides/").await.text().contains("A new title").then_some(())).await;
    let tag = room.get(path).await.header("etag").to_owned();
    let later = room.page(path).await;
    assert!(later.contains("On tides") && later.contains("On ropes"), "an issue stays what it was: {later}");
    let dir: Arc<TempDir> = room.served.ended().await;
    let served = Served::open(dir, |_| ()).await;
    let restarted = served.get(path, &[]).await;
    assert_eq!((restarted.status, restarted.header("etag")), (200, tag.as_str()), "{}", restarted.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_sent_to_everybody_on_a_public_list_is_nowhere() {
    let room = Room::new().await;
    let named = |subject: &str, new: NewIssue| NewIssue { subject: subject.to_owned(), ..new };
    let store = &room.served.app.store;
    room.send(&named("For the inner circle", room.letter("tides", &["inner"]))).await;
    let all = Segment::parse("email = \"*\"", std::path::Path::new("--where"), &["weekly"]).unwrap();
    let only = Some(all.at(room.now(), chrono_tz::UTC));
    room.send(&NewIssue { only, ..named("For a part", room.letter("tides", &["weekly"])) }).await;
    room.make(&NewIssue { hold: Some("waits for approval".into()), ..named("Held", room.letter("tides", &["weekly"])) }).await;
    let at = Some(Timestamp::from_secs(room.now().secs() + 3_600));
    room.make(&NewIssue { scheduled_at: at, ..named("Scheduled", room.letter("tides", &["weekly"])) }).await;
    let cancelled = room.make(&named("Cancelled", room.letter("tides", &["weekly"]))).await;
    store.cancel_issue(cancelled, room.now()).await.unwrap();
    let started = room.make(&named("About to go", room.letter("tides", &["weekly"]))).await;
    store.sendable_issues(room.now()).await.unwrap();
    // Whoever signs up gets a notice, which is an issue in the ledger too.
    let form = "email=new%40reader.test&list=weekly&website=";
    let stamp = postrider::subscribe::join::stamp(&room.served.app.key, Timestamp::from_secs(room.now().secs() - 10));
    assert_eq!(room.served.post("/subscribe", &format!("{form}&stamp={stamp}")).await.status, 200);
    let notice = IssueId(1_000_000_000_000);
    until("the notice is made", async || store.issue(notice).await.unwrap()).await;
    room.deliver(notice).await;
    let both = room.send(&named("For all", room.letter("ropes", &["inner", "boats", "weekly"]))).await;

    let shown = room.page(&format!("/archive/weekly/{}/", both.0)).await;
    assert!(room.get(&format!("/archive/boats/{}/", both.0)).await.text().contains("For all"));
    let canonical = format!("<link rel=\"canonical\" href=\"https://letter.example.com/archive/weekly/{}/\">", both.0);
    for list in ["weekly", "boats"] {
        let page = room.get(&format!("/archive/{list}/{}/", both.0)).await.text();
        assert!(page.contains(&canonical), "an issue of two lists has one canonical address: {page}");
    }
    let everything = room.everything().await + &shown;
    for hidden in ["inner", "Inner", "For a part", "Held", "Scheduled", "Cancelled", "About to go", "confirm"] {
        assert!(!everything.contains(hidden), "{hidden} is to be seen in public");
    }
    for number in (1..both.0).chain([notice.0]) {
        assert_eq!(room.get(&format!("/archive/weekly/{number}/")).await.status, 404, "issue {number}");
        assert_eq!(room.get(&format!("/archive/boats/{number}/")).await.status, 404, "issue {number}");
    }
    for path in ["/archive/inner", "/archive/inner/", "/archive/inner/?q=a", "/archive/inner/page/2/", "/subscribe/inner"] {
        assert_eq!(room.get(path).await.status, 404, "{path}");
    }
    assert_eq!(room.get(&format!("/archive/inner/{}/", both.0)).await.status, 404);
    let strip = |reply: Reply| (reply.status, reply.text(), reply.header("content-type").to_owned());
    assert_eq!(
        strip(room.get("/archive/inner/?q=a").await),
        strip(room.get("/archive/nothing/?q=a").await),
        "a private list answers as if there were none"
    );
    room.deliver(started).await;
    room.page(&format!("/archive/weekly/{}/", started.0)).await;
    assert!(room.page("/archive/weekly/").await.contains("About to go"), "it is there as soon as it has left");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_is_called_off_in_mid_send_and_leaves_the_archive() {
    let room = Room::new().await;
    let issue = room.send(&room.letter("tides", &["weekly"])).await;
    let path = format!("/archive/weekly/{}/", issue.0);
    room.page(&path).await;
    let store = &room.served.app.store;
    let ben = NewSubscriber::new(EmailAddress::parse("ben@reader.test").unwrap());
    store.upsert_subscribers(&[ben], &id("weekly"), SubscriptionState::Confirmed, "test", false, room.now()).await.unwrap();
    let second = room.make(&NewIssue { subject: "Wrong".into(), ..room.letter("ropes", &["weekly"]) }).await;
    store.sendable_issues(room.now()).await.unwrap();
    let (lease, people) = store.claim(second, "test", 1, std::time::Duration::from_secs(60), room.now()).await.unwrap().unwrap();
    let people: Vec<_> = people.iter().map(|one| one.subscriber.id).collect();
    store.commit(&lease, &[], &people, room.now()).await.unwrap();
    let reply = Reply250 { code: 250, enhanced: None, text: "Ok".into(), phase: "final" };
    let sent = Record { subscriber: people[0], outcome: Outcome::Sent(reply), next_at: None };
    store.commit(&lease, &[sent], &[], room.now()).await.unwrap();
    let wrong = format!("/archive/weekly/{}/", second.0);
    assert!(room.page(&wrong).await.contains("Wrong"), "the first has it");
    store.cancel_issue(second, room.now()).await.unwrap();
    until("it is gone", async || (room.get(&wrong).await.status == 404).then_some(())).await;
    assert!(!room.everything().await.contains("Wrong") && room.get(&path).await.status == 200, "the other one stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_is_told_in_their_language_what_is_wrong_with_an_address() {
    let room = Room::new().await;
    let stamp = postrider::subscribe::join::stamp(&room.served.app.key, Timestamp::from_secs(room.now().secs() - 10));
    let german = [("Accept-Language", "de-AT,de;q=0.9,en;q=0.5")];
    for (address, said) in [
        ("", "die Adresse fehlt"),
        ("ann", "eine Adresse braucht ein @"),
        ("a%00b%40example.org", "ein Zeichen, das in keiner Adresse steht"),
        (".ann%40example.org", "was vor dem @ steht"),
        ("ann%40example", "was nach dem @ steht, ist keine Mail-Domain"),
        ("ann%40127.0.0.1", "was nach dem @ steht, ist keine Mail-Domain"),
    ] {
        let form = format!("email={address}&list=weekly&stamp={stamp}");
        let reply = ask(room.served.address, "POST", "/subscribe", &german, &form).await;
        assert_eq!(reply.status, 422, "{address}: {reply:?}");
        assert!(reply.text().contains(said) && reply.text().contains("lang=\"de\""), "{address}: {}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_not_public_any_more_leaves_the_archive() {
    let room = Room::new().await;
    let issue = room.send(&room.letter("tides", &["boats"])).await;
    room.page(&format!("/archive/boats/{}/", issue.0)).await;
    let dir = room.served.ended().await;
    let config = std::fs::read_to_string(dir.path().join("config.toml")).unwrap();
    std::fs::write(dir.path().join("config.toml"), config.replace("name = \"Boats only\"", "name = \"Boats only\"\npublic = false"))
        .unwrap();
    let served = Served::open(dir, |_| ()).await;
    for path in ["/archive/boats/".to_owned(), format!("/archive/boats/{}/", issue.0)] {
        assert_eq!(served.get(&path, &[]).await.status, 404, "{path}");
    }
    assert!(!served.get("/archive/", &[]).await.text().contains("Boats only"));
    assert!(!served.dir.path().join("public/archive/boats").exists(), "nor is it left on disk");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_search_finds_words_of_subjects_titles_and_texts_and_marks_them() {
    let room = Room::new().await;
    room.served.article(
        "ferry",
        "Über die Fähre",
        "2026-11-03",
        "The ferry turns left because of the sandbank, which the tide builds anew.",
    );
    room.send(&room.letter("tides", &["weekly"])).await;
    room.send(&NewIssue { subject: "A <special> subject".into(), ..room.letter("ferry", &["weekly"]) }).await;
    room.page("/archive/weekly/2/").await;
    let found = async |query: &str| {
        let reply = room.get(&format!("/archive/weekly/?q={query}")).await;
        assert_eq!((reply.status, reply.header("cache-control")), (200, "no-store"), "{query}: {reply:?}");
        assert!(reply.text().contains("<meta name=\"robots\" content=\"noindex\">"), "{query}");
        reply.text()
    };
    let subjects = |html: &str| -> Vec<&str> {
        [("A &lt;special&gt; subject</a>", "ferry"), ("On tides</a>", "tides")]
            .iter()
            .filter(|(s, _)| html.contains(s))
            .map(|(_, n)| *n)
            .collect()
    };
    for (query, expected) in [
        ("TIDE", vec!["ferry", "tides"]),
        ("sandbank", vec!["ferry"]),
        ("special", vec!["ferry"]),
        ("%C3%9Cber+F%C3%84HRE", vec!["ferry"]),
        ("nobody+harbour", vec!["tides"]),
        ("nobody+sandbank", vec![]),
        ("%3Cspecial%3E", vec!["ferry"]),
        ("%25", vec![]),
        ("_", vec![]),
        ("'+OR+1%3D1", vec![]),
    ] {
        let html = found(query).await;
        assert_eq!(subjects(&html), expected, "{query}: {html}");
    }
    let html = found("sandbank").await;
    assert!(html.contains("because of the <mark>sandbank</mark>, which"), "{html}");
    assert!(html.contains("One issue has “sandbank”.") && html.contains("value=\"sandbank\""), "{html}");
    assert!(found("nobody+sandbank").await.contains("No issue has “nobody sandbank”."));
    let long = "x".repeat(5_000);
    assert!(found(&long).await.contains(&format!("“{}”", "x".repeat(100))), "a long question is cut");
    assert!(found("tide&page=999999999999999999999").await.contains("On tides"), "there is no page beyond the last");
    for nothing in ["", "+", "%20%09"] {
        let reply = room.get(&format!("/archive/weekly/?q={nothing}")).await;
        assert!(!reply.header("etag").is_empty() && reply.text().contains("On tides"), "who asks nothing sees all");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_site_lies_below_its_host_every_page_and_form_leads_there() {
    let room = Room::new().await;
    room.send(&room.letter("tides", &["weekly"])).await;
    let dir = room.served.ended().await;
    let config = std::fs::read_to_string(dir.path().join("config.toml")).unwrap();
    std::fs::write(dir.path().join("config.toml"), config.replace("letter.example.com\"", "example.com/letter\"")).unwrap();
    let served = Served::open(dir, |_| ()).await;
    let issue = served.get("/letter/archive/weekly/1/", &[]).await;
    assert!(issue.status == 200 && issue.text().contains("href=\"https://example.com/letter/archive/weekly/1/\""), "{issue:?}");
    assert!(served.get("/letter/archive/weekly/?q=tide", &[]).await.text().contains("<mark>tide</mark>"));
    let form = served.get("/letter/subscribe/weekly", &[]).await.text();
    assert!(form.contains("action=\"/letter/subscribe\"") && form.contains("href=\"/letter/archive/weekly/\""), "{form}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_has_fifty_issues_a_page_and_so_has_a_search() {
    let room = Room::new().await;
    let letter = room.letter("ropes", &["boats"]);
    for number in 1..=52 {
        room.send(&NewIssue { subject: format!("Rope {number:02}"), ..letter.clone() }).await;
    }
    let second = room.page("/archive/boats/page/2/").await;
    until("all are there", async || room.get("/archive/boats/").await.text().contains("Rope 52</a>").then_some(())).await;
    let count = |html: &str| html.matches("<article class=\"entry\">").count();
    let first = room.page("/archive/boats/").await;
    assert_eq!(count(&first), 50, "{first}");
    assert!(first.contains("rel=\"next\" href=\"../../archive/boats/page/2/\"") && second.contains("rel=\"prev\""), "{first}");
    let searched = room.get("/archive/boats/?q=rope&page=2").await.text();
    assert_eq!(count(&searched), 2, "{searched}");
    assert!(searched.contains("52 issues have “rope”") && searched.contains("q=rope&amp;page=1\""), "{searched}");
    let packed = room.served.get("/archive/boats/?q=rope", &[("Accept-Encoding", "gzip")]).await;
    assert_eq!((packed.header("content-encoding"), packed.header("vary")), ("gzip", "Accept-Encoding"));
    let mut html = String::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_string(&mut html).unwrap();
    assert!(
        html == room.get("/archive/boats/?q=rope").await.text() && packed.body.len() * 4 < html.len(),
        "{} of {}",
        packed.body.len(),
        html.len()
    );
}

/// What browsers would run, or load from elsewhere, if it got into a page as it is.
const PAYLOADS: [&str; 20] = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<a href=\"java&#115;cript:alert(1)\">x</a>",
    "<a href=\" &#x0A;javascript:alert(1)\">x</a>",
    "<iframe src=\"javascript:alert(1)\"></iframe>",
    "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
    "<object data=\"data:text/html,<script>alert(1)</script>\"></object>",
    "<embed src=\"https://evil.example/x\">",
    "<form action=\"https://evil.example/\"><input name=a><button formaction=\"javascript:alert(1)\">x</button></form>",
    "<meta http-equiv=\"refresh\" content=\"0;url=https://evil.example/\">",
    "<base href=\"https://evil.example/\">",
    "<link rel=stylesheet href=\"https://evil.example/x.css\">",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\"></noscript>",
    "<details open ontoggle=alert(1)>x</details>",
    "\"><script>alert(1)</script>",
    "{{ subscriber.email }}<!--><img src=x onerror=alert(1)>-->",
];

/// The value of an attribute in small letters, its numbered characters resolved and without the breaks that addresses lose.
fn as_browsers_read(value: &str) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("&#") {
        out.push_str(before);
        let (number, behind) = after.split_once(';').unwrap_or((after, ""));
        let hex = number.strip_prefix(['x', 'X']).map(|digits| u32::from_str_radix(digits, 16));
        out.extend(hex.unwrap_or_else(|| number.parse()).ok().and_then(char::from_u32));
        rest = behind;
    }
    (out + rest).to_lowercase().replace(['\n', '\r', '\t'], "")
}

/// Everything in a page that would run, or send somebody or something elsewhere.
fn live(html: &str) -> Vec<String> {
    let found = std::cell::RefCell::new(Vec::new());
    let handler = element!("*", |el| {
        let name = el.tag_name();
        let forbidden = ["script", "iframe", "object", "embed", "base", "svg", "math", "style", "template", "noscript", "frame", "applet"];
        let is_ours = |action: &str| action.starts_with("../");
        if forbidden.contains(&name.as_str()) || name == "meta" && el.has_attribute("http-equiv") {
            found.borrow_mut().push(format!("<{name}>"));
        }
        if name == "form" && !el.get_attribute("action").is_some_and(|action| is_ours(&action)) {
            found.borrow_mut().push("<form> elsewhere".to_owned());
        }
        for attribute in el.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            let value = as_browsers_read(&value);
            let runs = name.starts_with("on") || matches!(name.as_str(), "style" | "srcdoc" | "formaction");
            let code = value.trim_start().starts_with("javascript:") || value.contains("data:text/html");
            let leads = matches!(name.as_str(), "href" | "src" | "action");
            if runs || leads && (code || value.contains("evil.example")) {
                found.borrow_mut().push(format!("{name}={value}"));
            }
        }
        Ok(())
    });
    rewrite_str(html, RewriteStrSettings::new().append_element_content_handler(handler)).expect("the page can be read");
    found.into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_payload_in_a_body_title_summary_name_or_question_lives_in_the_archive() {
    let room = Room::new().await;
    for (number, payload) in (1..).zip(PAYLOADS) {
        // What a source would bring that nobody cleaned, in every field of an issue.
        let mut new = room.letter("tides", &["weekly"]);
        new.subject = payload.to_owned();
        let article = &mut new.frozen.articles[0];
        article.html = format!("<p>Before.</p>{payload}");
        for field in [&mut article.title, &mut article.summary, &mut article.text] {
            *field = format!("word {payload}");
        }
        article.url =
            if number % 2 == 0 { "javascript:alert(1)".to_owned() } else { "data:text/html,<script>alert(1)</script>".to_owned() };
        article.authors = vec![payload.to_owned()];
        article.language = Some("\" onload=\"alert(1)".to_owned());
        room.send(&new).await;
        let mut digest = room.digest(number);
        digest.articles = vec![format!("article {number}")];
        digest.frozen.articles[0] = new.frozen.articles.remove(0);
        room.send(&digest).await;
    }
    let last = PAYLOADS.len() * 2;
    room.page(&format!("/archive/weekly/{last}/")).await;
    let mut paths: Vec<String> = (1..=last).map(|number| format!("/archive/weekly/{number}/")).collect();
    paths.extend(["/archive/".to_owned(), "/archive/weekly/".to_owned()]);
    let query = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    paths.extend(PAYLOADS.iter().chain(&["word"]).map(|payload| format!("/archive/weekly/?q={}", query(payload))));
    for path in paths {
        let html = room.page(&path).await;
        assert_eq!(live(&html), Vec::<String>::new(), "{path} is live: {html}");
        assert!(!html.contains("ann.secret"), "{path}");
    }
    assert!(room.page("/archive/weekly/?q=word").await.contains("<mark>word</mark>"), "they were found");
}

#[test]
fn the_look_for_live_payloads_finds_them() {
    for payload in PAYLOADS.iter().filter(|payload| !payload.starts_with("{{")) {
        assert!(!live(&format!("<!doctype html><title>x</title><body>{payload}</body>")).is_empty(), "{payload} would not be found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_way_to_write_a_path_shows_a_private_list_or_leaves_the_archive() {
    let room = Room::new().await;
    room.send(&room.letter("tides", &["inner"])).await;
    room.send(&room.letter("tides", &["weekly"])).await;
    room.page("/archive/weekly/2/").await;
    for path in [
        "/archive/../config.toml",
        "/archive/weekly/../../p.db",
        "/archive/%2e%2e/config.toml",
        "/archive/..%2fconfig.toml",
        "//archive//weekly/",
        "/archive//weekly/",
        "/archive/weekly//",
        "/archive/weekly//2/",
        "/archive/weekly/./2/",
        "/archive/weekly/../inner/1/",
        "/archive/%69nner/",
        "/archive/%69nner/?q=tide",
        "/archive/inner%2f/",
        "/archive/inner%2f1/",
        "/archive/inner%00/",
        "/archive/inner/1/",
        "/archive/inner/1",
        "/archive/INNER/",
        "/archive/weekly/1/",
        "/archive/weekly/02/",
        "/archive/weekly/+2/",
        "/archive/weekly/-2/",
        "/archive/weekly/2%20/",
        "/archive/weekly/99999999999999999999/",
        "/archive/weekly/page/1/",
        "/archive/weekly/page/2/",
        "/archive/weekly/2/index.html/",
        "/archive/\\weekly/",
        "/archive/%ff/",
        "/archive/%ff/?q=a",
        "/archive/weekly/?q=a/../../inner/",
    ] {
        let reply = room.get(path).await;
        let is_search = path.starts_with("/archive/weekly/?");
        assert!(matches!(reply.status, 400 | 404) || is_search && reply.status == 200, "{path}: {reply:?}");
        assert!(!reply.text().contains("Inner") && !reply.text().contains("[site]"), "{path}: {reply:?}");
    }
}
