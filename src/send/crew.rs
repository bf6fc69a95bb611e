//! The connections at work: each takes Deliveries whose intent is durable, sends them, and reports.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::connect::ConnectError;
use super::content::Mail;
use super::relays::{Known, Relays};
use super::reply::no_reply;
use super::smtp::{Connection, Fate};
use crate::model::SubscriberId;
use crate::model::outcome::{FailureClass, Outcome};

/// A message whose connection broke is tried at once again, but not for ever: it may be what breaks them.
const TRIES_MAX: u8 = 3;

/// A Delivery on its way.
#[derive(Debug)]
pub struct Job {
    /// Whose.
    pub subscriber: SubscriberId,
    /// Attempts before this one.
    pub attempts: u32,
    /// What is sent.
    pub mail: Mail,
    /// How often a connection broke under it.
    pub tries: u8,
}

/// What connections report.
#[derive(Debug)]
pub enum Report {
    /// A connection is ready for mail.
    Up,
    /// A connection is gone (others may be there).
    Gone,
    /// No relay can be had: why, one reason a relay.
    Down(Vec<ConnectError>),
    /// A result: the Delivery, its attempts before, and what became of it.
    Done(SubscriberId, u32, Outcome),
}

/// Deliveries that may be sent now.
#[derive(Debug, Default)]
pub struct Ready {
    jobs: Mutex<(VecDeque<Job>, bool)>,
    changed: Notify,
}

impl Ready {
    fn lock(&self) -> MutexGuard<'_, (VecDeque<Job>, bool)> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.lock().0.len()
    }

    /// Adds some behind the others.
    pub fn extend(&self, jobs: impl Iterator<Item = Job>) {
        self.lock().0.extend(jobs);
        self.changed.notify_waiters();
    }

    /// Takes all back.
    pub fn drain(&self) -> Vec<Job> {
        self.lock().0.drain(..).collect()
    }

    /// No more comes: connections finish what they have and quit.
    pub fn close(&self) -> Vec<Job> {
        let jobs = {
            let mut inner = self.lock();
            inner.1 = true;
            inner.0.drain(..).collect()
        };
        self.changed.notify_waiters();
        jobs
    }

    fn push_front(&self, job: Job) -> Option<Job> {
        let mut inner = self.lock();
        if inner.1 {
            return Some(job);
        }
        inner.0.push_front(job);
        drop(inner);
        self.changed.notify_waiters();
        None
    }

    fn try_pop(&self) -> Option<Job> {
        self.lock().0.pop_front()
    }

    /// The next, or nothing once closed.
    async fn pop(&self) -> Option<Job> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let mut inner = self.lock();
                if let Some(job) = inner.0.pop_front() {
                    return Some(job);
                }
                if inner.1 {
                    return None;
                }
            }
            changed.await;
        }
    }
}

/// All connections of one run.
pub struct Crew {
    relays: Arc<Relays>,
    ready: Arc<Ready>,
    reports: mpsc::UnboundedSender<Report>,
    seats: JoinSet<()>,
}

impl Crew {
    /// Nobody yet; the receiver gets what they report.
    pub fn new(relays: Arc<Relays>, ready: Arc<Ready>) -> (Self, mpsc::UnboundedReceiver<Report>) {
        let (reports, receiver) = mpsc::unbounded_channel();
        (Self { relays, ready, reports, seats: JoinSet::new() }, receiver)
    }

    /// Grows to as many connections as `jobs` can use.
    pub fn grow(&mut self, jobs: usize) {
        while self.seats.len() < jobs.min(self.relays.connections()) {
            let seat = Seat { relays: self.relays.clone(), ready: self.ready.clone(), reports: self.reports.clone() };
            self.seats.spawn(seat.work());
        }
    }

    /// Waits until all have finished what they have and said QUIT, at most `wait`; then cuts them off.
    pub async fn leave(mut self, wait: Duration) {
        let all = async { while self.seats.join_next().await.is_some() {} };
        // Whoever is cut off here holds a Delivery whose intent stands; recovery judges it.
        let _ = tokio::time::timeout(wait, all).await;
    }
}

struct Seat {
    relays: Arc<Relays>,
    ready: Arc<Ready>,
    reports: mpsc::UnboundedSender<Report>,
}

impl Seat {
    async fn work(self) {
        loop {
            let connecting = self.relays.connect(|errors| self.report(Report::Down(errors)));
            let (known, connection) = tokio::select! {
                biased;
                connected = connecting => connected,
                () = self.closed() => return,
            };
            self.report(Report::Up);
            let more = self.serve(&known, connection).await;
            self.report(Report::Gone);
            if !more {
                return;
            }
        }
    }

    /// Until no more comes.
    async fn closed(&self) {
        loop {
            let mut changed = std::pin::pin!(self.ready.changed.notified());
            changed.as_mut().enable();
            if self.ready.lock().1 {
                return;
            }
            changed.await;
        }
    }

    /// Sends over one connection until it is over; false when no more comes.
    async fn serve(&self, known: &Arc<Known>, mut connection: Connection) -> bool {
        // On their way over this connection, or about to be: the first is the one whose result comes next.
        let mut flight: VecDeque<Job> = VecDeque::new();
        let mut sent = false;
        loop {
            if flight.is_empty() {
                let Some(job) = self.next(known).await else {
                    connection.quit().await;
                    return false;
                };
                flight.push_back(job);
            }
            while flight.len() <= connection.ahead()
                && let Some(job) = self.next_at_once(known)
            {
                flight.push_back(job);
            }
            let mails: Vec<&Mail> = flight.iter().map(|job| &job.mail).collect();
            let delivered = connection.send(&mails).await;
            let Some(job) = flight.pop_front() else { continue };
            if matches!(delivered.outcome, Outcome::Sent(_)) {
                known.accepted();
                sent = true;
            }
            self.settle(job, delivered.outcome, &delivered.fate);
            if delivered.fate != Fate::Open {
                flight.into_iter().rev().for_each(|job| self.again(job));
                self.judge(known, &delivered.fate, sent);
                connection.quit().await;
                return true;
            }
        }
    }

    /// The next Delivery, in the relay's pace.
    async fn next(&self, known: &Known) -> Option<Job> {
        let job = self.ready.pop().await?;
        if let Some(pacer) = known.pacer() {
            tokio::select! {
                biased;
                () = pacer.take() => {}
                () = self.closed() => {
                    self.again(job);
                    return None;
                }
            }
        }
        Some(job)
    }

    /// One that may go without waiting, to ride behind the present one.
    fn next_at_once(&self, known: &Known) -> Option<Job> {
        let paced = known.pacer().filter(|pacer| pacer.try_take());
        if known.pacer().is_some() && paced.is_none() {
            return None;
        }
        let job = self.ready.try_pop();
        if let (None, Some(pacer)) = (&job, paced) {
            pacer.give_back();
        }
        job
    }

    /// Reports a result; what did not leave is tried again at once, a few times.
    fn settle(&self, job: Job, outcome: Outcome, fate: &Fate) {
        if outcome != Outcome::NotSent {
            return self.report(Report::Done(job.subscriber, job.attempts, outcome));
        }
        // A throttled or distrusted connection is no fault of the message.
        let tries = job.tries + u8::from(*fate == Fate::Lost || *fate == Fate::Open);
        if tries < TRIES_MAX {
            return self.again(Job { tries, ..job });
        }
        let reply = no_reply("data", &format!("the connection broke {tries} times before this message was taken"));
        let outcome = Outcome::Deferred { class: FailureClass::Relay, reply, retry_after: None };
        self.report(Report::Done(job.subscriber, job.attempts, outcome));
    }

    /// Back to the head of the queue; when nothing is sent any more, back to the ledger.
    fn again(&self, job: Job) {
        if let Some(job) = self.ready.push_front(job) {
            self.report(Report::Done(job.subscriber, job.attempts, Outcome::NotSent));
        }
    }

    /// What the end of a connection says about the relay.
    fn judge(&self, known: &Arc<Known>, fate: &Fate, sent: bool) {
        match fate {
            Fate::Open | Fate::Renew => {}
            Fate::Lost if sent => {}
            Fate::Lost | Fate::Throttled => known.leave_alone(&self.relays),
            Fate::Distrusted => known.step_down(&self.relays),
        }
    }

    fn report(&self, report: Report) {
        // Nobody listens any more only when the run was cut off; recovery judges what was on its way.
        let _ = self.reports.send(report);
    }
}
