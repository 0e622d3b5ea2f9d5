//! Reading: one frame, or all of them in order; and reading back what was just written.

use std::io;
use std::sync::PoisonError;

use super::disk::DiskFile;
use super::layout::{DICTIONARY, FRAME_HEADER, Head, ITEMS, MARK, SEGMENT_HEADER, SegmentHead, authentic, chained};
use super::pack::{Item, Shut, hash_of};
use super::recover::{at, find_dictionary};
use super::segments::{self, Segment, Segments};
use super::shared::{Shared, Wanted, Written};
use super::walk::{Found, Step, Walk};
use super::{Frame, Journal, Kind, Place};
use crate::archive::ArchiveError;

/// Bytes read at first for one frame: most frames are shorter.
const GUESS: u64 = 4096;

impl Kind {
    fn of(number: u8) -> Option<Self> {
        [Self::Snapshot, Self::Event, Self::Forgotten].into_iter().find(|kind| *kind as u8 == number)
    }
}

impl Journal {
    /// One frame. [`ArchiveError::Damaged`] if the bytes are not what they were. Blocks.
    pub fn read(&self, place: Place) -> Result<Frame, ArchiveError> {
        #[cfg(test)]
        if let Some(inline) = &self.inline {
            return inline.once(place, || self.read_from_disk(place));
        }
        self.read_from_disk(place)
    }

    fn read_from_disk(&self, place: Place) -> Result<Frame, ArchiveError> {
        let nothing = || ArchiveError::NotFound(format!("a frame in {}", at(place)));
        let segment = self.shared.segment(place.segment).ok_or_else(nothing)?;
        let from = u64::from(place.offset);
        if from < SEGMENT_HEADER as u64 || from >= segment.used {
            return Err(nothing());
        }
        let damaged = |detail: String| ArchiveError::Damaged { what: format!("the frame in {}", at(place)), detail };
        let bytes = frame_bytes(segment.file.as_ref(), from, segment.used)
            .map_err(|error| damaged(format!("it cannot be read: {error}")))?
            .ok_or_else(|| damaged("its header is not what was written".to_owned()))?;
        if !authentic(&bytes, place, &self.shared.packer.sealer) {
            return Err(damaged("its header is not what was written here".to_owned()));
        }
        let (head, mac) = Head::decode(&bytes).ok_or_else(|| damaged("its header has changed".to_owned()))?;
        if head.kind != ITEMS {
            return Err(nothing());
        }
        let found = Found { place, head, mac, body: bytes[FRAME_HEADER..].to_vec() };
        let items = self.unpack(&found, &segment).map_err(|detail| damaged(detail.to_owned()))?;
        let item = items.into_iter().nth(place.item.into()).ok_or_else(nothing)?;
        let kind = Kind::of(item.kind).ok_or_else(nothing)?;
        Ok(Frame { place, seq: head.seq, kind, body: item.body, inner: item.inner })
    }

    /// Every whole frame from `from` on (`None`: the first), in order, up to what was durable when the scan began.
    /// Damage is told to `on_damage` and skipped. [`ArchiveError::Invalid`] if the journal does not reach to `from`.
    /// Blocks.
    pub fn scan(
        &self,
        from: Option<Place>,
        on_frame: &mut dyn FnMut(Frame) -> Result<(), ArchiveError>,
        on_damage: &mut dyn FnMut(String),
    ) -> Result<(), ArchiveError> {
        // The end first: segments are published before it moves.
        let end = self.end();
        let mut segments: Segments = self.shared.segments.read().unwrap_or_else(PoisonError::into_inner).clone();
        let begin = from.unwrap_or(Place { segment: 0, offset: 0, item: 0 });
        if begin > end {
            return Err(ArchiveError::Invalid(format!("the journal ends before {}", at(begin))));
        }
        segments.retain(|number, _| (begin.segment..=end.segment).contains(number));
        // Number and mac of the frame before, where there was no damage between.
        let mut before: Option<(u64, [u8; 16])> = None;
        let mut expected = from.is_none().then_some(1);
        for (number, segment) in segments {
            let first = if number == begin.segment { u64::from(begin.offset) } else { 0 };
            let limit = if number == end.segment { u64::from(end.offset) } else { segment.used };
            let name = segments::name(number);
            if first == 0 {
                let mut bytes = [0; SEGMENT_HEADER];
                let read = segment.file.read_at(&mut bytes, 0);
                match read.map(|()| SegmentHead::decode(&bytes, &self.shared.packer.sealer)) {
                    Ok(Ok(head)) if head.segment == number => {
                        if expected.is_some_and(|expected| expected != head.first_seq) {
                            let expected = expected.unwrap_or_default();
                            on_damage(format!("{name}: begins with frame {}, not {expected}", head.first_seq));
                            before = None;
                        } else if before.is_some_and(|(_, mac)| mac != head.prev) {
                            on_damage(format!("{name}: does not follow the segment before it; one was exchanged"));
                        }
                        expected = Some(head.first_seq);
                    }
                    Ok(_) => on_damage(format!("{name}: its header is damaged")),
                    Err(error) => on_damage(format!("{name}: its header cannot be read: {error}")),
                }
            }
            let first = first.max(SEGMENT_HEADER as u64);
            let mut walk = Walk::new(segment.file.as_ref(), &self.shared.packer.sealer, number, first, limit);
            loop {
                let step = match walk.next() {
                    Ok(Some(step)) => step,
                    Ok(None) => break,
                    Err(error) => {
                        on_damage(format!("{name}: it cannot be read on: {error}"));
                        before = None;
                        expected = None;
                        break;
                    }
                };
                let found = match step {
                    Step::Frame(found) => found,
                    // A closed segment that was not truncated ends in free space.
                    Step::Gap { to, zeros: true, .. } if to == limit && number != end.segment => continue,
                    Step::Gap { from, to, .. } => {
                        on_damage(format!("{name}: no whole frame from offset {from} to {to}"));
                        before = None;
                        continue;
                    }
                };
                let seq = found.head.seq;
                match expected {
                    Some(expected) if expected != seq => {
                        on_damage(format!("{}: frame {seq} where {expected} was due", at(found.place)));
                    }
                    _ if before.is_some_and(|(last, mac)| last + 1 == seq && chained(&mac) != found.head.prev) => {
                        on_damage(format!("{}: frame {seq} does not follow the one before it", at(found.place)));
                    }
                    _ => {}
                }
                before = Some((seq, found.mac));
                expected = Some(seq + 1);
                self.deliver(&found, &segment, on_frame, on_damage)?;
            }
        }
        Ok(())
    }

    fn deliver(
        &self,
        found: &Found,
        segment: &Segment,
        on_frame: &mut dyn FnMut(Frame) -> Result<(), ArchiveError>,
        on_damage: &mut dyn FnMut(String),
    ) -> Result<(), ArchiveError> {
        let (place, seq) = (found.place, found.head.seq);
        match found.head.kind {
            ITEMS => {}
            MARK => return Ok(()),
            DICTIONARY => {
                if let Err(detail) = self.shared.packer.dictionary(&found.head, &found.body) {
                    on_damage(format!("{}: a copy of the dictionary: {detail}", at(place)));
                }
                return Ok(());
            }
            _ => {
                on_damage(format!("{}: frame {seq} is of an unknown kind", at(place)));
                return Ok(());
            }
        }
        match self.unpack(found, segment) {
            Ok(items) => {
                for (number, item) in (0..).zip(items) {
                    let place = Place { item: number, ..place };
                    match Kind::of(item.kind) {
                        Some(kind) => on_frame(Frame { place, seq, kind, body: item.body, inner: item.inner })?,
                        None => on_damage(format!("{}: item {number} is of an unknown kind", at(place))),
                    }
                }
            }
            Err(detail) => on_damage(format!("{}: frame {seq}: {detail}", at(place))),
        }
        Ok(())
    }

    fn unpack(&self, found: &Found, segment: &Segment) -> Result<Vec<Item>, &'static str> {
        let packer = &self.shared.packer;
        let mut done = packer.unpack(&found.head, &found.body);
        if let Err(Shut::Dictionary(id)) = done {
            find_dictionary(segment, found.place.segment, Some(id), packer);
            done = packer.unpack(&found.head, &found.body);
        }
        done.map_err(|shut| shut.why())
    }
}

impl Shared {
    fn segment(&self, number: u32) -> Option<Segment> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    /// P1: what was written is read from the file again, opened, and has to have the hash of what was given. If it
    /// has not, the disk is not to be trusted with more.
    pub fn read_back(&self, written: &Written, wanted: &[Wanted]) -> Result<(), ArchiveError> {
        for (place, (hash, len)) in written.places.iter().zip(wanted) {
            let from = u64::from(place.offset);
            let bytes = frame_bytes(written.file.as_ref(), from, from + *len as u64);
            let same = bytes.as_ref().is_ok_and(|bytes| {
                bytes.as_ref().is_some_and(|bytes| {
                    authentic(bytes, *place, &self.packer.sealer)
                        && Head::decode(bytes)
                            .and_then(|(head, _)| self.hash_of(&head, &bytes[FRAME_HEADER..]))
                            .is_some_and(|found| found == *hash)
                })
            });
            if !same {
                let why = bytes.err().map_or("it is not what was written".to_owned(), |error| error.to_string());
                self.poison(format!("{} was written and cannot be read back: {why}", at(*place)));
                self.usable()?;
            }
        }
        Ok(())
    }
}

impl Shared {
    fn hash_of(&self, head: &Head, body: &[u8]) -> Option<blake3::Hash> {
        if head.kind == DICTIONARY {
            return self.packer.dictionary(head, body).ok().map(|bytes| blake3::hash(&bytes));
        }
        self.packer.unpack(head, body).ok().map(|items| hash_of(&items))
    }
}

/// Header and body of the frame at `from`; `None` if no header begins there.
fn frame_bytes(file: &dyn DiskFile, from: u64, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; usize::try_from(limit.saturating_sub(from).min(GUESS)).unwrap_or(0)];
    file.read_at(&mut bytes, from)?;
    let Some(len) = Head::decode(&bytes).map(|(head, _)| head.frame_len()) else {
        return Ok(None);
    };
    if from + len as u64 > limit {
        return Ok(None);
    }
    let have = bytes.len();
    bytes.resize(len, 0);
    if len > have {
        file.read_at(&mut bytes[have..], from + have as u64)?;
    }
    Ok(Some(bytes))
}
