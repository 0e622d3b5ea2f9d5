use http::{HeaderMap, Method};

use super::table::made_of;
use crate::crm::amocrm::AmoCrm;
use crate::crm::{Dialect, Head};
use crate::domain::record::RecordRef;

fn with<T>(request: &str, body: &str, of: impl Fn(&Head<'_>, &[u8]) -> T) -> T {
    let (method, target) = request.split_once(' ').expect("METHOD target");
    let method: Method = method.parse().expect("a method");
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    of(&Head { method: &method, path, query, headers: &HeaderMap::new() }, body.as_bytes())
}

fn listed(records: &[RecordRef]) -> String {
    records.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn heads_name_records() {
    for (request, expected) in [
        ("GET /api/v4/contacts/2001", "contacts/2001"),
        ("GET /api/v4/contacts/2001/", "contacts/2001"),
        ("GET /api/v4/contacts/2001/links?with=x", "contacts/2001"),
        ("GET /api/v4/leads/5/notes/6", "leads/5 notes/6"),
        ("GET /api/v4/leads/notes/6", "notes/6"),
        ("GET /api/v4/tasks/8", "tasks/8"),
        ("GET /api/v4/catalogs/41/elements/77", "catalogs/41 catalog_elements/77"),
        ("DELETE /api/v4/customers/transactions/3", "transactions/3"),
        ("POST /contacts/detail/2001", "contacts/2001"),
        ("GET /api/v4/leads?filter[id][]=5&filter%5Bid%5D%5B%5D=6", "leads/5 leads/6"),
        ("GET /api/v4/leads?filter[id]=5", "leads/5"),
        ("GET /api/v4/leads/notes?filter[entity_id][]=5", "leads/5"),
        ("GET /api/v4/leads/notes?filter[id]=5", "notes/5"),
        (
            "GET /api/v4/leads/links?filter[entity_id][]=5&filter[to_entity_id]=6&filter[to_entity_type]=contacts",
            "leads/5 contacts/6",
        ),
        ("GET /api/v4/tasks?filter[entity_type]=companies&filter[entity_id][]=5", "companies/5"),
        ("GET /api/v4/tasks?filter[entity_id][]=5", ""),
        ("GET /api/v4/events?filter[entity][]=lead&filter[entity_id][]=5", "leads/5"),
        ("GET /api/v4/leads/tags?filter[id]=5", ""),
        ("GET /api/v4/leads/pipelines/900", ""),
        ("GET /api/v4/users/71", ""),
        ("GET /api/v4/contacts/02001", ""),
    ] {
        assert_eq!(listed(&with(request, "", |head, _| AmoCrm.names_in_head(head))), expected, "{request}");
    }
}

#[test]
fn bodies_name_records() {
    for (request, body, expected) in [
        ("PATCH /api/v4/contacts", r#"[{"id":5},{"id":"6"}]"#, "contacts/5 contacts/6"),
        ("PATCH /api/v4/contacts/5", r#"{"id":5,"responsible_user_id":71}"#, "contacts/5"),
        (
            "POST /api/v4/leads",
            r#"[{"_embedded":{"contacts":[{"id":7,"is_main":true}],"companies":[{"id":8}],"tags":[{"id":9}]}}]"#,
            "contacts/7 companies/8",
        ),
        ("POST /api/v4/tasks", r#"[{"entity_id":5,"entity_type":"leads","text":"x"}]"#, "leads/5"),
        ("POST /api/v4/leads/notes", r#"[{"entity_id":5,"note_type":"common"}]"#, "leads/5"),
        (
            "POST /api/v4/leads/5/link",
            r#"[{"to_entity_id":6,"to_entity_type":"contacts","metadata":{"is_main":true}}]"#,
            "contacts/6",
        ),
        (
            "POST /api/v4/leads/unlink",
            r#"[{"entity_id":5,"to_entity_id":77,"to_entity_type":"catalog_elements","metadata":{"catalog_id":41}}]"#,
            "leads/5 catalog_elements/77 catalogs/41",
        ),
        (
            "PATCH /api/v4/catalogs/41/elements",
            r#"[{"id":77,"custom_fields_values":[{"field_id":1,"values":[{"value":{"entity_id":5,"entity_type":"contacts"}}]}]}]"#,
            "catalog_elements/77 contacts/5",
        ),
        ("POST /ajax/leads/multiple/delete/", "ID[]=5&ID[]=6", "leads/5 leads/6"),
        ("POST /ajax/leads/multiple/change_status/", "parties[id][]=5&STATUS_ID=142", "leads/5"),
        ("POST /private/notes/edit2.php", "ID=5&ACTION=NOTE_DELETE&ELEMENT_ID=6&ELEMENT_TYPE=2", "notes/5 leads/6"),
        ("POST /private/notes/edit2.php", "ACTION=TASK_DELETE&ID=5", "tasks/5"),
        ("POST /api/v2/notes", r#"{"delete":[{"id":1}]}"#, "notes/1"),
        (
            "POST /ajax/v1/multiactions/set",
            r#"{"request":{"multiactions":{"add":[{"entity_type":1,"ids":[5]}]}}}"#,
            "contacts/5",
        ),
        ("POST /api/v4/leads", "not json", ""),
        ("POST /api/v4/leads", r#"[{"id":5,"id":6}]"#, ""),
    ] {
        assert_eq!(listed(&with(request, body, |head, body| AmoCrm.names_in_body(head, body))), expected, "{request}");
    }
}

/// 2001 became 2950 and 5001 became 59; nothing else moved.
fn moved(old: &RecordRef) -> Option<RecordRef> {
    match old.to_string().as_str() {
        "contacts/2001" => Some(RecordRef::new("contacts", 2950)),
        "leads/5001" => Some(RecordRef::new("leads", 59)),
        _ => None,
    }
}

#[test]
fn old_ids_become_new_ones_and_every_other_byte_stays() {
    for (request, body, target, new_body) in [
        ("GET /api/v4/contacts/2001?with=leads,%20x", "", "/api/v4/contacts/2950?with=leads,%20x", None),
        ("GET /api/v4/leads/5001/notes/5001", "", "/api/v4/leads/59/notes/5001", None),
        (
            "GET /api/v4/contacts?filter[id][]=2000&filter%5Bid%5D[]=2001&x=2001",
            "",
            "/api/v4/contacts?filter[id][]=2000&filter%5Bid%5D[]=2950&x=2001",
            None,
        ),
        (
            "PATCH /api/v4/contacts",
            "[ {\"id\" : 2001 ,\"n\":1.10, \"name\":\"2001 \\u0041\"}\n]",
            "/api/v4/contacts",
            Some("[ {\"id\" : 2950 ,\"n\":1.10, \"name\":\"2001 \\u0041\"}\n]"),
        ),
        ("PATCH /api/v4/contacts", r#"[{"id":"2001"}]"#, "/api/v4/contacts", Some(r#"[{"id":"2950"}]"#)),
        (
            "POST /contacts/detail/2001",
            r#"{"ACTION":"DELETE","ID":2001}"#,
            "/contacts/detail/2950",
            Some(r#"{"ACTION":"DELETE","ID":2950}"#),
        ),
        (
            "POST /ajax/contacts/multiple/delete/",
            "ID%5B%5D=2000&ID%5B%5D=2001&a=%D1%8F+",
            "/ajax/contacts/multiple/delete/",
            Some("ID%5B%5D=2000&ID%5B%5D=2950&a=%D1%8F+"),
        ),
        (
            "POST /api/v4/leads/5001/unlink",
            r#"[{"to_entity_id":2001,"to_entity_type":"contacts"}]"#,
            "/api/v4/leads/59/unlink",
            Some(r#"[{"to_entity_id":2950,"to_entity_type":"contacts"}]"#),
        ),
    ] {
        let renamed = with(request, body, |head, body| AmoCrm.rename(head, body, &moved)).expect("something to rename");
        assert_eq!(renamed.target, target, "{request}");
        assert_eq!(renamed.body.as_deref(), new_body.map(str::as_bytes), "{request}");
        assert!(!renamed.changes.is_empty(), "{request}");
    }
}

#[test]
fn what_names_nothing_that_moved_is_left_alone() {
    for (request, body) in [
        ("GET /api/v4/contacts/2002", ""),
        ("GET /api/v4/users/2001", ""),
        ("GET /api/v4/leads/2001", ""),
        ("PATCH /api/v4/contacts", r#"[{"id":2002,"name":"2001"}]"#),
        ("POST /ajax/leads/multiple/delete/", "ID[]=2001"),
    ] {
        assert!(with(request, body, |head, body| AmoCrm.rename(head, body, &moved)).is_none(), "{request}");
    }
    // A successor of another kind, or one that is no number, is no successor.
    for wrong in [RecordRef::new("leads", 5), RecordRef::new("contacts", "5/../6")] {
        let renamed =
            with("GET /api/v4/contacts/2001", "", |head, body| AmoCrm.rename(head, body, &|_| Some(wrong.clone())));
        assert!(renamed.is_none(), "{wrong}");
    }
}

#[test]
fn a_renamed_delete_is_recognized_as_the_same_delete_of_the_new_record() {
    for (request, body, expected) in [
        (
            "POST /contacts/detail/2001",
            r#"{"ACTION":"DELETE","ID":"2001"}"#,
            "amocrm.detail_delete destroy contacts/2950",
        ),
        (
            "POST /ajax/contacts/multiple/delete/",
            "ID[]=2001&ID[]=7",
            "amocrm.multiple_delete destroy contacts/2950 contacts/7",
        ),
        ("PATCH /api/v4/leads", r#"[{"id":5001,"is_deleted":true}]"#, "amocrm.patch_is_deleted destroy leads/59"),
        (
            "POST /api/v4/leads/unlink",
            r#"[{"entity_id":5001,"to_entity_id":2001,"to_entity_type":"contacts"}]"#,
            "amocrm.unlink_mass detach links/leads-59-contacts-2950",
        ),
    ] {
        let renamed = with(request, body, |head, body| AmoCrm.rename(head, body, &moved)).expect("something to rename");
        let method = request.split(' ').next().expect("a method");
        let body = renamed.body.expect("a new body");
        assert_eq!(made_of(method, &renamed.target, &HeaderMap::new(), &body), expected, "{request}");
    }
}
