//! Steps that may have been written: a crash came between intent and outcome, or the answer was lost. They are looked
//! for in the CRM. What certainly was not made is open again; what may be there is left to a person.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::batch::made;
use super::progress::Progress;
use super::run::{Run, Stop, item};
use crate::archive::EntryFilter;
use crate::crm::{CrmError, Lane, Presence};
use crate::domain::entry::{Entry, EntryState};
use crate::domain::event::{Event, Stream};
use crate::domain::job::{Item, ItemState};
use crate::domain::plan::{Step, What};
use crate::domain::record::RecordRef;
use crate::engine::EngineError;
use crate::proofs::{bite, point};

impl<'a> Run<'a> {
    /// Settles what an earlier run of this job left in doubt. A reason to stop, if one came up meanwhile.
    pub(super) async fn settle_doubtful(&mut self) -> Result<Option<Stop>, EngineError> {
        let doubtful = self.doubtful();
        if doubtful.is_empty() {
            return Ok(None);
        }
        let (doubtful, over) = self.without_those_over(doubtful).await?;
        let mut failures = 0;
        loop {
            point("recover.before_look");
            match self.look(&doubtful).await? {
                Ok(mut items) => {
                    point("recover.looked");
                    items.extend(over);
                    let named: BTreeSet<u32> = items.iter().map(|item| item.step).collect();
                    let open = doubtful.iter().map(|step| step.number).filter(|number| !named.contains(number));
                    let open: Vec<u32> = open.collect();
                    tracing::info!(job = %self.id, settled = named.len(), open = open.len(), "steps in doubt");
                    // Closes the `Applying` that was left open, also when it names nothing.
                    self.append(vec![Event::Applied { items }]).await?;
                    for number in open {
                        self.progress.items.remove(&number);
                        self.progress.absent.insert(number);
                    }
                    return Ok(None);
                }
                Err(wait) => {
                    self.wait(wait, failures).await;
                    failures += 1;
                    if let Some(stop) = self.stop() {
                        return Ok(Some(stop));
                    }
                }
            }
        }
    }

    /// Leaves out records whose entry waits for this job no more: a person has had them restored by another one.
    async fn without_those_over(&self, steps: Vec<&'a Step>) -> Result<(Vec<&'a Step>, Vec<Item>), EngineError> {
        let (mut doubtful, mut over) = (Vec::new(), Vec::new());
        for step in steps {
            let entry = if step.root { self.engine.store.entry(step.entry).await? } else { None };
            match entry.map(|entry| entry.state) {
                Some(EntryState::Restored) => over.push(item(step, ItemState::Skipped, Some("restored"))),
                _ => doubtful.push(step),
            }
        }
        Ok((doubtful, over))
    }

    fn doubtful(&self) -> Vec<&'a Step> {
        let plan = self.plan;
        let in_review =
            |number: &u32| self.progress.items.get(number).is_some_and(|item| item.state == ItemState::NeedsReview);
        let is_doubtful = |step: &&Step| self.progress.under_way.contains(&step.number) || in_review(&step.number);
        plan.steps.iter().filter(is_doubtful).collect()
    }

    /// The steps whose end is known now; the others are open again. The inner error: the CRM cannot answer now.
    async fn look(&self, doubtful: &[&'a Step]) -> Result<Result<Vec<Item>, Option<Duration>>, EngineError> {
        let of = |what: What| doubtful.iter().copied().filter(|step| step.what == what).collect::<Vec<_>>();
        // A link that is made twice is one link, and a value set twice is one value: only records are looked for.
        let (made_anew, undeleted) = (of(What::Recreate), of(What::Undelete));
        let mut items = Vec::new();
        match self.look_for_undeleted(&undeleted).await {
            Ok(found) => items.extend(found),
            Err(wait) => return Ok(Err(wait)),
        }
        if made_anew.is_empty() {
            return Ok(Ok(items));
        }
        let capabilities = self.connection.connector.capabilities();
        // Written records show up in lists only after a while; looking earlier would take them for absent.
        self.engine.jobs.pause(self.connection.index_delay(), self.id, self.shutdown).await;
        if self.stop().is_some() {
            return Ok(Err(None));
        }
        // What was sent together is looked for together: the vendor looks at what is not older than that.
        let sent_at = |step: &&Step| self.progress.sent_at.get(&step.number).copied();
        for together in made_anew.chunk_by(|one, next| sent_at(one) == sent_at(next)) {
            // A clock that was ahead when they were sent would hide what they made: then everything is looked at.
            let is_past = |at: &Timestamp| *at <= self.engine.clock.now();
            let since = sent_at(&together[0]).filter(is_past).unwrap_or(Timestamp::UNIX_EPOCH);
            for steps in together.chunks(capabilities.write_batch.max(1)) {
                match self.look_for_made(steps, since).await? {
                    Ok(found) => items.extend(found),
                    Err(wait) => return Ok(Err(wait)),
                }
            }
        }
        Ok(Ok(claimed_once(items, &self.progress)))
    }

    async fn look_for_made(
        &self,
        steps: &[&'a Step],
        since: Timestamp,
    ) -> Result<Result<Vec<Item>, Option<Duration>>, EngineError> {
        if bite("resend_create") {
            return Ok(Ok(Vec::new()));
        }
        let successors = self.successors(steps).await?;
        let connector = &self.connection.connector;
        let found = connector.find_made(self.reach(), steps, since, &|old| successors.get(old).cloned()).await;
        Ok(match found {
            Ok(found) if found.len() == steps.len() => {
                let mut items = Vec::new();
                for (step, found) in steps.iter().zip(found) {
                    match found {
                        Some(record) => items.push(made(step, record)),
                        None if self.may_lie_in_the_bin(step).await? => {
                            items.push(item(step, ItemState::NeedsReview, Some("outcome_unknown")));
                        }
                        None => {}
                    }
                }
                Ok(items)
            }
            Err(CrmError::Transient { retry_after, .. }) => Err(retry_after),
            // It cannot be known: never sent again, a person has to look.
            Ok(_) | Err(CrmError::Permanent { .. } | CrmError::Ambiguous { .. }) => Ok(in_review(steps)),
        })
    }

    /// Whether something was deleted through the gateway since that may be what this step had made: it is not in the
    /// CRM any more, and its own entry brings it back.
    async fn may_lie_in_the_bin(&self, step: &Step) -> Result<bool, EngineError> {
        let store = &self.engine.store;
        if !step.root {
            // What hangs on a record that was made and deleted again lies in the bin with it, and comes back with it.
            let root = self.makers.of_entry(step.entry).and_then(|root| self.progress.items.get(&root.number));
            let Some(made) = root.and_then(|item| item.restored_as.as_ref()) else { return Ok(false) };
            let name = &self.connection.name;
            return Ok(store.successor(name, made).await?.is_some() || store.in_bin(name, made).await?.is_some());
        }
        // By the order of the ledger: clocks jump.
        let sent = self.progress.sent_seq.get(&step.number).copied().unwrap_or(0);
        let mut filter = EntryFilter {
            connection: Some(self.connection.name.clone()),
            object: Some(step.record.object.clone()),
            states: EntryState::ALL.to_vec(),
            limit: 200,
            ..EntryFilter::default()
        };
        loop {
            let page = store.entries(&filter).await?;
            for other in page.rows.iter().filter(|other| other.record != step.record) {
                // One that cannot be read may be anything.
                let snapshot = store.get(&other.snapshot).await.ok();
                if snapshot.is_none_or(|shown| self.connection.connector.may_have_made(step, &shown))
                    && self.noted_at(other).await? > sent
                {
                    return Ok(true);
                }
            }
            let Some(oldest) = page.rows.last() else { return Ok(false) };
            match page.next {
                Some(next) if self.noted_at(oldest).await? > sent => filter.cursor = Some(next),
                _ => return Ok(false),
            }
        }
    }

    /// Where in the ledger the delete of an entry's record was begun.
    async fn noted_at(&self, entry: &Entry) -> Result<u64, EngineError> {
        let events = self.engine.store.read(&Stream::operation(entry.operation), 0).await?;
        Ok(events.first().map_or(u64::MAX, |first| first.seq))
    }

    /// An undelete keeps the id, so looking is enough.
    async fn look_for_undeleted(&self, steps: &[&Step]) -> Result<Vec<Item>, Option<Duration>> {
        let names: Vec<RecordRef> = steps.iter().map(|step| step.record.clone()).collect();
        match self.engine.presence(self.connection, Lane::Background, &names).await {
            Ok(presence) => {
                let alive = steps.iter().zip(presence).filter(|(_, presence)| *presence == Presence::Alive);
                Ok(alive.map(|(step, _)| made(step, step.record.clone())).collect())
            }
            Err(CrmError::Transient { retry_after, .. }) => Err(retry_after),
            Err(CrmError::Permanent { .. } | CrmError::Ambiguous { .. }) => Ok(in_review(steps)),
        }
    }
}

/// A record stands for one step. Where the vendor finds one that this job has made for another step, or finds it twice,
/// two steps look alike, and a person has to tell them apart.
fn claimed_once(items: Vec<Item>, progress: &Progress) -> Vec<Item> {
    let found: BTreeSet<u32> = items.iter().map(|item| item.step).collect();
    let others = progress.items.values().filter(|item| !found.contains(&item.step));
    let mut claims: BTreeMap<RecordRef, usize> = BTreeMap::new();
    for name in others.chain(&items).filter_map(|item| item.restored_as.as_ref()) {
        *claims.entry(name.clone()).or_default() += 1;
    }
    let is_twin = |item: &Item| item.restored_as.as_ref().is_some_and(|name| claims[name] > 1);
    let doubt = |item: Item| Item {
        state: ItemState::NeedsReview,
        restored_as: None,
        reason: Some("outcome_unknown".to_owned()),
        ..item
    };
    items.into_iter().map(|item| if is_twin(&item) { doubt(item) } else { item }).collect()
}

fn in_review(steps: &[&Step]) -> Vec<Item> {
    steps.iter().map(|step| item(step, ItemState::NeedsReview, Some("outcome_unknown"))).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::ids::EntryId;
    use crate::domain::job::JobState;

    fn done(step: u32, new: &str) -> Item {
        let record = RecordRef::new("contacts", step);
        let restored_as = Some(new.parse().expect("a record"));
        let entry = EntryId(Uuid::from_u128(step.into()));
        let state = ItemState::Done;
        Item { step, record, entry, root: true, state, restored_as, reason: None, losses: Vec::new() }
    }

    #[test]
    fn a_record_that_was_found_stands_for_one_step_only() {
        let progress = Progress { items: BTreeMap::from([(1, done(1, "contacts/91"))]), ..Progress::fresh() };
        assert_eq!(progress.state, JobState::Queued);
        let found =
            vec![done(2, "contacts/91"), done(3, "contacts/93"), done(4, "contacts/94"), done(5, "contacts/94")];
        let claimed = claimed_once(found, &progress);
        let states: Vec<ItemState> = claimed.iter().map(|item| item.state).collect();
        let (done, doubt) = (ItemState::Done, ItemState::NeedsReview);
        assert_eq!(states, [doubt, done, doubt, doubt]);
        assert!(claimed[0].restored_as.is_none(), "nothing is claimed that is not known");
    }
}
