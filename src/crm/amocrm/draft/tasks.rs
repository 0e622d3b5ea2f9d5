//! Tasks and purchases (§2.4, §2.6).

use serde_json::{Map, Value, json};

use super::act::Act;
use super::around::by_id;
use super::drafting::Drafting;
use crate::crm::amocrm::rows::{embedded, id_at, result_text, text_at};
use crate::domain::plan::What;
use crate::domain::record::RecordRef;

/// Wave of what hangs on a card.
const WAVE: u8 = 4;

/// Steps for all tasks of a card.
pub fn tasks(d: &mut Drafting<'_>, on: &RecordRef, rows: &[Value]) {
    for row in rows {
        let Some(id) = id_at(row, "id") else { continue };
        let body = task(d, row, Some(&format!("tasks.{id}")));
        let act = Act::Task { on: Some(on.clone()), body };
        d.step(WAVE, What::Recreate, RecordRef::new("tasks", id), vec![on.clone()], &act);
    }
    if !rows.is_empty() {
        d.returns("tasks");
    }
}

/// The item of `POST /tasks`. `under` names it in the losses of its card; `None` when it was deleted by itself.
pub fn task(d: &mut Drafting<'_>, row: &Value, under: Option<&str>) -> Value {
    let mut body = Map::new();
    d.copy(row, &mut body, &["complete_till", "duration", "created_at", "is_completed"], under);
    d.copy_users(row, &mut body, &["responsible_user_id", "created_by"], under);
    // The text is required; a screen lets people leave it out.
    body.insert("text".to_owned(), text_at(row, "text").unwrap_or("-").into());
    if let Some(text) = result_text(row) {
        body.insert("result".to_owned(), json!({"text": text}));
    }
    if let Some(kind) = id_at(row, "task_type_id") {
        if d.around.task_types().filter(|types| !types.is_empty()).is_none_or(|types| by_id(types, kind).is_some()) {
            body.insert("task_type_id".to_owned(), kind.into());
        } else {
            let field = under.map_or_else(|| "task_type_id".to_owned(), |under| format!("{under}.task_type_id"));
            d.lose(field, "task_type_removed", "this type of task is not in the account any more");
        }
    }
    if under.is_none() {
        d.returns("text");
    }
    Value::Object(body)
}

/// Steps for all purchases of a customer.
pub fn purchases(d: &mut Drafting<'_>, customer: &RecordRef, rows: &[Value]) {
    for row in rows {
        let Some(id) = id_at(row, "id") else { continue };
        let body = purchase(d, row, Some(&format!("transactions.{id}")));
        let act = Act::Purchase { customer: customer.clone(), body };
        d.step(WAVE, What::Recreate, RecordRef::new("transactions", id), vec![customer.clone()], &act);
    }
    if !rows.is_empty() {
        d.returns("transactions");
    }
}

/// The item of `POST /customers/{id}/transactions`. What the customer is to buy next is the customer's own field.
pub fn purchase(d: &mut Drafting<'_>, row: &Value, under: Option<&str>) -> Value {
    let mut body = Map::new();
    d.copy(row, &mut body, &["price", "comment", "completed_at"], under);
    d.copy_users(row, &mut body, &["created_by"], under);
    let elements: Vec<Value> = embedded(row, "catalog_elements")
        .iter()
        .filter_map(|element| {
            let metadata = element.get("metadata")?;
            let (catalog, quantity) = (metadata.get("catalog_id")?, metadata.get("quantity"));
            Some(json!({"id": id_at(element, "id")?, "metadata": {"catalog_id": catalog, "quantity": quantity}}))
        })
        .collect();
    if !elements.is_empty() {
        body.insert("_embedded".to_owned(), json!({"catalog_elements": elements}));
    }
    Value::Object(body)
}
