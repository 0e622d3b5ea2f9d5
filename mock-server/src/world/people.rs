//! Users, their groups and roles.

use serde_json::Value;

use super::World;
use super::kind::Ref;

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

impl World {
    /// Whether the record is there and the acting user's role lets him delete it (§2.12).
    pub fn may_delete(&self, of: Ref) -> bool {
        let Some(card) = self.alive(of) else { return false };
        let Some(user) = self.users.get(&self.actor.user) else { return false };
        let rights = user.role.and_then(|role| self.roles.get(role)).map(|role| &role.rights);
        let letter = rights.and_then(|rights| rights[of.kind.word()]["delete"].as_str());
        match letter {
            _ if user.admin => true,
            Some("M") => card.responsible == self.actor.user,
            Some("G") => self.users.get(&card.responsible).is_some_and(|owner| owner.group == user.group),
            Some("D") => false,
            _ => true,
        }
    }
}
