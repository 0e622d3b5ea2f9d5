//! What a request would destroy, and what became of it.

use serde::{Deserialize, Serialize};

use super::record::RecordRef;

/// What a dialect makes of a request. Pure, three-valued, fails closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// It would destroy something, and we know what.
    Delete(DeleteIntent),
    /// It destroys nothing.
    NotADelete,
    /// It looks like a delete and cannot be read: it is refused, with this reason in plain words.
    Unreadable(String),
}

/// What a request would destroy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteIntent {
    /// Stable name of the signature, as in `docs/delete-dialects.md`: `amocrm.multiple_delete`.
    pub route: &'static str,
    /// The kind of destruction.
    pub effect: Effect,
    /// Which records.
    pub selection: Selection,
}

/// Kinds of destruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Records go, and can be brought back.
    Destroy,
    /// Links or tags go from records that stay.
    Detach,
    /// Something goes that crm-undo cannot bring back yet (a custom field, a pipeline, a webhook). Refused unless
    /// `policy.allow_unrestorable` names this word.
    Unrestorable(&'static str),
}

/// Which records a delete names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// By id, in the order of the request, without repeats.
    Ids(Vec<RecordRef>),
    /// By an expression of the vendor's; expanded and frozen to ids before anything is sent.
    Query {
        /// Kind of record.
        object: String,
        /// The vendor's own words.
        expression: String,
    },
}

/// What became of one record. A 200 may hide refusals, so this comes from reading the CRM back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fate")]
pub enum Fate {
    /// It is gone.
    Deleted,
    /// It is still there.
    Kept {
        /// The CRM's reason where it gave one, else ours.
        reason: String,
    },
    /// We could not find out. It is settled later by reading the CRM.
    Unknown,
}

/// What the CRM's answer alone says about a delete. A hint for the report; the fate comes from reading back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The answer claims success for all.
    Claimed,
    /// The answer refuses all of it (rights, 404, 405), with its reason.
    Denied(String),
    /// Some were refused, each with its reason.
    Mixed(Vec<(RecordRef, String)>),
    /// The answer does not say (5xx, HTML, cut).
    Unclear(String),
}

/// Why a request was not forwarded. The dialect words it in the vendor's own error shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status of the answer.
    pub status: u16,
    /// Stable word with a page in `docs/errors/`.
    pub code: &'static str,
    /// What happened, to which record.
    pub detail: String,
    /// What to do next.
    pub hint: String,
    /// Seconds, where waiting helps.
    pub retry_after: Option<u64>,
}
