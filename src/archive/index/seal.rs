//! Pages are compressed, and sealed under the key they lie at.

use std::cell::RefCell;

use super::table::broken;
use crate::archive::ArchiveError;
use crate::archive::sealed::Sealer;

const LEVEL: i32 = 1;
/// Longest page; what is longer was not made here.
const MOST: usize = 1 << 30;

/// Seals what lies in sled.
#[derive(Debug)]
pub(super) struct Seal(Sealer);

thread_local! {
    static UNPACK: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
    static PACK: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

impl Seal {
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        Self(Sealer::new(secret, *b"the index's rows"))
    }

    /// Seals.
    pub(super) fn close(&self, key: &[u8], plain: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        self.0.seal(key, plain)
    }

    /// What [`close`](Self::close) sealed.
    pub(super) fn open(&self, key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        self.0.open(key, sealed)
    }

    /// Compresses, then seals; the length before comes first.
    pub(super) fn close_packed(&self, key: &[u8], plain: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        let packed = PACK.with_borrow_mut(|pack| {
            let compressor = match pack {
                Some(it) => it,
                None => pack.insert(zstd::bulk::Compressor::new(LEVEL)?),
            };
            compressor.compress(plain)
        });
        let packed = packed.map_err(|error| broken(&format!("a page cannot be compressed: {error}")))?;
        let length = u32::try_from(plain.len()).map_err(|_| broken("a page is too long"))?;
        self.0.seal(key, &[&length.to_le_bytes()[..], &packed].concat())
    }

    /// What [`close_packed`](Self::close_packed) made.
    pub(super) fn open_packed(&self, key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let plain = self.0.open(key, sealed)?;
        let (length, packed) = plain.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok().filter(|length| *length <= MOST)?;
        UNPACK.with_borrow_mut(|unpack| {
            let decompressor = match unpack {
                Some(it) => it,
                None => unpack.insert(zstd::bulk::Decompressor::new().ok()?),
            };
            decompressor.decompress(packed, length).ok().filter(|bytes| bytes.len() == length)
        })
    }
}
