//! Names of rows. Numbers are big-endian, so that their order as bytes is their order as numbers.

use super::packed::code;
use crate::domain::entry::{EntryState, OperationState};
use crate::domain::ids::{EntryId, SnapshotId};
use crate::domain::record::RecordRef;

/// Bytes of a number.
pub const NUMBER: usize = 6;

/// The last six bytes. Positions in the ledger take four of them at most, see [`first_entry`].
pub fn six(number: u64) -> [u8; NUMBER] {
    let bytes = number.to_be_bytes();
    *bytes.last_chunk().expect("six of eight bytes")
}

/// Most entries of one operation.
pub const ENTRIES: usize = 1 << 16;

/// The number of an operation's first entry, from the position of the event that captured it; the others follow.
/// It does not depend on what else is being written, so a rebuilt index has the same numbers.
pub fn first_entry(seq: u64) -> u64 {
    seq << 16
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// The number at the end of a key.
pub fn tail(key: &[u8]) -> u64 {
    key.iter().rev().take(NUMBER).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
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
/// So many events of a stream are named in its own row.
pub const IN_STREAM: u64 = 8;
/// A later event of a stream -> frame.
pub fn event(stream: u64, version: u64) -> Vec<u8> {
    join(&[b"v", &six(stream), &six(version)])
}
/// Event of the ledger -> frame.
pub fn audit(seq: u64) -> Vec<u8> {
    join(&[b"a", &six(seq)])
}
/// An operation, by the number of its stream.
pub fn operation(number: u64) -> Vec<u8> {
    join(&[b"o", &six(number)])
}
/// Operations in a state that few are in.
pub fn operation_in(state: OperationState, number: u64) -> Vec<u8> {
    join(&[b"O", &[code(&state)], &six(number)])
}
/// Whether [`operation_in`] is kept for this state. All others are found by walking over all operations.
pub fn few_operations(state: OperationState) -> bool {
    use OperationState::{Held, NeedsReview, Open, Unknown};
    matches!(state, Held | Open | Unknown | NeedsReview)
}
/// Id of an entry -> its number.
pub fn entry_id(id: EntryId) -> Vec<u8> {
    join(&[b"i", id.0.as_bytes()])
}
/// An entry, by number.
pub fn entry(number: u64) -> Vec<u8> {
    join(&[b"n", &six(number)])
}
/// Entries in a state that few are in.
pub fn entry_in(state: EntryState, number: u64) -> Vec<u8> {
    join(&[b"t", &[code(&state)], &six(number)])
}
/// Whether [`entry_in`] is kept for this state.
pub fn few_entries(state: EntryState) -> bool {
    matches!(state, EntryState::Unknown | EntryState::Restoring | EntryState::NeedsReview)
}
/// The job, by the number of its stream, that an entry waits for while it is `restoring`.
pub fn restorer(entry: u64) -> Vec<u8> {
    join(&[b"w", &six(entry)])
}
/// What there is of one record.
pub fn record(connection: &str, record: &RecordRef) -> Vec<u8> {
    join(&[b"r", connection.as_bytes(), b"\0", record.to_string().as_bytes()])
}
/// What an entry can be found by.
pub fn text(number: u64) -> Vec<u8> {
    join(&[TEXTS, &six(number)])
}
/// What [`text`] begins with.
pub const TEXTS: &[u8] = b"q";
/// Snapshot -> frame. Half of the address tells snapshots apart as well as all of it.
pub fn snapshot(id: &SnapshotId) -> Vec<u8> {
    join(&[b"h", &id.0[..16]])
}
/// The same, by that half.
pub fn snapshot_half(half: &[u8; 16]) -> Vec<u8> {
    join(&[b"h", half])
}
/// Slots of the key ring that seal the values of a stream.
pub fn slots(stream: &str) -> Vec<u8> {
    join(&[b"y", stream.as_bytes()])
}
/// A job, by the number of its stream.
pub fn job(number: u64) -> Vec<u8> {
    join(&[b"j", &six(number)])
}
/// A step of a job -> its newest item.
pub fn item(job: u64, step: u32) -> Vec<u8> {
    join(&[b"k", &six(job), &six(u64::from(step))])
}
/// Old record -> new record.
pub fn successor(connection: &str, old: &RecordRef) -> Vec<u8> {
    join(&[b"m", connection.as_bytes(), b"\0", old.to_string().as_bytes()])
}
/// What [`successors`] begins with.
pub const SUCCESSORS: u8 = b'M';
/// How many old records of a connection have a new one.
pub fn successors(connection: &str) -> Vec<u8> {
    join(&[&[SUCCESSORS], connection.as_bytes()])
}
/// Position of the last event.
pub const LAST_SEQ: &[u8] = b"xs";
/// How many entries lie in the bin.
pub const IN_BIN: &[u8] = b"xb";
