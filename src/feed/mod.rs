//! Library → RSS 2.0, Atom 1.0, JSON Feed 1.1, RFC 5005 archives, and the pages of the archive.

mod archive;
mod atom;
mod channel;
pub mod delta;
mod entry;
mod html;
mod json;
mod pages;
mod rss;
mod search;
mod styles;
mod text;
mod topics;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use rayon::prelude::*;

pub use self::archive::Archive;
use self::archive::Volume;
use self::channel::Channel;
use self::entry::Entry;
use self::pages::{Alternate, Press};
use self::topics::Topic;
use crate::config::Config;
use crate::model::feed::FeedFormat;
use crate::model::{Fault, Faults, Library, PastIssue, Timestamp};

/// One published file, ready to be served or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Media type with charset.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: Body,
    /// Of a feed document: what those who serve it must know.
    pub feed: Option<Document>,
}

/// What a feed document says of itself, for those who serve it and tell hubs of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its format.
    pub format: FeedFormat,
    /// Its own address (`rel=self`).
    pub url: String,
    /// The hub it announces.
    pub hub: Option<String>,
    /// The newest change among its entries; never the time of a build.
    pub changed: Timestamp,
}

/// Where the bytes of a published file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Made by us.
    Bytes(Bytes),
    /// Copied as it is from this file.
    File(std::path::PathBuf),
}

/// The published site: path without its first slash (`rss.xml`, `hello/index.html`) → file. The same input gives the same bytes.
pub type Site = BTreeMap<String, Page>;

/// Publishes everything: feeds (each `[[feed]]`, per tag, per author), archives, a page per Article, an index, assets, alias redirects.
/// What readers may not see at `now` is in none of them. An Article's page comes before a redirect to another at the same path.
pub fn publish(config: &Config, library: &Library, now: Timestamp) -> Result<Site, Faults> {
    press(config, library, None, now).map(|(site, _)| site)
}

/// The same with the archive of what was sent to public Lists, `past` with the newest first, and what answers searches in it.
pub fn publish_with(config: &Config, library: &Library, past: &[Arc<PastIssue>], now: Timestamp) -> Result<(Site, Archive), Faults> {
    let volumes = archive::volumes(config, past);
    let (site, tera) = press(config, library, Some(&volumes), now)?;
    Ok((site, Archive::new(tera, config.site.clone(), volumes)))
}

fn press(config: &Config, library: &Library, volumes: Option<&[Volume]>, now: Timestamp) -> Result<(Site, tera::Tera), Faults> {
    let entries = entry::entries(&config.site, library, now);
    check_paths(&entries)?;
    let topics = topics::topics(&entries);
    let channels = channels(config, &entries, &topics);
    let documents: Vec<channel::Document> = channels.iter().flat_map(Channel::documents).collect();
    let press = Press::new(config, &entries, &alternates(config, &channels), volumes)?;
    let mut site: Site = press.redirects()?.into_iter().collect();
    site.extend(press.files(&topics, volumes.unwrap_or_default())?);
    let rendered: Result<Vec<pages::File>, Faults> = documents.par_iter().map(render).collect();
    site.extend(rendered?);
    Ok((site, press.tera))
}

/// Writes a site into `out` so that no reader ever sees half a file (each is written beside and renamed; unchanged files are not touched);
/// files of an earlier build that are gone are removed. How many files changed.
///
/// A file that is there already under the name of a published one is replaced, whoever wrote it; a file is removed only when
/// an earlier build wrote it (`.postrider-build.json` lists them). All else in `out` is left alone. Nothing is synced to the disk:
/// after a power cut, build again.
pub fn write(site: &Site, out: &std::path::Path) -> std::io::Result<usize> {
    write::write(site, out)
}

/// What a build made, in numbers people read: `built 8 articles, 3 feeds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Articles readers can see.
    pub articles: usize,
    /// Documents of the `[[feed]]`s: one a format.
    pub feeds: usize,
}

/// Counts what [`publish`] makes of the same input.
pub fn summary(config: &Config, library: &Library, now: Timestamp) -> Summary {
    Summary { articles: library.live(now).count(), feeds: config.feeds.iter().map(|feed| feed.formats.len()).sum() }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        write!(f, "{} article{}, {} feed{}", self.articles, plural(self.articles), self.feeds, plural(self.feeds))
    }
}

/// Every feed: the declared ones, then (in the manner of `main`) one a topic.
fn channels<'a>(config: &'a Config, entries: &'a [Entry], topics: &[Topic]) -> Vec<Channel<'a>> {
    let mut channels: Vec<Channel> = config.feeds.iter().map(|feed| Channel::of_feed(config, feed, entries)).collect();
    let model = config.feeds.iter().find(|feed| feed.id == "main").or(config.feeds.first());
    for (model, topic) in model.iter().flat_map(|model| topics.iter().map(move |topic| (*model, topic))) {
        let entries = topic.members.iter().map(|&at| &entries[at]).filter(|entry| !entry.article.mail.skip_feed).collect();
        channels.push(Channel::of_topic(config, model, &topic.name, topic.folder.clone(), entries));
    }
    channels
}

/// The declared feeds, as pages announce them.
fn alternates(config: &Config, channels: &[Channel]) -> Vec<Alternate> {
    let declared = &channels[..config.feeds.len()];
    let of = |channel: &Channel, format: FeedFormat| Alternate {
        title: channel.title.clone(),
        label: label(format),
        media_type: format.media_type(),
        path: format!("{}{}", channel.folders[0], format.file_name()),
    };
    declared.iter().flat_map(|channel| channel.formats.iter().map(|&format| of(channel, format))).collect()
}

fn label(format: FeedFormat) -> &'static str {
    match format {
        FeedFormat::Rss => "RSS",
        FeedFormat::Atom => "Atom",
        FeedFormat::Json => "JSON",
    }
}

fn render(document: &channel::Document) -> Result<pages::File, Faults> {
    let content_type = match document.format {
        FeedFormat::Rss => "application/rss+xml; charset=utf-8",
        FeedFormat::Atom => "application/atom+xml; charset=utf-8",
        FeedFormat::Json => "application/feed+json; charset=utf-8",
    };
    let failed = |error: String| Fault::error("feed-failed", format!("cannot write /{}: {error}", document.path));
    let bytes = document.render().map_err(failed)?;
    let about = Document {
        format: document.format,
        url: document.url(),
        hub: document.hub().map(str::to_owned),
        changed: Timestamp::from_datetime(&document.changed()),
    };
    Ok((document.path.clone(), Page { content_type, body: Body::Bytes(bytes.into()), feed: Some(about) }))
}

/// Two Articles at one path would hide one of them.
fn check_paths(entries: &[Entry]) -> Result<(), Faults> {
    let mut seen: BTreeMap<String, &Entry> = BTreeMap::new();
    let mut faults = Faults::default();
    for entry in entries.iter().filter(|entry| !entry.article.path.is_empty()) {
        let path = pages::file_of(&entry.article.path);
        match seen.get(&path) {
            Some(first) => faults.push(pages::taken(&path, first, entry)),
            None => drop(seen.insert(path, entry)),
        }
    }
    if faults.0.is_empty() { Ok(()) } else { Err(faults) }
}
