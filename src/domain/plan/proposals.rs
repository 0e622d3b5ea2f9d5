//! What the drafts propose together: each record made once, each link made once.

use std::collections::{BTreeMap, BTreeSet};

use super::What;
use super::graph::{Graph, Node, Verdict};
use super::planner::{Candidate, Facts, WaitingLink};
use crate::domain::ids::EntryId;
use crate::domain::record::RecordRef;
use crate::domain::restore::{Draft, DraftStep};

/// The steps of all chosen candidates, each record made once.
pub fn nodes(chosen: &[Candidate], waiting: Vec<WaitingLink>, facts: &Facts) -> Vec<Node> {
    let mut nodes = Vec::new();
    for (owner, candidate) in chosen.iter().enumerate() {
        let empty = Draft::default();
        let draft = candidate.draft.as_ref().unwrap_or(&empty);
        let mut steps = draft.steps.iter().cloned();
        let mut root = steps.next().unwrap_or_else(|| DraftStep {
            wave: 0,
            what: What::Undelete,
            record: candidate.record.clone(),
            needs: Vec::new(),
            write: serde_json::Value::Null,
        });
        root.needs.extend(draft.parents.iter().cloned());
        if candidate.undelete {
            root.what = What::Undelete;
        }
        nodes.push(Node::of(owner, candidate, true, root));
        nodes.extend(
            steps
                // The CRM's own undelete brings back what hangs on the record; links and values it may have forgotten.
                .filter(|step| !candidate.undelete || matches!(step.what, What::Relink | What::Set))
                .map(|step| Node::of(owner, candidate, false, step)),
        );
    }
    nodes.extend(waiting.into_iter().map(Node::waiting));
    made_once(nodes, facts)
}

/// Drops what two drafts make: a record that is an entry of its own as well as a part of its parent's snapshot.
fn made_once(nodes: Vec<Node>, facts: &Facts) -> Vec<Node> {
    let roots: BTreeSet<RecordRef> =
        nodes.iter().filter(|node| node.root).map(|node| facts.now(&node.step.record).clone()).collect();
    let mut made = BTreeSet::new();
    nodes
        .into_iter()
        .filter(|node| {
            let makes = matches!(node.step.what, What::Recreate | What::Undelete) && !node.root;
            let name = facts.now(&node.step.record);
            !makes || (!roots.contains(name) && made.insert(name.clone()))
        })
        .collect()
}

/// Who makes a link that several drafts remember.
#[derive(Clone, Copy)]
pub struct Claim {
    root: bool,
    says: usize,
    /// The entry that makes it.
    pub entry: EntryId,
}

/// For every link that can be made, the one entry that makes it: a link that was deleted by itself speaks first, then
/// the end that has more to say about it (the main contact), then the older entry.
pub fn speakers(graph: &Graph, verdicts: &[Verdict], facts: &Facts) -> BTreeMap<BTreeSet<RecordRef>, Claim> {
    let mut speakers: BTreeMap<BTreeSet<RecordRef>, Claim> = BTreeMap::new();
    for (node, verdict) in graph.nodes().iter().zip(verdicts) {
        if node.step.what == What::Relink && matches!(verdict, Verdict::Kept { .. }) {
            let claim = Claim { root: node.root, says: node.step.write.to_string().len(), entry: node.entry };
            let speaker = speakers.entry(node.ends(facts)).or_insert(claim);
            if (claim.root, claim.says) > (speaker.root, speaker.says) {
                *speaker = claim;
            }
        }
    }
    speakers
}
