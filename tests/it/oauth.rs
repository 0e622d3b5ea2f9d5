//! A connection with a client of its own: connected once, kept alive, and loud when it cannot be (P13).

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{ADMIN, World};

const REDIRECT: &str = "https://integration.example/callback";

/// A world whose connection has a client of its own that nobody has let in yet; the code that would.
async fn unconnected() -> (World, String) {
    let mut world = World::start().await;
    assert!(world.terminate().0.success());
    let code = code(&world).await;
    let config = world.dir.path().join("crm-undo.toml");
    let text = std::fs::read_to_string(&config).expect("the configuration").replace("token = \"own-token\"\n", "");
    let client = format!(
        "[connections.oauth]\nclient_id = {}\nclient_secret_file = \"secret\"\nredirect_uri = \"{REDIRECT}\"\n",
        code["client_id"],
    );
    std::fs::write(config, text + &client).expect("written");
    std::fs::write(world.dir.path().join("secret"), code["client_secret"].as_str().expect("text")).expect("written");
    world.start_again();
    (world, code["code"].as_str().expect("text").to_owned())
}

async fn code(world: &World) -> Value {
    world.control("oauth/code", json!({"integration": "crm-undo", "redirect_uri": REDIRECT})).await
}

async fn access(world: &World) -> Value {
    world.see("/api/v1/connections").await["connections"][0]["access"].clone()
}

/// Connects as a person does; whether it worked.
fn connect(world: &World, arguments: &[&str], stdin: &str) -> bool {
    let mut child = Command::new(env!("CARGO_BIN_EXE_crm-undo"))
        .args(["connect", "acme"])
        .args(arguments)
        .env("CRM_UNDO_CONSOLE", &world.console)
        .env("CRM_UNDO_TOKEN", ADMIN)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let _ = child.stdin.take().expect("piped").write_all(stdin.as_bytes());
    child.wait().expect("it ends").success()
}

/// Deletes a contact and brings it back: both need the connection's own access.
async fn deletes_and_restores(world: &World) {
    let anna = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
    let answer = world.delete("contacts", &[anna]).await;
    assert_eq!(answer.status(), StatusCode::OK, "{}", world.said());
    let operation = answer.headers()["undo-id"].to_str().expect("text").to_owned();
    assert_eq!(world.undo(&operation).await["state"], "done");
}

async fn integration(world: &World) -> Value {
    let url = format!("{}/_mock/integrations", world.mock.url().trim_end_matches('/'));
    let all: Value = world.http.get(url).send().await.expect("answered").json().await.expect("JSON");
    let all = all["integrations"].as_array().expect("a list").clone();
    all.into_iter().find(|one| one["integration"] == "crm-undo").expect("it was let in")
}

/// Tokens of the client that the CRM gave so far, and whether one of them is good.
async fn tokens(world: &World) -> (usize, bool) {
    let shown = integration(world).await;
    let tokens = shown["tokens"].as_array().expect("a list");
    (tokens.len(), tokens.iter().any(|token| token["revoked"] == false))
}

fn doctor(world: &World) -> (bool, String) {
    let output = world.cli(&["doctor", "--config", "crm-undo.toml", "--json"]);
    let findings: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rows = findings["findings"].as_array().expect("a list");
    let of_access = rows.iter().find(|row| row["what"] == "connection acme: access").expect("looked at");
    (output.status.success(), of_access["level"].as_str().expect("a word").to_owned())
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else if let Ok(bytes) = std::fs::read(entry.path()) {
            found.push((entry.path().display().to_string(), bytes));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_its_own_is_let_in_once_and_works_from_then_on() {
    let (mut world, code) = unconnected().await;
    assert_eq!(access(&world).await["state"], "reauthorize");
    let ready = world.http.get(format!("{}/readyz", world.console)).send().await.expect("answered");
    assert_eq!(ready.status(), StatusCode::OK);
    assert!(ready.text().await.expect("text").contains("connection acme: access: reauthorize"));
    assert_eq!(doctor(&world), (false, "bad".to_owned()));
    // Without access nothing is deleted, and the caller is not told that his own token is at fault.
    let anna = world.create("contacts", json!([{"name": "Anna"}])).await[0];
    assert_eq!(world.delete("contacts", &[anna]).await.status(), StatusCode::SERVICE_UNAVAILABLE);

    assert!(!connect(&world, &["--code", "somebody-elses"], ""), "no such code");
    assert!(connect(&world, &[], &format!("{code}\n")));
    assert!(!connect(&world, &["--code", &code], ""), "a code is good once");
    assert_eq!(access(&world).await["state"], "good");
    assert_eq!(doctor(&world), (true, "ok".to_owned()));
    deletes_and_restores(&world).await;
    let metrics = world.http.get(format!("{}/metrics", world.console)).send().await.expect("answered");
    let metrics = metrics.text().await.expect("text");
    let line = metrics.lines().find(|line| line.starts_with("crm_undo_access_ends_seconds{")).expect("the metric");
    let left: f64 = line.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number");
    assert!((86_000.0..=86_400.0).contains(&left), "{line}");
    let audit = world.see("/api/v1/audit").await;
    assert!(audit["events"].as_array().expect("events").iter().any(|event| event["event"] == "access_granted"));

    world.kill_and_restart();
    deletes_and_restores(&world).await;
    assert_eq!(tokens(&world).await.0, 1, "a restart costs no refresh");
    // The tokens lie nowhere in plain, and the secret only where the person put it.
    let shown = integration(&world).await;
    let secret = shown["client_secret"].as_str().expect("text").to_owned();
    let token = shown["tokens"][0]["token"].as_str().expect("text").to_owned();
    let said = world.said();
    assert!(world.terminate().0.success());
    for (name, bytes) in files(world.dir.path()) {
        let holds = |word: &str| bytes.windows(word.len()).any(|part| part == word.as_bytes());
        assert!(!holds(&token) && !holds(&code), "{name} holds a token");
        assert!(!holds(&secret) || name.ends_with("secret"), "{name} holds the secret");
    }
    assert!(!said.contains(&token) && !said.contains(&secret) && !said.contains(&code));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_over_at_the_crm_is_renewed_by_the_call_that_meets_it() {
    let (world, code) = unconnected().await;
    assert!(connect(&world, &["--code", &code], ""));
    deletes_and_restores(&world).await;
    // The CRM's clock, not ours: nothing is due here, and the CRM answers 401.
    world.control("clock", json!({"advance_seconds": 90_000})).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    deletes_and_restores(&world).await;
    assert_eq!(tokens(&world).await, (2, true), "one refresh for all the calls");
    // Switched off by an administrator: said at the next call, and mended by a new code.
    world.control("integrations", json!({"integration": "crm-undo", "enabled": false})).await;
    world.control("clock", json!({"advance_seconds": 120})).await;
    let anna = world.create("contacts", json!([{"name": "Anna"}])).await[0];
    let state = world
        .until("it is said", async || {
            assert_ne!(world.delete("contacts", &[anna]).await.status(), StatusCode::OK);
            let state = access(&world).await["state"].clone();
            (state == "reauthorize").then_some(state)
        })
        .await;
    assert_eq!(state, "reauthorize");
    assert!(world.said().contains("has to be authorized again"), "{}", world.said());
    assert_eq!(doctor(&world), (false, "bad".to_owned()));
    let again = self::code(&world).await["code"].as_str().expect("text").to_owned();
    assert!(connect(&world, &["--code", &again], ""));
    deletes_and_restores(&world).await;
}

/// A life of two seconds: refreshed each 1.6 s. SIGKILL at any moment of it.
#[tokio::test(flavor = "multi_thread")]
async fn killed_during_a_refresh_it_works_or_says_that_it_does_not() {
    let (mut world, code) = unconnected().await;
    world.control("switches", json!({"access_token_seconds": 2})).await;
    let rounds = if std::env::var("CRM_UNDO_LONG").is_ok() { 100_u64 } else { 12 };
    assert!(connect(&world, &["--code", &code], ""));
    // An answer takes a while, so that the kill meets refreshes under way.
    let slow = json!({"do": "delay", "path": "^/oauth2/access_token", "delay_ms": 150, "times": 10_000});
    world.control("faults", slow).await;
    let (mut lost, mut refreshes) = (0, 0);
    for round in 0..rounds {
        let before = tokens(&world).await.0;
        tokio::time::sleep(Duration::from_millis(1_500 + (round * 97) % 500)).await;
        world.kill_and_restart();
        let state = world
            .until("it is known how access stands", async || {
                let state = access(&world).await["state"].as_str().expect("a word").to_owned();
                ["good", "reauthorize"].contains(&state.as_str()).then_some(state)
            })
            .await;
        if state == "good" {
            assert!(world.console(Method::GET, "/api/v1/connections", None).await.0.is_success());
            deletes_and_restores(&world).await;
        } else {
            lost += 1;
            let again = self::code(&world).await["code"].as_str().expect("text").to_owned();
            assert!(connect(&world, &["--code", &again], ""), "a person mends it");
            deletes_and_restores(&world).await;
        }
        refreshes += tokens(&world).await.0 - before;
    }
    eprintln!("{rounds} rounds, {refreshes} pairs given, {lost} times a person had to mend it");
    assert!(refreshes as u64 > rounds, "{refreshes}");
}
