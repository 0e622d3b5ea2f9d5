//! Compression: with a dictionary once there is one, with contexts that are kept.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zstd::bulk::{Compressor, Decompressor};

const LEVEL: i32 = 3;

/// A dictionary and the contexts prepared with it. The empty one, id 0, compresses without.
pub struct Dictionary {
    pub id: u32,
    pub bytes: Vec<u8>,
    compressors: Mutex<Vec<Compressor<'static>>>,
    decompressors: Mutex<Vec<Decompressor<'static>>>,
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dictionary").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Dictionary {
    pub fn new(bytes: Vec<u8>) -> Self {
        let id = if bytes.is_empty() { 0 } else { id_of(&bytes) };
        Self { id, bytes, compressors: Mutex::default(), decompressors: Mutex::default() }
    }

    pub fn compress(&self, plain: &[u8]) -> io::Result<Vec<u8>> {
        let ready = lock(&self.compressors).pop();
        let mut context = if let Some(context) = ready {
            context
        } else {
            let mut context = Compressor::with_dictionary(LEVEL, &self.bytes)?;
            // The frame says both.
            context.include_dictid(false)?;
            context.include_contentsize(false)?;
            context
        };
        let packed = context.compress(plain)?;
        lock(&self.compressors).push(context);
        Ok(packed)
    }

    /// Never yields more than `plain_len` bytes.
    pub fn decompress(&self, packed: &[u8], plain_len: usize) -> io::Result<Vec<u8>> {
        let ready = lock(&self.decompressors).pop();
        let mut context = match ready {
            Some(context) => context,
            None => Decompressor::with_dictionary(&self.bytes)?,
        };
        let plain = context.decompress(packed, plain_len)?;
        lock(&self.decompressors).push(context);
        Ok(plain)
    }
}

fn id_of(bytes: &[u8]) -> u32 {
    let hash = blake3::hash(bytes);
    let four = hash.as_bytes().first_chunk::<4>().expect("a hash has 32 bytes");
    u32::from_le_bytes(*four).max(1)
}

/// Snapshots gathered to train a dictionary.
#[derive(Debug, Default)]
pub struct Samples {
    bodies: Vec<Vec<u8>>,
    bytes: usize,
    /// How many of them are snapshots.
    counted: usize,
}

impl Samples {
    /// Takes a sample; gives all of them once they are enough.
    pub fn add(&mut self, body: &[u8], counts: bool, most: usize, most_bytes: usize) -> Option<Vec<Vec<u8>>> {
        // One giant among small ones teaches nothing and fills the budget.
        let part = &body[..body.len().min(64 << 10)];
        self.bodies.push(part.to_vec());
        self.bytes += part.len();
        self.counted += usize::from(counts);
        (self.counted >= most || self.bytes >= most_bytes).then(|| std::mem::take(&mut self.bodies))
    }
}

/// A dictionary of at most `size` bytes. Fails when the samples are too few or too poor; then there is none.
pub fn train(samples: &[Vec<u8>], size: usize) -> io::Result<Dictionary> {
    Ok(Dictionary::new(zstd::dict::from_samples(&anonymous(samples), size)?))
}

/// A word that stands in fewer than one sample of so many is somebody's.
const COMMON: usize = 25;

/// The samples with every seldom word (a name, an address, a number) made unreadable: a dictionary outlives the records
/// it was trained on, and nothing of an erased one may stay in it.
fn anonymous(samples: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut seen: HashMap<&[u8], usize> = HashMap::new();
    for sample in samples {
        let words: HashSet<&[u8]> = words(sample).map(|(from, to)| &sample[from..to]).collect();
        for word in words {
            *seen.entry(word).or_default() += 1;
        }
    }
    let least = (samples.len() / COMMON).max(2);
    let scrub = |sample: &Vec<u8>| {
        let mut scrubbed = sample.clone();
        for (from, to) in words(sample).filter(|(from, to)| seen.get(&sample[*from..*to]).is_none_or(|n| *n < least)) {
            scrubbed[from..to].fill(b'0');
        }
        scrubbed
    };
    samples.iter().map(scrub).collect()
}

/// Where the words are: letters, digits and everything beyond ASCII.
fn words(bytes: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii();
    let mut at = 0;
    std::iter::from_fn(move || {
        let from = at + bytes[at..].iter().position(inside)?;
        at = bytes[from..].iter().position(|byte| !inside(byte)).map_or(bytes.len(), |len| from + len);
        Some((from, at))
    })
}

/// What a lock guards here stays whole when its holder panics.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
