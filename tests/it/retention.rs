//! I1, H2, legal hold: what retention drops, and when it must not, with the real program on later days.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{ADMIN, World, number};

const NAME: &str = "Foma Forgotten";

fn run(world: &World, arguments: &[&str]) -> (i32, String, String) {
    world.told_as(ADMIN, arguments)
}

fn plan(world: &World) -> Value {
    let (code, shown, said) = run(world, &["retention", "plan", "--json"]);
    assert_eq!(code, 0, "{said}");
    serde_json::from_str(&shown).expect("JSON")
}

/// Its state, and whether its name can still be seen.
async fn state(world: &World, entry: &str) -> (String, bool) {
    let seen = world.see(&format!("/api/v1/entries/{entry}")).await;
    (seen["state"].as_str().expect("a state").to_owned(), seen.to_string().contains("Forgotten"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_is_marked_then_dropped_and_not_by_a_jumped_clock_nor_against_a_hold() {
    let mut world = World::start().await;
    let ids = world.create("contacts", json!([{"name": NAME}])).await;
    assert_eq!(world.delete("contacts", &ids).await.status(), StatusCode::OK);
    let entry = world.bin("?q=forgotten").await[0]["id"].as_str().expect("an id").to_owned();
    let told = plan(&world);
    assert_eq!((&told["drop_count"], &told["mark_count"]), (&json!(0), &json!(0)), "{told}");

    let (code, done, said) = run(&world, &["retention", "run"]);
    assert_eq!((code, done.trim()), (0, "0 dropped, 0 marked"), "{said}");

    // 91 days later by the clock, and nobody has seen the days between: it stops, and changes nothing.
    world.terminate();
    world.start_days_later(91);
    world.until("it says that the clock jumped", async || plan(&world)["stopped"].is_string().then_some(())).await;
    let (code, _, said) = run(&world, &["retention", "run"]);
    assert!(code != 0 && said.contains("--clock-is-right"), "{said}");
    assert_eq!(state(&world, &entry).await, ("deleted".to_owned(), true));

    // A person says that the clock is right: such a pass only marks.
    let (code, done, said) = run(&world, &["retention", "run", "--clock-is-right"]);
    assert_eq!((code, done.trim()), (0, "0 dropped, 1 marked"), "{said}");
    assert_eq!(state(&world, &entry).await, ("deleted".to_owned(), true));

    // A case comes up: held, it is neither forgotten nor erased.
    let record = format!("contacts/{}", ids[0]);
    let place = ["hold", "place", "--connection", "acme", "--ground", "case 7", &record];
    let (code, hold, said) = run(&world, &place);
    assert_eq!(code, 0, "{said}");
    let new = json!({"role": "privacy", "person": "vera"});
    let vera = world.console(Method::POST, "/api/v1/tokens", Some(new)).await.1["token"].clone();
    let vera = vera.as_str().expect("a token");
    let erase = ["erase", "--connection", "acme", "--record", &record, "--reason", "letter 12", "--yes"];
    let (code, _, said) = world.told_as(vera, &erase);
    assert!(code != 0 && said.contains("hold"), "{said}");
    world.terminate();
    world.start_days_later(93);
    world.until("the hold keeps it from the pass", async || (number(&plan(&world)["held"]) == 1).then_some(())).await;
    let _ = run(&world, &["retention", "run"]);
    assert_eq!(state(&world, &entry).await, ("deleted".to_owned(), true));

    // The case is over: marked by one pass, dropped by the next.
    assert_eq!(run(&world, &["hold", "release", hold.trim()]).0, 0);
    for day in [95, 97] {
        world.terminate();
        world.start_days_later(day);
        // The pass of the day may have been made already, which refuses another one.
        let _ = run(&world, &["retention", "run"]);
    }
    let forgotten = ("forgotten".to_owned(), false);
    world.until("it is forgotten", async || (state(&world, &entry).await == forgotten).then_some(())).await;
    assert!(world.bin("?q=forgotten").await.is_empty());
    let asked = Some(json!({"entries": [entry]}));
    let (status, told) = world.console(Method::POST, "/api/v1/restore-plans", asked).await;
    assert!(!status.is_success() || told["steps"].to_string().contains("forgotten"), "{status} {told}");
    assert_eq!(world.effects("created", "contacts").await.len(), 1, "nothing was made again");
}
