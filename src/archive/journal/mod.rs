//! The journal: append-only segments on disk, the truth of the archive. Bytes and promises: `docs/archive-format.md`.
//!
//! | file | idea |
//! | --- | --- |
//! | `layout` | the bytes of headers |
//! | `pack`, `dictionary`, `trainer` | compress and seal a frame; the dictionary, and where it comes from |
//! | `ring` | data keys of families, which can be destroyed |
//! | `writer`, `shared` | group commit on a thread of its own; the queue to it, poison and watch |
//! | `segments` | segment files, the next one made ahead |
//! | `walk`, `recover` | from frame to frame over damage; opening, cutting the torn tail |
//! | `read` | one frame, or all |
//! | `witness` | frames as the audit chain sees them: sealed |
//! | `room`, `disk` | free space; the disk as a trait, so that tests can break it |

mod dictionary;
mod disk;
#[cfg(test)]
pub(crate) mod inline;
mod layout;
mod pack;
mod read;
mod recover;
mod ring;
mod room;
mod segments;
mod shared;
#[cfg(test)]
pub(crate) mod tests;
mod trainer;
mod walk;
mod witness;
mod writer;

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::ArchiveError;
use super::sealed::Sealer;
use dictionary::{Samples, lock};
use disk::{Disk, RealDisk};
use pack::{Packed, Packer};
use ring::Ring;
use room::Room;
pub use room::space;
use segments::Maker;
use shared::Shared;
use writer::Writer;

pub(crate) use layout::segment_head_of;
pub(crate) use witness::Sighting;

/// Where a frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Number of the segment, from 1.
    pub segment: u32,
    /// Bytes from the beginning of the segment to its frame.
    pub offset: u32,
    /// Which of the frame's items, from 0.
    pub item: u8,
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A snapshot (sealed for its family) and half of its id.
    Snapshot = 1,
    /// An event of the ledger; values in it are sealed for their family.
    Event = 2,
    /// A snapshot that was dropped.
    Forgotten = 3,
}

/// An item to be written.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it holds.
    pub kind: Kind,
    /// Plain; the journal compresses and seals it.
    pub body: Vec<u8>,
    /// Values that are readable as long as their family's key lives: slot of the key, plain bytes.
    pub sealed: Option<(u32, Vec<u8>)>,
}

/// The part of an item that is sealed for its family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inner {
    /// It has none.
    None,
    /// Slot of its key; plain.
    Open(u32, Vec<u8>),
    /// The key in this slot was destroyed.
    Erased(u32),
    /// The key in this slot is damaged in both copies of the ring.
    Lost(u32),
}

/// An item of a frame as it was read: whole, opened, unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where it lies.
    pub place: Place,
    /// The frame's number in the journal, from 1, growing; the journal's own frames take numbers too.
    pub seq: u64,
    /// What it holds.
    pub kind: Kind,
    /// Plain.
    pub body: Vec<u8>,
    /// What is sealed for its family.
    pub inner: Inner,
}

/// How to open a journal. [`new`](Self::new) has the usual values.
#[derive(Clone, Debug)]
pub struct Options {
    /// The journal's directory.
    pub dir: PathBuf,
    /// The key ring's directory.
    pub keys: PathBuf,
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
    /// Data keys made at once, ahead.
    pub keys_ahead: u32,
}

impl Options {
    /// The usual values.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        Self {
            keys: dir.with_file_name("keys"),
            dir,
            min_free_bytes: 0,
            segment_bytes: 64 << 20,
            fence_timeout: Duration::from_secs(5),
            dictionary_samples: 1_000,
            dictionary_sample_bytes: 2 << 20,
            dictionary_bytes: 64 << 10,
            keys_ahead: 1_024,
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

/// Plain bytes from which packing and checking leave the caller's runtime thread.
const LARGE: usize = 64 << 10;
/// Most bytes of one unit.
const MAX_UNIT: usize = 1 << 30;

/// The journal of one directory. Dropping it writes what is waiting and closes it.
pub struct Journal {
    shared: Arc<Shared>,
    options: Options,
    threads: Vec<JoinHandle<()>>,
    trainer: Mutex<Option<JoinHandle<()>>>,
    stopped: Arc<(Mutex<bool>, Condvar)>,
    /// A writer without threads, for the simulation.
    #[cfg(test)]
    inline: Option<inline::Inline>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("dir", &self.options.dir).field("end", &self.end()).finish_non_exhaustive()
    }
}

impl Journal {
    /// Locks the directory, reads the head of every segment, cuts only the torn tail of the last one. Blocks: call it
    /// before the runtime is busy, or on a blocking thread.
    pub fn open(options: Options, sealer: Sealer) -> Result<(Self, Recovery), ArchiveError> {
        super::sealed::make_dir(&options.keys)?;
        let disk = Arc::new(RealDisk::new(options.dir.clone()));
        let keys = Arc::new(RealDisk::new(options.keys.clone()));
        Self::open_on(disk, keys.as_ref(), options, sealer)
    }

    fn open_on(
        disk: Arc<dyn Disk>,
        keys: &dyn Disk,
        options: Options,
        sealer: Sealer,
    ) -> Result<(Self, Recovery), ArchiveError> {
        let segment_bytes = options.segment_bytes.clamp(1 << 10, 2 << 30);
        let mut maker = Maker::new(Arc::clone(&disk), segment_bytes);
        let begins = recover::lock(disk.as_ref(), &options.dir.display().to_string())?;
        let mut damage = Vec::new();
        let sealer = Arc::new(sealer);
        let ring = Arc::new(Ring::open(keys, &sealer, (begins, options.keys_ahead), &mut damage)?);
        let packer = Packer::new(sealer, ring);
        let mut opened = recover::open(&disk, &packer, &mut maker)?;
        opened.recovery.damage.append(&mut damage);
        let tail = opened.tail;
        let file = opened.segments.get(&tail.segment).map(|segment| Arc::clone(&segment.file));
        let file = file.expect("the segment that was opened is among the segments");
        let offset = u32::try_from(tail.offset)
            .map_err(|_| ArchiveError::Invalid("the last segment is longer than 4 GiB".to_owned()))?;
        let end = Place { segment: tail.segment, offset, item: 0 };
        let wanted = options.dictionary_samples > 0 && packer.active().id == 0;
        let samples = wanted.then(Samples::default);
        let room = Room::new(options.min_free_bytes);
        let timeout = options.fence_timeout;
        let shared = Arc::new(Shared::new(disk, packer, room, opened.segments, end, samples, timeout));
        let cannot = |error: std::io::Error| ArchiveError::Unusable(format!("its threads cannot be started: {error}"));
        let writer = Writer::new(Arc::clone(&shared), maker, tail, file).map_err(cannot)?;
        let stopped = Arc::new((Mutex::new(false), Condvar::new()));
        let watched = (Arc::clone(&shared), Arc::clone(&stopped));
        let spawn = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let watch = spawn("journal-watch").spawn(move || watched.0.watch(&watched.1)).map_err(cannot)?;
        let mut journal = Self {
            shared,
            options,
            threads: vec![watch],
            trainer: Mutex::default(),
            stopped,
            #[cfg(test)]
            inline: None,
        };
        crate::proofs::point("journal.opened");
        journal.threads.push(spawn("journal").spawn(move || writer.run()).map_err(cannot)?);
        Ok((journal, opened.recovery))
    }

    /// Appends frames as one unit: after a crash all are there or none. Returns when they are durable (one `fdatasync`
    /// for all waiting calls), read back, opened and equal. A failed write poisons the journal for good. There is no
    /// look at free space here: settling and restoring go on as long as anything fits.
    pub async fn append(&self, frames: Vec<Draft>) -> Result<Vec<Place>, ArchiveError> {
        if frames.is_empty() {
            return Ok(Vec::new());
        }
        self.shared.usable()?;
        let sealed = |draft: &Draft| draft.sealed.as_ref().map_or(0, |(_, plain)| plain.len());
        let bytes = frames.iter().map(|draft| draft.body.len() + sealed(draft)).sum::<usize>();
        if bytes > MAX_UNIT {
            return Err(ArchiveError::Invalid(format!("one write of {bytes} bytes is over 1 GiB; split it")));
        }
        self.sample(&frames);
        let shared = Arc::clone(&self.shared);
        let packed = on_its_thread(bytes, move || shared.packer.pack(&frames)).await?;
        let wanted: Vec<_> = packed.iter().map(Packed::wanted).collect();
        let items: Vec<u8> = packed.iter().map(|packed| packed.items).collect();
        let waiting = self.shared.push(packed)?;
        #[cfg(test)]
        if let Some(inline) = &self.inline {
            inline.turn(&self.shared).await;
        }
        let written = waiting.await.map_err(|_| self.shared.gone())??;
        let shared = Arc::clone(&self.shared);
        on_its_thread(bytes, move || {
            shared.read_back(&written, &wanted)?;
            let each = written.places.iter().zip(items);
            Ok(each.flat_map(|(place, items)| (0..items).map(|item| Place { item, ..*place })).collect())
        })
        .await
    }

    /// Where the next frame will lie, or, if it no longer fits there, where its segment ends. Good for
    /// [`scan`](Self::scan) either way.
    pub fn end(&self) -> Place {
        *lock(&self.shared.end)
    }

    /// `Ok` if destructive work may go on: not poisoned, and room on the disk (looked at once a second at most).
    pub fn writable(&self) -> Result<(), ArchiveError> {
        self.shared.usable()?;
        self.shared.room.check(self.shared.disk.as_ref())
    }

    /// A slot of the key ring with a data key that was never used; durable.
    pub fn fresh_slot(&self) -> Result<u32, ArchiveError> {
        self.shared.packer.ring.fresh()
    }

    /// Whether what this slot's key seals can be read; `None`: it was destroyed.
    pub fn slot_is_whole(&self, slot: u32) -> Option<bool> {
        match self.shared.packer.ring.key(slot) {
            ring::Key::Whole(_) => Some(true),
            ring::Key::Lost => Some(false),
            ring::Key::Erased => None,
        }
    }

    /// A secret that is gone once this slot's key is.
    pub fn secret_of(&self, slot: u32) -> Option<[u8; 32]> {
        match self.shared.packer.ring.key(slot) {
            ring::Key::Whole(key) => Some(blake3::derive_key("crm-undo 2026 secret of a slot", &key)),
            _ => None,
        }
    }

    /// Destroys data keys for good; synced in both copies of the ring on return. A failure poisons the journal.
    pub fn destroy(&self, slots: &[u32]) -> Result<(), ArchiveError> {
        let done = self.shared.packer.ring.destroy(slots);
        if let Err(error) = &done {
            self.shared.poison(format!("a data key could not be destroyed: {error}; restart on a healthy disk"));
        }
        done
    }

    /// Slots whose keys were destroyed.
    pub fn destroyed(&self) -> Vec<u32> {
        self.shared.packer.ring.erased()
    }

    /// Reads every slot of both copies of the key ring; what is damaged.
    pub fn check_keys(&self) -> Vec<String> {
        self.shared.packer.ring.check()
    }

    /// Bytes in use on disk.
    pub fn bytes(&self) -> u64 {
        self.shared.segments.read().unwrap_or_else(PoisonError::into_inner).values().map(|segment| segment.used).sum()
    }

    /// Segments on disk.
    pub fn segments(&self) -> u64 {
        self.shared.segments.read().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    fn sample(&self, frames: &[Draft]) {
        let mut guard = lock(&self.shared.samples);
        let Some(samples) = guard.as_mut() else { return };
        for draft in frames {
            let most = (self.options.dictionary_samples, self.options.dictionary_sample_bytes);
            let body = draft.sealed.as_ref().map_or(&draft.body, |(_, plain)| plain);
            if let Some(bodies) = samples.add(body, draft.kind == Kind::Snapshot, most.0, most.1) {
                *guard = None;
                let (shared, size) = (Arc::downgrade(&self.shared), self.options.dictionary_bytes);
                let thread = std::thread::Builder::new().name("journal-train".to_owned());
                *lock(&self.trainer) = thread.spawn(move || trainer::run(&shared, &bodies, size)).ok();
                return;
            }
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Some(trainer) = lock(&self.trainer).take() {
            let _ = trainer.join();
        }
        lock(&self.shared.queue).stop = true;
        self.shared.work.notify_all();
        if let Some(writer) = (self.threads.len() > 1).then(|| self.threads.pop()).flatten() {
            // Poisoned because the disk hangs: its writer may never come back.
            while !writer.is_finished() && self.shared.usable().is_ok() {
                std::thread::sleep(Duration::from_micros(200));
            }
            if writer.is_finished() {
                let _ = writer.join();
            }
        }
        *lock(&self.stopped.0) = true;
        self.stopped.1.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Small work is done at once; large work on a thread for it, if a runtime that has such threads is there.
async fn on_its_thread<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, ArchiveError> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) if bytes > LARGE => match runtime.spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => Err(ArchiveError::Unusable(format!("a thread of the archive ended: {error}"))),
        },
        _ => work(),
    }
}
