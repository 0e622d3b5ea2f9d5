use http::{HeaderMap, Method};
use proptest::prelude::*;

use super::table::made_of;
use crate::crm::amocrm::AmoCrm;
use crate::crm::{Dialect, Head, Triage};
use crate::domain::record::RecordRef;

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const PROTECTED: [&str; 9] = [
    "/ajax/leads/multiple/delete/",
    "/private/notes/edit2.php",
    "/ajax/v1/customers/set/",
    "/ajax/v1/multiactions/set",
    "/private/deals/delete.php",
    "/contacts/detail/5",
    "/api/v2/customers",
    "/api/v2/leads",
    "/ajax/v1/unheard/of",
];

fn path() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[a-z0-9_.%]{0,8}",
        prop::sample::select(vec![
            "api", "v4", "v2", "ajax", "private", "leads", "detail", "delete", "set", "5", "unlink"
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(word, 0..7).prop_map(|words| format!("/{}", words.join("/")))
}

fn shapes(ids: &[u64], key: &str) -> Vec<String> {
    let form = |part: &dyn Fn(usize, &u64) -> String| {
        ids.iter().enumerate().map(|(at, id)| part(at, id)).collect::<Vec<_>>().join("&")
    };
    let bracketed = |key: &str| {
        let mut words = key.split('.');
        let head = words.next().unwrap_or_default().to_owned();
        words.fold(head, |name, word| format!("{name}[{word}]"))
    };
    let name = bracketed(key);
    let json = |list: String| {
        let open = key.split('.').map(|word| format!("{{\"{word}\":")).collect::<Vec<_>>().concat();
        format!("{open}{list}{}", "}".repeat(key.split('.').count()))
    };
    let text: Vec<String> = ids.iter().map(|id| format!("\"{id}\"")).collect();
    let objects: Vec<String> = ids.iter().map(|id| format!("{{\"id\":{id}}}")).collect();
    vec![
        form(&|_, id| format!("{name}[]={id}")),
        form(&|at, id| format!("{name}[{at}]={id}")),
        form(&|_, id| format!("{}%5B%5D={id}", name.replace('[', "%5B").replace(']', "%5D"))),
        json(format!("{ids:?}")),
        json(format!("[{}]", text.join(","))),
        json(format!("[{}]", objects.join(", "))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_panics(method in prop::sample::select(&METHODS[..]), path in path(),
                      query in prop::option::of("[ -~]{0,40}"), body in prop::collection::vec(any::<u8>(), 0..200)) {
        let method: Method = method.parse().unwrap();
        let headers = HeaderMap::new();
        let head = Head { method: &method, path: &path, query: query.as_deref(), headers: &headers };
        let _ = (AmoCrm.triage(&head), AmoCrm.recognise(&head, &body), AmoCrm.names_in_head(&head));
        let _ = AmoCrm.names_in_body(&head, &body);
        let _ = AmoCrm.rename(&head, &body, &|old| Some(RecordRef::new(&*old.object, 7)));
    }

    #[test]
    fn nothing_panics_on_bodies_of_the_right_letters(path in prop::sample::select(&PROTECTED[..]),
                                                     body in r#"[\[\]{}",:=&%ID5 delt\\u]{0,60}"#) {
        let _ = made_of("POST", path, &HeaderMap::new(), body.as_bytes());
    }

    #[test]
    fn every_shape_gives_the_same_ids(ids in prop::collection::vec(1_u64..i64::MAX as u64, 1..40)) {
        let mut once: Vec<u64> = Vec::new();
        for id in &ids {
            if !once.contains(id) {
                once.push(*id);
            }
        }
        for (path, key, object, route) in [
            ("/ajax/leads/multiple/delete/", "ID", "leads", "amocrm.multiple_delete"),
            ("/ajax/v1/customers/set/", "request.customers.delete", "customers", "amocrm.customers_set"),
            ("/ajax/v1/catalog_elements/set/", "request.catalog_elements.delete", "catalog_elements", "amocrm.catalog_elements_set"),
            ("/api/v2/transactions", "delete", "transactions", "amocrm.v2_transactions"),
        ] {
            let listed = once.iter().map(|id| format!(" {object}/{id}")).collect::<Vec<_>>().concat();
            for body in shapes(&ids, key) {
                let made = made_of("POST", path, &HeaderMap::new(), body.as_bytes());
                prop_assert_eq!(&made, &format!("{route} destroy{listed}"), "{}", body);
                // Renaming finds the same ids, so that a renamed delete is read as the same delete.
                let head = Head { method: &Method::POST, path, query: None, headers: &HeaderMap::new() };
                let named = AmoCrm.names_in_body(&head, body.as_bytes());
                let expected: Vec<RecordRef> = once.iter().map(|id| RecordRef::new(object, id)).collect();
                prop_assert_eq!(named, expected, "{}", body);
            }
        }
    }

    #[test]
    fn what_says_delete_never_passes_as_something_else(
        path in prop::sample::select(&PROTECTED[..]),
        word in prop::sample::select(vec!["delete", "DELETE", "Delete", "unlink", "tags_to_delete"]),
        before in "[a-z]{1,6}", id in 1_u32..9999, json in any::<bool>(), deep in 0_usize..4,
    ) {
        let body = if json {
            let open = (0..deep).map(|_| format!("{{\"{before}\":")).collect::<Vec<_>>().concat();
            format!("{open}{{\"{word}\":[{id}]}}{}", "}".repeat(deep))
        } else {
            format!("{before}=1&x{}[{word}][]={id}", "[a]".repeat(deep))
        };
        let made = made_of("POST", path, &HeaderMap::new(), body.as_bytes());
        prop_assert_ne!(made.as_str(), "no", "{}", body);
        prop_assert_ne!(made.as_str(), "stream", "{}", body);
    }

    #[test]
    fn junk_beside_a_delete_never_makes_something_else_of_it(
        at in 0_usize..7, junk in "[ -~\\x00-\\x1fé]{0,12}", pair in "[A-Za-z_\\[\\]%]{0,8}=[ -~]{0,8}", before in any::<bool>(),
    ) {
        let bodies = [
            ("/ajax/leads/multiple/delete/", "ID[]=5"),
            ("/private/notes/edit2.php", "ACTION=NOTE_DELETE&ID=5"),
            ("/private/deals/delete.php", "ID=5&ACTION=DELETE"),
            ("/ajax/v1/customers/set/", "request[customers][delete][]=5"),
            ("/contacts/detail/5", "ACTION=DELETE"),
            ("/api/v2/customers", "{\"delete\":[5]}"),
            ("/ajax/v1/unheard/of", "request[unheard][delete][]=5"),
        ];
        let (path, body) = bodies[at];
        let with_pair = if before { format!("{pair}&{body}") } else { format!("{body}&{pair}") };
        let with_junk = if before { format!("{junk}{body}") } else { format!("{body}{junk}") };
        // Letters behind the word make another word of it.
        // What stands before an equals sign makes a value of it.
        let other = before && junk.contains('=')
            || path == "/contacts/detail/5" && !before && junk.contains(|c: char| c.is_ascii_alphanumeric() || c == '_');
        for body in [Some(with_pair), (!other).then_some(with_junk)].into_iter().flatten() {
            let made = made_of("POST", path, &HeaderMap::new(), body.as_bytes());
            prop_assert_ne!(made.as_str(), "no", "{} {:?}", path, body);
            prop_assert_ne!(made.as_str(), "stream", "{} {:?}", path, body);
        }
    }

    #[test]
    fn a_read_whose_body_says_delete_is_never_passed(word in prop::sample::select(vec![
        "ID[]=5", "ACTION=DELETE", "_method=DELETE", "{\"delete\":[5]}", "{\"ID\":5,\"ACTION\":\"DELETE\"}", "%5fmethod=DELETE",
    ]), path in path()) {
        let head = Head { method: &Method::GET, path: &path, query: None, headers: &HeaderMap::new() };
        let made = AmoCrm.recognise(&head, word.as_bytes());
        prop_assert!(matches!(made, crate::domain::delete::Recognised::Unreadable(_)), "{} {}: {:?}", path, word, made);
    }

    #[test]
    fn an_unknown_delete_never_leaves(path in path()) {
        let head = Head { method: &Method::DELETE, path: &path, query: None, headers: &HeaderMap::new() };
        prop_assert_ne!(AmoCrm.triage(&head), Triage::Stream);
    }

    #[test]
    fn renaming_changes_the_digits_and_nothing_else(ids in prop::collection::vec(1_u64..1_000_000, 1..20), pad in "[ \n]{0,3}") {
        let list: Vec<String> = ids.iter().map(|id| format!("{{{pad}\"price\":1.10,\"id\"{pad}:{pad}{id}}}")).collect();
        let body = format!("[{}]{pad}", list.join(","));
        let head = Head { method: &Method::PATCH, path: "/api/v4/leads", query: None, headers: &HeaderMap::new() };
        let there = AmoCrm.rename(&head, body.as_bytes(), &|old| {
            Some(RecordRef::new(&*old.object, old.id.parse::<u64>().ok()? + 5_000_000))
        }).expect("ids to rename").body.expect("a new body");
        let back = AmoCrm.rename(&head, &there, &|old| {
            Some(RecordRef::new(&*old.object, old.id.parse::<u64>().ok()? - 5_000_000))
        }).expect("ids to rename").body.expect("a new body");
        prop_assert_eq!(&back[..], body.as_bytes());
    }
}
