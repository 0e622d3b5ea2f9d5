//! Which notes a list shows (§2.7), through the index by record where that is possible.

use crate::query::Query;
use crate::world::World;
use crate::world::kind::Kind;
use crate::world::timeline::Note;

/// Ids in order; `of` narrows to one record.
pub fn ordered(world: &World, kind: Kind, of: Option<u64>, query: &Query) -> Vec<u64> {
    let number = |id: &i64| u64::try_from(*id).ok();
    let ids: Option<Vec<u64>> = query.numbers("filter[id]").map(|ids| ids.iter().filter_map(number).collect());
    let parents: Option<Vec<u64>> = match of {
        Some(id) => Some(vec![id]),
        None => query.numbers("filter[entity_id]").map(|ids| ids.iter().filter_map(number).collect()),
    };
    let types = query.words("filter[note_type]");
    let updated = query.range("filter[updated_at]");
    let holds = |id: u64, note: &Note| {
        note.of.kind == kind
            && parents.as_ref().is_none_or(|parents| parents.contains(&note.of.id))
            && ids.as_ref().is_none_or(|ids| ids.contains(&id))
            && types.as_ref().is_none_or(|types| types.contains(&&*note.note_type))
            && updated.is_none_or(|range| range.holds(note.updated_at))
            && world.alive(note.of).is_some()
            && world.indexed("notes", id)
    };
    let mut rows: Vec<(i64, u64)> = Vec::new();
    let mut take = |id: u64| {
        if let Some(note) = world.notes.get(id).filter(|note| holds(id, note)) {
            rows.push((note.updated_at, id));
        }
    };
    match (&ids, &parents) {
        (Some(ids), _) => ids.iter().copied().for_each(&mut take),
        (None, Some(parents)) => {
            parents.iter().flat_map(|id| world.notes_of(kind.of(*id))).copied().for_each(&mut take);
        }
        (None, None) => world.notes.iter().map(|(id, _)| id).for_each(&mut take),
    }
    let order = query.order();
    match order {
        Some(("id", _)) => rows.sort_unstable_by_key(|(_, id)| *id),
        _ => rows.sort_unstable(),
    }
    if matches!(order, Some(("id" | "updated_at", true))) {
        rows.reverse();
    }
    rows.dedup();
    rows.into_iter().map(|(_, id)| id).collect()
}
