//! crm-undo: a gateway that archives every record before a delete is forwarded to the CRM, and brings it back.
//!
//! Floors, from the ground up; calls go down only (`tests/architecture.rs` reads the imports):
//!
//! ```text
//! gateway   console   cli     speak; decide nothing
//! engine                      decides; speaks no vendor's language
//! archive   crm               neighbors that never meet
//! domain                      pure: no I/O, no clock, no async
//! ```

pub mod app;
pub mod archive;
pub mod certs;
pub mod cli;
pub mod config;
pub mod console;
pub mod crm;
pub mod domain;
pub mod engine;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod gateway;
pub mod proofs;
pub mod telemetry;
