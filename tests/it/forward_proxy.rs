//! The forward proxy: `HTTPS_PROXY` is all a client needs, no CONNECT leads around the gateway's rules, and an open
//! port leads nowhere else.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{CALLER, Message, Program, Raw, Secure, Setup, World, ca_of, read_from, trusting};

const HTTP: &[&[u8]] = &[b"http/1.1"];
const PROXY: &str = "forward_proxy = \"127.0.0.1:0\"\n";
const CONNECT: &str = "CONNECT acme.amocrm.ru:443 HTTP/1.1\r\nHost: acme.amocrm.ru:443\r\n\r\n";

fn proxied(more: &str) -> Setup {
    Setup {
        ca: true,
        gateway: format!("{PROXY}{more}"),
        hosts: vec!["acme.amocrm.ru".into()],
        rust_log: "debug",
        ..Setup::default()
    }
}

fn before(crm: &Raw, more: &str) -> Program {
    Program::with(&format!("{PROXY}{more}"), true, &[("acme", &crm.url, &["acme.amocrm.ru"])])
}

fn heard(crm: &Raw) -> Vec<String> {
    crm.heard.lock().expect("not poisoned").iter().map(|message| message.first.clone()).collect()
}

/// A connection to the forward proxy on which bytes were sent; its first answer, and the connection.
async fn asked(address: &str, bytes: impl AsRef<[u8]>) -> (Option<Message>, TcpStream) {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(bytes.as_ref()).await.expect("it reads");
    let answer = head(&mut stream).await;
    (answer, stream)
}

/// The head of an answer, and not a byte more.
async fn head(stream: &mut TcpStream) -> Option<Message> {
    let reading = async {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            bytes.push(stream.read_u8().await.ok()?);
        }
        Some(Message::parsed(&bytes))
    };
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("an answer or an end in time")
}

/// A tunnel with TLS inside.
async fn tunnel(program: &Program, sni: &str) -> Secure {
    let (answer, stream) = asked(&program.forward_proxy(), CONNECT).await;
    assert_eq!(answer.expect("an answer").status(), 200);
    Secure::over(stream, sni, trusting(&ca_of(program.dir()), HTTP)).await.expect("a handshake")
}

async fn ends(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let reading = stream.read_to_end(&mut rest);
    let _ = tokio::time::timeout(Duration::from_secs(20), reading).await.expect("it is closed");
    let text = String::from_utf8_lossy(&rest);
    assert!(!text.contains("HTTP/1.1 ") && !text.contains("HTTP/1.0 "), "a second answer: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_variable_is_enough() {
    let world = World::with(proxied("")).await;
    let anna = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
    let ca = reqwest::Certificate::from_pem(ca_of(world.dir.path()).as_bytes()).expect("a certificate");
    let proxy = reqwest::Proxy::all(format!("http://{}", world.forward_proxy())).expect("a proxy");
    let client = reqwest::Client::builder().proxy(proxy).tls_certs_only([ca]).build().expect("a client");
    let listed = client.get("https://acme.amocrm.ru/api/v4/contacts").bearer_auth(CALLER).send().await;
    let listed = listed.expect("an answer").text().await.expect("text");
    assert!(listed.contains("\"https://acme.amocrm.ru/api/v4/contacts"), "{listed}");
    world.deleted_and_undone_by(&client, "https://acme.amocrm.ru", anna).await;
    assert!(client.get("https://other.example/").send().await.is_err());
    assert_eq!(world.console(Method::GET, "/readyz", None).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connect_has_one_reading_or_is_refused() {
    let crm = Raw::start().await;
    let program = before(&crm, "");
    let proxy = program.forward_proxy();
    let crm_port = crm.host().rsplit(':').next().expect("a port");
    let line = |target: &str| format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    let with = |headers: &str| format!("CONNECT acme.amocrm.ru:443 HTTP/1.1\r\n{headers}\r\n");
    let host = "Host: acme.amocrm.ru:443\r\n";
    let mut cases: Vec<(String, u16)> = vec![
        (CONNECT.into(), 200),
        (line("ACME.AMOCRM.RU:443"), 200),
        (with("Host: acme.amocrm.ru\r\n"), 200),
        (with("Host: Acme.Amocrm.RU:443\r\nProxy-Connection: keep-alive\r\nUser-Agent: x\r\n"), 200),
        ("CONNECT acme.amocrm.ru:443 HTTP/1.0\r\n\r\n".into(), 200),
        (with(""), 400),
        (with("Host: other.example:443\r\n"), 400),
        (with("Host: acme.amocrm.ru:80\r\n"), 400),
        (with("Host: acme.amocrm.ru:0443\r\n"), 400),
        (with(&format!("{host}{host}")), 400),
        (with(&format!("{host}Host: other.example\r\n")), 400),
        (with("Host: acme.amocrm.ru:443, other.example\r\n"), 400),
        (with(&format!("{host}Content-Length: 5\r\n")) + "12345", 400),
        (with(&format!("{host}Content-Length: 0\r\n")), 400),
        (with(&format!("{host}Transfer-Encoding: chunked\r\n")) + "0\r\n\r\n", 400),
        (with(&format!("{host}Expect: 200-maybe\r\n")), 417),
        (with(&format!("{host}Expect: 100-continue\r\n")), 200),
        // The CRM itself under its address: known, and not on that port.
        (line(&format!("127.0.0.1:{crm_port}")), 403),
    ];
    for target in ["acme.amocrm.ru:80", "acme.amocrm.ru:8443", "acme.amocrm.ru:444"] {
        cases.push((line(target), 403));
    }
    for target in
        ["evil.example:443", "b.acme.amocrm.ru:443", "amocrm.ru:443", "localhost:443", "[::1]:443", "10.0.0.1:443"]
    {
        cases.push((line(target), 403));
    }
    for target in [
        "acme.amocrm.ru",
        "acme.amocrm.ru:",
        ":443",
        "acme.amocrm.ru:0443",
        "acme.amocrm.ru.:443",
        "u@acme.amocrm.ru:443",
        "u:p@acme.amocrm.ru:443",
        "evil.example:443@acme.amocrm.ru:443",
        "acme.amocrm.ru:443:443",
        "acme.amocrm.ru:99999",
        "acme.amocrm.ru:443/",
        "/",
        "*",
        "http://acme.amocrm.ru:443",
        "https://acme.amocrm.ru:443/",
        "acme%2eamocrm.ru:443",
        "acme.amocrm.ru:443?a",
        "acme.amocrm.ru:443#a",
        "acme.amocrm.ru\\:443",
        "acme.amocrm.ru :443",
    ] {
        cases.push((with(host).replacen("acme.amocrm.ru:443", target, 1), 400));
    }
    for verb in ["connect", "Connect", "CONNECTX"] {
        cases.push((CONNECT.replacen("CONNECT", verb, 1), 400));
    }
    cases.push((format!("TRACE http://acme.amocrm.ru/ HTTP/1.1\r\n{}\r\n", "Host: acme.amocrm.ru\r\n"), 405));
    let get = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    cases.extend([
        (get("/api/v4/leads", "acme.amocrm.ru"), 400),
        (get("http://other.example/", "other.example"), 403),
        (get("http://other.example/", "acme.amocrm.ru"), 403),
        (get("http://acme.amocrm.ru/", "other.example"), 400),
        (get("http://u@acme.amocrm.ru/", "acme.amocrm.ru"), 403),
        (get("http://acme.amocrm.ru:8080/", "acme.amocrm.ru:8080"), 403),
        (get("https://acme.amocrm.ru/", "acme.amocrm.ru"), 400),
        (get("ftp://acme.amocrm.ru/", "acme.amocrm.ru"), 400),
        (get(&format!("{}/", program.console), program.console.trim_start_matches("http://")), 403),
    ]);
    let smuggled = "DELETE http://acme.amocrm.ru/api/v4/leads/1 HTTP/1.1\r\nHost: acme.amocrm.ru\r\n\r\n";
    for (request, status) in &cases {
        let (answer, mut stream) = asked(&proxy, request.clone() + if *status == 200 { "" } else { smuggled }).await;
        let answer = answer.unwrap_or_else(|| panic!("no answer to {request:?}"));
        assert_eq!(answer.status(), *status, "{request:?}");
        if *status == 200 {
            assert!(answer.header("content-length").is_none() && answer.header("transfer-encoding").is_none());
        } else {
            // Bytes behind a refused request are nobody's request.
            ends(&mut stream).await;
        }
    }
    assert_eq!(heard(&crm), Vec::<String>::new(), "nothing of all that reached the CRM");
    let (answer, _) = asked(&proxy, get("http://acme.amocrm.ru/api/v4/leads?page=2", "acme.amocrm.ru")).await;
    assert_eq!(answer.expect("an answer").status(), 204);
    assert_eq!(heard(&crm), ["GET /api/v4/leads?page=2 HTTP/1.1"]);
    // The other listener is no proxy.
    let (answer, _) = asked(program.address(), CONNECT).await;
    assert_eq!(answer.expect("an answer").status(), 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_holds_inside_a_tunnel() {
    let crm = Raw::start().await;
    let program = before(&crm, "");
    let get = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\n{host}\r\n");
    let host = "Host: acme.amocrm.ru\r\n";
    for (request, status) in [
        (get("/api/v4/leads", host), 204),
        (get("/api/v4/leads", "Host: ACME.amocrm.ru:443\r\n"), 204),
        (get("https://acme.amocrm.ru/api/v4/leads", host), 204),
        (get("/api/v4/leads", "Host: acme.amocrm.ru:80\r\n"), 421),
        (get("/api/v4/leads", "Host: other.example\r\n"), 421),
        (get("/api/v4/leads", &format!("{host}{host}")), 400),
        (get("/api/v4/leads", ""), 400),
        ("GET /api/v4/leads HTTP/1.0\r\n\r\n".to_owned(), 400),
        (get("https://other.example/", host), 400),
        (get("https://other.example/", "Host: other.example\r\n"), 400),
        (CONNECT.to_owned(), 405),
        (CONNECT.replace("acme.amocrm.ru", "evil.example"), 400),
        (format!("delete /api/v4/leads/1 HTTP/1.1\r\n{host}\r\n"), 501),
        (format!("DELETE /api/v4/leads/%31 HTTP/1.1\r\n{host}\r\n"), 400),
        (format!("POST /api/v4/x/%2e%2e/leads HTTP/1.1\r\n{host}Content-Length: 2\r\n\r\n[]"), 400),
        (format!("POST /api/v4/leads?_method=DELETE HTTP/1.1\r\n{host}Content-Length: 2\r\n\r\n[]"), 400),
        (format!("POST /api/v4/leads HTTP/1.1\r\n{host}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 400),
        (format!("DELETE /api/v4/nothing-known/1 HTTP/1.1\r\n{host}\r\n"), 403),
    ] {
        let mut client = tunnel(&program, "acme.amocrm.ru").await;
        let answer = client.say(&request).await.unwrap_or_else(|| panic!("no answer to {request:?}"));
        let refused_anyhow = status == 400 && (400..500).contains(&answer.status());
        assert!(answer.status() == status || refused_anyhow, "{request:?}: {}", answer.first);
    }
    assert_eq!(heard(&crm), ["GET /api/v4/leads HTTP/1.1"; 3]);
    // A handshake for another host than the tunnel: the CA has no certificate for it, or Host cannot be both.
    let two = Program::with(PROXY, true, &[("a", &crm.url, &["acme.amocrm.ru", "beta.amocrm.ru"])]);
    for host in ["acme.amocrm.ru", "beta.amocrm.ru"] {
        let mut client = tunnel(&two, "beta.amocrm.ru").await;
        let answer = client.say(get("/api/v4/leads", &format!("Host: {host}\r\n"))).await.expect("an answer");
        assert_eq!(answer.status(), 421, "{host}");
    }
    let (_, stream) = asked(&two.forward_proxy(), CONNECT).await;
    assert!(Secure::over(stream, "evil.example", trusting(&ca_of(two.dir()), HTTP)).await.is_err());
    assert_eq!(heard(&crm).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_behind_a_connect_belong_to_the_tunnel() {
    let crm = Raw::start().await;
    let program = before(&crm, "");
    let proxy = program.forward_proxy();
    // Plain requests, behind it in one segment and after the 200: no TLS, so an end and nothing else.
    let delete = "DELETE /api/v4/leads/1 HTTP/1.1\r\nHost: acme.amocrm.ru\r\n\r\n";
    let absolute = "GET http://acme.amocrm.ru/api/v4/leads HTTP/1.1\r\nHost: acme.amocrm.ru\r\n\r\n";
    for bytes in [delete, absolute, CONNECT] {
        let (answer, mut stream) = asked(&proxy, format!("{CONNECT}{bytes}")).await;
        assert_eq!(answer.expect("an answer").status(), 200);
        ends(&mut stream).await;
        let (_, mut stream) = asked(&proxy, CONNECT).await;
        stream.write_all(bytes.as_bytes()).await.expect("it reads");
        ends(&mut stream).await;
    }
    // Half-closed before the handshake.
    let (answer, mut stream) = asked(&proxy, CONNECT).await;
    assert_eq!(answer.expect("an answer").status(), 200);
    stream.shutdown().await.expect("shut");
    ends(&mut stream).await;
    assert!(heard(&crm).is_empty());
    // A client that does not wait for the 200: its handshake comes in the segment of the CONNECT, and works.
    let config = trusting(&ca_of(program.dir()), HTTP);
    let answer = tokio::task::spawn_blocking(move || {
        let name = ServerName::try_from("acme.amocrm.ru").expect("a name");
        let mut tls = ClientConnection::new(config, name).expect("a client");
        let mut first = CONNECT.as_bytes().to_vec();
        tls.write_tls(&mut first).expect("written");
        let mut socket = std::net::TcpStream::connect(proxy).expect("it listens");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        socket.write_all(&first).expect("it reads");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).expect("an answer");
            head.push(byte[0]);
        }
        assert_eq!(Message::parsed(&head).status(), 200);
        let mut stream = rustls::Stream::new(&mut tls, &mut socket);
        stream.write_all(b"GET /api/v4/leads HTTP/1.1\r\nHost: acme.amocrm.ru\r\n\r\n").expect("it reads");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("an answer");
        answer
    });
    assert_eq!(&answer.await.expect("it ends"), b"HTTP/1.1 204");
    // A CONNECT on a connection that was used before.
    let (answer, mut stream) = asked(&program.forward_proxy(), absolute).await;
    assert_eq!(answer.expect("an answer").status(), 204);
    stream.write_all(CONNECT.as_bytes()).await.expect("it reads");
    assert_eq!(head(&mut stream).await.expect("an answer").status(), 200);
    let config = trusting(&ca_of(program.dir()), HTTP);
    let mut client = Secure::over(stream, "acme.amocrm.ru", config).await.expect("a handshake");
    let answer = client.say("GET /api/v4/leads HTTP/1.1\r\nHost: acme.amocrm.ru\r\n\r\n").await;
    assert_eq!(answer.expect("an answer").status(), 204);
    assert_eq!(heard(&crm).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_uses_it_may_have_to_say_who_he_is() {
    let users = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(users.path(), "# the team\nanna:canary-pass-word\n").expect("written");
    let crm = Raw::start().await;
    let program = before(&crm, &format!("forward_proxy_users_file = \"{}\"\n", users.path().display()));
    let proxy = program.forward_proxy();
    // anna:canary-pass-word, anna:canary-pass-worD
    let (right, wrong) = ("YW5uYTpjYW5hcnktcGFzcy13b3Jk", "YW5uYTpjYW5hcnktcGFzcy13b3JE");
    let plain = "GET http://acme.amocrm.ru/api/v4/leads HTTP/1.1\r\nHost: acme.amocrm.ru\r\n\r\n";
    for request in [CONNECT, plain] {
        let bearing = |header: &str| request.replacen("\r\n\r\n", &format!("\r\n{header}\r\n"), 1);
        for (header, right) in [
            (String::new(), false),
            (format!("Proxy-Authorization: Basic {wrong}\r\n"), false),
            (format!("Authorization: Basic {right}\r\n"), false),
            (format!("Proxy-Authorization: Basic {right}\r\nProxy-Authorization: Basic {right}\r\n"), false),
            (format!("Proxy-Authorization: Basic {right}\r\n"), true),
        ] {
            let (answer, _) = asked(&proxy, bearing(&header)).await;
            let answer = answer.expect("an answer");
            assert_eq!(matches!(answer.status(), 200 | 204), right, "{header}: {}", answer.first);
            if !right {
                assert_eq!(answer.status(), 407);
                assert!(answer.header("proxy-authenticate").is_some_and(|asked| asked.starts_with("Basic ")));
            }
        }
    }
    let messages = crm.heard.lock().expect("not poisoned").clone();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].header("proxy-authorization").is_none(), "{messages:?}");
    let said = program.said();
    assert!(!said.contains("canary") && !said.contains(right), "{said}");
}

/// A server that waits for the end of what it is told, and then says it back twice.
async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                let _ = stream.read_to_end(&mut bytes).await;
                let _ = stream.write_all(&[bytes.clone(), bytes].concat()).await;
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn other_hosts_are_tunneled_untouched_where_that_is_configured() {
    let crm = Raw::start().await;
    let port = echo().await;
    let tunnels = format!("tunnel_other_hosts = true\ntunnel_ports = [{port}, 443]\n");
    let inside = before(&crm, &format!("{tunnels}tunnel_private_addresses = true\n"));
    let line = |target: &str| format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    // Bytes with the CONNECT, bytes after it, half-closed: all arrive once, in order, and so does the answer.
    let (answer, mut stream) =
        asked(&inside.forward_proxy(), line(&format!("localhost:{port}")) + "GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(answer.expect("an answer").status(), 200);
    stream.write_all(b"\x00\xff and more").await.expect("it reads");
    stream.shutdown().await.expect("shut");
    let mut back = Vec::new();
    let reading = stream.read_to_end(&mut back);
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("in time").expect("read");
    assert_eq!(back, b"GET / HTTP/1.1\r\n\r\n\x00\xff and more".repeat(2));
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let gone_port = gone.local_addr().expect("an address").port();
    drop(gone);
    let (answer, _) = asked(&inside.forward_proxy(), line(&format!("localhost:{gone_port}"))).await;
    assert_eq!(answer.expect("an answer").status(), 403, "a port that is not configured");
    let (answer, _) = asked(&inside.forward_proxy(), line("nowhere.invalid:443")).await;
    assert_eq!(answer.expect("an answer").status(), 502);
    // A CRM of ours is never tunneled, whatever the port.
    for target in [format!("acme.amocrm.ru:{port}"), format!("ACME.AMOCRM.RU:{port}"), format!("127.0.0.1:{port}")] {
        let (answer, _) = asked(&inside.forward_proxy(), line(&target)).await;
        assert_eq!(answer.expect("an answer").status(), 403, "{target}");
    }
    // Nor under another name of its address.
    let crm_port = crm.host().rsplit(':').next().expect("a port");
    let both =
        format!("tunnel_other_hosts = true\ntunnel_ports = [{crm_port}, {port}]\ntunnel_private_addresses = true\n");
    let both = before(&crm, &both);
    for (target, status) in [
        (format!("localhost:{crm_port}"), 403),
        (format!("127.1:{crm_port}"), 403),
        (format!("[::ffff:127.0.0.1]:{crm_port}"), 403),
        (format!("localhost:{port}"), 200),
    ] {
        let (answer, _) = asked(&both.forward_proxy(), line(&target)).await;
        assert_eq!(answer.expect("an answer").status(), status, "{target}");
    }
    // Without leave no spelling of an address of this network is reached.
    let outside = before(&crm, &tunnels);
    for host in [
        "localhost",
        "127.0.0.2",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "100.64.0.1",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ] {
        let (answer, _) = asked(&outside.forward_proxy(), line(&format!("{host}:{port}"))).await;
        let answer = answer.expect("an answer");
        // Some resolvers do not read the odd spellings of version 4 at all.
        let odd = !host.starts_with('[') && host != "localhost" && host.parse::<std::net::IpAddr>().is_err();
        assert!(answer.status() == 403 || (odd && answer.status() == 502), "{host}: {}", answer.first);
    }
    assert!(heard(&crm).is_empty());
}

#[test]
fn an_open_port_is_no_open_proxy() {
    let dir = tempfile::tempdir().expect("a directory");
    for (lines, word) in [
        ("forward_proxy = \"0.0.0.0:0\"\ntunnel_other_hosts = true\n", "forward_proxy_users_file"),
        ("forward_proxy = \"nowhere\"\n", "gateway.forward_proxy"),
        ("tunnel_other_hosts = true\n", "need forward_proxy"),
        ("forward_proxy = \"127.0.0.1:0\"\n", "there is no private CA yet"),
        ("forward_proxy = \"127.0.0.1:0\"\ntls = \"mine\"\n", "tls"),
    ] {
        std::fs::write(
            dir.path().join("crm-undo.toml"),
            format!("[gateway]\nlisten = \"127.0.0.1:0\"\n{lines}[console]\nlisten = \"127.0.0.1:0\"\n"),
        )
        .expect("written");
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_crm-undo"))
            .args(["serve"])
            .current_dir(dir.path())
            .output()
            .expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{lines}: {said}");
        assert!(said.contains(word), "{lines}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_not_mixed_between_tunnels() {
    let crm = Raw::start().await;
    let program = Arc::new(before(&crm, ""));
    for exchange in 0..60 {
        let body = format!("{{\"exchange\": {exchange}}}");
        crm.answers_with(&exchange.to_string(), "200 OK\r\nContent-Type: application/json", body.as_bytes());
    }
    let clients = (0..6).map(|client| {
        let program = Arc::clone(&program);
        tokio::spawn(async move {
            let mut tunnel = tunnel(&program, "acme.amocrm.ru").await;
            for exchange in (0..10).map(|number| client * 10 + number) {
                let request =
                    format!("GET /api/v4/leads HTTP/1.1\r\nHost: acme.amocrm.ru\r\nX-Exchange: {exchange}\r\n\r\n");
                let answer = tunnel.say(request).await.expect("an answer");
                assert_eq!(String::from_utf8_lossy(&answer.body), format!("{{\"exchange\": {exchange}}}"));
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("it is as it should be");
    }
    let (answer, mut stream) = asked(&program.forward_proxy(), CONNECT).await;
    assert_eq!(answer.expect("an answer").status(), 200);
    assert!(read_from(&mut stream, &mut Vec::new()).await.is_none(), "a silent tunnel ends after its deadline");
}
