//! What the next Issue of a Digest holds, for whom: the new Articles for everybody, and what earlier Issues carried for those whose turn it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::{Choice, choose};
use crate::config::Config;
use crate::model::edition::{Carried, SHARE_MAX};
use crate::model::{Article, Digest, Edition, Library, ListId, Rhythm, Timestamp};
use crate::store::{Result, Store};

/// How far back an Issue reaches for those who read seldom: a month, and one that was missed.
const BACK: Duration = Duration::from_secs(62 * 24 * 3600);

/// The content of an Issue that is not frozen yet.
#[derive(Debug, Clone, Default)]
pub struct Planned {
    /// The new Articles, newest first, and then the earlier ones.
    pub articles: Vec<Arc<Article>>,
    /// Who gets which.
    pub edition: Edition,
}

impl Planned {
    /// An Issue of these Articles, all new.
    pub fn of(config: &Config, articles: Vec<Arc<Article>>, lists: &[ListId]) -> Self {
        let carried = articles.iter().map(|article| Carried { age: 0, tags: article.tags.clone() }).collect();
        Self { articles, edition: Edition { articles: carried, topics: topics(config, lists), ..Edition::default() } }
    }
}

/// The edition of a letter: topics count, rhythms do not.
pub(super) fn letter(config: &Config, article: &Arc<Article>, lists: &[ListId]) -> Edition {
    Planned::of(config, vec![article.clone()], lists).edition
}

/// Plans the Issue of the turn `turn` (a due moment, or now), or says why there is none.
pub async fn plan(
    config: &Config,
    store: &Store,
    digest: &Digest,
    library: &Library,
    turn: Timestamp,
    now: Timestamp,
) -> Result<std::result::Result<Planned, String>> {
    let ids: Vec<String> = library.all().iter().map(|article| article.id.0.clone()).collect();
    let carried = store.already_in(&digest.id, &ids).await?;
    let (fresh, reason) = match choose(digest, library, &carried, now) {
        Choice::Articles(articles) => (articles, None),
        Choice::Nothing(reason) => (Vec::new(), Some(reason)),
    };
    let due = due(store, config, digest, turn).await?;
    if let (Some(reason), true) = (&reason, due.is_empty()) {
        return Ok(Err(reason.clone()));
    }
    let mut planned = Planned::of(config, fresh, &digest.lists);
    planned.edition.offered = digest.rhythms.clone();
    planned.edition.due = due;
    let has_news = !planned.articles.is_empty();
    add_earlier(config, store, digest, library, &mut planned, now).await?;
    match reason {
        Some(reason) if !has_news && planned.articles.is_empty() => Ok(Err(reason)),
        _ => Ok(Ok(planned)),
    }
}

/// The rhythms whose turn it is.
async fn due(store: &Store, config: &Config, digest: &Digest, turn: Timestamp) -> Result<Vec<Rhythm>> {
    if digest.rhythms.is_empty() {
        return Ok(Vec::new());
    }
    let zone = digest.schedule.as_ref().map_or(config.site.timezone, crate::model::Schedule::zone);
    let last = store.turn_before(&digest.id, turn).await?;
    Ok(digest.rhythms.iter().copied().filter(|rhythm| rhythm.is_due(last, turn, zone)).collect())
}

/// Adds what earlier Issues carried, as far back as somebody whose turn it is has not had it. Articles that are gone from the Library stay away.
async fn add_earlier(
    config: &Config,
    store: &Store,
    digest: &Digest,
    library: &Library,
    planned: &mut Planned,
    now: Timestamp,
) -> Result<()> {
    let since = Timestamp(now.0.saturating_sub(i64::try_from(BACK.as_micros()).unwrap_or(i64::MAX)));
    let mut earlier = store.made_since(&digest.id, since).await?;
    let only = digest.only.as_ref().map(|only| only.at(now, config.site.timezone));
    let groups = store.choosers(&digest.id, &digest.lists, only.as_ref(), &earlier, now).await?;
    let edition = &mut planned.edition;
    let has_turn = |rhythm: &Rhythm| !edition.offered.contains(rhythm) || edition.due.contains(rhythm);
    let behind = groups.iter().filter(|group| has_turn(&group.rhythm)).map(|group| group.behind).max().unwrap_or_default();
    earlier.truncate(behind);
    let Some(oldest) = earlier.last() else { return Ok(()) };
    let ages: HashMap<Timestamp, usize> = earlier.iter().enumerate().map(|(n, made)| (*made, n + 1)).collect();
    let by_id: HashMap<&str, &Arc<Article>> = library.live(now).map(|article| (article.id.0.as_str(), article)).collect();
    let mut found: Vec<(usize, &Arc<Article>)> = Vec::new();
    for (id, made) in store.carried_since(&digest.id, Timestamp(oldest.0 - 1)).await? {
        if let (Some(article), Some(age)) = (by_id.get(id.as_str()), ages.get(&made)) {
            found.push((*age, *article));
        }
    }
    found.sort_by_key(|(age, article)| (*age, std::cmp::Reverse(article.published_at())));
    for (age, article) in found.into_iter().take(SHARE_MAX) {
        edition.articles.push(Carried { age, tags: article.tags.clone() });
        planned.articles.push(article.clone());
    }
    edition.earlier = earlier;
    Ok(())
}

/// The topics readers of these Lists can choose among.
fn topics(config: &Config, lists: &[ListId]) -> BTreeMap<ListId, Vec<String>> {
    let lists = lists.iter().filter_map(|id| config.list(id)).filter(|list| !list.topics.is_empty());
    lists.map(|list| (list.id.clone(), list.topics.clone())).collect()
}
