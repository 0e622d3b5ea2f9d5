//! Rows in sled: pages of them, sealed; changes with a checkpoint, all or nothing.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use super::cache::Cache;
use super::edit::{Edit, edited};
use super::page::Page;
use super::redo;
use super::seal::Seal;
use crate::archive::ArchiveError;
use crate::archive::fold::filter::Filter;
use crate::archive::fold::packed::Value;
use crate::archive::fold::rows::{Changes, parse, write};

/// sled's batches cost memory out of proportion to their size.
pub(super) const BATCH: usize = 64;
/// Bytes of sled's own cache. Pages are kept by ours.
const CACHE: u64 = 16 << 20;
/// Bytes of pages kept in memory: in use, and while the rows are made anew.
const PAGES: usize = 20 << 20;
const PAGES_ANEW: usize = 64 << 20;

/// Which journal the rows are of, and how far they are.
const HEAD: &[u8] = b"!head";
/// A page, and the filter of a page; the first key follows.
const PAGE: u8 = b'p';
const FILTER: u8 = b'f';

/// Layout of the rows; another number means: rebuild.
pub(crate) const VERSION: u64 = 5;

/// The head row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub version: u64,
    pub journal: String,
    /// Every frame before this place is in the rows.
    pub place: u64,
    /// Slot of the key ring that the pages hang on.
    pub slot: u64,
}

impl Value for Head {
    fn pack(&self, out: &mut Vec<u8>) {
        self.version.pack(out);
        self.journal.pack(out);
        self.place.pack(out);
        self.slot.pack(out);
    }
    fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self {
            version: u64::unpack(bytes)?,
            journal: String::unpack(bytes)?,
            place: u64::unpack(bytes)?,
            slot: u64::unpack(bytes)?,
        })
    }
}

/// First keys of all pages, and what each cannot have.
pub(super) type Fences = BTreeMap<Vec<u8>, Option<Arc<Filter>>>;

/// The secret that hangs on a slot of the key ring; of a fresh one without.
pub(crate) type SecretOf<'a> = &'a dyn Fn(Option<u32>) -> Result<(u32, [u8; 32]), ArchiveError>;

/// Rows in sled.
#[derive(Debug)]
pub(crate) struct Table {
    /// Slot of the key ring that the pages hang on.
    pub slot: u32,
    db: sled::Db,
    seal: Seal,
    /// Held while a page is read, and while pages are exchanged: what is read is always whole.
    fences: RwLock<Fences>,
    cache: Mutex<Cache>,
    /// Writes that still succeed.
    #[cfg(test)]
    left: std::sync::atomic::AtomicUsize,
}

/// A page, and where the next one begins.
pub(crate) struct Sheet {
    pub page: Arc<Page>,
    pub first: Vec<u8>,
    pub next: Option<Vec<u8>>,
}

fn failed(error: &sled::Error) -> ArchiveError {
    broken(&error.to_string())
}

pub(super) fn broken(detail: &str) -> ArchiveError {
    ArchiveError::Unusable(format!("its index cannot be used: {detail}; restart to rebuild it"))
}

/// sled panics on some damage; that is an error like any other.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, ArchiveError>) -> Result<T, ArchiveError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(broken("it panicked")))
}

fn named(kind: u8, first: &[u8]) -> Vec<u8> {
    [&[kind], first].concat()
}

/// A sled in which something failed or panicked may wait for ever when it is flushed, and dropping it flushes: what it
/// holds is not needed, and its memory is given back when the process ends.
fn abandon(db: sled::Db) {
    std::mem::forget(db);
}

impl Table {
    /// Opens sled; it may panic. `secret_of` gives the secret that hangs on the slot of the head, or a fresh one.
    pub(crate) fn open(dir: &Path, secret_of: SecretOf) -> Result<Self, ArchiveError> {
        // sled's own thread would go on flushing what has failed, and then hold a lock of all sleds of this process.
        let config = sled::Config::new().path(dir).cache_capacity(CACHE).flush_every_ms(None);
        let db = config.open().map_err(|error| failed(&error))?;
        let table = Self::over(db.clone(), secret_of);
        if table.is_err() {
            abandon(db);
        }
        table
    }

    fn over(db: sled::Db, secret_of: SecretOf) -> Result<Self, ArchiveError> {
        let head = db.get(HEAD).map_err(|error| failed(&error))?;
        let head: Option<Head> = head.map(|bytes| parse(&bytes)).transpose()?;
        let slot = head.map(|head| u32::try_from(head.slot).map_err(|_| broken("its head is damaged"))).transpose()?;
        let (slot, secret) = secret_of(slot)?;
        let (seal, mut fences) = (Seal::new(&secret), Fences::new());
        for row in db.range([FILTER]..[FILTER + 1]) {
            let (key, value) = row.map_err(|error| failed(&error))?;
            let filter = if value.is_empty() {
                None
            } else {
                let bytes = seal.open(&key, &value).ok_or_else(|| broken("a filter of it is damaged"))?;
                Some(Arc::new(Filter::from_bytes(bytes).ok_or_else(|| broken("a filter of it is empty"))?))
            };
            fences.insert(key[1..].to_vec(), filter);
        }
        Ok(Self {
            slot,
            db,
            seal,
            fences: RwLock::new(fences),
            cache: Mutex::new(Cache::new(PAGES)),
            #[cfg(test)]
            left: usize::MAX.into(),
        })
    }

    pub(crate) fn head(&self) -> Result<Option<Head>, ArchiveError> {
        self.plain(HEAD)?.map(|bytes| parse(&bytes)).transpose()
    }

    /// Whether much is about to be read and written again and again.
    pub(crate) fn anew(&self, anew: bool) {
        self.cache().limit(if anew { PAGES_ANEW } else { PAGES });
    }

    fn plain(&self, key: &[u8]) -> Result<Option<sled::IVec>, ArchiveError> {
        self.db.get(key).map_err(|error| failed(&error))
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fences(&self) -> RwLockReadGuard<'_, Fences> {
        self.fences.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finishes what was cut off between its batches.
    pub(crate) fn redo(&self) -> Result<(), ArchiveError> {
        let Some(changes) = redo::found(&|key| self.plain(key), &self.seal)? else { return Ok(()) };
        let head = changes.head.clone();
        self.apply_rows(&changes.rows, Some(&head), true)
    }

    /// Writes changes and how far they bring the rows: all or nothing, also if the process ends in between.
    pub(crate) fn apply(&self, changes: &Changes, head: &Head) -> Result<(), ArchiveError> {
        self.apply_rows(changes, Some(head), false)
    }

    /// Writes changes that count only once a head is written.
    pub(crate) fn build(&self, changes: &Changes) -> Result<(), ArchiveError> {
        self.apply_rows(changes, None, true)
    }

    fn apply_rows(&self, changes: &Changes, head: Option<&Head>, safe: bool) -> Result<(), ArchiveError> {
        let (mut edits, mut count, mut safe) = (Vec::new(), 0, safe);
        let mut rows = changes.iter().peekable();
        while let Some((key, _)) = rows.peek() {
            let edit = {
                let fences = self.fences();
                let sheet = self.sheet_of(&fences, key)?;
                let next = fences.range::<[u8], _>((Excluded(key.as_slice()), Unbounded)).next();
                edited(sheet.as_ref(), next.map(|(next, _)| next.as_slice()), &mut rows)
            };
            let weight = edit.weight();
            // Room for the head and for the pieces of the redo.
            if count + weight > BATCH / 2 && count > 0 {
                if !safe && let Some(head) = head {
                    safe = true;
                    redo::keep(changes, head, &self.seal, &|key, value| {
                        self.may_write()?;
                        self.db.insert(key, value).map(drop).map_err(|error| failed(&error))
                    })?;
                }
                self.exchange(std::mem::take(&mut edits), None, false)?;
                count = 0;
            }
            count += weight;
            edits.push(edit);
        }
        self.exchange(edits, head, safe)
    }

    /// Pages for others, in one batch.
    fn exchange(&self, edits: Vec<Edit>, head: Option<&Head>, end_redo: bool) -> Result<(), ArchiveError> {
        let mut batch = sled::Batch::default();
        for edit in &edits {
            if let Some(first) = &edit.gone {
                batch.remove(named(PAGE, first));
                batch.remove(named(FILTER, first));
            }
            for fresh in &edit.fresh {
                let key = named(PAGE, &fresh.first);
                let sealed = self.seal.close_packed(&key, &fresh.bytes)?;
                batch.insert(key, sealed);
                let key = named(FILTER, &fresh.first);
                let filter = match &fresh.filter {
                    Some(filter) => self.seal.close(&key, filter.bytes())?,
                    None => Vec::new(),
                };
                // The fence of a page that has no filter stays as it is.
                if fresh.filter.is_some() || !edit.same(&fresh.first) {
                    batch.insert(key, filter);
                }
            }
        }
        if let Some(head) = head {
            batch.insert(HEAD, write(head));
            if end_redo {
                for key in redo::keys(&|key| self.plain(key))? {
                    batch.remove(key);
                }
            }
        }
        let mut fences = self.fences.write().unwrap_or_else(PoisonError::into_inner);
        self.may_write()?;
        self.db.apply_batch(batch).map_err(|error| failed(&error))?;
        let mut cache = self.cache();
        for edit in edits {
            if let Some(first) = edit.gone {
                fences.remove(&first);
                cache.remove(&first);
            }
            for fresh in edit.fresh {
                cache.remove(&fresh.first);
                fences.insert(fresh.first, fresh.filter.map(Arc::new));
            }
        }
        Ok(())
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "only tests break it")]
    fn may_write(&self) -> Result<(), ArchiveError> {
        Ok(())
    }

    #[cfg(test)]
    fn may_write(&self) -> Result<(), ArchiveError> {
        use std::sync::atomic::Ordering::SeqCst;
        let left = self.left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| broken("the test stopped it"))
    }

    /// Without rows, over a sled that nothing is read from.
    #[cfg(test)]
    pub(crate) fn empty(db: sled::Db) -> Self {
        let cache = Mutex::new(Cache::new(PAGES));
        Self { db, seal: Seal::new(&[0; 32]), fences: RwLock::default(), cache, slot: 0, left: usize::MAX.into() }
    }

    /// Damages every page in a way that sled does not see.
    #[cfg(test)]
    pub(crate) fn harm(&self) {
        for row in self.db.range([PAGE]..[PAGE + 1]) {
            let (key, mut value) = row.expect("read");
            value[30] ^= 1;
            self.db.insert(key, value).expect("written");
        }
        *self.cache() = Cache::new(PAGES);
    }

    /// So many more writes succeed.
    #[cfg(test)]
    pub(crate) fn stop_after(&self, writes: usize) {
        self.left.store(writes, std::sync::atomic::Ordering::SeqCst);
    }

    /// Hands everything to the disk.
    pub(crate) fn flush(db: &sled::Db) -> Result<(), ArchiveError> {
        db.flush().map(drop).map_err(|error| failed(&error))
    }

    /// From now on nothing is written any more, also not when it is dropped.
    pub(crate) fn abandon(&self) {
        abandon(self.db.clone());
    }

    /// To be flushed on another thread.
    pub(crate) fn handle(&self) -> sled::Db {
        self.db.clone()
    }

    /// The page that a key stands in, or would: each letter has pages of its own.
    fn sheet_of(&self, fences: &Fences, key: &[u8]) -> Result<Option<Sheet>, ArchiveError> {
        let first = fences.range::<[u8], _>((Unbounded, std::ops::Bound::Included(key))).next_back();
        match first.filter(|(first, _)| first.first() == key.first()) {
            Some((first, _)) => self.sheet(fences, first).map(Some),
            None => Ok(None),
        }
    }

    fn sheet(&self, fences: &Fences, first: &[u8]) -> Result<Sheet, ArchiveError> {
        let next = fences.range::<[u8], _>((Excluded(first), Unbounded)).next().map(|(next, _)| next.clone());
        Ok(Sheet { page: self.page(first)?, first: first.to_vec(), next })
    }

    fn page(&self, first: &[u8]) -> Result<Arc<Page>, ArchiveError> {
        if let Some(page) = self.cache().get(first) {
            return Ok(page);
        }
        let key = named(PAGE, first);
        let sealed = self.plain(&key)?.ok_or_else(|| broken("a page of it is missing"))?;
        let page = self.seal.open_packed(&key, &sealed).and_then(|bytes| Page::unpacked(&bytes));
        let page = Arc::new(page.ok_or_else(|| broken("a page of it is damaged"))?);
        self.cache().put(first, &page);
        Ok(page)
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
        let fences = self.fences();
        Ok(self.sheet_of(&fences, key)?.and_then(|sheet| sheet.page.get(key).map(<[u8]>::to_vec)))
    }

    /// The first page that may have rows from `from` on, before `to`.
    pub(super) fn first_from(&self, from: &[u8], to: &[u8]) -> Result<Option<Sheet>, ArchiveError> {
        let fences = self.fences();
        if let Some(sheet) = self.sheet_of(&fences, from)? {
            return Ok(Some(sheet));
        }
        let first = fences.range::<[u8], _>((Excluded(from), Excluded(to))).next().map(|(first, _)| first.clone());
        first.map(|first| self.sheet(&fences, &first)).transpose()
    }

    /// The last page that may have rows from `from` on, before `to`, and that `may` allows.
    pub(super) fn last_before(
        &self,
        from: &[u8],
        to: &[u8],
        may: Option<&dyn Fn(&Filter) -> bool>,
    ) -> Result<Option<Sheet>, ArchiveError> {
        let fences = self.fences();
        for (first, filter) in fences.range::<[u8], _>((Unbounded, Excluded(to))).rev() {
            if filter.as_ref().zip(may).is_none_or(|(filter, may)| may(filter)) {
                return self.sheet(&fences, first).map(Some);
            }
            if first.as_slice() <= from {
                break;
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(changes: impl IntoIterator<Item = (u16, Option<u8>)>) -> Changes {
        let row = |(n, value): (u16, Option<u8>)| {
            ([&b"a"[..], &n.to_be_bytes()].concat(), value.map(|value| vec![value; 40]))
        };
        changes.into_iter().map(row).collect()
    }

    fn head(place: u64) -> Head {
        Head { version: VERSION, journal: "of".into(), place, slot: 7 }
    }

    fn value(table: &Table, n: u16) -> Option<u8> {
        table.get(&[&b"a"[..], &n.to_be_bytes()].concat()).expect("read").map(|value| value[0])
    }

    #[test]
    fn pages_split_and_vanish() {
        let dir = tempfile::tempdir().expect("a directory");
        let table = Table::open(dir.path(), &|slot| Ok((slot.unwrap_or(7), [1; 32]))).expect("opened");
        table.apply(&made((0..9_000).map(|n| (n, Some(1)))), &head(1)).expect("written");
        table.apply(&made((0..9_000).step_by(7).map(|n| (n, Some(2)))), &head(2)).expect("written");
        table.apply(&made((100..8_000).map(|n| (n, None))), &head(3)).expect("written");
        assert_eq!(
            [7, 8, 99, 100, 7_999, 8_001].map(|n| value(&table, n)),
            [Some(2), Some(1), Some(1), None, None, Some(2)]
        );
        drop(table);
        let table = Table::open(dir.path(), &|slot| Ok((slot.unwrap_or(7), [1; 32]))).expect("opened");
        assert_eq!((table.head().expect("read"), value(&table, 8_999)), (Some(head(3)), Some(1)));
        assert!(table.fences().len() < 60);
    }

    #[test]
    fn what_was_cut_off_between_batches_is_finished() {
        let dir = tempfile::tempdir().expect("a directory");
        let table = Table::open(dir.path(), &|slot| Ok((slot.unwrap_or(7), [1; 32]))).expect("opened");
        table.apply(&made([(7, Some(1)), (8, Some(1))]), &head(1)).expect("written");
        let mut changes = made((0..20_000).map(|n| (n, Some(3))));
        changes.extend(made([(7, None)]));
        let keep = |key: &[u8], value: Vec<u8>| table.db.insert(key, value).map(drop).map_err(|error| failed(&error));
        redo::keep(&changes, &head(2), &table.seal, &keep).expect("kept");
        table.redo().expect("redone");
        assert_eq!([7, 8, 19_999].map(|n| value(&table, n)), [None, Some(3), Some(3)]);
        assert_eq!(table.head().expect("read"), Some(head(2)));
        assert!(redo::keys(&|key| table.plain(key)).expect("read").is_empty());
    }
}
