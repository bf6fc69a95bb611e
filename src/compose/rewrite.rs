//! Rewrites templates so that one rendering serves many readers: where reader data is written, a slot call; where it
//! steers, a key call. Reader names are renamed on the way, so that a use this code overlooked is an undefined variable,
//! never another reader's data. What cannot be rewritten exactly is refused, with the place.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::context::READER_NAMES;
use super::native;
use super::scan::{self, Kind, Part, Token};
use crate::model::Fault;

/// Put before reader names in rewritten sources.
pub(super) const RENAMED: &str = "__reader_";
/// Our functions in rewritten sources.
pub(super) const SLOT: &str = "__slot";
/// See [`SLOT`].
pub(super) const KEY: &str = "__key";
/// Filters whose result depends on escaping, and what reaches into Tera itself: exact only on the full path.
const REFUSED: [&str; 7] = ["safe", "escape", "escape_html", "escape_xml", "newlines_to_br", "super", "__tera_context"];
/// Names that are not variables.
const WORDS: [&str; 14] = ["true", "True", "false", "False", "and", "or", "not", "is", "in", "if", "else", "none", "None", "null"];

/// An expression over reader data.
#[derive(Debug)]
pub(super) struct Expression {
    /// As Tera reads it, in pieces: text, and captured variables between.
    pieces: Vec<Piece>,
    /// Variables that are not the reader's, by the name Tera keeps them under.
    pub(super) captures: Vec<String>,
    /// Whether only its truth matters.
    pub(super) condition: bool,
    /// Evaluated without Tera, when written.
    pub(super) output: Option<native::Output>,
    /// Evaluated without Tera, when it steers.
    pub(super) test: Option<native::Test>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Capture(usize),
}

impl Expression {
    /// As Tera source, with captured variables named `PREFIX_0`, `PREFIX_1` ….
    pub(super) fn source(&self, prefix: &str) -> String {
        let text = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Capture(i) => format!("{prefix}_{i}"),
        });
        let text: String = text.collect();
        if self.condition { format!("(not (not ({text})))") } else { text }
    }
}

/// The rewritten templates.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    pub(super) sources: BTreeMap<String, String>,
    pub(super) expressions: Vec<Expression>,
    /// Why it cannot be done.
    pub(super) refusals: Vec<Fault>,
}

/// Rewrites the templates that `roots` reach. `lines_vary` tells that `issue.subject` and `issue.preheader` differ per reader.
pub(super) fn rewrite(sources: &BTreeMap<String, String>, roots: &[&str], lines_vary: bool) -> Rewritten {
    let mut out = Rewritten::default();
    for name in reached(sources, roots) {
        let source = &sources[&name];
        let mut file = File { name: &name, source, lines_vary, open: Vec::new(), text: String::new(), out: &mut out };
        file.run();
        let text = file.text;
        out.sources.insert(name, text);
    }
    out
}

/// Whether `source` mentions reader data.
pub(super) fn mentions_reader(source: &str) -> bool {
    READER_NAMES.iter().any(|name| source.contains(name)) || source.contains("__tera_context")
}

/// The names of `roots`, of what they extend and include, and of every template that defines a component.
fn reached(sources: &BTreeMap<String, String>, roots: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = roots.iter().map(|name| (*name).to_owned()).collect();
    found.extend(sources.iter().filter(|(_, text)| text.contains("component")).map(|(name, _)| name.clone()));
    let mut i = 0;
    while let Some(name) = found.get(i) {
        let text = sources.get(name).map_or("", String::as_str);
        // Any template named anywhere in this one counts: too many is harmless.
        let named = sources.keys().filter(|other| text.contains(other.as_str())).cloned();
        let new: Vec<String> = named.filter(|other| !found.contains(other)).collect();
        found.extend(new);
        i += 1;
    }
    found.retain(|name| sources.contains_key(name));
    found.sort();
    found.dedup();
    found
}

/// What a tag opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// A loop.
    Loop,
    /// Output is kept for later: block-`set`, `filter`, the body of a component.
    Capture,
    /// The definition of a component.
    Component,
}

struct File<'a> {
    name: &'a str,
    source: &'a str,
    lines_vary: bool,
    open: Vec<Open>,
    text: String,
    out: &'a mut Rewritten,
}

impl<'a> File<'a> {
    fn run(&mut self) {
        for reserved in [RENAMED, "__slot", "__key", "__outcome", "__tera_context"] {
            if let Some(at) = self.source.find(reserved) {
                self.refuse(at..at + reserved.len(), "names that begin with two underscores are ours or Tera's");
            }
        }
        let Some(parts) = scan::parts(self.source) else {
            self.refuse(0..0, "the template cannot be read tag by tag");
            return;
        };
        for (range, part) in parts {
            match part {
                Part::Other => self.text.push_str(&self.source[range]),
                Part::Output(inner) => self.part(range, inner, Self::output),
                Part::Tag(inner) => self.part(range, inner, Self::tag),
            }
        }
    }

    /// Rewrites the inside of one tag and keeps what is around it, with its whitespace control.
    fn part(&mut self, range: Range<usize>, inner: Range<usize>, rewrite: fn(&mut Self, Range<usize>, &[Token]) -> Option<String>) {
        let Some(tokens) = scan::tokens(self.source, inner.clone()) else {
            return self.refuse(range, "the tag cannot be read");
        };
        let new = rewrite(self, inner.clone(), &tokens).unwrap_or_else(|| self.source[inner.clone()].to_owned());
        self.text.push_str(&self.source[range.start..inner.start]);
        self.text.push_str(&new);
        self.text.push_str(&self.source[inner.end..range.end]);
    }

    /// `{{ … }}`: a slot, or a key where the output is kept for later.
    fn output(&mut self, inner: Range<usize>, tokens: &[Token]) -> Option<String> {
        let words = self.words(tokens);
        if words.contains(&"super") && (words != ["super", "(", ")"] || self.open.contains(&Open::Capture)) {
            self.refuse(inner.clone(), "super() is exact only when it is written as it is");
        }
        if words.first() == Some(&"<") {
            return self.component_call(inner, tokens);
        }
        if !self.has_reader(tokens) {
            return None;
        }
        if self.open.contains(&Open::Capture) {
            return Some(self.key(tokens, false));
        }
        let id = self.expression(tokens, false);
        Some(format!(" {SLOT}(n={id}) "))
    }

    fn tag(&mut self, inner: Range<usize>, tokens: &[Token]) -> Option<String> {
        let words = self.words(tokens);
        match words[..] {
            ["if" | "elif", ..] => self.steered(inner, tokens, 1, true),
            ["for", ..] => {
                self.open.push(Open::Loop);
                let at = words.iter().position(|word| *word == "in")? + 1;
                self.binds(&tokens[1..at]);
                self.steered(inner, tokens, at, false)
            }
            ["endfor"] => self.close(Open::Loop),
            ["set" | "set_global", _, "=", ..] => {
                self.binds(&tokens[1..2]);
                self.steered(inner, tokens, 3, false)
            }
            ["set" | "set_global" | "filter", ..] => {
                self.binds(tokens);
                self.open.push(Open::Capture);
                None
            }
            ["endset" | "endfilter", ..] => self.close(Open::Capture),
            ["<", ..] => {
                let new = self.component_call(inner, tokens);
                self.open.push(Open::Capture);
                new
            }
            ["</", ..] => self.close(Open::Capture),
            ["component", ..] => {
                self.binds(tokens);
                self.open.push(Open::Component);
                None
            }
            ["endcomponent", ..] => self.close(Open::Component),
            _ => {
                self.plain(inner, tokens);
                None
            }
        }
    }

    /// `include`, `extends`, `block` and whatever else there is: no reader data, and nothing that is kept for later.
    fn plain(&mut self, inner: Range<usize>, tokens: &[Token]) {
        if self.has_reader(tokens) {
            self.refuse(inner.clone(), "this tag cannot take reader data");
        }
        let first = tokens.first().map_or("", |token| &self.source[token.range.clone()]);
        if matches!(first, "include" | "block") && self.open.contains(&Open::Capture) {
            self.refuse(inner, "a template or block inside set, filter or a component's body may hide reader data");
        }
    }

    fn close(&mut self, what: Open) -> Option<String> {
        if let Some(i) = self.open.iter().rposition(|open| *open == what) {
            self.open.remove(i);
        }
        None
    }

    /// A tag whose tokens from `from` on are an expression that steers.
    fn steered(&mut self, inner: Range<usize>, tokens: &[Token], from: usize, condition: bool) -> Option<String> {
        let (head, expression) = tokens.split_at_checked(from)?;
        if self.words(expression).contains(&"super") || self.words(expression).windows(2).any(|pair| pair == ["<", "/"]) {
            self.refuse(inner.clone(), "super() and components cannot steer");
        }
        if !self.has_reader(expression) {
            return None;
        }
        let start = head.last().map_or(inner.start, |token| token.range.end);
        Some(format!("{} {} ", &self.source[inner.start..start], self.key(expression, condition)))
    }

    /// `<Card title={subscriber.name}>`: each argument with reader data becomes a key.
    fn component_call(&mut self, inner: Range<usize>, tokens: &[Token]) -> Option<String> {
        let words = self.words(tokens);
        let mut new = String::new();
        let (mut done, mut i) = (inner.start, 1);
        while i < tokens.len() {
            let is_argument = words[i] == "{" && words[i - 1] == "=";
            if !is_argument {
                if self.has_reader(&tokens[i..=i]) && words.get(i + 1) != Some(&"=") {
                    self.refuse(tokens[i].range.clone(), "reader data reaches a component only as `name={…}`");
                }
                i += 1;
                continue;
            }
            let close = (i..tokens.len()).find(|&j| words[j] == "}")?;
            let expression = &tokens[i + 1..close];
            if self.has_reader(expression) {
                new.push_str(&self.source[done..tokens[i].range.end]);
                new.push_str(&self.key(expression, false));
                done = tokens[close].range.start;
            }
            i = close + 1;
        }
        new.push_str(&self.source[done..inner.end]);
        Some(new)
    }

    fn key(&mut self, tokens: &[Token], condition: bool) -> String {
        if self.open.contains(&Open::Component) {
            self.refuse_tokens(tokens, "a component sees only its arguments");
        }
        let id = self.expression(tokens, condition);
        let expression = &self.out.expressions[id];
        let in_place: String = expression
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Capture(i) => in_place(&expression.captures[*i]),
            })
            .collect();
        let value = if condition { format!("(not (not ({in_place})))") } else { in_place };
        format!("{KEY}(n={id}, v={value})")
    }

    /// Takes up an expression; refuses what could not be evaluated the same way elsewhere. Gives its number.
    fn expression(&mut self, tokens: &[Token], condition: bool) -> usize {
        for token in tokens {
            let word = &self.source[token.range.clone()];
            if token.kind != Kind::Text && (REFUSED.contains(&word) || matches!(word, "{" | "..." | "</" | "for")) {
                self.refuse(token.range.clone(), &format!("`{word}` on reader data is exact only reader by reader"));
            }
        }
        if self.open.contains(&Open::Component) {
            self.refuse_tokens(tokens, "a component sees only its arguments");
        }
        let mut expression = Expression {
            pieces: Vec::new(),
            captures: Vec::new(),
            condition,
            output: native::Output::parse(self.source, tokens),
            test: native::Test::parse(self.source, tokens),
        };
        let mut i = 0;
        while i < tokens.len() {
            i += self.piece(tokens, i, &mut expression);
        }
        self.out.expressions.push(expression);
        self.out.expressions.len() - 1
    }

    /// Adds the token at `i` to the expression; gives how many tokens that took.
    fn piece(&mut self, tokens: &[Token], i: usize, expression: &mut Expression) -> usize {
        let word = &self.source[tokens[i].range.clone()];
        let mut text = |text: String| expression.pieces.push(Piece::Text(format!("{text} ")));
        if !self.is_variable(tokens, i) {
            text(word.to_owned());
            return 1;
        }
        if self.is_reader(tokens, i) {
            text(format!("{RENAMED}{word}"));
            return 1;
        }
        let mut used = 1;
        let mut name = word.to_owned();
        if word == "loop" {
            if !self.open.contains(&Open::Loop) || self.words(tokens).get(i + 1) != Some(&".") || tokens.len() < i + 3 {
                self.refuse(tokens[i].range.clone(), "`loop` with reader data is exact only as `loop.index` inside its own for");
                return 1;
            }
            name = format!("__tera_loop_{}", &self.source[tokens[i + 2].range.clone()]);
            used = 3;
        }
        let known = expression.captures.iter().position(|capture| *capture == name);
        let capture = known.unwrap_or_else(|| {
            expression.captures.push(name);
            expression.captures.len() - 1
        });
        expression.pieces.push(Piece::Capture(capture));
        expression.pieces.push(Piece::Text(" ".to_owned()));
        used
    }

    /// Whether the token at `i` is a variable: not a word of Tera, an attribute, a filter, a test, a function or an argument's name.
    fn is_variable(&self, tokens: &[Token], i: usize) -> bool {
        let words = self.words(tokens);
        let before = i.checked_sub(1).map_or("", |i| words[i]);
        let is_test = before == "is" || (before == "not" && i >= 2 && words[i - 2] == "is");
        tokens[i].kind == Kind::Name
            && !WORDS.contains(&words[i])
            && !matches!(before, "." | "?." | "|")
            && !is_test
            && !matches!(words.get(i + 1), Some(&("(" | "=")))
    }

    /// Whether the token at `i` is a variable that holds reader data.
    fn is_reader(&self, tokens: &[Token], i: usize) -> bool {
        let words = self.words(tokens);
        let is_issue = || match words.get(i + 1..i + 3) {
            Some([".", field]) => matches!(*field, "subject" | "preheader"),
            _ => true,
        };
        let named = READER_NAMES.contains(&words[i]) || (self.lines_vary && words[i] == "issue" && is_issue());
        named && self.is_variable(tokens, i)
    }

    fn has_reader(&self, tokens: &[Token]) -> bool {
        (0..tokens.len()).any(|i| self.is_reader(tokens, i))
    }

    /// Refuses a tag that gives a reader name another meaning.
    fn binds(&mut self, tokens: &[Token]) {
        let reserved = |word: &str| READER_NAMES.contains(&word) || word == "issue";
        if let Some(token) = tokens.iter().find(|token| token.kind == Kind::Name && reserved(&self.source[token.range.clone()])) {
            self.refuse(token.range.clone(), "reader names cannot be given another meaning, nor used here");
        }
    }

    fn words(&self, tokens: &[Token]) -> Vec<&'a str> {
        tokens.iter().map(|token| &self.source[token.range.clone()]).collect()
    }

    fn refuse_tokens(&mut self, tokens: &[Token], why: &str) {
        let range = tokens.first().map_or(0, |token| token.range.start)..tokens.last().map_or(0, |token| token.range.end);
        self.refuse(range, why);
    }

    fn refuse(&mut self, range: Range<usize>, why: &str) {
        let fault = Fault::warning("slow-template", "this Issue is rendered anew for every reader, which is slower")
            .at(Path::new(self.name), self.source, range)
            .label(why);
        self.out.refusals.push(fault);
    }
}

/// A captured variable as the template itself writes it.
fn in_place(capture: &str) -> String {
    capture.strip_prefix("__tera_loop_").map_or_else(|| capture.to_owned(), |field| format!("loop.{field}"))
}
