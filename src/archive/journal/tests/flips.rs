//! One bit turns somewhere in a journal: it is noticed, costs at most one frame, and the journal opens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::super::trainer;
use super::super::{Frame, Inner, Journal, Place};
use super::sim::SimDisk;
use super::{Options, backwards, block_on, draft, found, open, options, sealed, unit};

const LEN: usize = 150;

type Contents = BTreeMap<String, Vec<u8>>;
/// Frames, each by its place, with the items in it.
type Frames = BTreeMap<Place, BTreeSet<(u32, u16)>>;

fn small() -> Options {
    options(4_000)
}

/// A journal of several segments with units of one to three frames and a dictionary; closed, or left by a killed
/// process. Frames in it.
fn journal(closed: bool) -> (Contents, Frames) {
    let disk = Arc::new(SimDisk::default());
    let (journal, _) = open(&disk, small()).unwrap();
    for number in 1..=30 {
        let unit_of = sealed(&journal, number, u16::try_from(number % 4).unwrap() + 1, LEN);
        block_on(journal.append(unit_of)).unwrap();
        if number == 6 {
            let samples: Vec<Vec<u8>> = (1_000..1_200).map(|number| unit(number, 1, LEN).remove(0).body).collect();
            trainer::run(&Arc::downgrade(&journal.shared), &samples, 700);
            assert_ne!(journal.shared.packer.active().id, 0, "a dictionary");
        }
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    let (frames, damage) = frames(&journal);
    assert_eq!(damage, Vec::<String>::new());
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
    let (_, last) = contents.iter().rfind(|(name, _)| name.strip_suffix(".seg").is_some()).unwrap();
    last.windows(4).rposition(|four| four == b"cuf2").is_some_and(|at| last[at + 4] == 5)
}

/// Frames of a scan and the damage it met. Fails on an item that is not what was written.
fn frames(journal: &Journal) -> (Frames, Vec<String>) {
    let (mut frames, mut damage) = (Frames::new(), Vec::new());
    let mut on_frame = |frame: Frame| {
        let number = u32::from_le_bytes(frame.body[..4].try_into().unwrap());
        let index = u16::from_le_bytes(frame.body[4..6].try_into().unwrap());
        let count = u16::from_le_bytes(frame.body[6..8].try_into().unwrap());
        let written = draft(number, index, count, LEN + usize::from(index) * 7);
        assert_eq!((frame.kind, &frame.body), (written.kind, &written.body), "unit {number}.{index}");
        assert!(
            matches!(&frame.inner, Inner::Open(_, values) if *values == backwards(&frame.body)),
            "{number}.{index}"
        );
        frames.entry(Place { item: 0, ..frame.place }).or_default().insert((number, index));
        Ok(())
    };
    journal.scan(None, &mut on_frame, &mut |text| damage.push(text)).unwrap();
    (frames, damage)
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
        let turns = if std::env::var_os("CRM_UNDO_LONG").is_some() { 10_000 } else { 1_000 };
        for turn in 0..turns {
            let name = names[random.random_range(0..names.len())];
            let used = contents[name].iter().rposition(|byte| *byte != 0).unwrap() + 40;
            // Headers are a small part; they get their share.
            let at = if turn % 7 == 0 { random.random_range(0..128) } else { random.random_range(0..used) };
            let at = at.min(contents[name].len() - 1);
            let bit = random.random_range(0..8);
            let what = format!("seed {seed}, closed {closed}, {name} at {at}, bit {bit}");
            let disk = Arc::new(SimDisk::of(flip(&contents, name, at, bit)));
            let (journal, recovery) = open(&disk, small()).unwrap_or_else(|error| panic!("{what}: {error}"));
            let (after, damage) = frames(&journal);
            let seen = !damage.is_empty() || !recovery.damage.is_empty() || recovery.cut_bytes > 0;
            let noticed = seen || !journal.check_keys().is_empty();
            assert!(noticed, "{what}: not noticed");
            assert!(after.iter().all(|(place, items)| before.get(place) == Some(items)), "{what}");
            let lost = before.len() - after.len();
            assert!(lost <= 1, "{what}: {lost} frames lost; {damage:?} {recovery:?}");
            costly += lost;
        }
    }
    assert!(costly > 600, "most bytes are of frames: {costly}");
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
