//! `[[source]]` as the model's type.

use std::time::Duration;

use super::reader::Section;
use super::sections::{http_url, language};
use crate::model::article::OWN;
use crate::model::list::parse_id;
use crate::model::source::{Source, SourceKind, Updates};

/// A weight above this says no more.
const WEIGHT_MAX: usize = 100;

/// Reads one `[[source]]`.
pub(super) fn source(section: &Section<'_>) -> Option<Source> {
    const KINDS: [(&str, SourceKind); 3] = [("auto", SourceKind::Auto), ("feed", SourceKind::Feed), ("page", SourceKind::Page)];
    const UPDATES: [(&str, Updates); 3] = [("update", Updates::Update), ("ignore", Updates::Ignore), ("correct", Updates::Correct)];
    let id = section.required("id", "id = \"blog\"", |s, key| s.parsed(key, "bad-id", source_id));
    let url = section.required("url", "url = \"https://example.org/feed.xml\"", |s, key| s.parsed(key, "bad-url", http_url));
    let title = section.line_or_none("title");
    let kind = section.choice("kind", &KINDS, SourceKind::Auto);
    let every = section.parsed("every", "bad-value", every).unwrap_or(Duration::from_secs(3600));
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
