//! The differences found so far, and what is not looked at because its loss is known.

use serde_json::Value;

use crate::domain::record::RecordRef;
use crate::domain::restore::{Difference, Loss};

/// One comparison.
pub struct Sheet<'a> {
    of: &'a RecordRef,
    losses: &'a [Loss],
    /// What was found.
    pub differences: Vec<Difference>,
}

impl<'a> Sheet<'a> {
    pub fn new(of: &'a RecordRef, losses: &'a [Loss]) -> Self {
        Self { of, losses, differences: Vec::new() }
    }

    /// Whether a loss names this field, or something below it.
    pub fn is_lost(&self, field: &str) -> bool {
        let below = |name: &str| name.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.losses.iter().any(|loss| loss.record == *self.of && below(&loss.field))
    }

    /// Whether a loss names something that hangs on the record: as a part of the record, or under a name of its own.
    /// A user who is lost does not excuse the rest: users of what hangs on a record are not compared.
    pub fn hanging_is_lost(&self, object: &str, id: u64) -> bool {
        let (own, part) = (RecordRef::new(object, id), format!("{object}.{id}"));
        self.losses.iter().any(|loss| {
            (loss.record == *self.of && loss.field == part)
                || loss.field == own.to_string()
                || (loss.record == own && loss.reason != "user_inactive")
        })
    }

    /// Whether a loss names the link to a record.
    pub fn link_is_lost(&self, to: &RecordRef) -> bool {
        let name = format!("links.{to}");
        self.losses.iter().any(|loss| loss.record == *self.of && loss.field == name)
    }

    /// A difference, unless it is a known loss.
    pub fn differ(&mut self, field: &str, was: &Value, is: &Value) {
        if !self.is_lost(field) {
            let (field, was, is) = (field.to_owned(), was.to_string(), is.to_string());
            self.differences.push(Difference { record: self.of.clone(), field, was, is });
        }
    }

    /// Compares two values.
    pub fn same(&mut self, field: &str, was: Option<&Value>, is: Option<&Value>) {
        let (was, is) = (was.unwrap_or(&Value::Null), is.unwrap_or(&Value::Null));
        if !alike(was, is) {
            self.differ(field, was, is);
        }
    }
}

/// Equal, but for how the CRM writes nothing (`null`, empty) and numbers (`5`, `"5"`, `5.0`).
pub fn alike(was: &Value, is: &Value) -> bool {
    let nothing = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(rows) => rows.is_empty(),
        _ => false,
    };
    was == is || (nothing(was) && nothing(is)) || number(was).is_some_and(|was| Some(was) == number(is))
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        _ => None,
    }
}
