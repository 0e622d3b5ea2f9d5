//! The records a request names in path, query and body, each with the place of its digits.

use std::ops::Range;

use super::super::wire::numeric_id;
use super::pattern::{self, ENTITIES};
use super::private::object_of;
use super::signatures::{self, Kind, Reads};
use super::tree::{self, Node, Tree};
use super::{form, ids};
use crate::crm::Head;
use crate::domain::record::RecordRef;

/// Where an id stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Path,
    Query,
    Body,
}

/// A record and the bytes of its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub record: RecordRef,
    pub place: Place,
    pub span: Range<usize>,
}

/// Only the records, without repeats.
pub fn records(named: Vec<Named>) -> Vec<RecordRef> {
    let mut seen = std::collections::HashSet::new();
    named.into_iter().map(|named| named.record).filter(|record| seen.insert(record.clone())).collect()
}

/// Collects names.
struct Found {
    place: Place,
    named: Vec<Named>,
}

impl Found {
    fn leaf(&mut self, object: &str, leaf: &Tree) {
        if let Some(id) = leaf.scalar().filter(|id| numeric_id(id).is_some()) {
            let record = RecordRef::new(object, id);
            self.named.push(Named { record, place: self.place, span: leaf.span.clone() });
        }
    }

    fn list(&mut self, object: &str, tree: Option<&Tree>) {
        for leaf in tree.and_then(ids::leaves).unwrap_or_default() {
            self.leaf(object, leaf);
        }
    }
}

/// What path and query name.
pub fn in_head(head: &Head<'_>) -> Vec<Named> {
    let mut named = in_path(head.path);
    if let Some(tree) = head.query.and_then(|query| form::form(query).ok()) {
        named.extend(in_query(&pattern::words(head.path), &tree));
    }
    named
}

fn in_path(path: &str) -> Vec<Named> {
    let mut named = Vec::new();
    let words = pattern::words(path);
    let mut at = 1;
    let mut before: &[&str] = &[];
    for (index, word) in words.iter().enumerate() {
        if let Some(object) = object_before(before).filter(|_| numeric_id(word).is_some()) {
            named.push(Named { record: RecordRef::new(object, word), place: Place::Path, span: at..at + word.len() });
        }
        at += word.len() + 1;
        before = &words[..=index];
    }
    named
}

/// What kind of record an id after these words is.
fn object_before(words: &[&str]) -> Option<&'static str> {
    let card = |word: &str| ENTITIES.into_iter().find(|object| *object == word);
    match words {
        ["api", "v4", "tasks"] => Some("tasks"),
        ["api", "v4", "catalogs"] => Some("catalogs"),
        ["api", "v4", "customers", "transactions"] => Some("transactions"),
        ["api", "v4", "customers", "segments"] => Some("segments"),
        ["api", "v4", "catalogs", _, "elements"] => Some("catalog_elements"),
        ["api", "v4", object, "notes"] | ["api", "v4", object, _, "notes"] if card(object).is_some() => Some("notes"),
        ["api", "v4", object] | [object, "detail"] => card(object),
        _ => None,
    }
}

/// The kind of record a path lists, or is one of.
fn listed(path: &[&str]) -> Option<&'static str> {
    let (last, above) = path.split_last()?;
    if numeric_id(last).is_some() { object_before(above) } else { object_before(path) }
}

fn in_query(path: &[&str], query: &Tree) -> Vec<Named> {
    let mut found = Found { place: Place::Query, named: Vec::new() };
    let Some(filter) = query.get("filter") else {
        if path == ["api", "v4", "contacts", "chats"] {
            found.list("contacts", query.get("contact_id"));
        }
        return found.named;
    };
    let said = |key: &str| filter.get(key).and_then(first_word).and_then(object_word);
    if let Some(object) = listed(path) {
        found.list(object, filter.get("id"));
    }
    let of_path = path.get(2).and_then(|word| object_word(word));
    if let Some(object) = said("entity_type").or_else(|| said("entity")).or(of_path).filter(|word| *word != "tasks") {
        found.list(object, filter.get("entity_id"));
    }
    if let Some(object) = said("to_entity_type") {
        found.list(object, filter.get("to_entity_id"));
    }
    found.named
}

fn first_word(tree: &Tree) -> Option<&str> {
    tree.scalar().or_else(|| tree.items()?.first().and_then(|item| item.scalar()))
}

/// A kind of record as amoCRM writes it: in the plural, and in events in the singular.
fn object_word(word: &str) -> Option<&'static str> {
    match word {
        "leads" | "lead" => Some("leads"),
        "contacts" | "contact" => Some("contacts"),
        "companies" | "company" => Some("companies"),
        "customers" | "customer" => Some("customers"),
        "tasks" | "task" => Some("tasks"),
        "catalog_elements" => Some("catalog_elements"),
        _ => None,
    }
}

/// What the body names.
pub fn in_body(head: &Head<'_>, body: &[u8]) -> Vec<Named> {
    let Ok(text) = std::str::from_utf8(body) else { return Vec::new() };
    let path = pattern::words(head.path);
    let mut found = Found { place: Place::Body, named: Vec::new() };
    let json = text.trim_start().starts_with(['{', '[']);
    let tree = if json { tree::json(text) } else { form::form(text.trim_end_matches(['\r', '\n'])) };
    let Ok(tree) = tree else { return Vec::new() };
    if let ["api", "v4", ..] = path.as_slice() {
        if json {
            v4_items(&path, &tree, &mut found);
            anywhere(&path, &tree, &mut found);
        }
    } else {
        private(head, &path, &tree, &mut found);
    }
    // One place is one name, whichever rule saw it first.
    found.named.sort_by_key(|named| named.span.start);
    found.named.dedup_by(|one, other| one.span == other.span);
    found.named
}

/// `id` of the cards themselves.
fn v4_items(path: &[&str], tree: &Tree, found: &mut Found) {
    let Some(object) = listed(path) else { return };
    match &tree.node {
        Node::List(items) => items.iter().filter_map(|item| item.get("id")).for_each(|id| found.leaf(object, id)),
        _ => tree.get("id").into_iter().for_each(|id| found.leaf(object, id)),
    }
}

/// References to records, at any depth: `entity_id`, `to_entity_id`, `_embedded.contacts`, …
fn anywhere(path: &[&str], tree: &Tree, found: &mut Found) {
    if let Node::List(items) = &tree.node {
        for item in items {
            anywhere(path, item, found);
        }
    }
    let said = |key: &str| tree.get(key).and_then(Tree::scalar).and_then(object_word);
    for (key, value) in tree.entries() {
        match key.as_str() {
            "entity_id" => {
                // Notes and links take the kind from the path where the body does not say it.
                let of_path = path.get(2).and_then(|word| object_word(word)).filter(|word| *word != "tasks");
                if let Some(object) = said("entity_type").or(of_path) {
                    found.leaf(object, value);
                }
            }
            "to_entity_id" => said("to_entity_type").into_iter().for_each(|object| found.leaf(object, value)),
            "contact_id" => found.leaf("contacts", value),
            "catalog_element_id" => found.leaf("catalog_elements", value),
            "catalog_id" => found.leaf("catalogs", value),
            "_embedded" => {
                for (word, list) in value.entries() {
                    let Some(object) = object_word(word) else { continue };
                    let items = list.items().unwrap_or_default();
                    items.iter().filter_map(|item| item.get("id")).for_each(|id| found.leaf(object, id));
                }
            }
            _ => {}
        }
        anywhere(path, value, found);
    }
}

/// The same ids that a delete on these routes is recognized by, and the parents the web pages add.
fn private(head: &Head<'_>, path: &[&str], tree: &Tree, found: &mut Found) {
    if path == ["ajax", "leads", "multiple", "change_status"] {
        found.list("leads", tree.at(&["parties", "id"]));
    }
    let Some((signature, caught)) = signatures::find(head.method, path) else { return };
    let object = |kind: Kind| match kind {
        Kind::Record(object) | Kind::SetUp(object, _) => object,
    };
    match signature.reads {
        Reads::Multiple | Reads::Detail => found.list(caught.first().copied().unwrap_or_default(), tree.get("ID")),
        Reads::Deals => found.list("leads", tree.get("ID")),
        Reads::Edit2 => {
            match tree.get("ACTION").and_then(Tree::scalar) {
                Some(word) if word.contains("TASK") => found.list("tasks", tree.get("ID")),
                Some(word) if word.contains("NOTE") => found.list("notes", tree.get("ID")),
                _ => {}
            }
            if let Some(object) = tree.get("ELEMENT_TYPE").and_then(Tree::scalar).and_then(object_of) {
                found.list(object, tree.get("ELEMENT_ID"));
            }
        }
        Reads::Set(key, kind) => found.list(object(kind), tree.at(&["request", key, "delete"])),
        Reads::V2(kind) => found.list(object(kind), tree.get("delete")),
        Reads::Multiactions => {
            for job in tree.at(&["request", "multiactions", "add"]).and_then(Tree::items).unwrap_or_default() {
                let object = job.get("entity_type").and_then(Tree::scalar).and_then(object_of);
                let lists = [job.get("ids"), job.at(&["data", "ids"]), job.at(&["data", "data", "ids"])];
                let Some(object) = object else { continue };
                for list in lists {
                    found.list(object, list);
                }
            }
        }
        _ => {}
    }
}
