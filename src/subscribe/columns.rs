//! What the columns of a CSV file mean, by their names, and what a row of it says about a person.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde_json::{Map, Value};

use crate::model::email::{forbidden_in_header, parse_name};
use crate::model::{EmailAddress, Timestamp};
use crate::store::subscribers::NewSubscriber;

/// Longest language tag (RFC 5646 asks for at least 35).
const LANGUAGE_CHARS_MAX: usize = 35;

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Column {
    Email,
    Name,
    FirstName,
    LastName,
    Language,
    Timezone,
    Joined,
    /// A word such as `active` or `cleaned`.
    Status,
    /// A yes, or the moment it happened, keeps the person out.
    OptedOut,
    /// A no keeps the person out.
    OptedIn,
    /// A JSON object of attributes.
    Attributes,
    /// Said elsewhere (the List is an argument), or a column without a name.
    Ignored,
    /// An attribute of this name.
    Attribute(String),
}

/// The columns of a file.
pub(super) struct Columns(Vec<Column>);

/// What a row says.
#[derive(Debug)]
pub(super) enum Row {
    /// A person to bring in; `pending` when the file says that they never confirmed.
    Person {
        /// The person.
        new: Box<NewSubscriber>,
        /// They have not confirmed where they come from, so they have not here.
        pending: bool,
    },
    /// The file says that this person must not be mailed.
    OptedOut,
}

impl Columns {
    /// Reads the header; `None` when no column holds addresses.
    pub(super) fn of(header: &[Cow<'_, str>]) -> Option<Self> {
        let mut columns: Vec<Column> = header.iter().map(|name| column(name)).collect();
        let first = columns.iter().position(|column| *column == Column::Email)?;
        for (i, column) in columns.iter_mut().enumerate() {
            // A second address column would be a second person.
            if *column == Column::Email && i != first {
                *column = Column::Attribute(key(&header[i]));
            }
        }
        Some(Self(columns))
    }

    /// Reads a row; the error says in words why it is no person.
    pub(super) fn read(&self, cells: &[Cow<'_, str>]) -> Result<Row, String> {
        if cells.iter().skip(self.0.len()).any(|cell| !cell.trim().is_empty()) {
            return Err(format!("{} cells under {} columns: a comma that should be quoted?", cells.len(), self.0.len()));
        }
        let told = || self.0.iter().zip(cells.iter().map(|cell| unescape(cell.trim())));
        let cell = |wanted: &Column| told().find(|(column, cell)| *column == wanted && !cell.is_empty()).map(|(_, cell)| cell);
        let email = EmailAddress::parse(cell(&Column::Email).ok_or("no address")?)?;
        if told().any(|(column, cell)| keeps_out(column, cell)) {
            return Ok(Row::OptedOut);
        }
        let name = match cell(&Column::Name) {
            Some(name) => parse_name(name)?,
            None => parse_name(&format!("{} {}", cell(&Column::FirstName).unwrap_or(""), cell(&Column::LastName).unwrap_or("")))?,
        };
        let mut attributes = match cell(&Column::Attributes) {
            Some(json) => parse_attributes(json)?,
            None => Map::new(),
        };
        for (column, cell) in told() {
            if let (Column::Attribute(key), false) = (column, cell.is_empty()) {
                attributes.insert(key.clone(), Value::String(one_line(cell)));
            }
        }
        let new = NewSubscriber {
            email,
            name,
            attributes,
            language: cell(&Column::Language).and_then(language),
            timezone: cell(&Column::Timezone).filter(|zone| zone.parse::<chrono_tz::Tz>().is_ok()).map(str::to_owned),
            joined_at: cell(&Column::Joined).and_then(instant),
        };
        let pending = cell(&Column::Status).is_some_and(|word| matches!(squeezed(word).as_str(), "pending" | "unconfirmed"));
        Ok(Row::Person { new: Box::new(new), pending })
    }
}

/// The column a header cell names, in the words of the common systems.
fn column(name: &str) -> Column {
    match squeezed(name).as_str() {
        "" | "list" | "suppressed" => Column::Ignored,
        "email" | "emailaddress" | "mail" | "mailaddress" | "emailadresse" | "subscriberemail" | "correo" | "courriel" => Column::Email,
        "name" | "fullname" | "displayname" | "subscribername" => Column::Name,
        "firstname" | "givenname" | "fname" | "vorname" => Column::FirstName,
        "lastname" | "surname" | "familyname" | "lname" | "nachname" => Column::LastName,
        "language" | "lang" | "locale" => Column::Language,
        "timezone" | "tz" => Column::Timezone,
        "created" | "createdat" | "joined" | "joinedat" | "subscribedat" | "signupdate" | "subscriptiondate" | "creationdate"
        | "optintime" | "addedtime" => Column::Joined,
        "status" | "state" | "subscriptionstatus" => Column::Status,
        "unsubscribed" | "unsubscribedat" | "unsubscriptiondate" | "unsubtime" | "cleantime" | "emaildisabled" | "emailblacklisted"
        | "blocklisted" | "optedout" => Column::OptedOut,
        "subscribedtoemails" => Column::OptedIn,
        "attributes" => Column::Attributes,
        _ => Column::Attribute(key(name)),
    }
}

/// Lower case, letters and digits only: `E-Mail Address` and `email_address` are one word.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// A name templates can use: `Favourite colour` is `subscriber.favourite_colour`.
fn key(name: &str) -> String {
    let snake: String = name.trim().chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    snake.trim_matches('_').to_owned()
}

/// Whether a cell says, unmistakably, that the person must not be mailed.
fn keeps_out(column: &Column, cell: &str) -> bool {
    let word = squeezed(cell);
    match column {
        Column::Status => matches!(
            word.as_str(),
            "unsubscribed"
                | "unsub"
                | "optedout"
                | "blocklisted"
                | "blacklisted"
                | "blocked"
                | "bounced"
                | "cleaned"
                | "complained"
                | "suppressed"
        ),
        Column::OptedOut => matches!(word.as_str(), "true" | "yes" | "y" | "1" | "ja" | "oui") || instant(cell).is_some(),
        Column::OptedIn => matches!(word.as_str(), "false" | "no" | "0"),
        _ => false,
    }
}

/// The other half of what export does to cells that a spreadsheet would calculate.
fn unescape(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(super::export::FORMULA) => rest,
        _ => cell,
    }
}

/// Attributes may end up in a subject, so they have no line breaks either; unlike a name, a note with two lines is no attack.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if forbidden_in_header(c) { ' ' } else { c }).collect()
}

/// An object of strings, numbers and booleans; what is deeper is kept as its JSON text.
fn parse_attributes(json: &str) -> Result<Map<String, Value>, String> {
    let object: Map<String, Value> = serde_json::from_str(json).map_err(|_| "the attributes are not a JSON object".to_owned())?;
    let flat = object.into_iter().filter_map(|(key, value)| match value {
        Value::Null => None,
        Value::String(text) => Some((key, Value::String(one_line(&text)))),
        Value::Array(_) | Value::Object(_) => Some((key, Value::String(value.to_string()))),
        Value::Bool(_) | Value::Number(_) => Some((key, value)),
    });
    Ok(flat.map(|(key, value)| (one_line(&key), value)).collect())
}

/// A BCP 47 tag, or nothing when it cannot be one.
fn language(text: &str) -> Option<String> {
    let tag = text.replace('_', "-");
    let fits = tag.len() <= LANGUAGE_CHARS_MAX
        && tag.split('-').all(|part| (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric()));
    fits.then_some(tag)
}

/// A moment as the common systems write it; without a zone it is UTC.
fn instant(text: &str) -> Option<Timestamp> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(Timestamp::from_datetime(&at));
    }
    let naive = |at: NaiveDateTime| Timestamp::from_datetime(&at.and_utc());
    let text = text.trim_end_matches(" UTC");
    for format in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M"] {
        if let Ok(at) = NaiveDateTime::parse_from_str(text, format) {
            return Some(naive(at));
        }
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().and_then(|day| day.and_hms_opt(0, 0, 0)).map(naive)
}
