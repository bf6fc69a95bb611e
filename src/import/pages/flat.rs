//! Text that arrives flattened: a page someone copied, with the site around it and no structure left. Line rules give it back:
//! headings, paragraphs, bullets, numbered lists with bold heads; the site's own lines go.

use super::chrome;

/// A heading is no longer than this.
const HEADING_CHARS_MAX: usize = 100;
const HEADING_WORDS_MAX: usize = 16;
/// How many blocks into the text the repeated title is looked for.
const TITLE_BLOCKS: usize = 10;
/// A line shorter than this ends where its author ended it; a longer one was wrapped.
const WRAPPED_CHARS_MIN: usize = 50;
const BULLETS: [char; 9] = ['•', '·', '‣', '▪', '◦', '●', '○', '■', '∙'];

/// What the line rules made of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The title, when the text begins with one.
    pub title: Option<String>,
    /// The article as HTML.
    pub html: String,
}

/// Whether a document has no tags to speak of, so that only its lines tell its structure.
pub fn is_flat(text: &str, content_type: Option<&str>) -> bool {
    if content_type.is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("text/plain")) {
        return true;
    }
    !text.match_indices('<').any(|(at, _)| text[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '!' | '/' | '?')))
}

/// Gives a flattened text its structure back.
pub fn restore(text: &str) -> Restored {
    let mut blocks = blocks(text);
    let title = take_title(&mut blocks);
    let mut html = String::with_capacity(text.len() + text.len() / 8);
    let mut index = 0;
    while index < blocks.len() {
        index += write(&blocks, index, &mut html);
    }
    Restored { title, html }
}

/// One block of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Block {
    Lines(Vec<String>),
    Bullet(Vec<String>),
    Number(Vec<String>),
}

impl Block {
    fn lines(&self) -> &[String] {
        let (Self::Lines(lines) | Self::Bullet(lines) | Self::Number(lines)) = self;
        lines
    }
}

/// Cuts the text at empty lines and list marks; lines of the site are left out.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || chrome::is_chrome_line(line) {
            open = false;
        } else if let Some(rest) = bullet(line) {
            blocks.push(Block::Bullet(vec![rest.to_owned()]));
            open = true;
        } else if let Some(rest) = number(line) {
            blocks.push(Block::Number(vec![rest.to_owned()]));
            open = true;
        } else {
            match blocks.last_mut().filter(|_| open) {
                Some(Block::Lines(lines) | Block::Bullet(lines) | Block::Number(lines)) => lines.push(line.to_owned()),
                None => blocks.push(Block::Lines(vec![line.to_owned()])),
            }
            open = true;
        }
    }
    blocks
}

fn bullet(line: &str) -> Option<&str> {
    let rest = line
        .strip_prefix(BULLETS)
        .or_else(|| line.strip_prefix("- "))
        .or_else(|| line.strip_prefix("* "))
        .or_else(|| line.strip_prefix("– "))?;
    Some(rest.trim_start()).filter(|rest| !rest.is_empty())
}

/// What follows `1.` or `1)`. Years and amounts at the beginning of a sentence are no list.
fn number(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = line.len() - rest.len();
    let rest = rest.strip_prefix(". ").or_else(|| rest.strip_prefix(") ")).or_else(|| rest.strip_prefix(".\t"))?;
    Some(rest.trim_start()).filter(|rest| (1..=2).contains(&digits) && !rest.is_empty())
}

/// The title: a short line that stands twice at the beginning (the site's bar and the page's head), else a short first line.
/// What stands before it belongs to the site.
fn take_title(blocks: &mut Vec<Block>) -> Option<String> {
    let end = blocks.len().min(TITLE_BLOCKS);
    for first in 0..end {
        let Some(line) = heading(&blocks[first]).map(str::to_owned) else { continue };
        let Some(again) = (first + 1..end).rfind(|&at| heading(&blocks[at]) == Some(line.as_str())) else { continue };
        let only_short = blocks[..again].iter().all(|block| block.lines().iter().all(|line| line.chars().count() <= HEADING_CHARS_MAX * 2));
        if only_short {
            blocks.drain(..=again);
            return Some(line);
        }
    }
    let line = blocks.first().and_then(heading).map(str::to_owned)?;
    if blocks.len() < 2 {
        return None;
    }
    blocks.remove(0);
    Some(line)
}

/// The line, when a block is a heading: one short line that does not end like a sentence.
fn heading(block: &Block) -> Option<&str> {
    let Block::Lines(lines) = block else { return None };
    let [line] = lines.as_slice() else { return None };
    let short = line.chars().count() <= HEADING_CHARS_MAX && line.split_whitespace().count() <= HEADING_WORDS_MAX;
    let begins = line.chars().next().is_some_and(|c| !c.is_lowercase() && (c.is_alphanumeric() || "\"“‘«¿¡(".contains(c)));
    let ends = !line.ends_with(['.', ',', ';', ':', '…', '。']);
    (short && begins && ends).then_some(line.as_str())
}

/// Writes the block at `index`, or the list that begins there; returns how many blocks that were.
fn write(blocks: &[Block], index: usize, html: &mut String) -> usize {
    let run = |same: fn(&Block) -> bool| blocks[index..].iter().take_while(|block| same(block)).count();
    match &blocks[index] {
        Block::Bullet(_) => {
            let count = run(|block| matches!(block, Block::Bullet(_)));
            list("ul", &blocks[index..index + count], html);
            count
        }
        Block::Number(_) => {
            let count = run(|block| matches!(block, Block::Number(_)));
            list("ol", &blocks[index..index + count], html);
            count
        }
        Block::Lines(lines) => {
            // A heading has something to head.
            if let Some(line) = heading(&blocks[index]).filter(|_| index + 1 < blocks.len()) {
                wrap("h2", &escape(line), html);
            } else {
                wrap("p", &joined(lines), html);
            }
            1
        }
    }
}

fn wrap(tag: &str, inner: &str, html: &mut String) {
    for part in ["<", tag, ">", inner, "</", tag, ">\n"] {
        html.push_str(part);
    }
}

fn list(tag: &str, items: &[Block], html: &mut String) {
    // `Name: what it is` in every item: the names were bold once.
    let labelled = items.len() > 1 && items.iter().all(|item| label(&item.lines()[0]).is_some());
    html.push_str(&format!("<{tag}>\n"));
    for item in items {
        let lines = item.lines();
        let inner = match label(&lines[0]).filter(|_| labelled) {
            Some(end) => format!("<strong>{}</strong>{}", escape(&lines[0][..end]), escape(&joined_plain(lines)[end..])),
            None if lines.len() > 1 && is_head(&lines[0]) => format!("<strong>{}</strong><br>{}", escape(&lines[0]), joined(&lines[1..])),
            None => joined(lines),
        };
        wrap("li", &inner, html);
    }
    html.push_str(&format!("</{tag}>\n"));
}

/// Where the label of a list item ends, behind its colon.
fn label(line: &str) -> Option<usize> {
    let at = line.find(": ")? + 1;
    (line[..at].chars().count() <= 50 && line[..at].split_whitespace().count() <= 7).then_some(at)
}

/// Whether the first line of a list item is its head, not a wrapped sentence.
fn is_head(line: &str) -> bool {
    line.chars().count() <= 70 && !line.ends_with(['.', ',', ';'])
}

/// Lines of one paragraph: wrapped ones are joined, short ones keep their end.
fn joined(lines: &[String]) -> String {
    let mut out = String::new();
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            let wrapped = lines[index - 1].chars().count() >= WRAPPED_CHARS_MIN;
            out.push_str(if wrapped { " " } else { "<br>" });
        }
        out.push_str(&escape(line));
    }
    out
}

fn joined_plain(lines: &[String]) -> String {
    lines.join(" ")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "Search this site\nEmbedded Files\nThe club of examples\n\nHow to Stack Stones: A Guide\n\nHow to Stack Stones: A Guide\n\n\
        Stones are found on beaches & in rivers, and stacking them needs little more than patience.\n\n\nWhat Do You Need?\n\nNot much.\n\n\
        • Stones: flat ones are best.\n\n  • Time: an afternoon.\n\n\nThe Steps\n\n  1. Find a Base\n    It should be <level>.\n\n  2. Go On\n    Add one at a time.\n\n\
        The End\n\nThat is all there is to say about it.\n\n \nGoogle Sites\nReport abuse\nPage details\nPage updated\nGoogle Sites\nReport abuse";

    #[test]
    fn only_the_article_remains_with_its_structure() {
        let restored = restore(PAGE);
        assert_eq!(restored.title.as_deref(), Some("How to Stack Stones: A Guide"));
        assert_eq!(
            restored.html,
            "<p>Stones are found on beaches &amp; in rivers, and stacking them needs little more than patience.</p>\n<h2>What Do You Need?</h2>\n<p>Not much.</p>\n\
             <ul>\n<li><strong>Stones:</strong> flat ones are best.</li>\n<li><strong>Time:</strong> an afternoon.</li>\n</ul>\n<h2>The Steps</h2>\n\
             <ol>\n<li><strong>Find a Base</strong><br>It should be &lt;level&gt;.</li>\n<li><strong>Go On</strong><br>Add one at a time.</li>\n</ol>\n\
             <h2>The End</h2>\n<p>That is all there is to say about it.</p>\n"
        );
    }

    #[test]
    fn wrapped_lines_are_joined_and_short_ones_keep_their_end() {
        let html =
            restore("First line of a paragraph that was wrapped at some width,\nand goes on here.\n\nRoses are red,\nviolets are blue.")
                .html;
        assert_eq!(
            html,
            "<p>First line of a paragraph that was wrapped at some width, and goes on here.</p>\n<p>Roses are red,<br>violets are blue.</p>\n"
        );
    }

    #[test]
    fn text_with_tags_is_not_flat() {
        assert!(is_flat("a < b and c > d", None) && is_flat("<p>x", Some("text/plain; charset=utf-8")));
        assert!(!is_flat("<p>x", None) && !is_flat("text <b>x</b>", Some("text/html")));
    }
}
