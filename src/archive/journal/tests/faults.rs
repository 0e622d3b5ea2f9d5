//! Every I/O call fails once: nothing acknowledged is lost, nothing is acknowledged after.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::sim::{SimDisk, after_power_loss};
use super::{block_on, found, open, options, unit, whole};
use crate::archive::ArchiveError;

const LEN: usize = 150;
/// Of each of two lives.
const UNITS: u32 = 44;

/// Opens, appends one after another, looks at what happened. Numbers of the units that were acknowledged.
fn scenario(disk: &Arc<SimDisk>, first: u32) -> Result<Vec<u32>, ArchiveError> {
    // Its calls fail and do not hang: a machine that stands still for a while must not count as a disk that does.
    let options = super::Options { fence_timeout: Duration::from_hours(1), ..options(1200) };
    let (journal, _) = open(disk, options)?;
    let mut acknowledged = Vec::new();
    block_on(async {
        let mut refused = false;
        for number in first..first + UNITS {
            let broken_before = disk.failed().is_some_and(|(what, _)| what != "space") && journal.writable().is_err();
            match journal.append(unit(number, u16::try_from(number % 3).unwrap() + 1, LEN)).await {
                Ok(_) => {
                    assert!(!refused && !broken_before, "unit {number} was acknowledged after a failure");
                    acknowledged.push(number);
                }
                Err(error) => {
                    assert!(matches!(error, ArchiveError::Unusable(_)), "{error}");
                    assert!(matches!(journal.writable(), Err(ArchiveError::Unusable(_))), "fails closed");
                    refused = true;
                }
            }
        }
    });
    drop(journal);
    Ok(acknowledged)
}

#[test]
fn each_io_call_fails_once() {
    let count = {
        let disk = Arc::new(SimDisk::default());
        scenario(&disk, 1).unwrap();
        scenario(&disk, 101).unwrap();
        disk.calls()
    };
    let (mut refused, mut not_opened) = (0, 0);
    for n in 1..=count {
        let disk = Arc::new(SimDisk::default());
        let start = disk.contents();
        disk.fail_in(n);
        let mut acknowledged = Vec::new();
        let mut complete = true;
        for first in [1, 101] {
            match scenario(&disk, first) {
                Ok(some) => {
                    complete &= some.len() == UNITS as usize;
                    acknowledged.extend(some);
                }
                Err(error) => {
                    assert!(matches!(error, ArchiveError::Unusable(_)), "call {n}: {error}");
                    not_opened += 1;
                    complete = false;
                }
            }
            if disk.failed().is_some() {
                break;
            }
        }
        let Some((what, changes)) = disk.failed() else { continue };
        refused += usize::from(!complete);
        // The head of an old segment that cannot be read is damage, and told as such; all else stops everything.
        assert!(complete || changes == 0, "call {n} ({what}): nothing is written or synced after a failure");
        // The process dies here, or the power goes: a failed sync has kept nothing of what it should have.
        for disk in [Arc::new(SimDisk::of(disk.contents())), {
            Arc::new(after_power_loss(&start, &disk.log(), usize::MAX, &mut || false))
        }] {
            let (journal, recovery) = open(&disk, options(1200)).unwrap();
            assert_eq!(recovery.damage, Vec::<String>::new(), "call {n} ({what})");
            let (units, damage) = found(&journal, LEN);
            assert_eq!(damage, Vec::<String>::new(), "call {n} ({what})");
            for number in &acknowledged {
                assert!(units.contains_key(number), "call {n} ({what}): unit {number} is lost");
            }
            assert!(units.values().all(whole), "call {n} ({what}): {units:?}");
        }
    }
    println!("faults: {count} calls failed, one a run; {refused} runs refused something, {not_opened} did not open");
    assert!(refused > 200 && count > 600, "{count} calls, {refused} refused");
}

#[test]
fn a_disk_that_hangs_is_given_up_in_time() {
    let disk = Arc::new(SimDisk::default());
    let options = super::Options { fence_timeout: Duration::from_millis(60), ..options(4096) };
    let (journal, _) = open(&disk, options).unwrap();
    block_on(journal.append(unit(1, 1, LEN))).unwrap();
    disk.hang(Duration::from_millis(600));
    let began = Instant::now();
    let error = block_on(async {
        let both = futures::future::join(journal.append(unit(2, 1, LEN)), journal.append(unit(3, 1, LEN))).await;
        assert!(both.1.is_err());
        both.0.unwrap_err()
    });
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert!(matches!(&error, ArchiveError::Unusable(why) if why.contains("within")), "{error}");
    assert!(matches!(block_on(journal.append(unit(4, 1, LEN))), Err(ArchiveError::Unusable(_))));
    assert!(journal.writable().is_err());
    assert_eq!(found(&journal, LEN).0.keys().copied().collect::<Vec<_>>(), [1], "reading goes on");
}

#[test]
fn a_disk_that_hangs_at_a_new_segment_is_given_up_too() {
    let disk = Arc::new(SimDisk::default());
    let options = super::Options { fence_timeout: Duration::from_millis(60), ..options(600) };
    let (journal, _) = open(&disk, options).unwrap();
    block_on(journal.append(unit(1, 1, LEN))).unwrap();
    disk.hang(Duration::from_millis(600));
    let began = Instant::now();
    block_on(async {
        let calls = (2..12).map(|number| journal.append(unit(number, 1, LEN)));
        assert!(futures::future::join_all(calls).await.iter().all(Result::is_err));
    });
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
}

#[test]
fn a_full_disk_takes_small_segments_and_then_refuses_without_harm() {
    let disk = Arc::new(SimDisk::default());
    let (journal, _) = open(&disk, options(8192)).unwrap();
    block_on(journal.append(unit(1, 1, LEN))).unwrap();
    disk.fill();
    let mut written = 1;
    let error = loop {
        match block_on(journal.append(unit(written + 1, 1, LEN))) {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1000);
    };
    assert!(written > 10, "the space that was set aside is used: {written}");
    assert!(matches!(error, ArchiveError::Full { .. }), "{error}");
    assert!(journal.writable().is_ok(), "not poisoned: it goes on once there is space");
    assert_eq!(found(&journal, LEN).0.len(), written as usize);
}

#[test]
fn a_disk_that_is_full_at_any_of_two_hundred_points_loses_nothing_and_is_written_again_once_there_is_room() {
    let whole = {
        let disk = Arc::new(SimDisk::default());
        scenario(&disk, 1).unwrap();
        disk.contents().values().map(Vec::len).sum::<usize>()
    };
    let (mut refused, mut not_opened) = (0, 0);
    for point in 0..200 {
        let limit = whole * point / 200;
        let disk = Arc::new(SimDisk::default());
        disk.limit(limit);
        let mut acknowledged = Vec::new();
        match open(&disk, options(1200)) {
            Err(error) => {
                assert!(matches!(error, ArchiveError::Full { .. }), "limit {limit}: {error}");
                not_opened += 1;
            }
            Ok((journal, _)) => {
                for number in 1..=UNITS {
                    match block_on(journal.append(unit(number, u16::try_from(number % 3).unwrap() + 1, LEN))) {
                        Ok(_) => acknowledged.push(number),
                        Err(error) => {
                            assert!(matches!(error, ArchiveError::Full { .. }), "limit {limit}: {error}");
                            refused += 1;
                        }
                    }
                }
                assert!(journal.writable().is_ok(), "limit {limit}: not poisoned");
                assert_eq!(found(&journal, LEN).0.len(), acknowledged.len(), "limit {limit}: it is read all the same");
            }
        }
        // Somebody makes room, and it is started again: on the full disk already if it was made before.
        if !acknowledged.is_empty() {
            let (journal, recovery) = open(&disk, options(1200)).unwrap();
            assert_eq!(recovery.damage, Vec::<String>::new(), "limit {limit}");
            let units = found(&journal, LEN).0;
            assert!(acknowledged.iter().all(|number| units.contains_key(number)), "limit {limit}");
        }
        disk.limit(usize::MAX);
        let (journal, _) = open(&disk, options(1200)).unwrap();
        block_on(journal.append(unit(1_000, 2, LEN))).unwrap();
        assert_eq!(found(&journal, LEN).0.len(), acknowledged.len() + 1, "limit {limit}");
    }
    println!("full: 200 points, {refused} writes refused, {not_opened} did not open");
    assert!(refused > 1_000);
}
