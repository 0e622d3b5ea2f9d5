//! Drafts as tables: what is written for each kind of value, and every reason for a loss.

#![allow(clippy::needless_pass_by_value, reason = "tables give values away")]

use rstest::rstest;
use serde_json::{Value, json};

use super::act::Act;
use super::draft;
use super::values::{Fate, written};
use crate::domain::plan::What;
use crate::domain::record::{Association, Eyes, Part, RecordRef, SearchKeys, Snapshot};
use crate::domain::restore::{Draft, DraftStep};

fn record(text: &str) -> RecordRef {
    text.parse().unwrap()
}

fn snapshot(of: &str, parts: &[(&str, Value)], links: &[(&str, Value)]) -> Snapshot {
    let part = |(name, body): &(&str, Value)| Part {
        name: (*name).to_owned(),
        content_type: "application/hal+json".to_owned(),
        body: body.to_string().into(),
    };
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
        parts: parts.iter().map(part).collect(),
        associations: links.iter().map(link).collect(),
        manifest: Vec::new(),
        taken_at: jiff::Timestamp::UNIX_EPOCH,
        read_by: Eyes::Gateway,
    }
}

fn around() -> Value {
    json!({
        "users": [{"id": 71, "is_active": true}, {"id": 74, "is_active": false}],
        "pipelines": [
            {"id": 900, "is_main": true, "statuses": [{"id": 32000, "type": 1, "sort": 10}, {"id": 32002, "type": 0, "sort": 30},
                {"id": 32001, "type": 0, "sort": 20}, {"id": 142, "type": 0, "sort": 5}]},
            {"id": 901, "statuses": [{"id": 33001, "type": 0, "sort": 20}]}],
        "loss_reasons": [{"id": 31, "name": "Too expensive"}],
        "customer_statuses": [{"id": 51, "sort": 2}, {"id": 50, "sort": 1}],
        "account": {"_embedded": {"task_types": [{"id": 1}, {"id": 2}]}},
        "fields": {
            "leads": [
                {"id": 640, "code": null, "name": "City", "type": "text"},
                {"id": 641, "code": "NEW", "name": "Color", "type": "select", "enums": [{"id": 71, "value": "Red"}, {"id": 72, "value": "Blue"}]},
                {"id": 642, "code": null, "name": "Renamed twin", "type": "numeric"},
                {"id": 643, "code": null, "name": "Margin", "type": "numeric", "is_computed": true}],
            "contacts": null},
    })
}

fn body(step: &DraftStep) -> Value {
    match serde_json::from_value(step.write.clone()).unwrap() {
        Act::Create { body, .. } | Act::Note { body, .. } | Act::Task { body, .. } | Act::Purchase { body, .. } => body,
        act => panic!("{act:?}"),
    }
}

fn losses(draft: &Draft) -> Vec<(&str, &str)> {
    draft.losses.iter().map(|loss| (loss.field.as_str(), loss.reason.as_str())).collect()
}

/// A deal with these fields, its files read.
fn deal(fields: Value) -> Draft {
    draft(&snapshot("leads/5001", &[("record", fields), ("files", json!([]))], &[]), &around())
}

#[rstest]
#[case::text("text", json!({"value": "Perm"}), json!({"value": "Perm"}))]
#[case::textarea("textarea", json!({"value": "a\nb"}), json!({"value": "a\nb"}))]
#[case::streetaddress("streetaddress", json!({"value": "Main st."}), json!({"value": "Main st."}))]
#[case::numeric("numeric", json!({"value": "12.5"}), json!({"value": "12.5"}))]
#[case::price("price", json!({"value": "100"}), json!({"value": "100"}))]
#[case::monetary("monetary", json!({"value": "99.90"}), json!({"value": "99.90"}))]
#[case::checkbox("checkbox", json!({"value": false}), json!({"value": false}))]
#[case::url("url", json!({"value": "https://a.example"}), json!({"value": "https://a.example"}))]
#[case::date("date", json!({"value": 1_600_000_000}), json!({"value": 1_600_000_000}))]
#[case::date_time("date_time", json!({"value": 1_600_000_000}), json!({"value": 1_600_000_000}))]
#[case::birthday("birthday", json!({"value": -100}), json!({"value": -100}))]
#[case::select("select", json!({"value": "Red", "enum_id": 71, "enum_code": null}), json!({"enum_id": 71}))]
#[case::select_moved("select", json!({"value": "Red", "enum_id": 5}), json!({"enum_id": 71}))]
#[case::radiobutton("radiobutton", json!({"value": "Blue", "enum_id": 72}), json!({"enum_id": 72}))]
#[case::multiselect("multiselect", json!({"value": "Blue", "enum_id": 72}), json!({"enum_id": 72}))]
#[case::category("category", json!({"value": "Blue", "enum_id": 72}), json!({"enum_id": 72}))]
#[case::multitext("multitext", json!({"value": "+7", "enum_id": 9, "enum_code": "WORK"}), json!({"value": "+7", "enum_code": "WORK"}))]
#[case::address("smart_address", json!({"value": "Perm", "enum_id": 3, "enum_code": "city"}), json!({"value": "Perm", "enum_id": 3}))]
#[case::legal("legal_entity", json!({"value": {"name": "Acme", "vat_id": "1", "kpp": null}}), json!({"value": {"name": "Acme", "vat_id": "1"}}))]
#[case::items(
    "items",
    json!({"value": {"sku": "a", "unit_price": 5, "total_sum": 10, "is_total_sum_recalculated": true, "is_discount_recalculated": false}}),
    json!({"value": {"sku": "a", "unit_price": 5}})
)]
#[case::tracking("tracking_data", json!({"value": "google"}), json!({"value": "google"}))]
#[case::linked("linked_entity", json!({"value": {"name": "Anna", "entity_id": 2001, "entity_type": "contacts", "catalog_id": null}}), json!({"value": {"name": "Anna", "entity_id": 2001, "entity_type": "contacts"}}))]
#[case::chained("chained_list", json!({"catalog_id": 4100, "catalog_element_id": 77}), json!({"catalog_id": 4100, "catalog_element_id": 77}))]
#[case::file("file", json!({"value": {"file_uuid": "u", "version_uuid": "v", "file_name": "a.pdf", "file_size": 1, "is_deleted": false}}), json!({"value": {"file_uuid": "u", "version_uuid": "v", "file_name": "a.pdf", "file_size": 1}}))]
#[case::payer("payer", json!({"value": {"name": "Acme"}}), json!({"value": {"name": "Acme"}}))]
#[case::supplier("supplier", json!({"value": {"entity_id": 77}}), json!({"value": {"entity_id": 77}}))]
#[case::of_tomorrow("org_legal_name", json!({"value": {"x": 1}}), json!({"value": {"x": 1}}))]
fn a_value_is_written_as_its_type_wants(#[case] kind: &str, #[case] read: Value, #[case] want: Value) {
    let enums = [
        json!({"id": 71, "value": "Red"}),
        json!({"id": 72, "value": "Blue"}),
        json!({"id": 9, "value": "WORK", "code": "WORK"}),
    ];
    assert_eq!(written(kind, &read, Some(&enums)), Fate::Kept(want));
}

#[rstest]
#[case::choice("select", json!({"value": "Green", "enum_id": 5}), Fate::Gone)]
#[case::kind("multitext", json!({"value": "+7", "enum_code": "PAGER"}), Fate::Less(json!({"value": "+7"})))]
#[case::nothing("text", json!({"value": null}), Fate::Empty)]
#[case::no_choice("select", json!({"value": null, "enum_id": null}), Fate::Empty)]
fn a_value_that_cannot_be_written_says_so(#[case] kind: &str, #[case] read: Value, #[case] want: Fate) {
    assert_eq!(written(kind, &read, Some(&[json!({"id": 71, "value": "Red"})])), want);
}

#[test]
fn choices_that_are_not_known_go_by_id() {
    assert_eq!(written("select", &json!({"value": "Red", "enum_id": 5}), None), Fate::Kept(json!({"enum_id": 5})));
    assert_eq!(written("select", &json!({"value": "Red"}), None), Fate::Kept(json!({"value": "Red"})));
}

fn field(id: u64, name: &str, code: Option<&str>, kind: &str, value: Value) -> Value {
    json!({"field_id": id, "field_name": name, "field_code": code, "field_type": kind, "values": [value]})
}

#[rstest]
#[case::same(field(640, "City", None, "text", json!({"value": "a"})), Some(640), None)]
#[case::by_code(field(9, "Was", Some("NEW"), "select", json!({"value": "Blue", "enum_id": 1})), Some(641), None)]
#[case::by_name_and_type(field(9, "Renamed twin", None, "numeric", json!({"value": "1"})), Some(642), None)]
#[case::by_name_of_another_type(field(9, "Renamed twin", None, "text", json!({"value": "1"})), None, Some("field_removed"))]
#[case::removed(field(9, "Gone", None, "text", json!({"value": "1"})), None, Some("field_removed"))]
#[case::computed(field(643, "Margin", None, "numeric", json!({"value": "12"})), None, Some("read_only"))]
#[case::choice_removed(field(641, "Color", Some("NEW"), "select", json!({"value": "Green", "enum_id": 5})), None, Some("enum_removed"))]
fn a_field_comes_back_under_its_id_of_today(
    #[case] row: Value,
    #[case] under: Option<u64>,
    #[case] loss: Option<&str>,
) {
    let id = row["field_id"].clone();
    let draft = deal(json!({"name": "Deal", "custom_fields_values": [row]}));
    let body = body(&draft.steps[0]);
    assert_eq!(body["custom_fields_values"][0]["field_id"].as_u64(), under);
    let path = format!("custom_fields_values.{id}");
    let want: Vec<(&str, &str)> = loss.iter().map(|reason| (path.as_str(), *reason)).collect();
    assert_eq!(losses(&draft), want);
    assert_eq!(draft.fields.contains(&path), under.is_some());
}

#[rstest]
#[case::open(json!({"pipeline_id": 900, "status_id": 32002}), json!([900, 32002, null, null]), &[])]
#[case::won(json!({"pipeline_id": 901, "status_id": 142, "closed_at": 5}), json!([901, 142, 5, null]), &[])]
#[case::lost(json!({"pipeline_id": 900, "status_id": 143, "closed_at": 5, "loss_reason_id": 31}), json!([900, 143, 5, 31]), &[])]
#[case::stage_gone(json!({"pipeline_id": 900, "status_id": 7}), json!([900, 32001, null, null]), &[("status_id", "status_removed")])]
#[case::incoming(json!({"pipeline_id": 900, "status_id": 32000}), json!([900, 32001, null, null]), &[("status_id", "unsorted")])]
#[case::pipeline_gone(json!({"pipeline_id": 8, "status_id": 81}), json!([900, 32001, null, null]), &[("pipeline_id", "pipeline_removed"), ("status_id", "status_removed")])]
#[case::closed_where_no_pipeline_is(json!({"pipeline_id": 8, "status_id": 142, "closed_at": 5}), json!([900, 142, 5, null]), &[("pipeline_id", "pipeline_removed")])]
#[case::reason_by_name(
    json!({"pipeline_id": 900, "status_id": 143, "loss_reason_id": 9, "_embedded": {"loss_reason": [{"id": 9, "name": "Too expensive"}]}}),
    json!([900, 143, null, 31]), &[]
)]
#[case::reason_gone(json!({"pipeline_id": 900, "status_id": 143, "loss_reason_id": 9}), json!([900, 143, null, null]), &[("loss_reason_id", "loss_reason_removed")])]
#[case::reason_of_an_open_deal(json!({"pipeline_id": 900, "status_id": 32001, "loss_reason_id": 31}), json!([900, 32001, null, null]), &[("loss_reason_id", "read_only")])]
fn a_deal_stands_where_it_stood(#[case] record: Value, #[case] want: Value, #[case] lost: &[(&str, &str)]) {
    let draft = deal(record);
    let body = body(&draft.steps[0]);
    let got: Vec<Value> = ["pipeline_id", "status_id", "closed_at", "loss_reason_id"]
        .iter()
        .map(|key| body.get(*key).cloned().unwrap_or_default())
        .collect();
    assert_eq!(json!(got), want);
    assert_eq!(losses(&draft), lost);
}

#[test]
fn what_nobody_can_write_is_named() {
    let draft = deal(json!({"name": "Deal", "price": 5, "created_by": 74, "responsible_user_id": 71, "score": 3,
        "labor_cost": 0, "group_id": 1, "account_id": 2, "closest_task_at": 5, "updated_at": 5, "created_at": 4,
        "_embedded": {"tags": [{"id": 1, "name": "vip", "color": "ff0000"}]}}));
    assert_eq!(losses(&draft), [("created_by", "user_inactive"), ("score", "read_only")]);
    let want = json!({"name": "Deal", "price": 5, "responsible_user_id": 71, "created_at": 4,
        "pipeline_id": 900, "status_id": 32001, "_embedded": {"tags": [{"name": "vip"}]}});
    assert_eq!(body(&draft.steps[0]), want);
}

#[test]
fn what_is_not_known_is_not_given_up() {
    let record = json!({"created_by": 74, "pipeline_id": 8, "status_id": 143, "loss_reason_id": 9,
        "custom_fields_values": [field(9, "Gone", None, "text", json!({"value": "1"}))]});
    let draft = draft(&snapshot("leads/5001", &[("record", record), ("files", json!([]))], &[]), &json!({}));
    assert_eq!(losses(&draft), []);
    let body = body(&draft.steps[0]);
    assert_eq!((&body["created_by"], &body["status_id"]), (&json!(74), &json!(143)));
    assert_eq!(body["custom_fields_values"][0]["field_id"], 9);
}

#[test]
fn what_hangs_on_a_card_comes_with_it() {
    let parts = [
        ("record", json!({"name": "Deal", "pipeline_id": 900, "status_id": 32001})),
        ("files", json!([{"file_uuid": "u-1", "id": 1}])),
        (
            "notes",
            json!([
                {"id": 1, "note_type": "common", "params": {"text": "a"}, "created_at": 5, "created_by": 71, "responsible_user_id": 71, "updated_at": 9},
                {"id": 2, "note_type": "attachment", "params": {"file_uuid": "u", "original_name": "a.pdf", "is_drive_attachment": true, "text": null}, "created_by": 74},
                {"id": 3, "note_type": "amomail_message", "created_at": 0, "params": {"subject": "Hi", "from": {"email": "a@a.example"}}},
                {"id": 4, "note_type": "sms_in", "params": {"text": "b"}}]),
        ),
        (
            "tasks",
            json!([{"id": 8, "text": "Call", "complete_till": 9, "task_type_id": 77, "is_completed": true,
            "result": {"text": "ok"}, "created_at": 5, "created_by": 71, "entity_id": 5001, "entity_type": "leads"}]),
        ),
    ];
    let links = [
        ("contacts/2001", json!({"main_contact": true})),
        ("companies/3001", Value::Null),
        ("catalog_elements/77", json!({"quantity": 2, "catalog_id": 4100, "price_id": 812})),
        ("segments/5", Value::Null),
    ];
    let draft = draft(&snapshot("leads/5001", &parts, &links), &around());
    let mut lost = losses(&draft);
    lost.sort_unstable();
    assert_eq!(
        lost,
        [
            ("notes.2.created_by", "user_inactive"),
            ("notes.3", "note_type_not_writable"),
            ("notes.4", "note_type_not_writable"),
            ("tasks.8.task_type_id", "task_type_removed")
        ]
    );
    let steps: Vec<_> = draft.steps.iter().map(|s| (s.wave, s.what, s.record.to_string())).collect();
    assert_eq!(
        steps,
        [
            (2, What::Recreate, "leads/5001".to_owned()),
            (3, What::Relink, "links/leads-5001-contacts-2001".to_owned()),
            (3, What::Relink, "links/leads-5001-companies-3001".to_owned()),
            (3, What::Relink, "links/leads-5001-catalog_elements-77-4100".to_owned()),
            (4, What::Recreate, "notes/1".to_owned()),
            (4, What::Recreate, "notes/2".to_owned()),
            (4, What::Recreate, "notes/3".to_owned()),
            (4, What::Recreate, "tasks/8".to_owned()),
            (4, What::Set, "leads/5001".to_owned()),
        ]
    );
    assert_eq!(draft.steps[1].write["metadata"], json!({"is_main": true}));
    assert_eq!(draft.steps[3].write["metadata"], json!({"quantity": 2, "catalog_id": 4100, "price_id": 812}));
    let first = json!({"note_type": "common", "params": {"text": "a"}, "created_at": 5, "created_by": 71,
        "responsible_user_id": 71, "is_need_to_trigger_digital_pipeline": false});
    assert_eq!(body(&draft.steps[4]), first);
    assert_eq!(body(&draft.steps[5])["params"], json!({"file_uuid": "u", "file_name": "a.pdf"}));
    let gathered = body(&draft.steps[6]);
    assert_eq!(gathered["params"]["service"], "crm-undo");
    assert_eq!(gathered["params"]["text"], "1970-01-01T00:00:00Z amomail_message: Hi | a@a.example\n sms_in: b");
    assert_eq!(body(&draft.steps[7])["result"], json!({"text": "ok"}));
}

#[test]
fn both_ends_say_the_same_link() {
    let from_contact = draft(
        &snapshot("contacts/2001", &[("record", json!({}))], &[("leads/5001", json!({"main_contact": true}))]),
        &around(),
    );
    let from_lead = draft(
        &snapshot("leads/5001", &[("record", json!({}))], &[("contacts/2001", json!({"main_contact": true}))]),
        &around(),
    );
    assert_eq!(from_contact.steps[1], from_lead.steps[1]);
    assert!(losses(&from_lead).contains(&("files", "not_read")));
}

#[rstest]
#[case::note("notes/9", &[("record", json!({"id": 9, "entity_id": 5001, "note_type": "common", "params": {"text": "a"}})), ("parent", json!({"object": "leads", "id": 5001}))], What::Recreate, &["leads/5001"])]
#[case::task("tasks/8", &[("record", json!({"id": 8, "entity_id": 2001, "entity_type": "contacts", "text": "a", "complete_till": 1}))], What::Recreate, &["contacts/2001"])]
#[case::loose_task("tasks/8", &[("record", json!({"id": 8, "text": "a", "complete_till": 1}))], What::Recreate, &[])]
#[case::purchase("transactions/7", &[("record", json!({"id": 7, "price": 5, "_embedded": {"customer": {"id": 1001}}}))], What::Recreate, &["customers/1001"])]
#[case::link("links/leads-5001-contacts-2001", &[("record", json!({"to_entity_id": 2001, "metadata": {"main_contact": true}}))], What::Relink, &["leads/5001", "contacts/2001"])]
#[case::tag("tags/leads-5001-11", &[("record", json!({"id": 11, "name": "vip"}))], What::Set, &["leads/5001"])]
#[case::element("catalog_elements/77", &[("record", json!({"id": 77, "catalog_id": 4100, "name": "a"}))], What::Recreate, &["catalogs/4100"])]
fn what_was_deleted_by_itself_needs_its_card(
    #[case] of: &str,
    #[case] parts: &[(&str, Value)],
    #[case] what: What,
    #[case] parents: &[&str],
) {
    let draft = draft(&snapshot(of, parts, &[]), &around());
    assert_eq!((draft.steps.len(), draft.steps[0].what, &draft.steps[0].record), (1, what, &record(of)));
    let parents: Vec<RecordRef> = parents.iter().map(|parent| record(parent)).collect();
    assert_eq!(draft.parents, parents);
    assert!(!draft.fields.is_empty());
}

#[test]
fn a_segment_takes_its_members_back_and_set_up_does_not_come_back() {
    let parts = [("record", json!({"id": 5, "name": "Loyal", "color": "10599d"})), ("members", json!([1001, 1002]))];
    let segment = draft(&snapshot("segments/5", &parts, &[]), &around());
    let waves: Vec<u8> = segment.steps.iter().map(|step| step.wave).collect();
    assert_eq!(waves, [0, 4, 4]);
    assert_eq!(segment.steps[2].needs, [record("customers/1002"), record("segments/5")]);
    let set_up = draft(&snapshot("custom_fields/%2Fapi", &[("record", json!({"id": 640}))], &[]), &around());
    assert_eq!(set_up, Draft::default());
}
