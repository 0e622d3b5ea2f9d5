//! Rows in sled. They only say again what the journal says, so whenever they are not right they are thrown away and
//! added up anew (`docs/archive-format.md`, "The index").
//!
//! | file | idea |
//! | --- | --- |
//! | `table` | sled as rows; changes as batches with a checkpoint |
//! | `gathered` | changes of several commits in as few batches as can be |
//! | `truth` | frames of the journal as events and snapshots |
//! | `open` | open, catch up with the journal, or rebuild |
//! | `keeper` | the thread that brings committed frames into the rows |

mod gathered;
pub(super) mod keeper;
pub(super) mod open;
pub(super) mod table;
pub(super) mod truth;
