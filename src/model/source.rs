//! Source: a foreign feed or page we import from.

use std::time::Duration;

use url::Url;

/// What stands at a Source's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SourceKind {
    /// Found out at the first fetch.
    #[default]
    Auto,
    /// A feed.
    Feed,
    /// A page that is itself the article.
    Page,
}

/// A `[[source]]` table.
#[derive(Debug, Clone)]
pub struct Source {
    /// Stable id.
    pub id: String,
    /// Its address.
    pub url: Url,
    /// Feed, page, or to be found out.
    pub kind: SourceKind,
    /// How often we ask at most.
    pub every: Duration,
    /// Tags its Articles get.
    pub tags: Vec<String>,
}
