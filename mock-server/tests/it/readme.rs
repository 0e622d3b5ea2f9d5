//! The README does what it says.

use serde_json::Value;
use tokio::process::Command;

use crate::crm::Crm;

const README: &str = include_str!("../../README.md");

/// Every line is run by a shell, as a reader would.
#[tokio::test]
async fn every_curl_line_works() {
    let crm = Crm::with_contacts(7, 200).await;
    let mut count = 0;
    for line in README.lines().filter(|line| line.starts_with("curl ")) {
        let line = line.replace("http://127.0.0.1:8090", &crm.server.url());
        let line = line.replacen("curl ", "curl --globoff --silent --show-error --fail ", 1);
        let run = Command::new("sh").args(["-c", &line]).env("no_proxy", "*").output().await.expect("a shell");
        let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "{line}\n{out}{err}");
        let answer: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("no JSON from {line}: {out}"));
        // Private routes say 200 when they refuse, and a person's deed may have been done to nobody.
        assert_ne!(answer["status"], "fail", "{line}\n{out}");
        assert_ne!(answer["done"], Value::Array(Vec::new()), "{line}\n{out}");
        count += 1;
    }
    assert!(count > 20, "only {count} lines found");
}

#[tokio::test]
async fn every_switch_is_in_the_table_with_its_choices() {
    let crm = Crm::start().await;
    let shown = crm.mock("GET", "switches", Value::Null).await;
    let mut names = 0;
    for switch in shown["switches"].as_array().expect("a list") {
        let name = switch["name"].as_str().expect("a name");
        let row = README.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("{name} is not in the table"));
        let choices = row.split('|').nth(2).expect("a second column").trim().to_owned();
        let expected = match (&switch["choices"], &switch["default"]) {
            (Value::Array(words), _) if words.iter().all(Value::is_string) => words
                .iter()
                .map(|word| format!("`{}`", word.as_str().unwrap_or_default()))
                .collect::<Vec<_>>()
                .join(", "),
            (Value::Array(_), Value::Bool(default)) => format!("{default}, {}", !default),
            (_, default) => format!("{default}…"),
        };
        assert_eq!(choices, expected, "{name}");
        names += 1;
    }
    let rows = README.lines().skip_while(|line| *line != "## Switches").filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, names, "the table has rows for what is not there");
}
