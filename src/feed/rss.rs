//! RSS 2.0, by the specification and the RSS profile.

use std::collections::BTreeMap;

use rss::extension::dublincore::DublinCoreExtension;
use rss::extension::{Extension, ExtensionMap};
use rss::{Category, ChannelBuilder, EnclosureBuilder, Guid, Image, Item, Source};

use super::channel::{Channel, Document};
use super::entry::Entry;
use super::text::{escape, rfc822, rfc3339};
use crate::model::feed::FeedFormat;

/// Stand-ins for `&` and `<` in plain text until the document is written: noncharacters, which clean text never has.
const AMPERSAND: char = '\u{fdd0}';
const LESS_THAN: char = '\u{fdd1}';

/// Minutes a reader may keep the feed before it asks again.
const TTL_MINUTES: &str = "60";

/// The document's bytes.
pub(super) fn render(document: &Document) -> Result<Vec<u8>, String> {
    let channel = document.channel;
    let mut feed = ChannelBuilder::default()
        .title(plain(&channel.title))
        .link(channel.home.clone())
        .description(plain(&channel.description))
        .language(channel.site.language.clone())
        .last_build_date((!document.entries.is_empty()).then(|| rfc822(&document.changed())))
        .generator("Postrider".to_owned())
        .docs("https://www.rssboard.org/rss-specification".to_owned())
        .ttl(TTL_MINUTES.to_owned())
        .image(image(channel))
        .items(document.entries.iter().map(|entry| item(channel, entry)).collect::<Vec<_>>())
        .build();
    feed.extensions = extensions(document);
    feed.namespaces = namespaces(document);
    let bytes = feed.pretty_write_to(Vec::new(), b' ', 1).map_err(|error| error.to_string())?;
    Ok(plain_entities(bytes))
}

fn item(channel: &Channel, entry: &Entry) -> Item {
    let summary = if entry.summary.is_empty() { &entry.title } else { &entry.summary };
    let mut extensions = ExtensionMap::new();
    if entry.published.is_some_and(|at| at != entry.changed) {
        add(&mut extensions, "atom", text("updated", &rfc3339(&entry.changed)));
    }
    Item {
        title: Some(plain(&entry.title)),
        link: Some(entry.url.clone()),
        description: Some(format!("<p>{}</p>", escape(summary))),
        categories: entry.tags.iter().map(|tag| Category { name: plain(tag), domain: None }).collect(),
        enclosure: enclosure(entry),
        guid: Some(Guid { value: entry.id.clone(), permalink: entry.permalink }),
        pub_date: entry.published.as_ref().map(rfc822),
        source: entry
            .origin
            .as_ref()
            .map(|origin| Source { url: origin.feed.as_ref().unwrap_or(&origin.url).clone(), title: Some(plain(&origin.title)) }),
        content: (channel.full && !entry.html.trim().is_empty()).then(|| entry.html.clone()),
        dublin_core_ext: (!entry.authors.is_empty())
            .then(|| DublinCoreExtension { creators: entry.authors.clone(), ..DublinCoreExtension::default() }),
        extensions,
        ..Item::default()
    }
}

/// The one file an item may have: a recording before other files, and a picture last. The specification wants a length, and 0 where none is known.
fn enclosure(entry: &Entry) -> Option<rss::Enclosure> {
    let files = &entry.files;
    let recording = files.iter().find(|file| file.is("audio") || file.is("video"));
    let file = recording.or_else(|| files.iter().find(|file| !file.is("image"))).or(entry.picture.as_ref()).or(files.first())?;
    let (url, length) = (file.url.clone(), file.length_bytes.to_string());
    Some(EnclosureBuilder::default().url(url).length(length).mime_type(file.media_type.clone()).build())
}

/// Title and link repeat the channel's, as the specification asks; other picture formats are not for RSS.
fn image(channel: &Channel) -> Option<Image> {
    let url = channel.site.icon.as_ref().and_then(|icon| super::text::uri(icon, Some(&channel.site.url)))?;
    let fits = matches!(super::entry::media_type(&url), Some("image/png" | "image/jpeg" | "image/gif"));
    fits.then(|| Image { url, title: plain(&channel.title), link: channel.home.clone(), ..Image::default() })
}

fn extensions(document: &Document) -> ExtensionMap {
    let mut extensions = ExtensionMap::new();
    for (rel, href) in document.links() {
        let mut attrs = BTreeMap::from([("href".to_owned(), href), ("rel".to_owned(), rel.to_owned())]);
        if rel != "hub" {
            attrs.insert("type".to_owned(), FeedFormat::Rss.media_type().to_owned());
        }
        add(&mut extensions, "atom", ("link", Extension { name: "atom:link".to_owned(), attrs, ..Extension::default() }));
    }
    if document.archive {
        add(&mut extensions, "fh", ("archive", Extension { name: "fh:archive".to_owned(), ..Extension::default() }));
    }
    extensions
}

fn text<'a>(name: &'a str, value: &str) -> (&'a str, Extension) {
    (name, Extension { name: format!("atom:{name}"), value: Some(value.to_owned()), ..Extension::default() })
}

fn add(extensions: &mut ExtensionMap, prefix: &str, (name, extension): (&str, Extension)) {
    extensions.entry(prefix.to_owned()).or_default().entry(name.to_owned()).or_default().push(extension);
}

fn namespaces(document: &Document) -> BTreeMap<String, String> {
    let mut namespaces = BTreeMap::from([("atom".to_owned(), "http://www.w3.org/2005/Atom".to_owned())]);
    if document.archive {
        namespaces.insert("fh".to_owned(), "http://purl.org/syndication/history/1.0".to_owned());
    }
    namespaces
}

/// Text for an element that RSS leaves undefined as plain or HTML. The RSS profile's way to say "plain" is to write `&` and `<`
/// as hexadecimal references, which the writer cannot: so they travel as stand-ins.
fn plain(text: &str) -> String {
    text.replace('&', AMPERSAND.encode_utf8(&mut [0; 4])).replace('<', LESS_THAN.encode_utf8(&mut [0; 4]))
}

fn plain_entities(bytes: Vec<u8>) -> Vec<u8> {
    let mut head = [0; 4];
    let prefix = &AMPERSAND.encode_utf8(&mut head).as_bytes()[..2];
    let mut out = Vec::with_capacity(bytes.len());
    let mut done = 0;
    for at in memchr::memmem::find_iter(&bytes, prefix) {
        let reference: &[u8] = match bytes.get(at + 2) {
            Some(0x90) => b"&#x26;",
            Some(0x91) => b"&#x3C;",
            _ => continue,
        };
        out.extend_from_slice(&bytes[done..at]);
        out.extend_from_slice(reference);
        done = at + 3;
    }
    out.extend_from_slice(&bytes[done..]);
    out
}
