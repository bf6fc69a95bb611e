//! What Sources brought, as Articles. What several of them have is one Article, of the one that had it first.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Stored;
use crate::config::Config;
use crate::model::source::Source;
use crate::model::{Article, ArticleId};
use crate::store::imported::{ImportState, Imported, Sameness};
use crate::store::sources::SourceRow;
use crate::store::{Result, Store};

/// Entries that a Library holds at most, the last that came or changed: older ones were mailed long ago, and no feed reaches back so far.
const ENTRIES_MAX: usize = 10_000;
/// So many are read at once.
const ENTRIES_PAGE: u32 = 1_000;
/// To find those, so many times as many are looked at.
const LOOKED_AT: usize = 5;

/// One Article: the entry that came first, and those of other Sources that are the same.
struct Work<'a> {
    first: &'a Imported,
    others: Vec<&'a Imported>,
}

/// The Articles that the configured Sources brought, the last that came first.
pub async fn articles(config: &Config, store: &Store) -> Result<Vec<Article>> {
    if config.sources.is_empty() {
        return Ok(Vec::new());
    }
    let rows: HashMap<String, SourceRow> = store.sources().await?.into_iter().map(|row| (row.id.clone(), row)).collect();
    let sources: HashMap<&str, (&Source, &SourceRow)> =
        config.sources.iter().filter_map(|source| Some((source.id.as_str(), (source, rows.get(&source.id)?)))).collect();
    let mut entries = entries(store, sources.len().max(1)).await?;
    add_firsts(store, &mut entries).await?;
    Ok(works(&entries).into_iter().rev().filter_map(|work| work.article(&sources, config)).collect())
}

/// By number: all that is news, and of the rest as many of each Source as there is room for, the newest.
async fn entries(store: &Store, sources: usize) -> Result<BTreeMap<i64, Imported>> {
    let mut entries = BTreeMap::new();
    for is_news in [true, false] {
        let room = ENTRIES_MAX.saturating_sub(entries.len());
        // A Source that has just been added, with all its years, leaves the others their places.
        let share = if is_news { room } else { room.div_ceil(sources) };
        let (mut of_source, mut taken, mut looked_at): (HashMap<String, usize>, usize, usize) = Default::default();
        let mut before = None;
        while taken < room && looked_at < ENTRIES_MAX * LOOKED_AT {
            let page = store.imported(is_news, before, ENTRIES_PAGE).await?;
            let Some(last) = page.last() else { break };
            before = Some((last.changed_at, last.id));
            looked_at += page.len();
            for entry in page {
                let count = of_source.entry(entry.source.clone()).or_default();
                if *count < share && taken < room {
                    (*count, taken) = (*count + 1, taken + 1);
                    entries.insert(entry.id, entry);
                }
            }
        }
    }
    Ok(entries)
}

/// Adds what news is the same as and that is too old to be at hand. Where that was news itself it was mailed in its time, and is not mailed again.
async fn add_firsts(store: &Store, entries: &mut BTreeMap<i64, Imported>) -> Result<()> {
    let lone = without_first(entries);
    let keys = |key: fn(&Imported) -> &Option<String>| -> Vec<&str> { lone.iter().filter_map(|entry| key(entry).as_deref()).collect() };
    let pages = store.firsts(Sameness::Page, &keys(|entry| &entry.canonical)).await?;
    let texts = store.firsts(Sameness::Text, &keys(|entry| &entry.content)).await?;
    let first = |entry: &&Imported| {
        let by_page = entry.canonical.as_ref().and_then(|key| pages.get(key));
        by_page.or_else(|| texts.get(entry.content.as_ref()?)).copied()
    };
    let firsts: HashSet<i64> = lone.iter().filter_map(first).filter(|(_, is_news)| !is_news).map(|(id, _)| id).collect();
    let firsts: Vec<i64> = firsts.into_iter().collect();
    entries.extend(store.imported_by_number(&firsts).await?.into_iter().map(|first| (first.id, first)));
    Ok(())
}

/// News that is the same as what is not at hand.
fn without_first(entries: &BTreeMap<i64, Imported>) -> Vec<&Imported> {
    let kept = || entries.values().filter(|entry| entry.state == ImportState::Kept);
    let pages: HashSet<&str> = kept().filter_map(|entry| entry.canonical.as_deref()).collect();
    let texts: HashSet<&str> = kept().filter_map(|entry| entry.content.as_deref()).collect();
    let has_first = |entry: &Imported| {
        entry.canonical.as_deref().is_some_and(|page| pages.contains(page))
            || entry.content.as_deref().is_some_and(|text| texts.contains(text))
    };
    entries.values().filter(|entry| entry.state == ImportState::Merged && entry.is_news && !has_first(entry)).collect()
}

/// Puts together what is the same, by number. An entry that is the same as one that is not at hand is nothing by itself.
fn works(entries: &BTreeMap<i64, Imported>) -> Vec<Work<'_>> {
    let mut works: Vec<Work<'_>> = Vec::new();
    let (mut pages, mut texts): (HashMap<&str, usize>, HashMap<&str, usize>) = Default::default();
    let is_kept = |entry: &&Imported| entry.state == ImportState::Kept;
    for first in entries.values().filter(is_kept) {
        first.canonical.as_deref().map(|page| pages.entry(page).or_insert(works.len()));
        first.content.as_deref().map(|text| texts.entry(text).or_insert(works.len()));
        works.push(Work { first, others: Vec::new() });
    }
    for other in entries.values().filter(|entry| !is_kept(entry)) {
        let of = |known: &HashMap<&str, usize>, key: &Option<String>| key.as_deref().and_then(|key| known.get(key)).copied();
        if let Some(at) = of(&pages, &other.canonical).or_else(|| of(&texts, &other.content)) {
            works[at].others.push(other);
        }
    }
    works
}

impl Work<'_> {
    /// The Article, as its Source has it; where that is not configured any more, as the first of the others that is. It stays the same Article: its id and
    /// date are those of the first, so that it is not mailed again.
    fn article(&self, sources: &HashMap<&str, (&Source, &SourceRow)>, config: &Config) -> Option<Article> {
        let mut configured =
            std::iter::once(self.first).chain(self.others.iter().copied()).filter(|entry| sources.contains_key(entry.source.as_str()));
        let shown = configured.next()?;
        let (source, row) = sources.get(shown.source.as_str())?;
        let (Some(first), Some(stored)) = (Stored::read(&self.first.article), Stored::read(&shown.article)) else {
            tracing::error!(source = shown.source, entry = shown.id, "an imported article cannot be read");
            return None;
        };
        let id = ArticleId(format!("{}:{}", self.first.source, first.id));
        let kept = Imported { seen_at: self.first.seen_at, article: String::new(), ..shown.clone() };
        let mut article = stored.article(source, row, &kept, &config.site);
        article.id = id;
        let news = || std::iter::once(self.first).chain(self.others.iter().copied()).filter(|entry| entry.is_news);
        // What was there before us in one Source and is news of another is news.
        article.mail.skip_email = news().next().is_none();
        let others: Vec<&str> = configured.map(|entry| entry.source.as_str()).collect();
        for tag in others.iter().filter_map(|other| sources.get(other)).flat_map(|(source, _)| &source.tags) {
            if !article.tags.iter().any(|known| known.to_lowercase() == tag.to_lowercase()) {
                article.tags.push(tag.clone());
            }
        }
        if let Some(origin) = &mut article.origin {
            origin.also = others.into_iter().map(str::to_owned).collect();
            origin.seen_at = news().map(|entry| entry.seen_at).min().or(origin.seen_at);
        }
        Some(article)
    }
}
