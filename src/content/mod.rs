//! content/ → Articles: front matter, Markdown, assets.
//!
//! An Article's id is its path below content/ without the date in front of the file name and without the extension; of a page
//! bundle it is the folder's path: `content/trips/2026-11-22-delta.md` and `content/trips/delta/index.md` are both `trips/delta`.
//! So the title, the slug, the date and the text may change while the Article stays the same for feeds and digests; only renaming
//! or moving the file makes a new one.
//!
//! Loading has two passes, both parallel: the first reads every file's front matter, so that every address is known; the second
//! renders the bodies, whose links may lead to any other Article.

mod dates;
mod fields;
mod files;
mod front;
mod highlight;
mod images;
mod index;
mod links;
mod lint;
mod markdown;
mod meta;
mod paths;
mod render;
mod sanitize;
mod summary;
mod text;
mod value;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::UNIX_EPOCH;

use rayon::prelude::*;

use crate::config::Config;
use crate::model::{Article, Fault, Faults, Library};

use files::Source;
use index::Index;
use meta::Draft;

/// Reads every Markdown file under the content folder, in parallel. A broken file is a fault and does not hide the others.
pub fn load(config: &Config) -> (Library, Faults) {
    let mut found = files::find(&config.content_dir);
    let mut faults = std::mem::take(&mut found.faults);
    let read: Vec<(Option<Draft>, Vec<Fault>)> = found.sources.par_iter().map(|source| read(source, config)).collect();
    let mut drafts = Vec::with_capacity(read.len());
    for (draft, found) in read {
        drafts.extend(draft);
        faults.extend(found);
    }
    let index = Index::new(&found.sources, &mut drafts, config, &mut faults);
    let rendered: Vec<(Article, Vec<Fault>)> = drafts.into_par_iter().map(|draft| markdown::finish(draft, &index)).collect();
    let mut articles = Vec::with_capacity(rendered.len());
    for (article, found) in rendered {
        articles.push(article);
        faults.extend(found);
    }
    (Library::new(articles), Faults(faults))
}

/// Reads one file as far as its front matter.
fn read(source: &Source, config: &Config) -> (Option<Draft>, Vec<Fault>) {
    match files::read_text(&source.file) {
        Ok(text) => meta::read(source, text, config),
        Err(fault) => (None, vec![fault]),
    }
}

/// A number that changes when a file under the content folder appears, goes, or is written: paths, sizes and times, no contents.
pub fn fingerprint(config: &Config) -> u64 {
    let mut hasher = DefaultHasher::new();
    for entry in files::walk(&config.content_dir).flatten().filter(|entry| entry.file_type().is_file()) {
        entry.path().hash(&mut hasher);
        if let Ok(metadata) = entry.metadata() {
            metadata.len().hash(&mut hasher);
            metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// An article that is to become a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewArticle {
    /// Title.
    pub title: String,
    /// Its day.
    pub date: chrono::NaiveDate,
    /// A summary, or nothing.
    pub description: String,
    /// Who wrote it; the site's author when nobody is named.
    pub authors: Vec<String>,
    /// Where it stands on the web already.
    pub canonical_url: Option<String>,
    /// When it differs from the site's.
    pub language: Option<String>,
    /// Markdown.
    pub body: String,
}

/// The bytes of a new article file with front matter, and its file name: `2026-11-22-first-issue.md`.
pub fn scaffold(title: &str, date: chrono::NaiveDate) -> (String, String) {
    let front = vec![("description", text("")), ("tags", "[]".to_owned()), ("draft", "false".to_owned())];
    file(title, date, front, "")
}

/// An article as a file, and the file's name.
pub fn file_of(article: &NewArticle) -> (String, String) {
    let mut front = vec![("description", text(&article.description))];
    if !article.authors.is_empty() {
        let authors: Vec<String> = article.authors.iter().map(|author| text(author)).collect();
        front.push(("authors", format!("[{}]", authors.join(", "))));
    }
    front.extend(article.canonical_url.as_ref().map(|url| ("canonical_url", text(url))));
    front.extend(article.language.as_ref().map(|language| ("language", text(language))));
    front.extend([("tags", "[]".to_owned()), ("draft", "false".to_owned())]);
    file(&article.title, article.date, front, &format!("{}\n", article.body.trim()))
}

fn file(title: &str, date: chrono::NaiveDate, front: Vec<(&str, String)>, body: &str) -> (String, String) {
    let title = one_line(title);
    let slug = match paths::slugify(&title) {
        slug if slug.is_empty() => "untitled".to_owned(),
        slug => slug,
    };
    let title = if title.is_empty() { "Untitled".to_owned() } else { title };
    let front: String = front.into_iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    (format!("+++\ntitle = {}\ndate = {date}\n{front}+++\n\n{body}", text(&title)), format!("{date}-{slug}.md"))
}

/// A value of front matter, on one line.
fn text(value: &str) -> String {
    toml::Value::String(one_line(value)).to_string()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
