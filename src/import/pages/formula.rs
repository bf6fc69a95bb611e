//! Formulas: MathML and what KaTeX and MathJax draw become their TeX, as code, or are spelt out.

use dom_query::NodeRef;

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

/// Spells out the parts of a formula: powers are raised, fractions have a stroke.
fn spell(node: &NodeRef<'_>, out: &NodeRef<'_>) {
    let say = |text: &str| out.append_child(&out.tree.new_text(text));
    let small = |part: &NodeRef<'_>, name: &str| {
        let element = out.tree.new_element(name);
        spell(part, &element);
        out.append_child(&element);
    };
    // Not by the iterator: it holds on to the tree, which grows here.
    for child in node.children() {
        if child.is_text() {
            say(child.text().trim());
            continue;
        }
        let parts = child.element_children();
        match (child.node_name().as_deref().unwrap_or_default(), parts.as_slice()) {
            ("annotation" | "annotation-xml", _) => {}
            ("msup" | "mover", [base, power]) => {
                part(base, out);
                small(power, "sup");
            }
            ("msub" | "munder", [base, index]) => {
                part(base, out);
                small(index, "sub");
            }
            ("msubsup" | "munderover", [base, index, power]) => {
                part(base, out);
                small(index, "sub");
                small(power, "sup");
            }
            ("mfrac", [above, below]) => {
                part(above, out);
                say("/");
                part(below, out);
            }
            ("msqrt", _) => {
                say("√(");
                spell(&child, out);
                say(")");
            }
            _ => spell(&child, out),
        }
    }
}

/// A part of a formula, in parentheses when it has parts itself.
fn part(node: &NodeRef<'_>, out: &NodeRef<'_>) {
    let whole = node.element_children().len() < 2;
    let say = |text: &str| out.append_child(&out.tree.new_text(text));
    if !whole {
        say("(");
    }
    spell(node, out);
    if !whole {
        say(")");
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
}
