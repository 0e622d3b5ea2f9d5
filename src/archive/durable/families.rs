//! Which data key seals what: one for all snapshots of a record, one for the values of a plan, one for those of a job.

use std::collections::HashMap;

use super::Inner;
use crate::archive::ArchiveError;
use crate::domain::event::Stream;
use crate::domain::record::RecordRef;

/// Slots of the families of one write. The gate lets nobody else write about them, or erase them.
pub(super) struct Families<'a> {
    inner: &'a Inner,
    known: HashMap<String, u32>,
}

impl<'a> Families<'a> {
    pub(super) fn new(inner: &'a Inner) -> Self {
        Self { inner, known: HashMap::new() }
    }

    pub(super) fn of_record(&mut self, connection: &str, record: &RecordRef) -> Result<u32, ArchiveError> {
        let name = crate::archive::subject_of(connection, record);
        self.slot(name, |inner| inner.ask(|shelf| shelf.slot_of_record(connection, record)))
    }

    pub(super) fn of_stream(&mut self, stream: &Stream) -> Result<u32, ArchiveError> {
        self.slot(stream.0.clone(), |inner| inner.ask(|shelf| shelf.slot_of_stream(stream)))
    }

    /// The slot there is, if its key is whole; otherwise a fresh one. An erased family is never begun again.
    fn slot(
        &mut self,
        name: String,
        there: impl FnOnce(&Inner) -> Result<Option<u32>, ArchiveError>,
    ) -> Result<u32, ArchiveError> {
        if let Some(slot) = self.known.get(&name) {
            return Ok(*slot);
        }
        let journal = &self.inner.keeper.journal;
        let slot = match there(self.inner)?.filter(|slot| journal.slot_is_whole(*slot) == Some(true)) {
            Some(slot) => slot,
            None => journal.fresh_slot()?,
        };
        self.known.insert(name, slot);
        Ok(slot)
    }
}
