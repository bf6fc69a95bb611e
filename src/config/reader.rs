//! A small reader over one table: it types what it is asked for, reports what does not fit, and remembers which keys
//! were asked for, so that [`Section::finish`] can name those nobody knows.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use super::source::Source;
use super::tree::{Entry, Node, Origin, Value};
use crate::model::Fault;
use crate::model::email::forbidden_in_header;
use crate::model::fault::Place;
pub(super) use crate::model::fault::nearest;

/// One table of the configuration.
pub(super) struct Section<'a> {
    source: &'a Source<'a>,
    /// As the user wrote it: `[site]`, `[[relay]]`.
    name: String,
    /// The header, for what is missing.
    pub origin: Origin,
    entries: &'a [Entry],
    asked: RefCell<Vec<&'static str>>,
}

/// A text and where it was written, for checks that come later.
#[derive(Debug, Clone)]
pub(super) struct Text<'a> {
    pub value: String,
    pub origin: &'a Origin,
}

impl<'a> Section<'a> {
    /// A reader over `entries`.
    pub fn new(source: &'a Source<'a>, name: &str, origin: Origin, entries: &'a [Entry]) -> Self {
        Self { source, name: name.to_owned(), origin, entries, asked: RefCell::default() }
    }

    /// The value under `key`, whatever it is.
    pub fn node(&self, key: &'static str) -> Option<&'a Node> {
        self.asked.borrow_mut().push(key);
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// A text with its place.
    pub fn text(&self, key: &'static str) -> Option<Text<'a>> {
        let node = self.node(key)?;
        match &node.value {
            Value::Text(value) | Value::Raw(value) => Some(Text { value: value.clone(), origin: &node.origin }),
            other => self.wrong_type(key, "a text", other, &node.origin),
        }
    }

    /// A text that ends up in headers and titles: one line, not empty.
    pub fn line(&self, key: &'static str) -> Option<String> {
        self.parsed(key, "bad-value", |text| {
            if text.trim().is_empty() {
                return Err(format!("{key} is empty"));
            }
            match text.chars().find(|&c| forbidden_in_header(c)) {
                Some(bad) => Err(format!("{key} must be one line; it contains {bad:?}")),
                None => Ok(text.trim().to_owned()),
            }
        })
    }

    /// The same where nothing, or an empty text, is fine.
    pub fn line_or_none(&self, key: &'static str) -> Option<String> {
        match &self.node(key)?.value {
            Value::Text(text) | Value::Raw(text) if text.trim().is_empty() => None,
            _ => self.line(key),
        }
    }

    /// A text that `parse` understands; what it says becomes a fault named `code`.
    pub fn parsed<T>(&self, key: &'static str, code: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(key)?;
        self.check(parse(&text.value), code, text.origin)
    }

    /// The value of `result`, or its reason as a fault at `origin`. A second line of the reason becomes the hint.
    pub fn check<T>(&self, result: Result<T, String>, code: &'static str, origin: &Origin) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(reason) => {
                let fault = match reason.split_once('\n') {
                    Some((message, hint)) => Fault::error(code, message).hint(hint),
                    None => Fault::error(code, reason),
                };
                self.source.report(fault, origin);
                None
            }
        }
    }

    /// What `read` gives for `key`; when the key is not there at all, that is a fault with `hint`.
    pub fn required<T>(&self, key: &'static str, hint: &str, read: impl FnOnce(&Self, &'static str) -> Option<T>) -> Option<T> {
        if !self.entries.iter().any(|entry| entry.key == key) {
            self.asked.borrow_mut().push(key);
            self.fault(Fault::error("missing-key", format!("{} has no {key}", self.name)).hint(format!("add {hint}")));
            return None;
        }
        read(self, key)
    }

    /// A whole number within `range`, or `default` when absent.
    pub fn count(&self, key: &'static str, default: usize, range: RangeInclusive<usize>) -> usize {
        let Some(node) = self.node(key) else { return default };
        let number = match &node.value {
            Value::Integer(number) => *number,
            Value::Raw(text) if text.trim().parse::<i64>().is_ok() => text.trim().parse().unwrap_or_default(),
            other => return self.wrong_type(key, "a whole number", other, &node.origin).unwrap_or(default),
        };
        match usize::try_from(number).ok().filter(|number| range.contains(number)) {
            Some(number) => number,
            None => {
                let message = format!("{key} must be between {} and {}, not {number}", range.start(), range.end());
                self.source.report(Fault::error("bad-value", message), &node.origin);
                default
            }
        }
    }

    /// `true` or `false`, or `default` when absent.
    pub fn flag(&self, key: &'static str, default: bool) -> bool {
        let Some(node) = self.node(key) else { return default };
        match &node.value {
            Value::Flag(flag) => *flag,
            Value::Raw(text) if text == "true" => true,
            Value::Raw(text) if text == "false" => false,
            other => self.wrong_type(key, "true or false", other, &node.origin).unwrap_or(default),
        }
    }

    /// An array of texts with their places; a variable gives them with commas between.
    pub fn texts(&self, key: &'static str) -> Vec<Text<'a>> {
        let Some(node) = self.node(key) else { return Vec::new() };
        match &node.value {
            Value::Array(items) => items.iter().filter_map(|item| self.array_text(key, item)).collect(),
            Value::Raw(text) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                items.map(|item| Text { value: item.to_owned(), origin: &node.origin }).collect()
            }
            other => {
                let hint = format!("write {key} = [\"…\"]");
                let message = format!("{key} must be an array of texts, not {}", other.kind());
                self.source.report(Fault::error("wrong-type", message).hint(hint), &node.origin);
                Vec::new()
            }
        }
    }

    fn array_text(&self, key: &'static str, item: &'a Node) -> Option<Text<'a>> {
        match &item.value {
            Value::Text(value) => Some(Text { value: value.clone(), origin: &item.origin }),
            other => self.wrong_type(key, "an array of texts", other, &item.origin),
        }
    }

    /// The texts alone.
    pub fn words(&self, key: &'static str) -> Vec<String> {
        self.texts(key).into_iter().map(|text| text.value).collect()
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)], default: T) -> T {
        let Some(text) = self.text(key) else { return default };
        self.choose(&text, key, choices).unwrap_or(default)
    }

    /// The choice that `text` names, or a fault that lists them.
    pub fn choose<T: Copy>(&self, text: &Text<'_>, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let found = choices.iter().find(|(word, _)| *word == text.value).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<String> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
            let hint = did_you_mean(&text.value, choices.iter().map(|(word, _)| *word));
            let message = format!("{key} is {}, not {:?}", words.join(" or "), text.value);
            self.source.report(with_hint(Fault::error("bad-value", message), hint), text.origin);
        }
        found
    }

    /// Reports a fault at the head of this table.
    pub fn fault(&self, fault: Fault) {
        self.source.report(fault, &self.origin);
    }

    /// The place of what was written at `origin`, if that is in the file.
    pub fn place(&self, origin: &Origin) -> Option<Place> {
        self.source.place(origin)
    }

    /// Reports a fault at `origin`.
    pub fn fault_at(&self, fault: Fault, origin: &Origin) {
        self.source.report(fault, origin);
    }

    /// Reports a fault that has its place inside a text: there, where config.toml has the text letter by letter, and otherwise beside it.
    pub fn fault_within(&self, fault: Fault, text: &Text<'_>) {
        let Some(place) = fault.place.clone() else { return self.source.report(fault, text.origin) };
        let at = |chars: usize| text.value.char_indices().nth(chars).map_or(text.value.len(), |(at, _)| at);
        match text.origin {
            Origin::File(span) if span.len() == text.value.len() + 2 && place.line == 1 => {
                let inner = span.start + 1 + at(place.column - 1)..span.start + 1 + at(place.column - 1 + place.length);
                self.source.report(fault, &Origin::File(inner));
            }
            origin => self.source.report(fault.label(format!("at {:?}, column {}", place.source, place.column)), origin),
        }
    }

    /// Names every key that was never asked for.
    pub fn finish(self) {
        let asked = self.asked.into_inner();
        for entry in self.entries.iter().filter(|entry| !asked.contains(&entry.key.as_str())) {
            let message = format!("{} has no key {:?}", self.name, entry.key);
            let hint = did_you_mean(&entry.key, asked.iter().copied()).unwrap_or_else(|| {
                let mut known = asked.clone();
                known.sort_unstable();
                known.dedup();
                format!("its keys are {}", known.join(", "))
            });
            self.source.report(Fault::error("unknown-key", message).hint(hint), &entry.key_origin);
        }
    }

    fn wrong_type<T>(&self, key: &str, wanted: &str, found: &Value, origin: &Origin) -> Option<T> {
        let message = match found {
            Value::Raw(text) => format!("{key} must be {wanted}, not {text:?}"),
            _ => format!("{key} must be {wanted}, not {}", found.kind()),
        };
        let fault = match (wanted, found) {
            ("a text", Value::Integer(_) | Value::Flag(_)) => Fault::error("wrong-type", message).hint("put it in double quotes"),
            _ => Fault::error("wrong-type", message),
        };
        self.source.report(fault, origin);
        None
    }
}

/// `did you mean "x"?` for the nearest candidate that is near enough to be a slip of the hand.
pub(super) fn did_you_mean<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<String> {
    nearest(word, candidates).map(|near| format!("did you mean {near:?}?"))
}

/// Adds a hint when there is one.
pub(super) fn with_hint(fault: Fault, hint: Option<String>) -> Fault {
    match hint {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}
