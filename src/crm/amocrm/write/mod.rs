//! Writing records back.
//!
//! | file | idea |
//! | --- | --- |
//! | [`surroundings`] | what drafts are made against |
//! | `pen` | sending one write, and what its answer means |
//! | `jobs` | steps -> what is sent together, in new ids |
//! | `renew` | old ids inside a body -> new ones |
//! | `create` | a batch of creates, never twice |
//! | `look` | what a create made, when its answer does not tell |
//! | `same` | which of the rows found are the ones that were sent |
//! | `found` | after a crash: what was made and not noted |
//! | `faults` | validation errors, and a body without what they name |
//! | `settle` | writes that may be repeated: links, tags, segments, files |

mod create;
mod faults;
mod found;
mod jobs;
mod look;
mod pen;
mod renew;
mod same;
mod settle;
pub mod surroundings;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use found::{candidates, find_made};
pub use same::may_have_made;
pub use surroundings::surroundings;

use self::jobs::Group;
use self::pen::Pen;
use crate::crm::{CrmError, Reach, Successor, Written};
use crate::domain::plan::Step;

/// How long a record may be missing from lists after it was made. §12.8 [U]: nobody knows; by-id reads do not lag.
pub const INDEX_DELAY: Duration = Duration::from_secs(5);

/// See [`Connector::write`](crate::crm::Connector::write).
pub async fn write(reach: Reach<'_>, steps: &[&Step], successor: Successor<'_>) -> Result<Vec<Written>, CrmError> {
    let index_delay = reach.upstream.index_delay().unwrap_or(INDEX_DELAY);
    write_with(reach, steps, successor, index_delay).await
}

/// The same with another index delay.
async fn write_with(
    reach: Reach<'_>,
    steps: &[&Step],
    successor: Successor<'_>,
    index_delay: Duration,
) -> Result<Vec<Written>, CrmError> {
    let mut pen = Pen::new(reach, index_delay, steps.len());
    for group in jobs::groups(steps, successor, &mut pen) {
        match group {
            Group::Creates(place, items) => create::create(&mut pen, &place, items).await?,
            Group::Links(object, items) => settle::links(&mut pen, &object, items).await?,
            Group::Tags(object, items) => settle::tags(&mut pen, &object, items).await?,
            Group::Joins(items) => settle::joins(&mut pen, items).await?,
            Group::Files(item) => settle::files(&mut pen, item).await?,
        }
    }
    Ok(pen.finish())
}
