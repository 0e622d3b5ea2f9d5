//! Lists, pages, states of entries and operations.

use super::made::{all, at, contact, delete, deleted, entry, one, op, push, settle, snapshot, titles};
use crate::archive::{ArchiveError, EntryFilter, OperationFilter, Store};
use crate::domain::delete::Fate;
use crate::domain::entry::{EntryState, OperationState};
use crate::domain::event::{Event, Stream};
use crate::domain::record::RecordRef;

fn kept() -> Fate {
    Fate::Kept { reason: "no_rights".into() }
}

pub(crate) async fn captured_entries_are_unknown_and_newest_first(store: &impl Store) {
    delete(store, 1, vec![snapshot(1, "A"), snapshot(2, "B")]).await;
    let ids = delete(store, 2, vec![snapshot(3, "C")]).await;
    assert_eq!(titles(store, &all()).await, ["C", "B", "A"]);
    assert_eq!(one(store, ids[0]).await.state, EntryState::Unknown);
    let operation = store.operation(op(1)).await.expect("read").expect("there");
    assert_eq!((operation.state, operation.entries), (OperationState::Open, vec![entry(100), entry(101)]));
}

pub(crate) async fn fates_settle_entries(store: &impl Store) {
    let ids = delete(store, 1, vec![snapshot(1, "A"), snapshot(2, "B"), snapshot(3, "C")]).await;
    let fates = vec![(ids[0], Fate::Deleted), (ids[1], kept()), (ids[2], Fate::Unknown)];
    settle(store, 1, fates, OperationState::Unknown).await;
    assert_eq!(one(store, ids[0]).await.state, EntryState::Deleted);
    let b = one(store, ids[1]).await;
    assert_eq!((b.state, b.reason.as_deref()), (EntryState::Kept, Some("no_rights")));
    assert_eq!(one(store, ids[2]).await.state, EntryState::Unknown);
    assert_eq!(titles(store, &all()).await, ["C", "A"]);
    let operation = store.operation(op(1)).await.expect("read").expect("there");
    assert_eq!((operation.state, operation.answer), (OperationState::Unknown, Some(200)));
}

pub(crate) async fn refused_and_not_sent_keep_all(store: &impl Store) {
    for (n, state) in [(1, OperationState::Refused), (2, OperationState::NotSent)] {
        let ids = delete(store, n, vec![snapshot(n, "A")]).await;
        settle(store, n, Vec::new(), state).await;
        let entry = one(store, ids[0]).await;
        assert_eq!(entry.state, EntryState::Kept);
        assert!(entry.reason.is_some());
    }
    assert!(titles(store, &all()).await.is_empty());
    let filter = EntryFilter { states: vec![EntryState::Kept], ..all() };
    assert_eq!(titles(store, &filter).await.len(), 2);
}

pub(crate) async fn illegal_events_are_refused(store: &impl Store) {
    let ids = deleted(store, 1, vec![snapshot(1, "A")]).await;
    let stream = Stream::operation(op(1));
    let again = Event::Settled { fates: vec![(ids[0], kept())], answer: None, state: OperationState::Unknown };
    let never = Event::Settled { fates: Vec::new(), answer: None, state: OperationState::Confirmed };
    for (stream, event) in [(stream.clone(), again), (Stream::operation(op(9)), never)] {
        let error = push(store, &stream, vec![event]).await.expect_err("refused");
        assert!(matches!(error, ArchiveError::Invalid(_)), "{error}");
    }
    assert_eq!(store.read(&stream, 0).await.expect("read").len(), 3);
    assert_eq!(one(store, ids[0]).await.state, EntryState::Deleted);
}

pub(crate) async fn filters_narrow(store: &impl Store) {
    let mut other = snapshot(1, "Other");
    other.connection = "beta".into();
    let mut lead = snapshot(2, "Lead");
    lead.of = RecordRef::new("leads", 2);
    deleted(store, 1, vec![other]).await;
    deleted(store, 2, vec![lead]).await;
    let ids = delete(store, 3, vec![snapshot(3, "Contact")]).await;
    let by = |change: fn(&mut EntryFilter)| {
        let mut filter = all();
        change(&mut filter);
        filter
    };
    assert_eq!(titles(store, &by(|f| f.connection = Some("beta".into()))).await, ["Other"]);
    assert_eq!(titles(store, &by(|f| f.connection = Some("acme".into()))).await, ["Contact", "Lead"]);
    assert_eq!(titles(store, &by(|f| f.object = Some("leads".into()))).await, ["Lead"]);
    assert_eq!(titles(store, &by(|f| f.states = vec![EntryState::Unknown])).await, ["Contact"]);
    let both = by(|f| f.states = vec![EntryState::Unknown, EntryState::Deleted]);
    assert_eq!(titles(store, &both).await, ["Contact", "Lead", "Other"]);
    let moment = one(store, ids[0]).await.deleted_at;
    let since = EntryFilter { deleted_after: Some(moment), ..all() };
    assert_eq!(titles(store, &since).await, ["Contact"]);
    let until = EntryFilter { deleted_before: Some(moment), ..all() };
    assert_eq!(titles(store, &until).await, ["Lead", "Other"]);
    assert!(moment > at(1_600_000_000));
}

pub(crate) async fn entries_of_an_operation(store: &impl Store) {
    deleted(store, 1, vec![snapshot(1, "A")]).await;
    deleted(store, 2, vec![snapshot(2, "B"), snapshot(3, "C")]).await;
    deleted(store, 3, vec![snapshot(4, "D")]).await;
    let of = |n| EntryFilter { operation: Some(op(n)), ..all() };
    assert_eq!(titles(store, &of(2)).await, ["C", "B"]);
    assert!(titles(store, &of(9)).await.is_empty());
}

pub(crate) async fn pages_do_not_repeat_or_skip(store: &impl Store) {
    for n in 1..=4 {
        deleted(store, n, (0..5).map(|i| snapshot(n * 10 + i, &format!("{n}{i}"))).collect()).await;
    }
    let (mut filter, mut seen, mut pages) = (EntryFilter { limit: 3, ..all() }, Vec::new(), 0);
    loop {
        let page = store.entries(&filter).await.expect("listed");
        seen.extend(page.rows.into_iter().map(|entry| entry.title));
        pages += 1;
        filter.cursor = page.next;
        if filter.cursor.is_none() {
            break;
        }
    }
    let mut sorted = seen.clone();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    sorted.dedup();
    assert_eq!((seen.len(), pages, &sorted), (20, 7, &seen));
}

pub(crate) async fn new_rows_do_not_move_pages(store: &impl Store) {
    deleted(store, 1, vec![snapshot(1, "A"), snapshot(2, "B"), snapshot(3, "C")]).await;
    let mut filter = EntryFilter { limit: 2, ..all() };
    filter.cursor = store.entries(&filter).await.expect("listed").next;
    deleted(store, 2, vec![snapshot(4, "D"), snapshot(5, "E")]).await;
    assert_eq!(titles(store, &filter).await, ["A"]);
}

pub(crate) async fn foreign_cursors_are_refused(store: &impl Store) {
    for cursor in ["", "e", "ex", "a1", "e-1", "e99999999999999999999"] {
        let filter = EntryFilter { cursor: Some(cursor.into()), ..all() };
        assert!(matches!(store.entries(&filter).await, Err(ArchiveError::Invalid(_))), "{cursor}");
    }
    assert!(matches!(store.audit(1, Some("e1")).await, Err(ArchiveError::Invalid(_))));
    assert!(matches!(store.jobs(1, Some("e1")).await, Err(ArchiveError::Invalid(_))));
}

pub(crate) async fn in_bin_is_the_newest_there(store: &impl Store) {
    let first = deleted(store, 1, vec![snapshot(1, "A")]).await;
    let second = delete(store, 2, vec![snapshot(1, "A2")]).await;
    deleted(store, 3, vec![snapshot(11, "Other")]).await;
    let there = |entry: Option<crate::domain::entry::Entry>| entry.map(|entry| entry.id);
    assert_eq!(there(store.in_bin("acme", &contact(1)).await.expect("read")), Some(second[0]));
    settle(store, 2, vec![(second[0], kept())], OperationState::Refused).await;
    assert_eq!(there(store.in_bin("acme", &contact(1)).await.expect("read")), Some(first[0]));
    assert_eq!(there(store.in_bin("beta", &contact(1)).await.expect("read")), None);
    assert_eq!(there(store.in_bin("acme", &contact(2)).await.expect("read")), None);
}

pub(crate) async fn operations_by_state_and_page(store: &impl Store) {
    for n in 1..=5 {
        delete(store, n, vec![snapshot(n, "A")]).await;
    }
    settle(store, 2, vec![(entry(200), Fate::Deleted)], OperationState::Confirmed).await;
    let filter = OperationFilter { limit: 3, ..OperationFilter::default() };
    let ids = |page: &crate::archive::Page<crate::domain::entry::Operation>| {
        page.rows.iter().map(|operation| operation.id).collect::<Vec<_>>()
    };
    let page = store.operations(&filter).await.expect("listed");
    assert_eq!(ids(&page), [op(5), op(4), op(3)]);
    let page = store.operations(&OperationFilter { cursor: page.next, ..filter.clone() }).await.expect("listed");
    assert_eq!((ids(&page), page.next), (vec![op(2), op(1)], None));
    let open = OperationFilter { states: vec![OperationState::Open, OperationState::Unknown], limit: 9, ..filter };
    assert_eq!(ids(&store.operations(&open).await.expect("listed")), [op(5), op(4), op(3), op(1)]);
    let beta = OperationFilter { connection: Some("beta".into()), ..open };
    assert!(store.operations(&beta).await.expect("listed").rows.is_empty());
}

pub(crate) async fn stats_count_the_bin(store: &impl Store) {
    let ids = delete(store, 1, vec![snapshot(1, "A"), snapshot(2, "B")]).await;
    assert_eq!(store.stats().await.expect("stats").entries, 2);
    settle(store, 1, vec![(ids[0], Fate::Deleted), (ids[1], kept())], OperationState::Partial).await;
    let stats = store.stats().await.expect("stats");
    assert_eq!((stats.entries, stats.last_seq), (1, 3));
}

pub(crate) async fn nothing_is_found_where_nothing_is(store: &impl Store) {
    assert!(store.entries(&all()).await.expect("listed").rows.is_empty());
    assert!(store.entry(entry(1)).await.expect("read").is_none());
    assert!(store.operation(op(1)).await.expect("read").is_none());
    assert!(store.plan(super::made::plan(1)).await.expect("read").is_none());
    assert!(store.job(super::made::job(1)).await.expect("read").is_none());
    assert!(store.items(super::made::job(1), 5, None).await.expect("read").rows.is_empty());
    assert_eq!(store.successors("acme"), 0);
}
