//! The program dies at every named point of its way (`src/proofs.rs`), each with every behavior of the CRM, and is started
//! again on the same directory (A2, A3, A4); and its tasks panic there (A9). Judged as in `kills`, by the mock's ledger.
//!
//! 28 points x 6 behaviors, once; with `CRM_UNDO_LONG=1` three times, at later passes. To run one of them again:
//! `CRM_UNDO_SEED=<seed> CRM_UNDO_POINT=<point> cargo test --features proofs --test it points::`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crm_undo::proofs::POINTS;
use serde_json::{Value, json};

use crate::kills::{self, Caller, Card, Dice, Seen, in_a_runtime, make, scripts, seed, setting, settled};
use crate::support::{Setup, World};

/// Worlds that run beside each other.
const WORLDS: usize = 4;
/// What the CRM does with the delete, and with what a restore makes.
const BEHAVIORS: [&str; 6] = ["answers", "cut before", "cut after", "5xx after", "hangs after", "slow"];

#[derive(Clone, Copy, Debug)]
struct Round {
    point: &'static str,
    behavior: &'static str,
    panics: bool,
    turn: u64,
}

/// Where the program is when it starts again.
fn is_of_start(point: &str) -> bool {
    matches!(point, "journal.opened" | "start.open_found" | "start.before_settle") || point.starts_with("recover.")
}

fn rounds(turns: u64) -> Vec<Round> {
    let only = std::env::var("CRM_UNDO_POINT").ok();
    let mut rounds = Vec::new();
    for turn in 0..turns {
        for point in POINTS.into_iter().filter(|point| only.as_ref().is_none_or(|only| only == point)) {
            rounds.extend(BEHAVIORS.map(|behavior| Round { point, behavior, panics: false, turn }));
            // A panic while it starts is the end of that start; what it leaves is what a kill leaves.
            if !matches!(point, "journal.opened" | "start.open_found") {
                let behavior = BEHAVIORS[usize::try_from(turn).expect("small") % BEHAVIORS.len()];
                rounds.push(Round { point, behavior, panics: true, turn });
            }
        }
    }
    rounds
}

#[test]
fn dead_at_every_point_nothing_is_lost_and_nothing_is_made_twice() {
    let seed = seed();
    let long = setting("CRM_UNDO_LONG").is_some_and(|long| long > 0);
    let rounds = Arc::new(rounds(if long { 3 } else { 1 }));
    println!("points: CRM_UNDO_SEED={seed}, {} rounds", rounds.len());
    let (next, reached) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(BTreeMap::<String, usize>::new())));
    let live = |_| {
        let (rounds, next, reached) = (rounds.clone(), next.clone(), reached.clone());
        std::thread::spawn(move || {
            in_a_runtime(async {
                let config = "[policy]\nsettle_grace_seconds = 1\n".to_owned();
                let mut world = World::with(Setup { config, apart: true, ..Setup::default() }).await;
                let mut seen = Seen::default();
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let Some(one) = rounds.get(number) else { return seen };
                    let mut dice = Dice(seed.wrapping_mul(1_000_003).wrapping_add(number as u64));
                    let name = format!("seed {seed} round {number} {} {} {}", one.point, one.behavior, one.panics);
                    if round(&mut world, *one, &name, &mut dice, &mut seen).await {
                        *reached.lock().expect("the list").entry(one.point.to_owned()).or_default() += 1;
                    }
                }
            })
        })
    };
    let worlds: Vec<_> = (0..WORLDS).map(live).collect();
    let mut seen = Seen::default();
    for world in worlds {
        let one = world.join().unwrap_or_else(|_| {
            next.store(rounds.len(), Ordering::SeqCst);
            panic!("to run it again: CRM_UNDO_SEED={seed}")
        });
        seen.add(&one);
    }
    let reached = reached.lock().expect("the list");
    println!("points: seed {seed}: {} rounds, {seen:?}; reached: {reached:?}", rounds.len());
    for one in rounds.iter() {
        assert!(reached.contains_key(one.point), "{} was never reached", one.point);
    }
}

async fn fault(world: &World, behavior: &str) {
    let fault = match behavior {
        "cut before" => json!({"when": "before", "do": "cut"}),
        "cut after" => json!({"when": "after", "do": "cut"}),
        "5xx after" => json!({"when": "after", "do": "status", "status": 502}),
        "hangs after" => json!({"when": "after", "do": "delay", "delay_ms": 900}),
        "slow" => json!({"when": "before", "do": "delay", "delay_ms": 250}),
        _ => return,
    };
    for path in ["multiple/delete", "^/api/v4/(contacts|leads)$"] {
        let mut one = fault.clone();
        one["method"] = json!("POST");
        one["path"] = json!(path);
        one["times"] = json!(1);
        world.control("faults", one).await;
    }
}

/// Some deletes, and an undo of what an earlier one destroyed, until all have an answer or the program is dead.
async fn work(world: &mut World, cards: &[Card], before: Option<Value>, dice: &mut Dice) {
    let mut tasks = Vec::new();
    for script in scripts(cards, dice) {
        let caller = Caller::of(world);
        tasks.push(tokio::spawn(async move {
            for (wait, object, ids) in script {
                tokio::time::sleep(wait).await;
                caller.delete(object, &ids).await;
            }
        }));
    }
    for nth in 0..2 {
        let (caller, before) = (Caller::of(world), before.clone());
        tasks.push(tokio::spawn(async move { caller.undo_one(before.as_ref(), nth).await }));
    }
    // The jobs of the undos go on a little after they were answered.
    for _ in 0..300 {
        let over = tasks.iter().all(tokio::task::JoinHandle::is_finished);
        if world.has_died() || over && no_job_runs(&Caller::of(world)).await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

/// It may die while it is asked.
async fn no_job_runs(caller: &Caller) -> bool {
    let Some(jobs) = caller.ask(reqwest::Method::GET, "/api/v1/jobs?limit=200", None).await else { return false };
    let moves = |job: &Value| ["queued", "running"].contains(&job["state"].as_str().unwrap_or_default());
    !jobs["jobs"].as_array().is_some_and(|jobs| jobs.iter().any(moves))
}

/// Whether the point was reached.
async fn round(world: &mut World, one: Round, name: &str, dice: &mut Dice, seen: &mut Seen) -> bool {
    let begun = world.heard("effects").await.last().map_or(0, |effect| crate::support::number(&effect["seq"]));
    let before = Caller::of(world).operations().await.first().map(|operation| operation["id"].clone());
    let cards = make(world, name, dice).await;
    // Something for the undos to bring back.
    for _ in 0..2 {
        let card = &cards[usize::try_from(dice.below(cards.len() as u64)).expect("small")];
        Caller::of(world).delete(card.object, &[card.id]).await;
    }
    fault(world, one.behavior).await;
    let passes = one.turn + if one.point.starts_with("journal.") { dice.below(6) } else { 0 };
    let how = if one.panics { "panic" } else { "abort" };
    let said = world.said().matches("on purpose, at").count();
    if is_of_start(one.point) {
        // Leaves a create, or a delete, without its outcome.
        let first = if one.point.starts_with("recover.") { "batch.before_outcome" } else { "send.answered" };
        world.point(Some(&format!("{first} 0 abort")));
        work(world, &cards, before.clone(), dice).await;
        world.point(Some(&format!("{} 0 {how}", one.point)));
        if world.try_start() {
            // `recover.looked` comes after the 5 s that lists may lag.
            for _ in 0..600 {
                if world.has_died() || world.said().matches("on purpose, at").count() > said {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    } else {
        world.point(Some(&format!("{} {passes} {how}", one.point)));
        work(world, &cards, before.clone(), dice).await;
    }
    let reached = world.has_died() || world.said().matches("on purpose, at").count() > said;
    world.point(None);
    let url = format!("{}/_mock/faults", world.mock.url());
    world.http.delete(url).send().await.expect("the mock answers");
    // A panic of a task is survived by the process; a journal whose thread is gone needs another start.
    if !one.panics || world.has_died() || one.point.starts_with("journal.") {
        assert!(world.try_start(), "it does not start again: {name}\n{}", world.said());
    }
    settled(world, name).await;
    Caller::of(world).undo_one(before.as_ref(), dice.below(3)).await;
    settled(world, name).await;
    kills::judge::judge(world, name, &cards, begun, seen).await;
    reached
}
