//! A record read back beside its snapshot.

use crate::crm::Successor;
use crate::domain::record::Snapshot;
use crate::domain::restore::{Difference, Loss};

/// See [`Dialect::compare`](crate::crm::Dialect::compare).
pub fn compare(_was: &Snapshot, _is: &Snapshot, _successor: Successor<'_>, _losses: &[Loss]) -> Vec<Difference> {
    // filled by the connector's change
    Vec::new()
}
