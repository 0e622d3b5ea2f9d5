//! What was deleted comes back whole: every writable field and link equal, the rest named as losses.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{World, number};

/// A value for each field of a kind of card that the account has, by its type; `elements`: products to choose from.
async fn every_value(world: &World, object: &str, element: (u64, u64), file: Option<&str>) -> Value {
    let fields = world.crm(&format!("/api/v4/{object}/custom_fields?limit=250")).await.expect("fields");
    let mut rows = Vec::new();
    for field in fields["_embedded"]["custom_fields"].as_array().expect("a list") {
        let choice = |n: usize| field["enums"][n]["id"].clone();
        let values = match field["type"].as_str().expect("a type") {
            "text" | "textarea" | "streetaddress" => json!([{"value": "Пермь, Lenina 1"}]),
            "tracking_data" => json!([{"value": "google"}]),
            "numeric" if field["is_computed"] == true => continue,
            "numeric" => json!([{"value": "12.5"}]),
            "monetary" => json!([{"value": "99.90"}]),
            "checkbox" => json!([{"value": true}]),
            "url" => json!([{"value": "https://acme.example/anna?x=1"}]),
            "date" | "date_time" | "birthday" => json!([{"value": 1_700_000_000}]),
            "select" | "radiobutton" => json!([{"enum_id": choice(1)}]),
            "multiselect" => json!([{"enum_id": choice(0)}, {"enum_id": choice(2)}]),
            "multitext" => json!([{"value": "+7 999 000-00-01", "enum_code": field["enums"][0]["code"]},
                                  {"value": "+7 999 000-00-02", "enum_code": field["enums"][1]["code"]}]),
            "smart_address" => json!([{"value": "Perm", "enum_code": "city"}, {"value": "614000", "enum_code": "zip"}]),
            "legal_entity" => json!([{"value": {"name": "Acme LLC", "entity_type": 2, "vat_id": "5900000001"}}]),
            "chained_list" => json!([{"catalog_id": element.0, "catalog_element_id": element.1}]),
            "file" => match file {
                Some(uuid) => json!([{"value": {"file_uuid": uuid, "file_name": "a.pdf", "file_size": 3}}]),
                None => continue,
            },
            other => panic!("a field type that this test does not know: {other}"),
        };
        rows.push(json!({"field_id": field["id"], "values": values}));
    }
    Value::Array(rows)
}

/// Everything that a person would miss, without ids of the record itself and without what the CRM sets anew.
fn essence(row: &Value) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    for key in [
        "name",
        "first_name",
        "last_name",
        "price",
        "responsible_user_id",
        "created_by",
        "created_at",
        "closed_at",
        "status_id",
        "pipeline_id",
        "loss_reason_id",
    ] {
        if !row[key].is_null() {
            facts.insert(key.to_owned(), row[key].to_string());
        }
    }
    for field in row["custom_fields_values"].as_array().into_iter().flatten() {
        facts.insert(format!("field {}", field["field_name"]), field["values"].to_string());
    }
    let tags: BTreeSet<String> =
        row["_embedded"]["tags"].as_array().into_iter().flatten().map(|tag| tag["name"].to_string()).collect();
    facts.insert("tags".to_owned(), format!("{tags:?}"));
    facts
}

/// `(type, params, created_at)` of every note, and what matters of every task.
async fn hanging(world: &World, object: &str, id: u64) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let Some(notes) = world.crm(&format!("/api/v4/{object}/{id}/notes?limit=250")).await {
        for note in notes["_embedded"]["notes"].as_array().expect("notes") {
            found.insert(format!("note {} {} {}", note["note_type"], note["params"], note["created_at"]));
        }
    }
    let tasks = format!("/api/v4/tasks?filter[entity_type]={object}&filter[entity_id][]={id}&limit=250");
    if let Some(tasks) = world.crm(&tasks).await {
        for task in tasks["_embedded"]["tasks"].as_array().expect("tasks") {
            let facts = ["text", "complete_till", "task_type_id", "is_completed", "result", "created_at"];
            let facts: Vec<String> = facts.iter().map(|key| task[*key].to_string()).collect();
            found.insert(format!("task {facts:?}"));
        }
    }
    found
}

/// Links of a record, old ids replaced by new ones.
async fn links(world: &World, object: &str, id: u64, renamed: &BTreeMap<u64, u64>) -> BTreeSet<String> {
    let Some(found) = world.crm(&format!("/api/v4/{object}/{id}/links")).await else { return BTreeSet::new() };
    found["_embedded"]["links"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|link| {
            let to = number(&link["to_entity_id"]);
            let to = renamed.get(&to).copied().unwrap_or(to);
            let metadata = &link["metadata"];
            format!(
                "{} {to} main {} quantity {}",
                link["to_entity_type"], metadata["main_contact"], metadata["quantity"]
            )
        })
        .collect()
}

#[tokio::test]
async fn a_contact_its_company_and_a_deal_come_back_whole() {
    let world = World::start().await;
    let catalog = world.crm("/api/v4/catalogs").await.expect("catalogs")["_embedded"]["catalogs"][0]["id"].clone();
    let catalog = number(&catalog);
    let element = world.create(&format!("catalogs/{catalog}/elements"), json!([{"name": "Window frame"}])).await[0];
    let product = (catalog, element);

    let fields = every_value(&world, "companies", product, None).await;
    let company = world
        .create(
            "companies",
            json!([{"name": "Acme LLC", "created_at": 1_600_000_000, "custom_fields_values": fields,
            "_embedded": {"tags": [{"name": "partner"}]}}]),
        )
        .await[0];
    let fields = every_value(&world, "contacts", product, None).await;
    let contact = world
        .create(
            "contacts",
            json!([{"name": "Anna Serova", "first_name": "Anna", "last_name": "Serova",
            "created_at": 1_600_000_100, "custom_fields_values": fields,
            "_embedded": {"tags": [{"name": "vip"}, {"name": "выставка"}]}}]),
        )
        .await[0];
    let other = world.create("contacts", json!([{"name": "Boris Second"}])).await[0];
    let pipelines = world.crm("/api/v4/leads/pipelines").await.expect("pipelines");
    let pipeline = pipelines["_embedded"]["pipelines"][0].clone();
    let reason = world.crm("/api/v4/leads/loss_reasons").await.expect("loss reasons");
    let reason = reason["_embedded"]["loss_reasons"][0]["id"].clone();
    let stage = pipeline["_embedded"]["statuses"].as_array().expect("statuses");
    let stage = stage.iter().find(|s| s["type"] == 0 && !["142", "143"].contains(&s["id"].to_string().as_str()));
    let stage = stage.expect("an open stage")["id"].clone();
    let fields = every_value(&world, "leads", product, None).await;
    let embedded = json!({"contacts": [{"id": contact, "is_main": true}, {"id": other}],
        "companies": [{"id": company}], "tags": [{"name": "urgent"}]});
    let deal = |name: &str, status: Value| {
        json!({"name": name, "price": 48000, "pipeline_id": pipeline["id"], "status_id": status,
            "created_at": 1_600_000_200, "custom_fields_values": fields, "_embedded": embedded})
    };
    let mut won = deal("Won", json!(142));
    won["closed_at"] = json!(1_650_000_000);
    let mut lost = deal("Lost", json!(143));
    lost["closed_at"] = json!(1_650_000_100);
    lost["loss_reason_id"] = reason;
    let deals = world.create("leads", json!([deal("Open", stage), won, lost])).await;
    let lost = deals[2];
    let quantity = json!([{"to_entity_id": element, "to_entity_type": "catalog_elements",
        "metadata": {"catalog_id": catalog, "quantity": 3}}]);
    let url = format!("{}/api/v4/leads/{lost}/link", world.mock.url());
    let linked = world.http.post(url).bearer_auth(crate::support::CALLER).json(&quantity).send().await.expect("sent");
    assert_eq!(linked.status(), StatusCode::OK);
    let url = format!("{}/api/v4/contacts/{contact}/link", world.mock.url());
    let member = json!([{"to_entity_id": company, "to_entity_type": "companies"}]);
    let linked = world.http.post(url).bearer_auth(crate::support::CALLER).json(&member).send().await.expect("sent");
    assert_eq!(linked.status(), StatusCode::OK);
    let note = |kind: &str, params: Value| json!({"entity_id": contact, "note_type": kind, "params": params, "created_at": 1_620_000_000});
    world
        .create(
            "contacts/notes",
            json!([
                note("common", json!({"text": "Asked for a discount"})),
                note("call_in", json!({"uniq": "c-1", "duration": 184, "source": "PBX", "link": "https://pbx.example/1", "phone": "+79990000001"})),
                note("sms_out", json!({"text": "On Tuesday", "phone": "+79990000001"})),
                note("geolocation", json!({"text": "Here", "address": "Perm", "longitude": "56.2", "latitude": "58.0"})),
                note("service_message", json!({"service": "Robot", "text": "Score 5"})),
            ]),
        )
        .await;
    let task = |text: &str, done: bool| {
        let mut task = json!({"text": text, "complete_till": 1_900_000_000, "entity_id": contact,
            "entity_type": "contacts", "is_completed": done, "created_at": 1_620_000_001});
        if done {
            task["result"] = json!({"text": "signed"});
        }
        task
    };
    world.create("tasks", json!([task("Call back", false), task("Send the contract", true)])).await;

    let doomed = [("contacts", contact), ("companies", company), ("leads", lost)];
    let mut before = BTreeMap::new();
    let unchanged = BTreeMap::new();
    for (object, id) in doomed {
        let row = world
            .crm(&format!("/api/v4/{object}/{id}?with=contacts,leads,companies,loss_reason"))
            .await
            .expect("it is there");
        before.insert(object, (essence(&row), hanging(&world, object, id).await, id));
    }
    let mut linked = BTreeMap::new();
    let survivors: Vec<(&str, u64)> = vec![("leads", deals[0]), ("leads", deals[1])];
    for (object, id) in doomed.iter().chain(&survivors) {
        linked.insert((*object, *id), links(&world, object, *id, &unchanged).await);
    }

    for (object, id) in doomed {
        let answer = world.delete(object, &[id]).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.headers().contains_key("undo-id"), "{object}");
    }
    let entries: Vec<Value> = world.bin("").await.iter().map(|entry| entry["id"].clone()).collect();
    assert_eq!(entries.len(), 3);
    let (status, plan) = world.console(Method::POST, "/api/v1/restore-plans", Some(json!({"entries": entries}))).await;
    assert_eq!(status, StatusCode::CREATED, "{plan}");
    let apply = format!("/api/v1/restore-plans/{}/apply", plan["id"].as_str().expect("an id"));
    let (status, body) = world.console(Method::POST, &apply, Some(json!({"digest": plan["digest"]}))).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    let job = world.finished(body["job"]["id"].as_str().expect("a job")).await;
    assert_eq!(job["state"], "done", "{job:#}");
    assert_eq!(job["report"]["differences"], json!([]), "{job:#}");
    let lost_fields: Vec<String> = plan["losses"]
        .as_array()
        .expect("losses")
        .iter()
        .map(|loss| format!("{} {}", loss["record"], loss["field"]))
        .collect();
    assert_eq!(
        job["report"]["losses"].as_array().expect("losses").iter().filter(|loss| loss["announced"] != true).count(),
        0,
        "{job:#}"
    );

    let mut renamed = BTreeMap::new();
    for entry in world.bin("?state=restored").await {
        let (old, new) = (number(&entry["record_id"]), number(&entry["restored_as"]));
        assert_ne!(old, new, "the mock never gives an id twice");
        renamed.insert(old, new);
    }
    assert_eq!(renamed.len(), 3);
    for (object, (was, hung, old)) in before {
        let new = renamed[&old];
        let row = world
            .crm(&format!("/api/v4/{object}/{new}?with=contacts,leads,companies,loss_reason"))
            .await
            .expect("it is back");
        for (fact, value) in &was {
            assert_eq!(essence(&row).get(fact), Some(value), "{object}: {fact} (losses: {lost_fields:?})");
        }
        assert_eq!(hanging(&world, object, new).await, hung, "{object}");
    }
    for ((object, old), was) in linked {
        let now = renamed.get(&old).copied().unwrap_or(old);
        let was: BTreeSet<String> = was
            .iter()
            .map(|line| {
                renamed
                    .iter()
                    .fold(line.clone(), |line, (old, new)| line.replace(&format!(" {old} "), &format!(" {new} ")))
            })
            .collect();
        assert_eq!(links(&world, object, now, &unchanged).await, was, "links of {object}/{old}");
    }
}
