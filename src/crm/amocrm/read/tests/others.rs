//! Tasks, notes, links, tags, segments, purchases, elements, parts of the set-up.

use serde_json::{Value, json};

use super::world::{World, bounded, furnished, part, record, refs, whole};
use crate::crm::amocrm::wire::{SetUpName, Tag, TagsKept, TagsPatch};
use crate::crm::{Fetched, Presence};
use crate::domain::delete::Selection;
use crate::domain::record::RecordRef;

#[tokio::test]
async fn tasks_and_notes_are_read_by_id_wherever_they_hang() {
    bounded(async {
        let world = World::start().await;
        let (contact, _, lead) = furnished(&world).await;
        let note = |text: &str| json!([{"entity_id": lead, "note_type": "common", "params": {"text": text}}]);
        let long = "x".repeat(200);
        let on_lead = world.create("leads/notes", note(&long)).await[0];
        let task = json!([{"text": "Loose", "complete_till": 1_900_000_000}]);
        let task = world.create("tasks", task).await[0];
        let read = world
            .fetch(&[
                RecordRef::new("notes", on_lead),
                RecordRef::new("tasks", task),
                record("notes/999999"),
                record("tasks/999999"),
            ])
            .await
            .expect("an answer");
        let note = whole(&read[0]);
        assert_eq!(part(note, "parent"), json!({"object": "leads", "id": lead}));
        assert_eq!(note.title.chars().count(), 80);
        assert!(note.keys.names.is_empty());
        assert_eq!(whole(&read[1]).title, "Loose");
        assert!(matches!(read[2..], [Fetched::Absent, Fetched::Absent]), "{read:?}");
        assert!(contact > 0);
    })
    .await;
}

#[tokio::test]
async fn a_link_and_a_tag_are_read_with_what_names_them() {
    bounded(async {
        let world = World::start().await;
        let (contact, _, lead) = furnished(&world).await;
        let link = record(&format!("links/leads-{lead}-contacts-{contact}"));
        let tag = record(&format!("tags/contacts-{contact}-=vip"));
        let read = world.fetch(&[link, tag, record("links/leads-1-contacts-2")]).await.expect("an answer");
        let link = whole(&read[0]);
        assert_eq!(link.title, format!("leads/{lead} -> contacts/{contact}"));
        assert_eq!(link.associations[0].metadata, r#"{"main_contact":true}"#);
        assert_eq!(part(link, "record")["to_entity_id"], json!(contact));
        assert_eq!(
            (part(whole(&read[1]), "record")["name"].clone(), whole(&read[1]).title.as_str()),
            (json!("vip"), "vip")
        );
        assert!(matches!(read[2], Fetched::Absent), "{:?}", read[2]);
    })
    .await;
}

#[tokio::test]
async fn a_change_of_tags_is_expanded_to_the_tags_that_go() {
    bounded(async {
        let world = World::start().await;
        let (contact, ..) = furnished(&world).await;
        let on = RecordRef::new("contacts", contact);
        let selection = |patch: TagsPatch| Selection::Query { object: "tags".into(), expression: patch.expression() };
        let kept = |keep: Vec<Tag>| TagsPatch { remove: vec![], replace: vec![TagsKept { on: on.clone(), keep }] };
        let gone = world.resolve(selection(kept(vec![Tag::Name("vip".into())]))).await.expect("an answer");
        let read = world.fetch(&gone).await.expect("an answer");
        assert_eq!(read.iter().map(|read| whole(read).title.as_str()).collect::<Vec<_>>(), ["old client"]);
        let all = world.resolve(selection(kept(vec![]))).await.expect("an answer");
        assert_eq!(all.len(), 2);
        let both = vec![Tag::Name("vip".into()), Tag::Name("old client".into())];
        assert!(world.resolve(selection(kept(both))).await.expect("an answer").is_empty());
        let remove =
            vec![record(&format!("tags/contacts-{contact}-=vip")), record(&format!("tags/contacts-{contact}-=none"))];
        let gone = world.resolve(selection(TagsPatch { remove, replace: vec![] })).await.expect("an answer");
        assert_eq!(gone.len(), 1, "a tag the card does not carry destroys nothing: {gone:?}");
        let ids = vec![record("leads/1"), record("leads/2")];
        assert_eq!(world.resolve(Selection::Ids(ids.clone())).await.expect("an answer"), ids);
        let other = Selection::Query { object: "leads".into(), expression: "x".into() };
        world.resolve(other).await.expect_err("not understood");
    })
    .await;
}

#[tokio::test]
async fn a_segment_is_read_with_its_customers() {
    bounded(async {
        let world = World::start().await;
        let segment = world.create("customers/segments", json!([{"name": "Gold"}])).await[0];
        let customer = |n: usize, segments: Value| {
            json!({"name": format!("K{n}"), "next_date": 1_900_000_000, "_embedded": {"segments": segments}})
        };
        let items = json!([customer(0, json!([{"id": segment}])), customer(1, json!([]))]);
        let customers = world.create("customers", items).await;
        let records = refs("segments", &[segment]);
        let read = world.fetch(&records).await.expect("an answer");
        assert_eq!(whole(&read[0]).title, "Gold");
        assert_eq!(part(whole(&read[0]), "members"), json!([customers[0]]));
        world.are(&records, Presence::Alive).await;
        world.are(&[record("segments/999999")], Presence::Gone).await;
    })
    .await;
}

#[tokio::test]
async fn a_customer_is_read_with_its_purchases() {
    bounded(async {
        let world = World::start().await;
        let customer = world.create("customers", json!([{"name": "K", "next_date": 1_900_000_000}])).await[0];
        let path = format!("customers/{customer}/transactions");
        let bought = world.create(&path, json!([{"price": 100, "comment": "first"}, {"price": 200}])).await;
        let read = world.fetch_one(&RecordRef::new("customers", customer)).await;
        assert_eq!(part(whole(&read), "transactions").as_array().map(Vec::len), Some(2));
        let records = refs("transactions", &bought);
        let read = world.fetch(&records).await.expect("an answer");
        assert_eq!(whole(&read[0]).title, "first");
        world.are(&records, Presence::Alive).await;
        let target = format!("/api/v4/customers/transactions/{}", bought[0]);
        world.ask(crate::crm::upstream::Ask { method: http::Method::DELETE, target, body: None }).await;
        world.are(&records[..1], Presence::Gone).await;
        world.are(&records[1..], Presence::Alive).await;
    })
    .await;
}

#[tokio::test]
async fn an_element_is_found_in_whichever_catalog_it_is() {
    bounded(async {
        let world = World::start().await;
        let catalogs = world.create("catalogs", json!([{"name": "Parts"}, {"name": "Tools"}])).await;
        let element = world.create(&format!("catalogs/{}/elements", catalogs[1]), json!([{"name": "Saw"}])).await[0];
        let records = refs("catalog_elements", &[element]);
        let read = world.fetch(&records).await.expect("an answer");
        assert_eq!(whole(&read[0]).title, "Saw");
        assert_eq!(part(whole(&read[0]), "record")["catalog_id"], json!(catalogs[1]));
        world.are(&records, Presence::Alive).await;
        let delete = json!({"request": {"catalog_elements": {"delete": [element]}}});
        world.post("/ajax/v1/catalog_elements/set", delete).await;
        world.are(&records, Presence::Gone).await;
        assert!(matches!(world.fetch_one(&records[0]).await, Fetched::Absent));
    })
    .await;
}

#[tokio::test]
async fn a_part_of_the_set_up_is_archived_as_its_own_path_shows_it() {
    bounded(async {
        let world = World::start().await;
        let fields = world.get("/api/v4/leads/custom_fields").await.expect("fields");
        let field = fields["_embedded"]["custom_fields"][0]["id"].as_u64().expect("a field");
        let name =
            |id: u64| SetUpName { word: "custom_fields".into(), path: format!("/api/v4/leads/custom_fields/{id}") };
        let there = name(field).record();
        assert_eq!(part(whole(&world.fetch_one(&there).await), "record")["id"], json!(field));
        world.are(&[there], Presence::Alive).await;
        world.are(&[name(999_999).record()], Presence::Gone).await;
    })
    .await;
}
