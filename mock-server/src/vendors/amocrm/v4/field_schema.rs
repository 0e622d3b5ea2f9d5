//! Definitions of custom fields: how they look and what may be written (§2.10).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::validate::{Fault, Item, id_number, missing, not_a_choice};
use crate::world::ACCOUNT_ID;
use crate::world::fields::{Choice, Field, Owner, type_allowed};
use crate::world::kind::Kind;
use crate::world::schema::sort_of;

/// Sent by clients and shown back as it came.
const KEPT: [&str; 9] = [
    "settings",
    "remind",
    "required_statuses",
    "hidden_statuses",
    "chained_lists",
    "tracking_callback",
    "search_in",
    "is_visible",
    "is_deletable",
];

/// The path of the owner's fields, below `/api/v4/`.
pub fn owner_path(owner: Owner) -> String {
    match owner {
        Owner::Card(kind) => kind.word().to_owned(),
        Owner::Segments => "customers/segments".to_owned(),
        Owner::Catalog(id) => format!("catalogs/{id}"),
    }
}

pub fn show(cx: &Cx, id: u64, field: &Field) -> Value {
    let entity_type = match field.owner {
        Owner::Card(kind) => kind.word(),
        Owner::Segments => "segments",
        Owner::Catalog(_) => "catalogs",
    };
    let mut row = json!({
        "id": id,
        "name": field.name,
        "type": field.value_type,
        "account_id": ACCOUNT_ID,
        "code": field.code,
        "sort": field.sort,
        "is_api_only": field.api_only,
        "is_required": field.required,
        "enums": choices(field),
        "group_id": field.group,
        "required_statuses": [],
        "hidden_statuses": [],
        "is_deletable": !field.predefined,
        "is_predefined": field.predefined,
        "is_visible": true,
        "entity_type": entity_type,
        "remind": null,
        "triggers": [],
        "currency": field.currency,
        "tracking_callback": null,
        "chained_lists": null,
        "search_in": null,
        "settings": null,
        "_links": cx.self_link(&format!("/api/v4/{}/custom_fields/{id}", owner_path(field.owner))),
    });
    if field.owner == Owner::Card(Kind::Leads) {
        row["is_computed"] = json!(field.computed);
    }
    if field.value_type == "category" {
        let nested = field.enums.iter().map(
            |choice| json!({"id": choice.id, "parent_id": choice.parent, "value": choice.value, "sort": choice.sort}),
        );
        row["nested"] = nested.collect();
    }
    for (key, value) in &field.rest {
        row[key] = value.clone();
    }
    row
}

fn choices(field: &Field) -> Value {
    if !field.is_choice() {
        return Value::Null;
    }
    let rows = field.enums.iter();
    rows.map(|row| json!({"id": row.id, "value": row.value, "sort": row.sort, "code": row.code})).collect()
}

/// A definition as sent; ids of new choices are given when it is applied.
#[derive(Debug, Default)]
pub struct Draft {
    pub value_type: Option<String>,
    name: Option<String>,
    code: Option<String>,
    sort: Option<i64>,
    api_only: Option<bool>,
    required: Option<bool>,
    group: Option<String>,
    currency: Option<String>,
    enums: Option<Vec<DraftChoice>>,
    rest: BTreeMap<String, Value>,
}

#[derive(Debug)]
struct DraftChoice {
    id: Option<u64>,
    value: String,
    code: Option<String>,
    sort: i64,
    parent: Option<u64>,
}

pub fn read(owner: Owner, new: bool, item: &Value) -> Result<Draft, Vec<Fault>> {
    let mut item = Item::read(item)?;
    let draft = Draft {
        value_type: item.text("type"),
        name: item.text("name"),
        code: item.text("code"),
        sort: item.number("sort"),
        api_only: item.yes("is_api_only"),
        required: item.yes("is_required"),
        group: item.text("group_id"),
        currency: item.text("currency"),
        enums: read_choices(&mut item),
        rest: KEPT.into_iter().filter_map(|key| Some((key.to_owned(), item.given(key)?.clone()))).collect(),
    };
    if new {
        if draft.name.as_deref().is_none_or(str::is_empty) {
            item.fault(missing("name"));
        }
        match &draft.value_type {
            Some(field_type) if type_allowed(field_type, owner) => {}
            Some(_) => item.fault(not_a_choice("type")),
            None => item.fault(missing("type")),
        }
    }
    item.done(draft)
}

fn read_choices(item: &mut Item) -> Option<Vec<DraftChoice>> {
    let key = if item.given("nested").is_some() { "nested" } else { "enums" };
    let rows = item.list(key)?;
    let mut choices = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let Some(value) = row.get("value").and_then(Value::as_str) else {
            item.fault(missing(format!("{key}.{index}.value")));
            continue;
        };
        choices.push(DraftChoice {
            id: row.get("id").and_then(id_number),
            value: value.to_owned(),
            code: row.get("code").and_then(Value::as_str).map(str::to_owned),
            sort: row.get("sort").and_then(Value::as_i64).unwrap_or_else(|| sort_of(index)),
            parent: row.get("parent_id").and_then(id_number),
        });
    }
    Some(choices)
}

impl Draft {
    /// A new definition.
    pub fn into_field(self, owner: Owner, next_enum: &mut u64) -> Field {
        let mut field = Field {
            owner,
            name: String::new(),
            code: None,
            value_type: self.value_type.clone().unwrap_or_default(),
            sort: 500,
            computed: false,
            predefined: false,
            api_only: false,
            required: false,
            group: None,
            currency: None,
            enums: Vec::new(),
            rest: BTreeMap::new(),
        };
        self.apply(&mut field, next_enum);
        field
    }

    /// Changes a definition; its type stays.
    pub fn apply(self, field: &mut Field, next_enum: &mut u64) {
        field.name = self.name.unwrap_or_else(|| field.name.clone());
        field.code = self.code.or_else(|| field.code.take());
        field.sort = self.sort.unwrap_or(field.sort);
        field.api_only = self.api_only.unwrap_or(field.api_only);
        field.required = self.required.unwrap_or(field.required);
        field.group = self.group.or_else(|| field.group.take());
        field.currency = self.currency.or_else(|| field.currency.take());
        field.rest.extend(self.rest);
        if let Some(drafts) = self.enums {
            let mut enums = Vec::with_capacity(drafts.len());
            for draft in drafts {
                // A choice that is not sent again is gone; an id that is not its own is a new choice.
                let known = draft.id.filter(|id| field.choice(*id).is_some());
                let id = known.unwrap_or_else(|| {
                    *next_enum += 1;
                    *next_enum - 1
                });
                let DraftChoice { value, code, sort, parent, .. } = draft;
                enums.push(Choice { id, value, code, sort, parent });
            }
            field.enums = enums;
        }
    }
}
