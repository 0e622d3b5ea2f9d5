//! One batch: look once more, write down the intent, write, write down what became of it.

use super::run::{Run, Tried, item};
use crate::crm::{CrmError, Presence, Written};
use crate::domain::entry::EntryState;
use crate::domain::event::Event;
use crate::domain::job::{Item, ItemState};
use crate::domain::plan::{Step, What};
use crate::domain::record::RecordRef;
use crate::domain::restore::Loss;
use crate::engine::EngineError;
use crate::proofs::point;

impl<'a> Run<'a> {
    /// Applies steps of one wave and kind.
    pub(super) async fn batch(&mut self, steps: &[&'a Step]) -> Result<Tried, EngineError> {
        let mut settled = Vec::new();
        let mut ready = Vec::new();
        for step in steps {
            match self.hindrance(step).await? {
                Some(item) => settled.push(item),
                None => ready.push(*step),
            }
        }
        // The plan may have waited in line: what has come back on the CRM's own screens meanwhile is not made again.
        match self.roots_alive(&ready).await? {
            Ok(alive) => ready.retain(|step| {
                let is_alive = step.root && alive.contains(&step.number);
                if is_alive {
                    settled.push(item(step, ItemState::Skipped, Some("alive")));
                }
                !is_alive
            }),
            Err(error) => return self.not_looked(&ready, settled, error).await,
        }
        let mut events = Vec::new();
        if !settled.is_empty() {
            events.push(Event::Applied { items: settled });
        }
        if ready.is_empty() {
            self.append(events).await?;
            return Ok(Tried::Through);
        }
        events.push(Event::Applying { steps: ready.iter().map(|step| (step.number, step.entry, step.root)).collect() });
        // Durable before anything is sent: after a crash these steps are looked for, never sent again blindly.
        point("batch.before_intent");
        self.append(events).await?;
        point("batch.intent");
        self.write(&ready).await
    }

    async fn write(&mut self, ready: &[&'a Step]) -> Result<Tried, EngineError> {
        let successors = self.successors(ready).await?;
        let connector = self.connection.connector.clone();
        let written = connector.write(self.reach(), ready, &|old| successors.get(old).cloned()).await;
        let (items, tried) = match written {
            Ok(answers) => {
                let mut answers = answers.into_iter();
                let missing = || Written::Unclear("the answer did not mention it".to_owned());
                let items = ready.iter().map(|step| told(step, answers.next().unwrap_or_else(missing))).collect();
                (items, Tried::Through)
            }
            Err(CrmError::Transient { retry_after, detail }) => {
                tracing::info!(job = %self.id, steps = ready.len(), detail, "a batch was not sent");
                (Vec::new(), Tried::Later(retry_after))
            }
            Err(CrmError::Permanent { status: Some(401 | 402), detail }) => {
                tracing::warn!(job = %self.id, detail, "the CRM takes nothing from this token");
                (Vec::new(), Tried::Refused("crm_refused".to_owned()))
            }
            Err(CrmError::Permanent { detail, .. }) => {
                (ready.iter().map(|step| refused(step, "crm_refused", &detail)).collect(), Tried::Through)
            }
            Err(CrmError::Ambiguous { detail }) => {
                (ready.iter().map(|step| told(step, Written::Unclear(detail.clone()))).collect(), Tried::Through)
            }
        };
        point("batch.before_outcome");
        self.append(vec![Event::Applied { items }]).await?;
        point("batch.outcome");
        Ok(tried)
    }

    /// What keeps a step from being applied, as the item it gets instead.
    async fn hindrance(&self, step: &Step) -> Result<Option<Item>, EngineError> {
        if step.root
            && let Some(word) = self.not_in_bin(step).await?
        {
            return Ok(Some(item(step, ItemState::Skipped, Some(word))));
        }
        // It was made, and deleted again under its new name: that entry brings it back, not a second copy.
        if step.root && self.lies_in_the_bin_as_another(step).await? {
            return Ok(Some(item(step, ItemState::Skipped, Some("newer_copy"))));
        }
        for before in &step.after {
            let Some(maker) = self.makers.of_record(before).filter(|maker| maker.number != step.number) else {
                continue;
            };
            let made = self.progress.items.get(&maker.number);
            let hangs_on_it = maker.entry == step.entry && !step.root;
            match made.map(|made| (made.state, made.reason.as_deref())) {
                Some((ItemState::Done, _)) => {}
                // Somebody else has brought the record back, and with it what hangs on it.
                Some((ItemState::Skipped, Some(reason))) if hangs_on_it => {
                    return Ok(Some(item(step, ItemState::Skipped, Some(reason))));
                }
                Some((ItemState::Skipped, Some("alive" | "restored"))) => {}
                _ => return Ok(Some(item(step, ItemState::Failed, Some("need_failed")))),
            }
        }
        Ok(None)
    }

    async fn lies_in_the_bin_as_another(&self, step: &Step) -> Result<bool, EngineError> {
        let Some(newest) = self.engine.store.successor(&self.connection.name, &step.record).await? else {
            return Ok(false);
        };
        let found = self.engine.store.in_bin(&self.connection.name, &newest).await?;
        Ok(found.is_some_and(|entry| entry.id != step.entry))
    }

    /// Why a record is not made, although the plan says so: since then somebody else was faster (C3), or the law.
    async fn not_in_bin(&self, step: &Step) -> Result<Option<&'static str>, EngineError> {
        let Some(entry) = self.engine.store.entry(step.entry).await? else { return Ok(Some("forgotten")) };
        Ok(match entry.state {
            EntryState::Deleted => None,
            // It may be there already. Only a person's word, given when the plan was made, or a look that found
            // nothing lets it be made again (P4).
            EntryState::NeedsReview => {
                let announced =
                    self.plan.losses.iter().any(|loss| loss.record == step.record && loss.reason == "maybe_restored");
                (!announced && !self.progress.absent.contains(&step.number)).then_some("needs_review")
            }
            EntryState::Unknown => Some("unknown"),
            // It waits for this very job.
            EntryState::Restoring if self.progress.announced.contains(&step.number) => None,
            EntryState::Restoring => Some("restoring"),
            EntryState::Restored => Some("restored"),
            EntryState::Kept => Some("kept"),
            EntryState::Forgotten => Some("forgotten"),
            EntryState::Erased => Some("erased"),
        })
    }

    /// Numbers of the root steps whose records are there. The inner error is the CRM's.
    async fn roots_alive(&self, ready: &[&Step]) -> Result<Result<Vec<u32>, CrmError>, EngineError> {
        let roots: Vec<&Step> = ready.iter().copied().filter(|step| step.root).collect();
        if roots.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let mut names = Vec::with_capacity(roots.len());
        for root in &roots {
            let newest = self.engine.store.successor(&self.connection.name, &root.record).await?;
            names.push(newest.unwrap_or_else(|| root.record.clone()));
        }
        let presence = self.engine.presence(self.connection, crate::crm::Lane::Background, &names).await;
        Ok(presence.map(|presence| {
            let found = roots.iter().zip(presence).filter(|(_, presence)| *presence == Presence::Alive);
            found.map(|(root, _)| root.number).collect()
        }))
    }

    /// Whether the records are away could not be seen: nothing is made.
    async fn not_looked(
        &mut self,
        ready: &[&Step],
        mut settled: Vec<Item>,
        error: CrmError,
    ) -> Result<Tried, EngineError> {
        match error {
            CrmError::Transient { retry_after, .. } => Ok(Tried::Later(retry_after)),
            CrmError::Ambiguous { .. } => Ok(Tried::Later(None)),
            CrmError::Permanent { status: Some(401 | 402), .. } => Ok(Tried::Refused("crm_refused".to_owned())),
            CrmError::Permanent { detail, .. } => {
                settled.extend(ready.iter().map(|step| refused(step, "crm_refused", &detail)));
                self.append(vec![Event::Applied { items: settled }]).await?;
                Ok(Tried::Through)
            }
        }
    }
}

/// The item that an answer makes.
pub(super) fn told(step: &Step, written: Written) -> Item {
    match written {
        Written::Made(record) => made(step, record),
        Written::MadeLess(record, losses) => Item { losses, ..made(step, record) },
        Written::Done => {
            let restored_as = (step.what == What::Undelete).then(|| step.record.clone());
            Item { restored_as, ..item(step, ItemState::Done, None) }
        }
        Written::Refused { reason, detail } => refused(step, &reason, &detail),
        Written::Unclear(_) => item(step, ItemState::NeedsReview, Some("outcome_unknown")),
    }
}

pub(super) fn made(step: &Step, record: RecordRef) -> Item {
    Item { restored_as: Some(record), ..item(step, ItemState::Done, None) }
}

fn refused(step: &Step, reason: &str, detail: &str) -> Item {
    let lost = Loss {
        record: step.record.clone(),
        field: "record".to_owned(),
        reason: reason.to_owned(),
        detail: detail.to_owned(),
    };
    Item { losses: vec![lost], ..item(step, ItemState::Failed, Some(reason)) }
}
