//! Who is deleted: a contact with its company, deals, notes and tasks, made through the gateway.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::Exit;
use super::super::client::Trouble;
use super::stage::Stage;

/// The ids they were given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    pub(super) contact: u64,
    pub(super) company: u64,
    /// Open, won, lost.
    pub(super) deals: [u64; 3],
}

impl Family {
    /// What the script deletes, in this order.
    pub(super) fn doomed(&self) -> [(&'static str, u64); 3] {
        [("contacts", self.contact), ("companies", self.company), ("leads", self.deals[2])]
    }
}

pub(super) async fn create(stage: &Stage) -> Result<Family, Trouble> {
    let company = made(stage, "companies", json!([{"name": "ООО «Окна Перми»",
        "custom_fields_values": [{"field_code": "PHONE", "values": [{"value": "+7 342 200-00-01", "enum_code": "WORK"}]}],
        "_embedded": {"tags": [{"name": "partner"}]}}]))
    .await?[0];
    let contact = made(
        stage,
        "contacts",
        json!([{"name": "Anna Serova", "first_name": "Anna", "last_name": "Serova",
        "created_at": 1_780_000_000,
        "custom_fields_values": [
            {"field_code": "PHONE", "values": [{"value": "+7 999 000-00-01", "enum_code": "WORK"},
                                               {"value": "+7 999 000-00-02", "enum_code": "MOB"}]},
            {"field_code": "EMAIL", "values": [{"value": "anna.serova@acme.example", "enum_code": "WORK"}]}],
        "_embedded": {"tags": [{"name": "vip"}, {"name": "выставка"}]}}]),
    )
    .await?[0];
    let pipelines = stage.script(Method::GET, "/api/v4/leads/pipelines", None).await?;
    let pipeline = pipelines["_embedded"]["pipelines"][0]["id"].clone();
    let deal = |name: &str, price: u64, closed: Option<(u64, u64)>| {
        let mut deal = json!({"name": name, "price": price, "pipeline_id": pipeline, "created_at": 1_780_100_000,
            "_embedded": {"contacts": [{"id": contact, "is_main": true}], "companies": [{"id": company}]}});
        if let Some((status, at)) = closed {
            deal["status_id"] = json!(status);
            deal["closed_at"] = json!(at);
        }
        deal
    };
    let deals = made(
        stage,
        "leads",
        json!([
            deal("Windows for the school", 480_000, None),
            deal("Balcony", 95_000, Some((142, 1_780_400_000))),
            deal("Skylight", 61_000, Some((143, 1_780_500_000))),
        ]),
    )
    .await?;
    let notes = json!([
        {"entity_id": contact, "note_type": "common", "params": {"text": "Asked for a discount, wife decides"}},
        {"entity_id": contact, "note_type": "call_in", "params": {"uniq": "c-1", "duration": 184, "source": "PBX",
            "link": "https://pbx.example/c-1", "phone": "+79990000001"}},
        {"entity_id": contact, "note_type": "sms_out", "params": {"text": "Measuring on Tuesday", "phone": "+79990000001"}},
    ]);
    made(stage, "contacts/notes", notes).await?;
    let lost = json!([{"entity_id": deals[2], "note_type": "common", "params": {"text": "Took the cheaper offer"}}]);
    made(stage, "leads/notes", lost).await?;
    let tasks = json!([
        {"text": "Call back", "complete_till": 1_900_000_000, "entity_id": contact, "entity_type": "contacts"},
        {"text": "Send the contract", "complete_till": 1_780_200_000, "entity_id": contact, "entity_type": "contacts",
            "is_completed": true, "result": {"text": "signed"}},
    ]);
    made(stage, "tasks", tasks).await?;
    let member = json!([{"to_entity_id": company, "to_entity_type": "companies"}]);
    stage.script(Method::POST, &format!("/api/v4/contacts/{contact}/link"), Some(member)).await?;
    Ok(Family { contact, company, deals: [deals[0], deals[1], deals[2]] })
}

/// The ids of what one batch made, in its order.
async fn made(stage: &Stage, path: &str, batch: Value) -> Result<Vec<u64>, Trouble> {
    let wanted = batch.as_array().map_or(0, Vec::len);
    let answer = stage.script(Method::POST, &format!("/api/v4/{path}"), Some(batch)).await?;
    let key = path.rsplit('/').next().unwrap_or(path);
    let rows = answer["_embedded"][key].as_array().cloned().unwrap_or_default();
    let ids: Vec<u64> = rows.iter().filter_map(|row| row["id"].as_u64()).collect();
    if ids.len() == wanted {
        Ok(ids)
    } else {
        Err(Trouble::new(Exit::Failed, format!("the mock CRM made {} of {wanted} {key}", ids.len())))
    }
}
