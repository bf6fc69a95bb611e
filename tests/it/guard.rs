//! What protects people, and us, from strangers who type in addresses: bombing, listening for who is known, programs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use postrider::config::{Config, PostgresUrl, StoreUrl};
use postrider::model::relay::TlsMode;
use postrider::model::{EmailAddress, ListId, SubscriptionState, Timestamp};
use postrider::send::Sender;
use postrider::store::subscribers::NewSubscriber;
use postrider::subscribe::join::stamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::send::driver::relay;
use crate::support::http::{Reply, Served, Stub, until};
use crate::support::postgres::Postgres;
use crate::support::smtp::{Act, Event, FULL, Server};
use crate::support::store::on_postgres;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const DAY: Duration = Duration::from_secs(86_400);

/// Behind a proxy on this machine, and on the store this run of the tests is about.
fn proxied(config: &mut Config) {
    config.web.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    if on_postgres() {
        config.store = StoreUrl::Postgres(PostgresUrl::parse(&Postgres::shared().database()).unwrap());
    }
}

/// A stamp as the page showed it so many seconds ago.
fn stamp_of(served: &Served, seconds_ago: i64) -> String {
    stamp(&served.app.key, Timestamp::from_secs(served.app.clock.now().secs() - seconds_ago))
}

/// A host of a network with that number; no two numbers share a /24.
fn host(network: usize, number: usize) -> String {
    format!("198.{}.{}.{}", 18 + network / 256 % 2, network % 256, 1 + number % 250)
}

/// A connection that is kept.
struct Line(BufReader<TcpStream>);

impl Line {
    async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// A POST that the proxy passes on for `client`.
    async fn post(&mut self, path: &str, client: &str, kind: &str, body: &str) -> Reply {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: {client}\r\nContent-Type: {kind}\r\n");
        self.0.get_mut().write_all(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes()).await.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.0.read_line(&mut head).await.unwrap() > 0, "the service hung up after {head:?}");
        }
        let mut reply = Reply::parse(head.as_bytes()).unwrap();
        let length = reply.header("content-length").parse().unwrap_or_else(|_| panic!("no length in {head}"));
        reply.body = vec![0; length];
        self.0.read_exact(&mut reply.body).await.unwrap();
        reply
    }

    /// Somebody signs up, on the page or by a script.
    async fn join(&mut self, email: &str, stamp: Option<&str>, client: &str) -> Reply {
        match stamp {
            Some(stamp) => {
                let form = format!("email={}&list=weekly&website=&stamp={stamp}", email.replace('@', "%40"));
                self.post("/subscribe", client, FORM, &form).await
            }
            None => self.post("/api/subscribe", client, JSON, &format!("{{\"email\":\"{email}\",\"lists\":[\"weekly\"]}}")).await,
        }
    }
}

/// Waits until nothing that was typed waits any more, and sends what came of it.
async fn deliver(served: &Served) {
    let store = &served.app.store;
    until("every sign-up was looked at", async || store.sign_ups(1).await.unwrap().is_empty().then_some(())).await;
    let sender = Sender::new(store.clone(), &served.app.config, served.app.key.clone(), served.app.clock.clone());
    for issue in store.sendable_issues(served.app.clock.now()).await.unwrap() {
        sender.run_issue(issue, &CancellationToken::new()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_sign_ups_of_one_victim_from_50_networks_send_one_mail() {
    bomb(50).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes up to half a minute: run scripts/test"]
async fn ten_thousand_sign_ups_of_one_victim_from_500_networks_send_one_mail() {
    bomb(500).await;
}

/// As many sign-ups as networks of that number may make in an hour, all of one person.
async fn bomb(networks: usize) {
    let mailbox = Server::start(FULL, |_: &Event| Act::Usual).await;
    let port = mailbox.addr.port();
    let served = Served::with("", |config| {
        proxied(config);
        config.relays = vec![relay(port, TlsMode::None)];
    })
    .await;
    let stamp = stamp_of(&served, 10);
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..4 {
        let (address, stamp) = (served.address, stamp.clone());
        lanes.spawn(async move {
            let mut line = Line::open(address).await;
            let mut answers: BTreeMap<u16, usize> = BTreeMap::new();
            for number in (lane..20 * networks).step_by(4) {
                // One person, however the address is written; each tenth network on the page, the others by a script.
                let email = ["victim@example.org", "Victim@Example.ORG"][number / 4 % 2];
                let stamp = (number % networks).is_multiple_of(10).then_some(stamp.as_str());
                let reply = line.join(email, stamp, &host(number % networks, number / networks)).await;
                *answers.entry(reply.status).or_default() += 1;
            }
            answers
        });
    }
    let mut answers: BTreeMap<u16, usize> = BTreeMap::new();
    for (status, count) in lanes.join_all().await.into_iter().flatten() {
        *answers.entry(status).or_default() += count;
    }
    assert_eq!(answers, BTreeMap::from([(200, 2 * networks), (202, 18 * networks)]), "everybody is told the same");
    let mut line = Line::open(served.address).await;
    for network in [0, 33, networks - 1] {
        let one_more = line.join("victim@example.org", Some(&stamp), &host(network, 99)).await;
        assert_eq!(one_more.status, 429, "twenty an hour from one network: {one_more:?}");
    }
    deliver(&served).await;
    assert_eq!(mailbox.recipients(), ["victim@example.org"], "one mail, not ten thousand");

    // Day after day: three in all, until the address confirms.
    for (day, mails) in [(1, 2), (2, 3), (3, 3), (4, 3)] {
        served.pass(DAY + Duration::from_secs(1));
        for network in 0..20 {
            assert_eq!(line.join("victim@example.org", None, &host(network, day)).await.status, 202);
        }
        deliver(&served).await;
        assert_eq!(mailbox.recipients().len(), mails, "after day {day}");
    }
}

/// Middle and mean in milliseconds.
fn middle_and_mean(times: &mut [Duration]) -> (f64, f64) {
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    (ms(times[times.len() / 2]), times.iter().map(|time| ms(*time)).sum::<f64>() / times.len() as f64)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures time for a minute: run scripts/test"]
async fn known_unknown_and_suppressed_addresses_are_answered_within_5_ms_of_each_other() {
    const ROUNDS: usize = 1_000;
    const KINDS: [&str; 3] = ["known", "unknown", "suppressed"];
    let served = Served::with("", proxied).await;
    let now = served.app.clock.now();
    let weekly = ListId::parse("weekly").unwrap();
    let people = |kind: &'static str| (0..3 * ROUNDS).map(move |n| EmailAddress::parse(&format!("{kind}{n}@example.org")).unwrap());
    for rows in people("known").map(NewSubscriber::new).collect::<Vec<_>>().chunks(1_000) {
        served.app.store.upsert_subscribers(rows, &weekly, SubscriptionState::Confirmed, "test", false, now).await.unwrap();
    }
    let gone: Vec<(EmailAddress, String)> = people("suppressed").map(|email| (email, "test".to_owned())).collect();
    served.app.store.suppress_all(&gone, false, now).await.unwrap();
    let stamp = stamp_of(&served, 10);
    let mut line = Line::open(served.address).await;
    // Each address once on the page, each once by a script, and one of each kind over and over.
    for (way, stamp, over) in [("page", Some(stamp.as_str()), false), ("script", None, false), ("again", Some(stamp.as_str()), true)] {
        let mut times: [Vec<Duration>; 3] = Default::default();
        for round in 0..ROUNDS {
            for turn in 0..3 {
                let kind = (round + turn) % 3;
                let number = if over { 2 * ROUNDS } else { round + if stamp.is_some() { 0 } else { ROUNDS } };
                let email = format!("{}{number}@example.org", KINDS[kind]);
                let begun = Instant::now();
                let reply = line.join(&email, stamp, &host(round % 500, round)).await;
                times[kind].push(begun.elapsed());
                assert!(matches!(reply.status, 200 | 202), "{email}: {reply:?}");
            }
            if round % 500 == 499 {
                served.pass(Duration::from_secs(3_600));
            }
        }
        let figures = times.map(|mut times| middle_and_mean(&mut times));
        for (kind, (middle, mean)) in KINDS.iter().zip(figures) {
            println!("{way}: {kind:<10} median {middle:.3} ms, mean {mean:.3} ms");
        }
        let apart = |pick: fn(&(f64, f64)) -> f64| {
            let all: Vec<f64> = figures.iter().map(pick).collect();
            all.iter().copied().fold(f64::MIN, f64::max) - all.iter().copied().fold(f64::MAX, f64::min)
        };
        let (medians, means) = (apart(|figure| figure.0), apart(|figure| figure.1));
        println!("{way}: medians are {medians:.3} ms apart, means {means:.3} ms");
        assert!(medians < 5.0 && means < 5.0, "{way}: medians {medians:.3} ms and means {means:.3} ms apart");
    }
}

/// The number that a browser would find.
fn prove(bits: u32, stamp: &str, email: &str) -> String {
    let zeros = |hash: [u8; 32]| u128::from_be_bytes(hash[..16].try_into().unwrap()).leading_zeros();
    let holds = |n: &u64| zeros(Sha256::digest(format!("{stamp}:{email}:{n}")).into()) >= bits;
    (0..).find(holds).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_proof_of_work_is_asked_for_nobody_signs_up_without_one() {
    let served = Served::with("", |config| config.web.proof_of_work = 12).await;
    let page = served.get("/subscribe/weekly", &[]).await.text();
    assert!(page.contains("data-work=\"12\"") && page.contains("name=\"proof\""), "{page}");
    assert!(
        page.contains("<noscript>") && page.contains("desk@letter.example.com"),
        "without a script it says so and names an address: {page}"
    );
    let policy = served.get("/subscribe/weekly", &[]).await.header("content-security-policy").to_owned();
    assert!(policy.contains("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    let script = page.split("<script src=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a script");
    let script = served.get(script, &[]).await;
    assert_eq!((script.status, script.header("content-type")), (200, "text/javascript; charset=utf-8"));

    let stamp = stamp_of(&served, 10);
    let send = async |email: &str, proof: &str| {
        let email = email.replace('@', "%40");
        served.post("/subscribe", &format!("email={email}&list=weekly&stamp={stamp}&proof={proof}")).await
    };
    let proof = prove(12, &stamp, "ann@example.org");
    for (email, proof) in [("ann@example.org", ""), ("ann@example.org", "x"), ("bob@example.org", proof.as_str())] {
        let reply = send(email, proof).await;
        assert!(reply.status == 422 && reply.text().contains("still to be done"), "{email} {proof}: {reply:?}");
        assert!(reply.text().contains(email), "what was typed stays: {}", reply.text());
    }
    assert!(served.app.store.sign_ups(1).await.unwrap().is_empty());
    assert!(send("ann@example.org", &proof).await.text().contains("Check your mail"));

    let told: Value = serde_json::from_slice(&served.get("/api/subscribe", &[]).await.body).unwrap();
    assert_eq!(told["proof_of_work"], 12, "{told}");
    let stamp = told["stamp"].as_str().unwrap();
    let mut line = Line::open(served.address).await;
    let mut ask = async |stamp: &str, proof: &str| {
        let asked = serde_json::json!({"email": "cy@example.org", "lists": ["weekly"], "stamp": stamp, "proof": proof});
        let reply = line.post("/api/subscribe", "127.0.0.1", JSON, &asked.to_string()).await;
        (reply.status, reply.text())
    };
    let proof = prove(12, stamp, "cy@example.org");
    for (stamp, proof) in [(stamp, ""), ("AAAA", proof.as_str())] {
        let (status, said) = ask(stamp, proof).await;
        assert!(status == 422 && said.contains("\"field\":\"proof\""), "{status} {said}");
    }
    assert_eq!(ask(stamp, &proof).await.0, 202);
    served.pass(DAY + Duration::from_secs(1));
    assert_eq!(ask(stamp, &proof).await.0, 422, "a stamp is good for a day");
    until("both are people now", async || {
        let ann = served.app.store.person(&EmailAddress::parse("ann@example.org").unwrap()).await.unwrap();
        let cy = served.app.store.person(&EmailAddress::parse("cy@example.org").unwrap()).await.unwrap();
        (ann.is_some() && cy.is_some()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_proof_of_work_no_page_of_ours_has_a_script() {
    let served = Served::new("").await;
    let page = served.get("/subscribe/weekly", &[]).await.text();
    assert!(!page.contains("<script") && !page.contains("noscript"), "{page}");
    let told: Value = serde_json::from_slice(&served.get("/api/subscribe", &[]).await.body).unwrap();
    assert_eq!(told["proof_of_work"], 0, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run scripts/test"]
async fn a_browser_does_the_work_and_without_a_script_the_page_says_what_to_do() {
    let served = Served::with("", |config| config.web.proof_of_work = 16).await;
    let node = tokio::process::Command::new("node")
        .args(["tests/peers/prove.cjs", &format!("http://{}/subscribe/weekly", served.address), "ann@example.org"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    // The service's clock stands still unless somebody moves it, and a person takes their time.
    let time = async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            served.pass(Duration::from_secs(1));
        }
    };
    let out = tokio::select! { out = node => out, () = time => unreachable!("time does not end") }
        .expect("node and playwright-core are not installed: run scripts/setup");
    assert!(out.status.success(), "{out:?}");
    let told: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(told["heading"], "Check your mail", "{told}");
    assert_eq!(told["embedded"], "Check your mail", "a form on another site leads to our page, which does the work: {told}");
    assert_eq!((&told["errors"], &told["elsewhere"]), (&serde_json::json!([]), &serde_json::json!([])), "{told}");
    assert!(told["without"].as_str().unwrap().contains("desk@letter.example.com"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_network_makes_the_hub_ask_a_hundred_callbacks_an_hour_and_no_more() {
    let stub = Stub::start(|_| (404, String::new())).await;
    let served = Served::with("[fetch]\nallow_private = [\"127.0.0.1\"]\n[[feed]]\nid = \"main\"\nhub = \"self\"\n", proxied).await;
    let topic = "https%3A%2F%2Fletter.example.com%2Fatom.xml";
    let callback = stub.url.replace(':', "%3A").replace('/', "%2F");
    let request = format!("hub.mode=subscribe&hub.topic={topic}&hub.callback={callback}");
    let mut line = Line::open(served.address).await;
    for number in 0..100 {
        // 503: thirty-two callbacks are being asked at this moment.
        let reply = line.post("/hub", &host(1, number), FORM, &request).await;
        assert!(matches!(reply.status, 202 | 503), "request {number}: {reply:?}");
    }
    let refused = line.post("/hub", &host(1, 200), FORM, &request).await;
    assert!(refused.status == 429 && refused.header("retry-after").parse::<i64>().unwrap() > 0, "{refused:?}");
    assert_eq!(line.post("/hub", &host(1, 200), FORM, "hub.mode=subscribe").await.status, 400, "what asks nobody is not counted");
    assert!(matches!(line.post("/hub", &host(2, 1), FORM, &request).await.status, 202 | 503), "another network is not held up");
    served.pass(Duration::from_secs(3_600));
    assert!(matches!(line.post("/hub", &host(1, 1), FORM, &request).await.status, 202 | 503), "an hour later it may again");
    assert!(stub.asked().len() <= 102, "{} callbacks were asked", stub.asked().len());
}
