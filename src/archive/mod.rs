//! The archive: what must not be lost. The journal on disk is the truth; sled holds the working copy and the indexes
//! and can be rebuilt from it at any time (`docs/archive-format.md`).
//!
//! | file | idea |
//! | --- | --- |
//! | [`fold`] | what events add up to, as changes of rows |
//! | [`memory`] | a store in memory: the reference |
//! | [`durable`] | the store on disk: journal and index |
//! | [`index`] | rows in sled, rebuilt from the journal whenever they are not right |
//! | `contract` | the suite every store passes |
//! | [`backup`] | copies elsewhere, and back from them |
//! | [`audit`] | the audit chain: its head, and the journal against heads that were sent out |
//! | [`journal`] | append-only segments on disk, the truth |
//! | [`sealed`] | the key, and sealing with it |
//! | [`pocket`] | short secrets of the configuration, sealed with it |
//!
//! What the engine may rely on: when [`Store::commit`], [`Archive::put`] or [`Ledger::append`] has returned `Ok`, what
//! was written survives a power cut. When one has returned an error, nothing of it counts.

pub mod audit;
pub mod backup;
#[cfg(test)]
mod contract;
pub mod durable;
pub mod fold;
pub mod index;
pub mod journal;
pub mod memory;
pub mod pocket;
pub mod sealed;

use async_trait::async_trait;
use jiff::Timestamp;

use audit::{Anchor, Anchors, AuditReport};

use crate::domain::entry::{Entry, EntryState, Operation, OperationState};
use crate::domain::event::{Erased, Event, Recorded, Stream};
use crate::domain::ids::{EntryId, ErasureId, JobId, OperationId, PlanId, SnapshotId};
use crate::domain::job::{Item, Job};
use crate::domain::plan::Plan;
use crate::domain::record::{RecordRef, Snapshot};

/// Snapshots, by content address, sealed.
#[async_trait]
pub trait Archive: Send + Sync {
    /// Keeps snapshots. Durable, read back, decrypted and hash-equal on return (P1). Putting one twice keeps one.
    async fn put(&self, snapshots: &[Snapshot]) -> Result<Vec<SnapshotId>, ArchiveError>;

    /// The snapshot. [`ArchiveError::NotFound`] if it was never put or was forgotten, [`ArchiveError::Damaged`] if its
    /// bytes no longer match its address.
    async fn get(&self, id: &SnapshotId) -> Result<Snapshot, ArchiveError>;

    /// Every snapshot of one record, newest first.
    async fn history(&self, connection: &str, of: &RecordRef) -> Result<Vec<SnapshotId>, ArchiveError>;

    /// Drops a snapshot: it can no longer be read, and nothing of it stays in any index. Durable on return.
    async fn forget(&self, id: &SnapshotId) -> Result<(), ArchiveError>;
}

/// Everything that happened, in order. It is the audit log.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Appends to one stream. `expected` is the version the caller has seen (0: the stream is new);
    /// [`ArchiveError::Conflict`] if it has moved on. Durable on return.
    async fn append(&self, stream: &Stream, expected: u64, events: Vec<Event>) -> Result<Vec<Recorded>, ArchiveError>;

    /// The events of one stream after `version`, oldest first.
    async fn read(&self, stream: &Stream, after: u64) -> Result<Vec<Recorded>, ArchiveError>;

    /// Names and versions of the streams that begin with `prefix`, in the order of their names.
    async fn streams(&self, prefix: &str) -> Result<Vec<(Stream, u64)>, ArchiveError>;
}

/// What the ledger's events add up to, ready to be asked for. Kept in step with the ledger: what `append` has
/// acknowledged is in here.
#[async_trait]
pub trait Bin: Send + Sync {
    /// Entries, newest deletion first.
    async fn entries(&self, filter: &EntryFilter) -> Result<Page<Entry>, ArchiveError>;
    /// One entry.
    async fn entry(&self, id: EntryId) -> Result<Option<Entry>, ArchiveError>;
    /// The newest entry of a record that is in the bin (`deleted`, `unknown`, `restoring`, `needs_review`), if any.
    async fn in_bin(&self, connection: &str, record: &RecordRef) -> Result<Option<Entry>, ArchiveError>;
    /// Operations, newest first.
    async fn operations(&self, filter: &OperationFilter) -> Result<Page<Operation>, ArchiveError>;
    /// One operation.
    async fn operation(&self, id: OperationId) -> Result<Option<Operation>, ArchiveError>;
    /// One plan.
    async fn plan(&self, id: PlanId) -> Result<Option<Plan>, ArchiveError>;
    /// Jobs, newest first.
    async fn jobs(&self, limit: usize, cursor: Option<&str>) -> Result<Page<Job>, ArchiveError>;
    /// One job.
    async fn job(&self, id: JobId) -> Result<Option<Job>, ArchiveError>;
    /// Items of a job, in the order of the plan.
    async fn items(&self, id: JobId, limit: usize, cursor: Option<&str>) -> Result<Page<Item>, ArchiveError>;
    /// Events of the whole ledger, newest first.
    async fn audit(&self, limit: usize, cursor: Option<&str>) -> Result<Page<Recorded>, ArchiveError>;
    /// Follows the idmap: the record that now stands for `old`, over any number of restores; `None` if `old` was never
    /// restored under a new id.
    async fn successor(&self, connection: &str, old: &RecordRef) -> Result<Option<RecordRef>, ArchiveError>;
    /// How many old ids of this connection have a successor; 0 lets the gateway skip every look-up. Cheap.
    fn successors(&self, connection: &str) -> u64;
    /// Numbers for health and metrics.
    async fn stats(&self) -> Result<Stats, ArchiveError>;
}

/// Everything in one.
#[async_trait]
pub trait Store: Archive + Ledger + Bin {
    /// Keeps snapshots and appends events in one durable write: after a crash either all of it is there or nothing.
    /// The snapshots are read back, decrypted and hash-equal on return (P1).
    async fn commit(&self, write: Write) -> Result<Vec<Recorded>, ArchiveError>;

    /// `Ok` when destructive requests may be let through: the journal can be written, the index is caught up, and the
    /// disk has room. Cheap enough to be asked before every delete.
    fn ready(&self) -> Result<(), ArchiveError>;

    /// Reads the whole archive and reports what is damaged.
    async fn check(&self) -> Result<CheckReport, ArchiveError>;

    /// The head of the audit chain as it is now, computed on from an earlier one.
    async fn anchor(&self, since: Option<Anchor>) -> Result<Anchor, ArchiveError>;

    /// Reads the whole archive and compares it with heads that were sent out.
    async fn verify(&self, anchors: Anchors) -> Result<AuditReport, ArchiveError>;

    /// What would be destroyed with a record. Changes nothing.
    async fn erasable(&self, connection: &str, record: &RecordRef) -> Result<Erasable, ArchiveError>;

    /// Destroys everything that is kept of a record for good: on return no key is left that opens it, and nothing of it
    /// is found. [`ArchiveError::Invalid`] if that is something else than `what` by now, or if it may not be erased now.
    async fn erase(&self, what: &Erasable, act: Act) -> Result<Recorded, ArchiveError>;
}

/// What is kept of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasable {
    /// Connection.
    pub connection: String,
    /// The record.
    pub record: RecordRef,
    /// Keyed hash of both: what an erased record is called from then on.
    pub subject: String,
    /// Its entries that are not erased yet, oldest first.
    pub entries: Vec<EntryId>,
    /// Its snapshots, newest first.
    pub snapshots: Vec<SnapshotId>,
    /// Plans that hold values of it.
    pub plans: Vec<PlanId>,
    /// Jobs whose losses or reports do.
    pub jobs: Vec<JobId>,
    /// Slots of the keys that seal all that.
    pub slots: Vec<u32>,
}

/// Who erases, and why.
#[derive(Clone, Debug)]
pub struct Act {
    /// Its name.
    pub erasure: ErasureId,
    /// Why.
    pub reason: String,
    /// Who asked.
    pub by: String,
}

impl Erasable {
    /// The event of its erasure.
    pub(crate) fn event(&self, act: Act) -> Erased {
        Erased {
            erasure: act.erasure,
            connection: self.connection.clone(),
            subject: self.subject.clone(),
            entries: self.entries.clone(),
            snapshots: self.snapshots.clone(),
            plans: self.plans.clone(),
            jobs: self.jobs.clone(),
            slots: self.slots.clone(),
            reason: act.reason,
            by: act.by,
        }
    }

    /// Fails if this is no longer what was to be erased.
    pub(crate) fn still(&self, what: &Self) -> Result<(), ArchiveError> {
        if self.entries.is_empty() {
            return Err(ArchiveError::NotFound(format!("an entry of {} of {}", self.record, self.connection)));
        }
        let same = Self { slots: what.slots.clone(), ..self.clone() } == *what;
        let changed = || ArchiveError::Invalid("what is kept of this record has changed; look at it again".to_owned());
        same.then_some(()).ok_or_else(changed)
    }
}

/// A connection and a record as one text, for a keyed hash.
pub(crate) fn subject_of(connection: &str, record: &RecordRef) -> String {
    format!("{connection}\0{record}")
}

/// One durable write.
#[derive(Clone, Debug, Default)]
pub struct Write {
    /// Snapshots to keep.
    pub snapshots: Vec<Snapshot>,
    /// Stream, expected version, events.
    pub appends: Vec<(Stream, u64, Vec<Event>)>,
}

/// Which entries.
#[derive(Clone, Debug, Default)]
pub struct EntryFilter {
    /// Of this connection.
    pub connection: Option<String>,
    /// Of this kind (`contacts`).
    pub object: Option<String>,
    /// Whose name, e-mail, phone or old id matches: words by their beginning, phones by their last digits (4 or more),
    /// old ids whole. Every word has to match. Case does not matter.
    pub q: Option<String>,
    /// In one of these states; empty means all but `kept`, `forgotten` and `erased`.
    pub states: Vec<EntryState>,
    /// Of this operation.
    pub operation: Option<OperationId>,
    /// Deleted at this moment or later.
    pub deleted_after: Option<Timestamp>,
    /// Deleted before this moment.
    pub deleted_before: Option<Timestamp>,
    /// At most this many.
    pub limit: usize,
    /// Where the last page ended.
    pub cursor: Option<String>,
}

/// Which operations.
#[derive(Clone, Debug, Default)]
pub struct OperationFilter {
    /// Of this connection.
    pub connection: Option<String>,
    /// In one of these states; empty means all.
    pub states: Vec<OperationState>,
    /// At most this many.
    pub limit: usize,
    /// Where the last page ended.
    pub cursor: Option<String>,
}

/// A page of rows.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
}

/// Numbers for health and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries in the bin.
    pub entries: u64,
    /// Bytes of the journal on disk.
    pub journal_bytes: u64,
    /// Last position of the ledger.
    pub last_seq: u64,
}

/// What `check` found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Segments read.
    pub segments: u64,
    /// Frames read and found whole.
    pub frames: u64,
    /// Snapshots whose bytes match their address.
    pub snapshots: u64,
    /// What is damaged: where, and what it was if that can be known.
    pub damage: Vec<String>,
}

/// Why the archive did not do it. What to do next is part of the text.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Nothing by that name.
    #[error("{0} is not in the archive")]
    NotFound(String),
    /// Bytes that no longer match their checksum, tag or address.
    #[error(
        "{what} is damaged: {detail}; run `crm-undo check` to see all damage, and restore that segment from a backup"
    )]
    Damaged {
        /// What was asked for.
        what: String,
        /// What was found.
        detail: String,
    },
    /// Somebody else wrote to the stream first.
    #[error("{} has moved on: expected version {expected}, found {found}", stream.0)]
    Conflict {
        /// The stream.
        stream: Stream,
        /// What the caller had seen.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// The journal cannot be written. Destructive requests are refused until the process is restarted on a healthy disk.
    #[error("the archive cannot be written: {0}")]
    Unusable(String),
    /// A backup could not be made or read; nothing else is affected.
    #[error("the backup is not done: {0}")]
    Backup(String),
    /// Not enough free space for destructive work.
    #[error(
        "the archive's disk has {free} bytes free and needs {needed}; free some space, deletes are refused until then"
    )]
    Full {
        /// Bytes free.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// The key does not open this archive.
    #[error("the key does not open this archive: {0}")]
    BadKey(String),
    /// Another process has it open.
    #[error("{0} is in use by another crm-undo process; stop that one first, or choose another data_dir")]
    Locked(String),
    /// A cursor, a query or a format that cannot be understood.
    #[error("{0}")]
    Invalid(String),
}

pub use journal::space;
