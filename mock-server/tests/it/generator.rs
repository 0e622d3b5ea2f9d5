//! The generated account: the same for the same seed, whole, and quickly made.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::crm::Crm;

const LISTS: [(&str, &str); 9] = [
    ("leads?with=contacts,catalog_elements,loss_reason", "leads"),
    ("contacts?with=catalog_elements,leads,customers", "contacts"),
    ("companies?with=contacts,leads,customers", "companies"),
    ("customers?with=contacts,companies,catalog_elements", "customers"),
    ("tasks?", "tasks"),
    ("leads/notes?", "notes"),
    ("contacts/notes?", "notes"),
    ("customers/transactions?", "transactions"),
    ("catalogs/4102/elements?", "elements"),
];

/// Every row of a list.
async fn all(crm: &Crm, list: (&str, &str)) -> Vec<Value> {
    let mut rows = Vec::new();
    for page in 1.. {
        let answer = crm.get(&format!("/api/v4/{}&limit=250&page={page}", list.0.replace('?', "?x=1&"))).await;
        if answer.status == 204 {
            break;
        }
        let body = answer.ok(200);
        rows.extend(body["_embedded"][list.1].as_array().cloned().unwrap_or_default());
        if body["_links"].get("next").is_none() {
            break;
        }
    }
    rows
}

/// Everything a reader sees, without the address it was read from.
async fn everything(crm: &Crm) -> String {
    let mut text = String::new();
    for list in LISTS {
        for row in all(crm, list).await {
            text.push_str(&row.to_string().replace(&crm.server.url(), ""));
            text.push('\n');
        }
    }
    text
}

#[tokio::test]
async fn a_seed_is_an_account() {
    let [one, again, other] =
        [Crm::with_contacts(7, 60).await, Crm::with_contacts(7, 60).await, Crm::with_contacts(8, 60).await];
    let first = everything(&one).await;
    assert!(first.len() > 100_000, "only {} bytes", first.len());
    assert!(first == everything(&again).await, "the same seed gave another account");
    assert!(first != everything(&other).await, "another seed gave the same account");
    other.mock("POST", "reset", json!({"seed": 7, "contacts": 60})).await;
    assert!(first == everything(&other).await, "a reset gave another account than a start");
    assert_eq!(one.effects(0).await, Vec::<String>::new());
}

#[tokio::test]
async fn two_thousand_contacts_are_made_quickly() {
    let started = Instant::now();
    let crm = Crm::with_contacts(1, 2000).await;
    let took = started.elapsed();
    // 0.4 s on an idle machine; tests share theirs.
    assert!(took < Duration::from_secs(5), "took {took:?}");
    let counts = crm.mock("GET", "state", Value::Null).await["counts"].clone();
    assert_eq!(counts["contacts"], 2000);
    for object in ["leads", "companies", "customers", "notes", "tasks", "links", "transactions"] {
        assert!(counts[object].as_u64() > Some(100), "{object}: {counts}");
    }
}

#[tokio::test]
async fn the_account_holds_something_of_every_kind() {
    let crm = Crm::with_contacts(3, 300).await;
    let mut types = BTreeSet::new();
    let mut fields = BTreeSet::new();
    let mut rows = Vec::new();
    for list in LISTS.into_iter().chain([("catalogs/4100/elements?", "elements"), ("companies/notes?", "notes")]) {
        rows.extend(all(&crm, list).await);
    }
    for row in &rows {
        types.extend(row["note_type"].as_str().map(str::to_owned));
        for field in row["custom_fields_values"].as_array().into_iter().flatten() {
            fields.extend(field["field_type"].as_str().map(str::to_owned));
        }
    }
    let all_types = [
        "text",
        "textarea",
        "numeric",
        "price",
        "monetary",
        "checkbox",
        "url",
        "date",
        "date_time",
        "birthday",
        "select",
        "radiobutton",
        "multiselect",
        "category",
        "multitext",
        "smart_address",
        "legal_entity",
        "items",
        "tracking_data",
        "linked_entity",
        "chained_list",
        "file",
        "payer",
        "supplier",
        "streetaddress",
    ];
    assert_eq!(fields, all_types.into_iter().map(str::to_owned).collect());
    assert_eq!(types.len(), 11, "{types:?}");
    let some = |test: &dyn Fn(&Value) -> bool| rows.iter().any(test);
    assert!(some(&|row| row["status_id"] == 142 && row["closed_at"].is_number()));
    assert!(some(&|row| row["status_id"] == 143 && row["loss_reason_id"].is_number()));
    assert!(some(&|row| row["responsible_user_id"] == 74));
    assert!(some(&|row| row["is_completed"] == true && row["result"]["text"].is_string()));
    assert!(some(&|row| row["is_completed"] == false));
    assert!(some(&|row| row["_embedded"]["contacts"][0]["is_main"] == true));
    assert!(some(&|row| row["_embedded"]["catalog_elements"][0]["metadata"]["quantity"] == 2.5));
    assert!(some(&|row| row["_embedded"]["segments"][0]["id"].is_number()));
    assert!(some(&|row| row["ltv"].as_i64() > Some(0)));
    for pipeline in [900, 901, 902] {
        assert!(some(&|row| row["pipeline_id"] == pipeline), "nothing in {pipeline}");
    }
}

/// Generated values have the shape that writing gives: what is read can be written back and reads the same.
#[tokio::test]
async fn what_was_generated_can_be_written_back() {
    let crm = Crm::with_contacts(5, 60).await;
    for (path, kind) in [
        ("leads", "leads"),
        ("contacts", "contacts"),
        ("companies", "companies"),
        ("customers", "customers"),
        ("catalogs/4100/elements", "elements"),
        ("catalogs/4101/elements", "elements"),
        ("catalogs/4102/elements", "elements"),
        ("catalogs/4103/elements", "elements"),
    ] {
        let rows = crm.get(&format!("/api/v4/{path}?order[id]=asc&limit=20")).await.ok(200);
        let rows = rows["_embedded"][kind].as_array().cloned().unwrap_or_default();
        let mut most = 0;
        for row in rows {
            let values = &row["custom_fields_values"];
            most = most.max(values.as_array().map_or(0, Vec::len));
            let id = crm.make(path, json!({"name": "again", "custom_fields_values": values})).await;
            let read = crm.get(&format!("/api/v4/{path}/{id}")).await.ok(200);
            assert_eq!(&read["custom_fields_values"], values, "{path}");
        }
        assert!(most > 1, "{path}: hardly any values");
    }
}

#[tokio::test]
async fn links_obey_the_rules_and_are_seen_from_both_ends() {
    let crm = Crm::with_contacts(9, 150).await;
    let mut from_leads = BTreeSet::new();
    for lead in all(&crm, LISTS[0]).await {
        let parts = &lead["_embedded"];
        let contacts = parts["contacts"].as_array().expect("asked for");
        assert_eq!(contacts.iter().filter(|contact| contact["is_main"] == true).count(), 1, "{lead}");
        assert!(parts["companies"].as_array().map_or(0, Vec::len) <= 1, "{lead}");
        from_leads.extend(contacts.iter().map(|contact| (lead["id"].as_u64(), contact["id"].as_u64())));
    }
    let mut from_contacts = BTreeSet::new();
    for contact in all(&crm, LISTS[1]).await {
        let leads = contact["_embedded"]["leads"].as_array().expect("asked for");
        from_contacts.extend(leads.iter().map(|lead| (lead["id"].as_u64(), contact["id"].as_u64())));
    }
    assert!(from_leads.len() > 150, "{}", from_leads.len());
    assert_eq!(from_leads, from_contacts);
}
