//! A job's history, folded: which steps have an end, which may be under way, which are open.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::run::item;
use crate::archive::{ArchiveError, Ledger};
use crate::domain::event::{Event, Recorded, Stream};
use crate::domain::ids::JobId;
use crate::domain::job::{Item, ItemState, JobState};
use crate::domain::plan::{Plan, Step};

/// Of one job.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Progress {
    pub(in crate::engine) version: u64,
    pub(in crate::engine) state: JobState,
    /// The newest item of each step.
    pub(in crate::engine) items: BTreeMap<u32, Item>,
    /// Steps of an `Applying` that no `Applied` has closed: they may have reached the CRM.
    pub(super) under_way: Vec<u32>,
    /// Steps whose `Applying` was closed without an item: they were certainly not sent, and their entries wait for this
    /// job.
    pub(super) announced: BTreeSet<u32>,
    /// When each step was about to be sent, the last time; nothing it made is older.
    pub(in crate::engine) sent_at: BTreeMap<u32, Timestamp>,
    /// Where in the ledger that is noted.
    pub(super) sent_seq: BTreeMap<u32, u64>,
    /// Steps that were looked for in the CRM, after their outcome was lost, and have certainly made nothing.
    pub(super) absent: BTreeSet<u32>,
}

impl Progress {
    /// Of a job that nothing has happened to yet.
    pub(super) fn fresh() -> Self {
        Self {
            version: 0,
            state: JobState::Queued,
            items: BTreeMap::new(),
            under_way: Vec::new(),
            announced: BTreeSet::new(),
            sent_at: BTreeMap::new(),
            sent_seq: BTreeMap::new(),
            absent: BTreeSet::new(),
        }
    }

    pub(in crate::engine) async fn read(ledger: &dyn Ledger, id: JobId) -> Result<Self, ArchiveError> {
        let mut progress = Self::fresh();
        for recorded in ledger.read(&Stream::job(id), 0).await? {
            progress.apply(&recorded);
        }
        Ok(progress)
    }

    pub(super) fn apply(&mut self, recorded: &Recorded) {
        self.version = recorded.version;
        match &recorded.event {
            Event::JobMoved { to, .. } => {
                if self.state.is_final() && *to == JobState::Queued {
                    self.items.retain(|_, item| !is_tried_again(item));
                }
                self.state = *to;
            }
            Event::Applying { steps } => {
                self.under_way = steps.iter().map(|(step, ..)| *step).collect();
                self.sent_at.extend(steps.iter().map(|(step, ..)| (*step, recorded.at)));
                self.sent_seq.extend(steps.iter().map(|(step, ..)| (*step, recorded.seq)));
            }
            Event::Applied { items } => {
                self.announced.extend(self.under_way.drain(..));
                for item in items {
                    self.announced.remove(&item.step);
                }
                self.items.extend(items.iter().map(|item| (item.step, item.clone())));
            }
            _ => {}
        }
    }

    /// Items for the entries that wait for a job which will not go on: what was certainly not sent is let go, what may
    /// have been sent is for a person.
    pub(super) fn let_go(&self, plan: &Plan) -> Vec<Item> {
        let item = |step: &Step| {
            if self.under_way.contains(&step.number) {
                return Some(item(step, ItemState::NeedsReview, Some("outcome_unknown")));
            }
            self.announced.contains(&step.number).then(|| item(step, ItemState::Skipped, Some("cancelled")))
        };
        plan.steps.iter().filter_map(item).collect()
    }

    /// Items in this state.
    pub(super) fn count(&self, state: ItemState) -> usize {
        self.items.values().filter(|item| item.state == state).count()
    }

    /// How a job whose every step has an end has ended.
    pub(in crate::engine) fn ending(&self) -> JobState {
        match (self.count(ItemState::NeedsReview), self.count(ItemState::Failed), self.count(ItemState::Done)) {
            (1.., ..) => JobState::NeedsReview,
            (0, 0, _) => JobState::Done,
            (0, _, 0) => JobState::Failed,
            _ => JobState::Partial,
        }
    }
}

/// What a retry tries again: what failed, and what was left alone only because somebody else was at it. What may have
/// been made is never among it.
fn is_tried_again(item: &Item) -> bool {
    item.state == ItemState::Failed || (item.state == ItemState::Skipped && item.reason.as_deref() == Some("restoring"))
}
