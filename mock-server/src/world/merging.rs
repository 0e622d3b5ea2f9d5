//! Two records made one: only a person can, and nobody can undo it (§3.7).

use serde_json::json;

use super::World;
use super::kind::{Kind, Ref};
use crate::ledger::What;

impl World {
    /// Everything of `loser` that `winner` can take becomes its own; the loser is gone, not in the bin.
    pub fn merge(&mut self, winner: Ref, loser: Ref) -> bool {
        let mergeable = winner != loser && winner.kind == loser.kind && Kind::CARDS.contains(&winner.kind);
        if !mergeable || self.alive(winner).is_none() || self.alive(loser).is_none() {
            return false;
        }
        let edges = self.links.of(loser).to_vec();
        self.links.forget(loser);
        for edge in edges {
            let has_it = self.links.of(winner).iter().any(|own| own.to == edge.to);
            let has_company = self.links.linked(winner, Kind::Companies).next().is_some();
            let second_company = edge.to.kind == Kind::Companies && has_company;
            if !(has_it || second_company) {
                self.link(winner, edge.to, false, edge.element.map(|element| *element));
            }
        }
        let notes = self.notes_of.remove(&loser).unwrap_or_default();
        for note in &notes {
            if let Some(note) = self.notes.get_mut(*note) {
                note.of = winner;
            }
        }
        self.notes_of.entry(winner).or_default().extend(notes);
        let tasks = self.tasks_of.remove(&loser).unwrap_or_default();
        for task in &tasks {
            if let Some(task) = self.tasks.get_mut(*task) {
                task.of = Some(winner);
            }
        }
        self.tasks_of.entry(winner).or_default().extend(tasks);
        if winner.kind == Kind::Customers {
            let purchases = self.transactions_of.remove(&loser.id).unwrap_or_default();
            for purchase in &purchases {
                if let Some(purchase) = self.transactions.get_mut(*purchase) {
                    purchase.customer = winner.id;
                }
            }
            self.transactions_of.entry(winner.id).or_default().extend(purchases);
        }
        for row in self.attachments.remove(&loser).unwrap_or_default() {
            self.attach_file(winner, &row.file);
        }
        self.cards_mut(loser.kind).remove(loser.id);
        self.did(What::Deleted, loser.kind.word(), loser.id);
        let (now, user) = (self.clock.now(), self.actor.user);
        if let Some(card) = self.card_mut(winner) {
            (card.updated_at, card.updated_by) = (now, user);
        }
        self.did(What::Changed, winner.kind.word(), winner.id);
        self.event("entity_merged", winner, json!([]), json!([]));
        true
    }
}
