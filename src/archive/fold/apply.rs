//! One event, or one snapshot kept or dropped -> changes of rows.

use std::collections::HashMap;

use super::keys;
use super::rows::{Frames, RecordRow, Rows, Staged, Stop, StreamRow, insert};
use super::terms::Tokens;
use super::{erasing, jobs, operations};
use crate::archive::ArchiveError;
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::SnapshotId;
use crate::domain::record::Snapshot;

/// In the place of a frame: what lay there was erased.
pub const ERASED: u64 = 0;

/// What one write is added up with.
pub struct Fold<'a> {
    /// Rows there are, and what changes.
    pub rows: Staged<'a>,
    /// Frames there are.
    pub frames: &'a dyn Frames,
    /// What the snapshots of the write itself can be found by.
    pub fresh: HashMap<SnapshotId, String>,
    /// Only asks whether the events may happen; what can be searched is left out.
    pub dry: bool,
    /// It all happened long ago: what was erased since is met as erased from its beginning.
    pub replay: bool,
}

impl<'a> Fold<'a> {
    /// Of one write.
    pub fn over(rows: &'a dyn Rows, frames: &'a dyn Frames) -> Self {
        Self { rows: Staged::over(rows), frames, fresh: HashMap::new(), dry: false, replay: false }
    }

    /// A snapshot was kept in the frame at `place`, sealed with the key in this slot. Kept twice, the first frame counts.
    pub fn snapshot(&mut self, id: SnapshotId, snapshot: &Snapshot, place: u64, slot: Option<u32>) -> Result<(), Stop> {
        let fresh = self.rows.read::<u64>(&keys::snapshot(&id))?.is_none_or(|place| place == ERASED);
        if fresh {
            self.rows.put(keys::snapshot(&id), &place);
        }
        if !self.dry {
            let key = keys::record(&snapshot.connection, &snapshot.of);
            let mut row: RecordRow = self.rows.read(&key)?.unwrap_or_default();
            if fresh {
                insert(&mut row.snapshots, place);
            }
            if let Some(slot) = slot {
                insert(&mut row.slots, slot.into());
            }
            self.rows.put(key, &row);
            self.fresh.insert(id, Tokens::of(snapshot).text());
        }
        Ok(())
    }

    /// A snapshot with this half of an address was kept, and erased since.
    pub fn gone(&mut self, half: &[u8; 16]) -> Result<(), Stop> {
        if self.rows.get(&keys::snapshot_half(half))?.is_none() {
            self.rows.put(keys::snapshot_half(half), &ERASED);
        }
        Ok(())
    }

    /// Values of an event are sealed with the key in this slot.
    pub fn sealed(&mut self, recorded: &Recorded, slot: u32) -> Result<(), Stop> {
        let key = keys::slots(&recorded.stream.0);
        let mut slots: Vec<u64> = self.rows.read(&key)?.unwrap_or_default();
        insert(&mut slots, slot.into());
        self.rows.put(key, &slots);
        Ok(())
    }

    /// An event lies in the frame at `place`. It takes its position in its stream even if it may not happen.
    pub fn event(&mut self, recorded: &Recorded, place: u64) -> Result<(), Stop> {
        let key = keys::stream(&recorded.stream.0);
        let mut row: StreamRow =
            self.rows.read(&key)?.unwrap_or(StreamRow { number: recorded.seq, ..StreamRow::default() });
        let stream = row.number;
        row.version = recorded.version;
        match usize::try_from(recorded.version) {
            Ok(version @ 1..) if recorded.version <= keys::IN_STREAM => {
                row.places.resize(row.places.len().max(version), 0);
                row.places[version - 1] = place;
            }
            _ => self.rows.put(keys::event(stream, recorded.version), &place),
        }
        self.rows.put(key, &row);
        self.rows.put(keys::audit(recorded.seq), &place);
        let last = self.rows.number(keys::LAST_SEQ)?.max(recorded.seq);
        self.rows.put(keys::LAST_SEQ.to_vec(), &last);

        self.rows.begin();
        let done = self.happens(recorded, stream, place);
        if done.is_err() {
            self.rows.take_back();
        }
        done
    }

    fn happens(&mut self, recorded: &Recorded, stream: u64, place: u64) -> Result<(), Stop> {
        match &recorded.event {
            Event::Captured { .. } => operations::captured(self, recorded, stream, place),
            Event::Settled { fates, answer, state } => operations::settled(self, stream, fates, *answer, *state),
            Event::Undone { .. } => operations::undone(self, stream),
            Event::Reviewed { freed, .. } => operations::freed(self, freed),
            Event::JobQueued { .. } => jobs::queued(self, recorded, stream),
            Event::JobMoved { to, reason } => jobs::moved(self, stream, *to, reason.clone()),
            Event::Applying { steps } => jobs::applying(self, stream, steps),
            Event::Applied { items } => jobs::applied(self, stream, items, place),
            Event::Reported { .. } => jobs::reported(self, stream, place),
            Event::Erased(erased) => erasing::erased(self, erased),
            Event::PlanMade { plan, .. } => erasing::may_be_planned(self, plan),
            Event::Forwarding
            | Event::Told { .. }
            | Event::Asked { .. }
            | Event::ChangedAfterSnapshot { .. }
            | Event::Withheld { .. }
            | Event::LinkWaits { .. }
            | Event::TokenIssued { .. }
            | Event::TokenRevoked { .. }
            | Event::HoldPlaced { .. }
            | Event::HoldReleased { .. }
            | Event::RetentionMarked { .. }
            | Event::RetentionDropped { .. }
            | Event::AccessGranted { .. }
            | Event::Refused { .. } => Ok(()),
        }
    }

    /// A snapshot was dropped, by the frame at `by`: nothing of it stays in any row. One kept later stays.
    pub fn forgotten(&mut self, id: &SnapshotId, by: u64) -> Result<(), Stop> {
        let kept = |place: &u64| *place < by && *place != ERASED;
        let Some(place) = self.rows.read::<u64>(&keys::snapshot(id))?.filter(kept) else {
            return Ok(());
        };
        self.rows.take(keys::snapshot(id));
        self.fresh.remove(id);
        let (_, snapshot) = match self.frames.snapshot(place) {
            Ok(found) => found,
            // Its words cannot be read any more, so no row was ever made of them again either.
            Err(ArchiveError::Damaged { .. } | ArchiveError::NotFound(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let key = keys::record(&snapshot.connection, &snapshot.of);
        let mut row: RecordRow = self.rows.read(&key)?.unwrap_or_default();
        row.snapshots.retain(|kept| *kept != place);
        let entries = row.entries.clone();
        if row.entries.is_empty() && row.snapshots.is_empty() {
            self.rows.take(key);
        } else {
            self.rows.put(key, &row);
        }
        operations::forgotten(self, &entries, place)
    }

    /// Frame of a snapshot that was kept and not dropped; of one that was erased since, [`ERASED`].
    pub(super) fn place_of(&self, id: &SnapshotId) -> Result<Option<u64>, Stop> {
        let place = self.rows.read(&keys::snapshot(id))?;
        Ok(place.filter(|place| self.replay || *place != ERASED))
    }

    /// What a snapshot can be found by, of this write or kept before.
    pub(super) fn text_of(&self, id: &SnapshotId, place: u64) -> Result<Option<String>, Stop> {
        if let Some(text) = self.fresh.get(id) {
            return Ok(Some(text.clone()));
        }
        match self.frames.snapshot(place) {
            Ok((_, snapshot)) => Ok(Some(Tokens::of(&snapshot).text())),
            Err(ArchiveError::Damaged { .. } | ArchiveError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
