//! What an answer alone says. amoCRM says "refused" with status 200 on its private routes, and the same words for
//! lacking rights and for what is gone (§3.6); the fate of each record is read back afterwards.

use std::collections::HashMap;

use http::StatusCode;
use serde_json::Value;

use super::signatures::{self, Reads};
use crate::domain::delete::{DeleteIntent, Selection, Verdict};
use crate::domain::record::RecordRef;

/// The fixed beginning of amoCRM's "not enough rights to delete"; the rest differs by kind and language (§3.6).
pub const NO_RIGHTS: &str = "Недостаточно прав для удаления";

/// See [`Dialect::settle`](crate::crm::Dialect::settle).
pub fn settle(intent: &DeleteIntent, status: StatusCode, body: &[u8]) -> Verdict {
    let text = body.trim_ascii();
    let json = serde_json::from_slice::<Value>(text).ok().filter(|json| json.is_object() || json.is_array());
    let unclear = || Verdict::Unclear(format!("the CRM answered {status} in a form that says nothing"));
    match status.as_u16() {
        429 => Verdict::Denied("the CRM's limit".to_owned()),
        401..=405 | 409 | 422 if text.is_empty() || json.is_some() => denied(status, json.as_ref()),
        400 => match json {
            // Whether one bad card fails a whole batch is not known.
            Some(_) if is_batch(intent) => unclear(),
            Some(json) => denied(status, Some(&json)),
            None => unclear(),
        },
        200..=299 => match (json, text.is_empty()) {
            (Some(json), _) => success(intent, &json).unwrap_or_else(unclear),
            (None, true) if speaks_by_status(intent) => Verdict::Claimed,
            _ => unclear(),
        },
        _ => unclear(),
    }
}

fn denied(status: StatusCode, json: Option<&Value>) -> Verdict {
    let said = json.and_then(code_of).map(|code| format!(" with code {code}")).unwrap_or_default();
    let hint = match status.as_u16() {
        401 => ": the token is not accepted",
        402 => ": the account is not paid",
        403 => ": not enough rights",
        404 => ": it is not there",
        405 => ": this route does not delete",
        _ => "",
    };
    Verdict::Denied(format!("the CRM answered {}{said}{hint}", status.as_u16()))
}

/// A short machine word of an error; never its free text, which may hold names.
fn code_of(json: &Value) -> Option<&str> {
    let validation = json.pointer("/validation-errors/0/errors/0/code");
    let code =
        validation.or_else(|| json.pointer("/errors/0/errors/code")).or_else(|| json.pointer("/response/error_code"));
    let word = |code: &&str| code.len() <= 40 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    code.and_then(Value::as_str).filter(word)
}

fn is_batch(intent: &DeleteIntent) -> bool {
    match &intent.selection {
        Selection::Ids(ids) => ids.len() > 1,
        Selection::Query { .. } => true,
    }
}

/// v4 answers deletes with a status and no body.
fn speaks_by_status(intent: &DeleteIntent) -> bool {
    use Reads::{Cards, Listed, Nameless, PathId, SetUp, SetUpAbove, Unlink};
    let reads = signatures::reads(intent.route);
    matches!(reads, Some(Cards | Unlink | PathId(_) | SetUp(_) | SetUpAbove(_) | Listed(..) | Nameless(_)))
}

/// A 2xx with JSON. `None`: it does not say.
fn success(intent: &DeleteIntent, json: &Value) -> Option<Verdict> {
    if speaks_by_status(intent) {
        return Some(Verdict::Claimed);
    }
    if let Some(error) = json.pointer("/response/error").filter(|error| !error.is_null()) {
        let code = code_of(json).map(|code| format!(", code {code}")).unwrap_or_default();
        return Some(Verdict::Denied(format!("the CRM refused it{code}{}", rights(error.as_str()))));
    }
    match signatures::reads(intent.route)? {
        Reads::Multiple | Reads::Deals | Reads::Detail | Reads::Edit2 => by_word(json),
        Reads::Set(key, _) => {
            let delete = json.pointer(&format!("/response/{key}/delete"))?;
            by_errors(intent, delete.get("errors")?)
        }
        Reads::V2(_) => {
            let embedded = json.get("_embedded")?;
            match embedded.pointer("/errors/delete").or_else(|| embedded.get("errors")) {
                Some(errors) => by_errors(intent, errors),
                None => embedded.get("items").map(|_| Verdict::Claimed),
            }
        }
        Reads::PipelineForm => {
            let done = json.get("response")?.as_object()?.iter().any(|(_, value)| value == &Value::Bool(true));
            done.then_some(Verdict::Claimed)
        }
        // The CRM does a bulk job later, and what it answers at once is not known; only a refusal is one.
        Reads::Multiactions => by_word(json).filter(|verdict| matches!(verdict, Verdict::Denied(_))),
        _ => None,
    }
}

fn by_word(json: &Value) -> Option<Verdict> {
    match json.get("status").and_then(Value::as_str)? {
        "success" | "ok" => Some(Verdict::Claimed),
        "no note" => Some(Verdict::Denied("the CRM has no such note".to_owned())),
        "fail" => {
            let said = json.pointer("/errors/0").or_else(|| json.get("message")).and_then(Value::as_str);
            Some(Verdict::Denied(format!("the CRM refused it{}", rights(said))))
        }
        _ => None,
    }
}

fn rights(said: Option<&str>) -> &'static str {
    if said.is_some_and(|said| said.starts_with(NO_RIGHTS)) {
        ": not enough rights, or gone already (it says the same for both)"
    } else {
        ""
    }
}

/// `errors[]` of one answer: 200 with some of them is a partial success.
fn by_errors(intent: &DeleteIntent, errors: &Value) -> Option<Verdict> {
    let rows: Vec<(Option<&str>, &Value)> = match errors {
        Value::Array(rows) => rows.iter().map(|row| (None, row)).collect(),
        Value::Object(rows) => rows.iter().map(|(key, row)| (Some(key.as_str()), row)).collect(),
        Value::Null => Vec::new(),
        _ => return None,
    };
    if rows.is_empty() {
        return Some(Verdict::Claimed);
    }
    let Selection::Ids(records) = &intent.selection else { return None };
    let by_id: HashMap<String, &RecordRef> = records.iter().map(|record| (shown_id(record), record)).collect();
    let mut mixed: Vec<(RecordRef, String)> = Vec::new();
    for (key, row) in rows {
        let id = row.get("id").map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
        let id = id.or_else(|| key.map(str::to_owned));
        let reason = match row.get("code").map(|code| code.as_str().map_or_else(|| code.to_string(), str::to_owned)) {
            Some(code) if code == "404" => "the CRM says it is not there".to_owned(),
            Some(code) if code.len() <= 6 => format!("the CRM refused it with code {code}"),
            _ => "the CRM refused it".to_owned(),
        };
        match (id.and_then(|id| by_id.get(&id).copied()), records.as_slice()) {
            (Some(record), _) => mixed.push((record.clone(), reason)),
            // An error without an id is of the only record there is.
            (None, [only]) => mixed.push((only.clone(), reason)),
            (None, _) => return None,
        }
    }
    Some(Verdict::Mixed(mixed))
}

/// The CRM's number of a record, or the last word of the path that shows it.
fn shown_id(record: &RecordRef) -> String {
    let shown = super::super::wire::SetUpName::parse(record);
    shown.and_then(|name| name.path.rsplit('/').next().map(str::to_owned)).unwrap_or_else(|| record.id.clone())
}
