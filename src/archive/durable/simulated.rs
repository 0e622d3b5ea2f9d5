//! The store on a simulated disk: the same commits, gate, fold and overlay over a journal without threads. Nothing ever
//! moves into sled, so at every start the rows are added up from the journal.

use std::sync::{Arc, Mutex};

use super::{Durable, Gate, Inner};
use crate::archive::ArchiveError;
use crate::archive::fold::apply::Fold;
use crate::archive::fold::keys;
use crate::archive::fold::rows::number;
use crate::archive::index::keeper::Keeper;
pub(crate) use crate::archive::index::keeper::Told;
use crate::archive::index::open::{Opened, replay};
use crate::archive::index::table::Table;
use crate::archive::index::truth;
pub(crate) use crate::archive::journal::Place;
use crate::archive::journal::inline::Pause;
use crate::archive::journal::tests::sim::SimDisk;
use crate::archive::journal::{Frame, Journal, Options, Recovery};
use crate::archive::sealed::Sealer;
use crate::domain::world::Clock;

/// Bytes of a simulated segment: small, so that a run has several.
const SEGMENT: u64 = 12 << 10;

/// The journal of a simulated disk.
pub(crate) fn journal(disk: &SimDisk, pause: Pause) -> Result<(Journal, Recovery), ArchiveError> {
    let options = Options {
        segment_bytes: SEGMENT,
        min_free_bytes: 1,
        dictionary_samples: 0,
        keys_ahead: 32,
        ..Options::new("simulated")
    };
    Journal::open_inline(Arc::new(disk.clone()), options, Sealer::new(&[7; 32], [9; 16]), pause)
}

/// The file of a segment.
pub(crate) fn segment(number: u32) -> String {
    format!("journal-{number:08}.seg")
}

/// What frames say, each with its place, and what is damaged.
type Everything = (Vec<(u64, Told)>, Vec<String>);

/// Everything the journal of a disk says, from a place on, and its damage.
pub(crate) fn told(journal: &Journal, from: Option<Place>) -> Result<Everything, ArchiveError> {
    let (mut frames, mut damage): (Vec<Frame>, Vec<String>) = (Vec::new(), Vec::new());
    let mut keep = |frame| {
        frames.push(frame);
        Ok(())
    };
    journal.scan(from, &mut keep, &mut |what| damage.push(what))?;
    journal.know(&frames);
    let mut told = Vec::new();
    for frame in frames {
        match Told::read(&frame) {
            Ok(one) => told.push((truth::number(frame.place), one)),
            Err(error) => damage.push(error.to_string()),
        }
    }
    Ok((told, damage))
}

/// Opens the store of a simulated disk. `db`: any sled, nothing is read from it or written to it.
pub(crate) fn open(
    disk: &SimDisk,
    db: &sled::Db,
    clock: Arc<dyn Clock>,
    pause: Pause,
) -> Result<(Durable, Vec<String>), ArchiveError> {
    let (journal, recovery) = journal(disk, pause)?;
    let journal = Arc::new(journal);
    let (all, mut damage) = told(&journal, None)?;
    let keeper = Keeper::new(Table::empty(db.clone()), Arc::clone(&journal), String::new(), "/nowhere/index".into());
    let changes = {
        let view = keeper.view();
        let mut fold = Fold::over(&view, journal.as_ref());
        for (place, one) in &all {
            replay(&mut fold, *place, one, &mut damage)?;
        }
        fold.rows.changes
    };
    keeper.overlay.commit(changes);
    let seq = number(&keeper.view(), keys::LAST_SEQ)?;
    damage.extend(recovery.damage.clone());
    let inner =
        Inner { clock, keeper: Arc::new(keeper), gate: Gate::default(), seq: Mutex::new(seq), subjects: [5; 32] };
    Ok((Durable { inner: Arc::new(inner), opened: Opened::default(), recovery, thread: None }, damage))
}
