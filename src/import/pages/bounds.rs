//! Taming a page before it is parsed: bounded depth, attributes and elements, and no bytes spent on scripts.
//!
//! The HTML parser and the readability heuristics are quadratic or recursive in places: in the depth of the tree, in the attributes
//! of a tag, in open formatting elements that every paragraph repeats. One linear pass over the tags takes those weapons away.
//! It need not agree with the parser in every corner: what leaves here is parsed and sanitised in full afterwards.

use dom_query::{Document, NodeRef};
use memchr::{memchr, memmem};

use super::PageError;

/// Deepest nesting that is kept; deeper tags are dropped, their text stays. Browsers stop at 512, real articles stay below 60.
const DEPTH_MAX: usize = 96;
/// Attributes kept of one tag. The parser compares each with all before it.
const ATTRIBUTES_MAX: usize = 48;
/// Attributes kept of a link or a formatting element: the parser copies them whenever it opens one again that was left open.
const REPEATED_ATTRIBUTES_MAX: usize = 16;
/// What a page's attributes may come to in bytes, against those of the page: links and formatting that were left open repeat theirs in each paragraph.
const ATTRIBUTES_GROWTH_MAX: usize = 4;
/// So much they may come to in any case.
const ATTRIBUTES_BYTES_MIN: usize = 16 * 1024;
/// Longer attributes are dropped: the serialiser takes time quadratic in the ampersands of one, and no address is this long.
const ATTRIBUTE_BYTES_MAX: usize = 16 * 1024;
/// Open formatting elements (`<b>`, `<font>`, ...): each paragraph repeats all of them.
const FORMATTING_MAX: u32 = 24;
/// Parts of one page: elements, counting the repeated ones, and special characters ([`is_special`]), each of which costs the parsers and
/// serialisers behind this one microseconds. Articles have thousands; only whole books on one page have more.
const PARTS_MAX: usize = 250_000;
/// The heuristics compare the title with every heading: longer ones are cut off.
const TITLE_BYTES_MAX: usize = 1024;
/// How far up an end tag looks for its start.
const CLOSE_WINDOW: usize = 256;

/// Elements that hold nothing.
const VOID: [&str; 14] = ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];
/// Elements the parser closes itself: left open, they do not nest.
const IMPLIED: [&str; 13] = ["p", "li", "dt", "dd", "tr", "td", "th", "tbody", "thead", "tfoot", "option", "colgroup", "body"];
/// Elements a paragraph opens again when they were left open.
const FORMATTING: [&str; 13] = ["b", "big", "code", "em", "font", "i", "s", "small", "strike", "strong", "tt", "u", "nobr"];
/// Elements whose content is text, not tags.
const RAW: [&str; 8] = ["script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"];

/// A page within its bounds, parsed.
pub fn page(html: &str) -> Result<Document, PageError> {
    weighed(Document::from(tame(html)?), html.len())
}

/// A piece of a page within its bounds, parsed.
pub fn fragment(html: &str) -> Result<Document, PageError> {
    weighed(Document::fragment(tame(html)?), html.len())
}

/// The tree, unless it would be many times longer than the page when it is written. As a tree it is not: copies of an attribute share its text.
fn weighed(doc: Document, bytes: usize) -> Result<Document, PageError> {
    let room = ATTRIBUTES_BYTES_MIN + bytes.saturating_mul(ATTRIBUTES_GROWTH_MAX);
    let of_one = |node: NodeRef<'_>| node.element_ref().map_or(0, |it| it.attrs.iter().map(|attribute| attribute.value.len()).sum());
    let weight: usize = doc.root().descendants_it().map(of_one).sum();
    if weight > room { Err(PageError::TooComplex) } else { Ok(doc) }
}

/// The page with its depth, attributes and size bounded, without the content of scripts, styles and comments. JSON-LD and TeX are kept.
fn tame(html: &str) -> Result<String, PageError> {
    let mut tamer =
        Tamer { html, at: 0, out: String::with_capacity(html.len() / 2), open: Vec::new(), formatting: 0, foreign: 0, parts: 0 };
    while tamer.at < html.len() {
        tamer.step()?;
    }
    Ok(tamer.out)
}

struct Tamer<'a> {
    html: &'a str,
    at: usize,
    out: String,
    /// Names of the elements that are open, kept or not.
    open: Vec<&'a str>,
    formatting: u32,
    foreign: u32,
    parts: usize,
}

impl<'a> Tamer<'a> {
    /// Takes the text up to the next tag, and that tag.
    fn step(&mut self) -> Result<(), PageError> {
        let html = self.html;
        let rest = &html[self.at..];
        let Some(text) = memchr(b'<', rest.as_bytes()) else {
            self.at = html.len();
            return self.text(rest);
        };
        self.text(&rest[..text])?;
        self.at += text;
        let tag = &rest.as_bytes()[text..];
        match (tag.get(1), tag.get(2)) {
            (Some(b'!'), _) if tag.starts_with(b"<!--") => self.comment(),
            (Some(b'!' | b'?'), _) => self.declaration(),
            (Some(b'/'), Some(letter)) if letter.is_ascii_alphabetic() => self.end_tag()?,
            (Some(letter), _) if letter.is_ascii_alphabetic() => self.start_tag()?,
            _ => {
                self.text("<")?;
                self.at += 1;
            }
        }
        Ok(())
    }

    /// Copies text as it stands.
    fn text(&mut self, text: &str) -> Result<(), PageError> {
        self.out.push_str(text);
        self.add(specials(text))
    }

    fn comment(&mut self) {
        let rest = &self.html[self.at..];
        let length = if rest.starts_with("<!-->") {
            5
        } else if rest.starts_with("<!--->") {
            6
        } else {
            memmem::find(rest.as_bytes(), b"-->").map_or(rest.len(), |end| end + 3)
        };
        self.at += length;
    }

    fn declaration(&mut self) {
        let rest = &self.html[self.at..];
        let end = memchr(b'>', rest.as_bytes()).map_or(rest.len(), |end| end + 1);
        self.out.push_str(&rest[..end]);
        self.at += end;
    }

    fn end_tag(&mut self) -> Result<(), PageError> {
        let tag = Tag::read(self.html, self.at + 2);
        self.at = tag.end;
        if tag.is_one_of(&IMPLIED) && self.foreign == 0 || tag.is_one_of(&VOID) {
            self.count(!tag.is_one_of(&VOID))?;
            self.close(tag.name);
            return Ok(());
        }
        let lowest = self.open.len().saturating_sub(CLOSE_WINDOW);
        let Some(found) = self.open[lowest..].iter().rposition(|name| name.eq_ignore_ascii_case(tag.name)) else { return Ok(()) };
        for name in self.open.drain(lowest + found..) {
            self.foreign -= u32::from(is_foreign(name));
        }
        // A start tag below the deepest level was dropped and not counted, so its end tag must not count down either.
        if self.open.len() < DEPTH_MAX {
            if tag.is_one_of(&FORMATTING) {
                self.formatting = self.formatting.saturating_sub(1);
            }
            self.count(!tag.is_one_of(&FORMATTING))?;
            self.close(tag.name);
        }
        Ok(())
    }

    fn close(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    fn start_tag(&mut self) -> Result<(), PageError> {
        let tag = Tag::read(self.html, self.at + 1);
        let start = self.at;
        self.at = tag.end;
        let formatting = tag.is_one_of(&FORMATTING);
        let void = tag.is_one_of(&VOID) || self.foreign > 0 && tag.self_closing;
        let implied = tag.is_one_of(&IMPLIED) && self.foreign == 0;
        let raw = !void && tag.is_one_of(&RAW);
        let kept = self.open.len() < DEPTH_MAX && !(formatting && self.formatting >= FORMATTING_MAX) || void;
        if kept {
            self.count(!formatting)?;
            self.formatting += u32::from(formatting);
            self.copy_tag(start, &tag)?;
        }
        if raw {
            self.raw_text(&self.html[start..tag.end], tag.name, kept)?;
        } else if !void && !implied && (kept || self.open.len() >= DEPTH_MAX) {
            self.foreign += u32::from(is_foreign(tag.name));
            self.open.push(tag.name);
        }
        Ok(())
    }

    /// Copies a start tag without the attributes that are too many or too long.
    fn copy_tag(&mut self, start: usize, tag: &Tag<'_>) -> Result<(), PageError> {
        let begin = self.out.len();
        let mut from = start;
        for &(cut, end) in &tag.cuts {
            self.out.push_str(&self.html[from..cut]);
            from = end;
        }
        self.out.push_str(&self.html[from..tag.end]);
        // Without the tag's own angle brackets.
        self.add(specials(&self.out[begin..]).saturating_sub(2))
    }

    /// Counts an element and, where formatting elements are repeated, those.
    fn count(&mut self, repeats: bool) -> Result<(), PageError> {
        self.add(1 + if repeats { self.formatting as usize } else { 0 })
    }

    fn add(&mut self, parts: usize) -> Result<(), PageError> {
        self.parts += parts;
        if self.parts > PARTS_MAX { Err(PageError::TooComplex) } else { Ok(()) }
    }

    /// Takes the content of a raw-text element up to its end tag; scripts and styles lose it unless it is JSON-LD or TeX.
    fn raw_text(&mut self, tag: &str, name: &str, kept: bool) -> Result<(), PageError> {
        let rest = &self.html[self.at..];
        let end = end_of_raw(rest, name);
        let content = match name.to_ascii_lowercase().as_str() {
            "style" => "",
            "script" if !contains_ignoring_case(tag, "ld+json") && !contains_ignoring_case(tag, "math/tex") => "",
            "title" => cut_off(&rest[..end], TITLE_BYTES_MAX),
            _ => &rest[..end],
        };
        let after = &rest[end..];
        self.at += end + memchr(b'>', after.as_bytes()).map_or(after.len(), |end| end + 1);
        if kept {
            self.text(content)?;
            self.close(name);
        }
        Ok(())
    }
}

/// How many characters of a text are read from a reference or written as one.
fn specials(text: &str) -> usize {
    text.bytes().filter(|&byte| is_special(byte)).count()
}

/// `&`, `<`, `>`, and the first byte of no-break spaces (and of a few signs that are rare enough not to matter).
fn is_special(byte: u8) -> bool {
    matches!(byte, b'&' | b'<' | b'>' | 0xC2)
}

fn is_foreign(name: &str) -> bool {
    name.eq_ignore_ascii_case("svg") || name.eq_ignore_ascii_case("math")
}

fn cut_off(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
    &text[..end.unwrap_or(0)]
}

/// Where the end tag `</name` begins, or the end of the text.
fn end_of_raw(text: &str, name: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(found) = memmem::find(&bytes[at..], b"</") {
        let after = &bytes[at + found + 2..];
        let matches = after.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name.as_bytes()));
        if matches && after.get(name.len()).is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/')) {
            return at + found;
        }
        at += found + 2;
    }
    text.len()
}

fn contains_ignoring_case(text: &str, wanted: &str) -> bool {
    text.as_bytes().windows(wanted.len()).any(|window| window.eq_ignore_ascii_case(wanted.as_bytes()))
}

/// A tag as the tokenizer sees it.
struct Tag<'a> {
    name: &'a str,
    /// Where the tag ends, behind its `>`.
    end: usize,
    /// Stretches of attributes that are dropped.
    cuts: Vec<(usize, usize)>,
    self_closing: bool,
}

impl<'a> Tag<'a> {
    /// Reads the tag whose name begins at `from`.
    fn read(html: &'a str, from: usize) -> Self {
        let bytes = html.as_bytes();
        let mut at = from;
        while at < bytes.len() && !bytes[at].is_ascii_whitespace() && !matches!(bytes[at], b'/' | b'>') {
            at += 1;
        }
        let name = &html[from..at];
        let repeated = name.eq_ignore_ascii_case("a") || FORMATTING.iter().any(|it| it.eq_ignore_ascii_case(name));
        let attributes_max = if repeated { REPEATED_ATTRIBUTES_MAX } else { ATTRIBUTES_MAX };
        let mut cuts: Vec<(usize, usize)> = Vec::new();
        let mut attributes = 0;
        let mut slash = false;
        while at < bytes.len() {
            match bytes[at] {
                b'>' => {
                    at += 1;
                    return Self { name, end: at, cuts, self_closing: slash };
                }
                byte if byte.is_ascii_whitespace() || byte == b'/' => {
                    slash = byte == b'/';
                    at += 1;
                }
                _ => {
                    slash = false;
                    attributes += 1;
                    let start = at;
                    at = end_of_attribute(bytes, at);
                    if attributes > attributes_max || at - start > ATTRIBUTE_BYTES_MAX {
                        cut(&mut cuts, start, at);
                    }
                }
            }
        }
        Self { name, end: at, cuts, self_closing: slash }
    }

    fn is_one_of(&self, names: &[&str]) -> bool {
        names.iter().any(|name| name.eq_ignore_ascii_case(self.name))
    }
}

/// Adds a stretch to drop; stretches with only white space between them are one.
fn cut(cuts: &mut Vec<(usize, usize)>, start: usize, end: usize) {
    match cuts.last_mut() {
        Some(last) if start <= last.1 + 1 => last.1 = end,
        _ => cuts.push((start, end)),
    }
}

/// Where the attribute that begins at `at` ends.
fn end_of_attribute(bytes: &[u8], mut at: usize) -> usize {
    at += 1;
    while at < bytes.len() && !bytes[at].is_ascii_whitespace() && !matches!(bytes[at], b'/' | b'>' | b'=') {
        at += 1;
    }
    let mut value = at;
    while value < bytes.len() && bytes[value].is_ascii_whitespace() {
        value += 1;
    }
    if bytes.get(value) != Some(&b'=') {
        return at;
    }
    value += 1;
    while value < bytes.len() && bytes[value].is_ascii_whitespace() {
        value += 1;
    }
    match bytes.get(value) {
        Some(&quote @ (b'"' | b'\'')) => memchr(quote, &bytes[value + 1..]).map_or(bytes.len(), |end| value + 1 + end + 1),
        _ => {
            while value < bytes.len() && !bytes[value].is_ascii_whitespace() && bytes[value] != b'>' {
                value += 1;
            }
            value
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tamed(html: &str) -> String {
        tame(html).expect("within the bounds")
    }

    #[test]
    fn an_ordinary_page_stays_as_it_is() {
        let html = "<!doctype html><html><body class='a > b'><p>One <b>two</b><br>three<ul><li>x<li>y</ul></body></html>";
        assert_eq!(tamed(html), html);
    }

    #[test]
    fn scripts_styles_and_comments_lose_their_content_and_json_ld_keeps_it() {
        let html = "<script>if (a</b) '<p>'</script ><style>p{}</style><!-- x --><script type='application/ld+json'>{}</script><p>t";
        assert_eq!(tamed(html), "<script></script><style></style><script type='application/ld+json'>{}</script><p>t");
    }

    #[test]
    fn tags_nested_too_deep_are_dropped_and_their_text_stays() {
        let html = format!("{}deep{}<p>after</p>", "<div>".repeat(100_000), "</div>".repeat(100_000));
        let tamed = tamed(&html);
        assert_eq!(tamed.matches("<div>").count(), DEPTH_MAX);
        assert!(tamed.contains("deep"));
        assert!(tamed.ends_with("</div><p>after</p>"));
        assert_eq!(tamed.matches("</div>").count(), DEPTH_MAX);
    }

    #[test]
    fn a_tag_keeps_its_first_attributes_only() {
        let attributes: String = (0..1_000_000).map(|n| format!(" a{n}=1")).collect();
        let tamed = tamed(&format!("<p{attributes}>text</p>"));
        assert!(tamed.contains(" a47=1") && !tamed.contains(" a48=1"));
        assert!(tamed.ends_with(">text</p>"));
    }

    #[test]
    fn an_attribute_that_is_too_long_goes_alone() {
        let tamed = tamed(&format!("<img alt=a src=\"data:{}\" title='b'>", "x".repeat(20_000)));
        assert_eq!(tamed, "<img alt=a  title='b'>");
    }

    #[test]
    fn formatting_left_open_cannot_multiply() {
        let html = |paragraphs| format!("{}{}", "<b><i><font size=1>".repeat(1000), "<p>x".repeat(paragraphs));
        let kept = tamed(&html(1000));
        assert_eq!(["<b>", "<i>", "<font size=1>"].map(|tag| kept.matches(tag).count() as u32), [FORMATTING_MAX / 3; 3]);
        // Each paragraph counts for itself and for all it repeats.
        let paragraphs_max = (PARTS_MAX - FORMATTING_MAX as usize) / (FORMATTING_MAX as usize + 1);
        assert_eq!(tamed(&html(paragraphs_max)).matches("<p>").count(), paragraphs_max);
        assert_eq!(tame(&html(paragraphs_max + 1)), Err(PageError::TooComplex));
        assert_eq!(tame(&"<p>x".repeat(300_000)), Err(PageError::TooComplex));
    }

    #[test]
    fn a_long_link_that_was_left_open_cannot_multiply() {
        let html = |length: usize| format!("<p><a href='{}'>{}", "x".repeat(length), "<p>y".repeat(5000));
        for (name, weighed) in [("page", page(&html(16_000))), ("fragment", fragment(&html(16_000)))] {
            assert_eq!(weighed.err(), Some(PageError::TooComplex), "{name}");
        }
        assert!(page(&html(10)).is_ok() && fragment(&html(10)).is_ok(), "an old page with a name left open is read");
        let attributes: String = (0..100).map(|n| format!(" a{n}=1")).collect();
        for tag in ["A", "b"] {
            let tamed = tamed(&format!("<{tag}{attributes}>"));
            assert!(tamed.contains(" a15=1") && !tamed.contains(" a16=1"), "{tamed}");
        }
    }

    #[test]
    fn formatting_below_the_deepest_level_does_not_make_room_for_more() {
        let below = format!("{}{}{}", "<div>".repeat(100), "<b></b>".repeat(100), "</div>".repeat(100));
        let html: String = (0..40).map(|n| format!("<div>{}</div>{below}", format!("<font size={n}>").repeat(24))).collect();
        assert_eq!(tamed(&html).matches("<font").count(), FORMATTING_MAX as usize);
    }

    #[test]
    fn characters_that_cost_more_than_others_are_counted() {
        for piece in ["&amp;", "&", "x>", "< ", "\u{a0}", "&#1072;"] {
            assert_eq!(tamed(&piece.repeat(PARTS_MAX)).len(), piece.len() * PARTS_MAX);
            assert_eq!(tame(&piece.repeat(PARTS_MAX + 1)), Err(PageError::TooComplex), "{piece}");
            let attributes = format!("<img alt='{}'>", piece.repeat(1000)).repeat(PARTS_MAX / 1000);
            assert_eq!(tame(&attributes), Err(PageError::TooComplex), "{piece}");
        }
    }

    #[test]
    fn text_that_ends_in_the_middle_of_a_tag_does_not_panic() {
        for html in ["<", "</", "<p", "<p a", "<p a=", "<p a='", "<!--", "<!", "<script", "<script>", "<script></scr", "<p a='ä"] {
            let _ = tamed(html);
        }
    }
}
