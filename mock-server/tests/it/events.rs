//! The feed of events.

use serde_json::{Value, json};

use crate::crm::Crm;

fn types(answer: &Value) -> Vec<String> {
    let rows = answer["_embedded"]["events"].as_array().cloned().unwrap_or_default();
    rows.iter().filter_map(|row| row["type"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn newest_first_a_hundred_a_page() {
    let crm = Crm::start().await;
    let many: Vec<Value> = (0..120).map(|n| json!({"name": n.to_string()})).collect();
    crm.call("POST", "/api/v4/leads", json!(many)).await.ok(200);
    let first = crm.get("/api/v4/events?limit=250").await.ok(200);
    assert_eq!(types(&first).len(), 100);
    let row = &first["_embedded"]["events"][0];
    assert_eq!((&row["entity_type"], &row["entity_id"]), (&json!("lead"), &json!(5120)));
    let second = crm.get(first["_links"]["next"]["href"].as_str().unwrap()).await.ok(200);
    assert_eq!(types(&second).len(), 20);
    assert_eq!(second["_links"].get("next"), None);
    let one = crm.get(&format!("/api/v4/events/{}?with=lead_name", row["id"].as_str().unwrap())).await.ok(200);
    assert_eq!(one["_embedded"]["entity"]["name"], "119");
}

#[tokio::test]
async fn filters_narrow_and_say_when_they_cannot() {
    let crm = Crm::start().await;
    let lead = crm.make("leads", json!({"name": "L"})).await;
    let contact = crm.make("contacts", json!({"name": "A"})).await;
    let note = json!({"note_type": "common", "params": {"text": "n"}});
    let note = crm.make(&format!("leads/{lead}/notes"), note).await;
    crm.form("/private/notes/edit2.php", &format!("ID={note}&ACTION=NOTE_DELETE")).await.ok(200);
    let link = json!([{"to_entity_id": contact, "to_entity_type": "contacts"}]);
    crm.call("POST", &format!("/api/v4/leads/{lead}/link"), link.clone()).await.ok(200);
    crm.call("POST", &format!("/api/v4/leads/{lead}/unlink"), link).await.ok(204);
    let city = json!({"custom_fields_values": [{"field_id": 640, "values": [{"value": "Perm"}]}]});
    crm.call("PATCH", &format!("/api/v4/leads/{lead}"), city).await.ok(200);
    let of_lead = format!("/api/v4/events?filter[entity][]=lead&filter[entity_id][]={lead}");
    let feed = crm.get(&of_lead).await.ok(200);
    let newest_first = [
        "custom_field_value_changed",
        "entity_unlinked",
        "entity_linked",
        "common_note_deleted",
        "common_note_added",
        "lead_added",
    ];
    assert_eq!(types(&feed), newest_first);
    assert_eq!(feed["_embedded"]["events"][3]["value_before"], json!([{"note": {"id": note}}]));
    let of_field = crm.get("/api/v4/events?filter[type][]=custom_field_640_value_changed").await.ok(200);
    assert_eq!(types(&of_field), ["custom_field_value_changed"]);
    assert_eq!(crm.get("/api/v4/events?filter[type][]=custom_field_641_value_changed").await.status, 204);
    assert_eq!(crm.get("/api/v4/events?filter[created_at][to]=1").await.status, 204);
    assert_eq!(crm.get(&format!("/api/v4/events?filter[entity_id][]={lead}")).await.status, 400);
    let eleven = "filter[created_by][]=71&".repeat(11);
    assert_eq!(crm.get(&format!("/api/v4/events?{eleven}")).await.status, 400);
    crm.switch("api_events_by", json!("zero")).await;
    crm.make("leads", json!({"name": "M"})).await;
    crm.mock("POST", "ui/delete", json!({"object": "leads", "id": lead, "user_id": 73})).await;
    let newest = crm.get("/api/v4/events?limit=2").await.ok(200);
    let by = |index: usize| newest["_embedded"]["events"][index]["created_by"].as_u64();
    assert_eq!((by(0), by(1)), (Some(73), Some(0)));
    let known = crm.get("/api/v4/events/types?language_code=en").await.ok(200);
    assert_eq!(known["_embedded"]["events_types"][1]["type"], 7);
}

#[tokio::test]
async fn a_merge_leaves_one_with_what_both_had() {
    let crm = Crm::start().await;
    let (anna, other) =
        (crm.make("contacts", json!({"name": "Anna"})).await, crm.make("contacts", json!({"name": "Anya"})).await);
    let lead = json!({"name": "L", "_embedded": {"contacts": [{"id": other, "is_main": true}]}});
    let lead = crm.make("leads", lead).await;
    let note =
        crm.make(&format!("contacts/{other}/notes"), json!({"note_type": "common", "params": {"text": "n"}})).await;
    let done = crm.mock("POST", "ui/merge", json!({"object": "contacts", "id": anna, "ids": [other]})).await;
    assert_eq!(done["done"], json!([other.to_string()]));
    assert_eq!(crm.get(&format!("/api/v4/contacts/{other}")).await.status, 204);
    assert_eq!(crm.get("/api/v4/contacts?with=only_deleted").await.status, 204, "it is not in the bin");
    let notes = crm.get(&format!("/api/v4/contacts/{anna}/notes")).await.ok(200);
    assert_eq!(notes["_embedded"]["notes"][0]["id"], note);
    let shown = crm.get(&format!("/api/v4/leads/{lead}?with=contacts")).await.ok(200);
    assert_eq!(shown["_embedded"]["contacts"][0]["id"], anna);
    assert_eq!(types(&crm.get("/api/v4/events?limit=1").await.ok(200)), ["entity_merged"]);
}
