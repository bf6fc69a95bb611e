//! Sanitising foreign HTML: what may stay for a mail, a feed or the archive, and proof that nothing else did.
//!
//! Four steps: bound it ([`super::bounds`]), tidy it as a tree ([`super::tidy`]: addresses, trackers, pixels), let ammonia keep only
//! what the allow-list names, then parse the result once more and check it with rules of our own ([`super::recheck`]). Only what
//! passes the last step, and comes out of it byte for byte as it went in, is ever used.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use dom_query::Document;
use url::Url;

use super::super::controls;
use super::{PageError, bounds, known, recheck, tidy};

/// Where the content will be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// A mail: what mail programs show, without players.
    Mail,
    /// A feed: as in a mail, with sound and film.
    Feed,
    /// Our own pages: as in a feed, with parts that fold, and links that give nothing away.
    Archive,
}

/// How content is sanitised.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Where it will be shown.
    pub profile: Profile,
    /// What relative addresses are relative to; without it they are taken out.
    pub base: Option<&'a Url>,
    /// Whether pictures stay; their descriptions take their place when not.
    pub images: bool,
}

/// Elements allowed everywhere, of what strangers write. What `feed` shows is another question and another list: our own articles have sections, forms of
/// tasks and pictures in several sizes, and they keep them.
const TAGS: [&str; 62] = [
    "a",
    "abbr",
    "b",
    "bdi",
    "bdo",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "u",
    "ul",
    "var",
    "wbr",
    "address",
    "center",
];
const PLAYERS: [&str; 3] = ["audio", "video", "source"];
const FOLDS: [&str; 2] = ["details", "summary"];
/// Elements taken out with all they hold.
const DROPPED: [&str; 23] = [
    "script",
    "style",
    "template",
    "noscript",
    "iframe",
    "object",
    "embed",
    "applet",
    "frame",
    "frameset",
    "noframes",
    "noembed",
    "svg",
    "select",
    "textarea",
    "input",
    "button",
    "title",
    "base",
    "meta",
    "link",
    "plaintext",
    "xmp",
];

impl Profile {
    /// Whether an element may stay.
    pub fn allows_tag(self, tag: &str) -> bool {
        TAGS.contains(&tag) || self != Self::Mail && PLAYERS.contains(&tag) || self == Self::Archive && FOLDS.contains(&tag)
    }

    /// The attributes an element may keep beside `title`, `lang` and `dir`.
    pub fn attributes(self, tag: &str) -> &'static [&'static str] {
        match tag {
            "a" if self == Self::Archive => &["href", "rel"],
            "a" => &["href"],
            "img" => &["src", "alt", "width", "height"],
            "td" | "th" => &["colspan", "rowspan", "align"],
            "col" | "colgroup" => &["span"],
            "ol" => &["start", "type", "reversed"],
            "li" => &["value"],
            "time" | "del" | "ins" => &["datetime"],
            "code" | "pre" => &["class"],
            "audio" | "video" if self != Self::Mail => &["src", "controls", "poster", "width", "height"],
            "source" if self != Self::Mail => &["src", "type"],
            _ => &[],
        }
    }
}

/// Attributes any element may keep.
pub const GENERIC: [&str; 3] = ["title", "lang", "dir"];

/// Sanitises `html`. Content that cannot be proved harmless comes back as its text alone.
pub fn sanitize(html: &str, rules: &Rules<'_>) -> Result<String, PageError> {
    Ok(recheck::html_of(&sanitize_tree(html, rules)?))
}

/// As [`sanitize`], with the checked tree.
pub fn sanitize_tree(html: &str, rules: &Rules<'_>) -> Result<Document, PageError> {
    let doc = bounds::fragment(html)?;
    known::content(&doc.root());
    tidy::tidy(&doc.root(), rules.base, rules.images);
    Ok(finish(&recheck::html_of(&doc), rules.profile))
}

/// The allow-list and the check, for HTML that is tidied already.
pub(super) fn finish(html: &str, profile: Profile) -> Document {
    // References such as `&#27;` are characters by now.
    let cleaned = controls::without(builder(profile).clean(html).to_string());
    recheck::checked(cleaned, profile).unwrap_or_else(|| recheck::text_only(html))
}

fn builder(profile: Profile) -> &'static Builder<'static> {
    static MAIL: LazyLock<Builder<'static>> = LazyLock::new(|| build(Profile::Mail));
    static FEED: LazyLock<Builder<'static>> = LazyLock::new(|| build(Profile::Feed));
    static ARCHIVE: LazyLock<Builder<'static>> = LazyLock::new(|| build(Profile::Archive));
    match profile {
        Profile::Mail => &MAIL,
        Profile::Feed => &FEED,
        Profile::Archive => &ARCHIVE,
    }
}

fn build(profile: Profile) -> Builder<'static> {
    let tags: HashSet<&str> = TAGS.into_iter().chain(PLAYERS).chain(FOLDS).filter(|tag| profile.allows_tag(tag)).collect();
    let attributes: HashMap<&str, HashSet<&str>> =
        tags.iter().map(|&tag| (tag, profile.attributes(tag).iter().copied().filter(|&name| name != "rel").collect())).collect();
    let mut dropped: HashSet<&str> = DROPPED.into_iter().collect();
    if profile == Profile::Mail {
        dropped.extend(PLAYERS);
    }
    let mut builder = Builder::empty();
    builder
        .tags(tags)
        .clean_content_tags(dropped)
        .tag_attributes(attributes)
        .generic_attributes(GENERIC.into_iter().collect())
        .url_schemes(["http", "https", "mailto"].into_iter().collect())
        .url_relative(UrlRelative::Deny)
        .link_rel((profile == Profile::Archive).then_some("noopener noreferrer"))
        .strip_comments(true)
        .attribute_filter(|_, attribute, value| match attribute {
            "class" => language_class(value).map(Cow::from),
            // Markup has no business in a description; some reader down the line may forget to escape it.
            "title" | "alt" if holds_markup(value) => None,
            _ => Some(Cow::from(value)),
        });
    builder
}

fn holds_markup(value: &str) -> bool {
    value.match_indices('<').any(|(at, _)| value[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')))
}

/// The class that names the language of code; no other class stays.
pub fn language_class(value: &str) -> Option<&str> {
    value.split_ascii_whitespace().find(|class| {
        let language = class.strip_prefix("language-").or_else(|| class.strip_prefix("lang-"));
        language.is_some_and(|it| {
            !it.is_empty() && it.len() <= 32 && it.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+#-_.".contains(&byte))
        })
    })
}
