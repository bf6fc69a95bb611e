//! The rights of a person: everything we hold, and forgetting it.

use postrider::model::{Consent, DeliveryState};
use postrider::store::issues::NewIssue;
use postrider::store::person::Erased;
use postrider::store::subscribers::{NewSubscriber, Upserted};

use super::*;

fn ann() -> EmailAddress {
    EmailAddress::parse("Ann@example.org").unwrap()
}

#[tokio::test]
async fn everything_that_is_held_of_a_person_can_be_had() {
    let desk = Desk::new().await;
    assert_eq!(desk.store.dossier(&ann()).await.unwrap(), None, "nothing is held");
    desk.import(
        "email,name,city,tags,optin_time,optin_ip,confirm_time,confirm_ip\n\
         ann@example.org,Ann,Ulm,\"vip,blog\",2024-02-28 10:00:00,192.0.2.1,2024-02-29 10:00:00,192.0.2.2\n",
    )
    .await;
    let letter = NewIssue { lists: vec![list()], ..crate::send::ledger::letter("<p>Hello</p>") };
    let issue = desk.store.create_issue(&letter, now()).await.unwrap();
    desk.store.suppress(&ann(), "asked by phone", now()).await.unwrap();
    let dossier = desk.store.dossier(&ann()).await.unwrap().unwrap();
    let person = dossier.person.as_ref().unwrap();
    assert_eq!(person.tags, ["vip", "blog", "import:2026-11-22-1"]);
    let consent = &person.consents[0].consent;
    assert_eq!((consent.asked_ip.as_deref(), consent.confirmed_ip.as_deref()), (Some("192.0.2.1"), Some("192.0.2.2")));
    assert_eq!(consent.confirmed_at.unwrap().rfc3339(), "2024-02-29T10:00:00Z");
    let sent: Vec<_> = dossier.deliveries.iter().map(|row| (row.issue, row.subject.as_str(), row.state)).collect();
    assert_eq!(sent, [(issue, "Hello", DeliveryState::Queued)]);
    let json = serde_json::to_value(&dossier).unwrap();
    for held in ["email", "person", "deliveries", "suppression"] {
        assert!(json.get(held).is_some(), "{held} is in {json}");
    }
    assert_eq!(json["person"]["consents"][0]["asked_ip"], "192.0.2.1");
    assert_eq!(json["suppression"]["reason"], "asked by phone");
}

#[tokio::test]
async fn an_erased_person_is_gone_and_no_import_form_or_hand_brings_them_back() {
    let desk = Desk::new().await;
    let csv = "email,name,tags,optin_ip\nann@example.org,Ann,vip,192.0.2.1\nben@example.org,Ben,,\n";
    desk.import(csv).await;
    desk.store.suppress(&ann(), "complaint", now()).await.unwrap();
    let erased = desk.store.erase(&ann(), now()).await.unwrap();
    assert_eq!(erased, Erased { person: true, deliveries: 0 });
    assert_eq!(desk.store.person(&ann()).await.unwrap(), None);
    let kept = desk.store.suppressions("", 10).await.unwrap();
    assert_eq!((kept.len(), kept[0].is_hash(), kept[0].reason.as_str()), (1, true, "erased"), "the address stands nowhere: {kept:?}");
    assert!(!format!("{kept:?}").to_lowercase().contains("ann@"), "{kept:?}");

    assert_eq!(desk.import(csv).await.suppressed, 1, "no import");
    let new = [NewSubscriber { consent: Some(Consent::default()), ..NewSubscriber::new(EmailAddress::parse("ANN@example.org").unwrap()) }];
    for source in ["form", "cli"] {
        let result = desk.store.upsert_subscribers(&new, &list(), SubscriptionState::Pending, source, false, now()).await.unwrap();
        assert_eq!(result, [Upserted::Suppressed], "no {source}");
    }
    assert!(!desk.store.suppress(&ann(), "again", now()).await.unwrap(), "suppressed already, and the address is not written again");
    assert_eq!(desk.store.suppressions("", 10).await.unwrap().len(), 1);
    assert_eq!(desk.store.erase(&ann(), now()).await.unwrap(), Erased { person: false, deliveries: 0 }, "twice is as once");
    assert!(desk.store.unsuppress(&ann()).await.unwrap(), "only a hand that means it");
    assert_eq!(desk.import(csv).await.new, 1);
}

#[tokio::test]
async fn erasing_leaves_the_counts_of_what_was_sent() {
    let desk = Desk::new().await;
    let letter = crate::send::ledger::letter("<p>Hello</p>");
    let to = letter.lists[0].clone();
    let rows = ["ann", "ben"].map(|name| NewSubscriber::new(EmailAddress::parse(&format!("{name}@example.org")).unwrap()));
    desk.store.upsert_subscribers(&rows, &to, SubscriptionState::Confirmed, "cli", false, now()).await.unwrap();
    let issue = desk.store.create_issue(&letter, now()).await.unwrap();
    assert_eq!(desk.store.dossier(&ann()).await.unwrap().unwrap().deliveries[0].issue, issue);
    assert_eq!(desk.store.erase(&ann(), now()).await.unwrap(), Erased { person: true, deliveries: 1 });
    let counts = desk.store.counts(issue).await.unwrap();
    assert!(counts.add_up());
    assert_eq!((counts.planned, counts.queued, counts.skipped), (2, 1, 1));
}

#[tokio::test]
async fn lists_states_tags_consent_and_attributes_make_the_round_trip() {
    let desk = Desk::new().await;
    desk.import(
        "email,name,lang,tz,joined,tags,city,age,optin_time,optin_ip,confirm_time,confirm_ip,consent_source,status\n\
         ann@example.org,\"=cmd(\"\"x\"\")\",de,Europe/Berlin,2024-02-29,\"vip,\"\"one, two\"\"\",'=quoted,41,2024-02-28 09:00:00,192.0.2.1,2024-02-29 10:00:00,192.0.2.2,https://example.org/join,\n\
         ben@example.org,Ben,,,2024-03-01,,,,,,,,,unsubscribed\n\
         cyd@example.org,Cyd,,,2024-03-02,,,,,,,,,pending\n",
    )
    .await;
    let news = ListId::parse("news").unwrap();
    let ann = NewSubscriber::new(ann());
    desk.store.upsert_subscribers(&[ann], &news, SubscriptionState::Pending, "cli", false, now()).await.unwrap();
    let sorted = |csv: &str| {
        let mut lines: Vec<_> = csv.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let csv = all(&desk).await;
    assert!(csv.contains("\"'=cmd(") && csv.contains("192.0.2.2") && csv.contains("https://example.org/join"), "{csv}");
    let copy = Desk::new().await;
    let onto = postrider::subscribe::Onto::Named(vec![list(), news]);
    let report = copy.import_as(&Import { onto, ..how() }, csv.clone()).await;
    assert_eq!((report.rows, report.invalid, report.duplicate), (4, 0, 0), "{report:?}");
    assert_eq!(sorted(&all(&copy).await), sorted(&csv));
}

/// Everybody on every List.
async fn all(desk: &Desk) -> String {
    let mut out = Vec::new();
    export(&desk.store, None, None, &mut out).await.unwrap();
    String::from_utf8(out).unwrap()
}
