//! Several entries of one record.

use super::*;

#[test]
fn of_two_entries_of_one_record_the_newer_wins() {
    let sketch = plan(vec![wanted(1, "leads/1", vec![]), wanted(2, "leads/1", vec![])], &facts(&[]));
    assert_eq!(told(&sketch), ["skip leads/1 newer_copy", "recreate leads/1"]);
    assert_eq!(sketch.basis[0].0, EntryId(Uuid::from_u128(2)));
}

#[test]
fn an_older_copy_of_a_record_that_was_deleted_again_under_its_new_name_is_left_alone() {
    let old = wanted(1, "contacts/1", Vec::new());
    let now = record("contacts/91");
    let mut facts = facts(&[("contacts/91", Standing::InBin)]);
    facts.renamed.insert(record("contacts/1"), now);
    let alone = restore(vec![old.clone()], Vec::new(), &facts, TEMPO);
    assert_eq!(alone.steps[0].what, What::Recreate, "nothing else holds it");
    facts.followed.insert(old.entry);
    let left = restore(vec![old], Vec::new(), &facts, TEMPO);
    assert_eq!(left.steps[0].reason.as_deref(), Some("newer_copy"));
}
