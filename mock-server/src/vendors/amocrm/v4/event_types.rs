//! The types of events (§6.5). Two of their numbers are documented; the others are only good for telling them apart.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::vendors::amocrm::Cx;

const TYPES: &[&str] = &[
    "lead_added",
    "lead_deleted",
    "lead_restored",
    "lead_status_changed",
    "lead_linked",
    "lead_unlinked",
    "contact_added",
    "contact_deleted",
    "contact_restored",
    "contact_linked",
    "contact_unlinked",
    "company_added",
    "company_deleted",
    "company_restored",
    "company_linked",
    "company_unlinked",
    "customer_added",
    "customer_deleted",
    "customer_status_changed",
    "customer_linked",
    "customer_unlinked",
    "task_added",
    "task_deleted",
    "task_completed",
    "task_type_changed",
    "task_text_changed",
    "task_deadline_changed",
    "task_result_added",
    "common_note_added",
    "common_note_deleted",
    "attachment_note_added",
    "geo_note_added",
    "service_note_added",
    "incoming_call",
    "outgoing_call",
    "incoming_sms",
    "outgoing_sms",
    "incoming_chat_message",
    "outgoing_chat_message",
    "entity_direct_message",
    "entity_tag_added",
    "entity_tag_deleted",
    "entity_linked",
    "entity_unlinked",
    "sale_field_changed",
    "name_field_changed",
    "ltv_field_changed",
    "custom_field_value_changed",
    "entity_responsible_changed",
    "transaction_added",
    "entity_merged",
    "site_visit_note_added",
    "key_action_completed",
    "nps_rate_added",
    "robot_replied",
    "intent_identified",
    "link_followed",
];

pub fn list(cx: &Cx) -> Answer {
    let number = |index: usize, key: &str| match key {
        "lead_added" => 1,
        "lead_deleted" => 7,
        _ => 1000 + index,
    };
    let rows = TYPES.iter().enumerate();
    let rows: Vec<Value> = rows
        .map(|(index, key)| json!({"key": key, "type": number(index, key), "lang": key.replace('_', " ")}))
        .collect();
    cx.whole("events_types", &rows)
}
