//! The power goes before every write, and some of what was not synced arrives: sectors of 512 bytes or pages of 4 KiB.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::sim::{Op, SimDisk, after_power_loss};
use super::{block_on, found, open, options, sealed, unit, whole};

const LEN: usize = 130;

/// Units, and how long the log was when each was acknowledged.
type Acknowledged = Vec<(u32, usize)>;

/// Several callers at once, two lives, many segments.
fn lives(disk: &Arc<SimDisk>, turns: usize) -> Acknowledged {
    let mut acknowledged = Vec::new();
    let mut number = 0;
    for _ in 0..2 {
        let (journal, _) = open(disk, options(2500)).unwrap();
        for _ in 0..turns {
            let calls = (0..4).map(|_| {
                number += 1;
                let (number, journal) = (number, &journal);
                async move {
                    let unit = sealed(journal, number, u16::try_from(number % 4).unwrap() + 1, LEN);
                    journal.append(unit).await.unwrap();
                    (number, disk.log_len())
                }
            });
            acknowledged.extend(block_on(futures::future::join_all(calls)));
        }
    }
    acknowledged
}

fn check(image: SimDisk, acknowledged: &Acknowledged, upto: usize, what: &str) -> Arc<SimDisk> {
    let disk = Arc::new(image);
    let (journal, recovery) = open(&disk, options(2500)).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(recovery.damage, Vec::<String>::new(), "{what}");
    let (units, damage) = found(&journal, LEN);
    assert_eq!(damage, Vec::<String>::new(), "{what}");
    for (number, at) in acknowledged {
        assert!(*at > upto || units.contains_key(number), "{what}: unit {number} is lost");
    }
    assert!(units.values().all(whole), "{what}: a unit is partly there: {units:?}");
    // And it can be written again.
    let next = units.keys().next_back().map_or(1, |last| last + 1_000);
    block_on(journal.append(unit(next, 2, LEN))).unwrap();
    let (again, damage) = found(&journal, LEN);
    assert_eq!((again.len(), damage), (units.len() + 1, vec![]), "{what}");
    drop(journal);
    disk
}

#[test]
fn every_prefix_of_the_writes_is_a_whole_journal() {
    let long = std::env::var("CRM_UNDO_LONG").is_ok_and(|long| long != "0");
    let (mut images, least) = (0, if long { 50_000 } else { 2_000 });
    while images < least {
        images += images_of(rand::random());
    }
    println!("power: {images} images");
}

fn images_of(seed: u64) -> usize {
    println!("power: seed {seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let disk = Arc::new(SimDisk::default());
    let start = disk.contents();
    let acknowledged = lives(&disk, 8);
    let log = disk.log();
    let mut images = 0;
    for upto in 0..=log.len() {
        for (sector, share) in [(512, 0.0), (512, 1.0), (512, 0.3), (512, 0.5), (512, 0.8), (4096, 0.5), (4096, 0.8)] {
            let what = format!("seed {seed}, {upto} of {} writes, sectors of {sector}, {share}", log.len());
            let image = after_power_loss(&start, &log[..upto], sector, &mut || random.random_bool(share));
            let begun: BTreeMap<_, _> = image.contents();
            let opened = check(image, &acknowledged, upto, &what);
            images += 1;
            // The power goes again while the journal is being opened.
            if upto % 7 == 0 && share > 0.0 && share < 1.0 {
                let second = opened.log();
                let cut = random.random_range(0..=second.len().min(6));
                let again = after_power_loss(&begun, &second[..cut], sector, &mut || random.random_bool(0.5));
                check(again, &acknowledged, upto, &format!("{what}, and again after {cut}"));
                images += 1;
            }
        }
    }
    println!("{images} images of {} writes, {} units", log.len(), acknowledged.len());
    assert!(log.iter().filter(|op| matches!(op, Op::Rename { .. })).count() > 3, "several segments");
    images
}
