//! A window of whole messages in flight, against a server that does what real ones were seen to do: rules 7, 9, 10, 12 of docs/smtp.md.

use postrider::model::outcome::Outcome;
use postrider::model::relay::TlsMode;
use postrider::model::{EmailAddress, Relay};
use postrider::send::connect::{Trust, connect};
use postrider::send::content::Mail;
use postrider::send::smtp::{Connection, Delivered, Fate, Mode};

use super::driver::{quick, relay, words};
use crate::support::smtp::{Act, CHUNKING, Event, FULL, Server, say, say_and_close};

/// Messages in flight in these tests.
const WINDOW: usize = 8;
/// Messages that wait to be sent: more than two windows.
const MESSAGES: usize = 20;

fn windowed(server: &Server) -> Relay {
    Relay { window: WINDOW, ..relay(server.addr.port(), TlsMode::None) }
}

/// The nth message, with a sender of its own.
fn mail(n: usize) -> Mail {
    let address = |text: String| EmailAddress::parse(&text).unwrap();
    let message = format!("Subject: {n}\r\n\r\n.a dot\r\n..two\r\nend\r\n");
    Mail::new(address(format!("bounce-{n}@example.org")), address(format!("r{n}@example.com")), message.into_bytes()).unwrap()
}

async fn open(server: &Server, relay: &Relay) -> Connection {
    assert_eq!(relay.port, server.addr.port());
    connect(relay, &Trust::default(), Mode::Window, &quick()).await.unwrap()
}

/// Sends all, as many ahead as the driver wants, until the connection is over.
async fn send_all(connection: &mut Connection, mails: &[Mail]) -> Vec<Delivered> {
    let mails: Vec<&Mail> = mails.iter().collect();
    let mut delivered: Vec<Delivered> = Vec::new();
    while delivered.len() < mails.len() && delivered.last().is_none_or(|last| last.fate == Fate::Open) {
        let from = delivered.len();
        let until = mails.len().min(from + 1 + connection.ahead());
        delivered.push(connection.send(&mails[from..until]).await);
    }
    delivered
}

/// All messages to a server with this script: the server, what became of each, and whether the window is to be given up.
async fn run(script: impl Fn(&Event) -> Act + Send + Sync + 'static) -> (Server, Vec<String>, bool) {
    let server = Server::start(CHUNKING, script).await;
    let mut connection = open(&server, &windowed(&server)).await;
    let mails: Vec<Mail> = (1..=MESSAGES).map(mail).collect();
    let delivered = send_all(&mut connection, &mails).await;
    let unfit = connection.is_unfit_for_window();
    connection.quit().await;
    (server, words(&delivered), unfit)
}

/// Everything accepted went out under its own sender.
fn assert_no_wrong_envelope(server: &Server) {
    for message in server.accepted() {
        let [to] = &message.to[..] else { panic!("not one recipient: {message:?}") };
        assert_eq!(
            message.from.trim_start_matches("bounce-").split('@').next(),
            to.trim_start_matches('r').split('@').next(),
            "{message:?}"
        );
    }
}

fn times(word: &str, n: usize) -> Vec<String> {
    vec![word.to_owned(); n]
}

#[tokio::test]
async fn a_window_sends_whole_messages_ahead_each_behind_its_own_rset() {
    let (server, delivered, unfit) = run(|_| Act::Usual).await;
    assert_eq!(delivered, times("sent Open", MESSAGES));
    assert_no_wrong_envelope(&server);
    for (n, message) in (1..).zip(server.accepted()) {
        assert_eq!(
            String::from_utf8_lossy(&message.content),
            format!("Subject: {n}\r\n\r\n.a dot\r\n..two\r\nend\r\n"),
            "BDAT is not stuffed"
        );
    }
    let expected = [&["CONNECT", "EHLO"][..], &["RSET", "MAIL", "RCPT", "BDAT"].repeat(MESSAGES), &["QUIT"]].concat();
    assert_eq!(server.verbs(1), expected);
    assert!(server.pipelined().iter().filter(|verb| *verb == "BDAT").count() > 1, "nothing was sent ahead: {:?}", server.pipelined());
    assert!(!unfit);
}

#[tokio::test]
async fn no_more_messages_are_in_flight_than_the_window_allows() {
    let server = Server::start(CHUNKING, |event| if event.verb == "BDAT" { Act::Silence } else { Act::Usual }).await;
    let relay = Relay { window: 3, ..windowed(&server) };
    let mut connection = open(&server, &relay).await;
    let mails: Vec<Mail> = (1..=MESSAGES).map(mail).collect();
    let delivered = send_all(&mut connection, &mails).await;
    assert_eq!(words(&delivered), ["unknown Open", "unknown Open", "unknown Lost"], "three in flight, three in doubt");
}

#[tokio::test]
async fn there_is_no_window_where_it_is_not_asked_for_or_not_announced() {
    let announced = Server::start(CHUNKING, |_| Act::Usual).await;
    let not_asked = Relay { window: 0, ..windowed(&announced) };
    assert_eq!(open(&announced, &not_asked).await.mode(), Mode::Pipe1);
    let silent = Server::start(FULL, |_| Act::Usual).await;
    assert_eq!(open(&silent, &windowed(&silent)).await.mode(), Mode::Pipe1);
    let slow = Server::start(&["CHUNKING"], |_| Act::Usual).await;
    assert_eq!(open(&slow, &windowed(&slow)).await.mode(), Mode::Sequential);
}

#[tokio::test]
async fn a_refusal_in_a_window_takes_nobody_with_it() {
    let (server, delivered, unfit) = run(|event| match (event.verb.as_str(), event.mail) {
        ("RCPT", 2) => say("550 5.1.1 no such user"),
        ("BDAT", 5) => say("550 5.7.1 not wanted"),
        _ => Act::Usual,
    })
    .await;
    let mut expected = times("sent Open", MESSAGES);
    expected[1] = "failed address 550 Open".into();
    expected[4] = "failed policy 550 Open".into();
    assert_eq!(delivered, expected, "503 behind a refusal is not its reason");
    assert_eq!(server.recipients().len(), MESSAGES - 2);
    assert_no_wrong_envelope(&server);
    assert!(!unfit);
}

#[tokio::test]
async fn a_message_taken_under_another_sender_is_told_and_ends_the_window() {
    let (server, delivered, unfit) = run(|event| match (event.verb.as_str(), event.mail) {
        ("MAIL", 3) => say("503 5.5.1 sender already given"),
        ("RCPT", 3) => say("250 2.1.5 ok"),
        _ => Act::Usual,
    })
    .await;
    assert_eq!(delivered[..3], ["sent Open", "sent Open", "sent Open"], "it has left, and must not be sent again");
    assert_eq!(delivered.last().unwrap(), "sent Distrusted");
    assert_eq!(server.recipients().len(), delivered.len(), "what was in flight was read to its end");
    assert!(unfit && delivered.len() < MESSAGES, "{delivered:?}");
}

#[tokio::test]
async fn a_421_that_leaves_the_connection_open_is_read_to_the_end_of_the_window() {
    let (server, delivered, unfit) = run(|event| match (event.verb.as_str(), event.mail) {
        ("MAIL", 3) => say("421 4.7.0 too many messages"),
        _ => Act::Usual,
    })
    .await;
    assert_eq!(delivered[..3], ["sent Open", "sent Open", "not sent Open"]);
    assert!(delivered.len() < MESSAGES && delivered.last().unwrap() == "sent Throttled", "{delivered:?}");
    assert_eq!(server.recipients().len(), delivered.len() - 1);
    assert_eq!(server.verbs(1).last().unwrap(), "QUIT", "at a message border");
    assert!(unfit);
}

#[tokio::test]
async fn behind_a_421_with_close_nothing_was_sent() {
    let (server, delivered, unfit) = run(|event| match (event.verb.as_str(), event.mail) {
        ("RCPT", 3) => say_and_close("421 4.3.2 going down"),
        _ => Act::Usual,
    })
    .await;
    assert_eq!(delivered[..3], ["sent Open", "sent Open", "deferred relay 421 Open"]);
    assert!(delivered[3..delivered.len() - 1].iter().all(|one| one == "not sent Open"), "{delivered:?}");
    assert_eq!(delivered.last().unwrap(), "not sent Throttled");
    assert_eq!(server.recipients().len(), 2);
    assert!(unfit);
}

#[tokio::test]
async fn a_rate_limit_in_mid_window_costs_no_attempt_and_not_the_window() {
    let (_, delivered, unfit) = run(|event| match (event.verb.as_str(), event.mail) {
        ("MAIL", 3..) => say("450 4.7.1 rate limit"),
        _ => Act::Usual,
    })
    .await;
    assert_eq!(delivered[..3], ["sent Open", "sent Open", "not sent Open"]);
    assert_eq!(delivered.last().unwrap(), "not sent Throttled");
    assert!(!unfit && delivered.len() < MESSAGES, "{delivered:?}");
}

#[tokio::test]
async fn after_a_reset_every_message_without_its_answer_is_unknown() {
    let (server, delivered, unfit) = run(|event| if event.verb == "BDAT" && event.mail == 3 { Act::Reset } else { Act::Usual }).await;
    let (last, others) = delivered.split_last().unwrap();
    assert!(last == "unknown Lost" || last == "not sent Lost", "{delivered:?}");
    assert!(delivered.len() <= 2 + WINDOW && others.iter().all(|one| one == "sent Open" || one == "unknown Open"), "{delivered:?}");
    assert!(others.iter().filter(|one| *one == "sent Open").count() <= server.recipients().len(), "{delivered:?}");
    assert!(server.verbs(1).last().unwrap() != "QUIT" && unfit);
}

#[tokio::test]
async fn answers_that_were_held_back_and_lost_leave_unknown_and_never_sent_or_refused() {
    // All answers from the third message on never come; the server has taken them all.
    let (_, delivered, _) = run(|event| if event.mail >= 3 { Act::Say(Vec::new()) } else { Act::Usual }).await;
    assert_eq!(delivered[..2], ["sent Open", "sent Open"]);
    assert!(delivered[2..].iter().all(|one| one.starts_with("unknown")), "{delivered:?}");
}

#[tokio::test]
async fn a_message_that_was_not_handed_over_whole_is_not_sent() {
    let server = Server::start(&["PIPELINING", "CHUNKING"], |event| if event.verb == "RSET" { Act::Reset } else { Act::Usual }).await;
    let mut connection = open(&server, &windowed(&server)).await;
    let address = |text: &str| EmailAddress::parse(text).unwrap();
    let big = [&b"Subject: big\r\n\r\n"[..], &b"0123456789\r\n".repeat(2_000_000)].concat();
    let big = Mail::new(address("news@example.org"), address("a@example.com"), big).unwrap();
    assert_eq!(words(&[connection.send(&[&big]).await]), ["not sent Lost"]);
}

#[tokio::test]
async fn a_reset_command_refused_in_mid_window_ends_the_connection() {
    let (_, delivered, unfit) = run(|event| match (event.verb.as_str(), event.mail) {
        ("RSET", 2) => say_and_close("554 Too many nonmail commands"),
        _ => Act::Usual,
    })
    .await;
    assert_eq!(delivered[..2], ["sent Open", "sent Open"]);
    // The last may not have been handed over whole.
    assert!(delivered[2..].iter().all(|one| one.starts_with("unknown") || one == "not sent Dead"), "{delivered:?}");
    assert!(delivered.last().unwrap().ends_with(" Dead") && unfit, "{delivered:?}");
}

#[tokio::test]
async fn a_server_that_takes_content_for_commands_is_told_nothing_more() {
    let (server, delivered, unfit) = run(|event| match (event.verb.as_str(), event.mail) {
        ("BDAT", 2) => say("502 5.5.1 what"),
        _ => Act::Usual,
    })
    .await;
    assert_eq!(delivered[..2], ["sent Open", "not sent Open"]);
    assert!(delivered.last().unwrap() == "unknown Distrusted" && unfit, "{delivered:?}");
    assert_ne!(server.verbs(1).last().unwrap(), "QUIT");
}

#[tokio::test]
async fn three_refusals_renew_the_connection_and_three_in_a_row_end_the_window() {
    let (_, delivered, unfit) = run(|event| match (event.verb.as_str(), event.mail) {
        ("RCPT", 1 | 3 | 5) => say("550 5.1.1 no"),
        _ => Act::Usual,
    })
    .await;
    assert!(delivered.len() < MESSAGES && delivered.last().unwrap().ends_with("Renew") && !unfit, "{delivered:?}");
    let (_, delivered, unfit) = run(|event| match (event.verb.as_str(), event.mail) {
        ("RCPT", 1..=3) => say("550 5.1.1 no"),
        _ => Act::Usual,
    })
    .await;
    assert!(delivered.len() < MESSAGES && delivered.last().unwrap().ends_with("Renew") && unfit, "{delivered:?}");
}

#[tokio::test]
async fn the_message_cap_ends_a_window_with_a_quit() {
    let server = Server::start(CHUNKING, |_| Act::Usual).await;
    let relay = Relay { messages_per_connection: 5, ..windowed(&server) };
    let mut connection = open(&server, &relay).await;
    let mails: Vec<Mail> = (1..=MESSAGES).map(mail).collect();
    let delivered = send_all(&mut connection, &mails).await;
    connection.quit().await;
    assert_eq!(words(&delivered), ["sent Open", "sent Open", "sent Open", "sent Open", "sent Renew"]);
    assert_eq!(server.verbs(1).last().unwrap(), "QUIT");
}

#[tokio::test]
async fn what_the_server_cannot_take_and_what_needs_care_goes_alone() {
    let server = Server::start(&["PIPELINING", "CHUNKING", "SIZE 100"], |event| match (event.verb.as_str(), event.line.contains("r4@")) {
        ("RCPT", true) => say("550 5.1.1 no"),
        _ => Act::Usual,
    })
    .await;
    let mut connection = open(&server, &windowed(&server)).await;
    let mut mails: Vec<Mail> = (1..=6).map(mail).collect();
    let address = |text: &str| EmailAddress::parse(text).unwrap();
    mails[1] = Mail::new(address("news@example.org"), address("r2@example.com"), b"x\r\n".repeat(100)).unwrap();
    mails[3].careful = true;
    let delivered = send_all(&mut connection, &mails).await;
    let expected = ["sent Open", "failed content 0 Open", "sent Open", "failed address 550 Open", "sent Open", "sent Open"];
    assert_eq!(words(&delivered), expected);
    let verbs = server.verbs(1);
    assert!(!verbs.contains(&"DATA".to_owned()), "no DATA behind the refused recipient: {verbs:?}");
    assert!(matches!(&delivered[3].outcome, Outcome::Failed { reply, .. } if reply.phase == "rcpt"));
    assert_no_wrong_envelope(&server);
}
