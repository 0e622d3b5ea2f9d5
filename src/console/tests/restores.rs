use http::StatusCode;
use serde_json::{Value, json};

use super::Desk;
use crate::engine::fake_crm::{FakeCrm, Fault};
use crate::engine::fake_world::Fake;

fn contact() -> Vec<crate::domain::record::Snapshot> {
    vec![FakeCrm::snapshot("contacts/1", None, &["notes/11"], &["leads/5"])]
}

#[tokio::test]
async fn a_plan_is_shown_applied_and_reported() {
    let desk = Desk::running().await;
    let (_, entries) = desk.fake.delete(contact()).await;
    let made = desk.post("/api/v1/restore-plans", &json!({ "entries": entries })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let plan = made.json();
    assert_eq!((&plan["kind"], &plan["connection"]), (&json!("restore"), &json!("acme")));
    assert_eq!(plan["counts"], json!({ "recreate": 2 }));
    let step = &plan["steps"][1];
    assert_eq!(
        (&step["what"], &step["record"], &step["after"], &step["wave"]),
        (&json!("recreate"), &json!("notes/11"), &json!(["contacts/1"]), &json!(2))
    );
    let loss = &plan["losses"][0];
    assert_eq!(
        (&loss["record"], &loss["field"], &loss["reason"]),
        (&json!("contacts/1"), &json!("links.leads/5"), &json!("link_end_gone"))
    );
    assert!(loss["detail"].is_string() && plan["requests"].is_u64() && plan["eta_seconds"].is_u64(), "{plan}");
    let id = plan["id"].as_str().expect("an id");
    assert_eq!(desk.get(&format!("/api/v1/restore-plans/{id}")).await.json(), plan);
    assert!(desk.fake.crm.world().made.is_empty(), "a plan changes nothing");

    let apply = format!("/api/v1/restore-plans/{id}/apply");
    let other = desk.post(&apply, &json!({ "digest": "0" })).await;
    assert_eq!((other.status, other.code().as_str()), (StatusCode::CONFLICT, "plan_changed"));
    let applied = desk.post(&apply, &json!({ "digest": plan["digest"] })).await;
    assert_eq!(applied.status, StatusCode::ACCEPTED, "{applied:?}");
    let job = applied.json()["job"].clone();
    assert_eq!((&job["plan"], &job["kind"]), (&plan["id"], &json!("restore")));
    let job = desk.ended(&job).await;
    assert_eq!((&job["state"], &job["total"], &job["done"]), (&json!("done"), &json!(2), &json!(2)));
    assert_eq!((&job["report"]["compared"], &job["eta_seconds"]), (&json!(1), &Value::Null));
    assert_eq!(job["report"]["losses"][0]["announced"], json!(true));
    let again = desk.post(&apply, &json!({ "digest": plan["digest"] })).await;
    assert_eq!(again.json()["job"]["id"], job["id"]);
    let items = desk.get(&format!("/api/v1/jobs/{}/items", job["id"].as_str().expect("an id"))).await.json();
    assert_eq!(items["items"][0]["state"], json!("done"));
    assert!(items["items"][0]["restored_as"].as_str().is_some_and(|new| new.starts_with("contacts/9")), "{items}");
    assert_eq!(desk.fake.crm.copies("contacts/1"), 1);
}

#[tokio::test]
async fn an_operation_is_undone_with_a_look_first_or_at_once() {
    let desk = Desk::running().await;
    let (operation, _) = desk.fake.delete(contact()).await;
    let undo = format!("/api/v1/operations/{operation}/undo");
    let seen = desk.post(&undo, &Value::Null).await;
    assert_eq!((seen.status, &seen.json()["operation"]), (StatusCode::CREATED, &json!(operation)));
    assert_eq!(desk.post(&format!("{undo}?apply=maybe"), &Value::Null).await.code(), "bad_value");
    assert!(desk.fake.crm.world().made.is_empty());
    let done = desk.post(&format!("{undo}?apply=true"), &Value::Null).await;
    assert_eq!(done.status, StatusCode::ACCEPTED);
    assert_eq!(desk.ended(&done.json()["job"]).await["state"], "done");
    let operation = desk.get(&format!("/api/v1/operations/{operation}")).await.json();
    assert_eq!(operation["state"], "undone");
    // Undone twice makes nothing twice.
    let twice = desk.post(&format!("{undo}?apply=true"), &Value::Null).await;
    assert_eq!(desk.ended(&twice.json()["job"]).await["skipped"], 1);
    assert_eq!(desk.fake.crm.copies("contacts/1"), 1);
}

#[tokio::test]
async fn a_key_makes_one_plan_and_another_request_under_it_is_refused() {
    let desk = Desk::running().await;
    let (_, entries) = desk.fake.delete(contact()).await;
    let body = json!({ "entries": entries });
    let first = desk.post_once("/api/v1/restore-plans", &body, Some("k1")).await;
    let again = desk.post_once("/api/v1/restore-plans", &body, Some("k1")).await;
    assert_eq!(first.json(), again.json());
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let other = json!({ "entries": entries, "include_parents": false });
    let refused = desk.post_once("/api/v1/restore-plans", &other, Some("k1")).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (422, "idempotency_key_reused"));
    let fresh = desk.post_once("/api/v1/restore-plans", &body, Some("k2")).await;
    assert_ne!(fresh.json()["id"], first.json()["id"]);
    // A failure is not kept: the same key works once the request can be carried out.
    desk.fake.crm.world().unreachable = true;
    let down = desk.post_once("/api/v1/restore-plans", &body, Some("k3")).await;
    assert_eq!((down.status.as_u16(), down.code().as_str()), (503, "crm_unavailable"));
    assert!(down.headers.contains_key("retry-after"));
    desk.fake.crm.world().unreachable = false;
    assert_eq!(desk.post_once("/api/v1/restore-plans", &body, Some("k3")).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_job_is_steered_and_what_is_over_stays_over() {
    let desk = Desk::over(Fake::idle()).await;
    let (_, entries) = desk.fake.delete(contact()).await;
    let plan = desk.post("/api/v1/restore-plans", &json!({ "entries": entries })).await.json();
    let apply = format!("/api/v1/restore-plans/{}/apply", plan["id"].as_str().expect("an id"));
    let job = desk.post(&apply, &json!({ "digest": plan["digest"] })).await.json()["job"].clone();
    assert_eq!(job["state"], "queued");
    assert!(job["eta_seconds"].is_u64(), "{job}");
    let at = format!("/api/v1/jobs/{}", job["id"].as_str().expect("an id"));
    for (verb, state) in [("pause", "paused"), ("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")] {
        let told = desk.post(&format!("{at}/{verb}"), &Value::Null).await;
        assert_eq!((told.status, &told.json()["job"]["state"]), (StatusCode::ACCEPTED, &json!(state)), "{verb}");
    }
    for verb in ["pause", "resume", "retry"] {
        let told = desk.post(&format!("{at}/{verb}"), &Value::Null).await;
        assert_eq!((told.status, told.code().as_str()), (StatusCode::CONFLICT, "wrong_state"), "{verb}");
    }
}

#[tokio::test]
async fn a_job_is_watched_until_it_ends() {
    let mut fake = Fake::idle();
    let (_, entries) = fake.delete(contact()).await;
    fake.crm.world().faults.push_back(Fault::Refuse("notes/11".parse().expect("a record")));
    let plan = fake.plan(&entries).await.expect("a plan");
    let job = fake.engine.apply(plan.id, &plan.digest, "anna").await.expect("a job");
    let at = format!("/api/v1/jobs/{}/events", job.id);
    fake.start();
    let desk = Desk::over(fake).await;
    // `get` returns when the stream has ended by itself.
    let told = desk.get(&at).await;
    assert_eq!(told.headers["content-type"], "text/event-stream");
    let states: Vec<String> = told
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str::<Value>(data).expect("JSON")["state"].as_str().expect("a state").to_owned())
        .collect();
    assert!(told.text.starts_with("event: job\n"), "{}", told.text);
    let ends = states.iter().filter(|state| !matches!(state.as_str(), "queued" | "running")).count();
    assert_eq!((ends, states.last().map(String::as_str)), (1, Some("done")), "{states:?}");
    // Of a job that has ended, one event is left to tell.
    assert_eq!(desk.get(&at).await.text.matches("event: job").count(), 1);
}
