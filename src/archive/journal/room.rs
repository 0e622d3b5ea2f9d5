//! Is there room for destructive work?

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::dictionary::lock;
use super::disk::Disk;
use crate::archive::ArchiveError;

/// How long an answer of the disk holds.
const FRESH: Duration = Duration::from_secs(1);

pub struct Room {
    min_free_bytes: u64,
    seen: Mutex<Option<(Instant, u64, u64)>>,
}

impl Room {
    /// `min_free_bytes` 0: the larger of 1 GiB and 5 % of the disk.
    pub fn new(min_free_bytes: u64) -> Self {
        Self { min_free_bytes, seen: Mutex::new(None) }
    }

    pub fn check(&self, disk: &dyn Disk) -> Result<(), ArchiveError> {
        let mut seen = lock(&self.seen);
        let (free, total) = match *seen {
            Some((at, free, total)) if at.elapsed() < FRESH => (free, total),
            _ => {
                *seen = None;
                let (free, total) = disk
                    .space()
                    .map_err(|error| ArchiveError::Unusable(format!("free space cannot be read: {error}")))?;
                *seen = Some((Instant::now(), free, total));
                (free, total)
            }
        };
        let needed = needed(self.min_free_bytes, total);
        if free < needed { Err(ArchiveError::Full { free, needed }) } else { Ok(()) }
    }
}

fn needed(min_free_bytes: u64, total: u64) -> u64 {
    if min_free_bytes == 0 { (1 << 30).max(total / 20) } else { min_free_bytes }
}

#[cfg(test)]
mod tests {
    use super::needed;

    #[test]
    fn the_rule_is_the_larger_of_one_gib_and_five_percent() {
        assert_eq!(needed(0, 10 << 30), 1 << 30);
        assert_eq!(needed(0, 100 << 30), 5 << 30);
        assert_eq!(needed(7, 100 << 30), 7);
    }
}
