//! Entry: what every feed says of one Article, made fit for XML and JSON once.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, FixedOffset};
use rayon::prelude::*;
use url::Url;

use super::html;
use super::text::{clean, encode, line, slug, uri, whole};
use crate::model::article::{Attachment, Origin};
use crate::model::email::Mailbox;
use crate::model::{Article, Library, Site, Timestamp};

/// The earliest moment the validator finds plausible; Atom wants a date even of what has none.
const EARLIEST_SECS: i64 = 631_152_000;

/// The year in our `tag:` addresses. It must never change: an id that changes makes every reader show every entry again.
const TAG_YEAR: &str = "2026";

/// One Article as feeds show it. All text is clean (see [`clean`]), all addresses are absolute.
pub(super) struct Entry {
    pub article: Arc<Article>,
    /// Stable and unique: the page's address, or what the source calls it.
    pub id: String,
    /// Whether `id` is the address of the page.
    pub permalink: bool,
    pub url: String,
    pub title: String,
    pub summary: String,
    /// The body for feeds; empty for what feeds skip.
    pub html: String,
    pub published: Option<DateTime<FixedOffset>>,
    pub changed: DateTime<FixedOffset>,
    pub authors: Vec<String>,
    pub tags: Vec<String>,
    pub picture: Option<Enclosure>,
    /// The files that belong to it, without the lead picture.
    pub files: Vec<Enclosure>,
    pub origin: Option<Origin>,
}

/// A file as feeds attach it.
pub(super) struct Enclosure {
    pub url: String,
    pub media_type: String,
    /// 0 when it is not known.
    pub length_bytes: u64,
}

impl Enclosure {
    /// Whether it is of this kind: `image`, `audio`, `video`.
    pub fn is(&self, kind: &str) -> bool {
        self.media_type.split('/').next().is_some_and(|first| first.eq_ignore_ascii_case(kind))
    }
}

/// Every Article readers may see at `now`, newest first.
pub(super) fn entries(site: &Site, library: &Library, now: Timestamp) -> Vec<Entry> {
    let live: Vec<&Arc<Article>> = library.live(now).collect();
    let mut entries: Vec<Entry> = live.into_par_iter().map(|article| entry(site, article, now)).collect();
    let mut seen = HashSet::with_capacity(entries.len());
    for entry in &mut entries {
        if !seen.insert(entry.id.clone()) {
            entry.id = tag_id(site, &entry.article.id.0);
            entry.permalink = false;
            seen.insert(entry.id.clone());
        }
    }
    entries
}

fn entry(site: &Site, article: &Arc<Article>, now: Timestamp) -> Entry {
    let url = uri(&article.url, Some(&site.url)).unwrap_or_else(|| site.absolute(&encode(&article.path, "/")));
    let permalink = article.origin.is_none();
    let page = Url::parse(&url).ok();
    let picture = picture(article);
    Entry {
        id: if permalink { url.clone() } else { foreign_id(site, article) },
        permalink,
        title: title(article),
        summary: line(&article.summary),
        html: if article.mail.skip_feed { String::new() } else { html::for_feed(&article.html, page.as_ref()) },
        published: article.published.as_ref().map(whole),
        changed: changed(article, now),
        authors: authors(site, article),
        tags: tags(article),
        files: files(article, picture.as_ref()),
        picture,
        origin: article.origin.as_ref().map(|origin| Origin {
            title: Some(line(&origin.title)).filter(|title| !title.is_empty()).unwrap_or_else(|| origin.source.clone()),
            url: uri(&origin.url, None).unwrap_or_else(|| url.clone()),
            feed: origin.feed.as_deref().and_then(|feed| uri(feed, None)),
            ..origin.clone()
        }),
        url,
        article: Arc::clone(article),
    }
}

/// Never empty: a reader shows nothing else in its list.
fn title(article: &Article) -> String {
    [&article.title, &article.summary, &article.slug]
        .into_iter()
        .map(|text| line(text))
        .find(|text| !text.is_empty())
        .unwrap_or_else(|| "Untitled".to_owned())
}

/// The last change that readers can know of: not one the author announces for later.
fn changed(article: &Article, now: Timestamp) -> DateTime<FixedOffset> {
    let known = |at: &DateTime<FixedOffset>| Timestamp::from_datetime(at) <= now;
    let latest = article.published.into_iter().chain(article.updated).filter(known).max();
    whole(&latest.unwrap_or_else(earliest))
}

/// What a feed without entries was changed at.
pub(super) fn earliest() -> DateTime<FixedOffset> {
    DateTime::from_timestamp(EARLIEST_SECS, 0).unwrap_or_default().fixed_offset()
}

/// Names only: an address in a feed is food for spammers. Of a foreign Article without a name, its source is the author, not us.
fn authors(site: &Site, article: &Article) -> Vec<String> {
    let default = article.origin.as_ref().map(|origin| &origin.title).or(site.author.as_ref());
    let named: Vec<&String> = if article.authors.is_empty() { default.into_iter().collect() } else { article.authors.iter().collect() };
    let mut names: Vec<String> = Vec::new();
    for author in named {
        let author = line(author);
        let name = Mailbox::parse(&author).ok().and_then(|mailbox| mailbox.name).unwrap_or(author);
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn tags(article: &Article) -> Vec<String> {
    let mut seen = HashSet::new();
    article.tags.iter().map(|tag| line(tag)).filter(|tag| !tag.is_empty() && seen.insert(slug(tag))).collect()
}

/// A picture whose type is known, if only by its name; readers cannot use others.
fn picture(article: &Article) -> Option<Enclosure> {
    let image = article.image.as_ref()?;
    let url = uri(&image.url, None).filter(|url| url.starts_with("http"))?;
    let media_type = image.media_type.clone().or_else(|| media_type(&url).map(str::to_owned))?;
    Some(Enclosure { url, media_type: clean(&media_type).into_owned(), length_bytes: image.length_bytes.unwrap_or(0) })
}

/// The attached files. One whose type is neither told nor known by its name is a file of some kind.
fn files(article: &Article, picture: Option<&Enclosure>) -> Vec<Enclosure> {
    let file = |attached: &Attachment| {
        let url = uri(&attached.url, None).filter(|url| url.starts_with("http"))?;
        let told = attached.media_type.as_deref().and_then(|told| told.split(';').next()).map(str::trim).filter(|told| is_media_type(told));
        let media_type =
            told.or_else(|| media_type(&url)).or_else(|| recording_type(&url)).unwrap_or("application/octet-stream").to_owned();
        Some(Enclosure { url, media_type, length_bytes: attached.length_bytes.unwrap_or(0) })
    };
    article.attachments.iter().filter_map(file).filter(|file| picture.is_none_or(|picture| picture.url != file.url)).collect()
}

fn is_media_type(text: &str) -> bool {
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte));
    text.split_once('/').is_some_and(|(kind, sort)| is_word(kind) && is_word(sort))
}

/// Of the sounds and films people publish.
fn recording_type(path: &str) -> Option<&'static str> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    Some(match path.rsplit('.').next()?.to_ascii_lowercase().as_str() {
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "flac" => "audio/flac",
        "wav" => "audio/wav",
        "mp4" | "m4v" => "video/mp4",
        "webm" => "video/webm",
        "mov" => "video/quicktime",
        "pdf" => "application/pdf",
        _ => return None,
    })
}

/// Of the picture formats people publish.
pub(super) fn media_type(path: &str) -> Option<&'static str> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    Some(match path.rsplit('.').next()?.to_ascii_lowercase().as_str() {
        "avif" => "image/avif",
        "gif" => "image/gif",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "webp" => "image/webp",
        _ => return None,
    })
}

/// A source's own id when it is an address, so that readers of both feeds see the entry once; else one made of it.
fn foreign_id(site: &Site, article: &Article) -> String {
    // The Source that had it first, which need not be the one that shows it now.
    let id = article.id.0.split_once(':').map_or(article.id.0.as_str(), |(_, id)| id);
    let known = ["http:", "https:", "tag:", "urn:"].iter().any(|scheme| id.starts_with(scheme));
    let fits = id.bytes().all(|b| b.is_ascii_alphanumeric() || b";/?:@&=+$.-_!~*'()%,#".contains(&b));
    if known && fits && Url::parse(id).is_ok() { id.to_owned() } else { tag_id(site, &article.id.0) }
}

/// `tag:example.org,2026:letter/hello.md` (RFC 4151).
fn tag_id(site: &Site, id: &str) -> String {
    let host = site.url.host_str().unwrap_or("localhost").trim_matches(['[', ']']).replace(':', "-");
    format!("tag:{host},{TAG_YEAR}:{}{}", site.url.path().trim_start_matches('/'), encode(id, "/"))
}
