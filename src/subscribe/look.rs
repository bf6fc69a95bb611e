//! A first look at a file: whose export it is, what its columns are taken for, and what its first rows say. Nothing is written.

use super::columns::{Columns, Row, Standing};
use super::format::{Field, Format};
use super::import::{Import, header};
use super::parts::Part;
use super::table::Table;
use super::values::tags_cell;
use crate::model::Fault;

/// Rows that are shown.
const SAMPLE_ROWS: usize = 3;

/// What a file looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Whose export it is taken for.
    pub format: Format,
    /// What the file as a whole says of everybody in it: Mailchimp's three files differ in that alone.
    pub whole: Option<Standing>,
    /// Its columns, and what they are taken for.
    pub columns: Vec<(String, Field)>,
    /// Its first rows.
    pub sample: Vec<Sample>,
}

/// A row as it is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sample {
    /// A person.
    Person {
        /// Address.
        email: String,
        /// What the file says of them.
        standing: Standing,
        /// Everything else, as `name = value`.
        details: Vec<(String, String)>,
    },
    /// No person, and why.
    Wrong(String),
}

/// Looks at the beginning of a file.
pub fn look(part: Part, how: &Import) -> Result<Look, Fault> {
    let mut table = Table::open(part.input, &part.name)?;
    let columns = header(&mut table, &part.name, how)?;
    let sample = sample(&mut table, &columns)?;
    Ok(Look { format: columns.format, whole: columns.whole(), columns: columns.named, sample })
}

/// The same, and the file's beginning again, for what can be read only once. `name` is the file's, for faults.
pub fn look_ahead(part: Part, how: &Import) -> Result<(Look, Part), Fault> {
    const AHEAD_BYTES: u64 = 64 * 1024;
    use std::io::{Cursor, Read as _};
    let mut input = part.input;
    let mut ahead = Vec::new();
    let unreadable = |error| Fault::error("csv-read", format!("cannot be read: {error}")).in_file(&part.name);
    input.by_ref().take(AHEAD_BYTES).read_to_end(&mut ahead).map_err(unreadable)?;
    let look = self::look(Part { name: part.name.clone(), input: Box::new(Cursor::new(ahead.clone())) }, how)?;
    let whole = Cursor::new(ahead).chain(input);
    Ok((look, Part { name: part.name, input: Box::new(whole) }))
}

fn sample(table: &mut Table, columns: &Columns) -> Result<Vec<Sample>, Fault> {
    let mut sample = Vec::new();
    while sample.len() < SAMPLE_ROWS {
        let Some((_, cells)) = table.next()? else { break };
        sample.push(columns.read(&cells).map_or_else(Sample::Wrong, person));
    }
    Ok(sample)
}

fn person(row: Row) -> Sample {
    let mut details = Vec::new();
    let mut tell = |name: &str, value: Option<String>| details.extend(value.map(|value| (name.to_owned(), value)));
    tell("list", row.list);
    tell("name", row.new.name);
    tell("language", row.new.language);
    tell("timezone", row.new.timezone);
    tell("joined", row.new.joined_at.map(|at| at.rfc3339()));
    tell("tags", Some(tags_cell(&row.new.tags)).filter(|tags| !tags.is_empty()));
    for (key, value) in row.new.attributes {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        tell(&format!("attr.{key}"), Some(text));
    }
    Sample::Person { email: row.new.email.to_string(), standing: row.standing, details }
}
