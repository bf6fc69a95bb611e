//! Rhythm: how often a reader wants the mails of a List.

use chrono::Datelike as _;
use chrono_tz::Tz;

use super::time::Timestamp;

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rhythm {
    /// Every Issue when it is made.
    #[default]
    Each,
    /// Once a day.
    Daily,
    /// Once a week; weeks begin on Monday (ISO 8601).
    Weekly,
    /// Once a month.
    Monthly,
}

impl Rhythm {
    /// Every rhythm, from the fastest.
    pub const ALL: [Self; 4] = [Self::Each, Self::Daily, Self::Weekly, Self::Monthly];

    /// The number the store keeps.
    pub const fn code(self) -> i64 {
        match self {
            Self::Each => 0,
            Self::Daily => 1,
            Self::Weekly => 2,
            Self::Monthly => 3,
        }
    }

    /// From the store's number.
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|rhythm| rhythm.code() == code)
    }

    /// The word in forms, in config.toml and in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Each => "each",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
        }
    }

    /// From that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rhythm| rhythm.word() == word)
    }

    /// Whether `now` is the first time in its day, week or month in `zone`, when `last` was the time before.
    pub fn is_due(self, last: Option<Timestamp>, now: Timestamp, zone: Tz) -> bool {
        let period = |at: Timestamp| {
            let day = at.in_zone(zone).date_naive();
            match self {
                Self::Each => (0, 0),
                Self::Daily => (day.year(), day.ordinal()),
                Self::Weekly => (day.iso_week().year(), day.iso_week().week()),
                Self::Monthly => (day.year(), day.month()),
            }
        };
        self == Self::Each || last.is_none_or(|last| period(last) != period(now))
    }
}
