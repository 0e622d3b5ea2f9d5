//! What is a difference, what is not, and what a known loss excuses.

#![allow(clippy::needless_pass_by_value, reason = "tables give values away")]

use rstest::rstest;
use serde_json::{Value, json};

use super::compare;
use crate::domain::record::{Association, Eyes, Part, RecordRef, SearchKeys, Snapshot};
use crate::domain::restore::Loss;

fn record(text: &str) -> RecordRef {
    text.parse().unwrap()
}

fn snapshot(of: &str, parts: Value, links: &[(&str, Value)]) -> Snapshot {
    let parts = parts.as_object().unwrap().iter().map(|(name, body)| Part {
        name: name.clone(),
        content_type: "application/hal+json".to_owned(),
        body: body.to_string().into(),
    });
    let link = |(to, metadata): &(&str, Value)| Association {
        from: record(of),
        to: record(to),
        metadata: metadata.to_string(),
    };
    Snapshot {
        connection: "acme".to_owned(),
        of: record(of),
        title: "a record".to_owned(),
        keys: SearchKeys::default(),
        parts: parts.collect(),
        associations: links.iter().map(link).collect(),
        manifest: Vec::new(),
        taken_at: jiff::Timestamp::UNIX_EPOCH,
        read_by: Eyes::Gateway,
    }
}

fn moved(old: &RecordRef) -> Option<RecordRef> {
    let now = match old.to_string().as_str() {
        "contacts/2001" => "contacts/2900",
        "catalog_elements/77" => "catalog_elements/99",
        "segments/5" => "segments/6",
        _ => return None,
    };
    Some(record(now))
}

/// The fields in which a deal read back differs.
fn fields_of(was: &Snapshot, is: &Snapshot, losses: &[(&str, &str)]) -> Vec<String> {
    let losses: Vec<Loss> = losses
        .iter()
        .map(|(record, field)| Loss {
            record: record.parse().unwrap(),
            field: (*field).to_owned(),
            reason: "refused".to_owned(),
            detail: String::new(),
        })
        .collect();
    compare(was, is, &moved, &losses).into_iter().map(|difference| difference.field).collect()
}

fn lead(record: Value) -> Snapshot {
    snapshot("leads/5001", json!({"record": record}), &[])
}

#[rstest]
#[case::nothing(json!({"name": "a", "price": 5}), json!({"name": "a", "price": 5.0, "id": 9, "updated_at": 7, "_links": {}}), &[])]
#[case::name(json!({"name": "a"}), json!({"name": "b"}), &["name"])]
#[case::empty_is_null(json!({"first_name": ""}), json!({"first_name": null}), &[])]
#[case::user(json!({"created_by": 71}), json!({"created_by": 72}), &["created_by"])]
#[case::status(json!({"status_id": 143, "closed_at": 5}), json!({"status_id": 143, "closed_at": 9}), &["closed_at"])]
#[case::open_deals_have_no_end(json!({"status_id": 1, "closed_at": 5}), json!({"status_id": 1, "closed_at": null}), &[])]
#[case::reason(json!({"loss_reason_id": 1}), json!({"loss_reason_id": null}), &["loss_reason_id"])]
#[case::reason_by_name(
    json!({"loss_reason_id": 1, "_embedded": {"loss_reason": [{"name": "x"}]}}),
    json!({"loss_reason_id": 2, "_embedded": {"loss_reason": [{"name": "x"}]}}), &[]
)]
#[case::tags_are_a_set(
    json!({"_embedded": {"tags": [{"id": 1, "name": "x"}, {"id": 2, "name": "y"}]}}),
    json!({"_embedded": {"tags": [{"id": 9, "name": "y"}, {"id": 8, "name": "x"}]}}), &[]
)]
#[case::a_tag_is_missing(
    json!({"_embedded": {"tags": [{"id": 1, "name": "x"}]}}), json!({"_embedded": {"tags": []}}), &["tags"]
)]
#[case::read_only(json!({"score": 5, "group_id": 1}), json!({"score": null, "group_id": 2}), &[])]
fn own_fields(#[case] was: Value, #[case] is: Value, #[case] want: &[&str]) {
    assert_eq!(fields_of(&lead(was), &lead(is), &[]), want);
}

fn value(kind: &str, values: Value) -> Value {
    json!({"custom_fields_values": [{"field_id": 1, "field_type": kind, "field_name": "F", "field_code": null, "values": values}]})
}

#[rstest]
#[case::text("text", json!([{"value": "a"}]), json!([{"value": "a"}]), true)]
#[case::another_text("text", json!([{"value": "a"}]), json!([{"value": "b"}]), false)]
#[case::choice("select", json!([{"value": "Red", "enum_id": 1}]), json!([{"value": "Red", "enum_id": 2}]), true)]
#[case::order("multiselect", json!([{"value": "a"}, {"value": "b"}]), json!([{"value": "b"}, {"value": "a"}]), true)]
#[case::one_less("multiselect", json!([{"value": "a"}, {"value": "b"}]), json!([{"value": "b"}]), false)]
#[case::kind_of_phone("multitext", json!([{"value": "+7", "enum_code": "WORK"}]), json!([{"value": "+7", "enum_code": "MOB"}]), false)]
#[case::number("numeric", json!([{"value": "12.50"}]), json!([{"value": "12.5"}]), true)]
#[case::line("items", json!([{"value": {"sku": "a", "total_sum": 5}}]), json!([{"value": {"sku": "a", "total_sum": 6}}]), true)]
#[case::linked("linked_entity", json!([{"value": {"entity_id": 2001, "entity_type": "contacts"}}]), json!([{"value": {"entity_id": 2900, "entity_type": "contacts"}}]), true)]
#[case::not_linked("linked_entity", json!([{"value": {"entity_id": 2001, "entity_type": "contacts"}}]), json!([{"value": {"entity_id": 2001, "entity_type": "contacts"}}]), false)]
#[case::chained("chained_list", json!([{"catalog_id": 1, "catalog_element_id": 77}]), json!([{"catalog_id": 1, "catalog_element_id": 99}]), true)]
#[case::file("file", json!([{"value": {"file_uuid": "u", "file_size": 1}}]), json!([{"value": {"file_uuid": "u"}}]), true)]
fn custom_fields(#[case] kind: &str, #[case] was: Value, #[case] is: Value, #[case] same: bool) {
    let (was, is) = (lead(value(kind, was)), lead(value(kind, is)));
    let want: &[&str] = if same { &[] } else { &["custom_fields_values.1"] };
    assert_eq!(fields_of(&was, &is, &[]), want);
    assert_eq!(fields_of(&was, &is, &[("leads/5001", "custom_fields_values.1")]), [""; 0]);
    let empty = lead(json!({"custom_fields_values": null}));
    assert_eq!(fields_of(&was, &empty, &[]), ["custom_fields_values.1"]);
    assert_eq!(fields_of(&empty, &is, &[]), ["custom_fields_values.1"]);
}

#[test]
fn links_are_compared_under_their_new_names() {
    let record = json!({"record": {}});
    let main = ("contacts/2001", json!({"main_contact": true}));
    let was = snapshot(
        "leads/5001",
        record.clone(),
        &[main, ("catalog_elements/77", json!({"quantity": 2, "catalog_id": 1})), ("companies/3", Value::Null)],
    );
    let same = [
        ("contacts/2900", json!({"main_contact": true})),
        ("catalog_elements/99", json!({"quantity": 2.0, "catalog_id": 1})),
        ("companies/3", Value::Null),
    ];
    assert_eq!(fields_of(&was, &snapshot("leads/6", record.clone(), &same), &[]), [""; 0]);
    let other = [
        ("contacts/2900", json!({"main_contact": false})),
        ("catalog_elements/99", json!({"quantity": 1, "catalog_id": 1})),
        ("companies/4", Value::Null),
    ];
    let is = snapshot("leads/6", record, &other);
    assert_eq!(
        fields_of(&was, &is, &[]),
        ["links.catalog_elements/77", "links.companies/3", "links.contacts/2001", "links.companies/4"]
    );
    let lost = [("leads/5001", "links.companies/3"), ("leads/5001", "links.companies/4")];
    assert_eq!(fields_of(&was, &is, &lost), ["links.catalog_elements/77", "links.contacts/2001"]);
}

#[test]
fn notes_and_tasks_are_found_again_as_often_as_they_were() {
    let note = |id: u64, text: &str, at: u64| json!({"id": id, "note_type": "common", "params": {"text": text}, "created_at": at, "updated_at": id});
    let task = |id: u64, done: bool| json!({"id": id, "text": "t", "complete_till": 5, "task_type_id": 1, "is_completed": done, "result": []});
    let was = snapshot(
        "leads/5001",
        json!({"record": {}, "notes": [note(1, "a", 5), note(2, "a", 5), note(3, "b", 6)], "tasks": [task(8, true)]}),
        &[],
    );
    let same = json!({"record": {}, "notes": [note(13, "b", 6), note(12, "a", 5), note(11, "a", 5), note(14, "new", 7)], "tasks": [task(18, true)]});
    assert_eq!(fields_of(&was, &snapshot("leads/6", same, &[]), &[]), [""; 0]);
    let less = json!({"record": {}, "notes": [note(11, "a", 5), note(12, "b", 9)], "tasks": [task(18, false)]});
    let less = snapshot("leads/6", less, &[]);
    assert_eq!(fields_of(&was, &less, &[]), ["notes.2", "notes.3.created_at", "tasks.8.is_completed"]);
    let lost = [("leads/5001", "notes.2"), ("tasks/8", "result")];
    assert_eq!(fields_of(&was, &less, &lost), ["notes.3.created_at"]);
}

#[rstest]
#[case::note("notes/1", json!({"note_type": "common", "params": {"text": "a"}, "created_at": 1}), json!({"note_type": "common", "params": {"text": "b"}, "created_at": 2}), &["params", "created_at"])]
#[case::task("tasks/1", json!({"text": "a", "result": {"text": "r"}}), json!({"text": "a", "result": []}), &["result"])]
#[case::purchase("transactions/1", json!({"price": 5}), json!({"price": 6}), &["price"])]
#[case::link("links/leads-1-contacts-2", json!({"metadata": {"main_contact": true}}), json!({"metadata": {"main_contact": false}}), &["metadata"])]
#[case::tag("tags/leads-1-2", json!({"id": 2, "name": "a"}), json!({"id": 3, "name": "a"}), &[])]
fn what_was_deleted_by_itself(#[case] of: &str, #[case] was: Value, #[case] is: Value, #[case] want: &[&str]) {
    let (was, is) = (snapshot(of, json!({"record": was}), &[]), snapshot(of, json!({"record": is}), &[]));
    assert_eq!(fields_of(&was, &is, &[]), want);
}

#[test]
fn segments_and_values_are_shown_as_json() {
    let customer = |segment: u64| {
        snapshot("customers/1", json!({"record": {"name": "x", "_embedded": {"segments": [{"id": segment}]}}}), &[])
    };
    assert_eq!(compare(&customer(5), &customer(6), &moved, &[]), []);
    assert_eq!(fields_of(&customer(5), &customer(5), &[]), ["segments"]);
    let differences = compare(&lead(json!({"name": "a"})), &lead(json!({"name": null})), &moved, &[]);
    assert_eq!((differences[0].was.as_str(), differences[0].is.as_str()), ("\"a\"", "null"));
    assert_eq!(differences[0].record, record("leads/5001"));
}
