//! Companies, contacts, customers and deals, with the links between them.

use super::{Generator, LAST_AT, Sizes, people, words};
use crate::world::card::{Customer, Lead, Own, Person};
use crate::world::catalogs::Transaction;
use crate::world::fields::Owner;
use crate::world::kind::{Kind, Ref};
use crate::world::links::ElementLink;
use crate::world::pipelines::{LOST, WON};

impl Generator<'_> {
    pub fn companies(&mut self, sizes: Sizes) {
        for index in 0..sizes.companies {
            let (before, after) = *self.dice.pick(words::COMPANY_FORMS);
            let name = format!("{before}{}{after}", self.dice.pick(words::COMPANY_WORDS));
            let at = self.moment(index, sizes.companies);
            let mut card = self.card(name, Own::Company, at);
            card.tags = self.tags(Kind::Companies);
            card.fields = self.values(Owner::Card(Kind::Companies), index, &["PHONE"]);
            let of = self.put(Kind::Companies, card);
            self.notes(of, at, 1);
            self.tasks(of, at, 15);
        }
    }

    pub fn contacts(&mut self, sizes: Sizes) {
        for index in 0..sizes.contacts {
            let name = people::name(&mut self.dice);
            let at = self.moment(index, sizes.contacts);
            let whole = name.whole();
            let person = Person { first_name: name.first.into(), last_name: name.last.into() };
            let mut card = self.card(whole, Own::Contact(person), at);
            card.tags = self.tags(Kind::Contacts);
            card.fields = self.values(Owner::Card(Kind::Contacts), index, &["PHONE", "EMAIL"]);
            let of = self.put(Kind::Contacts, card);
            if self.dice.chance(65) {
                let company = self.any(Kind::Companies);
                self.world.links.link(of, company, false, None);
            }
            self.notes(of, at, 2);
            self.tasks(of, at, 20);
        }
    }

    pub fn customers(&mut self, sizes: Sizes) {
        let statuses: Vec<u64> = self.world.customer_statuses.iter().map(|(id, _)| id).collect();
        let segments: Vec<u64> = self.world.segments.iter().map(|(id, _)| id).collect();
        for index in 0..sizes.customers {
            let at = self.moment(index, sizes.customers);
            let own = Customer {
                next_price: self.dice.between(1, 90) * 1000,
                next_date: Some(LAST_AT + self.dice.between(1, 90) * 86_400),
                status: *self.dice.pick(&statuses),
                periodicity: *self.dice.pick(&[7, 30, 90]),
                segments: segments.iter().copied().filter(|_| self.dice.chance(40)).collect(),
                bonus_points: self.dice.between(0, 900),
            };
            let contact = self.any(Kind::Contacts);
            let name = self.world.card(contact).map(|card| card.name.clone()).unwrap_or_default();
            let mut card = self.card(name, Own::Customer(Box::new(own)), at);
            card.tags = self.tags(Kind::Customers);
            card.fields = self.values(Owner::Card(Kind::Customers), index, &[]);
            let of = self.put(Kind::Customers, card);
            self.world.links.link(of, contact, true, None);
            self.link_company_of(of, contact);
            self.purchases(of, at);
            self.notes(of, at, 1);
            self.tasks(of, at, 30);
        }
    }

    fn purchases(&mut self, of: Ref, since: i64) {
        for _ in 0..self.dice.below(4) {
            let at = self.dice.between(since, LAST_AT);
            let (element, catalog) = *self.dice.pick(&self.goods.clone());
            let user = self.user();
            let id = self.world.transactions.next_id();
            let quantity = self.some_quantity();
            let row = Transaction {
                customer: of.id,
                price: self.dice.between(5, 900) * 100,
                comment: if self.dice.chance(40) {
                    (*self.dice.pick(words::PHRASES)).to_owned()
                } else {
                    String::new()
                },
                completed_at: at,
                created_by: user,
                updated_by: user,
                created_at: at,
                updated_at: at,
                elements: if self.dice.chance(60) { vec![(element, catalog, quantity)] } else { Vec::new() },
            };
            self.world.put_transaction(id, row);
        }
    }

    pub fn leads(&mut self, sizes: Sizes) {
        let pipelines: Vec<(u64, Vec<u64>)> = self
            .world
            .funnel
            .pipelines
            .iter()
            .map(|(id, row)| (id, row.stages.iter().filter(|stage| !stage.unsorted).map(|stage| stage.id).collect()))
            .collect();
        let reasons: Vec<u64> = self.world.funnel.loss_reasons.iter().map(|(id, _)| id).collect();
        for index in 0..sizes.leads {
            let at = self.moment(index, sizes.leads);
            let (pipeline, stages) = &pipelines[self.dice.below(pipelines.len())];
            let status = match self.dice.below(10) {
                0..=3 => *self.dice.pick(stages),
                4..=6 => WON,
                _ => LOST,
            };
            let closed = matches!(status, WON | LOST);
            let closed_at = (at + self.dice.between(86_400, 5_000_000)).min(LAST_AT);
            let own = Lead {
                price: if self.dice.chance(85) { self.dice.between(1, 900) * 500 } else { 0 },
                pipeline: *pipeline,
                status,
                loss_reason: (status == LOST).then(|| *self.dice.pick(&reasons)),
                closed_at: closed.then_some(closed_at),
                source: None,
            };
            let name = format!("{} #{}", self.dice.pick(words::DEALS), index + 1);
            let mut card = self.card(name, Own::Lead(own), at);
            if closed {
                card.updated_at = card.updated_at.max(closed_at);
            }
            card.tags = self.tags(Kind::Leads);
            card.fields = self.values(Owner::Card(Kind::Leads), index, &["UTM_SOURCE"]);
            let of = self.put(Kind::Leads, card);
            self.link_lead(of, at);
            self.notes(of, at, 4);
            self.tasks(of, at, 45);
            if self.dice.chance(10) || index == 0 {
                let file = self.dice.pick(&self.files).0.clone();
                self.world.attach_file(of, &file);
            }
        }
    }

    fn link_lead(&mut self, of: Ref, since: i64) {
        let main = self.any(Kind::Contacts);
        self.world.links.link(of, main, true, None);
        self.link_company_of(of, main);
        self.talk(of.id, main.id, since);
        if self.dice.chance(20) {
            let second = self.any(Kind::Contacts);
            if second != main {
                self.world.links.link(of, second, false, None);
            }
        }
        let goods = if self.dice.chance(45) { 1 + self.dice.below(3) } else { 0 };
        for _ in 0..goods {
            let (element, catalog) = *self.dice.pick(&self.goods);
            let price_id = self.dice.chance(50).then_some(812);
            let link = ElementLink { quantity: self.some_quantity(), catalog, price_id };
            self.world.links.link(of, Kind::CatalogElements.of(element), false, Some(link));
        }
    }

    fn some_quantity(&mut self) -> f64 {
        if self.dice.chance(15) { 2.5 } else { f64::from(u8::try_from(1 + self.dice.below(12)).unwrap_or(1)) }
    }

    fn link_company_of(&mut self, of: Ref, contact: Ref) {
        let company = self.world.links.linked(contact, Kind::Companies).next().map(|edge| edge.to);
        if let Some(company) = company {
            self.world.links.link(of, company, false, None);
        }
    }

    fn put(&mut self, kind: Kind, card: crate::world::card::Card) -> Ref {
        let id = self.world.cards_mut(kind).next_id();
        self.world.cards_mut(kind).put(id, card);
        kind.of(id)
    }

    /// Any record of a kind that has some: generated ids have no gaps.
    fn any(&mut self, kind: Kind) -> Ref {
        let cards = self.world.cards(kind);
        let first = cards.iter().next().map_or(0, |(id, _)| id);
        kind.of(first + self.dice.below(cards.len()) as u64)
    }
}
