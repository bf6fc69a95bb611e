//! Under which heading of a mail each Article stands.

use std::sync::Arc;

use super::choose::same;
use crate::model::digest::Sections;
use crate::model::issue::FrozenSection;
use crate::model::{Article, Digest};

/// The sections of an Issue with these Articles, in the order of the mail; none when the Digest has no headings. Each Article is in one of them.
pub(super) fn sections(digest: &Digest, articles: &[Arc<Article>]) -> Vec<FrozenSection> {
    match digest.sections {
        Sections::None => Vec::new(),
        Sections::Source => by_source(articles),
        Sections::Tag if digest.tags.is_empty() => by_frequent_tag(articles),
        Sections::Tag => by_tag(&digest.tags, articles),
    }
}

/// Our own come first and need no heading: the whole mail is headed by our name. Then the Sources in the order of their first Articles.
fn by_source(articles: &[Arc<Article>]) -> Vec<FrozenSection> {
    let own: Vec<String> = articles.iter().filter(|article| article.origin.is_none()).map(|article| article.id.0.clone()).collect();
    let mut sections = Vec::new();
    if !own.is_empty() {
        sections.push(FrozenSection { articles: own, ..FrozenSection::default() });
    }
    let mut places: Vec<(&str, usize)> = Vec::new();
    for article in articles {
        let Some(origin) = &article.origin else { continue };
        let known = places.iter().find(|(source, _)| *source == origin.source).map(|(_, place)| *place);
        let place = known.unwrap_or_else(|| {
            places.push((&origin.source, sections.len()));
            let title = if origin.title.is_empty() { &origin.source } else { &origin.title };
            sections.push(FrozenSection { title: Some(title.clone()), url: Some(origin.url.clone()), ..FrozenSection::default() });
            sections.len() - 1
        });
        sections[place].articles.push(article.id.0.clone());
    }
    sections
}

/// These tags in their order, each with the Articles that bear it and none before it; then the rest.
fn by_tag(tags: &[String], articles: &[Arc<Article>]) -> Vec<FrozenSection> {
    let mut left: Vec<&Arc<Article>> = articles.iter().collect();
    let mut sections = Vec::new();
    for tag in tags {
        let (with, without): (Vec<_>, Vec<_>) = left.into_iter().partition(|article| article.tags.iter().any(|other| same(tag, other)));
        left = without;
        if !with.is_empty() {
            sections.push(FrozenSection { title: Some(tag.clone()), ..section_of(&with) });
        }
    }
    if !left.is_empty() {
        sections.push(FrozenSection { rest: true, ..section_of(&left) });
    }
    sections
}

/// The tag most Articles bear comes first, with all of these; then what most of the others bear; and so on.
fn by_frequent_tag(articles: &[Arc<Article>]) -> Vec<FrozenSection> {
    let mut left: Vec<&Arc<Article>> = articles.iter().collect();
    let mut order = Vec::new();
    while let Some(tag) = most_frequent(&left) {
        left.retain(|article| !article.tags.iter().any(|other| same(&tag, other)));
        order.push(tag);
    }
    by_tag(&order, articles)
}

/// Of tags that are equally frequent, the one that comes first.
fn most_frequent(articles: &[&Arc<Article>]) -> Option<String> {
    let mut counts: Vec<(String, &str, usize)> = Vec::new();
    for article in articles {
        let mut folded: Vec<(String, &str)> = article.tags.iter().map(|tag| (tag.to_lowercase(), tag.as_str())).collect();
        folded.sort();
        folded.dedup_by(|a, b| a.0 == b.0);
        // In the order in which they are written.
        folded.sort_by_key(|(_, tag)| article.tags.iter().position(|other| other == tag));
        for (key, tag) in folded {
            match counts.iter_mut().find(|(known, ..)| *known == key) {
                Some((.., count)) => *count += 1,
                None => counts.push((key, tag, 1)),
            }
        }
    }
    let most = counts.iter().map(|(.., count)| *count).max()?;
    counts.into_iter().find(|(.., count)| *count == most).map(|(_, tag, _)| tag.to_owned())
}

fn section_of(articles: &[&Arc<Article>]) -> FrozenSection {
    FrozenSection { articles: articles.iter().map(|article| article.id.0.clone()).collect(), ..FrozenSection::default() }
}
