//! Answers whose links must lead back through the gateway: headers, and JSON bodies, also compressed ones.
//!
//! A short body of known length is looked at whole, and passes byte for byte when there is nothing to do. A long one
//! streams: then its length is no longer known in advance.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::Body;

use super::codings::Coding;
use super::links::{Address, Rewriter};
use super::recode::{self, Recoder, Relinked};
use crate::crm::upstream::flow::{self, Flow};

/// Bodies up to this length are looked at whole.
const SHORT: u64 = 64 << 10;

/// The answer with `other` in place of the CRM's address. `has_body`: false for an answer to `HEAD`.
pub(super) async fn relink(
    response: Response<Flow>,
    address: &Arc<Address>,
    other: &str,
    has_body: bool,
) -> Result<Response<Flow>, flow::Unread> {
    let (mut head, body) = response.into_parts();
    relink_headers(&mut head.headers, address, other);
    if !has_links(&head.headers)
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
    let Some(coding) = Coding::of(&head.headers) else { return Ok(Response::from_parts(head, body)) };
    if body.is_end_stream() {
        return Ok(Response::from_parts(head, body));
    }
    match body.size_hint().exact() {
        Some(length) if length <= SHORT => {
            let bytes = flow::collect(body, usize::try_from(SHORT).unwrap_or(usize::MAX)).await?;
            let body = match recode::whole(coding, address, other, &bytes) {
                Some(changed) => {
                    altered(&mut head.headers);
                    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(changed.len()));
                    changed
                }
                None => bytes,
            };
            Ok(Response::from_parts(head, Flow::whole(body)))
        }
        _ => {
            altered(&mut head.headers);
            head.headers.remove(header::CONTENT_LENGTH);
            let recoder = Recoder::new(coding, Rewriter::new(Arc::clone(address), other));
            Ok(Response::from_parts(head, Flow::boxed(Relinked::new(body, recoder))))
        }
    }
}

/// What no longer holds for a body that is not the CRM's own byte for byte.
fn altered(headers: &mut HeaderMap) {
    if let header::Entry::Occupied(mut tags) = headers.entry(header::ETAG) {
        for tag in tags.iter_mut().filter(|tag| tag.as_bytes().starts_with(b"\"")) {
            let weak = [b"W/", tag.as_bytes()].concat();
            *tag = HeaderValue::from_bytes(&weak).expect("a header value with ASCII before it is one");
        }
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

/// JSON, and streams of it.
fn has_links(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim();
    let ends = |tail: &str| {
        essence.len() >= tail.len()
            && essence.as_bytes()[essence.len() - tail.len()..].eq_ignore_ascii_case(tail.as_bytes())
    };
    ends("/json") || ends("+json") || ends("ndjson") || essence.eq_ignore_ascii_case("text/event-stream")
}

#[cfg(test)]
mod tests;
