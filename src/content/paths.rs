//! From a file's path to the Article's id, slug, date and address.

use chrono::NaiveDate;

/// What a file's path says about its article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromPath {
    /// The Article's id: the path without date and extension.
    pub id: String,
    /// Folders above it, as slugs.
    pub section: Vec<String>,
    /// Its name without date and extension.
    pub stem: String,
    /// The date in front of its name.
    pub date: Option<NaiveDate>,
}

/// Reads `trips/2026-11-22-delta.md`, or `trips/2026-11-22-delta/index.md` of a bundle.
pub fn parse(relative: &str, bundle: bool) -> FromPath {
    let whole = match relative.rsplit_once('/') {
        Some((folder, _)) if bundle => folder,
        _ => relative.rsplit_once('.').map_or(relative, |(name, _)| name),
    };
    let (folder, name) = whole.rsplit_once('/').map_or(("", whole), |(folder, name)| (folder, name));
    let (date, stem) = split_date(name);
    let id = if folder.is_empty() { stem.to_owned() } else { format!("{folder}/{stem}") };
    let section = folder.split('/').map(slugify).filter(|part| !part.is_empty()).collect();
    FromPath { id, section, stem: stem.to_owned(), date }
}

/// `2026-11-22-delta` → 22 November 2026 and `delta`. A name that is only a date is kept whole.
fn split_date(name: &str) -> (Option<NaiveDate>, &str) {
    let Some((date, rest)) = name.split_at_checked(10) else { return (None, name) };
    let Ok(date) = NaiveDate::parse_from_str(date, "%Y-%m-%d") else { return (None, name) };
    match rest.strip_prefix(['-', '_', ' ']) {
        Some(stem) if !stem.is_empty() => (Some(date), stem),
        _ if rest.is_empty() => (Some(date), name),
        _ => (None, name),
    }
}

/// The address of a page from the site's root, with both slashes.
pub fn page(section: &[String], slug: &str) -> String {
    let mut path = String::from("/");
    for part in section.iter().map(String::as_str).chain([slug]) {
        path.push_str(part);
        path.push('/');
    }
    path
}

/// Lower-case letters and digits of any script, with single hyphens between words.
pub fn slugify(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_alphanumeric() || is_mark(c) {
            slug.extend(c.to_lowercase());
        } else if c != '\'' && c != '’' && !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

/// Combining marks belong to the letter before them (é written as two characters, vowel signs of Indic scripts).
fn is_mark(c: char) -> bool {
    unicode_width::UnicodeWidthChar::width(c) == Some(0)
        && !c.is_control()
        && !matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}')
}
