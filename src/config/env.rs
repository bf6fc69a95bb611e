//! `POSTRIDER_SECTION__KEY=value`: variables laid over the parsed file. The key that asks for a value types it.

use super::reader::{nearest, with_hint};
use super::source::Source;
use super::tree::{Entry, Node, Origin, Value};
use crate::model::Fault;

const PREFIX: &str = "POSTRIDER_";
/// Variables that are the program's own and no keys of config.toml.
const OWN: [&str; 3] = ["POSTRIDER_CONFIG", "POSTRIDER_LOG", "POSTRIDER_CORPORA"];

/// Lays every `POSTRIDER_*` variable over `root`. `tables` are the sections that stand once, `arrays` those that repeat.
pub(super) fn overlay(
    root: &mut Vec<Entry>,
    env: impl Iterator<Item = (String, String)>,
    tables: &[&str],
    arrays: &[&str],
    source: &Source<'_>,
) {
    // Sorted, so that POSTRIDER_RELAY__0 comes before POSTRIDER_RELAY__1 and faults come in a steady order.
    let mut variables: Vec<_> = env.filter(|(name, _)| name.starts_with(PREFIX) && !OWN.contains(&name.as_str())).collect();
    variables.sort();
    for (name, value) in variables {
        let path: Vec<String> = name[PREFIX.len()..].split("__").map(str::to_lowercase).collect();
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        match parts[..] {
            [section, key] if tables.contains(&section) => set_in_table(root, section, key, &name, value),
            [section, index, key] if arrays.contains(&section) => match element(root, section, index, &name) {
                Ok(inner) => set(inner, key, &name, value),
                Err(fault) => source.push(*fault),
            },
            _ => source.push(unknown(&name, &parts, tables, arrays)),
        }
    }
}

/// Sets a key of `[section]`, which is made when it is not there. A section that is no table keeps its reader's fault.
fn set_in_table(entries: &mut Vec<Entry>, section: &str, key: &str, variable: &str, value: String) {
    let at = position(entries, section, variable, Value::Table(Vec::new()));
    if let Value::Table(inner) = &mut entries[at].node.value {
        set(inner, key, variable, value);
    }
}

/// The entries of the `index`-th `[[section]]`; the one after the last is made.
fn element<'r>(entries: &'r mut Vec<Entry>, section: &str, index: &str, variable: &str) -> Result<&'r mut Vec<Entry>, Box<Fault>> {
    let at = position(entries, section, variable, Value::Array(Vec::new()));
    let fault = |count: usize| {
        let fault = Fault::error("unknown-variable", format!("{variable} names no [[{section}]]"));
        Box::new(fault.hint(format!("there are {count}, counted from 0: POSTRIDER_{}__0__KEY is the first", section.to_uppercase())))
    };
    let Value::Array(items) = &mut entries[at].node.value else { return Err(fault(0)) };
    let count = items.len();
    let index = index.parse::<usize>().ok().filter(|index| *index <= count).ok_or_else(|| fault(count))?;
    if index == count {
        items.push(Node { origin: Origin::Variable(variable.to_owned()), value: Value::Table(Vec::new()) });
    }
    match &mut items[index].value {
        Value::Table(inner) => Ok(inner),
        _ => Err(fault(count)),
    }
}

fn position(entries: &mut Vec<Entry>, key: &str, variable: &str, empty: Value) -> usize {
    entries.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
        entries.push(entry(key, variable, empty));
        entries.len() - 1
    })
}

fn set(entries: &mut Vec<Entry>, key: &str, variable: &str, value: String) {
    entries.retain(|entry| entry.key != key);
    entries.push(entry(key, variable, Value::Raw(value)));
}

fn entry(key: &str, variable: &str, value: Value) -> Entry {
    let origin = Origin::Variable(variable.to_owned());
    Entry { key: key.to_owned(), key_origin: origin.clone(), node: Node { origin, value } }
}

/// A variable that leads nowhere, with the one it was probably meant to be.
fn unknown(name: &str, parts: &[&str], tables: &[&str], arrays: &[&str]) -> Fault {
    let fault = Fault::error("unknown-variable", format!("{name} is not a variable of ours"));
    let words = parts.join("_");
    let sections = || tables.iter().chain(arrays).copied();
    if let Some(own) = nearest(name, OWN.into_iter()).filter(|_| parts.len() == 1 && sections().all(|s| !words.starts_with(s))) {
        return fault.hint(format!("did you mean {own}?"));
    }
    let section = sections().find(|s| words.starts_with(&format!("{s}_"))).or_else(|| nearest(parts[0], sections()));
    let hint = section.map(|section| {
        let rest = words.strip_prefix(&format!("{section}_")).unwrap_or_else(|| parts.get(1).copied().unwrap_or("key"));
        let (rest, index) = (rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_').to_uppercase(), "__0");
        let index = if arrays.contains(&section) { index } else { "" };
        format!("did you mean {PREFIX}{}{index}__{rest}?", section.to_uppercase())
    });
    with_hint(fault, hint.or_else(|| Some("write POSTRIDER_SECTION__KEY, such as POSTRIDER_SITE__TITLE".to_owned())))
}
