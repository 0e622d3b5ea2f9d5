//! Bodies on their way: whole, from a socket, or wrapped by somebody who watches them. Trailers are never passed on.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

/// Why a body broke off.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A body on its way. An enum and not a box, because most of what passes is one of the first two.
#[derive(Debug)]
pub enum Flow {
    /// In memory.
    Whole(Full<Bytes>),
    /// From a socket.
    Wire(Incoming),
    /// Wrapped.
    Boxed(UnsyncBoxBody<Bytes, BodyError>),
}

impl Flow {
    /// Of bytes in memory.
    pub fn whole(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }

    /// Nothing.
    pub fn empty() -> Self {
        Self::Whole(Full::default())
    }

    /// Of any other body.
    pub fn boxed<B>(body: B) -> Self
    where
        B: Body<Data = Bytes, Error = BodyError> + Send + 'static,
    {
        Self::Boxed(UnsyncBoxBody::new(body))
    }
}

impl Body for Flow {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Wire(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Boxed(body) => Pin::new(body).poll_frame(cx),
        };
        match frame {
            // Trailers come last, so leaving them out ends the body.
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Poll::Ready(None),
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Wire(body) => body.is_end_stream(),
            Self::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Wire(body) => body.size_hint(),
            Self::Boxed(body) => body.size_hint(),
        }
    }
}

/// A body could not be read into memory.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// Over the limit.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// It broke off.
    #[error("the body broke off: {0}")]
    Broken(BodyError),
}

/// Reads a body into memory, up to `limit` bytes.
pub async fn collect<B>(mut body: B, limit: usize) -> Result<Bytes, Unread>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
{
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|why| Unread::Broken(why.into()))?.into_data() else { continue };
        length += data.len();
        if length > limit {
            return Err(Unread::TooLarge(limit));
        }
        match &first {
            None => first = Some(data),
            Some(begin) => {
                if rest.is_empty() {
                    rest.extend_from_slice(begin);
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok(if rest.is_empty() { first.unwrap_or_default() } else { rest.freeze() })
}

/// `Retry-After` in seconds, where the answer has one.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(3600)))
}

/// Whether the answer is a web page rather than the API's own words.
pub fn is_html(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("text/html"))
}
