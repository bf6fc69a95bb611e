//! A web server for tests of what we fetch: one closure answers for any number of hosts and paths, and everything it is asked is written down.
//!
//! It listens where it is told to, so that a test can tell an address that may be reached (127.0.0.2) from one that may not (127.0.0.1, a [`Canary`]).

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use postrider::model::{Clock, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use url::Url;

/// A request somebody made.
#[derive(Debug, Clone)]
pub struct Hit {
    pub method: String,
    /// As the client named it, without the port.
    pub host: String,
    /// With its query.
    pub path: String,
    /// Names in lower case; one that came twice has both values, with a comma.
    pub headers: BTreeMap<String, String>,
    /// By the test's clock.
    pub at: Timestamp,
    /// Another request to this host had no complete answer yet.
    pub is_crowded: bool,
    /// Which connection it came on.
    pub connection: usize,
}

impl Hit {
    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Whether it says what the client has already.
    pub fn is_conditional(&self) -> bool {
        self.headers.contains_key("if-none-match") || self.headers.contains_key("if-modified-since")
    }
}

/// How a body ends, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With its last byte, as Content-Length said.
    Length,
    /// The connection is closed after it, and no length was told.
    Close,
    /// It begins again for ever.
    Never,
    /// Nothing more comes, and the connection stays open.
    Silence,
}

/// What it is answered.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    after: Duration,
    drip: Option<Duration>,
    end: End,
    /// In place of a head.
    raw: Option<Vec<u8>>,
}

impl Answer {
    /// A status and nothing else.
    pub fn status(status: u16) -> Self {
        let (headers, body) = (Vec::new(), Vec::new());
        Self { status, headers, body, after: Duration::ZERO, drip: None, end: End::Length, raw: None }
    }

    /// 200 with a body.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::status(200) }
    }

    /// Bytes in place of a head, then a body if there is one; then the connection is closed.
    pub fn raw(head: impl Into<Vec<u8>>, body: impl Into<Vec<u8>>) -> Self {
        Self { raw: Some(head.into()), end: End::Close, ..Self::ok(body) }
    }

    /// A redirect.
    pub fn to(status: u16, location: impl Into<String>) -> Self {
        Self::status(status).header("Location", location)
    }

    /// 200 with validators, or 304 to whoever has this already: the ETag decides when there is one on both sides, as RFC 9110 says.
    pub fn cached(hit: &Hit, etag: Option<&str>, modified: Option<&str>, body: impl Into<Vec<u8>>) -> Self {
        let (sent_etag, sent_date) = (hit.headers.get("if-none-match"), hit.headers.get("if-modified-since"));
        let is_same = match (sent_etag, etag) {
            (Some(sent), Some(etag)) => sent == etag,
            _ => modified.is_some() && sent_date.map(String::as_str) == modified,
        };
        let mut answer = if is_same { Self::status(304) } else { Self::ok(body) };
        for (name, value) in [("ETag", etag), ("Last-Modified", modified)] {
            answer.headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        }
        answer
    }

    /// With a header more.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Not before this has passed.
    pub fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    /// The body byte by byte, with this between two.
    pub fn drip(self, every: Duration) -> Self {
        Self { drip: Some(every), ..self }
    }

    /// The body again and again, for as long as anybody listens.
    pub fn endless(self) -> Self {
        Self { end: End::Never, ..self }
    }

    /// Without a length: the body ends where the connection does.
    pub fn closing(self) -> Self {
        Self { end: End::Close, ..self }
    }

    /// The body, and then nothing, not even an end.
    pub fn then_silence(self) -> Self {
        Self { end: End::Silence, ..self }
    }

    /// Whether the connection may be used again after it.
    fn keeps_open(&self) -> bool {
        self.end == End::Length && !self.headers.iter().any(|(name, _)| matches!(name.as_str(), "Content-Length" | "Connection"))
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} Said\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.keeps_open() {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head + "\r\n"
    }

    /// Writes it; false when the connection is of no more use.
    async fn write(&self, stream: &mut TcpStream) -> bool {
        tokio::time::sleep(self.after).await;
        let head = self.raw.clone().unwrap_or_else(|| self.head().into_bytes());
        if stream.write_all(&head).await.is_err() {
            return false;
        }
        loop {
            let written = match self.drip {
                None => stream.write_all(&self.body).await.is_ok(),
                Some(every) => drip(stream, &self.body, every).await,
            };
            match self.end {
                End::Never if written && !self.body.is_empty() => {}
                // The client hangs up some time; nothing is expected of it meanwhile.
                End::Silence if written => {
                    let _ = stream.read(&mut [0; 64]).await;
                    return false;
                }
                _ => return written && self.keeps_open(),
            }
        }
    }
}

async fn drip(stream: &mut TcpStream, body: &[u8], every: Duration) -> bool {
    for byte in body {
        if stream.write_all(&[*byte]).await.is_err() {
            return false;
        }
        tokio::time::sleep(every).await;
    }
    true
}

/// The server. It ends when the last copy of it is dropped.
#[derive(Clone)]
pub struct Web {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    answer: Box<dyn Fn(&Hit) -> Answer + Send + Sync>,
    hits: Mutex<Vec<Hit>>,
    /// Requests without a complete answer, by host.
    open: Mutex<HashMap<String, usize>>,
    connections: AtomicUsize,
    listening: Mutex<Option<AbortHandle>>,
}

impl Web {
    /// On 127.0.0.1, for tests that look at no clock.
    pub async fn start(answer: impl Fn(&Hit) -> Answer + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1", Clock::fixed(Timestamp(0)), answer).await
    }

    /// On a free port of `ip`.
    pub async fn on(ip: &str, clock: Clock, answer: impl Fn(&Hit) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let shared = Shared {
            clock,
            answer: Box::new(answer),
            hits: Mutex::default(),
            open: Mutex::default(),
            connections: AtomicUsize::new(0),
            listening: Mutex::default(),
        };
        let web = Self { address: listener.local_addr().unwrap(), shared: Arc::new(shared) };
        // Connections hold what they share, the listener only knows of it: otherwise nothing would ever end.
        let shared = Arc::downgrade(&web.shared);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Some(shared) = shared.upgrade() else { return };
                tokio::spawn(serve(stream, shared));
            }
        });
        *web.shared.listening.lock().unwrap() = Some(listening.abort_handle());
        web
    }

    /// An address by number.
    pub fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.address)).unwrap()
    }

    /// An address by name; the fetcher's lookup must know it.
    pub fn url_at(&self, host: &str, path: &str) -> Url {
        Url::parse(&format!("http://{host}:{}{path}", self.address.port())).unwrap()
    }

    /// Everything it was asked, in order.
    pub fn hits(&self) -> Vec<Hit> {
        self.shared.hits.lock().unwrap().clone()
    }

    /// Whether everything it was asked is answered.
    pub fn is_idle(&self) -> bool {
        self.shared.open.lock().unwrap().values().all(|open| *open == 0)
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.lock().unwrap().take() {
            listening.abort();
        }
    }
}

/// One connection, with all its requests.
async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let connection = shared.connections.fetch_add(1, Ordering::Relaxed);
    let mut buffer = Vec::new();
    while let Some(mut hit) = read_hit(&mut stream, &mut buffer).await {
        (hit.at, hit.connection) = (shared.clock.now(), connection);
        let _open = Open::new(&shared, &mut hit);
        let answer = (shared.answer)(&hit);
        shared.hits.lock().unwrap().push(hit);
        if !answer.write(&mut stream).await {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// A request that is being answered; it ends however the answer does.
struct Open<'s>(&'s Shared, String);

impl<'s> Open<'s> {
    fn new(shared: &'s Shared, hit: &mut Hit) -> Self {
        let mut open = shared.open.lock().unwrap();
        let count = open.entry(hit.host.clone()).or_default();
        hit.is_crowded = *count > 0;
        *count += 1;
        Self(shared, hit.host.clone())
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        *self.0.open.lock().unwrap().get_mut(&self.1).unwrap() -= 1;
    }
}

/// The head of the next request on a connection; bodies are not expected.
async fn read_hit(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Hit> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        buffer.extend_from_slice(&piece[..read]);
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    buffer.drain(..end + 4);
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let both = |there: &mut String| *there = format!("{there}, {}", value.trim());
        headers.entry(name.to_lowercase()).and_modify(both).or_insert_with(|| value.trim().to_owned());
    }
    let host = headers.get("host").map_or("", String::as_str);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host).to_owned();
    Some(Hit { method, host, path, headers, at: Timestamp(0), is_crowded: false, connection: 0 })
}

/// A listener nobody may ever reach: it counts who does. On the port given, so that only the address differs from the server's.
pub struct Canary {
    pub address: SocketAddr,
    reached: Arc<AtomicUsize>,
    listening: AbortHandle,
}

impl Canary {
    /// Nothing when the machine has no such address.
    pub async fn on(ip: IpAddr, port: u16) -> Option<Self> {
        let listener = TcpListener::bind((ip, port)).await.ok()?;
        let (address, reached) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = reached.clone();
        let listening = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret").await;
            }
        })
        .abort_handle();
        Some(Self { address, reached, listening })
    }

    /// How often it was reached.
    pub fn reached(&self) -> usize {
        self.reached.load(Ordering::Relaxed)
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
