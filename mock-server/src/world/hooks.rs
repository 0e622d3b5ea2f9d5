//! Webhook subscriptions, and what is queued for them (§6). Delivery is the vendor's business.

use serde_json::{Map, Value, json};

use super::World;
use super::kind::{Kind, Ref};

#[derive(Clone, Debug)]
pub struct Webhook {
    pub destination: String,
    pub settings: Vec<String>,
    pub sort: i64,
    pub disabled: bool,
    pub created_by: u64,
    pub created_at: i64,
    pub updated_at: i64,
}

/// One item for `root[action][0]` of a delivery, for those who subscribed to `setting`.
#[derive(Clone, Debug)]
pub struct Hook {
    pub setting: String,
    pub root: &'static str,
    pub action: &'static str,
    pub item: Value,
}

impl World {
    fn anyone_wants(&self, setting: &str) -> bool {
        self.webhooks.iter().any(|(_, hook)| !hook.disabled && hook.settings.iter().any(|wanted| wanted == setting))
    }

    fn queue(&mut self, setting: String, root: &'static str, action: &'static str, item: Value) {
        self.hooks.push(Hook { setting, root, action, item });
    }

    /// Tells subscribers of `{action}_{kind}`; `old` is the key and value of what was there before.
    pub(super) fn announce(&mut self, action: &'static str, of: Ref, old: Option<(&str, u64)>) {
        let setting = format!("{action}_{}", of.kind.single());
        if of.kind == Kind::CatalogElements || !self.anyone_wants(&setting) {
            return;
        }
        let mut item = match action {
            "delete" | "restore" => self.short_item(of),
            _ => self.full_item(of),
        };
        if let (Some((key, value)), Some(item)) = (old, item.as_object_mut()) {
            item.insert(key.to_owned(), json!(value));
        }
        let root = match of.kind {
            Kind::Leads => "leads",
            Kind::Customers => "customers",
            Kind::Companies if self.switches.is("company_hook_root", "companies") => "companies",
            _ => "contacts",
        };
        self.queue(setting, root, action, item);
    }

    /// What a delete or restore tells: hardly more than the id.
    fn short_item(&self, of: Ref) -> Value {
        let mut item = json!({"id": of.id});
        match of.kind {
            Kind::Leads => {
                if let Some(lead) = self.card(of).and_then(super::card::Card::lead) {
                    item["status_id"] = json!(lead.status);
                    item["pipeline_id"] = json!(lead.pipeline);
                }
            }
            Kind::Contacts | Kind::Companies => item["type"] = json!(of.kind.single()),
            Kind::Customers | Kind::CatalogElements => {}
        }
        item
    }

    fn full_item(&self, of: Ref) -> Value {
        let Some(card) = self.card(of) else { return json!({"id": of.id}) };
        let mut item = json!({
            "id": of.id,
            "name": card.name,
            "responsible_user_id": card.responsible,
            "last_modified": card.updated_at,
            "modified_user_id": card.updated_by,
            "created_user_id": card.created_by,
            "date_create": card.created_at,
            "account_id": super::ACCOUNT_ID,
            "created_at": card.created_at,
            "updated_at": card.updated_at,
        });
        if let Some(lead) = card.lead() {
            item["status_id"] = json!(lead.status);
            item["pipeline_id"] = json!(lead.pipeline);
            item["price"] = json!(lead.price);
        }
        if matches!(of.kind, Kind::Contacts | Kind::Companies) {
            item["type"] = json!(of.kind.single());
            let leads = self.living_links(of, Kind::Leads);
            let leads: Map<String, Value> = leads.iter().map(|(id, ..)| (id.to_string(), json!({"ID": id}))).collect();
            item["linked_leads_id"] = Value::Object(leads);
        }
        let fields = card.fields.iter().filter_map(|value| {
            let field = self.fields.fields.get(value.field)?;
            let items: Vec<Value> = serde_json::from_str(&value.values).unwrap_or_default();
            let shown: Vec<Value> = items
                .iter()
                .map(|item| json!({"value": item.get("value").unwrap_or(item), "enum": item.get("enum_id")}))
                .collect();
            Some(json!({"id": value.field, "name": field.name, "code": field.code, "values": shown}))
        });
        item["custom_fields"] = Value::Array(fields.collect());
        let tags = card.tags.iter().filter_map(|id| Some((id, self.tag_book(of.kind).get(*id)?)));
        item["tags"] = tags.map(|(id, tag)| json!({"id": id, "name": tag.name})).collect();
        item
    }

    pub(super) fn announce_note(&mut self, of: Ref, id: u64) {
        let setting = format!("note_{}", of.kind.single());
        let Some(note) = self.notes.get(id).filter(|_| self.anyone_wants(&setting)) else { return };
        let item = json!({"note": {
            "id": id,
            "note_type": note_number(&note.note_type),
            "text": &*note.params,
            "element_id": of.id,
            "element_type": of.kind.number(),
            "created_by": note.created_by,
            "responsible_user_id": note.responsible,
            "account_id": super::ACCOUNT_ID,
            "created_at": note.created_at,
            "updated_at": note.updated_at,
        }});
        let root = match of.kind {
            Kind::Leads => "leads",
            Kind::Customers => "customers",
            _ => "contacts",
        };
        self.queue(setting, root, "note", item);
    }

    pub(super) fn announce_task(&mut self, action: &'static str, id: u64) {
        let setting = format!("{action}_task");
        let Some(task) = self.tasks.get(id).filter(|_| self.anyone_wants(&setting)) else { return };
        let item = if action == "delete" {
            json!({"id": id})
        } else {
            json!({
                "id": id,
                "element_id": task.of.map(|of| of.id),
                "element_type": task.of.map(|of| of.kind.number()),
                "task_type": task.type_id,
                "text": &*task.text,
                "status": u8::from(task.completed),
                "account_id": super::ACCOUNT_ID,
                "created_user_id": task.created_by,
                "responsible_user_id": task.responsible,
                "date_create": task.created_at,
                "last_modified": task.updated_at,
                "complete_till": task.complete_till,
            })
        };
        self.queue(setting, "task", action, item);
    }
}

/// Note types of hooks and of the old API are numbers.
fn note_number(note_type: &str) -> u64 {
    match note_type {
        "call_in" => 10,
        "call_out" => 11,
        "attachment" => 5,
        "message_cashier" => 17,
        "service_message" | "extended_service_message" => 25,
        "geolocation" => 26,
        "sms_in" => 102,
        "sms_out" => 103,
        _ => 4,
    }
}
