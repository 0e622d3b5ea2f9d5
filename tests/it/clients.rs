//! Third-party clients, unmodified, from their registries: ordinary work, a delete and a restore through the gateway.
//! `tests/tools` installs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{CALLER, World, number};

/// Where `tests/tools` puts what it installs.
fn installed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients")
}

fn run(mut command: Command) -> Value {
    let output = command.output().expect("the client runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// Work, delete, restore, read by the old id: the same story for each client. `call` runs one verb of its script.
async fn ordinary_life(world: &World, call: impl Fn(&[&str]) -> Value) {
    let work = call(&["work"]);
    assert!(work["leads_listed"].as_u64().is_some_and(|leads| leads >= 1), "{work}");
    let contact = number(&work["contact"]);
    let text = contact.to_string();
    let gone = call(&["delete", &text]);
    assert_eq!(gone["status"], 200, "{gone}");
    assert_eq!(gone["body"]["status"], "success", "{gone}");
    assert_eq!(world.effects("deleted", "contacts").await, [contact]);
    let operation = gone["undo"].as_str().expect("Undo-Id reaches the client");
    assert_eq!(world.undo(operation).await["state"], "done");
    let read = call(&["read", &text]);
    assert_eq!(read["name"], work["name"], "the old id still works, and the record is back");
    assert_ne!(number(&read["id"]), contact);
}

#[tokio::test(flavor = "multi_thread")]
async fn amocrm_api_from_pypi_works_unmodified() {
    let python = installed().join("python/bin/python");
    assert!(python.exists(), "run tests/tools first: it installs the client");
    let world = World::start().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python.py");
    ordinary_life(&world, |arguments| {
        let mut command = Command::new(&python);
        command.arg(&script).args(arguments).env("GATEWAY", &world.gateway).env("TOKEN", CALLER);
        run(command)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amocrm_js_from_npm_works_unmodified() {
    let modules = installed().join("node/node_modules");
    assert!(modules.exists(), "run tests/tools first: it installs the client");
    let world = World::start().await;
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let (cert, key) = (world.dir.path().join("cert.pem"), world.dir.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/node.cjs");
    ordinary_life(&world, |arguments| {
        let mut command = Command::new("node");
        command
            .arg(&script)
            .args(arguments)
            .env("GATEWAY", &world.gateway)
            .env("TOKEN", CALLER)
            .env("NODE_MODULES", &modules)
            .env("CERT", &cert)
            .env("KEY", &key);
        run(command)
    })
    .await;
}
