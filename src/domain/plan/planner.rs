//! Entries -> steps in waves. Pure: what is alive was read before, and is given.
//!
//! What is alive is left alone, parents come before children, a link is made once both its ends are there, and
//! whatever cannot come back is named with its reason.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::estimate::{self, Tempo};
use super::graph::{Graph, Node, Verdict};
use super::proposals::{nodes, speakers};
use super::{Plan, PlanKind, Step, What};
use crate::domain::entry::EntryState;
use crate::domain::ids::{EntryId, OperationId, PlanId, SnapshotId};
use crate::domain::record::RecordRef;
use crate::domain::restore::{Draft, DraftStep, Loss};

/// An entry somebody wants back.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The entry.
    pub entry: EntryId,
    /// Its snapshot.
    pub snapshot: SnapshotId,
    /// The record, as it was called when it was deleted.
    pub record: RecordRef,
    /// The entry's state.
    pub state: EntryState,
    /// Whether a person named this very entry. One that needs review is only tried again when it is named: naming it
    /// is the person's word that the CRM was looked at (P4).
    pub named: bool,
    /// Whether the CRM can bring the same id back; what hangs on the record then comes with it.
    pub undelete: bool,
    /// What its dialect would write; or why there is no draft: a stable word (`snapshot_damaged`).
    pub draft: Result<Draft, String>,
}

/// A link that an earlier restore had to leave out, because its other end lay in the bin.
#[derive(Clone, Debug)]
pub struct WaitingLink {
    /// The restored entry whose snapshot holds the link.
    pub entry: EntryId,
    /// Its record.
    pub record: RecordRef,
    /// The write.
    pub step: DraftStep,
}

/// How it stands with a record in the CRM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is there.
    Alive,
    /// It is not there, and an entry of it lies in the bin.
    InBin,
    /// It is nowhere.
    Gone,
}

/// What was read before planning.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Of every record the candidates, their parents and their steps name, under its newest name.
    pub standing: BTreeMap<RecordRef, Standing>,
    /// Old name -> newest name, for records that were restored before.
    pub renamed: BTreeMap<RecordRef, RecordRef>,
    /// Candidates whose record came back under another name and lies in the bin under that one, in an entry of its own.
    pub followed: BTreeSet<EntryId>,
}

impl Facts {
    /// What a record is called now.
    pub fn now<'a>(&'a self, record: &'a RecordRef) -> &'a RecordRef {
        self.renamed.get(record).unwrap_or(record)
    }

    /// How it stands with a record, under any of its names. What nobody has looked up is gone.
    pub fn of(&self, record: &RecordRef) -> Standing {
        self.standing.get(self.now(record)).copied().unwrap_or(Standing::Gone)
    }
}

/// A plan without its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Sketch {
    /// See [`Plan::basis`].
    pub basis: Vec<(EntryId, SnapshotId)>,
    /// See [`Plan::steps`].
    pub steps: Vec<Step>,
    /// See [`Plan::losses`].
    pub losses: Vec<Loss>,
    /// See [`Plan::counts`].
    pub counts: BTreeMap<What, u64>,
    /// See [`Plan::requests`].
    pub requests: u64,
    /// See [`Plan::eta_seconds`].
    pub eta_seconds: u64,
}

impl Sketch {
    /// The plan, with its digest.
    pub fn into_plan(
        self,
        id: PlanId,
        connection: &str,
        operation: Option<OperationId>,
        created_at: Timestamp,
    ) -> Plan {
        Plan {
            id,
            kind: PlanKind::Restore,
            connection: connection.to_owned(),
            operation,
            digest: Plan::digest_of(PlanKind::Restore, &self.basis, &self.steps, &self.losses),
            created_at,
            basis: self.basis,
            steps: self.steps,
            losses: self.losses,
            counts: self.counts,
            requests: self.requests,
            eta_seconds: self.eta_seconds,
        }
    }
}

/// Plans a restore. The same input in any order gives the same plan.
pub fn restore(mut candidates: Vec<Candidate>, mut waiting: Vec<WaitingLink>, facts: &Facts, tempo: Tempo) -> Sketch {
    candidates.sort_by_key(|candidate| candidate.entry);
    candidates.dedup_by_key(|candidate| candidate.entry);
    waiting.sort_by(|one, other| (one.entry, &one.step.record).cmp(&(other.entry, &other.step.record)));
    let newest = newest_entries(&candidates, facts);

    let mut losses = Vec::new();
    let mut skips: Vec<Skip> = Vec::new();
    let mut chosen = Vec::new();
    for candidate in candidates {
        let is_newest = newest.get(facts.now(&candidate.record)) == Some(&candidate.entry);
        match refusal(&candidate, is_newest, facts) {
            Some(reason) => skips.push(Skip { entry: candidate.entry, record: candidate.record, reason }),
            None => chosen.push(candidate),
        }
    }

    let graph = Graph::new(nodes(&chosen, waiting, facts), facts);
    let verdicts = graph.judge(facts);
    let speakers = speakers(&graph, &verdicts, facts);
    let mut steps = Vec::new();
    let mut basis = Vec::new();
    for (index, (node, verdict)) in graph.nodes().iter().zip(&verdicts).enumerate() {
        // Somebody else makes this link.
        let spoken_for = !node.root && speakers.get(&node.ends(facts)).is_some_and(|claim| claim.entry != node.entry);
        match verdict {
            _ if spoken_for && node.step.what == What::Relink => {}
            Verdict::Kept { wave, after } => {
                if node.root {
                    let candidate = &chosen[node.owner.expect("a root step always belongs to a candidate")];
                    basis.push((candidate.entry, candidate.snapshot));
                    losses.extend(known_losses(candidate));
                }
                let write = (node.step.what != What::Undelete).then(|| node.step.write.clone());
                steps.push((*wave, index, step_of(node, *wave, after.clone(), write)));
            }
            Verdict::Out(missing) if node.root => {
                skips.push(Skip { entry: node.entry, record: node.record.clone(), reason: missing.for_a_record() });
                losses.extend(missing.loss_of_a_record(node));
            }
            // The record itself stays away, and its skip says why; its notes need no reason of their own.
            Verdict::Out(_) if graph.root_is_out(index, &verdicts) => {}
            Verdict::Out(missing) => losses.push(missing.loss_of_a_step(node)),
        }
    }

    steps.sort_by_key(|(wave, index, _)| (*wave, *index));
    skips.sort_by_key(|skip| skip.entry);
    let steps: Vec<Step> = skips
        .into_iter()
        .map(Skip::into_step)
        .chain(steps.into_iter().map(|(_, _, step)| step))
        .zip(0_u32..)
        .map(|(step, number)| Step { number, ..step })
        .collect();
    basis.sort_unstable();
    losses.sort_unstable();
    losses.dedup();
    let mut counts = BTreeMap::new();
    for step in &steps {
        *counts.entry(step.what).or_insert(0) += 1;
    }
    let requests = estimate::requests(&steps, tempo);
    Sketch { basis, steps, losses, counts, requests, eta_seconds: estimate::seconds(requests, tempo) }
}

/// Of several entries of one record, the newest: ids sort by the time they were made.
fn newest_entries(candidates: &[Candidate], facts: &Facts) -> BTreeMap<RecordRef, EntryId> {
    let mut newest = BTreeMap::new();
    for candidate in candidates.iter().filter(|candidate| is_in_bin(candidate.state)) {
        let entry = newest.entry(facts.now(&candidate.record).clone()).or_insert(candidate.entry);
        *entry = (*entry).max(candidate.entry);
    }
    newest
}

fn is_in_bin(state: EntryState) -> bool {
    matches!(state, EntryState::Deleted | EntryState::NeedsReview)
}

/// Why a candidate is left alone, whatever hangs on it.
fn refusal(candidate: &Candidate, is_newest: bool, facts: &Facts) -> Option<String> {
    let word = match candidate.state {
        // The law outranks everything: what was erased is not even looked for.
        EntryState::Erased => "erased",
        EntryState::Forgotten => "forgotten",
        _ if facts.of(&candidate.record) == Standing::Alive => "alive",
        EntryState::Unknown => "unknown",
        EntryState::Restoring => "restoring",
        EntryState::Restored => "restored",
        EntryState::Kept => "kept",
        EntryState::NeedsReview if !candidate.named => "needs_review",
        EntryState::Deleted | EntryState::NeedsReview if !is_newest || facts.followed.contains(&candidate.entry) => {
            "newer_copy"
        }
        EntryState::Deleted | EntryState::NeedsReview => match &candidate.draft {
            Ok(draft) if !draft.steps.is_empty() || candidate.undelete => return None,
            Ok(_) => "not_supported",
            Err(reason) => return Some(reason.clone()),
        },
    };
    Some(word.to_owned())
}

/// What the dialect knows will be lost, and what the person has to know.
fn known_losses(candidate: &Candidate) -> Vec<Loss> {
    let mut losses = match &candidate.draft {
        Ok(draft) if !candidate.undelete => draft.losses.clone(),
        _ => Vec::new(),
    };
    if candidate.state == EntryState::NeedsReview {
        losses.push(Loss {
            record: candidate.record.clone(),
            field: "record".to_owned(),
            reason: "maybe_restored".to_owned(),
            detail: "an earlier attempt may have made this record already; look in the CRM before applying, or there \
                     may be two"
                .to_owned(),
        });
    }
    losses
}

fn step_of(node: &Node, wave: u8, after: Vec<RecordRef>, write: Option<serde_json::Value>) -> Step {
    Step {
        number: 0,
        wave,
        what: node.step.what,
        record: node.step.record.clone(),
        entry: node.entry,
        root: node.root,
        needs: node.step.needs.clone(),
        after,
        reason: None,
        write,
    }
}

/// An entry that is left alone.
struct Skip {
    entry: EntryId,
    record: RecordRef,
    reason: String,
}

impl Skip {
    fn into_step(self) -> Step {
        Step {
            number: 0,
            wave: 0,
            what: What::Skip,
            record: self.record,
            entry: self.entry,
            root: true,
            needs: Vec::new(),
            after: Vec::new(),
            reason: Some(self.reason),
            write: None,
        }
    }
}
