//! A connection in memory: what one side writes the other reads, and either can end it politely or tear it. The worker's side stops dead with its worker.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::scene::Scene;

#[derive(Default)]
struct Wire {
    up: VecDeque<u8>,
    down: VecDeque<u8>,
    /// How much the worker has read, ever, and how much was written to it.
    read: usize,
    written: usize,
    /// The worker's side is gone; the relay's side is closed; both are torn.
    left: bool,
    closed: bool,
    torn: bool,
    worker: Option<Waker>,
    relay: Option<Waker>,
}

/// Both ends' common ground.
#[derive(Clone, Default)]
pub struct Line(Arc<Mutex<Wire>>);

/// The most the worker can have written and the relay not read.
const ROOM: usize = 4096;

impl Line {
    fn lock(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().unwrap()
    }

    /// The worker's end.
    pub fn end(&self, scene: &Scene, worker: usize) -> WorkerEnd {
        WorkerEnd { line: self.clone(), scene: scene.clone(), worker }
    }

    /// The relay reads what there is, waiting for some; nothing at the end.
    pub async fn read(&self) -> Vec<u8> {
        poll_fn(|cx| {
            let mut wire = self.lock();
            if wire.torn || (wire.up.is_empty() && wire.left) {
                return Poll::Ready(Vec::new());
            }
            if wire.up.is_empty() {
                wire.relay = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let bytes = wire.up.drain(..).collect();
            wake(&mut wire.worker);
            Poll::Ready(bytes)
        })
        .await
    }

    /// The relay answers. Gives the mark up to which the worker must read to have had it all.
    pub fn say(&self, bytes: &[u8]) -> usize {
        let mut wire = self.lock();
        wire.down.extend(bytes);
        wire.written += bytes.len();
        wake(&mut wire.worker);
        wire.written
    }

    /// Whether the worker has read up to `mark`.
    pub fn had(&self, mark: usize) -> bool {
        self.lock().read >= mark
    }

    /// The relay ends it: politely, or torn with all that was not read.
    pub fn end_it(&self, torn: bool) {
        let mut wire = self.lock();
        wire.closed = true;
        if torn {
            wire.torn = true;
            wire.down.clear();
        }
        wake(&mut wire.worker);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// What the worker holds.
pub struct WorkerEnd {
    line: Line,
    scene: Scene,
    worker: usize,
}

impl AsyncRead for WorkerEnd {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if !self.scene.may_act(self.worker, cx) {
            return Poll::Pending;
        }
        let mut wire = self.line.lock();
        if wire.torn {
            return Poll::Ready(Err(Error::from(ErrorKind::ConnectionReset)));
        }
        if wire.down.is_empty() && !wire.closed {
            wire.worker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = buffer.remaining().min(wire.down.len());
        let bytes: Vec<u8> = wire.down.drain(..count).collect();
        wire.read += count;
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WorkerEnd {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        // A worker that dies in the middle of a write has written some of it.
        let some = self.scene.last_words(self.worker, bytes.len());
        if some.is_none() && !self.scene.may_act(self.worker, cx) {
            return Poll::Pending;
        }
        let mut wire = self.line.lock();
        if wire.torn {
            return Poll::Ready(Err(Error::from(ErrorKind::ConnectionReset)));
        }
        // What is sent to a closed side is taken and tears the line, as TCP has it.
        if wire.closed {
            wire.torn = true;
            wire.down.clear();
            return Poll::Ready(Ok(bytes.len()));
        }
        let count = some.unwrap_or(bytes.len()).min(ROOM.saturating_sub(wire.up.len()));
        if count == 0 && !bytes.is_empty() {
            wire.worker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        wire.up.extend(&bytes[..count]);
        wake(&mut wire.relay);
        if some.is_some() { Poll::Pending } else { Poll::Ready(Ok(count)) }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        let mut wire = self.line.lock();
        wire.left = true;
        wake(&mut wire.relay);
        Poll::Ready(Ok(()))
    }
}

impl Drop for WorkerEnd {
    fn drop(&mut self) {
        let mut wire = self.line.lock();
        wire.left = true;
        wake(&mut wire.relay);
    }
}
