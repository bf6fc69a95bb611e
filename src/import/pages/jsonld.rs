//! What a page says of itself in JSON-LD (schema.org): the best-kept metadata there is, and often slightly broken JSON.

use dom_query::Document;
use serde_json::Value;

/// Larger blocks are catalogues, not articles.
const BLOCK_BYTES_MAX: usize = 1024 * 1024;
/// Nodes looked at in all: graphs refer to each other at will.
const NODES_MAX: usize = 2000;
/// People looked at, in all lists within lists: each may be looked up in the whole graph.
const NAMES_MAX: usize = 20;
/// Longer values are no metadata.
const VALUE_BYTES_MAX: usize = 4096;
/// Types of schema.org that are articles.
const ARTICLES: [&str; 20] = [
    "Article",
    "AdvertiserContentArticle",
    "NewsArticle",
    "AnalysisNewsArticle",
    "AskPublicNewsArticle",
    "BackgroundNewsArticle",
    "OpinionNewsArticle",
    "ReportageNewsArticle",
    "ReviewNewsArticle",
    "Report",
    "SatiricalArticle",
    "ScholarlyArticle",
    "MedicalScholarlyArticle",
    "SocialMediaPosting",
    "BlogPosting",
    "LiveBlogPosting",
    "DiscussionForumPosting",
    "TechArticle",
    "APIReference",
    "Recipe",
];

/// The fields of an article that JSON-LD gives.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct JsonLd {
    /// `headline`.
    pub headline: Option<String>,
    /// `name`.
    pub name: Option<String>,
    /// Names of `author`, joined by commas.
    pub author: Option<String>,
    /// `datePublished`.
    pub published: Option<String>,
    /// `dateModified`.
    pub modified: Option<String>,
    /// `description`.
    pub description: Option<String>,
    /// Name of `publisher`.
    pub site_name: Option<String>,
    /// `image`, the first.
    pub image: Option<String>,
    /// `url`, or the page that the article is the main entity of.
    pub url: Option<String>,
    /// `inLanguage`.
    pub language: Option<String>,
}

/// Reads the first article that the page's JSON-LD describes.
pub fn read(doc: &Document) -> JsonLd {
    let mut seen = 0;
    for script in doc.select("script[type='application/ld+json']").nodes() {
        let text = script.text();
        if text.len() > BLOCK_BYTES_MAX {
            continue;
        }
        let Some(value) = parse(&text) else { continue };
        if let Some(article) = find_article(&value, &mut seen, 0) {
            return fields(article, &value);
        }
    }
    JsonLd::default()
}

/// Parses a block, forgiving what pages get wrong: CDATA marks, comments around it, raw line breaks in strings, a semicolon behind it.
fn parse(text: &str) -> Option<Value> {
    let text =
        text.trim().trim_start_matches("<!--").trim_start_matches("//").trim_start_matches("<![CDATA[").trim_start_matches("/*<![CDATA[*/");
    let text = text
        .trim_end_matches("-->")
        .trim_end_matches("/*]]>*/")
        .trim_end_matches("]]>")
        .trim_end_matches("//")
        .trim()
        .trim_end_matches(';');
    serde_json::from_str(text).ok().or_else(|| {
        let cleaned: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        serde_json::from_str(&cleaned).ok()
    })
}

/// The first article in a value: itself, in a list, in `@graph`, or as the main entity of a page.
fn find_article<'v>(value: &'v Value, seen: &mut usize, depth: usize) -> Option<&'v Value> {
    *seen += 1;
    if *seen > NODES_MAX || depth > 4 {
        return None;
    }
    match value {
        Value::Array(items) => items.iter().find_map(|item| find_article(item, seen, depth + 1)),
        Value::Object(map) if is_article(value) && !map.is_empty() => Some(value),
        Value::Object(map) => ["@graph", "mainEntity", "mainEntityOfPage", "hasPart", "itemListElement"]
            .iter()
            .filter_map(|key| map.get(*key))
            .find_map(|inner| find_article(inner, seen, depth + 1)),
        _ => None,
    }
}

fn is_article(value: &Value) -> bool {
    let is = |name: &str| ARTICLES.contains(&name.rsplit(['/', ':']).next().unwrap_or(name));
    match value.get("@type") {
        Some(Value::String(name)) => is(name),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).any(is),
        _ => false,
    }
}

fn fields(article: &Value, whole: &Value) -> JsonLd {
    let text = |key: &str| article.get(key).and_then(first_text);
    JsonLd {
        headline: text("headline"),
        name: text("name"),
        author: article.get("author").or_else(|| article.get("creator")).and_then(|author| names(author, whole, &mut 0)),
        published: text("datePublished").or_else(|| text("dateCreated")),
        modified: text("dateModified"),
        description: text("description"),
        site_name: article.get("publisher").and_then(|publisher| names(publisher, whole, &mut 0)),
        image: article.get("image").or_else(|| article.get("thumbnailUrl")).and_then(address),
        url: text("url").or_else(|| article.get("mainEntityOfPage").and_then(address)),
        language: article.get("inLanguage").and_then(first_text),
    }
}

fn first_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            Some(text.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|text| (1..=VALUE_BYTES_MAX).contains(&text.len()))
        }
        Value::Array(items) => items.iter().find_map(first_text),
        Value::Object(map) => map.get("name").or_else(|| map.get("@value")).and_then(first_text),
        _ => None,
    }
}

/// Names of people or organisations; a bare `@id` is looked up in the graph. `seen` counts them.
fn names(value: &Value, whole: &Value, seen: &mut usize) -> Option<String> {
    *seen += usize::from(!value.is_array());
    if *seen > NAMES_MAX {
        return None;
    }
    match value {
        Value::Array(items) => {
            let all: Vec<String> = items.iter().take(NAMES_MAX).filter_map(|item| names(item, whole, seen)).collect();
            Some(all.join(", ")).filter(|all| !all.is_empty())
        }
        Value::Object(map) => map.get("name").and_then(first_text).or_else(|| {
            let id = map.get("@id")?.as_str()?;
            let graph = whole.get("@graph").unwrap_or(whole).as_array()?;
            let same = graph.iter().take(NODES_MAX).find(|node| node.get("@id").and_then(Value::as_str) == Some(id))?;
            same.get("name").and_then(first_text)
        }),
        Value::String(text) if !text.starts_with("http") => first_text(value),
        _ => None,
    }
}

fn address(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Array(items) => items.iter().find_map(address),
        Value::Object(map) => map.get("url").or_else(|| map.get("contentUrl")).or_else(|| map.get("@id")).and_then(address),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> JsonLd {
        read(&Document::from(format!("<script type=\"application/ld+json\">{json}</script>")))
    }

    #[test]
    fn an_article_in_a_graph_finds_its_author_by_id() {
        let found = of(
            r##"{"@context":"https://schema.org","@graph":[{"@type":"WebPage","name":"x"},{"@type":["Article","Thing"],"headline":" A  title ",
            "author":{"@id":"#p"},"datePublished":"2026-01-02","image":{"url":"https://example.com/i.jpg"}},{"@type":"Person","@id":"#p","name":"Ada"}]}"##,
        );
        assert_eq!(found.headline.as_deref(), Some("A title"));
        assert_eq!(found.author.as_deref(), Some("Ada"));
        assert_eq!(found.image.as_deref(), Some("https://example.com/i.jpg"));
    }

    #[test]
    fn slightly_broken_json_is_read() {
        assert_eq!(of("//<![CDATA[\n{\"@type\":\"NewsArticle\",\"headline\":\"One\ntwo\"};\n//]]>").headline.as_deref(), Some("One two"));
        assert_eq!(of("{\"@type\":").headline, None);
    }

    #[test]
    fn of_authors_in_lists_within_lists_the_first_are_taken() {
        let nested = (0..3).fold(r##"{"@id":"#p"}"##.to_owned(), |inner, _| format!("[{}]", vec![inner; 20].join(",")));
        let found = of(&format!(
            r##"{{"@graph":[{{"@type":"Article","headline":"H","author":{nested}}},{{"@type":"Person","@id":"#p","name":"A"}}]}}"##
        ));
        assert_eq!(found.author.map(|names| names.matches('A').count()), Some(NAMES_MAX));
    }

    #[test]
    fn what_is_not_an_article_gives_nothing() {
        assert_eq!(of(r#"{"@type":"Organization","name":"Example"}"#), JsonLd::default());
    }
}
