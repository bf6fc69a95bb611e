//! The published site as it is served: every file with its headers, its validators and its packed forms, made once a change.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use bytes::Bytes;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::accept::Encoding;
use super::headers::{MEDIA_CSP, PAGE_CSP, PICTURE_CSP, always};
use crate::feed::delta::{self, Fingerprint};
use crate::feed::{Body, Document, Page, Site};
use crate::model::Timestamp;

/// Former versions of a feed whose readers get only what is new. A reader further behind gets the whole feed.
const FORMER_MAX: usize = 16;
/// Text files of articles up to this size are kept in memory; larger ones, pictures, sound and film stay files.
const IN_MEMORY_BYTES_MAX: u64 = 1024 * 1024;
/// Less than this is one packet anyhow.
const PACKED_BYTES_MIN: usize = 256;
/// Levels at which 100 KB take some 10 ms and are within some percent of the smallest.
const GZIP_LEVEL: u32 = 9;
const BROTLI_LEVEL: i32 = 9;
const ZSTD_LEVEL: i32 = 15;

/// How long what is served may be used without asking: feeds, pages, other files, and files whose name changes with their content.
const FEED_AGE: &str = "public, max-age=300, stale-while-revalidate=3600, stale-if-error=86400";
const PAGE_AGE: &str = "public, max-age=300";
const FILE_AGE: &str = "public, max-age=3600";
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// What "304 Not Modified" says again.
const STILL_SAID: [HeaderName; 5] =
    [header::CACHE_CONTROL, header::ETAG, header::LAST_MODIFIED, header::VARY, header::ACCESS_CONTROL_ALLOW_ORIGIN];

/// The shelf of the moment; replaced whole when the site changes.
#[derive(Clone, Default)]
pub(super) struct Shelves(Arc<RwLock<Arc<Shelf>>>);

impl Shelves {
    /// The shelf of the moment.
    pub fn get(&self) -> Arc<Shelf> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces it.
    pub fn set(&self, shelf: Shelf) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shelf);
    }
}

/// Every file of the site, by its path without the first slash.
#[derive(Default)]
pub(super) struct Shelf(HashMap<String, Item>);

/// A file of the site.
#[derive(Clone)]
pub(super) enum Item {
    /// Served from memory.
    Ready(Arc<Ready>),
    /// Served from its file.
    Large(Arc<Large>),
}

/// A file in memory.
pub(super) struct Ready {
    /// What its ETags begin with: half of its SHA-256, in hexadecimal digits.
    pub tag: String,
    pub content_type: &'static str,
    /// When its content changed last, where that is known.
    pub changed: Option<Timestamp>,
    pub plain: Form,
    /// Made in the background; those that are smaller.
    packed: OnceLock<Vec<Form>>,
    pub feed: Option<Document>,
    /// Of a feed: the versions before this one, the newest first.
    pub former: VecDeque<Former>,
}

/// One encoding of a file.
pub(super) struct Form {
    pub encoding: Encoding,
    pub body: Bytes,
    /// The headers with the body.
    pub headers: HeaderMap,
    /// The headers that tell it has not changed.
    pub unchanged: HeaderMap,
}

/// A version of a feed before the current one.
#[derive(Clone)]
pub(super) struct Former {
    pub tag: String,
    entries: Arc<HashSet<Fingerprint>>,
    /// The current version without these entries.
    delta: Arc<OnceLock<Bytes>>,
}

/// A file that stays one.
pub(super) struct Large {
    pub file: PathBuf,
    pub content_type: &'static str,
    pub length: u64,
    pub changed: Timestamp,
    /// Its ETag, once its content has been read in the background.
    pub tag: OnceLock<String>,
}

impl Shelf {
    /// The shelf of `site`. What has not changed is taken from `old`.
    pub fn new(site: &Site, old: &Self) -> Self {
        let visible = site.par_iter().filter(|(path, _)| !is_hidden(path));
        Self(visible.filter_map(|(path, page)| Some((path.clone(), item(path, page, old.get(path))?))).collect())
    }

    /// The file at `path`.
    pub fn get(&self, path: &str) -> Option<&Item> {
        self.0.get(path)
    }

    /// Whether there is nothing to serve.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Packs what is not packed yet and reads large files for their ETags, feeds first, until all is done or `enough`.
    pub fn pack(&self, enough: &CancellationToken) {
        let (feeds, others): (Vec<&Item>, Vec<&Item>) = self.0.values().partition(|item| item.is_feed());
        for items in [feeds, others] {
            items.par_iter().filter(|_| !enough.is_cancelled()).for_each(|item| match item {
                Item::Ready(ready) => {
                    ready.packed.get_or_init(|| ready.pack());
                }
                Item::Large(large) => large.read_tag(),
            });
        }
    }
}

impl Item {
    fn is_feed(&self) -> bool {
        matches!(self, Self::Ready(ready) if ready.feed.is_some())
    }
}

/// Hidden files and the manifests of builds are nobody's business; `.well-known` is there to be seen.
fn is_hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.') && part != ".well-known")
}

fn item(path: &str, page: &Page, old: Option<&Item>) -> Option<Item> {
    let bytes = match &page.body {
        Body::Bytes(bytes) => bytes.clone(),
        Body::File(file) => match large(file, page, old)? {
            Item::Large(large) if shrinks(page.content_type) && large.length <= IN_MEMORY_BYTES_MAX => std::fs::read(file).ok()?.into(),
            large => return Some(large),
        },
    };
    let tag = hex(&Sha256::digest(&bytes)[..16]);
    match old {
        Some(Item::Ready(old)) if old.tag == tag && old.feed == page.feed && old.content_type == page.content_type => {
            Some(Item::Ready(old.clone()))
        }
        Some(Item::Ready(old)) => Some(Item::Ready(Arc::new(Ready::new(path, page, bytes, tag, old.as_former())))),
        _ => Some(Item::Ready(Arc::new(Ready::new(path, page, bytes, tag, VecDeque::new())))),
    }
}

/// A file as it is now; the same as before when neither its size nor its time has changed.
fn large(file: &Path, page: &Page, old: Option<&Item>) -> Option<Item> {
    let (length, changed) = about(&std::fs::metadata(file).ok()?)?;
    match old {
        Some(Item::Large(old)) if old.file == file && old.length == length && old.changed == changed => Some(Item::Large(old.clone())),
        _ => {
            let large = Large { file: file.to_owned(), content_type: page.content_type, length, changed, tag: OnceLock::new() };
            Some(Item::Large(Arc::new(large)))
        }
    }
}

/// The size and time of a file.
pub(super) fn about(metadata: &std::fs::Metadata) -> Option<(u64, Timestamp)> {
    let since = metadata.modified().ok()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    metadata.is_file().then(|| (metadata.len(), Timestamp(i64::try_from(since.as_micros()).unwrap_or_default())))
}

impl Ready {
    fn new(path: &str, page: &Page, body: Bytes, tag: String, former: VecDeque<Former>) -> Self {
        let changed = page.feed.as_ref().map(|feed| feed.changed);
        let shared = shared_headers(path, page, changed);
        let plain = Form::new(Encoding::Identity, &tag, body, &shared, page.content_type);
        Self { tag, content_type: page.content_type, changed, plain, packed: OnceLock::new(), feed: page.feed.clone(), former }
    }

    /// Every form there is by now, the plain one first.
    pub fn forms(&self) -> impl Iterator<Item = &Form> {
        std::iter::once(&self.plain).chain(self.packed.get().into_iter().flatten())
    }

    fn pack(&self) -> Vec<Form> {
        let body = &self.plain.body;
        if !shrinks(self.content_type) || body.len() < PACKED_BYTES_MIN {
            return Vec::new();
        }
        let forms = Encoding::PACKED.iter().filter_map(|&encoding| {
            let packed = packed(encoding, body).ok().filter(|packed| packed.len() < body.len())?;
            let mut shared = self.plain.headers.clone();
            shared.remove(header::ETAG);
            let mut form = Form::new(encoding, &self.tag, packed.into(), &shared, self.content_type);
            form.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
            Some(form)
        });
        forms.collect()
    }

    /// This version and those before it, for the one that comes next.
    fn as_former(&self) -> VecDeque<Former> {
        let Some(feed) = &self.feed else { return VecDeque::new() };
        let entries = Arc::new(delta::entries(feed.format, &self.plain.body).into_iter().collect());
        let own = Former { tag: self.tag.clone(), entries, delta: Arc::default() };
        let older = self.former.iter().filter(|former| former.tag != self.tag).take(FORMER_MAX - 1);
        std::iter::once(own).chain(older.map(|former| Former { delta: Arc::default(), ..former.clone() })).collect()
    }

    /// What has changed since the version with this tag, when it is one we remember.
    pub fn since(&self, tag: &str) -> Option<Bytes> {
        let feed = self.feed.as_ref()?;
        let former = self.former.iter().find(|former| former.tag == tag)?;
        let delta = former.delta.get_or_init(|| delta::without(feed.format, &self.plain.body, &former.entries).into());
        (delta.len() < self.plain.body.len()).then(|| delta.clone())
    }
}

impl Form {
    fn new(encoding: Encoding, tag: &str, body: Bytes, shared: &HeaderMap, content_type: &'static str) -> Self {
        let mut headers = shared.clone();
        headers.extend(value(header::ETAG, &etag(tag, encoding)));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        // A client that has the body has its headers too (RFC 9110, 15.4.5): only what guides caches is said again.
        let unchanged = STILL_SAID.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect();
        Self { encoding, body, headers, unchanged }
    }
}

/// `"0123…-gz"`.
pub(super) fn etag(tag: &str, encoding: Encoding) -> String {
    format!("\"{tag}{}\"", encoding.suffix())
}

/// What all encodings of a file, and the answer that it has not changed, have in common.
fn shared_headers(path: &str, page: &Page, changed: Option<Timestamp>) -> HeaderMap {
    let mut headers = always();
    let html = page.content_type.starts_with("text/html");
    let age = match (&page.feed, html, path.starts_with("assets/")) {
        (Some(_), ..) => FEED_AGE,
        (_, true, _) => PAGE_AGE,
        (_, _, true) => FOR_EVER,
        _ => FILE_AGE,
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(age));
    headers.extend(changed.and_then(|at| value(header::LAST_MODIFIED, &http_date(at))));
    if shrinks(page.content_type) {
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if let Some(feed) = &page.feed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("ETag, Link"));
        let hub = feed.hub.as_ref().map(|hub| format!("<{hub}>; rel=\"hub\", ")).unwrap_or_default();
        headers.extend(value(header::LINK, &format!("{hub}<{}>; rel=\"self\"", feed.url)));
    }
    if let Some(policy) = policy(page) {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    }
    headers
}

/// The content security policy of a file, where it is one that browsers show as a page.
fn policy(page: &Page) -> Option<&'static str> {
    if page.content_type == "image/svg+xml" {
        return Some(PICTURE_CSP);
    }
    let html = page.content_type.starts_with("text/html");
    let media = |bytes: &Bytes| ["<video", "<audio"].iter().any(|tag| memchr::memmem::find(bytes, tag.as_bytes()).is_some());
    html.then(|| if matches!(&page.body, Body::Bytes(bytes) if media(bytes)) { MEDIA_CSP } else { PAGE_CSP })
}

impl Large {
    /// The headers of an answer with all or a part of it.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = always();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(FILE_AGE));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.extend(value(header::LAST_MODIFIED, &http_date(self.changed)));
        headers.extend(self.tag.get().and_then(|tag| value(header::ETAG, tag)));
        let policy = if self.content_type.starts_with("text/html") { Some(PAGE_CSP) } else { None };
        let policy = policy.or((self.content_type == "image/svg+xml").then_some(PICTURE_CSP));
        headers.extend(policy.map(|policy| (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy))));
        headers
    }

    /// Reads the file for its ETag. One that has changed since gets none: the next look at the site finds it.
    fn read_tag(&self) {
        if self.tag.get().is_some() {
            return;
        }
        let same = || std::fs::metadata(&self.file).ok().and_then(|metadata| about(&metadata)) == Some((self.length, self.changed));
        if let (Ok(tag), true) = (tag_of_file(&self.file), same()) {
            let _ = self.tag.set(format!("\"{tag}\""));
        }
    }
}

/// What the ETag of a file begins with, read piece by piece.
fn tag_of_file(file: &Path) -> std::io::Result<String> {
    let (mut file, mut hash, mut piece) = (std::fs::File::open(file)?, Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex(&hash.finalize()[..16])),
            read => hash.update(&piece[..read]),
        }
    }
}

/// Whether files of this type get smaller.
fn shrinks(content_type: &str) -> bool {
    let name = content_type.split(';').next().unwrap_or_default();
    name.starts_with("text/") || name.ends_with("xml") || name.ends_with("json")
}

/// `bytes` in an encoding.
pub(super) fn packed(encoding: Encoding, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    match encoding {
        Encoding::Identity => Ok(bytes.to_vec()),
        Encoding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL));
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        Encoding::Brotli => {
            let params = brotli::enc::BrotliEncoderParams { quality: BROTLI_LEVEL, size_hint: bytes.len(), ..Default::default() };
            let mut out = Vec::new();
            brotli::BrotliCompress(&mut &*bytes, &mut out, &params)?;
            Ok(out)
        }
        Encoding::Zstd => zstd::bulk::compress(bytes, ZSTD_LEVEL),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A header, unless its value cannot stand in one.
pub(super) fn value(name: HeaderName, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((name, HeaderValue::from_str(value).ok()?))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn http_date(at: Timestamp) -> String {
    at.utc().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
