//! The ground floor: what crm-undo talks about, as values. No I/O, no clock, no async.
//!
//! | file | idea |
//! | --- | --- |
//! | [`ids`] | names of operations, entries, plans, jobs, snapshots |
//! | [`record`] | a record of a CRM, and the snapshot of it |
//! | [`delete`] | what a request would destroy, and what became of it |
//! | [`event`] | everything that happens, as the ledger keeps it |
//! | [`entry`] | one record in the bin; one operation |
//! | [`restore`] | drafts, losses, differences |
//! | [`plan`] | snapshots -> waves of steps, as a value |
//! | [`job`] | a plan being applied |
//! | [`hold`] | legal holds: what may neither be forgotten nor erased |
//! | [`lifecycle`] | which state may follow which |
//! | [`review`] | what a person decides where nobody else can |
//! | [`policy`] | what may pass, what is refused |
//! | [`retention`] | what may be forgotten, and when |
//! | [`spelling`] | what a text may become before somebody acts on it |
//! | [`world`] | clock and randomness, as they are given to the floors above |

pub mod delete;
pub mod entry;
pub mod event;
pub mod hold;
pub mod ids;
pub mod job;
pub mod lifecycle;
pub mod plan;
pub mod policy;
pub mod record;
pub mod restore;
pub mod retention;
pub mod review;
pub mod spelling;
pub mod world;
