//! What the search text of some entries cannot be found by: a Bloom filter of beginnings.

use std::collections::BTreeSet;

/// Beginnings that are in the filter, in characters. The longest tells e-mails apart.
const LENGTHS: [usize; 5] = [4, 6, 8, 12, 18];
/// Bits for each beginning; about 1 % of the others pass.
const BITS: usize = 10;
const PROBES: u64 = 5;
/// Beginnings of one text that are also in the filter by twos, so that two common words that seldom meet rule a page
/// out. A text with more of them says so instead.
const PAIRED: usize = 8;
/// Characters of a beginning in a pair.
const SHORT: usize = LENGTHS[0];

/// The kinds of tokens; each token of a search text follows one of these.
pub(super) const WORD: char = '\u{1}';
/// Digits of a phone number, last one first.
pub(super) const PHONE: char = '\u{2}';
/// An old id.
pub(super) const ID: char = '\u{3}';
/// Two beginnings of one text; not in texts, only in filters.
const PAIR: char = '\u{4}';

/// A filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(Vec<u8>);

impl Filter {
    /// Of search texts.
    pub fn of<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut hashes = Vec::new();
        for text in texts.filter_map(|text| std::str::from_utf8(text).ok()) {
            let mut shorts = BTreeSet::new();
            for (token, kind) in text.split([WORD, PHONE, ID]).skip(1).zip(kinds(text)) {
                if kind != PHONE {
                    shorts.extend(beginning(token, SHORT));
                }
                if kind == ID {
                    hashes.push(hash(kind, token));
                } else {
                    hashes
                        .extend(LENGTHS.iter().filter_map(|length| beginning(token, *length)).map(|it| hash(kind, it)));
                }
            }
            if shorts.len() > PAIRED {
                hashes.push(hash(PAIR, ""));
                continue;
            }
            let pairs =
                shorts.iter().enumerate().flat_map(|(at, one)| shorts.iter().skip(at + 1).map(|two| (*one, *two)));
            hashes.extend(pairs.map(|(one, two)| both(one, two)));
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

    /// Whether one text may have both beginnings, which [`pairs`] gave.
    pub fn may_both(&self, pair: u64) -> bool {
        self.may(pair) || self.may(hash(PAIR, ""))
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

/// What to ask the filter for texts that hold all of these words or whole ids: by twos. Words that are too short, and
/// those that begin alike, tell nothing.
pub(super) fn pairs(words: &[&str]) -> Vec<u64> {
    let shorts: BTreeSet<&str> = words.iter().filter_map(|word| beginning(word, SHORT)).collect();
    let shorts: Vec<&str> = shorts.into_iter().collect();
    let rest = |at: usize| shorts[at + 1..].iter();
    shorts.iter().enumerate().flat_map(|(at, one)| rest(at).map(|two| both(one, two))).collect()
}

/// `one` comes before `two`.
fn both(one: &str, two: &str) -> u64 {
    hash(PAIR, &format!("{one}{PAIR}{two}"))
}

/// FNV-1a, mixed once more; the filter lies sealed, so it tells nothing.
fn hash(kind: char, text: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ u64::from(u32::from(kind));
    let hash = text.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ hash >> 29
}
