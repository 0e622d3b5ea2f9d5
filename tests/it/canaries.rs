//! P11: personal data and secrets are sealed at rest, and are in no log, no metric and no error.
//!
//! Everything that a person could be known by is a canary word here; then everything the program writes is searched.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{ADMIN, CALLER, OWN, Setup, World};

/// Every canary holds one of these, in any case; the phone is also looked for as digits. Of the Cyrillic name the first
/// letter is left out: escaped, a capital cannot be folded.
const WORDS: &[&str] = &["kanarowa7", "анарейкина", "+7 913 555-00-", "91355500", ADMIN, CALLER, OWN];

/// The canaries that are in these bytes.
fn canaries(bytes: &[u8]) -> Vec<&'static str> {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    let as_json = |word: &str| {
        let unit = |unit: u16| match u8::try_from(unit) {
            Ok(ascii) if ascii.is_ascii() => char::from(ascii).to_string(),
            _ => format!("\\u{unit:04x}"),
        };
        word.encode_utf16().map(unit).collect::<String>()
    };
    WORDS.iter().copied().filter(|word| text.contains(word) || text.contains(&as_json(word))).collect()
}

fn search(dir: &Path, found: &mut Vec<String>) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files += search(&path, found);
            continue;
        }
        files += 1;
        let leaked = canaries(&std::fs::read(&path).expect("a file"));
        if !leaked.is_empty() {
            found.push(format!("{}: {leaked:?}", path.display()));
        }
    }
    files
}

/// Refusals, with what was asked.
#[derive(Default)]
struct Said(Vec<(String, StatusCode, String)>);

impl Said {
    async fn keep(&mut self, what: &str, request: reqwest::RequestBuilder) -> StatusCode {
        let answer = request.header("User-Agent", "kanarowa7agent").header("Cookie", "s=kanarowa7cookie").send().await;
        let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
        let (status, headers) = (answer.status(), format!("{:?}", answer.headers()));
        let text = answer.text().await.expect("a body");
        if !status.is_success() {
            self.0.push((what.to_owned(), status, format!("{headers}\n{text}")));
        }
        status
    }
}

/// People in one delete; each is known by seven canaries of his own, and 200 are asked for (P11).
const PEOPLE: usize = 30;

/// A contact with everything that people are known by, a deal, a company, a note and a task.
async fn person(world: &World, field: u64, number: usize) -> u64 {
    let firm = world.create("companies", json!([{"name": format!("Kanarowa7Firma{number}")}])).await[0];
    let contact = json!([{"name": format!("Канарейкина Kanarowa7Name{number}"), "custom_fields_values": [
        {"field_code": "PHONE", "values": [{"value": phone(number), "enum_code": "WORK"}]},
        {"field_code": "EMAIL", "values": [{"value": format!("kanarowa7mail{number}@canary.example"), "enum_code": "WORK"}]},
        {"field_id": field, "values": [{"value": format!("kanarowa7value{number}")}]},
    ], "_embedded": {"tags": [{"name": format!("kanarowa7tag{number}")}], "companies": [{"id": firm}]}}]);
    let contact = world.create("contacts", contact).await[0];
    let contacts = json!([{"id": contact, "is_main": true}]);
    let deal = json!([{"name": format!("Kanarowa7Deal{number}"), "_embedded": {"contacts": contacts}}]);
    world.create("leads", deal).await;
    let text = format!("kanarowa7note{number}");
    let note = json!([{"entity_id": contact, "note_type": "common", "params": {"text": text}}]);
    world.create("contacts/notes", note).await;
    let task = json!([{"text": format!("kanarowa7task{number}"), "complete_till": 1_900_000_000, "entity_id": contact,
        "entity_type": "contacts"}]);
    world.create("tasks", task).await;
    contact
}

/// What a contact's snapshot holds of him.
fn known_by(number: usize) -> [String; 7] {
    let word = |what: &str| format!("{what}{number}");
    let [name, mail, value] = ["Kanarowa7Name", "kanarowa7mail", "kanarowa7value"].map(word);
    let [tag, note, task] = ["kanarowa7tag", "kanarowa7note", "kanarowa7task"].map(word);
    [name, phone(number), mail, value, tag, note, task]
}

fn phone(number: usize) -> String {
    format!("+7 913 555-00-{number:02}")
}

fn form(world: &World, target: &str, body: &str) -> reqwest::RequestBuilder {
    let request = world.through(Method::POST, target);
    request.header("Content-Type", "application/x-www-form-urlencoded").body(body.to_owned())
}

async fn fault(world: &World, method: &str, path: &str, when: &str, what: &str, status: u16, times: u64) {
    let fault = json!({"method": method, "path": path, "when": when, "do": what, "status": status, "times": times});
    world.control("faults", fault).await;
}

async fn calm(world: &World) {
    let url = format!("{}/_mock/faults", world.mock.url().trim_end_matches('/'));
    assert!(world.http.delete(url).send().await.expect("the mock answers").status().is_success());
}

async fn refused_by_the_gateway(world: &World, said: &mut Said, contact: u64) {
    let page = "/ajax/contacts/multiple/delete/";
    for (what, request) in [
        ("an odd id", form(world, page, "ID[]=kanarowa7body")),
        ("ids twice", form(world, page, "ID=5&ID[]=kanarowa7body")),
        ("no form", form(world, page, "{\"ID\": kanarowa7body")),
        ("another verb", form(world, page, "_method=kanarowa7body&ID[]=5")),
        ("an unknown delete", world.through(Method::DELETE, "/api/v4/kanarowa7path/5?q=kanarowa7query")),
        ("two readings", world.through(Method::POST, "/api/%2576/kanarowa7path?q=kanarowa7query")),
        ("a page's delete by GET", world.through(Method::GET, "/ajax/x/delete/?ID=5&n=kanarowa7query&ACTION=DELETE")),
        ("broken JSON", world.through(Method::PATCH, "/api/v4/contacts").body("[{\"name\": \"kanarowa7body")),
        ("compressed", form(world, page, "kanarowa7body").header("Content-Encoding", "kanarowa7coding")),
        ("an expectation", form(world, page, "ID[]=5").header("Expect", "kanarowa7expect")),
        ("an odd host", form(world, page, "ID[]=5").header("Host", "kanarowa7host/@")),
        ("set-up", world.through(Method::DELETE, "/api/v4/contacts/custom_fields/5?q=kanarowa7query")),
    ] {
        let status = said.keep(what, request).await;
        assert!(status.is_client_error(), "{what}: {status}");
    }
    // What cannot be read whole is not deleted.
    for (path, what, status) in [("notes", "status", 403), ("links", "html", 403), ("tasks", "html", 502)] {
        fault(world, "GET", path, "before", what, status, 1000).await;
        let status = said.keep(path, form(world, page, &format!("ID[]={contact}"))).await;
        assert!(!status.is_success(), "{path}: {status}");
        calm(world).await;
    }
    // The CRM says nothing, or nonsense, to what streams.
    for (what, status) in [("cut", 0), ("html", 502)] {
        fault(world, "GET", "query", "before", what, status.max(500), 1).await;
        said.keep(what, world.through(Method::GET, "/api/v4/contacts?query=kanarowa7query")).await;
        fault(world, "POST", "contacts", "before", what, status.max(500), 1).await;
        let request = world.through(Method::POST, "/api/v4/contacts?n=kanarowa7query");
        said.keep(what, request.json(&json!([{"name": "kanarowa7body"}]))).await;
        calm(world).await;
    }
}

async fn refused_by_the_console(world: &World, said: &mut Said) {
    let ask =
        |method: Method, path: &str| world.http.request(method, format!("{}{path}", world.console)).bearer_auth(ADMIN);
    for (what, request) in [
        ("a stranger", world.http.get(format!("{}/api/v1/entries", world.console)).bearer_auth("kanarowa7token")),
        ("a parameter", ask(Method::GET, "/api/v1/entries?limit=kanarowa7query")),
        ("a cursor", ask(Method::GET, "/api/v1/entries?cursor=kanarowa7query")),
        ("a time", ask(Method::GET, "/api/v1/entries?deleted_after=kanarowa7query")),
        ("a state", ask(Method::GET, "/api/v1/entries?state=kanarowa7query")),
        ("a connection", ask(Method::GET, "/api/v1/entries?connection=kanarowa7query")),
        ("an entry", ask(Method::GET, "/api/v1/entries/kanarowa7path")),
        ("an operation", ask(Method::POST, "/api/v1/operations/kanarowa7path/undo")),
        ("a job", ask(Method::POST, "/api/v1/jobs/kanarowa7path/pause")),
        ("a route", ask(Method::GET, "/api/v1/kanarowa7path?q=kanarowa7query")),
        ("a verb", ask(Method::PATCH, "/api/v1/entries?q=kanarowa7query")),
        ("a plan", ask(Method::POST, "/api/v1/restore-plans").json(&json!({"entries": ["kanarowa7body"]}))),
        ("a key", ask(Method::POST, "/api/v1/restore-plans").json(&json!({"kanarowa7body": "kanarowa7body"}))),
        (
            "a body",
            ask(Method::POST, "/api/v1/restore-plans").header("Content-Type", "application/json").body("kanarowa7body"),
        ),
        (
            "a role",
            ask(Method::POST, "/api/v1/tokens").json(&json!({"role": "kanarowa7body", "person": "kanarowa7body"})),
        ),
    ] {
        let status = said.keep(what, request).await;
        assert!(status.is_client_error(), "{what}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_canary_is_in_logs_metrics_errors_or_files() {
    let mut world = World::with(Setup { rust_log: "info,crm_undo=debug", ..Setup::default() }).await;
    let field = world.create("contacts/custom_fields", json!([{"name": "Kanarowa7Field", "type": "text"}])).await[0];
    let mut said = Said::default();
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        people.push(person(&world, field, number).await);
    }
    refused_by_the_gateway(&world, &mut said, people[0]).await;

    // Deleted, looked at, and brought back with a loss.
    let operation = |answer: &reqwest::Response| answer.headers()["undo-id"].to_str().expect("text").to_owned();
    let first = operation(&world.delete("contacts", &people).await);
    let mut planted = BTreeSet::new();
    for number in 0..PEOPLE {
        let entry = world.bin(&format!("?q=kanarowa7mail{number}@canary.example")).await[0]["id"].clone();
        let detail = world.see(&format!("/api/v1/entries/{}", entry.as_str().expect("an id"))).await.to_string();
        for word in known_by(number) {
            assert!(detail.contains(&word), "the archive knows {word}, so it could leak it");
            planted.insert(word);
        }
    }
    assert!(planted.len() >= 200, "{} canaries", planted.len());
    let url = format!("{}/api/v4/contacts/custom_fields/{field}", world.mock.url().trim_end_matches('/'));
    assert!(world.http.delete(url).bearer_auth(CALLER).send().await.expect("sent").status().is_success());
    let job = world.undo(&first).await;
    assert!(job["report"]["losses"].as_array().is_some_and(|losses| !losses.is_empty()), "{job:#}");

    // Restores that fail: refused, cut, and answered with a page.
    for (what, status) in [("status", 400), ("html", 500), ("cut", 500)] {
        let contact = world.create("contacts", json!([{"name": "Kanarowa7Name"}])).await[0];
        let operation = operation(&world.delete("contacts", &[contact]).await);
        fault(&world, "POST", "/api/v4/contacts", "before", what, status, 1000).await;
        let (status, plan) =
            world.console(Method::POST, "/api/v1/restore-plans", Some(json!({"operation": operation}))).await;
        assert_eq!(status, StatusCode::CREATED, "{plan}");
        let apply = format!("/api/v1/restore-plans/{}/apply", plan["id"].as_str().expect("an id"));
        let digest = json!({"digest": plan["digest"]});
        let (status, body) = world.console(Method::POST, &apply, Some(digest)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{what}: {body}");
        if what == "status" {
            let job = world.finished(body["job"]["id"].as_str().expect("a job")).await;
            assert_ne!(job["state"], "done", "{job:#}");
        }
        calm(&world).await;
    }
    // Deletes whose answer is lost or a page.
    for (when, what) in [("after", "cut"), ("after", "html"), ("before", "html")] {
        let contact = world.create("contacts", json!([{"name": "Kanarowa7Name"}])).await[0];
        fault(&world, "POST", "multiple/delete", when, what, 500, 1).await;
        said.keep(what, form(&world, "/ajax/contacts/multiple/delete/", &format!("ID[]={contact}&x=kanarowa7body")))
            .await;
        calm(&world).await;
    }
    refused_by_the_console(&world, &mut said).await;
    let doctor = world.cli(&["doctor", "--config", "crm-undo.toml"]);
    let metrics = world.http.get(format!("{}/metrics", world.console)).bearer_auth(ADMIN).send().await.expect("sent");
    let metrics = metrics.text().await.expect("text");
    assert!(metrics.contains("crm_undo_"), "{metrics}");

    let (status, _) = tokio::task::block_in_place(|| world.terminate());
    assert_eq!(status.code(), Some(0));
    let log = world.said();
    assert!(log.contains("DEBUG"), "the log is as wordy as it can be:\n{log}");
    let mut leaks: Vec<String> =
        log.lines().filter(|line| !canaries(line.as_bytes()).is_empty()).map(|line| format!("log: {line}")).collect();
    for (what, bytes) in [("metrics", metrics.as_bytes()), ("doctor", &doctor.stdout), ("doctor", &doctor.stderr)] {
        let found = canaries(bytes);
        if !found.is_empty() {
            leaks.push(format!("{what}: {found:?}: {}", String::from_utf8_lossy(bytes)));
        }
    }
    for (what, status, text) in &said.0 {
        // The CRM's own page is the CRM's own; everything else is ours.
        if !canaries(text.as_bytes()).is_empty() {
            leaks.push(format!("refusal of {what}: {status} {text}"));
        }
    }
    assert!(said.0.len() >= 30, "{} refusals", said.0.len());
    let files = search(&world.dir.path().join("data"), &mut leaks);
    assert!(files >= 4, "{files} files");
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
}

#[test]
fn a_canary_is_seen_however_it_is_written() {
    for text in
        ["x Kanarowa7Name", "КАНАРЕЙКИНА", "%2B79135550017", "+7 913 555-00-17", &json!("Канарейкина").to_string()]
    {
        assert!(!canaries(text.as_bytes()).is_empty(), "{text}");
    }
    assert!(!canaries(b"\\u041a\\u0430\\u043d\\u0430\\u0440\\u0435\\u0439\\u043a\\u0438\\u043d\\u0430").is_empty());
    assert!(canaries(b"nobody").is_empty());
}
