//! Numbers that stand in lists of few, newest first.

use std::iter::Peekable;

use super::keys;
use super::rows::{Rows, Walk};
use crate::archive::ArchiveError;

/// Numbers of several lists, going down.
pub(super) struct Candidates<'a>(Vec<Peekable<Walk<'a>>>);

impl<'a> Candidates<'a> {
    /// Numbers from `from` on, below `below`, that stand in one of these lists; each is named by its key for a number.
    pub(super) fn new(rows: &'a dyn Rows, lists: &[&dyn Fn(u64) -> Vec<u8>], from: u64, below: u64) -> Self {
        Self(lists.iter().map(|key| rows.down(&key(from), &key(below)).peekable()).collect())
    }

    /// The next one.
    pub(super) fn next(&mut self) -> Result<Option<u64>, ArchiveError> {
        let heads =
            self.0.iter_mut().map(|walk| walk.peek().and_then(|row| row.as_ref().ok().map(|(key, _)| keys::tail(key))));
        let heads: Vec<Option<u64>> = heads.collect();
        let Some(newest) = heads.iter().flatten().max().copied() else {
            // An error is at the head of its list.
            return self.0.iter_mut().find_map(Iterator::next).transpose().map(|_| None);
        };
        for (walk, head) in self.0.iter_mut().zip(heads) {
            if head == Some(newest) {
                walk.next();
            } else if head.is_none()
                && let Some(row) = walk.next()
            {
                row?;
            }
        }
        Ok(Some(newest))
    }
}
