//! How fast a ledgered, personalised send is: a real store, real SMTP over loopback, into Postfix's `smtp-sink`.
//!
//! `cargo bench --bench send -- [RECIPIENTS] [CONNECTIONS] [OPTIONS]`
//!
//! * `--sign ed25519|rsa|both` signs every message (RSA with 2048 bits).
//! * `--window N` sends up to N messages ahead of their answers on each connection.
//! * `--delay MS` puts a proxy before the server that makes each round trip so many milliseconds long.
//! * `--postfix` sends to a real Postfix in place of the sink (as root; it throws the mail away behind its queue).
//! * `--store postgres` keeps the ledger in a PostgreSQL of its own; else it is SQLite with `synchronous=FULL`.
//! * `--runs N` takes the median of N runs in place of 3.
//! * `--others N` lets the others send only N messages: they are slow.
//! * `--nodemailer FOLDER` names a folder in which `npm install nodemailer` was run.
//!
//! The same server is also measured with `smtp-source`, which neither personalises nor records nor signs, and the ratio is printed.
#![allow(clippy::unwrap_used)]

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[allow(dead_code)]
#[path = "../tests/it/support/postgres.rs"]
mod postgres;
#[path = "send/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use postrider::compose::{Compiled, Reader};
use postrider::config::{OnUnknown, PostgresUrl, StoreUrl};
use postrider::model::dkim::{Algorithm, Dkim, Key, Selector};
use postrider::model::issue::{Frozen, FrozenList, FrozenSite};
use postrider::model::link::LinkKey;
use postrider::model::relay::TlsMode;
use postrider::model::{Clock, EmailAddress, ListId, Mailbox, Relay, Subscriber, SubscriberId, SubscriptionState, Timestamp};
use postrider::send::Sender;
use postrider::send::connect::Trust;
use postrider::send::smtp::Timeouts;
use postrider::store::Store;
use postrider::store::issues::NewIssue;
use postrider::store::subscribers::NewSubscriber;
use tokio_util::sync::CancellationToken;

use server::{Postfix, Sink, proxy, tool};

/// Size of a message before encoding: a digest of ten articles.
const MESSAGE_BYTES: usize = 20_000;
/// What was asked for.
struct Args {
    recipients: usize,
    connections: usize,
    sign: Vec<Algorithm>,
    window: usize,
    delay: Option<Duration>,
    postfix: bool,
    postgres: bool,
    runs: usize,
    others: usize,
    nodemailer: Option<String>,
}

impl Args {
    fn read() -> Self {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let option = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)).cloned();
        let number = |name: &str| option(name).map(|text| text.parse::<usize>().unwrap_or_else(|_| panic!("{name} takes a number")));
        let mut numbers = args.iter().take_while(|arg| !arg.starts_with("--")).filter_map(|arg| arg.parse::<usize>().ok());
        let recipients = numbers.next().unwrap_or(20_000);
        Self {
            recipients,
            connections: numbers.next().unwrap_or(10),
            sign: match option("--sign").as_deref() {
                None => Vec::new(),
                Some("ed25519") => vec![Algorithm::Ed25519],
                Some("rsa") => vec![Algorithm::Rsa],
                Some("both") => vec![Algorithm::Rsa, Algorithm::Ed25519],
                Some(other) => panic!("--sign takes ed25519, rsa or both, not {other}"),
            },
            window: number("--window").unwrap_or(0),
            delay: number("--delay").map(|millis| Duration::from_millis(millis as u64)),
            postfix: args.iter().any(|arg| arg == "--postfix"),
            postgres: option("--store").is_some_and(|store| store == "postgres"),
            runs: number("--runs").unwrap_or(3),
            others: number("--others").unwrap_or(recipients),
            nodemailer: option("--nodemailer"),
        }
    }
}

fn main() {
    let args = Args::read();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // The proxy has a runtime of its own, as the world has.
    let world = tokio::runtime::Runtime::new().expect("a runtime");
    let (sink, postfix) = if args.postfix { (None, Some(Postfix::start())) } else { (Sink::start(), None) };
    let Some(end) = postfix.as_ref().map(Postfix::addr).or(sink.as_ref().map(Sink::addr)) else {
        println!("smtp-sink is not installed (Debian package postfix): nothing to send to");
        return;
    };
    let addr = args.delay.map_or(end, |delay| world.block_on(proxy(end, delay)));
    let wire_bytes = wire_bytes();
    println!(
        "{} recipients, {wire_bytes} bytes each, {} connections, {:?} a round trip, into {}{}{}",
        args.recipients,
        args.connections,
        args.delay.unwrap_or_default(),
        if args.postfix { "Postfix" } else { "smtp-sink" },
        if args.window > 0 { format!(", a window of {}", args.window) } else { String::new() },
        args.sign.iter().map(|algorithm| format!(", {}", algorithm.signature_name())).collect::<String>(),
    );
    let sent = runtime.block_on(send_all(&args, addr, sink.as_ref()));
    let ours = median(sent.iter().map(|(seconds, _)| args.recipients as f64 / seconds));
    let cpu = median(sent.iter().map(|(_, cpu)| cpu / args.recipients as f64 * 1_000.0));
    let ledger = if args.postgres { "PostgreSQL" } else { "SQLite" };
    println!("postrider:   {ours:8.0} messages/s, personalised, ledger on {ledger} (median of {})", args.runs);
    println!(
        "             {cpu:8.3} s of processor time for 1,000 messages, composing and ledger included; most memory {} MiB",
        peak_mib()
    );
    let busy = || sink.as_ref().map_or(0.0, |sink| cpu_seconds(&sink.process()));
    let (start, before, children) = (Instant::now(), busy(), spent("self", OF_CHILDREN));
    if let Some(theirs) = smtp_source(addr, wire_bytes, args.others, args.connections, args.runs) {
        let cpu = (spent("self", OF_CHILDREN) - children) / (args.others * args.runs) as f64 * 1_000.0;
        println!("smtp-source: {theirs:8.0} messages/s, one fixed message, no ledger (median of {})", args.runs);
        println!("             {cpu:8.3} s of processor time for 1,000 messages");
        println!(
            "             meanwhile the sink was busy for {:.0} % of the time",
            (busy() - before) / start.elapsed().as_secs_f64() * 100.0
        );
        println!("ratio:       {:8.2}", ours / theirs);
    }
    if let Some(theirs) = args.nodemailer.and_then(|folder| nodemailer(&folder, addr, args.others.min(3_000), args.connections)) {
        println!("nodemailer:  {theirs:8.0} messages/s, its pool, no ledger");
        println!("ratio:       {:8.2}", ours / theirs);
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Processor time of a process so far, user and system; `self` is ours, in which the sink's is not.
fn cpu_seconds(process: &str) -> f64 {
    spent(process, OF_ITSELF)
}

/// Where `/proc/…/stat` tells the two times, behind the name, of a process itself and of its children that have ended.
const OF_ITSELF: usize = 11;
const OF_CHILDREN: usize = 13;

fn spent(process: &str, field: usize) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(field).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
}

/// Seconds from the first claim to the last recorded result, and our processor time meanwhile, of each run: an Issue to everybody.
async fn send_all(args: &Args, addr: SocketAddr, sink: Option<&Sink>) -> Vec<(f64, f64)> {
    let folder = tempfile::tempdir().expect("a folder");
    let now = Timestamp::from_secs(1_790_000_000);
    let server = args.postgres.then(postgres::Postgres::start);
    let url = match &server {
        Some(server) => StoreUrl::Postgres(PostgresUrl::parse(&server.database()).expect("an address")),
        None => StoreUrl::Sqlite(folder.path().join("bench.db")),
    };
    let store = Store::open(&url, now).await.expect("a store");
    let list = ListId::parse("a").expect("an id");
    for first in (0..args.recipients).step_by(2_000) {
        let rows: Vec<NewSubscriber> = (first..args.recipients.min(first + 2_000)).map(reader).collect();
        store.upsert_subscribers(&rows, &list, SubscriptionState::Confirmed, "bench", false, now).await.expect("imported");
    }
    let mut runs = Vec::new();
    for _ in 0..args.runs {
        let issue = store.create_issue(&letter(&list), now).await.expect("an issue");
        // The machine's clock, since leases run out during a long bench on a slow disk only if time passes.
        let clock = Clock::new(|| Timestamp::from_datetime(&chrono::Utc::now()));
        let relay = relay(addr, args.connections, args.window);
        let (key, trust, timeouts) = (LinkKey::new(b"bench"), Trust::default(), Timeouts::default());
        let sender = Sender::with(store.clone(), &[relay], OnUnknown::Resend, "https://example.org/", key, clock, trust, timeouts)
            .signing(signer(&args.sign));
        let busy = || sink.map_or(0.0, |sink| cpu_seconds(&sink.process()));
        let (start, cpu, sink_cpu) = (Instant::now(), cpu_seconds("self"), busy());
        // As a task of the runtime's own threads, which is what the binary does.
        let sending = tokio::spawn(async move { sender.run_issue(issue, &CancellationToken::new()).await });
        sending.await.expect("no panic").expect("delivered");
        let seconds = start.elapsed().as_secs_f64();
        runs.push((seconds, cpu_seconds("self") - cpu));
        println!("             a run of {seconds:.2} s; the sink was busy for {:.0} % of it", (busy() - sink_cpu) / seconds * 100.0);
        let counts = store.counts(issue).await.expect("counts");
        assert_eq!(counts.sent, args.recipients as u64, "everybody is sent to: {counts:?}");
    }
    runs
}

/// Signs with new keys.
fn signer(algorithms: &[Algorithm]) -> Option<Arc<Dkim>> {
    let selector = |algorithm: &Algorithm| Selector::parse(algorithm.key_name()).expect("a selector");
    let key = |algorithm: &Algorithm| Key::generate(*algorithm, selector(algorithm)).expect("a key").0;
    (!algorithms.is_empty()).then(|| Arc::new(Dkim { domain: "example.org".into(), keys: algorithms.iter().map(key).collect() }))
}

/// How long a message is, unsigned; those of the others are as long.
fn wire_bytes() -> usize {
    let list = ListId::parse("a").expect("an id");
    let compiled = Compiled::new(&letter(&list).frozen, &list).expect("compiled");
    let link = "https://example.org/unsubscribe/0000000000000000000000000000000000000000".to_owned();
    let reader = Reader {
        subscriber: Subscriber {
            id: SubscriberId(1),
            email: EmailAddress::parse("reader10000@example.com").expect("an address"),
            name: Some("Reader 10000".into()),
            attributes: serde_json::Map::new(),
            language: None,
            timezone: None,
            created_at: Timestamp(0),
        },
        unsubscribe_address: None,
        unsubscribe_url: link.clone(),
        preferences_url: link.clone(),
        view_url: link,
        confirm_url: String::new(),
        message_id: "00000000000000000000000000000000@example.org".into(),
    };
    let mut message = Vec::new();
    compiled.message(&reader, Timestamp(0), &mut message).expect("composed");
    message.len()
}

fn reader(i: usize) -> NewSubscriber {
    let email = EmailAddress::parse(&format!("reader{i}@example.com")).expect("an address");
    NewSubscriber { name: Some(format!("Reader {i}")), ..NewSubscriber::new(email) }
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
        fresh: None,
        sections: Vec::new(),
        corrections: Vec::new(),
        language: None,
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
        only: None,
        edition: Default::default(),
        remembered: Default::default(),
        local: None,
    }
}

fn relay(addr: SocketAddr, connections: usize, window: usize) -> Relay {
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
        window,
        hello: None,
    }
}

/// Messages a second of `smtp-source`, or nothing when it is not installed.
fn smtp_source(addr: SocketAddr, bytes: usize, messages: usize, connections: usize, runs: usize) -> Option<f64> {
    let program = tool("smtp-source")?;
    let run = |_| {
        let start = Instant::now();
        let status = Command::new(&program)
            .args(["-d", "-s", &connections.to_string(), "-l", &bytes.to_string(), "-m", &messages.to_string()])
            .args(["-f", "post@example.org", "-t", "reader@example.com", &format!("inet:{addr}")])
            .stdout(Stdio::null())
            .status()
            .expect("smtp-source starts");
        assert!(status.success(), "smtp-source failed");
        messages as f64 / start.elapsed().as_secs_f64()
    };
    Some(median((0..runs).map(run)))
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
