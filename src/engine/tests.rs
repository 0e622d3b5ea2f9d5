//! What becomes of a delete when others act at the same time, clocks jump, or nobody may look.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::fake_crm::FakeCrm;
use super::fake_world::Fake;
use super::stop::Stop;
use crate::crm::{Access, Fetched};
use crate::domain::delete::Fate;
use crate::domain::entry::{EntryState, OperationState};
use crate::domain::event::{Event, Stream};
use crate::domain::ids::{EntryId, OperationId};
use crate::domain::plan::What;
use crate::domain::policy::Policy;
use crate::domain::world::Clock;

#[derive(Debug)]
struct Apart(SignedDuration);

impl Clock for Apart {
    fn now(&self) -> Timestamp {
        Timestamp::now() + self.0
    }
}

async fn forwarded(fake: &Fake, records: &[&str]) -> (OperationId, Vec<EntryId>) {
    let snapshots = records.iter().map(|record| FakeCrm::snapshot(record, None, &[], &[]));
    fake.forward_on("acme", snapshots.collect()).await
}

fn alive(fake: &Fake, record: &str) {
    fake.crm.world().alive.insert(record.parse().unwrap(), "it is there".into());
}

fn grace(fake: &mut Fake, settle_grace: Duration) {
    fake.engine.policy = Arc::new(Policy { settle_grace, ..Policy::default() });
}

#[tokio::test]
async fn a_delete_on_its_way_is_judged_by_nobody_but_its_sender() {
    let mut fake = Fake::idle();
    grace(&mut fake, Duration::ZERO);
    let (operation, entries) = forwarded(&fake, &["contacts/1"]).await;
    alive(&fake, "contacts/1");
    let way = fake.engine.unsettled.sets_out(operation, Access::Own);
    // Somebody plans its restore meanwhile. Were it called kept now, it would be so when the record is gone.
    assert_eq!(fake.plan(&entries).await.unwrap().steps[0].reason.as_deref(), Some("alive"));
    assert_eq!(fake.engine.settle(operation).await.unwrap(), OperationState::Open);
    assert_eq!(fake.entry(entries[0]).await.state, EntryState::Unknown);
    fake.crm.world().alive.clear();
    drop(way);
    assert_eq!(fake.engine.settle(operation).await.unwrap(), OperationState::Confirmed);
}

#[tokio::test]
async fn a_sender_that_ends_without_an_outcome_leaves_it_to_the_settler() {
    let fake = Fake::idle();
    let stop = tokio_util::sync::CancellationToken::new();
    let settler = tokio::spawn({
        let (engine, stop) = (fake.engine.clone(), stop.clone());
        async move { engine.keep_settling(stop).await }
    });
    // It has looked at what an earlier process left: nothing.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (operation, entries) = forwarded(&fake, &["contacts/1"]).await;
    drop(fake.engine.unsettled.sets_out(operation, Access::Own));
    for _ in 0..400 {
        if fake.entry(entries[0]).await.state == EntryState::Deleted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(fake.entry(entries[0]).await.state, EntryState::Deleted);
    stop.cancel();
    settler.await.unwrap();
}

#[tokio::test]
async fn what_came_back_meanwhile_does_not_keep_the_rest_unknown() {
    let mut fake = Fake::idle();
    let (operation, entries) = forwarded(&fake, &["contacts/1", "contacts/2"]).await;
    let fates = vec![(entries[0], Fate::Deleted), (entries[1], Fate::Unknown)];
    let half = Event::Settled { fates, answer: None, state: OperationState::Unknown };
    fake.store.append(&Stream::operation(operation), 2, vec![half]).await.unwrap();
    fake.start();
    fake.restore(&entries[..1]).await;
    assert_eq!(fake.entry(entries[0]).await.state, EntryState::Restored);
    assert_eq!(fake.engine.settle(operation).await.unwrap(), OperationState::Confirmed);
    assert_eq!(fake.entry(entries[1]).await.state, EntryState::Deleted);
}

#[tokio::test]
async fn a_part_whose_fate_is_known_counts_when_the_rest_is_settled() {
    let mut fake = Fake::idle();
    grace(&mut fake, Duration::ZERO);
    let (operation, entries) = forwarded(&fake, &["contacts/1", "contacts/2"]).await;
    let fates = vec![(entries[0], Fate::Deleted), (entries[1], Fate::Unknown)];
    let half = Event::Settled { fates, answer: None, state: OperationState::Unknown };
    fake.store.append(&Stream::operation(operation), 2, vec![half]).await.unwrap();
    alive(&fake, "contacts/2");
    assert_eq!(fake.engine.settle(operation).await.unwrap(), OperationState::Partial);
    assert_eq!(fake.entry(entries[1]).await.state, EntryState::Kept);
}

#[tokio::test]
async fn what_was_seen_gone_stays_deleted_when_a_person_brings_it_back_before_the_rest_is_known() {
    let mut fake = Fake::idle();
    let (operation, entries) = forwarded(&fake, &["contacts/1", "contacts/2"]).await;
    alive(&fake, "contacts/2");
    assert_eq!(fake.engine.settle(operation).await.unwrap(), OperationState::Unknown);
    assert_eq!(fake.entry(entries[0]).await.state, EntryState::Deleted);
    alive(&fake, "contacts/1");
    grace(&mut fake, Duration::ZERO);
    assert_eq!(fake.engine.settle(operation).await.unwrap(), OperationState::Partial);
    assert_eq!(fake.entry(entries[0]).await.state, EntryState::Deleted);
    assert_eq!(fake.entry(entries[1]).await.state, EntryState::Kept);
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_does_not_call_a_delete_overdue() {
    let mut fake = Fake::idle();
    let (operation, _) = forwarded(&fake, &["contacts/1"]).await;
    alive(&fake, "contacts/1");
    drop(fake.engine.unsettled.sets_out(operation, Access::Own));
    fake.engine.clock = Arc::new(Apart(SignedDuration::from_hours(24)));
    assert_eq!(fake.engine.settle(operation).await.unwrap(), OperationState::Unknown);
}

#[tokio::test]
async fn a_clock_set_ahead_while_the_process_was_away_does_not_call_a_delete_overdue() {
    let mut fake = Fake::idle();
    let (operation, _) = forwarded(&fake, &["contacts/1"]).await;
    alive(&fake, "contacts/1");
    fake.engine.clock = Arc::new(Apart(SignedDuration::from_hours(40)));
    assert_eq!(fake.engine.settle(operation).await.unwrap(), OperationState::Unknown);
    grace(&mut fake, Duration::from_millis(50));
    tokio::time::sleep(Duration::from_millis(80)).await;
    assert_eq!(fake.engine.settle(operation).await.unwrap(), OperationState::NotSent);
}

#[tokio::test]
async fn a_clock_that_jumps_back_does_not_keep_a_delete_unknown() {
    let mut fake = Fake::idle();
    grace(&mut fake, Duration::from_millis(50));
    let (operation, _) = forwarded(&fake, &["contacts/1"]).await;
    alive(&fake, "contacts/1");
    fake.engine.clock = Arc::new(Apart(SignedDuration::from_hours(-24 * 365)));
    fake.engine.unsettled.add(operation, None);
    assert_eq!(fake.engine.settle(operation).await.unwrap(), OperationState::Unknown);
    tokio::time::sleep(Duration::from_millis(80)).await;
    assert_eq!(fake.engine.settle(operation).await.unwrap(), OperationState::NotSent);
}

#[tokio::test]
async fn what_nobody_might_look_at_is_looked_at_again_when_it_is_wanted() {
    let mut fake = Fake::idle();
    grace(&mut fake, Duration::ZERO);
    let (operation, entries) = forwarded(&fake, &["contacts/1"]).await;
    fake.crm.world().forbidden = true;
    assert_eq!(fake.engine.settle(operation).await.unwrap(), OperationState::NeedsReview);
    assert_eq!(fake.entry(entries[0]).await.state, EntryState::Unknown);
    // The token is mended.
    fake.crm.world().forbidden = false;
    let plan = fake.plan(&entries).await.unwrap();
    assert_eq!(plan.steps[0].what, What::Recreate, "{:?}", plan.steps);
    let operation = fake.store.operation(operation).await.unwrap().unwrap();
    assert_eq!(operation.state, OperationState::Confirmed);
}

#[tokio::test]
async fn an_older_copy_is_not_made_beside_the_entry_of_its_successor() {
    let fake = Fake::running();
    let (_, old) = fake.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
    let mut again = FakeCrm::snapshot("contacts/1", None, &[], &[]);
    again.title = "deleted twice, after somebody brought it back on the CRM's own screens".into();
    let (_, new) = fake.delete(vec![again]).await;
    fake.restore(&new).await;
    let restored = fake.entry(new[0]).await.restored_as.unwrap();
    fake.crm.world().alive.clear();
    fake.delete(vec![FakeCrm::snapshot(&restored.to_string(), None, &[], &[])]).await;
    let plan = fake.plan(&old).await.unwrap();
    assert_eq!(plan.steps[0].reason.as_deref(), Some("newer_copy"));
}

#[tokio::test]
async fn an_answer_short_of_a_record_or_about_another_one_lets_nothing_pass() {
    let fake = Fake::idle();
    let connection = fake.engine.connection("acme").unwrap();
    let records = ["contacts/1".parse().unwrap(), "contacts/2".parse().unwrap()];
    let whole = |record| Fetched::Whole(Box::new(FakeCrm::snapshot(record, None, &[], &[])));
    let good = vec![whole("contacts/1"), whole("contacts/2")];
    assert!(fake.engine.complete(connection, &Access::Own, &records, good).await.is_ok());
    for bad in [vec![whole("contacts/1")], vec![whole("contacts/1"), whole("contacts/1")]] {
        match fake.engine.complete(connection, &Access::Own, &records, bad).await {
            Err(Stop::Refused(refusal, _)) => assert_eq!(refusal.code, "incomplete_snapshot"),
            _ => panic!("it would be sent"),
        }
    }
}

#[tokio::test]
async fn a_delete_carried_out_late_between_two_looks_gets_no_second_entry() {
    let fake = Fake::idle();
    forwarded(&fake, &["contacts/1"]).await;
    let connection = fake.engine.connection("acme").unwrap();
    // It was there when it was read, and is gone when the earlier delete is looked at.
    let read = vec![Fetched::Whole(Box::new(FakeCrm::snapshot("contacts/1", None, &[], &[])))];
    match fake.engine.complete(connection, &Access::Own, &["contacts/1".parse().unwrap()], read).await {
        Err(Stop::Gone) => {}
        _ => panic!("it would be captured a second time"),
    }
}
