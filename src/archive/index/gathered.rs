//! Changes of several commits on their way into the rows. Each commit's come together and as few batches as can be:
//! what does not fit into one batch costs a redo, so commits share a batch only while they fit.

use super::table::{BATCH, Head, Table};
use crate::archive::ArchiveError;
use crate::archive::fold::keys;
use crate::archive::fold::rows::{Changes, Staged};

/// Rows with the changes laid over them that are not written yet.
pub(crate) struct Gathered<'a> {
    table: &'a Table,
    pub rows: Staged<'a>,
    moved: bool,
}

impl<'a> Gathered<'a> {
    pub(crate) fn over(table: &'a Table) -> Self {
        Self { table, rows: Staged::over(table), moved: false }
    }

    /// Takes the changes of one more commit, which were made over [`rows`](Self::rows). `head`: how far the rows are
    /// without it.
    pub(crate) fn add(&mut self, changes: Changes, head: impl FnOnce() -> Head) -> Result<(), ArchiveError> {
        self.moved |= changes.keys().any(|key| key.first() == Some(&keys::SUCCESSORS));
        let waiting = &mut self.rows.changes;
        // The head is a row too.
        if !waiting.is_empty() && waiting.len() + changes.len() >= BATCH {
            self.table.apply(std::mem::take(waiting), &head())?;
        }
        waiting.extend(changes);
        Ok(())
    }

    /// Writes what is left. Whether the numbers of successors have changed with any of it.
    pub(crate) fn write(self, head: &Head) -> Result<bool, ArchiveError> {
        self.table.apply(self.rows.changes, head)?;
        Ok(self.moved)
    }
}
