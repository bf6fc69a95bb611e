//! The inline half of Markdown: text, emphasis, links, pictures and code within a line.

use dom_query::NodeRef;

use super::markdown::longest_run;

/// Inline content under way.
#[derive(Default)]
pub(super) struct Inline {
    out: String,
    bold: bool,
    italic: bool,
    linked: bool,
    /// Whether the text so far ends with a space or break, so that the next one is dropped.
    spaced: bool,
}

/// Whether an element stands on lines of its own.
pub(super) fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "div"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "ul"
            | "ol"
            | "li"
            | "pre"
            | "blockquote"
            | "hr"
            | "table"
            | "tbody"
            | "thead"
            | "tfoot"
            | "tr"
            | "td"
            | "th"
            | "caption"
            | "dl"
            | "dt"
            | "dd"
            | "figure"
            | "figcaption"
            | "address"
            | "center"
            | "details"
            | "summary"
            | "section"
            | "article"
            | "main"
            | "header"
            | "footer"
            | "aside"
            | "nav"
            | "form"
            | "html"
            | "body"
    )
}

impl Inline {
    /// The inline content of an element.
    pub(super) fn of_children(node: &NodeRef<'_>) -> Self {
        let mut inline = Self::default();
        inline.add_children(node);
        inline
    }

    /// Adds a node to the content.
    pub(super) fn add(&mut self, node: &NodeRef<'_>) {
        if node.is_text() {
            self.text(&node.text());
            return;
        }
        let name = node.node_name();
        match name.as_deref().unwrap_or_default() {
            "br" => self.line_break(),
            "b" | "strong" if !self.bold => self.marked(node, "**", |it, on| it.bold = on),
            "i" | "em" | "cite" | "dfn" | "var" if !self.italic => self.marked(node, "*", |it, on| it.italic = on),
            "del" | "s" => self.marked(node, "~~", |_, _| ()),
            "code" | "kbd" | "samp" => self.code(&node.text()),
            name @ ("sup" | "sub") => self.shifted(node, name),
            "a" if !self.linked => self.link(node),
            "img" => self.picture(node),
            "q" => {
                self.raw("“");
                self.add_children(node);
                self.raw("”");
            }
            name if is_block(name) => {
                self.space();
                self.add_children(node);
                self.space();
            }
            _ => self.add_children(node),
        }
    }

    fn add_children(&mut self, node: &NodeRef<'_>) {
        for child in node.children_it(false) {
            self.add(&child);
        }
    }

    /// The content as a paragraph: lines, with nothing at their beginning that would be read as a block.
    pub(super) fn paragraph(self) -> String {
        let text = self.out.trim_end_matches(['\\', '\n', ' ']).len();
        let trimmed = if self.out[text..].contains('\n') { &self.out[..text] } else { self.out.trim_end() };
        trimmed.trim_start().split('\n').map(guarded).collect::<Vec<_>>().join("\n")
    }

    /// The content on one line.
    pub(super) fn line(self) -> String {
        let text = self.out.replace("\\\n", " ").replace('\n', " ");
        let text = text.trim();
        // A heading's closing marks would be taken off.
        text.strip_suffix('#').map_or_else(|| text.to_owned(), |bare| format!("{bare}\\#"))
    }

    fn raw(&mut self, text: &str) {
        self.out.push_str(text);
        self.spaced = false;
    }

    fn space(&mut self) {
        if !self.spaced && !self.out.is_empty() {
            self.out.push(' ');
            self.spaced = true;
        }
    }

    fn line_break(&mut self) {
        let kept = self.out.trim_end_matches(' ').len();
        self.out.truncate(kept);
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push_str("\\\n");
        }
        self.spaced = true;
    }

    /// Text with runs of white space as one space and marks that mean something escaped.
    fn text(&mut self, text: &str) {
        let mut previous = self.out.chars().next_back().unwrap_or(' ');
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if c.is_whitespace() && c != '\u{a0}' {
                self.space();
                previous = ' ';
                continue;
            }
            let next = chars.peek().copied().unwrap_or(' ');
            if needs_escape(c, previous, next) {
                self.out.push('\\');
            }
            self.out.push(c);
            self.spaced = false;
            previous = c;
        }
    }

    /// Emphasis, with the spaces at its ends moved outside: `** a **` is not bold.
    fn marked(&mut self, node: &NodeRef<'_>, mark: &str, switch: fn(&mut Self, bool)) {
        let start = self.out.len();
        let spaced_before = self.spaced;
        switch(self, true);
        self.add_children(node);
        switch(self, false);
        let inner = self.out.split_off(start);
        let body = inner.trim();
        if body.is_empty() || body.contains("\n\n") {
            self.out.push_str(&inner);
            return;
        }
        self.spaced = spaced_before;
        if inner.starts_with(' ') {
            self.space();
        }
        let body = body.trim_end_matches("\\\n").trim_end_matches('\\');
        let joined = self.out.ends_with(mark)
            && self.out.len() > mark.len()
            && !self.out.ends_with(&format!("\\{mark}"))
            && mark != "*"
            && start == self.out.len();
        let before = self.out.chars().next_back();
        if joined {
            self.out.truncate(self.out.len() - mark.len());
            self.out.push_str(body);
            self.out.push_str(mark);
        } else if opens(before, body) {
            self.out.push_str(mark);
            self.out.push_str(body);
            self.out.push_str(mark);
        } else {
            self.out.push_str(body);
        }
        self.spaced = false;
        if inner.ends_with('\n') {
            self.line_break();
        } else if inner.ends_with(' ') {
            self.space();
        }
    }

    /// Raised and lowered text keeps its element, since Markdown has no mark for it and 10⁹ is not 109.
    fn shifted(&mut self, node: &NodeRef<'_>, name: &str) {
        let (start, spaced_before) = (self.out.len(), self.spaced);
        self.raw(&format!("<{name}>"));
        let opened = self.out.len();
        self.add_children(node);
        if self.out[opened..].trim().is_empty() {
            let is_space = self.out.len() > opened;
            self.out.truncate(start);
            self.spaced = spaced_before;
            if is_space {
                self.space();
            }
        } else {
            self.raw(&format!("</{name}>"));
        }
    }

    fn code(&mut self, text: &str) {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            return;
        }
        let fence = "`".repeat(if text.contains('`') { longest_run(&text, '`') + 1 } else { 1 });
        let space = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
        self.raw(&format!("{fence}{space}{text}{space}{fence}"));
    }

    fn link(&mut self, node: &NodeRef<'_>) {
        let Some(href) = node.attr("href") else { return self.add_children(node) };
        let start = self.out.len();
        let spaced_before = self.spaced;
        self.linked = true;
        self.add_children(node);
        self.linked = false;
        let inner = self.out.split_off(start);
        let text = inner.replace("\\\n", " ");
        let text = text.trim();
        if text.is_empty() {
            self.out.push_str(&inner);
            return;
        }
        self.spaced = spaced_before;
        if inner.starts_with(' ') {
            self.space();
        }
        self.raw(&format!("[{text}]({}{})", address(&href), title(node)));
        if inner.ends_with([' ', '\n']) {
            self.space();
        }
    }

    fn picture(&mut self, node: &NodeRef<'_>) {
        let Some(src) = node.attr("src") else { return };
        let alt = node.attr("alt").unwrap_or_default();
        let mut words = Self::default();
        words.text(&alt);
        self.raw(&format!("![{}]({}{})", words.out.trim(), address(&src), title(node)));
    }
}

fn title(node: &NodeRef<'_>) -> String {
    let title = node.attr("title").unwrap_or_default();
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    if title.is_empty() { title } else { format!(" \"{}\"", title.replace('\\', "\\\\").replace('"', "\\\"")) }
}

/// An address as a link's target.
pub(super) fn address(url: &str) -> String {
    let mut depth = 0i32;
    let balanced = url.chars().all(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth >= 0
    }) && depth == 0;
    let escaped = url.replace('\\', "%5C").replace('<', "%3C").replace('>', "%3E").replace(['\n', '\r'], "");
    if balanced && !escaped.contains(char::is_whitespace) { escaped } else { format!("<{escaped}>") }
}

/// Whether emphasis may open here: behind a letter it may not begin with a mark.
fn opens(before: Option<char>, body: &str) -> bool {
    let first = body.chars().next().unwrap_or(' ');
    let mark = |c: char| !c.is_alphanumeric() && !c.is_whitespace();
    !(mark(first) && before.is_some_and(char::is_alphanumeric))
}

fn needs_escape(c: char, previous: char, next: char) -> bool {
    match c {
        '\\' => next.is_ascii_punctuation() || next == ' ',
        '`' | '[' | ']' => true,
        '*' => !(previous == ' ' && next == ' '),
        '_' => !(previous.is_alphanumeric() && next.is_alphanumeric()),
        '<' => next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?'),
        '&' => next.is_ascii_alphabetic() || next == '#',
        // One that may not close strikes nothing out.
        '~' => !previous.is_whitespace() || next == '~',
        _ => false,
    }
}

/// A line whose beginning would be read as a heading, list, quote or rule, with that undone.
fn guarded(line: &str) -> String {
    let digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let numbered = digits.len() < line.len() && line.len() - digits.len() <= 9;
    if numbered && (digits.starts_with(". ") || digits.starts_with(") ") || digits == "." || digits == ")") {
        let at = line.len() - digits.len();
        return format!("{}\\{}", &line[..at], digits);
    }
    let marks = line.trim_start_matches('#');
    let heading = marks.len() < line.len() && line.len() - marks.len() <= 6 && (marks.is_empty() || marks.starts_with(' '));
    let item = matches!(line.as_bytes(), [b'-' | b'+', b' ', ..] | [b'-' | b'+']);
    let rule = line.len() >= 2 && (line.bytes().all(|byte| matches!(byte, b'-' | b' ')) || line.bytes().all(|byte| byte == b'='));
    if heading || item || rule || line.starts_with('>') || line.starts_with("~~~") || line.starts_with('|') || line == "=" {
        return format!("\\{line}");
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dom_query::Document;

    fn of(html: &str) -> String {
        let doc = Document::fragment(html);
        Inline::of_children(&doc.html_root()).paragraph()
    }

    #[test]
    fn marks_in_text_are_escaped_where_they_would_mean_something() {
        assert_eq!(
            of("2 * 3 snake_case _x_ *y* [z] a&lt;b&gt; 1 &lt; 2 &amp;amp; R&amp;D"),
            "2 * 3 snake_case \\_x\\_ \\*y\\* \\[z\\] a\\<b> 1 < 2 \\&amp; R\\&D"
        );
        assert_eq!(of("# no"), "\\# no");
        assert_eq!(of("1. no<br>- no"), "1\\. no\\\n\\- no");
    }

    #[test]
    fn emphasis_keeps_its_spaces_outside_and_joins_its_neighbour() {
        assert_eq!(of("a<b> b </b>c <strong>d</strong><strong>e</strong> <i></i>"), "a **b** c **de**");
        assert_eq!(of("<b><i>x</i></b> <b>y<b>z</b></b>"), "***x*** **yz**");
    }

    #[test]
    fn raised_and_lowered_text_stays_so_and_tildes_strike_nothing_out() {
        assert_eq!(of("10<sup>9</sup> m<sup> </sup> CO<sub>2</sub>"), "10<sup>9</sup> m CO<sub>2</sub>");
        assert_eq!(of("~tilde~ ~~x~~ ~5 and ~6 a ~ b"), "~tilde\\~ \\~\\~x\\~\\~ ~5 and ~6 a ~ b");
    }

    #[test]
    fn links_pictures_and_code() {
        assert_eq!(
            of("<a href='https://example.com/a_(b)' title='T \"q\"'> text </a>x"),
            "[text](https://example.com/a_(b) \"T \\\"q\\\"\") x"
        );
        assert_eq!(
            of("<a href='https://example.com/('><img src='https://example.com/i.png' alt='a [b]'></a>"),
            "[![a \\[b\\]](https://example.com/i.png)](<https://example.com/(>)"
        );
        assert_eq!(of("<code>a`b  c</code>"), "``a`b c``");
    }
}
