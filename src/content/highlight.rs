//! Code in colour, with inline styles only: mail programs drop classes and style sheets.
//!
//! The colours stand on their own light background, so they stay readable when a mail program turns the page dark; each has a
//! contrast of at least 4.5:1 on it. A small scanner knows what most languages share: comments, strings, numbers and keywords. A
//! grammar for each language would colour more, and cost more time than all the rest of an article.

use std::fmt::Write as _;

const PRE: &str = "margin:0 0 16px;padding:12px 16px;background-color:#f6f4ee;color:#1c1f23;font-family:ui-monospace,Menlo,Consolas,monospace;font-size:14px;line-height:1.5;white-space:pre-wrap;word-wrap:break-word";
const COMMENT: &str = "#5f6368";
const STRING: &str = "#1f6b3a";
const NUMBER: &str = "#8a4b08";
const KEYWORD: &str = "#b3261e";

/// What a language looks like to the scanner.
struct Language {
    names: &'static [&'static str],
    line_comments: &'static [&'static str],
    block_comment: Option<(&'static str, &'static str)>,
    quotes: &'static str,
    keywords: &'static str,
}

const C: Option<(&str, &str)> = Some(("/*", "*/"));
const LANGUAGES: &[Language] = &[
    Language {
        names: &["rust", "rs"],
        line_comments: &["//"],
        block_comment: C,
        quotes: "\"",
        keywords: "as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true type unsafe use where while",
    },
    Language {
        names: &["javascript", "js", "jsx", "typescript", "ts", "tsx"],
        line_comments: &["//"],
        block_comment: C,
        quotes: "\"'`",
        keywords: "async await break case catch class const continue default delete do else enum export extends false finally for from function if implements import in instanceof interface let new null of return static super switch this throw true try type typeof undefined var void while yield",
    },
    Language {
        names: &["c", "h", "cpp", "c++", "cc", "hpp", "java", "kotlin", "kt", "swift", "cs", "csharp", "scala", "dart", "php"],
        line_comments: &["//"],
        block_comment: C,
        quotes: "\"'",
        keywords: "abstract auto bool break case catch char class const continue default delete do double else enum extends extern false final finally float for foreach fun func function guard if implements import in int interface internal let long namespace new nil null nullptr override package private protected public return self short signed sizeof static string struct super switch template this throw throws true try typedef union unsigned using val var virtual void volatile when while",
    },
    Language {
        names: &["go", "golang"],
        line_comments: &["//"],
        block_comment: C,
        quotes: "\"'`",
        keywords: "break case chan const continue default defer else fallthrough false for func go goto if import interface map nil package range return select struct switch true type var",
    },
    Language {
        names: &["python", "py"],
        line_comments: &["#"],
        block_comment: None,
        quotes: "\"'",
        keywords: "and as assert async await break case class continue def del elif else except False finally for from global if import in is lambda match None nonlocal not or pass raise return True try while with yield",
    },
    Language {
        names: &["ruby", "rb", "elixir", "ex", "perl", "pl", "r", "julia", "jl"],
        line_comments: &["#"],
        block_comment: None,
        quotes: "\"'",
        keywords: "and begin break case class def defmodule do else elsif end ensure false for foreach function if in local module my next nil not or redo require rescue return self sub super then true undef unless until use when while yield",
    },
    Language {
        names: &["sh", "shell", "bash", "zsh", "fish", "console", "shellsession", "make", "makefile", "dockerfile", "nix"],
        line_comments: &["#"],
        block_comment: None,
        quotes: "\"'",
        keywords: "case do done elif else esac export fi for function if in local return set then unset until while FROM RUN COPY ENV CMD ENTRYPOINT EXPOSE WORKDIR",
    },
    Language {
        names: &["toml", "yaml", "yml", "ini", "conf", "properties"],
        line_comments: &["#", ";"],
        block_comment: None,
        quotes: "\"'",
        keywords: "true false null yes no on off",
    },
    Language { names: &["json", "json5", "jsonc"], line_comments: &["//"], block_comment: C, quotes: "\"", keywords: "true false null" },
    Language {
        names: &["sql", "sqlite", "postgres", "postgresql", "mysql"],
        line_comments: &["--"],
        block_comment: C,
        quotes: "'\"",
        keywords: "ADD ALL ALTER AND AS ASC BEGIN BETWEEN BY CASE COMMIT CREATE DEFAULT DELETE DESC DISTINCT DROP ELSE END EXISTS FROM GROUP HAVING IN INDEX INNER INSERT INTO IS JOIN KEY LEFT LIKE LIMIT NOT NULL ON OR ORDER OUTER PRIMARY REFERENCES RIGHT SELECT SET TABLE THEN UNION UNIQUE UPDATE VALUES VIEW WHEN WHERE WITH",
    },
    Language {
        names: &["lua", "haskell", "hs", "ada"],
        line_comments: &["--"],
        block_comment: None,
        quotes: "\"",
        keywords: "and case class data do else elseif end false for function if import in instance let local module nil not of or repeat return then true type until where while",
    },
    Language {
        names: &["css", "scss", "less"],
        line_comments: &[],
        block_comment: C,
        quotes: "\"'",
        keywords: "important media import supports font-face keyframes",
    },
    Language {
        names: &["html", "xml", "svg", "vue", "svelte"],
        line_comments: &[],
        block_comment: Some(("<!--", "-->")),
        quotes: "\"",
        keywords: "",
    },
];

/// A code block as HTML.
pub fn html(language: &str, code: &str) -> String {
    let mut out = String::with_capacity(code.len() * 2 + PRE.len() + 64);
    let _ = write!(out, "<pre style=\"{PRE}\"><code>");
    let name = language.to_ascii_lowercase();
    match LANGUAGES.iter().find(|known| known.names.contains(&name.as_str())) {
        Some(language) => scan(language, code, &mut out),
        None => escape(code, &mut out),
    }
    out.push_str("</code></pre>");
    out
}

/// Colours `code`, token by token.
fn scan(language: &Language, code: &str, out: &mut String) {
    let mut rest = code;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let (length, colour) = token(language, rest, c, before);
        let (token, after) = rest.split_at(length);
        match colour {
            Some(colour) => {
                let _ = write!(out, "<span style=\"color:{colour}\">");
                escape(token, out);
                out.push_str("</span>");
            }
            None => escape(token, out),
        }
        before = token.chars().next_back().unwrap_or(' ');
        rest = after;
    }
}

/// The length of the token at the beginning of `rest`, and its colour.
fn token(language: &Language, rest: &str, c: char, before: char) -> (usize, Option<&'static str>) {
    let starts_word = !before.is_alphanumeric() && before != '_';
    if let Some((open, close)) = language.block_comment
        && let Some(inner) = rest.strip_prefix(open)
    {
        return (inner.find(close).map_or(rest.len(), |at| open.len() + at + close.len()), Some(COMMENT));
    }
    // In a shell `#` begins a comment only at the start of a word: `$#` and `a#b` do not.
    let comment = language.line_comments.iter().any(|sign| rest.starts_with(sign)) && (c != '#' || before.is_whitespace());
    if comment {
        return (rest.find('\n').unwrap_or(rest.len()), Some(COMMENT));
    }
    if language.quotes.contains(c) {
        return (string(rest, c), Some(STRING));
    }
    if c.is_alphabetic() || c == '_' {
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let keyword = starts_word && language.keywords.split(' ').any(|word| is_keyword(language, word, &rest[..length]));
        return (length, keyword.then_some(KEYWORD));
    }
    if c.is_ascii_digit() && starts_word {
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len());
        return (rest[..length].trim_end_matches('.').len(), Some(NUMBER));
    }
    (c.len_utf8(), None)
}

fn is_keyword(language: &Language, keyword: &str, word: &str) -> bool {
    keyword == word || language.names[0] == "sql" && keyword.eq_ignore_ascii_case(word)
}

/// The length of a string that begins with `quote`; one that is never closed ends with its line.
fn string(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\n' if quote != '`' => return at,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

fn escape(text: &str, out: &mut String) {
    // Writing into a string does not fail.
    let _ = comrak::html::escape(out, text);
}
