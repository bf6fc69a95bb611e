//! A walk over HTML as css-inline writes it: every attribute quoted, every tag closed. Links and slots are found with it.

use std::ops::Range;

/// Elements whose content css-inline writes as it is, without escaping.
const RAW: [&str; 8] = ["style", "script", "xmp", "iframe", "noembed", "noframes", "plaintext", "noscript"];
/// Elements in which a line break or a blank may be dropped by the parser.
const FRAGILE: [&str; 3] = ["pre", "textarea", "listing"];

/// One piece of the document, with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text between tags; `fragile` names the element around it that treats blanks in its own way.
    Text { range: Range<usize>, fragile: Option<&'static str> },
    /// A tag without the values of its attributes: the markup itself.
    Tag { range: Range<usize> },
    /// The value of an attribute, without its quotes.
    Attribute { name: &'a str, range: Range<usize> },
    /// A comment, doctype or processing instruction.
    Comment { range: Range<usize> },
    /// The content of a style, script or other unescaped element.
    Raw { range: Range<usize> },
}

/// The pieces of `html`, in order; together they cover all of it but quotes.
pub(super) fn pieces(html: &str) -> Vec<Piece<'_>> {
    let mut walk = Walk { html, at: 0, fragile: Vec::new(), pieces: Vec::new() };
    while walk.at < html.len() {
        walk.step();
    }
    walk.pieces
}

struct Walk<'a> {
    html: &'a str,
    at: usize,
    fragile: Vec<&'static str>,
    pieces: Vec<Piece<'a>>,
}

impl<'a> Walk<'a> {
    fn step(&mut self) {
        let rest = &self.html[self.at..];
        if rest.starts_with("<!--") {
            let end = rest.find("-->").map_or(rest.len(), |i| i + 3);
            self.comment(end);
        } else if rest.starts_with("<!") || rest.starts_with("<?") {
            let end = rest.find('>').map_or(rest.len(), |i| i + 1);
            self.comment(end);
        } else if rest.starts_with('<') {
            self.tag();
        } else {
            let end = self.at + rest.find('<').unwrap_or(rest.len());
            let fragile = self.fragile.last().copied();
            self.pieces.push(Piece::Text { range: self.at..end, fragile });
            self.at = end;
        }
    }

    fn comment(&mut self, length: usize) {
        let end = self.at + length;
        self.pieces.push(Piece::Comment { range: self.at..end });
        self.at = end;
    }

    /// Reads a tag with its attributes, and the content behind it when that is raw.
    fn tag(&mut self) {
        let bytes = self.html.as_bytes();
        let name_end = self.find(self.at + 1, |b| b == b' ' || b == b'>');
        let name = &self.html[self.at + 1..name_end];
        let mut start = self.at;
        let mut at = name_end;
        while at < bytes.len() && bytes[at] != b'>' {
            if bytes[at] == b'"' {
                let attribute = self.html[start..at].trim_end_matches('=').rsplit(' ').next().unwrap_or_default();
                self.pieces.push(Piece::Tag { range: start..at });
                let close = self.find(at + 1, |b| b == b'"');
                self.pieces.push(Piece::Attribute { name: attribute, range: at + 1..close });
                start = (close + 1).min(bytes.len());
                at = start;
            } else {
                at += 1;
            }
        }
        self.at = (at + 1).min(bytes.len());
        self.pieces.push(Piece::Tag { range: start..self.at });
        self.enter(name);
    }

    /// Notes what the element that was just opened or closed means for the text behind it.
    fn enter(&mut self, name: &str) {
        if let Some(closed) = name.strip_prefix('/') {
            if self.fragile.last().is_some_and(|open| *open == closed) {
                self.fragile.pop();
            }
        } else if let Some(open) = FRAGILE.iter().find(|fragile| **fragile == name) {
            self.fragile.push(open);
        } else if RAW.contains(&name) {
            let end = self.html[self.at..].find(&format!("</{name}")).map_or(self.html.len(), |i| self.at + i);
            self.pieces.push(Piece::Raw { range: self.at..end });
            self.at = end;
        }
    }

    fn find(&self, from: usize, stop: impl Fn(u8) -> bool) -> usize {
        let bytes = self.html.as_bytes();
        (from..bytes.len()).find(|&i| stop(bytes[i])).unwrap_or(bytes.len())
    }
}

/// Writes `value` as css-inline writes text.
pub(super) fn escape_text(value: &str, out: &mut String) {
    escape(value, out, |c| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '\u{a0}' => Some("&nbsp;"),
        _ => None,
    });
}

/// Writes `value` as css-inline writes the value of an attribute.
pub(super) fn escape_attribute(value: &str, out: &mut String) {
    escape(value, out, |c| match c {
        '&' => Some("&amp;"),
        '"' => Some("&quot;"),
        '\u{a0}' => Some("&nbsp;"),
        _ => None,
    });
}

fn escape(value: &str, out: &mut String, entity: impl Fn(char) -> Option<&'static str>) {
    let mut done = 0;
    for (i, c) in value.char_indices() {
        if let Some(entity) = entity(c) {
            out.push_str(&value[done..i]);
            out.push_str(entity);
            done = i + c.len_utf8();
        }
    }
    out.push_str(&value[done..]);
}
