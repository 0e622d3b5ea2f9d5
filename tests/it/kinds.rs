//! Every kind of record that the gateway lets be deleted comes back, by whichever route it was deleted.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{World, number};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// Sends one delete; its operation.
async fn destroyed(world: &World, method: Method, path: &str, kind: &str, body: String) -> String {
    let request = world.through(method, path).header("Content-Type", kind).body(body.clone());
    let answer = request.send().await.expect("an answer");
    let status = answer.status();
    let undo = answer.headers().get("undo-id").and_then(|id| id.to_str().ok()).map(ToOwned::to_owned);
    let text = answer.text().await.unwrap_or_default();
    assert!(status.is_success(), "{path} {body}: {status} {text}");
    undo.unwrap_or_else(|| panic!("{path} {body}: {status} without Undo-Id: {text}"))
}

/// Undoes it; the new id of its only record.
async fn undone(world: &World, operation: &str) -> u64 {
    let job = world.undo(operation).await;
    assert_eq!(job["state"], "done", "{job:#}");
    assert_eq!(job["report"]["differences"], json!([]), "{job:#}");
    let rows = world.bin(&format!("?operation={operation}&state=restored")).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    number(&rows[0]["restored_as"])
}

async fn card(world: &World) -> u64 {
    world.create("contacts", json!([{"name": "Anna Serova"}])).await[0]
}

#[tokio::test]
async fn every_body_shape_of_a_contacts_delete_is_the_same_delete() {
    let world = World::start().await;
    for (path, kind, body) in [
        ("/ajax/contacts/multiple/delete/", FORM, "ID[]=@"),
        ("/ajax/contacts/multiple/delete", FORM, "ACTION=DELETE&ID[]=@"),
        ("/ajax/contacts/multiple/delete/", FORM, "ID%5B%5D=@"),
        ("/ajax/contacts/multiple/delete/", FORM, "ID[0]=@"),
        ("/ajax/contacts/multiple/delete/", JSON, "{\"ID\":[@]}"),
        ("/ajax/contacts/multiple/delete/", JSON, "{\"ACTION\":\"DELETE\",\"ID\":[\"@\"]}"),
        // Declared as a form, and the other way round: seen in the wild.
        ("/ajax/contacts/multiple/delete/", FORM, "{\"ID\":[@]}"),
        ("/ajax/contacts/multiple/delete/", JSON, "ID[]=@"),
        ("/contacts/detail/@", FORM, "ACTION=DELETE&ID=@"),
        ("/contacts/detail/@", "application/json; charset=utf-8", "{\"ACTION\":\"DELETE\",\"ID\":\"@\"}"),
    ] {
        let anna = card(&world).await;
        let fill = |text: &str| text.replace('@', &anna.to_string());
        let operation = destroyed(&world, Method::POST, &fill(path), kind, fill(body)).await;
        assert_eq!(world.crm(&format!("/api/v4/contacts/{anna}")).await, None, "{path} {body}");
        let new = undone(&world, &operation).await;
        let row = world.crm(&format!("/api/v4/contacts/{new}")).await.expect("it is back");
        assert_eq!(row["name"], "Anna Serova", "{path} {body}");
    }
}

#[tokio::test]
async fn a_task_and_a_note_deleted_by_themselves_come_back() {
    let world = World::start().await;
    let anna = card(&world).await;
    let task =
        json!([{"text": "Call back", "complete_till": 1_900_000_000, "entity_id": anna, "entity_type": "contacts"}]);
    let task = world.create("tasks", task).await[0];
    let note = json!([{"entity_id": anna, "note_type": "common", "params": {"text": "A discount"}}]);
    let note = world.create("contacts/notes", note).await[0];
    let path = "/private/notes/edit2.php";

    let operation = destroyed(&world, Method::POST, path, FORM, format!("ID={task}&ACTION=TASK_DELETE")).await;
    let new = undone(&world, &operation).await;
    let row = world.crm(&format!("/api/v4/tasks/{new}")).await.expect("it is back");
    assert_eq!((&row["text"], number(&row["entity_id"])), (&json!("Call back"), anna));

    let operation = destroyed(&world, Method::POST, path, FORM, format!("ACTION=NOTE_DELETE&ID={note}")).await;
    let new = undone(&world, &operation).await;
    let row = world.crm(&format!("/api/v4/contacts/{anna}/notes/{new}")).await.expect("it is back");
    assert_eq!(row["params"]["text"], "A discount");
}

#[tokio::test]
async fn a_customer_comes_back_with_its_segment_and_purchases() {
    let world = World::start().await;
    let segment = world.create("customers/segments", json!([{"name": "Regulars"}])).await[0];
    let customer = json!([{"name": "Anna's account", "next_price": 500, "next_date": 1_900_000_000,
        "_embedded": {"segments": [{"id": segment}], "tags": [{"name": "gold"}]}}]);
    let customer = world.create("customers", customer).await[0];
    world
        .create(
            &format!("customers/{customer}/transactions"),
            json!([{"price": 120, "comment": "first"}, {"price": 80}]),
        )
        .await;
    let body = json!({"request": {"customers": {"delete": [customer]}}}).to_string();
    let operation = destroyed(&world, Method::POST, "/ajax/v1/customers/set/", JSON, body).await;
    assert_eq!(world.crm(&format!("/api/v4/customers/{customer}")).await, None);
    let new = undone(&world, &operation).await;
    let row = world.crm(&format!("/api/v4/customers/{new}")).await.expect("it is back");
    assert_eq!(row["name"], "Anna's account");
    assert_eq!(row["ltv"], 200, "{row}");
    assert_eq!(number(&row["_embedded"]["segments"][0]["id"]), segment, "{row}");
    assert_eq!(row["_embedded"]["tags"][0]["name"], "gold");
}

#[tokio::test]
async fn a_segment_comes_back_with_its_members() {
    let world = World::start().await;
    let segment = world.create("customers/segments", json!([{"name": "Regulars"}])).await[0];
    let customer =
        |name: &str| json!({"name": name, "next_date": 1_900_000_000, "_embedded": {"segments": [{"id": segment}]}});
    let customers = world.create("customers", json!([customer("One"), customer("Two")])).await;
    let path = format!("/api/v4/customers/segments/{segment}");
    let operation = destroyed(&world, Method::DELETE, &path, JSON, String::new()).await;
    let new = undone(&world, &operation).await;
    for customer in customers {
        let row = world.crm(&format!("/api/v4/customers/{customer}")).await.expect("it is there");
        assert_eq!(number(&row["_embedded"]["segments"][0]["id"]), new, "{row}");
    }
}

#[tokio::test]
async fn a_purchase_and_a_catalog_element_come_back() {
    let world = World::start().await;
    let customer = world.create("customers", json!([{"name": "Anna", "next_date": 1_900_000_000}])).await[0];
    let purchase = world
        .create(&format!("customers/{customer}/transactions"), json!([{"price": 120, "comment": "first"}]))
        .await[0];
    let path = format!("/api/v4/customers/transactions/{purchase}");
    let operation = destroyed(&world, Method::DELETE, &path, JSON, String::new()).await;
    let new = undone(&world, &operation).await;
    let row = world.crm(&format!("/api/v4/customers/transactions/{new}")).await.expect("it is back");
    assert_eq!((&row["price"], &row["comment"]), (&json!(120), &json!("first")));

    let catalogs = world.crm("/api/v4/catalogs").await.expect("catalogs");
    let catalog = number(&catalogs["_embedded"]["catalogs"][0]["id"]);
    let element = world.create(&format!("catalogs/{catalog}/elements"), json!([{"name": "Window frame"}])).await[0];
    let body = format!("request[catalog_elements][delete][]={element}");
    let operation = destroyed(&world, Method::POST, "/ajax/v1/catalog_elements/set/", FORM, body).await;
    let new = undone(&world, &operation).await;
    let row = world.crm(&format!("/api/v4/catalogs/{catalog}/elements/{new}")).await.expect("it is back");
    assert_eq!(row["name"], "Window frame");
}

#[tokio::test]
async fn a_batch_of_deals_over_the_old_api_comes_back_by_one_undo() {
    let world = World::start().await;
    let deals: Vec<Value> = (0..60).map(|n| json!({"name": format!("Deal {n}"), "price": n})).collect();
    let mut ids = Vec::new();
    for chunk in deals.chunks(50) {
        ids.extend(world.create("leads", Value::Array(chunk.to_vec())).await);
    }
    let list = ids.iter().map(|id| format!("&request[multiactions][add][0][ids][]={id}")).collect::<Vec<_>>().concat();
    let job = "request[multiactions][add][0][entity_type]=2&request[multiactions][add][0][multiaction_type]=4\
               &request[multiactions][add][0][data][data][ACTION]=DELETE";
    let operation = destroyed(&world, Method::POST, "/ajax/v1/multiactions/set", FORM, format!("{job}{list}")).await;
    world
        .until("all are gone", async || {
            let state = world.see(&format!("/api/v1/operations/{operation}")).await["state"].clone();
            (state == "confirmed").then_some(())
        })
        .await;
    let job = world.undo(&operation).await;
    assert_eq!((&job["state"], &job["done"]), (&json!("done"), &json!(60)), "{job:#}");
    let list = world.crm("/api/v4/leads?limit=250").await.expect("deals");
    let mut prices: Vec<u64> =
        list["_embedded"]["leads"].as_array().expect("a list").iter().map(|deal| number(&deal["price"])).collect();
    prices.sort_unstable();
    assert_eq!(prices, (0..60).collect::<Vec<u64>>());
}

#[tokio::test]
async fn signing_in_passes_untouched() {
    let world = World::start().await;
    let minted = world.control("oauth/code", json!({"integration": "caller"})).await;
    let code = minted["code"].as_str().unwrap_or_else(|| panic!("{minted}"));
    let uri = minted["redirect_uri"].as_str().unwrap_or("https://undo.example/cb");
    let body = json!({"client_id": minted["client_id"], "client_secret": minted["client_secret"],
        "grant_type": "authorization_code", "code": code, "redirect_uri": uri});
    let url = format!("{}/oauth2/access_token", world.gateway);
    let answer = world.http.post(url).json(&body).send().await.expect("an answer");
    let status = answer.status();
    let tokens: Value = answer.json().await.expect("JSON");
    assert_eq!(status, StatusCode::OK, "{tokens}");
    let token = tokens["access_token"].as_str().expect("a token");
    let url = format!("{}/api/v4/account", world.gateway);
    let account = world.http.get(url).bearer_auth(token).send().await.expect("an answer");
    assert_eq!(account.status(), StatusCode::OK);
}
