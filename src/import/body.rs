//! The body of an entry: its text cleaned, then the pictures and files that its text does not show.

use std::borrow::Cow;

use url::{Position, Url};

use super::article::is_web;
use super::brief;
use super::pages::{self, Profile, Rules};
use super::reader::{Enclosure, Entry, entity, plain_text};
use crate::model::article::Attachment;

/// What a body without any of these is one paragraph of.
const BLOCKS: [&str; 10] = ["<p", "<div", "<ul", "<ol", "<dl", "<h", "<table", "<blockquote", "<figure", "<details"];
/// A line shorter than this ends where its author ended it; a longer one was wrapped.
const WRAPPED_CHARS_MIN: usize = 50;
/// Nothing plays it any more.
const FLASH: &str = "application/x-shockwave-flash";
/// Portraits that some sites hang on everything somebody writes.
const PORTRAITS: &str = "gravatar.com/avatar";

/// The body of an entry.
#[derive(Debug, Default)]
pub struct Body {
    /// Cleaned HTML.
    pub html: String,
    /// Its text, as plain text; without the pictures and files behind it.
    pub text: String,
    /// What its first picture shows, where that is said.
    pub shown: Option<String>,
    /// The name of the first file that is no picture.
    pub file: Option<String>,
}

/// Makes the body of an entry; relative addresses in it are relative to `base`.
pub fn of(entry: &Entry, base: &Url, images: bool) -> Body {
    let given = entry.content.as_deref().or_else(|| summary(entry)).unwrap_or_default();
    let (mut html, text) = clean(given, base, images);
    let pictures = pictures(entry);
    // A single picture stands beside the title already. Where nothing else is said, it is what there is to say.
    if pictures.len() > 1 || text.is_empty() {
        let unseen: String = pictures.iter().filter(|(url, _)| !names(&html, url)).map(|(url, alt)| picture(url, alt)).collect();
        html.push_str(&clean(&unseen, base, images).0);
    }
    let links = links(entry, &html);
    html.push_str(&links);
    Body {
        html,
        text,
        shown: pictures.into_iter().map(|(_, alt)| alt).find(|alt| !alt.is_empty()),
        file: files(entry).find(|(file, _)| !is_picture(file)).and_then(|(_, url)| name(&url)),
    }
}

/// The short text of an entry, unless it only describes its picture.
pub fn summary(entry: &Entry) -> Option<&str> {
    let describes = |said: &&str| entry.pictures.iter().any(|picture| picture.alt.as_deref().is_some_and(|alt| alt == plain_text(said)));
    entry.summary.as_deref().filter(|said| !describes(said))
}

/// Cleaned HTML and its text. What cannot be cleaned within bounds is nothing.
pub fn clean(body: &str, base: &Url, images: bool) -> (String, String) {
    let rules = Rules { profile: Profile::Archive, base: Some(base), images };
    let is_flat = body.trim().contains('\n') && !has_tags(body);
    let body = if is_flat { Cow::Owned(paragraphs(body)) } else { Cow::Borrowed(body) };
    let (html, text) = pages::clean(&body, &rules).unwrap_or_default();
    let is_bare = !html.is_empty() && !BLOCKS.iter().any(|block| html.contains(block));
    (if is_bare { format!("<p>{html}</p>") } else { html }, text)
}

fn has_tags(text: &str) -> bool {
    text.match_indices('<').any(|(at, _)| text[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!')))
}

/// HTML without tags, whose lines are all the structure it has: an empty line parts paragraphs, and no line is taken for the site's.
fn paragraphs(html: &str) -> String {
    let mut out = String::with_capacity(html.len() + html.len() / 8);
    let mut before: Option<usize> = None;
    for line in html.trim().lines().map(str::trim) {
        if line.is_empty() {
            before = None;
            continue;
        }
        out.push_str(match before {
            None => "<p>",
            Some(WRAPPED_CHARS_MIN..) if !begins_item(line) => " ",
            Some(_) => "<br>",
        });
        out.push_str(line);
        before = Some(entity::resolve(line).chars().count());
    }
    out
}

/// Whether a line begins like an item of a list: `- one`, `• one`, `1. one`, `0:42 one`.
fn begins_item(line: &str) -> bool {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_numbered = rest.len() < line.len() && rest.starts_with(['.', ')', ':']);
    is_numbered || line.starts_with(['•', '·', '‣', '▪', '◦', '●', '○', '■', '∙', '–', '-', '*'])
}

/// The pictures that belong to an entry, each once, whatever its sizes, with what they show.
fn pictures(entry: &Entry) -> Vec<(Url, String)> {
    let attached = files(entry).filter(|(file, _)| is_picture(file)).map(|(_, url)| (url, String::new()));
    let shown = entry.pictures.iter().filter_map(|picture| {
        let url = Url::parse(&picture.url).ok().filter(is_web)?;
        Some((url, picture.alt.clone().unwrap_or_default()))
    });
    let mut all: Vec<(Url, String)> = Vec::new();
    for (url, alt) in shown.chain(attached) {
        let is_same = |(known, _): &(Url, String)| known[..Position::AfterPath] == url[..Position::AfterPath];
        if !url.as_str().contains(PORTRAITS) && !all.iter().any(is_same) {
            all.push((url, alt));
        }
    }
    all
}

fn picture(url: &Url, alt: &str) -> String {
    format!("<p><img src=\"{}\" alt=\"{}\"></p>", escape(url.as_str()), escape(alt))
}

/// Whether a text shows or links a file, perhaps in another size or from another host. Behind the last part of its path the address ends there as well:
/// `/1` is not in `/12.png`.
fn names(html: &str, url: &Url) -> bool {
    let last = url.path().rsplit('/').next().filter(|last| !last.is_empty());
    let Some(last) = last.map(|last| format!("/{}", escape(last))) else { return html.contains(&escape(url.as_str())) };
    html.match_indices(&last).any(|(at, _)| html[at + last.len()..].starts_with(['"', '?', '#']))
}

/// Links to the sounds and films of an entry that its text does not name: a podcast without them is nothing.
fn links(entry: &Entry, html: &str) -> String {
    let mut out = String::new();
    for (file, url) in files(entry).filter(|(file, _)| !is_picture(file)) {
        let href = escape(url.as_str());
        if html.contains(&href) {
            continue;
        }
        let (name, kind) = (name(&url), kind(file).unwrap_or_else(|| "file".to_owned()));
        let size = file.length.filter(|length| *length > 0).map(size).unwrap_or_default();
        out.push_str(&format!("<p><a href=\"{href}\">{}</a> ({}{size})</p>", escape(name.as_deref().unwrap_or("file")), escape(&kind)));
    }
    out
}

/// `, 4.0 MB`, or `, 12 kB`.
fn size(bytes: u64) -> String {
    if bytes < 1_000_000 { format!(", {} kB", bytes.div_ceil(1000)) } else { format!(", {:.1} MB", bytes as f64 / 1e6) }
}

/// The files of an entry that lie in the web and can be played or read.
pub fn files(entry: &Entry) -> impl Iterator<Item = (&Enclosure, Url)> {
    let usable = entry.enclosures.iter().filter(|file| !file.kind.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case(FLASH)));
    usable.filter_map(|file| Some((file, Url::parse(&file.url).ok().filter(is_web)?)))
}

/// The files of an entry as our own feeds attach them.
pub fn attachments(entry: &Entry, images: bool) -> Vec<Attachment> {
    files(entry)
        .filter(|(file, _)| images || !is_picture(file))
        .map(|(file, url)| Attachment { url: url.into(), media_type: kind(file), length_bytes: file.length.filter(|length| *length > 0) })
        .collect()
}

fn is_picture(file: &Enclosure) -> bool {
    file.kind.as_deref().is_some_and(|kind| kind.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("image/")))
}

/// What a file is called at its address.
fn name(url: &Url) -> Option<String> {
    let last = url.path_segments()?.next_back().filter(|last| !last.is_empty())?;
    Some(brief::name(&percent_encoding::percent_decode_str(last).decode_utf8_lossy())).filter(|name| !name.is_empty())
}

/// What a file says it is.
fn kind(file: &Enclosure) -> Option<String> {
    file.kind.as_deref().map(brief::name).filter(|kind| !kind.is_empty())
}

/// Text as HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
