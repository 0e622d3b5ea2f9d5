//! Slow and silent clients, and a CRM that stops in the middle: others do not notice, memory stays bounded, and each is
//! cut when its time is over. `CRM_UNDO_LONG=1` has a thousand of each kind and the deadlines of the default file.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::support::{Client, Message, Program, read_head};

/// A CRM that answers `/huge` without end, begins `/stall…` and stops, and says `{}` to everything else.
fn crm() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    // On a thread of its own: what it does for the slow must not hold up the clients that measure.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).expect("a socket");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream));
            }
        });
    });
    url
}

async fn answer(mut stream: TcpStream) {
    let mut held = Vec::new();
    while let Some(Message { first, .. }) = read_head(&mut stream, &mut held).await {
        // In a build without optimization the search for links in so much would be what is measured.
        let kind = if cfg!(debug_assertions) && first.contains("/huge") { "octet-stream" } else { "json" };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/{kind}\r\n");
        if first.contains("/huge") {
            let piece = vec![b' '; 64 << 10];
            let _ = stream.write_all(format!("{head}Content-Length: 1000000000000\r\n\r\n").as_bytes()).await;
            while stream.write_all(&piece).await.is_ok() {}
            return;
        }
        let begun = match first.split(' ').nth(1).unwrap_or_default() {
            "/stall/short" => "Content-Length: 50\r\n\r\n{\"a\":",
            "/stall/long" => "Content-Length: 500000\r\n\r\n{\"a\":",
            "/stall/chunks" => "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n",
            "/stall/chunk" => "Transfer-Encoding: chunked\r\n\r\n500\r\n{\"a\":",
            _ => "Content-Length: 2\r\n\r\n{}",
        };
        if stream.write_all(format!("{head}{begun}").as_bytes()).await.is_err() {
            return;
        }
        if first.contains("/stall") {
            std::future::pending::<()>().await;
        }
    }
}

/// KiB that the process has in memory.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it says so");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Half a head, and nothing more.
    Head,
    /// A body, one byte a second.
    Body,
    /// Asks for much and never reads.
    Reader,
}

/// One slow client; after how long it was cut.
async fn slow(kind: Kind, address: std::net::SocketAddr, number: usize, patience: Duration) -> Option<Duration> {
    let socket = TcpSocket::new_v4().expect("a socket");
    // A small window: what the client does not read stays with the gateway and the CRM, and not with the kernel.
    socket.set_recv_buffer_size(4096).expect("a buffer");
    let octet = u8::try_from(number % 200 + 1).expect("below 256");
    socket.bind(([127, 0, 1, octet], 0).into()).expect("an address of this host");
    let mut stream = socket.connect(address).await.expect("it listens");
    let begin = match kind {
        Kind::Head => "GET /api/v4/contacts HTTP/1.1\r\nHost: a\r\nX-Half: ",
        Kind::Body => "POST /api/v4/leads HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n[",
        Kind::Reader => "GET /huge HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    let begun = Instant::now();
    stream.write_all(begin.as_bytes()).await.ok()?;
    while begun.elapsed() < patience {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let alive = match kind {
            Kind::Body => stream.write_all(b" ").await.is_ok(),
            // A connection that was cut is known by its socket without reading from it.
            Kind::Reader => stream.write_all(b"\r\n").await.is_ok(),
            Kind::Head => stream.try_read(&mut [0; 64]).is_err(),
        };
        if !alive {
            return Some(begun.elapsed());
        }
    }
    None
}

/// Eight clients that ask again and again until then: how long each answer took.
fn live(address: &str, stop: Instant) -> Vec<tokio::task::JoinHandle<Vec<Duration>>> {
    let one = |to: String| async move {
        let mut waits = Vec::new();
        let mut client = Client::connect(&to).await;
        while Instant::now() < stop {
            let begun = Instant::now();
            assert!(client.send("GET /api/v4/account HTTP/1.1\r\nHost: a\r\n\r\n").await);
            assert_eq!(client.answer().await.expect("an answer").status(), 200);
            waits.push(begun.elapsed());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        waits
    };
    (0..8).map(|_| tokio::spawn(one(address.to_owned()))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_do_not_notice_slow_clients_and_each_is_cut() {
    let long = std::env::var_os("CRM_UNDO_LONG").is_some();
    let each = if long { 1000 } else { 100 };
    let deadlines = if long { "" } else { "header_seconds = 6\nbody_idle_seconds = 6\nwrite_idle_seconds = 6\n" };
    let places = "max_connections = 8192\nmax_connections_per_address = 256\n";
    let url = crm();
    let program = Program::told(&format!("{places}{deadlines}"), "", false, &[("acme", &url, &[])]);
    let address: std::net::SocketAddr = program.address().parse().expect("an address");
    // Warm: the first answers make connections.
    for _ in 0..50 {
        let mut client = Client::connect(program.address()).await;
        assert!(client.send("GET /api/v4/account HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await);
        assert_eq!(client.answer().await.expect("an answer").status(), 200);
    }
    let mut alone = Vec::new();
    for task in live(program.address(), Instant::now() + Duration::from_secs(1)) {
        alone.extend(task.await.expect("they are served"));
    }
    alone.sort();
    let before = resident(program.pid());
    let patience = Duration::from_secs(if long { 90 } else { 30 });
    let mut clients = Vec::new();
    for number in 0..each {
        for kind in [Kind::Head, Kind::Body, Kind::Reader] {
            clients.push(tokio::spawn(async move { (kind, slow(kind, address, number, patience).await) }));
        }
        // They come quickly, and not as one flood of connections: that is another question.
        tokio::time::sleep(Duration::from_millis(if long { 3 } else { 10 })).await;
    }
    let stop = Instant::now() + Duration::from_secs(if long { 25 } else { 3 });
    let live = live(program.address(), stop);
    let mut most = 0;
    while Instant::now() < stop {
        most = most.max(resident(program.pid()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut waits = Vec::new();
    for task in live {
        waits.extend(task.await.expect("others are served"));
    }
    waits.sort();
    let alone = alone[(alone.len() - 1) * 99 / 100];
    let at = |percent: usize| waits[(waits.len() - 1) * percent / 100];
    println!(
        "{each} of each kind; others: p99 {alone:?} before, then {} requests, p50 {:?}, p99 {:?}, longest {:?}; memory {before} KiB before, {most} KiB at most",
        waits.len(),
        at(50),
        at(99),
        waits[waits.len() - 1],
    );
    let mut cut: Vec<(Kind, Duration)> = Vec::new();
    for client in clients {
        let (kind, after) = client.await.expect("no panic");
        cut.push((kind, after.unwrap_or_else(|| panic!("{kind:?} was not cut within {patience:?}"))));
    }
    for kind in [Kind::Head, Kind::Body, Kind::Reader] {
        let of: Vec<Duration> = cut.iter().filter(|(one, _)| *one == kind).map(|(_, after)| *after).collect();
        println!("{kind:?}: cut after {:?} to {:?}", of.iter().min(), of.iter().max());
    }
    // The figure is that of the long run, which has the machine to itself; here other tests run beside it.
    let bound = Duration::from_millis(if long { 200 } else { 5_000 }).max(3 * alone);
    assert!(at(99) < bound, "others waited {:?}", at(99));
    // A connection with what hyper holds for it, in both directions, and what a relay holds.
    let allowed = 64 * 1024 + 3 * each as u64 * 600;
    assert!(most.saturating_sub(before) < allowed, "{before} KiB became {most} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crm_that_stops_in_the_middle_of_an_answer_is_not_waited_for() {
    let url = crm();
    let program = Program::told("answer_idle_seconds = 1\n", "", false, &[("acme", &url, &[])]);
    let own = url.trim_start_matches("http://").to_owned();
    for host in ["gate.example", own.as_str()] {
        for target in ["/stall/short", "/stall/long", "/stall/chunks", "/stall/chunk"] {
            let begun = Instant::now();
            let mut client = Client::connect(program.address()).await;
            assert!(client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await);
            // Honest: an error, or an answer that breaks off; never one that looks whole.
            if let Some(answer) = client.answer().await {
                assert_eq!(answer.status(), 502, "{target} as {host}: {answer:?}");
            } else {
                assert!(client.ends_within(Duration::from_secs(1)).await);
            }
            let took = begun.elapsed();
            assert!(took > Duration::from_millis(700) && took < Duration::from_secs(8), "{target}: {took:?}");
        }
    }
}
