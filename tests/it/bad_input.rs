//! Bad input gets one clear sentence with what to do, the right code, and loses nothing.

use std::process::{Command, Output, Stdio};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::World;

fn serve(dir: &std::path::Path, file: &str, env: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_crm-undo"))
        .args(["serve", "--config", file])
        .current_dir(dir)
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("it runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_unreadable_configuration_is_named_with_its_key() {
    let dir = tempfile::tempdir().expect("a directory");
    let missing = serve(dir.path(), "nowhere.toml", &[]);
    assert_eq!(missing.status.code(), Some(64), "{}", said(&missing));
    assert!(said(&missing).contains("nowhere.toml"), "{}", said(&missing));
    std::fs::write(dir.path().join("bad.toml"), "[gateway]\nlisten = \"nowhere\"\n").expect("written");
    let bad = serve(dir.path(), "bad.toml", &[]);
    assert_eq!(bad.status.code(), Some(64), "{}", said(&bad));
    assert!(said(&bad).contains("gateway.listen"), "{}", said(&bad));
    assert!(!dir.path().join("crm-undo-data").exists(), "nothing was made");
}

#[tokio::test]
async fn a_second_process_on_the_directory_is_refused() {
    let world = World::start().await;
    let output = serve(world.dir.path(), "crm-undo.toml", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("in use by another"), "{}", said(&output));
    assert_eq!(world.see("/api/v1/entries").await["entries"], json!([]), "the first one goes on");
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_the_right_one_still_opens() {
    let mut world = World::start().await;
    let anna = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
    assert_eq!(world.delete("contacts", &[anna]).await.status(), StatusCode::OK);
    assert!(world.terminate().0.success());
    let wrong = serve(world.dir.path(), "crm-undo.toml", &[("CRM_UNDO_ARCHIVE_KEY", &"ab".repeat(32))]);
    assert_eq!(wrong.status.code(), Some(1), "{}", said(&wrong));
    assert!(said(&wrong).contains("key does not open"), "{}", said(&wrong));
    world.start_again();
    assert_eq!(world.bin("").await[0]["title"], "Anna Serova");
}

#[tokio::test]
async fn a_missing_key_is_never_replaced_by_a_new_one() {
    let mut world = World::start().await;
    let anna = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
    assert_eq!(world.delete("contacts", &[anna]).await.status(), StatusCode::OK);
    assert!(world.terminate().0.success());
    let key = world.dir.path().join("data/archive.key");
    let kept = std::fs::read(&key).expect("the key");
    std::fs::remove_file(&key).expect("removed");
    let output = serve(world.dir.path(), "crm-undo.toml", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(!key.exists(), "no new key beside an old archive");
    std::fs::write(&key, kept).expect("put back");
    world.start_again();
    assert_eq!(world.bin("").await.len(), 1);
}

#[tokio::test]
async fn what_looks_like_a_delete_and_cannot_be_read_is_refused() {
    let world = World::start().await;
    let anna = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
    let form = "application/x-www-form-urlencoded";
    for (method, path, kind, body) in [
        (Method::POST, "/ajax/contacts/multiple/delete/", form, "ID[]=all"),
        (Method::POST, "/ajax/contacts/multiple/delete/", form, ""),
        (Method::POST, "/ajax/contacts/multiple/delete/", "application/json", "{\"ID\":[1],\"ID\":[2]}"),
        (Method::POST, "/ajax/contacts/multiple/delete/", "application/json", "{\"ID\":["),
        (Method::POST, "/private/notes/edit2.php", form, "ID=1&ACTION=SOMETHING_DELETE"),
        (Method::POST, "/ajax/v1/multiactions/set", form, "request[multiactions][add][0][multiaction_type]=99"),
        (Method::DELETE, "/api/v4/something/1", form, ""),
    ] {
        let request = world.through(method.clone(), path).header("Content-Type", kind).body(body.to_owned());
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        assert!(status.is_client_error(), "{method} {path} {body}: {status}");
        let text = answer.text().await.expect("text");
        assert!(!text.is_empty(), "{method} {path} {body}: it says nothing");
    }
    let effects = world.heard("effects").await;
    assert!(effects.iter().all(|effect| effect["what"] != "deleted"), "{effects:?}");
    assert!(world.crm(&format!("/api/v4/contacts/{anna}")).await.is_some());
    let audit = world.see("/api/v1/audit").await.to_string();
    assert!(audit.contains("refused"), "refusals are in the audit log: {audit}");
}

#[tokio::test]
async fn the_console_says_what_is_wrong_with_a_call() {
    let world = World::start().await;
    let nothing = uuid::Uuid::now_v7();
    for (method, path, body, status, code) in [
        (Method::GET, format!("/api/v1/entries/{nothing}"), None, 404, "not_found"),
        (Method::GET, "/api/v1/entries?colour=red".into(), None, 400, "unknown_parameter"),
        (Method::GET, "/api/v1/entries?limit=0".into(), None, 400, "bad_value"),
        (Method::GET, "/api/v1/entries?cursor=xyz".into(), None, 400, "bad_value"),
        (
            Method::POST,
            "/api/v1/restore-plans".into(),
            Some(json!({"entries": [nothing.to_string()]})),
            404,
            "not_found",
        ),
        (Method::POST, format!("/api/v1/operations/{nothing}/undo"), None, 404, "not_found"),
        (
            Method::POST,
            format!("/api/v1/restore-plans/{nothing}/apply"),
            Some(json!({"digest": "x"})),
            404,
            "not_found",
        ),
        (Method::POST, format!("/api/v1/jobs/{nothing}/cancel"), None, 404, "not_found"),
        (Method::GET, "/api/v1/nowhere".into(), None, 404, "no_such_route"),
    ] {
        let (got, problem) = world.console(method, &path, body).await;
        assert_eq!((got.as_u16(), problem["code"].as_str()), (status, Some(code)), "{path}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{path}: {problem}");
        assert!(problem["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{path}: {problem}");
    }
    let answer = world.http.get(format!("{}/api/v1/entries", world.console)).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "from the first start");
    let answer = world.http.post(format!("{}/api/v1/restore-plans", world.console)).bearer_auth(crate::support::ADMIN);
    let answer =
        answer.header("Content-Type", "application/json").body("{\"entries\":").send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn a_host_that_belongs_to_no_connection_is_told_so() {
    let world = World::hosted(&["acme.example"]).await;
    let get = |host: &str| world.through(Method::GET, "/api/v4/account").header("Host", host.to_owned()).send();
    assert_eq!(get("acme.example").await.expect("an answer").status(), StatusCode::OK);
    let answer = get("evil.example").await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST);
    let body = answer.text().await.expect("text");
    assert!(!body.contains("acme"), "what else is configured is nobody's business: {body}");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["status"], 421);
}
