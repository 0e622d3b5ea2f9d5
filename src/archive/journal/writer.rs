//! The one who writes: takes all waiting units, writes them at once, syncs once, answers all.

use std::io;
use std::sync::{Arc, PoisonError};

use super::dictionary::lock;
use super::disk::DiskFile;
use super::layout::{DICTIONARY, FRAME_HEADER, Head, MARK, SEGMENT_HEADER, SegmentHead, chained};
use super::pack::Packed;
use super::recover::Tail;
use super::segments::{Maker, NotMade, Segment};
use super::shared::{Job, Shared, Written};
use super::{Place, dictionary::Dictionary};
use crate::archive::ArchiveError;
use crate::proofs::{bite, point};

/// Bytes after which a batch takes no more units.
const BATCH: u64 = 16 << 20;

pub struct Writer {
    shared: Arc<Shared>,
    maker: Maker,
    file: Arc<dyn DiskFile>,
    capacity: u64,
    tail: Tail,
    /// Every frame up to this number is synced.
    durable: u64,
    /// Written at the beginning of every segment.
    dictionary: Option<Arc<Dictionary>>,
}

impl Writer {
    pub fn new(shared: Arc<Shared>, maker: Maker, tail: Tail, file: Arc<dyn DiskFile>) -> io::Result<Self> {
        let capacity = file.len()?;
        let active = shared.packer.active();
        let dictionary = (active.id != 0).then_some(active);
        Ok(Self { shared, maker, file, capacity, durable: tail.seq, tail, dictionary })
    }

    /// Until the journal is closed or poisoned.
    pub fn run(mut self) {
        loop {
            let (jobs, stop) = self.wait();
            if self.shared.usable().is_err() {
                return;
            }
            if jobs.is_empty() && stop {
                if let Err(error) = self.close() {
                    self.failed(&error);
                }
            } else {
                self.write_all(jobs);
            }
            if self.shared.usable().is_err() {
                return;
            }
            if stop && lock(&self.shared.queue).jobs.is_empty() && self.tail.marked {
                return;
            }
        }
    }

    /// What one turn of [`run`](Self::run) does, for a simulation that has no threads.
    #[cfg(test)]
    pub fn turn(&mut self) {
        let jobs = std::mem::take(&mut lock(&self.shared.queue).jobs);
        if !jobs.is_empty() && self.shared.usable().is_ok() {
            self.write_all(jobs);
        }
        if !self.tail.marked
            && self.shared.usable().is_ok()
            && let Err(error) = self.mark()
        {
            self.failed(&error);
        }
    }

    /// Closes as [`run`](Self::run) does at its end.
    #[cfg(test)]
    pub fn end(&mut self) {
        if self.shared.usable().is_ok()
            && let Err(error) = self.close()
        {
            self.failed(&error);
        }
    }

    /// Waits for work. Before it sleeps it leaves a mark.
    fn wait(&mut self) -> (Vec<Job>, bool) {
        let shared = Arc::clone(&self.shared);
        let mut queue = lock(&shared.queue);
        if queue.jobs.is_empty() && !queue.stop && !self.tail.marked && shared.usable().is_ok() {
            drop(queue);
            if let Err(error) = self.mark() {
                self.failed(&error);
            }
            queue = lock(&shared.queue);
        }
        while queue.jobs.is_empty() && !queue.stop && shared.usable().is_ok() {
            queue = shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        (std::mem::take(&mut queue.jobs), queue.stop)
    }

    fn failed(&self, error: &io::Error) {
        self.shared.poison(format!("a write to the journal failed: {error}; restart on a healthy disk"));
    }

    /// Whoever waits learns of a failure only after the journal is poisoned.
    fn write_all(&mut self, jobs: Vec<Job>) {
        let (units, answers): (Vec<_>, Vec<_>) = jobs.into_iter().map(|job| (job.frames, job.answer)).unzip();
        // The watch knows from here on for whom this is.
        self.shared.take_off(answers);
        let mut units = units.into_iter().peekable();
        while let Some(first) = units.next() {
            let need = unit_len(&first);
            match self.fit(need) {
                Ok(()) => {}
                Err(NotMade::Failed(error)) => return self.failed(&error),
                Err(NotMade::NoRoom(needed)) => {
                    let free = self.shared.disk.space().map_or(0, |(free, _)| free);
                    for answer in self.shared.land(1) {
                        let _ = answer.send(Err(ArchiveError::Full { free, needed }));
                    }
                    continue;
                }
            }
            let mut batch = vec![first];
            let mut bytes = self.dictionary_len() + need;
            while let Some(next) = units.peek() {
                let len = unit_len(next);
                if bytes + len > BATCH || self.tail.offset + bytes + len > self.capacity {
                    break;
                }
                bytes += len;
                batch.extend(units.next());
            }
            if let Err(error) = self.batch(batch, bytes) {
                return self.failed(&error);
            }
        }
    }

    /// Goes on to a new segment if the unit, and the dictionary where it is due, no longer fit.
    fn fit(&mut self, unit: u64) -> Result<(), NotMade> {
        if self.tail.offset + self.dictionary_len() + unit <= self.capacity {
            return Ok(());
        }
        let closed = self.tail;
        let head = SegmentHead { segment: closed.segment + 1, first_seq: closed.seq + 1, prev: closed.prev };
        // A mark may not be synced yet, and the next segment will say that everything here is.
        if self.durable < closed.seq {
            self.file.sync()?;
            self.durable = closed.seq;
        }
        self.tail.has_dictionary = false;
        let need = self.dictionary_len() + unit;
        let shared = Arc::clone(&self.shared);
        let made = self.maker.make(&head, need, &shared.packer.sealer, &|| shared.beat());
        let file = match made {
            Ok(file) => file,
            Err(error) => {
                self.tail.has_dictionary = closed.has_dictionary;
                return Err(error);
            }
        };
        self.file.truncate(closed.offset)?;
        self.capacity = file.len()?;
        self.file = Arc::clone(&file);
        let offset = SEGMENT_HEADER as u64;
        self.tail = Tail { segment: head.segment, offset, has_dictionary: false, ..closed };
        let mut segments = self.shared.segments.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(segment) = segments.get_mut(&closed.segment) {
            segment.used = closed.offset;
        }
        segments.insert(head.segment, Segment { file, used: offset });
        drop(segments);
        *lock(&self.shared.end) = self.place();
        Ok(())
    }

    /// Bytes of the dictionary that this segment still has to get.
    fn dictionary_len(&self) -> u64 {
        match &self.dictionary {
            Some(dictionary) if !self.tail.has_dictionary => {
                2 * (FRAME_HEADER
                    + crate::archive::sealed::SHORT_NONCE
                    + crate::archive::sealed::TAG
                    + dictionary.bytes.len()) as u64
            }
            _ => 0,
        }
    }

    fn batch(&mut self, units: Vec<Vec<Packed>>, bytes: u64) -> io::Result<()> {
        let begin = self.tail.offset;
        let mut out = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        if self.dictionary_len() > 0 {
            if let Some(dictionary) = self.dictionary.clone() {
                let unit = self.shared.packer.pack_dictionary(&dictionary).map_err(io::Error::other)?;
                self.place_unit(unit, &mut out);
            }
            self.tail.has_dictionary = true;
        }
        let mut places = Vec::with_capacity(units.len());
        for unit in units {
            self.note_dictionary(&unit);
            places.push(self.place_unit(unit, &mut out));
        }
        point("journal.before_write");
        self.file.write_at(&out, begin)?;
        point("journal.written");
        match if bite("skip_fsync") { Ok(()) } else { self.file.sync() } {
            Err(error) if !bite("ignore_fsync_error") => return Err(error),
            _ => {}
        }
        point("journal.synced");
        self.durable = self.tail.seq;
        self.tail.marked = false;
        self.publish();
        for (answer, places) in self.shared.land(places.len()).into_iter().zip(places) {
            let _ = answer.send(Ok(Written { file: Arc::clone(&self.file), places }));
        }
        if self.tail.offset > self.capacity / 2 {
            self.maker.ahead();
        }
        Ok(())
    }

    /// A dictionary that passes by is written to every later segment.
    fn note_dictionary(&mut self, unit: &[Packed]) {
        if let Some(first) = unit.first().filter(|first| first.head.kind == DICTIONARY)
            && let Ok(bytes) = self.shared.packer.dictionary(&first.head, &first.body)
        {
            self.dictionary = Some(Arc::new(Dictionary::new(bytes)));
            self.tail.has_dictionary = true;
        }
    }

    fn place_unit(&mut self, unit: Vec<Packed>, out: &mut Vec<u8>) -> Vec<Place> {
        unit.into_iter().map(|packed| self.place_frame(packed.head, &packed.body, out)).collect()
    }

    fn place_frame(&mut self, head: Head, body: &[u8], out: &mut Vec<u8>) -> Place {
        let place = self.place();
        let head = Head { seq: self.tail.seq + 1, durable: self.durable, prev: chained(&self.tail.prev), ..head };
        self.tail.prev = head.encode(place, body, &self.shared.packer.sealer, out);
        self.tail.seq = head.seq;
        self.tail.offset += head.frame_len() as u64;
        place
    }

    fn place(&self) -> Place {
        let offset = u32::try_from(self.tail.offset).expect("a segment is shorter than 4 GiB");
        Place { segment: self.tail.segment, offset, item: 0 }
    }

    fn publish(&self) {
        let mut segments = self.shared.segments.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(segment) = segments.get_mut(&self.tail.segment) {
            segment.used = self.tail.offset;
        }
        drop(segments);
        *lock(&self.shared.end) = self.place();
    }

    /// Leaves word that everything before is durable. Not synced: the next batch, or closing, does that.
    fn mark(&mut self) -> io::Result<()> {
        self.tail.marked = true;
        if self.tail.offset + FRAME_HEADER as u64 > self.capacity {
            return Ok(());
        }
        let begin = self.tail.offset;
        let mut out = Vec::with_capacity(FRAME_HEADER);
        let head = Head { kind: MARK, index: 0, count: 1, body_len: 0, seq: 0, durable: 0, prev: [0; 8] };
        self.place_frame(head, &[], &mut out);
        self.file.write_at(&out, begin)
    }

    fn close(&mut self) -> io::Result<()> {
        if !self.tail.marked {
            self.mark()?;
        }
        if self.durable < self.tail.seq {
            self.file.sync()?;
            self.durable = self.tail.seq;
        }
        Ok(())
    }
}

/// Bytes a unit takes on disk.
fn unit_len(unit: &[Packed]) -> u64 {
    unit.iter().map(|packed| packed.head.frame_len() as u64).sum()
}
