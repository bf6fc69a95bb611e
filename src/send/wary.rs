//! Recipient domains that refuse many: each refused recipient behind a DATA sent ahead is two errors to the server, alone it is one, and servers
//! slow down and close after some. So such a domain's DATA waits for the answer to RCPT.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::model::{EmailAddress, Outcome};

/// The share of refused recipients, in percent, above which a domain is treated with care.
const REFUSED_PERCENT: u32 = 30;
/// Recipients before the share means anything.
const ASKED_MIN: u32 = 10;
/// Old recipients weigh less: at so many, both counts are halved.
const ASKED_MAX: u32 = 200;
/// Domains kept in mind; beyond, all are forgotten, which only costs a few errors.
const DOMAINS_MAX: usize = 10_000;

/// What recipient domains have answered to RCPT.
#[derive(Debug, Default)]
pub struct Wary {
    domains: Mutex<HashMap<String, (u32, u32)>>,
}

impl Wary {
    /// Whether DATA to this recipient should wait for the answer to RCPT.
    pub fn is_careful(&self, to: &EmailAddress) -> bool {
        let domains = self.domains.lock().unwrap_or_else(PoisonError::into_inner);
        let share = domains.get(to.domain());
        share.is_some_and(|(asked, refused)| *asked >= ASKED_MIN && refused * 100 > asked * REFUSED_PERCENT)
    }

    /// Counts the answer for one recipient.
    pub fn note(&self, to: &EmailAddress, outcome: &Outcome) {
        let refused = match outcome {
            Outcome::Sent(_) => 0,
            Outcome::Failed { reply, .. } | Outcome::Deferred { reply, .. } if reply.phase == "rcpt" && reply.code != 421 => 1,
            _ => return,
        };
        let mut domains = self.domains.lock().unwrap_or_else(PoisonError::into_inner);
        if domains.len() >= DOMAINS_MAX && !domains.contains_key(to.domain()) {
            domains.clear();
        }
        let counts = domains.entry(to.domain().to_owned()).or_default();
        *counts = (counts.0 + 1, counts.1 + refused);
        if counts.0 >= ASKED_MAX {
            *counts = (counts.0 / 2, counts.1 / 2);
        }
    }
}
