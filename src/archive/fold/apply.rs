//! One event, or one snapshot kept or dropped -> changes of rows.

use std::collections::HashMap;

use super::keys;
use super::rows::{Frames, RecordRow, Rows, Staged, Stop, StreamRow, insert};
use super::terms::Tokens;
use super::{jobs, operations};
use crate::archive::ArchiveError;
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::SnapshotId;
use crate::domain::record::Snapshot;

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
}

impl<'a> Fold<'a> {
    /// Of one write.
    pub fn over(rows: &'a dyn Rows, frames: &'a dyn Frames) -> Self {
        Self { rows: Staged::over(rows), frames, fresh: HashMap::new(), dry: false }
    }

    /// A snapshot was kept in the frame at `place`. Kept twice, the first frame counts.
    pub fn snapshot(&mut self, id: SnapshotId, snapshot: &Snapshot, place: u64) -> Result<(), Stop> {
        if self.rows.get(&keys::snapshot(&id))?.is_none() {
            self.rows.put(keys::snapshot(&id), &place);
            if !self.dry {
                let key = keys::record(&snapshot.connection, &snapshot.of);
                let mut row: RecordRow = self.rows.read(&key)?.unwrap_or_default();
                insert(&mut row.snapshots, place);
                self.rows.put(key, &row);
            }
        }
        if !self.dry {
            self.fresh.insert(id, Tokens::of(snapshot).text());
        }
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
            Event::JobQueued { .. } => jobs::queued(self, recorded, stream),
            Event::JobMoved { to, reason } => jobs::moved(self, stream, *to, reason.clone()),
            Event::Applying { steps } => jobs::applying(self, stream, steps),
            Event::Applied { items } => jobs::applied(self, stream, items, place),
            Event::Reported { .. } => jobs::reported(self, stream, place),
            Event::Forwarding
            | Event::PlanMade { .. }
            | Event::LinkWaits { .. }
            | Event::TokenIssued { .. }
            | Event::TokenRevoked { .. }
            | Event::Refused { .. } => Ok(()),
        }
    }

    /// A snapshot was dropped, by the frame at `by`: nothing of it stays in any row. One kept later stays.
    pub fn forgotten(&mut self, id: &SnapshotId, by: u64) -> Result<(), Stop> {
        let Some(place) = self.rows.read::<u64>(&keys::snapshot(id))?.filter(|place| *place < by) else {
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

    /// Frame of a snapshot that was kept and not dropped.
    pub(super) fn place_of(&self, id: &SnapshotId) -> Result<Option<u64>, Stop> {
        Ok(self.rows.read(&keys::snapshot(id))?)
    }

    /// What a snapshot can be found by, of this write or kept before.
    pub(super) fn text_of(&self, id: &SnapshotId, place: u64) -> Result<Option<String>, Stop> {
        if let Some(text) = self.fresh.get(id) {
            return Ok(Some(text.clone()));
        }
        match self.frames.snapshot(place) {
            Ok((_, snapshot)) => Ok(Some(Tokens::of(&snapshot).text())),
            Err(ArchiveError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
