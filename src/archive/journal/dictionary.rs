//! Compression: with a dictionary once there is one, with contexts that are kept.

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
        let mut context = match ready {
            Some(context) => context,
            None => Compressor::with_dictionary(LEVEL, &self.bytes)?,
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
}

impl Samples {
    /// Takes a sample; gives all of them once they are enough.
    pub fn add(&mut self, body: &[u8], most: usize, most_bytes: usize) -> Option<Vec<Vec<u8>>> {
        // One giant among small ones teaches nothing and fills the budget.
        let part = &body[..body.len().min(64 << 10)];
        self.bodies.push(part.to_vec());
        self.bytes += part.len();
        (self.bodies.len() >= most || self.bytes >= most_bytes).then(|| std::mem::take(&mut self.bodies))
    }
}

/// A dictionary of at most `size` bytes. Fails when the samples are too few or too poor; then there is none.
pub fn train(samples: &[Vec<u8>], size: usize) -> io::Result<Dictionary> {
    Ok(Dictionary::new(zstd::dict::from_samples(samples, size)?))
}

/// What a lock guards here stays whole when its holder panics.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
