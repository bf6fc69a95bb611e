//! The pure parts: replies, classes, retries, content.

use std::time::Duration;

use postrider::model::outcome::{FailureClass, Outcome};
use postrider::model::{EmailAddress, FailureClass::*};
use postrider::send::classify;
use postrider::send::content::Mail;
use postrider::send::reply::RawReply;
use postrider::send::retry;

fn raw(text: &[u8]) -> RawReply {
    let (reply, used) = RawReply::take(text).expect("SMTP").expect("a whole reply");
    assert_eq!(used, text.len(), "all of {:?} is one reply", String::from_utf8_lossy(text));
    reply
}

#[test]
fn replies_are_read_in_every_form_servers_use() {
    let cases: [(&[u8], u16, Option<&str>, &str); 8] = [
        (b"250 2.0.0 Ok\r\n", 250, Some("2.0.0"), "2.0.0 Ok"),
        (b"250\r\n", 250, None, ""),
        (b"250 Ok\n", 250, None, "Ok"),
        (b"550-5.7.25 first\r\n550-5.7.25 second\r\n550 5.7.25 third\r\n", 550, Some("5.7.25"), "5.7.25 first second third"),
        (b"550 4.1.1 wrong class\r\n", 550, None, "4.1.1 wrong class"),
        (b"450 4.2.2000 too long\r\n", 450, None, "4.2.2000 too long"),
        (b"550 5.1.1 unbekannt: M\xfcller\r\n", 550, Some("5.1.1"), "5.1.1 unbekannt: M\u{fffd}ller"),
        (b"550 5.1.1 a\tb\x1b[31mc\r\n", 550, Some("5.1.1"), "5.1.1 a b [31mc"),
    ];
    for (wire, code, enhanced, text) in cases {
        let reply = raw(wire).to_reply("rcpt");
        assert_eq!((reply.code, reply.enhanced.as_deref(), reply.text.as_str()), (code, enhanced, text));
    }
    for partial in [&b""[..], b"25", b"250 ok", b"250-one\r\n", b"250-one\r\n250"] {
        assert_eq!(RawReply::take(partial), Ok(None), "{:?} is not whole", String::from_utf8_lossy(partial));
    }
    for garbage in [&b"hello\r\n"[..], b"\r\n", b"99 x\r\n", b"250x\r\n", b"700 x\r\n"] {
        assert!(RawReply::take(garbage).is_err(), "{:?} is not SMTP", String::from_utf8_lossy(garbage));
    }
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Sent,
    Deferred(FailureClass),
    Failed(FailureClass),
}

#[test]
fn every_refusal_has_the_class_of_whose_fault_it_is() {
    use Verdict::*;
    let cases = [
        ("final", "250 2.0.0 queued", Sent),
        ("rcpt", "550 5.1.1 no such user", Failed(Address)),
        ("rcpt", "550 5.1.2 no such domain", Failed(Address)),
        ("rcpt", "550 5.1.3 bad syntax", Failed(Address)),
        ("rcpt", "556 5.1.10 null mx", Failed(Address)),
        ("rcpt", "550 5.2.1 disabled", Failed(Address)),
        ("final", "550 5.1.1 no such user", Failed(Address)),
        ("mail", "550 5.1.8 bad sender domain", Failed(Policy)),
        ("mail", "550 5.1.1 bad sender", Failed(Relay)),
        ("rcpt", "450 4.1.1 unverified", Deferred(Mailbox)),
        ("rcpt", "450 4.7.1 greylisted", Deferred(Policy)),
        ("rcpt", "450 come back later", Deferred(Mailbox)),
        ("rcpt", "452 4.2.2 full", Deferred(Mailbox)),
        ("rcpt", "552 5.2.2 full", Deferred(Mailbox)),
        ("rcpt", "552 exceeded storage", Deferred(Mailbox)),
        ("final", "552 too big", Failed(Content)),
        ("mail", "552 5.3.4 too big", Failed(Content)),
        ("final", "554 5.6.0 bad content", Failed(Content)),
        ("final", "554 spam", Failed(Content)),
        ("rcpt", "554 5.7.1 relay denied", Failed(Policy)),
        ("final", "550 5.7.26 unauthenticated", Failed(Policy)),
        ("final", "550 5.7.515 does not meet", Failed(Policy)),
        ("rcpt", "550 no", Failed(Other)),
        ("rcpt", "550 5.0.0 no", Failed(Other)),
        ("rcpt", "550 4.1.1 the classes disagree", Failed(Other)),
        ("mail", "530 5.7.0 authenticate first", Failed(Relay)),
        ("auth", "535 5.7.8 bad password", Failed(Relay)),
        ("final", "451 4.3.0 try again", Deferred(Mailbox)),
        ("final", "421 4.7.0 closing", Deferred(Relay)),
        ("data", "503 5.5.1 bad sequence", Failed(Relay)),
        ("data", "354 what", Deferred(Other)),
    ];
    for (phase, line, expected) in cases {
        let found = match classify::outcome(raw(format!("{line}\r\n").as_bytes()).to_reply(phase)) {
            Outcome::Sent(_) => Sent,
            Outcome::Deferred { class, .. } => Deferred(class),
            Outcome::Failed { class, .. } => Failed(class),
            other => panic!("{phase} {line}: {other:?}"),
        };
        assert_eq!(found, expected, "{line:?} answered to {phase}");
    }
}

#[test]
fn a_deferred_delivery_waits_longer_each_time_and_is_given_up_after_five_days() {
    let minutes = |attempts| retry::delay(attempts, 0.0).map(|delay| delay.as_secs() / 60);
    assert_eq!((0..8).filter_map(minutes).collect::<Vec<_>>(), [5, 10, 20, 40, 80, 160, 240, 240]);
    let total: Duration = (0..).map_while(|attempts| retry::delay(attempts, 0.0)).sum();
    assert!(total <= retry::GIVE_UP_AFTER && total + retry::DELAY_MAX > retry::GIVE_UP_AFTER, "gave up after {total:?}");
    assert_eq!(retry::delay(0, 1.0), Some(Duration::from_secs(375)), "a quarter of jitter at most");
    assert_eq!(retry::delay(100_000, 0.5), None);
}

#[test]
fn a_relay_is_left_alone_longer_each_time_up_to_twenty_seconds() {
    let seconds = |failures| retry::reconnect_delay(failures, 1.0).as_secs();
    assert_eq!([1, 2, 3, 4, 5, 6, 1000].map(seconds), [1, 2, 4, 8, 16, 20, 20]);
    assert_eq!(retry::reconnect_delay(3, 0.0), Duration::from_secs(2), "half of it is jitter");
}

fn mail(message: &[u8]) -> Result<Mail, String> {
    let address = |text| EmailAddress::parse(text).unwrap();
    Mail::new(address("news@example.org"), address("ann@example.com"), message.to_vec())
}

#[test]
fn bare_line_breaks_and_endless_lines_never_leave_us() {
    for bad in [&b"a\nb\r\n"[..], b"a\rb\r\n", b"a\r\n\nb", b"a\r", b"\n", b"a\r\r\n", b"x\r\n.\nMAIL FROM:<>\r\n"] {
        let error = mail(bad).expect_err(&format!("{:?} has a bare CR or LF", String::from_utf8_lossy(bad)));
        assert!(error.contains("bare CR or LF at byte"), "{error}");
    }
    let line = |length| [vec![b'x'; length], b"\r\n".to_vec()].concat();
    assert!(mail(&line(998)).is_ok() && mail(&[b'x'; 998]).is_ok());
    assert!(mail(&line(999)).unwrap_err().contains("a line of 999 bytes"));
    assert!(mail(&[b'x'; 999]).is_err());
    assert!(mail(b"").is_ok() && mail(b"a\r\n\r\n.\r\n..\r\nb").is_ok());
    // Wherever in a long message it stands.
    for at in [0, 1, 237, 238, 239, 240, 241, 479, 480, 1_000, 2_399] {
        let mut lines = b"0123456789012345678901234567890123456789\r\n".repeat(60);
        assert!(mail(&lines).is_ok());
        for byte in [b'\r', b'\n'] {
            lines.insert(at, byte);
            assert!(mail(&lines).is_err(), "one byte more at {at}");
            lines.remove(at);
        }
        let long = [&lines[..at / 42 * 42], &[b'x'; 999], b"\r\n"].concat();
        assert!(mail(&long).is_err(), "a long line at {at}");
    }
}
