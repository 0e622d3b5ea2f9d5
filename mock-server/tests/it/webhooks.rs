//! Subscriptions, deliveries, and how badly they can go.

use std::time::Duration;

use serde_json::{Value, json};

use crate::crm::Crm;
use crate::receiver::Receiver;

async fn good() -> Receiver {
    Receiver::start(|_| 200, Duration::ZERO).await
}

async fn subscribe(crm: &Crm, receiver: &Receiver, settings: &[&str]) {
    let body = json!({"destination": receiver.url, "settings": settings});
    crm.call("POST", "/api/v4/webhooks", body).await.ok(201);
}

/// Waits until the mock says that so many deliveries came to this end.
async fn outcomes(crm: &Crm, outcome: &str, count: usize) -> Vec<Value> {
    for _ in 0..2000 {
        let shown = crm.mock("GET", "webhooks", Value::Null).await;
        let rows = shown["deliveries"].as_array().cloned().unwrap_or_default();
        let rows: Vec<Value> = rows.into_iter().filter(|row| row["outcome"] == outcome).collect();
        if rows.len() >= count {
            return rows;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never {count} times {outcome}");
}

#[tokio::test]
async fn a_destination_is_one_webhook() {
    let crm = Crm::start().await;
    let receiver = good().await;
    let body = |settings: &[&str]| json!({"destination": receiver.url, "settings": settings});
    let first = crm.call("POST", "/api/v4/webhooks", body(&["delete_lead"])).await.ok(201);
    let again = crm.call("POST", "/api/v4/webhooks", body(&["add_lead"])).await.ok(201);
    assert_eq!((&again["id"], &again["settings"]), (&first["id"], &json!(["add_lead"])));
    let wrong = crm.call("POST", "/api/v4/webhooks", body(&["add_lead", "merge_lead"])).await.ok(400);
    assert_eq!(wrong["validation-errors"][0]["errors"][0]["path"], "settings.1");
    let by_destination = format!("/api/v4/webhooks?filter[destination]={}", receiver.url);
    assert_eq!(crm.get(&by_destination).await.ok(200)["_total_items"], 1);
    assert_eq!(crm.get("/api/v4/webhooks?filter[destination]=http://x/").await.status, 204);
    assert_eq!(crm.call("DELETE", "/api/v4/webhooks", json!({"destination": receiver.url})).await.status, 204);
    assert_eq!(crm.call("DELETE", "/api/v4/webhooks", json!({"destination": receiver.url})).await.status, 404);
}

#[tokio::test]
async fn what_a_person_does_on_the_screen_is_told_as_forms() {
    let crm = Crm::start().await;
    let receiver = good().await;
    subscribe(&crm, &receiver, &["delete_lead", "restore_lead", "delete_company", "update_contact", "delete_task"])
        .await;
    let lead = crm.make("leads", json!({"name": "L", "pipeline_id": 901})).await;
    crm.mock("POST", "ui/delete", json!({"object": "leads", "id": lead, "user_id": 72})).await;
    let told = receiver.wait_for(1).await;
    let value = |index: usize, key: &str| receiver.heard()[index].get(key).cloned();
    assert_eq!(value(0, "leads[delete][0][id]"), Some(lead.to_string()));
    assert_eq!(value(0, "leads[delete][0][pipeline_id]").as_deref(), Some("901"));
    assert_eq!(value(0, "account[id]").as_deref(), Some("31337000"));
    assert_eq!(told[0].len(), 6, "{told:?}");
    crm.mock("POST", "ui/restore", json!({"object": "leads", "id": lead})).await;
    receiver.wait_for(2).await;
    assert_eq!(value(1, "leads[restore][0][id]"), Some(lead.to_string()));
    let company = crm.make("companies", json!({"name": "C"})).await;
    crm.form("/ajax/companies/multiple/delete/", &format!("ID[]={company}")).await.ok(200);
    receiver.wait_for(3).await;
    assert_eq!(value(2, "contacts[delete][0][type]").as_deref(), Some("company"));
    let contact = crm.make("contacts", json!({"name": "Anna"})).await;
    let edit = json!({"object": "contacts", "id": contact, "fields": {"name": "Анна"}});
    crm.mock("POST", "ui/edit", edit).await;
    receiver.wait_for(4).await;
    assert_eq!(value(3, "contacts[update][0][name]").as_deref(), Some("Анна"));
    let events = crm.get("/api/v4/events?filter[type][]=lead_deleted,lead_restored").await.ok(200);
    let types: Vec<&Value> = events["_embedded"]["events"].as_array().unwrap().iter().map(|e| &e["type"]).collect();
    assert_eq!(types, ["lead_restored", "lead_deleted"]);
    assert_eq!(events["_embedded"]["events"][1]["created_by"], 72);
}

#[tokio::test]
async fn servers_that_break_are_tried_five_times_others_three() {
    let crm = Crm::start().await;
    crm.mock("POST", "webhooks", json!({"retry_scale": 0.0001})).await;
    let broken = Receiver::start(|index| if index < 4 { 503 } else { 204 }, Duration::ZERO).await;
    let absent = Receiver::start(|_| 404, Duration::ZERO).await;
    subscribe(&crm, &broken, &["add_lead"]).await;
    subscribe(&crm, &absent, &["add_lead"]).await;
    crm.make("leads", json!({"name": "L"})).await;
    broken.wait_for(5).await;
    absent.wait_for(3).await;
    let delivered = outcomes(&crm, "delivered", 1).await;
    assert_eq!((&delivered[0]["attempt"], &delivered[0]["status"]), (&json!(5), &json!(204)));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!((broken.heard().len(), absent.heard().len()), (5, 3));
}

#[tokio::test]
async fn two_seconds_are_all_there_is_and_retries_follow_the_accounts_clock() {
    let crm = Crm::start().await;
    let slow = Receiver::start(|_| 200, Duration::from_millis(2500)).await;
    subscribe(&crm, &slow, &["add_lead"]).await;
    crm.make("leads", json!({"name": "L"})).await;
    let failed = outcomes(&crm, "failed", 1).await;
    assert_eq!(failed[0]["status"], Value::Null);
    assert_eq!(slow.heard().len(), 1);
    crm.mock("POST", "clock", json!({"advance_seconds": 300})).await;
    slow.wait_for(2).await;
}

#[tokio::test]
async fn too_many_bad_answers_disable_until_someone_subscribes_anew() {
    let crm = Crm::start().await;
    let bad = Receiver::start(|_| 302, Duration::ZERO).await;
    subscribe(&crm, &bad, &["add_lead"]).await;
    for index in 0..101 {
        crm.make("leads", json!({"name": index.to_string()})).await;
    }
    outcomes(&crm, "failed", 101).await;
    let listed = || async { crm.get("/api/v4/webhooks").await.ok(200)["_embedded"]["webhooks"][0]["disabled"].clone() };
    for _ in 0..100 {
        if listed().await == json!(true) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(listed().await, true);
    crm.make("leads", json!({"name": "unheard"})).await;
    crm.switch("repost_enables_webhook", json!(false)).await;
    subscribe(&crm, &bad, &["add_lead"]).await;
    assert_eq!(listed().await, true);
    crm.switch("repost_enables_webhook", json!(true)).await;
    subscribe(&crm, &bad, &["add_lead"]).await;
    assert_eq!(listed().await, false);
    assert_eq!(bad.heard().len(), 101);
}

#[tokio::test]
async fn hooks_get_lost_doubled_and_shuffled_on_demand() {
    let crm = Crm::start().await;
    let receiver = good().await;
    subscribe(&crm, &receiver, &["add_lead"]).await;
    crm.mock("POST", "webhooks", json!({"drop": true})).await;
    crm.make("leads", json!({"name": "lost"})).await;
    outcomes(&crm, "dropped", 1).await;
    crm.mock("POST", "webhooks", json!({"drop": 0, "double": 1})).await;
    crm.make("leads", json!({"name": "twice"})).await;
    let told = receiver.wait_for(2).await;
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0].get("leads[add][0][name]").map(String::as_str), Some("twice"));
    crm.mock("POST", "webhooks", json!({"double": 0, "shuffle": true, "delay_ms": 50})).await;
    for index in 0..12 {
        crm.make("leads", json!({"name": index.to_string()})).await;
    }
    let told = receiver.wait_for(14).await;
    let came: Vec<u64> = told[2..].iter().filter_map(|row| row.get("leads[add][0][name]")?.parse().ok()).collect();
    let mut sorted = came.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..12).collect::<Vec<u64>>());
    assert_ne!(came, sorted, "twelve hooks came in order");
}

#[tokio::test]
async fn nothing_leaves_this_machine() {
    let crm = Crm::start().await;
    for destination in ["https://undo.example/h", "http://192.0.2.1/h", "https://127.0.0.1/h"] {
        let body = json!({"destination": destination, "settings": ["add_lead"]});
        crm.call("POST", "/api/v4/webhooks", body).await.ok(201);
    }
    crm.make("leads", json!({"name": "L"})).await;
    outcomes(&crm, "not_loopback", 3).await;
}

#[tokio::test]
async fn what_one_request_caused_comes_together_or_apart() {
    let crm = Crm::start().await;
    let receiver = good().await;
    subscribe(&crm, &receiver, &["add_lead"]).await;
    let two = || crm.call("POST", "/api/v4/leads", json!([{"name": "a"}, {"name": "b"}]));
    two().await.ok(200);
    let told = receiver.wait_for(1).await;
    assert_eq!(told[0].get("leads[add][1][name]").map(String::as_str), Some("b"));
    crm.switch("hooks_of_one_request", json!("apart")).await;
    two().await.ok(200);
    let told = receiver.wait_for(3).await;
    let name = |index: usize| told[index].get("leads[add][0][name]").map(String::as_str);
    assert_eq!((name(1), name(2)), (Some("a"), Some("b")));
}
