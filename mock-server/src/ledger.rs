//! What the mock heard and what it changed, each in order. Tests judge by this, not by the answers.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clock::wall_text;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Created,
    Changed,
    Deleted,
    Restored,
    Linked,
    Unlinked,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
            Self::Restored => "restored",
            Self::Linked => "linked",
            Self::Unlinked => "unlinked",
        }
    }
}

/// One change of the CRM's state.
#[derive(Clone, Debug)]
pub struct Effect {
    pub at: Timestamp,
    pub what: What,
    pub object: &'static str,
    pub id: String,
    /// The other end of a link.
    pub to: Option<(&'static str, String)>,
    /// The request that caused it; `None` when a person or the clock did.
    pub request: Option<u64>,
    pub by: &'static str,
}

#[derive(Debug)]
struct Heard {
    at: Timestamp,
    method: String,
    target: String,
    /// `None` while it is being answered, and for ever if it never was (cut, hung, caller gone).
    status: Option<u16>,
    integration: Option<String>,
}

/// Numbers go on after a reset, so that `since` never shows one thing twice.
#[derive(Debug, Default)]
pub struct Ledger {
    requests: Mutex<Numbered<Heard>>,
    effects: Mutex<Numbered<Effect>>,
}

#[derive(Debug)]
struct Numbered<T> {
    before: u64,
    rows: Vec<T>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { before: 0, rows: Vec::new() }
    }
}

impl<T> Numbered<T> {
    fn push(&mut self, row: T) -> u64 {
        self.rows.push(row);
        self.before + self.rows.len() as u64
    }

    fn get_mut(&mut self, seq: u64) -> Option<&mut T> {
        let index = seq.checked_sub(self.before + 1)?;
        self.rows.get_mut(usize::try_from(index).ok()?)
    }

    fn since(&self, seq: u64) -> impl Iterator<Item = (u64, &T)> {
        let skip = usize::try_from(seq.saturating_sub(self.before)).unwrap_or(usize::MAX);
        (self.before + 1..).zip(&self.rows).skip(skip)
    }

    fn clear(&mut self) {
        self.before += self.rows.len() as u64;
        self.rows = Vec::new();
    }
}

/// A poisoned lock only means that a handler panicked elsewhere; the rows are whole, each is pushed in one step.
fn open<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// Called when a request's head has arrived, before anything else is done with it.
    pub fn arrived(&self, method: &str, target: &str) -> u64 {
        let heard = Heard {
            at: Timestamp::now(),
            method: method.to_owned(),
            target: target.to_owned(),
            status: None,
            integration: None,
        };
        open(&self.requests).push(heard)
    }

    pub fn name_integration(&self, seq: u64, integration: &str) {
        if let Some(heard) = open(&self.requests).get_mut(seq) {
            heard.integration = Some(integration.to_owned());
        }
    }

    pub fn answered(&self, seq: u64, status: u16) {
        if let Some(heard) = open(&self.requests).get_mut(seq) {
            heard.status = Some(status);
        }
    }

    pub fn happened(&self, effects: impl IntoIterator<Item = Effect>) {
        let mut rows = open(&self.effects);
        for effect in effects {
            rows.push(effect);
        }
    }

    pub fn clear(&self) {
        open(&self.requests).clear();
        open(&self.effects).clear();
    }

    pub fn requests_since(&self, seq: u64) -> Value {
        let rows = open(&self.requests);
        let list: Vec<Value> = rows
            .since(seq)
            .map(|(seq, heard)| {
                json!({
                    "seq": seq,
                    "at": wall_text(heard.at),
                    "method": heard.method,
                    "target": heard.target,
                    "status": heard.status,
                    "integration": heard.integration,
                })
            })
            .collect();
        json!({"requests": list})
    }

    pub fn effects_since(&self, seq: u64) -> Value {
        let rows = open(&self.effects);
        let list: Vec<Value> = rows
            .since(seq)
            .map(|(seq, effect)| {
                let mut row = json!({
                    "seq": seq,
                    "at": wall_text(effect.at),
                    "what": effect.what.word(),
                    "object": effect.object,
                    "id": effect.id,
                    "request": effect.request,
                    "by": effect.by,
                });
                if let Some((object, id)) = &effect.to {
                    row["to"] = json!({"object": object, "id": id});
                }
                row
            })
            .collect();
        json!({"effects": list})
    }

    /// How many requests and effects are held.
    pub fn sizes(&self) -> (usize, usize) {
        (open(&self.requests).rows.len(), open(&self.effects).rows.len())
    }
}
