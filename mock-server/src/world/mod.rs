//! The account: every record, and the only functions that change them. Each change leaves its effect, its event and
//! its webhook (`happenings`); nothing here knows HTTP.
//!
//! | file | is |
//! | --- | --- |
//! | `base` | the account before anyone has worked in it |
//! | `schema` | the custom fields it is born with |
//! | `kind` | the kinds of records that carry links |
//! | `table` | rows by id |
//! | `card, cards, card_news` | leads, contacts, companies, customers and elements: rows, their changes, what is told of them |
//! | `catalogs` | catalogs, segments, stages of customers, purchases: rows |
//! | `channels` | sources, widgets, templates, talks: rows |
//! | `fields` | definitions of custom fields |
//! | `files` | the drive |
//! | `incoming` | leads nobody has accepted yet |
//! | `links, linking` | links, and the rules of who may have which |
//! | `merging` | two records made one |
//! | `people` | users, roles, and what they may delete |
//! | `pipelines` | pipelines, stages, loss reasons |
//! | `purchases` | purchases, and what a customer is worth |
//! | `tags` | books of tags |
//! | `timeline, timelines` | notes and tasks: rows, and their changes |
//! | `upheavals` | changes of the schema that reach into many records |
//! | `happenings` | effects and events |
//! | `hooks` | subscriptions, and what they are to be told |

pub mod base;
pub mod card;
mod card_news;
pub mod cards;
pub mod catalogs;
pub mod channels;
pub mod fields;
pub mod files;
pub mod happenings;
pub mod hooks;
pub mod incoming;
pub mod kind;
pub mod linking;
pub mod links;
mod merging;
pub mod people;
pub mod pipelines;
mod purchases;
pub mod schema;
pub mod table;
pub mod tags;
pub mod timeline;
pub mod timelines;
pub mod upheavals;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use card::{Card, Standing};
use catalogs::{Catalog, CustomerStatus, Segment, Transaction};
use channels::{Source, Talk, Template, Widget};
use fields::FieldBook;
use files::{Attachment, File, Upload};
use happenings::{Actor, Event};
use hooks::{Hook, Webhook};
use incoming::{Incoming, IncomingTally};
use kind::{Kind, Ref};
use links::Links;
use people::{Role, User};
use pipelines::Funnel;
use serde_json::{Map, Value, json};
use table::Table;
use tags::TagBook;
use timeline::{Note, Task};

use crate::clock::Clock;
use crate::ledger::Effect;
use crate::switches::Switches;

/// Ordered lists that were walked lately, so that reading an account page by page does not sort it once a page.
#[derive(Debug, Default)]
pub struct ListCache {
    rows: Vec<(u64, String, Arc<[u64]>)>,
}

impl ListCache {
    const HELD: usize = 8;

    pub fn get(&self, version: u64, key: &str) -> Option<Arc<[u64]>> {
        self.rows.iter().find(|row| row.0 == version && row.1 == key).map(|row| row.2.clone())
    }

    pub fn put(&mut self, version: u64, key: String, ids: Arc<[u64]>) {
        self.rows.retain(|row| row.0 == version && row.1 != key);
        if self.rows.len() >= Self::HELD {
            self.rows.remove(0);
        }
        self.rows.push((version, key, ids));
    }
}

/// How customers are kept (§2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomersMode {
    Segments,
    Periodicity,
    Disabled,
}

impl CustomersMode {
    pub fn word(self) -> &'static str {
        match self {
            Self::Segments => "segments",
            Self::Periodicity => "periodicity",
            Self::Disabled => "disabled",
        }
    }
}

/// The account's number in every example of the documentation we follow.
pub const ACCOUNT_ID: u64 = 31_337_000;

#[derive(Debug)]
pub struct World {
    pub clock: Clock,
    pub switches: Switches,
    pub actor: Actor,
    /// Grows with every change; caches of lists compare it.
    pub version: u64,
    cards: [Table<Card>; 5],
    pub tags: [TagBook; 4],
    pub links: Links,
    pub notes: Table<Note>,
    notes_of: HashMap<Ref, Vec<u64>>,
    pub tasks: Table<Task>,
    tasks_of: HashMap<Ref, Vec<u64>>,
    pub users: BTreeMap<u64, User>,
    pub roles: Table<Role>,
    pub funnel: Funnel,
    pub fields: FieldBook,
    pub catalogs: Table<Catalog>,
    pub segments: Table<Segment>,
    pub customer_statuses: Table<CustomerStatus>,
    pub transactions: Table<Transaction>,
    transactions_of: HashMap<u64, Vec<u64>>,
    pub files: BTreeMap<String, File>,
    uploads: BTreeMap<String, Upload>,
    attachments: HashMap<Ref, Vec<Attachment>>,
    last_attachment: u64,
    uuids: u64,
    pub customers_mode: CustomersMode,
    pub incoming: Table<Incoming>,
    pub tally: IncomingTally,
    pub sources: Table<Source>,
    pub widgets: Table<Widget>,
    pub templates: Table<Template>,
    pub talks: Table<Talk>,
    short_links: u64,
    pub events: Vec<Event>,
    pub webhooks: Table<Webhook>,
    /// What webhooks are to be told, since it was last handed over.
    pub hooks: Vec<Hook>,
    pub lists: ListCache,
    /// Effects since they were last handed to the ledger.
    pub effects: Vec<Effect>,
    /// Records that lists do not show yet, and from which millisecond on they do (`index_delay_ms`).
    not_indexed: HashMap<(&'static str, u64), i64>,
}

impl World {
    pub fn cards(&self, kind: Kind) -> &Table<Card> {
        &self.cards[kind.index()]
    }

    pub fn cards_mut(&mut self, kind: Kind) -> &mut Table<Card> {
        &mut self.cards[kind.index()]
    }

    /// The record, wherever it lies.
    pub fn card(&self, of: Ref) -> Option<&Card> {
        self.cards(of.kind).get(of.id)
    }

    pub fn card_mut(&mut self, of: Ref) -> Option<&mut Card> {
        self.cards_mut(of.kind).get_mut(of.id)
    }

    /// The record, if the API shows it.
    pub fn alive(&self, of: Ref) -> Option<&Card> {
        self.card(of).filter(|card| card.standing == Standing::Alive)
    }

    pub fn notes_of(&self, of: Ref) -> &[u64] {
        self.notes_of.get(&of).map_or(&[], Vec::as_slice)
    }

    pub fn tasks_of(&self, of: Ref) -> &[u64] {
        self.tasks_of.get(&of).map_or(&[], Vec::as_slice)
    }

    pub fn tag_book(&self, kind: Kind) -> &TagBook {
        &self.tags[kind.index().min(3)]
    }

    pub fn tag_book_mut(&mut self, kind: Kind) -> &mut TagBook {
        &mut self.tags[kind.index().min(3)]
    }

    /// Users a write may name: 0 is the robot, deactivated ones are refused (§8).
    pub fn user_may_be_named(&self, id: u64) -> bool {
        id == 0 || self.users.get(&id).is_some_and(|user| user.active)
    }

    /// When the nearest open task of a record is due.
    pub fn closest_task_at(&self, of: Ref) -> Option<i64> {
        let tasks = self.tasks_of(of).iter().filter_map(|id| self.tasks.get(*id));
        tasks.filter(|task| !task.completed && !task.deleted).map(|task| task.complete_till).min()
    }

    /// Whether a file may be named in notes and fields: it exists and is not in the trash.
    pub fn file_usable(&self, uuid: &str) -> bool {
        self.files.get(uuid).is_some_and(|file| file.deleted_at.is_none())
    }

    /// How many records of each kind the API shows, and what lies in the bin.
    pub fn counts(&self) -> Value {
        let mut counts = Map::new();
        let mut bin = 0;
        for kind in Kind::CARDS.into_iter().chain([Kind::CatalogElements]) {
            let alive = self.cards(kind).iter().filter(|(_, card)| card.standing == Standing::Alive).count();
            bin += self.cards(kind).iter().filter(|(_, card)| card.standing == Standing::Bin).count();
            counts.insert(kind.word().into(), json!(alive));
        }
        let mut put = |name: &str, count: usize| counts.insert(name.into(), json!(count));
        put("notes", self.notes.iter().filter(|(id, _)| self.living_note(*id).is_some()).count());
        put("tasks", self.tasks.iter().filter(|(id, _)| self.living_task(*id).is_some()).count());
        put("links", self.links.len());
        put("transactions", self.transactions.len());
        put("segments", self.segments.len());
        put("catalogs", self.catalogs.len());
        put("files", self.files.len());
        put("webhooks", self.webhooks.len());
        put("events", self.events.len());
        put("users", self.users.len());
        put("unsorted", self.incoming.len());
        put("talks", self.talks.len());
        put("in_bin", bin);
        Value::Object(counts)
    }

    /// The next short link leads here: `amo.sh/{this}`.
    pub fn short_link(&mut self) -> String {
        self.short_links += 1;
        crate::uuids::nth(u64::MAX / 2 + self.short_links).chars().take(7).collect()
    }

    /// Hides a new record from lists for as long as the switch says.
    fn index_later(&mut self, object: &'static str, id: u64) {
        let delay = self.switches.number("index_delay_ms");
        if delay > 0 && self.actor.by == "api" {
            let from = self.clock.now_millis() + i64::try_from(delay).unwrap_or(i64::MAX / 2);
            self.not_indexed.insert((object, id), from);
        }
    }

    /// Whether lists and filters show this record already.
    pub fn indexed(&self, object: &'static str, id: u64) -> bool {
        self.not_indexed.get(&(object, id)).is_none_or(|from| self.clock.now_millis() >= *from)
    }

    /// Whether any record may still be missing in lists; then lists must not be cached.
    pub fn index_is_behind(&mut self) -> bool {
        let now = self.clock.now_millis();
        self.not_indexed.retain(|_, from| now < *from);
        !self.not_indexed.is_empty()
    }
}
