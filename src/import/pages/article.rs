//! Finding the article on a page: Mozilla's readability rules as dom_smoothie has them, then our own tidying.

use dom_query::Document;
use dom_smoothie::{Config, Readability};
use url::Url;

use super::meta::Meta;
use super::{PageError, known, tidy, trim};

/// The title is compared with every heading: longer ones are cut off.
const TITLE_CHARS_MAX: usize = 300;

/// The article as it was found, tidied but not yet sanitised.
pub(super) struct Found {
    /// The title as the page's `<title>` has it, without the site's name.
    pub(super) title: String,
    /// The line that names the author.
    pub(super) byline: Option<String>,
    /// The article.
    pub(super) html: String,
}

/// Finds the article.
pub(super) fn find(doc: Document, base: Option<&Url>, meta: &Meta) -> Result<Found, PageError> {
    state_known(&doc, meta);
    // Addresses are made absolute by `tidy`, which counts what that costs; without a base the heuristics leave them alone.
    doc.select("base").remove();
    let config = Config { keep_classes: true, disable_json_ld: true, ..Config::default() };
    let mut readability = Readability::with_document(doc, None, Some(config)).map_err(|_| PageError::NoArticle)?;
    let article = readability.parse().map_err(|_| PageError::NoArticle)?;
    let root = readability.doc.select_single("#readability-page-1");
    let Some(root) = root.nodes().first() else { return Err(PageError::NoArticle) };
    known::settle(root);
    trim::trim(root);
    tidy::tidy(root, base, true);
    Ok(Found { title: article.title, byline: article.byline, html: root.inner_html().to_string() })
}

/// Writes what we know where the heuristics look last and believe most. They take the page's heading out of the article by its title,
/// and a line that names the author only when nothing else does. Their own reader of JSON-LD has no bounds, so it is not asked.
fn state_known(doc: &Document, meta: &Meta) {
    // Behind the body, since the last of a name counts.
    let root = doc.html_root();
    let state = |name: &str, content: &str| {
        let element = doc.tree.new_element("meta");
        element.set_attr("property", name);
        element.set_attr("content", content);
        root.append_child(&element);
    };
    if let Some(title) = &meta.title {
        state("dc:title", &title.chars().take(TITLE_CHARS_MAX).collect::<String>());
    }
    if let Some(author) = meta.author.as_deref().filter(|_| meta.author_is_stated) {
        state("dc:creator", author);
    }
}
