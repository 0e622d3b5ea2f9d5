//! Reading the items of a write: types, users, and the errors amoCRM names by path (§1.6).

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::world::World;

/// One entry of `validation-errors[].errors`.
#[derive(Clone, Debug)]
pub struct Fault {
    pub code: &'static str,
    pub path: String,
    pub detail: &'static str,
}

/// One JSON object being read, with what is wrong in it.
pub struct Item<'a> {
    fields: &'a Map<String, Value>,
    pub faults: Vec<Fault>,
}

pub fn not_a_choice(path: impl Into<String>) -> Fault {
    Fault { code: "NotSupportedChoice", path: path.into(), detail: "The value you selected is not a valid choice." }
}

pub fn missing(path: impl Into<String>) -> Fault {
    Fault { code: "FieldMissing", path: path.into(), detail: "This field is missing." }
}

pub fn wrong_type(path: impl Into<String>) -> Fault {
    Fault { code: "InvalidType", path: path.into(), detail: "This value has a wrong type." }
}

/// Whole numbers also as text and as `5.0`: clients send all three.
pub fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64().filter(|float| float.is_finite())?;
            #[allow(clippy::cast_possible_truncation, reason = "prices with cents are cut to whole units")]
            Some(float.trunc() as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

pub fn id_number(value: &Value) -> Option<u64> {
    whole_number(value).and_then(|id| u64::try_from(id).ok())
}

impl<'a> Item<'a> {
    pub fn read(item: &'a Value) -> Result<Self, Vec<Fault>> {
        let fields = item.as_object().ok_or_else(|| vec![wrong_type("")])?;
        Ok(Self { fields, faults: Vec::new() })
    }

    pub fn raw(&self, key: &str) -> Option<&'a Value> {
        self.fields.get(key)
    }

    /// Present and not null.
    pub fn given(&self, key: &str) -> Option<&'a Value> {
        self.fields.get(key).filter(|value| !value.is_null())
    }

    pub fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub fn text(&mut self, key: &str) -> Option<String> {
        match self.given(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => {
                self.fault(wrong_type(key));
                None
            }
        }
    }

    pub fn number(&mut self, key: &str) -> Option<i64> {
        let number = whole_number(self.given(key)?);
        if number.is_none() {
            self.fault(wrong_type(key));
        }
        number
    }

    pub fn id(&mut self, key: &str) -> Option<u64> {
        let id = id_number(self.given(key)?);
        if id.is_none() {
            self.fault(wrong_type(key));
        }
        id
    }

    pub fn yes(&mut self, key: &str) -> Option<bool> {
        match self.given(key)? {
            Value::Bool(yes) => Some(*yes),
            Value::Number(number) => Some(number.as_i64() != Some(0)),
            _ => {
                self.fault(wrong_type(key));
                None
            }
        }
    }

    /// A user that may be named in a write.
    pub fn user(&mut self, key: &str, world: &World) -> Option<u64> {
        let id = self.id(key)?;
        if !world.user_may_be_named(id) {
            self.fault(not_a_choice(key));
        }
        Some(id)
    }

    pub fn list(&mut self, key: &str) -> Option<&'a [Value]> {
        if let Value::Array(rows) = self.given(key)? {
            Some(rows)
        } else {
            self.fault(wrong_type(key));
            None
        }
    }

    /// `_embedded.{key}`, an explicit null too.
    pub fn embedded(&self, key: &str) -> Option<&'a Value> {
        self.fields.get("_embedded")?.get(key)
    }

    /// What was read, unless something was wrong with it.
    pub fn done<T>(self, read: T) -> Result<T, Vec<Fault>> {
        if self.faults.is_empty() { Ok(read) } else { Err(self.faults) }
    }
}

/// The item's `request_id`, or its index as text.
pub fn request_id(item: &Value, index: usize) -> String {
    match item.get("request_id") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => index.to_string(),
    }
}

/// HTTP 400 with the faults of each bad item.
pub fn rejection(bad: &[(String, Vec<Fault>)]) -> Answer {
    let show = |fault: &Fault| json!({"code": fault.code, "path": fault.path, "detail": fault.detail});
    let errors: Vec<Value> = bad
        .iter()
        .map(|(id, faults)| json!({"request_id": id, "errors": faults.iter().map(show).collect::<Vec<_>>()}))
        .collect();
    let body = json!({
        "validation-errors": errors,
        "title": "Bad Request",
        "type": "https://httpstatus.es/400",
        "status": 400,
        "detail": "Request validation failed",
    });
    Answer::problem_body(StatusCode::BAD_REQUEST, &body)
}

pub fn rejected(fault: Fault) -> Answer {
    rejection(&[("0".to_owned(), vec![fault])])
}
