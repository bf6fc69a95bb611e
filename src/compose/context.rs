//! What templates see: the Issue (the same for everybody) and the reader.

use tera::{Context, Map, Value};

use super::Reader;
use crate::model::{Frozen, ListId};

/// The names that hold reader data. A template may read them anywhere and bind them nowhere.
pub(super) const READER_NAMES: [&str; 5] = ["subscriber", "unsubscribe_url", "preferences_url", "view_url", "confirm_url"];
/// Fields of `subscriber` that an attribute of the same name does not hide.
const SUBSCRIBER_FIELDS: [&str; 5] = ["email", "name", "language", "timezone", "attributes"];

/// `site`, `list`, `issue` (without its subject and preheader), `articles` and `article`.
pub(super) fn shared(frozen: &Frozen, id: &ListId) -> Context {
    let mut context = Context::new();
    context.insert("site", &frozen.site);
    context.insert("language", frozen.language.as_ref().unwrap_or(&frozen.site.language));
    context.insert("articles", &frozen.articles);
    if let Some(article) = frozen.articles.first() {
        context.insert("article", article);
    }
    if let Some(list) = frozen.lists.get(id) {
        let mut map = Value::from_serializable(list).into_map().unwrap_or_default();
        map.insert("id".into(), Value::from(id.as_str()));
        context.insert_value("list", Value::from(map));
    }
    context.insert_value("issue", Value::from(issue(frozen)));
    context
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
