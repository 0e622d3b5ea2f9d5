//! Reading records whole, in pages.

#![allow(clippy::unused_async)] // until it reads and writes

use crate::crm::{CrmError, Fetched, Presence, Reach};
use crate::domain::delete::DeleteIntent;
use crate::domain::record::RecordRef;

fn not_yet() -> CrmError {
    CrmError::Permanent { status: None, detail: "this build cannot read amoCRM yet".to_owned() }
}

/// See [`Connector::resolve`](crate::crm::Connector::resolve).
pub async fn resolve(_reach: Reach<'_>, _intent: &DeleteIntent) -> Result<Vec<RecordRef>, CrmError> {
    Err(not_yet())
}

/// See [`Connector::fetch`](crate::crm::Connector::fetch).
pub async fn fetch(_reach: Reach<'_>, _records: &[RecordRef]) -> Result<Vec<Fetched>, CrmError> {
    Err(not_yet())
}

/// See [`Connector::presence`](crate::crm::Connector::presence).
pub async fn presence(_reach: Reach<'_>, _records: &[RecordRef]) -> Result<Vec<Presence>, CrmError> {
    Err(not_yet())
}
