//! What the CRM's ledger says about what the engine says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::crm::Effect;
use super::vendor;
use super::world::World;
use crate::archive::durable::simulated::{self, Place, Told};
use crate::archive::journal::tests::sim::SimDisk;
use crate::archive::{Bin, EntryFilter};
use crate::domain::entry::{Entry, EntryState, OperationState};
use crate::domain::event::{CapturedEntry, Event, Stream};
use crate::domain::ids::SnapshotId;
use crate::domain::record::{RecordRef, Snapshot};
use crate::engine::Engine;

/// Requests in any second.
const LIMIT: usize = 7;

/// What the disk would hold if everything were lost that was not synced, read as a process would that starts then.
#[derive(Debug, Default)]
pub(super) struct Durable {
    /// Up to where it was read, and the bytes before.
    read: Option<(Place, BTreeMap<String, Vec<u8>>)>,
    captured: BTreeMap<Stream, Vec<CapturedEntry>>,
    snapshots: BTreeMap<SnapshotId, Snapshot>,
    /// Snapshots of each record that are to be followed by a delete.
    intents: BTreeMap<RecordRef, Vec<SnapshotId>>,
}

impl Durable {
    /// Reads what has come since the last look; all of it if what was read before has changed.
    fn look(&mut self, image: &SimDisk) -> Result<(), String> {
        let contents = image.contents();
        let grown = self.read.as_ref().is_some_and(|(end, before)| {
            before.iter().all(|(name, old)| {
                let upto = if *name == simulated::segment(end.segment) { end.offset as usize } else { old.len() };
                contents.get(name).is_some_and(|new| new.get(..upto) == old.get(..upto))
            })
        });
        if !grown {
            *self = Self::default();
        }
        let (journal, _) = simulated::journal(image, Arc::new(|| Duration::ZERO)).map_err(|error| error.to_string())?;
        let from = self.read.as_ref().map(|(end, _)| *end);
        let (told, damage) = simulated::told(&journal, from).map_err(|error| error.to_string())?;
        if !damage.is_empty() {
            return Err(format!("damage: {damage:?}"));
        }
        for (_, one) in told {
            match one {
                Told::Snapshot(id, snapshot, _) => {
                    self.snapshots.insert(id, snapshot);
                }
                Told::Event(recorded, _) => match recorded.event {
                    Event::Captured { entries, .. } => {
                        self.captured.insert(recorded.stream, entries);
                    }
                    Event::Forwarding => {
                        for entry in self.captured.get(&recorded.stream).into_iter().flatten() {
                            self.intents.entry(entry.record.clone()).or_default().push(entry.snapshot);
                        }
                    }
                    _ => {}
                },
                Told::Forgotten(_) | Told::Gone(_) => {}
            }
        }
        self.read = Some((journal.end(), contents));
        Ok(())
    }
}

/// P1, at the moment when a destructive request leaves: were the power cut now and everything lost that was not synced,
/// each record it would destroy has a snapshot that can be read and says what the CRM shows, and an intent to send it.
pub(super) fn a_delete_leaves(world: &World, request: u64, records: &[RecordRef]) {
    world.count("deletes sent");
    world.log().sent.insert(request);
    let alive: Vec<&RecordRef> = {
        let (crm, now) = (world.crm(), world.time.since_begin());
        world.log().looked.extend(records.iter().map(|record| ((request, record.clone()), crm.looked_at(record))));
        // What was gone at the last look and was brought back by a person since cannot have a snapshot of this request's.
        let in_the_gap = |record: &RecordRef| crm.was_brought_back(record, crm.looked_at(record), now);
        records.iter().filter(|record| crm.cards.contains_key(record) && !in_the_gap(record)).collect()
    };
    if alive.is_empty() {
        return;
    }
    let mut durable = world.durable();
    if let Err(error) = durable.look(&world.synced()) {
        return world.broken(format!("P1: a delete leaves, and the disk cannot be read: {error}"));
    }
    for record in alive {
        let sends = {
            let mut log = world.log();
            let sends = log.sends.entry(record.clone()).or_default();
            *sends += 1;
            *sends
        };
        let mine = durable.intents.get(record).map_or(&[][..], Vec::as_slice);
        if mine.len() < sends {
            let have = mine.len();
            world.broken(format!("P1: {record} is sent to be deleted the {sends}. time, with {have} durable intents"));
            continue;
        }
        let Some(snapshot) = mine.last().and_then(|id| durable.snapshots.get(id)) else {
            world.broken(format!("P1: {record} is sent to be deleted, and its snapshot is not durable"));
            continue;
        };
        let name = vendor::body(snapshot)["name"].clone();
        let now = world.time.since_begin();
        let crm = world.crm();
        // Somebody may have edited it since it was read.
        let lately = crm
            .before
            .get(record)
            .into_iter()
            .flatten()
            .filter(|(until, _)| now.saturating_sub(*until) < Duration::from_secs(90));
        let same = crm.shown(record).is_none_or(|shown| shown["name"] == name)
            || lately
                .map(|(_, text)| serde_json::from_str::<serde_json::Value>(text))
                .any(|old| old.is_ok_and(|old| old["name"] == name));
        drop(crm);
        if !same || snapshot.of != *record || snapshot.incomplete().is_some() {
            world.broken(format!("P1: {record} is sent to be deleted, and its snapshot says something else"));
        }
    }
}

/// P12: no second of this life holds more requests than the CRM allows.
pub(super) fn the_budget(world: &World) {
    let mut arrivals = std::mem::take(&mut world.log().arrivals);
    arrivals.sort_unstable();
    for window in arrivals.windows(LIMIT + 1) {
        let took = window[LIMIT].saturating_sub(window[0]);
        if took < Duration::from_secs(1) {
            return world.broken(format!("P12: {} requests within {took:?}", LIMIT + 1));
        }
    }
}

pub(super) async fn entries(bin: &dyn Bin) -> Result<Vec<Entry>, String> {
    let mut filter = EntryFilter { states: EntryState::ALL.to_vec(), limit: 500, ..EntryFilter::default() };
    let mut all = Vec::new();
    loop {
        let page = bin.entries(&filter).await.map_err(|error| format!("entries cannot be listed: {error}"))?;
        all.extend(page.rows);
        match page.next {
            Some(next) => filter.cursor = Some(next),
            None => return Ok(all),
        }
    }
}

/// At the end, when nothing strikes any more and everything had its time.
pub(super) async fn the_end(world: &World, engine: &Engine) -> Result<(), String> {
    let entries = entries(engine.bin()).await?;
    let mut unreadable = Vec::new();
    for entry in &entries {
        if let Err(error) = engine.snapshot(&entry.snapshot).await {
            unreadable.push((entry.record.clone(), error.to_string()));
        }
    }
    let crm = world.crm();
    let by_person = |record: &RecordRef| crm.how_often(|effect| *effect == Effect::DeletedByPerson(record.clone()));
    let brought_back = |record: &RecordRef| crm.how_often(|effect| *effect == Effect::RestoredByPerson(record.clone()));
    let deleted = |record: &RecordRef| crm.how_often(|effect| matches!(effect, Effect::Deleted(_, of) if of == record));
    let kept = |record: &RecordRef| {
        entries.iter().filter(|entry| entry.record == *record && entry.state == EntryState::Kept).count()
    };
    let of = |record: &RecordRef| {
        entries.iter().filter(|entry| entry.record == *record && entry.state != EntryState::Kept).count()
    };

    // P1: what was destroyed lies in the bin, once.
    let mut destroyed: Vec<&RecordRef> = Vec::new();
    let mut in_the_gap: BTreeMap<&RecordRef, usize> = BTreeMap::new();
    for (at, effect) in &crm.effects {
        if let Effect::Deleted(request, record) = effect {
            destroyed.push(record);
            // Gone when it was last asked about, brought back by a person, and destroyed with the request that had left.
            let looked = world.log().looked.get(&(*request, record.clone())).copied();
            if looked.is_some_and(|looked| crm.was_brought_back(record, looked, *at)) {
                *in_the_gap.entry(record).or_default() += 1;
            }
        }
    }
    for record in destroyed {
        world.count("records destroyed");
        let (times, have) = (deleted(record), of(record));
        let alone = by_person(record) + brought_back(record) == 0;
        // Destroyed late, and brought back by a person before anybody looked: nobody could have seen it gone. Its snapshot
        // lies under an entry called kept, which is true of a record that is there.
        let unseen = brought_back(record).min(kept(record)) + in_the_gap.get(record).copied().unwrap_or(0);
        if have + unseen < times || alone && have != times {
            let effects: Vec<_> =
                crm.effects.iter().filter(|(_, effect)| format!("{effect:?}").contains(&record.id)).collect();
            let of: Vec<_> =
                entries.iter().filter(|entry| entry.record == *record).map(|e| (e.id, e.state, &e.reason)).collect();
            return Err(format!("P1: {record} was destroyed {times} times and has {have} entries: {effects:?} {of:?}"));
        }
        if let Some((_, error)) = unreadable.iter().find(|(of, _)| of == record) {
            return Err(format!("P1: the snapshot of {record} cannot be read: {error}"));
        }
    }

    // No entry says otherwise than the CRM.
    for entry in &entries {
        let record = &entry.record;
        let alive = crm.cards.contains_key(record);
        match entry.state {
            EntryState::Deleted if alive && brought_back(record) == 0 => {
                return Err(format!("{record} is called deleted and is alive"));
            }
            EntryState::Kept => {
                world.count("kept");
                if !alive && of(record) == 0 && by_person(record) == 0 {
                    return Err(format!("{record} is called kept and is gone"));
                }
            }
            EntryState::Restored => {
                world.count("restored");
                let new = entry.restored_as.clone().unwrap_or_else(|| record.clone());
                if !crm.cards.contains_key(&new) && deleted(&new) + by_person(&new) == 0 {
                    return Err(format!("{record} is called restored as {new}, which never was"));
                }
            }
            EntryState::NeedsReview => world.count("needs review"),
            EntryState::Unknown | EntryState::Restoring => {
                return Err(format!("P3: {record} is {:?} for ever", entry.state));
            }
            _ => {}
        }
    }

    // P4: at most one copy for each entry; one more where a person has deleted a copy.
    let mut made: BTreeMap<&RecordRef, Vec<&RecordRef>> = BTreeMap::new();
    for (_, effect) in &crm.effects {
        if let Effect::Made(of, new) = effect {
            made.entry(of).or_default().push(new);
        }
    }
    for (old, copies) in made {
        world.count("copies made");
        let root = if old.object == "notes" { crm.parents.get(old).unwrap_or(old) } else { old };
        let lost =
            copies.iter().filter(|copy| by_person(copy) + crm.parents.get(**copy).map_or(0, by_person) > 0).count();
        // A note went with its parent when that was deleted again: the second entry brings it back under another name.
        let entries = of(root);
        if copies.len() > entries + lost {
            return Err(format!("P4: {old} was made {} times ({copies:?}) for {entries} entries", copies.len()));
        }
    }

    let told_otherwise: Vec<u64> = {
        let log = world.log();
        log.refused.intersection(&log.sent).copied().collect()
    };
    for request in told_otherwise {
        if crm.how_often(|effect| matches!(effect, Effect::Deleted(by, _) if *by == request)) > 0 {
            return Err(format!("request {request} was answered \"nothing was sent\", and it destroyed something"));
        }
    }
    Ok(())
}

/// P3: whether anything is still open.
pub(super) async fn open(engine: &Engine) -> Result<Vec<String>, String> {
    let filter = crate::archive::OperationFilter {
        states: vec![OperationState::Held, OperationState::Open, OperationState::Unknown],
        limit: 100,
        ..Default::default()
    };
    let page = engine.bin().operations(&filter).await.map_err(|error| error.to_string())?;
    Ok(page.rows.iter().map(|operation| format!("operation {} {:?}", operation.id, operation.state)).collect())
}
