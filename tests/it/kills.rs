//! The program is killed at a random moment while it deletes and restores, with faults of the CRM on top, and started
//! again on the same directory. What the CRM did is judged by the mock's own ledger of effects, never by our answers.
//!
//! Twelve rounds; 300 with `CRM_UNDO_LONG=1`, or as many as `CRM_UNDO_ROUNDS` says. A run prints its seed; to run it
//! again: `CRM_UNDO_SEED=<seed> cargo test --test it kills::`. How threads interleave is not part of the seed.

mod depth;
pub mod judge;

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{ADMIN, CALLER, Setup, World, number};

/// Worlds that run beside each other, each with a program, a directory and a mock of its own.
const WORLDS: u64 = 4;

/// Splitmix64: every choice of a round comes from its seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).expect("a small number")]
    }
}

/// A record as the CRM held it before anything was deleted.
pub struct Card {
    pub object: &'static str,
    pub id: u64,
    pub name: String,
    pub row: Value,
}

impl Seen {
    pub fn add(&mut self, one: &Self) {
        self.rounds += one.rounds;
        self.deleted += one.deleted;
        self.kept += one.kept;
        self.restored += one.restored;
        self.creates += one.creates;
        self.in_review += one.in_review;
        self.unsettled_at_start += one.unsettled_at_start;
        self.jobs_left_by_a_kill += one.jobs_left_by_a_kill;
    }
}

/// What was seen over all rounds, so that a run that tests nothing is noticed.
#[derive(Debug, Default)]
pub struct Seen {
    pub rounds: u64,
    pub deleted: usize,
    pub kept: usize,
    pub restored: usize,
    pub creates: usize,
    pub in_review: usize,
    pub unsettled_at_start: usize,
    pub jobs_left_by_a_kill: usize,
}

/// A caller whose program may die under him at any moment.
#[derive(Clone)]
pub struct Caller {
    http: reqwest::Client,
    gateway: String,
    console: String,
}

impl Caller {
    pub fn of(world: &World) -> Self {
        Self { http: world.http.clone(), gateway: world.gateway.clone(), console: world.console.clone() }
    }

    pub async fn delete(&self, object: &str, ids: &[u64]) {
        let body = ids.iter().map(|id| format!("ID[]={id}")).collect::<Vec<_>>().join("&");
        let request = self.http.post(format!("{}/ajax/{object}/multiple/delete/", self.gateway));
        let request = request.bearer_auth(CALLER).header("X-Requested-With", "XMLHttpRequest");
        let _ = request.header("Content-Type", "application/x-www-form-urlencoded").body(body).send().await;
    }

    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Option<Value> {
        let mut request = self.http.request(method, format!("{}{path}", self.console)).bearer_auth(ADMIN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.ok()?;
        if answer.status().is_success() { answer.json().await.ok() } else { None }
    }

    /// The operations there are, newest first.
    pub async fn operations(&self) -> Vec<Value> {
        let list = self.ask(Method::GET, "/api/v1/operations?limit=20", None).await.unwrap_or_default();
        list["operations"].as_array().cloned().unwrap_or_default()
    }

    /// Undoes one of the newest operations, none of those before this round.
    pub async fn undo_one(&self, before: Option<&Value>, nth: u64) {
        let operations = self.operations().await;
        let operations: Vec<&Value> = operations.iter().take_while(|one| Some(&one["id"]) != before).collect();
        let Some(operation) = operations.get(usize::try_from(nth).expect("small")) else { return };
        let ask = json!({"operation": operation["id"]});
        let Some(plan) = self.ask(Method::POST, "/api/v1/restore-plans", Some(ask)).await else { return };
        let apply = format!("/api/v1/restore-plans/{}/apply", plan["id"].as_str().unwrap_or_default());
        self.ask(Method::POST, &apply, Some(json!({"digest": plan["digest"]}))).await;
    }
}

pub fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn killed_at_any_moment_nothing_is_lost_and_nothing_is_made_twice() {
    let seed = seed();
    let long = setting("CRM_UNDO_LONG").is_some_and(|long| long > 0);
    let rounds = setting("CRM_UNDO_ROUNDS").unwrap_or(if long { 300 } else { 12 });
    println!("kills: CRM_UNDO_SEED={seed} CRM_UNDO_ROUNDS={rounds}");
    let seen = beside_each_other(seed, WORLDS, |world| {
        move || in_a_runtime(live(seed, world, rounds.div_ceil(WORLDS), round))
    });
    println!("kills: seed {seed}: {seen:?}");
    assert!(seen.deleted > 0 && seen.restored > 0, "nothing was tested: {seen:?}");
}

/// The seed of a run: the one that is asked for, or the time.
pub fn seed() -> u64 {
    setting("CRM_UNDO_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        now.as_secs()
    })
}

/// One life on a thread of its own for each of these worlds; what was seen in all of them.
pub fn beside_each_other<F>(seed: u64, worlds: u64, life: impl Fn(u64) -> F) -> Seen
where
    F: FnOnce() -> Seen + Send + 'static,
{
    let worlds: Vec<_> = (0..worlds).map(|world| std::thread::spawn(life(world))).collect();
    let mut seen = Seen::default();
    for world in worlds {
        seen.add(&world.join().unwrap_or_else(|_| panic!("to run it again: CRM_UNDO_SEED={seed}")));
    }
    seen
}

/// What a runtime of two threads makes of it.
pub fn in_a_runtime<T>(life: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(life)
}

/// Rounds of one kind in a world of their own.
async fn live(
    seed: u64,
    number: u64,
    rounds: u64,
    mut round: impl AsyncFnMut(&mut World, &str, &mut Dice, &mut Seen),
) -> Seen {
    let config = "[policy]\nsettle_grace_seconds = 1\n".to_owned();
    let mut world = World::with(Setup { config, apart: true, ..Setup::default() }).await;
    let mut seen = Seen::default();
    for at in 0..rounds {
        let mut dice = Dice(seed.wrapping_mul(1_000_003).wrapping_add(number * 100_000 + at));
        let name = format!("seed {seed} world {number} round {at}");
        round(&mut world, &name, &mut dice, &mut seen).await;
        seen.rounds += 1;
    }
    seen
}

async fn round(world: &mut World, name: &str, dice: &mut Dice, seen: &mut Seen) {
    let begun = world.heard("effects").await.last().map_or(0, |effect| number(&effect["seq"]));
    let before = Caller::of(world).operations().await.first().map(|operation| operation["id"].clone());
    let cards = make(world, name, dice).await;
    // In half of the rounds the kill hits restores rather than deletes.
    let (undos, longest_wait, longest_life) = if dice.below(2) == 0 {
        for script in scripts(&cards, dice) {
            for (_, object, ids) in script {
                Caller::of(world).delete(object, &ids).await;
            }
        }
        (2 + dice.below(3), 40, 1000)
    } else {
        (dice.below(3), 250, 400)
    };
    for _ in 0..dice.below(4) {
        world.control("faults", fault(dice)).await;
    }
    let mut tasks = Vec::new();
    for script in scripts(&cards, dice) {
        let caller = Caller::of(world);
        tasks.push(tokio::spawn(async move {
            for (wait, object, ids) in script {
                tokio::time::sleep(wait).await;
                caller.delete(object, &ids).await;
            }
        }));
    }
    for _ in 0..undos {
        let (caller, wait, nth) = (Caller::of(world), Duration::from_millis(dice.below(longest_wait)), dice.below(4));
        let before = before.clone();
        tasks.push(tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            caller.undo_one(before.as_ref(), nth).await;
        }));
    }
    tokio::time::sleep(Duration::from_millis(dice.below(longest_life))).await;
    world.kill_and_restart();
    for task in &tasks {
        task.abort();
    }
    // What still strikes now would only make the round longer.
    let url = format!("{}/_mock/faults", world.mock.url());
    world.http.delete(url).send().await.expect("the mock answers");
    let open = world.see("/api/v1/operations?state=open,unknown&limit=200").await;
    seen.unsettled_at_start += open["operations"].as_array().map_or(0, Vec::len);
    seen.jobs_left_by_a_kill += unfinished(world).await;
    settled(world, name).await;
    // A later undo finds what the kill left.
    for _ in 0..dice.below(3) {
        Caller::of(world).undo_one(before.as_ref(), dice.below(3)).await;
        settled(world, name).await;
    }
    // A caller who only knows the old id means the record that stands for it now.
    if dice.below(2) == 0 {
        let card = &cards[usize::try_from(dice.below(cards.len() as u64)).expect("small")];
        Caller::of(world).delete(card.object, &[card.id]).await;
        settled(world, name).await;
    }
    judge::judge(world, name, &cards, begun, seen).await;
}

/// Contacts and deals, each with a name of its own; some deals have a contact.
pub async fn make(world: &World, name: &str, dice: &mut Dice) -> Vec<Card> {
    let mut cards = Vec::new();
    let names: Vec<String> = (0..4 + dice.below(5)).map(|index| format!("Contact {index} of {name}")).collect();
    let phone = |index: usize| json!([{"field_code": "PHONE", "values": [{"value": format!("+7 900 {index:07}")}]}]);
    let items = names.iter().enumerate();
    let items: Vec<Value> =
        items.map(|(index, name)| json!({"name": name, "custom_fields_values": phone(index)})).collect();
    let contacts = world.create("contacts", json!(items)).await;
    let deals: Vec<String> = (0..2 + dice.below(3)).map(|index| format!("Deal {index} of {name}")).collect();
    let linked: Vec<Value> = deals
        .iter()
        .map(|deal| json!({"name": deal, "price": 100, "_embedded": {"contacts": [{"id": dice.pick(&contacts)}]}}))
        .collect();
    let leads = world.create("leads", json!(linked)).await;
    let notes: Vec<Value> = contacts
        .iter()
        .map(|id| json!({"entity_id": id, "note_type": "common", "params": {"text": format!("note of {id}")}}))
        .collect();
    world.create("contacts/notes", json!(notes)).await;
    for (object, ids, names) in [("contacts", contacts, names), ("leads", leads, deals)] {
        for (id, name) in ids.into_iter().zip(names) {
            let row = world.crm(&format!("/api/v4/{object}/{id}")).await.expect("it was made just now");
            cards.push(Card { object, id, name, row });
        }
    }
    cards
}

pub type Script = Vec<(Duration, &'static str, Vec<u64>)>;

/// What each caller deletes. Two of them may name the same record, or send the same request.
pub fn scripts(cards: &[Card], dice: &mut Dice) -> Vec<Script> {
    let callers = 2 + dice.below(3);
    (0..callers)
        .map(|_| {
            let requests = 1 + dice.below(3);
            (0..requests)
                .map(|_| {
                    let object = dice.pick(&["contacts", "contacts", "leads"]);
                    let all: Vec<u64> = cards.iter().filter(|card| card.object == object).map(|card| card.id).collect();
                    let many = if dice.below(2) == 0 { 1 } else { 2 + dice.below(3) };
                    let ids: BTreeSet<u64> = (0..many).map(|_| dice.pick(&all)).collect();
                    (Duration::from_millis(dice.below(40)), object, ids.into_iter().collect())
                })
                .collect()
        })
        .collect()
}

fn fault(dice: &mut Dice) -> Value {
    let when = dice.pick(&["before", "after"]);
    // Deletes, what restores make, and the reads around both.
    let (method, path) = dice.pick(&[
        ("POST", "multiple/delete"),
        ("POST", "multiple/delete"),
        ("POST", "multiple/delete"),
        ("POST", "^/api/v4/(contacts|leads)$"),
        ("POST", "^/api/v4/(contacts|leads)$"),
        ("POST", "notes|link"),
        ("GET", "/api/v4/(contacts|leads)"),
    ]);
    let kind = dice.pick(&["cut", "hang", "delay", "status", "cut", "status"]);
    let kind = if method == "GET" && kind == "hang" { "cut" } else { kind };
    json!({"method": method, "path": path, "when": when, "do": kind, "delay_ms": 20 + dice.below(300),
        "status": dice.pick(&[500, 502, 503, 504]), "times": 1 + dice.below(2)})
}

pub async fn unfinished(world: &World) -> usize {
    let jobs = world.see("/api/v1/jobs?limit=200").await;
    let jobs = jobs["jobs"].as_array().expect("jobs").clone();
    jobs.iter()
        .filter(|job| ["queued", "running", "paused"].contains(&job["state"].as_str().unwrap_or_default()))
        .count()
}

pub async fn settled(world: &World, name: &str) {
    world
        .until(&format!("everything is settled ({name})"), async || {
            let open = world.see("/api/v1/operations?state=held,open,unknown&limit=1").await;
            let no_operation = open["operations"].as_array().is_some_and(Vec::is_empty);
            let no_entry = world.bin("?state=unknown,restoring&limit=1").await.is_empty();
            (no_operation && no_entry && unfinished(world).await == 0).then_some(())
        })
        .await;
}
