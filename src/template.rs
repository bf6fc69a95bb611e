//! Tera 2: the built-in templates, those that override them on disk, our filters, and limits.

use std::collections::BTreeMap;
use std::path::Path;

use crate::model::Faults;

/// Template sources by name (`email/digest.html`, `web/article.html` …): built in, overridden by files of `dir`.
pub fn load(dir: &Path) -> Result<BTreeMap<String, String>, Faults> {
    let _ = dir;
    todo!()
}

/// Writes the built-in templates into `dir` for editing; existing files stay. Gives the names written.
pub fn write_defaults(dir: &Path) -> std::io::Result<Vec<String>> {
    let _ = dir;
    todo!()
}

/// An engine over `sources` with our filters and limits; faults name the template, line and column.
pub fn engine(sources: &BTreeMap<String, String>) -> Result<tera::Tera, Faults> {
    let _ = sources;
    todo!()
}
