//! The other side of the wire: Postfix's `smtp-sink` as a process of its own, and a proxy that makes loopback as slow as the world.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// A running `smtp-sink`, killed when dropped.
pub struct Sink {
    child: Child,
    addr: SocketAddr,
}

impl Sink {
    /// Starts one; nothing when it is not installed (Debian package postfix).
    pub fn start() -> Option<Self> {
        let program = tool("smtp-sink")?;
        let addr = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?;
        let mut command = Command::new(program);
        // It wants to leave root behind, and only then.
        command.args(["-u", "nobody"]);
        let child = command.args([&addr.to_string(), "1000"]).stdout(Stdio::null()).spawn().ok()?;
        let sink = Self { child, addr };
        let start = Instant::now();
        while std::net::TcpStream::connect(addr).is_err() {
            assert!(start.elapsed() < Duration::from_secs(5), "smtp-sink should listen at {addr}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(sink)
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where Debian puts Postfix's test tools.
pub fn tool(name: &str) -> Option<String> {
    ["/usr/sbin", "/usr/bin"].map(|folder| format!("{folder}/{name}")).into_iter().find(|path| std::path::Path::new(path).exists())
}

/// Forwards to `to`, each way half of `round_trip` later.
pub async fn proxy(to: SocketAddr, round_trip: Duration) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(server) = TcpStream::connect(to).await else { return };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let (client, server) = (client.into_split(), server.into_split());
                tokio::spawn(later(client.0, server.1, round_trip / 2));
                later(server.0, client.1, round_trip / 2).await;
            });
        }
    });
    addr
}

async fn later(mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf, delay: Duration) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(tokio::time::Instant, Vec<u8>)>();
    tokio::spawn(async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            if sender.send((tokio::time::Instant::now() + delay, buffer[..length].to_vec())).is_err() {
                break;
            }
        }
    });
    while let Some((due, bytes)) = receiver.recv().await {
        tokio::time::sleep_until(due).await;
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
