//! What makes an entry of a feed the same entry at the next fetch, however the feed is rewritten meanwhile.
//!
//! An entry has up to three keys, the strongest first: its guid, its link and its text, each when no other entry of the feed has the same. It is known when
//! any of its keys is, unless another entry of the same fetch has a stronger claim to the same article.

use std::collections::{HashMap, HashSet};

use sha2::{Digest as _, Sha256};
use url::Url;

use crate::model::page_key;

/// Shorter texts say too little to be told apart by.
const TEXT_CHARS_MIN: usize = 60;
/// What identity needs of an entry.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Its guid or id, as given.
    pub guid: Option<&'a str>,
    /// Its absolute link.
    pub link: Option<&'a Url>,
    /// Its title, plain.
    pub title: &'a str,
    /// Its body, plain text.
    pub text: &'a str,
}

/// The keys of one entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// The strongest first.
    pub known_by: Vec<String>,
    /// Title and text: what an entry that stands in the feed twice has in common with itself.
    pub whole: String,
}

/// The keys of all entries of one fetch, in their order.
pub fn keys(entries: &[Facts<'_>]) -> Vec<Keys> {
    let raw: Vec<[Option<String>; 3]> =
        entries.iter().map(|entry| [entry.guid.and_then(guid_key), entry.link.map(link_key), text_key(entry.text)]).collect();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for key in raw.iter().flatten().flatten() {
        *seen.entry(key).or_default() += 1;
    }
    // A feed that gives all its entries one guid, one link (its home page) or one text ("Read more") tells nothing by it.
    let of = |(entry, keys): (&Facts<'_>, &[Option<String>; 3])| {
        let mut known_by: Vec<String> = keys.iter().flatten().filter(|key| seen.get(key.as_str()) == Some(&1)).cloned().collect();
        let whole = digest(&[&letters(entry.title), &letters(entry.text)]);
        if known_by.is_empty() {
            known_by.push(format!("whole {whole}"));
        }
        Keys { known_by, whole }
    };
    entries.iter().zip(&raw).map(of).collect()
}

/// What an entry is to those that are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// This one, by its number.
    Known(i64),
    /// The same as an earlier entry of this fetch, by its place.
    Twin(usize),
    /// None of them.
    New,
}

/// Matches the entries of one fetch; `known` gives the number of the article that has a key. Strong keys are looked at for all entries before weak ones, so
/// that an entry whose guid is known is never taken for another that merely has its text.
pub fn matches(entries: &[Keys], known: impl Fn(&str) -> Option<i64>) -> Vec<Match> {
    let mut found = vec![Match::New; entries.len()];
    let mut taken: HashSet<i64> = HashSet::new();
    let deepest = entries.iter().map(|keys| keys.known_by.len()).max().unwrap_or_default();
    for depth in 0..deepest {
        for (at, keys) in entries.iter().enumerate() {
            let Some(key) = keys.known_by.get(depth).filter(|_| found[at] == Match::New) else { continue };
            if let Some(number) = known(key)
                && taken.insert(number)
            {
                found[at] = Match::Known(number);
            }
        }
    }
    // Two new entries with one title and one text are one article that stands in the feed twice.
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (at, keys) in entries.iter().enumerate() {
        let twin = *first.entry(&keys.whole).or_insert(at);
        if found[at] == Match::New && twin != at {
            found[at] = Match::Twin(twin);
        }
    }
    found
}

/// A guid; those that are web addresses are compared as such, because sites move to https and their guids with them.
fn guid_key(guid: &str) -> Option<String> {
    let guid = guid.trim();
    if guid.is_empty() {
        return None;
    }
    let url = Url::parse(guid).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    Some(url.map_or_else(|| format!("guid {guid}"), |url| format!("guid {}", page_key(&url))))
}

/// A link as a key: what differs between two ways to write one address is gone.
pub fn link_key(link: &Url) -> String {
    format!("link {}", page_key(link))
}

/// The text as a key, when it is long enough to be nobody else's: letters and digits alone, so that new typography changes nothing.
fn text_key(text: &str) -> Option<String> {
    let text = letters(text);
    (text.chars().count() >= TEXT_CHARS_MIN).then(|| format!("text {}", digest(&[&text])))
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
