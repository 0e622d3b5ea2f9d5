//! Words that say "delete", wherever they stand. Used twice: on routes nobody knows, where any of them stops a request,
//! and on known ones, where no more of them may stand than were read.

use super::tree::{Node, Tree};
use crate::domain::spelling::{decoded, letters};

/// Properties of records that only sound like it.
const HARMLESS: [&str; 4] = ["can_be_deleted", "deleted_at", "deleted_by", "is_deletable"];
/// Names by which the web pages and v2 take a delete; in a query, or behind JSON, they would be a second source.
const RESERVED: [&str; 6] = ["id", "ids", "action", "request", "delete", "_method"];

/// How many places of the body say so, in keys and in values: for routes whose bodies are commands.
pub fn count(tree: &Tree) -> usize {
    match &tree.node {
        Node::List(items) => items.iter().map(count).sum(),
        Node::Map(entries) => entries.iter().map(|(key, value)| entry_says(key, value) + count(value)).sum(),
        Node::Text(text) => usize::from(text_says(text)),
        _ => 0,
    }
}

/// The same in keys only: for bodies that are records, whose values are anybody's words.
pub fn count_keys(tree: &Tree) -> usize {
    match &tree.node {
        Node::List(items) => items.iter().map(count_keys).sum(),
        Node::Map(entries) => entries.iter().map(|(key, value)| entry_says(key, value) + count_keys(value)).sum(),
        _ => 0,
    }
}

fn entry_says(key: &str, value: &Tree) -> usize {
    let key = letters(key);
    if HARMLESS.contains(&key.as_str()) {
        return 0;
    }
    if key == "is_deleted" {
        // An echo of the record as it was read.
        let no = matches!(value.node, Node::Null | Node::Bool(false)) || matches!(value.scalar(), Some("" | "0"));
        return usize::from(!no);
    }
    usize::from(key == "_method" || key.contains("delete") || key.contains("unlink"))
}

fn text_says(text: &str) -> bool {
    let lower = text.trim().to_ascii_lowercase();
    // What stands around the word may be dropped on the way: a zero byte, a quote, a semicolon.
    let lower = if lower.starts_with(['{', '[']) {
        lower.as_str()
    } else {
        lower.trim_matches(|char: char| !char.is_ascii_alphanumeric())
    };
    let action = lower == "delete" || lower.ends_with("_delete") || lower == "unlink" || lower.ends_with("_unlink");
    // JSON in a text.
    action || (lower.starts_with(['{', '[']) && (lower.contains("delete") || lower.contains("unlink")))
}

/// Whether bytes that cannot be read hold such a word, as they are or decoded.
pub fn in_bytes(body: &[u8]) -> bool {
    let holds = |text: &str| {
        let lower = text.to_ascii_lowercase();
        lower.contains("delete") || lower.contains("unlink")
    };
    let text = String::from_utf8_lossy(body);
    holds(&text) || decoded(&text).is_none_or(|text| holds(&text))
}

/// Whether a body names a verb of its own, in any reading: as it is, percent-decoded, or escaped as in JSON.
pub fn names_method(body: &[u8]) -> bool {
    let holds = |text: &str| text.to_ascii_lowercase().contains("_method");
    let text = String::from_utf8_lossy(body);
    // JSON's escapes of the letters and of the underscore, as percent signs.
    let escaped = text.replace("\\u00", "%");
    holds(&text) || decoded(&escaped).is_none_or(|text| holds(&text))
}

/// Whether a word of a path says so.
pub fn in_path(path: &[&str]) -> bool {
    path.iter().any(|word| {
        let word = word.to_ascii_lowercase();
        ["delete", "unlink", "remove", "merge", "decline", "multiaction"].iter().any(|says| word.contains(says))
    })
}

/// Whether one of these `&`-separated pairs has a name by which a private route would take ids or an action, in any
/// reading of it.
pub fn reserved<'a>(mut pairs: impl Iterator<Item = &'a str>) -> bool {
    pairs.any(|pair| {
        // Decoded, it may hold more than one.
        decoded(pair).is_none_or(|decoded| decoded.split(['&', ';']).any(|pair| is_reserved(name_of(pair))))
    })
}

/// Whether a body has such a name anywhere.
pub fn has_reserved(tree: &Tree) -> bool {
    let entries = tree.entries().iter();
    let listed = if let Node::List(items) = &tree.node { items.as_slice() } else { &[] };
    entries.clone().any(|(name, _)| is_reserved(name)) || entries.map(|(_, tree)| tree).chain(listed).any(has_reserved)
}

/// Whether a query can be read in one way only, and has nothing by which a private route would take ids or an action.
pub fn is_plain_query(query: &str) -> bool {
    query.split('&').all(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let is_one = decoded(value).is_some_and(|value| !value.contains(['&', ';', '[']));
        is_plain(name) && !is_reserved(name) && is_one
    })
}

/// Whether a name is written with letters that nobody drops or turns.
pub fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn name_of(pair: &str) -> &str {
    &pair[..pair.find(['=', '[']).unwrap_or(pair.len())]
}

fn is_reserved(name: &str) -> bool {
    let name = letters(name);
    RESERVED.contains(&name.as_str()) || name.contains("delete")
}
