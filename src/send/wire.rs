//! The byte stream to a relay: replies in, writes out, each with its time limit, and how much of a write was taken when it breaks.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;

use super::reply::RawReply;

/// A TCP stream, plain or inside TLS.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// More unread input than this is no answer to anything we said.
const INPUT_BYTES_MAX: usize = 1024 * 1024;
/// Input is read in steps of this much; replies are short.
const READ_BYTES: usize = 4096;

/// Why nothing more can be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The other side closed.
    #[error("the connection was closed")]
    Closed,
    /// The other side was silent too long.
    #[error("no answer in time")]
    TimedOut,
    /// The other side does not speak SMTP.
    #[error("the answer is not SMTP")]
    Garbled,
    /// The network.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
}

/// A stream with its unread input.
pub struct Wire {
    io: Box<dyn Duplex>,
    input: Vec<u8>,
    closed: bool,
}

impl Wire {
    /// Wraps a stream.
    pub fn new(io: impl Duplex + 'static) -> Self {
        Self { io: Box::new(io), input: Vec::new(), closed: false }
    }

    /// The stream itself, for STARTTLS; nothing when input is waiting, which somebody would have slipped in before the TLS began.
    pub fn into_inner(self) -> Option<Box<dyn Duplex>> {
        self.input.is_empty().then_some(self.io)
    }

    /// The next reply. After a broken write this still gives what the other side had said before.
    pub async fn reply(&mut self, wait: Duration) -> Result<RawReply, Broken> {
        timeout(wait, self.next_reply()).await.map_err(|_| Broken::TimedOut)?
    }

    async fn next_reply(&mut self) -> Result<RawReply, Broken> {
        loop {
            match RawReply::take(&self.input) {
                Ok(Some((reply, used))) => {
                    self.input.drain(..used);
                    return Ok(reply);
                }
                Ok(None) if self.closed => return Err(Broken::Closed),
                Ok(None) => poll_fn(|cx| self.poll_input(cx)).await?,
                Err(_) => return Err(Broken::Garbled),
            }
        }
    }

    /// Whether something can be read, or never will be again: with nothing asked, a goodbye.
    pub async fn has_input(&mut self) -> bool {
        let mut look = |cx: &mut Context<'_>| Poll::Ready(self.poll_input(cx).is_ready());
        poll_fn(&mut look).await || !self.input.is_empty()
    }

    /// Whether more has been read than was asked for so far. Looks at what is here and does not read.
    pub fn has_surplus(&self) -> bool {
        !self.input.is_empty()
    }

    /// Writes all of `bytes`, reading meanwhile so that neither side waits for the other. `block` limits each step.
    /// On failure: how many bytes were taken by the kernel, at most, and why.
    pub async fn write(&mut self, bytes: &[u8], block: Duration) -> Result<(), (usize, Broken)> {
        let mut taken = 0;
        while taken < bytes.len() {
            match timeout(block, poll_fn(|cx| self.poll_write(cx, &bytes[taken..]))).await {
                Ok(Ok(step)) => taken += step,
                Ok(Err(broken)) => return Err((taken, broken)),
                Err(_) => return Err((taken, Broken::TimedOut)),
            }
        }
        match timeout(block, self.io.flush()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err((taken, error.into())),
            Err(_) => Err((taken, Broken::TimedOut)),
        }
    }

    /// Closes politely.
    pub async fn shutdown(&mut self, wait: Duration) {
        // The outcome is of no use to anybody: every reply we wait for has been read.
        let _ = timeout(wait, self.io.shutdown()).await;
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Broken>> {
        loop {
            match Pin::new(&mut self.io).poll_write(cx, bytes) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(Broken::Closed)),
                Poll::Ready(result) => return Poll::Ready(result.map_err(Broken::from)),
                Poll::Pending if self.closed => return Poll::Ready(Err(Broken::Closed)),
                Poll::Pending => {}
            }
            match self.poll_input(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(broken)) => return Poll::Ready(Err(broken)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let mut space = [0; READ_BYTES];
        let mut buffer = ReadBuf::new(&mut space);
        match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => {
                self.closed = buffer.filled().is_empty() || self.input.len() > INPUT_BYTES_MAX;
                self.input.extend_from_slice(buffer.filled());
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                self.closed = true;
                Poll::Ready(Err(error.into()))
            }
        }
    }
}
