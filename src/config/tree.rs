//! config.toml and the environment as one tree whose every value remembers where it came from.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a key or a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// These bytes of config.toml.
    File(Range<usize>),
    /// This environment variable.
    Variable(String),
    /// Nowhere: a section that is not there.
    Absent,
}

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub origin: Origin,
    pub value: Value,
}

/// What a value can be. Only the kinds that some key wants are kept apart.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Flag(bool),
    Array(Vec<Node>),
    Table(Vec<Entry>),
    /// From a variable: the key that asks for it decides what it is.
    Raw(String),
    /// A kind no key wants, by its name.
    Other(&'static str),
}

/// One `key = value` of a table.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: String,
    pub key_origin: Origin,
    pub node: Node,
}

impl Value {
    /// The kind as people call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Raw(_) => "a text",
            Self::Integer(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
        }
    }
}

/// A parsed table as entries in the order they were written (the parser sorts them by name).
pub(super) fn from_table(table: &DeTable<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry { key: key.get_ref().to_string(), key_origin: Origin::File(key.span()), node: from_value(value) })
        .collect();
    entries.sort_by_key(|entry| match &entry.key_origin {
        Origin::File(span) => span.start,
        Origin::Variable(_) | Origin::Absent => usize::MAX,
    });
    entries
}

fn from_value(spanned: &Spanned<DeValue<'_>>) -> Node {
    let value = match spanned.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Other("a number beyond 64 bits"), Value::Integer)
        }
        DeValue::Float(_) => Value::Other("a number with a fraction"),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(items) => Value::Array(items.iter().map(from_value).collect()),
        DeValue::Table(table) => Value::Table(from_table(table)),
    };
    Node { origin: Origin::File(spanned.span()), value }
}
