//! Tests of the websub room: hubs of others, and our own, with servers of the test on the other side.

use std::sync::atomic::{AtomicI64, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use postrider::fetch::Fetch;
use postrider::model::{Clock, Timestamp};
use postrider::store::Store;
use postrider::websub::{self, Request, Topic, Topics};
use sha2::Sha256;

use crate::support::http::{Asked, Served, Stub};
use crate::support::store::Place;

const TOPIC: &str = "https://letter.example.com/atom.xml";
const DAY: Duration = Duration::from_secs(86_400);

/// A store, a clock that is moved by hand, and one feed.
struct Scene {
    place: Place,
    store: Store,
    fetch: Fetch,
    clock: Clock,
    now: Arc<AtomicI64>,
    topics: Topics,
}

impl Scene {
    /// A feed that names `hub`; `ours` says whether that is our own.
    async fn new(hub: &str, ours: bool) -> Self {
        let now = Arc::new(AtomicI64::new(Timestamp::from_secs(1_795_000_000).0));
        let told = now.clone();
        let place = Place::new();
        let store = place.open(Timestamp(now.load(Ordering::Relaxed))).await;
        let clock = Clock::new(move || Timestamp(told.load(Ordering::Relaxed)));
        let mut scene = Self { place, store, fetch: Fetch::new(None, true).unwrap(), clock, now, topics: Topics::new() };
        let topic = Topic {
            url: TOPIC.to_owned(),
            hub: hub.to_owned(),
            is_ours: ours,
            content_type: "application/atom+xml; charset=utf-8",
            body: "<feed>one</feed>".into(),
        };
        scene.topics.insert(TOPIC.to_owned(), topic);
        scene
    }

    fn pass(&self, time: Duration) {
        self.now.fetch_add(i64::try_from(time.as_micros()).unwrap(), Ordering::Relaxed);
    }

    /// The feed says something else from now on.
    fn change(&mut self, body: &str) {
        self.topics.get_mut(TOPIC).unwrap().body = body.to_owned().into();
    }

    /// What the service does when the site is published: here twice over, because a change is told once.
    async fn publish(&self) {
        for _ in 0..2 {
            websub::note(&self.store, self.topics.values(), self.clock.now()).await.unwrap();
            self.tell().await;
        }
    }

    async fn tell(&self) {
        websub::tell(&self.store, &self.fetch, &self.topics, &self.clock).await.unwrap();
    }

    /// A request to the hub, settled; whether something was done.
    async fn ask(&self, mode: &str, callback: &str, more: &[(&str, &str)]) -> bool {
        let request = Request::parse(&form(mode, TOPIC, callback, more), &self.fetch).unwrap();
        websub::settle(&self.store, &self.fetch, &request, true, &self.clock).await.unwrap()
    }
}

fn form(mode: &str, topic: &str, callback: &str, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let fixed = [("hub.mode", mode), ("hub.topic", topic), ("hub.callback", callback)];
    fixed.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A subscriber that confirms every request, and takes what it gets with `status`.
async fn subscriber(status: Arc<AtomicU16>) -> Stub {
    Stub::start(move |asked| match asked.query("hub.challenge") {
        Some(challenge) if asked.method == "GET" => (200, challenge),
        _ => (status.load(Ordering::Relaxed), String::new()),
    })
    .await
}

/// What a subscriber got.
fn deliveries(stub: &Stub) -> Vec<Asked> {
    stub.asked().into_iter().filter(|asked| asked.method == "POST").collect()
}

// ---- hubs of others ----

#[tokio::test]
async fn a_hub_is_pinged_once_for_each_change_also_over_restarts() {
    let hub = Stub::start(|_| (204, String::new())).await;
    let mut scene = Scene::new(&format!("{}/hub", hub.url), false).await;
    scene.publish().await;
    let pings = hub.asked();
    assert_eq!(pings.len(), 1, "{pings:?}");
    assert_eq!((pings[0].method.as_str(), pings[0].path.as_str()), ("POST", "/hub"));
    assert_eq!((pings[0].field("hub.mode").as_deref(), pings[0].field("hub.url").as_deref()), (Some("publish"), Some(TOPIC)));
    assert_eq!(pings[0].headers["content-type"], "application/x-www-form-urlencoded");
    scene.store = scene.place.open(scene.clock.now()).await;
    scene.publish().await;
    assert_eq!(hub.asked().len(), 1, "the same feed after a restart is no change");
    scene.change("<feed>two</feed>");
    scene.publish().await;
    assert_eq!(hub.asked().len(), 2);
}

#[tokio::test]
async fn a_hub_that_fails_is_told_again_later_and_later_and_over_restarts() {
    let status = Arc::new(AtomicU16::new(500));
    let answer = status.clone();
    let hub = Stub::start(move |_| (answer.load(Ordering::Relaxed), String::new())).await;
    let mut scene = Scene::new(&hub.url, false).await;
    scene.publish().await;
    assert_eq!(hub.asked().len(), 1, "not again at once");
    scene.pass(Duration::from_secs(31));
    scene.tell().await;
    scene.pass(Duration::from_secs(31));
    scene.tell().await;
    assert_eq!(hub.asked().len(), 2, "the second wait is longer");
    status.store(200, Ordering::Relaxed);
    scene.store = scene.place.open(scene.clock.now()).await;
    scene.pass(Duration::from_secs(120));
    scene.tell().await;
    assert_eq!(hub.asked().len(), 3);
    scene.pass(DAY);
    scene.tell().await;
    assert_eq!(hub.asked().len(), 3, "once told, it is told no more");
}

#[tokio::test]
async fn a_hub_at_a_private_address_is_never_asked() {
    let hub = Stub::start(|_| (204, String::new())).await;
    let mut scene = Scene::new(&hub.url, false).await;
    scene.fetch = Fetch::new(None, false).unwrap();
    scene.publish().await;
    assert_eq!(hub.asked().len(), 0);
    scene.fetch = Fetch::guarded(None, &["127.0.0.0/8".parse().unwrap()]).unwrap();
    scene.pass(DAY);
    scene.tell().await;
    assert_eq!(hub.asked().len(), 1, "networks that are allowed by name are reached");
}

// ---- our own ----

#[tokio::test]
async fn a_subscriber_that_confirms_gets_every_change_signed() {
    let stub = subscriber(Arc::new(AtomicU16::new(200))).await;
    let mut scene = Scene::new("https://letter.example.com/hub", true).await;
    scene.publish().await;
    let callback = format!("{}/callback?id=7", stub.url);
    assert!(scene.ask("subscribe", &callback, &[("hub.secret", "tide & rope"), ("hub.lease_seconds", "86400")]).await);
    let asked = stub.asked().remove(0);
    assert_eq!(asked.query("id").as_deref(), Some("7"), "the callback's own query stays: {}", asked.path);
    assert_eq!((asked.query("hub.mode").as_deref(), asked.query("hub.topic").as_deref()), (Some("subscribe"), Some(TOPIC)));
    assert_eq!(asked.query("hub.lease_seconds").as_deref(), Some("86400"));
    assert!(asked.query("hub.challenge").unwrap().len() >= 32);
    scene.publish().await;
    assert!(deliveries(&stub).is_empty(), "nothing has changed since");
    scene.change("<feed>two</feed>");
    scene.publish().await;
    let got = deliveries(&stub);
    assert_eq!(got.len(), 1, "{got:?}");
    assert_eq!((got[0].path.as_str(), got[0].body.as_slice()), ("/callback?id=7", &b"<feed>two</feed>"[..]));
    assert_eq!(got[0].headers["content-type"], "application/atom+xml; charset=utf-8");
    assert_eq!(got[0].headers["link"], format!("<https://letter.example.com/hub>; rel=\"hub\", <{TOPIC}>; rel=\"self\""));
    let mut mac = Hmac::<Sha256>::new_from_slice(b"tide & rope").unwrap();
    mac.update(&got[0].body);
    let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(got[0].headers["x-hub-signature"], format!("sha256={expected}"));
}

#[tokio::test]
async fn nobody_is_subscribed_who_did_not_ask() {
    let mut scene = Scene::new("https://letter.example.com/hub", true).await;
    type Answer = fn(&Asked) -> (u16, String);
    let answers: [(&str, Answer); 5] = [
        ("another word", |_| (200, "yes".to_owned())),
        ("an error with the right word", |asked| (404, asked.query("hub.challenge").unwrap())),
        ("nothing", |_| (200, String::new())),
        ("more than the word", |asked| (200, asked.query("hub.challenge").unwrap() + "!")),
        ("a redirect", |_| (302, "https://elsewhere.example.org/".to_owned())),
    ];
    let mut stubs = Vec::new();
    for (what, answer) in answers {
        let stub = Stub::start(answer).await;
        assert!(!scene.ask("subscribe", &stub.url, &[]).await, "{what} confirms nothing");
        stubs.push((what, stub));
    }
    scene.change("<feed>two</feed>");
    scene.publish().await;
    for (what, stub) in stubs {
        assert_eq!(stub.asked().len(), 1, "{what}: asked once, never told");
    }
}

#[tokio::test]
async fn who_leaves_is_asked_too_and_then_told_no_more() {
    let wanted = Arc::new(Mutex::new("subscribe".to_owned()));
    let meant = wanted.clone();
    let stub = Stub::start(move |asked| {
        let ours = asked.query("hub.mode").as_deref() == Some(meant.lock().unwrap().as_str());
        if ours { (200, asked.query("hub.challenge").unwrap()) } else { (if asked.method == "POST" { 200 } else { 404 }, String::new()) }
    })
    .await;
    let mut scene = Scene::new("https://letter.example.com/hub", true).await;
    scene.publish().await;
    assert!(scene.ask("subscribe", &stub.url, &[]).await);
    assert!(!scene.ask("unsubscribe", &stub.url, &[]).await, "a stranger cannot end it");
    scene.change("<feed>two</feed>");
    scene.publish().await;
    assert_eq!(deliveries(&stub).len(), 1);
    *wanted.lock().unwrap() = "unsubscribe".to_owned();
    assert!(scene.ask("unsubscribe", &stub.url, &[]).await);
    scene.change("<feed>three</feed>");
    scene.publish().await;
    assert_eq!(deliveries(&stub).len(), 1);
}

#[tokio::test]
async fn a_subscriber_that_fails_is_tried_again_and_one_that_is_gone_is_not() {
    let status = Arc::new(AtomicU16::new(503));
    let stub = subscriber(status.clone()).await;
    let mut scene = Scene::new("https://letter.example.com/hub", true).await;
    scene.publish().await;
    assert!(scene.ask("subscribe", &stub.url, &[]).await);
    scene.change("<feed>two</feed>");
    scene.publish().await;
    scene.change("<feed>three</feed>");
    scene.pass(Duration::from_secs(31));
    status.store(200, Ordering::Relaxed);
    scene.publish().await;
    let bodies: Vec<Vec<u8>> = deliveries(&stub).into_iter().map(|got| got.body).collect();
    assert_eq!(bodies, [b"<feed>two</feed>".to_vec(), b"<feed>three</feed>".to_vec()], "two changes, told once it can be");
    status.store(410, Ordering::Relaxed);
    scene.change("<feed>four</feed>");
    scene.publish().await;
    scene.change("<feed>five</feed>");
    scene.publish().await;
    assert_eq!(deliveries(&stub).len(), 3, "410 ends a subscription");
}

#[tokio::test]
async fn a_lease_ends_and_a_renewed_one_goes_on() {
    let (one, two) = (subscriber(Arc::new(AtomicU16::new(200))).await, subscriber(Arc::new(AtomicU16::new(200))).await);
    let mut scene = Scene::new("https://letter.example.com/hub", true).await;
    scene.publish().await;
    for stub in [&one, &two] {
        assert!(scene.ask("subscribe", &stub.url, &[("hub.lease_seconds", "3600")]).await);
    }
    scene.pass(Duration::from_secs(3000));
    assert!(scene.ask("subscribe", &two.url, &[("hub.lease_seconds", "3600"), ("hub.secret", "new")]).await);
    scene.pass(Duration::from_secs(700));
    scene.change("<feed>two</feed>");
    scene.publish().await;
    assert_eq!((deliveries(&one).len(), deliveries(&two).len()), (0, 1));
    assert!(deliveries(&two)[0].headers.contains_key("x-hub-signature"), "the new secret holds");
}

#[tokio::test]
async fn leases_have_bounds() {
    let stub = subscriber(Arc::new(AtomicU16::new(200))).await;
    let scene = Scene::new("https://letter.example.com/hub", true).await;
    for (asked, given) in [("", "864000"), ("1", "300"), ("999999999999", "2592000"), ("7200", "7200")] {
        scene.ask("subscribe", &stub.url, &[("hub.lease_seconds", asked)]).await;
        assert_eq!(stub.asked().last().unwrap().query("hub.lease_seconds").as_deref(), Some(given), "asked for {asked:?}");
    }
}

#[tokio::test]
async fn a_host_has_a_limited_number_of_subscriptions() {
    let stub = subscriber(Arc::new(AtomicU16::new(200))).await;
    let scene = Scene::new("https://letter.example.com/hub", true).await;
    for n in 0..200 {
        assert!(scene.ask("subscribe", &format!("{}/{n}", stub.url), &[]).await, "number {n}");
    }
    assert!(!scene.ask("subscribe", &format!("{}/200", stub.url), &[]).await);
    assert_eq!(stub.asked().last().unwrap().query("hub.mode").as_deref(), Some("denied"), "it is told why");
    assert!(scene.ask("subscribe", &format!("{}/7", stub.url), &[]).await, "renewing is no new one");
}

#[test]
fn a_request_that_is_wrong_is_refused_in_words() {
    let fetch = Fetch::new(None, false).unwrap();
    let good = "https://reader.example.org/callback";
    let long = "s".repeat(200);
    let cases: [(Vec<(String, String)>, &str); 11] = [
        (vec![], "hub.mode is missing"),
        (form("publish", TOPIC, good, &[]), "hub.mode is subscribe or unsubscribe"),
        (form("subscribe", "", good, &[]), "hub.topic is missing"),
        (form("subscribe", TOPIC, "reader.example.org", &[]), "hub.callback is not an address"),
        (form("subscribe", TOPIC, "ftp://reader.example.org/", &[]), "hub.callback cannot be used"),
        (form("subscribe", TOPIC, "http://user:word@reader.example.org/", &[]), "hub.callback cannot be used"),
        (form("subscribe", TOPIC, "http://127.0.0.1/", &[]), "private address"),
        (form("subscribe", TOPIC, "http://[::ffff:10.0.0.1]/", &[]), "private address"),
        (form("subscribe", TOPIC, "http://2852039166/latest/meta-data", &[]), "private address"),
        (form("subscribe", TOPIC, good, &[("hub.lease_seconds", "a day")]), "hub.lease_seconds is not a number"),
        (form("subscribe", TOPIC, good, &[("hub.secret", &long)]), "hub.secret has more than 199 bytes"),
    ];
    for (fields, expected) in cases {
        let said = Request::parse(&fields, &fetch).map(|_| ()).unwrap_err();
        assert!(said.contains(expected), "{fields:?}: {said}");
    }
    assert!(Request::parse(&form("subscribe", TOPIC, good, &[("hub.secret", &long[1..])]), &fetch).is_ok());
}

// ---- through the service ----

const OWN_HUB: &str = "[fetch]\nallow_private = [\"127.0.0.1\"]\n[[feed]]\nid = \"main\"\nhub = \"self\"\n";

fn request(topic: &str, callback: &str) -> String {
    let fields = [("hub.mode", "subscribe"), ("hub.topic", topic), ("hub.callback", callback), ("hub.secret", "tide")];
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_is_a_hub_for_its_own_feeds() {
    let stub = subscriber(Arc::new(AtomicU16::new(200))).await;
    let served = Served::new(OWN_HUB).await;
    let feed = served.get("/atom.xml", &[]).await;
    assert!(feed.header("link").contains("<https://letter.example.com/hub>; rel=\"hub\""), "{feed:?}");
    assert!(feed.text().contains("https://letter.example.com/hub"), "the feed names the hub, too");
    // Twice, as impatient readers do: then the first request has been settled when the second is asked.
    for times in 1..=2 {
        assert_eq!(served.post("/hub", &request(TOPIC, &stub.url)).await.status, 202);
        stub.asked_times(times).await;
    }
    served.article("boats", "On boats", "2026-11-03", "They float.");
    let changed = served.changed("/atom.xml", feed.header("etag")).await;
    let asked = stub.asked_times(3).await;
    assert_eq!((asked[2].method.as_str(), &asked[2].body), ("POST", &changed.body), "the subscriber has the feed as it is served");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_topic_is_denied() {
    let stub = subscriber(Arc::new(AtomicU16::new(200))).await;
    let served = Served::new(OWN_HUB).await;
    assert_eq!(served.post("/hub", &request("https://letter.example.com/nothing.xml", &stub.url)).await.status, 202);
    let asked = stub.asked_times(1).await.remove(0);
    assert_eq!((asked.method.as_str(), asked.query("hub.mode").as_deref()), ("GET", Some("denied")));
    assert!(asked.query("hub.reason").unwrap().contains("no such topic"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_without_a_hub_of_its_own_takes_no_requests() {
    let served = Served::new("").await;
    assert_eq!(served.post("/hub", &request(TOPIC, "https://reader.example.org/")).await.status, 404);
    let served = Served::new("[[feed]]\nid = \"main\"\nhub = \"self\"\n").await;
    let reply = served.post("/hub", &request(TOPIC, "http://127.0.0.1:9/")).await;
    assert!(reply.status == 400 && reply.text().contains("private address"), "{reply:?}");
    for method in ["GET", "HEAD"] {
        let reply = crate::support::http::ask(served.address, method, "/hub", &[], "").await;
        assert_eq!(reply.status, 405, "{method} asks for nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_pings_a_hub_at_the_start_and_when_a_feed_changes() {
    let hub = Stub::start(|_| (204, String::new())).await;
    let config =
        format!("[fetch]\nallow_private = [\"127.0.0.0/8\"]\n[[feed]]\nid = \"news\"\nformats = [\"atom\"]\nhub = \"{}/\"\n", hub.url);
    let served = Served::new(&config).await;
    // The feeds of tags and authors are in its manner, and there are none.
    let first = hub.asked_times(1).await;
    assert_eq!(first[0].field("hub.url").as_deref(), Some("https://letter.example.com/feeds/news/atom.xml"));
    let dir = served.ended().await;
    let served = Served::open(dir, |_| ()).await;
    let tag = served.get("/feeds/news/atom.xml", &[]).await.header("etag").to_owned();
    served.article("boats", "On boats", "2026-11-03", "They float.");
    served.changed("/feeds/news/atom.xml", &tag).await;
    hub.asked_times(2).await;
    assert_eq!(hub.asked().len(), 2, "a restart alone is no change");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_waits_for_no_hub() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hub = silent.local_addr().unwrap();
    let served =
        Served::new(&format!("[fetch]\nallow_private = [\"127.0.0.1\"]\n[[feed]]\nid = \"main\"\nhub = \"http://{hub}/\"\n")).await;
    // It takes the connection, and says nothing.
    let (_held, _) = silent.accept().await.unwrap();
    let start = Instant::now();
    served.ended().await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
