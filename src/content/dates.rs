//! Dates as people and other generators write them.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;

/// Local date-time forms, all with the separator `T` made a space.
const LOCAL_FORMS: [&str; 3] = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d %H"];
/// The same with an offset at the end.
const OFFSET_FORMS: [&str; 4] = ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z", "%Y-%m-%d %H:%M%#z", "%Y-%m-%d %H:%M %#z"];
/// What a person may write instead of a broken date.
pub const HINT: &str = "write it as 2026-11-22, 2026-11-22 09:00 or 2026-11-22T09:00:00+01:00";

/// Reads a date; one that names no zone is meant in `zone`.
pub fn parse(text: &str, zone: Tz) -> Option<DateTime<FixedOffset>> {
    let text = text.trim();
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at);
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return midnight(date, zone);
    }
    let spaced = text.replacen(['T', 't'], " ", 1).replace(['Z', 'z'], "+00:00");
    if let Some(local) = LOCAL_FORMS.iter().find_map(|form| NaiveDateTime::parse_from_str(&spaced, form).ok()) {
        return in_zone(local, zone);
    }
    OFFSET_FORMS.iter().find_map(|form| DateTime::parse_from_str(&spaced, form).ok())
}

/// The first instant of a day in `zone`.
pub fn midnight(date: NaiveDate, zone: Tz) -> Option<DateTime<FixedOffset>> {
    in_zone(date.and_hms_opt(0, 0, 0)?, zone)
}

/// A wall-clock time as an instant: the first of two when clocks go back, an hour later when the hour does not exist.
fn in_zone(local: NaiveDateTime, zone: Tz) -> Option<DateTime<FixedOffset>> {
    let found =
        zone.from_local_datetime(&local).earliest().or_else(|| zone.from_local_datetime(&(local + TimeDelta::hours(1))).earliest())?;
    Some(found.fixed_offset())
}
