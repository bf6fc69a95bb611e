//! The inline half of Markdown: text, emphasis, links, pictures and code within a line.

use dom_query::NodeRef;

use super::markdown::longest_run;

/// Keeps two marks apart, and shows nowhere.
const NOTHING: &str = "<!-- -->";

/// Inline content under way.
#[derive(Default)]
pub(super) struct Inline {
    out: String,
    bold: bool,
    italic: bool,
    linked: bool,
    /// Whether the text so far ends with a space or break, so that the next one is dropped.
    spaced: bool,
    /// Where the innermost mark or link under way begins: what stands before it is finished.
    floor: usize,
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
        parted(&self.out).1.split('\n').map(guarded).collect::<Vec<_>>().join("\n")
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
        let kept = self.out[self.floor..].trim_end_matches(' ').len();
        self.out.truncate(self.floor + kept);
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push_str("\\\n");
        }
        self.spaced = true;
    }

    /// Text with runs of white space as one space and marks that mean something escaped. Where it ends and begins, anything may follow and stand before.
    fn text(&mut self, text: &str) {
        let is_gap = |c: char| c.is_whitespace() && c != '\u{a0}';
        let core = text.trim_matches(is_gap);
        if text.starts_with(is_gap) {
            self.space();
        }
        // At the beginning of a mark or a link, its own sign comes between.
        if self.out.len() > self.floor && core.starts_with(char::is_alphanumeric) && self.ends_in_open_mark() {
            self.raw(NOTHING);
        }
        let mut previous = None;
        let mut chars = core.chars().peekable();
        while let Some(c) = chars.next() {
            let c = if is_gap(c) { ' ' } else { c };
            if c == ' ' {
                self.space();
            } else {
                let next = chars.peek().map(|&next| if is_gap(next) { ' ' } else { next });
                if needs_escape(c, previous, next) {
                    self.out.push('\\');
                }
                self.out.push(c);
                self.spaced = false;
            }
            previous = Some(c);
        }
        if !core.is_empty() && text.ends_with(is_gap) {
            self.space();
        }
    }

    /// What parts words: nothing, a space, or a line break of ours.
    fn gap(&mut self, gap: &str) {
        if gap.contains("\\\n") {
            self.line_break();
        } else if !gap.is_empty() {
            self.space();
        }
    }

    /// Whether the content ends with a mark of emphasis behind a sign: before a letter, that would open one and close none.
    fn ends_in_open_mark(&self) -> bool {
        let (bare, marks) = mark_behind(&self.out, &['*', '~']);
        let is_sign = |c: char| !c.is_alphanumeric() && !c.is_whitespace();
        marks > 0 && bare.ends_with(is_sign)
    }

    /// Writes the children elsewhere, as if they followed what is there.
    fn inner(&mut self, node: &NodeRef<'_>) -> String {
        let start = self.out.len();
        let floor = std::mem::replace(&mut self.floor, start);
        self.add_children(node);
        self.floor = floor;
        self.out.split_off(start)
    }

    /// Emphasis, with the spaces at its ends moved outside: `** a **` is not bold.
    fn marked(&mut self, node: &NodeRef<'_>, mark: &str, switch: fn(&mut Self, bool)) {
        let spaced_before = self.spaced;
        switch(self, true);
        let inner = self.inner(node);
        switch(self, false);
        let (before, body, after) = parted(&inner);
        if body.is_empty() {
            self.out.push_str(&inner);
            return;
        }
        self.spaced = spaced_before;
        self.gap(before);
        if self.joins(mark) && before.is_empty() {
            self.out.truncate(self.out.len() - mark.len());
            self.out.push_str(body);
            self.out.push_str(mark);
        } else if opens(self.out.chars().next_back(), body) {
            if self.ends_in_open_mark() {
                self.out.push_str(NOTHING);
            }
            self.out.push_str(mark);
            self.out.push_str(body);
            self.out.push_str(mark);
        } else {
            self.out.push_str(body);
        }
        self.spaced = false;
        self.gap(after);
    }

    /// Whether the content ends with this mark, so that two of a kind become one.
    fn joins(&self, mark: &str) -> bool {
        let sign = mark.chars().next().unwrap_or(' ');
        let (bare, marks) = mark_behind(&self.out, &[sign]);
        !bare.is_empty() && if mark == "*" { marks == 1 } else { marks >= mark.len() }
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
        if self.out.ends_with('`') {
            self.raw(NOTHING);
        }
        self.raw(&format!("{fence}{space}{text}{space}{fence}"));
    }

    fn link(&mut self, node: &NodeRef<'_>) {
        let Some(href) = node.attr("href") else { return self.add_children(node) };
        let spaced_before = self.spaced;
        self.linked = true;
        let inner = self.inner(node);
        self.linked = false;
        let flat = inner.replace("\\\n", " ");
        let (before, text, after) = parted(&flat);
        if text.is_empty() {
            self.out.push_str(&inner);
            return;
        }
        self.spaced = spaced_before;
        self.gap(before);
        if self.out.ends_with('!') {
            // Behind this sign it would be a picture.
            self.out.pop();
            self.out.push_str("\\!");
        }
        self.raw(&format!("[{text}]({}{})", address(&href), title(node)));
        self.gap(after);
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

/// A text in three: the spaces and line breaks of ours before it, itself, and those behind it.
fn parted(text: &str) -> (&str, &str, &str) {
    let mut rest = text.trim_start();
    while let Some(behind) = rest.strip_prefix("\\\n") {
        rest = behind.trim_start();
    }
    let (before, rest) = text.split_at(text.len() - rest.len());
    let is_space = |c: char| c.is_whitespace() && c != '\n';
    let mut body = rest.trim_end_matches(is_space);
    while let Some(bare) = body.strip_suffix("\\\n") {
        body = bare.trim_end_matches(is_space);
    }
    (before, body, &rest[body.len()..])
}

/// A text without the marks of emphasis at its end, and how many those are. One that is escaped is none.
fn mark_behind<'t>(text: &'t str, signs: &[char]) -> (&'t str, usize) {
    let bare = text.trim_end_matches(signs);
    let is_escaped = (bare.len() - bare.trim_end_matches('\\').len()) % 2 == 1;
    let bare = if is_escaped && bare.len() < text.len() { &text[..=bare.len()] } else { bare };
    (bare, text.len() - bare.len())
}

/// Whether a character would mean something between these; `None` is the end of a text, behind which anything may stand.
fn needs_escape(c: char, previous: Option<char>, next: Option<char>) -> bool {
    let Some(next) = next else { return matches!(c, '\\' | '`' | '[' | ']' | '*' | '_' | '<' | '&' | '~') };
    match c {
        '\\' => next.is_ascii_punctuation() || next == ' ',
        '`' | '[' | ']' => true,
        '*' => !(previous == Some(' ') && next == ' '),
        '_' => !(previous.is_some_and(char::is_alphanumeric) && next.is_alphanumeric()),
        '<' => next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?'),
        '&' => next.is_ascii_alphabetic() || next == '#',
        // One that may not close strikes nothing out.
        '~' => previous != Some(' ') || next == '~',
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
    // Of these signs also the line under a table's head is made.
    let rule = line.len() >= 2 && (line.bytes().all(|byte| b"-|: ".contains(&byte)) || line.bytes().all(|byte| byte == b'='));
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
    fn marks_at_the_border_of_two_texts_are_escaped_whatever_follows() {
        assert_eq!(of("&lt;<wbr>iframe src=x&gt; &amp;<wbr>lt;"), "\\<iframe src=x> \\&lt;");
        assert_eq!(of("2 *<b>x</b>, C:\\<b>y</b>, <b>D:\\</b> E:\\<br>"), "2 \\***x**, C:\\\\**y**, **D:\\\\** E:\\\\");
        assert_eq!(of("* no <b>* y</b>"), "\\* no **\\* y**");
        assert_eq!(of("Hurray!<a href='https://example.com/'>Look</a>"), "Hurray\\![Look](https://example.com/)");
        assert_eq!(of("<code>a</code><code>b</code>"), "`a`<!-- -->`b`");
        assert_eq!(of("a | b<br>--- | ---"), "a | b\\\n\\--- | ---");
    }

    #[test]
    fn emphasis_ends_where_it_ended() {
        assert_eq!(of("<b>Note:</b>text <b>Note:</b><i>x</i>"), "**Note:**<!-- -->text **Note:**<!-- -->*x*");
        assert_eq!(of("<i>a</i><i>b</i> <i>c*</i><i>d</i>"), "*ab* *c\\*d*");
        assert_eq!(of("a <b><br>x<br></b>y&nbsp;<i>&nbsp;z&nbsp;</i>w"), "a\\\n**x**\\\ny\u{a0} *z* w");
    }

    #[test]
    fn raised_and_lowered_text_stays_so_and_tildes_strike_nothing_out() {
        assert_eq!(of("10<sup>9</sup> m<sup> </sup> CO<sub>2</sub>"), "10<sup>9</sup> m CO<sub>2</sub>");
        assert_eq!(of("~tilde~ ~~x~~ ~5 and ~6 a ~ b"), "\\~tilde\\~ \\~\\~x\\~\\~ ~5 and ~6 a ~ b");
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
