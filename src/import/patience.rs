//! When a Source is asked again: never sooner than it allows, and later and later while it fails.

use std::time::Duration;

use chrono::{DateTime, Datelike as _, Timelike as _};

use super::reader::Feed;
use crate::model::Timestamp;
use crate::store::sources::Asked;

/// However long a Source would have us wait, it is asked once a day.
pub const WAIT_MAX: Duration = Duration::from_secs(24 * 3_600);
/// A wait grows by up to this part of itself, so that a thousand sources that were added together are not asked together.
const JITTER: f64 = 0.1;
/// Failures in a row after which waiting grows no more: two to the sixth of the usual time.
const DOUBLINGS_MAX: u32 = 6;

/// What an answer, and the feed in it, say about asking again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `Cache-Control: max-age`.
    pub max_age: Option<Duration>,
    /// `Expires`.
    pub expires: Option<Timestamp>,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// `<ttl>` and the like.
    pub ttl: Option<Duration>,
    /// Hours of the day, in GMT, in which the Source is not to be asked.
    pub skip_hours: Vec<u32>,
    /// Days of the week, from Monday = 0, on which it is not to be asked.
    pub skip_days: Vec<u32>,
}

impl Wishes {
    /// Reads an answer's headers; `get` gives the value of a header.
    pub fn of_headers<'h>(get: impl Fn(&str) -> Option<&'h str>, now: Timestamp) -> Self {
        let at = |text: &str| DateTime::parse_from_rfc2822(text.trim()).ok().map(|at| Timestamp::from_datetime(&at));
        let retry_after = get("retry-after").and_then(|text| match text.trim().parse::<u64>() {
            Ok(secs) => Some(Duration::from_secs(secs)),
            Err(_) => at(text).map(|at| at.since(now)),
        });
        Self { max_age: get("cache-control").and_then(max_age), expires: get("expires").and_then(at), retry_after, ..Self::default() }
    }
}

/// The first letters of the days of the week, from Monday.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Wishes {
    /// Adds what the feed itself says.
    pub fn of_feed(&mut self, feed: &Feed) {
        self.ttl = feed.ttl_minutes.map(|minutes| Duration::from_secs(u64::from(minutes) * 60));
        self.skip_hours = feed.skip_hours.iter().map(|hour| u32::from(*hour)).collect();
        let day = |name: &String| {
            let name = name.trim().to_lowercase();
            DAYS.iter().position(|day| name.starts_with(day)).and_then(|day| u32::try_from(day).ok())
        };
        self.skip_days = feed.skip_days.iter().filter_map(day).collect();
    }

    /// What the feed itself says, as the store keeps it: "unchanged" does not say it again.
    pub fn rests(&self) -> String {
        let rests = (self.ttl.map(|ttl| ttl.as_secs()), &self.skip_hours, &self.skip_days);
        serde_json::to_string(&rests).unwrap_or_default()
    }

    /// Adds what the feed said when it was read last.
    pub fn rest_as(&mut self, rests: Option<&str>) {
        let read = rests.and_then(|rests| serde_json::from_str::<(Option<u64>, Vec<u32>, Vec<u32>)>(rests).ok());
        if let Some((ttl, hours, days)) = read {
            (self.ttl, self.skip_hours, self.skip_days) = (ttl.map(Duration::from_secs), hours, days);
        }
    }
}

/// When a Source is asked again after this; `failures` came in a row before it.
pub fn next(every: Duration, wishes: &Wishes, asked: &Asked, failures: i64, roll: f64, now: Timestamp) -> Timestamp {
    if asked.failed {
        after_failure(every, wishes, u32::try_from(failures).unwrap_or_default().saturating_add(1), roll, now)
    } else {
        after_answer(every, wishes, roll, now)
    }
}

/// `max-age=600`; `no-cache`, `no-store` and `max-age=0` ask for nothing.
fn max_age(value: &str) -> Option<Duration> {
    let directives = value.split(',').filter_map(|one| one.trim().split_once('='));
    let (_, secs) = directives.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("max-age"))?;
    secs.trim().trim_matches('"').parse().ok().map(Duration::from_secs)
}

/// When a Source that answered is asked again. `roll` is a random number from 0 to 1.
pub fn after_answer(every: Duration, wishes: &Wishes, roll: f64, now: Timestamp) -> Timestamp {
    let until = wishes.expires.map(|at| at.since(now));
    let wished = [wishes.max_age, until, wishes.retry_after, wishes.ttl].into_iter().flatten().max().unwrap_or_default();
    let wait = every.max(wished.min(WAIT_MAX));
    out_of_skipped(now.plus(wait.mul_f64(1.0 + JITTER * roll.clamp(0.0, 1.0))), wishes)
}

/// When a Source that failed so many times in a row is asked again.
pub fn after_failure(every: Duration, wishes: &Wishes, failures: u32, roll: f64, now: Timestamp) -> Timestamp {
    let doubled = every.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(DOUBLINGS_MAX)));
    let wait = doubled.min(WAIT_MAX.max(every)).max(wishes.retry_after.unwrap_or_default().min(WAIT_MAX));
    now.plus(wait.mul_f64(1.0 + JITTER * roll.clamp(0.0, 1.0)))
}

/// The first moment that falls into none of the hours and days a feed asks to be spared. One that spares itself whole is not obeyed.
fn out_of_skipped(at: Timestamp, wishes: &Wishes) -> Timestamp {
    if wishes.skip_hours.is_empty() && wishes.skip_days.is_empty() {
        return at;
    }
    let is_skipped = |at: Timestamp| {
        let at = at.utc();
        wishes.skip_hours.contains(&at.hour()) || wishes.skip_days.contains(&at.weekday().num_days_from_monday())
    };
    let next_hour = |at: Timestamp| Timestamp::from_secs((at.secs() / 3_600 + 1) * 3_600);
    let week = std::iter::successors(Some(at), |at| Some(next_hour(*at))).take(7 * 24);
    week.into_iter().find(|at| !is_skipped(*at)).unwrap_or(at)
}
