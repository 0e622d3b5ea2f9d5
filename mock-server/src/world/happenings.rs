//! What every change of the world leaves behind: an effect for the ledger, an event for the feed, a webhook.

use std::fmt::Display;

use jiff::Timestamp;
use serde_json::Value;

use super::World;
use super::kind::Ref;
use crate::ledger::{Effect, What};

/// Who acts now. Set at the start of every locked section.
#[derive(Clone, Copy, Debug)]
pub struct Actor {
    /// 0 is amoCRM's robot.
    pub user: u64,
    /// The request's number in the ledger.
    pub request: Option<u64>,
    /// `api` or `screen`.
    pub by: &'static str,
}

/// One row of the events feed (§6.5).
#[derive(Clone, Debug)]
pub struct Event {
    pub id: String,
    /// `lead_deleted` and the like.
    pub name: String,
    /// Singular: `lead`, `task`, `catalog_4100`.
    pub entity_type: String,
    pub entity_id: u64,
    pub created_by: u64,
    pub created_at: i64,
    pub before: Value,
    pub after: Value,
}

impl World {
    /// Writes an effect for the ledger.
    pub fn did(&mut self, what: What, object: &'static str, id: impl Display) {
        self.did_to(what, object, id, None);
    }

    #[allow(clippy::needless_pass_by_value, reason = "numbers are passed as they are")]
    pub fn did_to(&mut self, what: What, object: &'static str, id: impl Display, to: Option<(&'static str, String)>) {
        self.version += 1;
        let Actor { request, by, .. } = self.actor;
        self.effects.push(Effect { at: Timestamp::now(), what, object, id: id.to_string(), to, request, by });
    }

    /// Writes an event about a record, with what was there before and after.
    pub fn event(&mut self, event_type: &str, of: Ref, before: Value, after: Value) {
        let entity_type = match self.card(of).and_then(super::card::Card::catalog) {
            Some(catalog) => format!("catalog_{catalog}"),
            None => of.kind.single().to_owned(),
        };
        self.event_on(event_type, &entity_type, of.id, before, after);
    }

    pub fn event_on(&mut self, event_type: &str, entity_type: &str, entity_id: u64, before: Value, after: Value) {
        let created_at = self.clock.now();
        // Sortable, 26 letters and digits, as the real ones look.
        let id = format!("01{created_at:010x}{:014x}", self.events.len());
        let (name, entity_type) = (event_type.to_owned(), entity_type.to_owned());
        let as_robot = self.actor.by == "api" && self.switches.is("api_events_by", "zero");
        let created_by = if as_robot { 0 } else { self.actor.user };
        self.events.push(Event { id, name, entity_type, entity_id, created_by, created_at, before, after });
    }
}
