//! Front matter as one kind of tree, whichever of the three languages it was written in, with the place of every value.

use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use toml::de::{DeTable, DeValue};

/// A value of front matter.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing: YAML's `key:`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// Text, and dates.
    Text(String),
    /// Several values.
    List(Vec<Node>),
    /// Keys with values, in order.
    Table(Vec<Entry>),
}

/// A value and its place: bytes of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it stands.
    pub span: Range<usize>,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub span: Range<usize>,
    /// Its value.
    pub node: Node,
}

impl Node {
    /// The value of `key`, when this is a table that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The entries of a table; of anything else, none.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// What kind of value it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// Moves every place by `by` bytes.
    fn shift(&mut self, by: usize) {
        self.span = self.span.start + by..self.span.end + by;
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.shift(by)),
            Value::Table(entries) => {
                for entry in entries {
                    entry.span = entry.span.start + by..entry.span.end + by;
                    entry.node.shift(by);
                }
            }
            _ => {}
        }
    }
}

/// Why front matter could not be read, and where.
pub type Broken = (String, Range<usize>);

/// Reads TOML that begins at byte `offset` of its file.
pub fn from_toml(text: &str, offset: usize) -> Result<Node, Broken> {
    let table = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or(0..1);
        (error.message().to_owned(), span.start + offset..span.end + offset)
    })?;
    let mut node = Node { value: toml_table(table.get_ref()), span: 0..text.len() };
    node.shift(offset);
    Ok(node)
}

fn toml_table(table: &DeTable<'_>) -> Value {
    let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| -> Entry {
        let key: &toml::Spanned<toml::de::DeString<'_>> = key;
        Entry { key: key.get_ref().to_string(), span: key.span(), node: Node { value: toml_value(value.get_ref()), span: value.span() } }
    };
    Value::Table(table.iter().map(entry).collect())
}

fn toml_value(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => Value::Number(number.to_string()),
        DeValue::Float(number) => Value::Number(number.to_string()),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(date) => Value::Text(date.to_string()),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| Node { value: toml_value(item.get_ref()), span: item.span() }).collect())
        }
        DeValue::Table(table) => toml_table(table),
    }
}

/// Reads JSON, whose parser tells no places: a key's place is where its name first stands in quotes.
pub fn from_json(text: &str, offset: usize, value: &serde_json::Value) -> Node {
    let mut node = json_node(text, value, 0..1);
    node.shift(offset);
    node
}

fn json_node(text: &str, value: &serde_json::Value, span: Range<usize>) -> Node {
    use serde_json::Value as Json;
    let value = match value {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => Value::Number(number.to_string()),
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(|item| json_node(text, item, span.clone())).collect()),
        Json::Object(object) => Value::Table(object.iter().map(|(key, value)| json_entry(text, key, value)).collect()),
    };
    Node { value, span }
}

fn json_entry(text: &str, key: &str, value: &serde_json::Value) -> Entry {
    let start = text.find(&format!("\"{key}\"")).map_or(0, |at| at + 1);
    let span = start..start + key.len();
    Entry { key: key.to_owned(), span: span.clone(), node: json_node(text, value, span) }
}

/// Reads YAML that begins at byte `offset` of its file.
pub fn from_yaml(text: &str, offset: usize) -> Result<Node, Broken> {
    if text.trim().is_empty() {
        return Ok(Node { value: Value::Table(Vec::new()), span: offset..offset });
    }
    let parsed: serde_saphyr::Spanned<Yaml> = serde_saphyr::from_str(text).map_err(|error| yaml_error(text, offset, &error))?;
    let mut node = yaml_node(text, parsed);
    node.shift(offset);
    Ok(node)
}

fn yaml_error(text: &str, offset: usize, error: &serde_saphyr::Error) -> Broken {
    let span = error.location().map_or(0..1, |location| byte_span(text, location));
    let shown = error.without_snippet().to_string();
    let first = shown.lines().next().and_then(|line| line.split(" at line ").next()).unwrap_or("not valid YAML");
    (first.to_owned(), span.start + offset..span.end + offset)
}

/// The bytes a YAML location means.
fn byte_span(text: &str, location: serde_saphyr::Location) -> Range<usize> {
    let span = location.span();
    let byte = |chars: u64| text.char_indices().nth(usize::try_from(chars).unwrap_or(usize::MAX)).map_or(text.len(), |(at, _)| at);
    match (span.byte_offset(), span.byte_len()) {
        (Some(at), Some(length)) => {
            let at = usize::try_from(at).unwrap_or(0);
            at..at + usize::try_from(length).unwrap_or(0)
        }
        _ => byte(span.offset())..byte(span.offset() + span.len()),
    }
}

fn yaml_node(text: &str, yaml: serde_saphyr::Spanned<Yaml>) -> Node {
    let span = byte_span(text, yaml.referenced);
    let value = match yaml.value {
        Yaml::Null => Value::Null,
        Yaml::Bool(flag) => Value::Bool(flag),
        // The characters as written: `1.10` is a name here, not a quantity.
        Yaml::Number(number) => {
            Value::Number(text.get(span.clone()).filter(|raw| !raw.trim().is_empty()).map_or(number, |raw| raw.trim().to_owned()))
        }
        Yaml::Text(text) => Value::Text(text),
        Yaml::List(items) => Value::List(items.into_iter().map(|item| yaml_node(text, item)).collect()),
        Yaml::Table(entries) => Value::Table(entries.into_iter().map(|(key, node)| yaml_entry(text, key, node)).collect()),
    };
    Node { value, span }
}

fn yaml_entry(text: &str, key: serde_saphyr::Spanned<String>, node: serde_saphyr::Spanned<Yaml>) -> Entry {
    Entry { span: byte_span(text, key.referenced), key: key.value, node: yaml_node(text, node) }
}

/// YAML as its parser tells it.
enum Yaml {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<serde_saphyr::Spanned<Yaml>>),
    Table(Vec<(serde_saphyr::Spanned<String>, serde_saphyr::Spanned<Yaml>)>),
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(YamlVisitor)
    }
}

struct YamlVisitor;

impl<'de> Visitor<'de> for YamlVisitor {
    type Value = Yaml;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_none<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Yaml, D::Error> {
        Yaml::deserialize(deserializer)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Yaml, E> {
        Ok(Yaml::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Yaml, E> {
        Ok(Yaml::Number(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Yaml, E> {
        Ok(Yaml::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Yaml, E> {
        Ok(Yaml::Number(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Yaml, E> {
        Ok(Yaml::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Yaml, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Yaml::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Yaml, A::Error> {
        let mut table = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            table.push(entry);
        }
        Ok(Yaml::Table(table))
    }
}
