//! Changes of the schema that reach into many records: a field, a segment or a stage that goes takes values along.

use super::World;
use super::card::Card;
use super::cards::CardPatch;
use super::fields::Owner;
use super::kind::Kind;
use crate::ledger::What;

impl World {
    /// Erases the values of a deleted field in every record of its owner, those in the bin too.
    pub fn erase_field_values(&mut self, owner: Owner, field: u64) {
        let kind = match owner {
            Owner::Card(kind) => kind,
            Owner::Catalog(_) => Kind::CatalogElements,
            Owner::Segments => {
                for (_, segment) in self.segments.iter_mut() {
                    segment.fields.retain(|value| value.field != field);
                }
                return;
            }
        };
        let mut changed = Vec::new();
        for (id, card) in self.cards_mut(kind).iter_mut() {
            let before = card.fields.len();
            card.fields.retain(|value| value.field != field);
            if card.fields.len() < before {
                changed.push(id);
            }
        }
        for id in changed {
            self.did(What::Changed, kind.word(), id);
        }
    }

    /// Customers that are members of a segment, those in the bin left out.
    pub fn members_of(&self, segment: u64) -> impl Iterator<Item = u64> {
        let member = move |card: &Card| card.customer().is_some_and(|customer| customer.segments.contains(&segment));
        self.cards(Kind::Customers)
            .iter()
            .filter(move |(id, card)| member(card) && self.alive(Kind::Customers.of(*id)).is_some())
            .map(|(id, _)| id)
    }

    /// Takes every customer out of a deleted segment.
    pub fn leave_segment(&mut self, segment: u64) {
        let mut changed = Vec::new();
        for (id, card) in self.cards_mut(Kind::Customers).iter_mut() {
            let Some(customer) = card.customer_mut() else { continue };
            if customer.segments.contains(&segment) {
                customer.segments.retain(|have| *have != segment);
                changed.push(id);
            }
        }
        for id in changed {
            self.did(What::Changed, "customers", id);
        }
    }

    /// Moves the customers of a deleted stage to the first one.
    pub fn leave_customer_status(&mut self, status: u64) {
        let first = self.customer_statuses.iter().next().map(|(id, _)| id);
        let standing = |card: &Card| card.customer().is_some_and(|customer| customer.status == status);
        let ids: Vec<u64> =
            self.cards(Kind::Customers).iter().filter(|(_, card)| standing(card)).map(|(id, _)| id).collect();
        for id in ids {
            let patch = CardPatch { customer_status: first, ..CardPatch::default() };
            self.change_card(Kind::Customers.of(id), patch);
        }
    }
}
