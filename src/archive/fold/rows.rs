//! What stands in a row; rows as they are read, and rows about to change.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::archive::ArchiveError;
use crate::domain::entry::{EntryState, OperationState};
use crate::domain::event::Recorded;
use crate::domain::ids::SnapshotId;
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
}

/// The frames that rows point to.
pub trait Frames {
    /// An event.
    fn event(&self, place: u64) -> Result<Recorded, ArchiveError>;
    /// A snapshot and its address, which is verified.
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
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct StreamRow(pub u64, pub u64);

/// An operation. What does not change is read from its first event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OperationRow {
    /// Frame of the event that captured it.
    #[serde(rename = "p")]
    pub place: u64,
    /// State.
    #[serde(rename = "s")]
    pub state: OperationState,
    /// HTTP status of the answer.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<u16>,
    /// Number of its first entry; the others follow.
    #[serde(rename = "f")]
    pub first: u64,
    /// How many entries.
    #[serde(rename = "c")]
    pub count: u64,
    /// Connection.
    #[serde(rename = "n")]
    pub connection: String,
}

/// An entry. What does not change is read from the operation's first event and from the snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EntryRow {
    /// Number of the operation.
    #[serde(rename = "o")]
    pub operation: u64,
    /// Frame of the event that captured it.
    #[serde(rename = "p")]
    pub place: u64,
    /// Which entry of the operation.
    #[serde(rename = "i")]
    pub index: usize,
    /// State.
    #[serde(rename = "s")]
    pub state: EntryState,
    /// Connection.
    #[serde(rename = "n")]
    pub connection: String,
    /// Kind of record.
    #[serde(rename = "k")]
    pub object: String,
    /// When it was captured: seconds and nanoseconds.
    #[serde(rename = "t")]
    pub at: (i64, i32),
    /// New record.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub restored_as: Option<RecordRef>,
    /// Why it is in this state.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A job without its report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobRow {
    /// As it is shown.
    pub job: Job,
    /// Frame of the report.
    pub report: Option<u64>,
}

/// The newest item of a step: frame, position in it, state.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ItemRow(pub u64, pub usize, pub ItemState);

/// Seconds and nanoseconds of a moment.
pub fn moment(at: Timestamp) -> (i64, i32) {
    (at.as_second(), at.subsec_nanosecond())
}

/// The value of a row.
pub fn write<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("rows have only strings and numbers, which always serialize")
}

/// The row under a key.
pub fn read<T: DeserializeOwned>(rows: &dyn Rows, key: &[u8]) -> Result<Option<T>, ArchiveError> {
    rows.get(key)?.map(|bytes| parse(&bytes)).transpose()
}

/// A row from its value.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ArchiveError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ArchiveError::Damaged { what: "a row of the index".into(), detail: error.to_string() })
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
    /// Writes a row or takes it away.
    pub fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let before = self.changes.insert(key.clone(), value);
        self.before.push((key, before));
    }
    /// Writes a row.
    pub fn put<T: Serialize>(&mut self, key: Vec<u8>, value: &T) {
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
        let now = number(self, key)?.saturating_add_signed(by);
        self.put(key.to_vec(), &now);
        Ok(())
    }
}

impl Rows for Staged<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
        match self.changes.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.below.get(key),
        }
    }
    fn up<'a>(&'a self, from: &[u8], to: &[u8]) -> Walk<'a> {
        Box::new(self.merged(from, to).into_iter())
    }
    fn down<'a>(&'a self, from: &[u8], to: &[u8]) -> Walk<'a> {
        Box::new(self.merged(from, to).into_iter().rev())
    }
}

impl Staged<'_> {
    /// Only walked over the few rows of one record.
    fn merged(&self, from: &[u8], to: &[u8]) -> Vec<Result<Row, ArchiveError>> {
        let mut rows = BTreeMap::new();
        for row in self.below.up(from, to) {
            match row {
                Ok((key, value)) => rows.insert(key, value),
                Err(error) => return vec![Err(error)],
            };
        }
        for (key, value) in self.changes.range(from.to_vec()..to.to_vec()) {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        rows.into_iter().map(Ok).collect()
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
