//! Data keys: kept twice, destroyed for good, never given out twice.

use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::super::ring::{HEAD, Key, NAMES, SLOT};
use super::sim::{SimDisk, after_power_loss};
use super::{Inner, Journal, block_on, open, options, sealed};
use crate::archive::ArchiveError;

const LEN: usize = 120;

/// Units of one item each, and the slots of their keys.
fn written(disk: &Arc<SimDisk>, units: u32) -> (Journal, Vec<u32>) {
    let (journal, _) = open(disk, options(64 << 10)).unwrap();
    let mut slots = Vec::new();
    for number in 1..=units {
        let unit = sealed(&journal, number, 1, LEN);
        slots.push(unit[0].sealed.as_ref().unwrap().0);
        block_on(journal.append(unit)).unwrap();
    }
    (journal, slots)
}

/// Of each unit: whether its values can be read (`None`: erased).
fn readable(journal: &Journal) -> Vec<Option<bool>> {
    let mut seen = Vec::new();
    let mut on_frame = |frame: super::super::Frame| {
        seen.push(match frame.inner {
            Inner::Open(..) => Some(true),
            Inner::Erased(_) => None,
            _ => Some(false),
        });
        Ok(())
    };
    journal.scan(None, &mut on_frame, &mut |text| panic!("{text}")).unwrap();
    seen
}

#[test]
fn a_destroyed_key_is_gone_and_the_others_stay() {
    let disk = Arc::new(SimDisk::default());
    let (journal, slots) = written(&disk, 4);
    let old = disk.contents();
    journal.destroy(&[slots[1]]).unwrap();
    journal.destroy(&[slots[1], slots[1]]).unwrap();
    assert_eq!(readable(&journal), [Some(true), None, Some(true), Some(true)]);
    assert_eq!((journal.destroyed(), journal.check_keys()), (vec![slots[1]], vec![]));
    drop(journal);
    let (journal, recovery) = open(&disk, options(64 << 10)).unwrap();
    assert_eq!((readable(&journal)[1], recovery.damage), (None, vec![]));
    // An older copy of the journal beside the ring as it is now.
    drop(journal);
    let mut mixed = old;
    for name in NAMES {
        mixed.insert(name.into(), disk.contents()[name].clone());
    }
    let (journal, _) = open(&Arc::new(SimDisk::of(mixed)), options(64 << 10)).unwrap();
    assert_eq!(readable(&journal), [Some(true), None, Some(true), Some(true)]);
}

#[test]
fn a_slot_is_never_given_out_twice() {
    let disk = Arc::new(SimDisk::default());
    let mut all = Vec::new();
    for _ in 0..4 {
        let (journal, slots) = written(&disk, 40);
        all.extend(slots);
        drop(journal);
    }
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), 160);
}

#[test]
fn one_damaged_byte_of_the_ring_costs_nothing_and_two_cost_a_family() {
    let disk = Arc::new(SimDisk::default());
    let (journal, slots) = written(&disk, 3);
    drop(journal);
    let contents = disk.contents();
    let at = HEAD + slots[1] as usize * SLOT + 5;
    for name in NAMES {
        let mut one = contents.clone();
        one.get_mut(name).unwrap()[at] ^= 1;
        let (journal, _) = open(&Arc::new(SimDisk::of(one.clone())), options(64 << 10)).unwrap();
        assert_eq!(readable(&journal), [Some(true); 3]);
        assert!(journal.check_keys()[0].contains(name), "{:?}", journal.check_keys());
        // And it can be erased all the same.
        journal.destroy(&[slots[1]]).unwrap();
        assert_eq!(readable(&journal)[1], None);
    }
    let mut both = contents.clone();
    for name in NAMES {
        both.get_mut(name).unwrap()[at] ^= 1;
    }
    let (journal, _) = open(&Arc::new(SimDisk::of(both)), options(64 << 10)).unwrap();
    assert_eq!(readable(&journal), [Some(true), Some(false), Some(true)]);
    assert!(journal.check_keys()[0].contains("both copies"));
    let mut none = contents.clone();
    none.retain(|name, _| !NAMES.contains(&name.as_str()));
    let lost = open(&Arc::new(SimDisk::of(none)), options(64 << 10));
    assert!(matches!(lost, Err(ArchiveError::BadKey(_))), "no new ring beside an old journal");
    let mut half = contents;
    half.remove(NAMES[0]);
    let (journal, recovery) = open(&Arc::new(SimDisk::of(half)), options(64 << 10)).unwrap();
    assert_eq!((readable(&journal), recovery.damage.len()), (vec![Some(true); 3], 1));
}

/// Fails each call in turn, and cuts the power after each write: a key is there or destroyed, and when it was said to
/// be destroyed it is, in both copies.
#[test]
fn a_key_is_there_or_destroyed_whenever_it_ends() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let mut images = 0;
    for call in 1..60 {
        let disk = Arc::new(SimDisk::default());
        let (journal, slots) = written(&disk, 3);
        drop(journal);
        // The log of a disk names files by their numbers, which a copy gives anew in the order of names.
        let disk = Arc::new(SimDisk::of(disk.contents()));
        let (journal, _) = open(&disk, options(64 << 10)).unwrap();
        let (start, from) = (disk.contents(), disk.log_len());
        disk.fail_in(call);
        let said = journal.destroy(&[slots[0], slots[2]]).is_ok();
        let failed = disk.failed().is_some();
        assert!(said || failed, "call {call}");
        if !said {
            assert!(journal.writable().is_err(), "call {call}: nothing more is written");
        }
        let log = disk.log();
        for upto in from..=log.len() {
            let image = after_power_loss(&start, &log[from..upto], 512, &mut || random.random_bool(0.5));
            let (journal, _) = open(&Arc::new(image), options(64 << 10)).unwrap();
            for slot in [slots[0], slots[2]] {
                let whole = journal.slot_is_whole(slot);
                assert_ne!(whole, Some(false), "seed {seed}, call {call}, {upto}: torn");
                assert!(!said || upto < log.len() || whole.is_none(), "seed {seed}, call {call}, {upto}");
                // The start does it again from the event, and then it is destroyed in both.
                journal.destroy(&[slot]).unwrap();
                assert!(journal.shared.packer.ring.key(slot) == Key::Erased);
            }
            assert_eq!(readable(&journal), [None, Some(true), None], "seed {seed}, call {call}, {upto}");
            images += 1;
        }
        if !failed {
            break;
        }
    }
    assert!(images > 30, "{images}");
}
