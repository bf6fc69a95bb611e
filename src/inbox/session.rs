//! One client's session. Replies to pipelined commands go out together: only when more input is needed is anything written.

use std::io;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::command::{self, Command};
use super::{MESSAGE_BYTES_MAX, Shared};

/// Longest command line; RFC 5321 asks for 512 and more for extensions.
const LINE_BYTES_MAX: usize = 4096;
/// Recipients of one message (RFC 5321 asks for at least 100).
const RCPTS_MAX: usize = 1000;
/// After so many refused commands the client is told to go.
const ERRORS_MAX: usize = 100;
/// Input is read in steps of at least this much, so that a whole pipelined message is usually one read.
const READ_BYTES: usize = 64 * 1024;
/// The only end of a message: a lone dot between two CR LF.
const END: &[u8] = b"\r\n.\r\n";

/// Talks to one client until it quits, falls silent or the inbox stops.
pub async fn serve(stream: TcpStream, shared: &Shared, stop: &CancellationToken, welcome: bool) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut session = Session { stream, shared, stop, input: Vec::new(), at: 0, out: Vec::new(), errors: 0, mail: Mail::default() };
    if !welcome {
        session.say("421 4.7.0 Too many connections");
        return session.flush().await;
    }
    session.say("220 localhost ESMTP Postrider inbox");
    let ended = session.run().await;
    session.flush().await?;
    ended
}

/// Where a content lies in the input.
struct Content {
    /// Its length with the last CR LF; nothing when it was too large.
    length: Option<usize>,
    /// Where the next command begins.
    until: usize,
}

/// The transaction under way.
#[derive(Default)]
struct Mail {
    greeted: bool,
    from: Option<String>,
    rcpts: Vec<String>,
    /// What BDAT has brought so far.
    chunks: Vec<u8>,
}

impl Mail {
    fn reset(&mut self) {
        self.from = None;
        self.rcpts.clear();
        self.chunks.clear();
    }
}

struct Session<'a> {
    stream: TcpStream,
    shared: &'a Shared,
    stop: &'a CancellationToken,
    /// What was read; everything before `at` is done with.
    input: Vec<u8>,
    at: usize,
    out: Vec<u8>,
    errors: usize,
    mail: Mail,
}

impl Session<'_> {
    async fn run(&mut self) -> io::Result<()> {
        while let Some(line) = self.line().await? {
            let parsed =
                if line.last() == Some(&b'\r') { command::parse(&line[..line.len() - 1]) } else { Err("500 5.5.2 Lines end with CR LF") };
            match parsed {
                Ok(Command::Quit) => {
                    self.say("221 2.0.0 Bye");
                    return Ok(());
                }
                Ok(Command::Data) if !self.mail.rcpts.is_empty() => self.data().await?,
                Ok(Command::Bdat(octets, last)) => self.bdat(octets, last).await?,
                Ok(command) => self.obey(command),
                Err(refusal) => self.refuse(refusal),
            }
            if self.errors > ERRORS_MAX {
                self.say("421 4.7.0 Too many errors");
                return Ok(());
            }
        }
        Ok(())
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Ehlo => {
                self.greet();
                self.say("250-localhost");
                self.say("250-PIPELINING");
                self.say("250-CHUNKING");
                self.say(&format!("250-SIZE {MESSAGE_BYTES_MAX}"));
                self.say("250-8BITMIME");
                self.say("250-ENHANCEDSTATUSCODES");
                self.say("250 SMTPUTF8");
            }
            Command::Helo => {
                self.greet();
                self.say("250 localhost");
            }
            Command::Mail { .. } if !self.mail.greeted => self.refuse("503 5.5.1 EHLO first"),
            Command::Mail { .. } if self.mail.from.is_some() => self.refuse("503 5.5.1 Nested MAIL"),
            Command::Mail { size: Some(size), .. } if size > MESSAGE_BYTES_MAX as u64 => self.refuse("552 5.3.4 Message too large"),
            Command::Mail { from, .. } => {
                self.mail.from = Some(from);
                self.say("250 2.1.0 Ok");
            }
            Command::Rcpt(_) if self.mail.from.is_none() => self.refuse("503 5.5.1 MAIL first"),
            Command::Rcpt(_) if self.mail.rcpts.len() >= RCPTS_MAX => self.refuse("452 4.5.3 Too many recipients"),
            Command::Rcpt(to) => {
                self.mail.rcpts.push(to);
                self.say("250 2.1.5 Ok");
            }
            Command::Data => self.refuse("503 5.5.1 RCPT first"),
            Command::Rset => {
                self.mail.reset();
                self.say("250 2.0.0 Ok");
            }
            Command::Noop => self.say("250 2.0.0 Ok"),
            Command::Vrfy => self.say("252 2.5.0 Send some mail and see"),
            Command::Quit | Command::Bdat(..) => {}
        }
    }

    fn greet(&mut self) {
        self.mail.reset();
        self.mail.greeted = true;
    }

    /// Takes the content up to the lone dot. Whatever is decided, the transaction is over afterwards.
    async fn data(&mut self) -> io::Result<()> {
        self.say("354 End with a lone dot");
        let content = self.content().await?;
        match content.length {
            Some(length) => {
                let stuffed = &self.input[self.at..self.at + length];
                let seq = self.shared.take(self.mail.from.as_deref().unwrap_or(""), &self.mail.rcpts, stuffed, true);
                self.say(&format!("250 2.0.0 Caught as {seq}"));
            }
            None => self.refuse("552 5.3.4 Message too large"),
        }
        self.at += content.until;
        self.mail.reset();
        Ok(())
    }

    /// Takes a chunk (RFC 3030). Its octets come whatever we think of it, so they are swallowed in any case.
    async fn bdat(&mut self, octets: usize, last: bool) -> io::Result<()> {
        let welcome = !self.mail.rcpts.is_empty();
        let fits = self.mail.chunks.len().saturating_add(octets) <= MESSAGE_BYTES_MAX;
        let mut left = octets;
        while left > 0 {
            if self.at == self.input.len() && !self.fill().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let step = left.min(self.input.len() - self.at);
            if welcome && fits {
                self.mail.chunks.extend_from_slice(&self.input[self.at..self.at + step]);
            }
            self.at += step;
            left -= step;
        }
        match (welcome, fits, last) {
            (false, ..) => self.refuse("503 5.5.1 RCPT first"),
            (_, false, _) => {
                self.refuse("552 5.3.4 Message too large");
                self.mail.reset();
            }
            (.., false) => self.say("250 2.0.0 Go on"),
            (.., true) => {
                let mail = std::mem::take(&mut self.mail.chunks);
                let seq = self.shared.take(self.mail.from.as_deref().unwrap_or(""), &self.mail.rcpts, &mail, false);
                self.say(&format!("250 2.0.0 Caught as {seq}"));
                self.mail.reset();
            }
        }
        Ok(())
    }

    /// Waits until the whole content lies in `input`. Content that is too large is swallowed.
    async fn content(&mut self) -> io::Result<Content> {
        let mut searched = 0;
        let mut too_large = false;
        loop {
            let pending = &self.input[self.at..];
            // The CR LF of the DATA line opens the content, so a lone dot may be its very first line.
            if searched == 0 && !too_large && pending.starts_with(&END[2..]) {
                return Ok(Content { length: Some(0), until: END.len() - 2 });
            }
            if let Some(found) = memmem::find(&pending[searched..], END) {
                let length = searched + found + 2;
                let fits = !too_large && length <= MESSAGE_BYTES_MAX;
                return Ok(Content { length: fits.then_some(length), until: length + END.len() - 2 });
            }
            searched = pending.len().saturating_sub(END.len() - 1);
            if pending.len() > MESSAGE_BYTES_MAX + END.len() {
                too_large = true;
                self.at += searched;
                searched = 0;
            }
            if !self.fill().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The next line without its LF, or nothing when the session is over.
    async fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let pending = &self.input[self.at..];
            if let Some(end) = memchr::memchr(b'\n', pending) {
                let line = pending[..end].to_vec();
                self.at += end + 1;
                return Ok(Some(line));
            }
            if pending.len() > LINE_BYTES_MAX {
                self.say("500 5.5.2 Line too long");
                return Ok(None);
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    /// Sends what there is to say and reads more. False when the client has gone, was silent too long, or the inbox stops.
    async fn fill(&mut self) -> io::Result<bool> {
        self.flush().await?;
        self.input.drain(..self.at);
        self.at = 0;
        self.input.reserve(READ_BYTES);
        let read = tokio::select! {
            read = self.stream.read_buf(&mut self.input) => Some(read?),
            () = tokio::time::sleep(self.shared.options.idle) => None,
            () = self.stop.cancelled() => None,
        };
        if read.is_none() {
            self.say("421 4.3.2 Closing");
        }
        Ok(read.is_some_and(|bytes| bytes > 0))
    }

    fn say(&mut self, reply: &str) {
        self.out.extend_from_slice(reply.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    fn refuse(&mut self, reply: &str) {
        self.errors += 1;
        self.say(reply);
    }

    /// A client that does not read its replies is as silent as one that does not speak.
    async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let written = tokio::time::timeout(self.shared.options.idle, self.stream.write_all(&self.out)).await;
        self.out.clear();
        written.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}

/// The content with the stuffed dots taken out (RFC 5321 section 4.5.2).
pub fn unstuff(stuffed: &[u8]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(stuffed.len());
    let mut from = usize::from(stuffed.first() == Some(&b'.'));
    for found in memmem::find_iter(stuffed, b"\r\n.") {
        raw.extend_from_slice(&stuffed[from..found + 2]);
        from = found + 3;
    }
    raw.extend_from_slice(&stuffed[from..]);
    raw
}

/// The Message-ID in the header section of a message, folded or not.
pub fn message_id(message: &[u8]) -> Option<&str> {
    let end = memmem::find(message, b"\r\n\r\n").unwrap_or(message.len());
    let header = &message[..end];
    let mut start = 0;
    while start < header.len() {
        let line_end = memmem::find(&header[start..], b"\r\n").map_or(header.len(), |found| start + found);
        let line = &header[start..line_end];
        if line.len() > 11 && line[..11].eq_ignore_ascii_case(b"message-id:") || line.eq_ignore_ascii_case(b"message-id:") {
            let rest = std::str::from_utf8(&header[start + 11..]).ok()?;
            return rest.split_ascii_whitespace().next();
        }
        start = line_end + 2;
    }
    None
}
