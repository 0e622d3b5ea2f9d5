//! Recovery is killed itself, three times in a row, each time while it looks; then it is judged like any other kill.

use std::time::Duration;

use serde_json::json;

use super::{
    Caller, Dice, Seen, WORLDS, beside_each_other, in_a_runtime, judge, live, make, scripts, seed, setting, settled,
    unfinished,
};
use crate::support::{World, number};

#[test]
fn recovery_may_be_killed_three_deep() {
    let seed = seed();
    let long = setting("CRM_UNDO_LONG").is_some_and(|long| long > 0);
    let rounds = setting("CRM_UNDO_ROUNDS").unwrap_or(if long { 60 } else { 4 });
    println!("depth: CRM_UNDO_SEED={seed} CRM_UNDO_ROUNDS={rounds}");
    let worlds = WORLDS.min(2);
    let seen = beside_each_other(seed, worlds, |world| {
        move || in_a_runtime(live(seed, world, rounds.div_ceil(worlds), round))
    });
    println!("depth: {seen:?}");
    let left = seen.unsettled_at_start + seen.jobs_left_by_a_kill;
    assert!(left > 0, "recovery had nothing to do");
}

async fn round(world: &mut World, name: &str, dice: &mut Dice, seen: &mut Seen) {
    let begun = world.heard("effects").await.last().map_or(0, |effect| number(&effect["seq"]));
    let before = Caller::of(world).operations().await.first().map(|operation| operation["id"].clone());
    let cards = make(world, name, dice).await;
    for (_, object, ids) in scripts(&cards, dice).into_iter().flatten() {
        Caller::of(world).delete(object, &ids).await;
    }
    // Deletes and creates take effect, and their answers never come.
    for path in ["multiple/delete", "^/api/v4/(contacts|leads)$"] {
        world
            .control("faults", json!({"method": "POST", "path": path, "when": "after", "do": "hang", "times": 3}))
            .await;
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
    for nth in 0..3 {
        let (caller, before) = (Caller::of(world), before.clone());
        tasks.push(tokio::spawn(async move { caller.undo_one(before.as_ref(), nth).await }));
    }
    tokio::time::sleep(Duration::from_millis(200 + dice.below(600))).await;
    // Whoever looks waits for his answer, so each of the three lives ends in the middle of its looks.
    let slow = json!({"method": "GET", "path": "/api/v4/", "when": "before", "do": "delay",
        "delay_ms": 100 + dice.below(200), "times": 100_000});
    world.control("faults", slow).await;
    for depth in 0..3 {
        world.kill_and_restart();
        if depth == 0 {
            tasks.iter().for_each(tokio::task::JoinHandle::abort);
            let open = world.see("/api/v1/operations?state=open,unknown&limit=200").await;
            seen.unsettled_at_start += open["operations"].as_array().map_or(0, Vec::len);
            seen.jobs_left_by_a_kill += unfinished(world).await;
        }
        // The last of them reaches the creates that are looked for after the lists' delay.
        tokio::time::sleep(Duration::from_millis(dice.below([300, 800, 6000][depth]))).await;
    }
    world.kill_and_restart();
    let url = format!("{}/_mock/faults", world.mock.url());
    world.http.delete(url).send().await.expect("the mock answers");
    settled(world, name).await;
    judge::judge(world, name, &cards, begun, seen).await;
}
