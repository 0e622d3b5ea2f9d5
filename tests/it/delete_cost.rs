//! What a delete through the gateway costs the CRM, counted there.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::World;

/// Requests the CRM has heard, by verb and path.
async fn heard(world: &World) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in world.heard("requests").await {
        let target = request["target"].as_str().expect("a target");
        let path = target.split('?').next().unwrap_or_default();
        *counts.entry(format!("{} {path}", request["method"].as_str().expect("a verb"))).or_insert(0) += 1;
    }
    counts
}

/// A contact with a deal, a company, two notes and a task.
async fn family(world: &World) -> u64 {
    let company = world.create("companies", json!([{"name": "Acme LLC"}])).await[0];
    let anna = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
    let deal = json!([{"name": "Windows", "_embedded": {"contacts": [{"id": anna}], "companies": [{"id": company}]}}]);
    world.create("leads", deal).await;
    let note = |text: &str| json!({"entity_id": anna, "note_type": "common", "params": {"text": text}});
    world.create("contacts/notes", json!([note("one"), note("two")])).await;
    let task = json!([{"text": "Call", "complete_till": 1_900_000_000, "entity_id": anna, "entity_type": "contacts"}]);
    world.create("tasks", task).await;
    anna
}

#[tokio::test]
async fn a_delete_reads_the_record_and_each_kind_of_part_once() {
    let world = World::start().await;
    let anna = family(&world).await;
    let before = heard(&world).await;
    assert_eq!(world.delete("contacts", &[anna]).await.status(), 200);
    let after = heard(&world).await;
    let cost: BTreeMap<&String, usize> = after
        .iter()
        .map(|(what, count)| (what, count - before.get(what).copied().unwrap_or(0)))
        .filter(|(_, count)| *count > 0)
        .collect();
    println!("one contact: {} requests: {cost:#?}", cost.values().sum::<usize>());
    let entry = world.bin("").await[0]["id"].as_str().expect("an id").to_owned();
    let entry = world.see(&format!("/api/v1/entries/{entry}")).await;
    println!("parts: {}", entry["snapshot"]["manifest"]);
    let kinds = entry["snapshot"]["manifest"].as_array().expect("a manifest").len();
    let mut records = 0;
    let mut parts = 0;
    for (what, count) in &cost {
        match what.as_str() {
            "POST /ajax/contacts/multiple/delete/" => assert_eq!(*count, 1, "{cost:?}"),
            "GET /api/v4/contacts" => records += count,
            one if *one == format!("GET /api/v4/contacts/{anna}") => records += count,
            _ => {
                assert_eq!(*count, 1, "{what} was asked for {count} times: {cost:?}");
                parts += count;
            }
        }
    }
    // The record, its version once more before the intent, and the look whether it is gone.
    assert!(records <= 3, "{cost:?}");
    assert!(parts <= kinds, "{parts} requests for {kinds} kinds of parts: {cost:?}");
}

#[tokio::test]
async fn a_batch_of_250_costs_as_many_reads_as_one() {
    let mut costs = Vec::new();
    for count in [1_usize, 250] {
        let world = World::start().await;
        let mut ids = Vec::new();
        for chunk in (0..count).collect::<Vec<_>>().chunks(50) {
            let items: Vec<Value> = chunk.iter().map(|n| json!({"name": format!("Contact {n}")})).collect();
            ids.extend(world.create("contacts", Value::Array(items)).await);
        }
        let before: usize = heard(&world).await.values().sum();
        assert_eq!(world.delete("contacts", &ids).await.status(), 200);
        costs.push(heard(&world).await.values().sum::<usize>() - before);
        let mut deleted = world.effects("deleted", "contacts").await;
        deleted.sort_unstable();
        assert_eq!(deleted, ids);
        assert_eq!(world.bin("?limit=200").await.len(), count.min(200));
    }
    println!("requests for one contact without parts: {}, for 250: {}", costs[0], costs[1]);
    // Of a few records the list of files is read too, which has no call for many.
    assert!(costs[1] <= costs[0], "requests for one and for 250: {costs:?}");
}
