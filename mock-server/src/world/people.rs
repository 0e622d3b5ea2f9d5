//! Users, their groups and roles.

use serde_json::Value;

#[derive(Clone, Debug)]
pub struct User {
    pub name: String,
    pub email: String,
    pub admin: bool,
    pub active: bool,
    pub free: bool,
    pub group: u64,
    pub role: Option<u64>,
}

#[derive(Clone, Debug)]
pub struct Role {
    pub name: String,
    /// As sent: letters by entity (§2.12).
    pub rights: Value,
}
