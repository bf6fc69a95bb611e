//! Metrics of this process, in the text format Prometheus reads: counters and histograms that other rooms add to, and gauges read when asked.
//!
//! Every label has few values, known beforehand: states, classes, phases, and the relays of config.toml. No address, no domain, no issue is
//! a label, so that a scrape stays small and tells nothing about readers. docs/metrics.md says what each is for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::text::{Kind, Text};
use crate::model::FailureClass;
use crate::model::outcome::Outcome;

/// Upper bounds of histogram buckets, in seconds: from a commit on a fast disk to the ten minutes a final dot may take.
pub(super) const BOUNDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0];
/// The classes of an outcome, and none.
const CLASSES: usize = FailureClass::ALL.len() + 1;
/// How an Attempt can end, as the ledger calls it; `not_sent` is none, and counts no Attempt.
const OUTCOMES: [&str; 5] = ["sent", "deferred", "failed", "unknown", "not_sent"];

/// The machine's monotonic clock, which `app` lends. Without it nothing is timed, and a simulated run stays the same each time.
static CLOCK: OnceLock<fn() -> Duration> = OnceLock::new();
static OUTCOME_COUNTS: [[AtomicU64; CLASSES]; OUTCOMES.len()] = [const { [const { AtomicU64::new(0) }; CLASSES] }; OUTCOMES.len()];
static PHASES: [Histogram; 3] = [const { Histogram::new() }; 3];
static COMMITS: Histogram = Histogram::new();
static RELAYS: Mutex<BTreeMap<String, Arc<Relay>>> = Mutex::new(BTreeMap::new());

/// A part of talking to a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// TCP, TLS, EHLO and AUTH.
    Connect,
    /// MAIL, RCPT and DATA, until they are answered.
    Envelope,
    /// The content, until the final dot is answered.
    Content,
}

impl Phase {
    const ALL: [(Self, &'static str); 3] = [(Self::Connect, "connect"), (Self::Envelope, "envelope"), (Self::Content, "content")];

    const fn histogram(self) -> &'static Histogram {
        &PHASES[self as usize]
    }
}

/// How long something took, how often.
#[derive(Debug)]
pub(super) struct Histogram {
    pub buckets: [AtomicU64; BOUNDS.len() + 1],
    pub sum_micros: AtomicU64,
}

impl Histogram {
    const fn new() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BOUNDS.len() + 1], sum_micros: AtomicU64::new(0) }
    }

    fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum_micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }
}

/// A running measurement; dropped without a word it counts for nothing.
#[derive(Debug)]
#[must_use]
pub struct Timer(Option<Duration>);

impl Timer {
    /// Starts now, where there is a clock.
    pub fn start() -> Self {
        Self(CLOCK.get().map(|clock| clock()))
    }

    /// So long took a part of talking to a relay.
    pub fn phase(self, phase: Phase) {
        self.stop(phase.histogram());
    }

    /// So long took a commit of the ledger.
    pub fn commit(self) {
        self.stop(&COMMITS);
    }

    fn stop(self, histogram: &Histogram) {
        if let (Some(start), Some(clock)) = (self.0, CLOCK.get()) {
            histogram.observe(clock().saturating_sub(start));
        }
    }
}

/// Lends the clock that measurements use. The first call counts.
pub fn measure_with(clock: fn() -> Duration) {
    // A second application in the same process, as in tests, lends the same.
    let _ = CLOCK.set(clock);
}

/// An outcome was recorded in the ledger; `again` tells whether there will be another Attempt.
pub fn outcome(outcome: &Outcome, again: bool) {
    let (row, class) = match outcome {
        Outcome::Sent(_) => (0, None),
        Outcome::Deferred { class, .. } if again => (1, Some(*class)),
        // Given up: the ledger says failed.
        Outcome::Deferred { class, .. } | Outcome::Failed { class, .. } => (2, Some(*class)),
        Outcome::Unknown(_) => (3, None),
        Outcome::NotSent | Outcome::Waits(_) => (4, None),
    };
    let column = class.and_then(|class| FailureClass::ALL.into_iter().position(|other| other == class)).map_or(0, |n| n + 1);
    OUTCOME_COUNTS[row][column].fetch_add(1, Relaxed);
}

/// What is measured of one relay.
#[derive(Debug, Default)]
pub struct Relay {
    connections: AtomicU64,
    down: AtomicBool,
    failures: AtomicU64,
}

/// A connection that is open; dropped, it is one less.
#[derive(Debug)]
pub struct Connected(Arc<Relay>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

/// The measurements of the relay with this name.
pub fn relay(name: &str) -> Arc<Relay> {
    relays().entry(name.to_owned()).or_default().clone()
}

impl Relay {
    /// A connection is open until the result is dropped.
    pub fn connected(self: Arc<Self>) -> Connected {
        self.connections.fetch_add(1, Relaxed);
        Connected(self)
    }

    /// It was reached, or could not be.
    pub fn tried(&self, reached: bool) {
        self.down.store(!reached, Relaxed);
        self.failures.fetch_add(u64::from(!reached), Relaxed);
    }
}

fn relays() -> MutexGuard<'static, BTreeMap<String, Arc<Relay>>> {
    RELAYS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the ledger says at the moment of a scrape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// How many Issues stand where.
    pub issues: Vec<(&'static str, u64)>,
    /// Deliveries made for the Issues that are not over.
    pub planned: u64,
    /// Where these stand.
    pub deliveries: Vec<(&'static str, u64)>,
    /// How many of them a worker could claim now.
    pub due: u64,
}

/// Everything, as Prometheus reads it. Without a ledger (the store could not be read) the rest is told all the same.
pub fn text(ledger: Option<&Ledger>) -> String {
    let mut text = Text::default();
    text.family("postrider_build_info", Kind::Gauge, "1, with the version as a label.");
    text.sample("", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    text.family("postrider_store_up", Kind::Gauge, "1 when the ledger could be read for this scrape.");
    text.sample("", &[], f64::from(u8::from(ledger.is_some())));
    if let Some(ledger) = ledger {
        ledger_text(&mut text, ledger);
    }
    outcomes_text(&mut text);
    relays_text(&mut text);
    text.family("postrider_smtp_phase_seconds", Kind::Histogram, "Time a part of talking to a relay took.");
    for (phase, word) in Phase::ALL {
        text.histogram(&[("phase", word)], phase.histogram());
    }
    text.family("postrider_store_commit_seconds", Kind::Histogram, "Time a commit of results and intents to the ledger took.");
    text.histogram(&[], &COMMITS);
    super::process::text(&mut text);
    text.done()
}

fn ledger_text(text: &mut Text, ledger: &Ledger) {
    text.family("postrider_issues", Kind::Gauge, "Issues by status.");
    for (status, n) in &ledger.issues {
        text.sample("", &[("status", status)], *n as f64);
    }
    text.family(
        "postrider_deliveries_planned",
        Kind::Gauge,
        "Deliveries of the issues that are not over: the sum of postrider_deliveries.",
    );
    text.sample("", &[], ledger.planned as f64);
    text.family("postrider_deliveries", Kind::Gauge, "Deliveries of the issues that are not over, by state.");
    for (state, n) in &ledger.deliveries {
        text.sample("", &[("state", state)], *n as f64);
    }
    text.family("postrider_queue_due", Kind::Gauge, "Deliveries a worker could claim now.");
    text.sample("", &[], ledger.due as f64);
}

fn outcomes_text(text: &mut Text) {
    text.family("postrider_outcomes_total", Kind::Counter, "Outcomes this process has recorded in the ledger, by class of fault.");
    let classes = || std::iter::once("none").chain(FailureClass::ALL.map(FailureClass::word));
    for (outcome, counts) in OUTCOMES.iter().zip(&OUTCOME_COUNTS) {
        let with_class = matches!(*outcome, "deferred" | "failed");
        for (class, count) in classes().zip(counts).filter(|(class, _)| (*class == "none") != with_class) {
            text.sample("", &[("outcome", outcome), ("class", class)], count.load(Relaxed) as f64);
        }
    }
}

fn relays_text(text: &mut Text) {
    let relays = relays();
    let mut family = |name, kind, help, value: &dyn Fn(&Relay) -> f64| {
        text.family(name, kind, help);
        for (name, relay) in relays.iter() {
            text.sample("", &[("relay", name)], value(relay));
        }
    };
    family("postrider_relay_up", Kind::Gauge, "1 unless the last try to connect failed.", &|relay| {
        f64::from(u8::from(!relay.down.load(Relaxed)))
    });
    family("postrider_relay_connections", Kind::Gauge, "Open connections to the relay.", &|relay| relay.connections.load(Relaxed) as f64);
    family("postrider_relay_connect_failures_total", Kind::Counter, "Tries to connect that failed.", &|relay| {
        relay.failures.load(Relaxed) as f64
    });
}
