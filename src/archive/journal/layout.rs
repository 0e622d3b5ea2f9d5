//! The bytes of headers, as `docs/archive-format.md` has them. Pure.

use super::Place;
use crate::archive::sealed::{SHORT_NONCE, Sealer, TAG};

/// Bytes of a segment header; the first frame follows.
pub const SEGMENT_HEADER: usize = 128;
/// Bytes of a frame header; the body follows.
pub const FRAME_HEADER: usize = 47;
/// Longest plain item.
pub const MAX_PLAIN: usize = 64 << 20;
/// Longest body on disk: what does not shrink is stored as it is, sealed.
pub const MAX_BODY: usize = MAX_PLAIN + (128 << 10);
/// Bytes of a frame header that the seal of the body binds.
pub const BOUND: usize = 13;
/// A frame of items.
pub const ITEMS: u8 = 1;
/// The journal's own kinds.
pub const DICTIONARY: u8 = 4;
/// A frame without a body: everything before it is durable.
pub const MARK: u8 = 5;

pub const VERSION: u32 = 2;
const SEGMENT_MAGIC: &[u8; 8] = b"crmundoj";
pub const FRAME_MAGIC: &[u8; 4] = b"cuf2";

/// What a segment begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHead {
    pub segment: u32,
    pub first_seq: u64,
    pub prev: [u8; 16],
}

/// Why a segment header is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadFault {
    Damaged,
    Version(u32),
    Key,
}

impl SegmentHead {
    pub fn encode(&self, sealer: &Sealer) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        bytes[..8].copy_from_slice(SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.segment.to_le_bytes());
        bytes[16..32].copy_from_slice(sealer.id());
        bytes[32..40].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[40..56].copy_from_slice(&self.prev);
        let mac = sealer.mac(&[&bytes[..56]]);
        bytes[56..72].copy_from_slice(&mac);
        let crc = crc32c::crc32c(&bytes[..72]);
        bytes[72..76].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8], sealer: &Sealer) -> Result<Self, HeadFault> {
        let Some((id, mac)) = segment_head_of(bytes) else {
            return Err(HeadFault::Damaged);
        };
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return Err(HeadFault::Version(version));
        }
        if &id != sealer.id() || mac != sealer.mac(&[&bytes[..56]]) {
            return Err(HeadFault::Key);
        }
        Ok(Self { segment: u32_at(bytes, 12), first_seq: u64_at(bytes, 32), prev: array_at(bytes, 40) })
    }
}

/// Journal id and mac of a segment header whose CRC is good.
pub fn segment_head_of(bytes: &[u8]) -> Option<([u8; 16], [u8; 16])> {
    let whole = bytes.len() >= SEGMENT_HEADER
        && &bytes[..8] == SEGMENT_MAGIC
        && u32_at(bytes, 72) == crc32c::crc32c(&bytes[..72])
        && bytes[76..SEGMENT_HEADER].iter().all(|byte| *byte == 0);
    whole.then(|| (array_at(bytes, 16), array_at(bytes, 56)))
}

/// The header of a frame, without its mac.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub kind: u8,
    /// Which of the unit's frames, from 0, and how many there are.
    pub index: u16,
    pub count: u16,
    pub body_len: u32,
    pub seq: u64,
    /// Every frame up to this number was durable when this one was written.
    pub durable: u64,
    /// Beginning of the mac of the frame before.
    pub prev: [u8; 8],
}

impl Head {
    /// The part that is known before the frame has a place, and that the seal binds.
    pub fn bound(&self) -> [u8; BOUND] {
        let mut bytes = [0; BOUND];
        bytes[..4].copy_from_slice(FRAME_MAGIC);
        bytes[4] = self.kind;
        bytes[5..7].copy_from_slice(&self.index.to_le_bytes());
        bytes[7..9].copy_from_slice(&self.count.to_le_bytes());
        bytes[9..13].copy_from_slice(&self.body_len.to_le_bytes());
        bytes
    }

    /// Appends header and body to `out`; returns the mac.
    pub fn encode(&self, place: Place, body: &[u8], sealer: &Sealer, out: &mut Vec<u8>) -> [u8; 16] {
        let mut bytes = [0; FRAME_HEADER];
        bytes[..BOUND].copy_from_slice(&self.bound());
        bytes[13..19].copy_from_slice(&self.seq.to_le_bytes()[..6]);
        let behind = u32::try_from(self.seq - self.durable).unwrap_or(u32::MAX);
        bytes[19..23].copy_from_slice(&behind.to_le_bytes());
        bytes[23..31].copy_from_slice(&self.prev);
        let mac = frame_mac(&bytes, place, body, sealer);
        bytes[31..].copy_from_slice(&mac);
        out.extend_from_slice(&bytes);
        out.extend_from_slice(body);
        mac
    }

    /// Header and mac of the frame at the beginning of `bytes`, if magic and lengths may be good. Nothing is certain
    /// before [`authentic`] has seen the body too.
    pub fn decode(bytes: &[u8]) -> Option<(Self, [u8; 16])> {
        if bytes.len() < FRAME_HEADER || &bytes[..4] != FRAME_MAGIC {
            return None;
        }
        let mut seq = [0; 8];
        seq[..6].copy_from_slice(&bytes[13..19]);
        let seq = u64::from_le_bytes(seq);
        let head = Self {
            kind: bytes[4],
            index: u16_at(bytes, 5),
            count: u16_at(bytes, 7),
            body_len: u32_at(bytes, 9),
            seq,
            durable: seq.checked_sub(u64::from(u32_at(bytes, 19)))?,
            prev: array_at(bytes, 23),
        };
        let sane = head.body_len as usize <= MAX_BODY
            && head.index < head.count
            && (head.kind == MARK || head.body_len as usize >= SHORT_NONCE + TAG);
        sane.then(|| (head, array_at(bytes, 31)))
    }

    /// Length of header and body.
    pub fn frame_len(&self) -> usize {
        FRAME_HEADER + self.body_len as usize
    }
}

/// As much of a mac as the next frame repeats.
pub fn chained(mac: &[u8; 16]) -> [u8; 8] {
    array_at(mac, 0)
}

/// Whether header and tag of this whole frame were written at this place of this journal.
pub fn authentic(frame: &[u8], place: Place, sealer: &Sealer) -> bool {
    frame_mac(&frame[..FRAME_HEADER], place, &frame[FRAME_HEADER..], sealer) == array_at::<16>(frame, 31)
}

fn frame_mac(header: &[u8], place: Place, body: &[u8], sealer: &Sealer) -> [u8; 16] {
    let none = [0; SHORT_NONCE + TAG];
    let body = if body.len() < SHORT_NONCE + TAG { &none[..] } else { body };
    sealer.mac(&[
        &place.segment.to_le_bytes(),
        &place.offset.to_le_bytes(),
        &header[..31],
        &body[..SHORT_NONCE],
        &body[body.len() - TAG..],
    ])
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the slice has this length")
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}
