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
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut width = 0;
    for (piece, spaced) in pieces(text) {
        let piece_width = piece.width();
        let gap = usize::from(spaced && !line.is_empty());
        if !line.is_empty() && width + gap + piece_width > columns {
            lines.push(std::mem::take(&mut line));
            width = 0;
        } else if gap == 1 {
            line.push(' ');
            width += 1;
        }
        line.push_str(&piece);
        width += piece_width;
    }
    if !line.is_empty() {
        lines.push(line);
    }
    // What Markdown would read as a quote, a list or an mbox header is moved a column to the right by nobody here:
    // plain text has no syntax, so nothing needs escaping.
    lines
}

/// The parts of a text that may not be broken, each with whether a space stands before it.
fn pieces(text: &str) -> Vec<(String, bool)> {
    let mut pieces: Vec<(String, bool)> = Vec::new();
    let mut last = None;
    for word in text.split([' ', '\t', '\r']).flat_map(|word| word.split(SOFT).enumerate().map(|(i, part)| (part, i > 0))) {
        let (word, soft) = word;
        let Some(first) = word.chars().next() else { continue };
        // A line break in the source of a text without spaces is no space.
        let spaced = !(soft && is_cjk(first) && last.is_some_and(is_cjk));
        split_cjk(word, spaced, &mut pieces);
        last = word.chars().next_back();
    }
    pieces
}

fn split_cjk(word: &str, spaced: bool, pieces: &mut Vec<(String, bool)>) {
    if word.is_ascii() || !word.chars().any(is_cjk) {
        pieces.push((word.replace('\u{a0}', " "), spaced));
        return;
    }
    let mut piece = String::new();
    let mut spaced = spaced;
    let mut before: Option<char> = None;
    for c in word.chars() {
        let may_break = before
            .is_some_and(|before| (is_cjk(before) || is_cjk(c)) && !closes(c) && !opens(before) && c != '\u{a0}' && before != '\u{a0}');
        if may_break {
            pieces.push((std::mem::take(&mut piece), spaced));
            spaced = false;
        }
        piece.push(if c == '\u{a0}' { ' ' } else { c });
        before = Some(c);
    }
    pieces.push((piece, spaced));
}
