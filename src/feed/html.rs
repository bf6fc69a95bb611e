//! Articles as feed content: only HTML that readers show and the validator calls safe, every address absolute.

use std::borrow::Cow;

use lol_html::html_content::{ContentType, Element};
use lol_html::{RewriteStrSettings, element, rewrite_str};
use url::Url;

use super::text::{clean, escape, uri};

/// Elements readers show, sorted. What is not here is unwrapped: its text stays. What strangers may write is stricter, and `import` has seen to it.
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
    if let Some(usual) = usual(&html, page) {
        return usual;
    }
    rewritten(&html, page)
}

/// Any HTML, however it is written.
fn rewritten(html: &str, page: Option<&Url>) -> String {
    let handler = element!("*", |el| {
        settle(el, page);
        Ok(())
    });
    let settings = RewriteStrSettings::new().append_element_content_handler(handler).with_strict(false);
    // A document too odd to rewrite is shown as its text, which is never unsafe.
    rewrite_str(html, settings).unwrap_or_else(|_| escape(html))
}

/// The same for HTML written as most of it is: every element one that stays, attributes in double quotes. Nothing for the rest, whose
/// rewriting costs ten times as much.
fn usual(html: &str, page: Option<&Url>) -> Option<String> {
    let mut pieces = html.split('<');
    let mut out = String::with_capacity(html.len());
    out.push_str(pieces.next()?);
    for tag in pieces {
        let slash = usize::from(tag.starts_with('/'));
        let end = tag[slash..].find(|c: char| !c.is_ascii_alphanumeric())? + slash;
        ELEMENTS.binary_search(&&tag[slash..end]).ok()?;
        out.push('<');
        out.push_str(&tag[..end]);
        usual_attributes(&tag[end..], page, &mut out)?;
    }
    Some(out)
}

/// What follows an element's name, up to the next tag.
fn usual_attributes(mut rest: &str, page: Option<&Url>, out: &mut String) -> Option<()> {
    while !rest.starts_with('>') && !rest.starts_with(" />") {
        let (name, after) = rest.strip_prefix(' ')?.split_once("=\"")?;
        let (value, after) = after.split_once('"')?;
        if !name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') {
            return None;
        }
        let kept = if is_web_address(name, value) { Some(Cow::Borrowed(value)) } else { kept_value(name, value, page).map(Cow::Owned) };
        if let Some(kept) = kept {
            // The rewriter writes a value with a quote in it as it must be written.
            (!kept.contains('"')).then_some(())?;
            out.extend([" ", name, "=\"", &kept, "\""]);
        }
        rest = after;
    }
    out.push_str(rest);
    Some(())
}

/// `https://…` in characters that need no encoding, where an address belongs.
fn is_web_address(name: &str, value: &str) -> bool {
    let web = value.starts_with("https://") || value.starts_with("http://");
    ADDRESSES.contains(&name) && web && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/?#:=%+,".contains(&b))
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
            kept.extend([&property, ":", value, ";"]);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_sorted_for_the_search() {
        assert!(ELEMENTS.is_sorted(), "ELEMENTS must be sorted");
    }

    #[test]
    fn usual_html_becomes_what_the_rewriter_makes_of_it() {
        let page = Url::parse("https://letter.example.com/hello/").ok();
        let samples = [
            "<p>Plain, <em>marked</em> &amp; <a href=\"https://example.org/?a=1&amp;b=2\">linked</a>.</p>",
            "<pre style=\"padding:8px;color:#24292f;white-space:pre\"><code><span style=\"color:#cf222e\">fn</span> a()</code></pre>",
            "<img src=\"../chart.png\" alt=\"A > B\" width=\"10\" height=\"20\" /><br /><hr>",
            "<a href=\"javascript:alert(1)\" onclick=\"x()\" title=\"t\">out</a><td align=\"left\" data-x=\"y\">1</td>",
            "<img srcset=\"a.png 1x, b.png 2x\" alt=\"\" /> and 1 > 0",
        ];
        for html in samples {
            let quick = usual(html, page.as_ref()).unwrap_or_else(|| panic!("written as usual: {html}"));
            let (quick, slow) = (tags(&quick), tags(&rewritten(html, page.as_ref())));
            assert_eq!(quick, slow, "of {html}");
        }
    }

    #[test]
    fn html_written_unusually_is_left_to_the_rewriter() {
        for html in [
            "<P>up</P>",
            "<a href=x>",
            "<a href='x'>",
            "<p\nid=\"a\">",
            "<!-- c -->",
            "<script>",
            "<b x=\"a<b\">",
            "1 < 2",
            "<a HREF=\"x\">",
        ] {
            assert_eq!(usual(html, None), None, "{html} should not be taken as usual");
        }
    }

    /// The rewriter may leave a space where an attribute went.
    fn tags(html: &str) -> String {
        html.replace(" >", ">").replace("  ", " ")
    }
}
