//! Single cases of the delete protocol, in the worlds of [`chance`](super::chance).

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::chance::{all_entries, code, contact, settled, world};
use super::delete::DeleteAnswer;
use super::fake_crm::FakeCrm;
use super::fake_wire::DeleteFault;
use super::fake_world::Fake;
use crate::domain::entry::{EntryState, OperationState};
use crate::domain::record::RecordRef;

const BODY_OF: &str = "answer to ";

#[tokio::test(start_paused = true)]
async fn a_panic_on_the_way_is_unknown_and_then_settled() {
    let (fake, _stop) = world(3, 1);
    fake.crm.world().delete_faults.push_back(DeleteFault::Panic);
    let ask = || fake.engine.delete("acme", Fake::request(&[contact(1)], "anna", None));
    let DeleteAnswer::Unknown { operation, .. } = ask().await else { panic!("nobody knows") };
    settled(&fake).await;
    let state = fake.store.operation(operation).await.expect("readable").map(|operation| operation.state);
    assert_eq!(state, Some(OperationState::Confirmed));
    assert_eq!(code(&ask().await), "again");
}

#[tokio::test(start_paused = true)]
async fn a_key_keeps_the_first_result_and_takes_no_other_request() {
    let (fake, _stop) = world(1, 4);
    let ask = |fake: &Fake, ids: &[u64], who: &str, key: Option<&str>| {
        let records: Vec<RecordRef> = ids.iter().map(|id| contact(*id)).collect();
        let (engine, request) = (fake.engine.clone(), Fake::request(&records, who, key));
        async move { engine.delete("acme", request).await }
    };
    let DeleteAnswer::Forwarded { answer: first, operation } = ask(&fake, &[1], "anna", Some("k")).await else {
        panic!("it is sent")
    };
    assert_eq!(code(&ask(&fake, &[2], "anna", Some("k")).await), "idempotency_key_reused");
    assert_eq!(code(&ask(&fake, &[2], "boris", Some("k")).await), "forwarded", "his key is another one");
    // The same process, and another one over the same store.
    for fake in [&fake, &Fake::over(fake.store.clone(), fake.crm.clone())] {
        let DeleteAnswer::Again { answer, operation: same } = ask(fake, &[1], "anna", Some("k")).await else {
            panic!("it is told again")
        };
        assert_eq!((answer.status, &answer.body, same), (first.status, &first.body, operation));
        assert!(answer.body.starts_with(BODY_OF.as_bytes()));
        assert_eq!(code(&ask(fake, &[3], "anna", Some("k")).await), "idempotency_key_reused");
    }
    assert_eq!(fake.crm.world().delete_requests, 2);

    // What was refused before it was sent is not kept.
    fake.crm.world().delete_faults.push_back(DeleteFault::NotSent);
    assert_eq!(code(&ask(&fake, &[3], "anna", Some("l")).await), "crm_unreachable");
    assert_eq!(code(&ask(&fake, &[3], "anna", Some("l")).await), "forwarded");
    assert_eq!(code(&ask(&fake, &[4], "anna", Some("")).await), "bad_value");
    assert!(fake.crm.world().alive.contains_key(&contact(4)));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_nobody_may_carry_out_takes_no_key() {
    let (fake, _stop) = world(2, 1);
    let records = [contact(1)];
    let mut request = Fake::request(&records, "anna", Some("k"));
    request.intent.effect = crate::domain::delete::Effect::Unrestorable("pipelines");
    assert_eq!(code(&fake.engine.delete("acme", request).await), "unrestorable");
    let allowed = fake.engine.delete("acme", Fake::request(&records, "anna", Some("k"))).await;
    assert_eq!(code(&allowed), "forwarded");
}

#[tokio::test(start_paused = true)]
async fn a_panic_at_one_record_leaves_the_settler_alive() {
    let fake = Fake::idle();
    let snapshot = |id| FakeCrm::snapshot(&contact(id).to_string(), None, &[], &[]);
    for id in 1..=3 {
        fake.forward_on("acme", vec![snapshot(id)]).await;
    }
    fake.crm.world().panics = 2;
    let (engine, stop) = (fake.engine.clone(), CancellationToken::new());
    let until = stop.clone();
    tokio::spawn(async move { engine.keep_settling(until).await });
    let all = tokio::time::timeout(Duration::from_mins(5), settled(&fake));
    all.await.expect("within five minutes");
    assert_eq!(fake.crm.world().panics, 0);
    assert!(all_entries(&fake).await.iter().all(|entry| entry.state == EntryState::Deleted));
    stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_crm_that_hangs_keeps_no_other_waiting() {
    let fake = Fake::idle();
    let other = FakeCrm::new();
    other.world().looks_hang = true;
    let hanging = super::Connection {
        name: "hangs".into(),
        connector: std::sync::Arc::new(other.clone()),
        ..fake.engine.connection("acme").expect("configured").clone()
    };
    let working = fake.engine.connection("acme").expect("configured").clone();
    let engine = fake.with_all(vec![hanging, working]);
    let snapshot = |id| FakeCrm::snapshot(&contact(id).to_string(), None, &[], &[]);
    fake.forward_on("hangs", vec![snapshot(1)]).await;
    fake.forward_on("acme", vec![snapshot(2)]).await;
    let stop = CancellationToken::new();
    let (settler, until) = (engine.clone(), stop.clone());
    tokio::spawn(async move { settler.keep_settling(until).await });
    tokio::time::sleep(Duration::from_secs(5)).await;
    let state = async |id: u64| {
        let entries = all_entries(&fake).await;
        entries.iter().find(|entry| entry.record == contact(id)).map(|entry| entry.state)
    };
    assert_eq!((state(1).await, state(2).await), (Some(EntryState::Unknown), Some(EntryState::Deleted)));
    // Also what comes while it hangs.
    let (later, _) = fake.forward_on("acme", vec![snapshot(3)]).await;
    engine.unsettled.add(later, None);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(state(3).await, Some(EntryState::Deleted));
    stop.cancel();
}
