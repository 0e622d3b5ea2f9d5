//! The audit chain: a keyed hash over everything the journal has ever held, in order, whose head is sent out. Whoever
//! changes, removes, adds or moves anything before a head that was sent out no longer gets that head, even with the key
//! (`docs/decisions/0011-the-audit-chain.md`).
//!
//! | file | idea |
//! | --- | --- |
//! | `chain` | the chain, its head, and how a head is written down |
//! | `verify` | the journal against the heads that were sent out |

mod chain;
mod verify;

use super::ArchiveError;
use super::journal::Journal;
pub use chain::{Anchor, Anchors};
use jiff::Timestamp;
pub(crate) use verify::verify;

use chain::Chain;

/// What reading the whole chain found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Frames that are in the chain.
    pub frames: u64,
    /// Events of the ledger that were read.
    pub events: u64,
    /// Heads that were compared.
    pub anchors: u64,
    /// The last frame that a head covers; what follows it nobody outside has seen yet.
    pub anchored: u64,
    /// What is not as it was, each with its position. Empty: nothing was changed before the last head.
    pub findings: Vec<String>,
}

/// The head of the chain as it is now, computed on from an earlier one (`None`: from the beginning). Blocks.
pub(crate) fn anchor(
    journal: &Journal,
    since: Option<&Anchor>,
    ledger: u64,
    at: Timestamp,
) -> Result<Anchor, ArchiveError> {
    let key = journal.audit_key();
    let since = since.filter(|since| since.is_signed(&key));
    let mut chain = since.map_or_else(Chain::default, Chain::after);
    let mut marks = Vec::new();
    journal.witness(chain.end, &mut |seen| {
        chain.add(&key, seen);
        marks.extend_from_slice(&chain.mark());
    })?;
    Ok(Anchor::new(&key, &chain, marks, ledger, at))
}
