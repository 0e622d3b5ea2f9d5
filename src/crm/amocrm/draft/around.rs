//! What there is in the account now, as `surroundings` read it. A part that could not be read is unknown, and nothing
//! is given up because of what is unknown: the CRM's own answer decides then.

use serde_json::Value;

use crate::crm::amocrm::rows::{LOST, WON, id_at, text_at};

/// The surroundings, to be asked.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a>(pub &'a Value);

impl<'a> Around<'a> {
    fn list(self, name: &str) -> Option<&'a Vec<Value>> {
        self.0.get(name).and_then(Value::as_array)
    }

    /// Whether a user may stand in a write. 0 is the CRM's own robot.
    pub fn may_be_named(self, user: u64) -> bool {
        user == 0
            || self.list("users").is_none_or(|users| {
                users
                    .iter()
                    .any(|row| id_at(row, "id") == Some(user) && row.get("is_active") != Some(&Value::Bool(false)))
            })
    }

    /// The pipelines, if known.
    pub fn pipelines(self) -> Option<&'a Vec<Value>> {
        self.list("pipelines")
    }

    /// Reasons for a loss, if known.
    pub fn loss_reasons(self) -> Option<&'a Vec<Value>> {
        self.list("loss_reasons")
    }

    /// Stages of customers, if known.
    pub fn customer_statuses(self) -> Option<&'a Vec<Value>> {
        self.list("customer_statuses")
    }

    /// Types of tasks, if known.
    pub fn task_types(self) -> Option<&'a Vec<Value>> {
        self.0.get("account")?.get("_embedded")?.get("task_types")?.as_array()
    }

    /// The custom fields of a kind of record (`leads`, `segments`, `catalogs/4100`), if known.
    pub fn fields(self, owner: &str) -> Option<&'a Vec<Value>> {
        self.0.get("fields")?.get(owner)?.as_array()
    }
}

/// The row with this id.
pub fn by_id(rows: &[Value], id: u64) -> Option<&Value> {
    rows.iter().find(|row| id_at(row, "id") == Some(id))
}

/// The row with this name.
pub fn by_name<'a>(rows: &'a [Value], name: &str) -> Option<&'a Value> {
    rows.iter().find(|row| text_at(row, "name") == Some(name))
}

/// Stages of a pipeline.
pub fn stages(pipeline: &Value) -> &[Value] {
    pipeline.get("statuses").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The first stage of a pipeline where deals are worked on: not Unsorted, not closed.
pub fn first_open(pipeline: &Value) -> Option<u64> {
    let open = |stage: &&Value| !is_unsorted(stage) && !matches!(id_at(stage, "id"), Some(WON | LOST) | None);
    let sort = |stage: &&Value| stage.get("sort").and_then(Value::as_i64).unwrap_or(i64::MAX);
    stages(pipeline).iter().filter(open).min_by_key(sort).and_then(|stage| id_at(stage, "id"))
}

/// Whether a stage is the one of incoming leads (§2.11).
pub fn is_unsorted(stage: &Value) -> bool {
    stage.get("type").and_then(Value::as_u64) == Some(1)
}
