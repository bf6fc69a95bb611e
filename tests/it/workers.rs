//! PostgreSQL with many workers: the real binary, several processes on one database, and what happens when one of them, or the database, dies.
//! `scripts/test` installs PostgreSQL and runs these; the tests start a server of their own.

use std::collections::{BTreeMap, HashSet};
use std::process::Stdio;
use std::time::{Duration, Instant};

use postrider::config::{OnUnknown, PostgresUrl, StoreUrl};
use postrider::inbox::{Inbox, Options};
use postrider::model::Timestamp;
use postrider::store::hosts::{Claim, Leases};
use postrider::store::{Store, StoreError};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::crash::Worker;
use crate::peers::mail_server::until;
use crate::peers::publication::{Publication, assert_adds_up, said};
use crate::support::postgres::Postgres;

/// Connections the relay of these tests allows a worker, each with one message in flight.
const CONNECTIONS: u64 = 4;
/// What a worker that dies may have left in doubt: what is in flight, and results that one commit gathers.
const DUPLICATES_MAX: u64 = CONNECTIONS + 64;
/// How soon others go on with what a dead worker held.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(30);

#[test]
#[ignore = "needs PostgreSQL: run scripts/test"]
fn two_workers_share_an_issue_and_everybody_gets_it_once() {
    let scene = Scene::new(Postgres::shared(), 3_000, 2);
    let workers = [scene.start(0, &["run", "--roles", "send"]), scene.start(1, &["run", "--roles", "send"])];
    scene.freeze();
    scene.finish(workers);
    assert_eq!(scene.accepted(), scene.readers, "somebody got it twice");
    for (n, sink) in scene.sinks.iter().enumerate() {
        let share = sink.count() * 100 / scene.readers;
        println!("worker {n}: {share} %");
        assert!((40..=60).contains(&share), "worker {n} did {share} % of the work");
    }
}

#[test]
#[ignore = "needs PostgreSQL: run scripts/test"]
fn when_one_of_two_workers_is_killed_the_other_finishes_its_part() {
    let scene = Scene::new(Postgres::shared(), 3_000, 2);
    let (mut dies, lives) = (scene.start(0, &["run", "--roles", "send"]), scene.start(1, &["run", "--roles", "send"]));
    scene.freeze();
    scene.wait_for(1_000);
    dies.kill();
    let left = Duration::from_secs((scene.readers - scene.accepted()) / 300);
    let killed = Instant::now();
    scene.finish([lives]);
    let (took, twice) = (killed.elapsed(), scene.accepted() - scene.readers);
    println!("done {took:?} after the kill; {twice} mails came twice");
    assert!(twice <= DUPLICATES_MAX, "{twice} mails came twice; one worker's death allows {DUPLICATES_MAX}");
    assert!(took <= left + TAKEN_OVER_WITHIN, "the other needed {took:?}");
}

#[test]
#[ignore = "needs PostgreSQL: run scripts/test"]
fn a_database_that_restarts_in_mid_send_is_waited_for() {
    let server = Postgres::start();
    let scene = Scene::new(&server, 2_000, 2);
    let workers = [scene.start(0, &["run", "--roles", "send"]), scene.start(1, &["run", "--roles", "send"])];
    scene.freeze();
    scene.wait_for(400);
    server.restart_at_once();
    scene.wait_for(800);
    server.stop_at_once();
    // What has its intent may still go out; then silence, because nothing is sent without one.
    let in_flight = 2 * (CONNECTIONS + 64);
    let before = scene.accepted();
    std::thread::sleep(Duration::from_secs(4));
    let meanwhile = scene.accepted() - before;
    assert!(meanwhile <= in_flight, "{meanwhile} mails went out without a database; {in_flight} had their intent");
    server.come_back();
    scene.finish(workers);
    let twice = scene.accepted() - scene.readers;
    println!("{meanwhile} mails while it was away; {twice} came twice");
    assert!(twice <= 2 * 2 * DUPLICATES_MAX, "{twice} mails came twice");
}

#[test]
#[ignore = "needs PostgreSQL: run scripts/test"]
fn a_send_by_hand_works_along_with_the_service_and_outlives_a_restart() {
    let server = Postgres::start();
    let scene = Scene::new(&server, 1_200, 2);
    let service = scene.start(0, &["run", "--roles", "send"]);
    let mut by_hand = scene.start(1, &["send", "weekly", "--yes"]);
    scene.wait_for(300);
    server.restart_at_once();
    scene.finish([service]);
    assert!(by_hand.0.wait().unwrap().success(), "`send` did not end well\n{}", scene.publication.read("worker1.log"));
    assert!(scene.sinks.iter().all(|sink| sink.count() > 100), "one of the two did nothing");
}

#[test]
#[ignore = "needs PostgreSQL: run scripts/test"]
fn a_run_fires_once_with_two_schedulers() {
    let server = Postgres::shared();
    let publication = Publication::on(&server.database(), "url = \"smtp://127.0.0.1:1?tls=none\"");
    publication.article(1, "A story", "Once upon a time in a harbour.\n");
    let config = publication.read("config.toml").replace("template = \"digest\"", "template = \"digest\"\nschedule = \"* * * * * *\"");
    publication.write("config.toml", &config);
    let started: Vec<Worker> = (0..2).map(|n| start(&publication, n, &["run", "--roles", "schedule"], None)).collect();
    let fired = || -> Vec<String> {
        let logs: String = (0..2).map(|n| publication.read(&format!("worker{n}.log"))).collect();
        let lines = logs.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines
            .filter(|line| line["message"].as_str().is_some_and(|said| said.starts_with("due: ")))
            .map(|line| line["due"].to_string())
            .collect()
    };
    assert!(until(|| fired().len() >= 6), "the schedules do not fire\n{}", publication.read("worker0.log"));
    for mut worker in started {
        worker.stop();
    }
    let fired = fired();
    let once: HashSet<&String> = fired.iter().collect();
    assert_eq!(once.len(), fired.len(), "a moment fired twice: {fired:?}");
    let issues = publication.json(&["issues", "list"]);
    assert_eq!(issues.as_array().map(Vec::len), Some(1), "one article makes one issue: {issues}");
}

#[test]
#[ignore = "needs PostgreSQL: run scripts/test"]
fn row_20_a_database_put_back_from_a_dump_sends_no_overdue_issue_by_itself() {
    let server = Postgres::shared();
    let scene = Scene::new(server, 3, 1);
    let config = scene.publication.read("config.toml");
    scene.publication.write("config.toml", &config.replace("template = \"digest\"", "template = \"digest\"\nschedule = \"* * * * * *\""));
    let database = scene.store.rsplit('/').next().unwrap();
    let run = &["run", "--roles", "schedule,send"];
    let mut service = scene.start(0, run);
    scene.wait_for(3);
    service.stop();
    server.dump(database, "yesterday.sql");

    scene.publication.article(2, "Another story", "It went on.\n");
    let mut service = scene.start(0, run);
    // A service that only starts again is no copy.
    scene.wait_for(6);
    service.stop();

    server.put_back(database, "yesterday.sql");
    let mut service = scene.start(0, run);
    let issues = || scene.publication.json(&["issues", "list"]);
    assert!(until(|| issues().as_array().map(Vec::len) == Some(2)), "the overdue issue is made, to be looked at\n{}", scene.logs());
    std::thread::sleep(Duration::from_millis(1_500));
    service.stop();
    let held = issues()[0].clone();
    assert!(held["status"] == "paused" && held["reason"].as_str().unwrap().contains("put back from a copy"), "{held}");
    assert_eq!(scene.accepted(), 6, "and nothing left by itself");

    let relay = format!("smtp://127.0.0.1:{}?tls=none", scene.sinks[0].addr().port());
    let resumed = scene.publication.command(&["issues", "resume", "2"]).env("POSTRIDER_RELAY__0__URL", relay).output().unwrap();
    assert!(resumed.status.success(), "{}", said(&resumed));
    assert_eq!(scene.accepted(), 9, "a person may still send it");
}

#[test]
#[ignore = "needs PostgreSQL: run scripts/test"]
fn a_database_put_back_holds_what_was_half_sent_also_for_a_user_without_rights() {
    let server = Postgres::shared();
    for way in ["a dump", "a way that leaves no trace, told by hand"] {
        let scene = Scene::new(server, 300, 1);
        let database = scene.store.rsplit('/').next().unwrap();
        server.sql(database, "GRANT ALL ON SCHEMA public TO walled; GRANT ALL ON ALL TABLES IN SCHEMA public TO walled");
        let mut worker = scene.start(0, &["send", "weekly", "--yes"]);
        scene.wait_for(60);
        worker.stop();
        let url = scene.store.replace("postgres@", "walled:open%20sesame@");
        let list = || {
            let out = scene.publication.command(&["--json", "issues", "list"]).env("POSTRIDER_STORE__URL", &url).output().unwrap();
            assert!(out.status.success(), "{}", said(&out));
            serde_json::from_slice::<Value>(&out.stdout).unwrap()[0].clone()
        };
        assert_eq!(list()["status"], "sending", "it is only looked at");
        if way == "a dump" {
            server.dump(database, "half.sql");
            server.put_back(database, "half.sql");
        } else {
            // As docs/delivery.md has it.
            server.sql(database, "UPDATE meta SET value = 'put back' WHERE name = 'home'");
        }
        let held = list();
        assert!(held["status"] == "paused" && held["reason"].as_str().unwrap().contains("put back from a copy"), "{way}: {held}");
        assert_eq!(list()["status"], "paused", "{way}");
    }
}

#[test]
#[ignore = "needs PostgreSQL: run scripts/test"]
fn leases_are_measured_on_the_clock_of_the_database() {
    let scene = Scene::new(Postgres::shared(), 20, 1);
    scene.freeze();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let url = StoreUrl::Postgres(PostgresUrl::parse(&scene.store).unwrap());
        let today = scene.now();
        let tomorrow = today.plus(Duration::from_secs(86_400));
        let (one, ahead) = (Store::open(&url, today).await.unwrap(), Store::open(&url, tomorrow).await.unwrap());
        let issue = one.sendable_issues(today).await.unwrap()[0];
        let (lease, leased) = one.claim(issue, "one", 10, Duration::from_secs(60), today).await.unwrap().unwrap();
        let people: Vec<_> = leased.iter().map(|leased| leased.subscriber.id).collect();
        let found = ahead.recover(false, OnUnknown::Resend, tomorrow).await.unwrap();
        assert_eq!(found.requeued, 0, "a worker whose clock is a day ahead took a living lease");
        assert_eq!(one.commit(&lease, &[], &people, tomorrow).await.unwrap(), people, "the caller's clock fenced a living lease");
        one.renew(&lease, Duration::ZERO, today).await.unwrap();
        let yesterday = today.0 - 86_400_000_000;
        let found = ahead.recover(false, OnUnknown::Resend, Timestamp(yesterday)).await.unwrap();
        assert_eq!(found.unknown, people.len() as u64, "a lease that is over on the database's clock was left alone");
        let late = one.commit(&lease, &[], &people, today).await;
        assert!(matches!(late, Err(StoreError::Fenced)), "a lease that somebody took was good: {late:?}");
    });
}

#[test]
#[ignore = "needs PostgreSQL: run scripts/test"]
fn hosts_of_sources_are_lent_on_the_clock_of_the_database() {
    let url = StoreUrl::Postgres(PostgresUrl::parse(&Postgres::shared().database()).unwrap());
    Runtime::new().unwrap().block_on(async {
        let today = Timestamp::from_datetime(&chrono::Utc::now());
        let tomorrow = today.plus(Duration::from_secs(86_400));
        let leases = Leases { source: Duration::from_secs(1_800), host: Duration::from_secs(30) };
        let (one, ahead) = (Store::open(&url, today).await.unwrap(), Store::open(&url, tomorrow).await.unwrap());
        let sources = [("a", "http://quay.example.com/a"), ("b", "http://quay.example.com/b")];
        one.sync_sources(&sources, Timestamp(today.0 - 1)).await.unwrap();
        let lent = one.claim_sources(16, leases, today).await.unwrap();
        assert_eq!(lent.len(), 1);
        assert_eq!(ahead.claim_sources(16, leases, tomorrow).await.unwrap(), [], "whose clock is a day ahead takes nobody's host");
        let wanted = ahead.claim_source("b", leases, tomorrow).await.unwrap();
        assert!(matches!(wanted, Some(Claim::Busy(_))), "nor by hand: {wanted:?}");
        one.give_back(&lent, None).await.unwrap();
        assert_eq!(one.claim_sources(16, leases, tomorrow).await.unwrap(), [], "it is left to whoever wants it");
        let Some(Claim::Lent(lent)) = ahead.claim_source("b", leases, tomorrow).await.unwrap() else { panic!("it is free") };
        assert!(ahead.renew_host(&lent, Duration::ZERO, tomorrow).await.unwrap());
        assert_eq!(one.claim_sources(16, leases, tomorrow).await.unwrap().len(), 1, "it is over on the database's clock");
    });
}

#[test]
#[ignore = "needs PostgreSQL: run scripts/test"]
fn a_small_issue_is_claimed_in_small_parts() {
    let scene = Scene::new(Postgres::shared(), 400, 1);
    scene.freeze();
    Runtime::new().unwrap().block_on(async {
        let now = scene.now();
        let store = Store::open(&StoreUrl::Postgres(PostgresUrl::parse(&scene.store).unwrap()), now).await.unwrap();
        let issue = store.sendable_issues(now).await.unwrap()[0];
        let mut sizes = Vec::new();
        for worker in ["one", "two", "one", "two", "one"] {
            sizes.push(store.claim(issue, worker, 512, Duration::from_secs(60), now).await.unwrap().unwrap().1.len());
        }
        assert_eq!(sizes, [100, 75, 28, 24, 21], "a quarter of a worker's share of what is left");
    });
}

#[test]
#[ignore = "needs PostgreSQL: run scripts/test"]
fn a_database_that_cannot_be_used_is_told_in_words_without_the_password() {
    let server = Postgres::shared();
    let cases = [
        ("postgres://postgres@127.0.0.1:1/letters".to_owned(), "nobody answers there"),
        (server.url("walled:hunter2-secret", "postgres"), "the password is wrong"),
        (server.url("postgres", "no_such_database"), "database \"no_such_database\" does not exist; create it"),
    ];
    let publication = Publication::on("sqlite://unused.db", "url = \"smtp://127.0.0.1:1?tls=none\"");
    for (url, words) in cases {
        for args in [&["lists"][..], &["doctor"]] {
            let out = publication.command(args).env("POSTRIDER_STORE__URL", &url).output().unwrap();
            let text = said(&out);
            assert!(text.contains(words), "expected {words:?} from {args:?}: {text}");
            assert!(!text.contains("hunter2"), "the password was printed: {text}");
            assert!(args == ["doctor"] || out.status.code() == Some(4), "the remote side is exit code 4: {text}");
        }
    }
    let walled = server.database().replace("postgres@", "walled:open%20sesame@");
    server.sql("postgres", &format!("ALTER DATABASE {} OWNER TO walled", walled.rsplit('/').next().unwrap()));
    let out = publication.command(&["lists"]).env("POSTRIDER_STORE__URL", &walled).output().unwrap();
    assert!(out.status.success(), "the right password is refused: {}", said(&out));
}

/// A publication on PostgreSQL with readers, and an SMTP server in this process for each worker, which counts what it accepts from it.
struct Scene {
    publication: Publication,
    store: String,
    sinks: Vec<Inbox>,
    readers: u64,
    _runtime: Runtime,
}

impl Scene {
    fn new(server: &Postgres, readers: u64, workers: usize) -> Self {
        let runtime = Runtime::new().unwrap();
        let sink = || {
            let counting = Options { discard: true, ..Options::default() };
            runtime.block_on(Inbox::bind_with(([127, 0, 0, 1], 0).into(), counting)).unwrap()
        };
        let sinks: Vec<Inbox> = (0..workers).map(|_| sink()).collect();
        let relay = format!("url = \"smtp://127.0.0.1:1?tls=none\"\nconnections = {CONNECTIONS}\nrate = \"300/s\"");
        let store = server.database();
        let publication = Publication::on(&store, &relay);
        publication.article(1, "A story", "Once upon a time in a harbour.\n");
        publication.import(&(0..readers).map(|i| (format!("reader{i}@inbox.test"), format!("Reader {i}"))).collect::<Vec<_>>());
        Self { publication, store, sinks, readers, _runtime: runtime }
    }

    /// Makes the Issue and leaves it to the workers, for a moment from now.
    fn freeze(&self) {
        let soon = (chrono::Utc::now() + Duration::from_secs(2)).to_rfc3339();
        let issue = self.publication.json(&["send", "weekly", "--yes", "--at", &soon]);
        assert_eq!((&issue["planned"], &issue["status"]), (&self.readers.into(), &"scheduled".into()), "{issue}");
    }

    /// A worker that sends to its own server.
    fn start(&self, n: usize, args: &[&str]) -> Worker {
        start(&self.publication, n, args, Some(self.sinks[n].addr().port()))
    }

    fn accepted(&self) -> u64 {
        self.sinks.iter().map(Inbox::count).sum()
    }

    fn wait_for(&self, mails: u64) {
        let reached = until(|| self.accepted() >= mails);
        assert!(reached, "only {} of {mails} mails came\n{}", self.accepted(), self.logs());
    }

    /// Waits until the Issue is done, stops the workers, and wants a mail for everybody.
    fn finish(&self, workers: impl IntoIterator<Item = Worker>) {
        let done = until(|| self.issue().is_some_and(|issue| issue["status"] == "done"));
        assert!(done, "the issue is not done: {:?}\n{}", self.issue(), self.logs());
        workers.into_iter().for_each(|mut worker| worker.stop());
        let issue = self.issue().unwrap();
        assert_eq!(issue["sent"], self.readers, "{issue}");
        let mut copies: BTreeMap<String, u64> = BTreeMap::new();
        for sink in &self.sinks {
            for (recipient, n) in sink.tally().by_recipient {
                *copies.entry(recipient).or_default() += n;
            }
        }
        assert_eq!(copies.len() as u64, self.readers, "somebody was lost");
    }

    fn issue(&self) -> Option<Value> {
        let issue = self.publication.issue()?;
        assert_adds_up(&issue);
        Some(issue)
    }

    /// When the Issue may go.
    fn now(&self) -> Timestamp {
        Timestamp::from_datetime(&chrono::Utc::now()).plus(Duration::from_secs(10))
    }

    fn logs(&self) -> String {
        (0..self.sinks.len()).map(|n| self.publication.read(&format!("worker{n}.log"))).collect()
    }
}

/// Starts the binary; its log has its number.
fn start(publication: &Publication, n: usize, args: &[&str], relay_port: Option<u16>) -> Worker {
    let log = publication.append(&format!("worker{n}.log"));
    let mut command = publication.command(args);
    if let Some(port) = relay_port {
        command.env("POSTRIDER_RELAY__0__URL", format!("smtp://127.0.0.1:{port}?tls=none"));
    }
    Worker(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
}
