//! Which Articles an Issue of a Digest carries.
//!
//! An Article is carried once by a Digest. The first Issue takes the newest up to the limit, and what is older than those is the
//! archive: it is never mailed. From then on everything at least as new as that and not carried yet is due, oldest overflow included, so
//! an Article whose date is a day behind its arrival is not lost and a full archive does not drip out.

use std::collections::HashSet;
use std::sync::Arc;

use crate::model::{Article, Digest, Library, Timestamp};

/// What was chosen, or why nothing was.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// These, newest first.
    Articles(Vec<Arc<Article>>),
    /// Nothing: the reason in words.
    Nothing(String),
}

/// Chooses from `library` at `now`; `carried` holds the ids that earlier Issues of this Digest carried.
pub fn choose(digest: &Digest, library: &Library, carried: &HashSet<String>, now: Timestamp) -> Choice {
    let baseline = library.all().iter().filter(|article| carried.contains(&article.id.0)).map(|article| article.published_at()).min();
    let mut due: Vec<Arc<Article>> = library
        .live(now)
        .filter(|article| fits(digest, article) && !carried.contains(&article.id.0))
        .filter(|article| baseline.is_none_or(|at| article.published_at() >= at))
        .cloned()
        .collect();
    if due.is_empty() {
        let since = if carried.is_empty() { "no article fits" } else { "no new article since the last issue" };
        return Choice::Nothing(since.to_owned());
    }
    if due.len() < digest.min {
        return Choice::Nothing(format!("{} new, and min = {}", plural(due.len(), "article is", "articles are"), digest.min));
    }
    due.truncate(digest.limit);
    Choice::Articles(due)
}

/// Whether the Digest's filters take an Article.
fn fits(digest: &Digest, article: &Article) -> bool {
    let any = |wanted: &[String], has: &[String]| wanted.is_empty() || wanted.iter().any(|one| has.iter().any(|other| same(one, other)));
    let source = article.origin.as_ref().map_or("own", |origin| origin.source.as_str());
    !article.mail.skip_email
        && any(&digest.tags, &article.tags)
        && any(&digest.authors, &article.authors)
        && (digest.sources.is_empty() || digest.sources.iter().any(|wanted| wanted == source))
}

/// Tags and names are the same in any case.
fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

fn plural(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
