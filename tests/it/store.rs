//! Tests of the store room, through its door.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use postrider::config::{OnUnknown, StoreUrl};
use postrider::model::issue::{Frozen, FrozenList, FrozenSite};
use postrider::model::outcome::Reply;
use postrider::model::{
    Counts, EmailAddress, FailureClass, IssueId, IssueStatus, ListId, Mailbox, Notice, Outcome, Segment, SubscriberId, SubscriptionState,
    Timestamp,
};
use postrider::store::deliveries::{Lease, Leased, Record};
use postrider::store::issues::{Audience, NewIssue};
use postrider::store::runs::RunResult;
use postrider::store::sign_ups::NoticeIssue;
use postrider::store::subscribers::{NewSubscriber, Upserted};
use postrider::store::{Store, StoreError};
use proptest::prelude::*;

use crate::support::store::Place;

mod archive;
mod segments;

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
    NewSubscriber::new(email(&format!("{name}@example.org")))
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
        fresh: None,
        sections: Vec::new(),
        corrections: Vec::new(),
        language: None,
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
        only: None,
        edition: Default::default(),
        remembered: Default::default(),
        local: None,
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

/// A store, and where it is.
struct Desk {
    store: Store,
    place: Place,
}

impl Desk {
    async fn new() -> Self {
        let place = Place::new();
        Self { store: place.open(at(0)).await, place }
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

#[tokio::test]
async fn a_lease_that_was_taken_away_records_nothing() {
    let desk = Desk::with_readers(2).await;
    let issue = desk.sending().await;
    let (lease, people) = desk.claim(issue, 10, at(0)).await;
    desk.store.commit(&lease, &[], &people, at(1)).await.unwrap();
    let found = desk.store.recover(false, OnUnknown::Resend, at(61)).await.unwrap();
    assert_eq!((found.requeued, found.unknown), (0, 2));
    let late = desk.store.commit(&lease, &[sent(people[0])], &[], at(61)).await;
    assert!(matches!(late, Err(StoreError::Fenced)), "taken at its end: {late:?}");
    assert!(matches!(desk.store.renew(&lease, MINUTE, at(61)).await, Err(StoreError::Fenced)));
    let (newer, again) = desk.claim(issue, 10, at(62)).await;
    assert!(newer.epoch > lease.epoch);
    assert_eq!(again, people);
    let forged = Lease { until: at(1000), ..lease };
    assert!(matches!(desk.store.commit(&forged, &[sent(people[0])], &[], at(63)).await, Err(StoreError::Fenced)));
    assert_eq!(desk.counts(issue).await.sent, 0, "nothing was written");
}

#[tokio::test]
async fn a_lease_whose_time_is_over_is_good_until_somebody_takes_it() {
    let desk = Desk::with_readers(2).await;
    let issue = desk.sending().await;
    let (lease, people) = desk.claim(issue, 10, at(0)).await;
    desk.store.commit(&lease, &[], &people, at(1)).await.unwrap();
    desk.store.commit(&lease, &[sent(people[0])], &[], at(90_000)).await.unwrap();
    let lease = desk.store.renew(&lease, MINUTE, at(90_000)).await.unwrap();
    assert_eq!(lease.until, at(90_060));
    desk.store.commit(&lease, &[sent(people[1])], &[], at(90_001)).await.unwrap();
    assert_eq!(desk.counts(issue).await.sent, 2);
}

#[tokio::test]
async fn a_renewed_lease_lasts() {
    let desk = Desk::with_readers(1).await;
    let issue = desk.sending().await;
    let (lease, people) = desk.claim(issue, 10, at(0)).await;
    let lease = desk.store.renew(&lease, MINUTE, at(50)).await.unwrap();
    assert_eq!(lease.until, at(110));
    assert_eq!(desk.store.commit(&lease, &[], &people, at(100)).await.unwrap(), people);
    assert_eq!(desk.store.recover(false, OnUnknown::Resend, at(100)).await.unwrap().unknown, 0, "a living lease is left alone");
}

#[tokio::test]
async fn who_leaves_after_freezing_is_skipped_at_the_claim_or_at_the_intent() {
    let desk = Desk::with_readers(4).await;
    let issue = desk.sending().await;
    desk.leave(desk.id_of("r0@example.org").await).await;
    let (lease, people) = desk.claim(issue, 10, at(1)).await;
    assert_eq!(people.len(), 3);
    desk.leave(people[0]).await;
    assert!(desk.store.suppress(&email("R2@example.org"), "asked by phone", at(2)).await.unwrap());
    let standing = desk.store.commit(&lease, &[], &people, at(3)).await.unwrap();
    assert_eq!(standing, people[2..], "only r3 still gets it");
    assert_eq!(desk.counts(issue).await, Counts { planned: 4, leased: 1, skipped: 3, ..Counts::default() });
    let reasons: Vec<_> = desk.store.troubles(issue, 10).await.unwrap().into_iter().filter_map(|t| t.reply).collect();
    assert_eq!(reasons, ["unsubscribed", "unsubscribed", "suppressed: asked by phone"]);
}

#[tokio::test]
async fn an_issue_whose_readers_all_left_is_done_without_a_claim() {
    let desk = Desk::with_readers(1).await;
    let issue = desk.sending().await;
    desk.leave(desk.id_of("r0@example.org").await).await;
    assert!(desk.store.claim(issue, "w", 10, MINUTE, at(1)).await.unwrap().is_none());
    assert_eq!(desk.status(issue).await, IssueStatus::Done);
    let empty = desk.store.create_issue(&letter(&["nobody"]), at(2)).await.unwrap();
    assert_eq!(desk.store.sendable_issues(at(2)).await.unwrap(), []);
    assert_eq!(desk.status(empty).await, IssueStatus::Done);
    assert_eq!(desk.counts(empty).await, Counts::default());
}

#[tokio::test]
async fn the_last_issue_of_a_list_is_the_newest_to_all_of_it_and_who_had_it_is_known() {
    let desk = Desk::with_readers(3).await;
    let store = &desk.store;
    let kept = FrozenList { name: "A".into(), description: String::new(), from: Mailbox::parse("a@example.org").unwrap(), reply_to: None };
    let to_a = || NewIssue { frozen: Frozen { lists: BTreeMap::from([(list("a"), kept.clone())]), ..frozen(1) }, ..letter(&["a"]) };
    let last = async || store.last_issue(&list("a")).await.unwrap().map(|(id, _)| id);
    assert_eq!(last().await, None);
    let few = Segment::parse("email = \"r0@example.org\"", Path::new("where"), &["a"]).unwrap().at(at(0), chrono_tz::UTC);
    let part = store.create_issue(&NewIssue { only: Some(few), ..to_a() }, at(0)).await.unwrap();
    let first = store.create_issue(&to_a(), at(0)).await.unwrap();
    let second = store.create_issue(&to_a(), at(0)).await.unwrap();
    store.sendable_issues(at(0)).await.unwrap();
    assert_eq!(last().await, None, "nobody has got one yet");
    for issue in [first, part] {
        let (lease, people) = desk.claim(issue, 1, at(1)).await;
        store.commit(&lease, &[], &people, at(2)).await.unwrap();
        store.commit(&lease, &[sent(people[0])], &[], at(3)).await.unwrap();
        store.release(&lease, at(4)).await.unwrap();
    }
    assert_eq!(last().await, Some(first), "{part:?} went to a part, and of {second:?} nothing has left");
    assert_eq!(store.last_issue(&list("b")).await.unwrap().map(|(id, _)| id), None);

    let gone = desk.id_of("r2@example.org").await;
    desk.leave(gone).await;
    desk.claim(first, 10, at(5)).await;
    let had = async |id: SubscriberId, of: &str| store.has_had(first, &list(of), id).await.unwrap();
    let [r0, r1] = [desk.id_of("r0@example.org").await, desk.id_of("r1@example.org").await];
    assert!(had(r0, "a").await && had(r1, "a").await, "one has it, one is about to");
    assert!(!had(gone, "a").await, "who left before it came has not");
    let notice = |key: &str| NoticeIssue { notice: Notice::Welcome, key: key.into(), subject: "Welcome".into(), frozen: frozen(1) };
    store.tell(&notice("welcome a_b 2026-11-23 0123"), &list("a_b"), gone, at(6)).await.unwrap();
    assert!(!had(gone, "a").await, "they were welcomed to another list");
    store.tell(&notice("welcome a 2026-11-23 0123"), &list("a"), gone, at(6)).await.unwrap();
    assert!(had(gone, "a").await, "a welcome told of it");
}

#[tokio::test]
async fn a_deferred_delivery_waits_for_its_time() {
    let desk = Desk::with_readers(1).await;
    let issue = desk.sending().await;
    let (lease, people) = desk.claim(issue, 10, at(0)).await;
    desk.store.commit(&lease, &[], &people, at(1)).await.unwrap();
    desk.store.commit(&lease, &[deferred(people[0], Some(at(300)))], &[], at(2)).await.unwrap();
    desk.store.release(&lease, at(3)).await.unwrap();
    assert_eq!(desk.status(issue).await, IssueStatus::Sending, "something is left to do");
    assert_eq!(desk.store.next_due().await.unwrap(), Some(at(300)));
    assert_eq!(desk.store.sendable_issues(at(299)).await.unwrap(), []);
    assert!(desk.store.claim(issue, "w", 10, MINUTE, at(299)).await.unwrap().is_none());
    assert_eq!(desk.store.sendable_issues(at(300)).await.unwrap(), [issue]);
    let (lease, leased) = desk.store.claim(issue, "w", 10, MINUTE, at(300)).await.unwrap().unwrap();
    assert_eq!(leased[0].attempts, 1);
    desk.store.commit(&lease, &[], &people, at(301)).await.unwrap();
    desk.store.commit(&lease, &[deferred(people[0], None)], &[], at(302)).await.unwrap();
    desk.store.release(&lease, at(303)).await.unwrap();
    assert_eq!(desk.counts(issue).await, Counts { planned: 1, failed: 1, ..Counts::default() }, "too old: failed for good");
    assert_eq!(desk.status(issue).await, IssueStatus::Done);
    let trouble = desk.store.troubles(issue, 10).await.unwrap().remove(0);
    assert_eq!((trouble.state.as_str(), trouble.code, trouble.reply.as_deref()), ("failed", Some(450), Some("4.2.0 greylisted")));
    assert_eq!(desk.store.next_due().await.unwrap(), None);
}

#[tokio::test]
async fn only_an_address_that_is_dead_is_suppressed() {
    let desk = Desk::with_readers(3).await;
    let issue = desk.sending().await;
    let (lease, people) = desk.claim(issue, 10, at(0)).await;
    desk.store.commit(&lease, &[], &people[..2], at(1)).await.unwrap();
    let results = [
        failed(people[0], FailureClass::Address),
        failed(people[1], FailureClass::Policy),
        failed(SubscriberId(999), FailureClass::Address),
    ];
    desk.store.commit(&lease, &results, &[], at(2)).await.unwrap();
    let suppressed = desk.store.suppressions("", 10).await.unwrap();
    assert_eq!(suppressed.len(), 1);
    assert_eq!((suppressed[0].email.as_str(), suppressed[0].reason.as_str()), ("r0@example.org", "hard bounce: 550 5.1.1 no such user"));
    desk.store.release(&lease, at(3)).await.unwrap();
    assert_eq!(desk.counts(issue).await, Counts { planned: 3, failed: 2, queued: 1, ..Counts::default() });
    assert_eq!(desk.store.retry_issue(issue, at(4)).await.unwrap(), 1, "all but the dead address");
    assert_eq!(desk.counts(issue).await, Counts { planned: 3, failed: 1, queued: 2, ..Counts::default() });
}

#[tokio::test]
async fn what_was_not_sent_goes_back_and_counts_no_attempt() {
    let desk = Desk::with_readers(1).await;
    let issue = desk.sending().await;
    let (lease, people) = desk.claim(issue, 10, at(0)).await;
    desk.store.commit(&lease, &[], &people, at(1)).await.unwrap();
    desk.store.commit(&lease, &[not_sent(people[0])], &[], at(2)).await.unwrap();
    assert_eq!(desk.counts(issue).await.queued, 1);
    let (_, leased) = desk.store.claim(issue, "w", 10, MINUTE, at(3)).await.unwrap().unwrap();
    assert_eq!(leased[0].attempts, 0);
}

#[tokio::test]
async fn a_reply_that_no_database_would_keep_is_kept_readable() {
    let desk = Desk::with_readers(1).await;
    let issue = desk.sending().await;
    let (lease, people) = desk.claim(issue, 10, at(0)).await;
    desk.store.commit(&lease, &[], &people, at(1)).await.unwrap();
    let outcome = Outcome::Failed { class: FailureClass::Mailbox, reply: reply(550, "5.2.2", "full\0 \u{1f4ed} 'full'; --") };
    let record = Record { subscriber: people[0], outcome, next_at: None };
    desk.store.commit(&lease, &[record], &[], at(2)).await.unwrap();
    let trouble = desk.store.troubles(issue, 10).await.unwrap().remove(0);
    assert_eq!(trouble.reply.as_deref(), Some("5.2.2 full\u{fffd} \u{1f4ed} 'full'; --"));
}

#[tokio::test]
async fn many_tasks_write_at_once_and_nothing_is_lost() {
    let desk = Desk::new().await;
    let imports = (0..8).map(|n| {
        let rows: Vec<_> = (0..50).map(|i| ann(&format!("r{}", (i + n * 10) % 100))).collect();
        let store = desk.store.clone();
        async move { store.upsert_subscribers(&rows, &list("a"), CONFIRMED, "test", false, at(0)).await.unwrap() }
    });
    let said: Vec<_> = futures_util::future::join_all(imports).await.concat();
    assert_eq!(said.iter().filter(|upserted| **upserted == Upserted::New).count(), 100, "each person new once");
    let issues = futures_util::future::join_all((0..4).map(|_| async { desk.store.create_issue(&letter(&["a"]), at(1)).await.unwrap() }));
    let mut issues: Vec<_> = issues.await.into_iter().map(|id| id.0).collect();
    issues.sort_unstable();
    assert_eq!(issues, [1, 2, 3, 4], "each number once");
    let digest = || NewIssue { digest: Some("weekly".into()), articles: vec!["one".into()], ..letter(&["a"]) };
    let made = futures_util::future::join_all((0..4).map(|_| async { desk.store.create_issue(&digest(), at(1)).await.is_ok() })).await;
    assert_eq!(made.iter().filter(|ok| **ok).count(), 1, "an article goes into one issue, however many are made at once");
}

#[tokio::test]
async fn an_issue_is_sent_by_several_workers_while_it_is_paused_and_resumed() {
    let desk = Desk::with_readers(120).await;
    let issue = desk.sending().await;
    let worker = |name: &'static str| {
        let desk = &desk;
        async move {
            let mut mine = Vec::new();
            for _ in 0..2_000 {
                let Some((lease, leased)) = desk.store.claim(issue, name, 7, MINUTE, at(1)).await.unwrap() else {
                    if desk.status(issue).await == IssueStatus::Done {
                        break;
                    }
                    tokio::task::yield_now().await;
                    continue;
                };
                let standing = desk.store.commit(&lease, &[], &ids(&leased), at(1)).await.unwrap();
                desk.store.commit(&lease, &standing.iter().copied().map(sent).collect::<Vec<_>>(), &[], at(1)).await.unwrap();
                desk.store.release(&lease, at(1)).await.unwrap();
                mine.extend(standing);
            }
            mine
        }
    };
    let editor = async {
        for _ in 0..5 {
            if desk.store.pause_issue(issue, "t", at(1)).await.is_ok() {
                desk.counts(issue).await;
                desk.store.resume_issue(issue, at(1)).await.unwrap();
            }
        }
    };
    let (one, two, three, ()) = tokio::join!(worker("one"), worker("two"), worker("three"), editor);
    let mut all = [one, two, three].concat();
    assert_eq!(all.len(), 120, "everybody");
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 120, "each once");
    assert_eq!(desk.counts(issue).await, Counts { planned: 120, sent: 120, ..Counts::default() });
    assert_eq!(desk.status(issue).await, IssueStatus::Done);
}

#[tokio::test]
async fn an_unknown_outcome_is_held_or_sent_again_as_asked() {
    let desk = Desk::with_readers(2).await;
    let issue = desk.sending().await;
    let (lease, people) = desk.claim(issue, 10, at(0)).await;
    desk.store.commit(&lease, &[], &people, at(1)).await.unwrap();
    desk.store.commit(&lease, &[unknown(people[0], None), unknown(people[1], Some(at(10)))], &[], at(2)).await.unwrap();
    assert_eq!(desk.counts(issue).await, Counts { planned: 2, unknown: 1, deferred: 1, ..Counts::default() });
    assert_eq!(desk.store.retry_issue(issue, at(3)).await.unwrap(), 1, "a person may send the held one again");
}

#[tokio::test]
async fn whoever_is_sent_to_again_by_hand_has_all_the_tries_again() {
    let desk = Desk::with_readers(1).await;
    let issue = desk.sending().await;
    for day in 0..3 {
        let (lease, leased) = desk.store.claim(issue, "worker", 10, MINUTE, at(day * 100)).await.unwrap().expect("it is due");
        assert_eq!(leased[0].attempts, u32::try_from(day).unwrap());
        let people = ids(&leased);
        desk.store.commit(&lease, &[], &people, at(day * 100)).await.unwrap();
        // The third time it is too old to be tried again.
        let record = deferred(people[0], (day < 2).then(|| at(day * 100 + 50)));
        desk.store.commit(&lease, &[record], &[], at(day * 100 + 1)).await.unwrap();
        desk.store.release(&lease, at(day * 100 + 2)).await.unwrap();
    }
    assert_eq!(desk.counts(issue).await, Counts { planned: 1, failed: 1, ..Counts::default() });
    assert_eq!(desk.store.retry_issue(issue, at(400)).await.unwrap(), 1);
    let (_, leased) = desk.store.claim(issue, "worker", 10, MINUTE, at(401)).await.unwrap().expect("it is due");
    assert_eq!(leased[0].attempts, 0, "or the first 4xx would end it");
}

#[tokio::test]
async fn recovery_knows_what_was_claimed_and_what_may_have_left() {
    for (on_unknown, expected) in [
        (OnUnknown::Resend, Counts { planned: 3, queued: 3, ..Counts::default() }),
        (OnUnknown::Hold, Counts { planned: 3, queued: 1, unknown: 2, ..Counts::default() }),
    ] {
        let desk = Desk::with_readers(3).await;
        let issue = desk.sending().await;
        let (lease, people) = desk.claim(issue, 10, at(0)).await;
        desk.store.commit(&lease, &[], &people[..2], at(1)).await.unwrap();
        assert_eq!(desk.store.recover(false, on_unknown, at(2)).await.unwrap().requeued, 0, "the lease still lives");
        let found = desk.store.recover(true, on_unknown, at(2)).await.unwrap();
        assert_eq!((found.requeued, found.unknown), (1, 2));
        assert_eq!(desk.counts(issue).await, expected);
        assert!(matches!(desk.store.commit(&lease, &[], &people, at(3)).await, Err(StoreError::Fenced)));
    }
}

#[tokio::test]
async fn a_released_intent_without_a_result_waits_for_recovery() {
    let desk = Desk::with_readers(2).await;
    let issue = desk.sending().await;
    let (lease, people) = desk.claim(issue, 10, at(0)).await;
    desk.store.commit(&lease, &[], &people[..1], at(1)).await.unwrap();
    desk.store.release(&lease, at(2)).await.unwrap();
    assert_eq!(desk.counts(issue).await, Counts { planned: 2, queued: 1, leased: 1, ..Counts::default() });
    assert_eq!(desk.store.recover(false, OnUnknown::Resend, at(60)).await.unwrap().unknown, 1);
    assert_eq!(desk.counts(issue).await.queued, 2);
}

#[tokio::test]
async fn a_paused_issue_takes_results_but_no_intents_and_goes_on_where_it_stood() {
    let desk = Desk::with_readers(3).await;
    let issue = desk.sending().await;
    let (lease, people) = desk.claim(issue, 10, at(0)).await;
    desk.store.commit(&lease, &[], &people[..1], at(1)).await.unwrap();
    desk.store.pause_issue(issue, "the relay refuses everybody", at(2)).await.unwrap();
    let standing = desk.store.commit(&lease, &[sent(people[0])], &people[1..], at(3)).await.unwrap();
    assert_eq!(standing, [], "nothing may be sent while paused");
    assert_eq!(desk.counts(issue).await, Counts { planned: 3, sent: 1, queued: 2, ..Counts::default() });
    desk.store.release(&lease, at(4)).await.unwrap();
    assert_eq!(desk.store.sendable_issues(at(5)).await.unwrap(), []);
    assert!(desk.store.claim(issue, "w", 10, MINUTE, at(5)).await.unwrap().is_none());
    let again = words(desk.store.pause_issue(issue, "twice", at(5)).await.unwrap_err());
    assert_eq!(again, "issue 1 is already paused: the relay refuses everybody");
    desk.store.resume_issue(issue, at(6)).await.unwrap();
    assert_eq!(desk.store.issue(issue).await.unwrap().unwrap().reason, None);
    assert_eq!(desk.claim(issue, 10, at(7)).await.1, people[1..]);
}

#[tokio::test]
async fn a_cancelled_issue_sends_nothing_more_and_can_be_sent_to_the_rest() {
    let desk = Desk::with_readers(5).await;
    let issue = desk.sending().await;
    let (lease, people) = desk.claim(issue, 4, at(0)).await;
    desk.store.commit(&lease, &[], &people[..3], at(1)).await.unwrap();
    desk.store.cancel_issue(issue, at(2)).await.unwrap();
    assert_eq!(desk.counts(issue).await, Counts { planned: 5, leased: 4, cancelled: 1, ..Counts::default() });
    let results = [sent(people[0]), deferred(people[1], Some(at(9))), not_sent(people[2])];
    assert_eq!(desk.store.commit(&lease, &results, &people[3..], at(3)).await.unwrap(), []);
    desk.store.release(&lease, at(4)).await.unwrap();
    assert_eq!(desk.counts(issue).await, Counts { planned: 5, sent: 1, cancelled: 4, ..Counts::default() });
    assert_eq!(desk.status(issue).await, IssueStatus::Cancelled);
    assert_eq!(desk.store.retry_issue(issue, at(5)).await.unwrap(), 4);
    assert_eq!(desk.status(issue).await, IssueStatus::Sending);
    assert_eq!(desk.claim(issue, 10, at(6)).await.1.len(), 4);
}

#[tokio::test]
async fn wrong_transitions_are_refused_in_words() {
    let desk = Desk::with_readers(1).await;
    let store = &desk.store;
    let id = store.create_issue(&NewIssue { scheduled_at: Some(at(100)), ..letter(&["a"]) }, at(0)).await.unwrap();
    let mut said = vec![
        words(store.resume_issue(id, at(1)).await.unwrap_err()),
        words(store.retry_issue(id, at(1)).await.unwrap_err()),
        words(store.pause_issue(IssueId(7), "why", at(1)).await.unwrap_err()),
    ];
    store.cancel_issue(id, at(2)).await.unwrap();
    said.push(words(store.cancel_issue(id, at(3)).await.unwrap_err()));
    said.push(words(store.pause_issue(id, "why", at(3)).await.unwrap_err()));
    let empty = store.create_issue(&letter(&["b"]), at(4)).await.unwrap();
    store.sendable_issues(at(4)).await.unwrap();
    said.push(words(store.pause_issue(empty, "why", at(5)).await.unwrap_err()));
    insta::assert_snapshot!(said.join("\n"), @r"
    issue 1 is scheduled, not paused; nothing to resume
    issue 1 is scheduled; nothing to retry yet
    there is no issue 7
    issue 1 is cancelled; nothing to cancel
    issue 1 is cancelled; nothing to pause
    issue 2 is done; nothing to pause
    ");
}

#[tokio::test]
async fn a_scheduled_or_held_issue_waits() {
    let desk = Desk::with_readers(1).await;
    let later = NewIssue { scheduled_at: Some(at(100)), hold: Some("waits for approval".into()), ..letter(&["a"]) };
    let id = desk.store.create_issue(&later, at(0)).await.unwrap();
    assert_eq!(desk.store.issue(id).await.unwrap().unwrap().reason.as_deref(), Some("waits for approval"));
    assert_eq!(desk.store.sendable_issues(at(200)).await.unwrap(), []);
    desk.store.resume_issue(id, at(50)).await.unwrap();
    assert_eq!(desk.status(id).await, IssueStatus::Scheduled, "its time has not come");
    assert_eq!(desk.store.next_due().await.unwrap(), Some(at(100)));
    assert_eq!(desk.store.sendable_issues(at(99)).await.unwrap(), []);
    assert_eq!(desk.store.sendable_issues(at(100)).await.unwrap(), [id]);
}

#[tokio::test]
async fn an_article_is_never_twice_in_the_same_digest() {
    let desk = Desk::with_readers(1).await;
    let issue = |number: u64, articles: &[&str]| NewIssue {
        digest: Some("weekly".into()),
        frozen: frozen(number),
        articles: articles.iter().map(|&id| id.to_owned()).collect(),
        ..letter(&["a"])
    };
    desk.store.create_issue(&issue(1, &["one", "two"]), at(0)).await.unwrap();
    let refused = words(desk.store.create_issue(&issue(2, &["three", "two"]), at(1)).await.unwrap_err());
    assert_eq!(refused, "article two was already in issue 1 of digest weekly");
    let refused = words(desk.store.create_issue(&issue(1, &["three"]), at(1)).await.unwrap_err());
    assert_eq!(refused, "number 1 of digest weekly is not the next one (2); freeze the issue again");
    assert_eq!(desk.store.issues(10).await.unwrap().len(), 1, "a refused issue leaves no trace");
    let known = desk.store.already_in("weekly", &["one".into(), "three".into()]).await.unwrap();
    assert_eq!(known.into_iter().collect::<Vec<_>>(), ["one"]);
    assert_eq!(desk.store.next_number(Some("weekly")).await.unwrap(), 2);
    assert_eq!(desk.store.next_number(Some("daily")).await.unwrap(), 1);
    assert_eq!(desk.store.last_issue_at("weekly").await.unwrap(), Some(at(0)));
    assert_eq!(desk.store.frozen(IssueId(1)).await.unwrap(), frozen(1));
}

#[tokio::test]
async fn the_dry_run_and_the_issue_agree_about_everybody() {
    let desk = Desk::new().await;
    let pending = SubscriptionState::Pending;
    desk.join(&[ann("both"), ann("left"), ann("only-a"), ann("dead")], "a", CONFIRMED).await;
    desk.join(&[ann("asked"), ann("asked-a")], "a", pending).await;
    desk.join(&[ann("both"), ann("left"), ann("only-b"), ann("asked-a")], "b", CONFIRMED).await;
    desk.leave(desk.id_of("left@example.org").await).await;
    desk.store.suppress(&email("dead@example.org"), "complaint", at(1)).await.unwrap();
    let new = letter(&["a", "b", "a"]);
    let audience = desk.store.audience(&new, at(2)).await.unwrap();
    assert_eq!(audience, Audience { recipients: 4, pending: 1, unsubscribed: 1, suppressed: 1, ..Audience::default() });
    let mut members = desk.store.audience_members(&new, "", 4, at(2)).await.unwrap();
    let last = members.last().unwrap().email.clone();
    members.extend(desk.store.audience_members(&new, &last, 100, at(2)).await.unwrap());
    let lines: Vec<_> =
        members.iter().map(|m| format!("{} as of {}: {}", m.email, m.list, m.left_out.as_deref().unwrap_or("gets it"))).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    asked-a@example.org as of b: gets it
    asked@example.org as of a: pending
    both@example.org as of a: gets it
    dead@example.org as of a: suppressed: complaint
    left@example.org as of a: unsubscribed
    only-a@example.org as of a: gets it
    only-b@example.org as of b: gets it
    ");
    let issue = desk.store.create_issue(&new, at(2)).await.unwrap();
    assert_eq!(desk.counts(issue).await.planned, 4);
    desk.store.sendable_issues(at(2)).await.unwrap();
    let (_, leased) = desk.store.claim(issue, "w", 10, MINUTE, at(3)).await.unwrap().unwrap();
    let got: BTreeMap<_, _> = leased.iter().map(|l| (l.subscriber.email.local(), l.list.as_str())).collect();
    assert_eq!(got, BTreeMap::from([("asked-a", "b"), ("both", "a"), ("only-a", "a"), ("only-b", "b")]));
}

#[tokio::test]
async fn an_import_never_revives_and_never_weakens() {
    let desk = Desk::new().await;
    let pending = SubscriptionState::Pending;
    desk.join(&[ann("kept"), ann("left")], "a", CONFIRMED).await;
    desk.join(&[ann("asked")], "a", pending).await;
    desk.leave(desk.id_of("left@example.org").await).await;
    desk.store.suppress(&email("dead@example.org"), "complaint", at(1)).await.unwrap();
    let named = NewSubscriber { name: Some("Kay".into()), attributes: serde_json::from_str(r#"{"city":"Ulm"}"#).unwrap(), ..ann("KEPT") };
    let rows = [ann("kept"), named.clone(), named, ann("left"), ann("dead"), ann("new"), ann("new")];
    use Upserted::*;
    let expected = [Unchanged, Updated, Unchanged, Unsubscribed, Suppressed, New, Unchanged];
    let dry = desk.store.upsert_subscribers(&rows, &list("a"), pending, "t", true, at(2)).await.unwrap();
    assert_eq!(dry, expected);
    assert!(desk.store.person(&email("new@example.org")).await.unwrap().is_none(), "a dry run writes nothing");
    assert_eq!(desk.join(&rows, "a", pending).await, expected);
    let kept = desk.store.person(&email("kept@example.org")).await.unwrap().unwrap();
    assert_eq!(kept.subscriptions[0].state, CONFIRMED, "confirmed is never downgraded");
    assert_eq!((kept.subscriber.name.as_deref(), kept.subscriber.attributes["city"].as_str()), (Some("Kay"), Some("Ulm")));
    assert_eq!(desk.join(&[ann("asked"), ann("left")], "a", CONFIRMED).await, [Updated, Unsubscribed]);
    assert_eq!(desk.join(&[ann("left")], "b", CONFIRMED).await, [New], "leaving one list is not leaving another");
    let people = desk.store.people(Some(&list("a")), SubscriberId(0), 10).await.unwrap();
    let order: Vec<_> = people.iter().map(|p| p.subscriber.email.local()).collect();
    assert_eq!(order, ["kept", "left", "asked", "new"]);
    assert_eq!(people[1].subscriptions.len(), 2, "with all their subscriptions");
    let page = desk.store.people(None, people[1].subscriber.id, 1).await.unwrap();
    assert_eq!(page[0].subscriber.email.local(), "asked");
}

#[tokio::test]
async fn the_number_of_an_erased_person_is_never_given_again() {
    let desk = Desk::with_readers(2).await;
    let issue = desk.sending().await;
    let last = desk.id_of("r1@example.org").await;
    assert!(desk.store.erase_subscriber(last, at(1)).await.unwrap());
    assert!(!desk.store.erase_subscriber(last, at(1)).await.unwrap());
    assert_eq!(desk.counts(issue).await, Counts { planned: 2, queued: 1, skipped: 1, ..Counts::default() });
    desk.join(&[ann("r1")], "a", CONFIRMED).await;
    assert!(desk.id_of("r1@example.org").await > last);
}

#[tokio::test]
async fn lists_runs_and_facts_are_kept() {
    let desk = Desk::with_readers(2).await;
    let store = &desk.store;
    assert!(store.claim_run("weekly", at(10), at(11)).await.unwrap());
    assert!(!store.claim_run("weekly", at(10), at(12)).await.unwrap(), "each due moment once");
    assert!(store.claim_run("weekly", at(20), at(21)).await.unwrap());
    store.finish_run("weekly", at(10), &RunResult::Nothing("no new articles".into()), at(13)).await.unwrap();
    assert_eq!(store.open_runs("weekly").await.unwrap(), [at(20)]);
    assert_eq!(store.take_over_runs("weekly", MINUTE, at(80)).await.unwrap(), [], "somebody may be at it");
    assert_eq!(store.take_over_runs("weekly", MINUTE, at(81)).await.unwrap(), [at(20)], "claimed a minute ago and open");
    assert_eq!(store.take_over_runs("weekly", MINUTE, at(82)).await.unwrap(), [], "taken over once");
    assert_eq!(store.last_run("weekly").await.unwrap(), Some(at(20)));
    assert_eq!(store.last_run("daily").await.unwrap(), None);
    words(store.finish_run("daily", at(1), &RunResult::Issue(IssueId(1)), at(2)).await.unwrap_err());
    store.set_meta("k", "1").await.unwrap();
    store.set_meta("k", "2").await.unwrap();
    assert_eq!(store.meta("k").await.unwrap().as_deref(), Some("2"));
    let (one, two) = (store.link_key().await.unwrap(), store.link_key().await.unwrap());
    assert_eq!(one.mac(&[b"x"]), two.mac(&[b"x"]), "one key, kept");
    assert!(store.unsuppress(&email("x@example.org")).await.is_ok_and(|lifted| !lifted));
    let declared = |id: &str| postrider::model::List {
        id: list(id),
        name: id.to_uppercase(),
        description: String::new(),
        from: postrider::model::Mailbox::parse("News <news@example.org>").unwrap(),
        reply_to: None,
        opt_in: postrider::model::list::OptIn::Double,
        welcome: postrider::model::list::Welcome::No,
        topics: vec![],
        public: true,
        subscribers: None,
    };
    store.sync_lists(&[declared("b"), declared("a")], at(3)).await.unwrap();
    let counts = store.list_counts().await.unwrap();
    assert_eq!(counts.iter().map(|c| (c.id.as_str(), c.confirmed)).collect::<Vec<_>>(), [("b", 0), ("a", 2)]);
    store.sync_lists(&[declared("b")], at(4)).await.unwrap();
    assert_eq!(store.list_counts().await.unwrap().len(), 1);
}

#[tokio::test]
async fn only_one_process_sends_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.db");
    let store = open(&file).await.unwrap();
    let guard = store.sender_lock().unwrap();
    assert!(guard.is_alone(), "leases of others are dead");
    let other = open(&file).await.unwrap();
    assert!(matches!(other.sender_lock(), Err(StoreError::Busy)));
    drop(guard);
    assert!(other.sender_lock().is_ok());
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("text.db"), "Dear diary, this is not a database at all. ".repeat(100)).unwrap();
    std::fs::create_dir(file("folder.db")).unwrap();
    open(&file("locked.db")).await.unwrap().close().await;
    let mut rights = std::fs::metadata(file("locked.db")).unwrap().permissions();
    rights.set_readonly(true);
    std::fs::set_permissions(file("locked.db"), rights).unwrap();
    let mut said = String::new();
    for name in ["none/p.db", "text.db", "folder.db", "locked.db"] {
        let error = open(&file(name)).await.unwrap_err();
        assert!(matches!(error, StoreError::Open(_)), "{error:?}");
        said.push_str(&error.to_string().replace(folder.path().to_str().unwrap(), "DIR"));
        said.push('\n');
    }
    insta::assert_snapshot!(said, @r"
    cannot open the store: DIR/none/p.db: the folder DIR/none does not exist; create it first
    cannot open the store: DIR/text.db: it is not a Postrider store (not an SQLite file)
    cannot open the store: DIR/folder.db is a folder, not a file
    cannot open the store: DIR/locked.db is read-only; the user who runs Postrider must be able to write it
    ");
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let desk = Desk::with_readers(2).await;
    let issue = desk.sending().await;
    let (lease, people) = desk.claim(issue, 1, at(0)).await;
    desk.store.commit(&lease, &[], &people, at(1)).await.unwrap();
    desk.store.close().await;
    let store = desk.place.open(at(2)).await;
    let found = store.recover(true, OnUnknown::Hold, at(2)).await.unwrap();
    assert_eq!((found.requeued, found.unknown), (0, 1));
}

#[tokio::test]
async fn two_workers_share_an_issue_and_nobody_is_claimed_twice() {
    let desk = Desk::with_readers(100).await;
    let issue = desk.sending().await;
    let claims = (0..10).map(|_| desk.claim(issue, 10, at(1)));
    let mut claimed: Vec<_> = futures_util::future::join_all(claims).await.into_iter().flat_map(|(_, people)| people).collect();
    claimed.sort_unstable();
    claimed.dedup();
    assert_eq!(claimed.len(), 100, "each reader in exactly one lease");
    assert_eq!(desk.counts(issue).await.leased, 100);
}

/// One step of a random life of an Issue.
#[derive(Debug, Clone)]
enum Step {
    Claim(u32),
    Intend(usize),
    Settle(Vec<u8>),
    Release,
    Crash(bool),
    Expire,
    Leave(usize),
    Suppress(usize),
    Pause,
    Resume,
    Cancel,
    Retry,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1u32..6).prop_map(Step::Claim),
        4 => (0usize..6).prop_map(Step::Intend),
        4 => proptest::collection::vec(0u8..7, 0..6).prop_map(Step::Settle),
        1 => Just(Step::Release),
        1 => any::<bool>().prop_map(Step::Crash),
        1 => Just(Step::Expire),
        1 => (0usize..8).prop_map(Step::Leave),
        1 => (0usize..8).prop_map(Step::Suppress),
        1 => Just(Step::Pause),
        2 => Just(Step::Resume),
        1 => Just(Step::Cancel),
        1 => Just(Step::Retry),
    ];
    proptest::collection::vec(step, 1..40)
}

/// The model: what a worker believes, and who was handed to the relay for good.
#[derive(Default)]
struct Life {
    now: i64,
    lease: Option<Lease>,
    leased: Vec<SubscriberId>,
    attempting: Vec<SubscriberId>,
    sent: Vec<SubscriberId>,
    gone: Vec<SubscriberId>,
}

impl Life {
    fn record(&mut self, id: SubscriberId, kind: u8) -> Record {
        match kind {
            0 | 1 => {
                self.sent.push(id);
                sent(id)
            }
            2 => deferred(id, Some(at(self.now + 5))),
            3 => {
                self.gone.push(id);
                failed(id, FailureClass::Address)
            }
            4 => failed(id, FailureClass::Content),
            5 => unknown(id, Some(at(self.now))),
            _ => not_sent(id),
        }
    }

    async fn step(&mut self, desk: &Desk, issue: IssueId, step: Step) {
        self.now += 1;
        let now = at(self.now);
        match step {
            Step::Claim(limit) if self.lease.is_none() => {
                if let Some((lease, leased)) = desk.store.claim(issue, "w", limit, MINUTE * 60, now).await.unwrap() {
                    self.leased = ids(&leased);
                    self.lease = Some(lease);
                }
            }
            Step::Intend(n) => self.commit(desk, Vec::new(), n, now).await,
            Step::Settle(kinds) => self.commit(desk, kinds, 0, now).await,
            Step::Release => {
                if let Some(lease) = self.lease.take_if(|_| self.attempting.is_empty()) {
                    desk.store.release(&lease, now).await.unwrap();
                    self.leased.clear();
                }
            }
            Step::Crash(hold) => {
                let on_unknown = if hold { OnUnknown::Hold } else { OnUnknown::Resend };
                desk.store.recover(true, on_unknown, now).await.unwrap();
                self.fenced(desk, now).await;
            }
            Step::Expire => {
                self.now += 4000;
                desk.store.recover(false, OnUnknown::Resend, at(self.now)).await.unwrap();
                self.fenced(desk, at(self.now)).await;
            }
            Step::Leave(n) => {
                let id = desk.id_of(&format!("r{n}@example.org")).await;
                desk.store.set_subscription(id, &list("a"), SubscriptionState::Unsubscribed, "t", now).await.unwrap();
                self.gone.push(id);
            }
            Step::Suppress(n) => {
                desk.store.suppress(&email(&format!("r{n}@example.org")), "t", now).await.unwrap();
                self.gone.push(desk.id_of(&format!("r{n}@example.org")).await);
            }
            Step::Pause => drop(desk.store.pause_issue(issue, "t", now).await),
            Step::Resume => drop(desk.store.resume_issue(issue, now).await),
            Step::Cancel => drop(desk.store.cancel_issue(issue, now).await),
            Step::Retry => drop(desk.store.retry_issue(issue, now).await),
            Step::Claim(_) => {}
        }
    }

    /// Settles the first attempting ones and intends the next `intents`; whoever left or was mailed must not stand.
    async fn commit(&mut self, desk: &Desk, kinds: Vec<u8>, intents: usize, now: Timestamp) {
        let Some(lease) = self.lease else { return };
        let n = kinds.len().min(self.attempting.len());
        let settled: Vec<_> = self.attempting.drain(..n).collect();
        let records: Vec<_> = settled.into_iter().zip(kinds).map(|(id, kind)| self.record(id, kind)).collect();
        let wanted: Vec<_> = self.leased.drain(..intents.min(self.leased.len())).collect();
        let standing = desk.store.commit(&lease, &records, &wanted, now).await.unwrap();
        for id in &standing {
            assert!(!self.gone.contains(id), "{id:?} had left and must not be sent");
            assert!(!self.sent.contains(id), "{id:?} was sent already");
        }
        let status = desk.status(lease.issue).await;
        assert!(standing.is_empty() || status == IssueStatus::Sending, "intents stand only while sending, not {status:?}");
        self.attempting.extend(standing);
    }

    /// After recovery the old lease is worth nothing.
    async fn fenced(&mut self, desk: &Desk, now: Timestamp) {
        if let Some(lease) = self.lease.take() {
            let late = desk.store.commit(&lease, &[], &[], now).await;
            assert!(matches!(late, Err(StoreError::Fenced)), "{late:?}");
        }
        self.leased.clear();
        self.attempting.clear();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order: the counts add up, nobody is sent twice or after leaving, and nobody is forgotten.
    #[test]
    fn the_ledger_adds_up_through_any_life(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let desk = Desk::with_readers(8).await;
            let issue = desk.sending().await;
            let mut life = Life::default();
            for step in steps {
                life.step(&desk, issue, step).await;
                let counts = desk.counts(issue).await;
                assert_eq!(counts.planned, 8);
                assert_eq!(counts.sent as usize, life.sent.len());
                let status = desk.status(issue).await;
                assert!(status != IssueStatus::Done || counts.is_finished(), "done with work left: {counts:?}");
            }
            life.now += 10;
            desk.store.recover(true, OnUnknown::Resend, at(life.now)).await.unwrap();
            desk.store.retry_issue(issue, at(life.now)).await.unwrap();
            let _ = desk.store.resume_issue(issue, at(life.now)).await;
            finish(&desk, issue, &mut life).await;
        });
    }
}

/// Drives what is left to its end: everybody who has not left was sent exactly once.
async fn finish(desk: &Desk, issue: IssueId, life: &mut Life) {
    for _ in 0..20 {
        life.now += 10_000;
        let now = at(life.now);
        if desk.store.sendable_issues(now).await.unwrap().is_empty() {
            break;
        }
        let Some((lease, leased)) = desk.store.claim(issue, "w", 3, MINUTE, now).await.unwrap() else { continue };
        let standing = desk.store.commit(&lease, &[], &ids(&leased), now).await.unwrap();
        let results: Vec<_> = standing.iter().map(|id| life.record(*id, 0)).collect();
        desk.store.commit(&lease, &results, &[], now).await.unwrap();
        desk.store.release(&lease, now).await.unwrap();
    }
    assert_eq!(desk.status(issue).await, IssueStatus::Done);
    let counts = desk.counts(issue).await;
    assert!(counts.is_finished());
    assert_eq!(counts.sent + counts.failed + counts.skipped, 8, "{counts:?}");
    assert_eq!(counts.sent as usize, life.sent.len());
}
