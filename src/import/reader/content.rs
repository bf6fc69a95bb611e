//! The inside of an element: as text, or as HTML in the many ways in which feeds carry it.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::super::controls;
use super::entity;
use super::html;
use super::token::{Attribute, Token, Tokenizer};

/// Longest title that is kept, in bytes of markup; a longer one is a body text in the wrong element.
const TITLE_MAX: usize = 4096;

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
);

/// An element that was read to its end: the piece of the document between its tags.
#[derive(Debug, Clone, Copy)]
pub struct Inside<'a> {
    /// Everything between the tags, as written.
    pub source: &'a str,
    /// Whether there are elements among it.
    pub has_elements: bool,
}

/// How the inside of a text element is to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// Plain by declaration or custom, though RSS feeds put HTML into such elements all the time.
    Guess,
    Html,
    /// The markup is the document's own.
    Inline,
    Base64,
}

/// What a text element is when its `type` says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// Atom's text constructs.
    Plain,
    /// RSS's titles.
    Guess,
    /// RSS's descriptions.
    Html,
    /// `xhtml:body`.
    Inline,
}

/// The first attribute with this name, its references resolved and its ends trimmed; none when it is empty.
pub fn attribute<'a>(attributes: &[Attribute<'a>], name: &str) -> Option<Cow<'a, str>> {
    let (_, raw) = attributes.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    let value = match entity::resolve(raw) {
        Cow::Borrowed(value) => Cow::Borrowed(value.trim()),
        Cow::Owned(value) => Cow::Owned(value.trim().to_owned()),
    };
    (!value.is_empty()).then_some(value)
}

impl<'a> Inside<'a> {
    /// The text: references resolved once, CDATA as it stands, tags left out.
    pub fn text(self) -> Cow<'a, str> {
        let Some(_) = memchr::memchr(b'<', self.source.as_bytes()) else {
            return entity::resolve(self.source);
        };
        if let Some(only) = only_cdata(self.source) {
            return Cow::Borrowed(only);
        }
        let mut out = String::with_capacity(self.source.len());
        let mut tokens = Tokenizer::new(self.source);
        while let Ok(Some(token)) = tokens.next() {
            match token {
                Token::Text(raw) => out.push_str(&entity::resolve(raw)),
                Token::CData(text) => out.push_str(text),
                _ => {}
            }
        }
        Cow::Owned(out)
    }

    /// The text on one line, with the accident of doubled UTF-8 undone; none when there is none.
    pub fn line(self) -> Option<String> {
        let line = html::one_line(&self.text());
        (!line.is_empty()).then(|| mended(line))
    }

    /// The inside as HTML: tags without prefixes, CDATA escaped.
    fn markup(self) -> String {
        let mut out = String::with_capacity(self.source.len());
        let mut tokens = Tokenizer::new(self.source);
        while let Ok(Some(token)) = tokens.next() {
            match token {
                Token::Text(raw) => out.push_str(raw),
                Token::CData(text) => out.push_str(&entity::escape(text)),
                Token::End(name) => {
                    out.push_str("</");
                    out.push_str(local(name));
                    out.push('>');
                }
                Token::Start { name, is_empty } => start_tag(&mut out, name, &tokens.attributes, is_empty),
                Token::Doctype(_) => {}
            }
        }
        out
    }

    /// The inside as HTML, whichever way it is carried; none when nothing is in it.
    pub fn html(self, attributes: &[Attribute<'_>], default: Default) -> Option<String> {
        let html = match kind(attributes, default, self.has_elements) {
            Kind::Inline => without_wrapper(self.markup().trim()).to_owned(),
            Kind::Html => trimmed(self.text()),
            Kind::Plain => entity::escape(self.text().trim()),
            Kind::Guess => {
                let text = self.text();
                if html::looks_like_html(&text) { trimmed(text) } else { entity::escape_lines(&text) }
            }
            Kind::Base64 => from_base64(&self.text()).unwrap_or_else(|| trimmed(self.text())),
        };
        (!html.is_empty()).then(|| entity::undo_double_utf8(html))
    }

    /// The inside as a plain title; none when nothing is in it.
    pub fn title(self, attributes: &[Attribute<'_>], default: Default) -> Option<String> {
        let short = Self { source: cut(self.source, TITLE_MAX), ..self };
        let title = match kind(attributes, default, short.has_elements) {
            Kind::Inline => html::plain_text(&short.markup()),
            Kind::Html => html::plain_text(&short.text()),
            Kind::Plain => html::one_line(&short.text()),
            Kind::Guess => {
                let text = short.text();
                if html::looks_like_html(&text) { html::plain_text(&text) } else { html::one_line(&text) }
            }
            Kind::Base64 => from_base64(&short.text()).map_or_else(|| html::one_line(&short.text()), |html| html::plain_text(&html)),
        };
        (!title.is_empty()).then(|| mended(title))
    }
}

/// A line with the accident of doubled UTF-8 undone. Control characters may be half of a letter before, so they go after it.
fn mended(line: String) -> String {
    controls::without(entity::undo_double_utf8(line))
}

/// The first `limit` bytes, not inside a character.
fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

fn trimmed(text: Cow<'_, str>) -> String {
    match text {
        Cow::Borrowed(text) => text.trim().to_owned(),
        Cow::Owned(text) if text.trim().len() == text.len() => text,
        Cow::Owned(text) => text.trim().to_owned(),
    }
}

/// The inside of the one CDATA section that `source` consists of, the way most feeds carry HTML.
fn only_cdata(source: &str) -> Option<&str> {
    let inner = source.trim().strip_prefix("<![CDATA[")?.strip_suffix("]]>")?;
    (!inner.contains("]]>")).then_some(inner)
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

fn start_tag(out: &mut String, name: &str, attributes: &[Attribute<'_>], is_empty: bool) {
    out.push('<');
    out.push_str(local(name));
    for (key, value) in attributes {
        if key.starts_with("xmlns") {
            continue;
        }
        let quote = if value.contains('"') { '\'' } else { '"' };
        out.push(' ');
        out.push_str(key);
        out.push('=');
        out.push(quote);
        out.push_str(value);
        out.push(quote);
    }
    out.push_str(if is_empty { " />" } else { ">" });
    // HTML knows no self-closing `<p/>`: read as HTML it would stay open.
    if is_empty && !is_void(local(name)) {
        out.truncate(out.len() - 3);
        out.push_str("></");
        out.push_str(local(name));
        out.push('>');
    }
}

/// Whether HTML's element never has an end tag.
pub fn is_void(name: &str) -> bool {
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"]
        .iter()
        .any(|void| void.eq_ignore_ascii_case(name))
}

/// XHTML without the one `div` that Atom asks to be wrapped around it.
fn without_wrapper(html: &str) -> &str {
    let Some(inner) = html.strip_prefix("<div").filter(|rest| rest.starts_with(['>', ' '])) else {
        return html;
    };
    let Some(inner) = inner.strip_suffix("</div>").and_then(|inner| inner.split_once('>')).map(|(_, inner)| inner) else {
        return html;
    };
    let mut open = 0usize;
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'<', rest.as_bytes()) {
        rest = &rest[at..];
        if rest.starts_with("<div>") || rest.starts_with("<div ") {
            open += 1;
        } else if rest.starts_with("</div>") {
            let Some(fewer) = open.checked_sub(1) else {
                return html;
            };
            open = fewer;
        }
        rest = &rest[1..];
    }
    inner.trim()
}

fn from_base64(text: &str) -> Option<String> {
    let compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let bytes = BASE64.decode(compact).ok()?;
    Some(String::from_utf8(bytes).ok()?.trim().to_owned())
}

fn kind(attributes: &[Attribute<'_>], default: Default, has_elements: bool) -> Kind {
    let by_default = match default {
        Default::Plain => Kind::Plain,
        Default::Guess => Kind::Guess,
        Default::Html => Kind::Html,
        Default::Inline => Kind::Inline,
    };
    let mode = attribute(attributes, "mode").unwrap_or_default().to_ascii_lowercase();
    let declared = attribute(attributes, "type").unwrap_or_default().to_ascii_lowercase();
    let declared = declared.split(';').next().unwrap_or_default().trim();
    let kind = match declared {
        _ if mode == "base64" => Kind::Base64,
        "" => by_default,
        "html" | "text/html" => Kind::Html,
        "text" | "plain" | "text/plain" if default == Default::Plain => Kind::Plain,
        "text" | "plain" | "text/plain" => Kind::Guess,
        "xhtml" | "application/xhtml+xml" if mode == "escaped" => Kind::Html,
        "xhtml" => Kind::Inline,
        other if other.ends_with("+xml") || other.ends_with("/xml") => Kind::Inline,
        other if other.starts_with("text/") || !other.contains('/') => by_default,
        _ => Kind::Base64,
    };
    // Elements where text was announced: the producer forgot to escape, or to say so.
    if has_elements && kind != Kind::Base64 { Kind::Inline } else { kind }
}

/// One element directly inside another.
pub struct Child<'a> {
    /// Local name in lower case.
    pub name: String,
    /// Attributes as written.
    pub attributes: Vec<Attribute<'a>>,
    /// What stands between its tags.
    pub inside: Inside<'a>,
}

/// Most children of one element that are looked at.
const CHILDREN_MAX: usize = 64;

impl<'a> Inside<'a> {
    /// The elements directly inside.
    pub fn children(self) -> Vec<Child<'a>> {
        let mut found = Vec::new();
        let mut tokens = Tokenizer::new(self.source);
        let mut open: Option<(&'a str, Vec<Attribute<'a>>, usize, bool)> = None;
        while found.len() < CHILDREN_MAX {
            let before = tokens.position();
            let Ok(Some(token)) = tokens.next() else { break };
            match (token, &mut open) {
                (Token::Start { name, is_empty: true }, None) => found.push(child(name, std::mem::take(&mut tokens.attributes), "", false)),
                (Token::Start { name, .. }, None) => open = Some((name, std::mem::take(&mut tokens.attributes), tokens.position(), false)),
                (Token::Start { .. }, Some(open)) => open.3 = true,
                (Token::End(name), Some(current)) if current.0 == name => {
                    if let Some((name, attributes, start, has_elements)) = open.take() {
                        found.push(child(name, attributes, tokens.between(start, before), has_elements));
                    }
                }
                _ => {}
            }
        }
        found
    }
}

fn child<'a>(name: &str, attributes: Vec<Attribute<'a>>, source: &'a str, has_elements: bool) -> Child<'a> {
    Child { name: local(name).to_ascii_lowercase(), attributes, inside: Inside { source, has_elements } }
}
