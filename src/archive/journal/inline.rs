//! A journal without threads, for the simulation: whoever appends takes the writer's turn himself, after as long as the
//! simulated disk takes. Several that wait together share one turn, as they share one sync of the real writer.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::dictionary::lock;
use super::disk::Disk;
use super::pack::Packer;
use super::ring::Ring;
use super::room::Room;
use super::segments::Maker;
use super::shared::Shared;
use super::writer::Writer;
use super::{Frame, Journal, Options, Place, Recovery, recover};
use crate::archive::ArchiveError;
use crate::archive::sealed::Sealer;

/// How long the disk takes this time.
pub(crate) type Pause = Arc<dyn Fn() -> Duration + Send + Sync>;

pub(super) struct Inline {
    writer: Mutex<Writer>,
    pause: Pause,
    fence_timeout: Duration,
    /// Frames that were read before. They never change, and opening one takes long without optimization.
    read: Mutex<HashMap<Place, Frame>>,
}

impl Inline {
    /// Reads each frame once.
    pub(super) fn once(
        &self,
        place: Place,
        read: impl FnOnce() -> Result<Frame, ArchiveError>,
    ) -> Result<Frame, ArchiveError> {
        if let Some(frame) = lock(&self.read).get(&place) {
            return Ok(frame.clone());
        }
        let frame = read()?;
        lock(&self.read).insert(place, frame.clone());
        Ok(frame)
    }

    /// They were read by a scan.
    pub(super) fn know(&self, frames: &[Frame]) {
        lock(&self.read).extend(frames.iter().map(|frame| (frame.place, frame.clone())));
    }

    pub(super) async fn turn(&self, shared: &Shared) {
        let pause = (self.pause)();
        tokio::time::sleep(pause.min(self.fence_timeout)).await;
        if pause > self.fence_timeout {
            // As the watch does by the machine's clock.
            shared.poison("the disk has not confirmed a write in time; restart on a healthy disk".to_owned());
        }
        lock(&self.writer).turn();
    }
}

impl Drop for Inline {
    fn drop(&mut self) {
        lock(&self.writer).end();
    }
}

impl Journal {
    /// These frames were read by a scan and need not be read again.
    pub(crate) fn know(&self, frames: &[Frame]) {
        if let Some(inline) = &self.inline {
            inline.know(frames);
        }
    }

    /// As [`open`](Self::open), without threads.
    pub(crate) fn open_inline(
        disk: Arc<dyn Disk>,
        options: Options,
        sealer: Sealer,
        pause: Pause,
    ) -> Result<(Self, Recovery), ArchiveError> {
        let mut maker = Maker::new(Arc::clone(&disk), options.segment_bytes);
        let begins = recover::lock(disk.as_ref(), "simulated")?;
        let (mut damage, sealer) = (Vec::new(), Arc::new(sealer));
        // The ring lies on the same disk, and suffers what it suffers.
        let ring = Ring::open(disk.as_ref(), &sealer, (begins, options.keys_ahead), &mut damage)?;
        let ring = Arc::new(ring.without_threads());
        let packer = Packer::new(sealer, ring);
        let mut opened = recover::open(&disk, &packer, &mut maker)?;
        opened.recovery.damage.append(&mut damage);
        let tail = opened.tail;
        let file = Arc::clone(&opened.segments[&tail.segment].file);
        let offset = u32::try_from(tail.offset).expect("a simulated segment is short");
        let end = Place { segment: tail.segment, offset, item: 0 };
        let (room, timeout) = (Room::new(options.min_free_bytes), options.fence_timeout);
        let shared = Arc::new(Shared::new(disk, packer, room, opened.segments, end, None, timeout));
        let cannot = |error: std::io::Error| ArchiveError::Unusable(error.to_string());
        let writer = Mutex::new(Writer::new(Arc::clone(&shared), maker, tail, file).map_err(cannot)?);
        let inline = Some(Inline { writer, pause, fence_timeout: timeout, read: Mutex::default() });
        let stopped = Arc::new((Mutex::new(false), Condvar::new()));
        let journal = Self { shared, options, threads: Vec::new(), trainer: Mutex::default(), stopped, inline };
        Ok((journal, opened.recovery))
    }
}
