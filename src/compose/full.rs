//! The full path: everything rendered, inlined, linked and encoded anew for one reader. Slow, simple, and the reference
//! the fast path is tested against.

use std::path::Path;

use css_inline::{CSSInliner, InlineOptions};
use tera::{Context, Tera};

use super::headers::{self, Headers};
use super::links::{self, Base};
use super::rewrite::mentions_reader;
use super::{ComposeError, Reader, Rendered, context, mime};
use crate::model::email::forbidden_in_header;
use crate::model::{Fault, Faults, Frozen, ListId, Timestamp};
use crate::template;

/// Largest HTML or text of a mail. Mail programs clip long before; a template that writes more is broken.
pub(super) const OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// Longest subject and preheader.
const LINE_BYTES_MAX: usize = 2_000;
/// Deepest nesting of elements: the HTML tree is walked recursively.
const DEPTH_MAX: usize = 256;

/// The names under which the Issue's own two lines stand among the templates.
pub(super) const SUBJECT: &str = "subject";
/// See [`SUBJECT`].
pub(super) const PREHEADER: &str = "preheader";

/// What all readers of an Issue on a List have in common.
pub(super) struct Shared {
    pub(super) engine: Tera,
    pub(super) context: Context,
    pub(super) headers: Headers,
    pub(super) html: Page,
    pub(super) text_name: String,
    pub(super) test: bool,
}

/// The template of the HTML part and what is done with its output.
pub(super) struct Page {
    pub(super) name: String,
    pub(super) base: Base,
    inliner: CSSInliner<'static>,
}

impl Page {
    fn new(template: &str, url: &str) -> Self {
        let options = InlineOptions { load_remote_stylesheets: false, keep_at_rules: true, ..InlineOptions::default() };
        Self { name: format!("email/{template}.html"), base: Base::new(url), inliner: CSSInliner::new(options) }
    }

    /// CSS inlined; links still as written.
    pub(super) fn inline(&self, html: &str) -> Result<String, ComposeError> {
        check_depth(html)?;
        self.inliner.inline(html).map_err(|error| ComposeError(format!("{}: the CSS cannot be inlined: {error}", self.name)))
    }
}

/// Reads the templates of `frozen`, with its subject and preheader among them.
pub(super) fn sources(frozen: &Frozen) -> std::collections::BTreeMap<String, String> {
    let mut sources = frozen.templates.clone();
    sources.insert(SUBJECT.to_owned(), frozen.subject.clone());
    sources.insert(PREHEADER.to_owned(), frozen.preheader.clone());
    sources
}

impl Shared {
    /// Parses the templates and writes the shared headers.
    pub(super) fn new(frozen: &Frozen, list: &ListId) -> Result<Self, Faults> {
        let html = Page::new(&frozen.template, &frozen.site.url);
        let text_name = format!("email/{}.txt", frozen.template);
        for name in [&html.name, &text_name] {
            if !frozen.templates.contains_key(name) {
                let fault = Fault::error("template-missing", format!("there is no template `{name}`"));
                return Err(fault.hint("the Digest's `template` names a pair of files under templates/email/").into());
            }
        }
        let headers = Headers::new(frozen, list).map_err(|error| Fault::error("header-invalid", error.0))?;
        let engine = template::engine(&sources(frozen))?;
        Ok(Self { engine, context: context::shared(frozen, list), headers, html, text_name, test: frozen.test })
    }

    /// What one reader sees.
    pub(super) fn render(&self, reader: &Reader) -> Result<Rendered, ComposeError> {
        let context = self.context_for(reader)?;
        let html = self.html.inline(&run(&self.engine, &self.html.name, &context)?)?;
        let html = links::absolute(&html, &self.html.base);
        let text = run(&self.engine, &self.text_name, &context)?;
        check_size(html.len().max(text.len()))?;
        Ok(Rendered { subject: line(&context, SUBJECT).to_owned(), preheader: line(&context, PREHEADER).to_owned(), html, text })
    }

    /// Finds what would fail for everybody: renders for `sample`, who has no attributes. A line that speaks of the reader
    /// may work for others, so it is forgiven here.
    pub(super) fn try_out(&self, sample: &Reader) -> Result<(), Faults> {
        let forgiven = |fault: &Fault| fault.place.as_ref().is_some_and(|place| mentions_reader(&place.source));
        match self.first_fault(sample) {
            Some(fault) if !forgiven(&fault) => Err(fault.into()),
            _ => Ok(()),
        }
    }

    /// Why no mail can be rendered for a reader, with its place.
    pub(super) fn first_fault(&self, reader: &Reader) -> Option<Fault> {
        let mut context = self.context.clone();
        context::set_reader(&mut context, reader);
        for name in [SUBJECT, PREHEADER, &self.html.name, &self.text_name] {
            match template::render(&self.engine, name, &context) {
                Ok(written) if name == SUBJECT || name == PREHEADER => match one_line(&written) {
                    Ok(line) => context::set_issue(&mut context, if name == SUBJECT { SUBJECT } else { PREHEADER }, &line),
                    Err(error) => return Some(Fault::error("line-too-long", error.0).in_file(Path::new(name))),
                },
                Ok(written) if name == self.html.name => {
                    if let Err(error) = self.html.inline(&written) {
                        return Some(Fault::error("html-invalid", error.0).in_file(Path::new(name)));
                    }
                }
                Ok(_) => {}
                Err(fault) => return Some(fault),
            }
        }
        None
    }

    /// The context for one reader, with `issue.subject` and `issue.preheader` rendered in that order.
    pub(super) fn context_for(&self, reader: &Reader) -> Result<Context, ComposeError> {
        let mut context = self.context.clone();
        context::set_reader(&mut context, reader);
        let subject = run(&self.engine, SUBJECT, &context)?;
        context::set_issue(&mut context, SUBJECT, &self.subject_line(&subject)?);
        let preheader = run(&self.engine, PREHEADER, &context)?;
        context::set_issue(&mut context, PREHEADER, &one_line(&preheader)?);
        Ok(context)
    }

    /// The finished subject from what its template wrote.
    pub(super) fn subject_line(&self, written: &str) -> Result<String, ComposeError> {
        let line = one_line(written)?;
        Ok(if self.test { format!("[TEST] {line}") } else { line })
    }

    /// The finished message of one reader.
    pub(super) fn message(&self, reader: &Reader, date: Timestamp, out: &mut Vec<u8>) -> Result<(), ComposeError> {
        let rendered = self.render(reader)?;
        let mut subject = Vec::new();
        headers::subject(&rendered.subject, &mut subject)?;
        self.headers.write(reader, &subject, date, out)?;
        mime::body(&rendered.text, &rendered.html, out);
        Ok(())
    }
}

/// `issue.subject` or `issue.preheader` of a finished context.
pub(super) fn line<'c>(context: &'c Context, field: &'static str) -> &'c str {
    let line = context.get("issue").and_then(|issue| issue.get_from_path(field));
    line.and_then(|line| line.as_str()).unwrap_or_default()
}

/// Renders one template.
pub(super) fn run(engine: &Tera, name: &str, context: &Context) -> Result<String, ComposeError> {
    template::render(engine, name, context).map_err(|fault| ComposeError(fault.to_string()))
}

/// Text as one line: control characters become blanks, and blanks around it go.
pub(super) fn one_line(text: &str) -> Result<String, ComposeError> {
    let line = text.replace(forbidden_in_header, " ").trim().to_owned();
    if line.len() > LINE_BYTES_MAX {
        return Err(ComposeError(format!("the subject and the preheader have at most {LINE_BYTES_MAX} octets")));
    }
    Ok(line)
}

pub(super) fn check_size(bytes: usize) -> Result<(), ComposeError> {
    if bytes > OUTPUT_BYTES_MAX {
        return Err(ComposeError(format!("a mail has at most {OUTPUT_BYTES_MAX} bytes of HTML and of text; this one has {bytes}")));
    }
    Ok(())
}

/// Refuses HTML that could be nested so deep that walking its tree exhausts the stack.
/// It counts tags that open and are not closed; void elements and `<p>` are few enough not to matter.
fn check_depth(html: &str) -> Result<(), ComposeError> {
    const VOID: [&str; 12] = ["br", "img", "hr", "meta", "link", "input", "col", "wbr", "area", "base", "source", "p"];
    let (mut depth, mut deepest) = (0usize, 0usize);
    for (i, _) in html.match_indices('<') {
        let tag = &html.as_bytes()[i + 1..];
        let name = tag.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
        if tag.first() == Some(&b'/') {
            depth = depth.saturating_sub(1);
        } else if name > 0 && !VOID.iter().any(|void| void.as_bytes().eq_ignore_ascii_case(&tag[..name])) {
            depth += 1;
            deepest = deepest.max(depth);
        }
    }
    if deepest > DEPTH_MAX {
        return Err(ComposeError(format!("the HTML is nested {deepest} deep; {DEPTH_MAX} is the most")));
    }
    Ok(())
}
