//! Third-party clients, unmodified, from their registries: ordinary work, a delete and a restore through the gateway;
//! over plain http, over TLS with the private CA and a name that leads to the gateway, and through `HTTPS_PROXY`.
//! `tests/tools` installs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{CALLER, Setup, World, ca_of, number};

/// Where `tests/tools` puts what it installs.
fn installed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients")
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
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
    let bin = world.bin("").await;
    assert!(bin.iter().any(|entry| entry["record_id"] == text && entry["operation"] == operation), "{bin:?}");
    assert_eq!(world.undo(operation).await["state"], "done");
    let read = call(&["read", &text]);
    assert_eq!(read["name"], work["name"], "the old id still works, and the record is back");
    assert_ne!(number(&read["id"]), contact);
}

/// A gateway reached in this way, and what a client's environment has to say for it.
async fn reached(mode: &str) -> (World, Vec<(&'static str, String)>) {
    let gateway = match mode {
        "tls" => "tls = \"own-ca\"\n",
        "proxy" => "forward_proxy = \"127.0.0.1:0\"\n",
        _ => "",
    };
    let hosts = if mode == "plain" { vec![] } else { vec!["acme.amocrm.ru".to_owned()] };
    let setup = Setup { gateway: gateway.into(), ca: mode != "plain", hosts, ..Setup::default() };
    let world = World::with(setup).await;
    let mut env = vec![("MODE", mode.to_owned()), ("GATEWAY", world.gateway.clone()), ("TOKEN", CALLER.to_owned())];
    if mode != "plain" {
        let ca = world.dir.path().join("ca.crt");
        std::fs::write(&ca, ca_of(world.dir.path())).expect("written");
        for name in ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
            env.push((name, ca.display().to_string()));
        }
    }
    if mode == "proxy" {
        env.push(("HTTPS_PROXY", format!("http://{}", world.forward_proxy())));
    }
    (world, env)
}

/// Nothing of this machine's own settings reaches a client.
fn client(program: &Path, script: &Path, arguments: &[&str], env: &[(&'static str, String)]) -> Command {
    let mut command = Command::new(program);
    for name in
        ["http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]
    {
        command.env_remove(name);
    }
    command.arg(script).args(arguments).envs(env.iter().map(|(name, value)| (name, value)));
    command
}

async fn python(name: &str, mode: &str) {
    let python = installed().join("python/bin/python");
    assert!(python.exists(), "run tests/tools first: it installs the client");
    let (world, env) = reached(mode).await;
    ordinary_life(&world, |arguments| run(client(&python, &script(name), arguments, &env))).await;
}

async fn node(mode: &str) {
    let modules = installed().join("node/node_modules");
    assert!(modules.exists(), "run tests/tools first: it installs the client");
    let (world, mut env) = reached(mode).await;
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let (cert, key) = (world.dir.path().join("cert.pem"), world.dir.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    for (name, path) in [("NODE_MODULES", &modules), ("CERT", &cert), ("KEY", &key)] {
        env.push((name, path.display().to_string()));
    }
    let program = Path::new("node");
    ordinary_life(&world, |arguments| run(client(program, &script("node.cjs"), arguments, &env))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amocrm_api_from_pypi_works_unmodified() {
    python("python.py", "plain").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amocrm_api_over_tls() {
    python("python.py", "tls").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amocrm_api_through_the_forward_proxy() {
    python("python.py", "proxy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aioamocrm_from_pypi_works_unmodified() {
    python("aio.py", "plain").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aioamocrm_over_tls() {
    python("aio.py", "tls").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aioamocrm_through_the_forward_proxy() {
    python("aio.py", "proxy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amocrm_js_from_npm_works_unmodified() {
    node("plain").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amocrm_js_over_tls() {
    node("tls").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amocrm_js_through_the_forward_proxy() {
    node("proxy").await;
}
