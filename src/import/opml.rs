//! OPML in and out: the list of feeds that every feed reader can export and take in.
//!
//! Reading forgives what such files get wrong (charsets, case, bare ampersands, missing versions) with the feed reader's own tokenizer,
//! and tells with its line what would be lost. No DTD is read; references are characters and nothing else. What we wrote ourselves gives the same
//! sources again (`own`).

mod own;

use std::collections::HashMap;

pub use own::NAMESPACE;
use url::Url;

use super::address::{self, WrongAddress};
use super::reader::token::{Token, Tokenizer};
use super::reader::{MAX_ATTRIBUTES, MAX_DEPTH, charset, entity};
use crate::model::Fault;
use crate::model::source::{Source, SourceKind};

/// A larger file is refused: the feeds of ten thousand readers' lists fit into it.
pub const BYTES_MAX: usize = 10 * 1024 * 1024;
/// More feeds are refused.
pub const OUTLINES_MAX: usize = 20_000;
/// Further tags of one feed are left out.
const TAGS_MAX: usize = 16;
/// A longer tag is cut off.
const TAG_CHARS_MAX: usize = 64;
/// A longer title is cut off.
const TITLE_CHARS_MAX: usize = 300;
/// How much of a wrong address an error repeats.
const SHOWN_CHARS_MAX: usize = 80;

/// One feed of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// What the list calls it, on one line; its host when the list does not say.
    pub title: String,
    /// The address of the feed.
    pub xml_url: Url,
    /// The address of the site it belongs to.
    pub html_url: Option<Url>,
    /// The folders it lies in, outermost first, and its categories.
    pub tags: Vec<String>,
    /// The Source it was written from, where we wrote the list.
    pub own: Option<Box<Source>>,
}

/// What a file lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// The feeds, each once.
    pub outlines: Vec<Outline>,
    /// Those whose address no feed can have.
    pub refused: Vec<Refused>,
}

/// A feed of a list that cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error("line {line}: {address:?} is left out: {cause}")]
pub struct Refused {
    /// Where.
    pub line: usize,
    /// The address, shortened.
    pub address: String,
    /// What is wrong with it.
    pub cause: String,
    /// What to write there.
    pub hint: Option<String>,
}

/// Why a file is no list of feeds that can be taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpmlError {
    /// More than [`BYTES_MAX`].
    #[error("the file is larger than 10 MiB")]
    TooLarge,
    /// Nothing but white space.
    #[error("the file is empty")]
    Empty,
    /// Something else.
    #[error("line {line}: this is not OPML: it begins with {found} where <opml> belongs")]
    NotOpml {
        /// Where.
        line: usize,
        /// What it begins with.
        found: String,
    },
    /// Elements nest deeper than any reader's folders.
    #[error("line {line}: elements nest deeper than {MAX_DEPTH}")]
    TooDeep {
        /// Where.
        line: usize,
    },
    /// An element with more attributes than anyone writes.
    #[error("line {line}: an element carries more than {MAX_ATTRIBUTES} attributes")]
    TooManyAttributes {
        /// Where.
        line: usize,
    },
    /// More than [`OUTLINES_MAX`].
    #[error("line {line}: the list has more than {OUTLINES_MAX} feeds")]
    TooManyOutlines {
        /// Where.
        line: usize,
    },
    /// The end is missing, and with it maybe feeds.
    #[error("line {line}: the file ends before its </opml>; export or copy it again")]
    CutOff {
        /// The last line.
        line: usize,
    },
}

/// Reads a list of feeds. Folders and categories become tags. A feed that is listed twice comes once, with the tags of both. One wrong address does not
/// stand in the way of three hundred right ones.
pub fn read(bytes: &[u8]) -> Result<List, OpmlError> {
    if bytes.len() > BYTES_MAX {
        return Err(OpmlError::TooLarge);
    }
    let text = charset::decode(bytes, None);
    if text.trim().is_empty() {
        return Err(OpmlError::Empty);
    }
    let mut reading = Reading { text: &text, open: Vec::new(), list: List::default(), places: HashMap::new(), prefix: None };
    reading.run()?;
    Ok(reading.list)
}

/// A list being read.
struct Reading<'a> {
    text: &'a str,
    /// Elements that are open, with the name of the folder when it is one.
    open: Vec<(&'a str, Option<String>)>,
    list: List,
    /// Where among the feeds each address is; of Sources of ours two may have the same, with ids of their own.
    places: HashMap<(Url, Option<String>), usize>,
    /// What stands before the names of our own attributes.
    prefix: Option<&'a str>,
}

impl<'a> Reading<'a> {
    fn run(&mut self) -> Result<(), OpmlError> {
        let mut tokens = Tokenizer::new(self.text);
        let (mut is_opml, mut is_whole) = (false, false);
        loop {
            let before = tokens.position();
            let token = tokens.next().map_err(|_| OpmlError::TooManyAttributes { line: self.line(tokens.position()) })?;
            match token {
                None => break,
                Some(Token::Start { name, is_empty }) => {
                    let at = before + tokens.between(before, tokens.position()).rfind(&format!("<{name}")).unwrap_or(0);
                    if !is_opml && !name.eq_ignore_ascii_case("opml") {
                        return Err(OpmlError::NotOpml { line: self.line(at), found: format!("<{}>", cut_off(name, SHOWN_CHARS_MAX)) });
                    }
                    if !is_opml {
                        self.prefix = Attributes(&tokens.attributes).prefix_of(NAMESPACE);
                    }
                    is_opml = true;
                    self.start(name, is_empty, &Attributes(&tokens.attributes), at)?;
                }
                Some(Token::End(name)) => {
                    is_whole |= name.eq_ignore_ascii_case("opml");
                    if let Some(opened) = self.open.iter().rposition(|(open, _)| open.eq_ignore_ascii_case(name)) {
                        self.open.truncate(opened);
                    }
                }
                Some(_) => {}
            }
        }
        match (is_opml, is_whole) {
            (true, true) => Ok(()),
            (true, false) => Err(OpmlError::CutOff { line: self.line(self.text.trim_end().len()) }),
            (false, _) => Err(OpmlError::NotOpml { line: 1, found: "text".to_owned() }),
        }
    }

    /// Takes the start tag at `at`: a feed is kept, a folder remembered as long as it is open.
    fn start(&mut self, name: &'a str, is_empty: bool, attributes: &Attributes<'_, 'a>, at: usize) -> Result<(), OpmlError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(OpmlError::TooDeep { line: self.line(at) });
        }
        let mut folder = None;
        if name.eq_ignore_ascii_case("outline") {
            match attributes.address().or_else(|| attributes.own(self.prefix, "id").and_then(|_| attributes.get("url"))) {
                Some(address) => self.feed(&address, attributes, at)?,
                None => folder = attributes.title().map(|title| cut_off(&title, TAG_CHARS_MAX)),
            }
        }
        if !is_empty {
            self.open.push((name, folder));
        }
        Ok(())
    }

    fn feed(&mut self, address: &str, attributes: &Attributes<'_, 'a>, at: usize) -> Result<(), OpmlError> {
        let is_full = || self.list.outlines.len() + self.list.refused.len() >= OUTLINES_MAX;
        let (xml_url, own) = match self.asked(address, attributes) {
            Ok(found) => found,
            Err(_) if is_full() => return Err(OpmlError::TooManyOutlines { line: self.line(at) }),
            Err(Fault { message: cause, hint, .. }) => {
                let address = cut_off(&without_user(address), SHOWN_CHARS_MAX);
                self.list.refused.push(Refused { line: self.line(at), address, cause, hint });
                return Ok(());
            }
        };
        let key = match &own {
            Some(own) => (own.url.clone(), Some(own.id.clone())),
            None => (xml_url.clone(), None),
        };
        let folders = self.open.iter().filter_map(|(_, folder)| folder.clone());
        let tags: Vec<String> = folders.chain(attributes.categories()).collect();
        let place = match self.places.get(&key) {
            Some(&place) => place,
            None if is_full() => return Err(OpmlError::TooManyOutlines { line: self.line(at) }),
            None => {
                let title = attributes.title().map(|title| cut_off(&title, TITLE_CHARS_MAX));
                let title = title.unwrap_or_else(|| xml_url.host_str().unwrap_or_default().to_owned());
                let html_url = attributes.get("htmlUrl").and_then(|url| web_address(&url).ok());
                self.places.insert(key, self.list.outlines.len());
                self.list.outlines.push(Outline { title, xml_url, html_url, tags: Vec::new(), own });
                self.list.outlines.len() - 1
            }
        };
        let known = &mut self.list.outlines[place].tags;
        for tag in tags {
            if known.len() < TAGS_MAX && !known.iter().any(|it| it.to_lowercase() == tag.to_lowercase()) {
                known.push(tag);
            }
        }
        Ok(())
    }

    /// The address of a feed, and the Source it was written from; or what is wrong, and what to write.
    fn asked(&self, address: &str, attributes: &Attributes<'_, 'a>) -> Result<(Url, Option<Box<Source>>), Fault> {
        let url = web_address(address).map_err(|wrong| Fault::error("bad-address", wrong.cause).hint(wrong.hint))?;
        let own = attributes.own(self.prefix, "id").map(|_| own::source(|key| attributes.own(self.prefix, key), &url));
        Ok((url, own.transpose()?.map(Box::new)))
    }

    /// The line of a place in the text, counted from one. Only errors ask.
    fn line(&self, at: usize) -> usize {
        memchr::memchr_iter(b'\n', &self.text.as_bytes()[..at]).count() + 1
    }
}

/// The attributes of one element. Their names are written in every case.
struct Attributes<'t, 'a>(&'t [(&'a str, &'a str)]);

impl<'a> Attributes<'_, 'a> {
    /// What stands before the names of a namespace (`xmlns:PREFIX="namespace"`).
    fn prefix_of(&self, namespace: &str) -> Option<&'a str> {
        self.0.iter().find(|(_, value)| *value == namespace).and_then(|(name, _)| name.strip_prefix("xmlns:"))
    }

    /// The value of an attribute of ours, as it was written.
    fn own(&self, prefix: Option<&str>, key: &str) -> Option<String> {
        let prefix = prefix?;
        let is_it = |name: &str| name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix(':')) == Some(key);
        let (_, raw) = self.0.iter().find(|(name, _)| is_it(name))?;
        Some(entity::resolve(raw).into_owned())
    }

    /// The value of an attribute on one line; none when it is empty.
    fn get(&self, name: &str) -> Option<String> {
        let (_, raw) = self.0.iter().find(|(it, raw)| it.eq_ignore_ascii_case(name) && !raw.trim().is_empty())?;
        Some(one_line(&entity::resolve(raw))).filter(|value| !value.is_empty())
    }

    fn title(&self) -> Option<String> {
        self.get("text").or_else(|| self.get("title"))
    }

    /// The feed's address: `xmlUrl`, or a plain `url` where the type says that it is a feed's.
    fn address(&self) -> Option<String> {
        let is_feed = || self.get("type").is_some_and(|kind| ["rss", "atom", "feed"].contains(&kind.to_ascii_lowercase().as_str()));
        self.get("xmlUrl").or_else(|| self.get("url").filter(|_| is_feed()))
    }

    /// `category="/Boston/Weather,news"`: each part of a path, which begins with a slash, is a tag, and so is each word without one.
    fn categories(&self) -> Vec<String> {
        let categories = self.get("category").unwrap_or_default();
        let parts = categories.split(',').map(str::trim).flat_map(|category| match category.strip_prefix('/') {
            Some(path) => path.split('/').map(str::trim).filter(|part| !part.is_empty()).take(TAGS_MAX).collect(),
            None => vec![category],
        });
        parts.filter(|part| !part.is_empty()).take(TAGS_MAX).map(|part| cut_off(part, TAG_CHARS_MAX)).collect()
    }
}

/// An address a feed can be fetched from, or why it cannot.
fn web_address(text: &str) -> Result<Url, WrongAddress> {
    // `feed:https://...` and `feed://...` were meant for the browser.
    let bare = text.strip_prefix("feed:").map_or(text.to_owned(), |rest| match rest.strip_prefix("//") {
        Some(rest) => format!("http://{rest}"),
        None => rest.to_owned(),
    });
    address::parse(&bare)
}

/// An address as it may be shown: without a user and a password.
fn without_user(address: &str) -> String {
    // By its text: what is shown is what could not be read as an address.
    let parts = address.split("://").map(|part| {
        let host = part.split('/').next().unwrap_or_default();
        // What looks like a port and is none is the beginning of a password with a slash in it.
        let is_user = host.rsplit_once(':').is_some_and(|(_, port)| !port.bytes().all(|digit| digit.is_ascii_digit()));
        if is_user { part } else { host }.rfind('@').map_or(part, |at| &part[at + 1..])
    });
    parts.collect::<Vec<_>>().join("://")
}

/// A text on one line, without control characters.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        let before = line.len();
        line.extend((before > 0).then_some(' '));
        line.extend(word.chars().filter(|&c| !c.is_control() && is_xml(c)));
        if line.len() <= before + 1 && line.ends_with(' ') {
            line.truncate(before);
        }
    }
    line
}

fn cut_off(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

/// Writes a list of feeds: OPML 2.0, with a folder for the first tag of each. `date` is written as it is, in the form of RFC 822.
pub fn write(title: &str, date_rfc822: &str, outlines: &[Outline]) -> String {
    let mut folders: Vec<(&str, Vec<&Outline>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for outline in outlines {
        let folder = outline.tags.first().map_or("", String::as_str);
        let place = *places.entry(folder).or_insert(folders.len());
        if place == folders.len() {
            folders.push((folder, Vec::new()));
        }
        folders[place].1.push(outline);
    }
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<opml version=\"2.0\"");
    if outlines.iter().any(|outline| outline.own.is_some()) {
        attribute(&format!("xmlns:{}", own::PREFIX), NAMESPACE, &mut out);
    }
    out.push_str(">\n  <head>\n");
    element("title", title, &mut out);
    element("dateCreated", date_rfc822, &mut out);
    out.push_str("  </head>\n  <body>\n");
    for (folder, outlines) in folders {
        if folder.is_empty() {
            outlines.iter().for_each(|outline| write_outline(outline, "    ", &mut out));
            continue;
        }
        out.push_str("    <outline");
        attribute("text", folder, &mut out);
        out.push_str(">\n");
        outlines.iter().for_each(|outline| write_outline(outline, "      ", &mut out));
        out.push_str("    </outline>\n");
    }
    out.push_str("  </body>\n</opml>\n");
    out
}

fn write_outline(outline: &Outline, indent: &str, out: &mut String) {
    out.push_str(indent);
    // A page is no feed: other programs are told of it as of a link, and do not ask it for entries.
    let is_page = outline.own.as_ref().is_some_and(|own| own.kind == SourceKind::Page);
    let (kind, address) = if is_page { ("link", "url") } else { ("rss", "xmlUrl") };
    out.push_str("<outline");
    attribute("type", kind, out);
    attribute("text", &outline.title, out);
    attribute(address, outline.xml_url.as_str(), out);
    if let Some(url) = &outline.html_url {
        attribute("htmlUrl", url.as_str(), out);
    }
    // The folder says the first tag. In a category a comma would begin another one, and a slash at its beginning a path.
    let others = outline.tags.iter().skip(1).map(|tag| tag.replace(',', " ").trim_start_matches(['/', ' ']).to_owned());
    let category = others.filter(|tag| !tag.is_empty()).collect::<Vec<_>>().join(",");
    if !category.is_empty() {
        attribute("category", &category, out);
    }
    for (name, value) in outline.own.iter().flat_map(|own| own::attributes(own, &outline.xml_url)) {
        attribute(&name, &value, out);
    }
    out.push_str("/>\n");
}

fn element(name: &str, text: &str, out: &mut String) {
    out.push_str(&format!("    <{name}>{}</{name}>\n", escaped(text)));
}

fn attribute(name: &str, value: &str, out: &mut String) {
    out.push_str(&format!(" {name}=\"{}\"", escaped(value)));
}

/// A text as it may stand in an element or in quotes, without the characters that XML 1.0 cannot carry.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|&c| is_xml(c)) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // As they stand, an attribute would make spaces of them.
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            c => out.push(c),
        }
    }
    out
}

/// Whether XML 1.0 can carry a character.
const fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}
