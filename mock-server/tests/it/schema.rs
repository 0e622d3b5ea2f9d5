//! The documented deletes of set-up, and what they drag along (§3.1, §3.7).

use serde_json::{Value, json};

use crate::crm::Crm;

#[tokio::test]
async fn set_up_is_deleted_once() {
    let crm = Crm::start().await;
    let group = crm.call("POST", "/api/v4/leads/custom_fields/groups", json!([{"name": "Монтаж"}])).await.ok(201);
    let group = group["_embedded"]["custom_field_groups"][0]["id"].as_str().unwrap().to_owned();
    let stage = crm.make("customers/statuses", json!({"name": "Новые"})).await;
    let segment = crm.make("customers/segments", json!({"name": "Новые"})).await;
    let reason = crm.make("leads/loss_reasons", json!({"name": "Передумал"})).await;
    for path in [
        "leads/custom_fields/640".to_owned(),
        "customers/segments/custom_fields/561".to_owned(),
        "catalogs/4100/custom_fields/705".to_owned(),
        format!("leads/custom_fields/groups/{group}"),
        format!("customers/statuses/{stage}"),
        format!("customers/segments/{segment}"),
        format!("leads/loss_reasons/{reason}"),
        "leads/pipelines/900/statuses/32003".to_owned(),
    ] {
        let path = format!("/api/v4/{path}");
        let delete = || crm.call("DELETE", &path, Value::Null);
        assert_eq!(delete().await.status, 204, "{path}");
        assert_eq!(delete().await.status, 404, "{path}");
    }
    for (path, status) in [
        ("leads/custom_fields/groups/default", 403),
        ("leads/pipelines/900/statuses/142", 403),
        ("contacts/custom_fields/301", 403),
        ("customers/statuses/14001", 403),
    ] {
        assert_eq!(crm.call("DELETE", &format!("/api/v4/{path}"), Value::Null).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_field_takes_its_values_along_and_a_stage_moves_its_leads() {
    let crm = Crm::start().await;
    let values = json!([{"field_id": 640, "values": [{"value": "Perm"}]}, {"field_id": 642, "values": [{"value": 5}]}]);
    let lead = json!({"name": "L", "pipeline_id": 900, "status_id": 32003, "custom_fields_values": values});
    let lead = crm.make("leads", lead).await;
    crm.call("DELETE", "/api/v4/leads/custom_fields/640", Value::Null).await.ok(204);
    crm.call("DELETE", "/api/v4/leads/pipelines/900/statuses/32003", Value::Null).await.ok(204);
    let shown = crm.get(&format!("/api/v4/leads/{lead}")).await.ok(200);
    assert_eq!(shown["custom_fields_values"].as_array().map(Vec::len), Some(1));
    assert_eq!(shown["status_id"], 32001);
    let gone = json!({"custom_fields_values": [{"field_id": 642, "values": [{"value": 6}]},
        {"field_id": 640, "values": [{"value": "x"}]}]});
    let refused = crm.call("PATCH", &format!("/api/v4/leads/{lead}"), gone).await.ok(400);
    let fault = &refused["validation-errors"][0]["errors"][0];
    assert_eq!(fault["path"], "custom_fields_values.1.field_id");
    let field = json!([{"name": "City", "type": "text"}]);
    let made = crm.call("POST", "/api/v4/leads/custom_fields", field).await.ok(201);
    assert_ne!(made["_embedded"]["custom_fields"][0]["id"], 640, "ids are not given twice");
}

#[tokio::test]
async fn set_up_is_for_administrators() {
    let crm = Crm::start().await;
    let headers = [("authorization", "Bearer demo-token"), ("x-context-user-id", "72")];
    for (method, path) in [
        ("DELETE", "/api/v4/leads/custom_fields/640"),
        ("DELETE", "/api/v4/customers/segments/21"),
        ("POST", "/api/v4/webhooks"),
        ("GET", "/api/v4/users"),
    ] {
        assert_eq!(crm.send(method, path, &headers, "").await.status, 403, "{method} {path}");
    }
    assert_eq!(crm.send("GET", "/api/v4/leads/custom_fields", &headers, "").await.status, 200);
    assert_eq!(crm.effects(0).await, Vec::<String>::new());
}
