//! `sources add`, `import`, `export`: what stands in config.toml, written there, and as OPML.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use url::Url;

use super::args::SourceAddArgs;
use super::feeds::{Document, document, not_a_feed};
use super::output::count;
use super::{Context, Exit, Failure};
use crate::config::Config;
use crate::import::opml::{self, Outline};
use crate::import::{ids, pages, reader};
use crate::model::{Fault, Faults, page_key};
use crate::store::sources::SourceRow;

/// A `[[source]]` to be written.
struct Block {
    id: String,
    url: Url,
    title: String,
    is_page: bool,
    tags: Vec<String>,
}

/// Looks what stands at an address, and adds it to config.toml.
pub async fn add(context: &Context, args: SourceAddArgs) -> Result<Exit, Failure> {
    let config = context.config()?;
    let (url, title, is_page) = look(context, &args).await?;
    if let Some(known) = known(&config, &url) {
        return Err(Failure::new(Exit::Problems, Fault::error("exists", format!("{url} is the source {known} already"))));
    }
    let taken = |id: &str| config.sources.iter().any(|source| source.id == id);
    let id = args.id.clone().unwrap_or_else(|| ids::source_id(&title, &url, &taken));
    let block = Block { id: id.clone(), url: url.clone(), title: title.clone(), is_page, tags: args.tags };
    append(context, &[block])?;
    if context.out.json {
        context
            .out
            .data(&serde_json::json!({"id": id, "url": url.as_str(), "title": title, "kind": if is_page { "page" } else { "feed" }}));
    } else {
        context.out.say(format!("added {id}: {title} ({url})"));
        context.out.note(format!("`postrider run` asks it in its turn, `postrider sources fetch {id}` now"));
    }
    Ok(Exit::Done)
}

/// The address to ask, what it calls itself, and whether it is a page.
async fn look(context: &Context, args: &SourceAddArgs) -> Result<(Url, String, bool), Failure> {
    let found = document(context, args.url.as_str(), None).await?;
    let is_page = pages::looks_like(&found.bytes, found.content_type.as_deref()) == pages::Kind::Page;
    if args.page || is_page {
        let feed = if args.page { None } else { named_feed(&found) };
        return match feed {
            Some(feed) => {
                let found = document(context, feed.as_str(), None).await?;
                Ok((feed.clone(), feed_title(&found, feed.as_str())?, false))
            }
            None => {
                let page = pages::extract(&found.bytes, found.content_type.as_deref(), found.base.as_ref());
                let page =
                    page.map_err(|error| Failure::from(Fault::error("no-article", format!("{} names no feed, and {error}", args.url))))?;
                Ok((args.url.clone(), page.site_name.unwrap_or(page.title), true))
            }
        };
    }
    Ok((args.url.clone(), feed_title(&found, args.url.as_str())?, false))
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

/// Adds the feeds of an OPML file that are not there yet.
pub fn import(context: &Context, file: &Path) -> Result<Exit, Failure> {
    let config = context.config()?;
    let bytes = std::fs::read(file)
        .map_err(|error| Failure::new(Exit::Usage, Fault::error("file", format!("cannot read {}: {error}", file.display()))))?;
    let list = opml::read(&bytes).map_err(|error| {
        let fault = Fault::error("bad-opml", format!("{}: {error}", file.display()));
        Failure::from(fault.hint("export your subscriptions from your feed reader as OPML"))
    })?;
    let blocks = new_blocks(&config, &list.outlines);
    if !blocks.is_empty() {
        append(context, &blocks)?;
    }
    let there = list.outlines.len() - blocks.len();
    if context.out.json {
        let ids: Vec<&str> = blocks.iter().map(|block| block.id.as_str()).collect();
        context.out.data(&serde_json::json!({"added": ids, "known": there, "refused": list.refused}));
    } else {
        let refused = |refused: &opml::Refused| Fault::warning("bad-address", format!("{}: {refused}", file.display()));
        context.out.faults(&Faults(list.refused.iter().map(refused).collect()));
        let left = if list.refused.is_empty() { String::new() } else { format!(", {} left out", list.refused.len()) };
        context.out.say(format!("added {}, {there} were there already{left}", count(blocks.len() as u64, "source")));
    }
    Ok(if list.refused.is_empty() { Exit::Done } else { Exit::Problems })
}

/// A block for each feed that is not configured yet.
fn new_blocks(config: &Config, outlines: &[Outline]) -> Vec<Block> {
    let mut pages: HashSet<String> = config.sources.iter().map(|source| page_key(&source.url)).collect();
    let mut ids: HashSet<String> = config.sources.iter().map(|source| source.id.clone()).collect();
    let mut blocks: Vec<Block> = Vec::new();
    for outline in outlines.iter().filter(|outline| pages.insert(page_key(&outline.xml_url))) {
        let id = ids::source_id(&outline.title, &outline.xml_url, &|id: &str| ids.contains(id));
        ids.insert(id.clone());
        let (url, title, tags) = (outline.xml_url.clone(), outline.title.clone(), outline.tags.clone());
        blocks.push(Block { id, url, title, is_page: false, tags });
    }
    blocks
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
        });
    }
    let date = context.clock.now().utc().to_rfc2822();
    context.out.line(opml::write(&app.config.site.title, &date, &outlines).trim_end());
    Ok(Exit::Done)
}

/// Writes the blocks behind what stands in config.toml, when the whole is a valid configuration then. The file is replaced at once and keeps who may
/// read it: it may hold passwords.
fn append(context: &Context, blocks: &[Block]) -> Result<(), Failure> {
    let file = &context.config_file;
    let cannot = |error: std::io::Error| {
        let fault = Fault::error("file", format!("cannot write {}: {error}", file.display()));
        Failure::new(Exit::Usage, fault.hint("the file, and the folder it lies in, must be writable"))
    };
    let mut text = std::fs::read_to_string(file).map_err(cannot)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    blocks.iter().for_each(|block| text.push_str(&written(block)));
    // Paths in it are meant from where it lies, so that is where it is tried.
    let trial = Beside::written(file, &text).map_err(cannot)?;
    Config::load(&trial.0, std::env::vars())?;
    drop(trial);
    // What a link leads to stays where it is.
    let target = std::fs::canonicalize(file).map_err(cannot)?;
    let new = Beside::written(&target, &text).map_err(cannot)?;
    std::fs::rename(&new.0, &target).map_err(cannot)
}

/// A file beside another, with its permissions; gone when it is dropped.
struct Beside(PathBuf);

impl Beside {
    fn written(file: &Path, text: &str) -> std::io::Result<Self> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let beside = Self(folder.join(format!(".config-{}.toml", std::process::id())));
        std::fs::copy(file, &beside.0)?;
        std::fs::write(&beside.0, text)?;
        Ok(beside)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // After it took the other's place there is nothing left to remove.
        drop(std::fs::remove_file(&self.0));
    }
}

fn written(block: &Block) -> String {
    let text = |value: &str| toml::Value::String(value.split_whitespace().collect::<Vec<_>>().join(" ")).to_string();
    let mut out = format!("\n[[source]]\nid = {}\nurl = {}\n", text(&block.id), text(block.url.as_str()));
    if !block.title.is_empty() {
        out.push_str(&format!("title = {}\n", text(&block.title)));
    }
    out.push_str(if block.is_page { "kind = \"page\"\n" } else { "kind = \"feed\"\n" });
    if !block.tags.is_empty() {
        let tags: Vec<String> = block.tags.iter().map(|tag| text(tag)).collect();
        out.push_str(&format!("tags = [{}]\n", tags.join(", ")));
    }
    out
}
