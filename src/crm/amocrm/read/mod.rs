//! Reading records whole, in pages.
//!
//! Nothing here trusts a status: filters are checked row by row (§2.0: they may be ignored silently), pages are checked
//! against each other, and a record missing from a list is asked for by its id before it is called absent.
//!
//! | file | idea |
//! | --- | --- |
//! | [`row`] | one row of a page, byte for byte |
//! | [`page`] | one answer, and what it means when there is none |
//! | [`walk`] | all pages of a list, none twice, none missing |
//! | [`locate`] | records by id: list, then one by one |
//! | [`places`] | where records of each kind lie |
//! | [`hanging`] | what hangs on cards: links, notes, tasks, files, transactions |
//! | [`whole`] | a card with all that hangs on it |
//! | [`back`] | links of a card as its deals and customers see them |
//! | [`pieces`] | links, tags, segments and parts of the set-up |
//! | [`snapshot`] | rows -> snapshot: parts, manifest, title, keys |
//! | [`associations`] | who is linked with whom |
//! | [`fetch`] | records of any kind -> snapshots |
//! | [`presence`] | records of any kind -> there or not |
//! | [`version`] | whether records still are what their snapshots say |
//! | [`log`] | what the CRM's own log says was changed meanwhile |
//! | [`resolve`] | what a request would destroy, record by record |

mod associations;
mod back;
mod fetch;
mod hanging;
mod locate;
mod log;
mod page;
mod pieces;
mod places;
mod presence;
mod resolve;
mod row;
mod snapshot;
#[cfg(test)]
mod tests;
mod version;
mod walk;
mod whole;

pub use fetch::fetch;
pub use log::changed_since;
pub use presence::presence;
pub use resolve::resolve;
pub use version::unchanged;
