//! Relative links in a mail lead nowhere: they are made absolute against the site's address.

use super::html::{Piece, escape_attribute, pieces};

/// Attributes that hold one address.
const ATTRIBUTES: [&str; 6] = ["href", "src", "background", "action", "poster", "cite"];

/// Where relative links are meant from.
#[derive(Debug, Clone)]
pub(super) struct Base {
    /// `https:`
    scheme: String,
    /// `https://example.org`
    origin: String,
    /// `https://example.org/blog/`
    directory: String,
}

impl Base {
    /// From the site's address, which ends in a slash.
    pub(super) fn new(url: &str) -> Self {
        let mut directory = String::new();
        escape_attribute(url, &mut directory);
        let scheme = directory.find("://").map_or(0, |i| i + 1);
        let origin = directory.get(scheme + 2..).and_then(|rest| rest.find('/')).map_or(directory.len(), |i| scheme + 2 + i);
        Self { scheme: directory[..scheme].to_owned(), origin: directory[..origin].to_owned(), directory }
    }

    /// How many bytes of the link `value` are dropped and what is put in their place; nothing when it is absolute.
    /// Only the beginning of the value is looked at, so that the rest may still be unknown.
    pub(super) fn prefix(&self, value: &str) -> Option<(usize, &str)> {
        let mut rest = value.trim_start_matches(|c: char| c.is_ascii_whitespace());
        if rest.is_empty() || rest.starts_with('#') || has_scheme(rest) {
            return None;
        }
        if rest.starts_with("//") {
            return Some((value.len() - rest.len(), &self.scheme));
        }
        if rest.starts_with('/') {
            return Some((value.len() - rest.len(), &self.origin));
        }
        while let Some(inner) = rest.strip_prefix("../").or_else(|| rest.strip_prefix("./")) {
            rest = inner;
        }
        Some((value.len() - rest.len(), &self.directory))
    }
}

impl Base {
    /// Whether what becomes of a link is already certain from its beginning, whatever follows.
    pub(super) fn is_decided(&self, head: &str) -> bool {
        let mut rest = head.trim_start_matches(|c: char| c.is_ascii_whitespace());
        if has_scheme(rest) || rest.starts_with('#') {
            return true;
        }
        if rest.starts_with('/') {
            return rest.len() > 1;
        }
        while let Some(inner) = rest.strip_prefix("../").or_else(|| rest.strip_prefix("./")) {
            rest = inner;
        }
        !rest.starts_with('.') && rest.contains(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)))
    }
}

/// Whether an address is absolute: letters, digits, `+`, `-` and `.` up to a colon.
fn has_scheme(value: &str) -> bool {
    let end = value.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).unwrap_or(value.len());
    value.starts_with(|c: char| c.is_ascii_alphabetic()) && value[end..].starts_with(':')
}

/// Whether `name` is an attribute that holds an address.
pub(super) fn is_link(name: &str) -> bool {
    ATTRIBUTES.contains(&name)
}

/// `html` (as css-inline writes it) with every relative link made absolute.
pub(super) fn absolute(html: &str, base: &Base) -> String {
    let mut out = String::with_capacity(html.len() + 256);
    let mut done = 0;
    for piece in pieces(html) {
        let Piece::Attribute { name, range } = piece else { continue };
        if !is_link(name) {
            continue;
        }
        if let Some((drop, prefix)) = base.prefix(&html[range.clone()]) {
            out.push_str(&html[done..range.start]);
            out.push_str(prefix);
            done = range.start + drop;
        }
    }
    out.push_str(&html[done..]);
    out
}
