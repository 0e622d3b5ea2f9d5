use std::time::Duration;

use crate::domain::entry::EntryState;
use crate::domain::ids::EntryId;
use crate::domain::job::{Job, JobState};
use crate::engine::EngineError;
use crate::engine::fake_crm::{FakeCrm, Fault};
use crate::engine::fake_world::Fake;
use crate::engine::jobs::verbs::Verb;

/// Six contacts in the bin, and a job that stands in its first batch of two.
async fn held() -> (Fake, Vec<EntryId>, Job) {
    let mut fake = Fake::idle();
    let snapshots = (1..=6).map(|number| FakeCrm::snapshot(&format!("contacts/{number}"), None, &[], &[]));
    let (_, entries) = fake.delete(snapshots.collect()).await;
    let plan = fake.plan(&entries).await.unwrap();
    // Every write waits for a permit.
    fake.crm.gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let mut fake = Fake::over(fake.store.clone(), fake.crm.clone());
    fake.start();
    let job = fake.engine.apply(plan.id, &plan.digest, "anna").await.unwrap();
    let first = entries[0];
    let store = fake.store.clone();
    tokio::time::timeout(Duration::from_secs(20), async move {
        while store.entry(first).await.unwrap().unwrap().state != EntryState::Restoring {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the first batch is announced");
    (fake, entries, job)
}

fn made(fake: &Fake) -> usize {
    fake.crm.world().made.len()
}

#[tokio::test]
async fn a_pause_is_heeded_after_the_batch_and_a_resume_goes_on() {
    let (fake, _, job) = held().await;
    fake.engine.steer(job.id, Verb::Pause).await.unwrap();
    fake.crm.gate.add_permits(1);
    fake.in_state(job.id, JobState::Paused).await;
    assert_eq!(made(&fake), 2);
    fake.crm.gate.add_permits(9);
    assert_eq!(fake.engine.steer(job.id, Verb::Pause).await.unwrap().state, JobState::Paused);
    fake.engine.steer(job.id, Verb::Resume).await.unwrap();
    assert_eq!(fake.ended(job.id).await.state, JobState::Done);
    assert_eq!(made(&fake), 6);
}

#[tokio::test]
async fn what_is_cancelled_keeps_what_came_back_and_reports_it() {
    let (fake, entries, job) = held().await;
    fake.engine.steer(job.id, Verb::Cancel).await.unwrap();
    // Too late to change one's mind.
    fake.engine.steer(job.id, Verb::Resume).await.unwrap();
    fake.crm.gate.add_permits(9);
    let job = fake.ended(job.id).await;
    assert_eq!((job.state, job.done), (JobState::Cancelled, 2));
    assert_eq!(job.report.expect("what came back was read back").compared, 2);
    assert_eq!(fake.entry(entries[0]).await.state, EntryState::Restored);
    assert_eq!(fake.entry(entries[5]).await.state, EntryState::Deleted);
    let error = fake.engine.steer(job.id, Verb::Retry).await.expect_err("it is over");
    assert!(matches!(error, EngineError::Stale { code: "wrong_state", .. }));
}

#[tokio::test]
async fn a_shutdown_finishes_the_batch_and_the_next_process_goes_on() {
    let (mut fake, _, job) = held().await;
    let gate = fake.crm.gate.clone();
    let opened = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        gate.add_permits(1);
    });
    fake.stop().await;
    opened.await.unwrap();
    let left = fake.engine.job(job.id).await.unwrap();
    assert_eq!((left.state, left.done, made(&fake)), (JobState::Queued, 2, 2));
    fake.crm.gate.add_permits(9);
    let mut next = Fake::over(fake.store.clone(), fake.crm.clone());
    next.start();
    assert_eq!(next.ended(job.id).await.state, JobState::Done);
    assert_eq!(made(&next), 6);
}

#[tokio::test]
async fn a_busy_crm_is_waited_for() {
    let fake = Fake::running();
    let (_, entries) = fake.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
    fake.crm.world().faults.extend([Fault::Transient, Fault::Transient]);
    let job = fake.restore(&entries).await;
    assert_eq!((job.state, fake.crm.copies("contacts/1")), (JobState::Done, 1));
}

#[tokio::test]
async fn a_token_that_is_refused_pauses_the_job() {
    let fake = Fake::running();
    let (_, entries) = fake.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
    fake.crm.world().faults.push_back(Fault::Unauthorized);
    let plan = fake.plan(&entries).await.unwrap();
    let job = fake.engine.apply(plan.id, &plan.digest, "anna").await.unwrap();
    let job = fake.in_state(job.id, JobState::Paused).await;
    assert_eq!(job.reason.as_deref(), Some("crm_refused"));
    // It waits for this job, and for no other.
    assert_eq!(fake.entry(entries[0]).await.state, EntryState::Restoring);
    assert_eq!(fake.plan(&entries).await.unwrap().steps[0].reason.as_deref(), Some("restoring"));
    fake.engine.steer(job.id, Verb::Resume).await.unwrap();
    assert_eq!(fake.ended(job.id).await.state, JobState::Done);
}

#[tokio::test]
async fn a_job_that_is_cancelled_while_it_is_paused_lets_its_entries_go() {
    let fake = Fake::running();
    let (_, entries) = fake.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
    fake.crm.world().faults.push_back(Fault::Unauthorized);
    let plan = fake.plan(&entries).await.unwrap();
    let job = fake.engine.apply(plan.id, &plan.digest, "anna").await.unwrap();
    fake.in_state(job.id, JobState::Paused).await;
    assert_eq!(fake.engine.steer(job.id, Verb::Cancel).await.unwrap().state, JobState::Cancelled);
    assert_eq!(fake.entry(entries[0]).await.state, EntryState::Deleted);
    assert_eq!(fake.restore(&entries).await.state, JobState::Done);
    assert_eq!(fake.crm.copies("contacts/1"), 1);
}

#[tokio::test]
async fn what_was_refused_fails_with_what_needs_it_and_is_retried() {
    let fake = Fake::running();
    let one = FakeCrm::snapshot("contacts/1", None, &["notes/11"], &[]);
    let (_, entries) = fake.delete(vec![one, FakeCrm::snapshot("contacts/2", None, &[], &[])]).await;
    fake.crm.world().faults.push_back(Fault::Refuse("contacts/1".parse().unwrap()));
    let job = fake.restore(&entries).await;
    assert_eq!(job.state, JobState::Partial);
    let expected = ["contacts/1 failed invalid", "contacts/2 done", "notes/11 failed need_failed"];
    assert_eq!(fake.items(job.id).await, expected);
    let report = job.report.expect("at the end");
    assert!(report.losses.iter().any(|lost| lost.loss.reason == "invalid" && !lost.announced));
    assert_eq!(fake.entry(entries[0]).await.state, EntryState::Deleted);

    fake.engine.steer(job.id, Verb::Retry).await.unwrap();
    let job = fake.in_state(job.id, JobState::Done).await;
    assert_eq!((job.done, job.failed), (3, 0));
    assert_eq!((fake.crm.copies("contacts/1"), fake.crm.copies("contacts/2")), (1, 1));
}
