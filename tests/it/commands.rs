//! The command line: data on stdout, exit codes that scripts rely on.

use std::process::{Command, Output, Stdio};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::World;

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn ended(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}\n{}", stdout(output), String::from_utf8_lossy(&output.stderr));
    stdout(output)
}

fn json_of(output: &Output, code: i32) -> Value {
    serde_json::from_str(&ended(output, code)).expect("one JSON value on stdout")
}

async fn world_with_a_deleted_contact() -> (World, u64, String) {
    let world = World::start().await;
    let phone = json!([{"field_code": "PHONE", "values": [{"value": "+7 999 123-45-67", "enum_code": "WORK"}]}]);
    let anna = world.create("contacts", json!([{"name": "Анна Serova", "custom_fields_values": phone}])).await[0];
    let answer = world.delete("contacts", &[anna]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let operation = answer.headers()["undo-id"].to_str().expect("text").to_owned();
    (world, anna, operation)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bin_is_listed_shown_searched_and_compared() {
    let (world, anna, _) = world_with_a_deleted_contact().await;
    let listed = ended(&world.cli(&["bin", "ls"]), 0);
    assert!(listed.contains("Анна Serova") && listed.contains(&format!("contacts/{anna}")), "{listed}");
    for query in ["анна", "SER", "1234567", "4567", &anna.to_string()] {
        let found = json_of(&world.cli(&["bin", "ls", query, "--json"]), 0);
        assert_eq!(found["entries"].as_array().map(Vec::len), Some(1), "{query}: {found}");
    }
    assert_eq!(json_of(&world.cli(&["bin", "ls", "nobody", "--json"]), 0)["entries"], json!([]));
    let record = format!("contacts/{anna}");
    let shown = ended(&world.cli(&["bin", "show", &record]), 0);
    assert!(shown.contains("Анна Serova") && shown.contains("record"), "{shown}");
    assert_eq!(json_of(&world.cli(&["bin", "show", &record, "--json"]), 0)["title"], "Анна Serova");
    assert!(ended(&world.cli(&["bin", "diff", &record]), 3).contains("not in the CRM"));
    ended(&world.cli(&["bin", "show", "contacts/999999"]), 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_shows_its_plan_and_applies_only_what_was_agreed() {
    let (world, anna, _) = world_with_a_deleted_contact().await;
    let record = format!("contacts/{anna}");
    let plan = ended(&world.cli(&["restore", &record, "--dry-run"]), 0);
    assert!(plan.contains("recreate") && plan.contains(&record), "{plan}");
    // Nobody to ask: nothing is done, and that is said by the code.
    ended(&world.cli(&["restore", &record]), 2);
    assert_eq!(world.effects("created", "contacts").await, [anna]);
    let job = json_of(&world.cli(&["restore", &record, "--yes", "--json"]), 0);
    assert_eq!(job["state"], "done");
    assert_eq!(world.effects("created", "contacts").await.len(), 2);
    // Nothing is left to do.
    ended(&world.cli(&["restore", &record, "--yes"]), 2);
    assert_eq!(world.effects("created", "contacts").await.len(), 2);
    let id = job["id"].as_str().expect("an id");
    assert!(ended(&world.cli(&["job", "show", id]), 0).contains(&record));
    assert!(ended(&world.cli(&["job", "ls"]), 0).contains(id));
    ended(&world.cli(&["job", "watch", id]), 0);
    assert!(ended(&world.cli(&["bin", "diff", &record]), 0).contains("equals"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_undo_brings_an_operation_back() {
    let (world, _, operation) = world_with_a_deleted_contact().await;
    assert_eq!(json_of(&world.cli(&["undo", &operation, "-y", "--json"]), 0)["state"], "done");
    assert_eq!(world.effects("created", "contacts").await.len(), 2);
    ended(&world.cli(&["undo", "no-such-operation", "-y"]), 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn access_is_given_and_taken() {
    let world = World::start().await;
    let token = ended(&world.cli(&["token", "create", "--role", "viewer", "--person", "Vera"]), 0);
    assert_eq!(token.lines().count(), 1, "the token alone: {token}");
    let see = |token: String| {
        let request = world.http.get(format!("{}/api/v1/entries", world.console)).bearer_auth(token.trim().to_owned());
        async move { request.send().await.expect("an answer").status() }
    };
    assert_eq!(see(token.clone()).await, StatusCode::OK);
    let list = json_of(&world.cli(&["token", "ls", "--json"]), 0);
    let vera = list["tokens"].as_array().expect("tokens").iter().find(|row| row["person"] == "Vera").expect("Vera");
    ended(&world.cli(&["token", "revoke", vera["id"].as_str().expect("an id")]), 0);
    assert_eq!(see(token).await, StatusCode::UNAUTHORIZED);
    ended(&world.cli(&["token", "create", "--role", "king", "--person", "Vera"]), 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_reads_the_whole_archive_and_finds_a_flipped_byte() {
    let (mut world, ..) = world_with_a_deleted_contact().await;
    let report = json_of(&world.cli(&["check", "--json"]), 0);
    assert!(report["frames"].as_u64().is_some_and(|frames| frames >= 3), "{report}");
    assert!(world.terminate().0.success());
    let dir = world.dir.path().join("data/journal");
    let segment = std::fs::read_dir(dir).expect("the journal").flatten().map(|file| file.path());
    let segment = segment.filter(|path| path.extension().is_some_and(|e| e == "seg")).min().expect("a segment");
    let mut bytes = std::fs::read(&segment).expect("read");
    // Inside the first snapshot: behind the segment's head, before the zeros.
    bytes[600] ^= 0x40;
    std::fs::write(&segment, bytes).expect("written");
    world.start_again();
    let output = world.cli(&["check"]);
    assert!(ended(&output, 1).contains("damaged"));
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_what_is_wrong() {
    let world = World::start().await;
    let report = json_of(&world.cli(&["doctor", "--json"]), 0);
    assert!(report["findings"].as_array().expect("findings").iter().all(|row| row["level"] != "bad"), "{report}");
    let config = std::fs::read_to_string(world.dir.path().join("crm-undo.toml")).expect("read");
    let wrong = config.replace(crate::support::OWN, "a-token-nobody-knows");
    std::fs::write(world.dir.path().join("wrong.toml"), wrong).expect("written");
    let output = world.cli(&["doctor", "--config", "wrong.toml"]);
    ended(&output, 1);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("token") && said.contains("hint:"), "{said}");
    assert!(!said.contains("a-token-nobody-knows"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_or_a_console_it_says_what_to_do() {
    let run = |env: &[(&str, &str)]| {
        Command::new(env!("CARGO_BIN_EXE_crm-undo"))
            .args(["bin", "ls"])
            .env_remove("CRM_UNDO_TOKEN")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .output()
            .expect("it runs")
    };
    let output = run(&[]);
    ended(&output, 64);
    assert!(String::from_utf8_lossy(&output.stderr).contains("CRM_UNDO_TOKEN"));
    let output = run(&[("CRM_UNDO_TOKEN", "secret-of-a-test"), ("CRM_UNDO_CONSOLE", "http://127.0.0.1:9")]);
    ended(&output, 1);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("hint:") && !said.contains("secret-of-a-test"), "{said}");
}

#[test]
fn the_demo_tells_the_whole_story_and_everything_comes_back() {
    let output = Command::new(env!("CARGO_BIN_EXE_crm-undo"))
        .args(["demo", "--once"])
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let told = ended(&output, 0);
    assert!(told.contains("Everything came back"), "{told}");
    assert!(told.contains("Undo-Id"), "{told}");
}
