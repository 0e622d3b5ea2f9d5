//! One record in the bin, and one operation: what the ledger's events add up to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::delete::Fate;
use super::ids::{EntryId, OperationId, SnapshotId};
use super::lifecycle::{Illegal, Lifecycle};
use super::record::RecordRef;

/// States of an entry; the words of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// In the bin.
    Deleted,
    /// The delete went out; what became of it is not known yet.
    Unknown,
    /// A job is bringing it back.
    Restoring,
    /// Brought back.
    Restored,
    /// A person has to look.
    NeedsReview,
    /// The CRM refused the delete: the record is still there. Not listed unless asked for.
    Kept,
    /// Dropped by retention.
    Forgotten,
    /// Destroyed for good by law.
    Erased,
}

impl EntryState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Deleted,
        Self::Unknown,
        Self::Restoring,
        Self::Restored,
        Self::NeedsReview,
        Self::Kept,
        Self::Forgotten,
        Self::Erased,
    ];
}

/// What may happen to an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryEvent {
    /// The CRM was read back after the delete.
    Settled(Fate),
    /// A write that re-creates it is about to be sent.
    Applying,
    /// It came back.
    Applied,
    /// It did not come back; nothing was made.
    Failed,
    /// It cannot be known whether it came back.
    Doubted,
    /// A person has found that nothing was made of it.
    Freed,
}

impl Lifecycle for EntryState {
    type Event = EntryEvent;

    fn next(&self, event: &EntryEvent) -> Result<Self, Illegal> {
        use EntryState::{Deleted, Erased, Kept, NeedsReview, Restored, Restoring, Unknown};
        match (self, event) {
            (Unknown | Deleted, EntryEvent::Settled(Fate::Deleted)) => Ok(Deleted),
            (Unknown | Kept, EntryEvent::Settled(Fate::Kept { .. })) => Ok(Kept),
            (Unknown, EntryEvent::Settled(Fate::Unknown)) => Ok(Unknown),
            // The delete may be looked at again; what was erased stays erased.
            (Erased, EntryEvent::Settled(_)) => Ok(Erased),
            (Deleted | NeedsReview | Restoring, EntryEvent::Applying) => Ok(Restoring),
            (Restoring | Deleted | NeedsReview, EntryEvent::Applied) => Ok(Restored),
            (Restoring | Deleted, EntryEvent::Failed) => Ok(Deleted),
            // This attempt made nothing; what an earlier one made is as open as before.
            (NeedsReview, EntryEvent::Failed) => Ok(NeedsReview),
            (NeedsReview, EntryEvent::Freed) => Ok(Deleted),
            // Also from `restored`: it was made, and then could not be read back.
            (Restoring | Restored, EntryEvent::Doubted) => Ok(NeedsReview),
            _ => Err(Illegal::new(self, event)),
        }
    }
}

/// By which way records were destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// A request through the gateway.
    Proxy,
    /// A delete job of our own.
    Job,
    /// A person on the CRM's own screens; seen by the mirror.
    Crm,
}

/// One record in the bin: the row that lists show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub id: EntryId,
    /// Connection it belongs to.
    pub connection: String,
    /// The record as it was called in the CRM.
    pub record: RecordRef,
    /// What a person calls it. Personal data.
    pub title: String,
    /// When its deletion was recorded, just before the request was forwarded.
    pub deleted_at: Timestamp,
    /// Who asked: a name from the configuration, or a fingerprint of the caller's token.
    pub deleted_by: String,
    /// By which way.
    pub via: Via,
    /// The cause it belongs to.
    pub operation: OperationId,
    /// Its state.
    pub state: EntryState,
    /// Its snapshot.
    pub snapshot: SnapshotId,
    /// When the snapshot was read.
    pub copy_taken_at: Timestamp,
    /// When retention drops it.
    pub expires_at: Timestamp,
    /// The record that replaces it, once restored.
    pub restored_as: Option<RecordRef>,
    /// For `kept` and `needs_review`: why.
    pub reason: Option<String>,
}

/// States of an operation; the words of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// Waits for approval.
    Held,
    /// Snapshots are durable and the request may have been sent.
    Open,
    /// Being settled by reading the CRM.
    Unknown,
    /// Every record is gone.
    Confirmed,
    /// Some are gone, some were kept.
    Partial,
    /// The CRM refused; nothing is gone.
    Refused,
    /// The request never reached the CRM; nothing is gone.
    NotSent,
    /// A person has to look.
    NeedsReview,
    /// Undone.
    Undone,
}

/// What may happen to an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperationEvent {
    /// Read back with this result.
    Settled(OperationState),
    /// Every entry of it was restored.
    Undone,
}

impl Lifecycle for OperationState {
    type Event = OperationEvent;

    fn next(&self, event: &OperationEvent) -> Result<Self, Illegal> {
        use OperationState::{Confirmed, NeedsReview, NotSent, Open, Partial, Refused, Undone, Unknown};
        match (self, event) {
            (
                Open | Unknown | NeedsReview,
                OperationEvent::Settled(to @ (Unknown | Confirmed | Partial | Refused | NotSent | NeedsReview)),
            ) => Ok(*to),
            (Confirmed | Partial | NeedsReview, OperationEvent::Undone) => Ok(Undone),
            _ => Err(Illegal::new(self, event)),
        }
    }
}

impl OperationState {
    /// The state that the fates of all its records add up to. `answered`: whether the CRM answered at all.
    pub fn from_fates<'a>(fates: impl IntoIterator<Item = &'a Fate>, answered: bool) -> Self {
        let (mut gone, mut kept, mut unknown) = (0_usize, 0_usize, 0_usize);
        for fate in fates {
            match fate {
                Fate::Deleted => gone += 1,
                Fate::Kept { .. } => kept += 1,
                Fate::Unknown => unknown += 1,
            }
        }
        match (gone, kept, unknown) {
            (_, _, 1..) => Self::Unknown,
            // It named no record of its own; the CRM has answered it.
            (0, 0, 0) if answered => Self::Confirmed,
            // Nor has it: there is nothing to look at that would tell.
            (0, 0, 0) => Self::NeedsReview,
            (0, _, 0) if answered => Self::Refused,
            (0, _, 0) => Self::NotSent,
            (_, 0, 0) => Self::Confirmed,
            _ => Self::Partial,
        }
    }
}

/// One cause that destroyed records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its name.
    pub id: OperationId,
    /// Connection.
    pub connection: String,
    /// State.
    pub state: OperationState,
    /// By which way.
    pub via: Via,
    /// Who asked.
    pub by: String,
    /// Stable name of the route that destroyed them.
    pub route: String,
    /// When it was captured.
    pub at: Timestamp,
    /// The entries of it, in the order of the request.
    pub entries: Vec<EntryId>,
    /// HTTP status of the CRM's answer, where there was one.
    pub answer: Option<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Fate {
        Fate::Kept { reason: "no rights".into() }
    }

    #[test]
    fn fates_add_up_to_the_state_of_the_operation() {
        assert_eq!(OperationState::from_fates([&Fate::Deleted, &Fate::Deleted], true), OperationState::Confirmed);
        assert_eq!(OperationState::from_fates([&Fate::Deleted, &kept()], true), OperationState::Partial);
        assert_eq!(OperationState::from_fates([&kept()], true), OperationState::Refused);
        assert_eq!(OperationState::from_fates([&kept()], false), OperationState::NotSent);
        assert_eq!(OperationState::from_fates([], true), OperationState::Confirmed);
        // Nobody has said, and nothing can be looked at: that is not "never sent".
        assert_eq!(OperationState::from_fates([], false), OperationState::NeedsReview);
        assert_eq!(OperationState::from_fates([&Fate::Deleted, &Fate::Unknown], true), OperationState::Unknown);
    }

    #[test]
    fn a_kept_record_is_never_restored() {
        assert!(EntryState::Kept.next(&EntryEvent::Applying).is_err());
        assert!(EntryState::Restored.next(&EntryEvent::Applying).is_err());
    }
}
