//! What a job did, as read back from the CRM: a report claims nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::run::Run;
use crate::archive::ArchiveError;
use crate::crm::{CrmError, Fetched};
use crate::domain::event::Event;
use crate::domain::job::{Item, ItemState, Report, ReportedLoss};
use crate::domain::record::{Association, RecordRef, Snapshot};
use crate::domain::restore::{Difference, Loss};
use crate::engine::EngineError;

/// How often a record that was just made is looked for before its absence is believed.
const LOOKS: u32 = 3;
/// How often a CRM that cannot answer now is asked before the report is closed without it.
const TRIES: u32 = 6;

/// By record: when the other end's snapshot was taken, and the link as seen from the record.
type Remembered = BTreeMap<RecordRef, Vec<(Timestamp, Association)>>;

/// What reading back one page came to.
struct Page {
    read: Vec<Fetched>,
}

impl Run<'_> {
    /// Reads every restored record back and compares it with its snapshot. Records that are not there after all become
    /// items for a person to look at. `complete`: whether all of them could be read.
    pub(super) async fn read_back(&mut self) -> Result<(Report, bool), EngineError> {
        let done: Vec<Item> = self.progress.items.values().filter(|item| is_restored_root(item)).cloned().collect();
        let mut report = Report::default();
        let mut complete = true;
        let mut missing = Vec::new();
        let remembered = self.remembered(&done).await?;
        let mut losses: BTreeMap<RecordRef, Vec<Loss>> = BTreeMap::new();
        for lost in self.losses() {
            losses.entry(lost.loss.record.clone()).or_default().push(lost.loss);
        }
        for items in done.chunks(self.connection.connector.capabilities().read_page.clamp(1, 250)) {
            let Some(page) = self.fetch(items).await else {
                complete = false;
                continue;
            };
            for (item, fetched) in items.iter().zip(page.read) {
                match fetched {
                    Fetched::Whole(is) => {
                        report.compared += 1;
                        let losses = losses.get(&item.record).map_or(&[][..], Vec::as_slice);
                        report.differences.extend(self.compare(item, &is, losses, &remembered).await?);
                    }
                    // Deleted again through the gateway before it was read back.
                    Fetched::Absent if self.is_in_bin(item).await? => complete = false,
                    Fetched::Absent => {
                        let reason = Some("not_read_back".to_owned());
                        missing.push(Item { state: ItemState::NeedsReview, reason, ..item.clone() });
                    }
                    Fetched::Hidden(_) => complete = false,
                }
            }
        }
        if !missing.is_empty() {
            self.append(vec![Event::Applied { items: missing }]).await?;
        }
        report.losses = self.losses();
        Ok((report, complete))
    }

    async fn is_in_bin(&self, made: &Item) -> Result<bool, EngineError> {
        let Some(name) = &made.restored_as else { return Ok(false) };
        let found = self.engine.store.in_bin(&self.connection.name, name).await?;
        Ok(found.is_some_and(|entry| entry.id != made.entry))
    }

    /// One page, patiently. `None`: the CRM does not let us look.
    async fn fetch(&self, items: &[Item]) -> Option<Page> {
        let names: Vec<RecordRef> = items.iter().filter_map(|item| item.restored_as.clone()).collect();
        // By their ids they do not lag; this only bears with a CRM that is slow to show them.
        let index_delay = self.connection.index_delay().min(Duration::from_secs(5));
        let (mut failures, mut looks) = (0, 0);
        loop {
            let wait = match self.connection.connector.fetch(self.reach(), &names).await {
                Ok(read) if read.len() != names.len() => return None,
                Ok(read) => {
                    looks += 1;
                    if looks == LOOKS || !read.iter().any(|fetched| matches!(fetched, Fetched::Absent)) {
                        return Some(Page { read });
                    }
                    index_delay
                }
                Err(CrmError::Permanent { detail, .. }) => {
                    tracing::warn!(job = %self.id, detail, "restored records could not be read back");
                    return None;
                }
                Err(error) => {
                    failures += 1;
                    if failures == TRIES || self.stop().is_some() {
                        tracing::warn!(job = %self.id, %error, "restored records could not be read back");
                        return None;
                    }
                    let asked = if let CrmError::Transient { retry_after, .. } = error { retry_after } else { None };
                    asked.unwrap_or(Duration::from_secs(1 << failures)).min(Duration::from_mins(1))
                }
            };
            self.engine.jobs.pause(wait, self.id, self.shutdown).await;
        }
    }

    /// Links between records of this job as the earlier snapshot of the two remembers them. When the second record was
    /// read, the first was gone already and the link with it; the job brings it back all the same.
    async fn remembered(&self, done: &[Item]) -> Result<Remembered, EngineError> {
        let roots: BTreeSet<&RecordRef> = done.iter().map(|item| &item.record).collect();
        let mut remembered = Remembered::new();
        for item in done {
            let Some(entry) = self.engine.store.entry(item.entry).await? else { continue };
            let Ok(snapshot) = self.engine.store.get(&entry.snapshot).await else { continue };
            for link in snapshot.associations.into_iter().filter(|link| roots.contains(&link.to)) {
                let turned = Association { from: link.to.clone(), to: link.from, metadata: link.metadata };
                remembered.entry(link.to).or_default().push((snapshot.taken_at, turned));
            }
        }
        Ok(remembered)
    }

    async fn compare(
        &self,
        item: &Item,
        is: &Snapshot,
        losses: &[Loss],
        remembered: &Remembered,
    ) -> Result<Vec<Difference>, EngineError> {
        let Some(entry) = self.engine.store.entry(item.entry).await? else { return Ok(Vec::new()) };
        let mut was = match self.engine.store.get(&entry.snapshot).await {
            Ok(was) => was,
            // Erased while the job ran: nothing is left to compare with.
            Err(ArchiveError::NotFound(_) | ArchiveError::Damaged { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let earlier = remembered.get(&item.record).into_iter().flatten().filter(|(taken, _)| *taken < was.taken_at);
        let known: BTreeSet<&RecordRef> = was.associations.iter().map(|link| &link.to).collect();
        let mut links: Vec<Association> =
            earlier.filter(|(_, link)| !known.contains(&link.to)).map(|(_, link)| link.clone()).collect();
        links.append(&mut was.associations);
        was.associations = links;
        let successors = self.engine.successors_around(&was).await?;
        Ok(self.connection.connector.compare(&was, is, &|old| successors.get(old).cloned(), losses))
    }

    /// Every loss: those the plan had announced, then those found on the way.
    fn losses(&self) -> Vec<ReportedLoss> {
        let announced = self.plan.losses.iter().map(|loss| ReportedLoss { loss: loss.clone(), announced: true });
        let found = self.progress.items.values().flat_map(|item| &item.losses);
        let known: BTreeSet<&Loss> = self.plan.losses.iter().collect();
        let found = found.filter(|loss| !known.contains(loss));
        announced.chain(found.map(|loss| ReportedLoss { loss: loss.clone(), announced: false })).collect()
    }
}

/// Whether an item is the record of an entry, made by this job.
pub(super) fn is_restored_root(item: &Item) -> bool {
    item.root && item.state == ItemState::Done && item.restored_as.is_some()
}
