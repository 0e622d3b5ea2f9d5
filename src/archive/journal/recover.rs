//! Opening: lock, heads of all segments, the last one's headers, its tail. What is cut was never acknowledged.

use std::io;
use std::sync::Arc;

use super::dictionary::Dictionary;
use super::disk::{Disk, DiskFile};
use super::layout::{DICTIONARY, HeadFault, MARK, SEGMENT_HEADER, SegmentHead, VERSION};
use super::pack::Packer;
use super::segments::{self, DRAFT, Maker, Segment, Segments};
use super::walk::{Found, Step, Walk};
use super::{Place, Recovery};
use crate::archive::ArchiveError;

/// Where writing goes on.
#[derive(Clone, Copy, Debug)]
pub struct Tail {
    pub segment: u32,
    pub offset: u64,
    /// Number and mac of the last frame.
    pub seq: u64,
    pub prev: [u8; 16],
    /// Whether the last frame says that all before it is durable.
    pub marked: bool,
    /// Whether this segment has the dictionary already.
    pub has_dictionary: bool,
}

pub struct Opened {
    pub segments: Segments,
    pub tail: Tail,
    pub recovery: Recovery,
}

/// Makes the directory this process's. Whether there is no journal in it yet.
pub fn lock(disk: &dyn Disk, dir: &str) -> Result<bool, ArchiveError> {
    if !disk.lock().map_err(|error| failed("lock its directory", &error))? {
        return Err(ArchiveError::Locked(dir.to_owned()));
    }
    let names = disk.list().map_err(|error| failed("list its directory", &error))?;
    Ok(names.iter().all(|name| segments::number(name).is_none()))
}

/// Opens the journal on `disk`; the dictionary, if there is one, becomes the packer's.
pub fn open(disk: &Arc<dyn Disk>, packer: &Packer, maker: &mut Maker) -> Result<Opened, ArchiveError> {
    let names = disk.list().map_err(|error| failed("list its directory", &error))?;
    if names.iter().any(|name| name == DRAFT) {
        disk.remove(DRAFT).map_err(|error| failed("remove an unfinished segment", &error))?;
    }
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| segments::number(name)).collect();
    numbers.sort_unstable();
    let Some(&last) = numbers.last() else {
        return begin(packer, maker);
    };
    // The names of a process that died between renaming and syncing.
    disk.sync_names().map_err(|error| failed("sync its directory", &error))?;
    let mut damage = Vec::new();
    let (segments, last_head) = heads(disk.as_ref(), packer, &numbers, &mut damage)?;
    let file = Arc::clone(&segments[&last].file);
    let size = segments[&last].used;
    let mut end = End::new(last, last_head, &segments, packer)?;
    end.walk(file.as_ref(), size, packer).map_err(|error| failed("read the last segment", &error))?;
    let (tail, cut_bytes) = end.settle(file.as_ref(), size, packer).map_err(|error| failed("cut its tail", &error))?;
    for (from, to) in end.gaps.iter().filter(|(_, to)| *to <= tail.offset) {
        damage.push(format!("{}: no whole frame from offset {from} to {to}", segments::name(last)));
    }
    let has_dictionary = end.take_dictionary(packer, tail.offset);
    if !has_dictionary && tail.offset == SEGMENT_HEADER as u64 && last > 1 {
        // A segment that has nothing yet: the dictionary is in the one before.
        if let Some(before) = segments.get(&(last - 1)) {
            find_dictionary(before, last - 1, None, packer);
        }
    }
    let mut segments = segments;
    if let Some(segment) = segments.get_mut(&last) {
        segment.used = tail.offset;
    }
    let recovery = Recovery { frames: tail.seq, cut_bytes, damage };
    Ok(Opened { segments, tail: Tail { has_dictionary, ..tail }, recovery })
}

fn begin(packer: &Packer, maker: &mut Maker) -> Result<Opened, ArchiveError> {
    let head = SegmentHead { segment: 1, first_seq: 1, prev: [0; 16] };
    let file = maker.make(&head, 0, &packer.sealer, &|| {}).map_err(segments::NotMade::into_error)?;
    let offset = SEGMENT_HEADER as u64;
    Ok(Opened {
        segments: Segments::from([(1, Segment { file, used: offset })]),
        tail: Tail { segment: 1, offset, seq: 0, prev: [0; 16], marked: true, has_dictionary: false },
        recovery: Recovery::default(),
    })
}

/// Opens all segments and reads their heads; gives the last one's.
fn heads(
    disk: &dyn Disk,
    packer: &Packer,
    numbers: &[u32],
    damage: &mut Vec<String>,
) -> Result<(Segments, Option<SegmentHead>), ArchiveError> {
    let mut segments = Segments::new();
    let (mut foreign, mut before, mut last) = (0, None, None);
    for &number in numbers {
        let name = segments::name(number);
        if before.is_some_and(|before| before + 1 != number) || (before.is_none() && number != 1) {
            damage.push(format!("{name}: the segments before it are missing"));
        }
        before = Some(number);
        let file = disk.open(&name).map_err(|error| failed(&format!("open {name}"), &error))?;
        let used = file.len().map_err(|error| failed(&format!("read {name}"), &error))?;
        let mut bytes = [0; SEGMENT_HEADER];
        let read = if used < SEGMENT_HEADER as u64 { Ok(()) } else { file.read_at(&mut bytes, 0) };
        last = match read.map(|()| SegmentHead::decode(&bytes, &packer.sealer)) {
            Ok(Ok(head)) if head.segment == number => Some(head),
            Ok(Ok(head)) => {
                damage.push(format!("{name}: it is a copy of segment {}", head.segment));
                None
            }
            Ok(Err(HeadFault::Version(version))) => {
                return Err(ArchiveError::Invalid(format!(
                    "{name} has format version {version}, this program reads version {VERSION}; use the program that wrote it"
                )));
            }
            Ok(Err(HeadFault::Key)) => {
                foreign += 1;
                damage.push(format!("{name}: it is of another journal or key"));
                None
            }
            Ok(Err(HeadFault::Damaged)) => {
                damage.push(format!("{name}: its header is damaged; its frames are read all the same"));
                None
            }
            Err(error) => {
                damage.push(format!("{name}: its header cannot be read: {error}"));
                None
            }
        };
        segments.insert(number, Segment { file, used });
    }
    if foreign == numbers.len() {
        return Err(ArchiveError::BadKey(
            "every segment was written with another key; give back the key it was begun with".to_owned(),
        ));
    }
    Ok((segments, last))
}

/// The end of the last segment, as the walk over it goes on.
struct End {
    segment: u32,
    /// Number of the last frame that is known to be durable by the word of a later one.
    durable: u64,
    /// Number, end and mac of the last whole frame up to that.
    last: (u64, u64, [u8; 16]),
    last_is_mark: bool,
    /// Whole frames after it: the last batch.
    batch: Vec<Found>,
    dictionary: Option<(Dictionary, u64)>,
    /// Stretches without a whole frame.
    gaps: Vec<(u64, u64)>,
    /// The last of them is not all zeros.
    ragged: bool,
}

impl End {
    fn new(segment: u32, head: Option<SegmentHead>, all: &Segments, packer: &Packer) -> Result<Self, ArchiveError> {
        let (durable, prev) = match (head, all.range(..segment).next_back()) {
            (Some(head), _) => (head.first_seq.saturating_sub(1), head.prev),
            (None, None) => (0, [0; 16]),
            // Its header is damaged: the segment before knows where the numbers go on.
            (None, Some((number, before))) => last_frame(before, *number, packer)
                .map_err(|error| failed("read the last segment but one", &error))?
                .unwrap_or((0, [0; 16])),
        };
        let last = (durable, SEGMENT_HEADER as u64, prev);
        let last_is_mark = true;
        let (batch, gaps) = (Vec::new(), Vec::new());
        Ok(Self { segment, durable, last, last_is_mark, batch, dictionary: None, gaps, ragged: false })
    }

    fn walk(&mut self, file: &dyn DiskFile, size: u64, packer: &Packer) -> io::Result<()> {
        let mut walk = Walk::new(file, &packer.sealer, self.segment, SEGMENT_HEADER as u64, size);
        while let Some(step) = walk.next()? {
            match step {
                Step::Frame(found) => self.meet(found, packer),
                Step::Gap { from, to, zeros } => {
                    self.ragged = !zeros;
                    self.gaps.push((from, to));
                }
            }
        }
        Ok(())
    }

    fn meet(&mut self, found: Found, packer: &Packer) {
        if found.head.kind == DICTIONARY && self.dictionary.is_none() {
            let plain = packer.dictionary(&found.head, &found.body);
            self.dictionary = plain.ok().map(|bytes| (Dictionary::new(bytes), found.end()));
        }
        if found.head.durable > self.durable {
            self.durable = found.head.durable;
            let batch = std::mem::take(&mut self.batch);
            for earlier in batch {
                if earlier.head.seq <= self.durable { self.pass(&earlier) } else { self.batch.push(earlier) }
            }
        }
        if found.head.seq <= self.durable { self.pass(&found) } else { self.batch.push(found) }
    }

    fn pass(&mut self, found: &Found) {
        self.last = (found.head.seq, found.end(), found.mac);
        self.last_is_mark = found.head.kind == MARK;
    }

    /// Keeps the whole units of the last batch, makes them durable, and cuts the rest.
    fn settle(&mut self, file: &dyn DiskFile, size: u64, packer: &Packer) -> io::Result<(Tail, u64)> {
        let (mut seq, mut offset, mut prev) = self.last;
        seq = seq.max(self.durable);
        let mut marked = self.last_is_mark;
        let first = self.batch.first().filter(|first| first.head.seq == seq + 1);
        let from = first.map_or(offset, |first| u64::from(first.place.offset));
        let (mut at, mut expected, mut in_unit) = (from, seq + 1, 0);
        for found in &self.batch {
            let head = &found.head;
            let follows = head.seq == expected && u64::from(found.place.offset) == at && head.index == in_unit;
            let whole = head.kind == MARK || packer.is_whole(head, &found.body);
            if !follows || !whole {
                break;
            }
            (at, expected, in_unit) = (found.end(), expected + 1, in_unit + 1);
            if in_unit == head.count {
                (seq, offset, prev, in_unit) = (head.seq, at, found.mac, 0);
                marked = head.kind == MARK;
            }
        }
        let kept = offset.saturating_sub(from);
        if kept > 0 {
            // A sync that failed in the process before may have left these bytes in memory only.
            copy_over(file, from, offset)?;
        }
        let dropped = self.batch.iter().any(|found| found.end() > offset);
        let cut_bytes = if dropped || self.ragged { wipe(file, offset, size)? } else { 0 };
        if kept > 0 || cut_bytes > 0 {
            file.sync()?;
        }
        Ok((Tail { segment: self.segment, offset, seq, prev, marked, has_dictionary: false }, cut_bytes))
    }

    /// Gives the packer the dictionary, if it was not cut.
    fn take_dictionary(&mut self, packer: &Packer, kept_to: u64) -> bool {
        match self.dictionary.take() {
            Some((dictionary, end)) if end <= kept_to => {
                packer.activate(&Arc::new(dictionary));
                true
            }
            _ => false,
        }
    }
}

/// Number and mac of the last whole frame.
fn last_frame(segment: &Segment, number: u32, packer: &Packer) -> io::Result<Option<(u64, [u8; 16])>> {
    let from = SEGMENT_HEADER as u64;
    let mut walk = Walk::new(segment.file.as_ref(), &packer.sealer, number, from, segment.used);
    let mut last = None;
    while let Some(step) = walk.next()? {
        if let Step::Frame(found) = step {
            last = Some((found.head.seq, found.mac));
        }
    }
    Ok(last)
}

/// Looks through a segment for a dictionary (`id`, or any) and gives it to the packer, who uses it if it was any.
pub fn find_dictionary(segment: &Segment, number: u32, id: Option<u32>, packer: &Packer) {
    let from = SEGMENT_HEADER as u64;
    let mut walk = Walk::new(segment.file.as_ref(), &packer.sealer, number, from, segment.used);
    while let Ok(Some(step)) = walk.next() {
        let Step::Frame(found) = step else { continue };
        if found.head.kind != DICTIONARY {
            continue;
        }
        if let Ok(bytes) = packer.dictionary(&found.head, &found.body) {
            let dictionary = Arc::new(Dictionary::new(bytes));
            if id.is_some_and(|id| id != dictionary.id) {
                continue;
            }
            if id.is_some() {
                packer.learn(&dictionary);
            } else {
                packer.activate(&dictionary);
            }
            return;
        }
    }
}

const CHUNK: u64 = 1 << 20;

/// Reads and writes the same bytes.
fn copy_over(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<()> {
    each_chunk(file, from, to, &mut |bytes, at| file.write_at(bytes, at))
}

/// Writes zeros over everything up to the last byte that is not zero; how much that was.
fn wipe(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<u64> {
    let mut end = from;
    each_chunk(file, from, to, &mut |bytes, at| {
        if let Some(position) = bytes.iter().rposition(|byte| *byte != 0) {
            end = at + position as u64 + 1;
        }
        Ok(())
    })?;
    let zeros = vec![0; usize::try_from(CHUNK).unwrap_or(0)];
    let mut at = from;
    while at < end {
        let part = usize::try_from((end - at).min(CHUNK)).unwrap_or(0);
        file.write_at(&zeros[..part], at)?;
        at += part as u64;
    }
    Ok(end - from)
}

fn each_chunk(
    file: &dyn DiskFile,
    from: u64,
    to: u64,
    each: &mut dyn FnMut(&[u8], u64) -> io::Result<()>,
) -> io::Result<()> {
    let mut at = from;
    while at < to {
        let mut bytes = vec![0; usize::try_from((to - at).min(CHUNK)).unwrap_or(0)];
        file.read_at(&mut bytes, at)?;
        each(&bytes, at)?;
        at += bytes.len() as u64;
    }
    Ok(())
}

fn failed(what: &str, error: &io::Error) -> ArchiveError {
    ArchiveError::Unusable(format!("cannot {what}: {error}"))
}

/// A place as it stands in reports.
pub fn at(place: Place) -> String {
    format!("{} at offset {}", segments::name(place.segment), place.offset)
}
