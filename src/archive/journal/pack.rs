//! From a plain body to a sealed one and back: compress, then seal; open, then decompress.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

use super::Draft;
use super::dictionary::{Dictionary, lock};
use super::layout::{COMPRESSED, DICTIONARY, Head, MAX_PLAIN};
use super::shared::Wanted;
use crate::archive::ArchiveError;
use crate::archive::sealed::{NONCE, Sealer, TAG};

/// A frame ready for the writer, who gives it its place.
pub struct Packed {
    pub head: Head,
    pub body: Vec<u8>,
    /// BLAKE3 of the plain body.
    pub hash: blake3::Hash,
}

impl Packed {
    /// What the read-back has to give.
    pub fn wanted(&self) -> Wanted {
        (self.hash, self.head.frame_len())
    }
}

pub struct Packer {
    pub sealer: Sealer,
    active: RwLock<Arc<Dictionary>>,
    known: Mutex<HashMap<u32, Arc<Dictionary>>>,
}

impl Packer {
    pub fn new(sealer: Sealer) -> Self {
        let none = Arc::new(Dictionary::new(Vec::new()));
        let known = HashMap::from([(0, Arc::clone(&none))]);
        Self { sealer, active: RwLock::new(none), known: Mutex::new(known) }
    }

    /// From now on frames are packed with it.
    pub fn activate(&self, dictionary: &Arc<Dictionary>) {
        self.learn(dictionary);
        *self.active.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::clone(dictionary);
    }

    /// Frames that were packed with it can be opened.
    pub fn learn(&self, dictionary: &Arc<Dictionary>) {
        lock(&self.known).insert(dictionary.id, Arc::clone(dictionary));
    }

    pub fn knows(&self, id: u32) -> bool {
        lock(&self.known).contains_key(&id)
    }

    /// The dictionary in use; the empty one if there is none.
    pub fn active(&self) -> Arc<Dictionary> {
        Arc::clone(&self.active.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    pub fn pack(&self, unit: &[Draft]) -> Result<Vec<Packed>, ArchiveError> {
        let count = u16::try_from(unit.len())
            .map_err(|_| ArchiveError::Invalid("more than 65,535 frames in one write; split it".to_owned()))?;
        let dictionary = self.active();
        (0..count).zip(unit).map(|(index, draft)| self.frame(draft, index, count, &dictionary)).collect()
    }

    fn frame(&self, draft: &Draft, index: u16, count: u16, with: &Dictionary) -> Result<Packed, ArchiveError> {
        let plain = &draft.body;
        if plain.len() > MAX_PLAIN {
            return Err(ArchiveError::Invalid(format!("a frame of {} bytes is over 64 MiB", plain.len())));
        }
        let packed = with
            .compress(plain)
            .map_err(|error| ArchiveError::Invalid(format!("a frame cannot be compressed: {error}")))?;
        let shrunk = packed.len() < plain.len();
        let (flags, dictionary) = if shrunk { (COMPRESSED, with.id) } else { (0, 0) };
        let kind = draft.kind as u8;
        self.sealed(kind, flags, (index, count), dictionary, if shrunk { &packed } else { plain }, plain)
    }

    fn sealed(
        &self,
        kind: u8,
        flags: u8,
        (index, count): (u16, u16),
        dictionary: u32,
        stored: &[u8],
        plain: &[u8],
    ) -> Result<Packed, ArchiveError> {
        let length = |len: usize| u32::try_from(len).expect("bounded by MAX_PLAIN");
        let head = Head {
            kind,
            flags,
            index,
            count,
            body_len: length(NONCE + stored.len() + TAG),
            plain_len: length(plain.len()),
            dictionary,
            seq: 0,
            durable: 0,
            prev: [0; 16],
        };
        let body = self.sealer.seal(&head.bound(), stored)?;
        Ok(Packed { head, body, hash: blake3::hash(plain) })
    }

    /// A dictionary as a unit: two equal frames, so that one damaged byte does not cost all that was packed with it.
    pub fn pack_dictionary(&self, dictionary: &Dictionary) -> Result<Vec<Packed>, ArchiveError> {
        let bytes = &dictionary.bytes;
        (0..2).map(|index| self.sealed(DICTIONARY, 0, (index, 2), dictionary.id, bytes, bytes)).collect()
    }

    /// The plain body, or in plain words why not. The dictionary has to be known.
    pub fn unpack(&self, head: &Head, body: &[u8]) -> Result<Vec<u8>, &'static str> {
        let stored = self.sealer.open(&head.bound(), body).ok_or("its seal is broken")?;
        let plain = if head.flags & COMPRESSED == 0 {
            stored
        } else {
            let dictionary = lock(&self.known).get(&head.dictionary).cloned();
            let dictionary = dictionary.ok_or("both copies of its dictionary are damaged")?;
            dictionary.decompress(&stored, head.plain_len as usize).map_err(|_| "it does not decompress")?
        };
        if plain.len() == head.plain_len as usize { Ok(plain) } else { Err("its length is another") }
    }
}
