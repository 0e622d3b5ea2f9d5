//! Against the bundled mock CRM, in this process.
//!
//! | file | idea |
//! | --- | --- |
//! | [`world`] | a mock CRM and our way to it |
//! | [`snapshots`] | what a snapshot holds, and what it costs |
//! | [`faults`] | what goes wrong is never taken for "there is none" |
//! | [`there`] | presence after deletes |
//! | [`others`] | tasks, notes, links, tags, segments, purchases, elements |

mod faults;
mod others;
mod snapshots;
mod there;
mod world;
