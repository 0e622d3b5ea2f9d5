//! Unsorted, and leads made with all that belongs to them.

use serde_json::{Value, json};

use crate::crm::Crm;

fn form(name: &str) -> Value {
    json!([{
        "source_uid": "landing", "source_name": "Landing page", "request_id": "q",
        "metadata": {"form_id": "f1", "form_name": "Order", "form_page": "https://site.example/", "form_sent_at": 1},
        "_embedded": {"leads": [{"name": name}], "contacts": [{"name": "Анна Ёлкина"}]},
    }])
}

async fn incoming(crm: &Crm, name: &str) -> Value {
    let made = crm.call("POST", "/api/v4/leads/unsorted/forms", form(name)).await.ok(200);
    made["_embedded"]["unsorted"][0].clone()
}

#[tokio::test]
async fn what_is_accepted_becomes_visible() {
    let crm = Crm::start().await;
    let row = incoming(&crm, "Order").await;
    let uid = row["uid"].as_str().unwrap();
    let (lead, contact) = (&row["_embedded"]["leads"][0]["id"], &row["_embedded"]["contacts"][0]["id"]);
    assert_eq!(crm.get(&format!("/api/v4/leads/{lead}")).await.status, 204);
    assert_eq!(crm.get(&format!("/api/v4/contacts/{contact}")).await.status, 204);
    assert_eq!(crm.get(&format!("/api/v4/leads/unsorted/{uid}")).await.ok(200)["category"], "forms");
    assert_eq!(crm.get("/api/v4/leads/unsorted/summary").await.ok(200)["categories"]["forms"]["total"], 1);
    let deleted = crm.call("DELETE", &format!("/api/v4/leads/unsorted/{uid}"), Value::Null).await.ok(404);
    assert!(deleted["detail"].as_str().unwrap().starts_with("Cannot DELETE"), "{deleted}");
    let path = format!("/api/v4/leads/unsorted/{uid}/accept");
    crm.call("POST", &path, json!({"user_id": 72, "status_id": 32002})).await.ok(200);
    let shown = crm.get(&format!("/api/v4/leads/{lead}?with=contacts")).await.ok(200);
    assert_eq!((&shown["status_id"], &shown["responsible_user_id"]), (&json!(32002), &json!(72)));
    assert_eq!(&shown["_embedded"]["contacts"][0]["id"], contact);
    crm.call("POST", &path, json!({})).await.ok(404);
}

#[tokio::test]
async fn what_is_declined_lies_in_the_bin() {
    let crm = Crm::start().await;
    let (first, second) = (incoming(&crm, "First").await, incoming(&crm, "Second").await);
    let listed = crm.get("/api/v4/leads/unsorted?order[created_at]=asc").await.ok(200);
    assert_eq!(listed["_embedded"]["unsorted"][0]["uid"], second["uid"], "not the newest first");
    let path = format!("/api/v4/leads/unsorted/{}/decline", first["uid"].as_str().unwrap());
    let declined = crm.call("DELETE", &path, json!({"user_id": 72})).await.ok(200);
    assert_eq!(declined["_embedded"]["leads"], first["_embedded"]["leads"]);
    crm.call("DELETE", &path, json!({"user_id": 72})).await.ok(404);
    let bin = crm.get("/api/v4/leads?with=only_deleted").await.ok(200);
    let row = &bin["_embedded"]["leads"][0];
    assert_eq!((&row["id"], &row["updated_by"]), (&first["_embedded"]["leads"][0]["id"], &json!(72)));
    let missing = crm.call("POST", "/api/v4/leads/unsorted/sip", json!([{"source_uid": "x"}])).await.ok(400);
    assert_eq!(missing["validation-errors"][0]["errors"][0]["path"], "source_name");
}

#[tokio::test]
async fn complex_leads_merge_into_what_a_known_person_has() {
    let crm = Crm::start().await;
    let order = |phone: &str| {
        let phone = json!({"field_code": "PHONE", "values": [{"value": phone, "enum_code": "WORK"}]});
        json!([{"name": "Deal", "request_id": "r1", "_embedded": {
            "contacts": [{"name": "Anna", "custom_fields_values": [phone]}], "companies": [{"name": "Acme"}]}}])
    };
    let first = crm.call("POST", "/api/v4/leads/complex", order("+7 912 000-11-22")).await.ok(200);
    assert_eq!((&first[0]["merged"], &first[0]["request_id"]), (&json!(false), &json!(["r1"])));
    let second = crm.call("POST", "/api/v4/leads/complex", order("8 (912) 000 11 22")).await.ok(200);
    assert_eq!((&second[0]["merged"], &second[0]["id"]), (&json!(true), &first[0]["id"]));
    assert_eq!(second[0]["contact_id"], first[0]["contact_id"]);
    crm.switch("duplicate_control", json!(false)).await;
    let third = crm.call("POST", "/api/v4/leads/complex", order("89120001122")).await.ok(200);
    assert_eq!(third[0]["merged"], false);
    assert_ne!(third[0]["id"], first[0]["id"]);
    let many: Vec<Value> = (0..51).map(|n| json!({"name": n.to_string()})).collect();
    assert_eq!(crm.call("POST", "/api/v4/leads/complex", json!(many)).await.status, 400);
}
