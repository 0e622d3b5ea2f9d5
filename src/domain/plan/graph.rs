//! Which step needs which, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};

use super::What;
use super::planner::{Candidate, Facts, Standing, WaitingLink};
use crate::domain::ids::EntryId;
use crate::domain::record::RecordRef;
use crate::domain::restore::{DraftStep, Loss};

/// Parents above one another that we follow. Real trees are flat; a deeper one is a mistake or an attack (C5).
const DEEPEST: usize = 16;

/// One proposed step.
#[derive(Clone, Debug)]
pub struct Node {
    /// The candidate it belongs to; none for a link that waited.
    pub owner: Option<usize>,
    /// The entry it belongs to.
    pub entry: EntryId,
    /// That entry's record.
    pub record: RecordRef,
    /// Whether it makes that record itself.
    pub root: bool,
    /// The proposal.
    pub step: DraftStep,
}

impl Node {
    pub fn of(owner: usize, candidate: &Candidate, root: bool, step: DraftStep) -> Self {
        Self { owner: Some(owner), entry: candidate.entry, record: candidate.record.clone(), root, step }
    }

    pub fn waiting(link: WaitingLink) -> Self {
        let mut step = link.step;
        step.needs.push(link.record.clone());
        Self { owner: None, entry: link.entry, record: link.record, root: false, step }
    }

    /// What a link joins, under its newest names: both sides call it the same.
    pub fn ends(&self, facts: &Facts) -> BTreeSet<RecordRef> {
        let own = (!self.root).then_some(&self.record);
        self.step.needs.iter().chain(own).map(|end| facts.now(end).clone()).collect()
    }
}

/// What becomes of a proposed step.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is a step of the plan.
    Kept {
        /// Its wave: above those of everything it comes after.
        wave: u8,
        /// Records that steps of lower waves bring back.
        after: Vec<RecordRef>,
    },
    /// It is left out.
    Out(Missing),
}

/// What a step would have needed.
#[derive(Clone, Debug)]
pub struct Missing {
    need: RecordRef,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    TooDeep,
    Cycle,
    InBin,
    Gone,
}

impl Missing {
    /// The stable word for a record that has to stay away.
    pub fn for_a_record(&self) -> String {
        match self.why {
            Why::Gone => "parent_gone",
            Why::InBin => "parent_in_bin",
            Why::Cycle => "parent_cycle",
            Why::TooDeep => "too_deep",
        }
        .to_owned()
    }

    /// What is lost for good when a record stays away. One whose parent is in the bin can still come back.
    pub fn loss_of_a_record(&self, node: &Node) -> Option<Loss> {
        (self.why == Why::Gone).then(|| Loss {
            record: node.record.clone(),
            field: "record".to_owned(),
            reason: self.for_a_record(),
            detail: format!("{} cannot exist without {}, which is gone for good", node.record, self.need),
        })
    }

    /// What is lost when something that hangs on a restored record is left out.
    pub fn loss_of_a_step(&self, node: &Node) -> Loss {
        let need = &self.need;
        let (field, reason, detail) = match (node.step.what, self.why) {
            (What::Relink, Why::Gone) => {
                (format!("links.{need}"), "link_end_gone".to_owned(), format!("{need} is gone for good"))
            }
            (What::Relink, Why::InBin) => (
                format!("links.{need}"),
                "link_end_in_bin".to_owned(),
                format!("{need} is in the bin; the link comes back when {need} is restored"),
            ),
            _ => (
                node.step.record.to_string(),
                self.for_a_record(),
                format!("{} needs {need}, which is not there", node.step.record),
            ),
        };
        Loss { record: node.record.clone(), field, reason, detail }
    }
}

/// The proposed steps and who makes what.
#[derive(Debug)]
pub struct Graph {
    nodes: Vec<Node>,
    /// Newest name of a record -> the step that brings it back.
    makers: BTreeMap<RecordRef, usize>,
    roots: BTreeMap<usize, usize>,
}

impl Graph {
    pub fn new(nodes: Vec<Node>, facts: &Facts) -> Self {
        let mut makers = BTreeMap::new();
        let mut roots = BTreeMap::new();
        for (index, node) in nodes.iter().enumerate() {
            if node.root || matches!(node.step.what, What::Recreate | What::Undelete) {
                makers.entry(facts.now(&node.step.record).clone()).or_insert(index);
            }
            if let (true, Some(owner)) = (node.root, node.owner) {
                roots.insert(owner, index);
            }
        }
        Self { nodes, makers, roots }
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Whether a step falls with the record it hangs on.
    pub fn root_is_out(&self, index: usize, verdicts: &[Verdict]) -> bool {
        self.root_of(index).is_some_and(|root| matches!(verdicts[root], Verdict::Out(_)))
    }

    /// Judges every step after those it needs. Records left at the end need themselves in a circle, or hang below one:
    /// a circle is refused, never cut by guessing.
    pub fn judge(&self, facts: &Facts) -> Vec<Verdict> {
        let needs: Vec<BTreeSet<usize>> = (0..self.nodes.len()).map(|index| self.made_needs(index, facts)).collect();
        let mut wanted_by = vec![Vec::new(); self.nodes.len()];
        for (index, needed) in needs.iter().enumerate() {
            for maker in needed {
                wanted_by[*maker].push(index);
            }
        }
        let mut waits: Vec<usize> = needs.iter().map(BTreeSet::len).collect();
        let mut ready: Vec<usize> = (0..self.nodes.len()).filter(|index| waits[*index] == 0).collect();
        let mut verdicts: Vec<Option<Verdict>> = vec![None; self.nodes.len()];
        let mut depths = vec![0_usize; self.nodes.len()];
        loop {
            while let Some(index) = ready.pop() {
                if verdicts[index].is_none() {
                    let above = needs[index].iter().map(|maker| depths[*maker]).max().unwrap_or(0);
                    depths[index] = above + usize::from(self.nodes[index].root);
                    verdicts[index] = Some(self.verdict(index, depths[index], &verdicts, facts));
                }
                for child in &wanted_by[index] {
                    waits[*child] = waits[*child].saturating_sub(1);
                    if waits[*child] == 0 && verdicts[*child].is_none() {
                        ready.push(*child);
                    }
                }
            }
            let left = |root: bool| move |index: &usize| self.nodes[*index].root == root;
            let open: Vec<usize> = (0..self.nodes.len()).filter(|index| verdicts[*index].is_none()).collect();
            let roots: Vec<usize> = open.iter().copied().filter(left(true)).collect();
            let circle = if roots.is_empty() { open } else { roots };
            if circle.is_empty() {
                break;
            }
            for index in circle {
                verdicts[index] = Some(self.circle(index));
                ready.push(index);
            }
        }
        verdicts.into_iter().map(|verdict| verdict.expect("the loop ends when every step has a verdict")).collect()
    }

    fn circle(&self, index: usize) -> Verdict {
        Verdict::Out(Missing { need: self.nodes[index].step.record.clone(), why: Why::Cycle })
    }

    fn root_of(&self, index: usize) -> Option<usize> {
        self.nodes[index].owner.and_then(|owner| self.roots.get(&owner).copied())
    }

    fn maker(&self, index: usize, need: &RecordRef, facts: &Facts) -> Option<usize> {
        self.makers.get(facts.now(need)).copied().filter(|maker| *maker != index)
    }

    /// The steps that bring back what this one needs; for everything but the record itself, that record's own.
    fn made_needs(&self, index: usize, facts: &Facts) -> BTreeSet<usize> {
        let own = self.root_of(index).filter(|root| *root != index);
        self.nodes[index].step.needs.iter().filter_map(|need| self.maker(index, need, facts)).chain(own).collect()
    }

    fn verdict(&self, index: usize, depth: usize, verdicts: &[Option<Verdict>], facts: &Facts) -> Verdict {
        let node = &self.nodes[index];
        let mut after = BTreeSet::new();
        let mut wave = node.step.wave;
        let mut missing: Option<Missing> = None;
        let mut miss = |need: &RecordRef, why| {
            if missing.as_ref().is_none_or(|known| known.why < why) {
                missing = Some(Missing { need: need.clone(), why });
            }
        };
        let own = (!node.root && node.owner.is_some()).then_some(&node.record);
        for need in node.step.needs.iter().chain(own) {
            match self.maker(index, need, facts) {
                Some(maker) => match verdicts[maker].as_ref() {
                    Some(Verdict::Kept { wave: before, .. }) => {
                        after.insert(self.nodes[maker].step.record.clone());
                        match before.checked_add(1) {
                            Some(next) => wave = wave.max(next),
                            None => miss(need, Why::TooDeep),
                        }
                    }
                    Some(Verdict::Out(_)) | None => miss(need, Why::InBin),
                },
                // A record is no parent of its own.
                None if *need == node.step.record => {}
                None => match facts.of(need) {
                    Standing::Alive => {}
                    Standing::InBin => miss(need, Why::InBin),
                    Standing::Gone => miss(need, Why::Gone),
                },
            }
        }
        if depth > DEEPEST {
            miss(&node.record, Why::TooDeep);
        }
        match missing {
            Some(missing) => Verdict::Out(missing),
            None => Verdict::Kept { wave, after: after.into_iter().collect() },
        }
    }
}
