//! What only we say of a feed: the keys of its `[[source]]`, as attributes in a namespace of ours. A list that we wrote gives the same sources
//! again, and other programs pass over them.

use url::Url;

use crate::config::{Config, source_values};
use crate::model::Fault;
use crate::model::source::Source;

/// Names our attributes, whatever prefix a file has for them.
pub const NAMESPACE: &str = "urn:postrider:source";
/// The prefix we write.
pub(super) const PREFIX: &str = "postrider";
/// Keys that hold several texts: an array, as JSON writes it, because a tag may have any character in it.
const LISTS: [&str; 4] = ["tags", "include", "exclude", "languages"];
/// Keys that hold one text.
const TEXTS: [&str; 6] = ["id", "url", "title", "kind", "every", "updates"];
/// Keys that hold a number, or true or false.
const PLAIN: [&str; 2] = ["weight", "images"];

/// The attributes of a Source that stands in the list under `address`, with their names.
pub(super) fn attributes(source: &Source, address: &Url) -> Vec<(String, String)> {
    let values = source_values(source).into_iter().filter(|(key, _)| *key != "url" || source.url != *address);
    let text = |value: toml::Value| match value {
        toml::Value::String(text) => text,
        value @ toml::Value::Array(_) => serde_json::to_string(&value).unwrap_or_default(),
        other => other.to_string(),
    };
    values.map(|(key, value)| (format!("{PREFIX}:{key}"), text(value))).collect()
}

/// The Source that these attributes describe, checked as config.toml would check it. `get` gives the value of a key.
pub(super) fn source(get: impl Fn(&str) -> Option<String>, address: &Url) -> Result<Source, Fault> {
    let url = get("url").unwrap_or_else(|| address.as_str().to_owned());
    let mut block = format!("[[source]]\nurl = {}\n", toml::Value::String(url));
    for key in TEXTS.into_iter().filter(|key| *key != "url") {
        block.extend(get(key).map(|text| format!("{key} = {}\n", toml::Value::String(text))));
    }
    for key in LISTS {
        let Some(text) = get(key) else { continue };
        let hint = || format!("{PREFIX}:{key}=\"[&quot;one&quot;,&quot;two&quot;]\"");
        let texts: Vec<String> =
            serde_json::from_str(&text).map_err(|_| Fault::error("bad-value", format!("{key} is no list of texts")).hint(hint()))?;
        block.push_str(&format!("{key} = {}\n", toml::Value::from(texts)));
    }
    for key in PLAIN {
        let Some(text) = get(key) else { continue };
        let number = text.parse().map(toml::Value::Integer).ok();
        let value = number.or_else(|| text.parse().map(toml::Value::Boolean).ok()).unwrap_or(toml::Value::String(text));
        block.push_str(&format!("{key} = {value}\n"));
    }
    Config::source(&block)
}
