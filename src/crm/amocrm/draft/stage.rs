//! Where a deal or a customer stands: pipeline, stage, the reason of a loss.

use serde_json::{Map, Value};

use super::around::{by_id, by_name, first_open, is_unsorted, stages};
use super::drafting::Drafting;
use crate::crm::amocrm::rows::{LOST, WON, embedded, id_at, text_at};

/// Puts a deal where it stood, or as near as there still is a place. The answer is an open stage of its pipeline.
pub fn deal(d: &mut Drafting<'_>, record: &Value, body: &mut Map<String, Value>) -> Option<u64> {
    let (pipeline, status) = (id_at(record, "pipeline_id"), id_at(record, "status_id"));
    let (pipeline, status, open) = place(d, pipeline, status);
    if let Some(pipeline) = pipeline {
        body.insert("pipeline_id".to_owned(), pipeline.into());
        d.returns("pipeline_id");
    }
    if let Some(status) = status {
        body.insert("status_id".to_owned(), status.into());
        d.returns("status_id");
    }
    let closed = matches!(status, Some(WON | LOST));
    if closed {
        d.copy(record, body, &["closed_at"], None);
    }
    reason(d, record, status, body);
    if closed { open } else { None }
}

type Place = (Option<u64>, Option<u64>, Option<u64>);

fn place(d: &mut Drafting<'_>, pipeline: Option<u64>, status: Option<u64>) -> Place {
    let Some(pipelines) = d.around.pipelines().filter(|rows| !rows.is_empty()) else { return (pipeline, status, None) };
    let found = pipeline.and_then(|id| by_id(pipelines, id));
    let main = || pipelines.iter().find(|row| row.get("is_main") == Some(&Value::Bool(true))).or(pipelines.first());
    let Some(now) = found.or_else(main) else { return (pipeline, status, None) };
    let (now_id, open) = (id_at(now, "id"), first_open(now));
    if found.is_none() && pipeline.is_some() {
        d.lose("pipeline_id", "pipeline_removed", "its pipeline is gone; it comes back in the main one");
    }
    let Some(status) = status else { return (now_id, open, open) };
    // 142 and 143 are in every pipeline (§2.1).
    if matches!(status, WON | LOST) {
        return (now_id, Some(status), open);
    }
    match by_id(stages(now), status) {
        Some(stage) if is_unsorted(stage) => {
            // §10.19: in Unsorted the CRM may merge it with another record by itself.
            d.lose("status_id", "unsorted", "it was an incoming lead; it comes back in the first open stage");
            (now_id, open, open)
        }
        Some(_) => (now_id, Some(status), open),
        None => {
            d.lose("status_id", "status_removed", "its stage is gone; it comes back in the first open stage");
            (now_id, open, open)
        }
    }
}

/// The reason of a loss is kept only with the stage of lost deals (§2.1).
fn reason(d: &mut Drafting<'_>, record: &Value, status: Option<u64>, body: &mut Map<String, Value>) {
    let Some(old) = id_at(record, "loss_reason_id") else { return };
    if status != Some(LOST) {
        return d.lose("loss_reason_id", "read_only", "a reason of loss is kept only for a lost deal");
    }
    let name = embedded(record, "loss_reason").first().and_then(|reason| text_at(reason, "name"));
    let now = match d.around.loss_reasons() {
        None => Some(old),
        Some(known) => by_id(known, old)
            .or_else(|| name.and_then(|name| by_name(known, name)))
            .and_then(|reason| id_at(reason, "id")),
    };
    match now {
        Some(id) => {
            body.insert("loss_reason_id".to_owned(), id.into());
            d.returns("loss_reason_id");
        }
        None => d.lose("loss_reason_id", "loss_reason_removed", "this reason of loss is not in the account any more"),
    }
}

/// The stage of a customer.
pub fn customer(d: &mut Drafting<'_>, record: &Value, body: &mut Map<String, Value>) {
    let Some(old) = id_at(record, "status_id") else { return };
    let known = d.around.customer_statuses().filter(|rows| !rows.is_empty());
    let status = match known {
        Some(rows) if by_id(rows, old).is_none() => {
            d.lose("status_id", "status_removed", "its stage is gone; it comes back in the first one");
            let first = rows.iter().min_by_key(|row| row.get("sort").and_then(Value::as_i64).unwrap_or(i64::MAX));
            first.and_then(|row| id_at(row, "id"))
        }
        _ => Some(old),
    };
    if let Some(status) = status {
        body.insert("status_id".to_owned(), status.into());
        d.returns("status_id");
    }
}
