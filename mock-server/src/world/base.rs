//! The account before anyone has worked in it: people, pipelines, reasons, fields and catalogs, with fixed ids.

use std::collections::{BTreeMap, HashMap};

use super::catalogs::{Catalog, CustomerStatus, Segment};
use super::channels::Widget;
use super::happenings::Actor;
use super::people::{Role, User};
use super::pipelines::{Funnel, LossReason, Pipeline, Stage};
use super::table::Table;
use super::tags::TagBook;
use super::{CustomersMode, ListCache, World, schema};
use crate::clock::Clock;
use crate::switches::Switches;

/// Before every generated moment; the account was opened then.
pub const OPENED_AT: i64 = 1_690_000_000;

/// The user whose tokens everybody has: an administrator.
pub const ADMIN: u64 = 71;
/// A user who has left: writes that name them are refused (§8).
pub const DEACTIVATED: u64 = 74;

impl World {
    pub fn new() -> Self {
        Self {
            clock: Clock::default(),
            switches: Switches::default(),
            actor: Actor { user: ADMIN, request: None, by: "api" },
            version: 0,
            cards: [5001, 2001, 3001, 1001, 77].map(Table::starting_at),
            tags: [11, 11, 11, 11].map(TagBook::starting_at),
            links: super::links::Links::default(),
            notes: Table::starting_at(9901),
            notes_of: HashMap::new(),
            tasks: Table::starting_at(8001),
            tasks_of: HashMap::new(),
            users: users().into_iter().collect(),
            roles: roles(),
            funnel: funnel(),
            fields: schema::fields(),
            catalogs: catalogs(),
            segments: segments(),
            customer_statuses: customer_statuses(),
            transactions: Table::starting_at(6001),
            transactions_of: HashMap::new(),
            files: BTreeMap::new(),
            uploads: BTreeMap::new(),
            attachments: HashMap::new(),
            last_attachment: 0,
            uuids: 0,
            customers_mode: CustomersMode::Segments,
            incoming: Table::starting_at(1),
            tally: super::incoming::IncomingTally::default(),
            sources: Table::starting_at(65),
            widgets: widgets(),
            templates: Table::starting_at(1),
            talks: Table::starting_at(1),
            short_links: 0,
            events: Vec::new(),
            webhooks: Table::starting_at(1),
            hooks: Vec::new(),
            lists: ListCache::default(),
            effects: Vec::new(),
            not_indexed: HashMap::new(),
        }
    }
}

fn users() -> [(u64, User); 4] {
    let user = |name: &str, email: &str, admin: bool, active: bool| User {
        name: name.to_owned(),
        email: email.to_owned(),
        admin,
        active,
        free: false,
        group: 0,
        role: (!admin).then_some(51),
    };
    [
        (ADMIN, user("Марина Котова", "marina@acme.example", true, true)),
        (72, user("Ivan Petrov", "ivan@acme.example", false, true)),
        (73, user("Ольга Дёмина", "olga@acme.example", false, true)),
        (DEACTIVATED, user("Gleb Former", "gleb@acme.example", false, false)),
    ]
}

fn roles() -> Table<Role> {
    let mut roles = Table::starting_at(51);
    let letters = serde_json::json!({"view": "A", "edit": "G", "add": "A", "delete": "M", "export": "D"});
    let rights = serde_json::json!({
        "leads": letters, "contacts": letters, "companies": letters,
        "tasks": {"edit": "A", "delete": "M"},
        "mail_access": false, "catalog_access": true, "status_rights": [],
    });
    let id = roles.next_id();
    roles.put(id, Role { name: "Менеджер".to_owned(), rights });
    roles
}

type Stages = &'static [(u64, &'static str)];

/// Id, name, and stages as (id, name); ids 142 and 143 belong to all.
const PIPELINES: [(u64, &str, Stages); 3] = [
    (
        900,
        "Воронка",
        &[(32000, "Неразобранное"), (32001, "New"), (32002, "Переговоры"), (32003, "Decision"), (32004, "Договор")],
    ),
    (901, "Wholesale", &[(32100, "Incoming"), (32101, "Request"), (32102, "Offer"), (32103, "Contract")]),
    (902, "Сервис", &[(32200, "Неразобранное"), (32201, "Заявка"), (32202, "Выезд"), (32203, "Оплата")]),
];

const COLORS: [&str; 5] = ["#c1c1c1", "#99ccff", "#ffff99", "#ffcc66", "#ffcccc"];

fn funnel() -> Funnel {
    let mut pipelines = Table::starting_at(900);
    for (sort, (id, name, stages)) in (1_i64..).zip(PIPELINES) {
        let stages = stages.iter().enumerate().map(|(index, (id, name))| Stage {
            id: *id,
            name: (*name).to_owned(),
            sort: 10 * (1 + i64::try_from(index).unwrap_or(0)),
            color: COLORS[index % COLORS.len()].to_owned(),
            unsorted: index == 0,
        });
        let (name, stages) = (name.to_owned(), stages.collect());
        pipelines.put(id, Pipeline { name, sort, main: id == 900, unsorted_on: true, stages });
    }
    let mut loss_reasons = Table::starting_at(31);
    for (sort, name) in (1_i64..).zip(["Too expensive", "Пропала потребность", "Bought elsewhere", "Нет ответа"])
    {
        let id = loss_reasons.next_id();
        let (name, sort) = (name.to_owned(), sort * 100_000);
        loss_reasons.put(id, LossReason { name, sort, created_at: OPENED_AT, updated_at: OPENED_AT });
    }
    Funnel { pipelines, loss_reasons, next_stage: 32_300 }
}

fn catalogs() -> Table<Catalog> {
    let mut catalogs = Table::starting_at(4100);
    let rows = [("Parts", "regular"), ("Товары", "products"), ("Счета", "invoices"), ("Поставщики", "suppliers")];
    for (sort, (name, purpose)) in (1_i64..).zip(rows) {
        let id = catalogs.next_id();
        let catalog = Catalog {
            name: name.to_owned(),
            purpose: purpose.to_owned(),
            sort: sort * 10,
            created_by: ADMIN,
            updated_by: ADMIN,
            created_at: OPENED_AT,
            updated_at: OPENED_AT,
            can_add_elements: true,
            can_link_multiple: true,
            can_show_in_cards: false,
        };
        catalogs.put(id, catalog);
    }
    catalogs
}

fn segments() -> Table<Segment> {
    let mut segments = Table::starting_at(21);
    for (name, color) in [("Regulars", "10599d"), ("Оптовики", "ae003f"), ("Sleeping", "ed6b00")] {
        let id = segments.next_id();
        let segment = Segment {
            name: name.to_owned(),
            color: color.to_owned(),
            created_at: OPENED_AT,
            updated_at: OPENED_AT,
            available_products_price_types: Vec::new(),
            fields: Vec::new(),
        };
        segments.put(id, segment);
    }
    segments
}

fn customer_statuses() -> Table<CustomerStatus> {
    let mut statuses = Table::starting_at(14001);
    for (index, (name, system)) in
        [("Недавние", true), ("To call", false), ("Ожидаем", false), ("Потеряны", true)].into_iter().enumerate()
    {
        let id = statuses.next_id();
        let (name, color) = (name.to_owned(), COLORS[index % COLORS.len()].to_owned());
        let sort = 10 * i64::try_from(index).unwrap_or(0);
        statuses.put(id, CustomerStatus { name, sort, color, system });
    }
    statuses
}

/// Two that could be installed; none is.
fn widgets() -> Table<Widget> {
    let mut widgets = Table::starting_at(1);
    for code in ["demo_widget", "demo_telephony"] {
        let id = widgets.next_id();
        widgets.put(id, Widget { code: code.to_owned(), settings: None });
    }
    widgets
}
