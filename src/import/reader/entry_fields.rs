//! What the elements inside an entry say about it, and how they outrank one another.

use chrono::{DateTime, FixedOffset};

use super::base::Bases;
use super::content::{Default as Usual, attribute};
use super::feed_fields::{Ranked, address, is_page, link_address};
use super::model::{Category, Enclosure, Entry, Picture, SourceRef};
use super::names::Vocabulary;
use super::token::Attribute;
use super::xml::Leaf;
use super::{MAX_PER_ENTRY, date, html, person};

/// An entry in the making.
#[derive(Debug, Default)]
pub struct EntryFields {
    entry: Entry,
    id: Ranked<String>,
    title: Ranked<String>,
    link: Ranked<String>,
    published: Ranked<DateTime<FixedOffset>>,
    updated: Ranked<DateTime<FixedOffset>>,
    content: Ranked<String>,
    summary: Ranked<String>,
    image: Ranked<String>,
    comments: Ranked<String>,
}

impl EntryFields {
    /// Starts with what the entry's own tag says: RDF's identity, CDF's address and date, the language.
    pub fn new(attributes: &[Attribute<'_>], bases: &Bases) -> Self {
        let mut fields = Self::default();
        let about = attributes.iter().find(|(name, _)| name.rsplit(':').next().is_some_and(|local| local.eq_ignore_ascii_case("about")));
        fields.id.offer_ranked(1, about.and_then(|(name, _)| attribute(attributes, name)).map(|id| id.into_owned()));
        fields.link.offer_ranked(2, attribute(attributes, "href").map(|href| bases.resolve(&href)));
        fields.updated.offer_ranked(2, attribute(attributes, "lastmod").and_then(|text| date::parse(&text)));
        fields.entry.language = attribute(attributes, "xml:lang").map(|language| language.into_owned());
        fields.entry.base = bases.given().map(ToString::to_string);
        fields
    }

    /// Takes one element.
    pub fn take(&mut self, leaf: &Leaf<'_, '_>) {
        use Vocabulary as V;
        let text = if leaf.format.is_atom() { Usual::Plain } else { Usual::Guess };
        match (leaf.vocabulary, leaf.name) {
            (V::Core, "title") => self.title.offer(leaf, 4, leaf.inside.title(leaf.attributes, text)),
            (V::Dc, "title") => self.title.offer(leaf, 3, leaf.inside.title(leaf.attributes, text)),
            (V::Media | V::Itunes, "title") => self.title.offer(leaf, 2, leaf.inside.title(leaf.attributes, Usual::Guess)),
            (V::Core, "link") => self.take_link(leaf),
            (V::Core, "guid" | "id") => self.take_id(leaf),
            (V::Core, "description" | "abstract") => self.offer_summary(leaf, 6, Usual::Html),
            (V::Core, "summary") => self.offer_summary(leaf, 5, text),
            (V::Dc, "description") => self.offer_summary(leaf, 4, Usual::Html),
            (V::Itunes, "summary") => self.offer_summary(leaf, 3, Usual::Guess),
            (V::Media, "description") => self.take_description(leaf),
            (V::Itunes, "subtitle") => self.offer_summary(leaf, 2, Usual::Guess),
            (V::Content, "encoded") => self.offer_content(leaf, 7, Usual::Html),
            (V::Core, "content") => self.offer_content(leaf, 6, if leaf.format.is_atom() { Usual::Plain } else { Usual::Html }),
            (V::Core, "fullitem") => self.offer_content(leaf, 5, Usual::Html),
            (V::Core | V::Xhtml, "body") => self.offer_content(leaf, 4, Usual::Inline),
            (V::Core | V::Dc | V::DcTerms, _) if self.take_date(leaf) => {}
            (V::Core | V::Dc | V::Itunes, "author" | "managingeditor" | "creator") => self.take_author(leaf),
            (V::Core | V::Dc | V::Itunes | V::Media, "category" | "keywords" | "subject" | "tags") => self.take_category(leaf),
            (V::Core, "enclosure") => self.take_enclosure(leaf),
            (V::Core, "source") => self.entry.source = source(leaf).or(self.entry.source.take()),
            (V::Core, "comments") => self.comments.offer(leaf, 3, leaf.inside.line().map(|address| leaf.bases.resolve(&address))),
            (V::Core | V::Dc, "language") => self.entry.language = leaf.inside.line().or(self.entry.language.take()),
            (V::Core | V::Itunes, "image") | (V::Media, "thumbnail") => self.image.offer_ranked(picture_rank(leaf), address(leaf)),
            (V::Media, "content") => self.take_media(leaf),
            // What stood in `link` before somebody counted the readers of it.
            (V::Other, "origlink") => self.entry.original_link = leaf.inside.line().or(self.entry.original_link.take()),
            _ => {}
        }
    }

    fn take_id(&mut self, leaf: &Leaf<'_, '_>) {
        let Some(id) = leaf.inside.line() else { return };
        let says_permalink = attribute(leaf.attributes, "ispermalink").is_none_or(|value| value.eq_ignore_ascii_case("true"));
        let is_permalink = leaf.name == "guid" && says_permalink;
        if says_permalink {
            // As feedparser has it: an id leads to the entry when no link does, unless it says that it does not.
            self.link.offer_ranked(1, Some(leaf.bases.resolve(&id)));
        }
        self.entry.is_permalink = is_permalink;
        self.id.offer(leaf, 3, Some(id));
    }

    fn take_link(&mut self, leaf: &Leaf<'_, '_>) {
        let Some(href) = link_address(leaf) else { return };
        let rel = attribute(leaf.attributes, "rel").unwrap_or_default().to_ascii_lowercase();
        match rel.as_str() {
            // Among several alternates Atom prefers none; readers by custom take the last.
            "" | "alternate" if leaf.format.is_atom() => self.link.offer_last(leaf, if is_page(leaf) { 6 } else { 3 }, Some(href)),
            "" | "alternate" => self.link.offer(leaf, if is_page(leaf) { 6 } else { 3 }, Some(href)),
            "enclosure" => self.take_enclosure(leaf),
            "replies" if is_page(leaf) => self.comments.offer(leaf, 2, Some(href)),
            _ => {}
        }
    }

    fn offer_summary(&mut self, leaf: &Leaf<'_, '_>, rank: u8, usual: Usual) {
        self.note_base(leaf);
        self.summary.offer(leaf, rank, leaf.inside.html(leaf.attributes, usual));
    }

    fn offer_content(&mut self, leaf: &Leaf<'_, '_>, rank: u8, usual: Usual) {
        self.note_base(leaf);
        if let Some(src) = attribute(leaf.attributes, "src") {
            // The text stands elsewhere: that is where readers are sent when no link says better.
            self.link.offer_ranked(2, Some(leaf.bases.resolve(&src)));
        }
        self.content.offer(leaf, rank, leaf.inside.html(leaf.attributes, usual));
    }

    fn note_base(&mut self, leaf: &Leaf<'_, '_>) {
        if attribute(leaf.attributes, "xml:base").is_some() {
            self.entry.base = leaf.bases.given().map(ToString::to_string);
        }
    }

    /// Takes an element if it is one of the dates.
    fn take_date(&mut self, leaf: &Leaf<'_, '_>) -> bool {
        let (slot, rank) = match leaf.name {
            "pubdate" | "published" | "issued" => (&mut self.published, 5),
            "created" => (&mut self.published, 2),
            "updated" | "modified" | "lastbuilddate" => (&mut self.updated, 5),
            "date" => (&mut self.updated, 3),
            _ => return false,
        };
        slot.offer(leaf, rank, leaf.inside.line().and_then(|text| date::parse(&text)));
        true
    }

    fn take_author(&mut self, leaf: &Leaf<'_, '_>) {
        let Some(author) = person::read(leaf) else { return };
        let is_known =
            self.entry.authors.iter().any(|known| known.name == author.name && (author.email.is_none() || known.email == author.email));
        if !is_known && self.entry.authors.len() < MAX_PER_ENTRY {
            self.entry.authors.push(author);
        }
    }

    fn take_category(&mut self, leaf: &Leaf<'_, '_>) {
        let given = |name: &str| attribute(leaf.attributes, name).map(|value| value.into_owned());
        if leaf.vocabulary != Vocabulary::Core && leaf.name == "keywords" || leaf.name == "tags" {
            let line = leaf.inside.line().unwrap_or_default();
            for term in line.split(',').map(str::trim).filter(|term| !term.is_empty()) {
                self.add_category(Category { term: term.to_owned(), ..Category::default() });
            }
            return;
        }
        let Some(term) = given("term").or_else(|| leaf.inside.line()).or_else(|| given("text")).or_else(|| given("label")) else { return };
        let label = given("label").filter(|label| *label != term);
        self.add_category(Category { term, label, scheme: given("scheme").or_else(|| given("domain")) });
    }

    fn add_category(&mut self, category: Category) {
        let list = &mut self.entry.categories;
        if list.len() < MAX_PER_ENTRY && !list.iter().any(|known| known.term == category.term && known.scheme == category.scheme) {
            list.push(category);
        }
    }

    fn take_enclosure(&mut self, leaf: &Leaf<'_, '_>) {
        let length = ["length", "filesize"].iter().find_map(|name| attribute(leaf.attributes, name)).and_then(|length| length.parse().ok());
        let Some(url) = link_address(leaf) else { return };
        let kind = attribute(leaf.attributes, "type").map(|kind| kind.into_owned());
        let list = &mut self.entry.enclosures;
        if list.len() < MAX_PER_ENTRY && !list.iter().any(|known| known.url == url) {
            list.push(Enclosure { url, kind, length });
        }
    }

    /// `media:content`: a picture stands for the entry, anything else is attached to it.
    fn take_media(&mut self, leaf: &Leaf<'_, '_>) {
        let Some(url) = attribute(leaf.attributes, "url") else { return };
        let starts = |name: &str, what: &str| attribute(leaf.attributes, name).is_some_and(|value| value.starts_with(what));
        if starts("medium", "image") || starts("type", "image/") {
            let url = leaf.bases.resolve(&url);
            let list = &mut self.entry.pictures;
            // What stands in a group is one picture in several sizes.
            if list.is_empty() || !leaf.is_astray && list.len() < MAX_PER_ENTRY {
                list.push(Picture { url: url.clone(), alt: None });
            }
            self.image.offer_ranked(2, Some(url));
        } else {
            self.take_enclosure(leaf);
        }
    }

    /// `media:description` describes the picture it stands in, and the entry where that says nothing itself.
    fn take_description(&mut self, leaf: &Leaf<'_, '_>) {
        self.offer_summary(leaf, 2, Usual::Guess);
        if let Some(picture) = self.entry.pictures.last_mut().filter(|picture| leaf.is_astray && picture.alt.is_none()) {
            picture.alt = leaf.inside.html(leaf.attributes, Usual::Guess).map(|html| html::plain_text(&html));
        }
    }

    /// The finished entry.
    pub fn finish(self) -> Entry {
        let mut entry = self.entry;
        entry.id = self.id.into_inner();
        entry.title = self.title.into_inner();
        entry.link = self.link.into_inner();
        entry.published = self.published.into_inner();
        entry.updated = self.updated.into_inner();
        entry.content = self.content.into_inner();
        entry.summary = self.summary.into_inner();
        entry.image = self.image.into_inner();
        entry.comments = self.comments.into_inner();
        entry
    }
}

fn picture_rank(leaf: &Leaf<'_, '_>) -> u8 {
    match leaf.vocabulary {
        Vocabulary::Itunes => 4,
        Vocabulary::Media => 3,
        _ => 5,
    }
}

/// RSS names the source in an attribute and a line of text, Atom in elements.
fn source(leaf: &Leaf<'_, '_>) -> Option<SourceRef> {
    if !leaf.inside.has_elements {
        let url = ["url", "href"].iter().find_map(|name| attribute(leaf.attributes, name)).map(|url| leaf.bases.resolve(&url));
        let title = leaf.inside.line().map(|title| html::plain_text(&title));
        return (url.is_some() || title.is_some()).then_some(SourceRef { title, url });
    }
    let mut found = SourceRef::default();
    for child in leaf.inside.children() {
        match child.name.as_str() {
            "title" if found.title.is_none() => found.title = child.inside.title(&child.attributes, Usual::Plain),
            "link" => {
                let rel = attribute(&child.attributes, "rel").unwrap_or_default();
                if matches!(rel.as_ref(), "" | "alternate") || found.url.is_none() {
                    found.url = attribute(&child.attributes, "href").map(|url| leaf.bases.resolve(&url)).or(found.url);
                }
            }
            _ => {}
        }
    }
    (found != SourceRef::default()).then_some(found)
}
