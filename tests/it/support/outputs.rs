//! What every run of the program may not say, whatever the test is about (P11). Looked at whenever a world ends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use super::{ADMIN, CALLER, OWN};

/// What no file of the data directory may hold in plain: texts of the tests' own records that chance does not make.
const SEALED: &[&str] =
    &["kanarowa", "acme llc", "call back", "asked for a discount", "on tuesday", "window frame", "window order"];

/// Names, texts and values of the tests' own records; what the mock generates is seen by its script and its shape.
const WORDS: &[&str] = &[
    "kanarowa",
    "anna",
    "serova",
    "boris",
    "acme llc",
    "call back",
    "asked for a discount",
    "on tuesday",
    "window frame",
    "window order",
    "regulars",
    "@",
    "+7",
    "+1",
    "8 (9",
    "id[]=",
    "id%5b%5d=",
    "?filter",
    "filter[",
    "filter%5b",
    "?with=",
    "bearer ",
    "authorization",
    "cookie",
    "client_secret=",
    "refresh_token=",
    "access_token=",
    "client_secret\":",
    "refresh_token\":",
    "access_token\":",
    "crm-undo archive key",
];

/// What this line holds that it may not. No letter of the mock's Russian names, companies, texts and tags is ASCII, and
/// a log has no use for one: all of them are canaries at once.
pub fn leaked(line: &str) -> Option<String> {
    let small = line.to_lowercase();
    if let Some(letter) = small.chars().find(|c| ('\u{400}'..='\u{52f}').contains(c)) {
        return Some(format!("the letter {letter}"));
    }
    let secrets = [ADMIN, CALLER, OWN];
    let secret = secrets.iter().find(|secret| line.contains(**secret)).map(|_| "a token".to_owned());
    secret.or_else(|| WORDS.iter().find(|word| small.contains(**word)).map(|word| (*word).to_owned()))
}

/// Where a program that wrote this says its forward proxy listens: host and port.
pub fn forward_proxy(log: &Mutex<Vec<String>>) -> String {
    let log = log.lock().expect("the log");
    let said = log.iter().rev().find_map(|line| line.strip_prefix("forward proxy: http://"));
    said.expect("it said where the forward proxy is").to_owned()
}

/// What a program has written to stderr so far.
pub fn said(log: &Mutex<Vec<String>>) -> String {
    log.lock().expect("the log").join("\n")
}

/// Fails if any line of a run holds anything of that.
pub fn searched(log: &[String]) {
    let leaks: Vec<String> = log.iter().filter_map(|line| leaked(line).map(|what| format!("{what}: {line}"))).collect();
    assert!(leaks.is_empty(), "{} canaries in what the program said:\n{}", leaks.len(), leaks.join("\n"));
}

/// Fails if the metrics hold anything of that. A program that has ended shows none.
pub fn metrics_searched(console: &str) {
    let Ok(mut stream) = TcpStream::connect(console.trim_start_matches("http://")) else { return };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let ask = format!("GET /metrics HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN}\r\n\r\n");
    let mut answer = String::new();
    if stream.write_all(ask.as_bytes()).and_then(|()| stream.read_to_string(&mut answer)).is_ok() {
        assert!(answer.starts_with("HTTP/1.0 200 "), "the metrics are not shown: {answer}");
        searched(&answer.split("\r\n\r\n").skip(1).flat_map(str::lines).map(str::to_owned).collect::<Vec<_>>());
    }
}

/// Fails if a file holds a token or a text of a record in plain.
pub fn files_searched(dir: &Path) {
    if !dir.exists() {
        return;
    }
    let mut grep = Command::new("grep");
    grep.args(["--recursive", "--files-with-matches", "--text", "--ignore-case", "--fixed-strings"]);
    for word in SEALED.iter().chain(&[ADMIN, CALLER, OWN]) {
        grep.args(["-e", word]);
    }
    let found = grep.env("LC_ALL", "C").arg(dir).output().expect("grep runs");
    assert_eq!(found.status.code(), Some(1), "in plain in {}", String::from_utf8_lossy(&found.stdout));
}

#[test]
fn a_file_that_leaks_is_seen() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("a"), b"\0\xffnothing").expect("written");
    files_searched(dir.path());
    std::fs::write(dir.path().join("b"), b"\0\xffWindow Frame\n").expect("written");
    let seen = std::panic::catch_unwind(|| files_searched(dir.path()));
    assert!(seen.is_err());
}

#[test]
fn a_leak_is_seen() {
    for line in
        ["got Анна", "ANNA SEROVA", "mail a@b.example", "GET /api/v4/leads?with=contacts", "to +79135557177", CALLER]
    {
        assert!(leaked(line).is_some(), "{line}");
    }
    assert_eq!(leaked("2026-11-25T07:00:00Z  INFO delete confirmed operation=0193 route=contacts.delete"), None);
}
