//! The tolerant feed reader: RSS 0.9x to 2.0, RDF, Atom 0.3 and 1.0, JSON Feed and CDF, however broken, become one [`Feed`].
//!
//! The way of a document: `charset` turns bytes into text, `token` cuts the text into tags, `xml` walks them and hands each
//! known element to `feed_fields` or `entry_fields`; `json` does the same for JSON Feed. Nothing here asks for a clock or a
//! network, no DTD is read, no entity is expanded but characters, and every list has an end.

mod base;
pub(super) mod charset;
mod content;
mod date;
mod date_words;
pub(super) mod entity;
mod entry_fields;
mod feed_fields;
mod html;
mod json;
mod json_fields;
mod model;
mod names;
mod person;
pub(super) mod token;
mod xml;

use url::Url;

pub use date::parse as parse_date;
pub use html::plain_text;
pub use model::{Category, Enclosure, Entry, Feed, Format, Person, Picture, SourceRef};

/// Deepest nesting of elements that is read: real feeds stay below 20, bombs do not.
pub const MAX_DEPTH: usize = 64;
/// Most attributes one element may carry.
pub const MAX_ATTRIBUTES: usize = 256;
/// Most entries one document may bring; the rest is left out and [`Feed::is_cut`] says so.
pub const MAX_ENTRIES: usize = 20_000;
/// Most authors, categories or enclosures one entry may bring; the rest is left out.
pub const MAX_PER_ENTRY: usize = 64;

/// A longer base is none: each entry and each relative address in it would repeat it.
pub const BASE_BYTES_MAX: usize = 2048;
/// Most bytes of what a feed says about itself and each of its articles repeats: a title is cut off there, an address, a name or a language is none.
const FEED_VALUE_BYTES_MAX: usize = 4096;

/// Why a document is no feed that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing but white space.
    #[error("the document is empty")]
    Empty,
    /// A web page or something else: no element of any feed format was found.
    #[error("this is not a feed: no RSS, RDF, Atom, JSON Feed or CDF element was found")]
    NotAFeed,
    /// The elements nest deeper than [`MAX_DEPTH`].
    #[error("elements nest deeper than {MAX_DEPTH}")]
    TooDeep,
    /// An element carries more than [`MAX_ATTRIBUTES`] attributes.
    #[error("an element carries more than {MAX_ATTRIBUTES} attributes")]
    TooManyAttributes,
}

/// Reads one document. `content_type` is the HTTP header as it came (its `charset` counts), `base` the address the
/// document was fetched from: relative links are resolved against it and against `xml:base`.
pub fn read(bytes: &[u8], content_type: Option<&str>, base: Option<&Url>) -> Result<Feed, ReadError> {
    let text = charset::decode(bytes, content_type);
    let start = text.trim_start();
    if start.is_empty() {
        return Err(ReadError::Empty);
    }
    let feed = if start.starts_with('{') { json::read(start, base) } else { xml::read(&text, base) };
    feed.map(bounded)
}

/// A feed whose own values are short: every article of it is shown with its title, home, language and author.
fn bounded(mut feed: Feed) -> Feed {
    let is_short = |value: &String| value.len() <= FEED_VALUE_BYTES_MAX;
    if let Some(title) = &mut feed.title {
        title.truncate(title.floor_char_boundary(FEED_VALUE_BYTES_MAX));
    }
    let all = [&mut feed.link, &mut feed.language, &mut feed.id, &mut feed.icon, &mut feed.hub, &mut feed.self_link];
    all.into_iter().for_each(|value| *value = value.take().filter(is_short));
    feed.author = feed.author.filter(|author| [&author.name, &author.email, &author.url].into_iter().flatten().all(is_short));
    feed
}
