//! One bit turns somewhere in a journal: it is noticed, costs at most one frame, and the journal opens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::super::trainer;
use super::sim::SimDisk;
use super::{Options, Units, block_on, found, open, options, unit};

const LEN: usize = 150;

type Contents = BTreeMap<String, Vec<u8>>;

fn small() -> Options {
    options(4_000)
}

/// A journal of several segments with units of one to three frames and a dictionary; closed, or left by a killed
/// process. Frames in it.
fn journal(closed: bool) -> (Contents, BTreeSet<(u32, u16)>) {
    let disk = Arc::new(SimDisk::default());
    let (journal, _) = open(&disk, small()).unwrap();
    for number in 1..=30 {
        block_on(journal.append(unit(number, u16::try_from(number % 3).unwrap() + 1, LEN))).unwrap();
        if number == 6 {
            let samples: Vec<Vec<u8>> = (1_000..1_200).map(|number| unit(number, 1, LEN).remove(0).body).collect();
            trainer::run(&Arc::downgrade(&journal.shared), &samples, 700);
            assert_ne!(journal.shared.packer.active().id, 0, "a dictionary");
        }
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    let (units, damage) = found(&journal, LEN);
    assert_eq!(damage, Vec::<String>::new());
    let frames = frames(&units);
    if closed {
        drop(journal);
        return (disk.contents(), frames);
    }
    // The mark follows the last answer.
    while !ends_with_a_mark(&disk.contents()) {
        assert!(Instant::now() < deadline, "no mark");
        std::thread::sleep(Duration::from_millis(1));
    }
    (disk.contents(), frames)
}

fn ends_with_a_mark(contents: &Contents) -> bool {
    let last = contents.values().next_back().unwrap();
    last.windows(4).rposition(|four| four == b"cuf1").is_some_and(|at| last[at + 4] == 5)
}

fn frames(units: &Units) -> BTreeSet<(u32, u16)> {
    units.iter().flat_map(|(number, (indexes, _))| indexes.iter().map(|index| (*number, *index))).collect()
}

fn flip(contents: &Contents, name: &str, at: usize, bit: u8) -> Contents {
    let mut flipped = contents.clone();
    flipped.get_mut(name).unwrap()[at] ^= 1 << bit;
    flipped
}

#[test]
fn each_flipped_bit_is_noticed_and_costs_at_most_one_frame() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let mut costly = 0;
    for closed in [true, false] {
        let (contents, before) = journal(closed);
        assert!(contents.len() > 3, "several segments");
        let names: Vec<&String> = contents.keys().collect();
        for turn in 0..270 {
            let name = names[random.random_range(0..names.len())];
            let used = contents[name].iter().rposition(|byte| *byte != 0).unwrap() + 40;
            // Headers are a small part; they get their share.
            let at = if turn % 7 == 0 { random.random_range(0..128) } else { random.random_range(0..used) };
            let at = at.min(contents[name].len() - 1);
            let bit = random.random_range(0..8);
            let what = format!("seed {seed}, closed {closed}, {name} at {at}, bit {bit}");
            let disk = Arc::new(SimDisk::of(flip(&contents, name, at, bit)));
            let (journal, recovery) = open(&disk, small()).unwrap_or_else(|error| panic!("{what}: {error}"));
            let (units, damage) = found(&journal, LEN);
            let noticed = !damage.is_empty() || !recovery.damage.is_empty() || recovery.cut_bytes > 0;
            assert!(noticed, "{what}: not noticed");
            let after = frames(&units);
            assert!(after.is_subset(&before), "{what}");
            let lost = before.len() - after.len();
            assert!(lost <= 1, "{what}: {lost} frames lost; {damage:?} {recovery:?}");
            costly += lost;
        }
    }
    assert!(costly > 150, "most bytes are of frames: {costly}");
}

#[test]
fn a_segment_from_an_older_copy_is_noticed() {
    let (contents, _) = journal(true);
    let mut older = contents.clone();
    // Another life of the same journal, under the same key: the segments look alike but do not follow each other.
    let (other, _) = journal(true);
    let name = contents.keys().nth(1).unwrap();
    older.insert(name.clone(), other[name].clone());
    let disk = Arc::new(SimDisk::of(older));
    let (journal, _) = open(&disk, small()).unwrap();
    let (_, damage) = found(&journal, LEN);
    assert!(!damage.is_empty(), "the chain is broken");
}

#[test]
fn a_damaged_dictionary_costs_nothing() {
    let disk = Arc::new(SimDisk::default());
    let (journal, _) = open(&disk, options(64 << 10)).unwrap();
    let samples: Vec<Vec<u8>> = (1_000..1_200).map(|number| unit(number, 1, LEN).remove(0).body).collect();
    let begin = journal.end().offset as usize;
    trainer::run(&Arc::downgrade(&journal.shared), &samples, 700);
    let end = journal.end().offset as usize;
    assert!(end - begin > 1_400, "two copies");
    block_on(async {
        for number in 1..=5 {
            journal.append(unit(number, 1, LEN)).await.unwrap();
        }
    });
    drop(journal);
    let contents = disk.contents();
    for at in (begin..end).step_by(53) {
        let disk = Arc::new(SimDisk::of(flip(&contents, "journal-00000001.seg", at, 3)));
        let (journal, recovery) = open(&disk, small()).unwrap();
        let (units, damage) = found(&journal, LEN);
        assert!(!damage.is_empty() || !recovery.damage.is_empty(), "byte {at}");
        assert_eq!(units.len(), 5, "byte {at}: {damage:?}");
    }
}
