//! Answers whose links must lead back through the gateway: headers, and JSON bodies, also compressed ones.
//!
//! A short body of known length is looked at whole, and passes byte for byte when there is nothing to do. A long one
//! streams: then its length is no longer known in advance.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{DeflateDecoder, DeflateEncoder, GzEncoder, MultiGzDecoder, ZlibDecoder, ZlibEncoder};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame};

use super::links::{Address, Rewriter};
use crate::crm::upstream::flow::{self, BodyError, Flow};

/// Bodies up to this length are looked at whole.
const SHORT: u64 = 64 << 10;
/// Of a compressed piece, this much is unpacked at a time, so that a bomb is never whole in memory.
const BITE: usize = 4 << 10;

/// Leaves to `Accept-Encoding` only what can be unpacked here. Adds nothing.
pub(super) fn accept_what_can_be_read(headers: &mut HeaderMap) {
    let mut values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let readable = |coding: &str| {
        let name = coding.split(';').next().unwrap_or_default().trim();
        ["gzip", "x-gzip", "deflate", "identity", ""].iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    if values.all(|value| value.to_str().is_ok_and(|value| value.split(',').all(readable))) {
        return;
    }
    let kept: Vec<String> = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|coding| coding.trim().to_owned())
        .filter(|coding| !coding.is_empty() && readable(coding))
        .collect();
    let kept = if kept.is_empty() { "identity".to_owned() } else { kept.join(", ") };
    let kept = HeaderValue::try_from(kept).expect("parts of a header value are one");
    headers.insert(header::ACCEPT_ENCODING, kept);
}

/// The answer with `other` in place of the CRM's address. `has_body`: false for an answer to `HEAD`.
pub(super) async fn relink(
    response: Response<Flow>,
    address: &Arc<Address>,
    other: &str,
    has_body: bool,
) -> Result<Response<Flow>, flow::Unread> {
    let (mut head, body) = response.into_parts();
    relink_headers(&mut head.headers, address, other);
    if !is_json(&head.headers)
        || head.status == StatusCode::PARTIAL_CONTENT
        || head.headers.contains_key(header::CONTENT_RANGE)
    {
        return Ok(Response::from_parts(head, body));
    }
    if !has_body {
        // The length of a body that may come out longer or shorter cannot be told.
        head.headers.remove(header::CONTENT_LENGTH);
        return Ok(Response::from_parts(head, body));
    }
    let Some(coding) = coding(&head.headers) else { return Ok(Response::from_parts(head, body)) };
    if body.is_end_stream() {
        return Ok(Response::from_parts(head, body));
    }
    let rewriter = Rewriter::new(Arc::clone(address), other);
    match body.size_hint().exact() {
        Some(length) if length <= SHORT => {
            let bytes = flow::collect(body, usize::try_from(SHORT).unwrap_or(usize::MAX)).await?;
            let mut recoder = Recoder::new(coding, rewriter);
            // A body that cannot be unpacked is the CRM's own doing: it passes as it came.
            let body = match recoder.whole(bytes.clone()) {
                Ok(changed) if recoder.rewriter.changed() => {
                    altered(&mut head.headers);
                    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(changed.len()));
                    changed
                }
                _ => bytes,
            };
            Ok(Response::from_parts(head, Flow::whole(body)))
        }
        _ => {
            altered(&mut head.headers);
            head.headers.remove(header::CONTENT_LENGTH);
            let recoder = Recoder::new(coding, rewriter);
            let body = Relinked { body, recoder, over: false };
            Ok(Response::from_parts(head, Flow::boxed(body)))
        }
    }
}

/// What no longer holds for a body that is not the CRM's own byte for byte.
fn altered(headers: &mut HeaderMap) {
    if let Some(tag) = headers.get(header::ETAG)
        && tag.as_bytes().starts_with(b"\"")
    {
        let weak = [b"W/", tag.as_bytes()].concat();
        let weak = HeaderValue::from_bytes(&weak).expect("a header value with ASCII before it is one");
        headers.insert(header::ETAG, weak);
    }
    for name in ["content-md5", "digest", "content-digest", "repr-digest", "accept-ranges"] {
        headers.remove(name);
    }
}

fn relink_headers(headers: &mut HeaderMap, address: &Address, other: &str) {
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let told = headers.get(&name).and_then(|value| value.to_str().ok());
        let told = told.and_then(|value| address.replace_start(value, other));
        if let Some(told) = told.and_then(|told| HeaderValue::try_from(told).ok()) {
            headers.insert(name, told);
        }
    }
    if let header::Entry::Occupied(mut links) = headers.entry(header::LINK) {
        for link in links.iter_mut() {
            let told = link.to_str().ok().and_then(|value| address.replace_targets(value, other));
            if let Some(told) = told.and_then(|told| HeaderValue::try_from(told).ok()) {
                *link = told;
            }
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim();
    let ends = |tail: &str| {
        essence.len() >= tail.len()
            && essence.as_bytes()[essence.len() - tail.len()..].eq_ignore_ascii_case(tail.as_bytes())
    };
    ends("/json") || ends("+json")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
    Deflate,
}

/// `None`: it cannot be unpacked here.
fn coding(headers: &HeaderMap) -> Option<Coding> {
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    let Some(value) = values.next() else { return Some(Coding::Identity) };
    if values.next().is_some() {
        return None;
    }
    match value.to_str().ok()?.trim().to_ascii_lowercase().as_str() {
        "identity" | "" => Some(Coding::Identity),
        "gzip" | "x-gzip" => Some(Coding::Gzip),
        "deflate" => Some(Coding::Deflate),
        _ => None,
    }
}

/// Unpacks, rewrites, packs again, in pieces.
struct Recoder {
    coding: Coding,
    rewriter: Rewriter,
    packer: Option<(Unpack, Pack)>,
}

enum Unpack {
    Gzip(MultiGzDecoder<Vec<u8>>),
    Zlib(ZlibDecoder<Vec<u8>>),
    Raw(DeflateDecoder<Vec<u8>>),
}

enum Pack {
    Gzip(GzEncoder<Vec<u8>>),
    Zlib(ZlibEncoder<Vec<u8>>),
    Raw(DeflateEncoder<Vec<u8>>),
}

impl Recoder {
    fn new(coding: Coding, rewriter: Rewriter) -> Self {
        Self { coding, rewriter, packer: None }
    }

    fn whole(&mut self, bytes: Bytes) -> io::Result<Bytes> {
        let begin = self.push(bytes)?;
        let end = self.finish()?;
        Ok(if end.is_empty() { begin } else { [begin, end].concat().into() })
    }

    fn push(&mut self, piece: Bytes) -> io::Result<Bytes> {
        if self.coding == Coding::Identity {
            return Ok(self.rewriter.push(piece));
        }
        if piece.is_empty() {
            return Ok(piece);
        }
        let (unpack, pack) = self.packer.get_or_insert_with(|| packer(self.coding, &piece));
        for bite in piece.chunks(BITE) {
            unpack.write(bite)?;
            pack.write(&self.rewriter.push(unpack.taken()))?;
        }
        Ok(pack.taken())
    }

    fn finish(&mut self) -> io::Result<Bytes> {
        let Some((mut unpack, mut pack)) = self.packer.take() else { return Ok(self.rewriter.finish()) };
        unpack.finish()?;
        pack.write(&self.rewriter.push(unpack.taken()))?;
        pack.write(&self.rewriter.finish())?;
        pack.finish()
    }
}

fn packer(coding: Coding, begin: &[u8]) -> (Unpack, Pack) {
    let level = Compression::fast();
    if coding == Coding::Gzip {
        return (Unpack::Gzip(MultiGzDecoder::new(Vec::new())), Pack::Gzip(GzEncoder::new(Vec::new(), level)));
    }
    // `deflate` means zlib, and some servers send it bare.
    if begin[0] & 0x0f == 8 && begin.get(1).is_none_or(|b| (u16::from(begin[0]) << 8 | u16::from(*b)) % 31 == 0) {
        (Unpack::Zlib(ZlibDecoder::new(Vec::new())), Pack::Zlib(ZlibEncoder::new(Vec::new(), level)))
    } else {
        (Unpack::Raw(DeflateDecoder::new(Vec::new())), Pack::Raw(DeflateEncoder::new(Vec::new(), level)))
    }
}

impl Unpack {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(inner) => inner.write_all(bytes),
            Self::Zlib(inner) => inner.write_all(bytes),
            Self::Raw(inner) => inner.write_all(bytes),
        }
    }

    fn taken(&mut self) -> Bytes {
        let out = match self {
            Self::Gzip(inner) => inner.get_mut(),
            Self::Zlib(inner) => inner.get_mut(),
            Self::Raw(inner) => inner.get_mut(),
        };
        Bytes::from(std::mem::take(out))
    }

    fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(inner) => inner.try_finish(),
            Self::Zlib(inner) => inner.try_finish(),
            Self::Raw(inner) => inner.try_finish(),
        }
    }
}

impl Pack {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(inner) => inner.write_all(bytes),
            Self::Zlib(inner) => inner.write_all(bytes),
            Self::Raw(inner) => inner.write_all(bytes),
        }
    }

    fn taken(&mut self) -> Bytes {
        let out = match self {
            Self::Gzip(inner) => inner.get_mut(),
            Self::Zlib(inner) => inner.get_mut(),
            Self::Raw(inner) => inner.get_mut(),
        };
        Bytes::from(std::mem::take(out))
    }

    fn finish(self) -> io::Result<Bytes> {
        Ok(Bytes::from(match self {
            Self::Gzip(inner) => inner.finish()?,
            Self::Zlib(inner) => inner.finish()?,
            Self::Raw(inner) => inner.finish()?,
        }))
    }
}

/// A long body on its way.
struct Relinked {
    body: Flow,
    recoder: Recoder,
    over: bool,
}

impl Body for Relinked {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        loop {
            if this.over {
                return Poll::Ready(None);
            }
            let out = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.recoder.push(data),
                    Err(_) => continue,
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    this.over = true;
                    this.recoder.finish()
                }
            };
            match out {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
        }
    }
}

#[cfg(test)]
mod tests;
