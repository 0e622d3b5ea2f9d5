//! What real clients do that no documentation says. Each is served, and each delete of theirs is still archived first.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wiremock::matchers::{method, path_regex};
use wiremock::{Mock, ResponseTemplate};

use crate::support::{CALLER, Client, Program, Raw, Setup, World, crm_of_one_contact, exchange};

const DELETE_PAGE: &str = "/ajax/contacts/multiple/delete/";
const FORM: &str = "application/x-www-form-urlencoded";

async fn raw() -> (Raw, Program) {
    let crm = Raw::start().await;
    let program =
        Program::told("", "[policy]\nallow_unrestorable = [\"webhooks\"]\n", false, &[("acme", &crm.url, &[])]);
    (crm, program)
}

/// One contact deleted, and archived before.
async fn is_archived(world: &World, contact: u64, how: &str) {
    assert_eq!(world.effects("deleted", "contacts").await, [contact], "{how}");
    let bin = world.bin("").await;
    assert_eq!(bin.len(), 1, "{how}: {bin:?}");
    assert_eq!((&bin[0]["record_id"], &bin[0]["state"]), (&json!(contact.to_string()), &json!("deleted")), "{how}");
}

/// A request as its bytes, to the caller's own account.
fn request(world: &World, line: &str, headers: &str, body: &str) -> String {
    let host = world.gateway.trim_start_matches("http://");
    format!(
        "{line} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {CALLER}\r\nX-Requested-With: XMLHttpRequest\r\n\
         {headers}\r\n{body}"
    )
}

fn address(world: &World) -> &str {
    world.gateway.trim_start_matches("http://")
}

#[tokio::test(flavor = "multi_thread")]
async fn slashes_that_are_doubled() {
    let (crm, program) = raw().await;
    for (number, verb, sent, heard) in [
        ("1", "GET", "//api/v4/contacts?page=2", "//api/v4/contacts?page=2"),
        ("2", "POST", "//api/v4/leads", "/api/v4/leads"),
        ("3", "PATCH", "/api//v4///tasks", "/api/v4/tasks"),
    ] {
        let bytes = format!("{verb} {sent} HTTP/1.1\r\nHost: a\r\nX-Exchange: {number}\r\nContent-Length: 2\r\n\r\n[]");
        assert_eq!(exchange(program.address(), bytes.as_bytes()).await.status(), 204, "{sent}");
        assert_eq!(crm.heard_of(number).expect("it came").first, format!("{verb} {heard} HTTP/1.1"));
    }
    let world = World::start().await;
    let anna = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
    let body = format!("ID[]={anna}");
    let headers = format!("Content-Type: {FORM}\r\nContent-Length: {}\r\n", body.len());
    let bytes = request(&world, &format!("POST /{DELETE_PAGE}"), &headers, &body);
    assert_eq!(exchange(address(&world), bytes.as_bytes()).await.status(), 200);
    is_archived(&world, anna, "doubled slashes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_without_a_content_type() {
    let (crm, program) = raw().await;
    let bytes =
        b"POST /api/v4/leads HTTP/1.1\r\nHost: a\r\nX-Exchange: 1\r\nContent-Length: 14\r\n\r\n[{\"name\":\"a\"}]";
    assert_eq!(exchange(program.address(), bytes).await.status(), 204);
    let heard = crm.heard_of("1").expect("it came");
    assert_eq!((heard.header("content-type"), &heard.body[..]), (None, &b"[{\"name\":\"a\"}]"[..]));
    let world = World::start().await;
    let anna = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
    let body = format!("{{\"ID\":[{anna}],\"ACTION\":\"DELETE\"}}");
    let bytes = request(&world, &format!("POST {DELETE_PAGE}"), &format!("Content-Length: {}\r\n", body.len()), &body);
    let answer = exchange(address(&world), bytes.as_bytes()).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    is_archived(&world, anna, "JSON without a type").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oauth_as_a_form_with_basic() {
    let (crm, program) = raw().await;
    let body = "grant_type=refresh_token&refresh_token=def%2B1&redirect_uri=https%3A%2F%2Fa.example%2F";
    let told = r#"{"token_type":"Bearer","expires_in":86400,"access_token":"x","refresh_token":"y"}"#;
    crm.answers_with("1", "200 OK\r\nContent-Type: application/json", told.as_bytes());
    let bytes = format!(
        "POST /oauth2/access_token HTTP/1.1\r\nHost: a\r\nX-Exchange: 1\r\nAuthorization: Basic Y2xpZW50OnNlY3JldA==\r\n\
         Content-Type: {FORM}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = exchange(program.address(), bytes.as_bytes()).await;
    assert_eq!((answer.status(), &answer.body[..]), (200, told.as_bytes()));
    let heard = crm.heard_of("1").expect("it came");
    assert_eq!(heard.header("authorization"), Some("Basic Y2xpZW50OnNlY3JldA=="));
    assert_eq!((heard.header("content-type"), &heard.body[..]), (Some(FORM), body.as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_body_on_delete() {
    let (crm, program) = raw().await;
    for (number, framing, framed) in [
        ("1", "Content-Length: 38", "{\"destination\":\"https://a.example/h\"}\n".to_owned()),
        (
            "2",
            "Transfer-Encoding: chunked",
            "8\r\n{\"destin\r\n1e\r\nation\":\"https://a.example/h\"}\n\r\n0\r\n\r\n".to_owned(),
        ),
    ] {
        let bytes = format!(
            "DELETE /api/v4/webhooks HTTP/1.1\r\nHost: a\r\nX-Exchange: {number}\r\nContent-Type: application/json\r\n\
             {framing}\r\n\r\n{framed}"
        );
        let answer = exchange(program.address(), bytes.as_bytes()).await;
        assert_eq!(answer.status(), 204, "{answer:?}");
        let heard = crm.heard_of(number).expect("it came");
        assert_eq!(String::from_utf8_lossy(&heard.body), "{\"destination\":\"https://a.example/h\"}\n", "{framing}");
        assert_eq!(heard.header("content-type"), Some("application/json"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_whose_body_has_no_length() {
    let setup = Setup { config: "[policy]\nallow_unrestorable = [\"webhooks\"]\n".into(), ..Setup::default() };
    let world = World::with(setup).await;
    let ids = world.create("contacts", json!([{"name": "Anna"}, {"name": "Boris"}])).await;
    let victim = format!("ID[]={}", ids[0]);
    let smuggled = request(
        &world,
        &format!("POST {DELETE_PAGE}"),
        &format!("Content-Type: {FORM}\r\nContent-Length: {}\r\n", victim.len()),
        &victim,
    );
    let harmless = request(&world, "GET /api/v4/account", "", "");
    let mut number = 0;
    for stray in
        [smuggled.clone(), harmless, "{\"destination\":\"https://a.example/h\"}".into(), format!("\r\n{smuggled}")]
    {
        for first in ["DELETE /api/v4/webhooks", "DELETE /api/v4/customers/segments/77", "POST /api/v4/leads"] {
            for split in [false, true] {
                number += 1;
                let mut client = Client::connect(address(&world)).await;
                // An ordinary exchange before it: the connection is one that is kept.
                assert!(client.send(request(&world, "GET /api/v4/account", "", "")).await);
                assert_eq!(client.answer().await.expect("an answer").status(), 200);
                let head = request(&world, first, "Content-Type: application/json\r\n", "");
                if split {
                    assert!(client.send(&head).await);
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    client.send(&stray).await;
                } else {
                    assert!(client.send(format!("{head}{stray}")).await);
                }
                // The answer may be lost where bytes come to a socket that was closed already; never a second answer.
                let answer = client.answer().await;
                if let Some(answer) = answer {
                    assert_eq!(answer.header("connection"), Some("close"), "{number}: {answer:?}");
                }
                assert!(client.ends_within(Duration::from_secs(10)).await, "{number}: the connection stays open");
                assert!(!String::from_utf8_lossy(&client.kept).contains("HTTP/1.1"), "{number}: a second answer");
            }
        }
    }
    let effects = world.heard("effects").await;
    let deleted = effects.iter().filter(|effect| effect["what"] == "deleted" && effect["object"] == "contacts");
    assert_eq!(deleted.count(), 0, "stray bytes became a delete: {effects:?}");
    let accounts = world.heard("requests").await.into_iter();
    let accounts = accounts.filter(|request| request["target"] == "/api/v4/account" && request["integration"] != "own");
    assert_eq!(accounts.count(), number, "stray bytes became a read");
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_in_chunks() {
    let (crm, program) = raw().await;
    let piece = "0123456789abcdef".repeat(64);
    let mut framed = String::new();
    for number in 0..300 {
        let extension = if number % 3 == 0 { ";name=value" } else { "" };
        let _ = write!(framed, "{:X}{extension}\r\n{piece}\r\n", piece.len());
    }
    let head = "POST /api/v4/contacts/notes HTTP/1.1\r\nHost: a\r\nX-Exchange: 1\r\nTransfer-Encoding: chunked\r\n";
    let bytes = format!("{head}Trailer: X-Sum\r\n\r\n{framed}0\r\nX-Sum: 1\r\n\r\n");
    assert_eq!(exchange(program.address(), bytes.as_bytes()).await.status(), 204);
    let heard = crm.heard_of("1").expect("it came");
    assert!(heard.body == piece.repeat(300).as_bytes(), "{} bytes came", heard.body.len());
    assert_eq!(heard.header("trailer"), None);

    let world = World::start().await;
    let anna = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
    let letters = format!("ID[]={anna}").chars().map(|letter| format!("1\r\n{letter}\r\n")).collect::<Vec<_>>();
    let framed = letters.concat();
    let headers = format!("Content-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n");
    let bytes = request(&world, &format!("POST {DELETE_PAGE}"), &headers, &format!("{framed}0\r\n\r\n"));
    assert_eq!(exchange(address(&world), bytes.as_bytes()).await.status(), 200);
    is_archived(&world, anna, "byte by byte").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_objects_as_bodies() {
    let (crm, program) = raw().await;
    for (number, verb, target) in [
        ("1", "GET", "/api/v4/contacts"),
        ("2", "POST", "/api/v4/leads"),
        ("3", "PATCH", "/api/v4/tasks/5"),
        ("4", "DELETE", "/api/v4/webhooks"),
    ] {
        let bytes = format!(
            "{verb} {target} HTTP/1.1\r\nHost: a\r\nX-Exchange: {number}\r\nContent-Type: application/json\r\n\
             Content-Length: 2\r\n\r\n{{}}"
        );
        let answer = exchange(program.address(), bytes.as_bytes()).await;
        assert_eq!(answer.status(), 204, "{verb}: {answer:?}");
        assert_eq!(crm.heard_of(number).expect("it came").body, b"{}", "{verb} {target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_brackets_in_queries() {
    let (crm, program) = raw().await;
    for (number, query) in [
        "filter[id][]=1&filter[id][]=2",
        "filter[created_at][from]=1&order[id]=desc&with=leads,catalog_elements",
        "filter[statuses][0][pipeline_id]=1&filter[statuses][0][status_id]=142",
        "query={a|b}^`c`",
    ]
    .into_iter()
    .enumerate()
    {
        let line = format!("GET /api/v4/leads?{query} HTTP/1.1");
        let bytes = format!("{line}\r\nHost: a\r\nX-Exchange: {number}\r\n\r\n");
        assert_eq!(exchange(program.address(), bytes.as_bytes()).await.status(), 204, "{query}");
        assert_eq!(crm.heard_of(&number.to_string()).expect("it came").first, line);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_cannot_decode_gzip() {
    let (crm, program) = raw().await;
    let page = json!({"_links": {"self": {"href": format!("{}/api/v4/contacts", crm.url)}}}).to_string();
    for (number, said) in [("1", ""), ("2", "Accept-Encoding: identity\r\n"), ("3", "Accept-Encoding: \r\n")] {
        crm.answers_with(number, "200 OK\r\nContent-Type: application/hal+json", page.as_bytes());
        let bytes =
            format!("GET /api/v4/contacts HTTP/1.1\r\nHost: gate.example\r\nX-Exchange: {number}\r\n{said}\r\n");
        let answer = exchange(program.address(), bytes.as_bytes()).await;
        assert_eq!(answer.header("content-encoding"), None);
        assert_eq!(String::from_utf8_lossy(&answer.body), page.replace(&crm.url, "http://gate.example"));
        let heard = crm.heard_of(number).expect("it came");
        let asked = heard.header("accept-encoding").unwrap_or_default();
        assert!(asked.is_empty() || asked == "identity", "nothing is asked for in its name: {asked}");
    }
    // Neither an answer to a delete nor a refusal is packed.
    let world = World::start().await;
    let anna = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
    let answer = world.delete("contacts", &[anna]).await;
    assert!(answer.headers().get("content-encoding").is_none());
    let refused = world.through(Method::DELETE, "/api/v4/something/1").send().await.expect("an answer");
    assert!(refused.headers().get("content-encoding").is_none() && refused.status().is_client_error());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_insist_on_exactly_these_content_types() {
    let (crm, program) = raw().await;
    for (number, status, kind) in [
        ("1", "200 OK", "application/hal+json"),
        ("2", "400 Bad Request", "application/problem+json"),
        ("3", "401 Unauthorized", "application/problem+json"),
        ("4", "200 OK", "application/json; charset=utf-8"),
        ("5", "200 OK", "application/hal+json;charset=UTF-8"),
    ] {
        crm.answers_with(number, &format!("{status}\r\nContent-Type: {kind}"), b"{\"a\":1}");
        let bytes = format!("GET /api/v4/contacts HTTP/1.1\r\nHost: a\r\nX-Exchange: {number}\r\n\r\n");
        let answer = exchange(program.address(), bytes.as_bytes()).await;
        assert_eq!((answer.header("content-type"), &answer.body[..]), (Some(kind), &b"{\"a\":1}"[..]));
        assert_eq!(answer.first, format!("HTTP/1.1 {status}"));
    }
    // Refusals of our own, on the API's routes and before anybody knows the account.
    for bytes in [
        "DELETE /api/v4/something/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "POST /api/v4/%6Ceads HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "delete /api/v4/leads/1 HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let answer = exchange(program.address(), bytes.as_bytes()).await;
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
        let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(body["status"], answer.status(), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_204_without_a_body() {
    let (crm, program) = raw().await;
    let mut client = Client::connect(program.address()).await;
    for number in 0..20 {
        // With the length that some servers write, and without.
        let more = if number % 2 == 0 { "Content-Length: 0\r\n" } else { "" };
        let answer = format!("HTTP/1.1 204 No Content\r\nContent-Type: application/hal+json\r\n{more}\r\n");
        crm.answers.lock().expect("not poisoned").insert(number.to_string(), answer.into_bytes());
        let bytes = format!("GET /api/v4/contacts?page=9 HTTP/1.1\r\nHost: a\r\nX-Exchange: {number}\r\n\r\n");
        assert!(client.send(bytes).await);
        let answer = client.answer().await.expect("an answer on the same connection");
        assert_eq!((answer.status(), answer.body.len()), (204, 0));
        assert_eq!(answer.header("transfer-encoding"), None);
    }
    assert!(client.kept.is_empty(), "nothing follows a 204");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_are_asked_for_at_once() {
    let (crm, program) = raw().await;
    for page in 0..64 {
        let links = json!({"next": {"href": format!("{}/api/v4/contacts?page={}", crm.url, page + 1)}});
        let body = json!({"_page": page, "_links": links, "padding": "x".repeat(page * 997)}).to_string();
        crm.answers_with(&page.to_string(), "200 OK\r\nContent-Type: application/hal+json", body.as_bytes());
    }
    let pages = (0..64).map(|page| {
        let address = program.address().to_owned();
        async move {
            let bytes = format!(
                "GET /api/v4/contacts?page={page} HTTP/1.1\r\nHost: gate.example\r\nX-Exchange: {page}\r\n\r\n"
            );
            let answer = exchange(&address, bytes.as_bytes()).await;
            let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert_eq!(body["_page"], page);
            assert_eq!(
                body["_links"]["next"]["href"],
                format!("http://gate.example/api/v4/contacts?page={}", page + 1)
            );
        }
    });
    futures::future::join_all(pages).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_give_up_after_twenty_seconds() {
    let setup = Setup { gateway: "delete_answer_seconds = 1\n".into(), ..Setup::default() };
    let world = World::with(setup).await;
    let ids = world.create("contacts", json!([{"name": "Anna"}, {"name": "Boris"}])).await;
    // The CRM is slow to delete the one, and slow to show the other.
    for (number, at, verb, delay) in [(0, "multiple/delete", "POST", 4000), (1, "/api/v4/contacts", "GET", 3000)] {
        let fault = json!({"method": verb, "path": at, "when": "after", "do": "delay", "delay_ms": delay, "times": 1});
        world.control("faults", fault).await;
        let begun = Instant::now();
        let answer = world.delete("contacts", &ids[number..=number]).await;
        let took = begun.elapsed();
        assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT, "{at}");
        assert!(took < Duration::from_millis(2500), "{at}: answered after {took:?}");
        let operation = answer.headers()["undo-id"].to_str().expect("text").to_owned();
        let text = answer.text().await.expect("a body");
        assert!(text.contains(&operation), "{text}");
        // A repeat joins it and is told the same name.
        let again = world.delete("contacts", &ids[number..=number]).await;
        assert_eq!(again.headers()["undo-id"], operation.as_str(), "{at}");
        world
            .until("the operation ends", async || {
                let (status, body) = world.console(Method::GET, &format!("/api/v1/operations/{operation}"), None).await;
                (status == StatusCode::OK && body["state"] == "confirmed").then_some(())
            })
            .await;
        assert_eq!(world.effects("deleted", "contacts").await, ids[..=number], "{at}: once, and it was not cut");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_the_crm_arrive_as_they_are() {
    for (status, kind, body) in [
        (401, "application/problem+json", "{\"title\":\"Unauthorized\",\"type\":\"https://x/\",\"status\":401}"),
        (403, "text/html; charset=utf-8", "<html><title>403</title></html>"),
        (403, "application/json", "{\"status\":\"error\",\"message\":\"\\u041d\\u0435\\u0442\"}"),
        (429, "text/html", "<html>Too many</html>"),
    ] {
        let crm = crm_of_one_contact().await;
        let refusal = ResponseTemplate::new(status)
            .set_body_raw(body, kind)
            .insert_header("X-Reason", "of its own")
            .insert_header("Retry-After", "2")
            .insert_header("WWW-Authenticate", "Bearer realm=\"crm\"");
        Mock::given(method("POST")).and(path_regex("multiple/delete")).respond_with(refusal).mount(&crm).await;
        let program = Program::before(&[("acme", &crm.uri(), &[])]);
        let bytes = format!(
            "POST {DELETE_PAGE} HTTP/1.1\r\nHost: a\r\nX-Requested-With: XMLHttpRequest\r\nContent-Type: {FORM}\r\n\
             Content-Length: 6\r\n\r\nID[]=5"
        );
        let answer = exchange(program.address(), bytes.as_bytes()).await;
        assert_eq!(answer.status(), status, "{answer:?}");
        assert_eq!(String::from_utf8_lossy(&answer.body), body);
        for (name, value) in [
            ("content-type", kind),
            ("x-reason", "of its own"),
            ("retry-after", "2"),
            ("www-authenticate", "Bearer realm=\"crm\""),
        ] {
            assert_eq!(answer.header(name), Some(value), "{status} {name}");
        }
        // The page that blocks an account says nothing of the record: not known yet, and looked after.
        let unclear = status == 403 && kind.starts_with("text/html");
        assert_eq!(answer.header("undo-id").is_some(), unclear, "{status}: {body}");
    }
}
