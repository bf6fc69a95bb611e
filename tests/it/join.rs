//! Joining a List: the page, the form on another site, the script's endpoint, the mail and the button in it, through the real service.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use mail_parser::MessageParser;
use postrider::app::system_clock;
use postrider::config::StoreUrl;
use postrider::model::Timestamp;
use postrider::model::link::LinkKey;
use postrider::store::Store;
use postrider::subscribe::join::stamp;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::crash::Worker;
use crate::peers::mail_server::until;
use crate::peers::publication::{Publication, assert_adds_up};
use crate::support::smtp::{Accepted, Act, Event, FULL, Server};

/// A publication whose pages are served and whose mail is taken.
pub struct Harbour {
    pub publication: Publication,
    pub relay: Server,
    address: String,
    pub runtime: Runtime,
    _service: Worker,
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Harbour {
    fn open() -> Self {
        Self::with("public = true")
    }

    /// With more lines for the list.
    fn with(list: &str) -> Self {
        Self::configured(|config| config.replace("opt_in = \"double\"\npublic = true", list))
    }

    /// With another configuration.
    pub fn configured(change: impl FnOnce(String) -> String) -> Self {
        let runtime = Runtime::new().unwrap();
        let relay = runtime.block_on(Server::start(FULL, |_: &Event| Act::Usual));
        let publication = Publication::on("sqlite://letters.db", &format!("url = \"smtp://{}?tls=none\"", relay.addr));
        let config = change(publication.read("config.toml"));
        publication.write("config.toml", &config);
        publication.article(1, "A story", "Once upon a time in a harbour.\n");
        let log = publication.append("service.log");
        let mut run = publication.command(&["run", "--roles", "web,send"]);
        run.env("POSTRIDER_WEB__LISTEN", "127.0.0.1:0").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let service = Worker(run.spawn().unwrap());
        let listens = || Some(publication.read("service.log").split("listening on http://").nth(1)?.split('"').next()?.to_owned());
        assert!(until(|| listens().is_some()), "{}", publication.read("service.log"));
        let address = listens().unwrap();
        Self { publication, relay, address, runtime, _service: service }
    }

    pub fn http(&self, method: &str, path: &str, kind: &str, body: &str) -> Answer {
        let mut stream = std::net::TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: letters.example.org\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status in {head:?}"));
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.http("GET", path, "text/plain", "")
    }

    pub fn post(&self, path: &str, form: &str) -> Answer {
        self.http("POST", path, "application/x-www-form-urlencoded", form)
    }

    /// A stamp as the page shows it, made so many seconds ago.
    fn stamp(&self, seconds_ago: i64) -> String {
        let key = self.key();
        stamp(&key, Timestamp::from_secs(system_clock().now().secs() - seconds_ago))
    }

    /// What signs the links.
    pub fn key(&self) -> LinkKey {
        self.runtime.block_on(async {
            let url = StoreUrl::Sqlite(self.publication.path("letters.db"));
            let store = Store::open(&url, system_clock().now()).await.unwrap();
            let key = store.link_key().await.unwrap();
            store.close().await;
            key
        })
    }

    /// Signs up on the page as a person does.
    pub fn join(&self, email: &str) -> Answer {
        let (email, stamp) = (email.replace('@', "%40").replace('+', "%2B"), self.stamp(10));
        self.post("/subscribe", &format!("email={email}&list=weekly&name=Ann&website=&stamp={stamp}"))
    }

    /// Messages to an address, once there are so many.
    pub fn mails(&self, email: &str, count: usize) -> Vec<Accepted> {
        let to = |mail: &Accepted| mail.to == [email];
        assert!(
            until(|| self.relay.accepted().iter().filter(|mail| to(mail)).count() >= count),
            "{count} mails to {email} were expected; {:?}; {}",
            self.relay.recipients(),
            self.publication.read("service.log")
        );
        self.relay.accepted().into_iter().filter(to).collect()
    }

    /// Waits until nothing that was typed waits any more.
    pub fn settled(&self) {
        let waiting = || {
            self.runtime.block_on(async {
                let url = StoreUrl::Sqlite(self.publication.path("letters.db"));
                let store = Store::open(&url, system_clock().now()).await.unwrap();
                let waiting = store.sign_ups(1).await.unwrap().len();
                store.close().await;
                waiting
            })
        };
        assert!(until(|| waiting() == 0), "sign-ups wait: {}", self.publication.read("service.log"));
    }

    pub fn person(&self, email: &str) -> Value {
        self.publication.json(&["subscribers", "show", email])
    }
}

/// The path of the first link of a kind in a message.
pub fn link(mail: &Accepted, kind: &str) -> String {
    let parsed = MessageParser::default().parse(&mail.content).unwrap();
    let text = parsed.body_text(0).unwrap().into_owned();
    let start = text.find(&format!("/{kind}/")).unwrap_or_else(|| panic!("no {kind} link in {text}"));
    text[start..].split_whitespace().next().unwrap().to_owned()
}

pub fn subject(mail: &Accepted) -> String {
    MessageParser::default().parse(&mail.content).unwrap().subject().unwrap_or_default().to_owned()
}

#[test]
fn whoever_signs_up_on_the_page_is_on_the_list_after_one_mail_and_one_button() {
    let harbour = Harbour::with("welcome = true");
    let page = harbour.get("/subscribe/weekly");
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.body.contains("autocomplete=\"email\"") && page.body.contains("Harbour Weekly"), "{}", page.body);
    let sent = harbour.join("ann@example.org");
    assert_eq!(sent.status, 200, "{sent:?}");
    assert!(sent.body.contains("Check your mail"), "{}", sent.body);
    let mail = harbour.mails("ann@example.org", 1).remove(0);
    assert_eq!(subject(&mail), "Please confirm: Harbour Weekly");
    let person = harbour.person("ann@example.org");
    assert_eq!(person["subscriptions"][0]["state"], "pending", "{person}");

    let path = link(&mail, "confirm");
    for method in ["GET", "HEAD", "OPTIONS", "GET"] {
        harbour.http(method, &path, "text/plain", "");
    }
    assert_eq!(harbour.person("ann@example.org")["subscriptions"][0]["state"], "pending", "looking confirms nothing");
    assert!(harbour.get(&path).body.contains("Yes, subscribe me"));
    let joined = harbour.post(&path, "");
    assert!(joined.status == 200 && joined.body.contains("Welcome."), "{joined:?}");
    assert_eq!(harbour.person("ann@example.org")["subscriptions"][0]["state"], "confirmed");
    assert!(harbour.post(&path, "").body.contains("Welcome."), "the button may be pressed twice");
    let mails = harbour.mails("ann@example.org", 2);
    assert_eq!(subject(&mails[1]), "Welcome to Harbour Weekly");
    assert_eq!(mails.len(), 2, "welcomed once");
}

#[test]
fn the_answer_is_the_same_for_known_and_unknown_and_what_they_are_told_comes_by_mail() {
    let harbour = Harbour::open();
    harbour.publication.import(&[("known@example.org".to_owned(), String::new())]);
    let (known, unknown) = (harbour.join("known@example.org"), harbour.join("other@example.org"));
    assert_eq!(known.status, unknown.status);
    assert_eq!(known.body.replace("known@", "@"), unknown.body.replace("other@", "@"), "the pages differ by the address alone");
    assert_eq!(subject(&harbour.mails("known@example.org", 1)[0]), "You already get Harbour Weekly");
    assert_eq!(subject(&harbour.mails("other@example.org", 1)[0]), "Please confirm: Harbour Weekly");
}

#[test]
fn nobody_is_bombed_however_often_an_address_is_typed_and_a_suppressed_one_never_hears_of_it() {
    let harbour = Harbour::open();
    let out = harbour.publication.run(&["suppressions", "add", "gone@example.org", "--reason", "asked by phone"]);
    assert!(out.status.success(), "{out:?}");
    // By the script's endpoint, which limits networks, too: twenty of these are kept.
    for _ in 0..10 {
        for email in ["victim@example.org", "gone@example.org"] {
            let asked = format!("{{\"email\":\"{email}\",\"lists\":[\"weekly\"]}}");
            let answer = harbour.http("POST", "/api/subscribe", "application/json", &asked);
            assert_eq!((answer.status, answer.body.as_str()), (202, "{\"status\":\"check your mail\"}"), "{answer:?}");
        }
        harbour.settled();
    }
    let last = harbour.http("POST", "/api/subscribe", "application/json", "{\"email\":\"next@example.org\",\"lists\":[\"weekly\"]}");
    assert_eq!(last.status, 429, "a network may ask twenty times in an hour: {last:?}");
    assert_eq!(harbour.mails("victim@example.org", 1).len(), 1, "one mail, not ten");
    assert_eq!(harbour.relay.recipients(), ["victim@example.org"]);
}

#[test]
fn programs_and_closed_lists_and_typos_are_refused_and_a_form_without_a_stamp_asks_once_more() {
    let harbour = Harbour::open();
    let stamp = harbour.stamp(10);
    let trapped = harbour.post("/subscribe", &format!("email=bot%40example.org&list=weekly&website=http%3A%2F%2Fx&stamp={stamp}"));
    assert!(trapped.status == 200 && trapped.body.contains("Check your mail"), "a program is told what people are told: {trapped:?}");
    let fast = harbour.post("/subscribe", &format!("email=fast%40example.org&list=weekly&stamp={}", harbour.stamp(0)));
    assert!(fast.body.contains("One more click") && fast.body.contains("fast@example.org"), "{fast:?}");
    let elsewhere = harbour.post("/subscribe", "email=else%40example.org&list=weekly");
    assert!(elsewhere.body.contains("One more click"), "{elsewhere:?}");
    let forged = harbour.post("/subscribe", "email=forged%40example.org&list=weekly&stamp=AAAAAGkAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert!(forged.body.contains("One more click"), "{forged:?}");
    let typo = harbour.post("/subscribe", &format!("email=ann%40example&list=weekly&stamp={stamp}"));
    assert!(typo.status == 422 && typo.body.contains("is not a mail domain"), "{typo:?}");
    let nowhere = harbour.post("/subscribe", &format!("email=ann%40example.org&list=secret&stamp={stamp}"));
    assert_eq!(nowhere.status, 404, "{nowhere:?}");
    let script = harbour.http("POST", "/api/subscribe", "application/json", "{\"email\":\"a@b\",\"lists\":[\"weekly\"]}");
    assert_eq!(script.status, 422, "{script:?}");
    assert!(harbour.http("OPTIONS", "/api/subscribe", "text/plain", "").head.contains("access-control-allow-origin: *"));
    harbour.settled();
    assert!(harbour.relay.recipients().is_empty(), "{:?}", harbour.relay.recipients());
}

#[test]
fn a_list_that_is_not_public_takes_no_form_and_no_script() {
    let harbour = Harbour::with("public = false");
    assert_eq!(harbour.get("/subscribe").status, 404);
    assert_eq!(harbour.get("/subscribe/weekly").status, 404);
    assert_eq!(harbour.join("ann@example.org").status, 404);
    let asked = "{\"email\":\"ann@example.org\",\"lists\":[\"weekly\"]}";
    assert_eq!(harbour.http("POST", "/api/subscribe", "application/json", asked).status, 422);
    harbour.settled();
    assert!(harbour.relay.recipients().is_empty());
}

#[test]
fn whoever_joins_is_told_what_the_last_issue_brought_unless_they_had_it() {
    let harbour = Harbour::with("public = true\nwelcome = \"last-issue\"");
    let publication = &harbour.publication;
    let confirm = |email: &str, mails: usize| {
        harbour.join(email);
        let asked = harbour.mails(email, mails - 1).pop().unwrap();
        harbour.post(&link(&asked, "confirm"), "");
        let welcome = harbour.mails(email, mails).pop().unwrap();
        assert_eq!(subject(&welcome), "Welcome to Harbour Weekly");
        let parsed = MessageParser::default().parse(&welcome.content).unwrap();
        (parsed.body_text(0).unwrap().into_owned(), parsed.body_html(0).unwrap().into_owned())
    };
    let (first, _) = confirm("first@example.org", 2);
    assert!(!first.contains("the last issue"), "nothing has been sent yet: {first}");

    publication.import(&[("ann@example.org".to_owned(), String::new())]);
    let issue = publication.json(&["send", "weekly", "--yes"]);
    assert_eq!(issue["sent"], 2, "{issue}");
    // A part of the list got this one, and everybody a notice: neither is what the list brought.
    publication.article(2, "For a few", "Only for those who asked.\n");
    let part = publication.json(&["send", "article-02", "--list", "weekly", "--where", "email = \"ann@example.org\"", "--yes"]);
    assert_eq!(part["sent"], 1, "{part}");
    let (text, html) = confirm("bo@example.org", 2);
    assert!(html.contains("A story</a></h2>") && html.contains("Read the article"), "{html}");
    assert!(!text.contains("For a few") && !html.contains("For a few"), "{text}");
    let changes = |line: &str| {
        line.starts_with("Harbour Weekly · ") || ["/unsubscribe/", "/preferences/", "/view/"].iter().any(|part| line.contains(part))
    };
    insta::assert_snapshot!(text.lines().filter(|line| !changes(line)).collect::<Vec<_>>().join("\n"));

    // Ann had the issue itself; Bo had it in the welcome.
    for email in ["ann@example.org", "bo@example.org"] {
        let out = publication.run(&["subscribers", "remove", email, "--list", "weekly"]);
        assert!(out.status.success(), "{out:?}");
    }
    let (text, _) = confirm("ann@example.org", 4);
    assert!(!text.contains("A story"), "Ann had it: {text}");
    // Whoever has the mail of this day can press its button again.
    harbour.post(&link(&harbour.mails("bo@example.org", 2)[0], "confirm"), "");
    let again = String::from_utf8(harbour.mails("bo@example.org", 3)[2].content.clone()).unwrap();
    assert!(again.contains("Welcome to Harbour Weekly") && !again.contains("A story"), "Bo had it in the first welcome: {again}");
    let (text, _) = confirm("cy@example.org", 2);
    assert!(text.contains("A story"), "others are still told: {text}");
}

#[test]
fn who_left_comes_back_by_the_form_only_when_they_confirm() {
    let harbour = Harbour::open();
    harbour.publication.import(&[("ann@example.org".to_owned(), String::new())]);
    let out = harbour.publication.run(&["subscribers", "remove", "ann@example.org", "--list", "weekly"]);
    assert!(out.status.success(), "{out:?}");
    assert_eq!(harbour.person("ann@example.org")["subscriptions"][0]["state"], "unsubscribed");
    harbour.join("ann@example.org");
    let mail = harbour.mails("ann@example.org", 1).remove(0);
    assert_eq!(harbour.person("ann@example.org")["subscriptions"][0]["state"], "unsubscribed", "typing an address in revives nobody");
    harbour.post(&link(&mail, "confirm"), "");
    assert_eq!(harbour.person("ann@example.org")["subscriptions"][0]["state"], "confirmed");
}

#[test]
fn where_one_joins_at_once_a_new_person_is_welcomed_and_their_consent_is_kept() {
    let harbour = Harbour::with("opt_in = \"single\"\npublic = true\nwelcome = true");
    harbour.publication.import(&[("known@example.org".to_owned(), String::new())]);
    let page = harbour.get("/subscribe/weekly").body;
    assert!(page.contains("I can leave with one click") && !page.contains("A mail with a link comes first"), "{page}");
    let (new, known) = (harbour.join("ann@example.org"), harbour.join("known@example.org"));
    assert!(new.status == 200 && new.body.contains("The next issue comes to ann@example.org"), "{new:?}");
    assert!(!new.body.contains("Press the button"), "there is no button to press: {new:?}");
    assert_eq!(new.body.replace("ann@", "@"), known.body.replace("known@", "@"), "known and new are told the same");
    let mails = harbour.mails("ann@example.org", 1);
    assert_eq!(mails.iter().map(subject).collect::<Vec<_>>(), ["Welcome to Harbour Weekly"]);
    assert_eq!(subject(&harbour.mails("known@example.org", 1)[0]), "You already get Harbour Weekly");
    let ann = harbour.person("ann@example.org");
    assert_eq!((&ann["subscriptions"][0]["state"], &ann["subscriptions"][0]["source"]), (&"confirmed".into(), &"page".into()), "{ann}");
    let consent = &ann["consents"][0];
    assert!(consent["wording"].as_str().unwrap().starts_with("Send me Harbour Weekly."), "{ann}");
    assert!(consent["asked_at"].is_i64() && consent["asked_ip"] == "127.0.0.1" && consent["source"] == "page", "{ann}");

    let asked = "{\"email\":\"cy@example.org\",\"lists\":[\"weekly\"]}";
    let script = harbour.http("POST", "/api/subscribe", "application/json", asked);
    assert_eq!((script.status, script.body.as_str()), (202, "{\"status\":\"thank you\"}"));
    harbour.mails("cy@example.org", 1);
    harbour.join("ann@example.org");
    harbour.mails("ann@example.org", 2);
    assert_eq!(harbour.mails("ann@example.org", 2).iter().filter(|mail| subject(mail).starts_with("Welcome")).count(), 1, "welcomed once");
}

#[test]
fn where_one_joins_at_once_nobody_who_left_or_is_suppressed_comes_back_by_being_typed_in() {
    let harbour = Harbour::with("opt_in = \"single\"\npublic = true\nwelcome = true");
    harbour.publication.import(&[("left@example.org".to_owned(), String::new())]);
    for args in [
        &["subscribers", "remove", "left@example.org", "--list", "weekly"][..],
        &["suppressions", "add", "gone@example.org", "--reason", "asked by phone"],
    ] {
        let out = harbour.publication.run(args);
        assert!(out.status.success(), "{out:?}");
    }
    let answers = ["left", "gone", "new"].map(|who| harbour.join(&format!("{who}@example.org")).body.replace(&format!("{who}@"), "@"));
    assert!(answers[0] == answers[1] && answers[1] == answers[2], "all are told the same");
    harbour.mails("new@example.org", 1);
    let mail = harbour.mails("left@example.org", 1).remove(0);
    assert_eq!(subject(&mail), "Please confirm: Harbour Weekly", "who left is asked");
    assert_eq!(harbour.person("left@example.org")["subscriptions"][0]["state"], "unsubscribed");
    harbour.settled();
    assert!(!harbour.relay.recipients().contains(&"gone@example.org".to_owned()), "a suppressed address hears nothing");
    assert!(!harbour.publication.run(&["subscribers", "show", "gone@example.org"]).status.success(), "and is nobody");
    let issue = harbour.publication.json(&["send", "weekly", "--yes", "--dry-run"]);
    assert_eq!(issue["recipients"], 1, "{issue}");
    harbour.post(&link(&mail, "confirm"), "");
    assert_eq!(harbour.person("left@example.org")["subscriptions"][0]["state"], "confirmed", "by the button they come back");
}

#[test]
fn whoever_confirmed_by_the_form_stays_when_the_import_that_brought_them_is_taken_back() {
    let harbour = Harbour::open();
    harbour.publication.write("pending.csv", "email\nann@example.org\nbo@example.org\n");
    let import = ["subscribers", "import", "pending.csv", "--list", "weekly", "--pending", "--yes"];
    let tag = harbour.publication.json(&import)["tag"].as_str().unwrap().to_owned();
    harbour.join("ann@example.org");
    let mail = harbour.mails("ann@example.org", 1).remove(0);
    harbour.post(&link(&mail, "confirm"), "");
    let out = harbour.publication.run(&["subscribers", "undo", &tag]);
    assert!(out.status.success(), "{out:?}");
    let people = harbour.publication.json(&["subscribers", "list"]);
    let emails: Vec<_> = people.as_array().unwrap().iter().map(|person| person.to_string().contains("ann@example.org")).collect();
    assert_eq!(emails, [true], "{people}");
    assert_eq!(harbour.person("ann@example.org")["subscriptions"][0]["state"], "confirmed");
}

#[test]
fn a_notice_is_a_delivery_in_the_ledger_and_no_issue_of_the_list() {
    let harbour = Harbour::open();
    harbour.join("ann@example.org");
    harbour.join("bo@example.org");
    harbour.mails("ann@example.org", 1);
    harbour.mails("bo@example.org", 1);
    let listed = harbour.publication.json(&["issues"]);
    assert_eq!(listed, serde_json::json!([]), "{listed}");
    let shown = harbour.publication.json(&["issues", "show", "1000000000000"]);
    assert_adds_up(&shown);
    assert_eq!((&shown["planned"], &shown["sent"]), (&2.into(), &2.into()), "{shown}");
    harbour.publication.import(&[("cy@example.org".to_owned(), String::new())]);
    let issue = harbour.publication.json(&["send", "weekly", "--yes"]);
    assert_eq!((&issue["id"], &issue["planned"]), (&1.into(), &1.into()), "mailings are counted from 1: {issue}");
}
