//! What v4 bodies take away from cards, or with them: tags, links, and `is_deleted`.

use std::collections::HashSet;

use super::super::wire::{LinkName, Tag, TagName, TagsKept, TagsPatch, numeric_id};
use super::ids::{self, V4};
use super::pattern::ENTITIES;
use super::signatures::Signature;
use super::tree::{Node, Tree};
use super::words;
use crate::domain::delete::{DeleteIntent, Effect, Selection};
use crate::domain::record::RecordRef;

/// A `PATCH` of one card or of many. `caught`: the kind, and the id where the path has one.
pub fn patch(caught: &[&str], tree: Option<&Tree>) -> Result<Option<DeleteIntent>, String> {
    let Some(tree) = tree else { return Ok(None) };
    if words::count_keys(tree) == 0 && !has_tags(tree) {
        return Ok(None);
    }
    let object = caught.first().copied().unwrap_or_default();
    let cards = match (caught.get(1), &tree.node) {
        (Some(_), Node::Map(_)) => vec![tree],
        (None, Node::List(cards)) => cards.iter().collect(),
        _ => return Err("the body is not a card (with an id in the path) or a list of cards (without)".to_owned()),
    };
    if cards.len() > V4 {
        return Err(format!("the request names {} cards: send at most {V4} at a time", cards.len()));
    }
    let mut tags = TagsPatch::default();
    let mut deleted: Vec<RecordRef> = Vec::new();
    let mut seen = HashSet::new();
    let mut read = 0;
    for card in cards {
        let on = RecordRef::new(object, id_of(card, caught.get(1).copied())?);
        if !seen.insert(on.clone()) {
            return Err(format!("{on} stands twice in the body: send it once"));
        }
        if let Some(list) = card.get("tags_to_delete") {
            read += 1;
            let names = tags_in(list)?.into_iter().map(|tag| TagName { on: on.clone(), tag }.record());
            tags.remove.extend(names);
        }
        if let Some(list) = card.at(&["_embedded", "tags"]) {
            tags.replace.push(TagsKept { on: on.clone(), keep: tags_in(list)? });
        }
        match card.get("is_deleted").map(|flag| (&flag.node, flag.scalar())) {
            None | Some((Node::Null | Node::Bool(false), _) | (_, Some("0"))) => {}
            Some((Node::Bool(true), _) | (_, Some("1" | "true"))) => {
                read += 1;
                deleted.push(on);
            }
            Some(_) => return Err("is_deleted is neither true nor false".to_owned()),
        }
    }
    if words::count_keys(tree) > read {
        return Err("the body says delete in a place that is not known: take it out".to_owned());
    }
    match (deleted.is_empty(), tags == TagsPatch::default()) {
        (true, true) => Ok(None),
        (false, true) => Ok(Some(super::recognize::destroy("amocrm.patch_is_deleted", deleted))),
        (true, false) => Ok(Some(DeleteIntent {
            route: "amocrm.patch_tags",
            effect: Effect::Detach,
            selection: Selection::Query { object: "tags".to_owned(), expression: tags.expression() },
        })),
        (false, false) => Err("the request deletes cards and takes tags away: send two requests".to_owned()),
    }
}

fn has_tags(tree: &Tree) -> bool {
    match &tree.node {
        Node::List(cards) => cards.iter().any(has_tags),
        _ => tree.at(&["_embedded", "tags"]).is_some(),
    }
}

fn id_of(card: &Tree, in_path: Option<&str>) -> Result<u64, String> {
    let in_body = card.get("id").filter(|id| !matches!(id.node, Node::Null)).map(ids::id).transpose()?;
    match (in_path.and_then(numeric_id), in_body) {
        (Some(path), Some(body)) if path != body => {
            Err("path and body name different cards: send the same id in both".to_owned())
        }
        (Some(id), _) | (None, Some(id)) => Ok(id),
        (None, None) => Err("a card of the list has no id: send one".to_owned()),
    }
}

/// `[{"id": 11}]`, `[{"name": "vip"}]`, `null`. An item that has both is taken by its id, as amoCRM's own read gives it.
fn tags_in(list: &Tree) -> Result<Vec<Tag>, String> {
    let odd = || "the tags are not a list of {\"id\":…} or {\"name\":…}".to_owned();
    if matches!(list.node, Node::Null) {
        return Ok(Vec::new());
    }
    let Node::List(items) = &list.node else { return Err(odd()) };
    items
        .iter()
        .map(|item| match (item.get("id").map(|id| (&id.node, id)), item.get("name").map(|name| &name.node)) {
            (Some((Node::Null, _)) | None, Some(Node::Text(name))) => Ok(Tag::Name(name.clone())),
            (Some((_, id)), _) => ids::id(id).map(Tag::Id),
            _ => Err(odd()),
        })
        .collect()
}

/// `POST …/unlink`, for one record or for many.
pub fn unlink(signature: &'static Signature, caught: &[&str], tree: Option<&Tree>) -> Result<DeleteIntent, String> {
    let how = || "the body is not a list of {\"to_entity_id\":…,\"to_entity_type\":…}".to_owned();
    let items = match tree.map(|tree| &tree.node) {
        Some(Node::List(items)) if !items.is_empty() => items,
        _ => return Err(how()),
    };
    if items.len() > V4 {
        return Err(format!("the request cuts {} links: send at most {V4} at a time", items.len()));
    }
    let object = caught.first().copied().unwrap_or_default();
    let mut records: Vec<RecordRef> = Vec::new();
    for item in items {
        let in_body = item.get("entity_id").map(ids::id).transpose()?;
        let from = match (caught.get(1).copied().and_then(numeric_id), in_body) {
            (Some(path), Some(body)) if path != body => {
                return Err("path and body name different cards: send the same id in both".to_owned());
            }
            (Some(id), _) | (None, Some(id)) => RecordRef::new(object, id),
            (None, None) => return Err("a link has no entity_id: send one".to_owned()),
        };
        let to = ids::id(item.get("to_entity_id").ok_or_else(how)?)?;
        let kind = item.get("to_entity_type").and_then(Tree::scalar).ok_or_else(how)?;
        if kind != "catalog_elements" && !ENTITIES.contains(&kind) {
            return Err("the to_entity_type of a link is not known".to_owned());
        }
        let catalog = item.at(&["metadata", "catalog_id"]).filter(|id| !matches!(id.node, Node::Null));
        let catalog = catalog.filter(|_| kind == "catalog_elements").map(ids::id).transpose()?;
        let record = LinkName { from, to: RecordRef::new(kind, to), catalog }.record();
        if !records.contains(&record) {
            records.push(record);
        }
    }
    Ok(DeleteIntent { route: signature.route, effect: Effect::Detach, selection: Selection::Ids(records) })
}
