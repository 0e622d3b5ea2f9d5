use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

use crate::archive::memory::Memory;
use crate::domain::entry::EntryState;
use crate::domain::job::JobState;
use crate::domain::world::Clock;
use crate::engine::EngineError;
use crate::engine::fake_crm::{FakeCrm, Fault};
use crate::engine::fake_world::Fake;
use crate::engine::jobs::verbs::Verb;

fn stale(result: Result<crate::domain::job::Job, EngineError>) -> &'static str {
    match result {
        Err(EngineError::Stale { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_plan_is_applied_once_and_only_as_it_was_shown() {
    let fake = Fake::running();
    let (_, entries) = fake.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
    let plan = fake.plan(&entries).await.unwrap();
    assert_eq!(stale(fake.engine.apply(plan.id, "another", "anna").await), "plan_changed");
    let later = fake.plan(&entries).await.unwrap();
    assert_eq!(later.digest, plan.digest, "the same facts, the same digest");
    let first = fake.engine.apply(plan.id, &plan.digest, "anna").await.unwrap();
    let again = fake.engine.apply(plan.id, &plan.digest, "boris").await.unwrap();
    assert_eq!(first.id, again.id);
    fake.ended(first.id).await;
    // The other plan says that the record is to be made; by now it is there.
    assert_eq!(stale(fake.engine.apply(later.id, &later.digest, "boris").await), "plan_changed");
    assert_eq!(fake.engine.apply(plan.id, &plan.digest, "anna").await.unwrap().id, first.id);
    assert_eq!(fake.crm.copies("contacts/1"), 1);
}

#[tokio::test]
async fn of_many_who_restore_one_record_one_does() {
    let mut fake = Fake::idle();
    let snapshot = FakeCrm::snapshot("contacts/1", None, &["notes/11"], &[]);
    let (_, entries) = fake.delete(vec![snapshot]).await;
    let mut jobs = Vec::new();
    for _ in 0..8 {
        let plan = fake.plan(&entries).await.unwrap();
        jobs.push(fake.engine.apply(plan.id, &plan.digest, "anna").await.unwrap().id);
    }
    fake.start();
    for (number, id) in jobs.into_iter().enumerate() {
        let job = fake.ended(id).await;
        assert_eq!(job.state, JobState::Done);
        let expected: &[&str] = if number == 0 {
            &["contacts/1 done", "notes/11 done"]
        } else {
            &["contacts/1 skipped restored", "notes/11 skipped restored"]
        };
        assert_eq!(fake.items(id).await, expected);
    }
    assert_eq!((fake.crm.copies("contacts/1"), fake.crm.copies("notes/11")), (1, 1));
}

#[tokio::test]
async fn what_came_back_on_the_crms_own_screens_is_not_made() {
    let mut fake = Fake::idle();
    let (_, entries) = fake.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
    let plan = fake.plan(&entries).await.unwrap();
    let job = fake.engine.apply(plan.id, &plan.digest, "anna").await.unwrap();
    fake.crm.world().alive.insert("contacts/1".parse().unwrap(), "anna brought it back".into());
    fake.start();
    fake.ended(job.id).await;
    assert_eq!(fake.items(job.id).await, ["contacts/1 skipped alive"]);
    assert_eq!(fake.crm.copies("contacts/1"), 0);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_for_a_person_and_never_sent_again() {
    for happened in [true, false] {
        let fake = Fake::running();
        let snapshot = FakeCrm::snapshot("contacts/1", None, &["notes/11"], &[]);
        let (_, entries) = fake.delete(vec![snapshot]).await;
        fake.crm.world().faults.push_back(Fault::Ambiguous(happened));
        let job = fake.restore(&entries).await;
        assert_eq!(job.state, JobState::NeedsReview);
        let expected = ["contacts/1 needs_review outcome_unknown", "notes/11 failed need_failed"];
        assert_eq!(fake.items(job.id).await, expected);
        assert_eq!(fake.entry(entries[0]).await.state, EntryState::NeedsReview);
        fake.engine.steer(job.id, Verb::Retry).await.unwrap();
        fake.until(job.id, |job| job.state == JobState::NeedsReview).await;
        assert_eq!(fake.crm.copies("contacts/1"), usize::from(happened));
        assert_eq!(fake.items(job.id).await, expected);
    }
}

#[tokio::test]
async fn where_the_crm_can_tell_a_retry_finds_what_was_made_and_makes_what_was_not() {
    for happened in [true, false] {
        let fake = Fake::running();
        let snapshot = FakeCrm::snapshot("contacts/1", None, &["notes/11"], &[]);
        let (_, entries) = fake.delete(vec![snapshot]).await;
        fake.crm.world().faults.push_back(Fault::Ambiguous(happened));
        let job = fake.restore(&entries).await;
        assert_eq!(job.state, JobState::NeedsReview);
        fake.crm.world().can_find = true;
        fake.engine.steer(job.id, Verb::Retry).await.unwrap();
        fake.in_state(job.id, JobState::Done).await;
        assert_eq!((fake.crm.copies("contacts/1"), fake.crm.copies("notes/11")), (1, 1));
        assert_eq!(fake.entry(entries[0]).await.state, EntryState::Restored);
    }
}

#[tokio::test]
async fn after_a_crash_between_intent_and_outcome_nothing_is_made_twice() {
    for can_find in [true, false] {
        let dead = Fake::running();
        let (_, entries) = dead.delete(vec![FakeCrm::snapshot("contacts/1", None, &["notes/11"], &[])]).await;
        dead.crm.world().faults.push_back(Fault::Hang);
        let plan = dead.plan(&entries).await.unwrap();
        let job = dead.engine.apply(plan.id, &plan.digest, "anna").await.unwrap();
        dead.until(job.id, |_| dead.crm.copies("contacts/1") == 1).await;
        assert_eq!(dead.entry(entries[0]).await.state, EntryState::Restoring, "the intent is durable");

        // The write of the first process never returns; a second process finds its history.
        dead.crm.world().can_find = can_find;
        let mut fake = Fake::over(dead.store.clone(), dead.crm.clone());
        fake.start();
        let job = fake.ended(job.id).await;
        let (state, copies) = if can_find { (JobState::Done, 1) } else { (JobState::NeedsReview, 0) };
        assert_eq!(job.state, state, "{:?}", fake.items(job.id).await);
        assert_eq!((fake.crm.copies("contacts/1"), fake.crm.copies("notes/11")), (1, copies));
    }
}

#[tokio::test]
async fn what_needs_review_is_made_again_only_when_a_person_names_it() {
    let fake = Fake::running();
    let (operation, entries) = fake.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
    fake.crm.world().faults.push_back(Fault::Ambiguous(false));
    fake.restore(&entries).await;
    let of = crate::engine::restore::Wanted::Operation(operation);
    let ask = crate::engine::restore::RestoreAsk { of, include_parents: true };
    let whole = fake.engine.plan_restore(ask, "anna").await.unwrap();
    assert_eq!(whole.steps[0].reason.as_deref(), Some("needs_review"));
    let named = fake.plan(&entries).await.unwrap();
    assert_eq!(named.losses[0].reason, "maybe_restored");
    let job = fake.engine.apply(named.id, &named.digest, "anna").await.unwrap();
    assert_eq!(fake.ended(job.id).await.state, JobState::Done);
    assert_eq!(fake.crm.copies("contacts/1"), 1);
}

#[tokio::test]
async fn a_bug_in_one_job_leaves_it_to_a_person_and_the_line_moves_on() {
    let fake = Fake::running();
    let snapshots = vec![FakeCrm::snapshot("contacts/1", None, &[], &[]), FakeCrm::snapshot("leads/1", None, &[], &[])];
    let (_, entries) = fake.delete(snapshots).await;
    fake.crm.world().faults.push_back(Fault::Panic);
    let job = fake.restore(&entries[..1]).await;
    assert_eq!((job.state, job.reason.as_deref()), (JobState::NeedsReview, Some("internal")));
    assert_eq!(fake.items(job.id).await, ["contacts/1 needs_review outcome_unknown"]);
    assert_eq!(fake.restore(&entries[1..]).await.state, JobState::Done);
    assert_eq!(fake.crm.copies("contacts/1"), 1);
}

#[tokio::test]
async fn what_may_have_been_sent_when_a_job_is_cancelled_is_for_a_person() {
    let dead = Fake::running();
    let (_, entries) = dead.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
    dead.crm.world().faults.push_back(Fault::Hang);
    let plan = dead.plan(&entries).await.unwrap();
    let job = dead.engine.apply(plan.id, &plan.digest, "anna").await.unwrap();
    dead.until(job.id, |_| dead.crm.copies("contacts/1") == 1).await;
    // A second process, in which the job does not run yet.
    let fake = Fake::over(dead.store.clone(), dead.crm.clone());
    assert_eq!(fake.engine.steer(job.id, Verb::Cancel).await.unwrap().state, JobState::Cancelled);
    assert_eq!(fake.entry(entries[0]).await.state, EntryState::NeedsReview);
}

#[tokio::test]
async fn what_an_earlier_job_left_in_doubt_is_not_made_by_the_next_in_line() {
    let mut fake = Fake::idle();
    let (_, entries) = fake.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
    let mut jobs = Vec::new();
    for _ in 0..2 {
        let plan = fake.plan(&entries).await.unwrap();
        jobs.push(fake.engine.apply(plan.id, &plan.digest, "anna").await.unwrap().id);
    }
    fake.crm.world().faults.push_back(Fault::Ambiguous(true));
    // The CRM does not show at once what it has made.
    fake.crm.world().forgets = true;
    fake.start();
    assert_eq!(fake.ended(jobs[0]).await.state, JobState::NeedsReview);
    fake.ended(jobs[1]).await;
    assert_eq!(fake.items(jobs[1]).await, ["contacts/1 skipped needs_review"]);
    assert_eq!(fake.crm.copies("contacts/1"), 1);
}

#[tokio::test]
async fn what_a_paused_job_may_have_made_stays_its_own_when_another_job_leaves_it_alone() {
    let dead = Fake::running();
    let (_, entries) = dead.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
    dead.crm.world().faults.push_back(Fault::Hang);
    let plan = dead.plan(&entries).await.unwrap();
    let first = dead.engine.apply(plan.id, &plan.digest, "anna").await.unwrap().id;
    dead.until(first, |_| dead.crm.copies("contacts/1") == 1).await;

    // The process ends; a second one is told to leave the job as it is.
    dead.crm.world().can_find = true;
    let mut fake = Fake::over(dead.store.clone(), dead.crm.clone());
    fake.engine.steer(first, Verb::Pause).await.unwrap();
    fake.start();
    let second = fake.restore(&entries).await;
    assert_eq!(fake.items(second.id).await, ["contacts/1 skipped restoring"]);
    assert_eq!(fake.entry(entries[0]).await.state, EntryState::Restoring);
    fake.restore(&entries).await;
    assert_eq!(fake.crm.copies("contacts/1"), 1);
    fake.engine.steer(first, Verb::Resume).await.unwrap();
    assert_eq!(fake.in_state(first, JobState::Done).await.done, 1);
    assert_eq!(fake.crm.copies("contacts/1"), 1);
}

#[tokio::test]
async fn a_job_that_may_not_look_ends_also_for_what_was_in_doubt() {
    let first = Fake::running();
    let (_, entries) = first.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
    first.crm.world().faults.push_back(Fault::Ambiguous(false));
    first.restore(&entries).await;
    let mut fake = Fake::over(first.store.clone(), first.crm.clone());
    let plan = fake.plan(&entries).await.unwrap();
    let job = fake.engine.apply(plan.id, &plan.digest, "anna").await.unwrap();
    fake.crm.world().forbidden = true;
    fake.start();
    let job = fake.ended(job.id).await;
    assert_eq!(job.state, JobState::Failed);
    assert_eq!(fake.entry(entries[0]).await.state, EntryState::NeedsReview);
}

#[tokio::test]
async fn what_another_job_has_restored_since_is_not_looked_for_any_more() {
    let fake = Fake::running();
    let (_, entries) = fake.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
    fake.crm.world().faults.push_back(Fault::Ambiguous(true));
    let doubtful = fake.restore(&entries).await;
    // A person looks, removes the copy, and wants the entry back by its name.
    fake.crm.world().alive.clear();
    assert_eq!(fake.restore(&entries).await.state, JobState::Done);
    let restored_as = fake.entry(entries[0]).await.restored_as;
    fake.crm.world().can_find = true;
    fake.engine.steer(doubtful.id, Verb::Retry).await.unwrap();
    fake.in_state(doubtful.id, JobState::Done).await;
    assert_eq!(fake.items(doubtful.id).await, ["contacts/1 skipped restored"]);
    assert_eq!(fake.entry(entries[0]).await.restored_as, restored_as);
}

#[tokio::test]
async fn what_was_made_and_deleted_again_is_not_made_a_second_time_by_a_retry() {
    let fake = Fake::running();
    let (_, entries) = fake.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
    fake.crm.world().forgets = true;
    let job = fake.restore(&entries).await;
    assert_eq!(fake.items(job.id).await, ["contacts/1 needs_review not_read_back"]);
    let made = fake.crm.world().made.remove(0).1;
    // It was there after all, and a caller has deleted it under its new name.
    fake.delete(vec![FakeCrm::snapshot(&made.to_string(), None, &[], &[])]).await;
    fake.crm.world().can_find = true;
    fake.engine.steer(job.id, Verb::Retry).await.unwrap();
    fake.in_state(job.id, JobState::Done).await;
    assert_eq!(fake.items(job.id).await, ["contacts/1 skipped newer_copy"]);
    assert!(fake.crm.world().made.is_empty());
}

/// Of a ledger: it can be set.
#[derive(Debug)]
struct Wrong(Mutex<SignedDuration>);
impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        Timestamp::now() + *self.0.lock().unwrap()
    }
}

#[tokio::test]
async fn a_copy_whose_answer_was_lost_and_that_was_deleted_again_is_not_made_a_second_time() {
    for hours in [0, -39] {
        let clock = Arc::new(Wrong(Mutex::default()));
        let mut fake = Fake::over(Arc::new(Memory::new(clock.clone())), FakeCrm::new());
        fake.start();
        fake.crm.world().can_find = true;
        let (_, entries) = fake.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
        fake.crm.world().faults.push_back(Fault::Ambiguous(true));
        let job = fake.restore(&entries).await;
        assert_eq!(job.state, JobState::NeedsReview);
        // It was made, and somebody deletes it through the gateway before anybody has looked: under another name, or after
        // the clock was set.
        let copy = fake.crm.world().made[0].1.clone();
        fake.crm.world().alive.clear();
        *clock.0.lock().unwrap() = SignedDuration::from_hours(hours);
        let mut snapshot = FakeCrm::snapshot("contacts/1", None, &[], &[]);
        snapshot.of = copy;
        snapshot.title = "edited since".into();
        fake.delete(vec![snapshot]).await;
        fake.engine.steer(job.id, Verb::Retry).await.unwrap();
        fake.until(job.id, |job| job.state == JobState::NeedsReview).await;
        assert_eq!(fake.crm.copies("contacts/1"), 1);
    }
}

#[tokio::test]
async fn a_lost_answer_is_no_reason_to_doubt_what_was_deleted_before() {
    let fake = Fake::running();
    fake.crm.world().can_find = true;
    let (_, entries) = fake.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
    // It looks like what will be made, and is older.
    fake.crm.world().made.push(("contacts/1".parse().unwrap(), "contacts/2".parse().unwrap()));
    fake.delete(vec![FakeCrm::snapshot("contacts/2", None, &[], &[])]).await;
    fake.crm.world().made.clear();
    fake.crm.world().faults.push_back(Fault::Ambiguous(false));
    let job = fake.restore(&entries).await;
    fake.crm.world().made.push(("contacts/1".parse().unwrap(), "contacts/2".parse().unwrap()));
    fake.engine.steer(job.id, Verb::Retry).await.unwrap();
    fake.in_state(job.id, JobState::Done).await;
    assert_eq!(fake.crm.copies("contacts/1"), 2, "the one of before, and the one that was made");
}

#[tokio::test]
async fn what_hangs_on_a_copy_that_was_deleted_again_is_not_made_a_second_time() {
    let fake = Fake::running();
    fake.crm.world().can_find = true;
    let (_, entries) = fake.delete(vec![FakeCrm::snapshot("contacts/1", None, &["notes/11"], &[])]).await;
    // The record is made; whether its note is, nobody has said.
    fake.crm.world().second_fault = Some(Fault::Ambiguous(true));
    let job = fake.restore(&entries).await;
    assert_eq!(job.state, JobState::NeedsReview);
    assert_eq!((fake.crm.copies("contacts/1"), fake.crm.copies("notes/11")), (1, 1));
    // The copy is deleted through the gateway with its note, and brought back with it.
    let copy = fake.entry(entries[0]).await.restored_as.unwrap();
    fake.crm.world().alive.clear();
    let (_, again) = fake.delete(vec![FakeCrm::snapshot(&copy.to_string(), None, &["notes/9002"], &[])]).await;
    fake.restore(&again).await;
    fake.engine.steer(job.id, Verb::Retry).await.unwrap();
    fake.until(job.id, |job| job.state == JobState::NeedsReview).await;
    assert_eq!(fake.crm.copies("notes/11"), 1);
}
