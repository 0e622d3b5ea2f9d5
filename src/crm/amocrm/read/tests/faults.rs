//! What goes wrong is never taken for "there is none".

use rstest::rstest;
use serde_json::{Value, json};

use super::snapshots::add_notes;
use super::world::{World, bounded, furnished, part, refs, whole};
use crate::crm::{CrmError, Fetched, Presence};
use crate::domain::record::{RecordRef, Snapshot};

/// A snapshot that the engine would follow with a delete.
fn trusted(read: &Result<Vec<Fetched>, CrmError>) -> Vec<&Snapshot> {
    let all = read.iter().flatten().filter_map(|fetched| match fetched {
        Fetched::Whole(snapshot) if snapshot.incomplete().is_none() => Some(&**snapshot),
        _ => None,
    });
    all.collect()
}

#[rstest]
#[tokio::test]
async fn lists_that_betray_never_make_a_snapshot_short(
    #[values("repeat_page", "skip_row", "no_next", "endless_next", "foreign_next")] betrayal: &str,
) {
    bounded(async {
        let world = World::start().await;
        let contacts: Vec<Value> = (0..3).map(|n| json!({"name": format!("C{n}")})).collect();
        let ids = world.create("contacts", json!(contacts)).await;
        add_notes(&world, ids[0], 600).await;
        world.switch("paging_fault", json!(betrayal)).await;
        for asked in [&ids[..1], &ids[..]] {
            let read = world.fetch(&refs("contacts", asked)).await;
            for snapshot in trusted(&read) {
                let notes = part(snapshot, "notes").as_array().map(Vec::len);
                let expected = if snapshot.of.id == ids[0].to_string() { 600 } else { 0 };
                assert_eq!(notes, Some(expected), "{betrayal}");
            }
            if matches!(betrayal, "no_next" | "foreign_next") {
                assert_eq!(trusted(&read).len(), asked.len(), "{betrayal} can be read through: {read:?}");
            }
        }
        world.are(&refs("contacts", &ids), Presence::Alive).await;
    })
    .await;
}

#[tokio::test]
async fn without_the_paid_filters_cards_are_read_one_by_one() {
    bounded(async {
        let world = World::start().await;
        let contacts: Vec<Value> = (0..12).map(|n| json!({"name": format!("C{n}")})).collect();
        let ids = world.create("contacts", json!(contacts)).await;
        world.switch("paid_filters", json!(false)).await;
        let wanted = refs("contacts", &ids[3..9]);
        let read = world.fetch(&wanted).await.expect("an answer");
        for (fetched, wanted) in read.iter().zip(&wanted) {
            assert_eq!(&whole(fetched).of, wanted);
        }
        world.delete_on_screen("contacts", &ids[3..8]).await;
        world.are(&wanted[..5], Presence::Gone).await;
        world.are(&wanted[5..], Presence::Alive).await;
    })
    .await;
}

#[tokio::test]
async fn what_lists_do_not_show_yet_is_neither_absent_nor_gone() {
    bounded(async {
        let world = World::start().await;
        world.switch("index_delay_ms", json!(600_000)).await;
        let contacts: Vec<Value> = (0..8).map(|n| json!({"name": format!("C{n}")})).collect();
        let records = refs("contacts", &world.create("contacts", json!(contacts)).await);
        let read = world.fetch(&records).await.expect("an answer");
        for fetched in &read {
            assert!(whole(fetched).part("record").is_some());
        }
        world.are(&records, Presence::Alive).await;
        let task = |of: &RecordRef| {
            json!({"text": "t", "complete_till": 1_900_000_000, "entity_type": of.object,
            "entity_id": of.id.parse::<u64>().expect("a number")})
        };
        let tasks = world.create("tasks", json!([task(&records[0]), task(&records[1])])).await;
        world.are(&refs("tasks", &tasks), Presence::Alive).await;
        let note = json!([{"entity_id": records[0].id.parse::<u64>().expect("a number"), "note_type": "common",
            "params": {"text": "fresh"}}]);
        let notes = refs("notes", &world.create("contacts/notes", note).await);
        world.are(&notes, Presence::Alive).await;
        whole(&world.fetch_one(&notes[0]).await);
        // The card promises a task that its list does not show yet.
        let read = world.fetch(&records[..1]).await;
        assert!(trusted(&read).is_empty(), "{read:?}");
    })
    .await;
}

#[rstest]
#[case::card("/api/v4/contacts/[0-9]+($|\\?)")]
#[case::links("/contacts/links")]
#[case::notes("/contacts/notes")]
#[case::tasks("/api/v4/tasks")]
#[case::back("/leads/links")]
#[tokio::test]
async fn a_part_that_cannot_be_read_hides_its_record(#[case] path: &str) {
    bounded(async {
        let world = World::start().await;
        let (contact, ..) = furnished(&world).await;
        let asked = [RecordRef::new("contacts", contact)];
        assert_eq!(trusted(&world.fetch(&asked).await).len(), 1);
        let faults = [
            json!({"do": "status", "status": 403}),
            json!({"do": "status", "status": 404}),
            json!({"do": "html", "status": 200}),
            json!({"do": "html", "status": 404}),
            json!({"do": "html", "status": 403}),
            json!({"do": "status", "status": 500}),
            json!({"do": "status", "status": 401}),
            json!({"do": "cut"}),
        ];
        for fault in faults {
            world.fault(path, fault.clone()).await;
            let read = world.fetch(&asked).await;
            assert!(trusted(&read).is_empty(), "{path} {fault}: {read:?}");
            assert!(!matches!(read.as_deref(), Ok([Fetched::Absent])), "{path} {fault}");
            world.heal().await;
        }
        assert_eq!(trusted(&world.fetch(&asked).await).len(), 1, "after the faults");
    })
    .await;
}

#[rstest]
#[case(json!({"do": "status", "status": 403}))]
#[case(json!({"do": "status", "status": 404}))]
#[case(json!({"do": "html", "status": 200}))]
#[case(json!({"do": "status", "status": 503}))]
#[tokio::test]
async fn presence_never_guesses(#[case] fault: Value) {
    bounded(async {
        let world = World::start().await;
        let contacts: Vec<Value> = (0..6).map(|n| json!({"name": format!("C{n}")})).collect();
        let ids = world.create("contacts", json!(contacts)).await;
        world.delete_on_screen("contacts", &ids[..1]).await;
        world.fault("/api/v4/contacts", fault).await;
        for asked in [&ids[..1], &ids[..]] {
            world.presence(&refs("contacts", asked)).await.expect_err("nothing can be known");
        }
    })
    .await;
}
