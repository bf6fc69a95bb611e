//! Library → RSS 2.0, Atom 1.0, JSON Feed 1.1, RFC 5005 archives, and the pages of the archive.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::model::{Faults, Library, Timestamp};

/// One published file, ready to be served or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Media type with charset.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: Body,
}

/// Where the bytes of a published file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Made by us.
    Bytes(Vec<u8>),
    /// Copied as it is from this file.
    File(std::path::PathBuf),
}

/// The published site: path without its first slash (`rss.xml`, `hello/index.html`) → file. The same input gives the same bytes.
pub type Site = BTreeMap<String, Page>;

/// Publishes everything: feeds (each `[[feed]]`, per tag, per author), archives, a page per Article, an index, assets, alias redirects.
pub fn publish(config: &Config, library: &Library, now: Timestamp) -> Result<Site, Faults> {
    let _ = (config, library, now);
    todo!()
}

/// Writes a site into `out` so that no reader ever sees half a file (each is written beside and renamed; unchanged files are not touched);
/// files of an earlier build that are gone are removed. How many files changed.
pub fn write(site: &Site, out: &std::path::Path) -> std::io::Result<usize> {
    let _ = (site, out);
    todo!()
}
