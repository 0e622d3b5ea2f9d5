use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{RootCertStore, client::WebPkiServerVerifier};

use super::authority::{CA_DAYS, DAYS, make};
use super::facts::Names;
use super::*;
use crate::domain::world::Clock;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn authority(of: &[&str], now: Timestamp) -> Authority {
    let (pem, key) = make(&names(of), now).unwrap();
    Authority::open(&pem, &key).unwrap()
}

/// Whether a client that trusts the CA takes the certificate for a name at a time.
fn takes(ca: &Authority, leaf: &CertificateDer<'_>, name: &str, now: Timestamp) -> bool {
    use rustls::pki_types::pem::PemObject as _;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let time = UnixTime::since_unix_epoch(Duration::from_secs(now.as_second().cast_unsigned()));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    verifier.verify_server_cert(leaf, &[], &name, &[], time).is_ok()
}

#[test]
fn a_ca_vouches_for_its_names_and_nothing_else() {
    let now = at("2026-11-25T00:00:00Z");
    let ca = authority(&["acme.example", "10.0.0.7"], now);
    assert_eq!(ca.facts().permitted, Names::Only(names(&["acme.example", "10.0.0.7"])));
    for (name, covered) in [
        ("acme.example", true),
        ("ACME.example", true),
        ("a.acme.example", true),
        ("evilacme.example", false),
        ("example", false),
        ("10.0.0.7", true),
        ("10.0.0.8", false),
        ("::1", false),
    ] {
        assert_eq!(ca.covers(name), covered, "{name}");
        assert_eq!(ca.issue(&names(&[name]), now).is_ok(), covered, "{name}");
    }
    let leaf = ca.issue(&names(&["acme.example"]), now).unwrap();
    assert!(takes(&ca, &leaf.der, "acme.example", now));
    assert!(!takes(&ca, &leaf.der, "b.example", now));
    assert_eq!(ca.facts().days_left(now), i64::try_from(CA_DAYS).unwrap());
}

#[test]
fn clients_hold_the_ca_to_its_names() {
    let now = at("2026-11-25T00:00:00Z");
    let (pem, key) = make(&names(&["acme.example"]), now).unwrap();
    let mut ca = Authority::open(&pem, &key).unwrap();
    // Somebody who has the key and ignores our own look.
    ca.pretend_unconstrained();
    for name in ["bank.example", "127.0.0.1"] {
        let leaf = ca.issue(&names(&[name]), now).unwrap();
        assert!(!takes(&ca, &leaf.der, name, now), "{name}");
    }
    let free = authority(&[], now);
    let leaf = free.issue(&names(&["bank.example"]), now).unwrap();
    assert!(takes(&free, &leaf.der, "bank.example", now), "the look itself works");
}

#[test]
fn a_key_of_another_ca_is_refused() {
    let now = at("2026-11-25T00:00:00Z");
    let (pem, _) = make(&[], now).unwrap();
    let (_, other) = make(&[], now).unwrap();
    assert!(Authority::open(&pem, &other).unwrap_err().to_string().contains("not that of the certificate"));
}

#[derive(Debug)]
struct Dial(std::sync::Mutex<Timestamp>);

impl Clock for Dial {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

#[test]
fn a_certificate_is_issued_again_ahead_of_its_end() {
    let begun = at("2026-11-25T00:00:00Z");
    let dial = Arc::new(Dial(std::sync::Mutex::new(begun)));
    let ca = Arc::new(authority(&["acme.example"], begun));
    let shown = Shown::own(Arc::clone(&ca), &names(&["acme.example"]), dial.clone()).unwrap();
    let der = |shown: &Shown| shown.find(Some("acme.example")).unwrap().cert[0].clone();
    let first = der(&shown);
    assert_eq!(der(&shown), first, "not one for each client");
    assert!(shown.find(Some("other.example")).is_err());
    let day = Duration::from_hours(24);
    let mut last = first;
    let mut changes = 0;
    for passed in 1..120 {
        let now = begun + day * passed;
        *dial.0.lock().unwrap() = now;
        let shown = der(&shown);
        assert!(takes(&ca, &shown, "acme.example", now + day * 5), "day {passed}: valid for days to come");
        changes += u32::from(shown != last);
        last = shown;
    }
    assert_eq!(changes, 119 / (u32::try_from(DAYS).unwrap() * 2 / 3));
}

#[test]
fn given_files_are_named_when_they_are_wrong_and_read_again_when_they_change() {
    let dir = tempfile::tempdir().unwrap();
    let now = Timestamp::now();
    let ca = authority(&[], now);
    let (one, two) = (ca.issue(&names(&["a.example"]), now).unwrap(), ca.issue(&names(&["a.example"]), now).unwrap());
    let files = given::Files { certificate: dir.path().join("cert.pem"), key: dir.path().join("key.pem") };
    let secret = |issued: &authority::Issued| secrecy::ExposeSecret::expose_secret(&issued.key).to_owned();
    let wrong = |what: &str| {
        let said = given::read(&files).unwrap_err().to_string();
        assert!(said.contains(what), "{said}");
    };
    wrong("cert.pem");
    std::fs::write(&files.certificate, "nothing").unwrap();
    std::fs::write(&files.key, "nothing").unwrap();
    wrong("cert.pem: there is no certificate");
    std::fs::write(&files.certificate, &one.pem).unwrap();
    wrong("key.pem: there is no private key");
    std::fs::write(&files.key, secret(&two)).unwrap();
    wrong("key.pem: is not the key of");
    std::fs::write(&files.key, secret(&one)).unwrap();
    let dial = Arc::new(Dial(std::sync::Mutex::new(now)));
    let shown = Shown::given(files.clone(), dial).unwrap();
    assert!(!shown.look_again().unwrap());
    std::fs::write(&files.certificate, &two.pem).unwrap();
    assert!(shown.look_again().is_err(), "half of a new pair");
    assert_eq!(shown.find(None).unwrap().cert[0], one.der, "the former pair stays");
    std::fs::write(&files.key, secret(&two)).unwrap();
    assert!(shown.look_again().unwrap());
    assert_eq!(shown.find(None).unwrap().cert[0], two.der);
}
