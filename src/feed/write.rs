//! The site on disk: each file whole or not at all, and nothing touched that has not changed.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::{Body, Page, Site};

/// Lists what the last build wrote, so that the next removes only that.
const MANIFEST: &str = ".postrider-build.json";

/// Distinguishes the temporary files of builds that run at once in one process.
static SERIAL: AtomicU64 = AtomicU64::new(0);

#[derive(serde::Serialize, serde::Deserialize, Default)]
struct Manifest {
    files: BTreeSet<String>,
}

/// See [`super::write`].
pub(super) fn write(site: &Site, out: &Path) -> io::Result<usize> {
    if fs::symlink_metadata(out).is_err() && write_whole(site, out).is_ok() {
        return Ok(site.len());
    }
    write_over(site, out)
}

/// The first build: a whole folder beside `out`, moved to its place at once, which takes half as long as moving each file.
/// Where that cannot be, the caller goes file by file.
fn write_whole(site: &Site, out: &Path) -> io::Result<()> {
    let folder = beside(out);
    let put_new = |(path, page): (&String, &Page)| {
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap_or(&folder))?;
        match &page.body {
            Body::Bytes(bytes) => fs::write(&file, bytes),
            Body::File(source) => fs::write(&file, fs::read(source)?),
        }
    };
    let written = site.par_iter().try_for_each(put_new);
    let moved = written.and_then(|()| fs::write(folder.join(MANIFEST), manifest_of(site)?)).and_then(|()| fs::rename(&folder, out));
    if moved.is_err() {
        let _ = fs::remove_dir_all(&folder);
    }
    moved
}

/// Brings `out` up to date file by file.
fn write_over(site: &Site, out: &Path) -> io::Result<usize> {
    fs::create_dir_all(out).map_err(|error| named(out, &error))?;
    let old = manifest(out);
    let stale: Vec<&String> = old.files.iter().filter(|path| is_inside(path) && !site.contains_key(*path)).collect();
    // What stands in the way of a new folder or file goes first, the rest last, when nothing points to it any more.
    let (in_the_way, gone): (Vec<&String>, Vec<&String>) = stale.into_iter().partition(|path| blocks(site, path));
    let mut changed = remove(out, &in_the_way)?;
    let written: io::Result<Vec<bool>> = site.par_iter().map(|(path, page)| put(&out.join(path), &page.body)).collect();
    changed += written?.into_iter().filter(|&changed| changed).count();
    changed += remove(out, &gone)?;
    put(&out.join(MANIFEST), &Body::Bytes(manifest_of(site)?.into()))?;
    Ok(changed)
}

fn manifest_of(site: &Site) -> io::Result<Vec<u8>> {
    serde_json::to_vec(&Manifest { files: site.keys().cloned().collect() }).map_err(io::Error::other)
}

/// An unreadable manifest counts as none: then nothing is removed.
fn manifest(out: &Path) -> Manifest {
    fs::read(out.join(MANIFEST)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// The manifest is a file anybody may have edited; it must not make us remove what lies elsewhere.
fn is_inside(path: &str) -> bool {
    Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)))
}

/// Whether the old file `path` is now a folder of the site, or lies where a file of it must go.
fn blocks(site: &Site, path: &str) -> bool {
    let folder = format!("{path}/");
    let is_folder = site.range(folder.clone()..).next().is_some_and(|(next, _)| next.starts_with(&folder));
    is_folder || path.match_indices('/').any(|(at, _)| site.contains_key(&path[..at]))
}

/// Removes files and the folders that become empty. How many files there were.
fn remove(out: &Path, paths: &[&String]) -> io::Result<usize> {
    let mut removed = 0;
    for path in paths {
        let file = out.join(path);
        match fs::remove_file(&file) {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(named(&file, &error)),
        }
        // Fails, as it should, at the first folder that still holds something.
        let folders = Path::new(path.as_str()).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        for folder in folders {
            if fs::remove_dir(out.join(folder)).is_err() {
                break;
            }
        }
    }
    Ok(removed)
}

/// Makes `file` hold `body`; whether that changed it.
fn put(file: &Path, body: &Body) -> io::Result<bool> {
    let result = match body {
        Body::Bytes(bytes) => put_bytes(file, bytes),
        Body::File(source) => fs::read(source).map_err(|error| named(source, &error)).and_then(|bytes| put_bytes(file, &bytes)),
    };
    result.map_err(|error| named(file, &error))
}

fn put_bytes(file: &Path, bytes: &[u8]) -> io::Result<bool> {
    if holds(file, bytes) {
        return Ok(false);
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = beside(file);
    let result = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, file));
    if result.is_err() {
        let _ = fs::remove_file(&beside);
    }
    result.map(|()| true)
}

/// Whether `file` is there with just these bytes. The size is asked first: it settles most cases.
fn holds(file: &Path, bytes: &[u8]) -> bool {
    let same_size = fs::symlink_metadata(file).is_ok_and(|meta| meta.is_file() && meta.len() == bytes.len() as u64);
    let read = |mut file: fs::File| {
        let mut there = Vec::with_capacity(bytes.len() + 1);
        file.read_to_end(&mut there).is_ok() && there == bytes
    };
    same_size && fs::File::open(file).is_ok_and(read)
}

/// A hidden name in the same folder, unique among builds that run at once.
fn beside(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    file.with_file_name(format!(".{name}.{}-{serial}.tmp", std::process::id()))
}

/// The same error with the file's name, once.
fn named(file: &Path, error: &io::Error) -> io::Error {
    let text = error.to_string();
    let text = if text.contains(": ") { text } else { format!("{}: {text}", file.display()) };
    io::Error::new(error.kind(), text)
}
