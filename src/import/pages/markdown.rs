//! Clean HTML as Markdown that people like to edit: headings, lists, tables, code, quotes, links and pictures come back when rendered.
//!
//! Works on a sanitised tree: its depth is bounded, so plain recursion is safe, and every address is absolute.

use dom_query::{Document, NodeRef};

use super::inline::{Inline, is_block};

/// A cell that reaches down further than this is taken to reach so far.
const ROWS_DOWN_MAX: usize = 64;
/// A longer cell is part of a layout, not of a table of data.
const CELL_CHARS_MAX: usize = 500;
/// Cells a table of data has at most when more than half of them are empty: each row is filled up to the widest.
const CELLS_MAX: usize = 20_000;
/// Lists and quotes within each other that are written as such; what is nested deeper stands in the innermost of them. Each level is repeated
/// before every line in it.
const NESTED_MAX: usize = 10;

/// Writes the tree as Markdown, without a line break at the end.
pub fn markdown(doc: &Document) -> String {
    blocks(&doc.html_root()).join("\n\n")
}

/// The blocks that the children of `node` make.
fn blocks(node: &NodeRef<'_>) -> Vec<String> {
    let mut out = Vec::new();
    let mut inline = Inline::default();
    for child in node.children_it(false) {
        if child.is_text() || !holds_block(&child) {
            inline.add(&child);
            continue;
        }
        finish(&mut inline, &mut out);
        block(&child, &mut out);
    }
    finish(&mut inline, &mut out);
    out
}

fn finish(inline: &mut Inline, out: &mut Vec<String>) {
    let text = std::mem::take(inline).paragraph();
    if !text.is_empty() {
        out.push(text);
    }
}

/// Whether an element is a block or, being inline by name, holds one.
fn holds_block(node: &NodeRef<'_>) -> bool {
    name_of(node).is_some_and(|name| is_block(&name)) || node.descendants_it().any(|it| name_of(&it).is_some_and(|name| is_block(&name)))
}

fn name_of(node: &NodeRef<'_>) -> Option<String> {
    node.node_name().map(|name| name.to_string())
}

fn block(node: &NodeRef<'_>, out: &mut Vec<String>) {
    let name = name_of(node).unwrap_or_default();
    match name.as_str() {
        "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => heading(node, usize::from(name.as_bytes()[1] - b'0'), out),
        "ul" | "ol" if !is_deep(node) => list(node, name == "ol", out),
        "pre" => out.extend(code(node)),
        "blockquote" if !is_deep(node) => {
            let inner = blocks(node).join("\n\n");
            if !inner.is_empty() {
                out.push(prefixed(&inner, "> ", "> "));
            }
        }
        "hr" => out.push("---".to_owned()),
        "table" => table(node, out),
        "dl" => definitions(node, out),
        "a" => linked_blocks(node, out),
        _ => out.extend(blocks(node)),
    }
}

/// Whether an element lies within so many lists and quotes that one more would be too many.
fn is_deep(node: &NodeRef<'_>) -> bool {
    let indents = |it: &NodeRef<'_>| it.has_name("ul") || it.has_name("ol") || it.has_name("blockquote");
    node.ancestors_it(None).filter(indents).nth(NESTED_MAX - 1).is_some()
}

fn heading(node: &NodeRef<'_>, level: usize, out: &mut Vec<String>) {
    let text = Inline::of_children(node).line();
    if !text.is_empty() {
        out.push(format!("{} {}", "#".repeat(level), text));
    }
}

/// A link around blocks: one short block becomes the link's text, more than one lose the link.
fn linked_blocks(node: &NodeRef<'_>, out: &mut Vec<String>) {
    let inner = blocks(node);
    match (inner.as_slice(), node.attr("href")) {
        ([one], Some(href)) if !one.contains('\n') && !one.starts_with(['>', '|', '-']) && !one.contains("](http") => {
            let mark = one.len() - one.trim_start_matches('#').len();
            let (marks, text) = if (1..=6).contains(&mark) { one.split_at(mark) } else { ("", one.as_str()) };
            let space = if marks.is_empty() { "" } else { " " };
            out.push(format!("{marks}{space}[{}]({})", text.trim_start(), super::inline::address(&href)));
        }
        _ => out.extend(inner),
    }
}

fn list(node: &NodeRef<'_>, ordered: bool, out: &mut Vec<String>) {
    let first: u64 = node.attr("start").and_then(|start| start.trim().parse().ok()).filter(|&start| start < 1_000_000).unwrap_or(1);
    let items: Vec<Vec<String>> = node.element_children().iter().map(item).filter(|item| !item.is_empty()).collect();
    // A loose list is one with an item of several paragraphs; a nested list alone does not make it so.
    let tight = items.iter().all(|item| item.iter().skip(1).all(|block| is_list_text(block)) && !item[0].contains("\n\n"));
    let lines: Vec<String> = items
        .iter()
        .zip(first..)
        .map(|(item, number)| {
            let mark = if ordered { format!("{number}. ") } else { "- ".to_owned() };
            let text = item.join(if tight { "\n" } else { "\n\n" });
            prefixed(&text, &mark, &" ".repeat(mark.len()))
        })
        .collect();
    if !lines.is_empty() {
        // Two lists in a row would be read as one: a comment, which shows nowhere, keeps them apart.
        if out.last().is_some_and(|last| is_list_text(last) && last.starts_with(|c: char| c.is_ascii_digit()) == ordered) {
            out.push("<!-- -->".to_owned());
        }
        out.push(lines.join(if tight { "\n" } else { "\n\n" }));
    }
}

fn item(node: &NodeRef<'_>) -> Vec<String> {
    // A list that lies in a list without an item around it still belongs to it.
    if node.has_name("ul") || node.has_name("ol") {
        let mut out = Vec::new();
        block(node, &mut out);
        return out;
    }
    let mut item = blocks(node);
    if let Some(first) = item.first_mut() {
        for (sign, mark) in [("☑ ", "[x] "), ("☐ ", "[ ] ")] {
            if let Some(task) = first.strip_prefix(sign) {
                *first = format!("{mark}{task}");
                break;
            }
        }
    }
    item
}

fn is_list_text(block: &str) -> bool {
    let digits = block.trim_start_matches(|c: char| c.is_ascii_digit());
    block.starts_with("- ") || digits.len() < block.len() && digits.starts_with(". ")
}

/// Puts `first` before the first line and `rest` before the others; empty lines stay without spaces at their end.
fn prefixed(text: &str, first: &str, rest: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let prefix = if index == 0 { first } else { rest };
        out.push_str(if line.is_empty() { prefix.trim_end() } else { prefix });
        out.push_str(line);
    }
    out
}

fn code(node: &NodeRef<'_>) -> Option<String> {
    let mut text = String::new();
    preformatted(node, &mut text);
    let text = text.trim_end().trim_start_matches(['\n', '\r']).replace("\r\n", "\n");
    let class = node.find(&["code"]).first().and_then(|code| code.attr("class")).or_else(|| node.attr("class"));
    let language = class.as_deref().and_then(|class| class.split_once('-')).map_or("", |(_, language)| language).to_owned();
    let fence = "`".repeat(longest_run(&text, '`').max(2) + 1);
    (!text.is_empty()).then(|| format!("{fence}{language}\n{text}\n{fence}"))
}

/// Text as it stands, with line breaks where elements make them.
fn preformatted(node: &NodeRef<'_>, out: &mut String) {
    for child in node.children_it(false) {
        if child.is_text() {
            out.push_str(&child.text());
        } else if child.has_name("br") {
            out.push('\n');
        } else {
            let block = child.has_name("div") || child.has_name("p") || child.has_name("li") || child.has_name("tr");
            preformatted(&child, out);
            if block && !out.ends_with('\n') {
                out.push('\n');
            }
        }
    }
}

/// The length of the longest run of `mark`.
pub(super) fn longest_run(text: &str, mark: char) -> usize {
    text.split(|c| c != mark).map(str::len).max().unwrap_or(0)
}

/// Terms in bold, what they mean below: Markdown has no list of definitions.
fn definitions(node: &NodeRef<'_>, out: &mut Vec<String>) {
    for child in node.element_children() {
        if child.has_name("dt") {
            let text = Inline::of_children(&child).line();
            if !text.is_empty() {
                out.push(if text.starts_with("**") { text } else { format!("**{text}**") });
            }
        } else if child.has_name("div") {
            definitions(&child, out);
        } else {
            out.extend(blocks(&child));
        }
    }
}

fn table(node: &NodeRef<'_>, out: &mut Vec<String>) {
    let rows = rows_of(node);
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cells: usize = rows.iter().map(Vec::len).sum();
    let is_filled = rows.len().saturating_mul(width) <= CELLS_MAX.max(cells.saturating_mul(2));
    let is_data = width > 1 && is_filled && rows.iter().flatten().all(is_plain_cell);
    if let Some(caption) = node.element_children().iter().find(|it| it.has_name("caption")) {
        out.extend(blocks(caption));
    }
    if !is_data {
        // A table that only lays things out is written cell after cell.
        rows.iter().flatten().for_each(|cell| out.extend(blocks(cell)));
        return;
    }
    let headed = rows.first().is_some_and(|row| row.iter().all(|cell| cell.has_name("th")))
        || rows.first().and_then(|row| row.first()?.parent()?.parent()).is_some_and(|it| it.has_name("thead"));
    let rows = in_columns(&rows);
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut lines: Vec<String> = Vec::with_capacity(rows.len() + 2);
    if !headed {
        lines.push(row_line(&[], width));
        lines.push(rule_line(&rows[0], width));
    }
    for (index, row) in rows.iter().enumerate() {
        lines.push(row_line(row, width));
        if headed && index == 0 {
            lines.push(rule_line(row, width));
        }
    }
    out.push(lines.join("\n"));
}

/// The cells of a table row by row, without those of tables inside it.
fn rows_of<'a>(node: &NodeRef<'a>) -> Vec<Vec<NodeRef<'a>>> {
    let mut rows = Vec::new();
    for child in node.element_children() {
        if child.has_name("tr") {
            let cells: Vec<_> = child.element_children().into_iter().filter(|it| it.has_name("td") || it.has_name("th")).collect();
            if !cells.is_empty() {
                rows.push(cells);
            }
        } else if !child.has_name("caption") && !child.has_name("colgroup") {
            rows.extend(rows_of(&child));
        }
    }
    rows
}

/// Whether a cell fits on one line of a Markdown table: paragraphs and lists are written in one line, if that is not too long.
fn is_plain_cell(cell: &NodeRef<'_>) -> bool {
    let flat = |name: &str| !is_block(name) || matches!(name, "p" | "div" | "ul" | "ol" | "li");
    cell.descendants_it().all(|it| it.node_name().is_none_or(|name| flat(&name))) && cell.normalized_char_count() <= CELL_CHARS_MAX
}

/// The cells in their columns: one that reaches to the right or down leaves gaps.
fn in_columns<'a>(rows: &[Vec<NodeRef<'a>>]) -> Vec<Vec<Option<NodeRef<'a>>>> {
    let widest = rows.iter().map(Vec::len).max().unwrap_or(0);
    let span = |cell: &NodeRef<'a>, name: &str| cell.attr(name).and_then(|span| span.trim().parse::<usize>().ok()).unwrap_or(1).max(1);
    // Of each column, how many more rows the last cell in it reaches down.
    let mut reach: Vec<usize> = Vec::new();
    let columns_of = |cells: &Vec<NodeRef<'a>>| {
        let mut row: Vec<Option<NodeRef<'a>>> = Vec::with_capacity(widest);
        let mut cells = cells.iter();
        loop {
            if let Some(rows) = reach.get_mut(row.len()).filter(|rows| **rows > 0) {
                *rows -= 1;
                row.push(None);
                continue;
            }
            let Some(cell) = cells.next() else { break };
            let right = span(cell, "colspan").min(widest.saturating_sub(row.len()).max(1));
            let down = span(cell, "rowspan").min(ROWS_DOWN_MAX) - 1;
            for column in 0..right {
                let at = row.len();
                reach.resize(reach.len().max(at + 1), 0);
                reach[at] = down;
                row.push((column == 0).then_some(*cell));
            }
        }
        // Nothing stands to the right of the last cell, but what reaches down there comes one row nearer.
        reach.iter_mut().skip(row.len()).for_each(|rows| *rows = rows.saturating_sub(1));
        row
    };
    rows.iter().map(columns_of).collect()
}

fn row_line(cells: &[Option<NodeRef<'_>>], width: usize) -> String {
    let mut line = String::from("|");
    for cell in cells {
        if let Some(cell) = cell {
            line.push(' ');
            line.push_str(&Inline::of_children(cell).line().replace('|', "\\|"));
        } else {
            line.push(' ');
        }
        line.push_str(" |");
    }
    for _ in cells.len()..width {
        line.push_str("  |");
    }
    line
}

fn rule_line(cells: &[Option<NodeRef<'_>>], width: usize) -> String {
    let mut line = String::from("|");
    for index in 0..width {
        line.push_str(match cells.get(index).copied().flatten().and_then(|cell| cell.attr("align")).as_deref() {
            Some("right") => " ---: |",
            Some("center") => " :---: |",
            _ => " --- |",
        });
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(html: &str) -> String {
        markdown(&Document::fragment(html))
    }

    #[test]
    fn headings_paragraphs_and_emphasis() {
        assert_eq!(
            of("<h2>A <em>b</em></h2><div>One <b> two </b>three<br>four<p>five</p></div>"),
            "## A *b*\n\nOne **two** three\\\nfour\n\nfive"
        );
    }

    #[test]
    fn lists_nest_and_stay_tight_unless_an_item_has_paragraphs() {
        assert_eq!(of("<ul><li>a<ol start=3><li>b</li><li>c</li></ol></li><li>d</li></ul>"), "- a\n  3. b\n  4. c\n- d");
        assert_eq!(of("<ol><li><p>a</p><p>b</p></li><li>c</li></ol>"), "1. a\n\n   b\n\n2. c");
    }

    #[test]
    fn code_keeps_its_text_and_language() {
        assert_eq!(
            of("<pre><code class=language-rust>let a = \"`\";\n  b&lt;c&gt;();\n</code></pre>"),
            "```rust\nlet a = \"`\";\n  b<c>();\n```"
        );
        assert_eq!(of("<pre>```\nx</pre>"), "````\n```\nx\n````");
    }

    #[test]
    fn tables_with_and_without_a_head() {
        assert_eq!(of("<table><tr><th>a<th align=right>b|<tr><td>1<td><p>2</p></table>"), "| a | b\\| |\n| --- | ---: |\n| 1 | 2 |");
        assert_eq!(of("<table><tr><td>a<td>b<tr><td colspan=2>c</table>"), "|  |  |\n| --- | --- |\n| a | b |\n| c |  |");
        assert_eq!(of("<table><tr><td><p>lay</p><p>out</p></td></tr></table>"), "lay\n\nout");
    }

    #[test]
    fn a_cell_that_reaches_down_leaves_its_column_to_nobody() {
        assert_eq!(
            of("<table><tr><th>Year<th>Count<tr><td rowspan=2>1860<td>4<tr><td>5<tr><td>1861<td rowspan=99>6<tr><td>1862</table>"),
            "| Year | Count |\n| --- | --- |\n| 1860 | 4 |\n|  | 5 |\n| 1861 | 6 |\n| 1862 |  |"
        );
    }

    #[test]
    fn tasks_have_their_boxes() {
        assert_eq!(of("<ul><li>☑  lift<li>☐ drop</ul>"), "- [x] lift\n- [ ] drop");
    }

    #[test]
    fn a_table_of_empty_cells_is_none_and_a_large_one_of_full_cells_is() {
        let hollow = of(&format!("<table><tr>{}{}</table>", "<td>x".repeat(2000), "<tr><td>x".repeat(2000)));
        assert!(hollow.len() < 20_000, "4,000 cells are {} bytes", hollow.len());
        let full = of(&format!("<table>{}</table>", format!("<tr>{}", "<td>x".repeat(150)).repeat(150)));
        assert_eq!(full.lines().count(), 152, "a table with a line for each row");
    }

    #[test]
    fn what_is_nested_too_deep_is_indented_no_further() {
        let nested = of(&format!("{}{}", "<ol start=999999><li>".repeat(85), "x<br>".repeat(400)));
        let widest = nested.lines().map(|line| line.len() - line.trim_start().len()).max();
        assert_eq!(widest, Some("999999. ".len() * NESTED_MAX), "{nested}");
        let quoted = of(&format!("{}x", "<blockquote>".repeat(60)));
        assert_eq!(quoted, format!("{}x", "> ".repeat(NESTED_MAX)));
    }

    /// Each list of definitions would look at all that was written before it: minutes.
    #[test]
    fn sixty_thousand_lists_of_definitions_take_no_time() {
        let text = of(&"<p>x</p><dl><dt></dt><dd>y</dd></dl>".repeat(60_000));
        assert_eq!(text.len(), "x\n\ny\n\n".len() * 60_000 - "\n\n".len());
    }

    #[test]
    fn links_around_blocks_and_quotes() {
        assert_eq!(of("<a href='https://example.com/'><h3>Head</h3></a>"), "### [Head](https://example.com/)");
        assert_eq!(of("<blockquote><p>a</p><ul><li>b</ul></blockquote>"), "> a\n>\n> - b");
    }
}
