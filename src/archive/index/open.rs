//! Open, catch up with the journal, or rebuild.

use std::fs;
use std::path::{Path, PathBuf};

use super::keeper::Told;
use super::table::{Head, Table, VERSION, guarded};
use super::truth;
use crate::archive::ArchiveError;
use crate::archive::fold::apply::Fold;
use crate::archive::fold::keys;
use crate::archive::fold::rows::{Changes, Rows, Stop};
use crate::archive::fold::terms::Secret;
use crate::archive::journal::{Frame, Journal, Kind};

/// So many frames are added up before the rows are written.
const GROUP: usize = 64;
/// And so many when rows are made anew, which needs no redo.
const GROUP_ANEW: usize = 1024;

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
    pub secret: &'a Secret,
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
    let table = Table::open(dir)?;
    table.redo()?;
    let from = match table.head()? {
        Some(head) if head.version == VERSION && head.journal == origin.name => Some(head.place),
        Some(_) => return Err(ArchiveError::Invalid("the index is of another journal or layout".to_owned())),
        None if anew => None,
        None => return Err(ArchiveError::Invalid("the index was never finished".to_owned())),
    };
    let opened = catch_up(&table, origin, from)?;
    Ok((table, opened))
}

fn catch_up(table: &Table, origin: &Origin, from: Option<u64>) -> Result<Opened, ArchiveError> {
    let end = truth::number(origin.journal.end());
    let mut opened = Opened::default();
    if from != Some(end) {
        let (mut group, mut damage, mut told) = (Vec::new(), Vec::new(), Vec::new());
        let mut count = 0;
        let mut write = |group: &mut Vec<Frame>, upto: u64| {
            let changes = replay(table, origin, &std::mem::take(group), &mut told)?;
            match from {
                // Rows without a head are thrown away at the next start, so the head waits for the last of them.
                None if upto < end => table.make(changes),
                _ => table.apply(changes, &Head { version: VERSION, journal: origin.name.to_owned(), place: upto }),
            }
        };
        let most = if from.is_none() { GROUP_ANEW } else { GROUP };
        let mut on_frame = |frame: Frame| {
            count += 1;
            // A unit may be longer than a group; frames that come again are told apart by their rows.
            if group.len() >= most {
                write(&mut group, truth::number(frame.place))?;
            }
            group.push(frame);
            Ok(())
        };
        origin.journal.scan(from.map(truth::place), &mut on_frame, &mut |what| damage.push(what))?;
        write(&mut group, end)?;
        opened = Opened { rebuilt: None, caught_up: count, damage };
        opened.damage.append(&mut told);
    }
    Ok(opened)
}

fn replay(table: &Table, origin: &Origin, frames: &[Frame], told: &mut Vec<String>) -> Result<Changes, ArchiveError> {
    let mut all = Vec::new();
    for frame in frames {
        match Told::read(frame) {
            Ok(one) => all.push((truth::number(frame.place), one)),
            Err(error) => told.push(error.to_string()),
        }
    }
    let mut fold = Fold::over(table, origin.journal, origin.secret);
    for (place, one) in &all {
        if let Told::Event(recorded) = one
            && fold.rows.get(&keys::audit(recorded.seq))?.is_some()
        {
            continue;
        }
        match one.tell(&mut fold, *place) {
            Ok(()) => {}
            Err(Stop::Illegal(why)) => told.push(format!("an event that may not have happened: {why}")),
            Err(Stop::Failed(error)) => return Err(error),
        }
    }
    Ok(fold.rows.changes)
}

impl Told {
    /// What a frame says.
    pub(crate) fn read(frame: &Frame) -> Result<Self, ArchiveError> {
        Ok(match frame.kind {
            Kind::Event => Self::Event(truth::event(frame)?),
            Kind::Snapshot => {
                let (id, snapshot) = truth::snapshot(frame)?;
                Self::Snapshot(id, snapshot)
            }
            Kind::Forgotten => Self::Forgotten(truth::forgotten(frame)?),
        })
    }
}
