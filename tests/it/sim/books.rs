//! The ledger as a model: the same rules as `postrider::store`, in memory and one Issue only. `agree.rs` proves that both answer alike.

use std::collections::BTreeMap;
use std::time::Duration;

use postrider::config::OnUnknown;
use postrider::model::outcome::Reply;
use postrider::model::{
    Counts, DeliveryState, FailureClass, Frozen, IssueId, IssueStatus, ListId, Outcome, Subscriber, SubscriberId, SubscriptionState,
    Timestamp,
};
use postrider::store::deliveries::{Lease, Leased, Record, Recovered, Trouble};
use postrider::store::issues::IssueRow;
use postrider::store::paces::Slice;
use postrider::store::{Result, StoreError};

/// The first Issue every simulation sends.
pub const ISSUE: IssueId = IssueId(1);

/// One Delivery.
#[derive(Debug, Clone)]
pub struct Row {
    pub subscriber: Subscriber,
    pub standing: SubscriptionState,
    pub state: DeliveryState,
    pub lease: Option<i64>,
    attempts: u32,
    next_at: Option<Timestamp>,
    class: Option<FailureClass>,
    code: Option<i64>,
    reply: Option<String>,
}

/// The ledger, as far as one Issue is concerned.
pub struct Books {
    pub id: IssueId,
    /// Results that were recorded, and changes of the Issue's status.
    pub changes: u64,
    pub rows: BTreeMap<SubscriberId, Row>,
    pub status: IssueStatus,
    pub frozen: Frozen,
    list: ListId,
    leases: BTreeMap<i64, Timestamp>,
    suppressed: BTreeMap<String, String>,
    reason: Option<String>,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    next_epoch: i64,
    paces: BTreeMap<String, Timestamp>,
}

impl Books {
    /// One Issue to all of `people`, who are confirmed; it may go at once.
    pub fn new(id: IssueId, people: Vec<Subscriber>, list: ListId, frozen: Frozen, now: Timestamp) -> Self {
        let row = |subscriber: Subscriber| Row {
            subscriber,
            standing: SubscriptionState::Confirmed,
            state: DeliveryState::Queued,
            lease: None,
            attempts: 0,
            next_at: None,
            class: None,
            code: None,
            reply: None,
        };
        Self {
            id,
            changes: 0,
            rows: people.into_iter().map(|person| (person.id, row(person))).collect(),
            status: IssueStatus::Scheduled,
            frozen,
            list,
            leases: BTreeMap::new(),
            suppressed: BTreeMap::new(),
            reason: None,
            created_at: now,
            started_at: None,
            finished_at: None,
            // No two Issues have a lease of the same number.
            next_epoch: (id.0 - 1) * 1_000_000 + 1,
            paces: BTreeMap::new(),
        }
    }

    pub fn sendable(&mut self, now: Timestamp) -> Vec<IssueId> {
        if self.status == IssueStatus::Scheduled {
            self.status = IssueStatus::Sending;
        }
        self.finish(now);
        let due = |row: &Row| match row.state {
            DeliveryState::Queued => true,
            DeliveryState::Deferred => row.next_at.is_some_and(|at| at <= now),
            _ => false,
        };
        if self.status == IssueStatus::Sending && self.rows.values().any(due) { vec![self.id] } else { Vec::new() }
    }

    pub fn next_due(&self) -> Option<Timestamp> {
        match self.status {
            IssueStatus::Scheduled => Some(self.created_at),
            IssueStatus::Sending => {
                self.rows.values().filter(|row| row.state == DeliveryState::Deferred).filter_map(|row| row.next_at).min()
            }
            _ => None,
        }
    }

    pub fn row(&self) -> IssueRow {
        IssueRow {
            id: self.id,
            digest: None,
            number: 1,
            subject: "Hello".into(),
            status: self.status,
            reason: self.reason.clone(),
            created_at: self.created_at,
            scheduled_at: None,
            started_at: self.started_at,
            finished_at: self.finished_at,
        }
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts { planned: self.rows.len() as u64, ..Counts::default() };
        self.rows.values().for_each(|row| counts.add(row.state, 1));
        counts
    }

    pub fn claim(&mut self, limit: u32, length: Duration, now: Timestamp) -> Option<(Lease, Vec<Leased>)> {
        if self.status != IssueStatus::Sending {
            return None;
        }
        self.started_at.get_or_insert(now);
        let lease = Lease { epoch: self.next_epoch, issue: self.id, until: now.plus(length) };
        self.next_epoch += 1;
        let claimed = self.fill(lease.epoch, limit, now);
        if claimed.is_empty() {
            self.finish(now);
            return None;
        }
        self.leases.insert(lease.epoch, lease.until);
        Some((lease, claimed))
    }

    pub fn claim_more(&mut self, lease: &Lease, limit: u32, now: Timestamp) -> Result<Vec<Leased>> {
        self.fence(lease)?;
        Ok(if self.status == IssueStatus::Sending { self.fill(lease.epoch, limit, now) } else { Vec::new() })
    }

    /// Those whose turn it is come under a lease.
    fn fill(&mut self, epoch: i64, limit: u32, now: Timestamp) -> Vec<Leased> {
        let due = |row: &&Row| row.state == DeliveryState::Deferred && row.next_at.is_some_and(|at| at <= now);
        let mut turn: Vec<(Timestamp, SubscriberId)> =
            self.rows.values().filter(due).map(|row| (row.next_at.unwrap(), row.subscriber.id)).collect();
        turn.sort();
        let queued = self.rows.values().filter(|row| row.state == DeliveryState::Queued).map(|row| row.subscriber.id);
        let turn: Vec<SubscriberId> = turn.into_iter().map(|(_, id)| id).chain(queued).collect();
        let mut claimed = Vec::new();
        for id in turn {
            if claimed.len() == limit as usize {
                break;
            }
            if self.skip_if_gone(id) {
                continue;
            }
            let row = self.rows.get_mut(&id).unwrap();
            (row.state, row.lease, row.next_at) = (DeliveryState::Leased, Some(epoch), None);
            claimed.push(Leased { subscriber: row.subscriber.clone(), list: self.list.clone(), attempts: row.attempts, part: None });
        }
        claimed
    }

    pub fn renew(&mut self, lease: &Lease, length: Duration, now: Timestamp) -> Result<Lease> {
        self.fence(lease)?;
        let until = now.plus(length);
        self.leases.insert(lease.epoch, until);
        Ok(Lease { until, ..*lease })
    }

    pub fn release(&mut self, lease: &Lease, now: Timestamp) {
        self.requeue(lease.epoch);
        if !self.rows.values().any(|row| row.lease == Some(lease.epoch)) {
            self.leases.remove(&lease.epoch);
        }
        self.finish(now);
    }

    /// Gives out slices of time, each once, by the rule of the store.
    pub fn reserve_slices(&mut self, slices: &[Slice], now: Timestamp) -> Vec<Timestamp> {
        let one = |slice: &Slice| {
            let far = now.plus(Duration::from_secs(60) + slice.length * 64);
            let until = self.paces.entry(slice.pace.clone()).or_insert(now);
            let begin = if *until < now || *until > far { now } else { *until };
            *until = begin.plus(slice.length);
            begin
        };
        slices.iter().map(one).collect()
    }

    pub fn recover(&mut self, all: bool, on_unknown: OnUnknown, now: Timestamp) -> Recovered {
        self.take_back(all, |_| false, on_unknown, now)
    }

    /// Leaves alone the leases that are `spared`.
    pub fn take_back(&mut self, all: bool, spared: impl Fn(i64) -> bool, on_unknown: OnUnknown, now: Timestamp) -> Recovered {
        let over = self.leases.iter().filter(|(epoch, until)| (all || **until <= now) && !spared(**epoch));
        let over: Vec<i64> = over.map(|(epoch, _)| *epoch).collect();
        let mut recovered = Recovered::default();
        for epoch in over {
            recovered.requeued += self.requeue(epoch);
            let resend = on_unknown == OnUnknown::Resend && self.status != IssueStatus::Cancelled;
            for row in self.rows.values_mut().filter(|row| row.lease == Some(epoch) && row.state == DeliveryState::Attempting) {
                row.state = if resend { DeliveryState::Queued } else { DeliveryState::Unknown };
                row.lease = None;
                row.attempts += 1;
                row.reply = Some("stopped before the answer was read".into());
                recovered.unknown += 1;
            }
            self.leases.remove(&epoch);
            self.finish(now);
        }
        recovered
    }

    pub fn commit(&mut self, lease: &Lease, results: &[Record], intents: &[SubscriberId]) -> Result<Vec<SubscriberId>> {
        self.fence(lease)?;
        for result in results {
            self.record(lease.epoch, result);
        }
        let mut standing = Vec::new();
        for id in intents {
            if self.rows[id].lease != Some(lease.epoch) {
                continue;
            }
            if self.status != IssueStatus::Sending {
                let again = self.again(DeliveryState::Queued);
                let row = self.rows.get_mut(id).unwrap();
                if matches!(row.state, DeliveryState::Leased | DeliveryState::Attempting) {
                    (row.state, row.lease) = (again, None);
                }
            } else if !self.skip_if_gone(*id) {
                self.rows.get_mut(id).unwrap().state = DeliveryState::Attempting;
                standing.push(*id);
            }
        }
        Ok(standing)
    }

    pub fn pause(&mut self, reason: &str) -> Result<()> {
        match self.status {
            IssueStatus::Scheduled | IssueStatus::Sending => {}
            _ => return Err(StoreError::Refused("nothing to pause".into())),
        }
        (self.status, self.reason) = (IssueStatus::Paused, Some(reason.to_owned()));
        self.changes += 1;
        Ok(())
    }

    pub fn resume(&mut self) -> Result<()> {
        if self.status != IssueStatus::Paused {
            return Err(StoreError::Refused("nothing to resume".into()));
        }
        (self.status, self.reason) = (IssueStatus::Sending, None);
        self.changes += 1;
        Ok(())
    }

    pub fn cancel(&mut self, now: Timestamp) -> Result<()> {
        if matches!(self.status, IssueStatus::Done | IssueStatus::Cancelled) {
            return Err(StoreError::Refused("nothing to cancel".into()));
        }
        for row in self.rows.values_mut().filter(|row| matches!(row.state, DeliveryState::Queued | DeliveryState::Deferred)) {
            (row.state, row.next_at) = (DeliveryState::Cancelled, None);
        }
        (self.status, self.reason, self.finished_at) = (IssueStatus::Cancelled, None, Some(now));
        Ok(())
    }

    pub fn retry(&mut self) -> Result<u64> {
        if self.status == IssueStatus::Scheduled {
            return Err(StoreError::Refused("nothing to retry yet".into()));
        }
        let rest = |row: &Row| match row.state {
            DeliveryState::Unknown | DeliveryState::Cancelled => true,
            DeliveryState::Failed => row.class != Some(FailureClass::Address),
            _ => false,
        };
        let mut queued = 0;
        for row in self.rows.values_mut().filter(|row| rest(row)) {
            (row.state, row.attempts, row.next_at) = (DeliveryState::Queued, 0, None);
            queued += 1;
        }
        if queued > 0 {
            (self.status, self.reason, self.finished_at) = (IssueStatus::Sending, None, None);
        }
        Ok(queued)
    }

    pub fn leave(&mut self, id: SubscriberId) {
        self.rows.get_mut(&id).unwrap().standing = SubscriptionState::Unsubscribed;
    }

    pub fn troubles(&self) -> Vec<Trouble> {
        let word = |state| match state {
            DeliveryState::Failed => Some("failed"),
            DeliveryState::Deferred => Some("deferred"),
            DeliveryState::Unknown => Some("unknown"),
            DeliveryState::Skipped => Some("skipped"),
            _ => None,
        };
        let mut rows: Vec<&Row> = self.rows.values().filter(|row| word(row.state).is_some()).collect();
        rows.sort_by_key(|row| (row.state.code(), row.subscriber.id));
        let trouble = |row: &Row| Trouble {
            email: row.subscriber.email.as_str().to_owned(),
            state: word(row.state).unwrap().to_owned(),
            class: row.class.map(|class| class.word().to_owned()),
            code: row.code,
            reply: row.reply.clone(),
            next_at: row.next_at,
        };
        rows.into_iter().map(trouble).collect()
    }

    pub fn suppressions(&self) -> BTreeMap<String, String> {
        self.suppressed.clone()
    }

    /// The leases there are.
    pub fn leases(&self) -> Vec<i64> {
        self.leases.keys().copied().collect()
    }

    /// The soonest end of a lease.
    pub fn lease_over(&self) -> Option<Timestamp> {
        self.leases.values().min().copied()
    }

    /// A lease is its owner's until somebody takes it, also when its time is over.
    fn fence(&self, lease: &Lease) -> Result<()> {
        if self.leases.contains_key(&lease.epoch) { Ok(()) } else { Err(StoreError::Fenced) }
    }

    fn again(&self, state: DeliveryState) -> DeliveryState {
        if self.status == IssueStatus::Cancelled { DeliveryState::Cancelled } else { state }
    }

    fn finish(&mut self, now: Timestamp) {
        let open = |row: &Row| row.lease.is_some() || matches!(row.state, DeliveryState::Queued | DeliveryState::Deferred);
        if self.status == IssueStatus::Sending && !self.rows.values().any(open) {
            (self.status, self.reason, self.finished_at) = (IssueStatus::Done, None, Some(now));
        }
    }

    fn requeue(&mut self, epoch: i64) -> u64 {
        let state = self.again(DeliveryState::Queued);
        let mut requeued = 0;
        for row in self.rows.values_mut().filter(|row| row.lease == Some(epoch) && row.state == DeliveryState::Leased) {
            (row.state, row.lease) = (state, None);
            requeued += 1;
        }
        requeued
    }

    fn skip_if_gone(&mut self, id: SubscriberId) -> bool {
        let row = self.rows.get_mut(&id).unwrap();
        let reason = match (row.standing, self.suppressed.get(row.subscriber.email.as_str())) {
            (SubscriptionState::Confirmed, None) => return false,
            (SubscriptionState::Confirmed, Some(reason)) => format!("suppressed: {reason}"),
            (SubscriptionState::Pending, _) => "pending".to_owned(),
            (SubscriptionState::Unsubscribed, _) => "unsubscribed".to_owned(),
        };
        (row.state, row.lease, row.next_at) = (DeliveryState::Skipped, None, None);
        (row.class, row.code, row.reply) = (None, None, Some(reason));
        true
    }

    fn record(&mut self, epoch: i64, record: &Record) {
        use DeliveryState as S;
        if self.rows[&record.subscriber].lease != Some(epoch) {
            return;
        }
        let cancelled = self.status == IssueStatus::Cancelled;
        let (state, class, reply) = match &record.outcome {
            Outcome::Sent(_) => (S::Sent, None, None),
            Outcome::Deferred { class, reply, .. } if record.next_at.is_some() => (self.again(S::Deferred), Some(*class), Some(reply)),
            Outcome::Deferred { class, reply, .. } | Outcome::Failed { class, reply } => (S::Failed, Some(*class), Some(reply)),
            Outcome::Unknown(reply) if record.next_at.is_some() && !cancelled => (S::Deferred, None, Some(reply)),
            Outcome::Unknown(reply) => (S::Unknown, None, Some(reply)),
            Outcome::Waits(reply) if record.next_at.is_some() => (self.again(S::Deferred), None, Some(reply)),
            Outcome::NotSent | Outcome::Waits(_) => (self.again(S::Queued), None, None),
        };
        let row = self.rows.get_mut(&record.subscriber).unwrap();
        let tried = !matches!(record.outcome, Outcome::NotSent | Outcome::Waits(_));
        row.attempts += u32::from(tried);
        self.changes += u64::from(tried);
        (row.state, row.lease, row.class, row.reply) = (state, None, class, reply.map(words));
        row.code = reply.map(|reply| i64::from(reply.code)).filter(|code| *code > 0);
        row.next_at = record.next_at.filter(|_| state == S::Deferred);
        if let (S::Failed, Some(FailureClass::Address), Some(reply)) = (state, class, reply) {
            let reason = format!("hard bounce: {} {}", reply.code, words(reply));
            self.suppressed.entry(row.subscriber.email.as_str().to_owned()).or_insert(reason);
        }
    }
}

fn words(reply: &Reply) -> String {
    match &reply.enhanced {
        Some(enhanced) if !reply.text.starts_with(enhanced.as_str()) => format!("{enhanced} {}", reply.text),
        _ => reply.text.clone(),
    }
}
