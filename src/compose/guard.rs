//! Checks that a compiled page is what the full path would have made, whatever the reader's values are.

use super::full::Page;
use super::links;
use super::splice::{self, Cut, Place, Stretch};
use super::trace::Recorder;

/// Values that bring out what an HTML parser or a style sheet may do to them.
const PROBES: [&str; 5] = ["", " ", "a\"b'c <d>&amp; e=\u{a0}f>", "\u{1f980}\u{200d}é", "word"];

/// The sentinels of a page must be whole and as many as were written: filters, `super()` and captured bodies may have
/// changed, dropped or doubled them.
pub(super) fn count(recorder: &Recorder, text: &str, calls: usize) -> Result<Vec<(std::ops::Range<usize>, usize)>, String> {
    match recorder.sentinels(text) {
        Some(found) if found.len() == calls => Ok(found),
        _ => Err("a filter, block or component changes text that holds reader data".to_owned()),
    }
}

/// css-inline must neither lose nor double a slot.
pub(super) fn same_slots(before: &[(std::ops::Range<usize>, usize)], after: &[(std::ops::Range<usize>, usize)]) -> Result<(), String> {
    let sorted = |found: &[(std::ops::Range<usize>, usize)]| {
        let mut slots: Vec<usize> = found.iter().map(|(_, slot)| *slot).collect();
        slots.sort_unstable();
        slots
    };
    if sorted(before) == sorted(after) { Ok(()) } else { Err("reader data in a place that HTML does not keep".to_owned()) }
}

/// Style rules must not look at what the slots change: attributes, or whether an element is empty.
pub(super) fn styles(html: &str, cut: &Cut) -> Result<(), String> {
    let in_attribute = cut.iter().any(|stretch| matches!(stretch, Stretch::Slot { place: Place::Attribute | Place::LinkStart, .. }));
    let lower = html.to_ascii_lowercase();
    for style in lower.split("<style").skip(1) {
        let style = style.split("</style").next().unwrap_or_default();
        if style.contains(":empty") || style.contains(":has(") {
            return Err("a style rule asks whether an element is empty".to_owned());
        }
        let named = ["[href", "[src", "[title", "[alt", "[content", "[value", "[*", "[ "];
        if in_attribute && named.iter().any(|attribute| style.contains(attribute)) {
            return Err("a style rule looks at an attribute that holds reader data".to_owned());
        }
    }
    Ok(())
}

/// Renders the page with difficult values in both ways and compares.
pub(super) fn probe(page: &Page, raw: &str, sentinels: &[(std::ops::Range<usize>, usize)], cut: &Cut) -> Result<(), String> {
    let in_link = |slot: usize| cut.contains(&Stretch::Slot { slot, place: Place::LinkStart });
    for probe in PROBES {
        let value = |slot: usize| if in_link(slot) { format!("https://probe.test/{probe}") } else { probe.to_owned() };
        let mut html = String::with_capacity(raw.len());
        let mut done = 0;
        for (at, slot) in sentinels {
            html.push_str(&raw[done..at.start]);
            html.push_str(&escaped(&value(*slot)));
            done = at.end;
        }
        html.push_str(&raw[done..]);
        let reference = page.inline(&html).map_err(|error| error.0)?;
        if links::absolute(&reference, &page.base) != splice::fill(cut, value) {
            return Err("reader data in a place where its value changes the document".to_owned());
        }
    }
    Ok(())
}

/// As Tera escapes.
fn escaped(value: &str) -> String {
    let mut out = Vec::new();
    // Writing to a vector cannot fail.
    let _ = tera::escape_html(value, &mut out);
    String::from_utf8(out).unwrap_or_default()
}
