//! Schedule: a cron expression and the time zone in which it is meant.
//!
//! The expression is matched against wall-clock time and mapped to instants here, because cron 0.17 run in a zone
//! skips a daily 02:30 in spring and fires it twice in autumn. A gap gives the first valid instant after it; a fold
//! fires once, unless the expression runs hourly or finer, which runs in both (and has nothing to make up in a gap).

use std::collections::VecDeque;
use std::iter::Peekable;
use std::str::FromStr;

use chrono::offset::LocalResult;
use chrono::{NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

use super::time::Timestamp;

/// When something is due.
#[derive(Debug, Clone)]
pub struct Schedule {
    expression: String,
    zone: Tz,
    /// The same expression as the cron crate reads it, run on wall-clock time.
    wall: cron::Schedule,
    /// Whether it runs in every hour of a day it runs on.
    hourly: bool,
}

impl Schedule {
    /// Parses `sec min hour dom month dow` (or five fields, then second 0); weekdays 0-7 (0 and 7 are Sunday) or names.
    /// When both days are narrowed, both must match: `0 0 9 1-7 * Mon` is the first Monday of a month.
    /// A second line of the error is a hint.
    pub fn parse(expression: &str, zone: Tz) -> Result<Self, String> {
        let mut words: Vec<&str> = expression.split_whitespace().collect();
        if words.len() == 5 {
            words.insert(0, "0");
        }
        if words.len() != FIELDS.len() {
            let count = words.len();
            return Err(format!("a schedule has 6 fields (or 5, without the second), not {count}\n{EXAMPLE}"));
        }
        let sets = FIELDS.iter().zip(&words).map(|(field, word)| field.parse(word)).collect::<Result<Vec<Set>, String>>()?;
        refuse_impossible_days(sets[3], sets[4])?;
        let canonical: Vec<String> = FIELDS.iter().zip(&sets).map(|(field, set)| field.for_cron(*set)).collect();
        let wall =
            cron::Schedule::from_str(&canonical.join(" ")).map_err(|error| format!("the schedule cannot be read: {error}\n{EXAMPLE}"))?;
        Ok(Self { expression: expression.to_owned(), zone, wall, hourly: sets[2] == FIELDS[2].all() })
    }

    /// The expression as written.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// Its zone.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The due instants strictly after `after`, in order; may be endless.
    pub fn after(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        let local = after.in_zone(self.zone).naive_local();
        // Within a fold, moments that read earlier on the clock may still come: begin before the fold.
        let back = match self.zone.from_local_datetime(&local) {
            LocalResult::Ambiguous(first, second) => second - first,
            _ => TimeDelta::zero(),
        };
        let start = Utc.from_utc_datetime(&(local - back));
        let walls = self.wall.after_owned(start).map(|wall| wall.naive_utc());
        Instants { zone: self.zone, hourly: self.hourly, walls: walls.peekable(), second_pass: VecDeque::new(), last: after }
    }
}

/// The zone where every day begins first: a Schedule meant for each reader's own clock runs here, before it is that time anywhere.
pub const FIRST_ZONE: Tz = Tz::Etc__GMTMinus14;

/// When the clock of `zone` shows what that of `from` shows at `at`: the first time if twice, the end of the gap if never.
pub fn same_clock(at: Timestamp, from: Tz, zone: Tz) -> Timestamp {
    let wall = at.in_zone(from).naive_local();
    match zone.from_local_datetime(&wall) {
        LocalResult::Single(there) | LocalResult::Ambiguous(there, _) => Timestamp::from_datetime(&there),
        LocalResult::None => GapInfo::new(&wall, &zone).and_then(|gap| gap.end).map_or(at, |end| Timestamp::from_datetime(&end)),
    }
}

/// Wall-clock times as instants, in order, each once.
struct Instants<W: Iterator<Item = NaiveDateTime>> {
    zone: Tz,
    hourly: bool,
    walls: Peekable<W>,
    /// Instants of the second pass of a fold, not yet given.
    second_pass: VecDeque<Timestamp>,
    last: Timestamp,
}

impl<W: Iterator<Item = NaiveDateTime>> Instants<W> {
    /// The instant of the next wall-clock time, if it has one of its own.
    fn first_pass(&self, wall: NaiveDateTime) -> Option<Timestamp> {
        match self.zone.from_local_datetime(&wall) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(Timestamp::from_datetime(&at)),
            LocalResult::None if self.hourly => None,
            LocalResult::None => GapInfo::new(&wall, &self.zone).and_then(|gap| gap.end).map(|end| Timestamp::from_datetime(&end)),
        }
    }

    /// The next instant in order, which may be one that was given already.
    fn step(&mut self) -> Option<Timestamp> {
        loop {
            let Some(wall) = self.walls.peek().copied() else { return self.second_pass.pop_front() };
            let first = self.first_pass(wall);
            if let (Some(second), Some(first)) = (self.second_pass.front(), first)
                && *second <= first
            {
                return self.second_pass.pop_front();
            }
            self.walls.next();
            if let (true, LocalResult::Ambiguous(_, second)) = (self.hourly, self.zone.from_local_datetime(&wall)) {
                self.second_pass.push_back(Timestamp::from_datetime(&second));
            }
            if first.is_some() {
                return first;
            }
        }
    }
}

impl<W: Iterator<Item = NaiveDateTime>> Iterator for Instants<W> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        loop {
            let at = self.step()?;
            // Several moments of one gap fall on its end; they are one.
            if at > self.last {
                self.last = at;
                return Some(at);
            }
        }
    }
}

const EXAMPLE: &str = "write second minute hour day month weekday: \"0 0 9 * * Mon\" is Mondays at 9";
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// The most days each month can have.
const MONTH_DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// The values a field matches, one bit each.
type Set = u64;

/// One field of an expression.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names of the values, from `min`.
    names: &'static [&'static str],
}

const FIELDS: [Field; 6] = [
    Field { name: "second", min: 0, max: 59, names: &[] },
    Field { name: "minute", min: 0, max: 59, names: &[] },
    Field { name: "hour", min: 0, max: 23, names: &[] },
    Field { name: "day", min: 1, max: 31, names: &[] },
    Field { name: "month", min: 1, max: 12, names: &MONTHS },
    Field { name: "weekday", min: 0, max: 7, names: &WEEKDAYS },
];

impl Field {
    /// `*`, `a`, `a-b`, `*/n`, `a-b/n`, `a/n` (from a on), and several of them with commas.
    fn parse(&self, text: &str) -> Result<Set, String> {
        let mut set = 0;
        for item in text.split(',') {
            set |= self.item(item)?;
        }
        // Sunday is 0 and 7.
        Ok(if self.is_weekday() { (set | (set >> 7 & 1)) & 0b111_1111 } else { set })
    }

    fn item(&self, item: &str) -> Result<Set, String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step, item)?)),
            None => (item, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (self.min, self.last()),
            Some((first, last)) => (self.value(first)?, self.value(last)?),
            None if step.is_some() => (self.value(range)?, self.last()),
            None => (self.value(range)?, self.value(range)?),
        };
        self.span(first, last, step.unwrap_or(1), item)
    }

    /// Every `step`-th value from `first` to `last`. A week may run over its end: `Fri-Mon`.
    fn span(&self, first: u32, last: u32, step: usize, item: &str) -> Result<Set, String> {
        let last = if last < first && self.is_weekday() { last + 7 } else { last };
        if last < first {
            return Err(format!("the {} {item:?} runs backwards\nwrite the smaller value first, or two ranges with a comma", self.name));
        }
        let wrap = |value: u32| if self.is_weekday() { value % 7 } else { value };
        Ok((first..=last).step_by(step).fold(0, |set, value| set | 1 << wrap(value)))
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        let lower = text.to_lowercase();
        let is_name = |name: &&&str| lower.starts_with(**name) && self.long_name(name).starts_with(&lower);
        if let Some(name) = self.names.iter().find(is_name) {
            let index = self.names.iter().position(|other| other == name).unwrap_or(0);
            return Ok(self.min + u32::try_from(index).unwrap_or(0));
        }
        let number = text.parse::<u32>().ok().filter(|number| (self.min..=self.max).contains(number));
        number.ok_or_else(|| {
            let names = if self.names.is_empty() { String::new() } else { format!(" or {}", self.names.join(" ")) };
            format!("the {} cannot be {text:?}\nit is {} to {}{names}, or * for all", self.name, self.min, self.max)
        })
    }

    fn step(&self, text: &str, item: &str) -> Result<usize, String> {
        let wrong = || format!("the {} {item:?} has a step that is not a number from 1 to {}", self.name, self.max);
        text.parse::<usize>().ok().filter(|step| (1..=self.max as usize).contains(step)).ok_or_else(wrong)
    }

    /// The whole name, so that `Monday` is taken as `Mon` is and `Mont` is not.
    fn long_name(&self, short: &str) -> &'static str {
        const LONG: [&str; 19] = [
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
            "sunday",
            "monday",
            "tuesday",
            "wednesday",
            "thursday",
            "friday",
            "saturday",
        ];
        let mut names = LONG.into_iter();
        names.find(|name| name.starts_with(short)).unwrap_or_default()
    }

    fn is_weekday(&self) -> bool {
        self.names.len() == WEEKDAYS.len()
    }

    /// The last value of `*`: Sunday's second number is left out.
    fn last(&self) -> u32 {
        if self.is_weekday() { 6 } else { self.max }
    }

    /// Every value.
    fn all(&self) -> Set {
        (self.min..=self.last()).fold(0, |set, value| set | 1 << value)
    }

    /// The field as the cron crate reads it; it numbers weekdays from Sunday = 1.
    fn for_cron(&self, set: Set) -> String {
        if set == self.all() {
            return "*".to_owned();
        }
        let shift = u32::from(self.is_weekday());
        let values = (self.min..=self.last()).filter(|value| set >> value & 1 == 1);
        values.map(|value| (value + shift).to_string()).collect::<Vec<_>>().join(",")
    }
}

/// A day that no chosen month has would never come.
fn refuse_impossible_days(days: Set, months: Set) -> Result<(), String> {
    let first_day = days.trailing_zeros();
    let comes = MONTH_DAYS.iter().zip(1..).any(|(most, month)| months >> month & 1 == 1 && first_day <= *most);
    if comes { Ok(()) } else { Err(format!("day {first_day} never comes in that month\nchange the day or the month")) }
}
