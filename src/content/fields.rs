//! Taking typed values out of front matter; what has the wrong type becomes a fault at its place.

use std::ops::Range;
use std::path::Path;

use chrono::{DateTime, FixedOffset};
use chrono_tz::Tz;

use crate::model::{Fault, Severity};

use super::dates;
use super::value::{Node, Value};

/// More wrong letters than these are another word.
const SLIPS_MAX: usize = 3;

/// One file's front matter being read.
pub struct Fields<'a> {
    /// The file, for faults.
    pub file: &'a Path,
    /// Its text, for faults.
    pub text: &'a str,
    /// Zone of dates that name none.
    pub zone: Tz,
    /// What is wrong so far.
    pub faults: Vec<Fault>,
}

impl Fields<'_> {
    /// Adds an error at `span`.
    pub fn error(&mut self, code: &'static str, message: impl Into<String>, span: &Range<usize>, hint: impl Into<String>) {
        self.faults.push(Fault::error(code, message).at(self.file, self.text, span.clone()).hint(hint));
    }

    /// Adds a warning at `span`.
    pub fn warn(&mut self, code: &'static str, message: impl Into<String>, span: &Range<usize>, hint: impl Into<String>) {
        self.error(code, message, span, hint);
        if let Some(fault) = self.faults.last_mut() {
            fault.severity = Severity::Warning;
        }
    }

    fn wrong_type(&mut self, key: &str, node: &Node, wanted: &str) {
        let message = format!("`{key}` must be {wanted}, but is {}", node.kind());
        self.error("wrong-type", message, &node.span, format!("write {wanted}"));
    }

    /// Text, on one line; empty text counts as none.
    pub fn text(&mut self, key: &str, node: Option<&Node>) -> Option<String> {
        let node = node?;
        match &node.value {
            Value::Text(text) | Value::Number(text) => {
                Some(text.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty())
            }
            Value::Null => None,
            _ => {
                self.wrong_type(key, node, "text");
                None
            }
        }
    }

    /// A list of texts, or one text alone. A table stands for its `name` (Hugo's author).
    pub fn texts(&mut self, key: &str, node: Option<&Node>) -> Vec<String> {
        let Some(node) = node else { return Vec::new() };
        match &node.value {
            Value::List(items) => items.iter().flat_map(|item| self.texts(key, Some(item))).collect(),
            Value::Table(_) if node.get("name").is_some() => self.text(key, node.get("name")).into_iter().collect(),
            Value::Table(_) | Value::Bool(_) => {
                self.wrong_type(key, node, "a list of texts");
                Vec::new()
            }
            _ => self.text(key, Some(node)).into_iter().collect(),
        }
    }

    /// `true` or `false`; absent means false.
    pub fn flag(&mut self, key: &str, node: Option<&Node>) -> bool {
        match node.map(|node| (&node.value, node)) {
            None | Some((Value::Null, _)) => false,
            Some((Value::Bool(flag), _)) => *flag,
            Some((_, node)) => {
                self.wrong_type(key, node, "true or false");
                false
            }
        }
    }

    /// A date, with or without a time and a zone.
    pub fn date(&mut self, key: &str, node: Option<&Node>) -> Option<DateTime<FixedOffset>> {
        let node = node?;
        match &node.value {
            Value::Null => None,
            Value::Text(text) if text.trim().is_empty() => None,
            Value::Text(text) | Value::Number(text) => {
                let found = dates::parse(text, self.zone);
                if found.is_none() {
                    self.error("date-invalid", format!("`{key}` is not a date: {text}"), &node.span, dates::HINT);
                }
                found
            }
            _ => {
                self.error("date-invalid", format!("`{key}` must be a date, but is {}", node.kind()), &node.span, dates::HINT);
                None
            }
        }
    }
}

/// The word of `known` nearest to `wrong`, when it is near enough to be a slip.
pub fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let length = wrong.chars().count();
    let distance = |word: &'a str| {
        let slips_max = (word.chars().count() / 3).clamp(1, SLIPS_MAX);
        // Words of too different length need not be compared letter by letter.
        let comparable = word.chars().count().abs_diff(length) <= slips_max;
        let distance = comparable.then(|| strsim::damerau_levenshtein(&wrong, &word.to_lowercase()));
        distance.filter(|distance| *distance <= slips_max).map(|distance| (distance, word))
    };
    known.filter_map(distance).min().map(|(_, word)| word)
}
