//! What pages and mails say, by language: Fluent files under `locales/`, one a language, built in or put beside the templates.
//!
//! A template writes `{{ t(key="leave-title", list=list_name) }}`. The language is the context's `language`, else `lang=…`; what it does not have
//! is said in English.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Datelike as _;
use chrono_tz::Tz;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use tera::{Error, Kwargs, State, TeraResult, Value};

use super::filters::parse_date;

use crate::model::{Fault, Faults};

/// The language that has every text.
const FALLBACK: &str = "en";
/// Where the files stand among the template sources.
const FOLDER: &str = "locales/";

/// The texts of every language there is.
pub struct Texts(BTreeMap<String, FluentBundle<FluentResource>>);

impl Texts {
    /// Reads every `locales/LANGUAGE.ftl` of the sources.
    pub fn new(sources: &BTreeMap<String, String>) -> Result<Self, Faults> {
        let mut bundles = BTreeMap::new();
        for (name, text) in sources {
            let Some(language) = language_of(name) else { continue };
            let wrong = |what: String| Fault::error("locale-invalid", format!("{name}: {what}"));
            let id = language.parse().map_err(|_| wrong(format!("{language:?} is not a language tag such as \"de\" or \"pt-BR\"")))?;
            let resource = FluentResource::try_new(text.clone()).map_err(|(_, errors)| {
                wrong(errors.first().map(|error| format!("line {}: {error}", line(text, error.pos.start))).unwrap_or_default())
            })?;
            let mut bundle = FluentBundle::new_concurrent(vec![id]);
            // Marks of direction around every value would show as boxes in old mail programs.
            bundle.set_use_isolating(false);
            bundle.add_resource(resource).map_err(|errors| wrong(errors.first().map(ToString::to_string).unwrap_or_default()))?;
            bundles.insert(language.to_ascii_lowercase(), bundle);
        }
        Ok(Self(bundles))
    }

    /// What `key` says in `language`, or in English.
    fn say(&self, key: &str, language: &str, values: &FluentArgs<'_>) -> TeraResult<String> {
        let language = language.to_ascii_lowercase();
        let primary = language.split('-').next().unwrap_or_default();
        let known = [language.as_str(), primary, FALLBACK].into_iter().filter_map(|language| self.0.get(language));
        let found = known.into_iter().find_map(|bundle| Some((bundle, bundle.get_message(key)?.value()?)));
        let (bundle, pattern) = found.ok_or_else(|| Error::message(format!("there is no text `{key}` in {FOLDER}{FALLBACK}.ftl")))?;
        let mut errors = Vec::new();
        let said = bundle.format_pattern(pattern, Some(values), &mut errors).into_owned();
        match errors.first() {
            Some(error) => Err(Error::message(format!("the text `{key}`: {error}"))),
            None => Ok(said),
        }
    }

    /// `{{ issue.date | long_date(timezone=site.timezone) }}`: 22 November 2026, in the words of the language.
    fn long_date(&self, text: &str, arguments: &Kwargs, state: &State) -> TeraResult<String> {
        let at = parse_date(text)?;
        let day = match arguments.get::<&str>("timezone")? {
            Some(name) => {
                let zone: Tz = name.parse().map_err(|_| Error::message(format!("`{name}` is not a time zone such as Europe/Berlin")))?;
                at.with_timezone(&zone).date_naive()
            }
            None => at.date_naive(),
        };
        let language = language(arguments, state)?;
        let month = self.say(&format!("month-{}", day.month()), &language, &FluentArgs::new())?;
        let mut values = FluentArgs::new();
        // As text: a year takes no separator of thousands.
        values.set("day", day.day().to_string());
        values.set("month", month);
        values.set("year", day.year().to_string());
        self.say("date-long", &language, &values)
    }
}

/// The languages that the sources have texts in.
pub fn languages(sources: &BTreeMap<String, String>) -> Vec<String> {
    sources.keys().filter_map(|name| language_of(name)).map(str::to_owned).collect()
}

/// The best of `languages` for somebody who wants `wanted` (BCP 47): the same, or the same without its region; nothing when there is none.
pub fn pick<'l>(languages: &'l [String], wanted: &str) -> Option<&'l str> {
    let same = |one: &&String, wanted: &str| one.eq_ignore_ascii_case(wanted);
    let primary = wanted.split('-').next().unwrap_or_default();
    languages.iter().find(|one| same(one, wanted)).or_else(|| languages.iter().find(|one| same(one, primary))).map(String::as_str)
}

/// Whether a source is a file of texts and no template.
pub fn is_texts(name: &str) -> bool {
    language_of(name).is_some()
}

fn language_of(name: &str) -> Option<&str> {
    name.strip_prefix(FOLDER)?.strip_suffix(".ftl")
}

/// Adds the function `t` and the filter `long_date` to `tera`.
pub(super) fn register(tera: &mut tera::Tera, texts: Texts) {
    let texts = Arc::new(texts);
    let same = texts.clone();
    tera.register_filter("long_date", move |text: &str, arguments: Kwargs, state: &State| same.long_date(text, &arguments, state));
    tera.register_function("t", move |arguments: Kwargs, state: &State| -> TeraResult<String> {
        let key = arguments.must_get::<&str>("key")?;
        let language = language(&arguments, state)?;
        let mut values = FluentArgs::new();
        for (name, value) in arguments.iter() {
            if let Some(name) = name.as_str().filter(|name| !matches!(*name, "key" | "lang")) {
                values.set(name.to_owned(), fluent(value));
            }
        }
        texts.say(key, &language, &values)
    });
}

/// The language that is wanted: said by the template, else the context's.
fn language(arguments: &Kwargs, state: &State) -> TeraResult<String> {
    match arguments.get::<&str>("lang")? {
        Some(language) => Ok(language.to_owned()),
        None => Ok(state.get::<String>("language")?.unwrap_or_else(|| FALLBACK.to_owned())),
    }
}

fn fluent(value: &Value) -> FluentValue<'static> {
    match (value.as_str(), value.as_i64()) {
        (Some(text), _) => FluentValue::String(Cow::Owned(text.to_owned())),
        (None, Some(number)) => FluentValue::from(number),
        (None, None) => FluentValue::String(Cow::Owned(value.to_string())),
    }
}

/// The line of a place in a text, from 1.
fn line(text: &str, at: usize) -> usize {
    text.get(..at).map_or(0, |before| before.matches('\n').count()) + 1
}
