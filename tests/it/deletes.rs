//! Nothing is destroyed before its snapshot is durable, and what became of each record is told truly.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Setup, World, number};

/// A contact with a company, a deal, a note and a task. Returns (contact, company, deal).
async fn family(world: &World) -> (u64, u64, u64) {
    let company = world.create("companies", json!([{"name": "Acme LLC"}])).await[0];
    let phone = json!([{"field_code": "PHONE", "values": [{"value": "+7 999 000-00-01", "enum_code": "WORK"}]}]);
    let contact = world.create("contacts", json!([{"name": "Anna Serova", "custom_fields_values": phone}])).await[0];
    let deal = json!([{"name": "Window order", "price": 48000,
        "_embedded": {"contacts": [{"id": contact, "is_main": true}], "companies": [{"id": company}]}}]);
    let deal = world.create("leads", deal).await[0];
    let note = json!([{"entity_id": contact, "note_type": "common", "params": {"text": "Asked for a discount"}}]);
    world.create("contacts/notes", note).await;
    let task =
        json!([{"text": "Call back", "complete_till": 1_900_000_000, "entity_id": contact, "entity_type": "contacts"}]);
    world.create("tasks", task).await;
    (contact, company, deal)
}

#[tokio::test]
async fn a_deleted_contact_lies_whole_in_the_bin() {
    let world = World::start().await;
    let (contact, _, deal) = family(&world).await;
    let answer = world.delete("contacts", &[contact]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let operation = answer.headers()["undo-id"].to_str().expect("text").to_owned();
    assert!(answer.headers().contains_key("undo-until"));
    assert_eq!(answer.headers()["link"], format!("</api/v1/operations/{operation}/undo>; rel=\"undo\"").as_str());
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(body, json!({"status": "success", "message": "Удаление прошло успешно для 1 контакта"}));
    assert_eq!(world.effects("deleted", "contacts").await, [contact]);
    assert_eq!(world.crm(&format!("/api/v4/contacts/{contact}")).await, None);

    let bin = world.bin("").await;
    assert_eq!(bin.len(), 1, "{bin:?}");
    assert_eq!(bin[0]["record_id"], contact.to_string());
    assert_eq!(bin[0]["object"], "contacts");
    assert_eq!(bin[0]["title"], "Anna Serova");
    assert_eq!(bin[0]["state"], "deleted");
    assert_eq!(bin[0]["via"], "proxy");
    assert_eq!(bin[0]["operation"], operation.as_str());

    let entry = world.see(&format!("/api/v1/entries/{}", bin[0]["id"].as_str().expect("an id"))).await;
    let parts = entry["snapshot"]["parts"].as_array().expect("parts");
    let part = |name: &str| {
        let part =
            parts.iter().find(|part| part["name"] == name).unwrap_or_else(|| panic!("no part {name}: {parts:?}"));
        part["body"].as_str().expect("text").to_owned()
    };
    assert!(part("record").contains("+7 999 000-00-01"));
    assert!(part("notes").contains("Asked for a discount"));
    assert!(part("tasks").contains("Call back"));
    let links = parts.iter().map(|part| part["body"].to_string()).collect::<String>();
    assert!(links.contains(&deal.to_string()), "the link to the deal is in the snapshot");
    for line in entry["snapshot"]["manifest"].as_array().expect("a manifest") {
        assert_eq!(line["expected"], line["got"], "{line}");
    }
    assert_eq!(entry["snapshot"]["read_by"], "gateway");
    let operation = world.see(&format!("/api/v1/operations/{operation}")).await;
    assert_eq!(operation["state"], "confirmed");
}

#[tokio::test]
async fn everything_is_read_before_the_delete_is_sent() {
    let world = World::start().await;
    let (contact, ..) = family(&world).await;
    let before = world.heard("requests").await.len();
    world.delete("contacts", &[contact]).await;
    let heard = world.heard("requests").await.split_off(before);
    let sent: Vec<String> = heard
        .iter()
        .filter(|request| request["integration"] == "own" || request["method"] == "POST")
        .map(|request| {
            format!("{} {}", request["method"].as_str().expect("a verb"), request["target"].as_str().expect("a target"))
        })
        .collect();
    let delete = sent.iter().position(|line| line.starts_with("POST /ajax/contacts")).expect("the delete was sent");
    let read = |what: &str| sent.iter().position(|line| line.starts_with("GET") && line.contains(what));
    for what in ["/contacts", "notes", "tasks", "links"] {
        assert!(read(what).is_some_and(|at| at < delete), "{what} is read before the delete: {sent:#?}");
    }
    assert!(sent.len() - 1 > delete, "the CRM is read back afterwards: {sent:#?}");
}

#[tokio::test]
async fn what_cannot_be_read_whole_is_not_deleted() {
    for fault in [
        json!({"method": "GET", "path": "notes", "when": "before", "do": "status", "status": 403, "times": 1000}),
        json!({"method": "GET", "path": "tasks", "when": "before", "do": "html", "status": 403, "times": 1000}),
        json!({"method": "GET", "path": "links", "when": "before", "do": "status", "status": 404, "times": 1000}),
        json!({"method": "GET", "path": "contacts", "when": "before", "do": "status", "status": 403, "times": 1000}),
    ] {
        let world = World::start().await;
        let (contact, ..) = family(&world).await;
        world.control("faults", fault.clone()).await;
        let answer = world.delete("contacts", &[contact]).await;
        assert!(!answer.status().is_success(), "{fault}");
        assert!(!answer.headers().contains_key("undo-id"), "{fault}");
        assert_eq!(world.effects("deleted", "contacts").await, [0; 0], "{fault}");
        assert_eq!(world.bin("?state=kept").await.len() + world.bin("").await.len(), 0, "{fault}");
    }
}

#[tokio::test]
async fn a_delete_the_crm_refuses_leaves_no_entry() {
    let world = World::start().await;
    let (contact, ..) = family(&world).await;
    let fault = json!({"method": "POST", "path": "multiple/delete", "when": "before", "do": "status", "status": 403, "times": 1});
    world.control("faults", fault).await;
    let answer = world.delete("contacts", &[contact]).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(!answer.headers().contains_key("undo-id"));
    assert_eq!(world.bin("").await, Vec::<Value>::new());
    assert_eq!(world.see("/api/v1/operations").await["operations"][0]["state"], "refused");
    assert!(world.crm(&format!("/api/v4/contacts/{contact}")).await.is_some());
}

#[tokio::test]
async fn an_answer_that_was_lost_is_unknown_and_then_settled() {
    let world = World::start().await;
    let (contact, ..) = family(&world).await;
    let fault = json!({"method": "POST", "path": "multiple/delete", "when": "after", "do": "cut", "times": 1});
    world.control("faults", fault).await;
    let answer = world.delete("contacts", &[contact]).await;
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    let operation = answer.headers()["undo-id"].to_str().expect("text").to_owned();
    let state = world
        .until("the operation is settled", async || {
            let operation = world.see(&format!("/api/v1/operations/{operation}")).await;
            (operation["state"] != "unknown" && operation["state"] != "open").then(|| operation["state"].clone())
        })
        .await;
    assert_eq!(state, "confirmed");
    assert_eq!(world.bin("").await[0]["state"], "deleted");
    assert_eq!(world.effects("deleted", "contacts").await, [contact]);
}

#[tokio::test]
async fn a_request_that_was_cut_before_the_effect_ends_as_not_sent() {
    let config = "[policy]\nsettle_grace_seconds = 1\n".to_owned();
    let world = World::with(Setup { config, ..Setup::default() }).await;
    let (contact, ..) = family(&world).await;
    let fault = json!({"method": "POST", "path": "multiple/delete", "when": "before", "do": "cut", "times": 1});
    world.control("faults", fault).await;
    let answer = world.delete("contacts", &[contact]).await;
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    let operation = answer.headers()["undo-id"].to_str().expect("text").to_owned();
    world
        .until("the operation is settled", async || {
            let operation = world.see(&format!("/api/v1/operations/{operation}")).await;
            (operation["state"] == "not_sent").then_some(())
        })
        .await;
    assert_eq!(world.bin("").await, Vec::<Value>::new());
    assert!(world.crm(&format!("/api/v4/contacts/{contact}")).await.is_some());
}

#[tokio::test]
async fn what_is_open_at_a_crash_is_settled_at_the_next_start() {
    let mut world = World::start().await;
    let (contact, ..) = family(&world).await;
    // The delete takes effect, and the answer hangs until the program is killed.
    let fault = json!({"method": "POST", "path": "multiple/delete", "when": "after", "do": "hang", "times": 1});
    world.control("faults", fault).await;
    let hanging = {
        let request = world.through(Method::POST, "/ajax/contacts/multiple/delete/").form(&[("ID[]", contact)]);
        tokio::spawn(async move { request.send().await.map(|answer| answer.status()) })
    };
    world
        .until("the delete took effect", async || {
            (!world.effects("deleted", "contacts").await.is_empty()).then_some(())
        })
        .await;
    world.kill_and_restart();
    assert!(hanging.await.expect("no panic").is_err());
    world
        .until("the entry is in the bin", async || {
            let bin = world.bin("").await;
            bin.first().is_some_and(|entry| entry["state"] == "deleted").then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_cut_it() {
    let world = World::start().await;
    let (contact, ..) = family(&world).await;
    let fault = json!({"method": "GET", "path": "notes", "when": "before", "do": "delay", "delay_ms": 500, "times": 1});
    world.control("faults", fault).await;
    let request = world.through(Method::POST, "/ajax/contacts/multiple/delete/").form(&[("ID[]", contact)]);
    let gone = tokio::time::timeout(std::time::Duration::from_millis(200), request.send()).await;
    assert!(gone.is_err(), "the caller left while the parts were read");
    world
        .until("the delete is confirmed", async || {
            let operations = world.see("/api/v1/operations").await;
            (operations["operations"][0]["state"] == "confirmed").then_some(())
        })
        .await;
    assert_eq!(world.effects("deleted", "contacts").await, [contact]);
}

#[tokio::test]
async fn no_archive_no_delete_but_reads_pass() {
    // More than any disk has.
    let world = World::with(Setup { min_free_bytes: 9_000_000_000_000_000_000, ..Setup::default() }).await;
    let created = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
    let read = world.through(Method::GET, &format!("/api/v4/contacts/{created}")).send().await.expect("an answer");
    assert_eq!(read.status(), StatusCode::OK);
    let answer = world.delete("contacts", &[created]).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(world.effects("deleted", "contacts").await, [0; 0]);
}

#[tokio::test]
async fn what_cannot_be_restored_is_refused_unless_allowed_by_name() {
    let field = json!([{"name": "Size", "type": "text"}]);
    let world = World::start().await;
    let id = world.create("leads/custom_fields", field.clone()).await[0];
    let path = format!("/api/v4/leads/custom_fields/{id}");
    let answer = world.through(Method::DELETE, &path).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(body["status"], 403);
    assert!(body.to_string().contains("allow_unrestorable"), "{body}");
    assert!(world.crm(&path).await.is_some());
    drop(world);

    let config = "[policy]\nallow_unrestorable = [\"custom_fields\"]\n".to_owned();
    let world = World::with(Setup { config, ..Setup::default() }).await;
    let id = world.create("leads/custom_fields", field).await[0];
    let path = format!("/api/v4/leads/custom_fields/{id}");
    let answer = world.through(Method::DELETE, &path).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let bin = world.bin("").await;
    assert_eq!(bin[0]["object"], "custom_fields", "its definition is archived all the same: {bin:?}");
}

#[tokio::test]
async fn two_deletes_of_one_record_have_one_effect() {
    let world = World::start().await;
    let (contact, ..) = family(&world).await;
    let ids = [contact];
    let (first, second) = tokio::join!(world.delete("contacts", &ids), world.delete("contacts", &ids));
    let (first, second) = (first.headers().get("undo-id").cloned(), second.headers().get("undo-id").cloned());
    assert!(first.is_some() || second.is_some());
    assert_eq!(world.effects("deleted", "contacts").await, [contact]);
    assert_eq!(world.bin("").await.len(), 1);
}

#[tokio::test]
async fn without_a_token_of_its_own_the_gateway_reads_with_the_callers() {
    let world = World::with(Setup { own_token: false, ..Setup::default() }).await;
    let (contact, ..) = family(&world).await;
    let answer = world.delete("contacts", &[contact]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let id = world.bin("").await[0]["id"].as_str().expect("an id").to_owned();
    let entry = world.see(&format!("/api/v1/entries/{id}")).await;
    assert_eq!(entry["snapshot"]["read_by"], "caller");
    assert!(world.heard("requests").await.iter().all(|request| request["integration"] != "own"));
}

#[tokio::test]
async fn the_limit_of_the_crm_is_never_exceeded() {
    let setup = Setup { crm_requests_per_second: 7, requests_per_second: 7, contacts: 30, ..Setup::default() };
    let world = World::with(setup).await;
    // Also this list goes through the gateway: what goes around it is not in its budget.
    let list = world.through(Method::GET, "/api/v4/contacts?limit=30").send().await.expect("an answer");
    let ids: Vec<u64> = list.json::<Value>().await.expect("contacts")["_embedded"]["contacts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|contact| number(&contact["id"]))
        .collect();
    // Reads and deletes at once, all by the caller and by the gateway.
    let reads = futures::future::join_all(
        ids.iter().skip(1).take(25).map(|id| world.through(Method::GET, &format!("/api/v4/contacts/{id}")).send()),
    );
    let (deleted, reads) = tokio::join!(world.delete("contacts", &ids[..1]), reads);
    assert_eq!(deleted.status(), StatusCode::OK);
    for read in reads {
        assert_eq!(read.expect("an answer").status(), StatusCode::OK);
    }
    let refused = world.heard("requests").await.iter().filter(|request| request["status"] == 429).count();
    assert_eq!(refused, 0, "requests that the CRM had to refuse");
}

#[tokio::test]
async fn a_repeat_joins_a_delete_that_may_still_be_carried_out() {
    let world = World::start().await;
    let (contact, ..) = family(&world).await;
    let other = world.create("contacts", json!([{"name": "Boris"}])).await[0];
    let fault = json!({"method": "POST", "path": "multiple/delete", "when": "before", "do": "cut", "times": 1});
    world.control("faults", fault).await;
    let first = world.delete("contacts", &[contact]).await;
    assert_eq!(first.status(), StatusCode::GATEWAY_TIMEOUT);
    let second = world.delete("contacts", &[contact]).await;
    assert_eq!(second.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(first.headers()["undo-id"], second.headers()["undo-id"]);
    // What names other records as well has to wait.
    let mixed = world.delete("contacts", &[contact, other]).await;
    assert_eq!(mixed.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(mixed.headers().contains_key("retry-after"));
    let sent = world.heard("requests").await;
    assert_eq!(sent.iter().filter(|heard| heard["target"].as_str().unwrap_or("").contains("multiple")).count(), 1);
    assert_eq!(world.bin("?state=unknown,kept,deleted").await.len(), 1, "one record, one entry");
}

#[tokio::test]
async fn without_a_token_of_its_own_a_repeat_after_a_crash_settles_what_was_left() {
    let config = "[policy]\nsettle_grace_seconds = 1\n".to_owned();
    let mut world = World::with(Setup { config, own_token: false, ..Setup::default() }).await;
    let (contact, ..) = family(&world).await;
    let fault = json!({"method": "POST", "path": "multiple/delete", "when": "after", "do": "hang", "times": 1});
    world.control("faults", fault).await;
    let request = world.through(Method::POST, "/ajax/contacts/multiple/delete/").form(&[("ID[]", contact)]);
    let hanging = tokio::spawn(async move { request.send().await.map(|answer| answer.status()) });
    world
        .until("the delete took effect", async || {
            (!world.effects("deleted", "contacts").await.is_empty()).then_some(())
        })
        .await;
    world.kill_and_restart();
    assert!(hanging.await.expect("no panic").is_err());
    world
        .until("a person is told to look", async || {
            let operations = world.see("/api/v1/operations").await;
            (operations["operations"][0]["state"] == "needs_review").then_some(())
        })
        .await;
    // The caller comes back, and with him a token.
    let again = world.delete("contacts", &[contact]).await;
    assert!(again.status().is_success(), "{}", again.status());
    let operations = world.see("/api/v1/operations").await;
    assert_eq!(operations["operations"][0]["state"], "confirmed");
    assert_eq!(world.bin("").await[0]["state"], "deleted");
    assert_eq!(world.effects("deleted", "contacts").await, [contact]);
}
