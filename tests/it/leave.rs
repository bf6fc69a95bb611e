//! Leaving: one click in the middle of a send, and a mail to the address for leaving.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mail_parser::MessageParser;
use postrider::content;
use postrider::digest::Press;
use postrider::model::link::{Grant, Purpose};
use postrider::model::relay::TlsMode;
use postrider::model::{Counts, EmailAddress, ListId, Relay, SubscriptionState};
use postrider::send::Sender;
use postrider::store::subscribers::NewSubscriber;
use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::peers::mail_server::{MailServer, until as until_true};
use crate::peers::publication::{Publication, said};
use crate::send::driver::relay;
use crate::support::http::{Served, until};
use crate::support::smtp::{Act, Event, FULL, Server};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_by_one_click_in_mid_send_is_not_mailed_a_second_later() {
    const READERS: usize = 150;
    // When each message began: at its MAIL command nobody knows yet to whom, so at its RCPT.
    let begun: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let note = begun.clone();
    let slow = Server::start(FULL, move |event: &Event| match event.verb.as_str() {
        "RCPT" => {
            let to = event.line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
            note.lock().unwrap().insert(to, Instant::now());
            Act::Usual
        }
        "DOT" => Act::Late(Duration::from_millis(20)),
        _ => Act::Usual,
    })
    .await;
    let port = slow.addr.port();
    let served = Served::with("", |config| config.relays = vec![Relay { connections: 1, ..relay(port, TlsMode::None) }]).await;
    let (store, config, now) = (served.app.store.clone(), served.app.config.clone(), served.app.clock.now());
    let weekly = ListId::parse("weekly").unwrap();
    let address = |n: usize| EmailAddress::parse(&format!("r{n:03}@example.com")).unwrap();
    let rows: Vec<NewSubscriber> = (0..READERS).map(|n| NewSubscriber::new(address(n))).collect();
    store.upsert_subscribers(&rows, &weekly, SubscriptionState::Confirmed, "test", false, now).await.unwrap();
    let (library, _) = content::load(&config);
    let press = Press { config: &config, templates: &served.app.templates, now };
    let draft = press.letter(&library.all()[0], std::slice::from_ref(&weekly)).unwrap();
    let issue = store.create_issue(&draft.new, now).await.unwrap();
    let sender = Sender::new(store.clone(), &config, served.app.key.clone(), served.app.clock.clone());
    store.sendable_issues(now).await.unwrap();
    let sending = tokio::spawn(async move { sender.run_issue(issue, &CancellationToken::new()).await });

    let leave = async |n: usize| {
        let subscriber = store.person(&address(n)).await.unwrap().unwrap().subscriber.id;
        let token = served.app.key.token(Purpose::Unsubscribe, &Grant { issue, subscriber, list: weekly.clone() });
        let reply = served.post(&format!("/unsubscribe/{token}"), "List-Unsubscribe=One-Click").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        Instant::now()
    };
    let so_far = || slow.recipients().len();
    until("the send has begun", async || (so_far() >= 3).then_some(())).await;
    let mut left = HashMap::new();
    // The last ones, whose turn is seconds away, and at three moments some whose turn comes within the second.
    for n in READERS - 10..READERS {
        left.insert(n, leave(n).await);
    }
    for part in [20, 50, 80] {
        until("the send goes on", async || (so_far() >= part).then_some(())).await;
        for _ in 0..6 {
            // Whose turn is half a second away at the click, however long the clicks before it took; on a very busy machine there are few such.
            let Some(next) = (so_far() + 25..READERS - 10).find(|n| !left.contains_key(n)) else { break };
            left.insert(next, leave(next).await);
        }
    }
    assert!(left.len() > 10, "some left whose turn was near");
    sending.await.unwrap().unwrap();

    let begun = begun.lock().unwrap().clone();
    for (n, answered) in &left {
        let late = begun.get(address(*n).as_str()).map(|begun| begun.saturating_duration_since(*answered));
        assert!(late.is_none_or(|late| late < Duration::from_secs(1)), "r{n} was mailed {late:?} after the answer to the click");
        assert!(*n < READERS - 10 || late.is_none(), "r{n} left seconds before its turn and was mailed");
    }
    let skipped = left.keys().filter(|n| !begun.contains_key(address(**n).as_str())).count();
    let sent = (READERS - skipped) as u64;
    assert!(skipped > 10, "also some of those who were next are left out, not the last ones alone: {skipped}");
    let counts = store.counts(issue).await.unwrap();
    assert_eq!(counts, Counts { planned: READERS as u64, sent, skipped: skipped as u64, ..Counts::default() });
}

const LEAVE_AT: &str = "leave@letters.example.org";

/// A publication that has sent one letter to eight people, who may leave by mail.
struct Sent {
    publication: Publication,
    mailbox: Server,
    _runtime: Runtime,
}

impl Sent {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let mailbox = runtime.block_on(Server::start(FULL, |_: &Event| Act::Usual));
        let publication = Publication::new(&format!("url = \"smtp://{}?tls=none\"", mailbox.addr));
        let config = publication.read("config.toml").replace("[store]", &format!("[bounce]\nunsubscribe = \"{LEAVE_AT}\"\n[store]"));
        publication.write("config.toml", &config);
        publication.article(1, "A story", "Once upon a time in a harbour.\n");
        let names = ["ann", "bo", "p0", "p1", "p2", "p3", "p4", "p5"];
        publication.import(&names.map(|name| (format!("{name}@example.org"), String::new())));
        publication.json(&["send", "weekly", "--yes"]);
        Self { publication, mailbox, _runtime: runtime }
    }

    /// The addresses in List-Unsubscribe of the mail to somebody: of a page, and for writing to.
    fn ways(&self, email: &str) -> (String, String) {
        let mails = self.mailbox.accepted();
        let mail = mails.iter().find(|mail| mail.to == [email]).unwrap_or_else(|| panic!("no mail to {email}"));
        let text = String::from_utf8(mail.content.clone()).unwrap();
        let field = text.split("\r\nList-Unsubscribe:").nth(1).expect("List-Unsubscribe");
        let unfolded = field.replace("\r\n ", " ");
        let mut ways = unfolded.lines().next().unwrap().split(',').map(|way| way.trim().trim_matches(['<', '>']).to_owned());
        let both = (ways.next().unwrap(), ways.next().expect("an address to write to"));
        assert!(both.0.starts_with("https://") && ways.next().is_none(), "{both:?}");
        (both.0, both.1.strip_prefix("mailto:").and_then(|rest| rest.strip_suffix("?subject=unsubscribe")).unwrap().to_owned())
    }

    /// A mail server hands a message over.
    fn bounce(&self, message: &[u8]) -> Output {
        let mut command = self.publication.command(&["--json", "bounce"]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // One that ends before it has read all breaks the pipe, which a mail server takes for a failure.
        process.stdin.take().unwrap().write_all(message).unwrap();
        process.wait_with_output().unwrap()
    }

    /// What it says it did with a message; it must take every one.
    fn done(&self, message: impl AsRef<[u8]>) -> Value {
        let out = self.bounce(message.as_ref());
        assert_eq!(out.status.code(), Some(0), "{}", said(&out));
        serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&out)))
    }

    fn state(&self, email: &str) -> String {
        self.publication.json(&["subscribers", "show", email])["subscriptions"][0]["state"].as_str().unwrap().to_owned()
    }
}

/// What a mail program writes when somebody presses its "unsubscribe".
fn request(to: &str) -> String {
    format!("From: Ann <ann@example.org>\r\nTo: {to}\r\nSubject: unsubscribe\r\nMessage-ID: <1@example.org>\r\n\r\nunsubscribe\r\n")
}

#[test]
fn whoever_writes_to_the_address_in_the_mail_has_left_and_may_do_so_twice() {
    let sent = Sent::new();
    let (_, address) = sent.ways("ann@example.org");
    assert!(
        address.starts_with("leave+") && address.ends_with("@letters.example.org") && address.split('@').next().unwrap().len() <= 64,
        "{address}"
    );
    let first = sent.done(request(&address));
    assert_eq!(first[0]["done"], "left", "{first}");
    assert_eq!((&first[0]["list"], &first[0]["why"]), (&json!("weekly"), &Value::Null), "{first}");
    assert_eq!(sent.state("ann@example.org"), "unsubscribed");
    assert_eq!(sent.done(request(&address))[0]["why"], "it was so already");
    assert_eq!(sent.state("bo@example.org"), "confirmed", "nobody else");
    assert!(!first.to_string().contains("ann@"), "no address goes into a mail server's log: {first}");
    assert_eq!(sent.mailbox.accepted().len(), 8, "and nobody is answered by mail");
    let shown = sent.publication.json(&["subscribers", "show", "ann@example.org"]);
    assert_eq!(shown["subscriptions"][0]["source"], "mail:issue-1", "{shown}");
}

#[test]
fn the_address_is_found_wherever_mail_servers_write_it() {
    let sent = Sent::new();
    let heads = [
        "From ann@example.org  Mon Nov 23 08:00:00 2026\nDelivered-To: @ADDRESS@\nTo: news@letters.example.org\n",
        "X-Original-To: @ADDRESS@\r\nDelivered-To: postrider@mx.letters.example.org\r\n",
        "Envelope-To: <@ADDRESS@>\r\n",
        "to:\r\n\t\"Leave, please\" <@ADDRESS@>,\r\n other@example.org\r\n",
        "Cc: @ADDRESS@ (unsubscribe)\r\nAuto-Submitted: auto-generated\r\n",
        "Auto-Submitted: no\r\nTo: @ADDRESS@\r\n",
    ];
    for (person, head) in heads.iter().enumerate() {
        let email = format!("p{person}@example.org");
        let (_, address) = sent.ways(&email);
        let address = if person % 2 == 0 { address } else { address.to_uppercase() };
        let message = head.replace("@ADDRESS@", &address) + "Subject: unsubscribe\r\n\r\nbye\r\n";
        let message = if person < 3 { message } else { message.replace("\r\n", "\n") };
        assert_eq!(sent.done(&message)[0]["done"], "left", "{message}");
        assert_eq!(sent.state(&email), "unsubscribed", "{message}");
        let other_ends = if person < 3 { message.replace("\r\n", "\n") } else { message.replace('\n', "\r\n") };
        assert_eq!(sent.done(&other_ends)[0]["why"], "it was so already", "{other_ends}");
    }
    // Also as a file, and several at once.
    sent.publication.write("one.eml", &request(&sent.ways("ann@example.org").1));
    sent.publication.write("two.eml", &request(&sent.ways("bo@example.org").1));
    let out = sent.publication.run(&["bounce", "one.eml", "two.eml"]);
    let words = said(&out);
    assert!(out.status.success() && words.contains("one.eml: subscriber ") && words.matches("has left weekly").count() == 2, "{words}");
    assert_eq!((sent.state("ann@example.org"), sent.state("bo@example.org")), ("unsubscribed".into(), "unsubscribed".into()));
}

#[test]
fn automatic_answers_reports_forgeries_and_rubbish_are_taken_and_do_nothing() {
    let sent = Sent::new();
    let (page, address) = sent.ways("ann@example.org");
    let (token, domain) = address.strip_prefix("leave+").unwrap().split_once('@').unwrap();
    let other = if token.ends_with('a') { "b" } else { "a" };
    let forged = format!("leave+{}{other}@{domain}", &token[..token.len() - 1]);
    let cut = format!("leave+{}@{domain}", &token[1..]);
    let page_token = page.rsplit('/').next().unwrap();
    let with = |header: &str| format!("{header}\r\n{}", request(&address));
    let messages: Vec<(&str, Vec<u8>)> = vec![
        ("an automatic answer", with("Auto-Submitted: auto-replied (vacation)").into()),
        ("another one", with("Precedence: auto_reply").into()),
        ("an old one", with("X-Autoreply: yes").into()),
        ("a report", with("Content-Type: multipart/report; report-type=delivery-status; boundary=x").into()),
        ("a forged token", request(&forged).into()),
        ("a token that was cut", request(&cut).into()),
        ("the token of the page", request(&format!("leave+{page_token}@{domain}")).into()),
        ("no token", request(LEAVE_AT).into()),
        ("another domain", request(&address.replace(domain, "evil.example")).into()),
        ("a longer domain", request(&format!("{address}.evil.example")).into()),
        ("a longer name", request(&format!("x{address}")).into()),
        ("the address in the body alone", format!("To: a@example.org\r\n\r\nTo: {address}\r\n").into()),
        ("the address in the subject alone", format!("Subject: {address}\r\n\r\n").into()),
        ("nothing", Vec::new()),
        ("rubbish", (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()),
        ("NUL and colons", b"\0:\0\r\n:::\n To: \xff\xfe\n".to_vec()),
        ("one endless line", vec![b'x'; 3_000_000]),
        ("a head without end", b"To: nobody@example.org\r\n".repeat(200_000)),
    ];
    for (what, message) in messages {
        let done = sent.done(&message);
        assert_eq!(done[0]["done"], "nothing", "{what}: {done}");
        assert!(!done[0]["why"].as_str().unwrap().is_empty(), "{what} has a reason");
        assert_eq!(sent.state("ann@example.org"), "confirmed", "{what}");
    }
    // A real one is understood however much hangs on it.
    let huge = request(&address) + &"0123456789abcdef\r\n".repeat(700_000);
    assert!(huge.len() > 12_000_000);
    assert_eq!(sent.done(huge)[0]["done"], "left");
}

#[test]
fn what_cannot_be_done_now_is_told_to_the_mail_server_as_to_be_tried_again() {
    let sent = Sent::new();
    let (_, address) = sent.ways("ann@example.org");
    let config = sent.publication.read("config.toml");
    for broken in [config.replace("[bounce]", "[bonce]"), config.replace(&format!("unsubscribe = \"{LEAVE_AT}\""), "")] {
        sent.publication.write("config.toml", &broken);
        let out = sent.bounce(request(&address).as_bytes());
        assert_eq!(out.status.code(), Some(75), "{}", said(&out));
    }
    sent.publication.write("one.eml", &request(&address));
    let out = sent.publication.run(&["bounce", "one.eml"]);
    assert_eq!(out.status.code(), Some(3), "a person is told what is wrong: {}", said(&out));
    sent.publication.write("config.toml", &config);
    assert_eq!(sent.publication.run(&["bounce", "none.eml"]).status.code(), Some(2));
    assert_eq!(sent.done(request(&address))[0]["done"], "left", "the same message, tried again");
}

#[test]
fn without_an_address_for_leaving_mails_name_the_page_alone() {
    let sent = Sent::new();
    let config = sent.publication.read("config.toml").replace(&format!("unsubscribe = \"{LEAVE_AT}\""), "");
    sent.publication.write("config.toml", &config);
    sent.publication.article(2, "Another story", "In another harbour.\n");
    sent.publication.json(&["send", "weekly", "--yes"]);
    let mails = sent.mailbox.accepted();
    let last = String::from_utf8(mails.last().unwrap().content.clone()).unwrap();
    assert!(
        last.contains("List-Unsubscribe:")
            && last.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
            && !last.contains("mailto:"),
        "{last}"
    );
    let parsed = MessageParser::default().parse(&mails[0].content).unwrap();
    assert!(parsed.header("List-Unsubscribe").is_some(), "a second reader of mail understands the field with both");
}

#[test]
fn a_renewed_key_keeps_old_ways_out_open_and_erased_people_out() {
    let sent = Sent::new();
    let publication = &sent.publication;
    let renew = || {
        let out = publication.run(&["links", "renew", "--yes"]);
        assert!(out.status.success() && !said(&out).contains("panicked"), "{}", said(&out));
    };
    let erase = |email: &str| assert!(publication.run(&["subscribers", "erase", email, "--yes"]).status.success());
    let asked = publication.run(&["links", "renew"]);
    assert_eq!(asked.status.code(), Some(2), "nobody is there to say yes: {}", said(&asked));
    erase("p0@example.org");
    let before = sent.ways("ann@example.org").1;
    for _ in 0..3 {
        renew();
    }
    erase("p1@example.org");
    assert_eq!(sent.done(request(&before))[0]["done"], "left", "an old mail still lets people leave");
    publication.write("again.csv", "email\np0@example.org\np1@example.org\nnew@example.org\n");
    let report = publication.json(&["subscribers", "import", "again.csv", "--list", "weekly", "--confirmed", "--yes"]);
    assert_eq!((&report["suppressed"], &report["new"]), (&2.into(), &1.into()), "who was erased under any key stays out: {report}");
    publication.article(2, "Another story", "In another harbour.\n");
    publication.json(&["send", "weekly", "--yes"]);
    let new = sent.ways("new@example.org").1;
    assert_eq!(sent.done(request(&new))[0]["done"], "left", "and new mails too");
}

proptest! {
    #[test]
    fn whatever_a_message_holds_it_is_judged(bytes in vec(any::<u8>(), 0..400), token in "[a-z2-7]{45}", cut in 0_usize..60) {
        let leave_at = EmailAddress::parse(LEAVE_AT).unwrap();
        let wild = postrider::bounce::read_head(bytes.as_slice()).unwrap();
        let _ = postrider::bounce::judge(&wild, &leave_at);
        // Cut anywhere, and with anything around it, the address is found whole or not at all.
        let address = format!("leave+{token}@letters.example.org");
        let text = format!("to: {}\n", &address[..cut.min(address.len())]);
        let expected_none = postrider::bounce::judge(&postrider::bounce::Head::parse(text.as_bytes()), &leave_at);
        prop_assert!(matches!(expected_none, postrider::bounce::Verdict::Nothing(_)));
        let whole = [b"to: <", address.as_bytes(), b">, ", &bytes].concat();
        let found = postrider::bounce::judge(&postrider::bounce::Head::parse(&whole), &leave_at);
        prop_assert_eq!(found, postrider::bounce::Verdict::Leave(vec![token]));
    }
}

#[test]
#[ignore = "needs Postfix and Dovecot: run scripts/test"]
fn a_real_mail_server_hands_the_mail_over_and_the_reader_has_left() {
    let server = MailServer::start();
    let publication = Publication::on("sqlite://letters.db", &format!("url = \"{}\"", server.relay_url()));
    let config = publication.read("config.toml").replace("[store]", "[bounce]\nunsubscribe = \"leave@leave.test\"\n[store]");
    publication.write("config.toml", &config);
    publication.article(1, "A story", "Once upon a time in a harbour.\n");
    publication.import(&["ann", "bo"].map(|name| (format!("{name}@inbox.test"), String::new())));
    publication.json(&["send", "weekly", "--yes"]);
    let mailboxes = server.mailboxes(["ann@inbox.test", "bo@inbox.test"]);
    let field = mailboxes["ann@inbox.test"][0].header("List-Unsubscribe").to_owned();
    let address = field.split("<mailto:").nth(1).and_then(|rest| rest.split('?').next()).expect("an address to write to").to_owned();

    // Postfix runs it as nobody, to whom the store must belong.
    let given = Command::new("sh").arg("-c").arg("chmod 755 \"$0\" && chown -R nobody \"$0\"").arg(publication.path("")).status();
    assert!(given.unwrap().success());
    server.hand_over_to(
        Path::new(env!("CARGO_BIN_EXE_postrider")),
        &format!("--config {} bounce", publication.path("config.toml").display()),
    );
    server.submit(&address, &request(&address));
    server.submit("leave@leave.test", &request("leave@leave.test"));
    server.submit(&address, &format!("Auto-Submitted: auto-replied\r\n{}", request(&address)));
    let state = |email: &str| publication.json(&["subscribers", "show", email])["subscriptions"][0]["state"].as_str().unwrap().to_owned();
    assert!(until_true(|| state("ann@inbox.test") == "unsubscribed"), "Postfix handed nothing over");
    assert_eq!(state("bo@inbox.test"), "confirmed");
    let mailboxes = server.mailboxes(["ann@inbox.test", "bo@inbox.test"]);
    assert_eq!(mailboxes["ann@inbox.test"].len(), 1, "nobody is answered");
    assert_eq!(server.handed_over(), (3, 0), "every message was taken, none refused");
}
