//! An entry or a page as an Article: cleaned, dated, and kept as JSON until it is wanted.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;

use chrono::{DateTime, FixedOffset, SecondsFormat};
use url::Url;

use super::ask::FEED;
use super::body::{self, Body};
use super::brief::{self, one_line};
use super::overview::asked_at;
use super::pages::{self, Page, Profile, Rules};
use super::reader::{Entry, Feed, entity, plain_text};
use crate::model::article::{Attachment, Image, MailOptions, Origin};
use crate::model::source::Source;
use crate::model::{Article, ArticleId, Site, Timestamp};
use crate::store::imported::Imported;
use crate::store::sources::SourceRow;

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
    /// Files that belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
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

    /// Leaves what a list shows of what became no Article: title and address.
    pub(super) fn forget_body(&mut self) {
        (self.summary, self.html, self.text) = Default::default();
    }

    /// An entry of a feed, cleaned.
    pub fn of_entry(id: String, entry: &Entry, feed: &Feed, url: &Url, source: &Source) -> Self {
        unless_broken(entry, |entry| Self::cleaned(id.clone(), entry, feed, url, source))
    }

    fn cleaned(id: String, entry: &Entry, feed: &Feed, url: &Url, source: &Source) -> Self {
        let base = entry.base.as_deref().and_then(|base| Url::parse(base).ok()).unwrap_or_else(|| url.clone());
        let body = body::of(entry, &base, source.images);
        let title = title(entry, feed, &body, source);
        let said = body::summary(entry).filter(|_| entry.content.is_some()).map(plain_text);
        let people = if entry.authors.is_empty() { feed.author.as_slice() } else { &entry.authors };
        let picture = entry.image.as_deref().filter(|_| source.images);
        Self {
            id,
            url: url.to_string(),
            summary: brief::summary(said, &body.html, &body.text, &title),
            title,
            html: body.html,
            text: body.text,
            published: entry.published.or(entry.updated).map(written),
            updated: entry.updated.filter(|at| entry.published.is_some_and(|first| *at > first)).map(written),
            authors: names(people.iter().filter_map(|person| person.name.as_deref())),
            tags: names(entry.categories.iter().map(|category| category.label.as_deref().unwrap_or(&category.term))),
            language: entry.language.clone().or_else(|| feed.language.clone()),
            image: picture.and_then(|picture| base.join(picture).ok()).filter(is_web).map(String::from),
            attachments: body::attachments(entry, source.images),
            corrected: None,
        }
    }

    /// A page that is itself the article, cleaned.
    pub fn of_page(id: String, page: &Page, url: &Url, source: &Source) -> Self {
        let html = if source.images { page.html.clone() } else { body::clean(&page.html, url, false).0 };
        let date = |text: &Option<String>| text.as_deref().and_then(super::reader::parse_date).map(written);
        Self {
            id,
            title: page_title(page, url),
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
            attachments: Vec::new(),
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
                number: kept.id,
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
            attachments: self.attachments,
            aliases: Vec::new(),
            assets: Vec::new(),
            mail: MailOptions { skip_email: !kept.is_news, ..MailOptions::default() },
            file: PathBuf::new(),
        }
    }
}

/// What is made of an entry. Whatever panics there is a fault of ours: then its words alone are taken, and the rest of its feed is not lost with it.
fn unless_broken<T>(entry: &Entry, make: impl Fn(&Entry) -> T) -> T {
    std::panic::catch_unwind(AssertUnwindSafe(|| make(entry))).unwrap_or_else(|_| {
        let name = entry.id.as_deref().or(entry.link.as_deref()).unwrap_or_default();
        tracing::error!(entry = name, "the HTML of an entry could not be cleaned, and its words alone are kept: please report it");
        make(&in_words(entry))
    })
}

/// An entry whose text has no HTML in it.
fn in_words(entry: &Entry) -> Entry {
    let given = entry.content.as_deref().or(entry.summary.as_deref()).unwrap_or_default();
    Entry { content: Some(body::escape(&plain_text(given))), summary: None, ..entry.clone() }
}

/// A page in one paragraph: as it describes itself, else how it begins. A line that names the author is no beginning.
pub fn summary(page: &Page) -> String {
    brief::summary(page.description.clone(), &page.html, &page.text, &page.title)
}

/// An imported Article as mail programs show it: without players and parts that fold.
pub fn for_mail(article: &Article) -> Article {
    let rules = Rules { profile: Profile::Mail, base: None, images: true };
    Article { html: pages::sanitize(&article.html, &rules).unwrap_or_default(), ..article.clone() }
}

/// Whether an address leads into the web.
pub(super) fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// A title on one line. What has none is called by how it begins, by what its picture shows, by its file, or by where and when it appeared.
fn title(entry: &Entry, feed: &Feed, body: &Body, source: &Source) -> String {
    let given = brief::given_title(entry.title.as_deref().unwrap_or_default());
    if !given.is_empty() {
        return given;
    }
    let made = brief::made_title(&body.html, &body.text).or_else(|| brief::made_title("", body.shown.as_deref()?)).or(body.file.clone());
    made.unwrap_or_else(|| {
        let from = source.title.as_ref().or(feed.title.as_ref()).unwrap_or(&source.id);
        let day = entry.published.or(entry.updated).map(|at| at.format(", %Y-%m-%d").to_string()).unwrap_or_default();
        brief::given_title(&format!("{from}{day}"))
    })
}

/// A title on one line; of a page that has none, how it begins, or its address.
fn page_title(page: &Page, url: &Url) -> String {
    let given = brief::given_title(&page.title);
    if given.is_empty() { brief::made_title(&page.html, &page.text).unwrap_or_else(|| url.to_string()) } else { given }
}

/// Names on one line each, each once. Some feeds escape them once too often.
fn names<'a>(all: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in all.map(|name| one_line(&entity::resolve(name))).filter(|name| !name.is_empty()) {
        if names.len() < NAMES_MAX && !names.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            names.push(brief::name(&name));
        }
    }
    names
}

fn written(at: DateTime<FixedOffset>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_breaks_the_cleaner_keeps_its_words() {
        let entry = Entry { content: Some("<p>The <b>gates</b> stay open &amp; wet.</p>".to_owned()), ..Entry::default() };
        let made = unless_broken(&entry, |entry| {
            let content = entry.content.clone().expect("a text");
            assert!(!content.contains('<'), "broken by a tag");
            content
        });
        assert_eq!(made, "The gates stay open &amp; wet.");
    }
}
