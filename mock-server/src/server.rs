//! Sockets: accepting, keeping alive, and breaking connections in the ways a fault asks for.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Sleep;

use crate::answer::Answer;
use crate::exchange::{self, Ending};
use crate::state::State;

type Payload = UnsyncBoxBody<Bytes, io::Error>;

/// Serves until told to stop, then breaks what is open.
pub async fn serve(listener: TcpListener, state: Arc<State>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = told(&mut stopped) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(connection(stream, Arc::clone(&state))); }
                // Out of descriptors: the ones who hold them must get a turn to let go.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    connections.shutdown().await;
}

/// Returns when the server is to stop; also when nobody is left who could say so.
pub async fn told(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn connection(stream: TcpStream, state: Arc<State>) {
    // Small answers must not wait for the caller's delayed acknowledgment.
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let stream = Breakable { stream, reset: Arc::clone(&reset) };
    let service = service_fn(move |request: Request<Incoming>| {
        let (state, reset) = (Arc::clone(&state), Arc::clone(&reset));
        async move {
            match exchange::exchange(&state, request).await {
                Ending::Answer(answer) => Ok(response(&answer)),
                Ending::HalfAnswer(answer) => Ok(half_response(&answer)),
                Ending::Cut => {
                    reset.store(true, Ordering::Relaxed);
                    Err(io::Error::other("a fault cuts the connection"))
                }
                Ending::Hang => std::future::pending().await,
            }
        }
    });
    // An error here is the caller's leaving or our own cut; both are in the ledger.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn response(answer: &Answer) -> Response<Payload> {
    let body = Full::new(answer.body.clone()).map_err(|never: Infallible| match never {}).boxed_unsync();
    with_head(answer, body)
}

fn half_response(answer: &Answer) -> Response<Payload> {
    let half = answer.body.slice(..answer.body.len() / 2);
    let body = HalfBody { half: Some(half), promised: answer.body.len() as u64, wait: None };
    with_head(answer, body.boxed_unsync())
}

fn with_head(answer: &Answer, body: Payload) -> Response<Payload> {
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    for (name, value) in &answer.headers {
        response.headers_mut().append(name, value.clone());
    }
    response
}

/// Promises the whole length, sends half of it and breaks off.
struct HalfBody {
    half: Option<Bytes>,
    promised: u64,
    wait: Option<Pin<Box<Sleep>>>,
}

impl Body for HalfBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if let Some(half) = this.half.take() {
            // hyper drops unsent bytes when a body fails; the pause lets it flush them.
            this.wait = Some(Box::pin(tokio::time::sleep(Duration::from_millis(20))));
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if let Some(wait) = &mut this.wait {
            ready!(wait.as_mut().poll(cx));
        }
        Poll::Ready(Some(Err(io::Error::other("a fault cuts the body"))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.promised)
    }
}

/// A stream that can end with a reset instead of a goodbye.
struct Breakable {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Breakable {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Breakable {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Breakable {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.reset.load(Ordering::Relaxed) {
            // A goodbye would tell the caller that the answer was meant to be empty.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
