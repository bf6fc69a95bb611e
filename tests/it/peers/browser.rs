//! A reader's life with real programs: Chromium signs up, Postfix and Dovecot bring the mails, Chromium confirms and chooses, the digest comes, and one POST
//! as mail programs make it ends it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::mail_server::{Mail, MailServer, until};
use super::publication::Publication;
use super::{ARTICLE, said};
use crate::crash::Worker;

const READER: &str = "ann@inbox.test";

/// What the browser says after it did something.
fn browse(arguments: &[&str]) -> Value {
    let mut node = Command::new("node");
    node.arg("tests/peers/browse.mjs").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    let out = node.output().expect("node is not installed: run scripts/setup");
    assert!(out.status.success(), "{arguments:?}: {}", said(&out));
    let page: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&out)));
    assert_eq!(page["trouble"], serde_json::json!([]), "{arguments:?}");
    page
}

/// The mails in the reader's mailbox, once there are so many.
fn mails(server: &MailServer, count: usize) -> Vec<Mail> {
    let read = || server.mailboxes([READER]).remove(READER).unwrap_or_default();
    assert!(until(|| read().len() >= count), "{count} mails were expected, there are {}", read().len());
    read()
}

/// The first link of a kind in a mail.
fn link(mail: &Mail, kind: &str) -> String {
    let found = mail.links.iter().find(|link| link.contains(&format!("/{kind}/")));
    found.unwrap_or_else(|| panic!("no {kind} link among {:?}", mail.links)).clone()
}

/// A POST as RFC 8058 has it: no cookie, no page before it.
fn one_click(address: &str) -> String {
    let (host, path) = address.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap_or_else(|| panic!("{address}"));
    let body = "List-Unsubscribe=One-Click";
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
#[ignore = "needs Chromium, Postfix and Dovecot: run scripts/test"]
fn a_reader_signs_up_confirms_chooses_gets_a_digest_and_leaves_with_one_click() {
    let server = MailServer::start();
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port();
    let home = format!("http://127.0.0.1:{port}");
    let publication = Publication::on("sqlite://letters.db", &format!("url = \"{}\"", server.relay_url()));
    let config = publication.read("config.toml");
    publication.write(
        "config.toml",
        &config.replace("https://letters.example.org", &home).replace("limit = 10", "limit = 10\nrhythms = [\"weekly\"]"),
    );
    publication.article(1, "The first crane", ARTICLE);
    let mut run = publication.command(&["run", "--roles", "web,send"]);
    let log = publication.append("service.log");
    run.env("POSTRIDER_WEB__LISTEN", format!("127.0.0.1:{port}")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let _service = Worker(run.spawn().unwrap());
    assert!(until(|| TcpStream::connect(("127.0.0.1", port)).is_ok()), "{}", publication.read("service.log"));

    let page = browse(&["subscribe", &format!("{home}/subscribe/weekly"), READER, "Ann"]);
    assert_eq!(page["title"], "Check your mail");
    let confirm = mails(&server, 1).remove(0);
    assert_eq!(confirm.header("Subject"), "Please confirm: Harbour Weekly");
    let page = browse(&["press", &link(&confirm, "confirm")]);
    assert_eq!(page["title"], "Welcome.");
    let preferences = page["links"].as_array().unwrap().iter().filter_map(Value::as_str).find(|link| link.contains("/preferences/"));
    let preferences = preferences.unwrap_or_else(|| panic!("no way to the preferences: {page}"));
    let page = browse(&["choose", preferences, "rhythm-weekly=weekly", "language=de", "timezone=Europe/Vienna", "name=Anna"]);
    assert_eq!(page["note"], "Gespeichert.");
    let person = publication.json(&["subscribers", "show", READER]);
    assert_eq!((&person["subscriber"]["name"], &person["preferences"][0]["rhythm"]), (&"Anna".into(), &"weekly".into()), "{person}");

    let issue = publication.json(&["send", "weekly", "--yes"]);
    assert_eq!(issue["sent"], 1, "{issue}");
    let digest = mails(&server, 2).remove(1);
    assert!(
        digest.html.as_deref().is_some_and(|html| html.contains("The first crane") && html.contains("Abbestellen")),
        "in German: {:?}",
        digest.text
    );
    let header = digest.header("List-Unsubscribe").to_owned();
    assert_eq!(digest.header("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    let address = header.split(['<', '>']).find(|part| part.starts_with("http")).unwrap_or_else(|| panic!("{header}"));
    for _ in 0..2 {
        assert!(one_click(address).contains(" 200 "), "the click works, and again: {}", one_click(address));
    }
    let person = publication.json(&["subscribers", "show", READER]);
    assert_eq!(person["subscriptions"][0]["state"], "unsubscribed", "{person}");
    publication.article(2, "The second crane", ARTICLE);
    let out = publication.run(&["send", "weekly", "--yes"]);
    assert_eq!(out.status.code(), Some(1), "nobody is left to mail: {}", said(&out));
    assert_eq!(mails(&server, 2).len(), 2, "and nobody was");
}
