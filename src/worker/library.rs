//! The Library: own Articles and imported ones, each page once.

use std::collections::HashSet;
use std::sync::Arc;

use super::Desk;
use crate::config::Config;
use crate::content;
use crate::digest::Planned;
use crate::import::{self, Importer};
use crate::model::{Article, Faults, Library, own_pages};
use crate::store::Store;
use tokio_util::sync::CancellationToken;

/// Reads content/ and what Sources brought.
pub async fn library(config: &Arc<Config>, store: &Store) -> anyhow::Result<(Library, Faults)> {
    let imported = import::articles(config, store).await?;
    let config = config.clone();
    let read = tokio::task::spawn_blocking(move || {
        let (own, faults) = content::load(&config);
        (merged(own, imported), faults)
    });
    Ok(read.await?)
}

/// Adds imported Articles to our own. A page is one Article: ours before that of a Source, and that of the Source which had it first.
fn merged(own: Library, imported: Vec<Article>) -> Library {
    if imported.is_empty() {
        return own;
    }
    let mut seen: HashSet<String> = own.all().iter().flat_map(|article| own_pages(article)).collect();
    // The store gives what came last first. Entries of one Source may share a page, when they have none of their own.
    let mut kept: Vec<Article> = Vec::with_capacity(imported.len());
    let mut of_source: HashSet<(String, String)> = HashSet::new();
    for article in imported.into_iter().rev() {
        let source = article.origin.as_ref().map(|origin| origin.source.clone()).unwrap_or_default();
        let is_known = |page: &String| seen.contains(page) && !of_source.contains(&(source.clone(), page.clone()));
        let pages = own_pages(&article);
        if pages.iter().any(is_known) {
            continue;
        }
        of_source.extend(pages.iter().map(|page| (source.clone(), page.clone())));
        seen.extend(pages);
        kept.push(article);
    }
    own.with(kept)
}

/// Makes imported Articles fit for mail: their HTML is that of web pages.
pub fn for_mail(planned: &mut Planned) {
    for article in planned.articles.iter_mut().filter(|article| article.origin.is_some()) {
        *article = Arc::new(import::for_mail(article));
    }
}

/// Asks Sources until told to stop.
pub async fn keep_fetching(desk: Desk, stop: CancellationToken) -> anyhow::Result<()> {
    let importer = Importer::new(&desk.config, desk.store.clone(), desk.fetch.clone(), desk.clock.clone());
    Ok(importer.run(stop).await?)
}
