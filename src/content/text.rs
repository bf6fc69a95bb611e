//! The Markdown tree as plain text: 72 columns, links numbered with the list at the end, tables aligned.

mod inline;
mod table;
mod wrap;

use comrak::Node;
use comrak::nodes::{ListDelimType, ListType, NodeList, NodeValue};
use unicode_width::UnicodeWidthStr as _;

pub use wrap::is_cjk;

/// Columns of a line: short enough to be quoted a few times in 80.
const COLUMNS: usize = 72;
/// A block inside many others still gets a readable column.
const COLUMNS_MIN: usize = 24;
/// Blocks nested deeper than this are not written: no person nests so deep, and recursion must end.
const DEPTH_MAX: usize = 50;

/// Writes the body as plain text, ending with a line break; an empty body gives an empty text.
pub fn write(root: Node<'_>) -> String {
    let mut writer = Writer { links: Vec::new(), notes: Vec::new(), depth: 0 };
    let mut lines = writer.blocks(root, COLUMNS, false);
    let notes = std::mem::take(&mut writer.notes);
    let after: Vec<String> = notes.into_iter().chain(writer.link_list()).collect();
    if !after.is_empty() && !lines.is_empty() {
        lines.push(String::new());
    }
    lines.extend(after);
    let mut text = String::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Collects what comes after the text while the text is written.
struct Writer {
    /// Addresses in the order they were met; the first has number 1.
    links: Vec<String>,
    /// Lines of the footnotes.
    notes: Vec<String>,
    depth: usize,
}

impl Writer {
    /// The number of a link.
    fn number(&mut self, url: &str) -> usize {
        let known = self.links.iter().position(|known| known == url);
        known.unwrap_or_else(|| {
            self.links.push(url.to_owned());
            self.links.len() - 1
        }) + 1
    }

    fn link_list(&self) -> Vec<String> {
        self.links.iter().enumerate().map(|(i, url)| format!("[{}] {url}", i + 1)).collect()
    }

    /// The blocks inside `node`, with blank lines between them unless the list they stand in is tight.
    fn blocks(&mut self, node: Node<'_>, columns: usize, tight: bool) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut joined = true;
        for child in node.children() {
            let block = self.block(child, columns);
            if block.is_empty() {
                continue;
            }
            if !(lines.is_empty() || joined || tight || stands_out(child)) {
                lines.push(String::new());
            }
            joined = joins_next(child);
            lines.extend(block);
        }
        lines
    }

    fn block(&mut self, node: Node<'_>, columns: usize) -> Vec<String> {
        self.depth += 1;
        let lines = if self.depth > DEPTH_MAX { Vec::new() } else { self.block_within_limits(node, columns.max(COLUMNS_MIN)) };
        self.depth -= 1;
        lines
    }

    fn block_within_limits(&mut self, node: Node<'_>, columns: usize) -> Vec<String> {
        match &node.data().value {
            NodeValue::Paragraph => wrap::wrap(&self.inline(node), columns),
            NodeValue::Heading(heading) => self.heading(node, heading.level, columns),
            NodeValue::BlockQuote => prefixed(self.blocks(node, columns - 2, false), "> ", "> "),
            NodeValue::List(list) => self.list(node, list, columns),
            NodeValue::CodeBlock(block) => {
                block.literal.trim_end().lines().map(|line| format!("    {}", line.replace('\t', "    "))).collect()
            }
            NodeValue::ThematicBreak => vec!["* * *".to_owned()],
            NodeValue::Table(table) => {
                let rows = node.children().map(|row| row.children().map(|cell| self.inline(cell)).collect()).collect();
                table::write(rows, &table.alignments, columns)
            }
            NodeValue::HtmlBlock(html) => wrap::wrap(&inline::without_tags(&html.literal), columns),
            NodeValue::FootnoteDefinition(_) => {
                self.note(node);
                Vec::new()
            }
            _ => self.blocks(node, columns, false),
        }
    }

    /// A heading of the first two levels is a rule across the column, which needs no blank line to be seen.
    fn heading(&mut self, node: Node<'_>, level: u8, columns: usize) -> Vec<String> {
        let mut lines = wrap::wrap(&self.inline(node), columns.saturating_sub(6));
        if level > 2 {
            return prefixed(lines, &format!("{} ", "#".repeat(level.into())), "    ");
        }
        let sign = if level == 1 { "=" } else { "-" };
        if let Some(last) = lines.last_mut() {
            let room = columns.saturating_sub(last.width() + 4).max(2);
            *last = format!("{last} {}", sign.repeat(room));
        }
        prefixed(lines, &format!("{} ", sign.repeat(2)), "   ")
    }

    fn list(&mut self, node: Node<'_>, list: &NodeList, columns: usize) -> Vec<String> {
        let last = list.start + node.children().count().saturating_sub(1);
        let mut lines = Vec::new();
        for (i, item) in node.children().enumerate() {
            let marker = match (&item.data().value, list.list_type) {
                (NodeValue::TaskItem(task), _) if task.symbol.is_some() => "[x] ".to_owned(),
                (NodeValue::TaskItem(_), _) => "[ ] ".to_owned(),
                (_, ListType::Bullet) => "- ".to_owned(),
                (_, ListType::Ordered) => {
                    let sign = if list.delimiter == ListDelimType::Paren { ')' } else { '.' };
                    let number = format!("{}{sign} ", list.start + i);
                    format!("{number:>width$}", width = last.to_string().len() + 2)
                }
            };
            let inner = self.blocks(item, columns.saturating_sub(marker.len()), list.tight);
            if !list.tight && i > 0 {
                lines.push(String::new());
            }
            let inner = if inner.is_empty() { vec![String::new()] } else { inner };
            lines.extend(prefixed(inner, &marker, &" ".repeat(marker.len())));
        }
        lines
    }

    /// Footnotes stand after the text, each with its number.
    fn note(&mut self, node: Node<'_>) {
        let number =
            node.preceding_siblings().skip(1).filter(|other| matches!(other.data().value, NodeValue::FootnoteDefinition(_))).count() + 1;
        let marker = format!("^{number} ");
        let lines = self.blocks(node, COLUMNS - marker.len(), true);
        let indent = " ".repeat(marker.len());
        self.notes.extend(prefixed(lines, &marker, &indent));
    }
}

/// Whether a block is told apart from the text before it by its marks alone, so that a blank line would only make the text longer.
fn stands_out(node: Node<'_>) -> bool {
    match &node.data().value {
        NodeValue::Heading(heading) => heading.level <= 2,
        NodeValue::List(_) => node.previous_sibling().is_some_and(|before| matches!(before.data().value, NodeValue::Paragraph)),
        value => matches!(value, NodeValue::CodeBlock(_) | NodeValue::BlockQuote),
    }
}

/// Whether the text after a block may follow without a blank line: below its heading, and after indented code.
fn joins_next(node: Node<'_>) -> bool {
    matches!(node.data().value, NodeValue::Heading(_) | NodeValue::CodeBlock(_))
}

/// Puts `first` before the first line and `others` before the rest.
fn prefixed(lines: Vec<String>, first: &str, others: &str) -> Vec<String> {
    lines.into_iter().enumerate().map(|(i, line)| format!("{}{line}", if i == 0 { first } else { others })).collect()
}
