//! Open, catch up with the journal, or rebuild.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};

use super::keeper::Told;
use super::table::{Head, Table, VERSION, guarded};
use super::truth;
use crate::archive::ArchiveError;
use crate::archive::fold::apply::Fold;
use crate::archive::fold::keys;
use crate::archive::fold::rows::Stop;
use crate::archive::journal::{Frame, Inner, Journal, Kind};
use crate::domain::event::Event;

/// Changes that are added up before they are written.
const CHANGES: usize = 1 << 16;
const CHANGES_ANEW: usize = 1 << 18;
/// Frames that go from the thread that reads to the one that adds up, at once; and how often.
const FRAMES: usize = 128;
const AHEAD: usize = 16;

/// What opening did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Why the rows were thrown away and added up anew; `None` if they were not.
    pub rebuilt: Option<String>,
    /// Frames read to catch up.
    pub caught_up: u64,
    /// Damage met on the way, and events that may not have happened.
    pub damage: Vec<String>,
}

/// What the rows are made from.
pub(crate) struct Origin<'a> {
    pub journal: &'a Journal,
    pub name: &'a str,
    pub secret: &'a [u8; 32],
}

impl Origin<'_> {
    /// The secret of an index, and the slot of the key ring it hangs on: with that key all its pages are unreadable,
    /// also those that sled has only forgotten.
    fn secret_of(&self, slot: Option<u32>) -> Result<(u32, [u8; 32]), ArchiveError> {
        let slot = slot.map_or_else(|| self.journal.fresh_slot(), Ok)?;
        let half = self.journal.secret_of(slot);
        let half =
            half.ok_or_else(|| ArchiveError::Invalid("its key was destroyed when a record was erased".into()))?;
        Ok((slot, blake3::derive_key("crm-undo 2026 index pages", &[*self.secret, half].concat())))
    }
}

/// There if the rows were found wrong while they were in use.
pub(crate) fn doubt(dir: &Path) -> PathBuf {
    dir.with_extension("doubt")
}

/// Rows that say all that the journal says.
pub(crate) fn open(dir: &Path, origin: &Origin) -> Result<(Table, Opened), ArchiveError> {
    let why = if doubt(dir).exists() {
        "it was found damaged".to_owned()
    } else if dir.exists() {
        match guarded(|| attempt(dir, origin, false)) {
            Ok(done) => return Ok(done),
            Err(error) => error.to_string(),
        }
    } else {
        "there was none".to_owned()
    };
    let cannot = |error: std::io::Error| ArchiveError::Unusable(format!("its index cannot be removed: {error}"));
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(cannot)?;
    }
    let (table, mut opened) = guarded(|| attempt(dir, origin, true))?;
    if doubt(dir).exists() {
        fs::remove_file(doubt(dir)).map_err(cannot)?;
    }
    opened.rebuilt = Some(why);
    Ok((table, opened))
}

fn attempt(dir: &Path, origin: &Origin, anew: bool) -> Result<(Table, Opened), ArchiveError> {
    let table = Table::open(dir, &|slot| origin.secret_of(slot))?;
    let done = guarded(|| filled(&table, origin, anew));
    if done.is_err() {
        table.abandon();
    }
    Ok((table, done?))
}

fn filled(table: &Table, origin: &Origin, anew: bool) -> Result<Opened, ArchiveError> {
    table.redo()?;
    let from = match table.head()? {
        Some(head) if head.version == VERSION && head.journal == origin.name => Some(head.place),
        Some(_) => return Err(ArchiveError::Invalid("the index is of another journal or layout".to_owned())),
        None if anew => None,
        None => return Err(ArchiveError::Invalid("the index was never finished".to_owned())),
    };
    table.anew(from.is_none());
    let opened = catch_up(table, origin, from)?;
    table.anew(false);
    Ok(opened)
}

fn catch_up(table: &Table, origin: &Origin, from: Option<u64>) -> Result<Opened, ArchiveError> {
    let end = truth::number(origin.journal.end());
    if from == Some(end) {
        return Ok(Opened::default());
    }
    let mut opened = Opened::default();
    let mut fold = Fold::over(table, origin.journal);
    fold.replay = true;
    let most = if from.is_none() { CHANGES_ANEW } else { CHANGES };
    let (sender, frames) = sync_channel(AHEAD);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || read(origin.journal, from, &sender));
        for frame in frames.iter().flatten() {
            opened.caught_up += 1;
            let place = truth::number(frame.place);
            match Told::read(&frame) {
                Ok(told) => {
                    finish(&told, origin.journal)?;
                    replay(&mut fold, place, &told, &mut opened.damage)?;
                }
                Err(error) => opened.damage.push(error.to_string()),
            }
            if fold.rows.changes.len() >= most {
                let changes = std::mem::take(&mut fold.rows.changes);
                fold.rows.begin();
                fold.fresh.clear();
                match from {
                    None => table.build(&changes)?,
                    // This frame comes again if the process ends here, and changes nothing then.
                    Some(_) => table.apply(&changes, &head(origin, table, place))?,
                }
            }
        }
        let mut damage =
            reader.join().map_err(|_| ArchiveError::Unusable("the thread that reads it ended".to_owned()))??;
        damage.append(&mut opened.damage);
        opened.damage = damage;
        Ok::<_, ArchiveError>(())
    })?;
    table.apply(&fold.rows.changes, &head(origin, table, end))?;
    Ok(opened)
}

fn head(origin: &Origin, table: &Table, place: u64) -> Head {
    Head { version: VERSION, journal: origin.name.to_owned(), place, slot: table.slot.into() }
}

/// An erasure is one as soon as it is in the journal; a process that died then has not destroyed the keys.
fn finish(told: &Told, journal: &Journal) -> Result<(), ArchiveError> {
    match told {
        Told::Event(recorded, _) => match &recorded.event {
            Event::Erased(erased) => journal.destroy(&erased.slots),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Reads the journal; what is damaged is returned at the end.
fn read(journal: &Journal, from: Option<u64>, to: &SyncSender<Vec<Frame>>) -> Result<Vec<String>, ArchiveError> {
    let (mut damage, mut group) = (Vec::new(), Vec::with_capacity(FRAMES));
    let gone = |_| ArchiveError::Unusable("what it is read for has ended".to_owned());
    let mut on_frame = |frame: Frame| {
        group.push(frame);
        if group.len() == FRAMES {
            to.send(std::mem::replace(&mut group, Vec::with_capacity(FRAMES))).map_err(gone)?;
        }
        Ok(())
    };
    journal.scan(from.map(truth::place), &mut on_frame, &mut |what| damage.push(what))?;
    to.send(group).map_err(gone)?;
    Ok(damage)
}

pub(crate) fn replay(fold: &mut Fold, place: u64, told: &Told, damage: &mut Vec<String>) -> Result<(), ArchiveError> {
    if let Told::Event(recorded, _) = told
        && fold.rows.get(&keys::audit(recorded.seq))?.is_some()
    {
        return Ok(());
    }
    match told.tell(fold, place) {
        Ok(()) => Ok(()),
        Err(Stop::Illegal(why)) => {
            damage.push(format!("an event that may not have happened: {why}"));
            Ok(())
        }
        Err(Stop::Failed(error)) => Err(error),
    }
}

impl Told {
    /// What a frame says.
    pub(crate) fn read(frame: &Frame) -> Result<Self, ArchiveError> {
        Ok(match frame.kind {
            Kind::Event => {
                let slot = if let Inner::Open(slot, _) = frame.inner { Some(slot) } else { None };
                Self::Event(truth::event(frame)?, slot)
            }
            Kind::Snapshot => match (&frame.inner, frame.body.as_slice().try_into()) {
                (Inner::Erased(_), Ok(half)) => Self::Gone(half),
                (Inner::Open(slot, _), _) => {
                    let (id, snapshot) = truth::snapshot(frame)?;
                    Self::Snapshot(id, snapshot, *slot)
                }
                _ => truth::snapshot(frame).map(|(id, snapshot)| Self::Snapshot(id, snapshot, 0))?,
            },
            Kind::Forgotten => Self::Forgotten(truth::forgotten(frame)?),
        })
    }
}
