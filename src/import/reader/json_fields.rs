//! The objects of a JSON Feed, filled key by key straight from the text, so that a broken document leaves what was read
//! before the break and a hostile one cannot grow.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::super::controls;
use super::base::Bases;
use super::model::Enclosure;
use super::{MAX_ENTRIES, MAX_PER_ENTRY};

/// An object that takes the keys it knows.
trait Take: Default {
    /// Takes the value of `key` from `map`, or ignores it.
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;
}

/// The feed.
#[derive(Debug, Default)]
pub struct Document {
    /// `version`.
    pub version: Option<String>,
    /// `title`.
    pub title: Option<String>,
    /// `home_page_url`.
    pub home_page_url: Option<String>,
    /// `feed_url`.
    pub feed_url: Option<String>,
    /// `description`.
    pub description: Option<String>,
    /// `language`.
    pub language: Option<String>,
    /// `icon`, or `favicon`.
    pub icon: Option<String>,
    /// `authors`, or 1.0's `author`.
    pub authors: Vec<Author>,
    /// `hubs`.
    pub hubs: Vec<Attachment>,
    /// `items`.
    pub items: Vec<Item>,
    /// Whether there was an `items` at all.
    pub has_items: bool,
    /// Whether there were more items than are taken.
    pub is_cut: bool,
}

/// An item.
#[derive(Debug, Default)]
pub struct Item {
    /// `id`.
    pub id: Option<String>,
    /// `url`.
    pub url: Option<String>,
    /// `external_url`.
    pub external_url: Option<String>,
    /// `title`.
    pub title: Option<String>,
    /// `content_html`.
    pub content_html: Option<String>,
    /// `content_text`.
    pub content_text: Option<String>,
    /// `summary`.
    pub summary: Option<String>,
    /// `image`, or `banner_image`.
    pub image: Option<String>,
    /// `date_published`.
    pub date_published: Option<String>,
    /// `date_modified`.
    pub date_modified: Option<String>,
    /// `language`.
    pub language: Option<String>,
    /// `authors`, or 1.0's `author`.
    pub authors: Vec<Author>,
    /// `tags`.
    pub tags: Vec<String>,
    /// `attachments`.
    pub attachments: Vec<Attachment>,
}

/// An author.
#[derive(Debug, Default)]
pub struct Author {
    /// `name`.
    pub name: Option<String>,
    /// `url`.
    pub url: Option<String>,
}

/// An attachment; a hub has the same shape as far as we read it.
#[derive(Debug, Default)]
pub struct Attachment {
    /// `url`.
    pub url: Option<String>,
    /// `mime_type`.
    pub mime_type: Option<String>,
    /// `size_in_bytes`.
    pub size_in_bytes: Option<String>,
}

impl Attachment {
    /// As an enclosure; none without an address.
    pub fn enclosure(self, bases: &Bases) -> Option<Enclosure> {
        let length = self.size_in_bytes.and_then(|size| size.split('.').next()?.parse().ok());
        Some(Enclosure { url: bases.resolve(&self.url?), kind: self.mime_type, length })
    }
}

/// Fills `document` from `text`; whether the text was whole.
pub fn fill(document: &mut Document, text: &str) -> bool {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Object(document).deserialize(&mut deserializer).is_ok()
}

impl Take for Document {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "version" => self.version = text(map)?,
            "title" => self.title = text(map)?,
            "home_page_url" => self.home_page_url = text(map)?,
            "feed_url" => self.feed_url = text(map)?,
            "description" => self.description = text(map)?,
            "language" => self.language = text(map)?,
            "icon" => self.icon = text(map)?.or(self.icon.take()),
            "favicon" => self.icon = self.icon.take().or(text(map)?),
            "author" => self.authors.push(map.next_value::<Lenient<Author>>()?.0),
            "authors" => _ = map.next_value_seed(List(&mut self.authors, MAX_PER_ENTRY))?,
            "hubs" => _ = map.next_value_seed(List(&mut self.hubs, MAX_PER_ENTRY))?,
            "items" => {
                self.has_items = true;
                self.is_cut = map.next_value_seed(List(&mut self.items, MAX_ENTRIES))?;
            }
            _ => _ = map.next_value::<IgnoredAny>()?,
        }
        Ok(())
    }
}

impl Take for Item {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "id" => self.id = text(map)?,
            "url" => self.url = text(map)?,
            "external_url" => self.external_url = text(map)?,
            "title" => self.title = text(map)?,
            "content_html" => self.content_html = text(map)?,
            "content_text" => self.content_text = text(map)?,
            "summary" => self.summary = text(map)?,
            "image" => self.image = text(map)?.or(self.image.take()),
            "banner_image" => self.image = self.image.take().or(text(map)?),
            "date_published" => self.date_published = text(map)?,
            "date_modified" => self.date_modified = text(map)?,
            "language" => self.language = text(map)?,
            "author" => self.authors.push(map.next_value::<Lenient<Author>>()?.0),
            "authors" => _ = map.next_value_seed(List(&mut self.authors, MAX_PER_ENTRY))?,
            "attachments" => _ = map.next_value_seed(List(&mut self.attachments, MAX_PER_ENTRY))?,
            "tags" => {
                let mut tags: Vec<Text> = Vec::new();
                map.next_value_seed(List(&mut tags, MAX_PER_ENTRY))?;
                self.tags = tags.into_iter().filter_map(|tag| tag.0).collect();
            }
            _ => _ = map.next_value::<IgnoredAny>()?,
        }
        Ok(())
    }
}

impl Take for Author {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "name" => self.name = text(map)?,
            "url" => self.url = text(map)?,
            _ => _ = map.next_value::<IgnoredAny>()?,
        }
        Ok(())
    }
}

impl Take for Attachment {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "url" => self.url = text(map)?,
            "mime_type" => self.mime_type = text(map)?,
            "size_in_bytes" => self.size_in_bytes = text(map)?,
            _ => _ = map.next_value::<IgnoredAny>()?,
        }
        Ok(())
    }
}

/// A text, whatever JSON type it came in; none when it is blank or no scalar.
#[derive(Debug, Default)]
struct Text(Option<String>);

/// The next value as a text.
fn text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<String>, A::Error> {
    Ok(map.next_value::<Text>()?.0)
}

/// Everything but objects, which are none of the values we ask for: drained and forgotten.
macro_rules! ignore_rest {
    () => {
        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a value of JSON Feed")
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
    };
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    ignore_rest!();

    fn visit_str<E>(self, value: &str) -> Result<Text, E> {
        // XML cannot hold control characters; JSON can (`\u0000`), and a NUL would come back from the store as another text.
        let value = controls::without(value.trim().to_owned());
        Ok(Text(Some(value).filter(|value| !value.is_empty())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

/// An object, or its default where something else stands.
#[derive(Debug, Default)]
struct Lenient<T>(T);

impl<'de, T: Take> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = T::default();
        Object(&mut value).deserialize(deserializer)?;
        Ok(Self(value))
    }
}

/// Fills one object in place.
struct Object<'v, T>(&'v mut T);

impl<'de, T: Take> DeserializeSeed<'de> for Object<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Take> Visitor<'de> for Object<'_, T> {
    type Value = ();

    ignore_rest!();

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            self.0.take(&key, &mut map)?;
        }
        Ok(())
    }
}

/// Fills a list in place, up to a number of elements; tells whether there were more.
struct List<'v, T>(&'v mut Vec<T>, usize);

impl<'de, T: Element> DeserializeSeed<'de> for List<'_, T> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Element> Visitor<'de> for List<'_, T> {
    type Value = bool;

    ignore_rest!();

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        while self.0.len() < self.1 {
            match T::next(&mut seq)? {
                Some(element) => self.0.push(element),
                None => return Ok(false),
            }
        }
        let mut is_more = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            is_more = true;
        }
        Ok(is_more)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(false)
    }
}

/// What a list may hold: objects and texts.
trait Element: Sized {
    /// The next element of `seq`.
    fn next<'de, A: SeqAccess<'de>>(seq: &mut A) -> Result<Option<Self>, A::Error>;
}

impl<T: Take> Element for T {
    fn next<'de, A: SeqAccess<'de>>(seq: &mut A) -> Result<Option<Self>, A::Error> {
        Ok(seq.next_element::<Lenient<T>>()?.map(|element| element.0))
    }
}

impl Element for Text {
    fn next<'de, A: SeqAccess<'de>>(seq: &mut A) -> Result<Option<Self>, A::Error> {
        seq.next_element()
    }
}
