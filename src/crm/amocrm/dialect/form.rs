//! Forms with bracketed names (`request[x][delete][]=5`) as a tree, as PHP reads them. What PHP reads in surprising
//! ways (a name twice, brackets that do not close, a name that begins with a space) is refused.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;

use super::tree::{DEPTH, Node, Tree};

/// The tree of a form or a query.
pub fn form(text: &str) -> Result<Tree, String> {
    let mut root = Branch::default();
    let mut at = 0;
    for pair in text.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let span = at + (pair.len() - value.len())..at + pair.len();
        at += pair.len() + 1;
        if pair.is_empty() {
            continue;
        }
        let name = decode(name)?;
        root.insert(&keys(&name)?, Tree { node: Node::Text(decode(value)?), span })?;
    }
    Ok(root.tree())
}

/// Percent-decoded, `+` as a space.
pub fn decode(text: &str) -> Result<String, String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| "the body is not UTF-8".to_owned())?;
    Ok(decoded.into_owned())
}

fn keys(name: &str) -> Result<Vec<&str>, String> {
    let odd = || "a name in the body is written in a way that programs read differently: write name[key][]".to_owned();
    let (head, mut rest) = name.find('[').map_or((name, ""), |at| name.split_at(at));
    if head.is_empty() || head.starts_with(' ') || name.contains(char::is_control) {
        return Err(odd());
    }
    let mut keys = vec![head];
    while !rest.is_empty() {
        let (key, after) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or_else(odd)?;
        if key.contains('[') {
            return Err(odd());
        }
        keys.push(key);
        rest = after;
    }
    if keys.len() > DEPTH {
        return Err(format!("the body nests deeper than {DEPTH}: send it flat"));
    }
    Ok(keys)
}

/// A map that is being filled. Knows its names by hash, so that a list of thousands stays quick.
#[derive(Default)]
struct Branch {
    entries: Vec<(String, Slot)>,
    names: HashMap<String, usize>,
    next: u64,
}

enum Slot {
    Leaf(Tree),
    Branch(Branch),
}

impl Branch {
    fn insert(&mut self, keys: &[&str], leaf: Tree) -> Result<(), String> {
        let twice = || "a name stands twice in the body: send it once".to_owned();
        let Some((key, rest)) = keys.split_first() else { return Err(twice()) };
        // PHP numbers `[]` with the next free index.
        let key = if key.is_empty() { self.next.to_string() } else { (*key).to_owned() };
        if let Ok(index) = key.parse::<u64>() {
            self.next = self.next.max(index.saturating_add(1));
        }
        if let Some(at) = self.names.get(&key).copied() {
            return match &mut self.entries[at].1 {
                Slot::Branch(branch) if !rest.is_empty() => branch.insert(rest, leaf),
                _ => Err(twice()),
            };
        }
        let slot = if rest.is_empty() {
            Slot::Leaf(leaf)
        } else {
            let mut branch = Branch::default();
            branch.insert(rest, leaf)?;
            Slot::Branch(branch)
        };
        self.names.insert(key.clone(), self.entries.len());
        self.entries.push((key, slot));
        Ok(())
    }

    fn tree(self) -> Tree {
        let entries = self.entries.into_iter().map(|(key, slot)| match slot {
            Slot::Leaf(leaf) => (key, leaf),
            Slot::Branch(branch) => (key, branch.tree()),
        });
        // Only leaves are ever replaced, so a branch needs no place.
        Tree { node: Node::Map(entries.collect()), span: 0..0 }
    }
}
