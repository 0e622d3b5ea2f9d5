//! One write to amoCRM, with old ids inside: what stands in a step of a plan.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::record::RecordRef;

/// What is written. Bodies have no id of the record itself, and ids of other records as they were in the snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// A card, a catalog element or a segment is made.
    Create {
        /// Its path word.
        object: String,
        /// Of an element: its catalog.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        catalog: Option<u64>,
        /// The item of the POST.
        body: Value,
        /// Of a closed deal: an open stage of its pipeline, through which it goes if it cannot be made closed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        open_stage: Option<u64>,
    },
    /// A note is made.
    Note {
        /// The card it hangs on.
        on: RecordRef,
        /// The item of the POST.
        body: Value,
    },
    /// A task is made.
    Task {
        /// The card it hangs on.
        on: Option<RecordRef>,
        /// The item of the POST.
        body: Value,
    },
    /// A purchase of a customer is made.
    Purchase {
        /// The customer.
        customer: RecordRef,
        /// The item of the POST.
        body: Value,
    },
    /// Two records are linked.
    Link {
        /// The side that the path names.
        from: RecordRef,
        /// The other.
        to: RecordRef,
        /// As it is written: `is_main`, `quantity`, `catalog_id`, `price_id`.
        metadata: Value,
    },
    /// A card gets tags, by name.
    Tag {
        /// The card.
        on: RecordRef,
        /// The names.
        names: Vec<String>,
    },
    /// A customer joins a segment.
    Join {
        /// The customer.
        customer: RecordRef,
        /// The segment.
        segment: RecordRef,
    },
    /// Files are attached to a card.
    Attach {
        /// The card.
        on: RecordRef,
        /// Their uuids.
        files: Vec<String>,
    },
}
