//! A digest of three sources and own articles, made by hand, over a store of its own.

use std::path::PathBuf;

use postrider::config::Config;
use postrider::digest::{Choice, Past, Planned, Press, choose, plan};
use postrider::model::article::{MailOptions, Origin};
use postrider::model::{Article, ArticleId, Digest, IssueId, Library, Timestamp};
use postrider::store::Store;
use postrider::store::issues::NewIssue;
use postrider::template;
use tempfile::TempDir;

use crate::support::store::Place;

/// Microseconds in a day.
pub const DAY: i64 = 86_400_000_000;

/// Noon of day `n` of December 2026; before it when `n` is less than 1.
pub fn day(n: i64) -> Timestamp {
    Timestamp(super::now().0 + (n - 1) * DAY)
}

/// An own article.
pub fn own(name: &str, n: i64) -> Article {
    Article {
        id: ArticleId(format!("{name}.md")),
        slug: name.to_owned(),
        title: format!("About {name}"),
        path: format!("/{name}/"),
        url: format!("https://letter.example.com/{name}/"),
        canonical_url: None,
        origin: None,
        summary: format!("What {name} is."),
        html: format!("<p>{name}</p>"),
        text: name.to_owned(),
        published: Some(day(n).utc().fixed_offset()),
        updated: None,
        expires: None,
        corrected: None,
        draft: false,
        authors: vec!["Ann".to_owned()],
        tags: Vec::new(),
        language: None,
        image: None,
        attachments: Vec::new(),
        aliases: Vec::new(),
        assets: Vec::new(),
        mail: MailOptions::default(),
        file: PathBuf::new(),
        words: 440,
    }
}

/// An article of a source: `crane`, `lamp` or `pilot`.
pub fn of(source: &str, name: &str, n: i64) -> Article {
    let home = format!("https://{source}.example.org/");
    Article {
        id: ArticleId(format!("{source}/{name}")),
        path: String::new(),
        url: format!("{home}{name}"),
        origin: Some(Origin {
            source: source.to_owned(),
            title: format!("The {source}"),
            url: home,
            feed: None,
            also: Vec::new(),
            seen_at: None,
            number: 0,
        }),
        ..own(name, n)
    }
}

/// With tags.
pub fn tagged(article: Article, tags: &[&str]) -> Article {
    Article { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..article }
}

/// A configuration whose digest has these keys; `lamp` weighs 5, `crane` and `pilot` 1.
pub fn config(keys: &str) -> (TempDir, Config) {
    let source = |id: &str, more: &str| format!("[[source]]\nid = \"{id}\"\nurl = \"https://{id}.example.org/feed.xml\"\n{more}\n");
    let sources = [source("crane", ""), source("lamp", "weight = 5"), source("pilot", "")].concat();
    let (dir, config, _) = super::publication(&format!("{keys}\n{sources}"), &[]);
    (dir, config)
}

/// The names of the articles the first issue would carry, or the reason.
pub fn first(config: &Config, articles: Vec<Article>) -> Vec<String> {
    match choose(config, &config.digests[0], &Library::new(articles), &Past::default(), super::now()) {
        Choice::Articles(chosen) => chosen.articles.iter().map(|article| article.slug.clone()).collect(),
        Choice::Nothing(reason) => vec![format!("nothing: {reason}")],
    }
}

/// A digest with a past.
pub struct Room {
    pub config: Config,
    pub store: Store,
    pub library: Vec<Article>,
    /// What time it is.
    pub now: Timestamp,
    /// An issue of nothing, to make others of without rendering each.
    blank: NewIssue,
    _place: Place,
    _dir: TempDir,
}

impl Room {
    pub async fn new(keys: &str) -> Self {
        let (dir, config) = config(keys);
        let place = Place::new();
        let store = place.open(day(1)).await;
        let planned = Planned::of(&config, vec![std::sync::Arc::new(own("blank", 1))], &config.digests[0].lists);
        let templates = template::load(&config.templates_dir).unwrap();
        let press = Press { config: &config, templates: &templates, now: day(1) };
        let blank = press.digest(&config.digests[0], &planned, 1).unwrap().new;
        Self { config, store, library: Vec::new(), now: day(1), blank, _place: place, _dir: dir }
    }

    pub fn digest(&self) -> &Digest {
        &self.config.digests[0]
    }

    pub fn library(&self) -> Library {
        Library::new(self.library.clone())
    }

    /// What the next issue would hold, or why there is none.
    pub async fn plan(&self) -> Result<Planned, String> {
        plan(&self.config, &self.store, self.digest(), &self.library(), self.now, self.now).await.unwrap()
    }

    /// Makes the next issue and lets a day pass: the names of its new articles, or the reason why there is none.
    pub async fn next(&mut self) -> Result<Vec<String>, String> {
        let planned = self.plan().await;
        let made = match planned {
            Ok(planned) => {
                self.make(&planned).await;
                Ok(planned.articles[..planned.edition.fresh()].iter().map(|article| article.slug.clone()).collect())
            }
            Err(reason) => Err(reason),
        };
        self.now = Timestamp(self.now.0 + DAY);
        made
    }

    /// Keeps an issue as it was planned.
    pub async fn make(&self, planned: &Planned) -> IssueId {
        let number = self.store.next_number(Some(&self.digest().id)).await.unwrap();
        self.make_as(planned, number).await.unwrap()
    }

    /// The same under this number.
    pub async fn make_as(&self, planned: &Planned, number: u64) -> postrider::store::Result<IssueId> {
        let mut new = self.blank.clone();
        new.digest = Some(self.digest().id.clone());
        new.frozen.number = number;
        new.articles = planned.articles[..planned.edition.fresh()].iter().map(|article| article.id.0.clone()).collect();
        new.edition = planned.edition.clone();
        new.remembered = planned.remembered.clone();
        self.store.create_issue(&new, self.now).await
    }
}

/// What `next` gives for an issue.
pub fn names(names: &[&str]) -> Result<Vec<String>, String> {
    Ok(names.iter().map(|name| (*name).to_owned()).collect())
}
