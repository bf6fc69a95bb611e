//! What other systems export, and taking an import back.

use std::io::Write as _;
use std::path::PathBuf;

use postrider::model::Subscriber;
use postrider::store::imports::Undone;
use postrider::store::subscribers::NewSubscriber;
use postrider::subscribe::{Errors, Field, Format, Onto, Part, Standing, import_parts, look, parts};

use super::*;

/// A file as another system exports it: its own header, invented people.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/imports").join(name)
}

impl Desk {
    async fn import_files(&self, files: &[PathBuf], how: &Import) -> ImportReport {
        import_parts(&self.store, parts(files).unwrap(), how, |_| ()).await.unwrap()
    }

    /// Everything that is known of everybody, as lines.
    async fn everybody(&self) -> String {
        let mut lines = Vec::new();
        for person in self.store.people(None, SubscriberId(0), 1_000).await.unwrap() {
            let Subscriber { email, name, attributes, language, timezone, created_at, .. } = &person.subscriber;
            let states: Vec<_> =
                person.subscriptions.iter().map(|one| format!("{} {} ({})", one.list, one.state.word(), one.source)).collect();
            lines.push(format!("{email} | {} | {}", name.as_deref().unwrap_or("-"), states.join(", ")));
            lines.push(format!("    joined {}, {:?}, {:?}", created_at.rfc3339(), language, timezone));
            lines.push(format!("    tags {:?}", person.tags));
            lines.push(format!("    {}", serde_json::to_string(attributes).unwrap()));
            for row in &person.consents {
                let consent = &row.consent;
                let at = |at: Option<Timestamp>| at.map(Timestamp::rfc3339);
                lines.push(format!(
                    "    consent: {:?}, asked {:?} {:?}, confirmed {:?} {:?}",
                    consent.source.as_deref().unwrap(),
                    at(consent.asked_at),
                    consent.asked_ip,
                    at(consent.confirmed_at),
                    consent.confirmed_ip
                ));
            }
        }
        for row in self.store.suppressions("", 1_000).await.unwrap() {
            lines.push(format!("suppressed: {} | {}", row.email, row.reason));
        }
        lines.join("\n")
    }

    async fn undo(&self, tag: &str) -> Undone {
        self.store.undo_import(tag, now()).await.unwrap().unwrap_or_else(|| panic!("there should be an import {tag}"))
    }
}

#[tokio::test]
async fn every_system_is_known_by_its_header_and_its_columns_are_understood() {
    let files = [
        ("listmonk.csv", Format::Listmonk),
        ("listmonk-form.csv", Format::Listmonk),
        ("keila.csv", Format::Keila),
        ("ghost.csv", Format::Ghost),
        ("mailchimp-subscribed.csv", Format::Mailchimp),
        ("mailchimp-unsubscribed.csv", Format::Mailchimp),
        ("mailchimp-cleaned.csv", Format::Mailchimp),
        ("substack.csv", Format::Substack),
        ("beehiiv.csv", Format::Beehiiv),
        ("buttondown.csv", Format::Buttondown),
        ("kit.csv", Format::Kit),
        ("brevo.csv", Format::Brevo),
    ];
    for (name, format) in files {
        let mut opened = parts(&[fixture(name)]).unwrap();
        assert_eq!(look(opened.remove(0), &how()).unwrap().format, format, "{name}");
        let desk = Desk::new().await;
        let report = desk.import_files(&[fixture(name)], &how()).await;
        assert_eq!(report.invalid, 0, "{name}: {:?}", report.problems);
        insta::assert_snapshot!(name.trim_end_matches(".csv"), desk.everybody().await);
        let before = desk.everybody().await;
        let again = desk.import_files(&[fixture(name)], &how()).await;
        assert_eq!((again.new, again.updated), (0, 0), "{name}: twice is as once");
        assert_eq!(desk.everybody().await, before, "{name}: twice is as once");
    }
}

/// A zip as other programs write it: one file deflated, one stored, and one that is none of ours.
fn zip(entries: &[(&str, &[u8], bool)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content, deflated) in entries {
        let packed = match deflated {
            true => {
                let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
            false => content.to_vec(),
        };
        let word = |n: usize| u16::try_from(n).unwrap().to_le_bytes();
        let long = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
        let mut head = Vec::new();
        head.extend(word(20));
        head.extend(word(0));
        head.extend(word(if *deflated { 8 } else { 0 }));
        head.extend([0; 4]);
        head.extend(long(0));
        head.extend(long(packed.len()));
        head.extend(long(content.len()));
        head.extend(word(name.len()));
        let start = out.len();
        // The head before the content has extra bytes that the directory does not have.
        out.extend([b"PK\x03\x04".as_slice(), &head, &word(4), name.as_bytes(), &[9; 4], &packed].concat());
        let rest = [word(0).as_slice(), &word(0), &word(0), &word(0), &long(0), &long(start)].concat();
        directory.extend([b"PK\x01\x02".as_slice(), &word(20), &head, &rest, name.as_bytes()].concat());
    }
    let (start, size, n) = (out.len(), directory.len(), u16::try_from(entries.len()).unwrap().to_le_bytes());
    out.extend(directory);
    let long = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
    out.extend([b"PK\x05\x06".as_slice(), &[0; 4], &n, &n, &long(size), &long(start), &[0; 2]].concat());
    out
}

#[tokio::test]
async fn three_files_and_the_zip_of_them_bring_the_same_people() {
    let names = ["mailchimp-subscribed.csv", "mailchimp-unsubscribed.csv", "mailchimp-cleaned.csv"];
    let files: Vec<_> = names.map(fixture).into();
    let contents: Vec<_> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    let (one, other) = (Desk::new().await, Desk::new().await);
    let report = one.import_files(&files, &how()).await;
    assert_eq!((report.rows, report.new, report.unsubscribed, report.suppressed), (4, 2, 1, 1));
    let packed = zip(&[
        (names[0], contents[0].as_slice(), true),
        ("__MACOSX/._x.csv", b"\0\0", false),
        ("readme.md", b"no people", false),
        (names[1], contents[1].as_slice(), false),
        (names[2], contents[2].as_slice(), true),
    ]);
    let archive = other.folder.path().join("export.zip");
    std::fs::write(&archive, &packed).unwrap();
    assert_eq!(ImportReport { tag: report.tag.clone(), ..other.import_files(std::slice::from_ref(&archive), &how()).await }, report);
    assert_eq!(other.everybody().await, one.everybody().await);

    let mut said = String::new();
    let cut = &packed[..packed.len() - 40];
    let empty = zip(&[("readme.md", b"no people", false)]);
    let mut locked = zip(&[("people.csv", b"email\n", false)]);
    let directory = locked.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    locked[directory + 8] = 1;
    for bytes in [cut, &empty, &locked] {
        std::fs::write(&archive, bytes).unwrap();
        let Err(fault) = parts(std::slice::from_ref(&archive)) else { panic!("a damaged zip was opened") };
        said += &format!("{}\n    {}\n", fault.message, fault.hint.unwrap());
    }
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn columns_are_mapped_by_hand_and_slips_are_named() {
    let desk = Desk::new().await;
    let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(column, field)| ((*column).to_owned(), Field::parse(field).unwrap())).collect();
    let csv = "Kontakt,Rufname,Stufe,Notiz\nann@example.org,Ann,gold,old\n";
    let mapped = Import { map: map(&[("kontakt", "email"), ("Rufname", "name"), ("Stufe", "attr.plan"), ("Notiz", "-")]), ..how() };
    assert_eq!(desk.import_as(&mapped, csv).await.new, 1);
    let ann = desk.person("ann@example.org").await.subscriber;
    assert_eq!((ann.name.as_deref(), serde_json::to_string(&ann.attributes).unwrap().as_str()), (Some("Ann"), r#"{"plan":"gold"}"#));

    let mut said = Vec::new();
    let wrong = Import { map: map(&[("Kontakte", "email")]), ..how() };
    let fault = import(&desk.store, file(), Cursor::new(csv), &wrong, |_| ()).await.unwrap_err();
    let ImportError::File(fault) = fault else { panic!("expected a fault of the file, got {fault}") };
    said.push(format!("{fault}\n{}", fault.hint.as_deref().unwrap()));
    said.extend(["emial", "colour", "attr."].map(|name| Field::parse(name).unwrap_err()));
    said.push(Format::parse("mailchump").unwrap_err());
    insta::assert_snapshot!(said.join("\n\n"));
}

#[tokio::test]
async fn a_format_that_is_named_overrules_the_header() {
    let desk = Desk::new().await;
    let csv = "first_name,email,created_at,status\nAnn,ann@example.org,2024-02-29,inactive\n";
    desk.import_as(&Import { format: Some(Format::Generic), ..how() }, csv).await;
    assert_eq!(desk.state("ann@example.org").await, SubscriptionState::Unsubscribed);
    let other = Desk::new().await;
    other.import(csv).await;
    assert_eq!(other.state("ann@example.org").await, SubscriptionState::Pending, "with Kit, inactive is who never confirmed");
}

#[tokio::test]
async fn the_first_look_shows_what_a_file_is_taken_for_and_writes_nothing() {
    let open = |name: &str| parts(&[fixture(name)]).unwrap().remove(0);
    let looked = look(open("mailchimp-unsubscribed.csv"), &how()).unwrap();
    assert_eq!((looked.format, looked.whole), (Format::Mailchimp, Some(Standing::OptedOut)));
    assert_eq!(looked.columns[0], ("Email Address".to_owned(), Field::Email));
    assert_eq!(looked.columns[4], ("MEMBER_RATING".to_owned(), Field::Ignored));
    let looked = look(open("buttondown.csv"), &how()).unwrap();
    assert_eq!((looked.format, looked.whole, looked.sample.len()), (Format::Buttondown, None, 3));
}

#[tokio::test]
async fn every_row_that_is_wrong_or_kept_out_is_in_the_error_file() {
    let desk = Desk::new().await;
    desk.store.suppress(&EmailAddress::parse("dead@example.org").unwrap(), "complaint", now()).await.unwrap();
    let csv = "email,name,tz,created,status\n\
               ann@example.org,Ann,Mars/Olympus,last week,\n\
               =1+1,Formula,,,\n\
               ANN@example.org,Again,,,\n\
               dead@example.org,Dead,,,\n\
               ben@example.org,Ben,,,unsubscribed\n\
               \"x\r\ny@example.org\",Two lines,,,\n";
    let mut errors = Errors::new(Vec::new()).unwrap();
    let mut remarks = Vec::new();
    import(&desk.store, file(), Cursor::new(csv), &how(), |progress| remarks.extend_from_slice(progress.remarks)).await.unwrap();
    errors.add(&remarks).unwrap();
    let shared = desk.folder.path().join("errors.csv");
    let mut kept = Errors::new(std::fs::File::create(&shared).unwrap()).unwrap();
    kept.add(&remarks).unwrap();
    kept.finish().unwrap();
    insta::assert_snapshot!(std::fs::read_to_string(shared).unwrap());
}

#[tokio::test]
async fn a_list_named_row_by_row_must_be_known() {
    let desk = Desk::new().await;
    desk.import("email\nann@example.org\n").await;
    let csv = desk.export().await;
    let named = |lists: &[&str]| Import { onto: Onto::Named(lists.iter().map(|id| ListId::parse(id).unwrap()).collect()), ..how() };
    let copy = Desk::new().await;
    let report = copy.import_as(&named(&["news"]), csv.clone()).await;
    assert_eq!((report.invalid, report.problems[0].reason.as_str()), (1, "there is no list \"weekly\""));
    assert_eq!(copy.import_as(&named(&["news", "weekly"]), csv).await.new, 1);
    assert_eq!(copy.person("ann@example.org").await.subscriptions[0].list, list());
}

#[tokio::test]
async fn an_import_is_taken_back_as_far_as_nobody_has_done_anything_since() {
    let desk = Desk::new().await;
    let news = ListId::parse("news").unwrap();
    desk.import_as(&Import { state: SubscriptionState::Pending, ..how() }, "email,city\nasked@example.org,\nknown@example.org,Ulm\n").await;
    let known = NewSubscriber::new(EmailAddress::parse("here@example.org").unwrap());
    desk.store.upsert_subscribers(&[known], &list(), SubscriptionState::Confirmed, "cli", false, now()).await.unwrap();
    let csv = "email,city,status,created\n\
               asked@example.org,,,\n\
               known@example.org,Bonn,pending,\n\
               here@example.org,,,\n\
               new@example.org,,,2024-02-29\n\
               twice@example.org,,,\n\
               left@example.org,,,\n\
               out@example.org,,unsubscribed,\n\
               dead@example.org,,bounced,\n\
               elsewhere@example.org,,,\n";
    let report = desk.import(csv).await;
    let tag = report.tag.unwrap();
    assert_eq!(tag, "import:2026-11-22-2");
    // A later import with one of them, an unsubscribe, and another list.
    desk.import("email,city\ntwice@example.org,Kiel\n").await;
    let left = desk.person("left@example.org").await.subscriber.id;
    desk.store.set_subscription(left, &list(), SubscriptionState::Unsubscribed, "link", now()).await.unwrap();
    let elsewhere = NewSubscriber::new(EmailAddress::parse("elsewhere@example.org").unwrap());
    desk.store.upsert_subscribers(&[elsewhere], &news, SubscriptionState::Confirmed, "cli", false, now()).await.unwrap();

    let undone = desk.undo(&tag).await;
    let expected = Undone { people: 1, subscriptions: 3, pending: 1, opted_out: 2, mailed: 0, changed: 2, known: 2 };
    assert_eq!(undone, expected, "new goes; left and out stay; twice and elsewhere were changed; asked and known were known");
    assert_eq!(desk.store.person(&EmailAddress::parse("new@example.org").unwrap()).await.unwrap(), None);
    assert_eq!(desk.state("asked@example.org").await, SubscriptionState::Pending, "confirmed by the import alone");
    assert_eq!(desk.state("known@example.org").await, SubscriptionState::Pending);
    assert_eq!(desk.state("here@example.org").await, SubscriptionState::Confirmed, "it did nothing to them");
    assert_eq!(desk.state("left@example.org").await, SubscriptionState::Unsubscribed);
    assert_eq!(desk.state("out@example.org").await, SubscriptionState::Unsubscribed);
    assert!(desk.store.suppression(&EmailAddress::parse("dead@example.org").unwrap()).await.unwrap().is_some());
    let again = desk.undo(&tag).await;
    assert_eq!((again.people, again.subscriptions, again.pending), (0, 0, 0));
    assert_eq!(desk.store.undo_import("import:1999-01-01-1", now()).await.unwrap(), None);
    assert_eq!(desk.import(csv).await.new, 3, "what was taken back can be brought in again; who left cannot");
}

#[tokio::test]
async fn an_import_that_is_cut_off_and_run_again_doubles_nothing() {
    let desk = Desk::new().await;
    let rows: String = (0..6_000).map(|n| format!("a{n}@example.org,2024-02-29 10:00:00\n")).collect();
    // The second batch ends in a damaged byte: the first is written, and the file is refused.
    let cut = format!("email,optin_time\n{rows}z@example.org,\0\n");
    let refused = import(&desk.store, file(), Cursor::new(cut), &how(), |_| ()).await.unwrap_err();
    assert!(refused.to_string().contains("NUL"), "{refused}");
    let written = desk.store.people(None, SubscriberId(0), 10_000).await.unwrap().len();
    assert_eq!(written, 4_000, "whole batches");
    let report = desk.import(format!("email,optin_time\n{rows}")).await;
    assert_eq!((report.new, report.unchanged), (2_000, 4_000));
    let people = desk.store.people(None, SubscriberId(0), 10_000).await.unwrap();
    assert_eq!(people.len(), 6_000);
    assert!(people.iter().all(|person| person.consents.len() == 1 && person.tags.len() == 1), "one consent and one tag each");
    let undone = [desk.undo("import:2026-11-22-1").await, desk.undo("import:2026-11-22-2").await];
    assert_eq!(undone.map(|undone| undone.people), [4_000, 2_000]);
}

#[tokio::test]
async fn a_file_of_addresses_becomes_suppressions() {
    let desk = Desk::new().await;
    let part = |text: &str| Part { name: "dead.csv".into(), input: Box::new(Cursor::new(text.as_bytes().to_vec())) };
    let suppress = |text: &str| postrider::subscribe::suppress_file(&desk.store, part(text), "by letter", now(), |_| ());
    let report = suppress("a@example.org\nB@Example.org\nwrong\na@example.org\n").await.unwrap();
    assert_eq!((report.rows, report.new, report.unchanged, report.invalid), (4, 2, 1, 1));
    let report = suppress("Email;Reason\nc@example.org;complained\nb@example.org;\n").await.unwrap();
    assert_eq!((report.rows, report.new, report.unchanged), (2, 1, 1));
    let kept: Vec<_> = desk.store.suppressions("", 10).await.unwrap().into_iter().map(|row| (row.email, row.reason)).collect();
    let kept: Vec<_> = kept.iter().map(|(email, reason)| (email.as_str(), reason.as_str())).collect();
    assert_eq!(kept, [("a@example.org", "by letter"), ("b@example.org", "by letter"), ("c@example.org", "complained")]);
    let Err(ImportError::File(fault)) = suppress("name\nAnn\n").await else { panic!("no column holds addresses") };
    assert_eq!(fault.hint.as_deref(), Some("one address a line, or a column named `email`"));
}

#[test]
fn no_file_at_all_makes_the_reader_panic() {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let names = ["mailchimp-subscribed.csv", "buttondown.csv", "brevo.csv", "keila.csv", "listmonk.csv"];
    let files: Vec<_> = names.iter().map(|name| std::fs::read(fixture(name)).unwrap()).collect();
    let change = (0..files.len(), proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12));
    let noise = proptest::collection::vec(any::<u8>(), 0..400);
    let mut understood = 0;
    for n in 0..3_000 {
        let bytes = if n % 4 == 0 {
            noise.new_tree(&mut runner).unwrap().current()
        } else {
            let (file, changes) = change.new_tree(&mut runner).unwrap().current();
            let mut bytes = files[file].clone();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        };
        let part = Part { name: "noise.csv".into(), input: Box::new(Cursor::new(bytes)) };
        understood += usize::from(look(part, &how()).is_ok());
    }
    assert!(understood > 1_000, "most files that are a little damaged are still read: {understood}");
}
