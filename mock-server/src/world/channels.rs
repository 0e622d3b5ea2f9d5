//! What integrations bring along: sources, widgets, chat templates, talks (§2.14).

use serde_json::Value;

#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    pub external_id: String,
    pub pipeline: u64,
    pub default: bool,
}

/// Installed when it has settings.
#[derive(Clone, Debug)]
pub struct Widget {
    pub code: String,
    pub settings: Option<Value>,
}

#[derive(Clone, Debug)]
pub struct Template {
    pub name: String,
    pub content: String,
    pub external_id: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

/// A conversation in a messenger; only amoCRM makes them.
#[derive(Clone, Debug)]
pub struct Talk {
    pub contact: u64,
    pub lead: Option<u64>,
    pub chat: String,
    pub origin: &'static str,
    pub in_work: bool,
    pub created_at: i64,
    pub updated_at: i64,
}
