//! What stands in single cells: dates, words for yes and no, tags, attributes, languages, as the common systems write them.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde_json::{Map, Value};

use crate::model::Timestamp;
use crate::model::email::forbidden_in_header;
use crate::model::subscriber::parse_tag;

/// Longest language tag (RFC 5646 asks for at least 35).
const LANGUAGE_CHARS_MAX: usize = 35;

/// Lower case, letters and digits only: `E-Mail Address` and `email_address` are one word.
pub(super) fn squeezed(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// A name templates can use: `Favourite colour` is `subscriber.favourite_colour`.
pub(super) fn key(name: &str) -> String {
    let snake: String = name.trim().chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    snake.trim_matches('_').to_owned()
}

/// Whether a squeezed cell says yes.
pub(super) fn is_yes(word: &str) -> bool {
    matches!(word, "true" | "yes" | "y" | "1" | "ja" | "oui")
}

/// Whether a squeezed cell says no.
pub(super) fn is_no(word: &str) -> bool {
    matches!(word, "false" | "no" | "n" | "0" | "nein" | "non")
}

/// Attributes may end up in a subject, so they have no line breaks either; unlike a name, a note with two lines is no attack.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if forbidden_in_header(c) { ' ' } else { c }).collect()
}

/// Attributes from a JSON object, or from a Python dictionary as one exporter writes it: strings, numbers and booleans; what is deeper is kept as
/// its JSON text.
pub(super) fn parse_attributes(text: &str) -> Result<Map<String, Value>, String> {
    let object: Result<Map<String, Value>, _> = serde_json::from_str(text);
    let object = object.or_else(|error| serde_json::from_str(&json_of_python(text)).map_err(|_| error));
    let object = object.map_err(|_| "the attributes are not a JSON object".to_owned())?;
    let flat = object.into_iter().filter_map(|(key, value)| match value {
        Value::Null => None,
        Value::String(text) => Some((key, Value::String(one_line(&text)))),
        Value::Array(_) | Value::Object(_) => Some((key, Value::String(one_line(&value.to_string())))),
        Value::Bool(_) | Value::Number(_) => Some((key, value)),
    });
    Ok(flat.map(|(key, value)| (one_line(&key), value)).collect())
}

/// A Python literal as JSON: other quotes, other words. What is no such literal gives what is no JSON.
fn json_of_python(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 8);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let mut content = String::new();
                while let Some(inner) = chars.next() {
                    match inner {
                        _ if inner == c => break,
                        '\\' => match chars.next() {
                            Some('n' | 'r' | 't') => content.push(' '),
                            Some(escaped) => content.push(escaped),
                            None => {}
                        },
                        _ => content.push(inner),
                    }
                }
                json.push_str(&Value::String(content).to_string());
            }
            _ if c.is_alphabetic() => {
                let mut word = String::from(c);
                while let Some(next) = chars.next_if(|next| next.is_alphanumeric()) {
                    word.push(next);
                }
                json.push_str(match word.as_str() {
                    "True" => "true",
                    "False" => "false",
                    "None" => "null",
                    other => other,
                });
            }
            _ => json.push(c),
        }
    }
    json
}

/// Tags of one cell: with commas or semicolons between, in quotes where they contain such themselves. Each once.
pub(super) fn parse_tags(cell: &str) -> Result<Vec<String>, String> {
    let quoted;
    let parts: Vec<&str> = if cell.contains('"') {
        let mut record = csv::StringRecord::new();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(cell.as_bytes());
        reader.read_record(&mut record).map_err(|_| "the tags cannot be read".to_owned())?;
        quoted = record;
        quoted.iter().collect()
    } else {
        cell.split(if cell.contains(';') { ';' } else { ',' }).collect()
    };
    let mut tags: Vec<String> = Vec::new();
    for part in parts {
        tags.extend(parse_tag(part)?.filter(|tag| !tags.contains(tag)));
    }
    Ok(tags)
}

/// The inverse of [`parse_tags`].
pub(super) fn tags_cell(tags: &[String]) -> String {
    let cells: Vec<String> = tags
        .iter()
        .map(|tag| if tag.contains([',', ';', '"']) { format!("\"{}\"", tag.replace('"', "\"\"")) } else { tag.clone() })
        .collect();
    cells.join(",")
}

/// A BCP 47 tag, or nothing when it cannot be one.
pub(super) fn language(text: &str) -> Option<String> {
    let tag = text.replace('_', "-");
    let fits = tag.len() <= LANGUAGE_CHARS_MAX
        && tag.split('-').all(|part| (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric()));
    fits.then_some(tag)
}

/// An IANA zone, or nothing when it is none.
pub(super) fn timezone(text: &str) -> Option<String> {
    text.parse::<chrono_tz::Tz>().is_ok().then(|| text.to_owned())
}

/// An internet address, or nothing when it is none.
pub(super) fn ip(text: &str) -> Option<String> {
    text.parse::<std::net::IpAddr>().is_ok().then(|| text.to_owned())
}

/// A moment as the common systems write it; without a zone it is UTC. `1-2-2026` is read only where `day_first` is known to hold.
pub(super) fn instant(text: &str, day_first: bool) -> Option<Timestamp> {
    // Every form begins with a digit, and most cells that are asked do not.
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(Timestamp::from_datetime(&at));
    }
    let text = text.trim_end_matches(" UTC");
    let moments: &[&str] = &["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M"];
    let days: &[&str] = &["%Y-%m-%d", "%d.%m.%Y"];
    let (more_moments, more_days): (&[&str], &[&str]) = match day_first {
        true => (&["%d-%m-%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%d-%m-%Y %H:%M"], &["%d-%m-%Y", "%d/%m/%Y"]),
        false => (&[], &[]),
    };
    let naive = |at: NaiveDateTime| Timestamp::from_datetime(&at.and_utc());
    for format in moments.iter().chain(more_moments) {
        if format.ends_with("%#z") {
            if let Ok(at) = DateTime::parse_from_str(text, format) {
                return Some(Timestamp::from_datetime(&at));
            }
        } else if let Ok(at) = NaiveDateTime::parse_from_str(text, format) {
            return Some(naive(at));
        }
    }
    let day = days.iter().chain(more_days).find_map(|format| NaiveDate::parse_from_str(text, format).ok());
    day.and_then(|day| day.and_hms_opt(0, 0, 0)).map(naive)
}
