//! The real binary, two processes on one store that ask the same sites, one of them killed in mid-request; and a person beside them.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use postrider::model::{Clock, Timestamp};
use postrider::store::Store;
use postrider::store::hosts::{Claim, Leases};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::crash::Worker;
use crate::peers::publication::{Publication, said};
use crate::support::web::{Answer, Web};

/// Sites, each on an address of its own, and the Sources of each.
const SITES: usize = 5;
const SOURCES: usize = 6;
/// How soon all of it is done, a lease and a slow machine included.
const DONE_WITHIN: Duration = Duration::from_secs(120);
/// What is left of a lease when its process is killed, at the least.
const LEASE_LEFT: Duration = Duration::from_secs(20);

/// Sites that take a second for an answer, and a publication that reads them.
struct Scene {
    webs: Vec<Web>,
    publication: Publication,
    runtime: Runtime,
}

impl Scene {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let clock = Clock::new(|| Timestamp::from_datetime(&chrono::Utc::now()));
        let answer = || Answer::ok("<rss version=\"2.0\"><channel><title>A feed</title></channel></rss>").after(Duration::from_secs(1));
        let webs: Vec<Web> =
            (1..=SITES).map(|n| runtime.block_on(Web::on(&format!("127.0.0.{n}"), clock.clone(), move |_| answer()))).collect();
        let publication = Publication::new("url = \"smtp://127.0.0.1:1?tls=none\"");
        let mut config = publication.read("config.toml") + "\n[fetch]\nallow_private = [\"127.0.0.0/8\"]\n";
        for (site, web) in webs.iter().enumerate() {
            for n in 1..=SOURCES {
                config += &format!("[[source]]\nid = \"s{site}-{n}\"\nurl = \"{}\"\n", web.url(&format!("/s{site}-{n}")));
            }
        }
        publication.write("config.toml", &config);
        Self { webs, publication, runtime }
    }

    fn start(&self, n: usize) -> Worker {
        let log = self.publication.append(&format!("worker{n}.log"));
        let mut command = self.publication.command(&["run", "--roles", "fetch"]);
        Worker(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }

    fn logs(&self) -> String {
        (0..2).map(|n| self.publication.read(&format!("worker{n}.log"))).collect()
    }

    /// How often each was asked.
    fn asked(&self) -> BTreeMap<String, usize> {
        let mut asked = BTreeMap::new();
        let hits = self.webs.iter().flat_map(Web::hits);
        hits.for_each(|hit| *asked.entry(hit.path.trim_start_matches('/').to_owned()).or_default() += 1);
        asked
    }

    /// Those that nobody has an answer of.
    fn without_answer(&self) -> Vec<String> {
        let all = self.publication.json(&["sources", "list"]);
        let all = all.as_array().unwrap().iter().filter(|one| one["last_fetch"] == Value::Null);
        all.map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    }

    fn wait_until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < DONE_WITHIN, "waited in vain until {what}: {:?}\n{}", self.asked(), self.logs());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
#[ignore = "takes a minute: run scripts/test"]
fn when_one_of_two_processes_is_killed_no_site_is_asked_two_things_at_once_and_everything_once() {
    let scene = Scene::new();
    let mut dies = scene.start(0);
    scene.wait_until("each site was asked", || scene.asked().len() >= SITES);
    let mut lives = scene.start(1);
    scene.wait_until("both are at work", || scene.asked().len() >= SITES * 3);
    dies.kill();
    let killed = Timestamp::from_datetime(&chrono::Utc::now());
    let hits_then: Vec<usize> = scene.webs.iter().map(|web| web.hits().len()).collect();
    scene.wait_until("each was asked", || scene.asked().len() == SITES * SOURCES);
    scene.wait_until("all is quiet", || scene.webs.iter().all(Web::is_idle));
    std::thread::sleep(Duration::from_millis(500));
    lives.stop();

    // What was on its way when it died is asked again half an hour later, or by hand.
    let cut = scene.without_answer();
    println!("{} were cut off", cut.len());
    assert!(!cut.is_empty() && cut.len() <= SITES, "something was on its way, one thing a site: {cut:?}");
    for id in &cut {
        let site: usize = id[1..2].parse().unwrap();
        if let Some(next) = scene.webs[site].hits().get(hits_then[site]) {
            let waited = next.at.since(killed);
            assert!(waited >= LEASE_LEFT, "{} was asked {waited:?} after whoever asked it had died", next.path);
        }
    }
    let ids: Vec<&str> = ["sources", "fetch"].into_iter().chain(cut.iter().map(String::as_str)).collect();
    scene.publication.json(&ids);
    assert_eq!(scene.without_answer(), Vec::<String>::new());
    for (id, times) in scene.asked() {
        assert_eq!(times, if cut.contains(&id) { 2 } else { 1 }, "{id}\n{}", scene.logs());
    }
    let crowded: Vec<_> = scene.webs.iter().flat_map(Web::hits).filter(|hit| hit.is_crowded).collect();
    assert!(crowded.is_empty(), "two things at once: {crowded:?}");
}

#[test]
#[ignore = "takes a minute: run scripts/test"]
fn a_fetch_by_hand_of_a_site_that_stays_busy_says_so_and_ends_with_1() {
    let scene = Scene::new();
    scene.publication.json(&["sources", "list"]);
    let now = Timestamp::from_datetime(&chrono::Utc::now());
    let url = format!("sqlite://{}", scene.publication.path("postrider.db").display());
    let claimed = scene.runtime.block_on(async {
        let (config, _) =
            postrider::config::Config::load(&scene.publication.path("config.toml"), [("POSTRIDER_STORE__URL".to_owned(), url)].into_iter())
                .unwrap_or_else(|faults| panic!("{faults}"));
        let store = Store::open(&config.store, now).await.unwrap();
        let leases = Leases { source: Duration::from_secs(600), host: Duration::from_secs(600) };
        let claimed = store.claim_source("s0-1", leases, now).await.unwrap();
        store.close().await;
        claimed
    });
    assert!(matches!(claimed, Some(Claim::Lent(_))), "{claimed:?}");
    let out = scene.publication.run(&["sources", "fetch", "s0-2", "s1-1"]);
    assert_eq!(out.status.code(), Some(1), "{}", said(&out));
    let words = said(&out);
    assert!(words.contains("s0-2: not fetched: another process is asking its site"), "{words}");
    assert!(words.contains("s1-1: 0 entries"), "{words}");
    assert_eq!(scene.asked().into_keys().collect::<Vec<_>>(), ["s1-1"]);
}
