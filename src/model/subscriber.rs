//! Subscriber: a person, known by one address. Subscription: a Subscriber on a List.

use serde_json::{Map, Value};

use super::email::EmailAddress;
use super::time::Timestamp;

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
