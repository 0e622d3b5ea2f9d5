//! What the mock's ledger of effects says about what the program says.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use serde_json::Value;

use super::{Card, Seen, unfinished};
use crate::support::{CALLER, World, number};

const ALL_STATES: &str = "deleted,unknown,restoring,restored,needs_review,kept";

/// The entries of a round's records, newest first.
async fn entries(world: &World, name: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world.see(&format!("/api/v1/entries?state={ALL_STATES}&limit=200{cursor}")).await;
        let rows = page["entries"].as_array().expect("entries").clone();
        let (mine, others): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .partition(|entry| entry["title"].as_str().is_some_and(|title| title.ends_with(&format!("of {name}"))));
        found.extend(mine);
        match page["next"].as_str() {
            // Entries of one round stand together: once others come, no more of this one do.
            Some(next) if others.is_empty() => cursor = format!("&cursor={next}"),
            _ => return found,
        }
    }
}

async fn alive(world: &World, object: &str, id: u64) -> Option<Value> {
    let url = format!("{}/api/v4/{object}/{id}", world.mock.url());
    let answer = world.http.get(url).bearer_auth(CALLER).send().await.expect("the mock answers");
    match answer.status() {
        StatusCode::OK => Some(answer.json().await.expect("JSON")),
        StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => None,
        status => panic!("{object}/{id}: {status}"),
    }
}

fn state(entry: &Value) -> &str {
    entry["state"].as_str().unwrap_or_default()
}

pub async fn judge(world: &World, name: &str, cards: &[Card], begun: u64, seen: &mut Seen) {
    let effects: Vec<Value> =
        world.heard("effects").await.into_iter().filter(|effect| number(&effect["seq"]) > begun).collect();
    let of = |what: &str| -> Vec<(String, u64)> {
        let cards = effects
            .iter()
            .filter(|effect| effect["what"] == what && (effect["object"] == "contacts" || effect["object"] == "leads"));
        cards.map(|effect| (effect["object"].as_str().expect("text").to_owned(), number(&effect["id"]))).collect()
    };
    let entries = entries(world, name).await;
    let shown = || {
        let rows = entries.iter().map(|e| {
            format!("{}/{} {} op {} -> {}", e["object"], e["record_id"], e["state"], e["operation"], e["restored_as"])
        });
        format!("{name}\n{}\n{}", rows.collect::<Vec<_>>().join("\n"), world.said())
    };
    let names: BTreeMap<(String, u64), &str> = entries
        .iter()
        .map(|entry| {
            let object = entry["object"].as_str().expect("text").to_owned();
            ((object, number(&entry["record_id"])), entry["title"].as_str().expect("text"))
        })
        .collect();

    // P1: what the CRM has destroyed lies in the bin, once, whole, and was there before.
    for (object, id) in of("deleted") {
        seen.deleted += 1;
        let mine = |entry: &&Value| entry["object"] == object.as_str() && number(&entry["record_id"]) == id;
        let all: Vec<&Value> = entries.iter().filter(mine).filter(|entry| state(entry) != "kept").collect();
        assert_eq!(all.len(), 1, "{object}/{id} was destroyed once and has {} entries: {}", all.len(), shown());
        let detail = world.see(&format!("/api/v1/entries/{}", all[0]["id"].as_str().expect("an id"))).await;
        let parts = detail["snapshot"]["parts"].as_array().unwrap_or_else(|| panic!("no snapshot: {}", shown()));
        let record = parts.iter().find(|part| part["name"] == "record").expect("a record");
        let row: Value = serde_json::from_str(record["body"].as_str().expect("text")).expect("JSON");
        if let Some(card) = cards.iter().find(|card| card.object == object && card.id == id) {
            for key in ["name", "price", "custom_fields_values"] {
                assert_eq!(row[key], card.row[key], "{key} of {object}/{id}: {}", shown());
            }
            if object == "contacts" {
                let notes = parts.iter().find(|part| part["name"] == "notes").expect("notes");
                assert!(notes["body"].as_str().expect("text").contains(&format!("note of {id}")), "{}", shown());
            }
        }
        let gone_at = effects
            .iter()
            .find(|e| e["what"] == "deleted" && e["object"] == object.as_str() && number(&e["id"]) == id)
            .expect("it is among them")["at"]
            .clone();
        let (written, gone) = (all[0]["deleted_at"].as_str().expect("a time"), gone_at.as_str().expect("a time"));
        let moment = |text: &str| text.parse::<jiff::Timestamp>().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(moment(written) <= moment(gone), "destroyed {gone}, written {written}: {}", shown());
    }

    // No entry says otherwise than the CRM.
    for entry in &entries {
        let (object, id) = (entry["object"].as_str().expect("text"), number(&entry["record_id"]));
        let is_alive = alive(world, object, id).await.is_some();
        match state(entry) {
            "deleted" => assert!(!is_alive, "{object}/{id} is called deleted and is alive: {}", shown()),
            "kept" => {
                seen.kept += 1;
                let others = entries.iter().filter(|other| {
                    other["record_id"] == entry["record_id"]
                        && other["object"] == entry["object"]
                        && state(other) != "kept"
                });
                assert!(is_alive || others.count() == 1, "{object}/{id} is called kept and is gone: {}", shown());
            }
            "restored" => {
                seen.restored += 1;
                let new = number(&entry["restored_as"]);
                let deleted_again = names.contains_key(&(object.to_owned(), new));
                assert!(deleted_again || alive(world, object, new).await.is_some(), "restored as nothing: {}", shown());
            }
            "needs_review" => seen.in_review += 1,
            other => panic!("{object}/{id} is {other} for ever: {}", shown()),
        }
    }

    // P4: at most one copy for each entry.
    let mut created: BTreeMap<String, usize> = BTreeMap::new();
    for (object, id) in of("created") {
        if cards.iter().any(|card| card.object == object && card.id == id) {
            continue;
        }
        seen.creates += 1;
        let title = match alive(world, &object, id).await {
            Some(row) => row["name"].as_str().unwrap_or_default().to_owned(),
            None => (*names.get(&(object.clone(), id)).unwrap_or_else(|| panic!("{object}/{id} is lost: {}", shown())))
                .to_owned(),
        };
        *created.entry(title).or_default() += 1;
    }
    for card in cards {
        let mine = entries.iter().filter(|entry| entry["title"] == card.name.as_str() && state(entry) != "kept");
        let made = created.get(&card.name).copied().unwrap_or(0);
        assert!(made <= mine.count(), "{} copies of {}/{}: {}", made, card.object, card.id, shown());
    }
    let strangers: Vec<&String> = created.keys().filter(|name| !cards.iter().any(|card| card.name == **name)).collect();
    assert!(strangers.is_empty(), "nobody asked for {strangers:?}: {}", shown());

    // P3 and the end of jobs.
    let operations = world.see("/api/v1/operations?limit=200").await;
    for operation in operations["operations"].as_array().expect("operations") {
        let ends = ["confirmed", "partial", "refused", "not_sent", "undone", "needs_review"];
        assert!(ends.contains(&state(operation)), "{operation}: {}", shown());
    }
    assert_eq!(unfinished(world).await, 0, "{}", shown());
}
