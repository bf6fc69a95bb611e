//! Tests of the fetch room, through its door, against a listener on this machine.

use postrider::fetch::{BODY_BYTES_MAX, Fetch, FetchError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

/// A server that answers a path with the bytes `answer` gives for it. Gives its address.
async fn serve(answer: impl Fn(&str, &str) -> Vec<u8> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let own = base.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 8192];
            let read = stream.read(&mut request).await.unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
            // The client may hang up in the middle of a body it refuses.
            let _ = stream.write_all(&answer(&path, &format!("{own}\n{request}"))).await;
            let _ = stream.shutdown().await;
        }
    });
    base
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn redirect(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

/// A gzip body of `size_bytes` zeros: one literal, then copies of 258 bytes, each 13 bits.
fn bomb(size_bytes: usize) -> Vec<u8> {
    // Final block, fixed codes, the literal 0 (code 00110000).
    let mut bits: Vec<u8> = vec![1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0];
    for _ in 0..size_bytes.div_ceil(258) {
        bits.extend([1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
    }
    bits.extend([0; 7]);
    let packed = bits.chunks(8).map(|byte| byte.iter().enumerate().fold(0, |sum, (i, bit)| sum | bit << i));
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255].into_iter().chain(packed).collect()
}

#[tokio::test]
async fn a_page_comes_back_with_status_headers_and_body_and_we_say_who_we_are() {
    let base =
        serve(|_, request| format!("HTTP/1.1 404 Gone fishing\r\nX-Tide: high\r\nConnection: close\r\n\r\n{request}").into_bytes()).await;
    let fetch = Fetch::new(Some("https://harbour.example.com/"), true).unwrap();
    let answer = fetch.get(&url(&format!("{base}/feed.xml"))).await.unwrap();
    assert_eq!(answer.status, 404);
    assert_eq!(answer.headers["x-tide"], "high");
    let request = String::from_utf8(answer.body).unwrap().to_lowercase();
    let agent = format!("user-agent: postrider/{} (+https://harbour.example.com/)", env!("CARGO_PKG_VERSION"));
    assert!(request.contains(&agent), "the request names us: {request}");
    for unwanted in ["cookie:", "referer:"] {
        assert!(!request.contains(unwanted), "{unwanted} has no place in {request}");
    }
}

#[tokio::test]
async fn redirects_are_followed_five_times_and_not_six() {
    let base = serve(|path, _| match path.trim_start_matches('/').parse::<u32>().unwrap_or(0) {
        0 => b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhome".to_vec(),
        left => redirect(&format!("/{}", left - 1)),
    })
    .await;
    let fetch = Fetch::new(None, true).unwrap();
    let answer = fetch.get(&url(&format!("{base}/5"))).await.unwrap();
    assert_eq!((answer.body.as_slice(), answer.url.path()), (b"home".as_slice(), "/0"));
    let refused = fetch.get(&url(&format!("{base}/6"))).await;
    assert!(matches!(refused, Err(FetchError::Redirects)), "{refused:?}");
}

#[tokio::test]
async fn redirects_out_of_the_web_are_refused() {
    for target in ["file:///etc/passwd", "ftp://example.com/", "gopher://127.0.0.1:25/", "http://user:pass@example.com/"] {
        let base = serve(move |_, _| redirect(target)).await;
        let refused = Fetch::new(None, true).unwrap().get(&url(&base)).await;
        assert!(matches!(refused, Err(FetchError::Address(_))), "{target}: {refused:?}");
    }
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_plain_and_unpacked() {
    let base = serve(|path, _| {
        let (encoding, body) = match path {
            "/fits" => ("Content-Encoding: gzip\r\n", bomb(BODY_BYTES_MAX / 2)),
            "/bomb" => ("Content-Encoding: gzip\r\n", bomb(BODY_BYTES_MAX + 1)),
            _ => ("", vec![b'x'; BODY_BYTES_MAX + 1]),
        };
        let head = format!("HTTP/1.1 200 OK\r\n{encoding}Connection: close\r\n\r\n");
        [head.into_bytes(), body].concat()
    })
    .await;
    let fetch = Fetch::new(None, true).unwrap();
    let fits = fetch.get(&url(&format!("{base}/fits"))).await;
    assert!(!matches!(fits, Err(FetchError::TooLarge)), "half the limit fits");
    for path in ["/bomb", "/plain"] {
        let refused = fetch.get(&url(&format!("{base}{path}"))).await;
        assert!(
            matches!(refused, Err(FetchError::TooLarge)),
            "{path} is too large, and gave {:?}",
            refused.map(|answer| answer.body.len())
        );
    }
}

#[tokio::test]
async fn private_addresses_are_refused_in_every_notation() {
    let fetch = Fetch::new(None, false).unwrap();
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.127.255.255",
        "192.0.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.1.1.1",
        "255.255.255.255",
        "240.0.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "[::127.0.0.1]",
        "[fc00::1]",
        "[fd12:3456::1]",
        "[fe80::1]",
        "[ff02::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[fec0::1]",
        "[100::1]",
        "localhost",
        "sub.localhost",
    ];
    for host in hosts {
        let refused = fetch.get(&url(&format!("http://{host}:9/"))).await;
        // A resolver that knows no such name is as good as a refusal.
        let unknown = host == "sub.localhost" && matches!(&refused, Err(FetchError::Connection(_)));
        assert!(unknown || matches!(refused, Err(FetchError::Private(_))), "{host}: {refused:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_reached_says_why() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = Fetch::new(None, true).unwrap().get(&url(&format!("http://{address}/?token=canary"))).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot connect: "), "{error}");
    assert!(!error.contains("canary"), "an address may hold a secret: {error}");
}
