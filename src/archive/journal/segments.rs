//! Segment files: their names, and making the next one.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::disk::{Disk, DiskFile};
use super::layout::{FRAME_HEADER, SEGMENT_HEADER, SegmentHead};
use crate::archive::ArchiveError;
use crate::archive::sealed::Sealer;

/// A segment in the making.
pub const DRAFT: &str = "journal-next.tmp";
/// Zeros written between two syncs: a long one would hold up the writer's own.
const CHUNK: usize = 4 << 20;
/// From this size on the next segment is made ready ahead, on a thread of its own.
const WORTH_A_THREAD: u64 = 8 << 20;

pub fn name(number: u32) -> String {
    format!("journal-{number:08}.seg")
}

pub fn number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("journal-")?.strip_suffix(".seg")?;
    (digits.len() == 8).then(|| digits.parse().ok()).flatten()
}

#[derive(Clone)]
pub struct Segment {
    pub file: Arc<dyn DiskFile>,
    /// Where its durable frames end.
    pub used: u64,
}

pub type Segments = BTreeMap<u32, Segment>;

/// Why there is no next segment.
#[derive(Debug)]
pub enum NotMade {
    /// Nothing was harmed; it can be tried again.
    NoRoom(u64),
    Failed(io::Error),
}

impl From<io::Error> for NotMade {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl NotMade {
    pub fn into_error(self) -> ArchiveError {
        match self {
            Self::NoRoom(needed) => ArchiveError::Full { free: 0, needed },
            Self::Failed(error) => ArchiveError::Unusable(format!("a segment cannot be made: {error}")),
        }
    }
}

/// Makes segments, the next one ahead of its time.
pub struct Maker {
    disk: Arc<dyn Disk>,
    size: u64,
    ahead: Option<JoinHandle<io::Result<Arc<dyn DiskFile>>>>,
}

impl Maker {
    pub fn new(disk: Arc<dyn Disk>, size: u64) -> Self {
        Self { disk, size, ahead: None }
    }

    /// Begins to make the next segment ready; says nothing if it cannot, [`make`](Self::make) will.
    pub fn ahead(&mut self) {
        if self.size < WORTH_A_THREAD || self.ahead.is_some() {
            return;
        }
        let (disk, size) = (Arc::clone(&self.disk), self.size);
        let thread = std::thread::Builder::new().name("journal-next".to_owned());
        self.ahead = thread.spawn(move || zeroed(disk.as_ref(), size, &|| {})).ok();
    }

    /// A durable segment with room for `need` bytes of frames. `beat` is called while it takes long.
    pub fn make(
        &mut self,
        head: &SegmentHead,
        need: u64,
        sealer: &Sealer,
        beat: &dyn Fn(),
    ) -> Result<Arc<dyn DiskFile>, NotMade> {
        let need = need + SEGMENT_HEADER as u64 + FRAME_HEADER as u64;
        let ready = self.join(beat).filter(|file| file.len().is_ok_and(|len| len >= need));
        let file = match ready {
            Some(file) => file,
            None => self.fitting(need, beat)?,
        };
        file.write_at(&head.encode(sealer), 0)?;
        file.sync()?;
        self.disk.rename(DRAFT, &name(head.segment))?;
        self.disk.sync_names()?;
        Ok(file)
    }

    /// What was made ahead, if it is good.
    fn join(&mut self, beat: &dyn Fn()) -> Option<Arc<dyn DiskFile>> {
        let thread = self.ahead.take()?;
        while !thread.is_finished() {
            beat();
            std::thread::sleep(Duration::from_millis(2));
        }
        thread.join().ok()?.ok()
    }

    /// Of the usual size, or smaller if the disk is full: restoring must go on while anything fits.
    fn fitting(&self, need: u64, beat: &dyn Fn()) -> Result<Arc<dyn DiskFile>, NotMade> {
        for size in [self.size, self.size / 8, self.size / 64, 0] {
            match zeroed(self.disk.as_ref(), size.max(need), beat) {
                Err(error) if is_full(&error) => {
                    let _ = self.disk.remove(DRAFT);
                }
                other => return Ok(other?),
            }
        }
        Err(NotMade::NoRoom(need))
    }
}

impl Drop for Maker {
    /// A thread that still writes holds the lock of the directory; what it made is for nobody.
    fn drop(&mut self) {
        if self.join(&|| {}).is_some() {
            let _ = self.disk.remove(DRAFT);
        }
    }
}

pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The draft, full of zeros: overwriting costs less per sync than growing, and never fails for want of space.
fn zeroed(disk: &dyn Disk, size: u64, beat: &dyn Fn()) -> io::Result<Arc<dyn DiskFile>> {
    let file = disk.create(DRAFT)?;
    let zeros = vec![0; CHUNK.min(usize::try_from(size).unwrap_or(CHUNK))];
    let mut at = 0;
    while at < size {
        let part = usize::try_from(size - at).unwrap_or(CHUNK).min(zeros.len());
        file.write_at(&zeros[..part], at)?;
        at += part as u64;
        file.sync()?;
        beat();
    }
    Ok(file)
}
