//! A send in which readers get different articles, killed with signal 9: everybody gets theirs, and nobody another's.

use std::process::Stdio;
use std::time::Duration;

use mail_parser::MessageParser;
use postrider::app::system_clock;
use postrider::config::StoreUrl;
use postrider::model::{EmailAddress, ListId, Rhythm};
use postrider::store::Store;
use postrider::store::preferences::{ListWish, Wish};
use tokio::runtime::Runtime;

use crate::crash::Worker;
use crate::peers::mail_server::until;
use crate::peers::publication::{Publication, assert_adds_up};
use crate::support::smtp::{Act, Event, FULL, Server};

const READERS: usize = 90;
/// What the readers chose, in turn, and what they then may and may not find in their mail.
const CHOICES: [(&[&str], &[&str], &[&str]); 3] = [
    (&["tides"], &["Spring tide"], &["The crane"]),
    (&["cranes"], &["The crane"], &["Spring tide"]),
    (&[], &["Spring tide", "The crane"], &[]),
];

fn reader(n: usize) -> String {
    format!("reader{n}@inbox.test")
}

/// Two thirds of the readers want one topic each.
fn choose(publication: &Publication, runtime: &Runtime) {
    runtime.block_on(async {
        let now = system_clock().now();
        let store = Store::open(&StoreUrl::Sqlite(publication.path("letters.db")), now).await.unwrap();
        for n in 0..READERS {
            let topics = CHOICES[n % 3].0;
            if topics.is_empty() {
                continue;
            }
            let topics = Some(topics.iter().map(|topic| (*topic).to_owned()).collect());
            let list = ListWish { list: ListId::parse("weekly").unwrap(), on: true, rhythm: Rhythm::Each, topics, wording: String::new() };
            let person = store.person(&EmailAddress::parse(&reader(n)).unwrap()).await.unwrap().unwrap();
            assert!(store.keep_wish(person.subscriber.id, &Wish { lists: vec![list], ..Wish::default() }, None, now).await.unwrap());
        }
        store.close().await;
    });
}

fn start(publication: &Publication, args: &[&str]) -> Worker {
    let log = publication.append("worker.log");
    Worker(publication.command(args).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
}

#[test]
fn a_send_of_parts_that_is_killed_at_any_moment_gives_everybody_their_own_part() {
    let runtime = Runtime::new().unwrap();
    let relay = runtime.block_on(Server::start(FULL, |_: &Event| Act::Usual));
    let publication = Publication::on("sqlite://letters.db", &format!("url = \"smtp://{}?tls=none\"\nrate = \"150/s\"", relay.addr));
    let config = publication.read("config.toml").replace("public = true", "public = true\ntopics = [\"tides\", \"cranes\"]");
    publication.write("config.toml", &config);
    for (day, title, tag) in [(1, "Spring tide", "tides"), (2, "The crane", "cranes")] {
        publication.article(day, title, "Once upon a time in a harbour.\n");
        let file = format!("content/article-{day:02}.md");
        publication.write(&file, &publication.read(&file).replace("\ndate", &format!("\ntags = [\"{tag}\"]\ndate")));
    }
    publication.import(&(0..READERS).map(|n| (reader(n), String::new())).collect::<Vec<_>>());
    choose(&publication, &runtime);
    // First while the issue is being made: all of it is there afterwards, or nothing.
    for millis in [40, 90, 140, 200] {
        let mut worker = start(&publication, &["send", "weekly", "--yes"]);
        std::thread::sleep(Duration::from_millis(millis));
        worker.kill();
        if let Some(issue) = publication.issue() {
            assert_eq!(issue["planned"], READERS, "half an issue: {issue}");
            break;
        }
    }
    let again: &[&str] = if publication.issue().is_some() { &["run", "--roles", "send"] } else { &["send", "weekly", "--yes"] };
    let mut worker = start(&publication, again);
    for mails in [10, 35, 60] {
        assert!(until(|| relay.accepted().len() >= mails), "{}", publication.read("worker.log"));
        worker.kill();
        assert_adds_up(&publication.issue().unwrap());
        worker = start(&publication, &["run", "--roles", "send"]);
    }
    assert!(until(|| publication.issue().is_some_and(|issue| issue["status"] == "done")), "{}", publication.read("worker.log"));
    assert_eq!(publication.issue().unwrap()["sent"], READERS);
    let accepted = relay.accepted();
    for n in 0..READERS {
        let (_, has, has_not) = CHOICES[n % 3];
        let mails: Vec<_> = accepted.iter().filter(|mail| mail.to == [reader(n)]).collect();
        assert!(!mails.is_empty(), "{} got nothing", reader(n));
        for mail in mails {
            let parsed = MessageParser::default().parse(&mail.content).unwrap();
            let text = parsed.body_text(0).unwrap();
            assert!(
                has.iter().all(|title| text.contains(title)) && !has_not.iter().any(|title| text.contains(title)),
                "{}: {text}",
                reader(n)
            );
        }
    }
}
