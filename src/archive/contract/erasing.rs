//! What is erased cannot be read or found, and everything else stays.

use serde_json::json;
use uuid::Uuid;

use super::made::{
    all, contact, delete, deleted, entry, item, job, one, plan, planned, push, running, snapshot, titles,
};
use crate::archive::{Act, ArchiveError, EntryFilter, Store};
use crate::domain::entry::EntryState;
use crate::domain::event::{Event, Recorded, Stream};
use crate::domain::ids::ErasureId;
use crate::domain::job::{ItemState, JobState, Report};
use crate::domain::plan::{Step, What};
use crate::domain::restore::Loss;

pub(crate) fn act() -> Act {
    Act { erasure: ErasureId(Uuid::from_u128(7)), reason: "asked for".into(), by: "vera".into() }
}

pub(crate) async fn erase(store: &impl Store, id: u128) -> Result<Recorded, ArchiveError> {
    let what = store.erasable("acme", &contact(id)).await?;
    store.erase(&what, act()).await
}

async fn found(store: &impl Store, q: &str) -> usize {
    let filter = EntryFilter { q: Some(q.into()), states: vec![EntryState::Deleted, EntryState::Erased], ..all() };
    store.entries(&filter).await.expect("searched").rows.len()
}

pub(crate) async fn an_erased_record_is_gone_and_others_stay(store: &impl Store) {
    let (anna, boris) = (snapshot(1, "Anna Serova"), snapshot(2, "Boris"));
    let ids = deleted(store, 1, vec![anna.clone(), boris.clone()]).await;
    let older = deleted(store, 2, vec![snapshot(1, "Anna before")]).await;
    let what = store.erasable("acme", &contact(1)).await.expect("looked");
    assert_eq!((what.entries.clone(), what.snapshots.len()), (vec![ids[0], older[0]], 2));
    let Event::Erased(erased) = store.erase(&what, act()).await.expect("erased").event else { panic!("an erasure") };
    assert_eq!((&erased.entries, erased.reason.as_str(), erased.by.as_str()), (&what.entries, "asked for", "vera"));
    assert!(!serde_json::to_string(&erased).expect("JSON").contains("Anna") && erased.subject.len() == 64);
    assert!(matches!(store.get(&anna.id()).await, Err(ArchiveError::NotFound(_))));
    assert!(store.history("acme", &contact(1)).await.expect("history").is_empty());
    for id in &what.entries {
        let row = one(store, *id).await;
        assert_eq!((row.state, row.title.as_str()), (EntryState::Erased, ""));
    }
    assert_eq!(titles(store, &all()).await, ["Boris"]);
    assert_eq!([found(store, "serova").await, found(store, "1").await, found(store, "boris").await], [0, 0, 1]);
    assert_eq!(store.get(&boris.id()).await.expect("whole"), boris);
    assert!(store.in_bin("acme", &contact(1)).await.expect("asked").is_none());
    assert_eq!(store.stats().await.expect("stats").entries, 1);
    assert!(matches!(erase(store, 1).await, Err(ArchiveError::NotFound(_))), "nothing is left to erase");
}

pub(crate) async fn an_erased_record_is_never_restored(store: &impl Store) {
    let ids = deleted(store, 1, vec![snapshot(1, "Anna")]).await;
    let stream = running(store, 1, 1).await;
    push(store, &stream, vec![Event::JobMoved { to: JobState::Done, reason: None }]).await.expect("over");
    erase(store, 1).await.expect("erased");
    let stream = running(store, 2, 1).await;
    let applying = Event::Applying { steps: vec![(0, ids[0], true)] };
    assert!(matches!(push(store, &stream, vec![applying]).await, Err(ArchiveError::Invalid(_))));
    assert_eq!(one(store, ids[0]).await.state, EntryState::Erased);
}

pub(crate) async fn what_is_under_way_is_not_erased(store: &impl Store) {
    let ids = delete(store, 1, vec![snapshot(1, "Anna")]).await;
    assert!(matches!(erase(store, 1).await, Err(ArchiveError::Invalid(_))));
    assert_eq!(one(store, ids[0]).await.state, EntryState::Unknown);
    let what = store.erasable("acme", &contact(1)).await.expect("looked");
    deleted(store, 2, vec![snapshot(1, "Anna again")]).await;
    assert!(matches!(store.erase(&what, act()).await, Err(ArchiveError::Invalid(_))), "it has changed");
    assert!(store.get(&snapshot(1, "Anna").id()).await.is_ok());
}

pub(crate) async fn a_record_may_come_again(store: &impl Store) {
    deleted(store, 1, vec![snapshot(1, "Anna")]).await;
    erase(store, 1).await.expect("erased");
    // The very same content, and other content.
    let ids = deleted(store, 2, vec![snapshot(1, "Anna")]).await;
    assert_eq!(store.get(&snapshot(1, "Anna").id()).await.expect("kept anew"), snapshot(1, "Anna"));
    assert_eq!(
        (one(store, ids[0]).await.state, one(store, entry(100)).await.state),
        (EntryState::Deleted, EntryState::Erased)
    );
    assert_eq!(found(store, "anna").await, 1);
    erase(store, 1).await.expect("erased again");
    assert_eq!(found(store, "anna").await, 0);
    assert!(matches!(store.get(&snapshot(1, "Anna").id()).await, Err(ArchiveError::NotFound(_))));
}

fn step_of(n: u128, id: u128) -> Step {
    Step {
        number: 0,
        wave: 0,
        what: What::Recreate,
        record: contact(id),
        entry: entry(n * 100),
        root: true,
        needs: Vec::new(),
        after: Vec::new(),
        reason: None,
        write: Some(json!({"name": "Anna Serova"})),
    }
}

pub(crate) async fn plans_and_reports_go_with_it(store: &impl Store) {
    let ids = deleted(store, 1, vec![snapshot(1, "Anna"), snapshot(2, "Boris")]).await;
    let mut made = planned(1);
    made.steps = vec![step_of(1, 1)];
    let of_anna = Event::PlanMade { plan: Box::new(made.clone()), by: "anna".into() };
    store.append(&Stream::plan(plan(1)), 0, vec![of_anna.clone()]).await.expect("planned");
    let queued = Event::JobQueued {
        job: job(1),
        plan: plan(1),
        kind: made.kind,
        connection: "acme".into(),
        total: 1,
        by: "anna".into(),
    };
    let runs = Event::JobMoved { to: JobState::Running, reason: None };
    let loss =
        Loss { record: contact(2), field: "name".into(), reason: "read_only".into(), detail: "Anna Serova".into() };
    let mut came = item(0, ids[1], 2, ItemState::Done, Some(20));
    came.losses = vec![loss];
    let applying = Event::Applying { steps: vec![(0, ids[1], true)] };
    let report = Event::Reported { report: Report { compared: 3, ..Report::default() } };
    let done = Event::JobMoved { to: JobState::Done, reason: None };
    let events = vec![queued, runs, applying, Event::Applied { items: vec![came] }, report, done];
    store.append(&Stream::job(job(1)), 0, events).await.expect("ran");
    let other = planned(2);
    push(store, &Stream::plan(plan(2)), vec![Event::PlanMade { plan: Box::new(other.clone()), by: "b".into() }])
        .await
        .expect("planned");
    let what = store.erasable("acme", &contact(1)).await.expect("looked");
    assert_eq!((what.plans.as_slice(), what.jobs.as_slice()), (&[plan(1)][..], &[job(1)][..]));
    store.erase(&what, act()).await.expect("erased");
    assert!(store.plan(plan(1)).await.expect("asked").is_none());
    assert_eq!(store.plan(plan(2)).await.expect("asked"), Some(other));
    let kept = store.job(job(1)).await.expect("asked").expect("there");
    assert_eq!((kept.state, kept.done, kept.report), (JobState::Done, 1, None));
    let items = store.items(job(1), 10, None).await.expect("asked").rows;
    assert_eq!((items.len(), items[0].losses.len(), items[0].restored_as.clone()), (1, 0, Some(contact(20))));
    // What came back under which id concerns the other record, and stays.
    assert_eq!(store.successor("acme", &contact(2)).await.expect("asked"), Some(contact(20)));
    let log = serde_json::to_string(&store.audit(100, None).await.expect("audit").rows).expect("JSON");
    assert!(!log.contains("Serova") && log.contains("plan_made"), "{log}");
    // A plan that was being made meanwhile does not bring the values back.
    let late = Event::PlanMade { plan: Box::new(made), by: "anna".into() };
    assert!(matches!(push(store, &Stream::plan(plan(3)), vec![late]).await, Err(ArchiveError::Invalid(_))));
}
