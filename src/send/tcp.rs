//! TCP as a window needs it: every read is acknowledged at once.
//!
//! Postfix writes its answers in small segments with Nagle's algorithm on. Where our acknowledgement waits the usual 40 ms, so does its next answer;
//! and when it closes meanwhile, the kernel throws the answers away that it still held back: accepted messages would look unknown.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP stream that may acknowledge at once.
#[derive(Debug)]
pub struct PromptTcp {
    stream: TcpStream,
    quick: bool,
}

impl PromptTcp {
    /// Wraps it; `quick` acknowledges every read at once, where the system can (Linux).
    pub fn new(stream: TcpStream, quick: bool) -> Self {
        let tcp = Self { stream, quick };
        tcp.acknowledge();
        tcp
    }

    /// The system forgets the wish, so it is told again after every read. Where it cannot, answers are only slower.
    fn acknowledge(&self) {
        #[cfg(target_os = "linux")]
        if self.quick {
            let _ = self.stream.set_quickack(true);
        }
    }
}

impl AsyncRead for PromptTcp {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.acknowledge();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PromptTcp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
