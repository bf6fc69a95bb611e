//! Dates as feeds write them: RFC 822 with all its mistakes, RFC 3339, W3CDTF and the rest of ISO 8601, asctime, database
//! and slashed forms, and dates spelt out in a dozen languages.
//!
//! Two readers share the work: `iso` for what starts with a year and digits, `spelt` for everything else. A date without a
//! zone is in UTC, one without a time at midnight. What cannot be understood is no date: a wrong one would reorder a digest.

use chrono::{DateTime, Days, FixedOffset, NaiveDate, NaiveDateTime, TimeDelta, TimeZone};

use super::date_words::{half_of_day, month, zone};

/// Longest text that is looked at.
const LONGEST: usize = 100;

/// Reads a date.
pub fn parse(text: &str) -> Option<DateTime<FixedOffset>> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    iso(text).or_else(|| spelt(text))
}

/// Puts the parts together; `minutes_east` is the zone. What overflows (24:00, a leap second, 06:61) runs on, as in C's `mktime`.
fn assemble(date: NaiveDate, clock: Clock, minutes_east: i32) -> Option<DateTime<FixedOffset>> {
    if clock.hour > 29 || minutes_east.abs() >= 24 * 60 {
        return None;
    }
    let seconds = i64::from(clock.hour) * 3600 + i64::from(clock.minute) * 60 + i64::from(clock.second);
    let local: NaiveDateTime = date.and_hms_opt(0, 0, 0)?.checked_add_signed(TimeDelta::seconds(seconds))?;
    FixedOffset::east_opt(minutes_east * 60)?.from_local_datetime(&local).single()
}

/// A time of day.
#[derive(Debug, Clone, Copy, Default)]
struct Clock {
    hour: u32,
    minute: u32,
    second: u32,
}

/// A position in a text, with the few steps that both readers take.
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    /// Exactly `count` digits.
    fn digits(&mut self, count: usize) -> Option<u32> {
        let head = self.rest.get(..count)?;
        let value = head.bytes().all(|byte| byte.is_ascii_digit()).then(|| head.parse().ok())??;
        self.rest = &self.rest[count..];
        Some(value)
    }

    /// One digit or two.
    fn one_or_two(&mut self) -> Option<u32> {
        self.digits(2).or_else(|| self.digits(1))
    }

    /// How many digits come next.
    fn run(&self) -> usize {
        self.rest.bytes().take_while(u8::is_ascii_digit).count()
    }

    /// One of `signs`, if it comes next.
    fn sign(&mut self, signs: &[char]) -> Option<char> {
        let sign = self.rest.chars().next().filter(|c| signs.contains(c))?;
        self.rest = &self.rest[sign.len_utf8()..];
        Some(sign)
    }

    fn blank(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Letters up to the next thing that is none.
    fn word(&mut self) -> &'a str {
        let length = self.rest.find(|c: char| !c.is_alphabetic()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        word
    }

    /// `12:34`, `12:34:56`, `12:34:56.789`, `12.34.56`; the fraction is dropped.
    fn clock(&mut self) -> Option<Clock> {
        let hour = self.one_or_two()?;
        let separator = self.sign(&[':', '.'])?;
        let minute = self.one_or_two()?;
        let mut second = 0;
        if self.sign(&[separator]).is_some() {
            self.blank();
            second = self.one_or_two().unwrap_or(0);
        }
        if self.sign(&['.', ',']).is_some() {
            self.rest = &self.rest[self.run()..];
        }
        Some(Clock { hour, minute, second })
    }

    /// `+0100`, `-05:30`, `+1`: what follows the sign.
    fn offset(&mut self, sign: char) -> Option<i32> {
        let hours = if self.run() == 3 { self.digits(1)? } else { self.one_or_two()? };
        self.sign(&[':']);
        let minutes = self.digits(2).unwrap_or(0);
        let total = i32::try_from(hours * 60 + minutes).ok()?;
        Some(if sign == '-' { -total } else { total })
    }
}

/// ISO 8601 and its relatives.
fn iso(text: &str) -> Option<DateTime<FixedOffset>> {
    let mut at = Scanner { rest: text };
    let date = iso_date(&mut at)?;
    at.blank();
    if at.sign(&['T', 't']).is_some() {
        at.blank();
    }
    if at.rest.is_empty() {
        return assemble(date, Clock::default(), 0);
    }
    if at.sign(&['Z', 'z']).is_some() {
        return at.rest.is_empty().then(|| assemble(date, Clock::default(), 0))?;
    }
    let clock = iso_clock(&mut at)?;
    at.blank();
    let minutes = iso_zone(&mut at)?;
    assemble(date, clock, minutes)
}

fn iso_date(at: &mut Scanner) -> Option<NaiveDate> {
    match at.run() {
        8 => day_of(at.digits(4)?, at.digits(2)?, at.digits(2)?),
        7 => NaiveDate::from_yo_opt(i32::try_from(at.digits(4)?).ok()?, at.digits(3)?),
        6 => {
            // `200312` is a month of a year, `031231` a day: no month is called 31.
            let (first, second, third) = (at.digits(2)?, at.digits(2)?, at.digits(2)?);
            if matches!(first, 19 | 20) && (1..=12).contains(&third) {
                day_of(first * 100 + second, third, 1)
            } else {
                day_of(2000 + first, second, third)
            }
        }
        4 => iso_dashed(at),
        2 => {
            let short = at.digits(2)?;
            at.sign(&['-'])?;
            let month = at.digits(2)?;
            at.sign(&['-'])?;
            day_of(2000 + short, month, at.digits(2)?)
        }
        _ => None,
    }
}

/// `2003`, `2003-12`, `2003-12-31`, `2003/12/31`, `2003-365`, `2003-W52-3`.
fn iso_dashed(at: &mut Scanner) -> Option<NaiveDate> {
    let year = at.digits(4)?;
    let Some(separator) = at.sign(&['-', '/', '.', ':']) else {
        return day_of(year, 1, 1);
    };
    if at.sign(&['W', 'w']).is_some() {
        let week = at.digits(2)?;
        let day = at.sign(&['-']).and_then(|_| at.digits(1)).unwrap_or(1);
        let monday = NaiveDate::from_isoywd_opt(i32::try_from(year).ok()?, week, chrono::Weekday::Mon)?;
        return monday.checked_add_days(Days::new(u64::from(day.clamp(1, 7) - 1)));
    }
    if at.run() == 3 {
        return NaiveDate::from_yo_opt(i32::try_from(year).ok()?, at.digits(3)?);
    }
    let month = at.one_or_two()?;
    let day = if at.sign(&[separator]).is_some() { at.one_or_two()? } else { 1 };
    day_of(year, month, day)
}

/// A day; days and months that overflow run on into the next month and year, as C's `mktime` lets them.
fn day_of(year: u32, month: u32, day: u32) -> Option<NaiveDate> {
    if !(1..=19).contains(&month) || !(1..=39).contains(&day) || year == 0 {
        return None;
    }
    let year = year + (month - 1) / 12;
    let first = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, (month - 1) % 12 + 1, 1)?;
    first.checked_add_days(Days::new(u64::from(day - 1)))
}

fn iso_clock(at: &mut Scanner) -> Option<Clock> {
    match at.run() {
        4 => Some(Clock { hour: at.digits(2)?, minute: at.digits(2)?, second: 0 }),
        6 => {
            let clock = Clock { hour: at.digits(2)?, minute: at.digits(2)?, second: at.digits(2)? };
            if at.sign(&['.', ',']).is_some() {
                at.rest = &at.rest[at.run()..];
            }
            Some(clock)
        }
        1 | 2 => at.clock(),
        _ => None,
    }
}

/// The zone at the end: `Z`, an offset, a name, nothing; a name nobody knows is UTC. None before `PM`, which is no ISO date.
fn iso_zone(at: &mut Scanner) -> Option<i32> {
    at.sign(&['(']);
    if at.rest.is_empty() {
        return Some(0);
    }
    if let Some(sign) = at.sign(&['+', '-', '\u{2212}']) {
        return at.offset(if sign == '+' { '+' } else { '-' });
    }
    let mut word = at.word().to_lowercase();
    if half_of_day(&word).is_some() || at.rest.starts_with(".m") || at.rest.starts_with(".M") {
        return None;
    }
    if word == "etc" && at.sign(&['/']).is_some() {
        word = at.word().to_lowercase();
    }
    let base = zone(&word).unwrap_or(0);
    at.blank();
    match at.sign(&['+', '-']) {
        Some(sign) => Some(base + at.offset(sign)?),
        None => Some(base),
    }
}

/// What the parts of a spelt date turned out to be.
#[derive(Default)]
struct Parts {
    /// Numbers of the date in their order, with how many digits each had.
    numbers: Vec<(u32, usize)>,
    /// The sign after the first number: `/`, `.`, `-` or a blank.
    separator: Option<char>,
    month: Option<u32>,
    /// Whether the month's name came before any number.
    month_first: bool,
    clock: Option<Clock>,
    is_afternoon: Option<bool>,
    minutes_east: Option<i32>,
}

/// Dates with words in them, in whatever order.
fn spelt(text: &str) -> Option<DateTime<FixedOffset>> {
    let mut at = Scanner { rest: text };
    let mut parts = Parts::default();
    while !at.rest.is_empty() && parts.numbers.len() < 5 {
        step(&mut at, &mut parts)?;
    }
    let date = parts.date()?;
    let mut clock = parts.clock.unwrap_or_default();
    match parts.is_afternoon {
        Some(true) if clock.hour < 12 => clock.hour += 12,
        Some(false) if clock.hour == 12 => clock.hour = 0,
        _ => {}
    }
    assemble(date, clock, parts.minutes_east.unwrap_or(0))
}

/// Takes one piece off the text.
fn step(at: &mut Scanner, parts: &mut Parts) -> Option<()> {
    let first = at.rest.chars().next()?;
    if first.is_ascii_digit() {
        return number(at, parts);
    }
    if first.is_alphabetic() {
        word(at, parts);
        return Some(());
    }
    if matches!(first, '+' | '-')
        && (parts.clock.is_some() || parts.numbers.len() >= 3)
        && at.rest[1..].starts_with(|c: char| c.is_ascii_digit())
    {
        at.rest = &at.rest[1..];
        let minutes = at.offset(first)?;
        parts.minutes_east = Some(parts.minutes_east.unwrap_or(0) + minutes);
        return Some(());
    }
    if parts.numbers.len() == 1 && parts.separator.is_none() {
        parts.separator = Some(first);
    }
    at.rest = &at.rest[first.len_utf8()..];
    Some(())
}

fn number(at: &mut Scanner, parts: &mut Parts) -> Option<()> {
    let run = at.run();
    let after = at.rest[run..].chars().next();
    let is_clock =
        run <= 2 && parts.clock.is_none() && (after == Some(':') || (after == Some('.') && parts.has_date() && parts.month.is_some()));
    if is_clock {
        parts.clock = Some(at.clock()?);
        return Some(());
    }
    if parts.has_date() && parts.clock.is_some() && run == 4 && at.rest.starts_with('0') {
        // `0000`: a zone that lost its sign.
        at.rest = &at.rest[run..];
        return Some(());
    }
    if run > 4 {
        return None;
    }
    parts.numbers.push((at.digits(run)?, run));
    Some(())
}

fn word(at: &mut Scanner, parts: &mut Parts) {
    let word = at.word().to_lowercase();
    // `T` between date and time, weekdays, `st`, `th`, `de`, `um`, `klo`: whatever is none of these three says nothing.
    // `mar. 31 déc. 2003`: a month before the numbers that another one follows was a weekday.
    let is_open = parts.month.is_none() || (parts.month_first && parts.clock.is_none() && parts.numbers.len() == 1);
    if is_open
        && word.chars().count() >= 3
        && let Some(month) = month(&word)
    {
        parts.month = Some(month);
        parts.month_first = parts.numbers.is_empty();
    } else if let Some(half) = half_of_day(&word).or_else(|| dotted_half(at, &word)) {
        parts.is_afternoon = parts.is_afternoon.or(Some(half));
    } else if parts.clock.is_some() && parts.minutes_east.is_none() {
        parts.minutes_east = zone(&word);
    }
}

/// `p.m.`: the scanner stands behind the `p`.
fn dotted_half(at: &mut Scanner, word: &str) -> Option<bool> {
    let rest = at.rest.strip_prefix(".m").or_else(|| at.rest.strip_prefix(".M"))?;
    let half = half_of_day(&format!("{word}m"))?;
    at.rest = rest.strip_prefix('.').unwrap_or(rest);
    Some(half)
}

impl Parts {
    fn has_date(&self) -> bool {
        self.numbers.len() + usize::from(self.month.is_some()) >= 3
    }

    fn date(&self) -> Option<NaiveDate> {
        let numbers = &self.numbers;
        let (year, month, day) = match (self.month, numbers.as_slice()) {
            (Some(month), [first, second, ..]) => {
                let is_year_first = first.1 == 4 || (first.0 > 31 && second.0 <= 31);
                if is_year_first { (*first, month, second.0) } else { (*second, month, first.0) }
            }
            (Some(month), [year]) if year.1 == 4 => (*year, month, 1),
            (None, [first, second, third, ..]) => self.numeric(*first, *second, *third)?,
            _ => return None,
        };
        strict_day(full_year(year), month, day)
    }

    /// `2003/12/31`, `31.12.2003`, `12/31/2003`, `31/12/2003`: dots are European, slashes American unless that is impossible.
    fn numeric(&self, first: (u32, usize), second: (u32, usize), third: (u32, usize)) -> Option<((u32, usize), u32, u32)> {
        match self.separator {
            _ if first.1 == 4 => Some((first, second.0, third.0)),
            // The text of a syllabic language puts words between the numbers, always year first.
            Some('.' | '-') => Some((third, second.0, first.0)),
            Some('/') if first.0 > 12 => Some((third, second.0, first.0)),
            Some('/') => Some((third, first.0, second.0)),
            _ => None,
        }
    }
}

/// A day that exists.
fn strict_day(year: u32, month: u32, day: u32) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(i32::try_from(year).ok().filter(|year| *year > 0)?, month, day)
}

/// Years of two digits lie between 1990 and 2089; `103` is what programs wrote in 2003 that counted from 1900.
const fn full_year((year, digits): (u32, usize)) -> u32 {
    match (year, digits) {
        (0..90, 1 | 2) => year + 2000,
        (_, 1 | 2) => year + 1900,
        (100..200, 3) => year + 1900,
        _ => year,
    }
}
