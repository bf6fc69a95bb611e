//! A CSV file as it comes: any common delimiter and encoding, read in bounded memory, with the line of everything.

use std::borrow::Cow;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use csv::ByteRecord;
use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::model::Fault;
use crate::model::fault::Place;

/// How much of the file decides delimiter and encoding.
const PREFIX_BYTES: u64 = 64 * 1024;
/// Longest record: far more than any person needs, and what an unclosed quote may eat before we say so.
const RECORD_BYTES_MAX: u64 = 1024 * 1024;
/// Most columns: wider files are something else.
const COLUMNS_MAX: usize = 1_000;
/// How much of a line a fault shows.
const SHOWN_CHARS: usize = 100;

/// A record: its line and its cells.
pub(super) type Record<'a> = (u64, Vec<Cow<'a, str>>);

/// An open CSV file.
pub(super) struct Table {
    file: PathBuf,
    reader: csv::Reader<Guard>,
    /// What bytes mean that are not UTF-8.
    fallback: &'static Encoding,
    record: ByteRecord,
    /// A record that was looked at and is still to be given.
    ahead: bool,
}

impl Table {
    /// Looks at the beginning of `input` and opens it. `file` is its name in faults.
    pub(super) fn open(mut input: Box<dyn Read + Send>, file: &Path) -> Result<Self, Fault> {
        let mut prefix = Vec::new();
        input.by_ref().take(PREFIX_BYTES).read_to_end(&mut prefix).map_err(|error| io_fault(file, &error))?;
        if let Some(mark) = missing_mark(&prefix) {
            prefix.splice(..0, mark);
        }
        let (input, prefix, fallback) = decoded(input, prefix);
        let guard = Guard { inner: input, read: 0, allowed: u64::MAX };
        let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter(&prefix)).from_reader(guard);
        Ok(Self { file: file.to_owned(), reader, fallback, record: ByteRecord::new(), ahead: false })
    }

    /// The record that was given last is given again by the next [`Table::next`].
    pub(super) fn again(&mut self) {
        self.ahead = true;
    }

    /// The next record: its line and its cells. `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Record<'_>>, Fault> {
        if std::mem::take(&mut self.ahead) {
            let line = self.record.position().map_or(1, csv::Position::line);
            let fallback = self.fallback;
            return Ok(Some((line, self.record.iter().map(|cell| text(cell, fallback)).collect())));
        }
        let start = self.reader.position().clone();
        self.reader.get_mut().allowed = start.byte() + RECORD_BYTES_MAX;
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => return Err(self.unreadable(error, start.line())),
        }
        let line = self.record.position().map_or(start.line(), csv::Position::line);
        if self.record.len() > COLUMNS_MAX {
            let fault =
                self.fault("csv-columns", line, format!("{} columns; a list of people has at most {COLUMNS_MAX}", self.record.len()));
            return Err(fault.hint("is this a CSV file with one person a line?"));
        }
        if memchr::memchr(0, self.record.as_slice()).is_some() {
            let fault = self.fault("csv-nul", line, "a NUL byte: this is not a text file, or it is damaged");
            return Err(
                fault.hint("save it as CSV in UTF-8 and import it again; what was imported before this line stays and is not doubled")
            );
        }
        let fallback = self.fallback;
        Ok(Some((line, self.record.iter().map(|cell| text(cell, fallback)).collect())))
    }

    /// A fault at `line`, which shows the record read last.
    pub(super) fn fault(&self, code: &'static str, line: u64, message: impl Into<String>) -> Fault {
        let shown = String::from_utf8_lossy(&self.record.as_slice()[..self.record.as_slice().len().min(SHOWN_CHARS * 4)]).into_owned();
        let source: String = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN_CHARS).collect();
        let length = source.chars().count().max(1);
        let line = usize::try_from(line).unwrap_or(usize::MAX);
        let place = Place { file: self.file.clone(), line, column: 1, length, source };
        Fault { place: Some(place), ..Fault::error(code, message) }
    }

    fn unreadable(&mut self, error: csv::Error, line: u64) -> Fault {
        self.record.clear();
        match error.into_kind() {
            csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => self
                .fault("csv-record", line, format!("the record that begins here is longer than {RECORD_BYTES_MAX} bytes"))
                .hint("is a quote (\") opened here and never closed?"),
            csv::ErrorKind::Io(error) => io_fault(&self.file, &error),
            other => self.fault("csv-read", line, format!("cannot be read as CSV: {other:?}")),
        }
    }
}

fn io_fault(file: &Path, error: &io::Error) -> Fault {
    Fault::error("csv-read", format!("cannot be read: {error}")).in_file(file)
}

/// Finds the encoding: a byte order mark decides, then valid UTF-8, then the detector's guess. UTF-16 is decoded on the way;
/// the others agree with ASCII on commas, quotes and line ends, so they are decoded cell by cell. Gives the prefix decoded too.
fn decoded(input: Box<dyn Read + Send>, prefix: Vec<u8>) -> (Box<dyn Read + Send>, Vec<u8>, &'static Encoding) {
    let whole = |bytes: Vec<u8>| -> Box<dyn Read + Send> { Box::new(Cursor::new(bytes).chain(BufReader::new(input))) };
    match Encoding::for_bom(&prefix) {
        Some((encoding, mark)) if encoding == UTF_16LE || encoding == UTF_16BE => {
            let (shown, _) = encoding.decode_without_bom_handling(&prefix[mark..]);
            let shown = shown.into_owned().into_bytes();
            let rest = prefix[mark..].to_vec();
            let decoder = encoding.new_decoder_without_bom_handling();
            (Box::new(Decoding { inner: whole(rest), decoder, input: Vec::new(), output: Vec::new(), at: 0, done: false }), shown, UTF_8)
        }
        Some((_, mark)) => {
            let rest = prefix[mark..].to_vec();
            (whole(rest.clone()), rest, WINDOWS_1252)
        }
        None => {
            let fallback = guess(&prefix);
            (whole(prefix.clone()), prefix, fallback)
        }
    }
}

/// The mark that UTF-16 lacks: text of the West has a NUL in every second byte, and no other file begins with a whole line of such.
fn missing_mark(prefix: &[u8]) -> Option<[u8; 2]> {
    let line = &prefix[..prefix.len().min(64) & !1];
    let nul = |offset: usize| !line.is_empty() && line.iter().skip(offset).step_by(2).all(|byte| *byte == 0);
    let text = |offset: usize| line.iter().skip(offset).step_by(2).all(|byte| *byte != 0);
    match () {
        () if nul(1) && text(0) => Some([0xff, 0xfe]),
        () if nul(0) && text(1) => Some([0xfe, 0xff]),
        () => None,
    }
}

/// What the bytes that are not UTF-8 mean. A prefix that is UTF-8 says nothing about them: then Windows-1252, the commonest.
fn guess(prefix: &[u8]) -> &'static Encoding {
    let is_utf8 = match std::str::from_utf8(prefix) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    if is_utf8 {
        return WINDOWS_1252;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(prefix, true);
    detector.guess(None, Utf8Detection::Deny)
}

fn text<'a>(cell: &'a [u8], fallback: &'static Encoding) -> Cow<'a, str> {
    match std::str::from_utf8(cell) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => fallback.decode_without_bom_handling(cell).0,
    }
}

/// The delimiter that is most frequent in the first line, outside quotes.
fn delimiter(prefix: &[u8]) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0), (b'|', 0)];
    let mut quoted = false;
    for &byte in prefix.iter().skip_while(|byte| matches!(byte, b'\r' | b'\n')) {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if quoted => {}
            _ => counts.iter_mut().filter(|(delimiter, _)| *delimiter == byte).for_each(|(_, n)| *n += 1),
        }
    }
    // Of equals the first is taken, so a single column is read as comma-separated.
    counts.into_iter().rev().max_by_key(|(_, n)| *n).map_or(b',', |(delimiter, _)| delimiter)
}

/// Stops reading when one record has taken too much; otherwise an unclosed quote would take all memory there is.
struct Guard {
    inner: Box<dyn Read + Send>,
    read: u64,
    allowed: u64,
}

impl Read for Guard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read > self.allowed {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let n = self.inner.read(buffer)?;
        self.read += n as u64;
        Ok(n)
    }
}

/// Decodes UTF-16 to UTF-8 as it is read.
struct Decoding {
    inner: Box<dyn Read + Send>,
    decoder: Decoder,
    input: Vec<u8>,
    output: Vec<u8>,
    at: usize,
    done: bool,
}

impl Read for Decoding {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.output.len() && !self.done {
            self.input.clear();
            let n = self.inner.by_ref().take(PREFIX_BYTES / 8).read_to_end(&mut self.input)?;
            self.done = n == 0;
            // Three bytes of UTF-8 for two of UTF-16, and room for a replacement character.
            self.output.resize(n * 3 + 16, 0);
            let (_, _, written, _) = self.decoder.decode_to_utf8(&self.input, &mut self.output, self.done);
            self.output.truncate(written);
            self.at = 0;
        }
        let n = buffer.len().min(self.output.len() - self.at);
        buffer[..n].copy_from_slice(&self.output[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}
