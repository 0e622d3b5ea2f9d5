//! Deleted, written back, read back, compared.

use rstest::rstest;
use serde_json::{Value, json};

use super::{Crm, Restored};
use crate::crm::amocrm::rows::embedded;
use crate::domain::record::{RecordRef, Snapshot};

/// A company, a contact and a lost deal, linked, with notes and tasks and fields of many kinds.
async fn family(crm: &Crm) -> Vec<RecordRef> {
    let company = crm
        .make(
            "/api/v4/companies",
            json!({"name": "Acme", "created_at": 1_690_000_001, "created_by": 72, "responsible_user_id": 73,
                "custom_fields_values": [
                    {"field_id": 403, "values": [{"value": "https://acme.example"}]},
                    {"field_id": 414, "values": [{"value": "Сайт"}, {"value": "Звонок"}]}]}),
        )
        .await;
    let contact = crm
        .make(
            "/api/v4/contacts",
            json!({"name": "Анна Серова", "first_name": "Анна", "last_name": "Серова", "created_at": 1_690_000_002,
                "created_by": 72, "responsible_user_id": 72, "_embedded": {"tags": [{"name": "vip"}, {"name": "тест"}]},
                "custom_fields_values": [
                    {"field_code": "PHONE", "values": [{"value": "+79990000001", "enum_code": "MOB"},
                        {"value": "+79990000002", "enum_code": "WORK"}]},
                    {"field_id": 307, "values": [{"value": "41.5"}]},
                    {"field_id": 309, "values": [{"value": true}]},
                    {"field_id": 311, "values": [{"value": 1_600_000_000}]},
                    {"field_id": 314, "values": [{"value": "English"}]},
                    {"field_id": 318, "values": [{"value": "Пермь", "enum_code": "city"},
                        {"value": "RU", "enum_code": "country"}]},
                    {"field_id": 319, "values": [{"value": {"name": "Acme LLC", "entity_type": 2, "vat_id": "59"}}]}]}),
        )
        .await;
    let lead = crm
        .make(
            "/api/v4/leads",
            json!({"name": "Window order", "price": 48000, "pipeline_id": 901, "status_id": 143, "loss_reason_id": 32,
                "created_at": 1_690_000_003, "closed_at": 1_690_009_000, "created_by": 73, "responsible_user_id": 72,
                "_embedded": {"tags": [{"name": "vip"}], "contacts": [{"id": contact, "is_main": true}],
                    "companies": [{"id": company}]},
                "custom_fields_values": [{"field_code": "UTM_SOURCE", "values": [{"value": "google"}]}]}),
        )
        .await;
    let link = json!([{"entity_id": contact, "to_entity_id": company, "to_entity_type": "companies"}]);
    crm.post("/api/v4/contacts/link", link).await;
    let second = crm.make("/api/v4/contacts", json!({"name": "Борис", "created_at": 1_690_000_004})).await;
    let link = json!([{"entity_id": lead, "to_entity_id": second, "to_entity_type": "contacts"}]);
    crm.post("/api/v4/leads/link", link).await;
    let notes = json!([
        {"entity_id": lead, "note_type": "common", "params": {"text": "Asked"}, "created_at": 1_690_000_100, "created_by": 72},
        {"entity_id": lead, "note_type": "common", "params": {"text": "Asked"}, "created_at": 1_690_000_200},
        {"entity_id": lead, "note_type": "call_in", "created_at": 1_690_000_300,
            "params": {"uniq": "u1", "duration": 30, "source": "pbx", "phone": "+79990000001", "link": "https://a.example/1"}},
        {"entity_id": lead, "note_type": "geolocation",
            "params": {"text": "here", "address": "Perm", "longitude": "56.2", "latitude": "58.0"}}]);
    crm.post("/api/v4/leads/notes", notes).await;
    let tasks = json!([
        {"entity_id": lead, "entity_type": "leads", "text": "Call back", "complete_till": 1_690_100_000,
            "created_at": 1_690_000_400, "is_completed": true, "result": {"text": "done"}, "task_type_id": 2},
        {"entity_id": contact, "entity_type": "contacts", "text": "Write", "complete_till": 1_890_100_000}]);
    crm.post("/api/v4/tasks", tasks).await;
    let records = [("companies", company), ("contacts", contact), ("leads", lead), ("contacts", second)];
    records.map(|(object, id)| RecordRef::new(object, id)).to_vec()
}

/// The CRM behaves as `switches` say when it is written to.
async fn deleted_and_back(crm: &Crm, switches: Value) -> (Vec<Snapshot>, Restored) {
    let family = family(crm).await;
    let mut snapshots = Vec::new();
    for record in &family {
        snapshots.push(crm.read(record).await);
    }
    for record in family.iter().rev() {
        crm.remove(record).await;
    }
    crm.post("/_mock/switches", switches).await;
    let restored = crm.restore(&snapshots).await;
    (snapshots, restored)
}

#[rstest]
#[case::as_it_is(json!({}))]
#[case::lost_not_at_once(json!({"create_lost_directly": "refused"}))]
#[case::lists_lag(json!({"index_delay_ms": 200}))]
#[case::one_company(json!({"second_company": "refuse"}))]
#[case::others_are_made(json!({"bad_item_rejects_batch": false, "create_lost_directly": "refused"}))]
#[tokio::test]
async fn a_family_comes_back_as_it_was(#[case] switches: Value) {
    let crm = Crm::start(json!({})).await;
    let (snapshots, restored) = deleted_and_back(&crm, switches).await;
    assert_eq!(restored.failed, []);
    assert_eq!(restored.losses, []);
    tokio::time::sleep(super::DELAY).await;
    for snapshot in &snapshots {
        assert_eq!(crm.differences(snapshot, &restored).await, [], "{}", snapshot.of);
    }
    for (object, times) in [("companies", 2), ("contacts", 4), ("leads", 2)] {
        assert_eq!(crm.made(object).await, times, "{object}");
    }
    assert_eq!(crm.made("notes").await, 8);
    assert_eq!(crm.made("tasks").await, 4);
}

/// A customer with purchases, in a segment, linked to a row of a list whose fields name other records.
#[rstest]
#[case::as_it_is(json!({}))]
#[case::lists_lag(json!({"index_delay_ms": 200}))]
#[tokio::test]
async fn a_customer_comes_back_as_it_was(#[case] switches: Value) {
    let crm = Crm::start(json!({})).await;
    let contact = crm.make("/api/v4/contacts", json!({"name": "Анна", "created_at": 1_690_000_001})).await;
    let element = crm
        .make(
            "/api/v4/catalogs/4100/elements",
            json!({"name": "Hinge", "created_at": 1_690_000_002, "created_by": 72, "custom_fields_values": [
                {"field_code": "SKU", "values": [{"value": "H-1"}]}, {"field_code": "PRICE", "values": [{"value": "9.50"}]},
                {"field_code": "GROUP", "values": [{"value": "Glass"}]},
                {"field_id": 707, "values": [{"value": {"name": "Анна", "entity_id": contact, "entity_type": "contacts"}}]}]}),
        )
        .await;
    let segment = crm.make("/api/v4/customers/segments", json!({"name": "Loyal", "color": "ad4747"})).await;
    let customer = crm
        .make(
            "/api/v4/customers",
            json!({"name": "Regular", "next_price": 500, "next_date": 1_890_000_000, "created_at": 1_690_000_003,
                "created_by": 73, "_embedded": {"segments": [{"id": segment}], "tags": [{"name": "опт"}]},
                "custom_fields_values": [{"field_id": 513, "values": [{"catalog_id": 4100, "catalog_element_id": element}]}]}),
        )
        .await;
    let links = json!([
        {"entity_id": customer, "to_entity_id": contact, "to_entity_type": "contacts", "metadata": {"is_main": true}},
        {"entity_id": customer, "to_entity_id": element, "to_entity_type": "catalog_elements",
            "metadata": {"quantity": 3, "catalog_id": 4100}}]);
    crm.post("/api/v4/customers/link", links).await;
    let bought = |price: u64| {
        json!({"price": price, "comment": "paid", "completed_at": 1_690_000_500,
            "_embedded": {"catalog_elements": [{"id": element, "metadata": {"catalog_id": 4100, "quantity": 2}}]}})
    };
    crm.post(&format!("/api/v4/customers/{customer}/transactions"), json!([bought(100), bought(200)])).await;

    let records =
        [("contacts", contact), ("catalog_elements", element), ("segments", segment), ("customers", customer)];
    let records = records.map(|(object, id)| RecordRef::new(object, id));
    let mut snapshots = Vec::new();
    for record in &records {
        snapshots.push(crm.read(record).await);
    }
    crm.ask(http::Method::DELETE, &format!("/api/v4/customers/segments/{segment}"), None).await;
    for record in [&records[3], &records[1], &records[0]] {
        crm.remove(record).await;
    }
    crm.post("/_mock/switches", switches).await;
    let restored = crm.restore(&snapshots).await;
    assert_eq!(restored.failed, []);
    let losses: Vec<String> = restored.losses.iter().map(|loss| format!("{} {}", loss.record, loss.field)).collect();
    assert_eq!(losses, [format!("{} created_at", records[2])]);
    tokio::time::sleep(super::DELAY).await;
    for snapshot in &snapshots {
        assert_eq!(crm.differences(snapshot, &restored).await, [], "{}", snapshot.of);
    }
    assert_eq!(crm.made("transactions").await, 4);
}

#[tokio::test]
async fn times_of_notes_that_the_crm_ignores_are_reported() {
    let crm = Crm::start(json!({})).await;
    let family = family(&crm).await;
    let snapshot = crm.read(&family[2]).await;
    crm.remove(&family[2]).await;
    crm.post("/_mock/switches", json!({"note_times": "ignored"})).await;
    let restored = crm.restore(std::slice::from_ref(&snapshot)).await;
    assert_eq!(restored.failed, []);
    let differences = crm.differences(&snapshot, &restored).await;
    assert!(!differences.is_empty());
    assert!(
        differences.iter().all(|one| one.field.starts_with("notes.") && one.field.ends_with("created_at")),
        "{differences:?}"
    );
}

#[tokio::test]
async fn a_company_is_not_put_in_the_place_of_another() {
    let crm = Crm::start(json!({})).await;
    let family = family(&crm).await;
    let company = crm.read(&family[0]).await;
    crm.remove(&family[0]).await;
    let other = crm.make("/api/v4/companies", json!({"name": "Other"})).await;
    let lead: u64 = family[2].id.parse().unwrap();
    let link = json!([{"entity_id": lead, "to_entity_id": other, "to_entity_type": "companies"}]);
    crm.post("/api/v4/leads/link", link).await;

    let restored = crm.restore(&[company]).await;
    assert_eq!(restored.failed.len(), 1, "{:?}", restored.failed);
    assert!(format!("{:?}", restored.failed[0]).contains("other_company"), "{:?}", restored.failed);
    let row = crm.get(&format!("/api/v4/leads/{lead}")).await;
    assert_eq!(embedded(&row, "companies")[0]["id"], other);
}

#[tokio::test]
async fn surroundings_name_what_there_is_and_not_who() {
    let crm = Crm::start(json!({})).await;
    let around = super::super::surroundings(crm.reach()).await.unwrap();
    assert_eq!(around["users"].as_array().unwrap().len(), 4);
    assert!(around["users"].as_array().unwrap().contains(&json!({"id": 74, "is_active": false})));
    assert!(!around.to_string().contains("Gleb"));
    assert_eq!(around["pipelines"].as_array().unwrap().len(), 3);
    assert!(around["fields"]["leads"].as_array().unwrap().iter().any(|field| field["is_computed"] == true));
    assert!(around["fields"]["contacts"][0]["enums"].as_array().unwrap().len() == 6);
    assert_eq!(around["account"]["_embedded"]["task_types"].as_array().map(Vec::is_empty), Some(false));
}

#[tokio::test]
async fn files_come_back_where_they_hung() {
    let crm = Crm::start(json!({})).await;
    let mut files = Vec::new();
    for name in ["plan.pdf", "photo.png"] {
        let session = json!({"file_name": name, "file_size": 3, "content_type": "application/pdf"});
        let session = crm.post("/v1.0/sessions", session).await["session_id"].as_str().unwrap().to_owned();
        let file = crm.post(&format!("/v1.0/sessions/{session}/parts/1"), json!(123)).await;
        files.push(
            json!({"file_uuid": file["uuid"], "version_uuid": file["version_uuid"], "file_name": name, "file_size": 3}),
        );
    }
    let field = json!([{"field_id": 658, "values": [{"value": files[0]}]}]);
    let lead = json!({"name": "Deal", "created_at": 1_690_000_001, "custom_fields_values": field});
    let lead = crm.make("/api/v4/leads", lead).await;
    let target = format!("/api/v4/leads/{lead}/files");
    let uuids: Vec<Value> = files.iter().map(|file| json!({"file_uuid": file["file_uuid"]})).collect();
    crm.ask(http::Method::PUT, &target, Some(json!(uuids))).await;
    let note = json!([{"entity_id": lead, "note_type": "attachment", "created_at": 1_690_000_002,
        "params": {"file_uuid": files[1]["file_uuid"], "file_name": "photo.png"}}]);
    crm.post("/api/v4/leads/notes", note).await;

    let record = RecordRef::new("leads", lead);
    let snapshot = crm.read(&record).await;
    assert_eq!(crate::crm::amocrm::rows::rows(&snapshot, "files").len(), 2);
    crm.remove(&record).await;
    let restored = crm.restore(std::slice::from_ref(&snapshot)).await;
    assert_eq!(restored.failed, []);
    assert_eq!(restored.losses, []);
    assert_eq!(crm.differences(&snapshot, &restored).await, []);
}

#[tokio::test]
async fn what_may_not_be_read_is_unknown() {
    let crm = Crm::start(json!({})).await;
    for (path, status) in [("users", 403), ("catalogs", 404), ("customers/segments", 402), ("leads/loss_reasons", 422)]
    {
        let fault = json!({"method": "GET", "path": format!("^/api/v4/{path}$"), "when": "before", "do": "status",
            "status": status});
        crm.post("/_mock/faults", fault).await;
    }
    let around = super::super::surroundings(crm.reach()).await.unwrap();
    for part in ["users", "catalogs", "segments", "loss_reasons"] {
        assert_eq!(around[part], Value::Null, "{part}");
    }
    assert!(around["pipelines"].is_array() && around["fields"]["leads"].is_array());
}

#[tokio::test]
async fn a_whole_account_comes_back_as_it_was() {
    let crm = Crm::peopled(25, json!({})).await;
    let mut records = Vec::new();
    for object in ["companies", "contacts", "leads", "customers"] {
        let list = crm.get(&format!("/api/v4/{object}?limit=250")).await;
        records.extend(embedded(&list, object).iter().map(|row| RecordRef::new(object, row["id"].as_u64().unwrap())));
    }
    assert!(records.len() > 40, "{}", records.len());
    let mut snapshots = Vec::new();
    for record in &records {
        snapshots.push(crm.read(record).await);
    }
    for record in &records {
        crm.remove(record).await;
    }
    let restored = crm.restore(&snapshots).await;
    assert_eq!(restored.failed, []);
    let mut differences = Vec::new();
    for snapshot in &snapshots {
        differences.extend(crm.differences(snapshot, &restored).await);
    }
    let mut reasons: Vec<&str> = restored.losses.iter().map(|loss| loss.reason.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    assert_eq!(reasons, ["note_type_not_writable", "user_inactive"]);
    assert_eq!(differences, []);
}
