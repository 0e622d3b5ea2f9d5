//! Jobs, items, new ids.

use super::made::{contact, deleted, item, job, one, op, plan, planned, push, running, snapshot};
use crate::archive::{ArchiveError, Store};
use crate::domain::entry::{EntryState, OperationState};
use crate::domain::event::{Event, Stream};
use crate::domain::ids::EntryId;
use crate::domain::job::{Item, ItemState, Job, JobState, Report};

async fn now(store: &impl Store, n: u128) -> Job {
    store.job(job(n)).await.expect("read").expect("there")
}

async fn try_apply(store: &impl Store, stream: &Stream, item: Item) -> Result<(), ArchiveError> {
    let steps = vec![(item.step, item.entry, item.root)];
    push(store, stream, vec![Event::Applying { steps }, Event::Applied { items: vec![item] }]).await
}

async fn apply(store: &impl Store, stream: &Stream, item: Item) {
    try_apply(store, stream, item).await.expect("applied");
}

async fn one_deleted(store: &impl Store, n: u128, id: u128) -> EntryId {
    deleted(store, n, vec![snapshot(id, "A")]).await[0]
}

pub(crate) async fn a_restore_from_queue_to_done(store: &impl Store) {
    let id = one_deleted(store, 1, 10).await;
    let stream = running(store, 1, 1).await;
    push(store, &stream, vec![Event::Applying { steps: vec![(0, id, true)] }]).await.expect("applying");
    assert_eq!(one(store, id).await.state, EntryState::Restoring);
    let items = vec![item(0, id, 10, ItemState::Done, Some(20))];
    push(store, &stream, vec![Event::Applied { items }]).await.expect("applied");
    let entry = one(store, id).await;
    assert_eq!((entry.state, entry.restored_as), (EntryState::Restored, Some(contact(20))));
    push(store, &stream, vec![Event::JobMoved { to: JobState::Done, reason: None }]).await.expect("moved");
    let job = now(store, 1).await;
    assert_eq!((job.state, job.done, job.total, job.plan), (JobState::Done, 1, 1, plan(1)));
    assert_eq!(store.successor("acme", &contact(10)).await.expect("read"), Some(contact(20)));
    assert_eq!(store.stats().await.expect("stats").entries, 0);
    assert!(store.in_bin("acme", &contact(10)).await.expect("read").is_none());
}

pub(crate) async fn the_newest_item_counts(store: &impl Store) {
    let id = one_deleted(store, 1, 10).await;
    let stream = running(store, 1, 1).await;
    apply(store, &stream, item(0, id, 10, ItemState::Failed, None)).await;
    assert_eq!((now(store, 1).await.failed, now(store, 1).await.done), (1, 0));
    apply(store, &stream, item(0, id, 10, ItemState::Done, Some(20))).await;
    assert_eq!((now(store, 1).await.failed, now(store, 1).await.done), (0, 1));
    let again = Event::Applied { items: vec![item(0, id, 10, ItemState::Done, Some(20))] };
    push(store, &stream, vec![again]).await.expect("said once more");
    assert_eq!(now(store, 1).await.done, 1);
    let items = store.items(job(1), 9, None).await.expect("items").rows;
    assert_eq!((items.len(), items[0].state), (1, ItemState::Done));
}

pub(crate) async fn items_in_the_order_of_the_plan(store: &impl Store) {
    let ids = deleted(store, 1, (0..5).map(|n| snapshot(n, "A")).collect()).await;
    let stream = running(store, 1, 5).await;
    for n in [3_u8, 0, 4, 1, 2] {
        let one = item(n.into(), ids[usize::from(n)], n.into(), ItemState::Skipped, None);
        apply(store, &stream, one).await;
    }
    let first = store.items(job(1), 3, None).await.expect("items");
    let rest = store.items(job(1), 3, first.next.as_deref()).await.expect("items");
    let steps: Vec<u32> = first.rows.iter().chain(&rest.rows).map(|item| item.step).collect();
    assert_eq!((steps, rest.next), (vec![0, 1, 2, 3, 4], None));
    assert_eq!(now(store, 1).await.skipped, 5);
    assert_eq!(one(store, ids[0]).await.state, EntryState::Deleted);
}

pub(crate) async fn jobs_newest_first(store: &impl Store) {
    for n in 1..=3 {
        running(store, n, 1).await;
    }
    let first = store.jobs(2, None).await.expect("jobs");
    let rest = store.jobs(2, first.next.as_deref()).await.expect("jobs");
    let ids: Vec<_> = first.rows.iter().chain(&rest.rows).map(|job| job.id).collect();
    assert_eq!((ids, rest.next), (vec![job(3), job(2), job(1)], None));
}

pub(crate) async fn reports_and_reasons(store: &impl Store) {
    let stream = running(store, 1, 1).await;
    let report = Report { compared: 7, ..Report::default() };
    let moved = Event::JobMoved { to: JobState::Partial, reason: Some("limits".into()) };
    push(store, &stream, vec![Event::Reported { report: report.clone() }, moved]).await.expect("reported");
    let job = now(store, 1).await;
    assert_eq!((job.report, job.reason.as_deref()), (Some(report), Some("limits")));
}

pub(crate) async fn doubt_is_kept(store: &impl Store) {
    let id = one_deleted(store, 1, 10).await;
    let stream = running(store, 1, 1).await;
    apply(store, &stream, item(0, id, 10, ItemState::NeedsReview, None)).await;
    let entry = one(store, id).await;
    assert_eq!((entry.state, entry.reason.as_deref()), (EntryState::NeedsReview, Some("alive")));
    assert_eq!(now(store, 1).await.needs_review, 1);
    assert!(store.in_bin("acme", &contact(10)).await.expect("read").is_some());
}

pub(crate) async fn failed_goes_back_to_the_bin(store: &impl Store) {
    let id = one_deleted(store, 1, 10).await;
    let stream = running(store, 1, 1).await;
    apply(store, &stream, item(0, id, 10, ItemState::Failed, None)).await;
    assert_eq!(one(store, id).await.state, EntryState::Deleted);
    assert_eq!(store.successors("acme"), 0);
}

pub(crate) async fn what_waits_for_one_job_is_not_let_go_by_another(store: &impl Store) {
    let id = one_deleted(store, 1, 10).await;
    let (first, second) = (running(store, 1, 1).await, running(store, 2, 1).await);
    push(store, &first, vec![Event::Applying { steps: vec![(0, id, true)] }]).await.expect("applying");
    for state in [ItemState::Skipped, ItemState::Failed] {
        let items = vec![item(0, id, 10, state, None)];
        push(store, &second, vec![Event::Applied { items }]).await.expect("applied");
        assert_eq!(one(store, id).await.state, EntryState::Restoring);
    }
    let items = vec![item(0, id, 10, ItemState::Skipped, None)];
    push(store, &first, vec![Event::Applied { items }]).await.expect("applied");
    assert_eq!(one(store, id).await.state, EntryState::Deleted);
}

/// Three restores of one record, each under a new id, by operations and jobs from `first` on.
pub(crate) async fn successors_are_followed_from(store: &impl Store, first: u128) {
    for n in 1..=3 {
        let id = one_deleted(store, first + n, n * 10).await;
        let stream = running(store, first + n, 1).await;
        apply(store, &stream, item(0, id, n * 10, ItemState::Done, Some(n * 10 + 10))).await;
    }
}

pub(crate) async fn successors_are_followed(store: &impl Store) {
    successors_are_followed_from(store, 0).await;
    assert_eq!(store.successor("acme", &contact(10)).await.expect("read"), Some(contact(40)));
    assert_eq!(store.successor("acme", &contact(30)).await.expect("read"), Some(contact(40)));
    assert_eq!(store.successor("acme", &contact(40)).await.expect("read"), None);
    assert_eq!(store.successor("beta", &contact(10)).await.expect("read"), None);
    assert_eq!((store.successors("acme"), store.successors("beta")), (3, 0));
}

pub(crate) async fn a_record_restored_every_night_is_still_followed(store: &impl Store) {
    for n in 1..=40 {
        let id = one_deleted(store, n, n * 10).await;
        let stream = running(store, n, 1).await;
        apply(store, &stream, item(0, id, n * 10, ItemState::Done, Some(n * 10 + 10))).await;
    }
    assert_eq!(store.successor("acme", &contact(10)).await.expect("read"), Some(contact(410)));
}

pub(crate) async fn a_failed_attempt_leaves_what_is_in_doubt_in_doubt(store: &impl Store) {
    let id = one_deleted(store, 1, 10).await;
    let stream = running(store, 1, 2).await;
    apply(store, &stream, item(0, id, 10, ItemState::NeedsReview, None)).await;
    let failed = vec![item(1, id, 10, ItemState::Failed, None)];
    push(store, &stream, vec![Event::Applied { items: failed }]).await.expect("it may be said");
    assert_eq!(one(store, id).await.state, EntryState::NeedsReview);
}

pub(crate) async fn a_circle_of_successors_is_refused(store: &impl Store) {
    let first = one_deleted(store, 1, 10).await;
    let stream = running(store, 1, 2).await;
    apply(store, &stream, item(0, first, 10, ItemState::Done, Some(20))).await;
    let second = one_deleted(store, 2, 20).await;
    let error = try_apply(store, &stream, item(1, second, 20, ItemState::Done, Some(10))).await.expect_err("refused");
    assert!(matches!(error, ArchiveError::Invalid(_)), "{error}");
    assert_eq!(store.successor("acme", &contact(10)).await.expect("read"), Some(contact(20)));
    assert_eq!(one(store, second).await.state, EntryState::Deleted);
}

pub(crate) async fn the_same_id_back_ends_a_chain(store: &impl Store) {
    let first = one_deleted(store, 1, 10).await;
    let stream = running(store, 1, 2).await;
    apply(store, &stream, item(0, first, 10, ItemState::Done, Some(20))).await;
    let second = one_deleted(store, 2, 10).await;
    apply(store, &stream, item(1, second, 10, ItemState::Done, Some(10))).await;
    assert_eq!(store.successor("acme", &contact(10)).await.expect("read"), None);
    assert_eq!(store.successors("acme"), 0);
}

pub(crate) async fn a_job_moves_only_as_it_may(store: &impl Store) {
    let stream = running(store, 1, 1).await;
    push(store, &stream, vec![Event::JobMoved { to: JobState::Cancelled, reason: None }]).await.expect("moved");
    let error = push(store, &stream, vec![Event::JobMoved { to: JobState::Running, reason: None }]).await;
    assert!(matches!(error, Err(ArchiveError::Invalid(_))));
    assert_eq!(now(store, 1).await.state, JobState::Cancelled);
}

pub(crate) async fn time_left_while_it_runs(store: &impl Store) {
    let ids = deleted(store, 1, (0..4).map(|n| snapshot(n, "A")).collect()).await;
    let stream = running(store, 1, 4).await;
    assert_eq!(now(store, 1).await.eta_seconds, Some(100));
    apply(store, &stream, item(0, ids[0], 0, ItemState::Done, Some(20))).await;
    assert_eq!(now(store, 1).await.eta_seconds, Some(75));
    push(store, &stream, vec![Event::JobMoved { to: JobState::Paused, reason: None }]).await.expect("moved");
    assert_eq!(now(store, 1).await.eta_seconds, None);
}

pub(crate) async fn undone(store: &impl Store) {
    let id = one_deleted(store, 1, 10).await;
    let stream = running(store, 1, 1).await;
    apply(store, &stream, item(0, id, 10, ItemState::Done, Some(20))).await;
    push(store, &Stream::operation(op(1)), vec![Event::Undone { job: job(1) }]).await.expect("undone");
    let operation = store.operation(op(1)).await.expect("read").expect("there");
    assert_eq!(operation.state, OperationState::Undone);
}

pub(crate) async fn a_plan_comes_back(store: &impl Store) {
    running(store, 1, 1).await;
    assert_eq!(store.plan(plan(1)).await.expect("read"), Some(planned(1)));
}

pub(crate) async fn links_wait(store: &impl Store) {
    let id = one_deleted(store, 1, 10).await;
    let stream = Stream::waiting("acme", &contact(5));
    let waits = Event::LinkWaits { end: contact(5), entry: id, job: job(1) };
    push(store, &stream, vec![waits.clone()]).await.expect("appended");
    assert_eq!(store.streams("waiting/acme/").await.expect("streams"), [(stream.clone(), 1)]);
    assert_eq!(store.read(&stream, 0).await.expect("read")[0].event, waits);
}
