//! Nothing is decided that was not seen, and what was decided holds.

use std::sync::Arc;
use std::time::Duration;

use super::{Finding, Now, Open};
use crate::domain::entry::{EntryState, OperationState};
use crate::domain::event::{Event, Stream};
use crate::domain::ids::{EntryId, JobId, OperationId};
use crate::domain::job::JobState;
use crate::domain::policy::Policy;
use crate::domain::record::RecordRef;
use crate::domain::review::{ReviewId, Verdict};
use crate::engine::EngineError;
use crate::engine::fake_crm::{FakeCrm, Fault};
use crate::engine::fake_world::Fake;
use crate::engine::jobs::verbs::Verb;

fn record(name: &str) -> RecordRef {
    name.parse().unwrap()
}

async fn only(fake: &Fake) -> Open {
    let mut open = fake.engine.reviews().await.unwrap();
    assert_eq!(open.len(), 1, "{open:?}");
    open.pop().unwrap()
}

async fn found(fake: &Fake, id: ReviewId, verdict: Verdict) -> Finding {
    let digest = fake.engine.evidence(id).await.unwrap().digest;
    Finding { verdict, except: Vec::new(), restored_as: None, reason: "I looked".into(), digest }
}

fn code(result: Result<(), EngineError>) -> &'static str {
    match result {
        Err(EngineError::Stale { code, .. } | EngineError::Invalid { code, .. }) => code,
        Err(EngineError::NotFound { .. }) => "not_found",
        other => panic!("{other:?}"),
    }
}

/// A delete whose fate the CRM does not let anybody see.
async fn unseen(fake: &mut Fake, records: &[&str]) -> (OperationId, Vec<EntryId>) {
    fake.engine.policy = Arc::new(Policy { settle_grace: Duration::ZERO, ..Policy::default() });
    let snapshots = records.iter().map(|record| FakeCrm::snapshot(record, None, &[], &[]));
    let (operation, entries) = fake.forward_on("acme", snapshots.collect()).await;
    fake.crm.world().forbidden = true;
    assert_eq!(fake.engine.settle(operation).await.unwrap(), OperationState::NeedsReview);
    (operation, entries)
}

/// A job whose only create had no answer, and whose CRM cannot tell what was made.
async fn doubtful(fake: &Fake, happened: bool) -> (JobId, EntryId) {
    let (_, entries) = fake.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
    fake.crm.world().faults.push_back(Fault::Ambiguous(happened));
    let job = fake.restore(&entries).await;
    assert_eq!(job.state, JobState::NeedsReview);
    (job.id, entries[0])
}

async fn operation_state(fake: &Fake, id: OperationId) -> OperationState {
    fake.store.operation(id).await.unwrap().unwrap().state
}

#[tokio::test]
async fn a_delete_that_nobody_might_see_is_settled_as_a_person_found_it() {
    let mut fake = Fake::idle();
    let (operation, entries) = unseen(&mut fake, &["contacts/1", "contacts/2"]).await;
    let open = only(&fake).await;
    assert_eq!((open.id, open.records.len()), (ReviewId::Operation(operation), 2));
    let evidence = fake.engine.evidence(open.id).await.unwrap();
    assert!(evidence.records.iter().all(|seen| matches!(seen.now, Now::Unseen(_))), "{evidence:?}");
    let finding = Finding { except: vec![record("contacts/2")], ..found(&fake, open.id, Verdict::Deleted).await };
    fake.engine.resolve(open.id, &finding, "boris").await.unwrap();
    assert_eq!(operation_state(&fake, operation).await, OperationState::Partial);
    let states = [fake.entry(entries[0]).await.state, fake.entry(entries[1]).await.state];
    assert_eq!(states, [EntryState::Deleted, EntryState::Kept]);
    assert!(fake.engine.reviews().await.unwrap().is_empty());
    // Who, what and why are in the ledger, in the same write as what followed.
    let events = fake.store.read(&Stream::operation(operation), 0).await.unwrap();
    let said = events.iter().find_map(|recorded| match &recorded.event {
        Event::Reviewed { verdict, reason, by, .. } => Some((*verdict, reason.as_str(), by.as_str())),
        _ => None,
    });
    assert_eq!(said, Some((Verdict::Deleted, "I looked", "boris")));
}

#[tokio::test]
async fn what_changed_since_it_was_shown_is_not_decided() {
    let mut fake = Fake::idle();
    let (operation, _) = unseen(&mut fake, &["contacts/1"]).await;
    let id = ReviewId::Operation(operation);
    let finding = found(&fake, id, Verdict::Kept).await;
    fake.crm.world().forbidden = false;
    assert_eq!(code(fake.engine.resolve(id, &finding, "boris").await), "review_changed");
    assert_eq!(operation_state(&fake, operation).await, OperationState::NeedsReview);
    // Settled by looking meanwhile: there is nothing left to review.
    assert_eq!(fake.engine.settle(operation).await.unwrap(), OperationState::Confirmed);
    assert_eq!(code(fake.engine.resolve(id, &finding, "boris").await), "not_found");
}

#[tokio::test]
async fn a_copy_that_a_person_has_found_stands_for_the_entry() {
    let fake = Fake::running();
    let (job, entry) = doubtful(&fake, true).await;
    let made = fake.crm.world().made[0].1.clone();
    let open = only(&fake).await;
    // The CRM cannot say which record it is; what may be it is shown.
    let shown = fake.engine.evidence(open.id).await.unwrap();
    assert!(matches!(shown.records[0].now, Now::Unseen(_)), "{shown:?}");
    assert_eq!(shown.records[0].candidates, std::slice::from_ref(&made));
    let finding = found(&fake, open.id, Verdict::Restored).await;
    assert_eq!(code(fake.engine.resolve(open.id, &finding, "boris").await), "bad_value", "it has to be named");
    for wrong in ["contacts/4711", "leads/1"] {
        let wrong = Finding { restored_as: Some(record(wrong)), ..finding.clone() };
        assert_eq!(code(fake.engine.resolve(open.id, &wrong, "boris").await), "bad_value", "{wrong:?}");
    }
    let finding = Finding { restored_as: Some(made.clone()), ..finding };
    fake.engine.resolve(open.id, &finding, "boris").await.unwrap();
    let now = fake.entry(entry).await;
    assert_eq!((now.state, now.restored_as.as_ref()), (EntryState::Restored, Some(&made)));
    assert_eq!(fake.store.successor("acme", &record("contacts/1")).await.unwrap(), Some(made));
    assert_eq!(fake.store.job(job).await.unwrap().unwrap().state, JobState::Done);
    assert_eq!(operation_state(&fake, now.operation).await, OperationState::Undone);
    assert!(fake.engine.reviews().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_person_found_not_to_be_made_can_be_made_once() {
    let fake = Fake::running();
    let (job, entry) = doubtful(&fake, false).await;
    let open = only(&fake).await;
    let finding = found(&fake, open.id, Verdict::NotCreated).await;
    fake.engine.resolve(open.id, &finding, "boris").await.unwrap();
    assert_eq!(fake.entry(entry).await.state, EntryState::Deleted);
    assert_eq!(fake.store.job(job).await.unwrap().unwrap().state, JobState::Failed);
    fake.engine.steer(job, Verb::Retry).await.unwrap();
    fake.in_state(job, JobState::Done).await;
    assert_eq!(fake.crm.copies("contacts/1"), 1);
    assert_eq!(fake.entry(entry).await.state, EntryState::Restored);
}

#[tokio::test]
async fn the_probable_copy_is_shown_with_its_differences() {
    let fake = Fake::running();
    fake.crm.world().spoils_names = true;
    let (_, _) = doubtful(&fake, true).await;
    fake.crm.world().can_find = true;
    let evidence = fake.engine.evidence(only(&fake).await.id).await.unwrap();
    let Now::There(copy, differences) = &evidence.records[0].now else { panic!("{evidence:?}") };
    assert_eq!(Some(copy), fake.crm.world().made.first().map(|(_, new)| new));
    assert_eq!(differences.len(), 1);
    assert_eq!(evidence.records[0].title, "name of contacts/1");
}

#[tokio::test]
async fn a_finding_that_makes_no_sense_is_refused() {
    let mut fake = Fake::idle();
    let (operation, _) = unseen(&mut fake, &["contacts/1"]).await;
    let id = ReviewId::Operation(operation);
    let good = found(&fake, id, Verdict::Kept).await;
    let bad = [
        Finding { verdict: Verdict::Restored, ..good.clone() },
        Finding { reason: "  ".into(), ..good.clone() },
        Finding { reason: "x".repeat(1_001), ..good.clone() },
        Finding { restored_as: Some(record("contacts/2")), ..good.clone() },
        Finding { except: vec![record("contacts/2")], ..good.clone() },
    ];
    for finding in bad {
        assert_eq!(code(fake.engine.resolve(id, &finding, "boris").await), "bad_value", "{finding:?}");
    }
    assert_eq!(operation_state(&fake, operation).await, OperationState::NeedsReview);
    fake.engine.resolve(id, &good, "boris").await.unwrap();
    assert_eq!(operation_state(&fake, operation).await, OperationState::NotSent);
}
