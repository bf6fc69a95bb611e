//! `[[source]]` as the model's type.

use std::time::Duration;

use super::reader::Section;
use super::sections::{http_url, language};
use super::tree::Origin;
use crate::model::Fault;
use crate::model::article::OWN;
use crate::model::list::parse_id;
use crate::model::source::{EVERY, EVERY_MAX, Source, SourceKind, Updates};

/// A weight above this says no more.
const WEIGHT_MAX: usize = 100;
/// The words of `kind`.
const KINDS: [(&str, SourceKind); 3] = [("auto", SourceKind::Auto), ("feed", SourceKind::Feed), ("page", SourceKind::Page)];
/// The words of `updates`.
const UPDATES: [(&str, Updates); 3] = [("update", Updates::Update), ("ignore", Updates::Ignore), ("correct", Updates::Correct)];

/// Reads one `[[source]]`.
pub(super) fn source(section: &Section<'_>) -> Option<Source> {
    let id = section.required("id", "id = \"blog\"", |s, key| s.parsed(key, "bad-id", source_id));
    let url = section.required("url", "url = \"https://example.org/feed.xml\"", |s, key| s.parsed(key, "bad-url", http_url));
    let title = section.line_or_none("title");
    let kind = section.choice("kind", &KINDS, SourceKind::Auto);
    let every = section.parsed("every", "bad-value", every).map_or(EVERY, |every| at_most_a_day(section, every));
    let tags = section.words("tags");
    let updates = section.choice("updates", &UPDATES, Updates::Update);
    let words = |key| {
        let all = section.texts(key).into_iter();
        all.filter_map(|text| section.check(word(&text.value), "bad-value", text.origin)).collect::<Vec<String>>()
    };
    let (include, exclude) = (words("include"), words("exclude"));
    let texts = section.texts("languages");
    let languages = texts.into_iter().filter_map(|text| section.check(language(&text.value), "bad-value", text.origin)).collect();
    let weight = section.count("weight", 1, 1..=WEIGHT_MAX);
    let images = section.flag("images", true);
    Some(Source { id: id?, url: url?, title, kind, every, tags, updates, include, exclude, languages, weight, images })
}

/// `every`, cut to a day: what is there no more, or has moved, is to be known the day after.
fn at_most_a_day(section: &Section<'_>, every: Duration) -> Duration {
    if every > EVERY_MAX {
        let said = section.text("every").map(|text| text.value).unwrap_or_default();
        let fault = Fault::warning("asked-daily", format!("every = {said:?} counts as a day: a source is asked once a day at least"));
        let origin = section.node("every").map_or(Origin::Absent, |node| node.origin.clone());
        section.fault_at(fault.hint("write \"1d\"; `postrider sources pause ID` stops asking"), &origin);
    }
    every.min(EVERY_MAX)
}

/// The keys of a `[[source]]` with their values, those left out that say what holds without them.
pub fn source_values(source: &Source) -> Vec<(&'static str, toml::Value)> {
    let plain = Source::new(source.id.clone(), source.url.clone());
    let text = |text: &str| toml::Value::String(text.to_owned());
    let list = |texts: &[String]| toml::Value::Array(texts.iter().map(|one| text(one)).collect());
    let named = |words: &[(&str, bool)]| text(words.iter().find(|(_, fits)| *fits).map_or("", |(word, _)| word));
    let all = [
        (true, "id", text(&source.id)),
        (true, "url", text(source.url.as_str())),
        (source.title.is_some(), "title", text(source.title.as_deref().unwrap_or_default())),
        (source.kind != plain.kind, "kind", named(&KINDS.map(|(word, kind)| (word, kind == source.kind)))),
        (source.every != plain.every, "every", text(&length(source.every))),
        (!source.tags.is_empty(), "tags", list(&source.tags)),
        (source.updates != plain.updates, "updates", named(&UPDATES.map(|(word, updates)| (word, updates == source.updates)))),
        (!source.include.is_empty(), "include", list(&source.include)),
        (!source.exclude.is_empty(), "exclude", list(&source.exclude)),
        (!source.languages.is_empty(), "languages", list(&source.languages)),
        (source.weight != plain.weight, "weight", toml::Value::Integer(i64::try_from(source.weight).unwrap_or(1))),
        (source.images != plain.images, "images", toml::Value::Boolean(source.images)),
    ];
    all.into_iter().filter(|(is_said, ..)| *is_said).map(|(_, key, value)| (key, value)).collect()
}

/// A `[[source]]` as it is written into config.toml.
pub fn source_block(source: &Source) -> String {
    let lines = source_values(source).into_iter().map(|(key, value)| format!("{key} = {value}\n"));
    format!("[[source]]\n{}", lines.collect::<String>())
}

/// A length of time as it is written.
fn length(time: Duration) -> String {
    let secs = time.as_secs();
    let (unit, word) =
        [(86_400, "d"), (3600, "h"), (60, "min")].into_iter().find(|(unit, _)| secs.is_multiple_of(*unit)).unwrap_or((1, "s"));
    format!("{}{word}", secs / unit)
}

/// What stands in texts: at least one letter or digit.
fn word(text: &str) -> Result<String, String> {
    match text.chars().any(char::is_alphanumeric) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} has no letter and no digit, so no entry has it\nwrite a word, or a few words")),
    }
}

fn source_id(text: &str) -> Result<String, String> {
    if text == OWN {
        return Err("\"own\" stands for the articles of content/\nchoose another id".to_owned());
    }
    parse_id(text)
}

/// A length of time: `30s`, `15min`, `1h`, `2d`.
fn every(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a length of time\nwrite \"30min\", \"1h\" or \"1d\"");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit_secs = match text[digits..].trim() {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let secs = number.checked_mul(unit_secs).filter(|secs| *secs >= 60).ok_or("a source is asked at most once a minute\nwrite \"1h\"")?;
    Ok(Duration::from_secs(secs))
}
