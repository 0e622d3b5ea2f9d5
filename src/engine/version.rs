//! The last look before a delete is sent: whether the records still are what their snapshots say, and whether those that
//! were gone still are (§ delete protocol, 4).
//!
//! Between this look and the delete lies one durable write and nothing else: the delete's turn in the account's budget is
//! taken before. What somebody changes within that gap is for [`evidence`](super::evidence).

use std::collections::HashSet;

use futures::future::try_join;
use jiff::Timestamp;
use tokio::time::Instant;

use super::stop::{Stop, refusal};
use super::{Connection, Engine};
use crate::archive::ArchiveError;
use crate::crm::upstream::Reserved;
use crate::crm::{Access, Fetched, Lane};
use crate::domain::record::{RecordRef, Snapshot};

/// How often records that are being changed are read before the delete is refused.
const ROUNDS: usize = 3;

/// When the records were last seen to be as their snapshots say, and the turn in which their delete is sent.
pub(super) struct LastLook {
    at: Instant,
    date: Timestamp,
    turn: Reserved,
}

impl LastLook {
    /// The delete leaves now. When they were looked at, and its turn.
    pub(super) fn over(self, connection: &str) -> (Timestamp, Reserved) {
        metrics::histogram!("crm_undo_version_gap_seconds", "connection" => connection.to_owned())
            .record(self.at.elapsed().as_secs_f64());
        (self.date, self.turn)
    }
}

impl Engine {
    /// The snapshots, read again as long as somebody changes the records meanwhile, within bounds.
    pub(super) async fn read_until_unchanged(
        &self,
        connection: &Connection,
        access: &Access,
        records: &[RecordRef],
    ) -> Result<(Vec<Snapshot>, LastLook), Stop> {
        let connector = &connection.connector;
        let reach = || self.reach(connection, access, Lane::Live);
        let mut fetched = connector.fetch(reach(), records).await.map_err(|error| Stop::unread(&error))?;
        let mut round = 1;
        loop {
            let snapshots = self.complete(connection, access, records, fetched.clone()).await?;
            self.store.ready().map_err(|error: ArchiveError| Stop::archive(&error))?;
            let turn = connection.upstream.reserve(Lane::Live).await.map_err(|error| Stop::unread(&error))?;
            let date = self.clock.now();
            let changed = self.changed(connection, access, records, &snapshots).await?;
            let at = Instant::now();
            if changed.is_empty() {
                return Ok((snapshots, LastLook { at, date, turn }));
            }
            drop(turn);
            metrics::counter!("crm_undo_changed_while_read_total").increment(changed.len() as u64);
            if round == ROUNDS {
                return Err(changing(&changed));
            }
            round += 1;
            let again = connector.fetch(reach(), &changed).await.map_err(|error| Stop::unread(&error))?;
            renew(&mut fetched, records, &changed, again)?;
        }
    }

    /// What no longer is as its snapshot says, and what was gone and is there again: a person may have brought it back on
    /// the CRM's own screens, and the delete that names it would destroy it once more.
    async fn changed(
        &self,
        connection: &Connection,
        access: &Access,
        records: &[RecordRef],
        snapshots: &[Snapshot],
    ) -> Result<Vec<RecordRef>, Stop> {
        let reach = || self.reach(connection, access, Lane::Live);
        let alive: HashSet<&RecordRef> = snapshots.iter().map(|snapshot| &snapshot.of).collect();
        let gone: Vec<RecordRef> = records.iter().filter(|record| !alive.contains(record)).cloned().collect();
        let same = async {
            if snapshots.is_empty() { Ok(Vec::new()) } else { connection.connector.unchanged(reach(), snapshots).await }
        };
        let now =
            async { if gone.is_empty() { Ok(Vec::new()) } else { connection.connector.fetch(reach(), &gone).await } };
        let (same, now) = try_join(same, now).await.map_err(|error| Stop::unread(&error))?;
        // An answer short of a record says nothing of it.
        let is_same = |index: usize| same.get(index).copied().unwrap_or(false);
        let is_gone = |index: usize| matches!(now.get(index), Some(Fetched::Absent));
        let changed = snapshots.iter().enumerate().filter(|(index, _)| !is_same(*index)).map(|(_, was)| &was.of);
        let back = gone.iter().enumerate().filter(|(index, _)| !is_gone(*index)).map(|(_, record)| record);
        Ok(changed.chain(back).cloned().collect())
    }
}

/// What was read of the changed ones takes the place of what was read before.
fn renew(
    fetched: &mut [Fetched],
    records: &[RecordRef],
    changed: &[RecordRef],
    again: Vec<Fetched>,
) -> Result<(), Stop> {
    if again.len() != changed.len() {
        let detail = format!("asked for {} records, the CRM told of {}", changed.len(), again.len());
        return Err(Stop::unsafe_to_delete("incomplete_snapshot", detail, changed));
    }
    for (record, new) in changed.iter().zip(again) {
        if let Some(index) = records.iter().position(|other| other == record) {
            fetched[index] = new;
        }
    }
    Ok(())
}

fn changing(records: &[RecordRef]) -> Stop {
    let list = records.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut refusal = refusal(
        409,
        "record_changing",
        format!("{list} was changed each of the {ROUNDS} times it was read; nothing of this request was sent"),
        "something writes to it all the time; send the delete again when that has ended",
    );
    refusal.retry_after = Some(5);
    Stop::Refused(refusal, records.to_vec())
}
