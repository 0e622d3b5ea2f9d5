//! The suite, and what only a store on disk can go through.

use std::fs;
use std::path::Path;

use secrecy::SecretString;
use tempfile::TempDir;

use super::{Durable, Options, open_with};
use crate::archive::contract::{jobs, made};
use crate::archive::fold::keys;
use crate::archive::fold::rows::{Changes, Rows};
use crate::archive::index::truth;
use crate::archive::{Archive, ArchiveError, Bin, Ledger, Store, journal};
use crate::domain::entry::EntryState;
use crate::domain::event::{Event, Stream};
use crate::domain::ids::TokenId;
use made::{all, deleted, one, snapshot, titles};

pub(super) fn options(dir: &Path) -> Options {
    Options { dir: dir.to_owned(), key_file: None, key: None, min_free_bytes: 1, clock: made::clock() }
}

/// With small segments: a large one takes long to be made.
fn open(options: Options) -> Result<Durable, ArchiveError> {
    open_with(options, |dir| journal::Options { segment_bytes: 256 << 10, ..journal::Options::new(dir) })
}

pub(super) fn opened(dir: &Path) -> Durable {
    open(options(dir)).expect("opened")
}

pub(super) fn make() -> (Durable, TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    (opened(dir.path()), dir)
}

mod suite {
    crate::archive::contract::suite!(super::super::make);
}

/// Some of everything.
async fn lived(store: &Durable) {
    for n in 1..=8 {
        deleted(store, n, (0..9).map(|i| snapshot(n * 100 + i, &format!("Person {n}x{i}"))).collect()).await;
    }
    jobs::successors_are_followed_from(store, 1_000).await;
    store.forget(&snapshot(101, "Person 1x1").id()).await.expect("forgotten");
    store.put(&[snapshot(5, "Alone")]).await.expect("put");
}

/// All rows but how far they are.
pub(super) fn rows(store: &Durable) -> Changes {
    let view = store.inner.keeper.view();
    let rows = view.up(b"A", b"z").map(|row| row.map(|(key, value)| (key, Some(value))));
    rows.collect::<Result<_, _>>().expect("readable")
}

pub(super) fn copied(from: &Path) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("made");
        for entry in fs::read_dir(from).expect("listed").flatten() {
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), target).expect("copied");
            }
        }
    }
    let to = tempfile::tempdir().expect("a directory");
    copy(from, to.path());
    to
}

#[tokio::test]
async fn it_is_the_same_after_closing() {
    let (store, dir) = make();
    lived(&store).await;
    let before = rows(&store);
    drop(store);
    let store = opened(dir.path());
    assert_eq!((store.opened().rebuilt.as_ref(), store.opened().caught_up), (None, 0));
    assert_eq!(rows(&store), before);
    deleted(&store, 50, vec![snapshot(7, "After")]).await;
    assert_eq!(titles(&store, &all()).await[0], "After");
}

#[tokio::test]
async fn killed_it_catches_up() {
    let (store, dir) = make();
    lived(&store).await;
    let copy = copied(dir.path());
    let before = rows(&store);
    let killed = opened(copy.path());
    assert_eq!(rows(&killed), before, "{:?}", killed.opened());
    assert_eq!(killed.opened().damage, Vec::<String>::new());
    deleted(&killed, 50, vec![snapshot(7, "After")]).await;
    assert_eq!(titles(&killed, &all()).await[0], "After");
}

#[tokio::test]
async fn an_older_index_catches_up() {
    let (store, dir) = make();
    lived(&store).await;
    drop(store);
    let old = copied(dir.path());
    let store = opened(dir.path());
    deleted(&store, 50, vec![snapshot(7, "After")]).await;
    store.forget(&snapshot(102, "Person 1x2").id()).await.expect("forgotten");
    let before = rows(&store);
    drop(store);
    fs::remove_dir_all(dir.path().join("index")).expect("removed");
    fs::rename(old.path().join("index"), dir.path().join("index")).expect("moved");
    let store = opened(dir.path());
    assert_eq!((store.opened().rebuilt.as_ref(), store.opened().caught_up), (None, 5));
    assert_eq!(rows(&store), before);
}

/// Damages the index and expects it as it was.
async fn rebuilt_after(harm: impl FnOnce(&Path)) {
    let (store, dir) = make();
    lived(&store).await;
    let before = rows(&store);
    drop(store);
    harm(&dir.path().join("index"));
    let store = opened(dir.path());
    assert_eq!(rows(&store), before, "{:?}", store.opened());
    // sled may take a damaged file for one that ends there; then what followed is read from the journal again.
    assert!(store.opened().rebuilt.is_some() || store.opened().caught_up > 0, "{:?}", store.opened());
    assert_eq!(store.opened().damage, Vec::<String>::new());
    store.ready().expect("ready");
}

#[tokio::test]
async fn a_deleted_index_is_rebuilt() {
    rebuilt_after(|index| fs::remove_dir_all(index).expect("removed")).await;
}

#[tokio::test]
async fn a_truncated_index_is_rebuilt() {
    rebuilt_after(|index| {
        let file = fs::OpenOptions::new().write(true).open(index.join("db")).expect("sled's file");
        file.set_len(10_000).expect("cut");
        let _ = fs::remove_file(index.join("conf"));
    })
    .await;
}

#[tokio::test]
async fn a_bit_flipped_index_is_rebuilt() {
    for part in 0..20 {
        rebuilt_after(|index| {
            let path = index.join("db");
            let mut bytes = fs::read(&path).expect("read");
            let used = bytes.iter().rposition(|byte| *byte != 0).expect("not empty");
            bytes[used * part / 20] ^= 0x10;
            fs::write(path, bytes).expect("written");
        })
        .await;
    }
}

#[tokio::test]
async fn a_foreign_index_is_rebuilt() {
    let (other, foreign) = make();
    deleted(&other, 1, vec![snapshot(1, "Foreign")]).await;
    drop(other);
    rebuilt_after(|index| {
        fs::remove_dir_all(index).expect("removed");
        fs::rename(foreign.path().join("index"), index).expect("moved");
    })
    .await;
}

#[tokio::test]
async fn an_index_ahead_of_its_journal_is_rebuilt() {
    let (store, dir) = make();
    lived(&store).await;
    drop(store);
    let old = copied(dir.path());
    let store = opened(dir.path());
    deleted(&store, 50, vec![snapshot(7, "Lost with the disk")]).await;
    drop(store);
    fs::remove_dir_all(dir.path().join("journal")).expect("removed");
    fs::rename(old.path().join("journal"), dir.path().join("journal")).expect("moved");
    let store = opened(dir.path());
    assert!(store.opened().rebuilt.is_some());
    assert!(store.operation(made::op(50)).await.expect("read").is_none());
}

#[tokio::test]
async fn another_key_does_not_open_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let with = |digit: &str| Options { key: Some(SecretString::from(digit.repeat(64))), ..options(dir.path()) };
    let store = open(with("a")).expect("opened");
    deleted(&store, 1, vec![snapshot(1, "A")]).await;
    drop(store);
    assert!(matches!(open(with("b")), Err(ArchiveError::BadKey(_))));
    assert_eq!(titles(&open(with("a")).expect("opened"), &all()).await, ["A"]);
}

#[tokio::test]
async fn it_is_opened_once() {
    let (store, dir) = make();
    assert!(matches!(open(options(dir.path())), Err(ArchiveError::Locked(_))));
    drop(store);
    drop(opened(dir.path()));
}

#[tokio::test]
async fn a_damaged_snapshot_is_named_and_others_stay() {
    let (store, dir) = make();
    let (anna, boris) = (snapshot(1, "Anna"), snapshot(2, "Boris"));
    let ids = deleted(&store, 1, vec![anna.clone(), boris.clone()]).await;
    let clean = store.check().await.expect("checked");
    assert_eq!((clean.damage.len(), clean.snapshots, clean.frames), (0, 2, 5), "{clean:?}");
    let place = store.inner.keeper.view().get(&keys::snapshot(&anna.id())).expect("read").expect("there");
    let place: u64 = crate::archive::fold::rows::parse(&place).expect("a place");
    drop(store);
    let segment = dir.path().join("journal/journal-00000001.seg");
    let mut bytes = fs::read(&segment).expect("read");
    bytes[truth::place(place).offset as usize + 120] ^= 1;
    fs::write(&segment, bytes).expect("written");
    let store = opened(dir.path());
    let report = store.check().await.expect("checked");
    assert!(report.damage.iter().any(|what| what.contains("contacts/1 ")), "{report:?}");
    assert!(!report.damage.iter().any(|what| what.contains("contacts/2 ")), "{report:?}");
    assert_eq!(report.snapshots, 1);
    assert!(matches!(store.get(&anna.id()).await, Err(ArchiveError::Damaged { .. })));
    assert_eq!(store.get(&boris.id()).await.expect("whole"), boris);
    assert_eq!(titles(&store, &all()).await, ["Boris", ""]);
    assert_eq!(one(&store, ids[0]).await.state, EntryState::Deleted);
}

#[tokio::test]
async fn on_a_full_disk_restores_go_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(Options { min_free_bytes: u64::MAX / 2, ..options(dir.path()) }).expect("opened");
    assert!(matches!(store.ready(), Err(ArchiveError::Full { .. })));
    jobs::a_restore_from_queue_to_done(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_write_at_once() {
    let (store, dir) = make();
    let store = std::sync::Arc::new(store);
    let tasks = (1..=64).map(|n| {
        let store = std::sync::Arc::clone(&store);
        tokio::spawn(async move {
            for turn in 0..4 {
                deleted(store.as_ref(), n * 10 + turn, vec![snapshot(n * 10 + turn, "Many")]).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("written");
    }
    assert_eq!(store.stats().await.expect("stats").entries, 256);
    let before = rows(&store);
    drop(store);
    fs::remove_dir_all(dir.path().join("index")).expect("removed");
    assert_eq!(rows(&opened(dir.path())), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_wins_a_version() {
    let (store, _dir) = make();
    let store = std::sync::Arc::new(store);
    let tasks: Vec<_> = (0..16)
        .map(|n| {
            let store = std::sync::Arc::clone(&store);
            let event = Event::TokenRevoked { token: TokenId(uuid::Uuid::from_u128(n)), by: "anna".into() };
            tokio::spawn(async move { store.append(&Stream::tokens(), 0, vec![event]).await.is_ok() })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        won += usize::from(task.await.expect("ran"));
    }
    assert_eq!((won, store.read(&Stream::tokens(), 0).await.expect("read").len()), (1, 1));
}

#[tokio::test]
async fn no_name_lies_in_the_index() {
    let (store, dir) = make();
    deleted(&store, 1, vec![snapshot(1, "Wolkenstein")]).await;
    drop(store);
    for entry in fs::read_dir(dir.path().join("index")).expect("listed").flatten().filter(|it| it.path().is_file()) {
        let bytes = fs::read(entry.path()).expect("read");
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        for word in ["wolken", "mail1", "example.com", "5550001"] {
            assert!(!text.contains(word), "{word}");
        }
    }
}
