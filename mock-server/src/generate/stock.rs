//! Files, and the elements of the account's catalogs.

use super::{Generator, Sizes, people, words};
use crate::world::base::OPENED_AT;
use crate::world::card::Own;
use crate::world::fields::Owner;
use crate::world::files::Version;
use crate::world::kind::Kind;

impl Generator<'_> {
    pub fn files(&mut self) {
        for (at, (name, content_type)) in (OPENED_AT..).zip(words::FILE_NAMES) {
            let content = format!("{name} {}", self.dice.digits(64));
            let (uuid, version) = (self.world.new_uuid(), self.world.new_uuid());
            self.files.push((uuid.clone(), version.clone(), (*name).to_owned(), content.len()));
            let version = Version {
                uuid: version,
                content_type: (*content_type).to_owned(),
                created_at: at,
                content: content.into(),
            };
            self.world.put_file(uuid, (*name).to_owned(), version);
        }
    }

    pub fn elements(&mut self, sizes: Sizes) {
        let catalogs: Vec<(u64, String)> =
            self.world.catalogs.iter().map(|(id, catalog)| (id, catalog.purpose.clone())).collect();
        // Suppliers first: invoices name them.
        for purpose in ["suppliers", "regular", "products", "invoices"] {
            for (catalog, _) in catalogs.iter().filter(|(_, of)| of == purpose) {
                let count = match purpose {
                    "suppliers" => 6,
                    "regular" => 30 + sizes.contacts / 500,
                    "products" => 20,
                    _ => 2 + sizes.contacts / 40,
                };
                for index in 0..count {
                    self.element(*catalog, purpose, index, count);
                }
            }
        }
    }

    fn element(&mut self, catalog: u64, purpose: &str, index: usize, count: usize) {
        let name = match purpose {
            "suppliers" => format!("{} Supply", self.dice.pick(words::COMPANY_WORDS)),
            "invoices" => format!("Счёт №{} {}", index + 1, people::name(&mut self.dice).whole()),
            _ => {
                let (thing, kind) = (self.dice.pick(words::THINGS), self.dice.pick(words::KINDS_OF_THINGS));
                format!("{thing} {kind} {}", index + 1)
            }
        };
        let at = self.moment(index, count);
        let mut card = self.card(name, Own::Element { catalog }, at);
        card.fields = self.values(Owner::Catalog(catalog), index, &["SKU", "PRICE", "BILL_STATUS", "ITEMS"]);
        let id = self.world.cards_mut(Kind::CatalogElements).next_id();
        self.world.cards_mut(Kind::CatalogElements).put(id, card);
        match purpose {
            "suppliers" => self.suppliers.push(id),
            "regular" | "products" => self.goods.push((id, catalog)),
            _ => {}
        }
    }
}
