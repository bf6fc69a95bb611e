//! The archive for people: a page per Article, lists, the overview of feeds, redirects. Links among pages are relative, so the
//! site works under any address and in a preview; canonical addresses are absolute.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;
use tera::{Context, Tera, Value};

use super::archive::{self, Landmark, Volume};
use super::entry::Entry;
use super::styles::Styles;
use super::text::{encode, escape, rfc3339};
use super::topics::{self, Kind, Topic};
use super::{Body, Page};
use crate::config::Config;
use crate::model::{Fault, Faults, IssueId, Site};
use crate::template;

/// Articles on one page of a list.
pub(super) const LIST_LENGTH: usize = 50;
pub(super) const HTML: &str = "text/html; charset=utf-8";

/// The stylesheet, compiled in.
const STYLESHEET: &str = include_str!("../../assets/site.css");

/// A file of the site: its path from the root, and the file.
pub(super) type File = (String, Page);

/// One feed document as pages link to it.
#[derive(Serialize, Clone)]
pub(super) struct Alternate {
    pub title: String,
    /// `RSS`, `Atom` or `JSON`.
    pub label: &'static str,
    pub media_type: &'static str,
    /// From the site's root.
    pub path: String,
}

/// What a template knows about the page itself.
#[derive(Serialize)]
pub(super) struct Head<'a> {
    pub title: &'a str,
    pub description: &'a str,
    pub language: &'a str,
    /// Absolute.
    pub canonical: String,
    /// `../` as often as the page lies deep: what every link within the site starts with.
    pub root: String,
    /// `article` or `website`, for OpenGraph.
    pub kind: &'static str,
    pub image: Option<&'a str>,
    pub image_alt: &'a str,
}

/// An entry of a list, and the head of an Article.
#[derive(Serialize)]
struct Card<'a> {
    title: &'a str,
    summary: &'a str,
    /// From the site's root; of a foreign Article nothing, it lives at `url`.
    path: Option<String>,
    url: &'a str,
    published: Option<String>,
    updated: Option<String>,
    authors: Vec<TopicLink<'a>>,
    tags: Vec<TopicLink<'a>>,
    minutes: usize,
    language: &'a str,
    origin: Option<OriginLink<'a>>,
}

#[derive(Serialize)]
struct TopicLink<'a> {
    name: &'a str,
    path: String,
}

#[derive(Serialize)]
struct OriginLink<'a> {
    title: &'a str,
    url: &'a str,
}

/// Everything pages are rendered with.
pub(super) struct Press<'a> {
    pub config: &'a Config,
    pub tera: Tera,
    entries: &'a [Entry],
    cards: Vec<Value>,
    /// The bodies of the entries, with classes in place of inline styles.
    bodies: Vec<Cow<'a, str>>,
    /// The bodies of letters in the archive, likewise.
    pub letters: HashMap<IssueId, String>,
    /// Where the stylesheet is, and what it says.
    stylesheet: (String, String),
}

impl<'a> Press<'a> {
    /// Loads the templates. Without `volumes` the site has no archive, and no service behind it: it is files.
    pub fn new(config: &'a Config, entries: &'a [Entry], alternates: &[Alternate], volumes: Option<&[Volume]>) -> Result<Self, Faults> {
        let mut tera = template::engine(&template::load(&config.templates_dir)?)?;
        let styles = Styles::default();
        let bodies = entries.par_iter().map(|entry| styles.as_classes(&entry.article.html)).collect();
        let letters = archive::letters(volumes.unwrap_or_default(), &styles);
        let rules = format!("{STYLESHEET}{}", styles.rules());
        let stylesheet = format!("assets/site-{}.css", super::text::hash(&rules));
        let site = &config.site;
        let shared = tera.global_context();
        shared.insert("stylesheet", &stylesheet);
        shared.insert("feeds", alternates);
        shared.insert("language", &site.language);
        shared.insert("archive", &volumes.is_some_and(|volumes| !volumes.is_empty()));
        let joins = config.lists.iter().any(|list| list.public);
        shared.insert("subscribe", &joins.then(|| if volumes.is_some() { "" } else { site.url.as_str() }));
        shared.insert(
            "site",
            &serde_json::json!({
                "title": site.title, "description": site.description, "url": site.url.as_str(), "language": site.language,
                "author": site.author, "icon": site.icon, "timezone": site.timezone.name(),
            }),
        );
        let cards = entries.par_iter().map(|entry| Value::from_serializable(&card(config, entry))).collect();
        Ok(Self { config, tera, entries, cards, bodies, letters, stylesheet: (stylesheet, rules) })
    }

    /// Every page and every file beside them.
    pub fn files(&self, topics: &[Topic], volumes: &[Volume]) -> Result<Vec<File>, Faults> {
        // First, so that what an author put at the same path stands.
        let (mut files, issues) = if volumes.is_empty() { Default::default() } else { self.archive(volumes)? };
        files.extend(self.articles()?);
        let all: Vec<usize> = (0..self.entries.len()).collect();
        files.extend(self.list("", None, &all)?);
        let lists: Result<Vec<Vec<File>>, Faults> =
            topics.par_iter().map(|topic| self.list(&topic.folder, Some(topic), &topic.members)).collect();
        files.extend(lists?.into_iter().flatten());
        files.push(self.overview(topics)?);
        files.push((self.stylesheet.0.clone(), page("text/css; charset=utf-8", self.stylesheet.1.clone())));
        files.push(("sitemap.xml".to_owned(), page("application/xml; charset=utf-8", self.sitemap(&issues))));
        Ok(files)
    }

    fn articles(&self) -> Result<Vec<File>, Faults> {
        let own = self.entries.par_iter().enumerate().filter(|(_, entry)| !entry.article.path.is_empty());
        let pages: Result<Vec<Vec<File>>, Faults> = own.map(|(i, _)| self.article(i)).collect();
        Ok(pages?.into_iter().flatten().collect())
    }

    /// An Article's page with its files.
    fn article(&self, at: usize) -> Result<Vec<File>, Faults> {
        let entry = &self.entries[at];
        let article = &entry.article;
        let path = file_of(&article.path);
        let root = root_of(&path);
        let head = Head {
            title: &entry.title,
            description: &entry.summary,
            language: article.language.as_deref().unwrap_or(&self.config.site.language),
            canonical: article.canonical_url.clone().unwrap_or_else(|| entry.url.clone()),
            kind: "article",
            image: article.image.as_ref().map(|image| image.url.as_str()),
            image_alt: article.image.as_ref().map_or("", |image| image.alt.as_str()),
            root: root.clone(),
        };
        let own = |at: Option<usize>| at.and_then(|at| self.cards.get(at)).cloned();
        let mut context = Context::new();
        context.insert("page", &head);
        context.insert_value("article", self.cards[at].clone());
        context.insert_value("html", Value::safe_string(&local(&self.config.site, &self.bodies[at], &root)));
        context.insert("newer", &own(at.checked_sub(1)));
        context.insert("older", &own(Some(at + 1)));
        let mut files = vec![(path, page(HTML, self.render("web/article.html", &context)?))];
        let assets = article.assets.iter().map(|asset| (relative(&asset.path), copy(&asset.file)));
        files.extend(assets.filter_map(|(path, page)| Some((path?, page))));
        Ok(files)
    }

    /// The pages of a list in `folder`: `index.html`, `page/2/index.html` …
    fn list(&self, folder: &str, topic: Option<&Topic>, indexes: &[usize]) -> Result<Vec<File>, Faults> {
        let count = indexes.len().div_ceil(LIST_LENGTH).max(1);
        let numbered = |number: usize| if number == 1 { folder.to_owned() } else { format!("{folder}page/{number}/") };
        let one = |number: usize| {
            let path = format!("{}index.html", numbered(number));
            let cards: Vec<Value> =
                indexes.iter().skip((number - 1) * LIST_LENGTH).take(LIST_LENGTH).map(|&i| self.cards[i].clone()).collect();
            let mut context = Context::new();
            context.insert("page", &head(&self.config.site, topic.map_or("", |topic| &topic.name), &path));
            context.insert("topic", &topic.map(topic_value));
            context.insert("articles", &cards);
            context.insert("number", &number);
            context.insert("count", &count);
            context.insert("newer", &(number > 1).then(|| numbered(number - 1)).map(|path| link(&path)));
            context.insert("older", &(number < count).then(|| numbered(number + 1)).map(|path| link(&path)));
            Ok((path, page(HTML, self.render("web/list.html", &context)?)))
        };
        (1..=count).into_par_iter().map(one).collect()
    }

    /// `/feeds/`: every feed for people, in place of XSLT.
    fn overview(&self, topics: &[Topic]) -> Result<File, Faults> {
        let path = "feeds/index.html".to_owned();
        let of = |kind: Kind| topics.iter().filter(|topic| topic.kind == kind).map(topic_value).collect::<Vec<_>>();
        let mut context = Context::new();
        let site = &self.config.site;
        context.insert("page", &head(site, &template::say(&self.tera, "nav-feeds", &site.language, &[]), &path));
        context.insert("tags", &of(Kind::Tag));
        context.insert("authors", &of(Kind::Author));
        let html = self.render("web/feeds.html", &context)?;
        Ok((path, page(HTML, html)))
    }

    /// A page at every old path, leading to the Article.
    pub fn redirects(&self) -> Result<Vec<File>, Faults> {
        let own = self.entries.iter().filter(|entry| !entry.article.path.is_empty());
        let old = own.flat_map(|entry| entry.article.aliases.iter().map(move |alias| (alias, entry)));
        let named = old.filter(|(alias, _)| relative(alias).is_some_and(|path| !path.is_empty()));
        named.map(|(alias, entry)| self.redirect(&file_of(alias), entry)).collect()
    }

    fn redirect(&self, path: &str, entry: &Entry) -> Result<File, Faults> {
        let mut context = Context::new();
        context.insert("page", &Head { canonical: entry.url.clone(), ..head(&self.config.site, &entry.title, path) });
        context.insert("target", &link(&relative(&entry.article.path).unwrap_or_default()));
        let html = self.render("web/redirect.html", &context)?;
        Ok((path.to_owned(), page(HTML, html)))
    }

    fn sitemap(&self, issues: &[Landmark]) -> String {
        let mut xml =
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n".to_owned();
        for entry in self.entries.iter().filter(|entry| !entry.article.path.is_empty()) {
            xml.push_str(&format!("<url><loc>{}</loc><lastmod>{}</lastmod></url>\n", escape(&entry.url), rfc3339(&entry.changed)));
        }
        for issue in issues {
            xml.push_str(&format!("<url><loc>{}</loc><lastmod>{}</lastmod></url>\n", escape(&issue.url), issue.date));
        }
        xml + "</urlset>\n"
    }

    /// Without the output limit of mails: an Article may be long.
    pub fn render(&self, name: &str, context: &Context) -> Result<String, Faults> {
        self.tera.render(name, context).map_err(|error| template::faults_of(&error))
    }
}

/// What a page of the site says of itself, unless it knows better.
pub(super) fn head<'h>(site: &'h Site, title: &'h str, path: &str) -> Head<'h> {
    Head {
        title,
        description: &site.description,
        language: &site.language,
        canonical: site.absolute(&link(path.trim_end_matches("index.html"))),
        root: root_of(path),
        kind: "website",
        image: site.icon.as_deref(),
        image_alt: "",
    }
}

/// Addresses within the site, made relative: so a preview shows its own pictures, not those of the published site.
pub(super) fn local(site: &Site, html: &str, root: &str) -> String {
    let site = escape(site.url.as_str());
    html.replace(&format!("href=\"{site}"), &format!("href=\"{root}")).replace(&format!("src=\"{site}"), &format!("src=\"{root}"))
}

fn card<'a>(config: &'a Config, entry: &'a Entry) -> Card<'a> {
    let article = &entry.article;
    let links =
        |kind: Kind, names: &'a [String]| names.iter().map(|name| TopicLink { name, path: link(&topics::folder(kind, name)) }).collect();
    Card {
        title: &entry.title,
        summary: &entry.summary,
        path: relative(&article.path).filter(|path| !path.is_empty()).map(|path| link(&path)),
        url: &entry.url,
        published: entry.published.as_ref().map(rfc3339),
        updated: entry.published.filter(|at| at.date_naive() < entry.changed.date_naive()).map(|_| rfc3339(&entry.changed)),
        authors: links(Kind::Author, &entry.authors),
        tags: links(Kind::Tag, &entry.tags),
        minutes: article.minutes(),
        language: article.language.as_deref().unwrap_or(&config.site.language),
        origin: entry.origin.as_ref().map(|origin| OriginLink { title: &origin.title, url: &origin.url }),
    }
}

fn topic_value(topic: &Topic) -> serde_json::Value {
    let kind = if topic.kind == Kind::Tag { "tag" } else { "author" };
    serde_json::json!({ "name": topic.name, "kind": kind, "path": link(&topic.folder), "count": topic.members.len() })
}

/// A path as the part of a link behind `root`.
pub(super) fn link(path: &str) -> String {
    encode(path, "/")
}

/// `hello/index.html` of `/hello/`.
pub(super) fn file_of(path: &str) -> String {
    let path = relative(path).unwrap_or_default();
    let is_file = path.rsplit('/').next().is_some_and(|last| last.contains('.'));
    if is_file || path.is_empty() || path.ends_with('/') {
        if is_file { path } else { format!("{path}index.html") }
    } else {
        format!("{path}/index.html")
    }
}

/// A path without its first slash; nothing when it would leave the site's folder.
pub(super) fn relative(path: &str) -> Option<String> {
    let path = path.trim_start_matches('/');
    let leaves = path.split('/').any(|part| part == ".." || part == ".") || path.contains(['\\', '\0']) || path.contains("//");
    (!leaves).then(|| path.to_owned())
}

/// The way from the page at `path` to the site's root.
pub(super) fn root_of(path: &str) -> String {
    match path.matches('/').count() {
        0 => "./".to_owned(),
        depth => "../".repeat(depth),
    }
}

pub(super) fn page(content_type: &'static str, text: String) -> Page {
    Page { content_type, body: Body::Bytes(text.into()), feed: None }
}

fn copy(file: &Path) -> Page {
    let name = file.to_string_lossy();
    Page { content_type: content_type(&name), body: Body::File(file.to_owned()), feed: None }
}

/// By its name; a type nobody knows is only offered for download.
fn content_type(name: &str) -> &'static str {
    if let Some(picture) = super::entry::media_type(name) {
        return picture;
    }
    match name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "css" => "text/css; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "html" | "htm" => HTML,
        "json" => "application/json",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "pdf" => "application/pdf",
        "txt" => "text/plain; charset=utf-8",
        "webm" => "video/webm",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

/// A fault of the site as a whole: two Articles at one path.
pub(super) fn taken(path: &str, first: &Entry, second: &Entry) -> Fault {
    let message = format!("\"{}\" and \"{}\" would both be published at /{path}", first.title, second.title);
    Fault::error("path-taken", message).in_file(&second.article.file).hint("give one of them another `slug`")
}
