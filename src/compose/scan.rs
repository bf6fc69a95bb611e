//! Cuts a Tera source into text and tags, and a tag into tokens. Tera's own lexer is private, so this one follows its
//! rules closely enough to find names; whatever it does not know it reports, and then the full path is taken.

use std::ops::Range;

/// One stretch of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Text, a comment or a raw block: nothing to rewrite.
    Other,
    /// `{{ … }}`, with the range of what is inside, without whitespace control.
    Output(Range<usize>),
    /// `{% … %}`, likewise.
    Tag(Range<usize>),
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name.
    Name,
    /// A string in any of the three quotes.
    Text,
    /// A number.
    Number,
    /// Operators and brackets.
    Mark,
}

/// A token and where it stands in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
}

/// The parts of `source` with their ranges, in order; nothing when a tag is not closed or cannot be read.
pub(super) fn parts(source: &str) -> Option<Vec<(Range<usize>, Part)>> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < source.len() {
        let start = source[at..].find("{{").into_iter().chain(source[at..].find("{%")).chain(source[at..].find("{#")).min();
        let Some(start) = start.map(|offset| at + offset) else {
            parts.push((at..source.len(), Part::Other));
            break;
        };
        if start > at {
            parts.push((at..start, Part::Other));
        }
        let (end, part) = tag(source, start)?;
        parts.push((start..end, part));
        at = end;
    }
    Some(parts)
}

/// The tag that begins at `start`.
fn tag(source: &str, start: usize) -> Option<(usize, Part)> {
    if source[start..].starts_with("{#") {
        return Some((start + 2 + source[start + 2..].find("#}")? + 2, Part::Other));
    }
    let close = if source[start..].starts_with("{{") { "}}" } else { "%}" };
    let inside = start + 2 + usize::from(source[start + 2..].starts_with('-'));
    let end = close_of(source, inside, close)?;
    let inner_end = if source[..end].ends_with('-') && end > inside { end - 1 } else { end };
    let inner = inside..inner_end;
    if close == "}}" {
        return Some((end + 2, Part::Output(inner)));
    }
    if source[inner.clone()].trim() == "raw" {
        return Some((end_of_raw(source, end + 2)?, Part::Other));
    }
    Some((end + 2, Part::Tag(inner)))
}

/// Where `close` stands outside a string.
fn close_of(source: &str, from: usize, close: &str) -> Option<usize> {
    let bytes = source.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        if bytes[at..].starts_with(close.as_bytes()) {
            return Some(at);
        }
        at = match bytes[at] {
            b'"' | b'\'' | b'`' => end_of_string(bytes, at)?,
            _ => at + 1,
        };
    }
    None
}

/// Behind the string that begins at `at`.
fn end_of_string(bytes: &[u8], at: usize) -> Option<usize> {
    let mut i = at + 1;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 2,
            quote if quote == bytes[at] => return Some(i + 1),
            _ => i += 1,
        }
    }
    None
}

/// Behind the `endraw` tag of a raw block whose content begins at `from`.
fn end_of_raw(source: &str, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let open = at + source[at..].find("{%")?;
        let close = open + source[open..].find("%}")?;
        if source[open + 2..close].trim_matches('-').trim() == "endraw" {
            return Some(close + 2);
        }
        at = open + 2;
    }
}

/// The tokens of `source[range]`; nothing when there is a character Tera does not know.
pub(super) fn tokens(source: &str, range: Range<usize>) -> Option<Vec<Token>> {
    const LONG: [&str; 10] = ["...", "==", "!=", ">=", "<=", "//", "**", "</", "?.", "?["];
    let bytes = &source.as_bytes()[..range.end];
    let mut tokens = Vec::new();
    let mut at = range.start;
    while at < bytes.len() {
        let run = |from: usize, fits: fn(&u8) -> bool| from + bytes[from..].iter().take_while(|b| fits(b)).count();
        let (kind, end) = match bytes[at] {
            b if b.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'"' | b'\'' | b'`' => (Kind::Text, end_of_string(bytes, at)?),
            b if b.is_ascii_digit() => (Kind::Number, end_of_number(bytes, at)),
            b if b.is_ascii_alphabetic() || b == b'_' => (Kind::Name, run(at, |b| b.is_ascii_alphanumeric() || *b == b'_')),
            b if b.is_ascii_punctuation() => {
                let long = LONG.iter().find(|mark| bytes[at..].starts_with(mark.as_bytes()));
                (Kind::Mark, at + long.map_or(1, |mark| mark.len()))
            }
            _ => return None,
        };
        tokens.push(Token { kind, range: at..end });
        at = end;
    }
    Some(tokens)
}

fn end_of_number(bytes: &[u8], at: usize) -> usize {
    let mut end = at;
    while end < bytes.len() {
        let is_point = bytes[end] == b'.' && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
        if !(bytes[end].is_ascii_digit() || bytes[end] == b'_' || is_point) {
            break;
        }
        end += 1;
    }
    end
}
