//! Generated spellings without sockets: the gateway's own judgement, then the most lenient CRM, both in this process.
//! What becomes of bytes before they are a request (framing, connections) is asked by `generator` alone.

use bytes::Bytes;
use crm_undo::fuzzing::{Leaving, leaving};
use http::{Request, Uri};
use mock_server::{Lenient, Options};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::{Value, json};

use super::corpus::{HOST, KINDS, bytes, corpus, shown};
use super::generator::spelling;
use super::judge::Ids;
use crate::support::CALLER;

/// What passes creates records; after so many spellings the account begins anew.
const ROUND: u64 = 20_000;

/// Judges so many; what they came to. Panics at an escape, with its bytes.
pub fn run(seed: u64, count: u64) -> String {
    let mut rng = StdRng::seed_from_u64(seed);
    let lines = corpus();
    let (mut asked, mut passed, mut deleted, mut done) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut escaped = Vec::new();
    while done < count {
        let (mut crm, ids) = account();
        let rendered: Vec<Vec<u8>> = lines.iter().map(|line| bytes(&line.request, &|kind| ids[&kind])).collect();
        for _ in 0..ROUND.min(count - done) {
            let request = rendered.choose(&mut rng).expect("some");
            let request = spelling(request, rendered.choose(&mut rng).expect("some"), 4, &mut rng);
            done += 1;
            for request in requests(&request) {
                asked += 1;
                let (sent, named) = match leaving(&request) {
                    None => continue,
                    Some(Leaving::Passes(sent)) => (sent, Vec::new()),
                    Some(Leaving::Deletes(sent, named)) => (sent, named),
                };
                passed += u64::from(named.is_empty());
                let destroyed = crm.act(&sent).destroyed;
                if destroyed.is_empty() {
                    continue;
                }
                deleted += 1;
                if !destroyed.iter().all(|gone| named.contains(gone)) {
                    let text = format!("{} {} {:?}", sent.method(), sent.uri(), sent.headers());
                    escaped.push(format!("{destroyed:?}, {named:?} named, by {text}\n    {}", shown(sent.body())));
                }
                // The same account again, whole.
                crm = account().0;
            }
        }
    }
    assert!(escaped.is_empty(), "seed {seed}: {} escapes:\n{}", escaped.len(), escaped.join("\n"));
    // The test would be blind if nothing passed.
    assert!(passed * 100 > count && deleted * 500 > count, "only {passed} of {count} passed, {deleted} deleted");
    format!("{asked} requests, {passed} passed as no delete, {deleted} deleted what they name")
}

/// Requests as the gateway's HTTP library would find them in these bytes; what it would refuse ends them.
fn requests(mut bytes: &[u8]) -> Vec<Request<Bytes>> {
    let mut found = Vec::new();
    while let Some((request, rest)) = first(bytes) {
        found.push(request);
        bytes = rest;
    }
    found
}

fn first(bytes: &[u8]) -> Option<(Request<Bytes>, &[u8])> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(length)) = head.parse(bytes) else { return None };
    let uri: Uri = head.path?.parse().ok()?;
    let version = if head.version == Some(1) { http::Version::HTTP_11 } else { http::Version::HTTP_10 };
    let mut built = Request::builder().method(head.method?).uri(uri).version(version);
    for header in head.headers.iter() {
        built = built.header(header.name, header.value);
    }
    let request = built.body(Bytes::new()).ok()?;
    let rest = &bytes[length..];
    let lengths: Vec<_> = request.headers().get_all(http::header::CONTENT_LENGTH).iter().collect();
    let chunked = request.headers().contains_key(http::header::TRANSFER_ENCODING);
    let (body, rest) = match (chunked, lengths.as_slice()) {
        (false, []) => (Bytes::new(), rest),
        (false, [length]) => {
            let length: usize = length.to_str().ok()?.parse().ok()?;
            (Bytes::copy_from_slice(rest.get(..length)?), &rest[length..])
        }
        (true, []) => unchunked(rest)?,
        _ => return None,
    };
    Some((request.map(|_| body), rest))
}

fn unchunked(mut rest: &[u8]) -> Option<(Bytes, &[u8])> {
    let mut body = Vec::new();
    loop {
        let httparse::Status::Complete((at, size)) = httparse::parse_chunk_size(rest).ok()? else { return None };
        let size = usize::try_from(size).ok()?;
        rest = &rest[at..];
        if size == 0 {
            // Trailers would be dropped.
            return Some((body.into(), rest.strip_prefix(b"\r\n")?));
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest[size..].strip_prefix(b"\r\n")?;
    }
}

/// An account with a record of each kind to aim at.
fn account() -> (Lenient, Ids) {
    let crm = Lenient::new(Options { tokens: vec![("caller".into(), CALLER.into())], ..Options::default() });
    let make = |path: &str, item: Value| {
        let request = Request::post(format!("/api/v4/{path}"))
            .header("host", HOST)
            .header("authorization", format!("Bearer {CALLER}"))
            .body(Bytes::from(Value::Array(vec![item]).to_string()))
            .expect("a request");
        let made = crm.act(&request);
        assert!(made.status.is_success(), "{path}: {} {}", made.status, made.body);
        let listed = made.body["_embedded"].as_object().and_then(|embedded| embedded.values().next());
        listed.and_then(|listed| listed[0]["id"].as_u64()).unwrap_or_default()
    };
    let mut ids = Ids::new();
    for (kinds, path, name) in [
        ("cmk", "contacts", "aim"),
        ("ld", "leads", "aim"),
        ("o", "companies", "aim"),
        ("s", "customers/segments", "aim"),
    ] {
        ids.extend(kinds.chars().map(|kind| (kind, make(path, json!({"name": name})))));
    }
    ids.insert('t', make("tasks", json!({"text": "aim", "complete_till": 1_900_000_000})));
    let note = json!({"entity_id": ids[&'m'], "note_type": "common", "params": {"text": "aim"}});
    ids.insert('n', make("contacts/notes", note));
    ids.insert('u', make("customers", json!({"name": "aim", "next_date": 1_900_000_000})));
    ids.insert('x', make(&format!("customers/{}/transactions", ids[&'u']), json!({"price": 10})));
    ids.insert('g', make("catalogs", json!({"name": "aim", "type": "regular"})));
    ids.insert('e', make(&format!("catalogs/{}/elements", ids[&'g']), json!({"name": "aim"})));
    make(&format!("leads/{}/link", ids[&'d']), json!({"to_entity_id": ids[&'k'], "to_entity_type": "contacts"}));
    assert!(KINDS.iter().all(|kind| ids.contains_key(kind)), "{ids:?}");
    (crm, ids)
}
