//! "Already gone" in its six faces (§3.6), and refusals, each in the shape of the route that was asked.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use super::pattern;
use super::settle::NO_RIGHTS;
use super::signatures::{self, Reads};
use super::triage::is_private;
use crate::crm::Head;
use crate::domain::delete::{DeleteIntent, Refusal, Selection};
use crate::domain::record::RecordRef;

const PROBLEM: &str = "application/problem+json";
const PLAIN: &str = "application/json";
const HAL: &str = "application/hal+json";

/// See [`Dialect::gone`](crate::crm::Dialect::gone).
pub fn gone(intent: &DeleteIntent) -> Response<Bytes> {
    let ids = match &intent.selection {
        Selection::Ids(ids) => ids.as_slice(),
        Selection::Query { .. } => &[],
    };
    let id = ids.first().map_or(Value::Null, number);
    match signatures::reads(intent.route) {
        Some(Reads::Edit2) if intent.route == "amocrm.task_delete" => {
            answer(StatusCode::BAD_REQUEST, PLAIN, &json!({"status": "fail", "id": id}))
        }
        Some(Reads::Edit2) => answer(StatusCode::OK, PLAIN, &json!({"status": "no note", "id": id})),
        Some(Reads::Multiple | Reads::Deals | Reads::Detail | Reads::Multiactions) => {
            let leads = ids.first().is_some_and(|record| record.object == "leads");
            // Companies are called contacts here.
            let noun = if leads { "сделки" } else { "контакта" };
            let body = json!({"status": "fail", "errors": [format!("{NO_RIGHTS} {noun}")], "message": NO_RIGHTS});
            answer(StatusCode::OK, PLAIN, &body)
        }
        Some(Reads::Set(key, _)) => {
            let mut delete = Map::new();
            if matches!(key, "catalogs" | "catalog_elements") {
                delete.insert(key.to_owned(), json!([]));
            }
            delete.insert("errors".to_owned(), errors(ids));
            answer(StatusCode::OK, PLAIN, &json!({"response": {key: {"delete": delete}}}))
        }
        Some(Reads::V2(_)) => {
            let body = json!({"_embedded": {"items": [], "errors": {"delete": errors(ids)}}});
            answer(StatusCode::OK, HAL, &body)
        }
        Some(Reads::PipelineForm) => {
            let body = json!({"response": {"error": "Код ошибки 222. Ошибка при удалении", "error_code": "222"}});
            answer(StatusCode::OK, PLAIN, &body)
        }
        // Cutting a link that is not there is no error.
        Some(Reads::Unlink) => {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
        Some(Reads::Cards) => not_a_choice(),
        Some(Reads::SetUp("pipelines")) => not_a_choice(),
        _ => {
            let body = json!({
                "title": "Not Found", "type": "https://httpstatus.es/404", "status": 404, "detail": "It is not there.",
            });
            answer(StatusCode::NOT_FOUND, PROBLEM, &body)
        }
    }
}

/// See [`Dialect::done`](crate::crm::Dialect::done). Where the words of success are not known, those for "already gone".
pub fn done(intent: &DeleteIntent) -> Response<Bytes> {
    match signatures::reads(intent.route) {
        Some(Reads::Multiple | Reads::Deals | Reads::Detail | Reads::Multiactions) => {
            answer(StatusCode::OK, PLAIN, &json!({"status": "success"}))
        }
        Some(Reads::PathId(_) | Reads::SetUp(_)) => {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
        _ => gone(intent),
    }
}

/// v4 says so of an id in a `PATCH`, and of a pipeline.
fn not_a_choice() -> Response<Bytes> {
    let error =
        json!({"code": "NotSupportedChoice", "path": "id", "detail": "The value you selected is not a valid choice."});
    let body = json!({
        "validation-errors": [{"request_id": "0", "errors": [error]}],
        "title": "Bad Request", "type": "https://httpstatus.es/400", "status": 400, "detail": "Request validation failed",
    });
    answer(StatusCode::BAD_REQUEST, PROBLEM, &body)
}

fn errors(ids: &[RecordRef]) -> Value {
    ids.iter().map(|record| json!({"id": number(record), "code": 404, "message": "Not found"})).collect()
}

/// The id of a record, or the last word of the path that shows it.
fn number(record: &RecordRef) -> Value {
    let shown = super::super::wire::SetUpName::parse(record).map(|name| name.path);
    let id = shown.as_deref().and_then(|path| path.rsplit('/').next()).unwrap_or(&record.id);
    id.parse::<u64>().map_or_else(|_| json!(id), |id| json!(id))
}

/// See [`Dialect::refuse`](crate::crm::Dialect::refuse).
pub fn refuse(head: &Head<'_>, refusal: &Refusal) -> Response<Bytes> {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::FORBIDDEN);
    let Refusal { code, detail, hint, .. } = refusal;
    let path = pattern::words(head.path);
    let mut response = match path.as_slice() {
        ["ajax", "v1", ..] => answer(
            status,
            PLAIN,
            &json!({"response": {"error": detail, "error_code": code}, "code": code, "hint": hint}),
        ),
        _ if is_private(&path) => {
            let body = json!({"status": "fail", "errors": [detail], "message": detail, "code": code, "hint": hint});
            answer(status, PLAIN, &body)
        }
        _ => {
            let body = json!({
                "title": status.canonical_reason().unwrap_or("Refused"),
                "type": format!("https://httpstatus.es/{}", status.as_u16()),
                "status": status.as_u16(), "detail": detail, "code": code, "hint": hint,
            });
            answer(status, PROBLEM, &body)
        }
    };
    if let Some(seconds) = refusal.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn answer(status: StatusCode, content_type: &'static str, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
