//! Somebody who has the key, and knows the format, changes what happened: every header is made good again. The heads that
//! were sent out before are all that can tell. Each change has to be found, at its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::super::disk::Disk as _;
use super::super::layout::{Head, MARK, SEGMENT_HEADER, SegmentHead, chained};
use super::super::segments::name;
use super::super::walk::{Found, Step, Walk};
use super::sim::SimDisk;
use super::{Options, block_on, open, options, sealer};
use crate::archive::audit::{Anchor, Anchors, anchor, verify};
use crate::archive::index::truth;
use crate::domain::event::{Event, Recorded, Stream};
use crate::domain::ids::TokenId;

fn small() -> Options {
    options(6_000)
}

/// Events of several streams, some in units of several; a head is taken every ten commits.
fn lived(commits: u64, salt: u64) -> (Arc<SimDisk>, Vec<Anchor>) {
    let disk = Arc::new(SimDisk::default());
    let (journal, _) = open(&disk, small()).unwrap();
    let mut versions: BTreeMap<u64, u64> = BTreeMap::new();
    let mut anchors: Vec<Anchor> = Vec::new();
    let mut seq = 0;
    for commit in 1..=commits {
        let unit = (0..=commit % 3).map(|part| {
            seq += 1;
            let stream = (commit + part) % 4;
            let version = versions.entry(stream).or_default();
            *version += 1;
            let by = format!("person {}", salt + seq);
            let event = Event::TokenRevoked { token: TokenId(uuid::Uuid::from_u128(seq.into())), by };
            let at = Timestamp::from_second(1_700_000_000).unwrap();
            let stream = Stream(format!("gateway/{stream}"));
            truth::event_draft(&Recorded { seq, stream, version: *version, at, event }, None)
        });
        block_on(journal.append(unit.collect())).unwrap();
        if commit % 10 == 0 {
            let at = Timestamp::from_second(1_700_000_000 + i64::try_from(commit).unwrap()).unwrap();
            anchors.push(anchor(&journal, anchors.last(), seq, at).unwrap());
        }
    }
    drop(journal);
    (disk, anchors)
}

/// All frames as they lie sealed, by segment.
fn taken(disk: &Arc<SimDisk>) -> Vec<Vec<Found>> {
    let key = sealer();
    let mut segments = Vec::new();
    for number in 1.. {
        let Ok(file) = disk.open(&name(number)) else { break };
        let end = file.len().unwrap();
        let mut walk = Walk::new(file.as_ref(), &key, number, SEGMENT_HEADER as u64, end);
        let mut frames = Vec::new();
        while let Some(step) = walk.next().unwrap() {
            if let Step::Frame(found) = step {
                frames.push(found);
            }
        }
        segments.push(frames);
    }
    segments
}

/// A disk with these frames: numbers, places, chain and headers as if they had been written so.
fn forged(disk: &Arc<SimDisk>, segments: &[Vec<Found>]) -> Arc<SimDisk> {
    let key = sealer();
    let (mut seq, mut before) = (1, [0; 16]);
    let mut contents = disk.contents();
    contents.retain(|name, _| name.strip_suffix(".keys").is_some());
    for (segment, frames) in (1..).zip(segments) {
        let mut bytes = SegmentHead { segment, first_seq: seq, prev: before }.encode(&key).to_vec();
        for frame in frames {
            let mut place = frame.place;
            place.segment = segment;
            place.offset = u32::try_from(bytes.len()).unwrap();
            let head = Head { seq, durable: seq - 1, prev: chained(&before), ..frame.head };
            before = head.encode(place, &frame.body, &key, &mut bytes);
            seq += 1;
        }
        contents.insert(name(segment), bytes);
    }
    Arc::new(SimDisk::of(contents))
}

fn findings(disk: &Arc<SimDisk>, anchors: &[Anchor]) -> Vec<String> {
    let (journal, recovery) = open(disk, small()).unwrap();
    assert_eq!(recovery.damage, Vec::<String>::new(), "the tamperer knows the format");
    let anchors = Anchors { all: anchors.to_vec(), unreadable: Vec::new() };
    verify(&journal, &anchors).unwrap().findings
}

/// Number and place, in the order of the journal, of the frames that are in the chain.
fn spots(segments: &[Vec<Found>]) -> Vec<(usize, usize)> {
    let of = |(segment, frames): (usize, &Vec<Found>)| {
        let kept = frames.iter().enumerate().filter(|(_, frame)| frame.head.kind != MARK);
        kept.map(|(index, _)| (segment, index)).collect::<Vec<_>>()
    };
    segments.iter().enumerate().flat_map(of).collect()
}

/// The numbers that a finding names.
fn names(finding: &str, frame: u64) -> bool {
    finding.contains(&format!("frame {frame},"))
}

#[test]
fn nothing_is_found_where_nothing_was_changed() {
    let (disk, anchors) = lived(60, 0);
    assert_eq!(anchors.len(), 6);
    assert_eq!(findings(&disk, &anchors), Vec::<String>::new());
    let segments = taken(&disk);
    assert!(segments.len() > 2, "several segments");
    // The forger's own tool changes nothing by itself, so that what is found is the change.
    assert_eq!(findings(&forged(&disk, &segments), &anchors), Vec::<String>::new());
}

#[test]
fn each_of_1000_changes_made_with_the_key_is_found_at_its_place() {
    let seed: u64 = std::env::var("CRM_UNDO_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("seed {seed}; CRM_UNDO_SEED={seed} replays it");
    let mut random = SmallRng::seed_from_u64(seed);
    let (disk, anchors) = lived(60, 0);
    let segments = taken(&disk);
    // Frames of another life of the same archive, sealed with the same key: what a tamperer would have happened instead.
    let other = taken(&lived(60, 1_000).0);
    let pool: Vec<Found> = spots(&other).into_iter().map(|(segment, index)| other[segment][index].clone()).collect();
    let (mut exact, mut kinds) = (0, BTreeMap::<&str, u32>::new());
    for turn in 0..1_000 {
        let spots = spots(&segments);
        let chosen = random.random_range(0..spots.len());
        let (segment, index) = spots[chosen];
        let mut changed = segments.clone();
        let foreign = pool[random.random_range(0..pool.len())].clone();
        let what = ["edited", "removed", "inserted", "swapped", "repeated", "cut"][turn % 6];
        match what {
            "edited" => changed[segment][index] = foreign,
            "removed" => drop(changed[segment].remove(index)),
            "inserted" => changed[segment].insert(index, foreign),
            "repeated" => {
                let again = changed[segment][index].clone();
                changed[segment].insert(index + 1, again);
            }
            "swapped" => {
                let (there, with) = spots[(chosen + 1 + random.random_range(0..spots.len() - 1)) % spots.len()];
                let one = changed[segment][index].clone();
                changed[segment][index] = std::mem::replace(&mut changed[there][with], one);
            }
            _ => {
                changed.truncate(segment + 1);
                changed[segment].truncate(index);
            }
        }
        let place = segments[segment][index].head.seq;
        let found = findings(&forged(&disk, &changed), &anchors);
        assert!(!found.is_empty(), "seed {seed}, turn {turn}: {what} at frame {place} was not found");
        // Marks carry numbers too, so places are compared roughly here and exactly where nothing moved.
        exact += u32::from(what != "edited" || found.iter().any(|finding| names(finding, place)));
        let named = found
            .iter()
            .any(|finding| ["segment ", "event ", "ends with frame 0,"].iter().any(|word| finding.contains(word)));
        assert!(named, "seed {seed}, turn {turn}: {what} is named without its position: {found:?}");
        *kinds.entry(what).or_default() += 1;
    }
    println!("{kinds:?}");
    assert_eq!(exact, 1_000, "an edited frame is named by its number");
}

/// Without the key: bytes are changed, or whole segments removed or put back from an older copy.
#[test]
fn each_of_300_changes_made_without_the_key_is_found() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let (disk, anchors) = lived(60, 0);
    let contents = disk.contents();
    let segments: Vec<&String> = contents.keys().filter(|name| name.strip_suffix(".seg").is_some()).collect();
    let older = lived(60, 1_000).0.contents();
    let mut unchanged = 0;
    for turn in 0..300 {
        let mut changed = contents.clone();
        let chosen = segments[random.random_range(0..segments.len())];
        let used = contents[chosen].iter().rposition(|byte| *byte != 0).unwrap();
        match turn % 3 {
            0 => changed.get_mut(chosen).unwrap()[random.random_range(0..=used)] ^= 1 << random.random_range(0..8),
            1 => changed.get_mut(chosen).unwrap().truncate(random.random_range(128..used)),
            _ => drop(changed.insert(chosen.clone(), older[chosen].clone())),
        }
        let opened = open(&Arc::new(SimDisk::of(changed)), small());
        // What does not even open is found too.
        let Ok((journal, recovery)) = opened else { continue };
        let all = Anchors { all: anchors.clone(), unreadable: Vec::new() };
        let report = verify(&journal, &all).unwrap();
        let found = !report.findings.is_empty() || !recovery.damage.is_empty();
        // The mark at the very end holds nothing: without it all sealed bytes are those of the last head.
        let last = anchors.last().unwrap();
        let same = (report.frames, report.anchored) == (last.count, last.frame);
        unchanged += u32::from(!found && same);
        assert!(found || same, "seed {seed}, turn {turn}, {chosen}");
    }
    assert!(unchanged < 30, "{unchanged} cuts took only the last mark");
}

#[test]
fn a_head_without_the_key_is_none_and_one_that_is_missing_hides_nothing() {
    let (disk, anchors) = lived(40, 0);
    let mut forged_head = anchors.clone();
    forged_head[1].head = forged_head[2].head.clone();
    assert!(findings(&disk, &forged_head).iter().any(|what| what.contains("not made with this archive's key")));
    let mut segments = taken(&disk);
    let first = spots(&segments)[3];
    segments[first.0].remove(first.1);
    // Only the last head was kept.
    let found = findings(&forged(&disk, &segments), &anchors[3..]);
    assert!(!found.is_empty(), "{found:?}");
    let lines: String = anchors.iter().map(Anchor::line).collect();
    let read = Anchors::read(&format!("{lines}rubbish\n{}", &anchors[0].line()[..20]));
    assert_eq!((read.all, read.unreadable), (anchors, vec![5]));
}
