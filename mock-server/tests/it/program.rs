//! The program `crm-mock`.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::crm::Crm;

const PROGRAM: &str = env!("CARGO_BIN_EXE_crm-mock");

#[tokio::test]
async fn it_says_where_it_listens_and_stops_when_told() {
    let mut program = Command::new(PROGRAM)
        .args(["--listen", "127.0.0.1:0", "--contacts", "3", "--token", "one=first", "--token", "two=second"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it was built");
    let mut lines = BufReader::new(program.stdout.take().expect("piped")).lines();
    let line = lines.next_line().await.expect("text").expect("a line");
    let url = line.strip_prefix("crm-mock listens on ").expect("the address").to_owned();
    let crm = Crm::start().await;
    let bearer = [("authorization", "Bearer second")];
    let contacts = crm.send("GET", &format!("{url}/api/v4/contacts"), &bearer, "").await.ok(200);
    assert_eq!(contacts["_embedded"]["contacts"].as_array().map(Vec::len), Some(3));
    let demo = crm.send("GET", &format!("{url}/api/v4/contacts"), &[("authorization", "Bearer demo-token")], "").await;
    assert_eq!(demo.status, 401);
    let heard = crm.send("GET", &format!("{url}/_mock/requests"), &[], "").await.ok(200);
    assert_eq!(
        (&heard["requests"][0]["integration"], &heard["requests"][1]["integration"]),
        (&"two".into(), &Value::Null)
    );
    let id = program.id().expect("it runs").to_string();
    let told = Command::new("kill").args(["-TERM", &id]).status().await.expect("kill is there");
    assert!(told.success());
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), program.wait()).await;
    assert!(ended.expect("in time").expect("a status").success());
}

#[tokio::test]
async fn a_wrong_token_option_is_explained() {
    let run = Command::new(PROGRAM).args(["--token", "nothing"]).output().await.expect("it was built");
    assert_eq!(run.status.code(), Some(2));
    let text = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(text.contains("INTEGRATION=TOKEN"), "{text}");
}
