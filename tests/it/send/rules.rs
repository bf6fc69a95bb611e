//! The driver's rules that are not about a window (docs/smtp.md has the table).

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use postrider::model::outcome::{FailureClass, Outcome, Reply};
use postrider::model::relay::TlsMode;
use postrider::model::{EmailAddress, Timestamp};
use postrider::send::connect::{Trust, connect};
use postrider::send::content::Mail;
use postrider::send::ladder::{Ladder, REMEMBERED, TWICE_WITHIN};
use postrider::send::smtp::{Fate, Mode, Timeouts};
use postrider::send::wary::Wary;
use postrider::send::wire::Wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::driver::{ABC, mail, open, quick, relay, run, send_all, words};
use crate::support::smtp::{Act, FULL, Server, cert, say, say_and_close};

#[tokio::test]
async fn only_what_is_announced_after_tls_counts() {
    let said = AtomicUsize::new(0);
    let server = Server::start(&["STARTTLS"], move |event| match (event.verb.as_str(), said.load(SeqCst)) {
        ("EHLO", 0) => {
            said.store(1, SeqCst);
            Act::Say(b"250-test\r\n250-STARTTLS\r\n250 PIPELINING\r\n".to_vec())
        }
        _ => Act::Usual,
    })
    .await;
    let trust = Trust::with_roots(vec![cert()]);
    let connection = connect(&relay(server.addr.port(), TlsMode::Required), &trust, Mode::Pipe1, &quick()).await.unwrap();
    assert_eq!(connection.mode(), Mode::Sequential);
}

#[tokio::test]
async fn replies_are_read_while_content_is_written() {
    let (ours, mut theirs) = tokio::io::duplex(64);
    let replies = "250 2.0.0 ok\r\n".repeat(1_000);
    let server = tokio::spawn(async move {
        // Says all of it before it reads a word: a client that does not read meanwhile waits for ever, and so does the server.
        theirs.write_all(replies.as_bytes()).await.unwrap();
        let mut read = vec![0; 10_000];
        theirs.read_exact(&mut read).await.unwrap();
        theirs
    });
    let mut wire = Wire::new(ours);
    wire.write(&[b'x'; 10_000], Duration::from_secs(5)).await.expect("written");
    let _theirs = server.await.unwrap();
    for _ in 0..1_000 {
        assert!(wire.reply(Duration::from_secs(5)).await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn text_in_8_bit_needs_a_server_that_takes_it() {
    let address = |text: &str| EmailAddress::parse(text).unwrap();
    let message = "Subject: x\r\n\r\nGrüße\r\n".as_bytes();
    let mail = Mail::new(address("news@example.org"), address("a@example.com"), message.to_vec()).unwrap();
    let able = Server::start(FULL, |_| Act::Usual).await;
    assert_eq!(words(&[open(&able, Mode::Pipe1).await.send(&[&mail]).await]), ["sent Open"]);
    assert!(able.lines().iter().any(|line| line.starts_with("MAIL") && line.contains(" SIZE=23 BODY=8BITMIME")), "{:?}", able.lines());
    let unable = Server::start(&["PIPELINING"], |_| Act::Usual).await;
    assert_eq!(words(&[open(&unable, Mode::Pipe1).await.send(&[&mail]).await]), ["failed content 0 Open"]);
    assert!(!unable.verbs(1).contains(&"MAIL".to_owned()));
}

#[tokio::test]
async fn a_goodbye_on_an_idle_connection_is_nobodys_fault() {
    let server = Server::start(FULL, |event| match (event.verb.as_str(), event.connection) {
        ("DOT", 1) => Act::SayAndClose(b"250 2.0.0 taken\r\n421 4.4.2 idle too long\r\n".to_vec()),
        _ => Act::Usual,
    })
    .await;
    let mut connection = open(&server, Mode::Pipe1).await;
    assert_eq!(words(&send_all(&mut connection, &ABC[..1]).await), ["sent Open"]);
    assert_eq!(words(&send_all(&mut connection, &ABC[1..2]).await), ["not sent Renew"], "connect anew, no throttle, no attempt");
    assert!(!server.lines().iter().any(|line| line.contains("b@example.com")));
}

#[tokio::test]
async fn closed_without_a_word_after_the_first_commands_sent_ahead_is_a_reason_to_send_less_ahead() {
    let (_, delivered) = run(|event| if event.verb == "DATA" { Act::Close } else { Act::Usual }).await;
    assert_eq!(delivered, ["not sent Lost"], "it did answer");
    let close_at_mail =
        |mail| move |event: &crate::support::smtp::Event| if event.verb == "MAIL" && event.mail == mail { Act::Close } else { Act::Usual };
    let (_, delivered) = run(close_at_mail(1)).await;
    assert_eq!(delivered, ["not sent Distrusted"]);
    let (_, delivered) = run(close_at_mail(2)).await;
    assert_eq!(delivered, ["sent Open", "not sent Lost"], "it had kept step before");
    let server = Server::start(&[], close_at_mail(1)).await;
    let mut connection = open(&server, Mode::Pipe1).await;
    assert_eq!(words(&send_all(&mut connection, &ABC).await), ["not sent Lost"], "nothing was sent ahead");
}

#[tokio::test]
async fn a_stale_transaction_without_354_is_reset_and_the_message_counts_as_not_sent() {
    let (server, delivered) = run(|event| match (event.verb.as_str(), event.mail) {
        ("MAIL", 2) => say("503 5.5.1 nested MAIL"),
        ("RCPT", 2) => say("250 2.1.5 ok"),
        ("DATA", 2) => say("503 5.5.1 no"),
        _ => Act::Usual,
    })
    .await;
    assert_eq!(delivered, ["sent Open", "not sent Open", "sent Open"]);
    assert_eq!(server.recipients(), ["a@example.com", "c@example.com"]);
    assert_eq!(server.verbs(1).iter().filter(|verb| *verb == "RSET").count(), 1);
}

#[tokio::test]
async fn a_recipient_that_needs_care_is_asked_before_data() {
    let server = Server::start(FULL, |event| match (event.verb.as_str(), event.mail) {
        ("RCPT", 2) => say("550 5.1.1 no such user"),
        _ => Act::Usual,
    })
    .await;
    let mut connection = open(&server, Mode::Pipe1).await;
    let mut mails: Vec<_> = ABC.into_iter().map(mail).collect();
    mails[1].careful = true;
    let mut delivered = Vec::new();
    for i in 0..mails.len() {
        let next: Vec<_> = mails[i..].iter().take(1 + connection.ahead()).collect();
        delivered.push(connection.send(&next).await);
    }
    assert_eq!(words(&delivered), ["sent Open", "failed address 550 Open", "sent Open"]);
    let verbs = server.verbs(1);
    assert_eq!(verbs.iter().filter(|verb| *verb == "DATA").count(), 2, "one error, not two: {verbs:?}");
}

#[test]
fn a_domain_that_refuses_every_third_recipient_is_treated_with_care() {
    let wary = Wary::default();
    let address = |domain: &str| EmailAddress::parse(&format!("a@{domain}")).unwrap();
    let reply = |code, phase| Reply { code, enhanced: None, text: String::new(), phase };
    let refused = |phase| Outcome::Failed { class: FailureClass::Address, reply: reply(550, phase) };
    for n in 0..20 {
        let often = if n % 5 < 2 { refused("rcpt") } else { Outcome::Sent(reply(250, "final")) };
        wary.note(&address("often.example.com"), &often);
        let seldom = if n % 5 == 0 { refused("rcpt") } else { Outcome::Sent(reply(250, "final")) };
        wary.note(&address("seldom.example.com"), &seldom);
        wary.note(&address("content.example.com"), &refused("final"));
        assert!(n >= 9 || !wary.is_careful(&address("often.example.com")), "too few to tell");
    }
    let careful = ["often", "seldom", "content"].map(|name| wary.is_careful(&address(&format!("{name}.example.com"))));
    assert_eq!(careful, [true, false, false]);
}

#[tokio::test]
async fn an_outcome_keeps_phase_code_enhanced_code_and_text() {
    let server = Server::start(FULL, |event| match event.verb.as_str() {
        "RCPT" => Act::Say(b"550-5.1.1 No such person.\r\n550-5.1.1 Fr\xfcher war\r\n550 5.1.1 das anders.\r\n".to_vec()),
        _ => Act::Usual,
    })
    .await;
    let mut connection = open(&server, Mode::Pipe1).await;
    let delivered = send_all(&mut connection, &ABC[..1]).await;
    let text = "5.1.1 No such person. Fr\u{fffd}her war das anders.".to_owned();
    let reply = Reply { code: 550, enhanced: Some("5.1.1".into()), text, phase: "rcpt" };
    assert_eq!(delivered[0].outcome, Outcome::Failed { class: FailureClass::Address, reply });
}

#[test]
fn every_step_has_the_time_the_standard_gives_it() {
    let secs = Duration::from_secs;
    let expected =
        Timeouts { connect: secs(30), greeting: secs(300), envelope: secs(300), data: secs(120), block: secs(180), last: secs(600) };
    assert_eq!(Timeouts::default(), expected);
}

const START: Timestamp = Timestamp(1_790_000_000_000_000);

#[test]
fn a_host_is_stepped_down_one_mode_at_a_time_and_tried_again_after_a_day() {
    let mut ladder = Ladder::new(Mode::Window);
    assert_eq!(ladder.mode(START), Mode::Window);
    assert!(ladder.step_down(Mode::Window, START));
    assert!(ladder.step_down(Mode::Window, START), "the second connection that found out takes the same step");
    assert_eq!(ladder.mode(START), Mode::Pipe1);
    assert!(ladder.step_down(Mode::Pipe1, START) && ladder.step_down(Mode::Grouped, START));
    assert_eq!(ladder.mode(START), Mode::Sequential);
    assert!(!ladder.step_down(Mode::Sequential, START), "there is nothing lower");
    assert_eq!(ladder.mode(START.plus(REMEMBERED - Duration::from_secs(1))), Mode::Sequential);
    assert_eq!(ladder.mode(START.plus(REMEMBERED)), Mode::Window);
}

#[test]
fn what_may_be_chance_counts_the_second_time_within_an_hour() {
    let mut ladder = Ladder::new(Mode::Pipe1);
    ladder.strike(Mode::Pipe1, START);
    assert_eq!(ladder.mode(START), Mode::Pipe1);
    let later = START.plus(TWICE_WITHIN + Duration::from_secs(1));
    ladder.strike(Mode::Pipe1, later);
    assert_eq!(ladder.mode(later), Mode::Pipe1, "the first was more than an hour ago");
    ladder.strike(Mode::Pipe1, later.plus(Duration::from_secs(60)));
    assert_eq!(ladder.mode(later.plus(Duration::from_secs(60))), Mode::Grouped);
}

#[test]
fn what_is_remembered_survives_as_a_note_and_never_raises_a_mode() {
    let mut ladder = Ladder::new(Mode::Pipe1);
    assert_eq!(ladder.note(), None);
    ladder.step_down(Mode::Pipe1, START);
    let note = ladder.note().unwrap();
    let mut next = Ladder::new(Mode::Pipe1);
    next.recall(&note);
    assert_eq!(next, ladder);
    let mut slow = Ladder::new(Mode::Sequential);
    slow.recall(&note);
    assert_eq!(slow.mode(START), Mode::Sequential, "pipelining = false in the configuration stands");
    let mut fresh = Ladder::new(Mode::Pipe1);
    fresh.recall("nonsense");
    assert_eq!(fresh.mode(START), Mode::Pipe1);
}

#[tokio::test]
async fn a_server_out_of_step_on_a_refused_reset_is_told_from_one_that_goes_away() {
    let (_, delivered) = run(|event| match (event.verb.as_str(), event.mail) {
        ("RCPT", 1) => say("550 5.1.1 no"),
        ("RSET", _) => say_and_close("554 SMTP synchronization error"),
        _ => Act::Usual,
    })
    .await;
    assert_eq!(delivered[1], format!("not sent {:?}", Fate::Dead));
}

#[tokio::test]
async fn an_answer_too_many_is_never_taken_for_the_answer_to_another_command() {
    let twice = |line: &str| Act::Say(format!("{line}\r\n{line}\r\n").into_bytes());
    for (verb, line) in [("DOT", "250 2.0.0 taken"), ("MAIL", "250 2.1.0 ok"), ("RCPT", "250 2.1.5 ok")] {
        for mode in [Mode::Pipe1, Mode::Grouped, Mode::Sequential] {
            let server =
                Server::start(FULL, move |event| if event.verb == verb && event.mail == 1 { twice(line) } else { Act::Usual }).await;
            let mut connection = open(&server, mode).await;
            let delivered = send_all(&mut connection, &ABC).await;
            let told = words(&delivered).iter().filter(|word| word.starts_with("sent")).count();
            let taken = server.recipients();
            assert!(told <= taken.len(), "{verb} answered twice in {mode:?}: {told} told as sent, taken were {taken:?}");
            let last = delivered.last().unwrap();
            assert!(last.fate != Fate::Open, "{verb} answered twice in {mode:?}: {delivered:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_neither_the_expected_nor_a_refusal_ends_the_connection_and_counts_no_attempt() {
    for (verb, line) in [("DATA", "250 2.0.0 ok"), ("DATA", "334 what"), ("MAIL", "354 go"), ("RCPT", "354 go")] {
        let (server, delivered) = run(move |event| if event.verb == verb && event.mail == 2 { say(line) } else { Act::Usual }).await;
        assert_eq!(delivered, ["sent Open", "not sent Distrusted"], "{line:?} to {verb}");
        assert_eq!(server.recipients(), ["a@example.com"], "{line:?} to {verb}");
    }
    // One that comes together with the 354 would be read as the answer to the final dot.
    let (server, delivered) =
        run(|event| if event.verb == "DATA" && event.mail == 2 { Act::Say(b"354 go\r\n250 2.0.0 taken\r\n".to_vec()) } else { Act::Usual })
            .await;
    assert_eq!((delivered[1].as_str(), server.recipients().len()), ("not sent Distrusted", 1), "354 and 250 to DATA");
}
