//! On a real directory: the lock, the key, a file that is removed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use secrecy::SecretString;
use tempfile::TempDir;

use super::super::{Journal, Options};
use super::{block_on, found, unit};
use crate::archive::ArchiveError;
use crate::archive::sealed::Sealer;

fn options(dir: &Path) -> Options {
    Options { segment_bytes: 64 << 10, min_free_bytes: 1, ..Options::new(dir) }
}

fn sealer(dir: &TempDir) -> Result<Sealer, ArchiveError> {
    Sealer::open_or_create(&dir.path().join("keys/archive.key"), &dir.path().join("data"))
}

fn start(dir: &TempDir) -> Result<Journal, ArchiveError> {
    Ok(Journal::open(options(&dir.path().join("data")), sealer(dir)?)?.0)
}

#[test]
fn one_process_at_a_time() {
    let dir = TempDir::new().unwrap();
    let journal = start(&dir).unwrap();
    block_on(journal.append(unit(1, 2, 100))).unwrap();
    assert!(matches!(start(&dir), Err(ArchiveError::Locked(_))));
    drop(journal);
    let journal = start(&dir).unwrap();
    assert_eq!(found(&journal, 100).0.len(), 1);
}

#[test]
fn the_key_is_made_once_and_never_beside_a_journal() {
    let dir = TempDir::new().unwrap();
    drop(start(&dir).unwrap());
    let key = dir.path().join("keys/archive.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&key).unwrap();
    let digits = text.strip_prefix("crm-undo archive key v1: ").unwrap().trim();
    assert_eq!(digits.len(), 64);
    // The same key by hand.
    let data = dir.path().join("data");
    Sealer::with_key(&SecretString::from(digits.to_owned()), &data).unwrap();
    assert!(matches!(Sealer::with_key(&SecretString::from("00".repeat(32)), &data), Err(ArchiveError::BadKey(_))));
    assert!(matches!(Sealer::with_key(&SecretString::from("short"), &data), Err(ArchiveError::BadKey(_))));
    fs::remove_file(&key).unwrap();
    assert!(matches!(start(&dir), Err(ArchiveError::BadKey(_))));
    assert!(!key.exists(), "no new key beside an old journal");
    fs::remove_file(data.join("journal.id")).unwrap();
    assert!(matches!(start(&dir), Err(ArchiveError::BadKey(_))), "the segments alone are a journal too");
    fs::write(&key, &text).unwrap();
    drop(start(&dir).unwrap());
}

#[test]
fn a_damaged_journal_id_is_mended_from_the_segments() {
    let dir = TempDir::new().unwrap();
    let journal = start(&dir).unwrap();
    block_on(journal.append(unit(1, 2, 100))).unwrap();
    drop(journal);
    let id = dir.path().join("data/journal.id");
    let good = fs::read(&id).unwrap();
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        fs::write(&id, &flipped).unwrap();
        sealer(&dir).unwrap_or_else(|error| panic!("byte {at}: {error}"));
        // The end of the line is not looked at.
        assert!(at + 1 == good.len() || fs::read(&id).unwrap() == good, "byte {at}");
    }
    assert_eq!(found(&start(&dir).unwrap(), 100).0.len(), 1);
}

#[test]
fn racing_first_starts_agree_on_the_key() {
    for _ in 0..20 {
        let dir = TempDir::new().unwrap();
        let ids: Vec<[u8; 16]> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..3).map(|_| scope.spawn(|| *sealer(&dir).unwrap().id())).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert!(ids.windows(2).all(|two| two[0] == two[1]));
    }
}

#[test]
fn a_segment_that_was_removed_poisons() {
    let dir = TempDir::new().unwrap();
    let journal = start(&dir).unwrap();
    block_on(journal.append(unit(1, 1, 100))).unwrap();
    fs::remove_file(dir.path().join("data/journal-00000001.seg")).unwrap();
    assert!(matches!(block_on(journal.append(unit(2, 1, 100))), Err(ArchiveError::Unusable(_))));
    assert!(journal.writable().is_err());
    assert_eq!(found(&journal, 100).0.len(), 1, "what was there is still read");
}

#[test]
fn destructive_work_is_refused_without_room_but_appending_goes_on() {
    let dir = TempDir::new().unwrap();
    let options = Options { min_free_bytes: u64::MAX, ..options(&dir.path().join("data")) };
    let (journal, _) = Journal::open(options, sealer(&dir).unwrap()).unwrap();
    assert!(matches!(journal.writable(), Err(ArchiveError::Full { .. })));
    block_on(journal.append(unit(1, 1, 100))).unwrap();
}

#[test]
fn of_two_that_race_for_a_directory_one_gets_it() {
    let dir = TempDir::new().unwrap();
    drop(start(&dir).unwrap());
    for race in 0..100 {
        let gate = std::sync::Barrier::new(2);
        let won: Vec<_> = std::thread::scope(|scope| {
            let open = || {
                gate.wait();
                let journal = start(&dir);
                gate.wait();
                match journal {
                    Ok(_) => true,
                    Err(ArchiveError::Locked(_)) => false,
                    Err(error) => panic!("race {race}: {error}"),
                }
            };
            let racers: Vec<_> = (0..2).map(|_| scope.spawn(open)).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "race {race}");
    }
    println!("races: 100, each won by one");
}

/// On a real file system of 2 MiB, full and then read-only: needs the right to mount one.
#[test]
fn on_a_small_real_disk_that_fills_up_and_is_then_read_only_nothing_is_lost() {
    let place = TempDir::new().unwrap();
    let mount = |arguments: &[&str]| {
        let done = std::process::Command::new("mount").args(arguments).arg(place.path()).output();
        done.is_ok_and(|done| done.status.success())
    };
    if !mount(&["-t", "tmpfs", "-o", "size=2m", "tmpfs"]) {
        println!("full: NOT CHECKED on a real file system: this user may not mount one");
        return;
    }
    let dir = place.path().to_owned();
    let done = std::panic::catch_unwind(|| {
        let data = dir.join("data");
        let sealer = || Sealer::open_or_create(&dir.join("archive.key"), &data);
        let (journal, _) = Journal::open(options(&data), sealer().unwrap()).unwrap();
        let mut kept = 0;
        let error = loop {
            match block_on(journal.append(unit(kept + 1, 3, 4_000))) {
                Ok(_) => kept += 1,
                Err(error) => break error,
            }
            assert!(kept < 5_000, "it never fills up");
        };
        assert!(matches!(error, ArchiveError::Full { .. }) && kept > 50, "{kept}: {error}");
        assert_eq!(found(&journal, 4_000).0.len(), kept as usize, "a full disk is read");
        drop(journal);
        let (journal, _) = Journal::open(options(&data), sealer().unwrap()).expect("a full disk is opened");
        assert_eq!(found(&journal, 4_000).0.len(), kept as usize);
        drop(journal);
        assert!(mount(&["-o", "remount,ro"]));
        // Read-only, nothing destructive can go on: it does not even start, and says so.
        let opened = sealer().and_then(|sealer| Journal::open(options(&data), sealer));
        assert!(matches!(opened, Err(ArchiveError::Unusable(_))), "{:?}", opened.map(|_| ()));
        assert!(mount(&["-o", "remount,rw,size=4m"]));
        let (journal, _) = Journal::open(options(&data), sealer().unwrap()).unwrap();
        block_on(journal.append(unit(9_000, 1, 4_000))).expect("there is room again");
        assert_eq!(found(&journal, 4_000).0.len(), kept as usize + 1);
    });
    let _ = std::process::Command::new("umount").arg("-l").arg(place.path()).status();
    if let Err(why) = done {
        std::panic::resume_unwind(why);
    }
    println!("full: a real file system of 2 MiB, full and read-only");
}
