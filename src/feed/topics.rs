//! Topics: the tags and authors of a Library, each with a page and feeds of its own.

use std::collections::BTreeMap;

use super::entry::Entry;
use super::text::slug;

/// What a topic is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Tag,
    Author,
}

impl Kind {
    /// The folder all topics of the kind lie in.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Tag => "tags/",
            Self::Author => "authors/",
        }
    }
}

/// One tag or author.
pub(super) struct Topic {
    pub kind: Kind,
    /// As people write it; of several spellings the first in order.
    pub name: String,
    /// From the site's root, with its slash: `tags/rust/`.
    pub folder: String,
    /// Which of the entries, newest first.
    pub members: Vec<usize>,
}

/// The folder of the topic `name`.
pub(super) fn folder(kind: Kind, name: &str) -> String {
    format!("{}{}/", kind.folder(), slug(name))
}

/// Every tag, then every author, in the order of their folders.
pub(super) fn topics(entries: &[Entry]) -> Vec<Topic> {
    let mut all = group(Kind::Tag, entries, |entry| &entry.tags);
    all.extend(group(Kind::Author, entries, |entry| &entry.authors));
    all
}

fn group(kind: Kind, entries: &[Entry], names: impl Fn(&Entry) -> &Vec<String>) -> Vec<Topic> {
    let mut groups: BTreeMap<String, Topic> = BTreeMap::new();
    for (at, entry) in entries.iter().enumerate() {
        let mut folders: Vec<String> = Vec::new();
        for name in names(entry) {
            let folder = folder(kind, name);
            if folders.contains(&folder) {
                continue;
            }
            let topic = groups.entry(folder.clone()).or_insert_with(|| Topic {
                kind,
                name: name.clone(),
                folder: folder.clone(),
                members: Vec::new(),
            });
            topic.name = topic.name.clone().min(name.clone());
            topic.members.push(at);
            folders.push(folder);
        }
    }
    groups.into_values().collect()
}
