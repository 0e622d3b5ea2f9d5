//! A plan is a value: shown, approved, and exactly that one is applied.
//!
//! | file | idea |
//! | --- | --- |
//! | [`planner`] | entries, drafts and what is alive -> steps in waves |
//! | `proposals` | what the drafts propose together, nothing twice |
//! | `graph` | which step needs which, and what becomes of it |
//! | [`estimate`] | what a plan will cost |

pub mod estimate;
mod graph;
pub mod planner;
mod proposals;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ids::{EntryId, OperationId, PlanId, SnapshotId};
use super::record::RecordRef;
use super::restore::Loss;

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The same id comes back.
    Undelete,
    /// A new id does.
    Recreate,
    /// A link between two live records.
    Relink,
    /// Nothing, for a reason.
    Skip,
    /// A record is destroyed.
    Delete,
    /// A value is set on a live record.
    Set,
}

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanKind {
    /// Brings entries back.
    Restore,
    /// Destroys records.
    Delete,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Position in the plan, from 0.
    pub number: u32,
    /// Steps of one wave may run together; waves follow each other.
    pub wave: u8,
    /// What it does.
    pub what: What,
    /// What it concerns, under its old name.
    pub record: RecordRef,
    /// The entry it belongs to.
    pub entry: EntryId,
    /// Whether it makes (or skips) the entry's record itself, not something that hangs on it.
    pub root: bool,
    /// Records that must be alive when it is applied, under any of their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<RecordRef>,
    /// Records that earlier steps bring back and this one needs.
    pub after: Vec<RecordRef>,
    /// For `skip`: a stable word.
    pub reason: Option<String>,
    /// The vendor's write, with old ids inside.
    pub write: Option<Value>,
}

/// Steps in waves, and what will not come back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Its name.
    pub id: PlanId,
    /// What it is for.
    pub kind: PlanKind,
    /// The connection it runs on.
    pub connection: String,
    /// The operation it undoes, where it was made for one.
    pub operation: Option<OperationId>,
    /// BLAKE3 of what would be done and from which snapshots, hexadecimal: what an approval is bound to.
    pub digest: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The entries it brings back and the snapshots it was made from.
    pub basis: Vec<(EntryId, SnapshotId)>,
    /// In order of waves.
    pub steps: Vec<Step>,
    /// What will not come back.
    pub losses: Vec<Loss>,
    /// Steps by what they do.
    pub counts: BTreeMap<What, u64>,
    /// Requests it will cost, about.
    pub requests: u64,
    /// Seconds it will take at the background share of the budget, about.
    pub eta_seconds: u64,
}

impl Plan {
    /// The digest of these steps, losses and snapshots. Ids and times of the plan itself are not in it, so that the
    /// same plan made twice has the same digest.
    pub fn digest_of(kind: PlanKind, basis: &[(EntryId, SnapshotId)], steps: &[Step], losses: &[Loss]) -> String {
        let value = serde_json::json!([kind, basis, steps, losses]);
        blake3::hash(value.to_string().as_bytes()).to_hex().to_string()
    }
}
