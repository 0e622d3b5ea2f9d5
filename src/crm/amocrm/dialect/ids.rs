//! Ids in the shapes clients send: `5`, `"5"`, `[5, "6"]`, `[{"id": 5}]`, `ID[0]=5`.

use std::collections::HashSet;

use super::super::wire::numeric_id;
use super::tree::{Node, Tree};

/// How many ids one private request may name.
pub const PRIVATE: usize = 10_000;
/// How many cards one v4 request may name (§2.0).
pub const V4: usize = 250;

/// The leaves that hold ids, in order. `None` where anything else stands there.
pub fn leaves(tree: &Tree) -> Option<Vec<&Tree>> {
    fn one(tree: &Tree) -> Option<&Tree> {
        match &tree.node {
            Node::Number(_) | Node::Text(_) => Some(tree),
            Node::Map(entries) => match entries.as_slice() {
                [(key, value)] if key == "id" && value.scalar().is_some() => Some(value),
                _ => None,
            },
            _ => None,
        }
    }
    match one(tree) {
        Some(leaf) => Some(vec![leaf]),
        None => tree.items()?.into_iter().map(one).collect(),
    }
}

/// The ids, in order, without repeats.
pub fn ids(tree: &Tree, most: usize) -> Result<Vec<u64>, String> {
    let leaves = leaves(tree).ok_or_else(not_an_id)?;
    if leaves.is_empty() {
        return Err("the request deletes and names no record: name the ids".to_owned());
    }
    if leaves.len() > most {
        return Err(format!("the request names {} records: send at most {most} at a time", leaves.len()));
    }
    let mut seen = HashSet::new();
    let mut ids = Vec::with_capacity(leaves.len());
    for leaf in leaves {
        let id = id(leaf)?;
        if seen.insert(id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// One id.
pub fn id(tree: &Tree) -> Result<u64, String> {
    tree.scalar().and_then(numeric_id).ok_or_else(not_an_id)
}

fn not_an_id() -> String {
    "an id is not a plain positive number: write it as 5 or \"5\"".to_owned()
}
