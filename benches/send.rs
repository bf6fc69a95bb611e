//! How fast a ledgered, personalised send is: real SQLite (`synchronous=FULL`), real SMTP over loopback, into Postfix's `smtp-sink`.
//!
//! `cargo bench --bench send -- [RECIPIENTS] [CONNECTIONS] [--delay MS] [--to HOST:PORT] [--nodemailer FOLDER]`
//!
//! The same sink is also measured with `smtp-source`, which neither personalises nor records, and the ratio is printed. `--delay` puts a
//! proxy before the sink that makes each round trip so many milliseconds long; `--to` takes a server that runs already; `--nodemailer` names
//! a folder in which `npm install nodemailer` was run.

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[path = "send/sink.rs"]
mod sink;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use postrider::config::{OnUnknown, StoreUrl};
use postrider::model::issue::{Frozen, FrozenList, FrozenSite};
use postrider::model::link::LinkKey;
use postrider::model::relay::TlsMode;
use postrider::model::{Clock, EmailAddress, ListId, Mailbox, Relay, SubscriptionState, Timestamp};
use postrider::send::Sender;
use postrider::send::connect::Trust;
use postrider::send::smtp::Timeouts;
use postrider::store::Store;
use postrider::store::issues::NewIssue;
use postrider::store::subscribers::NewSubscriber;
use tokio_util::sync::CancellationToken;

use sink::{Sink, proxy, tool};

/// Size of a message before encoding: a digest of ten articles.
const MESSAGE_BYTES: usize = 20_000;
/// Runs; the median is printed.
const RUNS: usize = 3;

/// What was asked for.
struct Args {
    recipients: usize,
    connections: usize,
    delay: Option<Duration>,
    to: Option<SocketAddr>,
    nodemailer: Option<String>,
}

impl Args {
    fn read() -> Self {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let option = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)).cloned();
        let mut numbers = args.iter().take_while(|arg| !arg.starts_with("--")).filter_map(|arg| arg.parse::<usize>().ok());
        Self {
            recipients: numbers.next().unwrap_or(20_000),
            connections: numbers.next().unwrap_or(10),
            delay: option("--delay").map(|text| Duration::from_millis(text.parse().expect("--delay takes milliseconds"))),
            to: option("--to").map(|text| text.parse().expect("--to takes HOST:PORT")),
            nodemailer: option("--nodemailer"),
        }
    }
}

fn main() {
    let args = Args::read();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // The proxy has a runtime of its own, as the world has.
    let world = tokio::runtime::Runtime::new().expect("a runtime");
    let sink = if args.to.is_some() { None } else { Sink::start() };
    let Some(end) = args.to.or(sink.as_ref().map(Sink::addr)) else {
        println!("smtp-sink is not installed (Debian package postfix): nothing to send to");
        return;
    };
    let addr = args.delay.map_or(end, |delay| world.block_on(proxy(end, delay)));
    let Args { recipients, connections, .. } = args;
    println!(
        "{recipients} recipients, {MESSAGE_BYTES} bytes of text each, {connections} connections, {:?} a round trip",
        args.delay.unwrap_or_default()
    );
    let sent: Vec<(f64, f64)> = (0..RUNS).map(|_| runtime.block_on(send(addr, recipients, connections))).collect();
    let ours = median(sent.iter().map(|(seconds, _)| recipients as f64 / seconds));
    let cpu = median(sent.iter().map(|(_, cpu)| cpu / recipients as f64 * 1_000.0));
    println!("postrider:   {ours:8.0} messages/s, personalised, ledger on SQLite (median of {RUNS})");
    println!(
        "             {cpu:8.3} s of processor time for 1,000 messages, composing and ledger included; most memory {} MiB",
        peak_mib()
    );
    if let Some(theirs) = smtp_source(addr, recipients, connections) {
        println!("smtp-source: {theirs:8.0} messages/s, one fixed message, no ledger (median of {RUNS})");
        println!("ratio:       {:8.2}", ours / theirs);
    }
    if let Some(theirs) = args.nodemailer.and_then(|folder| nodemailer(&folder, addr, recipients.min(3_000), connections)) {
        println!("nodemailer:  {theirs:8.0} messages/s, its pool, no ledger");
        println!("ratio:       {:8.2}", ours / theirs);
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Processor time of this process so far, user and system; the sink's is not in it.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: f64 =
        stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
}

/// Seconds from the first claim to the last recorded result, and our processor time meanwhile.
async fn send(addr: SocketAddr, recipients: usize, connections: usize) -> (f64, f64) {
    let folder = tempfile::tempdir().expect("a folder");
    let now = Timestamp::from_secs(1_790_000_000);
    let store = Store::open(&StoreUrl::Sqlite(folder.path().join("bench.db")), now).await.expect("a store");
    let list = ListId::parse("a").expect("an id");
    for first in (0..recipients).step_by(2_000) {
        let rows: Vec<NewSubscriber> = (first..recipients.min(first + 2_000)).map(reader).collect();
        store.upsert_subscribers(&rows, &list, SubscriptionState::Confirmed, "bench", false, now).await.expect("imported");
    }
    let issue = store.create_issue(&letter(&list), now).await.expect("an issue");
    let relay = relay(addr, connections);
    // The machine's clock, since leases run out during a long bench on a slow disk only if time passes.
    let clock = Clock::new(|| Timestamp::from_datetime(&chrono::Utc::now()));
    let key = LinkKey::new(b"bench");
    let sender =
        Sender::with(store.clone(), &[relay], OnUnknown::Resend, "https://example.org/", key, clock, Trust::default(), Timeouts::default());
    let (start, cpu) = (Instant::now(), cpu_seconds());
    sender.run_issue(issue, &CancellationToken::new()).await.expect("delivered");
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let counts = store.counts(issue).await.expect("counts");
    assert_eq!(counts.sent, recipients as u64, "everybody is sent to: {counts:?}");
    (seconds, cpu)
}

fn reader(i: usize) -> NewSubscriber {
    NewSubscriber {
        email: EmailAddress::parse(&format!("reader{i}@example.com")).expect("an address"),
        name: Some(format!("Reader {i}")),
        attributes: serde_json::Map::new(),
        language: None,
        timezone: None,
        joined_at: None,
    }
}

fn letter(list: &ListId) -> NewIssue {
    let paragraph = "<p>Sending mail to many people is mostly waiting, and the art is to wait for everything at once.</p>\n";
    let html = format!(
        "<html><body><h1>Hello {{{{ subscriber.name }}}}</h1>\n{}<p><a href=\"{{{{ unsubscribe_url }}}}\">leave</a></p></body></html>",
        paragraph.repeat(MESSAGE_BYTES / paragraph.len())
    );
    let text = "Hello {{ subscriber.name }}\n\nSee the HTML part.\n\n{{ unsubscribe_url }}\n".to_owned();
    let from = Mailbox::parse("Example Post <post@example.org>").expect("a mailbox");
    let site = FrozenSite {
        title: "Example".into(),
        url: "https://example.org/".into(),
        description: String::new(),
        language: "en".into(),
        timezone: "UTC".into(),
        postal_address: None,
        icon: None,
    };
    let frozen = Frozen {
        name: "bench".into(),
        number: 1,
        subject: "Hello {{ subscriber.name }}".into(),
        preheader: String::new(),
        template: "t".into(),
        templates: BTreeMap::from([("email/t.html".into(), html), ("email/t.txt".into(), text)]),
        articles: Vec::new(),
        lists: BTreeMap::from([(list.clone(), FrozenList { name: "A".into(), description: "All".into(), from, reply_to: None })]),
        site,
        date: "2026-11-22T09:00:00+00:00".into(),
        test: false,
    };
    NewIssue {
        digest: None,
        subject: "Hello".into(),
        frozen,
        articles: Vec::new(),
        lists: vec![list.clone()],
        scheduled_at: None,
        hold: None,
    }
}

fn relay(addr: SocketAddr, connections: usize) -> Relay {
    Relay {
        name: "sink".into(),
        host: addr.ip().to_string(),
        port: addr.port(),
        tls: TlsMode::None,
        user: None,
        password: None,
        connections,
        messages_per_connection: 1_000_000,
        rate: None,
        domain_rates: BTreeMap::new(),
        domain_connections: Default::default(),
        weight: 1,
        warm_up: None,
        pipelining: true,
        window: 0,
        hello: None,
    }
}

/// Messages a second of `smtp-source`, or nothing when it is not installed.
fn smtp_source(addr: SocketAddr, messages: usize, connections: usize) -> Option<f64> {
    let program = tool("smtp-source")?;
    let run = |_| {
        let start = Instant::now();
        let status = Command::new(&program)
            .args(["-d", "-s", &connections.to_string(), "-l", &MESSAGE_BYTES.to_string(), "-m", &messages.to_string()])
            .args(["-f", "post@example.org", "-t", "reader@example.com", &format!("inet:{addr}")])
            .stdout(Stdio::null())
            .status()
            .expect("smtp-source starts");
        assert!(status.success(), "smtp-source failed");
        messages as f64 / start.elapsed().as_secs_f64()
    };
    Some(median((0..RUNS).map(run)))
}

/// Messages a second of nodemailer's pool, or nothing when node is not there.
fn nodemailer(folder: &str, addr: SocketAddr, messages: usize, connections: usize) -> Option<f64> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/send/nodemailer.mjs");
    let numbers = [addr.port().to_string(), messages.to_string(), connections.to_string()];
    let output = Command::new("node").args([script, folder]).args(numbers).output().ok()?;
    assert!(output.status.success(), "nodemailer failed: {}", String::from_utf8_lossy(&output.stderr));
    let seconds: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("seconds");
    Some(messages as f64 / seconds)
}
