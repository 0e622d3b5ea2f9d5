//! Lists: what they ignore in silence, and how they betray the reader.

use serde_json::{Value, json};

use crate::crm::Crm;

fn ids(answer: &Value) -> Vec<u64> {
    let rows = answer["_embedded"]["contacts"].as_array().cloned().unwrap_or_default();
    rows.iter().filter_map(|row| row["id"].as_u64()).collect()
}

async fn page(crm: &Crm, page: u64) -> Value {
    crm.get(&format!("/api/v4/contacts?order[id]=asc&limit=10&page={page}")).await.ok(200)
}

async fn thirty_five() -> Crm {
    let crm = Crm::start().await;
    let many: Vec<Value> = (0..35).map(|n| json!({"name": format!("{n:02}")})).collect();
    crm.call("POST", "/api/v4/contacts", json!(many)).await.ok(200);
    crm
}

#[tokio::test]
async fn what_is_not_understood_is_ignored() {
    let crm = thirty_five().await;
    let all = crm.get("/api/v4/contacts?filter[no_such]=1&with=nothing&limit=500&order[created_at]=desc").await.ok(200);
    assert_eq!(ids(&all).len(), 35);
    assert!(all["_links"].get("next").is_none());
    assert_eq!(crm.get("/api/v4/contacts?page=2").await.status, 204);
    let by_name = crm.get("/api/v4/contacts?order[name]=desc&limit=1").await.ok(200);
    assert_eq!(by_name["_embedded"]["contacts"][0]["name"], "34");
    let pipelines = crm.get("/api/v4/leads/pipelines?page=9&limit=1").await.ok(200);
    assert_eq!(pipelines["_total_items"], 3);
    let first = ids(&all)[0];
    let one = format!("/api/v4/contacts?filter[id][]={first}");
    assert_eq!(ids(&crm.get(&one).await.ok(200)), [first]);
    crm.switch("paid_filters", json!(false)).await;
    assert_eq!(ids(&crm.get(&one).await.ok(200)).len(), 35);
}

#[tokio::test]
async fn pages_lead_to_the_end() {
    let crm = thirty_five().await;
    let mut seen = Vec::new();
    let mut next = Some(format!("{}/api/v4/contacts?limit=10", crm.server.url()));
    while let Some(url) = next {
        let answer = crm.get(&url).await.ok(200);
        seen.extend(ids(&answer));
        next = answer["_links"]["next"]["href"].as_str().map(str::to_owned);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 35);
}

#[tokio::test]
async fn paging_fails_in_five_ways() {
    let crm = thirty_five().await;
    let (first, second) = (ids(&page(&crm, 1).await), ids(&page(&crm, 2).await));
    let fault = |word: &'static str| {
        let crm = &crm;
        async move { crm.switch("paging_fault", json!(word)).await }
    };
    fault("repeat_page").await;
    assert_eq!(ids(&page(&crm, 2).await), first);
    fault("skip_row").await;
    assert_eq!(ids(&page(&crm, 2).await), second[1..]);
    fault("no_next").await;
    assert!(page(&crm, 1).await["_links"].get("next").is_none());
    fault("endless_next").await;
    let beyond = page(&crm, 9).await;
    assert_eq!(ids(&beyond).len(), 5);
    assert!(beyond["_links"]["next"]["href"].is_string());
    fault("foreign_next").await;
    let next = page(&crm, 1).await["_links"]["next"]["href"].as_str().unwrap().to_owned();
    assert!(!next.starts_with(&crm.server.url()), "{next}");
    fault("none").await;
    assert_eq!(ids(&page(&crm, 2).await), second);
}

#[tokio::test]
async fn the_index_may_be_behind() {
    let crm = Crm::start().await;
    crm.switch("index_delay_ms", json!(60_000)).await;
    let id = crm.make("contacts", json!({"name": "Anna"})).await;
    assert_eq!(crm.get("/api/v4/contacts").await.status, 204);
    assert_eq!(crm.get(&format!("/api/v4/contacts/{id}")).await.status, 200);
    crm.mock("POST", "clock", json!({"advance_seconds": 60})).await;
    assert_eq!(crm.get("/api/v4/contacts").await.status, 200);
}

#[tokio::test]
async fn one_bad_item_may_or_may_not_spoil_the_batch() {
    let crm = Crm::start().await;
    let batch = json!([{"name": "good"}, {"name": "bad", "responsible_user_id": 999, "request_id": "b"}]);
    let refused = crm.call("POST", "/api/v4/contacts", batch.clone()).await.ok(400);
    assert_eq!(refused["validation-errors"].as_array().map(Vec::len), Some(1));
    assert_eq!(refused["validation-errors"][0]["request_id"], "b");
    assert_eq!(crm.get("/api/v4/contacts").await.status, 204);
    crm.switch("bad_item_rejects_batch", json!(false)).await;
    crm.call("POST", "/api/v4/contacts", batch).await.ok(400);
    assert_eq!(ids(&crm.get("/api/v4/contacts").await.ok(200)).len(), 1);
}
