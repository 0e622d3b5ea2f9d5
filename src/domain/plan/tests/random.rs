//! Plans of random accounts.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// One record of a random account.
#[derive(Clone, Debug)]
struct Sample {
    in_plan: bool,
    standing: u8,
    parents: Vec<usize>,
    links: Vec<usize>,
    wave: u8,
}

fn account() -> impl Strategy<Value = Vec<Sample>> {
    let sample = (
        any::<bool>(),
        0..3_u8,
        prop::collection::vec(0..14_usize, 0..3),
        prop::collection::vec(0..14_usize, 0..4),
        0..4_u8,
    )
        .prop_map(|(in_plan, standing, parents, links, wave)| Sample { in_plan, standing, parents, links, wave });
    prop::collection::vec(sample, 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// Every need of a step is alive, or made by a step of a lower wave; what is left out is named; and the plan does
    /// not depend on the order in which the entries were asked for.
    #[test]
    fn every_need_is_alive_or_comes_before(samples in account(), shift in 0..14_usize) {
        let name = |n: usize| format!("leads/{n}");
        let mut given = Facts::default();
        let mut candidates = Vec::new();
        let mut drafts: BTreeMap<(RecordRef, RecordRef), BTreeSet<RecordRef>> = BTreeMap::new();
        for (n, sample) in samples.iter().enumerate() {
            let standing = match (sample.in_plan, sample.standing) {
                (true, 0) => Standing::Alive,
                (true, _) => Standing::InBin,
                (false, 0) => Standing::Alive,
                (false, 1) => Standing::InBin,
                (false, _) => Standing::Gone,
            };
            given.standing.insert(record(&name(n)), standing);
            if !sample.in_plan {
                continue;
            }
            let more = sample.links.iter().map(|end| {
                let (low, high) = (n.min(*end), n.max(*end));
                step(9, What::Relink, &format!("links/{low}-{high}"), &[&name(n), &name(*end)])
            });
            let mut candidate = wanted(n as u128 + 1, &name(n), more.collect());
            let draft = candidate.draft.as_mut().expect("a draft");
            draft.steps[0].wave = sample.wave;
            draft.parents = sample.parents.iter().map(|parent| record(&name(*parent))).collect();
            let note = step(sample.wave, What::Recreate, &format!("notes/{n}"), &[&name(n)]);
            draft.steps.push(note);
            let hard: BTreeSet<RecordRef> = draft.parents.iter().cloned().collect();
            for step in &draft.steps {
                let mut needs: BTreeSet<RecordRef> = step.needs.iter().cloned().collect();
                if step.record == candidate.record {
                    needs.extend(hard.iter().cloned());
                    needs.remove(&candidate.record);
                } else {
                    needs.insert(candidate.record.clone());
                }
                drafts.insert((candidate.record.clone(), step.record.clone()), needs);
            }
            candidates.push(candidate);
        }
        let sketch = restore(candidates.clone(), Vec::new(), &given, TEMPO);
        assert_sound(&sketch, &given);

        let made: BTreeMap<&RecordRef, u8> = sketch.steps.iter()
            .filter(|step| step.what == What::Recreate).map(|step| (&step.record, step.wave)).collect();
        let owners: BTreeMap<EntryId, &RecordRef> = candidates.iter().map(|c| (c.entry, &c.record)).collect();
        for step in sketch.steps.iter().filter(|step| step.what != What::Skip) {
            for need in &drafts[&(owners[&step.entry].clone(), step.record.clone())] {
                let before = made.get(need).is_some_and(|wave| *wave < step.wave) && step.after.contains(need);
                prop_assert!(before || given.of(need) == Standing::Alive, "{} needs {need}", step.record);
            }
        }
        // Nothing is dropped in silence: every entry has one root step, every link and note a step or a loss.
        let named: BTreeSet<&RecordRef> = sketch.steps.iter().map(|step| &step.record).collect();
        for candidate in &candidates {
            let roots: Vec<_> = sketch.steps.iter().filter(|step| step.root && step.entry == candidate.entry).collect();
            prop_assert_eq!(roots.len(), 1);
            if roots[0].what == What::Skip {
                continue;
            }
            for step in &candidate.draft.as_ref().expect("a draft").steps {
                let lost = sketch.losses.iter().any(|loss| match step.what {
                    What::Relink => step.needs.iter().any(|end| loss.field == format!("links.{end}")),
                    _ => loss.field == step.record.to_string(),
                });
                prop_assert!(named.contains(&step.record) || lost, "{} is lost in silence", step.record);
            }
        }
        let turn = shift % candidates.len().max(1);
        candidates.rotate_left(turn);
        prop_assert_eq!(restore(candidates, Vec::new(), &given, TEMPO), sketch);
    }
}
