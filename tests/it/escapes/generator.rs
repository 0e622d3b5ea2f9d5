//! Spellings made of spellings: paths, verbs, headers and bodies changed by a seed, or two requests on one connection.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::corpus::{bytes, corpus};
use super::judge::{self, Ids, Targets};
use super::{nothing_escaped, sent_to, shown};
use crate::support::World;

/// Spellings between two looks at what the CRM did.
const ROUND: usize = 2_000;

const INTO_PATHS: &[&str] = &[
    "/",
    "//",
    "./",
    "../",
    "/./",
    "/../",
    "%2e",
    "%2E%2e",
    "%2f",
    "%5c",
    "\\",
    ";",
    ";a=b",
    "%3b",
    "%00",
    "%0a",
    "%20",
    "%09",
    "%25",
    "?",
    "??",
    "#",
    ".",
    "..",
    "%",
    "%6",
    "*",
    "~",
    "@",
    ":",
    "%c0%af",
    "%ef%bc%8f",
    ".php",
    ".json",
    "/x",
    "index.php/",
];
const INTO_BODIES: &[&str] = &[
    "&",
    "=",
    "[",
    "]",
    "[]",
    "{",
    "}",
    "\"",
    ",",
    ":",
    "\\",
    "%",
    "+",
    " ",
    "%00",
    "&ID[]=1",
    "&ACTION=DELETE",
    "ACTION=DELETE&",
    "&_method=DELETE",
    "&id=1",
    ";",
    "\r\n",
    "null",
    "0",
    "-",
    "e0",
    "\u{e9}",
    "/**/",
    "&ID=1",
    "delete",
    "DELETE",
];
const VERBS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "delete", "Post", "TRACE", "UNLINK", "PURGE", "CONNECT",
];
const HEADERS: &[&str] = &[
    "X-HTTP-Method-Override: DELETE",
    "X-HTTP-Method-Override: POST",
    "X-HTTP-Method: DELETE",
    "X-Method-Override: DELETE",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: identity",
    "Content-Length: 0",
    "Content-Length: 5",
    "Content-Type: multipart/form-data; boundary=b",
    "Content-Type: text/plain",
    "Content-Type: application/json",
    "Content-Encoding: gzip",
    "Host: evil.example",
    "X-Original-URL: /ajax/contacts/multiple/delete/",
    "X-Rewrite-URL: /ajax/contacts/multiple/delete/",
    "Connection: Authorization",
    "Connection: keep-alive",
    "Upgrade: h2c",
    "Expect: 100-continue",
    "X-Forwarded-Host: evil.example",
    "TE: trailers",
    " folded: x",
    "X: a\tb",
];

/// Changes some bytes of a request.
fn changed(mut bytes: Vec<u8>, other: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let line = bytes.windows(2).position(|two| two == b"\r\n").unwrap_or(bytes.len());
    let first = bytes.iter().position(|byte| *byte == b' ').unwrap_or(0).min(line);
    let last = bytes[..line].iter().rposition(|byte| *byte == b' ').unwrap_or(line).max(first + 1).min(line);
    let body = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let put = |bytes: &mut Vec<u8>, at: usize, what: &[u8]| drop(bytes.splice(at..at, what.iter().copied()));
    let in_path = |rng: &mut StdRng| if first + 1 < last { rng.random_range(first + 1..last) } else { first };
    match rng.random_range(0..18) {
        0..=2 => {
            let at = in_path(rng);
            put(&mut bytes, at, INTO_PATHS.choose(rng).expect("some").as_bytes());
        }
        3 => {
            let at = in_path(rng);
            if let Some(byte) = bytes.get(at).copied() {
                bytes.splice(at..=at, format!("%{byte:02x}").into_bytes());
            }
        }
        4 => {
            let at = in_path(rng);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= if byte.is_ascii_alphabetic() { 0x20 } else { 0x80 };
            }
        }
        5 => {
            let at = in_path(rng);
            bytes.drain(at..(at + 1).min(bytes.len()));
        }
        6 => drop(bytes.splice(..first, VERBS.choose(rng).expect("some").bytes())),
        7 if line < bytes.len() => {
            let header = format!("\r\n{}", HEADERS.choose(rng).expect("some"));
            put(&mut bytes, line, header.as_bytes());
        }
        8..=9 => {
            let at = rng.random_range(body.min(bytes.len())..=bytes.len());
            put(&mut bytes, at, INTO_BODIES.choose(rng).expect("some").as_bytes());
        }
        10 => {
            let at = rng.random_range(0..bytes.len());
            bytes[at] = rng.random();
        }
        11 => bytes.extend_from_slice(other),
        12 => {
            let at = in_path(rng);
            put(&mut bytes, at, INTO_BODIES.choose(rng).expect("some").as_bytes());
        }
        13 => {
            let at = rng.random_range(body.min(bytes.len())..=bytes.len());
            put(&mut bytes, at, INTO_PATHS.choose(rng).expect("some").as_bytes());
        }
        14 if body < bytes.len() => {
            let at = rng.random_range(body..bytes.len());
            bytes.splice(at..=at, format!("%{:02x}", bytes[at]).into_bytes());
        }
        15 if body < bytes.len() => {
            let at = rng.random_range(body..bytes.len());
            bytes[at] ^= if bytes[at].is_ascii_alphabetic() { 0x20 } else { 0x80 };
        }
        // What is in the body comes in the query as well, or again.
        16 if body < bytes.len() => {
            let mut again = vec![if bytes[first..last].contains(&b'?') { b'&' } else { b'?' }];
            again.extend_from_slice(&bytes[body..]);
            put(&mut bytes, last, &again);
        }
        _ if body < bytes.len() => {
            let from = rng.random_range(body..bytes.len());
            let to = rng.random_range(from..bytes.len());
            let mut again = vec![*b"&,;{".choose(rng).expect("some")];
            again.extend_from_slice(&bytes[from..=to]);
            put(&mut bytes, to + 1, &again);
        }
        _ => {}
    }
    bytes
}

/// One request made of another, by one to so many changes. Of every two, one has the length that its head says.
pub fn spelling(request: &[u8], other: &[u8], changes: usize, rng: &mut StdRng) -> Vec<u8> {
    let mut request = request.to_vec();
    for _ in 0..rng.random_range(1..=changes) {
        request = changed(request, other, rng);
    }
    if rng.random() { framed(request) } else { request }
}

/// With the length of everything after its head.
fn framed(bytes: Vec<u8>) -> Vec<u8> {
    const NAME: &[u8] = b"Content-Length: ";
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return bytes };
    let Some(at) = bytes[..end].windows(NAME.len()).position(|name| name == NAME) else { return bytes };
    let at = at + NAME.len();
    let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let length = (bytes.len() - end - 4).to_string();
    [&bytes[..at], length.as_bytes(), &bytes[at + digits..]].concat()
}

/// Sends so many; what they came to. Panics at an escape, with its bytes.
pub async fn run(world: &World, seed: u64, count: usize) -> String {
    let mut rng = StdRng::seed_from_u64(seed);
    let lines = corpus();
    let address = world.gateway.trim_start_matches("http://").to_owned();
    let mut targets = Targets::default();
    let (mut answered, mut archived, mut left) = ([0_usize; 6], 0, count);
    while left > 0 {
        // Each is made of one line, and may be followed by another: both aim at records of their own.
        let size = left.min(ROUND);
        let picked: Vec<String> =
            (0..2 * size).map(|_| lines.choose(&mut rng).expect("some").request.clone()).collect();
        let aims = targets.take(world, &picked).await;
        let rendered: Vec<Vec<u8>> =
            picked.iter().zip(&aims).map(|(request, ids)| bytes(request, &|kind| ids[&kind])).collect();
        let mut sent = Vec::with_capacity(size);
        let mut ids: Vec<Ids> = Vec::with_capacity(size);
        for (pair, aims) in rendered.chunks_exact(2).zip(aims.chunks_exact(2)) {
            sent.push(spelling(&pair[0], &pair[1], 3, &mut rng));
            // Under another name where both aim at a record of one kind.
            let second = aims[1].iter().map(|(kind, id)| (kind.to_ascii_uppercase(), *id));
            ids.push(aims[0].iter().map(|(kind, id)| (*kind, *id)).chain(second).collect());
        }
        left -= size;
        let run = sent_to(world, &address, sent, ids, Duration::from_millis(120)).await;
        nothing_escaped(world, &run, &|at| format!("seed {seed}: {}", shown(&run.sent[at]))).await;
        for answer in &run.answers {
            answered[usize::from(judge::status(answer) / 100).min(5)] += 1;
        }
        archived += run.gone.len();
        targets.give_back(aims, &run.gone);
    }
    // Also what had its effect only after its round was judged.
    let escaped = judge::escaped(world, &judge::destroyed(world, 0).await).await;
    assert!(escaped.is_empty(), "seed {seed}: {escaped:?}");
    let [none, _, fine, _, refused, failed] = answered;
    format!(
        "answers 2xx {fine}, 4xx {refused}, 5xx {failed}, none {none}; {archived} records destroyed, archived before"
    )
}
