//! What a row of a CSV file says about a person, under columns whose meaning is known.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::export::unescaped;
use super::format::{Field, Format};
use super::values::{instant, ip, is_no, is_yes, language, one_line, parse_attributes, parse_tags, squeezed, timezone};
use crate::model::email::parse_name;
use crate::model::fault::nearest;
use crate::model::{Consent, EmailAddress, Fault, Timestamp};
use crate::store::subscribers::NewSubscriber;

/// The columns of a file.
pub(super) struct Columns {
    pub format: Format,
    /// Their names, as the file has them, and what they hold.
    pub named: Vec<(String, Field)>,
    /// What the columns alone say of everybody in the file.
    whole: Standing,
}

/// What a file says of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// They get mail.
    Active,
    /// They never confirmed where they come from, so they have not here.
    Pending,
    /// They left.
    OptedOut,
    /// They must not be mailed at all: the address is dead, they complained, or somebody blocked it.
    Suppressed,
}

/// What a row says.
#[derive(Debug)]
pub(super) struct Row {
    pub new: NewSubscriber,
    pub standing: Standing,
    /// Why they are suppressed.
    pub why: Option<String>,
    /// The List it names.
    pub list: Option<String>,
    /// What was not understood and is left out.
    pub notes: Vec<String>,
}

impl Columns {
    /// Reads the header; nothing when no column holds addresses. `format` overrules what the header looks like, `map` what its columns mean.
    pub(super) fn of(header: &[Cow<'_, str>], format: Option<Format>, map: &[(String, Field)]) -> Result<Option<Self>, Fault> {
        let format = format.unwrap_or_else(|| Format::of(header));
        let mut named: Vec<(String, Field)> = header.iter().map(|name| (one_line(name).trim().to_owned(), format.field(name))).collect();
        for (column, field) in map {
            let at = named.iter().position(|(name, _)| squeezed(name) == squeezed(column)).ok_or_else(|| unknown_column(column, &named))?;
            if *field == Field::Email {
                // The column that was guessed is no address then.
                named.iter_mut().filter(|(_, field)| *field == Field::Email).for_each(|(name, field)| *field = attribute(name));
            }
            named[at].1 = field.clone();
        }
        let Some(first) = named.iter().position(|(_, field)| *field == Field::Email) else { return Ok(None) };
        for (name, field) in named.iter_mut().skip(first + 1).filter(|(_, field)| *field == Field::Email) {
            // A second address column would be a second person.
            *field = attribute(name);
        }
        // Mailchimp's three files differ in this alone.
        let has = |wanted: &str| named.iter().any(|(name, _)| squeezed(name) == wanted);
        let whole = match format {
            Format::Mailchimp if has("cleantime") => Standing::Suppressed,
            Format::Mailchimp if has("unsubtime") => Standing::OptedOut,
            _ => Standing::Active,
        };
        Ok(Some(Self { format, named, whole }))
    }

    /// What the columns alone say of everybody, when they say anything.
    pub(super) fn whole(&self) -> Option<Standing> {
        (self.whole != Standing::Active).then_some(self.whole)
    }

    /// The address a row has, as it stands there.
    pub(super) fn address<'c>(&self, cells: &'c [Cow<'_, str>]) -> &'c str {
        let at = self.named.iter().position(|(_, field)| *field == Field::Email);
        at.and_then(|at| cells.get(at)).map_or("", |cell| unescaped(cell.trim()))
    }

    /// Reads a row; the error says in words why it is no person.
    pub(super) fn read(&self, cells: &[Cow<'_, str>]) -> Result<Row, String> {
        if cells.iter().skip(self.named.len()).any(|cell| !cell.trim().is_empty()) {
            return Err(format!("{} cells under {} columns: a comma that should be quoted?", cells.len(), self.named.len()));
        }
        let told = || self.named.iter().map(|(_, field)| field).zip(cells.iter().map(|cell| unescaped(cell.trim())));
        let cell = |wanted: &Field| told().find(|(field, cell)| *field == wanted && !cell.is_empty()).map(|(_, cell)| cell);
        let email = EmailAddress::parse(cell(&Field::Email).ok_or("no address")?)?;
        let mut notes = Vec::new();
        let moment = |field: &Field, notes: &mut Vec<String>| {
            let text = cell(field)?;
            let at = instant(text, self.format.day_first());
            note(notes, at.is_none(), field, text);
            at
        };
        let consent = Consent {
            source: cell(&Field::ConsentSource).map(one_line),
            asked_at: moment(&Field::AskedAt, &mut notes),
            asked_ip: cell(&Field::AskedIp).and_then(ip),
            confirmed_at: moment(&Field::ConfirmedAt, &mut notes),
            confirmed_ip: cell(&Field::ConfirmedIp).and_then(ip),
            wording: None,
        };
        let joined_at = moment(&Field::Joined, &mut notes);
        let (standing, why) = self.standing(told());
        let new = NewSubscriber {
            email,
            name: match cell(&Field::Name) {
                Some(name) => parse_name(name)?,
                None => full_name(cell(&Field::FirstName), cell(&Field::LastName))?,
            },
            attributes: attributes(cell(&Field::Attributes), told())?,
            language: kept(&mut notes, &Field::Language, cell(&Field::Language), language),
            timezone: kept(&mut notes, &Field::Timezone, cell(&Field::Timezone), timezone),
            joined_at: joined_at.or(consent.asked_at).or(consent.confirmed_at),
            tags: cell(&Field::Tags).map_or_else(|| Ok(Vec::new()), parse_tags)?,
            consent: self.with_joined(consent, joined_at).told(),
        };
        Ok(Row { new, standing, why, list: cell(&Field::List).map(str::to_owned), notes })
    }

    /// Where a file has one date, it is that of the consent too. Our own has all of them.
    fn with_joined(&self, consent: Consent, joined_at: Option<Timestamp>) -> Consent {
        let is_dated = consent.asked_at.is_some() || consent.confirmed_at.is_some() || self.format == Format::Postrider;
        if is_dated { consent } else { Consent { asked_at: joined_at, ..consent } }
    }

    /// The worst that any cell says, and the word that says it.
    fn standing<'c>(&self, told: impl Iterator<Item = (&'c Field, &'c str)>) -> (Standing, Option<String>) {
        let mut worst = (self.whole, matches!(self.whole, Standing::Suppressed).then(|| "cleaned".to_owned()));
        for (field, cell) in told.filter(|(_, cell)| !cell.is_empty()) {
            let said = match field {
                Field::Status => status(&squeezed(cell), self.format),
                Field::OptedOut if happened(cell) => Standing::OptedOut,
                Field::OptedIn if is_no(&squeezed(cell)) => Standing::OptedOut,
                Field::Bounced if happened(cell) => Standing::Suppressed,
                _ => Standing::Active,
            };
            if said > worst.0 {
                worst = (said, Some(if *field == Field::Status { one_line(cell) } else { "bounced".to_owned() }));
            }
        }
        worst
    }
}

/// A yes, or the moment it happened.
fn happened(cell: &str) -> bool {
    is_yes(&squeezed(cell)) || instant(cell, true).is_some()
}

/// What a status says, in the words of all systems. What nobody knows is taken for active, as the file says nothing against it.
fn status(word: &str, format: Format) -> Standing {
    match word {
        "blocklisted" | "blacklisted" | "blocked" | "bounced" | "hardbounced" | "hardbounce" | "cleaned" | "complained" | "complaint"
        | "spam" | "spammy" | "abuse" | "suppressed" | "unreachable" | "undeliverable" => Standing::Suppressed,
        "inactive" if format == Format::Kit => Standing::Pending,
        "unsubscribed" | "unsub" | "optedout" | "optout" | "inactive" | "disabled" | "cancelled" | "canceled" | "removed" | "deleted"
        | "archived" => Standing::OptedOut,
        "pending" | "unconfirmed" | "unactivated" | "waiting" => Standing::Pending,
        _ => Standing::Active,
    }
}

fn attribute(name: &str) -> Field {
    Field::Attribute(super::values::key(name))
}

fn unknown_column(column: &str, named: &[(String, Field)]) -> Fault {
    let names = || named.iter().map(|(name, _)| name.as_str()).filter(|name| !name.is_empty());
    let hint = match nearest(column, names()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("its columns are {}", names().take(40).collect::<Vec<_>>().join(", ")),
    };
    Fault::error("csv-map", format!("the file has no column {column:?}")).hint(hint)
}

fn full_name(first: Option<&str>, last: Option<&str>) -> Result<Option<String>, String> {
    match (first, last) {
        (None, None) => Ok(None),
        (one, other) => parse_name(&format!("{} {}", one.unwrap_or(""), other.unwrap_or(""))),
    }
}

fn attributes<'c>(json: Option<&str>, told: impl Iterator<Item = (&'c Field, &'c str)>) -> Result<Map<String, Value>, String> {
    let mut attributes = match json {
        Some(json) => parse_attributes(json)?,
        None => Map::new(),
    };
    for (field, cell) in told {
        if let (Field::Attribute(key), false) = (field, cell.is_empty()) {
            attributes.insert(key.clone(), Value::String(one_line(cell)));
        }
    }
    Ok(attributes)
}

/// What `read` makes of a cell; a cell it makes nothing of is noted.
fn kept(notes: &mut Vec<String>, field: &Field, cell: Option<&str>, read: impl Fn(&str) -> Option<String>) -> Option<String> {
    let text = cell?;
    let value = read(text);
    note(notes, value.is_none(), field, text);
    value
}

fn note(notes: &mut Vec<String>, unread: bool, field: &Field, text: &str) {
    if unread {
        let shown: String = text.chars().take(60).collect();
        notes.push(format!("{}: {shown:?} is not understood and left out", field.words()));
    }
}
