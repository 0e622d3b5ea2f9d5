//! Customers: purchases, points, modes.

use serde_json::{Value, json};

use crate::crm::Crm;

#[tokio::test]
async fn what_a_customer_is_worth_follows_from_the_purchases() {
    let crm = Crm::start().await;
    let id = crm.make("customers", json!({"name": "Пермь-Окна"})).await;
    let path = format!("/api/v4/customers/{id}/transactions");
    let two = json!([{"price": 100, "comment": "first"}, {"price": 50, "next_price": 70}]);
    let made = crm.call("POST", &path, two).await.ok(200);
    let first = made["_embedded"]["transactions"][0]["id"].as_u64().unwrap();
    let worth = |row: &Value| ["ltv", "purchases_count", "average_check", "next_price"].map(|key| row[key].as_i64());
    let customer = crm.get(&format!("/api/v4/customers/{id}")).await.ok(200);
    assert_eq!(worth(&customer), [Some(150), Some(2), Some(75), Some(70)]);
    let gone = format!("/api/v4/customers/transactions/{first}");
    assert_eq!(crm.call("DELETE", &gone, Value::Null).await.status, 204);
    assert_eq!(crm.call("DELETE", &gone, Value::Null).await.status, 404);
    let customer = crm.get(&format!("/api/v4/customers/{id}")).await.ok(200);
    assert_eq!(worth(&customer), [Some(50), Some(1), Some(50), Some(70)]);
    assert_eq!(crm.get(&path).await.ok(200)["_embedded"]["transactions"].as_array().map(Vec::len), Some(1));
    let missing = crm.call("POST", &path, json!([{"comment": "x"}])).await.ok(400);
    assert_eq!(missing["validation-errors"][0]["errors"][0]["path"], "price");
}

#[tokio::test]
async fn points_are_earned_before_they_are_redeemed() {
    let crm = Crm::start().await;
    let id = crm.make("customers", json!({"name": "A"})).await;
    let path = format!("/api/v4/customers/{id}/bonus_points");
    assert_eq!(crm.call("POST", &path, json!({"redeem": 1})).await.status, 400);
    assert_eq!(crm.call("POST", &path, json!({"earn": 50})).await.ok(200), json!({"bonus_points": 50}));
    assert_eq!(crm.call("POST", &path, json!({"redeem": 20})).await.ok(200), json!({"bonus_points": 30}));
}

#[tokio::test]
async fn customers_can_be_switched_off() {
    let crm = Crm::start().await;
    let off = json!({"mode": "segments", "is_enabled": false});
    assert_eq!(crm.call("PATCH", "/api/v4/customers/mode", off).await.status, 200);
    assert_eq!(crm.get("/api/v4/customers").await.status, 422);
    assert_eq!(crm.get("/api/v4/account").await.ok(200)["customers_mode"], "disabled");
    let on = json!({"mode": "periodicity", "is_enabled": true});
    assert_eq!(crm.call("PATCH", "/api/v4/customers/mode", on).await.status, 200);
    assert_eq!(crm.call("POST", "/api/v4/customers", json!([{"name": "A"}])).await.status, 400);
}

#[tokio::test]
async fn a_token_may_act_with_another_users_rights() {
    let crm = Crm::start().await;
    let id = crm.make("contacts", json!({"name": "Anna", "responsible_user_id": 71})).await;
    let own = crm.make("contacts", json!({"name": "Boris", "responsible_user_id": 72})).await;
    let delete = |id: u64, user: &'static str| {
        let headers = [("authorization", "Bearer demo-token"), ("x-context-user-id", user)];
        let crm = &crm;
        async move { crm.send("POST", "/ajax/contacts/multiple/delete/", &headers, format!("ID[]={id}")).await }
    };
    assert_eq!(delete(id, "72").await.ok(200)["message"], "Недостаточно прав для удаления");
    assert_eq!(delete(own, "72").await.ok(200)["status"], "success");
    assert_eq!(delete(id, "999").await.status, 401);
    assert_eq!(delete(id, "74").await.status, 401);
}
