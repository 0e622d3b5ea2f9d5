//! Against the bundled mock CRM, in this process.
//!
//! | file | idea |
//! | --- | --- |
//! | [`world`] | a mock CRM and our way to it |
//! | [`snapshots`] | what a snapshot holds, and what it costs |
//! | [`faults`] | what goes wrong is never taken for "there is none" |
//! | [`there`] | presence after deletes |
//! | [`ignored`] | filters that a CRM takes and ignores |
//! | [`pure`] | rows, parts, keys, associations: no CRM |
//! | [`others`] | tasks, notes, links, tags, segments, purchases, elements |

mod faults;
mod ignored;
mod others;
mod pure;
mod snapshots;
mod there;
mod world;
