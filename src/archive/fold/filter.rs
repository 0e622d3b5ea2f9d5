//! What the search text of some entries cannot be found by: a Bloom filter of beginnings.

/// Beginnings that are in the filter, in characters.
const LENGTHS: [usize; 4] = [4, 6, 8, 12];
/// Bits for each beginning; about 1 % of the others pass.
const BITS: usize = 10;
const PROBES: u64 = 5;

/// The kinds of tokens; each token of a search text follows one of these.
pub(super) const WORD: char = '\u{1}';
/// Digits of a phone number, last one first.
pub(super) const PHONE: char = '\u{2}';
/// An old id.
pub(super) const ID: char = '\u{3}';

/// A filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(Vec<u8>);

impl Filter {
    /// Of search texts.
    pub fn of<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut hashes = Vec::new();
        for text in texts.filter_map(|text| std::str::from_utf8(text).ok()) {
            for (token, kind) in text.split([WORD, PHONE, ID]).skip(1).zip(kinds(text)) {
                if kind == ID {
                    hashes.push(hash(kind, token));
                } else {
                    hashes
                        .extend(LENGTHS.iter().filter_map(|length| beginning(token, *length)).map(|it| hash(kind, it)));
                }
            }
        }
        hashes.sort_unstable();
        hashes.dedup();
        let mut bits = vec![0; (hashes.len() * BITS / 8).max(8)];
        for hash in hashes {
            for bit in places(hash, bits.len()) {
                bits[bit / 8] |= 1 << (bit % 8);
            }
        }
        Self(bits)
    }

    /// From its bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        (!bytes.is_empty()).then_some(Self(bytes))
    }

    /// As bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether something with this hash may be among the texts.
    pub fn may(&self, hash: u64) -> bool {
        places(hash, self.0.len()).all(|bit| self.0[bit / 8] & (1 << (bit % 8)) != 0)
    }
}

fn kinds(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| matches!(*c, WORD | PHONE | ID))
}

fn places(hash: u64, bytes: usize) -> impl Iterator<Item = usize> {
    let (bits, step) = (bytes as u64 * 8, hash.rotate_left(32) | 1);
    (0..PROBES).map(move |probe| {
        usize::try_from(hash.wrapping_add(probe.wrapping_mul(step)) % bits).expect("below the length of a vector")
    })
}

/// The first `length` characters, if there are so many.
fn beginning(word: &str, length: usize) -> Option<&str> {
    let mut ends = word.char_indices().map(|(at, c)| at + c.len_utf8());
    ends.nth(length - 1).map(|end| &word[..end])
}

/// What to ask the filter for tokens of a kind that begin with `start`; `None`: it cannot tell.
pub(super) fn probe(kind: char, start: &str) -> Option<u64> {
    if kind == ID {
        return Some(hash(kind, start));
    }
    LENGTHS.iter().rev().find_map(|length| beginning(start, *length)).map(|start| hash(kind, start))
}

/// FNV-1a, mixed once more; the filter lies sealed, so it tells nothing.
fn hash(kind: char, text: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ u64::from(u32::from(kind));
    let hash = text.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ hash >> 29
}
