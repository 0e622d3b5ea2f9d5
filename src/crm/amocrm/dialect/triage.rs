//! What the head alone decides. What is not plainly known fails closed.

use http::Method;

use super::pattern::words;
use super::signatures::{self, Reads};
use super::{words as says, writes};
use crate::crm::{Head, Triage};

/// Bodies of destructive routes.
const SMALL: usize = 1 << 20;
/// A `PATCH` of 250 cards.
const BATCH: usize = 8 << 20;

/// See [`Dialect::triage`](crate::crm::Dialect::triage).
pub fn triage(head: &Head<'_>) -> Triage {
    let path = words(head.path);
    if matches!(*head.method, Method::GET | Method::HEAD) && is_private(&path) {
        // PHP reads $_REQUEST: a page's own delete would also work by GET, with its ids in the query.
        let query = head.query.unwrap_or_default();
        if query.split('&').any(|pair| says::in_bytes(pair.as_bytes())) || is_delete(&path) {
            return refuse("a delete sent by GET is not read: send it as POST with its ids in the body");
        }
    }
    if head.method.is_safe() {
        return Triage::Stream;
    }
    if head.query.is_some_and(|query| query.to_ascii_lowercase().contains("_method")) {
        return refuse("the query names another method: send the request with the method it means");
    }
    if let Some((signature, _)) = signatures::find(head.method, &path) {
        return Triage::Buffer(if signature.reads == Reads::Cards { BATCH } else { SMALL });
    }
    if writes::known(head.method, &path) {
        return Triage::Stream;
    }
    let lower: Vec<String> = path.iter().map(|word| word.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    if lower != path && (signatures::find(head.method, &lower).is_some() || is_private(&lower)) {
        return refuse("this path is known in lower case only: write it so");
    }
    if *head.method == Method::DELETE {
        return refuse("crm-undo does not know what this DELETE would destroy");
    }
    Triage::Buffer(BATCH)
}

/// Whether it is a route of the web pages.
pub fn is_private(path: &[&str]) -> bool {
    matches!(path.first(), Some(&("ajax" | "private"))) || path.get(1) == Some(&"detail")
}

fn is_delete(path: &[&str]) -> bool {
    path.last().is_some_and(|word| word.starts_with("delete"))
}

fn refuse(reason: &str) -> Triage {
    Triage::Refuse(reason.to_owned())
}
