//! Rows 13-16: servers that offer little, TLS that is not to be had, and limits of a relay.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use postrider::config::OnUnknown;
use postrider::model::relay::TlsMode;
use postrider::model::{Counts, IssueStatus, Relay};
use postrider::send::connect::Trust;
use tokio_util::sync::CancellationToken;

use super::{all_sent, all_waiting, attempts};
use crate::send::driver::relay;
use crate::send::ledger::{Desk, HTML, assert_once, reader, to};
use crate::support::smtp::{Act, Event, FULL, Server, cert, say, say_and_close};

#[tokio::test]
async fn row_13_a_server_that_offers_little_or_speaks_helo_only_gets_its_mail() {
    let without = |gone: &str| FULL.iter().copied().filter(|keyword| !keyword.starts_with(gone)).collect::<Vec<_>>();
    let mut offers = ["PIPELINING", "8BITMIME", "SIZE", "SMTPUTF8", "ENHANCED"].map(without).to_vec();
    offers.push(Vec::new());
    for offer in offers {
        let desk = Desk::new(10).await;
        let server = Server::start(&offer, |_| Act::Usual).await;
        assert_eq!(desk.deliver(&[to(&server)]).await, all_sent(10), "offered {offer:?}");
        assert_once(server.recipients(), 10);
        assert!(offer.contains(&"PIPELINING") || server.pipelined().is_empty(), "nothing is sent ahead unasked: {:?}", server.pipelined());
    }
    let desk = Desk::new(10).await;
    let old = Server::start(&[], |event| if event.verb == "EHLO" { say("502 5.5.1 what is that") } else { Act::Usual }).await;
    assert_eq!(desk.deliver(&[to(&old)]).await, all_sent(10), "HELO only");
}

#[tokio::test]
async fn row_13_an_address_in_utf_8_is_kept_back_with_the_reason_until_a_server_can_take_it() {
    let desk = Desk::with(&[reader("ann@example.com", None), reader("j\u{f6}rg@example.com", None)], HTML).await;
    let server = Server::start(&["PIPELINING", "8BITMIME"], |_| Act::Usual).await;
    let counts = desk.deliver(&[to(&server)]).await;
    assert_eq!((counts.sent, counts.planned), (1, 2), "{counts:?}");
    assert_eq!(server.recipients(), ["ann@example.com"]);
    let troubles = desk.store.troubles(desk.issue, 5).await.unwrap();
    assert!(troubles[0].reply.as_deref().unwrap().contains("SMTPUTF8"), "{troubles:?}");
    assert!(desk.store.suppressions("", 1).await.unwrap().is_empty(), "it is no fault of the address");

    desk.store.retry_issue(desk.issue, desk.now()).await.unwrap();
    let able = Server::start(FULL, |_| Act::Usual).await;
    assert_eq!(desk.deliver(&[to(&able)]).await, all_sent(2));
    assert_eq!(able.recipients(), ["j\u{f6}rg@example.com"]);
}

#[tokio::test]
async fn row_14_where_tls_is_required_and_not_to_be_had_the_issue_waits_with_an_alarm_and_nothing_goes_plain() {
    let offers =
        [("STARTTLS stripped", &["PIPELINING"][..], "STARTTLS"), ("a bad certificate", &["PIPELINING", "STARTTLS"], "TLS with localhost")];
    join_all(offers.map(async |(what, offer, said)| {
        let desk = Desk::new(10).await;
        let server = Server::start(offer, |_| Act::Usual).await;
        let secure = relay(server.addr.port(), TlsMode::Required);
        assert_eq!(desk.deliver(&[secure]).await, all_waiting(10), "{what}");
        let row = desk.row().await;
        assert!(row.status == IssueStatus::Paused && row.reason.as_deref().unwrap().contains(said), "{what}: {row:?}");
        assert!(!server.plain_mail() && server.accepted().is_empty(), "{what}: no recipient is named in plain text");

        desk.store.resume_issue(desk.issue, desk.now()).await.unwrap();
        let mended = Server::start(&["PIPELINING", "STARTTLS"], |_| Act::Usual).await;
        let secure = relay(mended.addr.port(), TlsMode::Required);
        let sender = desk.sender_trusting(&[secure], OnUnknown::Resend, Trust::with_roots(vec![cert()]));
        sender.run_issue(desk.issue, &CancellationToken::new()).await.unwrap();
        assert_eq!(desk.counts().await, all_sent(10), "{what}, mended");
        assert!(!mended.plain_mail());
    }))
    .await;
}

#[tokio::test]
async fn row_14_tls_that_is_missing_for_a_moment_is_waited_for() {
    let desk = Desk::new(10).await;
    let moment = |event: &Event| match event.verb.as_str() {
        "EHLO" if event.connection == 1 => Act::Say(b"250-test\r\n250 PIPELINING\r\n".to_vec()),
        _ => Act::Usual,
    };
    let server = Server::start(&["PIPELINING", "STARTTLS"], moment).await;
    let secure = Relay { connections: 1, ..relay(server.addr.port(), TlsMode::Required) };
    let sender = desk.sender_trusting(&[secure], OnUnknown::Resend, Trust::with_roots(vec![cert()]));
    sender.run_issue(desk.issue, &CancellationToken::new()).await.unwrap();
    assert_eq!(desk.counts().await, all_sent(10));
    assert!(!server.plain_mail());
}

/// Sends 60 letters over four connections; wants each once, with one Attempt each.
async fn within_the_limit(what: &str, script: impl Fn(&Event) -> Act + Send + Sync + 'static) -> Server {
    let desk = Desk::new(60).await;
    let server = Server::start(FULL, script).await;
    assert_eq!(desk.deliver(&[Relay { connections: 4, ..to(&server) }]).await, all_sent(60), "{what}");
    assert_once(server.recipients(), 60);
    let attempts = attempts(&desk).await;
    assert!(attempts.values().all(|n| *n == 1), "{what} is no error of a letter: {attempts:?}");
    server
}

#[tokio::test]
async fn row_15_a_relay_that_takes_ten_messages_a_connection_is_connected_to_again() {
    let server = within_the_limit("ten a connection", |event| {
        if event.verb == "MAIL" && event.mail > 10 { say_and_close("421 4.7.0 enough for one connection") } else { Act::Usual }
    })
    .await;
    assert!(!server.verbs(6).is_empty(), "60 letters need six connections");
}

#[tokio::test]
async fn row_15_a_relay_that_takes_two_connections_is_served_over_two() {
    within_the_limit("two connections", |event| {
        if event.verb == "CONNECT" && event.open > 2 { say_and_close("421 4.7.0 too many connections from you") } else { Act::Usual }
    })
    .await;
}

#[tokio::test]
async fn row_15_a_relay_that_takes_thirty_a_second_is_given_its_time() {
    let window: Mutex<(Option<Instant>, u32)> = Mutex::default();
    within_the_limit("thirty a second", move |event| {
        if event.verb != "MAIL" {
            return Act::Usual;
        }
        let mut window = window.lock().unwrap();
        if window.0.is_none_or(|start| start.elapsed() > Duration::from_secs(1)) {
            *window = (Some(Instant::now()), 0);
        }
        window.1 += 1;
        if window.1 > 30 { say("450 4.7.1 too many messages, slow down") } else { Act::Usual }
    })
    .await;
}

#[tokio::test]
async fn row_15_a_cap_we_know_of_is_kept_and_no_server_has_to_say_it() {
    let desk = Desk::new(50).await;
    let server = Server::start(FULL, |_| Act::Usual).await;
    let relay = Relay { messages_per_connection: 7, connections: 3, ..to(&server) };
    assert_eq!(desk.deliver(&[relay]).await, Counts { planned: 50, sent: 50, ..Counts::default() });
    for connection in 1..=50 {
        assert!(server.verbs(connection).iter().filter(|verb| *verb == "DOT").count() <= 7);
    }
}
