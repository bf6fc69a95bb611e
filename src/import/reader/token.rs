//! The tokenizer: text to tags, as forgiving as a browser and in linear time. It borrows everything from the document
//! and copies nothing; references stay unresolved.

use memchr::memmem;

use super::{MAX_ATTRIBUTES, ReadError};

/// One attribute: name and value as written, without the quotes.
pub type Attribute<'a> = (&'a str, &'a str);

/// A piece of markup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// A start tag; its attributes stand in [`Tokenizer::attributes`] until the next token. `is_empty` for `<a/>`.
    Start {
        /// The name with its prefix.
        name: &'a str,
        /// Whether the tag closes itself.
        is_empty: bool,
    },
    /// An end tag.
    End(&'a str),
    /// Text whose references are not resolved.
    Text(&'a str),
    /// The inside of a CDATA section.
    CData(&'a str),
    /// `<!DOCTYPE …>` up to its subset, which is skipped.
    Doctype(&'a str),
}

/// Cuts a document into tokens.
pub struct Tokenizer<'a> {
    source: &'a str,
    position: usize,
    /// The attributes of the last start tag.
    pub attributes: Vec<Attribute<'a>>,
    /// Whether the document ended inside a tag, comment or CDATA section.
    pub ended_inside: bool,
    /// From where on each terminator is known not to occur: without this, `<!--` a million times would take a million scans.
    absent_from: [usize; 6],
}

/// What ends a construct; the number is its place in `absent_from`.
#[derive(Clone, Copy)]
enum Terminator {
    Comment = 0,
    CData = 1,
    Instruction = 2,
    Subset = 3,
    DoubleQuote = 4,
    SingleQuote = 5,
}

impl Terminator {
    const fn text(self) -> &'static str {
        match self {
            Self::Comment => "-->",
            Self::CData => "]]>",
            Self::Instruction => "?>",
            Self::Subset => "]",
            Self::DoubleQuote => "\"",
            Self::SingleQuote => "'",
        }
    }
}

impl<'a> Tokenizer<'a> {
    /// Starts at the beginning of `source`.
    pub fn new(source: &'a str) -> Self {
        Self { source, position: 0, attributes: Vec::new(), ended_inside: false, absent_from: [usize::MAX; 6] }
    }

    /// Where the next token begins.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Goes back to a place that [`Self::position`] told.
    pub fn rewind(&mut self, position: usize) {
        self.position = position;
    }

    /// The document between two places.
    pub fn between(&self, start: usize, end: usize) -> &'a str {
        self.source.get(start..end).unwrap_or_default()
    }

    /// The next token; none at the end.
    pub fn next(&mut self) -> Result<Option<Token<'a>>, ReadError> {
        loop {
            let rest = &self.source[self.position..];
            let bytes = rest.as_bytes();
            match (bytes.first(), bytes.get(1)) {
                (None, _) => return Ok(None),
                (Some(b'<'), Some(b'/')) => {
                    if let Some(token) = self.end_tag() {
                        return Ok(Some(token));
                    }
                }
                (Some(b'<'), Some(b'!')) => {
                    if let Some(token) = self.declaration() {
                        return Ok(Some(token));
                    }
                }
                (Some(b'<'), Some(b'?')) => self.skip_past(2, Terminator::Instruction),
                (Some(b'<'), Some(next)) if is_name_start(*next) => return self.start_tag(),
                _ => return Ok(Some(self.text())),
            }
        }
    }

    /// Text up to the next `<` that begins markup; a lone `<` is text.
    fn text(&mut self) -> Token<'a> {
        let start = self.position;
        let bytes = self.source.as_bytes();
        let mut at = start;
        loop {
            at += usize::from(at < bytes.len());
            match memchr::memchr(b'<', &bytes[at..]) {
                None => at = bytes.len(),
                Some(offset) => {
                    at += offset;
                    if !bytes.get(at + 1).is_some_and(|next| is_name_start(*next) || matches!(next, b'/' | b'!' | b'?')) {
                        continue;
                    }
                }
            }
            self.position = at;
            return Token::Text(&self.source[start..at]);
        }
    }

    /// `</name>`; none for `</>` and the like, which are skipped.
    fn end_tag(&mut self) -> Option<Token<'a>> {
        let start = self.position + 2;
        let bytes = self.source.as_bytes();
        let length = memchr::memchr2(b'>', b'<', &bytes[start..]).unwrap_or(bytes.len() - start);
        let end = start + length;
        self.ended_inside |= end == bytes.len();
        self.position = end + usize::from(bytes.get(end) == Some(&b'>'));
        let name = self.source[start..end].split_ascii_whitespace().next()?;
        Some(Token::End(name))
    }

    fn declaration(&mut self) -> Option<Token<'a>> {
        let rest = &self.source[self.position..];
        if rest.starts_with("<!--") {
            self.skip_past(4, Terminator::Comment);
            None
        } else if rest.starts_with("<![CDATA[") {
            self.cdata()
        } else if rest.get(..9).is_some_and(|head| head.eq_ignore_ascii_case("<!doctype")) {
            Some(self.doctype())
        } else {
            self.skip_to_bracket();
            None
        }
    }

    /// A CDATA section. One that never ends is read as text: what follows is most likely still the element it stood in.
    fn cdata(&mut self) -> Option<Token<'a>> {
        let start = self.position + 9;
        if let Some(end) = self.find(start, Terminator::CData) {
            self.position = end + 3;
            return Some(Token::CData(&self.source[start..end]));
        }
        self.ended_inside = true;
        self.position = start;
        None
    }

    fn doctype(&mut self) -> Token<'a> {
        let start = self.position;
        let bytes = self.source.as_bytes();
        let end = start + memchr::memchr2(b'>', b'[', &bytes[start..]).unwrap_or(bytes.len() - start);
        self.position = (end + 1).min(bytes.len());
        if bytes.get(end) == Some(&b'[') {
            self.skip_subset(end + 1);
        }
        Token::Doctype(&self.source[start..end])
    }

    /// Skips a DOCTYPE's internal subset: up to the first `]` that a `>` follows.
    fn skip_subset(&mut self, mut at: usize) {
        let bytes = self.source.as_bytes();
        while let Some(bracket) = self.find(at, Terminator::Subset) {
            at = bracket + 1;
            let blank = bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            if bytes.get(at + blank) == Some(&b'>') {
                self.position = at + blank + 1;
                return;
            }
            at += blank;
        }
        self.position = at;
        self.skip_to_bracket();
    }

    /// Skips a construct whose head has `head` bytes; without its terminator, as far as the next `>`.
    fn skip_past(&mut self, head: usize, terminator: Terminator) {
        match self.find((self.position + head).min(self.source.len()), terminator) {
            Some(end) => self.position = end + terminator.text().len(),
            None => self.skip_to_bracket(),
        }
    }

    fn skip_to_bracket(&mut self) {
        let bytes = self.source.as_bytes();
        match memchr::memchr(b'>', &bytes[self.position..]) {
            Some(offset) => self.position += offset + 1,
            None => {
                self.ended_inside = true;
                self.position = bytes.len();
            }
        }
    }

    fn find(&mut self, from: usize, terminator: Terminator) -> Option<usize> {
        let slot = terminator as usize;
        if from >= self.absent_from[slot] {
            return None;
        }
        let found = memmem::find(&self.source.as_bytes()[from..], terminator.text().as_bytes());
        if found.is_none() {
            self.absent_from[slot] = self.absent_from[slot].min(from);
        }
        found.map(|offset| from + offset)
    }

    fn start_tag(&mut self) -> Result<Option<Token<'a>>, ReadError> {
        let bytes = self.source.as_bytes();
        let start = self.position + 1;
        let name_end = start + bytes[start..].iter().take_while(|byte| is_name_byte(**byte)).count();
        self.attributes.clear();
        let mut at = name_end;
        let mut is_empty = false;
        loop {
            match bytes.get(at) {
                None => {
                    // Cut inside the tag: nothing of it can be trusted.
                    self.ended_inside = true;
                    self.position = bytes.len();
                    return Ok(None);
                }
                Some(b'>') => break self.position = at + 1,
                Some(b'<') => break self.position = at,
                Some(b'/') => {
                    is_empty = true;
                    at += 1;
                }
                Some(byte) if byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'=') => at += 1,
                Some(_) => {
                    is_empty = false;
                    at = self.attribute(at);
                    if self.attributes.len() > MAX_ATTRIBUTES {
                        return Err(ReadError::TooManyAttributes);
                    }
                }
            }
        }
        Ok(Some(Token::Start { name: &self.source[start..name_end], is_empty }))
    }

    /// Reads the attribute at `start` and tells where it ends.
    fn attribute(&mut self, start: usize) -> usize {
        let bytes = self.source.as_bytes();
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'=' | b'>' | b'<' | b'/' | b'"' | b'\'');
        // The first byte belongs to the name whatever it is, so that every attribute moves on.
        let name_end = start + 1 + bytes[start + 1..].iter().take_while(|byte| !is_end(byte)).count();
        let name = self.source.get(start..name_end).unwrap_or_default();
        let blank = |at: usize| at + bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let equals = blank(name_end);
        if bytes.get(equals) != Some(&b'=') {
            self.attributes.push((name, ""));
            return name_end;
        }
        let value_start = blank(equals + 1);
        let (value_range, end) = match bytes.get(value_start) {
            Some(b'"') => self.quoted(value_start, Terminator::DoubleQuote),
            Some(b'\'') => self.quoted(value_start, Terminator::SingleQuote),
            _ => self.unquoted(value_start),
        };
        self.attributes.push((name, self.source.get(value_range.0..value_range.1).unwrap_or_default()));
        end
    }

    fn quoted(&mut self, open: usize, quote: Terminator) -> ((usize, usize), usize) {
        match self.find(open + 1, quote) {
            Some(close) => ((open + 1, close), close + 1),
            None => self.unquoted(open + 1),
        }
    }

    fn unquoted(&self, start: usize) -> ((usize, usize), usize) {
        let bytes = self.source.as_bytes();
        let length = bytes[start..].iter().take_while(|byte| !byte.is_ascii_whitespace() && !matches!(byte, b'>' | b'<')).count();
        let mut end = start + length;
        // `<a href=x/>`: the slash belongs to the tag.
        if bytes.get(end) == Some(&b'>') && end > start && bytes[end - 1] == b'/' {
            end -= 1;
        }
        ((start, end), end)
    }
}

const fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':') || byte >= 0x80
}

const fn is_name_byte(byte: u8) -> bool {
    !byte.is_ascii_whitespace() && !matches!(byte, b'>' | b'<' | b'/' | b'=' | b'"' | b'\'')
}
