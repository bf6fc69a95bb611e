//! Outcome: what became of one Attempt, and whose fault a failure is.

use std::time::Duration;

/// Whose fault a refusal is; it decides what happens next (docs/delivery).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureClass {
    /// No such mailbox: 5.1.1, 5.1.2, 5.1.3, 5.1.10, 5.2.1. Suppressed.
    Address,
    /// The mailbox cannot take it for now: full, greylisted.
    Mailbox,
    /// Our standing with the receiver: 5.7.x.
    Policy,
    /// The message itself: 552, 554 with 5.6.x.
    Content,
    /// Our relay: AUTH, TLS, connection.
    Relay,
    /// We could not make the message: a template error for this reader.
    Compose,
    /// A 5xx that says nothing more.
    Other,
}

impl FailureClass {
    /// The word the store and JSON output keep.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Mailbox => "mailbox",
            Self::Policy => "policy",
            Self::Content => "content",
            Self::Relay => "relay",
            Self::Compose => "compose",
            Self::Other => "other",
        }
    }

    /// Every class.
    pub const ALL: [Self; 7] = [Self::Address, Self::Mailbox, Self::Policy, Self::Content, Self::Relay, Self::Compose, Self::Other];

    /// From that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }

    /// What it means, for people.
    pub const fn says(self) -> &'static str {
        match self {
            Self::Address => "no such mailbox",
            Self::Mailbox => "the mailbox cannot take it for now",
            Self::Policy => "the receiver does not want mail from us",
            Self::Content => "the receiver does not want this message",
            Self::Relay => "the relay, or the way to it",
            Self::Compose => "the message could not be made",
            Self::Other => "refused without saying why",
        }
    }
}

/// What the other side said, or what happened instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// SMTP code; 0 when no reply was read.
    pub code: u16,
    /// Enhanced status code (RFC 3463), if given.
    pub enhanced: Option<String>,
    /// Text, joined by spaces, at most 500 characters, without control characters.
    pub text: String,
    /// The step it answered: `connect`, `ehlo`, `starttls`, `auth`, `mail`, `rcpt`, `data`, `final`.
    pub phase: &'static str,
}

/// What became of one Attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// 2xx after the final dot.
    Sent(Reply),
    /// 4xx, or the relay could not be reached: again later, after at least `retry_after` when it is known.
    Deferred {
        /// Whose fault.
        class: FailureClass,
        /// What was said.
        reply: Reply,
        /// Wait at least this long.
        retry_after: Option<Duration>,
    },
    /// 5xx.
    Failed {
        /// Whose fault.
        class: FailureClass,
        /// What was said.
        reply: Reply,
    },
    /// Cut after the final dot, before the answer was read.
    Unknown(Reply),
    /// Nothing left us: back to the queue, no Attempt counted.
    NotSent,
    /// Nothing left us, and its turn comes later: a pace or an allowance holds it back. No Attempt counted.
    Waits(Reply),
}
