//! Tests of the inbox room, through its door.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use postrider::inbox::{Inbox, MESSAGE_BYTES_MAX, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Sends `input` in one write and reads everything until the inbox closes.
async fn talk(inbox: &Inbox, input: &[u8]) -> String {
    let mut stream = TcpStream::connect(inbox.addr()).await.unwrap();
    stream.write_all(input).await.unwrap();
    let mut replies = Vec::new();
    stream.read_to_end(&mut replies).await.unwrap();
    String::from_utf8(replies).unwrap()
}

fn codes(replies: &str) -> Vec<&str> {
    replies.lines().filter(|line| line.as_bytes().get(3) == Some(&b' ')).map(|line| &line[..3]).collect()
}

const HELLO: &str = "EHLO client.test\r\nMAIL FROM:<news@example.org> SIZE=100 BODY=8BITMIME\r\nRCPT TO:<ann@example.com>\r\nDATA\r\n";

#[tokio::test]
async fn a_message_is_caught_with_its_envelope_and_its_dots_unstuffed() {
    let inbox = Inbox::bind(LOOPBACK).await.unwrap();
    let replies = talk(&inbox, format!("{HELLO}Subject: one\r\n\r\n..dot\r\n...two\r\n.\r\nQUIT\r\n").as_bytes()).await;
    assert_eq!(codes(&replies), ["220", "250", "250", "250", "354", "250", "221"], "{replies}");
    let caught = inbox.get(1).expect("the first message has number 1");
    assert_eq!((caught.from.as_str(), caught.rcpts.as_slice()), ("news@example.org", &["ann@example.com".to_owned()][..]));
    assert_eq!(String::from_utf8_lossy(&caught.raw), "Subject: one\r\n\r\n.dot\r\n..two\r\n");
}

#[tokio::test]
async fn only_a_dot_between_two_cr_lf_ends_a_message() {
    let inbox = Inbox::bind(LOOPBACK).await.unwrap();
    let content = "a\n.\nb\n.\r\nc\r\n.\nd\r.\re\r\n";
    talk(&inbox, format!("{HELLO}{content}.\r\nQUIT\r\n").as_bytes()).await;
    assert_eq!(inbox.count(), 1);
    assert_eq!(String::from_utf8_lossy(&inbox.messages()[0].raw).matches(['a', 'b', 'c', 'd', 'e']).count(), 5);
}

#[tokio::test]
async fn an_end_that_comes_byte_by_byte_is_found() {
    let inbox = Inbox::bind(LOOPBACK).await.unwrap();
    let mut stream = TcpStream::connect(inbox.addr()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in format!("{HELLO}x\r\n.\r\nQUIT\r\n").bytes() {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut replies = String::new();
    stream.read_to_string(&mut replies).await.unwrap();
    assert_eq!(inbox.messages()[0].raw, b"x\r\n", "{replies}");
}

#[tokio::test]
async fn an_empty_message_is_a_message() {
    let inbox = Inbox::bind(LOOPBACK).await.unwrap();
    let replies = talk(&inbox, format!("{HELLO}.\r\nNOOP\r\nQUIT\r\n").as_bytes()).await;
    assert_eq!(codes(&replies), ["220", "250", "250", "250", "354", "250", "250", "221"], "{replies}");
    assert_eq!(inbox.messages()[0].raw, b"");
}

#[tokio::test]
async fn the_next_envelope_may_ride_behind_the_final_dot() {
    let inbox = Inbox::bind(LOOPBACK).await.unwrap();
    let next = "MAIL FROM:<>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n";
    let replies = talk(&inbox, format!("{HELLO}one\r\n.\r\n{next}two\r\n.\r\nQUIT\r\n").as_bytes()).await;
    assert_eq!(codes(&replies), ["220", "250", "250", "250", "354", "250", "250", "250", "354", "250", "221"], "{replies}");
    assert_eq!(inbox.get(2).unwrap().from, "");
}

#[tokio::test]
async fn chunks_are_put_together_as_they_are_and_refused_ones_are_swallowed() {
    let inbox = Inbox::bind(LOOPBACK).await.unwrap();
    let envelope = HELLO.strip_suffix("DATA\r\n").unwrap();
    let replies =
        talk(&inbox, format!("{envelope}BDAT 6\r\n.one\r\nBDAT 8 LAST\r\n..two\r\nBDAT 6 LAST\r\nQUIT\r\nQUIT\r\n").as_bytes()).await;
    assert_eq!(codes(&replies), ["220", "250", "250", "250", "250", "250", "503", "221"], "{replies}");
    assert_eq!((inbox.count(), inbox.messages()[0].raw.as_slice()), (1, &b".one\r\n..two\r\n"[..]));
}

#[tokio::test]
async fn bad_commands_are_refused_and_the_session_goes_on() {
    let inbox = Inbox::bind(LOOPBACK).await.unwrap();
    let cases: [(&[u8], &str); 16] = [
        (b"FROB", "500"),
        (b"", "500"),
        (b"\xff\xfe", "500"),
        (b"EHLO", "501"),
        (b"MAIL FROM:<a@example.org>", "503"),
        (b"EHLO x", "250"),
        (b"DATA", "503"),
        (b"RCPT TO:<a@example.org>", "503"),
        (b"MAIL FROM:a@example.org", "501"),
        (b"MAIL FROM:<a@example.org> FROB=1", "555"),
        (b"MAIL FROM:<a@example.org> SIZE=99999999999", "552"),
        (b"MAIL FROM:<a@example.org> SIZE=x", "501"),
        (b"MAIL FROM:<a@example.org>", "250"),
        (b"MAIL FROM:<b@example.org>", "503"),
        (b"RCPT TO:<>", "501"),
        (b"RCPT TO:<no-at>", "501"),
    ];
    let mut input: Vec<u8> = cases.iter().flat_map(|(line, _)| [line, &b"\r\n"[..]].concat()).collect();
    input.extend_from_slice(b"NOOP\nRSET\r\nQUIT\r\n");
    let replies = talk(&inbox, &input).await;
    let expected: Vec<&str> = [&["220"][..], &cases.map(|(_, code)| code), &["500", "250", "221"]].concat();
    assert_eq!(codes(&replies), expected, "{replies}");
}

#[tokio::test]
async fn a_message_over_the_limit_is_swallowed_and_refused() {
    let inbox = Inbox::bind(LOOPBACK).await.unwrap();
    let line = [&[b'x'; 998][..], b"\r\n"].concat();
    let mut input = HELLO.as_bytes().to_vec();
    for _ in 0..=MESSAGE_BYTES_MAX / line.len() {
        input.extend_from_slice(&line);
    }
    input.extend_from_slice(b".\r\nNOOP\r\nQUIT\r\n");
    let replies = talk(&inbox, &input).await;
    assert_eq!(codes(&replies), ["220", "250", "250", "250", "354", "552", "250", "221"], "{replies}");
    assert_eq!(inbox.count(), 0);
}

#[tokio::test]
async fn a_line_without_end_closes_the_session() {
    let inbox = Inbox::bind(LOOPBACK).await.unwrap();
    let replies = talk(&inbox, &[b'x'; 5000]).await;
    assert_eq!(codes(&replies), ["220", "500"], "{replies}");
}

#[tokio::test]
async fn a_silent_client_is_told_421_and_left() {
    let options = Options { idle: Duration::from_millis(20), ..Options::default() };
    let inbox = Inbox::bind_with(LOOPBACK, options).await.unwrap();
    let replies = talk(&inbox, b"EHLO x\r\n").await;
    assert_eq!(codes(&replies), ["220", "250", "421"], "{replies}");
}

#[tokio::test]
async fn only_the_newest_messages_are_kept_and_the_count_goes_on() {
    let inbox = Inbox::bind_with(LOOPBACK, Options { kept_max: 2, ..Options::default() }).await.unwrap();
    let next = "MAIL FROM:<>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\ntext\r\n.\r\n";
    talk(&inbox, format!("EHLO x\r\n{next}{next}{next}QUIT\r\n").as_bytes()).await;
    assert_eq!((inbox.count(), inbox.messages().iter().map(|m| m.seq).collect::<Vec<_>>()), (3, vec![2, 3]));
    inbox.clear();
    assert_eq!((inbox.count(), inbox.messages().len()), (0, 0));
}

#[tokio::test]
async fn a_discarding_inbox_counts_by_recipient_and_message_id() {
    let inbox = Inbox::bind_with(LOOPBACK, Options { discard: true, ..Options::default() }).await.unwrap();
    let mail =
        |id: &str| format!("MAIL FROM:<>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\nSubject: x\r\nmessage-id:\r\n {id}\r\n\r\ntext\r\n.\r\n");
    talk(&inbox, format!("EHLO x\r\n{}{}{}QUIT\r\n", mail("<1@example.org>"), mail("<1@example.org>"), mail("<2@example.org>")).as_bytes())
        .await;
    let tally = inbox.tally();
    assert_eq!(tally.by_recipient["bob@example.com"], 3);
    assert_eq!((tally.by_message_id["<1@example.org>"], tally.by_message_id["<2@example.org>"]), (2, 1));
    assert!(inbox.messages().is_empty(), "nothing is kept");
}

#[tokio::test]
async fn stopping_says_421_and_waits_for_the_clients() {
    let inbox = Inbox::bind(LOOPBACK).await.unwrap();
    let mut stream = TcpStream::connect(inbox.addr()).await.unwrap();
    stream.read_exact(&mut [0; 10]).await.unwrap();
    inbox.stop().await;
    let mut replies = String::new();
    stream.read_to_string(&mut replies).await.unwrap();
    assert!(replies.contains("\r\n421 "), "{replies}");
}
