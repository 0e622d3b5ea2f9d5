//! One event, or one snapshot kept or dropped -> changes of rows.

use super::keys;
use super::rows::{Frames, Rows, Staged, Stop, StreamRow, number, read, write};
use super::terms::{Secret, Tokens};
use super::{jobs, operations};
use crate::archive::ArchiveError;
use crate::domain::event::{Event, Recorded};
use crate::domain::ids::SnapshotId;
use crate::domain::record::Snapshot;

/// What one write is added up with.
pub struct Fold<'a> {
    /// Rows there are, and what changes.
    pub rows: Staged<'a>,
    /// Frames there are. Those of the write itself are in [`fresh`](Self::fresh).
    pub frames: &'a dyn Frames,
    /// Snapshots of the write itself.
    pub fresh: Vec<(SnapshotId, &'a Snapshot)>,
    /// What search terms are hashed with.
    pub secret: &'a Secret,
    /// Only asks whether the events may happen; what can be searched is left out.
    pub dry: bool,
}

impl<'a> Fold<'a> {
    /// Of one write.
    pub fn over(rows: &'a dyn Rows, frames: &'a dyn Frames, secret: &'a Secret) -> Self {
        Self { rows: Staged::over(rows), frames, fresh: Vec::new(), secret, dry: false }
    }

    /// A snapshot was kept in the frame at `place`. Kept twice, the first frame counts.
    pub fn snapshot(&mut self, id: SnapshotId, snapshot: &'a Snapshot, place: u64) -> Result<(), Stop> {
        if self.rows.get(&keys::snapshot(&id))?.is_none() {
            self.rows.put(keys::snapshot(&id), &place);
            self.rows.mark(keys::snapshot_of(&snapshot.connection, &snapshot.of, place));
        }
        self.fresh.push((id, snapshot));
        Ok(())
    }

    /// An event lies in the frame at `place`. It takes its position in its stream even if it may not happen.
    pub fn event(&mut self, recorded: &Recorded, place: u64) -> Result<(), Stop> {
        let key = keys::stream(&recorded.stream.0);
        let row: StreamRow = read(&self.rows, &key)?.unwrap_or(StreamRow(recorded.seq, 0));
        self.rows.put(key, &StreamRow(row.0, recorded.version));
        self.rows.put(keys::event(row.0, recorded.version), &place);
        self.rows.put(keys::audit(recorded.seq), &place);
        let last = number(&self.rows, keys::LAST_SEQ)?.max(recorded.seq);
        self.rows.put(keys::LAST_SEQ.to_vec(), &last);

        self.rows.begin();
        let done = self.happens(recorded, row.0, place);
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
        let Some(place) = read::<u64>(&self.rows, &keys::snapshot(id))?.filter(|place| *place < by) else {
            return Ok(());
        };
        self.rows.take(keys::snapshot(id));
        let (_, snapshot) = match self.frames.snapshot(place) {
            Ok(found) => found,
            // Its words cannot be read any more, so no row was ever made of them again either.
            Err(ArchiveError::Damaged { .. } | ArchiveError::NotFound(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        self.rows.take(keys::snapshot_of(&snapshot.connection, &snapshot.of, place));
        operations::forgotten(self, id, &snapshot)
    }

    /// The snapshot, of this write or kept before.
    pub(super) fn find(&self, id: &SnapshotId) -> Result<Option<Snapshot>, Stop> {
        if let Some((_, snapshot)) = self.fresh.iter().find(|(fresh, _)| fresh == id) {
            return Ok(Some((*snapshot).clone()));
        }
        let Some(place) = read::<u64>(&self.rows, &keys::snapshot(id))? else {
            return Ok(None);
        };
        match self.frames.snapshot(place) {
            Ok((_, snapshot)) => Ok(Some(snapshot)),
            Err(ArchiveError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it was kept and not dropped.
    pub(super) fn has(&self, id: &SnapshotId) -> Result<bool, Stop> {
        Ok(self.rows.get(&keys::snapshot(id))?.is_some())
    }

    /// Makes an entry findable, or no longer.
    pub(super) fn findable(&mut self, snapshot: &Snapshot, number: u64, yes: bool) {
        for term in Tokens::of(snapshot).terms(self.secret) {
            let value = yes.then(Vec::new);
            self.rows.set(keys::found_by(&term, number), value);
        }
    }

    /// Writes a row under a key.
    pub(super) fn put<T: serde::Serialize>(&mut self, key: Vec<u8>, value: &T) {
        self.rows.set(key, Some(write(value)));
    }
}
