//! Metadata of a page: JSON-LD before OpenGraph before plain `<meta>` before `<time>` and `<title>`.

use std::collections::HashMap;

use dom_query::{Document, NodeRef};
use url::Url;

use super::super::reader::BASE_BYTES_MAX;
use super::{address, jsonld};

/// What a page says about itself. All addresses are absolute.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Meta {
    /// The title, where the page names one beside `<title>`.
    pub title: Option<String>,
    /// The people who wrote it.
    pub author: Option<String>,
    /// Whether JSON-LD names them.
    pub author_is_stated: bool,
    /// When it appeared, as the page writes it.
    pub published: Option<String>,
    /// When it changed, as the page writes it.
    pub modified: Option<String>,
    /// The address the page wants to be known by.
    pub canonical: Option<Url>,
    /// The site's name.
    pub site_name: Option<String>,
    /// The language, as a BCP 47 tag.
    pub language: Option<String>,
    /// A short description.
    pub description: Option<String>,
    /// The picture that stands for the page.
    pub image: Option<Url>,
}

const SCHEMES: [&str; 2] = ["http", "https"];
/// Longer values are no metadata.
const VALUE_BYTES_MAX: usize = 4096;
/// So many headings of the first level are looked at.
const HEADINGS_MAX: usize = 8;
/// Names one element is taken for: honest ones have one, a few two.
const NAMES_MAX: usize = 8;

/// What relative addresses in the page are relative to: `<base>` before the page's own address.
pub fn base_of(doc: &Document, page: Option<&Url>) -> Option<Url> {
    let declared = doc.select_single("base[href]").attr("href");
    let declared = declared.and_then(|href| match page {
        Some(page) => page.join(href.trim()).ok(),
        None => Url::parse(href.trim()).ok(),
    });
    declared.filter(|url| SCHEMES.contains(&url.scheme()) && url.as_str().len() <= BASE_BYTES_MAX).or_else(|| page.cloned())
}

/// Reads the metadata.
pub fn read(doc: &Document, base: Option<&Url>) -> Meta {
    let json = jsonld::read(doc);
    let tags = Tags::read(doc);
    let url = |value: String| address::absolute(&value, base, &SCHEMES);
    let plain = |value: Option<String>| value.map(|value| unescaped(&value)).filter(|value| !value.is_empty());
    let canonical = doc.select_single("link[rel~=canonical]").attr("href").map(|href| href.to_string());
    Meta {
        title: plain(title_of(doc, json.headline, json.name)).or_else(|| tags.first(&TITLES)),
        author_is_stated: json.author.is_some(),
        author: plain(json.author).or_else(|| tags.author()).map(|author| without_by(&author)),
        published: json.published.or_else(|| tags.first(&PUBLISHED)).or_else(|| time(doc)),
        modified: json.modified.or_else(|| tags.first(&MODIFIED)),
        canonical: canonical.and_then(url).or_else(|| tags.first(&ADDRESSES).and_then(url)).or_else(|| json.url.and_then(url)),
        site_name: plain(json.site_name).or_else(|| tags.first(&SITES)),
        language: language(doc).or_else(|| tags.first(&LANGUAGES)).or(json.language).and_then(|tag| language_tag(&tag)),
        description: plain(json.description).or_else(|| tags.first(&DESCRIPTIONS)),
        image: json.image.and_then(url).or_else(|| tags.first(&IMAGES).and_then(url)),
    }
}

/// Names of a title, in Mozilla's order.
const TITLES: [&str; 9] = [
    "dc:title",
    "dcterm:title",
    "og:title",
    "weibo:article:title",
    "weibo:webpage:title",
    "title",
    "twitter:title",
    "parsely-title",
    "citation_title",
];
const MODIFIED: [&str; 5] = ["article:modified_time", "og:updated_time", "last-modified", "dcterms:modified", "datemodified"];
const LANGUAGES: [&str; 3] = ["og:locale", "content-language", "dc:language"];
const DESCRIPTIONS: [&str; 5] = ["og:description", "description", "twitter:description", "dc:description", "dcterm:description"];
const IMAGES: [&str; 5] = ["og:image:secure_url", "og:image", "og:image:url", "twitter:image", "twitter:image:src"];
const PUBLISHED: [&str; 14] = [
    "article:published_time",
    "og:article:published_time",
    "og:published_time",
    "parsely-pub-date",
    "datepublished",
    "date",
    "dc:date",
    "dcterm:date",
    "dcterms:created",
    "citation_publication_date",
    "publish-date",
    "publication_date",
    "sailthru:date",
    "pubdate",
];

const AUTHORS: [&str; 8] =
    ["dc:creator", "dcterm:creator", "author", "parsely-author", "article:author", "sailthru:author", "byl", "twitter:creator"];
const SITES: [&str; 2] = ["og:site_name", "application-name"];
const ADDRESSES: [&str; 1] = ["og:url"];

/// Whether a name is one of those above: a page can have hundreds of thousands of others, and each would keep its content.
fn is_asked_for(name: &str) -> bool {
    let all: [&[&str]; 9] = [&TITLES, &MODIFIED, &LANGUAGES, &DESCRIPTIONS, &IMAGES, &PUBLISHED, &AUTHORS, &SITES, &ADDRESSES];
    all.iter().any(|names| names.contains(&name))
}

/// The `<meta>` elements by name; the first of a name counts, except that Dublin Core's variants are one name.
struct Tags(HashMap<String, String>);

impl Tags {
    fn read(doc: &Document) -> Self {
        let mut tags = HashMap::new();
        for node in doc.select("meta[content]").nodes() {
            let content = node.attr("content").unwrap_or_default();
            let content = one_line(&content);
            if content.is_empty() || content.len() > VALUE_BYTES_MAX {
                continue;
            }
            let names = ["property", "name", "itemprop", "http-equiv"].iter().find_map(|it| node.attr(it));
            for name in names.unwrap_or_default().split_ascii_whitespace().take(NAMES_MAX) {
                let name = name.to_ascii_lowercase().replace('.', ":").replace("dcterms:title", "dcterm:title");
                if is_asked_for(&name) {
                    tags.entry(name).or_insert_with(|| content.clone());
                }
            }
        }
        Self(tags)
    }

    fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.0.get(*name)).map(|value| unescaped(value))
    }

    fn author(&self) -> Option<String> {
        AUTHORS
            .iter()
            .filter_map(|name| self.0.get(*name))
            .find(|value| !value.starts_with("http") && !value.starts_with('@'))
            .map(|value| unescaped(value))
    }
}

/// JSON-LD's headline or name: where they differ, the one that shares more words with `<title>`.
fn title_of(doc: &Document, headline: Option<String>, name: Option<String>) -> Option<String> {
    let (Some(headline), Some(name)) = (&headline, &name) else { return headline.or(name) };
    let title = doc.select_single("title").text().to_lowercase();
    let shared = |text: &str| {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        words.iter().filter(|word| title.contains(word.as_str())).count() as f32 / words.len().max(1) as f32
    };
    Some(if shared(name) > shared(headline) { name.clone() } else { headline.clone() })
}

/// The page's own headings: those that are no link home and no name of the site.
pub fn headings(doc: &Document) -> Vec<String> {
    let is_own = |node: &&NodeRef<'_>| {
        let within = |names: &[&str]| node.ancestors_it(None).any(|it| names.iter().any(|name| it.has_name(name)));
        let named = node.attr("class").is_some_and(|class| ["site", "logo", "brand"].iter().any(|word| class.contains(word)));
        !named && node.find(&["a"]).is_empty() && !within(&["nav", "footer"]) && (!within(&["header"]) || within(&["main", "article"]))
    };
    let found = doc.select("h1");
    let texts = found.nodes().iter().take(HEADINGS_MAX).filter(is_own).map(|node| one_line(&node.text()));
    texts.filter(|text| text.chars().count() > 2 && text.len() <= VALUE_BYTES_MAX).collect()
}

/// What forums write behind a name.
const BEHIND_NAMES: [&str; 4] = [" Joined:", " Posts:", " Messages:", " Registered:"];

/// A name without the word that introduces it.
pub(super) fn without_by(author: &str) -> String {
    let author = author.trim();
    let bare = ["By ", "by ", "BY ", "By: ", "Written by "].iter().find_map(|word| author.strip_prefix(word));
    let bare = bare.unwrap_or(author);
    let end = BEHIND_NAMES.iter().filter_map(|word| bare.find(word)).min().unwrap_or(bare.len());
    bare[..end].trim().to_owned()
}

/// A value as one line of plain text. Many are escaped twice: `&amp;amp;` in the source.
fn unescaped(value: &str) -> String {
    if !value.contains('&') {
        return one_line(value);
    }
    one_line(&Document::fragment(value.replace('<', "&lt;")).text())
}

/// Text on one line, without control characters: it may become a subject or a header one day.
pub(super) fn one_line(value: &str) -> String {
    let mut line = value.split_whitespace().collect::<Vec<_>>().join(" ");
    line.retain(|c| !c.is_control());
    line
}

fn time(doc: &Document) -> Option<String> {
    let of = |selector: &str| {
        let node = doc.select_single(selector);
        node.attr("datetime").or_else(|| node.attr("content")).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    of("[itemprop~=datePublished]")
        .or_else(|| of("time[pubdate]"))
        .or_else(|| of("article time[datetime]"))
        .or_else(|| of("time[datetime]"))
}

fn language(doc: &Document) -> Option<String> {
    doc.select_single("html").attr("lang").or_else(|| doc.select_single("html").attr("xml:lang")).map(|it| it.to_string())
}

/// A BCP 47 tag, when the value is one: `en_US` is written `en-US`.
fn language_tag(value: &str) -> Option<String> {
    let tag = value.trim().replace('_', "-");
    let mut parts = tag.split('-');
    let primary = parts.next().is_some_and(|it| (2..=3).contains(&it.len()) && it.bytes().all(|byte| byte.is_ascii_alphabetic()));
    let rest = parts.all(|it| (1..=8).contains(&it.len()) && it.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    (primary && rest).then_some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(head: &str) -> Meta {
        let base = Url::parse("https://example.com/a/").expect("a base");
        read(&Document::from(head), Some(&base))
    }

    #[test]
    fn json_ld_wins_over_open_graph_and_that_over_meta() {
        let meta = of(
            r#"<html lang=de_AT><title>T</title><meta name=description content=plain><meta property="og:title" content="OG"><meta property=og:description content="D &amp;amp; d">
            <script type="application/ld+json">{"@type":"Article","headline":"LD"}</script>"#,
        );
        assert_eq!(meta.title.as_deref(), Some("LD"));
        assert_eq!(meta.description.as_deref(), Some("D & d"));
        assert_eq!(meta.language.as_deref(), Some("de-AT"));
    }

    #[test]
    fn addresses_are_absolute_and_harmless() {
        let meta = of(r#"<link rel=canonical href="/x?utm_source=a"><meta property=og:image content="i.jpg">"#);
        assert_eq!(meta.canonical.map(String::from).as_deref(), Some("https://example.com/x"));
        assert_eq!(meta.image.map(String::from).as_deref(), Some("https://example.com/a/i.jpg"));
        assert_eq!(of("<link rel=canonical href='javascript:x'>").canonical, None);
    }

    #[test]
    fn an_author_is_a_name_and_never_an_address() {
        let meta = of(r#"<meta property="article:author" content="https://example.com/u"><meta name=DC.Creator content="Ada L.">"#);
        assert_eq!(meta.author.as_deref(), Some("Ada L."));
    }

    #[test]
    fn the_time_element_dates_a_page_without_better() {
        assert_eq!(of("<article><time datetime='2026-02-03T04:05Z'>x</time></article>").published.as_deref(), Some("2026-02-03T04:05Z"));
    }

    #[test]
    fn only_names_that_are_asked_for_are_kept() {
        let head: String = (0..200).map(|n| format!("<meta name='a{n} b{n} c{n}' content='{}'>", "x".repeat(4000))).collect();
        let doc =
            Document::from(format!("{head}<meta name=description content=plain><meta name='x1 x2 x3 x4 x5 x6 x7 x8 author' content=A>"));
        let tags = Tags::read(&doc);
        assert_eq!(tags.0.into_iter().collect::<Vec<_>>(), [("description".to_owned(), "plain".to_owned())]);
    }

    #[test]
    fn a_base_element_moves_relative_addresses() {
        let page = Url::parse("https://example.com/a/").expect("a page");
        let base = |html: &str| base_of(&Document::from(html), Some(&page)).map(String::from);
        assert_eq!(base("<base href='/b/'>").as_deref(), Some("https://example.com/b/"));
        assert_eq!(base("<base href='data:x'>").as_deref(), Some("https://example.com/a/"));
        assert_eq!(base(&format!("<base href='/{}/'>", "b".repeat(BASE_BYTES_MAX))).as_deref(), Some("https://example.com/a/"));
    }
}
