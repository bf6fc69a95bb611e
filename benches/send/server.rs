//! The other side of the wire: Postfix's `smtp-sink` as a process of its own, a whole Postfix, and a proxy that makes loopback as slow as the world.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
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

impl Sink {
    /// Its process.
    pub fn process(&self) -> String {
        self.child.id().to_string()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A private Postfix with its durable queue, which discards what it took; stopped when dropped. Needs root.
pub struct Postfix {
    dir: TempDir,
    addr: SocketAddr,
}

impl Postfix {
    /// Starts one.
    pub fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("postrider-").tempdir_in("/tmp").expect("a folder");
        let addr = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let fill = |model: &str| model.replace("@DIR@", &dir.path().display().to_string()).replace("@SMTP_PORT@", &addr.port().to_string());
        for name in ["etc", "data", "queue", "mail"] {
            std::fs::create_dir(dir.path().join(name)).expect("a folder");
        }
        let main = fill(include_str!("../../tests/peers/relay-main.cf"))
            + "smtpd_recipient_restrictions = permit_mynetworks, reject\ndefault_transport = discard:\nsmtpd_tls_security_level = none\n";
        let master = fill(include_str!("../../tests/peers/master.cf")) + "discard unix - - n - - discard\n";
        std::fs::write(dir.path().join("etc/main.cf"), main).expect("its configuration");
        std::fs::write(dir.path().join("etc/master.cf"), master).expect("its services");
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a folder others may pass");
        Command::new("chown").arg("postfix").arg(dir.path().join("data")).status().expect("chown");
        let server = Self { dir, addr };
        assert!(server.does("start"), "Postfix does not start (it must be started as root)");
        let start = Instant::now();
        while std::net::TcpStream::connect(addr).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "Postfix should listen at {addr}");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn does(&self, verb: &str) -> bool {
        let mut postfix = Command::new("postfix");
        postfix.arg("-c").arg(self.dir.path().join("etc")).arg(verb).stderr(Stdio::null()).status().expect("Postfix is installed").success()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.does("stop");
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
