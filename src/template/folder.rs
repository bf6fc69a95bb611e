//! The user's template folder: which files count, and how they are read and written safely.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::model::{Fault, Faults};

/// Other files (notes, editor leftovers) may lie beside the templates and are left alone.
const EXTENSIONS: [&str; 5] = ["html", "txt", "xml", "css", "ftl"];

/// Far above any template a person writes; a wrong file is named instead of parsed.
const TEMPLATE_BYTES_MAX: u64 = 256 * 1024;

/// Folders inside folders inside `email/` and `web/`.
const DEPTH_MAX: usize = 6;

/// Every template under `dir`, by its path from there with `/`. A folder that does not exist has none.
pub(super) fn read(dir: &Path) -> Result<BTreeMap<String, String>, Faults> {
    let Ok(root) = dir.canonicalize() else { return Ok(BTreeMap::new()) };
    let mut sources = BTreeMap::new();
    let mut faults = Faults::default();
    let mut walk = WalkDir::new(dir).max_depth(DEPTH_MAX).follow_links(true).sort_by_file_name().into_iter();
    while let Some(entry) = walk.next() {
        let Ok(entry) = entry.map_err(|error| faults.push(unreadable(dir, &error.into()))) else { continue };
        if entry.depth() > 0 && is_hidden(&entry) {
            skip(&mut walk, &entry);
        } else if !stays_inside(&entry, &root) {
            faults.push(leads_outside(entry.path()));
            skip(&mut walk, &entry);
        } else if is_template(&entry) {
            match read_one(dir, entry.path()) {
                Ok((name, text)) => drop(sources.insert(name, text)),
                Err(fault) => faults.push(fault),
            }
        }
    }
    if faults.0.is_empty() { Ok(sources) } else { Err(faults) }
}

/// Writes `file` with its folders unless it exists; whether it did.
pub(super) fn write_new(file: &Path, text: &str) -> io::Result<bool> {
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::OpenOptions::new().write(true).create_new(true).open(file) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn skip(walk: &mut walkdir::IntoIter, entry: &DirEntry) {
    if entry.file_type().is_dir() {
        walk.skip_current_dir();
    }
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with('.')
}

/// Whether the file itself, behind any link, lies in the folder: a link must not read other files of the machine into a mail.
fn stays_inside(entry: &DirEntry, root: &Path) -> bool {
    entry.path().canonicalize().is_ok_and(|path| path.starts_with(root))
}

fn is_template(entry: &DirEntry) -> bool {
    let extension = entry.path().extension().and_then(|extension| extension.to_str());
    entry.file_type().is_file() && extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
}

fn read_one(dir: &Path, file: &Path) -> Result<(String, String), Fault> {
    let name = name_of(dir, file).ok_or_else(|| bad_name(file))?;
    let size_bytes = fs::metadata(file).map_err(|error| unreadable(file, &error))?.len();
    if size_bytes > TEMPLATE_BYTES_MAX {
        let message = format!("a template of {size_bytes} bytes is over the limit of {TEMPLATE_BYTES_MAX}");
        return Err(Fault::error("template-too-large", message)
            .in_file(file)
            .hint("split it into partials, or take pictures and data out of it"));
    }
    let text = fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    Ok((name, text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned()))
}

/// `email/digest.html` for `<dir>/email/digest.html`; names have only characters that need no quoting in a template.
fn name_of(dir: &Path, file: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = file.strip_prefix(dir).ok()?.iter().map(|part| part.to_str()).collect();
    let name = parts?.join("/");
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    name.chars().all(plain).then_some(name)
}

fn bad_name(file: &Path) -> Fault {
    let message = "a template's name has only letters a-z, digits, `-`, `_` and `.`";
    Fault::error("template-name", message).in_file(file).hint("rename the file")
}

fn leads_outside(path: &Path) -> Fault {
    let message = "this link leads out of the template folder, or to nothing";
    Fault::error("template-outside", message).in_file(path).hint("copy the file here instead of linking to it")
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    let hint = match error.kind() {
        io::ErrorKind::InvalidData => "save the file as UTF-8",
        _ => "check that the file can be read",
    };
    Fault::error("template-unreadable", format!("cannot read the template: {error}")).in_file(&PathBuf::from(path)).hint(hint)
}
