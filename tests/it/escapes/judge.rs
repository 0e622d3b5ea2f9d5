//! Fresh records to aim at, delivery on raw sockets, and the judge: the mock's ledger of effects.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::corpus::kinds;
use crate::support::{World, number};

/// An account has at most ten lists: those it came with, the one that holds the elements, and these.
const LISTS: usize = 4;

const ALL_STATES: &str = "deleted,unknown,restoring,restored,needs_review,kept";

/// Ids for each kind, one record for one request.
#[derive(Debug, Default)]
pub struct Targets {
    free: BTreeMap<char, Vec<u64>>,
    customer: u64,
    list: u64,
}

/// What the ids of one request are.
pub type Ids = BTreeMap<char, u64>;

impl Targets {
    /// An id of every kind for each of these requests. What no request destroyed is used again.
    pub async fn take(&mut self, world: &World, requests: &[String]) -> Vec<Ids> {
        let mut wanted: BTreeMap<char, usize> = BTreeMap::new();
        for kind in requests.iter().flat_map(|request| kinds(request)) {
            *wanted.entry(kind).or_default() += 1;
        }
        // Linked pairs are made together.
        if let Some(lists) = wanted.get_mut(&'g') {
            *lists = LISTS;
        }
        let pairs = wanted.remove(&'d').unwrap_or(0).max(wanted.remove(&'k').unwrap_or(0));
        for (kind, count) in wanted {
            let missing = count.saturating_sub(self.free.entry(kind).or_default().len());
            let made = self.make(world, kind, missing).await;
            self.free.entry(kind).or_default().extend(made);
        }
        let missing = pairs.saturating_sub(self.free.entry('d').or_default().len());
        let (leads, contacts) = (self.make(world, 'l', missing).await, self.make(world, 'c', missing).await);
        for (lead, contact) in leads.iter().zip(&contacts) {
            let url = format!("{}/api/v4/leads/{lead}/link", world.mock.url());
            let link = json!([{"to_entity_id": contact, "to_entity_type": "contacts"}]);
            let answer = world.http.post(url).bearer_auth(crate::support::CALLER).json(&link).send().await;
            assert!(answer.expect("the mock answers").status().is_success());
        }
        self.free.entry('d').or_default().extend(leads);
        self.free.entry('k').or_default().extend(contacts);
        let mut next = |kind: char| {
            let free = self.free.get_mut(&kind).expect("enough were made");
            // Lists are few: several requests aim at each.
            if kind == 'g' {
                free.rotate_right(1);
                return free[0];
            }
            free.pop().expect("enough were made")
        };
        requests
            .iter()
            .map(|request| {
                let mut ids: Ids =
                    kinds(request).into_iter().filter(|k| *k != 'k').map(|kind| (kind, next(kind))).collect();
                if ids.contains_key(&'d') {
                    ids.insert('k', next('k'));
                }
                ids
            })
            .collect()
    }

    /// Gives back what is still there.
    pub fn give_back(&mut self, ids: Vec<Ids>, gone: &[Gone]) {
        let lists: Vec<&str> = gone.iter().map(|gone| gone.name.as_str()).collect();
        let gone: HashSet<u64> = gone.iter().flat_map(|gone| gone.ids.clone()).collect();
        self.free.entry('g').or_default().retain(|id| !lists.contains(&format!("catalogs/{id}").as_str()));
        for ids in ids.into_iter().filter(|ids| !ids.values().any(|id| gone.contains(id))) {
            for (kind, id) in ids.into_iter().filter(|(kind, _)| *kind != 'g') {
                self.free.entry(kind).or_default().push(id);
            }
        }
    }

    async fn make(&mut self, world: &World, kind: char, count: usize) -> Vec<u64> {
        if count == 0 {
            return Vec::new();
        }
        if matches!(kind, 'x' | 'u') && self.customer == 0 {
            world.create("customers/segments", json!([{"name": "Regulars"}])).await;
            self.customer = world.create("customers", json!([{"name": "Buyer", "next_date": 1_900_000_000}])).await[0];
        }
        // A list of their own: others are aimed at, and their elements go with them.
        if kind == 'e' && self.list == 0 {
            self.list = world.create("catalogs", json!([{"name": "Parts", "type": "regular"}])).await[0];
        }
        let elements = format!("catalogs/{}/elements", self.list);
        if kind == 'n' {
            let on = world.create("contacts", json!([{"name": "Noted"}])).await[0];
            return made(
                world,
                "contacts/notes",
                count,
                |n| json!({"entity_id": on, "note_type": "common", "params": {"text": format!("note {n}")}}),
            )
            .await;
        }
        let purchases = format!("customers/{}/transactions", self.customer);
        let path = match kind {
            'c' | 'm' => "contacts",
            'l' => "leads",
            'o' => "companies",
            't' => "tasks",
            'u' => "customers",
            's' => "customers/segments",
            'x' => &purchases,
            'e' => &elements,
            'g' => "catalogs",
            other => panic!("no record is called {other}"),
        };
        made(world, path, count, |n| match kind {
            't' => json!({"text": format!("task {n}"), "complete_till": 1_900_000_000}),
            'x' => json!({"price": 10 + n}),
            'g' => json!({"name": format!("list {n}"), "type": "regular"}),
            'u' => json!({"name": format!("customer {n}"), "next_date": 1_900_000_000}),
            _ => json!({"name": format!("aim {n}")}),
        })
        .await
    }
}

async fn made(world: &World, path: &str, count: usize, row: impl Fn(usize) -> Value) -> Vec<u64> {
    let mut ids = Vec::new();
    for from in (0..count).step_by(250) {
        let rows: Vec<Value> = (from..count.min(from + 250)).map(&row).collect();
        ids.extend(world.create(path, Value::Array(rows)).await);
    }
    ids
}

/// Sends each on a connection of its own, many at a time; what came back.
pub async fn deliver(address: &str, requests: Vec<Vec<u8>>, at_once: usize, quiet: Duration) -> Vec<Vec<u8>> {
    let places = Arc::new(Semaphore::new(at_once));
    let mut tasks = Vec::new();
    for request in requests {
        let (address, places) = (address.to_owned(), Arc::clone(&places));
        tasks.push(tokio::spawn(async move {
            let _place = places.acquire_owned().await.expect("it is never closed");
            one(&address, &request, quiet).await
        }));
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.expect("no panic"));
    }
    answers
}

async fn one(address: &str, request: &[u8], quiet: Duration) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let _ = stream.set_nodelay(true);
    let mut answer = Vec::new();
    // A server may answer and close before it has read everything.
    if tokio::time::timeout(Duration::from_secs(5), stream.write_all(request)).await.is_err() {
        return answer;
    }
    loop {
        // The first byte may take as long as a delete does.
        let wait = if answer.is_empty() { quiet * 12 } else { quiet };
        match tokio::time::timeout(wait, stream.read_buf(&mut answer)).await {
            Ok(Ok(read)) if read > 0 => {}
            _ => return answer,
        }
    }
}

/// The status of the first answer; 0 if there was none.
pub fn status(answer: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(answer.get(..15).unwrap_or(answer)).into_owned();
    text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// Something the CRM has destroyed.
#[derive(Clone, Debug)]
pub struct Gone {
    pub what: String,
    pub name: String,
    pub ids: Vec<u64>,
    at: jiff::Timestamp,
}

/// Number of the mock's last effect.
pub async fn last_effect(world: &World) -> u64 {
    world.heard_since("effects", 0).await.last().map_or(0, |effect| number(&effect["seq"]))
}

/// What was destroyed through the API after an effect; waits until nothing more happens.
pub async fn destroyed(world: &World, since: u64) -> Vec<Gone> {
    let mut before = usize::MAX;
    let effects = loop {
        let effects = world.heard_since("effects", since).await;
        if effects.len() == before {
            break effects;
        }
        before = effects.len();
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let lost = effects.iter().filter(|effect| effect["what"] == "deleted" || effect["what"] == "unlinked");
    lost.filter(|effect| effect["by"] == "api").map(gone).collect()
}

fn gone(effect: &Value) -> Gone {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (object, id) = (text(&effect["object"]), text(&effect["id"]));
    let mut ids: Vec<u64> = id.parse().into_iter().collect();
    let mut name = format!("{object}/{id}");
    if effect["what"] == "unlinked" {
        let (to, other) = (text(&effect["to"]["object"]), text(&effect["to"]["id"]));
        ids.extend(other.parse::<u64>());
        name = format!("links/{object}-{id}-{to}-{other}");
    }
    let at = effect["at"].as_str().expect("a time").parse().expect("a time");
    Gone { what: text(&effect["what"]), name, ids, at }
}

/// Those of them that no entry of the bin, written before, can bring back.
pub async fn escaped(world: &World, gone: &[Gone]) -> Vec<Gone> {
    let mut held: HashMap<String, jiff::Timestamp> = HashMap::new();
    let wanted: HashSet<&str> = gone.iter().map(|gone| gone.name.as_str()).collect();
    let mut cursor = String::new();
    while !wanted.is_empty() {
        let page = world.see(&format!("/api/v1/entries?state={ALL_STATES}&limit=200{cursor}")).await;
        for entry in page["entries"].as_array().expect("entries") {
            let id = &entry["record_id"];
            let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
            let name = format!("{}/{id}", entry["object"].as_str().expect("text"));
            let at: jiff::Timestamp = entry["deleted_at"].as_str().expect("a time").parse().expect("a time");
            held.entry(name).and_modify(|held| *held = (*held).min(at)).or_insert(at);
        }
        let all = wanted.iter().all(|name| held.contains_key(*name));
        match page["next"].as_str() {
            Some(next) if !all => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    gone.iter().filter(|gone| held.get(&gone.name).is_none_or(|at| *at > gone.at)).cloned().collect()
}
