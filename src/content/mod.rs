//! content/ → Articles: front matter, Markdown, assets.

use crate::config::Config;
use crate::model::{Faults, Library};

/// Reads every Markdown file under the content folder, in parallel. A broken file is a fault and does not hide the others.
pub fn load(config: &Config) -> (Library, Faults) {
    let _ = config;
    todo!()
}

/// The bytes of a new article file with front matter, and its file name: `2026-11-22-first-issue.md`.
pub fn scaffold(title: &str, date: chrono::NaiveDate) -> (String, String) {
    let _ = (title, date);
    todo!()
}
