//! Many relays and many domains over a real ledger: pace, patience, shares, failover, warm-up, and Issues side by side.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postrider::config::OnUnknown;
use postrider::model::relay::{Rate, TlsMode, WarmUp};
use postrider::model::{Clock, Counts, IssueStatus, ListId, Relay, SubscriptionState, Timestamp};
use postrider::send::connect::Trust;
use postrider::send::smtp::Timeouts;
use postrider::send::{SendError, Sender};
use postrider::store::issues::NewIssue;
use postrider::store::subscribers::NewSubscriber;
use tokio_util::sync::CancellationToken;

use super::driver::relay;
use super::ledger::{Desk, HTML, assert_once, letter, list, reader, to};
use crate::support::smtp::{Act, Event, FULL, Server, say, say_and_close};

/// A sender whose clock goes on, as paces need it.
fn sender(desk: &Desk, relays: &[Relay]) -> Sender {
    sender_that_waits(desk, relays, Duration::from_secs(5))
}

fn sender_that_waits(desk: &Desk, relays: &[Relay], wait: Duration) -> Sender {
    let (time, start) = (desk.time.clone(), Instant::now());
    let clock = Clock::new(move || Timestamp(time.load(SeqCst)).plus(start.elapsed()));
    let timeouts = Timeouts { connect: wait, greeting: wait, envelope: wait, data: wait, block: wait, last: wait };
    Sender::with(desk.store.clone(), relays, OnUnknown::Resend, "https://example.org/", desk.key.clone(), clock, Trust::default(), timeouts)
}

/// Sends until the counts are as wanted, then tells it to stop.
async fn send_until(desk: &Desk, relays: &[Relay], wanted: impl Fn(&Counts) -> bool) -> Counts {
    send_with(desk, sender(desk, relays), wanted).await
}

async fn send_with(desk: &Desk, sender: Sender, wanted: impl Fn(&Counts) -> bool) -> Counts {
    let (stop, issue) = (CancellationToken::new(), desk.issue);
    let token = stop.clone();
    let task = tokio::spawn(async move { sender.run_issue(issue, &token).await });
    let deadline = Instant::now() + Duration::from_secs(20);
    while !wanted(&desk.counts().await) {
        assert!(Instant::now() < deadline, "not reached: {:?}", desk.counts().await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    task.await.unwrap().unwrap();
    desk.counts().await
}

/// `each` readers at each of `domains`, one domain after the other in turn.
fn readers_at(domains: &[&str], each: usize) -> Vec<NewSubscriber> {
    (0..each).flat_map(|i| domains.iter().map(move |domain| reader(&format!("r{i}@{domain}"), None))).collect()
}

/// When each domain's recipients were named.
#[derive(Clone, Default)]
struct Times(Arc<Mutex<BTreeMap<String, Vec<Instant>>>>);

impl Times {
    /// Notes a RCPT; the recipient's domain, if it is one.
    fn note(&self, event: &Event) -> Option<String> {
        let domain = event.line.strip_prefix("RCPT TO:<")?.split(['@', '>']).nth(1)?.to_owned();
        self.0.lock().unwrap().entry(domain.clone()).or_default().push(Instant::now());
        Some(domain)
    }

    fn of(&self, domain: &str) -> Vec<Instant> {
        self.0.lock().unwrap().get(domain).cloned().unwrap_or_default()
    }

    /// From the first to the last of all domains but `except`.
    fn span(&self, except: &str) -> Duration {
        let times = self.0.lock().unwrap();
        let all: Vec<Instant> = times.iter().filter(|(domain, _)| *domain != except).flat_map(|(_, times)| times.clone()).collect();
        *all.iter().max().unwrap() - *all.iter().min().unwrap()
    }
}

const NINE: [&str; 9] = [
    "a.example.com",
    "b.example.com",
    "c.example.com",
    "d.example.com",
    "e.example.com",
    "f.example.com",
    "g.example.com",
    "h.example.com",
    "i.example.com",
];

#[tokio::test]
async fn a_domain_with_a_rate_keeps_it_and_the_others_do_not_wait() {
    let desk = Desk::with(&[readers_at(&["paced.example.com"], 25), readers_at(&NINE, 20)].concat(), HTML).await;
    let times = Times::default();
    let seen = times.clone();
    let server = Server::start(FULL, move |event| {
        seen.note(event);
        Act::Usual
    })
    .await;
    let domain_rates = BTreeMap::from([("paced.example.com".to_owned(), Rate::parse("20/s").unwrap())]);
    let relay = Relay { domain_rates, connections: 4, ..to(&server) };
    let counts = send_until(&desk, &[relay], |counts| counts.sent == 205).await;
    assert_eq!(counts, Counts { planned: 205, sent: 205, ..Counts::default() });
    let paced = times.of("paced.example.com");
    let took = *paced.last().unwrap() - paced[0];
    assert!(took >= Duration::from_millis(1_150), "25 messages at 20/s take 1.2 s, not {took:?}");
    for window in paced.windows(21) {
        assert!(window[20] - window[0] >= Duration::from_millis(900), "more than 20 in a second");
    }
    let others = times.span("paced.example.com");
    assert!(others < took.mul_f64(0.8), "the others took {others:?} while the paced domain took {took:?}");
}

#[tokio::test]
async fn a_domain_gets_no_more_connections_than_it_may() {
    let desk = Desk::with(&readers_at(&["narrow.example.com", "wide.example.com"], 20), HTML).await;
    let (narrow, wide) = (Arc::new((AtomicUsize::new(0), AtomicUsize::new(0))), Arc::new((AtomicUsize::new(0), AtomicUsize::new(0))));
    let on: Arc<Mutex<BTreeMap<usize, bool>>> = Arc::default();
    let counters = [narrow.clone(), wide.clone()];
    let server = Server::start(FULL, move |event| {
        let mut on = on.lock().unwrap();
        if event.verb == "RCPT" {
            let wide = event.line.contains("wide");
            on.insert(event.connection, wide);
            let (now, most) = &*counters[usize::from(wide)];
            most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            return Act::Late(Duration::from_millis(20));
        }
        if event.verb == "DOT"
            && let Some(wide) = on.remove(&event.connection)
        {
            counters[usize::from(wide)].0.fetch_sub(1, SeqCst);
        }
        Act::Usual
    })
    .await;
    let domain_connections = BTreeMap::from([("narrow.example.com".to_owned(), 1), ("*".to_owned(), 3)]);
    let relay = Relay { domain_connections, connections: 6, ..to(&server) };
    let counts = send_until(&desk, &[relay], |counts| counts.sent == 40).await;
    assert_eq!(counts.sent, 40);
    let (narrow, wide) = (narrow.1.load(SeqCst), wide.1.load(SeqCst));
    assert!(narrow == 1 && (2..=3).contains(&wide), "{narrow} at once where one is allowed, {wide} where three are");
}

#[tokio::test]
async fn a_domain_that_asks_us_to_slow_down_is_left_alone_and_no_attempt_is_counted_for_those_who_wait() {
    let desk = Desk::with(&readers_at(&["busy.example.com", "b.example.com", "c.example.com"], 60), HTML).await;
    let times = Times::default();
    let seen = times.clone();
    let server = Server::start(FULL, move |event| match seen.note(event).as_deref() {
        Some("busy.example.com") => say("451 4.7.1 too many messages, slow down"),
        _ => Act::Usual,
    })
    .await;
    let counts = send_until(&desk, &[to(&server)], |counts| counts.sent == 120 && counts.deferred == 60).await;
    assert_eq!(counts, Counts { planned: 180, sent: 120, deferred: 60, ..Counts::default() });
    let asked = times.of("busy.example.com").len();
    assert!(asked <= 4, "{asked} tries at a domain that asked us to slow down");
    let troubles = desk.store.troubles(desk.issue, 100).await.unwrap();
    let waiting =
        troubles.iter().filter(|trouble| trouble.reply.as_deref().is_some_and(|why| why.contains("asked us to slow down"))).count();
    assert_eq!(waiting, 60 - asked, "those who were not tried say why they wait");
    let start = Timestamp(desk.time.load(SeqCst));
    let soonest = troubles.iter().filter_map(|trouble| trouble.next_at).min().unwrap();
    assert!(soonest.since(start) >= Duration::from_secs(9), "patience lasts 10 s at first");
}

#[tokio::test]
async fn relays_share_the_mail_by_weight() {
    let desk = Desk::new(400).await;
    let (one, other) = (Server::start(FULL, |_| Act::Usual).await, Server::start(FULL, |_| Act::Usual).await);
    let relays = [Relay { weight: 3, name: "three".into(), ..to(&one) }, Relay { weight: 1, name: "one".into(), ..to(&other) }];
    assert_eq!(desk.deliver(&relays).await, Counts { planned: 400, sent: 400, ..Counts::default() });
    assert_once([one.recipients(), other.recipients()].concat(), 400);
    let share = one.recipients().len();
    assert!((270..=330).contains(&share), "three quarters of 400 go through the relay with weight 3, not {share}");
}

#[tokio::test]
async fn a_relay_that_stands_by_gets_nothing_while_the_other_is_up() {
    let desk = Desk::new(100).await;
    let (first, second) = (Server::start(FULL, |_| Act::Usual).await, Server::start(FULL, |_| Act::Usual).await);
    let relays = [to(&first), Relay { weight: 0, ..to(&second) }];
    assert_eq!(desk.deliver(&relays).await.sent, 100);
    assert_eq!((first.recipients().len(), second.lines().len()), (100, 0), "the second was not even connected to");
}

#[tokio::test]
async fn a_relay_that_refuses_costs_nothing_while_another_is_up_and_gets_the_mail_again_when_it_is_back() {
    let desk = Desk::new(1_200).await;
    let first =
        Server::start(
            FULL,
            |event| if event.verb == "CONNECT" && event.connection == 1 { say_and_close("421 4.3.2 not now") } else { Act::Usual },
        )
        .await;
    let second = Server::start(FULL, |event| if event.verb == "DOT" { Act::Late(Duration::from_millis(3)) } else { Act::Usual }).await;
    let relays = [Relay { name: "first".into(), ..to(&first) }, Relay { name: "second".into(), weight: 0, ..to(&second) }];
    assert_eq!(desk.deliver(&relays).await, Counts { planned: 1_200, sent: 1_200, ..Counts::default() });
    assert_once([first.recipients(), second.recipients()].concat(), 1_200);
    let (back, meanwhile) = (first.recipients().len(), second.recipients().len());
    assert!(meanwhile > 50 && back > 50, "{meanwhile} went through the one that stood by, then {back} through the first");
}

#[tokio::test]
async fn a_relay_that_cannot_be_had_is_tried_seldom() {
    let desk = Desk::new(50).await;
    let server = Server::start(FULL, |_| say_and_close("421 4.3.2 not now")).await;
    let (sender, stop) = (sender(&desk, &[Relay { connections: 8, ..to(&server) }]), CancellationToken::new());
    let token = stop.clone();
    let task = tokio::spawn(async move { sender.run(token).await });
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let tries = server.lines().len();
    assert!((2..=4).contains(&tries), "one connection finds out for all eight, after about 0.75 s and 1.5 s more: {tries} tries in 2.5 s");
    stop.cancel();
    task.await.unwrap().unwrap();
    assert_eq!(desk.counts().await, Counts { planned: 50, queued: 50, ..Counts::default() });
}

#[tokio::test]
async fn a_relay_that_says_goodbye_behind_its_greeting_is_tried_seldom_and_costs_nobody_an_attempt() {
    let desk = Desk::new(50).await;
    let server = Server::start(FULL, |event| match event.verb.as_str() {
        "EHLO" => Act::SayAndClose(b"250-test\r\n250 PIPELINING\r\n421 4.3.2 not now\r\n".to_vec()),
        _ => Act::Usual,
    })
    .await;
    let (sender, stop) = (sender(&desk, &[to(&server)]), CancellationToken::new());
    let token = stop.clone();
    let task = tokio::spawn(async move { sender.run(token).await });
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let tries = server.lines().iter().filter(|line| line.starts_with("EHLO")).count();
    assert!((2..=8).contains(&tries), "two connections, with longer and longer pauses: {tries} tries in 2.5 s");
    stop.cancel();
    task.await.unwrap().unwrap();
    assert_eq!(desk.counts().await, Counts { planned: 50, queued: 50, ..Counts::default() });
}

#[tokio::test]
async fn a_relay_that_hangs_stops_no_other() {
    let desk = Desk::new(400).await;
    let hangs = Server::start(FULL, |event| if event.verb == "DOT" { Act::Silence } else { Act::Usual }).await;
    let works = Server::start(FULL, |event| if event.verb == "DOT" { Act::Late(Duration::from_millis(2)) } else { Act::Usual }).await;
    let relays = [&hangs, &works].map(|server| Relay { name: server.addr.to_string(), connections: 2, ..to(server) });
    // Longer than the test may take: what hangs, hangs.
    let sender = sender_that_waits(&desk, &relays, Duration::from_secs(60));
    let counts = send_with(&desk, sender, |counts| counts.sent >= 396).await;
    assert!(counts.sent >= 396 && hangs.recipients().is_empty(), "{counts:?}");
    let through: std::collections::BTreeSet<String> = works.recipients().into_iter().collect();
    assert_eq!(through.len(), works.recipients().len(), "nobody got it twice");
}

#[tokio::test]
async fn a_message_whose_time_is_far_off_keeps_no_connection_from_the_others() {
    let desk = Desk::with(&[readers_at(&["seldom.example.com"], 3), readers_at(&NINE, 40)].concat(), HTML).await;
    let server = Server::start(FULL, |event| if event.verb == "DOT" { Act::Late(Duration::from_millis(3)) } else { Act::Usual }).await;
    let domain_rates = BTreeMap::from([("seldom.example.com".to_owned(), Rate::parse("60/h").unwrap())]);
    let relay = Relay { domain_rates, connections: 2, ..to(&server) };
    let counts = send_until(&desk, &[relay], |counts| counts.sent >= 361).await;
    assert_eq!(counts.sent, 361, "all others, and the first of the domain with a rate of one a minute: {counts:?}");
}

#[tokio::test]
async fn everybody_refused_in_mid_send_pauses_the_issue_over_any_number_of_connections() {
    for connections in [1, 2, 4] {
        let desk = Desk::new(500).await;
        let taken = AtomicUsize::new(0);
        let server = Server::start(FULL, move |event| match event.verb.as_str() {
            "DOT" if taken.fetch_add(1, SeqCst) >= 100 => say("550 5.7.26 not authenticated"),
            "DOT" => Act::Late(Duration::from_millis(10)),
            _ => Act::Usual,
        })
        .await;
        let relay = Relay { connections, ..to(&server) };
        let (sender, issue) = (sender(&desk, &[relay]), desk.issue);
        let ended = tokio::time::timeout(Duration::from_secs(20), sender.run_issue(issue, &CancellationToken::new())).await;
        assert!(ended.is_ok(), "{connections} connections: it should have paused, and waits: {:?}", desk.counts().await);
        let row = desk.store.issue(issue).await.unwrap().unwrap();
        assert!(row.status == IssueStatus::Paused && row.reason.as_deref().unwrap().contains("550 5.7.26"), "{connections}: {row:?}");
        let counts = desk.counts().await;
        // What was refused while a message from before was still being accepted is taken for its own fault.
        assert!(counts.sent == 100 && counts.failed < 20 && counts.queued == 400 - counts.failed, "{connections}: {counts:?}");
        assert!(desk.store.suppressions("", 1).await.unwrap().is_empty(), "nobody is suppressed for our fault");
    }
}

#[tokio::test]
async fn a_relay_that_is_just_starting_pauses_nothing() {
    let starts = [&["PIPELINING", "STARTTLS"][..], &["PIPELINING"]].concat();
    for act in [Act::Close, Act::Reset, say("454 4.7.0 TLS not available due to local problem")] {
        let desk = Desk::new(3).await;
        let answer = act.clone();
        let server = Server::start(&starts, move |event| if event.verb == "STARTTLS" { answer.clone() } else { Act::Usual }).await;
        let ended = desk.sender(&[relay(server.addr.port(), TlsMode::Required)]).run_issue(desk.issue, &CancellationToken::new()).await;
        assert!(matches!(ended, Err(SendError::Unreachable(_))), "{act:?}: {ended:?}");
        let row = desk.store.issue(desk.issue).await.unwrap().unwrap();
        assert_eq!((row.status, desk.counts().await.queued), (IssueStatus::Sending, 3), "{act:?}: waiting helps: {row:?}");
    }
}

#[tokio::test]
async fn a_warm_up_stops_for_the_day_survives_a_restart_and_goes_on_tomorrow() {
    let desk = Desk::new(60).await;
    let server = Server::start(FULL, |_| Act::Usual).await;
    let today = Timestamp(desk.time.load(SeqCst));
    let warm_up = Some(WarmUp { start: today.utc().date_naive(), days: vec![20, 30] });
    let relay = Relay { name: "new".into(), warm_up, ..to(&server) };
    for again in ["at first", "after a restart"] {
        let counts = desk.deliver(std::slice::from_ref(&relay)).await;
        assert_eq!(counts, Counts { planned: 60, sent: 20, deferred: 40, ..Counts::default() }, "{again}");
    }
    let trouble = desk.store.troubles(desk.issue, 1).await.unwrap().remove(0);
    let why = trouble.reply.unwrap();
    assert!(why.contains("relay new has sent what its warm-up allows for today"), "{why}");
    let midnight = Timestamp((today.0 / 86_400_000_000 + 1) * 86_400_000_000);
    assert_eq!(
        trouble.next_at.map(|at| at.since(midnight) < Duration::from_secs(5) && at >= midnight),
        Some(true),
        "{:?}",
        trouble.next_at
    );
    for sent in [50, 60] {
        desk.later(Duration::from_secs(86_400));
        assert_eq!(desk.deliver(std::slice::from_ref(&relay)).await.sent, sent, "30 on the second day, no limit on the third");
    }
    assert_once(server.recipients(), 60);
    assert_eq!(desk.store.issue(desk.issue).await.unwrap().unwrap().status, IssueStatus::Done);
}

#[tokio::test]
async fn a_crash_loop_goes_no_faster_than_the_rate() {
    let desk = Desk::new(200).await;
    let times = Times::default();
    let seen = times.clone();
    let server = Server::start(FULL, move |event| {
        seen.note(event);
        Act::Usual
    })
    .await;
    let relay = Relay { rate: Some(Rate::parse("20/s").unwrap()), ..to(&server) };
    let start = Instant::now();
    for _ in 0..8 {
        // The clock of a new process goes on from where it is.
        let (time, began) = (Timestamp(desk.time.load(SeqCst)), start);
        let clock = Clock::new(move || time.plus(began.elapsed()));
        let sender = Sender::with(
            desk.store.clone(),
            std::slice::from_ref(&relay),
            OnUnknown::Resend,
            "https://example.org/",
            desk.key.clone(),
            clock,
            Trust::default(),
            Timeouts::default(),
        );
        // Dropped in the middle, as a process that is killed: nothing is told to anybody.
        let crashed = tokio::time::timeout(Duration::from_millis(300), sender.run_issue(desk.issue, &CancellationToken::new())).await;
        assert!(crashed.is_err(), "it was in the middle");
        drop(sender);
        desk.store.recover(true, OnUnknown::Resend, Timestamp(desk.time.load(SeqCst))).await.unwrap();
    }
    let (sent, took) = (times.of("example.com").len(), start.elapsed().as_secs_f64());
    assert!(sent >= 2 && sent as f64 <= 20.0 * (took + 1.0), "{sent} messages in {took} s by eight processes at 20/s");
}

#[tokio::test]
async fn a_small_issue_does_not_wait_for_a_big_one_and_they_share_the_connections() {
    let desk = Desk::new(1_500).await;
    let open = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let counted = open.clone();
    let server = Server::start(FULL, move |event| {
        let (now, most) = &*counted;
        match event.verb.as_str() {
            "CONNECT" => drop(most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst)),
            "QUIT" => drop(now.fetch_sub(1, SeqCst)),
            "DOT" => return Act::Late(Duration::from_millis(4)),
            _ => {}
        }
        Act::Usual
    })
    .await;
    let relay = Relay { connections: 3, messages_per_connection: 100_000, ..to(&server) };
    let (sender, stop) = (sender(&desk, &[relay]), CancellationToken::new());
    let token = stop.clone();
    let task = tokio::spawn(async move { sender.run(token).await });
    let reached = async |count: u64| {
        while desk.counts().await.sent < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    reached(50).await;
    let now = Timestamp(desk.time.load(SeqCst));
    let small = ListId::parse("small").unwrap();
    let rows: Vec<NewSubscriber> = (0..10).map(|i| reader(&format!("s{i}@example.org"), None)).collect();
    desk.store.upsert_subscribers(&rows, &small, SubscriptionState::Confirmed, "test", false, now).await.unwrap();
    let mut new: NewIssue = letter(HTML);
    let template = new.frozen.lists.remove(&list()).unwrap();
    new.frozen.lists.insert(small.clone(), template);
    new.lists = vec![small];
    let id = desk.store.create_issue(&new, now).await.unwrap();
    while desk.store.counts(id).await.unwrap().sent < 10 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let big = desk.counts().await;
    assert!(big.sent < 1_400, "the small issue was through when the big one still had many to go: {big:?}");
    reached(1_500).await;
    stop.cancel();
    task.await.unwrap().unwrap();
    assert!(open.1.load(SeqCst) <= 3, "{} connections were open at once, 3 are allowed", open.1.load(SeqCst));
    let mut recipients = server.recipients();
    recipients.retain(|to| to.ends_with("example.com"));
    assert_once(recipients, 1_500);
}
