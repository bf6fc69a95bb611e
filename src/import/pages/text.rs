//! Clean HTML as plain text: a paragraph is a line with an empty line behind it, words of different blocks never run together.

use dom_query::{Document, NodeRef};

use super::inline::is_block;

/// Longer texts are neither raised nor lowered; a sign has three bytes at most, so that what was cut off is too long as well.
const SHIFTED_BYTES_MAX: usize = 60;

/// The text of a tree.
pub fn text(doc: &Document) -> String {
    let mut out = String::new();
    write(&doc.html_root(), false, &mut out);
    out.truncate(out.trim_end().len());
    out
}

/// The text of one element on one line, or its beginning: none of the texts in it is looked at behind the one that makes it longer than `bytes_max`.
pub fn line(node: &NodeRef<'_>, bytes_max: usize) -> String {
    let mut out = String::new();
    for text in node.descendants_it().filter(NodeRef::is_text) {
        words(&text.text(), &mut out);
        if out.len() > bytes_max {
            break;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn write(node: &NodeRef<'_>, pre: bool, out: &mut String) {
    for child in node.children_it(false) {
        if child.is_text() {
            let text = child.text();
            if pre {
                out.push_str(&text)
            } else {
                words(&text, out)
            }
            continue;
        }
        let name = child.node_name();
        match name.as_deref().unwrap_or_default() {
            "br" => end_line(out, 1),
            "td" | "th" => {
                if !out.is_empty() && !out.ends_with(['\n', '\t']) {
                    out.push('\t');
                }
                write(&child, pre, out);
            }
            name @ ("li" | "tr" | "dt" | "dd") => {
                end_line(out, 1);
                write(&child, pre || name == "pre", out);
                end_line(out, 1);
            }
            name if is_block(name) => {
                end_line(out, 2);
                write(&child, pre || name == "pre", out);
                end_line(out, 2);
            }
            name @ ("sup" | "sub") => match shifted(&child, name == "sup") {
                Some(signs) => out.push_str(&signs),
                None => write(&child, pre, out),
            },
            _ => write(&child, pre, out),
        }
    }
}

/// Raised or lowered signs, where Unicode has all of them: 10⁹ is not 109.
fn shifted(node: &NodeRef<'_>, up: bool) -> Option<String> {
    const PLAIN: &str = "0123456789+-−=()";
    let signs = if up { "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾" } else { "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎" };
    let sign = |c| PLAIN.chars().position(|plain| plain == c).and_then(|at| signs.chars().nth(at));
    let mut out = String::new();
    for node in node.descendants_it() {
        let ends_line = node.node_name().is_some_and(|name| &*name == "br" || is_block(&name));
        // In many that lie in each other, a long text would be looked at once for each.
        if ends_line || out.len() > SHIFTED_BYTES_MAX {
            return None;
        }
        if node.is_text() {
            for c in node.text().chars().take(SHIFTED_BYTES_MAX) {
                out.push(sign(c)?);
            }
        }
    }
    (out.len() <= SHIFTED_BYTES_MAX).then_some(out)
}

fn words(text: &str, out: &mut String) {
    for c in text.chars() {
        if !c.is_whitespace() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with([' ', '\n', '\t']) {
            out.push(' ');
        }
    }
}

/// Ends the line, with `breaks - 1` empty lines behind it; a paragraph within a table cell does not leave its row.
fn end_line(out: &mut String, breaks: usize) {
    // Preformatted text may end in a million spaces, tabs or line ends: spaces are walked over once, of the others only the last are looked at.
    out.truncate(out.trim_end_matches(' ').len());
    if out.is_empty() || out.ends_with('\t') {
        return;
    }
    let there = out.bytes().rev().take(breaks).take_while(|byte| *byte == b'\n').count();
    for _ in there..breaks {
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_lines_and_words_never_run_together() {
        let doc = Document::fragment(
            "<h2>A</h2><p>b <b>c</b>d<br>e</p><ul><li>f</li><li>g</li></ul><pre>x\n  y</pre><table><tr><td>1</td><td><p>2</p></td></tr></table>",
        );
        assert_eq!(text(&doc), "A\n\nb cd\ne\n\nf\ng\n\nx\n  y\n\n1\t2");
    }

    #[test]
    fn raised_and_lowered_numbers_stay_so() {
        let doc = Document::fragment("1.3 × 10<sup>9</sup>, CO<sub>2</sub>, x<sup>-2</sup>, 5<sup>th</sup>, said<sup>[1]</sup>");
        assert_eq!(text(&doc), "1.3 × 10⁹, CO₂, x⁻², 5th, said[1]");
    }

    #[test]
    fn a_line_that_ends_within_raised_text_takes_nothing_with_it() {
        assert_eq!(text(&Document::fragment("<pre>x   <sup><br></sup>y</pre><p>1<sup>2<br>3</sup></p>")), "x\ny\n\n12\n3");
        assert_eq!(text(&Document::fragment("<pre>   <sup><br></sup></pre>")), "");
        let long = format!("<sup>{}</sup>", "1".repeat(100));
        assert_eq!(text(&Document::fragment(long.as_str())), "1".repeat(100));
    }

    /// Each of a hundred thousand line ends would walk back over a million characters: minutes.
    #[test]
    fn line_ends_behind_a_long_run_of_white_space_take_no_time() {
        for run in ["\n", "\t", " ", "\t "] {
            let doc = Document::fragment(format!("<pre>x{}</pre>{}y", run.repeat(1_000_000), "<br>".repeat(100_000)));
            let text = text(&doc);
            assert!(text.starts_with('x') && text.ends_with('y') && text.len() < 3_000_000, "{} bytes", text.len());
        }
    }
}
