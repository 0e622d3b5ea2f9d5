//! What was committed and is not in sled yet: changes of rows in memory, commit by commit.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use crate::archive::fold::rows::{Change, Changes};

/// Rows that are given out, or taken away, while nobody else may touch them.
const AT_ONCE: usize = 512;

/// Changes of rows, each with the commits that made it.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    inside: RwLock<Inside>,
    /// Every reader holds it while it reads.
    readers: Mutex<Arc<()>>,
}

#[derive(Debug, Default)]
struct Inside {
    rows: BTreeMap<Vec<u8>, Vec<(u64, Change)>>,
    /// Number of the last commit.
    last: u64,
    /// Changes that are held.
    count: usize,
    bytes: usize,
}

/// Somebody who reads what there was after one commit. Until it is dropped, nothing it may see goes away.
#[derive(Debug)]
pub(crate) struct Reader {
    pub at: u64,
    _reading: Arc<()>,
}

/// What is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub last: u64,
    pub changes: usize,
    pub bytes: usize,
}

fn as_of(versions: &[(u64, Change)], at: u64) -> Option<&Change> {
    versions.iter().rev().find(|(commit, _)| *commit <= at).map(|(_, change)| change)
}

fn size(key: &[u8], change: &Change) -> usize {
    key.len() + change.as_ref().map_or(0, Vec::len)
}

impl Overlay {
    fn read(&self) -> RwLockReadGuard<'_, Inside> {
        self.inside.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inside> {
        self.inside.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is now.
    pub(crate) fn reader(&self) -> Reader {
        let reading = Arc::clone(&self.readers.lock().unwrap_or_else(PoisonError::into_inner));
        Reader { at: self.read().last, _reading: reading }
    }

    /// Waits until everybody who reads now has finished.
    pub(crate) fn outwait(&self) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::take(&mut *readers);
        drop(readers);
        while Arc::strong_count(&old) > 1 {
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// All changes of one commit are there from now on.
    pub(crate) fn commit(&self, changes: Changes) {
        let mut inside = self.write();
        let commit = inside.last + 1;
        for (key, change) in changes {
            inside.bytes += size(&key, &change);
            inside.count += 1;
            inside.rows.entry(key).or_default().push((commit, change));
        }
        inside.last = commit;
    }

    pub(crate) fn held(&self) -> Held {
        let inside = self.read();
        Held { last: inside.last, changes: inside.count, bytes: inside.bytes }
    }

    /// The change of a row as of a commit, if there is one.
    pub(crate) fn get(&self, key: &[u8], at: u64) -> Option<Change> {
        as_of(self.read().rows.get(key)?, at).cloned()
    }

    /// Some changes from `from` on, before `to`, in order, and whether they were all. None if there is nothing between.
    pub(crate) fn up(&self, from: &[u8], to: &[u8], at: u64, out: &mut Vec<(Vec<u8>, Change)>) -> bool {
        if from >= to {
            return true;
        }
        let inside = self.read();
        let rows = inside.rows.range::<[u8], _>((Included(from), Excluded(to)));
        fill(rows, at, out)
    }

    /// The same, the last ones first.
    pub(crate) fn down(&self, from: &[u8], to: &[u8], at: u64, out: &mut Vec<(Vec<u8>, Change)>) -> bool {
        if from >= to {
            return true;
        }
        let inside = self.read();
        let rows = inside.rows.range::<[u8], _>((Included(from), Excluded(to))).rev();
        fill(rows, at, out)
    }

    /// All changes up to a commit.
    pub(crate) fn until(&self, at: u64) -> Changes {
        let mut all = Changes::new();
        let mut from = Vec::new();
        loop {
            let inside = self.read();
            let mut count = 0;
            for (key, versions) in inside.rows.range::<Vec<u8>, _>((Excluded(&from), Unbounded)).take(AT_ONCE) {
                count += 1;
                if let Some(change) = as_of(versions, at) {
                    all.insert(key.clone(), change.clone());
                }
                if count == AT_ONCE {
                    from.clone_from(key);
                    break;
                }
            }
            if count < AT_ONCE {
                return all;
            }
        }
    }

    /// These changes, up to this commit, are elsewhere now.
    pub(crate) fn forget(&self, changes: &Changes, at: u64) {
        let keys: Vec<&Vec<u8>> = changes.keys().collect();
        for part in keys.chunks(AT_ONCE) {
            let mut inside = self.write();
            for key in part {
                let Some(versions) = inside.rows.get_mut(*key) else { continue };
                let gone: Vec<_> = versions.extract_if(.., |(commit, _)| *commit <= at).collect();
                let empty = versions.is_empty();
                if empty {
                    inside.rows.remove(*key);
                }
                inside.count -= gone.len();
                inside.bytes -= gone.iter().map(|(_, change)| size(key, change)).sum::<usize>();
            }
        }
    }
}

fn fill<'a>(
    rows: impl Iterator<Item = (&'a Vec<u8>, &'a Vec<(u64, Change)>)>,
    at: u64,
    out: &mut Vec<(Vec<u8>, Change)>,
) -> bool {
    // Few at first: most walks are short.
    for (key, versions) in rows {
        if let Some(change) = as_of(versions, at) {
            out.push((key.clone(), change.clone()));
            if out.len() == AT_ONCE / 8 {
                return false;
            }
        }
    }
    true
}
