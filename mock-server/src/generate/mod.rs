//! A believable account out of a seed: the same seed and size give the same account, byte for byte. Nothing here reads
//! the clock.
//!
//! | file | makes |
//! | --- | --- |
//! | `words` | the lists of names, places and phrases |
//! | `people` | names, phones, e-mail addresses |
//! | `values` | values of custom fields, of every type |
//! | `stock` | files, catalogs' elements |
//! | `cards` | companies, contacts, customers with purchases, deals, and their links |
//! | `timeline` | notes, tasks, talks |

mod cards;
mod people;
mod stock;
mod timeline;
mod values;
mod words;

use std::collections::HashMap;

use crate::dice::Dice;

use crate::world::World;
use crate::world::base::{ADMIN, DEACTIVATED, OPENED_AT};
use crate::world::card::Standing;
use crate::world::card::{Card, FieldValue, Own};
use crate::world::fields::{Field, Owner};
use crate::world::happenings::Actor;
use crate::world::kind::Kind;

/// The last generated moment, in the past of every clock this runs under.
const LAST_AT: i64 = OPENED_AT + 60_000_000;

/// How many of each kind there are.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    contacts: usize,
    companies: usize,
    leads: usize,
    customers: usize,
}

struct Generator<'w> {
    world: &'w mut World,
    dice: Dice,
    fields: HashMap<Owner, Vec<(u64, Field)>>,
    /// Uuid, version, name and size of each file.
    files: Vec<(String, String, String, usize)>,
    /// Parts and products: what a deal may be about.
    goods: Vec<(u64, u64)>,
    suppliers: Vec<u64>,
}

/// Fills an account that holds nothing but its schema.
pub fn fill(world: &mut World, seed: u64, contacts: usize) {
    if contacts == 0 {
        return;
    }
    let mut fields: HashMap<Owner, Vec<(u64, Field)>> = HashMap::new();
    for (id, field) in world.fields.fields.iter() {
        fields.entry(field.owner).or_default().push((id, field.clone()));
    }
    world.actor = Actor { user: ADMIN, request: None, by: "generator" };
    let sizes = Sizes {
        contacts,
        companies: contacts.div_ceil(3),
        leads: contacts + contacts.div_ceil(4) + 1,
        customers: contacts.div_ceil(8),
    };
    let dice = Dice::from_seed(seed);
    let mut generator = Generator { world, dice, fields, files: Vec::new(), goods: Vec::new(), suppliers: Vec::new() };
    generator.files();
    generator.companies(sizes);
    generator.contacts(sizes);
    generator.elements(sizes);
    generator.segments();
    generator.customers(sizes);
    generator.leads(sizes);
    // What an account is born with is no effect of anybody's request.
    world.effects.clear();
}

impl Generator<'_> {
    /// The moment of row `index` of `count`: later rows are younger, as ids are.
    fn moment(&mut self, index: usize, count: usize) -> i64 {
        let span = LAST_AT - OPENED_AT - 200_000;
        let share = |index: usize| i64::try_from(index).unwrap_or(0) * span / i64::try_from(count).unwrap_or(1).max(1);
        let (from, to) = (share(index), share(index + 1).max(share(index) + 1));
        OPENED_AT + 100_000 + self.dice.between(from, to)
    }

    /// Mostly those who work here, at times one who has left.
    fn user(&mut self) -> u64 {
        match self.dice.below(12) {
            0 => DEACTIVATED,
            1..=3 => ADMIN,
            4..=7 => 72,
            _ => 73,
        }
    }

    fn card(&mut self, name: String, own: Own, at: i64) -> Card {
        let (responsible, created_by) = (self.user(), self.user());
        let updated_at = (at + self.dice.between(0, 9_000_000)).min(LAST_AT);
        Card {
            name,
            standing: Standing::Alive,
            responsible,
            created_by,
            updated_by: responsible,
            created_at: at,
            updated_at,
            fields: Vec::new(),
            tags: Vec::new(),
            own,
        }
    }

    /// Values for a record: all of its fields now and then, a few mostly; `always` are never left out.
    fn values(&mut self, owner: Owner, index: usize, always: &[&str]) -> Vec<FieldValue> {
        let full = index < 2 || index.is_multiple_of(97);
        let fields = self.fields.remove(&owner).unwrap_or_default();
        let mut values = Vec::new();
        for (id, field) in &fields {
            let wanted = full || field.code.as_deref().is_some_and(|code| always.contains(&code)) || {
                self.dice.chance(if field.code.is_some() { 35 } else { 12 })
            };
            if wanted && let Some(text) = self.value(field) {
                values.push(FieldValue { field: *id, values: text.into() });
            }
        }
        self.fields.insert(owner, fields);
        values
    }

    fn tags(&mut self, kind: Kind) -> Vec<u64> {
        let mut tags = Vec::new();
        for _ in 0..self.dice.below(3) {
            let (name, color) = *self.dice.pick(words::TAGS);
            let color = (kind == Kind::Leads).then(|| color.to_owned());
            let (id, _) = self.world.tag_book_mut(kind).ensure(name, color);
            if !tags.contains(&id) {
                tags.push(id);
            }
        }
        tags
    }
}
