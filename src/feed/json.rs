//! JSON Feed 1.1.

use serde::Serialize;

use super::channel::{Channel, Document};
use super::entry::{Enclosure, Entry};
use super::text::{rfc3339, uri};

#[derive(Serialize)]
struct Feed<'a> {
    version: &'static str,
    title: &'a str,
    home_page_url: &'a str,
    feed_url: String,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<String>,
    authors: Vec<Author<'a>>,
    language: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hubs: Vec<Hub<'a>>,
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Author<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Hub<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    url: &'a str,
}

#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    url: &'a str,
    /// Where a foreign entry lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_url: Option<&'a str>,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_html: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_text: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    summary: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_published: Option<String>,
    date_modified: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authors: Vec<Author<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Attachment<'a>>,
    /// The feed a foreign entry was taken from (an extension, named as the specification asks).
    #[serde(rename = "_source", skip_serializing_if = "Option::is_none")]
    source: Option<Source<'a>>,
}

#[derive(Serialize)]
struct Attachment<'a> {
    url: &'a str,
    mime_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_in_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Source<'a> {
    title: &'a str,
    url: &'a str,
}

/// The document's bytes.
pub(super) fn render(document: &Document) -> Result<Vec<u8>, String> {
    let channel = document.channel;
    let site = channel.site;
    let feed = Feed {
        version: "https://jsonfeed.org/version/1.1",
        title: &channel.title,
        home_page_url: &channel.home,
        feed_url: document.url(),
        description: &channel.description,
        next_url: document.older.as_deref(),
        icon: site.icon.as_ref().and_then(|icon| uri(icon, Some(&site.url))),
        authors: vec![Author { name: site.author.as_deref().unwrap_or(&site.title) }],
        language: &site.language,
        hubs: document.hub().map(|url| Hub { kind: "WebSub", url }).into_iter().collect(),
        items: document.entries.iter().map(|entry| item(channel, entry)).collect(),
    };
    serde_json::to_vec(&feed).map_err(|error| error.to_string())
}

fn item<'a>(channel: &Channel, entry: &'a Entry) -> Item<'a> {
    let full = channel.full && !entry.html.trim().is_empty();
    let text = if entry.summary.is_empty() { &entry.title } else { &entry.summary };
    Item {
        id: &entry.id,
        url: &entry.url,
        external_url: entry.origin.is_some().then_some(entry.url.as_str()),
        title: &entry.title,
        content_html: full.then_some(entry.html.as_str()),
        content_text: (!full).then_some(text.as_str()),
        summary: &entry.summary,
        image: entry.picture.as_ref().map(|picture| picture.url.as_str()),
        date_published: entry.published.as_ref().map(rfc3339),
        date_modified: rfc3339(&entry.changed),
        authors: entry.authors.iter().map(|name| Author { name }).collect(),
        tags: &entry.tags,
        language: entry.article.language.as_deref(),
        attachments: entry.files.iter().map(attachment).collect(),
        source: entry.origin.as_ref().map(|origin| Source { title: &origin.title, url: &origin.url }),
    }
}

fn attachment(file: &Enclosure) -> Attachment<'_> {
    Attachment { url: &file.url, mime_type: &file.media_type, size_in_bytes: Some(file.length_bytes).filter(|length| *length > 0) }
}
