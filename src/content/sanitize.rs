//! Cleaning the HTML that authors write themselves: nothing that runs, and only absolute addresses.
//!
//! Their files are trusted, but what becomes of them goes into mails, feeds and other people's readers.

use std::cell::{Cell, RefCell};

use lol_html::html_content::{Comment, Element};
use lol_html::{RewriteStrSettings, doc_comments, element, rewrite_str};

use super::links::{Links, has_scheme};

/// Elements taken out with all they hold.
const FORBIDDEN: &str =
    "script, style, template, noscript, object, embed, applet, frameset, frame, base, meta, link, title, plaintext, xmp, noembed, noframes";
/// Attributes that hold an address.
const ADDRESSES: [&str; 8] = ["href", "src", "action", "formaction", "poster", "cite", "background", "xlink:href"];
/// An element after the last one: if the parser never sees it, something before it was left open.
const SENTINEL: &str = "<i id=\"postrider-end\"></i>";

/// HTML after cleaning.
#[derive(Debug)]
pub struct Cleaned {
    /// The HTML.
    pub html: String,
    /// The beginning of each thing that was taken out.
    pub removed: Vec<String>,
}

/// Cleans `html`. Nothing when a tag, quote or comment in it is never closed: then no part of it can be trusted.
pub fn clean(html: &str, links: &Links<'_>) -> Option<Cleaned> {
    let removed = RefCell::new(Vec::new());
    let ended = Cell::new(false);
    let settings = RewriteStrSettings::new()
        .append_element_content_handler(element!("i#postrider-end", |element: &mut Element<'_, '_>| {
            ended.set(true);
            element.remove();
            Ok(())
        }))
        .append_element_content_handler(element!(FORBIDDEN, |element: &mut Element<'_, '_>| {
            removed.borrow_mut().push(format!("<{}", element.tag_name()));
            element.remove();
            Ok(())
        }))
        .append_element_content_handler(element!("*", |element: &mut Element<'_, '_>| {
            clean_attributes(element, links, &removed);
            Ok(())
        }))
        .append_document_content_handler(doc_comments!(|comment: &mut Comment<'_>| {
            comment.remove();
            Ok(())
        }));
    let html = rewrite_str(&format!("{html}{SENTINEL}"), settings).ok()?;
    // `<a<script>` is an odd element to a browser and a script to a hasty reader: no such text may leave here.
    let safe = ended.get() && !contains_ignoring_case(&html, b"<script");
    safe.then(|| Cleaned { html, removed: removed.into_inner() })
}

fn contains_ignoring_case(text: &str, wanted: &[u8]) -> bool {
    text.as_bytes().windows(wanted.len()).any(|window| window.eq_ignore_ascii_case(wanted))
}

fn clean_attributes(element: &mut Element<'_, '_>, links: &Links<'_>, removed: &RefCell<Vec<String>>) {
    let attributes: Vec<(String, String)> = element.attributes().iter().map(|attribute| (attribute.name(), attribute.value())).collect();
    for (name, value) in attributes {
        let runs = name.starts_with("on") || name == "srcdoc" || is_code(&value);
        if runs {
            removed.borrow_mut().push(if name.starts_with("on") || name == "srcdoc" { name.clone() } else { value.clone() });
            element.remove_attribute(&name);
        } else if ADDRESSES.contains(&name.as_str()) {
            let _ = element.set_attribute(&name, &links.resolve(&decoded(&value)).url.replace('&', "&amp;"));
        }
    }
}

/// Whether an attribute's value is an address that runs code.
fn is_code(value: &str) -> bool {
    let value = decoded(value);
    has_scheme(&value, "javascript")
        || has_scheme(&value, "vbscript")
        || has_scheme(&value, "data") && !value.trim_start().to_ascii_lowercase().starts_with("data:image/")
}

/// The value with its character references replaced, as a browser reads it.
pub fn decoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match reference(rest) {
            Some((c, length)) => {
                out.push(c);
                rest = &rest[length..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The character that a reference at the beginning of `text` means, and the length of the reference.
fn reference(text: &str) -> Option<(char, usize)> {
    const NAMED: [(&str, char); 9] = [
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("nbsp", '\u{a0}'),
        ("colon", ':'),
        ("Tab", '\t'),
        ("NewLine", '\n'),
    ];
    if let Some(number) = text.strip_prefix("&#") {
        let (digits, radix, skip) = match number.strip_prefix(['x', 'X']) {
            Some(hex) => (hex, 16, 3),
            None => (number, 10, 2),
        };
        let length = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        let c = char::from_u32(u32::from_str_radix(&digits[..length], radix).ok()?)?;
        let semicolon = usize::from(digits[length..].starts_with(';'));
        return Some((c, skip + length + semicolon));
    }
    let name = NAMED.iter().find(|(name, _)| text[1..].starts_with(name) && text[1 + name.len()..].starts_with(';'))?;
    Some((name.1, name.0.len() + 2))
}
