//! What the next Issue of a Digest holds, for whom: the new Articles for everybody, and what earlier Issues carried for those whose turn it is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::choose::{Chosen, Ranking, candidates, is_after};
use super::{Choice, Past, choose};
use crate::config::Config;
use crate::model::edition::{Carried, SHARE_MAX};
use crate::model::{Article, Digest, Edition, Library, ListId, Rhythm, Timestamp, own_pages};
use crate::store::carried::Remembered;
use crate::store::{Result, Store};

/// How far back an Issue reaches for those who read seldom: a month, and one that was missed.
const BACK: Duration = Duration::from_secs(62 * 24 * 3600);

/// Most corrections one Issue tells for the first time; the others wait for the next.
const CORRECTIONS_MAX: usize = 20;

/// The content of an Issue that is not frozen yet.
#[derive(Debug, Clone, Default)]
pub struct Planned {
    /// The new Articles in rank, and then the earlier ones.
    pub articles: Vec<Arc<Article>>,
    /// Articles of earlier Issues that were corrected since.
    pub corrected: Vec<Arc<Article>>,
    /// Who gets which.
    pub edition: Edition,
    /// What the Digest will remember of it.
    pub remembered: Remembered,
}

impl Planned {
    /// An Issue of these Articles, all new.
    pub fn of(config: &Config, articles: Vec<Arc<Article>>, lists: &[ListId]) -> Self {
        let carried = articles.iter().map(|article| Carried { age: 0, tags: article.tags.clone() }).collect();
        let edition = Edition { articles: carried, topics: topics(config, lists), ..Edition::default() };
        Self { articles, edition, ..Self::default() }
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
    let past = past(store, digest, library, now).await?;
    let (chosen, reason) = match choose(config, digest, library, &past, now) {
        Choice::Articles(chosen) => (chosen, None),
        Choice::Nothing(reason) => (Chosen::default(), Some(reason)),
    };
    let due = due(store, config, digest, turn).await?;
    if let (Some(reason), true) = (&reason, due.is_empty()) {
        return Ok(Err(reason.clone()));
    }
    let mut planned = Planned::of(config, chosen.articles, &digest.lists);
    planned.remembered = chosen.remembered;
    planned.edition.offered = digest.rhythms.clone();
    planned.edition.due = due;
    let has_news = !planned.articles.is_empty();
    if has_news {
        add_corrections(store, digest, library, &mut planned, now).await?;
    }
    add_earlier(config, store, digest, library, &mut planned, now).await?;
    match reason {
        Some(reason) if !has_news && planned.articles.is_empty() => Ok(Err(reason)),
        _ => Ok(Ok(planned)),
    }
}

/// What earlier Issues left behind of what could go out now. Only that is asked for, so that an old Digest costs no more than a young one.
async fn past(store: &Store, digest: &Digest, library: &Library, now: Timestamp) -> Result<Past> {
    let Some(beginning) = store.beginning(&digest.id).await? else {
        let all: Vec<String> = library.all().iter().map(|article| article.id.0.clone()).collect();
        return Ok(Past { over: store.already_in(&digest.id, &all).await?, ..Past::default() });
    };
    let found: Vec<&Arc<Article>> = candidates(digest, library, now).filter(|article| is_after(beginning, article)).collect();
    let ids: Vec<String> = found.iter().map(|article| article.id.0.clone()).collect();
    let over = store.already_in(&digest.id, &ids).await?;
    let open = found.into_iter().filter(|article| !over.contains(&article.id.0));
    let wanted: Vec<String> = open.flat_map(|article| own_pages(article)).collect();
    let pages = store.pages_in(&digest.id, &wanted).await?;
    Ok(Past { over, pages, beginning: Some(beginning) })
}

/// Adds what was corrected since an Issue carried it, and no Issue has told.
async fn add_corrections(store: &Store, digest: &Digest, library: &Library, planned: &mut Planned, now: Timestamp) -> Result<()> {
    let corrected: Vec<(&Arc<Article>, Timestamp)> =
        library.live(now).filter_map(|article| Some((article, article.corrected.filter(|_| !article.mail.skip_email)?))).collect();
    let ids: Vec<String> = corrected.iter().map(|(article, _)| article.id.0.clone()).collect();
    let known = store.known_since(&digest.id, &ids).await?;
    let untold = corrected.into_iter().filter(|(article, at)| known.get(&article.id.0).is_some_and(|since| at > since));
    for (article, at) in untold.take(CORRECTIONS_MAX) {
        planned.remembered.corrections.push((article.id.0.clone(), at));
        planned.edition.corrections.push(Carried { age: 0, tags: article.tags.clone() });
        planned.corrected.push(article.clone());
    }
    Ok(())
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
    let ranking = Ranking::new(config, digest);
    found.sort_by_key(|(age, article)| (*age, ranking.place(article)));
    for (age, article) in found.into_iter().take(SHARE_MAX) {
        edition.articles.push(Carried { age, tags: article.tags.clone() });
        planned.articles.push(article.clone());
    }
    let mut told: HashSet<String> = planned.corrected.iter().map(|article| article.id.0.clone()).collect();
    for (id, made) in store.corrections_since(&digest.id, Timestamp(oldest.0 - 1)).await? {
        let (Some(article), Some(age)) = (by_id.get(id.as_str()), ages.get(&made)) else { continue };
        if told.insert(id) && told.len() <= SHARE_MAX {
            edition.corrections.push(Carried { age: *age, tags: article.tags.clone() });
            planned.corrected.push((*article).clone());
        }
    }
    edition.earlier = earlier;
    Ok(())
}

/// The topics readers of these Lists can choose among.
fn topics(config: &Config, lists: &[ListId]) -> BTreeMap<ListId, Vec<String>> {
    let lists = lists.iter().filter_map(|id| config.list(id)).filter(|list| !list.topics.is_empty());
    lists.map(|list| (list.id.clone(), list.topics.clone())).collect()
}
