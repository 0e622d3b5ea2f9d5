//! What nobody but a person can decide: shown with the evidence, and decided only as it was shown.

use std::process::Output;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Setup, World};

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn json_of(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&stdout(output)).expect("one JSON value on stdout")
}

/// A contact that the CRM has deleted just before the program was killed, and that nobody may look for since.
async fn unseen() -> (World, u64) {
    let config = "[policy]\nsettle_grace_seconds = 0\n".to_owned();
    let mut world = World::with(Setup { config, ..Setup::default() }).await;
    let contact = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
    let hang = json!({"method": "POST", "path": "multiple/delete", "when": "after", "do": "hang", "times": 1});
    world.control("faults", hang).await;
    let request = world.through(Method::POST, "/ajax/contacts/multiple/delete/").form(&[("ID[]", contact)]);
    let hanging = tokio::spawn(async move { request.send().await.is_err() });
    world
        .until("the delete took effect", async || {
            (!world.effects("deleted", "contacts").await.is_empty()).then_some(())
        })
        .await;
    let blind =
        json!({"method": "GET", "path": "/api/v4/", "when": "before", "do": "status", "status": 403, "times": 1000});
    world.control("faults", blind).await;
    world.kill_and_restart();
    assert!(hanging.await.expect("no panic"), "the caller was cut");
    world
        .until("it waits for a person", async || {
            let reviews = world.see("/api/v1/reviews").await;
            reviews["reviews"].as_array().is_some_and(|all| all.len() == 1).then_some(())
        })
        .await;
    (world, contact)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_nobody_may_look_for_waits_for_a_person_who_has_seen_the_evidence() {
    let (world, contact) = unseen().await;
    let record = format!("contacts/{contact}");
    let listed = world.cli(&["review", "ls"]);
    assert!(stdout(&listed).contains(&record), "{}", stdout(&listed));
    let id = world.see("/api/v1/reviews").await["reviews"][0]["id"].as_str().expect("an id").to_owned();
    let shown = json_of(&world.cli(&["review", "show", &id, "--json"]));
    assert_eq!(
        (&shown["evidence"][0]["now"], &shown["evidence"][0]["title"]),
        (&json!("unseen"), &json!("Anna Serova"))
    );
    let digest = shown["digest"].as_str().expect("a digest");
    let resolve = |verdict: &str, digest: &str| {
        world.cli(&["review", "resolve", &id, "--as", verdict, "--reason", "I looked in the CRM", "--digest", digest])
    };
    // The CRM lets us look again, and shows something else than was shown to the person.
    reqwest::Client::new()
        .delete(format!("{}/_mock/faults", world.mock.url().trim_end_matches('/')))
        .send()
        .await
        .expect("the mock answers");
    let stale = resolve("kept", digest);
    assert_eq!(stale.status.code(), Some(2), "{}", String::from_utf8_lossy(&stale.stderr));
    assert!(world.bin("").await.iter().all(|entry| entry["state"] == "unknown"));
    let text = stdout(&world.cli(&["review", "show", &id]));
    assert!(text.contains("gone") && text.contains("Anna Serova"), "{text}");
    let digest = json_of(&world.cli(&["review", "show", &id, "--json"]))["digest"].as_str().expect("one").to_owned();
    assert!(resolve("deleted", &digest).status.success());
    let bin = world.bin("").await;
    assert_eq!((&bin[0]["state"], &bin[0]["record_id"]), (&json!("deleted"), &json!(contact.to_string())));
    assert_eq!(world.see("/api/v1/reviews").await["reviews"], json!([]));
    assert!(world.cli(&["restore", &record, "--yes"]).status.success());
    assert_eq!(world.effects("created", "contacts").await.len(), 2, "made by the test, and once by the restore");
}
