//! Users and roles (§2.12).

use http::StatusCode;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::{no_method, nothing};
use crate::world::people::User;

pub fn users(cx: &mut Cx, path: &[&str]) -> Answer {
    match (cx.request.method.as_str(), path) {
        ("GET", []) => {
            let ids: Vec<u64> = cx.world.users.keys().copied().collect();
            cx.page("users", &ids, |cx, id| Some(show(cx, id, cx.world.users.get(&id)?)))
        }
        ("GET", [id]) => match id.parse().ok().and_then(|id| Some((id, cx.world.users.get(&id)?))) {
            Some((id, user)) => Answer::hal(StatusCode::OK, &show(cx, id, user)),
            None => nothing(),
        },
        (_, [] | [_]) => no_method(),
        _ => cx.no_route(),
    }
}

pub fn roles(cx: &mut Cx, path: &[&str]) -> Answer {
    match (cx.request.method.as_str(), path) {
        ("GET", []) => {
            let ids: Vec<u64> = cx.world.roles.iter().map(|(id, _)| id).collect();
            cx.page("roles", &ids, show_role)
        }
        ("GET", [id]) => match id.parse().ok().and_then(|id| show_role(cx, id)) {
            Some(role) => Answer::hal(StatusCode::OK, &role),
            None => nothing(),
        },
        (_, [] | [_]) => no_method(),
        _ => cx.no_route(),
    }
}

fn show(cx: &Cx, id: u64, user: &User) -> Value {
    let letters = |all: bool| {
        let letter = if all { "A" } else { "G" };
        json!({"view": "A", "edit": letter, "add": "A", "delete": if all { "A" } else { "M" }, "export": letter})
    };
    let rights = json!({
        "leads": letters(user.admin),
        "contacts": letters(user.admin),
        "companies": letters(user.admin),
        "tasks": {"edit": if user.admin { "A" } else { "G" }, "delete": if user.admin { "A" } else { "M" }},
        "mail_access": user.admin,
        "catalog_access": true,
        "files_access": true,
        "status_rights": [],
        "is_admin": user.admin,
        "is_free": user.free,
        "is_active": user.active,
        "group_id": user.group,
        "role_id": user.role,
    });
    json!({
        "id": id,
        "name": user.name,
        "email": user.email,
        "lang": "ru",
        "rights": rights,
        "_links": cx.self_link(&format!("/api/v4/users/{id}")),
        "_embedded": {"roles": [], "groups": [{"id": user.group, "name": "Отдел продаж"}]},
    })
}

fn show_role(cx: &mut Cx, id: u64) -> Option<Value> {
    let role = cx.world.roles.get(id)?;
    let holders = cx.world.users.iter().filter(|(_, user)| user.role == Some(id)).map(|(id, _)| *id);
    Some(json!({
        "id": id,
        "name": role.name,
        "rights": role.rights,
        "_links": cx.self_link(&format!("/api/v4/roles/{id}")),
        "_embedded": {"users": holders.collect::<Vec<u64>>()},
    }))
}
