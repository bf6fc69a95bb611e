//! Feeds as feed readers love them.

use std::collections::BTreeSet;
use std::io::Read as _;

use crate::support::http::{Reply, Served, ask};

const FORMATS: [(&str, &str); 3] = [
    ("/rss.xml", "application/rss+xml; charset=utf-8"),
    ("/atom.xml", "application/atom+xml; charset=utf-8"),
    ("/feed.json", "application/feed+json; charset=utf-8"),
];

fn unpacked(reply: &Reply) -> Vec<u8> {
    let mut out = Vec::new();
    match reply.header("content-encoding") {
        "" => out = reply.body.clone(),
        "gzip" => drop(flate2::read::GzDecoder::new(&reply.body[..]).read_to_end(&mut out).unwrap()),
        "br" => drop(brotli::Decompressor::new(&reply.body[..], 4096).read_to_end(&mut out).unwrap()),
        "zstd" => out = zstd::stream::decode_all(&reply.body[..]).unwrap(),
        other => panic!("nobody asked for {other}"),
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn every_encoding_of_a_feed_has_a_strong_etag_of_its_own_and_an_empty_304() {
    let served = Served::new("[[feed]]\nid = \"main\"\nhub = \"https://hub.example.com/\"\n").await;
    served.packed().await;
    for (path, content_type) in FORMATS {
        let plain = served.get(path, &[]).await;
        assert_eq!((plain.status, plain.header("content-type"), plain.header("content-encoding")), (200, content_type, ""));
        let mut tags = BTreeSet::new();
        for encoding in ["identity", "gzip", "br", "zstd"] {
            let reply = served.get(path, &[("Accept-Encoding", encoding)]).await;
            assert_eq!(reply.header("content-encoding"), if encoding == "identity" { "" } else { encoding });
            assert_eq!(unpacked(&reply), plain.body, "{path} as {encoding} is the same feed");
            assert!(encoding == "identity" || reply.body.len() * 2 < plain.body.len(), "{encoding} makes {path} smaller");
            let tag = reply.header("etag").to_owned();
            assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() >= 34, "{tag} is strong and long");
            assert!(tags.insert(tag.clone()), "two encodings of {path} have the tag {tag}");
            assert_eq!(reply.header("vary"), "Accept-Encoding");
            assert!(reply.header("cache-control").starts_with("public, max-age=300, stale-while-revalidate="), "{reply:?}");
            assert_eq!(reply.header("last-modified"), "Mon, 02 Nov 2026 09:00:00 GMT", "the newest article's date, not a build's");
            assert_eq!(reply.header("access-control-allow-origin"), "*");
            assert_eq!(reply.header("x-content-type-options"), "nosniff");
            let own = format!("<https://hub.example.com/>; rel=\"hub\", <https://letter.example.com{path}>; rel=\"self\"");
            assert_eq!(reply.header("link"), own);
            let head = ask(served.address, "HEAD", path, &[("Accept-Encoding", encoding)], "").await;
            assert_eq!((head.status, head.body.len()), (200, 0));
            let (mut asked, mut told) = (reply.headers.clone(), head.headers.clone());
            asked.remove("date");
            told.remove("date");
            assert_eq!(told, asked, "HEAD says what GET says, the length too");
            let again = served.get(path, &[("Accept-Encoding", encoding), ("If-None-Match", &tag)]).await;
            assert_eq!((again.status, again.body.len()), (304, 0), "{path} as {encoding}");
            for kept in ["etag", "cache-control", "vary", "last-modified", "access-control-allow-origin"] {
                assert_eq!(again.header(kept), reply.header(kept), "304 has {kept}");
            }
            assert_eq!((again.header("content-type"), again.header("content-encoding")), ("", ""));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_of_accept_encoding_are_honoured() {
    let served = Served::new("").await;
    served.packed().await;
    let encoding = async |accepted: &str| {
        let reply = served.get("/rss.xml", &[("Accept-Encoding", accepted)]).await;
        if reply.status == 406 { "406".to_owned() } else { reply.header("content-encoding").to_owned() }
    };
    for (accepted, expected) in [
        ("", ""),
        ("identity", ""),
        ("deflate", ""),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip;q=0", ""),
        ("br;q=0.1, gzip", "gzip"),
        ("gzip;q=0.1, br;q=0.2, zstd;q=0.15", "br"),
        ("gzip, identity;q=0.5", "gzip"),
        ("gzip;q=0.2, identity;q=0.5", ""),
        ("gzip; q=0.5 , *;q=0", "gzip"),
        ("zstd, br;q=0, gzip;q=0", "zstd"),
        ("identity;q=0, gzip;q=0.001", "gzip"),
        ("*;q=0", "406"),
        ("identity;q=0", "406"),
        ("gzip;q=nonsense", ""),
    ] {
        assert_eq!(encoding(accepted).await, expected, "Accept-Encoding: {accepted}");
    }
    assert!(["br", "zstd", "gzip"].contains(&encoding("*").await.as_str()), "a star takes anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn validators_are_the_same_after_a_restart() {
    let served = Served::new("").await;
    let before = served.get("/atom.xml", &[]).await;
    let served = Served::open(served.ended().await, |_| ()).await;
    let after = served.get("/atom.xml", &[]).await;
    assert_eq!((after.header("etag"), after.header("last-modified")), (before.header("etag"), before.header("last-modified")));
    // A reader that has the brotli form is not sent the plain one because that is all there is in the first moment.
    let brotli = before.header("etag").replace("\"", "").to_owned() + "-br";
    let reply = served.get("/atom.xml", &[("Accept-Encoding", "br"), ("If-None-Match", &format!("\"{brotli}\""))]).await;
    assert_eq!((reply.status, reply.header("etag")), (304, format!("\"{brotli}\"").as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn if_none_match_wins_over_if_modified_since() {
    let served = Served::new("").await;
    let tag = served.get("/rss.xml", &[]).await.header("etag").to_owned();
    let (other, weak, many) = ("\"0123\"", format!("W/{tag}"), format!("\"a\", W/\"b\" , {tag}"));
    let (exact, before, after) = ("Mon, 02 Nov 2026 09:00:00 GMT", "Mon, 02 Nov 2026 08:59:59 GMT", "Tue, 03 Nov 2026 00:00:00 GMT");
    let (rfc850, asctime) = ("Monday, 02-Nov-26 09:00:00 GMT", "Mon Nov  2 09:00:00 2026");
    for (known, since, expected) in [
        (Some(other), Some(after), 200),
        (Some(tag.as_str()), Some(before), 304),
        (Some(weak.as_str()), None, 304),
        (Some(many.as_str()), None, 304),
        (Some("*"), None, 304),
        (Some(""), Some(after), 200),
        (None, Some(exact), 304),
        (None, Some(after), 304),
        (None, Some(before), 200),
        (None, Some(rfc850), 304),
        (None, Some(asctime), 304),
        (None, Some("yesterday"), 200),
        (None, None, 200),
    ] {
        let headers: Vec<(&str, &str)> =
            known.map(|known| ("If-None-Match", known)).into_iter().chain(since.map(|since| ("If-Modified-Since", since))).collect();
        assert_eq!(served.get("/rss.xml", &headers).await.status, expected, "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_polls_100_times_gets_99_times_304() {
    let served = Served::new("").await;
    let mut tag = String::new();
    let mut unchanged = 0;
    for _ in 0..100 {
        let reply = served.get("/rss.xml", &[("If-None-Match", &tag), ("Accept-Encoding", "gzip")]).await;
        tag = reply.header("etag").to_owned();
        unchanged += usize::from(reply.status == 304);
    }
    assert_eq!(unchanged, 99);
}

/// The titles of a feed's entries.
fn titles(path: &str, body: &[u8]) -> Vec<String> {
    if path.ends_with("json") {
        let feed: serde_json::Value = serde_json::from_slice(body).unwrap();
        return feed["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap().to_owned()).collect();
    }
    let feed = feed_rs::parser::parse(body).unwrap_or_else(|error| panic!("{path}: {error}\n{}", String::from_utf8_lossy(body)));
    feed.entries.into_iter().map(|entry| entry.title.unwrap().content).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_asks_with_a_im_gets_226_with_only_what_changed() {
    let served = Served::new("").await;
    let mut tags = Vec::new();
    for (path, _) in FORMATS {
        tags.push(served.get(path, &[]).await.header("etag").to_owned());
    }
    served.article("boats", "On boats", "2026-11-03", "They float. `<item>` is code.");
    let current = served.changed("/feed.json", &tags[2]).await;
    assert_eq!(titles("/feed.json", &current.body), ["On boats", "On ropes", "On tides"]);
    for ((path, content_type), tag) in FORMATS.into_iter().zip(&tags) {
        let full = served.get(path, &[("If-None-Match", tag)]).await;
        assert_eq!((full.status, full.header("im")), (200, ""), "who does not ask for a delta gets none");
        let delta = served.get(path, &[("If-None-Match", tag), ("A-IM", "vcdiff, feed"), ("Accept-Encoding", "gzip")]).await;
        assert_eq!((delta.status, delta.header("im"), delta.header("delta-base")), (226, "feed", tag.as_str()), "{path}");
        assert_eq!((delta.header("content-type"), delta.header("etag")), (content_type, full.header("etag")));
        assert!(delta.header("cache-control").contains("no-store"), "no cache gives it to another");
        assert_eq!(titles(path, &delta.body), ["On boats"], "{path}");
        for (asked, known) in
            [("feed;q=0", tag.as_str()), ("vcdiff", tag.as_str()), ("feed", "\"0123456789abcdef0123456789abcdef\""), ("feed", "*")]
        {
            let reply = served.get(path, &[("If-None-Match", known), ("A-IM", asked)]).await;
            assert_eq!(reply.status, if known == "*" { 304 } else { 200 }, "A-IM: {asked} with {known}");
        }
        assert_eq!(served.get(path, &[("If-None-Match", full.header("etag")), ("A-IM", "feed")]).await.status, 304);
    }
    // A changed article is new, too; a reader two versions behind gets both.
    let middle = current.header("etag").to_owned();
    served.article("ropes", "On new ropes", "2026-11-02", "They hold.");
    served.changed("/feed.json", &middle).await;
    let near = served.get("/feed.json", &[("If-None-Match", &middle), ("A-IM", "feed")]).await;
    assert_eq!(titles("/feed.json", &near.body), ["On new ropes"]);
    let far = served.get("/feed.json", &[("If-None-Match", &tags[2]), ("A-IM", "feed")]).await;
    assert_eq!((far.status, titles("/feed.json", &far.body)), (226, vec!["On boats".to_owned(), "On new ropes".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_feed_leads_on_and_one_that_ended_says_so() {
    let feeds = r#"[[feed]]
id = "harbour"
was = ["main", "port"]
formats = ["atom", "json"]
[[feed]]
id = "boats"
gone = true
"#;
    let served = Served::new(feeds).await;
    for (old, new) in [
        ("/feeds/port/atom.xml", "/feeds/harbour/atom.xml"),
        ("/feeds/port/feed.json", "/feeds/harbour/feed.json"),
        ("/feeds/main/atom.xml", "/feeds/harbour/atom.xml"),
        ("/atom.xml", "/feeds/harbour/atom.xml"),
        ("/rss.xml", "/feeds/harbour/atom.xml"),
    ] {
        let reply = served.get(old, &[]).await;
        assert_eq!((reply.status, reply.header("location")), (301, new), "{old}");
    }
    assert_eq!(served.get("/feeds/harbour/atom.xml", &[]).await.status, 200);
    for path in ["/feeds/boats/rss.xml", "/feeds/boats/feed.json", "/feeds/boats/archive/1/atom.xml"] {
        let reply = served.get(path, &[]).await;
        assert!(reply.status == 410 && reply.text().contains("has ended"), "{path}: {reply:?}");
    }
    assert_eq!(served.get("/feeds/nobody/rss.xml", &[]).await.status, 404);
}
