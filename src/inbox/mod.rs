//! A small SMTP listener for loopback that catches mail instead of delivering it: the local inbox of `dev`, and the sink of tests and benches.
//!
//! It offers PIPELINING, CHUNKING, 8BITMIME, SMTPUTF8, SIZE and ENHANCEDSTATUSCODES, no TLS and no AUTH, and keeps what it catches in memory only.

mod command;
mod session;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Largest message taken; what SIZE announces.
pub const MESSAGE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Kept messages together take at most this much memory, whatever their number.
pub const KEPT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Connections served at once; more are told to come back. Far above any sender we test.
const CONNECTIONS_MAX: usize = 512;

/// How an inbox behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How many messages are kept; the newest stay.
    pub kept_max: usize,
    /// Keep no message, only count by recipient and Message-ID: for benches and crash tests.
    pub discard: bool,
    /// A client that says nothing for so long is told 421 and left (RFC 5321 section 4.5.3.2.7: 5 minutes).
    pub idle: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { kept_max: 2_000, discard: false, idle: Duration::from_secs(300) }
    }
}

/// One caught message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caught {
    /// Its number, from 1, in the order of arrival.
    pub seq: u64,
    /// Envelope sender; empty for the null return path.
    pub from: String,
    /// Envelope recipients.
    pub rcpts: Vec<String>,
    /// The message, dots unstuffed.
    pub raw: Vec<u8>,
}

/// What a discarding inbox remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many messages each recipient got.
    pub by_recipient: HashMap<String, u64>,
    /// How many messages carried each Message-ID (with its angle brackets).
    pub by_message_id: HashMap<String, u64>,
}

/// A running inbox. Cheap to clone; when the last handle is dropped it stops.
#[derive(Debug, Clone)]
pub struct Inbox(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Inbox {
    /// Listens at `addr` (port 0: any free one) and keeps what it catches.
    pub async fn bind(addr: SocketAddr) -> std::io::Result<Self> {
        Self::bind_with(addr, Options::default()).await
    }

    /// The same with other options.
    pub async fn bind_with(addr: SocketAddr, options: Options) -> std::io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared { options, kept: Mutex::default() });
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(accept(listener, shared.clone(), stop.clone(), tasks.clone()));
        Ok(Self(Arc::new(Handle { addr, shared, stop, tasks })))
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr
    }

    /// The messages kept, oldest first.
    pub fn messages(&self) -> Vec<Arc<Caught>> {
        self.0.shared.lock().messages.iter().cloned().collect()
    }

    /// The message with this number, if it is still kept.
    pub fn get(&self, seq: u64) -> Option<Arc<Caught>> {
        self.0.shared.lock().messages.iter().find(|message| message.seq == seq).cloned()
    }

    /// How many messages were caught since the start or the last [`Self::clear`].
    pub fn count(&self) -> u64 {
        self.0.shared.lock().count
    }

    /// What a discarding inbox counted; empty for one that keeps.
    pub fn tally(&self) -> Tally {
        self.0.shared.lock().tally.clone()
    }

    /// Forgets everything caught so far. Numbers go on.
    pub fn clear(&self) {
        let mut kept = self.0.shared.lock();
        *kept = Kept { seq: kept.seq, ..Kept::default() };
    }

    /// Stops listening, tells the clients 421 at their next command border and waits for them.
    pub async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

/// What all sessions share.
#[derive(Debug)]
struct Shared {
    options: Options,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    seq: u64,
    count: u64,
    messages: VecDeque<Arc<Caught>>,
    bytes: usize,
    tally: Tally,
}

impl Shared {
    /// A panic in another session leaves counts that are still good enough to read.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message as it came over the wire, its dots still `stuffed` or not, and gives its number.
    fn take(&self, from: &str, rcpts: &[String], content: &[u8], stuffed: bool) -> u64 {
        if self.options.discard {
            return self.lock().count_only(rcpts, session::message_id(content));
        }
        let raw = if stuffed { session::unstuff(content) } else { content.to_vec() };
        self.lock().keep(self.options.kept_max, from, rcpts, raw)
    }
}

impl Kept {
    fn next(&mut self) -> u64 {
        self.seq += 1;
        self.count += 1;
        self.seq
    }

    fn count_only(&mut self, rcpts: &[String], message_id: Option<&str>) -> u64 {
        for rcpt in rcpts {
            bump(&mut self.tally.by_recipient, rcpt);
        }
        if let Some(id) = message_id {
            bump(&mut self.tally.by_message_id, id);
        }
        self.next()
    }

    fn keep(&mut self, kept_max: usize, from: &str, rcpts: &[String], raw: Vec<u8>) -> u64 {
        let seq = self.next();
        self.bytes += raw.len();
        self.messages.push_back(Arc::new(Caught { seq, from: from.to_owned(), rcpts: rcpts.to_vec(), raw }));
        while self.messages.len() > kept_max || self.bytes > KEPT_BYTES_MAX {
            let Some(oldest) = self.messages.pop_front() else { break };
            self.bytes -= oldest.raw.len();
        }
        seq
    }
}

fn bump(counts: &mut HashMap<String, u64>, key: &str) {
    match counts.get_mut(key) {
        Some(count) => *count += 1,
        None => {
            counts.insert(key.to_owned(), 1);
        }
    }
}

/// Accepts until stopped. A failed accept (no descriptors left) waits a moment instead of spinning.
async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken, tasks: TaskTracker) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let place = places.clone().try_acquire_owned().ok();
        let (shared, stop) = (shared.clone(), stop.clone());
        tasks.spawn(async move {
            // A session that ends with an I/O error has only lost its client: there is nobody to tell.
            let _ = session::serve(stream, &shared, &stop, place.is_some()).await;
        });
    }
}
