//! What drafts are made against. A part the token may not read, or that the account does not have, is unknown (`null`);
//! only what keeps everything from being read is an error.

use serde_json::{Map, Value, json};

use crate::crm::amocrm::rows::{embedded, id_at};
use crate::crm::upstream::Ask;
use crate::crm::{CrmError, Reach};

/// Pages of one part before it is called unknown.
const PAGES: usize = 100;
const ROWS: usize = 250;

/// Parts with their path and their word in `_embedded`.
const PARTS: [(&str, &str, &str); 5] = [
    ("users", "/api/v4/users", "users"),
    ("loss_reasons", "/api/v4/leads/loss_reasons", "loss_reasons"),
    ("catalogs", "/api/v4/catalogs", "catalogs"),
    ("customer_statuses", "/api/v4/customers/statuses", "statuses"),
    ("segments", "/api/v4/customers/segments", "segments"),
];

/// Custom fields by how the draft calls their owner.
const FIELDS: [(&str, &str); 5] = [
    ("leads", "leads"),
    ("contacts", "contacts"),
    ("companies", "companies"),
    ("customers", "customers"),
    ("segments", "customers/segments"),
];

/// See [`Connector::surroundings`](crate::crm::Connector::surroundings).
pub async fn surroundings(reach: Reach<'_>) -> Result<Value, CrmError> {
    let mut around = Map::new();
    let account = one(reach, "/api/v4/account?with=task_types,drive_url,is_api_filter_enabled").await?;
    around.insert("account".to_owned(), account.as_ref().map_or(Value::Null, slim_account));
    for (name, path, word) in PARTS {
        let rows = all(reach, path, word).await?;
        around.insert(name.to_owned(), slim(rows, slim_row));
    }
    let pipelines = all(reach, "/api/v4/leads/pipelines", "pipelines").await?;
    around.insert("pipelines".to_owned(), slim(pipelines, slim_pipeline));

    let mut fields = Map::new();
    for (owner, path) in FIELDS {
        let rows = all(reach, &format!("/api/v4/{path}/custom_fields"), "custom_fields").await?;
        fields.insert(owner.to_owned(), slim(rows, slim_field));
    }
    let catalogs = around.get("catalogs").and_then(Value::as_array).cloned().unwrap_or_default();
    for id in catalogs.iter().filter_map(|catalog| id_at(catalog, "id")) {
        let rows = all(reach, &format!("/api/v4/catalogs/{id}/custom_fields"), "custom_fields").await?;
        fields.insert(format!("catalogs/{id}"), slim(rows, slim_field));
    }
    around.insert("fields".to_owned(), Value::Object(fields));
    Ok(Value::Object(around))
}

fn slim(rows: Option<Vec<Value>>, row: fn(&Value) -> Value) -> Value {
    rows.map_or(Value::Null, |rows| Value::Array(rows.iter().map(row).collect()))
}

fn pick(row: &Value, keys: &[&str]) -> Value {
    let picked = keys.iter().filter_map(|key| Some(((*key).to_owned(), row.get(*key)?.clone())));
    Value::Object(picked.collect())
}

/// No name of a user: it is not needed, and surroundings may be kept.
fn slim_row(row: &Value) -> Value {
    let rights = row.get("rights").and_then(|rights| rights.get("is_active"));
    match rights.or_else(|| row.get("is_active")) {
        Some(active) => json!({"id": row.get("id"), "is_active": active}),
        None => pick(row, &["id", "name", "sort", "type"]),
    }
}

fn slim_pipeline(row: &Value) -> Value {
    let stages: Vec<Value> =
        embedded(row, "statuses").iter().map(|stage| pick(stage, &["id", "name", "sort", "type"])).collect();
    let mut slim = pick(row, &["id", "name", "sort", "is_main"]);
    slim["statuses"] = Value::Array(stages);
    slim
}

fn slim_field(row: &Value) -> Value {
    let mut slim = pick(row, &["id", "code", "name", "type", "is_api_only", "is_computed"]);
    let list = |key: &str| row.get(key).and_then(Value::as_array).filter(|rows| !rows.is_empty());
    // Choices of a category stand in `nested` (§2.10).
    if let Some(choices) = list("enums").or_else(|| list("nested")) {
        slim["enums"] = choices.iter().map(|choice| pick(choice, &["id", "value", "code"])).collect();
    }
    slim
}

fn slim_account(row: &Value) -> Value {
    let types: Vec<Value> = embedded(row, "task_types").iter().map(|kind| pick(kind, &["id", "name"])).collect();
    let mut slim = pick(row, &["id", "drive_url", "is_api_filter_enabled"]);
    slim["_embedded"] = json!({"task_types": types});
    slim
}

/// `Ok(None)`: unknown.
async fn one(reach: Reach<'_>, target: &str) -> Result<Option<Value>, CrmError> {
    let answer = reach.upstream.ask(reach.access, reach.lane, Ask::get(target)).await?;
    match answer.status.as_u16() {
        204 => Ok(Some(Value::Null)),
        402 | 403 | 404 | 405 | 422 => Ok(None),
        200..=299 => serde_json::from_slice(&answer.body).map(Some).map_err(|_| CrmError::Transient {
            retry_after: None,
            detail: "it answered a read of its set-up with something that is not JSON".to_owned(),
        }),
        status => Err(CrmError::Permanent {
            status: Some(status),
            detail: format!("it answered {status} to a read of its set-up"),
        }),
    }
}

/// All rows of a list. A page that repeats the one before is the end: pipelines ignore paging (§2.0).
async fn all(reach: Reach<'_>, path: &str, word: &str) -> Result<Option<Vec<Value>>, CrmError> {
    let mut rows: Vec<Value> = Vec::new();
    let mut before: Vec<Value> = Vec::new();
    for page in 1..=PAGES {
        let Some(body) = one(reach, &format!("{path}?limit={ROWS}&page={page}")).await? else { return Ok(None) };
        let new = embedded(&body, word).to_vec();
        if new.is_empty() || ids(&new) == ids(&before) {
            return Ok(Some(rows));
        }
        rows.extend(new.iter().cloned());
        let next = body.get("_links").and_then(|links| links.get("next")).is_some();
        if !next {
            return Ok(Some(rows));
        }
        before = new;
    }
    Ok(None)
}

fn ids(rows: &[Value]) -> Vec<Option<u64>> {
    rows.iter().map(|row| id_at(row, "id")).collect()
}
