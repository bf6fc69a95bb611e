//! Splitting a file into front matter and body: `+++` TOML, `---` YAML or `{` JSON.

use std::ops::Range;
use std::path::Path;

use crate::model::Fault;

use super::value::{self, Node};

/// What a person does about missing front matter.
const HINT: &str = "begin the file with\n+++\ntitle = \"…\"\ndate = 2026-11-22\n+++";

/// A file taken apart.
#[derive(Debug)]
pub struct Front {
    /// The front matter.
    pub root: Node,
    /// Byte at which the body begins.
    pub body: usize,
}

/// Reads the front matter of `text`, the content of `file`.
pub fn split(file: &Path, text: &str) -> Result<Front, Fault> {
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let start = start + text[start..].len() - text[start..].trim_start_matches(['\r', '\n']).len();
    let rest = &text[start..];
    let broken = |(message, span): value::Broken, language: &str| {
        Fault::error("front-matter-invalid", format!("the front matter is not valid {language}: {message}")).at(file, text, span)
    };
    if first_line(rest) == "+++" {
        let (inner, body) = fenced(file, text, start, "+++")?;
        let root = value::from_toml(&text[inner.clone()], inner.start).map_err(|error| broken(error, "TOML"))?;
        return Ok(Front { root, body });
    }
    if first_line(rest) == "---" {
        let (inner, body) = fenced(file, text, start, "---")?;
        let root = value::from_yaml(&text[inner.clone()], inner.start).map_err(|error| broken(error, "YAML"))?;
        return Ok(Front { root, body });
    }
    if rest.starts_with('{') {
        return json(text, start).map_err(|error| broken(error, "JSON"));
    }
    Err(Fault::error("front-matter-missing", "the article has no front matter").at(file, text, start..start + 1).hint(HINT))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_end()
}

/// The bytes between two lines that are `fence`, and where the body begins.
fn fenced(file: &Path, text: &str, start: usize, fence: &str) -> Result<(Range<usize>, usize), Fault> {
    let inner = start + text[start..].find('\n').map_or(text.len() - start, |at| at + 1);
    let mut at = inner;
    for line in text[inner..].split_inclusive('\n') {
        if line.trim_end() == fence {
            return Ok((inner..at, at + line.len()));
        }
        at += line.len();
    }
    Err(Fault::error("front-matter-open", format!("the front matter is never closed with {fence}"))
        .at(file, text, start..start + fence.len())
        .label("opened here")
        .hint(format!("put a line with only {fence} after the last key")))
}

fn json(text: &str, start: usize) -> Result<Front, value::Broken> {
    let rest = &text[start..];
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<serde_json::Value>();
    match values.next() {
        Some(Ok(value)) => {
            let end = start + values.byte_offset();
            Ok(Front { root: value::from_json(&text[start..end], start, &value), body: end })
        }
        Some(Err(error)) => {
            let line_start = rest.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
            let at = start + line_start + error.column().saturating_sub(1);
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or("it ends too early").to_owned();
            Err((message, at..at + 1))
        }
        None => Err(("it is empty".to_owned(), start..start + 1)),
    }
}
