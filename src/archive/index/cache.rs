//! Pages that were read lately.

use std::collections::HashMap;
use std::sync::Arc;

use super::page::Page;

/// Pages by their first key, at most so many bytes of them.
#[derive(Debug)]
pub(super) struct Cache {
    most: usize,
    bytes: usize,
    clock: u64,
    pages: HashMap<Vec<u8>, (Arc<Page>, u64)>,
}

impl Cache {
    /// Empty.
    pub(super) fn new(most: usize) -> Self {
        Self { most, bytes: 0, clock: 0, pages: HashMap::new() }
    }

    pub(super) fn get(&mut self, first: &[u8]) -> Option<Arc<Page>> {
        self.clock += 1;
        let (page, seen) = self.pages.get_mut(first)?;
        *seen = self.clock;
        Some(Arc::clone(page))
    }

    pub(super) fn put(&mut self, first: &[u8], page: &Arc<Page>) {
        self.remove(first);
        self.bytes += page.size();
        self.pages.insert(first.to_vec(), (Arc::clone(page), self.clock));
        self.shrink();
    }

    pub(super) fn remove(&mut self, first: &[u8]) {
        if let Some((page, _)) = self.pages.remove(first) {
            self.bytes -= page.size();
        }
    }

    /// From now on at most so many bytes.
    pub(super) fn limit(&mut self, most: usize) {
        self.most = most;
        self.shrink();
    }

    /// Drops those that were not read for the longest time, a third at once: seldom, so it need not be clever.
    fn shrink(&mut self) {
        if self.bytes <= self.most {
            return;
        }
        let mut ages: Vec<u64> = self.pages.values().map(|(_, seen)| *seen).collect();
        ages.sort_unstable();
        let keep = ages[ages.len() / 3];
        self.pages.retain(|_, (page, seen)| {
            if *seen <= keep {
                self.bytes -= page.size();
            }
            *seen > keep
        });
        self.shrink();
    }
}
