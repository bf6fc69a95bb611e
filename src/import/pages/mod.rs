//! Foreign pages become articles: the article is found, cleaned, dated and written as HTML, Markdown and text.
//!
//! Everything here is a pure function of bytes, so it can be read, tested and measured without a network or a clock. Whatever comes in
//! is bounded first ([`bounds`]) and whatever goes out has passed the sanitiser and its check ([`sanitize`]).

pub mod address;
mod article;
mod bounds;
mod charset;
mod chrome;
pub mod discover;
mod flat;
mod formula;
mod inline;
mod jsonld;
mod known;
mod markdown;
mod meta;
mod recheck;
pub mod sanitize;
mod split;
mod text;
mod tidy;
mod trim;

use dom_query::Document;
use url::Url;

pub use discover::{FeedKind, FoundFeed, Kind, discover, looks_like};
pub use sanitize::{Profile, Rules, sanitize};

/// Larger pages are refused: what is read by people is smaller.
pub const INPUT_BYTES_MAX: usize = 10 * 1024 * 1024;

/// How much of a document is looked at to tell whether it is a text.
const HEAD_CHARS: usize = 4096;
/// A text has fewer characters than one of so many that mean nothing.
const ODD_SHARE: usize = 20;

/// An article found on a page.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Page {
    /// The title, as plain text; empty when the page has none.
    pub title: String,
    /// The people who wrote it.
    pub author: Option<String>,
    /// When it appeared, as the page writes it.
    pub published: Option<String>,
    /// When it changed, as the page writes it.
    pub modified: Option<String>,
    /// The address it wants to be known by.
    pub canonical: Option<Url>,
    /// The site's name.
    pub site_name: Option<String>,
    /// Its language, as a BCP 47 tag.
    pub language: Option<String>,
    /// A short description.
    pub description: Option<String>,
    /// The picture that stands for it.
    pub image: Option<Url>,
    /// The article as clean HTML: sanitised for the archive, addresses absolute.
    pub html: String,
    /// The article as plain text.
    pub text: String,
    /// The article as Markdown.
    pub markdown: String,
}

/// Why a page gave no article.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// More than [`INPUT_BYTES_MAX`].
    #[error("the page is larger than 10 MiB")]
    TooLarge,
    /// More elements and special characters than any page for people has.
    #[error("the page has too many elements or special characters")]
    TooComplex,
    /// Nothing on the page reads like an article.
    #[error("no article was found on the page")]
    NoArticle,
}

/// Extracts the article of a page. `content_type` is the header's value, `base` the address the page came from.
pub fn extract(html: &[u8], content_type: Option<&str>, base: Option<&Url>) -> Result<Page, PageError> {
    if html.len() > INPUT_BYTES_MAX {
        return Err(PageError::TooLarge);
    }
    let source = charset::decode(html, content_type, top_level_domain(base));
    if is_binary(&source) {
        return Err(PageError::NoArticle);
    }
    if flat::is_flat(&source, content_type) {
        return extract_flat(&source, base);
    }
    let doc = bounds::page(&source)?;
    drop(source);
    split::long_texts(&doc.root());
    if let Some(text) = flat_body(&doc) {
        return extract_flat(&text, base);
    }
    let base = meta::base_of(&doc, base);
    let meta = meta::read(&doc, base.as_ref());
    // Without an address of its own, a saved page still knows its canonical one.
    let base = base.or_else(|| meta.canonical.clone());
    known::page(&doc.root());
    let headings = meta::headings(&doc);
    let found = article::find(doc, base.as_ref(), &meta)?;
    let tree = sanitize::finish(&found.html, Profile::Archive);
    let text = text::text(&tree);
    if text.is_empty() && !found.html.contains("<img") {
        return Err(PageError::NoArticle);
    }
    Ok(Page {
        title: as_headed(
            meta.title
                .filter(|title| !title.is_empty())
                .unwrap_or_else(|| without_site(&meta::one_line(&found.title), meta.site_name.as_deref())),
            &headings,
        ),
        author: meta.author.or(found.byline.map(|line| meta::without_by(&meta::one_line(&line)))),
        published: meta.published,
        modified: meta.modified,
        canonical: meta.canonical,
        site_name: meta.site_name,
        language: meta.language,
        description: meta.description,
        image: meta.image,
        html: recheck::html_of(&tree),
        markdown: markdown::markdown(&tree),
        text,
    })
}

/// A title without the name of the site behind it.
fn without_site(title: &str, site: Option<&str>) -> String {
    let bare = site.and_then(|site| title.strip_suffix(site)).map(str::trim_end);
    let bare = bare.and_then(|bare| bare.strip_suffix(['|', '-', '–', '—', '·', '»', ':', '/'])).map(str::trim_end);
    bare.filter(|bare| !bare.is_empty()).unwrap_or(title).to_owned()
}

/// A title without what stands beside the page's own heading in it: the name of the site, or of the manual.
fn as_headed(title: String, headings: &[String]) -> String {
    const BETWEEN: [&str; 7] = [" | ", " - ", " – ", " — ", " · ", " » ", " :: "];
    let stands_in = |heading: &&String| {
        let behind = title.strip_prefix(heading.as_str()).is_some_and(|rest| BETWEEN.iter().any(|it| rest.starts_with(it)));
        behind || title.strip_suffix(heading.as_str()).is_some_and(|rest| BETWEEN.iter().any(|it| rest.ends_with(it)))
    };
    headings.iter().find(stands_in).cloned().unwrap_or(title)
}

/// Whether this was never meant to be read: a picture, a program, a document of another kind.
fn is_binary(text: &str) -> bool {
    let is_odd = |c: &char| *c == '\u{fffd}' || c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}');
    let head = || text.chars().take(HEAD_CHARS);
    text.trim_start().starts_with("%PDF-") || head().filter(is_odd).count() * ODD_SHARE > head().count()
}

/// The text of a page that is text in a frame of tags: a saved text file, or one `<pre>` with all in it.
fn flat_body(doc: &Document) -> Option<String> {
    let body = doc.body()?;
    let shaped = body
        .descendants_it()
        .any(|node| node.node_name().is_some_and(|name| &*name != "pre" && (&*name == "br" || &*name == "img" || inline::is_block(&name))));
    let text = if shaped { return None } else { body.text() };
    text.trim().contains("\n\n").then(|| text.to_string())
}

/// A text without tags: line rules give it structure.
fn extract_flat(source: &str, base: Option<&Url>) -> Result<Page, PageError> {
    let restored = flat::restore(source);
    let tree = sanitize::sanitize_tree(&restored.html, &Rules { profile: Profile::Archive, base, images: true })?;
    let text = text::text(&tree);
    if text.is_empty() {
        return Err(PageError::NoArticle);
    }
    Ok(Page {
        title: restored.title.map(|title| meta::one_line(&title)).unwrap_or_default(),
        html: recheck::html_of(&tree),
        markdown: markdown::markdown(&tree),
        text,
        ..Page::default()
    })
}

/// Clean HTML as Markdown; what is not clean is sanitised for the archive first.
pub fn html_to_markdown(html: &str, base: Option<&Url>) -> Result<String, PageError> {
    let tree = sanitize::sanitize_tree(html, &Rules { profile: Profile::Archive, base, images: true })?;
    Ok(markdown::markdown(&tree))
}

/// Sanitised HTML, and its text.
pub fn clean(html: &str, rules: &Rules<'_>) -> Result<(String, String), PageError> {
    let tree = sanitize::sanitize_tree(html, rules)?;
    Ok((recheck::html_of(&tree), text::text(&tree)))
}

/// HTML as plain text.
pub fn html_to_text(html: &str) -> Result<String, PageError> {
    let tree = sanitize::sanitize_tree(html, &Rules { profile: Profile::Archive, base: None, images: true })?;
    Ok(text::text(&tree))
}

/// The last label of the page's host, which tells how undeclared bytes are likely written.
fn top_level_domain(base: Option<&Url>) -> Option<&str> {
    base.and_then(Url::host_str).and_then(|host| host.rsplit('.').next())
}
