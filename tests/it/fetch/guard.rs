//! Nobody leads us into a private network. A server we may reach (127.0.0.2) does its best to, and a canary on the same port counts who comes.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use postrider::fetch::{Fetch, FetchError, HeaderMap, Lookup, Message, Method, Rules};
use postrider::model::{Clock, Timestamp};
use url::Url;

use super::url;
use crate::support::web::{Answer, Canary, Hit, Web};

/// What stands for the public internet.
const PUBLIC: &str = "127.0.0.2";

/// A server, canaries on its port at every other address a redirect could mean, and a fetcher that knows some names.
struct Scene {
    web: Web,
    canaries: Vec<Canary>,
    fetch: Fetch,
    /// How often a name was looked up.
    looked_up: Arc<AtomicUsize>,
}

impl Scene {
    /// `names` gives for each the addresses of the first lookup, of the second, and so on; the last stay.
    async fn new(names: &[(&str, &[&[&str]])], answer: impl Fn(&Hit) -> Answer + Send + Sync + 'static) -> Self {
        let web = Web::on(PUBLIC, Clock::fixed(Timestamp(0)), answer).await;
        let mut canaries = Vec::new();
        for ip in ["127.0.0.1", "127.0.0.3", "::1"] {
            canaries.extend(Canary::on(ip.parse().unwrap(), web.address.port()).await);
        }
        assert!(!canaries.is_empty(), "nothing would be seen");
        let looked_up = Arc::new(AtomicUsize::new(0));
        let lookup = lookup(names, looked_up.clone());
        let fetch = Fetch::with(None, Rules { allowed: vec!["127.0.0.2/32".parse().unwrap()], lookup, ..Rules::default() }).unwrap();
        Self { web, canaries, fetch, looked_up }
    }

    /// The port stands where `PORT` does.
    fn filled(&self, text: &str) -> String {
        text.replace("PORT", &self.web.address.port().to_string())
    }

    fn assert_nobody_came(&self) {
        for canary in &self.canaries {
            assert_eq!(canary.reached(), 0, "{} was reached", canary.address);
        }
    }
}

/// Names as told; all others as the system has them.
fn lookup(names: &[(&str, &[&[&str]])], looked_up: Arc<AtomicUsize>) -> Lookup {
    let addresses = |one: &&[&str]| one.iter().map(|ip| ip.parse().unwrap()).collect();
    let names: HashMap<String, Vec<Vec<IpAddr>>> =
        names.iter().map(|(name, answers)| ((*name).to_owned(), answers.iter().map(addresses).collect())).collect();
    let names = Arc::new(Mutex::new(names));
    let system = Rules::default().lookup;
    Arc::new(move |name| {
        looked_up.fetch_add(1, Ordering::Relaxed);
        let mut names = names.lock().unwrap();
        let Some(answers) = names.get_mut(&name) else { return system(name) };
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        Box::pin(async move { io::Result::Ok(answer) })
    })
}

/// Every way we know to write an address nobody may reach.
const PRIVATE: &[&str] = &[
    "http://127.0.0.1:PORT/",
    "http://127.0.0.3:PORT/",
    "http://2130706433:PORT/",
    "http://017700000001:PORT/",
    "http://0x7f000001:PORT/",
    "http://0x7F.0x0.0x0.0x1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://0177.0x0.0.01:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://0x7f.1:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://127%2e0%2E0%2e1:PORT/",
    "http://１２７.０.０.１:PORT/",
    "http://127。0。0。1:PORT/",
    "http://0.0.0.0:PORT/",
    "http://0:PORT/",
    "http://0x0:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::FFFF:7f00:1]:PORT/",
    "http://[::ffff:0.0.0.0]:PORT/",
    // It may be reached by its own name, and not by this one.
    "http://[::ffff:127.0.0.2]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[::]:PORT/",
    "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[64:ff9b::7f00:1]:PORT/",
    "http://[64:ff9b:1::7f00:1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[2002:7f00:0001::1]:PORT/",
    "http://[2001:0:7f00:1::]:PORT/",
    "http://[fe80::1]:PORT/",
    "http://[fd00::1]:PORT/",
    "http://localhost:PORT/",
    "http://LOCALHOST:PORT/",
    "http://LocalHost.:PORT/",
    "http://%6c%6f%63alhost:PORT/",
    "http://ⓛocalhost:PORT/",
    "HTTP://127.0.0.1:PORT/",
    "//127.0.0.1:PORT/",
    "\\\\127.0.0.1:PORT/",
    "/\\127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT/",
    "http:////127.0.0.1:PORT/",
    "http://127.0\t.0.1:PORT/",
    "http://127.0.0.1\\@127.0.0.2:PORT/",
    "http://private.example.com:PORT/",
    "http://PRIVATE.example.com:PORT/",
    "http://mapped.example.com:PORT/",
    "http://mixed.example.com:PORT/",
    "http://mixed-too.example.com:PORT/",
    "http://10.0.0.1:PORT/",
    "http://169.254.169.254/latest/meta-data/",
    "http://metadata.example.com/latest/meta-data/",
];

/// What is no address for us at all.
const NO_ADDRESS: &[&str] = &[
    "http://user@127.0.0.1:PORT/",
    "http://127.0.0.2@127.0.0.1:PORT/",
    "http://127.0.0.2:80@127.0.0.1:PORT/",
    "http://127.0.0.2%2f@127.0.0.1:PORT/",
    "http://127.0.0.2%00@127.0.0.1:PORT/",
    "http://user:pass@127.0.0.2:PORT/",
    "http://127.0.0.1%00.example.com:PORT/",
    "http://[127.0.0.1]:PORT/",
    "http://0x7f.0.0.0x100:PORT/",
    "file:///etc/passwd",
    "FILE://127.0.0.1/etc/passwd",
    "ftp://127.0.0.1:PORT/",
    "gopher://127.0.0.1:PORT/_",
    "data:text/xml,<rss/>",
    "javascript:alert(1)",
    "unix:/var/run/docker.sock",
];

const NAMES: &[(&str, &[&[&str]])] = &[
    // Not every machine knows these.
    ("localhost", &[&["127.0.0.1", "::1"]]),
    ("localhost.", &[&["127.0.0.1"]]),
    ("private.example.com", &[&["127.0.0.1"]]),
    ("mapped.example.com", &[&["::ffff:127.0.0.1"]]),
    ("mixed.example.com", &[&[PUBLIC, "127.0.0.1"]]),
    ("mixed-too.example.com", &[&["::1", PUBLIC]]),
    ("metadata.example.com", &[&["169.254.169.254"]]),
];

#[tokio::test]
async fn no_redirect_however_written_leads_to_a_private_address() {
    let targets: Vec<&str> = PRIVATE.iter().chain(NO_ADDRESS).copied().collect();
    let scene = Scene::new(NAMES, move |hit| {
        // /STATUS/HOPS LEFT/TARGET/PORT
        let parts: Vec<usize> = hit.path.split('/').skip(1).map(|part| part.parse().unwrap()).collect();
        let [status, left, target, port] = parts[..] else { panic!("{}", hit.path) };
        let to = match left {
            1 => targets[target].replace("PORT", &port.to_string()),
            _ => format!("/{status}/{}/{target}/{port}", left - 1),
        };
        Answer::to(u16::try_from(status).unwrap(), to)
    })
    .await;
    for status in [301, 302, 303, 307, 308] {
        for hops in [1, 5] {
            for (number, target) in PRIVATE.iter().chain(NO_ADDRESS).enumerate() {
                let path = format!("/{status}/{hops}/{number}/{}", scene.web.address.port());
                let refused = scene.fetch.get(&scene.web.url(&path)).await;
                let expected = if number < PRIVATE.len() { "Private" } else { "Address" };
                let is_expected = match &refused {
                    Err(FetchError::Private(_)) => expected == "Private",
                    Err(FetchError::Address(_)) => expected == "Address",
                    _ => false,
                };
                assert!(is_expected, "{target:?} after {hops} × {status}: {expected} was expected, not {refused:?}");
            }
        }
    }
    scene.assert_nobody_came();
}

#[tokio::test]
async fn no_private_address_is_asked_or_told_at_first_hand_either() {
    let scene = Scene::new(NAMES, |_| Answer::ok("public")).await;
    for target in PRIVATE {
        // Those that are none without something before them are redirects only.
        let Ok(target) = Url::parse(&scene.filled(target)) else { continue };
        let refused = scene.fetch.get(&target).await;
        assert!(matches!(refused, Err(FetchError::Private(_))), "{target}: {refused:?}");
        let message = Message { method: Method::POST, url: target.clone(), headers: HeaderMap::new(), body: "tide".into() };
        let refused = scene.fetch.tell(message).await;
        assert!(matches!(refused, Err(FetchError::Private(_))), "told to {target}: {refused:?}");
    }
    for target in NO_ADDRESS {
        // Some are no address for anybody.
        let Ok(target) = Url::parse(&scene.filled(target)) else { continue };
        let refused = scene.fetch.get(&target).await;
        assert!(matches!(refused, Err(FetchError::Address(_))), "{target}: {refused:?}");
    }
    assert_eq!(scene.web.connections(), 0, "a name with a public and a private address is not asked at the public one");
    assert_eq!(scene.fetch.get(&scene.web.url("/")).await.unwrap().body, b"public", "what is allowed is allowed");
    scene.assert_nobody_came();
}

#[tokio::test]
async fn private_networks_are_refused_without_a_server() {
    let fetch = Fetch::new(None, false).unwrap();
    let hosts = [
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "100.127.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "[fc00::1]",
        "[fd12:3456::1]",
        "[ff02::1]",
        "[fec0::1]",
        "[100::1]",
        "[2001:db8::1]",
        "[3fff::1]",
        "[5f00::1]",
    ];
    for host in hosts {
        let refused = fetch.get(&url(&format!("http://{host}:9/"))).await;
        assert!(matches!(refused, Err(FetchError::Private(_))), "{host}: {refused:?}");
    }
    for host in ["8.8.8.8", "100.128.0.1", "172.32.0.1", "192.0.1.1", "198.20.0.1", "223.255.255.255", "[2606:4700::1111]"] {
        assert!(fetch.check(&url(&format!("http://{host}/"))).is_ok(), "{host} is public");
    }
}

#[tokio::test]
async fn a_refresh_header_leads_nowhere() {
    let scene = Scene::new(&[], |hit| Answer::ok("here").header("Refresh", format!("0; url=http://127.0.0.1:{}/", &hit.path[1..]))).await;
    let answer = scene.fetch.get(&scene.web.url(&scene.filled("/PORT"))).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"here".as_slice()));
    scene.assert_nobody_came();
}

#[tokio::test]
async fn a_name_that_becomes_private_between_two_requests_is_not_followed() {
    let names: &[(&str, &[&[&str]])] =
        &[("rebinds.example.com", &[&[PUBLIC], &["127.0.0.1"]]), ("redirects.example.com", &[&[PUBLIC], &["127.0.0.1"]])];
    let scene = Scene::new(names, |hit| match hit.path.as_str() {
        "/again" => Answer::to(302, "/secret").header("Connection", "close"),
        _ => Answer::ok("public").closing(),
    })
    .await;
    let first = scene.fetch.get(&scene.web.url_at("rebinds.example.com", "/")).await.unwrap();
    assert_eq!(first.body, b"public");
    assert_eq!(scene.looked_up.load(Ordering::Relaxed), 1, "the addresses that were checked are those that are connected to");
    for _ in 0..3 {
        let refused = scene.fetch.get(&scene.web.url_at("rebinds.example.com", "/")).await;
        assert!(matches!(refused, Err(FetchError::Private(_))), "{refused:?}");
    }
    let refused = scene.fetch.get(&scene.web.url_at("redirects.example.com", "/again")).await;
    assert!(matches!(refused, Err(FetchError::Private(_))), "a redirect to itself is looked up again: {refused:?}");
    scene.assert_nobody_came();
}

#[tokio::test]
async fn a_connection_made_for_one_name_is_used_for_no_other() {
    let names: &[(&str, &[&[&str]])] =
        &[("one.example.com", &[&[PUBLIC]]), ("two.example.com", &[&[PUBLIC]]), ("bad.example.com", &[&["127.0.0.1"]])];
    let scene = Scene::new(names, |hit| Answer::ok(hit.host.clone())).await;
    for name in ["one.example.com", "one.example.com", "two.example.com"] {
        let answer = scene.fetch.get(&scene.web.url_at(name, "/")).await.unwrap();
        assert_eq!(answer.body, name.as_bytes());
    }
    let connections: Vec<usize> = scene.web.hits().iter().map(|hit| hit.connection).collect();
    assert_eq!(connections, [0, 0, 1], "the second request used the first's connection, the third did not");
    let refused = scene.fetch.get(&scene.web.url_at("bad.example.com", "/")).await;
    assert!(matches!(refused, Err(FetchError::Private(_))), "{refused:?}");
    scene.assert_nobody_came();
}
