//! Feed: a document we publish.

use super::site::Site;

/// The formats a Feed is published in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeedFormat {
    /// RSS 2.0.
    Rss,
    /// Atom 1.0 (RFC 4287).
    Atom,
    /// JSON Feed 1.1.
    Json,
}

impl FeedFormat {
    /// The file it is published as.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Rss => "rss.xml",
            Self::Atom => "atom.xml",
            Self::Json => "feed.json",
        }
    }

    /// Its media type, without charset.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Rss => "application/rss+xml",
            Self::Atom => "application/atom+xml",
            Self::Json => "application/feed+json",
        }
    }
}

/// A `[[feed]]` table.
#[derive(Debug, Clone)]
pub struct Feed {
    /// Stable id; `main` is also published at the site's root.
    pub id: String,
    /// Title; the site's when absent.
    pub title: Option<String>,
    /// Formats it is published in.
    pub formats: Vec<FeedFormat>,
    /// Only Articles with one of these tags.
    pub tags: Vec<String>,
    /// Only Articles of these sources (`own` = content/).
    pub sources: Vec<String>,
    /// Only Articles of these authors.
    pub authors: Vec<String>,
    /// Entries in the window; older ones go into RFC 5005 archives.
    pub limit: usize,
    /// Whole articles, or summaries only.
    pub full: bool,
    /// WebSub hub to announce and to tell of changes.
    pub hub: Option<Hub>,
    /// Ids it had before: what was published under them leads here.
    pub was: Vec<String>,
}

/// Who tells subscribers of a Feed that it has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hub {
    /// Our own, at `/hub` of the site.
    Own,
    /// Somebody else's, at this address.
    At(String),
}

impl Hub {
    /// Where our own hub is, from the site's root.
    pub const PATH: &str = "hub";

    /// Its address.
    pub fn address(&self, site: &Site) -> String {
        match self {
            Self::Own => site.absolute(Self::PATH),
            Self::At(url) => url.clone(),
        }
    }
}
