//! Tells a fault of one Delivery from a fault that concerns everybody. Pure.
//!
//! A refusal for policy, content or our own standing with the relay, or for no reason given, is held back until it is known which it is: once somebody was
//! accepted it is recorded as what it is; when everybody is refused, the Issue pauses and those Deliveries go back to the queue, so nothing is lost.

use crate::model::FailureClass;
use crate::model::outcome::{Outcome, Reply};
use crate::store::deliveries::Record;

/// So many refusals of these kinds, with nobody accepted between, concern everybody.
const ALIKE_MAX: usize = 20;

/// The refusals that may concern everybody.
#[derive(Debug, Default)]
pub struct Alarm {
    suspects: Vec<Record>,
    accepted_ever: bool,
}

/// What to do with what was held back.
#[derive(Debug, PartialEq, Eq)]
pub enum Judged {
    /// To be recorded.
    Record(Vec<Record>),
    /// Everybody is refused: pause with this reason and put these back.
    Pause(String, Vec<Record>),
}

impl Alarm {
    /// Starts; with `accepted_ever` when somebody was accepted in an earlier run of the Issue.
    pub fn new(accepted_ever: bool) -> Self {
        Self { accepted_ever, ..Self::default() }
    }

    /// How many results are held back.
    pub fn held(&self) -> usize {
        self.suspects.len()
    }

    /// Takes one result.
    pub fn judge(&mut self, record: Record) -> Judged {
        if suspicious(&record.outcome).is_none() {
            // What is not suspicious says nothing about the others, except that somebody was accepted.
            if !matches!(record.outcome, Outcome::Sent(_)) {
                return Judged::Record(vec![record]);
            }
            self.accepted_ever = true;
            let mut records = std::mem::take(&mut self.suspects);
            records.push(record);
            return Judged::Record(records);
        }
        self.suspects.push(record);
        if self.suspects.len() >= ALIKE_MAX { self.pause() } else { Judged::Record(Vec::new()) }
    }

    /// Nothing more comes for now. When nobody at all was ever accepted, the few there were concern everybody.
    pub fn finish(&mut self) -> Judged {
        if self.suspects.is_empty() || self.accepted_ever {
            return Judged::Record(std::mem::take(&mut self.suspects));
        }
        self.pause()
    }

    /// Puts everything held back into the queue again, without a verdict: for a stop in the middle.
    pub fn give_back(&mut self) -> Vec<Record> {
        self.suspects.drain(..).map(|record| Record { outcome: Outcome::NotSent, next_at: None, ..record }).collect()
    }

    fn pause(&mut self) -> Judged {
        let said = self.suspects.last().and_then(|record| said(&record.outcome)).unwrap_or_default();
        let class = self.suspects.last().and_then(|record| suspicious(&record.outcome)).map_or("", FailureClass::word);
        let count = self.suspects.len();
        let reason =
            format!("the relay refused {count} of {count} messages in a row ({class}): {said}. Nothing is lost: mend it, then resume");
        Judged::Pause(reason, self.give_back())
    }
}

/// The class of a failure that may concern everybody.
fn suspicious(outcome: &Outcome) -> Option<FailureClass> {
    match outcome {
        Outcome::Failed { class, reply } if reply.code >= 500 && *class != FailureClass::Address => Some(*class),
        _ => None,
    }
}

fn said(outcome: &Outcome) -> Option<String> {
    let Outcome::Failed { reply: Reply { code, text, .. }, .. } = outcome else { return None };
    Some(if *code > 0 { format!("{code} {text}") } else { text.clone() })
}
