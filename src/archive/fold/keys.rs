//! Names of rows. Numbers are big-endian, so that their order as bytes is their order as numbers.

use crate::domain::entry::{EntryState, OperationState};
use crate::domain::ids::{EntryId, SnapshotId};
use crate::domain::record::RecordRef;

/// A search term: the beginning of a keyed hash.
pub type Term = [u8; 6];

/// The last five bytes: enough for a trillion.
fn five(number: u64) -> [u8; 5] {
    let [_, _, _, a, b, c, d, e] = number.to_be_bytes();
    [a, b, c, d, e]
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// The number at the end of a key.
pub fn tail(key: &[u8]) -> u64 {
    key.iter().rev().take(5).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The first key after every key that begins with `prefix`.
pub fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

/// Name of a stream -> its number (the position of its first event) and version.
pub fn stream(name: &str) -> Vec<u8> {
    join(&[b"s", name.as_bytes()])
}
/// Event of a stream -> frame.
pub fn event(stream: u64, version: u64) -> Vec<u8> {
    join(&[b"v", &five(stream), &five(version)])
}
/// Event of the ledger -> frame.
pub fn audit(seq: u64) -> Vec<u8> {
    join(&[b"a", &five(seq)])
}
/// An operation, by the number of its stream.
pub fn operation(number: u64) -> Vec<u8> {
    join(&[b"o", &five(number)])
}
/// Operations in one state.
pub fn operation_in(state: OperationState, number: u64) -> Vec<u8> {
    use OperationState::{Confirmed, Held, NeedsReview, NotSent, Open, Partial, Refused, Undone, Unknown};
    let code = match state {
        Held => 0_u8,
        Open => 1,
        Unknown => 2,
        Confirmed => 3,
        Partial => 4,
        Refused => 5,
        NotSent => 6,
        NeedsReview => 7,
        Undone => 8,
    };
    join(&[b"O", &[code], &five(number)])
}
/// Id of an entry -> its number.
pub fn entry_id(id: EntryId) -> Vec<u8> {
    join(&[b"i", id.0.as_bytes()])
}
/// An entry, by number.
pub fn entry(number: u64) -> Vec<u8> {
    join(&[b"n", &five(number)])
}
/// Entries in one state.
pub fn entry_in(state: EntryState, number: u64) -> Vec<u8> {
    use EntryState::{Deleted, Erased, Forgotten, Kept, NeedsReview, Restored, Restoring, Unknown};
    let code = match state {
        Deleted => 0_u8,
        Unknown => 1,
        Restoring => 2,
        Restored => 3,
        NeedsReview => 4,
        Kept => 5,
        Forgotten => 6,
        Erased => 7,
    };
    join(&[b"t", &[code], &five(number)])
}
/// Entries of one record.
pub fn entry_of(connection: &str, record: &RecordRef, number: u64) -> Vec<u8> {
    join(&[&entries_of(connection, record), &five(number)])
}
/// What [`entry_of`] begins with.
pub fn entries_of(connection: &str, record: &RecordRef) -> Vec<u8> {
    join(&[b"r", connection.as_bytes(), b"\0", record.to_string().as_bytes(), b"\0"])
}
/// Snapshot -> frame. Half of the address tells snapshots apart as well as all of it.
pub fn snapshot(id: &SnapshotId) -> Vec<u8> {
    join(&[b"h", &id.0[..16]])
}
/// Snapshots of one record, by frame.
pub fn snapshot_of(connection: &str, record: &RecordRef, place: u64) -> Vec<u8> {
    join(&[&snapshots_of(connection, record), &place.to_be_bytes()])
}
/// What [`snapshot_of`] begins with.
pub fn snapshots_of(connection: &str, record: &RecordRef) -> Vec<u8> {
    join(&[b"H", connection.as_bytes(), b"\0", record.to_string().as_bytes(), b"\0"])
}
/// Entries that may be found by a term.
pub fn found_by(term: &Term, number: u64) -> Vec<u8> {
    join(&[b"q", term, &five(number)])
}
/// A job, by the number of its stream.
pub fn job(number: u64) -> Vec<u8> {
    join(&[b"j", &five(number)])
}
/// A step of a job -> its newest item.
pub fn item(job: u64, step: u32) -> Vec<u8> {
    join(&[b"k", &five(job), &five(u64::from(step))])
}
/// Old record -> new record.
pub fn successor(connection: &str, old: &RecordRef) -> Vec<u8> {
    join(&[b"m", connection.as_bytes(), b"\0", old.to_string().as_bytes()])
}
/// How many old records of a connection have a new one.
pub fn successors(connection: &str) -> Vec<u8> {
    join(&[b"M", connection.as_bytes()])
}
/// Number of the next entry.
pub const NEXT_ENTRY: &[u8] = b"xn";
/// Position of the last event.
pub const LAST_SEQ: &[u8] = b"xs";
/// How many entries lie in the bin.
pub const IN_BIN: &[u8] = b"xb";
