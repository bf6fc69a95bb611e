//! `[site]`, `[[list]]`, `[[digest]]` and `[[feed]]` as the model's types.

use std::path::Path;

use chrono_tz::Tz;
use url::Url;

use super::beside;
use super::reader::{Section, Text, did_you_mean, with_hint};
use super::tree::Value;
use crate::model::article::OWN;
use crate::model::digest::{Approval, Missed, Order, Sections};
use crate::model::feed::{Feed, FeedFormat, Hub};
use crate::model::link::SHORT_CHARS;
use crate::model::list::{OptIn, Welcome, parse_id};
use crate::model::schedule::FIRST_ZONE;
use crate::model::{Digest, EmailAddress, Fault, List, ListId, Mailbox, Rhythm, Schedule, Segment, Site};

/// Articles in one mail; more is a book and is clipped by mail programs anyway.
const DIGEST_LIMIT_MAX: usize = 200;
/// Entries in one feed window.
const FEED_LIMIT_MAX: usize = 1000;
/// Letters of the address for leaving, so that a `+` and a token fit behind them (RFC 5321: 64 octets).
const LEAVE_LOCAL_MAX: usize = 64 - 1 - SHORT_CHARS;

/// What other tables may refer to.
pub(super) struct Known {
    pub lists: Vec<String>,
    pub sources: Vec<String>,
}

/// Reads `[site]`.
pub(super) fn site(section: &Section<'_>) -> Option<Site> {
    let title = section.required("title", "title = \"The Harbour Letter\"", Section::line);
    let url = section.required("url", "url = \"https://example.com\"", |s, key| s.parsed(key, "bad-url", site_url));
    let description = section.line_or_none("description").unwrap_or_default();
    let language = section.parsed("language", "bad-value", language).unwrap_or_else(|| "en".to_owned());
    let timezone = section.parsed("timezone", "bad-zone", zone).unwrap_or(Tz::UTC);
    let author = section.line_or_none("author");
    let postal_address = section.text("postal_address").map(|text| text.value);
    let icon = section.parsed("icon", "bad-url", |text| match &url {
        Some(url) => url.join(text).map(String::from).map_err(|error| format!("{text:?} is not an address: {error}")),
        None => Ok(text.to_owned()),
    });
    Some(Site { title: title?, url: url?, description, language, timezone, author, postal_address, icon })
}

/// Reads one `[[list]]`.
pub(super) fn list(section: &Section<'_>, file: &Path) -> Option<List> {
    let id = section.required("id", "id = \"weekly\"", |s, key| s.parsed(key, "bad-id", ListId::parse));
    let name = section.line_or_none("name");
    let description = section.line_or_none("description").unwrap_or_default();
    let from = section.required("from", "from = \"Name <letters@example.com>\"", |s, key| s.parsed(key, "bad-address", mailbox));
    let reply_to = section.parsed("reply_to", "bad-address", mailbox);
    let opt_in = section.choice("opt_in", &[("double", OptIn::Double), ("single", OptIn::Single)], OptIn::Double);
    let topics = section.words("topics");
    let (welcome, public) = (welcome(section), section.flag("public", true));
    let subscribers = section.parsed("subscribers", "missing-file", |text| {
        let path = beside(file, text);
        if path.is_file() {
            Ok(path)
        } else {
            Err(format!("there is no file {}\nthe path is meant from the folder of config.toml", path.display()))
        }
    });
    let id = id?;
    Some(List {
        name: name.unwrap_or_else(|| id.to_string()),
        id,
        description,
        from: from?,
        reply_to,
        opt_in,
        welcome,
        topics,
        public,
        subscribers,
    })
}

/// `welcome`: true, false, or a word.
fn welcome(section: &Section<'_>) -> Welcome {
    const WORDS: [(&str, Welcome); 3] = [("last-issue", Welcome::LastIssue), ("true", Welcome::Mail), ("false", Welcome::No)];
    match section.node("welcome").map(|node| &node.value) {
        Some(Value::Text(_) | Value::Raw(_)) => section.choice("welcome", &WORDS, Welcome::No),
        _ if section.flag("welcome", false) => Welcome::Mail,
        _ => Welcome::No,
    }
}

/// Reads one `[[digest]]`; its schedule is meant in `site_zone` unless it names its own.
pub(super) fn digest(section: &Section<'_>, site_zone: Tz, known: &Known) -> Option<Digest> {
    let id = section.required("id", "id = \"weekly\"", |s, key| s.parsed(key, "bad-id", parse_id));
    let lists = section.required("lists", "lists = [\"weekly\"]", |s, key| Some(s.texts(key)));
    if matches!(section.node("lists").map(|node| &node.value), Some(Value::Array(items)) if items.is_empty()) {
        section.fault(Fault::error("missing-key", "the digest goes to no list").hint("add lists = [\"weekly\"]"));
    }
    let lists = references(section, lists.unwrap_or_default(), &known.lists, "list");
    let only = section.text("where").and_then(|text| segment(section, &text, &known.lists));
    let zone = section.parsed("timezone", "bad-zone", zone).unwrap_or(site_zone);
    let is_local = section.choice("deliver", &[("together", false), ("local", true)], false);
    let runs_in = if is_local { FIRST_ZONE } else { zone };
    let schedule = section.parsed("schedule", "bad-schedule", |text| Schedule::parse(text, runs_in));
    let rhythms = rhythms(section);
    let subject = section.required("subject", "subject = \"{{ site.title }} {{ issue.number }}\"", Section::line);
    let preheader = section.line_or_none("preheader");
    let template = section.parsed("template", "bad-id", parse_id).unwrap_or_else(|| "digest".to_owned());
    let (tags, authors) = (section.words("tags"), section.words("authors"));
    let sources = references(section, section.texts("sources"), &known.sources, "source");
    let limit = section.count("limit", 20, 1..=DIGEST_LIMIT_MAX);
    let min = section.count("min", 1, 0..=DIGEST_LIMIT_MAX);
    let per_source = section.count("per_source", 0, 0..=DIGEST_LIMIT_MAX);
    if let Some(most) = Some(most_articles(limit, per_source, &sources)).filter(|most| min > *most) {
        let cause = if most < limit {
            format!("above what per_source = {per_source} lets through, {most}")
        } else {
            format!("above limit = {limit}")
        };
        section.fault(Fault::error("bad-value", format!("min = {min} is {cause}: the digest would never go out")));
    }
    let order = section.choice("order", &[("date", Order::Date), ("weight", Order::Weight)], Order::Date);
    const SECTIONS: [(&str, Sections); 3] = [("none", Sections::None), ("source", Sections::Source), ("tag", Sections::Tag)];
    let sections = section.choice("sections", &SECTIONS, Sections::None);
    let missed = section.choice("missed", &[("once", Missed::Once), ("skip", Missed::Skip), ("ask", Missed::Ask)], Missed::Once);
    let approval = section.choice("approval", &[("none", Approval::None), ("required", Approval::Required)], Approval::None);
    let lists = lists.into_iter().filter_map(|id| ListId::parse(&id).ok()).collect();
    Some(Digest {
        id: id?,
        lists,
        only,
        schedule,
        local: is_local.then_some(zone),
        rhythms,
        subject: subject?,
        preheader,
        template,
        tags,
        sources,
        authors,
        limit,
        per_source,
        order,
        sections,
        min,
        missed,
        approval,
    })
}

/// The most Articles an Issue can have: quotas narrow a digest of named sources, and our own articles have none.
fn most_articles(limit: usize, per_source: usize, sources: &[String]) -> usize {
    let is_narrow = per_source > 0 && !sources.is_empty() && !sources.iter().any(|source| source == OWN);
    if is_narrow { limit.min(per_source * sources.len()) } else { limit }
}

/// `rhythms`: how seldom readers may have it, from the fastest.
fn rhythms(section: &Section<'_>) -> Vec<Rhythm> {
    const CHOICES: [(&str, Rhythm); 3] = [("daily", Rhythm::Daily), ("weekly", Rhythm::Weekly), ("monthly", Rhythm::Monthly)];
    let mut found: Vec<Rhythm> = section.texts("rhythms").iter().filter_map(|text| section.choose(text, "rhythms", &CHOICES)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// A segment; its faults point into it.
fn segment(section: &Section<'_>, text: &Text<'_>, lists: &[String]) -> Option<Segment> {
    let lists: Vec<&str> = lists.iter().map(String::as_str).collect();
    match Segment::parse(&text.value, Path::new("where"), &lists) {
        Ok(segment) => Some(segment),
        Err(fault) => {
            section.fault_within(fault, text);
            None
        }
    }
}

/// Reads one `[[feed]]`, and whether it is gone for good. `ids` are those of all feeds.
pub(super) fn feed(section: &Section<'_>, known: &Known, ids: &[String]) -> Option<(Feed, bool)> {
    const FORMATS: [(&str, FeedFormat); 3] = [("rss", FeedFormat::Rss), ("atom", FeedFormat::Atom), ("json", FeedFormat::Json)];
    let id = section.required("id", "id = \"main\"", |s, key| s.parsed(key, "bad-id", parse_id));
    let title = section.line_or_none("title");
    let mut formats = Vec::new();
    for text in section.texts("formats") {
        formats.extend(section.choose(&text, "formats", &FORMATS).filter(|format| !formats.contains(format)));
    }
    if formats.is_empty() {
        formats = FORMATS.map(|(_, format)| format).to_vec();
    }
    let (tags, authors) = (section.words("tags"), section.words("authors"));
    let sources = references(section, section.texts("sources"), &known.sources, "source");
    let limit = section.count("limit", 30, 1..=FEED_LIMIT_MAX);
    let full = section.flag("full", true);
    let hub = section.parsed("hub", "bad-url", |text| match text {
        "self" => Ok(Hub::Own),
        text => http_url(text).map(|url| Hub::At(url.into())),
    });
    let gone = section.flag("gone", false);
    let was = former_ids(section, ids);
    Some((Feed { id: id?, title, formats, tags, sources, authors, limit, full, hub, was }, gone))
}

/// `was`: ids that no feed has any more.
fn former_ids(section: &Section<'_>, ids: &[String]) -> Vec<String> {
    let mut former = Vec::new();
    for text in section.texts("was") {
        let Some(id) = section.check(parse_id(&text.value), "bad-id", text.origin) else { continue };
        if ids.contains(&id) {
            let fault = Fault::error("duplicate-id", format!("there still is a [[feed]] with the id {id:?}"));
            section.fault_at(fault.hint("`was` names ids this feed had before"), text.origin);
        }
        former.push(id);
    }
    former
}

/// The feed of a configuration that declares none: everything, in all formats.
pub(super) fn main_feed() -> Feed {
    let formats = vec![FeedFormat::Rss, FeedFormat::Atom, FeedFormat::Json];
    Feed {
        id: "main".to_owned(),
        title: None,
        formats,
        tags: vec![],
        sources: vec![],
        authors: vec![],
        limit: 30,
        full: true,
        hub: None,
        was: vec![],
    }
}

/// The texts that name something declared; the others become faults.
fn references(section: &Section<'_>, texts: Vec<Text<'_>>, known: &[String], what: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for text in texts {
        if known.contains(&text.value) {
            if !found.contains(&text.value) {
                found.push(text.value);
            }
            continue;
        }
        let code = if what == "list" { "unknown-list" } else { "unknown-source" };
        let hint = did_you_mean(&text.value, known.iter().map(String::as_str));
        let fault = Fault::error(code, format!("there is no [[{what}]] with the id {:?}", text.value));
        section.fault_at(with_hint(fault, hint), text.origin);
    }
    found
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    Mailbox::parse(text).map_err(|reason| format!("{reason}\nwrite \"Name <letters@example.com>\""))
}

/// `[bounce] unsubscribe`: with `+` and a token behind its local part it must still be an address.
pub(super) fn leave_at(text: &str) -> Result<EmailAddress, String> {
    let address = EmailAddress::parse(text)?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if address.local().len() > LEAVE_LOCAL_MAX || !address.local().bytes().all(fits) {
        let rule =
            format!("the part before the @ has at most {LEAVE_LOCAL_MAX} letters, digits, dots and dashes, because +TOKEN comes behind it");
        return Err(format!("{rule}\nwrite \"leave@example.com\""));
    }
    Ok(address)
}

/// An IANA zone.
fn zone(text: &str) -> Result<Tz, String> {
    text.parse().map_err(|_| {
        let known = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        // People write the city alone more often than they misspell a whole name.
        let by_city = chrono_tz::TZ_VARIANTS
            .iter()
            .map(|zone| zone.name())
            .find(|name| name.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(&text.replace(' ', "_"))));
        let hint = by_city.map(|name| format!("did you mean {name:?}?")).or_else(|| did_you_mean(text, known));
        format!("{text:?} is not a time zone\n{}", hint.unwrap_or_else(|| "use an IANA name such as \"Europe/Berlin\"".to_owned()))
    })
}

/// A BCP 47 tag, by its shape.
pub(super) fn language(text: &str) -> Result<String, String> {
    let fits = |(i, part): (usize, &str)| {
        let range = if i == 0 { 2..=8 } else { 1..=8 };
        range.contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric())
    };
    if text.split('-').enumerate().all(fits) && text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} is not a language tag\nuse a tag such as \"en\", \"de\" or \"pt-BR\""))
}

/// An http or https address.
pub(super) fn http_url(text: &str) -> Result<Url, String> {
    let url =
        Url::parse(text).map_err(|error| format!("this is not a web address: {error}\nwrite it in full: \"https://example.com/\""))?;
    if !matches!(url.scheme(), "http" | "https") {
        // Only what cannot hold a password is repeated.
        let full = url.host_str().map_or_else(|| "https://example.com/".to_owned(), |host| format!("https://{host}{}", url.path()));
        return Err(format!("a web address begins with https:// or http://, not {}://\nwrite \"{full}\"", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a web address cannot contain a user or a password".to_owned());
    }
    Ok(url)
}

/// The site's address: its path ends with a slash, so that everything is below it.
fn site_url(text: &str) -> Result<Url, String> {
    let mut url = http_url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the site's url cannot have a ? or # part".to_owned());
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}
