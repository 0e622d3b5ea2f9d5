//! A draft while it is made.

use serde_json::{Map, Value};

use super::act::Act;
use super::around::Around;
use crate::domain::plan::What;
use crate::domain::record::{RecordRef, Snapshot};
use crate::domain::restore::{Draft, DraftStep, Loss};

/// The snapshot, what there is around, and what came of it so far.
#[derive(Debug)]
pub struct Drafting<'a> {
    /// What is to be brought back.
    pub snapshot: &'a Snapshot,
    /// What there is in the account.
    pub around: Around<'a>,
    /// The draft.
    pub draft: Draft,
}

impl<'a> Drafting<'a> {
    /// An empty draft.
    pub fn new(snapshot: &'a Snapshot, around: Around<'a>) -> Self {
        Self { snapshot, around, draft: Draft::default() }
    }

    /// The record itself.
    pub fn of(&self) -> &'a RecordRef {
        &self.snapshot.of
    }

    /// Names what will not come back.
    pub fn lose(&mut self, field: impl Into<String>, reason: &str, detail: impl Into<String>) {
        let record = self.of().clone();
        self.draft.losses.push(Loss { record, field: field.into(), reason: reason.to_owned(), detail: detail.into() });
    }

    /// Adds a step.
    pub fn step(&mut self, wave: u8, what: What, record: RecordRef, needs: Vec<RecordRef>, act: &Act) {
        let write = serde_json::to_value(act).expect("an act is strings, numbers and JSON, which always serialize");
        self.draft.steps.push(DraftStep { wave, what, record, needs, write });
    }

    /// Names what will come back.
    pub fn returns(&mut self, field: impl Into<String>) {
        self.draft.fields.push(field.into());
    }

    /// Copies the keys that hold something. `under` is put before their names in the draft's list; empty for a card's own.
    pub fn copy(&mut self, row: &Value, body: &mut Map<String, Value>, keys: &[&str], under: Option<&str>) {
        for key in keys {
            if let Some(value) = row.get(*key).filter(|value| !value.is_null()) {
                body.insert((*key).to_owned(), value.clone());
                if under.is_none() {
                    self.returns(*key);
                }
            }
        }
    }

    /// Copies the users that may still be named; a write with another one fails whole (§8).
    pub fn copy_users(&mut self, row: &Value, body: &mut Map<String, Value>, keys: &[&str], under: Option<&str>) {
        for key in keys {
            let Some(user) = row.get(*key).and_then(Value::as_u64) else { continue };
            if self.around.may_be_named(user) {
                body.insert((*key).to_owned(), user.into());
                if under.is_none() {
                    self.returns(*key);
                }
            } else {
                let field = under.map_or_else(|| (*key).to_owned(), |under| format!("{under}.{key}"));
                self.lose(field, "user_inactive", format!("user {user} is not active any more"));
            }
        }
    }
}
