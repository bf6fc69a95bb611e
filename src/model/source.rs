//! Source: a foreign feed or page we import from.

use std::time::Duration;

use url::Url;

/// Answers in a row that must say the same new address before we ask there.
const MOVED_TIMES: i64 = 3;
/// Failures in a row after which the address of config.toml is tried again, in turn with the other: either may be what answers first.
const MOVED_FAILURES: i64 = 5;

/// The addresses a Source has, of which it is asked at one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses<'a> {
    /// As config.toml has it.
    pub url: &'a str,
    /// The feed that the page there names.
    pub found: Option<&'a str>,
    /// Where it says it is for good.
    pub moved_to: Option<&'a str>,
    /// In so many answers in a row.
    pub moved_times: i64,
    /// Of its requests, in a row.
    pub failures: i64,
}

/// Why a Source is asked where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It is the address of config.toml, or the feed that its page names.
    Usual,
    /// It says that it is there for good.
    Moved,
    /// Where it was found, or has moved to, nothing answers any more: it is the turn of the address of config.toml.
    Back,
}

impl<'a> Addresses<'a> {
    /// Why it is asked where it is.
    pub const fn way(&self) -> Way {
        let is_moved = self.moved_to.is_some() && self.moved_times >= MOVED_TIMES;
        let is_elsewhere = is_moved || self.found.is_some();
        if is_elsewhere && self.failures >= MOVED_FAILURES && (self.failures - MOVED_FAILURES) % 2 == 0 {
            Way::Back
        } else if is_moved {
            Way::Moved
        } else {
            Way::Usual
        }
    }

    /// Where it is asked.
    pub fn asked(&self) -> &'a str {
        let other = match self.way() {
            Way::Usual => self.found,
            Way::Moved => self.moved_to,
            Way::Back => None,
        };
        other.unwrap_or(self.url)
    }

    /// The host of that, without its port.
    pub fn host(&self) -> String {
        Url::parse(self.asked()).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// What stands at a Source's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SourceKind {
    /// Found out at the first fetch.
    #[default]
    Auto,
    /// A feed.
    Feed,
    /// A page that is itself the article.
    Page,
}

/// What becomes of an Article when its Source edits it. It is never mailed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Updates {
    /// It gets the new words.
    #[default]
    Update,
    /// It stays as it was first seen.
    Ignore,
    /// It gets the new words, and the next Issue of a Digest that carried it says so.
    Correct,
}

/// How often a Source is asked without a word about it.
pub const EVERY: Duration = Duration::from_secs(3600);
/// A Source is asked once a day at least.
pub const EVERY_MAX: Duration = Duration::from_secs(24 * 3600);

/// A `[[source]]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Stable id.
    pub id: String,
    /// Its address.
    pub url: Url,
    /// What we call it, in place of what it calls itself.
    pub title: Option<String>,
    /// Feed, page, or to be found out.
    pub kind: SourceKind,
    /// How often we ask at most.
    pub every: Duration,
    /// Tags its Articles get.
    pub tags: Vec<String>,
    /// What about edits.
    pub updates: Updates,
    /// Only entries with one of these words; all when empty.
    pub include: Vec<String>,
    /// No entries with one of these words.
    pub exclude: Vec<String>,
    /// Only entries in one of these languages (BCP 47); all when empty.
    pub languages: Vec<String>,
    /// Its place among Sources in Digests that order by weight; heavier ones come first.
    pub weight: usize,
    /// Whether pictures are kept.
    pub images: bool,
}

impl Source {
    /// One of which nothing is said but its id and its address.
    pub fn new(id: String, url: Url) -> Self {
        Self {
            id,
            url,
            title: None,
            kind: SourceKind::default(),
            every: EVERY,
            tags: Vec::new(),
            updates: Updates::default(),
            include: Vec::new(),
            exclude: Vec::new(),
            languages: Vec::new(),
            weight: 1,
            images: true,
        }
    }
}
