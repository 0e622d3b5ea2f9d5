//! sled as rows; changes as batches with a checkpoint.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::archive::ArchiveError;
use crate::archive::fold::rows::{Changes, Row, Rows, Walk, parse, write};

/// sled's batches cost memory out of proportion to their size.
pub(crate) const BATCH: usize = 64;
/// Bytes of sled's page cache.
const CACHE: u64 = 24 << 20;
/// How often sled writes what it holds in memory. A loss of it costs reading that much of the journal again.
const WRITE_MS: u64 = 1_000;

/// Which journal the rows are of, and how far they are.
const HEAD: &[u8] = b"!head";
/// Changes that take several batches, until all of them are in.
const REDO: &[u8] = b"!redo";

/// Length of a value that is taken away.
const GONE: usize = 0xffff_ffff;

/// Layout of the rows; another number means: rebuild.
pub(crate) const VERSION: u32 = 1;

/// The head row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub version: u32,
    pub journal: String,
    /// Every frame before this place is in the rows.
    pub place: u64,
}

/// Rows in sled.
#[derive(Clone, Debug)]
pub(crate) struct Table(sled::Db);

fn failed(error: &sled::Error) -> ArchiveError {
    broken(&error.to_string())
}

fn broken(detail: &str) -> ArchiveError {
    ArchiveError::Unusable(format!("its index cannot be used: {detail}; restart to rebuild it"))
}

/// sled panics on some damage; that is an error like any other.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, ArchiveError>) -> Result<T, ArchiveError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(broken("it panicked")))
}

impl Table {
    /// Opens sled; it may panic.
    pub(crate) fn open(dir: &Path) -> Result<Self, ArchiveError> {
        let config = sled::Config::new().path(dir).cache_capacity(CACHE).flush_every_ms(Some(WRITE_MS));
        config.open().map(Self).map_err(|error| failed(&error))
    }

    pub(crate) fn head(&self) -> Result<Option<Head>, ArchiveError> {
        Rows::get(self, HEAD)?.map(|bytes| parse(&bytes)).transpose()
    }

    /// Finishes what was cut off between its batches.
    pub(crate) fn redo(&self) -> Result<(), ArchiveError> {
        let Some(bytes) = Rows::get(self, REDO)? else { return Ok(()) };
        self.write(unpacked(&bytes).ok_or_else(|| broken("its redo is cut short"))?)
    }

    /// Writes changes and how far they bring the rows: all or nothing, also if the process ends in between.
    pub(crate) fn apply(&self, mut changes: Changes, head: &Head) -> Result<(), ArchiveError> {
        changes.insert(HEAD.to_vec(), Some(write(head)));
        if changes.len() > BATCH {
            self.0.insert(REDO, packed(&changes)).map_err(|error| failed(&error))?;
            changes.insert(REDO.to_vec(), None);
        }
        self.write(changes)
    }

    /// Writes changes of rows that are being made anew: in any order, and worth nothing before there is a head.
    pub(crate) fn make(&self, changes: Changes) -> Result<(), ArchiveError> {
        let mut batch = sled::Batch::default();
        for (at, (key, value)) in changes.into_iter().enumerate() {
            put(&mut batch, key, value);
            if at % BATCH == BATCH - 1 {
                self.0.apply_batch(std::mem::take(&mut batch)).map_err(|error| failed(&error))?;
            }
        }
        self.0.apply_batch(batch).map_err(|error| failed(&error))
    }

    /// In batches; the one with the head and the end of the redo is the last.
    fn write(&self, changes: Changes) -> Result<(), ArchiveError> {
        let (special, rows): (Vec<_>, Vec<_>) = changes.into_iter().partition(|(key, _)| key.first() == Some(&b'!'));
        let last = rows.len() % BATCH;
        let mut batch = sled::Batch::default();
        for (at, (key, value)) in rows.into_iter().rev().enumerate() {
            put(&mut batch, key, value);
            if at + 1 >= last && (at + 1 - last).is_multiple_of(BATCH) && at + 1 > last {
                self.0.apply_batch(std::mem::take(&mut batch)).map_err(|error| failed(&error))?;
            }
        }
        for (key, value) in special {
            put(&mut batch, key, value);
        }
        batch.remove(REDO);
        self.0.apply_batch(batch).map_err(|error| failed(&error))
    }

    /// Hands everything to the disk.
    pub(crate) fn flush(&self) -> Result<(), ArchiveError> {
        self.0.flush().map(drop).map_err(|error| failed(&error))
    }
}

/// Key and value with their lengths; a value that is taken away has the length of none.
fn packed(changes: &Changes) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in changes {
        let value = value.as_deref();
        for (part, length) in
            [(key.as_slice(), key.len()), (value.unwrap_or_default(), value.map_or(GONE, <[u8]>::len))]
        {
            bytes.extend_from_slice(&(length as u64).to_le_bytes()[..4]);
            bytes.extend_from_slice(part);
        }
    }
    bytes
}

fn unpacked(mut bytes: &[u8]) -> Option<Changes> {
    let mut changes = Changes::new();
    while !bytes.is_empty() {
        let (_, key) = part(&mut bytes)?;
        let (there, value) = part(&mut bytes)?;
        changes.insert(key, there.then_some(value));
    }
    Some(changes)
}

fn part(bytes: &mut &[u8]) -> Option<(bool, Vec<u8>)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (part, rest) = rest.split_at_checked(if length == GONE { 0 } else { length })?;
    *bytes = rest;
    Some((length != GONE, part.to_vec()))
}

fn put(batch: &mut sled::Batch, key: Vec<u8>, value: Option<Vec<u8>>) {
    match value {
        Some(value) => batch.insert(key, value),
        None => batch.remove(key),
    }
}

fn row(row: sled::Result<(sled::IVec, sled::IVec)>) -> Result<Row, ArchiveError> {
    row.map(|(key, value)| (key.to_vec(), value.to_vec())).map_err(|error| failed(&error))
}

impl Rows for Table {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.0.get(key).map(|value| value.map(|value| value.to_vec())).map_err(|error| failed(&error))
    }
    fn up<'a>(&'a self, from: &[u8], to: &[u8]) -> Walk<'a> {
        Box::new(self.0.range(from..to).map(row))
    }
    fn down<'a>(&'a self, from: &[u8], to: &[u8]) -> Walk<'a> {
        Box::new(self.0.range(from..to).rev().map(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_off_between_batches_is_finished() {
        let dir = tempfile::tempdir().expect("a directory");
        let table = Table::open(dir.path()).expect("opened");
        let mut changes: Changes = (0..200_u8).map(|n| (vec![b'a', n], Some(vec![n; 3]))).collect();
        changes.insert(vec![b'a', 7], None);
        table.0.insert([b'a', 7], "old").expect("inserted");
        table.0.insert(REDO, packed(&changes)).expect("inserted");
        table.redo().expect("redone");
        assert_eq!(table.up(b"a", b"b").count(), 199);
        assert_eq!(Rows::get(&table, &[b'a', 9]).expect("read"), Some(vec![9; 3]));
        assert_eq!(Rows::get(&table, REDO).expect("read"), None);
        assert!(unpacked(&packed(&changes)[1..]).is_none());
    }
}
