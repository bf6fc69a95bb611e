//! Limits: slow clients, many clients, large requests, and the end.

use std::time::{Duration, Instant};

use postrider::config::Config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::http::{Reply, Served, exchange, until};

/// A hub is the one place that reads a body.
const HUB: &str = "[[feed]]\nid = \"main\"\nhub = \"self\"\n";
const FORM: &str = "POST /hub HTTP/1.1\r\nHost: test\r\nContent-Type: application/x-www-form-urlencoded\r\n";

fn hasty(config: &mut Config) {
    config.web.head_within = Duration::from_millis(300);
    config.web.request_within = Duration::from_millis(300);
    config.web.stalled_within = Duration::from_millis(300);
}

/// Reads until the other side hangs up.
async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(15), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the service was expected to hang up");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_slow_with_its_request_is_hung_up_on() {
    let served = Served::with(HUB, hasty).await;
    for head in ["", "GET /rss.xml HTT", "GET /rss.xml HTTP/1.1\r\nHost: te"] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = rest(stream).await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    }
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(format!("{FORM}Content-Length: 100\r\n\r\nhub.mode=").as_bytes()).await.unwrap();
    let reply = Reply::parse(&rest(stream).await).expect("an answer");
    assert_eq!(reply.status, 408, "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_of_its_answer_is_hung_up_on() {
    let served = Served::with("", |config| {
        hasty(config);
        config.web.connections = 1;
    })
    .await;
    let folder = served.dir.path().join("content/film");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("film.mp4"), vec![7; 40_000_000]).unwrap();
    std::fs::write(folder.join("index.md"), "+++\ntitle = \"Film\"\n+++\n[Film](film.mp4)\n").unwrap();
    until("the film is there", async || (served.get("/film/", &[]).await.status == 200).then_some(())).await;
    let greedy = until("the film begins", async || {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(b"GET /film/film.mp4 HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.ok()?;
        (&head == b"HTTP/1.1 200").then_some(stream)
    })
    .await;
    assert_eq!(served.get("/healthz", &[]).await.status, 503, "the only place is taken");
    // It has the only place; when it has lost it, others are served again.
    until("the place is free again", async || (served.get("/healthz", &[]).await.status == 200).then_some(())).await;
    drop(greedy);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_too_many_is_told_to_come_back() {
    let served = Served::with("", |config| config.web.connections = 2).await;
    let (one, two) = (TcpStream::connect(served.address).await.unwrap(), TcpStream::connect(served.address).await.unwrap());
    let refused = until("the third is refused", async || {
        let reply = served.get("/rss.xml", &[]).await;
        (reply.status == 503).then_some(reply)
    })
    .await;
    assert!(!refused.header("retry-after").is_empty() && refused.text().contains("too many connections"), "{refused:?}");
    drop((one, two));
    until("there is room again", async || (served.get("/rss.xml", &[]).await.status == 200).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_too_large_is_refused() {
    let served = Served::new(HUB).await;
    let status = async |request: String| Reply::parse(&exchange(served.address, request.as_bytes()).await).map(|reply| reply.status);
    let long = "x".repeat(20_000);
    assert_eq!(status(format!("GET /rss.xml HTTP/1.1\r\nHost: test\r\nX-Long: {long}\r\n\r\n")).await, Some(431));
    let many: String = (0..150).map(|i| format!("X-{i}: y\r\n")).collect();
    assert_eq!(status(format!("GET /rss.xml HTTP/1.1\r\nHost: test\r\n{many}\r\n")).await, Some(431));
    let body = "y".repeat(70_000);
    let declared = format!("{FORM}Connection: close\r\nContent-Length: 70000\r\n\r\n{body}");
    assert_eq!(status(declared).await, Some(413));
    let chunked = format!("{FORM}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n{body}\r\n0\r\n\r\n");
    assert_eq!(status(chunked).await, Some(413));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_says_that_it_lives_and_whether_it_is_ready() {
    let served = Served::new("").await;
    let (alive, ready) = (served.get("/healthz", &[]).await, served.get("/readyz", &[]).await);
    assert_eq!((alive.status, alive.text().as_str(), ready.status, ready.text().as_str()), (200, "ok\n", 200, "ready\n"));
    assert_eq!(ready.header("cache-control"), "no-store");
    served.app.store.close().await;
    let (alive, ready) = (served.get("/healthz", &[]).await, served.get("/readyz", &[]).await);
    assert_eq!((alive.status, ready.status), (200, 503), "it lives, and is of no use");
    assert!(ready.text().contains("the store does not answer"), "{ready:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_open_requests_are_finished_and_new_ones_told() {
    let served = Served::new(HUB).await;
    let mut open = TcpStream::connect(served.address).await.unwrap();
    open.write_all(format!("{FORM}Content-Length: 10\r\n\r\nhub.").as_bytes()).await.unwrap();
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    idle.write_all(b"GET /readyz HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    served.begin_to_stop();
    rest(idle).await;
    let refused = until("new requests are refused", async || {
        let reply = served.get("/readyz", &[]).await;
        (reply.status == 503).then_some(reply)
    })
    .await;
    assert!(refused.text().contains("draining"), "{refused:?}");
    open.write_all(b"mode=x").await.unwrap();
    let reply = Reply::parse(&rest(open).await).expect("the open request is answered");
    assert_eq!((reply.status, reply.header("connection")), (400, "close"), "{reply:?}");
    served.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_waits_for_nobody_for_ever() {
    let served = Served::with(HUB, |config| config.web.drained_within = Duration::from_millis(300)).await;
    let mut open = TcpStream::connect(served.address).await.unwrap();
    open.write_all(format!("{FORM}Content-Length: 10\r\n\r\nhub.").as_bytes()).await.unwrap();
    assert_eq!(served.get("/healthz", &[]).await.status, 200);
    let start = Instant::now();
    served.ended().await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
