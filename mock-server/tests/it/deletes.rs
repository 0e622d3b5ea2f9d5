//! The private deletes: what they answer, byte for byte, the first time and the second (§3.2, §3.6).

use serde_json::{Value, json};

use crate::crm::{Crm, Reply};

/// Status, content type and body.
fn face(reply: &Reply) -> (u16, &str, &str) {
    (reply.status, reply.content_type.as_str(), reply.text.as_str())
}

const JSON: &str = "application/json";

#[tokio::test]
async fn cards_go_with_a_message_and_are_gone_for_want_of_rights() {
    let crm = Crm::start().await;
    for (word, of_one, of_two, of_none) in [
        ("leads", "сделки", "сделок", "сделки"),
        ("contacts", "контакта", "контактов", "контакта"),
        // Companies are called contacts here.
        ("companies", "контакта", "контактов", "контакта"),
    ] {
        let path = format!("/ajax/{word}/multiple/delete/");
        let mut ids = Vec::new();
        for name in ["a", "b", "c"] {
            ids.push(crm.make(word, json!({"name": name})).await);
        }
        let success = |count: u64, noun: &str| {
            format!(r#"{{"status":"success","message":"Удаление прошло успешно для {count} {noun}"}}"#)
        };
        let first = crm.form(&path, &format!("ID[]={}", ids[0])).await;
        assert_eq!(face(&first), (200, JSON, success(1, of_one).as_str()));
        let two = crm.form(&path, &format!("ACTION=DELETE&ID%5B%5D={}&ID%5B%5D={}", ids[1], ids[2])).await;
        assert_eq!(face(&two), (200, JSON, success(2, of_two).as_str()));
        let again = crm.form(&path, &format!("ID[]={}", ids[0])).await;
        let refusal = format!(
            r#"{{"status":"fail","errors":["Недостаточно прав для удаления {of_none}"],"message":"Недостаточно прав для удаления"}}"#
        );
        assert_eq!(face(&again), (200, JSON, refusal.as_str()));
        assert_eq!(crm.get(&format!("/api/v4/{word}/{}", ids[0])).await.status, 204);
        let bin = crm.get(&format!("/api/v4/{word}?with=only_deleted&filter[id][]={}", ids[0])).await.ok(200);
        let row = &bin["_embedded"][word][0];
        assert_eq!((&row["name"], &row["is_deleted"]), (&Value::Null, &json!(word == "leads")));
    }
}

#[tokio::test]
async fn tasks_and_notes_have_faces_of_their_own() {
    let crm = Crm::start().await;
    let lead = crm.make("leads", json!({"name": "L"})).await;
    let task = crm.make("tasks", json!({"text": "Позвонить", "complete_till": 1_800_000_000})).await;
    let note = crm.make(&format!("leads/{lead}/notes"), json!({"note_type": "common", "params": {"text": "n"}})).await;
    let call = json!({"note_type": "call_in", "params": {"duration": 5, "phone": "+79120001122"}});
    let call = crm.make(&format!("leads/{lead}/notes"), call).await;
    let delete = |id: u64, action: &'static str| {
        let crm = &crm;
        async move { crm.form("/private/notes/edit2.php", &format!("ID={id}&ACTION={action}")).await }
    };
    let ok = |id: u64| format!(r#"{{"status":"ok","id":{id}}}"#);
    assert_eq!(face(&delete(task, "TASK_DELETE").await), (200, JSON, ok(task).as_str()));
    let gone = format!(r#"{{"status":"fail","id":{task}}}"#);
    assert_eq!(face(&delete(task, "TASK_DELETE").await), (400, JSON, gone.as_str()));
    for id in [note, call] {
        assert_eq!(face(&delete(id, "NOTE_DELETE").await), (200, JSON, ok(id).as_str()));
        let gone = format!(r#"{{"status":"no note","id":{id}}}"#);
        assert_eq!(face(&delete(id, "NOTE_DELETE").await), (200, JSON, gone.as_str()));
    }
}

#[tokio::test]
async fn set_routes_list_what_is_gone() {
    let crm = Crm::start().await;
    let customer = crm.make("customers", json!({"name": "A"})).await;
    let body = json!({"request": {"customers": {"delete": [customer]}}});
    let set = |path: &'static str, body: Value| {
        let crm = &crm;
        async move { crm.call("POST", path, body).await }
    };
    let first = set("/ajax/v1/customers/set/", body.clone()).await;
    assert_eq!(face(&first), (200, JSON, r#"{"response":{"customers":{"delete":{"errors":[]}}}}"#));
    let again = set("/ajax/v1/customers/set/", body).await.ok(200);
    assert_eq!(again["response"]["customers"]["delete"]["errors"][0]["code"], 404);

    let element = crm.make("catalogs/4100/elements", json!({"name": "Петля"})).await;
    let other = crm.make("catalogs/4100/elements", json!({"name": "Hinge"})).await;
    let form = format!("request[catalog_elements][delete][]={element}&request[catalog_elements][delete][]=1");
    let first = crm.form("/ajax/v1/catalog_elements/set/", &form).await.ok(200);
    let part = &first["response"]["catalog_elements"]["delete"];
    assert_eq!(part["catalog_elements"][element.to_string()]["name"], "Петля");
    assert_eq!(part["errors"][0]["code"], 404);
    assert!(first["response"]["server_time"].is_number());

    let list = crm.form("/ajax/v1/catalogs/set/", "request[catalogs][delete][]=4100").await;
    assert_eq!((list.status, list.content_type.as_str()), (500, "text/html"));
    let one = crm.form("/ajax/v1/catalogs/set/", "request[catalogs][delete]=4100").await;
    let gone = r#"{"response":{"catalogs":{"delete":{"catalogs":{"4100":{"id":4100,"name":"Parts"}},"errors":[]}}}}"#;
    assert_eq!(face(&one), (200, JSON, gone));
    let again = crm.form("/ajax/v1/catalogs/set/", "request[catalogs][delete]=4100").await.ok(200);
    assert_eq!(again["response"]["catalogs"]["delete"]["errors"][0]["code"], 404);
    let effects = crm.effects(0).await;
    assert!(effects.contains(&format!("deleted catalog_elements {other}")), "elements go with the catalog");
}

#[tokio::test]
async fn pipelines_say_that_an_id_is_no_choice() {
    let crm = Crm::start().await;
    let lead = crm.make("leads", json!({"name": "L", "pipeline_id": 901})).await;
    let delete = || crm.call("DELETE", "/api/v4/leads/pipelines/901", Value::Null);
    let full = delete().await.ok(422);
    assert!(full["detail"].as_str().unwrap().starts_with("Only pipelines without leads"), "{full}");
    crm.form("/ajax/leads/multiple/delete/", &format!("ID[]={lead}")).await.ok(200);
    assert_eq!(delete().await.status, 204);
    let again = delete().await.ok(400);
    let fault = &again["validation-errors"][0]["errors"][0];
    assert_eq!((&fault["code"], &fault["path"]), (&json!("NotSupportedChoice"), &json!("id")));
    let old = crm.form("/ajax/v1/pipelines/delete", "request[id]=902").await.ok(200);
    assert_eq!(old["response"]["902"], true);
}

#[tokio::test]
async fn what_v4_does_not_delete_it_refuses_in_three_ways() {
    let crm = Crm::start().await;
    let lead = crm.make("leads", json!({"name": "L"})).await;
    let note = crm.make(&format!("leads/{lead}/notes"), json!({"note_type": "common", "params": {"text": "n"}})).await;
    let task = crm.make("tasks", json!({"text": "T", "complete_till": 1_800_000_000})).await;
    let note = crm.call("DELETE", &format!("/api/v4/leads/{lead}/notes/{note}"), Value::Null).await;
    assert_eq!((note.status, note.text.as_str()), (405, ""));
    let task = crm.call("DELETE", &format!("/api/v4/tasks/{task}"), Value::Null).await.ok(403);
    assert_eq!(task["detail"], "Invalid scope");
    let html = crm.form("/ajax/tasks/multiple/delete/", "ID[]=1").await;
    assert_eq!((html.status, html.content_type.as_str()), (404, "text/html"));
}

#[tokio::test]
async fn switches_change_what_nobody_has_verified() {
    let crm = Crm::start().await;
    let ids = [crm.make("contacts", json!({"name": "a"})).await, crm.make("contacts", json!({"name": "b"})).await];
    crm.switch("mixed_batch", json!("all_or_nothing")).await;
    let mixed = format!("ID[]={}&ID[]=1", ids[0]);
    assert_eq!(crm.form("/ajax/contacts/multiple/delete/", &mixed).await.ok(200)["status"], "fail");
    assert_eq!(crm.get(&format!("/api/v4/contacts/{}", ids[0])).await.status, 200);
    crm.switch("mixed_batch", json!("per_id")).await;
    assert_eq!(crm.form("/ajax/contacts/multiple/delete/", &mixed).await.ok(200)["status"], "success");
    crm.switch("require_x_requested_with", json!(true)).await;
    let body = format!("ID[]={}", ids[1]);
    let bare =
        crm.send("POST", "/ajax/contacts/multiple/delete/", &[("authorization", "Bearer demo-token")], body).await;
    assert_eq!((bare.status, bare.content_type.as_str()), (404, "text/html"));
    let unknown = crm.send("POST", "/_mock/switches", &[], r#"{"no_such": 1}"#).await;
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn a_person_restores_with_the_id_the_links_and_the_timeline() {
    let crm = Crm::start().await;
    let contact = crm.make("contacts", json!({"name": "Anna"})).await;
    let lead = json!({"name": "L", "_embedded": {"contacts": [{"id": contact, "is_main": true}]}});
    let lead = crm.make("leads", lead).await;
    let note = crm.make(&format!("leads/{lead}/notes"), json!({"note_type": "common", "params": {"text": "n"}})).await;
    let snapshot = format!("/api/v4/leads/{lead}?with=contacts");
    let before = crm.get(&snapshot).await.ok(200);
    crm.form("/ajax/leads/multiple/delete/", &format!("ID[]={lead}")).await.ok(200);
    assert_eq!(crm.get("/api/v4/leads/notes").await.status, 204);
    assert_eq!(crm.get(&format!("/api/v4/contacts/{contact}/links")).await.ok(200)["_total_items"], 0);
    crm.mock("POST", "ui/restore", json!({"object": "leads", "id": lead})).await;
    let mut after = crm.get(&snapshot).await.ok(200);
    after["updated_at"] = before["updated_at"].clone();
    assert_eq!(after, before);
    assert_eq!(crm.get("/api/v4/leads/notes").await.ok(200)["_embedded"]["notes"][0]["id"], note);
}
