//! From frame to frame through one segment; over damage to the next whole header.

use std::io;

use super::Place;
use super::disk::DiskFile;
use super::layout::{FRAME_HEADER, FRAME_MAGIC, Head, authentic};
use crate::archive::sealed::Sealer;

/// Bytes read at once.
const WINDOW: usize = 1 << 20;

/// What comes next in a segment.
pub enum Step {
    /// Header, lengths and mac are good. The body was not opened.
    Frame(Found),
    /// No frame begins in `from..to`. Zeros to the end are free space.
    Gap { from: u64, to: u64, zeros: bool },
}

/// A frame whose header is good.
#[derive(Clone, Debug)]
pub struct Found {
    pub place: Place,
    pub head: Head,
    pub mac: [u8; 16],
    pub body: Vec<u8>,
}

impl Found {
    /// Where the frame after it begins.
    pub fn end(&self) -> u64 {
        u64::from(self.place.offset) + self.head.frame_len() as u64
    }
}

pub struct Walk<'a> {
    file: &'a dyn DiskFile,
    sealer: &'a Sealer,
    segment: u32,
    at: u64,
    limit: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl<'a> Walk<'a> {
    /// From offset `at` up to `limit`.
    pub fn new(file: &'a dyn DiskFile, sealer: &'a Sealer, segment: u32, at: u64, limit: u64) -> Self {
        Self { file, sealer, segment, at, limit, window: Vec::new(), window_at: 0 }
    }

    pub fn next(&mut self) -> io::Result<Option<Step>> {
        if self.at >= self.limit {
            return Ok(None);
        }
        if let Some(found) = self.frame_at(self.at)? {
            self.at = found.end();
            return Ok(Some(Step::Frame(found)));
        }
        let from = self.at;
        let mut zeros = true;
        let mut probe = from;
        while probe < self.limit {
            let (next, clean) = self.candidate(probe)?;
            zeros &= clean;
            match next {
                Some(candidate) if candidate > from && self.frame_at(candidate)?.is_some() => {
                    self.at = candidate;
                    return Ok(Some(Step::Gap { from, to: candidate, zeros: false }));
                }
                Some(candidate) => probe = candidate + 1,
                None => break,
            }
        }
        self.at = self.limit;
        Ok(Some(Step::Gap { from, to: self.limit, zeros }))
    }

    /// The next byte at or after `from` where a frame header could begin, and whether all before it was zero.
    fn candidate(&mut self, from: u64) -> io::Result<(Option<u64>, bool)> {
        let mut at = from;
        let mut zeros = true;
        while at < self.limit {
            let left = usize::try_from(self.limit - at).unwrap_or(usize::MAX);
            let (first, block_len) = {
                let window = self.bytes(at, left.min(4096))?;
                // Most of a young segment is zeros; whole blocks of them are passed at once.
                let first = if window.iter().fold(0, |all, byte| all | byte) == 0 {
                    None
                } else {
                    zeros = false;
                    let magic = window.windows(FRAME_MAGIC.len()).position(|four| four == FRAME_MAGIC);
                    magic.map(|position| at + position as u64)
                };
                (first, window.len())
            };
            if first.is_some() {
                return Ok((first, zeros));
            }
            // A magic may lie across two blocks.
            let step = if block_len > FRAME_MAGIC.len() { block_len + 1 - FRAME_MAGIC.len() } else { block_len };
            at += step as u64;
        }
        Ok((None, zeros))
    }

    fn frame_at(&mut self, at: u64) -> io::Result<Option<Found>> {
        if self.limit - at < FRAME_HEADER as u64 {
            return Ok(None);
        }
        let Some((head, mac)) = Head::decode(self.bytes(at, FRAME_HEADER)?) else {
            return Ok(None);
        };
        let len = head.frame_len();
        let Ok(offset) = u32::try_from(at) else {
            return Ok(None);
        };
        if len as u64 > self.limit - at {
            return Ok(None);
        }
        let place = Place { segment: self.segment, offset, item: 0 };
        let sealer = self.sealer;
        let bytes = self.bytes(at, len)?;
        if !authentic(bytes, place, sealer) {
            return Ok(None);
        }
        Ok(Some(Found { place, head, mac, body: bytes[FRAME_HEADER..].to_vec() }))
    }

    /// `len` bytes at `at`; the caller has checked that they end before the limit.
    fn bytes(&mut self, at: u64, len: usize) -> io::Result<&[u8]> {
        let inside = at >= self.window_at && at + len as u64 <= self.window_at + self.window.len() as u64;
        if !inside {
            let left = usize::try_from(self.limit - at).unwrap_or(usize::MAX);
            self.window.resize(len.max(WINDOW).min(left), 0);
            self.window_at = at;
            if let Err(error) = self.file.read_at(&mut self.window, at) {
                self.window.clear();
                return Err(error);
            }
        }
        let begin = usize::try_from(at - self.window_at).expect("inside the window");
        Ok(&self.window[begin..begin + len])
    }
}
