//! Claims about a long list: an import streams in bounded memory, an Issue is expanded in seconds, and claiming and committing
//! cost the same at every length. `cargo bench --bench subscribers -- 1000000`; `--store postgres` keeps them in a PostgreSQL of its own.
#![allow(clippy::unwrap_used, missing_docs)]

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[allow(dead_code)]
#[path = "../tests/it/support/postgres.rs"]
mod postgres;

use std::io::{Cursor, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use postrider::config::{PostgresUrl, StoreUrl};
use postrider::model::issue::{Frozen, FrozenSite};
use postrider::model::outcome::Reply;
use postrider::model::{IssueId, ListId, Outcome, Segment, SubscriberId, SubscriptionState, Timestamp};
use postrider::store::Store;
use postrider::store::deliveries::Record;
use postrider::store::issues::NewIssue;
use postrider::subscribe::{Import, ImportReport, Origin, import};

/// Deliveries in one group commit, as the sender uses it.
const GROUP: usize = 64;

fn main() {
    let people: u64 = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(100_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(people));
}

async fn run(people: u64) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.db");
    let server = std::env::args().any(|arg| arg == "postgres").then(postgres::Postgres::start);
    let url = match &server {
        Some(server) => StoreUrl::Postgres(PostgresUrl::parse(&server.database()).unwrap()),
        None => StoreUrl::Sqlite(file.clone()),
    };
    let store = Store::open(&url, now()).await.unwrap();
    println!("{people} people; figures are seconds unless said");
    for (what, dry_run) in [("dry run", true), ("import", false), ("import again", false)] {
        let report = timed(what, bring(&store, people, dry_run)).await;
        println!("  {}", serde_json::to_string(&report).unwrap());
    }
    timed("audience", async { store.audience(&letter(list()), now()).await.unwrap() }).await;
    for text in ["attr.city = \"U*\" and joined > 2020-01-01 and not tag:vip", "sent < 5 and domain = example.org"] {
        let segment = Segment::parse(text, Path::new("bench"), &[]).unwrap().at(now(), chrono_tz::Tz::UTC);
        let new = NewIssue { only: Some(segment), ..letter(list()) };
        let audience = timed("of a segment", async { store.audience(&new, now()).await.unwrap() }).await;
        println!("  {text}: {} of {people}", audience.recipients);
    }
    for n in [10_000, people] {
        let issue = issue_to(&store, n, people).await;
        timed("counts", async { store.counts(issue).await.unwrap() }).await;
        deliver(&store, issue).await;
    }
    println!("peak memory {} MiB", peak_mib());
    if let Ok(about) = file.metadata() {
        println!("store {} MiB", about.len() >> 20);
    }
}

async fn timed<T>(what: &str, work: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let done = work.await;
    println!("{what:<16} {:8.3}", start.elapsed().as_secs_f64());
    done
}

async fn bring(store: &Store, people: u64, dry_run: bool) -> ImportReport {
    let how = Import { dry_run, ..Import::onto(list(), Origin::Day("2026-11-23".into()), now()) };
    let rows = Rows { next: 0, people, line: Cursor::new(b"email,name,city\n".to_vec()) };
    import(store, Path::new("people.csv"), rows, &how, |_| ()).await.unwrap()
}

/// An Issue to the first `n` people: the others are on another List.
async fn issue_to(store: &Store, n: u64, people: u64) -> IssueId {
    let id = ListId::parse(&format!("first-{n}")).unwrap();
    let to = if n >= people { list() } else { id.clone() };
    let mut after = SubscriberId(0);
    let mut left = if n >= people { 0 } else { n };
    while left > 0 {
        let page = store.people(Some(&list()), after, 2_000).await.unwrap();
        after = page.last().unwrap().subscriber.id;
        left = left.saturating_sub(page.len() as u64);
        let rows: Vec<_> = page.into_iter().map(|person| row(person.subscriber.email)).collect();
        store.upsert_subscribers(&rows, &id, SubscriptionState::Confirmed, "bench", false, now()).await.unwrap();
    }
    let new = letter(to);
    let issue = timed(&format!("issue to {n}"), async { store.create_issue(&new, now()).await.unwrap() }).await;
    timed("sendable", async { store.sendable_issues(now()).await.unwrap() }).await;
    issue
}

/// An Issue to a list.
fn letter(to: ListId) -> NewIssue {
    NewIssue {
        digest: None,
        subject: "Bench".into(),
        frozen: frozen(),
        articles: Vec::new(),
        lists: vec![to],
        scheduled_at: None,
        hold: None,
        only: None,
        edition: Default::default(),
        remembered: Default::default(),
        local: None,
    }
}

/// Claims and commits as a sender does; what is measured is the first tenth second's worth and the middle.
async fn deliver(store: &Store, issue: IssueId) {
    let (mut commits, mut claims) = (Vec::new(), Vec::new());
    for _ in 0..8 {
        let start = Instant::now();
        let Some((lease, leased)) = store.claim(issue, "bench", 1_024, Duration::from_secs(60), now()).await.unwrap() else { break };
        claims.push(start.elapsed());
        let mut results = Vec::new();
        for group in leased.chunks(GROUP) {
            let intents: Vec<_> = group.iter().map(|leased| leased.subscriber.id).collect();
            let start = Instant::now();
            let standing = store.commit(&lease, &results, &intents, now()).await.unwrap();
            commits.push(start.elapsed());
            results = standing.into_iter().map(sent).collect();
        }
        store.commit(&lease, &results, &[], now()).await.unwrap();
        store.release(&lease, now()).await.unwrap();
    }
    println!("claim of 1024    {}", spread(claims));
    println!("commit of 64+64  {}", spread(commits));
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let ms = |at: usize| times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1_000.0);
    format!("p50 {:.2} ms, p99 {:.2} ms, n {}", ms(times.len() / 2), ms(times.len() * 99 / 100), times.len())
}

/// A CSV file made while it is read.
struct Rows {
    next: u64,
    people: u64,
    line: Cursor<Vec<u8>>,
}

impl Read for Rows {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.line.position() == self.line.get_ref().len() as u64 {
            if self.next == self.people {
                return Ok(0);
            }
            let mut block = String::new();
            for n in self.next..(self.next + 100).min(self.people) {
                // Addresses come in no order, as in life.
                let scattered = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                block.push_str(&format!("{scattered:016x}@example.org,Reader {n},Ulm\n"));
            }
            self.next = (self.next + 100).min(self.people);
            self.line = Cursor::new(block.into_bytes());
        }
        self.line.read(buffer)
    }
}

fn row(email: postrider::model::EmailAddress) -> postrider::store::subscribers::NewSubscriber {
    postrider::store::subscribers::NewSubscriber::new(email)
}

fn sent(subscriber: SubscriberId) -> Record {
    let reply = Reply { code: 250, enhanced: None, text: "Ok".into(), phase: "final" };
    Record { subscriber, outcome: Outcome::Sent(reply), next_at: None }
}

fn frozen() -> Frozen {
    let site = FrozenSite {
        title: "Sample".into(),
        url: "https://example.org/".into(),
        description: String::new(),
        language: "en".into(),
        timezone: "Europe/Berlin".into(),
        postal_address: None,
        icon: None,
    };
    Frozen {
        name: "bench".into(),
        number: 1,
        subject: "Bench".into(),
        preheader: String::new(),
        template: "digest".into(),
        templates: Default::default(),
        articles: Vec::new(),
        lists: Default::default(),
        site,
        date: "2026-11-22T09:00:00+01:00".into(),
        fresh: None,
        sections: Vec::new(),
        corrections: Vec::new(),
        language: None,
        test: false,
    }
}

fn list() -> ListId {
    ListId::parse("weekly").unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_secs(1_790_000_000)
}

/// The most memory this process ever held, as Linux tells it.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) >> 10
}
