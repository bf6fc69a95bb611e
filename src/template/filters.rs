//! Our filters beside Tera's own, each documented in docs/templates.md.

use std::fmt::Write;

use chrono::{DateTime, FixedOffset, NaiveDate};
use chrono_tz::Tz;
use tera::{Error, Kwargs, State, StringInput, TeraResult, Value};
use unicode_width::UnicodeWidthStr;

/// How a date reads when the template says nothing: 22 November 2026.
const DATE_FORMAT: &str = "%-d %B %Y";

/// The width plain-text mail is set in.
const TEXT_COLUMNS: usize = 72;

/// Names of our filters, for "did you mean".
pub(super) const NAMES: [&str; 8] = ["date", "direction", "long_date", "number", "safe_url", "striptags", "truncate_words", "wrap"];

/// Adds our filters to `tera`.
pub(super) fn register(tera: &mut tera::Tera) {
    tera.register_filter("date", date);
    tera.register_filter("direction", direction);
    tera.register_filter("number", number);
    tera.register_filter("safe_url", safe_url);
    tera.register_filter("striptags", striptags);
    tera.register_filter("truncate_words", truncate_words);
    tera.register_filter("wrap", wrap);
}

/// `{{ article.published | date(format="%-d %B %Y", timezone=site.timezone) }}`: an RFC 3339 instant as people write it.
fn date(text: &str, arguments: Kwargs, _: &State) -> TeraResult<String> {
    let format = arguments.get::<&str>("format")?.unwrap_or(DATE_FORMAT);
    let at = parse_date(text)?;
    match arguments.get::<&str>("timezone")? {
        Some(name) => {
            let zone: Tz = name.parse().map_err(|_| Error::message(format!("`{name}` is not a time zone such as Europe/Berlin")))?;
            written(&at.with_timezone(&zone), format)
        }
        None => written(&at, format),
    }
}

pub(super) fn parse_date(text: &str) -> TeraResult<DateTime<FixedOffset>> {
    let day = || Some(text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0)?.and_utc().fixed_offset());
    let instant = DateTime::parse_from_rfc3339(text).ok().or_else(day);
    instant.ok_or_else(|| Error::message(format!("`{text}` is not a date such as 2026-11-22T09:00:00+01:00")))
}

/// chrono reports a wrong format only as a failed write, which `to_string` would turn into a panic.
fn written<Z: chrono::TimeZone>(at: &DateTime<Z>, format: &str) -> TeraResult<String>
where
    Z::Offset: std::fmt::Display,
{
    let mut out = String::new();
    match write!(out, "{}", at.format(format)) {
        Ok(()) => Ok(out),
        Err(_) => Err(Error::message(format!("`{format}` is not a date format such as {DATE_FORMAT:?} (strftime)"))),
    }
}

/// `{{ site.language | direction }}`: `rtl` for languages written from right to left, else `ltr`.
fn direction(language: &str, _: Kwargs, _: &State) -> &'static str {
    const RIGHT_TO_LEFT: [&str; 12] = ["ar", "arc", "ckb", "dv", "fa", "he", "ps", "sd", "syr", "ug", "ur", "yi"];
    const SCRIPTS: [&str; 4] = ["arab", "hebr", "syrc", "thaa"];
    let tag = language.to_ascii_lowercase().replace('_', "-");
    let mut subtags = tag.split('-');
    let primary = subtags.next().unwrap_or_default();
    let script = subtags.next().filter(|subtag| subtag.len() == 4 && subtag.bytes().all(|b| b.is_ascii_alphabetic()));
    match script {
        Some(script) if SCRIPTS.contains(&script) => "rtl",
        None if RIGHT_TO_LEFT.contains(&primary) => "rtl",
        _ => "ltr",
    }
}

/// `{{ 1234567 | number }}`: 1,234,567; another separator with `separator="."`.
fn number(value: &Value, arguments: Kwargs, _: &State) -> TeraResult<String> {
    if !value.is_number() {
        return Err(Error::message(format!("`number` needs a number, not a {}", value.name())));
    }
    let separator = arguments.get::<&str>("separator")?.unwrap_or(",");
    let text = value.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut out = sign.to_owned();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push_str(separator);
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        let _ = write!(out, ".{fraction}");
    }
    Ok(out)
}

/// `<a href="{{ article.url | safe_url }}">`: the address if it is http, https or mailto, else `#`.
fn safe_url(text: &str, _: Kwargs, _: &State) -> String {
    let text = text.trim();
    let allowed = url::Url::parse(text).is_ok_and(|url| ["http", "https", "mailto"].contains(&url.scheme()));
    if allowed && !text.contains(|c: char| c.is_control()) { text.to_owned() } else { "#".to_owned() }
}

/// `{{ article.html | striptags }}`: HTML without its tags and comments, the common entities resolved.
fn striptags(html: &str, _: Kwargs, _: &State) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let tag_length = if rest.starts_with("<!--") {
            rest.find("-->").map(|end| end + 3)
        } else if rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c)) {
            rest.find('>').map(|end| end + 1)
        } else {
            out.push('<');
            Some(1)
        };
        rest = &rest[tag_length.unwrap_or(rest.len())..];
    }
    out.push_str(rest);
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&nbsp;", "\u{a0}"), ("&amp;", "&")];
    entities.iter().fold(out, |text, (entity, character)| text.replace(entity, character))
}

/// `{{ article.summary | truncate_words(length=30) }}`: the first words, with `…` when some are left out.
fn truncate_words(text: &str, arguments: Kwargs, _: &State) -> TeraResult<String> {
    let length = arguments.must_get::<usize>("length")?;
    let mut words = text.split_whitespace();
    let first = words.by_ref().take(length).collect::<Vec<_>>().join(" ");
    match words.next() {
        Some(_) => Ok(first.trim_end_matches([',', ';', ':', '.', '-', '–', '—']).to_owned() + "…"),
        None => Ok(first),
    }
}

/// `{{ article.summary | wrap(width=72, indent="  ") }}`: plain text in lines of at most `width` columns, `indent` before each.
fn wrap(text: StringInput, arguments: Kwargs, _: &State) -> TeraResult<Value> {
    let width = arguments.get::<usize>("width")?.unwrap_or(TEXT_COLUMNS);
    let indent = arguments.get::<&str>("indent")?.unwrap_or_default();
    let lines: Vec<String> = text.as_str().lines().map(|line| wrap_line(line, width, indent)).collect();
    Ok(text.inherit_safety(lines.join("\n")))
}

/// One paragraph; a word wider than a line (an address) stays whole.
fn wrap_line(line: &str, width: usize, indent: &str) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for word in line.split_ascii_whitespace() {
        if column > 0 && column + 1 + word.width() > width {
            out.push('\n');
            column = 0;
        }
        if column == 0 {
            out.push_str(indent);
            column = indent.width();
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.width();
    }
    out
}
