//! After a crash: what a batch of creates made whose outcome nobody noted.

use std::time::Duration;

use jiff::Timestamp;

use super::jobs::{self, Group};
use super::look;
use super::pen::Pen;
use super::same::{self, Found};
use crate::crm::amocrm::rows::id_at;
use crate::crm::{CrmError, Reach, Successor};
use crate::domain::plan::Step;
use crate::domain::record::RecordRef;

/// How far our clock and the CRM's may be apart, in seconds.
const CLOCKS: i64 = 600;

/// Looks for what steps that make records may have made at `since` or later; one answer for each, in the same order.
/// `None` only where nothing in the CRM can be it. Anything unclear fails the whole look: a person has to see then.
/// Lists must have had time to catch up with the writes ([`INDEX_DELAY`](super::INDEX_DELAY)).
pub async fn find_made(
    reach: Reach<'_>,
    steps: &[&Step],
    since: Timestamp,
    successor: Successor<'_>,
) -> Result<Vec<Option<RecordRef>>, CrmError> {
    let mut pen = Pen::new(reach, Duration::ZERO, steps.len());
    // A step that cannot be read was never sent.
    let mut made = vec![None; steps.len()];
    for group in jobs::groups(steps, successor, &mut pen) {
        let Group::Creates(place, items) = group else { return Err(unclear("a step makes no record")) };
        let rows = look::since(&pen, &place, since.as_second().saturating_sub(CLOCKS)).await?;
        let rows = rows.ok_or_else(|| unclear("the newest records of this kind cannot be told"))?;
        for (item, found) in items.iter().zip(same::assign(&items, &rows, &pen.made)) {
            match found {
                Found::One(id) => {
                    pen.made.insert(id);
                    made[item.at] = Some(RecordRef::new(&place.object, id));
                }
                Found::None => {}
                Found::Unclear => return Err(unclear("a newer record may be one of those that were sent")),
            }
        }
    }
    Ok(made)
}

/// Records made at `since` or later that may be what this step has made, newest first: for a person to look at.
pub async fn candidates(
    reach: Reach<'_>,
    step: &Step,
    since: Timestamp,
    successor: Successor<'_>,
) -> Result<Vec<RecordRef>, CrmError> {
    let mut pen = Pen::new(reach, Duration::ZERO, 1);
    let mut found = Vec::new();
    for group in jobs::groups(&[step], successor, &mut pen) {
        let Group::Creates(place, items) = group else { continue };
        let rows = look::since(&pen, &place, since.as_second().saturating_sub(CLOCKS)).await?;
        let rows = rows.ok_or_else(|| unclear("the newest records of this kind cannot be told"))?;
        let like = rows.iter().filter(|row| items.iter().any(|item| same::may_be(item, row)));
        found.extend(like.filter_map(|row| id_at(row, "id")).map(|id| RecordRef::new(&place.object, id)));
    }
    Ok(found)
}

fn unclear(why: &str) -> CrmError {
    CrmError::Permanent { status: None, detail: format!("what an unanswered write has made cannot be told: {why}") }
}
