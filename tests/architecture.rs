//! The house: calls go down only. Reads the imports of `src/` and fails on one that goes up or sideways.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms, and the rooms below that each may call. `main` is not listed: it only calls `cli`.
const MAY_CALL: &[(&str, &[&str])] = &[
    ("domain", &[]),
    // Switches of the proofs, on the ground: everything may ask for them, they ask for nothing.
    ("proofs", &[]),
    ("archive", &["domain", "proofs"]),
    ("certs", &["archive", "domain"]),
    ("crm", &["domain", "proofs"]),
    ("engine", &["archive", "crm", "domain", "proofs"]),
    ("gateway", &["engine", "archive", "crm", "domain", "proofs"]),
    ("console", &["engine", "archive", "crm", "domain", "proofs"]),
    ("config", &["archive", "crm", "domain"]),
    ("telemetry", &[]),
    ("app", &["gateway", "console", "engine", "archive", "certs", "crm", "domain", "config", "telemetry"]),
    ("cli", &["app", "config", "archive", "crm", "domain"]),
    // Only for fuzzers and tests.
    ("fuzzing", &["gateway", "crm", "domain"]),
];

const SRC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(dir).expect("src is readable").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("sources are UTF-8");
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new(SRC), &mut found);
    found.sort();
    found
}

/// The room a file lies in: the first folder below `src`, or the file's own name.
fn room(path: &Path) -> String {
    let below = path.strip_prefix(SRC).expect("a source");
    let first = below.components().next().expect("not empty").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Lines that are code.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// The words that follow `prefix` in code.
fn named_after<'a>(text: &'a str, prefix: &str) -> Vec<&'a str> {
    let mut names = Vec::new();
    for line in code(text) {
        for rest in line.split(prefix).skip(1) {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            names.push(&rest[..end]);
        }
    }
    names
}

#[test]
fn calls_go_down_only() {
    let rules: BTreeMap<&str, &[&str]> = MAY_CALL.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let room = room(&path);
        if room == "lib" || room == "main" {
            continue;
        }
        let Some(allowed) = rules.get(room.as_str()) else {
            wrong.push(format!("{}: the room `{room}` is on no floor; add it to MAY_CALL", path.display()));
            continue;
        };
        for called in named_after(&text, "crate::") {
            if rules.contains_key(called) && called != room && !allowed.contains(&called) {
                wrong.push(format!("{}: {room} may not call {called}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_vendor_is_named_outside_its_folder_and_the_list() {
    let crm = Path::new(SRC).join("crm");
    let vendors: Vec<String> = fs::read_dir(&crm)
        .expect("src/crm")
        .flatten()
        .filter(|entry| entry.path().join("dialect.rs").exists() || entry.path().join("dialect").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(vendors.contains(&"amocrm".to_owned()), "{vendors:?}");
    for (path, text) in sources() {
        for vendor in &vendors {
            let at_home = path.starts_with(crm.join(vendor)) || path == crm.join("mod.rs");
            let named = !named_after(&text, &format!("{vendor}::")).is_empty()
                || named_after(&text, "crm::").contains(&vendor.as_str());
            assert!(at_home || !named, "{} names the vendor {vendor}", path.display());
        }
    }
}

#[test]
fn the_ground_floor_does_no_io() {
    for (path, text) in sources().iter().filter(|(path, _)| room(path) == "domain") {
        for forbidden in ["tokio::", "std::fs", "std::net", "async fn", "Timestamp::now", "SystemTime", "Instant::now"]
        {
            assert!(!code(text).any(|line| line.contains(forbidden)), "{} uses {forbidden}", path.display());
        }
    }
}

#[test]
fn only_upstream_reaches_a_crm() {
    for (path, text) in sources() {
        let allowed = path.to_string_lossy().contains("/crm/upstream") || matches!(room(&path).as_str(), "cli" | "app");
        let opened = code(&text).any(|line| line.contains("reqwest::"));
        assert!(allowed || !opened, "{} opens a door of its own with reqwest", path.display());
    }
}

#[test]
fn a_file_is_readable_in_a_sitting() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 450, "{} has {lines} lines; split it", path.display());
    }
}

#[test]
fn the_mock_shares_no_code_with_the_product() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/mock-server/Cargo.toml");
    let manifest = fs::read_to_string(manifest).expect("the mock's manifest");
    assert!(!manifest.contains("crm-undo"), "mock-server depends on crm-undo");
}
