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
    let lower: Vec<String> = path.iter().map(|word| word.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    // Whatever is not plainly the documented API may be one of its pages to a server that forgives more than we know
    // (`/contacts/detail%20/5`, `/ajax./…`).
    if matches!(*head.method, Method::GET | Method::HEAD) && !lower.starts_with(&["api", "v4"]) {
        // PHP reads $_REQUEST: a page's own delete would also work by GET, with its ids in the query.
        let query = head.query.unwrap_or_default();
        if query.split('&').any(|pair| says::in_bytes(pair.as_bytes())) || is_delete(&lower) {
            return refuse("a delete sent by GET is not read: send it as POST with its ids in the body");
        }
    }
    // A server that forgives more than we know may find such a page under another name (`/ajax./…`), and nobody knows the
    // whole of what it might decode.
    let (deletes, is_odd) = (says::in_path(&lower), !is_plain(&path));
    if head.method.is_safe()
        && (deletes || is_odd)
        && (deletes && is_odd || head.query.is_some_and(|query| says::reserved(query.split('&'))))
    {
        return refuse(
            "a read of an odd path or of a page that deletes could be taken for a delete: write the path without encoded \
             characters, and no ids or action in the query",
        );
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
        // Where the same path with DELETE destroys something, the body is read for a verb of its own.
        let deletes = signatures::find(&Method::DELETE, &path).is_some();
        return if deletes { Triage::Buffer(BATCH) } else { Triage::Stream };
    }
    let deletes = |method| signatures::find(method, &lower).is_some();
    if lower != path && (deletes(head.method) || deletes(&Method::DELETE) || is_private(&lower)) {
        return refuse("this path is known in lower case only: write it so");
    }
    if !is_plain(&path) || path.iter().any(|word| word.ends_with('.')) {
        return refuse(
            "a path that is not known has characters that servers drop or turn: write it with plain letters",
        );
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

/// Whether no letter of it can be read in two ways.
fn is_plain(path: &[&str]) -> bool {
    path.iter().all(|word| says::is_plain(word))
}

fn is_delete(path: &[&str]) -> bool {
    path.last().is_some_and(|word| word.starts_with("delete"))
}

fn refuse(reason: &str) -> Triage {
    Triage::Refuse(reason.to_owned())
}
