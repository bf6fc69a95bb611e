//! An Issue's lane in the shop, as the Issue sees it: what it may have granted, what waits, and what must wait in the ledger.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::batch::Parked;
use super::crew::{Job, Report};
use super::shop::Shop;

/// Messages to domains that are held back which one Issue keeps in memory; more go back into the ledger.
const HELD_MAX: usize = 256;
/// So many more than can be ready are kept of one such domain, as long as there is room for others.
const HELD_PER_DOMAIN: usize = 8;

/// The Issue's side of its lane. Dropped, it closes the lane; what was on its way is judged by recovery.
pub struct Counter {
    shop: Arc<Shop>,
    id: u64,
    bell: Arc<Notify>,
}

/// What becomes of a composed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It goes when its turn comes.
    Free,
    /// Its domain is held back: it goes when that allows.
    Held,
    /// There are too many like it: it waits in the ledger, for so long.
    Parked(Duration),
}

/// How a lane stands.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    /// Connections ready for mail.
    pub live: usize,
    /// Messages that could go at once.
    pub ready: usize,
    /// Messages that are held back by their domains.
    pub held: usize,
    /// Intents this Issue may have open.
    pub allowed: usize,
}

impl Counter {
    pub(super) fn new(shop: Arc<Shop>, id: u64, bell: Arc<Notify>) -> Self {
        Self { shop, id, bell }
    }

    /// Rings when there is something to hear.
    pub fn bell(&self) -> &Arc<Notify> {
        &self.bell
    }

    /// What was reported since.
    pub fn hear(&self) -> Vec<Report> {
        let mut inner = self.shop.lock();
        inner.lanes.iter_mut().find(|lane| lane.id == self.id).map(|lane| std::mem::take(&mut lane.reports)).unwrap_or_default()
    }

    /// The shop.
    pub fn shop(&self) -> &Arc<Shop> {
        &self.shop
    }

    /// Which lane it is.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Connections ready for mail.
    pub fn live(&self) -> usize {
        self.shop.lock().doors.iter().map(|door| door.live).sum()
    }

    /// These may be sent; `open` intents have no recorded result.
    pub fn extend(&self, jobs: Vec<Job>, open: usize) {
        let mut jobs = VecDeque::from(jobs);
        let mut inner = self.shop.lock();
        for lane in &mut inner.lanes {
            if lane.id == self.id {
                lane.open = open;
                lane.jobs.append(&mut jobs);
            } else {
                lane.tell(Report::Room);
            }
        }
        drop(inner);
        self.shop.changed.notify_waiters();
    }

    /// How the lane stands, when `most` intents may be open in all. `expecting` tells whether more comes that no domain holds back, `patient`
    /// whether somebody listens again soon without being called.
    pub fn stand(&self, expecting: bool, patient: bool, most: usize, now: Instant) -> Standing {
        let mut inner = self.shop.lock();
        let Some(at) = inner.lanes.iter().position(|lane| lane.id == self.id) else { return Standing::default() };
        let ended = std::mem::replace(&mut inner.lanes[at].expecting, expecting) && !expecting;
        inner.lanes[at].patient = patient;
        let others: usize = inner.lanes.iter().filter(|lane| lane.id != self.id).map(|lane| lane.open).sum();
        // Its share, and no more than the others leave.
        let allowed = (most / inner.lanes.len()).min(most.saturating_sub(others));
        let live = inner.doors.iter().map(|door| door.live).sum();
        let total = inner.lanes[at].jobs.len();
        let held = if inner.doors.iter().all(|door| door.domains.has_limits(now)) { inner.held(at, now) } else { 0 };
        drop(inner);
        if ended {
            self.shop.changed.notify_waiters();
        }
        Standing { live, ready: total - held, held, allowed }
    }

    /// Takes all back; with `closing`, for good.
    pub fn drain(&self, closing: bool) -> Vec<Job> {
        let mut inner = self.shop.lock();
        let Some(lane) = inner.lanes.iter_mut().find(|lane| lane.id == self.id) else { return Vec::new() };
        lane.closing |= closing;
        lane.jobs.drain(..).collect()
    }

    /// Takes out what may go but must not any more, because its domain asked us to slow down.
    pub fn pull(&self, now: Instant) -> Vec<Parked> {
        let mut inner = self.shop.lock();
        let Some(lane) = inner.lanes.iter().position(|lane| lane.id == self.id) else { return Vec::new() };
        if !inner.doors.iter().any(|door| door.domains.has_slow(now)) {
            return Vec::new();
        }
        let (mut stay, mut pulled) = (VecDeque::new(), Vec::new());
        for job in std::mem::take(&mut inner.lanes[lane].jobs) {
            let domain = job.mail.to.domain().to_owned();
            if inner.limit(&domain, now) != Some(0) {
                stay.push_back(job);
                continue;
            }
            pulled.push(Parked { subscriber: job.subscriber, wait: inner.park(&domain, now), domain });
        }
        inner.lanes[lane].jobs = stay;
        pulled
    }

    /// Where a composed message to `domain` belongs, when these are held back already.
    pub fn place(&self, domain: &str, held: &VecDeque<Job>, now: Instant) -> Place {
        let mut inner = self.shop.lock();
        let Some(limit) = inner.limit(domain, now) else { return Place::Free };
        let alike = held.iter().filter(|job| job.mail.to.domain() == domain).count();
        let room = |door: &mut super::shop::Door| door.domains.room(domain, door.live, now);
        let room = if held.len() > HELD_MAX / 2 { 0 } else { inner.doors.iter_mut().map(room).max().unwrap_or(0).max(HELD_PER_DOMAIN) };
        let backs_off = limit == 0;
        if !backs_off && alike < limit + room && held.len() < HELD_MAX {
            return Place::Held;
        }
        Place::Parked(inner.park(domain, now))
    }

    /// Which of `held` may be granted now, at most `most`: their places, in order.
    pub fn grantable(&self, held: &VecDeque<Job>, most: usize, now: Instant) -> Vec<usize> {
        if held.is_empty() || most == 0 {
            return Vec::new();
        }
        let mut inner = self.shop.lock();
        let mut queued = inner.queued();
        let mut found = Vec::new();
        for (at, job) in held.iter().enumerate() {
            let domain = job.mail.to.domain();
            let limit = inner.limit(domain, now);
            let count = queued.entry(domain.to_owned()).or_default();
            if limit.is_none_or(|limit| *count < limit) {
                *count += 1;
                found.push(at);
                if found.len() == most {
                    break;
                }
            }
        }
        found
    }

    /// Why mail to `domain` has to wait, in words.
    pub fn why(&self, domain: &str, now: Instant) -> String {
        let inner = self.shop.lock();
        if inner.doors.iter().any(|door| door.domains.is_backing_off(domain, now)) {
            return format!("{domain} asked us to slow down; waits for its turn");
        }
        format!("mail to {domain} is held to a pace; waits for its turn")
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        let mut inner = self.shop.lock();
        inner.lanes.retain(|lane| lane.id != self.id);
        drop(inner);
        self.shop.changed.notify_waiters();
    }
}
