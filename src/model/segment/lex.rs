//! Words, texts and signs of a segment, each with its place.

use std::ops::Range;

use super::super::email::forbidden_in_header;

/// What is wrong, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentError {
    pub message: String,
    /// Bytes of the expression.
    pub span: Range<usize>,
    pub hint: Option<String>,
}

impl SegmentError {
    /// Without a hint.
    pub(super) fn new(message: impl Into<String>, span: Range<usize>) -> Self {
        Self { message: message.into(), span, hint: None }
    }

    /// Says what to do.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// A piece of the expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// Letters, digits and what stands between them: `joined`, `tag:vip`, `2026-01-01`, `Europe/*`.
    Word(String),
    /// In quotes.
    Text(String),
    /// `(`, `)`, `=`, `!=`, `<`, `<=`, `>`, `>=`.
    Sign(&'static str),
}

impl Token {
    /// As people read it in a message.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Word(word) => format!("`{word}`"),
            Self::Text(text) => format!("{text:?}"),
            Self::Sign(sign) => format!("`{sign}`"),
        }
    }
}

/// A token and its bytes.
pub(super) type Placed = (Token, Range<usize>);

/// Signs, the longer first.
const SIGNS: [&str; 8] = ["!=", "<=", ">=", "(", ")", "=", "<", ">"];
/// What people write who know other languages, and what they mean.
const FOREIGN: [(&str, &str); 8] = [
    ("==", "write = with one sign"),
    ("<>", "write != for \"is not\""),
    ("&&", "write and"),
    ("||", "write or"),
    ("=~", "write = with * for any text: name = \"An*\""),
    ("!~", "write != with * for any text: name != \"An*\""),
    ("&", "write and"),
    ("|", "write or"),
];

/// Cuts an expression into tokens.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, SegmentError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, length) = if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        } else if let Some((foreign, hint)) = FOREIGN.iter().find(|(foreign, _)| rest.starts_with(foreign)) {
            let error = SegmentError::new(format!("`{foreign}` is not understood here"), at..at + foreign.len());
            return Err(error.hint(*hint));
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Token::Sign(sign), sign.len())
        } else if matches!(c, '"' | '\'') {
            quoted(rest, c, at)?
        } else if is_word(c) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            (Token::Word(rest[..length].to_owned()), length)
        } else {
            let error = SegmentError::new(format!("{c:?} is not understood here"), at..at + c.len_utf8());
            return Err(match c {
                '!' => error.hint("write not"),
                _ => error.hint("a text with such signs goes in quotes: name = \"Ann & Co\""),
            });
        };
        tokens.push((token, at..at + length));
        at += length;
    }
    Ok(tokens)
}

/// A text in quotes; `\` stands before a quote or another `\` that belongs to it.
fn quoted(rest: &str, quote: char, at: usize) -> Result<(Token, usize), SegmentError> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' if rest[i + 1..].starts_with(['\\', '"', '\'']) => text.extend(chars.next().map(|(_, escaped)| escaped)),
            _ if c == quote => return Ok((Token::Text(text), i + c.len_utf8())),
            _ if forbidden_in_header(c) => {
                return Err(SegmentError::new(format!("a text cannot contain {c:?}"), at + i..at + i + c.len_utf8()));
            }
            _ => text.push(c),
        }
    }
    Err(SegmentError::new("this quote is never closed", at..at + 1).hint(format!("end the text with {quote}")))
}

/// What a word is made of.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@' | '*' | '+' | ':')
}
