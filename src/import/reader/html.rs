//! Just enough HTML to make plain text of a title: tags go, references become characters, white space runs become one space.

use std::borrow::Cow;

use super::entity;

/// The elements HTML has or had; a title with other "tags" in it is text that talks about something in brackets.
const ELEMENTS: &str = " a abbr acronym address area article aside audio b bdi bdo big blink blockquote br button canvas caption center cite code \
    col colgroup command data datalist dd del details dfn dialog dir div dl dt em fieldset figcaption figure font footer form h1 h2 h3 h4 h5 h6 \
    header hr i iframe img input ins kbd label legend li link main map mark menu meter nav nobr noscript object ol optgroup option output p param \
    picture pre progress q rp rt ruby s samp script section select small source span strike strong style sub summary sup table tbody td \
    textarea tfoot th thead time tr track tt u ul var video wbr ";

/// Elements whose inside is not text.
const SILENT: [&str; 6] = ["script", "style", "applet", "noscript", "template", "iframe"];

/// How much of a text is judged by [`looks_like_html`].
const JUDGED_MAX: usize = 16 * 1024;

/// HTML as plain text on one line.
pub fn plain_text(html: &str) -> String {
    let bare = strip_tags(html);
    one_line(&entity::resolve(&bare))
}

/// Text with every run of white space made one space, and none at the ends.
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// Whether a text that should be plain was meant as HTML: it has an end tag or a reference, and nothing that HTML lacks.
pub fn looks_like_html(text: &str) -> bool {
    let mut is_closed = false;
    let mut rest = &text[..text.floor_char_boundary(JUDGED_MAX)];
    while let Some(at) = memchr::memchr2(b'<', b'&', rest.as_bytes()) {
        let found = &rest[at..];
        rest = &rest[at + 1..];
        if found.starts_with('&') {
            is_closed |= entity::reference(found).is_some_and(|(length, _)| found[..length].ends_with(';'));
            continue;
        }
        let (is_end, name) = tag_name(found);
        if name.is_empty() {
            continue;
        }
        if !is_element(name) {
            return false;
        }
        is_closed |= is_end || matches!(name, "br" | "img" | "hr" | "wbr");
    }
    is_closed
}

fn is_element(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ELEMENTS.split(' ').any(|element| element == lower)
}

/// The name in the tag that `text` starts with, empty when it is none, and whether it is an end tag.
fn tag_name(text: &str) -> (bool, &str) {
    let inner = &text[1..];
    let (is_end, inner) = inner.strip_prefix('/').map_or((false, inner), |inner| (true, inner));
    let length = inner.bytes().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    if inner.starts_with(|c: char| c.is_ascii_alphabetic()) { (is_end, &inner[..length]) } else { (is_end, "") }
}

fn strip_tags(html: &str) -> Cow<'_, str> {
    if !html.contains('<') {
        return Cow::Borrowed(html);
    }
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = memchr::memchr(b'<', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with("<!--") {
            rest = rest.find("-->").map_or("", |end| &rest[end + 3..]);
            continue;
        }
        let (is_end, name) = tag_name(rest);
        if name.is_empty() && !rest.starts_with("<!") && !rest.starts_with("<?") {
            out.push('<');
            rest = &rest[1..];
            continue;
        }
        let after = tag_end(rest);
        if matches!(name.to_ascii_lowercase().as_str(), "br" | "p" | "div" | "li" | "td" | "th" | "tr" | "hr") {
            out.push(' ');
        }
        rest = if !is_end && SILENT.iter().any(|silent| name.eq_ignore_ascii_case(silent)) {
            skip_element(&rest[after..], name)
        } else {
            &rest[after..]
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// How long a tag in a title may be for its quotes to count: the bound keeps a title of nothing but open quotes linear.
const TAG_MAX: usize = 512;

/// Where the tag that `text` starts with ends; quotes may hide a `>`.
fn tag_end(text: &str) -> usize {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate().take(TAG_MAX) {
        match (quote, byte) {
            (Some(open), byte) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') if text.as_bytes().get(at.wrapping_sub(1)) == Some(&b'=') => quote = Some(byte),
            (None, b'>') => return at + 1,
            _ => {}
        }
    }
    memchr::memchr(b'>', text.as_bytes()).map_or(text.len(), |end| end + 1)
}

/// What follows the end tag of `name`.
fn skip_element<'t>(text: &'t str, name: &str) -> &'t str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        rest = &rest[at..];
        let (_, found) = tag_name(rest);
        if found.eq_ignore_ascii_case(name) {
            return &rest[tag_end(rest)..];
        }
        rest = &rest[2..];
    }
    ""
}
