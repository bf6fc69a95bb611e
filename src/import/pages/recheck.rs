//! The last word on sanitised HTML: it is parsed again, every element and attribute is looked at, and it must not change by that.
//!
//! Sanitisers are fooled when what they write is read as another tree than the one they saw. So the text that will be stored is itself
//! parsed and judged, and only a text that serialises to itself is believed.

use dom_query::{Document, NodeRef};
use url::Url;

use super::super::controls;
use super::sanitize::{GENERIC, Profile, language_class};
use super::split;

/// How often a text may change by being parsed and written: leading line breaks in `<pre>` need two rounds.
const ROUNDS_MAX: usize = 4;

/// The tree of `html`, when it is harmless and stable.
pub fn checked(mut html: String, profile: Profile) -> Option<Document> {
    for _ in 0..ROUNDS_MAX {
        let doc = Document::fragment(html.as_str());
        if !is_harmless(&doc, profile) {
            return None;
        }
        // Texts that lay side by side have become one.
        split::long_texts(&doc.root());
        let again = html_of(&doc);
        if again == html {
            return Some(doc);
        }
        html = again;
    }
    None
}

/// The tree of the text of `html`: always harmless.
pub fn text_only(html: &str) -> Document {
    let text = controls::without(Document::fragment(html).text().to_string());
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let doc = Document::fragment(format!("<p>{}</p>", escaped.trim()));
    split::long_texts(&doc.root());
    doc
}

/// The HTML of a fragment.
pub fn html_of(doc: &Document) -> String {
    doc.html_root().inner_html().to_string()
}

/// Whether a tree holds only what `profile` allows.
pub fn is_harmless(doc: &Document, profile: Profile) -> bool {
    doc.html_root().descendants_it().all(|node| node.is_text() || node.is_element() && is_harmless_element(&node, profile))
}

fn is_harmless_element(node: &NodeRef<'_>, profile: Profile) -> bool {
    let Some(element) = node.element_ref() else { return false };
    let tag: &str = &element.name.local;
    let html = &*element.name.ns == "http://www.w3.org/1999/xhtml";
    html && profile.allows_tag(tag)
        && element.attrs.iter().all(|attribute| {
            let name: &str = &attribute.name.local;
            let allowed = GENERIC.contains(&name) || profile.attributes(tag).contains(&name);
            allowed && is_harmless_value(tag, name, &attribute.value)
        })
}

fn is_harmless_value(tag: &str, name: &str, value: &str) -> bool {
    let scheme_of = |value: &str| Url::parse(value).ok().map(|url| url.scheme().to_owned());
    match name {
        "href" if tag == "a" => scheme_of(value).is_some_and(|scheme| matches!(scheme.as_str(), "http" | "https" | "mailto")),
        "src" | "poster" => scheme_of(value).is_some_and(|scheme| matches!(scheme.as_str(), "http" | "https")),
        "class" => language_class(value) == Some(value),
        "href" => false,
        _ => true,
    }
}
