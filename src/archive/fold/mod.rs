//! What events add up to. Pure: events and the rows there are -> changes of rows. Every store keeps the rows its own
//! way and gets the same bin from the same events.
//!
//! Rows hold ids, states, places of frames, and the words that an entry is found by: a store keeps them sealed. Names
//! as they are shown, plans and reports are read from the frames themselves.
//!
//! | file | idea |
//! | --- | --- |
//! | [`keys`] | names of rows, so that their order is the order of lists |
//! | [`packed`] | rows as bytes |
//! | [`rows`] | what stands in a row; rows read and rows about to change |
//! | [`apply`] | one event, or one snapshot kept or dropped -> changes |
//! | `operations` | captured, settled, undone |
//! | `jobs` | queued, moved, applying, applied |
//! | `erasing` | what goes with a record, and what stays |
//! | `idmap` | old id -> new id |
//! | [`terms`] | what an entry can be found by |
//! | [`filter`] | which texts cannot match, at a glance |
//! | [`shelf`] | the questions of [`Bin`](super::Bin), answered from rows and frames |
//! | `search` | lists of few, merged |

pub mod apply;
mod erasing;
pub mod filter;
mod idmap;
mod jobs;
pub mod keys;
mod operations;
pub mod packed;
pub mod rows;
mod search;
pub mod shelf;
pub mod terms;
