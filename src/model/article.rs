//! Article: one piece of content, own or imported, with a stable id.

use std::path::PathBuf;

use chrono::{DateTime, FixedOffset};

use super::list::ListId;
use super::time::Timestamp;

/// What makes an Article the same Article for ever: its path in `content/` or its source's guid; never its title.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ArticleId(pub String);

/// Whether readers may see an Article at a given moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArticleState {
    /// Marked `draft = true`.
    Draft,
    /// Its date lies ahead.
    Scheduled,
    /// Published.
    Live,
    /// Its `expiryDate` has passed.
    Expired,
}

/// A picture that stands for the Article. `url` is absolute.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Image {
    /// Absolute address.
    pub url: String,
    /// Alternative text; empty when the author gave none.
    pub alt: String,
    /// Width in pixels, when known.
    pub width: Option<u32>,
    /// Height in pixels, when known.
    pub height: Option<u32>,
    /// Media type, such as `image/png`.
    pub media_type: Option<String>,
    /// Size in bytes, when known (a feed's enclosure needs it).
    pub length_bytes: Option<u64>,
}

/// A file elsewhere that belongs to an Article: the sound of a podcast, a film, a paper.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Attachment {
    /// Absolute address.
    pub url: String,
    /// Media type as its Source gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Size in bytes, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length_bytes: Option<u64>,
}

/// A file that lies beside an Article and is published with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Where it lies on disk.
    pub file: PathBuf,
    /// Its path on the site, from the root: `/hello/chart.png`.
    pub path: String,
}

/// Where an imported Article came from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Origin {
    /// The `[[source]]` id.
    pub source: String,
    /// The source's title.
    pub title: String,
    /// The source's own address.
    pub url: String,
    /// The feed it was taken from, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<String>,
    /// Other Sources that brought it, too.
    #[serde(skip)]
    pub also: Vec<String>,
    /// When it came; nothing says so of Articles that an Issue froze.
    #[serde(skip)]
    pub seen_at: Option<Timestamp>,
    /// Counts what Sources brought: of what came together, the first of the document has the smallest.
    #[serde(skip)]
    pub number: i64,
}

/// The name that stands for content/ where Sources are named.
pub const OWN: &str = "own";

/// What the front matter's `[postrider]` table says about mailing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailOptions {
    /// Lists a letter goes to when the command names none.
    pub lists: Vec<ListId>,
    /// Subject in place of the title (a Tera template).
    pub subject: Option<String>,
    /// The line mail programs show behind the subject.
    pub preheader: Option<String>,
    /// Never mailed, neither in a digest nor as a letter.
    pub skip_email: bool,
    /// Not in feeds.
    pub skip_feed: bool,
    /// When a letter goes out.
    pub send_at: Option<Timestamp>,
}

/// One piece of content, rendered: everything a feed, a page or a mail needs. Links and images in `html` and `text` are absolute.
#[derive(Debug, Clone, PartialEq)]
pub struct Article {
    /// Stable identity.
    pub id: ArticleId,
    /// The last part of its path: letters, digits and hyphens.
    pub slug: String,
    /// Plain text, one line.
    pub title: String,
    /// Path of its page from the site's root, with both slashes: `/hello/`. Of an imported Article: empty.
    pub path: String,
    /// Absolute address of its page.
    pub url: String,
    /// The address search engines should prefer, if another.
    pub canonical_url: Option<String>,
    /// Where it was imported from.
    pub origin: Option<Origin>,
    /// Plain text, one paragraph: the front matter's summary, or the first paragraph cut at a word.
    pub summary: String,
    /// The body as HTML, with inline styles where code is highlighted.
    pub html: String,
    /// The body as plain text, written from the Markdown tree: 72 columns, links numbered.
    pub text: String,
    /// Publication, in the zone the author wrote.
    pub published: Option<DateTime<FixedOffset>>,
    /// Last change the author declared.
    pub updated: Option<DateTime<FixedOffset>>,
    /// After this instant nobody sees it.
    pub expires: Option<DateTime<FixedOffset>>,
    /// When its Source changed it after it had been taken up; only of Sources whose corrections are told.
    pub corrected: Option<Timestamp>,
    /// Marked as a draft.
    pub draft: bool,
    /// Names of the authors.
    pub authors: Vec<String>,
    /// Tags as written.
    pub tags: Vec<String>,
    /// BCP 47 language, when it differs from the site's.
    pub language: Option<String>,
    /// Lead picture.
    pub image: Option<Image>,
    /// Files elsewhere that belong to it.
    pub attachments: Vec<Attachment>,
    /// Old paths that lead here.
    pub aliases: Vec<String>,
    /// Files published with it.
    pub assets: Vec<Asset>,
    /// Mailing options.
    pub mail: MailOptions,
    /// The file it was read from; empty for an imported Article.
    pub file: PathBuf,
    /// How many words the body has.
    pub words: usize,
}

impl Article {
    /// Whether readers may see it at `now`.
    pub fn state(&self, now: Timestamp) -> ArticleState {
        if self.draft {
            ArticleState::Draft
        } else if self.expires.is_some_and(|at| Timestamp::from_datetime(&at) <= now) {
            ArticleState::Expired
        } else if self.published.is_some_and(|at| Timestamp::from_datetime(&at) > now) {
            ArticleState::Scheduled
        } else {
            ArticleState::Live
        }
    }

    /// Id of the Source it came from; [`OWN`] for one of ours.
    pub fn source(&self) -> &str {
        self.origin.as_ref().map_or(OWN, |origin| origin.source.as_str())
    }

    /// Whether it came from this Source, first or also.
    pub fn is_of(&self, source: &str) -> bool {
        self.source() == source || self.origin.as_ref().is_some_and(|origin| origin.also.iter().any(|also| also == source))
    }

    /// The instant of its last change: `updated`, else `published`, else 1970.
    pub fn changed(&self) -> Timestamp {
        self.updated.or(self.published).map_or(Timestamp::default(), |at| Timestamp::from_datetime(&at))
    }

    /// The instant of publication; an Article without a date counts as the oldest.
    pub fn published_at(&self) -> Timestamp {
        self.published.map_or(Timestamp::default(), |at| Timestamp::from_datetime(&at))
    }

    /// Whole minutes a reader needs at 220 words a minute, at least one.
    pub fn minutes(&self) -> usize {
        self.words.div_ceil(220).max(1)
    }
}
