//! Linking and unlinking as amoCRM does it: one company per card, one main contact.

use serde_json::json;

use super::World;
use super::card::Standing;
use super::kind::{Kind, Ref};
use super::links::ElementLink;
use crate::ledger::What;

/// What may be linked from which side (§2.9).
pub fn may_link(from: Kind, to: Kind) -> bool {
    use Kind::{CatalogElements, Companies, Contacts, Customers, Leads};
    match from {
        Leads => matches!(to, Contacts | Companies | CatalogElements),
        Contacts => matches!(to, Companies | Customers | CatalogElements),
        Companies => matches!(to, Contacts | Leads | Customers | CatalogElements),
        Customers => matches!(to, Contacts | Companies | CatalogElements),
        CatalogElements => false,
    }
}

impl World {
    /// Links two records that are alive. An existing link is changed.
    pub fn link(&mut self, from: Ref, to: Ref, main: bool, element: Option<ElementLink>) {
        // One company per lead, contact and customer: a second one takes the first one's place.
        for (card, company) in [(from, to), (to, from)] {
            if company.kind == Kind::Companies && card.kind != Kind::CatalogElements {
                for other in self.ends(card, Kind::Companies).into_iter().filter(|other| *other != company) {
                    self.unlink(card, other);
                }
            }
        }
        let mut main = main;
        if let Some((holder, contact)) = holder_and_contact(from, to) {
            let others = self.ends(holder, Kind::Contacts);
            let has_main = self.links.linked(holder, Kind::Contacts).any(|edge| edge.main && edge.to != contact);
            main |= !has_main;
            if main {
                for other in others.into_iter().filter(|other| *other != contact) {
                    self.links.set_main(holder, other, false);
                }
            }
        }
        let new = self.links.link(from, to, main, element);
        self.did_to(What::Linked, from.kind.word(), from.id, Some((to.kind.word(), to.id.to_string())));
        if new {
            let link = json!([{"link": {"entity": {"type": to.kind.single(), "id": to.id}}}]);
            self.event("entity_linked", from, json!([]), link);
        }
    }

    /// Says whether there was such a link.
    pub fn unlink(&mut self, from: Ref, to: Ref) -> bool {
        let was_main = self.links.linked(from, to.kind).any(|edge| edge.to == to && edge.main);
        if !self.links.unlink(from, to) {
            return false;
        }
        self.did_to(What::Unlinked, from.kind.word(), from.id, Some((to.kind.word(), to.id.to_string())));
        let link = json!([{"link": {"entity": {"type": to.kind.single(), "id": to.id}}}]);
        self.event("entity_unlinked", from, link, json!([]));
        if let Some((holder, _)) = holder_and_contact(from, to).filter(|_| was_main)
            && let Some(next) = self.ends(holder, Kind::Contacts).first().copied()
        {
            self.links.set_main(holder, next, true);
        }
        true
    }

    fn ends(&self, of: Ref, kind: Kind) -> Vec<Ref> {
        self.links.linked(of, kind).map(|edge| edge.to).collect()
    }

    /// The living records of a kind that are linked with this one, each with what is said of the link; the flag is
    /// whether it is the main contact as readers see it.
    pub fn living_links(&self, of: Ref, kind: Kind) -> Vec<(u64, bool, Option<&ElementLink>)> {
        let alive = |end: Ref| self.card(end).is_some_and(|card| card.standing == Standing::Alive);
        let mut rows: Vec<_> = self
            .links
            .linked(of, kind)
            .filter(|edge| alive(edge.to))
            .map(|edge| (edge.to.id, edge.main, edge.element.as_deref()))
            .collect();
        let holds_contacts = kind == Kind::Contacts && matches!(of.kind, Kind::Leads | Kind::Customers);
        if holds_contacts
            && self.switches.is("main_contact_after_delete", "next")
            && !rows.iter().any(|row| row.1)
            && let Some(first) = rows.first_mut()
        {
            first.1 = true;
        }
        rows
    }

    /// A restored card may find that it, or its card, has another company by now; the newer link stays.
    pub(super) fn drop_extra_companies(&mut self, of: Ref) {
        let cards = if of.kind == Kind::Companies {
            [Kind::Leads, Kind::Contacts, Kind::Customers].into_iter().flat_map(|kind| self.ends(of, kind)).collect()
        } else {
            vec![of]
        };
        for card in cards {
            let mut companies = self.ends(card, Kind::Companies);
            companies.pop();
            for extra in companies {
                self.unlink(card, extra);
            }
        }
    }
}

/// The pair seen as (lead or customer, contact), if it is one.
fn holder_and_contact(one: Ref, other: Ref) -> Option<(Ref, Ref)> {
    let holds = |kind: Kind| matches!(kind, Kind::Leads | Kind::Customers);
    match (one.kind, other.kind) {
        (holder, Kind::Contacts) if holds(holder) => Some((one, other)),
        (Kind::Contacts, holder) if holds(holder) => Some((other, one)),
        _ => None,
    }
}
