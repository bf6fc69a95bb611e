//! Inline styles as classes: the pages' content security policy allows styles from our own files only, while mails and feeds need them inline.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Mutex;

use lol_html::html_content::Element;
use lol_html::{RewriteStrSettings, element, rewrite_str};

use super::text::hash;

/// What no declaration of a style needs, and what could end its rule or load something.
const UNFIT: [char; 6] = ['{', '}', '<', '>', '@', '\\'];

/// The rules that pages asked for, by class.
#[derive(Default)]
pub(super) struct Styles(Mutex<BTreeMap<String, String>>);

impl Styles {
    /// `html` with a class in place of every style.
    pub fn as_classes<'h>(&self, html: &'h str) -> Cow<'h, str> {
        if !html.contains("style=") {
            return Cow::Borrowed(html);
        }
        Cow::Owned(self.usual(html).unwrap_or_else(|| self.rewritten(html)))
    }

    /// The rules, as the end of a stylesheet. The class stands twice, so that they win over the stylesheet's own, as an inline style does.
    pub fn rules(&self) -> String {
        let rules = self.0.lock().map(|rules| rules.clone()).unwrap_or_default();
        rules.iter().map(|(class, style)| format!(".{class}.{class} {{ {style} }}\n")).collect()
    }

    /// Styles written as we write them, `<span style="…">`, which costs a tenth of rewriting; nothing when any is written otherwise.
    fn usual(&self, html: &str) -> Option<String> {
        let mut out = String::with_capacity(html.len());
        let mut known: Vec<(&str, Option<String>)> = Vec::new();
        let mut pieces = html.split("style=");
        out.push_str(pieces.next()?);
        for piece in pieces {
            let tag = &out[out.rfind('<')?..];
            let alone = matches!(tag, "<span " | "<pre " | "<p " | "<td " | "<div ");
            let (style, rest) = piece.strip_prefix('"')?.split_once('"')?;
            if !alone || !rest.starts_with('>') || style.contains('&') {
                return None;
            }
            out.pop();
            // Code has few colours, and many words in each.
            if !known.iter().any(|(other, _)| *other == style) {
                known.push((style, self.class(style)));
            }
            if let Some((_, Some(class))) = known.iter().find(|(other, _)| *other == style) {
                out.extend([" class=\"", class, "\""]);
            }
            out.push_str(rest);
        }
        Some(out)
    }

    fn rewritten(&self, html: &str) -> String {
        let handler = element!("[style]", |el: &mut Element<'_, '_>| {
            let style = el.get_attribute("style").unwrap_or_default();
            el.remove_attribute("style");
            if let Some(class) = self.class(&style) {
                let all = [el.get_attribute("class"), Some(class)].into_iter().flatten().collect::<Vec<_>>().join(" ");
                el.set_attribute("class", &all)?;
            }
            Ok(())
        });
        let settings = RewriteStrSettings::new().append_element_content_handler(handler).with_strict(false);
        // What cannot be rewritten keeps its styles, and browsers drop them.
        rewrite_str(html, settings).unwrap_or_else(|_| html.to_owned())
    }

    /// The class that stands for `style`; none for what does not belong in a rule.
    fn class(&self, style: &str) -> Option<String> {
        let style = style.trim();
        let fit = !style.is_empty() && !style.contains(UNFIT) && !style.chars().any(char::is_control);
        if !fit || style.contains("/*") || style.contains('&') || style.matches(['"', '\'']).count() % 2 == 1 {
            return None;
        }
        let class = format!("s-{}", hash(style));
        let mut rules = self.0.lock().ok()?;
        rules.entry(class.clone()).or_insert_with(|| style.to_owned());
        Some(class)
    }
}
