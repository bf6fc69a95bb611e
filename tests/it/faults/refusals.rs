//! Rows 9-12: relays that say no, for a while, for good, to one or to everybody.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use postrider::model::{Counts, IssueStatus, Relay};
use postrider::send::retry;

use super::all_waiting;
use crate::send::ledger::{Desk, HTML, assert_once, letter, to};
use crate::support::smtp::{Act, Event, FULL, Server, say};

#[tokio::test]
async fn row_9_greylisting_and_a_full_mailbox_are_tried_again_ever_later_and_suppress_nobody() {
    let desk = Desk::new(10).await;
    let knocked: Mutex<HashMap<String, u32>> = Mutex::default();
    let server = Server::start(FULL, move |event| {
        if event.verb != "RCPT" {
            return Act::Usual;
        }
        let times = *knocked.lock().unwrap().entry(event.line.clone()).and_modify(|n| *n += 1).or_insert(1);
        match event.line.as_str() {
            "RCPT TO:<r4@example.com>" => say("452 4.2.2 mailbox full"),
            _ if times == 1 => say("450 4.7.1 greylisted, come back in five minutes"),
            _ => Act::Usual,
        }
    })
    .await;
    assert_eq!(desk.deliver(&[to(&server)]).await, Counts { planned: 10, deferred: 10, ..Counts::default() });

    let mut waits = Vec::new();
    while let Some(due) = desk.store.next_due().await.unwrap() {
        waits.push(due.since(desk.now()));
        // All are due a little after the first, by their jitter.
        desk.later(due.since(desk.now()) + Duration::from_secs(75));
        desk.deliver(&[to(&server)]).await;
    }
    assert!(waits[0] >= retry::FIRST_DELAY, "the first try again came after {:?}", waits[0]);
    let minutes: Vec<u64> = waits.iter().map(|wait| wait.as_secs() / 60).collect();
    assert!(waits[1..6].windows(2).all(|pair| pair[1] >= pair[0]), "the waits grow: {minutes:?} min");
    let days = waits.iter().sum::<Duration>().as_secs_f64() / 86_400.0;
    assert!((4.0..=6.5).contains(&days), "given up after {days:.1} days");
    assert_eq!(desk.counts().await, Counts { planned: 10, sent: 9, failed: 1, ..Counts::default() });
    let mut got = server.recipients();
    got.push("r4@example.com".to_owned());
    assert_once(got, 10);
    assert!(desk.store.suppressions("", 1).await.unwrap().is_empty(), "one event suppresses nobody");
}

#[tokio::test]
async fn row_10_a_dead_address_is_suppressed_once_and_never_mailed_again() {
    let mut desk = Desk::new(5).await;
    let dead = |event: &Event| if event.line == "RCPT TO:<r3@example.com>" { say("550 5.1.1 no such user") } else { Act::Usual };
    let server = Server::start(FULL, dead).await;
    desk.deliver(&[to(&server)]).await;
    for _ in 0..2 {
        desk.issue = desk.store.create_issue(&letter(HTML), desk.now()).await.unwrap();
        let counts = desk.deliver(&[to(&server)]).await;
        assert_eq!(counts, Counts { planned: 4, sent: 4, ..Counts::default() }, "the next issue does not even plan it");
    }
    let knocks = server.lines().iter().filter(|line| line.contains("<r3@example.com>")).count();
    assert_eq!((knocks, desk.store.suppressions("", 9).await.unwrap().len()), (1, 1));
}

#[tokio::test]
async fn row_11_a_refusal_of_everybody_pauses_the_issue_and_suppresses_nobody() {
    let refusals = [
        ("MAIL", "550 5.7.1 your address is blocked"),
        ("RCPT", "550 5.7.1 relaying denied"),
        ("DOT", "550 5.7.26 not authenticated"),
        ("DOT", "550 5.7.515 does not meet the requirements"),
        ("DOT", "552 5.3.4 too big"),
        ("DOT", "554 5.6.0 content refused"),
        ("DOT", "554 spam"),
        ("RCPT", "550 no"),
    ];
    for (verb, reply) in refusals {
        let desk = Desk::new(50).await;
        let bad = Server::start(FULL, move |event| if event.verb == verb { say(reply) } else { Act::Usual }).await;
        assert_eq!(desk.deliver(&[to(&bad)]).await, all_waiting(50), "{reply} at {verb}");
        let row = desk.row().await;
        assert!(row.status == IssueStatus::Paused && row.reason.as_deref().unwrap().contains(reply), "{reply} at {verb}: {row:?}");
        assert!(desk.store.suppressions("", 1).await.unwrap().is_empty(), "{reply} at {verb} is nobody's own fault");
        let asked = bad.lines().iter().filter(|line| line.starts_with("MAIL")).count();
        assert!(asked < 50, "{reply} at {verb}: it stopped early, not after {asked}");

        desk.store.resume_issue(desk.issue, desk.now()).await.unwrap();
        let mended = Server::start(FULL, |_| Act::Usual).await;
        assert_eq!(desk.deliver(&[to(&mended)]).await, super::all_sent(50));
        assert_once(mended.recipients(), 50);
    }
}

#[tokio::test]
async fn row_11_a_refused_login_pauses_the_issue_before_any_envelope() {
    let desk = Desk::new(10).await;
    let server = Server::start(&["PIPELINING", "AUTH PLAIN"], |_| Act::Usual).await;
    let relay = Relay { user: Some("user".into()), password: Some("wrong".to_owned().into()), ..to(&server) };
    assert_eq!(desk.deliver(&[relay]).await, all_waiting(10));
    let row = desk.row().await;
    assert!(row.status == IssueStatus::Paused && row.reason.as_deref().unwrap().contains("535"), "{row:?}");
    assert!(!server.lines().iter().any(|line| line.starts_with("MAIL")));
}

#[tokio::test]
async fn row_12_odd_replies_are_classed_by_their_first_digit_and_kept_as_they_came() {
    let desk = Desk::new(9).await;
    let replies: BTreeMap<&str, (&[u8], &str, &str)> = BTreeMap::from([
        ("r0@example.com", (&b"550-5.1.1 no such user\r\n550 5.1.1 try another\r\n"[..], "failed", "no such user try another")),
        ("r1@example.com", (b"550 nobody here\r\n", "failed", "nobody here")),
        ("r2@example.com", (b"450 5.1.1 the classes disagree\r\n", "deferred", "5.1.1 the classes disagree")),
        ("r3@example.com", (b"550 4.2.2 the classes disagree\r\n", "failed", "4.2.2 the classes disagree")),
        ("r4@example.com", (b"550 5.1.1 unbekannt: M\xfcller\r\n", "failed", "unbekannt: M\u{fffd}ller")),
        ("r5@example.com", (b"452\r\n", "deferred", "")),
        ("r6@example.com", (b"599 5.9.9 from the future\n", "failed", "from the future")),
        ("r7@example.com", (b"250-yes\r\n250-yes\r\n250 yes\r\n", "", "")),
    ]);
    let scripted = replies.clone();
    let server = Server::start(FULL, move |event| {
        let address = event.line.split(['<', '>']).nth(1).unwrap_or_default();
        match scripted.get(address).filter(|_| event.verb == "RCPT") {
            Some((reply, ..)) => Act::Say(reply.to_vec()),
            None => Act::Usual,
        }
    })
    .await;
    assert_eq!(desk.deliver(&[to(&server)]).await, Counts { planned: 9, sent: 2, failed: 5, deferred: 2, ..Counts::default() });
    let troubles = desk.store.troubles(desk.issue, 20).await.unwrap();
    for (address, (_, state, text)) in replies.iter().filter(|(_, (_, state, _))| !state.is_empty()) {
        let trouble = troubles.iter().find(|trouble| trouble.email == *address).unwrap_or_else(|| panic!("no trouble with {address}"));
        assert_eq!(&trouble.state, state, "{address}");
        assert!(trouble.reply.as_deref().unwrap_or_default().contains(text), "{address}: {:?} should be kept", trouble.reply);
    }
}
