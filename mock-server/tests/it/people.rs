//! Users and roles.

use serde_json::{Value, json};

use crate::crm::Crm;

#[tokio::test]
async fn who_has_left_cannot_be_named_until_he_is_back() {
    let crm = Crm::start().await;
    let lead = |user: u64| json!([{"name": "L", "created_by": user}]);
    let refused = crm.call("POST", "/api/v4/leads", lead(74)).await.ok(400);
    let fault = &refused["validation-errors"][0]["errors"][0];
    assert_eq!((&fault["code"], &fault["path"]), (&json!("NotSupportedChoice"), &json!("created_by")));
    assert_eq!(crm.call("POST", "/api/v4/users/activate", json!([{"id": 74}])).await.status, 204);
    crm.call("POST", "/api/v4/leads", lead(74)).await.ok(200);
    assert_eq!(crm.call("POST", "/api/v4/users/deactivate", json!([{"id": 72}])).await.status, 204);
    crm.call("POST", "/api/v4/leads", lead(72)).await.ok(400);
    assert_eq!(crm.call("DELETE", "/api/v4/users/72", Value::Null).await.status, 405);
}

#[tokio::test]
async fn users_and_roles_are_made() {
    let crm = Crm::start().await;
    let role = crm.call("POST", "/api/v4/roles", json!([{"name": "Стажёр"}])).await.ok(201);
    let role = role["_embedded"]["roles"][0]["id"].as_u64().unwrap();
    let user = json!([{"name": "Нина", "email": "nina@acme.example", "rights": {"role_id": role}}]);
    let made = crm.call("POST", "/api/v4/users", user).await.ok(201);
    let id = &made["_embedded"]["users"][0]["id"];
    let path = format!("/api/v4/roles/{role}");
    assert_eq!(crm.get(&path).await.ok(200)["_embedded"]["users"], json!([id]));
    assert_eq!(crm.call("PATCH", &path, json!({"name": "Trainee"})).await.status, 202);
    assert_eq!(crm.get(&path).await.ok(200)["name"], "Trainee");
    assert_eq!(crm.call("DELETE", &path, Value::Null).await.status, 204);
    assert_eq!(crm.get(&format!("/api/v4/users/{id}")).await.ok(200)["rights"]["role_id"], Value::Null);
    let eleven: Vec<Value> = (0..11).map(|n| json!({"name": "A", "email": format!("{n}@a.example")})).collect();
    assert_eq!(crm.call("POST", "/api/v4/users", json!(eleven)).await.status, 400);
}
