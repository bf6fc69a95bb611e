//! Library: all Articles known at one moment, newest first, without duplicates.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use super::article::{Article, ArticleState};
use super::time::Timestamp;

/// All Articles known at one moment. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Library {
    articles: Arc<Vec<Arc<Article>>>,
}

impl Library {
    /// Orders `articles` newest first and keeps the first of each id. Of equal dates our own come first, by id, then what Sources brought, the last that came
    /// first and as it stood in its document: feeds without dates, or with days alone, are mostly written so.
    pub fn new(articles: Vec<Article>) -> Self {
        Self::ordered(articles.into_iter().map(Arc::new).collect())
    }

    fn ordered(mut articles: Vec<Arc<Article>>) -> Self {
        let brought = |article: &Article| article.origin.as_ref().map(|origin| (Reverse(origin.seen_at), origin.number));
        let place = |article: &Article| (Reverse(article.published_at()), brought(article));
        articles.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| a.id.cmp(&b.id)));
        let mut seen = HashSet::with_capacity(articles.len());
        articles.retain(|article| seen.insert(article.id.clone()));
        Self { articles: Arc::new(articles) }
    }

    /// This Library and more Articles.
    pub fn with(self, more: Vec<Article>) -> Self {
        let mut all = Arc::unwrap_or_clone(self.articles);
        all.extend(more.into_iter().map(Arc::new));
        Self::ordered(all)
    }

    /// Every Article, drafts and all.
    pub fn all(&self) -> &[Arc<Article>] {
        &self.articles
    }

    /// What readers may see at `now`.
    pub fn live(&self, now: Timestamp) -> impl Iterator<Item = &Arc<Article>> {
        self.articles.iter().filter(move |article| article.state(now) == ArticleState::Live)
    }

    /// When, after `now`, one becomes visible, is said to be updated, or expires.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let moments = |article: &Arc<Article>| [article.published, article.updated, article.expires];
        self.articles.iter().flat_map(moments).flatten().map(|at| Timestamp::from_datetime(&at)).filter(|at| *at > now).min()
    }

    /// The Article a person means by `name`: its slug, its id, its path or its file.
    pub fn find(&self, name: &str) -> Option<&Arc<Article>> {
        let wanted = name.trim_matches('/');
        self.articles.iter().find(|article| {
            article.slug == wanted
                || article.id.0 == name
                || article.path.trim_matches('/') == wanted
                || (!article.file.as_os_str().is_empty() && article.file.ends_with(name))
        })
    }
}
