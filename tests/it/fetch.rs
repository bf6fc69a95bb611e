//! Tests of the fetch room, through its door, against a server on this machine.

mod bombs;
mod guard;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use postrider::fetch::{Fetch, FetchError, HeaderMap, HeaderValue, Lookup, Rules};
use tokio::net::TcpListener;
use url::Url;

use crate::support::web::{Answer, Web};

fn url(text: &str) -> Url {
    Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// One that may go anywhere.
fn free() -> Fetch {
    Fetch::new(Some("https://harbour.example.com/"), true).unwrap()
}

#[tokio::test]
async fn a_page_comes_back_with_status_headers_and_body_and_we_say_who_we_are() {
    let web = Web::start(|_| Answer::status(404).header("X-Tide", "high")).await;
    let answer = free().get(&web.url("/feed.xml")).await.unwrap();
    assert_eq!((answer.status, answer.headers["x-tide"].to_str().unwrap()), (404, "high"));
    let agent = format!("postrider/{} (+https://harbour.example.com/)", env!("CARGO_PKG_VERSION"));
    assert_eq!(web.hits()[0].header("user-agent"), agent);
}

#[tokio::test]
async fn we_ask_for_gzip_and_for_no_other_encoding() {
    let web = Web::start(|_| Answer::ok("tide")).await;
    free().get(&web.url("/")).await.unwrap();
    assert_eq!(web.hits()[0].header("accept-encoding"), "gzip");
}

#[tokio::test]
async fn cookies_are_never_sent_back_and_nobody_hears_where_we_come_from() {
    let web = Web::start(|hit| match hit.path.as_str() {
        "/old" => Answer::to(302, "/new").header("Set-Cookie", "visitor=1; Path=/"),
        _ => Answer::ok("tide").header("Set-Cookie", "visitor=2; Path=/"),
    })
    .await;
    let fetch = free();
    for path in ["/old", "/new"] {
        fetch.get(&web.url(path)).await.unwrap();
    }
    assert_eq!(web.hits().len(), 3, "two requests, one of them redirected");
    for hit in web.hits() {
        for unwanted in ["cookie", "referer", "authorization", "origin"] {
            assert_eq!(hit.header(unwanted), "", "{unwanted} has no place in a request for {}", hit.path);
        }
    }
}

#[tokio::test]
async fn redirects_are_followed_five_times_and_not_six() {
    let web = Web::start(|hit| match hit.path.trim_start_matches('/').parse::<u32>().unwrap_or(0) {
        0 => Answer::ok("home"),
        left => Answer::to(302, format!("/{}", left - 1)),
    })
    .await;
    let answer = free().get(&web.url("/5")).await.unwrap();
    assert_eq!((answer.body.as_slice(), answer.url.path()), (b"home".as_slice(), "/0"));
    let refused = free().get(&web.url("/6")).await;
    assert!(matches!(refused, Err(FetchError::Redirects)), "{refused:?}");
}

#[tokio::test]
async fn a_circle_of_redirects_ends_after_five() {
    let web = Web::start(|hit| Answer::to(301, if hit.path == "/here" { "/there" } else { "/here" })).await;
    let refused = free().get(&web.url("/here")).await;
    assert!(matches!(refused, Err(FetchError::Redirects)), "{refused:?}");
    assert_eq!(web.hits().len(), 6, "the first request and five redirects");
}

#[tokio::test]
async fn a_redirect_may_lead_to_what_we_have_already() {
    let web = Web::start(|hit| match hit.path.as_str() {
        "/old" => Answer::to(302, "/new"),
        _ => Answer::cached(hit, Some("\"high\""), None, "tide"),
    })
    .await;
    let validators = HeaderMap::from_iter([("if-none-match".parse().unwrap(), HeaderValue::from_static("\"high\""))]);
    let answer = free().get_if(&web.url("/old"), validators).await.unwrap();
    assert_eq!((answer.status, answer.url.path(), answer.body.len(), answer.moved), (304, "/new", 0, None));
}

#[tokio::test]
async fn only_a_chain_of_permanent_redirects_from_its_beginning_says_that_an_address_has_moved() {
    let web = Web::start(|hit| match hit.path.as_str() {
        "/for-good" => Answer::to(301, "/for-good-too"),
        "/for-good-too" => Answer::to(308, "/home"),
        "/half" => Answer::to(301, "/for-now"),
        "/for-now" => Answer::to(307, "/home"),
        "/for-now-first" => Answer::to(302, "/for-good"),
        _ => Answer::ok("home"),
    })
    .await;
    for (from, moved) in [("/for-good", Some("/home")), ("/half", Some("/for-now")), ("/for-now-first", None), ("/home", None)] {
        let answer = free().get(&web.url(from)).await.unwrap();
        assert_eq!(answer.url.path(), "/home", "{from}");
        assert_eq!(answer.moved.as_ref().map(Url::path), moved, "{from}");
    }
}

#[tokio::test]
async fn a_redirect_in_the_letters_of_another_language_is_followed() {
    let web = Web::start(|hit| match hit.path.as_str() {
        "/" => Answer::to(302, "/gezeiten-für-anfänger"),
        path => Answer::ok(path),
    })
    .await;
    let answer = free().get(&web.url("/")).await.unwrap();
    assert_eq!(answer.url.path(), "/gezeiten-f%C3%BCr-anf%C3%A4nger");
}

#[tokio::test]
async fn a_slow_answer_ends_at_the_time_limit() {
    let web = Web::start(|hit| match hit.path.as_str() {
        "/never" => Answer::ok("tide").after(Duration::from_secs(3_600)),
        "/drip" => Answer::ok("tide".repeat(1_000)).drip(Duration::from_millis(20)),
        "/stuck" => Answer::ok("half of it").header("Content-Length", "20").then_silence(),
        "/continue" => Answer::raw("", "HTTP/1.1 100 Continue\r\n\r\n").drip(Duration::from_millis(1)).endless(),
        "/redirect" => Answer::to(302, "/redirect").after(Duration::from_millis(120)),
        _ => Answer::ok("tide"),
    })
    .await;
    let time_max = Duration::from_millis(300);
    let rules = Rules { allowed: vec!["127.0.0.0/8".parse().unwrap()], time_max, ..Rules::default() };
    let fetch = Fetch::with(None, rules).unwrap();
    for path in ["/never", "/drip", "/stuck", "/continue", "/redirect"] {
        let late = fetch.get(&web.url(path)).await;
        assert!(matches!(late, Err(FetchError::Timeout(limit)) if limit == time_max), "{path}: {late:?}");
    }
    assert_eq!(fetch.get(&web.url("/")).await.unwrap().body, b"tide", "the next request is none the slower");
    assert_eq!(FetchError::Timeout(Duration::from_secs(20)).to_string(), "no complete answer within 20s");
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_it_says_is_refused() {
    let web = Web::start(|_| Answer::ok("half of it").header("Content-Length", "20")).await;
    let broken = free().get(&web.url("/")).await;
    assert!(matches!(&broken, Err(FetchError::Connection(why)) if why.starts_with("the answer is broken")), "{broken:?}");
}

#[tokio::test]
async fn what_cannot_be_reached_says_why() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = free().get(&url(&format!("http://{address}/?token=canary"))).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot connect: "), "{error}");
    assert!(!error.contains("canary"), "an address may hold a secret: {error}");
}

/// One that finds every name on this machine.
fn with_names(time_max: Duration) -> Fetch {
    let lookup: Lookup = Arc::new(|_| Box::pin(async { Ok(vec!["127.0.0.1".parse().unwrap()]) }));
    let rules = Rules { allowed: vec!["127.0.0.0/8".parse().unwrap()], lookup, time_max };
    Fetch::with(None, rules).unwrap()
}

#[tokio::test]
async fn a_host_is_asked_for_one_thing_at_a_time_also_when_redirects_lead_there() {
    let web = Web::start(|hit| match hit.host.as_str() {
        "one.example.com" => Answer::to(302, hit.path.replace("/to/", "//two.example.com:") + "/"),
        _ => Answer::ok("tide").after(Duration::from_millis(30)),
    })
    .await;
    let (fetch, to) = (with_names(Duration::from_secs(20)), format!("/to/{}", web.address.port()));
    let urls = [("one.example.com", to.as_str()), ("two.example.com", "/"), ("one.example.com", &to), ("two.example.com", "/")];
    let urls = urls.map(|(host, path)| web.url_at(host, path));
    for answer in join_all(urls.iter().map(|url| fetch.get(url))).await {
        assert_eq!(answer.unwrap().body, b"tide");
    }
    assert_eq!(web.hits().len(), 6);
    assert!(web.hits().iter().all(|hit| !hit.is_crowded), "two requests at once: {:#?}", web.hits());
}

#[tokio::test]
async fn a_host_that_does_not_answer_keeps_nobody_else_waiting_and_the_next_has_its_whole_time() {
    let web = Web::start(|hit| match hit.host.as_str() {
        "slow.example.com" => Answer::ok("late").after(Duration::from_millis(if hit.path == "/first" { 3_600_000 } else { 200 })),
        _ => Answer::ok("at once"),
    })
    .await;
    let fetch = with_names(Duration::from_millis(400));
    let (slow, next, other) =
        (web.url_at("slow.example.com", "/first"), web.url_at("slow.example.com", "/"), web.url_at("fast.example.com", "/"));
    let first = tokio::spawn({
        let (fetch, slow) = (fetch.clone(), slow.clone());
        async move { fetch.get(&slow).await }
    });
    crate::support::http::until("the slow host is asked", async || (!web.hits().is_empty()).then_some(())).await;
    assert_eq!(fetch.get(&other).await.unwrap().body, b"at once");
    assert!(!first.is_finished(), "the other host was not waited for");
    assert_eq!(fetch.get(&next).await.unwrap().body, b"late", "waiting for the first request is not the host's slowness");
    assert!(matches!(first.await.unwrap(), Err(FetchError::Timeout(_))));
}
