//! The text faults are drawn from, and the faults found so far. Secrets are masked before any fault can quote them.

use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;

use super::tree::{Entry, Origin, Value};
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
            if let Some((key, _)) = line.split_once('=').filter(|(key, _)| is_secret_key(key)) {
                star(&mut shown, start + key.len() + 1..start + line.len());
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
            Origin::Variable(name) => {
                let message = format!("{name}: {}", fault.message);
                Fault { message, ..fault }
            }
        };
        self.faults.borrow_mut().push(placed);
    }

    /// Keeps a fault that has its place, or none.
    pub fn push(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    /// Everything found.
    pub fn into_faults(self) -> Faults {
        self.faults.into_inner()
    }
}

/// Whether the value under this key must not be shown. `password_file` is a path, not a secret.
fn is_secret_key(key: &str) -> bool {
    let key = key.trim().trim_matches('"').to_ascii_lowercase();
    !key.ends_with("_file") && !key.starts_with('#') && ["pass", "secret", "token"].iter().any(|word| key.contains(word))
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

/// Masks `secret` in every `scheme://user:secret@host` of the line.
fn mask_url_passwords(shown: &mut [u8], line: &str, line_start: usize) {
    let mut from = 0;
    while let Some(scheme) = line[from..].find("://").map(|at| from + at + 3) {
        let end = line[scheme..].find(['"', '\'', ' ', '\n']).map_or(line.len(), |at| scheme + at);
        let userinfo = line[scheme..end].rfind('@').map(|at| scheme..scheme + at);
        if let Some(userinfo) = userinfo
            && let Some(colon) = line[userinfo.clone()].find(':')
        {
            star(shown, line_start + userinfo.start + colon + 1..line_start + userinfo.end);
        }
        from = end;
    }
}

/// Replaces bytes by `*`, one for one; line breaks stay, so that line numbers do.
fn star(shown: &mut [u8], span: Range<usize>) {
    let end = span.end.min(shown.len());
    for byte in &mut shown[span.start.min(end)..end] {
        if !matches!(*byte, b'\n' | b'\r') {
            *byte = b'*';
        }
    }
}

/// Stars replace whole characters, so this only ever copies.
fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
