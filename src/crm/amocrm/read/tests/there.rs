//! Presence after deletes.

use rstest::rstest;
use serde_json::{Value, json};

use super::world::{World, bounded, furnished, record, refs};
use crate::crm::Presence;
use crate::domain::record::RecordRef;

#[rstest]
#[tokio::test]
async fn tasks_and_notes_are_gone_after_their_delete(#[values("204", "404")] unknown_id: &str) {
    bounded(async {
        let world = World::start().await;
        world.switch("unknown_id", json!(unknown_id)).await;
        let (contact, ..) = furnished(&world).await;
        let ids = |rows: Value, key: &str| -> Vec<u64> {
            let rows = rows["_embedded"][key].as_array().expect("rows").clone();
            rows.iter().map(|row| row["id"].as_u64().expect("an id")).collect()
        };
        let notes = ids(world.get(&format!("/api/v4/contacts/{contact}/notes")).await.expect("notes"), "notes");
        let tasks = ids(world.get("/api/v4/tasks").await.expect("tasks"), "tasks");
        for (object, ids) in [("notes", &notes), ("tasks", &tasks)] {
            let records = refs(object, ids);
            world.are(&records, Presence::Alive).await;
            world.are(&records[..1], Presence::Alive).await;
            world.delete_on_screen(object, &ids[..1]).await;
            world.are(&records[..1], Presence::Gone).await;
            world.are(&records[1..], Presence::Alive).await;
            let all = world.presence(&records).await.expect("an answer");
            assert_eq!((all[0], all[1]), (Presence::Gone, Presence::Alive));
        }
    })
    .await;
}

#[tokio::test]
async fn one_card_is_asked_for_by_its_id() {
    bounded(async {
        let world = World::start().await;
        let (contact, company, lead) = furnished(&world).await;
        for (object, id) in [("contacts", contact), ("companies", company), ("leads", lead)] {
            let records = refs(object, &[id]);
            world.are(&records, Presence::Alive).await;
            world.delete_on_screen(object, &[id]).await;
            let before = world.asked_ever().await.len();
            world.are(&records, Presence::Gone).await;
            assert_eq!(world.asked(before).await, [format!("/api/v4/{object}/{id}")]);
        }
    })
    .await;
}

#[tokio::test]
async fn many_deleted_cards_are_proved_by_the_bin() {
    bounded(async {
        let world = World::start().await;
        for object in ["contacts", "companies", "leads", "customers"] {
            let items: Vec<Value> =
                (0..40).map(|n| json!({"name": format!("{n}"), "next_date": 1_900_000_000})).collect();
            let ids = world.create(object, json!(items)).await;
            let records = refs(object, &ids);
            world.are(&records, Presence::Alive).await;
            world.delete_on_screen(object, &ids[..38]).await;
            let before = world.asked_ever().await.len();
            let seen = world.presence(&records).await.expect("an answer");
            let asked = world.asked(before).await.len();
            assert!(seen[..38].iter().all(|seen| *seen == Presence::Gone), "{object}: {seen:?}");
            assert_eq!(seen[38..], [Presence::Alive, Presence::Alive], "{object}");
            // The living, the bin. Customers have no bin that the API shows.
            assert_eq!(asked, if object == "customers" { 39 } else { 2 }, "{object}");
        }
    })
    .await;
}

#[tokio::test]
async fn links_and_tags_go_alone_or_with_their_card() {
    bounded(async {
        let world = World::start().await;
        let (contact, company, lead) = furnished(&world).await;
        let to_lead = record(&format!("links/leads-{lead}-contacts-{contact}"));
        let to_company = record(&format!("links/contacts-{contact}-companies-{company}"));
        let vip = record(&format!("tags/contacts-{contact}-=vip"));
        let old = record(&format!("tags/contacts-{contact}-=old%20client"));
        world.are(&[to_lead.clone(), to_company.clone(), vip.clone(), old.clone()], Presence::Alive).await;
        let end = json!([{"to_entity_id": company, "to_entity_type": "companies"}]);
        world.post(&format!("/api/v4/contacts/{contact}/unlink"), end).await;
        let patch = json!([{"id": contact, "tags_to_delete": [{"name": "vip"}]}]).to_string();
        let patch = Some(("application/json", patch.into()));
        world
            .ask(crate::crm::upstream::Ask {
                method: http::Method::PATCH,
                target: "/api/v4/contacts".into(),
                body: patch,
            })
            .await;
        world.are(&[to_company, vip], Presence::Gone).await;
        world.are(&[to_lead.clone(), old.clone()], Presence::Alive).await;
        world.delete_on_screen("contacts", &[contact]).await;
        world.are(&[to_lead, old], Presence::Gone).await;
        world.delete_on_screen("leads", &[lead]).await;
        world.are(&[RecordRef::new("links", format!("leads-{lead}-contacts-{contact}"))], Presence::Gone).await;
    })
    .await;
}
