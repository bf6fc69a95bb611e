//! Connections: how many, how long, and how they end.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use super::door::{Door, Hall};
use crate::config::WebPolicy;

/// Cookies and tokens of honest clients take a tenth of this.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Clients that are told to come back, at once; further ones are hung up on.
const REFUSED_MAX: usize = 64;
/// How long one that is told so has to read it.
const REFUSED_WITHIN: Duration = Duration::from_secs(2);
/// When no connection can be taken at all (no descriptor is free), the next try waits.
const PAUSE: Duration = Duration::from_millis(100);
const BUSY: &str = "too many connections; please try again in a moment\n";
const STOPPING: &str = "draining: this process is about to end\n";

/// Serves until `stop` is cancelled; then open requests are finished, within a bound, and new ones told to go elsewhere.
pub(super) async fn serve(listener: TcpListener, hall: Arc<Hall>, policy: &WebPolicy, stop: CancellationToken) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(policy.head_within).max_header_size(HEAD_BYTES_MAX);
    let (places, refusals) = (Arc::new(Semaphore::new(policy.connections)), Arc::new(Semaphore::new(REFUSED_MAX)));
    let open = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let Some((stream, peer)) = taken(accepted).await else { continue };
        let Ok(place) = places.clone().try_acquire_owned() else {
            refuse(stream, BUSY, &refusals);
            continue;
        };
        let door = Door { hall: hall.clone(), peer: peer.ip() };
        let connection = open.watch(http.serve_connection(TokioIo::new(Patient::new(stream, policy.stalled_within)), door));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("a connection ended: {error}");
            }
            drop(place);
        });
    }
    drain(listener, open, policy.drained_within, &refusals).await;
}

async fn taken(accepted: io::Result<(TcpStream, SocketAddr)>) -> Option<(TcpStream, SocketAddr)> {
    match accepted {
        Ok((stream, peer)) => {
            // Answers are written whole, so there is nothing to wait for.
            let _ = stream.set_nodelay(true);
            Some((stream, peer))
        }
        Err(error) => {
            tracing::warn!("a connection could not be taken: {error}");
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}

/// Waits for what is open. Until then new connections are told, so that whoever spreads the load hears it in words.
async fn drain(listener: TcpListener, open: GracefulShutdown, within: Duration, refusals: &Arc<Semaphore>) {
    let count = open.count();
    let mut drained = pin!(tokio::time::timeout(within, open.shutdown()));
    loop {
        tokio::select! {
            ended = &mut drained => {
                if ended.is_err() {
                    tracing::warn!("some of {count} connections were cut after {} s", within.as_secs());
                }
                return;
            }
            accepted = listener.accept() => {
                if let Some((stream, _)) = taken(accepted).await {
                    refuse(stream, STOPPING, refusals);
                }
            }
        }
    }
}

/// Says "503 Service Unavailable" without reading more than is there, and hangs up.
fn refuse(mut stream: TcpStream, why: &'static str, refusals: &Arc<Semaphore>) {
    let Ok(place) = refusals.clone().try_acquire_owned() else { return };
    tokio::spawn(async move {
        let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\nRetry-After: 5\r\nConnection: close";
        let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{why}", why.len());
        let tell = async {
            stream.write_all(answer.as_bytes()).await?;
            stream.shutdown().await?;
            // Hanging up on a request that was not read would take the answer with it.
            let mut rest = [0; 1024];
            while stream.read(&mut rest).await? > 0 {}
            io::Result::Ok(())
        };
        let _ = tokio::time::timeout(REFUSED_WITHIN, tell).await;
        drop(place);
    });
}

/// A connection that is given up when its other side takes nothing for a while.
struct Patient {
    stream: TcpStream,
    within: Duration,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(stream: TcpStream, within: Duration) -> Self {
        Self { stream, within, stalled: None }
    }

    /// `written` as it is, or the end of our patience.
    fn bounded(&mut self, written: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let within = self.within;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.bounded(written, cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.bounded(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
