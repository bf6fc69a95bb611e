//! Atom 1.0 (RFC 4287) with archives (RFC 5005).

use std::collections::BTreeMap;

use atom_syndication as atom;
use atom_syndication::extension::{Extension, ExtensionMap};
use atom_syndication::{Category, Content, Feed, Generator, Link, Person, Text, TextType, WriteConfig};

use super::channel::{Channel, Document};
use super::entry::Entry;
use super::text::{escape, line, uri};
use crate::model::article::Origin;
use crate::model::feed::FeedFormat;

/// The document's bytes.
pub(super) fn render(document: &Document) -> Result<Vec<u8>, String> {
    let channel = document.channel;
    let site = channel.site;
    let icon = site.icon.as_ref().and_then(|icon| uri(icon, Some(&site.url)));
    let feed = Feed {
        title: text(&channel.title),
        id: if document.archive { document.url() } else { channel.current(FeedFormat::Atom) },
        updated: document.changed(),
        authors: vec![person(&line(site.author.as_deref().unwrap_or(&site.title)))],
        generator: Some(Generator { value: "Postrider".to_owned(), ..Generator::default() }),
        icon: icon.clone(),
        logo: icon,
        links: links(document),
        subtitle: Some(text(&channel.description)),
        entries: document.entries.iter().map(|entry| self::entry(channel, entry)).collect(),
        extensions: archive_mark(document),
        namespaces: if document.archive { namespaces() } else { BTreeMap::new() },
        lang: Some(site.language.clone()),
        ..Feed::default()
    };
    let layout = WriteConfig { write_document_declaration: false, indent_size: Some(1) };
    feed.write_with_config(b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n".to_vec(), layout).map_err(|error| error.to_string())
}

fn entry(channel: &Channel, entry: &Entry) -> atom::Entry {
    let full = channel.full && !entry.html.trim().is_empty();
    let summary = if entry.summary.is_empty() && !full { &entry.title } else { &entry.summary };
    let mut links = vec![link("alternate", &entry.url, Some("text/html"))];
    links.extend(entry.files.iter().chain(&entry.picture).map(|file| Link {
        length: (file.length_bytes > 0).then(|| file.length_bytes.to_string()),
        ..link("enclosure", &file.url, Some(&file.media_type))
    }));
    atom::Entry {
        title: text(&entry.title),
        id: entry.id.clone(),
        updated: entry.changed,
        authors: entry.authors.iter().map(|name| person(name)).collect(),
        categories: entry.tags.iter().map(|tag| Category { term: tag.clone(), ..Category::default() }).collect(),
        links,
        published: entry.published,
        source: entry.origin.as_ref().map(|origin| source(origin, entry)),
        summary: (!summary.is_empty()).then(|| text(summary)),
        content: full.then(|| Content {
            lang: entry.article.language.clone(),
            value: Some(entry.html.clone()),
            content_type: Some("html".to_owned()),
            ..Content::default()
        }),
        ..atom::Entry::default()
    }
}

/// The feed a foreign entry was taken from.
fn source(origin: &Origin, entry: &Entry) -> atom::Source {
    atom::Source {
        title: text(&origin.title),
        id: origin.url.clone(),
        updated: entry.changed,
        links: [("alternate", Some(&origin.url)), ("self", origin.feed.as_ref())]
            .into_iter()
            .filter_map(|(rel, href)| Some(link(rel, href?, None)))
            .collect(),
        ..atom::Source::default()
    }
}

fn links(document: &Document) -> Vec<Link> {
    let mut links = vec![link("alternate", &document.channel.home, Some("text/html"))];
    for (rel, href) in document.links() {
        links.push(link(rel, &href, (rel != "hub").then(|| FeedFormat::Atom.media_type())));
    }
    links
}

fn archive_mark(document: &Document) -> ExtensionMap {
    if !document.archive {
        return ExtensionMap::new();
    }
    let mark = Extension { name: "fh:archive".to_owned(), ..Extension::default() };
    ExtensionMap::from([("fh".to_owned(), BTreeMap::from([("archive".to_owned(), vec![mark])]))])
}

fn namespaces() -> BTreeMap<String, String> {
    BTreeMap::from([("fh".to_owned(), "http://purl.org/syndication/history/1.0".to_owned())])
}

fn link(rel: &str, href: &str, media_type: Option<&str>) -> Link {
    Link { rel: rel.to_owned(), href: href.to_owned(), mime_type: media_type.map(str::to_owned), ..Link::default() }
}

fn person(name: &str) -> Person {
    Person { name: name.to_owned(), ..Person::default() }
}

/// Plain text. What could be taken for markup travels as escaped HTML, which no reader can misread.
fn text(value: &str) -> Text {
    let html = value.contains(['<', '&']);
    Text {
        value: if html { escape(value) } else { value.to_owned() },
        r#type: if html { TextType::Html } else { TextType::Text },
        ..Text::default()
    }
}
