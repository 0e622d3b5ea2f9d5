//! What destroys nothing passes as it came; what cannot pass is told honestly. Through the real program.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wiremock::matchers::{method, path_regex};
use wiremock::{Mock, ResponseTemplate};

use crate::support::{CALLER, Message, OWN, Program, Raw, Setup, World, crm_of_one_contact, exchange};

/// Names that only concern one connection, or that every hop writes anew.
const HOPS: &[&str] =
    &["host", "connection", "transfer-encoding", "content-length", "forwarded", "x-forwarded-for", "date"];

/// The other headers; those of one name keep their order, and among names there is none.
fn end_to_end(message: &Message) -> Vec<(String, String)> {
    let lower = message.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    let mut headers: Vec<_> = lower.filter(|(name, _)| !HOPS.contains(&name.as_str())).collect();
    headers.sort_by(|one, other| one.0.cmp(&other.0));
    headers
}

fn is_etag(name: &str) -> bool {
    name.eq_ignore_ascii_case("etag")
}

fn pick<'a>(random: &mut StdRng, of: &[&'a str]) -> &'a str {
    of[random.random_range(0..of.len())]
}

fn headers(random: &mut StdRng, names: &[&str]) -> String {
    let mut head = String::new();
    for _ in 0..random.random_range(0..6) {
        let length = random.random_range(0..40);
        let value: String = (0..length).map(|_| char::from(random.random_range(b' '..=b'~'))).collect();
        let _ = write!(head, "{}: {}\r\n", pick(random, names), value.trim());
    }
    head
}

/// Framing, body as it goes over the wire, body as it is meant.
fn body(random: &mut StdRng) -> (String, Vec<u8>, Vec<u8>) {
    let length = if random.random_bool(0.05) { random.random_range(0..200_000) } else { random.random_range(0..500) };
    let mut body = vec![0; length];
    random.fill(&mut body[..]);
    if random.random_bool(0.5) {
        return (format!("Content-Length: {length}\r\n"), body.clone(), body);
    }
    let mut framed = Vec::new();
    let mut rest = &body[..];
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(random.random_range(1..=rest.len()));
        framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
        rest = after;
    }
    framed.extend_from_slice(b"0\r\n\r\n");
    ("Transfer-Encoding: chunked\r\n".to_owned(), framed, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_random_exchanges_pass_byte_for_byte() {
    let seed = std::env::var("CRM_UNDO_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("replay: CRM_UNDO_SEED={seed} cargo test --test it passing::three_hundred");
    let mut random = StdRng::seed_from_u64(seed);
    let crm = Raw::start().await;
    let program = Program::before(&[("acme", &crm.url, &[])]);
    for number in 0..300 {
        let writes = ["/api/v4/leads", "/api/v4/tasks", "/api/v4/contacts/notes", "/api/v4/leads/5/link"];
        let (verb, route) = match random.random_range(0..4) {
            0 => ("GET", pick(&mut random, &["/api/v4/contacts", "/api/v4/leads/7", "/", "/x/y.z/~a/%20b"])),
            1 => ("OPTIONS", "/api/v4/leads"),
            2 => {
                ("PATCH", pick(&mut random, &["/api/v4/tasks", "/api/v4/leads/pipelines/5", "/api/v4/contacts/notes"]))
            }
            _ => ("POST", pick(&mut random, &writes)),
        };
        let mut target = route.to_owned();
        if random.random_bool(0.7) {
            target.push('?');
            let letters = b"abcXYZ019=&%[]-._~!$'()*+,;:@/?|";
            for _ in 0..random.random_range(0..30) {
                match letters[random.random_range(0..letters.len())] {
                    b'%' => target.push_str("%D0%9a"),
                    letter => target.push(char::from(letter)),
                }
            }
        }
        // Under the CRM's own name, or under another.
        let host = if random.random_bool(0.5) { crm.host() } else { "crm.local" };
        let mut request = format!("{verb} {target} HTTP/1.1\r\nHost: {host}\r\nX-Exchange: {number}\r\n");
        let names = ["X-One", "x-two", "Cookie", "ACCEPT", "X-Requested-With", "Authorization", "X-Tag"];
        request.push_str(&headers(&mut random, &names));
        let has_body = matches!(verb, "POST" | "PATCH");
        let (framing, framed, sent) = if has_body { body(&mut random) } else { Default::default() };
        let kind = pick(&mut random, &["application/json", "application/octet-stream", "text/plain"]);
        if has_body {
            let _ = write!(request, "Content-Type: {kind}\r\n");
        }
        let mut request = format!("{request}{framing}\r\n").into_bytes();
        request.extend(framed);

        let status =
            pick(&mut random, &["200 OK", "201 Created", "202 Accepted", "404 Not Found", "422 Odd", "500 Oh"]);
        let kind = pick(&mut random, &["application/hal+json", "application/octet-stream", "text/html"]);
        let more = headers(&mut random, &["Set-Cookie", "X-A", "x-b", "ETag", "Link-Of-Mine"]);
        let (framing, framed, meant) = body(&mut random);
        let mut answer = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{more}{framing}\r\n").into_bytes();
        let without_body = answer.clone();
        answer.extend(framed);
        crm.answers.lock().expect("not poisoned").insert(number.to_string(), answer);

        let mut got = exchange(program.address(), &request).await;
        let of = || format!("seed {seed}, exchange {number}: {verb} {target}");
        let heard = crm.heard_of(&number.to_string()).unwrap_or_else(|| panic!("{}: {got:?}", of()));
        assert_eq!(heard.first, format!("{verb} {target} HTTP/1.1"), "{}", of());
        let wanted = Message::parsed(&request);
        assert_eq!(end_to_end(&heard), end_to_end(&wanted), "{}", of());
        assert!(heard.body == sent, "{}: the request's body changed", of());
        assert_eq!(got.first.split(' ').nth(1), status.split(' ').next(), "{}", of());
        let mut wanted = Message::parsed(&without_body);
        // A JSON answer under another name may be given other links on its way, so its strong tags are not promised.
        if host == "crm.local" && kind.ends_with("json") {
            for (_, tag) in wanted.headers.iter_mut().chain(&mut got.headers).filter(|(name, _)| is_etag(name)) {
                *tag = tag.strip_prefix("W/").filter(|tag| tag.starts_with('"')).unwrap_or(tag).to_owned();
            }
        }
        assert_eq!(end_to_end(&got), end_to_end(&wanted), "{}", of());
        assert!(got.body == meant, "{}: the answer's body changed", of());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_chooses_the_account() {
    let (acme, beta) = (Raw::start().await, Raw::start().await);
    let program =
        Program::before(&[("acme", &acme.url, &["acme.local"]), ("beta", &beta.url, &["beta.local", "b.local:81"])]);
    for (number, host, of_acme, status) in [
        ("1", "acme.local", Some(true), 204),
        ("2", "ACME.local:8080", Some(true), 204),
        ("3", "beta.local", Some(false), 204),
        ("4", "b.local:81", Some(false), 204),
        ("5", "b.local", None, 421),
        ("6", "evil.example", None, 421),
    ] {
        let request = format!("GET /api/v4/account HTTP/1.1\r\nHost: {host}\r\nX-Exchange: {number}\r\n\r\n");
        let answer = exchange(program.address(), request.as_bytes()).await;
        assert_eq!(answer.status(), status, "{host}");
        let heard = (acme.heard_of(number).is_some(), beta.heard_of(number).is_some());
        assert_eq!(heard, (of_acme == Some(true), of_acme == Some(false)), "{host}");
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(text.as_bytes()).expect("memory");
    packer.finish().expect("memory")
}

#[tokio::test(flavor = "multi_thread")]
async fn links_of_the_crm_lead_back_through_the_gateway() {
    let crm = Raw::start().await;
    let program = Program::before(&[("acme", &crm.url, &[])]);
    let page = |base: &str| {
        let next = format!("{base}/api/v4/contacts?page=2");
        json!({"_links": {"next": {"href": next}}, "name": "https://elsewhere.example/x"}).to_string()
    };
    let escaped = page(&crm.url).replace('/', "\\/");
    let mut wanted_long = page("http://crm.local:8080");
    let mut long = page(&crm.url);
    for text in [&mut wanted_long, &mut long] {
        // Long answers stream.
        text.insert_str(text.len() - 1, &format!(",\"text\":\"{}\"", "x".repeat(200_000)));
    }
    for (number, coding, text, wanted) in [
        ("plain", "", &page(&crm.url), &page("http://crm.local:8080")),
        ("gzip", "Content-Encoding: gzip\r\n", &page(&crm.url), &page("http://crm.local:8080")),
        ("escaped", "", &escaped, &page("http://crm.local:8080").replace('/', "\\/")),
        ("long", "", &long, &wanted_long),
        ("long and gzip", "Content-Encoding: gzip\r\n", &long, &wanted_long),
    ] {
        let bytes = if coding.is_empty() { text.clone().into_bytes() } else { gzip(text) };
        let head = format!("200 OK\r\n{coding}Content-Type: application/hal+json");
        crm.answers_with(number, &head, &bytes);
        for (host, wanted) in [("crm.local:8080", wanted), (crm.host(), text)] {
            crm.heard.lock().expect("not poisoned").clear();
            let request = format!(
                "GET /api/v4/contacts HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\nX-Exchange: {number}\r\n\r\n"
            );
            let answer = exchange(program.address(), request.as_bytes()).await;
            let mut body = String::new();
            if answer.header("content-encoding").is_some() {
                flate2::read::MultiGzDecoder::new(&answer.body[..]).read_to_string(&mut body).expect("gzip");
            } else {
                body = String::from_utf8(answer.body).expect("text");
            }
            assert!(body == *wanted, "{number} as {host}: {}", &body[..body.len().min(300)]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_page_of_the_crm_arrives_as_it_is() {
    let crm = Raw::start().await;
    let program = Program::before(&[("acme", &crm.url, &[])]);
    let page = "<html><head><title>403 Forbidden</title></head><body>nginx</body></html>";
    for (number, verb, status, more) in [
        ("1", "GET", "429 Too Many Requests", "\r\nRetry-After: 3"),
        ("2", "POST", "429 Too Many Requests", ""),
        ("3", "GET", "403 Forbidden", ""),
        ("4", "POST", "403 Forbidden", ""),
        ("5", "GET", "504 Gateway Timeout", ""),
    ] {
        crm.answers_with(number, &format!("{status}{more}\r\nContent-Type: text/html"), page.as_bytes());
        let request = format!(
            "{verb} /api/v4/contacts HTTP/1.1\r\nHost: crm.local\r\nX-Exchange: {number}\r\nContent-Length: 0\r\n\r\n"
        );
        let answer = exchange(program.address(), request.as_bytes()).await;
        assert_eq!(answer.first, format!("HTTP/1.1 {status}"));
        assert_eq!(answer.header("content-type"), Some("text/html"), "{status}");
        assert_eq!(answer.header("retry-after"), if more.is_empty() { None } else { Some("3") }, "{status}");
        assert_eq!(String::from_utf8(answer.body).expect("text"), page, "{status}");
        assert!(crm.heard_of(number).is_some(), "once, and not again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_told_and_the_crm_never_sees_more_than_its_limit() {
    let setup = Setup {
        crm_requests_per_second: 7,
        requests_per_second: 7,
        gateway: "max_connections_per_address = 600\n".into(),
        ..Setup::default()
    };
    let world = World::with(setup).await;
    let until = Instant::now() + Duration::from_secs(6);
    // Sixty clients with six connections each: more than can have their turn within the longest wait.
    let clients = (0..360).map(|_| {
        let request = world.through(Method::GET, "/api/v4/account");
        async move {
            let mut seen = Vec::new();
            while Instant::now() < until {
                let left = until.saturating_duration_since(Instant::now());
                let again = request.try_clone().expect("no body");
                let Ok(answer) = tokio::time::timeout(left, again.send()).await else { break };
                let answer = answer.expect("an answer");
                let wait = answer.headers().get("retry-after").and_then(|wait| wait.to_str().ok()?.parse::<u64>().ok());
                seen.push((answer.status(), wait));
                if let Some(wait) = wait {
                    tokio::time::sleep(Duration::from_secs(wait).min(left)).await;
                }
            }
            seen
        }
    });
    let seen: Vec<(StatusCode, Option<u64>)> = futures::future::join_all(clients).await.concat();
    let served = seen.iter().filter(|(status, _)| *status == StatusCode::OK).count();
    let told = seen.iter().filter(|answer| matches!(answer, (StatusCode::TOO_MANY_REQUESTS, Some(1..)))).count();
    assert_eq!(served + told, seen.len(), "an answer, or 429 with Retry-After");
    assert!(served >= 20, "{served} served");
    assert!(told >= 60, "{told} told to wait");
    let mut heard: Vec<jiff::Timestamp> = Vec::new();
    for request in world.heard("requests").await {
        assert_ne!(request["status"], 429, "the CRM had to refuse");
        heard.push(request["at"].as_str().expect("a time").parse().expect("a time"));
    }
    heard.sort();
    for eight in heard.windows(8) {
        let apart = eight[7].duration_since(eight[0]);
        assert!(apart.as_millis() >= 1000, "eight requests within {apart}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_over_its_cap_waits_and_others_do_not() {
    let world = World::with(Setup { gateway: "client_requests_per_second = 1\n".into(), ..Setup::default() }).await;
    let names: Vec<Value> = (0..12).map(|n| json!({"name": format!("Contact {n}")})).collect();
    let ids = world.create("contacts", Value::Array(names)).await;
    let deletes = futures::future::join_all(ids.iter().map(|id| world.delete("contacts", std::slice::from_ref(id))));
    let reads = futures::future::join_all(
        ids.iter().map(|id| world.through(Method::GET, &format!("/api/v4/contacts/{id}")).send()),
    );
    let other = world.http.get(format!("{}/api/v4/account", world.gateway)).bearer_auth(OWN).send();
    let (deletes, reads, other) = tokio::join!(deletes, reads, other);
    assert_eq!(other.expect("an answer").status(), StatusCode::OK, "another client is not held back");
    let mut passed = 0;
    let mut told = 0;
    for answer in deletes.into_iter().chain(reads.into_iter().map(|read| read.expect("an answer"))) {
        if answer.status() != StatusCode::TOO_MANY_REQUESTS {
            passed += usize::from(answer.headers().contains_key("undo-id"));
            continue;
        }
        told += 1;
        assert!(answer.headers().contains_key("retry-after") && !answer.headers().contains_key("undo-id"));
        let text = answer.text().await.expect("a body");
        assert!(text.contains("client_over_its_cap") && !text.contains(CALLER), "{text}");
    }
    assert!(told >= 12, "only {told} of 24 were told to wait");
    let gone = world.effects("deleted", "contacts").await.len();
    assert_eq!(gone, passed, "what was told to wait was not carried out");
    let operations = world.see("/api/v1/operations?limit=200").await["operations"].as_array().expect("a list").len();
    assert_eq!(operations, gone, "nor written down");
    // Who waits is served.
    world
        .until("the client is served again", async || {
            let answer = world.through(Method::GET, "/api/v4/account").send().await.expect("an answer");
            (answer.status() == StatusCode::OK).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_under_way_finishes_when_the_program_is_told_to_stop() {
    let mut world = World::start().await;
    let anna = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
    let fault = json!({"method": "POST", "path": "multiple/delete", "when": "after", "do": "delay", "delay_ms": 3000, "times": 1});
    world.control("faults", fault).await;
    let request = world.through(Method::POST, "/ajax/contacts/multiple/delete/");
    let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(format!("ID[]={anna}"));
    let sent = tokio::spawn(request.send());
    world
        .until("the delete is on its way", async || {
            (world.see("/api/v1/operations").await["operations"][0]["state"] == "open").then_some(())
        })
        .await;
    let (status, took) = tokio::task::block_in_place(|| world.terminate());
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(30), "{took:?}");
    let answer = sent.await.expect("no panic").expect("the answer is finished");
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers().contains_key("undo-id"));
    world.start_again();
    assert_eq!(world.see("/api/v1/operations").await["operations"][0]["state"], "confirmed");
    assert_eq!(world.bin("").await[0]["state"], "deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_by_readyz_with_the_reason() {
    let world = World::with(Setup { min_free_bytes: 1 << 62, ..Setup::default() }).await;
    let answer = world.http.get(format!("{}/readyz", world.console)).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let text = answer.text().await.expect("a body");
    assert!(text.contains("bytes free") && text.contains(&(1_u64 << 62).to_string()), "{text}");
    let alive = world.http.get(format!("{}/healthz", world.console)).send().await.expect("an answer");
    assert_eq!(alive.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_answer_to_a_delete_is_never_taken_for_success() {
    let html = "<html><body>Log in</body></html>";
    for (what, odd) in [
        ("a page", ResponseTemplate::new(200).set_body_raw(html, "text/html")),
        ("nothing", ResponseTemplate::new(200)),
        ("a redirect", ResponseTemplate::new(302).insert_header("Location", "/login")),
        ("a broken page", ResponseTemplate::new(500).set_body_raw(html, "text/html")),
        ("half of JSON", ResponseTemplate::new(200).set_body_raw("{\"status\":\"succ", "application/json")),
    ] {
        let crm = crm_of_one_contact().await;
        Mock::given(method("POST")).and(path_regex("multiple/delete")).respond_with(odd).mount(&crm).await;
        let program = Program::before(&[("acme", &crm.uri(), &[])]);
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let http = http.timeout(Duration::from_mins(1)).build().expect("a client");
        let request = http.post(format!("{}/ajax/contacts/multiple/delete/", program.gateway)).bearer_auth(CALLER);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded").body("ID[]=5");
        let answer = request.send().await.expect("an answer");
        let posts = crm.received_requests().await.expect("recorded").into_iter();
        let posts = posts.filter(|request| request.method.as_str() == "POST").count();
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert_eq!(posts, 1, "{what}: sent once, and not again: {status} {text}");
        assert!(!status.is_success(), "{what}: {status} {text}");
        let see = async |path: &str| {
            let request = http.get(format!("{}{path}", program.console)).bearer_auth(crate::support::ADMIN);
            request.send().await.expect("an answer").json::<Value>().await.expect("JSON")
        };
        let state = see("/api/v1/operations").await["operations"][0]["state"].clone();
        let honest = ["open", "unknown", "refused", "not_sent", "needs_review"];
        assert!(honest.contains(&state.as_str().unwrap_or_default()), "{what}: {state}");
        let entries = see("/api/v1/entries").await["entries"].clone();
        let claimed = entries.as_array().expect("entries").iter().any(|entry| entry["state"] == "deleted");
        assert!(!claimed, "{what}: the record is still there: {entries}");
    }
}
