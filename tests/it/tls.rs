//! TLS on the gateway: clients whose host is hard-coded need a hosts entry and a CA to trust, and nothing else.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{CALLER, Program, Raw, Secure, Setup, World, ca_of, trusting};

const HTTP: &[&[u8]] = &[b"http/1.1"];

fn secured(hosts: &[&str]) -> Setup {
    Setup {
        ca: true,
        gateway: "tls = \"own-ca\"\n".into(),
        hosts: hosts.iter().map(ToString::to_string).collect(),
        ..Setup::default()
    }
}

fn port_of(url: &str) -> &str {
    url.rsplit(':').next().expect("a port")
}

/// A client with a hosts entry: that name leads to the gateway.
fn client(world: &World, name: &str) -> (reqwest::Client, String) {
    let ca = reqwest::Certificate::from_pem(ca_of(world.dir.path()).as_bytes()).expect("a certificate");
    let at: SocketAddr = world.gateway.trim_start_matches("https://").parse().expect("an address");
    let client = reqwest::Client::builder().no_proxy().resolve(name, at).tls_certs_only([ca]).http1_only();
    (client.build().expect("a client"), format!("https://{name}:{}", at.port()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosts_entry_and_a_ca_are_enough() {
    let world = World::with(secured(&["acme.amocrm.ru"])).await;
    let anna = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
    let (client, base) = client(&world, "acme.amocrm.ru");
    let listed = client.get(format!("{base}/api/v4/contacts")).bearer_auth(CALLER).send().await.expect("an answer");
    assert_eq!((listed.status(), listed.version()), (StatusCode::OK, reqwest::Version::HTTP_11));
    let listed = listed.text().await.expect("text");
    assert!(listed.contains(&format!("\"{base}/api/v4/contacts")), "links keep scheme, name and port: {listed}");
    assert!(!listed.contains(world.mock.url().trim_end_matches('/')), "{listed}");
    world.deleted_and_undone_by(&client, &base, anna).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_host_is_the_crms_own_no_link_is_rewritten() {
    let crm = Raw::start().await;
    let crm_host = crm.host().to_owned();
    let program = Program::with("tls = \"own-ca\"\n", true, &[("acme", &crm.url, &["acme.amocrm.ru", &crm_host])]);
    let body = format!("{{\"self\": \"{}/api/v4/leads/1\"}}", crm.url);
    let config = trusting(&ca_of(program.dir()), HTTP);
    for (exchange, name, host, expected) in [
        ("1", "127.0.0.1", crm_host.as_str(), body.clone()),
        ("2", "acme.amocrm.ru", "acme.amocrm.ru", body.replace(&crm.url, "https://acme.amocrm.ru")),
    ] {
        crm.answers_with(exchange, "200 OK\r\nContent-Type: application/json", body.as_bytes());
        let mut client = Secure::to(program.address(), name, Arc::clone(&config)).await.expect("a handshake");
        let request = format!("GET /api/v4/leads HTTP/1.1\r\nHost: {host}\r\nX-Exchange: {exchange}\r\n\r\n");
        let answer = client.say(request).await.expect("an answer");
        assert_eq!(String::from_utf8_lossy(&answer.body), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn host_chooses_the_connection_and_has_to_be_the_name_of_the_handshake() {
    let (acme, beta) = (Raw::start().await, Raw::start().await);
    let connections: &[(&str, &str, &[&str])] =
        &[("acme", &acme.url, &["acme.amocrm.ru"]), ("beta", &beta.url, &["beta.amocrm.ru"])];
    let program = Program::with("tls = \"own-ca\"\n", true, connections);
    let config = trusting(&ca_of(program.dir()), HTTP);
    for (name, host, status) in [
        ("acme.amocrm.ru", "acme.amocrm.ru", 204),
        ("acme.amocrm.ru", "ACME.amocrm.ru:443", 204),
        ("beta.amocrm.ru", "beta.amocrm.ru", 204),
        ("acme.amocrm.ru", "beta.amocrm.ru", 421),
        ("beta.amocrm.ru", "acme.amocrm.ru", 421),
        ("acme.amocrm.ru", "acme.amocrm.ru.", 421),
        ("acme.amocrm.ru", "other.example", 421),
        // Without a name in the handshake Host alone chooses.
        ("127.0.0.1", "beta.amocrm.ru", 204),
        ("127.0.0.1", "other.example", 421),
    ] {
        let mut client = Secure::to(program.address(), name, Arc::clone(&config)).await.expect("a handshake");
        let request =
            format!("GET /api/v4/leads HTTP/1.1\r\nHost: {host}\r\n\r\nGET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let answer = client.say(request).await.expect("an answer");
        assert_eq!(answer.status(), status, "{name} {host}");
        if status == 421 {
            assert!(client.say("").await.is_none(), "doubt closes the connection");
        }
    }
    let heard =
        |crm: &Raw| crm.heard.lock().expect("not poisoned").iter().filter(|m| m.first.contains("leads")).count();
    assert_eq!((heard(&acme), heard(&beta)), (2, 2));
    // A name that is nobody's gets no certificate.
    assert!(Secure::to(program.address(), "other.example", config).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_http_1_over_tls_1_2_and_newer() {
    let crm = Raw::start().await;
    let program = Program::with("tls = \"own-ca\"\n", true, &[("acme", &crm.url, &["acme.amocrm.ru"])]);
    let ca = ca_of(program.dir());
    let shaken = async |protocols: &[&[u8]]| {
        let client = Secure::to(program.address(), "acme.amocrm.ru", trusting(&ca, protocols)).await;
        client.map(|client| client.stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
    };
    assert_eq!(shaken(HTTP).await.expect("it shakes hands"), Some(b"http/1.1".to_vec()));
    assert_eq!(shaken(&[b"h2", b"http/1.1"]).await.expect("it shakes hands"), Some(b"http/1.1".to_vec()));
    assert_eq!(shaken(&[]).await.expect("it shakes hands"), None);
    assert!(shaken(&[b"h2"]).await.is_err());
    let begin = |begin: &'static [u8]| {
        let address = program.address().to_owned();
        async move {
            let mut stream = TcpStream::connect(address).await.expect("it listens");
            stream.write_all(begin).await.expect("it reads");
            let mut heard = Vec::new();
            let reading = stream.read_to_end(&mut heard);
            let _ = tokio::time::timeout(Duration::from_secs(8), reading).await.expect("it is closed at once");
            heard
        }
    };
    // TLS 1.1, one suite, no extensions: a fatal alert and nothing else.
    let old =
        b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x02abcdefghijklmnopqrstuvwxyzabcdef\x00\x00\x02\xc0\x13\x01\x00";
    let heard = begin(old).await;
    assert_eq!(heard.first(), Some(&0x15), "{heard:?}");
    let heard = begin(b"DELETE /api/v4/leads/1 HTTP/1.1\r\nHost: acme.amocrm.ru\r\n\r\n").await;
    assert!(!heard.starts_with(b"HTTP"), "{heard:?}");
    assert!(crm.heard.lock().expect("not poisoned").is_empty());
}

/// A certificate and its key from nowhere, ending in so many days.
fn made(name: &str, days: u64) -> (String, String) {
    let mut params = rcgen::CertificateParams::new([name.to_owned()]).expect("a name");
    params.not_after = (std::time::SystemTime::now() + Duration::from_hours(24 * days)).into();
    let key = rcgen::KeyPair::generate().expect("a key");
    (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
}

fn give(dir: &Path, (certificate, key): &(String, String)) {
    std::fs::write(dir.join("cert.pem"), certificate).expect("written");
    std::fs::write(dir.join("key.pem"), key).expect("written");
}

fn run(dir: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crm-undo"));
    command.args(arguments).current_dir(dir).envs(env.iter().copied()).output().expect("the program runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const GIVEN: &str = "data_dir = \"data\"\n[gateway]\nlisten = \"127.0.0.1:0\"\ntls = \"files\"\ntls_certificate_file = \"cert.pem\"\n\
                     tls_key_file = \"key.pem\"\n[console]\nlisten = \"127.0.0.1:0\"\n[archive]\nmin_free_bytes = 1\n";

#[test]
fn files_that_cannot_be_used_stop_the_start_and_are_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    std::fs::write(dir.join("crm-undo.toml"), GIVEN).expect("written");
    let (good, other) = (made("acme.amocrm.ru", 90), made("acme.amocrm.ru", 90));
    let nothing = || "nothing".to_owned();
    for (files, reason) in [
        (None, "cert.pem"),
        (Some((nothing(), good.1.clone())), "cert.pem: there is no certificate"),
        (Some((good.0.clone(), nothing())), "key.pem: there is no private key"),
        (Some((good.0.clone(), other.1)), "key.pem: is not the key of cert.pem"),
    ] {
        if let Some(files) = files {
            give(dir, &files);
        }
        let output = run(dir, &["serve"], &[]);
        assert_eq!(output.status.code(), Some(64), "{reason}: {}", said(&output));
        assert!(said(&output).contains(reason), "{reason}: {}", said(&output));
        assert!(!said(&output).contains("PRIVATE"), "{}", said(&output));
        let doctor = run(dir, &["doctor"], &[]);
        assert!(said(&doctor).contains(reason), "{reason}: {}", said(&doctor));
    }
    assert!(!dir.join("data").exists(), "nothing was made");
    for (days, level, word) in [(90, "ok", None), (5, "warning", Some("it ends on"))] {
        give(dir, &made("acme.amocrm.ru", days));
        let report = run(dir, &["doctor", "--json"], &[]);
        let report: serde_json::Value = serde_json::from_slice(&report.stdout).expect("JSON");
        let finding =
            report["findings"].as_array().expect("a list").iter().find(|f| f["what"] == "certificate cert.pem");
        let finding = finding.expect("the certificate is looked at");
        assert_eq!(finding["level"], level, "{finding}");
        assert!(word.is_none_or(|word| finding["detail"].as_str().is_some_and(|d| d.contains(word))), "{finding}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_files_are_taken_again_while_running_and_bad_ones_are_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let pairs = [made("acme.amocrm.ru", 90), made("acme.amocrm.ru", 90)];
    give(dir.path(), &pairs[0]);
    let files = format!(
        "tls = \"files\"\ntls_certificate_file = \"{0}/cert.pem\"\ntls_key_file = \"{0}/key.pem\"\n",
        dir.path().display()
    );
    let crm = Raw::start().await;
    let program = Program::with(&files, false, &[("acme", &crm.url, &["acme.amocrm.ru"])]);
    let shows = async |pair: &(String, String)| {
        Secure::to(program.address(), "acme.amocrm.ru", trusting(&pair.0, HTTP)).await.is_ok()
    };
    assert!(shows(&pairs[0]).await && !shows(&pairs[1]).await);
    // Half of a new pair: the former one stays.
    std::fs::write(dir.path().join("cert.pem"), &pairs[1].0).expect("written");
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(shows(&pairs[0]).await, "a pair that does not match is not taken");
    give(dir.path(), &pairs[1]);
    let begun = std::time::Instant::now();
    while !shows(&pairs[1]).await {
        assert!(begun.elapsed() < Duration::from_secs(30), "the new files were not read");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(!shows(&pairs[0]).await);
}

#[test]
fn a_private_ca_is_made_once_shown_and_issues() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let config = |tls: &str, hosts: &str| {
        format!(
            "data_dir = \"data\"\n[gateway]\nlisten = \"127.0.0.1:0\"\n{tls}[console]\nlisten = \"127.0.0.1:0\"\n[archive]\n\
             min_free_bytes = 1\n[[connections]]\nname = \"acme\"\nvendor = \"amocrm\"\nupstream = \"https://acme.amocrm.ru\"\n\
             hosts = [{hosts}]\n"
        )
    };
    let write =
        |tls: &str, hosts: &str| std::fs::write(dir.join("crm-undo.toml"), config(tls, hosts)).expect("written");
    write("tls = \"own-ca\"\n", "");
    let output = run(dir, &["serve"], &[]);
    assert_eq!(output.status.code(), Some(64), "{}", said(&output));
    assert!(said(&output).contains("there is no private CA yet") && said(&output).contains("crm-undo ca init"));
    assert!(!dir.join("data").exists());
    assert_eq!(run(dir, &["ca", "show"], &[]).status.code(), Some(1));

    let made = run(dir, &["ca", "init"], &[]);
    assert!(made.status.success(), "{}", said(&made));
    for word in [
        "update-ca-certificates",
        "security add-trusted-cert",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
        "NODE_EXTRA_CA_CERTS",
    ] {
        assert!(said(&made).contains(word), "{word}: {}", said(&made));
    }
    let file = dir.join("data/private-ca.pem");
    let kept = std::fs::read_to_string(&file).expect("the CA");
    assert!(kept.contains("sealed:v1:") && !kept.contains("PRIVATE"), "the key lies sealed");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).expect("the CA").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let shown = run(dir, &["ca", "show"], &[]);
    let pem = String::from_utf8(shown.stdout).expect("text");
    let seen = run(dir, &["ca", "show", "--json"], &[]);
    let seen: serde_json::Value = serde_json::from_slice(&seen.stdout).expect("JSON");
    assert_eq!(seen["certificate"], pem);
    assert_eq!(seen["hosts"], json!(["127.0.0.1", "acme.amocrm.ru"]));
    // As another program computes it.
    let mut openssl = Command::new("openssl");
    openssl.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(&file);
    if let Ok(output) = openssl.output() {
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert_eq!(text.split('=').nth(1), seen["sha256"].as_str(), "{text}");
    }
    // Again: only with a word for it.
    let again = run(dir, &["ca", "init"], &[]);
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("there is a private CA already") && said(&again).contains("--replace"));
    assert_eq!(std::fs::read_to_string(&file).expect("the CA"), kept, "untouched");

    let issued = run(dir, &["ca", "issue", "acme.amocrm.ru"], &[]);
    assert!(issued.status.success(), "{}", said(&issued));
    let leaf = CertificateDer::from_pem_file(dir.join("acme.amocrm.ru.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(dir.join("acme.amocrm.ru.key")).expect("a key");
    let provider = rustls::crypto::ring::default_provider();
    rustls::sign::CertifiedKey::from_der(vec![leaf], key, &provider).expect("they belong together");
    let mode = std::fs::metadata(dir.join("acme.amocrm.ru.key")).expect("the key").permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    assert_eq!(run(dir, &["ca", "issue", "acme.amocrm.ru"], &[]).status.code(), Some(1), "no file is written over");
    for host in ["bank.example", "10.0.0.1", "../x", ".hidden"] {
        let refused = run(dir, &["ca", "issue", host], &[]);
        assert!(!refused.status.success(), "{host}");
    }
    assert!(!dir.join("bank.example.key").exists());
    let wrong_key = [("CRM_UNDO_ARCHIVE_KEY", "ab".repeat(32))];
    let wrong_key: Vec<(&str, &str)> = wrong_key.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let refused = run(dir, &["serve"], &wrong_key);
    assert_eq!(refused.status.code(), Some(64), "{}", said(&refused));
    assert!(said(&refused).contains("another key"), "{}", said(&refused));

    // A host that came later.
    write("tls = \"own-ca\"\n", "\"acme.amocrm.ru\", \"crm.example\"");
    let refused = run(dir, &["serve"], &[]);
    assert_eq!(refused.status.code(), Some(64), "{}", said(&refused));
    assert!(said(&refused).contains("may not vouch for crm.example"), "{}", said(&refused));
    let doctor = run(dir, &["doctor"], &[]);
    assert!(said(&doctor).contains("may not vouch for crm.example"), "{}", said(&doctor));
    assert!(run(dir, &["ca", "init", "--replace"], &[]).status.success());
    let other = String::from_utf8(run(dir, &["ca", "show"], &[]).stdout).expect("text");
    assert_ne!(other, pem);
    assert!(run(dir, &["ca", "issue", "crm.example"], &[]).status.success());
}

/// TLS for `localhost` before a plain server; its port and the certificate to trust.
async fn tls_before(plain: String) -> (u16, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let pem = made.cert.pem();
    let chain = vec![made.cert.der().clone()];
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth().with_single_cert(chain, key).expect("a pair");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, plain) = (acceptor.clone(), plain.clone());
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(stream).await else { return };
                let mut server = TcpStream::connect(plain).await.expect("it listens");
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (port, pem)
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_on_both_sides() {
    // The mock's port is known only once it runs; the TLS front leads to whatever it says.
    let (tell, told) = tokio::sync::watch::channel(String::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let relay = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let told = told.borrow().clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(told).await.expect("the mock listens");
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
            });
        }
    });
    let (port, pem) = tls_before(relay).await;
    let trusted = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(trusted.path(), pem).expect("written");
    let world = World::with(Setup {
        upstream: Some(format!("https://localhost:{port}")),
        env: vec![("SSL_CERT_FILE".into(), trusted.path().display().to_string())],
        ..secured(&["acme.amocrm.ru"])
    })
    .await;
    tell.send(world.mock.url().trim_end_matches('/').trim_start_matches("http://").to_owned()).expect("it listens");
    let anna = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
    let (client, base) = client(&world, "acme.amocrm.ru");
    world.deleted_and_undone_by(&client, &base, anna).await;
    assert_eq!(world.console(Method::GET, "/readyz", None).await.0, StatusCode::OK);
    assert_ne!(port_of(&base), port_of(&world.console));
}
