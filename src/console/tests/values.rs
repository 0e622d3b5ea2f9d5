use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use super::Desk;
use crate::engine::access::Role;
use crate::engine::fake_crm::FakeCrm;
use crate::engine::fake_world::Fake;

const NOTHING: &str = "00000000-0000-0000-0000-000000000000";

#[tokio::test]
async fn what_a_plan_cannot_be_made_from_is_refused_by_name() {
    let desk = Desk::over(Fake::idle()).await;
    let (_, here) = desk.fake.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
    let (_, there) = desk.fake.delete_on("mute", vec![FakeCrm::snapshot("contacts/2", None, &[], &[])]).await;
    let cases: &[(Value, u16, &str)] = &[
        (json!({}), 400, "bad_value"),
        (json!({ "entries": [] }), 400, "bad_value"),
        (json!({ "entries": ["x"] }), 400, "bad_value"),
        (json!({ "entries": here, "operation": NOTHING }), 400, "bad_value"),
        (json!({ "operation": "x" }), 400, "bad_value"),
        (json!({ "operation": NOTHING }), 404, "not_found"),
        (json!({ "job": NOTHING }), 404, "not_found"),
        (json!({ "entries": [NOTHING] }), 404, "not_found"),
        (json!({ "entries": "all" }), 400, "bad_body"),
        (json!({ "entries": here, "include_parent": true }), 400, "bad_body"),
        (json!({ "entries": here, "include_parents": "yes" }), 400, "bad_body"),
        (json!({ "entries": [here[0], there[0]] }), 400, "several_connections"),
        (json!({ "entries": there }), 400, "no_own_token"),
        (json!([1]), 400, "bad_body"),
    ];
    for (body, status, code) in cases {
        let told = desk.post("/api/v1/restore-plans", body).await;
        assert_eq!((told.status.as_u16(), told.code().as_str()), (*status, *code), "{body}");
    }
    let operator = desk.request(&Method::POST, "/api/v1/restore-plans", Some(Role::Operator));
    let form = operator.header("content-type", "application/x-www-form-urlencoded").body(Body::from("entries=1"));
    assert_eq!(desk.send(form.unwrap()).await.code(), "not_json");
}

#[tokio::test]
async fn ids_of_nothing_and_parameters_of_no_call_are_refused() {
    let desk = Desk::over(Fake::idle()).await;
    for id in [NOTHING, "x", "%2e%2e"] {
        for path in ["restore-plans/{}", "jobs/{}", "jobs/{}/items", "jobs/{}/events", "operations/{}", "entries/{}"] {
            let told = desk.get(&format!("/api/v1/{}", path.replace("{}", id))).await;
            assert_eq!((told.status.as_u16(), told.code().as_str()), (404, "not_found"), "{path} {id}");
        }
        for path in ["jobs/{}/pause", "jobs/{}/resume", "jobs/{}/cancel", "jobs/{}/retry", "operations/{}/undo"] {
            let told = desk.post(&format!("/api/v1/{}", path.replace("{}", id)), &Value::Null).await;
            assert_eq!((told.status.as_u16(), told.code().as_str()), (404, "not_found"), "{path} {id}");
        }
        let told = desk.post(&format!("/api/v1/restore-plans/{id}/apply"), &json!({ "digest": "0" })).await;
        assert_eq!(told.code(), "not_found");
    }
    for query in ["limit=0", "limit=201", "limit=x", "limit=", "limit=1&limit=2", "cursor=x", "state=gone"] {
        let told = desk.get(&format!("/api/v1/operations?{query}")).await;
        assert_eq!((told.status.as_u16(), told.code().as_str()), (400, "bad_value"), "{query}");
    }
    for target in ["/api/v1/jobs?stat=done", "/api/v1/entries?name=a", "/api/v1/connections?limit=1"] {
        assert_eq!(desk.get(target).await.code(), "unknown_parameter", "{target}");
    }
    assert_eq!(desk.get("/api/v1/entries?connection=nobody").await.code(), "bad_value");
}
