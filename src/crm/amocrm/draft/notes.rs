//! Notes: ten types can be written; the text of the others is gathered into one note (§2.7).

use serde_json::{Map, Value, json};

use super::act::Act;
use super::drafting::Drafting;
use crate::crm::amocrm::rows::{id_at, text_at, without_nulls};
use crate::domain::plan::What;
use crate::domain::record::RecordRef;

/// Wave of what hangs on a card.
const WAVE: u8 = 4;
/// Longest text of the gathering note, in characters.
const LONGEST: usize = 20_000;

/// Steps for all notes of a card.
pub fn notes(d: &mut Drafting<'_>, on: &RecordRef, rows: &[Value]) {
    let mut others = Vec::new();
    for row in rows {
        let Some(id) = id_at(row, "id") else { continue };
        let under = format!("notes.{id}");
        if let Some(params) = writable(row) {
            let body = body(d, row, params, &under);
            let act = Act::Note { on: on.clone(), body };
            d.step(WAVE, What::Recreate, RecordRef::new("notes", id), vec![on.clone()], &act);
        } else {
            d.lose(under, "note_type_not_writable", format!("notes of type {} cannot be written", kind(row)));
            others.push((id, row));
        }
    }
    gathered(d, on, &others);
    if !rows.is_empty() {
        d.returns("notes");
    }
}

/// The draft of a note that was deleted by itself.
pub fn alone(d: &mut Drafting<'_>, on: &RecordRef, row: &Value) {
    if let Some(params) = writable(row) {
        let body = body(d, row, params, "record");
        let record = d.of().clone();
        d.returns("note_type");
        d.returns("params");
        d.step(WAVE, What::Recreate, record, vec![on.clone()], &Act::Note { on: on.clone(), body });
    } else {
        d.lose("note_type", "note_type_not_writable", format!("notes of type {} cannot be written", kind(row)));
        if let Some(id) = id_at(row, "id") {
            gathered(d, on, &[(id, row)]);
        }
    }
}

fn kind(row: &Value) -> &str {
    text_at(row, "note_type").unwrap_or("unknown")
}

fn body(d: &mut Drafting<'_>, row: &Value, params: Value, under: &str) -> Value {
    let mut body = Map::new();
    d.copy(row, &mut body, &["note_type", "created_at"], Some(under));
    d.copy_users(row, &mut body, &["created_by", "responsible_user_id"], Some(under));
    body.insert("params".to_owned(), params);
    // §10.18: a restored note is no news to the robots.
    body.insert("is_need_to_trigger_digital_pipeline".to_owned(), false.into());
    Value::Object(body)
}

/// The params as they are written; `None` for what amoCRM writes only itself.
pub fn writable(row: &Value) -> Option<Value> {
    let params = without_nulls(row.get("params")?.as_object()?);
    let needed: &[&str] = match kind(row) {
        "common" => &["text"],
        "call_in" | "call_out" => &["duration", "phone"],
        "service_message" | "extended_service_message" => &["service", "text"],
        "message_cashier" => &["status", "text"],
        "geolocation" => &["text", "address", "longitude", "latitude"],
        "sms_in" | "sms_out" => &["text", "phone"],
        "attachment" => return attachment(&params),
        _ => return None,
    };
    needed.iter().all(|key| params.contains_key(*key)).then_some(Value::Object(params))
}

/// Read with more than is written; without the uuid (a file in the bin) it cannot be.
fn attachment(params: &Map<String, Value>) -> Option<Value> {
    let uuid = params.get("file_uuid")?;
    let name = params.get("file_name").or_else(|| params.get("original_name"))?;
    let mut written = json!({"file_uuid": uuid, "file_name": name});
    if let Some(version) = params.get("version_uuid") {
        written["version_uuid"] = version.clone();
    }
    Some(written)
}

/// One note with the words of those that cannot be written. It stands for the first of them.
fn gathered(d: &mut Drafting<'_>, on: &RecordRef, others: &[(u64, &Value)]) {
    let mut lines = Vec::new();
    for (_, row) in others {
        if let Some(text) = row.get("params").and_then(said) {
            let at = row.get("created_at").and_then(Value::as_i64).and_then(|at| jiff::Timestamp::from_second(at).ok());
            lines.push(format!("{} {}: {text}", at.map(|at| at.to_string()).unwrap_or_default(), kind(row)));
        }
    }
    let (Some((first, _)), false) = (others.first(), lines.is_empty()) else { return };
    let text: String = lines.join("\n").chars().take(LONGEST).collect();
    let body = json!({
        "note_type": "extended_service_message",
        "params": {"service": "crm-undo", "text": text},
        "is_need_to_trigger_digital_pipeline": false,
    });
    let act = Act::Note { on: on.clone(), body };
    d.step(WAVE, What::Recreate, RecordRef::new("notes", first), vec![on.clone()], &act);
}

/// What a note of an unknown type says, in the words people would look for.
fn said(params: &Value) -> Option<String> {
    let words: Vec<&str> = ["subject", "from", "to", "phone", "text", "TEXT", "HTML", "content_summary"]
        .into_iter()
        .filter_map(|key| match params.get(key) {
            Some(Value::Object(person)) => person.get("email").or_else(|| person.get("name")).and_then(Value::as_str),
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            _ => None,
        })
        .collect();
    (!words.is_empty()).then(|| words.join(" | "))
}
