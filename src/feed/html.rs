//! Articles as feed content: only HTML that readers show and the validator calls safe, every address absolute.

use lol_html::html_content::{ContentType, Element};
use lol_html::{RewriteStrSettings, element, rewrite_str};
use url::Url;

use super::text::{clean, escape, uri};

/// Elements readers show, sorted. What is not here is unwrapped: its text stays.
const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "address",
    "article",
    "aside",
    "audio",
    "b",
    "bdi",
    "bdo",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "i",
    "img",
    "input",
    "ins",
    "kbd",
    "li",
    "main",
    "mark",
    "nav",
    "ol",
    "p",
    "picture",
    "pre",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "section",
    "small",
    "source",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "track",
    "u",
    "ul",
    "var",
    "video",
    "wbr",
];

/// Elements whose text is not for reading: they go with all they hold.
const DROPPED: &[&str] = &["applet", "embed", "frameset", "noembed", "noframes", "object", "script", "style", "svg", "template", "title"];

/// Attributes that stay (beside `data-…`).
const ATTRIBUTES: &[&str] = &[
    "abbr", "align", "alt", "checked", "cite", "class", "colspan", "controls", "datetime", "dir", "disabled", "headers", "height", "href",
    "hreflang", "id", "kind", "label", "lang", "loading", "media", "name", "open", "poster", "preload", "rel", "reversed", "rowspan",
    "scope", "sizes", "span", "src", "srclang", "srcset", "start", "style", "title", "type", "value", "width",
];

/// Attributes that hold an address.
const ADDRESSES: &[&str] = &["cite", "href", "poster", "src"];

/// Style properties with plain values that stay.
const PROPERTIES: &[&str] = &[
    "background-color",
    "color",
    "direction",
    "font-style",
    "font-weight",
    "height",
    "list-style-type",
    "text-align",
    "text-decoration",
    "vertical-align",
    "white-space",
    "width",
];

/// `html` fit for a feed; `page` is the Article's address.
pub(super) fn for_feed(html: &str, page: Option<&Url>) -> String {
    let html = clean(html);
    if is_plain(&html) {
        return html.into_owned();
    }
    let handler = element!("*", |el| {
        settle(el, page);
        Ok(())
    });
    let settings = RewriteStrSettings::new().append_element_content_handler(handler).with_strict(false);
    // A document too odd to rewrite is shown as its text, which is never unsafe.
    rewrite_str(&html, settings).unwrap_or_else(|_| escape(&html))
}

/// Whether every tag is one we keep as it is, as in most articles: then there is nothing to rewrite, which costs ten times as much.
fn is_plain(html: &str) -> bool {
    html.split('<').skip(1).all(|tag| {
        let tag = tag.strip_prefix('/').unwrap_or(tag);
        let end = tag.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tag.len());
        let (name, rest) = tag.split_at(end);
        ELEMENTS.binary_search(&name).is_ok() && (rest.starts_with('>') || rest.starts_with(" />") || is_plain_link(rest))
    })
}

/// ` href="https://…">` in characters that need no encoding.
fn is_plain_link(rest: &str) -> bool {
    let Some((href, _)) = rest.strip_prefix(" href=\"").and_then(|rest| rest.split_once("\">")) else { return false };
    let web = href.starts_with("https://") || href.starts_with("http://");
    web && href.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/?#:=%+,".contains(&b))
}

fn settle(el: &mut Element, page: Option<&Url>) {
    let name = el.tag_name();
    if DROPPED.contains(&name.as_str()) {
        el.remove();
    } else if name == "iframe" {
        link_instead(el, page);
    } else if ELEMENTS.binary_search(&name.as_str()).is_ok() {
        settle_attributes(el, page);
    } else {
        el.remove_and_keep_content();
    }
}

/// Readers show no frames; a link to what the frame would hold is the next best thing.
fn link_instead(el: &mut Element, page: Option<&Url>) {
    match el.get_attribute("src").and_then(|src| address(&src, page)) {
        Some(href) => el.replace(&format!("<a href=\"{0}\">{0}</a>", escape(&href)), ContentType::Html),
        None => el.remove(),
    }
}

fn settle_attributes(el: &mut Element, page: Option<&Url>) {
    if el.attributes().is_empty() {
        return;
    }
    let attributes: Vec<(String, String)> = el.attributes().iter().map(|a| (a.name(), a.value())).collect();
    for (name, value) in attributes {
        let kept = kept_value(&name, &value, page);
        match kept {
            Some(kept) if kept == value => {}
            // A name that lol_html has read it also writes.
            Some(kept) => drop(el.set_attribute(&name, &kept)),
            None => el.remove_attribute(&name),
        }
    }
}

/// The value an attribute has in a feed; nothing when it goes.
fn kept_value(name: &str, value: &str, page: Option<&Url>) -> Option<String> {
    match name {
        "style" => Some(plain_style(value)).filter(|style| !style.is_empty()),
        "srcset" => srcset(value, page),
        _ if ADDRESSES.contains(&name) => address(&entities(value), page),
        _ if ATTRIBUTES.contains(&name) || name.starts_with("data-") => Some(value.to_owned()),
        _ => None,
    }
}

/// Addresses carry no entity but `&amp;` once parsed; lol_html gives attribute values as they stand in the source.
fn entities(value: &str) -> String {
    value.replace("&amp;", "&").replace("&#38;", "&").replace("&#x26;", "&")
}

/// An absolute address a reader may follow. Scripts and documents in the address itself are refused; pictures may be data.
fn address(value: &str, page: Option<&Url>) -> Option<String> {
    let address = uri(value, page)?;
    let scheme = address.split(':').next().unwrap_or_default();
    let refused =
        matches!(scheme, "javascript" | "vbscript" | "file" | "blob") || (scheme == "data" && !address.starts_with("data:image/"));
    (!refused).then(|| address.replace('&', "&amp;"))
}

/// Every candidate of a `srcset`, absolute.
fn srcset(value: &str, page: Option<&Url>) -> Option<String> {
    let candidate = |text: &str| {
        let mut parts = text.split_whitespace();
        let address = address(&entities(parts.next()?), page)?;
        Some(std::iter::once(address.as_str()).chain(parts).collect::<Vec<_>>().join(" "))
    };
    let all: Option<Vec<String>> = value.split(", ").map(candidate).collect();
    all.map(|candidates| candidates.join(", "))
}

/// The declarations with a known property and a plain value, such as highlighted code has.
fn plain_style(style: &str) -> String {
    let plain = |value: &str| !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "#%. -".contains(c));
    let mut kept = String::new();
    for (property, value) in style.split(';').filter_map(|declaration| declaration.split_once(':')) {
        let (property, value) = (property.trim().to_ascii_lowercase(), value.trim());
        if PROPERTIES.contains(&property.as_str()) && plain(value) {
            kept.push_str(&format!("{property}:{value};"));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    #[test]
    fn elements_are_sorted_for_the_search() {
        assert!(super::ELEMENTS.is_sorted(), "ELEMENTS must be sorted");
    }
}
