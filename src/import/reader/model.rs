//! What the reader understood of a document: [`Feed`] and [`Entry`]. Absent values are `None` or empty, never invented.

use chrono::{DateTime, FixedOffset};

/// The dialect a document is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Entries were found, but no root element that names a dialect.
    #[default]
    Unknown,
    /// RSS without a version, or with one nobody knows.
    Rss,
    /// RSS 0.90, Netscape's RDF.
    Rss090,
    /// RSS 0.91 as Netscape wrote it, told by its DOCTYPE.
    Rss091Netscape,
    /// RSS 0.91 as Userland wrote it.
    Rss091,
    /// RSS 0.92.
    Rss092,
    /// RSS 0.93.
    Rss093,
    /// RSS 0.94.
    Rss094,
    /// RSS 1.0 on RDF.
    Rss10,
    /// RSS 2.0.
    Rss20,
    /// Atom without a known namespace or version.
    Atom,
    /// Atom 0.1.
    Atom01,
    /// Atom 0.2.
    Atom02,
    /// Atom 0.3.
    Atom03,
    /// Atom 1.0.
    Atom10,
    /// Microsoft's Channel Definition Format.
    Cdf,
    /// JSON Feed 1.0.
    Json10,
    /// JSON Feed 1.1.
    Json11,
}

impl Format {
    /// The short word that feedparser made customary: `rss20`, `atom10`, `json11`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::Rss => "rss",
            Self::Rss090 => "rss090",
            Self::Rss091Netscape => "rss091n",
            Self::Rss091 => "rss091u",
            Self::Rss092 => "rss092",
            Self::Rss093 => "rss093",
            Self::Rss094 => "rss094",
            Self::Rss10 => "rss10",
            Self::Rss20 => "rss20",
            Self::Atom => "atom",
            Self::Atom01 => "atom01",
            Self::Atom02 => "atom02",
            Self::Atom03 => "atom03",
            Self::Atom10 => "atom10",
            Self::Cdf => "cdf",
            Self::Json10 => "json1",
            Self::Json11 => "json11",
        }
    }

    /// Whether the dialect is one of RSS's.
    pub const fn is_rss(self) -> bool {
        use Format as F;
        matches!(self, F::Rss | F::Rss090 | F::Rss091Netscape | F::Rss091 | F::Rss092 | F::Rss093 | F::Rss094 | F::Rss10 | F::Rss20)
    }

    /// Whether the dialect is one of Atom's, where a text without a type is plain text.
    pub const fn is_atom(self) -> bool {
        matches!(self, Self::Atom | Self::Atom01 | Self::Atom02 | Self::Atom03 | Self::Atom10)
    }
}

/// A feed as it was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Feed {
    /// The dialect.
    pub format: Format,
    /// Title, as plain text.
    pub title: Option<String>,
    /// The page the feed belongs to.
    pub link: Option<String>,
    /// Description or subtitle: HTML as given, not sanitised.
    pub description: Option<String>,
    /// Language tag as given, `en-us`.
    pub language: Option<String>,
    /// Atom's id.
    pub id: Option<String>,
    /// When the feed says it last changed.
    pub updated: Option<DateTime<FixedOffset>>,
    /// Who writes it, when an entry names nobody.
    pub author: Option<Person>,
    /// Icon, logo or channel image.
    pub icon: Option<String>,
    /// RSS `ttl`: minutes for which a copy is good.
    pub ttl_minutes: Option<u32>,
    /// RSS `skipHours`: hours (0 to 23, GMT) in which not to ask.
    pub skip_hours: Vec<u8>,
    /// RSS `skipDays`: English day names as given.
    pub skip_days: Vec<String>,
    /// WebSub hub.
    pub hub: Option<String>,
    /// The feed's own address as it says itself.
    pub self_link: Option<String>,
    /// The document ended in the middle of an entry (which is left out), or brought more than the reader takes.
    pub is_cut: bool,
    /// The entries in document order.
    pub entries: Vec<Entry>,
}

/// One entry as it was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entry {
    /// `guid`, `id` or `rdf:about`, as given.
    pub id: Option<String>,
    /// Whether the id is an address too: an RSS guid that does not say otherwise.
    pub is_permalink: bool,
    /// Title, as plain text.
    pub title: Option<String>,
    /// The page of the entry; where it names none, its id unless that says it is no permalink. As given but for being made
    /// absolute: it may be a `urn:` or worse, so whoever prints it checks the scheme.
    pub link: Option<String>,
    /// Who wrote it, in document order.
    pub authors: Vec<Person>,
    /// First published.
    pub published: Option<DateTime<FixedOffset>>,
    /// Last changed; only where the document says so.
    pub updated: Option<DateTime<FixedOffset>>,
    /// The full text: HTML as given, not sanitised.
    pub content: Option<String>,
    /// The short text: HTML as given, not sanitised. RSS has many feeds whose full text stands here.
    pub summary: Option<String>,
    /// Where the page was before a service that counts readers put its own address into `link`.
    pub original_link: Option<String>,
    /// What relative addresses inside `content` and `summary` are relative to, where the document says so. Where it does not, they were written for the
    /// page of the entry; the addresses in the other fields are relative to the document.
    pub base: Option<String>,
    /// Categories, tags, subjects, keywords.
    pub categories: Vec<Category>,
    /// Attached files.
    pub enclosures: Vec<Enclosure>,
    /// A picture that stands for the entry.
    pub image: Option<String>,
    /// Pictures that belong to the entry, with what they show.
    pub pictures: Vec<Picture>,
    /// The feed the entry was taken from.
    pub source: Option<SourceRef>,
    /// Language tag, where the entry names its own.
    pub language: Option<String>,
    /// The page with the comments.
    pub comments: Option<String>,
}

/// A person as the feed names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// Name.
    pub name: Option<String>,
    /// Mail address as given, not checked.
    pub email: Option<String>,
    /// Home page.
    pub url: Option<String>,
}

impl Person {
    /// `Jane Doe (jane@example.org)`, or whichever half there is.
    pub fn display(&self) -> String {
        match (&self.name, &self.email) {
            (Some(name), Some(email)) => format!("{name} ({email})"),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => String::new(),
        }
    }
}

/// A category.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Category {
    /// The term as machines compare it.
    pub term: String,
    /// The word for people, where it differs.
    pub label: Option<String>,
    /// The vocabulary the term comes from.
    pub scheme: Option<String>,
}

/// An attached file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Enclosure {
    /// Address.
    pub url: String,
    /// Media type as given.
    pub kind: Option<String>,
    /// Size in bytes, when it is a number.
    pub length: Option<u64>,
}

/// A picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picture {
    /// Address.
    pub url: String,
    /// What it shows, as plain text.
    pub alt: Option<String>,
}

/// The feed an entry was first published in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceRef {
    /// Its title, as plain text.
    pub title: Option<String>,
    /// Its address: the feed's in RSS, the site's in Atom.
    pub url: Option<String>,
}
