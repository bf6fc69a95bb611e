//! The files an import is made of: named on the command line, or standing in a zip as some systems export them.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;

use crate::model::Fault;

/// How a zip begins: the head of its first entry.
const ZIP: [u8; 4] = *b"PK\x03\x04";
/// The head of an entry in the directory at the end, and the record behind the last.
const ENTRY: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
/// Bytes of these heads without the names behind them (APPNOTE.TXT 4.3.7, 4.3.12, 4.3.16).
const LOCAL_BYTES: u64 = 30;
const ENTRY_BYTES: usize = 46;
const END_BYTES: usize = 22;
/// The longest comment that may stand behind the last record.
const COMMENT_BYTES_MAX: u64 = 65_535;
/// Directories beyond this are no export of people.
const DIRECTORY_BYTES_MAX: u64 = 1024 * 1024;

/// A file of people.
pub struct Part {
    /// Its name, for faults.
    pub name: PathBuf,
    /// What stands in it.
    pub input: Box<dyn Read + Send>,
}

/// Opens the files; `-` is standard input, and a zip gives the CSV files in it.
pub fn parts(files: &[PathBuf]) -> Result<Vec<Part>, Fault> {
    let mut parts = Vec::new();
    for name in files {
        if name.as_os_str() == "-" {
            parts.push(Part { name: name.clone(), input: Box::new(io::stdin()) });
            continue;
        }
        let unreadable = |error: io::Error| Fault::error("file", format!("cannot read {}: {error}", name.display()));
        let mut file = File::open(name).map_err(unreadable)?;
        let mut head = Vec::new();
        // A pipe cannot be wound back, and no pipe is a zip.
        if file.metadata().is_ok_and(|about| about.is_file()) {
            file.by_ref().take(ZIP.len() as u64).read_to_end(&mut head).map_err(unreadable)?;
            file.rewind().map_err(unreadable)?;
        }
        if head == ZIP {
            parts.extend(unzipped(name, &mut file).map_err(|why| damaged(name, &why))?);
        } else {
            parts.push(Part { name: name.clone(), input: Box::new(file) });
        }
    }
    Ok(parts)
}

fn damaged(name: &Path, why: &str) -> Fault {
    Fault::error("zip", why).in_file(name).hint("unpack it and import the CSV files in it, all at once")
}

/// The CSV files in a zip, each with a handle of its own, so that they are unpacked while they are read.
fn unzipped(name: &Path, file: &mut File) -> Result<Vec<Part>, String> {
    let directory = directory(file).map_err(|error| format!("this zip cannot be read: {error}"))?;
    let mut parts = Vec::new();
    let mut rest = directory.as_slice();
    while let Some(entry) = Entry::read(&mut rest)? {
        let path = entry.name.to_lowercase();
        if !(path.ends_with(".csv") || path.ends_with(".txt")) || path.starts_with("__macosx/") {
            continue;
        }
        let input = entry.open(name).map_err(|error| format!("{} in this zip cannot be read: {error}", entry.name))?;
        parts.push(Part { name: name.join(printable(&entry.name)), input });
    }
    if parts.is_empty() { Err("there is no CSV file in this zip".to_owned()) } else { Ok(parts) }
}

/// The directory that stands at the end of a zip.
fn directory(file: &mut File) -> io::Result<Vec<u8>> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let length = file.metadata()?.len();
    let tail_start = length.saturating_sub(END_BYTES as u64 + COMMENT_BYTES_MAX);
    file.seek(SeekFrom::Start(tail_start))?;
    let mut tail = Vec::new();
    file.by_ref().take(END_BYTES as u64 + COMMENT_BYTES_MAX).read_to_end(&mut tail)?;
    let end = tail.windows(END.len()).rposition(|window| window == END).ok_or_else(|| wrong("its end is missing"))?;
    let (size, start) = match (word(&tail, end + 12, 4), word(&tail, end + 16, 4)) {
        (Some(size), Some(start)) if start != u64::from(u32::MAX) => (size, start),
        _ => return Err(wrong("it is of a kind for very large files")),
    };
    if size > DIRECTORY_BYTES_MAX {
        return Err(wrong("it has too many files"));
    }
    file.seek(SeekFrom::Start(start))?;
    let mut directory = Vec::new();
    file.by_ref().take(size).read_to_end(&mut directory)?;
    Ok(directory)
}

/// A file in a zip.
struct Entry {
    name: String,
    method: u64,
    is_locked: bool,
    packed_bytes: u64,
    start: u64,
}

impl Entry {
    /// Reads the next head of the directory; nothing at its end.
    fn read(rest: &mut &[u8]) -> Result<Option<Self>, String> {
        if rest.is_empty() {
            return Ok(None);
        }
        let bytes = *rest;
        let field = |at: usize, length: usize| word(bytes, at, length).ok_or("the directory of this zip is damaged");
        if !bytes.starts_with(&ENTRY) {
            return Err("the directory of this zip is damaged".to_owned());
        }
        let lengths = [field(28, 2)?, field(30, 2)?, field(32, 2)?].map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        let name = bytes.get(ENTRY_BYTES..ENTRY_BYTES + lengths[0]).ok_or("the directory of this zip is damaged")?;
        let entry = Self {
            name: String::from_utf8_lossy(name).into_owned(),
            method: field(10, 2)?,
            is_locked: field(8, 2)? & 1 == 1,
            packed_bytes: field(20, 4)?,
            start: field(42, 4)?,
        };
        *rest = bytes.get(ENTRY_BYTES + lengths.iter().sum::<usize>()..).unwrap_or_default();
        Ok(Some(entry))
    }

    /// Unpacks it as it is read.
    fn open(&self, zip: &Path) -> io::Result<Box<dyn Read + Send>> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        if self.is_locked {
            return Err(wrong("it is locked with a password"));
        }
        let mut file = File::open(zip)?;
        file.seek(SeekFrom::Start(self.start))?;
        let mut head = Vec::new();
        file.by_ref().take(LOCAL_BYTES).read_to_end(&mut head)?;
        // Its name and extra bytes stand between the head and the content, and may be longer than in the directory.
        let (Some(name), Some(extra), true) = (word(&head, 26, 2), word(&head, 28, 2), head.starts_with(&ZIP)) else {
            return Err(wrong("its head is damaged"));
        };
        file.seek(SeekFrom::Start(self.start + LOCAL_BYTES + name + extra))?;
        let packed = file.take(self.packed_bytes);
        match self.method {
            0 => Ok(Box::new(packed)),
            8 => Ok(Box::new(DeflateDecoder::new(packed))),
            other => Err(wrong(&format!("it is packed in a way we do not know ({other})"))),
        }
    }
}

/// A little-endian number of `length` bytes.
fn word(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    Some(bytes.get(at..at + length)?.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}

/// The last part of a name, without what a terminal would obey.
fn printable(name: &str) -> String {
    name.rsplit(['/', '\\']).next().unwrap_or_default().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
