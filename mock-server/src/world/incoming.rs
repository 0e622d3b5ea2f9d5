//! Incoming leads that nobody has accepted yet (§2.13).

use serde_json::Value;

use super::World;
use super::card::Standing;
use super::cards::CardPatch;
use super::kind::{Kind, Ref};
use crate::ledger::What;

#[derive(Clone, Debug)]
pub struct Incoming {
    pub uid: String,
    /// `forms` or `sip`: the two that integrations may make.
    pub category: &'static str,
    /// Not unique.
    pub source_uid: String,
    pub source_name: String,
    pub pipeline: u64,
    pub created_at: i64,
    pub metadata: Value,
    pub lead: u64,
    /// Contacts and companies made with it.
    pub others: Vec<Ref>,
}

/// How many were dealt with.
#[derive(Clone, Copy, Debug, Default)]
pub struct IncomingTally {
    pub accepted: u64,
    pub declined: u64,
}

impl World {
    pub fn create_incoming(&mut self, mut row: Incoming, lead: CardPatch, others: Vec<(Kind, CardPatch)>) -> u64 {
        row.uid = format!("{}{}", self.new_uuid(), self.new_uuid()).replace('-', "");
        row.lead = self.create_card(Kind::Leads, CardPatch { unsorted: true, ..lead });
        let of = Kind::Leads.of(row.lead);
        for (kind, patch) in others {
            let other = kind.of(self.create_card(kind, CardPatch { unsorted: true, ..patch }));
            self.link(of, other, kind == Kind::Contacts, None);
            row.others.push(other);
        }
        let id = self.incoming.next_id();
        self.did(What::Created, "unsorted", &row.uid);
        self.incoming.put(id, row);
        id
    }

    /// The records become normal ones, the lead at the given stage.
    pub fn accept_incoming(&mut self, id: u64, status: Option<u64>, user: u64) -> Option<Incoming> {
        let row = self.incoming.remove(id)?;
        let lead = Kind::Leads.of(row.lead);
        for of in row.others.iter().copied().chain([lead]) {
            if let Some(card) = self.card_mut(of).filter(|card| card.standing == Standing::Unsorted) {
                card.standing = Standing::Alive;
            }
        }
        let stage = status.or_else(|| Some(self.funnel.pipelines.get(row.pipeline)?.first_stage()));
        let pipeline = stage.and_then(|stage| self.funnel.pipeline_of(stage));
        self.change_card(lead, CardPatch { status: stage, pipeline, responsible: Some(user), ..CardPatch::default() });
        self.tally.accepted += 1;
        self.did(What::Deleted, "unsorted", &row.uid);
        Some(row)
    }

    /// The records go into the bin.
    pub fn decline_incoming(&mut self, id: u64) -> Option<Incoming> {
        let row = self.incoming.remove(id)?;
        for of in row.others.iter().copied().chain([Kind::Leads.of(row.lead)]) {
            if self.card(of).is_some_and(|card| card.standing == Standing::Unsorted) {
                self.delete_card(of);
            }
        }
        self.tally.declined += 1;
        self.did(What::Deleted, "unsorted", &row.uid);
        Some(row)
    }
}
