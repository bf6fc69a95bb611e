//! Which Articles an Issue of a Digest carries.
//!
//! 1. *Due* is what fits the Digest's filters, is no part of the archive and is not over: neither carried nor left out as a repeat.
//! 2. They *rank* by the Digest's order.
//! 3. In rank, each is taken unless its page was carried already (then it is over), its Source has its quota, or the Issue is full; those
//!    wait for the next Issue.
//!
//! The archive is what was there before the first Issue: that one takes the newest up to the limit, and what is older is never mailed. From
//! then on everything at least as new as that is due, however late it comes, and whatever a Source brings after the first Issue was made.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::config::Config;
use crate::model::article::OWN;
use crate::model::digest::Order;
use crate::model::{Article, Digest, Library, Timestamp, own_pages};
use crate::store::carried::{Beginning, Remembered};

/// The first Issue looks at so many of the newest at most, where quotas keep it from being full: the rest is the archive, too.
const FIRST_LOOK: usize = 200;

/// What earlier Issues of a Digest left behind, as far as it concerns the Articles at hand.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// Ids of Articles that are over: of all in the Library while there is no beginning.
    pub over: HashSet<String>,
    /// Pages that were carried, as keys, each with the Source whose Article it was.
    pub pages: HashMap<String, String>,
    /// Where the Digest began.
    pub beginning: Option<Beginning>,
}

/// What was chosen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chosen {
    /// These, in rank.
    pub articles: Vec<Arc<Article>>,
    /// What is to be remembered of them.
    pub remembered: Remembered,
}

/// What was chosen, or why nothing was.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// These.
    Articles(Chosen),
    /// Nothing: the reason in words.
    Nothing(String),
}

/// Chooses from `library` at `now`.
pub fn choose(config: &Config, digest: &Digest, library: &Library, past: &Past, now: Timestamp) -> Choice {
    let mut shelf = Shelf::new(digest, past.pages.clone());
    if past.beginning.is_none() {
        // Issues that were made before pages were kept: what they carried is known as long as the Library has it.
        library.all().iter().filter(|article| past.over.contains(&article.id.0)).for_each(|article| shelf.keep_pages(article));
    }
    let open: Vec<&Arc<Article>> = candidates(digest, library, now).filter(|article| !past.over.contains(&article.id.0)).collect();
    let beginning = past.beginning.unwrap_or_else(|| begin(library, past, &open, &shelf, now));
    let mut due: Vec<&Arc<Article>> = open.into_iter().filter(|article| is_after(beginning, article)).collect();
    Ranking::new(config, digest).sort(&mut due, |article| article);
    due.iter().for_each(|article| shelf.offer(article));
    if shelf.taken.is_empty() || shelf.taken.len() < digest.min {
        return Choice::Nothing(shelf.reason(past));
    }
    let beginning = past.beginning.is_none().then_some(beginning);
    let remembered = Remembered { beginning, pages: shelf.kept, repeats: shelf.repeats, corrections: Vec::new() };
    Choice::Articles(Chosen { articles: shelf.taken, remembered })
}

/// What readers may see and the Digest's filters take, the newest first.
pub(super) fn candidates<'a>(digest: &'a Digest, library: &'a Library, now: Timestamp) -> impl Iterator<Item = &'a Arc<Article>> {
    library.live(now).filter(|article| fits(digest, article))
}

/// Whether an Article is no part of the archive.
pub(super) fn is_after(beginning: Beginning, article: &Article) -> bool {
    let is_younger = article.published_at() >= beginning.own;
    // What came since is news, whatever its date.
    is_younger || article.origin.as_ref().is_some_and(|origin| origin.seen_at.unwrap_or(article.published_at()) > beginning.imported)
}

/// Where a Digest begins that has no beginning yet, with `open` from the newest.
fn begin(library: &Library, past: &Past, open: &[&Arc<Article>], shelf: &Shelf<'_>, now: Timestamp) -> Beginning {
    let always = Timestamp(i64::MIN);
    if !past.over.is_empty() {
        let carried = library.all().iter().filter(|article| past.over.contains(&article.id.0));
        return Beginning { own: carried.map(|article| article.published_at()).min().unwrap_or(always), imported: always };
    }
    let (mut trial, mut oldest) = (shelf.clone(), always);
    for (looked_at, article) in open.iter().enumerate() {
        if trial.is_full() || looked_at == FIRST_LOOK {
            return Beginning { own: oldest, imported: now };
        }
        trial.offer(article);
        oldest = article.published_at();
    }
    // There was room for all. What a Source brings is news whatever its date; an old Article of our own that turns up later is not.
    Beginning { own: oldest, imported: always }
}

/// The places of an Issue as they fill.
#[derive(Clone)]
struct Shelf<'a> {
    digest: &'a Digest,
    taken: Vec<Arc<Article>>,
    /// How many of each Source.
    of_source: HashMap<String, usize>,
    /// Pages that are carried, now or before, with their Sources.
    pages: HashMap<String, String>,
    /// Those of them that are to be kept.
    kept: Vec<(String, String)>,
    repeats: Vec<String>,
    over_quota: usize,
}

impl<'a> Shelf<'a> {
    fn new(digest: &'a Digest, pages: HashMap<String, String>) -> Self {
        Self { digest, taken: Vec::new(), of_source: HashMap::new(), pages, kept: Vec::new(), repeats: Vec::new(), over_quota: 0 }
    }

    fn is_full(&self) -> bool {
        self.taken.len() >= self.digest.limit
    }

    /// Takes an Article, lets it wait, or finds that its page was carried.
    fn offer(&mut self, article: &Arc<Article>) {
        let count = self.of_source.get(article.source()).copied().unwrap_or_default();
        if self.is_repeat(article) {
            self.repeats.push(article.id.0.clone());
        } else if self.digest.per_source > 0 && article.origin.is_some() && count >= self.digest.per_source {
            self.over_quota += 1;
        } else if !self.is_full() {
            self.of_source.insert(article.source().to_owned(), count + 1);
            self.keep_pages(article);
            self.taken.push(article.clone());
        }
    }

    /// Whether the page was carried. What tells the entries of one Source apart is their identity there: many feeds link all of them to one page.
    fn is_repeat(&self, article: &Article) -> bool {
        let is_same = |source: &String| source != article.source() || source == OWN;
        own_pages(article).iter().any(|page| self.pages.get(page).is_some_and(is_same))
    }

    fn keep_pages(&mut self, article: &Article) {
        for page in own_pages(article) {
            if !self.pages.contains_key(&page) {
                self.kept.push((page.clone(), article.source().to_owned()));
                self.pages.insert(page, article.source().to_owned());
            }
        }
    }

    /// Why there is no Issue.
    fn reason(&self, past: &Past) -> String {
        let has_past = past.beginning.is_some() || !past.over.is_empty();
        let mut reason = match self.taken.len() {
            0 if has_past => "no new article since the last issue".to_owned(),
            0 => "no article fits".to_owned(),
            new => format!("{}, and min = {}", plural(new, "article is new", "articles are new"), self.digest.min),
        };
        if !self.repeats.is_empty() {
            let repeats = plural(self.repeats.len(), "link that was sent already", "links that were sent already");
            reason.push_str(&format!("; not counting {repeats}"));
        }
        if self.over_quota > 0 {
            reason.push_str(&format!(
                "; {} for per_source = {}",
                plural(self.over_quota, "more waits", "more wait"),
                self.digest.per_source
            ));
        }
        reason
    }
}

/// The order of a Digest.
pub(super) struct Ranking<'a> {
    /// Of Sources, by id; none where only the date counts.
    weights: HashMap<&'a str, usize>,
    by_weight: bool,
}

impl<'a> Ranking<'a> {
    pub(super) fn new(config: &'a Config, digest: &Digest) -> Self {
        let weights = config.sources.iter().map(|source| (source.id.as_str(), source.weight)).collect();
        Self { weights, by_weight: digest.order == Order::Weight }
    }

    /// Sorts; of equals the first stays first.
    pub(super) fn sort<T>(&self, items: &mut [T], article: impl Fn(&T) -> &Arc<Article>) {
        items.sort_by_key(|item| self.place(article(item)));
    }

    /// Smaller comes first.
    pub(super) fn place(&self, article: &Article) -> (Reverse<usize>, Reverse<Timestamp>) {
        let weight = match &article.origin {
            _ if !self.by_weight => 0,
            None => usize::MAX,
            // A Source that is not in config.toml any more.
            Some(origin) => self.weights.get(origin.source.as_str()).copied().unwrap_or(1),
        };
        (Reverse(weight), Reverse(article.published_at()))
    }
}

/// Whether the Digest's filters take an Article.
fn fits(digest: &Digest, article: &Article) -> bool {
    let any = |wanted: &[String], has: &[String]| wanted.is_empty() || wanted.iter().any(|one| has.iter().any(|other| same(one, other)));
    !article.mail.skip_email
        && any(&digest.tags, &article.tags)
        && any(&digest.authors, &article.authors)
        && (digest.sources.is_empty() || digest.sources.iter().any(|wanted| article.is_of(wanted)))
}

/// Tags and names are the same in any case.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

fn plural(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
