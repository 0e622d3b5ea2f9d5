//! From items to a sealed frame and back: compress, then seal; open, then decompress. Bytes: `docs/archive-format.md`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

use super::dictionary::{Dictionary, lock};
use super::layout::{DICTIONARY, Head, ITEMS, MAX_PLAIN};
use super::ring::{Key, Ring};
use super::shared::Wanted;
use super::{Draft, Inner, Kind};
use crate::archive::ArchiveError;
use crate::archive::fold::packed::{Value as _, byte};
use crate::archive::sealed::{SHORT_NONCE, Sealer, TAG, random};

/// Items of one frame: a place has room for as many.
const ITEMS_MOST: usize = 16;
/// Plain bytes of items that share a frame: what is large has one of its own.
const SHARED_MOST: usize = 32 << 10;
/// Flag of a body: its bodies were compressed.
const COMPRESSED: u8 = 1;
/// Flag of an item's kind: it has a sealed part.
const SEALED: u8 = 0x80;

/// A frame ready for the writer, who gives it its place.
pub struct Packed {
    pub head: Head,
    pub body: Vec<u8>,
    /// How many items it holds.
    pub items: u8,
    /// BLAKE3 of what it was made from.
    pub hash: blake3::Hash,
}

impl Packed {
    /// What the read-back has to give.
    pub fn wanted(&self) -> Wanted {
        (self.hash, self.head.frame_len())
    }
}

/// What was in an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub kind: u8,
    pub body: Vec<u8>,
    pub inner: Inner,
}

/// Why a frame does not open.
#[derive(Debug)]
pub enum Shut {
    /// Its dictionary is not known yet.
    Dictionary(u32),
    Damaged(&'static str),
}

impl Shut {
    pub fn why(&self) -> &'static str {
        match self {
            Self::Dictionary(_) => "both copies of its dictionary are damaged",
            Self::Damaged(why) => why,
        }
    }
}

pub struct Packer {
    pub sealer: Arc<Sealer>,
    pub ring: Arc<Ring>,
    active: RwLock<Arc<Dictionary>>,
    known: Mutex<HashMap<u32, Arc<Dictionary>>>,
}

impl Packer {
    pub fn new(sealer: Arc<Sealer>, ring: Arc<Ring>) -> Self {
        let none = Arc::new(Dictionary::new(Vec::new()));
        let known = HashMap::from([(0, Arc::clone(&none))]);
        Self { sealer, ring, active: RwLock::new(none), known: Mutex::new(known) }
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

    /// The dictionary in use; the empty one if there is none.
    pub fn active(&self) -> Arc<Dictionary> {
        Arc::clone(&self.active.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    pub fn pack(&self, unit: &[Draft]) -> Result<Vec<Packed>, ArchiveError> {
        let frames = shared(unit);
        let count = u16::try_from(frames.len())
            .map_err(|_| ArchiveError::Invalid("more than 65,535 frames in one write; split it".to_owned()))?;
        let dictionary = self.active();
        (0..count).zip(frames).map(|(index, items)| self.frame(items, (index, count), &dictionary)).collect()
    }

    fn frame(&self, items: &[Draft], place: (u16, u16), with: &Dictionary) -> Result<Packed, ArchiveError> {
        let nonce = random::<SHORT_NONCE>()?;
        let (mut table, mut inner, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
        let mut hasher = blake3::Hasher::new();
        for (number, item) in (0_u8..).zip(items) {
            let sealed_len = item.sealed.as_ref().map_or(0, |(_, plain)| plain.len());
            if item.body.len().max(sealed_len) > MAX_PLAIN {
                return Err(ArchiveError::Invalid("an item is over 64 MiB".to_owned()));
            }
            feed(&mut hasher, item.kind as u8, &item.body, item.sealed.as_ref().map(|(_, plain)| plain.as_slice()));
            table.push(item.kind as u8 | if item.sealed.is_some() { SEALED } else { 0 });
            (item.body.len() as u64).pack(&mut table);
            bodies.extend_from_slice(&item.body);
            if let Some((slot, plain)) = &item.sealed {
                let Key::Whole(key) = self.ring.key(*slot) else {
                    return Err(ArchiveError::Unusable(format!("slot {slot} of the key ring cannot be read")));
                };
                let packed = squeezed(with, plain)?;
                let stored = packed.as_deref().unwrap_or(plain);
                let bound = bound_inner(*slot, plain.len());
                let sealed = self.sealer.family(&key).close(&nonce, number, &bound, stored)?;
                u64::from(*slot).pack(&mut table);
                (plain.len() as u64).pack(&mut table);
                (sealed.len() as u64).pack(&mut table);
                inner.extend_from_slice(&sealed);
            }
        }
        let packed = squeezed(with, &bodies)?;
        let mut plain = vec![if packed.is_some() { COMPRESSED } else { 0 }];
        plain.extend_from_slice(&with.id.to_le_bytes());
        plain.push(u8::try_from(items.len()).expect("at most 16 share a frame"));
        plain.extend_from_slice(&table);
        plain.extend_from_slice(&inner);
        plain.extend_from_slice(packed.as_deref().unwrap_or(&bodies));
        self.sealed(ITEMS, place, &nonce, &plain, hasher.finalize())
    }

    fn sealed(
        &self,
        kind: u8,
        (index, count): (u16, u16),
        nonce: &[u8; SHORT_NONCE],
        plain: &[u8],
        hash: blake3::Hash,
    ) -> Result<Packed, ArchiveError> {
        let body_len = u32::try_from(SHORT_NONCE + plain.len() + TAG)
            .map_err(|_| ArchiveError::Invalid("a frame is over 4 GiB".to_owned()))?;
        let head = Head { kind, index, count, body_len, seq: 0, durable: 0, prev: [0; 8] };
        let body = [&nonce[..], &self.sealer.close(nonce, &head.bound(), plain)?].concat();
        // Everything before was written from at most 16 items, so the count fits.
        let items = if kind == ITEMS { plain[5] } else { 1 };
        Ok(Packed { head, body, items, hash })
    }

    /// A dictionary as a unit: two equal frames, so that one damaged byte does not cost all that was packed with it.
    pub fn pack_dictionary(&self, dictionary: &Dictionary) -> Result<Vec<Packed>, ArchiveError> {
        let bytes = &dictionary.bytes;
        let frame = |index| self.sealed(DICTIONARY, (index, 2), &random::<SHORT_NONCE>()?, bytes, blake3::hash(bytes));
        (0..2).map(frame).collect()
    }

    /// Whether the seal of a frame is whole.
    pub fn is_whole(&self, head: &Head, body: &[u8]) -> bool {
        self.plain(head, body).is_some()
    }

    fn plain(&self, head: &Head, body: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = body.split_first_chunk::<SHORT_NONCE>()?;
        self.sealer.disclose(nonce, &head.bound(), sealed)
    }

    /// The bytes of a frame with a dictionary.
    pub fn dictionary(&self, head: &Head, body: &[u8]) -> Result<Vec<u8>, &'static str> {
        self.plain(head, body).ok_or("its seal is broken")
    }

    /// What is in a frame.
    pub fn unpack(&self, head: &Head, body: &[u8]) -> Result<Vec<Item>, Shut> {
        let plain = self.plain(head, body).ok_or(Shut::Damaged("its seal is broken"))?;
        let strange = || Shut::Damaged("it is not laid out as it should be");
        let (nonce, _) = body.split_first_chunk::<SHORT_NONCE>().ok_or_else(strange)?;
        let (&[flags, d0, d1, d2, d3, count], mut rest) = plain.split_first_chunk::<6>().ok_or_else(strange)?;
        let id = u32::from_le_bytes([d0, d1, d2, d3]);
        let dictionary = lock(&self.known).get(&id).cloned().ok_or(Shut::Dictionary(id))?;
        let mut table = Vec::with_capacity(count.into());
        let mut total = 0;
        for _ in 0..count {
            let kind = byte(&mut rest).ok_or_else(strange)?;
            let mut number = || {
                let number = u64::unpack(&mut rest).and_then(|number| usize::try_from(number).ok());
                number.filter(|number| *number <= MAX_PLAIN + 64).ok_or_else(strange)
            };
            let len = number()?;
            let sealed = if kind & SEALED == 0 { None } else { Some((number()?, number()?, number()?)) };
            total += len;
            table.push((kind & !SEALED, len, sealed));
        }
        if total > MAX_PLAIN + SHARED_MOST {
            return Err(strange());
        }
        let mut items = Vec::with_capacity(table.len());
        for (number, (kind, _, sealed)) in (0_u8..).zip(&table) {
            let inner = match sealed {
                None => Inner::None,
                Some((slot, plain_len, stored_len)) => {
                    let (sealed, after) = rest.split_at_checked(*stored_len).ok_or_else(strange)?;
                    rest = after;
                    let slot = u32::try_from(*slot).map_err(|_| strange())?;
                    self.inner(slot, *plain_len, sealed, (nonce, number), &dictionary)?
                }
            };
            items.push(Item { kind: *kind, body: Vec::new(), inner });
        }
        let bodies = if flags & COMPRESSED == 0 {
            rest.to_vec()
        } else {
            dictionary.decompress(rest, total).map_err(|_| Shut::Damaged("it does not decompress"))?
        };
        if bodies.len() != total {
            return Err(Shut::Damaged("its length is another"));
        }
        let mut rest = bodies.as_slice();
        for (item, (_, len, _)) in items.iter_mut().zip(&table) {
            let (body, after) = rest.split_at(*len);
            item.body = body.to_vec();
            rest = after;
        }
        Ok(items)
    }

    fn inner(
        &self,
        slot: u32,
        plain_len: usize,
        sealed: &[u8],
        (nonce, number): (&[u8; SHORT_NONCE], u8),
        dictionary: &Dictionary,
    ) -> Result<Inner, Shut> {
        let key = match self.ring.key(slot) {
            Key::Whole(key) => key,
            Key::Erased => return Ok(Inner::Erased(slot)),
            Key::Lost => return Ok(Inner::Lost(slot)),
        };
        let stored = self.sealer.family(&key).disclose(nonce, number, &bound_inner(slot, plain_len), sealed);
        let stored = stored.ok_or(Shut::Damaged("the seal of its family is broken"))?;
        if stored.len() == plain_len {
            return Ok(Inner::Open(slot, stored));
        }
        let plain = dictionary.decompress(&stored, plain_len).map_err(|_| Shut::Damaged("it does not decompress"))?;
        if plain.len() == plain_len {
            Ok(Inner::Open(slot, plain))
        } else {
            Err(Shut::Damaged("its length is another"))
        }
    }
}

/// What is in a frame, as one hash.
pub fn hash_of(items: &[Item]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for item in items {
        let sealed = match &item.inner {
            Inner::Open(_, plain) => Some(plain.as_slice()),
            _ => None,
        };
        feed(&mut hasher, item.kind, &item.body, sealed);
    }
    hasher.finalize()
}

fn feed(hasher: &mut blake3::Hasher, kind: u8, body: &[u8], sealed: Option<&[u8]>) {
    hasher.update(&[kind, u8::from(sealed.is_some())]);
    for part in [body, sealed.unwrap_or_default()] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
}

fn bound_inner(slot: u32, plain_len: usize) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&slot.to_le_bytes());
    bytes[4..].copy_from_slice(&(plain_len as u64).to_le_bytes());
    bytes
}

/// Compressed, if that makes it shorter.
fn squeezed(with: &Dictionary, plain: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
    let packed = with
        .compress(plain)
        .map_err(|error| ArchiveError::Invalid(format!("a frame cannot be compressed: {error}")))?;
    Ok((packed.len() < plain.len()).then_some(packed))
}

/// Which items share a frame. One damaged byte costs a frame, so snapshots of several records never do; the snapshot of
/// a unit that has one shares it with the unit's events, which are of the same record.
fn shared(unit: &[Draft]) -> Vec<&[Draft]> {
    let alone = unit.iter().filter(|draft| draft.kind == Kind::Snapshot).count() > 1;
    let (mut frames, mut from, mut bytes) = (Vec::new(), 0, 0);
    for (at, draft) in unit.iter().enumerate() {
        let len = draft.body.len() + draft.sealed.as_ref().map_or(0, |(_, plain)| plain.len());
        let before = at.checked_sub(1).filter(|_| at > from).map(|before| &unit[before]);
        let split = at - from == ITEMS_MOST
            || bytes + len > SHARED_MOST
            || alone && (draft.kind == Kind::Snapshot || before.is_some_and(|before| before.kind == Kind::Snapshot));
        if split && at > from {
            frames.push(&unit[from..at]);
            (from, bytes) = (at, 0);
        }
        bytes += len;
    }
    if from < unit.len() {
        frames.push(&unit[from..]);
    }
    frames
}
