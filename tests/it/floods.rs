//! Bombs and floods: memory stays bounded, nothing is deleted, and the next one is served.

use std::io::Write as _;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::World;

const DELETE: &str = "POST /ajax/contacts/multiple/delete/ HTTP/1.1\r\nHost: a\r\nX-Requested-With: XMLHttpRequest\r\n";
const WRITE: &str = "POST /api/v4/leads HTTP/1.1\r\nHost: a\r\n";
const READ: &str = "GET /api/v4/account HTTP/1.1\r\nHost: a\r\n";
const MANY: usize = 1 << 20;

fn framed(head: &str, kind: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!("{head}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn gzip_bomb() -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let piece = vec![b'['; MANY];
    for _ in 0..64 {
        packer.write_all(&piece).expect("memory");
    }
    packer.finish().expect("memory")
}

fn chunks(head: &str, body: &str) -> Vec<u8> {
    format!("{head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{body}").into_bytes()
}

/// What is thrown, by name.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let json = "application/json";
    let form = "application/x-www-form-urlencoded";
    let many_headers: String = (0..10_000).map(|n| format!("X-{n}: 1\r\n")).collect::<Vec<_>>().concat();
    let megabyte = "a".repeat(MANY);
    let coded = |head: &str| framed(&format!("{head}Content-Encoding: gzip\r\n"), json, gzip_bomb());
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(MANY));
    vec![
        ("deep JSON in a delete", framed(DELETE, json, "[".repeat(MANY - 1))),
        ("deep JSON in a write", framed(WRITE, json, "[".repeat(MANY))),
        ("deep objects in a delete", framed(DELETE, json, "{\"a\":".repeat(200_000))),
        ("a number of a million digits", framed(DELETE, json, format!("{{\"ID\":[{}]}}", "9".repeat(900_000)))),
        ("one key many times", framed(DELETE, json, format!("{{{}\"ID\":[1]}}", "\"ID\":[1],".repeat(100_000)))),
        ("a form of empty keys", framed(DELETE, form, "a=&".repeat(300_000))),
        ("a form of one long key", framed(DELETE, form, "a".repeat(MANY - 1))),
        ("a form of nested brackets", framed(DELETE, form, format!("ID{}=1", "[a]".repeat(300_000)))),
        ("many parts", framed(DELETE, "multipart/form-data; boundary=x", "--x\r\n\r\n1\r\n".repeat(90_000))),
        ("gzip bomb in a delete", coded(DELETE)),
        ("gzip bomb in a write", coded(WRITE)),
        ("a length of an exabyte", format!("{DELETE}Content-Length: 1000000000000000000\r\n\r\nID[]=1").into_bytes()),
        ("a length beyond 64 bits", format!("{DELETE}Content-Length: 99999999999999999999\r\n\r\n").into_bytes()),
        ("a negative length", format!("{DELETE}Content-Length: -1\r\n\r\n").into_bytes()),
        ("a chunk of 16 exabytes", chunks(DELETE, "FFFFFFFFFFFFFFFF\r\nID[]=1")),
        ("a chunk beyond 64 bits", chunks(DELETE, "1FFFFFFFFFFFFFFFF\r\nID[]=1")),
        ("an endless chunk size", chunks(DELETE, &"0".repeat(MANY))),
        ("an endless chunk extension", chunks(DELETE, &format!("1;{megabyte}"))),
        ("64 MB in chunks to a delete", chunks(DELETE, &chunk.repeat(64))),
        ("endless trailers", chunks(WRITE, &format!("0\r\n{}", "X: y\r\n".repeat(200_000)))),
        ("ten thousand headers", format!("{READ}{many_headers}\r\n").into_bytes()),
        ("endless headers", format!("{READ}{}", "A: b\r\n".repeat(MANY)).into_bytes()),
        ("a header of a megabyte", format!("{READ}X: {megabyte}\r\n\r\n").into_bytes()),
        ("a name of a megabyte", format!("{READ}{megabyte}: x\r\n\r\n").into_bytes()),
        ("a target of a megabyte", format!("GET /{megabyte} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()),
        ("a verb of a megabyte", format!("{megabyte} / HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()),
        ("nothing but zeros", vec![0; 8 * MANY]),
        ("nothing but line ends", b"\r\n".repeat(MANY)),
        ("TLS to a plain port", [&b"\x16\x03\x01\x02\x00\x01"[..], &[0xff; 4096]].concat()),
        (
            "HTTP/2 settings",
            [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &b"\0\0\0\x04\0\0\0\0\0".repeat(50_000)].concat(),
        ),
        ("pipelined without reading", format!("{READ}\r\n").repeat(20_000).into_bytes()),
    ]
}

/// Throws it, for 3 s at most; the status of the first answer, if there is one.
async fn thrown(address: &str, bytes: Vec<u8>) -> Option<u16> {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let (mut reads, mut writes) = stream.into_split();
    let writing = tokio::spawn(async move {
        let _ = tokio::time::timeout(Duration::from_secs(3), writes.write_all(&bytes)).await;
        writes
    });
    let mut begin = Vec::new();
    let reading = async { while begin.len() < 16 && reads.read_buf(&mut begin).await.is_ok_and(|read| read > 0) {} };
    let _ = tokio::time::timeout(Duration::from_secs(4), reading).await;
    drop(writing.await);
    String::from_utf8_lossy(&begin).split(' ').nth(1).and_then(|status| status.parse().ok())
}

fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("it says so");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_and_floods_cost_little_and_delete_nothing() {
    let world = World::start().await;
    world.create("contacts", json!([{"name": "Anna Serova"}])).await;
    let address = world.gateway.trim_start_matches("http://").to_owned();
    let before = peak(world.pid());
    for (name, bytes) in bombs() {
        let status = thrown(&address, bytes).await;
        let most = peak(world.pid());
        println!("{name}: {status:?}, at most {most} KiB");
        let served = status.is_none_or(|status| (200..500).contains(&status) || matches!(status, 501 | 505));
        assert!(served, "{name}: {status:?}");
        assert!(most.saturating_sub(before) < 128 << 10, "{name}: {before} KiB became {most} KiB");
        let next = world.through(reqwest::Method::GET, "/api/v4/account").send().await.expect("an answer");
        assert_eq!(next.status(), 200, "{name}: the next one is served");
    }
    // Four at a time, all of them once more.
    let all: Vec<_> = bombs().into_iter().map(|(_, bytes)| thrown(&address, bytes)).collect();
    futures::StreamExt::collect::<Vec<_>>(futures::StreamExt::buffer_unordered(futures::stream::iter(all), 4)).await;
    let most = peak(world.pid());
    assert!(most.saturating_sub(before) < 256 << 10, "together: {before} KiB became {most} KiB");
    let effects = world.heard("effects").await;
    assert!(effects.iter().all(|effect| effect["what"] != "deleted"), "{effects:?}");
}
