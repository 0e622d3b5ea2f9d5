//! A connection's token may lie sealed in the configuration; then it lies nowhere in plain.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use reqwest::StatusCode;
use serde_json::json;

use crate::support::{OWN, World};

fn run(dir: &Path, arguments: &[&str], env: &[(&str, &str)], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_crm-undo"))
        .args(arguments)
        .current_dir(dir)
        .envs(env.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    // A program that refuses early may not read it.
    let _ = child.stdin.take().expect("stdin is piped").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn sealed(dir: &Path, token: &str) -> String {
    let output = run(dir, &["seal", "--config", "crm-undo.toml"], &[], &format!("{token}\n"));
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(text.lines().count(), 1, "the sealed text alone");
    assert!(text.starts_with("sealed:v1:") && !text.contains(token), "{text}");
    text.trim().to_owned()
}

/// Every file below, with its bytes.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push((entry.path().display().to_string(), std::fs::read(entry.path()).expect("a file")));
        }
    }
    found
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|part| part == word.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_token_serves_and_lies_nowhere_in_plain() {
    let mut world = World::start().await;
    assert!(world.terminate().0.success());
    let dir = world.dir.path().to_owned();
    let config = dir.join("crm-undo.toml");
    let plain = std::fs::read_to_string(&config).expect("the configuration");
    // No archive yet: sealing makes the key that serve then goes on with.
    std::fs::remove_dir_all(dir.join("data")).expect("removed");
    let text = sealed(&dir, OWN);
    assert!(dir.join("data/archive.key").exists());

    let in_file = plain.replace(&format!("token = \"{OWN}\""), "token_file = \"acme.token\"");
    std::fs::write(dir.join("acme.token"), format!("{text}\n")).expect("written");
    for how in [plain.replace(&format!("\"{OWN}\""), &format!("\"{text}\"")), in_file] {
        std::fs::write(&config, how).expect("written");
        world.start_again();
        let anna = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
        let answer = world.delete("contacts", &[anna]).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let operation = answer.headers()["undo-id"].to_str().expect("text").to_owned();
        assert_eq!(world.undo(&operation).await["state"], "done", "only the connection's own token may restore");
        assert!(world.terminate().0.success());
        for (name, bytes) in files(&dir) {
            assert!(!holds(&bytes, OWN), "{name} holds the token");
        }
    }
    assert!(!world.said().contains(OWN));

    let in_variable = plain.replace(&format!("token = \"{OWN}\""), "token_env = \"ACME_TOKEN\"");
    std::fs::write(&config, in_variable).expect("written");
    let report = run(&dir, &["doctor", "--json"], &[("ACME_TOKEN", &text)], "");
    assert!(report.status.success(), "{} {}", said(&report), String::from_utf8_lossy(&report.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_as_it_was_sealed_is_refused_once_and_clearly() {
    let mut world = World::start().await;
    assert!(world.terminate().0.success());
    let dir = world.dir.path().to_owned();
    let text = sealed(&dir, OWN);
    let plain = std::fs::read_to_string(dir.join("crm-undo.toml")).expect("the configuration");
    let with = |name: &str, token: &str| {
        let config = plain.replace(&format!("\"{OWN}\""), &format!("\"{token}\""));
        std::fs::write(dir.join(name), config).expect("written");
    };
    with("good.toml", &text);
    // One letter of the middle.
    let mut changed = text.clone().into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    with("changed.toml", &String::from_utf8(changed).expect("ASCII"));
    with("cut.toml", &text[..20]);
    let other_key = ("CRM_UNDO_ARCHIVE_KEY", "ab".repeat(32));
    let key: Vec<(&str, &str)> = vec![(other_key.0, &other_key.1)];
    for (file, env, reason) in [
        ("changed.toml", &[][..], "another key"),
        ("cut.toml", &[][..], "crm-undo seal"),
        ("good.toml", &key[..], "another key"),
    ] {
        let output = run(&dir, &["serve", "--config", file], env, "");
        assert_eq!(output.status.code(), Some(64), "{file}: {}", said(&output));
        let errors = said(&output).lines().filter(|line| line.starts_with("error:")).count();
        assert!(errors == 1 && said(&output).contains(reason), "{file}: {}", said(&output));
        assert!(!said(&output).contains("gateway: http"), "{file}: {}", said(&output));
        let output = run(&dir, &["doctor", "--config", file], env, "");
        assert_eq!(output.status.code(), Some(1), "{file}: {}", said(&output));
        assert!(said(&output).contains(reason), "{file}: {}", said(&output));
    }
    // Without the key nothing is opened, and no other key is made in its place.
    std::fs::rename(dir.join("data"), dir.join("away")).expect("moved");
    let output = run(&dir, &["serve", "--config", "good.toml"], &[], "");
    assert_eq!(output.status.code(), Some(64), "{}", said(&output));
    assert!(said(&output).contains("archive.key is missing"), "{}", said(&output));
    assert!(!dir.join("data").exists());
}

#[test]
fn only_a_token_is_sealed() {
    let dir = tempfile::tempdir().expect("a directory");
    for input in ["", "\n", "two words", "sealed:v1:AAAA"] {
        let output = run(dir.path(), &["seal"], &[], input);
        assert_eq!(output.status.code(), Some(64), "{input:?}: {}", said(&output));
        assert!(output.stdout.is_empty(), "{input:?}");
    }
    assert!(!dir.path().join("crm-undo-data").exists(), "nothing was made");
}
