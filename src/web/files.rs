//! Large files: sent from the disk piece by piece, whole or in part (RFC 9110, 14).

use std::io::SeekFrom;
use std::ops::Range;
use std::sync::OnceLock;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::answer::parse_date;
use super::shelf::{Large, about, value};

/// What is read at once, and so what a slow client costs.
const PIECE_BYTES: usize = 64 * 1024;

/// What a client asked for.
enum Wanted {
    All,
    Part(Range<u64>),
    Nothing,
}

/// Answers a GET or HEAD.
pub(super) async fn answer(large: &Large, method: &Method, request: &HeaderMap) -> Response {
    let Ok(mut file) = tokio::fs::File::open(&large.file).await else { return gone() };
    let Some((length, changed)) = file.metadata().await.ok().and_then(|metadata| about(&metadata)) else { return gone() };
    // A file that was replaced since the site was looked at is served as it is now, without an ETag until its content is known.
    let replaced;
    let large = if (length, changed) == (large.length, large.changed) {
        large
    } else {
        replaced = Large { file: large.file.clone(), content_type: large.content_type, length, changed, tag: OnceLock::new() };
        &replaced
    };
    let mut headers = large.headers();
    if is_unchanged(large, request) {
        headers.remove(header::CONTENT_TYPE);
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let (status, part) = match wanted(large, request) {
        Wanted::All => (StatusCode::OK, 0..large.length),
        Wanted::Part(part) => {
            headers.extend(value(header::CONTENT_RANGE, &format!("bytes {}-{}/{}", part.start, part.end - 1, large.length)));
            (StatusCode::PARTIAL_CONTENT, part)
        }
        Wanted::Nothing => {
            headers.extend(value(header::CONTENT_RANGE, &format!("bytes */{}", large.length)));
            return (StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response();
        }
    };
    let length = part.end - part.start;
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if *method == Method::HEAD {
        return (status, headers).into_response();
    }
    if file.seek(SeekFrom::Start(part.start)).await.is_err() {
        return gone();
    }
    (status, headers, body(file, length)).into_response()
}

/// `length` bytes of `file` from where it stands. A file that ends early breaks the answer off, so that nobody takes it for whole.
fn body(file: tokio::fs::File, length: u64) -> Body {
    Body::from_stream(stream::try_unfold((file, length), |(mut file, left)| async move {
        let size = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES);
        if size == 0 {
            return Ok(None);
        }
        let mut piece = vec![0; size];
        let read = file.read(&mut piece).await?;
        if read == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
        }
        piece.truncate(read);
        Ok(Some((Bytes::from(piece), (file, left - read as u64))))
    }))
}

fn is_unchanged(large: &Large, request: &HeaderMap) -> bool {
    if let Some(known) = request.get(header::IF_NONE_MATCH) {
        let known = known.to_str().unwrap_or_default().split(',').map(|tag| tag.trim().trim_start_matches("W/"));
        return known.into_iter().any(|tag| tag == "*" || large.tag.get().is_some_and(|own| own == tag));
    }
    let since = request.get(header::IF_MODIFIED_SINCE).and_then(parse_date);
    since.is_some_and(|since| large.changed.secs() <= since.secs())
}

/// One range is served; of several, and of what cannot be read, the whole file, as the standard allows.
fn wanted(large: &Large, request: &HeaderMap) -> Wanted {
    let Some(range) = request.get(header::RANGE).and_then(|range| range.to_str().ok()?.trim().strip_prefix("bytes=")) else {
        return Wanted::All;
    };
    let same = |known: &HeaderValue| match large.tag.get() {
        Some(tag) if known.as_bytes() == tag.as_bytes() => true,
        _ => parse_date(known).is_some_and(|at| at.secs() == large.changed.secs()),
    };
    if request.get(header::IF_RANGE).is_some_and(|known| !same(known)) {
        return Wanted::All;
    }
    let Some((first, last)) = range.split_once('-').filter(|_| !range.contains(',')) else { return Wanted::All };
    let part = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(large.length),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..large.length,
        (Err(_), Ok(last)) if first.trim().is_empty() => large.length.saturating_sub(last)..large.length,
        _ => return Wanted::All,
    };
    if part.start < part.end { Wanted::Part(part) } else { Wanted::Nothing }
}

fn gone() -> Response {
    (StatusCode::NOT_FOUND, "there is no such file here\n").into_response()
}
