//! When a Source is asked again: never sooner than it allows, and later and later while it fails.

use std::time::Duration;

use chrono::{DateTime, Datelike as _, NaiveDateTime, Timelike as _};

use super::reader::Feed;
use crate::model::Timestamp;
use crate::model::source::EVERY_MAX;
use crate::store::sources::Asked;

/// However long a Source would have us wait, it is asked once a day.
pub const WAIT_MAX: Duration = Duration::from_secs(24 * 3_600);
/// A wait grows by up to this part of itself, so that a thousand sources that were added together are not asked together.
const JITTER: f64 = 0.1;
/// Failures in a row after which waiting grows no more: two to the sixth of the usual time.
const DOUBLINGS_MAX: u32 = 6;
/// What follows "skip" ends with an hour. Sources spread over so much of the next one.
const SPREAD: Duration = Duration::from_secs(600);

/// The hours and days a feed asks to be spared are those of a week.
const SKIPPED_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

/// What an answer, and the feed in it, say about asking again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `Cache-Control: max-age`.
    pub max_age: Option<Duration>,
    /// `Expires`, by our clock or by the server's, whichever is later.
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
    ///
    /// A copy that came from a cache has an `Age`, and RFC 9111 would count it against `max-age`. We do not: asking later than we might is polite.
    pub fn of_headers<'h>(get: impl Fn(&str) -> Option<&'h str>, now: Timestamp) -> Self {
        let date = |name: &str| get(name).and_then(http_date);
        let retry_after = get("retry-after").and_then(|text| seconds(text).or_else(|| http_date(text).map(|at| at.since(now))));
        // A server whose clock is wrong still means what lies between its two dates.
        let by_its_clock = |expires: Timestamp| date("date").map_or(now, |date| now.plus(expires.since(date)));
        let expires = date("expires").map(|expires| expires.max(by_its_clock(expires)));
        Self { max_age: get("cache-control").and_then(max_age), expires, retry_after, ..Self::default() }
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

/// The longest that a Source waits: one that would be asked only after that was put off by a wrong clock.
pub fn wait_max() -> Duration {
    let wait = EVERY_MAX.max(WAIT_MAX);
    wait + wait.mul_f64(JITTER) + SKIPPED_MAX + SPREAD
}

/// When a Source is asked again after this; `failures` came in a row before it.
pub fn next(every: Duration, wishes: &Wishes, asked: &Asked, failures: i64, roll: f64, now: Timestamp) -> Timestamp {
    if asked.failed {
        after_failure(every, wishes, u32::try_from(failures).unwrap_or_default().saturating_add(1), roll, now)
    } else {
        after_answer(every, wishes, roll, now)
    }
}

/// `max-age=600`; `no-cache`, `no-store` and `max-age=0` ask for nothing. Of several the longest counts.
fn max_age(value: &str) -> Option<Duration> {
    let directives = value.split(',').filter_map(|one| one.split_once('='));
    let named = directives.filter(|(name, _)| name.trim().eq_ignore_ascii_case("max-age"));
    named.filter_map(|(_, secs)| seconds(secs.trim().trim_matches('"'))).max()
}

/// A number of seconds; one too large to be read is large all the same.
fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

/// A date of HTTP, in any of its three forms. `0` and `-1`, which servers write for "expired", are none.
fn http_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let old = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let modern = DateTime::parse_from_rfc2822(text).ok().map(|at| Timestamp::from_datetime(&at));
    modern.or_else(|| {
        old.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).map(|at| Timestamp::from_datetime(&at.and_utc()))
    })
}

/// When a Source that answered is asked again. `roll` is a random number from 0 to 1.
pub fn after_answer(every: Duration, wishes: &Wishes, roll: f64, now: Timestamp) -> Timestamp {
    after(every, wishes, roll, now)
}

/// When a Source that failed so many times in a row is asked again.
pub fn after_failure(every: Duration, wishes: &Wishes, failures: u32, roll: f64, now: Timestamp) -> Timestamp {
    let doubled = every.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(DOUBLINGS_MAX)));
    after(doubled.min(WAIT_MAX), wishes, roll, now)
}

/// Never sooner than `wait`, nor than the longest of what is wished, up to a day; then out of the hours and days a feed asks to be spared.
fn after(wait: Duration, wishes: &Wishes, roll: f64, now: Timestamp) -> Timestamp {
    let until = wishes.expires.map(|at| at.since(now));
    let wished = [wishes.max_age, until, wishes.retry_after, wishes.ttl].into_iter().flatten().max().unwrap_or_default();
    let (wait, roll) = (wait.min(EVERY_MAX).max(wished.min(WAIT_MAX)), roll.clamp(0.0, 1.0));
    out_of_skipped(now.plus(wait + wait.mul_f64(JITTER * roll)), wishes, roll)
}

/// The first moment that falls into none of the hours and days a feed asks to be spared, and a little later. One that spares itself whole is not obeyed.
fn out_of_skipped(at: Timestamp, wishes: &Wishes, roll: f64) -> Timestamp {
    let is_skipped = |at: Timestamp| {
        let at = at.utc();
        // Some count the hours from 1 to 24.
        wishes.skip_hours.iter().any(|hour| hour % 24 == at.hour()) || wishes.skip_days.contains(&at.weekday().num_days_from_monday())
    };
    if !is_skipped(at) {
        return at;
    }
    let next_hour = |at: Timestamp| Timestamp::from_secs((at.secs().div_euclid(3_600) + 1) * 3_600);
    let hours = usize::try_from(SKIPPED_MAX.as_secs() / 3_600).unwrap_or_default();
    let mut week = std::iter::successors(Some(next_hour(at)), |at| Some(next_hour(*at))).take(hours);
    week.find(|at| !is_skipped(*at)).map_or(at, |free| free.plus(SPREAD.mul_f64(roll)))
}
