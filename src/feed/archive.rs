//! The public archive: what each public List was sent. Its pages are files of the site; a search is answered from memory.
//!
//! A page carries what the Issue froze, in our own design and cleaned once more. Nothing of a reader is at hand here, so nothing of one can leak.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use tera::{Context, Tera, Value};
use url::Url;

use super::html;
use super::pages::{File, HTML, Head, LIST_LENGTH, Press, head, link, local, page, root_of};
use super::search::{Piece, Words};
use super::styles::Styles;
use super::text::{rfc3339, uri};
use crate::config::Config;
use crate::model::issue::FrozenArticle;
use crate::model::{Faults, IssueId, List, PastIssue, Site};
use crate::template;

/// The Issues of one public List, newest first.
pub(super) struct Volume {
    list: List,
    issues: Vec<Arc<PastIssue>>,
    /// Whether the page of an Issue is under this List first: one that went to several has its canonical address there.
    first: Vec<bool>,
}

/// A page that a sitemap names.
pub(super) struct Landmark {
    pub url: String,
    /// Of its last change.
    pub date: String,
}

/// A Volume as templates see it.
#[derive(Serialize)]
struct VolumeValue<'a> {
    name: &'a str,
    description: &'a str,
    /// From the site's root.
    path: String,
    subscribe: String,
    count: usize,
    newest: Option<IssueCard<'a>>,
}

/// An Issue in a list of Issues, and the head of its page.
#[derive(Serialize)]
struct IssueCard<'a> {
    title: &'a str,
    path: String,
    number: Option<u64>,
    /// When it went out, in the site's zone.
    date: String,
    language: &'a str,
    contents: Vec<&'a str>,
    minutes: u64,
    snippet: Vec<Piece>,
}

/// An Article on the page of an Issue.
#[derive(Serialize)]
struct ArticleValue<'a> {
    title: &'a str,
    summary: &'a str,
    href: String,
    authors: &'a [String],
    minutes: u64,
    language: &'a str,
    origin: Option<&'a str>,
}

/// The public Lists with what was sent to them, in the order of config.toml.
pub(super) fn volumes(config: &Config, past: &[Arc<PastIssue>]) -> Vec<Volume> {
    let public: Vec<&List> = config.lists.iter().filter(|list| list.public).collect();
    let volume = |list: &&List| {
        let issues: Vec<Arc<PastIssue>> = past.iter().filter(|issue| issue.lists.contains(&list.id)).cloned().collect();
        let is_first =
            |issue: &Arc<PastIssue>| public.iter().find(|one| issue.lists.contains(&one.id)).is_some_and(|one| one.id == list.id);
        let first = issues.iter().map(is_first).collect();
        Volume { list: (*list).clone(), issues, first }
    };
    public.iter().map(volume).collect()
}

/// The bodies of letters, cleaned, with classes in place of inline styles.
pub(super) fn letters(volumes: &[Volume], styles: &Styles) -> HashMap<IssueId, String> {
    let issues = volumes.iter().flat_map(|volume| &volume.issues);
    let body = |issue: &Arc<PastIssue>| {
        let article = issue.letter()?;
        let clean = html::for_feed(&article.html, Url::parse(&article.url).ok().as_ref());
        Some((issue.id, styles.as_classes(&clean).into_owned()))
    };
    issues.filter_map(body).collect()
}

impl Volume {
    fn path(&self) -> String {
        format!("archive/{}/", self.list.id)
    }

    fn value(&self, site: &Site) -> VolumeValue<'_> {
        VolumeValue {
            name: &self.list.name,
            description: &self.list.description,
            path: self.path(),
            subscribe: format!("subscribe/{}", self.list.id),
            count: self.issues.len(),
            newest: self.issues.first().map(|issue| self.card(site, issue, Vec::new())),
        }
    }

    fn card<'a>(&self, site: &Site, issue: &'a PastIssue, snippet: Vec<Piece>) -> IssueCard<'a> {
        IssueCard {
            title: &issue.subject,
            path: format!("{}{}/", self.path(), issue.id.0),
            number: issue.number,
            date: rfc3339(&issue.sent_at.in_zone(site.timezone).fixed_offset()),
            language: &issue.language,
            contents: issue.articles.iter().map(|article| article.title.as_str()).filter(|title| *title != issue.subject).collect(),
            minutes: issue.articles.iter().map(|article| article.minutes).sum(),
            snippet,
        }
    }
}

impl Press<'_> {
    /// Every page of the archive, and those that a sitemap names.
    pub(super) fn archive(&self, volumes: &[Volume]) -> Result<(Vec<File>, Vec<Landmark>), Faults> {
        let site = &self.config.site;
        let (mut files, mut named) = (vec![self.shelves(volumes)?], Vec::new());
        for volume in volumes {
            files.extend(self.issues(volume)?);
            for (at, issue) in volume.issues.iter().enumerate() {
                files.push(self.issue(volume, at)?);
                let card = volume.card(site, issue, Vec::new());
                named.extend(volume.first[at].then(|| Landmark { url: site.absolute(&card.path), date: card.date }));
            }
        }
        Ok((files, named))
    }

    /// `/archive/`: the public Lists.
    fn shelves(&self, volumes: &[Volume]) -> Result<File, Faults> {
        let path = "archive/index.html".to_owned();
        let site = &self.config.site;
        let mut context = Context::new();
        context.insert("page", &head(site, &template::say(&self.tera, "nav-archive", &site.language, &[]), &path));
        context.insert("lists", &volumes.iter().map(|volume| volume.value(site)).collect::<Vec<_>>());
        let html = self.render("web/archive.html", &context)?;
        Ok((path, page(HTML, html)))
    }

    /// The list of a Volume's Issues: `archive/weekly/`, `archive/weekly/page/2/` …
    fn issues(&self, volume: &Volume) -> Result<Vec<File>, Faults> {
        let folder = volume.path();
        let site = &self.config.site;
        let count = volume.issues.len().div_ceil(LIST_LENGTH).max(1);
        let numbered = |number: usize| if number == 1 { folder.clone() } else { format!("{folder}page/{number}/") };
        let one = |number: usize| {
            let path = format!("{}index.html", numbered(number));
            let shown = volume.issues.iter().skip((number - 1) * LIST_LENGTH).take(LIST_LENGTH);
            let mut context = Context::new();
            context.insert("page", &head(site, &volume.list.name, &path));
            context.insert("list", &volume.value(site));
            context.insert("issues", &shown.map(|issue| volume.card(site, issue, Vec::new())).collect::<Vec<_>>());
            context.insert("q", "");
            context.insert("found", &volume.issues.len());
            paged(&mut context, number, count, numbered);
            Ok((path, page(HTML, self.render("web/issues.html", &context)?)))
        };
        (1..=count).map(one).collect()
    }

    /// The page of one Issue.
    fn issue(&self, volume: &Volume, at: usize) -> Result<File, Faults> {
        let (site, issue) = (&self.config.site, &volume.issues[at]);
        let card = volume.card(site, issue, Vec::new());
        let path = format!("{}index.html", card.path);
        let root = root_of(&path);
        let first = volume.first[at].then(|| site.absolute(&card.path)).or_else(|| self.canonical(issue));
        let mut context = Context::new();
        let description = issue.articles.first().map_or("", |article| article.summary.as_str());
        let about = head(site, &issue.subject, &path);
        let canonical = first.unwrap_or_else(|| about.canonical.clone());
        context.insert("page", &Head { language: &issue.language, description, canonical, kind: "article", ..about });
        context.insert("list", &volume.value(site));
        context.insert("issue", &card);
        context.insert("articles", &issue.articles.iter().map(|article| self.article_value(issue, article, &root)).collect::<Vec<_>>());
        let body = self.letters.get(&issue.id).map(|html| Value::safe_string(&local(site, html, &root)));
        context.insert_value("html", body.unwrap_or_else(Value::none));
        let beside = |at: Option<usize>| at.and_then(|at| volume.issues.get(at)).map(|issue| volume.card(site, issue, Vec::new()));
        context.insert("newer", &beside(at.checked_sub(1)));
        context.insert("older", &beside(Some(at + 1)));
        Ok((path, page(HTML, self.render("web/issue.html", &context)?)))
    }

    /// The address of an Issue under the first public List it went to.
    fn canonical(&self, issue: &PastIssue) -> Option<String> {
        let first = self.config.lists.iter().find(|list| list.public && issue.lists.contains(&list.id))?;
        Some(self.config.site.absolute(&format!("archive/{}/{}/", first.id, issue.id.0)))
    }

    fn article_value<'v>(&self, issue: &'v PastIssue, article: &'v FrozenArticle, root: &str) -> ArticleValue<'v> {
        ArticleValue {
            title: &article.title,
            summary: &article.summary,
            href: href(&self.config.site, &article.url, root),
            authors: &article.authors,
            minutes: article.minutes,
            language: article.language.as_deref().unwrap_or(&issue.language),
            origin: article.origin.as_ref().map(|origin| origin.title.as_str()),
        }
    }
}

/// The address of an Article as a link: relative on this site, and never one that runs code.
fn href(site: &Site, url: &str, root: &str) -> String {
    match uri(url, None).filter(|url| url.starts_with("https://") || url.starts_with("http://")) {
        Some(url) => url.strip_prefix(site.url.as_str()).map_or(url.clone(), |path| format!("{root}{path}")),
        None => "#".to_owned(),
    }
}

/// Where a reader of a list in pages is; `at` gives the path of a page.
fn paged(context: &mut Context, number: usize, count: usize, at: impl Fn(usize) -> String) {
    context.insert("number", &number);
    context.insert("count", &count);
    context.insert("newer", &(number > 1).then(|| at(number - 1)));
    context.insert("older", &(number < count).then(|| at(number + 1)));
}

/// What searches are answered from.
#[derive(Default)]
pub struct Archive {
    tera: Tera,
    site: Option<Site>,
    volumes: Vec<Volume>,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Archive({} lists)", self.volumes.len())
    }
}

impl Archive {
    pub(super) fn new(tera: Tera, site: Site, volumes: Vec<Volume>) -> Self {
        Self { tera, site: Some(site), volumes }
    }

    /// The page with the Issues of a public List in which all words of `query` stand; nothing when there is no such List.
    pub fn search(&self, list: &str, query: &str, number: usize) -> Option<Result<String, Faults>> {
        let site = self.site.as_ref()?;
        let volume = self.volumes.iter().find(|volume| volume.list.id.as_str() == list)?;
        let words = Words::of(query);
        let found: Vec<&Arc<PastIssue>> = volume.issues.iter().filter(|issue| words.are_in(&issue.words)).collect();
        let count = found.len().div_ceil(LIST_LENGTH).max(1);
        let number = number.clamp(1, count);
        let shown = found.iter().skip((number - 1) * LIST_LENGTH).take(LIST_LENGTH);
        let cards: Vec<IssueCard<'_>> = shown.map(|issue| volume.card(site, issue, words.snippet(issue))).collect();
        let mut context = Context::new();
        context.insert("page", &head(site, &volume.list.name, &format!("{}index.html", volume.path())));
        context.insert("list", &volume.value(site));
        context.insert("issues", &cards);
        context.insert("q", words.query());
        context.insert("found", &found.len());
        let asked: String = url::form_urlencoded::byte_serialize(words.query().as_bytes()).collect();
        paged(&mut context, number, count, |page| format!("{}?q={asked}&page={page}", link(&volume.path())));
        Some(self.tera.render("web/issues.html", &context).map_err(|error| template::faults_of(&error)))
    }
}
