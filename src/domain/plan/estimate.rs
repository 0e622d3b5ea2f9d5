//! What a plan will cost, about. Shown to people; nothing depends on it.

use std::collections::BTreeMap;

use super::{Step, What};

/// How fast a connection may be worked on.
#[derive(Clone, Copy, Debug)]
pub struct Tempo {
    /// Records in one write.
    pub write_batch: usize,
    /// Rows in one read page.
    pub read_page: usize,
    /// Requests in a second that are left for background work.
    pub per_second: u32,
}

/// Requests it takes to read one page of records whole: the records, their links, notes and tasks.
const READS_PER_PAGE: u64 = 4;

/// Writes in batches of one wave and kind, a look whether the records are still away, and reading back.
pub fn requests(steps: &[Step], tempo: Tempo) -> u64 {
    let mut writes: BTreeMap<(u8, What, &str), u64> = BTreeMap::new();
    let mut reads: BTreeMap<&str, u64> = BTreeMap::new();
    for step in steps.iter().filter(|step| step.what != What::Skip) {
        *writes.entry((step.wave, step.what, &step.record.object)).or_default() += 1;
        if step.root {
            *reads.entry(&step.record.object).or_default() += 1;
        }
    }
    let batch = tempo.write_batch.max(1) as u64;
    let page = tempo.read_page.max(1) as u64;
    let written: u64 = writes.values().map(|count| count.div_ceil(batch)).sum();
    let pages: u64 = reads.values().map(|count| count.div_ceil(page)).sum();
    written + pages * (1 + READS_PER_PAGE)
}

/// At the background share of the budget.
pub fn seconds(requests: u64, tempo: Tempo) -> u64 {
    requests.div_ceil(u64::from(tempo.per_second.max(1)))
}
