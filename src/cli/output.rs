//! What commands print: data on standard output, everything else on standard error.

use std::borrow::Cow;
use std::io::{IsTerminal as _, Write as _};

use unicode_width::UnicodeWidthStr as _;

use super::report;
use crate::model::{Faults, Severity};

/// How wide text is set: what every terminal shows.
const COLUMNS: usize = 80;

/// Where and how a command speaks.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Data as JSON.
    pub json: bool,
    quiet: bool,
}

impl Output {
    /// By the global flags.
    pub fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// A line of data. A closed pipe (`| head`) is not an error.
    pub fn line(&self, text: impl AsRef<str>) {
        let _ = writeln!(std::io::stdout().lock(), "{}", shown(text.as_ref()));
    }

    /// Data as JSON, indented.
    pub fn data(&self, value: &impl serde::Serialize) {
        let json = serde_json::to_string_pretty(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
        self.line(escaped(json));
    }

    /// A result in words: standard output, or standard error when the data goes there as JSON.
    pub fn say(&self, text: impl AsRef<str>) {
        if self.json {
            self.note(text);
        } else if !self.quiet {
            self.line(text);
        }
    }

    /// What failed, in words: as a result is told, and to standard error where nothing else is said. Whoever asked for quiet must hear of it all the same.
    pub fn failed(&self, text: impl AsRef<str>) {
        if self.json || self.quiet {
            let _ = writeln!(std::io::stderr().lock(), "{}", shown(text.as_ref()));
        } else {
            self.line(text);
        }
    }

    /// Progress and advice.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr().lock(), "{}", shown(text.as_ref()));
        }
    }

    /// Faults, drawn with their places.
    pub fn faults(&self, faults: &Faults) {
        let shown = Faults(faults.0.iter().filter(|fault| !self.quiet || fault.severity == Severity::Error).cloned().collect());
        if !shown.0.is_empty() {
            anstream::eprintln!("{}\n", report::styled(&shown));
        }
    }

    /// Asks a yes-or-no question on the terminal; nobody there means no answer.
    pub fn ask(&self, question: &str) -> Option<bool> {
        let answer = self.ask_text(&format!("{question} [y/N]"), "n")?;
        Some(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
    }

    /// Whether somebody is there to be asked.
    pub fn is_interactive(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Asks for a line of text with a default.
    pub fn ask_text(&self, question: &str, default: &str) -> Option<String> {
        if !self.is_interactive() {
            return None;
        }
        let _ = write!(std::io::stderr().lock(), "{question} ");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).ok()?;
        let answer = answer.trim();
        Some(if answer.is_empty() { default.to_owned() } else { answer.to_owned() })
    }
}

/// What a terminal is shown: words of others among ours must not move its cursor or colour it.
fn shown(text: &str) -> Cow<'_, str> {
    if text.contains(is_control) { text.chars().filter(|c| !is_control(*c)).collect::<String>().into() } else { text.into() }
}

/// JSON with all control characters as escapes: the delete and those beyond it are none in JSON's own eyes.
fn escaped(json: String) -> String {
    let escape = |c: char| if is_control(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    if json.contains(is_control) { json.chars().map(escape).collect() } else { json }
}

fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n')
}

/// `1204` as `1,204`.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 article`, `1,204 articles`.
pub fn count(n: u64, one: &str) -> String {
    counted(n, one, &format!("{one}s"))
}

/// The same where an `s` does not make it many: `1 delivery`, `2 deliveries`.
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(n), if n == 1 { one } else { many })
}

/// Words behind `head`, wrapped at 80 columns and continued under their beginning. A word longer than that stays whole, to be copied.
pub fn wrapped(head: &str, words: &str) -> Vec<String> {
    let room = COLUMNS.saturating_sub(head.width());
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in words.split_whitespace() {
        if !line.is_empty() && line.width() + 1 + word.width() > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    let indent = " ".repeat(head.width());
    let starts = std::iter::once(head).chain(std::iter::repeat(indent.as_str()));
    starts.zip(&lines).map(|(start, line)| format!("{start}{line}").trim_end().to_owned()).collect()
}

/// A duration as people say it: `9 ms`, `0.4 s`, `3 min`, `14 h 38 min`, `2 days`.
pub fn duration(time: std::time::Duration) -> String {
    let secs = time.as_secs();
    match secs {
        0 if time.as_millis() < 100 => format!("{} ms", time.as_millis()),
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3600 => format!("{} min", secs.div_ceil(60)),
        3600..172_800 => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
        _ => format!("{} days", secs / 86_400),
    }
}

/// A path as people would type it: without the leading `./`.
pub fn path(path: &std::path::Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

/// Bytes as KiB with one decimal.
pub fn kib(bytes: usize) -> String {
    format!("{:.1} KiB", bytes as f64 / 1024.0)
}

/// Rows with aligned columns, two blanks between; the first row is the heading.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().enumerate().map(|(i, cell)| format!("{cell:<width$}", width = widths[i])).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_move_no_cursor_and_json_keeps_what_they_were() {
        let title = "a\u{1b}[31mb\u{9b}2Jc\rd\u{7f}\0é\te\nf";
        assert_eq!(shown(title), "a[31mb2Jcdé\te\nf");
        let json = escaped(serde_json::to_string(title).unwrap());
        assert!(!json.contains(char::is_control), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), title);
    }
}
