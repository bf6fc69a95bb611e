//! The books answer as the store does: the same random deeds are done on both, and every answer and every count is compared.

use std::time::Duration;

use postrider::config::{OnUnknown, StoreUrl};
use postrider::model::outcome::{FailureClass, Outcome, Reply};
use postrider::model::{SubscriberId, SubscriptionState, Timestamp};
use postrider::store::Store;
use postrider::store::deliveries::{Lease, Record};
use postrider::store::issues::NewIssue;
use postrider::store::subscribers::NewSubscriber;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::books::{Books, ISSUE};
use super::play::{letter, list, people};
use super::scene::BEGIN;

const READERS: usize = 12;

struct Both {
    rng: StdRng,
    store: Store,
    books: Books,
    now: Timestamp,
    /// Leases that were ever given: most of them are over.
    leases: Vec<Lease>,
    _folder: tempfile::TempDir,
}

#[tokio::test]
async fn the_model_of_the_ledger_answers_as_the_store_does() {
    for seed in 0..12 {
        let mut both = Both::new(seed).await;
        for step in 0..80 {
            let (said, meant) = both.step().await;
            assert_eq!(said, meant, "seed {seed}, step {step}: the store's answer, then the model's");
            both.compare(&format!("seed {seed}, step {step}: {said}")).await;
        }
    }
}

#[tokio::test]
async fn an_intent_whose_answer_was_lost_is_given_back_when_the_issue_is_paused_meanwhile() {
    let both = Both::new(0).await;
    let (store, now, nothing) = (&both.store, both.now, Vec::new());
    store.sendable_issues(now).await.unwrap();
    let (lease, leased) = store.claim(ISSUE, "worker", 3, Duration::from_secs(120), now).await.unwrap().unwrap();
    let intents: Vec<SubscriberId> = leased.iter().map(|leased| leased.subscriber.id).collect();
    assert_eq!(store.commit(&lease, &nothing, &intents, now).await.unwrap(), intents);
    // The worker never hears this answer; so it asks again, and nothing of them has left.
    store.pause_issue(ISSUE, "by hand", now).await.unwrap();
    assert_eq!(store.commit(&lease, &nothing, &intents, now).await.unwrap(), []);
    store.release(&lease, now).await.unwrap();
    store.recover(true, OnUnknown::Hold, now).await.unwrap();
    let counts = store.counts(ISSUE).await.unwrap();
    assert_eq!((counts.queued, counts.unknown), (READERS as u64, 0), "nobody is held as unknown who was never sent to: {counts:?}");
}

impl Both {
    async fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreUrl::Sqlite(folder.path().join("p.db")), BEGIN).await.unwrap();
        let people = people(READERS);
        let row = |person: &postrider::model::Subscriber| NewSubscriber::new(person.email.clone());
        let rows: Vec<NewSubscriber> = people.iter().map(row).collect();
        store.upsert_subscribers(&rows, &list(), SubscriptionState::Confirmed, "test", false, BEGIN).await.unwrap();
        let issue = NewIssue {
            digest: None,
            subject: "Hello".into(),
            frozen: letter(),
            articles: Vec::new(),
            lists: vec![list()],
            scheduled_at: None,
            hold: None,
            only: None,
            edition: Default::default(),
            remembered: Default::default(),
            local: None,
        };
        assert_eq!(store.create_issue(&issue, BEGIN).await.unwrap(), ISSUE);
        let books = Books::new(ISSUE, people, list(), letter(), BEGIN);
        Self { rng: StdRng::seed_from_u64(seed), store, books, now: BEGIN, leases: Vec::new(), _folder: folder }
    }

    /// One deed on both; both answers, as words.
    async fn step(&mut self) -> (String, String) {
        self.now = self.now.plus(Duration::from_micros(self.rng.random_range(1..40_000_000)));
        let (now, length) = (self.now, Duration::from_secs(120));
        let lease = self.leases.get(self.rng.random_range(0..self.leases.len().max(1))).copied();
        let deed = self.rng.random_range(0..22);
        match (deed, lease) {
            (0 | 1, _) => say("sendable", self.store.sendable_issues(now).await, Ok(self.books.sendable(now))),
            (2..=5, _) => {
                let limit = self.rng.random_range(1..=8);
                let said = self.store.claim(ISSUE, "worker", limit, length, now).await;
                let meant = self.books.claim(limit, length, now);
                self.leases.extend(meant.iter().map(|(lease, _)| *lease));
                let brief = |claim: Option<(Lease, Vec<postrider::store::deliveries::Leased>)>| {
                    claim
                        .map(|(lease, leased)| (lease, leased.into_iter().map(|one| (one.subscriber.id, one.attempts)).collect::<Vec<_>>()))
                };
                say("claim", said.map(brief), Ok(brief(meant)))
            }
            (6, Some(lease)) => {
                let limit = self.rng.random_range(1..=4);
                let brief = |more: Vec<postrider::store::deliveries::Leased>| {
                    more.into_iter().map(|one| (one.subscriber.id, one.attempts)).collect::<Vec<_>>()
                };
                let said = self.store.claim_more(&lease, limit, now).await;
                say("claim more", said.map(brief), self.books.claim_more(&lease, limit, now).map(brief))
            }
            (7..=12, Some(lease)) => {
                let (results, intents) = self.group();
                let said = self.store.commit(&lease, &results, &intents, now).await;
                say(&format!("commit {results:?} {intents:?}"), said, self.books.commit(&lease, &results, &intents))
            }
            (13, Some(lease)) => {
                let said = self.store.renew(&lease, length, now).await;
                say("renew", said, self.books.renew(&lease, length, now))
            }
            (14, Some(lease)) => {
                self.books.release(&lease, now);
                say("release", self.store.release(&lease, now).await, Ok(()))
            }
            (15, _) => {
                let (all, hold) = (self.rng.random_ratio(1, 3), self.rng.random_ratio(1, 3));
                let on_unknown = if hold { OnUnknown::Hold } else { OnUnknown::Resend };
                say("recover", self.store.recover(all, on_unknown, now).await, Ok(self.books.recover(all, on_unknown, now)))
            }
            (16, _) => say("pause", self.store.pause_issue(ISSUE, "a reason", now).await, self.books.pause("a reason")),
            (17 | 18, _) => say("resume", self.store.resume_issue(ISSUE, now).await, self.books.resume()),
            (19, _) if self.rng.random_ratio(1, 4) => say("cancel", self.store.cancel_issue(ISSUE, now).await, self.books.cancel(now)),
            (20, _) => say("retry", self.store.retry_issue(ISSUE, now).await, self.books.retry()),
            (21, _) => {
                let who = self.someone();
                self.books.leave(who);
                let left = self.store.set_subscription(who, &list(), SubscriptionState::Unsubscribed, "test", now).await;
                say("leave", left.map(|_| ()), Ok(()))
            }
            _ => (String::new(), String::new()),
        }
    }

    fn someone(&mut self) -> SubscriberId {
        SubscriberId(self.rng.random_range(1..=READERS as i64))
    }

    /// Results of some and intents of others, whoever they are.
    fn group(&mut self) -> (Vec<Record>, Vec<SubscriberId>) {
        let mut everybody: Vec<SubscriberId> = (1..=READERS as i64).map(SubscriberId).collect();
        let mut some = || -> Vec<SubscriberId> {
            let count = self.rng.random_range(0..=5.min(everybody.len()));
            (0..count).map(|_| everybody.remove(self.rng.random_range(0..everybody.len()))).collect()
        };
        let (recorded, intents) = (some(), some());
        (recorded.into_iter().map(|who| self.record(who)).collect(), intents)
    }

    fn record(&mut self, subscriber: SubscriberId) -> Record {
        let reply =
            |code: u16, enhanced: &str| Reply { code, enhanced: Some(enhanced.to_owned()), text: "said the relay".into(), phase: "final" };
        let outcome = match self.rng.random_range(0..7) {
            0 | 1 => Outcome::Sent(reply(250, "2.0.0")),
            2 => Outcome::Deferred { class: FailureClass::Mailbox, reply: reply(452, "4.2.2"), retry_after: None },
            3 => Outcome::Failed { class: FailureClass::Address, reply: reply(550, "5.1.1") },
            4 => Outcome::Failed { class: FailureClass::Policy, reply: reply(550, "5.7.1") },
            5 => Outcome::Unknown(reply(0, "2.0.0")),
            _ => Outcome::NotSent,
        };
        let wait = Duration::from_micros(self.rng.random_range(1..400_000_000));
        Record { subscriber, outcome, next_at: self.rng.random_ratio(4, 5).then(|| self.now.plus(wait)) }
    }

    async fn compare(&self, place: &str) {
        let counts = self.store.counts(ISSUE).await.unwrap();
        assert!(counts.add_up(), "{place}: {counts:?}");
        assert_eq!(counts, self.books.counts(), "{place}");
        assert_eq!(self.store.troubles(ISSUE, 100).await.unwrap(), self.books.troubles(), "{place}");
        assert_eq!(self.store.next_due().await.unwrap(), self.books.next_due(), "{place}");
        assert_eq!(self.store.issue(ISSUE).await.unwrap().unwrap(), self.books.row(), "{place}");
        let suppressed = self.store.suppressions("", 100).await.unwrap();
        let suppressed: Vec<(String, String)> = suppressed.into_iter().map(|row| (row.email, row.reason)).collect();
        assert_eq!(suppressed.into_iter().collect::<std::collections::BTreeMap<_, _>>(), self.books.suppressions(), "{place}");
    }
}

/// Both answers as words; of a refusal only that it is one, since the model's words are its own.
fn say<T: std::fmt::Debug>(deed: &str, said: postrider::store::Result<T>, meant: postrider::store::Result<T>) -> (String, String) {
    let words = |result: postrider::store::Result<T>| match result {
        Ok(value) => format!("{deed}: {value:?}"),
        Err(postrider::store::StoreError::Refused(_)) => format!("{deed}: refused"),
        Err(error) => format!("{deed}: {error}"),
    };
    (words(said), words(meant))
}
