use http::{HeaderMap, HeaderValue, Method, header};

use super::super::signatures::SIGNATURES;
use super::rows::ROWS;
use crate::crm::amocrm::AmoCrm;
use crate::crm::amocrm::wire::{SetUpName, TagsPatch};
use crate::crm::{Dialect, Head, Triage};
use crate::domain::delete::{Effect, Recognised, Selection};

/// What the dialect makes of a request, as the rows write it.
pub fn made_of(method: &str, target: &str, headers: &HeaderMap, body: &[u8]) -> String {
    let method: Method = method.parse().expect("a method");
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let head = Head { method: &method, path, query, headers };
    match AmoCrm.triage(&head) {
        Triage::Stream => return "stream".to_owned(),
        Triage::Refuse(reason) => {
            assert!(!reason.is_empty());
            return "refuse".to_owned();
        }
        Triage::Buffer(_) => {}
    }
    match AmoCrm.recognise(&head, body) {
        Recognised::NotADelete => "no".to_owned(),
        Recognised::Unreadable(reason) => {
            assert!(!reason.is_empty());
            "unreadable".to_owned()
        }
        Recognised::Delete(intent) => {
            let effect = match intent.effect {
                Effect::Destroy => "destroy",
                Effect::Detach => "detach",
                Effect::Unrestorable(word) => word,
            };
            format!("{} {effect}{}", intent.route, selected(&intent.selection))
        }
    }
}

fn selected(selection: &Selection) -> String {
    match selection {
        Selection::Ids(ids) => ids.iter().fold(String::new(), |text, record| match SetUpName::parse(record) {
            Some(name) => format!("{text} S({} {})", name.word, name.path),
            None => format!("{text} {record}"),
        }),
        Selection::Query { object, expression } => {
            assert_eq!(object, "tags");
            let patch = TagsPatch::parse(expression).expect("an expression that comes back");
            let mut words: Vec<String> = Vec::new();
            if !patch.remove.is_empty() {
                words.push(" remove".to_owned());
                words.extend(patch.remove.iter().map(|tag| format!(" {tag}")));
            }
            words.extend(patch.replace.iter().map(|kept| {
                let tags: Vec<String> = kept.keep.iter().map(ToString::to_string).collect();
                format!(" keep {}:{}", kept.on, tags.join(","))
            }));
            words.concat()
        }
    }
}

fn rows() -> impl Iterator<Item = (&'static str, &'static str, &'static str, &'static str)> {
    ROWS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let mut cells = line.split('|').map(str::trim);
        let (request, body) = (cells.next().expect("a request"), cells.next().expect("a body"));
        let expected = cells.next().expect("what is made of it");
        assert_eq!(cells.next(), None, "{line}");
        let (method, target) = request.split_once(' ').expect("METHOD target");
        (method, target, body, expected)
    })
}

#[test]
fn every_row_is_read_as_it_says() {
    let wrong: Vec<String> = rows()
        .filter_map(|(method, target, body, expected)| {
            let made = made_of(method, target, &HeaderMap::new(), body.as_bytes());
            (made != expected).then(|| format!("{method} {target} | {body}\n  expected {expected}\n  made     {made}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows().count() >= 150);
}

#[test]
fn what_was_declared_does_not_change_a_row() {
    for declared in ["application/json", "application/x-www-form-urlencoded; charset=utf-8", "text/plain"] {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(declared))]);
        for (method, target, body, expected) in rows() {
            assert_eq!(made_of(method, target, &headers, body.as_bytes()), expected, "{declared} {target} {body}");
        }
    }
}

#[test]
fn every_signature_has_a_row_that_reads_it() {
    for signature in SIGNATURES {
        let begins = format!("{} ", signature.route);
        assert!(rows().any(|(.., expected)| expected.starts_with(&begins)), "{}", signature.route);
    }
}

#[test]
fn bodies_that_cannot_be_trusted_are_refused() {
    let at = |headers: &HeaderMap, body: &[u8]| made_of("POST", "/ajax/leads/multiple/delete/", headers, body);
    let with = |name, value| HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
    assert_eq!(at(&with(header::CONTENT_ENCODING, "gzip"), b"ID[]=5"), "unreadable");
    assert_eq!(at(&with(header::CONTENT_ENCODING, "identity"), b"ID[]=5"), "amocrm.multiple_delete destroy leads/5");
    assert_eq!(at(&with(header::CONTENT_TYPE, "multipart/form-data; boundary=x"), b"ID[]=5"), "unreadable");
    assert_eq!(at(&HeaderMap::new(), b"ID[]=5&x=\xff"), "unreadable");
    let parts = with(header::CONTENT_TYPE, "multipart/form-data; boundary=b");
    let unheard = |body: &[u8]| made_of("POST", "/ajax/v1/unheard/of", &parts, body);
    assert_eq!(unheard(b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\x1f\x8b\r\n--b--"), "no");
    assert_eq!(unheard(b"\x1f\x8b\x08"), "unreadable", "packed, whatever was declared");
    let deep = format!(r#"{{"ID":5,"x":{}{}}}"#, "[".repeat(65), "]".repeat(65));
    assert_eq!(at(&HeaderMap::new(), deep.as_bytes()), "unreadable");
    let flat = format!(r#"{{"ID":5,"x":{}{}}}"#, "[".repeat(60), "]".repeat(60));
    assert_eq!(at(&HeaderMap::new(), flat.as_bytes()), "amocrm.multiple_delete destroy leads/5");
    let deep = format!("ID=5&x{}=1", "[a]".repeat(65));
    assert_eq!(at(&HeaderMap::new(), deep.as_bytes()), "unreadable");
    let ids = |count: usize| (1..=count).map(|id| format!("ID[]={id}")).collect::<Vec<_>>().join("&");
    assert!(at(&HeaderMap::new(), ids(10_000).as_bytes()).ends_with(" leads/10000"));
    assert_eq!(at(&HeaderMap::new(), ids(10_001).as_bytes()), "unreadable");
    assert_eq!(at(&HeaderMap::new(), &vec![b'a'; (1 << 20) + 1]), "unreadable");
    let links = |count: usize| {
        let link = |id: usize| format!(r#"{{"to_entity_id":{id},"to_entity_type":"contacts"}}"#);
        format!("[{}]", (1..=count).map(link).collect::<Vec<_>>().join(","))
    };
    let unlink = |body: String| made_of("POST", "/api/v4/leads/5/unlink", &HeaderMap::new(), body.as_bytes());
    assert!(unlink(links(250)).ends_with("contacts-250"));
    assert_eq!(unlink(links(251)), "unreadable");
}

#[test]
fn the_last_that_is_read_and_the_first_that_is_not() {
    let none = HeaderMap::new();
    let at = |body: &str| made_of("POST", "/ajax/leads/multiple/delete/", &none, body.as_bytes());
    let deleted = "amocrm.multiple_delete destroy leads/5";
    let long = |length: usize| format!("ID=5&x={}", "a".repeat(length - 7));
    assert_eq!(at(&long(1 << 20)), deleted);
    assert_eq!(at(&long((1 << 20) + 1)), "unreadable");
    assert_eq!(at(&long((1 << 20) + 2)), "unreadable");
    let deep = |keys: usize| format!("ID=5&x{}=1", "[a]".repeat(keys - 1));
    assert_eq!(at(&deep(64)), deleted);
    assert_eq!(at(&deep(65)), "unreadable");
    // Of a bulk job the records of all its parts count together.
    let jobs = |first: usize, second: usize| {
        let job = |ids: std::ops::Range<usize>| {
            let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
            format!(r#"{{"entity_type":1,"multiaction_type":4,"ids":[{}]}}"#, ids.join(","))
        };
        let jobs = [job(1..first + 1), job(first + 1..first + second + 1)].join(",");
        let body = format!(r#"{{"request":{{"multiactions":{{"add":[{jobs}]}}}}}}"#);
        made_of("POST", "/ajax/v1/multiactions/set", &none, body.as_bytes())
    };
    assert!(jobs(6_000, 4_000).ends_with(" contacts/10000"));
    assert_eq!(jobs(6_000, 4_001), "unreadable");
    assert_eq!(jobs(6_000, 4_002), "unreadable");
}

#[test]
fn large_batches_of_cards_are_buffered_and_deletes_less() {
    let headers = HeaderMap::new();
    let triage =
        |method: Method, path: &str| AmoCrm.triage(&Head { method: &method, path, query: None, headers: &headers });
    assert_eq!(triage(Method::PATCH, "/api/v4/leads"), Triage::Buffer(8 << 20));
    assert_eq!(triage(Method::POST, "/ajax/leads/multiple/delete/"), Triage::Buffer(1 << 20));
    assert_eq!(triage(Method::DELETE, "/api/v4/roles/3"), Triage::Buffer(1 << 20));
}

#[test]
fn every_route_stands_in_the_page_for_people() {
    let page = include_str!("../../../../../docs/delete-dialects.md");
    for signature in SIGNATURES {
        assert!(page.contains(&format!("`{}`", signature.route)), "{} is not in the page", signature.route);
    }
}
