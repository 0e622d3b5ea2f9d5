//! What is seen while sled lags behind memory, and after a crash at every step between the two.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use super::Durable;
use super::tests::{copied, make, opened, rows};
use crate::archive::contract::made::{
    self, all, captured, deleted, entry, item, one, op, push, running, settle, snapshot, titles,
};
use crate::archive::fold::rows::{Frames, Rows};
use crate::archive::fold::shelf::Shelf;
use crate::archive::{Archive, ArchiveError, Bin, EntryFilter, Ledger, Store, Write};
use crate::domain::delete::Fate;
use crate::domain::entry::{EntryState, OperationState};
use crate::domain::event::{Event, Recorded, Stream};
use crate::domain::ids::SnapshotId;
use crate::domain::job::ItemState;
use crate::domain::record::Snapshot;

/// A store that moves nothing into sled by itself.
fn lagging() -> (Durable, TempDir) {
    let (store, dir) = make();
    store.inner.keeper.hold(true);
    (store, dir)
}

/// The directory as a crash leaves it. Only what sled holds is lost with the process, so that is written first.
fn crashed(store: &Durable, dir: &TempDir) -> TempDir {
    crate::archive::index::table::Table::flush(&store.inner.keeper.table.handle()).expect("flushed");
    let copy = copied(dir.path());
    let _ = fs::remove_file(copy.path().join("index.doubt"));
    copy
}

async fn person(store: &Durable, n: u128) {
    deleted(store, n, vec![snapshot(n, &format!("Person {n}"))]).await;
}

#[tokio::test]
async fn what_is_acknowledged_is_seen_while_sled_lags() {
    let (store, _dir) = lagging();
    let keeper = &store.inner.keeper;
    for n in 1..=3 {
        person(&store, n).await;
        let q = EntryFilter { q: Some(format!("{n}")), ..all() };
        assert_eq!(titles(&store, &q).await, [format!("Person {n}")]);
        assert_eq!(one(&store, entry(n * 100)).await.state, EntryState::Deleted);
    }
    assert_eq!(keeper.table.up(b"A", b"z").count(), 0);
    let before = rows(&store);
    keeper.settle();
    assert_eq!((keeper.overlay.held().changes, rows(&store)), (0, before));
    // Newer rows over those in sled: changed, taken away, and new ones between.
    restored(&store, 1).await;
    store.forget(&snapshot(2, "Person 2").id()).await.expect("forgotten");
    person(&store, 4).await;
    assert_eq!(titles(&store, &all()).await, ["Person 4", "Person 3", "Person 1"]);
    assert_eq!(one(&store, entry(100)).await.restored_as, Some(made::contact(1_001)));
    let named = EntryFilter { q: Some("person".into()), ..all() };
    assert_eq!(titles(&store, &named).await, ["Person 4", "Person 3", "Person 1"]);
    let up: Vec<_> = rows(&store).into_iter().collect();
    let view = keeper.view();
    let mut down: Vec<_> =
        view.down(b"A", b"z").map(|row| row.map(|(key, value)| (key, Some(value))).expect("read")).collect();
    down.reverse();
    assert_eq!(down, up);
}

/// Brings an entry back, so that its rows in memory say otherwise than those in sled.
async fn restored(store: &Durable, n: u128) {
    let stream = running(store, n, 1).await;
    let items = vec![item(0, entry(n * 100), n, ItemState::Done, Some(n + 1_000))];
    push(store, &stream, vec![Event::Applied { items }]).await.expect("applied");
}

#[tokio::test]
async fn a_crash_before_sled_has_anything_costs_nothing() {
    let (store, dir) = lagging();
    for n in 1..=6 {
        person(&store, n).await;
        if n == 3 {
            store.inner.keeper.settle();
        }
        let copy = crashed(&store, &dir);
        let again = opened(copy.path());
        assert_eq!(rows(&again), rows(&store), "after {n}: {:?}", again.opened());
        assert_eq!(again.opened().damage, Vec::<String>::new());
        assert_eq!((again.opened().rebuilt.as_ref(), again.opened().caught_up > 0), (None, n != 3));
    }
}

#[tokio::test]
async fn a_crash_at_every_step_into_sled_costs_nothing() {
    let (store, dir) = lagging();
    let long = |n: u128| format!("Person {n} {}", "x".repeat(900));
    deleted(&store, 10, (0..300).map(|n| snapshot(n, &long(n))).collect()).await;
    store.inner.keeper.settle();
    deleted(&store, 20, (200..500).map(|n| snapshot(n * 3, &long(n))).collect()).await;
    store.forget(&snapshot(7, &long(7)).id()).await.expect("forgotten");
    let before = rows(&store);
    let mut steps = 0;
    loop {
        store.inner.keeper.table.stop_after(steps);
        let done = store.inner.keeper.try_settle();
        let copy = crashed(&store, &dir);
        let again = opened(copy.path());
        assert_eq!(rows(&again), before, "after {steps} steps: {:?}", again.opened());
        assert_eq!((again.opened().rebuilt.as_ref(), again.opened().damage.len()), (None, 0), "after {steps} steps");
        person(&again, 50).await;
        if done {
            break;
        }
        steps += 1;
    }
    assert!(steps > 3, "{steps}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sees_half_a_commit() {
    let (store, _dir) = make();
    let (store, end) = (Arc::new(store), Arc::new(AtomicBool::new(false)));
    let (moved, over) = (Arc::clone(&store), Arc::clone(&end));
    let mover = std::thread::spawn(move || {
        while !over.load(Ordering::SeqCst) {
            moved.inner.keeper.settle();
        }
    });
    let (read, over) = (Arc::clone(&store), Arc::clone(&end));
    let reader = tokio::spawn(async move {
        let filter = EntryFilter { limit: 1_000, ..all() };
        let named = EntryFilter { q: Some("crowd".into()), ..filter.clone() };
        let mut seen = 0;
        while !over.load(Ordering::SeqCst) {
            for filter in [&filter, &named] {
                let count = read.entries(filter).await.expect("listed").rows.len();
                assert!(count.is_multiple_of(20) && count >= seen, "{count} after {seen}");
                seen = count;
            }
        }
        seen
    });
    for n in 1..=20 {
        deleted(store.as_ref(), n, (0..20).map(|i| snapshot(n * 100 + i, "Crowd")).collect()).await;
    }
    end.store(true, Ordering::SeqCst);
    reader.await.expect("never half");
    mover.join().expect("moved");
    assert_eq!(store.stats().await.expect("stats").entries, 400);
}

/// Counts what is read.
struct Counting<'a>(&'a dyn Frames, Cell<usize>, Cell<usize>);

impl Frames for Counting<'_> {
    fn event(&self, place: u64) -> Result<Recorded, ArchiveError> {
        self.1.set(self.1.get() + 1);
        self.0.event(place)
    }
    fn snapshot(&self, place: u64) -> Result<(SnapshotId, Snapshot), ArchiveError> {
        self.2.set(self.2.get() + 1);
        self.0.snapshot(place)
    }
}

#[tokio::test]
async fn the_entries_of_a_large_operation_are_read_one_by_one() {
    const MANY: usize = 5_000;
    let (store, _dir) = make();
    let snapshots: Vec<Snapshot> = (0..MANY as u128).map(|n| snapshot(n, "Many")).collect();
    let ids: Vec<_> = (0..MANY as u128).map(|n| entry(10_000 + n)).collect();
    let of: Vec<_> = ids.iter().copied().zip(&snapshots).collect();
    let appends = vec![(Stream::operation(op(1)), 0, captured(1, "acme", &of))];
    store.commit(Write { snapshots: snapshots.clone(), appends }).await.expect("committed");
    settle(&store, 1, ids.iter().map(|id| (*id, Fate::Deleted)).collect(), OperationState::Confirmed).await;
    let keeper = &store.inner.keeper;
    let frames = Counting(keeper.journal.as_ref(), Cell::new(0), Cell::new(0));
    let view = keeper.view();
    for (id, snapshot) in ids.iter().zip(&snapshots).step_by(10) {
        let shelf = Shelf::new(&view, &frames);
        let one = shelf.entry(*id).expect("read").expect("there");
        let same = shelf.in_bin("acme", &snapshot.of).expect("read").expect("there");
        assert_eq!((&one, &one.record), (&same, &snapshot.of));
    }
    assert_eq!((frames.1.get(), frames.2.get()), (0, MANY / 5));
    let filter = EntryFilter { operation: Some(op(1)), limit: 1_000, ..all() };
    let page = Shelf::new(&view, &frames).entries(&filter).expect("listed");
    assert_eq!((page.rows.len(), frames.1.get(), frames.2.get()), (1_000, 0, MANY / 5 + 1_000));
}

#[tokio::test]
async fn a_write_whose_caller_is_gone_ends_whole() {
    let (store, _dir) = make();
    for n in 1..=20 {
        let of = snapshot(n, "Left");
        let appends = vec![(Stream::operation(op(n)), 0, captured(n, "acme", &[(entry(n), &of)]))];
        let write = store.commit(Write { snapshots: vec![of], appends });
        // Dropped wherever it has got to by then.
        let _ =
            tokio::time::timeout(std::time::Duration::from_micros(u64::try_from(n).expect("small") * 40), write).await;
    }
    // The last one may still be on its way; the same stream waits for it.
    for n in 1..=20 {
        let found = store.append(&Stream::operation(op(n)), 2, vec![Event::Forwarding]).await;
        assert!(matches!(found, Ok(_) | Err(ArchiveError::Conflict { found: 0, .. })), "{found:?}");
        assert_eq!(store.entry(entry(n)).await.expect("read").is_some(), found.is_ok(), "{n}");
    }
    store.ready().expect("ready");
}

#[tokio::test]
async fn a_page_that_does_not_open_is_found_and_mended_by_a_restart() {
    let (store, dir) = lagging();
    person(&store, 1).await;
    let before = rows(&store);
    store.inner.keeper.settle();
    store.inner.keeper.table.harm();
    assert!(matches!(store.entries(&all()).await, Err(ArchiveError::Unusable(_))));
    assert!(matches!(store.ready(), Err(ArchiveError::Unusable(_))));
    drop(store);
    let store = opened(dir.path());
    assert!(store.opened().rebuilt.is_some());
    assert_eq!(rows(&store), before);
    store.ready().expect("ready");
}

#[tokio::test]
async fn an_index_of_the_layout_before_is_made_anew() {
    let (store, dir) = make();
    person(&store, 1).await;
    let before = rows(&store);
    drop(store);
    let write_old = |dir: &Path| {
        fs::remove_dir_all(dir).expect("removed");
        let old = sled::open(dir).expect("opened");
        old.insert("!head", r#"{"version":1,"journal":"x","place":4294967424}"#).expect("written");
        old.insert("xs", "3").expect("written");
    };
    write_old(&dir.path().join("index"));
    let store = opened(dir.path());
    assert!(store.opened().rebuilt.is_some());
    assert_eq!(rows(&store), before);
    assert_eq!(store.streams("operation/").await.expect("streams").len(), 1);
}
