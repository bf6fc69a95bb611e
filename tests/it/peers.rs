//! Stories told against real peers: Postfix and Dovecot take the mail, Python reads it back, feedparser reads the feeds.
//! `scripts/test` installs the peers and runs these; plain `cargo test` shows them as ignored.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use chrono::{DateTime, Utc};
use serde_json::Value;

mod browser;
pub mod mail_server;
pub mod publication;
mod smtp_driver;
mod smtp_server;
mod sources;

use mail_server::{Mail, MailServer};
use publication::{Publication, assert_adds_up, said};

/// How many people the digest goes to.
const READERS: usize = 200;

#[test]
#[ignore = "needs Postfix and Dovecot: run scripts/test"]
fn a_digest_reaches_200_mailboxes_through_a_real_mail_server() {
    let server = MailServer::start();
    let publication = Publication::new(&format!("url = \"{}\"\nconnections = 4", server.relay_url()));
    for (day, title) in (1..).zip(TITLES) {
        publication.article(day, title, ARTICLE);
    }
    let people = people();
    publication.import(&people);

    let before = Utc::now();
    let issue = publication.json(&["send", "weekly", "--yes"]);
    assert_eq!((&issue["planned"], &issue["sent"]), (&Value::from(READERS), &Value::from(READERS)), "{issue}");
    assert_eq!(issue["status"], "done");
    assert_adds_up(&issue);

    let mailboxes = server.mailboxes(people.iter().map(|(email, _)| email.as_str()));
    let mut message_ids = HashSet::new();
    for (email, name) in &people {
        let [mail] = &mailboxes[email][..] else { panic!("{email} got {} mails, not one", mailboxes[email].len()) };
        assert_is_addressed_to(mail, email, name);
        assert_has_the_headers_of_bulk_mail(mail, before);
        assert_can_be_read(mail);
        assert!(message_ids.insert(mail.header("Message-ID").to_owned()), "two mails have the Message-ID of {email}'s");
    }
    assert_eq!(server.messages_accepted(), READERS, "Postfix took more or fewer messages than there are readers");
}

#[test]
#[ignore = "needs Postfix and Dovecot: run scripts/test"]
fn text_that_looks_like_smtp_stays_inside_its_one_message() {
    let server = MailServer::start();
    let publication = Publication::new(&format!("url = \"{}\"", server.relay_url()));
    for (day, (title, end)) in
        (1..).zip([(".", "\n.\n"), ("..", "\n.\r\n"), ("QUIT", "\r\n.\n"), ("DATA .", "\r.\r"), (".DATA", "\r\n.\r\n")])
    {
        let attack =
            format!("{end}MAIL FROM:<evil@inbox.test>{end}RCPT TO:<victim@inbox.test>{end}DATA{end}Subject: smuggled{end}{end}hello{end}");
        let body = format!("Before the dot.\n\n```\n.\n..dots\n.{attack}```\n\n.leading{attack}\n\n<p>{attack}</p>\n");
        publication.article(day, title, &body);
    }
    let people: Vec<(String, String)> = [".", "..", ". DATA", "QUIT", "a.b"]
        .iter()
        .enumerate()
        .map(|(i, name)| (format!("dot{i}@inbox.test"), (*name).to_owned()))
        .collect();
    publication.import(&people);

    let issue = publication.json(&["send", "weekly", "--yes"]);
    assert_eq!(issue["sent"], people.len(), "{issue}");

    let mailboxes = server.mailboxes(people.iter().map(|(email, _)| email.as_str()).chain(["victim@inbox.test"]));
    assert!(mailboxes["victim@inbox.test"].is_empty(), "a message was smuggled: {:?}", mailboxes["victim@inbox.test"]);
    for (email, _) in &people {
        let [mail] = &mailboxes[email][..] else { panic!("{email} got {} mails, not one", mailboxes[email].len()) };
        let html = mail.html.as_deref().expect("an html part that can be decoded");
        assert!(html.trim_end().ends_with("</html>"), "the message was cut: it ends with {:?}", tail(html));
    }
    assert_eq!(server.messages_accepted(), people.len(), "Postfix saw another number of messages");
}

#[test]
#[ignore = "needs Postfix and Dovecot: run scripts/test"]
fn an_address_the_server_refuses_for_good_is_suppressed_and_the_others_get_their_mail() {
    let server = MailServer::start();
    let publication = Publication::new(&format!("url = \"{}\"", server.relay_url()));
    publication.article(1, "One story", ARTICLE);
    let people = ["ann@inbox.test", "gone@inbox.test", "zoe@inbox.test"].map(|email| (email.to_owned(), "Somebody".to_owned()));
    publication.import(&people);

    let out = publication.run(&["--json", "send", "weekly", "--yes"]);
    let issue: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(&out)));
    assert_eq!((&issue["sent"], &issue["failed"]), (&Value::from(2), &Value::from(1)), "{}", said(&out));
    assert_eq!(out.status.code(), Some(1), "done, with failures the user can fix, is exit code 1: {}", said(&out));

    let mailboxes = server.mailboxes(["ann@inbox.test", "zoe@inbox.test"]);
    assert!(mailboxes.values().all(|mails| mails.len() == 1), "{mailboxes:?}");
    let suppressed = publication.json(&["suppressions", "list"]).to_string();
    assert!(suppressed.contains("gone@inbox.test"), "gone@inbox.test is not suppressed: {suppressed}");
    assert!(!suppressed.contains("ann@inbox.test"), "somebody else is suppressed: {suppressed}");
}

#[test]
#[ignore = "needs Postfix, Dovecot and dkimpy: run scripts/test"]
fn both_signatures_verify_after_a_real_mail_server_and_no_changed_copy_does() {
    let server = MailServer::start();
    let publication = Publication::new(&format!("url = \"{}\"\nconnections = 4", server.relay_url()));
    for (day, title) in (1..).zip(TITLES) {
        publication.article(day, title, &format!("{ARTICLE}\n\n```\nindented   code  \n\tand a tab \t\n.\nFrom here\n```\n"));
    }
    let made: Vec<Value> =
        ["dkim generate", "dkim generate --ed25519"].map(|command| publication.json(&command.split(' ').collect::<Vec<_>>())).into();
    let text = |made: &Value, key: &str| made[key].as_str().unwrap().to_owned();
    let config = format!(
        "{}\n[dkim]\ndomain = \"letters.example.org\"\nselector = \"{}\"\nkey_file = \"{}\"\ned25519_selector = \"{}\"\ned25519_key_file = \"{}\"\n",
        publication.read("config.toml"),
        text(&made[0], "selector"),
        text(&made[0], "file"),
        text(&made[1], "selector"),
        text(&made[1], "file"),
    );
    publication.write("config.toml", &config);
    let people: Vec<(String, String)> = people().into_iter().take(40).collect();
    publication.import(&people);
    let issue = publication.json(&["send", "weekly", "--yes"]);
    assert_eq!(issue["sent"], people.len(), "{issue}");
    publication.json(&["send", "weekly", "--to", "desk@inbox.test"]);

    let records = made.iter().map(|made| (text(&made["record"], "name"), made["record"]["value"].clone())).collect();
    let addresses: Vec<&str> = people.iter().map(|(email, _)| email.as_str()).chain(["desk@inbox.test"]).collect();
    let judged = server.judge_signatures(&addresses, &Value::Object(records));
    for address in addresses {
        let [mail] = &judged[address].as_array().unwrap()[..] else { panic!("{address} got not one mail: {}", judged[address]) };
        assert_eq!(mail["arrived"], serde_json::json!([true, true]), "dkimpy on the mail of {address}: RSA, then Ed25519");
        for copy in ["body", "subject", "unsubscribe"] {
            let verdicts = mail[copy].as_array().unwrap();
            assert!(verdicts.len() == 2 && !verdicts.contains(&Value::Bool(true)), "a changed {copy} went unnoticed for {address}: {mail}");
        }
    }
}

#[test]
#[ignore = "needs feedparser: run scripts/test"]
fn feedparser_finds_no_fault_in_the_feeds() {
    let publication = Publication::new("url = \"smtp://127.0.0.1:1?tls=none\"");
    for (day, title) in (1..).zip(TITLES) {
        publication.article(day, title, ARTICLE);
    }
    publication.json(&["build", "--out", "public"]);

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let checked = Command::new(root.join(".cache/venv/bin/python"))
        .arg(root.join("scripts/check_feeds.py"))
        .arg(publication.path("public"))
        .args(["--entries", &TITLES.len().to_string()])
        .output()
        .expect("feedparser is not installed: run scripts/setup");
    assert!(checked.status.success(), "feedparser finds fault: {}", said(&checked));
    assert!(String::from_utf8_lossy(&checked.stdout).contains("rss.xml"), "no feed was looked at: {}", said(&checked));
}

fn assert_is_addressed_to(mail: &Mail, email: &str, name: &str) {
    assert_eq!(mail.to, [(name.to_owned(), email.to_owned())], "To:\n{}", mail.raw_headers);
    for (kind, part) in [("text", &mail.text), ("html", &mail.html)] {
        let part = part.as_deref().unwrap_or_else(|| panic!("{email} got no {kind} part: {:?}", mail.content_types));
        assert!(part.contains(name), "the {kind} part does not greet {name}:\n{part}");
    }
}

fn assert_has_the_headers_of_bulk_mail(mail: &Mail, before: DateTime<Utc>) {
    assert_eq!(mail.header("MIME-Version"), "1.0");
    assert_eq!(mail.header("From"), "Ada Example <ada@letters.example.org>");
    assert_eq!(mail.header("Subject"), format!("The week in {} stories", TITLES.len()));
    assert_eq!(mail.header("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    assert!(mail.header("List-Unsubscribe").contains("<https://letters.example.org/"), "{}", mail.raw_headers);
    assert!(mail.header("List-Id").contains("weekly"), "{}", mail.raw_headers);
    assert!(mail.header("Message-ID").ends_with("@letters.example.org>"), "Message-ID is not of our own domain: {}", mail.raw_headers);
    assert!(!mail.header("Feedback-ID").contains('@'), "Feedback-ID names a person: {}", mail.raw_headers);
    let date = DateTime::parse_from_rfc2822(mail.header("Date")).expect("a Date of RFC 5322").to_utc();
    assert!((date - before).num_seconds().abs() < 120, "Date {date} is not the time of sending, {before}");
}

fn assert_can_be_read(mail: &Mail) {
    assert_eq!(mail.defects, Vec::<String>::new(), "Python's parser finds fault with\n{}", mail.raw_headers);
    assert_eq!(mail.content_types, ["multipart/alternative", "text/plain", "text/html"]);
    assert!(mail.ascii, "8-bit bytes left us");
    assert!(mail.longest_line <= 998, "a line has {} bytes", mail.longest_line);
    assert!(mail.size_bytes < 102 * 1024, "{} bytes: Gmail would clip it", mail.size_bytes);
    for link in &mail.links {
        let absolute = ["https://", "http://", "mailto:"].iter().any(|start| link.starts_with(start));
        assert!(absolute, "the link {link:?} means nothing in a mailbox");
    }
    for title in TITLES {
        let text = mail.text.as_deref().unwrap();
        assert!(text.contains(title), "the text part does not name {title:?}:\n{text}");
    }
}

/// People with names from several scripts, each name found once.
fn people() -> Vec<(String, String)> {
    let first = ["Ada", "Zoë", "Jürgen", "李雷", "Олена", "María José", "Yūki", "Οδυσσέας", "سلمى", "O'Brien"];
    (0..READERS).map(|i| (format!("reader{i}@inbox.test"), format!("{} No{i:03}", first[i % first.len()]))).collect()
}

fn tail(text: &str) -> String {
    text.chars().skip(text.chars().count().saturating_sub(60)).collect()
}

const TITLES: [&str; 7] = [
    "The crane that learned to wait",
    "Tides, tables and a typo",
    "Grüße vom Kai: ein Herbst in Zahlen",
    "Fog signals = music after all",
    "Why the ferry turns left",
    "A letter found under pier 4",
    "港の朝、静かな水",
];

const ARTICLE: &str = "The morning shift begins before the light does. A [timetable](/timetable/) hangs by the gate, and nobody reads it.\n\n\
## What changed\n\nThree things, in order of how much people complained:\n\n1. The *eastern* gate opens at five.\n2. Coffee is now `0.80` € a cup.\n\
3. The gulls have found the new bins.\n\n> It was quieter when the bins were old.\n\nMore at [the harbour office](https://office.example.org/news?a=1&b=2).\n";
