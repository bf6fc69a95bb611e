//! How fast a ledgered, personalised send is: real SQLite, real SMTP over loopback, into a sink that keeps nothing.
//!
//! `cargo bench --bench send -- [recipients] [connections]`; with Postfix's test tools installed the same sink is also measured with `smtp-source`,
//! which neither personalises nor records, and the ratio is printed.

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Instant;

use postrider::config::{OnUnknown, StoreUrl};
use postrider::inbox::{Inbox, Options};
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

/// Size of a message before encoding: a digest of ten articles.
const MESSAGE_BYTES: usize = 20_000;
/// Runs; the median is printed.
const RUNS: usize = 3;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse::<usize>().ok());
    let (recipients, connections) = (numbers.next().unwrap_or(20_000), numbers.next().unwrap_or(4));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // The sink has a runtime of its own, as a mail server has a process of its own.
    let sink_runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let inbox = sink_runtime.block_on(sink());
    println!("{recipients} recipients, {MESSAGE_BYTES} bytes of text each, {connections} connections");
    let ours = median((0..RUNS).map(|_| recipients as f64 / runtime.block_on(send(&inbox, recipients, connections))));
    println!("postrider:   {ours:8.0} messages/s, personalised, ledger on SQLite (median of {RUNS})");
    match (0..RUNS).map(|_| smtp_source(inbox.addr(), recipients, connections)).collect::<Option<Vec<f64>>>() {
        Some(seconds) => {
            let theirs = median(seconds.into_iter().map(|seconds| recipients as f64 / seconds));
            println!("smtp-source: {theirs:8.0} messages/s, one fixed message, no ledger (median of {RUNS})");
            println!("ratio:       {:8.2}", ours / theirs);
        }
        None => println!("smtp-source is not installed (Debian package postfix): no comparison"),
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn sink() -> Inbox {
    let options = Options { discard: true, ..Options::default() };
    Inbox::bind_with("127.0.0.1:0".parse().expect("an address"), options).await.expect("a sink")
}

/// Seconds from the first claim to the last recorded result.
async fn send(inbox: &Inbox, recipients: usize, connections: usize) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let now = Timestamp::from_secs(1_790_000_000);
    let store = Store::open(&StoreUrl::Sqlite(folder.path().join("bench.db")), now).await.expect("a store");
    let list = ListId::parse("a").expect("an id");
    let rows: Vec<NewSubscriber> = (0..recipients).map(reader).collect();
    for rows in rows.chunks(2_000) {
        store.upsert_subscribers(rows, &list, SubscriptionState::Confirmed, "bench", false, now).await.expect("imported");
    }
    let issue = store.create_issue(&letter(&list), now).await.expect("an issue");
    let relay = relay(inbox.addr(), connections);
    // The machine's clock, since leases run out during a long bench on a slow disk only if time passes.
    let clock = Clock::new(|| Timestamp::from_datetime(&chrono::Utc::now()));
    let key = LinkKey::new(b"bench");
    let sender =
        Sender::with(store.clone(), &[relay], OnUnknown::Resend, "https://example.org/", key, clock, Trust::default(), Timeouts::default());
    inbox.clear();
    let start = Instant::now();
    sender.run_issue(issue, &CancellationToken::new()).await.expect("delivered");
    let seconds = start.elapsed().as_secs_f64();
    let counts = store.counts(issue).await.expect("counts");
    assert_eq!((counts.sent, inbox.count()), (recipients as u64, recipients as u64), "everybody once: {counts:?}");
    seconds
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
        hello: None,
    }
}

/// Seconds `smtp-source` needs for as many messages of that size, or nothing when it is not installed.
fn smtp_source(addr: SocketAddr, messages: usize, connections: usize) -> Option<f64> {
    let program = ["/usr/sbin/smtp-source", "/usr/bin/smtp-source"].into_iter().find(|path| std::path::Path::new(path).exists())?;
    let start = Instant::now();
    let status = Command::new(program)
        .args(["-d", "-s", &connections.to_string(), "-l", &MESSAGE_BYTES.to_string(), "-m", &messages.to_string()])
        .args(["-f", "post@example.org", "-t", "reader@example.com", &format!("inet:{addr}")])
        .stdout(Stdio::null())
        .status()
        .ok()?;
    status.success().then(|| start.elapsed().as_secs_f64())
}
