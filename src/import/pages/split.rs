//! Long texts in pieces.
//!
//! html5ever's serialiser (0.40) searches all of the rest of a text for each ampersand and no-break space in it: ten megabytes of `&amp;`
//! would take it hours. So a long text with many of them is cut, with `<wbr>` between the pieces, which shows nowhere and is always allowed.

use dom_query::{NodeData, NodeRef};

/// The length of a piece.
const PIECE_BYTES: usize = 8 * 1024;
/// So many ampersands and no-break spaces in one text make cutting it worth the trouble.
const SPECIALS_MAX: usize = 2000;

/// Cuts the long texts below `root`. To be called on every tree that is to be serialised.
pub(super) fn long_texts(root: &NodeRef<'_>) {
    let mut long: Vec<NodeRef<'_>> = Vec::new();
    let mut meeting: Vec<NodeRef<'_>> = Vec::new();
    let (mut run, mut run_specials) = (0, 0);
    for node in root.descendants_it() {
        let Some((length, specials)) = measure(&node) else { continue };
        if length > PIECE_BYTES && specials > SPECIALS_MAX {
            long.push(node);
        }
        // Where an element was taken out two texts lie side by side: written and parsed again, they are one.
        let follows = node.prev_sibling().is_some_and(|before| before.is_text());
        (run, run_specials) = if follows { (run + length, run_specials + specials) } else { (length, specials) };
        if follows && run > PIECE_BYTES && run_specials > SPECIALS_MAX {
            meeting.push(node);
            (run, run_specials) = (length, specials);
        }
    }
    for node in meeting {
        node.insert_before(&node.tree.new_element("wbr"));
    }
    for node in long {
        cut(&node);
    }
}

/// The length of a text and its ampersands and no-break spaces.
fn measure(node: &NodeRef<'_>) -> Option<(usize, usize)> {
    node.query_or(None, |node| match &node.data {
        NodeData::Text { contents } => Some((contents.len(), contents.bytes().filter(|byte| matches!(byte, b'&' | 0xC2)).count())),
        _ => None,
    })
}

fn cut(node: &NodeRef<'_>) {
    let text = node.text();
    let mut rest: &str = &text;
    while rest.len() > PIECE_BYTES {
        let end = (1..=PIECE_BYTES).rev().find(|&at| rest.is_char_boundary(at)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        node.insert_before(&node.tree.new_text(piece));
        node.insert_before(&node.tree.new_element("wbr"));
        rest = after;
    }
    node.insert_before(&node.tree.new_text(rest));
    node.remove_from_parent();
}

#[cfg(test)]
mod tests {
    use super::*;
    use dom_query::Document;

    #[test]
    fn texts_that_will_meet_are_kept_apart() {
        let doc = Document::fragment(format!("<p>{}</p>", format!("{}<i>x</i>", "&amp;".repeat(1500)).repeat(20)));
        doc.select("i").remove();
        long_texts(&doc.root());
        let written = Document::fragment(doc.html_root().inner_html());
        let longest = written.root().descendants_it().filter_map(|node| measure(&node)).map(|(length, _)| length).max();
        assert!(longest.is_some_and(|length| length <= PIECE_BYTES), "{longest:?}");
    }

    #[test]
    fn only_long_texts_with_many_ampersands_are_cut_and_none_of_them_is_lost() {
        let doc = Document::fragment(format!("<p>{}</p><p>{}</p><p>&amp;</p>", "&amp;é".repeat(5000), "word ".repeat(5000)));
        long_texts(&doc.root());
        let pieces = doc.select("wbr").length();
        assert_eq!(pieces, 5000 * 3 / PIECE_BYTES);
        assert_eq!(doc.select("p").nodes()[0].text().as_ref(), "&é".repeat(5000));
    }
}
