//! Sources, widgets, templates, talks, short links, subscriptions, calls, pins.

use serde_json::{Value, json};

use crate::crm::Crm;

#[tokio::test]
async fn sources_are_unique_and_their_delete_has_an_envelope_of_its_own() {
    let crm = Crm::start().await;
    assert_eq!(crm.get("/api/v4/sources").await.status, 204);
    let id = crm.make("sources", json!({"name": "Site", "external_id": "site-1"})).await;
    let double = crm.call("POST", "/api/v4/sources", json!([{"name": "S", "external_id": "site-1"}])).await.ok(400);
    assert_eq!(double["validation-errors"][0]["errors"][0]["code"], "SourceAlreadyExists");
    let lead = json!({"name": "L", "_embedded": {"source": {"external_id": "site-1", "type": "widget"}}});
    let lead = crm.make("leads", lead).await;
    let shown = crm.get(&format!("/api/v4/leads/{lead}?with=source,source_id")).await.ok(200);
    assert_eq!(shown["_embedded"]["source"], json!({"id": id, "name": "Site"}));
    let gone = crm.call("DELETE", "/api/v4/sources", json!([{"id": id}, {"id": 777}])).await.ok(400);
    assert_eq!(gone["errors"][0]["errors"]["detail"], "source with id = 777 not found");
    assert_eq!(crm.call("DELETE", &format!("/api/v4/sources/{id}"), Value::Null).await.status, 204);
    assert_eq!(crm.call("DELETE", &format!("/api/v4/sources/{id}"), Value::Null).await.status, 404);
}

#[tokio::test]
async fn widgets_and_templates_come_and_go() {
    let crm = Crm::start().await;
    let path = "/api/v4/widgets/demo_widget";
    assert_eq!(crm.get(path).await.ok(200)["is_active_in_account"], false);
    let installed = crm.call("POST", path, json!({"key": "value"})).await.ok(200);
    assert_eq!(installed["settings"], json!({"key": "value"}));
    assert_eq!(crm.call("DELETE", path, Value::Null).await.status, 204);
    assert_eq!(crm.get(path).await.ok(200)["settings"], Value::Null);
    let id = crm.make("chats/templates", json!({"name": "Hi", "content": "Hello, {{contact.name}}"})).await;
    let path = format!("/api/v4/chats/templates/{id}");
    crm.call("PATCH", &path, json!({"name": "Привет"})).await.ok(200);
    let shown = crm.get(&path).await.ok(200);
    assert_eq!((&shown["name"], &shown["content"]), (&json!("Привет"), &json!("Hello, {{contact.name}}")));
    assert_eq!(crm.call("DELETE", &path, Value::Null).await.status, 204);
    assert_eq!(crm.get(&path).await.status, 404);
}

#[tokio::test]
async fn a_talk_is_closed_once() {
    let crm = Crm::with_contacts(1, 200).await;
    let mut open = None;
    for id in 1..50 {
        let talk = crm.get(&format!("/api/v4/talks/{id}")).await.ok(200);
        if talk["is_in_work"] == true {
            open = Some(id);
            break;
        }
    }
    let path = format!("/api/v4/talks/{}/close", open.unwrap());
    assert_eq!(crm.call("POST", &path, Value::Null).await.status, 202);
    assert_eq!(crm.call("POST", &path, Value::Null).await.status, 422);
    assert_eq!(crm.get("/api/v4/talks/99999").await.status, 404);
}

#[tokio::test]
async fn calls_find_their_person_and_cannot_be_deleted() {
    let crm = Crm::start().await;
    let phone = json!([{"field_code": "PHONE", "values": [{"value": "8 (912) 345-67-89"}]}]);
    let contact = crm.make("contacts", json!({"name": "Anna", "custom_fields_values": phone})).await;
    let call = |phone: &str| json!([{"direction": "inbound", "duration": 5, "source": "pbx", "phone": phone}]);
    let made = crm.call("POST", "/api/v4/calls", call("+79123456789")).await.ok(200);
    let made = &made["_embedded"]["calls"][0];
    assert_eq!(made["entity_id"], contact);
    let note = crm.get(&format!("/api/v4/contacts/{contact}/notes/{}", made["id"])).await.ok(200);
    assert_eq!(note["note_type"], "call_in");
    assert_eq!(crm.call("POST", "/api/v4/calls", call("+70000000000")).await.ok(400)["errors"][0]["status"], 263);
    let deleted = crm.call("DELETE", &format!("/api/v4/calls/{}", made["id"]), Value::Null).await.ok(404);
    assert!(deleted["detail"].as_str().unwrap().starts_with("Cannot DELETE"), "{deleted}");
    let pin = format!("/api/v4/contacts/{contact}/notes/{}/pin", made["id"]);
    assert_eq!(crm.call("POST", &pin, Value::Null).await.status, 204);
    let note = crm.get(&format!("/api/v4/contacts/{contact}/notes/{}", made["id"])).await.ok(200);
    assert_eq!(note["is_pinned"], true);
}

#[tokio::test]
async fn short_links_and_subscriptions_are_seen_once() {
    let crm = Crm::start().await;
    let lead = crm.make("leads", json!({"name": "L", "responsible_user_id": 72})).await;
    let link = json!([{"url": "https://a.example/", "metadata": {"entity_type": "leads", "entity_id": lead}}]);
    let made = crm.call("POST", "/api/v4/short_links", link).await.ok(200);
    let made = &made["_embedded"]["short_links"][0];
    assert!(made["url"].as_str().unwrap().starts_with("https://amo.sh/"), "{made}");
    assert_eq!(made.get("id"), None);
    let followers = crm.get(&format!("/api/v4/leads/{lead}/subscriptions")).await.ok(200);
    assert_eq!(followers["_embedded"]["subscriptions"][0], json!({"subscriber_id": 72, "type": "user"}));
}
