//! Issue: one frozen mailing made from a Digest or from one Article ("letter").

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::email::Mailbox;
use super::list::ListId;

/// The number of an Issue, from 1 in a new store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct IssueId(pub i64);

/// The first number of a notice: far from mailings, which people count from 1.
const NOTICES_FROM: i64 = 1_000_000_000_000;

impl IssueId {
    /// Whether it is a notice ([`super::Notice`]) and no mailing.
    pub const fn is_notice(self) -> bool {
        self.0 >= NOTICES_FROM
    }
}

/// Where an Issue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IssueStatus {
    /// Frozen; goes out at its time.
    Scheduled,
    /// Going out.
    Sending,
    /// Stopped by a person, by a fault that concerns everybody, or because it waits for approval.
    Paused,
    /// Every Delivery has its end.
    Done,
    /// Called off; what had not left did not leave.
    Cancelled,
}

impl IssueStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Scheduled, Self::Sending, Self::Paused, Self::Done, Self::Cancelled];

    /// The word the store and JSON output keep.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Sending => "sending",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    /// From that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }
}

/// Everything an Issue needs to be rendered again, the same, for any reader at any time: nothing outside it is read.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Frozen {
    /// Id of the Digest, or the slug of the Article of a letter.
    pub name: String,
    /// Which number of that Digest this is, from 1; 1 for a letter.
    pub number: u64,
    /// Subject, Tera source.
    pub subject: String,
    /// Preheader, Tera source.
    pub preheader: String,
    /// Name of the template: `digest` renders `email/digest.html` and `email/digest.txt`.
    pub template: String,
    /// All template sources under `email/` by name (`email/digest.html` …), as they were.
    pub templates: BTreeMap<String, String>,
    /// The Articles as they were, in the order of the Digest.
    pub articles: Vec<FrozenArticle>,
    /// So many of them, the first, are for everybody; the rest for those who did not have them with earlier Issues. All, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh: Option<usize>,
    /// Which Articles stand under which heading, in the order of the mail. Where there are none, no Article has a heading.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<FrozenSection>,
    /// What was corrected since an earlier Issue carried it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<FrozenCorrection>,
    /// The Lists it goes to, by id, as they were.
    pub lists: BTreeMap<ListId, FrozenList>,
    /// The publication, as it was.
    pub site: FrozenSite,
    /// Instant of freezing, RFC 3339 in the site's zone.
    pub date: String,
    /// The language of its texts; the site's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Adds `[TEST]` to the subject and a mark to the body.
    #[serde(default)]
    pub test: bool,
}

impl Frozen {
    /// Puts the Articles into the order of the mail: that of the sections.
    pub fn sort_by_section(&mut self) {
        let ids = self.sections.iter().flat_map(|section| &section.articles);
        let places: BTreeMap<&String, usize> = ids.enumerate().map(|(place, id)| (id, place)).collect();
        self.articles.sort_by_key(|article| places.get(&article.id).copied().unwrap_or(usize::MAX));
    }

    /// The Issue with the Articles and corrections of one share only: those with a '1' in `part`, or those for everybody.
    pub fn share(&self, part: Option<&str>) -> Cow<'_, Self> {
        let fresh = self.fresh.filter(|fresh| *fresh > 0).unwrap_or(self.articles.len());
        let is_told = |correction: &FrozenCorrection| correction.is_new || fresh == 0;
        let (kept, told): (Vec<bool>, Vec<bool>) = match part {
            Some(part) => {
                let mut bits = part.bytes().map(|gets| gets == b'1');
                (bits.by_ref().take(self.articles.len()).collect(), bits.collect())
            }
            None if fresh >= self.articles.len() && self.corrections.iter().all(is_told) => return Cow::Borrowed(self),
            None => (vec![true; fresh], self.corrections.iter().map(is_told).collect()),
        };
        let articles: Vec<FrozenArticle> = only(&self.articles, &kept).cloned().collect();
        // Whoever gets an Article only now gets it as it is now.
        let is_old = |correction: &&FrozenCorrection| articles.iter().all(|article| article.id != correction.id);
        // Of this share all are: whoever takes it for an Issue of its own leaves none out.
        let told = only(&self.corrections, &told).filter(is_old).map(|told| FrozenCorrection { is_new: true, ..told.clone() });
        let corrections = told.collect();
        Cow::Owned(Self { articles, corrections, fresh: None, ..self.clone() })
    }
}

/// Those of `all` that are `kept`.
fn only<'a, T>(all: &'a [T], kept: &'a [bool]) -> impl Iterator<Item = &'a T> {
    all.iter().zip(kept).filter(|(_, kept)| **kept).map(|(one, _)| one)
}

/// Articles of an Issue under one heading.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FrozenSection {
    /// The heading; none over our own Articles.
    pub title: Option<String>,
    /// Where it leads: the Source's own address.
    #[serde(default)]
    pub url: Option<String>,
    /// Whether it holds what fits under no other heading; the word for that is the language's.
    #[serde(default)]
    pub rest: bool,
    /// Ids of its Articles.
    pub articles: Vec<String>,
}

/// That an Article was corrected after an Issue had carried it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FrozenCorrection {
    /// Stable id of the Article.
    pub id: String,
    /// Title, plain text.
    pub title: String,
    /// Absolute address.
    pub url: String,
    /// Language, if not the site's.
    #[serde(default)]
    pub language: Option<String>,
    /// Where it was imported from.
    #[serde(default)]
    pub origin: Option<super::article::Origin>,
    /// Whether no Issue told of it before. Others are for readers who did not get the one that did.
    pub is_new: bool,
}

/// What templates see of an Article.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct FrozenArticle {
    /// Stable id.
    pub id: String,
    /// Title, plain text.
    pub title: String,
    /// Absolute address.
    pub url: String,
    /// Summary, plain text.
    pub summary: String,
    /// Body, HTML (a letter needs it; a digest of many leaves it empty).
    pub html: String,
    /// Body, plain text.
    pub text: String,
    /// Date of publication, RFC 3339 in the author's zone.
    pub published: Option<String>,
    /// Authors.
    pub authors: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Language, if not the site's.
    pub language: Option<String>,
    /// Lead picture.
    pub image: Option<super::article::Image>,
    /// Where it was imported from.
    pub origin: Option<super::article::Origin>,
    /// Minutes of reading.
    pub minutes: u64,
}

/// What an Issue keeps of a List.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct FrozenList {
    /// Name people see.
    pub name: String,
    /// Why one gets it.
    pub description: String,
    /// From.
    pub from: Mailbox,
    /// Reply-To.
    pub reply_to: Option<Mailbox>,
}

/// What an Issue keeps of the Site.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct FrozenSite {
    /// Title.
    pub title: String,
    /// Address with a trailing slash.
    pub url: String,
    /// Description.
    pub description: String,
    /// Language.
    pub language: String,
    /// IANA zone.
    pub timezone: String,
    /// Postal address.
    pub postal_address: Option<String>,
    /// Square picture.
    pub icon: Option<String>,
}
