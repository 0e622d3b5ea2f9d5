//! amoCRM (Kommo abroad). Section numbers in this folder are those of the project's fact sheet on amoCRM; its marks
//! are `[D]` documented, `[P]` probed, `[U]` unverified and so a switch.
//!
//! | file | is |
//! | --- | --- |
//! | `auth, oauth` | tokens, and how they are got |
//! | `hal, paging, validate, php` | envelopes, pages, errors by path, bracketed forms |
//! | `v4` | the documented API |
//! | `private, legacy` | routes that delete, probed and only heard of |
//! | `drive` | files |
//! | `delivery` | webhooks on their way |

pub mod auth;
pub mod delivery;
mod drive;
mod hal;
mod legacy;
mod oauth;
mod paging;
mod php;
mod private;
mod v4;
mod validate;

pub use php::tree as form_tree;
pub use private::delete_catalog;
pub use v4::{edit_card, edit_note, edit_task};

use http::{Method, StatusCode};

use crate::answer::Answer;
use crate::request::Request;
use crate::state::Account;
use crate::world::World;
use crate::world::happenings::Actor;

/// What a handler works with: the account, locked, and one authenticated request.
pub struct Cx<'a> {
    pub world: &'a mut World,
    pub request: &'a Request,
    pub portion: &'a mut Portion,
}

/// How much of a batch happens; less than all of it when a `partial` fault strikes.
#[derive(Debug)]
pub struct Portion {
    part: Part,
    used: bool,
}

#[derive(Debug)]
enum Part {
    All,
    Half,
    First(usize),
}

impl Portion {
    pub fn all() -> Self {
        Self { part: Part::All, used: false }
    }

    /// `keep` records of a batch, or half of it.
    pub fn some(keep: Option<usize>) -> Self {
        Self { part: keep.map_or(Part::Half, Part::First), used: false }
    }

    pub fn was_used(&self) -> bool {
        self.used
    }

    /// How many of `batch` records happen.
    pub fn of(&mut self, batch: usize) -> usize {
        self.used |= !matches!(self.part, Part::All);
        match self.part {
            Part::All => batch,
            Part::Half => (batch / 2).max(1).min(batch),
            Part::First(keep) => keep.min(batch),
        }
    }
}

/// Answers one request to the account.
pub fn answer(account: &mut Account, request: &Request, portion: &mut Portion) -> Answer {
    let segments = request.segments();
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    if let ["oauth2", rest @ ..] = path.as_slice() {
        return oauth::route(account, request, rest);
    }
    let user = match account.tokens.authenticate(request, &account.world) {
        Ok(user) => user,
        Err(refusal) => return refusal,
    };
    let world = &mut account.world;
    world.actor = Actor { user, request: Some(request.seq), by: "api" };
    let writes = request.method != Method::GET && request.method != Method::HEAD;
    if world.switches.is("unpaid", "all") || (writes && world.switches.is("unpaid", "writes")) {
        return Answer::problem(StatusCode::PAYMENT_REQUIRED, "Account has not been paid");
    }
    let mut cx = Cx { world, request, portion };
    match path.as_slice() {
        ["api", "v4", rest @ ..] => v4::route(&mut cx, rest),
        ["v1.0", rest @ ..] => drive::route(&mut cx, rest),
        ["api", "v2", rest @ ..] => legacy::v2(&mut cx, rest),
        ["ajax" | "private", ..] => private::route(&mut cx, &path),
        ["contacts" | "companies" | "leads", "detail", _] => private::detail(&mut cx, &path),
        _ => hal::no_route(request),
    }
}
