//! What a restore can and cannot bring back: drafts, losses, differences.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plan::What;
use super::record::RecordRef;

/// Something that will not come back, or did not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Loss {
    /// The old record.
    pub record: RecordRef,
    /// The field, part or link; a path of the dialect's (`custom_fields_values.640`, `links.catalog_elements/77`).
    pub field: String,
    /// A stable word: `user_inactive`, `field_removed`, `enum_removed`, `status_removed`, `read_only`, `alive`,
    /// `parent_in_bin`, `not_supported`, `link_end_gone`, …
    pub reason: String,
    /// For people.
    pub detail: String,
}

/// One write a dialect would make to bring a record back, with old ids inside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DraftStep {
    /// Steps of a lower wave are finished before this one begins.
    pub wave: u8,
    /// Recreate or relink or set.
    pub what: What,
    /// What the step concerns: the record itself, or a note, task or link of it.
    pub record: RecordRef,
    /// Records that must be alive, under their old or their new id, when this step is applied.
    /// A step one of whose needs is gone is left out and becomes a loss.
    pub needs: Vec<RecordRef>,
    /// The vendor's own write, opaque to everyone but the connector that made it. Old ids stand in it.
    pub write: Value,
}

/// Everything a dialect would write to bring one snapshot back, and what it knows will be lost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// Records without which this one cannot exist (a note's deal, an element's catalog).
    pub parents: Vec<RecordRef>,
    /// The first step makes the record itself.
    pub steps: Vec<DraftStep>,
    /// Known beforehand.
    pub losses: Vec<Loss>,
    /// Names of the fields that will come back.
    pub fields: Vec<String>,
}

/// A field of a restored record that, read back, is not what it was. Values are personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The old record.
    pub record: RecordRef,
    /// Path of the field.
    pub field: String,
    /// The archived value, as JSON text.
    pub was: String,
    /// The value read back, as JSON text.
    pub is: String,
}
