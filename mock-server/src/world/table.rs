//! Rows by id, in the order of ids, which are never given twice.

use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub struct Table<T> {
    rows: BTreeMap<u64, T>,
    next: u64,
}

impl<T> Table<T> {
    pub fn starting_at(first: u64) -> Self {
        Self { rows: BTreeMap::new(), next: first }
    }

    /// The id the next row gets; it is used up even if the row is never added.
    pub fn next_id(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    pub fn put(&mut self, id: u64, row: T) {
        self.next = self.next.max(id + 1);
        self.rows.insert(id, row);
    }

    pub fn get(&self, id: u64) -> Option<&T> {
        self.rows.get(&id)
    }

    pub fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        self.rows.get_mut(&id)
    }

    pub fn remove(&mut self, id: u64) -> Option<T> {
        self.rows.remove(&id)
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &T)> {
        self.rows.iter().map(|(id, row)| (*id, row))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut T)> {
        self.rows.iter_mut().map(|(id, row)| (*id, row))
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }
}
