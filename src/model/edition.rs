//! Edition: who of an Issue's readers gets which of its Articles, by the rhythm and the topics they chose.
//!
//! The Issues of a Digest are one long row of Articles. A reader who gets each Issue is always at its end; one who wants it weekly is behind until
//! the first Issue of the week, which then holds for them all that came since. Where a reader stands in the row decides, so
//! whoever changes rhythm misses nothing and gets nothing twice.

use std::collections::BTreeMap;

use super::list::ListId;
use super::rhythm::Rhythm;

/// Most Articles one reader gets in one mail, the newest: mail programs cut off what is longer.
pub const SHARE_MAX: usize = 60;

/// One Article of an Issue, or one correction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// How many Issues ago it was carried first; 0 for what is new.
    pub age: usize,
    /// Its tags.
    pub tags: Vec<String>,
}

/// What a reader gets of an Issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Share {
    /// What everybody gets: all that is new.
    Whole,
    /// These Articles and corrections: a '1' or '0' for each.
    Part(String),
    /// Nothing of it is for them.
    Nothing,
    /// Nothing yet: it is not their time.
    Later,
}

/// What decides about shares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edition {
    /// The Articles of the Issue: first what is new, then what earlier Issues carried, for those who have not had it.
    pub articles: Vec<Carried>,
    /// What it tells was corrected in Articles of earlier Issues, with the age of the telling. Nobody is written to for that alone.
    pub corrections: Vec<Carried>,
    /// Rhythms the Digest offers beside "each issue".
    pub offered: Vec<Rhythm>,
    /// Those of them whose time it is.
    pub due: Vec<Rhythm>,
    /// When the earlier Issues were made, the last first: what ages count.
    pub earlier: Vec<super::time::Timestamp>,
    /// The topics that can be chosen on each List.
    pub topics: BTreeMap<ListId, Vec<String>>,
}

impl Edition {
    /// How many Articles are new.
    pub fn fresh(&self) -> usize {
        self.articles.iter().filter(|article| article.age == 0).count()
    }

    /// Whether everybody gets what is new: nobody does when nothing is.
    pub fn is_for_all(&self) -> bool {
        self.articles.is_empty() || self.fresh() > 0
    }

    /// What somebody on `list` gets who chose `rhythm` and `topics` and has not had the last `behind` Issues.
    pub fn share(&self, list: &ListId, rhythm: Rhythm, topics: Option<&[String]>, behind: usize) -> Share {
        let is_slow = self.offered.contains(&rhythm);
        if is_slow && !self.due.contains(&rhythm) || !is_slow && self.fresh() == 0 {
            return Share::Later;
        }
        let wanted = |article: &Carried| article.age <= behind && self.is_wanted(list, article, topics);
        let mut left = SHARE_MAX.max(self.fresh());
        let mut part = String::with_capacity(self.articles.len());
        for article in &self.articles {
            let gets = left > 0 && wanted(article);
            left -= usize::from(gets);
            part.push(if gets { '1' } else { '0' });
        }
        if !part.contains('1') {
            return Share::Nothing;
        }
        part.extend(self.corrections.iter().map(|correction| if wanted(correction) { '1' } else { '0' }));
        let whole =
            self.articles.iter().chain(&self.corrections).zip(part.bytes()).all(|(article, gets)| (article.age == 0) == (gets == b'1'));
        if whole { Share::Whole } else { Share::Part(part) }
    }

    /// Whether an Article is on a topic that was chosen, or on none that could be.
    fn is_wanted(&self, list: &ListId, article: &Carried, topics: Option<&[String]>) -> bool {
        let (Some(chosen), Some(offered)) = (topics, self.topics.get(list)) else { return true };
        let on = |topic: &String| article.tags.iter().any(|tag| tag.to_lowercase() == topic.to_lowercase());
        let mut about = offered.iter().filter(|topic| on(topic)).peekable();
        about.peek().is_none() || about.any(|topic| chosen.iter().any(|one| one.to_lowercase() == topic.to_lowercase()))
    }
}
