//! The SMTP driver against a server that does what real ones were seen to do.

use std::time::Duration;

use postrider::inbox::Inbox;
use postrider::model::outcome::{FailureClass, Outcome};
use postrider::model::relay::TlsMode;
use postrider::model::{EmailAddress, Relay};
use postrider::send::connect::{ConnectFault, Trust, connect};
use postrider::send::content::Mail;
use postrider::send::smtp::{Connection, Delivered, Fate, Mode, Timeouts};

use crate::support::smtp::{Act, Event, FULL, Server, cert, say, say_and_close};

pub fn relay(port: u16, tls: TlsMode) -> Relay {
    Relay {
        name: "test".into(),
        host: if tls == TlsMode::None { "127.0.0.1".into() } else { "localhost".into() },
        port,
        tls,
        user: None,
        password: None,
        connections: 2,
        messages_per_connection: 100,
        rate: None,
        domain_rates: Default::default(),
        domain_connections: Default::default(),
        weight: 1,
        warm_up: None,
        pipelining: true,
        window: 0,
        hello: Some("client.example.org".into()),
    }
}

pub fn mail(to: &str) -> Mail {
    let address = |text: &str| EmailAddress::parse(text).unwrap();
    let message = format!("Subject: to {to}\r\n\r\n.a dot\r\n..two\r\nend\r\n");
    Mail::new(address("news@example.org"), address(to), message.as_bytes().to_vec()).unwrap()
}

pub fn quick() -> Timeouts {
    let ms = Duration::from_millis(200);
    Timeouts { connect: ms, greeting: ms, envelope: ms, data: ms, block: ms, last: ms }
}

pub async fn open(server: &Server, mode: Mode) -> Connection {
    connect(&relay(server.addr.port(), TlsMode::None), &Trust::default(), mode, &quick()).await.unwrap()
}

/// Sends to all, as many ahead as the driver wants, until the connection is over.
pub async fn send_all(connection: &mut Connection, to: &[&str]) -> Vec<Delivered> {
    let mails: Vec<Mail> = to.iter().map(|to| mail(to)).collect();
    let mails: Vec<&Mail> = mails.iter().collect();
    let mut delivered = Vec::new();
    for i in 0..mails.len() {
        let until = mails.len().min(i + 1 + connection.ahead());
        delivered.push(connection.send(&mails[i..until]).await);
        if delivered[i].fate != Fate::Open {
            break;
        }
    }
    delivered
}

pub fn words(delivered: &[Delivered]) -> Vec<String> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Sent(_) => "sent".to_owned(),
        Outcome::Deferred { class, reply, .. } => format!("deferred {} {}", class.word(), reply.code),
        Outcome::Failed { class, reply } => format!("failed {} {}", class.word(), reply.code),
        Outcome::Unknown(_) => "unknown".to_owned(),
        Outcome::NotSent | Outcome::Waits(_) => "not sent".to_owned(),
    };
    delivered.iter().map(|one| format!("{} {:?}", word(&one.outcome), one.fate)).collect()
}

pub const ABC: [&str; 3] = ["a@example.com", "b@example.com", "c@example.com"];

pub async fn run(script: impl Fn(&Event) -> Act + Send + Sync + 'static) -> (Server, Vec<String>) {
    let server = Server::start(FULL, script).await;
    let mut connection = open(&server, Mode::Pipe1).await;
    let delivered = send_all(&mut connection, &ABC).await;
    connection.quit().await;
    (server, words(&delivered))
}

#[tokio::test]
async fn in_every_mode_each_message_arrives_once_with_its_bytes_and_its_envelope() {
    for mode in [Mode::Pipe1, Mode::Grouped, Mode::Sequential] {
        let server = Server::start(FULL, |_| Act::Usual).await;
        let mut connection = open(&server, mode).await;
        let delivered = send_all(&mut connection, &ABC).await;
        connection.quit().await;
        assert_eq!(words(&delivered), ["sent Open"; 3], "{mode:?}");
        for (message, to) in server.accepted().iter().zip(ABC) {
            assert_eq!((message.from.as_str(), message.to.as_slice()), ("news@example.org", &[to.to_owned()][..]));
            assert_eq!(String::from_utf8_lossy(&message.content), format!("Subject: to {to}\r\n\r\n..a dot\r\n...two\r\nend\r\n"));
        }
        let envelope = ["MAIL", "RCPT", "DATA", "CONTENT", "DOT"];
        let expected: Vec<&str> = [&["CONNECT", "EHLO"][..], &envelope, &envelope, &envelope, &["QUIT"]].concat();
        assert_eq!(server.verbs(1), expected, "{mode:?}: no RSET after an accepted message");
    }
}

#[tokio::test]
async fn without_pipelining_announced_nothing_is_sent_ahead() {
    let server = Server::start(&["SIZE 1000000"], |_| Act::Usual).await;
    let mut connection = open(&server, Mode::Pipe1).await;
    assert_eq!(connection.ahead(), 0);
    assert_eq!(words(&send_all(&mut connection, &ABC).await), ["sent Open"; 3]);
    assert!(server.pipelined().is_empty(), "sent ahead of {:?}", server.pipelined());
}

#[tokio::test]
async fn with_pipelining_the_next_envelope_rides_behind_the_final_dot() {
    let (server, delivered) = run(|_| Act::Usual).await;
    assert_eq!(delivered, ["sent Open"; 3]);
    assert!(server.pipelined().contains(&"DOT".to_owned()), "{:?}", server.pipelined());
}

#[tokio::test]
async fn a_server_that_only_knows_helo_gets_mail_without_parameters() {
    let server = Server::start(&[], |event| if event.verb == "EHLO" { say("502 what") } else { Act::Usual }).await;
    let mut connection = open(&server, Mode::Pipe1).await;
    assert_eq!(words(&send_all(&mut connection, &ABC[..1]).await), ["sent Open"]);
    assert!(server.lines().contains(&"MAIL FROM:<news@example.org>".to_owned()), "{:?}", server.lines());
}

#[tokio::test]
async fn a_refused_recipient_is_reset_and_its_follow_ups_are_not_its_reason() {
    let (server, delivered) = run(|event| match (event.verb.as_str(), event.mail) {
        ("RCPT", 2) => say("550 5.1.1 no such user"),
        ("DATA", 2) => say("554 5.5.1 no valid recipients"),
        _ => Act::Usual,
    })
    .await;
    assert_eq!(delivered, ["sent Open", "failed address 550 Open", "sent Open"]);
    assert_eq!(server.recipients(), ["a@example.com", "c@example.com"]);
    assert_eq!(server.verbs(1).iter().filter(|verb| *verb == "RSET").count(), 1);
}

#[tokio::test]
async fn data_accepted_without_a_recipient_gets_a_lone_dot_and_a_reset_but_no_content() {
    let (server, delivered) = run(|event| match (event.verb.as_str(), event.mail) {
        ("RCPT", 2) => say("450 4.2.0 greylisted"),
        ("DATA", 2) => say("354 go"),
        ("DOT", 2) => say("554 5.5.1 no valid recipients"),
        _ => Act::Usual,
    })
    .await;
    assert_eq!(delivered, ["sent Open", "deferred mailbox 450 Open", "sent Open"]);
    assert_eq!(server.recipients(), ["a@example.com", "c@example.com"]);
}

#[tokio::test]
async fn a_stale_transaction_gets_neither_content_nor_a_lone_dot() {
    let (server, delivered) = run(|event| match (event.verb.as_str(), event.mail) {
        ("MAIL", 2) => say("503 5.5.1 nested MAIL"),
        ("RCPT", 2) => say("250 2.1.5 ok"),
        ("DATA", 2) => say("354 go"),
        _ => Act::Usual,
    })
    .await;
    assert_eq!(delivered, ["sent Open", "not sent Distrusted"]);
    assert_eq!(server.recipients(), ["a@example.com"], "nothing under the wrong sender, no empty mail");
    assert_eq!(server.verbs(1).last().unwrap(), "CONTENT", "the socket was closed without QUIT");
}

#[tokio::test]
async fn a_503_nobody_earned_is_a_driver_fault_and_not_a_bounce() {
    for verb in ["MAIL", "RCPT", "DATA"] {
        let (_, delivered) = run(move |event| if event.verb == verb { say("503 5.5.1 bad sequence") } else { Act::Usual }).await;
        assert_eq!(delivered, ["not sent Distrusted"], "503 to {verb}");
    }
}

#[tokio::test]
async fn a_reset_that_is_refused_ends_the_connection() {
    let (_, delivered) = run(|event| match (event.verb.as_str(), event.mail) {
        ("RCPT", 1) => say("550 5.1.1 no"),
        ("RSET", _) => say_and_close("554 Too many nonmail commands"),
        _ => Act::Usual,
    })
    .await;
    assert_eq!(delivered, ["failed address 550 Open", "not sent Dead"]);
}

#[tokio::test]
async fn four_refusals_in_a_row_renew_the_connection() {
    let server = Server::start(FULL, |event| if event.verb == "RCPT" { say("550 5.1.1 no") } else { Act::Usual }).await;
    let mut connection = open(&server, Mode::Pipe1).await;
    let to: Vec<&str> = std::iter::repeat_n("a@example.com", 6).collect();
    let delivered = send_all(&mut connection, &to).await;
    assert_eq!((delivered.len(), &delivered[3].fate), (4, &Fate::Renew));
}

#[tokio::test]
async fn four_contents_refused_in_a_row_renew_the_connection_too() {
    let server = Server::start(FULL, |event| if event.verb == "DOT" { say("550 5.7.1 no") } else { Act::Usual }).await;
    let mut connection = open(&server, Mode::Pipe1).await;
    let delivered = send_all(&mut connection, &["a@example.com"; 9]).await;
    assert_eq!((delivered.len(), delivered.last().map(|last| last.fate)), (4, Some(Fate::Renew)), "{:?}", words(&delivered));
    connection.quit().await;
    assert_eq!(server.verbs(1).last().unwrap(), "QUIT", "nothing rode behind the fourth");
}

#[tokio::test]
async fn the_message_cap_renews_the_connection_with_a_quit() {
    let server = Server::start(FULL, |_| Act::Usual).await;
    let relay = Relay { messages_per_connection: 2, ..relay(server.addr.port(), TlsMode::None) };
    let mut connection = connect(&relay, &Trust::default(), Mode::Pipe1, &quick()).await.unwrap();
    assert_eq!(words(&send_all(&mut connection, &ABC).await), ["sent Open", "sent Renew"]);
    connection.quit().await;
    assert_eq!(server.verbs(1).last().unwrap(), "QUIT");
}

#[tokio::test]
async fn a_connection_reset_before_data_sends_nothing() {
    for verb in ["MAIL", "RCPT", "DATA"] {
        let (server, delivered) = run(move |event| if event.verb == verb && event.mail == 2 { Act::Reset } else { Act::Usual }).await;
        assert_eq!(delivered[1..], ["not sent Lost"], "reset at {verb}");
        assert_eq!(server.recipients(), ["a@example.com"]);
    }
}

#[tokio::test]
async fn a_connection_reset_inside_data_sends_nothing() {
    let server = Server::start(FULL, |event| if event.verb == "CONTENT" { Act::Reset } else { Act::Usual }).await;
    let mut connection = open(&server, Mode::Pipe1).await;
    let address = |text: &str| EmailAddress::parse(text).unwrap();
    let big = [&b"Subject: big\r\n\r\n"[..], &b"0123456789\r\n".repeat(2_000_000)].concat();
    let big = Mail::new(address("news@example.org"), address("a@example.com"), big).unwrap();
    // The SIZE of the test server is smaller; that is not what this is about.
    let delivered = connection.send(&[&big]).await;
    assert_eq!(words(&[delivered]), ["failed content 0 Open"]);

    let server = Server::start(&["PIPELINING"], |event| if event.verb == "CONTENT" { Act::Reset } else { Act::Usual }).await;
    let mut connection = open(&server, Mode::Pipe1).await;
    let delivered = connection.send(&[&big]).await;
    assert_eq!(words(&[delivered]), ["not sent Lost"], "the final dot never reached the kernel");
}

#[tokio::test]
async fn a_connection_cut_after_the_final_dot_is_unknown() {
    for act in [Act::Reset, Act::Close, Act::Silence] {
        let shown = format!("{act:?}");
        let (server, delivered) = run(move |event| if event.verb == "DOT" && event.mail == 2 { act.clone() } else { Act::Usual }).await;
        assert_eq!(delivered, ["sent Open", "unknown Lost"], "{shown} after the dot");
        assert_eq!(server.verbs(1).iter().filter(|verb| *verb == "QUIT").count(), 0, "{shown}: not a word more");
    }
}

#[tokio::test]
async fn silence_ends_in_time_in_every_phase() {
    for (verb, expected) in [("MAIL", "not sent Lost"), ("RCPT", "not sent Lost"), ("DATA", "not sent Lost"), ("DOT", "unknown Lost")] {
        let (_, delivered) = run(move |event| if event.verb == verb { Act::Silence } else { Act::Usual }).await;
        assert_eq!(delivered, [expected], "silence at {verb}");
    }
}

#[tokio::test]
async fn a_421_is_a_throttle_wherever_it_comes() {
    for verb in ["MAIL", "RCPT", "DATA"] {
        for act in [say("421 4.7.0 slow down"), say_and_close("421 4.7.0 slow down")] {
            let (server, delivered) = run(move |event| if event.verb == verb && event.mail == 2 { act.clone() } else { Act::Usual }).await;
            let word = if verb == "MAIL" { "not sent" } else { "deferred relay 421" };
            assert_eq!(delivered, ["sent Open".to_owned(), format!("{word} Throttled")], "421 at {verb}");
            assert_eq!(server.recipients(), ["a@example.com"]);
        }
    }
    let (server, delivered) =
        run(|event| if event.verb == "DOT" && event.mail == 2 { say_and_close("421 4.3.2 going down") } else { Act::Usual }).await;
    assert_eq!(delivered, ["sent Open", "deferred relay 421 Throttled"]);
    assert_eq!(server.recipients(), ["a@example.com"]);
}

#[tokio::test]
async fn a_rate_limit_at_mail_costs_no_attempt() {
    let (_, delivered) = run(|event| if event.verb == "MAIL" { say("450 4.7.1 rate limit") } else { Act::Usual }).await;
    assert_eq!(delivered, ["not sent Throttled"]);
}

#[tokio::test]
async fn content_refused_after_the_dot_does_not_disturb_the_next() {
    let (server, delivered) = run(|event| match (event.verb.as_str(), &*event.line, event.mail) {
        ("DOT", _, 1) => say("550 5.7.26 not authenticated"),
        _ => Act::Usual,
    })
    .await;
    assert_eq!(delivered, ["failed policy 550 Open", "sent Open", "sent Open"]);
    assert!(!server.verbs(1).contains(&"RSET".to_owned()), "the transaction is over after any final reply");
}

#[tokio::test]
async fn a_server_that_announces_pipelining_and_lies_gets_the_message_again_in_a_lower_mode() {
    let (_, delivered) =
        run(|event| if event.verb == "DOT" { say_and_close("500 5.5.1 Pipelining not supported") } else { Act::Usual }).await;
    assert_eq!(delivered, ["not sent Distrusted"]);
}

#[tokio::test]
async fn odd_replies_are_read_by_their_first_digit() {
    let (_, delivered) = run(|event| match (event.verb.as_str(), event.mail) {
        ("MAIL", 1) => Act::Say(b"250-one\r\n250-two\r\n250 three\r\n".to_vec()),
        ("DOT", 1) => Act::Say(b"250 \xfcbernommen\r\n".to_vec()),
        ("DOT", 2) => Act::Say(b"250\r\n".to_vec()),
        ("DOT", 3) => Act::Say(b"599-\xff\r\n599 no\r\n".to_vec()),
        _ => Act::Usual,
    })
    .await;
    assert_eq!(delivered, ["sent Open", "sent Open", "failed other 599 Open"]);
}

#[tokio::test]
async fn an_address_in_utf8_needs_a_server_that_can() {
    let mail = mail("jörg@example.com");
    let server = Server::start(FULL, |_| Act::Usual).await;
    let mut connection = open(&server, Mode::Pipe1).await;
    assert_eq!(words(&[connection.send(&[&mail]).await]), ["sent Open"]);
    assert!(server.lines().iter().any(|line| line.starts_with("MAIL") && line.ends_with(" SMTPUTF8")), "{:?}", server.lines());

    let server = Server::start(&["PIPELINING"], |_| Act::Usual).await;
    let mut connection = open(&server, Mode::Pipe1).await;
    let delivered = connection.send(&[&mail]).await;
    let Outcome::Failed { class: FailureClass::Relay, reply } = &delivered.outcome else { panic!("{delivered:?}") };
    assert!(reply.text.contains("SMTPUTF8"), "{}", reply.text);
    assert_eq!(words(&send_all(&mut connection, &ABC[..1]).await), ["sent Open"], "the next one goes");
    assert!(server.lines().iter().all(|line| line.is_ascii()), "never on the wire");
}

#[tokio::test]
async fn starttls_secures_the_connection_and_ehlo_is_said_again() {
    let server = Server::start(&["STARTTLS", "PIPELINING", "SIZE 9999"], |_| Act::Usual).await;
    let trust = Trust::with_roots(vec![cert()]);
    let mut connection = connect(&relay(server.addr.port(), TlsMode::Required), &trust, Mode::Pipe1, &quick()).await.unwrap();
    assert_eq!(words(&send_all(&mut connection, &ABC).await), ["sent Open"; 3]);
    connection.quit().await;
    assert_eq!(server.verbs(1)[..5], ["CONNECT", "EHLO", "STARTTLS", "EHLO", "MAIL"]);
    assert!(!server.plain_mail());
}

#[tokio::test]
async fn where_tls_is_required_and_not_to_be_had_nothing_goes_in_plain() {
    let stripped = Server::start(FULL, |_| Act::Usual).await;
    let refused = Server::start(&["STARTTLS"], |event| if event.verb == "STARTTLS" { say("554 5.7.0 never") } else { Act::Usual }).await;
    let slipped = Server::start(&["STARTTLS"], |event| {
        if event.verb == "STARTTLS" { Act::Say(b"220 go\r\n250 slipped in\r\n".to_vec()) } else { Act::Usual }
    })
    .await;
    let untrusted = Server::start(&["STARTTLS"], |_| Act::Usual).await;
    for (name, server) in [("stripped", &stripped), ("refused", &refused), ("slipped", &slipped), ("untrusted", &untrusted)] {
        let relay = relay(server.addr.port(), TlsMode::Required);
        let error = connect(&relay, &Trust::default(), Mode::Pipe1, &quick()).await.err().expect(name);
        assert_eq!(error.fault, ConnectFault::Tls, "{name}: {error:?}");
        assert!(!server.plain_mail() && !server.verbs(1).contains(&"MAIL".to_owned()), "{name}");
    }
}

#[tokio::test]
async fn a_login_is_tried_on_loopback_or_tls_and_a_refused_one_says_so_without_the_password() {
    let server = Server::start(&["AUTH PLAIN LOGIN"], |_| Act::Usual).await;
    let with = |password: &str| Relay {
        user: Some("user".into()),
        password: Some(password.to_owned().into()),
        ..relay(server.addr.port(), TlsMode::None)
    };
    connect(&with("pass"), &Trust::default(), Mode::Pipe1, &quick()).await.expect("the right password");
    let error = connect(&with("geheim"), &Trust::default(), Mode::Pipe1, &quick()).await.err().unwrap();
    assert_eq!((error.fault, error.reply.code, error.reply.phase), (ConnectFault::Auth, 535, "auth"));
    assert!(!format!("{error:?} {:?}", with("geheim")).contains("geheim"));
}

#[tokio::test]
async fn login_answers_both_questions() {
    let server = Server::start(&["AUTH=LOGIN"], |event| match event.line.as_str() {
        "AUTH LOGIN" => say("334 VXNlcm5hbWU6"),
        "dXNlcg==" => say("334 UGFzc3dvcmQ6"),
        "cGFzcw==" => say("235 ok"),
        _ => Act::Usual,
    })
    .await;
    let relay = Relay { user: Some("user".into()), password: Some("pass".to_owned().into()), ..relay(server.addr.port(), TlsMode::None) };
    connect(&relay, &Trust::default(), Mode::Pipe1, &quick()).await.expect("logged in");
}

#[tokio::test]
async fn a_relay_that_cannot_be_reached_or_does_not_want_us_says_why() {
    let cases =
        [("421 4.3.2 busy", ConnectFault::Unreachable), ("554 5.7.1 go away", ConnectFault::Refused), ("hello", ConnectFault::Unreachable)];
    for (greeting, fault) in cases {
        let server = Server::start(FULL, move |event| if event.verb == "CONNECT" { say(greeting) } else { Act::Usual }).await;
        let error = connect(&relay(server.addr.port(), TlsMode::None), &Trust::default(), Mode::Pipe1, &quick()).await.err().unwrap();
        assert_eq!((error.fault, error.reply.phase), (fault, "connect"), "{greeting}: {error:?}");
    }
    let error = connect(&relay(1, TlsMode::None), &Trust::default(), Mode::Pipe1, &quick()).await.err().unwrap();
    assert!(error.fault == ConnectFault::Unreachable && error.reply.text.starts_with("127.0.0.1:1: "), "{error:?}");
}

#[tokio::test]
async fn what_is_stuffed_here_is_unstuffed_there() {
    let inbox = Inbox::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mut connection = connect(&relay(inbox.addr().port(), TlsMode::None), &Trust::default(), Mode::Pipe1, &quick()).await.unwrap();
    assert_eq!(words(&send_all(&mut connection, &ABC).await), ["sent Open"; 3]);
    for (message, to) in inbox.messages().iter().zip(ABC) {
        assert_eq!(String::from_utf8_lossy(&message.raw), format!("Subject: to {to}\r\n\r\n.a dot\r\n..two\r\nend\r\n"));
    }
}
