//! Legal holds: records that may neither be forgotten nor erased, until a person lifts the hold.

use jiff::Timestamp;

use super::event::{Event, Recorded};
use super::ids::HoldId;
use super::record::RecordRef;

/// One hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its name.
    pub id: HoldId,
    /// Connection.
    pub connection: String,
    /// Which records; empty: all of the connection.
    pub records: Vec<RecordRef>,
    /// Why, in a person's words.
    pub ground: String,
    /// Since when.
    pub placed_at: Timestamp,
    /// Who placed it.
    pub placed_by: String,
    /// When it was lifted, and by whom.
    pub released: Option<(Timestamp, String)>,
}

/// The holds of one connection, folded from its stream.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// Position in the stream.
    pub version: u64,
    /// All that were ever placed, oldest first.
    pub holds: Vec<Hold>,
}

impl Book {
    /// The next event of the stream.
    pub fn apply(&mut self, recorded: &Recorded) {
        self.version = recorded.version;
        match &recorded.event {
            Event::HoldPlaced { hold, connection, records, ground, by } => self.holds.push(Hold {
                id: *hold,
                connection: connection.clone(),
                records: records.clone(),
                ground: ground.clone(),
                placed_at: recorded.at,
                placed_by: by.clone(),
                released: None,
            }),
            Event::HoldReleased { hold, by } => {
                for one in self.holds.iter_mut().filter(|one| one.id == *hold) {
                    one.released.get_or_insert_with(|| (recorded.at, by.clone()));
                }
            }
            _ => {}
        }
    }

    /// Those that hold now.
    pub fn active(&self) -> impl Iterator<Item = &Hold> {
        self.holds.iter().filter(|hold| hold.released.is_none())
    }
}
