//! Lost answers and bad batches: never two copies.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use rstest::rstest;
use serde_json::{Value, json};

use super::super::find_made;
use super::super::jobs::Item;
use super::super::same::{Found, assign, may_have_made};
use super::{Crm, made_by, step};
use crate::crm::Written;
use crate::domain::record::{Eyes, Part, RecordRef, SearchKeys, Snapshot};

fn contacts(count: u32) -> Vec<super::Step> {
    (0..count)
        .map(|n| step(n, "contacts", json!({"name": format!("Anna {n}"), "created_at": 1_690_000_000 + n})))
        .collect()
}

#[rstest]
#[case::cut("cut")]
#[case::gateway_time_out("status")]
#[case::a_web_page("html")]
#[tokio::test]
async fn an_answer_lost_after_the_effect_is_found_again(#[case] what: &str) {
    let crm = Crm::start(json!({"index_delay_ms": 200})).await;
    crm.fault("^/api/v4/contacts$", "after", what).await;
    let written = crm.write(&contacts(3), &BTreeMap::new()).await.unwrap();
    assert!(written.iter().all(|one| matches!(one, Written::Made(_))), "{written:?}");
    assert_eq!(crm.made("contacts").await, 3);
    let ids: BTreeSet<String> = written.iter().map(|one| format!("{one:?}")).collect();
    assert_eq!(ids.len(), 3);
    for (n, one) in written.iter().enumerate() {
        let Written::Made(now) = one else { unreachable!() };
        let row = crm.get(&format!("/api/v4/contacts/{}", now.id)).await;
        assert_eq!(row["name"], format!("Anna {n}"));
    }
}

#[rstest]
#[case::cut("cut")]
#[case::unavailable("status")]
#[tokio::test]
async fn an_answer_lost_before_the_effect_is_not_sent_again(#[case] what: &str) {
    let crm = Crm::start(json!({})).await;
    crm.fault("^/api/v4/contacts$", "before", what).await;
    let written = crm.write(&contacts(2), &BTreeMap::new()).await.unwrap();
    assert!(written.iter().all(|one| matches!(one, Written::Unclear(_))), "{written:?}");
    assert_eq!(crm.made("contacts").await, 0);
}

#[tokio::test]
async fn a_half_made_batch_says_which_half() {
    let crm = Crm::start(json!({})).await;
    crm.fault("^/api/v4/contacts$", "after", "partial").await;
    let written = crm.write(&contacts(4), &BTreeMap::new()).await.unwrap();
    let made = written.iter().filter(|one| matches!(one, Written::Made(_))).count();
    assert_eq!(made, crm.made("contacts").await);
    assert!(written.iter().all(|one| matches!(one, Written::Made(_) | Written::Unclear(_))), "{written:?}");
}

#[rstest]
#[case::nothing_is_made(true)]
#[case::the_others_are_made(false)]
#[tokio::test]
async fn one_bad_record_does_not_double_the_others(#[case] rejects: bool) {
    let crm = Crm::start(json!({"bad_item_rejects_batch": rejects, "index_delay_ms": 200})).await;
    let mut steps = contacts(5);
    let bad = steps[2].write.as_mut().unwrap();
    bad["body"]["responsible_user_id"] = json!(74);
    bad["body"]["custom_fields_values"] = json!([
        {"field_id": 305, "values": [{"value": "nick"}]}, {"field_id": 999, "values": [{"value": "gone"}]},
        {"field_id": 316, "values": [{"enum_id": 1}, {"value": "Travel"}]}]);
    let written = crm.write(&steps, &BTreeMap::new()).await.unwrap();
    assert_eq!(crm.made("contacts").await, 5);
    let Written::MadeLess(now, losses) = &written[2] else { panic!("{written:?}") };
    let mut reasons: Vec<_> = losses.iter().map(|loss| (loss.field.as_str(), loss.reason.as_str())).collect();
    reasons.sort_unstable();
    assert_eq!(
        reasons,
        [
            ("custom_fields_values.316", "enum_removed"),
            ("custom_fields_values.999", "field_removed"),
            ("responsible_user_id", "user_inactive")
        ]
    );
    let row = crm.get(&format!("/api/v4/contacts/{}", now.id)).await;
    assert_eq!(row["custom_fields_values"].as_array().map(Vec::len), Some(2));
    for index in [0, 1, 3, 4] {
        assert!(matches!(written[index], Written::Made(_)), "{written:?}");
    }
}

#[rstest]
#[case::honored("honored", 2)]
#[case::ignored("ignored", 2)]
#[tokio::test]
async fn notes_that_look_alike_are_found_again(#[case] times: &str, #[case] count: u32) {
    let crm = Crm::start(json!({"note_times": times})).await;
    let lead = crm.make("/api/v4/leads", json!({"name": "Deal"})).await;
    let note = |n: u32| {
        let body = json!({"note_type": "common", "params": {"text": "Asked"}, "created_at": 1_690_000_000 + n});
        made_by(
            n,
            &RecordRef::new("notes", 100 + n),
            json!({"act": "note", "on": format!("leads/{lead}"), "body": body}),
        )
    };
    crm.fault("^/api/v4/leads/notes$", "after", "cut").await;
    let steps: Vec<_> = (0..count).map(note).collect();
    let written = crm.write(&steps, &BTreeMap::new()).await.unwrap();
    assert!(written.iter().all(|one| matches!(one, Written::Made(_))), "{written:?}");
    assert_ne!(written[0], written[1]);
    assert_eq!(crm.made("notes").await, 2);
}

#[tokio::test]
async fn an_older_twin_is_not_taken_for_the_new_one() {
    let crm = Crm::start(json!({})).await;
    let body = json!({"name": "Anna 0", "created_at": 1_690_000_000});
    crm.make("/api/v4/contacts", body).await;
    crm.fault("^/api/v4/contacts$", "before", "cut").await;
    let written = crm.write(&contacts(1), &BTreeMap::new()).await.unwrap();
    assert!(matches!(written[0], Written::Unclear(_)), "{written:?}");
}

#[rstest]
#[case::busy(429)]
#[case::unpaid(402)]
#[tokio::test]
async fn what_was_surely_not_sent_is_an_error(#[case] status: u16) {
    let crm = Crm::start(json!({})).await;
    let fault: Value = json!({"method": "POST", "path": "^/api/v4/contacts$", "when": "before", "do": "status",
        "status": status, "times": 1});
    crm.post("/_mock/faults", fault).await;
    assert!(crm.write(&contacts(2), &BTreeMap::new()).await.is_err());
    assert_eq!(crm.made("contacts").await, 0);
}

#[tokio::test]
async fn what_the_crm_cannot_take_at_all_is_refused_alone() {
    let crm = Crm::start(json!({})).await;
    let lead = crm.make("/api/v4/leads", json!({"name": "Deal"})).await;
    let note = |n: u32, lead: u64| {
        let body = json!({"note_type": "common", "params": {"text": format!("Asked {n}")}});
        made_by(
            n,
            &RecordRef::new("notes", 100 + n),
            json!({"act": "note", "on": format!("leads/{lead}"), "body": body}),
        )
    };
    let written = crm.write(&[note(0, lead), note(1, 999_999), note(2, lead)], &BTreeMap::new()).await.unwrap();
    assert!(matches!(&written[1], Written::Refused { detail, .. } if detail.contains("entity_id")), "{written:?}");
    assert!(matches!((&written[0], &written[2]), (Written::Made(_), Written::Made(_))), "{written:?}");
    assert_eq!(crm.made("notes").await, 2);
}

#[tokio::test]
async fn links_may_be_repeated_and_speak_of_new_ids() {
    let crm = Crm::start(json!({})).await;
    let lead = crm.make("/api/v4/leads", json!({"name": "Deal"})).await;
    let contact = crm.make("/api/v4/contacts", json!({"name": "Anna"})).await;
    let (old, new) = (RecordRef::new("contacts", 1), RecordRef::new("contacts", contact));
    let link =
        json!({"act": "link", "from": format!("leads/{lead}"), "to": "contacts/1", "metadata": {"is_main": true}});
    crm.fault("^/api/v4/leads/link$", "after", "cut").await;
    let steps = [made_by(0, &RecordRef::new("links", format!("leads-{lead}-contacts-1")), link)];
    let written = crm.write(&steps, &BTreeMap::from([(old, new)])).await.unwrap();
    assert_eq!(written, [Written::Done]);
    let rows = crm.get(&format!("/api/v4/leads/{lead}/links")).await;
    assert_eq!(rows["_embedded"]["links"].as_array().unwrap().len(), 1, "{rows}");
    assert_eq!(rows["_embedded"]["links"][0]["metadata"]["main_contact"], true);
}

#[tokio::test]
async fn what_was_made_before_a_crash_is_found_and_nothing_else() {
    let crm = Crm::start(json!({})).await;
    crm.make("/api/v4/contacts", json!({"name": "Anna 2", "created_at": 1_690_000_002})).await;
    crm.post("/_mock/clock", json!({"advance_seconds": 3600})).await;
    let since = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let steps = contacts(3);
    let written = crm.write(&steps[..2], &BTreeMap::new()).await.unwrap();
    let steps: Vec<&super::Step> = steps.iter().collect();
    let found = find_made(crm.reach(), &steps, since, &|_| None).await.unwrap();
    for (found, written) in found.iter().zip(&written) {
        assert_eq!(found.clone().map(Written::Made).as_ref(), Some(written));
    }
    // The third was never sent, and the old one of its name is older than the batch.
    assert_eq!(found[2], None);
    // A robot has renamed the first.
    let Some(first) = &found[0] else { unreachable!() };
    let id: u64 = first.id.parse().unwrap();
    let edit = json!({"object": "contacts", "id": id, "fields": {"name": "Renamed"}});
    crm.post("/_mock/ui/edit", edit).await;
    assert!(find_made(crm.reach(), &steps, since, &|_| None).await.is_err());
}

#[rstest]
#[case::itself(json!([{"id": 9, "name": "Anna", "price": 5, "created_at": 3}]), Found::One(9))]
#[case::of_another_time(json!([{"id": 9, "name": "Anna", "price": 5, "created_at": 4}]), Found::None)]
#[case::changed_by_a_robot(json!([{"id": 9, "name": "Anna!", "price": 5, "created_at": 3}]), Found::Unclear)]
#[case::two(json!([{"id": 9, "name": "Anna", "price": 5, "created_at": 3}, {"id": 8, "name": "Anna", "price": 5, "created_at": 3}]), Found::Unclear)]
#[case::known_already(json!([{"id": 1, "name": "Anna", "price": 5, "created_at": 3}]), Found::None)]
#[case::nothing(json!([]), Found::None)]
fn a_row_is_the_item_that_was_sent(#[case] rows: Value, #[case] want: Found) {
    let item = Item {
        at: 0,
        number: 0,
        record: RecordRef::new("leads", 5001),
        body: json!({"name": "Anna", "price": 5, "created_at": 3, "request_id": "0"}),
        open_stage: None,
        then: None,
        losses: Vec::new(),
        repairs: 0,
    };
    let rows = rows.as_array().unwrap();
    assert_eq!(assign(&[item], rows, &HashSet::from([1])), [want]);
}

#[test]
fn a_deleted_record_may_be_the_copy_whatever_it_is_called_now_and_not_with_another_time() {
    let body = json!({"name": "Anna", "created_at": 1_690_000_000});
    let snapshot = |parts| Snapshot {
        connection: "acme".into(),
        of: RecordRef::new("contacts", 9),
        title: String::new(),
        keys: SearchKeys::default(),
        parts,
        associations: Vec::new(),
        manifest: Vec::new(),
        taken_at: jiff::Timestamp::UNIX_EPOCH,
        read_by: Eyes::Gateway,
    };
    let shown = |row: Value| {
        let body = row.to_string().into();
        snapshot(vec![Part { name: "record".into(), content_type: "application/json".into(), body }])
    };
    let renamed = shown(json!({"id": 9, "name": "Anna Orlova", "created_at": 1_690_000_000}));
    let older = shown(json!({"id": 9, "name": "Anna", "created_at": 1_680_000_000}));
    assert!(may_have_made(&step(0, "contacts", body.clone()), &renamed));
    assert!(!may_have_made(&step(0, "contacts", body), &older));
    // Where nothing tells, it may.
    let timeless = step(0, "contacts", json!({"name": "Anna"}));
    assert!(may_have_made(&timeless, &older) && may_have_made(&timeless, &snapshot(Vec::new())));
}
