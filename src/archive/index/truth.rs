//! Frames of the journal as events and snapshots.

use crate::archive::ArchiveError;
use crate::archive::fold::rows::Frames;
use crate::archive::journal::{Draft, Frame, Inner, Journal, Kind, Place};
use crate::domain::event::Recorded;
use crate::domain::ids::SnapshotId;
use crate::domain::record::Snapshot;

/// A place as a number; the order is the same. A frame has at most 16 items.
pub(crate) fn number(place: Place) -> u64 {
    u64::from(place.segment) << 36 | u64::from(place.offset) << 4 | u64::from(place.item)
}

/// The place of a number.
pub(crate) fn place(number: u64) -> Place {
    let part = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).expect("32 bits are left");
    let item = u8::try_from(number & 15).expect("4 bits are left");
    Place { segment: part(number >> 36), offset: part(number >> 4), item }
}

/// A snapshot, sealed for the family of this slot. Half of its address stays readable.
pub(crate) fn snapshot_draft(id: &SnapshotId, encoded: Vec<u8>, slot: u32) -> Draft {
    Draft { kind: Kind::Snapshot, body: half(id).to_vec(), sealed: Some((slot, encoded)) }
}

/// An event. Values in it are sealed for the family of `slot`, and what stays readable says nothing of them.
pub(crate) fn event_draft(recorded: &Recorded, slot: Option<u32>) -> Draft {
    let text = |value: &Recorded| {
        serde_json::to_vec(value).expect("events have only strings and numbers, which always serialize")
    };
    match recorded.event.without_values().zip(slot) {
        None => Draft { kind: Kind::Event, body: text(recorded), sealed: None },
        Some((event, slot)) => {
            let bare = Recorded { event, ..recorded.clone() };
            let values = serde_json::to_vec(&recorded.event).expect("as above");
            Draft { kind: Kind::Event, body: text(&bare), sealed: Some((slot, values)) }
        }
    }
}

pub(crate) fn forgotten_draft(id: &SnapshotId) -> Draft {
    Draft { kind: Kind::Forgotten, body: id.0.to_vec(), sealed: None }
}

/// Half of an address: it tells snapshots apart as well as all of it.
pub(crate) fn half(id: &SnapshotId) -> [u8; 16] {
    *id.0.first_chunk().expect("16 of 32 bytes")
}

fn damaged(frame: &Frame, what: &str, detail: String) -> ArchiveError {
    let Place { segment, offset, .. } = frame.place;
    ArchiveError::Damaged { what: format!("the {what} in segment {segment} at offset {offset}"), detail }
}

/// The event. Of one whose values were erased, what has none of them.
pub(crate) fn event(frame: &Frame) -> Result<Recorded, ArchiveError> {
    if frame.kind != Kind::Event {
        return Err(damaged(frame, "event", "another kind of frame lies there".to_owned()));
    }
    let wrong = |error: serde_json::Error| damaged(frame, "event", error.to_string());
    let recorded: Recorded = serde_json::from_slice(&frame.body).map_err(wrong)?;
    match &frame.inner {
        Inner::None | Inner::Erased(_) => Ok(recorded),
        Inner::Open(_, values) => Ok(Recorded { event: serde_json::from_slice(values).map_err(wrong)?, ..recorded }),
        Inner::Lost(slot) => Err(lost(frame, "event", *slot)),
    }
}

fn lost(frame: &Frame, what: &str, slot: u32) -> ArchiveError {
    damaged(frame, what, format!("its data key, slot {slot} of the key ring, is damaged in both copies"))
}

/// The snapshot, if its bytes match its address; [`ArchiveError::NotFound`] if it was erased.
pub(crate) fn snapshot(frame: &Frame) -> Result<(SnapshotId, Snapshot), ArchiveError> {
    let address = (frame.kind == Kind::Snapshot).then(|| <[u8; 16]>::try_from(frame.body.as_slice()).ok()).flatten();
    let Some(address) = address else {
        return Err(damaged(frame, "snapshot", "another kind of frame lies there".to_owned()));
    };
    let encoded = match &frame.inner {
        Inner::Open(_, encoded) => encoded,
        Inner::Erased(_) => return Err(ArchiveError::NotFound("a snapshot that was erased".to_owned())),
        Inner::Lost(slot) => return Err(lost(frame, "snapshot", *slot)),
        Inner::None => return Err(damaged(frame, "snapshot", "it has no content".to_owned())),
    };
    let id = SnapshotId(*blake3::hash(encoded).as_bytes());
    if half(&id) != address {
        return Err(damaged(frame, "snapshot", "its bytes do not match its address".to_owned()));
    }
    let snapshot = Snapshot::decode(encoded).map_err(|error| damaged(frame, "snapshot", error.to_string()))?;
    Ok((id, snapshot))
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
