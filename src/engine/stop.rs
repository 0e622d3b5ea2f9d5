//! Why a delete is not sent, in words for the caller.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::archive::ArchiveError;
use crate::crm::CrmError;
use crate::domain::delete::Refusal;
use crate::domain::entry::Entry;
use crate::domain::ids::OperationId;
use crate::domain::record::RecordRef;

/// Why nothing is sent.
pub(super) enum Stop {
    Gone,
    Unknown(OperationId, Timestamp),
    Refused(Refusal, Vec<RecordRef>),
}

impl Stop {
    pub(super) fn archive(error: &ArchiveError) -> Self {
        let mut refusal = refusal(
            503,
            "archive_unusable",
            format!("the delete was not sent because its snapshot cannot be kept: {error}"),
            "reading and restoring still work; run `crm-undo doctor`",
        );
        refusal.retry_after = Some(5);
        Self::Refused(refusal, Vec::new())
    }

    pub(super) fn unread(error: &CrmError) -> Self {
        let (status, retry_after) = match error {
            CrmError::Permanent { status: Some(401), .. } => (401, None),
            CrmError::Permanent { .. } => (403, None),
            CrmError::Transient { retry_after, .. } => (503, Some(retry_after.map_or(1, |wait| wait.as_secs().max(1)))),
            CrmError::Ambiguous { .. } => (503, Some(1)),
        };
        let mut refusal = refusal(
            status,
            "snapshot_failed",
            format!("the delete was not sent because the records could not be read first: {error}"),
            "nothing was deleted; see that the connection's token may read these records",
        );
        refusal.retry_after = retry_after;
        Self::Refused(refusal, Vec::new())
    }

    pub(super) fn unsafe_to_delete(code: &'static str, detail: String, records: &[RecordRef]) -> Self {
        let hint = "nothing of this request was sent; give the connection a token that can read all of the record";
        Self::Refused(refusal(409, code, detail, hint), records.to_vec())
    }
}

/// Records of a request whose earlier delete may still be carried out.
#[derive(Debug, Default)]
pub(super) struct Pending {
    records: Vec<RecordRef>,
    operations: BTreeMap<OperationId, Timestamp>,
    /// Whether the request names other records that are there.
    pub(super) others: bool,
}

impl Pending {
    pub(super) fn add(&mut self, record: &RecordRef, entry: &Entry) {
        self.records.push(record.clone());
        self.operations.insert(entry.operation, entry.expires_at);
    }

    /// A repeat joins the operation it repeats; what names other records too has to wait.
    pub(super) fn stop(self) -> Result<(), Stop> {
        match self.operations.first_key_value() {
            None => Ok(()),
            Some((operation, until)) if self.operations.len() == 1 && !self.others => {
                Err(Stop::Unknown(*operation, *until))
            }
            Some(_) => {
                let list = self.records.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let detail =
                    format!("an earlier delete of {list} is not settled yet; nothing of this request was sent");
                let mut refusal = refusal(503, "outcome_unknown", detail, "send it again in a minute");
                refusal.retry_after = Some(60);
                Err(Stop::Refused(refusal, self.records))
            }
        }
    }
}

pub(super) fn refusal(status: u16, code: &'static str, detail: String, hint: &str) -> Refusal {
    Refusal { status, code, detail, hint: hint.to_owned(), retry_after: None }
}
