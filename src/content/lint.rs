//! Warnings an editor is glad of before the mail is out: each at its line.

use std::ops::Range;

use crate::model::Fault;

use super::meta::Draft;

/// Words that mean "not written yet": whole words in capitals, and the typesetter's filler.
const UNFINISHED: [&str; 5] = ["TK", "TKTK", "TODO", "FIXME", "XXX"];
const FILLER: &str = "lorem ipsum";

/// The first word of `text` that says it is not finished.
pub fn unfinished(text: &str) -> Option<&str> {
    // Nearly no text has two capitals in a row, so the words are rarely looked at one by one.
    let capitals = text.as_bytes().windows(2).any(|pair| pair.iter().all(u8::is_ascii_uppercase));
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    let word = if capitals { words.find(|word| UNFINISHED.contains(word)) } else { None };
    word.or_else(|| filler(text))
}

fn filler(text: &str) -> Option<&str> {
    let rest = memchr::memmem::find(text.as_bytes(), &FILLER.as_bytes()[1..])?.checked_sub(1)?;
    text.get(rest..rest + FILLER.len()).filter(|found| found.eq_ignore_ascii_case(FILLER))
}

/// A warning for an unfinished `word` in the text at `span`.
pub fn tk(draft: &Draft, word: &str, span: Range<usize>) -> Fault {
    let at = draft.text.get(span.clone()).and_then(|text| text.find(word)).map_or(span.start, |at| span.start + at);
    Fault::warning("tk", format!("`{word}` says this is not finished"))
        .at(&draft.source.file, &draft.text, at..at + word.len())
        .label("still to be written")
        .hint("write what is missing, or put it into `code` if it is meant")
}

/// A warning for an unfinished title.
pub fn title(draft: &Draft, faults: &mut Vec<Fault>) {
    if let Some(word) = unfinished(&draft.article.title) {
        faults.push(tk(draft, word, 0..draft.body));
    }
}

/// A warning for a picture without alternative text.
pub fn alt_missing(draft: &Draft, span: Range<usize>) -> Fault {
    let end = span.end.min(span.start + "![](".len());
    Fault::warning("alt-missing", "image has no alternative text")
        .at(&draft.source.file, &draft.text, span.start..end)
        .label("write what the picture shows")
        .hint("readers who do not see the picture read this text: ![Tide chart of the week](chart.png)")
}

/// A warning for HTML that was taken out; `what` is the beginning of it.
pub fn removed(draft: &Draft, what: &str) -> Fault {
    let body = &draft.text[draft.body..];
    let at = body.to_ascii_lowercase().find(&what.to_ascii_lowercase()).unwrap_or(0) + draft.body;
    Fault::warning("html-unsafe", format!("`{what}` does not work in mail and feeds and was taken out"))
        .at(&draft.source.file, &draft.text, at..at + what.len())
        .hint("remove it, or link to a page that has it")
}

/// A warning for HTML that is never closed and is therefore shown as text.
pub fn unclosed(draft: &Draft) -> Fault {
    Fault::warning("html-unclosed", "some HTML in this article is never closed, so all its HTML is shown as text")
        .in_file(&draft.source.file)
        .hint("close every tag, quote and comment")
}
