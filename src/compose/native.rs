//! The few expressions nearly every template uses, evaluated without Tera: a path, a path with a default, a path compared.
//! Whatever is not plain text, a whole number or a boolean is "odd", and its reader takes the full path.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;

use super::Reader;
use super::scan::{self, Kind, Part, Token};

/// A value of the reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Path {
    Unsubscribe,
    Preferences,
    View,
    Confirm,
    /// `subscriber.X`
    Field(String),
    /// `subscriber.attributes.X`
    Attribute(String),
}

/// An output expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Output {
    path: Path,
    default: Option<String>,
}

/// A line of text with such values in it: a subject, mostly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Output(Output),
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    Truthy(Path),
    Falsy(Path),
    Equals(Path, String),
}

/// What stands at a path.
enum Found<'r> {
    Text(&'r str),
    Number(&'r serde_json::Number),
    Bool(bool),
    Missing,
    Odd,
}

impl Output {
    /// `path` or `path | default(value="text")`.
    pub(super) fn parse(source: &str, tokens: &[Token]) -> Option<Self> {
        let (path, rest) = Path::parse(source, tokens)?;
        let words: Vec<&str> = rest.iter().map(|token| &source[token.range.clone()]).collect();
        match words[..] {
            [] => Some(Self { path, default: None }),
            ["|", "default", "(", "value", "=", _, ")"] => Some(Self { path, default: Some(literal(source, &rest[5])?) }),
            _ => None,
        }
    }

    /// The text it writes; nothing when Tera has to say.
    pub(super) fn value<'v>(&'v self, reader: &'v Reader) -> Option<Cow<'v, str>> {
        match self.path.find(reader) {
            Found::Text(text) => Some(Cow::Borrowed(text)),
            Found::Number(number) if !number.is_f64() => Some(Cow::Owned(number.to_string())),
            Found::Bool(value) => Some(Cow::Borrowed(if value { "true" } else { "false" })),
            Found::Missing => self.default.as_deref().map(Cow::Borrowed),
            Found::Number(_) | Found::Odd => None,
        }
    }
}

impl Line {
    /// Text and outputs, and nothing else.
    pub(super) fn parse(source: &str) -> Option<Self> {
        let piece = |(range, part): (Range<usize>, Part)| match part {
            Part::Other if source[range.clone()].starts_with('{') => None,
            Part::Other => Some(Piece::Text(source[range].to_owned())),
            // `{{-` takes blanks away from the text beside it.
            Part::Output(inner) if range.len() == inner.len() + 4 => {
                Some(Piece::Output(Output::parse(source, &scan::tokens(source, inner)?)?))
            }
            Part::Output(_) | Part::Tag(_) => None,
        };
        scan::parts(source)?.into_iter().map(piece).collect::<Option<_>>().map(Self)
    }

    /// What it says to a reader; nothing when Tera has to say.
    pub(super) fn value(&self, reader: &Reader) -> Option<String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(fixed) => text.push_str(fixed),
                Piece::Output(output) => text.push_str(&output.value(reader)?),
            }
        }
        Some(text)
    }
}

impl Test {
    /// `path`, `not path` or `path == "text"`.
    pub(super) fn parse(source: &str, tokens: &[Token]) -> Option<Self> {
        if let [first, rest @ ..] = tokens
            && &source[first.range.clone()] == "not"
        {
            let (path, rest) = Path::parse(source, rest)?;
            return rest.is_empty().then_some(Self::Falsy(path));
        }
        let (path, rest) = Path::parse(source, tokens)?;
        match rest {
            [] => Some(Self::Truthy(path)),
            [mark, text] if &source[mark.range.clone()] == "==" => Some(Self::Equals(path, literal(source, text)?)),
            _ => None,
        }
    }

    /// Whether it holds; nothing when Tera has to say.
    pub(super) fn holds(&self, reader: &Reader) -> Option<bool> {
        match self {
            Self::Truthy(path) => path.is_truthy(reader),
            Self::Falsy(path) => path.is_truthy(reader).map(|truthy| !truthy),
            Self::Equals(path, text) => match path.find(reader) {
                Found::Text(found) => Some(found == text),
                Found::Missing => Some(false),
                _ => None,
            },
        }
    }
}

impl Path {
    /// The path `tokens` begin with, and what follows it.
    fn parse<'t>(source: &str, tokens: &'t [Token]) -> Option<(Self, &'t [Token])> {
        let word = |i: usize| tokens.get(i).map(|token| &source[token.range.clone()]);
        let name = |i: usize| tokens.get(i).filter(|token| token.kind == Kind::Name).and_then(|_| word(i)).map(str::to_owned);
        let (path, used) = match (word(0)?, word(1), word(2)) {
            ("unsubscribe_url", ..) => (Self::Unsubscribe, 1),
            ("preferences_url", ..) => (Self::Preferences, 1),
            ("view_url", ..) => (Self::View, 1),
            ("confirm_url", ..) => (Self::Confirm, 1),
            ("subscriber", Some("."), Some("attributes")) if word(3) == Some(".") => (Self::Attribute(name(4)?), 5),
            ("subscriber", Some("."), Some(_)) => (Self::Field(name(2)?), 3),
            _ => return None,
        };
        let rest = &tokens[used..];
        let goes_on = rest.first().is_some_and(|token| matches!(&source[token.range.clone()], "." | "[" | "?." | "?[" | "("));
        (!goes_on).then_some((path, rest))
    }

    fn find<'r>(&self, reader: &'r Reader) -> Found<'r> {
        let person = &reader.subscriber;
        let text = |text: Option<&'r str>| text.map_or(Found::Missing, Found::Text);
        match self {
            Self::Unsubscribe => Found::Text(&reader.unsubscribe_url),
            Self::Preferences => Found::Text(&reader.preferences_url),
            Self::View => Found::Text(&reader.view_url),
            Self::Confirm => Found::Text(&reader.confirm_url),
            Self::Attribute(key) => attribute(reader, key),
            Self::Field(field) => match field.as_str() {
                "email" => Found::Text(person.email.as_str()),
                "name" => text(person.name.as_deref()),
                "language" => text(person.language.as_deref()),
                "timezone" => text(person.timezone.as_deref()),
                "attributes" => Found::Odd,
                key => attribute(reader, key),
            },
        }
    }

    fn is_truthy(&self, reader: &Reader) -> Option<bool> {
        match self.find(reader) {
            Found::Text(text) => Some(!text.is_empty()),
            Found::Bool(value) => Some(value),
            Found::Missing => Some(false),
            Found::Number(_) | Found::Odd => None,
        }
    }
}

fn attribute<'r>(reader: &'r Reader, key: &str) -> Found<'r> {
    match reader.subscriber.attributes.get(key) {
        None => Found::Missing,
        Some(Value::String(text)) => Found::Text(text),
        Some(Value::Number(number)) => Found::Number(number),
        Some(Value::Bool(value)) => Found::Bool(*value),
        Some(_) => Found::Odd,
    }
}

/// The content of a string token without escapes; one with escapes is left to Tera.
fn literal(source: &str, token: &Token) -> Option<String> {
    let text = &source[token.range.clone()];
    (token.kind == Kind::Text && !text.contains('\\')).then(|| text[1..text.len() - 1].to_owned())
}
