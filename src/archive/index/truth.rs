//! Frames of the journal as events and snapshots.

use crate::archive::ArchiveError;
use crate::archive::fold::rows::Frames;
use crate::archive::journal::{Draft, Frame, Journal, Kind, Place};
use crate::domain::event::Recorded;
use crate::domain::ids::SnapshotId;
use crate::domain::record::Snapshot;

/// A place as a number; the order is the same.
pub(crate) fn number(place: Place) -> u64 {
    u64::from(place.segment) << 32 | u64::from(place.offset)
}

/// The place of a number.
pub(crate) fn place(number: u64) -> Place {
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).expect("32 bits are left");
    Place { segment: half(number >> 32), offset: half(number) }
}

pub(crate) fn snapshot_frame(id: &SnapshotId, encoded: &[u8]) -> Draft {
    Draft { kind: Kind::Snapshot, body: [&id.0[..], encoded].concat() }
}

pub(crate) fn event_frame(recorded: &Recorded) -> Draft {
    let body = serde_json::to_vec(recorded).expect("events have only strings and numbers, which always serialize");
    Draft { kind: Kind::Event, body }
}

pub(crate) fn forgotten_frame(id: &SnapshotId) -> Draft {
    Draft { kind: Kind::Forgotten, body: id.0.to_vec() }
}

fn damaged(frame: &Frame, what: &str, detail: String) -> ArchiveError {
    let Place { segment, offset } = frame.place;
    ArchiveError::Damaged { what: format!("the {what} in segment {segment} at offset {offset}"), detail }
}

pub(crate) fn event(frame: &Frame) -> Result<Recorded, ArchiveError> {
    if frame.kind != Kind::Event {
        return Err(damaged(frame, "event", "another kind of frame lies there".to_owned()));
    }
    serde_json::from_slice(&frame.body).map_err(|error| damaged(frame, "event", error.to_string()))
}

/// The snapshot, if its bytes match its address.
pub(crate) fn snapshot(frame: &Frame) -> Result<(SnapshotId, Snapshot), ArchiveError> {
    let whole = (frame.kind == Kind::Snapshot).then_some(frame.body.as_slice());
    let Some((address, encoded)) = whole.and_then(<[u8]>::split_first_chunk::<32>) else {
        return Err(damaged(frame, "snapshot", "another kind of frame lies there".to_owned()));
    };
    if blake3::hash(encoded).as_bytes() != address {
        return Err(damaged(frame, "snapshot", "its bytes do not match its address".to_owned()));
    }
    let snapshot = Snapshot::decode(encoded).map_err(|error| damaged(frame, "snapshot", error.to_string()))?;
    Ok((SnapshotId(*address), snapshot))
}

pub(crate) fn forgotten(frame: &Frame) -> Result<SnapshotId, ArchiveError> {
    let address = frame.body.as_slice().try_into();
    address.map(SnapshotId).map_err(|_| damaged(frame, "forgotten address", "it has another length".to_owned()))
}

impl Frames for Journal {
    fn event(&self, at: u64) -> Result<Recorded, ArchiveError> {
        event(&self.read(place(at))?)
    }
    fn snapshot(&self, at: u64) -> Result<(SnapshotId, Snapshot), ArchiveError> {
        snapshot(&self.read(place(at))?)
    }
}
