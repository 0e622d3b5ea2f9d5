//! Plans, by tables.

mod copies;
mod random;

use std::collections::BTreeMap;

use rstest::rstest;
use serde_json::json;
use uuid::Uuid;

use super::estimate::Tempo;
use super::planner::{Candidate, Facts, Sketch, Standing, WaitingLink, restore};
use super::{Step, What};
use crate::domain::entry::EntryState;
use crate::domain::ids::{EntryId, SnapshotId};
use crate::domain::record::RecordRef;
use crate::domain::restore::{Draft, DraftStep, Loss};

const TEMPO: Tempo = Tempo { write_batch: 50, read_page: 250, per_second: 5 };

fn record(text: &str) -> RecordRef {
    text.parse().expect("a record")
}

fn step(wave: u8, what: What, record_: &str, needs: &[&str]) -> DraftStep {
    DraftStep {
        wave,
        what,
        record: record(record_),
        needs: needs.iter().map(|need| record(need)).collect(),
        write: json!({ "of": record_ }),
    }
}

/// A candidate whose record is made in wave 1, with more steps after it.
fn wanted(number: u128, of: &str, more: Vec<DraftStep>) -> Candidate {
    let mut steps = vec![step(1, What::Recreate, of, &[])];
    steps.extend(more);
    Candidate {
        entry: EntryId(Uuid::from_u128(number)),
        snapshot: SnapshotId([u8::try_from(number % 251).expect("below 251"); 32]),
        record: record(of),
        state: EntryState::Deleted,
        named: true,
        undelete: false,
        draft: Ok(Draft { steps, ..Draft::default() }),
    }
}

fn child_of(mut candidate: Candidate, parent: &str) -> Candidate {
    candidate.draft.as_mut().expect("a draft").parents.push(record(parent));
    candidate
}

fn facts(standing: &[(&str, Standing)]) -> Facts {
    Facts { standing: standing.iter().map(|(of, how)| (record(of), *how)).collect(), ..Facts::default() }
}

fn plan(candidates: Vec<Candidate>, facts: &Facts) -> Sketch {
    let sketch = restore(candidates, Vec::new(), facts, TEMPO);
    assert_sound(&sketch, facts);
    sketch
}

/// What holds for every plan.
fn assert_sound(sketch: &Sketch, facts: &Facts) {
    let mut made: BTreeMap<&RecordRef, &Step> = BTreeMap::new();
    for (number, step) in sketch.steps.iter().enumerate() {
        assert_eq!(step.number as usize, number);
        assert_eq!(step.what == What::Skip, step.reason.is_some());
        if matches!(step.what, What::Recreate | What::Undelete) {
            assert!(made.insert(&step.record, step).is_none(), "{} is made twice", step.record);
            assert_ne!(facts.of(&step.record), Standing::Alive, "{} is alive", step.record);
        }
    }
    assert!(sketch.steps.is_sorted_by_key(|step| step.wave));
    for step in &sketch.steps {
        for before in &step.after {
            let maker = made.get(before).expect("`after` names what an earlier step brings back");
            assert!(maker.wave < step.wave, "{} comes before {before}", step.record);
        }
    }
    assert_eq!(sketch.counts.values().sum::<u64>(), sketch.steps.len() as u64);
}

/// `what record reason` of each step, in order.
fn told(sketch: &Sketch) -> Vec<String> {
    sketch
        .steps
        .iter()
        .map(|step| {
            let what = serde_json::to_value(step.what).expect("a word");
            let reason = step.reason.as_deref().map(|reason| format!(" {reason}")).unwrap_or_default();
            format!("{} {}{reason}", what.as_str().expect("a word"), step.record)
        })
        .collect()
}

fn reasons(losses: &[Loss]) -> Vec<String> {
    losses.iter().map(|loss| format!("{} {} {}", loss.record, loss.field, loss.reason)).collect()
}

#[rstest]
#[case(EntryState::Deleted, Standing::InBin, "recreate contacts/1")]
#[case(EntryState::Deleted, Standing::Alive, "skip contacts/1 alive")]
#[case(EntryState::Restored, Standing::Alive, "skip contacts/1 alive")]
#[case(EntryState::Restored, Standing::Gone, "skip contacts/1 restored")]
#[case(EntryState::Restoring, Standing::InBin, "skip contacts/1 restoring")]
#[case(EntryState::Unknown, Standing::InBin, "skip contacts/1 unknown")]
#[case(EntryState::Kept, Standing::Alive, "skip contacts/1 alive")]
#[case(EntryState::Kept, Standing::Gone, "skip contacts/1 kept")]
#[case(EntryState::Forgotten, Standing::Gone, "skip contacts/1 forgotten")]
#[case(EntryState::Erased, Standing::Alive, "skip contacts/1 erased")]
#[case(EntryState::NeedsReview, Standing::Alive, "skip contacts/1 alive")]
#[case(EntryState::NeedsReview, Standing::InBin, "recreate contacts/1")]
fn only_what_lies_in_the_bin_is_made(#[case] state: EntryState, #[case] standing: Standing, #[case] told_: &str) {
    let mut candidate = wanted(1, "contacts/1", vec![]);
    candidate.state = state;
    assert_eq!(told(&plan(vec![candidate], &facts(&[("contacts/1", standing)]))), [told_]);
}

#[test]
fn what_may_exist_already_is_made_only_when_it_was_named_and_with_a_warning() {
    let given = facts(&[("contacts/1", Standing::InBin)]);
    let mut candidate = wanted(1, "contacts/1", vec![]);
    candidate.state = EntryState::NeedsReview;
    assert_eq!(reasons(&plan(vec![candidate.clone()], &given).losses), ["contacts/1 record maybe_restored"]);
    candidate.named = false;
    assert_eq!(told(&plan(vec![candidate], &given)), ["skip contacts/1 needs_review"]);
}

#[test]
fn a_record_that_was_restored_before_is_alive_under_its_new_name() {
    let mut given = facts(&[("contacts/9", Standing::Alive)]);
    given.renamed.insert(record("contacts/1"), record("contacts/9"));
    assert_eq!(told(&plan(vec![wanted(1, "contacts/1", vec![])], &given)), ["skip contacts/1 alive"]);
}

#[test]
fn parents_come_first_whatever_the_dialect_says() {
    let child = child_of(wanted(1, "leads/1", vec![]), "leads/2");
    let sketch = plan(
        vec![child, wanted(2, "leads/2", vec![])],
        &facts(&[("leads/1", Standing::InBin), ("leads/2", Standing::InBin)]),
    );
    assert_eq!(told(&sketch), ["recreate leads/2", "recreate leads/1"]);
    assert_eq!(sketch.steps[1].after, [record("leads/2")]);
}

#[rstest]
#[case(Standing::Alive, "recreate notes/1", &[])]
#[case(Standing::InBin, "skip notes/1 parent_in_bin", &[])]
#[case(Standing::Gone, "skip notes/1 parent_gone", &["notes/1 record parent_gone"])]
fn a_child_goes_the_way_of_its_parent(#[case] parent: Standing, #[case] told_: &str, #[case] lost: &[&str]) {
    let child = child_of(wanted(1, "notes/1", vec![]), "leads/5");
    let sketch = plan(vec![child], &facts(&[("notes/1", Standing::InBin), ("leads/5", parent)]));
    assert_eq!(told(&sketch), [told_]);
    assert_eq!(reasons(&sketch.losses), lost);
}

#[test]
fn what_hangs_on_a_record_that_stays_away_has_no_reason_of_its_own() {
    let child = child_of(wanted(1, "leads/1", vec![step(4, What::Recreate, "notes/7", &["leads/1"])]), "leads/5");
    let sketch = plan(vec![child], &facts(&[("leads/1", Standing::InBin)]));
    assert_eq!(told(&sketch), ["skip leads/1 parent_gone"]);
    assert_eq!(reasons(&sketch.losses), ["leads/1 record parent_gone"]);
}

#[rstest]
#[case(Standing::Alive, 2, &[])]
#[case(Standing::InBin, 1, &["contacts/1 links.leads/5 link_end_in_bin"])]
#[case(Standing::Gone, 1, &["contacts/1 links.leads/5 link_end_gone"])]
fn a_link_needs_both_its_ends(#[case] end: Standing, #[case] steps: usize, #[case] lost: &[&str]) {
    let link = step(3, What::Relink, "links/contacts-1-leads-5", &["contacts/1", "leads/5"]);
    let sketch =
        plan(vec![wanted(1, "contacts/1", vec![link])], &facts(&[("contacts/1", Standing::InBin), ("leads/5", end)]));
    assert_eq!(sketch.steps.len(), steps);
    assert_eq!(reasons(&sketch.losses), lost);
}

#[test]
fn a_link_that_both_ends_remember_is_made_once_by_the_one_that_knows_more() {
    let contact =
        wanted(1, "contacts/1", vec![step(3, What::Relink, "links/contacts-1-leads-5", &["contacts/1", "leads/5"])]);
    let mut of_the_lead = step(3, What::Relink, "links/leads-5-contacts-1", &["contacts/1"]);
    of_the_lead.write = json!({ "of": "links/leads-5-contacts-1", "is_main": true });
    let lead = wanted(2, "leads/5", vec![of_the_lead.clone()]);
    let given = facts(&[("contacts/1", Standing::InBin), ("leads/5", Standing::InBin)]);
    let sketch = plan(vec![contact, lead], &given);
    let links: Vec<_> = sketch.steps.iter().filter(|step| step.what == What::Relink).collect();
    assert_eq!(links.len(), 1);
    assert_eq!(links[0].write, Some(of_the_lead.write));
    assert_eq!(links[0].after, [record("contacts/1"), record("leads/5")]);
    assert_eq!(sketch.losses, []);
}

#[test]
fn several_links_between_the_same_two_records_all_come_back() {
    let links = |from: &str, to: &str| {
        ["sponsor", "payer"].map(|kind| step(3, What::Relink, &format!("links/{from}-{kind}"), &[to])).to_vec()
    };
    let given = facts(&[("contacts/1", Standing::InBin), ("leads/5", Standing::InBin)]);
    let sketch = plan(
        vec![wanted(1, "contacts/1", links("contacts", "leads/5")), wanted(2, "leads/5", links("leads", "contacts/1"))],
        &given,
    );
    assert_eq!(sketch.counts[&What::Relink], 2);
}

#[test]
fn a_link_that_waited_comes_back_with_its_second_end() {
    let waiting = WaitingLink {
        entry: EntryId(Uuid::from_u128(7)),
        record: record("contacts/1"),
        step: step(3, What::Relink, "links/contacts-1-leads-5", &["leads/5"]),
    };
    let mut given = facts(&[("leads/5", Standing::InBin), ("contacts/9", Standing::Alive)]);
    given.renamed.insert(record("contacts/1"), record("contacts/9"));
    let sketch = restore(vec![wanted(8, "leads/5", vec![])], vec![waiting.clone()], &given, TEMPO);
    assert_sound(&sketch, &given);
    assert_eq!(told(&sketch), ["recreate leads/5", "relink links/contacts-1-leads-5"]);
    assert_eq!(sketch.steps[1].entry, waiting.entry);
    assert_eq!(sketch.basis.len(), 1, "the entry that waited is restored already");

    // The lead's own snapshot knows the link too: still once.
    let lead = wanted(8, "leads/5", vec![step(3, What::Relink, "links/leads-5-contacts-1", &["contacts/1"])]);
    let sketch = restore(vec![lead], vec![waiting], &given, TEMPO);
    assert_eq!(sketch.counts[&What::Relink], 1);
}

#[test]
fn a_link_deleted_by_itself_is_an_entry_and_its_ends_do_not_make_it_again() {
    let mut link = wanted(1, "links/leads-5-contacts-1", vec![]);
    link.draft = Ok(Draft {
        steps: vec![step(3, What::Relink, "links/leads-5-contacts-1", &["leads/5", "contacts/1"])],
        ..Draft::default()
    });
    let contact =
        wanted(2, "contacts/1", vec![step(3, What::Relink, "links/contacts-1-leads-5", &["contacts/1", "leads/5"])]);
    let given = facts(&[("contacts/1", Standing::InBin), ("leads/5", Standing::Alive)]);
    let sketch = plan(vec![link, contact], &given);
    assert_eq!(told(&sketch), ["recreate contacts/1", "relink links/leads-5-contacts-1"]);
    assert!(sketch.steps[1].root);
}

#[test]
fn what_is_an_entry_and_a_part_of_its_parent_is_made_once() {
    let contact = wanted(1, "contacts/1", vec![step(5, What::Recreate, "tasks/8", &["contacts/1"])]);
    let task = child_of(wanted(2, "tasks/8", vec![]), "contacts/1");
    let sketch = plan(vec![contact, task], &facts(&[]));
    assert_eq!(told(&sketch), ["recreate contacts/1", "recreate tasks/8"]);
    assert!(sketch.steps[1].root);
}

#[test]
fn records_that_are_their_own_ancestors_are_refused() {
    let one = child_of(wanted(1, "leads/1", vec![]), "leads/2");
    let two = child_of(wanted(2, "leads/2", vec![]), "leads/1");
    let sketch = plan(vec![one, two, wanted(3, "leads/3", vec![])], &facts(&[]));
    assert_eq!(told(&sketch), ["skip leads/1 parent_cycle", "skip leads/2 parent_cycle", "recreate leads/3"]);
}

#[test]
fn a_link_into_a_circle_is_named_as_lost() {
    let one = child_of(wanted(1, "leads/1", vec![]), "leads/2");
    let two = child_of(wanted(2, "leads/2", vec![]), "leads/1");
    let link = step(3, What::Relink, "links/contacts-3-leads-1", &["contacts/3", "leads/1"]);
    let sketch = plan(vec![one, two, wanted(3, "contacts/3", vec![link])], &facts(&[]));
    assert_eq!(reasons(&sketch.losses), ["contacts/3 links.leads/1 link_end_in_bin"]);
}

#[test]
fn a_link_is_named_as_lost_when_the_end_that_would_make_it_stays_away() {
    let ends = ["contacts/3", "leads/1"];
    let lead =
        child_of(wanted(1, "leads/1", vec![step(3, What::Relink, "links/leads-1-contacts-3", &ends)]), "leads/9");
    let contact = wanted(3, "contacts/3", vec![step(3, What::Relink, "links/contacts-3-leads-1", &ends)]);
    let sketch = plan(vec![lead, contact], &facts(&[("leads/9", Standing::InBin)]));
    assert_eq!(told(&sketch), ["skip leads/1 parent_in_bin", "recreate contacts/3"]);
    assert_eq!(reasons(&sketch.losses), ["contacts/3 links.leads/1 link_end_in_bin"]);
}

#[test]
fn parents_are_followed_sixteen_deep() {
    let chain = (1..=18_u128).map(|n| match n {
        1 => wanted(1, "leads/1", vec![]),
        n => child_of(wanted(n, &format!("leads/{n}"), vec![]), &format!("leads/{}", n - 1)),
    });
    let sketch = plan(chain.collect(), &facts(&[]));
    assert_eq!(told(&sketch)[..2], ["skip leads/17 too_deep", "skip leads/18 parent_in_bin"]);
    assert_eq!(sketch.counts[&What::Recreate], 16);
}

#[test]
fn a_vendor_that_undeletes_brings_back_the_record_and_only_its_links_are_written() {
    let mut candidate = wanted(
        1,
        "Leads/1",
        vec![
            step(4, What::Recreate, "Notes/7", &["Leads/1"]),
            step(3, What::Relink, "links/1", &["Leads/1", "Deals/2"]),
        ],
    );
    candidate.undelete = true;
    candidate.draft.as_mut().expect("a draft").losses.push(Loss {
        record: record("Leads/1"),
        field: "Created_By".into(),
        reason: "read_only".into(),
        detail: String::new(),
    });
    let sketch = plan(vec![candidate], &facts(&[("Deals/2", Standing::Alive)]));
    assert_eq!(told(&sketch), ["undelete Leads/1", "relink links/1"]);
    assert_eq!(sketch.steps[0].write, None);
    assert_eq!(sketch.losses, [], "the same record comes back whole");
}

#[test]
fn what_cannot_be_drafted_is_skipped_and_the_rest_goes_on() {
    let mut damaged = wanted(1, "leads/1", vec![]);
    damaged.draft = Err("snapshot_damaged".into());
    let mut unknown = wanted(2, "talks/2", vec![]);
    unknown.draft = Ok(Draft::default());
    let sketch = plan(vec![damaged, unknown, wanted(3, "leads/3", vec![])], &facts(&[]));
    assert_eq!(told(&sketch), ["skip leads/1 snapshot_damaged", "skip talks/2 not_supported", "recreate leads/3"]);
}

#[test]
fn requests_are_counted_by_batches() {
    let many = (1..=120).map(|n| wanted(n, &format!("leads/{n}"), vec![])).collect();
    let sketch = plan(many, &facts(&[]));
    assert_eq!((sketch.requests, sketch.eta_seconds), (3 + 5, 2));
}
