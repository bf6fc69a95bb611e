//! The body of one article: parsed once, links made absolute in the tree, then written as HTML, plain text and summary.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use comrak::nodes::{NodeValue, Sourcepos};
use comrak::{Arena, Node, Options};
use percent_encoding::percent_decode_str;

use crate::model::article::{Asset, Image};
use crate::model::{Article, Fault};

use super::index::Index;
use super::links::{Links, Target};
use super::meta::Draft;
use super::{images, lint, render, sanitize, summary, text};

/// How Markdown is read: CommonMark with the extensions people know from GitHub.
pub fn options() -> Options<'static> {
    let mut options = Options::default();
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.cjk_friendly_emphasis = true;
    options.render.r#unsafe = true;
    options
}

/// Renders the body of `draft`.
pub fn finish(draft: Draft, index: &Index) -> (Article, Vec<Fault>) {
    let options = options();
    let arena = Arena::new();
    let root = comrak::parse_document(&arena, &draft.text[draft.body..], &options);
    let mut body = Body::new(&draft, index);
    body.lead_image();
    lint::title(&draft, &mut body.faults);
    for node in root.descendants() {
        body.visit(node);
    }
    let html = body.html(root, &options);
    let Body { faults, image, mut assets, .. } = body;
    assets.sort_by(|a, b| a.path.cmp(&b.path));
    assets.dedup_by(|a, b| a.path == b.path);
    let summary = match draft.article.summary.as_str() {
        "" => summary::of(root),
        _ => draft.article.summary.clone(),
    };
    let (words, text) = (summary::words(root), text::write(root));
    (Article { html, text, words, summary, image, assets, ..draft.article }, faults)
}

/// Where something stands in the file; the bytes are worked out only when there is a fault to show.
enum Place {
    /// In the front matter.
    Bytes(Range<usize>),
    /// In the body.
    Node(Sourcepos),
}

/// One body while it is worked on.
pub struct Body<'a> {
    draft: &'a Draft,
    links: Links<'a>,
    faults: Vec<Fault>,
    /// Whether the author wrote HTML, which has to be cleaned.
    has_html: bool,
    /// Address of a picture → its size in pixels.
    sizes: HashMap<String, (u32, u32)>,
    image: Option<Image>,
    assets: Vec<Asset>,
    /// Where each line of the body begins; found when the first fault needs it.
    line_starts: Vec<usize>,
}

impl<'a> Body<'a> {
    fn new(draft: &'a Draft, index: &'a Index) -> Self {
        let links = Links::new(index, draft);
        let assets = draft.source.beside.iter().filter_map(|file| bundled(draft, file)).collect();
        Self { draft, links, faults: Vec::new(), has_html: false, sizes: HashMap::new(), image: None, assets, line_starts: Vec::new() }
    }

    fn lead_image(&mut self) {
        let Some((written, span)) = &self.draft.image else { return };
        let target = self.resolve(written, &Place::Bytes(span.clone()));
        if !target.url.is_empty() {
            self.image = Some(images::describe(target.url, String::new(), target.file.as_deref()));
        }
    }

    fn visit(&mut self, node: Node<'_>) {
        let mut data = node.data_mut();
        let place = data.sourcepos;
        match &mut data.value {
            NodeValue::Link(link) => {
                link.url = self.resolve(&link.url, &Place::Node(place)).url;
            }
            NodeValue::Image(image) => {
                let written = std::mem::take(&mut image.url);
                drop(data);
                let url = self.picture(node, &written, place);
                if let NodeValue::Image(image) = &mut node.data_mut().value {
                    image.url = url;
                }
            }
            NodeValue::Text(text) => {
                if let Some(word) = lint::unfinished(text) {
                    let span = self.span(&Place::Node(place));
                    self.faults.push(lint::tk(self.draft, word, span));
                }
            }
            NodeValue::HtmlInline(_) | NodeValue::HtmlBlock(_) => self.has_html = true,
            _ => {}
        }
    }

    /// A picture's absolute address; its size is remembered, and what is wrong with it reported: one thing at a time.
    fn picture(&mut self, node: Node<'_>, written: &str, place: Sourcepos) -> String {
        let mut alt = String::new();
        node.collect_text_append(&mut alt);
        let mut target = self.links.resolve(written);
        let place = Place::Node(place);
        if alt.trim().is_empty() {
            let span = self.span(&place);
            self.faults.push(lint::alt_missing(self.draft, span));
            target.problem = None;
        }
        self.note(&target, &place);
        if let Some(file) = &target.file {
            let image = images::describe(target.url.clone(), alt.clone(), Some(file));
            if let (Some(width), Some(height)) = (image.width, image.height) {
                self.sizes.insert(target.url.clone(), (width, height));
            }
        }
        if let Some(lead) = &mut self.image
            && lead.url == target.url
            && lead.alt.is_empty()
        {
            lead.alt = alt;
        }
        target.url
    }

    fn resolve(&mut self, written: &str, place: &Place) -> Target {
        let target = self.links.resolve(written);
        self.note(&target, place);
        target
    }

    /// Keeps what a resolved link brings: a fault, or a file to publish.
    fn note(&mut self, target: &Target, place: &Place) {
        if let Some(problem) = &target.problem {
            let span = self.span(place);
            let fault = Fault::warning(problem.code, problem.message.clone());
            self.faults.push(fault.at(&self.draft.source.file, &self.draft.text, span).hint(problem.hint.clone()));
        }
        if let Some(file) = &target.file
            && let Ok(url) = url::Url::parse(&target.url)
        {
            let path = percent_decode_str(url.path()).decode_utf8_lossy().into_owned();
            self.assets.push(Asset { file: file.clone(), path });
        }
    }

    /// The bytes of the file that a place means.
    fn span(&mut self, place: &Place) -> Range<usize> {
        let place = match place {
            Place::Bytes(span) => return span.clone(),
            Place::Node(place) => place,
        };
        let body = &self.draft.text[self.draft.body..];
        if self.line_starts.is_empty() {
            self.line_starts.push(0);
            self.line_starts.extend(memchr::memchr_iter(b'\n', body.as_bytes()).map(|at| at + 1));
        }
        let byte = |line: usize, column: usize| {
            let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(body.len());
            self.draft.body + (start + column).min(body.len())
        };
        byte(place.start.line, place.start.column.saturating_sub(1))..byte(place.end.line, place.end.column)
    }

    fn html(&mut self, root: Node<'_>, options: &Options<'_>) -> String {
        let page = &self.draft.article.url;
        let html = render::html(root, options, page, &self.sizes);
        if !self.has_html {
            return html;
        }
        match sanitize::clean(&html, &self.links) {
            Some(cleaned) => {
                self.faults.extend(cleaned.removed.iter().map(|what| lint::removed(self.draft, what)));
                cleaned.html
            }
            None => {
                self.faults.push(lint::unclosed(self.draft));
                let mut escaping = options.clone();
                escaping.render.escape = true;
                render::html(root, &escaping, page, &self.sizes)
            }
        }
    }
}

/// A file of the bundle, with the address it is published at.
fn bundled(draft: &Draft, file: &Path) -> Option<Asset> {
    let below: PathBuf = file.strip_prefix(draft.folder()).ok()?.to_owned();
    let below = below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
    Some(Asset { file: file.to_owned(), path: format!("{}{below}", draft.article.path) })
}
