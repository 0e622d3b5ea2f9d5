//! What stands in a row; rows as they are read, and rows about to change.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::filter::Filter;
use super::packed::{Value, byte};
use crate::archive::ArchiveError;
use crate::domain::entry::{EntryState, OperationState, Via};
use crate::domain::event::Recorded;
use crate::domain::ids::{EntryId, OperationId, SnapshotId};
use crate::domain::job::{ItemState, Job};
use crate::domain::lifecycle::Illegal;
use crate::domain::record::{RecordRef, Snapshot};

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);
/// Rows one after the other.
pub type Walk<'a> = Box<dyn Iterator<Item = Result<Row, ArchiveError>> + 'a>;
/// A new value; `None` takes a row away.
pub type Change = Option<Vec<u8>>;
/// New values by key.
pub type Changes = BTreeMap<Vec<u8>, Change>;

/// Rows, in the order of their keys.
pub trait Rows {
    /// One row.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError>;
    /// Rows from `from` on, up to but without `to`.
    fn up<'a>(&'a self, from: &[u8], to: &[u8]) -> Walk<'a>;
    /// The same, the last one first.
    fn down<'a>(&'a self, from: &[u8], to: &[u8]) -> Walk<'a>;
    /// The same; rows whose filter says that they cannot be wanted may be left out.
    fn sift<'a>(&'a self, from: &[u8], to: &[u8], _may: &'a dyn Fn(&Filter) -> bool) -> Walk<'a> {
        self.down(from, to)
    }
}

/// The frames that rows point to.
pub trait Frames {
    /// An event.
    fn event(&self, place: u64) -> Result<Recorded, ArchiveError>;
    /// A snapshot and its address, which is verified. [`ArchiveError::NotFound`] if it was erased.
    fn snapshot(&self, place: u64) -> Result<(SnapshotId, Snapshot), ArchiveError>;
}

/// Why an event adds nothing up.
#[derive(Debug)]
pub enum Stop {
    /// It may not happen now.
    Illegal(String),
    /// The rows could not be read.
    Failed(ArchiveError),
}

impl From<ArchiveError> for Stop {
    fn from(error: ArchiveError) -> Self {
        Self::Failed(error)
    }
}
impl From<Illegal> for Stop {
    fn from(illegal: Illegal) -> Self {
        Self::Illegal(illegal.to_string())
    }
}
impl From<Stop> for ArchiveError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Illegal(why) => Self::Invalid(why),
            Stop::Failed(error) => error,
        }
    }
}

/// A stream.
#[derive(Clone, Debug, Default)]
pub struct StreamRow {
    /// Its number: the position of its first event.
    pub number: u64,
    /// Its version.
    pub version: u64,
    /// Frames of its first events; 0 where there is none. Later ones have rows of their own.
    pub places: Vec<u64>,
}

impl Value for StreamRow {
    fn pack(&self, out: &mut Vec<u8>) {
        self.number.pack(out);
        self.version.pack(out);
        self.places.pack(out);
    }
    fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self { number: u64::unpack(bytes)?, version: u64::unpack(bytes)?, places: Vec::unpack(bytes)? })
    }
}

/// An operation, without its list of entries.
#[derive(Clone, Debug)]
pub struct OperationRow {
    /// Frame of the event that captured it.
    pub place: u64,
    /// State.
    pub state: OperationState,
    /// HTTP status of the answer.
    pub answer: Option<u16>,
    /// Number of its first entry; the others follow.
    pub first: u64,
    /// How many entries.
    pub count: u64,
    /// Its name.
    pub id: OperationId,
    /// Connection.
    pub connection: String,
    /// By which way.
    pub via: Via,
    /// Who asked.
    pub by: String,
    /// When it was captured.
    pub at: Timestamp,
}

impl Value for OperationRow {
    fn pack(&self, out: &mut Vec<u8>) {
        self.place.pack(out);
        self.state.pack(out);
        self.answer.map(u64::from).pack(out);
        (self.first >> 16).pack(out);
        self.count.pack(out);
        self.id.0.as_bytes().pack(out);
        self.connection.pack(out);
        self.via.pack(out);
        self.by.pack(out);
        self.at.pack(out);
    }
    fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self {
            place: u64::unpack(bytes)?,
            state: OperationState::unpack(bytes)?,
            answer: Option::<u64>::unpack(bytes)?.and_then(|answer| u16::try_from(answer).ok()),
            first: u64::unpack(bytes)? << 16,
            count: u64::unpack(bytes)?,
            id: OperationId(Uuid::from_bytes(<[u8; 16]>::unpack(bytes)?)),
            connection: String::unpack(bytes)?,
            via: Via::unpack(bytes)?,
            by: String::unpack(bytes)?,
            at: Timestamp::unpack(bytes)?,
        })
    }
}

/// An entry. The rest is in the operation's row and in the snapshot.
#[derive(Clone, Debug)]
pub struct EntryRow {
    /// Number of the operation.
    pub operation: u64,
    /// Its name.
    pub id: EntryId,
    /// State.
    pub state: EntryState,
    /// Connection.
    pub connection: String,
    /// The record.
    pub record: RecordRef,
    /// Frame of the snapshot; 0: it was dropped.
    pub snapshot: u64,
    /// When retention drops it.
    pub expires_at: Timestamp,
    /// New record.
    pub restored_as: Option<RecordRef>,
    /// Why it is in this state.
    pub reason: Option<String>,
}

impl Value for EntryRow {
    fn pack(&self, out: &mut Vec<u8>) {
        self.state.pack(out);
        self.connection.pack(out);
        self.record.pack(out);
        self.expires_at.pack(out);
        self.restored_as.pack(out);
        self.reason.pack(out);
        self.operation.pack(out);
        self.snapshot.pack(out);
        self.id.0.as_bytes().pack(out);
    }
    fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self {
            state: EntryState::unpack(bytes)?,
            connection: String::unpack(bytes)?,
            record: RecordRef::unpack(bytes)?,
            expires_at: Timestamp::unpack(bytes)?,
            restored_as: Option::unpack(bytes)?,
            reason: Option::unpack(bytes)?,
            operation: u64::unpack(bytes)?,
            snapshot: u64::unpack(bytes)?,
            id: EntryId(Uuid::from_bytes(<[u8; 16]>::unpack(bytes)?)),
        })
    }
}

/// What there is of one record, oldest first.
#[derive(Clone, Debug, Default)]
pub struct RecordRow {
    /// Numbers of its entries.
    pub entries: Vec<u64>,
    /// Frames of its snapshots.
    pub snapshots: Vec<u64>,
    /// Slots of the key ring that seal them.
    pub slots: Vec<u64>,
}

impl Value for RecordRow {
    fn pack(&self, out: &mut Vec<u8>) {
        self.entries.pack(out);
        self.snapshots.pack(out);
        self.slots.pack(out);
    }
    fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self { entries: Vec::unpack(bytes)?, snapshots: Vec::unpack(bytes)?, slots: Vec::unpack(bytes)? })
    }
}

/// Puts a number into its place of a growing list: commits that are on their way together may come either way.
pub(super) fn insert(list: &mut Vec<u64>, number: u64) {
    if let Err(at) = list.binary_search(&number) {
        list.insert(at, number);
    }
}

/// A job without its report.
#[derive(Clone, Debug)]
pub struct JobRow {
    /// As it is shown.
    pub job: Job,
    /// Frame of the report.
    pub report: Option<u64>,
}

impl Value for JobRow {
    fn pack(&self, out: &mut Vec<u8>) {
        self.report.pack(out);
        out.extend(serde_json::to_vec(&self.job).expect("a job has only strings and numbers, which always serialize"));
    }
    fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        let report = Option::unpack(bytes)?;
        Some(Self { job: serde_json::from_slice(std::mem::take(bytes)).ok()?, report })
    }
}

/// The newest item of a step: frame, position in it, state.
#[derive(Clone, Copy, Debug)]
pub struct ItemRow(pub u64, pub usize, pub ItemState);

impl Value for ItemRow {
    fn pack(&self, out: &mut Vec<u8>) {
        self.0.pack(out);
        (self.1 as u64).pack(out);
        self.2.pack(out);
    }
    fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self(u64::unpack(bytes)?, usize::try_from(u64::unpack(bytes)?).ok()?, ItemState::unpack(bytes)?))
    }
}

/// The value of a row.
pub fn write<T: Value>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    value.pack(&mut out);
    out
}

/// The row under a key.
pub fn read<T: Value>(rows: &dyn Rows, key: &[u8]) -> Result<Option<T>, ArchiveError> {
    rows.get(key)?.map(|bytes| parse(&bytes)).transpose()
}

/// A row from its value.
pub fn parse<T: Value>(mut bytes: &[u8]) -> Result<T, ArchiveError> {
    let value = T::unpack(&mut bytes).filter(|_| byte(&mut bytes).is_none());
    value.ok_or_else(|| ArchiveError::Damaged {
        what: "a row of the index".into(),
        detail: "it is not what was written".into(),
    })
}

/// A number under a key; 0 if there is none.
pub fn number(rows: &dyn Rows, key: &[u8]) -> Result<u64, ArchiveError> {
    Ok(read(rows, key)?.unwrap_or(0))
}

/// Rows with changes laid over them.
pub struct Staged<'a> {
    below: &'a dyn Rows,
    /// What is to be written.
    pub changes: Changes,
    /// What stood in `changes` before, since [`begin`](Self::begin).
    before: Vec<(Vec<u8>, Option<Change>)>,
}

impl<'a> Staged<'a> {
    /// Nothing changed yet.
    pub fn over(below: &'a dyn Rows) -> Self {
        Self { below, changes: Changes::new(), before: Vec::new() }
    }
    /// From here on changes can be taken back.
    pub fn begin(&mut self) {
        self.before.clear();
    }
    /// Takes back all changes since [`begin`](Self::begin).
    pub fn take_back(&mut self) {
        while let Some((key, value)) = self.before.pop() {
            match value {
                Some(value) => self.changes.insert(key, value),
                None => self.changes.remove(&key),
            };
        }
    }
    /// One row as it will be.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
        match self.changes.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.below.get(key),
        }
    }
    /// The row under a key.
    pub fn read<T: Value>(&self, key: &[u8]) -> Result<Option<T>, ArchiveError> {
        self.get(key)?.map(|bytes| parse(&bytes)).transpose()
    }
    /// A number under a key; 0 if there is none.
    pub fn number(&self, key: &[u8]) -> Result<u64, ArchiveError> {
        Ok(self.read(key)?.unwrap_or(0))
    }
    /// Writes a row or takes it away.
    pub fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let before = self.changes.insert(key.clone(), value);
        self.before.push((key, before));
    }
    /// Writes a row.
    pub fn put<T: Value>(&mut self, key: Vec<u8>, value: &T) {
        self.set(key, Some(write(value)));
    }
    /// Writes a row that is all key.
    pub fn mark(&mut self, key: Vec<u8>) {
        self.set(key, Some(Vec::new()));
    }
    /// Takes a row away.
    pub fn take(&mut self, key: Vec<u8>) {
        self.set(key, None);
    }
    /// Adds to a number.
    pub fn count(&mut self, key: &[u8], by: i64) -> Result<(), ArchiveError> {
        let now = self.number(key)?.saturating_add_signed(by);
        self.put(key.to_vec(), &now);
        Ok(())
    }
}

impl Rows for BTreeMap<Vec<u8>, Vec<u8>> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
        Ok(self.get(key).cloned())
    }
    fn up<'a>(&'a self, from: &[u8], to: &[u8]) -> Walk<'a> {
        Box::new(self.range(from.to_vec()..to.to_vec()).map(|(k, v)| Ok((k.clone(), v.clone()))))
    }
    fn down<'a>(&'a self, from: &[u8], to: &[u8]) -> Walk<'a> {
        Box::new(self.range(from.to_vec()..to.to_vec()).rev().map(|(k, v)| Ok((k.clone(), v.clone()))))
    }
}
