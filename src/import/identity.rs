//! What makes an entry of a feed the same entry at the next fetch, however the feed is rewritten meanwhile.
//!
//! An entry has several keys, the strongest first: its link with its title, its guid, its text with its title, its guid's place on its site with its text,
//! and its text or link alone. A key that two different entries of one feed have tells nothing. An entry is known when one of its keys is, unless another
//! entry of the fetch has a stronger claim to the same article.
//!
//! A site that moves to another host keeps its articles where they are on it, so a place tells much; it does so only together with a text, because feeds
//! that gather from many sites have one place on two of them.
//!
//! Feeds that number their entries by place ("item-1") give a new one the guid of an old one: so link and title together come before the guid. Feeds that
//! lead all their entries to one page, or say the same under every picture, may show a single one at times: so a link or a text alone counts only for an
//! entry that has no guid of its own.
//!
//! Feeds that show one thing at a time may give it the same link and title every day. So where the guid was never seen and the text is another, link and
//! title are believed only when most of the feed has got other guids (its program is another), when the guid is but the page with a mark (`#3`), or when
//! the entry says itself that it is old.

use std::collections::{HashMap, HashSet};

use sha2::{Digest as _, Sha256};
use url::Url;

use crate::model::page_key;

/// Shorter texts say too little to be told apart by.
const TEXT_CHARS_MIN: usize = 60;
/// One as long as this may be told by itself, without its title; where there is no link either, a shorter one must do.
const TEXT_CHARS_ALONE: usize = 200;
/// The kinds of keys, the strongest first. "whole" stands for "text" where there is little text. The guid has two turns: one where the text does not say
/// that it is another's, and one for what is left when the texts were heard.
const KINDS: [&str; 9] = [PAGE, GUID, TEXT, GUID, "whole ", MOVED, PLACE, WORDS, LINK];
const PAGE: &str = "page ";
const GUID: &str = "guid ";
const TEXT: &str = "text ";
/// A guid that is an address of the web.
const GUID_AT: &str = "guid //";
const MOVED: &str = "moved ";
const PLACE: &str = "place ";
const WORDS: &str = "words ";
const LINK: &str = "link ";
/// A longer key is kept as its hash: an index takes no text of any length.
const KEY_BYTES_MAX: usize = 400;
/// They count only for an entry that has no guid of its own, and are kept also where they do not count: guids may be gone tomorrow.
const WEAK: [&str; 3] = [PLACE, WORDS, LINK];

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
    /// The strongest first; the link is last.
    pub known_by: Vec<String>,
    /// What two entries of one fetch have in common when they are one article that stands in the feed twice.
    pub whole: String,
}

impl Keys {
    /// The key of a kind.
    fn of(&self, kind: &str) -> Option<&str> {
        self.known_by.iter().find(|key| key.starts_with(kind)).map(String::as_str)
    }

    /// The key that changes with the text; a little text has one together with the place.
    fn of_text(&self) -> Option<&str> {
        self.of(TEXT).or_else(|| self.of(PLACE))
    }
}

/// The keys of all entries of one fetch, in their order.
pub fn keys(entries: &[Facts<'_>]) -> Vec<Keys> {
    let all: Vec<Keys> = entries.iter().map(own_keys).collect();
    // A feed that gives all its entries one guid, or one link (its home page), tells nothing by it. One that says the same thing twice does.
    let (mut first, mut shared) = (HashMap::<&str, &str>::new(), HashSet::<&str>::new());
    for keys in &all {
        for key in &keys.known_by {
            if *first.entry(key).or_insert(&keys.whole) != keys.whole {
                shared.insert(key);
            }
        }
    }
    let telling = |keys: &Keys| {
        // Nor does the place that a guid names tell more than the guid.
        let is_guid_shared = keys.of(GUID).is_some_and(|guid| shared.contains(guid));
        let tells_nothing = |key: &str| shared.contains(key) || is_guid_shared && key.starts_with(MOVED);
        keys.known_by.iter().filter(|key| !tells_nothing(key)).cloned().collect()
    };
    all.iter().map(|keys| Keys { known_by: telling(keys), whole: keys.whole.clone() }).collect()
}

/// The keys of an entry by itself.
fn own_keys(entry: &Facts<'_>) -> Keys {
    let (guid, link) = (entry.guid.and_then(guid_key), entry.link.filter(|link| !is_front_page(link)).map(link_key));
    let (title, text) = (letters(entry.title), letters(entry.text));
    let page = link.as_ref().filter(|_| !title.is_empty()).map(|link| format!("{PAGE}{}", digest(&[link, &title])));
    let length = text.chars().count();
    let enough = if link.is_some() { TEXT_CHARS_ALONE } else { TEXT_CHARS_MIN };
    // Where there is a guid and a link, one of them is there still when the other is gone.
    let words = Some(format!("{WORDS}{}", digest(&[&text]))).filter(|_| (guid.is_none() || link.is_none()) && length >= enough);
    let (guid_place, link_place) = (guid.as_deref().and_then(place), link.as_deref().and_then(place));
    let with_text = |kind: &str, place: &str| format!("{kind}{}", digest(&[place, &text]));
    let moved = guid_place.filter(|_| length > 0).map(|place| with_text(MOVED, place));
    // A longer text tells enough together with the title.
    let is_wanted = (1..TEXT_CHARS_MIN).contains(&length) || guid.is_none() && length > 0;
    let at_place = link_place.filter(|_| is_wanted).map(|place| with_text(PLACE, place));
    let of = |key: &Option<String>| key.clone().unwrap_or_default();
    let whole = match length {
        TEXT_CHARS_MIN.. => format!("{TEXT}{}", digest(&[&title, &text])),
        _ => format!("whole {}", digest(&[&title, &text, &of(&guid), &of(&link)])),
    };
    let known_by = [page, guid, Some(whole.clone()), moved, at_place, words, link].into_iter().flatten().map(indexed).collect();
    Keys { known_by, whole }
}

/// A key as an index takes it.
fn indexed(key: String) -> String {
    let (kind, name) = key.split_once(' ').unwrap_or_default();
    if key.len() > KEY_BYTES_MAX { format!("{kind} {}", short(name)) } else { key }
}

/// A name of any length as one that an index takes; most are short, and stay as they are.
pub fn short(name: &str) -> String {
    if name.len() > KEY_BYTES_MAX { format!("sha256:{}", digest(&[name])) } else { name.to_owned() }
}

/// Where on its site the address of a key is; nothing for what is no address, or names nothing but the site.
fn place(key: &str) -> Option<&str> {
    let address = key.strip_prefix(LINK).or_else(|| key.strip_prefix(GUID_AT))?;
    address.find(['/', '?', '#']).map(|at| &address[at..])
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

/// Matches the entries of one fetch; `known` gives the number of the article that has a key, `is_old` whether the entry at a place is older than the last
/// fetch. Strong keys are looked at for all entries before weak ones, so that an entry whose guid is known is never taken for another that merely has its
/// text.
pub fn matches(entries: &[Keys], known: impl Fn(&str) -> Option<i64>, is_old: impl Fn(usize) -> bool) -> Vec<Match> {
    let mut found = vec![Match::New; entries.len()];
    let mut taken: HashSet<i64> = HashSet::new();
    let is_renamed = is_renamed(entries, &known);
    for (turn, kind) in KINDS.into_iter().enumerate() {
        let is_before_text = KINDS[turn..].contains(&TEXT);
        for (at, keys) in entries.iter().enumerate() {
            let counts = found[at] == Match::New && (!WEAK.contains(&kind) || keys.of(GUID).is_none());
            let Some(number) = keys.of(kind).filter(|_| counts).and_then(&known) else { continue };
            let is_doubted = match kind {
                PAGE => is_of_another(keys, number, &known) || !is_renamed && !is_old(at) && is_another(keys, number, &known),
                // A guid that went over to another entry while its own has none left.
                GUID => is_before_text && keys.of(TEXT).and_then(&known).is_some_and(|by_text| by_text != number),
                _ => false,
            };
            if !is_doubted && taken.insert(number) {
                found[at] = Match::Known(number);
            }
        }
    }
    // What is left and says what another says is one article that stands in the feed twice. Wherever it stands, the one that is known comes first.
    let mut first: HashMap<&str, usize> = HashMap::new();
    let (known, new): (Vec<usize>, Vec<usize>) = (0..entries.len()).partition(|at| found[*at] != Match::New);
    for at in known.into_iter().chain(new) {
        let twin = *first.entry(&entries[at].whole).or_insert(at);
        if found[at] == Match::New && twin != at {
            found[at] = Match::Twin(twin);
        }
    }
    found
}

/// Whether most entries whose page is known have guids that are not those they had: then the program that makes the feed is another.
fn is_renamed(entries: &[Keys], known: impl Fn(&str) -> Option<i64>) -> bool {
    let pairs = entries.iter().filter_map(|keys| keys.of(PAGE).and_then(&known).zip(keys.of(GUID)));
    let (same, others): (Vec<_>, Vec<_>) = pairs.partition(|(number, guid)| known(guid) == Some(*number));
    others.len() > 1 && others.len() > same.len()
}

/// Whether guid and text both say that an entry is another known one than its page does.
fn is_of_another(keys: &Keys, number: i64, known: impl Fn(&str) -> Option<i64>) -> bool {
    let by_guid = keys.of(GUID).and_then(&known).filter(|by_guid| *by_guid != number);
    by_guid.is_some() && by_guid == keys.of_text().and_then(known)
}

/// Whether an entry with a known page is none that is known: nobody had its guid, and its text is another.
fn is_another(keys: &Keys, number: i64, known: impl Fn(&str) -> Option<i64>) -> bool {
    let (Some(guid), Some(text)) = (keys.of(GUID), keys.of_text()) else { return false };
    let without_mark = |address: &str| address.split('#').next().map(str::to_owned);
    let link = keys.of(LINK).and_then(|link| link.strip_prefix(LINK)).and_then(without_mark);
    let is_page = link.is_some() && link == guid.strip_prefix(GUID_AT).and_then(without_mark);
    !is_page && known(guid).is_none() && known(text) != Some(number)
}

/// A guid; those that are web addresses are compared as such, because sites move to https and their guids with them.
fn guid_key(guid: &str) -> Option<String> {
    let guid = guid.trim();
    let url = Url::parse(guid).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    match url {
        Some(url) if is_front_page(&url) => None,
        Some(url) => Some(format!("{GUID_AT}{}", address(&url))),
        None => Some(format!("{GUID}{guid}")).filter(|_| !guid.is_empty()),
    }
}

/// A link as a key: what differs between two ways to write one address is gone.
pub fn link_key(link: &Url) -> String {
    format!("{LINK}{}", address(link))
}

/// A page's key and the place on it: lists of changes link all their entries to one page.
fn address(url: &Url) -> String {
    let place = url.fragment().filter(|place| !place.is_empty()).map(|place| format!("#{place}")).unwrap_or_default();
    page_key(url) + &place
}

/// Nothing is published under the address of a whole site: who gives it has none to give.
fn is_front_page(url: &Url) -> bool {
    url.path() == "/" && url.query().is_none() && url.fragment().is_none_or(str::is_empty)
}

/// What a text says, however it is spaced, quoted and dashed. What parts two numbers is kept as a space, since 1.11 is not 11.1, and so are the few signs
/// that make another word of one: C, C++ and C#.
fn letters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_parted = false;
    for c in text.chars() {
        if !c.is_alphanumeric() && !matches!(c, '+' | '#' | '%') {
            is_parted = true;
            continue;
        }
        if is_parted && c.is_numeric() && out.ends_with(char::is_numeric) {
            out.push(' ');
        }
        is_parted = false;
        out.extend(c.to_lowercase());
    }
    out
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
