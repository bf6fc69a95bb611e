//! One paragraph of plain text about an article, and how long the article is.

use comrak::Node;
use comrak::nodes::NodeValue;

/// Longest summary made from a first paragraph: what mail programs and feed readers show of it.
const SUMMARY_CHARS_MAX: usize = 240;

/// Takes the part before `<!-- more -->`, or the first paragraph cut at a word.
pub fn of(root: Node<'_>) -> String {
    if root.children().any(|node| is_more(&node)) {
        let before: Vec<String> = root.children().take_while(|node| !is_more(node)).filter(|node| is_paragraph(node)).map(plain).collect();
        return before.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
    }
    let first = root.children().filter(|node| is_paragraph(node)).map(plain).find(|text| !text.is_empty());
    first.map_or_else(String::new, |text| cut(&text))
}

fn is_more(node: &Node<'_>) -> bool {
    match &node.data().value {
        NodeValue::HtmlBlock(html) => {
            let inner = html.literal.trim().strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->"));
            inner.is_some_and(|inner| inner.trim().eq_ignore_ascii_case("more"))
        }
        _ => false,
    }
}

fn is_paragraph(node: &Node<'_>) -> bool {
    matches!(node.data().value, NodeValue::Paragraph)
}

/// A node's text on one line, without pictures and notes.
pub fn plain(node: Node<'_>) -> String {
    let mut text = String::new();
    collect(node, &mut text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn collect(node: Node<'_>, out: &mut String) {
    match &node.data().value {
        NodeValue::Text(text) => out.push_str(text),
        NodeValue::Code(code) => out.push_str(&code.literal),
        NodeValue::SoftBreak | NodeValue::LineBreak => out.push(' '),
        NodeValue::Image(_) | NodeValue::HtmlInline(_) => {}
        _ => node.children().for_each(|child| collect(child, out)),
    }
}

/// Cuts `text` before the word that would make it too long.
fn cut(text: &str) -> String {
    let Some((limit, _)) = text.char_indices().nth(SUMMARY_CHARS_MAX) else { return text.to_owned() };
    let end = match text[..limit].rfind(' ') {
        // A text without spaces, such as Japanese, is cut where it is full.
        Some(space) if space > limit / 2 => space,
        _ => limit,
    };
    format!("{}…", text[..end].trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '.' | '–' | '—')))
}

/// How many words the body has; two ideographs or kana count as one.
pub fn words(root: Node<'_>) -> usize {
    let mut count = 0;
    for node in root.descendants() {
        match &node.data().value {
            NodeValue::Text(text) => count += words_in(text),
            NodeValue::Code(code) => count += words_in(&code.literal),
            NodeValue::CodeBlock(block) => count += words_in(&block.literal),
            _ => {}
        }
    }
    count
}

fn words_in(text: &str) -> usize {
    if text.is_ascii() {
        return text.split_ascii_whitespace().filter(|word| word.bytes().any(|b| b.is_ascii_alphanumeric())).count();
    }
    let ideographs = text.chars().filter(|c| super::text::is_cjk(*c)).count();
    let others = text.split(|c: char| c.is_whitespace() || super::text::is_cjk(c)).filter(|word| word.chars().any(char::is_alphanumeric));
    others.count() + ideographs.div_ceil(2)
}
