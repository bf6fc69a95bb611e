//! Tests of the store room, through its door.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use postrider::config::{OnUnknown, StoreUrl};
use postrider::model::issue::{Frozen, FrozenSite};
use postrider::model::outcome::Reply;
use postrider::model::{
    Counts, EmailAddress, FailureClass, IssueId, IssueStatus, ListId, Outcome, SubscriberId, SubscriptionState, Timestamp,
};
use postrider::store::deliveries::{Lease, Leased, Record};
use postrider::store::issues::{Audience, NewIssue};
use postrider::store::runs::RunResult;
use postrider::store::subscribers::{NewSubscriber, Upserted};
use postrider::store::{Store, StoreError};
use proptest::prelude::*;
use tempfile::TempDir;

const MINUTE: Duration = Duration::from_secs(60);
const CONFIRMED: SubscriptionState = SubscriptionState::Confirmed;

/// Noon of some day, and `secs` seconds after it.
fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_790_000_000 + secs)
}

fn list(id: &str) -> ListId {
    ListId::parse(id).unwrap()
}

fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn ann(name: &str) -> NewSubscriber {
    NewSubscriber {
        email: email(&format!("{name}@example.org")),
        name: None,
        attributes: serde_json::Map::new(),
        language: None,
        timezone: None,
        joined_at: None,
    }
}

fn frozen(number: u64) -> Frozen {
    let site = FrozenSite {
        title: "Sample".into(),
        url: "https://example.org/".into(),
        description: String::new(),
        language: "en".into(),
        timezone: "Europe/Berlin".into(),
        postal_address: None,
        icon: None,
    };
    Frozen {
        name: "weekly".into(),
        number,
        subject: "News".into(),
        preheader: String::new(),
        template: "digest".into(),
        templates: BTreeMap::new(),
        articles: Vec::new(),
        lists: BTreeMap::new(),
        site,
        date: "2026-11-22T09:00:00+01:00".into(),
        test: false,
    }
}

fn letter(lists: &[&str]) -> NewIssue {
    NewIssue {
        digest: None,
        subject: "News".into(),
        frozen: frozen(1),
        articles: Vec::new(),
        lists: lists.iter().map(|id| list(id)).collect(),
        scheduled_at: None,
        hold: None,
    }
}

fn reply(code: u16, enhanced: &str, text: &str) -> Reply {
    Reply { code, enhanced: (!enhanced.is_empty()).then(|| enhanced.to_owned()), text: text.to_owned(), phase: "final" }
}

fn sent(subscriber: SubscriberId) -> Record {
    Record { subscriber, outcome: Outcome::Sent(reply(250, "2.0.0", "Ok")), next_at: None }
}

fn deferred(subscriber: SubscriberId, next_at: Option<Timestamp>) -> Record {
    let outcome = Outcome::Deferred { class: FailureClass::Mailbox, reply: reply(450, "4.2.0", "greylisted"), retry_after: None };
    Record { subscriber, outcome, next_at }
}

fn failed(subscriber: SubscriberId, class: FailureClass) -> Record {
    Record { subscriber, outcome: Outcome::Failed { class, reply: reply(550, "5.1.1", "no such user") }, next_at: None }
}

fn unknown(subscriber: SubscriberId, next_at: Option<Timestamp>) -> Record {
    Record { subscriber, outcome: Outcome::Unknown(reply(0, "", "cut")), next_at }
}

fn not_sent(subscriber: SubscriberId) -> Record {
    Record { subscriber, outcome: Outcome::NotSent, next_at: None }
}

fn words(error: StoreError) -> String {
    match error {
        StoreError::Refused(words) => words,
        other => panic!("expected a refusal in words, got {other:?}"),
    }
}

/// A store in a folder that goes away with it.
struct Desk {
    store: Store,
    folder: TempDir,
}

impl Desk {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder.path().join("p.db")).await.unwrap();
        Self { store, folder }
    }

    /// A desk whose list `a` has readers r0, r1, …
    async fn with_readers(n: usize) -> Self {
        let desk = Self::new().await;
        let rows: Vec<_> = (0..n).map(|i| ann(&format!("r{i}"))).collect();
        desk.join(&rows, "a", CONFIRMED).await;
        desk
    }

    async fn join(&self, rows: &[NewSubscriber], id: &str, state: SubscriptionState) -> Vec<Upserted> {
        self.store.upsert_subscribers(rows, &list(id), state, "test", false, at(0)).await.unwrap()
    }

    /// A letter to list `a`, already sending.
    async fn sending(&self) -> IssueId {
        let id = self.store.create_issue(&letter(&["a"]), at(0)).await.unwrap();
        self.store.sendable_issues(at(0)).await.unwrap();
        id
    }

    async fn claim(&self, issue: IssueId, limit: u32, now: Timestamp) -> (Lease, Vec<SubscriberId>) {
        let (lease, leased) = self.store.claim(issue, "w", limit, MINUTE, now).await.unwrap().expect("something to claim");
        (lease, ids(&leased))
    }

    /// The counts, which must add up whenever they are read.
    async fn counts(&self, issue: IssueId) -> Counts {
        let counts = self.store.counts(issue).await.unwrap();
        assert!(counts.add_up(), "planned must be the sum of all the others: {counts:?}");
        counts
    }

    async fn status(&self, issue: IssueId) -> IssueStatus {
        self.store.issue(issue).await.unwrap().unwrap().status
    }

    async fn id_of(&self, address: &str) -> SubscriberId {
        self.store.person(&email(address)).await.unwrap().unwrap().subscriber.id
    }

    async fn leave(&self, id: SubscriberId) {
        assert!(self.store.set_subscription(id, &list("a"), SubscriptionState::Unsubscribed, "test", at(1)).await.unwrap());
    }
}

async fn open(file: &Path) -> Result<Store, StoreError> {
    Store::open(&StoreUrl::Sqlite(file.to_owned()), at(0)).await
}

fn ids(leased: &[Leased]) -> Vec<SubscriberId> {
    leased.iter().map(|leased| leased.subscriber.id).collect()
}

#[tokio::test]
async fn an_issue_goes_out_and_is_done() {
    let desk = Desk::with_readers(3).await;
    let issue = desk.store.create_issue(&letter(&["a"]), at(0)).await.unwrap();
    assert_eq!(issue, IssueId(1), "issue numbers count from 1 in a new store");
    assert_eq!(desk.store.sendable_issues(at(0)).await.unwrap(), [issue]);
    let (lease, people) = desk.claim(issue, 10, at(1)).await;
    assert_eq!(desk.counts(issue).await, Counts { planned: 3, leased: 3, ..Counts::default() });
    let standing = desk.store.commit(&lease, &[], &people, at(2)).await.unwrap();
    assert_eq!(standing, people, "all intents stand, in their order");
    let results: Vec<_> = people.iter().copied().map(sent).collect();
    desk.store.commit(&lease, &results, &[], at(3)).await.unwrap();
    desk.store.commit(&lease, &results, &[], at(3)).await.unwrap();
    desk.store.release(&lease, at(4)).await.unwrap();
    assert_eq!(desk.counts(issue).await, Counts { planned: 3, sent: 3, ..Counts::default() });
    let row = desk.store.issue(issue).await.unwrap().unwrap();
    assert_eq!((row.status, row.started_at, row.finished_at), (IssueStatus::Done, Some(at(1)), Some(at(4))));
    assert_eq!(desk.store.sendable_issues(at(5)).await.unwrap(), []);
}
