//! What is said when a simulation, or a worker, is over: the ledger is compared with what the relays took and refused.

use std::collections::BTreeMap;

use postrider::model::{DeliveryState, SubscriberId};
use postrider::send::UNRECORDED_MAX;
use tokio::time::Instant;

use super::{Books, Copy, Inner};

impl Inner {
    /// When all is over: everybody has what the relay's own record says, and nobody got more than is allowed.
    pub fn judge(&mut self) {
        for counts in self.shelf.iter().map(Books::counts).collect::<Vec<_>>() {
            if !counts.add_up() || !counts.is_finished() {
                self.wrong(format!("something is left to do: {counts:?}"));
            }
        }
        for who in self.everybody() {
            let copies = self.copies.iter().filter(|copy| copy.who == who).count();
            let row = self.row(who);
            let (state, suppressed) = (row.state, self.dead_addresses.contains(row.subscriber.email.as_str()));
            let lie = match state {
                DeliveryState::Sent => (copies == 0).then_some("is recorded as sent, and the relay never took it"),
                DeliveryState::Failed => (!self.refused.contains(&who)).then_some("is recorded as failed, and the relay never refused it"),
                DeliveryState::Skipped => (!self.left.contains(&who) && !suppressed).then_some("was skipped, and has not left"),
                DeliveryState::Cancelled => (!self.cancelled_ever).then_some("is cancelled, and nobody did"),
                DeliveryState::Unknown => (!self.doubtful(who)).then_some("is held as unknown, and nothing about it was in doubt"),
                _ => Some("has no end"),
            };
            if let Some(lie) = lie {
                self.wrong(format!("{} {lie} ({state:?}, {copies} copies)", self.name(who)));
            }
        }
        self.judge_duplicates();
    }

    fn doubtful(&self, who: SubscriberId) -> bool {
        // A copy whose answer was read is in doubt only when its worker died or gave up after it.
        self.doubtful.contains(&who)
            && !self.copies.iter().any(|copy| {
                copy.who == who && self.was_read(copy) && !self.workers[copy.worker].doubts.iter().any(|doubt| *doubt >= copy.at)
            })
    }

    fn was_read(&self, copy: &Copy) -> bool {
        copy.answer.is_some_and(|mark| copy.line.had(mark))
    }

    /// A second copy is allowed when the answer to the first never came, or its worker died (or gave up) after it, or when one of the two was sent under an
    /// intent that had been taken from its worker before it knew; and then only so many times.
    fn judge_duplicates(&mut self) {
        let mut charged: BTreeMap<(usize, Instant), usize> = BTreeMap::new();
        let mut wrong = Vec::new();
        for (n, copy) in self.copies.iter().enumerate() {
            let Some(before) = self.copies[..n].iter().rev().find(|before| before.who == copy.who) else { continue };
            if !self.was_read(before) {
                continue;
            }
            let doubts = self.workers[before.worker].doubts.iter();
            let after_first = || doubts.into_iter().find(|doubt| **doubt >= before.at && **doubt <= copy.at).map(|at| (before.worker, *at));
            let lapsed = |copy: &Copy| copy.lapsed.map(|at| (copy.worker, at));
            match lapsed(before).or_else(|| lapsed(copy)).or_else(after_first) {
                Some(doubt) => *charged.entry(doubt).or_default() += 1,
                None => wrong.push(format!("{} got it twice, and the answer to the first was read", self.name(copy.who))),
            }
        }
        let most = self.plan.in_flight() + UNRECORDED_MAX;
        if let Some(count) = charged.values().copied().find(|count| *count > most) {
            wrong.push(format!("one death sent {count} messages twice; {most} are promised"));
        }
        for wrong in wrong {
            self.wrong(wrong);
        }
    }

    /// A worker that was allowed to stop has recorded every answer it read.
    pub fn judge_stopped(&mut self, worker: usize) {
        let open = |copy: &&Copy| {
            let row = self.row(copy.who);
            let intended = self.intents.get(&(worker, copy.who)).is_some_and(|intent| intent.taken);
            copy.worker == worker && intended && row.state == DeliveryState::Attempting && self.was_read(copy)
        };
        let doubts = !self.workers[worker].doubts.is_empty();
        if let Some(who) = self.copies.iter().filter(|_| !doubts).find(open).map(|copy| copy.who) {
            self.wrong(format!("worker {worker} stopped and did not record that {} was taken", self.name(who)));
        }
    }

    /// A worker that was allowed to stop, with nobody to wait for, leaves nothing open.
    pub fn judge_left(&mut self, worker: usize) {
        let rows = self.shelf.iter().flat_map(|books| books.rows.values());
        let open =
            rows.filter(|row| row.lease.is_some_and(|lease| self.owner(lease) == worker)).map(|row| (row.subscriber.id, row.state)).next();
        if let Some((who, state)) = open {
            self.wrong(format!("worker {worker} stopped, all was well, and {} is left {state:?}", self.name(who)));
        }
    }
}
