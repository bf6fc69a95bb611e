//! What the elements at the level of the feed say about it, and how they outrank one another.

use chrono::{DateTime, FixedOffset};

use super::base::Bases;
use super::content::{Default as Usual, attribute};
use super::model::{Entry, Feed, Format, Person};
use super::names::Vocabulary;
use super::token::Attribute;
use super::xml::Leaf;
use super::{date, person};

/// A value with the rank of the element that gave it: a better element replaces it, an equal one comes too late.
#[derive(Debug, Clone)]
pub struct Ranked<T> {
    rank: u8,
    value: Option<T>,
}

impl<T> Default for Ranked<T> {
    fn default() -> Self {
        Self { rank: 0, value: None }
    }
}

impl<T> Ranked<T> {
    /// Offers a value; `rank` counts from 2, as what stands astray has 1.
    pub fn offer(&mut self, leaf: &Leaf<'_, '_>, rank: u8, value: Option<T>) {
        self.offer_ranked(if leaf.is_astray { 1 } else { rank }, value);
    }

    /// Offers a value under a rank of its own.
    pub fn offer_ranked(&mut self, rank: u8, value: Option<T>) {
        if value.is_some() && rank > self.rank {
            *self = Self { rank, value };
        }
    }

    /// Offers a value that also replaces an equal one.
    pub fn offer_last(&mut self, leaf: &Leaf<'_, '_>, rank: u8, value: Option<T>) {
        let rank = if leaf.is_astray { 1 } else { rank };
        if value.is_some() && rank >= self.rank {
            *self = Self { rank, value };
        }
    }

    /// The value that won.
    pub fn into_inner(self) -> Option<T> {
        self.value
    }
}

/// A feed in the making.
#[derive(Debug, Default)]
pub struct FeedFields {
    /// The entries so far.
    pub entries: Vec<Entry>,
    /// Whether something was left out.
    pub is_cut: bool,
    title: Ranked<String>,
    link: Ranked<String>,
    description: Ranked<String>,
    language: Ranked<String>,
    id: Option<String>,
    updated: Ranked<DateTime<FixedOffset>>,
    author: Ranked<Person>,
    icon: Ranked<String>,
    hub: Option<String>,
    self_link: Option<String>,
    ttl_minutes: Option<u32>,
    skip_hours: Vec<u8>,
    skip_days: Vec<String>,
}

impl FeedFields {
    /// What the attributes of the root or the channel say: the language, and CDF's address and date.
    pub fn root_attributes(&mut self, attributes: &[Attribute<'_>], bases: &Bases) {
        self.language.offer_ranked(1, attribute(attributes, "xml:lang").map(|language| language.into_owned()));
        self.link.offer_ranked(2, attribute(attributes, "href").map(|href| bases.resolve(&href)));
        self.updated.offer_ranked(2, attribute(attributes, "lastmod").and_then(|text| date::parse(&text)));
    }

    /// Takes one element.
    pub fn take(&mut self, leaf: &Leaf<'_, '_>) {
        use Vocabulary as V;
        let line = || leaf.inside.line();
        let text = if leaf.format.is_atom() { Usual::Plain } else { Usual::Guess };
        match (leaf.vocabulary, leaf.name) {
            (V::Core, "title") => self.title.offer(leaf, 4, leaf.inside.title(leaf.attributes, text)),
            (V::Dc, "title") => self.title.offer(leaf, 3, leaf.inside.title(leaf.attributes, text)),
            (V::Core, "link") => self.take_link(leaf),
            (V::Core, "description" | "abstract") => self.description.offer(leaf, 5, leaf.inside.html(leaf.attributes, Usual::Html)),
            (V::Core, "subtitle" | "tagline") => self.description.offer(leaf, 5, leaf.inside.html(leaf.attributes, text)),
            (V::Dc, "description") | (V::Itunes, "summary") => {
                self.description.offer(leaf, 3, leaf.inside.html(leaf.attributes, Usual::Guess))
            }
            (V::Itunes, "subtitle") => self.description.offer(leaf, 2, leaf.inside.html(leaf.attributes, Usual::Guess)),
            (V::Core, "language") => self.language.offer(leaf, 4, line()),
            (V::Dc, "language") => self.language.offer(leaf, 3, line()),
            (V::Core, "id") => self.id = self.id.take().or_else(line),
            (V::Core, "updated" | "modified" | "lastbuilddate") => self.offer_date(leaf, 5),
            (V::DcTerms, "modified") => self.offer_date(leaf, 4),
            (V::Core, "pubdate" | "published") | (V::Dc, "date") => self.offer_date(leaf, 3),
            (V::Core, "author" | "managingeditor") | (V::Dc, "creator" | "author") => self.author.offer(leaf, 5, person::read(leaf)),
            (V::Itunes, "author") => self.author.offer(leaf, 3, person::read(leaf)),
            (V::Itunes, "owner") => self.author.offer(leaf, 2, person::read(leaf)),
            (V::Core, "ttl") => self.ttl_minutes = self.ttl_minutes.or_else(|| line()?.parse().ok()),
            (V::Core, "skiphours") => {
                self.skip_hours =
                    values(leaf).filter_map(|hour| hour.parse().ok()).filter(|hour| *hour <= 24).map(|hour: u8| hour % 24).collect()
            }
            (V::Core, "skipdays") => self.skip_days = values(leaf).take(7).collect(),
            (V::Core, "icon" | "logo") | (V::Itunes, "image") | (V::Core, "image") => self.icon.offer(leaf, icon_rank(leaf), address(leaf)),
            _ => {}
        }
    }

    fn offer_date(&mut self, leaf: &Leaf<'_, '_>, rank: u8) {
        self.updated.offer(leaf, rank, leaf.inside.line().and_then(|text| date::parse(&text)));
    }

    fn take_link(&mut self, leaf: &Leaf<'_, '_>) {
        let Some(href) = link_address(leaf) else { return };
        let rel = attribute(leaf.attributes, "rel").unwrap_or_default().to_ascii_lowercase();
        match rel.as_str() {
            "" | "alternate" => self.link.offer(leaf, if is_page(leaf) { 5 } else { 3 }, Some(href)),
            "self" => self.self_link = self.self_link.take().or(Some(href)),
            "hub" => self.hub = self.hub.take().or(Some(href)),
            _ => {}
        }
    }

    /// The finished feed.
    pub fn finish(self, format: Format) -> Feed {
        Feed {
            format,
            title: self.title.into_inner(),
            link: self.link.into_inner(),
            description: self.description.into_inner(),
            language: self.language.into_inner(),
            id: self.id,
            updated: self.updated.into_inner(),
            author: self.author.into_inner(),
            icon: self.icon.into_inner(),
            ttl_minutes: self.ttl_minutes,
            skip_hours: self.skip_hours,
            skip_days: self.skip_days,
            hub: self.hub,
            self_link: self.self_link,
            is_cut: self.is_cut,
            entries: self.entries,
        }
    }
}

/// The lines of an element's children.
fn values<'l>(leaf: &'l Leaf<'_, '_>) -> impl Iterator<Item = String> + 'l {
    leaf.inside.children().into_iter().filter_map(|child| child.inside.line())
}

fn icon_rank(leaf: &Leaf<'_, '_>) -> u8 {
    match leaf.name {
        "icon" => 5,
        "logo" => 4,
        _ if leaf.vocabulary == Vocabulary::Core => 3,
        _ => 2,
    }
}

/// The address of a picture: an attribute, a child called `url`, or the text itself.
pub fn address(leaf: &Leaf<'_, '_>) -> Option<String> {
    let from_attribute = ["href", "url"].iter().find_map(|name| attribute(leaf.attributes, name)).map(|address| address.into_owned());
    let from_child = || leaf.inside.children().into_iter().find(|child| child.name == "url").and_then(|child| child.inside.line());
    let address = from_attribute.or_else(from_child).or_else(|| if leaf.inside.has_elements { None } else { leaf.inside.line() })?;
    Some(leaf.bases.resolve(&address))
}

/// The address that a `link` names, in an attribute or as its text.
pub fn link_address(leaf: &Leaf<'_, '_>) -> Option<String> {
    let from_attribute =
        ["href", "url", "uri"].iter().find_map(|name| attribute(leaf.attributes, name)).map(|address| address.into_owned());
    let address = from_attribute.or_else(|| leaf.inside.line())?;
    let address = leaf.bases.resolve(&address);
    Some(if address.contains("&amp;") { address.replace("&amp;", "&") } else { address })
}

/// Whether a link leads to a page, as far as it says what it leads to.
pub fn is_page(leaf: &Leaf<'_, '_>) -> bool {
    attribute(leaf.attributes, "type")
        .is_none_or(|kind| matches!(kind.to_ascii_lowercase().as_str(), "text/html" | "html" | "application/xhtml+xml" | "xhtml"))
}
