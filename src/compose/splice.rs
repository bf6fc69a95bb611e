//! A part of a message with its slots: fixed bytes, already encoded, and between them the places where a reader's values go.

use std::ops::Range;

use super::html::{self, Piece};
use super::links::{self, Base};
use super::mime;

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Plain text.
    Plain,
    /// Text in HTML.
    Text,
    /// Inside an attribute.
    Attribute,
    /// At the beginning of a link.
    LinkStart,
}

/// One stretch of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stretch {
    Fixed(String),
    Slot { slot: usize, place: Place },
}

/// A part cut at its sentinels.
pub(super) type Cut = Vec<Stretch>;

/// Cuts plain text.
pub(super) fn cut_text(text: &str, sentinels: &[(Range<usize>, usize)]) -> Result<Cut, String> {
    let mut cut = Cutter::default();
    for (range, slot) in sentinels {
        if text[..range.start].ends_with('\r') {
            return Err("a slot stands inside a line break".to_owned());
        }
        cut.slot(text, range, *slot, Place::Plain);
    }
    Ok(cut.end(text))
}

/// Cuts HTML as css-inline wrote it, making its links absolute on the way; refuses slots where a value could change the structure.
pub(super) fn cut_html(text: &str, sentinels: &[(Range<usize>, usize)], base: &Base) -> Result<Cut, String> {
    let mut cut = Cutter::default();
    let mut left = sentinels;
    for piece in html::pieces(text) {
        let (Piece::Text { range, .. }
        | Piece::Tag { range }
        | Piece::Attribute { range, .. }
        | Piece::Comment { range }
        | Piece::Raw { range }) = &piece;
        let here = left.iter().take_while(|(at, _)| at.end <= range.end).count();
        let (inside, rest) = left.split_at(here);
        left = rest;
        let place = place(&piece).map_err(str::to_owned);
        if let Piece::Attribute { name, range } = &piece
            && links::is_link(name)
        {
            link(text, range, inside, base, &mut cut)?;
        }
        for (at, slot) in inside {
            if at.start < range.start {
                return Err("a slot crosses the edge of a tag".to_owned());
            }
            let is_link = matches!(&piece, Piece::Attribute { name, .. } if links::is_link(name));
            let place = if is_link && at.start == range.start { Place::LinkStart } else { place.clone()? };
            cut.slot(text, at, *slot, place);
        }
    }
    if left.is_empty() { Ok(cut.end(text)) } else { Err("a slot stands outside the document".to_owned()) }
}

/// How a value is written in a piece of HTML; the error says why it must not be there.
fn place(piece: &Piece) -> Result<Place, &'static str> {
    match piece {
        Piece::Text { fragile: None, .. } => Ok(Place::Text),
        Piece::Text { .. } => Err("reader data inside <pre> or <textarea>"),
        Piece::Tag { .. } => Err("reader data inside a tag, outside quotes"),
        Piece::Comment { .. } => Err("reader data inside a comment"),
        Piece::Raw { .. } => Err("reader data inside <style>, <script> or the like"),
        Piece::Attribute { name, .. } => match *name {
            "style" => Err("reader data inside style="),
            "class" | "id" | "rel" | "media" | "data-css-inline" => Err("reader data in an attribute that CSS rules look at"),
            name if name.starts_with("on") => Err("reader data inside a script attribute"),
            _ => Ok(Place::Attribute),
        },
    }
}

/// Makes the link at `range` absolute, or refuses it when only the reader's value can tell whether it is.
fn link(text: &str, range: &Range<usize>, inside: &[(Range<usize>, usize)], base: &Base, cut: &mut Cutter) -> Result<(), String> {
    let head = inside.first().map_or(range.end, |(at, _)| at.start);
    let value = &text[range.start..head];
    if head == range.start && !inside.is_empty() {
        return Ok(());
    }
    if !inside.is_empty() && !base.is_decided(value) {
        return Err("reader data so early in a link that it may change where it leads".to_owned());
    }
    if let Some((drop, prefix)) = base.prefix(value) {
        cut.insert(text, range.start, drop, prefix);
    }
    Ok(())
}

#[derive(Default)]
struct Cutter {
    cut: Cut,
    fixed: String,
    done: usize,
}

impl Cutter {
    fn slot(&mut self, text: &str, at: &Range<usize>, slot: usize, place: Place) {
        self.fixed.push_str(&text[self.done..at.start]);
        self.done = at.end;
        self.cut.push(Stretch::Fixed(std::mem::take(&mut self.fixed)));
        self.cut.push(Stretch::Slot { slot, place });
    }

    /// Puts `prefix` in place of `drop` bytes at `at`.
    fn insert(&mut self, text: &str, at: usize, drop: usize, prefix: &str) {
        self.fixed.push_str(&text[self.done..at]);
        self.fixed.push_str(prefix);
        self.done = at + drop;
    }

    fn end(mut self, text: &str) -> Cut {
        self.fixed.push_str(&text[self.done..]);
        self.cut.push(Stretch::Fixed(self.fixed));
        self.cut
    }
}

/// `cut` with values in its slots, decoded.
pub(super) fn fill(cut: &Cut, value: impl Fn(usize) -> String) -> String {
    let mut out = String::new();
    for stretch in cut {
        match stretch {
            Stretch::Fixed(text) => out.push_str(text),
            Stretch::Slot { slot, place } => escape(&value(*slot), *place, &mut out),
        }
    }
    out
}

fn escape(value: &str, place: Place, out: &mut String) {
    match place {
        Place::Plain => out.push_str(value),
        Place::Text => html::escape_text(value, out),
        Place::Attribute | Place::LinkStart => html::escape_attribute(value, out),
    }
}

/// A cut, encoded: what a message is copied from.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    bytes: Vec<u8>,
    /// Where the fixed bytes end, and which field comes there.
    joints: Vec<(usize, usize)>,
    /// Size of the fixed text before encoding.
    pub(super) text_bytes: usize,
}

/// A value in one of its forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) slot: usize,
    pub(super) place: Place,
}

impl Encoded {
    /// Encodes `cut`; new fields are added to `fields`.
    pub(super) fn new(cut: &Cut, fields: &mut Vec<Field>) -> Self {
        let mut new = Self::default();
        for (i, stretch) in cut.iter().enumerate() {
            match stretch {
                Stretch::Fixed(text) if i + 1 == cut.len() => {
                    new.text_bytes += text.len();
                    mime::encode(text, &mut new.bytes);
                }
                Stretch::Fixed(text) => {
                    new.text_bytes += text.len();
                    mime::encode_joined(text, &mut new.bytes);
                }
                Stretch::Slot { slot, place } => {
                    let field = Field { slot: *slot, place: *place };
                    let known = fields.iter().position(|known| *known == field);
                    let number = known.unwrap_or(fields.len());
                    if known.is_none() {
                        fields.push(field);
                    }
                    new.joints.push((new.bytes.len(), number));
                }
            }
        }
        new
    }

    /// Appends the part with the encoded `values` of its fields.
    pub(super) fn write(&self, values: &Values, out: &mut Vec<u8>) {
        let mut done = 0;
        for (end, field) in &self.joints {
            out.extend_from_slice(&self.bytes[done..*end]);
            out.extend_from_slice(values.get(*field));
            done = *end;
        }
        out.extend_from_slice(&self.bytes[done..]);
    }

    /// How many bytes of it are the same for everybody.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How many slots it has, counting repeats.
    pub(super) fn slots(&self) -> usize {
        self.joints.len()
    }
}

/// The encoded values of a reader, one for each field.
#[derive(Debug, Default)]
pub(super) struct Values {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Values {
    pub(super) fn with_capacity(fields: usize) -> Self {
        Self { bytes: Vec::with_capacity(fields * 64), ends: Vec::with_capacity(fields) }
    }

    /// Adds the value of the next field.
    pub(super) fn push(&mut self, value: &str, place: Place) {
        let plain = place == Place::Plain || !value.bytes().any(|b| matches!(b, b'&' | b'<' | b'>' | b'"' | 0xc2));
        if plain {
            mime::encode_joined(value, &mut self.bytes);
        } else {
            let mut escaped = String::with_capacity(value.len() + 32);
            escape(value, place, &mut escaped);
            mime::encode_joined(&escaped, &mut self.bytes);
        }
        self.ends.push(self.bytes.len());
    }

    fn get(&self, field: usize) -> &[u8] {
        let start = field.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[field]]
    }
}
