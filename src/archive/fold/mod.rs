//! What events add up to. Pure: events and the rows there are -> changes of rows. Every store keeps the rows its own
//! way and gets the same bin from the same events.
//!
//! Rows hold ids, states and places of frames, and keyed hashes of what can be searched: no personal data. Names,
//! plans and reports are read from the frames themselves.
//!
//! | file | idea |
//! | --- | --- |
//! | [`keys`] | names of rows, so that their order is the order of lists |
//! | [`rows`] | what stands in a row; rows read and rows about to change |
//! | [`apply`] | one event, or one snapshot kept or dropped -> changes |
//! | `operations` | captured, settled, undone |
//! | `jobs` | queued, moved, applying, applied |
//! | `idmap` | old id -> new id |
//! | [`terms`] | what an entry can be found by |
//! | [`shelf`] | the questions of [`Bin`](super::Bin), answered from rows and frames |
//! | `search` | which entries may match, newest first |

pub mod apply;
mod idmap;
mod jobs;
pub mod keys;
mod operations;
pub mod rows;
mod search;
pub mod shelf;
pub mod terms;
