use crate::domain::entry::{EntryState, OperationState};
use crate::domain::job::JobState;
use crate::domain::plan::What;
use crate::engine::EngineError;
use crate::engine::fake_crm::FakeCrm;
use crate::engine::fake_world::Fake;
use crate::engine::restore::{RestoreAsk, Wanted};

#[tokio::test]
async fn an_operation_comes_back_with_notes_and_links_and_is_undone() {
    let fake = Fake::running();
    let contact = FakeCrm::snapshot("contacts/1", None, &["notes/11", "notes/12"], &["leads/5"]);
    let lead = FakeCrm::snapshot("leads/5", None, &[], &["contacts/1"]);
    let (operation, entries) = fake.delete(vec![contact, lead]).await;
    let ask = RestoreAsk { of: Wanted::Operation(operation), include_parents: true };
    let plan = fake.engine.plan_restore(ask, "anna").await.unwrap();
    assert_eq!((plan.operation, plan.basis.len()), (Some(operation), 2));
    assert!(fake.crm.world().made.is_empty(), "a plan changes nothing");

    let job = fake.engine.apply(plan.id, &plan.digest, "anna").await.unwrap();
    let job = fake.ended(job.id).await;
    assert_eq!(job.state, JobState::Done, "{:?}", fake.items(job.id).await);
    assert_eq!((job.total, job.done, job.failed), (5, 5, 0), "{:?}", fake.items(job.id).await);
    let report = job.report.expect("at the end");
    assert_eq!((report.compared, report.differences.len()), (2, 0));
    for id in entries {
        let entry = fake.entry(id).await;
        assert_eq!(entry.state, EntryState::Restored);
        let newest = entry.restored_as.expect("a new name");
        assert!(fake.crm.world().alive.contains_key(&newest));
        assert_eq!(fake.store.successor("acme", &entry.record).await.unwrap(), Some(newest));
    }
    assert_eq!(fake.crm.world().links.len(), 1);
    let operation = fake.store.operation(operation).await.unwrap().unwrap();
    assert_eq!(operation.state, OperationState::Undone);
    // Writes go in batches of one wave and kind, at most two of this CRM's.
    assert!(fake.crm.world().batches.contains(&vec!["notes/11".to_owned(), "notes/12".to_owned()]));
}

#[tokio::test]
async fn parents_come_along_and_first_unless_they_shall_not() {
    let fake = Fake::running();
    let (_, parents) = fake.delete(vec![FakeCrm::snapshot("companies/1", None, &[], &[])]).await;
    let (_, children) = fake.delete(vec![FakeCrm::snapshot("contacts/1", Some("companies/1"), &[], &[])]).await;
    let of = Wanted::Entries(children.clone());
    let alone = fake.engine.plan_restore(RestoreAsk { of, include_parents: false }, "anna").await.unwrap();
    assert_eq!((alone.steps.len(), alone.steps[0].reason.as_deref()), (1, Some("parent_in_bin")));
    let job = fake.restore(&children).await;
    assert_eq!(job.state, JobState::Done);
    assert_eq!(fake.items(job.id).await, ["companies/1 done", "contacts/1 done"]);
    assert_eq!(fake.entry(parents[0]).await.state, EntryState::Restored);
}

#[tokio::test]
async fn a_link_comes_back_with_its_second_end() {
    let fake = Fake::running();
    let contact = FakeCrm::snapshot("contacts/1", None, &[], &["leads/5"]);
    // Only the contact remembers the link.
    let (_, entries) = fake.delete(vec![contact, FakeCrm::snapshot("leads/5", None, &[], &[])]).await;
    let first = fake.restore(&entries[..1]).await;
    let report = first.report.expect("at the end");
    assert_eq!(report.losses[0].loss.reason, "link_end_in_bin");
    assert!(report.losses[0].announced);
    assert!(fake.crm.world().links.is_empty());
    let second = fake.restore(&entries[1..]).await;
    assert_eq!(second.state, JobState::Done);
    assert_eq!(fake.crm.world().links.len(), 1);
}

#[tokio::test]
async fn a_link_whose_ends_were_planned_apart_comes_back_too() {
    let mut fake = Fake::idle();
    let contact = FakeCrm::snapshot("contacts/1", None, &[], &["leads/5"]);
    let lead = FakeCrm::snapshot("leads/5", None, &[], &["contacts/1"]);
    let (_, entries) = fake.delete(vec![contact, lead]).await;
    let mut jobs = Vec::new();
    for entry in &entries {
        let plan = fake.plan(&[*entry]).await.unwrap();
        assert!(!plan.counts.contains_key(&What::Relink));
        jobs.push(fake.engine.apply(plan.id, &plan.digest, "anna").await.unwrap().id);
    }
    fake.start();
    for job in jobs {
        assert_eq!(fake.ended(job).await.state, JobState::Done);
    }
    // A plan and a job of their own make the link, by nobody but ourselves.
    let page = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        loop {
            let page = fake.store.jobs(10, None).await.unwrap();
            if page.rows.len() == 3 && page.rows.iter().all(|job| job.state.is_final()) {
                return page;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    let page = page.await.expect("in time");
    assert_eq!(page.rows.iter().filter(|job| job.by == "crm-undo").count(), 1);
    assert_eq!(fake.crm.world().links.len(), 1);
}

#[tokio::test]
async fn reading_back_tells_what_is_different_and_what_is_missing() {
    let fake = Fake::running();
    let (_, entries) = fake.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
    fake.crm.world().spoils_names = true;
    let job = fake.restore(&entries).await;
    let report = job.report.expect("at the end");
    assert_eq!(report.differences.len(), 1);
    assert_eq!(report.differences[0].is, "\"spoiled\"");
    assert_eq!(job.state, JobState::Done);

    let (_, entries) = fake.delete(vec![FakeCrm::snapshot("contacts/2", None, &[], &[])]).await;
    fake.crm.world().forgets = true;
    let job = fake.restore(&entries).await;
    assert_eq!(job.state, JobState::NeedsReview);
    assert_eq!(fake.items(job.id).await, ["contacts/2 needs_review not_read_back"]);
    assert_eq!(fake.entry(entries[0]).await.state, EntryState::NeedsReview);
}

#[tokio::test]
async fn a_plan_is_of_one_connection_that_can_write() {
    let fake = Fake::idle();
    let (_, here) = fake.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
    let (_, there) = fake.delete_on("mute", vec![FakeCrm::snapshot("contacts/2", None, &[], &[])]).await;
    let code = |result: Result<_, EngineError>| match result {
        Err(EngineError::Invalid { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(fake.plan(&[here[0], there[0]]).await), "several_connections");
    assert_eq!(code(fake.plan(&there).await), "no_own_token");
    assert_eq!(code(fake.plan(&[]).await), "bad_value");
    let nobody = crate::domain::ids::EntryId(uuid::Uuid::nil());
    assert!(matches!(fake.plan(&[nobody]).await, Err(EngineError::NotFound { .. })));
}

#[tokio::test]
async fn what_became_of_a_delete_is_found_out_before_it_is_planned_for() {
    let fake = Fake::running();
    let snapshots =
        vec![FakeCrm::snapshot("contacts/1", None, &[], &[]), FakeCrm::snapshot("contacts/2", None, &[], &[])];
    fake.crm.world().alive.insert("contacts/2".parse().unwrap(), "still there".into());
    let (operation, entries) = fake.forward_on("acme", snapshots).await;
    assert_eq!(fake.entry(entries[0]).await.state, EntryState::Unknown);
    let ask = RestoreAsk { of: Wanted::Operation(operation), include_parents: true };
    let plan = fake.engine.plan_restore(ask, "anna").await.unwrap();
    let told: Vec<_> = plan.steps.iter().map(|step| (step.record.to_string(), step.reason.as_deref())).collect();
    assert_eq!(told, [("contacts/2".to_owned(), Some("alive")), ("contacts/1".to_owned(), None)]);
}

#[tokio::test]
async fn of_two_copies_of_a_record_the_newest_comes_back_with_its_notes() {
    let fake = Fake::running();
    let copy = || vec![FakeCrm::snapshot("contacts/1", None, &["notes/11"], &[])];
    let (_, older) = fake.delete(copy()).await;
    let (_, newer) = fake.delete(copy()).await;
    let job = fake.restore(&[older[0], newer[0]]).await;
    let expected = ["contacts/1 skipped newer_copy", "contacts/1 done", "notes/11 done"];
    assert_eq!(fake.items(job.id).await, expected);
    assert_eq!(fake.entry(newer[0]).await.state, EntryState::Restored);
    assert_eq!(fake.crm.copies("contacts/1"), 1);
}

#[tokio::test]
async fn an_operation_is_undone_too_when_some_of_it_came_back_by_itself() {
    let fake = Fake::running();
    let snapshots =
        vec![FakeCrm::snapshot("contacts/1", None, &[], &[]), FakeCrm::snapshot("contacts/2", None, &[], &[])];
    let (operation, entries) = fake.delete(snapshots).await;
    fake.crm.world().alive.insert("contacts/2".parse().unwrap(), "anna brought it back".into());
    fake.restore(&entries[..1]).await;
    let state = || async { fake.store.operation(operation).await.unwrap().unwrap().state };
    assert_eq!(state().await, OperationState::Confirmed, "nobody has looked at the other one yet");
    assert_eq!(fake.restore(&entries).await.skipped, 2);
    assert_eq!(state().await, OperationState::Undone);
}
