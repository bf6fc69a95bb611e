//! The main job from end to end, with the real binary and a real SMTP listener: articles become a digest in every reader's mailbox, once.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mail_parser::MessageParser;
use postrider::inbox::Inbox;
use tempfile::TempDir;

use crate::dkim;

/// Longest we wait for something the service does by itself.
const PATIENCE: Duration = Duration::from_secs(20);

struct Publication {
    dir: TempDir,
    inbox: Inbox,
}

impl Publication {
    async fn new(digest: &str) -> Self {
        let inbox = Inbox::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let config = format!(
            r#"[site]
title = "The Test Letter"
url = "https://letter.example.com"
timezone = "Europe/Berlin"
postal_address = "1 Test Street"
[web]
listen = "127.0.0.1:0"
[[relay]]
name = "inbox"
url = "smtp://{}?tls=none"
[[list]]
id = "weekly"
name = "Weekly"
description = "One a week"
from = "The Test Letter <desk@letter.example.com>"
[[digest]]
id = "weekly"
lists = ["weekly"]
subject = '{{{{ articles[0].title }}}}, {{{{ subscriber.name | default(value="friend") }}}}'
{digest}
"#,
            inbox.addr()
        );
        std::fs::write(dir.path().join("config.toml"), config).unwrap();
        std::fs::create_dir(dir.path().join("content")).unwrap();
        let publication = Self { dir, inbox };
        publication.article("2026-01-05-tides", "On tides", "The tide waits for *nobody*. [More](/elsewhere/)");
        publication
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn article(&self, name: &str, title: &str, body: &str) {
        std::fs::write(self.path().join(format!("content/{name}.md")), format!("+++\ntitle = \"{title}\"\n+++\n{body}\n")).unwrap();
    }

    /// From now on its mail is signed, by RSA and by Ed25519.
    fn sign(&self) {
        for name in ["rsa.pkcs8.pem", "ed25519.pkcs8.pem"] {
            std::fs::copy(dkim::fixture_path(name), self.path().join(name)).unwrap();
        }
        let mut config = std::fs::read_to_string(self.path().join("config.toml")).unwrap();
        config.push_str(
            "[dkim]\ndomain = \"example.com\"\nselector = \"postrider\"\nkey_file = \"rsa.pkcs8.pem\"\n\
            ed25519_selector = \"brisbane\"\ned25519_key_file = \"ed25519.pkcs8.pem\"\n",
        );
        std::fs::write(self.path().join("config.toml"), config).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
        command.args(args).current_dir(self.path()).stdin(Stdio::null());
        command
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "postrider {args:?} was expected to succeed: {} {error}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    fn issue(&self, id: &str) -> serde_json::Value {
        serde_json::from_str(&self.ok(&["--json", "issues", "show", id])).unwrap()
    }

    fn subscribe(&self, people: &[(&str, &str)]) {
        let rows: String = people.iter().map(|(email, name)| format!("{email},\"{name}\"\n")).collect();
        std::fs::write(self.path().join("people.csv"), format!("email,name\n{rows}")).unwrap();
        self.ok(&["subscribers", "import", "people.csv", "--list", "weekly", "--confirmed", "--yes"]);
    }

    /// The service, with what it logs in `service.log`.
    fn service(&self) -> Service {
        let log = std::fs::File::create(self.path().join("service.log")).unwrap();
        Service(self.command(&["run"]).stderr(log).stdout(Stdio::null()).spawn().unwrap())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("service.log")).unwrap()
    }

    /// The address the service listens on, from its log.
    fn address(&self) -> String {
        until("the service listens", || {
            let log = self.log();
            let rest = log.split("http://").nth(1)?;
            Some(rest.split(['"', '\n', ' ']).next()?.to_owned())
        })
    }
}

/// A running service; ended with SIGTERM when dropped.
struct Service(Child);

impl Service {
    fn terminate(&mut self) -> std::process::ExitStatus {
        Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap();
        self.0.wait().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until `look` finds something; fails with what was waited for.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(found) = look() {
            return found;
        }
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(20));
    }
    panic!("waited {PATIENCE:?} in vain until {what}");
}

/// One HTTP exchange by hand: status line, headers and body.
fn http(address: &str, method: &str, path: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let body = if method == "POST" { "List-Unsubscribe=One-Click" } else { "" };
    let kind = "Content-Type: application/x-www-form-urlencoded";
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reader_gets_the_digest_once_with_their_own_name() {
    let publication = Publication::new("").await;
    let people = [("ann@example.org", "Ann"), ("bo@example.org", ""), ("eve@example.org", "{{ 7*7 }} <b>Eve</b> & co")];
    publication.subscribe(&people);
    let issue: serde_json::Value = serde_json::from_str(&publication.ok(&["--json", "send", "weekly", "--yes"])).unwrap();
    assert_eq!(
        (&issue["id"], &issue["planned"], &issue["sent"], &issue["status"]),
        (&1.into(), &3.into(), &3.into(), &"done".into()),
        "{issue}"
    );
    let caught = publication.inbox.messages();
    assert_eq!(caught.len(), 3);
    for (email, name) in people {
        let mine: Vec<_> = caught.iter().filter(|mail| mail.rcpts == [email]).collect();
        assert_eq!(mine.len(), 1, "{email} was expected to get one message");
        let mail = MessageParser::default().parse(&mine[0].raw).unwrap();
        let called = if name.is_empty() { "friend" } else { name };
        assert_eq!(mail.subject().unwrap(), format!("On tides, {called}"));
        let (html, text) = (mail.body_html(0).unwrap(), mail.body_text(0).unwrap());
        assert!(text.contains(called), "the text greets {called}: {text}");
        assert!(!html.contains("<b>Eve"), "a name is never HTML");
        assert!(!html.contains("href=\"/"), "links are absolute");
        assert!(html.contains("https://letter.example.com/unsubscribe/"), "{html}");
        let header = mail.header_raw("List-Unsubscribe-Post").unwrap();
        assert_eq!(header.trim(), "List-Unsubscribe=One-Click");
    }
    let again = publication.ok(&["send", "weekly", "--yes"]);
    assert!(again.contains("no new article since the last issue"), "{again}");
    assert_eq!(publication.inbox.count(), 3, "nobody was mailed again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_stays_as_it_was_frozen_whatever_is_edited_later() {
    let publication = Publication::new("").await;
    publication.subscribe(&[("ann@example.org", "Ann")]);
    publication.ok(&["send", "weekly", "--at", "tomorrow 09:00", "--yes"]);
    publication.article("2026-01-05-tides", "Rewritten", "Another text.");
    let resumed = publication.ok(&["issues", "pause", "1"]);
    assert!(resumed.contains("paused issue 1"), "{resumed}");
    // What is due tomorrow does not leave today, resumed or not.
    publication.ok(&["issues", "resume", "1"]);
    assert_eq!(publication.inbox.count(), 0);
    assert_eq!(publication.issue("1")["subject"], "On tides, friend");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_fires_a_due_run_once_and_delivers_it_and_drains_on_sigterm() {
    let publication = Publication::new("schedule = \"* * * * * *\"").await;
    publication.subscribe(&[("ann@example.org", "Ann"), ("bo@example.org", "Bo")]);
    let mut service = publication.service();
    until("both readers have their digest", || (publication.inbox.count() == 2).then_some(()));
    until("the log tells why there is no second issue", || publication.log().contains("no new article since the last issue").then_some(()));
    publication.article("2026-01-06-more", "More tides", "They come back.");
    until("the new article went out", || (publication.inbox.count() == 4).then_some(()));
    let status = service.terminate();
    assert!(status.success(), "SIGTERM was expected to end it with 0, not {status}\n{}", publication.log());
    let issues: serde_json::Value = serde_json::from_str(&publication.ok(&["--json", "issues"])).unwrap();
    assert_eq!(issues.as_array().unwrap().len(), 2, "{issues}");
    assert_eq!(publication.inbox.count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_publishes_feeds_and_follows_content() {
    let publication = Publication::new("").await;
    let _service = publication.service();
    let address = publication.address();
    let feed = http(&address, "GET", "/rss.xml");
    assert!(feed.starts_with("HTTP/1.1 200") && feed.to_lowercase().contains("content-type: application/rss+xml; charset=utf-8"), "{feed}");
    assert!(feed.contains("On tides"));
    publication.article("2026-01-06-more", "More tides", "They come back.");
    until("the feed has the new article", || http(&address, "GET", "/rss.xml").contains("More tides").then_some(()));
    assert!(std::fs::read_to_string(publication.path().join("public/rss.xml")).unwrap().contains("More tides"));
    assert!(http(&address, "GET", "/nowhere").starts_with("HTTP/1.1 404"));
    assert!(http(&address, "GET", "/../config.toml").starts_with("HTTP/1.1 404"));
    assert!(http(&address, "POST", "/rss.xml").starts_with("HTTP/1.1 405"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_of_any_link_in_a_mail_changes_nothing_and_one_post_unsubscribes() {
    let publication = Publication::new("").await;
    publication.subscribe(&[("ann@example.org", "Ann")]);
    publication.ok(&["send", "weekly", "--yes"]);
    let caught = publication.inbox.messages();
    let mail = MessageParser::default().parse(&caught[0].raw).unwrap();
    let text = mail.body_text(0).unwrap().into_owned();
    let links: Vec<String> = ["unsubscribe", "preferences", "view"]
        .iter()
        .map(|kind| {
            let rest =
                text.split(&format!("https://letter.example.com/{kind}/")).nth(1).unwrap_or_else(|| panic!("no {kind} link in\n{text}"));
            format!("/{kind}/{}", rest.split_whitespace().next().unwrap())
        })
        .collect();
    let _service = publication.service();
    let address = publication.address();
    let state = || {
        let person: serde_json::Value =
            serde_json::from_str(&publication.ok(&["--json", "subscribers", "show", "ann@example.org"])).unwrap();
        person["subscriptions"][0]["state"].as_str().unwrap().to_owned()
    };
    for method in ["GET", "HEAD", "OPTIONS"] {
        for link in links.iter().cycle().take(links.len() * 3) {
            http(&address, method, link);
        }
    }
    assert_eq!(state(), "confirmed", "looking at links changed something");
    assert!(http(&address, "GET", &links[2]).contains("On tides"), "the issue is shown in the browser");
    for _ in 0..2 {
        let answer = http(&address, "POST", &links[0]);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("You have left"), "{answer}");
        assert_eq!(state(), "unsubscribed");
    }
    let forged = links[0].replace("/unsubscribe/", "/preferences/");
    assert!(http(&address, "POST", &forged).starts_with("HTTP/1.1 404"), "a token is bound to its purpose");
    let back = http(&address, "POST", &links[0].replace("/unsubscribe/", "/resubscribe/"));
    assert!(back.contains("Welcome back"), "{back}");
    assert_eq!(state(), "confirmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_goes_to_one_address_is_marked_and_is_in_no_ledger() {
    let publication = Publication::new("").await;
    publication.subscribe(&[("ann@example.org", "Ann")]);
    let said = publication.ok(&["send", "weekly", "--to", "me@example.org"]);
    assert!(said.starts_with("sent 1 test message in"), "{said}");
    let caught = publication.inbox.messages();
    assert_eq!(caught.iter().map(|mail| mail.rcpts.clone()).collect::<Vec<_>>(), [["me@example.org"]]);
    let mail = MessageParser::default().parse(&caught[0].raw).unwrap();
    assert_eq!(mail.subject().unwrap(), "[TEST] On tides, friend");
    assert_eq!(publication.ok(&["--json", "issues"]).trim(), "[]");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_that_needs_approval_waits_for_a_person() {
    let publication = Publication::new("schedule = \"* * * * * *\"\napproval = \"required\"").await;
    publication.subscribe(&[("ann@example.org", "Ann")]);
    let mut service = publication.service();
    until("the issue is there", || publication.log().contains("issue made").then_some(()));
    let issue = publication.issue("1");
    assert_eq!((&issue["status"], &issue["sent"]), (&"paused".into(), &0.into()), "{issue}");
    publication.ok(&["issues", "resume", "1"]);
    assert_eq!(publication.inbox.count(), 1, "resume waits until the service has delivered it");
    service.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_that_leaves_is_signed_with_the_keys_of_the_moment() {
    let publication = Publication::new("").await;
    publication.subscribe(&[("ann@example.com", "Ann"), ("zoe@example.com", "Zoë, of \"the\" quay")]);
    publication.ok(&["send", "weekly", "--to", "desk@example.com"]);
    let unsigned = publication.inbox.messages();
    assert!(!unsigned[0].raw.starts_with(b"DKIM-Signature"), "there is no [dkim] yet");
    // Frozen before there was a key, sent after.
    publication.ok(&["send", "weekly", "--yes", "--at", "tomorrow 09:00"]);
    publication.ok(&["issues", "cancel", "1"]);
    publication.sign();
    publication.ok(&["send", "weekly", "--to", "desk@example.com"]);
    publication.ok(&["issues", "retry", "1"]);
    let mut service = publication.service();
    until("both readers have their mail", || (publication.inbox.count() == 4).then_some(()));
    service.terminate();

    let signer = dkim::Dkim { domain: "example.com".into(), ..dkim::both_keys() };
    let records = dkim::records(&signer);
    for caught in &publication.inbox.messages()[1..] {
        let good = dkim::verify::all_good(&caught.raw, &records);
        assert_eq!(
            good.iter().map(|good| good.algorithm.as_str()).collect::<Vec<_>>(),
            ["rsa-sha256", "ed25519-sha256"],
            "{:?}",
            caught.rcpts
        );
        let mut tampered = caught.raw.to_vec();
        let at = tampered.windows(4).position(|octets| octets == b"tide").expect("the word of the article");
        tampered[at] = b'T';
        assert!(dkim::verify::verify(&tampered, &records).iter().all(Result::is_err), "a changed octet was not noticed");
    }
}
