//! Takes the site's chrome out of an article: one pass over its lines, one over its lists and bars.

use std::collections::HashSet;

use dom_query::NodeRef;

use super::inline::is_block;
use super::{chrome, text};

/// Words in class names and ids of bars that ask for consent.
const CONSENT: [&str; 7] = ["cookie", "consent", "gdpr", "skip-link", "skiplink", "skip-to", "onetrust"];
/// A consent bar is shorter than this.
const CONSENT_BYTES_MAX: usize = 1200;
/// How many lines into the article its date may stand.
const DATE_LINES: usize = 8;
/// A caption that a gallery repeats is longer than this: short lines repeat for good reasons.
const REPEATED_BYTES_MIN: usize = 40;
/// Longer lines are read no further: no line of chrome is.
const LINE_BYTES_MAX: usize = 1000;

/// Takes the chrome out.
pub(super) fn trim(root: &NodeRef<'_>) {
    for node in root.descendants() {
        if node.parent().is_some() && node.is_element() && is_bar(&node) {
            node.remove_from_parent();
        }
    }
    let mut lines = Vec::new();
    collect(root, &mut lines);
    drop_repeated_captions(&mut lines);
    let last = lines.len().saturating_sub(1);
    for (index, line) in lines.iter().enumerate() {
        let dates = index < DATE_LINES && chrome::is_date_line(&line.text);
        let credit = !line.in_figure && chrome::is_credit(&line.text);
        let comments = index == last && matches!(line.text.to_lowercase().as_str(), "comments" | "kommentare");
        let actions = chrome::is_actions(&line.text) && line.is_only_links();
        let chrome =
            actions || dates || credit || comments || chrome::is_chrome_line(&line.text) || chrome::is_pointer(&line.text, line.is_link());
        if chrome && line.node.find(&["img"]).is_empty() {
            line.node.remove_from_parent();
        }
    }
}

/// An element that is a line of its own.
struct Line<'a> {
    node: NodeRef<'a>,
    text: String,
    in_figure: bool,
}

impl Line<'_> {
    /// Whether all of the line is one link.
    fn is_link(&self) -> bool {
        let links = if self.node.has_name("a") {
            vec![self.node]
        } else {
            self.node.descendants_it().filter(|it| it.has_name("a")).take(2).collect()
        };
        matches!(links.as_slice(), [one] if line_of(one) == self.text)
    }

    /// Whether the line is made of links alone.
    fn is_only_links(&self) -> bool {
        self.node.has_name("a")
            || self
                .node
                .descendants_it()
                .filter(|it| it.is_text() && !it.text().trim().is_empty())
                .all(|it| it.ancestors_it(Some(4)).any(|above| above.has_name("a")))
    }
}

/// Collects the lines below `node`: blocks without blocks in them, and inline elements between blocks. Says whether there was a block.
fn collect<'a>(node: &NodeRef<'a>, lines: &mut Vec<Line<'a>>) {
    let in_figure = node.has_name("figure") || node.ancestors_it(Some(4)).any(|it| it.has_name("figure"));
    for child in node.children_it(false).filter(NodeRef::is_element) {
        let holds_block = child.descendants_it().any(|it| it.node_name().is_some_and(|name| is_block(&name)));
        if holds_block {
            collect(&child, lines);
        } else if !child.has_name("pre") {
            let text = line_of(&child);
            if !text.is_empty() {
                lines.push(Line { node: child, text, in_figure: in_figure || child.has_name("figcaption") });
            }
        }
    }
}

fn line_of(node: &NodeRef<'_>) -> String {
    text::line(node, LINE_BYTES_MAX)
}

/// Galleries write each caption several times, before a line of credits: the first stays.
fn drop_repeated_captions(lines: &mut Vec<Line<'_>>) {
    let mut seen: HashSet<&str> = HashSet::new();
    let mut captions: HashSet<String> = HashSet::new();
    for (index, line) in lines.iter().enumerate() {
        let repeated = line.text.len() > REPEATED_BYTES_MIN && !seen.insert(line.text.as_str());
        if repeated && lines[index + 1..].iter().take(2).any(|next| chrome::is_credit(&next.text)) {
            captions.insert(line.text.clone());
        }
    }
    if captions.is_empty() {
        return;
    }
    let mut kept: HashSet<String> = HashSet::new();
    lines.retain(|line| {
        let again = captions.contains(&line.text) && !kept.insert(line.text.clone());
        if again {
            line.node.remove_from_parent();
        }
        !again
    });
}

/// Whether an element is a share bar or asks for consent.
fn is_bar(node: &NodeRef<'_>) -> bool {
    let listed = node.has_name("ul") || node.has_name("ol") || node.has_name("nav");
    listed && is_share_bar(node) || is_consent(node)
}

/// Whether every entry of a list is a way to share the page.
fn is_share_bar(node: &NodeRef<'_>) -> bool {
    let entries = node.element_children();
    if !(2..=16).contains(&entries.len()) {
        return false;
    }
    let mut named = 0;
    for entry in &entries {
        let line = line_of(entry);
        let icon = line.is_empty() && !entry.find(&["a"]).is_empty() && entry.find(&["img"]).is_empty();
        if !icon && !chrome::is_share_name(&line) {
            return false;
        }
        named += usize::from(!line.is_empty());
    }
    named > 0
}

fn is_consent(node: &NodeRef<'_>) -> bool {
    let named = ["class", "id"].iter().filter_map(|name| node.attr(name)).any(|value| {
        let value = value.to_ascii_lowercase();
        CONSENT.iter().any(|word| value.contains(word))
    });
    if !named {
        return false;
    }
    let line = text::line(node, CONSENT_BYTES_MAX);
    line.len() <= CONSENT_BYTES_MAX && (line.to_lowercase().contains("cookie") || line.to_lowercase().contains("skip to"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dom_query::Document;

    fn trimmed(html: &str) -> String {
        let doc = Document::fragment(html);
        trim(&doc.root());
        text::text(&doc)
    }

    #[test]
    fn what_readers_can_do_with_a_post_is_no_part_of_it() {
        let html = "<div><p>Text.</p><p><a href=/r>Report</a> <a href=/q>Quote</a></p></div><p>Report</p><p>Edit <a href=/e>quote</a></p>";
        assert_eq!(trimmed(html), "Text.\n\nReport\n\nEdit quote");
    }

    #[test]
    fn bars_are_taken_out_of_an_article() {
        let html = r##"<a href="#c">Skip to content</a><p>Text about cookies.</p><div id="cookie-bar"><p>This site sets cookies. <a>OK</a></p></div>
            <ul><li><a>Facebook</a></li><li><a>Twitter</a></li><li><a></a></li></ul><ul><li>Print</li><li>is not dead</li></ul><p>Report abuse</p>"##;
        assert_eq!(trimmed(html), "Text about cookies.\n\nPrint\nis not dead");
    }

    #[test]
    fn a_gallery_keeps_each_caption_once() {
        let caption = "<div>A long caption about what the picture shows, in words.</div>";
        let html = format!(
            "<p>Text.</p>{caption}{caption}<div>Photo: Someone</div><figure><img src=x><figcaption>Photo: Kept</figcaption></figure>"
        );
        assert_eq!(trimmed(&html), "Text.\n\nA long caption about what the picture shows, in words.\n\nPhoto: Kept");
        let lorem = "<p>The same words again, as examples of layout like to have them.</p>".repeat(3);
        assert_eq!(trimmed(&lorem).matches("The same").count(), 3);
    }
}
