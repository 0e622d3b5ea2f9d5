//! What goes wrong on demand, and whether the effect happened.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::crm::Crm;

async fn three_contacts(crm: &Crm) -> String {
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(format!("ID[]={}", crm.make("contacts", json!({"name": name})).await));
    }
    ids.join("&")
}

async fn deleted(crm: &Crm) -> usize {
    crm.effects(0).await.iter().filter(|line| line.starts_with("deleted contacts")).count()
}

const DELETE: &str = "/ajax/contacts/multiple/delete";

async fn fault(crm: &Crm, mut rule: Value) {
    rule["method"] = json!("POST");
    rule["path"] = json!("^/ajax/contacts");
    if rule.get("times").is_none() {
        rule["times"] = json!(1);
    }
    crm.mock("POST", "faults", rule).await;
}

#[tokio::test]
async fn before_means_never_and_after_means_already() {
    for (when, expected) in [("before", 0), ("after", 3)] {
        for (what, status) in [("cut", None), ("status", Some(503)), ("html", Some(502))] {
            let crm = Crm::start().await;
            let body = three_contacts(&crm).await;
            fault(&crm, json!({"when": when, "do": what, "status": status, "retry_after": 3})).await;
            let reply = crm.try_send("POST", DELETE, &[("authorization", "Bearer demo-token")], body.clone()).await;
            assert_eq!(reply.as_ref().map(|reply| reply.status), status, "{when} {what}");
            if let Some(reply) = reply {
                assert_eq!(reply.retry_after.as_deref(), Some("3"));
                assert_eq!(reply.content_type == "text/html", what == "html");
            }
            assert_eq!(deleted(&crm).await, expected, "{when} {what}");
            // The fault has struck as often as it may.
            assert_eq!(crm.form(DELETE, &body).await.status, 200);
            assert_eq!(deleted(&crm).await, 3);
        }
    }
}

#[tokio::test]
async fn a_hanging_answer_never_comes() {
    let crm = Crm::start().await;
    let body = three_contacts(&crm).await;
    fault(&crm, json!({"when": "after", "do": "hang"})).await;
    let hung = tokio::time::timeout(Duration::from_millis(400), crm.form(DELETE, &body)).await;
    assert!(hung.is_err());
    assert_eq!(deleted(&crm).await, 3);
}

#[tokio::test]
async fn a_late_answer_comes() {
    let crm = Crm::start().await;
    let body = three_contacts(&crm).await;
    fault(&crm, json!({"when": "after", "do": "delay", "delay_ms": 300})).await;
    let started = Instant::now();
    crm.form(DELETE, &body).await.ok(200);
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_part_of_a_batch_happens() {
    let crm = Crm::start().await;
    let body = three_contacts(&crm).await;
    fault(&crm, json!({"when": "after", "do": "partial", "keep": 2})).await;
    let answer = crm.form(DELETE, &body).await.ok(200);
    assert_eq!(answer["message"], "Удаление прошло успешно для 2 контактов");
    assert_eq!(deleted(&crm).await, 2);
    crm.mock("POST", "faults", json!({"method": "GET", "when": "after", "do": "partial", "times": 1})).await;
    let half = crm.try_send("GET", "/api/v4/account", &[("authorization", "Bearer demo-token")], "").await;
    assert!(half.is_none(), "half a body is no answer: {half:?}");
    assert_eq!(crm.get("/api/v4/account").await.status, 200);
}

#[tokio::test]
async fn faults_are_listed_and_lifted() {
    let crm = Crm::start().await;
    let rule = json!({"path": "^/api/v4/leads", "do": "status", "status": 500});
    let id = crm.mock("POST", "faults", rule).await["id"].as_str().unwrap().to_owned();
    assert_eq!(crm.get("/api/v4/leads").await.status, 500);
    assert_eq!(crm.get("/api/v4/contacts").await.status, 204);
    assert_eq!(crm.mock("GET", "faults", Value::Null).await["faults"][0]["id"], json!(id));
    crm.mock("DELETE", &format!("faults/{id}"), Value::Null).await;
    assert_eq!(crm.get("/api/v4/leads").await.status, 204);
}

#[tokio::test]
async fn an_unpaid_account_reads_but_does_not_write() {
    let crm = Crm::start().await;
    crm.switch("unpaid", json!("writes")).await;
    assert_eq!(crm.call("POST", "/api/v4/leads", json!([{"name": "L"}])).await.status, 402);
    assert_eq!(crm.get("/api/v4/leads").await.status, 204);
    crm.switch("unpaid", json!("all")).await;
    assert_eq!(crm.get("/api/v4/leads").await.status, 402);
}
