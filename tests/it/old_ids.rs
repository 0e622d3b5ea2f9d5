//! After a restore the old id goes on working in what is written, wherever the CRM's API lets a record be named.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{World, number};

/// A contact that was deleted and came back: its old id, its new one.
async fn restored(world: &World) -> (u64, u64) {
    let old = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
    let answer = world.delete("contacts", &[old]).await;
    let operation = answer.headers()["undo-id"].to_str().expect("text").to_owned();
    assert_eq!(world.undo(&operation).await["state"], "done");
    (old, number(&world.bin("?state=restored").await[0]["restored_as"]))
}

async fn write(world: &World, method: Method, target: &str, body: &Value) -> Value {
    let answer = world.through(method, target).json(body).send().await.expect("an answer");
    let status = answer.status();
    let text = answer.text().await.expect("a body");
    assert!(status.is_success(), "{target}: {status} {text}");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test]
async fn a_write_that_names_an_old_id_reaches_the_new_record() {
    let world = World::start().await;
    let (old, new) = restored(&world).await;

    let task = json!([{"text": "Call", "complete_till": 1_900_000_000, "entity_id": old, "entity_type": "contacts"}]);
    let made = write(&world, Method::POST, "/api/v4/tasks", &task).await;
    let task = number(&made["_embedded"]["tasks"][0]["id"]);
    let task = world.crm(&format!("/api/v4/tasks/{task}")).await.expect("the task");
    assert_eq!(number(&task["entity_id"]), new);

    let deal = json!([{"name": "Windows", "_embedded": {"contacts": [{"id": old, "is_main": true}]}}]);
    let made = write(&world, Method::POST, "/api/v4/leads", &deal).await;
    let deal = number(&made["_embedded"]["leads"][0]["id"]);
    let row = world.crm(&format!("/api/v4/leads/{deal}?with=contacts")).await.expect("the deal");
    assert_eq!(number(&row["_embedded"]["contacts"][0]["id"]), new);

    let note = json!([{"entity_id": old, "note_type": "common", "params": {"text": "hello"}}]);
    write(&world, Method::POST, "/api/v4/contacts/notes", &note).await;
    let notes = world.crm(&format!("/api/v4/contacts/{new}/notes")).await.expect("its notes");
    assert_eq!(notes["_embedded"]["notes"][0]["params"]["text"], "hello");

    let company = world.create("companies", json!([{"name": "Acme LLC"}])).await[0];
    let link = json!([{"to_entity_id": company, "to_entity_type": "companies"}]);
    write(&world, Method::POST, &format!("/api/v4/contacts/{old}/link"), &link).await;
    let row = world.crm(&format!("/api/v4/contacts/{new}")).await.expect("the contact");
    assert_eq!(number(&row["_embedded"]["companies"][0]["id"]), company);

    let other = world.create("leads", json!([{"name": "Doors"}])).await[0];
    let link = json!([{"to_entity_id": old, "to_entity_type": "contacts"}]);
    write(&world, Method::POST, &format!("/api/v4/leads/{other}/link"), &link).await;
    let row = world.crm(&format!("/api/v4/leads/{other}?with=contacts")).await.expect("the deal");
    assert_eq!(number(&row["_embedded"]["contacts"][0]["id"]), new);
}

#[tokio::test]
async fn neither_chunks_nor_a_missing_type_hide_an_old_id() {
    let world = World::start().await;
    let (old, new) = restored(&world).await;
    let body = json!([{"text": "Call", "complete_till": 1_900_000_000, "entity_id": old, "entity_type": "contacts"}]);
    for (kind, chunked) in [(Some("application/json"), true), (None, false), (Some("text/plain"), true)] {
        let text = body.to_string();
        let mut request = world.through(Method::POST, "/api/v4/tasks");
        if let Some(kind) = kind {
            request = request.header("Content-Type", kind);
        }
        request = if chunked {
            let half = text.len() / 2;
            let chunks = [text[..half].to_owned(), text[half..].to_owned()].map(Ok::<_, std::io::Error>);
            request.body(reqwest::Body::wrap_stream(futures::stream::iter(chunks)))
        } else {
            request.body(text)
        };
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{kind:?}");
        let made: Value = answer.json().await.expect("JSON");
        let task = number(&made["_embedded"]["tasks"][0]["id"]);
        let task = world.crm(&format!("/api/v4/tasks/{task}")).await.expect("the task");
        assert_eq!(number(&task["entity_id"]), new, "{kind:?}");
    }
}

#[tokio::test]
async fn a_delete_of_an_old_id_is_one_of_the_new_record() {
    for form in [true, false] {
        let world = World::start().await;
        let (old, new) = restored(&world).await;
        let answer = if form {
            world.delete("contacts", &[old]).await
        } else {
            let body = json!({"request": {"multiactions": {"add": [{
                "entity_type": 1, "multiaction_type": 4, "data": {"data": {"ACTION": "DELETE"}}, "ids": [old],
            }]}}});
            let request = world.through(Method::POST, "/ajax/v1/multiactions/set");
            request.json(&body).send().await.expect("an answer")
        };
        let operation = answer.headers().get("undo-id").map(|id| id.to_str().expect("text").to_owned());
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        let operation = operation.unwrap_or_else(|| panic!("form {form}: {status} {text}"));
        assert_eq!(world.effects("deleted", "contacts").await, [old, new], "form {form}");
        assert_eq!(world.undo(&operation).await["state"], "done", "form {form}");
    }
}
