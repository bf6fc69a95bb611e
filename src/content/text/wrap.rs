//! Breaking lines by the width of what is seen: ideographs and emoji are two columns wide.

use unicode_width::UnicodeWidthStr as _;

use super::inline::{HARD, SOFT};

/// Whether a character belongs to a script that is written without spaces and may be broken after almost any character.
pub fn is_cjk(c: char) -> bool {
    matches!(c, '\u{2E80}'..='\u{30FF}' | '\u{3100}'..='\u{312F}' | '\u{31A0}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF01}'..='\u{FF60}' | '\u{20000}'..='\u{3FFFF}')
}

/// Characters that may not begin a line.
fn closes(c: char) -> bool {
    "、。，．・：；？！ー々」』）】〕》〉］｝ぁぃぅぇぉっゃゅょァィゥェォッャュョ".contains(c)
}

/// Characters that may not end a line.
fn opens(c: char) -> bool {
    "「『（【〔《〈［｛".contains(c)
}

/// Breaks `text` into lines of at most `columns`; a word that is longer stands on a line of its own.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    text.split(HARD).flat_map(|part| wrap_part(part, columns)).collect()
}

fn wrap_part(text: &str, columns: usize) -> Vec<String> {
    let mut out = Lines { done: Vec::new(), line: String::new(), width: 0, columns };
    let mut rest = text;
    let mut soft = false;
    let mut last = None;
    while !rest.is_empty() {
        let end = rest.bytes().position(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).unwrap_or(rest.len());
        let word = &rest[..end];
        if let Some(first) = word.chars().next() {
            // A line break in the source of a text without spaces is no space.
            let spaced = !(soft && is_cjk(first) && last.is_some_and(is_cjk));
            place_word(word, spaced, &mut out);
            last = word.chars().next_back();
        }
        soft = rest[end..].starts_with(SOFT);
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    out.end_line();
    out.done
}

/// Lines while they are filled.
struct Lines {
    done: Vec<String>,
    line: String,
    width: usize,
    columns: usize,
}

impl Lines {
    /// Puts a piece that may not be broken on the line, or on the next.
    fn place(&mut self, piece: &str, spaced: bool) {
        let width = if piece.is_ascii() { piece.len() } else { piece.width() };
        let gap = usize::from(spaced && !self.line.is_empty());
        if !self.line.is_empty() && self.width + gap + width > self.columns {
            self.end_line();
        } else if gap == 1 {
            self.line.push(' ');
            self.width += 1;
        }
        self.line.push_str(piece);
        self.width += width;
    }

    fn end_line(&mut self) {
        if !self.line.is_empty() {
            let line = std::mem::replace(&mut self.line, String::with_capacity(self.columns));
            // No-break spaces have done their work.
            self.done.push(if line.is_ascii() { line } else { line.replace('\u{a0}', " ") });
        }
        self.width = 0;
    }
}

/// Places a word whole, or in the pieces that a script without spaces may be broken into.
fn place_word(word: &str, spaced: bool, out: &mut Lines) {
    if word.is_ascii() || !word.chars().any(is_cjk) {
        return out.place(word, spaced);
    }
    let mut start = 0;
    let mut before = None;
    for (at, c) in word.char_indices() {
        if before.is_some_and(|before| may_break(before, c)) {
            out.place(&word[start..at], spaced && start == 0);
            start = at;
        }
        before = Some(c);
    }
    out.place(&word[start..], spaced && start == 0);
}

fn may_break(before: char, after: char) -> bool {
    let no_break_space = |c| c == '\u{a0}';
    (is_cjk(before) || is_cjk(after)) && !closes(after) && !opens(before) && !no_break_space(before) && !no_break_space(after)
}
