//! A web server of files for tests that drive the binary: each file with an ETag of its bytes, answered 304 to who has it; every request written down.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// It serves until the test's process ends.
pub struct Files {
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Files {
    /// Serves what lies in `dir`, now and later.
    pub fn serve(dir: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let files = Self { url: format!("http://{}", listener.local_addr().unwrap()), asked: Arc::default() };
        let (dir, asked) = (dir.to_owned(), files.asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever hangs up does not end the server.
                let _ = answer(&stream, &dir, &asked);
            }
        });
        files
    }

    /// The requests so far: `200 /feed.xml`.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(mut stream: &TcpStream, dir: &Path, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
    let mut known = String::new();
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("if-none-match")
        {
            known = value.to_owned();
        }
    }
    let file: PathBuf = dir.join(path.trim_start_matches('/'));
    let (status, etag, body) = match std::fs::read(&file) {
        Err(_) => (404, String::new(), b"not here".to_vec()),
        Ok(body) => {
            let mut hash = DefaultHasher::new();
            body.hash(&mut hash);
            let etag = format!("\"{:x}\"", hash.finish());
            if etag == known { (304, etag, Vec::new()) } else { (200, etag, body) }
        }
    };
    asked.lock().unwrap().push(format!("{status} {path}"));
    let kind = match file.extension().and_then(|ext| ext.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("json") => "application/feed+json",
        _ => "application/xml",
    };
    write!(
        stream,
        "HTTP/1.1 {status} Said\r\nETag: {etag}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}
