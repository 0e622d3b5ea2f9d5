//! No client is ever given the answer to another one's request, on connections that are kept, pipelined and cut, on
//! both sides. `CRM_UNDO_LONG=1`: 10,000 requests.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Client, Message, Program, read};

/// A CRM that says back the tag it was sent, sometimes late, in pieces, cut, or with the end of the connection.
async fn crm(seed: u64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            tokio::spawn(echo(stream, StdRng::seed_from_u64(seed ^ number)));
        }
    });
    url
}

async fn echo(mut stream: TcpStream, mut random: StdRng) {
    let mut held = Vec::new();
    while let Some(head) = read(&mut stream, &mut held).await {
        let tag = head.header("x-tag").unwrap_or_default().to_owned();
        if random.random_bool(0.3) {
            tokio::time::sleep(Duration::from_millis(random.random_range(0..20))).await;
        }
        let body = format!("{tag} ").repeat(random.random_range(1..2000));
        let begin = format!("HTTP/1.1 200 OK\r\nX-Tag: {tag}\r\nContent-Type: application/json\r\n");
        let whole = if random.random_bool(0.5) {
            format!("{begin}Content-Length: {}\r\n\r\n{body}", body.len())
        } else {
            format!("{begin}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
        };
        match random.random_range(0..20) {
            // It says too much: what follows must not become the answer to the next request.
            0 => {
                let stray = "HTTP/1.1 200 OK\r\nX-Tag: stray\r\nContent-Length: 5\r\n\r\nstray";
                let _ = stream.write_all(format!("{whole}{stray}").as_bytes()).await;
            }
            // Cut in the middle.
            1 => {
                let _ = stream.write_all(&whole.as_bytes()[..random.random_range(0..whole.len())]).await;
                return;
            }
            // Closed after an answer that did not say so.
            2 => {
                let _ = stream.write_all(whole.as_bytes()).await;
                return;
            }
            _ => {
                let (one, two) = whole.as_bytes().split_at(random.random_range(0..whole.len()));
                let _ = stream.write_all(one).await;
                tokio::task::yield_now().await;
                if stream.write_all(two).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn request(tag: &str, random: &mut StdRng) -> String {
    let host = ["gate.example", "a:8080"][random.random_range(0..2)];
    if random.random_bool(0.5) {
        return format!("GET /api/v4/contacts HTTP/1.1\r\nHost: {host}\r\nX-Tag: {tag}\r\n\r\n");
    }
    let body = "x".repeat(random.random_range(0..3000));
    format!(
        "POST /api/v4/leads HTTP/1.1\r\nHost: {host}\r\nX-Tag: {tag}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Whether the answer is this request's own. `false`: an honest error.
fn is_own(answer: &Message, tag: &str, of: &str) -> bool {
    if answer.status() != 200 {
        assert!(matches!(answer.status(), 502..=504), "{of}: {answer:?}");
        assert_eq!(answer.header("x-tag"), None, "{of}");
        return false;
    }
    assert_eq!(answer.header("x-tag"), Some(tag), "{of}: an answer crossed");
    let text = String::from_utf8_lossy(&answer.body);
    assert!(text.split_whitespace().all(|word| word == tag), "{of}: a body crossed");
    true
}

/// One client's life: (asked, answered).
async fn client(address: String, number: usize, requests: usize, seed: u64) -> (usize, usize) {
    let mut random = StdRng::seed_from_u64(seed.wrapping_add(number as u64 * 7919));
    let (mut asked, mut answered) = (0, 0);
    let mut kept = Client::connect(&address).await;
    while asked < requests {
        let of = format!("seed {seed}, client {number}, request {asked}");
        let many = if random.random_bool(0.3) { random.random_range(2..6) } else { 1 };
        let tags: Vec<String> = (0..many).map(|n| format!("t{number}-{}", asked + n)).collect();
        asked += many;
        let bytes: String = tags.iter().map(|tag| request(tag, &mut random)).collect();
        if random.random_bool(0.1) {
            // Left in the middle of the request, or of the answer.
            kept.send(&bytes.as_bytes()[..random.random_range(1..=bytes.len())]).await;
            tokio::time::sleep(Duration::from_millis(random.random_range(0..10))).await;
            kept = Client::connect(&address).await;
            continue;
        }
        kept.send(&bytes).await;
        for tag in &tags {
            let Some(answer) = kept.answer().await else {
                kept = Client::connect(&address).await;
                break;
            };
            answered += usize::from(is_own(&answer, tag, &of));
            if answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
                kept = Client::connect(&address).await;
                break;
            }
        }
    }
    (asked, answered)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_crosses_to_another_request() {
    let seed: u64 = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("seed {seed}; SEED={seed} cargo test --test it crossed:: replays it");
    let requests = if std::env::var_os("CRM_UNDO_LONG").is_some() { 10_000 } else { 2_000 };
    let url = crm(seed).await;
    let program = Program::told("max_connections_per_address = 500\n", "", false, &[("acme", &url, &[])]);
    let clients = (0..20).map(|number| tokio::spawn(client(program.address().to_owned(), number, requests / 20, seed)));
    let (mut asked, mut answered) = (0, 0);
    for client in clients.collect::<Vec<_>>() {
        let (one, other) = client.await.expect("no answer crossed");
        asked += one;
        answered += other;
    }
    println!("{asked} requests, {answered} whole answers, none crossed");
    assert!(answered * 2 > asked, "{answered} of {asked}: too few to say anything");
}
