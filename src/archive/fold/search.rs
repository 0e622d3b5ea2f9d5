//! Which entries may match, newest first: numbers going down that stand under a term of every word.

use super::keys::{self, Term};
use super::rows::Rows;
use crate::archive::ArchiveError;

/// Numbers going down.
pub(super) struct Candidates<'a> {
    rows: &'a dyn Rows,
    /// Of every list, a row of key beginnings; a number has to stand under one of each.
    lists: Vec<Vec<Vec<u8>>>,
    below: u64,
    from: u64,
}

impl<'a> Candidates<'a> {
    /// Entries with numbers from `from` on, below `below`, that stand in one of each list's rows.
    pub(super) fn new(rows: &'a dyn Rows, lists: Vec<Vec<Vec<u8>>>, from: u64, below: u64) -> Self {
        Self { rows, lists, below, from }
    }

    /// The next one.
    pub(super) fn next(&mut self) -> Result<Option<u64>, ArchiveError> {
        'again: while self.below > self.from {
            let at = self.below - 1;
            for list in &self.lists {
                match self.newest(list)? {
                    None => return Ok(None),
                    Some(found) if found < at => {
                        self.below = found + 1;
                        continue 'again;
                    }
                    Some(_) => {}
                }
            }
            self.below = at;
            return Ok(Some(at));
        }
        Ok(None)
    }

    fn newest(&self, list: &[Vec<u8>]) -> Result<Option<u64>, ArchiveError> {
        let mut newest = None;
        for prefix in list {
            let end = [prefix.as_slice(), &self.below.to_be_bytes()[2..]].concat();
            let begin = [prefix.as_slice(), &self.from.to_be_bytes()[2..]].concat();
            if let Some(row) = self.rows.down(&begin, &end).next() {
                newest = newest.max(Some(keys::tail(&row?.0)));
            }
        }
        Ok(newest)
    }
}

/// What the postings of a term begin with.
pub(super) fn postings(term: Term) -> Vec<u8> {
    let mut key = keys::found_by(&term, 0);
    key.truncate(key.len() - keys::NUMBER);
    key
}
