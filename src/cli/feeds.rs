//! `sources read`: how a feed is understood.

use std::path::Path;

use url::Url;

use super::{Context, Exit, Failure};
use crate::config::Config;
use crate::fetch::{Fetch, FetchError};
use crate::import::{self, pages, reader};
use crate::model::Fault;

/// A document from the web or from a file, as it came.
pub struct Document {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What its server says it is.
    pub content_type: Option<String>,
    /// What relative addresses in it are relative to.
    pub base: Option<Url>,
}

/// Gets what a person means by an address or a file name.
pub async fn document(context: &Context, target: &str, base: Option<&Url>) -> Result<Document, Failure> {
    let file = Path::new(target);
    // A scheme makes it an address, whatever files there are.
    if !file.exists() || target.contains("://") {
        let url = match address(target) {
            Ok(url) => url,
            Err(failure) if has_scheme(target) => return Err(failure),
            Err(_) => return Err(no_file(target)),
        };
        return download(context, &url, base).await;
    }
    let bytes = std::fs::read(file).map_err(|error| {
        let fault = Fault::error("file", format!("cannot read {target}: {error}"));
        Failure::new(Exit::Usage, fault.hint("name a file, or a full address: https://example.org/"))
    })?;
    Ok(Document { bytes, content_type: None, base: base.cloned() })
}

/// An address as a person types it.
pub fn address(text: &str) -> Result<Url, Failure> {
    import::address::parse(text).map_err(|wrong| {
        let fault = Fault::error("bad-address", format!("{:?} is no address to ask: {wrong}", shown(text)));
        Failure::new(Exit::Usage, fault.hint(wrong.hint))
    })
}

/// Whether a text begins as an address does, and names no file.
fn has_scheme(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// Without what may be a password.
fn shown(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://{}", &text[..scheme], &text[at + 1..]),
        _ => text.to_owned(),
    }
}

/// Neither a file nor an address: both are said.
fn no_file(target: &str) -> Failure {
    let meant = import::address::parse(target).err().map(|wrong| wrong.hint).unwrap_or_default();
    let fault = Fault::error("file", format!("cannot read {target}: there is no such file"));
    Failure::new(Exit::Usage, fault.hint(format!("name a file that is there; if it is an address: {meant}")))
}

async fn download(context: &Context, url: &Url, base: Option<&Url>) -> Result<Document, Failure> {
    let response = fetcher(context)?.get(url).await.map_err(|error| remote(url, &error))?;
    if response.status != 200 {
        let fault = Fault::error("not-fetched", format!("{url} answers with status {}", response.status));
        return Err(Failure::new(Exit::Remote, fault.hint("look at it with a browser")));
    }
    let content_type = response.headers.get("content-type").and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(Document { bytes: response.body, content_type, base: base.cloned().or(Some(response.url)) })
}

/// A fetcher as config.toml has it; there need not be one.
fn fetcher(context: &Context) -> Result<Fetch, Failure> {
    let wrong = |error: FetchError| Failure::from(anyhow::Error::from(error));
    if !context.config_file.exists() {
        return Fetch::guarded(None, &[]).map_err(wrong);
    }
    let (config, _) = Config::load(&context.config_file, std::env::vars())?;
    Fetch::guarded(Some(config.site.url.as_str()), &config.allow_private).map_err(wrong)
}

/// A fetch that failed, with what to do about it.
pub fn remote(url: &Url, error: &FetchError) -> Failure {
    let fault = Fault::error("not-fetched", format!("{url}: {error}"));
    let fault = match error {
        FetchError::Private(_) => fault.hint("[fetch] allow_private in config.toml names private networks that may be asked"),
        FetchError::Address(_) => fault.hint("write a full address: https://example.org/feed.xml"),
        _ => fault,
    };
    Failure::new(Exit::Remote, fault)
}

/// A feed that is none.
pub fn not_a_feed(document: &Document, target: &str, error: reader::ReadError) -> Failure {
    let fault = Fault::error("not-a-feed", format!("{target}: {error}"));
    let named = document.base.as_ref().and_then(|base| pages::discover(&document.bytes, base).ok()).unwrap_or_default();
    let named: Vec<String> = named.iter().filter(|feed| feed.kind != pages::FeedKind::Unknown).map(|feed| feed.url.to_string()).collect();
    let fault = if named.is_empty() { fault } else { fault.hint(format!("the page names: {}", named.join(", "))) };
    Failure::new(Exit::Invalid, fault)
}

/// Prints what the reader understood.
pub async fn read(context: &Context, target: &str, base: Option<&Url>) -> Result<Exit, Failure> {
    let document = document(context, target, base).await?;
    let feed = reader::read(&document.bytes, document.content_type.as_deref(), document.base.as_ref());
    let feed = feed.map_err(|error| not_a_feed(&document, target, error))?;
    if context.out.json {
        let entries: Vec<_> = feed.entries.iter().map(entry).collect();
        context.out.data(&serde_json::json!({"format": feed.format.as_str(), "title": feed.title, "entries": entries}));
        return Ok(Exit::Done);
    }
    context.out.line(format!("{}  {}", feed.format.as_str(), feed.title.as_deref().unwrap_or("(without a title)")));
    for entry in &feed.entries {
        let date = entry.published.or(entry.updated).map_or_else(|| "          ".to_owned(), |at| at.format("%Y-%m-%d").to_string());
        context.out.line(format!("{date}  {}", entry.title.as_deref().unwrap_or("(without a title)")));
        context.out.line(format!("            {}", entry.link.as_deref().unwrap_or("(without a link)")));
    }
    if feed.is_cut {
        context.out.note("the document ends in the middle of an entry, which is left out");
    }
    Ok(Exit::Done)
}

fn entry(entry: &reader::Entry) -> serde_json::Value {
    let date = |at: Option<chrono::DateTime<chrono::FixedOffset>>| at.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
    let files: Vec<_> =
        entry.enclosures.iter().map(|file| serde_json::json!({"url": file.url, "type": file.kind, "length": file.length})).collect();
    serde_json::json!({
        "id": entry.id, "title": entry.title, "link": entry.link, "author": entry.authors.first().map(reader::Person::display),
        "published": date(entry.published), "updated": date(entry.updated), "content": entry.content.as_ref().or(entry.summary.as_ref()),
        "enclosures": files,
    })
}
