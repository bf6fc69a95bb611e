//! Channel: one feed in all its formats, and the documents it is made of: the window of newest entries, and RFC 5005 archives.

use super::entry::Entry;
use super::text::{encode, line};
use super::{atom, json, rss};
use crate::config::Config;
use crate::model::Site;
use crate::model::feed::{Feed, FeedFormat};

/// Entries in an archive document. RFC 5005 archives are read once by each reader, so few large ones beat many small ones.
const ARCHIVE_ENTRIES: usize = 30;
/// Bytes of content after which an archive document is closed early; readers cap what they fetch (512 KB with all markup).
const ARCHIVE_BYTES: usize = 440 * 1024;
/// What an entry weighs beside its content.
const ENTRY_BYTES: usize = 1500;

/// What all documents of a feed say about it.
pub(super) struct Channel<'a> {
    pub site: &'a Site,
    pub title: String,
    pub description: String,
    /// Address of the page for people.
    pub home: String,
    /// Folders it is published in, each from the site's root with its slash; the first is the one it is known by.
    pub folders: Vec<String>,
    pub formats: &'a [FeedFormat],
    pub full: bool,
    pub hub: Option<String>,
    /// Newest first.
    pub entries: Vec<&'a Entry>,
    pub limit: usize,
    /// Whether entries beyond the window are kept in archive documents.
    pub archived: bool,
}

/// One file of a Channel.
pub(super) struct Document<'a> {
    pub channel: &'a Channel<'a>,
    pub format: FeedFormat,
    /// Path from the site's root.
    pub path: String,
    /// Newest first.
    pub entries: &'a [&'a Entry],
    /// Whether this is an archive.
    pub archive: bool,
    /// Address of the archive that comes before (older entries).
    pub older: Option<String>,
}

impl<'a> Channel<'a> {
    /// A `[[feed]]` over `entries`.
    pub fn of_feed(config: &'a Config, feed: &'a Feed, entries: &'a [Entry]) -> Self {
        let site = &config.site;
        let own = format!("feeds/{}/", feed.id);
        Self {
            site,
            title: line(feed.title.as_deref().unwrap_or(&site.title)),
            description: description(site),
            home: site.url.to_string(),
            folders: if feed.id == "main" { vec![String::new(), own] } else { vec![own] },
            formats: &feed.formats,
            full: feed.full,
            hub: feed.hub.as_ref().map(|hub| hub.address(site)),
            entries: entries.iter().filter(|entry| takes(feed, entry)).collect(),
            limit: feed.limit.max(1),
            archived: true,
        }
    }

    /// The feed of a tag or an author, in the manner of `like`; `folder` also holds its page.
    pub fn of_topic(config: &'a Config, like: &'a Feed, name: &str, folder: String, entries: Vec<&'a Entry>) -> Self {
        let site = &config.site;
        Self {
            site,
            title: format!("{} · {name}", line(&site.title)),
            description: description(site),
            home: site.absolute(&encode(&folder, "/")),
            folders: vec![folder],
            formats: &like.formats,
            full: like.full,
            hub: like.hub.as_ref().map(|hub| hub.address(site)),
            entries,
            limit: like.limit.max(1),
            archived: false,
        }
    }

    /// Address of the file at `path` from the site's root.
    pub fn url(&self, path: &str) -> String {
        self.site.absolute(&encode(path, "/"))
    }

    /// Address of the current document in `format`.
    pub fn current(&self, format: FeedFormat) -> String {
        self.url(&format!("{}{}", self.folders[0], format.file_name()))
    }

    /// Every document: the window in each folder, the archives once.
    pub fn documents(&'a self) -> Vec<Document<'a>> {
        let archives = if self.archived { archives(&self.entries, self.limit) } else { Vec::new() };
        let window = &self.entries[..self.limit.min(self.entries.len())];
        let mut documents = Vec::new();
        for &format in self.formats {
            let older = (!archives.is_empty()).then(|| self.url(&self.archive_path(archives.len(), format)));
            for folder in &self.folders {
                let path = format!("{folder}{}", format.file_name());
                documents.push(Document { channel: self, format, path, entries: window, archive: false, older: older.clone() });
            }
            for (i, range) in archives.iter().enumerate() {
                let older = (i > 0).then(|| self.url(&self.archive_path(i, format)));
                let path = self.archive_path(i + 1, format);
                documents.push(Document { channel: self, format, path, entries: &self.entries[range.clone()], archive: true, older });
            }
        }
        documents
    }

    /// Archives are numbered from 1, the oldest, so that a new one renames none.
    fn archive_path(&self, number: usize, format: FeedFormat) -> String {
        let folder = self.folders.last().map_or("", String::as_str);
        format!("{folder}archive/{number}/{}", format.file_name())
    }
}

impl Document<'_> {
    /// Its bytes.
    pub fn render(&self) -> Result<Vec<u8>, String> {
        match self.format {
            FeedFormat::Rss => rss::render(self),
            FeedFormat::Atom => atom::render(self),
            FeedFormat::Json => json::render(self),
        }
    }

    /// Its own address.
    pub fn url(&self) -> String {
        self.channel.url(&self.path)
    }

    /// The hub it announces; an archive never changes and has none.
    pub fn hub(&self) -> Option<&str> {
        self.channel.hub.as_deref().filter(|_| !self.archive)
    }

    /// Links every format has: (rel, href).
    pub fn links(&self) -> Vec<(&'static str, String)> {
        let mut links = vec![("self", self.url())];
        links.extend(self.hub().map(|hub| ("hub", hub.to_owned())));
        links.extend((self.archive || self.older.is_some()).then(|| ("current", self.channel.current(self.format))));
        links.extend(self.older.clone().map(|older| ("prev-archive", older)));
        links
    }

    /// The newest change among its entries. Never the time of the build, so that the same entries give the same bytes.
    pub fn changed(&self) -> chrono::DateTime<chrono::FixedOffset> {
        self.entries.iter().map(|entry| entry.changed).max().unwrap_or_else(super::entry::earliest)
    }
}

fn description(site: &Site) -> String {
    let text = line(&site.description);
    if text.is_empty() { line(&site.title) } else { text }
}

/// Whether an entry belongs to a `[[feed]]`.
fn takes(feed: &Feed, entry: &Entry) -> bool {
    let same = |a: &String, b: &String| a.to_lowercase() == b.to_lowercase();
    let any = |wanted: &[String], has: &[String]| wanted.is_empty() || wanted.iter().any(|w| has.iter().any(|h| same(w, h)));
    !entry.article.mail.skip_feed
        && any(&feed.tags, &entry.tags)
        && any(&feed.authors, &entry.authors)
        && (feed.sources.is_empty() || feed.sources.iter().any(|wanted| entry.article.is_of(wanted)))
}

/// The archive documents as ranges of `entries` (newest first), oldest document first. They are filled from the oldest entry on
/// and may overlap the window: so each is full, and never changes, as soon as the window is at least as long as an archive.
fn archives(entries: &[&Entry], window: usize) -> Vec<std::ops::Range<usize>> {
    let beyond = entries.len().saturating_sub(window);
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < beyond {
        let mut bytes = 0;
        let fits = |entry: &&&Entry| {
            bytes += ENTRY_BYTES + escaped_length(&entry.html);
            bytes <= ARCHIVE_BYTES
        };
        let count = entries.iter().rev().skip(start).take(ARCHIVE_ENTRIES).take_while(fits).count().max(1);
        ranges.push(entries.len() - start - count..entries.len() - start);
        start += count;
    }
    ranges
}

/// How long text is once escaped for Atom, the wordiest format.
fn escaped_length(text: &str) -> usize {
    let escaped = |byte: &u8| u8::from(matches!(byte, b'<' | b'>' | b'&' | b'"' | b'\''));
    // In pieces whose sum fits a byte, which processors add up sixteen or more at a time.
    let count = text.as_bytes().chunks(255).map(|piece| usize::from(piece.iter().map(escaped).sum::<u8>())).sum::<usize>();
    text.len() + 4 * count
}
