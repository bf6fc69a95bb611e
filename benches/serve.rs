//! The claim about serving: a feed of 100 KB, whole and as "304 Not Modified", as often a second as nginx with gzip_static serves the same bytes.
//! `cargo bench --bench serve -- [SECONDS] [CONNECTIONS]` needs `nginx` and `wrk` (Debian's packages of these names; the servers listen on loopback only,
//! in a folder of their own). wrk, nginx and ours share the machine's processors; each server has them alone with wrk.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

const FEED: &str = "/rss.xml";
/// How often each is asked in turn.
const ROUNDS: usize = 5;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse::<u64>().ok());
    let (seconds, connections) = (numbers.next().unwrap_or(3), numbers.next().unwrap_or(64));
    let folder = tempfile::tempdir().unwrap();
    let (ours_at, nginx_at) = (free_port(), free_port());
    let ours = Server(postrider(folder.path(), &ours_at));
    let feed = until_answered(&ours_at, "Accept-Encoding: gzip", "content-encoding: gzip");
    let plain = body(&ask(&ours_at, "Accept-Encoding: identity"));
    println!("the feed has {} bytes, {} with gzip; {seconds} s each, {connections} connections", plain.len(), body(&feed).len());
    let nginx = Server(nginx(folder.path(), &nginx_at, &plain));
    until_answered(&nginx_at, "Accept-Encoding: gzip", "content-encoding: gzip");
    for (what, encoding, conditional) in [
        ("200, gzip", "Accept-Encoding: gzip", false),
        ("200, plain", "Accept-Encoding: identity", false),
        ("304", "Accept-Encoding: gzip", true),
    ] {
        let rate = |address: &str| wrk(address, encoding, conditional, seconds, connections);
        // In turns, because a machine is not as fast in every second; the middle one counts.
        let mut rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| (rate(&ours_at), rate(&nginx_at))).collect();
        rounds.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
        let (us, them) = rounds[ROUNDS / 2];
        println!("{what:<10}  postrider {us:>9.0}/s  nginx {them:>9.0}/s  ratio {:.2}", us / them);
    }
    drop((ours, nginx));
}

/// A server, told to end at the end: nginx killed with signal 9 would leave its workers behind.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn free_port() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Our binary on 30 articles of some 3 KB each.
fn postrider(folder: &Path, address: &str) -> Child {
    let content = folder.join("content");
    fs::create_dir(&content).unwrap();
    for number in 0..30 {
        let text: String = (0..42)
            .map(|i| {
                format!("Line {i} of article {number} tells of tides, ropes and the number {}. ", (i * 7919 + number * 104_729) % 99_991)
            })
            .collect();
        let head = format!("+++\ntitle = \"Article {number}\"\ndate = 2026-01-{:02}T09:00:00Z\n+++\n", 1 + number % 28);
        fs::write(content.join(format!("article-{number}.md")), head + &text).unwrap();
    }
    let config = format!(
        "[site]\ntitle = \"Bench\"\nurl = \"http://{address}\"\n[web]\nlisten = \"{address}\"\n[[list]]\nid = \"all\"\nfrom = \"Bench <bench@example.com>\"\n"
    );
    fs::write(folder.join("config.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
    command.args(["--quiet", "run", "--roles", "web"]).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().unwrap()
}

/// Debian's nginx on the same bytes, set up as its manual advises for small files.
fn nginx(folder: &Path, address: &str, feed: &[u8]) -> Child {
    let root = folder.join("nginx");
    fs::create_dir_all(root.join("www")).unwrap();
    fs::write(root.join("www/rss.xml"), feed).unwrap();
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(feed).unwrap();
    fs::write(root.join("www/rss.xml.gz"), packed.finish().unwrap()).unwrap();
    let here = root.display();
    let config = format!(
        "daemon off; pid {here}/pid; error_log stderr error; worker_processes auto;\nevents {{ worker_connections 2048; }}\n\
         http {{\n  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 100000000;\n\
         open_file_cache max=100; open_file_cache_valid 60s;\n  gzip_static on; gzip_vary on;\n\
         client_body_temp_path {here}/a; proxy_temp_path {here}/b; fastcgi_temp_path {here}/c; uwsgi_temp_path {here}/d; scgi_temp_path {here}/e;\n\
         types {{ application/rss+xml xml; }}\n  server {{ listen {address}; root {here}/www; add_header Cache-Control \"public, max-age=300\"; }}\n}}\n"
    );
    let file = root.join("nginx.conf");
    fs::write(&file, config).unwrap();
    // Workers drop to www-data when we are root, and must be able to read.
    let _ = Command::new("chmod").args(["-R", "a+rX"]).arg(folder).status();
    let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    let mut command = Command::new(program);
    command.arg("-e").arg("stderr").arg("-c").arg(&file).arg("-p").arg(&root).stdin(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("nginx does not start: {error}; install nginx and wrk"))
}

/// Requests a second.
fn wrk(address: &str, encoding: &str, conditional: bool, seconds: u64, connections: u64) -> f64 {
    let mut command = Command::new("wrk");
    command.args(["-t2", &format!("-c{connections}"), &format!("-d{seconds}s"), "-H", encoding]);
    if conditional {
        let answer = String::from_utf8_lossy(&ask(address, encoding)).into_owned();
        let tag =
            answer.lines().find_map(|line| line.to_lowercase().starts_with("etag:").then(|| line[5..].trim().to_owned())).expect("an ETag");
        command.arg("-H").arg(format!("If-None-Match: {tag}"));
    }
    let out = command.arg(format!("http://{address}{FEED}")).output().unwrap_or_else(|error| panic!("wrk does not start: {error}"));
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    // wrk counts 304 as an answer like any other; what failed it names.
    assert!(!said.contains("Non-2xx") && !said.contains("Socket errors"), "{said}");
    let rate = said.lines().find_map(|line| line.strip_prefix("Requests/sec:")).unwrap_or_else(|| panic!("{said}"));
    rate.trim().parse().unwrap()
}

fn ask(address: &str, header: &str) -> Vec<u8> {
    let mut answer = Vec::new();
    let Ok(mut stream) = TcpStream::connect(address) else { return answer };
    let _ = write!(stream, "GET {FEED} HTTP/1.1\r\nHost: {address}\r\n{header}\r\nConnection: close\r\n\r\n");
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn until_answered(address: &str, header: &str, expected: &str) -> Vec<u8> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(30) {
        let answer = ask(address, header);
        if String::from_utf8_lossy(&answer).to_lowercase().contains(expected) {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{address} did not answer with {expected}");
}

fn body(answer: &[u8]) -> Vec<u8> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    answer[head + 4..].to_vec()
}
