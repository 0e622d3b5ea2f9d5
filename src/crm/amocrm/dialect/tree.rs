//! A body as a tree that knows where in the bytes each value stands, so that an id can be replaced in place.
//!
//! serde_json checks that the text is JSON; the walk below only finds spans in text that is known to be right.

use std::collections::HashSet;
use std::ops::Range;

use crate::proofs::bite;

use serde::de::IgnoredAny;

/// How deep a body may nest.
pub const DEPTH: usize = 64;

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The value.
    pub node: Node,
    /// Its bytes; of a text those between the quotes.
    pub span: Range<usize>,
}

/// A value. Forms have only texts and maps.
#[derive(Clone, Debug)]
pub enum Node {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    /// Unescaped.
    Text(String),
    List(Vec<Tree>),
    /// In the order of the body, without duplicates.
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// The value under a key of a map.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The value at a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Tree> {
        path.iter().try_fold(self, |tree, key| tree.get(key))
    }

    /// The entries of a map; none of anything else.
    pub fn entries(&self) -> &[(String, Tree)] {
        if let Node::Map(entries) = &self.node { entries } else { &[] }
    }

    /// The items of a list, or of a form's list (a map of indexes).
    pub fn items(&self) -> Option<Vec<&Tree>> {
        match &self.node {
            Node::List(items) => Some(items.iter().collect()),
            Node::Map(entries) if entries.iter().all(|(key, _)| key.bytes().all(|b| b.is_ascii_digit())) => {
                Some(entries.iter().map(|(_, value)| value).collect())
            }
            _ => None,
        }
    }

    /// The words of a number or a text.
    pub fn scalar(&self) -> Option<&str> {
        match &self.node {
            Node::Number(text) | Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it says nothing: `null`, `[]`, `{}`, an empty text.
    pub fn is_empty(&self) -> bool {
        match &self.node {
            Node::Null => true,
            Node::Bool(_) | Node::Number(_) => false,
            Node::Text(text) => text.is_empty(),
            Node::List(items) => items.is_empty(),
            Node::Map(entries) => entries.is_empty(),
        }
    }
}

/// The tree of a JSON text.
pub fn json(text: &str) -> Result<Tree, String> {
    serde_json::from_str::<IgnoredAny>(text).map_err(|_| "the body is not JSON".to_owned())?;
    Walk { text, at: 0 }.value(0)
}

struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl Walk<'_> {
    fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(|byte| b" \t\r\n,:".contains(byte)) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or(0)
    }

    fn value(&mut self, depth: usize) -> Result<Tree, String> {
        if depth > DEPTH {
            return Err(format!("the body nests deeper than {DEPTH}: send it flat"));
        }
        let first = self.peek();
        let start = self.at;
        let node = match first {
            b'{' => self.map(depth)?,
            b'[' => self.list(depth)?,
            b'"' => {
                let text = self.string()?;
                return Ok(Tree { node: Node::Text(text), span: start + 1..self.at - 1 });
            }
            _ => self.bare()?,
        };
        Ok(Tree { node, span: start..self.at })
    }

    fn map(&mut self, depth: usize) -> Result<Node, String> {
        self.at += 1;
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        while self.peek() != b'}' {
            let key = self.string()?;
            if !seen.insert(key.clone()) {
                if bite("last_key_wins") {
                    entries.retain(|(known, _)| *known != key);
                    entries.push((key, self.value(depth + 1)?));
                    continue;
                }
                return Err("a key stands twice in one object of the body: send it once".to_owned());
            }
            entries.push((key, self.value(depth + 1)?));
        }
        self.at += 1;
        Ok(Node::Map(entries))
    }

    fn list(&mut self, depth: usize) -> Result<Node, String> {
        self.at += 1;
        let mut items = Vec::new();
        while self.peek() != b']' {
            items.push(self.value(depth + 1)?);
        }
        self.at += 1;
        Ok(Node::List(items))
    }

    fn string(&mut self) -> Result<String, String> {
        self.peek();
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        while let Some(byte) = bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => {
                    let raw = self.text.get(start..self.at).unwrap_or_default();
                    return serde_json::from_str(raw).map_err(|_| "a text of the body is not Unicode".to_owned());
                }
                b'\\' => self.at += 1,
                _ => {}
            }
        }
        Err("the body is not JSON".to_owned())
    }

    fn bare(&mut self) -> Result<Node, String> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).unwrap_or(rest.len());
        if end == 0 {
            return Err("the body is not JSON".to_owned());
        }
        self.at += end;
        Ok(match &rest[..end] {
            "null" => Node::Null,
            "true" => Node::Bool(true),
            "false" => Node::Bool(false),
            number => Node::Number(number.to_owned()),
        })
    }
}
