//! The program is killed at a random moment while it deletes and restores, with faults of the CRM on top, and started
//! again on the same directory. What the CRM did is judged by the mock's own ledger of effects, never by our answers.
//!
//! Twelve rounds; 300 with `CRM_UNDO_LONG=1`, or as many as `CRM_UNDO_ROUNDS` says. A run prints its seed; to run it
//! again: `CRM_UNDO_SEED=<seed> cargo test --test it kills::`. How threads interleave is not part of the seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{ADMIN, CALLER, Setup, World, number};

/// Worlds that run beside each other, each with a program, a directory and a mock of its own.
const WORLDS: u64 = 4;
const ALL_STATES: &str = "deleted,unknown,restoring,restored,needs_review,kept";

/// Splitmix64: every choice of a round comes from its seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).expect("a small number")]
    }
}

/// A record as the CRM held it before anything was deleted.
struct Card {
    object: &'static str,
    id: u64,
    name: String,
    row: Value,
}

/// What was seen over all rounds, so that a run that tests nothing is noticed.
#[derive(Debug, Default)]
struct Seen {
    rounds: u64,
    deleted: usize,
    kept: usize,
    restored: usize,
    creates: usize,
    in_review: usize,
    unsettled_at_start: usize,
    jobs_left_by_a_kill: usize,
}

/// A caller whose program may die under him at any moment.
#[derive(Clone)]
struct Caller {
    http: reqwest::Client,
    gateway: String,
    console: String,
}

impl Caller {
    fn of(world: &World) -> Self {
        Self { http: world.http.clone(), gateway: world.gateway.clone(), console: world.console.clone() }
    }

    async fn delete(&self, object: &str, ids: &[u64]) {
        let body = ids.iter().map(|id| format!("ID[]={id}")).collect::<Vec<_>>().join("&");
        let request = self.http.post(format!("{}/ajax/{object}/multiple/delete/", self.gateway));
        let request = request.bearer_auth(CALLER).header("X-Requested-With", "XMLHttpRequest");
        let _ = request.header("Content-Type", "application/x-www-form-urlencoded").body(body).send().await;
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Option<Value> {
        let mut request = self.http.request(method, format!("{}{path}", self.console)).bearer_auth(ADMIN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.ok()?;
        if answer.status().is_success() { answer.json().await.ok() } else { None }
    }

    /// The operations there are, newest first.
    async fn operations(&self) -> Vec<Value> {
        let list = self.ask(Method::GET, "/api/v1/operations?limit=20", None).await.unwrap_or_default();
        list["operations"].as_array().cloned().unwrap_or_default()
    }

    /// Undoes one of the newest operations, none of those before this round.
    async fn undo_one(&self, before: Option<&Value>, nth: u64) {
        let operations = self.operations().await;
        let operations: Vec<&Value> = operations.iter().take_while(|one| Some(&one["id"]) != before).collect();
        let Some(operation) = operations.get(usize::try_from(nth).expect("small")) else { return };
        let ask = json!({"operation": operation["id"]});
        let Some(plan) = self.ask(Method::POST, "/api/v1/restore-plans", Some(ask)).await else { return };
        let apply = format!("/api/v1/restore-plans/{}/apply", plan["id"].as_str().unwrap_or_default());
        self.ask(Method::POST, &apply, Some(json!({"digest": plan["digest"]}))).await;
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn killed_at_any_moment_nothing_is_lost_and_nothing_is_made_twice() {
    let seed = setting("CRM_UNDO_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        now.as_secs()
    });
    let long = setting("CRM_UNDO_LONG").is_some_and(|long| long > 0);
    let rounds = setting("CRM_UNDO_ROUNDS").unwrap_or(if long { 300 } else { 12 });
    println!("kills: CRM_UNDO_SEED={seed} CRM_UNDO_ROUNDS={rounds}");
    let lives = |world| {
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            runtime.expect("a runtime").block_on(live(seed, world, rounds.div_ceil(WORLDS)))
        })
    };
    let worlds: Vec<_> = (0..WORLDS).map(lives).collect();
    let mut seen = Seen::default();
    for world in worlds {
        let one = world.join().unwrap_or_else(|_| panic!("to run it again: CRM_UNDO_SEED={seed}"));
        seen.rounds += one.rounds;
        seen.deleted += one.deleted;
        seen.kept += one.kept;
        seen.restored += one.restored;
        seen.creates += one.creates;
        seen.in_review += one.in_review;
        seen.unsettled_at_start += one.unsettled_at_start;
        seen.jobs_left_by_a_kill += one.jobs_left_by_a_kill;
    }
    println!("kills: seed {seed}: {seen:?}");
    assert!(seen.deleted > 0 && seen.restored > 0, "nothing was tested: {seen:?}");
}

async fn live(seed: u64, number: u64, rounds: u64) -> Seen {
    let config = "[policy]\nsettle_grace_seconds = 1\n".to_owned();
    let mut world = World::with(Setup { config, ..Setup::default() }).await;
    let mut seen = Seen::default();
    for round in 0..rounds {
        let mut dice = Dice(seed.wrapping_mul(1_000_003).wrapping_add(number * 100_000 + round));
        let name = format!("seed {seed} world {number} round {round}");
        self::round(&mut world, &name, &mut dice, &mut seen).await;
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
    judge(world, name, &cards, begun, seen).await;
}

/// Contacts and deals, each with a name of its own; some deals have a contact.
async fn make(world: &World, name: &str, dice: &mut Dice) -> Vec<Card> {
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

type Script = Vec<(Duration, &'static str, Vec<u64>)>;

/// What each caller deletes. Two of them may name the same record, or send the same request.
fn scripts(cards: &[Card], dice: &mut Dice) -> Vec<Script> {
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

async fn unfinished(world: &World) -> usize {
    let jobs = world.see("/api/v1/jobs?limit=200").await;
    let jobs = jobs["jobs"].as_array().expect("jobs").clone();
    jobs.iter()
        .filter(|job| ["queued", "running", "paused"].contains(&job["state"].as_str().unwrap_or_default()))
        .count()
}

async fn settled(world: &World, name: &str) {
    world
        .until(&format!("everything is settled ({name})"), async || {
            let open = world.see("/api/v1/operations?state=held,open,unknown&limit=1").await;
            let no_operation = open["operations"].as_array().is_some_and(Vec::is_empty);
            let no_entry = world.bin("?state=unknown,restoring&limit=1").await.is_empty();
            (no_operation && no_entry && unfinished(world).await == 0).then_some(())
        })
        .await;
}

/// The entries of a round's records, newest first.
async fn entries(world: &World, name: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world.see(&format!("/api/v1/entries?state={ALL_STATES}&limit=200{cursor}")).await;
        let rows = page["entries"].as_array().expect("entries").clone();
        let (mine, others): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .partition(|entry| entry["title"].as_str().is_some_and(|title| title.ends_with(&format!("of {name}"))));
        found.extend(mine);
        match page["next"].as_str() {
            // Entries of one round stand together: once others come, no more of this one do.
            Some(next) if others.is_empty() => cursor = format!("&cursor={next}"),
            _ => return found,
        }
    }
}

async fn alive(world: &World, object: &str, id: u64) -> Option<Value> {
    let url = format!("{}/api/v4/{object}/{id}", world.mock.url());
    let answer = world.http.get(url).bearer_auth(CALLER).send().await.expect("the mock answers");
    match answer.status() {
        StatusCode::OK => Some(answer.json().await.expect("JSON")),
        StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => None,
        status => panic!("{object}/{id}: {status}"),
    }
}

fn state(entry: &Value) -> &str {
    entry["state"].as_str().unwrap_or_default()
}

async fn judge(world: &World, name: &str, cards: &[Card], begun: u64, seen: &mut Seen) {
    let effects: Vec<Value> =
        world.heard("effects").await.into_iter().filter(|effect| number(&effect["seq"]) > begun).collect();
    let of = |what: &str| -> Vec<(String, u64)> {
        let cards = effects
            .iter()
            .filter(|effect| effect["what"] == what && (effect["object"] == "contacts" || effect["object"] == "leads"));
        cards.map(|effect| (effect["object"].as_str().expect("text").to_owned(), number(&effect["id"]))).collect()
    };
    let entries = entries(world, name).await;
    let shown = || {
        let rows = entries.iter().map(|e| {
            format!("{}/{} {} op {} -> {}", e["object"], e["record_id"], e["state"], e["operation"], e["restored_as"])
        });
        format!("{name}\n{}\n{}", rows.collect::<Vec<_>>().join("\n"), world.said())
    };
    let names: BTreeMap<(String, u64), &str> = entries
        .iter()
        .map(|entry| {
            let object = entry["object"].as_str().expect("text").to_owned();
            ((object, number(&entry["record_id"])), entry["title"].as_str().expect("text"))
        })
        .collect();

    // P1: what the CRM has destroyed lies in the bin, once, whole, and was there before.
    for (object, id) in of("deleted") {
        seen.deleted += 1;
        let mine = |entry: &&Value| entry["object"] == object.as_str() && number(&entry["record_id"]) == id;
        let all: Vec<&Value> = entries.iter().filter(mine).filter(|entry| state(entry) != "kept").collect();
        assert_eq!(all.len(), 1, "{object}/{id} was destroyed once and has {} entries: {}", all.len(), shown());
        let detail = world.see(&format!("/api/v1/entries/{}", all[0]["id"].as_str().expect("an id"))).await;
        let parts = detail["snapshot"]["parts"].as_array().unwrap_or_else(|| panic!("no snapshot: {}", shown()));
        let record = parts.iter().find(|part| part["name"] == "record").expect("a record");
        let row: Value = serde_json::from_str(record["body"].as_str().expect("text")).expect("JSON");
        if let Some(card) = cards.iter().find(|card| card.object == object && card.id == id) {
            for key in ["name", "price", "custom_fields_values"] {
                assert_eq!(row[key], card.row[key], "{key} of {object}/{id}: {}", shown());
            }
            if object == "contacts" {
                let notes = parts.iter().find(|part| part["name"] == "notes").expect("notes");
                assert!(notes["body"].as_str().expect("text").contains(&format!("note of {id}")), "{}", shown());
            }
        }
        let gone_at = effects
            .iter()
            .find(|e| e["what"] == "deleted" && e["object"] == object.as_str() && number(&e["id"]) == id)
            .expect("it is among them")["at"]
            .clone();
        let (written, gone) = (all[0]["deleted_at"].as_str().expect("a time"), gone_at.as_str().expect("a time"));
        let moment = |text: &str| text.parse::<jiff::Timestamp>().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(moment(written) <= moment(gone), "destroyed {gone}, written {written}: {}", shown());
    }

    // No entry says otherwise than the CRM.
    for entry in &entries {
        let (object, id) = (entry["object"].as_str().expect("text"), number(&entry["record_id"]));
        let is_alive = alive(world, object, id).await.is_some();
        match state(entry) {
            "deleted" => assert!(!is_alive, "{object}/{id} is called deleted and is alive: {}", shown()),
            "kept" => {
                seen.kept += 1;
                let others = entries.iter().filter(|other| {
                    other["record_id"] == entry["record_id"]
                        && other["object"] == entry["object"]
                        && state(other) != "kept"
                });
                assert!(is_alive || others.count() == 1, "{object}/{id} is called kept and is gone: {}", shown());
            }
            "restored" => {
                seen.restored += 1;
                let new = number(&entry["restored_as"]);
                let deleted_again = names.contains_key(&(object.to_owned(), new));
                assert!(deleted_again || alive(world, object, new).await.is_some(), "restored as nothing: {}", shown());
            }
            "needs_review" => seen.in_review += 1,
            other => panic!("{object}/{id} is {other} for ever: {}", shown()),
        }
    }

    // P4: at most one copy for each entry.
    let mut created: BTreeMap<String, usize> = BTreeMap::new();
    for (object, id) in of("created") {
        if cards.iter().any(|card| card.object == object && card.id == id) {
            continue;
        }
        seen.creates += 1;
        let title = match alive(world, &object, id).await {
            Some(row) => row["name"].as_str().unwrap_or_default().to_owned(),
            None => (*names.get(&(object.clone(), id)).unwrap_or_else(|| panic!("{object}/{id} is lost: {}", shown())))
                .to_owned(),
        };
        *created.entry(title).or_default() += 1;
    }
    for card in cards {
        let mine = entries.iter().filter(|entry| entry["title"] == card.name.as_str() && state(entry) != "kept");
        let made = created.get(&card.name).copied().unwrap_or(0);
        assert!(made <= mine.count(), "{} copies of {}/{}: {}", made, card.object, card.id, shown());
    }
    let strangers: Vec<&String> = created.keys().filter(|name| !cards.iter().any(|card| card.name == **name)).collect();
    assert!(strangers.is_empty(), "nobody asked for {strangers:?}: {}", shown());

    // P3 and the end of jobs.
    let operations = world.see("/api/v1/operations?limit=200").await;
    for operation in operations["operations"].as_array().expect("operations") {
        let ends = ["confirmed", "partial", "refused", "not_sent", "undone", "needs_review"];
        assert!(ends.contains(&state(operation)), "{operation}: {}", shown());
    }
    assert_eq!(unfinished(world).await, 0, "{}", shown());
}
