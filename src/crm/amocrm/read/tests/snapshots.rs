//! What a snapshot holds, and what it costs.

use serde_json::{Value, json};

use super::world::{World, bounded, furnished, part, record, refs, whole};
use crate::crm::Fetched;
use crate::domain::record::{Eyes, RecordRef};

#[tokio::test]
async fn a_contact_is_read_with_all_that_hangs_on_it() {
    bounded(async {
        let world = World::start().await;
        let (contact, company, lead) = furnished(&world).await;
        let before = world.asked_ever().await.len();
        let fetched = world.fetch_one(&RecordRef::new("contacts", contact)).await;
        let asked = world.asked(before).await;
        let snapshot = whole(&fetched);

        assert_eq!(snapshot.title, "Anna Serova");
        assert_eq!(snapshot.keys.names, ["Anna Serova", "Anna", "Serova"]);
        assert_eq!(snapshot.keys.phones, ["+79990000001"]);
        assert_eq!(snapshot.keys.emails, ["anna@example.test"]);
        assert_eq!((snapshot.connection.as_str(), snapshot.read_by), ("acme", Eyes::Gateway));
        assert_eq!(part(snapshot, "record")["id"], json!(contact));
        assert_eq!(part(snapshot, "notes").as_array().map(Vec::len), Some(3));
        assert_eq!(part(snapshot, "tasks").as_array().map(Vec::len), Some(2));
        assert_eq!(part(snapshot, "files"), json!([]));
        let back = part(snapshot, "links_back");
        assert_eq!(back[0]["entity_id"], json!(lead));
        assert_eq!(back[0]["metadata"]["main_contact"], json!(true));
        let metadata = |text: String| {
            let to = record(&text);
            let found = snapshot.associations.iter().find(|association| association.to == to);
            found.unwrap_or_else(|| panic!("no association with {text}")).metadata.clone()
        };
        assert_eq!(metadata(format!("leads/{lead}")), r#"{"main_contact":true}"#);
        assert_eq!(metadata(format!("companies/{company}")), "null");
        assert_eq!(snapshot.associations.len(), 2);
        let lines: Vec<_> = snapshot.manifest.iter().map(|line| (line.part.as_str(), line.got)).collect();
        for line in [("record", 1), ("notes", 3), ("tasks", 2), ("files", 0), ("links_back", 1)] {
            assert!(lines.contains(&line), "{line:?} in {lines:?}");
        }
        // Record, links, notes, tasks, files, and the lead's side of its link.
        assert_eq!(asked.len(), 6, "{asked:#?}");
    })
    .await;
}

#[tokio::test]
async fn the_parts_are_the_bytes_of_the_crm() {
    bounded(async {
        let world = World::start().await;
        let (contact, ..) = furnished(&world).await;
        let fetched = world.fetch_one(&RecordRef::new("contacts", contact)).await;
        let record = whole(&fetched).part("record").expect("a record").clone();
        let target = format!("/api/v4/contacts/{contact}?with=catalog_elements,leads,customers");
        let ask = crate::crm::upstream::Ask::get(target);
        let reach = world.reach();
        let answer = reach.upstream.ask(reach.access, reach.lane, ask).await.expect("an answer");
        assert_eq!(record.body, answer.body);
        assert_eq!(record.content_type, "application/hal+json");
    })
    .await;
}

#[tokio::test]
async fn thirty_contacts_cost_as_many_pages_as_one() {
    bounded(async {
        let world = World::start().await;
        let items: Vec<Value> = (0..30).map(|n| json!({"name": format!("Contact {n}")})).collect();
        let ids = world.create("contacts", json!(items)).await;
        let notes: Vec<Value> =
            ids.iter().map(|id| json!({"entity_id": id, "note_type": "common", "params": {"text": "n"}})).collect();
        world.create("contacts/notes", json!(notes)).await;
        let before = world.asked_ever().await.len();
        whole(&world.fetch_one(&RecordRef::new("contacts", ids[0])).await);
        let one = world.asked(before).await;
        let before = world.asked_ever().await.len();
        let fetched = world.fetch(&refs("contacts", &ids)).await.expect("an answer");
        let thirty = world.asked(before).await;
        for (id, fetched) in ids.iter().zip(&fetched) {
            let snapshot = whole(fetched);
            assert_eq!(snapshot.of, RecordRef::new("contacts", id));
            assert_eq!(part(snapshot, "record")["id"], json!(id));
            assert_eq!(part(snapshot, "notes")[0]["entity_id"], json!(id));
            assert!(snapshot.part("files").is_none(), "files have no bulk call");
        }
        // One is read with its files; thirty are not.
        assert_eq!((one.len(), thirty.len()), (5, 4), "{one:#?} {thirty:#?}");
    })
    .await;
}

#[tokio::test]
async fn attached_files_are_read_up_to_the_bound_and_cost_a_request_each() {
    for (up_to, cards, read) in [(0, 1, false), (5, 5, true), (5, 6, false), (250, 250, true)] {
        bounded(async {
            let world = World::with_files_up_to(up_to).await;
            let items: Vec<Value> = (0..cards).map(|n| json!({"name": format!("Contact {n}")})).collect();
            let ids = world.create("contacts", json!(items)).await;
            let before = world.asked_ever().await.len();
            let fetched = world.fetch(&refs("contacts", &ids)).await.expect("an answer");
            let asked = world.asked(before).await;
            for fetched in &fetched {
                assert_eq!(whole(fetched).part("files").is_some(), read, "{up_to} {cards}");
            }
            let for_files = asked.iter().filter(|target| target.contains("/files")).count();
            assert_eq!(for_files, if read { cards } else { 0 }, "{up_to} {cards}: {asked:#?}");
        })
        .await;
    }
}

#[tokio::test]
async fn many_notes_are_read_to_the_end() {
    bounded(async {
        let world = World::start().await;
        let contact = world.create("contacts", json!([{"name": "Busy"}])).await[0];
        add_notes(&world, contact, 2 * 250 + 10).await;
        let fetched = world.fetch_one(&RecordRef::new("contacts", contact)).await;
        assert_eq!(part(whole(&fetched), "notes").as_array().map(Vec::len), Some(510));
    })
    .await;
}

#[tokio::test]
async fn a_page_of_contacts_with_notes_and_tasks_costs_eight_requests() {
    bounded(async {
        let world = World::start().await;
        let contacts: Vec<Value> = (0..250).map(|n| json!({"name": format!("C{n}")})).collect();
        let ids = world.create("contacts", json!(contacts)).await;
        let note = |id: &u64| json!({"entity_id": id, "note_type": "common", "params": {"text": "n"}});
        for _ in 0..2 {
            world.create("contacts/notes", ids.iter().map(note).collect()).await;
        }
        let task =
            |id: &u64| json!({"text": "t", "complete_till": 1_900_000_000, "entity_type": "contacts", "entity_id": id});
        world.create("tasks", ids.iter().map(task).collect()).await;
        let before = world.asked_ever().await.len();
        let fetched = world.fetch(&refs("contacts", &ids)).await.expect("an answer");
        for one in &fetched {
            assert_eq!(part(whole(one), "notes").as_array().map(Vec::len), Some(2));
            assert_eq!(part(whole(one), "tasks").as_array().map(Vec::len), Some(1));
        }
        // Contacts, links, two pages of notes and one of tasks from both ends.
        let asked = world.asked(before).await;
        assert_eq!(asked.len(), 8, "{asked:#?}");
    })
    .await;
}

pub async fn add_notes(world: &World, contact: u64, count: usize) {
    let note = |n: usize| json!({"entity_id": contact, "note_type": "common", "params": {"text": n.to_string()}});
    let notes: Vec<Value> = (0..count).map(note).collect();
    for notes in notes.chunks(200) {
        world.create("contacts/notes", json!(notes)).await;
    }
}

#[tokio::test]
async fn records_of_every_kind_of_card_come_in_the_order_asked_for() {
    bounded(async {
        let world = World::start().await;
        let (contact, company, lead) = furnished(&world).await;
        let asked = [
            RecordRef::new("leads", lead),
            RecordRef::new("contacts", 999_999),
            RecordRef::new("companies", company),
            RecordRef::new("contacts", contact),
            RecordRef::new("leads", lead),
            RecordRef::new("planets", 1),
        ];
        let fetched = world.fetch(&asked).await.expect("an answer");
        for index in [0, 2, 3, 4] {
            assert_eq!(whole(&fetched[index]).of, asked[index]);
        }
        assert!(matches!(fetched[1], Fetched::Absent), "{:?}", fetched[1]);
        assert!(matches!(fetched[5], Fetched::Hidden(_)), "{:?}", fetched[5]);
        assert!(!world.base().is_empty());
    })
    .await;
}
