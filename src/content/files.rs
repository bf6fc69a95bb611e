//! Finding the files: articles, page bundles and what lies beside them. Nothing outside content/ is ever read.

use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::model::Fault;

/// An article is text written by a person; what is larger is something else that got the wrong name.
const ARTICLE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// One article file.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it lies, as the user would name it.
    pub file: PathBuf,
    /// Its path below content/, with `/` between parts.
    pub relative: String,
    /// Whether it is the `index.md` of a folder of its own.
    pub bundle: bool,
    /// Files of the bundle, sorted by path.
    pub beside: Vec<PathBuf>,
}

/// Everything found in one walk.
#[derive(Debug, Default)]
pub struct Found {
    /// Article files in the order of their paths.
    pub sources: Vec<Source>,
    /// What could not be read.
    pub faults: Vec<Fault>,
}

/// Walks content/, sorted, without hidden files and without what a symbolic link leads out to.
pub fn walk(root: &Path) -> impl Iterator<Item = walkdir::Result<DirEntry>> {
    let real_root = real(root);
    WalkDir::new(root)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(move |entry| entry.depth() == 0 || (!is_hidden(entry) && !leads_out(entry, &real_root)))
}

/// Finds the articles under `root`.
pub fn find(root: &Path) -> Found {
    let mut found = Found::default();
    if !root.is_dir() {
        let message = format!("there is no content folder at {}", root.display());
        found.faults.push(Fault::error("content-missing", message).hint("create it, or set `dir` in the [content] table of config.toml"));
        return found;
    }
    let mut others = Vec::new();
    for entry in walk(root) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => sort_in(&entry, root, &mut found.sources, &mut others),
            Ok(_) => {}
            Err(error) => found.faults.push(unreadable(error.path().unwrap_or(root), &error)),
        }
    }
    found.faults.extend(links_out(root));
    give_to_bundles(&mut found.sources, others);
    found
}

/// Puts one file where it belongs: with the articles or with the others.
fn sort_in(entry: &DirEntry, root: &Path, sources: &mut Vec<Source>, others: &mut Vec<PathBuf>) {
    let Ok(relative) = entry.path().strip_prefix(root) else { return };
    let name = entry.file_name().to_string_lossy();
    if !is_markdown(entry.path()) {
        others.push(entry.path().to_owned());
    } else if !name.starts_with("_index.") {
        let bundle = entry.depth() > 1 && entry.path().file_stem().is_some_and(|stem| stem == "index");
        let relative = relative.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
        sources.push(Source { file: entry.path().to_owned(), relative, bundle, beside: Vec::new() });
    }
}

/// Gives each file that is no article to the bundle it lies in, the innermost one.
fn give_to_bundles(sources: &mut [Source], others: Vec<PathBuf>) {
    let bundles: std::collections::HashMap<PathBuf, usize> =
        sources.iter().enumerate().filter(|(_, source)| source.bundle).map(|(i, source)| (folder(&source.file).to_owned(), i)).collect();
    if bundles.is_empty() {
        return;
    }
    for other in others {
        if let Some(&i) = other.ancestors().skip(1).find_map(|folder| bundles.get(folder)) {
            sources[i].beside.push(other);
        }
    }
}

/// A path without symbolic links; as it is when it leads nowhere.
pub fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// The folder a file lies in.
pub fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// Reads an article's text.
pub fn read_text(file: &Path) -> Result<String, Fault> {
    let bytes = std::fs::read(file).map_err(|error| unreadable(file, &error))?;
    if bytes.len() as u64 > ARTICLE_BYTES_MAX {
        return Err(Fault::error("file-too-large", format!("{} bytes are too many for an article", bytes.len()))
            .in_file(file)
            .hint(format!("an article may have {ARTICLE_BYTES_MAX} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        Fault::error("not-utf8", "the file is not UTF-8 text").at(file, &text, at..at + 1).hint("save it with the encoding UTF-8")
    })
}

/// A fault for every symbolic link that leads out of content/: it would publish what was never meant to be published.
fn links_out(root: &Path) -> Vec<Fault> {
    let real_root = real(root);
    let entries = WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry));
    entries
        .flatten()
        .filter(|entry| entry.depth() > 0 && leads_out(entry, &real_root))
        .map(|entry| {
            Fault::error("symlink-outside", "this symbolic link leads out of the content folder, or nowhere")
                .in_file(entry.path())
                .hint("copy the file into the content folder")
        })
        .collect()
}

fn unreadable(file: &Path, error: &dyn std::fmt::Display) -> Fault {
    Fault::error("unreadable", format!("cannot read it: {error}")).in_file(file)
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with('.')
}

fn leads_out(entry: &DirEntry, real_root: &Path) -> bool {
    entry.path_is_symlink() && !entry.path().canonicalize().is_ok_and(|target| target.starts_with(real_root))
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md" || extension == "markdown")
}
