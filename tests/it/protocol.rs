//! The delete protocol of the real program: the version is read again, first results are kept, callers that leave and
//! restarts cut nothing.
//!
//! 1 000 callers that leave and 5 rolling restarts; with `CRM_UNDO_LONG=1` 5 000 and 100.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::{CALLER, Setup, World, number};

async fn contact(world: &World, name: &str) -> u64 {
    world.create("contacts", json!([{"name": name}])).await[0]
}

async fn contacts(world: &World, count: usize) -> Vec<u64> {
    let mut ids = Vec::new();
    for chunk in (0..count).collect::<Vec<_>>().chunks(50) {
        let items: Vec<Value> = chunk.iter().map(|n| json!({"name": format!("Contact {n}")})).collect();
        ids.extend(world.create("contacts", Value::Array(items)).await);
    }
    ids
}

fn quick() -> Setup {
    Setup { config: "[policy]\nsettle_grace_seconds = 1\n".to_owned(), ..Setup::default() }
}

fn long() -> bool {
    std::env::var("CRM_UNDO_LONG").is_ok_and(|long| long != "0")
}

async fn delete(world: &World, id: u64, key: Option<&str>) -> Response {
    let request = world.through(Method::POST, "/ajax/contacts/multiple/delete/");
    let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(format!("ID[]={id}"));
    let request = match key {
        Some(key) => request.header("Idempotency-Key", key),
        None => request,
    };
    request.send().await.expect("the gateway answers")
}

fn undo_id(answer: &Response) -> String {
    answer.headers()["undo-id"].to_str().expect("text").to_owned()
}

async fn entry_of(world: &World, id: u64) -> Value {
    let bin = world.bin("?limit=200").await;
    let entry = bin.iter().find(|entry| number(&entry["record_id"]) == id).expect("it is in the bin");
    world.see(&format!("/api/v1/entries/{}", entry["id"].as_str().expect("an id"))).await
}

/// Somebody on the CRM's own screens renames a contact this much after now, while it is being deleted.
async fn edited_meanwhile(world: &World, id: u64, after: u64) -> Response {
    let edit = async {
        tokio::time::sleep(Duration::from_millis(after)).await;
        let edit = json!({"object": "contacts", "id": id, "fields": {"name": "Anna Orlova"}, "user_id": 71});
        world.control("ui/edit", edit).await;
    };
    let ids = [id];
    tokio::join!(world.delete("contacts", &ids), edit).0
}

#[tokio::test]
async fn a_record_that_changes_while_it_is_read_is_read_again() {
    let world = World::start().await;
    let id = contact(&world, "Anna Serova").await;
    let delay = json!({"method": "GET", "path": "notes", "when": "before", "do": "delay", "delay_ms": 900, "times": 1});
    world.control("faults", delay).await;
    let answer = edited_meanwhile(&world, id, 450).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let entry = entry_of(&world, id).await;
    assert_eq!(entry["title"], "Anna Orlova", "what is archived is what was deleted");
    assert_eq!(entry["changed_after_snapshot"], false);
    assert_eq!(world.effects("deleted", "contacts").await, [id]);
}

/// A delete names a record that is gone, and while the others are read a person brings it back and edits it.
#[tokio::test]
async fn a_record_that_comes_back_while_others_are_read_is_archived_again() {
    let world = World::start().await;
    let (id, other) = (contact(&world, "Anna Serova").await, contact(&world, "Boris").await);
    world.delete("contacts", &[other]).await;
    let delay =
        json!({"method": "GET", "path": "notes", "when": "before", "do": "delay", "delay_ms": 1500, "times": 1});
    world.control("faults", delay).await;
    let person = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        world.control("ui/restore", json!({"object": "contacts", "id": other, "user_id": 71})).await;
        let edit = json!({"object": "contacts", "id": other, "fields": {"name": "Boris the Second"}, "user_id": 71});
        world.control("ui/edit", edit).await;
    };
    let ids = [id, other];
    let (answer, ()) = tokio::join!(world.delete("contacts", &ids), person);
    assert_eq!(answer.status(), StatusCode::OK);
    let titles = async |id: u64| {
        let bin = world.bin("?limit=200").await;
        let of = bin.iter().filter(|entry| number(&entry["record_id"]) == id);
        of.map(|entry| entry["title"].as_str().expect("a title").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(titles(id).await, ["Anna Serova"]);
    assert_eq!(titles(other).await, ["Boris the Second", "Boris"], "each time it was destroyed, as it was then");
}

#[tokio::test]
async fn a_change_after_the_last_look_is_told() {
    let world = World::start().await;
    let (id, other) = (contact(&world, "Anna Serova").await, contact(&world, "Boris").await);
    world.delete("contacts", &[other]).await;
    // The delete is on its way, and its effect comes late.
    let delay = json!({"method": "POST", "path": "multiple/delete", "when": "before", "do": "delay",
        "delay_ms": 2500, "times": 1});
    world.control("faults", delay).await;
    let answer = edited_meanwhile(&world, id, 1800).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(entry_of(&world, id).await["title"], "Anna Serova", "the snapshot is a moment old");
    world
        .until("the entry says so", async || {
            (entry_of(&world, id).await["changed_after_snapshot"] == true).then_some(())
        })
        .await;
    assert_eq!(entry_of(&world, other).await["changed_after_snapshot"], false);
    let metrics = world.http.get(format!("{}/metrics", world.console)).send().await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    assert!(metrics.contains("crm_undo_version_gap_seconds"), "{metrics}");
}

#[tokio::test]
async fn a_record_that_never_stands_still_is_not_deleted() {
    let world = World::start().await;
    let id = contact(&world, "Anna Serova").await;
    let delay =
        json!({"method": "GET", "path": "tasks", "when": "before", "do": "delay", "delay_ms": 150, "times": 20});
    world.control("faults", delay).await;
    let busy = async {
        for number in 0..400 {
            let edit = json!({"object": "contacts", "id": id, "fields": {"name": format!("Anna {number}")}});
            world.control("ui/edit", edit).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let ids = [id];
    let answer = tokio::select! {
        answer = world.delete("contacts", &ids) => answer,
        () = busy => panic!("it was refused long before"),
    };
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    assert!(answer.headers().contains_key("retry-after"));
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(body["code"], "record_changing");
    assert_eq!(world.effects("deleted", "contacts").await, [0; 0]);
    assert!(world.bin("").await.is_empty());
}

#[tokio::test]
async fn a_key_keeps_the_first_result_over_a_restart() {
    let mut world = World::start().await;
    let ids = contacts(&world, 3).await;
    let first = delete(&world, ids[0], Some("one delete")).await;
    let (status, operation) = (first.status(), undo_id(&first));
    let body = first.bytes().await.expect("a body");
    for restarted in [false, true] {
        if restarted {
            world.kill_and_restart();
        }
        let again = delete(&world, ids[0], Some("one delete")).await;
        assert_eq!((again.status(), undo_id(&again)), (status, operation.clone()));
        assert_eq!(again.headers()["idempotency-replayed"], "true");
        assert_eq!(again.bytes().await.expect("a body"), body);
        let other = delete(&world, ids[1], Some("one delete")).await;
        assert_eq!(other.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let refusal: Value = other.json().await.expect("JSON");
        // The shape of this route.
        assert_eq!((&refusal["status"], &refusal["code"]), (&json!("fail"), &json!("idempotency_key_reused")));
        // Another caller's equal key is another key, so this one gets as far as the CRM.
        let form = format!("ID[]={}", ids[2]);
        let request = world.http.post(format!("{}/ajax/contacts/multiple/delete/", world.gateway));
        let request = request.bearer_auth("own-token").header("Idempotency-Key", "one delete").body(form);
        let request = request.header("X-Requested-With", "XMLHttpRequest");
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        assert_eq!(request.send().await.expect("an answer").status(), StatusCode::OK);
    }
    let mut deleted = world.effects("deleted", "contacts").await;
    deleted.sort_unstable();
    assert_eq!(deleted, [ids[0], ids[2]]);
    // Without the key it is told of the same operation, since the CRM shows that the record is gone.
    assert_eq!(undo_id(&delete(&world, ids[0], None).await), operation);
}

#[tokio::test]
async fn a_repeat_of_an_unknown_delete_gets_its_outcome_once_that_is_known() {
    let world = World::with(quick()).await;
    let id = contact(&world, "Anna Serova").await;
    // The effect happens, the answer is lost, and for a while nobody can look.
    let cut = json!({"method": "POST", "path": "multiple/delete", "when": "after", "do": "cut", "times": 1});
    world.control("faults", cut).await;
    let first = delete(&world, id, None).await;
    assert_eq!(first.status(), StatusCode::GATEWAY_TIMEOUT);
    let operation = undo_id(&first);
    let body: Value = first.json().await.expect("JSON");
    assert_eq!((&body["status"], &body["code"]), (&json!("fail"), &json!("outcome_unknown")));
    let text = body.to_string();
    assert!(text.contains(&operation) && text.contains("snapshot is safe"), "{text}");
    let outcome = world
        .until("the outcome is known", async || {
            let repeat = delete(&world, id, None).await;
            assert_eq!(undo_id(&repeat), operation, "it joins");
            (repeat.status() != StatusCode::GATEWAY_TIMEOUT).then_some(repeat)
        })
        .await;
    assert_eq!(outcome.status(), StatusCode::OK);
    let body: Value = outcome.json().await.expect("JSON");
    assert_eq!(body["status"], "success");
    assert_eq!(world.effects("deleted", "contacts").await, [id]);
}

/// A raw request that ends as the caller likes. Whether the caller closed only his half.
async fn leave(gateway: &str, id: u64, wait: Duration, half: bool) {
    let address = gateway.trim_start_matches("http://");
    let mut socket = tokio::net::TcpStream::connect(address).await.expect("it listens");
    let body = format!("ID[]={id}");
    let request = format!(
        "POST /ajax/contacts/multiple/delete/ HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {CALLER}\r\n\
         X-Requested-With: XMLHttpRequest\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.expect("sent");
    tokio::time::sleep(wait).await;
    if half {
        socket.shutdown().await.expect("its half is closed");
        let mut answer = Vec::new();
        let reading = tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(20), reading).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_leave_at_any_moment_cut_nothing() {
    let count = if long() { 5000 } else { 1000 };
    let world = World::with(Setup { gateway: "client_requests_per_second = 0\n".into(), ..quick() }).await;
    let ids = contacts(&world, count).await;
    let begun = std::time::Instant::now();
    let leaving = futures::stream::iter(ids.iter().enumerate().map(|(n, id)| {
        let wait = Duration::from_millis((n as u64).wrapping_mul(0x9e37_79b9) % 300);
        let (world, half) = (&world, n % 3 == 0);
        async move {
            leave(&world.gateway, *id, wait, half).await;
            // Sixteen at a time: a heap of deletes nobody waits for would only be refused for want of a turn. Who leaves
            // before his request is read has not asked for anything, and is not waited for long.
            let path = format!("/api/v4/contacts/{id}");
            let deadline = std::time::Instant::now() + Duration::from_secs(3);
            while std::time::Instant::now() < deadline && world.crm(&path).await.is_some() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }));
    futures::StreamExt::collect::<Vec<()>>(futures::StreamExt::buffer_unordered(leaving, 16)).await;
    world
        .until("every operation has ended", async || {
            let open = world.see("/api/v1/operations?state=open,unknown&limit=1").await;
            open["operations"].as_array().is_some_and(Vec::is_empty).then_some(())
        })
        .await;
    let gone = world.effects("deleted", "contacts").await.len();
    println!("{count} callers left within {:?}, {} before they were heard", begun.elapsed(), count - gone);
    assert!((count - gone) * 100 <= count, "only {gone} of {count} were taken up");
    let (mut confirmed, mut cursor) = (0, String::new());
    loop {
        let page = world.see(&format!("/api/v1/operations?state=confirmed&limit=200{cursor}")).await;
        confirmed += page["operations"].as_array().expect("a list").len();
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(confirmed, gone, "each was carried out to its end, or never begun");
    let unended = world.see("/api/v1/operations?limit=200&state=refused,not_sent,partial,needs_review").await;
    assert_eq!(unended["operations"], json!([]), "a delete was cut");
    let held = world.see("/api/v1/entries?state=unknown,kept,needs_review&limit=200").await;
    assert_eq!(held["entries"], json!([]), "a delete was cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rolling_restarts_cut_no_delete() {
    let rounds = if long() { 100 } else { 5 };
    let mut world = World::with(quick()).await;
    let mut asked = Vec::new();
    for round in 0..rounds {
        let ids = contacts(&world, 12).await;
        let load: Vec<_> = ids
            .iter()
            .map(|id| {
                let request = world.through(Method::POST, "/ajax/contacts/multiple/delete/").form(&[("ID[]", *id)]);
                tokio::spawn(async move { request.send().await.map(|answer| answer.status()) })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(20 + 37 * (round % 7))).await;
        let (status, took) = world.terminate();
        assert!(status.success() && took < Duration::from_secs(30), "{status} after {took:?}\n{}", world.said());
        let sent = world.effects("deleted", "contacts").await;
        let mut answered = 0;
        for (id, load) in ids.iter().zip(load) {
            // The others were not taken on any more.
            if let Ok(StatusCode::OK) = load.await.expect("no panic") {
                answered += 1;
                assert!(sent.contains(id), "{id} was said to be deleted");
            }
        }
        world.start_again();
        let open = world.see("/api/v1/operations?state=open,unknown&limit=200").await;
        assert_eq!(open["operations"], json!([]), "round {round}: what was sent was finished; {answered} answered");
        asked.extend(ids);
    }
    let destroyed = world.effects("deleted", "contacts").await;
    let mut once = destroyed.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), destroyed.len());
    let states = "deleted,unknown,restoring,restored,needs_review";
    let (mut entries, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.see(&format!("/api/v1/entries?state={states}&limit=200{cursor}")).await;
        entries.extend(page["entries"].as_array().expect("entries").iter().map(|entry| number(&entry["record_id"])));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    entries.sort_unstable();
    assert_eq!(entries, once, "each destroyed record has its entry, and no other has one");
    println!("{rounds} restarts: {} of {} deletes carried out, 0 cut", once.len(), asked.len());
}

/// The 99th percentile of the gap between the last look and the delete, as the metrics tell it.
async fn gap(world: &World) -> f64 {
    let metrics = world.http.get(format!("{}/metrics", world.console)).send().await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    let line = metrics
        .lines()
        .find(|line| line.starts_with("crm_undo_version_gap_seconds{") && line.contains("quantile=\"0.99\""))
        .unwrap_or_else(|| panic!("{metrics}"));
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
}

#[tokio::test]
async fn at_the_limit_of_the_account_no_line_stands_between_the_last_look_and_the_delete() {
    let limits = Setup { crm_requests_per_second: 7, requests_per_second: 7, ..quick() };
    let world = World::with(limits).await;
    let ids = contacts(&world, 5).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let (reads, deletes) = tokio::join!(
        futures::future::join_all((0..20).map(|_| world.through(Method::GET, "/api/v4/contacts?limit=1").send())),
        futures::future::join_all(ids.iter().map(|id| delete(&world, *id, None))),
    );
    assert!(reads.into_iter().all(|read| read.expect("an answer").status() == StatusCode::OK));
    assert!(deletes.iter().all(|delete| delete.status() == StatusCode::OK));
    let gap = gap(&world).await;
    println!("gap at the limit: p99 {gap} s");
    assert!(gap <= 0.5, "{gap} s between the last look and the delete");
    let refused = world.heard("requests").await.iter().filter(|request| request["status"] == 429).count();
    assert_eq!(refused, 0);
}
