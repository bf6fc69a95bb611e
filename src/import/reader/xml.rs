//! The walk through an XML document. Elements that hold others are opened and closed here; elements that hold text are read
//! to their end in one go and handed to the fields of the feed or of the entry they stand in.
//!
//! Tags need not match: an end tag closes everything above the element it names, a new entry closes the one before, and an
//! element of text ends where its parent ends.

use std::borrow::Cow;

use url::Url;

use super::base::Bases;
use super::content::{Inside, attribute, is_void};
use super::entry_fields::EntryFields;
use super::feed_fields::FeedFields;
use super::model::{Feed, Format};
use super::names::{Hint, Namespaces, Vocabulary};
use super::token::{Attribute, Token, Tokenizer};
use super::{MAX_DEPTH, MAX_ENTRIES, ReadError, entity};

/// What an open element is to what stands inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The root or the channel.
    Feed,
    /// An item or entry.
    Entry,
    /// Anything else: what it holds counts only where feed or entry say nothing themselves.
    Stranger,
}

/// What is to be done with an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It holds other elements.
    Opens(Place),
    /// A line of text: it ends at the latest where another known element begins.
    Line,
    /// Text or elements that belong to it alone.
    Whole,
}

struct Open<'a> {
    name: &'a str,
    place: Place,
    names: usize,
    bases: usize,
}

/// An element of text with everything its fields need to know.
pub struct Leaf<'a, 'l> {
    /// Its vocabulary.
    pub vocabulary: Vocabulary,
    /// Its local name in lower case.
    pub name: &'l str,
    /// Its attributes as written.
    pub attributes: &'l [Attribute<'a>],
    /// What stands between its tags.
    pub inside: Inside<'a>,
    /// Whether it stands inside an element that nobody knows.
    pub is_astray: bool,
    /// The dialect as far as it is known.
    pub format: Format,
    /// The bases in force.
    pub bases: &'l Bases,
}

struct Walk<'a> {
    tokens: Tokenizer<'a>,
    open: Vec<Open<'a>>,
    names: Namespaces<'a>,
    bases: Bases,
    feed: FeedFields,
    entry: Option<EntryFields>,
    is_netscape: bool,
    has_root: bool,
    format: Format,
}

/// Reads an XML document.
pub fn read(text: &str, base: Option<&Url>) -> Result<Feed, ReadError> {
    let mut walk = Walk {
        tokens: Tokenizer::new(text),
        open: Vec::new(),
        names: Namespaces::default(),
        bases: Bases::new(base),
        feed: FeedFields::default(),
        entry: None,
        is_netscape: false,
        has_root: false,
        format: Format::Unknown,
    };
    while let Some(token) = walk.tokens.next()? {
        match token {
            Token::Start { name, is_empty } => walk.start(name, is_empty)?,
            Token::End(name) => walk.end(name),
            Token::Doctype(text) => walk.is_netscape |= text.to_ascii_lowercase().contains("netscape"),
            Token::Text(_) | Token::CData(_) => {}
        }
    }
    walk.finish()
}

impl<'a> Walk<'a> {
    fn start(&mut self, name: &'a str, is_empty: bool) -> Result<(), ReadError> {
        let marks = (self.names.mark(), self.bases.mark());
        let attributes = std::mem::take(&mut self.tokens.attributes);
        self.scope(&attributes);
        let (vocabulary, local) = self.names.resolve(name);
        let lower = lower(local);
        match role(vocabulary, &lower, self.place()) {
            Role::Opens(place) => self.enter(name, (vocabulary, &lower), place, marks, &attributes, is_empty)?,
            role => {
                let inside = if is_empty { Inside { source: "", has_elements: false } } else { self.capture(name, role)? };
                self.take(vocabulary, &lower, &attributes, inside);
                self.names.leave(marks.0);
                self.bases.leave(marks.1);
            }
        }
        // Hand the buffer back: most tags then cost no allocation.
        if self.tokens.attributes.capacity() == 0 {
            self.tokens.attributes = attributes;
        }
        Ok(())
    }

    /// Notes what an element's attributes change for what stands inside.
    fn scope(&mut self, attributes: &[Attribute<'a>]) {
        for (name, value) in attributes {
            if name.eq_ignore_ascii_case("xml:base") {
                self.bases.enter(&entity::resolve(value));
            } else if let Some(hint) = self.names.declare(name, value)
                && self.format == Format::Unknown
            {
                self.format = match hint {
                    Hint::Rss090 => Format::Rss090,
                    Hint::Rss10 => Format::Rss10,
                    Hint::Atom10 => Format::Atom10,
                };
            }
        }
    }

    fn place(&self) -> Place {
        self.open.last().map_or(Place::Feed, |open| open.place)
    }

    fn enter(
        &mut self,
        name: &'a str,
        (vocabulary, lower): (Vocabulary, &str),
        place: Place,
        (names, bases): (usize, usize),
        attributes: &[Attribute<'a>],
        is_empty: bool,
    ) -> Result<(), ReadError> {
        if place == Place::Entry {
            self.begin_entry(attributes);
        } else if place == Place::Feed {
            self.root(lower, attributes);
        } else {
            self.take(vocabulary, lower, attributes, Inside { source: "", has_elements: false });
        }
        if is_empty || (place == Place::Stranger && is_void(lower)) {
            self.names.leave(names);
            self.bases.leave(bases);
            if place == Place::Entry {
                self.end_entry();
            }
            return Ok(());
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(ReadError::TooDeep);
        }
        self.open.push(Open { name, place, names, bases });
        Ok(())
    }

    /// Learns what a root element or channel says about itself.
    fn root(&mut self, lower: &str, attributes: &[Attribute<'a>]) {
        self.has_root = true;
        let version = attribute(attributes, "version").unwrap_or_default();
        match lower {
            "rss" if !self.format.is_rss() => {
                self.format = match version.as_ref() {
                    _ if self.is_netscape => Format::Rss091Netscape,
                    "0.91" => Format::Rss091,
                    "0.92" => Format::Rss092,
                    "0.93" => Format::Rss093,
                    "0.94" => Format::Rss094,
                    other if other.starts_with("2.") => Format::Rss20,
                    _ => Format::Rss,
                };
            }
            "feed" if self.format == Format::Unknown => {
                self.format = match version.as_ref() {
                    "0.1" => Format::Atom01,
                    "0.2" => Format::Atom02,
                    "0.3" => Format::Atom03,
                    _ => Format::Atom,
                };
            }
            "channel" if self.format == Format::Unknown && self.open.is_empty() => self.format = Format::Cdf,
            _ => {}
        }
        self.feed.root_attributes(attributes, &self.bases);
    }

    fn begin_entry(&mut self, attributes: &[Attribute<'a>]) {
        if let Some(index) = self.open.iter().position(|open| open.place == Place::Entry) {
            self.close_to(index);
        }
        self.end_entry();
        self.entry = Some(EntryFields::new(attributes, &self.bases));
    }

    fn end_entry(&mut self) {
        let Some(entry) = self.entry.take() else { return };
        if self.feed.entries.len() < MAX_ENTRIES {
            self.feed.entries.push(entry.finish());
        } else {
            self.feed.is_cut = true;
        }
    }

    fn end(&mut self, name: &str) {
        let matching = self.open.iter().rposition(|open| open.name == name);
        if let Some(index) = matching.or_else(|| self.open.iter().rposition(|open| open.name.eq_ignore_ascii_case(name))) {
            self.close_to(index);
        }
    }

    /// Closes the open elements from `index` on.
    fn close_to(&mut self, index: usize) {
        let Some(outermost) = self.open.get(index) else { return };
        self.names.leave(outermost.names);
        self.bases.leave(outermost.bases);
        if self.open[index..].iter().any(|open| open.place == Place::Entry) {
            self.end_entry();
        }
        self.open.truncate(index);
    }

    fn take(&mut self, vocabulary: Vocabulary, name: &str, attributes: &[Attribute<'a>], inside: Inside<'a>) {
        let is_astray = self.place() == Place::Stranger;
        let leaf = Leaf { vocabulary, name, attributes, inside, is_astray, format: self.format, bases: &self.bases };
        match &mut self.entry {
            Some(entry) => entry.take(&leaf),
            None => self.feed.take(&leaf),
        }
    }

    /// Reads to the end of the element `name` whose start tag was just read.
    fn capture(&mut self, name: &'a str, role: Role) -> Result<Inside<'a>, ReadError> {
        let start = self.tokens.position();
        let (mut same, mut guests, mut depth) = (0usize, 0usize, self.open.len() + 1);
        let mut has_elements = false;
        let end = loop {
            let before = self.tokens.position();
            let Some(token) = self.tokens.next()? else { break before };
            match token {
                Token::Start { name: inner, is_empty } => {
                    if role == Role::Line && self.begins_another(inner) {
                        self.tokens.rewind(before);
                        break before;
                    }
                    has_elements = true;
                    if !is_empty {
                        same += usize::from(inner == name);
                        guests += usize::from(self.is_open(inner));
                        depth += usize::from(nests(inner));
                        if depth > MAX_DEPTH {
                            return Err(ReadError::TooDeep);
                        }
                    }
                }
                Token::End(inner) if inner == name || inner.eq_ignore_ascii_case(name) => {
                    if same == 0 {
                        break before;
                    }
                    same -= 1;
                    depth -= usize::from(nests(inner) && depth > self.open.len());
                }
                Token::End(inner) if self.is_open(inner) => {
                    if guests == 0 {
                        self.tokens.rewind(before);
                        break before;
                    }
                    guests -= 1;
                    depth -= usize::from(nests(inner) && depth > self.open.len());
                }
                Token::End(inner) => depth -= usize::from(nests(inner) && depth > self.open.len()),
                _ => {}
            }
        };
        Ok(Inside { source: self.tokens.between(start, end), has_elements })
    }

    fn is_open(&self, name: &str) -> bool {
        self.open.iter().any(|open| open.name == name)
    }

    /// Whether a start tag inside a line of text shows that the line's end tag was forgotten.
    fn begins_another(&self, name: &str) -> bool {
        let (vocabulary, local) = self.names.resolve(name);
        let known = [
            "title",
            "link",
            "description",
            "guid",
            "pubdate",
            "item",
            "entry",
            "published",
            "updated",
            "summary",
            "content",
            "id",
            "category",
        ];
        vocabulary == Vocabulary::Core && known.iter().any(|word| word.eq_ignore_ascii_case(local))
    }

    fn finish(mut self) -> Result<Feed, ReadError> {
        // An entry that the document's end cut off may lack half its text: it will be whole when the feed is fetched again.
        let is_cut = self.entry.is_some();
        if is_cut && (!self.feed.entries.is_empty() || self.tokens.ended_inside) {
            self.entry = None;
        }
        self.end_entry();
        if !self.has_root && self.feed.entries.is_empty() && !is_cut {
            return Err(ReadError::NotAFeed);
        }
        self.feed.is_cut |= is_cut;
        Ok(self.feed.finish(self.format))
    }
}

fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) }
}

/// Whether an element deepens the nesting: neither `<br>` nor what HTML lets end by itself.
fn nests(name: &str) -> bool {
    !is_void(name)
        && !["p", "li", "dt", "dd", "td", "th", "tr", "tbody", "thead", "option"].iter().any(|open| open.eq_ignore_ascii_case(name))
}

/// What an element is for. The order of the names follows how often feeds use them.
fn role(vocabulary: Vocabulary, name: &str, place: Place) -> Role {
    use Vocabulary as V;
    match (vocabulary, name) {
        (V::Core, "item" | "entry") => Role::Opens(Place::Entry),
        (V::Core, "rss" | "feed" | "channel" | "rdf") | (V::Rdf, "rdf") if place == Place::Feed => Role::Opens(Place::Feed),
        (
            V::Core,
            "description" | "summary" | "content" | "author" | "source" | "image" | "body" | "fullitem" | "abstract" | "subtitle"
            | "tagline",
        ) => Role::Whole,
        (V::Core, "contributor" | "textinput" | "skiphours" | "skipdays" | "info" | "rights" | "copyright" | "managingeditor") => {
            Role::Whole
        }
        (
            V::Core,
            "title" | "link" | "guid" | "id" | "pubdate" | "published" | "issued" | "updated" | "modified" | "created" | "lastbuilddate",
        ) => Role::Line,
        (V::Core, "category" | "keywords" | "tags" | "enclosure" | "comments" | "language" | "ttl" | "icon" | "logo" | "generator") => {
            Role::Line
        }
        (V::Content, "encoded") | (V::Xhtml, "body") => Role::Whole,
        (V::Dc, "creator" | "author" | "date" | "subject" | "title" | "language") => Role::Line,
        (V::Dc, "description") | (V::Itunes, "summary" | "subtitle" | "owner") | (V::Media, "description") => Role::Whole,
        (V::DcTerms, "issued" | "created" | "modified") => Role::Line,
        (V::Itunes, "author" | "keywords" | "image" | "title") | (V::Media, "title" | "thumbnail" | "keywords" | "category") => Role::Line,
        (V::Other, "origlink") => Role::Line,
        _ => Role::Opens(Place::Stranger),
    }
}
