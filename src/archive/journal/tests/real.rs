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
