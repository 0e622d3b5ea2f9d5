//! The body of a write that streams, read whole where it may name an old id. What is not read goes on as it came.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use super::pulse::Brought;
use crate::crm::upstream::flow::{BodyError, Flow};

/// Larger bodies are not looked into: nobody names records by hand in so many bytes.
const CAP: usize = 8 << 20;

/// A body after a look at it.
pub(super) enum Looked {
    /// It may name records.
    Whole(Bytes),
    /// It goes on as it came.
    Streams(Flow),
}

/// Reads the body if it is JSON or a form, by its type or its first byte, in plain coding and at most [`CAP`] long.
pub(super) async fn look(headers: &HeaderMap, mut body: Brought) -> Result<Looked, BodyError> {
    let said = says_text(headers);
    if body.is_end_stream() || is_coded(headers) || body.size_hint().lower() > CAP as u64 {
        return Ok(Looked::Streams(Flow::boxed(body)));
    }
    let mut before = VecDeque::new();
    let mut length = 0;
    let mut wanted = said;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let first = data.iter().find(|byte| !byte.is_ascii_whitespace()).copied();
        length += data.len();
        before.push_back(data);
        wanted = wanted.or_else(|| first.map(|byte| matches!(byte, b'{' | b'[')));
        if wanted == Some(false) || length > CAP {
            return Ok(Looked::Streams(Flow::boxed(Rejoined { before, rest: body })));
        }
    }
    Ok(Looked::Whole(match before.len() {
        0 | 1 => before.pop_front().unwrap_or_default(),
        _ => {
            let mut all = BytesMut::with_capacity(length);
            for data in &before {
                all.extend_from_slice(data);
            }
            all.freeze()
        }
    }))
}

/// `Some(true)`: JSON or a form. `None`: the first byte has to tell. Without a type a form is possible.
fn says_text(headers: &HeaderMap) -> Option<bool> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Some(true) };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (kind.ends_with("json") || kind == "application/x-www-form-urlencoded").then_some(true)
}

fn is_coded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// What was read already, then the rest.
struct Rejoined {
    before: VecDeque<Bytes>,
    rest: Brought,
}

impl Body for Rejoined {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match this.before.pop_front() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => Pin::new(&mut this.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.before.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let held: usize = self.before.iter().map(Bytes::len).sum();
        let (mut hint, held) = (self.rest.size_hint(), held as u64);
        match hint.exact() {
            Some(exact) => hint.set_exact(exact + held),
            None => hint.set_lower(hint.lower() + held),
        }
        hint
    }
}
