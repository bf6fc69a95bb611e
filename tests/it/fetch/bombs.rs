//! Bodies made to use us up: they are refused early, and cost little memory.

use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use postrider::fetch::{BODY_BYTES_MAX, FetchError, HeaderMap, Message, Method};
use url::Url;

use super::free;
use crate::support::web::{Answer, Web};

/// What the bombs unpack to.
const BOMB_BYTES: usize = 200 * 1024 * 1024;
/// More than this in addition is too much for one body.
const MEMORY_KIB_MAX: u64 = 64 * 1024;
/// Tells this test's own program that it is the one that fetches.
const CHILD: &str = "POSTRIDER_TEST_BOMB";

/// `size_bytes` zeros, piece by piece into `encoder`.
fn zeros(mut encoder: impl std::io::Write, size_bytes: usize) {
    let piece = vec![0; 64 * 1024];
    for start in (0..size_bytes).step_by(piece.len()) {
        encoder.write_all(&piece[..piece.len().min(size_bytes - start)]).unwrap();
    }
}

fn gzip(size_bytes: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    zeros(&mut encoder, size_bytes);
    encoder.finish().unwrap()
}

fn deflate(size_bytes: usize) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    zeros(&mut encoder, size_bytes);
    encoder.finish().unwrap()
}

/// With a window of two to the `window`; those above 24 are an extension that asks the reader for up to a gigabyte.
fn brotli(size_bytes: usize, window: i32) -> Vec<u8> {
    let params = BrotliEncoderParams { quality: 3, lgwin: window, large_window: window > 24, ..BrotliEncoderParams::default() };
    let mut packed = Vec::new();
    let mut encoder = brotli::CompressorWriter::with_params(&mut packed, 64 * 1024, &params);
    zeros(&mut encoder, size_bytes);
    drop(encoder);
    packed
}

fn zstd(size_bytes: usize) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    zeros(&mut encoder, size_bytes);
    encoder.finish().unwrap()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn packed(encoding: &str, body: Vec<u8>) -> Answer {
    Answer::ok(body).header("Content-Encoding", encoding)
}

/// Memory this process has and had at most, in KiB.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// In a process of its own, because memory is counted by process and other tests run beside this one.
#[tokio::test]
async fn a_bomb_is_refused_without_using_up_memory() {
    if let Ok(url) = std::env::var(CHILD) {
        let (fetch, url) = (free(), Url::parse(&url).unwrap());
        // What a first request brings up (TLS roots, threads) is not the bomb's.
        fetch.get(&url.join("/small").unwrap()).await.unwrap();
        let (before, start) = (memory("VmRSS"), Instant::now());
        let refused = fetch.get(&url).await.map(|answer| answer.body.len());
        println!("CHILD {} {} {refused:?}", memory("VmHWM").saturating_sub(before), start.elapsed().as_millis());
        return;
    }
    let (gz, br, large) = (gzip(BOMB_BYTES), brotli(BOMB_BYTES, 22), brotli(BOMB_BYTES, 30));
    let (raw_deflate, zst, doubly) = (deflate(BOMB_BYTES), zstd(BOMB_BYTES), gzipped(&gz));
    let web = Web::start(move |hit| match hit.path.as_str() {
        "/gzip" => packed("gzip", gz.clone()),
        "/br" => packed("br", br.clone()),
        "/br-large-window" => packed("br", large.clone()),
        "/deflate" => packed("deflate", raw_deflate.clone()),
        "/zstd" => packed("zstd", zst.clone()),
        "/doubly" => packed("gzip, gzip", doubly.clone()),
        "/doubly-in-two-headers" => packed("gzip", doubly.clone()).header("Content-Encoding", "gzip"),
        "/endless" => Answer::ok(vec![b'x'; 64 * 1024]).endless(),
        "/endless-head" => Answer::raw("HTTP/1.1 200 OK\r\n", "X-Tide: high\r\n".repeat(100)).endless(),
        "/long-header" => Answer::raw("HTTP/1.1 200 OK\r\nX-Tide: ", "high ".repeat(10_000)).endless(),
        _ => Answer::ok("small"),
    })
    .await;
    for (path, expected) in [
        ("/gzip", "Err(TooLarge)"),
        ("/br", "Err(Encoding(\"br\"))"),
        ("/br-large-window", "Err(Encoding(\"br\"))"),
        ("/deflate", "Err(Encoding(\"deflate\"))"),
        ("/zstd", "Err(Encoding(\"zstd\"))"),
        ("/doubly", "Err(Encoding(\"gzip, gzip\"))"),
        // Unpacked once: what is in it then is no feed, and small.
        ("/doubly-in-two-headers", "Ok("),
        ("/endless", "Err(TooLarge)"),
        ("/endless-head", "Err(Connection("),
        ("/long-header", "Err(Connection("),
    ] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args(["--exact", "fetch::bombs::a_bomb_is_refused_without_using_up_memory", "--nocapture"])
            .env(CHILD, web.url(path).as_str());
        let out = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        let line = said.split_once("CHILD ").unwrap_or_else(|| panic!("{path}: {said}{}", String::from_utf8_lossy(&out.stderr))).1;
        let mut words = line.lines().next().unwrap().splitn(3, ' ');
        let (kib, millis, refused): (u64, &str, &str) =
            (words.next().unwrap().parse().unwrap(), words.next().unwrap(), words.next().unwrap());
        println!("{path}: {kib} KiB more, {millis} ms, {refused}");
        assert!(refused.starts_with(expected), "{path}: {expected} was expected, not {refused}");
        assert!(kib <= MEMORY_KIB_MAX, "{path} cost {kib} KiB of memory, and at most {MEMORY_KIB_MAX} were expected");
    }
}

#[tokio::test]
async fn a_body_of_the_very_limit_fits_and_one_byte_more_does_not() {
    let web = Web::start(|hit| {
        let (encoding, size) = hit.path[1..].split_once('/').unwrap();
        let size = size.parse().unwrap();
        match encoding {
            "gzip" => packed("gzip", gzip(size)),
            "unsaid" => Answer::ok(vec![0; size]).closing(),
            _ => Answer::ok(vec![0; size]),
        }
    })
    .await;
    for encoding in ["plain", "unsaid", "gzip"] {
        let fits = free().get(&web.url(&format!("/{encoding}/{BODY_BYTES_MAX}"))).await.unwrap();
        assert_eq!(fits.body.len(), BODY_BYTES_MAX, "{encoding}");
        let refused = free().get(&web.url(&format!("/{encoding}/{}", BODY_BYTES_MAX + 1))).await;
        assert!(matches!(refused, Err(FetchError::TooLarge)), "{encoding}: {:?}", refused.map(|answer| answer.body.len()));
    }
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_waited_for() {
    let web = Web::start(|_| Answer::ok("x").header("Content-Length", "1000000000").then_silence()).await;
    let refused = tokio::time::timeout(Duration::from_secs(10), free().get(&web.url("/"))).await.expect("an answer at once");
    assert!(matches!(refused, Err(FetchError::TooLarge)), "{refused:?}");
}

#[tokio::test]
async fn what_is_packed_as_we_did_not_ask_is_refused_and_what_is_not_packed_is_taken_as_it_is() {
    let web = Web::start(|hit| packed(&hit.path[1..].replace('+', ", "), b"tide".to_vec())).await;
    for encoding in ["br", "deflate", "zstd", "compress", "GZIP", "x-gzip", "gzip+gzip", "br+gzip", "identity+gzip"] {
        let refused = free().get(&web.url(&format!("/{encoding}"))).await;
        assert!(matches!(refused, Err(FetchError::Encoding(_))), "{encoding}: {refused:?}");
    }
    for nothing in ["identity", "utf-8", "none", ""] {
        assert_eq!(free().get(&web.url(&format!("/{nothing}"))).await.unwrap().body, b"tide", "{nothing:?} packs nothing");
    }
    let web = Web::start(|_| Answer::status(304).header("Content-Encoding", "zstd")).await;
    assert_eq!(free().get(&web.url("/")).await.unwrap().status, 304, "an answer without a body has nothing to unpack");
}

#[tokio::test]
async fn whoever_is_told_something_may_answer_in_any_packing() {
    let web = Web::start(|_| packed("zstd", b"thanks".to_vec())).await;
    let message = Message { method: Method::POST, url: web.url("/"), headers: HeaderMap::new(), body: "tide".into() };
    assert_eq!(free().tell(message).await.unwrap().status, 200, "its status is all that counts");
}

#[tokio::test]
async fn a_packed_body_that_is_cut_off_is_broken_and_what_follows_one_is_left() {
    let web = Web::start(|hit| match hit.path.as_str() {
        "/cut" => packed("gzip", gzip(1_000)[..20].to_vec()),
        _ => packed("gzip", [gzip(1_000), b"more".to_vec()].concat()),
    })
    .await;
    let broken = free().get(&web.url("/cut")).await.map(|answer| answer.body.len());
    assert!(matches!(broken, Err(FetchError::Connection(_))), "{broken:?}");
    assert_eq!(free().get(&web.url("/more")).await.unwrap().body.len(), 1_000);
}
