//! What is made of the CRM's limit, against a mock that refuses the eighth request in any second: how much of the
//! budget a full queue uses, and what reading 10,000 contacts whole costs.
//!
//! `cargo bench --bench budget -- [queue] [snapshots]`; both take about two minutes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crm_undo::crm::upstream::{Ask, Upstream, UpstreamConfig};
use crm_undo::crm::{Access, Connector, Fetched, Lane, Reach, vendors};
use crm_undo::domain::record::RecordRef;
use jiff::Timestamp;
use mock_server::MockServer;
use serde_json::{Value, json};

/// Of the mock and of us.
const PER_SECOND: u32 = 7;
const QUEUE_FOR: Duration = Duration::from_mins(1);
const CONTACTS: usize = 10_000;
const BATCH: usize = 250;
/// The fewest that the target counts: seven for each batch.
const FEWEST: f64 = 280.0;

async fn mock() -> MockServer {
    let options = mock_server::Options {
        // The mock's owner fills it without limit; ours is the integration that is counted.
        requests_per_second: 0,
        account_requests_per_second: 0,
        ..mock_server::Options::default()
    };
    MockServer::start(options).await.expect("the mock")
}

fn upstream(crm: &MockServer, per_second: u32) -> Arc<Upstream> {
    let config = UpstreamConfig {
        token: Some("demo-token".to_owned().into()),
        requests_per_second: per_second,
        live_reserve: per_second.min(2),
        ..UpstreamConfig::new(crm.url().parse().expect("an address"))
    };
    Arc::new(Upstream::new(config).expect("an upstream"))
}

async fn call(upstream: &Upstream, ask: Ask) -> Value {
    let answer = upstream.ask(&Access::Own, Lane::Live, ask).await.expect("an answer");
    assert!(answer.status.is_success(), "{}", answer.status);
    serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
}

/// From here on the mock counts strictly.
async fn limit(free: &Upstream) {
    call(free, Ask::post("/_mock/limits", &json!({"requests_per_second": PER_SECOND}))).await;
}

/// Requests heard after `since`: how many, and how many of them were answered 429.
async fn heard(free: &Upstream, since: u64) -> (usize, usize) {
    let list = call(free, Ask::get(format!("/_mock/requests?since={since}"))).await;
    let requests = list["requests"].as_array().expect("a list");
    let refused = requests.iter().filter(|request| request["status"] == 429);
    (requests.len(), refused.count())
}

async fn last_heard(free: &Upstream) -> u64 {
    let list = call(free, Ask::get("/_mock/requests?since=0")).await;
    list["requests"].as_array().and_then(|all| all.last()?["seq"].as_u64()).unwrap_or(0)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}

async fn queue() {
    let crm = mock().await;
    let free = upstream(&crm, 0);
    limit(&free).await;
    let counted = upstream(&crm, PER_SECOND);
    let begun = Instant::now();
    let callers: Vec<_> = (0..64)
        .map(|_| {
            let upstream = Arc::clone(&counted);
            tokio::spawn(async move {
                while begun.elapsed() < QUEUE_FOR {
                    // At the end of the minute those that still wait are not counted, and neither are their answers.
                    let _ = upstream.ask(&Access::Own, Lane::Live, Ask::get("/api/v4/account")).await;
                }
            })
        })
        .collect();
    tokio::time::sleep_until((begun + QUEUE_FOR).into()).await;
    for caller in callers {
        caller.abort();
    }
    let (sent, refused) = heard(&free, 0).await;
    let most = f64::from(PER_SECOND) * QUEUE_FOR.as_secs_f64();
    println!("full queue for 60 s at {PER_SECOND} in any second, one-way time of the loopback");
    println!("  requests that arrived: {sent}; answered 429: {refused} (must be 0)");
    println!("  of {most:.0} that fit (floor 96 %): {:.1} %", 100.0 * float(sent) / most);
}

async fn fill(free: &Upstream) -> Vec<RecordRef> {
    let mut made = Vec::with_capacity(CONTACTS);
    while made.len() < CONTACTS {
        let contact = |n: usize| json!({"name": format!("Anna Serova {n}"), "custom_fields_values": null});
        let contacts: Vec<Value> = (0..BATCH).map(contact).collect();
        let body = call(free, Ask::post("/api/v4/contacts", &json!(contacts))).await;
        let rows = body["_embedded"]["contacts"].as_array().expect("contacts");
        let ids: Vec<u64> = rows.iter().map(|row| row["id"].as_u64().expect("an id")).collect();
        let note = |id: &u64| json!({"entity_id": id, "note_type": "common", "params": {"text": "a word about her"}});
        for _ in 0..2 {
            let notes: Vec<Value> = ids.iter().map(note).collect();
            call(free, Ask::post("/api/v4/contacts/notes", &json!(notes))).await;
        }
        let task = |id: &u64| json!({"text": "call", "complete_till": 1_900_000_000, "entity_type": "contacts", "entity_id": id});
        let tasks: Vec<Value> = ids.iter().map(task).collect();
        call(free, Ask::post("/api/v4/tasks", &json!(tasks))).await;
        made.extend(ids.into_iter().map(|id| RecordRef::new("contacts", id)));
    }
    made
}

async fn snapshots() {
    let crm = mock().await;
    let free = upstream(&crm, 0);
    let contacts = fill(&free).await;
    let since = last_heard(&free).await;
    limit(&free).await;
    let counted = upstream(&crm, PER_SECOND);
    let connector: Arc<dyn Connector> = vendors().remove(0);
    let access = Access::Own;
    let begun = Instant::now();
    let mut whole = 0;
    for batch in contacts.chunks(BATCH) {
        let reach =
            Reach { upstream: &counted, access: &access, lane: Lane::Live, now: Timestamp::now(), connection: "acme" };
        let fetched = connector.fetch(reach, batch).await.expect("read");
        for one in &fetched {
            let Fetched::Whole(snapshot) = one else { panic!("not whole: {one:?}") };
            assert_eq!(snapshot.incomplete(), None);
            let rows = |part: &str| {
                let part = snapshot.part(part).map_or(&b"[]"[..], |part| &part.body);
                serde_json::from_slice::<Vec<Value>>(part).expect("rows").len()
            };
            assert_eq!((rows("notes"), rows("tasks")), (2, 1), "{}", snapshot.of);
            whole += 1;
        }
    }
    let took = begun.elapsed().as_secs_f64();
    let (sent, refused) = heard(&free, since).await;
    println!("{whole} contacts with 2 notes and 1 task, {BATCH} at a time, {PER_SECOND} requests a second");
    println!("  requests: {sent}, of {FEWEST} (floor 1.1): {:.2}; answered 429: {refused}", float(sent) / FEWEST);
    println!("  {took:.1} s, of 40 s (floor 1.25): {:.2}", took / (FEWEST / f64::from(PER_SECOND)));
}

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let named: Vec<String> = std::env::args().filter(|word| ["queue", "snapshots"].contains(&word.as_str())).collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|word| word == name);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if wanted("queue") {
            queue().await;
        }
        if wanted("snapshots") {
            snapshots().await;
        }
    });
}
