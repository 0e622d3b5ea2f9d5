//! The journal under test: on a real directory, and on a disk that fails and loses power when told to.

mod faults;
mod flips;
mod keys;
mod power;
mod real;
pub(crate) mod sim;
mod tampering;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Draft, Inner, Journal, Kind, Options, Place, Recovery};
use crate::archive::ArchiveError;
use crate::archive::sealed::Sealer;
use sim::SimDisk;

fn sealer() -> Sealer {
    Sealer::new(&[7; 32], [9; 16])
}

fn options(segment_bytes: u64) -> Options {
    Options { segment_bytes, min_free_bytes: 1, dictionary_samples: 0, keys_ahead: 16, ..Options::new("simulated") }
}

fn open(disk: &Arc<SimDisk>, options: Options) -> Result<(Journal, Recovery), ArchiveError> {
    Journal::open_on(Arc::clone(disk) as _, disk.as_ref(), options, sealer())
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(work)
}

/// A frame that says which one of which unit it is; about `len` bytes, which compress by half.
fn draft(unit: u32, index: u16, count: u16, len: usize) -> Draft {
    let mut body = Vec::with_capacity(len + 8);
    body.extend_from_slice(&unit.to_le_bytes());
    body.extend_from_slice(&index.to_le_bytes());
    body.extend_from_slice(&count.to_le_bytes());
    let mut noise = u64::from(unit) * 0x9e37_79b9 + u64::from(index) + 1;
    while body.len() < len {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        body.extend_from_slice(format!("{{\"name\":\"{:06x}\",\"tags\":[]}}", noise >> 40).as_bytes());
    }
    // Every third unit has two snapshots, and so several frames.
    let snapshot = index == 0 || index == 1 && unit.is_multiple_of(3);
    Draft { kind: if snapshot { Kind::Snapshot } else { Kind::Event }, body, sealed: None }
}

type Units = BTreeMap<u32, (Vec<u16>, u16)>;

/// The same, each with something sealed for a family of its own.
fn sealed(journal: &Journal, number: u32, frames: u16, len: usize) -> Vec<Draft> {
    let sealed = |draft: Draft| {
        let values = backwards(&draft.body);
        Draft { sealed: Some((journal.fresh_slot().unwrap(), values)), ..draft }
    };
    unit(number, frames, len).into_iter().map(sealed).collect()
}

fn backwards(body: &[u8]) -> Vec<u8> {
    body.iter().rev().copied().collect()
}

fn unit(number: u32, frames: u16, len: usize) -> Vec<Draft> {
    (0..frames).map(|index| draft(number, index, frames, len + usize::from(index) * 7)).collect()
}

/// Units found by a scan: for each, which of its frames, and how many there should be. Fails on a frame whose body is
/// not the one that was written.
fn found(journal: &Journal, len: usize) -> (Units, Vec<String>) {
    let mut units = Units::new();
    let mut damage = Vec::new();
    let mut last = 0;
    journal
        .scan(
            None,
            &mut |frame| {
                assert!(frame.seq >= last, "in order");
                last = frame.seq;
                let number = u32::from_le_bytes(frame.body[..4].try_into().unwrap());
                let index = u16::from_le_bytes(frame.body[4..6].try_into().unwrap());
                let count = u16::from_le_bytes(frame.body[6..8].try_into().unwrap());
                let written = draft(number, index, count, len + usize::from(index) * 7);
                assert_eq!((frame.kind, &frame.body), (written.kind, &written.body), "unit {number}.{index}");
                match &frame.inner {
                    Inner::None => {}
                    Inner::Open(_, values) => assert_eq!(*values, backwards(&frame.body), "unit {number}.{index}"),
                    shut => panic!("unit {number}.{index}: {shut:?}"),
                }
                if frame.seq % 8 == 0 {
                    assert_eq!(journal.read(frame.place).unwrap(), frame);
                }
                let entry = units.entry(number).or_insert((Vec::new(), count));
                entry.0.push(index);
                Ok(())
            },
            &mut |text| damage.push(text),
        )
        .expect("a scan goes to the end");
    (units, damage)
}

fn whole((indexes, count): &(Vec<u16>, u16)) -> bool {
    indexes.len() == usize::from(*count) && indexes.iter().copied().eq(0..*count)
}

#[test]
fn what_is_appended_is_read_again_after_reopening() {
    let disk = Arc::new(SimDisk::default());
    let (journal, recovery) = open(&disk, options(4096)).unwrap();
    assert_eq!(recovery, Recovery::default());
    block_on(async {
        for number in 1..=40 {
            let places = journal.append(unit(number, 3, 120)).await.unwrap();
            assert_eq!(places.len(), 3);
            assert!(places.is_sorted() && places[2] < journal.end());
        }
        // Larger than a segment.
        let large = journal
            .append(vec![Draft { kind: Kind::Snapshot, body: vec![3; 100_000], sealed: None }; 2])
            .await
            .unwrap();
        assert_eq!(journal.read(large[1]).unwrap().body, vec![3; 100_000]);
        let random: Vec<u8> = (0..9_000_u32).flat_map(|i| blake3::hash(&i.to_le_bytes()).as_bytes().to_vec()).collect();
        let large =
            journal.append(vec![Draft { kind: Kind::Event, body: random.clone(), sealed: None }]).await.unwrap();
        assert_eq!(journal.read(large[0]).unwrap().body, random);
    });
    let (segments, end) = (journal.segments(), journal.end());
    assert!(segments > 3, "{segments}");
    drop(journal);
    let (journal, recovery) = open(&disk, options(4096)).unwrap();
    assert_eq!((recovery.cut_bytes, recovery.damage), (0, vec![]));
    assert_eq!(journal.segments(), segments);
    assert!(journal.end() >= end);
    let mut seen = 0;
    let mut damage = Vec::new();
    journal
        .scan(
            None,
            &mut |_| {
                seen += 1;
                Ok(())
            },
            &mut |text| damage.push(text),
        )
        .unwrap();
    assert_eq!((seen, damage), (123, vec![]));
}

#[test]
fn a_scan_goes_on_where_it_ended() {
    let disk = Arc::new(SimDisk::default());
    let (journal, _) = open(&disk, options(4096)).unwrap();
    let count = |from| {
        let mut seen = 0;
        journal
            .scan(
                from,
                &mut |_| {
                    seen += 1;
                    Ok(())
                },
                &mut |text| panic!("{text}"),
            )
            .map(|()| seen)
    };
    block_on(async {
        for number in 1..=30 {
            let end = journal.end();
            assert_eq!(count(Some(end)).unwrap(), 0);
            journal.append(unit(number, 2, 200)).await.unwrap();
            assert_eq!(count(Some(end)).unwrap(), 2, "unit {number}");
        }
    });
    let beyond = Place { segment: 900, offset: 128, item: 0 };
    assert!(matches!(count(Some(beyond)), Err(ArchiveError::Invalid(_))));
}

#[test]
fn a_dictionary_is_trained_once_and_found_again() {
    let disk = Arc::new(SimDisk::default());
    let trained = || Options { dictionary_samples: 80, dictionary_bytes: 2048, ..options(32 << 10) };
    let (journal, _) = open(&disk, trained()).unwrap();
    let append = |journal: &Journal, numbers: std::ops::RangeInclusive<u32>| {
        let before = journal.bytes();
        block_on(async {
            for number in numbers {
                journal.append(vec![contact(number)]).await.unwrap();
            }
        });
        journal.bytes() - before
    };
    let without = append(&journal, 1..=80);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while journal.shared.packer.active().id == 0 {
        assert!(std::time::Instant::now() < deadline, "no dictionary");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let id = journal.shared.packer.active().id;
    // The dictionary itself lies between them, twice.
    let with = append(&journal, 81..=160);
    assert!(with * 10 < without * 9, "smaller with it: {with}, {without}");
    drop(journal);
    let (journal, _) = open(&disk, trained()).unwrap();
    assert_eq!(journal.shared.packer.active().id, id);
    assert!(journal.shared.samples.lock().unwrap().is_none(), "not trained again");
    let seen = std::cell::Cell::new(0);
    let mut on_frame = |frame: super::Frame| {
        seen.set(seen.get() + 1);
        assert_eq!(frame.body, contact(seen.get()).body);
        Ok(())
    };
    journal.scan(None, &mut on_frame, &mut |text| panic!("{text}")).unwrap();
    assert_eq!(seen.get(), 160);
    // A dictionary outlives the records it was trained on: what only one of them had is not in it.
    let bytes = &journal.shared.packer.active().bytes;
    let holds = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    assert!(holds("field_"));
    for number in 1..=80 {
        assert!(!holds(&person(number)), "the name of contact {number}");
    }
}

/// A name that nobody else has.
fn person(number: u32) -> String {
    blake3::hash(&number.to_le_bytes()).to_hex()[..12].to_owned()
}

/// A record of a CRM: the same fields in all, other values.
fn contact(number: u32) -> Draft {
    let name = person(number);
    let body = format!(
        "{{\"id\":{number},\"name\":\"{name}\",\"first_name\":\"{name}\",\"responsible_user_id\":7,\"group_id\":0,\
         \"created_by\":7,\"updated_by\":7,\"is_deleted\":false,\"custom_fields_values\":[{{\"field_id\":11,\
         \"field_name\":\"Телефон\",\"field_code\":\"PHONE\",\"field_type\":\"multitext\",\"values\":[{{\"value\":\
         \"+7{name}\",\"enum_code\":\"WORK\"}}]}}],\"account_id\":5,\"_embedded\":{{\"tags\":[],\"companies\":[]}}}}"
    );
    Draft { kind: Kind::Snapshot, body: body.into_bytes(), sealed: None }
}

#[test]
fn what_the_disk_changed_is_noticed_before_it_is_acknowledged() {
    for at in 0..200 {
        let disk = Arc::new(SimDisk::default());
        let (journal, _) = open(&disk, options(4096)).unwrap();
        block_on(journal.append(unit(1, 1, 120))).unwrap();
        disk.garble(at);
        let error = block_on(journal.append(unit(2, 2, 120))).unwrap_err();
        assert!(matches!(&error, ArchiveError::Unusable(why) if why.contains("read back")), "byte {at}: {error}");
        assert!(matches!(journal.writable(), Err(ArchiveError::Unusable(_))), "byte {at}");
        assert!(block_on(journal.append(unit(3, 1, 120))).is_err(), "byte {at}");
    }
}

#[test]
fn many_waiters_share_a_sync() {
    let disk = Arc::new(SimDisk::default());
    let (journal, _) = open(&disk, options(1 << 20)).unwrap();
    disk.hang(std::time::Duration::from_millis(4));
    let before = disk.syncs();
    block_on(async {
        for round in 0..10 {
            futures::future::join_all((0..32).map(|i| journal.append(unit(round * 32 + i, 1, 200))))
                .await
                .into_iter()
                .for_each(|result| assert_eq!(result.unwrap().len(), 1));
        }
    });
    let syncs = disk.syncs() - before;
    assert!(syncs <= 160, "{syncs} syncs for 320 appends");
    assert_eq!(found(&journal, 200).0.len(), 320);
}
