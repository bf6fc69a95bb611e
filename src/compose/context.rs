//! What templates see: the Issue (the same for everybody) and the reader.

use std::collections::HashSet;

use tera::{Context, Map, Value};

use super::Reader;
use crate::model::issue::FrozenSection;
use crate::model::{Frozen, ListId};

/// The names that hold reader data. A template may read them anywhere and bind them nowhere.
pub(super) const READER_NAMES: [&str; 5] = ["subscriber", "unsubscribe_url", "preferences_url", "view_url", "confirm_url"];
/// Fields of `subscriber` that an attribute of the same name does not hide.
const SUBSCRIBER_FIELDS: [&str; 5] = ["email", "name", "language", "timezone", "attributes"];

/// `site`, `list`, `issue` (without its subject and preheader), `articles` and `article`, `sections` and `corrections`.
pub(super) fn shared(frozen: &Frozen, id: &ListId) -> Context {
    let mut context = Context::new();
    context.insert("site", &frozen.site);
    context.insert("language", frozen.language.as_ref().unwrap_or(&frozen.site.language));
    insert_articles(&mut context, frozen);
    context.insert("corrections", &frozen.corrections);
    if let Some(list) = frozen.lists.get(id) {
        let mut map = Value::from_serializable(list).into_map().unwrap_or_default();
        map.insert("id".into(), Value::from(id.as_str()));
        context.insert_value("list", Value::from(map));
    }
    context.insert_value("issue", Value::from(issue(frozen)));
    context
}

/// The Articles under their headings, and all of them in the order of the mail. A heading without an Article is left out; so is one that says
/// "the rest" where there is nothing else.
fn insert_articles(context: &mut Context, frozen: &Frozen) {
    let mut left: Vec<(&str, Value)> =
        frozen.articles.iter().map(|article| (article.id.as_str(), Value::from_serializable(article))).collect();
    let mut sections: Vec<(Option<&FrozenSection>, Vec<Value>)> = Vec::new();
    for section in &frozen.sections {
        let ids: HashSet<&str> = section.articles.iter().map(String::as_str).collect();
        let (here, others): (Vec<_>, Vec<_>) = left.into_iter().partition(|(id, _)| ids.contains(id));
        left = others;
        if !here.is_empty() {
            sections.push((Some(section), here.into_iter().map(|(_, article)| article).collect()));
        }
    }
    if !left.is_empty() {
        sections.push((None, left.into_iter().map(|(_, article)| article).collect()));
    }
    let articles: Vec<Value> = sections.iter().flat_map(|(_, articles)| articles.clone()).collect();
    if let Some(article) = articles.first() {
        context.insert_value("article", article.clone());
    }
    context.insert_value("articles", Value::from(articles));
    let only_one = sections.len() == 1;
    let sections: Vec<Value> = sections.into_iter().map(|(section, articles)| section_value(section, articles, only_one)).collect();
    context.insert_value("sections", Value::from(sections));
}

fn section_value(section: Option<&FrozenSection>, articles: Vec<Value>, only_one: bool) -> Value {
    let mut map = Map::new();
    map.insert("title".into(), Value::from_serializable(&section.and_then(|section| section.title.as_ref())));
    map.insert("url".into(), Value::from_serializable(&section.and_then(|section| section.url.as_ref())));
    map.insert("rest".into(), Value::from(!only_one && section.is_some_and(|section| section.rest)));
    map.insert("articles".into(), Value::from(articles));
    Value::from(map)
}

fn issue(frozen: &Frozen) -> Map {
    let mut issue = Map::new();
    issue.insert("name".into(), Value::from(frozen.name.as_str()));
    issue.insert("number".into(), Value::from(frozen.number));
    issue.insert("date".into(), Value::from(frozen.date.as_str()));
    issue.insert("test".into(), Value::from(frozen.test));
    issue
}

/// Adds `field` to `issue`, once it is rendered.
pub(super) fn set_issue(context: &mut Context, field: &'static str, text: &str) {
    let mut issue = context.get("issue").cloned().and_then(Value::into_map).unwrap_or_default();
    issue.insert(field.into(), Value::from(text));
    context.insert_value("issue", Value::from(issue));
}

/// Puts the reader's names into `context`, over those of another reader.
pub(super) fn set_reader(context: &mut Context, reader: &Reader) {
    context.insert_value("subscriber", subscriber(reader));
    context.insert_value("unsubscribe_url", Value::from(reader.unsubscribe_url.as_str()));
    context.insert_value("preferences_url", Value::from(reader.preferences_url.as_str()));
    context.insert_value("view_url", Value::from(reader.view_url.as_str()));
    context.insert_value("confirm_url", Value::from(reader.confirm_url.as_str()));
}

/// `subscriber`: what we do not know is absent, so that `default` and `if` work; attributes also stand beside the fields.
fn subscriber(reader: &Reader) -> Value {
    let person = &reader.subscriber;
    let mut map = Map::new();
    map.insert("email".into(), Value::from(person.email.as_str()));
    let known = [("name", &person.name), ("language", &person.language), ("timezone", &person.timezone)];
    for (field, value) in known {
        if let Some(value) = value {
            map.insert(field.into(), Value::from(value.as_str()));
        }
    }
    let attributes = Value::from_serializable(&person.attributes);
    for (key, value) in attributes.as_map().into_iter().flatten() {
        if !key.as_str().is_some_and(|key| SUBSCRIBER_FIELDS.contains(&key)) {
            map.insert(key.clone(), value.clone());
        }
    }
    map.insert("attributes".into(), attributes);
    Value::from(map)
}
