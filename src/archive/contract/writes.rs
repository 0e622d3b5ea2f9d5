//! Snapshots, streams, what is written together.

use super::made::{all, captured, contact, delete, entry, one, op, push, snapshot, titles};
use crate::archive::{ArchiveError, Store, Write};
use crate::domain::event::{Event, Stream};
use crate::domain::ids::{SnapshotId, TokenId};
use crate::domain::record::RecordRef;

fn revoked(n: u128) -> Event {
    Event::TokenRevoked { token: TokenId(uuid::Uuid::from_u128(n)), by: "anna".into() }
}

pub(crate) async fn commit_is_seen_at_once(store: &impl Store) {
    let anna = snapshot(1, "Anna");
    let ids = delete(store, 1, vec![anna.clone()]).await;
    assert_eq!(store.get(&anna.id()).await.expect("kept"), anna);
    let entry = one(store, ids[0]).await;
    assert_eq!((entry.title.as_str(), &entry.record, entry.operation), ("Anna", &contact(1), op(1)));
    assert_eq!((entry.snapshot, entry.copy_taken_at), (anna.id(), anna.taken_at));
    assert_eq!(entry.deleted_by, "importer");
    store.ready().expect("ready");
}

pub(crate) async fn a_refused_commit_leaves_nothing(store: &impl Store) {
    delete(store, 1, vec![snapshot(1, "Anna")]).await;
    let boris = snapshot(2, "Boris");
    let fine = (Stream::operation(op(2)), 0, captured(2, "acme", &[(entry(200), &boris)]));
    let stale = (Stream::operation(op(1)), 1, vec![Event::Forwarding]);
    let write = Write { snapshots: vec![boris.clone()], appends: vec![fine, stale] };
    assert!(matches!(store.commit(write).await, Err(ArchiveError::Conflict { expected: 1, found: 2, .. })));
    assert!(matches!(store.get(&boris.id()).await, Err(ArchiveError::NotFound(_))));
    assert!(store.operation(op(2)).await.expect("read").is_none());
    assert_eq!(titles(store, &all()).await, ["Anna"]);
    assert_eq!(store.stats().await.expect("stats").last_seq, 2);
}

pub(crate) async fn putting_twice_keeps_one(store: &impl Store) {
    let anna = snapshot(1, "Anna");
    let first = store.put(std::slice::from_ref(&anna)).await.expect("put");
    let second = store.put(&[anna.clone(), anna.clone()]).await.expect("put");
    assert_eq!((first[0], second.len(), second[0]), (anna.id(), 2, anna.id()));
    assert_eq!(store.history("acme", &anna.of).await.expect("history"), [anna.id()]);
}

pub(crate) async fn an_unknown_snapshot_is_not_found(store: &impl Store) {
    assert!(matches!(store.get(&SnapshotId([7; 32])).await, Err(ArchiveError::NotFound(_))));
    assert!(store.history("acme", &contact(1)).await.expect("history").is_empty());
}

pub(crate) async fn an_old_version_conflicts(store: &impl Store) {
    let stream = Stream::tokens();
    store.append(&stream, 0, vec![revoked(1)]).await.expect("new");
    for wrong in [0, 2] {
        let error = store.append(&stream, wrong, vec![revoked(2)]).await.expect_err("a conflict");
        assert!(matches!(error, ArchiveError::Conflict { found: 1, expected, .. } if expected == wrong));
    }
    assert_eq!(store.read(&stream, 0).await.expect("read").len(), 1);
}

pub(crate) async fn two_appends_to_one_stream_follow_each_other(store: &impl Store) {
    let stream = Stream::tokens();
    let appends = vec![(stream.clone(), 0, vec![revoked(1)]), (stream.clone(), 1, vec![revoked(2)])];
    let all = store.commit(Write { snapshots: Vec::new(), appends }).await.expect("committed");
    assert_eq!(all.iter().map(|it| (it.seq, it.version)).collect::<Vec<_>>(), [(1, 1), (2, 2)]);
    let read = store.read(&stream, 0).await.expect("read");
    assert_eq!(read, all);
}

pub(crate) async fn reading_begins_after_a_version(store: &impl Store) {
    let stream = Stream::tokens();
    store.append(&stream, 0, (1..=5).map(revoked).collect()).await.expect("appended");
    store.append(&Stream::gateway("acme"), 0, vec![revoked(9)]).await.expect("appended");
    let versions = |events: Vec<crate::domain::event::Recorded>| events.iter().map(|e| e.version).collect::<Vec<_>>();
    assert_eq!(versions(store.read(&stream, 3).await.expect("read")), [4, 5]);
    assert!(store.read(&stream, 5).await.expect("read").is_empty());
    assert!(store.read(&stream, u64::MAX).await.expect("read").is_empty());
    assert!(store.read(&Stream::gateway("other"), 0).await.expect("read").is_empty());
}

pub(crate) async fn streams_come_by_prefix_in_order(store: &impl Store) {
    for name in ["waiting/acme/leads/2", "waiting/acme/leads/10", "waiting/b/leads/1", "tokens", "waiting"] {
        store.append(&Stream(name.into()), 0, vec![revoked(1), revoked(2)]).await.expect("appended");
    }
    let found = store.streams("waiting/acme/").await.expect("streams");
    let names: Vec<_> = found.iter().map(|(stream, version)| (stream.0.as_str(), *version)).collect();
    assert_eq!(names, [("waiting/acme/leads/10", 2), ("waiting/acme/leads/2", 2)]);
    assert_eq!(store.streams("").await.expect("streams").len(), 5);
    assert!(store.streams("nothing").await.expect("streams").is_empty());
}

pub(crate) async fn audit_goes_back_page_by_page(store: &impl Store) {
    for n in 1..=7 {
        push(store, &Stream::gateway(if n % 2 == 0 { "a" } else { "b" }), vec![revoked(n)]).await.expect("appended");
    }
    let (mut cursor, mut seen) = (None, Vec::new());
    loop {
        let page = store.audit(3, cursor.as_deref()).await.expect("audit");
        assert!(page.rows.len() <= 3);
        seen.extend(page.rows.iter().map(|event| event.seq));
        push(store, &Stream::tokens(), vec![revoked(99)]).await.expect("appended");
        let Some(next) = page.next else { break };
        cursor = Some(next);
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
}

pub(crate) async fn history_is_newest_first(store: &impl Store) {
    let (old, new) = (snapshot(1, "Anna"), snapshot(1, "Anna Serova"));
    store.put(&[old.clone(), snapshot(10, "Other")]).await.expect("put");
    store.put(std::slice::from_ref(&new)).await.expect("put");
    assert_eq!(store.history("acme", &contact(1)).await.expect("history"), [new.id(), old.id()]);
    assert!(store.history("other", &contact(1)).await.expect("history").is_empty());
    assert!(store.history("acme", &RecordRef::new("leads", 1)).await.expect("history").is_empty());
}

pub(crate) async fn a_forgotten_snapshot_is_gone(store: &impl Store) {
    let (anna, boris) = (snapshot(1, "Anna"), snapshot(2, "Boris"));
    let ids = delete(store, 1, vec![anna.clone(), boris.clone()]).await;
    store.forget(&anna.id()).await.expect("forgotten");
    store.forget(&anna.id()).await.expect("twice is no harm");
    assert!(matches!(store.get(&anna.id()).await, Err(ArchiveError::NotFound(_))));
    assert!(store.history("acme", &anna.of).await.expect("history").is_empty());
    assert_eq!(store.get(&boris.id()).await.expect("kept"), boris);
    let entry = one(store, ids[0]).await;
    assert_eq!((entry.title.as_str(), entry.state), ("", crate::domain::entry::EntryState::Forgotten));
    assert_eq!(titles(store, &all()).await, ["Boris"]);
}

pub(crate) async fn a_forgotten_snapshot_can_be_put_again(store: &impl Store) {
    let anna = snapshot(1, "Anna");
    store.put(std::slice::from_ref(&anna)).await.expect("put");
    store.forget(&anna.id()).await.expect("forgotten");
    store.put(std::slice::from_ref(&anna)).await.expect("put");
    assert_eq!(store.get(&anna.id()).await.expect("kept"), anna);
}

pub(crate) async fn an_entry_needs_its_snapshot(store: &impl Store) {
    let anna = snapshot(1, "Anna");
    let events = captured(1, "acme", &[(entry(1), &anna)]);
    let error = store.append(&Stream::operation(op(1)), 0, events.clone()).await.expect_err("refused");
    assert!(matches!(error, ArchiveError::Invalid(_)), "{error}");
    store.put(&[anna]).await.expect("put");
    store.append(&Stream::operation(op(1)), 0, events).await.expect("its snapshot is durable now");
}

pub(crate) async fn an_empty_commit_is_nothing(store: &impl Store) {
    assert!(store.commit(Write::default()).await.expect("committed").is_empty());
    assert_eq!(store.stats().await.expect("stats").last_seq, 0);
}
