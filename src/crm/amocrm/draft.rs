//! What would be written to bring a record back.

use serde_json::Value;

use crate::domain::record::Snapshot;
use crate::domain::restore::Draft;

/// See [`Dialect::draft`](crate::crm::Dialect::draft).
pub fn draft(_snapshot: &Snapshot, _surroundings: &Value) -> Draft {
    // filled by the connector's change
    Draft::default()
}
