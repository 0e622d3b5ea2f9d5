//! Frames as an outsider sees them: number and hash of what lies sealed on disk. No data key is needed for it, so an
//! erasure changes nothing here.

use std::sync::PoisonError;

use super::layout::{MARK, SEGMENT_HEADER};
use super::segments::{self, Segment, Segments};
use super::walk::{Step, Walk};
use super::{Journal, Place};
use crate::archive::ArchiveError;

/// A frame, seen from outside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting {
    /// Where it lies.
    pub(crate) place: Place,
    /// Its number.
    pub(crate) seq: u64,
    /// Segment and offset behind it.
    pub(crate) end: (u32, u32),
    /// Hash of what its seal binds and of all its sealed bytes.
    pub(crate) digest: [u8; 32],
}

impl Journal {
    /// Every frame that holds something, in order, from segment and offset on (`(0, 0)`: the first) up to what is durable
    /// now. Damaged frames are passed over: [`scan`](Self::scan) names them. Blocks.
    pub(crate) fn witness(&self, from: (u32, u32), on: &mut dyn FnMut(&Sighting)) -> Result<(), ArchiveError> {
        // The end first: segments are published before it moves.
        let end = self.end();
        let mut segments: Segments = self.shared.segments.read().unwrap_or_else(PoisonError::into_inner).clone();
        segments.retain(|number, _| (from.0..=end.segment).contains(number));
        for (number, segment) in segments {
            let first = if number == from.0 { u64::from(from.1) } else { 0 };
            let limit = if number == end.segment { u64::from(end.offset) } else { segment.used };
            let first = first.max(SEGMENT_HEADER as u64);
            let mut walk = Walk::new(segment.file.as_ref(), &self.shared.packer.sealer, number, first, limit);
            loop {
                let step = walk.next();
                let step = step.map_err(|error| ArchiveError::Unusable(format!("segment {number}: {error}")))?;
                let found = match step {
                    Some(Step::Frame(found)) => found,
                    Some(Step::Gap { .. }) => continue,
                    None => break,
                };
                // A mark is not synced by itself: a power cut may take it, and its number.
                if found.head.kind == MARK {
                    continue;
                }
                let mut hasher = blake3::Hasher::new();
                hasher.update(&found.head.bound()).update(&found.body);
                let behind = u32::try_from(found.end()).unwrap_or(u32::MAX);
                on(&Sighting {
                    place: found.place,
                    seq: found.head.seq,
                    end: (number, behind),
                    digest: *hasher.finalize().as_bytes(),
                });
            }
        }
        Ok(())
    }

    /// Names of the segments, each with how many of its bytes are durable. Closed ones never change again.
    pub(crate) fn extent(&self) -> Vec<(String, u64)> {
        let end = self.end();
        let segments = self.shared.segments.read().unwrap_or_else(PoisonError::into_inner);
        let of = |(number, segment): (&u32, &Segment)| {
            let used = if *number == end.segment { u64::from(end.offset) } else { segment.used };
            (*number <= end.segment).then(|| (segments::name(*number), used))
        };
        segments.iter().filter_map(of).collect()
    }

    /// What the audit chain is keyed with.
    pub(crate) fn audit_key(&self) -> [u8; 32] {
        let sealer = &self.shared.packer.sealer;
        let material = [sealer.mac(&[b"audit, first half"]), sealer.mac(&[b"audit, second half"])].concat();
        blake3::derive_key("crm-undo 2026 audit chain", &material)
    }
}
