//! Creating, changing, deleting and restoring cards.

use serde_json::json;

use super::World;
use super::card::{Card, FieldValue, Own, Standing};
use super::kind::{Kind, Ref};
use super::pipelines::{LOST, WON};
use super::tags::TagRef;
use crate::ledger::What;

/// What a write says about a card; `None` leaves as is. Checked before it comes here: applying cannot fail.
#[derive(Clone, Debug, Default)]
pub struct CardPatch {
    pub name: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub responsible: Option<u64>,
    pub created_by: Option<u64>,
    pub updated_by: Option<u64>,
    pub created_at: Option<i64>,
    pub updated_at: Option<i64>,
    pub price: Option<i64>,
    pub pipeline: Option<u64>,
    pub status: Option<u64>,
    pub loss_reason: Change<u64>,
    pub closed_at: Change<i64>,
    pub source: Option<u64>,
    pub next_price: Option<i64>,
    pub next_date: Option<i64>,
    pub periodicity: Option<i64>,
    pub customer_status: Option<u64>,
    pub segments: Option<Vec<u64>>,
    pub catalog: Option<u64>,
    pub fields: FieldsPatch,
    pub tags: TagsPatch,
    /// Links made with the record: contacts with `is_main`, companies.
    pub contacts: Vec<(u64, bool)>,
    pub companies: Vec<u64>,
    /// Born in the Unsorted stage.
    pub unsorted: bool,
}

/// What a write says about a value that may also be taken away.
#[derive(Clone, Copy, Debug, Default)]
pub enum Change<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T> From<Option<T>> for Change<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Clear, Self::Set)
    }
}

#[derive(Clone, Debug, Default)]
pub enum FieldsPatch {
    #[default]
    Keep,
    ClearAll,
    /// `None` clears that field.
    Set(Vec<(u64, Option<Box<str>>)>),
}

#[derive(Clone, Debug, Default)]
pub struct TagsPatch {
    pub replace: Option<Vec<TagRef>>,
    pub add: Vec<TagRef>,
    pub delete: Vec<TagRef>,
}

impl World {
    pub fn create_card(&mut self, kind: Kind, patch: CardPatch) -> u64 {
        let id = self.cards_mut(kind).next_id();
        let of = kind.of(id);
        let now = self.clock.now();
        let created_at = patch.created_at.unwrap_or(now);
        let created_by = patch.created_by.unwrap_or(self.actor.user);
        let card = Card {
            name: String::new(),
            standing: if patch.unsorted { Standing::Unsorted } else { Standing::Alive },
            responsible: patch.responsible.unwrap_or(self.actor.user),
            created_by,
            updated_by: created_by,
            created_at,
            updated_at: now,
            fields: Vec::new(),
            tags: Vec::new(),
            own: Own::empty(kind),
        };
        self.cards_mut(kind).put(id, card);
        self.did(What::Created, kind.word(), id);
        self.index_later(kind.word(), id);
        let (contacts, companies) = (patch.contacts.clone(), patch.companies.clone());
        self.write(of, patch);
        if let Some(card) = self.card_mut(of)
            && card.name.is_empty()
            && kind == Kind::Leads
        {
            card.name = format!("Сделка #{id}");
        }
        if kind != Kind::CatalogElements {
            self.event(&format!("{}_added", kind.single()), of, json!([]), json!([]));
            self.announce("add", of, None);
        }
        for company in companies {
            self.link(of, Kind::Companies.of(company), false, None);
        }
        for (contact, main) in contacts {
            self.link(of, Kind::Contacts.of(contact), main, None);
        }
        id
    }

    pub fn change_card(&mut self, of: Ref, patch: CardPatch) {
        let Some(before) = self.card(of).cloned() else { return };
        self.did(What::Changed, of.kind.word(), of.id);
        self.write(of, patch);
        self.tell_changes(of, &before);
    }

    /// Puts the patch into the row and dates it.
    fn write(&mut self, of: Ref, patch: CardPatch) {
        let tags = self.tags_after(of, &patch.tags);
        let (now, actor) = (self.clock.now(), self.actor);
        let honored = self.switches.is("updated_at_on_write", "honored");
        let Some(card) = self.card_mut(of) else { return };
        card.tags = tags;
        card.updated_at = patch.updated_at.filter(|_| honored).unwrap_or(now);
        card.updated_by = patch.updated_by.filter(|_| honored).unwrap_or(actor.user);
        let set = |into: &mut u64, value: Option<u64>| *into = value.unwrap_or(*into);
        set(&mut card.responsible, patch.responsible);
        set(&mut card.created_by, patch.created_by);
        card.created_at = patch.created_at.unwrap_or(card.created_at);
        card.fields = fields_after(std::mem::take(&mut card.fields), patch.fields.clone());
        write_name(card, &patch);
        if let Some(lead) = card.lead_mut() {
            let was_closed = matches!(lead.status, WON | LOST);
            lead.price = patch.price.unwrap_or(lead.price);
            set(&mut lead.pipeline, patch.pipeline);
            set(&mut lead.status, patch.status);
            lead.loss_reason = match patch.loss_reason {
                Change::Keep => lead.loss_reason,
                Change::Clear => None,
                Change::Set(reason) => Some(reason),
            };
            lead.source = patch.source.or(lead.source);
            let closed = matches!(lead.status, WON | LOST);
            lead.closed_at = match patch.closed_at {
                Change::Set(at) => Some(at),
                Change::Clear => None,
                Change::Keep if closed && !was_closed => Some(now),
                Change::Keep if !closed => None,
                Change::Keep => lead.closed_at,
            };
            if !closed {
                lead.loss_reason = None;
            }
        }
        if let Some(customer) = card.customer_mut() {
            customer.next_price = patch.next_price.unwrap_or(customer.next_price);
            customer.next_date = patch.next_date.or(customer.next_date);
            customer.periodicity = patch.periodicity.unwrap_or(customer.periodicity);
            customer.status = patch.customer_status.unwrap_or(customer.status);
            if let Some(segments) = patch.segments {
                customer.segments = segments;
            }
        }
        if let (Own::Element { catalog }, Some(given)) = (&mut card.own, patch.catalog) {
            *catalog = given;
        }
    }

    fn tags_after(&mut self, of: Ref, patch: &TagsPatch) -> Vec<u64> {
        let mut tags = self.card(of).map(|card| card.tags.clone()).unwrap_or_default();
        if let Some(wanted) = &patch.replace {
            tags.clear();
            self.add_tags(of.kind, &mut tags, wanted);
        }
        self.add_tags(of.kind, &mut tags, &patch.add);
        for tag in &patch.delete {
            if let Some(id) = self.tag_book(of.kind).find(tag) {
                tags.retain(|have| *have != id);
            }
        }
        tags
    }

    fn add_tags(&mut self, kind: Kind, tags: &mut Vec<u64>, wanted: &[TagRef]) {
        for tag in wanted {
            let found = match tag {
                TagRef::Id(_) => self.tag_book(kind).find(tag),
                TagRef::Name(name) => Some(self.ensure_tag(kind, name, None)),
            };
            tags.extend(found.filter(|id| !tags.contains(id)));
        }
    }

    /// The id of the tag of this name, made if there is none.
    pub fn ensure_tag(&mut self, kind: Kind, name: &str, color: Option<String>) -> u64 {
        let (id, made) = self.tag_book_mut(kind).ensure(name, color);
        if made {
            self.did(What::Created, "tags", id);
        }
        id
    }

    /// Moves a record into the bin. Says whether it was alive.
    pub fn delete_card(&mut self, of: Ref) -> bool {
        if self.alive(of).is_none() && !self.card(of).is_some_and(|card| card.standing == Standing::Unsorted) {
            return false;
        }
        let (now, user) = (self.clock.now(), self.actor.user);
        self.announce("delete", of, None);
        if let Some(card) = self.card_mut(of) {
            card.standing = Standing::Bin;
            card.updated_at = now;
            card.updated_by = user;
        }
        self.did(What::Deleted, of.kind.word(), of.id);
        if of.kind != Kind::CatalogElements {
            self.event(&format!("{}_deleted", of.kind.single()), of, json!([]), json!([]));
        }
        if self.switches.is("cascade_bin", "delete") {
            self.delete_timeline(of);
        }
        true
    }

    /// Takes a record out of the bin, with its id, its links and its timeline: what only a person on amoCRM's own
    /// screens can do.
    pub fn restore_card(&mut self, of: Ref) -> bool {
        if !self.card(of).is_some_and(|card| card.standing == Standing::Bin) {
            return false;
        }
        let (now, user) = (self.clock.now(), self.actor.user);
        if let Some(card) = self.card_mut(of) {
            card.standing = Standing::Alive;
            card.updated_at = now;
            card.updated_by = user;
        }
        self.did(What::Restored, of.kind.word(), of.id);
        self.drop_extra_companies(of);
        if of.kind != Kind::CatalogElements {
            self.event(&format!("{}_restored", of.kind.single()), of, json!([]), json!([]));
            self.announce("restore", of, None);
        }
        true
    }

    /// Purges what has lain in the bin for longer than the switch says, and files for longer than 30 days.
    pub fn purge_bin(&mut self) {
        self.purge_files();
        let days = i64::try_from(self.switches.number("bin_retention_days")).unwrap_or(i64::MAX / 86_400);
        if days == 0 {
            return;
        }
        let before = self.clock.now() - days * 86_400;
        for kind in [Kind::Leads, Kind::Contacts, Kind::Companies, Kind::Customers, Kind::CatalogElements] {
            let old = |card: &Card| card.standing == Standing::Bin && card.updated_at < before;
            let ids: Vec<u64> = self.cards(kind).iter().filter(|(_, card)| old(card)).map(|(id, _)| id).collect();
            for id in ids {
                self.delete_timeline(kind.of(id));
                self.links.forget(kind.of(id));
                self.attachments.remove(&kind.of(id));
                self.cards_mut(kind).remove(id);
                self.version += 1;
            }
        }
    }
}

fn write_name(card: &mut Card, patch: &CardPatch) {
    let mut parts = None;
    if let Some(person) = card.person_mut() {
        if let Some(first) = &patch.first_name {
            person.first_name = first.as_str().into();
        }
        if let Some(last) = &patch.last_name {
            person.last_name = last.as_str().into();
        }
        if patch.first_name.is_some() || patch.last_name.is_some() {
            parts = Some(format!("{} {}", person.first_name, person.last_name).trim().to_owned());
        }
    }
    if let Some(name) = patch.name.clone().or(parts) {
        card.name = name;
    }
}

/// Values after a write.
pub fn fields_after(mut have: Vec<FieldValue>, patch: FieldsPatch) -> Vec<FieldValue> {
    match patch {
        FieldsPatch::Keep => have,
        FieldsPatch::ClearAll => Vec::new(),
        FieldsPatch::Set(changes) => {
            for (field, values) in changes {
                match (have.iter_mut().find(|value| value.field == field), values) {
                    (Some(value), Some(values)) => value.values = values,
                    (None, Some(values)) => have.push(FieldValue { field, values }),
                    (_, None) => have.retain(|value| value.field != field),
                }
            }
            have
        }
    }
}
