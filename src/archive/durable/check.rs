//! Reads the whole archive and names what is damaged.

use std::collections::HashSet;

use crate::archive::fold::keys;
use crate::archive::fold::rows::{RecordRow, Rows, parse};
use crate::archive::index::keeper::{Keeper, Told};
use crate::archive::index::truth;
use crate::archive::journal::Frame;
use crate::archive::{ArchiveError, CheckReport};

pub(super) fn check(keeper: &Keeper) -> Result<CheckReport, ArchiveError> {
    let end = truth::number(keeper.journal.end());
    let mut report = CheckReport { segments: keeper.journal.segments(), ..CheckReport::default() };
    let (mut whole, mut damage, mut events) = (HashSet::new(), Vec::new(), HashSet::new());
    let mut on_frame = |frame: Frame| {
        match Told::read(&frame) {
            Ok(told) => {
                report.frames += 1;
                match told {
                    Told::Snapshot(..) => drop(whole.insert(truth::number(frame.place))),
                    Told::Event(recorded, _) => drop(events.insert(recorded.seq)),
                    Told::Forgotten(_) | Told::Gone(_) => {}
                }
            }
            Err(error) => report.damage.push(error.to_string()),
        }
        Ok(())
    };
    keeper.journal.scan(None, &mut on_frame, &mut |what| damage.push(what))?;
    report.snapshots = whole.len() as u64;
    report.damage.append(&mut damage);
    report.damage.append(&mut keeper.journal.check_keys());
    let rows = keeper.view();
    // The rows still know what lay there.
    for row in rows.up(b"r", &keys::after(b"r")) {
        let (key, value) = row?;
        let mut names = key[1..].splitn(2, |byte| *byte == 0).map(String::from_utf8_lossy);
        let (connection, record) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
        for at in parse::<RecordRow>(&value)?.snapshots {
            if at < end && !whole.contains(&at) {
                let place = truth::place(at);
                report.damage.push(format!(
                    "the snapshot of {record} of {connection}, in segment {} at offset {}, cannot be read",
                    place.segment, place.offset
                ));
            }
        }
    }
    for row in rows.up(b"a", &keys::after(b"a")) {
        let (key, value) = row?;
        let (seq, at) = (keys::tail(&key), parse::<u64>(&value)?);
        if at < end && !events.contains(&seq) {
            report.damage.push(format!("event {seq} of the ledger cannot be read"));
        }
    }
    Ok(report)
}
