//! Writing records back.

#![allow(clippy::unused_async)] // until it reads and writes

use serde_json::Value;

use crate::crm::{CrmError, Reach, Successor, Written};
use crate::domain::plan::Step;

fn not_yet() -> CrmError {
    CrmError::Permanent { status: None, detail: "this build cannot write to amoCRM yet".to_owned() }
}

/// See [`Connector::surroundings`](crate::crm::Connector::surroundings).
pub async fn surroundings(_reach: Reach<'_>) -> Result<Value, CrmError> {
    Err(not_yet())
}

/// See [`Connector::write`](crate::crm::Connector::write).
pub async fn write(_reach: Reach<'_>, _steps: &[&Step], _successor: Successor<'_>) -> Result<Vec<Written>, CrmError> {
    Err(not_yet())
}
