//! Whose fault a refusal is, over several Issues: what suppresses, what only counts, what fades.

use std::time::Duration;

use postrider::model::Counts;

use super::another_program;
use crate::send::ledger::{Desk, HTML, letter, to};
use crate::support::smtp::{Act, Event, FULL, Server, say};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A server that gives r1 this answer and takes all others.
async fn refusing(reply: &'static str) -> Server {
    Server::start(FULL, move |event: &Event| if event.line == "RCPT TO:<r1@example.com>" { say(reply) } else { Act::Usual }).await
}

/// Sends one more Issue through `server`; what is deferred is as old as the fifth day at its second try (row 9 walks through all of them).
/// Gives how many people are suppressed after it.
async fn one_issue(desk: &mut Desk, server: &Server) -> usize {
    desk.issue = desk.store.create_issue(&letter(HTML), desk.now()).await.unwrap();
    let started = desk.now();
    desk.deliver(&[to(server)]).await;
    if desk.store.next_due().await.unwrap().is_some() {
        let sql = "UPDATE deliveries SET attempts = 100 WHERE state = 4";
        sqlx::query(sql).execute(&mut another_program(desk).await).await.unwrap();
        desk.later(DAY * 5);
        desk.deliver(&[to(server)]).await;
    }
    assert!(desk.counts().await.deferred == 0, "begun {started:?}");
    desk.store.suppressions("", 10).await.unwrap().len()
}

/// A desk whose first Issue is out of the way.
async fn desk() -> Desk {
    let desk = Desk::new(3).await;
    let server = Server::start(FULL, |_| Act::Usual).await;
    desk.deliver(&[to(&server)]).await;
    desk
}

#[tokio::test]
async fn a_refusal_without_a_reason_suppresses_only_when_it_comes_again_on_another_day() {
    let (mut desk, server) = (desk().await, refusing("550 no").await);
    assert_eq!(one_issue(&mut desk, &server).await, 0, "once is no proof");
    assert_eq!(one_issue(&mut desk, &server).await, 0, "nor is twice on one day");
    desk.later(DAY);
    assert_eq!(one_issue(&mut desk, &server).await, 1, "on two days it is");
    let suppressed = &desk.store.suppressions("", 1).await.unwrap()[0];
    assert_eq!(
        (suppressed.email.as_str(), suppressed.reason.as_str()),
        ("r1@example.com", "refused for good on different days, at last: 550 no")
    );
}

#[tokio::test]
async fn a_letter_taken_in_between_forgets_a_refusal_without_a_reason() {
    let (mut desk, server) = (desk().await, refusing("550 no").await);
    assert_eq!(one_issue(&mut desk, &server).await, 0);
    desk.later(DAY);
    let good = Server::start(FULL, |_| Act::Usual).await;
    one_issue(&mut desk, &good).await;
    desk.later(DAY);
    assert_eq!(one_issue(&mut desk, &server).await, 0);
}

#[tokio::test]
async fn a_mailbox_that_stays_full_over_four_issues_of_a_month_is_given_up_and_one_that_is_full_now_and_then_is_not() {
    for (pause, suppressed) in [(2, [0, 0, 0, 1, 1]), (90, [0, 0, 0, 0, 0])] {
        let (mut desk, server) = (desk().await, refusing("452 4.2.2 mailbox full").await);
        let mut found = Vec::new();
        for _ in 0..5 {
            found.push(one_issue(&mut desk, &server).await);
            desk.later(DAY * pause);
        }
        assert_eq!(found, suppressed, "with {pause} days between");
    }
}

#[tokio::test]
async fn a_relay_that_is_short_of_space_for_weeks_makes_no_mailbox_guilty() {
    let (mut desk, server) = (desk().await, refusing("452 4.3.1 insufficient system storage").await);
    for _ in 0..5 {
        assert_eq!(one_issue(&mut desk, &server).await, 0);
        desk.later(DAY);
    }
}

#[tokio::test]
async fn only_faults_of_the_address_suppress_at_once() {
    for (reply, suppressed) in [
        ("550 5.1.1 no such user", 1),
        ("550 5.1.2 no such domain", 1),
        ("550 5.1.3 bad syntax", 1),
        ("556 5.1.10 null mx", 1),
        ("550 5.2.1 disabled", 1),
        ("552 5.2.2 full", 0),
        ("550 5.7.1 blocked", 0),
        ("554 5.6.0 content", 0),
        ("550 5.0.0 no", 0),
        ("451 4.3.0 try again", 0),
    ] {
        let (mut desk, server) = (desk().await, refusing(reply).await);
        assert_eq!(one_issue(&mut desk, &server).await, suppressed, "{reply}");
        assert_eq!(desk.counts().await, Counts { planned: 3, sent: 2, failed: 1, ..Counts::default() }, "{reply}: the others have theirs");
    }
}
