//! Choose Articles, freeze an Issue.
//!
//! Freezing reads everything an Issue will ever need and compiles it for each List, so that an Issue no reader could be
//! sent is refused before a row is written. Nothing here writes: the caller hands the draft to the store.

mod choose;
mod plan;
mod sections;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use choose::{Choice, Chosen, Past, choose};
pub use plan::{Planned, plan};

use crate::compose::{Compiled, ComposeError, Reader, Rendered};
use crate::config::Config;
use crate::model::edition::Carried;
use crate::model::issue::{FrozenArticle, FrozenCorrection, FrozenList, FrozenSite};
use crate::model::{
    Article, Digest, Edition, EmailAddress, Fault, Faults, Frozen, IssueId, ListId, Notice, Subscriber, SubscriberId, Timestamp,
};
use crate::store::carried::Remembered;
use crate::store::issues::NewIssue;
use crate::template;

/// The template of a letter.
const LETTER: &str = "letter";

/// The preheader of a Digest that names none: the titles, the first of which is often the subject too.
const TITLES: &str = "{% set titles %}{% for a in articles %}{% if not loop.first %} · {% endif %}{{ a.title }}{% endfor %}{% endset %}\
                      {{ titles | truncate(length=140, end=\"\") }}";

/// A frozen Issue that is not in the store yet.
#[derive(Debug)]
pub struct Draft {
    /// What the store will keep.
    pub new: NewIssue,
    /// The Issue compiled for each of its Lists.
    pub compiled: BTreeMap<ListId, Arc<Compiled>>,
    /// What a reader without a name sees, as a member of the first List.
    pub sample: Rendered,
    /// Things worth a look, such as why an Issue is rendered in full for every reader.
    pub lints: Faults,
}

/// What is common to every Issue made at one moment.
pub struct Press<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Template sources by name.
    pub templates: &'a BTreeMap<String, String>,
    /// The moment of freezing.
    pub now: Timestamp,
}

impl Press<'_> {
    /// Freezes an Issue of `digest` as it was planned; `number` is its number in the Digest.
    pub fn digest(&self, digest: &Digest, planned: &Planned, number: u64) -> Result<Draft, Faults> {
        let articles = &planned.articles;
        let fresh = planned.edition.fresh();
        let frozen = Frozen {
            name: digest.id.clone(),
            number,
            subject: digest.subject.clone(),
            preheader: digest.preheader.clone().unwrap_or_else(|| TITLES.to_owned()),
            template: digest.template.clone(),
            fresh: (fresh < articles.len()).then_some(fresh),
            sections: sections::sections(digest, articles),
            corrections: planned.corrected.iter().zip(&planned.edition.corrections).map(frozen_correction).collect(),
            ..self.blank(articles, &digest.lists)?
        };
        let placed = |faults| self.config.placed(&digest.id, faults);
        let mut draft = self.finish(frozen, Some(digest.id.clone()), &articles[..fresh], &digest.lists).map_err(placed)?;
        draft.lints = placed(draft.lints);
        draft.new.edition = planned.edition.clone();
        draft.new.remembered = planned.remembered.clone();
        draft.new.only = digest.only.as_ref().map(|only| only.at(self.now, self.config.site.timezone));
        Ok(draft)
    }

    /// Parses what can be parsed of a Digest without an Article: its templates, its subject and its preheader.
    pub fn parses(&self, digest: &Digest) -> Result<(), Faults> {
        let mut sources = self.blank(&[], &digest.lists)?.templates;
        sources.insert("subject".to_owned(), digest.subject.clone());
        sources.extend(digest.preheader.as_ref().map(|text| ("preheader".to_owned(), text.clone())));
        template::engine(&sources).map(drop).map_err(|faults| self.config.placed(&digest.id, faults))
    }

    /// Freezes one Article as a letter to `lists`.
    pub fn letter(&self, article: &Arc<Article>, lists: &[ListId]) -> Result<Draft, Faults> {
        let articles = std::slice::from_ref(article);
        let frozen = Frozen {
            name: article.slug.clone(),
            number: 1,
            subject: article.mail.subject.clone().unwrap_or_else(|| literal(&article.title)),
            preheader: article.mail.preheader.clone().unwrap_or_else(|| literal(&article.summary)),
            template: LETTER.to_owned(),
            ..self.blank(articles, lists)?
        };
        let mut draft = self.finish(frozen, None, articles, lists)?;
        draft.new.edition = plan::letter(self.config, article, lists);
        Ok(draft)
    }

    /// Freezes a notice to members of one List: the same for all who are told it on this day. It may tell of `articles`.
    /// The language is one there are texts in.
    pub fn notice(&self, notice: Notice, list: &ListId, language: Option<String>, articles: &[FrozenArticle]) -> Result<Draft, Faults> {
        let day = self.now.in_zone(self.config.site.timezone).date_naive();
        let frozen = Frozen {
            name: notice.word().to_owned(),
            number: 1,
            subject: format!("{{{{ t(key=\"{}-subject\", list=list.name) }}}}", notice.word()),
            preheader: "{{ list.description }}".to_owned(),
            template: notice.word().to_owned(),
            date: format!("{day}T00:00:00Z"),
            language,
            articles: articles.to_vec(),
            ..self.blank(&[], std::slice::from_ref(list))?
        };
        self.finish(frozen, None, &[], std::slice::from_ref(list))
    }

    /// The parts of an Issue that do not depend on what kind it is.
    fn blank(&self, articles: &[Arc<Article>], lists: &[ListId]) -> Result<Frozen, Faults> {
        let site = &self.config.site;
        let mut frozen_lists = BTreeMap::new();
        for id in lists {
            let list = self.config.list(id).ok_or_else(|| unknown_list(self.config, id))?;
            let kept = FrozenList {
                name: list.name.clone(),
                description: list.description.clone(),
                from: list.from.clone(),
                reply_to: list.reply_to.clone(),
            };
            frozen_lists.insert(id.clone(), kept);
        }
        Ok(Frozen {
            name: String::new(),
            number: 0,
            subject: String::new(),
            preheader: String::new(),
            template: String::new(),
            templates: self
                .templates
                .iter()
                .filter(|(name, _)| name.starts_with("email/") || name.starts_with("locales/"))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
            articles: articles.iter().map(|article| frozen_article(article)).collect(),
            lists: frozen_lists,
            site: FrozenSite {
                title: site.title.clone(),
                url: site.url.to_string(),
                description: site.description.clone(),
                language: site.language.clone(),
                timezone: site.timezone.name().to_owned(),
                postal_address: site.postal_address.clone(),
                icon: site.icon.clone(),
            },
            date: self.now.in_zone(site.timezone).to_rfc3339_opts(chrono::SecondsFormat::Secs, false),
            fresh: None,
            sections: Vec::new(),
            corrections: Vec::new(),
            language: None,
            test: false,
        })
    }

    /// Compiles the Issue for each List and renders the sample.
    fn finish(&self, frozen: Frozen, digest: Option<String>, articles: &[Arc<Article>], lists: &[ListId]) -> Result<Draft, Faults> {
        let first = lists.first().ok_or_else(|| Fault::error("no-list", "an issue needs a list to go to"))?;
        let mut lints = Faults::default();
        let mut compiled = BTreeMap::new();
        for list in lists {
            let one = Compiled::new(&frozen, list)?;
            if list == first {
                lints.0.extend(one.lints().0.iter().cloned());
            }
            compiled.insert(list.clone(), Arc::new(one));
        }
        let (one, reader) = (&compiled[first], sample_reader(&frozen, None));
        let broken = |error: ComposeError| one.fault_for(&reader).unwrap_or_else(|| Fault::error("template", error.to_string()));
        let sample = one.render(&reader).map_err(broken)?;
        let new = NewIssue {
            digest,
            subject: sample.subject.clone(),
            articles: articles.iter().map(|article| article.id.0.clone()).collect(),
            lists: lists.to_vec(),
            scheduled_at: None,
            hold: None,
            only: None,
            edition: Edition::default(),
            local: None,
            remembered: Remembered::default(),
            frozen,
        };
        Ok(Draft { new, compiled, sample, lints })
    }
}

/// Compiles a frozen Issue anew as a test of itself: the subject and the body are marked.
pub fn as_test(frozen: &Frozen, list: &ListId) -> Result<Arc<Compiled>, Faults> {
    let marked = Frozen { test: true, ..frozen.clone() };
    Compiled::new(&marked, list).map(Arc::new)
}

/// A reader who is nobody: for previews, subjects in lists of Issues and tests. The links lead nowhere.
pub fn sample_reader(frozen: &Frozen, person: Option<Subscriber>) -> Reader {
    let subscriber = person.unwrap_or_else(nobody);
    let link = |path: &str| format!("{}{path}/preview", frozen.site.url);
    Reader {
        message_id: format!("preview.{}@example.com", frozen.number),
        unsubscribe_url: link("unsubscribe"),
        unsubscribe_address: None,
        preferences_url: link("preferences"),
        view_url: link("view"),
        confirm_url: link("confirm"),
        subscriber,
    }
}

/// Someone without a name at example.com.
fn nobody() -> Subscriber {
    let email = EmailAddress::parse("reader@example.com").unwrap_or_else(|_| unreachable!("a valid address"));
    Subscriber {
        id: SubscriberId(0),
        email,
        name: None,
        attributes: serde_json::Map::new(),
        language: None,
        timezone: None,
        created_at: Timestamp::default(),
    }
}

/// The Issue of a test or preview, which is in no store.
pub const NO_ISSUE: IssueId = IssueId(0);

fn frozen_article(article: &Article) -> FrozenArticle {
    FrozenArticle {
        id: article.id.0.clone(),
        title: article.title.clone(),
        url: article.url.clone(),
        summary: article.summary.clone(),
        html: article.html.clone(),
        text: article.text.clone(),
        published: article.published.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, false)),
        authors: article.authors.clone(),
        tags: article.tags.clone(),
        language: article.language.clone(),
        image: article.image.clone(),
        origin: article.origin.clone(),
        minutes: article.minutes() as u64,
    }
}

fn frozen_correction((article, told): (&Arc<Article>, &Carried)) -> FrozenCorrection {
    FrozenCorrection {
        id: article.id.0.clone(),
        title: article.title.clone(),
        url: article.url.clone(),
        language: article.language.clone(),
        origin: article.origin.clone(),
        is_new: told.age == 0,
    }
}

/// Text as the source of a template that renders to it: a title with `{{` in it is a title.
fn literal(text: &str) -> String {
    if text.contains("{{") || text.contains("{%") || text.contains("{#") {
        // The one text that could end the raw block is not kept to the letter.
        format!("{{% raw %}}{}{{% endraw %}}", text.replace("endraw", "end-raw"))
    } else {
        text.to_owned()
    }
}

fn unknown_list(config: &Config, id: &ListId) -> Fault {
    let known: Vec<&str> = config.lists.iter().map(|list| list.id.as_str()).collect();
    Fault::error("unknown-list", format!("there is no list `{id}`")).hint(format!("lists in config.toml: {}", known.join(", ")))
}
