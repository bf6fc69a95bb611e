//! Formulas: MathML and what KaTeX and MathJax draw become their TeX, as code, or are spelt out.

use dom_query::NodeRef;

/// Characters of a sign that an attribute gives.
const SIGN_CHARS_MAX: usize = 16;

/// Rewrites `node`: a `<math>`, the element that KaTeX or MathJax put around one, or a script that holds TeX.
pub(super) fn rewrite(node: &NodeRef<'_>) {
    if node.has_name("script") {
        if node.attr("type").is_some_and(|kind| kind.starts_with("math/tex")) {
            // What was drawn from it stands before it.
            while let Some(drawn) = node.prev_element_sibling().filter(|it| it.attr("class").is_some_and(|it| it.starts_with("MathJax"))) {
                drawn.remove_from_parent();
            }
            write(node, &node.text());
        }
        return;
    }
    let math = if node.has_name("math") { Some(*node) } else { node.descendants_it().find(|it| it.has_name("math")) };
    let Some(math) = math else { return };
    match tex(&math) {
        Some(tex) => write(node, &tex),
        None => {
            let out = node.tree.new_element("span");
            spell(&math, &out);
            node.replace_with(&out);
        }
    }
}

/// The TeX that a formula was made from, where it tells.
fn tex(math: &NodeRef<'_>) -> Option<String> {
    let is_tex = |it: &NodeRef<'_>| it.has_name("annotation") && it.attr("encoding").is_some_and(|encoding| encoding.contains("tex"));
    let annotation = math.descendants_it().find(is_tex).map(|it| it.text().to_string());
    let tex = annotation.or_else(|| math.attr("alttext").map(|it| it.to_string()))?;
    Some(tex).filter(|tex| !tex.trim().is_empty())
}

/// Puts TeX in the place of a formula.
fn write(node: &NodeRef<'_>, tex: &str) {
    let tex = tex.split_whitespace().collect::<Vec<_>>().join(" ");
    let bare = tex.strip_prefix("{\\displaystyle ").and_then(|it| it.strip_suffix('}')).unwrap_or(&tex);
    let code = node.tree.new_element("code");
    code.append_child(&node.tree.new_text(format!("${bare}$")));
    node.replace_with(&code);
}

/// Spells out what lies in an element of a formula.
fn spell(node: &NodeRef<'_>, out: &NodeRef<'_>) {
    // Not by the iterator: it holds on to the tree, which grows here.
    for child in node.children() {
        one(&child, out);
    }
}

/// Spells out one node of a formula: powers are raised, fractions have a stroke.
fn one(node: &NodeRef<'_>, out: &NodeRef<'_>) {
    if node.is_text() {
        return say(node.text().trim(), out);
    }
    let parts = node.element_children();
    match (node.node_name().as_deref().unwrap_or_default(), parts.as_slice()) {
        ("annotation" | "annotation-xml", _) => {}
        ("msup" | "mover", [base, power]) => {
            part(base, out);
            small(power, "sup", out);
        }
        ("msub" | "munder", [base, index]) => {
            part(base, out);
            small(index, "sub", out);
        }
        ("msubsup" | "munderover", [base, index, power]) => {
            part(base, out);
            small(index, "sub", out);
            small(power, "sup", out);
        }
        ("mfrac", [above, below]) => {
            part(above, out);
            say("/", out);
            part(below, out);
        }
        ("msqrt", _) => {
            say("√(", out);
            spell(node, out);
            say(")", out);
        }
        ("mroot", [base, index]) => {
            small(index, "sup", out);
            say("√(", out);
            one(base, out);
            say(")", out);
        }
        ("mfenced", _) => fenced(node, &parts, out),
        _ => spell(node, out),
    }
}

/// Parts between parentheses or what the element names in place of them, and in place of the commas.
fn fenced(node: &NodeRef<'_>, parts: &[NodeRef<'_>], out: &NodeRef<'_>) {
    let sign =
        |name: &str, usual: &str| node.attr(name).map_or(usual.to_owned(), |sign| sign.trim().chars().take(SIGN_CHARS_MAX).collect());
    // One for each gap; the last of them stands for all behind it.
    let between: Vec<char> = sign("separators", ",").chars().filter(|c| !c.is_whitespace()).collect();
    say(&sign("open", "("), out);
    for (index, part) in parts.iter().enumerate() {
        if let Some(mark) = index.checked_sub(1).and_then(|gap| between.get(gap).or(between.last())) {
            say(&mark.to_string(), out);
        }
        one(part, out);
    }
    say(&sign("close", ")"), out);
}

fn say(text: &str, out: &NodeRef<'_>) {
    out.append_child(&out.tree.new_text(text));
}

/// A part that is raised or lowered.
fn small(node: &NodeRef<'_>, name: &str, out: &NodeRef<'_>) {
    let element = out.tree.new_element(name);
    one(node, &element);
    out.append_child(&element);
}

/// A part of a formula, in parentheses when it has parts itself.
fn part(node: &NodeRef<'_>, out: &NodeRef<'_>) {
    // Roots and fences close themselves.
    let is_whole = node.element_children().len() < 2 || ["msqrt", "mroot", "mfenced"].iter().any(|name| node.has_name(name));
    if !is_whole {
        say("(", out);
    }
    one(node, out);
    if !is_whole {
        say(")", out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::known;
    use dom_query::Document;

    fn rewritten(html: &str) -> String {
        let doc = Document::fragment(html);
        known::content(&doc.root());
        doc.html_root().inner_html().to_string()
    }

    #[test]
    fn a_formula_becomes_the_tex_it_was_made_from_once() {
        let drawn = "<span class=katex><span class=katex-mathml><math><semantics><mrow><mi>x</mi></mrow><annotation encoding=application/x-tex>x_1 &lt; y</annotation></semantics></math></span><span class=katex-html aria-hidden=true>x1y</span></span>";
        assert_eq!(rewritten(drawn), "<code>$x_1 &lt; y$</code>");
        assert_eq!(rewritten("<math alttext='{\\displaystyle a^2}'><mi>a</mi></math>"), "<code>$a^2$</code>");
        assert_eq!(
            rewritten("<p><span class=MathJax_Preview>p</span><span class=MathJax>E</span><script type='math/tex'>E=mc^2</script></p>"),
            "<p><code>$E=mc^2$</code></p>"
        );
    }

    #[test]
    fn a_formula_without_tex_is_spelt_out() {
        let math = "<math><mi>f</mi><mo>=</mo><mfrac><mn>1</mn><mrow><mi>T</mi><mo>+</mo><msub><mi>t</mi><mn>0</mn></msub></mrow></mfrac><msup><mi>x</mi><mn>2</mn></msup></math>";
        assert_eq!(rewritten(math), "<span>f=1/(T+t<sub>0</sub>)x<sup>2</sup></span>");
    }

    #[test]
    fn parts_that_are_powers_fractions_and_roots_themselves_keep_their_signs() {
        for (math, spelt) in [
            ("<msup><mi>e</mi><mfrac><mn>1</mn><mn>2</mn></mfrac></msup>", "e<sup>1/2</sup>"),
            ("<msup><msqrt><mi>x</mi></msqrt><mn>3</mn></msup>", "√(x)<sup>3</sup>"),
            ("<mfrac><msup><mi>x</mi><mn>2</mn></msup><mi>y</mi></mfrac>", "(x<sup>2</sup>)/y"),
            ("<mfrac><mfrac><mn>1</mn><mn>2</mn></mfrac><mn>3</mn></mfrac>", "(1/2)/3"),
            ("<mroot><mi>x</mi><mn>3</mn></mroot>", "<sup>3</sup>√(x)"),
            ("<mi>f</mi><mfenced><mi>x</mi><mi>y</mi></mfenced>", "f(x,y)"),
            (
                "<msup><mfenced open='[' close=']' separators=';|'><mi>x</mi><mi>y</mi><mi>z</mi></mfenced><mn>2</mn></msup>",
                "[x;y|z]<sup>2</sup>",
            ),
        ] {
            assert_eq!(rewritten(&format!("<math>{math}</math>")), format!("<span>{spelt}</span>"), "{math}");
        }
    }
}
