//! The SMTP driver against Postfix and Exim: every message exactly once, byte for byte, under its own sender, in every mode, whoever is refused.

use std::collections::VecDeque;

use postrider::model::outcome::{FailureClass, Outcome};
use postrider::model::relay::TlsMode;
use postrider::model::{EmailAddress, Relay};
use postrider::send::connect::{Trust, connect};
use postrider::send::content::Mail;
use postrider::send::smtp::{Fate, Mode, Timeouts};
use tokio::runtime::Runtime;

use super::smtp_server::{Letter, SmtpServer};
use crate::support::smtp::cert;

/// Messages of a story.
const MESSAGES: usize = 200;
/// In flight in a window.
const WINDOW: usize = 8;
/// No story needs more connections; one that does goes in circles.
const CONNECTIONS_MAX: usize = 200;

/// One message with a sender of its own.
struct Item {
    mail: Mail,
    letter: Letter,
}

/// The nth message of a run to somebody called `who`: a short one full of dots, one of 20 KB, one in 8-bit text, one of the longest lines, in turn.
fn item(run: &str, n: usize, who: &str) -> Item {
    let (from, to) = (format!("bounce-{run}-{n}@example.org"), format!("{who}-{run}-{n}@inbox.test"));
    let body = match n % 4 {
        0 => format!(".\n..\n.leading {n}\n\n.\nMAIL FROM:<evil@inbox.test>\n.\n\n..end\n"),
        1 => (0..400).map(|line| format!("{n} {line}: the tide comes in and goes out, and nobody asks.\n")).collect(),
        2 => format!("Grüße Nr. {n}: 港の朝、静かな水\n.…\n"),
        _ => format!("{}\n.{}\n", "x".repeat(998), "y".repeat(997)),
    };
    let head = format!(
        "From: <post@example.org>\nTo: <{to}>\nSubject: {n}\nMessage-ID: <{run}-{n}@example.org>\nDate: Sun, 22 Nov 2026 09:00:00 +0000\n"
    );
    let message = format!("{head}MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{body}");
    let address = |text: &str| EmailAddress::parse(text).unwrap();
    let mail = Mail::new(address(&from), address(&to), message.replace('\n', "\r\n").into_bytes()).unwrap();
    Item { mail, letter: Letter { from, to, body } }
}

/// What became of the messages, and how many connections it took.
struct Told {
    outcomes: Vec<Outcome>,
    connections: usize,
}

/// Sends all over one connection after another; what was not sent goes again.
fn deliver(relay: &Relay, mode: Mode, items: &[Item]) -> Told {
    let trust = Trust::with_roots(vec![cert()]);
    Runtime::new().unwrap().block_on(async {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; items.len()];
        let mut waiting: VecDeque<usize> = (0..items.len()).collect();
        let mut connections = 0;
        while !waiting.is_empty() {
            connections += 1;
            assert!(connections <= CONNECTIONS_MAX, "in circles: {} of {} messages are left", waiting.len(), items.len());
            let mut connection = connect(relay, &trust, mode, &Timeouts::default()).await.expect("a connection");
            assert_eq!(connection.mode(), mode);
            while !waiting.is_empty() {
                let mails: Vec<&Mail> = waiting.iter().take(1 + connection.ahead()).map(|&n| &items[n].mail).collect();
                let delivered = connection.send(&mails).await;
                let n = waiting.pop_front().unwrap();
                match delivered.outcome {
                    // To the end, so that the order of those on the wire stays.
                    Outcome::NotSent | Outcome::Waits(_) => waiting.push_back(n),
                    outcome => outcomes[n] = Some(outcome),
                }
                if delivered.fate != Fate::Open {
                    break;
                }
            }
            connection.quit().await;
        }
        Told { outcomes: outcomes.into_iter().map(Option::unwrap).collect(), connections }
    })
}

/// At most `doubts` messages are in doubt. Who was accepted has exactly one letter, the same byte for byte and with its own sender; who was refused has none and the right reason.
fn assert_right(server: &SmtpServer, before: usize, items: &[Item], told: &Told, doubts: usize) -> usize {
    let (mut expected, mut unknown) = (Vec::new(), 0);
    for (item, outcome) in items.iter().zip(&told.outcomes) {
        let right = match (item.letter.to.split('-').next().unwrap(), outcome) {
            ("gone", Outcome::Failed { class: FailureClass::Address, reply }) => reply.code == 550 && reply.phase == "rcpt",
            ("later", Outcome::Deferred { class: FailureClass::Mailbox, reply, .. }) => reply.code / 100 == 4 && reply.phase == "rcpt",
            ("busy", Outcome::Deferred { class: FailureClass::Relay, reply, .. }) => reply.code == 421,
            ("big", Outcome::Failed { class: FailureClass::Content, .. }) => true,
            ("reader", Outcome::Sent(_)) => {
                expected.push(item.letter.clone());
                true
            }
            // The kernel may throw away the 421 itself, too.
            ("reader" | "busy", Outcome::Unknown(_)) => unknown < doubts,
            _ => false,
        };
        unknown += usize::from(matches!(outcome, Outcome::Unknown(_)));
        assert!(right, "{}: {outcome:?}", item.letter.to);
    }
    let letters = server.letters(before + expected.len());
    let all = letters.len();
    assert!(all <= before + expected.len() + unknown, "a message came twice, or came though it was not sent");
    println!("{unknown} in doubt, {} of them delivered", all - before - expected.len());
    for letter in &expected {
        let same = letters.iter().filter(|other| other.to == letter.to).collect::<Vec<_>>();
        assert_eq!(same, [letter], "not the one letter that was sent");
    }
    all
}

/// All modes, plain and with STARTTLS, every fifth recipient refused for good or for now.
fn every_mode(server: &SmtpServer) {
    let mut before = 0;
    for (tls, way) in [(TlsMode::None, "plain"), (TlsMode::Required, "tls")] {
        for (mode, name, window) in [(Mode::Sequential, "sequential", 0), (Mode::Pipe1, "pipe1", 0), (Mode::Window, "window", WINDOW)] {
            let who = |n: usize| match n % 10 {
                4 => "gone",
                9 => "later",
                _ => "reader",
            };
            let items: Vec<Item> = (0..MESSAGES).map(|n| item(&format!("{way}{name}"), n, who(n))).collect();
            let told = deliver(&server.relay(tls, window), mode, &items);
            before = assert_right(server, before, &items, &told, 0);
            println!("{way} {name}: {MESSAGES} messages over {} connections", told.connections);
        }
    }
}

#[test]
#[ignore = "needs Postfix: run scripts/test"]
fn postfix_gets_every_message_once_in_every_mode() {
    every_mode(&SmtpServer::postfix(""));
}

#[test]
#[ignore = "needs Exim: run scripts/test"]
fn exim_gets_every_message_once_in_every_mode() {
    every_mode(&SmtpServer::exim(""));
}

#[test]
#[ignore = "needs Postfix: run scripts/test"]
fn after_a_421_from_postfix_in_the_middle_of_a_window_nothing_is_lost_or_doubled() {
    let server = SmtpServer::postfix("");
    let mut before = 0;
    for (round, mode, window) in [(0, Mode::Window, WINDOW), (1, Mode::Window, 2), (2, Mode::Window, WINDOW), (3, Mode::Pipe1, 0)] {
        let items: Vec<Item> = (0..60).map(|n| item(&format!("round{round}"), n, if n % 20 == 3 { "busy" } else { "reader" })).collect();
        let told = deliver(&server.relay(TlsMode::None, window), mode, &items);
        assert!(told.connections >= 3, "every 421 ends a connection");
        // Postfix may close before the kernel has carried its answers over: the window of each of the three is then in doubt, and nothing else is.
        before = assert_right(&server, before, &items, &told, 3 * window);
    }
}

#[test]
#[ignore = "needs Postfix: run scripts/test"]
fn postfix_that_closes_after_three_errors_loses_and_doubles_nobody() {
    let server = SmtpServer::postfix("smtpd_hard_error_limit = 3\nsmtpd_error_sleep_time = 0");
    let mut before = 0;
    for (name, mode, window) in [("sequential", Mode::Sequential, 0), ("pipe1", Mode::Pipe1, 0), ("window", Mode::Window, WINDOW)] {
        let items: Vec<Item> = (0..60).map(|n| item(name, n, if n % 10 < 3 { "gone" } else { "reader" })).collect();
        let told = deliver(&server.relay(TlsMode::None, window), mode, &items);
        assert!(told.connections > 1, "{name}: three errors end a connection");
        before = assert_right(&server, before, &items, &told, 0);
    }
}

#[test]
#[ignore = "needs Postfix: run scripts/test"]
fn a_message_too_large_for_postfix_is_refused_alone_whether_it_says_its_limit_or_not() {
    for more in ["message_size_limit = 15000", "message_size_limit = 15000\nsmtpd_discard_ehlo_keywords = size, silent-discard"] {
        let server = SmtpServer::postfix(&format!("{more}\nmailbox_size_limit = 0\nvirtual_mailbox_limit = 0"));
        let mut before = 0;
        for (name, mode, window) in [("sequential", Mode::Sequential, 0), ("pipe1", Mode::Pipe1, 0), ("window", Mode::Window, WINDOW)] {
            // Those with n % 4 = 1 have more than 20 KB; every second of them goes, spread so that they do not end the connection by themselves.
            let ns = (0..60).filter(|n| n % 4 != 1 || n % 8 == 5);
            let items: Vec<Item> = ns.map(|n| item(name, n, if n % 4 == 1 { "big" } else { "reader" })).collect();
            let told = deliver(&server.relay(TlsMode::None, window), mode, &items);
            before = assert_right(&server, before, &items, &told, 0);
        }
    }
}

#[test]
#[ignore = "needs Exim: run scripts/test"]
fn exim_that_limits_messages_a_connection_gets_every_message_once() {
    let server = SmtpServer::exim("smtp_accept_max_per_connection = 20");
    let mut before = 0;
    for (name, mode, window) in [("pipe1", Mode::Pipe1, 0), ("window", Mode::Window, WINDOW)] {
        let items: Vec<Item> = (0..100).map(|n| item(name, n, "reader")).collect();
        let told = deliver(&server.relay(TlsMode::None, window), mode, &items);
        assert!(told.connections >= 5, "{name}: 20 messages a connection");
        before = assert_right(&server, before, &items, &told, 0);
    }
}
