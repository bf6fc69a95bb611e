//! Several processes that ask Sources of the same hosts: each host one thing at a time, each Source in its turn, whoever dies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use postrider::config::StoreUrl;
use postrider::import::{Importer, Told};
use postrider::model::Timestamp;
use postrider::store::hosts::{Claim, Leases, Lent};
use postrider::store::imported::Arrivals;
use postrider::store::sources::{Asked, SourceState};
use postrider::store::{Store, StoreError};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tokio_util::sync::CancellationToken;

use super::scene::{START, Scene};
use crate::support::http::until;
use crate::support::store::Place;
use crate::support::web::{Answer, Hit};

/// As long as the program's own.
const LEASES: Leases = Leases { source: Duration::from_secs(1_800), host: Duration::from_secs(30) };
const HOUR: Duration = Duration::from_secs(3_600);

/// `[[source]]` tables: so many of each host, called `HOST-N`.
fn sources(hosts: &[(&str, usize)]) -> String {
    let table =
        |host: &str, n: usize| format!("[[source]]\nid = \"{host}-{n}\"\nurl = \"http://{host}.example.com:PORT/{host}-{n}.xml\"\n");
    hosts.iter().flat_map(|(host, count)| (1..=*count).map(move |n| table(host, n))).collect()
}

fn feed() -> Answer {
    Answer::ok("<rss version=\"2.0\"><channel><title>A feed</title></channel></rss>")
}

/// How often each address was asked.
fn counts(hits: &[Hit]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    hits.iter().for_each(|hit| *counts.entry(hit.path.trim_start_matches('/').trim_end_matches(".xml").to_owned()).or_default() += 1);
    counts
}

fn assert_each_once(hits: &[Hit], count: usize) {
    let asked = counts(hits);
    assert!(asked.len() == count && asked.values().all(|n| *n == 1), "each of {count} was expected once: {asked:?}");
    assert!(hits.iter().all(|hit| !hit.is_crowded), "no host is asked two things at once: {hits:?}");
}

/// What somebody else takes first of one host, and has for so long.
async fn hold(store: &Store, id: &str, lease: Duration, now: Timestamp) -> Lent {
    match store.claim_source(id, Leases { host: lease, ..LEASES }, now).await.unwrap() {
        Some(Claim::Lent(lent)) => *lent,
        other => panic!("{id} was expected to be free: {other:?}"),
    }
}

/// Asks what is due again and again, as the service does; how many it asked.
async fn until_done(importer: &Importer, is_done: impl Fn() -> bool) -> usize {
    let mut asked = 0;
    while !is_done() {
        asked += importer.ask_due(&CancellationToken::new()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_ask_no_host_two_things_at_once_and_each_source_once() {
    let few = ["a", "b", "c"].map(|host| (host, 8));
    // More than one process takes at once.
    let many: Vec<String> = (1..=40).map(|n| format!("m{n}")).collect();
    let all: Vec<(&str, usize)> = few.into_iter().chain(many.iter().map(|host| (host.as_str(), 2))).collect();
    let count = all.iter().map(|(_, n)| n).sum::<usize>();
    let scene = Scene::new(&sources(&all), |_| feed().after(Duration::from_millis(20))).await;
    // Its clock is wrong by less than a lease.
    let beside = scene.beside(Duration::from_secs(10)).await;
    let mut hits = Vec::new();
    for _ in 0..2 {
        let before = scene.web.hits().len();
        let is_done = || scene.web.hits().len() >= before + count && scene.web.is_idle();
        let (one, other) = tokio::join!(until_done(&scene.importer, is_done), until_done(&beside.importer, is_done));
        assert!(one + other == count && one > 0 && other > 0, "of {count} they asked {one} and {other}");
        println!("of {count} they asked {one} and {other}");
        hits = scene.web.hits();
        assert_each_once(&hits[before..], count);
        scene.pass(2 * HOUR);
    }
    assert_eq!(hits.len(), 2 * count);
    for row in scene.store.sources().await.unwrap() {
        assert_eq!(row.failures, 0, "{}: {:?}", row.id, row.said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_of_a_process_that_died_is_asked_after_its_lease_and_not_before_and_nothing_is_lost() {
    let dead = Arc::new(AtomicUsize::new(0));
    let answered = dead.clone();
    let scene = Scene::new(&sources(&[("slow", 3), ("other", 1)]), move |hit| match hit.host.as_str() {
        "slow.example.com" if answered.load(Ordering::Relaxed) == 0 => feed().after(Duration::from_millis(300)),
        _ => feed(),
    })
    .await;
    let beside = scene.beside(Duration::ZERO).await;
    let importer = scene.importer.clone();
    let asking = tokio::spawn(async move { importer.ask_due(&CancellationToken::new()).await });
    until("the slow one is asked", async || (scene.web.hits().len() == 2).then_some(())).await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled(), "it died in mid-request");
    dead.store(1, Ordering::Relaxed);
    until("the server is done with it", async || scene.web.is_idle().then_some(())).await;
    let first = scene.web.hits();
    let cut = counts(&first).into_keys().find(|id| id.starts_with("slow")).unwrap();

    let asked_after = async |pass: Duration| {
        let before = scene.web.hits().len();
        scene.pass(pass);
        beside.ask().await;
        counts(&scene.web.hits()[before..]).into_keys().filter(|id| id.starts_with("slow")).collect::<Vec<_>>()
    };
    assert_eq!(asked_after(Duration::from_secs(29)).await, Vec::<String>::new(), "its lease is not over");
    let others = asked_after(Duration::from_secs(1)).await;
    assert!(others.len() == 2 && !others.contains(&cut), "the others of its host come first: {others:?}, {cut} was cut off");
    assert_eq!(asked_after(Duration::from_secs(29 * 60)).await, Vec::<String>::new(), "what may have killed it is not asked again so soon");
    assert_eq!(asked_after(Duration::from_secs(30)).await, [cut], "nor is it lost");
    assert!(scene.web.hits().iter().all(|hit| !hit.is_crowded), "no host is asked two things at once");
}

#[tokio::test]
async fn a_late_answer_is_kept_and_frees_no_host_that_somebody_else_has_by_now() {
    let scene = Scene::new(&sources(&[("one", 3)]), |_| feed()).await;
    let late = hold(&scene.store, "one-1", LEASES.host, START).await;
    scene.pass(LEASES.host);
    let [theirs] = &scene.store.claim_sources(16, LEASES, scene.now()).await.unwrap()[..] else { panic!("the lease is over") };
    assert!(!scene.store.renew_host(&late, LEASES.host, scene.now()).await.unwrap(), "what was lost cannot be kept");
    let (asked, nothing) = (Asked::default(), Arrivals::default());
    scene.store.keep_answer(&late, &asked, &nothing, scene.now().plus(HOUR), scene.now()).await.unwrap();
    scene.store.give_back(std::slice::from_ref(&late), None).await.unwrap();
    assert_eq!(scene.store.claim_sources(16, LEASES, scene.now()).await.unwrap(), [], "the host is still theirs");
    assert!(scene.store.renew_host(theirs, LEASES.host, scene.now()).await.unwrap());

    // Somebody gives the Source another address meanwhile: the answer is not wanted, and the host is free all the same.
    scene.store.sync_sources(&[(&theirs.source.id, "http://elsewhere.example.com/")], scene.now()).await.unwrap();
    let refused = scene.store.keep_answer(theirs, &asked, &nothing, scene.now().plus(HOUR), scene.now()).await;
    assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
    let free = scene.store.claim_sources(16, LEASES, scene.now()).await.unwrap();
    let hosts: Vec<_> = free.iter().map(|lent| lent.source.host.clone().unwrap()).collect();
    assert!(
        hosts.len() == 2 && ["one.example.com", "elsewhere.example.com"].iter().all(|host| hosts.iter().any(|h| h == host)),
        "{hosts:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_by_hand_waits_for_a_busy_host_and_is_the_next_to_have_it() {
    let scene = Scene::new(&sources(&[("busy", 3), ("free", 1)]), |_| feed()).await;
    let beside = scene.beside(Duration::ZERO).await;
    let theirs = hold(&beside.store, "busy-1", LEASES.host, START).await;
    let rows = scene.store.sources().await.unwrap().into_iter().filter(|row| row.id == "busy-2" || row.id == "free-1");
    let mut told = scene.importer.ask_these(rows.collect());
    let mut next = async || tokio::time::timeout(Duration::from_secs(15), told.recv()).await.expect("something comes of it");
    assert_eq!(next().await.unwrap().unwrap().source, "free-1", "nobody else waits");
    let is_wanted = async || {
        // It says that it waits before the host is free, and then no queue of others comes first.
        tokio::time::sleep(Duration::from_millis(600)).await;
        beside.store.give_back(std::slice::from_ref(&theirs), Some(START)).await.unwrap();
        beside.store.claim_sources(16, LEASES, START).await.unwrap()
    };
    assert_eq!(is_wanted().await, [], "the host is left to whoever waits");
    let Told { source, asked, .. } = next().await.unwrap().unwrap();
    assert!(source == "busy-2" && !asked.failed, "{source}: {asked:?}");
    assert_eq!(counts(&scene.web.hits()).into_keys().collect::<Vec<_>>(), ["busy-2", "free-1"]);
    assert_eq!(beside.ask().await, 2, "and then the others go on");
    assert!(scene.web.hits().iter().all(|hit| !hit.is_crowded));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_by_hand_for_a_host_that_stays_busy_is_told_so() {
    let scene = Scene::new(&sources(&[("busy", 3), ("free", 1)]), |_| feed()).await;
    let _theirs = hold(&scene.store, "busy-1", HOUR, START).await;
    let mut told = scene.importer.ask_these(scene.store.sources().await.unwrap());
    let mut next = async || tokio::time::timeout(Duration::from_secs(15), told.recv()).await.expect("something comes of it");
    assert_eq!(next().await.unwrap().unwrap().source, "free-1");
    scene.pass(Duration::from_secs(60));
    for id in ["busy-1", "busy-2", "busy-3"] {
        let one = next().await.unwrap().unwrap();
        assert!(one.is_put_off && one.asked.failed && one.source == id, "{one:?}");
        assert!(one.words().contains("another process is asking its site"), "{}", one.words());
    }
    assert!(next().await.is_none(), "that was all");
    assert_eq!(scene.web.hits().len(), 1);
    let row = scene.store.source("busy-2").await.unwrap().unwrap();
    assert_eq!((row.failures, row.said), (0, None), "it is no failure of the source");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_held_up_for_longer_than_its_lease_stops_asking() {
    let scene = Scene::new(&sources(&[("silent", 2)]), |hit| match hit.path.as_str() {
        "/silent-1.xml" => feed().then_silence(),
        _ => feed(),
    })
    .await;
    let importer = scene.importer.clone();
    let asking = tokio::spawn(async move { importer.ask_due(&CancellationToken::new()).await });
    let first = until("it is asked", async || scene.web.hits().first().map(|hit| hit.path.clone())).await;
    assert_eq!(first, "/silent-1.xml", "of those that are due together the first of the file comes first");
    scene.pass(LEASES.host);
    let theirs = hold(&scene.store, "silent-2", HOUR, scene.now()).await;
    // It looks every ten seconds, and would wait twenty for the answer.
    let ended = tokio::time::timeout(Duration::from_secs(15), asking).await.expect("it hangs up when the host is not its own any more");
    ended.unwrap().unwrap();
    assert_eq!(scene.web.hits().len(), 1);
    assert!(scene.store.renew_host(&theirs, HOUR, scene.now()).await.unwrap(), "it freed nobody else's host");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_kept_for_as_long_as_its_answer_takes() {
    let scene = Scene::new(&sources(&[("silent", 2)]), |_| feed().then_silence()).await;
    let beside = scene.beside(Duration::ZERO).await;
    let importer = scene.importer.clone();
    let asking = tokio::spawn(async move { importer.ask_due(&CancellationToken::new()).await });
    until("it is asked", async || scene.web.hits().first().map(|_| ())).await;
    // The clock runs twice as fast as it should, and longer than a lease.
    for _ in 0..32 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        scene.pass(Duration::from_millis(1_100));
        assert_eq!(beside.store.claim_sources(16, LEASES, scene.now()).await.unwrap(), [], "after {:?}", scene.now().since(START));
    }
    assert!(scene.now().since(START) > LEASES.host && !asking.is_finished());
    asking.abort();
    let _ = asking.await;
    scene.pass(LEASES.host);
    assert_eq!(beside.store.claim_sources(16, LEASES, scene.now()).await.unwrap().len(), 1, "and no longer");
}

#[tokio::test]
async fn a_source_is_asked_in_the_turn_of_the_host_it_has_come_to_stand_at() {
    let scene = Scene::new(&sources(&[("old", 1), ("new", 1)]), |hit| {
        let port = hit.headers["host"].rsplit(':').next().unwrap();
        match hit.host.as_str() {
            "old.example.com" => Answer::to(301, format!("http://new.example.com:{port}{}", hit.path)),
            _ => feed(),
        }
    })
    .await;
    let host = async || scene.store.source("old-1").await.unwrap().unwrap().host.unwrap();
    for times in 0..3 {
        assert_eq!(host().await, "old.example.com", "after {times} answers that say it has moved");
        scene.ask().await;
        scene.pass(2 * HOUR);
    }
    assert_eq!(host().await, "new.example.com");
    let theirs = hold(&scene.store, "new-1", HOUR, scene.now()).await;
    let before = scene.web.hits().len();
    assert_eq!(scene.ask().await, 0, "its new host is busy");
    scene.store.give_back(&[theirs], Some(scene.now())).await.unwrap();
    assert_eq!(scene.ask().await, 2);
    assert_each_once(&scene.web.hits()[before..], 2);
}

#[tokio::test]
async fn what_is_paused_or_not_configured_keeps_nobody_waiting_and_what_goes_on_is_asked() {
    let paused: Vec<String> = (1..=40).map(|n| format!("p{n}")).collect();
    let all: Vec<(&str, usize)> = paused.iter().map(|host| (host.as_str(), 1)).chain([("live", 2)]).collect();
    let scene = Scene::new(&sources(&all), |_| feed()).await;
    scene.store.sync_sources(&[("stranger", "http://live.example.com/stranger.xml")], Timestamp(START.0 - 1)).await.unwrap();
    for host in &paused {
        scene.store.set_source(&format!("{host}-1"), SourceState::Paused).await.unwrap();
    }
    assert_eq!(scene.ask().await, 2, "the two that are configured and not paused");
    assert_each_once(&scene.web.hits(), 2);
    assert!(scene.store.next_source_at().await.unwrap().is_some_and(|at| at > scene.now()), "nothing is due any more");
    for host in &paused[..3] {
        scene.store.set_source(&format!("{host}-1"), SourceState::Active).await.unwrap();
    }
    assert_eq!(scene.ask().await, 3, "those that go on");
    scene.store.set_source("live-1", SourceState::Paused).await.unwrap();
    scene.pass(2 * HOUR);
    assert_eq!(scene.ask().await, 4, "and in their turn");
}

#[tokio::test]
async fn a_store_from_before_hosts_took_turns_learns_them_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.db");
    let store = Store::open(&StoreUrl::Sqlite(file.clone()), START).await.unwrap();
    let sources = [("a-1", "http://a.example.com/1"), ("a-2", "http://a.example.com/2"), ("b-1", "http://b.example.com/1")];
    store.sync_sources(&sources, START).await.unwrap();
    let mut other = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
    for sql in ["UPDATE sources SET host = NULL", "DELETE FROM hosts"] {
        sqlx::query(sql).execute(&mut other).await.unwrap();
    }
    assert_eq!(store.claim_sources(16, LEASES, START).await.unwrap(), []);
    store.sync_sources(&sources, START.plus(HOUR)).await.unwrap();
    let lent = store.claim_sources(16, LEASES, START).await.unwrap();
    let hosts: Vec<_> = lent.iter().map(|lent| lent.source.host.as_deref().unwrap()).collect();
    assert_eq!(hosts, ["a.example.com", "b.example.com"], "due as they were before, and one of each host");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_place_when_the_process_stops_is_given_back() {
    let hosts: Vec<String> = (1..=30).map(|n| format!("h{n}")).collect();
    let all: Vec<(&str, usize)> = hosts.iter().map(|host| (host.as_str(), 2)).collect();
    let scene = Scene::new(&sources(&all), |_| feed().after(Duration::from_millis(100))).await;
    let (importer, stop) = (scene.importer.clone(), CancellationToken::new());
    let told = stop.clone();
    let asking = tokio::spawn(async move { importer.ask_due(&told).await });
    until("some are asked", async || (scene.web.hits().len() > 16).then_some(())).await;
    stop.cancel();
    asking.await.unwrap().unwrap();
    let asked = scene.web.hits().len();
    assert!(asked < 60, "it stopped before the end: {asked}");
    scene.ask().await;
    assert_each_once(&scene.web.hits(), 60);
}

/// The time that one of `n` Sources takes to be claimed and given back, the middle of many.
async fn time_of_a_turn(n: usize, hosts: usize) -> Duration {
    let place = Place::new();
    let store = place.open(START).await;
    let named: Vec<(String, String)> = (0..n).map(|i| (format!("s{i}"), format!("http://h{}.example.com/{i}", i % hosts))).collect();
    let all: Vec<(&str, &str)> = named.iter().map(|(id, url)| (id.as_str(), url.as_str())).collect();
    store.sync_sources(&all, START).await.unwrap();
    let mut times = Vec::new();
    for turn in 0..60 {
        let start = Instant::now();
        let lent = store.claim_sources(16, LEASES, START).await.unwrap();
        assert_eq!(lent.len(), hosts.min(16), "one of each host, in turn {turn}");
        // Somebody else looks meanwhile.
        let theirs = store.claim_sources(16, LEASES, START).await.unwrap();
        assert_eq!(theirs.len(), (hosts - lent.len()).min(16), "and of no host that is taken");
        store.give_back(&lent, Some(START.plus(HOUR))).await.unwrap();
        times.push(start.elapsed() / u32::try_from(lent.len()).unwrap());
    }
    store.close().await;
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_among_ten_thousand_sources_costs_what_it_costs_among_a_hundred() {
    let few = time_of_a_turn(100, 1).await;
    let one_host = time_of_a_turn(10_000, 1).await;
    let own_hosts = time_of_a_turn(10_000, 10_000).await;
    println!("among 100 of one host {few:?}, 10,000 of one host {one_host:?}, 10,000 of as many hosts {own_hosts:?}");
    assert!(one_host < few * 8, "10,000 sources of one host: {one_host:?}, 100: {few:?}");
    assert!(own_hosts < few * 8, "10,000 sources of 10,000 hosts: {own_hosts:?}, 100: {few:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_a_wrong_clock_took_or_wanted_is_free_once_it_is_right() {
    let scene = Scene::new(&sources(&[("one", 2), ("two", 1)]), |_| feed()).await;
    let is_taken = async || {
        scene.by_hand("UPDATE hosts SET until = 4000000000000000 WHERE host = 'one.example.com'").await;
        scene.by_hand("UPDATE hosts SET wanted = 4000000000000000 WHERE host = 'two.example.com'").await;
    };
    is_taken().await;
    assert_eq!(scene.ask().await, 3);
    is_taken().await;
    let mut told = scene.importer.ask_these(scene.store.sources().await.unwrap());
    for _ in 0..3 {
        let one = tokio::time::timeout(Duration::from_secs(15), told.recv()).await.expect("something comes of it").unwrap().unwrap();
        assert!(!one.is_put_off, "{one:?}");
    }
    assert_eq!(scene.web.hits().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_come_to_stand_at_each_others_hosts_do_not_wait_for_each_other() {
    let scene = Scene::new(&sources(&[("one", 1), ("two", 1)]), |_| feed()).await;
    for turn in 0..20 {
        let now = START.plus(turn * HOUR);
        let (one, two) = (hold(&scene.store, "one-1", LEASES.host, now).await, hold(&scene.store, "two-1", LEASES.host, now).await);
        let found = |lent: &Lent| {
            let host = if lent.source.host.as_deref() == Some("one.example.com") { "two" } else { "one" };
            Asked { found: Some(format!("http://{host}.example.com/{turn}")), ..Asked::default() }
        };
        let (its, theirs, nothing) = (found(&one), found(&two), Arrivals::default());
        let kept = tokio::join!(
            scene.store.keep_answer(&one, &its, &nothing, now, now),
            scene.store.keep_answer(&two, &theirs, &nothing, now, now),
        );
        assert!(kept.0.is_ok() && kept.1.is_ok(), "in turn {turn}: {kept:?}");
    }
}

#[tokio::test]
async fn a_page_obeys_the_robots_txt_of_the_host_that_a_redirect_leads_to() {
    let scene = Scene::new("[[source]]\nid = \"stones\"\nurl = \"http://old.example.com:PORT/stones\"\nkind = \"page\"\n", |hit| {
        let port = hit.headers["host"].rsplit(':').next().unwrap();
        match (hit.host.as_str(), hit.path.as_str()) {
            ("old.example.com", "/robots.txt") => Answer::ok("User-agent: *\nDisallow: /private\n"),
            ("old.example.com", path) => Answer::to(302, format!("http://new.example.com:{port}{path}")),
            (_, "/robots.txt") => Answer::ok("User-agent: *\nDisallow: /stones\n"),
            _ => Answer::ok(format!("<title>Stones</title><p>{}", "Tides and stones. ".repeat(40))),
        }
    })
    .await;
    scene.ask().await;
    let said = scene.store.source("stones").await.unwrap().unwrap().said.unwrap();
    assert!(said.contains("new.example.com") && said.ends_with("/robots.txt does not allow it"), "{said}");
    assert_eq!(scene.store.imported(true, None, 10).await.unwrap().len(), 0, "and nothing of it is kept");
}
