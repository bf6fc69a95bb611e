//! The text of a paragraph, heading or cell, before it is wrapped.

use comrak::Node;
use comrak::nodes::NodeValue;

use super::Writer;
use crate::content::sanitize::decoded;

/// Between words that may part: a line break in the source.
pub const SOFT: char = '\n';
/// Where the author broke the line.
pub const HARD: char = '\u{2028}';

impl Writer {
    /// The text inside `node`, with marks for emphasis and numbers for links.
    pub fn inline(&mut self, node: Node<'_>) -> String {
        let mut out = String::new();
        let mut hidden = false;
        for child in node.children() {
            self.inline_node(child, &mut out, &mut hidden);
        }
        out
    }

    fn inline_node(&mut self, node: Node<'_>, out: &mut String, hidden: &mut bool) {
        match &node.data().value {
            NodeValue::HtmlInline(html) => html_inline(html, out, hidden),
            _ if *hidden => {}
            NodeValue::Text(text) => out.push_str(text),
            NodeValue::Code(code) => {
                out.push('`');
                out.push_str(&code.literal);
                out.push('`');
            }
            NodeValue::SoftBreak => out.push(SOFT),
            NodeValue::LineBreak => out.push(HARD),
            NodeValue::FootnoteReference(reference) => out.push_str(&format!("^{}", reference.ix)),
            NodeValue::Emph => self.marked(node, "_", out),
            NodeValue::Strong => self.marked(node, "*", out),
            NodeValue::Strikethrough => self.marked(node, "~", out),
            NodeValue::Link(link) => {
                let text = self.inline(node);
                self.link(&text, &link.url, out);
            }
            NodeValue::Image(image) => {
                let alt = node.collect_text();
                out.push_str(if alt.trim().is_empty() { "[Image" } else { "[Image: " });
                out.push_str(alt.trim());
                out.push_str(&format!("] [{}]", self.number(&image.url)));
            }
            _ => {
                let text = self.inline(node);
                out.push_str(&text);
            }
        }
    }

    fn marked(&mut self, node: Node<'_>, mark: &str, out: &mut String) {
        let text = self.inline(node);
        out.push_str(mark);
        out.push_str(&text);
        out.push_str(mark);
    }

    /// A link as its text and number; an address that is its own text needs no number.
    fn link(&mut self, text: &str, url: &str, out: &mut String) {
        let bare = |address: &str| {
            address
                .trim_start_matches("mailto:")
                .trim_start_matches("https://")
                .trim_start_matches("http://")
                .trim_end_matches('/')
                .to_owned()
        };
        out.push_str(text);
        if !url.is_empty() && bare(text) != bare(url) {
            // A no-break space keeps the number on the line of its word.
            out.push_str(&format!("\u{a0}[{}]", self.number(url)));
        }
    }
}

fn html_inline(html: &str, out: &mut String, hidden: &mut bool) {
    let lower = html.to_ascii_lowercase();
    if lower.starts_with("<br") {
        out.push(HARD);
    } else if lower.starts_with("<script") || lower.starts_with("<style") {
        *hidden = true;
    } else if lower.starts_with("</script") || lower.starts_with("</style") {
        *hidden = false;
    }
}

/// The text of an HTML block an author wrote.
pub fn without_tags(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let lower = rest.get(..8).unwrap_or(rest).to_ascii_lowercase();
        let end = match lower.as_str() {
            tag if tag.starts_with("<script") => "</script>",
            tag if tag.starts_with("<style") => "</style>",
            tag if tag.starts_with("<!--") => "-->",
            _ => ">",
        };
        out.push(SOFT);
        rest = rest.find(end).map_or("", |at| &rest[at + end.len()..]);
    }
    out.push_str(rest);
    decoded(&out)
}
