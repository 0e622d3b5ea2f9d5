//! What only a store on disk can go through when a record is erased.

use std::fs;
use std::path::Path;

use super::tests::{copied, make, opened};
use super::{erase_again, tests};
use crate::archive::contract::erasing::{act, erase};
use crate::archive::contract::made::{all, contact, deleted, one, snapshot, titles};
use crate::archive::index::table::Table;
use crate::archive::journal::Inner;
use crate::archive::{Archive, ArchiveError, Bin, Store};
use crate::domain::entry::EntryState;

const CANARY: &str = "Wolkenstein";

/// Everything that can be read of an archive with its keys: frames, the values sealed in them, every page of the index
/// and the files as they are.
fn everything(dir: &Path) -> String {
    let store = opened(dir);
    let mut text = String::new();
    let mut on_frame = |frame: crate::archive::journal::Frame| {
        text.push_str(&String::from_utf8_lossy(&frame.body));
        if let Inner::Open(_, plain) = &frame.inner {
            text.push_str(&String::from_utf8_lossy(plain));
        }
        Ok(())
    };
    store.inner.keeper.journal.scan(None, &mut on_frame, &mut |_| {}).expect("read");
    let view = store.inner.keeper.view();
    for row in crate::archive::fold::rows::Rows::up(&view, b"", &[0xff]) {
        let (key, value) = row.expect("read");
        text.push_str(&String::from_utf8_lossy(&key));
        text.push_str(&String::from_utf8_lossy(&value));
    }
    drop(view);
    drop(store);
    for folder in ["", "journal", "keys", "index"] {
        for file in fs::read_dir(dir.join(folder)).expect("listed").flatten().filter(|it| it.path().is_file()) {
            text.push_str(&String::from_utf8_lossy(&fs::read(file.path()).expect("read")));
        }
    }
    text.to_lowercase()
}

fn canaries(text: &str) -> usize {
    ["wolkenstein", "mail1@", "5550001"].iter().map(|word| text.matches(word).count()).sum()
}

#[tokio::test]
async fn no_byte_of_an_erased_record_can_be_read() {
    let (store, dir) = make();
    let ids = deleted(&store, 1, vec![snapshot(1, CANARY), snapshot(2, "Boris")]).await;
    store.inner.keeper.settle();
    drop(store);
    assert!(canaries(&everything(dir.path())) > 3, "the test sees what is there");
    let old = copied(dir.path());
    let store = opened(dir.path());
    erase(&store, 1).await.expect("erased");
    store.inner.keeper.settle();
    let slot = store.inner.keeper.table.slot;
    assert_eq!(titles(&store, &all()).await, ["Boris"], "it goes on in memory");
    drop(store);
    // The pages of the index as sled has them on disk: their key is gone.
    let at_rest = copied(dir.path());
    let store = opened(dir.path());
    assert!(store.inner.keeper.journal.secret_of(slot).is_none());
    let stale = Table::open(&at_rest.path().join("index"), &|of| {
        assert_eq!(of, Some(slot));
        Err(ArchiveError::Invalid("no key".into()))
    });
    assert!(stale.is_err());
    assert!(store.opened().rebuilt.as_ref().is_some_and(|why| why.contains("erased")), "{:?}", store.opened());
    assert_eq!(store.opened().damage, Vec::<String>::new());
    assert_eq!(
        (one(&store, ids[0]).await.state, titles(&store, &all()).await),
        (EntryState::Erased, vec!["Boris".to_owned()])
    );
    assert_eq!(store.check().await.expect("checked").damage, Vec::<String>::new());
    let slots = store.destroyed_slots();
    drop(store);
    assert_eq!(canaries(&everything(dir.path())), 0);
    // An older copy of the journal and the index beside the ring as it is now.
    for folder in ["journal", "index"] {
        fs::remove_dir_all(at_rest.path().join(folder)).expect("removed");
        fs::rename(old.path().join(folder), at_rest.path().join(folder)).expect("moved");
    }
    assert_eq!(canaries(&everything(at_rest.path())), 0);
    let store = opened(at_rest.path());
    assert_eq!(one(&store, ids[0]).await.state, EntryState::Erased, "the key is gone, so it says so");
    assert_eq!(one(&store, ids[1]).await.state, EntryState::Deleted);
    drop(store);
    // An older copy of everything, the ring too: erased again from the list.
    let (older, older_dir) = make();
    deleted(&older, 1, vec![snapshot(1, CANARY)]).await;
    let of_it = older.erasable("acme", &contact(1)).await.expect("looked").slots;
    drop(older);
    erase_again(&tests::options(older_dir.path()), &of_it).expect("erased");
    assert_eq!(canaries(&everything(older_dir.path())), 0);
    assert!(slots.len() >= 2, "{slots:?}");
}

/// The process dies between the event and the keys: the next start finishes it.
#[tokio::test]
async fn an_erasure_that_was_cut_off_is_finished() {
    for rebuilt in [false, true] {
        let (store, dir) = make();
        let ids = deleted(&store, 1, vec![snapshot(1, CANARY)]).await;
        let what = store.erasable("acme", &contact(1)).await.expect("looked");
        let slots = what.slots.clone();
        drop(store);
        let keys = tempfile::tempdir().expect("a directory");
        for file in fs::read_dir(dir.path().join("keys")).expect("listed").flatten() {
            fs::copy(file.path(), keys.path().join(file.file_name())).expect("copied");
        }
        let index = copied(dir.path());
        let store = opened(dir.path());
        store.erase(&what, act()).await.expect("erased");
        drop(store);
        // The keys, and the index, as they were before: only the journal has it.
        for file in fs::read_dir(keys.path()).expect("listed").flatten() {
            fs::copy(file.path(), dir.path().join("keys").join(file.file_name())).expect("copied");
        }
        fs::remove_dir_all(dir.path().join("index")).expect("removed");
        if !rebuilt {
            fs::rename(index.path().join("index"), dir.path().join("index")).expect("moved");
        }
        let store = opened(dir.path());
        assert!(slots.iter().all(|slot| store.inner.keeper.journal.slot_is_whole(*slot).is_none()));
        assert_eq!(one(&store, ids[0]).await.state, EntryState::Erased, "rebuilt: {rebuilt}");
        assert!(matches!(store.get(&snapshot(1, CANARY).id()).await, Err(ArchiveError::NotFound(_))));
        assert_eq!(store.opened().damage, Vec::<String>::new());
        drop(store);
        assert_eq!(canaries(&everything(dir.path())), 0);
    }
}

/// Bytes of the journal a deleted and settled record takes, once there is a dictionary.
#[tokio::test]
async fn a_record_takes_few_bytes() {
    let dir = tempfile::tempdir().expect("a directory");
    let how = |dir| crate::archive::journal::Options {
        dictionary_samples: 100,
        dictionary_bytes: 4 << 10,
        ..crate::archive::journal::Options::new(dir)
    };
    let store = super::open_with(tests::options(dir.path()), how).expect("opened");
    let mut before = 0;
    for n in 1..=400 {
        if n == 201 {
            before = store.stats().await.expect("stats").journal_bytes;
        }
        deleted(&store, n, vec![snapshot(n, &format!("Person {n}"))]).await;
    }
    let each = (store.stats().await.expect("stats").journal_bytes - before) / 200;
    println!("{each} bytes of journal for a small record");
    assert!(each < 900, "{each}");
}
