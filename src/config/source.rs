//! The text faults are drawn from, and the faults found so far. Secrets are masked before any fault can quote them.

use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;

use super::tree::{Entry, Origin, Value};
use crate::model::fault::Place;
use crate::model::{Fault, Faults};

/// The file being read. Shared by every reader, hence the cell.
pub(super) struct Source<'a> {
    pub file: &'a Path,
    /// The file's text with every secret starred out, byte for byte, so that spans still fit.
    shown: String,
    faults: RefCell<Faults>,
}

impl<'a> Source<'a> {
    /// A source whose lines that look like secrets are masked, even when the file cannot be parsed.
    pub fn new(file: &'a Path, text: &str) -> Self {
        let mut shown = text.as_bytes().to_vec();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            if let Some(value) = secret_value(line) {
                star(&mut shown, start + value..start + line.len());
            }
            mask_url_passwords(&mut shown, line, start);
            start += line.len();
        }
        Self { file, shown: into_text(shown), faults: RefCell::default() }
    }

    /// Masks every secret value of the parsed tree, however many lines it has.
    pub fn mask(&mut self, entries: &[Entry]) {
        let mut shown = std::mem::take(&mut self.shown).into_bytes();
        mask_entries(&mut shown, entries);
        self.shown = into_text(shown);
    }

    /// Keeps `fault`, placed at `origin`; a fault of a variable names it in place of a line.
    pub fn report(&self, fault: Fault, origin: &Origin) {
        let placed = match origin {
            Origin::File(span) => fault.at(self.file, &self.shown, span.clone()),
            Origin::Absent => fault.in_file(self.file),
            Origin::Variable(name) => {
                let message = format!("{name}: {}", fault.message);
                Fault { message, ..fault }
            }
        };
        self.faults.borrow_mut().push(placed);
    }

    /// The place of these bytes of the file; none of what does not stand in it.
    pub fn place(&self, origin: &Origin) -> Option<Place> {
        let Origin::File(span) = origin else { return None };
        Fault::error("place", "").at(self.file, &self.shown, span.clone()).place
    }

    /// Keeps a fault that has its place, or none.
    pub fn push(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    /// Everything found: first what has no line, then from the top of the file to its end.
    pub fn into_faults(self) -> Faults {
        let mut faults = self.faults.into_inner();
        faults.0.sort_by_key(|fault| fault.place.as_ref().map_or((0, 0), |place| (place.line, place.column)));
        faults
    }
}

/// Whether the value under this key must not be shown, also when the key is misspelt. `password_file` is a path, not a secret.
fn is_secret_key(key: &str) -> bool {
    let key = key.trim().trim_matches('"').to_ascii_lowercase();
    let near = |word: &str| key.contains(word) || strsim::jaro_winkler(&key, word) > 0.85;
    // A private key has no key in this file, which does not stop people from pasting one.
    !key.ends_with("_file") && (key.ends_with("key") || ["pass", "password", "secret", "token"].iter().any(|word| near(word)))
}

/// Where on this line a secret's value begins, if it holds one. The line may be broken TOML, so this goes by words.
fn secret_value(line: &str) -> Option<usize> {
    let mut equals = line.match_indices('=').map(|(at, _)| at);
    let key = |at: usize| line[..at].trim_end().rsplit([' ', '\t', ',', '{', '.']).next().unwrap_or_default();
    equals.find(|at| is_secret_key(key(*at))).map(|at| at + 1)
}

fn mask_entries(shown: &mut [u8], entries: &[Entry]) {
    for entry in entries {
        if let (true, Origin::File(span)) = (is_secret_key(&entry.key), &entry.node.origin) {
            star(shown, span.clone());
        }
        match &entry.node.value {
            Value::Table(inner) => mask_entries(shown, inner),
            Value::Array(items) => {
                for item in items {
                    if let Value::Table(inner) = &item.value {
                        mask_entries(shown, inner);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Masks `secret` in every `scheme://user:secret@host` of the line, and in a `url` that forgot its scheme.
fn mask_url_passwords(shown: &mut [u8], line: &str, line_start: usize) {
    let mut from = match line.split_once('=') {
        Some((key, rest)) if key.trim() == "url" && !rest.contains("://") => {
            mask_userinfo(shown, line, line_start, key.len() + 1);
            return;
        }
        _ => 0,
    };
    while let Some(start) = line[from..].find("://").map(|at| from + at + 3) {
        mask_userinfo(shown, line, line_start, start);
        from = start;
    }
}

/// Masks what stands between the first `:` and the last `@` of the word that begins at `start`.
fn mask_userinfo(shown: &mut [u8], line: &str, line_start: usize, start: usize) {
    let word = line[start..].trim_start_matches([' ', '"', '\'']);
    let start = line.len() - word.len();
    let word = word.split(['"', '\'', ' ', '\n']).next().unwrap_or_default();
    if let (Some(colon), Some(at)) = (word.find(':'), word.rfind('@')) {
        star(shown, line_start + start + colon + 1..line_start + start + at);
    }
}

/// Replaces bytes by `*`, one for one; line breaks stay, so that line numbers do.
fn star(shown: &mut [u8], span: Range<usize>) {
    let end = span.end.min(shown.len());
    let start = span.start.min(end);
    for byte in &mut shown[start..end] {
        if !matches!(*byte, b'\n' | b'\r') {
            *byte = b'*';
        }
    }
}

/// Stars replace whole characters, so this only ever copies.
fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
