//! Segment: which people are meant, in a small language of tests joined by `and`, `or` and `not`:
//! `tz = "Europe/*" and joined > 2026-01-01 and not tag:vip`. docs/segments.md has every field and operator.
//!
//! A segment is parsed once and says nothing about how people are kept. What it means at a moment is a [`Condition`]: the store turns that into bound
//! values, and whoever wants to know can evaluate it by hand.

mod lex;
mod parse;

use std::fmt;
use std::path::Path;

use chrono::{Days, Months, NaiveDate};
use chrono_tz::Tz;

use super::fault::Fault;
use super::list::ListId;
use super::subscriber::SubscriptionState;
use super::time::Timestamp;

/// A segment as somebody wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    text: String,
    meant: Condition<When>,
}

impl Segment {
    /// Parses an expression; `lists` are the ids it may name. The fault points at its column; `file` is what it is shown under.
    pub fn parse(text: &str, file: &Path, lists: &[&str]) -> Result<Self, Fault> {
        parse::parse(text, lists).map(|meant| Self { text: text.to_owned(), meant }).map_err(|error| {
            let fault = Fault::error("segment", error.message).at(file, text, error.span);
            match error.hint {
                Some(hint) => fault.hint(hint),
                None => fault,
            }
        })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it means at `now`, with days as they are in `zone`.
    pub fn at(&self, now: Timestamp, zone: Tz) -> Condition {
        self.meant.map(&|when: &When| when.span(now, zone))
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whom a segment means. `D` is how its dates are told: as spans of time, once the moment is known.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition<D = Span> {
    /// All of these hold.
    All(Vec<Self>),
    /// One of these holds.
    Any(Vec<Self>),
    /// This does not hold.
    Not(Box<Self>),
    /// A text of the person; one that is not known is empty.
    Text(TextField, Pattern),
    /// An attribute as text: numbers and `true` and `false` as they are written; one that is not there is empty.
    Attribute(String, Pattern),
    /// An attribute as a number; one that is none, or not there, does not compare.
    Number(String, Compare, Decimal),
    /// How many Issues were sent to them.
    Sent(Compare, i64),
    /// A date of the person.
    Date(DateField, D),
    /// One of their tags.
    Tag(Pattern),
    /// Where they stand with a List.
    On(ListId, SubscriptionState),
    /// Their address is suppressed.
    Suppressed,
}

impl<D> Condition<D> {
    /// The same with other dates.
    fn map<E>(&self, date: &impl Fn(&D) -> E) -> Condition<E> {
        let all = |inner: &[Self]| inner.iter().map(|one| one.map(date)).collect();
        match self {
            Self::All(inner) => Condition::All(all(inner)),
            Self::Any(inner) => Condition::Any(all(inner)),
            Self::Not(inner) => Condition::Not(Box::new(inner.map(date))),
            Self::Text(field, pattern) => Condition::Text(*field, pattern.clone()),
            Self::Attribute(key, pattern) => Condition::Attribute(key.clone(), pattern.clone()),
            Self::Number(key, compare, number) => Condition::Number(key.clone(), *compare, number.clone()),
            Self::Sent(compare, n) => Condition::Sent(*compare, *n),
            Self::Date(field, when) => Condition::Date(*field, date(when)),
            Self::Tag(pattern) => Condition::Tag(pattern.clone()),
            Self::On(list, state) => Condition::On(list.clone(), *state),
            Self::Suppressed => Condition::Suppressed,
        }
    }
}

/// A text of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextField {
    /// The address.
    Email,
    /// What stands behind its `@`.
    Domain,
    /// The name.
    Name,
    /// The language tag.
    Language,
    /// The IANA zone.
    Timezone,
}

/// A date of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateField {
    /// When we first heard of them.
    Joined,
    /// When they confirmed, first of all Lists they are on.
    Confirmed,
    /// When an Issue was last sent to them.
    LastSent,
}

/// How numbers compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

impl Compare {
    /// As it is written.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        }
    }

    /// Whether it holds between two numbers.
    pub fn holds<N: PartialOrd>(self, left: N, right: N) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
        }
    }
}

/// A text in which every `*` stands for any text, also none. Capitals of a-z do not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// From what was written.
    pub fn new(text: &str) -> Self {
        let mut pattern = text.to_ascii_lowercase();
        while pattern.contains("**") {
            pattern = pattern.replace("**", "*");
        }
        Self(pattern)
    }

    /// In lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A number with at most 18 digits before and behind its point, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal(String);

impl Decimal {
    /// Digits that compare exactly, or nearly so, on every engine.
    pub const DIGITS_MAX: usize = 18;

    /// From what was written: `-12`, `3.5`.
    pub fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let fits = |digits: &str| (1..=Self::DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        (fits(whole) && fits(fraction)).then(|| Self(text.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// When something happened: not before `from`, and before `until`, each when given; or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Within these ends.
    Within {
        /// Not before this.
        from: Option<Timestamp>,
        /// Before this.
        until: Option<Timestamp>,
    },
    /// It did not happen.
    Never,
}

/// A date as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Day(Compare, NaiveDate),
    Ago { is_before: bool, n: u32, unit: Unit },
    Never,
}

/// A length of time that people say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl When {
    fn span(&self, now: Timestamp, zone: Tz) -> Span {
        let (from, until) = match *self {
            Self::Never => return Span::Never,
            Self::Day(compare, day) => {
                let start = start_of(day, zone);
                let end = day.checked_add_days(Days::new(1)).map_or(start, |next| start_of(next, zone));
                match compare {
                    Compare::Equal => (Some(start), Some(end)),
                    Compare::Less => (None, Some(start)),
                    Compare::AtMost => (None, Some(end)),
                    Compare::More => (Some(end), None),
                    Compare::AtLeast => (Some(start), None),
                }
            }
            Self::Ago { is_before, n, unit } => {
                let then = unit.before(now, n, zone);
                if is_before { (None, Some(then)) } else { (Some(then), None) }
            }
        };
        Span::Within { from, until }
    }
}

impl Unit {
    /// So long before `now`: days and longer by the calendar of `zone`. Beyond the calendar it is its beginning.
    fn before(self, now: Timestamp, n: u32, zone: Tz) -> Timestamp {
        let local = now.in_zone(zone);
        let then = match self {
            Self::Hour => return Timestamp(now.0.saturating_sub(i64::from(n).saturating_mul(3_600_000_000))),
            Self::Day => local.checked_sub_days(Days::new(u64::from(n))),
            Self::Week => local.checked_sub_days(Days::new(u64::from(n) * 7)),
            Self::Month => local.checked_sub_months(Months::new(n)),
            Self::Year => n.checked_mul(12).and_then(|months| local.checked_sub_months(Months::new(months))),
        };
        match then {
            Some(then) => Timestamp::from_datetime(&then),
            // A local time that does not exist, in the hour that summer time skips, or a date before all calendars.
            None if n < 36_500 => Timestamp(now.0 - i64::from(n) * self.micros()),
            None => Timestamp(i64::MIN),
        }
    }

    /// About so long.
    const fn micros(self) -> i64 {
        let hours = match self {
            Self::Hour => 1,
            Self::Day => 24,
            Self::Week => 7 * 24,
            Self::Month => 30 * 24,
            Self::Year => 365 * 24,
        };
        hours * 3_600_000_000
    }
}

/// The first instant of a day in `zone`; where midnight does not exist, the first that does.
fn start_of(day: NaiveDate, zone: Tz) -> Timestamp {
    let midnight = day.and_time(chrono::NaiveTime::MIN);
    let hours = (0..4).map(|hour| midnight + chrono::TimeDelta::hours(hour));
    let first = hours.filter_map(|time| time.and_local_timezone(zone).earliest()).next();
    first.map_or_else(|| Timestamp::from_datetime(&midnight.and_utc()), |at| Timestamp::from_datetime(&at))
}
