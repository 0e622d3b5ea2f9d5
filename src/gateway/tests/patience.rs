//! Slow and silent clients are cut while others are served; answers under way are finished.

use std::time::{Duration, Instant};

use super::fake::List;
use super::world::{Client, Message, World, ok};
use crate::gateway::Limits;

fn impatient() -> Limits {
    Limits {
        head: Duration::from_millis(300),
        keep_alive: Duration::from_millis(600),
        body_idle: Duration::from_millis(300),
        body_rate: 1024,
        write_idle: Duration::from_millis(300),
        answer_idle: Duration::from_millis(600),
        delete_answer: Duration::from_secs(15),
        connections: 1024,
        connections_per_address: 1000,
        drain: Duration::from_secs(5),
    }
}

async fn world(limits: Limits) -> World {
    World::with(answer, limits, List::default()).await
}

fn answer(heard: &Message) -> Vec<u8> {
    if heard.first.contains("/huge") { ok(&"x".repeat(64 << 20)) } else { ok("{}") }
}

async fn dripped(client: &mut Client, begin: &[u8], drop: &[u8], every: Duration) -> Duration {
    let begun = Instant::now();
    client.write(begin).await;
    while begun.elapsed() < Duration::from_secs(10) {
        client.write(drop).await;
        if client.closed(every).await {
            return begun.elapsed();
        }
    }
    panic!("it was never cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_are_cut_and_others_do_not_notice() {
    let world = world(impatient()).await;
    let begin: &[&[u8]] = &[
        b"",
        b"GET / HTTP/1.1\r\nHos",
        b"POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nab",
        b"POST /streamed HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nab",
        b"POST /form HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ];
    let mut slow = Vec::new();
    for number in 0..250 {
        let mut client = world.connect().await;
        client.write(begin[number % begin.len()]).await;
        slow.push((number, client));
    }
    let mut waits = Vec::new();
    for _ in 0..100 {
        let begun = Instant::now();
        assert_eq!(world.say("GET /quick HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap().status(), 200);
        waits.push(begun.elapsed());
    }
    waits.sort();
    assert!(waits[95] < Duration::from_millis(500), "others waited {:?}", waits[95]);
    for (number, mut client) in slow {
        assert!(client.closed(Duration::from_secs(5)).await, "{number} was not cut");
    }
    let forms = world.heard().iter().filter(|heard| heard.first.contains("/form")).count();
    assert_eq!(forms, 0, "a body that never came is not an empty body");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dripping_does_not_help() {
    let world = world(impatient()).await;
    let every = Duration::from_millis(40);
    let mut client = world.connect().await;
    let cut = dripped(&mut client, b"GET / HTTP/1.1\r\n", b"A: b\r\n", every).await;
    assert!(cut < Duration::from_secs(3), "a dripped head lasted {cut:?}");
    let mut client = world.connect().await;
    let begin = b"POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n";
    let cut = dripped(&mut client, begin, b"x", every).await;
    assert!(cut < Duration::from_secs(3), "a dripped body lasted {cut:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_is_cut() {
    let world = world(impatient()).await;
    let mut client = world.connect().await;
    client.write(b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let begun = Instant::now();
    assert!(client.closed(Duration::from_secs(10)).await, "{:?}", begun.elapsed());
    assert!(client.held.len() < 64 << 20, "the whole answer came although nobody read for 1.5 s");
}

#[tokio::test]
async fn a_kept_connection_may_rest_but_not_for_ever() {
    let world = world(impatient()).await;
    let mut client = world.connect().await;
    for _ in 0..3 {
        client.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.read().await.unwrap().status(), 200);
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    assert!(client.closed(Duration::from_secs(3)).await);
}

#[tokio::test]
async fn one_address_gets_so_many_connections_and_no_more() {
    let world = world(Limits { connections_per_address: 3, head: Duration::from_secs(5), ..impatient() }).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut client = world.connect().await;
        client.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.read().await.unwrap().status(), 200);
        held.push(client);
    }
    let mut fourth = world.connect().await;
    assert_eq!(fourth.read().await.unwrap_or_default().status(), 503);
    drop(held);
    let deadline = Instant::now() + Duration::from_secs(5);
    while world.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.is_none_or(|told| told.status() != 200) {
        assert!(Instant::now() < deadline, "the places were not given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn all_together_get_so_many_connections_and_the_next_one_waits() {
    let world = world(Limits { connections: 4, ..impatient() }).await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(world.connect().await);
    }
    // Served as soon as the silent ones are cut.
    assert_eq!(world.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_under_way_are_finished_and_idle_connections_closed() {
    let mut world = World::with(
        |heard| {
            if heard.first.contains("/slow") {
                std::thread::sleep(Duration::from_millis(700));
            }
            ok("{}")
        },
        Limits { connections_per_address: 100, ..Limits::default() },
        List::default(),
    )
    .await;
    let mut idle = world.connect().await;
    idle.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(idle.read().await.unwrap().status(), 200);
    let mut slow = world.connect().await;
    slow.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = Instant::now();
    world.shutdown.cancel();
    assert_eq!(slow.read().await.unwrap().status(), 200);
    assert!(idle.closed(Duration::from_secs(3)).await);
    assert!(world.serving.take().unwrap().stopped().await.unwrap());
    assert!(begun.elapsed() < Duration::from_secs(5), "the drain took {:?}", begun.elapsed());
    assert!(tokio::net::TcpStream::connect(world.gateway).await.is_err());
}
