//! Values of custom fields, in the shape reading shows (§7).

use serde_json::{Value, json};

use super::{Generator, LAST_AT, people, words};
use crate::world::base::OPENED_AT;
use crate::world::fields::{Choice, Field, Owner};
use crate::world::kind::Kind;

impl Generator<'_> {
    /// The array of values as JSON text; `None` if this account has nothing such a field could hold.
    pub fn value(&mut self, field: &Field) -> Option<String> {
        if field.computed {
            return None;
        }
        let dice = &mut self.dice;
        let one = |value: Value| json!([{ "value": value }]);
        let values = match field.value_type.as_str() {
            "text" if field.code.as_deref() == Some("POSITION") => one(json!(dice.pick(words::POSITIONS))),
            "text" if field.code.as_deref() == Some("SKU") => one(json!(format!("A-{}", dice.digits(5)))),
            "text" => one(json!(dice.pick(words::CITIES))),
            "textarea" => one(json!(dice.pick(words::PHRASES))),
            "streetaddress" => one(json!(street(self))),
            "numeric" => one(json!(dice.between(1, 500).to_string())),
            "price" => one(json!(dice.between(100, 90_000).to_string())),
            "monetary" => one(json!(format!("{}.{}", dice.between(10, 90_000), dice.digits(2)))),
            "checkbox" => one(json!(dice.chance(60))),
            "url" => one(json!(format!("https://site{}.example/{}", dice.below(500), dice.digits(3)))),
            // Midnight in Moscow, as the date pickers there send it.
            "date" => one(json!(dice.between(OPENED_AT / 86_400, LAST_AT / 86_400) * 86_400 - 10_800)),
            "date_time" => one(json!(dice.between(OPENED_AT, LAST_AT))),
            "birthday" => one(json!(dice.between(30, 13_000) * 86_400)),
            "select" | "radiobutton" | "category" => json!([chosen(dice.pick(&field.enums))]),
            "multiselect" => {
                let mut rows: Vec<Value> = field.enums.iter().filter(|_| dice.chance(50)).map(chosen).collect();
                if rows.is_empty() {
                    rows.extend(field.enums.first().map(chosen));
                }
                Value::Array(rows)
            }
            "multitext" => self.ways_to_reach(field),
            "smart_address" => self.address(),
            "legal_entity" => one(self.legal_entity()),
            "tracking_data" => one(json!(dice.pick(words::SOURCES))),
            "file" => {
                let (uuid, version, name, size) = self.files.get(dice.below(self.files.len()))?;
                one(json!({"file_uuid": uuid, "version_uuid": version, "file_name": name, "file_size": size}))
            }
            "chained_list" => {
                let (element, catalog) = *self.goods.get(dice.below(self.goods.len()))?;
                json!([{"catalog_id": catalog, "catalog_element_id": element}])
            }
            "linked_entity" => {
                let (id, name) = self.some_contact()?;
                one(json!({"name": name, "entity_id": id, "entity_type": "contacts", "catalog_id": null}))
            }
            "payer" => {
                let (id, name) = self.some_contact()?;
                one(json!({"name": name, "entity_type": "contacts", "entity_id": id}))
            }
            "supplier" => one(json!({"entity_id": self.suppliers.get(dice.below(self.suppliers.len()))?})),
            "items" => self.invoice_lines(),
            _ => return None,
        };
        Some(values.to_string())
    }

    /// Phones, e-mail addresses or messengers; the first is what the record is known by.
    fn ways_to_reach(&mut self, field: &Field) -> Value {
        let count = 1 + usize::from(self.dice.chance(25)) + usize::from(self.dice.chance(8));
        let mut rows = Vec::new();
        for _ in 0..count {
            let name = people::name(&mut self.dice);
            let value = match field.code.as_deref() {
                Some("PHONE") => people::phone(&mut self.dice),
                Some("EMAIL") => people::email(&mut self.dice, &name),
                _ => format!("user_{}", self.dice.digits(5)),
            };
            let choice = self.dice.pick(&field.enums);
            rows.push(json!({"value": value, "enum_id": choice.id, "enum_code": choice.code}));
        }
        Value::Array(rows)
    }

    fn address(&mut self) -> Value {
        let part = |value: String, id: u64, code: &str| json!({"value": value, "enum_id": id, "enum_code": code});
        let mut rows = vec![part(street(self), 1, "address_line_1")];
        if self.dice.chance(30) {
            rows.push(part(format!("кв. {}", self.dice.between(1, 200)), 2, "address_line_2"));
        }
        let city = (*self.dice.pick(words::CITIES)).to_owned();
        rows.push(part(city, 3, "city"));
        rows.push(part(self.dice.digits(6), 5, "zip"));
        rows.push(part("RU".to_owned(), 6, "country"));
        Value::Array(rows)
    }

    fn legal_entity(&mut self) -> Value {
        let name = *self.dice.pick(words::COMPANY_WORDS);
        json!({
            "name": name,
            "entity_type": 1 + self.dice.below(2),
            "vat_id": self.dice.digits(10),
            "kpp": self.dice.digits(9),
            "address": street(self),
        })
    }

    fn invoice_lines(&mut self) -> Value {
        let mut rows = Vec::new();
        for _ in 0..=self.dice.below(3) {
            let (price, quantity, discount) =
                (self.dice.between(10, 5000), self.dice.between(1, 9), self.dice.between(0, 10));
            rows.push(json!({"value": {
                "sku": format!("A-{}", self.dice.digits(5)),
                "description": self.dice.pick(words::THINGS),
                "unit_price": price,
                "quantity": quantity,
                "unit_type": "шт",
                "discount": {"type": "amount", "value": discount},
                "vat_rate_id": 1,
                "external_uid": self.dice.digits(8),
                "is_discount_recalculated": false,
                "is_total_sum_recalculated": true,
                "total_sum": price * quantity - discount,
            }}));
        }
        Value::Array(rows)
    }

    fn some_contact(&mut self) -> Option<(u64, String)> {
        let contacts = self.world.cards(Kind::Contacts);
        let first = contacts.iter().next()?.0;
        let id = first + self.dice.below(contacts.len()) as u64;
        Some((id, contacts.get(id)?.name.clone()))
    }

    /// Segments have fields of their own.
    pub fn segments(&mut self) {
        let ids: Vec<u64> = self.world.segments.iter().map(|(id, _)| id).collect();
        for id in ids {
            let values = self.values(Owner::Segments, 0, &[]);
            if let Some(segment) = self.world.segments.get_mut(id) {
                segment.fields = values;
            }
        }
    }
}

fn chosen(choice: &Choice) -> Value {
    json!({"value": choice.value, "enum_id": choice.id, "enum_code": choice.code})
}

fn street(generator: &mut Generator) -> String {
    let dice = &mut generator.dice;
    format!("{}, {}", dice.pick(words::STREETS), dice.between(1, 180))
}
