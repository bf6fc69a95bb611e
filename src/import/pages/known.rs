//! What publishing tools write in ways of their own, put as any page would have it: formulas, headings with their handles, the language of
//! code, boxes of task lists, footnotes, bold and italic by style. What looks for the article, and what sanitises it, would lose them.
//!
//! [`content`] passes over the tree once, [`page`] twice. No node goes into one that lies in it: nothing would come to the end of such a tree.

use dom_query::NodeRef;

use super::{formula, text};

/// Signs that links to the heading they stand in are made of.
const HANDLES: [&str; 3] = ["¶", "§", "🔗"];
/// Elements that hold a heading and the handles of it, by a word of their class.
const HEADING_BOXES: [&str; 2] = ["mw-heading", "markdown-heading"];
/// A box with more text than this beside its heading holds more than handles and tools.
const HEADING_TOOLS_BYTES_MAX: usize = 100;
/// A longer text is no number of a footnote.
const NUMBER_BYTES_MAX: usize = 16;
/// No names of programming languages, though they stand where those do.
const NO_LANGUAGES: [&str; 5] = ["default", "none", "text", "plain", "plaintext"];
/// Beginnings of classes of a box that asks to subscribe.
const SIGN_UPS: [&str; 4] = ["newsletter", "signup", "sign-up", "subscri"];
/// Such a box has fewer nodes, and less text.
const SIGN_UP_NODES_MAX: usize = 80;
const SIGN_UP_BYTES_MAX: usize = 500;
/// Lines of a wiki around its article, by their ids.
const WIKI_LINES: [&str; 3] = ["contentSub", "jump-to-nav", "catlinks"];
/// Where a picture that stands alone is marked, and where an alignment waits: what looks for the article drops the attribute itself.
const ALONE: &str = "data-alone";
const ALIGNED: &str = "data-aligned";

/// Rewrites what pages and entries of feeds have in common.
pub(super) fn content(root: &NodeRef<'_>) {
    for node in root.descendants() {
        let Some(name) = node.node_name() else { continue };
        match &*name {
            "math" | "mjx-container" | "script" => formula::rewrite(&node),
            "a" => link(&node),
            "input" => task_box(&node),
            "span" | "b" | "strong" => span(&node),
            "div" => block(&node),
            "td" | "th" => cell(&node),
            _ => {}
        }
    }
}

/// Rewrites a page before its article is looked for.
pub(super) fn page(root: &NodeRef<'_>) {
    content(root);
    for node in root.descendants() {
        let Some(name) = node.node_name() else { continue };
        match &*name {
            "img" | "picture" | "figure" => alone(&node),
            "td" | "th" => {
                if let Some(align) = node.attr("align") {
                    node.set_attr(ALIGNED, &align);
                }
            }
            "div" | "section" | "aside" | "form" if is_of_the_site(&node) => node.remove_from_parent(),
            // What looks for the article takes this class for one of the site's header.
            "h2" | "h3" | "h4" if has_class(&node, "header-anchor-post") => node.remove_attr("class"),
            "h1" if node.attr("id").is_some_and(|id| &*id == "firstHeading") => {
                // Beside the heading of a wiki's article there are only tools.
                let beside = node.parent().filter(|parent| parent.has_name("header")).map(|header| header.element_children());
                beside.iter().flatten().filter(|it| it.id != node.id).for_each(NodeRef::remove_from_parent);
            }
            _ => {}
        }
    }
}

/// Puts back, in the article that was found, what [`page`] put elsewhere.
pub(super) fn settle(root: &NodeRef<'_>) {
    for node in root.descendants().iter().rev() {
        if let Some(align) = node.attr(ALIGNED) {
            node.remove_attr(ALIGNED);
            node.set_attr("align", &align);
        }
        if node.has_attr(ALONE) {
            node.remove_attr(ALONE);
            if let Some(paragraph) = node.parent().filter(|parent| parent.has_name("p")) {
                let own = node.tree.new_element("p");
                paragraph.insert_after(&own);
                own.append_child(node);
            }
        }
    }
}

/// Whether the class of an element has `word`.
fn has_class(node: &NodeRef<'_>, word: &str) -> bool {
    node.attr("class").is_some_and(|class| class.split_ascii_whitespace().any(|it| it == word))
}

/// Takes out links that only lead to the heading they stand in, and makes marks of footnotes marks: what they lead to stands in the text.
fn link(node: &NodeRef<'_>) {
    if has_class(node, "footnote-anchor") {
        node.remove_all_attrs();
        node.rename("sup");
    } else if node.attr("href").is_some_and(|href| href.contains('#')) {
        let handle = text::line(node, 16);
        let empty = handle.is_empty() && has_class(node, "anchor") && node.find(&["img"]).is_empty();
        if empty || HANDLES.contains(&handle.as_str()) {
            node.remove_from_parent();
        }
    }
}

/// The box of a task becomes a sign. Boxes for readers to tick, as recipes have them, do not belong to the text.
fn task_box(node: &NodeRef<'_>) {
    let is_box = node.attr("type").is_some_and(|kind| kind.eq_ignore_ascii_case("checkbox"));
    let listed = || node.ancestors_it(Some(3)).any(|it| it.attr("class").is_some_and(|class| class.contains("task-list")));
    if is_box && (node.has_attr("disabled") || listed()) {
        node.replace_with(&node.tree.new_text(if node.has_attr("checked") { "☑ " } else { "☐ " }));
    }
}

/// Formulas that are drawn with spans; bold and italic that only a style tells.
fn span(node: &NodeRef<'_>) {
    if has_class(node, "katex") {
        formula::rewrite(node);
        return;
    }
    let Some(style) = node.attr("style") else { return };
    let style: String = style.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    let weight = style.split(';').find_map(|rule| rule.strip_prefix("font-weight:"));
    if !node.has_name("span") {
        // An editor that writes all it copies into one bold element takes the boldness back at once.
        if weight.is_some_and(|weight| matches!(weight, "normal" | "400")) {
            node.rename("span");
        }
        return;
    }
    if node.ancestors_it(Some(3)).any(|it| is_heading(&it)) {
        return;
    }
    if weight.is_some_and(|weight| matches!(weight, "bold" | "bolder" | "600" | "700" | "800" | "900")) {
        wrap_children(node, "strong");
    }
    if style.split(';').any(|rule| matches!(rule, "font-style:italic" | "font-style:oblique")) {
        wrap_children(node, "em");
    }
}

fn wrap_children(node: &NodeRef<'_>, name: &str) {
    let inner = node.tree.new_element(name);
    for child in node.children() {
        inner.append_child(&child);
    }
    node.append_child(&inner);
}

fn is_heading(node: &NodeRef<'_>) -> bool {
    node.node_name().is_some_and(|name| matches!(&*name, "h1" | "h2" | "h3" | "h4" | "h5" | "h6"))
}

fn block(node: &NodeRef<'_>) {
    let Some(class) = node.attr("class") else { return };
    let mut words = class.split_ascii_whitespace();
    if words.clone().any(|word| HEADING_BOXES.contains(&word)) {
        heading_box(node);
    } else if words.clone().any(|word| word == "footnote") {
        footnote(node);
    } else if let Some(language) = words.find_map(|word| word.strip_prefix("highlight-")) {
        let language = language.strip_prefix("source-").unwrap_or(language);
        let pre = node.descendants_it().take(20).find(|it| it.has_name("pre"));
        if let Some(pre) = pre.filter(|_| !language.is_empty() && !NO_LANGUAGES.contains(&language)) {
            pre.set_attr("class", &format!("language-{language}"));
        }
    }
}

/// A heading in a box of its own stands without it, and without the tools beside it.
fn heading_box(node: &NodeRef<'_>) {
    let children = node.children();
    let Some(heading) = children.iter().find(|it| is_heading(it)) else { return };
    let beside: usize = children.iter().filter(|it| it.id != heading.id).map(|it| it.text().trim().len()).sum();
    if beside <= HEADING_TOOLS_BYTES_MAX {
        node.replace_with(heading);
    }
}

/// A footnote whose number is a link back to its mark: the number goes before its words.
fn footnote(node: &NodeRef<'_>) {
    let children = node.element_children();
    let Some(number) = children.iter().find(|it| has_class(it, "footnote-number")) else { return };
    let Some(words) = children.iter().filter(|it| it.id != number.id).find_map(paragraph) else { return };
    // Its text alone: a block in it would end the paragraph.
    let said = text::line(number, NUMBER_BYTES_MAX);
    if said.is_empty() || said.len() > NUMBER_BYTES_MAX {
        return;
    }
    number.remove_from_parent();
    let raised = node.tree.new_element("sup");
    raised.append_child(&node.tree.new_text(said));
    words.prepend_child(&node.tree.new_text(" "));
    words.prepend_child(&raised);
}

/// The first paragraph that begins in an element.
fn paragraph<'a>(node: &NodeRef<'a>) -> Option<NodeRef<'a>> {
    if node.has_name("p") { Some(*node) } else { node.descendants_it().take(20).find(|it| it.has_name("p")) }
}

/// An alignment by style becomes one by attribute.
fn cell(node: &NodeRef<'_>) {
    let Some(style) = node.attr("style") else { return };
    let style: String = style.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    if let Some(align) = style.split(';').find_map(|rule| rule.strip_prefix("text-align:")).filter(|it| matches!(*it, "right" | "center")) {
        node.set_attr("align", align);
    }
}

/// A picture between a paragraph and what follows it goes with the paragraph: alone, it is not taken for a part of the article.
fn alone(node: &NodeRef<'_>) {
    let between = node.parent().is_some_and(|parent| ["main", "article", "section", "body"].iter().any(|name| parent.has_name(name)));
    if !between || node.next_element_sibling().is_none() {
        return;
    }
    if let Some(paragraph) = node.prev_element_sibling().filter(|it| it.has_name("p")) {
        node.set_attr(ALONE, "");
        paragraph.append_child(node);
    }
}

/// Whether an element is one of the site's: a small form that asks to subscribe, or a line around a wiki's article.
fn is_of_the_site(node: &NodeRef<'_>) -> bool {
    if node.attr("id").is_some_and(|id| WIKI_LINES.contains(&&*id)) || has_class(node, "printfooter") {
        return true;
    }
    let named = node.attr("class").is_some_and(|class| {
        let class = class.to_ascii_lowercase();
        class.split_ascii_whitespace().any(|it| SIGN_UPS.iter().any(|word| it.starts_with(word)))
    });
    if !named || node.descendants_it().nth(SIGN_UP_NODES_MAX).is_some() {
        return false;
    }
    let asks = node.has_name("form") || node.descendants_it().any(|it| it.has_name("form") || it.has_name("input"));
    asks && text::line(node, SIGN_UP_BYTES_MAX).len() <= SIGN_UP_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use dom_query::Document;

    fn rewritten(html: &str) -> String {
        let doc = Document::fragment(html);
        content(&doc.root());
        doc.html_root().inner_html().to_string()
    }

    #[test]
    fn headings_lose_their_handles_and_boxes() {
        assert_eq!(
            rewritten("<div class='mw-heading mw-heading2'><h2>History</h2><span class=mw-editsection>[<a href=/e>edit</a>]</span></div>"),
            "<h2>History</h2>"
        );
        assert_eq!(
            rewritten("<div class=markdown-heading><h2>Install</h2><a class=anchor href=#i><svg></svg></a></div>"),
            "<h2>Install</h2>"
        );
        assert_eq!(
            rewritten("<h2>Install<a class=headerlink href=#install>¶</a></h2><p><a href=/x>¶</a></p>"),
            "<h2>Install</h2><p><a href=\"/x\">¶</a></p>"
        );
    }

    #[test]
    fn bold_and_italic_by_style_become_elements_but_not_in_headings() {
        assert_eq!(
            rewritten("<p><span style='font-weight: 700; font-style: italic'>a</span></p><h2><span style='font-weight:700'>b</span></h2>"),
            "<p><span style=\"font-weight: 700; font-style: italic\"><em><strong>a</strong></em></span></p><h2><span style=\"font-weight:700\">b</span></h2>"
        );
        assert_eq!(rewritten("<b style='font-weight:normal'>all</b>"), "<span style=\"font-weight:normal\">all</span>");
    }

    #[test]
    fn the_language_of_code_is_told_by_its_element() {
        for (class, language) in
            [("highlight-python notranslate", "language-python"), ("highlight highlight-source-shell", "language-shell")]
        {
            assert_eq!(
                rewritten(&format!("<div class='{class}'><pre>x</pre></div>")),
                format!("<div class=\"{class}\"><pre class=\"{language}\">x</pre></div>")
            );
        }
        assert!(!rewritten("<div class=highlight-default><pre>x</pre></div>").contains("language"));
    }

    #[test]
    fn tasks_keep_their_boxes_and_recipes_lose_them() {
        assert_eq!(
            rewritten("<ul class=contains-task-list><li><input type=checkbox checked>a"),
            "<ul class=\"contains-task-list\"><li>☑ a</li></ul>"
        );
        assert_eq!(rewritten("<li><input type=checkbox disabled>a"), "<li>☐ a</li>");
        assert!(rewritten("<li><input type=checkbox>a").contains("<input"));
    }

    #[test]
    fn footnotes_keep_number_and_words() {
        assert_eq!(
            rewritten(
                "<p>x<a class=footnote-anchor href=#f>1</a></p><div class=footnote><a class=footnote-number href=#a>1</a><div><p>In 1997.</p></div></div>"
            ),
            "<p>x<sup>1</sup></p><div class=\"footnote\"><div><p><sup>1</sup> In 1997.</p></div></div>"
        );
        assert_eq!(
            rewritten("<div class=footnote><a class=footnote-number href=#a><p>1</p></a><p>In 1997.</p></div>"),
            "<div class=\"footnote\"><p><sup>1</sup> In 1997.</p></div>"
        );
    }

    /// The number would go into what lies in it.
    #[test]
    fn a_footnote_whose_words_lie_in_its_number_stays_as_it_is() {
        let html = "<div class=\"footnote\"><a class=\"footnote-number\"><span><p>hi</p></span></a></div>";
        assert_eq!(rewritten(html), html);
        let drawn = "<div class=footnote><a class=footnote-number><span class=katex><p>hi</p></span></a></div>";
        assert!(rewritten(drawn).contains("<p>hi</p>"));
    }

    #[test]
    fn a_box_with_more_than_a_heading_keeps_what_it_holds() {
        let html = format!("<div class=\"mw-heading\"><h2>History</h2><p>{}</p></div>", "All of the article. ".repeat(10).trim());
        assert_eq!(rewritten(&html), html);
    }
}
