//! Searching the archive: which words, whether an Issue has them, and the place where it does.

use serde::Serialize;

use super::text::line;
use crate::model::PastIssue;
use crate::model::past::fold;

/// Longer questions are cut: nobody types them.
const QUERY_CHARS_MAX: usize = 100;
/// Words beyond these narrow nothing down.
const WORDS_MAX: usize = 8;
/// Characters shown around the first word found, and how many of them stand before it.
const SNIPPET_CHARS: usize = 220;
const BEFORE_CHARS: usize = 60;

/// What is searched for.
pub(super) struct Words {
    query: String,
    words: Vec<String>,
}

/// A piece of a snippet.
#[derive(Serialize, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    text: String,
    /// Whether it is one of the words.
    marked: bool,
}

impl Words {
    /// Takes a question apart.
    pub fn of(query: &str) -> Self {
        let query: String = line(query).chars().take(QUERY_CHARS_MAX).collect();
        let words = fold(&query).split_whitespace().take(WORDS_MAX).map(str::to_owned).collect();
        Self { query, words }
    }

    /// The question as it was understood.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// Whether all of them stand in `folded`.
    pub fn are_in(&self, folded: &str) -> bool {
        self.words.iter().all(|word| folded.contains(word.as_str()))
    }

    /// The first place of an Issue's summaries and texts that has one of the words; nothing when only titles do.
    pub fn snippet(&self, issue: &PastIssue) -> Vec<Piece> {
        let mut texts = issue.articles.iter().flat_map(|article| [article.summary.as_str(), article.text.as_str()]);
        texts.find_map(|text| self.around(text)).unwrap_or_default()
    }

    fn around(&self, text: &str) -> Option<Vec<Piece>> {
        let (at, _) = self.first_in(text)?;
        let before: usize = text[..at].chars().rev().take(BEFORE_CHARS).map(char::len_utf8).sum();
        let mut start = at - before;
        if start > 0 {
            // From the next word on.
            start = text[start..at].find(' ').map_or(at, |blank| start + blank + 1);
        }
        let length: usize = text[start..].chars().take(SNIPPET_CHARS).map(char::len_utf8).sum();
        let mut end = start + length;
        if end < text.len() {
            end = text[start..end].rfind(' ').map_or(end, |blank| start + blank);
        }
        let mut pieces = self.pieces(&text[start..end]);
        if start > 0 {
            pieces.insert(0, Piece { text: "… ".to_owned(), marked: false });
        }
        if end < text.len() {
            pieces.push(Piece { text: " …".to_owned(), marked: false });
        }
        Some(pieces)
    }

    fn pieces(&self, mut text: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut push = |text: &str, marked| {
            if !text.is_empty() {
                pieces.push(Piece { text: text.to_owned(), marked });
            }
        };
        while let Some((at, length)) = self.first_in(text) {
            push(&text[..at], false);
            push(&text[at..at + length], true);
            text = &text[at + length..];
        }
        push(text, false);
        pieces
    }

    /// Where the first of the words stands in `text`, and how long it is there.
    fn first_in(&self, text: &str) -> Option<(usize, usize)> {
        text.char_indices()
            .find_map(|(at, _)| self.words.iter().filter_map(|word| begins(&text[at..], word)).max().map(|length| (at, length)))
    }
}

/// The length of `word` (in small letters) at the beginning of `text`, if it is there.
fn begins(text: &str, word: &str) -> Option<usize> {
    let mut wanted = word.chars();
    for (at, c) in text.char_indices() {
        if wanted.as_str().is_empty() {
            return Some(at);
        }
        for small in c.to_lowercase() {
            if wanted.next()? != small {
                return None;
            }
        }
    }
    wanted.as_str().is_empty().then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(query: &str, text: &str) -> String {
        let pieces = Words::of(query).around(text).unwrap_or_default();
        pieces.iter().map(|piece| if piece.marked { format!("[{}]", piece.text) } else { piece.text.clone() }).collect()
    }

    #[test]
    fn every_word_is_marked_in_the_letters_it_is_written_with() {
        assert_eq!(shown("tide ÖL", "The Tide and the TIDES, öl on water."), "The [Tide] and the [TIDE]S, [öl] on water.");
        assert_eq!(shown("tide tides", "Of tides."), "Of [tides].");
        assert_eq!(shown("i̇st", "İstanbul"), "[İst]anbul", "a capital that has two small letters");
        assert_eq!(shown("nothing", "Of tides."), "");
    }

    #[test]
    fn a_long_text_is_shown_around_the_first_word() {
        let text = format!("{} harbour {}", "before ".repeat(50).trim(), "after ".repeat(80).trim());
        let shown = shown("harbour", &text);
        assert!(shown.starts_with("… before ") && shown.contains(" [harbour] after") && shown.ends_with(" …"), "{shown}");
        assert!(shown.chars().count() < 240, "{shown}");
    }

    #[test]
    fn a_question_is_cut_and_all_its_words_are_wanted() {
        let words = Words::of(&format!("  a\u{0}b \n {}", "x".repeat(500)));
        assert!(words.query().chars().count() == QUERY_CHARS_MAX && words.query().starts_with("ab x"), "{}", words.query());
        assert!(Words::of("Tide rope").are_in(&fold("ROPE and tide")) && !Words::of("tide boat").are_in("rope and tide"));
    }
}
