//! Tags: a book of names per kind of record; ids are separate per kind (§2.8).

use std::collections::HashMap;

use super::table::Table;

#[derive(Clone, Debug)]
pub struct Tag {
    pub name: String,
    /// Six hex digits; leads only.
    pub color: Option<String>,
}

#[derive(Clone, Debug)]
pub struct TagBook {
    tags: Table<Tag>,
    by_name: HashMap<String, u64>,
}

/// How a request names a tag.
#[derive(Clone, Debug)]
pub enum TagRef {
    Id(u64),
    Name(String),
}

impl TagBook {
    pub fn starting_at(first: u64) -> Self {
        Self { tags: Table::starting_at(first), by_name: HashMap::new() }
    }

    pub fn get(&self, id: u64) -> Option<&Tag> {
        self.tags.get(id)
    }

    pub fn find(&self, tag: &TagRef) -> Option<u64> {
        match tag {
            TagRef::Id(id) => self.tags.get(*id).map(|_| *id),
            TagRef::Name(name) => self.by_name.get(&name.to_lowercase()).copied(),
        }
    }

    /// The tag of this name (case does not matter), made if there is none; and whether it was made.
    pub fn ensure(&mut self, name: &str, color: Option<String>) -> (u64, bool) {
        if let Some(id) = self.by_name.get(&name.to_lowercase()) {
            return (*id, false);
        }
        let id = self.tags.next_id();
        self.by_name.insert(name.to_lowercase(), id);
        self.tags.put(id, Tag { name: name.to_owned(), color });
        (id, true)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u64, &Tag)> {
        self.tags.iter()
    }
}
