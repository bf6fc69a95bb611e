//! From a file and the environment to a checked [`Config`]: parse, lay variables over, read every section, collect every fault.

use std::cell::{RefCell, RefMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono_tz::Tz;
use toml::de::DeTable;

use super::reader::{Section, did_you_mean};
use super::sections::{self, Known};
use super::source::Source;
use super::tree::{Entry, Node, Origin, Value, from_table};
use super::written::Written;
use super::{Config, OnUnknown, SendPolicy, StoreUrl, beside, dkim, env, relay, sources, store, web};
use crate::model::article::OWN;
use crate::model::{Fault, Faults, Feed};

/// Sections that stand once, and sections that repeat.
const TABLES: [&str; 10] = ["site", "content", "templates", "store", "web", "metrics", "fetch", "send", "bounce", "dkim"];
const ARRAYS: [&str; 5] = ["relay", "list", "digest", "feed", "source"];
/// What the address of the web server is without a word.
const LISTEN: &str = "127.0.0.1:4000";
/// The address for metrics that is proposed.
const METRICS: &str = "127.0.0.1:9464";

/// Reads and checks everything. See [`Config::load`].
pub(super) fn load(file: &Path, env: impl Iterator<Item = (String, String)>) -> Result<(Config, Faults), Faults> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let fault = Fault::error("unreadable", format!("cannot read {}: {error}", file.display()));
        Faults::from(fault.hint("make a new publication with `postrider init`, or name the file with --config"))
    })?;
    parse(file, &text, env)
}

/// The same of `text`, as if it stood in `file`.
pub(super) fn parse(file: &Path, text: &str, env: impl Iterator<Item = (String, String)>) -> Result<(Config, Faults), Faults> {
    let mut source = Source::new(file, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        source.report(Fault::error("syntax", error.message().trim()), &error.span().map_or(Origin::Absent, Origin::File));
    }
    if !errors.is_empty() {
        return Err(source.into_faults());
    }
    let mut root = from_table(table.get_ref());
    source.mask(&root);
    env::overlay(&mut root, env, &TABLES, &ARRAYS, &source);
    let config = read(&Root { source: &source, entries: &root }, file);
    let faults = source.into_faults();
    match config {
        Some(config) if faults.errors() == 0 => Ok((config, faults)),
        _ => Err(faults),
    }
}

/// Reads one `[[source]]` that stands alone. Its warnings are not told.
pub(super) fn one_source(block: &str) -> Result<crate::model::source::Source, Faults> {
    let source = Source::new(Path::new("[[source]]"), block);
    let (table, errors) = DeTable::parse_recoverable(block);
    for error in &errors {
        source.push(Fault::error("syntax", error.message().trim()));
    }
    let root = from_table(table.get_ref());
    let found = every(&Root { source: &source, entries: &root }, "source", sources::source).pop();
    let faults = source.into_faults();
    found.filter(|_| faults.errors() == 0).ok_or(faults)
}

/// The top level of the tree.
struct Root<'a> {
    source: &'a Source<'a>,
    entries: &'a [Entry],
}

impl<'a> Root<'a> {
    fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// `[name]`; an absent one reads as empty.
    fn table(&self, name: &str) -> Section<'a> {
        let title = format!("[{name}]");
        match self.entry(name) {
            None => Section::new(self.source, &title, Origin::Absent, &[]),
            Some(entry) => self.section(&title, &entry.node, entry),
        }
    }

    /// Every `[[name]]`.
    fn array(&self, name: &str) -> Vec<Section<'a>> {
        let title = format!("[[{name}]]");
        let Some(entry) = self.entry(name) else { return Vec::new() };
        match &entry.node.value {
            Value::Array(items) => items.iter().map(|item| self.section(&title, item, entry)).collect(),
            _ => {
                let fault = Fault::error("wrong-type", format!("{name} repeats: it is written {title}"));
                self.source.report(fault.hint("double the brackets"), &entry.key_origin);
                Vec::new()
            }
        }
    }

    fn section(&self, title: &str, node: &'a Node, entry: &'a Entry) -> Section<'a> {
        match &node.value {
            Value::Table(entries) => Section::new(self.source, title, node.origin.clone(), entries),
            other => {
                let fault = Fault::error("wrong-type", format!("{} is a section, written {title}, not {}", entry.key, other.kind()));
                self.source.report(fault, &entry.key_origin);
                Section::new(self.source, title, node.origin.clone(), &[])
            }
        }
    }

    /// Names the sections nobody knows.
    fn unknown_sections(&self) {
        for entry in self.entries {
            let key = entry.key.as_str();
            if TABLES.contains(&key) || ARRAYS.contains(&key) {
                continue;
            }
            let sections = || TABLES.into_iter().chain(ARRAYS);
            let hint = did_you_mean(key, sections());
            let hint = hint.unwrap_or_else(|| format!("the sections are {}", sections().collect::<Vec<_>>().join(", ")));
            let fault = Fault::error("unknown-section", format!("there is no section {key:?}")).hint(hint);
            self.source.report(fault, &entry.key_origin);
        }
    }
}

/// Reads every section before it gives up, so that no fault hides behind another.
fn read(root: &Root<'_>, file: &Path) -> Option<Config> {
    root.unknown_sections();
    let site = finish(root.table("site"), sections::site);
    let content_dir = folder(root, "content", "content", file);
    let templates_dir = folder(root, "templates", "templates", file);
    let store = finish(root.table("store"), |s| store::read(s, file));
    let (listen, web) = finish(root.table("web"), |s| (s.parsed("listen", "bad-value", listen), web::read(s)));
    let allow_private = finish(root.table("fetch"), |s| web::networks(s, "allow_private"));
    let metrics = finish(root.table("metrics"), metrics);
    let send = SendPolicy { on_unknown: finish(root.table("send"), on_unknown) };
    let leave_at = finish(root.table("bounce"), |s| s.parsed("unsubscribe", "bad-address", sections::leave_at));
    let dkim = root.entry("dkim").and_then(|_| finish(root.table("dkim"), |s| dkim::read(s, file)));
    if let Some(dkim) = &dkim {
        dkim::check_lists(dkim, declared(root, "list", "from"), root.source);
    }
    let position = std::cell::Cell::new(0);
    let relays = every(root, "relay", |s| relay::read(s, file, position.replace(position.get() + 1)));
    let lists = every(root, "list", |s| sections::list(s, file));
    let sources = every(root, "source", sources::source);
    let known = Known { lists: ids(root, "list"), sources: [vec![OWN.to_owned()], ids(root, "source")].concat() };
    let zone = site.as_ref().map_or(Tz::UTC, |site| site.timezone);
    let written = RefCell::default();
    let digests = every(root, "digest", |s| {
        let digest = sections::digest(s, zone, &known)?;
        let mut all: RefMut<'_, Vec<Written>> = written.borrow_mut();
        all.extend(["subject", "preheader"].into_iter().filter_map(|key| Written::read(s, key, &digest.id)));
        Some(digest)
    });
    let (mut feeds, gone_feeds) = feeds(root, &known);
    if feeds.is_empty() && !gone_feeds.contains(&"main".to_owned()) {
        feeds.push(sections::main_feed());
    }
    for (section, key) in [("relay", "name"), ("list", "id"), ("digest", "id"), ("feed", "id"), ("source", "id")] {
        refuse_doubles(root, section, key);
    }
    Some(Config {
        file: file.to_owned(),
        root: super::root_of(file),
        site: site?,
        content_dir,
        templates_dir,
        store: store.unwrap_or_else(|| StoreUrl::Sqlite(beside(file, "postrider.db"))),
        listen: listen.or_else(|| LISTEN.parse().ok())?,
        web,
        allow_private,
        metrics,
        send,
        leave_at,
        dkim: dkim.map(Arc::new),
        relays,
        lists,
        digests,
        feeds,
        gone_feeds,
        sources,
        written: written.into_inner(),
    })
}

/// Reads one section, then names the keys it did not ask for.
fn finish<T>(section: Section<'_>, read: impl FnOnce(&Section<'_>) -> T) -> T {
    let value = read(&section);
    section.finish();
    value
}

/// Reads every `[[name]]` that can be read.
fn every<T>(root: &Root<'_>, name: &str, read: impl Fn(&Section<'_>) -> Option<T>) -> Vec<T> {
    root.array(name).into_iter().filter_map(|section| finish(section, &read)).collect()
}

/// The feeds that are published, and the ids of those that are gone.
fn feeds(root: &Root<'_>, known: &Known) -> (Vec<Feed>, Vec<String>) {
    let ids = ids(root, "feed");
    let (gone, live): (Vec<_>, Vec<_>) = every(root, "feed", |s| sections::feed(s, known, &ids)).into_iter().partition(|(_, gone)| *gone);
    (live.into_iter().map(|(feed, _)| feed).collect(), gone.into_iter().map(|(feed, _)| feed.id).collect())
}

/// `dir` of a section, beside config.toml.
fn folder(root: &Root<'_>, section: &str, default: &str, file: &Path) -> PathBuf {
    let dir = finish(root.table(section), |s| s.line("dir"));
    beside(file, dir.as_deref().unwrap_or(default))
}

fn on_unknown(section: &Section<'_>) -> OnUnknown {
    section.choice("on_unknown", &[("resend", OnUnknown::Resend), ("hold", OnUnknown::Hold)], OnUnknown::Resend)
}

fn listen(text: &str) -> Result<std::net::SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not an address and port\nwrite {LISTEN:?}, or \"0.0.0.0:4000\" to be reached from outside"))
}

/// `[metrics] listen`. In a container every address may be right, so an open one is only warned of.
fn metrics(section: &Section<'_>) -> Option<std::net::SocketAddr> {
    let address: std::net::SocketAddr = section.parsed("listen", "bad-value", |text| {
        text.parse().map_err(|_| format!("{text:?} is not an address and port\nwrite {METRICS:?}"))
    })?;
    let closed = match address.ip() {
        ip if ip.is_loopback() => true,
        std::net::IpAddr::V4(ip) => ip.is_private() || ip.is_link_local() || is_shared(ip),
        std::net::IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    if !closed {
        let fault = Fault::warning("open-metrics", format!("{address} may be reached from outside, and /metrics has no password"));
        let origin = section.node("listen").map_or(Origin::Absent, |node| node.origin.clone());
        section.fault_at(fault.hint(format!("write {METRICS:?}, or a private address of this machine")), &origin);
    }
    Some(address)
}

/// 100.64.0.0/10 (RFC 6598), which private networks over the internet use.
const fn is_shared(ip: std::net::Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    a == 100 && b & 0b1100_0000 == 64
}

/// The ids a section declares, whether or not the rest of it can be read.
fn ids(root: &Root<'_>, section: &str) -> Vec<String> {
    declared(root, section, "id").into_iter().map(|(id, _)| id).collect()
}

fn declared<'a>(root: &Root<'a>, section: &str, key: &str) -> Vec<(String, &'a Origin)> {
    let Some(Entry { node: Node { value: Value::Array(items), .. }, .. }) = root.entry(section) else { return Vec::new() };
    let tables = items.iter().filter_map(|item| match &item.value {
        Value::Table(entries) => entries.iter().find(|entry| entry.key == key),
        _ => None,
    });
    let texts = tables.filter_map(|entry| match &entry.node.value {
        Value::Text(text) | Value::Raw(text) => Some((text.clone(), &entry.node.origin)),
        _ => None,
    });
    texts.collect()
}

fn refuse_doubles(root: &Root<'_>, section: &str, key: &str) {
    let mut seen: Vec<String> = Vec::new();
    for (id, origin) in declared(root, section, key) {
        if seen.contains(&id) {
            let fault = Fault::error("duplicate-id", format!("there are two [[{section}]] with the {key} {id:?}"));
            root.source.report(fault.hint(format!("choose another {key}")), origin);
        } else {
            seen.push(id);
        }
    }
}
