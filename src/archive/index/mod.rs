//! Rows in sled. They only say again what the journal says, so whenever they are not right they are thrown away and
//! added up anew (`docs/archive-format.md`, "The index").
//!
//! | file | idea |
//! | --- | --- |
//! | `table` | sled as rows; changes as batches with a checkpoint |
//! | `page`, `edit`, `cache` | rows that stand together; changes of them; those that were read lately |
//! | `seal`, `redo` | compressed and sealed; changes that take several batches |
//! | `overlay`, `view` | what is not in sled yet; rows as of one commit |
//! | `truth` | frames of the journal as events and snapshots |
//! | `open` | open, catch up with the journal, or rebuild |
//! | `keeper` | commits into rows: at once in memory, a little later in sled |

mod cache;
mod edit;
pub(super) mod keeper;
pub(super) mod open;
mod overlay;
mod page;
mod redo;
mod seal;
pub(super) mod table;
pub(super) mod truth;
mod view;
