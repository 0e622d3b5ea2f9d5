//! What destroys nothing passes as it came.

use std::fmt::Write as _;
use std::io::Read;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::fake::List;
use super::world::{Message, World, ok, read};
use crate::domain::record::RecordRef;
use crate::gateway::Limits;

/// Names that only concern one connection, or that every hop writes anew.
const HOPS: &[&str] = &[
    "host",
    "connection",
    "transfer-encoding",
    "content-length",
    "keep-alive",
    "forwarded",
    "x-forwarded-for",
    "date",
];

fn end_to_end(message: &Message) -> Vec<(String, String)> {
    let mut headers: Vec<_> = message
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .filter(|(name, _)| !HOPS.contains(&name.as_str()))
        .collect();
    // Headers of one name keep their order; among names there is none.
    headers.sort_by(|a, b| a.0.cmp(&b.0));
    headers
}

fn random_headers(random: &mut StdRng, head: &mut String) {
    for _ in 0..random.random_range(0..5) {
        let name = ["X-One", "x-two", "Cookie", "ACCEPT", "X-Requested-With", "Authorization", "X-Three", "X-Tag"];
        let name = name[random.random_range(0..name.len())];
        let length = random.random_range(0..30);
        let value: String = (0..length).map(|_| char::from(random.random_range(b' '..=b'~'))).collect();
        let _ = write!(head, "{name}: {}\r\n", value.trim());
    }
}

/// A body, framed one way or the other; sometimes none at all.
fn random_body(random: &mut StdRng, head: &mut String, may_lack: bool) -> (Vec<u8>, Vec<u8>) {
    let length = if random.random_bool(0.1) { random.random_range(0..150_000) } else { random.random_range(0..400) };
    let mut body = vec![0; length];
    random.fill(&mut body[..]);
    match random.random_range(0..3) {
        0 if may_lack => {
            head.push_str("\r\n");
            (vec![], vec![])
        }
        1 => {
            head.push_str("Transfer-Encoding: chunked\r\n\r\n");
            let mut framed = Vec::new();
            let mut rest = &body[..];
            while !rest.is_empty() {
                let size = random.random_range(1..=rest.len());
                framed.extend_from_slice(format!("{size:x};ext=1\r\n").as_bytes());
                framed.extend_from_slice(&rest[..size]);
                framed.extend_from_slice(b"\r\n");
                rest = &rest[size..];
            }
            framed.extend_from_slice(if random.random_bool(0.3) { b"0\r\nX-T: 1\r\n\r\n" } else { b"0\r\n\r\n" });
            (body, framed)
        }
        _ => {
            let _ = write!(head, "Content-Length: {length}\r\n\r\n");
            (body.clone(), body)
        }
    }
}

fn random_target(random: &mut StdRng, safe: bool) -> String {
    let mut target = String::new();
    let paths: &[&str] = if safe {
        &["/api/v4/leads", "//api//x", "/a/%2e%2e/b", "/a/../b", "/%D0%B8;x", "/a\\b", "/x%", "/", "/a%252f"]
    } else {
        &["/api/v4/leads", "/api/v4/contacts/1/", "/ajax/x", "/a%20b", "/"]
    };
    target.push_str(paths[random.random_range(0..paths.len())]);
    if random.random_bool(0.7) {
        target.push('?');
        for _ in 0..random.random_range(0..5) {
            let parts =
                ["filter[id][]=1", "&", "a=%2e%2E", "with=a,b", "a+b=c%20d", "=", "??", "x;y", "//", "page=2&page=1"];
            target.push_str(parts[random.random_range(0..parts.len())]);
        }
    }
    target
}

/// What the CRM answers to the number in `x-number`.
fn answer_to(seed: u64) -> (Message, Vec<u8>) {
    let mut random = StdRng::seed_from_u64(seed);
    let status = [200, 201, 202, 204, 301, 304, 400, 401, 404, 422, 429, 500, 503][random.random_range(0..13)];
    let mut head = format!("HTTP/1.1 {status} Whatever\r\nContent-Type: application/hal+json\r\n");
    random_headers(&mut random, &mut head);
    let (body, framed) = if matches!(status, 204 | 304) {
        head.push_str("\r\n");
        (vec![], vec![])
    } else {
        random_body(&mut random, &mut head, false)
    };
    let headers = head.split("\r\n").skip(1).filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let first = format!("HTTP/1.1 {status}");
    (Message { first, headers, body }, [head.into_bytes(), framed].concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_random_exchanges_pass_byte_for_byte() {
    let seed: u64 = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_260_101);
    println!("replay with SEED={seed}");
    let world = World::new(|heard| {
        // An answer to HEAD would need no body; the test sends none.
        answer_to(heard.one("x-number").and_then(|number| number.parse().ok()).unwrap_or_default()).1
    })
    .await;
    let mut random = StdRng::seed_from_u64(seed);
    let mut client = world.connect().await;
    for number in 0..2000_u64 {
        let method = ["GET", "OPTIONS", "POST", "PUT", "PATCH"][random.random_range(0..5)];
        let target = random_target(&mut random, matches!(method, "GET" | "OPTIONS"));
        // Every second one under the CRM's own name: then nothing at all is looked at.
        let host = if random.random_bool(0.5) { world.crm.to_string() } else { "gate.example:80".to_owned() };
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nX-Number: {number}\r\n");
        random_headers(&mut random, &mut head);
        let sent_head = head.clone();
        // A read with a body is looked at like a write: what is no JSON and no form does not pass.
        let (body, framed) = if matches!(method, "GET" | "OPTIONS") {
            head.push_str("\r\n");
            (vec![], vec![])
        } else {
            random_body(&mut random, &mut head, true)
        };
        client.write(&[head.as_bytes(), &framed].concat()).await;
        let told = client.read().await.unwrap_or_else(|| panic!("{number}: no answer to {sent_head}"));
        let heard = world.heard().pop().expect("the CRM heard it");
        world.heard.lock().unwrap().clear();

        assert_eq!(heard.first, format!("{method} {target} HTTP/1.1"), "{number}");
        assert_eq!(heard.body, body, "{number}: body of {sent_head}");
        let (expected, _) = answer_to(number);
        assert_eq!(told.status(), expected.status(), "{number}");
        assert_eq!(told.body, expected.body, "{number}: answer");
        assert_eq!(end_to_end(&told), end_to_end(&expected), "{number}: answer");
        let lines = sent_head.split("\r\n").skip(1).filter_map(|line| line.split_once(": "));
        let sent = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let sent = Message { headers: sent, ..Message::default() };
        assert_eq!(end_to_end(&heard), end_to_end(&sent), "{number}: request");
        // A length stays a length, and chunks stay chunks.
        if head.contains("Content-Length") {
            assert_eq!(heard.one("content-length"), Some(body.len().to_string().as_str()), "{number}");
        }
        if told.one("connection") == Some("close") {
            client = world.connect().await;
        }
    }
}

#[tokio::test]
async fn repeated_slashes_are_folded_where_something_may_change() {
    let world = World::new(|_| ok("{}")).await;
    let post = "POST //api///v4/leads?a=//b HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(world.say(post).await.unwrap().status(), 200);
    assert_eq!(world.heard()[0].first, "POST /api/v4/leads?a=//b HTTP/1.1");
    let get = "GET //evil.example/x HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(world.say(get).await.unwrap().status(), 200);
    assert_eq!(world.heard()[1].first, "GET //evil.example/x HTTP/1.1");
    assert_eq!(world.heard()[1].one("host"), Some(world.crm.to_string().as_str()), "the host is never the client's");
}

#[tokio::test]
async fn a_read_that_deletes_is_seen_in_every_spelling() {
    let world = World::new(|_| ok("{}")).await;
    for path in [
        "/delete-by-get",
        "//delete-by-get",
        "/%64elete-by-get",
        "/x/../delete-by-get",
        "/delete-by-get;x",
        "/x%2f..%2fdelete-by-get",
    ] {
        let told = world.say(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await.unwrap();
        assert!(matches!(told.status(), 400 | 403), "{path}: {}", told.first);
    }
    assert!(world.heard().is_empty());
}

#[tokio::test]
async fn links_lead_back_when_the_client_came_under_another_name() {
    let world = World::new(|heard| {
        let own = heard.one("host").unwrap();
        let mut body = format!("{{\"next\":\"http://{own}/api?page=2\",\"x\":\"http:\\/\\/{own}\\/b\"}}");
        if heard.first.contains("/long") {
            body.push_str(&" ".repeat(200_000));
        }
        if heard.one("accept-encoding").is_none() {
            return ok(&body);
        }
        let mut pack = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut pack, body.as_bytes()).unwrap();
        let packed = pack.finish().unwrap();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nLocation: http://{own}/l\r\n\
             Content-Length: {}\r\n\r\n",
            packed.len()
        );
        [head.into_bytes(), packed].concat()
    })
    .await;
    let expected = "{\"next\":\"http://gate.example:8080/api?page=2\",\"x\":\"http:\\/\\/gate.example:8080\\/b\"}";
    for target in ["/short", "/long"] {
        let told = world.say(format!("GET {target} HTTP/1.1\r\nHost: gate.example:8080\r\n\r\n")).await.unwrap();
        assert_eq!(told.text().trim_end(), expected, "{target}");
        let packed = format!("GET {target} HTTP/1.1\r\nHost: gate.example:8080\r\nAccept-Encoding: gzip, br\r\n\r\n");
        let told = world.say(packed).await.unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&told.body[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text.trim_end(), expected, "{target} packed");
        assert_eq!(told.one("location"), Some("http://gate.example:8080/l"));
    }
    assert_eq!(world.heard()[1].one("accept-encoding"), Some("gzip, br"), "as the client said it");
    let own = world.crm;
    let told = world.say(format!("GET /short HTTP/1.1\r\nHost: {own}\r\n\r\n")).await.unwrap();
    assert!(told.text().contains(&format!("http://{own}/api")), "under the CRM's own name nothing is changed");
}

#[tokio::test]
async fn an_answer_to_head_keeps_its_length_and_has_no_body() {
    let world =
        World::new(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nContent-Type: text/html\r\n\r\n".to_vec()).await;
    let mut client = world.connect().await;
    for _ in 0..2 {
        client.write(b"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let told = client.read_head().await.unwrap();
        assert_eq!((told.status(), told.one("content-length")), (200, Some("1234")));
    }
}

#[tokio::test]
async fn old_ids_are_followed() {
    let moved = vec![(RecordRef::new("records", 7), RecordRef::new("records", 70))];
    let limits = Limits { connections_per_address: 100, ..Limits::default() };
    let world = World::with(|_| ok("{}"), limits, List { moved, ..List::default() }).await;
    let told = world.say("GET /records/7?with=x HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(world.heard()[0].first, "GET /records/70?with=x HTTP/1.1");
    assert_eq!(told.one("content-location"), Some("/records/70?with=x"));
    let told = world.say("GET /records/8 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(world.heard()[1].first, "GET /records/8 HTTP/1.1");
    assert_eq!(told.one("content-location"), None);
    let form = "POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nread=7";
    assert_eq!(world.say(form).await.unwrap().status(), 200);
    assert_eq!(world.heard()[2].body, b"delete=70", "what is recognized is what is sent, in new ids");
}

#[tokio::test]
async fn an_absent_crm_is_told_honestly() {
    let world =
        World::new(|heard| if heard.first.contains("/silent") { vec![] } else { b"garbage\r\n\r\n".to_vec() }).await;
    let told = world.say("GET /silent HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(told.status(), 502);
    let told = world.say("POST /silent HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    assert_eq!((told.status(), told.text().contains("outcome_unknown")), (504, true), "{}", told.text());
    let told = world.say("GET /garbage HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(told.status(), 502);
}

#[tokio::test]
async fn http_1_0_is_served() {
    let world =
        World::new(|_| b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n".to_vec()).await;
    let mut client = world.connect().await;
    client.write(b"GET /x HTTP/1.0\r\n\r\n").await;
    let told = read(&mut client.stream, &mut client.held, false).await.unwrap();
    assert_eq!((told.status(), told.text().as_str(), told.one("transfer-encoding")), (200, "ab", None));
}
