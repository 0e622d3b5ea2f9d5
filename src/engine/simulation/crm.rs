//! The CRM: records with a name, a parent, notes and links; what is done to them, now or a while after it was heard; and
//! a ledger of effects.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::record::RecordRef;

/// How long what was made may be missing from lists, and how late a create may be carried out, together.
pub(super) const INDEX_DELAY: Duration = Duration::from_secs(8);

#[derive(Clone, Debug, Default)]
pub(super) struct Card {
    pub(super) name: String,
    pub(super) parent: Option<RecordRef>,
    pub(super) links: BTreeSet<RecordRef>,
    /// From when on lists show it.
    pub(super) listed: Duration,
    /// The old record it was made for: its mark.
    pub(super) made_for: Option<RecordRef>,
}

/// What changed, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// By this request of a caller.
    Deleted(u64, RecordRef),
    /// For the old record, the new one.
    Made(RecordRef, RecordRef),
    DeletedByPerson(RecordRef),
    RestoredByPerson(RecordRef),
    Edited(RecordRef),
    MadeByPerson(RecordRef),
}

/// A request as the CRM hears it.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    Read(Vec<RecordRef>),
    Present(Vec<RecordRef>),
    /// What was made for these, as far as lists show it.
    Marked(Vec<RecordRef>),
    Account,
    Delete(u64, Vec<RecordRef>),
    Make(Vec<Value>),
    Link(Vec<(RecordRef, RecordRef)>),
}

#[derive(Debug)]
struct Due {
    at: Duration,
    number: u64,
    heard: Heard,
    /// How many of its records it carries out; the answer speaks of all, or only of those if it is honest.
    only: Option<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Crm {
    pub(super) cards: BTreeMap<RecordRef, Card>,
    /// Deleted ones, as the CRM's own screens could bring them back.
    gone: BTreeMap<RecordRef, (Card, Vec<(RecordRef, Card)>)>,
    /// What cannot be deleted.
    pub(super) locked: BTreeSet<RecordRef>,
    /// What the gateway's token may not read.
    pub(super) hidden: BTreeSet<RecordRef>,
    /// What is never shown whole.
    pub(super) torn: BTreeSet<RecordRef>,
    pub(super) effects: Vec<(Duration, Effect)>,
    /// Every content a record had, and until when.
    pub(super) before: BTreeMap<RecordRef, Vec<(Duration, String)>>,
    /// When each record was last read.
    looked: BTreeMap<RecordRef, Duration>,
    queue: Vec<Due>,
    answers: BTreeMap<u64, Value>,
    numbers: u64,
    ids: u64,
    pub(super) lag: Duration,
    /// Of every record that ever was.
    pub(super) parents: BTreeMap<RecordRef, RecordRef>,
}

impl Crm {
    fn id(&mut self) -> u64 {
        self.ids += 1;
        1000 + self.ids
    }

    pub(super) fn add(&mut self, object: &str, name: &str, parent: Option<&RecordRef>) -> RecordRef {
        let record = RecordRef::new(object, self.id());
        let card = Card { name: name.to_owned(), parent: parent.cloned(), ..Card::default() };
        self.cards.insert(record.clone(), card);
        if let Some(parent) = parent {
            self.parents.insert(record.clone(), parent.clone());
        }
        record
    }

    pub(super) fn link(&mut self, one: &RecordRef, other: &RecordRef) {
        for (from, to) in [(one, other), (other, one)] {
            if let Some(card) = self.cards.get_mut(from) {
                card.links.insert(to.clone());
            }
        }
    }

    pub(super) fn notes_of(&self, record: &RecordRef) -> Vec<RecordRef> {
        let notes =
            self.cards.iter().filter(|(note, card)| note.object == "notes" && card.parent.as_ref() == Some(record));
        notes.map(|(note, _)| note.clone()).collect()
    }

    /// All of a record, as it is shown.
    pub(super) fn shown(&self, record: &RecordRef) -> Option<Value> {
        let card = self.cards.get(record)?;
        let notes: Vec<_> =
            self.notes_of(record).into_iter().map(|note| (note.to_string(), self.cards[&note].name.clone())).collect();
        Some(
            json!({"name": card.name, "made_for": card.made_for, "parent": card.parent, "notes": notes, "links": card.links, "lost": usize::from(self.torn.contains(record))}),
        )
    }

    /// Will be carried out at `at`; the number names its answer.
    pub(super) fn hears(&mut self, at: Duration, heard: Heard, only: Option<usize>) -> u64 {
        self.numbers += 1;
        self.queue.push(Due { at, number: self.numbers, heard, only });
        self.numbers
    }

    /// Carries out what is due.
    pub(super) fn until(&mut self, now: Duration) {
        loop {
            let due = self
                .queue
                .iter()
                .enumerate()
                .filter(|(_, due)| due.at <= now)
                .min_by_key(|(_, due)| (due.at, due.number));
            let Some((index, _)) = due else { return };
            let due = self.queue.remove(index);
            let answer = self.carry_out(due.at, due.heard, due.only);
            self.answers.insert(due.number, answer);
        }
    }

    pub(super) fn answer(&mut self, number: u64) -> Value {
        self.answers.remove(&number).unwrap_or_default()
    }

    fn effect(&mut self, at: Duration, effect: Effect) {
        self.effects.push((at, effect));
    }

    fn remembers(&mut self, at: Duration, record: &RecordRef) {
        if let Some(shown) = self.shown(record) {
            self.before.entry(record.clone()).or_default().push((at, shown.to_string()));
        }
    }

    fn carry_out(&mut self, at: Duration, heard: Heard, only: Option<usize>) -> Value {
        let only = only.unwrap_or(usize::MAX);
        // Not by presence: deletes read, and what a plan or a settler asks meanwhile is not what they saw.
        if let Heard::Read(records) = &heard {
            self.looked.extend(records.iter().map(|record| (record.clone(), at)));
        }
        match heard {
            Heard::Read(records) => {
                let one = |record: &RecordRef| {
                    if self.hidden.contains(record) { json!("hidden") } else { json!(self.shown(record)) }
                };
                records.iter().map(one).collect()
            }
            Heard::Present(records) => records.iter().map(|record| self.cards.contains_key(record)).collect(),
            Heard::Marked(records) => {
                let find = |record: &RecordRef| {
                    let made =
                        self.cards.iter().find(|(_, card)| card.made_for.as_ref() == Some(record) && card.listed <= at);
                    made.map(|(new, _)| new.clone())
                };
                json!(records.iter().map(find).collect::<Vec<_>>())
            }
            Heard::Account => json!({}),
            Heard::Delete(request, records) => {
                let (mut deleted, mut refused) = (Vec::new(), Vec::new());
                for (index, record) in records.into_iter().enumerate() {
                    if self.locked.contains(&record) {
                        refused.push(record);
                    } else {
                        if index < only && self.remove(at, &record) {
                            self.effect(at, Effect::Deleted(request, record.clone()));
                        }
                        deleted.push(record);
                    }
                }
                json!({"deleted": deleted, "refused": refused})
            }
            Heard::Make(items) => items.iter().take(only).map(|item| self.make(at, item)).collect(),
            Heard::Link(links) => {
                for (one, other) in &links {
                    self.link(one, other);
                }
                json!(
                    links
                        .iter()
                        .map(|(one, other)| self.cards.contains_key(one) && self.cards.contains_key(other))
                        .collect::<Vec<_>>()
                )
            }
        }
    }

    fn make(&mut self, at: Duration, item: &Value) -> Value {
        let record = |key: &str| item[key].as_str().and_then(|text| text.parse::<RecordRef>().ok());
        let (Some(of), parent) = (record("record"), record("parent")) else { return Value::Null };
        if parent.as_ref().is_some_and(|parent| !self.cards.contains_key(parent)) {
            return json!("refused");
        }
        let new = self.add(&of.object, item["name"].as_str().unwrap_or_default(), parent.as_ref());
        let card = self.cards.get_mut(&new).expect("it was added just now");
        card.made_for = Some(of.clone());
        card.listed = at + self.lag;
        self.effect(at, Effect::Made(of, new.clone()));
        json!(new)
    }

    fn remove(&mut self, at: Duration, record: &RecordRef) -> bool {
        self.remembers(at, record);
        let Some(card) = self.cards.remove(record) else { return false };
        let notes: Vec<_> = self
            .cards
            .iter()
            .filter(|(note, one)| note.object == "notes" && one.parent.as_ref() == Some(record))
            .map(|(note, _)| note.clone())
            .collect();
        let notes = notes.into_iter().filter_map(|note| self.cards.remove_entry(&note)).collect();
        for other in self.cards.values_mut() {
            other.links.remove(record);
        }
        self.gone.insert(record.clone(), (card, notes));
        true
    }

    pub(super) fn person_deletes(&mut self, at: Duration, record: &RecordRef) {
        if self.remove(at, record) {
            self.effect(at, Effect::DeletedByPerson(record.clone()));
        }
    }

    /// From the CRM's own bin: the same id.
    pub(super) fn person_restores(&mut self, at: Duration, record: &RecordRef) {
        if let Some((card, notes)) = self.gone.remove(record) {
            let links = card.links.clone();
            self.cards.insert(record.clone(), Card { links: BTreeSet::new(), ..card });
            self.cards.extend(notes);
            for other in links.iter().filter(|other| self.cards.contains_key(other)).cloned().collect::<Vec<_>>() {
                self.link(record, &other);
            }
            self.effect(at, Effect::RestoredByPerson(record.clone()));
        }
    }

    pub(super) fn person_edits(&mut self, at: Duration, record: &RecordRef, name: &str) {
        self.remembers(at, record);
        if let Some(card) = self.cards.get_mut(record) {
            name.clone_into(&mut card.name);
            self.effect(at, Effect::Edited(record.clone()));
        }
    }

    /// One that looks like another.
    pub(super) fn person_makes(&mut self, at: Duration, name: &str) {
        let record = self.add("contacts", name, None);
        self.effect(at, Effect::MadeByPerson(record));
    }

    /// When the gateway last read a record, as it does before a delete.
    pub(super) fn looked_at(&self, record: &RecordRef) -> Duration {
        self.looked.get(record).copied().unwrap_or_default()
    }

    /// Whether a person brought it back between the two, from `after` on.
    pub(super) fn was_brought_back(&self, record: &RecordRef, after: Duration, until: Duration) -> bool {
        let back = Effect::RestoredByPerson(record.clone());
        self.effects.iter().any(|(at, effect)| *effect == back && (after..=until).contains(at))
    }

    pub(super) fn how_often(&self, is_it: impl Fn(&Effect) -> bool) -> usize {
        self.effects.iter().filter(|(_, effect)| is_it(effect)).count()
    }
}
