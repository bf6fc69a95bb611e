//! HTTP by hand, for tests: a client that sends exactly what it is told, a service in the test's own process, and a server that writes
//! down what it is asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postrider::app::App;
use postrider::config::Config;
use postrider::inbox::Inbox;
use postrider::model::{Clock, Timestamp};
use postrider::template;
use postrider::worker::Role;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longest we wait for something the service does by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Reply {
    /// Reads a whole answer; nothing when it is none.
    pub fn parse(raw: &[u8]) -> Option<Self> {
        let end = raw.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8(raw[..end].to_vec()).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Some(Self { status, headers, body: raw[end + 4..].to_vec() })
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends `request` as it is, and reads until the other side hangs up.
pub async fn exchange(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The other side may answer and hang up before it has all.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the connection was expected to end");
    answer
}

/// One request on a connection of its own.
pub async fn ask(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if headers.iter().all(|(name, _)| *name != "Host") {
        request.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if method == "POST" {
        request.push_str(&format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", body.len()));
    }
    let raw = exchange(address, format!("{request}\r\n{body}").as_bytes()).await;
    Reply::parse(&raw).unwrap_or_else(|| panic!("no answer to {method} {path}: {}", String::from_utf8_lossy(&raw)))
}

/// Waits until `look` finds something; fails with what was waited for.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited {PATIENCE:?} in vain until {what}");
}

/// A publication served by this process.
pub struct Served {
    pub dir: Arc<TempDir>,
    pub address: SocketAddr,
    pub app: App,
    now: Arc<AtomicI64>,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Served {
    /// A new publication with two articles; `more` stands at the end of its config.toml.
    pub async fn new(more: &str) -> Self {
        Self::with(more, |_| ()).await
    }

    /// The same with a configuration that is changed after it was read.
    pub async fn with(more: &str, change: impl FnOnce(&mut Config)) -> Self {
        Self::open(written(more), change).await
    }

    /// The same as `dev` serves it, with its own pages. Nothing was mailed.
    pub async fn dev(more: &str) -> Self {
        let inbox = Inbox::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        Self::start(written(more), |_| (), Some(inbox)).await
    }

    /// Serves what is in `dir`.
    pub async fn open(dir: Arc<TempDir>, change: impl FnOnce(&mut Config)) -> Self {
        Self::start(dir, change, None).await
    }

    async fn start(dir: Arc<TempDir>, change: impl FnOnce(&mut Config), inbox: Option<Inbox>) -> Self {
        let loaded = Config::load(&dir.path().join("config.toml"), std::iter::empty());
        let (mut config, _) = loaded.unwrap_or_else(|faults| panic!("{faults}"));
        change(&mut config);
        let templates = template::load(&config.templates_dir).unwrap();
        let now = Arc::new(AtomicI64::new(Timestamp::from_secs(1_795_000_000).0));
        let told = now.clone();
        let app = App::open(config, templates, Clock::new(move || Timestamp(told.load(Ordering::Relaxed)))).await.unwrap();
        let stop = CancellationToken::new();
        let (listening, address) = tokio::sync::oneshot::channel();
        let task = tokio::spawn({
            let (app, stop) = (app.clone(), stop.clone());
            async move { app.serve(&[Role::Web], inbox, stop, move |address| listening.send(address).unwrap()).await }
        });
        let address = address.await.expect("the service listens");
        Self { dir, address, app, now, stop, task }
    }

    /// A GET with `headers`.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        ask(self.address, "GET", path, headers, "").await
    }

    /// A POST of a form.
    pub async fn post(&self, path: &str, body: &str) -> Reply {
        ask(self.address, "POST", path, &[], body).await
    }

    /// Waits until the main feeds are there in every encoding.
    pub async fn packed(&self) {
        for path in ["/rss.xml", "/atom.xml", "/feed.json"] {
            until("the feeds are packed", async || {
                (self.get(path, &[("Accept-Encoding", "br")]).await.header("content-encoding") == "br").then_some(())
            })
            .await;
        }
    }

    /// Waits until `path` has another ETag than `tag`; gives the answer.
    pub async fn changed(&self, path: &str, tag: &str) -> Reply {
        until("the site is published anew", async || {
            let reply = self.get(path, &[]).await;
            (reply.status == 200 && reply.header("etag") != tag).then_some(reply)
        })
        .await
    }

    /// An article is written, or written anew.
    pub fn article(&self, name: &str, title: &str, date: &str, body: &str) {
        article(self.dir.path(), name, title, date, body);
    }

    /// Time passes for the service.
    pub fn pass(&self, time: Duration) {
        self.now.fetch_add(i64::try_from(time.as_micros()).unwrap(), Ordering::Relaxed);
    }

    /// Tells it to stop, and goes on.
    pub fn begin_to_stop(&self) {
        self.stop.cancel();
    }

    /// Waits for its end; gives the folder.
    pub async fn ended(self) -> Arc<TempDir> {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("the service ends").unwrap().unwrap();
        self.dir
    }
}

/// A publication with two articles.
fn written(more: &str) -> Arc<TempDir> {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    write_config(dir.path(), more);
    let words = "The tide waits for nobody, and the harbour does not wait for the tide. ".repeat(40);
    article(
        dir.path(),
        "tides",
        "On tides",
        "2026-11-01",
        &format!("{words}\n\n```rust\nlet tide = \"<item>]]></entry>\"; // high\n```\n"),
    );
    article(dir.path(), "ropes", "On ropes", "2026-11-02", &format!("{words}\n\n{words}"));
    dir
}

/// Writes config.toml.
pub fn write_config(dir: &Path, more: &str) {
    let config = format!(
        r#"[site]
title = "The Test Letter"
url = "https://letter.example.com"
[store]
url = "sqlite://p.db"
[web]
listen = "127.0.0.1:0"
[[list]]
id = "weekly"
from = "The Test Letter <desk@letter.example.com>"
{more}
"#
    );
    std::fs::write(dir.join("config.toml"), config).unwrap();
}

fn article(dir: &Path, name: &str, title: &str, date: &str, body: &str) {
    std::fs::create_dir_all(dir.join("content")).unwrap();
    let text = format!("+++\ntitle = \"{title}\"\ndate = {date}T09:00:00Z\n+++\n{body}\n");
    std::fs::write(dir.join("content").join(format!("{name}.md")), text).unwrap();
}

/// A request somebody made.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Asked {
    /// A field of the query, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.path.split_once('?')?.1;
        url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// A field of the form, decoded.
    pub fn field(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(&self.body).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// A server that writes down what it is asked, and answers as it is told.
#[derive(Clone)]
pub struct Stub {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Stub {
    /// Starts it; `answer` gives status and body.
    pub async fn start(answer: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stub = Self { url: format!("http://{}", listener.local_addr().unwrap()), asked: Arc::default() };
        let asked = stub.asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let request = read_request(stream).await;
                let Some((request, mut stream)) = request else { continue };
                let (status, body) = answer(&request);
                asked.lock().unwrap().push(request);
                let location = if (300..400).contains(&status) { format!("Location: {body}\r\n") } else { String::new() };
                let head = format!("HTTP/1.1 {status} Said\r\n{location}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            }
        });
        stub
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until it was asked `count` times.
    pub async fn asked_times(&self, count: usize) -> Vec<Asked> {
        until(&format!("{} is asked {count} times", self.url), async || (self.asked().len() >= count).then(|| self.asked())).await
    }
}

async fn read_request(mut stream: TcpStream) -> Option<(Asked, TcpStream)> {
    let mut raw = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        raw.extend_from_slice(&piece[..read]);
        let Some(end) = raw.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&raw[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
        let headers: BTreeMap<String, String> =
            lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if raw.len() >= end + 4 + length {
            return Some((Asked { method, path, headers, body: raw[end + 4..].to_vec() }, stream));
        }
    }
}
