//! What the archive costs the way of a delete: the real engine against a mock CRM without limits, over the store on
//! disk and over the one in memory, in turns; the ratio of the two is what counts.
//!
//! `cargo bench --bench deletes -- [--deletes 400] [--rounds 5]`

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use crm_undo::archive::durable::{Options, open};
use crm_undo::archive::memory::Memory;
use crm_undo::archive::{EntryFilter, Store};
use crm_undo::crm::upstream::{Ask, Upstream, UpstreamConfig};
use crm_undo::crm::{Access, Head, Lane, vendors};
use crm_undo::domain::delete::Recognised;
use crm_undo::domain::policy::Policy;
use crm_undo::domain::world::{Clock, Names};
use crm_undo::engine::delete::{DeleteAnswer, DeleteRequest};
use crm_undo::engine::{Connection, Engine};
use http::Request;
use jiff::Timestamp;
use mock_server::MockServer;
use serde_json::{Value, json};
use uuid::Uuid;

/// Deletes under way at once.
const CALLERS: usize = 64;

#[derive(Debug)]
struct Real;
impl Clock for Real {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
impl Names for Real {
    fn fresh(&self) -> Uuid {
        Uuid::now_v7()
    }
}

struct Side {
    name: &'static str,
    engine: Engine,
    connection: Connection,
    rates: Vec<f64>,
}

fn connection(crm: &MockServer) -> Connection {
    let config = UpstreamConfig {
        token: Some("demo-token".to_owned().into()),
        requests_per_second: 0,
        ..UpstreamConfig::new(crm.url().parse().expect("an address"))
    };
    Connection {
        name: "acme".into(),
        connector: vendors().remove(0),
        upstream: Arc::new(Upstream::new(config).expect("an upstream")),
        has_own_token: true,
    }
}

fn side(name: &'static str, crm: &MockServer, store: Arc<dyn Store>) -> Side {
    let connection = connection(crm);
    let engine = Engine::new(store, vec![connection.clone()], Policy::default(), Arc::new(Real), Arc::new(Real));
    Side { name, engine, connection, rates: Vec::new() }
}

async fn post(connection: &Connection, path: &str, items: Vec<Value>) -> Vec<u64> {
    let ask = Ask::post(path, &Value::Array(items));
    let answer = connection.upstream.ask(&Access::Own, Lane::Live, ask).await.expect("an answer");
    let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let rows = body["_embedded"].as_object().and_then(|lists| lists.values().next()).expect("a list");
    rows.as_array().expect("a list").iter().map(|row| row["id"].as_u64().expect("an id")).collect()
}

/// Contacts with a note and a task each.
async fn contacts(connection: &Connection, count: usize) -> Vec<u64> {
    let mut made = Vec::with_capacity(count);
    while made.len() < count {
        let some = (count - made.len()).min(50);
        let contact = |n: usize| json!({"name": format!("Anna {n}"), "first_name": "Anna", "last_name": "Serova"});
        let ids = post(connection, "/api/v4/contacts", (0..some).map(contact).collect()).await;
        let note = |id: &u64| json!({"entity_id": id, "note_type": "common", "params": {"text": "a word about her"}});
        post(connection, "/api/v4/contacts/notes", ids.iter().map(note).collect()).await;
        let task = |id: &u64| json!({"text": "call", "complete_till": 1_900_000_000, "entity_type": "contacts", "entity_id": id});
        post(connection, "/api/v4/tasks", ids.iter().map(task).collect()).await;
        made.extend(ids);
    }
    made
}

fn request(connection: &Connection, id: u64) -> DeleteRequest {
    let body = Bytes::from(format!("ID[]={id}"));
    let mut request = Request::post("/ajax/contacts/multiple/delete/").body(body).expect("a request");
    let headers = request.headers_mut();
    headers.insert("authorization", "Bearer demo-token".parse().expect("a value"));
    headers.insert("content-type", "application/x-www-form-urlencoded".parse().expect("a value"));
    headers.insert("x-requested-with", "XMLHttpRequest".parse().expect("a value"));
    let head = Head {
        method: request.method(),
        path: request.uri().path(),
        query: request.uri().query(),
        headers: request.headers(),
    };
    match connection.connector.recognise(&head, request.body()) {
        Recognised::Delete(intent) => DeleteRequest { request, intent },
        other => panic!("not a delete: {other:?}"),
    }
}

/// Deletes all of them, each by a request of its own; how many a second.
async fn delete_all(side: &Side, ids: Vec<u64>) -> f64 {
    let count = ids.len();
    let requests: Arc<[DeleteRequest]> = ids.into_iter().map(|id| request(&side.connection, id)).collect();
    let (next, begun) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (engine, next, requests) = (side.engine.clone(), Arc::clone(&next), Arc::clone(&requests));
            tokio::spawn(async move {
                while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match engine.delete("acme", request.clone()).await {
                        DeleteAnswer::Forwarded { operation: Some(_), .. } => {}
                        other => panic!("not deleted: {other:?}"),
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("ran");
    }
    f64::from(u32::try_from(count).expect("few")) / begun.elapsed().as_secs_f64()
}

fn median(rates: &[f64]) -> f64 {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn argument(name: &str, otherwise: usize) -> usize {
    let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
    arguments.next().and_then(|count| count.parse().ok()).unwrap_or(otherwise)
}

async fn run(deletes: usize, rounds: usize) {
    let options = mock_server::Options { requests_per_second: 0, account_requests_per_second: 0, ..Default::default() };
    let crm = MockServer::start(options).await.expect("the mock");
    let dir = tempfile::tempdir_in(std::env::var_os("BENCH_DIR").unwrap_or_else(|| "target".into())).expect("a dir");
    let options =
        Options { dir: dir.path().to_owned(), key_file: None, key: None, min_free_bytes: 1, clock: Arc::new(Real) };
    let durable = Arc::new(open(options).expect("an archive"));
    let mut sides =
        [side("in memory", &crm, Arc::new(Memory::new(Arc::new(Real)))), side("on disk", &crm, durable.clone())];
    println!("{rounds} rounds of {deletes} deletes, {CALLERS} at once\n");
    for round in 0..=rounds {
        for side in &mut sides {
            let ids = contacts(&side.connection, deletes).await;
            let rate = delete_all(side, ids).await;
            // The first round warms up.
            if round > 0 {
                side.rates.push(rate);
                println!("round {round}: {:10} {rate:8.0} deletes/s", side.name);
            }
        }
    }
    for side in &sides {
        let kept = side.engine.bin().entries(&EntryFilter { limit: 1, ..EntryFilter::default() }).await;
        assert_eq!(kept.expect("listed").rows.len(), 1, "{}: nothing in the bin", side.name);
    }
    let ratios: Vec<f64> = sides[1].rates.iter().zip(&sides[0].rates).map(|(disk, memory)| disk / memory).collect();
    println!("\nmedians: in memory {:.0}/s, on disk {:.0}/s", median(&sides[0].rates), median(&sides[1].rates));
    println!("of the same way with a store in memory (floor 0.70): {:.2}", median(&ratios));
}

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run(argument("--deletes", 400), argument("--rounds", 5)));
}
