//! Rows 6-8: relays that refuse, say nothing, drip, or cut the line.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use postrider::model::Counts;
use tokio_util::sync::CancellationToken;

use super::{all_sent, eventually, message_id};
use crate::send::ledger::{Desk, assert_once, to, twice};
use crate::support::smtp::{Act, Event, FULL, Server, say_and_close};

#[tokio::test]
async fn row_6_a_relay_that_refuses_for_a_while_is_asked_less_and_less_and_then_takes_all() {
    let desk = Desk::new(20).await;
    let start = Instant::now();
    let server = Server::start(FULL, move |event| {
        let refuses = event.verb == "CONNECT" && start.elapsed() < Duration::from_millis(1_200);
        if refuses { say_and_close("421 4.3.2 not now") } else { Act::Usual }
    })
    .await;
    let (sender, stop) = (desk.sender(&[to(&server)]), CancellationToken::new());
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { sender.run(stop).await }
    });
    eventually("all are sent", async || desk.counts().await.sent == 20).await;
    stop.cancel();
    running.await.unwrap().unwrap();
    assert_once(server.recipients(), 20);
    let refused = (1..).take_while(|n| !server.verbs(*n).contains(&"EHLO".to_owned())).count();
    assert!((1..=5).contains(&refused), "1.2 s of refusal were worth {refused} connections");
}

#[tokio::test]
async fn row_6_a_relay_that_falls_silent_times_out_at_any_step_and_the_next_relay_goes_on() {
    join_all(["CONNECT", "EHLO", "MAIL", "DATA"].map(async |verb| {
        let desk = Desk::new(10).await;
        let silent = Server::start(FULL, move |event| if event.verb == verb { Act::Silence } else { Act::Usual }).await;
        let good = Server::start(FULL, |_| Act::Usual).await;
        assert_eq!(desk.deliver(&[to(&silent), to(&good)]).await, all_sent(10), "silent at {verb}");
        assert_once(good.recipients(), 10);
    }))
    .await;
}

#[tokio::test]
async fn row_6_a_relay_that_drips_a_byte_a_second_times_out_and_one_that_is_only_slow_does_not() {
    let desk = Desk::new(6).await;
    let dripping = Server::start(FULL, |_| Act::Drip(Duration::from_secs(1))).await;
    let slow = Server::start(FULL, |event| if event.verb == "EHLO" { Act::Usual } else { Act::Drip(Duration::from_millis(2)) }).await;
    assert_eq!(desk.deliver(&[to(&dripping), to(&slow)]).await, all_sent(6));
    assert_once(slow.recipients(), 6);
    assert!(dripping.recipients().is_empty() && dripping.lines().iter().all(|line| !line.starts_with("MAIL")));
}

#[tokio::test]
async fn row_7_a_reset_before_data_is_sent_again_at_once_and_comes_once() {
    for verb in ["EHLO", "MAIL", "RCPT", "DATA"] {
        let desk = Desk::new(30).await;
        let reset = move |event: &Event| {
            if event.verb == verb && event.connection <= 2 && event.mail == usize::from(verb != "EHLO") * 4 {
                Act::Reset
            } else {
                Act::Usual
            }
        };
        let server = Server::start(FULL, reset).await;
        assert_eq!(desk.deliver(&[to(&server)]).await, all_sent(30), "reset at {verb}");
        assert_once(server.recipients(), 30);
    }
}

#[tokio::test]
async fn row_7_a_reset_after_the_final_dot_is_in_doubt_and_comes_again_with_the_same_message_id() {
    let desk = Desk::new(8).await;
    let cut = |event: &Event| if event.verb == "DOT" && event.mail == 2 && event.connection == 1 { Act::TakeAndReset } else { Act::Usual };
    let bad = Server::start(FULL, cut).await;
    let (sender, issue, stop) = (desk.sender(&[to(&bad)]), desk.issue, CancellationToken::new());
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { sender.run_issue(issue, &stop).await }
    });
    let in_doubt = Counts { planned: 8, sent: 7, deferred: 1, ..Counts::default() };
    eventually("one is in doubt", async || desk.counts().await == in_doubt).await;
    stop.cancel();
    running.await.unwrap().unwrap();
    desk.later(Duration::from_secs(60));
    let good = Server::start(FULL, |_| Act::Usual).await;
    desk.deliver(&[to(&good)]).await;
    assert_eq!(desk.counts().await, all_sent(8));
    let copies = [bad.accepted(), good.accepted()].concat();
    let ids: HashSet<String> = copies.iter().map(message_id).collect();
    assert_eq!((copies.len(), ids.len()), (9, 8), "eight letters, one of them twice under the same Message-ID");
}

#[tokio::test]
async fn row_8_a_421_at_any_step_closes_the_connection_and_costs_a_delay_only() {
    for (verb, reply) in
        [("CONNECT", "421 4.3.2 busy"), ("MAIL", "421 4.7.0 slow down"), ("RCPT", "421 4.7.0 no"), ("DOT", "421 4.3.2 down")]
    {
        let desk = Desk::new(20).await;
        let (bad, good) = twice(&desk, move |event| {
            let hit = event.verb == verb && event.connection == 1 && event.mail == if verb == "CONNECT" { 0 } else { 3 };
            if hit { say_and_close(reply) } else { Act::Usual }
        })
        .await;
        assert_eq!(desk.counts().await, all_sent(20), "421 at {verb}");
        assert_once([bad.recipients(), good.recipients()].concat(), 20);
        let after = bad.verbs(1).iter().filter(|verb| *verb == "MAIL").count();
        assert!(after <= 4, "421 at {verb}: mail went on over the same connection");
    }
}
