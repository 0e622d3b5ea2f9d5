//! Everything that happens, as the ledger keeps it. The ledger is also the audit log.
//!
//! Events hold ids, never names, e-mails or phones: those lie in snapshots, where they can be erased.
//! (Plans and reports are the exception: they hold values about to be written, or found different.)

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::delete::Fate;
use super::entry::{OperationState, Via};
use super::ids::{EntryId, JobId, OperationId, PlanId, SnapshotId, TokenId};
use super::job::{Item, JobState, Report};
use super::plan::{Plan, PlanKind};
use super::record::RecordRef;

/// A line of history: `operation/…`, `plan/…`, `job/…`, `tokens`, `gateway/acme`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stream(pub String);

impl Stream {
    /// Of an operation.
    pub fn operation(id: OperationId) -> Self {
        Self(format!("operation/{id}"))
    }
    /// Of a plan.
    pub fn plan(id: PlanId) -> Self {
        Self(format!("plan/{id}"))
    }
    /// Of a job.
    pub fn job(id: JobId) -> Self {
        Self(format!("job/{id}"))
    }
    /// Of the links that wait for a record of this connection to come back.
    pub fn waiting(connection: &str, record: &RecordRef) -> Self {
        Self(format!("waiting/{connection}/{record}"))
    }
    /// Of the console's access tokens.
    pub fn tokens() -> Self {
        Self("tokens".into())
    }
    /// Of what one connection's gateway refused.
    pub fn gateway(connection: &str) -> Self {
        Self(format!("gateway/{connection}"))
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Snapshots of everything a request would destroy are durable (stream: operation).
    Captured {
        /// The operation.
        operation: OperationId,
        /// Connection.
        connection: String,
        /// By which way.
        via: Via,
        /// Who asked.
        by: String,
        /// Stable name of the route.
        route: String,
        /// The records, in the order of the request.
        entries: Vec<CapturedEntry>,
    },
    /// The request may have reached the CRM from here on (stream: operation).
    Forwarding,
    /// The CRM was read back (stream: operation).
    Settled {
        /// What became of each record.
        fates: Vec<(EntryId, Fate)>,
        /// HTTP status of the CRM's answer, where there was one.
        answer: Option<u16>,
        /// What that adds up to.
        state: OperationState,
    },
    /// Every entry of the operation came back (stream: operation).
    Undone {
        /// By this job.
        job: JobId,
    },
    /// A plan was made (stream: plan).
    PlanMade {
        /// Whole.
        plan: Box<Plan>,
        /// For whom.
        by: String,
    },
    /// A plan is to be applied (stream: job).
    JobQueued {
        /// The job.
        job: JobId,
        /// The plan.
        plan: PlanId,
        /// Restore or delete.
        kind: PlanKind,
        /// Connection.
        connection: String,
        /// Steps.
        total: u64,
        /// Who asked.
        by: String,
    },
    /// A job changed its state (stream: job).
    JobMoved {
        /// To.
        to: JobState,
        /// Why, where that is not plain.
        reason: Option<String>,
    },
    /// These steps may have reached the CRM from here on (stream: job). One batch at a time: the next `Applied` closes it.
    Applying {
        /// Step number, entry, and whether it makes the entry's record itself.
        steps: Vec<(u32, EntryId, bool)>,
    },
    /// What became of steps (stream: job). Old id -> new id follows from here. The newest item of a step counts: a
    /// retry, or reading back, may tell otherwise than an earlier one. Steps of the `Applying` before that are not
    /// named here were certainly not sent, and stay open.
    Applied {
        /// Of each.
        items: Vec<Item>,
    },
    /// A record was restored while the other end of one of its links still lay in the bin (stream: waiting). When that
    /// end comes back, the link does.
    LinkWaits {
        /// The end in the bin.
        end: RecordRef,
        /// The restored entry; its snapshot holds the link.
        entry: EntryId,
        /// The job that restored it.
        job: JobId,
    },
    /// What reading back found (stream: job).
    Reported {
        /// Whole.
        report: Report,
    },
    /// Somebody was given access (stream: tokens).
    TokenIssued {
        /// Its name.
        token: TokenId,
        /// Whose.
        person: String,
        /// `viewer`, `operator` or `admin`.
        role: String,
        /// BLAKE3 of the secret, hexadecimal. The secret is 256 random bits, so a plain hash is enough.
        hash: String,
        /// Who gave it.
        by: String,
    },
    /// Access was taken back (stream: tokens).
    TokenRevoked {
        /// Its name.
        token: TokenId,
        /// Who took it.
        by: String,
    },
    /// A destructive request was not forwarded (stream: gateway).
    Refused {
        /// Connection.
        connection: String,
        /// Who asked.
        by: String,
        /// Stable name of the route, where it was recognized.
        route: Option<String>,
        /// The refusal's code.
        code: String,
        /// The records it named.
        records: Vec<RecordRef>,
    },
}

/// One record of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedEntry {
    /// Its entry.
    pub id: EntryId,
    /// The record.
    pub record: RecordRef,
    /// Its snapshot, durable in the same write or before.
    pub snapshot: SnapshotId,
    /// When retention drops it.
    pub expires_at: Timestamp,
}

/// An event as it lies in the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Position in the whole ledger, from 1; what everything is ordered by.
    pub seq: u64,
    /// Its stream.
    pub stream: Stream,
    /// Position in its stream, from 1.
    pub version: u64,
    /// When. For people: clocks jump.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}
