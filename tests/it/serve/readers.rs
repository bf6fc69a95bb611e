//! Real readers of feeds: feedparser polls, Flask-WebSub subscribes.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::support::http::{Served, write_config};

const PATIENCE: Duration = Duration::from_secs(30);

/// A Python program that is told lines and answers with JSON; killed when dropped.
struct Peer {
    _process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    fn start(args: &[&str]) -> Self {
        let mut process = Command::new(".cache/venv/bin/python")
            .args(args)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("feedparser and Flask-WebSub are not installed: run scripts/setup");
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { _process: process, input, output: BufReader::new(output).lines() }
    }

    async fn tell(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn says(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.output.next_line()).await.expect("a word from the other side").unwrap();
        serde_json::from_str(&line.expect("it is still there")).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs feedparser: run scripts/test"]
async fn feedparser_polls_100_times_and_gets_99_times_304_and_then_only_what_is_new() {
    let served = Served::new("").await;
    served.packed().await;
    for path in ["/rss.xml", "/atom.xml"] {
        let mut peer = Peer::start(&["tests/peers/poll_feed.py", &format!("http://{}{path}", served.address), "100"]);
        let polled = peer.says().await;
        let statuses: Vec<u64> = polled["statuses"].as_array().unwrap().iter().map(|status| status.as_u64().unwrap()).collect();
        assert_eq!((statuses[0], statuses.iter().filter(|status| **status == 304).count()), (200, 99), "{path}: {statuses:?}");
        assert_eq!(polled["bozo"], false);
        let tag = served.get(path, &[]).await.header("etag").to_owned();
        let title = format!("Read from {path}");
        served.article("boats", &title, "2026-11-03", "They float.");
        served.changed(path, &tag).await;
        peer.tell("again").await;
        let news = peer.says().await;
        assert_eq!((&news["status"], &news["titles"], &news["bozo"]), (&226.into(), &vec![title].into(), &false.into()), "{path}");
        peer.tell("again").await;
        assert_eq!(peer.says().await["status"], 304, "{path}: it has all there is");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Flask-WebSub: run scripts/test"]
async fn flask_websub_subscribes_is_told_of_a_change_and_leaves() {
    // The feed must name its own address, so the port is chosen before.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dir = Arc::new(tempfile::tempdir().unwrap());
    write_config(dir.path(), "[fetch]\nallow_private = [\"127.0.0.1\"]\n[[feed]]\nid = \"main\"\nhub = \"self\"\n");
    std::fs::create_dir(dir.path().join("content")).unwrap();
    let served = Served::open(dir.clone(), |config| {
        config.listen = port;
        config.site.url = format!("http://{port}/").parse().unwrap();
    })
    .await;
    let mut peer = Peer::start(&["tests/peers/websub_subscriber.py", &dir.path().display().to_string()]);
    assert_eq!(peer.says().await["event"], "up");
    let feed = format!("http://{port}/atom.xml");
    peer.tell(&format!("subscribe {feed}")).await;
    assert_eq!(peer.says().await, serde_json::json!({"event": "subscribe", "topic": feed}));
    for title in ["On tides", "On ropes"] {
        let tag = served.get("/atom.xml", &[]).await.header("etag").to_owned();
        served.article(title, title, "2026-11-03", "Words.");
        served.changed("/atom.xml", &tag).await;
        // Flask-WebSub passes on only what its secret has signed.
        let told = peer.says().await;
        assert!(told["event"] == "content" && told["titles"].as_array().unwrap().contains(&title.into()), "{title}: {told}");
    }
    peer.tell("unsubscribe").await;
    assert_eq!(peer.says().await["event"], "unsubscribe");
}
