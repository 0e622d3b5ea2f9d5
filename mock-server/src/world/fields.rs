//! Custom fields: definitions per owner (§2.10).

use std::collections::BTreeMap;

use serde_json::Value;

use super::kind::Kind;
use super::table::Table;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    Card(Kind),
    Segments,
    Catalog(u64),
}

#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "amoCRM's own four flags")]
pub struct Field {
    pub owner: Owner,
    pub name: String,
    pub code: Option<String>,
    pub value_type: String,
    pub sort: i64,
    pub computed: bool,
    pub predefined: bool,
    pub api_only: bool,
    pub required: bool,
    pub group: Option<String>,
    pub currency: Option<String>,
    pub enums: Vec<Choice>,
    /// Whatever else was sent (`settings`, `remind`, `required_statuses`…), shown back as it came.
    pub rest: BTreeMap<String, Value>,
}

#[derive(Clone, Debug)]
pub struct Choice {
    pub id: u64,
    pub value: String,
    pub code: Option<String>,
    pub sort: i64,
    /// Of a category tree.
    pub parent: Option<u64>,
}

#[derive(Clone, Debug)]
pub struct FieldGroup {
    pub id: String,
    pub owner: Owner,
    pub name: String,
    pub sort: i64,
    pub predefined: bool,
}

/// Field ids are unique in the account, enum ids too.
#[derive(Clone, Debug)]
pub struct FieldBook {
    pub fields: Table<Field>,
    pub groups: Vec<FieldGroup>,
    pub next_enum: u64,
}

impl FieldBook {
    pub fn of(&self, owner: Owner) -> impl Iterator<Item = (u64, &Field)> {
        self.fields.iter().filter(move |(_, field)| field.owner == owner)
    }

    pub fn get(&self, owner: Owner, id: u64) -> Option<&Field> {
        self.fields.get(id).filter(|field| field.owner == owner)
    }

    pub fn by_code(&self, owner: Owner, code: &str) -> Option<u64> {
        self.of(owner).find(|(_, field)| field.code.as_deref() == Some(code)).map(|(id, _)| id)
    }
}

impl Field {
    /// Types whose values are chosen from `enums`.
    pub fn is_choice(&self) -> bool {
        matches!(self.value_type.as_str(), "select" | "multiselect" | "radiobutton" | "category" | "multitext")
    }

    pub fn choice(&self, id: u64) -> Option<&Choice> {
        self.enums.iter().find(|choice| choice.id == id)
    }
}

/// Every type of §7, and where it may be defined.
pub fn type_allowed(field_type: &str, owner: Owner) -> bool {
    use Kind::{Companies, Contacts, Customers, Leads};
    let on = |kinds: &[Kind]| matches!(owner, Owner::Card(kind) if kinds.contains(&kind));
    let catalog = matches!(owner, Owner::Catalog(_));
    match field_type {
        "text" | "textarea" | "streetaddress" | "numeric" | "checkbox" | "url" | "date" | "date_time" | "select"
        | "radiobutton" | "multiselect" => true,
        "price" | "category" | "items" | "linked_entity" | "payer" | "supplier" => catalog,
        "monetary" => on(&Kind::CARDS),
        "birthday" | "smart_address" | "legal_entity" => on(&[Contacts, Leads, Companies]),
        "multitext" => on(&[Contacts, Companies]),
        "tracking_data" => on(&[Leads]),
        "chained_list" => on(&[Leads, Customers]),
        "file" => owner != Owner::Segments,
        _ => false,
    }
}
