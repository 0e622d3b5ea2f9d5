//! The journal: append-only segments on disk, the truth of the archive (`docs/archive-format.md`).

use std::path::PathBuf;
use std::time::Duration;

use super::ArchiveError;
use super::sealed::Sealer;

/// Where a frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Number of the segment, from 1.
    pub segment: u32,
    /// Bytes from the beginning of the segment.
    pub offset: u32,
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A snapshot and its id.
    Snapshot = 1,
    /// An event of the ledger.
    Event = 2,
    /// A snapshot that was dropped.
    Forgotten = 3,
}

/// A frame to be written.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it holds.
    pub kind: Kind,
    /// Plain; the journal compresses and seals it.
    pub body: Vec<u8>,
}

/// A frame as it was read: whole, opened, unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where it lies.
    pub place: Place,
    /// Its number in the journal, from 1, growing; the journal's own frames take numbers too.
    pub seq: u64,
    /// What it holds.
    pub kind: Kind,
    /// Plain.
    pub body: Vec<u8>,
}

/// How to open a journal. [`new`](Self::new) has the usual values.
#[derive(Clone, Debug)]
pub struct Options {
    /// The journal's directory.
    pub dir: PathBuf,
    /// Destructive work is refused below this; 0: the larger of 1 GiB and 5 % of the disk.
    pub min_free_bytes: u64,
    /// Size of a segment.
    pub segment_bytes: u64,
    /// How long a write may take before the journal counts as unusable.
    pub fence_timeout: Duration,
    /// Snapshots that train the dictionary of the compression; 0: none is trained.
    pub dictionary_samples: usize,
    /// Plain bytes that train it, if they come together first.
    pub dictionary_sample_bytes: usize,
    /// Size of the dictionary.
    pub dictionary_bytes: usize,
}

impl Options {
    /// The usual values.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            min_free_bytes: 0,
            segment_bytes: 64 << 20,
            fence_timeout: Duration::from_secs(5),
            dictionary_samples: 1_000,
            dictionary_sample_bytes: 2 << 20,
            dictionary_bytes: 64 << 10,
        }
    }
}

/// What was found at opening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Number of the last frame: so many were ever written, the journal's own included.
    pub frames: u64,
    /// Bytes cut from the tail of the last segment; nothing acknowledged was among them.
    pub cut_bytes: u64,
    /// Damage seen so far: the heads of all segments, the frame headers of the last. [`Journal::scan`] sees all.
    pub damage: Vec<String>,
}

/// The journal of one directory. Dropping it writes what is waiting and closes it.
#[derive(Debug)]
pub struct Journal {}

impl Journal {
    /// Locks the directory, reads the head of every segment, cuts only the torn tail of the last one.
    pub fn open(options: Options, sealer: Sealer) -> Result<(Self, Recovery), ArchiveError> {
        drop((options, sealer));
        Err(not_yet())
    }

    /// Appends frames as one unit: after a crash all are there or none. Returns when they are durable (one `fdatasync`
    /// for all waiting calls), read back, opened and equal. A failed write poisons the journal for good.
    #[expect(clippy::unused_async, reason = "the writer is not in yet")]
    pub async fn append(&self, frames: Vec<Draft>) -> Result<Vec<Place>, ArchiveError> {
        drop(frames);
        Err(not_yet())
    }

    /// One frame. [`ArchiveError::Damaged`] if the bytes are not what they were.
    pub fn read(&self, place: Place) -> Result<Frame, ArchiveError> {
        let _ = place;
        Err(not_yet())
    }

    /// Every whole frame from `from` on (`None`: the first), in order, up to what was durable when the scan began.
    /// Damage is told to `on_damage` and skipped.
    pub fn scan(
        &self,
        from: Option<Place>,
        on_frame: &mut dyn FnMut(Frame) -> Result<(), ArchiveError>,
        on_damage: &mut dyn FnMut(String),
    ) -> Result<(), ArchiveError> {
        let _ = (from, on_frame, on_damage);
        Err(not_yet())
    }

    /// Where the next frame will lie, or, if it no longer fits there, where its segment ends. Good for
    /// [`scan`](Self::scan) either way.
    pub fn end(&self) -> Place {
        Place { segment: 1, offset: 0 }
    }

    /// `Ok` if destructive work may go on: not poisoned, and room on the disk (looked at once a second at most).
    pub fn writable(&self) -> Result<(), ArchiveError> {
        Err(not_yet())
    }

    /// Bytes of all frames on disk.
    pub fn bytes(&self) -> u64 {
        0
    }

    /// Segments on disk.
    pub fn segments(&self) -> u64 {
        0
    }
}

fn not_yet() -> ArchiveError {
    ArchiveError::Unusable("the journal is not built yet".to_owned())
}
