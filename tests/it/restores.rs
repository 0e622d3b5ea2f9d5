//! What was deleted comes back once, under a plan that was shown; old ids go on working.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Setup, World, number};

async fn contact(world: &World, name: &str) -> u64 {
    world.create("contacts", json!([{"name": name}])).await[0]
}

async fn deleted(world: &World, object: &str, id: u64) -> String {
    let answer = world.delete(object, &[id]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    answer.headers()["undo-id"].to_str().expect("text").to_owned()
}

async fn plan(world: &World, wanted: Value) -> Value {
    let (status, plan) = world.console(Method::POST, "/api/v1/restore-plans", Some(wanted)).await;
    assert_eq!(status, StatusCode::CREATED, "{plan}");
    plan
}

#[tokio::test]
async fn a_plan_changes_nothing() {
    let world = World::start().await;
    let anna = contact(&world, "Anna Serova").await;
    let operation = deleted(&world, "contacts", anna).await;
    let before = world.heard("effects").await.len();
    let plan = plan(&world, json!({"operation": operation})).await;
    assert_eq!(plan["steps"][0]["what"], "recreate");
    assert_eq!(plan["steps"][0]["record"], format!("contacts/{anna}"));
    assert!(plan["digest"].as_str().is_some_and(|digest| digest.len() == 64));
    assert_eq!(world.heard("effects").await.len(), before);
    assert_eq!(world.bin("").await[0]["state"], "deleted");
}

#[tokio::test]
async fn restoring_twice_makes_nothing_twice() {
    let world = World::start().await;
    let anna = contact(&world, "Anna Serova").await;
    let operation = deleted(&world, "contacts", anna).await;
    let first = plan(&world, json!({"operation": operation})).await;
    let second = plan(&world, json!({"operation": operation})).await;
    let path = |plan: &Value| format!("/api/v1/restore-plans/{}/apply", plan["id"].as_str().expect("an id"));
    let digest = |plan: &Value| Some(json!({"digest": plan["digest"]}));
    let (one, other) = (path(&first), path(&second));
    let (a, b, c) = tokio::join!(
        world.console(Method::POST, &one, digest(&first)),
        world.console(Method::POST, &one, digest(&first)),
        world.console(Method::POST, &other, digest(&second)),
    );
    for (status, body) in [a, b, c] {
        if status == StatusCode::ACCEPTED {
            world.finished(body["job"]["id"].as_str().expect("a job")).await;
        } else {
            assert_eq!(status, StatusCode::CONFLICT, "{body}");
        }
    }
    let again = plan(&world, json!({"operation": operation})).await;
    assert_eq!(again["steps"][0]["what"], "skip", "{again}");
    let made = world.effects("created", "contacts").await;
    assert_eq!(made.len(), 2, "the first one, and one copy: {made:?}");
    assert_eq!(world.see(&format!("/api/v1/operations/{operation}")).await["state"], "undone");
}

#[tokio::test]
async fn another_digest_is_refused() {
    let world = World::start().await;
    let anna = contact(&world, "Anna Serova").await;
    let operation = deleted(&world, "contacts", anna).await;
    let plan = plan(&world, json!({"operation": operation})).await;
    let apply = format!("/api/v1/restore-plans/{}/apply", plan["id"].as_str().expect("an id"));
    let (status, body) = world.console(Method::POST, &apply, Some(json!({"digest": "0".repeat(64)}))).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(body["code"], "plan_changed");
    assert_eq!(world.effects("created", "contacts").await, [anna]);
}

#[tokio::test]
async fn what_a_person_brought_back_is_left_alone() {
    let world = World::start().await;
    let anna = contact(&world, "Anna Serova").await;
    let operation = deleted(&world, "contacts", anna).await;
    let stale = plan(&world, json!({"operation": operation})).await;
    world.control("ui/restore", json!({"object": "contacts", "ids": [anna]})).await;
    let apply = format!("/api/v1/restore-plans/{}/apply", stale["id"].as_str().expect("an id"));
    let (status, body) = world.console(Method::POST, &apply, Some(json!({"digest": stale["digest"]}))).await;
    assert_eq!(status, StatusCode::CONFLICT, "the plan went stale: {body}");
    assert_eq!(body["code"], "plan_changed");
    let fresh = plan(&world, json!({"operation": operation})).await;
    assert_eq!(fresh["steps"][0]["what"], "skip");
    assert_eq!(fresh["steps"][0]["reason"], "alive");
    assert_eq!(world.effects("created", "contacts").await, [anna]);
}

#[tokio::test]
async fn calls_that_name_an_old_id_are_served_by_the_new_record() {
    let world = World::start().await;
    let anna = contact(&world, "Anna Serova").await;
    let operation = deleted(&world, "contacts", anna).await;
    assert_eq!(world.undo(&operation).await["state"], "done");
    let new = number(&world.bin("?state=restored").await[0]["restored_as"]);

    let answer = world.through(Method::GET, &format!("/api/v4/contacts/{anna}")).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-location"], format!("/api/v4/contacts/{new}").as_str());
    let row: Value = answer.json().await.expect("JSON");
    assert_eq!(number(&row["id"]), new);

    let listed =
        world.through(Method::GET, &format!("/api/v4/contacts?filter[id][]={anna}")).send().await.expect("sent");
    let listed: Value = listed.json().await.expect("JSON");
    assert_eq!(number(&listed["_embedded"]["contacts"][0]["id"]), new);

    let body = json!([{"id": anna, "name": "Anna Renamed"}]);
    let answer = world.through(Method::PATCH, "/api/v4/contacts").json(&body).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(world.crm(&format!("/api/v4/contacts/{new}")).await.expect("it is there")["name"], "Anna Renamed");

    // A delete of the old id deletes the new record, and that too can be undone: old -> new -> newest.
    let again = deleted(&world, "contacts", anna).await;
    assert_eq!(world.crm(&format!("/api/v4/contacts/{new}")).await, None);
    assert_eq!(world.undo(&again).await["state"], "done");
    let answer = world.through(Method::GET, &format!("/api/v4/contacts/{anna}")).send().await.expect("an answer");
    assert_eq!(answer.json::<Value>().await.expect("JSON")["name"], "Anna Renamed");
}

#[tokio::test]
async fn a_link_comes_back_when_its_second_end_does() {
    let world = World::start().await;
    let anna = contact(&world, "Anna Serova").await;
    let deal = json!([{"name": "Windows", "_embedded": {"contacts": [{"id": anna, "is_main": true}]}}]);
    let deal = world.create("leads", deal).await[0];
    let first = deleted(&world, "contacts", anna).await;
    let second = deleted(&world, "leads", deal).await;
    assert_eq!(world.undo(&first).await["state"], "done");
    assert_eq!(world.undo(&second).await["state"], "done");
    let rows = world.bin("?state=restored").await;
    let new = |object: &str| {
        let row = rows.iter().find(|row| row["object"] == object).expect("restored");
        number(&row["restored_as"])
    };
    let row = world.crm(&format!("/api/v4/leads/{}?with=contacts", new("leads"))).await.expect("the deal");
    assert_eq!(number(&row["_embedded"]["contacts"][0]["id"]), new("contacts"));
    assert_eq!(row["_embedded"]["contacts"][0]["is_main"], true);
}

#[tokio::test]
async fn what_the_account_no_longer_has_is_lost_and_named() {
    let world = World::start().await;
    let field = world.create("contacts/custom_fields", json!([{"name": "Shoe", "type": "text"}])).await[0];
    let anna =
        json!([{"name": "Anna Serova", "custom_fields_values": [{"field_id": field, "values": [{"value": "42"}]}]}]);
    let anna = world.create("contacts", anna).await[0];
    let operation = deleted(&world, "contacts", anna).await;
    let url = format!("{}/api/v4/contacts/custom_fields/{field}", world.mock.url());
    let gone = world.http.delete(url).bearer_auth(crate::support::CALLER).send().await.expect("sent");
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    let plan = plan(&world, json!({"operation": operation})).await;
    let losses = plan["losses"].as_array().expect("losses");
    assert!(losses.iter().any(|loss| loss["reason"] == "field_removed"), "{plan:#}");
    let job = world.undo(&operation).await;
    assert_eq!(job["state"], "done", "a lost field never fails the record: {job:#}");
    let told = job["report"]["losses"].as_array().expect("losses");
    assert!(told.iter().any(|loss| loss["reason"] == "field_removed" && loss["announced"] == true), "{job:#}");
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_never_sent_twice() {
    for when in ["before", "after"] {
        let world = World::start().await;
        let anna = contact(&world, "Anna Serova").await;
        let operation = deleted(&world, "contacts", anna).await;
        let fault = json!({"method": "POST", "path": "/api/v4/contacts$", "when": when, "do": "cut", "times": 1});
        world.control("faults", fault).await;
        let job = world.undo(&operation).await;
        let made = world.effects("created", "contacts").await.len() - 1;
        assert!(made <= 1, "{when}: {made} copies");
        match job["state"].as_str().expect("a state") {
            "done" => assert_eq!(made, 1, "{when}: {job:#}"),
            "needs_review" | "failed" | "partial" => assert!(world.bin("").await[0]["state"] != "restored", "{when}"),
            other => panic!("{when}: {other}"),
        }
    }
}

#[tokio::test]
async fn a_job_that_was_killed_goes_on_and_makes_nothing_twice() {
    let setup = Setup { requests_per_second: 7, ..Setup::default() };
    let mut world = World::with(setup).await;
    let names: Vec<Value> = (0..40).map(|n| json!({"name": format!("Contact {n}")})).collect();
    let ids = world.create("contacts", Value::Array(names)).await;
    for id in &ids {
        let task = json!([{"text": format!("task {id}"), "complete_till": 1_900_000_000, "entity_id": id, "entity_type": "contacts"}]);
        world.create("tasks", task).await;
    }
    let answer = world.delete("contacts", &ids).await;
    let operation = answer.headers()["undo-id"].to_str().expect("text").to_owned();
    let plan = plan(&world, json!({"operation": operation})).await;
    let apply = format!("/api/v1/restore-plans/{}/apply", plan["id"].as_str().expect("an id"));
    let (status, body) = world.console(Method::POST, &apply, Some(json!({"digest": plan["digest"]}))).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    world
        .until("the first records are made", async || {
            (world.effects("created", "contacts").await.len() > ids.len()).then_some(())
        })
        .await;
    world.kill_and_restart();
    let job = world.finished(body["job"]["id"].as_str().expect("a job")).await;
    let made = world.effects("created", "contacts").await.len() - ids.len();
    assert!(made <= ids.len(), "{made} copies of {}", ids.len());
    if job["state"] == "done" {
        assert_eq!(made, ids.len());
        assert_eq!(world.effects("created", "tasks").await.len(), 2 * ids.len());
    } else {
        assert_eq!(job["state"], "needs_review", "{job:#}");
    }
}

#[tokio::test]
async fn an_unlink_and_a_removed_tag_can_be_undone() {
    let world = World::start().await;
    let anna = world.create("contacts", json!([{"name": "Anna", "_embedded": {"tags": [{"name": "vip"}]}}])).await[0];
    let deal = json!([{"name": "Windows", "_embedded": {"contacts": [{"id": anna, "is_main": true}]}}]);
    let deal = world.create("leads", deal).await[0];

    let body = json!([{"to_entity_id": anna, "to_entity_type": "contacts"}]);
    let request = world.through(Method::POST, &format!("/api/v4/leads/{deal}/unlink")).json(&body);
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let operation = answer.headers()["undo-id"].to_str().expect("text").to_owned();
    assert_eq!(world.undo(&operation).await["state"], "done");
    let row = world.crm(&format!("/api/v4/leads/{deal}?with=contacts")).await.expect("the deal");
    assert_eq!(row["_embedded"]["contacts"][0]["is_main"], true, "{row}");

    let request =
        world.through(Method::PATCH, &format!("/api/v4/contacts/{anna}")).json(&json!({"_embedded": {"tags": null}}));
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    let operation = answer.headers()["undo-id"].to_str().expect("text").to_owned();
    let row = world.crm(&format!("/api/v4/contacts/{anna}")).await.expect("the contact");
    assert_eq!(row["_embedded"]["tags"], json!([]));
    assert_eq!(world.undo(&operation).await["state"], "done");
    let row = world.crm(&format!("/api/v4/contacts/{anna}")).await.expect("the contact");
    assert_eq!(row["_embedded"]["tags"][0]["name"], "vip");
}

#[tokio::test]
async fn a_crm_that_hangs_does_not_hold_up_the_end_and_nothing_is_made_twice() {
    let mut world = World::start().await;
    let contact = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
    let answer = world.delete("contacts", &[contact]).await;
    let operation = answer.headers()["undo-id"].to_str().expect("text").to_owned();
    let fault = json!({"method": "POST", "path": "^/api/v4/contacts$", "when": "after", "do": "hang", "times": 1});
    world.control("faults", fault).await;
    let undo = format!("/api/v1/operations/{operation}/undo?apply=true");
    let (status, body) = world.console(Method::POST, &undo, None).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    let job = body["job"]["id"].as_str().expect("a job").to_owned();
    world
        .until("the contact is made", async || (world.effects("created", "contacts").await.len() == 2).then_some(()))
        .await;
    // Whether it was made cannot be seen now.
    world.control("faults", json!({"method": "GET", "path": "/api/v4/", "when": "before", "do": "hang"})).await;
    let (_, took) = world.terminate();
    assert!(took < std::time::Duration::from_secs(30), "it took {took:?} to end");
    let faults = format!("{}/_mock/faults", world.mock.url());
    world.http.delete(faults).send().await.expect("the mock answers");
    world.start_again();
    assert_eq!(world.finished(&job).await["state"], "done");
    assert_eq!(world.effects("created", "contacts").await.len(), 2, "once by the test, once by the restore");
}

/// A contact is deleted and restored; its copy is made, and the program is killed before it hears of it. Job and copy.
async fn cut_off_in_a_create(world: &mut World) -> (String, u64) {
    let anna = contact(world, "Anna Serova").await;
    let operation = deleted(world, "contacts", anna).await;
    let fault = json!({"method": "POST", "path": "/api/v4/contacts$", "when": "after", "do": "hang", "times": 1});
    world.control("faults", fault).await;
    let plan = plan(world, json!({"operation": operation})).await;
    let apply = format!("/api/v1/restore-plans/{}/apply", plan["id"].as_str().expect("an id"));
    let (status, body) = world.console(Method::POST, &apply, Some(json!({"digest": plan["digest"]}))).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    let copy =
        world.until("the record was made", async || world.effects("created", "contacts").await.get(1).copied()).await;
    world.kill_and_restart();
    (body["job"]["id"].as_str().expect("a job").to_owned(), copy)
}

/// The guard is what looks for a create that was sent before a crash: without it the record is made again.
#[tokio::test]
async fn a_create_that_a_crash_cut_off_is_found_and_not_sent_again() {
    let mut world = World::start().await;
    let (job, _) = cut_off_in_a_create(&mut world).await;
    let job = world.finished(&job).await;
    let made = world.effects("created", "contacts").await;
    assert_eq!(made.len(), 2, "the first one, and one copy: {job:#}");
    assert_eq!(job["state"], "done", "{job:#}");
    assert_eq!(number(&world.bin("?state=restored").await[0]["restored_as"]), made[1]);
}

/// The guard is what looks in the bin for such a copy: without it a third contact is made.
#[tokio::test]
async fn a_copy_that_was_edited_and_deleted_before_anybody_looked_is_not_made_again() {
    let mut world = World::start().await;
    let (job, copy) = cut_off_in_a_create(&mut world).await;

    // Lists may lag for 5 s, and so long nobody looks for the copy.
    let renamed =
        world.through(Method::PATCH, &format!("/api/v4/contacts/{copy}")).json(&json!({"name": "Anna Orlova"}));
    assert_eq!(renamed.send().await.expect("an answer").status(), StatusCode::OK);
    deleted(&world, "contacts", copy).await;
    for again in [false, true] {
        if again {
            let retried = world.console(Method::POST, &format!("/api/v1/jobs/{job}/retry"), None).await;
            assert!(retried.0.is_success(), "{retried:?}");
        }
        let told = world.finished(&job).await;
        assert_eq!(told["state"], "needs_review", "{told:#}");
        assert_eq!(world.effects("created", "contacts").await.len(), 2, "the first one, and one copy: {told:#}");
    }
}
