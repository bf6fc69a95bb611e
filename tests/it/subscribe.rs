//! Tests of the subscribe room, through its door.

use std::io::Cursor;
use std::path::Path;

use postrider::model::link::{Grant, LinkKey, Purpose};
use postrider::model::{EmailAddress, Fault, IssueId, ListId, SubscriberId, SubscriptionState, Timestamp};
use postrider::store::Store;
use postrider::store::subscribers::Person;
use postrider::subscribe::{Import, ImportError, ImportReport, Origin, export, import, resubscribe, sync_file, unsubscribe};
use tempfile::TempDir;

use crate::support::store::Place;

mod imports;
mod rights;

fn now() -> Timestamp {
    Timestamp::from_secs(1_790_000_000)
}

fn list() -> ListId {
    ListId::parse("weekly").unwrap()
}

fn how() -> Import {
    Import::onto(list(), Origin::Day("2026-11-22".into()), now())
}

fn file() -> &'static Path {
    Path::new("people.csv")
}

/// A store, and a folder that goes away with it.
struct Desk {
    store: Store,
    folder: TempDir,
    _place: Place,
}

impl Desk {
    async fn new() -> Self {
        let place = Place::new();
        Self { store: place.open(now()).await, folder: tempfile::tempdir().unwrap(), _place: place }
    }

    async fn import(&self, csv: impl Into<Vec<u8>>) -> ImportReport {
        self.import_as(&how(), csv).await
    }

    async fn import_as(&self, how: &Import, csv: impl Into<Vec<u8>>) -> ImportReport {
        let report = import(&self.store, file(), Cursor::new(csv.into()), how, |_| ()).await.expect("the file can be read");
        let parts =
            [report.new, report.updated, report.unchanged, report.suppressed, report.unsubscribed, report.invalid, report.duplicate];
        assert_eq!(report.rows, parts.iter().sum::<u64>(), "rows must be the sum of all the others: {report:?}");
        report
    }

    async fn refused(&self, csv: impl Into<Vec<u8>>) -> Fault {
        match import(&self.store, file(), Cursor::new(csv.into()), &how(), |_| ()).await {
            Err(ImportError::File(fault)) => fault,
            other => panic!("expected a fault of the file, got {other:?}"),
        }
    }

    async fn person(&self, address: &str) -> Person {
        let found = self.store.person(&EmailAddress::parse(address).unwrap()).await.unwrap();
        found.unwrap_or_else(|| panic!("{address} should be in the store"))
    }

    async fn state(&self, address: &str) -> SubscriptionState {
        self.person(address).await.subscriptions[0].state
    }

    async fn export(&self) -> String {
        let mut out = Vec::new();
        export(&self.store, Some(&list()), None, &mut out).await.unwrap();
        String::from_utf8(out).unwrap()
    }
}

#[tokio::test]
async fn a_csv_becomes_people() {
    let desk = Desk::new().await;
    let csv = "E-Mail Address,First Name,Last Name,Language,Time Zone,Created at,Favourite colour,\n\
               Ann@Example.org,Ann,Example,de_DE,Europe/Berlin,2024-02-29 10:00:00,blue,\n\
               ben@example.org,Ben,,,Mars/Olympus,,\"red, mostly\nblue\",\n";
    let report = desk.import(csv).await;
    assert_eq!(
        serde_json::to_string(&report).unwrap(),
        r#"{"rows":2,"new":2,"updated":0,"unchanged":0,"suppressed":0,"unsubscribed":0,"invalid":0,"duplicate":0}"#
    );
    let ann = desk.person("ann@example.org").await;
    assert_eq!(ann.subscriber.email.as_str(), "Ann@example.org");
    assert_eq!(ann.subscriber.name.as_deref(), Some("Ann Example"));
    assert_eq!((ann.subscriber.language.as_deref(), ann.subscriber.timezone.as_deref()), (Some("de-DE"), Some("Europe/Berlin")));
    assert_eq!(ann.subscriber.created_at.rfc3339(), "2024-02-29T10:00:00Z");
    assert_eq!(ann.subscriber.attributes["favourite_colour"], "blue");
    assert_eq!((ann.subscriptions[0].state, ann.subscriptions[0].source.as_str()), (SubscriptionState::Confirmed, "import:2026-11-22-1"));
    let ben = desk.person("ben@example.org").await.subscriber;
    assert_eq!((ben.name.as_deref(), ben.timezone, ben.created_at), (Some("Ben"), None, now()));
    assert_eq!(ben.attributes["favourite_colour"], "red, mostly blue", "no line break can reach a subject");
    assert_eq!(desk.import(csv).await.unchanged, 2, "twice is as once");
}

#[tokio::test]
async fn every_common_delimiter_and_encoding_is_read() {
    let table = "email;name\nzoe@example.org;Zoë Müller\n";
    let utf16 = |mark: [u8; 2], bytes: fn(u16) -> [u8; 2]| [mark.to_vec(), table.encode_utf16().flat_map(bytes).collect()].concat();
    let latin1: Vec<u8> = table.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let late: Vec<u8> = [b"email;name\n".as_slice(), "a@example.org;Ann\n".repeat(5_000).as_bytes(), &latin1[11..]].concat();
    let files = [
        ("comma", table.replace(';', ",").into_bytes()),
        ("tab", table.replace(';', "\t").into_bytes()),
        ("pipe", table.replace(';', "|").into_bytes()),
        ("CR LF", table.replace('\n', "\r\n").into_bytes()),
        ("UTF-8 with a mark", [b"\xef\xbb\xbf", table.as_bytes()].concat()),
        ("UTF-16 LE", utf16([0xff, 0xfe], u16::to_le_bytes)),
        ("UTF-16 BE", utf16([0xfe, 0xff], u16::to_be_bytes)),
        ("UTF-16 LE without a mark", utf16([0xff, 0xfe], u16::to_le_bytes)[2..].to_vec()),
        ("UTF-16 BE without a mark", utf16([0xfe, 0xff], u16::to_be_bytes)[2..].to_vec()),
        ("Latin-1", latin1),
        ("Latin-1 after the prefix", late),
        ("quoted", "\"email\";\"name, as \"\"they\"\" say\";name\nzoe@example.org;;Zoë Müller\n".into()),
    ];
    for (what, bytes) in files {
        let desk = Desk::new().await;
        desk.import(bytes).await;
        let zoe = desk.person("zoe@example.org").await;
        assert_eq!(zoe.subscriber.name.as_deref(), Some("Zoë Müller"), "{what}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_list_of_people_is_refused_with_its_place() {
    let desk = Desk::new().await;
    let wide = format!("email{}\n", ",x".repeat(1_000_000));
    let wider = format!("email{}\n", ",x".repeat(2_000));
    let cell = format!("email,name\na@example.org,{}\n", "x".repeat(50 << 20));
    let open = format!("email,name\na@example.org,\"Ann\n{}", "b@example.org,Ben\n".repeat(100_000));
    let files: [(&str, Vec<u8>); 8] = [
        ("empty", Vec::new()),
        ("no address column", b"\nname,city\nAnn,Ulm\n".to_vec()),
        ("no header", b"ann@example.org,Ann\n".to_vec()),
        ("NUL", b"email,name\na@example.org,A\nb@example.org,B\0\n".to_vec()),
        ("a million columns", wide.into()),
        ("two thousand columns", wider.into()),
        ("open quote", open.into()),
        ("a cell of 50 MB", cell.into()),
    ];
    let mut said = String::new();
    for (what, bytes) in files {
        let fault = desk.refused(bytes).await;
        said += &format!("{what}: {fault}\n    {}\n", fault.hint.as_deref().unwrap_or("(no hint)"));
    }
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn a_wrong_row_is_counted_and_stops_nothing() {
    let desk = Desk::new().await;
    let csv = "email,name\n\
               ,Nobody\n\
               not an address,N\n\
               cr@example.org,\"Ann\r\nBcc: all@example.org\"\n\
               sep@example.org,Ann\u{2028}Example\n\
               nel@example.org,Ann\u{85}Example\n\
               many@example.org,Doe, Jane\n\
               \"x\r\nBcc:y@example.org\",Ann\n\
               <script>@example.org,Ann\n\
               good@example.org,Good\n\
               GOOD@example.org,Again\n";
    let report = desk.import(csv).await;
    assert_eq!((report.rows, report.new, report.invalid, report.duplicate), (10, 1, 8, 1));
    let lines: Vec<_> = report.problems.iter().map(|row| format!("{}: {}", row.line, row.reason)).collect();
    insta::assert_snapshot!(lines.join("\n"));
    assert_eq!(desk.store.people(None, SubscriberId(0), 100).await.unwrap().len(), 1);
}

#[tokio::test]
async fn only_the_first_thousand_problems_are_kept() {
    let desk = Desk::new().await;
    let report = desk.import(format!("email\n{}", "wrong\n".repeat(9_000))).await;
    assert_eq!((report.invalid, report.problems.len()), (9_000, 1_000));
}

#[tokio::test]
async fn who_left_elsewhere_or_here_stays_out() {
    let desk = Desk::new().await;
    desk.import("email\nleft@example.org\nkept@example.org\n").await;
    let left = desk.person("left@example.org").await.subscriber.id;
    desk.store.set_subscription(left, &list(), SubscriptionState::Unsubscribed, "test", now()).await.unwrap();
    desk.store.suppress(&EmailAddress::parse("dead@example.org").unwrap(), "complaint", now()).await.unwrap();
    let csv = "email,status,unsubscribed_at\n\
               left@example.org,active,\n\
               dead@example.org,active,\n\
               u@example.org,Unsubscribed,\n\
               b@example.org,blocklisted,\n\
               c@example.org,cleaned,\n\
               d@example.org,active,2025-01-01 00:00:00\n\
               p@example.org,pending,\n\
               kept@example.org,pending,\n\
               new@example.org,active,no\n";
    let report = desk.import(csv).await;
    assert_eq!((report.new, report.unchanged, report.suppressed, report.unsubscribed), (2, 1, 3, 3), "{report:?}");
    assert_eq!(desk.state("u@example.org").await, SubscriptionState::Unsubscribed, "kept as such, so that no later file brings them in");
    assert_eq!(desk.state("d@example.org").await, SubscriptionState::Unsubscribed);
    for (dead, why) in [("b@example.org", "blocklisted (import:2026-11-22-2)"), ("c@example.org", "cleaned (import:2026-11-22-2)")] {
        let address = EmailAddress::parse(dead).unwrap();
        assert_eq!(desk.store.suppression(&address).await.unwrap().unwrap().reason, why);
        assert_eq!(desk.store.person(&address).await.unwrap(), None, "nothing more is kept of {dead}");
    }
    let revived = desk.import("email\nu@example.org\nb@example.org\nd@example.org\n").await;
    assert_eq!((revived.unsubscribed, revived.suppressed), (2, 1), "what left elsewhere stays out in every later file");
    assert_eq!(desk.state("p@example.org").await, SubscriptionState::Pending, "not confirmed there, not confirmed here");
    assert_eq!(desk.state("kept@example.org").await, SubscriptionState::Confirmed);
    assert_eq!(desk.state("left@example.org").await, SubscriptionState::Unsubscribed);
    assert_eq!(desk.state("new@example.org").await, SubscriptionState::Confirmed);
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_writes_nothing() {
    let desk = Desk::new().await;
    let csv = format!("email\n{}a1@example.org\nwrong\n", (0..9_000).map(|n| format!("a{n}@example.org\n")).collect::<String>());
    let mut steps = Vec::new();
    let dry = Import { dry_run: true, ..how() };
    let said = import(&desk.store, file(), Cursor::new(csv.clone().into_bytes()), &dry, |p| steps.push(p.rows)).await.unwrap();
    assert_eq!((said.new, said.duplicate, said.invalid), (9_000, 1, 1));
    assert_eq!(steps, [4_000, 8_000, 9_002], "progress batch by batch");
    assert!(desk.store.people(None, SubscriberId(0), 1).await.unwrap().is_empty());
    let done = desk.import(csv).await;
    assert_eq!((said.tag.as_deref(), done.tag.as_deref()), (None, Some("import:2026-11-22-1")));
    assert_eq!(ImportReport { tag: None, ..done }, said);
}

#[tokio::test]
async fn what_is_exported_can_be_imported_and_calculated_by_no_spreadsheet() {
    let desk = Desk::new().await;
    desk.import(
        "email,name,lang,tz,joined,city,note\n\
         ann@example.org,Ann,de,Europe/Berlin,2024-02-29,Ulm,\"says \"\"hi\"\", often\"\n\
         +ben@example.org,\"=HYPERLINK(\"\"https://example.net\"\")\",,,2024-03-01,,\n\
         cyd@example.org,-1+1,,,2024-03-01,=1+1,\n\
         dan@example.org,@sum,,,2024-03-01,,\n\
         eve@example.org,Eve,,,2024-03-01,,\n",
    )
    .await;
    let eve = desk.person("eve@example.org").await.subscriber.id;
    desk.store.set_subscription(eve, &list(), SubscriptionState::Unsubscribed, "test", now()).await.unwrap();
    desk.store.suppress(&EmailAddress::parse("dan@example.org").unwrap(), "complaint", now()).await.unwrap();
    let csv = desk.export().await;
    insta::assert_snapshot!(csv);
    let copy = Desk::new().await;
    let report = copy.import(csv.clone()).await;
    assert_eq!(
        (report.rows, report.new, report.unsubscribed, report.suppressed),
        (5, 3, 1, 1),
        "who must not be mailed stays out elsewhere too"
    );
    let kept: Vec<_> = csv.lines().filter(|line| !line.contains("dan@")).collect();
    assert_eq!(copy.export().await.lines().collect::<Vec<_>>(), kept);
}

#[tokio::test]
async fn a_list_is_kept_in_step_with_its_file() {
    let desk = Desk::new().await;
    let file = desk.folder.path().join("weekly.csv");
    std::fs::write(&file, "email\na@example.org\nb@example.org\n").unwrap();
    assert_eq!(sync_file(&desk.store, &file, &list(), now()).await.unwrap().new, 2);
    let id = desk.person("a@example.org").await.subscriber.id;
    desk.store.set_subscription(id, &list(), SubscriptionState::Unsubscribed, "test", now()).await.unwrap();
    std::fs::write(&file, "email\na@example.org\nb@example.org\nc@example.org\n").unwrap();
    let report = sync_file(&desk.store, &file, &list(), now()).await.unwrap();
    assert_eq!((report.new, report.unchanged, report.unsubscribed), (1, 1, 1));
    assert_eq!(desk.state("a@example.org").await, SubscriptionState::Unsubscribed);
    assert_eq!(desk.person("c@example.org").await.subscriptions[0].source, "file:weekly.csv");
    let gone = sync_file(&desk.store, Path::new("none.csv"), &list(), now()).await.unwrap_err();
    assert!(gone.to_string().starts_with("none.csv: cannot be opened: "), "{gone}");
}

#[tokio::test]
async fn a_link_takes_off_one_list_and_back_as_often_as_it_is_pressed() {
    let desk = Desk::new().await;
    desk.import("email,status\na@example.org,\np@example.org,pending\n").await;
    let key = LinkKey::new(b"secret");
    let token = |id, purpose| key.token(purpose, &Grant { issue: IssueId(3), subscriber: id, list: list() });
    let id = desk.person("a@example.org").await.subscriber.id;
    let mine = token(id, Purpose::Unsubscribe);
    let pressed = [
        unsubscribe(&desk.store, &key, &mine, now()).await.unwrap().unwrap().changed,
        unsubscribe(&desk.store, &key, &mine, now()).await.unwrap().unwrap().changed,
        resubscribe(&desk.store, &key, &mine, now()).await.unwrap().unwrap().changed,
        resubscribe(&desk.store, &key, &mine, now()).await.unwrap().unwrap().changed,
    ];
    assert_eq!(pressed, [true, false, true, false]);
    assert_eq!(desk.state("a@example.org").await, SubscriptionState::Confirmed);
    assert_eq!(desk.person("a@example.org").await.subscriptions[0].source, "link:issue-3");
    let waiting = token(desk.person("p@example.org").await.subscriber.id, Purpose::Unsubscribe);
    assert!(!resubscribe(&desk.store, &key, &waiting, now()).await.unwrap().unwrap().changed, "taking back confirms nobody");
    assert_eq!(desk.state("p@example.org").await, SubscriptionState::Pending);
    let foreign = LinkKey::new(b"other").token(Purpose::Unsubscribe, &Grant { issue: IssueId(3), subscriber: id, list: list() });
    for bad in [token(id, Purpose::View), token(SubscriberId(99), Purpose::Unsubscribe), foreign, "x".into(), String::new()] {
        assert_eq!(unsubscribe(&desk.store, &key, &bad, now()).await.unwrap(), None, "{bad:?} opens nothing");
    }
    assert_eq!(desk.state("a@example.org").await, SubscriptionState::Confirmed);
}
