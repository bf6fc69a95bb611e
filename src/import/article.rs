//! An entry or a page as an Article: cleaned, dated, and kept as JSON until it is wanted.

use std::path::PathBuf;

use chrono::{DateTime, FixedOffset, SecondsFormat};
use url::Url;

use super::ask::FEED;
use super::controls;
use super::overview::asked_at;
use super::pages::{self, Page, Profile, Rules};
use super::reader::{Entry, Feed, plain_text};
use crate::model::article::{Image, MailOptions, Origin};
use crate::model::source::Source;
use crate::model::{Article, ArticleId, Site, Timestamp};
use crate::store::imported::Imported;
use crate::store::sources::SourceRow;

/// Characters of a summary, and of a title made from a text.
const SUMMARY_CHARS_MAX: usize = 280;
const TITLE_CHARS_MAX: usize = 80;
/// A shorter paragraph is a heading, or a date, or a name.
const PARAGRAPH_CHARS_MIN: usize = 40;
/// A title longer than this is a text.
const TITLE_CHARS_KEPT: usize = 300;
/// What a body without any of these is one paragraph of.
const BLOCKS: [&str; 10] = ["<p", "<div", "<ul", "<ol", "<dl", "<h", "<table", "<blockquote", "<figure", "<details"];
/// Authors and tags that are kept.
const NAMES_MAX: usize = 10;

/// What the store keeps of an Article: what its Source said, and nothing of ours.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stored {
    /// Stable identity within the Source: the first id it had.
    pub id: String,
    /// Title, one line.
    pub title: String,
    /// Its page.
    pub url: String,
    /// One paragraph.
    pub summary: String,
    /// Cleaned.
    pub html: String,
    /// Plain.
    pub text: String,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<String>,
    /// Names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<String>,
    /// As its Source has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// BCP 47.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Address of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// When its Source corrected it, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected: Option<i64>,
}

impl Stored {
    /// Reads what the store kept.
    pub fn read(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// What the store keeps.
    pub fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }

    /// An entry of a feed, cleaned.
    pub fn of_entry(id: String, entry: &Entry, feed: &Feed, url: &Url, source: &Source) -> Self {
        let base = entry.base.as_deref().and_then(|base| Url::parse(base).ok()).unwrap_or_else(|| url.clone());
        let body = entry.content.as_deref().or(entry.summary.as_deref()).unwrap_or_default();
        let (mut html, text) = clean(body, &base, source.images);
        html.push_str(&attached(entry, &html));
        let said = entry.summary.as_deref().filter(|_| entry.content.is_some()).map(plain_text).filter(|said| !said.is_empty());
        let summary = cut(&said.unwrap_or_else(|| first_paragraph(&text)), SUMMARY_CHARS_MAX);
        let people = if entry.authors.is_empty() { feed.author.as_slice() } else { &entry.authors };
        let picture = entry.image.as_deref().filter(|_| source.images);
        Self {
            id,
            title: title(entry.title.as_deref().unwrap_or_default(), &text),
            url: url.to_string(),
            summary,
            html,
            text,
            published: entry.published.or(entry.updated).map(written),
            updated: entry.updated.filter(|at| entry.published.is_some_and(|first| *at > first)).map(written),
            authors: names(people.iter().filter_map(|person| person.name.as_deref())),
            tags: names(entry.categories.iter().map(|category| category.label.as_deref().unwrap_or(&category.term))),
            language: entry.language.clone().or_else(|| feed.language.clone()),
            image: picture.and_then(|picture| base.join(picture).ok()).filter(is_web).map(String::from),
            corrected: None,
        }
    }

    /// A page that is itself the article, cleaned.
    pub fn of_page(id: String, page: &Page, url: &Url, source: &Source) -> Self {
        let html = if source.images { page.html.clone() } else { clean(&page.html, url, false).0 };
        let date = |text: &Option<String>| text.as_deref().and_then(super::reader::parse_date).map(written);
        Self {
            id,
            title: title(&page.title, &page.text),
            url: url.to_string(),
            summary: summary(page),
            html,
            text: page.text.clone(),
            published: date(&page.published),
            updated: date(&page.modified),
            authors: names(page.author.iter().map(String::as_str)),
            tags: Vec::new(),
            language: page.language.clone(),
            image: page.image.as_ref().filter(|image| source.images && is_web(image)).map(Url::to_string),
            corrected: None,
        }
    }

    /// The Article, with what config.toml says of its Source. A date that is missing is when it was first seen; none lies ahead of that.
    pub fn article(self, source: &Source, row: &SourceRow, kept: &Imported, site: &Site) -> Article {
        let seen = kept.seen_at.utc().fixed_offset();
        let date = |text: &Option<String>| text.as_deref().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        let published = date(&self.published).map_or(seen, |at| at.min(seen));
        let title = source.title.clone().or_else(|| row.title.clone()).unwrap_or_else(|| source.id.clone());
        let mut tags = source.tags.clone();
        tags.extend(self.tags.into_iter().filter(|tag| !source.tags.iter().any(|own| own.to_lowercase() == tag.to_lowercase())));
        Article {
            slug: format!("{}-{}", source.id, kept.id),
            id: ArticleId(format!("{}:{}", source.id, self.id)),
            title: self.title,
            path: String::new(),
            url: self.url,
            canonical_url: None,
            origin: Some(Origin {
                source: source.id.clone(),
                title,
                url: row.home.clone().unwrap_or_else(|| source.url.to_string()),
                feed: (row.kind.as_deref() == Some(FEED)).then(|| asked_at(row).to_owned()),
                also: Vec::new(),
                seen_at: Some(kept.seen_at),
            }),
            summary: self.summary,
            html: self.html,
            words: self.text.split_whitespace().count(),
            text: self.text,
            published: Some(published),
            updated: date(&self.updated),
            expires: None,
            corrected: self.corrected.map(Timestamp),
            draft: false,
            authors: self.authors,
            tags,
            language: self.language.filter(|language| !language.eq_ignore_ascii_case(&site.language)),
            image: self.image.map(|url| Image { url, alt: String::new(), width: None, height: None, media_type: None, length_bytes: None }),
            aliases: Vec::new(),
            assets: Vec::new(),
            mail: MailOptions { skip_email: !kept.is_news, ..MailOptions::default() },
            file: PathBuf::new(),
        }
    }
}

/// A page in one paragraph: as it describes itself, else how it begins. A line that names the author is no beginning.
pub fn summary(page: &Page) -> String {
    let said = page.description.clone().filter(|said| !said.is_empty());
    cut(&said.unwrap_or_else(|| first_paragraph(&page.text)), SUMMARY_CHARS_MAX)
}

/// An imported Article as mail programs show it: without players and parts that fold.
pub fn for_mail(article: &Article) -> Article {
    let rules = Rules { profile: Profile::Mail, base: None, images: true };
    Article { html: pages::sanitize(&article.html, &rules).unwrap_or_default(), ..article.clone() }
}

/// Cleaned HTML and its text. What cannot be cleaned within bounds is nothing.
fn clean(body: &str, base: &Url, images: bool) -> (String, String) {
    let rules = Rules { profile: Profile::Archive, base: Some(base), images };
    // Text whose tags were lost on the way still has its lines.
    let restored = (body.trim().contains('\n') && !has_tags(body)).then(|| pages::restore_flat(body).ok()).flatten();
    let body = restored.map_or_else(|| body.to_owned(), |(_, html)| html);
    let (html, text) = pages::clean(&body, &rules).unwrap_or_default();
    let is_bare = !html.is_empty() && !BLOCKS.iter().any(|block| html.contains(block));
    (if is_bare { format!("<p>{html}</p>") } else { html }, text)
}

fn has_tags(text: &str) -> bool {
    text.match_indices('<').any(|(at, _)| text[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!')))
}

/// Links to the sounds and films of an entry that its text does not name: a podcast without them is nothing.
fn attached(entry: &Entry, html: &str) -> String {
    let mut out = String::new();
    for enclosure in &entry.enclosures {
        let kind = enclosure.kind.as_deref().unwrap_or_default();
        let Some(url) = Url::parse(&enclosure.url).ok().filter(is_web) else { continue };
        let href = escape(url.as_str());
        if kind.starts_with("image/") || html.contains(&href) {
            continue;
        }
        let name = url.path_segments().and_then(|mut parts| parts.next_back()).filter(|name| !name.is_empty()).unwrap_or("file");
        let size =
            enclosure.length.filter(|length| *length > 0).map(|length| format!(", {:.1} MB", length as f64 / 1e6)).unwrap_or_default();
        let kind = if kind.is_empty() { "file" } else { kind };
        out.push_str(&format!("<p><a href=\"{href}\">{}</a> ({}{size})</p>", escape(name), escape(kind)));
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Whether an address leads into the web.
pub(super) fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// A title on one line; of what has none, the beginning of its text.
fn title(title: &str, text: &str) -> String {
    let title = cut(&one_line(title), TITLE_CHARS_KEPT);
    if !title.is_empty() {
        return title;
    }
    let made = cut(&first_paragraph(text), TITLE_CHARS_MAX);
    if made.is_empty() { "Untitled".to_owned() } else { made }
}

/// The first paragraph that says something; a heading does not.
fn first_paragraph(text: &str) -> String {
    let mut paragraphs = text.split("\n\n").map(one_line).filter(|paragraph| !paragraph.is_empty());
    let first = paragraphs.next().unwrap_or_default();
    if first.chars().count() >= PARAGRAPH_CHARS_MIN {
        return first;
    }
    paragraphs.find(|paragraph| paragraph.chars().count() >= PARAGRAPH_CHARS_MIN).unwrap_or(first)
}

fn one_line(text: &str) -> String {
    controls::without(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Cuts before the word that would make it too long.
fn cut(text: &str, chars_max: usize) -> String {
    let text = one_line(text);
    let Some((limit, _)) = text.char_indices().nth(chars_max) else { return text };
    let end = text[..limit].rfind(' ').filter(|space| *space > limit / 2).unwrap_or(limit);
    format!("{}…", text[..end].trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '.' | '–' | '—')))
}

/// Names on one line each, each once.
fn names<'a>(all: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in all.map(one_line).filter(|name| !name.is_empty()) {
        if names.len() < NAMES_MAX && !names.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            names.push(cut(&name, TITLE_CHARS_MAX));
        }
    }
    names
}

fn written(at: DateTime<FixedOffset>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, false)
}
