//! The chain, its head, and how a head is written down.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::archive::journal::Sighting;

/// Bytes of every link that go out with a head, so that a change is found at its place.
pub(super) const MARK: usize = 4;

/// How far the chain was followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    /// Frames in it.
    pub(super) count: u64,
    /// Number of the last one.
    pub(super) frame: u64,
    /// Segment and offset behind it.
    pub(super) end: (u32, u32),
    pub(super) head: [u8; 32],
}

impl Chain {
    /// As it was when this head was taken.
    pub(super) fn after(anchor: &Anchor) -> Self {
        let head = blake3::Hash::from_hex(&anchor.head).map_or([0; 32], |hash| *hash.as_bytes());
        Self { count: anchor.count, frame: anchor.frame, end: (anchor.segment, anchor.offset), head }
    }

    pub(super) fn add(&mut self, key: &[u8; 32], seen: &Sighting) {
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher.update(b"link").update(&self.head).update(&seen.seq.to_le_bytes()).update(&seen.digest);
        self.head = *hasher.finalize().as_bytes();
        self.count += 1;
        self.frame = seen.seq;
        self.end = seen.end;
    }

    /// What goes out of this link.
    pub(super) fn mark(&self) -> [u8; MARK] {
        self.head[..MARK].try_into().expect("a hash is longer than a mark")
    }
}

/// A head of the chain, as it is sent out. It holds no word of anybody's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// When it was taken. For people: clocks jump.
    pub at: Timestamp,
    /// Last position of the ledger that it covers for certain.
    pub ledger: u64,
    /// Frames in the chain.
    pub count: u64,
    /// Number of the last frame.
    pub frame: u64,
    /// Segment of the last frame.
    pub segment: u32,
    /// Where the last frame ends.
    pub offset: u32,
    /// The head, hexadecimal.
    pub head: String,
    /// The first 4 bytes of every link since the head before, base64.
    pub marks: String,
    /// Keyed hash of all that, hexadecimal.
    pub signature: String,
}

impl Anchor {
    pub(super) fn new(key: &[u8; 32], chain: &Chain, marks: Vec<u8>, ledger: u64, at: Timestamp) -> Self {
        let mut anchor = Self {
            at,
            ledger,
            count: chain.count,
            frame: chain.frame,
            segment: chain.end.0,
            offset: chain.end.1,
            head: blake3::Hash::from_bytes(chain.head).to_hex().to_string(),
            marks: STANDARD.encode(marks),
            signature: String::new(),
        };
        anchor.signature = anchor.signature_under(key);
        anchor
    }

    fn signature_under(&self, key: &[u8; 32]) -> String {
        let said = format!(
            "anchor {} {} {} {} {} {} {} {}",
            self.at, self.ledger, self.count, self.frame, self.segment, self.offset, self.head, self.marks
        );
        blake3::keyed_hash(key, said.as_bytes()).to_hex().to_string()
    }

    /// Whether it was made with this key.
    pub(super) fn is_signed(&self, key: &[u8; 32]) -> bool {
        self.signature_under(key) == self.signature
    }

    /// One line, with its end.
    pub fn line(&self) -> String {
        let text = serde_json::to_string(self).expect("an anchor has only strings and numbers, which always serialize");
        text + "\n"
    }

    /// The marks, each with the number in the chain it belongs to.
    pub(super) fn marked(&self) -> Vec<(u64, [u8; MARK])> {
        let marks = STANDARD.decode(&self.marks).unwrap_or_default();
        let many = (marks.len() / MARK) as u64;
        let first = self.count.saturating_sub(many) + 1;
        let four = |chunk: &[u8]| chunk.try_into().expect("chunks have the length of a mark");
        (first..).zip(marks.chunks_exact(MARK).map(four)).collect()
    }
}

/// Heads as they were read, and which lines were none.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    /// In the order of the file.
    pub all: Vec<Anchor>,
    /// Numbers of lines that are no head; a last line that was cut off in the middle is not counted.
    pub unreadable: Vec<usize>,
}

impl Anchors {
    /// Of a file's text.
    pub fn read(text: &str) -> Self {
        let mut anchors = Self::default();
        for (number, line) in (1..).zip(text.split_inclusive('\n')) {
            match serde_json::from_str(line.trim()) {
                Ok(anchor) => anchors.all.push(anchor),
                Err(_) if line.trim().is_empty() || !line.ends_with('\n') => {}
                Err(_) => anchors.unreadable.push(number),
            }
        }
        anchors
    }
}
