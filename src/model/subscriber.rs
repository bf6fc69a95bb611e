//! Subscriber: a person, known by one address. Subscription: a Subscriber on a List.

use serde_json::{Map, Value};

use super::email::{EmailAddress, forbidden_in_header};
use super::time::Timestamp;

/// Longest tag; longer ones are a sentence that got into the wrong column.
const TAG_CHARS_MAX: usize = 100;

/// The store's number for a Subscriber, made by the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct SubscriberId(pub i64);

/// A person, known by one address.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Subscriber {
    /// Number.
    pub id: SubscriberId,
    /// Address.
    pub email: EmailAddress,
    /// Name, already fit for a header.
    pub name: Option<String>,
    /// Everything else we were told: `city`, `plan` …; values are strings, numbers or booleans.
    pub attributes: Map<String, Value>,
    /// BCP 47 language.
    pub language: Option<String>,
    /// IANA zone.
    pub timezone: Option<String>,
    /// When we first heard of them.
    pub created_at: Timestamp,
}

/// Where a Subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubscriptionState {
    /// Asked to confirm.
    Pending,
    /// Gets mail.
    Confirmed,
    /// Left; only they can come back.
    Unsubscribed,
}

impl SubscriptionState {
    /// The number the store keeps.
    pub const fn code(self) -> i64 {
        match self {
            Self::Pending => 0,
            Self::Confirmed => 1,
            Self::Unsubscribed => 2,
        }
    }

    /// From the store's number.
    pub const fn from_code(code: i64) -> Option<Self> {
        match code {
            0 => Some(Self::Pending),
            1 => Some(Self::Confirmed),
            2 => Some(Self::Unsubscribed),
            _ => None,
        }
    }

    /// The word people read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Unsubscribed => "unsubscribed",
        }
    }
}

/// Parses a tag: one line, trimmed, at most 100 characters. Empty text is no tag.
pub fn parse_tag(text: &str) -> Result<Option<String>, String> {
    let text = text.trim();
    if let Some(bad) = text.chars().find(|&c| forbidden_in_header(c)) {
        return Err(format!("a tag cannot contain {bad:?}"));
    }
    match text.chars().count() {
        0 => Ok(None),
        1..=TAG_CHARS_MAX => Ok(Some(text.to_owned())),
        _ => Err(format!("a tag has at most {TAG_CHARS_MAX} characters")),
    }
}

/// When and how a person agreed to a List, as far as it was told.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Consent {
    /// What the other system says of where it came from: a page, a form, a campaign.
    pub source: Option<String>,
    /// When they asked for it.
    pub asked_at: Option<Timestamp>,
    /// From which address.
    pub asked_ip: Option<String>,
    /// When they confirmed that.
    pub confirmed_at: Option<Timestamp>,
    /// From which address.
    pub confirmed_ip: Option<String>,
    /// The words they were shown.
    pub wording: Option<String>,
}

impl Consent {
    /// Itself, or nothing when it says nothing.
    pub fn told(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }
}
