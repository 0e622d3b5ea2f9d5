//! A backup, the disk lost, and the archive back; erased records stay erased.

mod objects;
mod server;

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use tempfile::TempDir;

use super::{Folder, Made, Place, create, drill, repair, restore};
use crate::archive::contract::erasing::erase;
use crate::archive::contract::made::{self, all, deleted, snapshot, titles};
use crate::archive::durable::{self, Durable, Options};
use crate::archive::{Archive as _, ArchiveError, Store as _};

fn options(dir: &Path, key: &Path) -> Options {
    Options { dir: dir.to_owned(), key_file: Some(key.to_owned()), key: None, min_free_bytes: 1, clock: made::clock() }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("a time")
}

struct Stage {
    dir: TempDir,
    store: Option<Durable>,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut stage = Self { dir, store: None };
        stage.store = Some(stage.open("data"));
        stage
    }
    fn open(&self, name: &str) -> Durable {
        durable::open(self.options(name)).expect("opened")
    }
    fn options(&self, name: &str) -> Options {
        options(&self.dir.path().join(name), &self.dir.path().join("archive.key"))
    }
    fn folder(&self) -> Folder {
        Folder::new(self.dir.path().join("backups"))
    }
    fn store(&self) -> &Durable {
        self.store.as_ref().expect("open")
    }
    fn back_up(&self, second: i64) -> Made {
        self.back_up_to(&self.folder(), second).expect("a backup")
    }
    fn back_up_to(&self, to: &dyn Place, second: i64) -> Result<Made, ArchiveError> {
        create(self.store(), &self.dir.path().join("data"), to, at(second))
    }
}

#[tokio::test]
async fn what_was_backed_up_comes_back_and_the_second_backup_is_small() {
    let mut stage = Stage::new();
    deleted(stage.store(), 1, vec![snapshot(1, "Anna")]).await;
    let first = stage.back_up(1);
    assert_eq!((first.segments, first.copied), (1, 1));
    let again = stage.back_up(2);
    assert_eq!((again.copied, again.bytes), (0, 0), "nothing happened since");
    deleted(stage.store(), 2, vec![snapshot(2, "Boris")]).await;
    let later = stage.back_up(3);
    let (restored, report) =
        drill(&stage.folder(), None, &stage.options("data"), stage.dir.path().join("drill")).await.expect("a drill");
    assert_eq!((restored.manifest, report.damage, report.snapshots), (later.manifest, vec![], 2));
    assert!(!stage.dir.path().join("drill").exists());
    drop(stage.store.take());
    fs::remove_dir_all(stage.dir.path().join("data")).expect("the disk is lost");
    restore(&stage.folder(), None, &stage.options("data"), false).expect("restored");
    let store = stage.open("data");
    assert_eq!(titles(&store, &all()).await, ["Boris", "Anna"]);
    deleted(&store, 3, vec![snapshot(3, "Clara")]).await;
    assert!(matches!(restore(&stage.folder(), None, &stage.options("data"), false), Err(ArchiveError::Invalid(_))));
    // An older one.
    restore(&stage.folder(), Some(&first.manifest), &stage.options("older"), false).expect("restored");
    assert_eq!(titles(&stage.open("older"), &all()).await, ["Anna"]);
}

#[tokio::test]
async fn what_was_erased_does_not_come_back_from_an_older_backup() {
    let stage = Stage::new();
    deleted(stage.store(), 1, vec![snapshot(1, "Kanarowa9"), snapshot(2, "Boris")]).await;
    let old = stage.back_up(1);
    let ring = fs::read(stage.dir.path().join("backups/ring-a.keys")).expect("the ring");
    erase(stage.store(), 1).await.expect("erased");
    stage.back_up(2);
    restore(&stage.folder(), Some(&old.manifest), &stage.options("older"), false).expect("restored");
    let store = stage.open("older");
    assert!(store.get(&snapshot(1, "Kanarowa9").id()).await.is_err(), "erased");
    assert_eq!(store.get(&snapshot(2, "Boris").id()).await.expect("kept"), snapshot(2, "Boris"));
    drop(store);
    // Even with the ring of the old backup put back, the list alone keeps it erased.
    for name in super::RING {
        fs::write(stage.dir.path().join("backups").join(name), &ring).expect("written");
    }
    restore(&stage.folder(), Some(&old.manifest), &stage.options("oldest"), false).expect("restored");
    assert!(stage.open("oldest").get(&snapshot(1, "Kanarowa9").id()).await.is_err(), "erased");
    // And without the list nothing is restored unless somebody insists.
    fs::remove_file(stage.dir.path().join("backups/erasures.json")).expect("removed");
    let refused = restore(&stage.folder(), Some(&old.manifest), &stage.options("lost"), false);
    assert!(
        matches!(&refused, Err(ArchiveError::Invalid(why)) if why.contains("--accept-lost-erasures")),
        "{refused:?}"
    );
    assert!(!stage.dir.path().join("lost/journal").exists());
    restore(&stage.folder(), Some(&old.manifest), &stage.options("lost"), true).expect("restored");
    assert!(
        stage.open("lost").get(&snapshot(1, "Kanarowa9").id()).await.is_ok(),
        "so the list is what keeps it erased"
    );
}

#[tokio::test]
async fn a_damaged_backup_is_refused_and_a_damaged_segment_is_mended_from_a_good_one() {
    let mut stage = Stage::new();
    deleted(stage.store(), 1, vec![snapshot(1, "Anna"), snapshot(2, "Boris")]).await;
    let used = usize::try_from(stage.store().extent()[0].1).expect("small");
    stage.back_up(1);
    deleted(stage.store(), 2, vec![snapshot(3, "Clara")]).await;
    drop(stage.store.take());
    let segment = stage.dir.path().join("data/journal/journal-00000001.seg");
    let mut bytes = fs::read(&segment).expect("read");
    bytes[used / 2] ^= 1;
    fs::write(&segment, bytes).expect("written");
    let store = stage.open("data");
    assert!(!store.check().await.expect("checked").damage.is_empty(), "the flip is found");
    drop(store);
    let mended = repair(Some(&stage.folder()), &stage.options("data")).expect("repaired");
    assert_eq!(mended, ["journal-00000001.seg"]);
    let store = stage.open("data");
    assert_eq!(store.check().await.expect("checked").damage, Vec::<String>::new());
    assert_eq!(titles(&store, &all()).await[0], "Clara", "what is newer than the backup stays");
    drop(store);
    let pieces = stage.dir.path().join("backups/segments");
    let piece = fs::read_dir(pieces).expect("listed").flatten().next().expect("one").path();
    let mut bytes = fs::read(&piece).expect("read");
    bytes[used / 3] ^= 1;
    fs::write(&piece, bytes).expect("written");
    let refused = restore(&stage.folder(), None, &stage.options("new"), false);
    assert!(matches!(refused, Err(ArchiveError::Damaged { .. })), "{refused:?}");
    assert!(!stage.dir.path().join("new/journal").exists());
}
