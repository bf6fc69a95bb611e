//! Front matter → the fields of an Article. Zola's and Hugo's names are understood; ours stand in the `[postrider]` table alone.

use std::ops::Range;
use std::path::PathBuf;

use crate::config::Config;
use crate::model::article::MailOptions;
use crate::model::{Article, ArticleId, Fault, ListId, Timestamp};

use super::dates;
use super::fields::{Fields, nearest};
use super::files::Source;
use super::front;
use super::paths::{self, FromPath};
use super::value::{Node, Value};

/// The keys of the `[postrider]` table.
const OWN_KEYS: [&str; 6] = ["lists", "subject", "preheader", "skip_email", "skip_feed", "send_at"];

/// An article whose body is not rendered yet.
#[derive(Debug)]
pub struct Draft {
    /// Where it was found.
    pub source: Source,
    /// The whole file.
    pub text: String,
    /// Byte at which the body begins.
    pub body: usize,
    /// What the front matter says; html, text and words are still empty.
    pub article: Article,
    /// The lead picture as written, with its place.
    pub image: Option<(String, Range<usize>)>,
}

/// Reads the front matter of `text`. No draft when it cannot become an article.
pub fn read(source: &Source, text: String, config: &Config) -> (Option<Draft>, Vec<Fault>) {
    let front = match front::split(&source.file, &text) {
        Ok(front) => front,
        Err(fault) => return (None, vec![fault]),
    };
    let mut fields = Fields { file: &source.file, text: &text, zone: config.site.timezone, faults: Vec::new() };
    let article = article(&mut fields, &front.root, source, config);
    let image = image(&mut fields, &front.root);
    let faults = fields.faults;
    if faults.iter().any(|fault| fault.severity == crate::model::Severity::Error) {
        return (None, faults);
    }
    let draft = article.map(|article| Draft { source: source.clone(), body: front.body, article, image, text });
    (draft, faults)
}

/// The first of several names of one field that is there.
fn first<'a>(root: &'a Node, names: &[&'static str]) -> (&'static str, Option<&'a Node>) {
    let found = names.iter().find_map(|name| Some((*name, root.get(name).filter(|node| node.value != Value::Null)?)));
    found.map_or((names[0], None), |(name, node)| (name, Some(node)))
}

fn article(fields: &mut Fields<'_>, root: &Node, source: &Source, config: &Config) -> Option<Article> {
    let from = paths::parse(&source.relative, source.bundle);
    let title = title(fields, root);
    let slug = slug(fields, root, &from);
    let path = paths::page(&from.section, &slug);
    let mail = mail(fields, root, config);
    let published = published(fields, root, &from, &mail);
    let (key, updated) = first(root, &["updated", "lastmod"]);
    let updated = fields.date(key, updated);
    let (key, summary) = first(root, &["description", "summary"]);
    let summary = fields.text(key, summary).unwrap_or_default();
    let (key, language) = first(root, &["language", "lang"]);
    let language = fields.text(key, language).filter(|language| *language != config.site.language);
    Some(Article {
        id: ArticleId(from.id),
        slug,
        title: title?,
        url: config.site.url.join(path.trim_start_matches('/')).map_or_else(|_| config.site.absolute(&path), String::from),
        path,
        canonical_url: fields.text("canonical_url", root.get("canonical_url")),
        origin: None,
        summary,
        html: String::new(),
        text: String::new(),
        published,
        updated,
        expires: fields.date("expiryDate", root.get("expiryDate")),
        corrected: None,
        draft: fields.flag("draft", root.get("draft")),
        authors: authors(fields, root, config),
        tags: tags(fields, root),
        language,
        image: None,
        attachments: Vec::new(),
        aliases: fields.texts("aliases", root.get("aliases")),
        assets: Vec::new(),
        mail,
        file: source.file.clone(),
        words: 0,
    })
}

fn title(fields: &mut Fields<'_>, root: &Node) -> Option<String> {
    let node = root.get("title");
    let before = fields.faults.len();
    let title = fields.text("title", node);
    if title.is_none() && fields.faults.len() == before {
        let span = node.map_or(root.span.start..root.span.start + 1, |node| node.span.clone());
        fields.error("title-missing", "the article has no title", &span, "add a line such as: title = \"What happened at the harbour\"");
    }
    title
}

fn slug(fields: &mut Fields<'_>, root: &Node, from: &FromPath) -> String {
    let written = fields.text("slug", root.get("slug"));
    let slug = paths::slugify(written.as_deref().unwrap_or(&from.stem));
    if slug.is_empty() {
        let span = root.get("slug").map_or(root.span.start..root.span.start + 1, |node| node.span.clone());
        fields.error("slug-empty", "no address can be made of the file's name or slug", &span, "add a slug with letters or digits");
    }
    slug
}

fn published(fields: &mut Fields<'_>, root: &Node, from: &FromPath, mail: &MailOptions) -> Option<chrono::DateTime<chrono::FixedOffset>> {
    let (key, node) = first(root, &["date", "publishDate"]);
    if let Some(node) = node {
        return fields.date(key, Some(node));
    }
    let from_name = from.date.and_then(|date| dates::midnight(date, fields.zone));
    if from_name.is_none() && !mail.skip_feed {
        let span = root.span.start..root.span.start + 1;
        fields.warn(
            "date-missing",
            "the article has no date, so it counts as the oldest of all",
            &span,
            "add a line such as: date = 2026-11-22",
        );
    }
    from_name
}

fn authors(fields: &mut Fields<'_>, root: &Node, config: &Config) -> Vec<String> {
    let (key, node) = first(root, &["authors", "author"]);
    let node = node.or_else(|| root.get("taxonomies")?.get("authors"));
    match fields.texts(key, node) {
        authors if authors.is_empty() => config.site.author.clone().into_iter().collect(),
        authors => authors,
    }
}

fn tags(fields: &mut Fields<'_>, root: &Node) -> Vec<String> {
    let mut tags = fields.texts("tags", root.get("tags"));
    for tag in fields.texts("taxonomies.tags", root.get("taxonomies").and_then(|node| node.get("tags"))) {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

fn image(fields: &mut Fields<'_>, root: &Node) -> Option<(String, Range<usize>)> {
    let (key, node) = first(root, &["images", "image"]);
    let node = node?;
    let url = fields.texts(key, Some(node)).into_iter().next()?;
    let span = match &node.value {
        Value::List(items) => items.first().map_or(node.span.clone(), |item| item.span.clone()),
        _ => node.span.clone(),
    };
    Some((url, span))
}

/// Our own table, wherever the generator a person comes from wants foreign keys to be.
fn own_table(root: &Node) -> Option<&Node> {
    root.get("postrider").or_else(|| root.get("extra")?.get("postrider")).or_else(|| root.get("params")?.get("postrider"))
}

fn mail(fields: &mut Fields<'_>, root: &Node, config: &Config) -> MailOptions {
    let Some(table) = own_table(root) else { return MailOptions::default() };
    if !matches!(table.value, Value::Table(_) | Value::Null) {
        fields.error("wrong-type", format!("`postrider` must be a table, but is {}", table.kind()), &table.span, "write [postrider]");
    }
    for entry in table.entries().iter().filter(|entry| !OWN_KEYS.contains(&entry.key.as_str())) {
        let hint = match nearest(&entry.key, OWN_KEYS.into_iter()) {
            Some(key) => format!("did you mean `{key}`?"),
            None => format!("the keys are {}", OWN_KEYS.join(", ")),
        };
        fields.error("unknown-key", format!("there is no key `{}` in [postrider]", entry.key), &entry.span, hint);
    }
    MailOptions {
        lists: lists(fields, table.get("lists"), config),
        subject: fields.text("subject", table.get("subject")),
        preheader: fields.text("preheader", table.get("preheader")),
        skip_email: fields.flag("skip_email", table.get("skip_email")),
        skip_feed: fields.flag("skip_feed", table.get("skip_feed")),
        send_at: fields.date("send_at", table.get("send_at")).map(|at| Timestamp::from_datetime(&at)),
    }
}

fn lists(fields: &mut Fields<'_>, node: Option<&Node>, config: &Config) -> Vec<ListId> {
    let mut lists = Vec::new();
    for name in fields.texts("lists", node) {
        let known = ListId::parse(&name).ok().filter(|id| config.list(id).is_some());
        if known.is_none() {
            let span = node.map_or(0..1, |node| place_of(node, &name));
            let hint = match nearest(&name, config.lists.iter().map(|list| list.id.as_str())) {
                Some(id) => format!("did you mean `{id}`?"),
                None => "declare it as a [[list]] in config.toml".to_owned(),
            };
            fields.error("list-unknown", format!("there is no list `{name}`"), &span, hint);
        }
        lists.extend(known);
    }
    lists
}

/// Where `text` stands in a list, or the place of the list.
fn place_of(node: &Node, text: &str) -> Range<usize> {
    match &node.value {
        Value::List(items) => items.iter().find(|item| item.value == Value::Text(text.to_owned())).unwrap_or(node).span.clone(),
        _ => node.span.clone(),
    }
}

impl Draft {
    /// The folder the article lies in.
    pub fn folder(&self) -> PathBuf {
        super::files::folder(&self.source.file).to_owned()
    }
}
