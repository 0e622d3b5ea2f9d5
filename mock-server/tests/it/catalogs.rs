//! Catalogs and their elements.

use serde_json::{Value, json};

use crate::crm::Crm;

#[tokio::test]
async fn elements_are_written_whole_and_never_deleted_by_v4() {
    let crm = Crm::start().await;
    let path = "/api/v4/catalogs/4100/elements";
    let item = json!([{"name": "Петля", "request_id": "a", "custom_fields_values": [
        {"field_code": "SKU", "values": [{"value": "H-1"}]}, {"field_code": "PRICE", "values": [{"value": 12.5}]}]}]);
    let made = crm.call("POST", path, item).await.ok(200);
    let row = &made["_embedded"]["elements"][0];
    assert_eq!((&row["request_id"], &row["catalog_id"]), (&json!("a"), &json!(4100)));
    assert_eq!(row["custom_fields_values"][1]["values"], json!([{"value": "12.5"}]));
    let one = format!("{path}/{}", row["id"]);
    let deleted = crm.call("DELETE", &one, Value::Null).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (405, ""));
    let changed = crm.call("PATCH", &one, json!({"name": "Hinge"})).await.ok(200);
    assert_eq!(changed["name"], "Hinge");
    assert_eq!(crm.get(&format!("{path}?query=h-1")).await.ok(200)["_embedded"]["elements"][0]["name"], "Hinge");
    assert_eq!(crm.get(&format!("{path}?filter[id]=1")).await.status, 204);
    assert_eq!(crm.get("/api/v4/catalogs/4101/elements").await.status, 204);
    let shown = crm.get(&format!("{one}?with=invoice_link")).await.ok(200);
    assert_eq!(shown.get("invoice_link"), Some(&Value::Null));
}

#[tokio::test]
async fn catalogs_are_made_changed_and_counted() {
    let crm = Crm::start().await;
    let made = crm.call("POST", "/api/v4/catalogs", json!([{"name": "Склад"}])).await.ok(200);
    let id = made["_embedded"]["catalogs"][0]["id"].as_u64().unwrap();
    let changed = crm.call("PATCH", &format!("/api/v4/catalogs/{id}"), json!({"name": "Stock"})).await.ok(200);
    assert_eq!((&changed["name"], &changed["type"]), (&json!("Stock"), &json!("regular")));
    let invoices = crm.call("POST", "/api/v4/catalogs", json!([{"name": "x", "type": "invoices"}])).await;
    assert_eq!(invoices.ok(400)["validation-errors"][0]["errors"][0]["path"], "type");
    let six: Vec<Value> = (0..6).map(|n| json!({"name": n.to_string()})).collect();
    assert_eq!(crm.call("POST", "/api/v4/catalogs", json!(six)).await.status, 400);
}
