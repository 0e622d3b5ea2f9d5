//! The clocks of one connection. Whoever is slower than the limits allow is cut, and not waited for.
//!
//! Everything that happens on a connection leaves a mark here, with the time of a clock that the thread moves on a few
//! times a second: a mark costs an atomic store, and no call to the system. One timer per connection looks at the marks.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Limits;
use crate::crm::upstream::flow::{BodyError, Flow};

/// Milliseconds since the thread began, as of its last tick; never 0.
#[derive(Clone, Debug)]
pub(super) struct Coarse(Arc<AtomicU64>);

impl Coarse {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1)))
    }

    /// Moves on until it is dropped.
    pub(super) async fn run(self, tick: Duration) {
        let begun = tokio::time::Instant::now();
        let mut ticks = tokio::time::interval(tick);
        loop {
            ticks.tick().await;
            self.0.store(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1), Relaxed);
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

const WAITING: u8 = 0;
const HEAD: u8 = 1;
const SERVING: u8 = 2;

/// The marks of one connection.
#[derive(Debug)]
pub(super) struct Pulse {
    clock: Coarse,
    limits: Limits,
    phase: AtomicU8,
    /// Since when the phase lasts.
    since: AtomicU64,
    asked_before: AtomicBool,
    /// Since when a byte waits for the client to take it; 0: none does.
    writing_since: AtomicU64,
    /// Since when we wait for a byte of a body; 0: we do not.
    body_since: AtomicU64,
    /// Since when the client waits for a byte of an answer that has begun; 0: it does not.
    answer_since: AtomicU64,
    /// How long we have waited for this body before that, in all.
    body_waited: AtomicU64,
    body_bytes: AtomicU64,
    body_broke: AtomicBool,
    /// What came since the last request was begun: hyper leaves a length that it overrules out of the headers.
    head: Mutex<Vec<u8>>,
}

/// Of a head, this much is kept.
const HEAD_KEPT: usize = 64 << 10;

impl Pulse {
    pub(super) fn new(clock: Coarse, limits: Limits) -> Self {
        let now = clock.now();
        Self {
            clock,
            limits,
            phase: AtomicU8::new(WAITING),
            since: AtomicU64::new(now),
            asked_before: AtomicBool::new(false),
            writing_since: AtomicU64::new(0),
            body_since: AtomicU64::new(0),
            answer_since: AtomicU64::new(0),
            body_waited: AtomicU64::new(0),
            body_bytes: AtomicU64::new(0),
            body_broke: AtomicBool::new(false),
            head: Mutex::default(),
        }
    }

    /// A request has begun to be served. `chunked`: whether it says so; then the answer is whether its head told a
    /// length as well.
    pub(super) fn begin(&self, chunked: bool) -> bool {
        self.phase.store(SERVING, Relaxed);
        self.body_waited.store(0, Relaxed);
        self.body_bytes.store(0, Relaxed);
        self.body_broke.store(false, Relaxed);
        let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        let both = chunked && tells_a_length(&head);
        head.clear();
        both
    }

    /// Its answer has been handed over.
    fn end(&self) {
        self.asked_before.store(true, Relaxed);
        self.since.store(self.clock.now(), Relaxed);
        self.phase.store(WAITING, Relaxed);
    }

    /// Whether the body of the request being served broke off or was no body.
    pub(super) fn body_broke(&self) -> bool {
        self.body_broke.load(Relaxed)
    }

    /// Which limit has been passed, in one word.
    pub(super) fn overdue(&self) -> Option<&'static str> {
        let now = self.clock.now();
        let longer = |since: u64, limit: Duration| u128::from(now.saturating_sub(since)) > limit.as_millis();
        let since = self.since.load(Relaxed);
        match self.phase.load(Relaxed) {
            WAITING if self.asked_before.load(Relaxed) && longer(since, self.limits.keep_alive) => return Some("idle"),
            WAITING if !self.asked_before.load(Relaxed) && longer(since, self.limits.head) => return Some("head"),
            HEAD if longer(since, self.limits.head) => return Some("head"),
            _ => {}
        }
        let writing = self.writing_since.load(Relaxed);
        if writing != 0 && longer(writing, self.limits.write_idle) {
            return Some("write");
        }
        let answer = self.answer_since.load(Relaxed);
        if answer != 0 && longer(answer, self.limits.answer_idle) {
            return Some("answer");
        }
        let body = self.body_since.load(Relaxed);
        if body != 0 {
            if longer(body, self.limits.body_idle) {
                return Some("body");
            }
            let waited = self.body_waited.load(Relaxed) + now.saturating_sub(body);
            let owed = u128::from(waited) * u128::from(self.limits.body_rate) / 1000;
            let patience = self.limits.body_idle.as_millis();
            if u128::from(waited) > patience && u128::from(self.body_bytes.load(Relaxed)) < owed {
                return Some("body_rate");
            }
        }
        None
    }

    fn heard(&self, bytes: &[u8]) {
        match self.phase.load(Relaxed) {
            SERVING => return,
            WAITING => {
                self.since.store(self.clock.now(), Relaxed);
                self.phase.store(HEAD, Relaxed);
            }
            _ => {}
        }
        let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        let room = HEAD_KEPT.saturating_sub(head.len());
        head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn write_waits(&self) {
        if self.writing_since.load(Relaxed) == 0 {
            self.writing_since.store(self.clock.now(), Relaxed);
        }
    }

    fn write_moves(&self) {
        self.writing_since.store(0, Relaxed);
    }

    /// How patient this connection is.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    fn answer_waits(&self) {
        if self.answer_since.load(Relaxed) == 0 {
            self.answer_since.store(self.clock.now(), Relaxed);
        }
    }

    fn answer_moves(&self) {
        self.answer_since.store(0, Relaxed);
    }

    fn body_waits(&self) {
        if self.body_since.load(Relaxed) == 0 {
            self.body_since.store(self.clock.now(), Relaxed);
        }
    }

    fn body_moves(&self, bytes: u64) {
        let since = self.body_since.swap(0, Relaxed);
        if since != 0 {
            self.body_waited.fetch_add(self.clock.now().saturating_sub(since), Relaxed);
        }
        self.body_bytes.fetch_add(bytes, Relaxed);
    }
}

/// Whether a head has a `Content-Length`. It may begin with the end of something else, and have a body after it.
fn tells_a_length(head: &[u8]) -> bool {
    let end = head.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap_or(head.len());
    head[..end].split(|byte| *byte == b'\n').any(|line| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        name.eq_ignore_ascii_case(b"content-length")
    })
}

/// A socket that leaves marks.
#[derive(Debug)]
pub(super) struct Marked<S> {
    pub(super) stream: S,
    pub(super) pulse: Arc<Pulse>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Marked<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut this.stream).poll_read(cx, buf));
        if buf.filled().len() > before {
            this.pulse.heard(&buf.filled()[before..]);
        }
        Poll::Ready(read)
    }
}

impl<S> Marked<S> {
    fn wrote<T>(&self, wrote: Poll<T>) -> Poll<T> {
        if wrote.is_pending() {
            self.pulse.write_waits();
        } else {
            self.pulse.write_moves();
        }
        wrote
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Marked<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.wrote(wrote)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.stream).poll_write_vectored(cx, bytes);
        this.wrote(wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Under TLS what was taken may still wait in its buffer.
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        this.wrote(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// The body of a request, watched.
#[derive(Debug)]
pub(super) struct Brought {
    pub(super) body: Incoming,
    pub(super) pulse: Arc<Pulse>,
}

impl Body for Brought {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        match &polled {
            Poll::Pending => this.pulse.body_waits(),
            Poll::Ready(Some(Ok(frame))) => this.pulse.body_moves(frame.data_ref().map_or(0, |data| data.len() as u64)),
            Poll::Ready(Some(Err(_))) => {
                this.pulse.body_broke.store(true, Relaxed);
                this.pulse.body_moves(0);
            }
            Poll::Ready(None) => this.pulse.body_moves(0),
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Brought {
    fn drop(&mut self) {
        // Nobody waits for it any more.
        self.pulse.body_moves(0);
    }
}

/// The body of an answer; when it is gone, the connection waits for the next request.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) body: Flow,
    pub(super) pulse: Arc<Pulse>,
}

impl Body for Answered {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        match polled {
            Poll::Pending => this.pulse.answer_waits(),
            Poll::Ready(_) => this.pulse.answer_moves(),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.pulse.answer_moves();
        self.pulse.end();
    }
}
