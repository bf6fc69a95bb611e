//! The connections at work: each takes Deliveries whose intent is durable, sends them, and reports. All Issues share them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::connect::ConnectError;
use super::content::Mail;
use super::domains::Answer;
use super::pace;
use super::relays::{Place, Relays, Trouble};
use super::reply::no_reply;
use super::shop::{Call, Pop, Shop};
use super::smtp::{Connection, Fate, Mode};
use super::world::{instant, until_then};
use crate::model::SubscriberId;
use crate::model::outcome::{FailureClass, Outcome};

/// A message whose connection broke is tried at once again, but not for ever: it may be what breaks them.
const TRIES_MAX: u8 = 3;
/// A connection that has nothing to do for so long is closed: the server would close it at a worse moment.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// A Delivery on its way.
#[derive(Debug)]
pub struct Job {
    /// The lane of its Issue.
    pub lane: u64,
    /// Whose.
    pub subscriber: SubscriberId,
    /// Attempts before this one.
    pub attempts: u32,
    /// What is sent.
    pub mail: Mail,
    /// How often a connection broke under it.
    pub tries: u8,
    /// Which relay has it, and since when, once one has.
    pub relay: usize,
    /// Since when.
    pub begun: Instant,
}

/// What connections report.
#[derive(Debug)]
pub enum Report {
    /// A connection is ready for mail.
    Up,
    /// A connection is gone (others may be there).
    Gone,
    /// There may be room for more intents.
    Room,
    /// No relay can be had: why, one reason a relay.
    Down(Vec<ConnectError>),
    /// No relay takes mail before this instant.
    Full(Instant),
    /// A result: the Delivery, its attempts before, and what became of it.
    Done(SubscriberId, u32, Outcome),
}

/// All connections.
pub struct Crew {
    /// What there is to send.
    pub shop: Arc<Shop>,
    relays: Arc<Relays>,
    seats: tokio::sync::Mutex<JoinSet<()>>,
}

impl Crew {
    /// Nobody works yet.
    pub fn new(relays: Arc<Relays>, shop: Arc<Shop>) -> Self {
        Self { shop, relays, seats: tokio::sync::Mutex::default() }
    }

    /// Grows to as many connections as `jobs` more can use.
    pub async fn grow(&self, jobs: usize) {
        let mut seats = self.seats.lock().await;
        while seats.try_join_next().is_some() {}
        let wanted = (seats.len() + jobs).min(self.relays.connections());
        while seats.len() < wanted {
            let seat = Seat { relays: self.relays.clone(), shop: self.shop.clone() };
            seats.spawn(seat.work());
        }
    }

    /// When no Issue is being sent any more: waits until all have finished what they have and said QUIT, at most `wait`; then cuts them off.
    pub async fn leave(&self, wait: Duration) {
        if !self.shop.is_closed() {
            return;
        }
        let mut seats = self.seats.lock().await;
        let all = async { while seats.join_next().await.is_some() {} };
        let in_time = tokio::time::timeout(wait, all).await.is_ok();
        // Whoever is cut off here holds a Delivery whose intent stands; recovery judges it. Nobody is when another Issue has begun meanwhile.
        if !in_time && self.shop.is_closed() {
            seats.shutdown().await;
            self.shop.forget_flights();
        }
    }
}

struct Seat {
    relays: Arc<Relays>,
    shop: Arc<Shop>,
}

/// How the work over one connection ended.
enum Over {
    /// A new connection is wanted, if anything is still sent.
    Again,
    /// There was nothing to do for long.
    Rest,
}

impl Seat {
    async fn work(self) {
        let mut called = None;
        loop {
            let connecting = self.relays.connect(|trouble| self.tell(&trouble));
            let (place, connection) = tokio::select! {
                biased;
                () = self.closed() => return,
                connected = connecting => connected,
            };
            drop(called.take());
            let connected = self.relays.meter(place.relay).connected();
            let over = self.serve(&place, connection).await;
            drop(connected);
            if matches!(over, Over::Rest) {
                called = self.rest(&place).await;
            }
        }
    }

    fn tell(&self, trouble: &Trouble) {
        self.shop.tell(|| match trouble {
            Trouble::Down(errors) => Report::Down(errors.clone()),
            Trouble::Full(until) => Report::Full(*until),
        });
    }

    /// Until nothing is sent any more.
    async fn closed(&self) {
        loop {
            let mut changed = std::pin::pin!(self.shop.changed.notified());
            changed.as_mut().enable();
            if self.shop.is_closed() {
                return;
            }
            changed.await;
        }
    }

    /// Waits without a connection until there is a message for it, or nothing is sent any more. The place is kept: a relay whose connections
    /// rest is up. They come back one by one, each when the one before has its connection, so that a single message does not call all of them.
    async fn rest(&self, place: &Place) -> Option<Call> {
        loop {
            let mut changed = std::pin::pin!(self.shop.changed.notified());
            changed.as_mut().enable();
            if self.shop.is_closed() {
                return None;
            }
            let until = match self.shop.call(place.relay, instant()) {
                Ok(call) => return Some(call),
                Err(until) => until,
            };
            tokio::select! {
                biased;
                () = changed => {}
                () = until_then(until) => {}
            }
        }
    }

    /// Sends over one connection until it is over.
    async fn serve(&self, place: &Place, mut connection: Connection) -> Over {
        // On their way over this connection, or about to be: the first is the one whose result comes next.
        let mut flight: VecDeque<Job> = VecDeque::new();
        let mut sent = false;
        loop {
            if flight.front().is_some_and(|job| self.shop.is_closing(job.lane)) && connection.only_opened() {
                // Where sending is to stop, it stops before the content of what has only its envelope on the wire.
                flight.into_iter().rev().for_each(|job| self.again(job));
                connection.quit().await;
                return Over::Again;
            }
            if flight.is_empty() {
                match self.next(place).await {
                    Ok(job) => flight.push_back(*job),
                    Err(over) => {
                        connection.quit().await;
                        return over;
                    }
                }
            }
            while flight.len() <= connection.ahead()
                && !self.relays.is_wanted_elsewhere(place.relay)
                && let Pop::Job(job) = self.shop.pop(place.relay, instant())
            {
                flight.push_back(*job);
            }
            flight.iter_mut().for_each(|job| job.mail.careful = self.relays.wary(place.relay).is_careful(&job.mail.to));
            let mails: Vec<&Mail> = flight.iter().map(|job| &job.mail).collect();
            let delivered = connection.send(&mails).await;
            let Some(job) = flight.pop_front() else { continue };
            if matches!(delivered.outcome, Outcome::Sent(_)) {
                self.relays.accepted(place.relay);
                sent = true;
            }
            self.relays.wary(place.relay).note(&job.mail.to, &delivered.outcome);
            self.settle(job, delivered.outcome, delivered.fate, connection.mode());
            // What rides behind begins when the one before it is through.
            let now = instant();
            flight.iter_mut().for_each(|job| job.begun = now);
            if delivered.fate != Fate::Open {
                flight.into_iter().rev().for_each(|job| self.again(job));
                self.judge(place.relay, (connection.mode(), connection.is_unfit_for_window()), delivered.fate, sent).await;
                connection.quit().await;
                return Over::Again;
            }
        }
    }

    /// The next Delivery whose turn it is.
    async fn next(&self, place: &Place) -> Result<Box<Job>, Over> {
        let idle = instant() + IDLE_MAX;
        loop {
            let mut changed = std::pin::pin!(self.shop.changed.notified());
            changed.as_mut().enable();
            if self.relays.is_wanted_elsewhere(place.relay) {
                return Err(Over::Again);
            }
            let until = match self.shop.pop(place.relay, instant()) {
                Pop::Job(job) => return Ok(job),
                Pop::Closed | Pop::Leave => return Err(Over::Again),
                Pop::Wait(until) => until,
            };
            if instant() >= idle {
                return Err(Over::Rest);
            }
            tokio::select! {
                biased;
                () = changed => {}
                () = sleep_until(until.map_or(idle, |until| until.min(idle))) => {}
            }
        }
    }

    /// Reports a result; what did not leave is tried again at once, a few times.
    fn settle(&self, job: Job, outcome: Outcome, fate: Fate, mode: Mode) {
        let answer = match &outcome {
            Outcome::Sent(_) => Answer::Accepted,
            Outcome::NotSent | Outcome::Waits(_) => Answer::None,
            throttle if pace::asks_to_slow_down(throttle) => Answer::Throttled,
            _ => Answer::Refused,
        };
        if outcome != Outcome::NotSent {
            self.shop.end(&job, answer, instant(), self.relays.chance());
            return self.done(&job, outcome);
        }
        // A throttled connection is no fault of the message, and one that did not stand its mode gets another chance in a lower one.
        let at_fault = matches!(fate, Fate::Lost | Fate::Open) || (mode == Mode::Sequential && fate > Fate::Lost);
        let tries = job.tries + u8::from(at_fault);
        if tries < TRIES_MAX {
            return self.again(Job { tries, ..job });
        }
        self.shop.end(&job, answer, instant(), self.relays.chance());
        let reply = no_reply("data", &format!("the connection broke {tries} times before this message was taken"));
        self.done(&job, Outcome::Deferred { class: FailureClass::Relay, reply, retry_after: None });
    }

    /// Back to the head of its lane; when its Issue is not sent any more, back to the ledger.
    fn again(&self, job: Job) {
        self.shop.end(&job, Answer::None, instant(), self.relays.chance());
        if let Some(job) = self.shop.again(job) {
            self.done(&job, Outcome::NotSent);
        }
    }

    fn done(&self, job: &Job, outcome: Outcome) {
        self.shop.report(job, Report::Done(job.subscriber, job.attempts, outcome));
    }

    /// What the end of a connection says about the relay.
    async fn judge(&self, relay: usize, (mode, unfit): (Mode, bool), fate: Fate, sent: bool) {
        match fate {
            _ if unfit => self.relays.step_down(relay, mode).await,
            Fate::Dead => self.relays.strike(relay, mode).await,
            Fate::Distrusted => self.relays.step_down(relay, mode).await,
            _ => {}
        }
        match fate {
            Fate::Lost if sent => {}
            Fate::Lost | Fate::Throttled => self.relays.leave_alone(relay),
            _ => {}
        }
    }
}
