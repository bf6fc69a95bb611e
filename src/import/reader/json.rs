//! JSON Feed 1.0 and 1.1. Values of the wrong type are skipped, not fatal; what is not asked for costs no memory.

use url::Url;

use super::base::Bases;
use super::json_fields::{Document, Item, fill};
use super::model::{Category, Entry, Feed, Format, Person};
use super::{ReadError, date, entity, html};

/// Reads a JSON Feed. A document that is cut off keeps the items that were whole.
pub fn read(text: &str, base: Option<&Url>) -> Result<Feed, ReadError> {
    let bases = Bases::new(base);
    let mut document = Document::default();
    let is_whole = fill(&mut document, text);
    let version = document.version.unwrap_or_default();
    if !version.contains("jsonfeed.org/version") && !document.has_items {
        return Err(ReadError::NotAFeed);
    }
    let format = if version.trim_end_matches('/').ends_with("/1.1") { Format::Json11 } else { Format::Json10 };
    let resolve = |url: Option<String>| url.map(|url| bases.resolve(&url));
    Ok(Feed {
        format,
        title: line(document.title),
        link: resolve(document.home_page_url),
        description: document.description.map(|text| entity::escape(&text)),
        language: document.language,
        author: people(document.authors, &bases).into_iter().next(),
        icon: resolve(document.icon),
        hub: document.hubs.into_iter().find_map(|hub| hub.url),
        self_link: resolve(document.feed_url),
        is_cut: !is_whole || document.is_cut,
        entries: document.items.into_iter().map(|item| entry(item, &bases)).collect(),
        ..Feed::default()
    })
}

fn line(text: Option<String>) -> Option<String> {
    text.map(|text| html::one_line(&text)).filter(|text| !text.is_empty())
}

fn people(authors: Vec<super::json_fields::Author>, bases: &Bases) -> Vec<Person> {
    let person = |author: super::json_fields::Author| Person {
        name: line(author.name),
        email: None,
        url: author.url.map(|url| bases.resolve(&url)),
    };
    authors.into_iter().map(person).filter(|person| *person != Person::default()).collect()
}

fn entry(item: Item, bases: &Bases) -> Entry {
    let id_as_link = item.id.clone().filter(|id| id.starts_with("http://") || id.starts_with("https://"));
    Entry {
        id: item.id,
        title: line(item.title),
        link: item.url.or(item.external_url).map(|url| bases.resolve(&url)).or(id_as_link),
        authors: people(item.authors, bases),
        published: item.date_published.and_then(|text| date::parse(&text)),
        updated: item.date_modified.and_then(|text| date::parse(&text)),
        content: item.content_html.or_else(|| item.content_text.map(|text| entity::escape_lines(&text))),
        summary: item.summary.map(|text| entity::escape(&text)),
        categories: item.tags.into_iter().map(|term| Category { term, ..Category::default() }).collect(),
        enclosures: item.attachments.into_iter().filter_map(|attachment| attachment.enclosure(bases)).collect(),
        image: item.image.map(|url| bases.resolve(&url)),
        language: item.language,
        ..Entry::default()
    }
}
