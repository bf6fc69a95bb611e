//! Ids for Sources that come without one: from the title, else from the host.

use url::Url;

/// Ids are at most 64 characters long; one that people type is shorter.
const ID_BYTES_MAX: usize = 40;
/// The Source that stands for the articles of content/.
const OWN: &str = "own";
/// An id when neither the title nor the host has letters of the Latin alphabet or digits.
const NAMELESS: &str = "source";

/// An id for a `[[source]]` block: a-z, 0-9 and hyphens, none of which `taken` says is in use.
pub fn source_id(title: &str, url: &Url, taken: &dyn Fn(&str) -> bool) -> String {
    let host = || url.host_str().and_then(|host| slug(host.strip_prefix("www.").unwrap_or(host)));
    let id = slug(title).or_else(host).unwrap_or_else(|| NAMELESS.to_owned());
    let is_free = |id: &str| id != OWN && !taken(id);
    if is_free(&id) {
        return id;
    }
    // Thousands may have one title: twice as far until a number is free, then back to the first free one behind those in use.
    let numbered = |number: u64| format!("{id}-{number}");
    let (mut used, mut free) = (1u64, 2u64);
    while !is_free(&numbered(free)) {
        (used, free) = (free, free * 2);
    }
    while free - used > 1 {
        let middle = used.midpoint(free);
        if is_free(&numbered(middle)) { free = middle } else { used = middle }
    }
    numbered(free)
}

/// Words in lower-case Latin letters, joined by hyphens; none when the most of a text cannot be written so.
fn slug(text: &str) -> Option<String> {
    let (mut slug, mut kept, mut lost) = (String::new(), 0u32, 0u32);
    for c in text.chars().flat_map(char::to_lowercase).filter(|&c| !matches!(c, '\'' | '’')) {
        if let Some(letters) = latin(c) {
            slug.push_str(letters);
            kept += 1;
        } else if c.is_ascii_alphanumeric() {
            slug.push(c);
            kept += 1;
        } else if c.is_alphanumeric() {
            lost += 1;
        } else if !is_accent(c) && !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    if slug.len() > ID_BYTES_MAX {
        // Whole words, where there are any.
        slug.truncate(slug[..=ID_BYTES_MAX].rfind('-').unwrap_or(ID_BYTES_MAX));
    }
    slug.truncate(slug.trim_end_matches('-').len());
    (kept > lost).then_some(slug)
}

/// Accents written behind their letter.
const fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}')
}

/// A letter with a mark as people write it where they have none.
const fn latin(c: char) -> Option<&'static str> {
    let letters = match c {
        'ä' | 'æ' => "ae",
        'ö' | 'œ' => "oe",
        'ü' => "ue",
        'ß' => "ss",
        'þ' => "th",
        'à' | 'á' | 'â' | 'ã' | 'å' | 'ā' | 'ă' | 'ą' => "a",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => "e",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'ĥ' | 'ħ' => "h",
        'ì' | 'í' | 'î' | 'ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' => "i",
        'ĵ' => "j",
        'ķ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ŀ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' | 'ŋ' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ø' | 'ō' | 'ŏ' | 'ő' => "o",
        'ŕ' | 'ŗ' | 'ř' => "r",
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => "s",
        'ţ' | 'ť' | 'ŧ' | 'ț' => "t",
        'ù' | 'ú' | 'û' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => "u",
        'ŵ' => "w",
        'ý' | 'ÿ' | 'ŷ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return None,
    };
    Some(letters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn id(title: &str, url: &str) -> String {
        source_id(title, &Url::parse(url).expect("an address"), &|_| false)
    }

    /// The rule of config.toml for every id.
    fn is_an_id(id: &str) -> bool {
        !id.is_empty() && id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    }

    #[test]
    fn an_id_is_the_title_in_letters_that_everyone_can_type() {
        for (title, wanted) in [
            ("The Example's Blog", "the-examples-blog"),
            ("  Straßencafé — Überblick ", "strassencafe-ueberblick"),
            ("Cafe\u{301} & Źródło", "cafe-zrodlo"),
            ("Ωmega 日本 notes", "mega-notes"),
            ("42", "42"),
            ("A title that is a good deal longer than any id that one would type", "a-title-that-is-a-good-deal-longer-than"),
        ] {
            assert_eq!(id(title, "https://example.org/feed"), wanted);
        }
        assert_eq!(id(&"x".repeat(99), "https://example.org/"), "x".repeat(40));
    }

    #[test]
    fn without_such_a_title_it_is_the_host() {
        assert_eq!(id("", "https://www.example.org/feed"), "example-org");
        assert_eq!(id("日本語のブログ RSS", "https://news.example.com:8080/"), "news-example-com");
        assert_eq!(id("…", "https://bücher.example/"), "xn-bcher-kva-example");
        assert_eq!(id("", "http://[::1]/"), "1");
        assert_eq!(id("!", "http://[::]/"), "source");
        assert_eq!(id("", "mailto:a@example.org"), "source");
    }

    #[test]
    fn five_thousand_of_one_title_are_numbered_without_trying_all_numbers_each_time() {
        let (mut taken, asked) = (HashSet::new(), std::cell::Cell::new(0));
        let url = Url::parse("https://example.org/").expect("an address");
        for _ in 0..5000 {
            let is_taken = |id: &str| {
                asked.set(asked.get() + 1);
                taken.contains(id)
            };
            let id = source_id("News", &url, &is_taken);
            assert!(taken.insert(id.clone()), "{id} twice");
        }
        assert!(taken.contains("news-5000") && asked.get() < 5000 * 30, "{} questions", asked.get());
    }

    #[test]
    fn no_two_sources_get_one_id_and_none_that_of_our_own_articles() {
        let mut taken: HashSet<String> = HashSet::new();
        let titles = ["Own", "Own", "News", "news!", "NEWS", "x", &"word ".repeat(30), &"word ".repeat(30)];
        for title in titles {
            let id = source_id(title, &Url::parse("https://example.org/").expect("an address"), &|id| taken.contains(id));
            assert!(is_an_id(&id) && taken.insert(id.clone()), "{id}");
        }
        assert!(["own-2", "own-3", "news", "news-2", "news-3", "x"].iter().all(|id| taken.contains(*id)), "{taken:?}");
    }
}
