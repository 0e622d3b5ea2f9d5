//! Erasing: the event first, durable; then the keys; then the rows. From the event on it is erased: a process that dies
//! before the keys are gone destroys them when it starts again.

use std::path::Path;
use std::sync::Arc;

use super::gate::Touched;
use super::{Inner, Options, Told};
use crate::archive::fold::shelf::Shelf;
use crate::archive::index::truth;
use crate::archive::journal::{self, Journal};
use crate::archive::sealed::Sealer;
use crate::archive::{Act, ArchiveError, Erasable, Write, subject_of};
use crate::domain::event::{Event, Recorded, Stream};
use crate::domain::record::RecordRef;

impl Inner {
    pub(super) fn erasable(
        &self,
        shelf: &Shelf,
        connection: &str,
        record: &RecordRef,
    ) -> Result<Erasable, ArchiveError> {
        let mut what = shelf.erasable(connection, record)?;
        let hash = blake3::keyed_hash(&self.subjects, subject_of(connection, record).as_bytes());
        what.subject = hash.to_hex().to_string();
        Ok(what)
    }

    pub(super) async fn erase(self: Arc<Self>, what: Erasable, act: Act) -> Result<Recorded, ArchiveError> {
        let _reserved = self.gate.enter(Touched::erased(&what)).await;
        self.keeper.room().await?;
        let mut now = self.ask(|shelf| self.erasable(shelf, &what.connection, &what.record))?;
        now.still(&what)?;
        // With its key go all pages of the index, also those that sled has only forgotten; until the next start, which
        // makes it anew, its rows are read with the key in memory.
        now.slots.push(self.keeper.table.slot);
        let stream = Stream::erasures(&now.connection);
        let version = self.ask(|shelf| Ok(shelf.stream(&stream.0)?.map_or(0, |row| row.version)))?;
        let slots = now.slots.clone();
        let write = Write {
            appends: vec![(stream, version, vec![Event::Erased(Box::new(now.event(act)))])],
            ..Write::default()
        };
        let at = self.clock.now();
        let mut recorded = self.ask(|shelf| super::gate::versions(shelf, &write, at))?;
        self.number(&mut recorded);
        self.try_out(&[], &[], &recorded)?;
        let one = recorded.pop().ok_or_else(|| ArchiveError::Unusable("nothing was recorded".to_owned()))?;
        let drafts = vec![truth::event_draft(&one, None)];
        self.keep(drafts, vec![Told::Event(one.clone(), None)], &slots).await?;
        Ok(one)
    }
}

impl super::Durable {
    /// Slots of the key ring whose keys were destroyed. A backup keeps this list with it: [`erase_again`].
    pub fn destroyed_slots(&self) -> Vec<u32> {
        self.inner.keeper.journal.destroyed()
    }
}

/// Destroys the keys in these slots in the key ring of an archive that is not in use, and its index: after an older copy
/// of the ring was put back, what was erased since is erased again.
pub fn erase_again(options: &Options, slots: &[u32]) -> Result<(), ArchiveError> {
    let dir = options.dir.join("journal");
    let sealer = match &options.key {
        Some(key) => Sealer::with_key(key, &dir)?,
        None => Sealer::open_or_create(&options.key_path(), &dir)?,
    };
    let (journal, _) = Journal::open(journal::Options::new(dir), sealer)?;
    journal.destroy(slots)?;
    remove(&options.dir.join("index"))
}

fn remove(index: &Path) -> Result<(), ArchiveError> {
    match std::fs::remove_dir_all(index) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(ArchiveError::Unusable(format!("its index cannot be removed: {error}")))
        }
        _ => Ok(()),
    }
}
