//! The key ring: a data key for each family, in two equal files of fixed slots beside the journal, which can be
//! overwritten in place. What was sealed with a key that is gone is gone. Bytes: `docs/archive-format.md`.

use std::io;
use std::sync::{Arc, Mutex};

use super::dictionary::lock;
use super::disk::{Disk, DiskFile};
use crate::archive::ArchiveError;
use crate::archive::sealed::{Sealer, TAG, random};

/// Bytes of a slot: a sealed key.
pub const SLOT: usize = 32 + TAG;
/// Bytes before the first slot.
pub const HEAD: usize = 64;
pub const NAMES: [&str; 2] = ["ring-a.keys", "ring-b.keys"];
const MAGIC: &[u8; 8] = b"crmundok";
const VERSION: u32 = 1;
/// Slots read at once.
const BLOCK: u32 = 128;

/// What a slot holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Whole([u8; 32]),
    Erased,
    /// Neither copy can be read.
    Lost,
}

/// What a copy begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Header {
    Good,
    Damaged,
    Version(u32),
}

pub struct Ring {
    files: [Arc<dyn DiskFile>; 2],
    sealer: Arc<Sealer>,
    state: Mutex<State>,
    /// One at a time makes slots or destroys keys.
    changing: Mutex<()>,
    /// Slots that are made at once; from half as many left on more are made.
    bulk: u32,
    #[cfg(test)]
    without_threads: bool,
}

struct State {
    /// The next slot that nobody has used.
    next: u32,
    /// So many were made.
    made: u32,
    /// Slots of the first copy that were read last, and where they begin.
    block: Option<(u32, Vec<u8>)>,
}

impl Ring {
    /// Opens the ring, or makes it if there is no journal yet. A slot that an earlier process made is never given out
    /// again, so what was used before is nobody's question. Tells what is damaged.
    pub fn open(
        disk: &dyn Disk,
        sealer: &Arc<Sealer>,
        (may_begin, bulk): (bool, u32),
        damage: &mut Vec<String>,
    ) -> Result<Self, ArchiveError> {
        let names = disk.list().map_err(|error| failed("listed", &error))?;
        let there = NAMES.map(|name| names.iter().any(|other| other == name));
        let mut files = Vec::new();
        let mut lens = [0; 2];
        for (copy, name) in NAMES.into_iter().enumerate() {
            let file = if there[copy] { disk.open(name) } else { disk.create(name) };
            let file = file.map_err(|error| failed("opened", &error))?;
            lens[copy] = file.len().map_err(|error| failed("read", &error))?;
            files.push(file);
        }
        let [first, second] = <[Arc<dyn DiskFile>; 2]>::try_from(files).unwrap_or_else(|_| unreachable!("two names"));
        let ring = Self {
            files: [first, second],
            sealer: Arc::clone(sealer),
            state: Mutex::new(State { next: 0, made: 0, block: None }),
            changing: Mutex::default(),
            bulk: bulk.max(2),
            #[cfg(test)]
            without_threads: false,
        };
        let heads = [ring.head_of(0, lens[0])?, ring.head_of(1, lens[1])?];
        if let [Header::Version(one), Header::Version(other)] = heads
            && one == other
        {
            return Err(ArchiveError::Invalid(format!(
                "the key ring has format version {one}, this program reads version {VERSION}; use the program that \
                 wrote it"
            )));
        }
        if heads.iter().all(|head| *head != Header::Good) {
            if lens.iter().any(|len| *len > HEAD as u64) {
                return Err(ArchiveError::BadKey(
                    "the key ring is of another archive or key, or both of its copies are damaged; put it back from \
                     a backup"
                        .to_owned(),
                ));
            }
            if !may_begin {
                return Err(ArchiveError::BadKey(
                    "the key ring is missing and a journal exists; put the directory `keys` back from a backup"
                        .to_owned(),
                ));
            }
        }
        // Behind the slots lies space that was set aside: zeros, never given out.
        let lens = [ring.used(0, lens[0])?, ring.used(1, lens[1])?];
        for (copy, head) in heads.into_iter().enumerate() {
            let good = head == Header::Good;
            if !good || lens[copy] < lens[1 - copy] {
                if !good && !may_begin {
                    damage.push(format!("{}: missing, or its header was damaged; mended from its twin", NAMES[copy]));
                }
                ring.mend(copy, lens).map_err(|error| failed("mended", &error))?;
            }
        }
        disk.sync_names().map_err(|error| failed("synced", &error))?;
        let slots = lens.into_iter().max().unwrap_or(0).saturating_sub(HEAD as u64).div_ceil(SLOT as u64);
        let slots = u32::try_from(slots).map_err(|_| ArchiveError::Unusable("the key ring is full".to_owned()))?;
        {
            let mut state = lock(&ring.state);
            (state.next, state.made) = (slots, slots);
        }
        match ring.make(ring.bulk) {
            // Everything that is there can be read; what needs a new key is refused until there is room.
            Err(ArchiveError::Full { .. }) if !may_begin => {}
            made => made?,
        }
        Ok(ring)
    }

    /// Makes slots ahead where it is asked for one: for a simulation, whose every turn is drawn.
    #[cfg(test)]
    pub fn without_threads(mut self) -> Self {
        self.without_threads = true;
        self
    }

    /// Bytes of a copy up to the end of its last slot that was ever written.
    fn used(&self, copy: usize, len: u64) -> Result<u64, ArchiveError> {
        let mut end = len;
        let mut block = vec![0; BLOCK as usize * SLOT];
        while end > HEAD as u64 {
            let from = end.saturating_sub(block.len() as u64).max(HEAD as u64);
            let block = &mut block[..usize::try_from(end - from).unwrap_or(0)];
            self.files[copy].read_at(block, from).map_err(|error| failed("read", &error))?;
            match block.iter().rposition(|byte| *byte != 0) {
                Some(last) => {
                    let slots = (from + last as u64 + 1 - HEAD as u64).div_ceil(SLOT as u64);
                    // A copy may end in the middle of a slot that was being written.
                    return Ok(len.min(HEAD as u64 + slots * SLOT as u64));
                }
                None => end = from,
            }
        }
        Ok(end)
    }

    fn head(&self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(MAGIC);
        head[8..12].copy_from_slice(&VERSION.to_le_bytes());
        head[16..32].copy_from_slice(self.sealer.id());
        let mac = self.sealer.mac(&[b"key ring", &head[..32]]);
        head[32..48].copy_from_slice(&mac);
        head
    }

    fn head_of(&self, copy: usize, len: u64) -> Result<Header, ArchiveError> {
        if len < HEAD as u64 {
            return Ok(Header::Damaged);
        }
        let mut head = [0; HEAD];
        self.files[copy].read_at(&mut head, 0).map_err(|error| failed("read", &error))?;
        if head == self.head() {
            return Ok(Header::Good);
        }
        let version = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        let other = &head[..8] == MAGIC && head[16..32] == self.sealer.id()[..] && version != VERSION;
        Ok(if other { Header::Version(version) } else { Header::Damaged })
    }

    /// Gives a copy its header, and what it has not of its twin's slots.
    fn mend(&self, copy: usize, lens: [u64; 2]) -> io::Result<()> {
        let twin = 1 - copy;
        if lens[copy] < lens[twin] {
            let from = lens[copy].max(HEAD as u64);
            let mut rest = vec![0; usize::try_from(lens[twin].saturating_sub(from)).unwrap_or(0)];
            self.files[twin].read_at(&mut rest, from)?;
            self.files[copy].write_at(&rest, from)?;
        }
        self.files[copy].write_at(&self.head(), 0)?;
        self.files[copy].sync()
    }

    /// A slot with a fresh key, durable in both copies, that was never used. Makes more ahead, on a thread of its own.
    pub fn fresh(self: &Arc<Self>) -> Result<u32, ArchiveError> {
        loop {
            {
                let mut state = lock(&self.state);
                if state.next < state.made {
                    let slot = state.next;
                    state.next += 1;
                    let left = state.made - state.next;
                    drop(state);
                    if left == self.bulk / 2 {
                        #[cfg(test)]
                        if self.without_threads {
                            // If it cannot be made now, it will be when none is left, and said then.
                            let _ = self.make(self.bulk);
                            return Ok(slot);
                        }
                        let ring = Arc::clone(self);
                        let thread = std::thread::Builder::new().name("key-ring".to_owned());
                        // If it cannot be made now, it will be when none is left, and said then.
                        let _ = thread.spawn(move || ring.make(ring.bulk));
                    }
                    return Ok(slot);
                }
            }
            self.make(1)?;
        }
    }

    /// Makes slots until at least so many are left.
    fn make(&self, least: u32) -> Result<(), ArchiveError> {
        let _alone = lock(&self.changing);
        let (next, made) = {
            let state = lock(&self.state);
            (state.next, state.made)
        };
        if made - next >= least {
            return Ok(());
        }
        let many = self.bulk.max(made.min(4 * self.bulk));
        let end = made.checked_add(many).ok_or_else(|| ArchiveError::Unusable("the key ring is full".to_owned()))?;
        let mut bytes = Vec::with_capacity(many as usize * SLOT);
        for slot in made..end {
            bytes.extend_from_slice(&self.sealer.close_slot(slot, false, &random::<32>()?)?);
        }
        for file in &self.files {
            let mut again = vec![0; bytes.len()];
            let done = file.write_at(&bytes, at(made)).and_then(|()| file.sync());
            done.and_then(|()| file.read_at(&mut again, at(made))).map_err(|error| failed("written", &error))?;
            if again != bytes {
                return Err(ArchiveError::Unusable("the key ring is not what was written".to_owned()));
            }
        }
        // Set aside for the next start: on a disk that is full by then, keys can still be made. Its failure costs only that.
        for file in &self.files {
            let zeros = vec![0; self.bulk as usize * SLOT];
            if file.len().is_ok_and(|len| len < at(end) + zeros.len() as u64) {
                let _ = file.write_at(&zeros, at(end));
            }
        }
        let mut state = lock(&self.state);
        state.made = end;
        state.block = None;
        Ok(())
    }

    /// What a slot holds. If one copy is damaged the other tells.
    pub fn key(&self, slot: u32) -> Key {
        let mut state = lock(&self.state);
        if slot >= state.made {
            return Key::Lost;
        }
        let begin = slot / BLOCK * BLOCK;
        if state.block.as_ref().is_none_or(|(from, _)| *from != begin) {
            let count = BLOCK.min(state.made - begin) as usize;
            let mut bytes = vec![0; count * SLOT];
            state.block = self.files[0].read_at(&mut bytes, at(begin)).is_ok().then_some((begin, bytes));
        }
        if let Some((_, bytes)) = &state.block {
            let from = (slot - begin) as usize * SLOT;
            if let Some(key) = self.read(slot, &bytes[from..from + SLOT]) {
                return key;
            }
        }
        self.copy(1, slot).unwrap_or(Key::Lost)
    }

    /// What one copy holds; `None`: it cannot be read.
    fn copy(&self, copy: usize, slot: u32) -> Option<Key> {
        let mut bytes = [0; SLOT];
        self.files[copy].read_at(&mut bytes, at(slot)).ok()?;
        self.read(slot, &bytes)
    }

    /// Never written: a process died while it made slots.
    fn is_zeros(&self, copy: usize, slot: u32) -> bool {
        let mut bytes = [1; SLOT];
        self.files[copy].read_at(&mut bytes, at(slot)).is_ok() && bytes == [0; SLOT]
    }

    fn read(&self, slot: u32, bytes: &[u8]) -> Option<Key> {
        let whole = self.sealer.open_slot(slot, false, bytes).map(Key::Whole);
        whole.or_else(|| self.sealer.open_slot(slot, true, bytes).map(|_| Key::Erased))
    }

    /// Destroys keys: overwritten, synced and read again in both copies on return. Doing it twice changes nothing.
    pub fn destroy(&self, slots: &[u32]) -> Result<(), ArchiveError> {
        let _alone = lock(&self.changing);
        let made = lock(&self.state).made;
        for (copy, file) in self.files.iter().enumerate() {
            let live = |slot: &&u32| **slot < made && self.copy(copy, **slot) != Some(Key::Erased);
            let slots: Vec<u32> = slots.iter().filter(live).copied().collect();
            for slot in &slots {
                let mark = self.sealer.close_slot(*slot, true, &[0; 32])?;
                file.write_at(&mark, at(*slot)).map_err(|error| failed("written", &error))?;
            }
            if !slots.is_empty() {
                file.sync().map_err(|error| failed("synced", &error))?;
            }
            lock(&self.state).block = None;
            if slots.iter().any(|slot| self.copy(copy, *slot) != Some(Key::Erased)) {
                return Err(ArchiveError::Unusable("a key was overwritten and is still there".to_owned()));
            }
        }
        Ok(())
    }

    /// Slots whose keys were destroyed.
    pub fn erased(&self) -> Vec<u32> {
        let made = lock(&self.state).made;
        (0..made).filter(|slot| self.key(*slot) == Key::Erased).collect()
    }

    /// Damage in either copy, slot by slot; a slot that was being made when a process died is none.
    pub fn check(&self) -> Vec<String> {
        let made = lock(&self.state).made;
        let mut damage = Vec::new();
        for slot in 0..made {
            let copies = [0, 1].map(|copy| self.copy(copy, slot));
            match copies {
                [Some(one), Some(other)] if one == other => {}
                [None, None] if [0, 1].into_iter().all(|copy| self.is_zeros(copy, slot)) => {}
                [None, None] => damage.push(format!("slot {slot} of the key ring is damaged in both copies")),
                [Some(_), Some(_)] => damage.push(format!("slot {slot} differs between the copies of the key ring")),
                [first, _] => {
                    let name = NAMES[usize::from(first.is_some())];
                    damage.push(format!("{name}: slot {slot} is damaged; its twin is whole"));
                }
            }
        }
        damage
    }
}

fn at(slot: u32) -> u64 {
    HEAD as u64 + u64::from(slot) * SLOT as u64
}

fn failed(what: &str, error: &io::Error) -> ArchiveError {
    if super::segments::is_full(error) {
        return ArchiveError::Full { free: 0, needed: BLOCK.into() };
    }
    ArchiveError::Unusable(format!("the key ring cannot be {what}: {error}"))
}
