//! Times as people type them: "2026-12-01 09:00", "tomorrow 09:00", "18:30"; always in the site's zone.

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _};
use chrono_tz::Tz;

use crate::model::Timestamp;

/// Reads `text` as a moment after `now` in `zone`; the error says what was expected.
pub fn parse(text: &str, zone: Tz, now: Timestamp) -> Result<Timestamp, String> {
    let wrong = || format!("{text:?} is not a time such as \"2026-12-01 09:00\", \"tomorrow 09:00\" or \"18:30\"");
    if let Ok(exact) = chrono::DateTime::parse_from_rfc3339(text) {
        return in_future(Timestamp::from_datetime(&exact), zone, now);
    }
    let today = now.in_zone(zone).date_naive();
    let text = text.trim().to_lowercase();
    let local = match text.rsplit_once(' ') {
        None => next_time(parse_time(&text).ok_or_else(wrong)?, today, zone, now)?,
        Some((day, time)) => parse_day(day.trim(), today).ok_or_else(wrong)?.and_time(parse_time(time).ok_or_else(wrong)?),
    };
    in_future(instant(local, zone)?, zone, now)
}

/// Today at that time, or tomorrow when it has passed.
fn next_time(time: NaiveTime, today: NaiveDate, zone: Tz, now: Timestamp) -> Result<NaiveDateTime, String> {
    let candidate = today.and_time(time);
    let passed = instant(candidate, zone)? <= now;
    Ok(if passed { candidate + Days::new(1) } else { candidate })
}

fn parse_day(day: &str, today: NaiveDate) -> Option<NaiveDate> {
    match day {
        "today" => Some(today),
        "tomorrow" => today.checked_add_days(Days::new(1)),
        _ => NaiveDate::parse_from_str(day, "%Y-%m-%d").ok().or_else(|| weekday(day, today)),
    }
}

/// The next such weekday, never today.
fn weekday(day: &str, today: NaiveDate) -> Option<NaiveDate> {
    use chrono::Datelike as _;
    let wanted: chrono::Weekday = day.parse().ok()?;
    (1..=7).filter_map(|n| today.checked_add_days(Days::new(n))).find(|date| date.weekday() == wanted)
}

fn parse_time(time: &str) -> Option<NaiveTime> {
    NaiveTime::parse_from_str(time, "%H:%M").or_else(|_| NaiveTime::parse_from_str(time, "%H:%M:%S")).ok()
}

/// The instant of a wall-clock time; in a gap there is none, in a fold the first is meant.
fn instant(local: NaiveDateTime, zone: Tz) -> Result<Timestamp, String> {
    let found = zone.from_local_datetime(&local).earliest();
    found.map(|at| Timestamp::from_datetime(&at)).ok_or_else(|| format!("{local} does not exist in {zone}: the clocks go forward then"))
}

fn in_future(at: Timestamp, zone: Tz, now: Timestamp) -> Result<Timestamp, String> {
    if at <= now {
        return Err(format!("{} is in the past", at.in_zone(zone).format("%a %-d %b %Y %H:%M %Z")));
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Result<String, String> {
        let now = Timestamp::from_datetime(&chrono::DateTime::parse_from_rfc3339("2026-11-22T18:22:00+01:00").unwrap());
        parse(text, chrono_tz::Europe::Paris, now).map(|at| at.in_zone(chrono_tz::Europe::Paris).to_rfc3339())
    }

    #[test]
    fn times_are_meant_in_the_sites_zone_and_in_the_future() {
        assert_eq!(at("tomorrow 09:00").unwrap(), "2026-11-23T09:00:00+01:00");
        assert_eq!(at("2026-12-01 09:00").unwrap(), "2026-12-01T09:00:00+01:00");
        assert_eq!(at("2027-07-01 09:00").unwrap(), "2027-07-01T09:00:00+02:00");
        assert_eq!(at("18:30").unwrap(), "2026-11-22T18:30:00+01:00");
        assert_eq!(at("08:30").unwrap(), "2026-11-23T08:30:00+01:00");
        assert_eq!(at("Sunday 08:30").unwrap(), "2026-11-29T08:30:00+01:00");
        assert_eq!(at("2026-12-01T09:00:00Z").unwrap(), "2026-12-01T10:00:00+01:00");
    }

    #[test]
    fn what_is_past_impossible_or_unreadable_is_said_in_words() {
        assert!(at("2026-11-01 09:00").unwrap_err().contains("in the past"));
        assert!(at("2027-03-28 02:30").unwrap_err().contains("clocks go forward"));
        assert!(at("soon").unwrap_err().contains("tomorrow 09:00"));
        assert!(at("2026-13-01 09:00").unwrap_err().contains("is not a time"));
    }
}
