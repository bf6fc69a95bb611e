//! The Markdown tree as HTML that survives mail programs, feed readers and validators: no classes to be styled, no data attributes,
//! no form controls, no addresses relative to a page it is not on.

use std::collections::HashMap;
use std::fmt::{self, Write as _};

use comrak::html::{ChildRendering, Context, format_document_with_formatter, format_node_default};
use comrak::nodes::{NodeFootnoteDefinition, NodeFootnoteReference, NodeLink, NodeValue};
use comrak::options::Plugins;
use comrak::{Node, Options};

use super::highlight;

/// What rendering needs to know beside the tree.
struct Page<'a> {
    /// The article's own address, for notes.
    url: &'a str,
    /// Address of a picture → its size in pixels.
    sizes: &'a HashMap<String, (u32, u32)>,
    /// Notes written so far.
    notes: u32,
}

/// Writes the tree as HTML.
pub fn html(root: Node<'_>, options: &Options<'_>, url: &str, sizes: &HashMap<String, (u32, u32)>) -> String {
    let mut out = String::new();
    let page = Page { url, sizes, notes: 0 };
    // Writing into a string does not fail.
    let _ = format_document_with_formatter(root, options, &mut out, &Plugins::default(), node, page);
    out
}

fn node(out: &mut Context<'_, '_, Page<'_>>, node: Node<'_>, entering: bool) -> Result<ChildRendering, fmt::Error> {
    match &node.data().value {
        NodeValue::Heading(heading) => self::heading(out, node, heading.level, entering),
        NodeValue::Image(image) => picture(out, image, entering),
        NodeValue::CodeBlock(block) if entering => {
            out.cr()?;
            let language = block.info.split([' ', ',', '{']).next().unwrap_or_default();
            out.write_str(&highlight::html(language, &block.literal))?;
            out.lf()?;
            Ok(ChildRendering::HTML)
        }
        NodeValue::TaskItem(item) => task(out, item.symbol.is_some(), entering),
        NodeValue::FootnoteReference(reference) => {
            if entering {
                note_reference(out, reference)?;
            }
            Ok(ChildRendering::HTML)
        }
        NodeValue::FootnoteDefinition(definition) => note(out, node, definition, entering),
        // A link that was not safe to follow is only its text.
        NodeValue::Link(link) if link.url.is_empty() => Ok(ChildRendering::HTML),
        NodeValue::Paragraph if !entering && node.next_sibling().is_none() => last_paragraph(out, node),
        _ => format_node_default(out, node, entering),
    }
}

fn heading(out: &mut Context<'_, '_, Page<'_>>, node: Node<'_>, level: u8, entering: bool) -> Result<ChildRendering, fmt::Error> {
    if entering {
        out.cr()?;
        let id = out.anchorizer.anchorize(&node.collect_text());
        write!(out, "<h{level} id=\"{id}\">")?;
    } else {
        write!(out, "</h{level}>")?;
        out.lf()?;
    }
    Ok(ChildRendering::HTML)
}

fn picture(out: &mut Context<'_, '_, Page<'_>>, image: &NodeLink, entering: bool) -> Result<ChildRendering, fmt::Error> {
    if entering {
        out.write_str("<img src=\"")?;
        out.escape_href(&image.url)?;
        out.write_str("\" alt=\"")?;
        return Ok(ChildRendering::Plain);
    }
    out.write_str("\"")?;
    if !image.title.is_empty() {
        out.write_str(" title=\"")?;
        out.escape(&image.title)?;
        out.write_str("\"")?;
    }
    if let Some((width, height)) = out.user.sizes.get(&image.url) {
        write!(out, " width=\"{width}\" height=\"{height}\"")?;
    }
    out.write_str(" />")?;
    Ok(ChildRendering::HTML)
}

/// A task as a character: mail programs take form controls out.
fn task(out: &mut Context<'_, '_, Page<'_>>, done: bool, entering: bool) -> Result<ChildRendering, fmt::Error> {
    if entering {
        out.cr()?;
        out.write_str(if done { "<li>☑ " } else { "<li>☐ " })?;
    } else {
        out.write_str("</li>")?;
        out.lf()?;
    }
    Ok(ChildRendering::HTML)
}

fn note_reference(out: &mut Context<'_, '_, Page<'_>>, reference: &NodeFootnoteReference) -> fmt::Result {
    let url = out.user.url;
    out.write_str("<sup><a href=\"")?;
    out.escape_href(&format!("{url}#fn-{}", reference.name))?;
    out.write_str("\" id=\"fnref-")?;
    out.escape_href(&reference.name)?;
    if reference.ref_num > 1 {
        write!(out, "-{}", reference.ref_num)?;
    }
    write!(out, "\">{}</a></sup>", reference.ix)
}

fn note(
    out: &mut Context<'_, '_, Page<'_>>,
    node: Node<'_>,
    definition: &NodeFootnoteDefinition,
    entering: bool,
) -> Result<ChildRendering, fmt::Error> {
    if entering {
        out.cr()?;
        if out.user.notes == 0 {
            out.write_str("<hr />\n<ol>\n")?;
        }
        out.user.notes += 1;
        out.write_str("<li id=\"fn-")?;
        out.escape_href(&definition.name)?;
        out.write_str("\">")?;
    } else {
        out.cr()?;
        out.write_str("</li>")?;
        out.lf()?;
        let is_note = |next: Node<'_>| matches!(next.data().value, NodeValue::FootnoteDefinition(_));
        if !node.next_sibling().is_some_and(is_note) {
            out.write_str("</ol>")?;
            out.lf()?;
        }
    }
    Ok(ChildRendering::HTML)
}

/// The end of a block's last paragraph: in a note it leads back to the text.
fn last_paragraph(out: &mut Context<'_, '_, Page<'_>>, node: Node<'_>) -> Result<ChildRendering, fmt::Error> {
    let Some(parent) = node.parent() else { return format_node_default(out, node, false) };
    let NodeValue::FootnoteDefinition(definition) = &parent.data().value else { return format_node_default(out, node, false) };
    back_link(out, definition)?;
    out.write_str("</p>")?;
    out.lf()?;
    Ok(ChildRendering::HTML)
}

fn back_link(out: &mut Context<'_, '_, Page<'_>>, definition: &NodeFootnoteDefinition) -> fmt::Result {
    let url = out.user.url;
    out.write_str(" <a href=\"")?;
    out.escape_href(&format!("{url}#fnref-{}", definition.name))?;
    out.write_str("\">↩</a>")
}
