//! TLS and tunnels keep to the limits of the listener: their deadlines, their numbers, the drain.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::fake::List;
use super::world::{Client, World, ok};
use crate::gateway::pulse::{Coarse, Marked, Pulse};
use crate::gateway::{Forward, Limits, Settings, Tunnels};

fn limits() -> Limits {
    Limits {
        head: Duration::from_millis(400),
        keep_alive: Duration::from_millis(800),
        write_idle: Duration::from_millis(400),
        drain: Duration::from_secs(5),
        ..Limits::default()
    }
}

/// A server for `crm.example` and a client that trusts it.
fn pair() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["crm.example".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let server = server.unwrap().with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    (Arc::new(server), Arc::new(client.unwrap().with_root_certificates(roots).with_no_client_auth()))
}

async fn world(limits: Limits, tunnels: Option<Tunnels>) -> (World, Arc<ClientConfig>) {
    let (server, client) = pair();
    let forward = Forward { tls: Arc::clone(&server), credentials: None, tunnels };
    let hosts = vec![("acme".to_owned(), vec!["crm.example".to_owned()])];
    let settings = Settings { hosts, limits, tls: Some(server), forward: Some(forward), ..Settings::default() };
    let answer = |heard: &super::world::Message| {
        if heard.first.contains("/huge") { ok(&"x".repeat(32 << 20)) } else { ok("{}") }
    };
    (World::set_up(answer, settings, List::default()).await, client)
}

async fn shaken(stream: TcpStream, config: &Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    TlsConnector::from(Arc::clone(config)).connect(ServerName::try_from("crm.example").unwrap(), stream).await
}

async fn asked(world: &World, target: &str) -> (u16, Client) {
    let stream = TcpStream::connect(world.proxy.unwrap()).await.unwrap();
    let mut client = Client { stream, held: vec![] };
    client.write(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").as_bytes()).await;
    (client.read_head().await.map_or(0, |told| told.status()), client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_shake_hands_is_cut() {
    let (world, _) = world(limits(), None).await;
    let silent = world.connect().await;
    let mut half = world.connect().await;
    half.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await;
    let mut dripping = world.connect().await;
    let (status, tunnel) = asked(&world, "crm.example:443").await;
    assert_eq!(status, 200);
    let to_proxy = Client { stream: TcpStream::connect(world.proxy.unwrap()).await.unwrap(), held: vec![] };
    let begun = Instant::now();
    let drip = async {
        for byte in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdefghijklmnopqrstuvwxyz" {
            dripping.write(&[*byte]).await;
            if dripping.closed(Duration::from_millis(60)).await {
                return;
            }
        }
        panic!("a dripped handshake was never cut");
    };
    drip.await;
    for (name, mut client) in [("silent", silent), ("half", half), ("tunnel", tunnel), ("proxy", to_proxy)] {
        assert!(client.closed(Duration::from_secs(3)).await, "{name}");
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_counts_as_a_connection() {
    let (world, config) =
        world(Limits { connections_per_address: 3, head: Duration::from_secs(10), ..limits() }, None).await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(world.connect().await);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    let fourth = TcpStream::connect(world.gateway).await.unwrap();
    assert!(shaken(fourth, &config).await.is_err(), "one over the limit shakes no hands");
    assert!(begun.elapsed() < Duration::from_secs(3), "and is told at once");
    let (status, _) = asked(&world, "crm.example:443").await;
    assert_eq!(status, 503, "both listeners count together");
    drop(silent);
    let deadline = Instant::now() + Duration::from_secs(5);
    while shaken(TcpStream::connect(world.gateway).await.unwrap(), &config).await.is_err() {
        assert!(Instant::now() < deadline, "the places were not given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_too_who_does_not_read_is_cut_and_who_rests_may_rest() {
    let (world, config) = world(limits(), None).await;
    let mut reader = shaken(TcpStream::connect(world.gateway).await.unwrap(), &config).await.unwrap();
    let mut stuck = shaken(TcpStream::connect(world.gateway).await.unwrap(), &config).await.unwrap();
    stuck.write_all(b"GET /huge HTTP/1.1\r\nHost: crm.example\r\n\r\n").await.unwrap();
    for _ in 0..3 {
        reader.write_all(b"GET / HTTP/1.1\r\nHost: crm.example\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        reader.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        let mut rest = vec![0; 4096];
        let _ = reader.read(&mut rest).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let mut held = Vec::new();
    let reading = stuck.read_to_end(&mut held);
    let _ = tokio::time::timeout(Duration::from_secs(10), reading).await.expect("it was cut");
    assert!(held.len() < 32 << 20, "the whole answer came although nobody read for 1.5 s");
}

/// A server that takes connections, and says nothing.
async fn mute() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tunnels_are_few_and_end_when_nothing_moves() {
    let port = mute().await;
    let idle = Duration::from_millis(700);
    let tunnels = Tunnels { ports: vec![port], private_addresses: true, at_once: 2, idle };
    let (world, _) = world(limits(), Some(tunnels)).await;
    let target = format!("localhost:{port}");
    let (one, mut busy) = asked(&world, &target).await;
    let (two, mut rests) = asked(&world, &target).await;
    assert_eq!((one, two), (200, 200));
    assert_eq!(asked(&world, &target).await.0, 503, "a third one is one too many");
    assert_eq!(asked(&world, "crm.example:443").await.0, 200, "the CRM is not counted among them");
    let begun = Instant::now();
    while begun.elapsed() < idle * 2 {
        busy.write(b"a byte").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(rests.closed(Duration::from_millis(10)).await, "nothing moved for {idle:?}");
    assert!(!busy.closed(Duration::from_millis(10)).await, "bytes moved all the time");
    assert_eq!(asked(&world, &target).await.0, 200, "its place was given back");
    assert!(busy.closed(Duration::from_secs(5)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_drain_ends_tunnels_and_handshakes() {
    let port = mute().await;
    let tunnels = Tunnels { ports: vec![port], private_addresses: true, ..Tunnels::default() };
    let (mut world, config) = world(limits(), Some(tunnels)).await;
    let (status, mut other) = asked(&world, &format!("localhost:{port}")).await;
    assert_eq!(status, 200);
    let (_, client) = asked(&world, "crm.example:443").await;
    let mut inside = shaken(client.stream, &config).await.unwrap();
    inside.write_all(b"GET / HTTP/1.1\r\nHost: crm.example\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    inside.read_exact(&mut answer).await.unwrap();
    let mut silent = world.connect().await;
    let begun = Instant::now();
    world.shutdown.cancel();
    assert!(world.serving.take().unwrap().stopped().await.unwrap(), "all in time");
    assert!(begun.elapsed() < Duration::from_secs(3), "the drain took {:?}", begun.elapsed());
    assert!(other.closed(Duration::from_secs(1)).await && silent.closed(Duration::from_secs(1)).await);
    let mut rest = Vec::new();
    let reading = inside.read_to_end(&mut rest);
    let _ = tokio::time::timeout(Duration::from_secs(1), reading).await.expect("closed");
    assert!(TcpStream::connect(world.proxy.unwrap()).await.is_err());
}

/// Takes everything, and never lets it go.
struct Keeps;

impl tokio::io::AsyncWrite for Keeps {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn what_waits_below_counts_as_not_taken() {
    let clock = Coarse::new();
    tokio::spawn(clock.clone().run(Duration::from_millis(5)));
    let pulse = Arc::new(Pulse::new(clock, Limits { write_idle: Duration::from_millis(50), ..Limits::default() }));
    let mut stream = Marked { stream: Keeps, pulse: Arc::clone(&pulse) };
    stream.write_all(b"an answer").await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(10), stream.flush()).await.is_err());
    assert_eq!(pulse.overdue(), None);
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(pulse.overdue(), Some("write"));
}
