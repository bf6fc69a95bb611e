//! `sources add`, `import`, `export`: what stands in config.toml, written there, and as OPML.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use url::Url;

use super::args::SourceAddArgs;
use super::config_file::ConfigFile;
use super::feeds::{self, Document, document, not_a_feed};
use super::output::count;
use super::{Context, Exit, Failure};
use crate::config::{Config, source_block};
use crate::import::opml::{self, Outline};
use crate::import::{ids, pages, reader};
use crate::model::source::{Source, SourceKind};
use crate::model::{Fault, Faults, page_key};
use crate::store::sources::SourceRow;

/// Looks what stands at an address, and adds it to config.toml.
pub async fn add(context: &Context, args: SourceAddArgs) -> Result<Exit, Failure> {
    let asked = feeds::address(&args.url)?;
    // What is wrong with it is told before anybody is asked.
    context.config()?;
    let (url, title, kind) = look(context, &asked, args.page).await?;
    let file = ConfigFile::open(context)?;
    let config = file.config()?;
    if let Some(known) = known(&config, &url) {
        return Err(Failure::new(Exit::Problems, Fault::error("exists", format!("{url} is the source {known} already"))));
    }
    let taken = |id: &str| config.sources.iter().any(|source| source.id == id);
    let id = args.id.clone().unwrap_or_else(|| ids::source_id(&title, &url, &taken));
    let tags = args.tags.iter().map(|tag| line(tag)).collect();
    let source = Source { title: some_line(&title), kind, tags, ..Source::new(id.clone(), url.clone()) };
    file.append(&format!("\n{}", source_block(&source)))?;
    if context.out.json {
        let kind = if kind == SourceKind::Page { "page" } else { "feed" };
        context.out.data(&serde_json::json!({"id": id, "url": url.as_str(), "title": title, "kind": kind}));
    } else {
        context.out.say(format!("added {id}: {title} ({url})"));
        context.out.note(format!("`postrider run` asks it in its turn, `postrider sources fetch {id}` now"));
    }
    Ok(Exit::Done)
}

/// The address to ask, what it calls itself, and whether it is a page.
async fn look(context: &Context, url: &Url, as_page: bool) -> Result<(Url, String, SourceKind), Failure> {
    let found = document(context, url.as_str(), None).await?;
    let is_page = pages::looks_like(&found.bytes, found.content_type.as_deref()) == pages::Kind::Page;
    if !as_page && !is_page {
        return Ok((url.clone(), feed_title(&found, url.as_str())?, SourceKind::Feed));
    }
    if let Some(feed) = if as_page { None } else { named_feed(&found) } {
        let found = document(context, feed.as_str(), None).await?;
        let title = feed_title(&found, feed.as_str())?;
        return Ok((feed, title, SourceKind::Feed));
    }
    let page = pages::extract(&found.bytes, found.content_type.as_deref(), found.base.as_ref());
    let page = page.map_err(|error| Failure::from(Fault::error("no-article", format!("{url} names no feed, and {error}"))))?;
    Ok((url.clone(), page.site_name.unwrap_or(page.title), SourceKind::Page))
}

fn named_feed(document: &Document) -> Option<Url> {
    let found = pages::discover(&document.bytes, document.base.as_ref()?).ok()?;
    found.into_iter().find(|feed| feed.kind != pages::FeedKind::Unknown).map(|feed| feed.url)
}

fn feed_title(document: &Document, target: &str) -> Result<String, Failure> {
    let feed = reader::read(&document.bytes, document.content_type.as_deref(), document.base.as_ref());
    let feed = feed.map_err(|error| not_a_feed(document, target, error))?;
    Ok(feed.title.unwrap_or_default())
}

/// The source that is asked at this address.
fn known(config: &Config, url: &Url) -> Option<String> {
    config.sources.iter().find(|source| page_key(&source.url) == page_key(url)).map(|source| source.id.clone())
}

/// A text on one line.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace(char::is_control, "")
}

fn some_line(text: &str) -> Option<String> {
    Some(line(text)).filter(|line| !line.is_empty())
}

/// Adds the feeds of an OPML file that are not there yet.
pub fn import(context: &Context, file: &Path) -> Result<Exit, Failure> {
    context.config()?;
    let bytes = std::fs::read(file).map_err(|error| {
        let fault = Fault::error("file", format!("cannot read {}: {error}", file.display()));
        Failure::new(Exit::Usage, fault.hint("name the OPML file that your feed reader exported"))
    })?;
    let list = opml::read(&bytes).map_err(|error| {
        let fault = Fault::error("bad-opml", format!("{}: {error}", file.display()));
        Failure::from(fault.hint("export your subscriptions from your feed reader as OPML"))
    })?;
    let config_file = ConfigFile::open(context)?;
    let new = new_sources(&config_file.config()?, &list.outlines);
    if !new.sources.is_empty() {
        config_file.append(&new.sources.iter().map(|source| format!("\n{}", source_block(source))).collect::<String>())?;
    }
    let there = list.outlines.len() - new.sources.len();
    if context.out.json {
        let ids: Vec<&str> = new.sources.iter().map(|source| source.id.as_str()).collect();
        let renamed: Vec<_> = new.renamed.iter().map(|(id, now)| serde_json::json!({"id": id, "now": now})).collect();
        context.out.data(&serde_json::json!({"added": ids, "known": there, "renamed": renamed, "refused": list.refused}));
    } else {
        context.out.faults(&Faults(list.refused.iter().map(|refused| left_out(file, refused)).collect()));
        context.out.faults(&Faults(new.renamed.iter().map(|(id, now)| renamed(file, id, now)).collect()));
        let left = if list.refused.is_empty() { String::new() } else { format!(", {} left out", list.refused.len()) };
        context.out.say(format!("added {}, {there} were there already{left}", count(new.sources.len() as u64, "source")));
    }
    Ok(if list.refused.is_empty() { Exit::Done } else { Exit::Problems })
}

fn left_out(file: &Path, refused: &opml::Refused) -> Fault {
    let fault = Fault::warning("bad-address", format!("{}: {refused}", file.display()));
    match &refused.hint {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

fn renamed(file: &Path, id: &str, now: &str) -> Fault {
    let message = format!("{}: {id:?} is the id of another source in config.toml; this one is {now:?}", file.display());
    Fault::warning("id-taken", message).hint("whatever names it (`sources` of a digest or a feed) has to name the new id")
}

/// What an import adds.
#[derive(Default)]
struct New {
    sources: Vec<Source>,
    /// Ids of the file that another address has, and those taken instead.
    renamed: Vec<(String, String)>,
}

/// A Source for each outline that is not configured yet.
fn new_sources(config: &Config, outlines: &[Outline]) -> New {
    let standing: HashSet<String> = config.sources.iter().map(|source| page_key(&source.url)).collect();
    let mut pages = standing.clone();
    let mut ids: HashSet<String> = config.sources.iter().map(|source| source.id.clone()).collect();
    let mut new = New::default();
    for outline in outlines {
        let url = outline.own.as_ref().map_or(&outline.xml_url, |own| &own.url);
        let is_first = pages.insert(page_key(url));
        // Two of our own may have one address, and take different things from it.
        if standing.contains(&page_key(url)) || !is_first && outline.own.is_none() {
            continue;
        }
        let wanted = outline.own.as_ref().map(|own| own.id.clone());
        let id = match &wanted {
            Some(id) if !ids.contains(id) => id.clone(),
            _ => ids::source_id(wanted.as_ref().unwrap_or(&outline.title), url, &|id: &str| ids.contains(id)),
        };
        new.renamed.extend(wanted.filter(|wanted| *wanted != id).map(|wanted| (wanted, id.clone())));
        ids.insert(id.clone());
        new.sources.push(match &outline.own {
            Some(own) => Source { id, ..(**own).clone() },
            None => Source {
                title: some_line(&outline.title),
                kind: SourceKind::Feed,
                tags: outline.tags.iter().map(|tag| line(tag)).collect(),
                ..Source::new(id, url.clone())
            },
        });
    }
    new
}

/// Prints the sources as OPML.
pub async fn export(context: &Context) -> Result<Exit, Failure> {
    let app = context.app().await?;
    let mut outlines = Vec::new();
    let mut rows: HashMap<String, SourceRow> = app.store.sources().await?.into_iter().map(|row| (row.id.clone(), row)).collect();
    for source in &app.config.sources {
        let row = rows.remove(&source.id);
        let (found, said, home) = row.map(|row| (row.found, row.title, row.home)).unwrap_or_default();
        let parse = |text: Option<String>| text.and_then(|text| Url::parse(&text).ok());
        outlines.push(Outline {
            title: source.title.clone().or(said).unwrap_or_else(|| source.id.clone()),
            xml_url: parse(found).unwrap_or_else(|| source.url.clone()),
            html_url: parse(home),
            tags: source.tags.clone(),
            own: Some(Box::new(source.clone())),
        });
    }
    let date = context.clock.now().utc().to_rfc2822();
    context.out.line(opml::write(&app.config.site.title, &date, &outlines).trim_end());
    Ok(Exit::Done)
}
