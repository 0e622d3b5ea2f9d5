//! What the feed of events and the webhooks say about a changed card: what differs from before.

use serde_json::{Value, json};

use super::World;
use super::card::Card;
use super::kind::Ref;

impl World {
    /// Events and webhooks for what differs from before.
    pub(super) fn tell_changes(&mut self, of: Ref, before: &Card) {
        let Some(after) = self.card(of).cloned() else { return };
        if after.responsible != before.responsible {
            let user = |id: u64| json!([{"responsible_user": {"id": id}}]);
            self.event("entity_responsible_changed", of, user(before.responsible), user(after.responsible));
            self.announce("responsible", of, Some(("old_responsible_user_id", before.responsible)));
        }
        if after.name != before.name {
            let name = |name: &str| json!([{"name_field_value": {"name": name}}]);
            self.event("name_field_changed", of, name(&before.name), name(&after.name));
        }
        if let (Some(old), Some(new)) = (before.lead(), after.lead()) {
            if old.price != new.price {
                let sale = |sale: i64| json!([{"sale_field_value": {"sale": sale}}]);
                self.event("sale_field_changed", of, sale(old.price), sale(new.price));
            }
            if (old.status, old.pipeline) != (new.status, new.pipeline) {
                let stage = |id: u64, pipeline: u64| json!([{"lead_status": {"id": id, "pipeline_id": pipeline}}]);
                let (was, is) = (stage(old.status, old.pipeline), stage(new.status, new.pipeline));
                self.event("lead_status_changed", of, was, is);
                self.announce("status", of, Some(("old_status_id", old.status)));
            }
        }
        self.tell_tags(of, before, &after);
        self.tell_fields(of, before, &after);
        self.announce("update", of, None);
    }

    fn tell_tags(&mut self, of: Ref, before: &Card, after: &Card) {
        let tag_name = |world: &Self, id: u64| {
            let name = world.tag_book(of.kind).get(id).map(|tag| tag.name.clone());
            json!([{"tag": {"name": name}}])
        };
        for id in after.tags.iter().filter(|id| !before.tags.contains(id)) {
            let value = tag_name(self, *id);
            self.event("entity_tag_added", of, json!([]), value);
        }
        for id in before.tags.iter().filter(|id| !after.tags.contains(id)) {
            let value = tag_name(self, *id);
            self.event("entity_tag_deleted", of, value, json!([]));
        }
    }

    fn tell_fields(&mut self, of: Ref, before: &Card, after: &Card) {
        let mut ids: Vec<u64> = before.fields.iter().chain(&after.fields).map(|value| value.field).collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            let find = |card: &Card| card.fields.iter().find(|value| value.field == id).map(|v| v.values.clone());
            let (old, new) = (find(before), find(after));
            if old != new {
                let shown = |text: Option<Box<str>>| changed_values(id, text.as_deref());
                self.event("custom_field_value_changed", of, shown(old), shown(new));
            }
        }
    }
}

fn changed_values(field: u64, text: Option<&str>) -> Value {
    let items: Vec<Value> = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let shown = items.iter().map(|item| {
        let text = match &item["value"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        json!({"custom_field_value": {"field_id": field, "field_type": 1, "enum_id": item.get("enum_id"), "text": text}})
    });
    Value::Array(shown.collect())
}
